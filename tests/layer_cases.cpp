#include "tests/layer_cases.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include <wengert/nn.h>

#include "tests/op_cases/rows.h"

namespace wengert::nn::test {

namespace {

using wengert::test::Index;
using wengert::test::index_below;
using wengert::test::make;
using wengert::test::positive;
using wengert::test::probability;
using wengert::test::real;
using wengert::test::reduce;
using wengert::test::reshaped;
using wengert::test::separated;

using Rows = std::vector<LayerCase>;
using Numbers = std::vector<double>;

/// What throws when a layer is made.
template <class F>
Rejected making(F make_layer, std::string text) {
  return {[=] { make_layer(); }, std::move(text)};
}

/// What a layer does not take.
template <class L>
Rejected taking(L layer, const Shape& x, std::string text) {
  return {[=] { layer(zeros(x)); }, std::move(text)};
}

std::size_t at(int axis) { return static_cast<std::size_t>(axis); }

// ---------------------------------------------------------------------------------------------------------------------
// Convolutions and pools, over three image axes: those of fewer have axes of size 1 in front.

using Triple = std::array<std::int64_t, 3>;

struct Slide {
  Triple kernel{1, 1, 1};
  Triple stride{1, 1, 1};
  Triple before{0, 0, 0};
  Triple after{0, 0, 0};
  Triple dilation{1, 1, 1};
  std::int64_t groups = 1;
};

Array in_three_axes(const Array& x) {
  std::vector<std::int64_t> sizes{x.shape[0], x.shape[1]};
  sizes.resize(at(7 - x.shape.rank()), 1);
  for (int axis = 2; axis < x.shape.rank(); ++axis) sizes.push_back(x.shape[axis]);
  return reshaped(x, Shape(sizes));
}

/// Calls `f` for every position of three axes of these sizes.
template <class F>
void for_each(const Triple& sizes, F f) {
  for (std::int64_t d = 0; d < sizes[0]; ++d) {
    for (std::int64_t h = 0; h < sizes[1]; ++h) {
      for (std::int64_t w = 0; w < sizes[2]; ++w) f(Triple{d, h, w});
    }
  }
}

Triple image_of(const Array& x) { return {x.shape[2], x.shape[3], x.shape[4]}; }

/// [out], or [out, output...] per position, at an element of the result.
double bias_at(const Weights& weights, const Shape& result, const Index& i) {
  const auto found = weights.find("bias");
  if (found == weights.end()) return 0;
  const Array& bias = found->second;
  if (bias.shape.rank() == 1) return bias({i[1]});
  Index position{};
  for (int axis = 1; axis < result.rank(); ++axis) position[at(axis - 1)] = i[at(axis)];
  return bias(position);
}

/// Adds the bias to `y`, as a result of this shape.
Array with_bias(const Array& y, const Shape& result, const Weights& weights) {
  const Array flat = reshaped(y, result);
  return make(result, [&](const Index& i) { return flat(i) + bias_at(weights, result, i); });
}

/// The definition of correlation.
Array convolved(const Array& input, const Weights& weights, const Shape& result, Slide s) {
  const Array x = in_three_axes(input);
  const Array k = in_three_axes(weights.at("weight"));
  s.kernel = image_of(k);
  const std::int64_t outs = k.shape[0] / s.groups;
  Array y = in_three_axes({result, Numbers(at(static_cast<int>(result.numel())))});
  y = make(y.shape, [&](const Index& i) {
    double sum = 0;
    for_each(s.kernel, [&](const Triple& u) {
      for (std::int64_t c = 0; c < k.shape[1]; ++c) {
        Index from{i[0], i[1] / outs * k.shape[1] + c};
        bool inside = true;
        for (std::size_t a = 0; a < 3; ++a) {
          from[a + 2] = i[a + 2] * s.stride[a] + u[a] * s.dilation[a] - s.before[a];
          inside = inside && from[a + 2] >= 0 && from[a + 2] < x.shape[static_cast<int>(a) + 2];
        }
        if (inside) sum += x(from) * k({i[1], c, u[0], u[1], u[2]});
      }
    });
    return sum;
  });
  return with_bias(y, result, weights);
}

/// The definition of transposed convolution: each element of x adds the kernel, times its value, to the result.
Array transposed(const Array& input, const Weights& weights, const Shape& result, Slide s) {
  const Array x = in_three_axes(input);
  const Array k = in_three_axes(weights.at("weight"));
  const std::int64_t ins = x.shape[1] / s.groups;
  Array y = in_three_axes({result, Numbers(at(static_cast<int>(result.numel())))});
  make(x.shape, [&](const Index& i) {
    for_each(image_of(k), [&](const Triple& u) {
      for (std::int64_t o = 0; o < k.shape[1]; ++o) {
        Index to{i[0], i[1] / ins * k.shape[1] + o};
        bool inside = true;
        for (std::size_t a = 0; a < 3; ++a) {
          to[a + 2] = i[a + 2] * s.stride[a] + u[a] * s.dilation[a] - s.before[a];
          inside = inside && to[a + 2] >= 0 && to[a + 2] < y.shape[static_cast<int>(a) + 2];
        }
        if (inside) y.at(to) += x(i) * k({i[1], o, u[0], u[1], u[2]});
      }
    });
    return 0;
  });
  return with_bias(y, result, weights);
}

/// `f(values inside the window, number of places)` for each window.
template <class F>
Array pooled(const Array& input, const Shape& result, const Slide& s, F f) {
  const Array x = in_three_axes(input);
  const Array shape_of_y = in_three_axes({result, Numbers(at(static_cast<int>(result.numel())))});
  return reshaped(make(shape_of_y.shape,
                       [&](const Index& i) {
                         Numbers values;
                         for_each(s.kernel, [&](const Triple& u) {
                           Index from = i;
                           bool inside = true;
                           for (std::size_t a = 0; a < 3; ++a) {
                             from[a + 2] = i[a + 2] * s.stride[a] + u[a] * s.dilation[a] - s.before[a];
                             inside = inside && from[a + 2] >= 0 && from[a + 2] < x.shape[static_cast<int>(a) + 2];
                           }
                           if (inside) values.push_back(x(from));
                         });
                         return f(values, s.kernel[0] * s.kernel[1] * s.kernel[2]);
                       }),
                  result);
}

double sum_of(const Numbers& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}
double mean_of(const Numbers& values) { return sum_of(values) / static_cast<double>(values.size()); }
double largest_of(const Numbers& values) { return *std::max_element(values.begin(), values.end()); }

auto convolution(const Shape& result, const Slide& slide = {}) {
  return [=](const Arrays& in, const Weights& weights) { return convolved(in[0], weights, result, slide); };
}
auto transposed_convolution(const Shape& result, const Slide& slide = {}) {
  return [=](const Arrays& in, const Weights& weights) { return transposed(in[0], weights, result, slide); };
}
auto largest(const Shape& result, const Slide& slide) {
  return [=](const Arrays& in, const Weights&) {
    return pooled(in[0], result, slide, [](const Numbers& values, std::int64_t) { return largest_of(values); });
  };
}
auto average(const Shape& result, const Slide& slide, bool count_padding = true) {
  return [=](const Arrays& in, const Weights&) {
    return pooled(in[0], result, slide, [=](const Numbers& values, std::int64_t places) {
      return count_padding ? sum_of(values) / static_cast<double>(places) : mean_of(values);
    });
  };
}

void add_convolutions(Rows& rows) {
  rows.push_back({.name = "Conv1d",
                  .make = layer([](DType dtype) { return Conv1d(2, 3, 3, {.dtype = dtype}); }),
                  .inputs = {real({2, 2, 5})},
                  .output = {2, 3, 3},
                  .parameters = {{"weight", {3, 2, 3}}, {"bias", {3}}},
                  .printed = "Conv1d(2, 3, kernel 3)",
                  .reference = convolution({2, 3, 3}),
                  .rejected = {taking(Conv1d(2, 3, 3), {2, 2},
                                      "Conv1d: x has shape [2, 2], expected a batch of "
                                      "sequences: [N, 2, L]"),
                               taking(Conv1d(2, 3, 3), {2, 3, 5}, "Conv1d: x has 3 channels, expected 2"),
                               taking(Conv1d(2, 3, 3), {2, 2, 2}, "Conv1d: correlate1d: the kernel covers 3"),
                               making([] { Conv1d(2, 3, 0); }, "Conv1d: kernel must be at least 1, got 0"),
                               making(
                                   [] {
                                     Conv1d(2, 3, 3, {.padding = {1, 2}});
                                   },
                                   "Conv1d: padding is given for 2 axes, the image has 1"),
                               making([] { Conv1d(2, 3, 3, {.groups = 2}); },
                                      "Conv1d: groups must divide in and out, got 2 groups for 2 and 3")}});
  rows.push_back(
      {.name = "Conv1d",
       .variant = "causal, dilated, a bias per position",
       .make = layer([](DType dtype) {
         return Conv1d(
             2, 2, 3,
             {.padding = Padding::sides(4, 0), .dilation = 2, .bias = ConvBias::position({6}), .dtype = dtype});
       }),
       .inputs = {real({2, 2, 6})},
       .output = {2, 2, 6},
       .parameters = {{"weight", {2, 2, 3}}, {"bias", {2, 6}}},
       .printed = "Conv1d(2, 2, kernel 3, padding 4 before, 0 after, dilation 2, bias per position [6])",
       .reference = convolution({2, 2, 6}, {.before = {0, 0, 4}, .dilation = {1, 1, 2}})});
  const Conv2d strided(4, 4, {3, 2}, {.stride = {2, 1}, .padding = {1, 0}, .groups = 2, .bias = false});
  rows.push_back(
      {.name = "Conv2d",
       .variant = "asymmetric, strided, in groups, without bias",
       .make = layer([](DType dtype) {
         return Conv2d(4, 4, {3, 2}, {.stride = {2, 1}, .padding = {1, 0}, .groups = 2, .bias = false, .dtype = dtype});
       }),
       .inputs = {real({2, 4, 5, 4})},
       .output = {2, 4, 3, 3},
       .parameters = {{"weight", {4, 2, 3, 2}}},
       .printed = "Conv2d(4, 4, kernel 3x2, stride 2x1, padding 1x0, groups 2, no bias)",
       .reference = convolution({2, 4, 3, 3}, {.stride = {1, 2, 1}, .before = {0, 1, 0}, .groups = 2}),
       .rejected = {taking(strided, {2, 2, 5, 4}, "Conv2d: x has 2 channels, expected 4"),
                    taking(strided, {4, 5, 4}, "expected a batch of images: [N, 4, H, W]")}});
  const Conv2d positional(1, 2, 3, {.bias = ConvBias::position({4, 3})});
  rows.push_back(
      {.name = "Conv2d",
       .variant = "a bias per position",
       .make = layer([](DType dtype) {
         return Conv2d(1, 2, 3, {.bias = ConvBias::position({4, 3}), .dtype = dtype});
       }),
       .inputs = {real({2, 1, 6, 5})},
       .output = {2, 2, 4, 3},
       .parameters = {{"weight", {2, 1, 3, 3}}, {"bias", {2, 4, 3}}},
       .printed = "Conv2d(1, 2, kernel 3, bias per position [4, 3])",
       .reference = convolution({2, 2, 4, 3}),
       .rejected = {taking(positional, {2, 1, 6, 6},
                           "Conv2d: the output of x [2, 1, 6, 6] is [2, 2, 4, 4], but the bias per position is for "
                           "outputs [N, 2, 4, 3]"),
                    // Would broadcast.
                    taking(Conv2d(1, 2, 3, {.bias = ConvBias::position({1, 1})}), {2, 1, 4, 4}, "[N, 2, 1, 1]"),
                    making([] { Conv2d(1, 2, 3, {.bias = ConvBias::position({26})}); },
                           "Conv2d: a bias per position needs the sizes of the output's 2 image axes, all at least 1, "
                           "got [26]")}});
  rows.push_back(
      {.name = "Conv2d",
       .variant = "full padding",
       .make = layer([](DType dtype) { return Conv2d(1, 1, 2, {.padding = Padding::full, .dtype = dtype}); }),
       .inputs = {real({1, 1, 2, 3})},
       .output = {1, 1, 3, 4},
       .parameters = {{"weight", {1, 1, 2, 2}}, {"bias", {1}}},
       .printed = "Conv2d(1, 1, kernel 2, padding full)",
       .reference = convolution({1, 1, 3, 4}, {.before = {0, 1, 1}})});
  rows.push_back({.name = "Conv3d",
                  .make = layer([](DType dtype) {
                    return Conv3d(1, 2, {2, 1, 3}, {.padding = Padding::same, .dtype = dtype});
                  }),
                  .inputs = {real({1, 1, 3, 2, 4})},
                  .output = {1, 2, 3, 2, 4},
                  .parameters = {{"weight", {2, 1, 2, 1, 3}}, {"bias", {2}}},
                  .printed = "Conv3d(1, 2, kernel 2x1x3, padding same)",
                  .reference = convolution({1, 2, 3, 2, 4}, {.before = {0, 0, 1}}),
                  .rejected = {taking(Conv3d(1, 2, 2), {1, 1, 3, 3},
                                      "Conv3d: x has shape [1, 1, 3, 3], expected a "
                                      "batch of volumes: [N, 1, D, H, W]"),
                               making(
                                   [] {
                                     Conv3d(1, 2, 2, {.stride = {1, 0, 1}});
                                   },
                                   "Conv3d: stride must be at least 1, got 1x0x1")}});
  rows.push_back(
      {.name = "ConvTranspose1d",
       .make = layer([](DType dtype) {
         return ConvTranspose1d(2, 4, 3, {.stride = 2, .output_padding = 1, .groups = 2, .dtype = dtype});
       }),
       .inputs = {real({2, 2, 3})},
       .output = {2, 4, 8},
       .parameters = {{"weight", {2, 2, 3}}, {"bias", {4}}},
       .printed = "ConvTranspose1d(2, 4, kernel 3, stride 2, output padding 1, groups 2)",
       .reference = transposed_convolution({2, 4, 8}, {.stride = {1, 1, 2}, .groups = 2}),
       .rejected = {taking(ConvTranspose1d(2, 4, 3), {2, 3, 3}, "ConvTranspose1d: x has 3 channels, expected 2"),
                    making([] { ConvTranspose1d(2, 4, 3, {.stride = 2, .output_padding = 2}); },
                           "ConvTranspose1d: output_padding must be at least 0 and less than stride or dilation, got 2 "
                           "for stride 2 and dilation 1")}});
  rows.push_back({.name = "ConvTranspose2d",
                  .variant = "asymmetric, a bias per position",
                  .make = layer([](DType dtype) {
                    return ConvTranspose2d(
                        1, 2, {3, 2},
                        {.stride = {2, 1}, .padding = {1, 0}, .bias = ConvBias::position({5, 4}), .dtype = dtype});
                  }),
                  .inputs = {real({2, 1, 3, 3})},
                  .output = {2, 2, 5, 4},
                  .parameters = {{"weight", {1, 2, 3, 2}}, {"bias", {2, 5, 4}}},
                  .printed = "ConvTranspose2d(1, 2, kernel 3x2, stride 2x1, padding 1x0, bias per position [5, 4])",
                  .reference = transposed_convolution({2, 2, 5, 4}, {.stride = {1, 2, 1}, .before = {0, 1, 0}}),
                  .rejected = {taking(ConvTranspose2d(1, 2, 3, {.padding = 2}), {1, 1, 2, 2}, "padding cuts off all"),
                               making([] { ConvTranspose2d(1, 2, 3, {.padding = -1}); },
                                      "ConvTranspose2d: padding must not be negative, got -1")}});
  rows.push_back({.name = "ConvTranspose3d",
                  .make = layer([](DType dtype) {
                    return ConvTranspose3d(2, 1, {1, 2, 2}, {.dilation = 2, .bias = false, .dtype = dtype});
                  }),
                  .inputs = {real({1, 2, 2, 2, 1})},
                  .output = {1, 1, 2, 4, 3},
                  .parameters = {{"weight", {2, 1, 1, 2, 2}}},
                  .printed = "ConvTranspose3d(2, 1, kernel 1x2x2, dilation 2, no bias)",
                  .reference = transposed_convolution({1, 1, 2, 4, 3}, {.dilation = {2, 2, 2}}),
                  .rejected = {taking(ConvTranspose3d(2, 1, 2), {1, 2, 2, 2}, "expected a batch of volumes")}});
}

void add_pools(Rows& rows) {
  rows.push_back(
      {.name = "MaxPool1d",
       .make = layer([](DType) { return MaxPool1d(3, {.stride = 2, .padding = 1}); }),
       .inputs = {separated({2, 2, 5})},
       .output = {2, 2, 3},
       .printed = "MaxPool1d(3, stride 2, padding 1)",
       .reference = largest({2, 2, 3}, {.kernel = {1, 1, 3}, .stride = {1, 1, 2}, .before = {0, 0, 1}}),
       .rejected = {taking(MaxPool1d(2), {2, 4},
                           "MaxPool1d: x has shape [2, 4], expected a batch of "
                           "sequences: [N, C, L]"),
                    making([] { MaxPool1d(2, {.padding = Padding::full}); }, "MaxPool1d: padding cannot be `full`")}});
  rows.push_back({.name = "MaxPool2d",
                  .variant = "asymmetric, dilated",
                  .make = layer([](DType) {
                    return MaxPool2d({2, 1}, {.stride = Size2d(1, 2), .dilation = {2, 1}});
                  }),
                  .inputs = {separated({1, 2, 4, 4})},
                  .output = {1, 2, 2, 2},
                  .printed = "MaxPool2d(2x1, stride 1x2, dilation 2x1)",
                  .reference = largest({1, 2, 2, 2}, {.kernel = {1, 2, 1}, .stride = {1, 1, 2}, .dilation = {1, 2, 1}}),
                  .rejected = {taking(MaxPool2d(5), {1, 1, 4, 4}, "MaxPool2d: maxpool2d: the kernel covers 5")}});
  rows.push_back({.name = "MaxPool3d",
                  .make = layer([](DType) { return MaxPool3d(2); }),
                  .inputs = {separated({1, 1, 2, 4, 5})},
                  .output = {1, 1, 1, 2, 2},
                  .printed = "MaxPool3d(2)",
                  .reference = largest({1, 1, 1, 2, 2}, {.kernel = {2, 2, 2}, .stride = {2, 2, 2}}),
                  .rejected = {taking(MaxPool3d(2), {1, 2, 4, 4}, "expected a batch of volumes: [N, C, D, H, W]")}});
  rows.push_back(
      {.name = "AvgPool1d",
       .make = layer([](DType) { return AvgPool1d(2, {.stride = 2, .padding = 1, .count_include_pad = false}); }),
       .inputs = {real({2, 1, 4})},
       .output = {2, 1, 3},
       .printed = "AvgPool1d(2, stride 2, padding 1, padding not counted)",
       .reference = average({2, 1, 3}, {.kernel = {1, 1, 2}, .stride = {1, 1, 2}, .before = {0, 0, 1}}, false),
       .rejected = {making([] { AvgPool1d(2, {.dilation = 2}); }, "AvgPool1d: dilation must be 1, got 2")}});
  rows.push_back({.name = "AvgPool2d",
                  .make = layer([](DType) {
                    return AvgPool2d({2, 3}, {.padding = {1, 0}});
                  }),
                  .inputs = {real({1, 2, 4, 6})},
                  .output = {1, 2, 3, 2},
                  .printed = "AvgPool2d(2x3, padding 1x0)",
                  .reference = average({1, 2, 3, 2}, {.kernel = {1, 2, 3}, .stride = {1, 2, 3}, .before = {0, 1, 0}}),
                  .rejected = {making([] { AvgPool2d(2, {.padding = Padding::sides(1, 1)}); },
                                      "AvgPool2d: padding is given for 1 axes, the image has 2")}});
  rows.push_back({.name = "AvgPool3d",
                  .make = layer([](DType) {
                    return AvgPool3d({1, 2, 2});
                  }),
                  .inputs = {real({1, 2, 2, 2, 4})},
                  .output = {1, 2, 2, 1, 2},
                  .printed = "AvgPool3d(1x2x2)",
                  .reference = average({1, 2, 2, 1, 2}, {.kernel = {1, 2, 2}, .stride = {1, 2, 2}}),
                  .rejected = {taking(AvgPool3d(2), {2, 2, 2}, "expected a batch of volumes")}});
  // 4 into 2: windows of 2; 5 into 2: 0 to 3 and 2 to 5.
  const auto halves = [](auto f) {
    return [=](const Arrays& in, const Weights&) {
      const Shape result{in[0].shape[0], in[0].shape[1], 2};
      return make(result, [&](const Index& i) {
        Numbers values;
        for (std::int64_t k = 2 * i[2]; k < 2 * i[2] + 3; ++k) values.push_back(in[0]({i[0], i[1], k}));
        return f(values);
      });
    };
  };
  rows.push_back(
      {.name = "AdaptiveAvgPool1d",
       .make = layer([](DType) { return AdaptiveAvgPool1d(2); }),
       .inputs = {real({2, 2, 5})},
       .output = {2, 2, 2},
       .printed = "AdaptiveAvgPool1d(2)",
       .reference = halves(mean_of),
       .rejected = {taking(AdaptiveAvgPool1d(2), {2, 2, 5, 5}, "expected a batch of sequences"),
                    making([] { AdaptiveAvgPool1d(0); }, "AdaptiveAvgPool1d: size must be at least 1, got 0")}});
  rows.push_back({.name = "AdaptiveMaxPool1d",
                  .make = layer([](DType) { return AdaptiveMaxPool1d(2); }),
                  .inputs = {separated({2, 2, 5})},
                  .output = {2, 2, 2},
                  .printed = "AdaptiveMaxPool1d(2)",
                  .reference = halves(largest_of),
                  .rejected = {taking(AdaptiveMaxPool1d(2), {2, 5}, "AdaptiveMaxPool1d: x has shape [2, 5]")}});
  const Slide quarters{.kernel = {1, 2, 3}, .stride = {1, 2, 3}};
  rows.push_back({.name = "AdaptiveAvgPool2d",
                  .make = layer([](DType) {
                    return AdaptiveAvgPool2d({2, 1});
                  }),
                  .inputs = {real({1, 2, 4, 3})},
                  .output = {1, 2, 2, 1},
                  .printed = "AdaptiveAvgPool2d(2x1)",
                  .reference = average({1, 2, 2, 1}, quarters),
                  .rejected = {taking(AdaptiveAvgPool2d(2), {2, 5}, "expected a batch of images: [N, C, H, W]")}});
  rows.push_back({.name = "AdaptiveMaxPool2d",
                  .make = layer([](DType) {
                    return AdaptiveMaxPool2d({2, 1});
                  }),
                  .inputs = {separated({1, 2, 4, 3})},
                  .output = {1, 2, 2, 1},
                  .printed = "AdaptiveMaxPool2d(2x1)",
                  .reference = largest({1, 2, 2, 1}, quarters),
                  .rejected = {taking(AdaptiveMaxPool2d(2), {2, 5}, "expected a batch of images: [N, C, H, W]")}});
  rows.push_back({.name = "GlobalAvgPool",
                  .make = layer([](DType) { return GlobalAvgPool(); }),
                  .inputs = {real({2, 3, 2, 2})},
                  .output = {2, 3, 1, 1},
                  .printed = "GlobalAvgPool",
                  .reference =
                      [](const Arrays& in, const Weights&) {
                        return reshaped(reduce(in[0], {2, 3}, mean_of), {2, 3, 1, 1});
                      },
                  .rejected = {taking(GlobalAvgPool(), {2, 3}, "GlobalAvgPool: global_avgpool: ")}});
  rows.push_back({.name = "GlobalMaxPool",
                  .make = layer([](DType) { return GlobalMaxPool({.keepdims = false}); }),
                  .inputs = {separated({2, 3, 4})},
                  .output = {2, 3},
                  .printed = "GlobalMaxPool(axes dropped)",
                  .reference = [](const Arrays& in, const Weights&) { return reduce(in[0], {2}, largest_of); },
                  .rejected = {taking(GlobalMaxPool(), {2, 3}, "GlobalMaxPool: global_maxpool: ")}});
  rows.push_back(
      {.name = "Upsample",
       .make = layer([](DType) {
         return Upsample({2, 3});
       }),
       .inputs = {real({1, 2, 2, 2})},
       .output = {1, 2, 4, 6},
       .printed = "Upsample(2x3)",
       .reference =
           [](const Arrays& in, const Weights&) {
             return make({1, 2, 4, 6}, [&](const Index& i) { return in[0]({i[0], i[1], i[2] / 2, i[3] / 3}); });
           },
       .rejected = {taking(Upsample(2), {2, 2}, "Upsample: x has shape [2, 2]"),
                    making([] { Upsample(0); }, "Upsample: factor must be at least 1, got 0")}});
  rows.push_back({.name = "Resize",
                  .make = layer([](DType) {
                    return Resize({1, 3}, {.mode = InterpolateMode::bilinear, .align_corners = true});
                  }),
                  .inputs = {real({1, 1, 1, 2})},
                  .output = {1, 1, 1, 3},
                  .printed = "Resize(1x3, bilinear, corners aligned)",
                  .reference =
                      [](const Arrays& in, const Weights&) {
                        const double a = in[0]({0, 0, 0, 0});
                        const double b = in[0]({0, 0, 0, 1});
                        return Array{{1, 1, 1, 3}, {a, (a + b) / 2, b}};
                      },
                  .rejected = {taking(Resize(2), {2, 2}, "Resize: x has shape [2, 2]"),
                               making(
                                   [] {
                                     Resize({2, 0});
                                   },
                                   "Resize: size must be at least 1, got 2x0")}});
}

// ---------------------------------------------------------------------------------------------------------------------
// Norms.

/// (x - mean) / sqrt(variance + epsilon) of each group that shares `group(position)`.
template <class F>
Array normalised(const Array& x, double epsilon, F group, bool centred = true) {
  std::map<std::int64_t, Numbers> groups;
  make(x.shape, [&](const Index& i) {
    groups[group(i)].push_back(x(i));
    return 0;
  });
  return make(x.shape, [&](const Index& i) {
    const Numbers& values = groups[group(i)];
    const double mean = centred ? mean_of(values) : 0;
    double squares = 0;
    for (const double value : values) squares += (value - mean) * (value - mean);
    return (x(i) - mean) / std::sqrt(squares / static_cast<double>(values.size()) + epsilon);
  });
}

/// weight x + bias with those of channel i[1].
Array scaled_by_channel(const Array& x, const Weights& weights) {
  return make(x.shape, [&](const Index& i) {
    const auto bias = weights.find("bias");
    return x(i) * weights.at("weight")({i[1]}) + (bias == weights.end() ? 0 : bias->second({i[1]}));
  });
}

Array by_running_statistics(const Arrays& in, const Weights& weights) {
  return make(in[0].shape, [&](const Index& i) {
    const double normal =
        (in[0](i) - weights.at("running_mean")({i[1]})) / std::sqrt(weights.at("running_var")({i[1]}) + 1e-5);
    return weights.count("weight") == 0 ? normal : normal * weights.at("weight")({i[1]}) + weights.at("bias")({i[1]});
  });
}

template <class Norm>
LayerCase batch_norm_row(const char* name, const Shape& x, const Shape& wrong, const char* expected) {
  return {.name = name,
          .make = layer([](DType dtype) { return Norm(3, {.dtype = dtype}); }),
          .inputs = {real(x)},
          .output = x,
          .parameters = {{"weight", {3}}, {"bias", {3}}},
          .buffers = {{"running_mean", {3}}, {"running_var", {3}}},
          .printed = std::string(name) + "(3)",
          .reference = by_running_statistics,
          .in_training = InTraining::other,
          .rejected = {taking(Norm(3), wrong, expected), taking(Norm(3), x.with(1, 2), "x has 2 channels, expected 3"),
                       making([] { Norm(0); }, "BatchNorm: channels must be at least 1, got 0"),
                       making([] { Norm(1, {.momentum = 2}); }, "BatchNorm: momentum must be from 0 to 1, got 2")}};
}

void add_norms(Rows& rows) {
  rows.push_back(
      batch_norm_row<BatchNorm>("BatchNorm", {4, 3, 2}, {3}, "BatchNorm: x has shape [3], expected [N, 3, ...]"));
  rows.push_back(batch_norm_row<BatchNorm1d>("BatchNorm1d", {4, 3}, {4, 3, 2, 2},
                                             "BatchNorm1d: x has shape [4, 3, 2, 2], expected [N, C] or [N, C, L]"));
  rows.push_back(batch_norm_row<BatchNorm2d>("BatchNorm2d", {2, 3, 2, 2}, {4, 3},
                                             "BatchNorm2d: x has shape [4, 3], expected a batch of images"));
  rows.push_back(batch_norm_row<BatchNorm3d>("BatchNorm3d", {2, 3, 1, 2, 2}, {4, 3},
                                             "BatchNorm3d: x has shape [4, 3], expected a batch of volumes"));
  rows.push_back({.name = "BatchNorm",
                  .variant = "not affine, not tracking",
                  .make = layer([](DType dtype) {
                    return BatchNorm(2, {.epsilon = 1e-3, .affine = false, .track = false, .dtype = dtype});
                  }),
                  .inputs = {real({4, 2})},
                  .output = {4, 2},
                  .printed = "BatchNorm(2, epsilon 0.001, not affine, not tracking)",
                  .reference = [](const Arrays& in, const Weights&) {
                    return normalised(in[0], 1e-3, [](const Index& i) { return i[1]; });
                  }});
  rows.push_back(
      {.name = "LayerNorm",
       .make = layer([](DType dtype) {
         return LayerNorm({2, 3}, {.dtype = dtype});
       }),
       .inputs = {real({2, 2, 3})},
       .output = {2, 2, 3},
       .parameters = {{"weight", {2, 3}}, {"bias", {2, 3}}},
       .printed = "LayerNorm([2, 3])",
       .reference =
           [](const Arrays& in, const Weights& weights) {
             const Array y = normalised(in[0], 1e-5, [](const Index& i) { return i[0]; });
             return make(y.shape, [&](const Index& i) {
               return y(i) * weights.at("weight")({i[1], i[2]}) + weights.at("bias")({i[1], i[2]});
             });
           },
       .rejected = {taking(LayerNorm(4), {2, 3}, "LayerNorm: x has shape [2, 3], expected last axes [4]"),
                    taking(LayerNorm({2, 3}), {3}, "LayerNorm: x has shape [3], expected last axes [2, 3]"),
                    making([] { LayerNorm(Shape{}); },
                           "LayerNorm: the shape must have axes of at least 1 "
                           "element, got []"),
                    making([] { LayerNorm(3, {.epsilon = -1}); }, "LayerNorm: epsilon must not be negative, got -1")}});
  rows.push_back({.name = "LayerNorm",
                  .variant = "without bias",
                  .make = layer([](DType dtype) { return LayerNorm(3, {.bias = false, .dtype = dtype}); }),
                  .inputs = {real({2, 3})},
                  .output = {2, 3},
                  .parameters = {{"weight", {3}}},
                  .printed = "LayerNorm(3, no bias)",
                  .reference = [](const Arrays& in, const Weights& weights) {
                    return scaled_by_channel(normalised(in[0], 1e-5, [](const Index& i) { return i[0]; }), weights);
                  }});
  rows.push_back({.name = "RMSNorm",
                  .make = layer([](DType dtype) { return RMSNorm(3, {.dtype = dtype}); }),
                  .inputs = {real({2, 3})},
                  .output = {2, 3},
                  .parameters = {{"weight", {3}}},
                  .printed = "RMSNorm(3)",
                  .reference =
                      [](const Arrays& in, const Weights& weights) {
                        return scaled_by_channel(normalised(
                                                     in[0], 1e-6, [](const Index& i) { return i[0]; }, false),
                                                 weights);
                      },
                  .rejected = {taking(RMSNorm(4), {2, 3}, "RMSNorm: x has shape [2, 3], expected last axes [4]")}});
  rows.push_back(
      {.name = "GroupNorm",
       .make = layer([](DType dtype) { return GroupNorm(2, 4, {.dtype = dtype}); }),
       .inputs = {real({2, 4, 3})},
       .output = {2, 4, 3},
       .parameters = {{"weight", {4}}, {"bias", {4}}},
       .printed = "GroupNorm(2 groups, 4)",
       .reference =
           [](const Arrays& in, const Weights& weights) {
             return scaled_by_channel(normalised(in[0], 1e-5, [](const Index& i) { return i[0] * 2 + i[1] / 2; }),
                                      weights);
           },
       .rejected = {taking(GroupNorm(2, 4), {2, 6}, "GroupNorm: x has 6 channels, expected 4"),
                    making([] { GroupNorm(3, 4); }, "GroupNorm: groups must divide channels, got 3 groups for 4")}});
  rows.push_back(
      {.name = "InstanceNorm",
       .make = layer([](DType dtype) { return InstanceNorm(2, {.affine = true, .dtype = dtype}); }),
       .inputs = {real({2, 2, 4})},
       .output = {2, 2, 4},
       .parameters = {{"weight", {2}}, {"bias", {2}}},
       .printed = "InstanceNorm(2, affine)",
       .reference =
           [](const Arrays& in, const Weights& weights) {
             return scaled_by_channel(normalised(in[0], 1e-5, [](const Index& i) { return i[0] * 2 + i[1]; }), weights);
           },
       .rejected = {taking(InstanceNorm(2), {2, 2}, "InstanceNorm: x has shape [2, 2], expected [N, 2, L, ...]")}});
}

// ---------------------------------------------------------------------------------------------------------------------
// Activations.

/// A row of an element-wise function. `kinks` are where it has no derivative.
template <class Make, class F>
LayerCase elementwise(const char* name, const char* options, Make make_layer, F f, std::vector<double> kinks = {}) {
  Input x = real({3, 4});
  x.low = -4;
  x.high = 4;
  if (!kinks.empty()) {
    x.gap = 0.05;
    x.kinks = std::move(kinks);
  }
  return {.name = name,
          .variant = options,
          .make = layer([=](DType) { return make_layer(); }),
          .inputs = {x},
          .output = {3, 4},
          .printed = *options == 0 ? name : fmt::format("{}({})", name, options),
          .reference = [=](const Arrays& in, const Weights&) {
            return make(in[0].shape, [&](const Index& i) { return f(in[0](i)); });
          }};
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }
double elu_of(double x, double alpha) { return x > 0 ? x : alpha * std::expm1(x); }

/// Softmax of the rows of [3, 4].
Array softmax_of(const Array& x) {
  return make(x.shape, [&](const Index& i) {
    double sum = 0;
    for (std::int64_t k = 0; k < x.shape[1]; ++k) sum += std::exp(x({i[0], k}));
    return std::exp(x(i)) / sum;
  });
}

void add_activations(Rows& rows) {
  const auto clipped = [](double low, double high) {
    return [=](double x) { return std::min(std::max(x, low), high); };
  };
  rows.push_back(elementwise(
      "Tanh", "", [] { return Tanh(); }, [](double x) { return std::tanh(x); }));
  rows.push_back(elementwise(
      "Sigmoid", "", [] { return Sigmoid(); }, sigmoid_of));
  rows.push_back(elementwise(
      "LogSigmoid", "", [] { return LogSigmoid(); }, [](double x) { return std::log(sigmoid_of(x)); }));
  rows.push_back(elementwise(
      "ReLU", "", [] { return ReLU(); }, [](double x) { return std::max(x, 0.0); }, {0}));
  rows.push_back(elementwise("ReLU6", "", [] { return ReLU6(); }, clipped(0, 6), {0}));
  rows.push_back(elementwise(
      "LeakyReLU", "0.2", [] { return LeakyReLU(0.2); }, [](double x) { return x > 0 ? x : 0.2 * x; }, {0}));
  rows.push_back(elementwise(
      "ELU", "0.5", [] { return ELU(0.5); }, [](double x) { return elu_of(x, 0.5); }, {0}));
  rows.push_back(elementwise(
      "SELU", "", [] { return SELU(); }, [](double x) { return 1.0507009873554805 * elu_of(x, 1.6732632423543772); },
      {0}));
  rows.push_back(elementwise(
      "CELU", "2", [] { return CELU(2); }, [](double x) { return x > 0 ? x : 2 * std::expm1(x / 2); }, {0}));
  rows.back().rejected = {making([] { CELU(0); }, "CELU: alpha must be above 0, got 0")};
  rows.push_back(elementwise(
      "GELU", "", [] { return GELU(); }, [](double x) { return x / 2 * (1 + std::erf(x / std::numbers::sqrt2)); }));
  rows.push_back(elementwise(
      "GELU", "tanh", [] { return GELU(GeluKind::tanh); },
      [](double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))); }));
  rows.push_back(elementwise(
      "SiLU", "", [] { return SiLU(); }, [](double x) { return x * sigmoid_of(x); }));
  rows.push_back(elementwise(
      "Mish", "", [] { return Mish(); }, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }));
  rows.push_back(elementwise("Hardtanh", "-2 to 1", [] { return Hardtanh(-2, 1); }, clipped(-2, 1), {-2, 1}));
  rows.back().rejected = {making([] { Hardtanh(1, -1); }, "Hardtanh: low must be at most high, got 1 and -1")};
  const auto hard_sigmoid_of = [](double x) { return std::min(std::max(x / 6 + 0.5, 0.0), 1.0); };
  rows.push_back(elementwise("HardSigmoid", "", [] { return HardSigmoid(); }, hard_sigmoid_of, {-3, 3}));
  rows.push_back(elementwise(
      "Hardswish", "", [] { return Hardswish(); }, [=](double x) { return x * hard_sigmoid_of(x); }, {-3, 3}));
  rows.push_back(elementwise(
      "Softplus", "", [] { return Softplus(); }, [](double x) { return std::log1p(std::exp(x)); }));
  rows.push_back(elementwise(
      "Softplus", "beta 2", [] { return Softplus(2); }, [](double x) { return std::log1p(std::exp(2 * x)) / 2; }));
  rows.back().rejected = {making([] { Softplus(0); }, "Softplus: beta must be above 0, got 0")};
  rows.push_back(elementwise(
      "Softsign", "", [] { return Softsign(); }, [](double x) { return x / (1 + std::abs(x)); }, {0}));
  rows.push_back(elementwise(
      "Tanhshrink", "", [] { return Tanhshrink(); }, [](double x) { return x - std::tanh(x); }));
  rows.push_back(elementwise(
      "Softshrink", "1", [] { return Softshrink(1); }, [](double x) { return x > 1    ? x - 1
                                                                             : x < -1 ? x + 1
                                                                                      : 0; },
      {-1, 1}));
  rows.back().rejected = {making([] { Softshrink(-1); }, "Softshrink: lambda must not be negative, got -1")};
  rows.push_back(elementwise(
      "Hardshrink", "1", [] { return Hardshrink(1); }, [](double x) { return std::abs(x) > 1 ? x : 0; }, {-1, 1}));
  rows.back().rejected = {making([] { Hardshrink(-1); }, "Hardshrink: lambda must not be negative, got -1")};

  Input away = real({2, 3, 2});
  away.gap = 0.05;
  const auto prelu = [](const Arrays& in, const Weights& weights) {
    const Array& slopes = weights.at("weight");
    return make(in[0].shape, [&](const Index& i) {
      return in[0](i) > 0 ? in[0](i) : in[0](i) * slopes({slopes.shape[0] == 1 ? 0 : i[1]});
    });
  };
  rows.push_back({.name = "PReLU",
                  .make = layer([](DType dtype) { return PReLU({.dtype = dtype}); }),
                  .inputs = {away},
                  .output = {2, 3, 2},
                  .parameters = {{"weight", {1}}},
                  .printed = "PReLU",
                  .reference = prelu,
                  .rejected = {making([] { PReLU({.channels = 0}); }, "PReLU: channels must be at least 1, got 0")}});
  rows.push_back(
      {.name = "PReLU",
       .variant = "a slope per channel",
       .make = layer([](DType dtype) { return PReLU({.channels = 3, .dtype = dtype}); }),
       .inputs = {away},
       .output = {2, 3, 2},
       .parameters = {{"weight", {3}}},
       .printed = "PReLU(3)",
       .reference = prelu,
       .rejected = {taking(PReLU({.channels = 3}), {2, 4}, "PReLU: x has shape [2, 4], expected [N, 3, ...]")}});
  rows.push_back(
      {.name = "GLU",
       .make = layer([](DType) { return GLU(1); }),
       .inputs = {real({2, 4})},
       .output = {2, 2},
       .printed = "GLU(axis 1)",
       .reference =
           [](const Arrays& in, const Weights&) {
             return make({2, 2}, [&](const Index& i) { return in[0](i) * sigmoid_of(in[0]({i[0], i[1] + 2})); });
           },
       .rejected = {taking(GLU(), {2, 3}, "GLU: x has shape [2, 3], axis -1 must have an even size")}});
  rows.push_back({.name = "Softmax",
                  .make = layer([](DType) { return Softmax(); }),
                  .inputs = {real({3, 4})},
                  .output = {3, 4},
                  .printed = "Softmax(axis -1)",
                  .reference = [](const Arrays& in, const Weights&) { return softmax_of(in[0]); },
                  .rejected = {taking(Softmax(2), {3, 4}, "Softmax: softmax: ")}});
  rows.push_back({.name = "LogSoftmax",
                  .make = layer([](DType) { return LogSoftmax(1); }),
                  .inputs = {real({3, 4})},
                  .output = {3, 4},
                  .printed = "LogSoftmax(axis 1)",
                  .reference =
                      [](const Arrays& in, const Weights&) {
                        const Array p = softmax_of(in[0]);
                        return make(p.shape, [&](const Index& i) { return std::log(p(i)); });
                      },
                  .rejected = {taking(LogSoftmax(2), {3, 4}, "LogSoftmax: log_softmax: ")}});
}

