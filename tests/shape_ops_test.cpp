#include <cmath>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

using Values = std::vector<double>;

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor counting(const Shape& shape, DType dtype = float64) {
  return arange(static_cast<double>(shape.numel()), dtype).reshape(shape);
}

Tensor leaf(Tensor x) { return x.requires_grad(true); }

bool shares(const Tensor& a, const Tensor& b) { return a.data<double>().data() == b.data<double>().data(); }

TEST(Reshape, SharesTheElements) {
  const Tensor x = counting({2, 6});
  const Tensor y = reshape(x, {3, 4});
  EXPECT_EQ(y.shape(), (Shape{3, 4}));
  EXPECT_TRUE(shares(x, y));
  EXPECT_EQ(x.reshape({-1}).shape(), (Shape{12}));
  EXPECT_EQ(x.reshape({2, -1, 3}).shape(), (Shape{2, 2, 3}));
  EXPECT_EQ(counting({1}).reshape({}).shape(), Shape{});
  EXPECT_EQ(zeros({0, 4}).reshape({-1, 4}).shape(), (Shape{0, 4}));
}

TEST(Reshape, RejectsAWrongCount) {
  const Tensor x = zeros({2, 6});
  expect_error<ShapeError>(
      [&] {
        x.reshape({5, 2});
      },
      "reshape: shape [5, 2] has 10 elements, x of shape [2, 6] has 12");
  expect_error<ShapeError>(
      [&] {
        x.reshape({5, -1});
      },
      "reshape: the 12 elements of x, of shape [2, 6], are no multiple of the 5");
  expect_error<ShapeError>([&] { x.reshape({-1, -1}); }, "reshape: only one size may be -1");
  expect_error<ShapeError>([&] { zeros({0}).reshape({0, -1}); }, "reshape: the size given as -1 can be any number");
  expect_error<ShapeError>([&] { x.reshape({-2, 6}); }, "sizes must be >= 0");
  expect_error<Error>([] { Tensor().reshape({1}); }, "reshape: x is undefined");
}

TEST(Reshape, ReshapesItsGradientBack) {
  Tensor x = leaf(counting({2, 3}));
  sum(x.reshape({3, 2}) * counting({3, 2})).backward();
  EXPECT_EQ(x.grad().shape(), (Shape{2, 3}));
  EXPECT_EQ(values_of(x.grad()), (Values{0, 1, 2, 3, 4, 5}));
}

TEST(Flatten, JoinsAxes) {
  const Tensor x = counting({2, 3, 4});
  EXPECT_EQ(flatten(x).shape(), (Shape{24}));
  EXPECT_EQ(flatten(x, 1).shape(), (Shape{2, 12}));
  EXPECT_EQ(flatten(x, 0, 1).shape(), (Shape{6, 4}));
  EXPECT_EQ(flatten(zeros({})).shape(), (Shape{1}));
  EXPECT_EQ(flatten(zeros({0, 3, 2}), 1).shape(), (Shape{0, 6}));
  EXPECT_TRUE(shares(flatten(x), x));
  expect_error<ShapeError>([&] { flatten(x, 2, 1); }, "flatten: axis 2 comes after axis 1");
  expect_error<ShapeError>([&] { flatten(x, 3); }, "flatten: axis 3 is out of range");
}

TEST(Flatten, TakesEveryShapeWhoseResultFits) {
  constexpr std::int64_t row = std::int64_t{1} << 29;
  EXPECT_EQ(flatten(zeros({1, row, 0}), 0, 1).shape(), (Shape{row, 0}));
}

TEST(Squeeze, DropsAxesOfSizeOne) {
  const Tensor x = counting({1, 3, 1});
  EXPECT_EQ(squeeze(x).shape(), (Shape{3}));
  EXPECT_EQ(squeeze(x, {-1}).shape(), (Shape{1, 3}));
  EXPECT_EQ(squeeze(x, {0, 2}).shape(), (Shape{3}));
  EXPECT_TRUE(shares(squeeze(x), x));
  expect_error<ShapeError>([&] { squeeze(x, {1}); }, "squeeze: axis 1 of shape [1, 3, 1] has size 3, not 1");
}

