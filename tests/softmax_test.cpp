#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

double total(const Tensor& x) {
  double sum = 0;
  for (const double value : values_of(x)) sum += value;
  return sum;
}

TEST(Softmax, SumsToOneForEveryLengthOfARow) {
  for (std::int64_t length = 1; length <= 70; ++length) {
    const Tensor y = softmax(linspace(-3, 3, 2 * length).reshape({2, length}));
    EXPECT_NEAR(total(y[0]), 1, 1e-6) << length;
    EXPECT_NEAR(total(y[1]), 1, 1e-6) << length;
    EXPECT_NEAR(total(exp(log_softmax(linspace(-3, 3, length)))), 1, 1e-5) << length;
  }
}

TEST(Softmax, DoesNotOverflow) {
  const Tensor y = softmax(from_data({1e30, 1e30, -1e30, 0}));
  EXPECT_EQ(y.data<float>()[0], 0.5F);
  EXPECT_EQ(y.data<float>()[1], 0.5F);
  EXPECT_EQ(y.data<float>()[2], 0);
  const Tensor logs = log_softmax(from_data({1000, 0, 1000}));
  EXPECT_FLOAT_EQ(logs.data<float>()[0], -std::log(2.0F));
  EXPECT_FLOAT_EQ(logs.data<float>()[1], -1000 - std::log(2.0F));
}

TEST(Softmax, GivesMaskedElementsNothing) {
  const Tensor x = from_data({-infinity, 1, 1}).requires_grad(true);
  const Tensor y = softmax(x);
  EXPECT_EQ(y.data<float>()[0], 0);
  EXPECT_FLOAT_EQ(y.data<float>()[1], 0.5F);
  const Tensor gradient = grad(y[1], x);
  EXPECT_EQ(gradient.data<float>()[0], 0);
  EXPECT_FLOAT_EQ(gradient.data<float>()[1], 0.25F);
}

TEST(Softmax, PassesNaNOn) {
  const Tensor x = from_data({{0, std::nan(""), 0}, {0, 0, 0}});
  for (const Tensor& y : {softmax(x), log_softmax(x)}) {
    EXPECT_TRUE(std::isnan(y.data<float>()[0]));
    EXPECT_FALSE(std::isnan(y.data<float>()[3]));
  }
}

TEST(Softmax, RunsAlongAnyAxis) {
  const Tensor x = linspace(0, 5, 24).reshape({2, 3, 4});
  for (const int axis : {0, 1, 2, -1, -2, -3}) {
    const Tensor sums = sum(softmax(x, axis), {axis});
    for (const float value : sums.data<float>()) EXPECT_NEAR(value, 1, 1e-6) << axis;
  }
}

TEST(Softmax, RejectsAnAxisOutOfRange) {
  EXPECT_THROW(softmax(ones({2, 3}), 2), ShapeError);
  EXPECT_THROW(log_softmax(ones({2, 3}), -3), ShapeError);
  EXPECT_THROW(softmax(ones({2, 3}, DType::int64)), DTypeError);
}

}  // namespace
}  // namespace wengert
