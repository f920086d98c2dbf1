#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

TEST(BinaryCrossEntropyWithLogits, LosesNoDigitsWhereTheLossIsSmall) {
  for (const double x : {5.0, 10.0, 15.0, 30.0, 40.0, 80.0}) {
    const double exact = std::log1p(std::exp(-x));
    for (const double side : {1.0, -1.0}) {
      const Tensor logit = full({1}, side * x, float64).requires_grad(true);
      const Tensor target = full({1}, side > 0 ? 1 : 0, float64);
      const Tensor loss = binary_cross_entropy_with_logits(logit, target);
      EXPECT_NEAR(loss.item() / exact, 1, 1e-14) << x;
      EXPECT_NEAR(grad(loss, logit).item() / (-side / (1 + std::exp(x))), 1, 1e-14) << x;
      const Tensor single = binary_cross_entropy_with_logits(logit.to(float32), target.to(float32));
      EXPECT_NEAR(single.item() / exact, 1, 1e-6) << x;
    }
  }
}

constexpr float infinity = std::numeric_limits<float>::infinity();

Tensor labels(const NestedList& values) { return from_data(values, DType::int64); }

TEST(CrossEntropy, OfEqualLogitsIsTheLogarithmOfTheirNumber) {
  EXPECT_FLOAT_EQ(cross_entropy(zeros({3, 10}), labels({0, 5, 9})).item<float>(), std::log(10.0F));
}

TEST(CrossEntropy, IsTheSameForLabelsAndForOneHotProbabilities) {
  const Tensor logits = linspace(-2, 3, 40, float64).reshape({4, 10}).requires_grad(true);
  const Tensor target = labels({3, 0, 9, 3});
  const Tensor sparse = cross_entropy(logits, target);
  const Tensor dense = cross_entropy(logits, one_hot(target, 10, float64));
  EXPECT_NEAR(sparse.item(), dense.item(), 1e-14);
  const Tensor difference = grad(sparse, logits) - grad(dense, logits);
  for (const double d : difference.data<double>()) EXPECT_NEAR(d, 0, 1e-15);
}

TEST(CrossEntropy, StaysFiniteForHugeLogits) {
  const Tensor logits = from_data({{1e4, -1e4}, {-1e4, 1e4}}).requires_grad(true);
  const Tensor loss = cross_entropy(logits, labels({0, 0}));
  EXPECT_FLOAT_EQ(loss.item<float>(), 1e4F);
  const Tensor gradient = grad(loss, logits);
  EXPECT_FLOAT_EQ(gradient.data<float>()[0], 0);
  EXPECT_FLOAT_EQ(gradient.data<float>()[2], -0.5F);
  EXPECT_FLOAT_EQ(gradient.data<float>()[3], 0.5F);
}

TEST(CrossEntropy, IgnoresMaskedClassesThatTheTargetDoesNotName) {
  const Tensor logits = from_data({{0, -infinity, 0}}).requires_grad(true);
  for (const Tensor& target : {labels({0}), from_data({{1, 0, 0}})}) {
    const Tensor loss = cross_entropy(logits, target);
    EXPECT_FLOAT_EQ(loss.item<float>(), std::log(2.0F));
    const Tensor gradient = grad(loss, logits);
    EXPECT_FLOAT_EQ(gradient.data<float>()[0], -0.5F);
    EXPECT_FLOAT_EQ(gradient.data<float>()[1], 0);
  }
}

TEST(CrossEntropy, WeighsProbabilitiesThatDoNotSumToOne) {
  const Tensor logits = from_data({{1, 2}}, float64).requires_grad(true);
  const Tensor loss = cross_entropy(logits, from_data({{0.5, 2}}, float64));
  const double normalizer = std::log(std::exp(1) + std::exp(2));
  EXPECT_NEAR(loss.item(), 0.5 * (normalizer - 1) + 2 * (normalizer - 2), 1e-14);
  EXPECT_NEAR(grad(loss, logits).data<double>()[0], 2.5 * std::exp(1 - normalizer) - 0.5, 1e-14);
}

