#pragma once

#include <wengert/autograd/ops.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

/// The largest value of each window. x: [N, C, H, W]; the result is [N, C, OH, OW].
class MaxPool2d : public Module {
 public:
  /// The stride is the kernel's size if not given. Throws Error unless kernel and stride are at least 1.
  explicit MaxPool2d(Size2d kernel, const PoolOptions& options = {});

  /// Throws ShapeError unless x is a batch of images, not smaller than the kernel when padded.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  Size2d kernel_;
  PoolOptions pool_;
};

/// The mean of each window; padding counts as zeros. x: [N, C, H, W]; the result is [N, C, OH, OW].
class AvgPool2d : public Module {
 public:
  /// The stride is the kernel's size if not given. Throws Error unless kernel and stride are at least 1.
  explicit AvgPool2d(Size2d kernel, const PoolOptions& options = {});

  /// Throws ShapeError unless x is a batch of images, not smaller than the kernel when padded.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  Size2d kernel_;
  PoolOptions pool_;
};

}  // namespace wengert::nn
