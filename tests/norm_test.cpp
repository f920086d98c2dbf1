#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void expect_near(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.shape(), expected.shape());
  const auto a = values_of(actual);
  const auto e = values_of(expected);
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = a[i] == e[i] ? worst : std::max(worst, std::abs(a[i] - e[i]));
  EXPECT_LE(worst, tolerance) << "actual:\n" << actual << "\nexpected:\n" << expected;
}

Tensor random_normal(const Shape& shape, std::uint64_t seed, DType dtype = float64) {
  Generator generator(seed);
  return randn(shape, dtype, generator);
}

/// batch_norm in training, of a batch that nothing came before.
Tensor trained(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}) {
  RunningStatistics running;
  return batch_norm(x, running, weight, bias);
}

// ---------------------------------------------------------------------------------------------------------------------
// Running statistics.

TEST(BatchNorm, MovesTheRunningStatisticsTowardsThoseOfTheBatch) {
  const Tensor x = from_data({{1, 10}, {2, 20}, {3, 60}}, float64);  // means 2 and 30; variances 1 and 700
  RunningStatistics running{from_data({1, 2}, float64), from_data({3, 4}, float64)};
  batch_norm(x, running, {}, {}, {.momentum = 0.25});
  expect_near(running.mean, from_data({1.25, 9}, float64), 1e-13);
  expect_near(running.variance, from_data({2.5, 178}, float64), 1e-12);
}

TEST(BatchNorm, StartsFromMeansOfZeroAndVariancesOfOne) {
  const Tensor x = from_data({{1, 10}, {2, 20}, {3, 60}}, float32);
  RunningStatistics running;
  batch_norm(x, running);
  EXPECT_EQ(running.mean.dtype(), float32);
  expect_near(running.mean, from_data({0.2, 3}, float32), 1e-6);
  expect_near(running.variance, from_data({1, 70.9}, float32), 1e-4);
}

TEST(BatchNorm, GivesTheRunningStatisticsNewTensorsThatNeedNoGradient) {
  const Tensor mean = zeros({2}, float64);
  RunningStatistics running{mean, ones({2}, float64)};
  const Tensor x = random_normal({4, 2}, 1).requires_grad(true);
  batch_norm(x, running, ones({2}, float64).requires_grad(true));
  EXPECT_EQ(values_of(mean), (std::vector<double>{0, 0}));
  EXPECT_FALSE(running.mean.requires_grad());
  EXPECT_FALSE(running.variance.requires_grad());
  no_grad([&] { batch_norm(x, running); });
  EXPECT_NE(running.mean.data<double>()[0], 0);
}

TEST(BatchNorm, MomentumSaysHowMuchOfTheBatchIsTaken) {
  const Tensor x = from_data({{1}, {3}}, float64);
  RunningStatistics running;
  batch_norm(x, running, {}, {}, {.momentum = 0});
  EXPECT_EQ(running.mean.item(), 0);
  EXPECT_EQ(running.variance.item(), 1);
  batch_norm(x, running, {}, {}, {.momentum = 1});
  EXPECT_EQ(running.mean.item(), 2);
  EXPECT_EQ(running.variance.item(), 2);
}

TEST(BatchNorm, EvaluatesByTheRunningStatisticsAndLeavesThemAlone) {
  RunningStatistics running{from_data({1, 2}, float64), from_data({4, 9}, float64)};
  const Tensor x = from_data({{3, 5}, {-1, 2}}, float64);
  const Tensor y =
      batch_norm(x, running, from_data({2, 1}, float64), from_data({0, 7}, float64), {.training = false, .epsilon = 0});
  expect_near(y, from_data({{2, 8}, {-2, 7}}, float64), 1e-14);
  EXPECT_EQ(values_of(running.mean), (std::vector<double>{1, 2}));
  EXPECT_EQ(values_of(running.variance), (std::vector<double>{4, 9}));
}

TEST(BatchNorm, EvaluationTakesTheRunningStatisticsForConstants) {
  RunningStatistics running{from_data({1, 2}, float64).requires_grad(true),
                            from_data({4, 9}, float64).requires_grad(true)};
  EXPECT_FALSE(batch_norm(ones({1, 2}, float64), running, {}, {}, {.training = false}).requires_grad());
  const Tensor x = ones({1, 2}, float64).requires_grad(true);
  const Tensor y = batch_norm(x, running, {}, {}, {.training = false, .epsilon = 0});
  expect_near(grad(sum(y), x), from_data({{0.5, 1.0 / 3}}, float64), 1e-15);
}

