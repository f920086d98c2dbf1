#pragma once

#include <array>
#include <cstdint>

#include <wengert/autograd/ops.h>

#include "autograd/kernels/conv.h"

/// \file
/// What all convolutions come down to: a correlation, which is linear in the image and in the kernel, and its two
/// adjoints. Each one's gradients are the other two.

namespace wengert::detail {

/// A correlation over one to three image axes, with its sizes resolved.
struct Correlation {
  kernels::ConvSizes sizes;
  int axes;
  ConvMethod method = ConvMethod::direct;  ///< not `automatic`; direct unless axes = 2

  Shape x_shape() const;
  Shape kernel_shape() const;
  Shape y_shape() const;
};

/// Arguments of shapes that fit, without further checks. A bias, of the channels of the result, may be undefined.
/// @{
/// Recorded as op `name`.
Tensor correlate(const char* name, const Tensor& x, const Tensor& kernel, const Tensor& bias, const Correlation& of);
Tensor correlate_input_gradient(const char* name, const Tensor& g, const Tensor& kernel, const Tensor& bias,
                                const Correlation& of);
Tensor correlate_kernel_gradient(const Tensor& x, const Tensor& g, const Correlation& of);
/// @}

/// The options of an op over `axes` image axes, of which the last ones have the last entries.
struct ConvGeometry {
  int axes;
  std::array<std::int64_t, 3> stride;
  std::array<std::int64_t, 3> dilation;
  Padding padding;
  std::int64_t groups;
};
ConvGeometry geometry(std::int64_t stride, const Padding& padding, std::int64_t dilation, std::int64_t groups);
ConvGeometry geometry(Size2d stride, const Padding& padding, Size2d dilation, std::int64_t groups);
ConvGeometry geometry(Size3d stride, const Padding& padding, Size3d dilation, std::int64_t groups);

/// Larger sizes would overflow in sums and products of a few of them.
inline constexpr std::int64_t conv_size_limit = std::int64_t{1} << 30;

/// What an axis, 0 to 2, is made of: "rows".
const char* elements_of_axis(int axes, std::size_t axis);
/// The axes of an image of so many axes, as in messages: "H, W".
const char* image_axes(int axes);
const char* kernel_axes(int axes);
/// Throws unless stride and dilation are possible, kernel and image too, and padding has numbers for these axes.
void check_geometry(const char* op, const ConvGeometry& geometry, const Shape& x, const Shape& kernel);
/// Elements from the first tap's to the last one's, both included.
inline std::int64_t extent_of(std::int64_t kernel, std::int64_t dilation) { return (kernel - 1) * dilation + 1; }

}  // namespace wengert::detail
