#include <wengert/optim/adagrad.h>
#include <wengert/optim/fused_update.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

Adagrad::Adagrad(const ParameterGroups& parameters, const AdagradOptions& options)
    : PerParameterOptimizer(
          "Adagrad", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize}, {"sum"}),
      options_(options) {
  detail::check_not_negative("Adagrad", "lr_decay", options.lr_decay);
  detail::check_not_negative("Adagrad", "initial_accumulator", options.initial_accumulator);
  detail::check_not_negative("Adagrad", "epsilon", options.epsilon);
}

void Adagrad::update(const Update& u) {
  const double rate = u.learning_rate / (1 + static_cast<double>(u.step - 1) * options_.lr_decay);
  const double decay = u.weight_decay;
  const double initial = u.step == 1 ? options_.initial_accumulator : 0;
  const double epsilon = options_.epsilon;
  fused_update<1>(u, [=](auto& w, auto g, auto& s) {
    g += decay * w;
    s = s + initial + g * g;
    w -= rate * g / (sqrt(s) + epsilon);
  });
}

}  // namespace wengert::optim
