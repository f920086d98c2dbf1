#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/optim.h>

#include "tests/expect.h"

namespace wengert::optim {
namespace {

using Numbers = std::vector<double>;

/// What a rule keeps for one parameter, under whatever names its formulas have.
struct Kept {
  Numbers a, b, c;
};

/// One step of a rule as plain loops over one parameter: w and what is kept change; t is from 1.
using Formula = std::function<void(Numbers& w, Numbers g, Kept& kept, int t)>;
using List = std::vector<ParameterRef>;

struct Row {
  std::string name;
  std::function<std::unique_ptr<Optimizer>(const List&)> make;
  Formula formula;
};

template <class Rule, class Options>
Row row(std::string name, Options options, Formula formula) {
  return {std::move(name), [options](const List& list) { return std::make_unique<Rule>(list, options); },
          std::move(formula)};
}

/// Gradient of the penalty, and the sign of `maximize`, which PyTorch applies first.
template <class Options>
double penalised(const Options& o, double g, double w) {
  return (o.maximize ? -g : g) + o.weight_decay * w;
}

Row sgd(std::string name, SGDOptions o) {
  return row<SGD>("SGD " + std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int t) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      double d = penalised(o, g[i], w[i]);
      if (o.momentum != 0) {
        k.a[i] = t == 1 ? d : o.momentum * k.a[i] + (1 - o.dampening) * d;
        d = o.nesterov ? d + o.momentum * k.a[i] : k.a[i];
      }
      w[i] -= o.lr * d;
    }
  });
}

Row adagrad(std::string name, AdagradOptions o) {
  return row<Adagrad>("Adagrad " + std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int t) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double d = penalised(o, g[i], w[i]);
      if (t == 1) k.a[i] = o.initial_accumulator;
      k.a[i] += d * d;
      w[i] -= o.lr / (1 + (t - 1) * o.lr_decay) * d / (std::sqrt(k.a[i]) + o.epsilon);
    }
  });
}

Row rmsprop(std::string name, RMSpropOptions o) {
  return row<RMSprop>("RMSprop " + std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double d = penalised(o, g[i], w[i]);
      k.a[i] = o.alpha * k.a[i] + (1 - o.alpha) * d * d;
      k.b[i] = o.alpha * k.b[i] + (1 - o.alpha) * d;
      const double variance = o.centred ? k.a[i] - k.b[i] * k.b[i] : k.a[i];
      k.c[i] = o.momentum * k.c[i] + d / (std::sqrt(variance) + o.epsilon);
      w[i] -= o.lr * k.c[i];
    }
  });
}

Row adadelta(std::string name, AdadeltaOptions o) {
  return row<Adadelta>("Adadelta " + std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double d = penalised(o, g[i], w[i]);
      k.a[i] = o.rho * k.a[i] + (1 - o.rho) * d * d;
      const double change = std::sqrt(k.b[i] + o.epsilon) / std::sqrt(k.a[i] + o.epsilon) * d;
      k.b[i] = o.rho * k.b[i] + (1 - o.rho) * change * change;
      w[i] -= o.lr * change;
    }
  });
}

/// Adam and AdamW: the decay goes into the gradient or straight to the weight.
template <class Rule, class Options>
Row adam(std::string name, Options o) {
  constexpr bool decoupled = std::is_same_v<Rule, AdamW>;
  return row<Rule>(std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int t) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      double d = o.maximize ? -g[i] : g[i];
      if (decoupled)
        w[i] -= o.lr * o.weight_decay * w[i];
      else
        d += o.weight_decay * w[i];
      k.a[i] = o.beta1 * k.a[i] + (1 - o.beta1) * d;
      k.b[i] = o.beta2 * k.b[i] + (1 - o.beta2) * d * d;
      k.c[i] = std::max(k.c[i], k.b[i]);
      const double v = (o.amsgrad ? k.c[i] : k.b[i]) / (1 - std::pow(o.beta2, t));
      w[i] -= o.lr * k.a[i] / (1 - std::pow(o.beta1, t)) / (std::sqrt(v) + o.epsilon);
    }
  });
}

