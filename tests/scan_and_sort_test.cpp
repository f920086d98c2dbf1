#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

using Numbers = std::vector<double>;

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan = std::nan("");

Tensor numbers(const Numbers& values) { return from_vector(values); }
Tensor leaf(const Numbers& values) { return from_vector(values).requires_grad(true); }

/// Gradcheck of orders 1 and 2 of `f` at `values`, kinks included where f has none.
void expect_gradients(Tensor (*f)(const Tensor&), const Numbers& values) {
  const auto apply = [f](const std::vector<Tensor>& inputs) { return f(inputs[0]); };
  const GradcheckReport report = gradcheck(apply, {leaf(values)}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
}

/// The gradient of the sum of the op's result.
Numbers gradient_of(Tensor (*f)(const Tensor&), const Numbers& values) {
  const Tensor x = leaf(values);
  return values_of(grad(sum(f(x)), x));
}

TEST(Prod, HasItsGradientsWhereElementsAreZero) {
  const auto f = [](const Tensor& x) { return prod(x); };
  EXPECT_EQ(gradient_of(f, {2, 0, 3}), (Numbers{0, 6, 0}));
  EXPECT_EQ(gradient_of(f, {2, 0, 3, 0}), (Numbers{0, 0, 0, 0}));
  expect_gradients(f, {2, 0, 3});
  expect_gradients(f, {0, 1.5, 0, 3});
  expect_gradients(f, {0, 0, 0});
}

TEST(Prod, HasAThirdDerivativeThroughZeros) {
  // d3/dx dy dz of x y z is 1 for each of the 6 orders, and 0 where a variable repeats.
  const Tensor x = leaf({0, 0, 0});
  Tensor y = prod(x);
  for (int order = 0; order < 3; ++order) y = sum(grad(y, x, {.create_graph = order < 2}));
  EXPECT_EQ(y.item<double>(), 6);
}

TEST(Prod, HasGradientsOfGroupsWhoseProductsLeaveTheRange) {
  const auto gradient = [](const Numbers& row) { return gradient_of([](const Tensor& x) { return prod(x); }, row); };
  EXPECT_EQ(gradient({1e200, 0x1p-1000, 1e200}), (Numbers{0x1p-1000 * 1e200, infinity, 1e200 * 0x1p-1000}));
  EXPECT_EQ(gradient({1e-200, 1e-200, 0.5}), (Numbers{1e-200 * 0.5, 1e-200 * 0.5, 0}));
  EXPECT_EQ(gradient({infinity, 2, 3}), (Numbers{6, infinity, infinity}));
  const Numbers with_nan = gradient({nan, 2, 3});
  EXPECT_EQ(with_nan[0], 6);
  EXPECT_TRUE(std::isnan(with_nan[1]) && std::isnan(with_nan[2]));
}

TEST(Prod, HasGradientsOfProductsThatLoseDigitsOnTheWay) {
  // A part of these products is subnormal, the whole is not.
  EXPECT_NEAR(gradient_of([](const Tensor& x) { return prod(x); }, {1e-200, 1e-120, 1e100})[0], 1e-20, 1e-33);
  const Tensor x = from_data({1e-30, 1e-12, 1e20}).requires_grad(true);
  prod(x).backward();
  EXPECT_NEAR(values_of(x.grad())[0], 1e8, 100);
}

TEST(Prod, HasFiniteGradientsWhereWhatComesBeforeAndAfterDoesNot) {
  const auto gradient = [](const Numbers& row) {
    const Tensor x = numbers(row).to(float32).requires_grad(true);
    prod(x).backward();
    return values_of(x.grad());
  };
  EXPECT_NEAR(gradient({1e-30, 1e-30, 2, 1e30, 1e30})[2], 1, 1e-6);
  EXPECT_EQ(gradient({0, 1e-30, 1e-30, 1e30, 1e30})[2], 0);
  EXPECT_NEAR(gradient_of([](const Tensor& x) { return prod(x); }, {1e-300, 1e-300, 3, 1e300, 1e300})[2], 1, 1e-12);
  // 0 times a product of the others that is out of range.
  const auto scaled_by_zero = [](const Tensor& x) { return 0 * prod(x); };
  const Tensor x = from_data({1e-40, 1e30, 1e30}).requires_grad(true);
  scaled_by_zero(x).backward();
  EXPECT_EQ(values_of(x.grad()), (Numbers{0, 0, 0}));
}

TEST(Prod, HasTheGradientOfAPlainLoop) {
  // Groups with zeros beside others, shorter and longer than packets and than chunks of a parallel loop.
  for (const std::int64_t count : {1, 2, 7, 16, 33, 70001}) {
    std::vector<float> x;
    for (std::int64_t i = 0; i < 3 * count; ++i) x.push_back(i % 2 == 0 ? 1.0001F : 0.9999F);
    x[static_cast<std::size_t>(count)] = 0;  // in the second of three groups
    Tensor tensor = from_vector(x).reshape({3, count}).requires_grad(true);
    prod(tensor, {1}).backward(from_data({2, 3, 4}, float32));
    const Tensor gradient = tensor.grad();
    for (std::int64_t group = 0; group < 3; ++group) {
      double product = static_cast<double>(group) + 2;
      for (std::int64_t i = 0; i < count; ++i) {
        const float v = x[static_cast<std::size_t>(group * count + i)];
        product *= v == 0 ? 1 : static_cast<double>(v);
      }
      for (std::int64_t i = 0; i < count; ++i) {
        const double v = x[static_cast<std::size_t>(group * count + i)];
        const double expected = group == 1 ? (i == 0 ? product : 0) : product / v;
        ASSERT_NEAR(gradient.data<float>()[static_cast<std::size_t>(group * count + i)], expected, 1e-3 * expected)
            << "count " << count << ", group " << group << ", element " << i;
      }
    }
  }
}

TEST(Prod, OfNothingIsOne) {
  EXPECT_EQ(prod(zeros({0})).item<float>(), 1);
  EXPECT_EQ(values_of(prod(zeros({2, 0}), {1})), (Numbers{1, 1}));
}

TEST(Cumsum, AddsFloatsInDouble) {
  const Tensor x = full({100000}, 0.1, float32);
  EXPECT_EQ(slice(cumsum(x), 0, -1, 100000).item<float>(), static_cast<float>(100000.0 * double(0.1F)));
}

TEST(Cumsum, WrapsIntegersAround) {
  const Tensor x = from_vector(std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::max(), 1});
  EXPECT_EQ(cumsum(x).data<std::int64_t>()[1], std::numeric_limits<std::int64_t>::min());
}

