#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <wengert/autograd/memory.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/tape.h>

#include "autograd/kernels/gemm.h"
#include "tests/expect.h"
#include "tests/whole.h"

namespace wengert {
namespace {

using kernels::Store;
using kernels::Trans;

class Gemm : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(DTypes, Gemm, ::testing::Values(float32, float64),
                         [](const auto& test) { return name_of(test.param); });

/// The product of whole numbers by the definition and by gemm, inside larger matrices whose rest must stay as it is.
template <class T>
void check_gemm(std::int64_t m, std::int64_t n, std::int64_t k, Trans trans_a, Trans trans_b, Store store) {
  SCOPED_TRACE(testing::Message() << m << " x " << n << " x " << k << ", transposed " << (trans_a == Trans::yes) << " "
                                  << (trans_b == Trans::yes) << ", adds " << (store == Store::add));
  const std::int64_t margin = 3;
  const std::int64_t a_stride = (trans_a == Trans::no ? k : m) + margin;
  const std::int64_t b_stride = (trans_b == Trans::no ? n : k) + margin;
  const std::int64_t c_stride = n == 1 ? 1 : n + margin;
  const Tensor a = whole({(trans_a == Trans::no ? m : k) + 1, a_stride}, 1, dtype_of<T>);
  const Tensor b = whole({(trans_b == Trans::no ? k : n) + 1, b_stride}, 2, dtype_of<T>);
  const Tensor before = whole({m + 1, c_stride}, 3, dtype_of<T>);
  std::vector<T> c(before.data<T>().begin(), before.data<T>().end());
  std::vector<T> expected = c;
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      T sum = store == Store::add ? expected[static_cast<std::size_t>(i * c_stride + j)] : T(0);
      for (std::int64_t p = 0; p < k; ++p) {
        const std::int64_t at_a = trans_a == Trans::no ? i * a_stride + p : p * a_stride + i;
        const std::int64_t at_b = trans_b == Trans::no ? p * b_stride + j : j * b_stride + p;
        sum += a.data<T>()[static_cast<std::size_t>(at_a)] * b.data<T>()[static_cast<std::size_t>(at_b)];
      }
      expected[static_cast<std::size_t>(i * c_stride + j)] = sum;
    }
  }
  const kernels::Factor<T> left{a.data<T>().data(), a_stride, trans_a};
  const kernels::Factor<T> right{b.data<T>().data(), b_stride, trans_b};
  kernels::gemm(m, n, k, left, right, c.data(), c_stride, store);
  EXPECT_TRUE(c == expected);
  if (store == Store::add) return;
  const Tensor bias = whole({n}, 4, dtype_of<T>);
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      expected[static_cast<std::size_t>(i * c_stride + j)] += bias.data<T>()[static_cast<std::size_t>(j)];
    }
  }
  kernels::gemm_with_bias(m, n, k, left, right, bias.data<T>().data(), c.data(), c_stride);
  EXPECT_TRUE(c == expected) << "with a bias";
}

TEST_P(Gemm, MultipliesBlocksOfLargerMatricesOfAnySize) {
  const std::int64_t sizes[][3] = {{1, 1, 1},    {1, 1, 40},     {1, 37, 20},    {37, 1, 20},   {2, 3, 0},
                                   {1, 5, 0},    {5, 1, 0},      {4, 4, 4},      {5, 70, 3},    {7, 5, 70},
                                   {9, 33, 17},  {13, 16, 64},   {20, 100, 50},  {64, 10, 100}, {3, 130, 90},
                                   {70, 70, 70}, {40, 300, 300}, {300, 40, 300}, {60, 12, 300}, {30, 90, 0}};
  for (const auto& [m, n, k] : sizes) {
    for (const Trans trans_a : {Trans::no, Trans::yes}) {
      for (const Trans trans_b : {Trans::no, Trans::yes}) {
        for (const Store store : {Store::overwrite, Store::add}) {
          dispatch_floating(GetParam(),
                            [&, m = m, n = n, k = k]<class T>() { check_gemm<T>(m, n, k, trans_a, trans_b, store); });
        }
      }
    }
  }
}

