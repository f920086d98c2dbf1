#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

using Values = std::vector<double>;

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor noise(const Shape& shape, DType dtype = float64, unsigned seed = 1) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (double& value : values) value = uniform(generator);
  return from_vector(values, shape).to(dtype);
}

/// x reduced over the axes in bit set `axes`, one element after the other.
template <class F>
Values reference(const Tensor& x, unsigned axes, double start, F combine) {
  const Shape& shape = x.shape();
  std::int64_t results = 1;
  for (int axis = 0; axis < x.rank(); ++axis) results *= (axes >> axis & 1U) != 0 ? 1 : shape[axis];
  Values out(static_cast<std::size_t>(results), start);
  const Values values = values_of(x);
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    std::int64_t rest = i;
    std::int64_t position = 0;
    std::int64_t stride = 1;
    for (int axis = x.rank() - 1; axis >= 0; --axis) {
      const std::int64_t index = rest % shape[axis];
      rest /= shape[axis];
      if ((axes >> axis & 1U) != 0) continue;
      position += index * stride;
      stride *= shape[axis];
    }
    double& slot = out[static_cast<std::size_t>(position)];
    slot = combine(slot, values[static_cast<std::size_t>(i)]);
  }
  return out;
}

void expect_near(const Values& actual, const Values& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) ASSERT_NEAR(actual[i], expected[i], tolerance) << "element " << i;
}

TEST(Reduce, AgreesWithALoopOverAnyAxes) {
  for (const Shape& shape : {Shape{5}, Shape{3, 4}, Shape{7, 1, 9}, Shape{2, 3, 4, 5}, Shape{17, 33}, Shape{300, 7},
                             Shape{2, 150, 70}, Shape{3, 2, 1, 4, 2}, Shape{600, 3, 5}, Shape{4, 1100}}) {
    const Tensor x = noise(shape);
    for (unsigned set = 1; set < 1U << shape.rank(); ++set) {
      SCOPED_TRACE(shape.to_string() + " axes " + std::to_string(set));
      Axes axes;
      for (int axis = 0; axis < shape.rank(); ++axis) {
        if ((set >> axis & 1U) != 0) axes.push_back(axis);
      }
      expect_near(values_of(sum(x, axes)), reference(x, set, 0, std::plus<>()), 1e-11);
      const auto larger = [](double a, double b) { return std::max(a, b); };
      EXPECT_EQ(values_of(max(x, axes)), reference(x, set, -infinity, larger));
      const auto smaller = [](double a, double b) { return std::min(a, b); };
      EXPECT_EQ(values_of(min(x, axes)), reference(x, set, infinity, smaller));
    }
  }
}

TEST(Reduce, AgreesWithALoopForEveryShortLength) {
  for (std::int64_t n = 1; n < 80; ++n) {
    const Tensor x = arange(0, static_cast<double>(3 * n), 1, float32).reshape({3, n});
    EXPECT_EQ(values_of(sum(x, {1})), reference(x, 2, 0, std::plus<>())) << n;
    EXPECT_EQ(values_of(sum(x, {0})), reference(x, 1, 0, std::plus<>())) << n;
    EXPECT_EQ(values_of(max(x, {1})), values_of(transpose(x)[n - 1])) << n;
  }
}

