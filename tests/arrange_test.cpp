#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <wengert/autograd.h>

#include "tests/expect.h"

namespace wengert {
namespace {

using Values = std::vector<double>;

Tensor counting(const Shape& shape, DType dtype = float64) {
  return reshape(arange(static_cast<double>(shape.numel()), dtype), shape);
}

Tensor leaf(Tensor x) { return x.requires_grad(true); }

constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();

TEST(Slice, WalksBackwardsAsPythonDoes) {
  const Tensor x = counting({5});
  EXPECT_EQ(values_of(slice(x, 0, 4, lowest, -1)), (Values{4, 3, 2, 1, 0}));
  EXPECT_EQ(values_of(slice(x, 0, -1, -6, -2)), (Values{4, 2, 0}));
  EXPECT_EQ(values_of(slice(x, 0, 100, 2, -1)), (Values{4, 3}));
  EXPECT_EQ(slice(x, 0, 1, -1, -1).shape(), (Shape{0}));
  EXPECT_EQ(values_of(slice(x, 0, 3, lowest, lowest)), (Values{3}));
  EXPECT_EQ(slice(zeros({0}), 0, 4, lowest, -1).shape(), (Shape{0}));
  EXPECT_EQ(values_of(slice(counting({2, 2}), 0, -1, lowest, -1)), (Values{2, 3, 0, 1}));
}

TEST(Split, GivesPiecesThatCatPutsTogether) {
  const Tensor x = counting({2, 7});
  const auto parts = split(x, 3, 1);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[2].shape(), (Shape{2, 1}));
  EXPECT_EQ(values_of(cat(parts, 1)), values_of(x));
  EXPECT_TRUE(split(zeros({0}), 3).empty());
  EXPECT_EQ(chunk(x, 100, 1).size(), 7U);
  EXPECT_EQ(chunk(counting({5}), 4).size(), 3U);
}

TEST(Split, LeavesPiecesThatNobodyUsedWithoutAGradient) {
  Tensor x = leaf(counting({4}));
  sum(split(x, {1, 3})[1]).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{0, 1, 1, 1}));
}

TEST(Split, RejectsSizesThatDoNotAddUp) {
  expect_error<ShapeError>([] { split(zeros({2, 3}), {1, 1}, 1); }, "split: the sizes leave over 1 of the 3");
  expect_error<ShapeError>([] { split(zeros({2, 3}), {2, 2}, 1); }, "split: the sizes exceed the 3 elements");
  expect_error<ShapeError>([] { split(zeros({2}), {-1, 3}); }, "split: sizes must be >= 0, got -1");
  expect_error<ShapeError>([] { split(zeros({2}), 0); }, "split: size must be >= 1, got 0");
  expect_error<ShapeError>([] { chunk(zeros({2}), 0); }, "chunk: count must be >= 1, got 0");
}

TEST(Pad, MirrorsWithoutTheBorderAndRepeatsIt) {
  const Tensor x = counting({3});
  EXPECT_EQ(values_of(pad(x, {2}, {1}, PadMode::reflect)), (Values{2, 1, 0, 1, 2, 1}));
  EXPECT_EQ(values_of(pad(x, {2}, {1}, PadMode::replicate)), (Values{0, 0, 0, 1, 2, 2}));
  EXPECT_EQ(values_of(pad(x, {1}, {0}, PadMode::constant)), (Values{0, 0, 1, 2}));
  EXPECT_EQ(values_of(pad(counting({1}), {1}, {1}, PadMode::replicate)), (Values{0, 0, 0}));
  EXPECT_EQ(pad(zeros({0}), {0}, {0}, PadMode::reflect).shape(), (Shape{0}));
}

TEST(Pad, RejectsMoreThanTheAxisHas) {
  expect_error<ShapeError>([] { pad(zeros({3}), {3}, {0}, PadMode::reflect); },
                           "pad: axis 0 of size 3 cannot be padded with 3 before and 0 after");
  expect_error<ShapeError>([] { pad(zeros({0}), {1}, {0}, PadMode::replicate); }, "pad: axis 0 of size 0");
  expect_error<ShapeError>(
      [] {
        pad(zeros({3}), {1, 1}, {0}, PadMode::reflect);
      },
      "pad: before and after have 2 and 1");
}

