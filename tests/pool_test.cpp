#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"
#include "tests/whole.h"

namespace wengert {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Case {
  Shape x;
  Size2d kernel;
  PoolOptions options;
};

std::vector<Case> cases() {
  return {
      {{2, 3, 6, 8}, 2, {}},
      {{1, 2, 5, 75}, 2, {}},  // whole packets, a rest, and a pixel that no window reaches
      {{2, 2, 7, 9}, {3, 2}, {}},
      {{2, 2, 7, 9}, 3, {.stride = 1}},
      {{2, 2, 7, 9}, 3, {.stride = Size2d(2, 1), .padding = 1}},
      {{1, 1, 3, 3}, 2, {.padding = 1}},
      {{1, 1, 5, 5}, 4, {.stride = 3, .padding = {2, 1}}},
      {{1, 1, 9, 9}, 2, {.stride = 4}},
      {{4, 5}, {2, 1}, {}},
      {{2, 1, 3, 4}, 1, {}},
      {{0, 3, 6, 6}, 2, {}},
  };
}

/// Every window by the definition: the list of its pixels on the image, then `f(list)`.
template <class F>
Tensor over_windows(const Tensor& x, const Case& c, F f) {
  const Size2d stride = c.options.stride.value_or(c.kernel);
  const Size2d padding(c.options.padding.before[1], c.options.padding.before[2]);
  const std::int64_t height = x.dim(-2);
  const std::int64_t width = x.dim(-1);
  const std::int64_t rows = (height + 2 * padding.rows - c.kernel.rows) / stride.rows + 1;
  const std::int64_t columns = (width + 2 * padding.columns - c.kernel.columns) / stride.columns + 1;
  std::vector<double> y;
  for (std::int64_t plane = 0; plane < x.shape().numel(0, x.rank() - 2); ++plane) {
    for (std::int64_t i = 0; i < rows; ++i) {
      for (std::int64_t j = 0; j < columns; ++j) {
        std::vector<double> window;
        for (std::int64_t u = 0; u < c.kernel.rows; ++u) {
          for (std::int64_t v = 0; v < c.kernel.columns; ++v) {
            const std::int64_t r = i * stride.rows + u - padding.rows;
            const std::int64_t s = j * stride.columns + v - padding.columns;
            if (r < 0 || s < 0 || r >= height || s >= width) continue;
            window.push_back(x.data<double>()[static_cast<std::size_t>((plane * height + r) * width + s)]);
          }
        }
        y.push_back(f(window));
      }
    }
  }
  return from_vector(y, x.shape().with(x.rank() - 2, rows).with(x.rank() - 1, columns));
}

double largest(const std::vector<double>& window) { return *std::max_element(window.begin(), window.end()); }

TEST(MaxPool2d, TakesTheLargestPixelOfEachWindow) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.x.to_string());
    const Tensor x = whole(c.x, 1) - 5;  // padding, were it zero, would win everywhere
    const Tensor expected = over_windows(x, c, largest);
    expect_same(maxpool2d(x, c.kernel, c.options), expected);
    const Tensor leaf = x.detach().requires_grad(true);
    expect_same(maxpool2d(leaf, c.kernel, c.options), expected);
    const Tensor single = x.to(float32);
    expect_same(maxpool2d(single, c.kernel, c.options), over_windows(single.to(float64), c, largest).to(float32));
  }
}

/// Whole numbers from 0 on, each once, in no simple order.
Tensor distinct(const Shape& shape, DType dtype) {
  std::uint32_t range = 1;
  while (range < shape.numel()) range *= 2;
  std::vector<double> numbers;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(shape.numel()); ++i) {
    numbers.push_back(static_cast<double>(i * 2654435761U % range));  // an odd factor permutes them
  }
  return from_vector(numbers, shape).to(dtype);
}

TEST(MaxPool2d, SendsTheGradientToTheWinner) {
  for (const DType dtype : {float32, float64}) {
    for (const Case& c : cases()) {
      SCOPED_TRACE(c.x.to_string());
      const Tensor x = distinct(c.x, dtype).requires_grad(true);
      const Tensor y = maxpool2d(x, c.kernel, c.options);
      const Tensor g = whole(y.shape(), 1, dtype);
      // A step too short to make another pixel the largest moves y by what the winners move; the gradient is the
      // adjoint of that.
      const Tensor v = whole(c.x, 2, dtype);
      const Tensor moved = (maxpool2d(x + v / 16, c.kernel, c.options) - y) * 16;
      EXPECT_EQ(sum(grad(y, x, {.grad_outputs = {g}}) * v).item(), sum(g * moved).item());
    }
  }
}

