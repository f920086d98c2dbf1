#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

namespace wengert {
namespace {

std::vector<double> numbers(const Tensor& x) {
  const Tensor exact = x.to(float64);
  const auto data = exact.data<double>();
  return {data.begin(), data.end()};
}

double mean_of(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x;
  return sum / static_cast<double>(v.size());
}

double variance_of(const std::vector<double>& v) {
  const double mean = mean_of(v);
  double sum = 0;
  for (const double x : v) sum += (x - mean) * (x - mean);
  return sum / static_cast<double>(v.size());
}

TEST(Rand, IsUniformInZeroToOne) {
  for (const DType dtype : {float32, float64}) {
    Generator generator(3);
    const Tensor x = rand({100, 1000}, dtype, generator);
    EXPECT_EQ(x.shape(), (Shape{100, 1000}));
    EXPECT_EQ(x.dtype(), dtype);
    const auto v = numbers(x);
    EXPECT_GE(*std::min_element(v.begin(), v.end()), 0);
    EXPECT_LT(*std::max_element(v.begin(), v.end()), 1);
    EXPECT_NEAR(mean_of(v), 0.5, 5e-3);
    EXPECT_NEAR(variance_of(v), 1.0 / 12, 2e-3);
  }
}

TEST(Randn, IsStandardNormal) {
  for (const DType dtype : {float32, float64}) {
    Generator generator(3);
    const auto v = numbers(randn({100000}, dtype, generator));
    EXPECT_NEAR(mean_of(v), 0, 0.02);
    EXPECT_NEAR(variance_of(v), 1, 0.03);
    const auto within = std::count_if(v.begin(), v.end(), [](double x) { return std::abs(x) < 1; });
    EXPECT_NEAR(static_cast<double>(within) / 1e5, 0.6827, 0.01);
  }
}

TEST(Rand, RepeatsItselfForASeedAndMovesOnOtherwise) {
  Generator a(11);
  Generator b(11);
  const auto first = numbers(rand({5}, float32, a));
  EXPECT_EQ(first, numbers(rand({5}, float32, b)));
  EXPECT_NE(first, numbers(rand({5}, float32, a)));
}

TEST(Rand, TakesTheDefaultGenerator) {
  Generator generator(5);
  const GeneratorScope scope(generator);
  const auto first = numbers(randn({4}));
  manual_seed(5);
  EXPECT_EQ(numbers(randn({4})), first);
}

TEST(Rand, RejectsInt64) {
  EXPECT_THROW(rand({2}, DType::int64), DTypeError);
  EXPECT_THROW(randn({2}, DType::int64), DTypeError);
}

TEST(Dropout, DropsTheShareAskedForAndScalesTheRest) {
  Generator generator(2);
  const auto v = numbers(dropout(full({100000}, 3), 0.25, true, generator));
  const auto dropped = std::count(v.begin(), v.end(), 0.0);
  EXPECT_NEAR(static_cast<double>(dropped) / 1e5, 0.25, 0.01);
  for (const double x : v) EXPECT_TRUE(x == 0 || x == 4) << x;
}

TEST(Dropout, IsTheIdentityInEvaluationAndForZero) {
  Generator generator(2);
  const Tensor x = ones({3}).requires_grad(true);
  EXPECT_EQ(dropout(x, 0.5, false, generator).data<float>().data(), x.data<float>().data());
  EXPECT_EQ(dropout(x, 0, true, generator).data<float>().data(), x.data<float>().data());
  EXPECT_EQ(generator.state(), Generator::State{.seed = 2}) << "nothing was to be drawn";
}

TEST(Dropout, GivesTheGradientToWhatItKept) {
  Generator generator(2);
  const Tensor x = full({1000}, 2, float64).requires_grad(true);
  const Tensor y = dropout(x, 0.5, true, generator);
  const Tensor gradient = grad(sum(y), x);
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(gradient.data<double>()[i], y.data<double>()[i] / 2);
}

TEST(Dropout, HasHigherDerivativesWithTheSameMask) {
  const auto f = [](const Tensor& x) {
    Generator generator(2);
    const Tensor y = dropout(x, 0.5, true, generator);
    return y * y * y;
  };
  const GradcheckReport report = gradcheck(f, {linspace(-1, 1, 20, float64).requires_grad(true)}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
}

TEST(Dropout, DropsInfinitiesToo) {
  Generator generator(2);
  for (const double x : numbers(dropout(full({100}, std::numeric_limits<double>::infinity()), 0.5, true, generator))) {
    EXPECT_FALSE(std::isnan(x));
  }
}

TEST(Dropout, RejectsAShareOutsideZeroToOne) {
  EXPECT_THROW(dropout(ones({2}), 1), Error);
  EXPECT_THROW(dropout(ones({2}), -0.1), Error);
  EXPECT_THROW(dropout(ones({2}), std::nan("")), Error);
  EXPECT_THROW(dropout(ones({2}), 2, false), Error);
}

}  // namespace
}  // namespace wengert
