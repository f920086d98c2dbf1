#pragma once

#include <optional>

#include <wengert/nn/init.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

struct BilinearOptions {
  bool bias = true;
  std::optional<Initializer> init = {};       ///< uniform in +-1 / sqrt(in1) if not given, as PyTorch's
  std::optional<Initializer> bias_init = {};  ///< likewise
  DType dtype = float32;
};

/// y_k = x1^T weight_k x2 + bias_k. x1: [..., in1], x2: [..., in2] with the same leading axes, weight: [out, in1, in2],
/// bias: [out]; the result is [..., out].
class Bilinear : public Module {
 public:
  /// Throws Error unless all sizes are at least 1.
  Bilinear(std::int64_t in1, std::int64_t in2, std::int64_t out, const BilinearOptions& options = {});

  /// Throws ShapeError unless the last axes are in1 and in2 and the others are equal.
  Tensor operator()(const Tensor& x1, const Tensor& x2) const;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;
  Parameter bias;  ///< undefined if there is none
};

}  // namespace wengert::nn
