#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include <wengert/io/state_dict.h>
#include <wengert/optim/optimizer.h>

namespace wengert::optim {

/// When the metric that is watched has stopped getting better, the learning rate is reduced.
struct PlateauOptions {
  double factor = 0.1;         ///< what the learning rate is multiplied by, in (0, 1)
  std::int64_t patience = 10;  ///< steps in a row without improvement that are still put up with
  double threshold = 1e-4;     ///< better is: by more than this share of the best |metric| so far
  std::int64_t cooldown = 0;   ///< steps after a reduction in which nothing is counted
  double minimum = 0;          ///< the least factor on the base learning rate
  bool maximize = false;       ///< whether larger metrics are better, as of an accuracy
};

/// How the learning rate goes over the steps (or epochs: whoever calls `Scheduler::step` decides): a factor on the
/// optimizer's base learning rate for each step, from step 0. A value; made by the functions in namespace `schedule`.
class Schedule {
 public:
  /// `factor(step)` for step >= 0, the same at every call.
  explicit Schedule(std::function<double(std::int64_t)> factor);
  /// reduce_on_plateau's. Throws Error on options that make no sense.
  explicit Schedule(const PlateauOptions& plateau);

  /// Throws Error if `step` is negative, if the result is not finite or negative, and for reduce_on_plateau, whose
  /// factor is not known in advance.
  double factor(std::int64_t step) const;

  /// Whether `Scheduler::step` needs a metric: reduce_on_plateau's.
  bool takes_metric() const noexcept { return plateau_.has_value(); }
  const std::optional<PlateauOptions>& plateau() const noexcept { return plateau_; }

