#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct RAdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool maximize = false;
};

/// L. Liu et al., "On the variance of the adaptive learning rate and beyond", 2020, algorithm 2; at step t:
///   m = beta1 m + (1 - beta1) g';  v = beta2 v + (1 - beta2) g'^2;  m' = m / (1 - beta1^t)
///   rho_inf = 2 / (1 - beta2) - 1;  rho = rho_inf - 2 t beta2^t / (1 - beta2^t)
///   r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
///   w = w - lr m' r sqrt(1 - beta2^t) / (sqrt(v) + epsilon)  if rho > 5,  else  w = w - lr m'
/// The paper rectifies from rho > 4 and has no epsilon; both are here as in its authors' program and in PyTorch.
/// Weight decay is the gradient of the penalty weight_decay / 2 |w|^2: g' = g + weight_decay w.
class RAdam : public PerParameterOptimizer {
 public:
  /// Throws Error unless 0 <= beta1, beta2 < 1 and the other options are not negative, and on an empty list of
  /// parameters.
  explicit RAdam(const ParameterGroups& parameters, const RAdamOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  RAdamOptions options_;
};

}  // namespace wengert::optim
