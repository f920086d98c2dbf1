#include <cmath>

#include <wengert/optim/adam.h>
#include <wengert/optim/fused_update.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

std::vector<std::string> state_names(bool amsgrad) {
  return amsgrad ? std::vector<std::string>{"mean", "square", "largest_square"}
                 : std::vector<std::string>{"mean", "square"};
}

/// Adam's step with what the two do with weight decay: `penalty` w goes into the gradient, `kept` w stays.
template <class Options>
void adam_update(const PerParameterOptimizer::Update& u, const Options& options, double penalty, double kept) {
  const double beta1 = options.beta1;
  const double beta2 = options.beta2;
  const double epsilon = options.epsilon;
  const auto t = static_cast<double>(u.step);
  const double rate = u.learning_rate / (1 - std::pow(beta1, t));
  const double correction = 1 / std::sqrt(1 - std::pow(beta2, t));
  if (options.amsgrad) {
    fused_update<3>(u, [=](auto& w, auto g, auto& m, auto& v, auto& largest) {
      g += penalty * w;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * (g * g);
      largest = maximum(largest, v);
      w = kept * w - rate * m / (sqrt(largest) * correction + epsilon);
    });
  } else {
    fused_update<2>(u, [=](auto& w, auto g, auto& m, auto& v) {
      g += penalty * w;
      m = beta1 * m + (1 - beta1) * g;
      v = beta2 * v + (1 - beta2) * (g * g);
      w = kept * w - rate * m / (sqrt(v) * correction + epsilon);
    });
  }
}

}  // namespace

Adam::Adam(const ParameterGroups& parameters, const AdamOptions& options)
    : PerParameterOptimizer(
          "Adam", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize},
          state_names(options.amsgrad)),
      options_(options) {
  detail::check_fraction("Adam", "beta1", options.beta1);
  detail::check_fraction("Adam", "beta2", options.beta2);
  detail::check_not_negative("Adam", "epsilon", options.epsilon);
}

void Adam::update(const Update& u) { adam_update(u, options_, u.weight_decay, 1); }

AdamW::AdamW(const ParameterGroups& parameters, const AdamWOptions& options)
    : PerParameterOptimizer(
          "AdamW", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize},
          state_names(options.amsgrad)),
      options_(options) {
  detail::check_fraction("AdamW", "beta1", options.beta1);
  detail::check_fraction("AdamW", "beta2", options.beta2);
  detail::check_not_negative("AdamW", "epsilon", options.epsilon);
}

void AdamW::update(const Update& u) { adam_update(u, options_, 0, 1 - u.learning_rate * u.weight_decay); }

}  // namespace wengert::optim
