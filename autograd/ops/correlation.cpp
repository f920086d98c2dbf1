#include "autograd/ops/correlation.h"

#include <utility>
#include <vector>

#include <wengert/autograd/tape.h>

#include "autograd/ops/conv_method.h"

namespace wengert::detail {

namespace {

/// [first, second, the sizes of the image axes].
template <class F>
Shape shape_of(std::int64_t first, std::int64_t second, const Correlation& of, F size) {
  std::int64_t dims[5] = {first, second};
  for (int i = 0; i < of.axes; ++i) dims[2 + i] = size(of.sizes.axes[static_cast<std::size_t>(3 - of.axes + i)]);
  return Shape(std::span<const std::int64_t>(dims, static_cast<std::size_t>(2 + of.axes)));
}

constexpr const char* correlate_names[] = {"correlate1d", "correlate2d", "correlate3d"};
constexpr const char* input_gradient_names[] = {"correlate1d_input_gradient", "correlate2d_input_gradient",
                                                "correlate3d_input_gradient"};
constexpr const char* kernel_gradient_names[] = {"correlate1d_kernel_gradient", "correlate2d_kernel_gradient",
                                                 "correlate3d_kernel_gradient"};

Tensor sum_of_channels(const Tensor& g) {
  Axes axes{0};
  for (int axis = 2; axis < g.rank(); ++axis) axes.push_back(axis);
  return sum(g, axes);
}

}  // namespace

Shape Correlation::x_shape() const {
  return shape_of(sizes.images, sizes.in_channels, *this, [](const kernels::ConvAxis& axis) { return axis.size; });
}
Shape Correlation::kernel_shape() const {
  return shape_of(sizes.out_channels, sizes.group_in(), *this,
                  [](const kernels::ConvAxis& axis) { return axis.kernel; });
}
Shape Correlation::y_shape() const {
  return shape_of(sizes.images, sizes.out_channels, *this, [](const kernels::ConvAxis& axis) { return axis.out; });
}

Tensor correlate(const char* name, const Tensor& x, const Tensor& kernel, const Tensor& bias, const Correlation& of) {
  return record(name, correlate_value(x, kernel, bias, of),
                wrt(x,
                    [kernel, of](const Tensor& g) {
                      return correlate_input_gradient(input_gradient_names[of.axes - 1], g, kernel, {}, of);
                    }),
                wrt(kernel, [x, of](const Tensor& g) { return correlate_kernel_gradient(x, g, of); }),
                wrt(bias, sum_of_channels));
}

Tensor correlate_input_gradient(const char* name, const Tensor& g, const Tensor& kernel, const Tensor& bias,
                                const Correlation& of) {
  return record(
      name, input_gradient_value(g, kernel, bias, of),
      wrt(g, [kernel, of](const Tensor& h) { return correlate(correlate_names[of.axes - 1], h, kernel, {}, of); }),
      wrt(kernel, [g, of](const Tensor& h) { return correlate_kernel_gradient(h, g, of); }),
      wrt(bias, sum_of_channels));
}

Tensor correlate_kernel_gradient(const Tensor& x, const Tensor& g, const Correlation& of) {
  Correlation any_kernel = of;  // in the rules h takes the place of the kernel, and need not be like it
  any_kernel.method = method_of_kernel_gradient(of.method, x.dtype(), of.sizes);
  return record(kernel_gradient_names[of.axes - 1], kernel_gradient_value(x, g, any_kernel),
                wrt(x,
                    [g, any_kernel](const Tensor& h) {
                      return correlate_input_gradient(input_gradient_names[any_kernel.axes - 1], g, h, {}, any_kernel);
                    }),
                wrt(g, [x, any_kernel](const Tensor& h) {
                  return correlate(correlate_names[any_kernel.axes - 1], x, h, {}, any_kernel);
                }));
}

ConvGeometry geometry(std::int64_t stride, const Padding& padding, std::int64_t dilation, std::int64_t groups) {
  return {1, {1, 1, stride}, {1, 1, dilation}, padding, groups};
}
ConvGeometry geometry(Size2d stride, const Padding& padding, Size2d dilation, std::int64_t groups) {
  return {2, {1, stride.rows, stride.columns}, {1, dilation.rows, dilation.columns}, padding, groups};
}
ConvGeometry geometry(Size3d stride, const Padding& padding, Size3d dilation, std::int64_t groups) {
  return {3,
          {stride.depth, stride.rows, stride.columns},
          {dilation.depth, dilation.rows, dilation.columns},
          padding,
          groups};
}

const char* elements_of_axis(int axes, std::size_t axis) {
  static constexpr const char* names[] = {"slices", "rows", "columns"};
  return axes == 1 ? "elements" : names[axis];
}
const char* image_axes(int axes) {
  static constexpr const char* names[] = {"L", "H, W", "D, H, W"};
  return names[axes - 1];
}
const char* kernel_axes(int axes) {
  static constexpr const char* names[] = {"K", "KH, KW", "KD, KH, KW"};
  return names[axes - 1];
}

void check_geometry(const char* op, const ConvGeometry& geometry, const Shape& x, const Shape& kernel) {
  const Padding& padding = geometry.padding;
  check(padding.axes == 0 || padding.axes == geometry.axes, "{}: padding has numbers for {} image axes, x has {}", op,
        padding.axes, geometry.axes);
  check(geometry.groups >= 1, "{}: groups must be at least 1, got {}", op, geometry.groups);
  for (std::size_t axis = static_cast<std::size_t>(3 - geometry.axes); axis < 3; ++axis) {
    const char* elements = elements_of_axis(geometry.axes, axis);
    const int dim = 2 + static_cast<int>(axis) - (3 - geometry.axes);
    check(geometry.stride[axis] >= 1 && geometry.stride[axis] <= conv_size_limit,
          "{}: stride of {} must be from 1 to {}, got {}", op, elements, conv_size_limit, geometry.stride[axis]);
    check(geometry.dilation[axis] >= 1 && geometry.dilation[axis] <= conv_size_limit,
          "{}: dilation of {} must be from 1 to {}, got {}", op, elements, conv_size_limit, geometry.dilation[axis]);
    for (const std::int64_t number : {padding.before[axis], padding.after[axis]}) {
      check(number >= 0 && number <= conv_size_limit, "{}: padding of {} must be from 0 to {}, got {}", op, elements,
            conv_size_limit, number);
    }
    check(kernel[dim] >= 1 && kernel[dim] <= conv_size_limit && x[dim] <= conv_size_limit,
          "{}: kernel has {} {}, x has {}", op, kernel[dim], elements, x[dim]);
  }
}

}  // namespace wengert::detail
