#include <array>

#include <fmt/format.h>

#include <wengert/nn/pool.h>

#include "nn/detail/describe.h"
#include "nn/detail/sizes.h"

namespace wengert::nn {

namespace {

using detail::axes_of;
using detail::check_positive;
using detail::describe;
using detail::sizes_of;

template <class Size>
void check_padding(const char* layer, const Padding& padding, Size kernel, Size dilation) {
  constexpr int axes = axes_of<Size>;
  check<Error>(padding.mode != Padding::Mode::full, "{}: padding cannot be `full`: it is at most half the kernel",
               layer);
  check<Error>(padding.axes == 0 || padding.axes == axes, "{}: padding is given for {} axes, the image has {}", layer,
               padding.axes, axes);
  for (std::size_t axis = 0; axis < axes; ++axis) {
    const std::int64_t extent = (sizes_of(kernel)[axis] - 1) * sizes_of(dilation)[axis] + 1;
    for (const auto& numbers : {padding.before, padding.after}) {
      const std::int64_t number = numbers[numbers.size() - axes + axis];
      check<Error>(number >= 0 && 2 * number <= extent,
                   "{}: padding must be from 0 to half the kernel, got {} for kernel {}", layer,
                   describe(padding, axes), describe(kernel));
    }
  }
}

void check_batch(const Tensor& x, int axes) {
  check(x.rank() == axes + 2, "x has shape {}, expected {}", x.shape(), detail::describe_batch(axes));
}

std::string describe_interpolation(Size2d size, const InterpolateOptions& options) {
  std::string text = describe(size);
  if (options.mode == InterpolateMode::bilinear) text += ", bilinear";
  if (options.align_corners) text += ", corners aligned";
  return text;
}

/// [N, C, 1, ...] -> [N, C] unless the axes are to be kept.
Tensor pooled(const Tensor& y, const GlobalPoolOptions& options) {
  return options.keepdims ? y : reshape(y, {y.dim(0), y.dim(1)});
}

}  // namespace

template <class Size, class Options>
PoolLayer<Size, Options>::PoolLayer(const char* layer, Size kernel, const Options& options, bool takes_dilation)
    : kernel_(kernel), pool_(options) {
  check_positive(layer, "kernel", kernel);
  check_positive(layer, "stride", options.stride.value_or(kernel));
  check_positive(layer, "dilation", options.dilation);
  check<Error>(takes_dilation || describe(options.dilation) == "1", "{}: dilation must be 1, got {}", layer,
               describe(options.dilation));
  check_padding(layer, options.padding, kernel, options.dilation);
}

template <class Size, class Options>
void PoolLayer<Size, Options>::check_images(const Tensor& x) const {
  check_batch(x, axes_of<Size>);
}

template <class Size, class Options>
std::string PoolLayer<Size, Options>::options() const {
  std::string text = describe(kernel_);
  if (pool_.stride) text += ", stride " + describe(*pool_.stride);
  if (pool_.padding.mode != Padding::Mode::valid) text += ", padding " + describe(pool_.padding, axes_of<Size>);
  if (const std::string dilation = describe(pool_.dilation); dilation != "1") text += ", dilation " + dilation;
  if (pool_.ceil_mode) text += ", ceil mode";
  if (!pool_.count_include_pad) text += ", padding not counted";
  return text;
}

template class PoolLayer<std::int64_t, Pool1dOptions>;
template class PoolLayer<Size2d, PoolOptions>;
template class PoolLayer<Size3d, Pool3dOptions>;

Tensor MaxPool1d::forward(const Tensor& x) const {
  check_images(x);
  return maxpool1d(x, kernel_, pool_);
}

Tensor MaxPool2d::forward(const Tensor& x) const {
  check_images(x);
  return maxpool2d(x, kernel_, pool_);
}

Tensor MaxPool3d::forward(const Tensor& x) const {
  check_images(x);
  return maxpool3d(x, kernel_, pool_);
}

Tensor AvgPool1d::forward(const Tensor& x) const {
  check_images(x);
  return avgpool1d(x, kernel_, pool_);
}

Tensor AvgPool2d::forward(const Tensor& x) const {
  check_images(x);
  return avgpool2d(x, kernel_, pool_);
}

Tensor AvgPool3d::forward(const Tensor& x) const {
  check_images(x);
  return avgpool3d(x, kernel_, pool_);
}

template <class Size>
AdaptivePoolLayer<Size>::AdaptivePoolLayer(const char* layer, Size size) : size_(size) {
  check_positive(layer, "size", size);
}

template <class Size>
void AdaptivePoolLayer<Size>::check_images(const Tensor& x) const {
  check_batch(x, axes_of<Size>);
}

template <class Size>
std::string AdaptivePoolLayer<Size>::options() const {
  return describe(size_);
}

template class AdaptivePoolLayer<std::int64_t>;
template class AdaptivePoolLayer<Size2d>;

Tensor AdaptiveAvgPool1d::forward(const Tensor& x) const {
  check_images(x);
  return adaptive_avgpool1d(x, size_);
}

Tensor AdaptiveAvgPool2d::forward(const Tensor& x) const {
  check_images(x);
  return adaptive_avgpool2d(x, size_);
}

Tensor AdaptiveMaxPool1d::forward(const Tensor& x) const {
  check_images(x);
  return adaptive_maxpool1d(x, size_);
}

Tensor AdaptiveMaxPool2d::forward(const Tensor& x) const {
  check_images(x);
  return adaptive_maxpool2d(x, size_);
}

Tensor GlobalAvgPool::forward(const Tensor& x) const { return pooled(global_avgpool(x), pool_); }
std::string GlobalAvgPool::options() const { return pool_.keepdims ? "" : "axes dropped"; }

Tensor GlobalMaxPool::forward(const Tensor& x) const { return pooled(global_maxpool(x), pool_); }
std::string GlobalMaxPool::options() const { return pool_.keepdims ? "" : "axes dropped"; }

Upsample::Upsample(Size2d factor, const InterpolateOptions& options) : factor_(factor), interpolation_(options) {
  check_positive("Upsample", "factor", factor);
}

Tensor Upsample::forward(const Tensor& x) const {
  check_batch(x, 2);
  return interpolate(x, {x.dim(2) * factor_.rows, x.dim(3) * factor_.columns}, interpolation_);
}

std::string Upsample::options() const { return describe_interpolation(factor_, interpolation_); }

Resize::Resize(Size2d size, const InterpolateOptions& options) : size_(size), interpolation_(options) {
  check_positive("Resize", "size", size);
}

Tensor Resize::forward(const Tensor& x) const {
  check_batch(x, 2);
  return interpolate(x, size_, interpolation_);
}

std::string Resize::options() const { return describe_interpolation(size_, interpolation_); }

}  // namespace wengert::nn