TEST_P(Gemm, MultipliesSkinnyMatrices) {
  for (const std::int64_t narrow : {2, 3, 4, 5, 6, 7, 10, 15, 17}) {
    for (const Trans trans_a : {Trans::no, Trans::yes}) {
      for (const Trans trans_b : {Trans::no, Trans::yes}) {
        for (const Store store : {Store::overwrite, Store::add}) {
          dispatch_floating(GetParam(), [&]<class T>() {
            check_gemm<T>(45, 70, narrow, trans_a, trans_b, store);
            check_gemm<T>(45, narrow, 70, trans_a, trans_b, store);
            check_gemm<T>(narrow, 45, 70, trans_a, trans_b, store);
            check_gemm<T>(33, narrow, 3, trans_a, trans_b, store);
            check_gemm<T>(narrow, 3, 33, trans_a, trans_b, store);
            check_gemm<T>(1, 20 * narrow, narrow, trans_a, trans_b, store);
          });
        }
      }
    }
  }
}

TEST_P(Gemm, CopiesLargeFactorsBlockByBlock) {
  for (const Trans trans_a : {Trans::no, Trans::yes}) {
    for (const Trans trans_b : {Trans::no, Trans::yes}) {
      dispatch_floating(GetParam(), [&]<class T>() {
        check_gemm<T>(101, 70, 801, trans_a, trans_b, Store::add);  // rows and depth in several blocks
        check_gemm<T>(200, 130, 385, trans_a, trans_b, Store::overwrite);
        check_gemm<T>(30, 3100, 20, trans_a, trans_b, Store::overwrite);  // columns too
      });
    }
  }
}

TEST_P(Gemm, SplitsLargeProductsIntoTiles) {
  for (const Trans trans : {Trans::no, Trans::yes}) {
    dispatch_floating(GetParam(), [&]<class T>() {
      check_gemm<T>(270, 280, 60, trans, !trans, Store::add);
      check_gemm<T>(270, 280, 60, trans, trans, Store::overwrite);
      check_gemm<T>(1, 1500, 1500, Trans::no, trans, Store::add);
    });
  }
}

TEST(Matmul, HasTheSameBitsForAnyNumberOfThreads) {
  const Tensor a = randn({300, 400});
  const Tensor b = randn({400, 310});
  const Tensor batch = randn({24, 30, 40});
  const Tensor row = randn({1, 2000});
  const Tensor wide = randn({2000, 1100});
  const Tensor narrow = randn({30000, 3});
  const Tensor tall = randn({30000, 64});
  const Tensor weight = randn({3, 64});
  const int before = num_threads();
  set_num_threads(1);
  const std::vector<Tensor> expected{
      matmul(a, b),           matmul(batch, ones({1, 40, 30})),
      matmul(row, wide),      matmul(wide, row, {.transpose_a = true, .transpose_b = true}),
      matmul(narrow, weight), matmul(tall, narrow, {.transpose_a = true})};
  for (const int threads : {2, 4}) {
    set_num_threads(threads);
    expect_same(matmul(a, b), expected[0]);
    expect_same(matmul(batch, ones({1, 40, 30})), expected[1]);
    expect_same(matmul(row, wide), expected[2]);
    expect_same(matmul(wide, row, {.transpose_a = true, .transpose_b = true}), expected[3]);
    expect_same(matmul(narrow, weight), expected[4]);
    expect_same(matmul(tall, narrow, {.transpose_a = true}), expected[5]);
  }
  set_num_threads(before);
}