Row nadam(std::string name, NAdamOptions o) {
  return row<NAdam>("NAdam " + std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int t) {
    const auto mu = [&](int s) { return o.beta1 * (1 - 0.5 * std::pow(0.96, s * o.momentum_decay)); };
    double product = 1;
    for (int s = 1; s <= t; ++s) product *= mu(s);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double d = penalised(o, g[i], w[i]);
      k.a[i] = o.beta1 * k.a[i] + (1 - o.beta1) * d;
      k.b[i] = o.beta2 * k.b[i] + (1 - o.beta2) * d * d;
      const double m = mu(t + 1) * k.a[i] / (1 - product * mu(t + 1)) + (1 - mu(t)) * d / (1 - product);
      w[i] -= o.lr * m / (std::sqrt(k.b[i] / (1 - std::pow(o.beta2, t))) + o.epsilon);
    }
  });
}

Row radam(std::string name, RAdamOptions o) {
  return row<RAdam>("RAdam " + std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int t) {
    const double longest = 2 / (1 - o.beta2) - 1;
    const double left = std::pow(o.beta2, t);
    const double length = longest - 2 * t * left / (1 - left);
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double d = penalised(o, g[i], w[i]);
      k.a[i] = o.beta1 * k.a[i] + (1 - o.beta1) * d;
      k.b[i] = o.beta2 * k.b[i] + (1 - o.beta2) * d * d;
      const double m = k.a[i] / (1 - std::pow(o.beta1, t));
      if (length > 5) {
        const double r = std::sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length));
        w[i] -= o.lr * m * r * std::sqrt(1 - left) / (std::sqrt(k.b[i]) + o.epsilon);
      } else {
        w[i] -= o.lr * m;
      }
    }
  });
}

Row adamax(std::string name, AdamaxOptions o) {
  return row<Adamax>("Adamax " + std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int t) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double d = penalised(o, g[i], w[i]);
      k.a[i] = o.beta1 * k.a[i] + (1 - o.beta1) * d;
      k.b[i] = std::max(o.beta2 * k.b[i], std::abs(d) + o.epsilon);
      w[i] -= o.lr / (1 - std::pow(o.beta1, t)) * k.a[i] / k.b[i];
    }
  });
}

Row lion(std::string name, LionOptions o) {
  return row<Lion>("Lion " + std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int) {
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double d = o.maximize ? -g[i] : g[i];
      const double c = o.beta1 * k.a[i] + (1 - o.beta1) * d;
      w[i] -= o.lr * ((c > 0 ? 1 : c < 0 ? -1 : 0) + o.weight_decay * w[i]);
      k.a[i] = o.beta2 * k.a[i] + (1 - o.beta2) * d;
    }
  });
}

Row lamb(std::string name, LAMBOptions o) {
  return row<LAMB>("LAMB " + std::move(name), o, [o](Numbers& w, Numbers g, Kept& k, int t) {
    Numbers direction(w.size());
    double weights = 0;
    double directions = 0;
    for (std::size_t i = 0; i < w.size(); ++i) {
      const double d = o.maximize ? -g[i] : g[i];
      k.a[i] = o.beta1 * k.a[i] + (1 - o.beta1) * d;
      k.b[i] = o.beta2 * k.b[i] + (1 - o.beta2) * d * d;
      const double m = k.a[i] / (1 - std::pow(o.beta1, t));
      const double v = k.b[i] / (1 - std::pow(o.beta2, t));
      direction[i] = m / (std::sqrt(v) + o.epsilon) + o.weight_decay * w[i];
      weights += w[i] * w[i];
      directions += direction[i] * direction[i];
    }
    const double trust = weights > 0 && directions > 0 ? std::sqrt(weights / directions) : 1;
    for (std::size_t i = 0; i < w.size(); ++i) w[i] -= o.lr * trust * direction[i];
  });
}

