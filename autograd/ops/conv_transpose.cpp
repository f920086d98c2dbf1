#include <algorithm>
#include <array>

#include <wengert/autograd/elementwise.h>

#include "autograd/ops/correlation.h"

namespace wengert {

namespace {

using detail::ConvGeometry;
using detail::Correlation;
using kernels::ConvAxis;

/// The axis of the correlation that has x, of `out` elements, as its result, and the transposed one's as its image.
ConvAxis resolve_axis(const char* op, const ConvGeometry& geometry, std::size_t a, std::int64_t out,
                      std::int64_t kernel, std::int64_t output_padding) {
  const char* elements = detail::elements_of_axis(geometry.axes, a);
  const Padding& padding = geometry.padding;
  const std::int64_t extent = detail::extent_of(kernel, geometry.dilation[a]);
  ConvAxis axis{0, kernel, out, 0, geometry.stride[a], geometry.dilation[a]};
  check(out >= 1, "{}: x has no {}", op, elements);
  // As many as a correlation may leave out at the end of its image, or a dilated kernel between its taps.
  const std::int64_t most = std::max(axis.stride, axis.dilation) - 1;
  check(output_padding >= 0 && output_padding <= most,
        "{}: output_padding of {} must be less than stride ({}) or dilation ({}), and not negative; got {}", op,
        elements, axis.stride, axis.dilation, output_padding);
  if (padding.mode == Padding::Mode::same) {
    check(output_padding == 0, "{}: output_padding of {} must be 0 with padding `same`, got {}", op, elements,
          output_padding);
    axis.size = out * axis.stride;
    axis.before = std::max<std::int64_t>(extent - axis.stride, 0) / 2;
    return axis;
  }
  std::int64_t after = 0;
  if (padding.mode == Padding::Mode::full) axis.before = after = extent - 1;
  if (padding.mode == Padding::Mode::number) {
    axis.before = padding.before[a];
    after = padding.after[a];
  }
  const std::int64_t reached = (out - 1) * axis.stride + extent + output_padding;
  axis.size = reached - axis.before - after;
  check(axis.size >= 1, "{}: padding cuts off all of the {} {} ({} before, {} after)", op, reached, elements,
        axis.before, after);
  return axis;
}

Tensor transposed(const char* op, const Tensor& x, const Tensor& kernel, const ConvGeometry& geometry,
                  const std::array<std::int64_t, 3>& output_padding, const Tensor& bias) {
  if (bias.defined()) {
    detail::check_operands(op, std::array{&x, &kernel, &bias}, Types::floating, {"x", "kernel", "bias"});
  } else {
    detail::check_operands(op, std::array{&x, &kernel}, Types::floating, {"x", "kernel"});
  }
  const int axes = geometry.axes;
  check(x.rank() == axes + 2 && kernel.rank() == axes + 2,
        "{}: x and kernel must be [N, C, {}] and [C, O / groups, {}]; x is {}, kernel is {}", op,
        detail::image_axes(axes), detail::kernel_axes(axes), x.shape(), kernel.shape());
  detail::check_geometry(op, geometry, x.shape(), kernel.shape());
  check(x.dim(1) == kernel.dim(0), "{}: x has {} channels, the kernel takes {}; x is {}, kernel is {}", op, x.dim(1),
        kernel.dim(0), x.shape(), kernel.shape());
  check(x.dim(1) % geometry.groups == 0, "{}: groups must divide the channels of x, {} does not divide {}", op,
        geometry.groups, x.dim(1));
  check(kernel.dim(1) == 0 || geometry.groups <= detail::conv_size_limit / kernel.dim(1),
        "{}: {} groups of {} channels are more than {}", op, geometry.groups, kernel.dim(1), detail::conv_size_limit);
  Correlation of{{x.dim(0), kernel.dim(1) * geometry.groups, x.dim(1), geometry.groups, {}}, axes};
  check(!bias.defined() || (bias.rank() == 1 && bias.dim(0) == of.sizes.in_channels),
        "{}: bias must be [{}] for kernel {} and {} groups, got {}", op, of.sizes.in_channels, kernel.shape(),
        geometry.groups, bias.defined() ? bias.shape() : Shape());
  for (std::size_t a = static_cast<std::size_t>(3 - axes); a < 3; ++a) {
    const int dim = static_cast<int>(a) + axes - 1;
    of.sizes.axes[a] = resolve_axis(op, geometry, a, x.dim(dim), kernel.dim(dim), output_padding[a]);
  }
  return correlate_input_gradient(op, x, kernel, bias, of);
}

}  // namespace

Tensor conv_transpose1d(const Tensor& x, const Tensor& kernel, const ConvTranspose1dOptions& options,
                        const Tensor& bias) {
  return transposed("conv_transpose1d", x, kernel,
                    detail::geometry(options.stride, options.padding, options.dilation, options.groups),
                    {0, 0, options.output_padding}, bias);
}

Tensor conv_transpose2d(const Tensor& x, const Tensor& kernel, const ConvTransposeOptions& options,
                        const Tensor& bias) {
  return transposed("conv_transpose2d", x, kernel,
                    detail::geometry(options.stride, options.padding, options.dilation, options.groups),
                    {0, options.output_padding.rows, options.output_padding.columns}, bias);
}

Tensor conv_transpose3d(const Tensor& x, const Tensor& kernel, const ConvTranspose3dOptions& options,
                        const Tensor& bias) {
  return transposed("conv_transpose3d", x, kernel,
                    detail::geometry(options.stride, options.padding, options.dilation, options.groups),
                    {options.output_padding.depth, options.output_padding.rows, options.output_padding.columns}, bias);
}

}  // namespace wengert
