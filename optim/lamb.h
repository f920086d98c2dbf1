#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct LAMBOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-6;
  double weight_decay = 0;
  bool maximize = false;
};

/// Y. You et al., "Large batch optimization for deep learning: Training BERT in 76 minutes", 2020, algorithm 2, with
/// phi(z) = z; at step t, per parameter:
///   m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
///   d = m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay w
///   w = w - lr |w| / |d| d
/// Where |w| or |d| is 0 their ratio is taken as 1, as in the authors' program. Weight decay is apart from the
/// gradient.
class LAMB : public PerParameterOptimizer {
 public:
  /// Throws Error unless 0 <= beta1, beta2 < 1 and the other options are not negative, and on an empty list of
  /// parameters.
  explicit LAMB(const ParameterGroups& parameters, const LAMBOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  LAMBOptions options_;
};

}  // namespace wengert::optim
