#include <cmath>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include <wengert/autograd/memory.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"
#include "tests/whole.h"

namespace wengert {
namespace {

double at(const Tensor& x, std::int64_t n, std::int64_t c, std::int64_t i, std::int64_t j) {
  if (i < 0 || j < 0 || i >= x.dim(2) || j >= x.dim(3)) return 0;
  return x.data<double>()[static_cast<std::size_t>(((n * x.dim(1) + c) * x.dim(2) + i) * x.dim(3) + j)];
}

struct Border {
  std::int64_t before;
  std::int64_t after;
};

/// The definition, with the zeros around the image given one by one.
Tensor naive(const Tensor& x, const Tensor& kernel, Border rows, Border columns, const ConvOptions& options = {}) {
  const Size2d stride = options.stride;
  const Size2d dilation = options.dilation;
  const std::int64_t outputs = std::max<std::int64_t>(1, kernel.dim(0) / options.groups);
  const std::int64_t height = x.dim(2) + rows.before + rows.after - (kernel.dim(2) - 1) * dilation.rows;
  const std::int64_t width = x.dim(3) + columns.before + columns.after - (kernel.dim(3) - 1) * dilation.columns;
  const Shape shape{x.dim(0), kernel.dim(0), (height - 1) / stride.rows + 1, (width - 1) / stride.columns + 1};
  std::vector<double> y;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t o = 0; o < shape[1]; ++o) {
      for (std::int64_t i = 0; i < shape[2]; ++i) {
        for (std::int64_t j = 0; j < shape[3]; ++j) {
          double sum = 0;
          for (std::int64_t c = 0; c < kernel.dim(1); ++c) {
            const std::int64_t channel = o / outputs * kernel.dim(1) + c;
            for (std::int64_t u = 0; u < kernel.dim(2); ++u) {
              for (std::int64_t v = 0; v < kernel.dim(3); ++v) {
                sum += at(kernel, o, c, u, v) * at(x, n, channel, i * stride.rows + u * dilation.rows - rows.before,
                                                   j * stride.columns + v * dilation.columns - columns.before);
              }
            }
          }
          y.push_back(sum);
        }
      }
    }
  }
  return from_vector(y, shape);
}

struct Case {
  Shape x;
  Shape kernel;
  ConvOptions options;
  Border rows;
  Border columns;
};

/// Sizes that take every path: rows and parts of rows at a time, channels at a time, 1 x 1, groups, few channels in a
/// group and enough to fill packets, with and without stride, strides that leave a rest, kernels larger than the image.
std::vector<Case> cases() {
  return {
      {{2, 3, 7, 6}, {4, 3, 3, 3}, {}, {0, 0}, {0, 0}},
      {{2, 3, 7, 6}, {4, 3, 3, 2}, {.padding = 2}, {2, 2}, {2, 2}},
      {{2, 3, 7, 6}, {4, 3, 3, 2}, {.padding = {1, 0}}, {1, 1}, {0, 0}},
      {{1, 2, 8, 9}, {3, 2, 3, 3}, {.stride = {2, 3}, .padding = 1}, {1, 1}, {1, 1}},
      {{1, 2, 9, 8}, {3, 2, 2, 3}, {.stride = 2, .padding = 3, .dilation = {3, 2}}, {3, 3}, {3, 3}},
      {{2, 2, 5, 5}, {3, 2, 3, 3}, {.padding = Padding::same}, {1, 1}, {1, 1}},
      {{2, 2, 5, 6}, {3, 2, 4, 2}, {.padding = Padding::same}, {1, 2}, {0, 1}},
      {{2, 2, 6, 7}, {3, 2, 3, 3}, {.stride = 2, .padding = Padding::same}, {0, 1}, {1, 1}},
      {{2, 2, 7, 7}, {1, 2, 2, 1}, {.stride = 3, .padding = Padding::same}, {0, 1}, {0, 0}},
      {{2, 2, 5, 5}, {3, 2, 3, 3}, {.padding = Padding::same, .dilation = 2}, {2, 2}, {2, 2}},
      {{2, 2, 3, 4}, {3, 2, 3, 2}, {.padding = Padding::full}, {2, 2}, {1, 1}},
      {{1, 1, 2, 2}, {1, 1, 5, 4}, {.padding = Padding::full}, {4, 4}, {3, 3}},
      {{2, 2, 2, 3}, {1, 2, 2, 2}, {.padding = Padding::full, .dilation = 3}, {3, 3}, {3, 3}},
      {{3, 5, 4, 4}, {6, 5, 1, 1}, {}, {0, 0}, {0, 0}},
      {{3, 5, 4, 4}, {6, 5, 1, 1}, {.stride = 2}, {0, 0}, {0, 0}},
      {{3, 5, 4, 4}, {6, 5, 1, 1}, {.padding = 1}, {1, 1}, {1, 1}},
      {{17, 1, 8, 8}, {8, 1, 3, 3}, {}, {0, 0}, {0, 0}},
      {{1, 9, 60, 50}, {5, 9, 3, 3}, {.padding = 1}, {1, 1}, {1, 1}},
      {{1, 40, 4, 300}, {5, 40, 5, 5}, {.padding = 2}, {2, 2}, {2, 2}},
      {{1, 1, 100, 100}, {5, 1, 5, 5}, {}, {0, 0}, {0, 0}},
      {{2, 3, 7, 6}, {4, 3, 3, 2}, {.padding = Padding::sides(0, 2, 3, 1)}, {0, 2}, {3, 1}},
      {{2, 8, 7, 6}, {12, 4, 3, 3}, {.padding = 1, .groups = 2}, {1, 1}, {1, 1}},
      {{2, 6, 4, 4}, {9, 2, 1, 1}, {.groups = 3}, {0, 0}, {0, 0}},
      {{2, 6, 20, 22}, {6, 1, 3, 3}, {.padding = 1, .groups = 6}, {1, 1}, {1, 1}},
      {{2, 6, 31, 29}, {12, 1, 3, 5}, {.stride = {2, 3}, .padding = {1, 2}, .groups = 6}, {1, 1}, {2, 2}},
      {{2, 4, 34, 33},
       {4, 2, 3, 3},
       {.stride = 2, .padding = Padding::sides(0, 1, 2, 4), .dilation = {3, 2}, .groups = 2},
       {0, 1},
       {2, 4}},
      {{8, 2, 60, 60}, {2, 1, 2, 3}, {.stride = 4, .groups = 2}, {0, 0}, {0, 0}},
      {{1, 1, 70, 80}, {1, 1, 7, 5}, {.padding = Padding::full}, {6, 6}, {4, 4}},
      {{1, 1, 5, 3000}, {1, 1, 3, 1}, {}, {0, 0}, {0, 0}},
      {{3, 3, 26, 26}, {4, 3, 4, 4}, {.padding = Padding::same}, {1, 2}, {1, 2}},
      {{3, 8, 9, 7}, {16, 8, 3, 3}, {.padding = 1}, {1, 1}, {1, 1}},
      {{2, 17, 30, 28}, {13, 17, 3, 2}, {.padding = {2, 1}}, {2, 2}, {1, 1}},
      {{2, 30, 6, 5},
       {26, 15, 3, 3},
       {.stride = {2, 1}, .padding = 1, .dilation = {1, 2}, .groups = 2},
       {1, 1},
       {1, 1}},
      {{3, 32, 5, 4}, {80, 32, 2, 2}, {.padding = Padding::full}, {1, 1}, {1, 1}},
      {{1, 180, 4, 5}, {16, 180, 3, 3}, {.padding = 4}, {4, 4}, {4, 4}},
      {{2, 140, 5, 4}, {14, 140, 1, 1}, {}, {0, 0}, {0, 0}},
      {{1, 4, 3, 700}, {16, 4, 2, 5}, {}, {0, 0}, {0, 0}},
      {{2, 7, 12, 40}, {19, 7, 3, 3}, {.padding = 1}, {1, 1}, {1, 1}},
      {{20, 1, 9, 20}, {7, 1, 3, 3}, {.padding = 2}, {2, 2}, {2, 2}},
      {{2, 0, 4, 4}, {3, 0, 2, 2}, {}, {0, 0}, {0, 0}},
      {{0, 2, 4, 4}, {3, 2, 2, 2}, {}, {0, 0}, {0, 0}},
      {{2, 2, 4, 4}, {0, 2, 2, 2}, {}, {0, 0}, {0, 0}},
  };
}

