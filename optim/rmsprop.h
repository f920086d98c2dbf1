#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct RMSpropOptions {
  double lr = 0.01;
  double alpha = 0.99;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double momentum = 0;
  bool centred = false;
  bool maximize = false;
};

/// T. Tieleman and G. Hinton, "Lecture 6.5: RMSprop", 2012:
///   v = alpha v + (1 - alpha) g'^2
///   w = w - lr g' / (sqrt(v) + epsilon)
/// Centred (A. Graves, "Generating sequences with recurrent neural networks", 2013), by the variance of the gradient:
///   m = alpha m + (1 - alpha) g';  v - m^2 for v in the second line
/// With momentum:
///   b = momentum b + g' / (sqrt(v) + epsilon);  w = w - lr b
/// As in PyTorch, epsilon is outside the root and v is not corrected for its bias.
/// Weight decay is the gradient of the penalty weight_decay / 2 |w|^2: g' = g + weight_decay w.
class RMSprop : public PerParameterOptimizer {
 public:
  /// Throws Error unless 0 <= alpha < 1 and the other options are not negative, and on an empty list of parameters.
  explicit RMSprop(const ParameterGroups& parameters, const RMSpropOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  RMSpropOptions options_;
};

}  // namespace wengert::optim
