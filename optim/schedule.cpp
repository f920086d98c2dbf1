#include <algorithm>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include <wengert/optim/schedule.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

void check_count(const char* schedule, const char* argument, std::int64_t value) {
  check<Error>(value >= 1, "{}: {} must be at least 1, got {}", schedule, argument, value);
}

void check_milestones(const char* schedule, const std::vector<std::int64_t>& milestones) {
  for (std::size_t i = 0; i < milestones.size(); ++i) {
    check<Error>(milestones[i] > (i == 0 ? 0 : milestones[i - 1]),
                 "{}: the milestones must be above 0 and ascend, got {} after {}", schedule, milestones[i],
                 i == 0 ? 0 : milestones[i - 1]);
  }
}

void check_no_metric(const char* name, const std::vector<Schedule>& schedules) {
  check<Error>(!schedules.empty(), "{}: the list of schedules is empty", name);
  for (std::size_t i = 0; i < schedules.size(); ++i) {
    check<Error>(!schedules[i].takes_metric(), "{}: schedule {} takes a metric (reduce_on_plateau)", name, i);
  }
}

/// t / total, 1 from there on.
double share(std::int64_t t, std::int64_t total) {
  return t >= total ? 1 : static_cast<double>(t) / static_cast<double>(total);
}

/// From `from` to `to` along half a cosine as x goes from 0 to 1; exactly these at the ends.
double half_cosine(double from, double to, double x) {
  const double rest = (1 + std::cos(std::numbers::pi * x)) / 2;
  return from * rest + to * (1 - rest);
}

}  // namespace

Schedule::Schedule(std::function<double(std::int64_t)> factor) : factor_(std::move(factor)) {
  check<Error>(static_cast<bool>(factor_), "Schedule: the function is empty");
}

Schedule::Schedule(const PlateauOptions& plateau) : plateau_(plateau) {
  constexpr auto name = "reduce_on_plateau";
  check<Error>(plateau.factor > 0 && plateau.factor < 1, "{}: factor must be above 0 and below 1, got {}", name,
               plateau.factor);
  check<Error>(plateau.patience >= 0, "{}: patience must not be negative, got {}", name, plateau.patience);
  check<Error>(plateau.cooldown >= 0, "{}: cooldown must not be negative, got {}", name, plateau.cooldown);
  detail::check_not_negative(name, "threshold", plateau.threshold);
  check<Error>(plateau.minimum >= 0 && plateau.minimum <= 1, "{}: minimum must be from 0 to 1, got {}", name,
               plateau.minimum);
}

double Schedule::factor(std::int64_t step) const {
  check<Error>(!takes_metric(), "Schedule.factor: reduce_on_plateau has no factor that is known in advance");
  check<Error>(step >= 0, "Schedule.factor: step must not be negative, got {}", step);
  const double factor = factor_(step);
  check<Error>(factor >= 0 && std::isfinite(factor),
               "Schedule.factor: the factor at step {} must be finite and not negative, got {}", step, factor);
  return factor;
}

