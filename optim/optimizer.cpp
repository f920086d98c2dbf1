#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <wengert/optim/optimizer.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

void check_learning_rate(const std::string& name, double learning_rate) {
  check<Error>(learning_rate >= 0 && std::isfinite(learning_rate),
               "{}: the learning rate must be finite and not negative, got {}", name, learning_rate);
}

Tensor scalar(double value) { return full({}, value, float64); }
Tensor scalar(std::int64_t value) { return from_data(value, int64); }

}  // namespace

Optimizer::Optimizer(std::string name, std::vector<ParameterRef> parameters, Settings settings,
                     std::vector<std::string> state_names)
    : name_(std::move(name)),
      parameters_(std::move(parameters)),
      slots_(parameters_.size()),
      state_names_(std::move(state_names)),
      settings_(settings) {
  check_learning_rate(name_, settings.learning_rate);
  detail::check_not_negative(name_.c_str(), "weight_decay", settings.weight_decay);
  check<Error>(!parameters_.empty(), "{}: the list of parameters is empty", name_);
  std::vector<const Tensor*> homes;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    check<Error>(parameters_[i].defined(), "{}: parameter {} is undefined", name_, i);
    homes.push_back(&parameters_[i].value());
  }
  std::sort(homes.begin(), homes.end(), std::less<>());
  const auto twice = std::adjacent_find(homes.begin(), homes.end());
  check<Error>(twice == homes.end(), "{}: a parameter of shape {} is in the list twice", name_,
               twice == homes.end() ? Shape() : (*twice)->shape());
}

void Optimizer::step() {
  const NoGrad guard;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Tensor gradient = parameters_[i].grad();
    if (!gradient.defined()) continue;
    Slot& slot = slots_[i];
    while (slot.state.size() < state_names_.size()) {
      slot.state.push_back(zeros(parameters_[i]->shape(), parameters_[i]->dtype()));
    }
    update({.parameter = parameters_[i],
            .gradient = gradient,
            .state = slot.state,
            .step = slot.steps + 1,
            .learning_rate = settings_.learning_rate,
            .weight_decay = settings_.weight_decay});
    ++slot.steps;
  }
}

void Optimizer::zero_grad() {
  for (const ParameterRef& parameter : parameters_) parameter.zero_grad();
}

void Optimizer::set_learning_rate(double learning_rate) {
  check_learning_rate(name_, learning_rate);
  settings_.learning_rate = learning_rate;
}

StateDict Optimizer::state_dict() const {
  StateDict state;
  state.set("learning_rate", scalar(settings_.learning_rate));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    state.set(fmt::format("{}.step", i), scalar(slots_[i].steps));
    for (std::size_t k = 0; k < slots_[i].state.size(); ++k) {
      state.set(fmt::format("{}.{}", i, state_names_[k]), slots_[i].state[k]);
    }
  }
  return state;
}

void Optimizer::load_state_dict(const StateDict& state) {
  std::string problems;
  std::vector<std::string> expected;
  const auto take = [&](const std::string& name, const Shape& shape, DType dtype) -> Tensor {
    expected.push_back(name);
    const Tensor* loaded = state.find(name);
    if (!loaded) {
      problems += fmt::format("\n  missing: {}", name);
      return {};
    }
    if (loaded->defined() && loaded->shape() == shape && loaded->dtype() == dtype) return loaded->detach();
    problems += fmt::format("\n  {}: {}, expected {} {}", name,
                            loaded->defined() ? fmt::format("{} {}", loaded->dtype(), loaded->shape()) : "undefined",
                            dtype, shape);
    return {};
  };

  const Tensor rate = take("learning_rate", {}, float64);
  const double learning_rate = rate.defined() ? rate.item() : 0;
  if (!(learning_rate >= 0 && std::isfinite(learning_rate))) {
    problems += fmt::format("\n  learning_rate: {}", learning_rate);
  }
  std::vector<Slot> slots(parameters_.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Tensor steps = take(fmt::format("{}.step", i), {}, int64);
    if (steps.defined()) slots[i].steps = steps.item<std::int64_t>();
    if (slots[i].steps < 0) problems += fmt::format("\n  {}.step: {}", i, slots[i].steps);
    for (std::size_t k = 0; k < state_names_.size() && slots[i].steps > 0; ++k) {
      slots[i].state.push_back(
          take(fmt::format("{}.{}", i, state_names_[k]), parameters_[i]->shape(), parameters_[i]->dtype()));
    }
  }
  std::sort(expected.begin(), expected.end());
  for (const auto& [name, tensor] : state) {
    if (!std::binary_search(expected.begin(), expected.end(), name)) {
      problems += fmt::format("\n  unexpected: {}", name);
    }
  }
  check<Error>(problems.empty(), "load_state_dict: the state does not fit this {} of {} parameters:{}", name_,
               parameters_.size(), problems);
  slots_ = std::move(slots);
  settings_.learning_rate = learning_rate;
}

}  // namespace wengert::optim
