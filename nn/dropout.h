#pragma once

#include <wengert/nn/module.h>

namespace wengert::nn {

/// In training mode sets each element to 0 with probability p, drawn from the default generator, and divides the others
/// by 1 - p; in evaluation mode gives x itself.
class Dropout : public Module {
 public:
  /// Throws Error unless 0 <= p < 1.
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double p_;
};

}  // namespace wengert::nn
