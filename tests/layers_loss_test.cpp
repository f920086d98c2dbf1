#include <cmath>
#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include <wengert/autograd/gradcheck.h>
#include <wengert/nn.h>

#include "tests/expect.h"

namespace wengert::nn {
namespace {

using Numbers = std::vector<double>;
using Function = std::function<Tensor(const Tensor&, const Tensor&)>;

/// A loss with its three reductions, and by what the sum is divided for the mean.
struct Reduced {
  const char* name;
  std::function<Function(Reduction)> make;
  Tensor prediction;
  Tensor target;
  double divisor;
  Shape each;
};

Tensor example(std::uint64_t seed, double low, double high) {
  Generator generator(seed);
  return init::uniform(low, high)({4, 3}, float64, generator);
}

template <class L>
auto with_reduction() {
  return [](Reduction reduction) { return Function(L({.reduction = reduction})); };
}

std::vector<Reduced> reduced_losses() {
  const Tensor x = example(1, -2, 2);
  const Tensor y = example(2, -2, 2);
  const Tensor p = example(3, 0.1, 0.9);
  const Tensor q = example(4, 0.1, 0.9);
  const Tensor labels = from_data({2, 0, 1, 2}, int64);
  const Shape all{4, 3};
  return {
      {"MSELoss", with_reduction<MSELoss>(), x, y, 12, all},
      {"L1Loss", with_reduction<L1Loss>(), x, y, 12, all},
      {"HuberLoss", with_reduction<HuberLoss>(), x, y, 12, all},
      {"SmoothL1Loss",
       [](Reduction reduction) { return Function(SmoothL1Loss({.beta = 0.5, .reduction = reduction})); }, x, y, 12,
       all},
      {"HingeLoss", with_reduction<HingeLoss>(), x, y, 12, all},
      {"BCELoss", with_reduction<BCELoss>(), p, q, 12, all},
      {"BCEWithLogitsLoss", with_reduction<BCEWithLogitsLoss>(), x, q, 12, all},
      {"BCEWithLogitsLoss, weighted",
       [](Reduction reduction) {
         return Function(
             BCEWithLogitsLoss({.positive_weight = from_data({1.0, 2.0, 3.0}, float64), .reduction = reduction}));
       },
       x, q, 12, all},
      {"KLDivLoss", with_reduction<KLDivLoss>(), x, q, 4, all},
      {"NLLLoss", with_reduction<NLLLoss>(), x, labels, 4, {4}},
      {"CrossEntropyLoss", with_reduction<CrossEntropyLoss>(), x, labels, 4, {4}},
      {"CrossEntropyLoss of probabilities", with_reduction<CrossEntropyLoss>(), x, q, 4, {4}},
      {"CrossEntropyLoss, smoothed",
       [](Reduction reduction) { return Function(CrossEntropyLoss({.label_smoothing = 0.2, .reduction = reduction})); },
       x,
       labels,
       4,
       {4}},
      {"CrossEntropyLoss, smoothed, weighted, with ignored labels",
       [](Reduction reduction) {
         return Function(CrossEntropyLoss({.label_smoothing = 0.2,
                                           .weight = from_data({1.0, 2.0, 4.0}, float64),
                                           .ignore_index = 0,
                                           .reduction = reduction}));
       },
       x,
       labels,
       4 + 2 + 4,
       {4}},
      {"TripletMarginLoss",
       [y](Reduction reduction) {
         return Function([loss = TripletMarginLoss({.reduction = reduction}), y](const Tensor& a, const Tensor& b) {
           return loss(a, b, y);
         });
       },
       x,
       q,
       4,
       {4}},
      {"CosineEmbeddingLoss",
       [](Reduction reduction) {
         return Function([loss = CosineEmbeddingLoss({.reduction = reduction})](const Tensor& a, const Tensor& b) {
           return loss(a, b, from_data({1.0, -1.0, 1.0, -1.0}, float64));
         });
       },
       x,
       q,
       4,
       {4}},
  };
}

TEST(Reduction, MeanSumAndNoneAgree) {
  for (const Reduced& row : reduced_losses()) {
    SCOPED_TRACE(row.name);
    const Tensor each = row.make(Reduction::none)(row.prediction, row.target);
    const Tensor total = row.make(Reduction::sum)(row.prediction, row.target);
    const Tensor average = row.make(Reduction::mean)(row.prediction, row.target);
    EXPECT_EQ(each.shape(), row.each);
    EXPECT_EQ(total.shape(), Shape{});
    EXPECT_EQ(average.shape(), Shape{});
    double sum = 0;
    for (const double value : values_of(each)) sum += value;
    EXPECT_NEAR(total.item(), sum, 1e-12 * (1 + std::abs(sum)));
    EXPECT_NEAR(average.item(), sum / row.divisor, 1e-12 * (1 + std::abs(sum)));
  }
}

TEST(Reduction, HasGradientsForEveryKind) {
  for (const Reduced& row : reduced_losses()) {
    SCOPED_TRACE(row.name);
    const bool labels = row.target.dtype() == int64;
    for (const Reduction reduction : {Reduction::mean, Reduction::sum, Reduction::none}) {
      const GradcheckReport report = gradcheck(
          row.make(reduction),
          {Tensor(row.prediction).requires_grad(true), labels ? row.target : Tensor(row.target).requires_grad(true)});
      EXPECT_TRUE(report) << report.text;
    }
  }
}

TEST(Reduction, IsPrinted) {
  EXPECT_EQ(to_string(MSELoss({.reduction = Reduction::sum})), "MSELoss(sum)");
  EXPECT_EQ(to_string(HuberLoss({.reduction = Reduction::none})), "HuberLoss(delta 1, no reduction)");
  EXPECT_EQ(to_string(CrossEntropyLoss({.label_smoothing = 0.1, .weight = ones({2}), .ignore_index = -100})),
            "CrossEntropyLoss(label smoothing 0.1, weighted, ignore index -100)");
}

TEST(CrossEntropyLoss, TakesAClassPerPosition) {
  // [N, K, L]: what [N * L, K] gives.
  Generator generator(5);
  const Tensor logits = init::normal()({2, 3, 4}, float64, generator);
  const Tensor labels = from_data({{0, 1, 2, 0}, {2, 2, 1, 0}}, int64);
  const Tensor rows = reshape(permute(logits, {0, 2, 1}), {8, 3});
  EXPECT_EQ(CrossEntropyLoss()(logits, labels).item(), cross_entropy(rows, reshape(labels, {8})).item());
  EXPECT_EQ(NLLLoss()(logits, labels).item(), nll_loss(rows, reshape(labels, {8})).item());
  const Tensor each = CrossEntropyLoss({.reduction = Reduction::none})(logits, labels);
  ASSERT_EQ(each.shape(), (Shape{2, 4}));
  EXPECT_NEAR(each.index({1, 2}).item(), -log_softmax(logits, 1).index({1, 1, 2}).item(), 1e-12);
  const Tensor probabilities = softmax(logits * 2.0, 1);
  EXPECT_NEAR(CrossEntropyLoss()(logits, probabilities).item(),
              cross_entropy(rows, reshape(permute(probabilities, {0, 2, 1}), {8, 3})).item(), 1e-12);
}

TEST(CrossEntropyLoss, SmoothsProbabilitiesAsLabels) {
  const Tensor logits = example(1, -2, 2);
  const Tensor labels = from_data({2, 0, 1, 2}, int64);
  const CrossEntropyLoss loss({.label_smoothing = 0.3});
  EXPECT_NEAR(loss(logits, one_hot(labels, 3, float64)).item(), loss(logits, labels).item(), 1e-12);
}

TEST(CrossEntropyLoss, IgnoredLabelsNeedNotBeClasses) {
  const Tensor logits = from_data({{1.0, 2.0}, {5.0, -1.0}}, float64);
  const CrossEntropyLoss each({.ignore_index = -100, .reduction = Reduction::none});
  const Tensor losses = each(logits, from_data({1, -100}, int64));
  EXPECT_NEAR(losses.index({0}).item(), std::log1p(std::exp(-1.0)), 1e-12);
  EXPECT_EQ(losses.index({1}).item(), 0);
}

TEST(CrossEntropyLoss, AnImpossibleClassOfProbabilityZeroCountsNothing) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor logits = from_data({{-infinity, 0.0}}, float64);
  const Tensor target = from_data({{0.0, 1.0}}, float64);
  EXPECT_EQ(values_of(CrossEntropyLoss({.reduction = Reduction::none})(logits, target)), Numbers{0});
}

TEST(CrossEntropyLoss, WithWeightsNeedsLabels) {
  expect_error<Error>(
      [] {
        CrossEntropyLoss({.weight = ones({2})})(zeros({1, 2}), zeros({1, 2}));
      },
      "CrossEntropyLoss: weight and ignore_index need labels (int64), the target is float32");
}

TEST(BCELoss, StaysFiniteWithoutReduction) {
  const BCELoss each({.reduction = Reduction::none});
  const Tensor p = from_data({0.0, 1.0, 1.0, 0.0, 1e-40}, float32).requires_grad(true);
  const Tensor losses = each(p, from_data({0.0, 1.0, 0.0, 1.0, 0.0}, float32));
  EXPECT_EQ(values_of(losses), (Numbers{0, 0, 100, 100, 0}));
  sum(losses).backward();
  for (const double slope : values_of(p.grad())) EXPECT_TRUE(std::isfinite(slope));
}

TEST(BCEWithLogitsLoss, WeighsPositives) {
  const BCEWithLogitsLoss loss({.positive_weight = from_data({3.0}, float64)});
  // Both targets at logit 0 cost log 2, the positive one three times.
  EXPECT_NEAR(loss(zeros({2}, float64), from_data({1.0, 0.0}, float64)).item(), 2 * std::log(2.0), 1e-12);
  EXPECT_EQ(to_string(loss), "BCEWithLogitsLoss(positive weight)");
}

TEST(KLDivLoss, OfTargetsThatAreZeroIsZero) {
  const Tensor log_p = log(from_data({{0.5, 0.5}}, float64));
  const Tensor target = from_data({{0.0, 1.0}}, float64).requires_grad(true);
  const Tensor losses = KLDivLoss({.reduction = Reduction::none})(log_p, target);
  EXPECT_EQ(values_of(losses), (Numbers{0, std::log(2.0)}));
  sum(losses).backward();
  for (const double slope : values_of(target.grad())) EXPECT_TRUE(std::isfinite(slope));
}

// The costs of the course notes, by hand.

TEST(NotebookCosts, AreTheirFormulas) {
  const Tensor p = from_data({{0.2, 0.8}, {0.6, 0.4}}, float64);
  const Tensor t = from_data({{0.0, 1.0}, {1.0, 0.0}}, float64);
  EXPECT_NEAR(OLSLoss()(p, t).item(), (0.04 + 0.04 + 0.16 + 0.16) / 2, 1e-15);
  const double logs = std::log(0.8 + 10e-10) + std::log(0.6 + 10e-10);
  EXPECT_NEAR(LogisticRegressionLoss()(p, t).item(), -2 * logs / 2, 1e-12);
  const CategoricalCrossEntropyLoss by_element({.average = CategoricalCrossEntropyLossOptions::Average::elements});
  EXPECT_NEAR(by_element(p, t).item(), -logs / 4, 1e-15);
  EXPECT_NEAR(CategoricalCrossEntropyLoss()(p, t).item(), -logs / 2, 1e-15);
  EXPECT_EQ(by_element(p, from_data({1, 0}, int64)).item(), by_element(p, t).item());
}

TEST(NotebookCosts, StayFiniteForSureProbabilities) {
  const Tensor p = from_data({{0.0, 1.0}}, float64);
  const Tensor t = from_data({{1.0, 0.0}}, float64);
  EXPECT_NEAR(CategoricalCrossEntropyLoss()(p, t).item(), -std::log(1e-9), 1e-6);
  EXPECT_NEAR(LogisticRegressionLoss()(p, t).item(), -2 * std::log(1e-9), 1e-6);
}

struct LogCosh : Loss {
  Tensor compute(const Tensor& prediction, const Tensor& target) const override {
    const Tensor d = prediction - target;
    return mean(d + softplus(d * -2.0) - std::log(2.0));
  }
};

TEST(Loss, OfAUsersOwnIsACallableWithItsNameOnErrors) {
  const Function loss = LogCosh();
  EXPECT_NEAR(loss(from_data({1.0}, float64), from_data({3.0}, float64)).item(), std::log(std::cosh(2.0)), 1e-12);
  expect_error<ShapeError>([&] { loss(zeros({2}), zeros({3})); }, "LogCosh: ");
  expect_error<Error>([&] { loss(Tensor(), zeros({3})); }, "LogCosh: prediction is undefined");
  expect_error<Error>([&] { loss(zeros({3}), Tensor()); }, "LogCosh: target is undefined");
}

}  // namespace
}  // namespace wengert::nn