TEST(Unsqueeze, InsertsAnAxisOfSizeOne) {
  const Tensor x = counting({2, 3});
  EXPECT_EQ(unsqueeze(x, 0).shape(), (Shape{1, 2, 3}));
  EXPECT_EQ(unsqueeze(x, -1).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(unsqueeze(x, -3).shape(), (Shape{1, 2, 3}));
  expect_error<ShapeError>([&] { unsqueeze(x, 3); }, "unsqueeze: axis 3 is out of range");
  expect_error<ShapeError>([] { unsqueeze(zeros({1, 1, 1, 1, 1, 1, 1, 1}), 0); }, "unsqueeze: x of shape");
}

/// x with its axes in another order, one element after the other.
Values permuted(const Tensor& x, const std::vector<int>& order) {
  const Shape& shape = x.shape();
  const Values values = values_of(x);
  Values out;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    std::int64_t rest = i;
    std::int64_t source = 0;
    for (int k = x.rank() - 1; k >= 0; --k) {
      const int axis = order[static_cast<std::size_t>(k)];
      source += rest % shape[axis] * shape.numel(axis + 1, shape.rank());
      rest /= shape[axis];
    }
    out.push_back(values[static_cast<std::size_t>(source)]);
  }
  return out;
}

TEST(Permute, AgreesWithALoopForEveryOrder) {
  for (const Shape& shape : {Shape{3, 4}, Shape{40, 33}, Shape{16, 32}, Shape{2, 3, 4}, Shape{17, 2, 19},
                             Shape{2, 1, 3, 5}, Shape{3, 2, 4, 2, 3}}) {
    for (const DType dtype : {float32, float64, int64}) {
      const Tensor x = counting(shape, dtype);
      std::vector<int> order(static_cast<std::size_t>(shape.rank()));
      std::iota(order.begin(), order.end(), 0);
      do {
        const Tensor y = permute(x, order);
        for (int i = 0; i < x.rank(); ++i) EXPECT_EQ(y.dim(i), x.dim(order[static_cast<std::size_t>(i)]));
        EXPECT_EQ(values_of(y), permuted(x, order)) << shape << " " << ::testing::PrintToString(order);
      } while (std::next_permutation(order.begin(), order.end()));
    }
  }
}

TEST(Permute, WorksOnManyThreads) {
  const int before = num_threads();
  set_num_threads(4);
  const Tensor x = counting({70, 50, 60}, float32);
  EXPECT_EQ(values_of(permute(x, {2, 1, 0})), permuted(x, {2, 1, 0}));
  EXPECT_EQ(values_of(permute(x, {1, 0, 2})), permuted(x, {1, 0, 2}));
  set_num_threads(before);
}

TEST(Permute, SharesTheElementsIfNoneMoves) {
  const Tensor x = counting({1, 4, 1, 3});
  EXPECT_TRUE(shares(permute(x, {1, 0, 3, 2}), x));
  EXPECT_EQ(permute(x, {1, 0, 3, 2}).shape(), (Shape{4, 1, 3, 1}));
  EXPECT_EQ(permute(zeros({0, 3}), {1, 0}).shape(), (Shape{3, 0}));
  EXPECT_EQ(permute(zeros({}), {}).shape(), Shape{});
}

TEST(Permute, RejectsAnOrderThatIsNone) {
  const Tensor x = zeros({2, 3});
  expect_error<ShapeError>([&] { permute(x, {0}); },
                           "permute: order [0] must name each of the 2 axes of shape [2, 3] once");
  expect_error<ShapeError>([&] { permute(x, {0, -2}); }, "permute: order [0, -2] names axis 0 twice");
  expect_error<ShapeError>([&] { permute(x, {0, 2}); }, "permute: axis 2 is out of range");
}

TEST(Permute, TakesEveryShapeWhoseResultFits) {
  constexpr std::int64_t row = std::int64_t{1} << 29;
  EXPECT_EQ(permute(zeros({0, 1 << 20, 1 << 20}), {1, 2, 0}).shape(), (Shape{1 << 20, 1 << 20, 0}));
  EXPECT_EQ(permute(zeros({1, row, 0}), {1, 0, 2}).shape(), (Shape{row, 1, 0}));
}