// ---------------------------------------------------------------------------------------------------------------------
// Dense, embedding, shapes, dropout.

Array unchanged(const Arrays& in, const Weights&) { return in[0]; }

/// x weight^T + bias for x: [N, in].
Array affine(const Array& x, const Array& weight, const Array& bias) {
  return make({x.shape[0], weight.shape[0]}, [&](const Index& i) {
    double sum = bias({i[1]});
    for (std::int64_t k = 0; k < x.shape[1]; ++k) sum += x({i[0], k}) * weight({i[1], k});
    return sum;
  });
}

template <class Drop>
LayerCase dropout_row(const char* name, const Shape& x, std::vector<Rejected> rejected) {
  return {.name = name,
          .make = layer([](DType) { return Drop(0.4); }),
          .inputs = {real(x)},
          .output = x,
          .printed = std::string(name) + "(0.4)",
          .reference = unchanged,
          .in_training = InTraining::random,
          .rejected = std::move(rejected)};
}

void add_others(Rows& rows) {
  rows.push_back(
      {.name = "Dense",
       .make = layer([](DType dtype) { return Dense(3, 2, {.dtype = dtype}); }),
       .inputs = {real({4, 3})},
       .output = {4, 2},
       .parameters = {{"weight", {2, 3}}, {"bias", {2}}},
       .printed = "Dense(3, 2)",
       .reference = [](const Arrays& in,
                       const Weights& weights) { return affine(in[0], weights.at("weight"), weights.at("bias")); },
       .rejected = {taking(Dense(3, 2), {4, 2}, "Dense: x has shape [4, 2], expected 3 features")}});
  const Bilinear pair(2, 3, 2);
  rows.push_back({.name = "Bilinear",
                  .make = layer([](DType dtype) { return Bilinear(2, 3, 4, {.dtype = dtype}); }),
                  .inputs = {real({5, 2}), real({5, 3})},
                  .output = {5, 4},
                  .parameters = {{"weight", {4, 2, 3}}, {"bias", {4}}},
                  .printed = "Bilinear(2, 3, 4)",
                  .reference =
                      [](const Arrays& in, const Weights& weights) {
                        return make({5, 4}, [&](const Index& i) {
                          double sum = weights.at("bias")({i[1]});
                          for (std::int64_t p = 0; p < 2; ++p) {
                            for (std::int64_t q = 0; q < 3; ++q) {
                              sum += in[0]({i[0], p}) * weights.at("weight")({i[1], p, q}) * in[1]({i[0], q});
                            }
                          }
                          return sum;
                        });
                      },
                  .rejected = {{[=] {
                                  pair(zeros({4, 3}), zeros({4, 3}));
                                },
                                "Bilinear: x1 has shape [4, 3], expected 2 features in its last axis"},
                               {[=] {
                                  pair(zeros({4, 2}), zeros({4, 2}));
                                },
                                "Bilinear: x2 has shape [4, 2], expected 3 features"},
                               {[=] {
                                  pair(zeros({4, 2}), zeros({5, 3}));
                                },
                                "Bilinear: x1 is [4, 2] and x2 is [5, 3]; their leading axes must be equal"},
                               making([] { Bilinear(1, 0, 2); },
                                      "Bilinear: in1, in2 and out must be at least 1, got 1, 0 and 2")}});
  const auto rows_of_weight = [](const Arrays& in, const Weights& weights) {
    return make({2, 3, 2}, [&](const Index& i) {
      return weights.at("weight")({static_cast<std::int64_t>(in[0]({i[0], i[1]})), i[2]});
    });
  };
  rows.push_back({.name = "Embedding",
                  .make = layer([](DType dtype) { return Embedding(4, 2, {.dtype = dtype}); }),
                  .inputs = {index_below(4, {2, 3})},
                  .output = {2, 3, 2},
                  .parameters = {{"weight", {4, 2}}},
                  .printed = "Embedding(4, 2)",
                  .reference = rows_of_weight,
                  .rejected = {{[] { Embedding(4, 2)(zeros({2})); }, "Embedding: embedding: "},
                               {[] { Embedding(4, 2)(full({2}, 4, int64)); }, "Embedding: embedding: "},
                               making([] { Embedding(0, 2); }, "Embedding: count and features must be at least 1")}});
  rows.push_back({.name = "Embedding",
                  .variant = "with padding",
                  .make = layer([](DType dtype) { return Embedding(4, 2, {.padding_index = 1, .dtype = dtype}); }),
                  .inputs = {index_below(4, {2, 3})},
                  .output = {2, 3, 2},
                  .parameters = {{"weight", {4, 2}}},
                  .printed = "Embedding(4, 2, padding index 1)",
                  .reference = rows_of_weight,
                  .rejected = {making([] { Embedding(4, 2, {.padding_index = 4}); },
                                      "Embedding: padding_index must be at least 0 and below 4, got 4")},
                  .all_gradients = false});
  rows.push_back({.name = "Flatten",
                  .make = layer([](DType) { return Flatten(); }),
                  .inputs = {real({2, 3, 2})},
                  .output = {2, 6},
                  .printed = "Flatten",
                  .reference =
                      [](const Arrays& in, const Weights&) {
                        return reshaped(in[0], {2, 6});
                      },
                  .rejected = {taking(Flatten(3), {2, 3}, "Flatten: flatten: ")}});
  rows.push_back(
      {.name = "Reshape",
       .make = layer([](DType) {
         return Reshape({2, -1});
       }),
       .inputs = {real({3, 8})},
       .output = {3, 2, 4},
       .printed = "Reshape([2, -1])",
       .reference =
           [](const Arrays& in, const Weights&) {
             return reshaped(in[0], {3, 2, 4});
           },
       .rejected = {taking(Reshape({2, -1}), {3, 7}, "Reshape: x is [3, 7]: 7 elements a sample do not make [2, -1]"),
                    taking(Reshape({5}), {3, 4}, "Reshape: x is [3, 4]: 4 elements a sample do not make [5]"),
                    taking(Reshape({0, -1}), {3, 0}, "do not make [0, -1]"),
                    taking(Reshape({1}), {}, "Reshape: x has shape [], expected a batch axis"),
                    making(
                        [] {
                          Reshape({-1, -1});
                        },
                        "Reshape: sizes must be at least 0, but one may be -1, got [-1, -1]")}});
  rows.push_back({.name = "Identity",
                  .make = layer([](DType) { return Identity(); }),
                  .inputs = {real({3, 2})},
                  .output = {3, 2},
                  .printed = "Identity",
                  .reference = unchanged});
  rows.push_back({.name = "Lambda",
                  .make = layer([](DType) { return Lambda("square", [](const Tensor& x) { return x * x; }); }),
                  .inputs = {real({3, 2})},
                  .output = {3, 2},
                  .printed = "Lambda(square)",
                  .reference =
                      [](const Arrays& in, const Weights&) {
                        return make({3, 2}, [&](const Index& i) { return in[0](i) * in[0](i); });
                      },
                  .rejected = {making([] { Lambda("nothing", nullptr); }, "Lambda: the function is empty"),
                               taking(Lambda([](const Tensor&) { return Tensor(); }), {1},
                                      "Lambda: the function returned an undefined tensor")}});
  rows.push_back({.name = "Residual",
                  .make = layer([](DType dtype) { return Residual(Dense(3, 3, {.dtype = dtype})); }),
                  .inputs = {real({2, 3})},
                  .output = {2, 3},
                  .parameters = {{"body.weight", {3, 3}}, {"body.bias", {3}}},
                  .printed = "Residual\n  body: Dense(3, 3)",
                  .reference =
                      [](const Arrays& in, const Weights& weights) {
                        const Array y = affine(in[0], weights.at("body.weight"), weights.at("body.bias"));
                        return make(y.shape, [&](const Index& i) { return y(i) + in[0](i); });
                      },
                  .rejected = {taking(Residual(Dense(3, 1)), {2, 3},
                                      "Residual: the body gives [2, 1], the shortcut [2, 3]; they must be equal"),
                               taking(Residual(Dense(3, 3)), {2, 4}, "body (Dense): x has shape [2, 4]")}});
  rows.push_back(
      {.name = "Residual",
       .variant = "with a projection",
       .make =
           layer([](DType dtype) { return Residual(Dense(3, 2, {.dtype = dtype}), Dense(3, 2, {.dtype = dtype})); }),
       .inputs = {real({2, 3})},
       .output = {2, 2},
       .parameters = {{"body.weight", {2, 3}}, {"body.bias", {2}}, {"shortcut.weight", {2, 3}}, {"shortcut.bias", {2}}},
       .printed = "Residual\n  body: Dense(3, 2)\n  shortcut: Dense(3, 2)",
       .reference = [](const Arrays& in, const Weights& weights) {
         const Array y = affine(in[0], weights.at("body.weight"), weights.at("body.bias"));
         const Array z = affine(in[0], weights.at("shortcut.weight"), weights.at("shortcut.bias"));
         return make(y.shape, [&](const Index& i) { return y(i) + z(i); });
       }});
  rows.push_back(
      dropout_row<Dropout>("Dropout", {4, 8}, {making([] { Dropout(-0.1); }, "Dropout: p must be at least 0")}));
  rows.push_back(dropout_row<ChannelDropout>(
      "ChannelDropout", {4, 8},
      {taking(ChannelDropout(), {3}, "ChannelDropout: x has shape [3], expected [N, C, ...]"),
       making([] { ChannelDropout(1); }, "ChannelDropout: p must be at least 0")}));
  rows.push_back(dropout_row<Dropout1d>("Dropout1d", {4, 8, 2}, {taking(Dropout1d(), {3, 2}, "a batch of sequences")}));
  rows.push_back(
      dropout_row<Dropout2d>("Dropout2d", {4, 8, 1, 2}, {taking(Dropout2d(), {3, 2, 2}, "a batch of images")}));
  rows.push_back(
      dropout_row<Dropout3d>("Dropout3d", {4, 8, 1, 1, 2}, {taking(Dropout3d(), {3, 2}, "a batch of volumes")}));
  rows.push_back(dropout_row<AlphaDropout>("AlphaDropout", {4, 8},
                                           {making([] { AlphaDropout(1); }, "AlphaDropout: p must be at least 0")}));
}