TEST(MaxPool2d, HasAGradientThatCanBeDifferentiated) {
  const Tensor x = from_data({{1, 3}, {2, 0}}, float64).requires_grad(true);
  const Tensor y = maxpool2d(x, 2);
  const Tensor first = grad(y * y * y, x, {.grad_outputs = {ones({1, 1}, float64)}, .create_graph = true});
  expect_same(first, from_data({{0, 27}, {0, 0}}, float64));
  const Tensor second =
      grad(first, x, {.grad_outputs = {from_data({{5, 7}, {11, 13}}, float64)}, .create_graph = true});
  expect_same(second, from_data({{0, 7 * 18}, {0, 0}}, float64));
  expect_same(grad(second, x, {.grad_outputs = {ones({2, 2}, float64)}}), from_data({{0, 7 * 6}, {0, 0}}, float64));
}

TEST(MaxPool2d, GivesTheFirstOfEqualPixelsTheGradient) {
  for (const std::int64_t width : {2, 64}) {  // one by one, and in packets
    const Tensor x = ones({2, width}).requires_grad(true);
    maxpool2d(x, 2).backward(ones({1, width / 2}));
    std::vector<double> expected(static_cast<std::size_t>(2 * width), 0);
    for (std::int64_t j = 0; j < width; j += 2) expected[static_cast<std::size_t>(j)] = 1;
    EXPECT_EQ(values_of(x.grad()), expected);
  }
  const Tensor x = from_data({{1, 2, 2}, {2, 2, 2}, {0, 0, 2}}).requires_grad(true);
  maxpool2d(x, 3).backward(ones({1, 1}));
  expect_same(x.grad(), from_data({{0, 1, 0}, {0, 0, 0}, {0, 0, 0}}));
}

TEST(MaxPool2d, LetsNaNWinAndTakeTheGradient) {
  for (std::int64_t place = 0; place < 4; ++place) {
    for (const std::int64_t windows : {1, 40}) {
      std::vector<float> pixels(static_cast<std::size_t>(4 * windows), 7);
      const auto at = static_cast<std::size_t>(place / 2 * 2 * windows + place % 2);  // in the first window
      pixels[at] = static_cast<float>(nan);
      const Tensor x = from_vector(pixels, {2, 2 * windows}).requires_grad(true);
      const Tensor y = maxpool2d(x, 2);
      EXPECT_TRUE(std::isnan(values_of(y)[0]));
      if (windows > 1) {
        EXPECT_EQ(values_of(y)[1], 7);
      }
      y.backward(ones(y.shape()));
      EXPECT_EQ(values_of(x.grad())[at], 1);
    }
  }
  EXPECT_TRUE(std::isnan(maxpool2d(from_data({{1, 2, 3}, {4, nan, 5}, {6, 7, 8}}), 3).item()));
}

TEST(MaxPool2d, NeverChoosesPadding) {
  const Tensor y = maxpool2d(full({1, 1, 2, 2}, -infinity), 3, {.stride = 1, .padding = 1});
  for (const double value : values_of(y)) EXPECT_EQ(value, -infinity);
}

TEST(AvgPool2d, TakesTheMeanOfEachWindowWithPaddingAsZeros) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.x.to_string());
    const Tensor image = whole(c.x, 1);
    const auto count = static_cast<double>(c.kernel.rows * c.kernel.columns);
    const Tensor expected = over_windows(image, c, [&](const std::vector<double>& window) {
      double total = 0;
      for (const double pixel : window) total += pixel;
      return total * (1 / count);
    });
    expect_same(avgpool2d(image, c.kernel, c.options), expected);
  }
}

TEST(AvgPool2d, HasAdjointGradientsOfAnyOrder) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.x.to_string());
    const Tensor x = whole(c.x, 1).requires_grad(true);
    const Tensor y = avgpool2d(x, c.kernel, c.options);
    const Tensor g = whole(y.shape(), 2).requires_grad(true);
    const Tensor gradient = grad(y, x, {.grad_outputs = {g}, .create_graph = true});
    EXPECT_NEAR(sum(gradient * x).item(), sum(y * g).item(), 1e-10);
    expect_same(grad(gradient, g, {.grad_outputs = {x.detach()}}), y);
  }
}

