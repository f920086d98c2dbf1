#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>
#include <wengert/optim/lbfgs.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

double inner(const Tensor& a, const Tensor& b) { return sum(a * b).item(); }
double largest(const Tensor& x) { return x.numel() == 0 ? 0 : max(abs(x)).item(); }

}  // namespace

/// What is known of the loss at weights + length * direction.
struct LBFGS::Point {
  double length;
  double loss;
  double slope;  ///< along the direction
  Tensor gradient;
};

/// The loss along one direction, and the search for the length of a step on it.
class LBFGS::Line {
 public:
  Line(LBFGS& optimizer, const Closure& closure, Tensor direction, std::int64_t& evaluations_left)
      : optimizer_(optimizer), closure_(closure), direction_(std::move(direction)), left_(evaluations_left) {
    for (const ParameterRef& parameter : optimizer.parameters()) origin_.push_back(parameter.value().detach());
  }

  /// Algorithm 3.5, from the point where the weights are now. The weights end up at the point returned.
  Point search(const Point& start, double length) {
    try {
      Point found = find(start, length);
      move_to(found.length);
      return found;
    } catch (...) {
      move_to(0);  // not at a trial point
      throw;
    }
  }

 private:
  Point find(const Point& start, double length) {
    Point previous = start;
    Point now = at(length);
    while (true) {
      if (too_high(now, start) || (previous.length > 0 && now.loss >= previous.loss)) return zoom(start, previous, now);
      if (flat_enough(now, start)) return now;
      if (now.slope >= 0) return zoom(start, now, previous);
      if (left_ <= 0) return now;
      const double next =
          cubic_minimum(previous, now, now.length + 0.01 * (now.length - previous.length), 10 * now.length);
      previous = std::exchange(now, at(next));
    }
  }

  /// Algorithm 3.6: between `low`, the best so far that falls enough, and `high` lies a point that will do.
  Point zoom(const Point& start, Point low, Point high) {
    while (left_ > 0) {
      const double width = high.length - low.length;
      if (std::abs(width) * largest(direction_) < optimizer_.options_.tolerance_change) break;
      const double from = std::min(low.length, high.length) + 0.1 * std::abs(width);
      const double to = std::max(low.length, high.length) - 0.1 * std::abs(width);
      Point point = at(cubic_minimum(low, high, from, to));
      if (too_high(point, start) || point.loss >= low.loss) {
        high = std::move(point);
        continue;
      }
      if (flat_enough(point, start)) return point;
      if (point.slope * width >= 0) high = low;
      low = std::move(point);
    }
    return low;
  }

  static bool too_high(const Point& point, const Point& start) {
    return !(point.loss <= start.loss + 1e-4 * point.length * start.slope);  // NaN is too high
  }
  static bool flat_enough(const Point& point, const Point& start) {
    return std::abs(point.slope) <= -0.9 * start.slope;
  }

  /// Where the cubic through both points, with their slopes, has its minimum between `from` and `to` (3.59); the middle
  /// of these if it has none.
  static double cubic_minimum(const Point& a, const Point& b, double from, double to) {
    const double d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length);
    const double d2 = std::copysign(std::sqrt(d1 * d1 - a.slope * b.slope), b.length - a.length);
    const double at = b.length - (b.length - a.length) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2);
    return std::isfinite(at) ? std::clamp(at, from, to) : (from + to) / 2;
  }

  void move_to(double length) {
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < origin_.size(); ++i) {
      const std::int64_t end = begin + origin_[i].numel();
      const ParameterRef& parameter = optimizer_.parameters()[i];
      const Tensor along = direction_.slice(begin, end).reshape(origin_[i].shape());
      if (parameter.requires_grad()) parameter.set(length == 0 ? origin_[i] : origin_[i] + length * along);
      begin = end;
    }
  }

  Point at(double length) {
    move_to(length);
    const double loss = optimizer_.height(optimizer_.loss_by(closure_));
    --left_;
    const Tensor gradient = optimizer_.flat_gradient();
    return {length, loss, inner(gradient, direction_), gradient};
  }

  LBFGS& optimizer_;
  const Closure& closure_;
  Tensor direction_;
  std::int64_t& left_;
  std::vector<Tensor> origin_;
};

LBFGS::LBFGS(const ParameterGroups& parameters, const LBFGSOptions& options)
    : Optimizer("LBFGS", parameters, {.learning_rate = options.lr, .maximize = options.maximize}), options_(options) {
  const auto check_count = [](const char* option, std::int64_t value, std::int64_t least) {
    check<Error>(value >= least, "LBFGS: {} must be at least {}, got {}", option, least, value);
  };
  check_count("max_iterations", options.max_iterations, 1);
  check_count("max_evaluations", options.max_evaluations, 0);
  check_count("history", options.history, 1);
  detail::check_not_negative("LBFGS", "tolerance_gradient", options.tolerance_gradient);
  detail::check_not_negative("LBFGS", "tolerance_change", options.tolerance_change);
  check<Error>(group_count() == 1, "LBFGS: takes one parameter group, got {}", group_count());
  check<Error>(groups()[0].weight_decay == 0, "LBFGS: has no weight decay, got {}; add the penalty to the loss",
               groups()[0].weight_decay);
  for (const ParameterRef& parameter : this->parameters()) {
    check<Error>(parameter->dtype() == this->parameters()[0]->dtype(),
                 "LBFGS: all parameters must have one dtype, got {} and {}", this->parameters()[0]->dtype(),
                 parameter->dtype());
  }
}