TEST(BatchNorm, LeavesTheRunningStatisticsAloneWhenItThrows) {
  RunningStatistics running;
  EXPECT_THROW(batch_norm(ones({1, 3}), running), ShapeError);
  EXPECT_FALSE(running.mean.defined());
  EXPECT_FALSE(running.variance.defined());
}

// ---------------------------------------------------------------------------------------------------------------------
// Numbers.

/// A normalisation of [N, C, S] in float32 against the same in float64, on numbers far from 0.
template <class F>
void expect_accurate_far_from_zero(const char* name, const Shape& shape, F f) {
  SCOPED_TRACE(name);
  const Tensor rough = (random_normal(shape, 3, float32) + 1e4).detach().requires_grad(true);
  const Tensor exact = rough.detach().to(float64).requires_grad(true);
  const Tensor upstream = random_normal(shape, 4, float32);
  const Tensor rough_y = f(rough);
  const Tensor exact_y = f(exact);
  expect_near(rough_y, exact_y, 2e-6);
  expect_near(grad({rough_y}, {rough}, {.grad_outputs = {upstream}})[0],
              grad({exact_y}, {exact}, {.grad_outputs = {upstream.to(float64)}})[0], 1e-5);
}

TEST(Normalisation, IsAccurateForAMeanOfTenThousandDeviations) {
  const auto batch = [](const Tensor& x) { return trained(x); };
  expect_accurate_far_from_zero("batch_norm", {64, 3, 49}, batch);
  expect_accurate_far_from_zero("batch_norm, vectors", {1000, 5, 1}, batch);
  expect_accurate_far_from_zero("layer_norm", {50, 1, 300}, [](const Tensor& x) { return layer_norm(x); });
  expect_accurate_far_from_zero("group_norm", {5, 6, 400}, [](const Tensor& x) { return group_norm(x, 2); });
  expect_accurate_far_from_zero("instance_norm", {5, 6, 400}, [](const Tensor& x) { return instance_norm(x); });
}

TEST(Normalisation, DoesNotLoseNumbersInSumsOfMillions) {
  const Tensor x = random_normal({1, std::int64_t{1} << 22}, 5, float32) * 3 + 1;
  expect_near(layer_norm(x), layer_norm(x.to(float64)), 2e-6);
  expect_near(rms_norm(x), rms_norm(x.to(float64)), 2e-6);
  const Tensor column = x.reshape({-1, 1});
  expect_near(trained(column), trained(column.to(float64)), 2e-6);
}

TEST(Normalisation, GivesTheBiasWhereAGroupIsConstant) {
  const Tensor x = full({4, 2, 3}, 1e4, float32).requires_grad(true);
  const Tensor bias = from_data({1, -2});
  for (const Tensor& y : {trained(x, {}, bias), group_norm(x, 1, {}, bias), instance_norm(x, {}, bias)}) {
    expect_near(y, broadcast_to(bias.reshape({2, 1}), {4, 2, 3}), 0);
    for (const double gradient : values_of(grad(sum(y * square(y)), x))) EXPECT_TRUE(std::isfinite(gradient)) << y.op();
  }
}

TEST(Normalisation, KeepsNaNInItsGroup) {
  const Tensor x = from_data({{{1, nan}, {3, 5}}, {{7, 8}, {9, 11}}}, float64);
  const auto nans = [](const Tensor& y) { return values_of(sum(isnan(y), {2})); };
  using Counts = std::vector<double>;
  EXPECT_EQ(nans(trained(x)), (Counts{2, 0, 2, 0}));
  EXPECT_EQ(nans(layer_norm(x)), (Counts{2, 0, 0, 0}));
  EXPECT_EQ(nans(rms_norm(x)), (Counts{2, 0, 0, 0}));
  EXPECT_EQ(nans(group_norm(x, 1)), (Counts{2, 2, 0, 0}));
  EXPECT_EQ(nans(instance_norm(x)), (Counts{2, 0, 0, 0}));
  EXPECT_EQ(nans(trained(from_data({{1, nan, 3}, {2, 4, 6}}, float64).reshape({2, 3, 1}))), (Counts{0, 1, 0, 0, 1, 0}));
}

// ---------------------------------------------------------------------------------------------------------------------
// What the normalisations are to each other.

TEST(Normalisation, OfOneGroupIsLayerNormOfTheSample) {
  const Tensor x = random_normal({3, 4, 5}, 6);
  expect_near(group_norm(x, 1), layer_norm(x, {}, {}, {.axes = 2}), 1e-14);
}

TEST(Normalisation, OfAGroupPerChannelIsInstanceNorm) {
  const Tensor x = random_normal({3, 4, 5, 2}, 7);
  expect_near(group_norm(x, 4), instance_norm(x), 0);
}

