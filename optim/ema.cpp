#include <algorithm>

#include <fmt/format.h>

#include <wengert/autograd/elementwise.h>
#include <wengert/optim/ema.h>
#include <wengert/optim/state_reader.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

ExponentialMovingAverage::ExponentialMovingAverage(std::vector<ParameterRef> parameters, const EMAOptions& options)
    : parameters_(std::move(parameters)), options_(options) {
  detail::check_fraction("ExponentialMovingAverage", "decay", options.decay);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    check<Error>(parameters_[i].defined(), "ExponentialMovingAverage: parameter {} is undefined", i);
    averages_.push_back(parameters_[i]->detach());
  }
}

void ExponentialMovingAverage::update() {
  const NoGrad guard;
  ++updates_;
  const auto t = static_cast<double>(updates_);
  const double decay = options_.warmup ? std::min(options_.decay, (1 + t) / (10 + t)) : options_.decay;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    averages_[i] = elementwise("ExponentialMovingAverage", averages_[i], parameters_[i],
                               [=](auto average, auto w) { return decay * average + (1 - decay) * w; });
  }
}

void ExponentialMovingAverage::copy_to(const std::vector<ParameterRef>& parameters) const {
  constexpr auto name = "ExponentialMovingAverage.copy_to";
  check<Error>(parameters.size() == averages_.size(), "{}: {} parameters, the average is of {}", name,
               parameters.size(), averages_.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    check<Error>(parameters[i].defined(), "{}: parameter {} is undefined", name, i);
    check(parameters[i]->shape() == averages_[i].shape(), "{}: parameter {} has shape {}, its average {}", name, i,
          parameters[i]->shape(), averages_[i].shape());
    check<DTypeError>(parameters[i]->dtype() == averages_[i].dtype(), "{}: parameter {} is {}, its average {}", name, i,
                      parameters[i]->dtype(), averages_[i].dtype());
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].set(averages_[i]);
}

StateDict ExponentialMovingAverage::state_dict() const {
  StateDict state;
  state.set("updates", from_data(updates_, int64));
  for (std::size_t i = 0; i < averages_.size(); ++i) state.set(fmt::format("{}", i), averages_[i]);
  return state;
}

void ExponentialMovingAverage::load_state_dict(const StateDict& state) {
  StateReader reader(state);
  const std::int64_t updates = reader.take_count("updates");
  std::vector<Tensor> averages;
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    averages.push_back(reader.take(fmt::format("{}", i), averages_[i].shape(), averages_[i].dtype()));
  }
  reader.finish(fmt::format("this average of {} parameters", averages_.size()));
  updates_ = updates;
  averages_ = std::move(averages);
}

ExponentialMovingAverage::Scope::Scope(const ExponentialMovingAverage& ema) : parameters_(ema.parameters_) {
  for (const ParameterRef& parameter : parameters_) before_.push_back(parameter->detach());
  ema.copy_to(parameters_);
}

ExponentialMovingAverage::Scope::~Scope() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) wengert::detail::rebind(parameters_[i], before_[i]);
}

}  // namespace wengert::optim