/// The mean loss of rows with labels, and its gradient, by the definition.
void expect_mean_loss_of_rows(std::int64_t rows, std::int64_t columns, DType dtype) {
  SCOPED_TRACE(testing::Message() << rows << " x " << columns);
  const Tensor logits = randn({rows, columns}, float64);
  std::vector<std::int64_t> target;
  double loss = 0;
  std::vector<double> gradient;
  for (std::int64_t row = 0; row < rows; ++row) {
    target.push_back((row * 7 + 1) % columns);
    const auto x =
        logits.data<double>().subspan(static_cast<std::size_t>(row * columns), static_cast<std::size_t>(columns));
    double sum = 0;
    for (const double each : x) sum += std::exp(each);
    loss += (std::log(sum) - x[static_cast<std::size_t>(target.back())]) / static_cast<double>(rows);
    for (std::int64_t c = 0; c < columns; ++c) {
      const double share = std::exp(x[static_cast<std::size_t>(c)]) / sum;
      gradient.push_back((share - (c == target.back() ? 1 : 0)) / static_cast<double>(rows));
    }
  }
  const Tensor x = logits.to(dtype).requires_grad(true);
  const Tensor labels = from_vector(target);
  const double tolerance = dtype == float32 ? 1e-6 : 1e-14;
  for (const Tensor& form : {labels, one_hot(labels, columns, dtype)}) {
    const Tensor y = cross_entropy(x, form);
    EXPECT_NEAR(y.item(), loss, tolerance * (1 + loss));
    const std::vector<double> actual = values_of(grad(y, x));
    for (std::size_t i = 0; i < gradient.size(); ++i) ASSERT_NEAR(actual[i], gradient[i], tolerance) << i;
  }
}

TEST(CrossEntropy, OfShortAndLongRowsIsTheDefinition) {
  for (const DType dtype : {float32, float64}) {
    for (const std::int64_t columns : {1, 2, 3, 4, 5, 8, 10, 16, 17, 40}) {
      for (const std::int64_t rows : {1, 2, 4, 15, 16, 33, 300}) expect_mean_loss_of_rows(rows, columns, dtype);
    }
  }
}

TEST(CrossEntropy, KeepsNaNAndInfinityInTheirRow) {
  for (const std::int64_t columns : {3, 20}) {
    std::vector<float> numbers(static_cast<std::size_t>(20 * columns), 0.0F);
    numbers[static_cast<std::size_t>(7 * columns + 1)] = std::numeric_limits<float>::quiet_NaN();
    numbers[static_cast<std::size_t>(9 * columns + 1)] = -infinity;
    const Tensor x = from_vector(numbers, {20, columns}).requires_grad(true);
    const Tensor loss = cross_entropy(x, zeros({20}, int64));
    EXPECT_TRUE(std::isnan(loss.item()));
    const std::vector<double> gradient = values_of(grad(loss, x));
    for (std::int64_t row = 0; row < 20; ++row) {
      EXPECT_EQ(std::isnan(gradient[static_cast<std::size_t>(row * columns)]), row == 7) << row;
    }
    EXPECT_EQ(gradient[static_cast<std::size_t>(9 * columns + 1)], 0);
  }
}

TEST(CrossEntropy, HasAGradientForItsOneLeafUnderAnUpstreamScale) {
  const Tensor logits = from_data({{0, 0}}).requires_grad(true);
  (cross_entropy(logits, labels({1})) * 8).backward();
  EXPECT_FLOAT_EQ(logits.grad().data<float>()[0], 4);
  EXPECT_FLOAT_EQ(logits.grad().data<float>()[1], -4);
}

TEST(CrossEntropy, NamesALabelOutOfRange) {
  EXPECT_EQ(message_of<ShapeError>([] {
              cross_entropy(zeros({2, 3}), labels({0, 3}));
            }),
            "cross_entropy: target[1] is 3, not a label of 3 classes (expected 0 to 2)");
  EXPECT_THROW(cross_entropy(zeros({2, 3}), labels({-1, 0})), ShapeError);
}

TEST(CrossEntropy, RejectsWhatDoesNotFit) {
  EXPECT_EQ(message_of<ShapeError>([] { cross_entropy(zeros({3}), labels({0})); }),
            "cross_entropy: logits must be [N, K], got [3]");
  EXPECT_EQ(message_of<ShapeError>([] {
              cross_entropy(zeros({2, 3}), labels({0}));
            }),
            "cross_entropy: logits are [2, 3] and target is [1]; labels must have shape [2]");
  EXPECT_EQ(message_of<ShapeError>([] {
              cross_entropy(zeros({2, 3}), zeros({2}));
            }),
            "cross_entropy: logits are [2, 3] and target is [2]; probabilities must have the logits' shape (labels are "
            "int64 of shape [2])");
  EXPECT_THROW(cross_entropy(zeros({2, 3}), zeros({2, 3}, float64)), DTypeError);
  EXPECT_THROW(cross_entropy(zeros({2, 3}, DType::int64), labels({0, 1})), DTypeError);
}