TEST(Matmul, MultipliesVectorsAndMatricesAsNumPyDoes) {
  const Tensor v = from_data({1, 2, 3});
  const Tensor m = from_data({{1, 0, 2}, {0, 3, 1}});
  expect_same(matmul(v, v), full({}, 14));
  expect_same(matmul(m, v), from_data({7, 9}));
  expect_same(matmul(from_data({1, 10}), m), from_data({1, 30, 12}));
  expect_same(matmul(m, from_data({{1}, {2}, {3}})), from_data({{7}, {9}}));
  EXPECT_EQ(matmul(ones({5, 2, 3}), v).shape(), (Shape{5, 2}));
  EXPECT_EQ(matmul(v, ones({5, 3, 4})).shape(), (Shape{5, 4}));
}

TEST(Matmul, BroadcastsLeadingAxes) {
  const Tensor a = whole({2, 1, 3, 4}, 1);
  const Tensor b = whole({5, 4, 2}, 2);
  const Tensor y = matmul(a, b);
  ASSERT_EQ(y.shape(), (Shape{2, 5, 3, 2}));
  for (std::int64_t i = 0; i < 2; ++i) {
    for (std::int64_t j = 0; j < 5; ++j) expect_same(y[i][j], matmul(a[i][0], b[j]));
  }
  const Tensor flat = matmul(a, whole({4, 6}, 3));
  ASSERT_EQ(flat.shape(), (Shape{2, 1, 3, 6}));
  expect_same(flat[1][0], matmul(a[1][0], whole({4, 6}, 3)));
}

TEST(Matmul, TakesTransposedSides) {
  const Tensor a = whole({2, 3, 4}, 1);
  const Tensor b = whole({2, 5, 4}, 2);
  const Tensor expected = matmul(a, transpose(b));
  expect_same(matmul(a, b, {.transpose_b = true}), expected);
  expect_same(matmul(transpose(a), b, {.transpose_a = true, .transpose_b = true}), expected);
  expect_same(matmul(from_data({1, 2}), from_data({{1, 2}, {3, 4}}), {.transpose_a = true, .transpose_b = true}),
              from_data({5, 11}));
}

TEST(Matmul, OfNothingIsZeroOrNothing) {
  expect_same(matmul(zeros({2, 0}), zeros({0, 3})), zeros({2, 3}));
  expect_same(matmul(zeros({0}), zeros({0})), zeros({}));
  EXPECT_EQ(matmul(zeros({0, 4}), zeros({4, 3})).shape(), (Shape{0, 3}));
  EXPECT_EQ(matmul(zeros({0, 2, 4}), zeros({4, 3})).shape(), (Shape{0, 2, 3}));
  const Tensor weight = ones({4, 3}).requires_grad(true);
  sum(matmul(zeros({0, 2, 4}), weight)).backward();
  expect_same(weight.grad(), zeros({4, 3}));
}

TEST(Matmul, LetsNaNAndInfinityThroughZeros) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const std::int64_t size : {1, 3, 8, 40, 150, 300}) {
    for (const bool transposed : {false, true}) {
      const MatmulOptions options{.transpose_a = transposed, .transpose_b = transposed};
      const Tensor y = matmul(zeros({size, size}), full({size, size}, infinity), options);
      for (const double value : values_of(y)) ASSERT_TRUE(std::isnan(value)) << size;
    }
  }
}

/// The gradients of sum(g * y) against the textbook's, which are products with transposed copies.
void expect_gradients(const Tensor& a, const Tensor& b, const MatmulOptions& options = {}) {
  const Tensor x = a.detach().requires_grad(true);
  const Tensor w = b.detach().requires_grad(true);
  const Tensor y = matmul(x, w, options);
  const Tensor g = whole(y.shape(), 9);
  const std::vector<Tensor> actual = grad(y, {x, w}, {.grad_outputs = {g}});
  const Tensor left = options.transpose_a ? transpose(a) : a;
  const Tensor right = options.transpose_b ? transpose(b) : b;
  const Tensor gx = matmul(g, transpose(right));
  const Tensor gw = matmul(transpose(left), g);
  expect_same(actual[0], options.transpose_a ? transpose(gx) : sum_to(gx, a.shape()));
  expect_same(actual[1], options.transpose_b ? transpose(gw) : sum_to(gw, b.shape()));
}

