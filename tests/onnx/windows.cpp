#include "tests/onnx/windows.h"

#include <algorithm>
#include <string>
#include <utility>

namespace wengert::test::onnx {

namespace {

/// As many positions as ceil(size / stride), an odd element in front.
void pad_same_lower(const Shape& x, Windows& windows) {
  for (std::size_t axis = 0; axis < windows.axes(); ++axis) {
    const std::int64_t size = x[static_cast<int>(axis) + 2];
    const std::int64_t stride = windows.strides[axis];
    const std::int64_t positions = (size + stride - 1) / stride;
    const std::int64_t zeros = std::max<std::int64_t>((positions - 1) * stride + windows.extent(axis) - size, 0);
    windows.before[axis] = zeros - zeros / 2;
    windows.after[axis] = zeros / 2;
  }
}

}  // namespace

Windows::Windows(const Call& call, const Shape& x, Sizes kernel_sizes) : kernel(std::move(kernel_sizes)) {
  const auto numbers = [&](const char* attribute, std::size_t count, std::int64_t otherwise) {
    const Sizes given = call.integers(attribute);
    return given.empty() ? Sizes(count, otherwise) : given;
  };
  strides = numbers("strides", axes(), 1);
  dilations = numbers("dilations", axes(), 1);
  const Sizes pads = numbers("pads", 2 * axes(), 0);
  const auto middle = pads.begin() + static_cast<std::ptrdiff_t>(axes());
  before.assign(pads.begin(), middle);
  after.assign(middle, pads.end());
  const std::string automatic = call.text("auto_pad", "NOTSET");
  same = automatic == "SAME_UPPER";
  if (automatic == "SAME_LOWER") pad_same_lower(x, *this);
}

Padding Windows::padding() const {
  if (same) return Padding::same;
  if (axes() == 1) return Padding::sides(before[0], after[0]);
  if (axes() == 2) return Padding::sides(before[0], after[0], before[1], after[1]);
  Padding sides(0, 0, 0);
  std::copy(before.begin(), before.end(), sides.before.begin());
  std::copy(after.begin(), after.end(), sides.after.begin());
  return sides;
}

void too_many_axes(std::size_t axes) { throw Unsupported("images of " + std::to_string(axes) + " axes"); }

}  // namespace wengert::test::onnx
