#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/io/state_dict.h>
#include <wengert/nn/module.h>
#include <wengert/optim/optimizer.h>
#include <wengert/train/history.h>

namespace wengert {

/// What a callback sees of a run of `fit`, and can do to it.
class TrainingRun {
 public:
  TrainingRun(nn::Module& trained, optim::Optimizer& by, const History& so_far)
      : model(trained), optimizer(by), history(so_far) {}

  nn::Module& model;
  optim::Optimizer& optimizer;
  const History& history;  ///< of the epochs that have ended; at `on_epoch_end` with the one that just did

  std::int64_t epoch = 0;  ///< that is under way, from 1
  std::int64_t epochs = 0;
  std::int64_t step = 0;  ///< of the epoch, from 1
  std::int64_t steps = 0;
  std::int64_t total_steps = 0;  ///< since the beginning of the run, in which the run before a `resume` counts
  bool resumed = false;          ///< goes on from a checkpoint; callbacks have what they saved there
  std::int64_t samples = 0;      ///< in the last step's batch
  double loss = 0;               ///< of the last step's batch
  NamedValues metrics = {};      ///< at `on_step`: over the epoch so far, where they are single numbers
  std::vector<double> learning_rates = {};  ///< of the last step, one per parameter group
  bool has_validation = false;

  /// Ends the run after this step or epoch; `reason` becomes History::stopped, unless there is one already.
  void stop(std::string reason);
  const std::string& stopped() const noexcept { return stopped_; }

  /// What to watch if nothing is named: "val_loss", or "loss" in a run without validation.
  std::string default_monitor() const { return has_validation ? "val_loss" : "loss"; }
  /// Whether a value of that name (with or without "val_") is better the larger it is: a metric's `larger_is_better`.
  bool larger_is_better(std::string_view name) const;
  void set_larger_is_better(std::vector<std::pair<std::string, bool>> directions) {
    directions_ = std::move(directions);
  }

 private:
  std::string stopped_;
  std::vector<std::pair<std::string, bool>> directions_;
};

/// What happens beside the training in `fit`. An exception ends the run.
class Callback {
 public:
  virtual ~Callback() = default;

  /// Before the first epoch. When a run is resumed, history has the epochs so far and `load_state_dict` was called.
  virtual void on_begin(TrainingRun& /*run*/) {}
  virtual void on_epoch_begin(TrainingRun& /*run*/) {}
  /// After each step of the optimizer.
  virtual void on_step(TrainingRun& /*run*/) {}
  /// After each whole epoch and its validation.
  virtual void on_epoch_end(TrainingRun& /*run*/) {}
  /// After the last epoch, or where the run was ended early, be it by Ctrl-C; not after an exception.
  virtual void on_end(TrainingRun& /*run*/) {}

  /// What `resume` needs for going on as if nothing had happened; empty if nothing.
  virtual StateDict state_dict() const { return {}; }
  virtual void load_state_dict(const StateDict& /*state*/) {}

 protected:
  Callback() = default;
  Callback(const Callback&) = default;
  Callback(Callback&&) = default;
  Callback& operator=(const Callback&) = default;
  Callback& operator=(Callback&&) = default;
};

/// Any callback: a temporary is kept, a variable is referred to, so that it can be asked after the run.
class AnyCallback {
 public:
  template <class C>
    requires std::derived_from<std::remove_cvref_t<C>, Callback> && (!std::is_const_v<std::remove_reference_t<C>>)
  AnyCallback(C&& callback) {  // NOLINT(google-explicit-constructor, bugprone-forwarding-reference-overload)
    if constexpr (std::is_lvalue_reference_v<C>) {
      callback_ = std::shared_ptr<Callback>(std::shared_ptr<void>(), &callback);
    } else {
      callback_ = std::make_shared<std::remove_cvref_t<C>>(std::move(callback));
    }
  }

  Callback* operator->() const noexcept { return callback_.get(); }

 private:
  std::shared_ptr<Callback> callback_;
};

}  // namespace wengert
