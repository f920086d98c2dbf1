#pragma once

#include <wengert/optim/optimizer.h>

namespace wengert::optim {

struct LBFGSOptions {
  double lr = 1;                     ///< the first step length that is tried
  std::int64_t max_iterations = 20;  ///< in one call of `step`
  std::int64_t max_evaluations = 0;  ///< of the closure in one call of `step`; 5 / 4 max_iterations if 0
  double tolerance_gradient = 1e-7;  ///< done when no element of the gradient is larger
  double tolerance_change = 1e-9;    ///< done when neither weights nor loss change by more
  std::int64_t history = 100;        ///< pairs of changes that are remembered
  bool maximize = false;
};

/// The limited-memory quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno: J. Nocedal and S. J. Wright,
/// "Numerical Optimization", 2nd edition, 2006: the direction by algorithm 7.4 (two-loop recursion, scaled by 7.20),
/// the step length by algorithms 3.5 and 3.6 (cubic interpolation), which meet the strong Wolfe conditions with c1 =
/// 1e-4 and c2 = 0.9. For losses without noise: full batches, few parameters. \code
///   LBFGS optimizer(model.parameters());
///   for (int i = 0; i < 10; ++i) {
///     optimizer.step([&] {
///       optimizer.zero_grad();
///       const Tensor loss = mse_loss(model(x), y);
///       loss.backward();
///       return loss;
///     });
///   }
/// \endcode
/// A parameter without a gradient has the gradient 0. After a step the gradients are those of the last point that was
/// tried. A loss that is not finite counts as too large. State dict: "pairs", and "<k>.change" and
/// "<k>.gradient_change" of the remembered pairs, oldest first, as vectors of all parameters.
class LBFGS : public Optimizer {
 public:
  /// Throws Error on options that make no sense, an empty list of parameters, parameters of different dtypes, more than
  /// one group, and a weight decay.
  explicit LBFGS(const ParameterGroups& parameters, const LBFGSOptions& options = {});

  /// Throws Error: a step needs the closure.
  void step() override;
  /// Up to max_iterations steps; returns the loss before the first. Throws Error if the closure's loss is not a single
  /// number, or is not finite at the first call.
  Tensor step(const Closure& closure) override;

 private:
  struct Pair {
    Tensor change;
    Tensor gradient_change;
  };
  struct Point;
  class Line;

  /// The closure's loss, with recording on.
  Tensor loss_by(const Closure& closure) const;
  /// What is to be made small: the loss, or its negative under `maximize`.
  double height(const Tensor& loss) const;
  Tensor flat_gradient() const;
  Tensor direction(const Tensor& gradient) const;
  void remember(const Tensor& change, const Tensor& gradient_change);
  void save_state(StateDict& state) const override;
  std::function<void()> read_state(StateReader& reader) override;

  LBFGSOptions options_;
  std::vector<Pair> history_;  // oldest first
  std::vector<bool> trained_;  // which parameters were not frozen at the last step
};

}  // namespace wengert::optim