TEST(Pad, RejectsCountsWhoseSumOverflows) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (const PadMode mode : {PadMode::constant, PadMode::replicate}) {
    expect_error<ShapeError>([=] { pad(zeros({3}), {most}, {most}, mode); },
                             "pad: axis 0 is given 9223372036854775807 before");
  }
}

TEST(Unfold, RejectsWindowsThatDoNotFitInMemory) {
  constexpr std::int64_t size = std::int64_t{1} << 40;
  expect_error<ShapeError>([] { unfold(zeros({0, size}), 1, size / 2); }, "more elements than fit in memory");
}

TEST(Arrange, RejectsBadArguments) {
  expect_error<ShapeError>([] { flip(zeros({2}), {0, -1}); }, "flip: axis -1 is named twice");
  expect_error<ShapeError>([] { roll(zeros({2}), 1, 3); }, "roll: axis 3 is out of range");
  expect_error<ShapeError>([] { repeat(zeros({2}), -1); }, "repeat: count must be >= 0, got -1");
  expect_error<ShapeError>([] { tile(zeros({2}), {2, -1}); }, "tile: counts must be >= 0, got -1");
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  expect_error<ShapeError>(
      [] {
        repeat(zeros({1, 2}), huge, 1);
      },
      "repeat: axis 1 of size 2 cannot be repeated 4611686018427387904 times; x has shape [1, 2]");
  expect_error<ShapeError>([] { tile(zeros({4}), {huge}); },
                           "tile: axis 0 of size 4 cannot be repeated 4611686018427387904 times; x has shape [4]");
  expect_error<ShapeError>([] { unfold(zeros({2}), 0, 3); }, "unfold: windows of size 3 do not fit axis 0 of size 2");
  expect_error<ShapeError>([] { unfold(zeros({2}), 0, 1, 0); }, "unfold: step must be >= 1, got 0");
  expect_error<ShapeError>([] { meshgrid({zeros({2}), zeros({2, 1})}); }, "meshgrid: axes must be 1-D; number 1");
  expect_error<ShapeError>([] { tril(zeros({2})); }, "tril: x must have two axes or more");
  expect_error<ShapeError>([] { diag(zeros({2, 2, 2})); }, "diag: x must be a vector or a matrix");
  expect_error<ShapeError>([] { diag(zeros({2}), lowest); }, "");
  expect_error<ShapeError>([] { diagonal(zeros({2})); }, "diagonal: x must have two axes or more");
}

