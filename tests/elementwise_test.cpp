#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/elementwise.h>

#include "tests/expect.h"

namespace wengert {
namespace {

TEST(Elementwise, ListsTheShapesThatDoNotBroadcast) {
  expect_error<ShapeError>(
      [] {
        (void)(zeros({2, 3}) + zeros({4}));
      },
      "add: the shapes do not broadcast: a is [2, 3], b is [4]");
}

TEST(Elementwise, SplitsALongRowBesideAScalarAmongThreads) {
  const Tensor x = linspace(0, 1, 200'000);
  const Tensor factor = full({1}, 3);
  set_num_threads(1);
  const Tensor alone = x * factor;
  set_num_threads(4);
  EXPECT_EQ(values_of(x * factor), values_of(alone));
  set_num_threads(1);
}

constexpr double infinity = std::numeric_limits<double>::infinity();
const double nan = std::nan("");

/// The numbers of a tensor, in order.
std::vector<double> numbers(const Tensor& x) {
  const Tensor exact = x.to(float64);
  const auto data = exact.data<double>();
  return {data.begin(), data.end()};
}

/// Element by element, NaN being equal to NaN and zeros only to zeros of the same sign.
void expect_numbers(const Tensor& actual, const std::vector<double>& expected) {
  const auto values = numbers(actual);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isnan(expected[i])) {
      EXPECT_TRUE(std::isnan(values[i])) << "element " << i << " is " << values[i];
    } else {
      EXPECT_EQ(values[i], expected[i]) << "element " << i;
      EXPECT_EQ(std::signbit(values[i]), std::signbit(expected[i])) << "element " << i;
    }
  }
}

/// Both floating dtypes must give `expected`.
void expect_values(Tensor (*f)(const Tensor&), const std::vector<double>& x, const std::vector<double>& expected) {
  for (const DType dtype : {float32, float64}) {
    SCOPED_TRACE(name_of(dtype));
    expect_numbers(f(from_vector(x).to(dtype)), expected);
  }
}

/// The gradients of the sum of f at x, fused and recorded.
void expect_gradients(Tensor (*f)(const Tensor&), const std::vector<double>& x, const std::vector<double>& expected) {
  for (const DType dtype : {float32, float64}) {
    for (const bool create_graph : {false, true}) {
      SCOPED_TRACE(std::string(name_of(dtype)) + (create_graph ? ", recorded" : ", fused"));
      const Tensor leaf = from_vector(x).to(dtype).requires_grad(true);
      const Tensor y = f(leaf);
      const Tensor gradient = grad(y, leaf, {.grad_outputs = {ones(y.shape(), dtype)}, .create_graph = create_graph});
      const auto values = numbers(gradient);
      ASSERT_EQ(values.size(), expected.size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_TRUE(values[i] == expected[i] || (std::isnan(values[i]) && std::isnan(expected[i])))
            << "element " << i << " is " << values[i] << ", expected " << expected[i];
      }
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Values at the edges.

TEST(Elementwise, FollowsIeeeAtTheEdgesOfArithmetic) {
  const Tensor a = from_vector(std::vector<double>{1, -1, 0, infinity, infinity, nan});
  const Tensor b = from_vector(std::vector<double>{0, 0, 0, infinity, -infinity, 1});
  expect_numbers(a / b, {infinity, -infinity, nan, nan, nan, nan});
  expect_numbers(a + b, {1, -1, 0, infinity, nan, nan});
  expect_numbers(a - b, {1, -1, 0, nan, infinity, nan});
  expect_numbers(a * b, {0, -0.0, 0, infinity, -infinity, nan});
  expect_numbers(-from_vector(std::vector<double>{0, -0.0, 2}), {-0.0, 0, -2});
}

TEST(Elementwise, HasTheLimitsOfTheExponentialAndItsKin) {
  expect_values(exp, {0, -infinity, infinity, nan, 1e4, -1e4}, {1, 0, infinity, nan, infinity, 0});
  expect_values(log, {1, 0, infinity, -1, nan}, {0, -infinity, infinity, nan, nan});
  expect_values(sqrt, {0, 4, infinity, -1, nan}, {0, 2, infinity, nan, nan});
  expect_values(tanh, {0, infinity, -infinity, nan, 1e4}, {0, 1, -1, nan, 1});
  expect_values(sigmoid, {0, infinity, -infinity, nan, 1e4, -1e4}, {0.5, 1, 0, nan, 1, 0});
  expect_values(softplus, {infinity, -infinity, nan, 1e4, -1e4}, {infinity, 0, nan, 1e4, 0});
  expect_values(sin, {0, infinity, nan}, {0, nan, nan});
  expect_values(cos, {0, infinity, nan}, {1, nan, nan});
}

TEST(Elementwise, LetsNaNThroughPiecewiseFunctions) {
  expect_values(relu, {-1, 2, nan, infinity, -infinity}, {0, 2, nan, infinity, 0});
  expect_values(abs, {-1, 0, nan, -infinity}, {1, 0, nan, infinity});
  expect_values(sign, {-3, 5, nan, -infinity}, {-1, 1, nan, -1});
  expect_values([](const Tensor& x) { return leaky_relu(x, 0.5); }, {-2, 2, nan, -infinity}, {-1, 2, nan, -infinity});
  expect_values([](const Tensor& x) { return clamp(x, -1, 1); }, {-2, 2, 0.5, nan, infinity}, {-1, 1, 0.5, nan, 1});
  expect_values([](const Tensor& x) { return maximum(x, 1); }, {0, 2, nan}, {1, 2, nan});
  expect_values([](const Tensor& x) { return minimum(x, 1); }, {0, 2, nan}, {0, 1, nan});
  expect_values([](const Tensor& x) { return maximum(x, nan); }, {0, nan}, {nan, nan});
}

TEST(Elementwise, RaisesToPowersAsTheStandardLibrary) {
  for (const double base : {0.0, -0.0, 1.0, -1.0, 2.0, -2.0, infinity, -infinity, nan}) {
    for (const double exponent : {0.0, 1.0, -1.0, 2.0, 3.0, 0.5, infinity, -infinity, nan}) {
      SCOPED_TRACE(std::to_string(base) + " ^ " + std::to_string(exponent));
      const Tensor x = full({3}, base, float64);
      const double y = std::pow(base, exponent);
      expect_numbers(pow(x, exponent), {y, y, y});
      expect_numbers(pow(x, full({3}, exponent, float64)), {y, y, y});
    }
  }
}

TEST(Elementwise, ComparesNaNWithNothing) {
  const Tensor a = from_vector(std::vector<double>{nan, 1, nan, 2});
  const Tensor b = from_vector(std::vector<double>{1, nan, nan, 2});
  expect_numbers(a < b, {0, 0, 0, 0});
  expect_numbers(a <= b, {0, 0, 0, 1});
  expect_numbers(a > b, {0, 0, 0, 0});
  expect_numbers(a >= b, {0, 0, 0, 1});
  expect_numbers(a == b, {0, 0, 0, 1});
  expect_numbers(a != b, {1, 1, 1, 0});
  expect_numbers(a != nan, {1, 1, 1, 1});
}

TEST(Elementwise, KeepsWhatWhereDoesNotChooseOut) {
  const Tensor x = from_vector(std::vector<double>{0, 1, 4}).requires_grad(true);
  const Tensor y = where(x > 0, log(where(x > 0, x, 1)), 0);
  expect_numbers(y, {0, 0, std::log(4.0)});
  expect_numbers(grad(sum(y), x), {0, 1, 0.25});
  // NaN and infinity of the branch that is not taken stay away from value and gradient.
  const Tensor bad = from_vector(std::vector<double>{nan, infinity, 3}).requires_grad(true);
  const Tensor chosen = where(bad == 3, bad, 7);
  expect_numbers(chosen, {7, 7, 3});
  expect_numbers(grad(sum(chosen), bad), {0, 0, 1});
}

TEST(Elementwise, TakesConditionsOfAnyDtype) {
  const Tensor x = from_data({1, 2, 3}, float64);
  expect_numbers(where(from_data({1, 0, 5}, DType::int64), x, 0), {1, 0, 3});
  expect_numbers(where(from_data({1, 0, 5}), x, -x), {1, -2, 3});
  EXPECT_EQ(where(from_data({1, 0, 5}), x, 0).dtype(), float64);
  EXPECT_EQ(where(from_data({1, 0, 5}, float64), 1, 0).dtype(), float64);
  expect_numbers(where(from_data({nan, 0}), 1, 2), {1, 2});
}

// ---------------------------------------------------------------------------------------------------------------------
// Gradients at kinks.

TEST(Elementwise, HasTheStatedGradientsAtKinks) {
  expect_gradients(abs, {-2, 0, 3}, {-1, 0, 1});
  expect_gradients(sign, {-2, 0, 3}, {0, 0, 0});
  expect_gradients(relu, {-2, 0, 3}, {0, 0, 1});
  expect_gradients([](const Tensor& x) { return leaky_relu(x, 0.25); }, {-2, 0, 3}, {0.25, 0.25, 1});
  expect_gradients([](const Tensor& x) { return clamp(x, -1, 2); }, {-2, -1, 0, 2, 3}, {0, 1, 1, 1, 0});
  expect_gradients([](const Tensor& x) { return maximum(x, 1); }, {0, 1, 2}, {0, 0.5, 1});
  expect_gradients([](const Tensor& x) { return minimum(x, 1); }, {0, 1, 2}, {1, 0.5, 0});
  expect_gradients([](const Tensor& x) { return maximum(x, x); }, {-1, 2}, {1, 1});
}

TEST(Elementwise, HasFiniteGradientsOfPowersWhereTheFunctionIsSmooth) {
  expect_gradients([](const Tensor& x) { return pow(x, 0); }, {0, 1, -2}, {0, 0, 0});
  expect_gradients([](const Tensor& x) { return pow(x, 1); }, {0, 1, -2}, {1, 1, 1});
  expect_gradients([](const Tensor& x) { return pow(x, 2); }, {0, 1, -2}, {0, 2, -4});
  expect_gradients([](const Tensor& x) { return pow(x, zeros({}, x.dtype())); }, {0, 1, -2}, {0, 0, 0});
  // With respect to the exponent, at the base 0.
  const Tensor e = from_data({1, 2, 0.5}, float64).requires_grad(true);
  expect_numbers(grad(sum(pow(zeros({3}, float64), e)), e), {0, 0, 0});
}

TEST(Elementwise, HasFiniteSecondDerivativesOfSmallPowersAtZero) {
  for (const double exponent : {0.0, 1.0, 2.0}) {
    const Tensor x = zeros({1}, float64).requires_grad(true);
    const Tensor first = grad(sum(pow(x, exponent)), x, {.create_graph = true});
    if (!first.requires_grad()) continue;
    const Tensor second = grad(sum(first), x, {.allow_unused = true});
    if (second.defined()) expect_numbers(second, {exponent * (exponent - 1)});
  }
}

TEST(Elementwise, SaturatesWithoutNaNInTheGradient) {
  expect_gradients(tanh, {1e4, -1e4, infinity}, {0, 0, 0});
  expect_gradients(sigmoid, {1e4, -1e4, infinity, -infinity}, {0, 0, 0, 0});
  expect_gradients(softplus, {1e4, -1e4, infinity, -infinity}, {1, 0, 1, 0});
  expect_gradients(exp, {-infinity, 0}, {0, 1});
}

// ---------------------------------------------------------------------------------------------------------------------
// Dtypes.

TEST(Elementwise, CalculatesWithInt64Exactly) {
  const std::int64_t big = (std::int64_t{1} << 62) + 1;
  const Tensor a = from_vector(std::vector<std::int64_t>{big, -7, 7, -8});
  const Tensor b = from_vector(std::vector<std::int64_t>{1, 2, -2, 3});
  const auto check_values = [](const Tensor& x, const std::vector<std::int64_t>& expected) {
    const auto data = x.data<std::int64_t>();
    EXPECT_EQ(std::vector<std::int64_t>(data.begin(), data.end()), expected);
  };
  check_values(a + b, {big + 1, -5, 5, -5});
  check_values(a - b, {big - 1, -9, 9, -11});
  check_values(b * b, {1, 4, 4, 9});
  check_values(a / b, {big, -3, -3, -2});
  check_values(-a, {-big, 7, -7, 8});
  check_values(a * 2 - a, {big, -7, 7, -8});
  check_values(100 / b, {100, 50, -50, 33});
  check_values(a > b, {1, 0, 1, 0});
}

TEST(Elementwise, RejectsWhatInt64CannotDo) {
  const Tensor x = from_data({1, 2}, DType::int64);
  EXPECT_EQ(message_of<Error>([&] { x / from_data({1, 0}, DType::int64); }), "div: division of int64 by zero");
  EXPECT_EQ(message_of<Error>([&] { x / 0; }), "div: division of int64 by zero");
  EXPECT_EQ(message_of<Error>([&] { 1 / (x - 1); }), "div: division of int64 by zero");
  EXPECT_EQ(message_of<DTypeError>([&] { x + 0.5; }), "add: 0.5 is not an integer that int64 can hold");
  EXPECT_EQ(message_of<DTypeError>([&] { static_cast<void>(x < 0.5); }),
            "less: 0.5 is not an integer that int64 can hold");
  EXPECT_EQ(message_of<DTypeError>([&] { static_cast<void>(x * infinity); }),
            "mul: inf is not an integer that int64 can hold");
  EXPECT_EQ(message_of<DTypeError>([&] { exp(x); }), "exp: x is int64; convert it with .to(float32) or .to(float64)");
}

TEST(Elementwise, LetsNumbersTakeTheTensorsDtype) {
  for (const DType dtype : {float32, float64, DType::int64}) {
    const Tensor x = ones({2}, dtype);
    for (const Tensor& y : {x + 1, 1 + x, x - 1, 1 - x, x * 2, 2 * x, x / 2, 2 / x, x < 2, x == 1}) {
      EXPECT_EQ(y.dtype(), dtype);
    }
  }
  for (const DType dtype : {float32, float64}) {
    const Tensor x = ones({2}, dtype);
    for (const Tensor& y : {maximum(x, 0.1), minimum(x, 0.1), pow(x, 0.5), clamp(x, 0, 0.1), where(x, 0.1, x)}) {
      EXPECT_EQ(y.dtype(), dtype);
    }
  }
  // As float32, not as a double that is rounded at the end.
  expect_numbers(from_data({0.1F}) == 0.1, {1});
}

TEST(Elementwise, DoesNotPromoteSilently) {
  EXPECT_EQ(message_of<DTypeError>([] { ones({2}) + ones({2}, float64); }),
            "add: a is float32 and b is float64; convert one with .to(dtype)");
  EXPECT_THROW(maximum(ones({2}), ones({2}, float64)), DTypeError);
  EXPECT_THROW(where(ones({2}), ones({2}), ones({2}, float64)), DTypeError);
}

TEST(Elementwise, NamesAnUndefinedInput) {
  EXPECT_EQ(message_of<Error>([] { ones({2}) * Tensor(); }),
            "mul: b is undefined (never given a value, or a gradient not computed yet)");
  EXPECT_EQ(message_of<Error>([] { Tensor() / 2; }),
            "div: x is undefined (never given a value, or a gradient not computed yet)");
}

TEST(Elementwise, RejectsAClampThatIsUpsideDown) {
  EXPECT_EQ(message_of<Error>([] { clamp(ones({2}), 2, 1); }), "clamp: low (2) must not exceed high (1)");
  EXPECT_THROW(clamp(ones({2}), nan, 1), Error);
}

// ---------------------------------------------------------------------------------------------------------------------
// Broadcasting.

/// a + 10 b element by element, from the definition.
std::vector<double> plain_sum(const Tensor& a, const Tensor& b, const Shape& shape) {
  std::vector<double> result;
  const auto x = numbers(a);
  const auto y = numbers(b);
  for (std::int64_t flat = 0; flat < shape.numel(); ++flat) {
    const auto offset = [&](const Shape& own) {
      std::int64_t rest = flat;
      std::int64_t position = 0;
      std::int64_t stride = 1;
      for (int axis = shape.rank() - 1; axis >= 0; --axis) {
        const int own_axis = axis - (shape.rank() - own.rank());
        if (own_axis >= 0) {
          if (own[own_axis] != 1) position += rest % shape[axis] * stride;
          stride *= own[own_axis];
        }
        rest /= shape[axis];
      }
      return static_cast<std::size_t>(position);
    };
    result.push_back(x[offset(a.shape())] + 10 * y[offset(b.shape())]);
  }
  return result;
}

TEST(Broadcasting, FollowsTheDefinitionForAllPairsOfShapes) {
  const std::vector<Shape> shapes{{},        {1},       {3},       {2, 1},    {2, 3},
                                  {4, 1, 1}, {4, 2, 3}, {1, 1, 3}, {4, 1, 3}, {5, 1, 2, 1}};
  for (const Shape& left : shapes) {
    for (const Shape& right : shapes) {
      SCOPED_TRACE(left.to_string() + " and " + right.to_string());
      const Tensor a = arange(static_cast<double>(left.numel()), float64).reshape(left).requires_grad(true);
      const Tensor b = arange(static_cast<double>(right.numel()), float64).reshape(right).requires_grad(true);
      const Tensor y = a + 10 * b;
      EXPECT_EQ(y.shape(), broadcast_shapes("test", left, right));
      EXPECT_EQ(numbers(y), plain_sum(a, b, y.shape()));
      const auto gradients = grad(sum(y), {a, b});
      const double times_a = static_cast<double>(y.numel()) / static_cast<double>(a.numel());
      const double times_b = static_cast<double>(y.numel()) / static_cast<double>(b.numel());
      EXPECT_EQ(gradients[0].shape(), left);
      EXPECT_EQ(gradients[1].shape(), right);
      EXPECT_EQ(numbers(gradients[0]), std::vector<double>(static_cast<std::size_t>(a.numel()), times_a));
      EXPECT_EQ(numbers(gradients[1]), std::vector<double>(static_cast<std::size_t>(b.numel()), 10 * times_b));
    }
  }
}

TEST(Broadcasting, WorksInEightAxes) {
  const Tensor a = arange(16, float64).reshape({2, 1, 2, 1, 2, 1, 2, 1}).requires_grad(true);
  const Tensor b = arange(81, float64).reshape({1, 3, 1, 3, 1, 3, 1, 3}).requires_grad(true);
  const Tensor y = a + 10 * b;
  EXPECT_EQ(y.shape(), (Shape{2, 3, 2, 3, 2, 3, 2, 3}));
  EXPECT_EQ(numbers(y), plain_sum(a, b, y.shape()));
  EXPECT_EQ(numbers(grad(sum(y), a)), std::vector<double>(16, 81));
}

TEST(Broadcasting, GivesNothingForAxesOfSizeZero) {
  const Tensor empty = zeros({0, 3}).requires_grad(true);
  const Tensor row = ones({3}).requires_grad(true);
  const Tensor y = empty * row;
  EXPECT_EQ(y.shape(), (Shape{0, 3}));
  const auto gradients = grad({y}, {empty, row}, {.grad_outputs = {zeros({0, 3})}});
  EXPECT_EQ(gradients[0].shape(), (Shape{0, 3}));
  expect_numbers(gradients[1], {0, 0, 0});
  EXPECT_EQ((zeros({2, 0}) + ones({2, 1})).shape(), (Shape{2, 0}));
  EXPECT_EQ((zeros({0}) + ones({})).shape(), Shape{0});
  EXPECT_THROW(zeros({0}) + ones({3}), ShapeError);
}

TEST(Broadcasting, NamesTheOpAndBothShapesThatDoNotFit) {
  const std::string text = message_of<ShapeError>([] { ones({2, 3}) - ones({4}); });
  EXPECT_EQ(text.substr(0, 5), "sub: ") << text;
  EXPECT_NE(text.find("[2, 3]"), std::string::npos) << text;
  EXPECT_NE(text.find("[4]"), std::string::npos) << text;
}

// ---------------------------------------------------------------------------------------------------------------------
// Ops of one's own.

Tensor cube(const Tensor& x) {
  return elementwise(
      "cube", x, [](auto v) { return v * v * v; }, by_input([](auto g, auto v) { return 3 * g * v * v; }));
}

TEST(Elementwise, MakesOpsOutOfOneFormulaEach) {
  const Tensor x = from_data({1, 2, -3}, float64).requires_grad(true);
  EXPECT_STREQ(cube(x).op(), "cube");
  expect_numbers(cube(x), {1, 8, -27});
  const Tensor first = grad(sum(cube(x)), x, {.create_graph = true});
  expect_numbers(first, {3, 12, 27});
  const Tensor second = grad(sum(first), x, {.create_graph = true});
  expect_numbers(second, {6, 12, -18});
  expect_numbers(grad(sum(second), x), {6, 6, 6});
}

TEST(Elementwise, TakesThreeInputs) {
  const auto lerp = [](const Tensor& a, const Tensor& b, const Tensor& t) {
    return elementwise(
        "lerp", {a, b, t}, [](auto x, auto y, auto w) { return x + w * (y - x); },
        by_input<2>([](auto g, auto w) { return g * (1 - w); }), by_input<2>([](auto g, auto w) { return g * w; }),
        by_input<0, 1>([](auto g, auto x, auto y) { return g * (y - x); }));
  };
  const Tensor a = from_data({{0}, {10}}).requires_grad(true);
  const Tensor b = from_data({4, 8}).requires_grad(true);
  const Tensor t = full({}, 0.25).requires_grad(true);
  const Tensor y = lerp(a, b, t);
  expect_numbers(y, {1, 2, 8.5, 9.5});
  const auto gradients = grad(sum(y), {a, b, t});
  expect_numbers(gradients[0], {1.5, 1.5});
  expect_numbers(gradients[1], {0.5, 0.5});
  expect_numbers(gradients[2], {4});
}

}  // namespace
}  // namespace wengert
