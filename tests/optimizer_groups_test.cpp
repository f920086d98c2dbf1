#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/optim.h>

#include "tests/expect.h"

namespace wengert::optim {
namespace {

using Numbers = std::vector<double>;

TEST(ParameterGroups, HaveALearningRateAndAWeightDecayOfTheirOwn) {
  const Parameter a(from_data({1.0}, float64));
  const Parameter b(from_data({1.0}, float64));
  const Parameter c(from_data({1.0}, float64));
  SGD optimizer({{.parameters = {a}}, {.parameters = {b}, .lr = 0.01}, {.parameters = {c}, .weight_decay = 0}},
                {.lr = 0.1, .weight_decay = 0.5});
  EXPECT_EQ(optimizer.group_count(), 3U);
  EXPECT_EQ(optimizer.parameters().size(), 3U);
  for (const ParameterRef& p : optimizer.parameters()) p->backward(ones({1}, float64));
  optimizer.step();
  EXPECT_DOUBLE_EQ(a->item(), 1 - 0.1 * 1.5);
  EXPECT_DOUBLE_EQ(b->item(), 1 - 0.01 * 1.5);
  EXPECT_DOUBLE_EQ(c->item(), 1 - 0.1);
  optimizer.set_learning_rate(0.3, 1);
  EXPECT_EQ(optimizer.learning_rate(0), 0.1);
  EXPECT_EQ(optimizer.learning_rate(1), 0.3);
  optimizer.set_learning_rate(0.2);
  EXPECT_EQ(optimizer.learning_rate(2), 0.2);
}

TEST(ParameterGroups, AreSavedWithTheOptimizer) {
  const Parameter a(ones({2}));
  const Parameter b(ones({3}));
  const auto make = [&] { return Adam({{.parameters = {a}}, {.parameters = {b}, .lr = 0.01}}); };
  Adam first = make();
  first.set_learning_rate(0.5, 1);
  Adam second = make();
  second.load_state_dict(first.state_dict());
  EXPECT_EQ(second.learning_rate(0), 1e-3);
  EXPECT_EQ(second.learning_rate(1), 0.5);
  Adam one({a, b});
  expect_error<Error>([&] { one.load_state_dict(first.state_dict()); },
                      "learning_rate: float64 [2], expected float64 [1]");
}

TEST(ParameterGroups, RejectWhatMakesNoSense) {
  const Parameter a(ones({2}));
  const Parameter b(ones({3}));
  expect_error<Error>(
      [&] {
        SGD({{.parameters = {a}}, {.parameters = {}}});
      },
      "SGD, parameter group 1: the list of parameters is empty");
  expect_error<Error>(
      [&] {
        SGD({{.parameters = {a}, .lr = -1}, {.parameters = {b}}});
      },
      "SGD, parameter group 0: the learning rate must be finite and not negative, got -1");
  expect_error<Error>(
      [&] {
        SGD({{.parameters = {a}}, {.parameters = {b}, .weight_decay = -1}});
      },
      "SGD, parameter group 1: weight_decay must be finite and not negative, got -1");
  expect_error<Error>(
      [&] {
        SGD({{.parameters = {a}}, {.parameters = {b, a}}});
      },
      "SGD: a parameter of shape [2] is in the list twice");
  SGD optimizer({a, b});
  expect_error<Error>([&] { optimizer.set_learning_rate(1, 1); }, "SGD: there is no parameter group 1; groups: 1");
  expect_error<Error>([&] { optimizer.learning_rate(2); }, "SGD: there is no parameter group 2; groups: 1");
}

TEST(Optimizer, SumsUpGradientsOfSeveralBatches) {
  const Parameter together(from_data({1, 2}, float64));
  const Parameter parts(from_data({1, 2}, float64));
  const Tensor x = from_data({{1, 2}, {3, 4}, {5, 6}, {7, 8}}, float64);
  Adam one({together}, {.lr = 0.1});
  Adam two({parts}, {.lr = 0.1});
  for (int t = 0; t < 3; ++t) {
    one.zero_grad();
    mean(square(matmul(x, together.value()))).backward();
    one.step();
    two.zero_grad();
    for (const auto& half : {x.slice(0, 2), x.slice(2, 4)}) mean(square(matmul(half, parts.value()))).backward();
    scale_grad({parts}, 0.5);
    two.step();
  }
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(values_of(parts)[i], values_of(together)[i], 1e-12);
}

struct Gradients {
  Parameter a{ones({2}, float64)};
  Parameter b{ones({}, float64)};
  Parameter none{ones({3}, float64)};
  std::vector<ParameterRef> all{a, b, none};

