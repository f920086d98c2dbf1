#include <cmath>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

TEST(Shape, HoldsUpToEightAxes) {
  const Shape shape{2, 3, 4};
  EXPECT_EQ(shape.rank(), 3);
  EXPECT_EQ(shape.numel(), 24);
  EXPECT_EQ(shape.to_string(), "[2, 3, 4]");
  EXPECT_EQ(Shape{}.numel(), 1);
  EXPECT_EQ((Shape{3, 0, 5}.numel()), 0);
  EXPECT_EQ((Shape{1, 1, 1, 1, 1, 1, 1, 2}.rank()), 8);
  expect_error<ShapeError>([] { (void)Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}; }, "at most 8 axes, got 9");
}

TEST(Shape, RejectsNegativeAndOverflowingSizes) {
  expect_error<ShapeError>([] { (void)Shape{2, -3}; }, "sizes must be >= 0, got [2, -3]");
  const std::int64_t big = std::int64_t{1} << 40;
  expect_error<ShapeError>([&] { (void)Shape{big, big}; }, "more elements than fit in memory");
  EXPECT_EQ((Shape{0, big}.numel()), 0);
}

TEST(Shape, StaysWithinMemoryHoweverItCameAbout) {
  const std::int64_t huge = std::int64_t{1} << 61;
  const std::string_view text = "more elements than fit in memory";
  expect_error<ShapeError>([&] { zeros({huge}, float64); }, text);
  expect_error<ShapeError>([&] { (void)Shape{8}.inserted(1, huge); }, text);
  expect_error<ShapeError>([&] { (void)Shape{0, 4}.with(0, huge); }, text);
  expect_error<ShapeError>([&] { (void)Shape{0, std::int64_t{1} << 40, std::int64_t{1} << 40}; }, text);
  expect_error<ShapeError>([&] { one_hot(zeros({8}, int64), huge); }, text);
  expect_error<ShapeError>([&] { pad(ones({1}), {huge}, {huge}); }, "fits in memory");
  expect_error<Error>([&] { zeros({std::int64_t{1} << 50}); }, "memory");
}

TEST(Shape, BroadcastsAlignedAtTheLastAxis) {
  EXPECT_EQ(broadcast_shapes("op", {3, 1, 5}, {4, 1}), (Shape{3, 4, 5}));
  EXPECT_EQ(broadcast_shapes("op", {}, {2}), (Shape{2}));
  EXPECT_EQ(broadcast_shapes("op", {0, 3}, {1, 3}), (Shape{0, 3}));
  expect_error<ShapeError>(
      [] {
        broadcast_shapes("add", {2, 3}, {4});
      },
      "add: shapes [2, 3] and [4] do not broadcast: sizes 3 and 4 of axis -1 differ");
}

TEST(Tensor, IsFloat32UnlessToldOtherwise) {
  EXPECT_EQ(zeros({2}).dtype(), float32);
  EXPECT_EQ(zeros({2}, float64).dtype(), float64);
  EXPECT_EQ(from_vector(std::vector<std::int64_t>{1, 2}).dtype(), int64);
}

