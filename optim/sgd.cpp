#include <wengert/optim/fused_update.h>
#include <wengert/optim/sgd.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

std::vector<std::string> state_names(const SGDOptions& options) {
  return options.momentum == 0 ? std::vector<std::string>{} : std::vector<std::string>{"momentum"};
}

}  // namespace

SGD::SGD(const ParameterGroups& parameters, const SGDOptions& options)
    : PerParameterOptimizer(
          "SGD", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize},
          state_names(options)),
      options_(options) {
  detail::check_not_negative("SGD", "momentum", options.momentum);
  detail::check_not_negative("SGD", "dampening", options.dampening);
  check<Error>(!options.nesterov || (options.momentum > 0 && options.dampening == 0),
               "SGD: nesterov needs a momentum above 0 and no dampening, got {} and {}", options.momentum,
               options.dampening);
}

void SGD::update(const Update& u) {
  const double lr = u.learning_rate;
  const double decay = u.weight_decay;
  const double momentum = options_.momentum;
  const double fresh = u.step == 1 ? 1 : 1 - options_.dampening;
  if (momentum == 0) {
    fused_update<0>(u, [=](auto& w, auto g) { w -= lr * (g + decay * w); });
  } else if (options_.nesterov) {
    fused_update<1>(u, [=](auto& w, auto g, auto& v) {
      g += decay * w;
      v = momentum * v + g;
      w -= lr * (g + momentum * v);
    });
  } else {
    fused_update<1>(u, [=](auto& w, auto g, auto& v) {
      v = momentum * v + fresh * (g + decay * w);
      w -= lr * v;
    });
  }
}

}  // namespace wengert::optim