TEST(Matmul, HasTheTextbooksGradients) {
  expect_gradients(whole({3, 4}, 1), whole({4, 5}, 2));
  expect_gradients(whole({4, 3}, 1), whole({4, 5}, 2), {.transpose_a = true});
  expect_gradients(whole({3, 4}, 1), whole({5, 4}, 2), {.transpose_b = true});
  expect_gradients(whole({4, 3}, 1), whole({5, 4}, 2), {.transpose_a = true, .transpose_b = true});
  expect_gradients(whole({6, 3, 4}, 1), whole({6, 4, 5}, 2));
}

TEST(Matmul, SumsGradientsOverBroadcastLeadingAxes) {
  expect_gradients(whole({6, 3, 4}, 1), whole({4, 5}, 2));
  expect_gradients(whole({3, 4}, 1), whole({6, 4, 5}, 2));
  expect_gradients(whole({2, 1, 3, 4}, 1), whole({5, 4, 2}, 2));
  expect_gradients(whole({1, 3, 4}, 1), whole({2, 5, 4, 2}, 2));
}

TEST(Matmul, HasSecondDerivativesThatAgreeWithTransposedCopies) {
  const auto second = [](const auto& product, const Shape& a_shape, const Shape& b_shape) {
    const Tensor a = whole(a_shape, 1).requires_grad(true);
    const Tensor b = whole(b_shape, 2).requires_grad(true);
    const Tensor y = product(a, b);
    const std::vector<Tensor> first = grad(sum(y * y * whole(y.shape(), 3)), {a, b}, {.create_graph = true});
    return grad(sum(first[0] * whole(a_shape, 4)) + sum(first[1] * first[1]), {a, b});
  };
  const auto flagged = [](const Tensor& a, const Tensor& b) {
    return matmul(a, b, {.transpose_a = true, .transpose_b = true});
  };
  const auto reference = [](const Tensor& a, const Tensor& b) {
    return sum(unsqueeze(a, -1) * unsqueeze(transpose(b), -2), {-3});
  };
  for (const auto& [a_shape, b_shape] :
       {std::pair{Shape{4, 3}, Shape{5, 4}}, std::pair{Shape{2, 4, 3}, Shape{5, 4}},
        std::pair{Shape{4, 3}, Shape{2, 5, 4}}, std::pair{Shape{2, 1, 4, 3}, Shape{3, 5, 4}}}) {
    const std::vector<Tensor> actual = second(flagged, a_shape, b_shape);
    const std::vector<Tensor> expected = second(reference, a_shape, b_shape);
    expect_same(actual[0], expected[0]);
    expect_same(actual[1], expected[1]);
  }
}

TEST(Matmul, NamesWhatDoesNotFit) {
  expect_error<ShapeError>(
      [] {
        matmul(ones({2, 3}), ones({4, 5}));
      },
      "matmul: columns of a (3) and rows of b (4) must match; a is [2, 3], b is [4, 5]");
  expect_error<ShapeError>(
      [] {
        matmul(ones({2, 3}), ones({3, 5}), {.transpose_b = true});
      },
      "matmul: columns of a (3) and rows of b (5) must match; a is [2, 3], b is [3, 5] transposed");
  expect_error<ShapeError>([] { matmul(ones({3}), ones({4})); }, "a is [3], b is [4]");
  expect_error<ShapeError>([] { matmul(ones({}), ones({4})); }, "matmul: both sides need an axis; a is [], b is [4]");
  expect_error<ShapeError>(
      [] {
        matmul(ones({2, 2, 3}), ones({3, 3, 4}));
      },
      "matmul (leading axes): shapes [2] and [3]");
  expect_error<DTypeError>([] { matmul(ones({2, 2}), ones({2, 2}, float64)); }, "matmul: a is float32");
  expect_error<DTypeError>([] { matmul(ones({2, 2}, int64), ones({2, 2}, int64)); }, "matmul: a is int64");
  expect_error<Error>([] { matmul(Tensor(), ones({2, 2})); }, "matmul: a is undefined");
}

