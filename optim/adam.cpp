#include <cmath>

#include <wengert/optim/adam.h>
#include <wengert/optim/fused_update.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

Adam::Adam(std::vector<ParameterRef> parameters, const AdamOptions& options)
    : Optimizer("Adam", std::move(parameters), {.learning_rate = options.lr, .weight_decay = options.weight_decay},
                {"mean", "square"}),
      options_(options) {
  detail::check_fraction("Adam", "beta1", options.beta1);
  detail::check_fraction("Adam", "beta2", options.beta2);
  detail::check_not_negative("Adam", "epsilon", options.epsilon);
}

void Adam::update(const Update& u) {
  const double beta1 = options_.beta1;
  const double beta2 = options_.beta2;
  const double epsilon = options_.epsilon;
  const double decay = u.weight_decay;
  const auto t = static_cast<double>(u.step);
  const double rate = u.learning_rate / (1 - std::pow(beta1, t));
  const double correction = 1 / std::sqrt(1 - std::pow(beta2, t));
  fused_update<2>(u, [=](auto& w, auto g, auto& m, auto& v) {
    g += decay * w;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * (g * g);
    w -= rate * m / (sqrt(v) * correction + epsilon);
  });
}

}  // namespace wengert::optim
