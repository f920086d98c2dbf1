#include <cmath>

#include <wengert/optim/fused_update.h>
#include <wengert/optim/radam.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

RAdam::RAdam(const ParameterGroups& parameters, const RAdamOptions& options)
    : PerParameterOptimizer(
          "RAdam", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize},
          {"mean", "square"}),
      options_(options) {
  detail::check_fraction("RAdam", "beta1", options.beta1);
  detail::check_fraction("RAdam", "beta2", options.beta2);
  detail::check_not_negative("RAdam", "epsilon", options.epsilon);
}

void RAdam::update(const Update& u) {
  const double beta1 = options_.beta1;
  const double beta2 = options_.beta2;
  const double epsilon = options_.epsilon;
  const double decay = u.weight_decay;
  const auto t = static_cast<double>(u.step);
  const double left = std::pow(beta2, t);
  const double rho_inf = 2 / (1 - beta2) - 1;
  const double rho = rho_inf - 2 * t * left / (1 - left);
  const bool rectified = rho > 5;
  const double r =
      rectified ? std::sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho) * (1 - left)) : 1;
  const double rate = u.learning_rate / (1 - std::pow(beta1, t)) * r;
  const auto moments = [=](auto& w, auto g, auto& m, auto& v) {
    g += decay * w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * (g * g);
  };
  if (rectified) {
    fused_update<2>(u, [=](auto& w, auto g, auto& m, auto& v) {
      moments(w, g, m, v);
      w -= rate * m / (sqrt(v) + epsilon);
    });
  } else {
    fused_update<2>(u, [=](auto& w, auto g, auto& m, auto& v) {
      moments(w, g, m, v);
      w -= rate * m;
    });
  }
}

}  // namespace wengert::optim
