#include "nn/detail/describe.h"

#include <fmt/format.h>

namespace wengert::nn {

std::string detail::describe(Size2d size) {
  return size.rows == size.columns ? std::to_string(size.rows) : fmt::format("{}x{}", size.rows, size.columns);
}

std::string detail::describe(const Padding& padding) {
  switch (padding.mode) {
    case Padding::Mode::valid: return "valid";
    case Padding::Mode::same: return "same";
    case Padding::Mode::full: return "full";
    case Padding::Mode::number: break;
  }
  const Size2d before(padding.before[1], padding.before[2]);
  const Size2d after(padding.after[1], padding.after[2]);
  if (padding.before == padding.after) return describe(before);
  return fmt::format("{} before, {} after", describe(before), describe(after));
}

}  // namespace wengert::nn