std::string text_of(const Case& c) { return c.x.to_string() + " with " + c.kernel.to_string(); }

TEST(Correlate, NeedsNoRoomForTheGapsBetweenFarTaps) {
  const Tensor x = ones({1, 16, 64, 64}).requires_grad(true);
  const Tensor kernel = ones({16, 16, 3, 3}).requires_grad(true);
  memory::reset_peak();
  const std::size_t before = memory::stats().live_bytes;
  const Tensor y = correlate2d(x, kernel, {.padding = Padding::same, .dilation = 1000});
  sum(y).backward();
  EXPECT_LT(memory::stats().peak_bytes, before + (std::size_t{16} << 20));
  EXPECT_EQ(max(y).item(), 16) << "all taps but one lie outside of the image";
}

TEST(Correlate2d, AgreesWithTheDefinition) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(text_of(c));
    const Tensor x = whole(c.x, 1);
    const Tensor kernel = whole(c.kernel, 2);
    const Tensor expected = naive(x, kernel, c.rows, c.columns, c.options);
    expect_same(correlate2d(x, kernel, c.options), expected);
    expect_same(correlate2d(x.to(float32), kernel.to(float32), c.options), expected.to(float32));
    const Tensor bias = whole({c.kernel[0]}, 3);
    expect_same(correlate2d(x, kernel, c.options, bias), expected + reshape(bias, {1, -1, 1, 1}));
  }
}

double inner_product(const Tensor& a, const Tensor& b) { return sum(a * b).item(); }

TEST(Correlate2d, HasGradientsThatAreItsAdjoints) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(text_of(c));
    const Tensor x = whole(c.x, 1).requires_grad(true);
    const Tensor kernel = whole(c.kernel, 2).requires_grad(true);
    const Tensor bias = whole({c.kernel[0]}, 3).requires_grad(true);
    const Tensor y = correlate2d(x, kernel, c.options, bias);
    const Tensor g = whole(y.shape(), 4);
    const std::vector<Tensor> gradients = grad(y, {x, kernel, bias}, {.grad_outputs = {g}});
    // <A x, g> = <x, A' g> for any x, so for one that has nothing to do with the point of the gradient too.
    const Tensor dx = whole(c.x, 5);
    const Tensor dk = whole(c.kernel, 6);
    EXPECT_EQ(inner_product(correlate2d(dx, kernel, c.options), g), inner_product(dx, gradients[0]));
    EXPECT_EQ(inner_product(correlate2d(x, dk, c.options), g), inner_product(dk, gradients[1]));
    expect_same(gradients[2], sum(g, {0, 2, 3}));
    expect_same(correlate2d_input_gradient(g, kernel, c.x, c.options), gradients[0]);
    expect_same(correlate2d_kernel_gradient(x, g, c.kernel, c.options), gradients[1]);
  }
}

