#include "nn/detail/describe.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "nn/detail/sizes.h"

namespace wengert::nn {

namespace {

std::string describe_sizes(std::span<const std::int64_t> sizes) {
  const bool all_equal = std::all_of(sizes.begin(), sizes.end(), [&](std::int64_t size) { return size == sizes[0]; });
  return all_equal ? std::to_string(sizes[0]) : fmt::format("{}", fmt::join(sizes, "x"));
}

}  // namespace

std::string detail::describe(std::int64_t size) { return std::to_string(size); }
std::string detail::describe(Size2d size) { return describe_sizes(sizes_of(size)); }
std::string detail::describe(Size3d size) { return describe_sizes(sizes_of(size)); }

std::string detail::describe(const Padding& padding, int axes) {
  switch (padding.mode) {
    case Padding::Mode::valid: return "valid";
    case Padding::Mode::same: return "same";
    case Padding::Mode::full: return "full";
    case Padding::Mode::number: break;
  }
  const auto count = static_cast<std::size_t>(axes);
  const std::string before = describe_sizes(std::span(padding.before).last(count));
  if (padding.before == padding.after) return before;
  return fmt::format("{} before, {} after", before, describe_sizes(std::span(padding.after).last(count)));
}

std::string detail::describe_batch(int axes, const std::string& channels) {
  constexpr std::array<const char*, 3> layouts = {"sequences: [N, {}, L]", "images: [N, {}, H, W]",
                                                  "volumes: [N, {}, D, H, W]"};
  return "a batch of " + fmt::format(fmt::runtime(layouts[static_cast<std::size_t>(axes - 1)]), channels);
}

}  // namespace wengert::nn