TEST(Normalisation, OfABatchOfOneIsInstanceNorm) {
  const Tensor x = random_normal({1, 4, 5, 2}, 8);
  expect_near(trained(x), instance_norm(x), 0);
}

TEST(Normalisation, OfMeanZeroIsRootMeanSquareNorm) {
  const Tensor x = random_normal({3, 20}, 9);
  const Tensor centered = x - mean(x, {1}, true);
  expect_near(layer_norm(x, {}, {}, {.epsilon = 1e-6}), rms_norm(centered), 1e-14);
}

/// Every size of channels and of batches, against rows of a matrix.
TEST(BatchNorm, GivesForAnySizesWhatLayerNormGivesForTheTranspose) {
  for (const std::int64_t size : {1, 2, 3, 4, 7, 8, 15, 16, 17, 33, 49}) {
    for (const std::int64_t channels : {1, 2, 3, 16, 19}) {
      const Tensor x = random_normal({5, channels, size}, 10, float32).requires_grad(true);
      const Tensor upstream = random_normal({5, channels, size}, 11, float32);
      const Tensor rows = reshape(permute(x, {1, 0, 2}), {channels, 5 * size});
      const Tensor expected = permute(reshape(layer_norm(rows), {channels, 5, size}), {1, 0, 2});
      const Tensor y = trained(x);
      SCOPED_TRACE(testing::Message() << channels << " channels of " << size);
      expect_near(y, expected, 3e-6);
      expect_near(grad({y}, {x}, {.grad_outputs = {upstream}})[0],
                  grad({expected}, {x}, {.grad_outputs = {upstream}})[0], 2e-5);
    }
  }
}

