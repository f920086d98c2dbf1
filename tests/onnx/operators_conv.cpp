#include <algorithm>

#include "tests/onnx/windows.h"

namespace wengert::test::onnx {

namespace {

Sizes image_sizes(const Shape& shape) { return {shape.begin() + 2, shape.end()}; }

Tensor convolution(const Call& call) {
  const Tensor x = call.input(0);
  const Tensor kernel = call.input(1);
  const Tensor bias = call.optional_input(2);
  const std::int64_t groups = call.integer("group", 1);
  call.ignore("kernel_shape");  // the kernel itself has it
  const Windows windows(call, x.shape(), image_sizes(kernel.shape()));
  const auto& [sizes, strides, dilations, before, after, same] = windows;
  switch (windows.axes()) {
    case 1:
      return correlate1d(
          x, kernel, {.stride = strides[0], .padding = windows.padding(), .dilation = dilations[0], .groups = groups},
          bias);
    case 2:
      return correlate2d(
          x, kernel,
          {.stride = two(strides), .padding = windows.padding(), .dilation = two(dilations), .groups = groups}, bias);
    case 3:
      return correlate3d(
          x, kernel,
          {.stride = three(strides), .padding = windows.padding(), .dilation = three(dilations), .groups = groups},
          bias);
    default: too_many_axes(windows.axes());
  }
}

/// Padding that gives the output shape asked for, and what is missing behind where even none would be too much.
void fit_output(const Call& call, const Shape& x, Windows& windows, Sizes& behind) {
  const Sizes wanted = call.integers("output_shape");
  if (wanted.empty()) return;
  const bool more_behind = windows.same;
  windows.same = false;
  for (std::size_t axis = 0; axis < windows.axes(); ++axis) {
    const std::int64_t full =
        windows.strides[axis] * (x[static_cast<int>(axis) + 2] - 1) + behind[axis] + windows.extent(axis);
    const std::int64_t cut = std::max<std::int64_t>(full - wanted[axis], 0);
    behind[axis] += std::max<std::int64_t>(wanted[axis] - full, 0);
    windows.before[axis] = more_behind ? cut / 2 : cut - cut / 2;
    windows.after[axis] = cut - windows.before[axis];
  }
}

Tensor transposed_convolution(const Call& call) {
  const Tensor x = call.input(0);
  const Tensor kernel = call.input(1);
  const Tensor bias = call.optional_input(2);
  const std::int64_t groups = call.integer("group", 1);
  call.ignore("kernel_shape");
  if (call.text("auto_pad", "NOTSET") == "SAME_LOWER") throw Unsupported("a transposed convolution cut more in front");
  Windows windows(call, x.shape(), image_sizes(kernel.shape()));
  Sizes behind = call.integers("output_padding");
  behind.resize(windows.axes(), 0);
  fit_output(call, x.shape(), windows, behind);
  const Padding padding = windows.padding();
  switch (windows.axes()) {
    case 1:
      return conv_transpose1d(x, kernel,
                              {.stride = windows.strides[0],
                               .padding = padding,
                               .output_padding = behind[0],
                               .dilation = windows.dilations[0],
                               .groups = groups},
                              bias);
    case 2:
      return conv_transpose2d(x, kernel,
                              {.stride = two(windows.strides),
                               .padding = padding,
                               .output_padding = two(behind),
                               .dilation = two(windows.dilations),
                               .groups = groups},
                              bias);
    case 3:
      return conv_transpose3d(x, kernel,
                              {.stride = three(windows.strides),
                               .padding = padding,
                               .output_padding = three(behind),
                               .dilation = three(windows.dilations),
                               .groups = groups},
                              bias);
    default: too_many_axes(windows.axes());
  }
}

}  // namespace

std::vector<Operator> conv_operators() {
  return {
      {"Conv", {"correlate1d", "correlate2d", "correlate3d"}, convolution},
      {"ConvTranspose", {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}, transposed_convolution},
  };
}

}  // namespace wengert::test::onnx
