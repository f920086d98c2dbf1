#include <wengert/optim/adadelta.h>
#include <wengert/optim/fused_update.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

Adadelta::Adadelta(const ParameterGroups& parameters, const AdadeltaOptions& options)
    : PerParameterOptimizer(
          "Adadelta", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize},
          {"square", "square_change"}),
      options_(options) {
  detail::check_fraction("Adadelta", "rho", options.rho);
  detail::check_not_negative("Adadelta", "epsilon", options.epsilon);
}

void Adadelta::update(const Update& u) {
  const double lr = u.learning_rate;
  const double decay = u.weight_decay;
  const double rho = options_.rho;
  const double epsilon = options_.epsilon;
  fused_update<2>(u, [=](auto& w, auto g, auto& v, auto& changes) {
    g += decay * w;
    v = rho * v + (1 - rho) * (g * g);
    const auto d = sqrt(changes + epsilon) / sqrt(v + epsilon) * g;
    changes = rho * changes + (1 - rho) * (d * d);
    w -= lr * d;
  });
}

}  // namespace wengert::optim
