#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct AdagradOptions {
  double lr = 0.01;
  double lr_decay = 0;
  double weight_decay = 0;
  double initial_accumulator = 0;
  double epsilon = 1e-10;
  bool maximize = false;
};

/// J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
/// 2011, with diagonal matrices; at step t, s being initial_accumulator at first:
///   s = s + g'^2
///   w = w - lr / (1 + (t - 1) lr_decay) g' / (sqrt(s) + epsilon)
/// Weight decay is the gradient of the penalty weight_decay / 2 |w|^2: g' = g + weight_decay w.
class Adagrad : public PerParameterOptimizer {
 public:
  /// Throws Error on a negative number among the options, and an empty list of parameters.
  explicit Adagrad(const ParameterGroups& parameters, const AdagradOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  AdagradOptions options_;
};

}  // namespace wengert::optim