TEST(Correlate2d, HasGradientsThatCanBeDifferentiated) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(text_of(c));
    const Tensor x = whole(c.x, 1).requires_grad(true);
    const Tensor kernel = whole(c.kernel, 2).requires_grad(true);
    const Tensor g = whole(correlate2d(x, kernel, c.options).shape(), 4).requires_grad(true);
    // <A(x, k), g> is linear in each of the three, so each mixed second derivative is known by one inner product.
    const std::vector<Tensor> first =
        grad(correlate2d(x, kernel, c.options), {x, kernel}, {.grad_outputs = {g}, .create_graph = true});
    const Tensor dx = whole(c.x, 5);
    const Tensor dk = whole(c.kernel, 6);
    const std::vector<Tensor> by_x =
        grad(first[0], {kernel, g}, {.grad_outputs = {dx}, .retain_graph = true, .allow_unused = true});
    EXPECT_EQ(inner_product(by_x[0], dk), inner_product(correlate2d(dx, dk, c.options), g));
    expect_same(by_x[1], correlate2d(dx, kernel, c.options));
    const std::vector<Tensor> by_kernel =
        grad(first[1], {x, g}, {.grad_outputs = {dk}, .retain_graph = true, .allow_unused = true});
    EXPECT_EQ(inner_product(by_kernel[0], dx), inner_product(correlate2d(dx, dk, c.options), g));
    expect_same(by_kernel[1], correlate2d(x, dk, c.options));
  }
}

TEST(Correlate2d, HasTheSameBitsForAnyNumberOfThreads) {
  const Tensor x = randn({21, 8, 20, 20});
  const Tensor kernel = randn({16, 8, 3, 3});
  const Tensor g = randn({21, 16, 18, 18});
  const int before = num_threads();
  set_num_threads(1);
  const Tensor y = correlate2d(x, kernel);
  const Tensor gx = correlate2d_input_gradient(g, kernel, x.shape(), {});
  const Tensor gk = correlate2d_kernel_gradient(x, g, kernel.shape(), {});
  for (const int threads : {2, 4}) {
    set_num_threads(threads);
    expect_same(correlate2d(x, kernel), y);
    expect_same(correlate2d_input_gradient(g, kernel, x.shape(), {}), gx);
    expect_same(correlate2d_kernel_gradient(x, g, kernel.shape(), {}), gk);
  }
  set_num_threads(before);
}

// What scipy.signal gives for the same numbers.

const Tensor& image() {
  static const Tensor x = from_data({{1, 2, 3}, {4, 5, 6}, {7, 8, 9}});
  return x;
}

TEST(Correlate2d, CentresSameAsSciPyDoes) {
  expect_same(correlate2d(image(), from_data({{1, 10}}), {.padding = Padding::same}),
              from_data({{21, 32, 3}, {54, 65, 6}, {87, 98, 9}}));
  expect_same(correlate2d(image(), from_data({{1, 10, 100, 1000}}), {.padding = Padding::same}),
              from_data({{3210, 321, 32}, {6540, 654, 65}, {9870, 987, 98}}));
  expect_same(correlate2d(image(), from_data({{1}, {10}, {100}}), {.padding = Padding::same}),
              from_data({{410, 520, 630}, {741, 852, 963}, {74, 85, 96}}));
}

TEST(Convolve2d, CentresSameAsSciPyDoes) {
  expect_same(convolve2d(image(), from_data({{1, 10}}), {.padding = Padding::same}),
              from_data({{1, 12, 23}, {4, 45, 56}, {7, 78, 89}}));
  expect_same(convolve2d(image(), from_data({{1, 10, 100, 1000}}), {.padding = Padding::same}),
              from_data({{12, 123, 1230}, {45, 456, 4560}, {78, 789, 7890}}));
}

TEST(Convolve2d, GivesTheFullProductOfPolynomials) {
  expect_same(convolve2d(from_data({{1, 2}}), from_data({{3, 4, 5}}), {.padding = Padding::full}),
              from_data({{3, 10, 13, 10}}));
  expect_same(convolve2d(from_data({{3, 4, 5}}), from_data({{1, 2}})), from_data({{10, 13}}));
}

TEST(Convolve2d, IsCorrelationWithTheFlippedKernel) {
  const Tensor x = whole({2, 3, 6, 5}, 1);
  const Tensor kernel = whole({4, 3, 2, 3}, 2);
  const Tensor bias = whole({4}, 3);
  std::vector<double> reversed;
  for (std::int64_t o = 0; o < 4; ++o) {
    for (std::int64_t c = 0; c < 3; ++c) {
      for (const std::int64_t u : {1, 0}) {
        for (const std::int64_t v : {2, 1, 0}) reversed.push_back(at(kernel, o, c, u, v));
      }
    }
  }
  const Tensor flipped = from_vector(reversed, kernel.shape());
  for (const Padding& padding : {Padding::valid, Padding::full, Padding(1)}) {
    const ConvOptions options{.stride = {1, 2}, .padding = padding};
    expect_same(convolve2d(x, kernel, options, bias), correlate2d(x, flipped, options, bias));
  }
}

TEST(Convolve2d, HasAdjointGradientsInFirstAndSecondOrder) {
  const ConvOptions options{.padding = Padding::same};
  const Tensor x = whole({2, 3, 5, 6}, 1).requires_grad(true);
  const Tensor kernel = whole({4, 3, 2, 4}, 2).requires_grad(true);
  const Tensor g = whole({2, 4, 5, 6}, 3);
  const std::vector<Tensor> first =
      grad(convolve2d(x, kernel, options), {x, kernel}, {.grad_outputs = {g}, .create_graph = true});
  const Tensor dx = whole(x.shape(), 4);
  const Tensor dk = whole(kernel.shape(), 5);
  EXPECT_EQ(inner_product(convolve2d(dx, kernel, options), g), inner_product(dx, first[0]));
  EXPECT_EQ(inner_product(convolve2d(x, dk, options), g), inner_product(dk, first[1]));
  EXPECT_EQ(inner_product(grad(first[0], kernel, {.grad_outputs = {dx}}), dk),
            inner_product(convolve2d(dx, dk, options), g));
}