TEST(Transpose, SwapsTwoAxes) {
  EXPECT_EQ(values_of(transpose(counting({2, 3}))), (Values{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(transpose(zeros({2, 3, 4})).shape(), (Shape{2, 4, 3}));
  EXPECT_EQ(transpose(zeros({2, 3, 4}), 0, -1).shape(), (Shape{4, 3, 2}));
  expect_error<ShapeError>([] { transpose(zeros({3})); }, "transpose: axis -2 is out of range");
}

TEST(Permute, PermutesItsGradientBack) {
  Tensor x = leaf(zeros({2, 3, 4}, float64));
  sum(permute(x, {2, 0, 1}) * counting({4, 2, 3})).backward();
  EXPECT_EQ(values_of(x.grad()), permuted(counting({4, 2, 3}), {1, 2, 0}));
}

TEST(BroadcastTo, RepeatsAxes) {
  EXPECT_EQ(values_of(broadcast_to(from_data({1, 2}), {2, 2})), (Values{1, 2, 1, 2}));
  EXPECT_EQ(values_of(broadcast_to(from_data({{1}, {2}}, int64), {2, 3})), (Values{1, 1, 1, 2, 2, 2}));
  EXPECT_EQ(broadcast_to(zeros({1, 3}), {0, 3}).shape(), (Shape{0, 3}));
  EXPECT_EQ(sum(broadcast_to(full({}, 2), {3, 5})).item(), 30);
  const Tensor x = counting({3});
  EXPECT_TRUE(shares(broadcast_to(x, {1, 3}), x));
  expect_error<ShapeError>(
      [&] {
        broadcast_to(x, {3, 2});
      },
      "broadcast_to: x of shape [3] does not broadcast to [3, 2]");
  expect_error<ShapeError>([] { broadcast_to(zeros({1, 3}), {3}); }, "does not broadcast to [3]");
}

TEST(Cat, JoinsAlongAnAxis) {
  const Tensor a = counting({2, 1});
  const Tensor b = counting({2, 2}) + 10;
  EXPECT_EQ(values_of(cat({a, b}, 1)), (Values{0, 10, 11, 1, 12, 13}));
  EXPECT_EQ(values_of(cat({b, b[0].reshape({1, 2})})), (Values{10, 11, 12, 13, 10, 11}));
  EXPECT_EQ(cat({zeros({0, 2}, float64), b}).shape(), (Shape{2, 2}));
  EXPECT_EQ(cat({zeros({2, 0}), zeros({2, 0})}, -1).shape(), (Shape{2, 0}));
  EXPECT_EQ(values_of(cat({from_data({1}, int64), from_data({2}, int64)})), (Values{1, 2}));
}

TEST(Cat, RejectsWhatDoesNotJoin) {
  expect_error<ShapeError>([] { cat({}); }, "cat: there is nothing to join");
  expect_error<ShapeError>(
      [] {
        cat({zeros({2, 3}), zeros({2, 4})});
      },
      "cat: tensor 1 has shape [2, 4], tensor 0 has [2, 3]; they must agree on all axes but 0");
  expect_error<ShapeError>([] { cat({zeros({2}), zeros({2, 1})}); }, "cat: tensor 1 has shape [2, 1]");
  expect_error<ShapeError>([] { cat({zeros({}), zeros({})}); }, "cat: axis 0 is out of range");
  expect_error<DTypeError>(
      [] {
        cat({zeros({2}), zeros({2}, float64)});
      },
      "cat: tensor 0 is float32 and tensor 1 is float64");
  expect_error<Error>([] { cat({zeros({2}), Tensor()}); }, "cat: tensor 1 is undefined");
}

TEST(Cat, CutsItsGradientApart) {
  Tensor a = leaf(zeros({2, 1}, float64));
  Tensor b = leaf(zeros({2, 2}, float64));
  const Tensor constant = zeros({2, 1}, float64);
  sum(cat({a, constant, b, a}, 1) * counting({2, 5})).backward();
  EXPECT_EQ(values_of(a.grad()), (Values{0 + 4, 5 + 9}));
  EXPECT_EQ(values_of(b.grad()), (Values{2, 3, 7, 8}));
}

TEST(Cat, TakesAHundredThousandTensors) {
  std::vector<Tensor> parts;
  for (int i = 0; i < 100'000; ++i) parts.push_back(leaf(full({1}, i % 7)));
  sum(square(cat(parts))).backward();
  EXPECT_EQ(parts[12'345].grad().item(), 2 * (12'345 % 7));
}

TEST(Stack, JoinsAlongANewAxis) {
  const Tensor a = counting({2});
  const Tensor b = a + 10;
  EXPECT_EQ(values_of(stack({a, b})), (Values{0, 1, 10, 11}));
  EXPECT_EQ(values_of(stack({a, b}, -1)), (Values{0, 10, 1, 11}));
  EXPECT_EQ(stack({zeros({}), zeros({}), zeros({})}).shape(), (Shape{3}));
  expect_error<ShapeError>(
      [&] {
        stack({a, zeros({3}, float64)});
      },
      "stack: tensor 1 has shape [3], tensor 0 has [2]; they must be equal");
  expect_error<ShapeError>([] { stack({}); }, "stack: there is nothing to join");
  expect_error<ShapeError>([&] { stack({a, b}, 2); }, "stack: axis 2 is out of range");
}

TEST(Stack, CutsItsGradientApart) {
  Tensor a = leaf(zeros({2}, float64));
  Tensor b = leaf(zeros({2}, float64));
  sum(stack({a, b}, 1) * counting({2, 2})).backward();
  EXPECT_EQ(values_of(a.grad()), (Values{0, 2}));
  EXPECT_EQ(values_of(b.grad()), (Values{1, 3}));
}

TEST(Slice, TakesEveryStepThElement) {
  const Tensor x = counting({2, 7});
  EXPECT_EQ(values_of(slice(x, 1, 1, 6, 2)), (Values{1, 3, 5, 8, 10, 12}));
  EXPECT_EQ(values_of(slice(x, 1, -2, 7)), (Values{5, 6, 12, 13}));
  EXPECT_EQ(values_of(slice(x, -1, 0, -6)), (Values{0, 7}));
  EXPECT_EQ(values_of(slice(x, 1, 6, 100, 3)), (Values{6, 13}));
  EXPECT_EQ(values_of(slice(counting({6}), 0, 0, 6, 4)), (Values{0, 4}));
  EXPECT_EQ(values_of(slice(counting({4, 2}, int64), 0, 1, 4, 2)), (Values{2, 3, 6, 7}));
}

TEST(Slice, ClipsItsBounds) {
  const Tensor x = counting({5});
  EXPECT_EQ(slice(x, 0, -100, 100).shape(), (Shape{5}));
  EXPECT_EQ(slice(x, 0, 4, 2).shape(), (Shape{0}));
  EXPECT_EQ(slice(x, 0, 9, 12).shape(), (Shape{0}));
  EXPECT_EQ(slice(zeros({0, 2}), 0, 0, 1).shape(), (Shape{0, 2}));
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(values_of(slice(x, 0, std::numeric_limits<std::int64_t>::min(), most, most)), (Values{0}));
}

TEST(Slice, RejectsBadSteps) {
  expect_error<ShapeError>([] { slice(zeros({5}), 0, 0, 5, 0); }, "slice: step must not be 0");
  expect_error<ShapeError>([] { slice(zeros({5}), 1, 0, 5); }, "slice: axis 1 is out of range");
  expect_error<ShapeError>([] { zeros({}).slice(0, 1); }, "slice: axis 0 is out of range");
}

TEST(Slice, SharesTheElementsAlongTheLeadingAxis) {
  const Tensor x = counting({4, 3});
  EXPECT_EQ(x.slice(1, 3).data<double>().data(), x.data<double>().data() + 3);
  EXPECT_EQ(x.slice(1, 3)[1].data<double>().data(), x.data<double>().data() + 6);
  EXPECT_EQ(slice(counting({1, 6}), 1, 2, 4).data<double>()[0], 2);
}

TEST(Slice, PlacesItsGradientAmongZeros) {
  Tensor x = leaf(zeros({2, 5}, float64));
  sum(slice(x, 1, 1, 5, 2) * from_data({{1, 2}, {3, 4}}, float64)).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{0, 1, 0, 2, 0, 0, 3, 0, 4, 0}));
  Tensor y = leaf(zeros({4}, float64));
  sum(y.slice(1, 3) + y.slice(2, 4)).backward();
  EXPECT_EQ(values_of(y.grad()), (Values{0, 1, 2, 1}));
}

TEST(Slice, HasSecondDerivatives) {
  Tensor x = leaf(from_data({1, 2, 3, 4, 5}, float64));
  const Tensor first = grad(sum(pow(slice(x, 0, 0, 5, 2), 3)), x, {.create_graph = true});
  EXPECT_EQ(values_of(first), (Values{3, 0, 27, 0, 75}));
  EXPECT_EQ(values_of(grad(sum(first * from_data({1, 1, 2, 1, 1}, float64)), x)), (Values{6, 0, 36, 0, 30}));
}

TEST(Select, DropsTheAxis) {
  const Tensor x = counting({2, 3, 2});
  EXPECT_EQ(values_of(select(x, 1, 1)), (Values{2, 3, 8, 9}));
  EXPECT_EQ(values_of(select(x, -1, -2)), (Values{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(x[-1][2][0].item(), 10);
  EXPECT_TRUE(shares(x[0], x));
  expect_error<ShapeError>([&] { select(x, 1, 3); },
                           "select: index 3 is out of range for axis 1 of size 3; x has shape [2, 3, 2]");
  expect_error<ShapeError>([&] { x[-3]; }, "select: index -3 is out of range for axis 0 of size 2");
  expect_error<ShapeError>([] { zeros({})[0]; }, "select: axis 0 is out of range");
}

TEST(Select, PlacesItsGradientAmongZeros) {
  Tensor x = leaf(counting({2, 3}));
  (x[1][2] * 5 + sum(select(x, 1, 0))).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{1, 0, 0, 1, 0, 5}));
}

TEST(Pad, SurroundsWithAValue) {
  EXPECT_EQ(values_of(pad(from_data({{1, 2}}), {1, 0}, {0, 2}, 9)), (Values{9, 9, 9, 9, 1, 2, 9, 9}));
  EXPECT_EQ(values_of(pad(zeros({0}), {1}, {1}, 3)), (Values{3, 3}));
  EXPECT_EQ(values_of(pad(from_data({5}, int64), {1}, {0}, -1)), (Values{-1, 5}));
  EXPECT_EQ(pad(zeros({2, 2, 2}), {1, 1, 1}, {0, 1, 2}).shape(), (Shape{3, 4, 5}));
  EXPECT_EQ(values_of(pad(counting({2, 2}), {0, 0}, {0, 0})), (Values{0, 1, 2, 3}));
  EXPECT_EQ(pad(zeros({}), {}, {}).shape(), Shape{});
}

TEST(Pad, RejectsNegativeOrMissingCounts) {
  const Tensor x = zeros({2, 3});
  expect_error<ShapeError>(
      [&] {
        pad(x, {1}, {1, 1});
      },
      "pad: before and after have 1 and 2 entries; x of shape [2, 3] has 2 axes");
  expect_error<ShapeError>(
      [&] {
        pad(x, {0, -1}, {0, 0});
      },
      "pad: axis 1 is given -1 before and 0 after; both must be >= 0");
  expect_error<DTypeError>([&] { pad(x.to(int64), {1, 1}, {1, 1}, 0.5); }, "pad: 0.5 is not an integer");
}

TEST(Pad, CropsItsGradient) {
  Tensor x = leaf(zeros({2, 2}, float64));
  sum(pad(x, {1, 0}, {0, 1}, 7) * counting({3, 3})).backward();
  EXPECT_EQ(values_of(x.grad()), (Values{3, 4, 6, 7}));
}

TEST(To, ConvertsBetweenTypes) {
  EXPECT_EQ(from_data({1.5}).to(float64).data<double>()[0], 1.5);
  EXPECT_EQ(from_data({3}, int64).to(float32).data<float>()[0], 3.0f);
  EXPECT_EQ(values_of(from_data({1.9, -1.9, 0.5}).to(int64)), (Values{1, -1, 0}));
  const Tensor x = zeros({3}, float64);
  EXPECT_TRUE(shares(x.to(float64), x));
  expect_error<Error>([] { Tensor().to(float32); }, "to: x is undefined");
}

TEST(To, SaturatesWhereInt64CannotFollow) {
  const Tensor integers = from_data({1e30, -1e30, NAN, infinity, -infinity}, float64).to(int64);
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  const auto data = integers.data<std::int64_t>();
  EXPECT_EQ(std::vector(data.begin(), data.end()), (std::vector<std::int64_t>{most, least, 0, most, least}));
  EXPECT_EQ(full({}, -9223372036854775808.0).to(int64).item<std::int64_t>(), least);
  EXPECT_EQ(full({}, 9223372036854775808.0).to(int64).item<std::int64_t>(), most);
}

TEST(To, IsDifferentiableBetweenFloats) {
  Tensor x = leaf(from_data({2, 3}));
  const Tensor y = sum(square(x.to(float64)));
  EXPECT_EQ(y.dtype(), float64);
  y.backward();
  EXPECT_EQ(x.grad().dtype(), float32);
  EXPECT_EQ(values_of(x.grad()), (Values{4, 6}));
  EXPECT_FALSE(x.to(int64).requires_grad());
}

}  // namespace
}  // namespace wengert