namespace schedule {

Schedule constant(double factor) {
  detail::check_not_negative("constant", "factor", factor);
  return Schedule([=](std::int64_t) { return factor; });
}

Schedule step(std::int64_t size, double gamma) {
  check_count("step", "size", size);
  detail::check_not_negative("step", "gamma", gamma);
  return Schedule([=](std::int64_t t) { return std::pow(gamma, static_cast<double>(t / size)); });
}

Schedule multi_step(std::vector<std::int64_t> milestones, double gamma) {
  check_milestones("multi_step", milestones);
  detail::check_not_negative("multi_step", "gamma", gamma);
  return Schedule([milestones = std::move(milestones), gamma](std::int64_t t) {
    const auto passed = std::upper_bound(milestones.begin(), milestones.end(), t) - milestones.begin();
    return std::pow(gamma, static_cast<double>(passed));
  });
}

Schedule exponential(double gamma) {
  detail::check_not_negative("exponential", "gamma", gamma);
  return Schedule([=](std::int64_t t) { return std::pow(gamma, static_cast<double>(t)); });
}

Schedule polynomial(std::int64_t total, double power, double end) {
  check_count("polynomial", "total", total);
  check<Error>(power > 0 && std::isfinite(power), "polynomial: power must be finite and above 0, got {}", power);
  detail::check_not_negative("polynomial", "end", end);
  return Schedule([=](std::int64_t t) { return end + (1 - end) * std::pow(1 - share(t, total), power); });
}

Schedule inverse_time(double k) {
  detail::check_not_negative("inverse_time", "k", k);
  return Schedule([=](std::int64_t t) { return 1 / (1 + k * static_cast<double>(t)); });
}

Schedule cosine(std::int64_t total, double end) {
  check_count("cosine", "total", total);
  detail::check_not_negative("cosine", "end", end);
  return Schedule([=](std::int64_t t) { return half_cosine(1, end, share(t, total)); });
}

Schedule cosine_restarts(std::int64_t first, std::int64_t multiplier, double end) {
  check_count("cosine_restarts", "first", first);
  check_count("cosine_restarts", "multiplier", multiplier);
  detail::check_not_negative("cosine_restarts", "end", end);
  return Schedule([=](std::int64_t t) {
    std::int64_t period = first;
    if (multiplier == 1) {
      t %= period;
    } else {
      while (t >= period) {
        t -= period;
        if (period > t / multiplier) {  // the next one holds t: it need not be computed, and might be too large
          return half_cosine(1, end,
                             static_cast<double>(t) / (static_cast<double>(period) * static_cast<double>(multiplier)));
        }
        period *= multiplier;
      }
    }
    return half_cosine(1, end, share(t, period));
  });
}

Schedule linear_warmup(std::int64_t steps, double start) {
  check_count("linear_warmup", "steps", steps);
  detail::check_not_negative("linear_warmup", "start", start);
  return Schedule([=](std::int64_t t) {
    const double x = share(t, steps);
    return start * (1 - x) + x;
  });
}

Schedule one_cycle(std::int64_t total, const OneCycleOptions& options) {
  check_count("one_cycle", "total", total);
  check<Error>(options.warmup > 0 && options.warmup < 1, "one_cycle: warmup must be above 0 and below 1, got {}",
               options.warmup);
  detail::check_not_negative("one_cycle", "start", options.start);
  detail::check_not_negative("one_cycle", "end", options.end);
  return Schedule([=](std::int64_t t) {
    const double x = share(t, total);
    return x <= options.warmup ? half_cosine(options.start, 1, x / options.warmup)
                               : half_cosine(1, options.end, (x - options.warmup) / (1 - options.warmup));
  });
}

Schedule cyclic(const CyclicOptions& options) {
  check_count("cyclic", "up", options.up);
  check<Error>(options.down >= 0, "cyclic: down must not be negative, got {}", options.down);
  detail::check_not_negative("cyclic", "low", options.low);
  check<Error>(options.high >= options.low && std::isfinite(options.high),
               "cyclic: high must be finite and not below low, got {} and {}", options.high, options.low);
  detail::check_not_negative("cyclic", "decay", options.decay);
  const std::int64_t down = options.down == 0 ? options.up : options.down;
  return Schedule([=, o = options](std::int64_t t) {
    const std::int64_t cycle = t / (o.up + down);
    const std::int64_t place = t % (o.up + down);
    const double x = place <= o.up ? share(place, o.up) : 1 - share(place - o.up, down);
    return o.low + (o.high - o.low) * std::pow(o.decay, static_cast<double>(cycle)) * x;
  });
}

Schedule reduce_on_plateau(const PlateauOptions& options) { return Schedule(options); }

Schedule chained(std::vector<Schedule> schedules) {
  check_no_metric("chained", schedules);
  return Schedule([schedules = std::move(schedules)](std::int64_t t) {
    double product = 1;
    for (const Schedule& schedule : schedules) product *= schedule.factor(t);
    return product;
  });
}

Schedule sequential(std::vector<Schedule> schedules, std::vector<std::int64_t> milestones) {
  check_no_metric("sequential", schedules);
  check<Error>(milestones.size() + 1 == schedules.size(), "sequential: {} schedules need one milestone less, got {}",
               schedules.size(), milestones.size());
  check_milestones("sequential", milestones);
  return Schedule([schedules = std::move(schedules), milestones = std::move(milestones)](std::int64_t t) {
    const auto passed =
        static_cast<std::size_t>(std::upper_bound(milestones.begin(), milestones.end(), t) - milestones.begin());
    return schedules[passed].factor(passed == 0 ? t : t - milestones[passed - 1]);
  });
}

Schedule lambda(std::function<double(std::int64_t)> factor) { return Schedule(std::move(factor)); }

}  // namespace schedule