TEST(Arrange, TakesShiftsAndCountsOfAnySize) {
  EXPECT_EQ(values_of(roll(counting({3}), 1)), (Values{2, 0, 1}));
  EXPECT_EQ(values_of(roll(counting({3}), lowest)), values_of(roll(counting({3}), lowest % 3)));
  EXPECT_EQ(repeat(zeros({2, 3}), 0, 0).shape(), (Shape{0, 3}));
  EXPECT_EQ(tile(zeros({2}), {0}).shape(), (Shape{0}));
  EXPECT_EQ(values_of(tile(counting({2}), {2, 2})), (Values{0, 1, 0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(tile(zeros({2, 2, 2, 2, 2, 2, 2, 2}), {2, 1, 1, 1, 1, 1, 1, 3}).shape(), (Shape{4, 2, 2, 2, 2, 2, 2, 6}));
  EXPECT_TRUE(meshgrid({}).empty());
  EXPECT_EQ(values_of(tril(ones({2, 2}, float64), lowest)), (Values{0, 0, 0, 0}));
  EXPECT_EQ(values_of(triu(ones({2, 2}, float64), lowest)), (Values{1, 1, 1, 1}));
  EXPECT_EQ(diagonal(zeros({2, 3}), 9).shape(), (Shape{0}));
}

TEST(Arrange, MovesNotANumberLikeAnyOther) {
  const Tensor x = from_data({{1, 2}, {3, 4}}, float64) * std::nan("");
  EXPECT_EQ(values_of(tril(x))[1], 0);
  EXPECT_TRUE(std::isnan(values_of(tril(x))[0]));
  EXPECT_EQ(values_of(masked_fill(x, ones({}, int64), 3)), (Values{3, 3, 3, 3}));
}

TEST(Scatter, LetsTheLastOfEqualIndicesCountAndHaveTheGradient) {
  Tensor x = leaf(counting({3}));
  Tensor source = leaf(from_data({5, 6, 7}, float64));
  const Tensor y = scatter(x, 0, from_data({1, 0, 1}, int64), source);
  EXPECT_EQ(values_of(y), (Values{6, 7, 2}));
  sum(y * from_data({2, 3, 4}, float64)).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{0, 0, 4}));
  EXPECT_EQ(values_of(source.grad()), (Values{0, 2, 3}));
}

TEST(Scatter, RejectsIndicesOutOfRange) {
  expect_error<ShapeError>([] { scatter(zeros({3}), 0, full({1}, 3, int64), zeros({1})); },
                           "scatter: index 3 at position [0] is out of range");
  expect_error<ShapeError>([] { scatter(zeros({3}), 0, full({1}, 2, int64), zeros({2})); },
                           "scatter: source has shape [2], index has [1]");
  expect_error<ShapeError>(
      [] {
        embedding(zeros({3, 2}), full({1}, -1, int64));
      },
      "embedding: index -1 at position [0] is out of range");
  expect_error<ShapeError>(
      [] {
        take_along_dim(zeros({3, 2}), 0, full({1, 2}, 3, int64));
      },
      "take_along_dim: index 3 at position [0, 0] is out of range");
  expect_error<ShapeError>([] { masked_fill(zeros({3}), ones({2}), 0); }, "masked_fill: mask of shape [2]");
}

TEST(Index, ReadsLikePython) {
  const Tensor x = counting({3, 4});
  EXPECT_EQ(x.index({1, 2}).item(), 6);
  EXPECT_EQ(values_of(x.index({Slice(1), -1})), (Values{7, 11}));
  EXPECT_EQ(values_of(x.index({Slice{.step = -2}, 0})), (Values{8, 0}));
  EXPECT_EQ(x.index({}).shape(), x.shape());
  EXPECT_EQ(x.index({Ellipsis}).shape(), x.shape());
  EXPECT_EQ(x.index({NewAxis, Ellipsis, NewAxis, 0}).shape(), (Shape{1, 3, 1}));
  EXPECT_EQ(values_of(x.index({Ellipsis, Slice({}, 1)})), (Values{0, 4, 8}));
  EXPECT_EQ(values_of(x.index({from_data({2, -3}, int64), 1})), (Values{9, 1}));
  EXPECT_EQ(values_of(x.index({from_data({0, 2}, int64), from_data({1, 3}, int64)})), (Values{1, 11}));
  EXPECT_EQ(x.index({full({}, 1, int64)}).shape(), (Shape{4}));
  EXPECT_EQ(x.index({zeros({0}, int64)}).shape(), (Shape{0, 4}));
}

TEST(Index, RejectsWhatDoesNotFit) {
  const Tensor x = zeros({3, 4});
  expect_error<ShapeError>([&] { x.index({0, 0, 0}); }, "index: 3 axes are indexed, x of shape [3, 4] has 2");
  expect_error<ShapeError>([&] { x.index({0, 4}); }, "index: position 4 is out of range for an axis of size 4");
  expect_error<ShapeError>([&] { x.index({full({1}, -4, int64)}); }, "index: position -4 is out of range");
  expect_error<ShapeError>([&] { x.index({Ellipsis, Ellipsis}); }, "index: Ellipsis may occur once");
  expect_error<ShapeError>([&] { x.index({Slice(0, 2, 0)}); }, "index: the step of a slice must not be 0");
  expect_error<DTypeError>([&] { x.index({zeros({2})}); }, "index: a tensor of positions must be int64, got float32");
  expect_error<Error>([&] { x.index({Tensor()}); }, "index: a tensor of positions is undefined");
  expect_error<ShapeError>([&] { x.index({zeros({2}, int64), zeros({3}, int64)}); }, "index: ");
}

}  // namespace
}  // namespace wengert
