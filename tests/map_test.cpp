#include <cmath>

#include <gtest/gtest.h>

#include <wengert/autograd.h>
#include <wengert/autograd/map.h>

#include "tests/expect.h"

namespace wengert {
namespace {

Tensor random(const Shape& shape, std::uint64_t seed, double low = 0.2, double high = 0.9) {
  Generator generator(seed);
  return (rand(shape, float64, generator) * (high - low) + low).requires_grad(true);
}

Tensor gauss(const Tensor& x, const Tensor& width) {
  return map({x, width}, [](auto v, auto w) { return exp(-v * v / (2 * w * w)); });
}

TEST(Map, ComputesTheFormulaForEveryElement) {
  const Tensor x = from_data({-1, 0, 0.5, 2, 3}, float64);
  const auto values = values_of(map(x, [](auto v) { return 2 * v * v - 1; }));
  EXPECT_EQ(values, (std::vector<double>{1, -1, -0.5, 7, 17}));
  EXPECT_EQ(map(x.to(float32), [](auto v) { return v + 1; }).dtype(), float32);
}

TEST(Map, BroadcastsAndHasGradientsOfOrdersOneAndTwo) {
  const auto report = gradcheck(gauss, {random({3, 4}, 1), random({4}, 2)}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
  const auto column = gradcheck(gauss, {random({3, 1}, 1), random({1, 4}, 2)}, {.order = 2});
  EXPECT_TRUE(column) << column.text;
}

TEST(Map, SumsTheGradientOfAnInputThatWasBroadcast) {
  const Tensor x = ones({2, 3}, float64).requires_grad(true);
  const Tensor w = ones({3}, float64).requires_grad(true);
  sum(map({x, w}, [](auto a, auto b) { return a * b; })).backward();
  EXPECT_EQ(values_of(w.grad()), (std::vector<double>{2, 2, 2}));
  EXPECT_EQ(x.grad().shape(), (Shape{2, 3}));
}

TEST(Map, DifferentiatesEveryFunctionItHas) {
  const auto check_formula = [](const char* name, auto f) {
    const auto report = gradcheck([&](const Tensor& x) { return map(x, f); }, {random({9}, 3)}, {.order = 2});
    EXPECT_TRUE(report) << name << "\n" << report.text;
  };
  check_formula("exp", [](auto v) { return exp(v); });
  check_formula("expm1", [](auto v) { return expm1(v); });
  check_formula("log", [](auto v) { return log(v); });
  check_formula("log1p", [](auto v) { return log1p(v); });
  check_formula("sqrt", [](auto v) { return sqrt(v); });
  check_formula("square", [](auto v) { return square(v); });
  check_formula("reciprocal", [](auto v) { return reciprocal(v); });
  check_formula("pow", [](auto v) { return pow(v, 2.5) + pow(v, -1) + pow(v, 0); });
  check_formula("sin", [](auto v) { return sin(v); });
  check_formula("cos", [](auto v) { return cos(v); });
  check_formula("tan", [](auto v) { return tan(v); });
  check_formula("asin", [](auto v) { return asin(v); });
  check_formula("acos", [](auto v) { return acos(v); });
  check_formula("atan", [](auto v) { return atan(v); });
  check_formula("sinh", [](auto v) { return sinh(v); });
  check_formula("cosh", [](auto v) { return cosh(v); });
  check_formula("tanh", [](auto v) { return tanh(v); });
  check_formula("sigmoid", [](auto v) { return sigmoid(v); });
  check_formula("log_sigmoid", [](auto v) { return log_sigmoid(v); });
  check_formula("softplus", [](auto v) { return softplus(v); });
  check_formula("erf", [](auto v) { return erf(v); });
  check_formula("abs", [](auto v) { return v * abs(v - 0.05); });
  check_formula("pieces", [](auto v) { return where(v > 0.5, v * v, sin(v)) + (v > 0.3) * v; });
  check_formula("limits", [](auto v) {
    return maximum(v * v, 0.25) * minimum(v, 0.6) + clamp(v * v * v, 0.1, 0.4) + fma(v, v, 1);
  });
  check_formula("steps", [](auto v) { return (floor(v * 3) + ceil(v * 3) + round(v) + trunc(v) + sign(v)) * v; });
}

TEST(Map, RaisesNegativeNumbersToWholePowers) {
  const auto f = [](const Tensor& x) { return sum(map(x, [](auto v) { return pow(v, 2) + pow(v, 0) + pow(v, 1); })); };
  const Tensor x = from_data({-3, 0}, float64);
  EXPECT_EQ(values_of(grad(f)(x)), (std::vector<double>{-5, 1}));
  EXPECT_EQ(values_of(hessian(f, x)), (std::vector<double>{2, 0, 0, 2}));
}

TEST(Map, SharesTheGradientAtATie) {
  const Tensor x = full({}, 2, float64).requires_grad(true);
  const Tensor y = full({}, 2, float64).requires_grad(true);
  map({x, y}, [](auto a, auto b) { return maximum(a, b) * 3; }).backward();
  EXPECT_EQ(x.grad().item(), 1.5);
  EXPECT_EQ(y.grad().item(), 1.5);
}

TEST(Map, ReachesTheOrderThatItWasCompiledFor) {
  const Tensor x = full({}, 0.5, float64);
  const auto third = [](auto f) { return grad(grad(grad(f))); };
  EXPECT_NEAR(third([](const Tensor& t) { return map<3>(t, [](auto v) { return exp(2 * v); }); })(x).item(),
              8 * std::exp(1.0), 1e-12);
  expect_error<Error>(
      [&] { third([](const Tensor& t) { return map(t, [](auto v) { return exp(v); }); })(x); },
      "map: the derivative of order 3 was asked for; the formula was compiled for 2: write map<3>(...)");
}

TEST(Map, OfAFormulaWithoutADerivativeHasGradientZero) {
  const Tensor x = random({3}, 1);
  sum(map(x, [](auto v) { return v > 0.5; })).backward();
  EXPECT_EQ(values_of(x.grad()), (std::vector<double>{0, 0, 0}));
}

TEST(Map, NamesItselfInErrors) {
  const auto add = [](auto a, auto b) { return a + b; };
  expect_error<Error>([&] { map(Tensor(), [](auto v) { return v; }); }, "map: x is undefined");
  expect_error<DTypeError>([&] { map(ones({2}, int64), [](auto v) { return v; }); }, "map: x is int64");
  expect_error<ShapeError>([&] { map({ones({2}), ones({3})}, add); }, "map: ");
}

}  // namespace
}  // namespace wengert
