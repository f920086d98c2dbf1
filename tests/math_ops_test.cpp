#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan = std::nan("");

Tensor numbers(const std::vector<double>& values) { return from_vector(values); }

using Unary = Tensor (*)(const Tensor&);

void expect_close(const Tensor& actual, const std::vector<double>& expected, double tolerance) {
  const auto values = values_of(actual);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool same = values[i] == expected[i] || (std::isnan(values[i]) && std::isnan(expected[i]));
    EXPECT_TRUE(same || std::abs(values[i] - expected[i]) <= tolerance * std::abs(expected[i]))
        << "element " << i << " is " << values[i] << ", expected " << expected[i];
  }
}

/// f(x) in both dtypes.
void expect_values(Unary f, const std::vector<double>& x, const std::vector<double>& expected, double tolerance = 0) {
  for (const DType dtype : {float32, float64}) {
    SCOPED_TRACE(name_of(dtype));
    expect_close(f(from_vector(x).to(dtype)), expected, tolerance);
  }
}

/// The first and the second derivative of f at x, in float64; the first one fused and recorded.
void expect_derivatives(Unary f, const std::vector<double>& x, const std::vector<double>& first,
                        const std::vector<double>& second, double tolerance = 0) {
  const Tensor leaf = from_vector(x).requires_grad(true);
  const Tensor y = f(leaf);
  const Tensor g = ones(y.shape(), float64).requires_grad(true);
  expect_close(grad(y, leaf, {.grad_outputs = {g.detach()}, .retain_graph = true}), first, tolerance);
  const Tensor slope = grad(y, leaf, {.grad_outputs = {g}, .create_graph = true});
  expect_close(slope, first, tolerance);
  const Tensor curvature = grad(slope, leaf, {.grad_outputs = {g.detach()}, .allow_unused = true});
  expect_close(curvature.defined() ? curvature : zeros(leaf.shape(), float64), second, tolerance);
}

TEST(MathOps, AreAccurateForTinyNumbers) {
  expect_values(expm1, {1e-10, -1e-10}, {1e-10, -1e-10}, 1e-7);
  expect_values(log1p, {1e-10, -1e-10}, {1e-10, -1e-10}, 1e-7);
}

TEST(MathOps, GiveTheLimitsAtInfinityAndAtPoles) {
  expect_values(expm1, {-infinity, infinity, nan}, {-1, infinity, nan});
  expect_values(log1p, {-1, infinity, -2}, {-infinity, infinity, nan});
  expect_values(rsqrt, {0, infinity, -1}, {infinity, 0, nan});
  expect_values(reciprocal, {0, -0.0, infinity}, {infinity, -infinity, 0});
  expect_values(asin, {2, nan}, {nan, nan});
  expect_values(acos, {1, 2}, {0, nan});
  expect_values(erf, {infinity, -infinity, 0}, {1, -1, 0});
  expect_values(lgamma, {0, -1, 1}, {infinity, infinity, 0});
  expect_values(digamma, {0, -1, infinity}, {-infinity, nan, infinity});
}

TEST(MathOps, GradientsStayAccurateWhereTheFunctionsAreFlat) {
  expect_derivatives(expm1, {-50}, {std::exp(-50)}, {std::exp(-50)}, 1e-14);
  const double d = 0x1p-40;
  expect_derivatives(asin, {1 - d}, {1 / std::sqrt(d * (2 - d))}, {(1 - d) / std::pow(d * (2 - d), 1.5)}, 1e-12);
}

TEST(Polygamma, HasTheKnownValuesAtOneAndOneHalf) {
  const double pi2 = std::numbers::pi * std::numbers::pi;
  constexpr double zeta3 = 1.2020569031595942854;
  const Tensor x = numbers({1.0, 0.5});
  expect_close(polygamma(1, x), {pi2 / 6, pi2 / 2}, 1e-14);
  expect_close(polygamma(2, x), {-2 * zeta3, -14 * zeta3}, 1e-14);
  expect_close(polygamma(3, x), {pi2 * pi2 / 15, pi2 * pi2}, 1e-14);
}

TEST(Polygamma, ObeysTheRecurrenceOnBothSidesOfZero) {
  for (const double x : {-7.3, -2.5, -0.1, 0.2, 3.7, 150.0}) {
    for (const int n : {1, 2, 3, 6, 11}) {
      SCOPED_TRACE(testing::Message() << "order " << n << " at " << x);
      const double step = (n % 2 == 0 ? 1 : -1) * std::tgamma(n + 1) / std::pow(x, n + 1);
      const double here = polygamma(n, numbers({x})).item<double>();
      const double next = polygamma(n, numbers({x + 1})).item<double>();
      EXPECT_NEAR(next, here + step, 1e-12 * (std::abs(here) + std::abs(next)));
    }
  }
}