TEST(Correlate2d, TakesSingleImages) {
  const Tensor x = whole({5, 6}, 1).requires_grad(true);
  const Tensor kernel = whole({2, 3}, 2).requires_grad(true);
  const Tensor y = correlate2d(x, kernel);
  expect_same(y, reshape(naive(reshape(x, {1, 1, 5, 6}), reshape(kernel, {1, 1, 2, 3}), {0, 0}, {0, 0}), {4, 4}));
  y.backward(ones({4, 4}, float64));
  EXPECT_EQ(x.grad().shape(), x.shape());
  EXPECT_EQ(kernel.grad().shape(), kernel.shape());
}

TEST(Correlate2d, OfAnEmptyBatchHasZeroGradients) {
  const Tensor x = zeros({0, 2, 5, 5}).requires_grad(true);
  const Tensor kernel = ones({3, 2, 2, 2}).requires_grad(true);
  const Tensor bias = ones({3}).requires_grad(true);
  const Tensor y = correlate2d(x, kernel, {}, bias);
  EXPECT_EQ(y.shape(), (Shape{0, 3, 4, 4}));
  sum(y).backward();
  expect_same(kernel.grad(), zeros({3, 2, 2, 2}));
  expect_same(bias.grad(), zeros({3}));
  EXPECT_EQ(x.grad().shape(), x.shape());
}

TEST(Correlate2d, LetsNaNThroughZeros) {
  const Tensor x = full({1, 1, 3, 3}, std::numeric_limits<double>::infinity());
  for (const double value : values_of(correlate2d(x, zeros({1, 1, 2, 2})))) EXPECT_TRUE(std::isnan(value));
}

TEST(Correlate2d, NamesWhatDoesNotFit) {
  const Tensor x = ones({1, 2, 5, 5});
  expect_error<ShapeError>(
      [&] {
        correlate2d(x, ones({1, 2, 6, 3}));
      },
      "correlate2d: the kernel covers 6 rows (size 6, dilation 1), more than the padded image has: 5");
  expect_error<ShapeError>(
      [&] {
        correlate2d(x, ones({1, 2, 3, 3}), {.padding = {0, 1}, .dilation = 4});
      },
      "the kernel covers 9 rows (size 3, dilation 4), more than the padded image has: 5");
  expect_error<ShapeError>([&] { convolve2d(x, ones({1, 2, 2, 6})); }, "convolve2d: the kernel covers 6 columns");
  expect_error<ShapeError>(
      [&] {
        correlate2d(x, ones({1, 3, 3, 3}));
      },
      "correlate2d: x has 2 channels, the kernel takes 3; x is [1, 2, 5, 5], kernel is [1, 3, 3, 3]");
  expect_error<ShapeError>(
      [&] {
        correlate2d(x, ones({1, 2, 3, 3}), {.stride = {1, 0}});
      },
      "correlate2d: stride of columns must be from 1 to 1073741824, got 0");
  expect_error<ShapeError>(
      [&] {
        correlate2d(x, ones({1, 2, 3, 3}), {.dilation = -1});
      },
      "correlate2d: dilation of rows must be from 1 to 1073741824, got -1");
  expect_error<ShapeError>(
      [&] {
        correlate2d(x, ones({1, 2, 3, 3}), {.padding = -2});
      },
      "correlate2d: padding of rows must be from 0 to 1073741824, got -2");
  expect_error<ShapeError>([&] { correlate2d(x, ones({1, 2, 0, 3})); }, "correlate2d: kernel has 0 rows");
  expect_error<ShapeError>(
      [&] {
        correlate2d(x, ones({3, 3}));
      },
      "x and kernel must be [H, W] and [KH, KW] or [N, C, H, W] and [O, C, KH, KW]; x is [1, 2, 5, 5]");
  expect_error<ShapeError>(
      [&] {
        correlate2d(x, ones({1, 2, 3, 3}), {}, ones({2}));
      },
      "correlate2d: bias must be [1] for kernel [1, 2, 3, 3], got [2]");
  expect_error<ShapeError>(
      [&] {
        correlate2d(ones({5, 5}), ones({3, 3}), {}, ones({1}));
      },
      "correlate2d: an image [H, W] takes no bias, got [1]");
  expect_error<DTypeError>(
      [&] {
        correlate2d(x, ones({1, 2, 3, 3}, float64));
      },
      "correlate2d: x is float32 and kernel is float64");
  expect_error<Error>([&] { correlate2d(x, Tensor()); }, "correlate2d: kernel is undefined");
  expect_error<Error>(
      [&] {
        correlate2d(x, ones({1, 2, 3, 3}), {.stride = 1, .padding = std::int64_t{1} << 62});
      },
      "correlate2d: padding of rows");
  expect_error<ShapeError>(
      [&] {
        correlate2d_input_gradient(ones({1, 1, 4, 4}), ones({1, 2, 3, 3}), x.shape(), {});
      },
      "correlate2d_input_gradient: g must have the correlation's shape [1, 1, 3, 3], got [1, 1, 4, 4]");
  expect_error<ShapeError>(
      [&] {
        correlate2d_kernel_gradient(x, ones({1, 1, 4, 4}), Shape{1, 2, 3, 3}, {});
      },
      "correlate2d_kernel_gradient: g must have the correlation's shape [1, 1, 3, 3]");
}

