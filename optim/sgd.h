#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct SGDOptions {
  double lr = 0.01;
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;
  bool maximize = false;
};

/// Stochastic gradient descent, as PyTorch writes it. Without momentum:
///   g' = g + weight_decay w;  w = w - lr g'
/// and with momentum (B. T. Polyak, 1964), v being g' at the first step:
///   v = momentum v + (1 - dampening) g';  w = w - lr v
/// or, by Nesterov's rule (I. Sutskever et al., "On the importance of initialization and momentum in deep learning",
/// 2013):
///   w = w - lr (g' + momentum v)
/// Weight decay is the gradient of the penalty weight_decay / 2 |w|^2.
class SGD : public PerParameterOptimizer {
 public:
  /// Throws Error on a negative number among the options, Nesterov's rule without momentum or with dampening, and an
  /// empty list of parameters.
  explicit SGD(const ParameterGroups& parameters, const SGDOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  SGDOptions options_;
};

}  // namespace wengert::optim
