#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn.h>

#include "tests/expect.h"

namespace wengert::nn {
namespace {

using Numbers = std::vector<double>;

double deviation_of(const Numbers& values) {
  double sum = 0;
  double squares = 0;
  for (const double value : values) {
    sum += value;
    squares += value * value;
  }
  const auto n = static_cast<double>(values.size());
  return std::sqrt(squares / n - sum / n * sum / n);
}

TEST(Init, TruncatedNormalStaysWithinTwoDeviations) {
  Generator generator(1);
  const Numbers values = values_of(init::truncated_normal(3, 0.5)({100000}, float64, generator));
  const auto [least, largest] = std::minmax_element(values.begin(), values.end());
  EXPECT_GE(*least, 2);
  EXPECT_LT(*least, 2.02);
  EXPECT_LE(*largest, 4);
  EXPECT_GT(*largest, 3.98);
  // Of a standard normal cut off at 2: sqrt(1 - 4 phi(2) / (2 Phi(2) - 1)).
  EXPECT_NEAR(deviation_of(values), 0.5 * 0.8796, 0.003);
  expect_error<Error>([] { init::truncated_normal(0, -1); },
                      "init::truncated_normal: deviation must be at least 0 and finite, got -1");
}

TEST(Init, OrthogonalRowsOrColumnsAreOrthonormal) {
  Generator generator(2);
  const Tensor tall = init::orthogonal()({5, 3}, float64, generator);
  const Tensor wide = init::orthogonal(2)({3, 2, 4}, float64, generator);
  const Numbers columns = values_of(matmul(transpose(tall), tall));
  const Tensor flat = reshape(wide, {3, 8});
  const Numbers rows = values_of(matmul(flat, transpose(flat)));
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_NEAR(columns[i], i % 4 == 0 ? 1 : 0, 1e-12);
    EXPECT_NEAR(rows[i], i % 4 == 0 ? 4 : 0, 1e-12);
  }
  EXPECT_EQ(init::orthogonal()({4, 4}).dtype(), float32);
  expect_error<ShapeError>([] { init::orthogonal()({4}); }, "init::orthogonal: the shape must have two axes or more");
  expect_error<Error>([] { init::orthogonal(0); }, "init::orthogonal: gain must be positive, got 0");
}

TEST(Init, OrthogonalMatricesHaveNoPreferredSign) {
  Generator generator(3);
  int positive = 0;
  for (int i = 0; i < 400; ++i)
    positive += init::orthogonal()({2, 2}, float64, generator).data<double>()[0] > 0 ? 1 : 0;
  EXPECT_NEAR(positive, 200, 50);
}

TEST(Init, EyeAndDiracMakeLayersThatGiveBackTheirInput) {
  const Tensor x = from_data({{1, -2, 3}});
  EXPECT_EQ(values_of(Dense(3, 3, {.bias = false, .init = init::eye()})(x)), values_of(x));
  const Tensor image = reshape(arange(24), {1, 2, 3, 4});
  for (const Size2d kernel : {Size2d(3), Size2d(2, 5), Size2d(1)}) {
    const Conv2d layer(2, 2, kernel, {.padding = Padding::same, .bias = false, .init = init::dirac()});
    EXPECT_EQ(values_of(layer(image)), values_of(image));
  }
  expect_error<ShapeError>([] { init::eye()({2}); }, "init::eye: the shape must have two axes, got [2]");
  expect_error<ShapeError>([] { init::dirac()({2, 2}); }, "init::dirac: the shape must be [out, in, kernel...]");
}

TEST(Init, LecunAndFanOutHaveTheDeviationsOfTheirFormulas) {
  const Shape shape{100, 50, 3, 3};
  const auto deviation = [&](const Initializer& initializer) {
    Generator generator(4);
    return deviation_of(values_of(initializer(shape, float64, generator)));
  };
  EXPECT_NEAR(deviation(init::lecun_normal()) * std::sqrt(450), 1, 0.01);
  EXPECT_NEAR(deviation(init::lecun_uniform()) * std::sqrt(450), 1, 0.01);
  EXPECT_NEAR(deviation(init::kaiming_normal(0, init::FanMode::out)) * std::sqrt(900 / 2.0), 1, 0.01);
  EXPECT_NEAR(deviation(init::kaiming_uniform(0.5, init::FanMode::out)) * std::sqrt(900 * 1.25 / 2), 1, 0.01);
}

TEST(Init, GainsAreThoseOfTheirActivations) {
  using init::Nonlinearity;
  EXPECT_EQ(init::gain(Nonlinearity::linear), 1);
  EXPECT_EQ(init::gain(Nonlinearity::sigmoid), 1);
  EXPECT_DOUBLE_EQ(init::gain(Nonlinearity::tanh), 5.0 / 3);
  EXPECT_DOUBLE_EQ(init::gain(Nonlinearity::relu), std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(init::gain(Nonlinearity::leaky_relu, 0.5), std::sqrt(2 / 1.25));
  EXPECT_EQ(init::gain(Nonlinearity::selu), 0.75);
}

TEST(Init, IsTheSameForTheSameSeed) {
  for (const Initializer& initializer : {init::truncated_normal(), init::orthogonal(), init::lecun_normal()}) {
    Generator a(5);
    Generator b(5);
    Generator c(6);
    const Numbers first = values_of(initializer({8, 6}, float32, a));
    EXPECT_EQ(first, values_of(initializer({8, 6}, float32, b)));
    EXPECT_NE(first, values_of(initializer({8, 6}, float32, c)));
  }
}

}  // namespace
}  // namespace wengert::nn