TEST(Reduce, DropsReducedAxesOrKeepsThemWithSizeOne) {
  const Tensor x = zeros({2, 3, 4});
  EXPECT_EQ(sum(x).shape(), Shape{});
  EXPECT_EQ(sum(x, {}, true).shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(sum(x, {-1}).shape(), (Shape{2, 3}));
  EXPECT_EQ(mean(x, {0, 2}).shape(), (Shape{3}));
  EXPECT_EQ(max(x, {0, 2}, true).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(argmax(x, 1).shape(), (Shape{2, 4}));
  EXPECT_EQ(argmax(x, 1, true).shape(), (Shape{2, 1, 4}));
  EXPECT_EQ(logsumexp(x, {1}).shape(), (Shape{2, 4}));
}

TEST(Reduce, RejectsBadAxes) {
  const Tensor x = zeros({2, 3});
  expect_error<ShapeError>([&] { sum(x, {2}); }, "sum: axis 2 is out of range for a tensor of rank 2");
  expect_error<ShapeError>([&] { mean(x, {0, -2}); }, "mean: axis -2 is given twice");
  expect_error<ShapeError>([&] { argmax(x, -3); }, "argmax: axis -3 is out of range");
  expect_error<Error>([] { sum(Tensor()); }, "sum: x is undefined");
  expect_error<DTypeError>([&] { mean(x.to(int64)); }, "mean: x is int64");
}

TEST(Reduce, HasTheSameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  const Tensor x = noise({1 << 20}, float32);
  for (const Shape& shape : {Shape{1 << 20}, Shape{1 << 17, 8}, Shape{1024, 1024}, Shape{4, 1 << 16, 4}}) {
    const Tensor y = x.reshape(shape);
    for (int axis = 0; axis < shape.rank(); ++axis) {
      set_num_threads(1);
      const Values alone = values_of(sum(y, {axis}));
      const Values best = values_of(argmax(y, axis));
      set_num_threads(4);
      EXPECT_EQ(values_of(sum(y, {axis})), alone) << shape << " axis " << axis;
      EXPECT_EQ(values_of(argmax(y, axis)), best) << shape << " axis " << axis;
    }
  }
  set_num_threads(before);
}

TEST(Sum, OfNothingIsZero) {
  EXPECT_EQ(sum(zeros({0})).item(), 0);
  EXPECT_EQ(values_of(sum(zeros({0, 3}), {0})), (Values{0, 0, 0}));
  EXPECT_EQ(sum(zeros({0, 3}), {1}).shape(), (Shape{0}));
}

TEST(Sum, TakesIntegersBeyondTheRangeOfDouble) {
  const std::int64_t big = (std::int64_t{1} << 53) + 1;
  EXPECT_EQ(sum(from_vector<std::int64_t>({big, big, -big})).item<std::int64_t>(), big);
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(sum(from_vector<std::int64_t>({most, 1})).item<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
}

TEST(Sum, StaysAccurateOverMillionsOfFloats) {
  // One running sum would stop growing at 2^24.
  EXPECT_EQ(sum(ones({20'000'000})).item(), 20'000'000);
  EXPECT_NEAR(mean(full({5'000'000, 2}, 0.1), {0})[1].item(), 0.1, 1e-7);
}

TEST(Sum, OfOneElementEachSharesTheBuffer) {
  const Tensor x = arange(6).reshape({3, 1, 2});
  const Tensor y = sum(x, {1});
  EXPECT_EQ(y.shape(), (Shape{3, 2}));
  EXPECT_EQ(y.data<float>().data(), x.data<float>().data());
}

TEST(Sum, SpreadsItsGradient) {
  Tensor x = noise({2, 3});
  x.requires_grad(true);
  sum(sum(x, {0}) * from_data({1, 2, 3}, float64)).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{1, 2, 3, 1, 2, 3}));
}

TEST(Mean, DividesByTheCount) {
  const Tensor x = from_data({{1, 2, 3}, {4, 5, 9}});
  EXPECT_EQ(mean(x).item(), 4);
  EXPECT_EQ(values_of(mean(x, {1})), (Values{2, 6}));
  EXPECT_EQ(values_of(mean(x, {0})), (Values{2.5, 3.5, 6}));
  expect_error<ShapeError>(
      [] {
        mean(zeros({0, 3}), {0});
      },
      "mean: there is nothing to average in a tensor of shape [0, 3]");
  EXPECT_EQ(mean(zeros({0, 3}), {1}).shape(), (Shape{0}));
}

TEST(Mean, SharesItsGradientEvenly) {
  Tensor x = noise({2, 4});
  x.requires_grad(true);
  sum(mean(x, {1}) * from_data({4, 8}, float64)).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{1, 1, 1, 1, 2, 2, 2, 2}));
}

TEST(Max, IsNanIfOneIsThere) {
  for (std::int64_t n : {2, 20, 300}) {
    for (std::int64_t at = 0; at < n; ++at) {
      std::vector<float> values(static_cast<std::size_t>(n), 1.0f);
      values[static_cast<std::size_t>(at)] = NAN;
      const Tensor x = from_vector(values);
      EXPECT_TRUE(std::isnan(max(x).item())) << n << " " << at;
      EXPECT_TRUE(std::isnan(min(x).item())) << n << " " << at;
      EXPECT_TRUE(std::isnan(max(x.reshape({n, 1}) * ones({1, 2}), {0})[1].item())) << n << " " << at;
    }
  }
}

TEST(Max, TakesIntegersAndInfinities) {
  EXPECT_EQ(max(from_data({-5, -3}, int64)).item<std::int64_t>(), -3);
  EXPECT_EQ(max(full({3}, -infinity)).item(), -infinity);
  EXPECT_EQ(min(from_data({-infinity, 0})).item(), -infinity);
}

TEST(Max, ThrowsWithoutAnElementToChoose) {
  expect_error<ShapeError>(
      [] {
        max(zeros({2, 0}), {1});
      },
      "max: there is no element to choose from in a tensor of shape [2, 0]");
  expect_error<ShapeError>([] { min(zeros({0})); }, "min: there is no element");
  expect_error<ShapeError>([] { argmax(zeros({2, 0})); }, "argmax: axis 1 of shape [2, 0] has no element");
  EXPECT_EQ(max(zeros({0, 3}), {1}).shape(), (Shape{0}));
}

TEST(Max, SharesTheGradientAmongTies) {
  Tensor x = from_data({{3, 1, 3}, {0, 5, 2}}, float64);
  x.requires_grad(true);
  sum(max(x, {1}) * from_data({4, 7}, float64)).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{2, 0, 2, 0, 7, 0}));
}

