#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct AdadeltaOptions {
  double lr = 1;
  double rho = 0.9;
  double epsilon = 1e-6;
  double weight_decay = 0;
  bool maximize = false;
};

/// M. D. Zeiler, "ADADELTA: An adaptive learning rate method", 2012, algorithm 1:
///   v = rho v + (1 - rho) g'^2
///   d = sqrt(u + epsilon) / sqrt(v + epsilon) g'
///   u = rho u + (1 - rho) d^2
///   w = w - lr d
/// lr is 1 in the paper.
/// Weight decay is the gradient of the penalty weight_decay / 2 |w|^2: g' = g + weight_decay w.
class Adadelta : public PerParameterOptimizer {
 public:
  /// Throws Error unless 0 <= rho < 1 and the other options are not negative, and on an empty list of parameters.
  explicit Adadelta(const ParameterGroups& parameters, const AdadeltaOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  AdadeltaOptions options_;
};

}  // namespace wengert::optim
