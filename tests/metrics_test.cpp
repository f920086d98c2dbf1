// Metrics: values against hand-computed ones, over all samples however they come in batches.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/train/metrics.h>

#include "tests/expect.h"

namespace wengert {
namespace {

// Seven samples of three classes; confusion matrix, truth by row:
//   0: 2 1 0
//   1: 0 1 1
//   2: 1 0 1
const std::vector<std::int64_t> truth{0, 0, 0, 1, 1, 2, 2};
const std::vector<std::int64_t> guess{0, 0, 1, 1, 2, 2, 0};
// TP 2 1 1; predicted 3 2 2; labels 3 2 2.

Tensor labels() { return from_vector(truth); }
Tensor guesses() { return from_vector(guess); }

/// The metric's value when samples come in batches of `size`.
double in_batches(AnyMetric metric, const Tensor& prediction, const Tensor& target, std::int64_t size) {
  for (std::int64_t begin = 0; begin < prediction.dim(0); begin += size) {
    const std::int64_t end = std::min(begin + size, prediction.dim(0));
    metric->update(prediction.slice(begin, end), target.slice(begin, end));
  }
  return metric->value();
}

TEST(Precision, IsAveragedOverClassesAsAsked) {
  EXPECT_DOUBLE_EQ(precision(guesses(), labels()), (2.0 / 3 + 0.5 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(precision(guesses(), labels(), Average::weighted), (3 * 2.0 / 3 + 2 * 0.5 + 2 * 0.5) / 7);
  EXPECT_DOUBLE_EQ(precision(guesses(), labels(), Average::micro), 4.0 / 7);
}

TEST(Recall, IsAveragedOverClassesAsAsked) {
  const Tensor t = from_data({0, 0, 0, 1}, int64);
  const Tensor p = from_data({0, 1, 1, 1}, int64);
  EXPECT_DOUBLE_EQ(recall(p, t), (1.0 / 3 + 1) / 2);
  EXPECT_DOUBLE_EQ(recall(p, t, Average::weighted), (3 * 1.0 / 3 + 1) / 4);
  EXPECT_DOUBLE_EQ(recall(p, t, Average::micro), 0.5);
  EXPECT_DOUBLE_EQ(recall(p, t, Average::binary), 1);
  EXPECT_DOUBLE_EQ(precision(p, t, Average::binary), 1.0 / 3);
  EXPECT_DOUBLE_EQ(f1(p, t, Average::binary), 0.5);
}

TEST(F1, IsTheHarmonicMeanOfPrecisionAndRecallClassByClass) {
  const Tensor t = from_data({0, 0, 0, 1}, int64);
  const Tensor p = from_data({0, 1, 1, 1}, int64);
  // Class 0: precision 1, recall 1/3, F1 1/2; class 1: precision 1/3, recall 1, F1 1/2.
  EXPECT_DOUBLE_EQ(f1(p, t), 0.5);
  EXPECT_DOUBLE_EQ(f1(guesses(), labels()), (2.0 / 3 + 0.5 + 0.5) / 3);
  EXPECT_DOUBLE_EQ(f1(guesses(), labels(), Average::micro), 4.0 / 7);
}

TEST(ClassMetrics, CountAClassThatNobodySaysAsZeroAndOneThatDoesNotOccurNotAtAll) {
  const Tensor t = from_data({0, 0, 5}, int64);
  const Tensor p = from_data({0, 0, 0}, int64);
  EXPECT_DOUBLE_EQ(precision(p, t), (2.0 / 3 + 0) / 2);
  EXPECT_DOUBLE_EQ(recall(p, t), 0.5);
  EXPECT_DOUBLE_EQ(f1(p, t), (0.8 + 0) / 2);
  EXPECT_EQ(recall(p, from_data({0, 0, 0}, int64), Average::binary), 0);
}

TEST(ClassMetrics, TakeScoresOfTwoClassesByAThreshold) {
  const Tensor logits = from_data({{-1.0}, {0.5}, {2.0}, {-0.5}});
  const Tensor targets = from_data({{0.0}, {1.0}, {0.0}, {1.0}});
  metrics::Accuracy accurate({.threshold = 0.0});
  accurate.update(logits, targets);
  EXPECT_DOUBLE_EQ(accurate.value(), 0.5);
  metrics::Precision precise({.average = Average::binary, .threshold = 1.0});
  precise.update(reshape(logits, {4}), from_data({0, 1, 0, 1}, int64));
  EXPECT_EQ(precise.value(), 0);
  expect_error<ShapeError>([&] { accurate.update(logits, full({4, 1}, 0.5)); }, "label 0.5 is neither 0 nor 1");
  expect_error<ShapeError>([&] { accurate.update(zeros({4, 2}), targets); }, "predicted must be [N] or [N, 1]");
  expect_error<DTypeError>([&] { accurate.update(zeros({4}, int64), targets); }, "predicted must be scores, got int64");
}

TEST(ClassMetrics, RejectLabelsThatAreNone) {
  expect_error<ShapeError>(
      [] {
        f1(from_data({0, -1}, int64), from_data({0, 0}, int64));
      },
      "f1: predicted label -1 is negative or absurdly large");
  expect_error<ShapeError>(
      [] {
        recall(from_data({0, 1}, int64), from_data({0, 1LL << 40}, int64));
      },
      "recall: true label 1099511627776 is negative or absurdly large");
  expect_error<ShapeError>(
      [] {
        precision(from_data({0, 2}, int64), from_data({0, 1}, int64), Average::binary);
      },
      "precision: predicted label 2 is neither 0 nor 1, as Average::binary needs");
  expect_error<ShapeError>([] { f1(zeros({0}, int64), zeros({0}, int64)); }, "f1: there are no samples");
}

TEST(TopK, CountsLabelsAmongTheLargestScores) {
  const Tensor scores = from_data({{0.1, 0.5, 0.4}, {0.3, 0.3, 0.4}, {0.9, 0.05, 0.05}});
  const Tensor of = from_data({2, 1, 2}, int64);
  EXPECT_EQ(top_k(scores, of, 1), 0);
  EXPECT_DOUBLE_EQ(top_k(scores, of, 2), 1.0 / 3);  // in the second row class 0 comes before class 1
  EXPECT_EQ(top_k(scores, of, 3), 1);
  EXPECT_EQ(metrics::TopK(5).name(), "top_5");
}

TEST(TopK, WithOneIsTheAccuracyEvenWhereScoresAreNan) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor scores = from_data({{nan, 1, 2}, {1, nan, nan}, {1, nan, 0}, {3, 3, 3}});
  for (std::int64_t label = 0; label < 3; ++label) {
    const Tensor of = full({4}, static_cast<double>(label), int64);
    EXPECT_EQ(top_k(scores, of, 1), accuracy(scores, of)) << label;
  }
}

TEST(TopK, RejectsWhatCannotBeRanked) {
  const Tensor scores = zeros({2, 3});
  expect_error<Error>(
      [&] {
        top_k(scores, from_data({0, 1}, int64), 4);
      },
      "k must be at most the number of classes 3, got 4");
  expect_error<Error>([&] { top_k(scores, from_data({0, 1}, int64), 0); }, "k must be at least 1, got 0");
  expect_error<ShapeError>(
      [&] {
        top_k(scores, from_data({0, 3}, int64), 1);
      },
      "label 3 is out of range for 3 classes");
  expect_error<ShapeError>([&] { top_k(from_data({0}, int64), from_data({0}, int64), 1); },
                           "scores must be [N, K], got [1]");
  expect_error<ShapeError>([&] { top_k(zeros({0, 3}), zeros({0}, int64), 1); }, "there are no samples");
}

TEST(MeanErrors, AreOverAllElements) {
  const Tensor p = from_data({{1, 2}, {3, 4}});
  const Tensor t = from_data({{1, 0}, {0, 4}});
  EXPECT_DOUBLE_EQ(mse(p, t), 13.0 / 4);
  EXPECT_DOUBLE_EQ(mae(p, t), 5.0 / 4);
  EXPECT_TRUE(std::isnan(mse(p, full({2, 2}, std::nan("")))));
  expect_error<ShapeError>([&] { mse(p, zeros({2})); },
                           "mse: prediction and target must have one shape, got [2, 2] and [2]");
  expect_error<ShapeError>([&] { mae(zeros({0}), zeros({0})); }, "mae: there are no elements");
  expect_error<Error>([&] { mae(p, Tensor()); }, "mae: target is undefined");
}

TEST(R2, IsTheShareOfTheVarianceThatIsExplained) {
  const Tensor t = from_data({3, -0.5, 2, 7}, float64);
  const Tensor p = from_data({2.5, 0.0, 2, 8}, float64);
  EXPECT_NEAR(r2(p, t), 1 - 1.5 / 29.1875, 1e-15);  // sum of squares about 2.875
  EXPECT_EQ(r2(t, t), 1);
  EXPECT_NEAR(r2(full({4}, 2.875, float64), t), 0, 1e-15);
}

TEST(R2, OfSeveralOutputsIsTheMeanOfEach) {
  const Tensor t = from_data({{0, 1}, {1, 1}, {2, 4}});
  const Tensor p = from_data({{0, 2}, {1, 2}, {2, 2}});
  EXPECT_NEAR(r2(p, t), (1 + (1 - 6.0 / 6.0)) / 2, 1e-15);
}

TEST(R2, OfEqualTargetsIsOneOrZero) {
  const Tensor t = full({3}, 0.1, float64);
  EXPECT_EQ(r2(t, t), 1);
  EXPECT_EQ(r2(t + 1e-3, t), 0);
  EXPECT_EQ(in_batches(metrics::R2(), t, t, 1), 1);
  expect_error<ShapeError>([] { r2(zeros({1}), zeros({1})); }, "r2: takes two samples or more, got [1]");
  metrics::R2 one;
  one.update(zeros({1}), zeros({1}));
  EXPECT_TRUE(std::isnan(one.value()));
  expect_error<ShapeError>(
      [&] {
        one.update(zeros({1, 2}), zeros({1, 2}));
      },
      "samples are [2] in this batch and were [] before");
}

TEST(R2, OfFarTargetsLosesNoDigits) {
  const Tensor t = from_data({0, 1, 2, 3, 4, 5}, float64) + 1e9;
  const Tensor p = t + from_data({0.5, -0.5, 0.5, -0.5, 0.5, -0.5}, float64);
  EXPECT_NEAR(in_batches(metrics::R2(), p, t, 2), 1 - 1.5 / 17.5, 1e-12);
}

TEST(Perplexity, IsTheNumberOfEquallyLikelyChoices) {
  EXPECT_NEAR(perplexity(zeros({4, 8}), zeros({4}, int64)), 8, 1e-12);
  // Probabilities 1/2 and 1/8 of the true classes: sqrt(2 * 8).
  const Tensor logits = log(from_data({{0.5, 0.5}, {0.875, 0.125}}, float64));
  EXPECT_NEAR(perplexity(logits, from_data({0, 1}, int64)), 4, 1e-12);
  expect_error<ShapeError>([] { perplexity(zeros({0, 2}), zeros({0}, int64)); }, "perplexity: there are no samples");
}

TEST(MeanMetric, TakesAnyLoss) {
  metrics::Mean huber("huber", [](const Tensor& p, const Tensor& t) { return huber_loss(p, t); });
  huber.update(from_data({0, 0, 0}), from_data({1, 1, 1}));
  huber.update(from_data({0}), from_data({3}));
  EXPECT_DOUBLE_EQ(huber.value(), (3 * 0.5 + 2.5) / 4);
  metrics::Mean bad("bad", [](const Tensor& p, const Tensor&) { return p; });
  expect_error<ShapeError>([&] { bad.update(zeros({2}), zeros({2})); },
                           "metric 'bad': the function must give a single number, got [2]");
  expect_error<Error>([] { metrics::Mean("", nullptr); }, "needs a name and a function");
}

/// Predictions and targets that a metric takes.
struct Case {
  AnyMetric metric;
  Tensor prediction;
  Tensor target;
};

std::vector<Case> cases() {
  Generator generator(7);
  const GeneratorScope scope(generator);
  const Tensor scores = randn({101, 4});
  const Tensor of = (rand({101}) * 4).to(int64);
  const Tensor p = randn({101, 3});
  const Tensor t = p + randn({101, 3});
  return {{metrics::Accuracy(), scores, of},
          {metrics::TopK(2), scores, of},
          {metrics::ConfusionMatrix(4), scores, of},
          {metrics::Precision(), scores, of},
          {metrics::Recall({.average = Average::weighted}), scores, of},
          {metrics::F1(), scores, of},
          {metrics::F1({.average = Average::micro}), scores, of},
          {metrics::MSE(), p, t},
          {metrics::MAE(), p, t},
          {metrics::R2(), p, t},
          {metrics::Perplexity(), scores, of}};
}

TEST(StreamingMetrics, GiveTheSameHoweverTheSamplesAreCut) {
  for (const Case& c : cases()) {
    const double whole = in_batches(c.metric, c.prediction, c.target, 101);
    EXPECT_TRUE(std::isfinite(whole)) << c.metric->name();
    for (const std::int64_t size : {1, 7, 100}) {
      EXPECT_NEAR(in_batches(c.metric, c.prediction, c.target, size), whole, 1e-12 * (1 + std::abs(whole)))
          << c.metric->name() << " in batches of " << size;
    }
  }
}

TEST(StreamingMetrics, AreNanAtFirstAndAfterReset) {
  for (Case& c : cases()) {
    EXPECT_TRUE(std::isnan(c.metric->value())) << c.metric->name();
    c.metric->update(c.prediction, c.target);
    const double once = c.metric->value();
    const AnyMetric copy = c.metric;
    c.metric->reset();
    EXPECT_TRUE(std::isnan(c.metric->value())) << c.metric->name();
    EXPECT_EQ(copy->value(), once) << c.metric->name();
    c.metric->update(c.prediction.slice(0, 0), c.target.slice(0, 0));
    EXPECT_TRUE(std::isnan(c.metric->value())) << c.metric->name();
    c.metric->update(c.prediction, c.target);
    EXPECT_EQ(c.metric->value(), once) << c.metric->name();
  }
}

TEST(StreamingMetrics, OfTheConfusionMatrixHaveItAsResult) {
  metrics::ConfusionMatrix matrix(3);
  matrix.update(guesses().slice(0, 4), labels().slice(0, 4));
  matrix.update(guesses().slice(4, 7), labels().slice(4, 7));
  EXPECT_EQ(values_of(matrix.result()), (std::vector<double>{2, 1, 0, 0, 1, 1, 1, 0, 1}));
  EXPECT_DOUBLE_EQ(matrix.value(), 4.0 / 7);
}

}  // namespace
}  // namespace wengert
