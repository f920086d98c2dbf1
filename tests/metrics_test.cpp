// Every metric: values worked out by hand, edges, and batches against the whole.

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/train/metrics.h>

#include "tests/expect.h"

namespace wengert {
namespace {

Tensor labels(const std::vector<std::int64_t>& numbers) { return from_vector(numbers); }

// truth  0 0 0 1 1 2 2 2 2 2
// taken  0 0 1 1 2 2 2 2 0 2
const Tensor truth = labels({0, 0, 0, 1, 1, 2, 2, 2, 2, 2});
const Tensor taken = labels({0, 0, 1, 1, 2, 2, 2, 2, 0, 2});
// precision 2/3, 1/2, 4/5; recall 2/3, 1/2, 4/5; so F1 is the same
constexpr double macro = (2.0 / 3 + 1.0 / 2 + 4.0 / 5) / 3;
constexpr double weighted = (3 * 2.0 / 3 + 2 * 1.0 / 2 + 5 * 4.0 / 5) / 10;

// truth 0 0 0 1, taken 1 1 0 1: class 0 has precision 1, recall 1/3; class 1 has precision 1/3, recall 1
const Tensor lopsided_truth = labels({0, 0, 0, 1});
const Tensor lopsided_taken = labels({1, 1, 0, 1});

/// What a metric gives for rows [0, 3), [3, 4), none, and the rest.
template <class M>
double in_batches(M metric, const Tensor& prediction, const Tensor& target) {
  const std::int64_t n = target.dim(0);
  for (const auto& [begin, end] : {std::pair<std::int64_t, std::int64_t>{0, 3}, {3, 4}, {4, 4}, {4, n}}) {
    metric.add(prediction.slice(begin, end), target.slice(begin, end));
  }
  return metric.value();
}

TEST(Accuracy, TakesOneHotRowsForLabels) {
  const Tensor scores = from_data({{1, 2, 0}, {5, 1, 1}});
  EXPECT_EQ(accuracy(scores, from_data({{0, 1, 0}, {0, 0, 1}})), 0.5);
  expect_error<ShapeError>(
      [&] {
        accuracy(scores, zeros({2, 4}));
      },
      "accuracy: one-hot labels [2, 4] need scores of the same shape, got [2, 3]");
}

TEST(Accuracy, CountsOneScoreASampleByAThreshold) {
  Accuracy metric({.threshold = 0.5});
  EXPECT_TRUE(std::isnan(metric.value()));
  metric.add(from_data({{0.9}, {0.5}, {0.1}}), from_data({{1}, {1}, {0}}));
  metric.add(from_data({0.7}), labels({0}));
  EXPECT_EQ(metric.value(), 0.5);
  expect_error<ShapeError>([&] { metric.add(from_data({0.7}), from_data({0.5})); },
                           "with a threshold labels must be 0 or 1, got 0.5");
  expect_error<ShapeError>(
      [&] {
        metric.add(zeros({2, 3}), labels({0, 1}));
      },
      "with a threshold predicted must be [N] or [N, 1], got [2, 3]");
  EXPECT_EQ(metric.value(), 0.5);
}

TEST(Accuracy, OfBatchesIsThatOfAllSamples) {
  EXPECT_DOUBLE_EQ(in_batches(Accuracy(), taken, truth), 0.7);
  EXPECT_DOUBLE_EQ(accuracy(taken, truth), 0.7);
}

TEST(TopK, LooksForTheLabelAmongTheBestScores) {
  const Tensor scores = from_data({{0.1, 0.5, 0.4}, {0.1, 0.5, 0.4}, {0.1, 0.5, 0.4}, {0.2, 0.2, 0.2}});
  const Tensor of = labels({1, 2, 0, 1});
  EXPECT_EQ(top_k(scores, of, 1), 0.25);  // the equal scores count as class 0
  EXPECT_EQ(top_k(scores, of, 2), 0.75);
  EXPECT_EQ(top_k(scores, of, 3), 1);
  EXPECT_EQ(in_batches(TopK(2), scores, of), 0.75);
  EXPECT_EQ(TopK(5).name(), "top_5");
  expect_error<ShapeError>([&] { top_k(scores, of, 4); }, "k must be from 1 to the number of classes, 3, got 4");
  expect_error<ShapeError>([&] { top_k(scores, labels({0, 1, 2, 3}), 1); }, "label 3 is out of range for 3 classes");
  expect_error<ShapeError>([&] { top_k(of, of, 1); }, "top_k: scores must be [N, K], got [4]");
  expect_error<ShapeError>([&] { top_k(scores, labels({1}), 1); }, "top_k: 4 rows of scores for 1 labels");
  expect_error<ShapeError>([&] { top_k(zeros({0, 3}), zeros({0}, int64), 1); }, "top_k: there are no samples");
  expect_error<Error>([] { TopK(0); }, "TopK: k must be at least 1, got 0");
}

TEST(TopK, NeverHasANaNAmongTheBest) { EXPECT_EQ(top_k(from_data({{std::nan(""), 1, 2}}), labels({0}), 3), 0); }

TEST(PrecisionRecallF1, AreAveragedAsAsked) {
  for (const auto f : {precision, recall, f1}) {
    EXPECT_DOUBLE_EQ(f(taken, truth, {}), macro);
    EXPECT_DOUBLE_EQ(f(taken, truth, {.average = Average::weighted}), weighted);
    EXPECT_DOUBLE_EQ(f(taken, truth, {.average = Average::micro}), 0.7);
    EXPECT_DOUBLE_EQ(f(taken, truth, {.average = Average::positive}), 0.5);
    EXPECT_DOUBLE_EQ(f(taken, truth, {.average = Average::positive, .positive = 2}), 0.8);
  }
}

TEST(PrecisionRecallF1, DifferWhereMistakesGoOneWay) {
  const auto of_class = [](auto f, std::int64_t label) {
    return f(lopsided_taken, lopsided_truth, ClassOptions{.average = Average::positive, .positive = label});
  };
  EXPECT_DOUBLE_EQ(of_class(precision, 0), 1);
  EXPECT_DOUBLE_EQ(of_class(recall, 0), 1.0 / 3);
  EXPECT_DOUBLE_EQ(of_class(f1, 0), 0.5);
  EXPECT_DOUBLE_EQ(of_class(precision, 1), 1.0 / 3);
  EXPECT_DOUBLE_EQ(of_class(recall, 1), 1);
  EXPECT_DOUBLE_EQ(of_class(f1, 1), 0.5);
  EXPECT_DOUBLE_EQ(precision(lopsided_taken, lopsided_truth, {.average = Average::weighted}), (3 + 1.0 / 3) / 4);
}

TEST(PrecisionRecallF1, ComeFromAllBatchesTogether) {
  for (const Average average : {Average::macro, Average::weighted, Average::micro, Average::positive}) {
    EXPECT_DOUBLE_EQ(in_batches(F1({.average = average}), taken, truth), f1(taken, truth, {.average = average}));
    EXPECT_DOUBLE_EQ(in_batches(Precision({.average = average}), taken, truth),
                     precision(taken, truth, {.average = average}));
    EXPECT_DOUBLE_EQ(in_batches(Recall({.average = average}), taken, truth),
                     recall(taken, truth, {.average = average}));
  }
  const double first = f1(taken.slice(0, 5), truth.slice(0, 5));
  const double second = f1(taken.slice(5, 10), truth.slice(5, 10));
  EXPECT_GT(std::abs(f1(taken, truth) - (first + second) / 2), 0.05);  // so the test above can tell
}

TEST(PrecisionRecallF1, CountNothingOfNothingAsZero) {
  // Class 1 is never predicted, class 2 never true, class 3 neither.
  const Tensor scores = from_data({{1, 0, 0, 0}, {1, 0, 0, 0}, {0, 0, 1, 0}});
  const Tensor of = labels({0, 1, 0});
  EXPECT_DOUBLE_EQ(precision(scores, of), (0.5 + 0 + 0) / 3);
  EXPECT_DOUBLE_EQ(recall(scores, of), (0.5 + 0 + 0) / 3);
  EXPECT_DOUBLE_EQ(f1(scores, of), (0.5 + 0 + 0) / 3);
  EXPECT_EQ(f1(scores, of, {.average = Average::positive, .positive = 3}), 0);
  EXPECT_EQ(f1(scores, of, {.average = Average::positive, .positive = 9}), 0);
  EXPECT_TRUE(std::isnan(F1().value()));
  expect_error<ShapeError>([] { f1(zeros({0}, int64), zeros({0}, int64)); }, "f1: there are no samples");
}

TEST(PrecisionRecallF1, OfOneScoreASampleGoByAThreshold) {
  const ClassOptions options{.average = Average::positive, .threshold = 0.0};
  const Tensor logits = from_data({{2}, {-1}, {3}, {-4}});
  const Tensor of = from_data({{1}, {1}, {0}, {0}});
  EXPECT_EQ(precision(logits, of, options), 0.5);
  EXPECT_EQ(recall(logits, of, options), 0.5);
  EXPECT_EQ(F1(options).name(), "f1");
}

TEST(ConfusionMatrixObject, GrowsWithTheLabelsItSees) {
  ConfusionMatrix matrix;
  EXPECT_TRUE(std::isnan(matrix.value()));
  EXPECT_EQ(matrix.table().shape(), (Shape{0, 0}));
  matrix.add(labels({0, 1}), labels({0, 0}));
  matrix.add(labels({2}), labels({1}));
  EXPECT_EQ(values_of(matrix.table()), (std::vector<double>{1, 1, 0, 0, 0, 1, 0, 0, 0}));
  EXPECT_DOUBLE_EQ(matrix.value(), 1.0 / 3);
  matrix.clear();
  matrix.add(from_data({{1, 0, 0, 0}}), labels({0}));
  EXPECT_EQ(matrix.table().shape(), (Shape{4, 4}));
}

TEST(ConfusionMatrixObject, KeepsWhatItHasWhenABatchIsWrong) {
  ConfusionMatrix matrix;
  matrix.add(labels({0, 1}), labels({0, 1}));
  expect_error<ShapeError>(
      [&] {
        matrix.add(labels({0, 0}), labels({5, -1}));
      },
      "true label -1 is out of range for 6 classes");
  EXPECT_EQ(values_of(matrix.table()), (std::vector<double>{1, 0, 0, 1}));
  expect_error<ShapeError>([&] { matrix.add(labels({0}), labels({1'000'000'000'000})); }, "a label of 1000000000000");
  expect_error<Error>([] { ConfusionMatrix({.classes = -1}); }, "classes must not be negative, got -1");
}

TEST(Regression, ErrorsAreMeansOverAllElements) {
  const Tensor prediction = from_data({{1, 2}, {3, 5}, {0, 0}, {1, 1}, {2, 2}});
  const Tensor target = from_data({{1, 0}, {4, 5}, {0, 3}, {1, 1}, {2, 2}});
  EXPECT_DOUBLE_EQ(mse(prediction, target), (4 + 1 + 9) / 10.0);
  EXPECT_DOUBLE_EQ(mae(prediction, target), (2 + 1 + 3) / 10.0);
  EXPECT_DOUBLE_EQ(in_batches(MeanSquaredError(), prediction, target), 1.4);
  EXPECT_DOUBLE_EQ(in_batches(MeanAbsoluteError(), prediction, target), 0.6);
  expect_error<ShapeError>(
      [] {
        mse(zeros({3, 1}), zeros({3}));
      },
      "mse: prediction [3, 1] and target [3] must have the same shape");
  expect_error<ShapeError>([] { mae(zeros({0}), zeros({0})); }, "mae: there are no samples");
  expect_error<Error>([] { mae(zeros({0}), Tensor()); }, "mae: target is undefined");
}

TEST(R2, ComparesWithTheMeanOfAllTargets) {
  const Tensor target = from_data({3, -0.5, 2, 7}, float64);
  const Tensor prediction = from_data({2.5, 0.0, 2, 8}, float64);
  // residual 0.25 + 0.25 + 0 + 1 = 1.5; mean 2.875, deviation 29.1875
  EXPECT_NEAR(r2(prediction, target), 1 - 1.5 / 29.1875, 1e-15);
  EXPECT_NEAR(in_batches(R2(), prediction, target), 1 - 1.5 / 29.1875, 1e-15);
  EXPECT_EQ(r2(target, target), 1);
  EXPECT_NEAR(r2(full({4}, 2.875, float64), target), 0, 1e-15);
}

TEST(R2, OfSeveralElementsIsTheirMean) {
  const Tensor target = from_data({{1, 5}, {2, 5}, {3, 5}}, float64);
  EXPECT_DOUBLE_EQ(r2(target, target), 1);
  // First column: residual 1 of 2, so 0.5. Second: targets equal and not met, so 0.
  EXPECT_DOUBLE_EQ(r2(from_data({{1, 5}, {2, 5}, {4, 6}}, float64), target), 0.25);
  EXPECT_TRUE(std::isnan(r2(from_data({1}), from_data({1}))));
  expect_error<ShapeError>([] { r2(zeros({}), zeros({})); }, "r2: prediction and target must be [N, ...], got []");
  R2 metric;
  metric.add(target, target);
  expect_error<ShapeError>([&] { metric.add(zeros({3, 1}), zeros({3, 1})); }, "samples of 1 elements");
}

TEST(R2, IsStableFarFromZero) {
  const Tensor target = from_data({1e8, 1e8 + 1, 1e8 + 2, 1e8 + 3}, float64);
  EXPECT_NEAR(r2(target + 0.5, target), 1 - 4 * 0.25 / 5, 1e-9);
}

TEST(Perplexity, IsTheNumberOfEquallyLikelyChoices) {
  EXPECT_NEAR(perplexity(zeros({6, 4}), labels({0, 1, 2, 3, 0, 1})), 4, 1e-12);
  EXPECT_NEAR(perplexity(zeros({2, 3, 5}), zeros({2, 3}, int64)), 5, 1e-12);
  // Probabilities 1/2 and 1/8 of the labels: the geometric mean is 1/4.
  const Tensor logits = from_data({{std::log(0.5), std::log(0.5)}, {std::log(0.125), std::log(0.875)}}, float64);
  EXPECT_NEAR(perplexity(logits, labels({0, 0})), 4, 1e-12);
  Perplexity metric;
  metric.add(logits.slice(0, 1), labels({0}));
  metric.add(logits.slice(1, 2), labels({0}));
  EXPECT_NEAR(metric.value(), 4, 1e-12);  // the mean of 2 and 8 would be 5
  expect_error<ShapeError>(
      [] {
        perplexity(zeros({2, 3}), zeros({3}, int64));
      },
      "perplexity: logits must be [..., K] for labels [...], got [2, 3] and [3]");
}

TEST(MeanOf, WeighsBatchesByTheirSamples) {
  MeanOf metric("largest error", [](const Tensor& a, const Tensor& b) { return max(abs(a - b)).item(); });
  metric.add(from_data({1, 2, 3}), from_data({0, 0, 0}));
  metric.add(from_data({7}), from_data({0}));
  EXPECT_DOUBLE_EQ(metric.value(), 4);
  EXPECT_FALSE(metric.higher_is_better());
}

TEST(AnyMetric, CopiesAreIndependent) {
  AnyMetric first = MeanSquaredError();
  first.add(from_data({1}), from_data({0}));
  AnyMetric second = first;
  second.add(from_data({2}), from_data({0}));
  EXPECT_EQ(first.value(), 1);
  EXPECT_EQ(second.value(), 2.5);
  first = second;
  second.clear();
  EXPECT_EQ(first.value(), 2.5);
  EXPECT_EQ(first.name(), "mse");
  EXPECT_FALSE(first.higher_is_better());
  EXPECT_FALSE(first.table().defined());
}

}  // namespace
}  // namespace wengert
