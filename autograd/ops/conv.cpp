#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <wengert/autograd/elementwise.h>

#include "autograd/ops/conv_method.h"
#include "autograd/ops/correlation.h"

namespace wengert {

namespace {

using detail::ConvGeometry;
using detail::Correlation;
using detail::extent_of;
using kernels::ConvAxis;

/// Whether the kernel slides as it is or flipped. Matters for `Padding::same` too: SciPy centres the result in the full
/// one, so an odd zero goes behind the image of a correlation and before that of a convolution.
enum class Kind : bool { correlation, convolution };

/// A correlation, and how far the image is padded behind, which its sizes don't tell.
struct Resolved {
  Correlation correlation;
  std::array<std::int64_t, 3> after{};
};

/// One axis; `after` is its padding behind.
ConvAxis resolve_axis(const char* op, const ConvGeometry& geometry, std::size_t a, std::int64_t size,
                      std::int64_t kernel, Kind kind, std::int64_t& after) {
  const Padding& padding = geometry.padding;
  const std::int64_t extent = extent_of(kernel, geometry.dilation[a]);
  ConvAxis axis{size, kernel, 0, 0, geometry.stride[a], geometry.dilation[a]};
  if (padding.mode == Padding::Mode::same) {
    axis.out = (size + axis.stride - 1) / axis.stride;
    const std::int64_t zeros = std::max<std::int64_t>((axis.out - 1) * axis.stride + extent - size, 0);
    axis.before = kind == Kind::correlation ? zeros / 2 : zeros - zeros / 2;
    after = zeros - axis.before;
    return axis;
  }
  if (padding.mode == Padding::Mode::full) axis.before = after = extent - 1;
  if (padding.mode == Padding::Mode::number) {
    axis.before = padding.before[a];
    after = padding.after[a];
  }
  const std::int64_t padded = size + axis.before + after;
  check(extent <= padded, "{}: the kernel covers {} {} (size {}, dilation {}), more than the padded image has: {}", op,
        extent, detail::elements_of_axis(geometry.axes, a), kernel, axis.dilation, padded);
  axis.out = (padded - extent) / axis.stride + 1;
  return axis;
}

/// The correlation of x [N, C, ...] with a kernel [O, C / groups, ...].
Resolved resolve(const char* op, const Shape& x, const Shape& kernel, const ConvGeometry& geometry, Kind kind) {
  const int axes = geometry.axes;
  check(x.rank() == axes + 2, "{}: x must be [N, C, {}], got {}", op, detail::image_axes(axes), x);
  check(kernel.rank() == axes + 2, "{}: kernel must be [O, C, {}], got {}", op, detail::kernel_axes(axes), kernel);
  const std::int64_t groups = geometry.groups;
  detail::check_geometry(op, geometry, x, kernel);
  check(x[1] % groups == 0 && kernel[0] % groups == 0,
        "{}: groups must divide the channels in and out, {} does not divide {} and {}", op, groups, x[1], kernel[0]);
  if (groups == 1) {
    check(x[1] == kernel[1], "{}: x has {} channels, the kernel takes {}; x is {}, kernel is {}", op, x[1], kernel[1],
          x, kernel);
  }
  check(x[1] / groups == kernel[1],
        "{}: x has {} channels in each of {} groups, the kernel takes {}; x is {}, kernel is {}", op, x[1] / groups,
        groups, kernel[1], x, kernel);
  Resolved result{{{x[0], x[1], kernel[0], groups, {}}, axes}};
  for (std::size_t a = static_cast<std::size_t>(3 - axes); a < 3; ++a) {
    const int dim = static_cast<int>(a) + axes - 1;
    result.correlation.sizes.axes[a] = resolve_axis(op, geometry, a, x[dim], kernel[dim], kind, result.after[a]);
  }
  return result;
}

/// x padded by its own elements; the correlation is then one that pads nothing.
Tensor padded(const char* op, const Tensor& x, PadMode mode, Resolved& resolved) {
  const int axes = resolved.correlation.axes;
  std::vector<std::int64_t> before(2, 0);
  std::vector<std::int64_t> after(2, 0);
  for (std::size_t a = static_cast<std::size_t>(3 - axes); a < 3; ++a) {
    ConvAxis& axis = resolved.correlation.sizes.axes[a];
    const char* elements = detail::elements_of_axis(axes, a);
    const bool fits = mode == PadMode::replicate || std::max(axis.before, resolved.after[a]) < axis.size;
    check(axis.size > 0 || axis.before + resolved.after[a] == 0, "{}: x has no {} to pad with", op, elements);
    check(fits || axis.before + resolved.after[a] == 0,
          "{}: {} {} reflect to at most {} on each side, padding asks for {} before and {} after", op, axis.size,
          elements, axis.size - 1, axis.before, resolved.after[a]);
    before.push_back(axis.before);
    after.push_back(resolved.after[a]);
    axis.size += axis.before + resolved.after[a];
    axis.before = 0;
  }
  return pad(x, before, after, mode);
}

/// All image axes the other way round: the taps of a channel in reverse order.
Tensor flipped(const Tensor& kernel) {
  using detail::Access;
  Tensor result = Access::allocate(kernel.shape(), kernel.dtype());
  const std::int64_t taps = kernel.shape().numel(2, kernel.rank());
  dispatch_floating(kernel.dtype(), [&]<class T>() {
    const T* from = Access::data<T>(kernel);
    T* to = Access::mutable_data<T>(result);
    for (std::int64_t begin = 0; begin < kernel.numel(); begin += taps) {
      std::reverse_copy(from + begin, from + begin + taps, to + begin);
    }
  });
  return record("convolve2d", std::move(result), wrt(kernel, [](const Tensor& g) { return flipped(g); }));
}

/// What is not a size: how the image is padded, and the method.
struct Manner {
  PadMode pad_mode;
  Kind kind = Kind::correlation;
  ConvMethod method = ConvMethod::direct;
};

/// One image, [...], as a batch [1, 1, ...].
Tensor as_batch(const Tensor& x) {
  std::vector<std::int64_t> dims{1, 1};
  dims.insert(dims.end(), x.shape().begin(), x.shape().end());
  return reshape(x, Shape(dims));
}

Tensor slide(const char* op, const Tensor& x, const Tensor& kernel, const ConvGeometry& geometry, const Tensor& bias,
             const Manner& manner) {
  if (bias.defined()) {
    detail::check_operands(op, std::array{&x, &kernel, &bias}, Types::floating, {"x", "kernel", "bias"});
  } else {
    detail::check_operands(op, std::array{&x, &kernel}, Types::floating, {"x", "kernel"});
  }
  const int axes = geometry.axes;
  if (x.rank() == axes && kernel.rank() == axes) {
    check(!bias.defined(), "{}: an image [{}] takes no bias, got {}", op, detail::image_axes(axes),
          bias.defined() ? bias.shape() : Shape());
    const Tensor y = slide(op, as_batch(x), as_batch(kernel), geometry, bias, manner);
    return reshape(y, Shape(std::span(y.shape().begin() + 2, y.shape().end())));
  }
  check(x.rank() == axes + 2 && kernel.rank() == axes + 2,
        "{}: x and kernel must be [{}] and [{}] or [N, C, {}] and [O, C, {}]; x is {}, kernel is {}", op,
        detail::image_axes(axes), detail::kernel_axes(axes), detail::image_axes(axes), detail::kernel_axes(axes),
        x.shape(), kernel.shape());
  Resolved resolved = resolve(op, x.shape(), kernel.shape(), geometry, manner.kind);
  check(!bias.defined() || (bias.rank() == 1 && bias.dim(0) == kernel.dim(0)),
        "{}: bias must be [{}] for kernel {}, got {}", op, kernel.dim(0), kernel.shape(),
        bias.defined() ? bias.shape() : Shape());
  const Tensor image = manner.pad_mode == PadMode::constant ? x : padded(op, x, manner.pad_mode, resolved);
  Correlation& of = resolved.correlation;
  const Tensor taps = manner.kind == Kind::correlation ? kernel : flipped(kernel);
  of.method = detail::choose_method(op, manner.method, taps, of.sizes);
  return correlate(op, image, taps, bias, of);
}

/// The correlation whose gradient is asked for.
Correlation resolve_gradient(const char* op, const Shape& x, const Shape& kernel, const Tensor& g,
                             const ConvOptions& options) {
  check(options.pad_mode == PadMode::constant, "{}: pad_mode must be constant; pad x with the op `pad`", op);
  const ConvGeometry geometry = detail::geometry(options.stride, options.padding, options.dilation, options.groups);
  const Correlation of = resolve(op, x, kernel, geometry, Kind::correlation).correlation;
  check(g.shape() == of.y_shape(), "{}: g must have the correlation's shape {}, got {}", op, of.y_shape(), g.shape());
  return of;
}

}  // namespace

Tensor correlate1d(const Tensor& x, const Tensor& kernel, const Conv1dOptions& options, const Tensor& bias) {
  const ConvGeometry geometry = detail::geometry(options.stride, options.padding, options.dilation, options.groups);
  return slide("correlate1d", x, kernel, geometry, bias, {.pad_mode = options.pad_mode});
}

Tensor correlate2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options, const Tensor& bias) {
  const ConvGeometry geometry = detail::geometry(options.stride, options.padding, options.dilation, options.groups);
  return slide("correlate2d", x, kernel, geometry, bias, {options.pad_mode, Kind::correlation, options.method});
}

