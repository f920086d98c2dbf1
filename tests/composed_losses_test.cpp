#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

using Numbers = std::vector<double>;

Tensor labels(const std::vector<std::int64_t>& values) { return from_vector(values); }

TEST(L1Loss, HasGradientZeroWhereBothAgree) {
  const Tensor x = from_vector(Numbers{1, 2}).requires_grad(true);
  EXPECT_EQ(values_of(grad(l1_loss(x, from_vector(Numbers{1, 1})), x)), (Numbers{0, 0.5}));
}

TEST(HuberLoss, HasSecondDerivativeOneWhereBothAgree) {
  const Tensor x = from_vector(Numbers{1}).requires_grad(true);
  const Tensor slope = grad(huber_loss(x, from_vector(Numbers{1})), x, {.create_graph = true});
  EXPECT_EQ(slope.item<double>(), 0);
  EXPECT_EQ(grad(sum(slope), x).item<double>(), 1);
}

TEST(KlDiv, CountsNothingWhereTheTargetIsZero) {
  const double minus_infinity = -std::numeric_limits<double>::infinity();
  const Tensor logs = from_vector(Numbers{0, minus_infinity}, {1, 2}).requires_grad(true);
  const Tensor loss = kl_div(logs, from_vector(Numbers{1, 0}, {1, 2}));
  EXPECT_EQ(loss.item<double>(), 0);
  EXPECT_EQ(values_of(grad(loss, logs)), (Numbers{-1, 0}));
}

TEST(CrossEntropy, WithPlainOptionsIsThePlainOne) {
  const Tensor logits = from_vector(Numbers{1, -2, 0.5, 3, 0, 1}, {2, 3}).requires_grad(true);
  const Tensor plain = cross_entropy(logits, labels({2, 0}));
  const Tensor options = cross_entropy(logits, labels({2, 0}), {});
  EXPECT_NEAR(plain.item<double>(), options.item<double>(), 1e-15);
  const auto expected = values_of(grad(plain, logits));
  const auto actual = values_of(grad(options, logits));
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-15);
}

TEST(CrossEntropy, IgnoresALabelThatIsNoClass) {
  const Tensor logits = from_vector(Numbers{1, -2, 0.5, 3, 0, 1}, {2, 3}).requires_grad(true);
  const Tensor loss = cross_entropy(logits, labels({2, -100}), {.ignore_index = -100});
  EXPECT_NEAR(loss.item<double>(), cross_entropy(slice(logits, 0, 0, 1), labels({2})).item<double>(), 1e-15);
  EXPECT_EQ(values_of(slice(grad(loss, logits), 0, 1, 2)), (Numbers{0, 0, 0}));
  const Tensor nothing = cross_entropy(logits, labels({-100, -100}), {.ignore_index = -100});
  EXPECT_TRUE(std::isnan(nothing.item<double>()));
}

TEST(CrossEntropy, IgnoresLabelsThatNoDoubleHolds) {
  const Tensor logits = from_vector(Numbers{1, -2, 0.5, 3, 0, 1}, {2, 3});
  const double expected = cross_entropy(slice(logits, 0, 0, 1), labels({2})).item<double>();
  using Limits = std::numeric_limits<std::int64_t>;
  for (const std::int64_t ignored : {Limits::max(), Limits::min(), (std::int64_t{1} << 53) + 1}) {
    EXPECT_NEAR(cross_entropy(logits, labels({2, ignored}), {.ignore_index = ignored}).item<double>(), expected, 1e-15);
  }
}

TEST(CosineSimilarity, OfAVectorOfLengthZeroIsZeroWithFiniteGradients) {
  const Tensor a = from_vector(Numbers{0, 0}).requires_grad(true);
  const Tensor y = cosine_similarity(a, from_vector(Numbers{1, 0}));
  EXPECT_EQ(y.item<double>(), 0);
  for (const double g : values_of(grad(y, a))) EXPECT_TRUE(std::isfinite(g));
}

TEST(TripletMarginLoss, HasFiniteGradientsWhereAnchorAndPositiveAgree) {
  const Tensor anchor = from_vector(Numbers{1, 2}, {1, 2}).requires_grad(true);
  const Tensor loss = triplet_margin_loss(anchor, anchor.detach(), anchor.detach() + 0.1);
  for (const double g : values_of(grad(loss, anchor))) EXPECT_TRUE(std::isfinite(g));
}

TEST(Losses, NameWhatIsWrong) {
  const Tensor a = zeros({2, 3});
  const Tensor b = zeros({3, 2});
  expect_error<ShapeError>([&] { l1_loss(a, b); }, "l1_loss: prediction is [2, 3] and target is [3, 2]");
  expect_error<ShapeError>([&] { hinge_loss(zeros({0}), zeros({0})); }, "hinge_loss: scores of shape [0] is empty");
  expect_error<Error>([&] { huber_loss(a, a, 0); }, "huber_loss: delta must be > 0, got 0");
  expect_error<Error>([&] { smooth_l1_loss(a, a, -1); }, "smooth_l1_loss: beta must be > 0, got -1");
  expect_error<ShapeError>([&] { nll_loss(a, labels({0, 3})); }, "nll_loss: target[1] is 3, not a label of 3 classes");
  expect_error<DTypeError>([&] { nll_loss(a, zeros({2})); }, "nll_loss: target must be int64 labels, got float32");
  expect_error<Error>(
      [&] {
        cross_entropy(a, labels({0, 1}), {.label_smoothing = 2});
      },
      "cross_entropy: label_smoothing must be in [0, 1], got 2");
  expect_error<ShapeError>(
      [&] {
        cross_entropy(a, labels({0, 1}), {.weight = zeros({2})});
      },
      "cross_entropy: weight must have shape [3], got [2]");
  expect_error<ShapeError>(
      [&] {
        cross_entropy(a, labels({0, -1}), {.ignore_index = -100});
      },
      "cross_entropy: target[1] is -1");
  expect_error<ShapeError>([&] { cosine_similarity(a, b); }, "cosine_similarity: a is [2, 3] and b is [3, 2]");
  expect_error<ShapeError>([&] { triplet_margin_loss(a, a, b); }, "triplet_margin_loss: anchor is [2, 3]");
}

}  // namespace
}  // namespace wengert