TEST(GroupNorm, GivesForAnySizesWhatOpsGive) {
  for (const std::int64_t size : {1, 2, 7, 16, 19}) {
    for (const std::int64_t channels : {2, 34}) {
      const Tensor x = random_normal({3, channels, size}, 12).requires_grad(true);
      const Tensor weight = random_normal({channels}, 13).requires_grad(true);
      const Tensor bias = random_normal({channels}, 14).requires_grad(true);
      const Tensor groups = reshape(x, {3, 2, -1});
      const Tensor deviations = groups - mean(groups, {2}, true);
      const Tensor z = deviations / sqrt(mean(square(deviations), {2}, true) + 1e-5);
      const Tensor expected = reshape(z, x.shape()) * reshape(weight, {channels, 1}) + reshape(bias, {channels, 1});
      const Tensor y = group_norm(x, 2, weight, bias);
      SCOPED_TRACE(testing::Message() << channels << " channels of " << size);
      expect_near(y, expected, 1e-13);
      const Tensor upstream = random_normal(x.shape(), 15);
      const auto actual = grad({y}, {x, weight, bias}, {.grad_outputs = {upstream}});
      const auto composed = grad({expected}, {x, weight, bias}, {.grad_outputs = {upstream}});
      for (std::size_t k = 0; k < 3; ++k) expect_near(actual[k], composed[k], 1e-12);
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Gradients.

TEST(Normalisation, IsOneOpOnTheTape) {
  const Tensor x = random_normal({4, 6}, 16).requires_grad(true);
  EXPECT_STREQ(trained(x).op(), "batch_norm");
  EXPECT_STREQ(layer_norm(x).op(), "layer_norm");
  EXPECT_STREQ(rms_norm(x).op(), "rms_norm");
  EXPECT_STREQ(group_norm(x, 2).op(), "group_norm");
  EXPECT_STREQ(instance_norm(x.reshape({2, 3, 4})).op(), "instance_norm");
}

TEST(Normalisation, GivesEachArgumentItsGradientWhetherOthersNeedOneOrNot) {
  const Tensor upstream = random_normal({4, 3, 5}, 17);
  const Tensor values[] = {random_normal({4, 3, 5}, 18), random_normal({3}, 19), random_normal({3}, 20)};
  const auto gradient = [&](auto f, std::initializer_list<std::size_t> needed, std::size_t of) {
    Tensor inputs[3];
    for (std::size_t k = 0; k < 3; ++k) inputs[k] = values[k].detach();
    for (const std::size_t k : needed) inputs[k].requires_grad(true);
    return grad({f(inputs[0], inputs[1], inputs[2])}, {inputs[of]}, {.grad_outputs = {upstream}})[0];
  };
  const auto check_all = [&](auto f) {
    for (const std::size_t k : {0U, 1U, 2U}) {
      const Tensor expected = gradient(f, {0, 1, 2}, k);
      expect_near(gradient(f, {k}, k), expected, 0);
    }
  };
  check_all([](const Tensor& x, const Tensor& w, const Tensor& b) { return trained(x, w, b); });
  check_all([](const Tensor& x, const Tensor& w, const Tensor& b) { return instance_norm(x, w, b); });
  check_all([](const Tensor& x, const Tensor& w, const Tensor& b) {
    RunningStatistics running{full({3}, 0.5, float64), full({3}, 2, float64)};
    return batch_norm(x, running, w, b, {.training = false});
  });
  check_all(
      [](const Tensor& x, const Tensor& w, const Tensor& b) { return transpose(layer_norm(transpose(x), w, b)); });
}

TEST(Normalisation, HasAGradientThatLeavesMeanAndScaleOfAGroupAlone) {
  const Tensor x = random_normal({3, 40}, 21).requires_grad(true);
  const Tensor y = layer_norm(x, {}, {}, {.epsilon = 0});
  const Tensor gradient = grad({y}, {x}, {.grad_outputs = {random_normal({3, 40}, 22)}})[0];
  expect_near(sum(gradient, {1}), zeros({3}, float64), 1e-13);
  expect_near(sum(gradient * x.detach(), {1}), zeros({3}, float64), 1e-13);
}

// ---------------------------------------------------------------------------------------------------------------------
// Nothing to normalise.

TEST(BatchNorm, TakesAnEmptyBatchInEvaluationOnly) {
  RunningStatistics running{zeros({3}), ones({3})};
  const Tensor x = zeros({0, 3, 4}).requires_grad(true);
  const Tensor weight = ones({3}).requires_grad(true);
  const Tensor y = batch_norm(x, running, weight, {}, {.training = false});
  EXPECT_EQ(y.shape(), (Shape{0, 3, 4}));
  expect_near(grad(sum(y), weight), zeros({3}), 0);
  expect_error<ShapeError>([&] { batch_norm(x, running, weight); },
                           "batch_norm: a channel has 0 elements, training needs at least 2; x is [0, 3, 4]");
}

TEST(Normalisation, TakesGroupsAndBatchesOfNothing) {
  const Tensor weight = ones({0}).requires_grad(true);
  EXPECT_EQ(layer_norm(zeros({3, 0}), weight).shape(), (Shape{3, 0}));
  EXPECT_EQ(layer_norm(zeros({0, 3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(group_norm(zeros({2, 0, 4}), 2, weight).shape(), (Shape{2, 0, 4}));
  EXPECT_EQ(group_norm(zeros({2, 4, 0}), 2).shape(), (Shape{2, 4, 0}));
  EXPECT_EQ(instance_norm(zeros({2, 0, 4})).shape(), (Shape{2, 0, 4}));
  EXPECT_EQ(trained(zeros({2, 0, 4})).shape(), (Shape{2, 0, 4}));
  // To be differentiated again, too.
  const Tensor gradient = grad(sum(layer_norm(zeros({3, 0}), weight)), weight, {.create_graph = true});
  EXPECT_EQ(gradient.shape(), (Shape{0}));
}

TEST(BatchNorm, RejectsATrainingBatchOfOneElementAChannel) {
  RunningStatistics running;
  expect_error<ShapeError>(
      [&] {
        batch_norm(ones({1, 3, 1, 1}), running);
      },
      "batch_norm: a channel has 1 elements, training needs at least 2; x is [1, 3, 1, 1]");
  EXPECT_NO_THROW(batch_norm(ones({1, 3, 2}), running));
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors.

TEST(BatchNorm, RejectsWhatDoesNotFit) {
  RunningStatistics running;
  const Tensor x = ones({2, 3, 4});
  const auto with = [&](const Tensor& weight, const Tensor& bias = {}) { batch_norm(x, running, weight, bias); };
  expect_error<ShapeError>([&] { batch_norm(ones({3}), running); }, "batch_norm: x must be [N, C, ...], got [3]");
  expect_error<ShapeError>([&] { with(ones({4})); }, "batch_norm: weight must be [3] for x [2, 3, 4], got [4]");
  expect_error<ShapeError>([&] { with({}, ones({3, 1})); }, "batch_norm: bias must be [3] for x [2, 3, 4], got [3, 1]");
  expect_error<DTypeError>([&] { with(ones({3}, float64)); }, "batch_norm: x is float32 and weight is float64");
  expect_error<DTypeError>([&] { with({}, ones({3}, float64)); }, "batch_norm: x is float32 and bias is float64");
  expect_error<DTypeError>([&] { batch_norm(ones({2, 3}, DType::int64), running); }, "batch_norm: x is int64");
  expect_error<Error>([&] { batch_norm({}, running); }, "batch_norm: x is undefined");
  expect_error<Error>([&] { batch_norm(x, running, {}, {}, {.momentum = 1.5}); },
                      "batch_norm: momentum must be in [0, 1], got 1.5");
  expect_error<Error>([&] { batch_norm(x, running, {}, {}, {.momentum = nan}); }, "batch_norm: momentum must be");
  expect_error<Error>([&] { batch_norm(x, running, {}, {}, {.epsilon = -1}); },
                      "batch_norm: epsilon must be >= 0, got -1");
}

TEST(BatchNorm, RejectsRunningStatisticsThatDoNotFit) {
  const Tensor x = ones({2, 3, 4});
  const auto evaluate = [&](RunningStatistics running) { batch_norm(x, running, {}, {}, {.training = false}); };
  expect_error<ShapeError>(
      [&] {
        evaluate({ones({4}), ones({3})});
      },
      "batch_norm: running.mean must be [3] for x [2, 3, 4], got [4]");
  expect_error<ShapeError>(
      [&] {
        evaluate({ones({3}), ones({})});
      },
      "batch_norm: running.variance must be [3] for x [2, 3, 4], got []");
  expect_error<DTypeError>(
      [&] {
        evaluate({ones({3}, float64), ones({3})});
      },
      "batch_norm: x is float32 and running.mean is float64");
  expect_error<Error>([&] { evaluate({{}, ones({3})}); }, "batch_norm: running.mean is undefined; evaluation needs");
  expect_error<Error>([&] { evaluate({ones({3}), {}}); }, "batch_norm: running.variance is undefined");
}

TEST(LayerNorm, RejectsWhatDoesNotFit) {
  const Tensor x = ones({2, 3, 4});
  expect_error<ShapeError>([&] { layer_norm(x, ones({3})); },
                           "layer_norm: weight must be [4] for x [2, 3, 4], got [3]");
  expect_error<ShapeError>([&] { layer_norm(x, {}, ones({4}), {.axes = 2}); },
                           "layer_norm: bias must be [3, 4] for x [2, 3, 4], got [4]");
  expect_error<ShapeError>([&] { layer_norm(x, {}, {}, {.axes = 4}); },
                           "layer_norm: axes must be from 1 to x's rank, 3, got 4");
  expect_error<ShapeError>([&] { layer_norm(x, {}, {}, {.axes = 0}); }, "layer_norm: axes must be from 1 to");
  expect_error<ShapeError>([&] { layer_norm(ones({})); }, "layer_norm: axes must be from 1 to x's rank, 0, got 1");
  expect_error<DTypeError>([&] { layer_norm(x, ones({4}, float64)); },
                           "layer_norm: x is float32 and weight is float64");
  expect_error<DTypeError>([&] { layer_norm(ones({2}, DType::int64)); }, "layer_norm: x is int64");
  expect_error<Error>([&] { layer_norm(x, {}, {}, {.epsilon = nan}); }, "layer_norm: epsilon must be >= 0, got nan");
}

TEST(RmsNorm, RejectsWhatDoesNotFit) {
  const Tensor x = ones({2, 3, 4});
  expect_error<ShapeError>([&] { rms_norm(x, ones({3})); }, "rms_norm: weight must be [4] for x [2, 3, 4], got [3]");
  expect_error<ShapeError>([&] { rms_norm(x, {}, {.axes = -1}); }, "rms_norm: axes must be from 1 to x's rank, 3, got");
}

TEST(GroupNorm, RejectsWhatDoesNotFit) {
  const Tensor x = ones({2, 6, 4});
  expect_error<ShapeError>([&] { group_norm(x, 4); }, "group_norm: 4 groups do not divide 6 channels; x is [2, 6, 4]");
  expect_error<ShapeError>([&] { group_norm(x, 0); }, "group_norm: 0 groups do not divide 6 channels");
  expect_error<ShapeError>([&] { group_norm(x, -2); }, "group_norm: -2 groups do not divide 6 channels");
  expect_error<ShapeError>([&] { group_norm(ones({6}), 2); }, "group_norm: x must be [N, C, ...], got [6]");
  expect_error<ShapeError>([&] { group_norm(x, 2, ones({2})); }, "group_norm: weight must be [6] for x [2, 6, 4]");
  expect_error<ShapeError>([&] { instance_norm(x, {}, ones({4})); }, "instance_norm: bias must be [6] for x [2, 6, 4]");
  expect_error<DTypeError>([&] { instance_norm(x, {}, ones({6}, float64)); },
                           "instance_norm: x is float32 and bias is");
}

}  // namespace
}  // namespace wengert