TEST(Pool2d, HasTheSameBitsForAnyNumberOfThreads) {
  const Tensor x = randn({40, 8, 30, 30}).requires_grad(true);
  const PoolOptions options{.stride = 2, .padding = 1};
  const auto run = [&] {
    const Tensor largest_pixels = maxpool2d(x, 3, options);
    const Tensor means = avgpool2d(x, 3, options);
    return std::vector<Tensor>{largest_pixels, means, grad(sum(largest_pixels * means), x)};
  };
  const int before = num_threads();
  set_num_threads(1);
  const std::vector<Tensor> expected = run();
  for (const int threads : {2, 4}) {
    set_num_threads(threads);
    const std::vector<Tensor> actual = run();
    for (std::size_t i = 0; i < actual.size(); ++i) expect_same(actual[i], expected[i]);
  }
  set_num_threads(before);
}

// ---------------------------------------------------------------------------------------------------------------------
// One axis, by hand.

/// 1, 2, ..., n.
Tensor counted(std::int64_t n) { return arange(1, static_cast<double>(n) + 1, 1, float64); }

TEST(Pool1d, LeavesAPartOfTheImageOutUnlessInCeilMode) {
  const Tensor x = counted(5);
  expect_same(maxpool1d(x, 2), from_data({2, 4}, float64));
  expect_same(maxpool1d(x, 2, {.ceil_mode = true}), from_data({2, 4, 5}, float64));
  expect_same(avgpool1d(x, 2, {.ceil_mode = true}), from_data({1.5, 3.5, 5}, float64));
  // A kernel larger than the image has a window in ceil mode.
  expect_same(maxpool1d(counted(2), 3, {.stride = 2, .ceil_mode = true}), from_data({2}, float64));
}

TEST(Pool1d, HasNoWindowThatBeginsBehindTheImage) {
  // The third one of ceil mode would begin at place 5, in the padding.
  const Pool1dOptions options{.stride = 3, .padding = 1, .ceil_mode = true};
  expect_same(maxpool1d(counted(5), 2, options), from_data({1, 4}, float64));
  expect_same(avgpool1d(counted(5), 2, options), from_data({0.5, 3.5}, float64));
}

TEST(AvgPool1d, CountsPaddingInsideThePaddedImageAlone) {
  // The last window covers the element 6, one of padding, and one place behind that.
  Pool1dOptions options{.stride = 2, .padding = 1, .ceil_mode = true};
  expect_same(avgpool1d(counted(6) * 3, 3, options), from_data({3, 9, 15, 9}, float64));
  options.count_include_pad = false;
  expect_same(avgpool1d(counted(6) * 2, 3, options), from_data({3, 6, 10, 12}, float64));
}

TEST(Pool1d, PadsForTheSameSizeWithTheOddElementBehind) {
  Pool1dOptions options{.stride = 2, .padding = Padding::same};
  expect_same(maxpool1d(counted(5), 2, options), from_data({2, 4, 5}, float64));
  expect_same(avgpool1d(counted(5), 2, options), from_data({1.5, 3.5, 2.5}, float64));
  options.count_include_pad = false;
  expect_same(avgpool1d(counted(5), 2, options), from_data({1.5, 3.5, 5}, float64));
  expect_same(maxpool1d(counted(4), 3, options), from_data({3, 4}, float64));
  expect_same(maxpool1d(counted(3), 5, {.stride = 1, .padding = Padding::same}), from_data({3, 3, 3}, float64));
}

TEST(Pool1d, PadsEachSideByItself) {
  const Tensor x = from_data({4, 1, 2}, float64);
  expect_same(maxpool1d(x, 2, {.stride = 1, .padding = Padding::sides(1, 0)}), from_data({4, 4, 2}, float64));
  expect_same(avgpool1d(x, 2, {.stride = 1, .padding = Padding::sides(0, 1)}), from_data({2.5, 1.5, 1}, float64));
}

TEST(MaxPool1d, TakesElementsADilationApart) {
  expect_same(maxpool1d(from_data({1, 9, 2, 8, 3}, float64), 2, {.stride = 1, .dilation = 2}),
              from_data({2, 9, 3}, float64));
  // The first window has the elements -1 (padding) and 1.
  expect_same(maxpool1d(from_data({9, 1, 8}, float64), 2, {.stride = 1, .padding = 1, .dilation = 2}),
              from_data({1, 9, 1}, float64));
}

TEST(AvgPool3d, TakesTheMeanOfEachBox) {
  const Tensor x = reshape(counted(16), {1, 1, 2, 2, 4});
  expect_same(avgpool3d(x, 2), reshape(from_data({7.5, 9.5}, float64), {1, 1, 1, 1, 2}));
  expect_same(maxpool3d(x, {1, 2, 2}), reshape(from_data({6, 8, 14, 16}, float64), {1, 1, 2, 1, 2}));
}