// ---------------------------------------------------------------------------------------------------------------------
// Losses: their means. Reductions and options are in layers_loss_test.cpp.

/// The mean of `f(prediction, target)`, times a factor.
template <class L, class F>
LayerCase elementwise_loss(const char* name, L loss, const char* printed, const Input& prediction, const Input& target,
                           F f, double factor = 1) {
  const Shape x = prediction.shape;
  return {.name = name,
          .make = layer([=](DType) { return loss; }),
          .inputs = {prediction, target},
          .output = {},
          .printed = printed,
          .reference =
              [=](const Arrays& in, const Weights&) {
                double sum = 0;
                for (std::size_t i = 0; i < in[0].data.size(); ++i) sum += f(in[0].data[i], in[1].data[i]);
                return wengert::test::number(factor * sum / static_cast<double>(in[0].data.size()));
              },
          .rejected = {{[=] { loss(zeros(x), zeros({7})); }, "target is [7]"}}};
}

void add_losses(Rows& rows) {
  const auto square_of = [](double p, double t) { return (p - t) * (p - t); };
  const auto huber_of = [](double p, double t) {
    const double d = std::abs(p - t);
    return d <= 1.5 ? d * d / 2 : 1.5 * (d - 0.75);
  };
  const Shape x{4, 3};
  const Input probabilities = probability(x);
  Input apart = separated(x);
  rows.push_back(elementwise_loss("MSELoss", MSELoss(), "MSELoss", real(x), real(x), square_of));
  rows.push_back(elementwise_loss("OLSLoss", OLSLoss(), "OLSLoss", real(x), real(x), square_of, 3));
  rows.push_back(
      elementwise_loss("L1Loss", L1Loss(), "L1Loss", apart, apart, [](double p, double t) { return std::abs(p - t); }));
  rows.push_back(
      elementwise_loss("HuberLoss", HuberLoss({.delta = 1.5}), "HuberLoss(delta 1.5)", real(x), real(x), huber_of));
  rows.back().rejected.push_back(making([] { HuberLoss({.delta = 0}); }, "HuberLoss: delta must be above 0, got 0"));
  rows.push_back(elementwise_loss("SmoothL1Loss", SmoothL1Loss({.beta = 1.5}), "SmoothL1Loss(beta 1.5)", real(x),
                                  real(x), huber_of, 1 / 1.5));
  rows.back().rejected.push_back(
      making([] { SmoothL1Loss({.beta = -1}); }, "SmoothL1Loss: beta must be above 0, got -1"));
  const auto binary = [](double p, double t) { return -(t * std::log(p) + (1 - t) * std::log(1 - p)); };
  rows.push_back(elementwise_loss("BCELoss", BCELoss(), "BCELoss", probabilities, probabilities, binary));
  rows.push_back(elementwise_loss("BCEWithLogitsLoss", BCEWithLogitsLoss(), "BCEWithLogitsLoss", real(x), probabilities,
                                  [=](double logit, double t) { return binary(sigmoid_of(logit), t); }));
  rows.push_back(elementwise_loss(
      "LogisticRegressionLoss", LogisticRegressionLoss(), "LogisticRegressionLoss", probabilities, probabilities,
      [](double p, double t) { return -(t * std::log(p + 10e-10) + (1 - t) * std::log(1 - p + 10e-10)); }, 3));
  rows.push_back(elementwise_loss("HingeLoss", HingeLoss(), "HingeLoss", real(x), real(x),
                                  [](double p, double t) { return std::max(0.0, 1 - t * p); }));
  rows.push_back(elementwise_loss(
      "KLDivLoss", KLDivLoss(), "KLDivLoss", real(x), probabilities,
      [](double p, double t) { return t * (std::log(t) - p); }, 3));

  const auto of_labels = [](auto log_p) {
    return [=](const Arrays& in, const Weights&) {
      double sum = 0;
      for (std::int64_t n = 0; n < in[0].shape[0]; ++n) sum -= log_p(in[0])({n, static_cast<std::int64_t>(in[1]({n}))});
      return wengert::test::number(sum / static_cast<double>(in[0].shape[0]));
    };
  };
  rows.push_back(
      {.name = "CrossEntropyLoss",
       .make = layer([](DType) { return CrossEntropyLoss(); }),
       .inputs = {real(x), index_below(3, {4})},
       .output = {},
       .printed = "CrossEntropyLoss",
       .reference = of_labels([](const Array& logits) {
         const Array p = softmax_of(logits);
         return make(p.shape, [&](const Index& i) { return std::log(p(i)); });
       }),
       .rejected = {{[] {
                       CrossEntropyLoss()(zeros({2, 3}), full({2}, 3, int64));
                     },
                     "CrossEntropyLoss: cross_entropy: "},
                    {[] {
                       CrossEntropyLoss()(zeros({2, 3}), zeros({2}));
                     },
                     "CrossEntropyLoss: prediction is [2, 3] and target is [2]"},
                    {[] {
                       CrossEntropyLoss()(zeros({2, 3, 5}), zeros({2, 4}, int64));
                     },
                     "CrossEntropyLoss: prediction is [2, 3, 5] and target is [2, 4]; labels must have shape "
                     "[2, 5]"},
                    making([] { CrossEntropyLoss({.label_smoothing = 2}); },
                           "CrossEntropyLoss: label_smoothing must be from 0 to 1, got 2")}});
  rows.push_back({.name = "NLLLoss",
                  .make = layer([](DType) { return NLLLoss(); }),
                  .inputs = {real(x), index_below(3, {4})},
                  .output = {},
                  .printed = "NLLLoss",
                  .reference = of_labels([](const Array& log_p) { return log_p; }),
                  .rejected = {{[] {
                                  NLLLoss()(zeros({2, 3}), full({2}, -1, int64));
                                },
                                "NLLLoss: nll_loss: "}}});
  const auto categorical = [](double epsilon, double count) {
    return [=](const Arrays& in, const Weights&) {
      double sum = 0;
      for (std::size_t i = 0; i < in[0].data.size(); ++i) sum -= in[1].data[i] * std::log(in[0].data[i] + epsilon);
      return wengert::test::number(sum / count);
    };
  };
  rows.push_back({.name = "CategoricalCrossEntropyLoss",
                  .make = layer([](DType) { return CategoricalCrossEntropyLoss(); }),
                  .inputs = {probabilities, probabilities},
                  .output = {},
                  .printed = "CategoricalCrossEntropyLoss",
                  .reference = categorical(10e-10, 4),
                  .rejected = {{[] { CategoricalCrossEntropyLoss()(zeros({2}), zeros({2})); },
                                "CategoricalCrossEntropyLoss: prediction has shape [2], expected probabilities [N, K]"},
                               making([] { CategoricalCrossEntropyLoss({.epsilon = -1}); },
                                      "CategoricalCrossEntropyLoss: epsilon must not be negative, got -1")}});
  rows.push_back({.name = "CategoricalCrossEntropyLoss",
                  .variant = "by element",
                  .make = layer([](DType) {
                    return CategoricalCrossEntropyLoss(
                        {.average = CategoricalCrossEntropyLossOptions::Average::elements, .epsilon = 0.1});
                  }),
                  .inputs = {probabilities, probabilities},
                  .output = {},
                  .printed = "CategoricalCrossEntropyLoss(per element)",
                  .reference = categorical(0.1, 12)});

  const auto dot_of = [](const Array& a, const Array& b, std::int64_t n) {
    double sum = 0;
    for (std::int64_t k = 0; k < a.shape[1]; ++k) sum += a({n, k}) * b({n, k});
    return sum;
  };
  const auto cosine = [=](const Array& a, const Array& b, std::int64_t n) {
    return dot_of(a, b, n) / std::sqrt(dot_of(a, a, n) * dot_of(b, b, n));
  };
  rows.push_back({.name = "CosineSimilarity",
                  .make = layer([](DType) { return CosineSimilarity(); }),
                  .inputs = {real(x), real(x)},
                  .output = {4},
                  .printed = "CosineSimilarity",
                  .reference =
                      [=](const Arrays& in, const Weights&) {
                        return make({4}, [&](const Index& i) { return cosine(in[0], in[1], i[0]); });
                      },
                  .rejected = {{[] {
                                  CosineSimilarity()(zeros({2, 3}), zeros({2, 4}));
                                },
                                "CosineSimilarity: cosine_similarity: "}}});
  const auto signs = layer(
      [](DType) { return CosineEmbeddingLoss({.margin = 0.1}); },
      [](const CosineEmbeddingLoss& loss, const Inputs& in) { return loss(in.at(0), in.at(1), in.at(2) * 2.0 - 1.0); });
  rows.push_back({.name = "CosineEmbeddingLoss",
                  .make = signs,
                  .inputs = {real(x), real(x), wengert::test::condition({4})},
                  .output = {},
                  .printed = "CosineEmbeddingLoss(margin 0.1)",
                  .reference =
                      [=](const Arrays& in, const Weights&) {
                        double sum = 0;
                        for (std::int64_t n = 0; n < 4; ++n) {
                          const double c = cosine(in[0], in[1], n);
                          sum += in[2]({n}) == 1 ? 1 - c : std::max(0.0, c - 0.1);
                        }
                        return wengert::test::number(sum / 4);
                      },
                  .rejected = {{[] {
                                  CosineEmbeddingLoss()(zeros({2, 3}), zeros({2, 3}), zeros({3}));
                                },
                                "CosineEmbeddingLoss: a and b are [2, 3] and target is [3]; it must be [2]"},
                               making([] { CosineEmbeddingLoss({.margin = 2}); },
                                      "CosineEmbeddingLoss: margin must be from -1 to 1, got 2")}});
  rows.push_back({.name = "TripletMarginLoss",
                  .make = layer([](DType) { return TripletMarginLoss({.margin = 2}); }),
                  .inputs = {real(x), real(x), real(x)},
                  .output = {},
                  .printed = "TripletMarginLoss(margin 2)",
                  .reference =
                      [=](const Arrays& in, const Weights&) {
                        double sum = 0;
                        for (std::int64_t n = 0; n < 4; ++n) {
                          double near = 0;
                          double far = 0;
                          for (std::int64_t k = 0; k < 3; ++k) {
                            near += std::pow(in[0]({n, k}) - in[1]({n, k}), 2);
                            far += std::pow(in[0]({n, k}) - in[2]({n, k}), 2);
                          }
                          sum += std::max(0.0, std::sqrt(near) - std::sqrt(far) + 2);
                        }
                        return wengert::test::number(sum / 4);
                      },
                  .rejected = {{[] {
                                  TripletMarginLoss()(zeros({2, 3}), zeros({2, 3}), zeros({3}));
                                },
                                "TripletMarginLoss: triplet_margin_loss: "},
                               making([] { TripletMarginLoss({.margin = -1}); },
                                      "TripletMarginLoss: margin must not be negative, got -1")}});
  // Two steps and one label k: the paths k k, k blank and blank k.
  rows.push_back(
      {.name = "CTCLoss",
       .make = layer([](DType) { return CTCLoss({.zero_infinity = true}); },
                     [](const CTCLoss& loss, const Inputs& in) {
                       return loss(in.at(0), in.at(1) + 1.0, in.at(2) + 2.0, in.at(3) + 1.0);
                     }),
       .inputs = {real({2, 1, 3}), index_below(2, {1, 1}), index_below(1, {1}), index_below(1, {1})},
       .output = {},
       .printed = "CTCLoss(zero infinity)",
       .reference =
           [](const Arrays& in, const Weights&) {
             const auto k = static_cast<std::int64_t>(in[1]({0, 0})) + 1;
             const auto p = [&](std::int64_t t, std::int64_t symbol) { return std::exp(in[0]({t, 0, symbol})); };
             return wengert::test::number(-std::log(p(0, k) * p(1, k) + p(0, k) * p(1, 0) + p(0, 0) * p(1, k)));
           },
       .rejected = {{[] {
                       CTCLoss()(zeros({2, 1, 3}), zeros({1, 1}, int64), full({1}, 2, int64), full({1}, 1, int64));
                     },
                     "CTCLoss: ctc_loss: "}}});
}

}  // namespace

const std::vector<LayerCase>& layer_cases() {
  static const Rows table = [] {
    Rows rows;
    add_convolutions(rows);
    add_pools(rows);
    add_norms(rows);
    add_activations(rows);
    add_others(rows);
    add_losses(rows);
    return rows;
  }();
  return table;
}

}  // namespace wengert::nn::test
