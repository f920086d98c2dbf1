#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct NAdamOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum_decay = 4e-3;
  double weight_decay = 0;
  bool maximize = false;
};

/// T. Dozat, "Incorporating Nesterov momentum into Adam", 2016, with the momentum schedule that it proposes and PyTorch
/// follows; at step t:
///   mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2);  M_t = mu_1 ... mu_t
///   m = beta1 m + (1 - beta1) g'
///   v = beta2 v + (1 - beta2) g'^2
///   m' = mu_{t+1} m / (1 - M_{t+1}) + (1 - mu_t) g' / (1 - M_t)
///   w = w - lr m' / (sqrt(v / (1 - beta2^t)) + epsilon)
/// Weight decay is the gradient of the penalty weight_decay / 2 |w|^2: g' = g + weight_decay w.
class NAdam : public PerParameterOptimizer {
 public:
  /// Throws Error unless 0 <= beta1, beta2 < 1 and the other options are not negative, and on an empty list of
  /// parameters.
  explicit NAdam(const ParameterGroups& parameters, const NAdamOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  /// M_t. From where 1 - M_t is 1 in floating point on, 0.
  double product(std::int64_t t);

  std::vector<double> products_{1};  // M_0, M_1, ...
  NAdamOptions options_;
};

}  // namespace wengert::optim