// ---------------------------------------------------------------------------------------------------------------------
// Rows of windows that are computed in packets.

TEST(MaxPool2d, LetsNaNWinInExactlyTheWindowsThatHaveIt) {
  const std::int64_t width = 45;
  for (const std::int64_t stride : {1, 2, 3}) {
    for (std::int64_t place = 0; place < width; ++place) {
      std::vector<float> pixels(static_cast<std::size_t>(3 * width), 1);
      pixels[static_cast<std::size_t>(width + place)] = static_cast<float>(nan);
      const Tensor x = from_vector(pixels, {3, width});
      const PoolOptions options{.stride = Size2d(1, stride), .padding = {0, 1}};
      const auto [values, indices] = maxpool2d_with_index(x, 3, options);
      for (std::int64_t j = 0; j < values.dim(1); ++j) {
        const std::int64_t first = j * stride - 1;
        const bool inside = first <= place && place <= first + 2;
        const auto at = static_cast<std::size_t>(j);
        EXPECT_EQ(std::isnan(values.data<float>()[at]), inside) << "stride " << stride << ", window " << j;
        if (inside) {
          EXPECT_EQ(indices.data<std::int64_t>()[at], width + place);
        }
      }
    }
  }
}

TEST(MaxPool2d, NamesTheFirstOfEqualPixelsEvenWhereAllAreMinusInfinity) {
  for (const double value : {1.0, -infinity}) {
    for (const DType dtype : {float32, float64}) {
      const Tensor x = full({4, 40}, value, dtype);
      const auto [values, indices] = maxpool2d_with_index(x, 3, {.stride = 1, .padding = 1});
      std::vector<double> expected;
      for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t j = 0; j < 40; ++j) {
          expected.push_back(
              static_cast<double>(std::max<std::int64_t>(i - 1, 0) * 40 + std::max<std::int64_t>(j - 1, 0)));
        }
      }
      EXPECT_EQ(values_of(indices), expected);
      EXPECT_EQ(values_of(values), std::vector<double>(160, value));
    }
  }
}

