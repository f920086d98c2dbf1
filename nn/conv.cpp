#include <algorithm>

#include <fmt/format.h>

#include <wengert/nn/conv.h>

#include "nn/detail/bias.h"
#include "nn/detail/describe.h"
#include "nn/detail/sizes.h"

namespace wengert::nn {

namespace {

using detail::axes_of;
using detail::check_positive;
using detail::describe;
using detail::sizes_of;

// The ops that compute the layers, by the number of axes.

Tensor correlate(const Tensor& x, const Tensor& kernel, const Conv1dOptions& o, const Tensor& bias) {
  return correlate1d(x, kernel, {o.stride, o.padding, o.dilation, o.groups, o.pad_mode}, bias);
}
Tensor correlate(const Tensor& x, const Tensor& kernel, const Conv2dOptions& o, const Tensor& bias) {
  return correlate2d(x, kernel, {o.stride, o.padding, o.dilation, o.groups, o.pad_mode}, bias);
}
Tensor correlate(const Tensor& x, const Tensor& kernel, const Conv3dOptions& o, const Tensor& bias) {
  return correlate3d(x, kernel, {o.stride, o.padding, o.dilation, o.groups, o.pad_mode}, bias);
}

Tensor conv_transpose(const Tensor& x, const Tensor& kernel, const ConvTranspose1dOptions& o, const Tensor& bias) {
  return conv_transpose1d(x, kernel, {o.stride, o.padding, o.output_padding, o.dilation, o.groups}, bias);
}
Tensor conv_transpose(const Tensor& x, const Tensor& kernel, const ConvTranspose2dOptions& o, const Tensor& bias) {
  return conv_transpose2d(x, kernel, {o.stride, o.padding, o.output_padding, o.dilation, o.groups}, bias);
}
Tensor conv_transpose(const Tensor& x, const Tensor& kernel, const ConvTranspose3dOptions& o, const Tensor& bias) {
  return conv_transpose3d(x, kernel, {o.stride, o.padding, o.output_padding, o.dilation, o.groups}, bias);
}

/// What both kinds of layer ask of their options.
template <class Size, class Options>
void check_options(const std::string& layer, std::int64_t in, std::int64_t out, Size kernel, const Options& options) {
  constexpr int axes = axes_of<Size>;
  check<Error>(in > 0 && out > 0, "{}: in and out must be at least 1, got {} and {}", layer, in, out);
  check_positive(layer, "kernel", kernel);
  check_positive(layer, "stride", options.stride);
  check_positive(layer, "dilation", options.dilation);
  check<Error>(options.groups > 0 && in % options.groups == 0 && out % options.groups == 0,
               "{}: groups must divide in and out, got {} groups for {} and {}", layer, options.groups, in, out);
  const Padding& padding = options.padding;
  check<Error>(padding.axes == 0 || padding.axes == axes, "{}: padding is given for {} axes, the image has {}", layer,
               padding.axes, axes);
  const auto negative = [](std::int64_t number) { return number < 0; };
  check<Error>(std::none_of(padding.before.begin(), padding.before.end(), negative) &&
                   std::none_of(padding.after.begin(), padding.after.end(), negative),
               "{}: padding must not be negative, got {}", layer, describe(padding, axes));
  if (options.bias.kind != ConvBias::Kind::position) return;
  check<Error>(options.bias.sizes.rank() == axes && options.bias.sizes.numel() > 0,
               "{}: a bias per position needs the sizes of the output's {} image axes, all at least 1, got {}", layer,
               axes, options.bias.sizes);
}

/// [channels, kernel...]
template <class Size>
Shape weight_shape(std::int64_t first, std::int64_t second, Size kernel) {
  std::vector<std::int64_t> sizes{first, second};
  for (const std::int64_t size : sizes_of(kernel)) sizes.push_back(size);
  return Shape(sizes);
}

template <class Options>
Parameter make_conv_bias(const Options& options, std::int64_t out, const Shape& weight) {
  const bool wanted = options.bias.kind != ConvBias::Kind::none;
  const Shape shape = options.bias.kind == ConvBias::Kind::position ? options.bias.sizes.inserted(0, out) : Shape{out};
  return detail::make_bias(wanted, shape, fans(weight).in, options.bias_init, options.dtype);
}

void check_images(const Tensor& x, int axes, std::int64_t channels) {
  check(x.rank() == axes + 2, "x has shape {}, expected {}", x.shape(),
        detail::describe_batch(axes, std::to_string(channels)));
  check(x.dim(1) == channels, "x has {} channels, expected {}; x is {}", x.dim(1), channels, x.shape());
}

/// The op's result with a bias: [out] is added by the op, one per position after it.
template <class Op>
Tensor with_bias(const Tensor& x, const Parameter& bias, Op op) {
  if (!bias.defined() || bias->rank() == 1) return op(bias.value());
  const Tensor y = op(Tensor());
  check(y.shape().removed(0) == bias->shape(),
        "the output of x {} is {}, but the bias per position is for outputs [N, {}", x.shape(), y.shape(),
        bias->shape().to_string().substr(1));
  return y + bias;
}

template <class Size, class Options>
std::string describe_conv(std::int64_t in, std::int64_t out, const Shape& weight, const Options& options,
                          const std::string& further) {
  constexpr int axes = axes_of<Size>;
  const auto kernel = [&] {
    if constexpr (axes == 1) return describe(weight[2]);
    if constexpr (axes == 2) return describe(Size2d(weight[2], weight[3]));
    if constexpr (axes == 3) return describe(Size3d(weight[2], weight[3], weight[4]));
  }();
  std::string text = fmt::format("{}, {}, kernel {}", in, out, kernel);
  if (const std::string stride = describe(options.stride); stride != "1") text += ", stride " + stride;
  if (options.padding.mode != Padding::Mode::valid) text += ", padding " + describe(options.padding, axes);
  text += further;
  if (const std::string dilation = describe(options.dilation); dilation != "1") text += ", dilation " + dilation;
  if (options.groups != 1) text += fmt::format(", groups {}", options.groups);
  if (options.bias.kind == ConvBias::Kind::none) text += ", no bias";
  if (options.bias.kind == ConvBias::Kind::position) text += fmt::format(", bias per position {}", options.bias.sizes);
  return text;
}

}  // namespace

template <class Size>
ConvLayer<Size>::ConvLayer(std::int64_t in, std::int64_t out, Size kernel, const ConvLayerOptions<Size>& options)
    : options_(options) {
  check_options(fmt::format("Conv{}d", axes_of<Size>), in, out, kernel, options);
  weight = Parameter(options.init(weight_shape(out, in / options.groups, kernel), options.dtype));
  bias = make_conv_bias(options, out, weight->shape());
}

template <class Size>
Tensor ConvLayer<Size>::forward(const Tensor& x) const {
  check_images(x, axes_of<Size>, weight->dim(1) * options_.groups);
  return with_bias(x, bias, [&](const Tensor& b) { return correlate(x, weight, options_, b); });
}

template <class Size>
void ConvLayer<Size>::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

template <class Size>
std::string ConvLayer<Size>::options() const {
  std::string pad_mode;
  if (options_.pad_mode == PadMode::reflect) pad_mode = " by reflection";
  if (options_.pad_mode == PadMode::replicate) pad_mode = " by replication";
  return describe_conv<Size>(weight->dim(1) * options_.groups, weight->dim(0), weight->shape(), options_, pad_mode);
}

template <class Size>
ConvTransposeLayer<Size>::ConvTransposeLayer(std::int64_t in, std::int64_t out, Size kernel,
                                             const ConvTransposeLayerOptions<Size>& options)
    : options_(options) {
  const std::string layer = fmt::format("ConvTranspose{}d", axes_of<Size>);
  check_options(layer, in, out, kernel, options);
  for (std::size_t axis = 0; axis < axes_of<Size>; ++axis) {
    const std::int64_t number = sizes_of(options.output_padding)[axis];
    const std::int64_t limit = std::max(sizes_of(options.stride)[axis], sizes_of(options.dilation)[axis]);
    check<Error>(number >= 0 && number < limit,
                 "{}: output_padding must be at least 0 and less than stride or dilation, got {} for stride {} and "
                 "dilation {}",
                 layer, describe(options.output_padding), describe(options.stride), describe(options.dilation));
  }
  weight = Parameter(options.init(weight_shape(in, out / options.groups, kernel), options.dtype));
  bias = make_conv_bias(options, out, weight->shape());
}

template <class Size>
Tensor ConvTransposeLayer<Size>::forward(const Tensor& x) const {
  check_images(x, axes_of<Size>, weight->dim(0));
  return with_bias(x, bias, [&](const Tensor& b) { return conv_transpose(x, weight, options_, b); });
}

template <class Size>
void ConvTransposeLayer<Size>::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

template <class Size>
std::string ConvTransposeLayer<Size>::options() const {
  const std::string output_padding = describe(options_.output_padding);
  return describe_conv<Size>(weight->dim(0), weight->dim(1) * options_.groups, weight->shape(), options_,
                             output_padding == "0" ? "" : ", output padding " + output_padding);
}

template class ConvLayer<std::int64_t>;
template class ConvLayer<Size2d>;
template class ConvLayer<Size3d>;
template class ConvTransposeLayer<std::int64_t>;
template class ConvTransposeLayer<Size2d>;
template class ConvTransposeLayer<Size3d>;

}  // namespace wengert::nn
