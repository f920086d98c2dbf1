#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <wengert/datasets/data_loader.h>
#include <wengert/datasets/dataset.h>
#include <wengert/nn/module.h>
#include <wengert/optim/optimizer.h>
#include <wengert/optim/schedule.h>
#include <wengert/train/callback.h>
#include <wengert/train/history.h>
#include <wengert/train/metrics.h>

namespace wengert {

/// A loss as an option: an op (`cross_entropy`), a loss module (`nn::CrossEntropyLoss({.label_smoothing = 0.1})`), or
/// anything else that takes a prediction and a target and gives a scalar, the mean over the batch's samples.
class LossFunction {
 public:
  LossFunction() = default;
  LossFunction(Tensor (*f)(const Tensor&, const Tensor&)) : f_(f) {}  // NOLINT(google-explicit-constructor)
  template <class F>
    requires std::is_invocable_r_v<Tensor, F&, const Tensor&, const Tensor&> && (!std::same_as<F, LossFunction>)
  LossFunction(F f) : f_(std::move(f)) {}  // NOLINT(google-explicit-constructor)

  bool defined() const noexcept { return f_ != nullptr; }
  Tensor operator()(const Tensor& prediction, const Tensor& target) const { return f_(prediction, target); }

 private:
  std::function<Tensor(const Tensor&, const Tensor&)> f_;
};

/// An optimizer as an option: a variable is referred to, a temporary is kept.
class OptimizerRef {
 public:
  OptimizerRef() = default;
  template <class O>
    requires std::derived_from<std::remove_cvref_t<O>, optim::Optimizer> &&
             (!std::is_const_v<std::remove_reference_t<O>>)
  OptimizerRef(O&& optimizer) {  // NOLINT(google-explicit-constructor, bugprone-forwarding-reference-overload)
    if constexpr (std::is_lvalue_reference_v<O>) {
      optimizer_ = std::shared_ptr<optim::Optimizer>(std::shared_ptr<void>(), &optimizer);
    } else {
      optimizer_ = std::make_shared<std::remove_cvref_t<O>>(std::move(optimizer));
    }
  }

  bool defined() const noexcept { return optimizer_ != nullptr; }
  optim::Optimizer& operator*() const noexcept { return *optimizer_; }
  optim::Optimizer* operator->() const noexcept { return optimizer_.get(); }

 private:
  std::shared_ptr<optim::Optimizer> optimizer_;
};

/// How often a schedule goes on.
enum class Every : std::uint8_t { epoch, step };

/// Nothing, a share of the training data taken out at random, or data of their own.
using ValidationData = std::variant<std::monostate, double, datasets::AnyDataset>;

struct FitOptions {
  LossFunction loss = {};       ///< to be given
  OptimizerRef optimizer = {};  ///< to be given: of the model's parameters
  std::int64_t epochs = 1;

  /// Samples in a batch, 32 if neither is given; or into how many batches an epoch's samples go, at most: all have
  /// the same size but the last.
  std::optional<std::int64_t> batch_size = {};
  std::optional<std::int64_t> batches = {};
  /// Of all that is random in the run: the order of the samples, what goes to validation, and what the model draws
  /// (dropout), for which the run has a `default_generator()` of its own. Not of the initial weights: see
  /// `manual_seed`.
  std::uint64_t seed = 0;

  /// Multiplies the learning rates that the optimizer has at the beginning, and has again afterwards.
  /// reduce_on_plateau, for whole epochs only, watches the validation loss, or the training loss if there is none.
  std::optional<optim::Schedule> schedule = {};
  Every schedule_every = Every::epoch;

  /// Added to the loss that is descended: l1 * sum |w| + l2 * sum w^2 over the weights that are penalised, by default
  /// all parameters of two axes or more, so no biases and no scales.
  double l1 = 0;
  double l2 = 0;
  std::function<bool(const std::string& name, const Tensor& parameter)> penalize = {};

  /// Largest norm of all gradients together (see optim::clip_grad_norm), largest size of one element.
  std::optional<double> clip_norm = {};
  std::optional<double> clip_value = {};

  ValidationData validation = {};  ///< `= test` or `= 0.1`
  std::vector<AnyMetric> metrics = {};
  std::vector<AnyCallback> callbacks = {};
  bool progress = true;  ///< a line on the standard output, see callbacks::Progress

  /// End the run where the loss is infinite or NaN, with the weights from before that step, rather than throw Error.
  bool stop_on_nan = false;

  /// A file that is written anew after every epoch and has all that the run needs to go on from there (safetensors, the
  /// model's weights as "model.<name>"); written whole or not at all.
  std::string checkpoint = {};
  /// Such a file, to go on from: with the same model, optimizer, data and options, the run ends bit for bit as if it
  /// had never been interrupted. May be the same file as `checkpoint`.
  std::string resume = {};
};

/// Trains a model:
/// \code
///   const History history = fit(model, train, {.loss = cross_entropy,
///                                              .optimizer = optim::Adam(model.parameters(), {.lr = 1e-3}),
///                                              .epochs = 10,
///                                              .validation = test,
///                                              .metrics = {metrics::Accuracy()},
///                                              .callbacks = {callbacks::CsvLog("run.csv")}});
/// \endcode
/// The model is in training mode, and in evaluation mode during validation; all its modules have the modes from before
/// afterwards. The first Ctrl-C ends the run after the current step, and the history has what there was of that epoch.
/// The same seeds give the same weights bit for bit, for any number of threads.
/// Throws Error on options that make no sense, if there is nothing to train on, if the loss is no single number, if it
/// is infinite or NaN (see `stop_on_nan`), and IoError for a checkpoint that can't be read or written.
History fit(nn::Module& model, const datasets::AnyDataset& train, const FitOptions& options);
/// Same with a loader, whose batches, order and seed are used instead; it goes on with its next epoch. Throws Error for
/// a validation share or a batch size.
History fit(nn::Module& model, datasets::DataLoader& train, const FitOptions& options);
inline History fit(nn::Module& model, datasets::DataLoader&& train, const FitOptions& options) {
  return fit(model, train, options);
}

struct EvaluateOptions {
  LossFunction loss = {};
  std::vector<AnyMetric> metrics = {};  ///< copied; what they have taken in already does not count
  std::int64_t batch_size = 256;
};

/// The loss and metrics of a model in evaluation mode over all samples; records nothing. The modes of its modules are
/// as before afterwards. Throws Error if the loss is no single number or batch_size < 1.
Evaluation evaluate(nn::Module& model, const datasets::AnyDataset& data, const EvaluateOptions& options);

struct PredictOptions {
  std::int64_t batch_size = 256;
};

/// The model's outputs for all rows of x, [N, ...] -> [N, ...], batch by batch, in evaluation mode and unrecorded. The
/// modes of its modules are as before afterwards. Throws ShapeError for a scalar, Error if batch_size < 1.
Tensor predict(nn::Module& model, const Tensor& x, const PredictOptions& options = {});
/// Same for the inputs of a data set, in its order.
Tensor predict(nn::Module& model, const datasets::AnyDataset& data, const PredictOptions& options = {});

}  // namespace wengert