TEST(Cumprod, HasItsGradientsWhereElementsAreZero) {
  const auto f = [](const Tensor& x) { return cumprod(x, 0); };
  EXPECT_EQ(gradient_of(f, {2, 0, 3}), (Numbers{1, 8, 0}));
  expect_gradients(f, {2, 0, 3, 0, 1});
  expect_gradients(f, {0, 0, 0});
}

TEST(Scans, RejectAnAxisThatIsNotThere) {
  expect_error<ShapeError>([] { cumsum(numbers({1}), 1); }, "cumsum: axis 1");
  expect_error<ShapeError>([] { cumprod(numbers({1}), -2); }, "cumprod: axis -2");
}

TEST(Sort, KeepsEqualElementsInOrderBothWays) {
  const Tensor x = numbers({2, 1, 2, 1});
  EXPECT_EQ(values_of(sort(x).indices), (Numbers{1, 3, 0, 2}));
  EXPECT_EQ(values_of(sort(x, 0, true).indices), (Numbers{0, 2, 1, 3}));
  EXPECT_EQ(values_of(argsort(x, 0, true)), (Numbers{0, 2, 1, 3}));
}

TEST(Sort, TakesNanForTheLargest) {
  const Tensor x = numbers({nan, infinity, 1, nan, -infinity});
  EXPECT_EQ(values_of(argsort(x)), (Numbers{4, 2, 1, 0, 3}));
  EXPECT_EQ(values_of(argsort(x, 0, true)), (Numbers{0, 3, 1, 2, 4}));
}

TEST(Sort, SendsTheGradientBackToWhereElementsStood) {
  const Tensor x = leaf({3, 1, 2});
  const auto [values, indices] = sort(x);
  EXPECT_EQ(values_of(grad(values, x, {.grad_outputs = {numbers({10, 20, 30})}})), (Numbers{30, 10, 20}));
  EXPECT_FALSE(indices.requires_grad());
}

TEST(TopK, ChoosesInOrder) {
  const Tensor x = numbers({3, 5, 1, 5});
  const auto [values, indices] = topk(x, 3);
  EXPECT_EQ(values_of(values), (Numbers{5, 5, 3}));
  EXPECT_EQ(values_of(indices), (Numbers{1, 3, 0}));
  EXPECT_EQ(values_of(topk(x, 2, 0, false).values), (Numbers{1, 3}));
  EXPECT_EQ(topk(x, 0).values.shape(), Shape{0});
}

TEST(TopK, RejectsMoreThanThereAre) {
  expect_error<ShapeError>([] { topk(numbers({1, 2}), 3); }, "topk: k is 3, but axis 0 of shape [2] has 2 elements");
  expect_error<ShapeError>([] { topk(numbers({1, 2}), -1); }, "topk: k is -1");
}

TEST(MaxWithIndex, GivesTheFirstOfEqualOnesAllOfTheGradient) {
  const Tensor x = leaf({1, 5, 5});
  const auto [value, index] = max_with_index(x);
  EXPECT_EQ(value.item<double>(), 5);
  EXPECT_EQ(index.item<std::int64_t>(), 1);
  EXPECT_EQ(values_of(grad(value, x)), (Numbers{0, 1, 0}));
}

