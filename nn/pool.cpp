#include <wengert/nn/pool.h>

#include "nn/detail/describe.h"

namespace wengert::nn {

namespace {

void check_options(const char* layer, Size2d kernel, const PoolOptions& options) {
  const Size2d stride = options.stride.value_or(kernel);
  check<Error>(kernel.rows > 0 && kernel.columns > 0, "{}: kernel must be at least 1, got {}", layer,
               detail::describe(kernel));
  check<Error>(stride.rows > 0 && stride.columns > 0, "{}: stride must be at least 1, got {}", layer,
               detail::describe(stride));
  for (const auto& padding : {options.padding.before, options.padding.after}) {
    check<Error>(
        padding[1] >= 0 && padding[2] >= 0 && 2 * padding[1] <= kernel.rows && 2 * padding[2] <= kernel.columns,
        "{}: padding must be from 0 to half the kernel, got {} for kernel {}", layer, detail::describe(options.padding),
        detail::describe(kernel));
  }
}

void check_images(const Tensor& x) {
  check(x.rank() == 4, "x has shape {}, expected a batch of images: [N, C, H, W]", x.shape());
}

std::string describe_pool(Size2d kernel, const PoolOptions& options) {
  std::string text = detail::describe(kernel);
  if (options.stride) text += ", stride " + detail::describe(*options.stride);
  if (options.padding.mode != Padding::Mode::valid) text += ", padding " + detail::describe(options.padding);
  return text;
}

}  // namespace

MaxPool2d::MaxPool2d(Size2d kernel, const PoolOptions& options) : kernel_(kernel), pool_(options) {
  check_options("MaxPool2d", kernel, options);
}

Tensor MaxPool2d::forward(const Tensor& x) const {
  check_images(x);
  return maxpool2d(x, kernel_, pool_);
}

std::string MaxPool2d::options() const { return describe_pool(kernel_, pool_); }

AvgPool2d::AvgPool2d(Size2d kernel, const PoolOptions& options) : kernel_(kernel), pool_(options) {
  check_options("AvgPool2d", kernel, options);
}

Tensor AvgPool2d::forward(const Tensor& x) const {
  check_images(x);
  return avgpool2d(x, kernel_, pool_);
}

std::string AvgPool2d::options() const { return describe_pool(kernel_, pool_); }

}  // namespace wengert::nn