Scheduler::Scheduler(Optimizer& optimizer, Schedule schedule) : optimizer_(&optimizer), schedule_(std::move(schedule)) {
  for (std::size_t k = 0; k < optimizer.group_count(); ++k) base_.push_back(optimizer.learning_rate(k));
  apply();
}

double Scheduler::factor() const { return schedule_.takes_metric() ? plateau_.factor : schedule_.factor(steps_); }

void Scheduler::apply() {
  const double now = factor();
  for (std::size_t k = 0; k < base_.size(); ++k) optimizer_->set_learning_rate(base_[k] * now, k);
}

void Scheduler::step() {
  check<Error>(!schedule_.takes_metric(), "Scheduler.step: reduce_on_plateau needs the metric: step(metric)");
  ++steps_;
  apply();
}

void Scheduler::step(double metric) {
  ++steps_;
  if (schedule_.takes_metric()) watch(metric);
  apply();
}

void Scheduler::watch(double metric) {
  const PlateauOptions& options = *schedule_.plateau();
  Plateau& p = plateau_;
  const double gain = !p.best ? 0 : options.maximize ? metric - *p.best : *p.best - metric;
  // No share of infinity is a measure: whatever is better than an infinite metric counts.
  const double margin = p.best && std::isfinite(*p.best) ? options.threshold * std::abs(*p.best) : 0;
  const bool better = !p.best ? !std::isnan(metric) : gain > margin;
  if (better) {
    p.best = metric;
    p.bad_steps = 0;
  } else {
    ++p.bad_steps;
  }
  if (p.cooldown > 0) {
    --p.cooldown;
    p.bad_steps = 0;
  }
  if (p.bad_steps > options.patience) {
    p.factor = std::max(p.factor * options.factor, options.minimum);
    p.cooldown = options.cooldown;
    p.bad_steps = 0;
  }
}

StateDict Scheduler::state_dict() const {
  StateDict state;
  state.set("step", from_data(steps_, int64));
  state.set("base_learning_rate", from_vector(base_));
  if (schedule_.takes_metric()) {
    state.set("factor", full({}, plateau_.factor, float64));
    state.set("best", plateau_.best ? full({1}, *plateau_.best, float64) : zeros({0}, float64));
    state.set("bad_steps", from_data(plateau_.bad_steps, int64));
    state.set("cooldown", from_data(plateau_.cooldown, int64));
  }
  return state;
}

void Scheduler::load_state_dict(const StateDict& state) {
  StateReader reader(state);
  const std::int64_t steps = reader.take_count("step");
  std::vector<double> base = reader.take_rates("base_learning_rate", base_.size());
  Plateau plateau;
  if (schedule_.takes_metric()) {
    plateau.factor = reader.take_number("factor");
    if (!(plateau.factor >= 0 && plateau.factor <= 1)) reader.add_problem(fmt::format("factor: {}", plateau.factor));
    const Tensor* best = state.find("best");
    const bool has_best = best && best->defined() && best->shape() == Shape{1};
    const Tensor taken = reader.take("best", {has_best ? 1 : 0}, float64);
    if (has_best && taken.defined()) plateau.best = taken.item();
    plateau.bad_steps = reader.take_count("bad_steps");
    plateau.cooldown = reader.take_count("cooldown");
  }
  reader.finish(fmt::format("this scheduler of {} groups", base_.size()));
  steps_ = steps;
  base_ = std::move(base);
  plateau_ = plateau;
  apply();
}

}  // namespace wengert::optim
