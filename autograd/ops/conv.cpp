#include "autograd/kernels/conv.h"

#include <algorithm>
#include <array>
#include <utility>

#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

using kernels::ConvAxis;
using kernels::ConvSizes;

/// Whether the kernel slides as it is or flipped. Matters for `Padding::same` too: SciPy centres the result in the full
/// one, so an odd zero goes behind the image of a correlation and before that of a convolution.
enum class Kind : bool { correlation, convolution };

// Larger numbers would overflow in sums and products of a few of them.
constexpr std::int64_t size_limit = std::int64_t{1} << 30;

ConvAxis resolve_axis(const char* op, const char* axis_name, std::int64_t size, std::int64_t kernel,
                      std::int64_t stride, std::int64_t dilation, Padding::Mode mode, std::int64_t padding, Kind kind) {
  check(stride >= 1 && stride <= size_limit, "{}: stride of {} must be from 1 to {}, got {}", op, axis_name, size_limit,
        stride);
  check(dilation >= 1 && dilation <= size_limit, "{}: dilation of {} must be from 1 to {}, got {}", op, axis_name,
        size_limit, dilation);
  check(padding >= 0 && padding <= size_limit, "{}: padding of {} must be from 0 to {}, got {}", op, axis_name,
        size_limit, padding);
  check(kernel >= 1 && kernel <= size_limit && size <= size_limit, "{}: kernel has {} {}, x has {}", op, kernel,
        axis_name, size);
  const std::int64_t extent = (kernel - 1) * dilation + 1;
  ConvAxis axis{size, kernel, 0, 0, stride, dilation};
  if (mode == Padding::Mode::same) {
    axis.out = (size + stride - 1) / stride;
    const std::int64_t zeros = std::max<std::int64_t>((axis.out - 1) * stride + extent - size, 0);
    axis.before = kind == Kind::correlation ? zeros / 2 : zeros - zeros / 2;
    return axis;
  }
  if (mode == Padding::Mode::full) axis.before = extent - 1;
  if (mode == Padding::Mode::number) axis.before = padding;
  const std::int64_t padded = size + 2 * axis.before;
  check(extent <= padded, "{}: the kernel covers {} {} (size {}, dilation {}), more than the padded image has: {}", op,
        extent, axis_name, kernel, dilation, padded);
  axis.out = (padded - extent) / stride + 1;
  return axis;
}

/// The sizes of a correlation of x [N, C, H, W] with a kernel [O, C, KH, KW].
ConvSizes resolve(const char* op, const Shape& x, const Shape& kernel, const ConvOptions& options, Kind kind) {
  check(x.rank() == 4, "{}: x must be [N, C, H, W], got {}", op, x);
  check(kernel.rank() == 4, "{}: kernel must be [O, C, KH, KW], got {}", op, kernel);
  check(x[1] == kernel[1], "{}: x has {} channels, the kernel takes {}; x is {}, kernel is {}", op, x[1], kernel[1], x,
        kernel);
  const Padding& padding = options.padding;
  return {x[0], x[1], kernel[0],
          resolve_axis(op, "rows", x[2], kernel[2], options.stride.rows, options.dilation.rows, padding.mode,
                       padding.before[1], kind),
          resolve_axis(op, "columns", x[3], kernel[3], options.stride.columns, options.dilation.columns, padding.mode,
                       padding.before[2], kind)};
}

Shape x_shape(const ConvSizes& sizes) { return {sizes.images, sizes.in_channels, sizes.rows.size, sizes.columns.size}; }
Shape kernel_shape(const ConvSizes& sizes) {
  return {sizes.out_channels, sizes.in_channels, sizes.rows.kernel, sizes.columns.kernel};
}
Shape y_shape(const ConvSizes& sizes) { return {sizes.images, sizes.out_channels, sizes.rows.out, sizes.columns.out}; }

// A correlation is linear in x and in the kernel, so it and its two adjoints are each other's gradients.
Tensor correlate(const char* name, const Tensor& x, const Tensor& kernel, const Tensor& bias, const ConvSizes& sizes);
Tensor input_gradient(const Tensor& g, const Tensor& kernel, const ConvSizes& sizes);
Tensor kernel_gradient(const Tensor& x, const Tensor& g, const ConvSizes& sizes);

Tensor correlate(const char* name, const Tensor& x, const Tensor& kernel, const Tensor& bias, const ConvSizes& sizes) {
  using detail::Access;
  Tensor y = Access::allocate(y_shape(sizes), x.dtype());
  if (y.numel() > 0) {
    dispatch_floating(x.dtype(), [&]<class T>() {
      kernels::correlate(sizes, Access::data<T>(x), Access::data<T>(kernel),
                         bias.defined() ? Access::data<T>(bias) : nullptr, Access::mutable_data<T>(y));
    });
  }
  return record(
      name, std::move(y), wrt(x, [kernel, sizes](const Tensor& g) { return input_gradient(g, kernel, sizes); }),
      wrt(kernel, [x, sizes](const Tensor& g) { return kernel_gradient(x, g, sizes); }), wrt(bias, [](const Tensor& g) {
        return sum(g, {0, 2, 3});
      }));
}

/// Where an adjoint of g goes; done if there is nothing in g.
Tensor zeros_or_new(const Tensor& g, const Shape& shape) {
  return g.numel() == 0 ? zeros(shape, g.dtype()) : detail::Access::allocate(shape, g.dtype());
}

