#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>
#include <wengert/optim/optimizer.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

void check_learning_rate(const std::string& name, double learning_rate) {
  check<Error>(learning_rate >= 0 && std::isfinite(learning_rate),
               "{}: the learning rate must be finite and not negative, got {}", name, learning_rate);
}

void check_parameters(const std::string& name, const std::vector<ParameterRef>& parameters) {
  std::vector<const Tensor*> homes;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    check<Error>(parameters[i].defined(), "{}: parameter {} is undefined", name, i);
    homes.push_back(&parameters[i].value());
  }
  std::sort(homes.begin(), homes.end(), std::less<>());
  const auto twice = std::adjacent_find(homes.begin(), homes.end());
  check<Error>(twice == homes.end(), "{}: a parameter of shape {} is in the list twice", name,
               twice == homes.end() ? Shape() : (*twice)->shape());
}

}  // namespace

Optimizer::Optimizer(std::string name, const ParameterGroups& parameters, const Settings& settings)
    : name_(std::move(name)), maximize_(settings.maximize) {
  const std::vector<ParameterGroup>& groups = parameters.groups();
  check_learning_rate(name_, settings.learning_rate);
  detail::check_not_negative(name_.c_str(), "weight_decay", settings.weight_decay);
  for (std::size_t k = 0; k < groups.size(); ++k) {
    const auto& [members, lr, weight_decay] = groups[k];
    const std::string where = groups.size() == 1 ? name_ : fmt::format("{}, parameter group {}", name_, k);
    check<Error>(!members.empty(), "{}: the list of parameters is empty", where);
    const std::size_t begin = parameters_.size();
    parameters_.insert(parameters_.end(), members.begin(), members.end());
    groups_.push_back({.learning_rate = lr.value_or(settings.learning_rate),
                       .weight_decay = weight_decay.value_or(settings.weight_decay),
                       .begin = begin,
                       .end = parameters_.size()});
    check_learning_rate(where, groups_.back().learning_rate);
    detail::check_not_negative(where.c_str(), "weight_decay", groups_.back().weight_decay);
  }
  check<Error>(!groups_.empty(), "{}: the list of parameters is empty", name_);
  check_parameters(name_, parameters_);
}

Tensor Optimizer::step(const Closure& closure) {
  const EnableGrad guard;
  Tensor loss = closure();
  step();
  return loss;
}

void Optimizer::zero_grad() {
  for (const ParameterRef& parameter : parameters_) parameter.zero_grad();
}

const Optimizer::Group& Optimizer::at(std::size_t group) const {
  check<Error>(group < groups_.size(), "{}: there is no parameter group {}; groups: {}", name_, group, groups_.size());
  return groups_[group];
}

void Optimizer::set_learning_rate(double learning_rate) {
  check_learning_rate(name_, learning_rate);
  for (Group& group : groups_) group.learning_rate = learning_rate;
}

void Optimizer::set_learning_rate(double learning_rate, std::size_t group) {
  check_learning_rate(name_, learning_rate);
  const_cast<Group&>(at(group)).learning_rate = learning_rate;
}

Tensor Optimizer::gradient_of(const ParameterRef& parameter) const {
  Tensor gradient = parameter.grad();
  return maximize_ && gradient.defined() ? -gradient : gradient;
}

StateDict Optimizer::state_dict() const {
  StateDict state;
  std::vector<double> rates;
  for (const Group& group : groups_) rates.push_back(group.learning_rate);
  state.set("learning_rate", from_vector(rates));
  save_state(state);
  return state;
}

void Optimizer::load_state_dict(const StateDict& state) {
  StateReader reader(state);
  const std::vector<double> learning_rates = reader.take_rates("learning_rate", groups_.size());
  const std::function<void()> put_in_place = read_state(reader);
  reader.finish(fmt::format("this {} of {} parameters", name_, parameters_.size()));
  put_in_place();
  for (std::size_t k = 0; k < groups_.size(); ++k) groups_[k].learning_rate = learning_rates[k];
}

PerParameterOptimizer::PerParameterOptimizer(std::string name, const ParameterGroups& parameters,
                                             const Settings& settings, std::vector<std::string> state_names)
    : Optimizer(std::move(name), parameters, settings),
      slots_(this->parameters().size()),
      state_names_(std::move(state_names)) {}

void PerParameterOptimizer::step() {
  const NoGrad guard;
  for (const Group& group : groups()) {
    for (std::size_t i = group.begin; i < group.end; ++i) {
      const ParameterRef& parameter = parameters()[i];
      const Tensor gradient = gradient_of(parameter);
      if (!gradient.defined()) continue;
      Slot& slot = slots_[i];
      while (slot.state.size() < state_names_.size()) {
        slot.state.push_back(zeros(parameter->shape(), parameter->dtype()));
      }
      update({.parameter = parameter,
              .gradient = gradient,
              .state = slot.state,
              .step = slot.steps + 1,
              .learning_rate = group.learning_rate,
              .weight_decay = group.weight_decay});
      ++slot.steps;
    }
  }
}

void PerParameterOptimizer::save_state(StateDict& state) const {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    state.set(fmt::format("{}.step", i), from_data(slots_[i].steps, int64));
    for (std::size_t k = 0; k < slots_[i].state.size(); ++k) {
      state.set(fmt::format("{}.{}", i, state_names_[k]), slots_[i].state[k]);
    }
  }
}

std::function<void()> PerParameterOptimizer::read_state(StateReader& reader) {
  std::vector<Slot> slots(slots_.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    slots[i].steps = reader.take_count(fmt::format("{}.step", i));
    for (std::size_t k = 0; k < state_names_.size() && slots[i].steps > 0; ++k) {
      const ParameterRef& parameter = parameters()[i];
      slots[i].state.push_back(
          reader.take(fmt::format("{}.{}", i, state_names_[k]), parameter->shape(), parameter->dtype()));
    }
  }
  return [this, slots = std::move(slots)]() mutable { slots_ = std::move(slots); };
}

}  // namespace wengert::optim
