#include <algorithm>
#include <cmath>

#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

using Sizes = std::vector<std::int64_t>;

/// The element of an axis of `in` elements that position i of `out` takes, by ONNX's rule for `nearest`.
std::int64_t nearest_element(std::int64_t i, std::int64_t in, std::int64_t out, const std::string& coordinates,
                             const std::string& rounding) {
  const double scale = static_cast<double>(out) / static_cast<double>(in);
  const auto position = static_cast<double>(i);
  double x = (position + 0.5) / scale - 0.5;
  if (coordinates == "asymmetric") x = position / scale;
  if (coordinates == "align_corners")
    x = out == 1 ? 0 : position * static_cast<double>(in - 1) / static_cast<double>(out - 1);
  if (coordinates == "tf_half_pixel_for_nn") x = (position + 0.5) / scale;
  double nearest = std::ceil(x - 0.5);  // round_prefer_floor
  if (rounding == "round_prefer_ceil") nearest = std::floor(x + 0.5);
  if (rounding == "floor") nearest = std::floor(x);
  if (rounding == "ceil") nearest = std::ceil(x);
  return std::clamp<std::int64_t>(static_cast<std::int64_t>(nearest), 0, in - 1);
}

/// Throws unless ONNX's rule names the elements that the op takes, floor(i in / out).
void check_nearest(const Shape& from, const Sizes& to, const std::string& coordinates, const std::string& rounding) {
  for (int axis = 2; axis < 4; ++axis) {
    const std::int64_t out = to[static_cast<std::size_t>(axis)];
    for (std::int64_t i = 0; i < out; ++i) {
      if (nearest_element(i, from[axis], out, coordinates, rounding) != i * from[axis] / out) {
        throw Unsupported("another element for the nearest one");
      }
    }
  }
}

/// Sizes from scales, which must be exactly what the sizes are to each other: the op knows only sizes.
Sizes scaled_sizes(const Shape& from, const Tensor& scales) {
  Sizes to;
  for (int axis = 0; axis < from.rank(); ++axis) {
    const double size = static_cast<double>(from[axis]) * scales[axis].item();
    if (size != std::floor(size)) throw Unsupported("scales that give no whole number of elements");
    to.push_back(static_cast<std::int64_t>(size));
  }
  return to;
}

Tensor resized(const Tensor& x, const Sizes& to, const Call& call, const std::string& coordinates,
               const std::string& rounding) {
  const std::string mode = call.text("mode", "nearest");
  if (mode == "cubic") throw Unsupported("no cubic interpolation");
  if (x.rank() != 4 || to[0] != x.dim(0) || to[1] != x.dim(1)) throw Unsupported("other axes than those of 2-D images");
  const Size2d size(to[2], to[3]);
  if (mode == "nearest") {
    check_nearest(x.shape(), to, coordinates, rounding);
    return interpolate(x, size);
  }
  const bool half_pixel =
      coordinates == "half_pixel" || (coordinates == "pytorch_half_pixel" && size.rows > 1 && size.columns > 1);
  if (!half_pixel && coordinates != "align_corners") throw Unsupported("other coordinates for linear interpolation");
  return interpolate(x, size, {.mode = InterpolateMode::bilinear, .align_corners = !half_pixel});
}

Tensor resize(const Call& call) {
  const Tensor x = call.input(0);
  const std::string coordinates = call.text("coordinate_transformation_mode", "half_pixel");
  const std::string rounding = call.text("nearest_mode", "round_prefer_floor");
  call.ignore("cubic_coeff_a");        // of modes that resized() rejects
  call.ignore("exclude_outside");      // likewise
  call.ignore("extrapolation_value");  // likewise
  call.optional_input(1);              // the region of tf_crop_and_resize, likewise
  const Tensor scales = call.optional_input(2);
  const Sizes to = call.input_count() > 3 ? call.integers_input(3) : scaled_sizes(x.shape(), scales);
  return resized(x, to, call, coordinates, rounding);
}

/// Resize as it was up to version 9.
Tensor upsample(const Call& call) {
  const Tensor x = call.input(0);
  return resized(x, scaled_sizes(x.shape(), call.input(1)), call, "asymmetric", "floor");
}

}  // namespace

std::vector<Operator> resize_operators() {
  return {
      {"Resize", {"interpolate"}, resize},
      {"Upsample", {"interpolate"}, upsample},
  };
}

}  // namespace wengert::test::onnx
