#pragma once

#include <optional>

#include <wengert/nn/init.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

struct DenseOptions {
  bool bias = true;
  Initializer init = init::layer_default();
  std::optional<Initializer> bias_init = {};  ///< uniform in +-1 / sqrt(in) if not given
  DType dtype = float32;
};

/// y = x weight^T + bias. x: [..., in], weight: [out, in], bias: [out]; y: [..., out].
class Dense : public Module {
 public:
  /// Throws Error unless both sizes are at least 1.
  Dense(std::int64_t in, std::int64_t out, const DenseOptions& options = {});

  /// Throws ShapeError unless x's last axis has `in` elements.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;
  Parameter bias;  ///< undefined if there is none
};

using Linear = Dense;

}  // namespace wengert::nn