  Gradients(double a0, double a1, double b0) {
    a->backward(from_data({a0, a1}, float64));
    b->backward(from_data(b0, float64));
  }
};

TEST(ClipGradNorm, ScalesToTheNormAndReturnsTheOneBefore) {
  Gradients g(2, 3, 6);
  const Tensor before = g.a.grad();
  EXPECT_DOUBLE_EQ(grad_norm(g.all), 7);
  EXPECT_DOUBLE_EQ(grad_norm(g.all, 1), 11);
  EXPECT_DOUBLE_EQ(grad_norm(g.all, INFINITY), 6);
  EXPECT_DOUBLE_EQ(clip_grad_norm(g.all, 8), 7);
  EXPECT_EQ(values_of(g.a.grad()), (Numbers{2, 3}));
  EXPECT_DOUBLE_EQ(clip_grad_norm(g.all, 3.5), 7);
  EXPECT_EQ(values_of(g.a.grad()), (Numbers{1, 1.5}));
  EXPECT_EQ(g.b.grad().item(), 3);
  EXPECT_FALSE(g.none.has_grad());
  EXPECT_EQ(values_of(before), (Numbers{2, 3})) << "a gradient taken earlier keeps its numbers";
  EXPECT_DOUBLE_EQ(clip_grad_norm(g.all, 1, {.p = INFINITY}), 3);
  EXPECT_DOUBLE_EQ(g.b.grad().item(), 1);
  EXPECT_EQ(clip_grad_norm({}, 1), 0);
}

TEST(ClipGradNorm, DoesNotCallHooks) {
  Gradients g(2, 3, 6);
  int calls = 0;
  g.a->register_hook([&](const Tensor&) { ++calls; });
  clip_grad_norm(g.all, 1);
  clip_grad_value(g.all, 0.1);
  EXPECT_EQ(calls, 0);
}

TEST(ClipGradNorm, DoesWithANormThatIsNotFiniteWhatTheOptionSays) {
  for (const double bad : {double{NAN}, double{INFINITY}}) {
    Gradients g(2, bad, 6);
    expect_error<Error>([&] { clip_grad_norm(g.all, 1); }, "parameter 0, of shape [2], has ");
    EXPECT_EQ(g.b.grad().item(), 6);
    EXPECT_FALSE(std::isfinite(clip_grad_norm(g.all, 1, {.nonfinite = NonFinite::keep})));
    EXPECT_EQ(g.b.grad().item(), 6);
    EXPECT_FALSE(std::isfinite(clip_grad_norm(g.all, 1, {.nonfinite = NonFinite::skip})));
    EXPECT_FALSE(g.a.has_grad());
    EXPECT_FALSE(g.b.has_grad());
  }
}

TEST(ClipGradValue, MovesElementsIntoTheRange) {
  Gradients g(-2, 3, 0.5);
  clip_grad_value(g.all, 1);
  EXPECT_EQ(values_of(g.a.grad()), (Numbers{-1, 1}));
  EXPECT_EQ(g.b.grad().item(), 0.5);
  EXPECT_FALSE(g.none.has_grad());
}

TEST(Clip, RejectsArgumentsThatMakeNoSense) {
  Gradients g(1, 1, 1);
  expect_error<Error>([&] { clip_grad_norm(g.all, -1); }, "clip_grad_norm: max_norm must be finite and not negative");
  expect_error<Error>([&] { clip_grad_norm(g.all, 1, {.p = 0}); }, "grad_norm: p must be above 0, got 0");
  expect_error<Error>([&] { clip_grad_value(g.all, -1); }, "clip_grad_value: limit must not be negative, got -1");
  expect_error<Error>([&] { scale_grad(g.all, NAN); }, "scale_grad: factor must be finite, got nan");
}

TEST(ExponentialMovingAverage, FollowsItsFormula) {
  for (const bool warmup : {false, true}) {
    Parameter p(from_data({1, 2}, float64));
    ExponentialMovingAverage ema({p}, {.decay = 0.8, .warmup = warmup});
    Numbers average{1, 2};
    for (int t = 1; t <= 40; ++t) {
      p.set(from_data({std::sin(t), 2.0 * t}, float64));
      ema.update();
      const double decay = warmup ? std::min(0.8, (1.0 + t) / (10.0 + t)) : 0.8;
      average[0] = decay * average[0] + (1 - decay) * std::sin(t);
      average[1] = decay * average[1] + (1 - decay) * 2 * t;
      const Numbers actual = values_of(ema.averages()[0]);
      EXPECT_NEAR(actual[0], average[0], 1e-12);
      EXPECT_NEAR(actual[1], average[1], 1e-12);
    }
  }
}

TEST(ExponentialMovingAverage, SwapsTheAverageInForAScope) {
  Parameter p(from_data({1.0}, float64));
  ExponentialMovingAverage ema({p}, {.decay = 0.5});
  p.set(from_data({3.0}, float64));
  ema.update();
  {
    const auto averaged = ema.swap_in();
    EXPECT_EQ(p->item(), 2);
  }
  EXPECT_EQ(p->item(), 3);
  const Parameter other(from_data({0.0}, float64));
  ema.copy_to({other});
  EXPECT_EQ(other->item(), 2);
  SGD optimizer({other}, {.lr = 1});
  other->backward(ones({1}, float64));
  optimizer.step();
  EXPECT_EQ(other->item(), 1);
  EXPECT_EQ(ema.averages()[0].item(), 2) << "what was copied out is trained on its own";
}

TEST(ExponentialMovingAverage, GoesOnExactly) {
  Parameter p(from_data({1, 2}, float32));
  ExponentialMovingAverage straight({p}, {.decay = 0.9, .warmup = true});
  ExponentialMovingAverage resumed({p}, {.decay = 0.9, .warmup = true});
  for (int t = 0; t < 10; ++t) {
    p.set(p.value() * 1.1 + 0.1);
    straight.update();
    if (t < 5) resumed.update();
    if (t == 5) {
      ExponentialMovingAverage fresh({p}, {.decay = 0.9, .warmup = true});
      fresh.load_state_dict(resumed.state_dict());
      resumed = fresh;
    }
    if (t >= 5) resumed.update();
  }
  EXPECT_EQ(values_of(resumed.averages()[0]), values_of(straight.averages()[0]));
}

TEST(ExponentialMovingAverage, RejectsWhatDoesNotFit) {
  Parameter p(ones({2}));
  expect_error<Error>([&] { ExponentialMovingAverage({p}, {.decay = 1}); },
                      "ExponentialMovingAverage: decay must be at least 0 and below 1, got 1");
  expect_error<Error>([] { ExponentialMovingAverage({Parameter()}); },
                      "ExponentialMovingAverage: parameter 0 is undefined");
  ExponentialMovingAverage ema({p});
  expect_error<Error>([&] { ema.copy_to({}); }, "ExponentialMovingAverage.copy_to: 0 parameters, the average is of 1");
  expect_error<ShapeError>([&] { ema.copy_to({Parameter(ones({3}))}); }, "parameter 0 has shape [3], its average [2]");
  expect_error<DTypeError>([&] { ema.copy_to({Parameter(ones({2}, float64))}); }, "parameter 0 is float64");
  StateDict state = ema.state_dict();
  state.erase("0");
  EXPECT_EQ(message_of<Error>([&] { ema.load_state_dict(state); }),
            "load_state_dict: the state does not fit this average of 1 parameters:\n  missing: 0");
}

/// H. H. Rosenbrock's valley, with its minimum 0 at (1, 1).
Tensor rosenbrock(const Parameter& x, const Parameter& y) {
  return square(1 - x.value()) + 100 * square(y.value() - square(x.value()));
}

struct Valley {
  Parameter x{from_data(-1.2, float64)};
  Parameter y{from_data(1.0, float64)};
  int evaluations = 0;
  double sign = 1;