Tensor input_gradient(const Tensor& g, const Tensor& kernel, const ConvSizes& sizes) {
  using detail::Access;
  Tensor x = zeros_or_new(g, x_shape(sizes));
  if (g.numel() > 0) {
    dispatch_floating(g.dtype(), [&]<class T>() {
      kernels::correlate_input_gradient(sizes, Access::data<T>(g), Access::data<T>(kernel), Access::mutable_data<T>(x));
    });
  }
  return record("correlate2d_input_gradient", std::move(x),
                wrt(g, [kernel, sizes](const Tensor& h) { return correlate("correlate2d", h, kernel, {}, sizes); }),
                wrt(kernel, [g, sizes](const Tensor& h) { return kernel_gradient(h, g, sizes); }));
}

Tensor kernel_gradient(const Tensor& x, const Tensor& g, const ConvSizes& sizes) {
  using detail::Access;
  Tensor kernel = zeros_or_new(g, kernel_shape(sizes));
  if (g.numel() > 0) {
    dispatch_floating(g.dtype(), [&]<class T>() {
      kernels::correlate_kernel_gradient(sizes, Access::data<T>(x), Access::data<T>(g),
                                         Access::mutable_data<T>(kernel));
    });
  }
  return record("correlate2d_kernel_gradient", std::move(kernel),
                wrt(x, [g, sizes](const Tensor& h) { return input_gradient(g, h, sizes); }),
                wrt(g, [x, sizes](const Tensor& h) { return correlate("correlate2d", x, h, {}, sizes); }));
}

/// Both image axes the other way round: the taps of a channel in reverse order.
Tensor flipped(const Tensor& kernel) {
  using detail::Access;
  Tensor result = Access::allocate(kernel.shape(), kernel.dtype());
  const std::int64_t taps = kernel.dim(-2) * kernel.dim(-1);
  dispatch_floating(kernel.dtype(), [&]<class T>() {
    const T* from = Access::data<T>(kernel);
    T* to = Access::mutable_data<T>(result);
    for (std::int64_t begin = 0; begin < kernel.numel(); begin += taps) {
      std::reverse_copy(from + begin, from + begin + taps, to + begin);
    }
  });
  return record("convolve2d", std::move(result), wrt(kernel, [](const Tensor& g) { return flipped(g); }));
}

Tensor slide(const char* op, const Tensor& x, const Tensor& kernel, const ConvOptions& options, const Tensor& bias,
             Kind kind) {
  if (bias.defined()) {
    detail::check_operands(op, std::array{&x, &kernel, &bias}, Types::floating, {"x", "kernel", "bias"});
  } else {
    detail::check_operands(op, std::array{&x, &kernel}, Types::floating, {"x", "kernel"});
  }
  if (x.rank() == 2 && kernel.rank() == 2) {
    check(!bias.defined(), "{}: an image [H, W] takes no bias, got {}", op, bias.defined() ? bias.shape() : Shape());
    const Tensor y = slide(op, reshape(x, {1, 1, x.dim(0), x.dim(1)}),
                           reshape(kernel, {1, 1, kernel.dim(0), kernel.dim(1)}), options, bias, kind);
    return reshape(y, {y.dim(2), y.dim(3)});
  }
  check(x.rank() == 4 && kernel.rank() == 4,
        "{}: x and kernel must be [H, W] and [KH, KW] or [N, C, H, W] and [O, C, KH, KW]; x is {}, kernel is {}", op,
        x.shape(), kernel.shape());
  const ConvSizes sizes = resolve(op, x.shape(), kernel.shape(), options, kind);
  check(!bias.defined() || (bias.rank() == 1 && bias.dim(0) == sizes.out_channels),
        "{}: bias must be [{}] for kernel {}, got {}", op, sizes.out_channels, kernel.shape(),
        bias.defined() ? bias.shape() : Shape());
  return correlate(op, x, kind == Kind::correlation ? kernel : flipped(kernel), bias, sizes);
}

void check_upstream(const char* op, const Tensor& g, const ConvSizes& sizes) {
  check(g.shape() == y_shape(sizes), "{}: g must have the correlation's shape {}, got {}", op, y_shape(sizes),
        g.shape());
}

}  // namespace

Tensor correlate2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options, const Tensor& bias) {
  return slide("correlate2d", x, kernel, options, bias, Kind::correlation);
}

Tensor convolve2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options, const Tensor& bias) {
  return slide("convolve2d", x, kernel, options, bias, Kind::convolution);
}

Tensor correlate2d_input_gradient(const Tensor& g, const Tensor& kernel, const Shape& x_shape,
                                  const ConvOptions& options) {
  constexpr const char* op = "correlate2d_input_gradient";
  detail::check_operands(op, std::array{&g, &kernel}, Types::floating, {"g", "kernel"});
  const ConvSizes sizes = resolve(op, x_shape, kernel.shape(), options, Kind::correlation);
  check_upstream(op, g, sizes);
  return input_gradient(g, kernel, sizes);
}

Tensor correlate2d_kernel_gradient(const Tensor& x, const Tensor& g, const Shape& kernel_shape,
                                   const ConvOptions& options) {
  constexpr const char* op = "correlate2d_kernel_gradient";
  detail::check_operands(op, std::array{&x, &g}, Types::floating, {"x", "g"});
  const ConvSizes sizes = resolve(op, x.shape(), kernel_shape, options, Kind::correlation);
  check_upstream(op, g, sizes);
  return kernel_gradient(x, g, sizes);
}

}  // namespace wengert