TEST(Losses, OfNothingThrow) {
  EXPECT_THROW(cross_entropy(zeros({0, 3}), zeros({0}, DType::int64)), ShapeError);
  EXPECT_THROW(cross_entropy(zeros({2, 0}), zeros({2, 0})), ShapeError);
  EXPECT_THROW(mse_loss(zeros({0}), zeros({0})), ShapeError);
  EXPECT_THROW(binary_cross_entropy(zeros({0}), zeros({0})), ShapeError);
  EXPECT_THROW(binary_cross_entropy_with_logits(zeros({0}), zeros({0})), ShapeError);
}

TEST(Losses, DoNotBroadcast) {
  EXPECT_EQ(message_of<ShapeError>([] {
              mse_loss(zeros({4, 1}), zeros({4}));
            }),
            "mse_loss: prediction is [4, 1] and target is [4]; they must have the same shape");
  EXPECT_THROW(binary_cross_entropy(zeros({2}), zeros({1})), ShapeError);
  EXPECT_THROW(binary_cross_entropy_with_logits(zeros({2}), zeros({})), ShapeError);
}

TEST(Losses, KeepTheirDigitsForManyElements) {
  // Sums of a million float32 numbers, one after the other, would have lost three digits.
  const Tensor prediction = full({1000, 1000}, 0.1);
  EXPECT_NEAR(mse_loss(prediction, zeros({1000, 1000})).item(), 0.01, 1e-8);
}

TEST(BinaryCrossEntropy, IsFiniteForCertaintyRightOrWrong) {
  const Tensor p = from_data({0, 1, 0, 1}).requires_grad(true);
  const Tensor loss = binary_cross_entropy(p, from_data({0, 1, 1, 0}));
  EXPECT_FLOAT_EQ(loss.item<float>(), 50);
  const Tensor gradient = grad(loss, p);
  const auto g = gradient.data<float>();
  EXPECT_EQ(g[0], 0);
  EXPECT_EQ(g[1], 0);
  EXPECT_LT(g[2], -1e6F);
  EXPECT_GT(g[3], 1e6F);
  for (const float x : g) EXPECT_TRUE(std::isfinite(x));
}

TEST(BinaryCrossEntropyWithLogits, AgreesWithTheOneOnProbabilities) {
  const Tensor logits = linspace(-4, 4, 9, float64);
  const Tensor target = linspace(0, 1, 9, float64);
  EXPECT_NEAR(binary_cross_entropy_with_logits(logits, target).item(),
              binary_cross_entropy(sigmoid(logits), target).item(), 1e-14);
}

TEST(BinaryCrossEntropyWithLogits, IsStableForAnySizeOfLogits) {
  const Tensor x = from_data({-1e30, 1e30, 1e4, -1e4}).requires_grad(true);
  const Tensor loss = binary_cross_entropy_with_logits(x, from_data({0, 1, 0, 1}));
  EXPECT_FLOAT_EQ(loss.item<float>(), 5e3F);
  const Tensor gradient = grad(loss, x);
  EXPECT_EQ(gradient.data<float>()[0], 0);
  EXPECT_EQ(gradient.data<float>()[1], 0);
  EXPECT_FLOAT_EQ(gradient.data<float>()[2], 0.25F);
  EXPECT_FLOAT_EQ(gradient.data<float>()[3], -0.25F);
}

TEST(Losses, MakeOneNodeEach) {
  const Tensor x = full({4, 3}, 0.5).requires_grad(true);
  const Tensor t = full({4, 3}, 0.5);
  EXPECT_STREQ(mse_loss(x, t).op(), "mse_loss");
  EXPECT_STREQ(cross_entropy(x, t).op(), "cross_entropy");
  EXPECT_STREQ(binary_cross_entropy(x, t).op(), "binary_cross_entropy");
  EXPECT_STREQ(binary_cross_entropy_with_logits(x, t).op(), "binary_cross_entropy_with_logits");
}

}  // namespace
}  // namespace wengert
