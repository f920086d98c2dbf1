#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct AdamaxOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool maximize = false;
};

/// D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 2, at step t:
///   m = beta1 m + (1 - beta1) g'
///   u = max(beta2 u, |g'| + epsilon)
///   w = w - lr / (1 - beta1^t) m / u
/// Epsilon, which the paper has not, keeps u from 0, as in PyTorch.
/// Weight decay is the gradient of the penalty weight_decay / 2 |w|^2: g' = g + weight_decay w.
class Adamax : public PerParameterOptimizer {
 public:
  /// Throws Error unless 0 <= beta1, beta2 < 1 and the other options are not negative, and on an empty list of
  /// parameters.
  explicit Adamax(const ParameterGroups& parameters, const AdamaxOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  AdamaxOptions options_;
};

}  // namespace wengert::optim