TEST(Tensor, IsMadeFromNestedBraces) {
  const Tensor x = from_data({{1, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(x.shape(), (Shape{2, 3}));
  EXPECT_EQ(x.data<float>()[4], 5.0f);
  EXPECT_EQ(from_data(7).shape(), Shape{});
  EXPECT_EQ(from_data({{1}}).shape(), (Shape{1, 1}));
  EXPECT_EQ(from_data({1, 2}, int64).data<std::int64_t>()[1], 2);
  EXPECT_EQ(from_data({9007199254740993}, int64).item<std::int64_t>(), 9007199254740993);
}

TEST(Tensor, RejectsUnevenBraces) {
  expect_error<ShapeError>([] { from_data({{1, 2}, {3}}); }, "lists along axis 1 have 2 and 1 elements");
  expect_error<ShapeError>([] { from_data({{1, 2}, 3}); }, "nesting is uneven");
  expect_error<DTypeError>([] { from_data({1.5}, int64); }, "1.5 is not an integer");
}

TEST(Tensor, IsMadeFromVectorsAndSpans) {
  const std::vector<double> values{1, 2, 3, 4};
  EXPECT_EQ(from_vector(values, {2, 2}).shape(), (Shape{2, 2}));
  EXPECT_EQ(from_span<double>(values, {4}).data<double>()[3], 4.0);
  expect_error<ShapeError>([&] { from_vector(values, {3}); }, "4 elements do not fill shape [3]");
}

TEST(Tensor, CountsWithArangeAndLinspace) {
  EXPECT_EQ(values_of(arange(3)), (std::vector<double>{0, 1, 2}));
  EXPECT_EQ(values_of(arange(1, 0, -0.5)), (std::vector<double>{1, 0.5}));
  EXPECT_EQ(arange(5, 2).numel(), 0);
  EXPECT_EQ(values_of(linspace(0, 1, 5)), (std::vector<double>{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(values_of(linspace(2, 9, 1)), (std::vector<double>{2}));
  EXPECT_EQ(linspace(0, 1, 7, float64).data<double>()[6], 1.0);
  EXPECT_EQ(values_of(eye(2, 3)), (std::vector<double>{1, 0, 0, 0, 1, 0}));
  expect_error<ShapeError>([] { arange(0, 1, 0); }, "step not 0");
}

TEST(Tensor, ItemNeedsExactlyOneElement) {
  EXPECT_EQ(full({1, 1}, 2.5).item(), 2.5);
  EXPECT_EQ(full({}, 3, int64).item<int>(), 3);
  expect_error<ShapeError>([] { zeros({2}).item(); }, "must hold one element, its shape is [2]");
  expect_error<ShapeError>([] { zeros({0}).item(); }, "its shape is [0]");
  EXPECT_EQ(full({}, -2.7).item<int>(), -2);
  expect_error<DTypeError>([] { full({}, 1e30).item<int>(); }, "item: ");
  expect_error<DTypeError>([] { full({}, NAN).item<int>(); }, "item: nan is not an integer");
  expect_error<DTypeError>([] { full({}, 300).item<std::int8_t>(); }, "300 is out of the range");
}

TEST(Tensor, DataNeedsItsOwnElementType) {
  expect_error<DTypeError>([] { (void)zeros({2}).data<double>(); }, "the tensor is float32, asked for float64");
}

TEST(Tensor, UndefinedIsRefusedNotRead) {
  const Tensor nothing;
  EXPECT_FALSE(nothing.defined());
  expect_error<Error>([&] { (void)nothing.shape(); }, "before it was given a value");
  expect_error<Error>([&] { (void)nothing.item(); }, "before it was given a value");
  expect_error<Error>([&] { (void)(zeros({2}) + nothing); }, "add: b is undefined");
}

TEST(Tensor, RowsAndSlicesShareTheElements) {
  const Tensor x = arange(12).reshape({3, 4});
  EXPECT_EQ(x[1].data<float>().data(), x.data<float>().data() + 4);
  EXPECT_EQ(x.slice(1, 3).data<float>().data(), x.data<float>().data() + 4);
  EXPECT_EQ(x.reshape({2, -1}).data<float>().data(), x.data<float>().data());
  EXPECT_EQ(values_of(x[-1]), (std::vector<double>{8, 9, 10, 11}));
  EXPECT_EQ(x.slice(-2, 3).shape(), (Shape{2, 4}));
}

TEST(Tensor, AViewOutlivesItsOwner) {
  Tensor row;
  {
    const Tensor x = arange(6).reshape({2, 3});
    row = x[1];
  }
  EXPECT_EQ(values_of(row), (std::vector<double>{3, 4, 5}));
}

TEST(Tensor, IndexingChecksItsBounds) {
  const Tensor x = zeros({3, 4});
  expect_error<ShapeError>([&] { (void)x[3]; }, "3");
  expect_error<ShapeError>([&] { (void)zeros({})[0]; }, "");
  expect_error<ShapeError>([&] { (void)x.reshape({5, -1}); }, "[3, 4]");
  expect_error<ShapeError>([&] { (void)x.dim(2); }, "axis 2 is out of range for a tensor of rank 2");
}

TEST(Tensor, ConvertsBetweenElementTypes) {
  const Tensor x = from_data({1.5, -2.5});
  EXPECT_EQ(x.to(float64).data<double>()[0], 1.5);
  EXPECT_EQ(x.to(int64).data<std::int64_t>()[1], -2);
  EXPECT_EQ(x.to(float32).data<float>().data(), x.data<float>().data());
}

TEST(Tensor, NeverChangesUnderACopy) {
  Tensor x = from_data({1, 2});
  const Tensor before = x;
  x = x + 1;
  EXPECT_EQ(values_of(before), (std::vector<double>{1, 2}));
}

TEST(Tensor, BuffersAreAlignedForVectorLoads) {
  for (const std::int64_t n : {1, 7, 100, 100000}) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(zeros({n}).data<float>().data()) % 64, 0u);
  }
}

}  // namespace
}  // namespace wengert