TEST(Linear, IsAProductWithTheTransposedWeightPlusBias) {
  const Tensor weight = whole({5, 4}, 1);
  const Tensor bias = whole({5}, 2);
  for (const Shape& shape : {Shape{4}, Shape{1, 4}, Shape{3, 4}, Shape{40, 4}, Shape{2, 3, 4}, Shape{0, 4}}) {
    const Tensor x = whole(shape, 3);
    expect_same(linear(x, weight), matmul(x, transpose(weight)));
    expect_same(linear(x, weight, bias), matmul(x, transpose(weight)) + bias);
  }
}

TEST(Linear, HasTheGradientsOfTheComposedFormInFirstAndSecondOrder) {
  const auto derivatives = [](const auto& layer, const Shape& shape) {
    const Tensor x = whole(shape, 1).requires_grad(true);
    const Tensor weight = whole({5, 4}, 2).requires_grad(true);
    const Tensor bias = whole({5}, 3).requires_grad(true);
    const Tensor y = layer(x, weight, bias);
    std::vector<Tensor> all = grad(sum(y * y), {x, weight, bias}, {.create_graph = true});
    const Tensor twice = sum(all[0] * all[0]) + sum(all[1] * whole({5, 4}, 4)) + sum(all[2] * all[2]);
    for (const Tensor& gradient : grad(twice, {x, weight, bias})) all.push_back(gradient);
    return all;
  };
  const auto fused = [](const Tensor& x, const Tensor& w, const Tensor& b) { return linear(x, w, b); };
  const auto composed = [](const Tensor& x, const Tensor& w, const Tensor& b) { return matmul(x, transpose(w)) + b; };
  for (const Shape& shape : {Shape{4}, Shape{1, 4}, Shape{3, 4}, Shape{2, 3, 4}, Shape{0, 4}}) {
    SCOPED_TRACE(shape.to_string());
    const std::vector<Tensor> actual = derivatives(fused, shape);
    const std::vector<Tensor> expected = derivatives(composed, shape);
    for (std::size_t i = 0; i < actual.size(); ++i) expect_same(actual[i], expected[i]);
  }
}

TEST(Linear, KeepsOnlyWhatTheNeededGradientsUse) {
  const Tensor bias = zeros({10}).requires_grad(true);
  const std::size_t before = memory::stats().live_bytes;
  const Tensor y = linear(ones({64, 1000}), ones({10, 1000}), bias);
  EXPECT_LT(memory::stats().live_bytes, before + 10'000);
}

TEST(Linear, NamesWhatDoesNotFit) {
  expect_error<ShapeError>(
      [] {
        linear(ones({2, 3}), ones({5, 4}));
      },
      "linear: x must be [..., 4] for weight [5, 4], got [2, 3]");
  expect_error<ShapeError>([] { linear(ones({}), ones({5, 4})); }, "linear: x must be [..., 4]");
  expect_error<ShapeError>([] { linear(ones({2, 4}), ones({4})); }, "linear: weight must be [out, in], got [4]");
  expect_error<ShapeError>(
      [] {
        linear(ones({2, 4}), ones({5, 4}), ones({4}));
      },
      "linear: bias must be [5] for weight [5, 4], got [4]");
  expect_error<DTypeError>([] { linear(ones({2, 4}), ones({5, 4}), ones({5}, float64)); }, "linear: x is float32");
}

}  // namespace
}  // namespace wengert
