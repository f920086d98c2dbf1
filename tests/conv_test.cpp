#include <cmath>
#include <limits>

#include <gtest/gtest.h>

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
Tensor naive(const Tensor& x, const Tensor& kernel, Border rows, Border columns, Size2d stride = 1,
             Size2d dilation = 1) {
  const std::int64_t height = x.dim(2) + rows.before + rows.after - (kernel.dim(2) - 1) * dilation.rows;
  const std::int64_t width = x.dim(3) + columns.before + columns.after - (kernel.dim(3) - 1) * dilation.columns;
  const Shape shape{x.dim(0), kernel.dim(0), (height - 1) / stride.rows + 1, (width - 1) / stride.columns + 1};
  std::vector<double> y;
  for (std::int64_t n = 0; n < shape[0]; ++n) {
    for (std::int64_t o = 0; o < shape[1]; ++o) {
      for (std::int64_t i = 0; i < shape[2]; ++i) {
        for (std::int64_t j = 0; j < shape[3]; ++j) {
          double sum = 0;
          for (std::int64_t c = 0; c < x.dim(1); ++c) {
            for (std::int64_t u = 0; u < kernel.dim(2); ++u) {
              for (std::int64_t v = 0; v < kernel.dim(3); ++v) {
                sum += at(kernel, o, c, u, v) * at(x, n, c, i * stride.rows + u * dilation.rows - rows.before,
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

/// Sizes that take every path: several strips, 1 x 1, strides that leave a rest, kernels larger than the image.
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
      {{1, 9, 60, 50}, {2, 9, 3, 3}, {.padding = 1}, {1, 1}, {1, 1}},
      {{2, 0, 4, 4}, {3, 0, 2, 2}, {}, {0, 0}, {0, 0}},
      {{0, 2, 4, 4}, {3, 2, 2, 2}, {}, {0, 0}, {0, 0}},
      {{2, 2, 4, 4}, {0, 2, 2, 2}, {}, {0, 0}, {0, 0}},
  };
}

std::string text_of(const Case& c) { return c.x.to_string() + " with " + c.kernel.to_string(); }

TEST(Correlate2d, AgreesWithTheDefinition) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(text_of(c));
    const Tensor x = whole(c.x, 1);
    const Tensor kernel = whole(c.kernel, 2);
    const Tensor expected = naive(x, kernel, c.rows, c.columns, c.options.stride, c.options.dilation);
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

}  // namespace
}  // namespace wengert
