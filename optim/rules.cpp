#include <cmath>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>
#include <wengert/optim/rules.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

/// The shape of the sums over the rows of what has this shape.
Shape row_shape(const Shape& shape) {
  if (shape.rank() == 0) return {};
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(shape.rank()), 1);
  if (shape.rank() > 1) sizes[0] = shape[0];
  return Shape(sizes);
}

Tensor row_sums_of_squares(const Tensor& gradient) { return sum_to(square(gradient), row_shape(gradient.shape())); }

/// decay * kept + added, where nothing has been kept yet if it is undefined.
Tensor decayed(const Tensor& kept, double decay, const Tensor& added) {
  if (!kept.defined()) return added;
  check(kept.shape() == added.shape(), "update_change: the gradient does not have the shape of the ones before");
  return decay * kept + added;
}

}  // namespace

UpdateRule::UpdateRule(const char* name, double learning_rate) : name_(name), learning_rate_(0) {
  set_learning_rate(learning_rate);
}

void UpdateRule::set_learning_rate(double learning_rate) {
  detail::check_not_negative(name_, "the learning rate", learning_rate);
  learning_rate_ = learning_rate;
}

namespace rules {

Tensor Constant::update_change(const Tensor& gradient) {
  const NoGrad guard;
  return learning_rate() * gradient;
}

Momentum::Momentum(const MomentumOptions& options) : UpdateRule("rules::Momentum", options.lr), options_(options) {
  detail::check_not_negative("rules::Momentum", "momentum", options.momentum);
}

Tensor Momentum::update_change(const Tensor& gradient) {
  const NoGrad guard;
  change_ = decayed(change_, options_.momentum, learning_rate() * gradient);
  return change_;
}

Adagrad::Adagrad(const AdagradOptions& options) : UpdateRule("rules::Adagrad", options.lr), options_(options) {
  detail::check_not_negative("rules::Adagrad", "delta", options.delta);
}

Tensor Adagrad::update_change(const Tensor& gradient) {
  const NoGrad guard;
  sums_ = decayed(sums_, 1, row_sums_of_squares(gradient));
  return learning_rate() * gradient / (options_.delta + sqrt(sums_));
}

AdagradMomentum::AdagradMomentum(const AdagradMomentumOptions& options)
    : UpdateRule("rules::AdagradMomentum", options.lr), options_(options) {
  detail::check_not_negative("rules::AdagradMomentum", "momentum", options.momentum);
  detail::check_not_negative("rules::AdagradMomentum", "delta", options.delta);
}

Tensor AdagradMomentum::update_change(const Tensor& gradient) {
  const NoGrad guard;
  sums_ = decayed(sums_, 1, row_sums_of_squares(gradient));
  change_ = decayed(change_, options_.momentum, learning_rate() * gradient / (options_.delta + sqrt(sums_)));
  return change_;
}

RMSprop::RMSprop(const RMSpropOptions& options) : UpdateRule("rules::RMSprop", options.lr), options_(options) {
  detail::check_fraction("rules::RMSprop", "rho", options.rho);
  detail::check_not_negative("rules::RMSprop", "delta", options.delta);
}

Tensor RMSprop::update_change(const Tensor& gradient) {
  const NoGrad guard;
  square_ = decayed(square_, options_.rho, (1 - options_.rho) * square(gradient));
  return learning_rate() * gradient / sqrt(square_ + options_.delta);
}

Adam::Adam(const AdamOptions& options) : UpdateRule("rules::Adam", options.lr), options_(options) {
  detail::check_fraction("rules::Adam", "rho", options.rho);
  detail::check_fraction("rules::Adam", "rho2", options.rho2);
  detail::check_not_negative("rules::Adam", "delta", options.delta);
}

Tensor Adam::update_change(const Tensor& gradient) {
  const NoGrad guard;
  mean_ = decayed(mean_, options_.rho, (1 - options_.rho) * gradient);
  square_ = decayed(square_, options_.rho2, (1 - options_.rho2) * wengert::square(gradient));
  const auto e = static_cast<double>(epoch_);
  const Tensor mean = mean_ / (1 - std::pow(options_.rho, e));
  const Tensor square = square_ / (1 - std::pow(options_.rho2, e));
  return learning_rate() * mean / sqrt(square + options_.delta);
}

void Adam::reset() {
  mean_ = {};
  square_ = {};
  ++epoch_;
}

}  // namespace rules

RuleOptimizer::RuleOptimizer(const ParameterGroups& parameters, const UpdateRule& rule)
    : Optimizer("RuleOptimizer", parameters, {.learning_rate = rule.learning_rate()}) {
  for (std::size_t i = 0; i < this->parameters().size(); ++i) rules_.push_back(rule.clone());
}

void RuleOptimizer::step() {
  const NoGrad guard;
  for (const Group& group : groups()) {
    for (std::size_t i = group.begin; i < group.end; ++i) {
      const ParameterRef& parameter = parameters()[i];
      Tensor gradient = gradient_of(parameter);
      if (!gradient.defined()) continue;
      if (group.weight_decay > 0) gradient = gradient + group.weight_decay * parameter;
      rules_[i]->set_learning_rate(group.learning_rate);
      parameter.set(parameter - rules_[i]->update_change(gradient));
    }
  }
}

void RuleOptimizer::reset() {
  for (const auto& rule : rules_) rule->reset();
}

void RuleOptimizer::save_state(StateDict& state) const {
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (const std::int64_t* epoch = rules_[i]->epoch()) state.set(fmt::format("{}.epoch", i), from_data(*epoch, int64));
    for (const UpdateRule::State& kept : rules_[i]->state()) {
      if (kept.tensor->defined()) state.set(fmt::format("{}.{}", i, kept.name), *kept.tensor);
    }
  }
}

std::function<void()> RuleOptimizer::read_state(StateReader& reader) {
  std::vector<std::unique_ptr<UpdateRule>> rules;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    const ParameterRef& parameter = parameters()[i];
    rules.push_back(rules_[i]->clone());
    if (std::int64_t* epoch = rules.back()->epoch()) {
      *epoch = reader.take_count(fmt::format("{}.epoch", i));
      if (*epoch == 0) reader.add_problem(fmt::format("{}.epoch: epochs count from 1", i));
    }
    for (const UpdateRule::State& kept : rules.back()->state()) {
      const std::string name = fmt::format("{}.{}", i, kept.name);
      *kept.tensor = !reader.contains(name)
                         ? Tensor()
                         : reader.take(name, kept.per_row ? row_shape(parameter->shape()) : parameter->shape(),
                                       parameter->dtype());
    }
  }
  // A shared pointer, as a std::function must be copyable.
  return [this, kept = std::make_shared<decltype(rules)>(std::move(rules))] { rules_ = std::move(*kept); };
}

}  // namespace wengert::optim