TEST(Correlate2d, NamesGroupsAndPaddingThatDoNotFit) {
  const Tensor x = ones({1, 4, 5, 5});
  const Tensor kernel = ones({6, 2, 3, 3});
  const auto text = [&](const ConvOptions& options, const Tensor& with) {
    return message_of<ShapeError>([&] { correlate2d(x, with, options); });
  };
  EXPECT_EQ(text({.groups = 0}, kernel), "correlate2d: groups must be at least 1, got 0");
  EXPECT_EQ(text({.groups = 3}, kernel),
            "correlate2d: groups must divide the channels in and out, 3 does not divide 4 and 6");
  EXPECT_EQ(text({.groups = 4}, kernel),
            "correlate2d: groups must divide the channels in and out, 4 does not divide 4 and 6");
  EXPECT_EQ(text({.groups = 2}, ones({6, 4, 3, 3})),
            "correlate2d: x has 2 channels in each of 2 groups, the kernel takes 4; x is [1, 4, 5, 5], kernel is [6, "
            "4, 3, 3]");
  EXPECT_EQ(text({.padding = Padding(1, 1, 1), .groups = 2}, kernel),
            "correlate2d: padding has numbers for 3 image axes, x has 2");
  EXPECT_EQ(text({.padding = Padding::sides(1, 1), .groups = 2}, kernel),
            "correlate2d: padding has numbers for 1 image axes, x has 2");
  EXPECT_EQ(text({.padding = Padding::sides(0, -1, 0, 0), .groups = 2}, kernel),
            "correlate2d: padding of rows must be from 0 to 1073741824, got -1");
  EXPECT_EQ(text({.padding = 5, .groups = 2, .pad_mode = PadMode::reflect}, kernel),
            "correlate2d: 5 rows reflect to at most 4 on each side, padding asks for 5 before and 5 after");
  EXPECT_EQ(message_of<ShapeError>([&] {
              correlate2d(ones({1, 4, 5, 0}), kernel, {.padding = 5, .groups = 2, .pad_mode = PadMode::replicate});
            }),
            "correlate2d: x has no columns to pad with");
  EXPECT_EQ(message_of<ShapeError>([&] {
              correlate2d_input_gradient(ones({1, 6, 5, 5}), kernel, x.shape(),
                                         {.padding = 1, .groups = 2, .pad_mode = PadMode::reflect});
            }),
            "correlate2d_input_gradient: pad_mode must be constant; pad x with the op `pad`");
}

TEST(Correlate1d, NamesWhatDoesNotFit) {
  const Tensor x = ones({1, 2, 5});
  const Tensor kernel = ones({1, 2, 3});
  const auto text = [&](const Tensor& signal, const Tensor& with, const Conv1dOptions& options) {
    return message_of<ShapeError>([&] { correlate1d(signal, with, options); });
  };
  EXPECT_EQ(text(x, ones({1, 2, 6}), {}),
            "correlate1d: the kernel covers 6 elements (size 6, dilation 1), more than the padded image has: 5");
  EXPECT_EQ(text(x, kernel, {.padding = Padding(1, 1)}), "correlate1d: padding has numbers for 2 image axes, x has 1");
  EXPECT_EQ(text(x, kernel, {.stride = 0}), "correlate1d: stride of elements must be from 1 to 1073741824, got 0");
  EXPECT_EQ(text(x, ones({3}), {}),
            "correlate1d: x and kernel must be [L] and [K] or [N, C, L] and [O, C, K]; x is [1, 2, 5], kernel is [3]");
  EXPECT_EQ(text(x, kernel, {.padding = 5, .pad_mode = PadMode::reflect}),
            "correlate1d: 5 elements reflect to at most 4 on each side, padding asks for 5 before and 5 after");
}

TEST(Correlate3d, NamesWhatDoesNotFit) {
  const Tensor x = ones({1, 2, 3, 4, 5});
  EXPECT_EQ(message_of<ShapeError>([&] {
              correlate3d(x, ones({1, 2, 4, 1, 1}));
            }),
            "correlate3d: the kernel covers 4 slices (size 4, dilation 1), more than the padded image has: 3");
  EXPECT_EQ(message_of<ShapeError>([&] {
              correlate3d(x, ones({1, 3, 1, 1, 1}));
            }),
            "correlate3d: x has 2 channels, the kernel takes 3; x is [1, 2, 3, 4, 5], kernel is [1, 3, 1, 1, 1]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              correlate3d(x, ones({1, 2, 1, 1}));
            }),
            "correlate3d: x and kernel must be [D, H, W] and [KD, KH, KW] or [N, C, D, H, W] and [O, C, KD, KH, KW]; x "
            "is [1, 2, 3, 4, 5], kernel is [1, 2, 1, 1]");
}

TEST(ConvTranspose2d, NamesWhatDoesNotFit) {
  const Tensor x = ones({1, 4, 3, 3});
  const Tensor kernel = ones({4, 2, 3, 3});
  const auto text = [&](const ConvTransposeOptions& options, const Tensor& bias = {}) {
    return message_of<ShapeError>([&] { conv_transpose2d(x, kernel, options, bias); });
  };
  EXPECT_EQ(text({.stride = 2, .output_padding = {1, 2}}),
            "conv_transpose2d: output_padding of columns must be less than stride (2) or dilation (1), and not "
            "negative; got 2");
  EXPECT_EQ(text({.output_padding = -1}),
            "conv_transpose2d: output_padding of rows must be less than stride (1) or dilation (1), and not negative; "
            "got -1");
  EXPECT_EQ(text({.stride = 2, .padding = Padding::same, .output_padding = 1}),
            "conv_transpose2d: output_padding of rows must be 0 with padding `same`, got 1");
  EXPECT_EQ(text({.padding = Padding::sides(0, 0, 3, 2)}),
            "conv_transpose2d: padding cuts off all of the 5 columns (3 before, 2 after)");
  EXPECT_EQ(text({.groups = 3}), "conv_transpose2d: groups must divide the channels of x, 3 does not divide 4");
  EXPECT_EQ(text({.groups = 2}, ones({2})),
            "conv_transpose2d: bias must be [4] for kernel [4, 2, 3, 3] and 2 groups, got [2]");
  EXPECT_EQ(text({.padding = Padding(1, 1, 1)}), "conv_transpose2d: padding has numbers for 3 image axes, x has 2");
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv_transpose2d(x, ones({3, 2, 3, 3}));
            }),
            "conv_transpose2d: x has 4 channels, the kernel takes 3; x is [1, 4, 3, 3], kernel is [3, 2, 3, 3]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv_transpose2d(ones({3, 3}), ones({3, 3}));
            }),
            "conv_transpose2d: x and kernel must be [N, C, H, W] and [C, O / groups, KH, KW]; x is [3, 3], kernel is "
            "[3, 3]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              conv_transpose2d(ones({1, 4, 0, 3}), kernel);
            }),
            "conv_transpose2d: x has no rows");
}