TEST(Max, GivesNanItsGradient) {
  Tensor x = from_data({1, NAN, 2}, float64);
  x.requires_grad(true);
  max(x).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{0, 1, 0}));
}

TEST(Max, HasSecondDerivativesThroughItsGradient) {
  Tensor x = from_data({1, 3}, float64);
  x.requires_grad(true);
  const Tensor first = grad(pow(max(x), 3), x, {.create_graph = true});
  EXPECT_EQ(values_of(first), (Values{0, 27}));
  EXPECT_EQ(values_of(grad(sum(first), x)), (Values{0, 18}));
}

TEST(Argmax, GivesTheFirstOfTheLargest) {
  EXPECT_EQ(values_of(argmax(from_data({{1, 4, 4}, {9, 9, 2}}))), (Values{1, 0}));
  EXPECT_EQ(values_of(argmax(from_data({{1, 4, 4}, {9, 4, 2}}), 0)), (Values{1, 0, 0}));
  EXPECT_EQ(argmax(from_data({-7, -9}, int64)).item<std::int64_t>(), 0);
  EXPECT_EQ(argmax(full({4}, -infinity)).item<std::int64_t>(), 0);
  EXPECT_EQ(argmax(zeros({2})).dtype(), int64);
}

TEST(Argmax, TakesNanForTheLargest) {
  EXPECT_EQ(argmax(from_data({1, NAN, infinity, NAN})).item<std::int64_t>(), 1);
  EXPECT_EQ(values_of(argmax(from_data({{1, NAN}, {NAN, infinity}, {NAN, NAN}}), 0)), (Values{1, 0}));
}

TEST(LogSumExp, DoesNotOverflow) {
  const Tensor x = from_data({{1000, 1000}, {-1000, -1000}}, float64);
  expect_near(values_of(logsumexp(x, {1})), {1000 + std::log(2.0), -1000 + std::log(2.0)}, 1e-10);
}

TEST(LogSumExp, KeepsInfinitiesAndNan) {
  EXPECT_EQ(logsumexp(full({3}, -infinity)).item(), -infinity);
  EXPECT_EQ(logsumexp(from_data({-infinity, 2})).item(), 2);
  EXPECT_EQ(logsumexp(from_data({infinity, 2})).item(), infinity);
  EXPECT_TRUE(std::isnan(logsumexp(from_data({NAN, 2})).item()));
  EXPECT_EQ(logsumexp(zeros({0})).item(), -infinity);
}

TEST(LogSumExp, HasTheSoftmaxAsGradient) {
  Tensor x = from_data({{0, std::log(3.0)}, {-infinity, 5}, {-infinity, -infinity}}, float64);
  x.requires_grad(true);
  sum(logsumexp(x, {1})).backward();
  expect_near(values_of(x.grad()), {0.25, 0.75, 0, 1, 0, 0}, 1e-12);
}

TEST(LogSumExp, HasTheSoftmaxJacobianAsSecondDerivative) {
  Tensor x = from_data({0, std::log(3.0)}, float64);
  x.requires_grad(true);
  const Tensor softmax = grad(logsumexp(x), x, {.create_graph = true});
  expect_near(values_of(grad(softmax[0], x)), {0.25 * 0.75, -0.25 * 0.75}, 1e-12);
}

TEST(SumTo, UndoesABroadcast) {
  const Tensor x = arange(24, float64).reshape({2, 3, 4});
  EXPECT_EQ(sum_to(x, {}).item(), 276);
  EXPECT_EQ(values_of(sum_to(x, {3, 1})), reference(x, 0b101, 0, std::plus<>()));
  EXPECT_EQ(sum_to(x, {1, 1, 4}).shape(), (Shape{1, 1, 4}));
  EXPECT_EQ(values_of(sum_to(x, {4})), reference(x, 0b011, 0, std::plus<>()));
  EXPECT_EQ(values_of(sum_to(zeros({0, 2}), {1, 2})), (Values{0, 0}));
  expect_error<ShapeError>([&] { sum_to(x, {3}); }, "sum_to: shape [3] does not broadcast to x's shape [2, 3, 4]");
}

TEST(SumTo, IsTheGradientOfBroadcastToAndTheOtherWayRound) {
  Tensor x = from_data({{1}, {2}}, float64);
  x.requires_grad(true);
  sum(broadcast_to(x, {3, 2, 2}) * arange(12, float64).reshape({3, 2, 2})).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{0 + 1 + 4 + 5 + 8 + 9, 2 + 3 + 6 + 7 + 10 + 11}));
  Tensor y = zeros({2, 2}, float64);
  y.requires_grad(true);
  sum(sum_to(y, {2}) * from_data({3, 4}, float64)).backward();
  EXPECT_EQ(values_of(y.grad()), (Values{3, 4, 3, 4}));
}

}  // namespace
}  // namespace wengert
