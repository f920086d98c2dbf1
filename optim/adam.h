#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  bool amsgrad = false;
  bool maximize = false;
};

/// D. P. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", 2015, algorithm 1, at step t:
///   g' = g + weight_decay w
///   m = beta1 m + (1 - beta1) g'
///   v = beta2 v + (1 - beta2) g'^2
///   w = w - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + epsilon)
/// Epsilon is added after the bias of v is corrected, as in the paper's algorithm and in PyTorch. Weight decay is the
/// gradient of the penalty weight_decay / 2 |w|^2 and passes through the moments, unlike AdamW's. With amsgrad the
/// largest v so far takes v's place in the last line (S. J. Reddi, S. Kale and S. Kumar, "On the convergence of Adam
/// and beyond", 2018; bias corrected as in PyTorch).
class Adam : public PerParameterOptimizer {
 public:
  /// Throws Error unless 0 <= beta1, beta2 < 1 and the other options are not negative, and on an empty list of
  /// parameters.
  explicit Adam(const ParameterGroups& parameters, const AdamOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  AdamOptions options_;
};

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  bool amsgrad = false;
  bool maximize = false;
};

/// I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", 2019, algorithm 2: Adam without weight decay
/// in its gradient, and apart from it
///   w = (1 - lr weight_decay) w - ...
class AdamW : public PerParameterOptimizer {
 public:
  /// Throws Error as Adam does.
  explicit AdamW(const ParameterGroups& parameters, const AdamWOptions& options = {});

 protected:
  void update(const Update& u) override;

 private:
  AdamWOptions options_;
};

}  // namespace wengert::optim
