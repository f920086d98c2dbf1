#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/nn/module.h>
#include <wengert/optim/optimizer.h>
#include <wengert/train/history.h>
#include <wengert/train/metrics.h>

namespace wengert {

/// A run of `fit` as its callbacks see it.
struct TrainingRun {
  nn::Module& model;
  optim::Optimizer& optimizer;
  const History& history;                 ///< of the epochs so far; in `on_epoch_end` the last record is this epoch's
  const std::vector<AnyMetric>& metrics;  ///< as they stand at this step of the epoch
  std::int64_t epoch = 0;                 ///< from 1
  std::int64_t epochs = 0;
  std::int64_t step = 0;         ///< of the epoch, from 1
  std::int64_t steps = 0;        ///< in an epoch
  std::int64_t total_steps = 0;  ///< of all epochs so far, those before a resumption included
  std::int64_t samples = 0;      ///< of this step
  double loss = 0;               ///< of this step, without penalties
  double mean_loss = 0;          ///< over the epoch so far
  double learning_rate = 0;      ///< of this step, in the optimizer's first group

  /// What is going to be in the history of each epoch: "loss", "val_accuracy", ...
  std::vector<std::string> names = {};
  /// Ends the run after this step, or after this epoch when asked for at its end. The first reason is kept.
  void stop(const std::string& reason) {
    if (stop_reason.empty()) stop_reason = reason.empty() ? "stopped" : reason;
  }
  std::string stop_reason = {};  ///< not empty if somebody has called `stop`
};

/// What goes on beside a run. `fit` calls the functions in the order of its list.
class Callback {
 public:
  virtual ~Callback() = default;

  virtual void on_begin(TrainingRun& /*run*/) {}
  virtual void on_epoch_begin(TrainingRun& /*run*/) {}
  virtual void on_step(TrainingRun& /*run*/) {}
  /// After validation. Not for an epoch that the run ends inside of.
  virtual void on_epoch_end(TrainingRun& /*run*/) {}
  /// However the run ended, an exception excepted.
  virtual void on_end(TrainingRun& /*run*/) {}

  /// What a resumed run must know, saved with each checkpoint.
  virtual StateDict state_dict() const { return {}; }
  virtual void load_state_dict(const StateDict& /*state*/) {}

 protected:
  Callback() = default;
  Callback(const Callback&) = default;
  Callback(Callback&&) = default;
  Callback& operator=(const Callback&) = default;
  Callback& operator=(Callback&&) = default;
};

/// Any callback: keeps a temporary, refers to a variable, which must live as long and can be asked afterwards.
/// \code
///   EarlyStopping stopping({.patience = 5});
///   fit(model, data, {..., .callbacks = {ProgressBar(), stopping}});
///   fmt::print("best epoch: {}\n", stopping.best_epoch());
/// \endcode
class AnyCallback {
 public:
  AnyCallback(Callback& callback)  // NOLINT(google-explicit-constructor): a callback is one
      : callback_(std::shared_ptr<void>(), &callback) {}
  template <class C>
    requires(std::derived_from<C, Callback> && !std::is_const_v<C>)
  AnyCallback(C&& callback)  // NOLINT(google-explicit-constructor): by its constraint a temporary
      : callback_(std::make_shared<C>(std::move(callback))) {}

  Callback& operator*() const { return *callback_; }
  Callback* operator->() const { return callback_.get(); }

 private:
  std::shared_ptr<Callback> callback_;
};

/// For LambdaCallback.
struct CallbackFunctions {
  std::function<void(TrainingRun&)> on_begin = {};
  std::function<void(TrainingRun&)> on_epoch_begin = {};
  std::function<void(TrainingRun&)> on_step = {};
  std::function<void(TrainingRun&)> on_epoch_end = {};
  std::function<void(TrainingRun&)> on_end = {};
};

/// A callback made of functions: `LambdaCallback({.on_epoch_end = [](TrainingRun& run) { ... }})`.
class LambdaCallback : public Callback {
 public:
  explicit LambdaCallback(CallbackFunctions functions) : f_(std::move(functions)) {}
  void on_begin(TrainingRun& run) override { call(f_.on_begin, run); }
  void on_epoch_begin(TrainingRun& run) override { call(f_.on_epoch_begin, run); }
  void on_step(TrainingRun& run) override { call(f_.on_step, run); }
  void on_epoch_end(TrainingRun& run) override { call(f_.on_epoch_end, run); }
  void on_end(TrainingRun& run) override { call(f_.on_end, run); }

 private:
  static void call(const std::function<void(TrainingRun&)>& f, TrainingRun& run) {
    if (f) f(run);
  }
  CallbackFunctions f_;
};

}  // namespace wengert