void LBFGS::step() { fail<Error>("LBFGS: a step needs a closure that computes the loss: step(closure)"); }

Tensor LBFGS::step(const Closure& closure) {
  const NoGrad guard;
  std::int64_t evaluations_left = options_.max_evaluations > 0
                                      ? options_.max_evaluations
                                      : std::max<std::int64_t>(options_.max_iterations * 5 / 4, 2);
  // What was learnt of the curvature holds for the parameters that took part.
  std::vector<bool> trained;
  for (const ParameterRef& parameter : parameters()) trained.push_back(parameter.requires_grad());
  if (!trained_.empty() && trained != trained_) history_.clear();
  trained_ = std::move(trained);
  const Tensor first_loss = loss_by(closure);
  --evaluations_left;
  Point now{.length = 0, .loss = height(first_loss), .slope = 0, .gradient = flat_gradient()};
  check<Error>(std::isfinite(now.loss), "LBFGS: the loss is {} before the first step", now.loss);
  for (std::int64_t i = 0; i < options_.max_iterations && evaluations_left > 0; ++i) {
    if (!(largest(now.gradient) > options_.tolerance_gradient)) break;
    const Tensor d = direction(now.gradient);
    now.length = 0;
    now.slope = inner(now.gradient, d);
    if (!(now.slope < 0)) break;
    // Nothing is known of the loss's scale yet: a first step of length at most 1.
    const double length =
        history_.empty() ? learning_rate() * std::min(1.0, 1 / sum(abs(now.gradient)).item()) : learning_rate();
    if (length == 0) break;
    const Point next = Line(*this, closure, d, evaluations_left).search(now, length);
    if (next.length == 0) break;
    const Tensor change = next.length * d;
    remember(change, next.gradient - now.gradient);
    const double gain = now.loss - next.loss;
    now = next;
    if (largest(change) <= options_.tolerance_change || std::abs(gain) < options_.tolerance_change) break;
  }
  return first_loss;
}

Tensor LBFGS::loss_by(const Closure& closure) const {
  const EnableGrad guard;
  const Tensor loss = closure();
  check<Error>(loss.defined() && loss.numel() == 1, "LBFGS: the closure must return the loss, a single number");
  return loss.detach();
}

double LBFGS::height(const Tensor& loss) const { return maximize() ? -loss.item() : loss.item(); }

Tensor LBFGS::flat_gradient() const {
  std::vector<Tensor> parts;
  for (const ParameterRef& parameter : parameters()) {
    const Tensor gradient = gradient_of(parameter);
    parts.push_back(gradient.defined() ? gradient.detach().reshape({-1})
                                       : zeros({parameter->numel()}, parameter->dtype()));
  }
  return cat(parts);
}

Tensor LBFGS::direction(const Tensor& gradient) const {
  Tensor d = -gradient;
  std::vector<double> alphas;
  for (auto pair = history_.rbegin(); pair != history_.rend(); ++pair) {
    const auto& [s, y] = *pair;
    alphas.push_back(inner(s, d) / inner(s, y));
    d = d - alphas.back() * y;
  }
  if (!history_.empty()) {
    const auto& [s, y] = history_.back();
    d = d * (inner(s, y) / inner(y, y));
  }
  for (const auto& [s, y] : history_) {
    d = d + (alphas.back() - inner(y, d) / inner(s, y)) * s;
    alphas.pop_back();
  }
  return d;
}

void LBFGS::remember(const Tensor& change, const Tensor& gradient_change) {
  // The loss must curve upwards between the two points for the approximation to stay positive definite.
  if (!(inner(change, gradient_change) > 1e-10 * inner(gradient_change, gradient_change))) return;
  if (static_cast<std::int64_t>(history_.size()) == options_.history) history_.erase(history_.begin());
  history_.push_back({change, gradient_change});
}

void LBFGS::save_state(StateDict& state) const {
  state.set("pairs", from_data(static_cast<std::int64_t>(history_.size()), int64));
  for (std::size_t k = 0; k < history_.size(); ++k) {
    state.set(fmt::format("{}.change", k), history_[k].change);
    state.set(fmt::format("{}.gradient_change", k), history_[k].gradient_change);
  }
}

std::function<void()> LBFGS::read_state(StateReader& reader) {
  std::int64_t count = 0;
  for (const ParameterRef& parameter : parameters()) count += parameter->numel();
  const DType dtype = parameters()[0]->dtype();
  const std::int64_t pairs = reader.take_count("pairs");
  if (pairs > options_.history) reader.add_problem(fmt::format("pairs: {}, at most {}", pairs, options_.history));
  std::vector<Pair> history;
  for (std::int64_t k = 0; k < std::min(pairs, options_.history); ++k) {
    history.push_back({.change = reader.take(fmt::format("{}.change", k), {count}, dtype),
                       .gradient_change = reader.take(fmt::format("{}.gradient_change", k), {count}, dtype)});
  }
  return [this, history = std::move(history)]() mutable {
    history_ = std::move(history);
    trained_.clear();
  };
}

}  // namespace wengert::optim