TEST(Pool2d, ReadsNothingBehindTheImage) {
  // The last row ends with the last element of the tensor, for packets of any number of windows.
  for (std::int64_t width = 2; width < 70; ++width) {
    const Tensor x = whole({1, 1, 2, width}, 1, float32);
    const Tensor wider = pad(x, {0, 0, 0, 0}, {0, 0, 0, 40}, -100);
    const std::int64_t windows = width / 2;
    for (const std::int64_t kernel : {1, 2}) {
      const Tensor y = maxpool2d(x, {2, kernel}, {.stride = 2});
      expect_same(y, slice(maxpool2d(wider, {2, kernel}, {.stride = 2}), 3, 0, y.dim(3)));
      EXPECT_EQ(y.dim(3), kernel == 2 ? windows : (width + 1) / 2);
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Indices and the way back.

TEST(MaxPool2dWithIndex, CountsAlongRowsOfTheChannel) {
  const Tensor x = reshape(counted(16), {1, 1, 4, 4});
  const auto [values, indices] = maxpool2d_with_index(x, 2);
  expect_same(values, reshape(from_data({6, 8, 14, 16}, float64), {1, 1, 2, 2}));
  EXPECT_EQ(indices.dtype(), int64);
  expect_same(indices, reshape(from_data({5, 7, 13, 15}, int64), {1, 1, 2, 2}));
  expect_same(maxpool1d_with_index(from_data({{{3, 1, 2, 5}}}), 2).indices, from_data({{{0, 3}}}, int64));
}

TEST(MaxPool2dWithIndex, GivesTheGradientToTheWinnersAlone) {
  const Tensor x = from_data({{1, 3}, {2, 0}}, float64).requires_grad(true);
  const auto [values, indices] = maxpool2d_with_index(x, 2);
  EXPECT_FALSE(indices.requires_grad());
  expect_same(grad(values * 5, x, {.grad_outputs = {ones({1, 1}, float64)}}), from_data({{0, 5}, {0, 0}}, float64));
}

TEST(MaxUnpool2d, PutsMaximaBackToWhereTheyCameFrom) {
  const Tensor x = distinct({2, 3, 5, 7}, float64) + 1;
  const auto [values, indices] = maxpool2d_with_index(x, 2);
  const Tensor y = maxunpool2d(values, indices, {5, 7});
  EXPECT_EQ(y.shape(), x.shape());
  expect_same(y * (y != x), zeros(x.shape(), float64));  // each is 0 or what was there
  EXPECT_EQ(sum(y != 0).item(), static_cast<double>(values.numel()));
  expect_same(maxpool2d(y, 2), values);
}

TEST(MaxUnpool2d, TakesTheLastOfSeveralValuesAtAPlace) {
  const Tensor x = from_data({{1, 2, 3}}, float64).requires_grad(true);
  const Tensor y = maxunpool2d(x, from_data({{2, 0, 2}}, int64), {1, 4});
  expect_same(y, from_data({{2, 0, 3, 0}}, float64));
  expect_same(grad(y, x, {.grad_outputs = {from_data({{10, 20, 30, 40}}, float64)}}),
              from_data({{0, 10, 30}}, float64));
}

TEST(MaxUnpool2d, NamesWhatDoesNotFit) {
  const Tensor x = ones({1, 1, 1, 2});
  const Tensor index = reshape(from_data({0, 6}, int64), {1, 1, 1, 2});
  expect_error<ShapeError>(
      [&] {
        maxunpool2d(x, index, {2, 3});
      },
      "maxunpool2d: index 6 is out of range for 2 x 3 elements; it must be >= 0 and < 6");
  expect_error<ShapeError>([&] { maxunpool2d(x, index - 1, 3); }, "maxunpool2d: index -1 is out of range");
  expect_error<ShapeError>([&] { maxunpool2d(x, squeeze(index), 3); },
                           "maxunpool2d: index has shape [2], x has [1, 1, 1, 2]; they must be equal");
  expect_error<DTypeError>([&] { maxunpool2d(x, x, 3); }, "maxunpool2d: index must be int64, got float32");
  expect_error<ShapeError>(
      [&] {
        maxunpool2d(x, index, {0, 3});
      },
      "maxunpool2d: size must be at least 1 x 1, and at most 2147483647 elements, got 0 x 3");
  expect_error<ShapeError>([&] { maxunpool2d(x, index, std::numeric_limits<std::int64_t>::max()); }, "maxunpool2d: ");
  expect_error<ShapeError>([&] { maxunpool2d(ones({3}), zeros({3}, int64), 3); },
                           "maxunpool2d: x must be [N, C, H, W] or [H, W], got [3]");
}

// ---------------------------------------------------------------------------------------------------------------------
// Adaptive and global pools.

TEST(AdaptivePool, HasWindowsThatOverlapWhereTheSizeDoesNotDivide) {
  expect_same(adaptive_maxpool1d(counted(5), 3), from_data({2, 4, 5}, float64));
  expect_same(adaptive_avgpool1d(counted(5), 3), from_data({1.5, 3, 4.5}, float64));
  expect_same(adaptive_avgpool1d(counted(2), 3), from_data({1, 1.5, 2}, float64));
  expect_same(adaptive_avgpool2d(reshape(counted(6), {2, 3}), {1, 2}), from_data({{3, 4}}, float64));
}

TEST(AdaptivePool, IsAnOrdinaryOneWhereTheSizeDivides) {
  const Tensor x = whole({2, 3, 6, 8}, 1);
  expect_same(adaptive_maxpool2d(x, {3, 4}), maxpool2d(x, 2));
  expect_same(adaptive_avgpool2d(x, {2, 8}), avgpool2d(x, {3, 1}));
  expect_same(adaptive_avgpool2d(x, {6, 8}), x);
}

TEST(GlobalPool, LeavesOneNumberOfEachChannel) {
  const Tensor x = reshape(counted(12), {1, 3, 2, 2});
  expect_same(global_maxpool(x), from_data({{{{4}}, {{8}}, {{12}}}}, float64));
  expect_same(global_avgpool(x), from_data({{{{2.5}}, {{6.5}}, {{10.5}}}}, float64));
  EXPECT_EQ(global_avgpool(ones({2, 3, 4})).shape(), (Shape{2, 3, 1}));
  EXPECT_EQ(global_maxpool(ones({2, 3, 4, 5, 6})).shape(), (Shape{2, 3, 1, 1, 1}));
}

TEST(GlobalPool, SharesTheGradientOfAMaximumAmongEqualOnes) {
  const Tensor x = from_data({{{2, 1, 2}}}).requires_grad(true);
  global_maxpool(x).backward(ones({1, 1, 1}));
  expect_same(x.grad(), from_data({{{0.5, 0, 0.5}}}));
}

TEST(GlobalPool, NamesWhatDoesNotFit) {
  expect_error<ShapeError>(
      [] {
        global_avgpool(ones({2, 3}));
      },
      "global_avgpool: x must be [N, C, ...] with images that have elements, got [2, 3]");
  expect_error<ShapeError>([] { global_maxpool(ones({2, 3, 0})); }, "global_maxpool: x must be [N, C, ...]");
  expect_error<Error>([] { global_maxpool(Tensor()); }, "global_maxpool: x is undefined");
}

// ---------------------------------------------------------------------------------------------------------------------
// interpolate.

constexpr InterpolateOptions bilinear{.mode = InterpolateMode::bilinear};
constexpr InterpolateOptions corners{.mode = InterpolateMode::bilinear, .align_corners = true};

void expect_near(const Tensor& actual, const Tensor& expected) {
  ASSERT_EQ(actual.shape(), expected.shape());
  EXPECT_LT(max(abs(actual - expected)).item(), 1e-14) << actual;
}

TEST(Interpolate, RepeatsTheNearestElement) {
  const Tensor x = from_data({{1, 2}, {3, 4}}, float64);
  expect_same(interpolate(x, 4), from_data({{1, 1, 2, 2}, {1, 1, 2, 2}, {3, 3, 4, 4}, {3, 3, 4, 4}}, float64));
  expect_same(interpolate(x, {1, 3}), from_data({{1, 1, 2}}, float64));
  expect_same(interpolate(reshape(counted(7), {1, 7}), {1, 3}), from_data({{1, 3, 5}}, float64));
}

TEST(Interpolate, BlendsNeighboursWithTheCornersOfSquaresAligned) {
  const Tensor x = from_data({{1, 2}, {3, 4}}, float64);
  expect_same(
      interpolate(x, 4, bilinear),
      from_data({{1, 1.25, 1.75, 2}, {1.5, 1.75, 2.25, 2.5}, {2.5, 2.75, 3.25, 3.5}, {3, 3.25, 3.75, 4}}, float64));
  expect_same(interpolate(from_data({{1, 2, 3, 4}}, float64), {1, 2}, bilinear), from_data({{1.5, 3.5}}, float64));
}

TEST(Interpolate, BlendsNeighboursWithTheCornerElementsAligned) {
  const Tensor x = from_data({{3, 6}, {9, 12}}, float64);
  expect_near(interpolate(x, 4, corners),
              from_data({{3, 4, 5, 6}, {5, 6, 7, 8}, {7, 8, 9, 10}, {9, 10, 11, 12}}, float64));
  expect_same(interpolate(x, {1, 3}, corners), from_data({{3, 4.5, 6}}, float64));
  expect_same(interpolate(x, 1, corners), from_data({{3}}, float64));
}

TEST(Interpolate, IsTheIdentityForTheSameSize) {
  for (const DType dtype : {float32, float64}) {
    const Tensor x = from_data({{0.1, -2.7, infinity, 1}, {1e-30, 3, 4, 0.3}, {5, 1e30, -infinity, 7}}, dtype);
    for (const InterpolateOptions& options : {InterpolateOptions(), bilinear, corners}) {
      expect_same(interpolate(x, {3, 4}, options), x);
    }
  }
}

TEST(Interpolate, SpreadsNaNToItsNeighboursAlone) {
  const Tensor x = from_data({{nan, 1, 2}}, float64);
  const std::vector<double> y = values_of(interpolate(x, {1, 6}, bilinear));
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]) && std::isnan(y[2]));
  EXPECT_EQ(std::vector<double>(y.begin() + 3, y.end()), (std::vector<double>{1.25, 1.75, 2}));
}