Tensor correlate3d(const Tensor& x, const Tensor& kernel, const Conv3dOptions& options, const Tensor& bias) {
  const ConvGeometry geometry = detail::geometry(options.stride, options.padding, options.dilation, options.groups);
  return slide("correlate3d", x, kernel, geometry, bias, {.pad_mode = options.pad_mode});
}

Tensor convolve2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options, const Tensor& bias) {
  const ConvGeometry geometry = detail::geometry(options.stride, options.padding, options.dilation, options.groups);
  return slide("convolve2d", x, kernel, geometry, bias, {options.pad_mode, Kind::convolution, options.method});
}

Tensor correlate2d_input_gradient(const Tensor& g, const Tensor& kernel, const Shape& x_shape,
                                  const ConvOptions& options) {
  constexpr const char* op = "correlate2d_input_gradient";
  detail::check_operands(op, std::array{&g, &kernel}, Types::floating, {"g", "kernel"});
  const Correlation of = resolve_gradient(op, x_shape, kernel.shape(), g, options);
  return correlate_input_gradient(op, g, kernel, {}, of);
}

Tensor correlate2d_kernel_gradient(const Tensor& x, const Tensor& g, const Shape& kernel_shape,
                                   const ConvOptions& options) {
  constexpr const char* op = "correlate2d_kernel_gradient";
  detail::check_operands(op, std::array{&x, &g}, Types::floating, {"x", "g"});
  return correlate_kernel_gradient(x, g, resolve_gradient(op, x.shape(), kernel_shape, g, options));
}

}  // namespace wengert