TEST(MaxWithIndex, FindsNanAndRejectsNothing) {
  EXPECT_EQ(max_with_index(numbers({1, nan, 5})).indices.item<std::int64_t>(), 1);
  EXPECT_EQ(min_with_index(numbers({1, nan, 5})).indices.item<std::int64_t>(), 1);
  expect_error<ShapeError>([] { max_with_index(zeros({2, 0})); }, "max_with_index: axis 1 of shape [2, 0]");
}

TEST(Argmin, FindsTheFirstSmallestAlongAnyAxis) {
  const Tensor x = from_vector(Numbers{4, 2, 2, 1, 7, nan}, {2, 3});
  EXPECT_EQ(values_of(argmin(x, 1)), (Numbers{1, 2}));
  EXPECT_EQ(values_of(argmin(x, 0)), (Numbers{1, 0, 1}));
}

TEST(AnyAndAll, TakeNanForTrueAndKnowTheEmptySet) {
  const Tensor x = from_vector(Numbers{0, 0, 0, nan, 1, 2}, {3, 2});
  EXPECT_EQ(values_of(any(x, {1})), (Numbers{0, 1, 1}));
  EXPECT_EQ(values_of(all(x, {1})), (Numbers{0, 0, 1}));
  EXPECT_EQ(any(zeros({0})).item<float>(), 0);
  EXPECT_EQ(all(zeros({0})).item<float>(), 1);
}

TEST(Median, IsTheMeanOfTheMiddleTwo) {
  EXPECT_EQ(median(numbers({4, 1, 3, 2})).item<double>(), 2.5);
  EXPECT_EQ(median(numbers({7})).item<double>(), 7);
  EXPECT_EQ(gradient_of([](const Tensor& x) { return median(x); }, {4, 1, 3, 2}), (Numbers{0, 0, 0.5, 0.5}));
}

TEST(Median, OfNanIsNanAndOfNothingAnError) {
  EXPECT_TRUE(std::isnan(median(numbers({1, nan, 2})).item<double>()));
  EXPECT_EQ(gradient_of([](const Tensor& x) { return median(x); }, {1, nan, 2}), (Numbers{0, 1, 0}));
  expect_error<ShapeError>([] { median(zeros({2, 0}), {1}); }, "median: there is no element to choose from");
}

TEST(Std, HasGradientZeroWhereThereIsNoDeviation) {
  EXPECT_EQ(gradient_of([](const Tensor& x) { return wengert::std(x); }, {2, 2, 2}), (Numbers{0, 0, 0}));
}

TEST(Var, StaysAccurateFarFromZero) { EXPECT_EQ(var(numbers({1e9 + 1, 1e9 + 2, 1e9 + 3})).item<double>(), 1); }

TEST(Var, RejectsTooFewElements) {
  expect_error<ShapeError>([] { var(numbers({1})); }, "var: 1 elements are too few with correction 1; x has shape [1]");
  EXPECT_EQ(var(numbers({1}), {}, {.correction = 0}).item<double>(), 0);
}

TEST(Norm, DoesNotOverflowOrUnderflowOnTheWay) {
  for (const double p : {2.0, 3.0}) {
    EXPECT_NEAR(norm(numbers({3e200, 4e200}), p).item<double>() / 1e200, norm(numbers({3, 4}), p).item<double>(),
                1e-14);
    EXPECT_NEAR(norm(numbers({3e-200, 4e-200}), p).item<double>() * 1e200, norm(numbers({3, 4}), p).item<double>(),
                1e-14);
  }
  EXPECT_EQ(norm(numbers({1, -infinity})).item<double>(), infinity);
  EXPECT_TRUE(std::isnan(norm(numbers({1, nan})).item<double>()));
}

TEST(Norm, HasGradientZeroAtZero) {
  EXPECT_EQ(gradient_of([](const Tensor& x) { return norm(x); }, {0, 0}), (Numbers{0, 0}));
  EXPECT_EQ(gradient_of([](const Tensor& x) { return norm(x, 1); }, {0, 2}), (Numbers{0, 1}));
  EXPECT_EQ(gradient_of([](const Tensor& x) { return norm(x, 3); }, {0, 0}), (Numbers{0, 0}));
  EXPECT_EQ(gradient_of([](const Tensor& x) { return norm(x, 0.5); }, {0, 4}), (Numbers{0, 1}));
  EXPECT_EQ(gradient_of([](const Tensor& x) { return norm(x, infinity); }, {-3, 3, 1}), (Numbers{-0.5, 0.5, 0}));
}

TEST(Norm, TakesPositivePowersOnly) {
  expect_error<Error>([] { norm(numbers({1}), 0); }, "norm: p must be > 0, got 0");
  expect_error<Error>([] { norm(numbers({1}), nan); }, "norm: p must be > 0, got nan");
}

}  // namespace
}  // namespace wengert