/// A row per rule and set of options.
std::vector<Row> table() {
  return {
      sgd("default", {}),
      sgd("decay", {.lr = 0.1, .weight_decay = 0.2}),
      sgd("momentum", {.lr = 0.05, .momentum = 0.9}),
      sgd("dampening", {.lr = 0.05, .momentum = 0.9, .dampening = 0.3, .weight_decay = 0.1}),
      sgd("nesterov", {.lr = 0.05, .momentum = 0.8, .nesterov = true, .weight_decay = 0.1}),
      sgd("maximize", {.lr = 0.05, .momentum = 0.8, .weight_decay = 0.1, .maximize = true}),
      adagrad("default", {}),
      adagrad("all", {.lr = 0.1, .lr_decay = 0.1, .weight_decay = 0.2, .initial_accumulator = 0.3, .epsilon = 0.01}),
      adagrad("maximize", {.lr = 0.1, .weight_decay = 0.2, .maximize = true}),
      rmsprop("default", {}),
      rmsprop("decay", {.lr = 0.02, .alpha = 0.8, .epsilon = 0.01, .weight_decay = 0.1}),
      rmsprop("momentum", {.lr = 0.02, .alpha = 0.8, .momentum = 0.7}),
      rmsprop("centred", {.lr = 0.02, .alpha = 0.8, .epsilon = 0.01, .centred = true}),
      rmsprop("centred momentum", {.lr = 0.02, .alpha = 0.8, .epsilon = 0.01, .momentum = 0.7, .centred = true}),
      rmsprop("maximize", {.lr = 0.02, .weight_decay = 0.1, .momentum = 0.7, .maximize = true}),
      adadelta("default", {}),
      adadelta("all", {.lr = 0.5, .rho = 0.7, .epsilon = 1e-3, .weight_decay = 0.1}),
      adadelta("maximize", {.maximize = true}),
      adam<Adam>("Adam default", AdamOptions{}),
      adam<Adam>("Adam all", AdamOptions{.lr = 0.1, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.1, .weight_decay = 0.2}),
      adam<Adam>("Adam without memory", AdamOptions{.lr = 0.1, .beta1 = 0, .beta2 = 0}),
      adam<Adam>("Adam amsgrad", AdamOptions{.lr = 0.1, .beta2 = 0.6, .weight_decay = 0.1, .amsgrad = true}),
      adam<Adam>("Adam maximize", AdamOptions{.lr = 0.1, .weight_decay = 0.1, .maximize = true}),
      adam<AdamW>("AdamW default", AdamWOptions{}),
      adam<AdamW>("AdamW all",
                  AdamWOptions{.lr = 0.1, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.1, .weight_decay = 0.3}),
      adam<AdamW>("AdamW amsgrad", AdamWOptions{.lr = 0.1, .beta2 = 0.6, .amsgrad = true}),
      adam<AdamW>("AdamW maximize", AdamWOptions{.lr = 0.1, .weight_decay = 0.3, .maximize = true}),
      nadam("default", {}),
      nadam("all", {.lr = 0.1, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.1, .momentum_decay = 0.1, .weight_decay = 0.2}),
      nadam("maximize", {.maximize = true}),
      radam("default", {}),
      radam("never rectified", {.lr = 0.02, .beta1 = 0.5, .beta2 = 0.5, .weight_decay = 0.2}),
      radam("soon rectified", {.lr = 0.1, .beta2 = 0.9, .epsilon = 0.01, .weight_decay = 0.2}),
      radam("maximize", {.maximize = true}),
      adamax("default", {}),
      adamax("all", {.lr = 0.1, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.1, .weight_decay = 0.2}),
      adamax("maximize", {.maximize = true}),
      lion("default", {}),
      lion("all", {.lr = 0.02, .beta1 = 0.5, .beta2 = 0.8, .weight_decay = 0.2}),
      lion("maximize", {.lr = 0.02, .weight_decay = 0.2, .maximize = true}),
      lamb("default", {}),
      lamb("all", {.lr = 0.1, .beta1 = 0.5, .beta2 = 0.9, .epsilon = 0.1, .weight_decay = 0.2}),
      lamb("maximize", {.lr = 0.1, .weight_decay = 0.2, .maximize = true}),
  };
}

/// Uneven numbers, more than a SIMD packet of the first parameter, fewer of the second.
Numbers start(std::size_t parameter) {
  Numbers w;
  for (int i = 0; i < (parameter == 0 ? 19 : 3); ++i) w.push_back(std::sin(1.0 + i + 7 * static_cast<int>(parameter)));
  return w;
}

double gradient_at(double w, std::size_t i, int call) {
  return 2 * w + 0.7 * std::cos(0.3 * static_cast<double>(i) + call);
}

/// The second parameter has no gradient at the calls 1, 2 and 5.
bool has_gradient(std::size_t parameter, int call) { return parameter == 0 || (call > 2 && call != 5); }

void set_gradients(const List& list, int call) {
  for (std::size_t p = 0; p < list.size(); ++p) {
    list[p].zero_grad();
    if (!has_gradient(p, call)) continue;
    Numbers g = values_of(list[p]);
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = gradient_at(g[i], i, call);
    list[p]->backward(from_vector(g).to(list[p]->dtype()));
  }
}