TEST(Interpolate, KeepsAConstantImage) {
  const Tensor x = full({1, 1, 3, 5}, 0.1, float32);
  for (const InterpolateOptions& options : {InterpolateOptions(), bilinear, corners}) {
    expect_same(interpolate(x, {7, 11}, options), full({1, 1, 7, 11}, 0.1, float32));
  }
}

TEST(Interpolate, HasAdjointGradientsOfAnyOrder) {
  for (const InterpolateOptions& options : {InterpolateOptions(), bilinear, corners}) {
    const Tensor x = whole({2, 1, 4, 5}, 1).requires_grad(true);
    const Tensor y = interpolate(x, {3, 9}, options);
    const Tensor g = whole(y.shape(), 2).requires_grad(true);
    const Tensor gradient = grad(y, x, {.grad_outputs = {g}, .create_graph = true});
    EXPECT_NEAR(sum(gradient * x).item(), sum(y * g).item(), 1e-10);
    expect_same(grad(gradient, g, {.grad_outputs = {x.detach()}}), y);
  }
}

TEST(Interpolate, NamesWhatDoesNotFit) {
  const Tensor x = ones({1, 1, 2, 2});
  expect_error<ShapeError>(
      [&] {
        interpolate(ones({1, 2, 2}), 4);
      },
      "interpolate: x must be [N, C, H, W] or [H, W], got [1, 2, 2]");
  expect_error<ShapeError>(
      [&] {
        interpolate(x, {3, 0});
      },
      "interpolate: size must have 1 to 1073741824 rows and columns, got 3 and 0");
  expect_error<ShapeError>([&] { interpolate(x, std::int64_t{1} << 40); }, "interpolate: size must have 1 to");
  expect_error<ShapeError>(
      [&] {
        interpolate(ones({1, 1, 0, 2}), 4);
      },
      "interpolate: an image must have 1 to 1073741824 rows and columns, x is [1, 1, 0, 2]");
  expect_error<ShapeError>([&] { interpolate(x, 4, {.align_corners = true}); },
                           "interpolate: align_corners is for bilinear; nearest has no corners to align");
  expect_error<DTypeError>([&] { interpolate(ones({2, 2}, int64), 4); }, "interpolate: x is int64");
  EXPECT_EQ(interpolate(ones({0, 1, 2, 2}), std::int64_t{1} << 25).shape(),
            (Shape{0, 1, std::int64_t{1} << 25, std::int64_t{1} << 25}));
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors.

TEST(Pool2d, NamesWhatDoesNotFit) {
  const Tensor x = ones({1, 2, 5, 5});
  expect_error<ShapeError>(
      [&] {
        maxpool2d(ones({2, 5, 5}), 2);
      },
      "maxpool2d: x must be [N, C, H, W] or [H, W], got [2, 5, 5]");
  expect_error<ShapeError>(
      [&] {
        maxpool2d(x, {6, 2});
      },
      "maxpool2d: the kernel covers 6 rows, more than the padded image has: 5");
  expect_error<ShapeError>(
      [&] {
        avgpool2d(x, {2, 8}, {.padding = 1});
      },
      "avgpool2d: the kernel covers 8 columns, more than the padded image has: 7");
  expect_error<ShapeError>(
      [&] {
        avgpool2d(ones({1, 1, 0, 4}), 2, {.padding = 1});
      },
      "avgpool2d: x has shape [1, 1, 0, 4], an image without elements");
  expect_error<ShapeError>([&] { maxpool2d(x, 0); }, "maxpool2d: the kernel must have 1 to 2147483647 rows, got 0");
  expect_error<ShapeError>([&] { maxpool2d(x, 2, {.stride = Size2d(1, 0)}); },
                           "maxpool2d: stride of columns must be from 1 to 2147483647, got 0");
  expect_error<ShapeError>([&] { maxpool2d(x, 2, {.padding = 2}); },
                           "maxpool2d: padding of rows must be from 0 to half the kernel (1), got 2");
  expect_error<ShapeError>([&] { maxpool2d(x, 2, {.padding = {0, -1}}); }, "padding of columns must be from 0");
  expect_error<DTypeError>([&] { maxpool2d(ones({4, 4}, int64), 2); }, "maxpool2d: x is int64");
  expect_error<Error>([&] { avgpool2d(Tensor(), 2); }, "avgpool2d: x is undefined");
  expect_error<ShapeError>([&] { maxpool2d(x, 2, {.padding = Padding::full}); },
                           "maxpool2d: padding cannot be `full`: it is at most half the kernel");
  expect_error<ShapeError>([&] { maxpool2d(x, 2, {.padding = Padding::sides(1, 1)}); },
                           "maxpool2d: padding is given for 1 axes, the image has 2");
  expect_error<ShapeError>([&] { maxpool2d(x, 2, {.padding = Padding::sides(0, 0, 0, 2)}); },
                           "maxpool2d: padding of columns must be from 0 to half the kernel (1), got 2");
  expect_error<ShapeError>(
      [&] {
        maxpool2d(x, 3, {.dilation = {1, 3}});
      },
      "maxpool2d: the kernel covers 7 columns, more than the padded image has: 5");
  expect_error<ShapeError>(
      [&] {
        maxpool2d(x, 2, {.dilation = {0, 1}});
      },
      "maxpool2d: dilation of rows must be from 1 to 2147483647, got 0");
  expect_error<ShapeError>([&] { avgpool2d(x, 2, {.dilation = {1, 2}}); }, "avgpool2d: dilation must be 1, got 2");
  // In ceil mode a window may run over the end by less than a stride.
  EXPECT_EQ(maxpool2d(x, 6, {.stride = 2, .ceil_mode = true}).shape(), (Shape{1, 2, 1, 1}));
  expect_error<ShapeError>([&] { maxpool2d(x, 7, {.stride = 2, .ceil_mode = true}); },
                           "maxpool2d: the kernel covers 7 rows, more than the padded image has: 5");
}

TEST(Pool, NamesWhatDoesNotFitOnOtherAxes) {
  expect_error<ShapeError>([] { maxpool1d(ones({2, 3}), 2); }, "maxpool1d: x must be [N, C, L] or [L], got [2, 3]");
  expect_error<ShapeError>([] { avgpool1d(ones({4}), 5); },
                           "avgpool1d: the kernel covers 5 elements, more than the padded image has: 4");
  expect_error<ShapeError>(
      [] {
        maxpool3d(ones({2, 3}), 2);
      },
      "maxpool3d: x must be [N, C, D, H, W] or [D, H, W], got [2, 3]");
  expect_error<ShapeError>(
      [] {
        avgpool3d(ones({1, 4, 4}), 2);
      },
      "avgpool3d: the kernel covers 2 slices, more than the padded image has: 1");
  expect_error<ShapeError>([] { adaptive_avgpool1d(ones({4}), 0); },
                           "adaptive_avgpool1d: size must be from 1 to 2147483647 elements, got 0");
  expect_error<ShapeError>(
      [] {
        adaptive_maxpool2d(ones({4, 4}), {2, -1});
      },
      "adaptive_maxpool2d: size must be from 1 to 2147483647 columns, got -1");
  expect_error<ShapeError>(
      [] {
        adaptive_maxpool2d(ones({2, 0, 4, 0}), 2);
      },
      "adaptive_maxpool2d: x has shape [2, 0, 4, 0], an image without elements");
}

TEST(MaxPool, RefusesWindowsWithoutAnElement) {
  expect_error<ShapeError>([] { maxpool1d(ones({1}), 2, {.padding = 1, .dilation = 2}); },
                           "maxpool1d: with dilation 2 and padding 1 a window steps over the 1 elements of the image");
  expect_error<ShapeError>([] { maxpool1d(ones({1}), 2, {.padding = Padding::same, .dilation = 2}); },
                           "a window steps over the 1 elements of the image");
}

TEST(Pool, TakesNumbersAsLargeAsTheyGo) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(maxpool1d(ones({3}), most, {.padding = most / 2}).shape(), (Shape{1}));
  EXPECT_EQ(maxpool1d_with_index(ones({3}), 1, {.stride = most, .dilation = most}).indices.item(), 0);
  const Tensor x = ones({3}, float64).requires_grad(true);
  expect_same(grad(avgpool1d(x, most, {.padding = most / 2, .count_include_pad = false}) * 3, x,
                   {.grad_outputs = {ones({1}, float64)}}),
              ones({3}, float64));
  EXPECT_EQ(avgpool1d(ones({3}), most, {.padding = Padding::same, .count_include_pad = false}).item(), 1);
  constexpr std::int64_t side = 1 << 22;  // a cube of 2^66 elements
  EXPECT_EQ(avgpool3d(ones({2, 2, 2}, float64), side, {.padding = side / 2}).item(), 8 * 0x1p-66);
  expect_error<ShapeError>([&] { maxpool1d(ones({3}), most, {.dilation = most}); }, "maxpool1d: the kernel covers ");
  for (const std::int64_t number :
       {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    expect_error<ShapeError>([&] { maxpool1d(ones({3}), number); }, "maxpool1d: the kernel must have 1 to ");
    expect_error<ShapeError>([&] { maxpool1d(ones({3}), 2, {.stride = number}); }, "maxpool1d: stride of elements");
    expect_error<ShapeError>([&] { maxpool1d(ones({3}), 2, {.padding = number}); }, "maxpool1d: padding of elements");
    expect_error<ShapeError>([&] { maxpool1d(ones({3}), 2, {.dilation = number}); }, "maxpool1d: dilation of elements");
    expect_error<ShapeError>([&] { adaptive_maxpool1d(ones({3}), number); }, "adaptive_maxpool1d: size must be");
  }
}

}  // namespace
}  // namespace wengert
