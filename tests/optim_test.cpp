#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/memory.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/optim.h>
#include <wengert/optim/fused_update.h>

#include "tests/expect.h"

namespace wengert::optim {
namespace {

/// A few uneven numbers, more than a SIMD packet.
std::vector<double> start() {
  std::vector<double> w;
  for (int i = 0; i < 19; ++i) w.push_back(std::sin(1.0 + i));
  return w;
}

/// A gradient that depends on the weight, the element and the step.
double gradient_at(double w, int i, int t) { return 2 * w + 0.1 * std::cos(0.3 * i + t); }

/// Gives `parameter` that gradient.
void set_gradient(const ParameterRef& parameter, int t) {
  std::vector<double> g;
  int i = 0;
  for (const double w : values_of(parameter)) g.push_back(gradient_at(w, i++, t));
  parameter.zero_grad();
  parameter->backward(from_vector(g).to(parameter->dtype()));
}

/// The rules as scalar code of the papers' formulas. `step` starts at 1.
struct SgdByHand {
  SGDOptions o;
  std::vector<double> v = std::vector<double>(start().size(), 0.0);

  double operator()(double w, double g, std::size_t i, int step) {
    g += o.weight_decay * w;
    if (o.momentum != 0) {
      v[i] = step == 1 ? g : o.momentum * v[i] + (1 - o.dampening) * g;
      g = o.nesterov ? g + o.momentum * v[i] : v[i];
    }
    return w - o.lr * g;
  }
};

struct AdamByHand {
  AdamOptions o;
  std::vector<double> m = std::vector<double>(start().size(), 0.0);
  std::vector<double> v = std::vector<double>(start().size(), 0.0);

