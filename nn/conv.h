#pragma once

#include <optional>

#include <wengert/autograd/ops.h>
#include <wengert/nn/init.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

struct Conv2dOptions {
  Size2d stride = 1;
  Padding padding = Padding::valid;
  Size2d dilation = 1;
  bool bias = true;
  Initializer init = init::layer_default();
  std::optional<Initializer> bias_init = {};  ///< uniform in +-1 / sqrt(in * kernel rows * kernel columns) if not given
  DType dtype = float32;
};

/// Cross-correlation of images with learned kernels, as correlate2d. x: [N, in, H, W], weight: [out, in, KH, KW],
/// bias: [out]; the result is [N, out, OH, OW].
class Conv2d : public Module {
 public:
  /// Throws Error unless all sizes, stride and dilation are at least 1.
  Conv2d(std::int64_t in, std::int64_t out, Size2d kernel, const Conv2dOptions& options = {});

  /// Throws ShapeError unless x is a batch of images with `in` channels, not smaller than the kernel when padded.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;
  Parameter bias;  ///< undefined if there is none

 private:
  ConvOptions conv_;
};

}  // namespace wengert::nn