// ---------------------------------------------------------------------------------------------------------------------
// One and three image axes.

TEST(Correlate1d, IsCorrelate2dOfOneRow) {
  for (const std::int64_t groups : {1, 4}) {  // by matrix products, and directly
    const Tensor x = whole({2, 4, 3000}, 1);
    const Tensor kernel = whole({8, 4 / groups, 5}, 2);
    const Tensor bias = whole({8}, 3);
    const Tensor flat = correlate2d(reshape(x, {2, 4, 1, 3000}), reshape(kernel, {8, 4 / groups, 1, 5}),
                                    {.stride = {1, 2}, .padding = {0, 3}, .groups = groups}, bias);
    expect_same(correlate1d(x, kernel, {.stride = 2, .padding = 3, .groups = groups}, bias), reshape(flat, {2, 8, -1}));
  }
}

TEST(Correlate1d, CentresSameAsSciPyDoes) {
  expect_same(correlate1d(from_data({1, 2, 3}), from_data({1, 10}), {.padding = Padding::same}),
              from_data({21, 32, 3}));
}

TEST(Correlate3d, SumsUpWhatCorrelate2dGivesForEachSliceOfTheKernel) {
  for (const std::int64_t groups : {1, 3}) {
    const Tensor x = whole({2, 3, 6, 20, 21}, 1).requires_grad(true);
    const Tensor kernel = whole({6, 3 / groups, 3, 3, 4}, 2).requires_grad(true);
    const Tensor y = correlate3d(x, kernel, {.stride = {2, 1, 3}, .padding = {1, 2, 0}, .groups = groups});
    const Tensor behind = pad(x, {0, 0, 1, 0, 0}, {0, 0, 1, 0, 0});
    std::vector<Tensor> slices;
    for (std::int64_t d = 0; d + 3 <= 8; d += 2) {
      Tensor sum = zeros({}, float64);
      for (std::int64_t w = 0; w < 3; ++w) {
        sum = sum + correlate2d(select(behind, 2, d + w), select(kernel, 2, w),
                                {.stride = {1, 3}, .padding = {2, 0}, .groups = groups});
      }
      slices.push_back(sum);
    }
    const Tensor expected = stack(slices, 2);
    expect_same(y, expected);
    const Tensor g = whole(y.shape(), 3);
    const std::vector<Tensor> gradients = grad(y, {x, kernel}, {.grad_outputs = {g}});
    const std::vector<Tensor> of_slices = grad(expected, {x, kernel}, {.grad_outputs = {g}});
    expect_same(gradients[0], of_slices[0]);
    expect_same(gradients[1], of_slices[1]);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Groups and infinities.

TEST(Correlate2d, OfGroupsIsThatOfEachGroup) {
  const Tensor x = whole({2, 6, 9, 8}, 1);
  const Tensor kernel = whole({4, 3, 3, 3}, 2);
  const Tensor first = correlate2d(slice(x, 1, 0, 3), slice(kernel, 0, 0, 2));
  const Tensor second = correlate2d(slice(x, 1, 3, 6), slice(kernel, 0, 2, 4));
  expect_same(correlate2d(x, kernel, {.groups = 2}), cat({first, second}, 1));
}

TEST(Correlate2d, KeepsInfinitiesOfGradientsWhereTheyArise) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor corner = pad(full({1, 1, 1, 1}, infinity), {0, 0, 0, 0}, {0, 0, 39, 39});
  const Tensor x = where(corner == infinity, infinity, whole({1, 1, 40, 40}, 1, float32));
  const Tensor kernel = whole({1, 1, 3, 3}, 2, float32);
  const Tensor g = ones({1, 1, 38, 38});
  const Tensor by_kernel = correlate2d_kernel_gradient(x, g, kernel.shape(), {});
  expect_same(isfinite(by_kernel), from_data({{{{0, 1, 1}, {1, 1, 1}, {1, 1, 1}}}}, float32));
  const Tensor first_tap = from_data({{{{infinity, 1, 1}, {1, 1, 1}, {1, 1, 1}}}}, float32);
  const Tensor by_x = correlate2d_input_gradient(g, first_tap, x.shape(), {});
  expect_same(isfinite(by_x), 1 - pad(ones({1, 1, 38, 38}), {0, 0, 0, 0}, {0, 0, 2, 2}));
}

TEST(Correlate2d, RejectsHugeNumbersOrTakesThem) {
  const Tensor x = ones({1, 1, 3, 3});
  const Tensor kernel = ones({1, 1, 2, 2});
  const std::int64_t huge = std::int64_t{1} << 30;
  for (const ConvMethod method : {ConvMethod::automatic, ConvMethod::direct, ConvMethod::fft}) {
    const Tensor y = correlate2d(x, kernel, {.stride = huge, .padding = huge, .method = method});
    expect_same(y, from_data({{{{0, 0, 0}, {0, 4, 0}, {0, 0, 0}}}}, float32));
  }
  EXPECT_THROW(correlate2d(x, kernel, {.padding = huge}), Error);
}

// ---------------------------------------------------------------------------------------------------------------------
// Padding with the image's own elements.

TEST(Correlate2d, PadsWithTheImagesOwnElements) {
  const Tensor x = whole({2, 2, 5, 6}, 1);
  const Tensor kernel = whole({3, 2, 4, 3}, 2);
  for (const PadMode mode : {PadMode::reflect, PadMode::replicate}) {
    expect_same(correlate2d(x, kernel, {.padding = Padding::sides(1, 3, 2, 0), .pad_mode = mode}),
                correlate2d(pad(x, {0, 0, 1, 2}, {0, 0, 3, 0}, mode), kernel));
    expect_same(correlate2d(x, kernel, {.padding = Padding::same, .pad_mode = mode}),
                correlate2d(pad(x, {0, 0, 1, 1}, {0, 0, 2, 1}, mode), kernel));
  }
}

TEST(Convolve2d, OfAConstantImageIsConstantWithItsOwnElementsAround) {
  const Tensor blurred =
      convolve2d(full({7, 9}, 3), full({5, 5}, 0.04), {.padding = Padding::same, .pad_mode = PadMode::reflect});
  for (const double value : values_of(blurred)) EXPECT_NEAR(value, 3, 1e-5);
}

// ---------------------------------------------------------------------------------------------------------------------
// Transposed convolution.

TEST(ConvTranspose2d, IsTheAdjointOfCorrelate2d) {
  for (const std::int64_t groups : {1, 2, 4}) {
    const Tensor x = whole({2, 4, 5, 6}, 1);
    const Tensor kernel = whole({4, 2, 3, 2}, 2);
    const Size2d stride(2, 3);
    const Padding padding = Padding::sides(1, 0, 0, 1);
    const Tensor y =
        conv_transpose2d(x, kernel, {.stride = stride, .padding = padding, .output_padding = {1, 2}, .groups = groups});
    EXPECT_EQ(y.shape(), (Shape{2, 2 * groups, 11, 18}));
    const Tensor g = whole(y.shape(), 3);
    const Tensor back = correlate2d(g, kernel, {.stride = stride, .padding = padding, .groups = groups});
    EXPECT_EQ(inner_product(y, g), inner_product(x, back));
  }
}

TEST(ConvTranspose2d, AddsTheKernelForEachElement) {
  const Tensor x = from_data({{{{1, 10}}}});
  const Tensor kernel = from_data({{{{1, 2, 3}}}});
  expect_same(conv_transpose2d(x, kernel), from_data({{{{1, 12, 23, 30}}}}));
  expect_same(conv_transpose2d(x, kernel, {.stride = {1, 2}}, from_data({100})),
              from_data({{{{101, 102, 113, 120, 130}}}}));
  expect_same(conv_transpose2d(x, kernel, {.stride = {1, 2}, .output_padding = {0, 1}}),
              from_data({{{{1, 2, 13, 20, 30, 0}}}}));
  expect_same(conv_transpose2d(x, kernel, {.padding = Padding::sides(0, 0, 1, 0)}), from_data({{{{12, 23, 30}}}}));
  expect_same(conv_transpose2d(x, kernel, {.padding = Padding::same}), from_data({{{{12, 23}}}}));
  expect_same(conv_transpose2d(x, kernel, {.stride = {1, 2}, .padding = Padding::same}),
              from_data({{{{1, 2, 13, 20}}}}));
  expect_same(conv_transpose2d(x, kernel, {.stride = {1, 4}, .padding = Padding::same}),
              from_data({{{{1, 2, 3, 0, 10, 20, 30, 0}}}}));
  expect_same(conv_transpose2d(from_data({{{{1, 10, 100, 1000}}}}), kernel, {.padding = Padding::full}),
              from_data({{{{123, 1230}}}}));
}

TEST(ConvTranspose2d, GivesTheBiasWhereNothingReaches) {
  const Tensor empty = zeros({0, 2, 3, 3});
  EXPECT_EQ(conv_transpose2d(empty, ones({2, 3, 2, 2}), {}, ones({3})).shape(), (Shape{0, 3, 4, 4}));
  const Tensor nothing = conv_transpose2d(zeros({1, 0, 2, 2}), ones({0, 3, 2, 2}), {}, from_data({1, 2, 3}));
  expect_same(nothing, broadcast_to(reshape(from_data({1, 2, 3}), {1, 3, 1, 1}), {1, 3, 3, 3}));
}

// ---------------------------------------------------------------------------------------------------------------------
// Methods.

/// Smooth parts, edges, and a little noise, from 0 to 255.
Tensor photograph(std::int64_t rows, std::int64_t columns) {
  std::mt19937_64 engine(1);
  std::vector<double> pixels;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      const double x = static_cast<double>(j) / static_cast<double>(columns);
      const double y = static_cast<double>(i) / static_cast<double>(rows);
      const double inside = (x - 0.5) * (x - 0.5) + (y - 0.4) * (y - 0.4) < 0.06 ? 80 : 0;
      const double noise = static_cast<double>(engine() >> 40) * 0x1p-24;
      pixels.push_back(100 + 60 * std::sin(5 * x + 3 * y) + inside + 10 * noise);
    }
  }
  return from_vector(pixels, {rows, columns});
}

