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
      "maxpool2d: the kernel has 6 rows, more than the padded image has: 5");
  expect_error<ShapeError>(
      [&] {
        avgpool2d(x, {2, 8}, {.padding = 1});
      },
      "avgpool2d: the kernel has 8 columns, more than the padded image has: 7");
  expect_error<ShapeError>(
      [&] {
        avgpool2d(ones({1, 1, 0, 4}), 2, {.padding = 1});
      },
      "avgpool2d: the kernel has 2 rows, more than the padded image has: 0");
  expect_error<ShapeError>([&] { maxpool2d(x, 0); }, "maxpool2d: the kernel must have 1 to 2147483647 rows, got 0");
  expect_error<ShapeError>([&] { maxpool2d(x, 2, {.stride = Size2d(1, 0)}); },
                           "maxpool2d: stride of columns must be from 1 to 2147483647, got 0");
  expect_error<ShapeError>([&] { maxpool2d(x, 2, {.padding = 2}); },
                           "maxpool2d: padding of rows must be from 0 to half the kernel (1), got 2");
  expect_error<ShapeError>([&] { maxpool2d(x, 2, {.padding = {0, -1}}); }, "padding of columns must be from 0");
  expect_error<DTypeError>([&] { maxpool2d(ones({4, 4}, int64), 2); }, "maxpool2d: x is int64");
  expect_error<Error>([&] { avgpool2d(Tensor(), 2); }, "avgpool2d: x is undefined");
}

}  // namespace
}  // namespace wengert
