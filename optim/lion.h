#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct LionOptions {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;
  bool maximize = false;
};

/// X. Chen et al., "Symbolic discovery of optimization algorithms", 2023, program 1:
///   w = w - lr (sign(beta1 m + (1 - beta1) g) + weight_decay w)
///   m = beta2 m + (1 - beta2) g
/// Weight decay is apart from the gradient, as AdamW's.
class Lion : public PerParameterOptimizer {
 public:
  /// Throws Error unless 0 <= beta1, beta2 < 1 and the other options are not negative, and on an empty list of
  /// parameters.
  explicit Lion(const ParameterGroups& parameters, const LionOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  LionOptions options_;
};

}  // namespace wengert::optim