TEST(Polygamma, HasPolesAtTheIntegersBelowOne) {
  expect_close(polygamma(1, numbers({0.0, -1.0, -2.0, infinity, nan})), {infinity, infinity, infinity, 0, nan}, 0);
  expect_close(polygamma(2, numbers({0.0, -1.0})), {-infinity, nan}, 0);
}

TEST(Polygamma, TakesOrdersUpToAHundredWhoseDerivativesGoOn) {
  expect_error<Error>([] { polygamma(-1, numbers({1.0})); }, "polygamma: n must be from 0 to 100, got -1");
  expect_error<Error>([] { polygamma(101, numbers({1.0})); }, "polygamma: n must be from 0 to 100, got 101");
  EXPECT_TRUE(
      gradcheck([](const Tensor& x) { return polygamma(100, x) * 1e-140; }, {numbers({1.5}).requires_grad(true)}));
}

TEST(Lgamma, HasAFourthDerivative) {
  const Tensor x = numbers({0.7}).requires_grad(true);
  Tensor y = lgamma(x);
  for (int order = 0; order < 4; ++order) y = grad(sum(y), x, {.create_graph = true});
  expect_close(y, values_of(polygamma(3, x)), 1e-14);
}

std::vector<Tensor> gradients(Tensor (*f)(const Tensor&, const Tensor&), double a, double b) {
  const Tensor x = numbers({a}).requires_grad(true);
  const Tensor y = numbers({b}).requires_grad(true);
  const Tensor z = f(x, y);
  auto fused = grad(z, {x, y}, {.grad_outputs = {ones({1}, float64)}, .retain_graph = true});
  const auto recorded = grad(z, {x, y}, {.grad_outputs = {ones({1}, float64)}, .create_graph = true});
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(values_of(fused[i]), values_of(recorded[i]));
  for (const Tensor& second : grad(sum(recorded[0]), {x, y})) {
    EXPECT_TRUE(std::isfinite(second.item<double>())) << "second derivative";
  }
  return fused;
}

TEST(Hypot, HasGradientZeroAtTheOrigin) {
  const auto g = gradients(hypot, 0, 0);
  EXPECT_EQ(g[0].item<double>(), 0);
  EXPECT_EQ(g[1].item<double>(), 0);
}

TEST(Hypot, DoesNotOverflowOnTheWay) {
  EXPECT_DOUBLE_EQ(hypot(numbers({3e200}), numbers({4e200})).item<double>(), 5e200);
  EXPECT_DOUBLE_EQ(gradients(hypot, 3e200, 4e200)[0].item<double>(), 0.6);
}

TEST(Atan2, HasGradientZeroAtTheOrigin) {
  const auto g = gradients(atan2, 0, 0);
  EXPECT_EQ(g[0].item<double>(), 0);
  EXPECT_EQ(g[1].item<double>(), 0);
}

TEST(Atan2, KnowsAllFourQuadrants) {
  const double pi = std::numbers::pi;
  const Tensor y = numbers({1.0, 1.0, -1.0, -1.0, 0.0});
  const Tensor x = numbers({1.0, -1.0, -1.0, 1.0, -1.0});
  expect_close(atan2(y, x), {pi / 4, 3 * pi / 4, -3 * pi / 4, -pi / 4, pi}, 1e-15);
}

TEST(Fmod, HasTheSignOfTheDividend) {
  expect_close(fmod(numbers({5.5, -5.5, 5.5, 1.0, 1.0}), numbers({2.0, 2.0, -2.0, infinity, 0.0})),
               {1.5, -1.5, 1.5, 1, nan}, 0);
}

TEST(Fmod, GivesTheDivisorMinusTheTruncatedQuotient) {
  const Tensor a = numbers({-5.5}).requires_grad(true);
  const Tensor b = numbers({2.0}).requires_grad(true);
  const auto g = grad(sum(fmod(a, b)), {a, b});
  EXPECT_EQ(g[0].item<double>(), 1);
  EXPECT_EQ(g[1].item<double>(), 2);
}

TEST(Rounding, RoundsHalvesToEvenAndKeepsWhatIsNotFinite) {
  expect_values(round, {0.5, 1.5, -2.5, 2.6, infinity, nan}, {0, 2, -2, 3, infinity, nan});
  expect_values(floor, {-0.5, 2.9, -infinity}, {-1, 2, -infinity});
  expect_values(ceil, {0.5, -2.9, infinity}, {1, -2, infinity});
}