/// Of size x size taps that add up to 1.
Tensor gaussian(std::int64_t size, double deviation) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < size; ++i) {
    const double distance = static_cast<double>(i) - static_cast<double>(size - 1) / 2;
    values.push_back(std::exp(-distance * distance / (2 * deviation * deviation)));
  }
  const Tensor row = from_vector(values, {size});
  const Tensor product = outer(row, row);
  return product / sum(product);
}

/// Errors relative to each element, or to the largest one of all.
enum class Relative : bool { to_each, to_largest };

void expect_close(const Tensor& actual, const Tensor& expected, double tolerance, Relative to = Relative::to_each) {
  ASSERT_EQ(actual.shape(), expected.shape());
  const std::vector<double> a = values_of(actual);
  const std::vector<double> b = values_of(expected);
  const double scale = max(abs(expected)).item();
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double error = std::abs(a[i] - b[i]) / (to == Relative::to_each ? std::abs(b[i]) : scale);
    if (!(error <= largest)) largest = error;
  }
  EXPECT_LE(largest, tolerance);
}

constexpr ConvMethod all_methods[] = {ConvMethod::automatic, ConvMethod::direct, ConvMethod::separable,
                                      ConvMethod::fft};

TEST(Convolve2d, GivesTheSameByAllMethods) {
  const Tensor image = photograph(200, 260);
  const Tensor kernel = gaussian(49, 8);
  for (const Padding& padding : {Padding::valid, Padding::same, Padding::full}) {
    const Tensor expected = convolve2d(image, kernel, {.padding = padding, .method = ConvMethod::direct});
    // Far outside there are only tails of the kernel, which transforms know to rounding of what is inside.
    const Relative to = padding.mode == Padding::Mode::full ? Relative::to_largest : Relative::to_each;
    for (const ConvMethod method : all_methods) {
      SCOPED_TRACE(static_cast<int>(method));
      const ConvOptions options{.padding = padding, .method = method};
      expect_close(convolve2d(image, kernel, options), expected, 1e-11, to);
      expect_close(convolve2d(image.to(float32), kernel.to(float32), options), expected, 1e-5, to);
    }
  }
}

