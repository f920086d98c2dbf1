#include "train/draw.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>

namespace wengert {
namespace {

constexpr std::string_view gap = "   ";

std::string_view shade(double value, double low, double high) {
  static constexpr std::array<std::string_view, 5> shades{"  ", "░░", "▒▒", "▓▓", "██"};
  if (std::isnan(value)) return "??";
  if (!(high > low)) return shades.front();
  const auto count = static_cast<double>(shades.size());
  return shades[static_cast<std::size_t>(std::clamp((value - low) / (high - low) * count, 0.0, count - 1))];
}

/// Characters, not bytes.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

/// `text` cut or filled up with spaces to `width` characters.
std::string fitted(std::string_view text, std::size_t width) {
  std::string result;
  std::size_t characters = 0;
  for (const char c : text) {
    if ((c & 0xC0) != 0x80 && ++characters > width) break;
    result += c;
  }
  return result.append(width - std::min(width_of(result), width), ' ');
}

struct Images {
  std::vector<double> values;
  std::size_t count;
  std::size_t rows;
  std::size_t columns;

  std::size_t width() const { return 2 * columns; }
  std::string line(std::size_t image, std::size_t row) const {
    const auto pixels = std::span(values).subspan(image * rows * columns, rows * columns);
    double low = std::numeric_limits<double>::infinity();
    double high = -low;
    for (const double value : pixels) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
    std::string text;
    for (const double value : pixels.subspan(row * columns, columns)) text += shade(value, low, high);
    return text;
  }
};

Images read(const Tensor& tensor) {
  const bool has_channel = tensor.rank() == 4;
  check(tensor.rank() == 3 || (has_channel && tensor.dim(1) == 1),
        "draw_images: images must be [N, H, W] or [N, 1, H, W], got {}", tensor.shape());
  const auto size = [&](int axis) { return static_cast<std::size_t>(tensor.dim(axis)); };
  const Tensor numbers = tensor.detach().to(float64);
  const auto values = numbers.data<double>();
  return {{values.begin(), values.end()}, size(0), size(-2), size(-1)};
}

}  // namespace

std::string draw_images(const Tensor& images, const DrawOptions& options) {
  const Images all = read(images);
  const std::vector<std::string>& captions = options.captions;
  check(captions.empty() || captions.size() == all.count, "draw_images: {} captions for {} images", captions.size(),
        all.count);

  std::string text;
  // One line of all images from `first` to `last`, as `part` gives it for each.
  const auto append_line = [&](std::size_t first, std::size_t last, auto part) {
    std::string line;
    for (std::size_t i = first; i < last; ++i) {
      if (i > first) line += gap;
      line += part(i);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  };
  const std::size_t room = static_cast<std::size_t>(std::max<std::int64_t>(options.columns, 0)) + gap.size();
  const std::size_t across = std::max<std::size_t>(room / (all.width() + gap.size()), 1);
  for (std::size_t first = 0; first < all.count; first += across) {
    const std::size_t last = std::min(first + across, all.count);
    for (std::size_t row = 0; row < all.rows; ++row) {
      append_line(first, last, [&](std::size_t i) { return all.line(i, row); });
    }
    if (!captions.empty()) {
      append_line(first, last, [&](std::size_t i) { return fitted(captions[i], all.width()); });
    }
    if (last < all.count) text += '\n';
  }
  return text;
}

}  // namespace wengert