 private:
  std::function<double(std::int64_t)> factor_;
  std::optional<PlateauOptions> plateau_;
};

/// The schedules. Below t is the step, from 0; a factor named `end` is reached at step `total` and kept ever after.
/// All throw Error that names the schedule and the argument if a count is below 1, a factor negative or not finite, or
/// as said.
namespace schedule {

/// factor, at every step.
Schedule constant(double factor = 1);

/// gamma^floor(t / size): multiplied by gamma every `size` steps.
Schedule step(std::int64_t size, double gamma = 0.1);

/// gamma^(how many milestones are <= t). The milestones ascend.
Schedule multi_step(std::vector<std::int64_t> milestones, double gamma = 0.1);

/// gamma^t.
Schedule exponential(double gamma);

/// end + (1 - end) (1 - t / total)^power. L.-C. Chen et al., "DeepLab", 2018, for end = 0 ("poly" policy); power = 1 is
/// a straight line. power > 0.
Schedule polynomial(std::int64_t total, double power = 1, double end = 0);

/// 1 / (1 + k t), so that the rate is a / (1 + k t): the decay of H. Robbins and S. Monro, "A stochastic approximation
/// method", 1951, as L. Bottou, "Stochastic gradient descent tricks", 2012, writes it. k >= 0.
Schedule inverse_time(double k);

/// end + (1 - end) (1 + cos(pi t / total)) / 2. I. Loshchilov and F. Hutter, "SGDR: Stochastic gradient descent with
/// warm restarts", 2017, equation 5, without restarts.
Schedule cosine(std::int64_t total, double end = 0);

/// The same with restarts: periods of first, first * multiplier, first * multiplier^2, ... steps, each of which begins
/// with factor 1 and falls towards `end`, which it would reach at its last step + 1. multiplier >= 1.
Schedule cosine_restarts(std::int64_t first, std::int64_t multiplier = 1, double end = 0);

/// start + (1 - start) t / steps, and 1 from step `steps` on. P. Goyal et al., "Accurate, large minibatch SGD", 2017,
/// section 2.2. `sequential({linear_warmup(n), cosine(total - n)}, {n})` goes on with a decay.
Schedule linear_warmup(std::int64_t steps, double start = 0);

struct OneCycleOptions {
  double warmup = 0.3;  ///< share of the steps on the way up, in (0, 1)
  double start = 0.04;  ///< factor at step 0
  double end = 4e-6;    ///< factor at step `total`
};
/// From `start` up to 1 at step warmup * total and down to `end`, both ways along half a cosine. L. N. Smith and N.
/// Topin, "Super-convergence", 2018, in the form of fastai and PyTorch, whose numbers the defaults are. The base
/// learning rate is the highest one.
Schedule one_cycle(std::int64_t total, const OneCycleOptions& options = {});

struct CyclicOptions {
  std::int64_t up = 2000;  ///< steps from low to high
  std::int64_t down = 0;   ///< steps from high to low; as `up` if 0
  double low = 0.1;
  double high = 1;
  double decay =
      1;  ///< what the height above `low` is multiplied by after each cycle: 1 "triangular", 0.5 "triangular2"
};
/// Triangles: low + (high - low) decay^cycle x, where x goes from 0 to 1 in `up` steps and back in `down`. L. N. Smith,
/// "Cyclical learning rates for training neural networks", 2017. Throws Error unless low <= high.
Schedule cyclic(const CyclicOptions& options = {});

/// Multiplies the rate by `factor` once the metric has not got better for more than `patience` steps. The first metric
/// is the best so far; NaN is never better. To be stepped with `Scheduler::step(metric)`.
Schedule reduce_on_plateau(const PlateauOptions& options = {});

/// The product of all, step by step. Throws Error if there is none, or one that takes a metric.
Schedule chained(std::vector<Schedule> schedules);

/// One after the other: schedule i + 1 begins, with its own step 0, at step milestones[i]. Throws Error unless there is
/// one milestone less than schedules, the milestones ascend, and no schedule takes a metric.
Schedule sequential(std::vector<Schedule> schedules, std::vector<std::int64_t> milestones);

/// Any function of the step.
Schedule lambda(std::function<double(std::int64_t)> factor);

}  // namespace schedule

/// Sets an optimizer's learning rates by a schedule: each group's to its base rate, which is what it had when the
/// scheduler was made, times the factor. The factor for step 0 applies from construction on, that for step n after n
/// calls of `step`; so `step` comes after the optimizer's. Computed from the step alone, so nothing adds up.
/// \code
///   optim::Scheduler scheduler(optimizer, optim::schedule::cosine(epochs));
///   for (int epoch = 0; epoch < epochs; ++epoch) {
///     train_one_epoch(optimizer);
///     scheduler.step();
///   }
/// \endcode
/// The optimizer must outlive its scheduler.
class Scheduler {
 public:
  Scheduler(Optimizer& optimizer, Schedule schedule);

  /// Goes on to the next step. Throws Error if the schedule takes a metric.
  void step();
  /// Same for reduce_on_plateau; other schedules have no use for the metric.
  void step(double metric);

  /// How often `step` was called.
  std::int64_t steps() const noexcept { return steps_; }
  /// The factor of the moment.
  double factor() const;
  /// The rate of a group that the optimizer has now.
  double learning_rate(std::size_t group = 0) const { return optimizer_->learning_rate(group); }
  const Schedule& schedule() const noexcept { return schedule_; }

  /// The step, the base learning rates, and what reduce_on_plateau remembers. The schedule itself is not in it.
  StateDict state_dict() const;
  /// Takes it back, for the same schedule and an optimizer with as many groups, and sets the learning rates. Throws
  /// Error that lists what does not fit; then nothing has changed.
  void load_state_dict(const StateDict& state);

 private:
  /// What reduce_on_plateau remembers.
  struct Plateau {
    double factor = 1;
    std::optional<double> best = {};  // none before the first metric
    std::int64_t bad_steps = 0;
    std::int64_t cooldown = 0;
  };

  void watch(double metric);
  void apply();

  Optimizer* optimizer_;
  Schedule schedule_;
  std::vector<double> base_;  // of each group
  std::int64_t steps_ = 0;
  Plateau plateau_;
};

}  // namespace wengert::optim
