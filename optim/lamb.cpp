#include <cmath>

#include <wengert/optim/fused_update.h>
#include <wengert/optim/lamb.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

LAMB::LAMB(const ParameterGroups& parameters, const LAMBOptions& options)
    : PerParameterOptimizer(
          "LAMB", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize},
          {"mean", "square"}),
      options_(options) {
  detail::check_fraction("LAMB", "beta1", options.beta1);
  detail::check_fraction("LAMB", "beta2", options.beta2);
  detail::check_not_negative("LAMB", "epsilon", options.epsilon);
}

void LAMB::update(const Update& u) {
  const double beta1 = options_.beta1;
  const double beta2 = options_.beta2;
  const double epsilon = options_.epsilon;
  const double decay = u.weight_decay;
  const auto t = static_cast<double>(u.step);
  const double mean_correction = 1 / (1 - std::pow(beta1, t));
  const double square_correction = 1 / std::sqrt(1 - std::pow(beta2, t));
  fused_update<2>(u, [=](auto&, auto g, auto& m, auto& v) {
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * (g * g);
  });
  const Tensor direction =
      elementwise("LAMB", {u.state[0], u.state[1], u.parameter.value()}, [=](auto m, auto v, auto w) {
        return mean_correction * m / (sqrt(v) * square_correction + epsilon) + decay * w;
      });
  const double weight_norm = norm(u.parameter).item();
  const double direction_norm = norm(direction).item();
  const double trust = weight_norm > 0 && direction_norm > 0 ? weight_norm / direction_norm : 1;
  fused_update<0>({.parameter = u.parameter,
                   .gradient = direction,
                   .state = {},
                   .step = u.step,
                   .learning_rate = u.learning_rate,
                   .weight_decay = decay},
                  [rate = u.learning_rate * trust](auto& w, auto d) { w -= rate * d; });
}

}  // namespace wengert::optim