TEST(Convolve2d, GivesTheSameByFftAsDirectlyForKernelsThatAreNotSeparable) {
  const Tensor image = photograph(150, 170);
  const Tensor kernel = gaussian(31, 5) + pad(gaussian(9, 3), {11, 2}, {11, 20}) * 0.5;
  const Tensor expected = convolve2d(image, kernel, {.padding = Padding::same, .method = ConvMethod::direct});
  for (const ConvMethod method : {ConvMethod::automatic, ConvMethod::fft}) {
    const ConvOptions options{.padding = Padding::same, .method = method};
    expect_close(convolve2d(image, kernel, options), expected, 1e-11);
    expect_close(convolve2d(image.to(float32), kernel.to(float32), options), expected, 1e-5);
  }
}

TEST(Correlate2d, HasTheSameGradientsByAllMethods) {
  const Tensor x = stack({photograph(60, 50), photograph(60, 50) * 0.5}).reshape({1, 2, 60, 50}).requires_grad(true);
  const Tensor blur = gaussian(15, 3);
  const Tensor kernel =
      stack({stack({blur, blur * 2}, 0), stack({blur * 0.5, gaussian(15, 4)}, 0), stack({blur, blur}, 0)}, 0)
          .requires_grad(true);
  const Tensor bias = ones({3}, float64).requires_grad(true);
  const auto derivatives = [&](ConvMethod method) {
    const ConvOptions options{.stride = {1, 2}, .padding = 3, .method = method};
    const Tensor y = correlate2d(x, kernel, options, bias);
    std::vector<Tensor> first = grad(sum(square(y)), {x, kernel, bias}, {.create_graph = true});
    const Tensor directional = sum(first[0] * x) + sum(first[1] * square(kernel)) + sum(first[2]);
    const std::vector<Tensor> second = grad(directional, {x, kernel, bias});
    first.insert(first.end(), second.begin(), second.end());
    return first;
  };
  const std::vector<Tensor> expected = derivatives(ConvMethod::direct);
  for (const ConvMethod method : all_methods) {
    const std::vector<Tensor> actual = derivatives(method);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      SCOPED_TRACE(i);
      expect_close(actual[i], expected[i], 1e-11);
    }
  }
}

TEST(Correlate2d, BySeparationWantsKernelsOfRankOne) {
  const Tensor x = ones({1, 2, 9, 9});
  Tensor kernel = ones({3, 2, 2, 2});
  const ConvOptions options{.method = ConvMethod::separable};
  expect_same(correlate2d(x, kernel, options), full({1, 3, 8, 8}, 8));
  std::vector<float> taps(24, 1);
  taps[3 * 4 + 1] = 2;  // the fourth kernel
  kernel = from_vector(taps, kernel.shape());
  EXPECT_EQ(message_of<Error>([&] { correlate2d(x, kernel, options); }),
            "correlate2d: method separable needs kernels of rank one, that of channel 1 in for channel 1 out is not");
  // Of zeros, and within rounding, they are.
  expect_same(correlate2d(x, kernel * 0, options), zeros({1, 3, 8, 8}));
  EXPECT_NO_THROW(convolve2d(ones({60, 60}), gaussian(31, 4).to(float32), {.method = ConvMethod::separable}));
}

TEST(Correlate2d, ByFftKeepsNaNWhereItIs) {
  const Tensor x = where(photograph(40, 40) == select(select(photograph(40, 40), 0, 20), 0, 20),
                         std::numeric_limits<double>::quiet_NaN(), photograph(40, 40));
  const Tensor kernel = gaussian(5, 1);
  expect_same(isnan(correlate2d(x, kernel, {.padding = Padding::same, .method = ConvMethod::fft})),
              isnan(correlate2d(x, kernel, {.padding = Padding::same, .method = ConvMethod::direct})));
}

}  // namespace
}  // namespace wengert
