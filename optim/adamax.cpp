#include <cmath>

#include <wengert/optim/adamax.h>
#include <wengert/optim/fused_update.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

Adamax::Adamax(const ParameterGroups& parameters, const AdamaxOptions& options)
    : PerParameterOptimizer(
          "Adamax", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize},
          {"mean", "largest"}),
      options_(options) {
  detail::check_fraction("Adamax", "beta1", options.beta1);
  detail::check_fraction("Adamax", "beta2", options.beta2);
  detail::check_not_negative("Adamax", "epsilon", options.epsilon);
}

void Adamax::update(const Update& u) {
  const double beta1 = options_.beta1;
  const double beta2 = options_.beta2;
  const double epsilon = options_.epsilon;
  const double decay = u.weight_decay;
  const double rate = u.learning_rate / (1 - std::pow(beta1, static_cast<double>(u.step)));
  fused_update<2>(u, [=](auto& w, auto g, auto& m, auto& largest) {
    g += decay * w;
    m = beta1 * m + (1 - beta1) * g;
    largest = maximum(beta2 * largest, abs(g) + epsilon);
    w -= rate * m / largest;
  });
}

}  // namespace wengert::optim
