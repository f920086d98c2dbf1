#include <cmath>
#include <thread>

#include <gtest/gtest.h>

#include <wengert/autograd.h>
#include <wengert/autograd/anomaly.h>
#include <wengert/autograd/elementwise.h>
#include <wengert/autograd/profile.h>

#include "tests/expect.h"
#include "tests/near.h"

namespace wengert {
namespace {

Tensor number(double value) { return full({}, value, float64); }

Tensor random(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return rand(shape, float64, generator) * 2 - 1;
}

// ---------------------------------------------------------------------------------------------------------------------
// grad, value_and_grad

TEST(GradOfFunction, NeedsNoLeavesAndLeavesGradientsAlone) {
  const Tensor x = random({3}, 1).requires_grad(true);
  const Tensor plain = x.detach();
  const auto f = [](const Tensor& t) { return sum(t * t); };
  expect_near(grad(f)(plain), plain * 2);
  EXPECT_FALSE(grad(f)(plain).requires_grad());
  expect_near(grad(f)(x), plain * 2);
  EXPECT_FALSE(x.grad().defined());
  EXPECT_FALSE(plain.requires_grad());
}

TEST(GradOfFunction, GivesAnArrayForSeveralArgumentsAndAVectorForAVector) {
  const auto f = [](const Tensor& a, const Tensor& b) { return sum(a * b * b); };
  const Tensor a = random({3}, 1);
  const Tensor b = random({3}, 2);
  const auto [da, db] = grad(f)(a, b);
  expect_near(da, b * b);
  expect_near(db, a * b * 2);
  const std::vector<Tensor> list = grad(f)(std::vector<Tensor>{a, b});
  expect_near(list[1], db);
  const auto of_list = [](const std::vector<Tensor>& all) { return sum(all[0] * all[1]); };
  expect_near(grad(of_list)(std::vector<Tensor>{a, b})[0], b);
}

TEST(GradOfFunction, IsZeroForWhatDoesNotMatterAndUndefinedForIntegers) {
  const auto [dx, dy] = grad([](const Tensor& x, const Tensor&) { return sum(x); })(random({2}, 1), random({3}, 2));
  EXPECT_EQ(values_of(dy), (std::vector<double>{0, 0, 0}));
  const Tensor constant = grad([](const Tensor&) { return ones({}, float64); })(number(2));
  EXPECT_EQ(constant.item(), 0);
  const Tensor labels = from_data({1, 0}, int64);
  const auto [dlogits, dlabels] =
      grad([](const Tensor& x, const Tensor& t) { return cross_entropy(x, t); })(random({2, 3}, 1), labels);
  EXPECT_TRUE(dlogits.defined());
  EXPECT_FALSE(dlabels.defined());
}

TEST(GradOfFunction, RefusesWhatIsNotANumber) {
  expect_error<ShapeError>([] { grad([](const Tensor& x) { return x * x; })(ones({2})); },
                           "grad: the function returned shape [2], expected a single number");
  expect_error<Error>([] { grad([](const Tensor& x) { return x * x; })(Tensor()); }, "grad: argument 0 is undefined");
  expect_error<Error>([] { grad([](const Tensor&) { return Tensor(); })(ones({})); },
                      "grad: the function's result 0 is undefined");
}

TEST(GradOfFunction, GivesTheThirdDerivativeOfTanh) {
  const auto third = grad(grad(grad([](const Tensor& x) { return tanh(x); })));
  for (const double x : {-1.2, 0.0, 0.3, 2.0}) {
    const double t = std::tanh(x);
    EXPECT_NEAR(third(number(x)).item(), -2 * (1 - t * t) * (1 - 3 * t * t), 1e-13);
  }
}

/// d3 f(x)[u, v, w] by nested directional derivatives, and by differences of the second.
template <class F>
void expect_third_derivative(F f, const Tensor& x) {
  const Tensor u = random(x.shape(), 11);
  const Tensor v = random(x.shape(), 12);
  const Tensor w = random(x.shape(), 13);
  const auto along = [](auto g, const Tensor& direction) {
    return [g, direction](const Tensor& at) { return sum(grad(g)(at) * direction); };
  };
  const auto second = along(along(f, u), v);
  const double analytic = along(second, w)(x).item();
  const double h = 1e-5;
  const double numeric = (second(x + w * h).item() - second(x - w * h).item()) / (2 * h);
  EXPECT_GT(std::abs(numeric), 1e-3) << "the test would show nothing";
  EXPECT_NEAR(analytic, numeric, 1e-6 * (1 + std::abs(numeric)));
}

TEST(GradOfFunction, GivesTheThirdDerivativeOfATwoLayerNet) {
  const Tensor x = random({4, 3}, 1);
  const Tensor target = random({4, 2}, 2);
  const Tensor output = random({2, 5}, 4);
  expect_third_derivative(
      [&](const Tensor& hidden) { return mse_loss(linear(tanh(linear(x, hidden)), output), target) * 10; },
      random({5, 3}, 3));
}

TEST(GradOfFunction, GivesTheThirdDerivativeOfCorrelate2d) {
  const Tensor image = random({1, 2, 6, 6}, 1);
  expect_third_derivative(
      [&](const Tensor& kernel) {
        const Tensor once = correlate2d(image, kernel, {.padding = Padding::same});
        return sum(sigmoid(correlate2d(once, kernel)));
      },
      random({2, 2, 3, 3}, 2));
}

TEST(GradOfFunction, ReachesWhatTheFunctionCaptured) {
  const Tensor w = number(3).requires_grad(true);
  const Tensor slope = grad([&](const Tensor& x) { return w * x * x; })(number(2));
  EXPECT_EQ(slope.item(), 12);
  slope.backward();
  EXPECT_EQ(w.grad().item(), 4);
  const Tensor plain = no_grad([&] { return grad([&](const Tensor& x) { return w * x * x; })(number(2)); });
  EXPECT_EQ(plain.item(), 12);
  EXPECT_FALSE(plain.requires_grad());
}

TEST(ValueAndGrad, GivesBothAndKeepsNoGraph) {
  const auto [value, gradients] =
      value_and_grad([](const Tensor& a, const Tensor& b) { return a * b; })(number(2), number(5));
  EXPECT_EQ(value.item(), 10);
  EXPECT_EQ(gradients[0].item(), 5);
  EXPECT_EQ(gradients[1].item(), 2);
  EXPECT_FALSE(value.requires_grad());
}

// ---------------------------------------------------------------------------------------------------------------------
// vjp, jvp, hvp, jacobian, hessian

TEST(Vjp, CanPullBackSeveralTimes) {
  const Tensor a = random({2, 3}, 1);
  const Tensor b = random({3, 2}, 2);
  const auto [y, pullback] = vjp([](const Tensor& p, const Tensor& q) { return matmul(p, q); }, a, b);
  expect_near(y, matmul(a, b));
  for (const std::uint64_t seed : {3U, 4U}) {
    const Tensor g = random({2, 2}, seed);
    const auto [da, db] = pullback(g);
    expect_near(da, matmul(g, transpose(b)));
    expect_near(db, matmul(transpose(a), g));
  }
  expect_error<ShapeError>([&, &pull = pullback] { pull(ones({3}, float64)); },
                           "vjp: cotangent 0 has shape [3], expected [2, 2]");
}

TEST(Vjp, TakesACotangentForEachResult) {
  const auto f = [](const Tensor& x) { return std::vector<Tensor>{sin(x), x * x}; };
  const Tensor x = random({3}, 1);
  const auto [y, pullback] = vjp(f, x);
  expect_near(y[1], x * x);
  expect_near(pullback(ones({3}, float64), ones({3}, float64)), cos(x) + 2 * x);
  expect_near(pullback(Tensor(), ones({3}, float64)), 2 * x);
}

TEST(Jvp, GivesValuesAndTangentsOfSeveralArgumentsAndResults) {
  const auto f = [](const Tensor& x, const Tensor& w) { return std::vector<Tensor>{x * w, sin(x)}; };
  const Tensor x = random({3}, 1);
  const Tensor w = random({3}, 2);
  const Tensor dx = random({3}, 3);
  const Tensor dw = random({3}, 4);
  const auto [y, dy] = jvp(f, {x, w}, {dx, dw});
  expect_near(y[0], x * w);
  expect_near(dy[0], dx * w + x * dw);
  expect_near(dy[1], cos(x) * dx);
  EXPECT_FALSE(dy[0].requires_grad());
  EXPECT_EQ(values_of(jvp(f, {x, w}, {Tensor(), dw}).second[1]), (std::vector<double>{0, 0, 0}));
  expect_error<ShapeError>(
      [&] {
        jvp(f, {x, w}, {dx, ones({2}, float64)});
      },
      "jvp: tangent 1 has shape [2], expected [3]");
}

TEST(Jvp, NestsAndCanBeDifferentiated) {
  const auto f = [](const Tensor& x) { return exp(x * 2); };
  const auto slope = [&](const Tensor& x) { return jvp(f, x, ones({}, float64)).second; };
  EXPECT_NEAR(slope(number(0.5)).item(), 2 * std::exp(1.0), 1e-12);
  EXPECT_NEAR(jvp(slope, number(0.5), number(1)).second.item(), 4 * std::exp(1.0), 1e-12);
  EXPECT_NEAR(grad(slope)(number(0.5)).item(), 4 * std::exp(1.0), 1e-12);
}

TEST(Hvp, IsTheHessianTimesTheVector) {
  const auto f = [](const Tensor& x) { return sum(tanh(x) * x[0] * x); };
  const Tensor x = random({4}, 1);
  const Tensor v = random({4}, 2);
  const Tensor h = hessian(f, x);
  ASSERT_EQ(h.shape(), (Shape{4, 4}));
  expect_near(h, transpose(h));
  expect_near(hvp(f, x, v), matmul(h, v));
}

TEST(Hvp, CouplesSeveralArguments) {
  const auto f = [](const Tensor& a, const Tensor& b) { return sum(a * b); };
  const Tensor v = random({3}, 3);
  const auto products = hvp(f, {random({3}, 1), random({3}, 2)}, {v, Tensor()});
  EXPECT_EQ(values_of(products[0]), (std::vector<double>{0, 0, 0}));
  expect_near(products[1], v);
}

TEST(Jacobian, IsTheSameByRowsAndByColumns) {
  const Tensor a = random({5, 2}, 1);
  const auto tall = [&](const Tensor& x) { return sin(matmul(a, x)); };             // 5 by 2: columns
  const auto wide = [&](const Tensor& x) { return sin(matmul(transpose(a), x)); };  // 2 by 5: rows
  const Tensor x = random({2}, 2);
  expect_near(jacobian(tall, x), reshape(cos(matmul(a, x)), {5, 1}) * a);
  const Tensor z = random({5}, 3);
  expect_near(jacobian(wide, z), reshape(cos(matmul(transpose(a), z)), {2, 1}) * transpose(a));
}

TEST(Jacobian, HasTheAxesOfTheResultAndThenOfTheArgument) {
  const auto f = [](const Tensor& x, const Tensor& w) { return matmul(x, w); };
  const auto [dx, dw] = jacobian(f, random({2, 3}, 1), random({3, 4}, 2));
  EXPECT_EQ(dx.shape(), (Shape{2, 4, 2, 3}));
  EXPECT_EQ(dw.shape(), (Shape{2, 4, 3, 4}));
  EXPECT_EQ(jacobian([](const Tensor& x) { return x * 2; }, zeros({0}, float64)).shape(), (Shape{0, 0}));
  EXPECT_EQ(jacobian([](const Tensor& x) { return sum(x); }, zeros({0}, float64)).shape(), (Shape{0}));
  expect_error<ShapeError>(
      [] {
        jacobian([](const Tensor& x) { return x * 2; }, ones({1, 1, 1, 1, 1}));
      },
      "more than 8 axes together");
}

TEST(Jacobian, CanBeDifferentiated) {
  const auto f = [](const Tensor& x) { return sum(square(jacobian([](const Tensor& t) { return t * t; }, x))); };
  const Tensor x = random({3}, 1);
  expect_near(grad(f)(x), 8 * x);
}

/// How often the rules of `op` ran.
std::int64_t backward_calls(const Profile& profile, const std::string& op) {
  for (const Profile::Entry& entry : profile.entries()) {
    if (entry.name == op) return entry.backward_calls;
  }
  return 0;
}

TEST(Jacobian, TakesManyRowsInOnePass) {
  const Tensor w1 = random({16, 16}, 1);
  const Tensor w2 = random({8, 16}, 2);
  const auto net = [&](const Tensor& x) { return linear(tanh(linear(x, w1)), w2); };
  const Tensor x = random({16}, 3);
  Profile profile;
  const Tensor j = jacobian(net, x);
  EXPECT_EQ(backward_calls(profile, "tanh"), 1);
  const Tensor slopes = 1 - square(tanh(linear(x, w1)));
  expect_near(j, matmul(w2, reshape(slopes, {16, 1}) * w1));
}

TEST(Jacobian, GoesThroughRulesThatTakeOneGradientAtATime) {
  int calls = 0;
  const auto doubled = [&](const Tensor& x) {
    return record("doubled", x.detach() * 2, wrt(x, [&calls](const Tensor& g) {
                    ++calls;
                    return g * 2;
                  }));
  };
  const Tensor x = random({2, 3}, 1);
  const auto f = [&](const Tensor& t) { return reshape(exp(doubled(sin(t))), {6}); };
  const Tensor slopes = reshape(2 * exp(2 * sin(x)) * cos(x), {6});
  expect_near(reshape(jacobian(f, x), {6, 6}), eye(6, 6, float64) * slopes);
  EXPECT_EQ(calls, 6);
}

TEST(Jacobian, CallsHooksForEachRow) {
  std::vector<double> seen;
  const auto f = [&](const Tensor& x) {
    const Tensor y = x * 2;
    y.register_hook([&](const Tensor& g) {
      EXPECT_EQ(g.shape(), Shape{3});
      seen.push_back(sum(g * from_data({1, 2, 3}, float64)).item());
      return g * 10;
    });
    return y * 1;
  };
  expect_near(jacobian(f, random({3}, 1)), eye(3, 3, float64) * 20);
  EXPECT_EQ(seen, (std::vector<double>{1, 2, 3}));
}

TEST(Jacobian, IsTheSameThroughTensorsOfTheMostAxes) {
  const auto f = [](const Tensor& x) { return reshape(exp(reshape(x, {1, 1, 1, 1, 1, 1, 1, 3})), {3}); };
  const Tensor x = random({3}, 1);
  expect_near(jacobian(f, x), eye(3, 3, float64) * exp(x));
  const auto total = [](const Tensor& t) { return sum(t * t); };
  const Tensor wide = random({1, 1, 1, 1, 1, 1, 1, 2}, 2);
  expect_near(jacobian(total, wide), wide * 2);
}

TEST(Jacobian, OfWhatDoesNotFitOnePassIsPutTogether) {
  const Tensor w = random({150, 4000}, 1);
  expect_near(jacobian([&](const Tensor& x) { return linear(x, w); }, random({4000}, 2)), w);
  const auto column = [&](const Tensor& x) { return linear(x, transpose(w)); };
  expect_near(jacobian(column, random({150}, 3)), transpose(w));
}

TEST(Jacobian, WorksUnderAnomaly) {
  const Anomaly guard;
  const auto f = [](const Tensor& x) { return sqrt(x); };
  EXPECT_EQ(jacobian(f, from_data({1, 4}, float64)).shape(), (Shape{2, 2}));
  expect_error<Error>([&] { jacobian(f, from_data({1, 0}, float64)); }, "anomaly: backward of 'sqrt' gave");
}

TEST(Vjp, PullsBackManyRowsAtOnce) {
  const auto f = [](const Tensor& x, const Tensor& w) { return std::vector<Tensor>{x * w, sum(w)}; };
  const Tensor x = random({2, 3}, 1);
  const Tensor w = random({3}, 2);
  const auto [y, pullback] = vjp(f, x, w);
  const Tensor products = random({4, 2, 3}, 3);
  const Tensor sums = random({4}, 4);
  const auto [dx, dw] = pullback.rows(products, sums);
  expect_near(dx, products * w);
  expect_near(dw, sum(products * x, {1}) + reshape(sums, {4, 1}));
  expect_near(pullback.rows(Tensor(), sums)[1], broadcast_to(reshape(sums, {4, 1}), {4, 3}));
  EXPECT_EQ(pullback.rows(zeros({0, 2, 3}, float64), Tensor())[0].shape(), (Shape{0, 2, 3}));
  expect_error<ShapeError>([&, &p = pullback] { p.rows(products, random({5}, 1)); },
                           "vjp: cotangents 1 have shape [5], expected [4, ...] in front of []");
  expect_error<ShapeError>([&, &p = pullback] { p.rows(x, Tensor()); },
                           "vjp: cotangents 0 have shape [2, 3], expected");
  expect_error<Error>([&, &p = pullback] { p.rows(Tensor(), Tensor()); }, "vjp: all cotangents are undefined");
  expect_error<DTypeError>([&, &p = pullback] { p.rows(products.to(float32), Tensor()); },
                           "vjp: cotangents 0 are float32, expected float64");
}

TEST(Hessian, OfATwoLayerNetIsTheHessianVectorProducts) {
  const Tensor w1 = random({6, 4}, 1);
  const Tensor w2 = random({1, 6}, 2);
  const auto f = [&](const Tensor& x) { return mse_loss(linear(tanh(linear(x, w1)), w2), ones({1}, float64)); };
  const Tensor x = random({4}, 3);
  const Tensor h = hessian(f, x);
  for (std::int64_t i = 0; i < 4; ++i) expect_near(h[i], hvp(f, x, eye(4, 4, float64)[i]));
}

TEST(Hessian, NeedsASingleNumberAndHoldsIntegersFixed) {
  expect_error<ShapeError>([] { hessian([](const Tensor& x) { return x * x; }, ones({2})); },
                           "hessian: the function returned shape [2], expected a single number");
  expect_error<Error>([] { hessian([](const Tensor& x) { return sum(x); }, Tensor()); },
                      "hessian: argument 0 is undefined");
  EXPECT_FALSE(hessian([](const Tensor& k) { return sum(k); }, ones({2}, int64)).defined());
}

TEST(PerSampleGrad, NeedsASingleNumber) {
  const Tensor w = ones({3}).requires_grad(true);
  const Tensor x = ones({2, 3});
  expect_error<ShapeError>([&] { per_sample_grad([&](const Tensor& one) { return one * w; }, {w}, x); },
                           "per_sample_grad: the loss must be a single number, got shape [1, 3]");
  expect_error<Error>([&] { per_sample_grad([](const Tensor&) { return std::vector<Tensor>{}; }, {w}, x); },
                      "per_sample_grad: the loss returned 0 tensors, expected one");
  expect_error<Error>([&] { per_sample_grad([](const Tensor&) { return Tensor(); }, {w}, x); },
                      "per_sample_grad: the function's result 0 is undefined");
}

TEST(PerSampleGrad, GivesTheGradientOfEachSample) {
  const Tensor w = random({2, 3}, 1).requires_grad(true);
  const Tensor x = random({4, 3}, 2);
  const Tensor y = random({4, 2}, 3);
  const auto loss = [&](const Tensor& input, const Tensor& target) { return mse_loss(linear(input, w), target); };
  const std::vector<Tensor> gradients = per_sample_grad(loss, {w}, x, y);
  ASSERT_EQ(gradients.size(), 1U);
  ASSERT_EQ(gradients[0].shape(), (Shape{4, 2, 3}));
  loss(x, y).backward();
  expect_near(mean(gradients[0], {0}), w.grad());
  const auto fourth =
      grad([&](const Tensor& v) { return mse_loss(linear(x.slice(3, 4), v), y.slice(3, 4)); })(w.detach());
  expect_near(gradients[0][3], fourth);
}

// ---------------------------------------------------------------------------------------------------------------------
// checkpoint, stop_gradient, custom_gradient

TEST(Checkpoint, HasTheValueAndTheGradientsOfThePlainFunction) {
  const Tensor w = random({3, 3}, 1).requires_grad(true);
  const Tensor x = random({2, 3}, 2).requires_grad(true);
  const auto f = [&](const Tensor& t) { return tanh(matmul(t, w) * t); };  // captures w
  const Tensor plain = f(x);
  const auto expected = grad(sum(plain), {x, w});
  const Tensor y = checkpoint(f, x);
  EXPECT_STREQ(y.op(), "checkpoint");
  expect_near(y, plain);
  sum(y).backward();
  expect_near(x.grad(), expected[0]);
  expect_near(w.grad(), expected[1]);
}

TEST(Checkpoint, KeepsNoIntermediateResults) {
  const Tensor x = ones({1000}).requires_grad(true);
  const auto deep = [](Tensor t) {
    for (int i = 0; i < 100; ++i) t = tanh(t);
    return t;
  };
  const std::size_t before = memory::stats().live_bytes;
  const Tensor y = checkpoint(deep, x);
  EXPECT_LT(memory::stats().live_bytes, before + 3 * 8192);
}

TEST(Checkpoint, DrawsTheSameRandomNumbersAgain) {
  manual_seed(7);
  const Tensor x = ones({1000}, float64).requires_grad(true);
  const Tensor y = checkpoint([](const Tensor& t) { return dropout(t, 0.5); }, x);
  const Generator::State after = default_generator().state();
  sum(y).backward();
  EXPECT_EQ(values_of(x.grad()), values_of(y));
  EXPECT_EQ(default_generator().state(), after) << "the backward pass must not disturb the stream";
}

TEST(Checkpoint, DrawsTheSameRandomNumbersAgainUnderDoubleBackward) {
  const Tensor x = random({1000}, 1).requires_grad(true);
  const auto f = [](const Tensor& t) { return square(dropout(sin(t), 0.5)); };
  const auto second_order = [&](bool checkpointed) {
    manual_seed(7);
    const Tensor y = sum(checkpointed ? checkpoint(f, x) : f(x));
    return grad(sum(square(grad(y, x, {.create_graph = true}))), x);
  };
  expect_near(second_order(true), second_order(false));
}

TEST(Checkpoint, WorksAtEveryOrder) {
  const Tensor w = random({3}, 1).requires_grad(true);
  const Tensor x = random({3}, 2).requires_grad(true);
  const auto inner = [](const Tensor& a, const Tensor& b) { return sin(a * b) * a; };
  const auto report =
      gradcheck([&](const Tensor& a, const Tensor& b) { return checkpoint(inner, a, b); }, {x, w}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
  const auto captured = gradcheck(
      [&](const Tensor& a, const Tensor& b) { return checkpoint([&](const Tensor& t) { return inner(t, b); }, a); },
      {x, w}, {.order = 2});
  EXPECT_TRUE(captured) << captured.text;
  const auto cube = [](const Tensor& t) { return checkpoint([](const Tensor& s) { return s * s * s * s; }, t); };
  EXPECT_NEAR(grad(grad(grad(cube)))(number(2)).item(), 48, 1e-12);
}

TEST(Checkpoint, NestsAndTakesOneCapturedTensorThatComesFromAnother) {
  const Tensor x = random({3}, 1).requires_grad(true);
  const auto with = [&](bool checkpointed) {
    const Tensor a = sin(x);
    const Tensor b = exp(a);
    const auto f = [&](const Tensor& t) { return a * b * t + b; };
    const auto outer = [&](const Tensor& t) { return checkpointed ? checkpoint(f, t * t) : f(t * t); };
    return grad(sum(checkpointed ? checkpoint(outer, a) : outer(a)), x);
  };
  expect_near(with(true), with(false));
}

TEST(Checkpoint, RunsAHookOnACapturedTensorOnceOnTheWholeGradient) {
  const Tensor w = number(2).requires_grad(true);
  const Tensor h = w * 3;
  std::vector<double> seen;
  const auto ten_times = [&](const Tensor& g) {
    seen.push_back(g.item());
    return g * 10;
  };
  w.register_hook(ten_times);
  h.register_hook(ten_times);
  const Tensor x = number(5).requires_grad(true);
  (checkpoint([&](const Tensor& t) { return t * h * w; }, x) + h + w).backward();
  // By h 5 * 2 + 1; by w 5 * 6 + 1, and what comes through h.
  EXPECT_EQ(seen, (std::vector<double>{11, 31 + 3 * 110}));
  EXPECT_EQ(w.grad().item(), 3610);
}

TEST(Checkpoint, MayCaptureWhatAnotherThreadHasRecorded) {
  const Tensor w = number(2).requires_grad(true);
  Tensor h = w;
  std::thread([&] {
    for (int i = 0; i < 10000; ++i) h = h * 1.0;  // so that its ids are ahead of this thread's
  }).join();
  const Tensor x = number(3).requires_grad(true);
  (checkpoint([h](const Tensor& t) { return t * h; }, x) + h * h).backward();
  EXPECT_EQ(x.grad().item(), 2);
  EXPECT_EQ(w.grad().item(), 3 + 2 * 2);
}

TEST(Checkpoint, SaysSoWhenTheFunctionDoesSomethingElseTheSecondTime) {
  const Tensor x = ones({3}).requires_grad(true);
  const auto fewer = [calls = 0](const Tensor& t) mutable {
    return std::vector<Tensor>(static_cast<std::size_t>(3 - calls++), t * t);
  };
  expect_error<Error>([&] { sum(checkpoint(fewer, x)[2]).backward(); },
                      "checkpoint: the function returned 2 tensors when it ran again, 3 at first");
  const auto smaller = [calls = 0](const Tensor& t) mutable { return calls++ == 0 ? t * t : sum(t); };
  expect_error<ShapeError>([&] { sum(checkpoint(smaller, x)).backward(); },
                           "checkpoint: recomputed result 0 has shape [], expected [3]");
  const auto throws = [calls = 0](const Tensor& t) mutable { return calls++ == 0 ? t * t : reshape(t, {2}); };
  expect_error<ShapeError>([&] { sum(checkpoint(throws, x)).backward(); }, "reshape: ");
  EXPECT_FALSE(x.grad().defined());
  EXPECT_TRUE(grad_enabled());
}

TEST(Checkpoint, RecordsNothingWhereNoGradientIsNeeded) {
  EXPECT_FALSE(checkpoint([](const Tensor& t) { return t * 2; }, ones({2})).requires_grad());
  const Tensor x = ones({2}).requires_grad(true);
  EXPECT_FALSE(no_grad([&] { return checkpoint([](const Tensor& t) { return t * 2; }, x); }).requires_grad());
  const auto both = [](const Tensor& t) { return std::vector<Tensor>{t * 2, ones({2})}; };
  const auto results = checkpoint(both, x);
  EXPECT_TRUE(results[0].requires_grad());
  EXPECT_FALSE(results[1].requires_grad());
}

TEST(StopGradient, MakesAConstant) {
  EXPECT_EQ(grad([](const Tensor& x) { return x * stop_gradient(x); })(number(3)).item(), 3);
}

TEST(CustomGradient, ReplacesTheFunctionsOwn) {
  const auto clipped = [](const Tensor& x) {
    return custom_gradient([](const Tensor& t) { return (t > 0.5) - (t < -0.5); },
                           [](const Tensor& g, const Tensor&, const Tensor& t) { return g * (abs(t) <= 1); }, x);
  };
  const Tensor x = from_data({-2, 0.4, 0.9}, float64).requires_grad(true);
  const Tensor y = clipped(x);
  EXPECT_STREQ(y.op(), "custom_gradient");
  sum(y).backward();
  EXPECT_EQ(values_of(x.grad()), (std::vector<double>{0, 1, 1}));
}

TEST(CustomGradient, CanBeDifferentiatedAgainThroughArgumentsAndResult) {
  const auto product = [](const Tensor& a, const Tensor& b) {
    return custom_gradient([](const Tensor& p, const Tensor& q) { return exp(p * q); },
                           [](const Tensor& g, const Tensor& y, const Tensor& p, const Tensor& q) {
                             return std::array{g * y * q, g * y * p};
                           },
                           a, b);
  };
  const auto report =
      gradcheck(product, {random({3}, 1).requires_grad(true), random({3}, 2).requires_grad(true)}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
}

}  // namespace
}  // namespace wengert
