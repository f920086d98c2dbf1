#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>

#include "tests/expect.h"

namespace wengert {
namespace {

TEST(Format, WritesScalarsVectorsAndMatricesInBrackets) {
  EXPECT_EQ(to_string(full({}, 2.5)), "tensor(2.5)");
  EXPECT_EQ(to_string(from_data({1, 2, 3})), "tensor([1., 2., 3.])");
  EXPECT_EQ(to_string(from_data({{1, 2}, {3, 4}})),
            "tensor([[1., 2.],\n"
            "        [3., 4.]])");
}

TEST(Format, SeparatesOuterAxesByEmptyLines) {
  EXPECT_EQ(to_string(arange(4, int64).reshape({2, 1, 2})),
            "tensor([[[0, 1]],\n"
            "\n"
            "        [[2, 3]]], dtype=int64)");
}

TEST(Format, NamesTheDtypeUnlessItIsFloat32) {
  EXPECT_EQ(to_string(from_data({1, -20}, int64)), "tensor([  1, -20], dtype=int64)");
  EXPECT_EQ(to_string(from_data({0.5}, float64)), "tensor([0.5], dtype=float64)");
}

TEST(Format, AlignsColumnsWithAsManyDecimalsAsTheLongestNeeds) {
  EXPECT_EQ(to_string(from_data({{1, 2.5}, {-3, 400.125}})),
            "tensor([[  1.000,   2.500],\n"
            "        [ -3.000, 400.125]])");
  EXPECT_EQ(to_string(from_data({1.23456, 2})), "tensor([1.2346, 2.0000])");
}

TEST(Format, GoesScientificForWideRanges) {
  EXPECT_EQ(to_string(from_data({0.1, 1.25, 1e-5})), "tensor([1.00e-01, 1.25e+00, 1.00e-05])");
  EXPECT_EQ(to_string(from_data({-1e10, 1})), "tensor([-1.e+10,  1.e+00])");
  EXPECT_EQ(to_string(from_data({1, 50000})), "tensor([    1., 50000.])");
}

TEST(Format, WritesNanAndInfinityAligned) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(to_string(from_data({infinity, -infinity, NAN, -1.5})), "tensor([ inf, -inf,  nan, -1.5])");
  EXPECT_EQ(to_string(from_data({NAN})), "tensor([nan])");
}

TEST(Format, WritesShapeAndDtypeOfEmptyTensors) {
  EXPECT_EQ(to_string(zeros({0})), "tensor([], shape=[0], dtype=float32)");
  EXPECT_EQ(to_string(zeros({2, 0, 3}, float64)), "tensor([], shape=[2, 0, 3], dtype=float64)");
  EXPECT_EQ(to_string(Tensor()), "tensor(undefined)");
}

TEST(Format, ElidesTheMiddleOfLongAxes) {
  EXPECT_EQ(to_string(arange(2000, int64)),
            "tensor([   0,    1,    2, ..., 1997, 1998, 1999], shape=[2000], dtype=int64)");
  EXPECT_EQ(to_string(arange(28, int64).reshape({7, 4}), {.threshold = 10, .edge_items = 1}),
            "tensor([[ 0, ...,  3],\n"
            "        ...,\n"
            "        [24, ..., 27]], shape=[7, 4], dtype=int64)");
  EXPECT_EQ(to_string(arange(6), {.threshold = 5}), "tensor([0., 1., 2., 3., 4., 5.])");
  EXPECT_EQ(to_string(arange(6), {.threshold = 5, .edge_items = 0}), "tensor([...], shape=[6])");
}

TEST(Format, TakesTheColumnWidthFromShownNumbersOnly) {
  const Tensor x = cat({zeros({1000}), full({1000}, 123456), zeros({1000})});
  EXPECT_EQ(to_string(x), "tensor([0., 0., 0., ..., 0., 0., 0.], shape=[3000])");
}

TEST(Format, BreaksLongRows) {
  const std::string text = to_string(arange(40, int64));
  for (std::size_t begin = 0, end; begin < text.size(); begin = end + 1) {
    end = std::min(text.find('\n', begin), text.size());
    EXPECT_LE(end - begin, 80u);
  }
  EXPECT_NE(text.find(",\n        "), std::string::npos);
  EXPECT_EQ(text.find(" \n"), std::string::npos);
}

TEST(Format, RoundsToThePrecisionAskedFor) {
  EXPECT_EQ(fmt::format("{:.2}", from_data({3.14159, 2.71828})), "tensor([3.14, 2.72])");
  EXPECT_EQ(fmt::format("{:.10}", from_data({0.1})), "tensor([0.1])");  // not 0.1000000015
  EXPECT_EQ(to_string(from_data({0.5}), {.precision = -3}), to_string(from_data({0.5}), {.precision = 0}));
}

TEST(Format, StreamsAndFmtAgree) {
  const Tensor x = from_data({{1, 2}, {3, 4}});
  std::ostringstream stream;
  stream << x;
  EXPECT_EQ(stream.str(), fmt::format("{}", x));
  EXPECT_EQ(stream.str(), to_string(x));
}

}  // namespace
}  // namespace wengert