List make_parameters(DType dtype) {
  return {Parameter(from_vector(start(0)).to(dtype)), Parameter(from_vector(start(1)).to(dtype))};
}

TEST(OptimizerFormulas, AreThosePublished) {
  for (const DType dtype : {float64, float32}) {
    for (const Row& row : table()) {
      const List list = make_parameters(dtype);
      const auto optimizer = row.make(list);
      std::vector<Numbers> w{start(0), start(1)};
      std::vector<Kept> kept;
      for (const Numbers& one : w) kept.push_back({Numbers(one.size()), Numbers(one.size()), Numbers(one.size())});
      std::vector<int> steps(2);
      for (int call = 1; call <= 12; ++call) {
        for (std::size_t p = 0; p < list.size(); ++p) {
          // In float32 the formula goes on from the numbers of the optimizer, so that roundings do not add up.
          if (dtype == float32) w[p] = values_of(list[p]);
        }
        set_gradients(list, call);
        std::vector<Numbers> gradients;
        for (std::size_t p = 0; p < list.size(); ++p) {
          if (has_gradient(p, call))
            gradients.push_back(values_of(list[p].grad()));
          else
            gradients.emplace_back();
        }
        optimizer->step();
        for (std::size_t p = 0; p < list.size(); ++p) {
          ASSERT_EQ(list[p].has_grad(), has_gradient(p, call)) << row.name;
          if (has_gradient(p, call)) {
            ASSERT_EQ(values_of(list[p].grad()), gradients[p]) << row.name << ": a step leaves gradients alone";
            row.formula(w[p], gradients[p], kept[p], ++steps[p]);
          }
          const Numbers actual = values_of(list[p]);
          for (std::size_t i = 0; i < actual.size(); ++i) {
            ASSERT_NEAR(actual[i], w[p][i], dtype == float64 ? 1e-12 : 3e-6)
                << row.name << ", " << dtype << ", call " << call << ", parameter " << p << ", element " << i;
          }
        }
      }
    }
  }
}

/// All numbers after `calls` steps; a fresh optimizer takes over from the saved state after `resume_after` of them.
std::vector<Numbers> weights_after(const Row& row, int calls, int resume_after) {
  const List list = make_parameters(float32);
  auto optimizer = row.make(list);
  for (int call = 1; call <= calls; ++call) {
    set_gradients(list, call);
    if (call == 4) optimizer->set_learning_rate(0.03);
    optimizer->step();
    if (call == resume_after) {
      const StateDict state = optimizer->state_dict();
      optimizer = row.make(list);
      optimizer->load_state_dict(state);
    }
  }
  return {values_of(list[0]), values_of(list[1])};
}

TEST(OptimizerFormulas, GoOnExactlyFromASavedState) {
  for (const Row& row : table()) {
    const std::vector<Numbers> straight = weights_after(row, 12, 0);
    EXPECT_EQ(weights_after(row, 12, 6), straight) << row.name;
    EXPECT_EQ(weights_after(row, 12, 1), straight) << row.name << ", with a parameter that has had no gradient";
  }
}

TEST(OptimizerFormulas, HaveTheSameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  constexpr std::int64_t count = 600'000;  // above the size from which threads share
  Generator generator(1);
  const Tensor w = randn({count}, float32, generator);
  const Tensor g = randn({count}, float32, generator);
  for (const Row& row : table()) {
    if (row.name.ends_with("maximize")) continue;
    const auto weights_with = [&](int threads) {
      set_num_threads(threads);
      const Parameter p(w * 1);
      const auto optimizer = row.make({p});
      p->backward(g);
      for (int t = 0; t < 2; ++t) optimizer->step();
      return p.value().detach();
    };
    const Tensor alone = weights_with(1);
    for (const int threads : {2, 4}) {
      const Tensor shared = weights_with(threads);
      EXPECT_TRUE(std::ranges::equal(shared.data<float>(), alone.data<float>())) << row.name << ", " << threads;
    }
  }
  set_num_threads(before);
}

/// |A w - b|^2 with the minimum at (1, -2, 3).
Tensor convex_loss(const Parameter& w) {
  const Tensor a = from_data({{2, 0.5, 0}, {0.5, 1, 0.2}, {0, 0.2, 1.5}}, float64);
  return sum(square(matmul(a, w.value() - from_data({1, -2, 3}, float64))));
}

