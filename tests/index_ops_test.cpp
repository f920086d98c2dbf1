#include <random>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

using Values = std::vector<double>;

Tensor counting(const Shape& shape, DType dtype = float64) {
  return arange(static_cast<double>(shape.numel()), dtype).reshape(shape);
}

Tensor indices(const NestedList& data) { return from_data(data, int64); }

Tensor leaf(Tensor x) { return x.requires_grad(true); }

TEST(Gather, PicksElementsAlongAnAxis) {
  const Tensor x = counting({2, 3});
  EXPECT_EQ(values_of(gather(x, 1, indices({{2, 0}, {1, 1}}))), (Values{2, 0, 4, 4}));
  EXPECT_EQ(values_of(gather(x, 0, indices({{1, 0, 1}}))), (Values{3, 1, 5}));
  EXPECT_EQ(values_of(gather(x, -1, indices({{2}}))), (Values{2}));
  EXPECT_EQ(values_of(gather(counting({2, 2, 2}, int64), 1, indices({{{1, 0}}, {{0, 1}}}))), (Values{2, 1, 4, 7}));
  EXPECT_EQ(gather(x, 1, zeros({2, 0}, int64)).shape(), (Shape{2, 0}));
}

TEST(Gather, TakesAnIndexSmallerThanXOffTheAxis) {
  const Tensor x = counting({3, 4, 5});
  EXPECT_EQ(values_of(gather(x, 1, indices({{{3, 2}}, {{0, 1}}}))), (Values{15, 11, 20, 26}));
}

TEST(Gather, NamesAnIndexOutOfRange) {
  const Tensor x = counting({2, 3});
  expect_error<ShapeError>(
      [&] {
        gather(x, 1, indices({{0, 1}, {3, 0}}));
      },
      "gather: index 3 at position [1, 0] is out of range for axis 1 of size 3");
  expect_error<ShapeError>([&] { gather(x, 0, indices({{0, -1}})); }, "gather: index -1 at position [0, 1]");
  expect_error<ShapeError>([&] { gather(x, 1, indices({0})); },
                           "gather: index of shape [1] must have as many axes as x of shape [2, 3]");
  expect_error<ShapeError>([&] { gather(x, 1, zeros({3, 1}, int64)); }, "no larger off axis 1");
  expect_error<DTypeError>([&] { gather(x, 1, zeros({2, 1})); }, "gather: index must be int64, got float32");
  expect_error<Error>([&] { gather(x, 1, Tensor()); }, "gather: index is undefined");
}

TEST(Gather, AddsUpGradientsOfOneElement) {
  Tensor x = leaf(counting({2, 3}));
  sum(gather(x, 1, indices({{2, 2, 0}, {1, 1, 1}})) * from_data({{1, 2, 4}, {8, 16, 32}}, float64)).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{4, 0, 3, 0, 56, 0}));
}

TEST(Gather, HasSecondDerivatives) {
  Tensor x = leaf(from_data({1, 2, 3}, float64));
  const Tensor first = grad(sum(pow(gather(x, 0, indices({2, 0, 2})), 3)), x, {.create_graph = true});
  EXPECT_EQ(values_of(first), (Values{3, 0, 54}));
  EXPECT_EQ(values_of(grad(sum(first), x)), (Values{6, 0, 36}));
}

TEST(ScatterAdd, AddsAtEachIndex) {
  const Tensor x = full({2, 3}, 10, float64);
  const Tensor y = scatter_add(x, 1, indices({{0, 0}, {2, 1}}), from_data({{1, 2}, {3, 4}}, float64));
  EXPECT_EQ(values_of(y), (Values{13, 10, 10, 10, 14, 13}));
  EXPECT_EQ(values_of(x), Values(6, 10));
  EXPECT_EQ(values_of(scatter_add(zeros({2}, int64), 0, indices({1, 1}), indices({5, 6}))), (Values{0, 11}));
}

TEST(ScatterAdd, RejectsWhatDoesNotFit) {
  const Tensor x = zeros({2, 3});
  expect_error<ShapeError>(
      [&] {
        scatter_add(x, 1, indices({{0, 1}}), zeros({1, 1}));
      },
      "scatter_add: source has shape [1, 1], index has [1, 2]; they must be equal");
  expect_error<ShapeError>(
      [&] {
        scatter_add(x, 0, indices({{2}}), zeros({1, 1}));
      },
      "scatter_add: index 2 at position [0, 0] is out of range for axis 0 of size 2");
  expect_error<DTypeError>(
      [&] {
        scatter_add(x, 0, indices({{0}}), zeros({1, 1}, float64));
      },
      "scatter_add: x is float32 and source is float64");
}

