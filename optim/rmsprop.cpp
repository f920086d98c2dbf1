#include <wengert/optim/fused_update.h>
#include <wengert/optim/rmsprop.h>

#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

std::vector<std::string> state_names(const RMSpropOptions& options) {
  std::vector<std::string> names{"square"};
  if (options.centred) names.emplace_back("mean");
  if (options.momentum > 0) names.emplace_back("momentum");
  return names;
}

}  // namespace

RMSprop::RMSprop(const ParameterGroups& parameters, const RMSpropOptions& options)
    : PerParameterOptimizer(
          "RMSprop", parameters,
          {.learning_rate = options.lr, .weight_decay = options.weight_decay, .maximize = options.maximize},
          state_names(options)),
      options_(options) {
  detail::check_fraction("RMSprop", "alpha", options.alpha);
  detail::check_not_negative("RMSprop", "epsilon", options.epsilon);
  detail::check_not_negative("RMSprop", "momentum", options.momentum);
}

void RMSprop::update(const Update& u) {
  const double lr = u.learning_rate;
  const double decay = u.weight_decay;
  const double alpha = options_.alpha;
  const double epsilon = options_.epsilon;
  const double momentum = options_.momentum;
  const auto scaled = [=](auto& w, auto g, auto& v) {
    g += decay * w;
    v = alpha * v + (1 - alpha) * (g * g);
    return g / (sqrt(v) + epsilon);
  };
  const auto centred = [=](auto& w, auto g, auto& v, auto& m) {
    g += decay * w;
    v = alpha * v + (1 - alpha) * (g * g);
    m = alpha * m + (1 - alpha) * g;
    return g / (sqrt(maximum(v - m * m, 0)) + epsilon);
  };
  if (options_.centred && momentum > 0) {
    fused_update<3>(u, [=](auto& w, auto g, auto& v, auto& m, auto& b) {
      b = momentum * b + centred(w, g, v, m);
      w -= lr * b;
    });
  } else if (options_.centred) {
    fused_update<2>(u, [=](auto& w, auto g, auto& v, auto& m) { w -= lr * centred(w, g, v, m); });
  } else if (momentum > 0) {
    fused_update<2>(u, [=](auto& w, auto g, auto& v, auto& b) {
      b = momentum * b + scaled(w, g, v);
      w -= lr * b;
    });
  } else {
    fused_update<1>(u, [=](auto& w, auto g, auto& v) { w -= lr * scaled(w, g, v); });
  }
}

}  // namespace wengert::optim