TEST(OptimizerFormulas, FindTheMinimumOfAConvexProblem) {
  struct Case {
    const char* name;
    std::function<std::unique_ptr<Optimizer>(const List&)> make;
    int steps;
    double tolerance;
  };
  const auto by = []<class Rule>(std::type_identity<Rule>, auto options) {
    return [options](const List& list) -> std::unique_ptr<Optimizer> { return std::make_unique<Rule>(list, options); };
  };
  const auto rule = [](auto options_rule) {
    return [=](const List& list) -> std::unique_ptr<Optimizer> {
      return std::make_unique<RuleOptimizer>(list, options_rule);
    };
  };
  const Case cases[] = {
      {"SGD", by(std::type_identity<SGD>(), SGDOptions{.lr = 0.1}), 300, 1e-6},
      {"SGD nesterov", by(std::type_identity<SGD>(), SGDOptions{.lr = 0.05, .momentum = 0.9, .nesterov = true}), 300,
       1e-6},
      {"Adagrad", by(std::type_identity<Adagrad>(), AdagradOptions{.lr = 1}), 500, 1e-6},
      {"RMSprop", by(std::type_identity<RMSprop>(), RMSpropOptions{.lr = 0.01}), 1500, 0.02},
      {"RMSprop centred",
       by(std::type_identity<RMSprop>(),
          RMSpropOptions{.lr = 0.001, .epsilon = 1e-3, .momentum = 0.9, .centred = true}),
       3000, 0.05},
      {"Adadelta", by(std::type_identity<Adadelta>(), AdadeltaOptions{.lr = 0.1, .epsilon = 0.01}), 3000, 0.01},
      {"Adam", by(std::type_identity<Adam>(), AdamOptions{.lr = 0.1}), 1000, 1e-4},
      {"AdamW", by(std::type_identity<AdamW>(), AdamWOptions{.lr = 0.1, .weight_decay = 0}), 1000, 1e-4},
      {"NAdam", by(std::type_identity<NAdam>(), NAdamOptions{.lr = 0.1}), 1000, 1e-4},
      {"RAdam", by(std::type_identity<RAdam>(), RAdamOptions{.lr = 0.1}), 1000, 1e-4},
      {"Adamax", by(std::type_identity<Adamax>(), AdamaxOptions{.lr = 0.1}), 1000, 1e-4},
      {"Lion", by(std::type_identity<Lion>(), LionOptions{.lr = 0.005}), 2000, 0.02},
      {"LAMB", by(std::type_identity<LAMB>(), LAMBOptions{.lr = 0.01}), 2000, 0.05},
      {"LBFGS", by(std::type_identity<LBFGS>(), LBFGSOptions{}), 2, 1e-6},
      {"rules::Constant", rule(rules::Constant({.lr = 0.1})), 300, 1e-6},
      {"rules::Momentum", rule(rules::Momentum({.lr = 0.05})), 300, 1e-6},
      {"rules::Adagrad", rule(rules::Adagrad({.lr = 1})), 500, 1e-6},
      {"rules::AdagradMomentum", rule(rules::AdagradMomentum({.lr = 0.1})), 500, 1e-4},
      {"rules::RMSprop", rule(rules::RMSprop({.lr = 0.01})), 1500, 0.02},
      {"rules::Adam", rule(rules::Adam({.lr = 0.005})), 3000, 0.05},
  };
  for (const Case& c : cases) {
    const Parameter w(from_data({0.5, 0.5, 0.5}, float64));
    const auto optimizer = c.make({w});
    for (int t = 0; t < c.steps; ++t) {
      optimizer->step([&] {
        optimizer->zero_grad();
        const Tensor loss = convex_loss(w);
        loss.backward();
        return loss;
      });
    }
    const Numbers found = values_of(w);
    const Numbers minimum{1, -2, 3};
    for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(found[i], minimum[i], c.tolerance) << c.name << ", element " << i;
  }
}

template <class Rule, class Options>
void expect_rejected(Options options, const char* text) {
  const Parameter p(ones({2}));
  expect_error<Error>([&] { Rule({p}, options); }, text);
}