TEST(ScatterAdd, GivesGradientsToBoth) {
  Tensor x = leaf(zeros({3}, float64));
  Tensor source = leaf(zeros({2}, float64));
  sum(scatter_add(x, 0, indices({2, 2}), source) * from_data({1, 2, 3}, float64)).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{1, 2, 3}));
  EXPECT_EQ(values_of(source.grad()), (Values{3, 3}));
}

TEST(ScatterAdd, HasTheSameBitsForAnyNumberOfThreads) {
  const int before = num_threads();
  std::mt19937 generator(3);
  std::vector<std::int64_t> index(64 * 4096);
  std::vector<float> source(index.size());
  for (std::int64_t& i : index) i = static_cast<std::int64_t>(generator() % 5);
  for (float& value : source) value = static_cast<float>(generator() % 1000) / 7.0f;
  const auto run = [&](int threads) {
    set_num_threads(threads);
    const Tensor by_row =
        scatter_add(zeros({64, 5}), 1, from_vector(index, {64, 4096}), from_vector(source, {64, 4096}));
    const Tensor by_column =
        scatter_add(zeros({5, 64}), 0, from_vector(index, {4096, 64}), from_vector(source, {4096, 64}));
    return values_of(cat({flatten(by_row), flatten(by_column)}));
  };
  const Values alone = run(1);
  EXPECT_EQ(run(4), alone);
  set_num_threads(before);
}

TEST(IndexSelect, CopiesRows) {
  const Tensor x = counting({3, 2});
  EXPECT_EQ(values_of(index_select(x, 0, indices({2, 0, 2}))), (Values{4, 5, 0, 1, 4, 5}));
  EXPECT_EQ(values_of(index_select(x, 1, indices({1}))), (Values{1, 3, 5}));
  EXPECT_EQ(values_of(index_select(counting({2, 3, 2}, int64), 1, indices({2, 0}))),
            (Values{4, 5, 0, 1, 10, 11, 6, 7}));
  EXPECT_EQ(values_of(index_select(counting({4}, float32), 0, indices({3, 1}))), (Values{3, 1}));
  EXPECT_EQ(index_select(x, 0, zeros({0}, int64)).shape(), (Shape{0, 2}));
}

TEST(IndexSelect, NamesAnIndexOutOfRange) {
  const Tensor x = counting({3, 2});
  expect_error<ShapeError>(
      [&] {
        index_select(x, 0, indices({0, 3}));
      },
      "index_select: index 3 at position [1] is out of range for axis 0 of size 3");
  expect_error<ShapeError>([&] { index_select(x, 0, indices({{0}})); },
                           "index_select: index must have one axis, its shape is [1, 1]");
  expect_error<ShapeError>([&] { index_select(zeros({0, 2}), 0, indices({0})); }, "out of range for axis 0 of size 0");
}

TEST(IndexSelect, AddsUpGradientsOfOneRow) {
  Tensor table = leaf(zeros({4, 70}, float64));
  const Tensor weight = counting({3, 70});
  sum(index_select(table, 0, indices({1, 3, 1})) * weight).backward();
  EXPECT_EQ(values_of(table.grad()[1]), values_of(weight[0] + weight[2]));
  EXPECT_EQ(values_of(table.grad()[3]), values_of(weight[1]));
  EXPECT_EQ(values_of(table.grad()[0]), Values(70, 0));
}

TEST(IndexSelect, HasSecondDerivatives) {
  Tensor x = leaf(from_data({{1, 2, 3}}, float64));
  const Tensor first = grad(sum(pow(index_select(x, 1, indices({2, 2})), 3)), x, {.create_graph = true});
  EXPECT_EQ(values_of(first), (Values{0, 0, 54}));
  EXPECT_EQ(values_of(grad(sum(first), x)), (Values{0, 0, 36}));
}

TEST(OneHot, PutsAOneAtEachIndex) {
  EXPECT_EQ(values_of(one_hot(indices({2, 0}), 3)), (Values{0, 0, 1, 1, 0, 0}));
  EXPECT_EQ(one_hot(indices({{1}, {0}}), 2, int64).shape(), (Shape{2, 1, 2}));
  EXPECT_EQ(values_of(one_hot(indices(1), 2, float64)), (Values{0, 1}));
  EXPECT_EQ(one_hot(zeros({0}, int64), 0).shape(), (Shape{0, 0}));
}

TEST(OneHot, NamesAnIndexOutOfRange) {
  expect_error<ShapeError>(
      [] {
        one_hot(indices({0, 3}), 3);
      },
      "one_hot: index 3 at position [1] is out of range for 3 classes");
  expect_error<ShapeError>([] { one_hot(indices({0}), -1); }, "one_hot: classes must be >= 0, got -1");
  expect_error<DTypeError>([] { one_hot(zeros({2}), 3); }, "one_hot: index must be int64, got float32");
}

}  // namespace
}  // namespace wengert