  double operator()(double w, double g, std::size_t i, int step) {
    g += o.weight_decay * w;
    m[i] = o.beta1 * m[i] + (1 - o.beta1) * g;
    v[i] = o.beta2 * v[i] + (1 - o.beta2) * g * g;
    const double m_hat = m[i] / (1 - std::pow(o.beta1, step));
    const double v_hat = v[i] / (1 - std::pow(o.beta2, step));
    return w - o.lr * m_hat / (std::sqrt(v_hat) + o.epsilon);
  }
};

template <class Rule>
void expect_sequence(Optimizer& optimizer, Rule rule, const char* what) {
  const ParameterRef parameter = optimizer.parameters().at(0);
  std::vector<double> w = start();
  for (int t = 1; t <= 20; ++t) {
    set_gradient(parameter, t);
    optimizer.step();
    const std::vector<double> actual = values_of(parameter);
    for (std::size_t i = 0; i < w.size(); ++i) {
      w[i] = rule(w[i], gradient_at(w[i], static_cast<int>(i), t), i, t);
      ASSERT_NEAR(actual[i], w[i], 1e-12) << what << ", step " << t << ", element " << i;
    }
  }
}

TEST(SGD, FollowsItsFormulas) {
  const SGDOptions cases[] = {
      {},
      {.lr = 0.1},
      {.lr = 0.1, .weight_decay = 0.2},
      {.lr = 0.05, .momentum = 0.9},
      {.lr = 0.05, .momentum = 0.9, .dampening = 0.3},
      {.lr = 0.05, .momentum = 0.9, .nesterov = true},
      {.lr = 0.05, .momentum = 0.8, .nesterov = true, .weight_decay = 0.1},
  };
  int number = 0;
  for (const SGDOptions& options : cases) {
    const Parameter parameter(from_vector(start()));
    SGD optimizer({parameter}, options);
    expect_sequence(optimizer, SgdByHand{options}, ("case " + std::to_string(number++)).c_str());
  }
}

TEST(Adam, FollowsItsFormulas) {
  const AdamOptions cases[] = {
      {},
      {.lr = 0.1},
      {.lr = 0.1, .beta1 = 0.5, .beta2 = 0.9},
      {.lr = 0.1, .epsilon = 0.1},
      {.lr = 0.1, .weight_decay = 0.2},
      {.lr = 0.1, .beta1 = 0, .beta2 = 0},
  };
  int number = 0;
  for (const AdamOptions& options : cases) {
    const Parameter parameter(from_vector(start()));
    Adam optimizer({parameter}, options);
    expect_sequence(optimizer, AdamByHand{options}, ("case " + std::to_string(number++)).c_str());
  }
}

TEST(Adam, MovesByTheLearningRateAtTheFirstStep) {
  Parameter p(from_data({1.0, 1.0, 1.0}, float64));
  Adam optimizer({p}, {.lr = 0.5, .epsilon = 0});
  p->backward(from_data({1e-6, -3.0, 1e6}, float64));
  optimizer.step();
  const std::vector<double> w = values_of(p);
  EXPECT_NEAR(w[0], 0.5, 1e-12);
  EXPECT_NEAR(w[1], 1.5, 1e-12);
  EXPECT_NEAR(w[2], 0.5, 1e-12);
}

TEST(Optimizer, LeavesAloneWhatHasNoGradient) {
  const Parameter used(from_vector(start()));
  const Parameter unused(from_vector(start()));
  Adam optimizer({used, unused});
  set_gradient(used, 1);
  const std::vector<double> gradient = values_of(used.grad());
  optimizer.step();
  EXPECT_NE(values_of(used), start());
  EXPECT_EQ(values_of(unused), start());
  EXPECT_EQ(values_of(used.grad()), gradient) << "gradients stay as they are";
  EXPECT_EQ(optimizer.state_dict().at("0.step").item<std::int64_t>(), 1);
  EXPECT_EQ(optimizer.state_dict().at("1.step").item<std::int64_t>(), 0);
}

TEST(Optimizer, LeavesHandlesAndGraphsTakenEarlierWithTheOldNumbers) {
  const Parameter p(from_vector(start()));
  SGD optimizer({p}, {.lr = 0.1});
  const Tensor before = p.value();
  const Tensor loss = sum(p * p);
  loss.backward(BackwardOptions{.retain_graph = true});
  const std::vector<double> first = values_of(p.grad());
  optimizer.step();
  EXPECT_EQ(values_of(before), start());
  EXPECT_NE(values_of(p), start());
  p.zero_grad();
  loss.backward();
  EXPECT_EQ(values_of(p.grad()), first);
}

TEST(Optimizer, LeavesACopiedModelAlone) {
  const Parameter p(from_vector(start()));
  const Parameter snapshot = p;
  SGD optimizer({p}, {.lr = 0.1});
  set_gradient(p, 1);
  optimizer.step();
  EXPECT_EQ(values_of(snapshot), start());
}

TEST(Optimizer, UpdatesInPlaceWithoutMemoryInSteadyState) {
  const Parameter p(from_vector(start()) * 1);
  Adam optimizer({p});
  set_gradient(p, 1);
  optimizer.step();
  const double* elements = p->data<double>().data();
  memory::reset_stats();
  optimizer.step();
  optimizer.step();
  EXPECT_EQ(memory::stats().allocations, 0U);
  EXPECT_EQ(p->data<double>().data(), elements);
}

TEST(Optimizer, ForgetsGradients) {
  const Parameter p(from_vector(start()));
  SGD optimizer({p});
  set_gradient(p, 1);
  optimizer.zero_grad();
  EXPECT_FALSE(p.has_grad());
}

TEST(Optimizer, TakesANewLearningRate) {
  const Parameter p(from_data({1.0}, float64));
  SGD optimizer({p}, {.lr = 0.5});
  EXPECT_EQ(optimizer.learning_rate(), 0.5);
  optimizer.set_learning_rate(0.25);
  p->backward(ones({1}, float64));
  optimizer.step();
  EXPECT_EQ(p->item(), 0.75);
  expect_error<Error>([&] { optimizer.set_learning_rate(-1); },
                      "SGD: the learning rate must be finite and not negative, got -1");
  EXPECT_EQ(optimizer.learning_rate(), 0.25);
}

TEST(Optimizer, RejectsOptionsAndListsThatMakeNoSense) {
  const Parameter p(ones({2}));
  const std::vector<ParameterRef> list{p};
  expect_error<Error>([] { SGD({}); }, "SGD: the list of parameters is empty");
  expect_error<Error>([&] { SGD({p, p}); }, "SGD: a parameter of shape [2] is in the list twice");
  expect_error<Error>([&] { Adam({p, Parameter()}); }, "Adam: parameter 1 is undefined");
  expect_error<Error>([&] { SGD(list, {.lr = -0.1}); }, "SGD: the learning rate must be finite and not negative");
  expect_error<Error>([&] { SGD(list, {.momentum = -1}); }, "SGD: momentum must be finite and not negative, got -1");
  expect_error<Error>([&] { SGD(list, {.dampening = NAN}); }, "SGD: dampening must be finite and not negative");
  expect_error<Error>([&] { SGD(list, {.weight_decay = -1}); }, "SGD: weight_decay must be finite and not negative");
  expect_error<Error>([&] { SGD(list, {.nesterov = true}); }, "SGD: nesterov needs a momentum above 0");
  expect_error<Error>([&] { Adam(list, {.lr = INFINITY}); }, "Adam: the learning rate must be finite");
  expect_error<Error>([&] { Adam(list, {.beta1 = 1}); }, "Adam: beta1 must be at least 0 and below 1, got 1");
  expect_error<Error>([&] { Adam(list, {.beta2 = -0.5}); }, "Adam: beta2 must be at least 0 and below 1, got -0.5");
  expect_error<Error>([&] { Adam(list, {.epsilon = -1}); }, "Adam: epsilon must be finite and not negative, got -1");
}

/// Ten steps, on a fresh optimizer with the saved state after the first five if `resume`.
template <class Rule, class Options>
std::vector<double> ten_steps(const Options& options, bool resume) {
  const Parameter a(from_vector(start()).to(float32));
  const Parameter b(from_vector(start()).to(float32));
  Rule first({a, b}, options);
  Rule second({a, b}, options);
  second.set_learning_rate(0.9);
  for (int t = 1; t <= 10; ++t) {
    if (t == 3) first.set_learning_rate(0.07);
    if (t == 6 && resume) second.load_state_dict(first.state_dict());
    set_gradient(a, t);
    if (t > 2) set_gradient(b, t);
    (t > 5 && resume ? static_cast<Optimizer&>(second) : first).step();
  }
  std::vector<double> all = values_of(a);
  for (const double value : values_of(b)) all.push_back(value);
  return all;
}

TEST(Optimizer, ResumesExactly) {
  const SGDOptions sgd{.lr = 0.1, .momentum = 0.9, .dampening = 0.1, .weight_decay = 0.01};
  EXPECT_EQ(ten_steps<SGD>(sgd, true), ten_steps<SGD>(sgd, false));
  const AdamOptions adam{.lr = 0.1};
  EXPECT_EQ(ten_steps<Adam>(adam, true), ten_steps<Adam>(adam, false));
}

TEST(Optimizer, AStateDictIsASnapshot) {
  const Parameter p(from_vector(start()));
  SGD optimizer({p}, {.lr = 0.1, .momentum = 0.9});
  set_gradient(p, 1);
  optimizer.step();
  const StateDict state = optimizer.state_dict();
  const std::vector<double> before = values_of(state.at("0.momentum"));
  optimizer.step();
  EXPECT_EQ(values_of(state.at("0.momentum")), before);
}

TEST(Optimizer, RejectsAStateThatDoesNotFitAndChangesNothing) {
  const Parameter p(from_vector(start()));
  Adam optimizer({p}, {.lr = 0.1});
  set_gradient(p, 1);
  optimizer.step();
  StateDict state = optimizer.state_dict();
  state.erase("0.mean");
  state.set("0.square", zeros({2}));
  state.set("1.step", zeros({}));
  try {
    optimizer.load_state_dict(state);
    FAIL() << "did not throw";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "load_state_dict: the state does not fit this Adam of 1 parameters:\n"
                 "  missing: 0.mean\n"
                 "  0.square: float32 [2], expected float64 [19]\n"
                 "  unexpected: 1.step");
  }
  EXPECT_EQ(optimizer.state_dict().at("0.step").item<std::int64_t>(), 1);
  EXPECT_TRUE(optimizer.state_dict().contains("0.mean"));
}

TEST(Optimizer, HasTheSameBitsForAnyNumberOfThreads) {
  const auto weights_with = [](int threads) {
    set_num_threads(threads);
    Generator generator(1);
    const Parameter p(randn({200'003}, float32, generator));
    Adam optimizer({p}, {.lr = 0.01, .weight_decay = 0.1});
    for (int t = 0; t < 3; ++t) {
      p.zero_grad();
      p->backward(randn({200'003}, float32, generator));
      optimizer.step();
    }
    return values_of(p);
  };
  const int before = num_threads();
  const std::vector<double> alone = weights_with(1);
  EXPECT_EQ(weights_with(2), alone);
  EXPECT_EQ(weights_with(4), alone);
  set_num_threads(before);
}

/// A user's rule, w = w - lr sign(g), as an op and as a fused pass.
class SignDescent : public PerParameterOptimizer {
 public:
  SignDescent(std::vector<ParameterRef> parameters, bool fused)
      : PerParameterOptimizer("SignDescent", std::move(parameters), {.learning_rate = 0.5}, {}), fused_(fused) {}

 protected:
  void update(const Update& u) override {
    if (fused_)
      fused_update<0>(u, [lr = u.learning_rate](auto& w, auto g) { w -= lr * sign(g); });
    else
      u.parameter.set(u.parameter - u.learning_rate * sign(u.gradient));
  }

 private:
  bool fused_;
};

TEST(Optimizer, CanBeDerivedFromWithOpsOrInOnePass) {
  for (const bool fused : {false, true}) {
    const Parameter p(from_data({1.0, 2.0, 3.0}, float64));
    SignDescent optimizer({p}, fused);
    p->backward(from_data({7.0, 0.0, -0.1}, float64));
    optimizer.step();
    EXPECT_EQ(values_of(p), (std::vector<double>{0.5, 2, 3.5}));
    EXPECT_TRUE(p->is_leaf());
  }
}

}  // namespace
}  // namespace wengert::optim