  Optimizer::Closure closure() {
    return [this] {
      ++evaluations;
      x.zero_grad();
      y.zero_grad();
      const Tensor loss = sign * rosenbrock(x, y);
      loss.backward();
      return loss;
    };
  }
};

TEST(LBFGS, FindsTheEndOfRosenbrocksValley) {
  for (const bool maximize : {false, true}) {
    Valley valley;
    if (maximize) valley.sign = -1;
    LBFGS optimizer({valley.x, valley.y}, {.max_iterations = 60, .maximize = maximize});
    const Tensor loss = optimizer.step(valley.closure());
    EXPECT_NEAR(loss.item() * valley.sign, 24.2, 1e-12) << "the loss before the first step";
    EXPECT_NEAR(valley.x->item(), 1, 1e-6);
    EXPECT_NEAR(valley.y->item(), 1, 1e-6);
    EXPECT_LT(valley.evaluations, 70) << "textbooks need some 40";
  }
}

TEST(LBFGS, NeverCallsTheClosureMoreOftenThanAllowed) {
  Valley valley;
  LBFGS optimizer({valley.x, valley.y}, {.max_iterations = 100, .max_evaluations = 7});
  optimizer.step(valley.closure());
  EXPECT_LE(valley.evaluations, 7);
  EXPECT_LT(rosenbrock(valley.x, valley.y).item(), 24.2);
}

TEST(LBFGS, FallsAtEveryIterationByTheFirstWolfeCondition) {
  Valley valley;
  LBFGS optimizer({valley.x, valley.y}, {.max_iterations = 1, .max_evaluations = 25});
  double before = rosenbrock(valley.x, valley.y).item();
  for (int i = 0; i < 20; ++i) {
    optimizer.step(valley.closure());
    const double now = rosenbrock(valley.x, valley.y).item();
    EXPECT_LT(now, before);
    before = now;
  }
}

TEST(LBFGS, GoesOnExactly) {
  const auto run = [](int resume_after) {
    Valley valley;
    const LBFGSOptions options{.max_iterations = 2, .history = 3};
    auto optimizer = std::make_unique<LBFGS>(ParameterGroups{valley.x, valley.y}, options);
    for (int i = 1; i <= 8; ++i) {
      optimizer->step(valley.closure());
      if (i == resume_after) {
        const StateDict state = optimizer->state_dict();
        optimizer = std::make_unique<LBFGS>(ParameterGroups{valley.x, valley.y}, options);
        optimizer->load_state_dict(state);
      }
    }
    return Numbers{valley.x->item(), valley.y->item()};
  };
  EXPECT_EQ(run(4), run(0));
  EXPECT_EQ(run(1), run(0));
}

TEST(LBFGS, StepsBackFromALossThatIsNotFinite) {
  const Parameter x(from_data(1.0, float64));
  LBFGS optimizer({x}, {.lr = 100});
  optimizer.step([&] {
    x.zero_grad();
    const Tensor loss = x.value() - log(x.value()) * 0.5;  // NaN left of 0; the minimum is at 0.5
    loss.backward();
    return loss;
  });
  EXPECT_NEAR(x->item(), 0.5, 1e-5);
}

TEST(LBFGS, RejectsWhatItCannotDo) {
  const Parameter a(ones({2}));
  const Parameter b(ones({2}, float64));
  expect_error<Error>([&] { LBFGS({a, b}); }, "LBFGS: all parameters must have one dtype, got float32 and float64");
  expect_error<Error>(
      [&] {
        LBFGS({{.parameters = {a}}, {.parameters = {Parameter(ones({1}))}}});
      },
      "LBFGS: takes one parameter group, got 2");
  expect_error<Error>([&] { LBFGS({{.parameters = {a}, .weight_decay = 0.1}}); },
                      "LBFGS: has no weight decay, got 0.1");
  LBFGS optimizer({a});
  Optimizer& base = optimizer;
  expect_error<Error>([&] { base.step(); }, "LBFGS: a step needs a closure that computes the loss");
  expect_error<Error>([&] { optimizer.step([&] { return a.value(); }); }, "must return the loss, a single number");
  expect_error<Error>([&] { optimizer.step([&] { return sum(a.value()) / 0.0; }); },
                      "LBFGS: the loss is inf before the first step");
}

}  // namespace
}  // namespace wengert::optim
