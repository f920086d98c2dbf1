#include <wengert/optim/fused_update.h>
#include <wengert/optim/lion.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

Lion::Lion(const ParameterGroups& parameters, const LionOptions& options)
    : PerParameterOptimizer(
          "Lion", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize}, {"mean"}),
      options_(options) {
  detail::check_fraction("Lion", "beta1", options.beta1);
  detail::check_fraction("Lion", "beta2", options.beta2);
}

void Lion::update(const Update& u) {
  const double lr = u.learning_rate;
  const double beta1 = options_.beta1;
  const double beta2 = options_.beta2;
  const double decay = u.weight_decay;
  fused_update<1>(u, [=](auto& w, auto g, auto& m) {
    w -= lr * (sign(beta1 * m + (1 - beta1) * g) + decay * w);
    m = beta2 * m + (1 - beta2) * g;
  });
}

}  // namespace wengert::optim