TEST(OptimizerFormulas, RejectOptionsThatMakeNoSense) {
  expect_error<Error>([] { Adagrad({}); }, "Adagrad: the list of parameters is empty");
  expect_rejected<Adagrad>(AdagradOptions{.lr = -1}, "Adagrad: the learning rate must be finite and not negative");
  expect_rejected<Adagrad>(AdagradOptions{.lr_decay = -1}, "Adagrad: lr_decay must be finite and not negative, got -1");
  expect_rejected<Adagrad>(AdagradOptions{.weight_decay = -1}, "Adagrad: weight_decay must be finite");
  expect_rejected<Adagrad>(AdagradOptions{.initial_accumulator = -1}, "Adagrad: initial_accumulator must be finite");
  expect_rejected<Adagrad>(AdagradOptions{.epsilon = NAN}, "Adagrad: epsilon must be finite");
  expect_rejected<RMSprop>(RMSpropOptions{.alpha = 1}, "RMSprop: alpha must be at least 0 and below 1, got 1");
  expect_rejected<RMSprop>(RMSpropOptions{.epsilon = -1}, "RMSprop: epsilon must be finite");
  expect_rejected<RMSprop>(RMSpropOptions{.momentum = -1}, "RMSprop: momentum must be finite");
  expect_rejected<Adadelta>(AdadeltaOptions{.rho = 1}, "Adadelta: rho must be at least 0 and below 1");
  expect_rejected<Adadelta>(AdadeltaOptions{.epsilon = -1}, "Adadelta: epsilon must be finite");
  expect_rejected<AdamW>(AdamWOptions{.beta1 = 1}, "AdamW: beta1 must be at least 0 and below 1");
  expect_rejected<AdamW>(AdamWOptions{.beta2 = 1}, "AdamW: beta2 must be at least 0 and below 1");
  expect_rejected<AdamW>(AdamWOptions{.epsilon = -1}, "AdamW: epsilon must be finite");
  expect_rejected<AdamW>(AdamWOptions{.weight_decay = INFINITY}, "AdamW: weight_decay must be finite");
  expect_rejected<NAdam>(NAdamOptions{.beta1 = 1}, "NAdam: beta1 must be at least 0 and below 1");
  expect_rejected<NAdam>(NAdamOptions{.beta2 = -1}, "NAdam: beta2 must be at least 0 and below 1");
  expect_rejected<NAdam>(NAdamOptions{.epsilon = -1}, "NAdam: epsilon must be finite");
  expect_rejected<NAdam>(NAdamOptions{.momentum_decay = -1}, "NAdam: momentum_decay must be finite");
  expect_rejected<RAdam>(RAdamOptions{.beta1 = 1}, "RAdam: beta1 must be at least 0 and below 1");
  expect_rejected<RAdam>(RAdamOptions{.beta2 = 1}, "RAdam: beta2 must be at least 0 and below 1");
  expect_rejected<RAdam>(RAdamOptions{.epsilon = -1}, "RAdam: epsilon must be finite");
  expect_rejected<Adamax>(AdamaxOptions{.beta1 = 1}, "Adamax: beta1 must be at least 0 and below 1");
  expect_rejected<Adamax>(AdamaxOptions{.beta2 = 1}, "Adamax: beta2 must be at least 0 and below 1");
  expect_rejected<Adamax>(AdamaxOptions{.epsilon = -1}, "Adamax: epsilon must be finite");
  expect_rejected<Lion>(LionOptions{.beta1 = 1}, "Lion: beta1 must be at least 0 and below 1");
  expect_rejected<Lion>(LionOptions{.beta2 = 1}, "Lion: beta2 must be at least 0 and below 1");
  expect_rejected<LAMB>(LAMBOptions{.beta1 = 1}, "LAMB: beta1 must be at least 0 and below 1");
  expect_rejected<LAMB>(LAMBOptions{.beta2 = 1}, "LAMB: beta2 must be at least 0 and below 1");
  expect_rejected<LAMB>(LAMBOptions{.epsilon = -1}, "LAMB: epsilon must be finite");
  expect_rejected<LBFGS>(LBFGSOptions{.max_iterations = 0}, "LBFGS: max_iterations must be at least 1, got 0");
  expect_rejected<LBFGS>(LBFGSOptions{.max_evaluations = -1}, "LBFGS: max_evaluations must be at least 0, got -1");
  expect_rejected<LBFGS>(LBFGSOptions{.tolerance_gradient = -1}, "LBFGS: tolerance_gradient must be finite");
  expect_rejected<LBFGS>(LBFGSOptions{.tolerance_change = -1}, "LBFGS: tolerance_change must be finite");
  expect_rejected<LBFGS>(LBFGSOptions{.history = 0}, "LBFGS: history must be at least 1, got 0");
}

}  // namespace
}  // namespace wengert::optim
