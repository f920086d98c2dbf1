#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <wengert/datasets/dataset.h>
#include <wengert/nn/module.h>
#include <wengert/train/history.h>
#include <wengert/train/metrics.h>

namespace wengert {

/// A loss: any function of a prediction and a target that gives one number, such as the ops `cross_entropy` and
/// `mse_loss`, a lambda, or a loss module. For numbers over a whole data set it is taken for a mean over samples.
class LossFunction {
 public:
  LossFunction() = default;
  /// Apart, so that of ops of one name the compiler finds the one with two arguments.
  LossFunction(Tensor (*f)(const Tensor& prediction, const Tensor& target)) : f_(f) {}  // NOLINT
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, LossFunction> &&
             std::is_invocable_r_v<Tensor, F&, const Tensor&, const Tensor&>)
  LossFunction(F f) : f_(std::move(f)) {}  // NOLINT(google-explicit-constructor)

  explicit operator bool() const { return static_cast<bool>(f_); }
  /// Throws ShapeError naming `caller` unless it gives one number.
  Tensor operator()(const char* caller, const Tensor& prediction, const Tensor& target) const;

 private:
  std::function<Tensor(const Tensor&, const Tensor&)> f_;
};

struct EvaluateOptions {
  LossFunction loss = {};
  std::vector<AnyMetric> metrics = {};
  std::int64_t batch_size = 256;
};

/// The loss and the metrics of a model on a data set, computed in batches, in evaluation mode and without recording.
/// Every module's mode is as before afterwards, after an error too. Throws Error if batch_size < 1.
Scores evaluate(nn::Module& model, const datasets::AnyDataset& data, const EvaluateOptions& options);

struct PredictOptions {
  std::int64_t batch_size = 256;
};

/// What the model gives for each sample, computed the same way: x: [N, ...] -> [N, ...].
Tensor predict(nn::Module& model, const Tensor& x, const PredictOptions& options = {});
Tensor predict(nn::Module& model, const datasets::AnyDataset& data, const PredictOptions& options = {});

/// Remembers the mode (training or evaluation) of a module and of each module inside it, and restores all of them at
/// the end of the scope. The module must live as long.
/// \code
///   const ModeGuard guard(model);
///   model.eval();
/// \endcode
class ModeGuard {
 public:
  explicit ModeGuard(nn::Module& module);
  ~ModeGuard();
  ModeGuard(const ModeGuard&) = delete;
  ModeGuard& operator=(const ModeGuard&) = delete;

 private:
  std::vector<std::pair<nn::Module*, bool>> modes_;  // outer ones first
};

}  // namespace wengert
