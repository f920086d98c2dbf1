#include <cmath>

#include <wengert/optim/fused_update.h>
#include <wengert/optim/nadam.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

double mu(const NAdamOptions& options, std::int64_t t) {
  return options.beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(t) * options.momentum_decay));
}

}  // namespace

NAdam::NAdam(const ParameterGroups& parameters, const NAdamOptions& options)
    : PerParameterOptimizer(
          "NAdam", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize},
          {"mean", "square"}),
      options_(options) {
  detail::check_fraction("NAdam", "beta1", options.beta1);
  detail::check_fraction("NAdam", "beta2", options.beta2);
  detail::check_not_negative("NAdam", "epsilon", options.epsilon);
  detail::check_not_negative("NAdam", "momentum_decay", options.momentum_decay);
}

void NAdam::update(const Update& u) {
  const double beta1 = options_.beta1;
  const double beta2 = options_.beta2;
  const double epsilon = options_.epsilon;
  const double decay = u.weight_decay;
  const double from_mean = u.learning_rate * mu(options_, u.step + 1) / (1 - product(u.step + 1));
  const double from_gradient = u.learning_rate * (1 - mu(options_, u.step)) / (1 - product(u.step));
  const double correction = 1 / std::sqrt(1 - std::pow(beta2, static_cast<double>(u.step)));
  fused_update<2>(u, [=](auto& w, auto g, auto& m, auto& v) {
    g += decay * w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * (g * g);
    w -= (from_mean * m + from_gradient * g) / (sqrt(v) * correction + epsilon);
  });
}

double NAdam::product(std::int64_t t) {
  constexpr double negligible = 1e-17;
  const auto known = [this] { return static_cast<std::int64_t>(products_.size()); };
  while (known() <= t && products_.back() > negligible) {
    products_.push_back(products_.back() * mu(options_, known()));
  }
  return t < known() ? products_[static_cast<std::size_t>(t)] : 0;
}

}  // namespace wengert::optim