TEST(Rounding, HasGradientZeroAtTheJumpsToo) {
  for (const Unary f : {Unary(floor), Unary(ceil), Unary(round)}) {
    expect_derivatives(f, {0.0, 0.5, 0.7}, {0, 0, 0}, {0, 0, 0});
  }
}

TEST(Predicates, TellNumbersFromNanAndInfinity) {
  expect_values(isnan, {1, nan, infinity, -infinity}, {0, 1, 0, 0});
  expect_values(isfinite, {1, nan, infinity, -infinity}, {1, 0, 0, 0});
}

TEST(LogicalOps, TakeEveryNumberButZeroForTrue) {
  // In this order, as g++ 12 with AVX may make {1, 1, 1, 1} of a constant {1, 1, 0, 0}.
  const Tensor a = numbers({0.0, 0.5, -0.0, nan});
  const Tensor b = numbers({0.0, 0.0, 2.0, -3.0});
  EXPECT_EQ(values_of(logical_not(a)), (std::vector<double>{1, 0, 1, 0}));
  EXPECT_EQ(values_of(logical_and(a, b)), (std::vector<double>{0, 0, 0, 1}));
  EXPECT_EQ(values_of(logical_or(a, b)), (std::vector<double>{0, 1, 1, 1}));
  EXPECT_EQ(values_of(logical_xor(a, b)), (std::vector<double>{0, 1, 1, 0}));
}

Tensor gelu_exact(const Tensor& x) { return gelu(x); }
Tensor gelu_tanh(const Tensor& x) { return gelu(x, GeluKind::tanh); }
Tensor plain_elu(const Tensor& x) { return elu(x, 2); }
Tensor plain_celu(const Tensor& x) { return celu(x, 2); }
Tensor plain_hardtanh(const Tensor& x) { return hardtanh(x); }

TEST(Activations, HaveTheGradientsOfTheContractAtKinks) {
  expect_derivatives(plain_elu, {0}, {2}, {1}, 1e-15);
  expect_derivatives(plain_celu, {0}, {1}, {0.25}, 1e-15);
  expect_derivatives(plain_hardtanh, {-1, 1, 0.5}, {0, 0, 1}, {0, 0, 0});
  expect_derivatives(hard_sigmoid, {-3, 3, 0}, {0, 0, 1.0 / 6}, {0, 0, 0}, 1e-15);
}

TEST(Activations, StayFiniteWithTheirDerivativesForLargeNumbers) {
  for (const Unary f : {Unary(gelu_exact), Unary(gelu_tanh), Unary(silu), Unary(mish), Unary(plain_elu),
                        Unary(plain_celu), Unary(selu), Unary(log_sigmoid)}) {
    const Tensor x = numbers({-1e6, -1000.0, -60.0, 60.0, 1000.0, 1e6}).requires_grad(true);
    const Tensor first = grad(sum(f(x)), x, {.create_graph = true});
    const Tensor second = grad(sum(first), x);
    EXPECT_EQ(values_of(isfinite(first)), std::vector<double>(6, 1));
    EXPECT_EQ(values_of(isfinite(second)), std::vector<double>(6, 1));
  }
}

TEST(Activations, HaveTheirLimitsAtInfinity) {
  for (const Unary f : {Unary(gelu_exact), Unary(gelu_tanh), Unary(silu), Unary(mish)}) {
    expect_values(f, {-infinity, infinity, nan}, {0, infinity, nan});
    expect_derivatives(f, {-infinity, infinity}, {0, 1}, {0, 0}, 1e-15);
  }
  expect_values(log_sigmoid, {-infinity, infinity}, {-infinity, 0});
  expect_values(plain_elu, {-infinity, infinity}, {-2, infinity});
  expect_values(plain_hardtanh, {-infinity, infinity, nan}, {-1, 1, nan});
  expect_values(hard_sigmoid, {-infinity, infinity, nan}, {0, 1, nan});
}

TEST(LogSigmoid, KeepsItsGradientWhereSigmoidIsOne) {
  expect_derivatives(log_sigmoid, {50}, {std::exp(-50)}, {-std::exp(-50)}, 1e-13);
}

TEST(Activations, RejectOptionsThatMakeNoFunction) {
  const Tensor x = numbers({1.0});
  expect_error<Error>([&] { celu(x, 0); }, "celu: alpha must be > 0, got 0");
  expect_error<Error>([&] { hardtanh(x, 1, -1); }, "hardtanh: low (1) must not exceed high (-1)");
}

}  // namespace
}  // namespace wengert
