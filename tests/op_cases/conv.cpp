#include "tests/op_cases/window.h"

namespace wengert::test {

namespace {

Array correlation(const Array& x, const Array& kernel, Window window) {
  const std::int64_t channels = x.shape[1];
  return make({x.shape[0], kernel.shape[0], window.rows(x.shape[2]), window.columns(x.shape[3])}, [&](const Index& i) {
    double sum = 0;
    window.visit(x.shape, i[2], i[3], [&](auto ky, auto kx, auto row, auto column) {
      for (std::int64_t c = 0; c < channels; ++c) sum += x({i[0], c, row, column}) * kernel({i[1], c, ky, kx});
    });
    return sum;
  });
}

Array flipped(const Array& kernel) {
  return make(kernel.shape, [&](const Index& i) {
    return kernel({i[0], i[1], kernel.shape[2] - 1 - i[2], kernel.shape[3] - 1 - i[3]});
  });
}

Array image_correlation(const Array& x, const Array& kernel, const Window& window) {
  const auto batch = [](const Array& image) { return reshaped(image, {1, 1, image.shape[0], image.shape[1]}); };
  Array result = correlation(batch(x), batch(kernel), window);
  return reshaped(result, {result.shape[2], result.shape[3]});
}

Array with_bias(Array x, const Array& bias) {
  return make(x.shape, [&](const Index& i) { return x(i) + bias({i[1]}); });
}

/// The gradients of `correlation`, by its definition: each product it sums up gives each factor the other, times g.
Array input_gradient(const Array& g, const Array& kernel, const Shape& x_shape, const Window& window) {
  Array result = make(x_shape, [](const Index&) { return 0; });
  make(g.shape, [&](const Index& i) {
    window.visit(x_shape, i[2], i[3], [&](auto ky, auto kx, auto row, auto column) {
      for (std::int64_t c = 0; c < x_shape[1]; ++c) {
        result.at({i[0], c, row, column}) += g(i) * kernel({i[1], c, ky, kx});
      }
    });
    return 0;
  });
  return result;
}

Array kernel_gradient(const Array& x, const Array& g, const Shape& kernel_shape, const Window& window) {
  Array result = make(kernel_shape, [](const Index&) { return 0; });
  make(g.shape, [&](const Index& i) {
    window.visit(x.shape, i[2], i[3], [&](auto ky, auto kx, auto row, auto column) {
      for (std::int64_t c = 0; c < kernel_shape[1]; ++c) {
        result.at({i[1], c, ky, kx}) += g(i) * x({i[0], c, row, column});
      }
    });
    return 0;
  });
  return result;
}

}  // namespace

void add_convolutions(Table& t) {
  t.push_back({.name = "correlate2d",
               .inputs = {real({2, 2, 4, 5}), real({3, 2, 3, 2}), real({3})},
               .f = [](In in) { return correlate2d(in[0], in[1], {}, in[2]); },
               .reference =
                   [](From in) {
                     return with_bias(correlation(in[0], in[1], {.kernel = {3, 2}}), in[2]);
                   },
               .big = {{8, 3, 20, 20}, {16, 3, 3, 3}, {16}},
               .empty = {{0, 2, 4, 5}, {3, 2, 3, 2}, {3}},
               .last_is_optional = true});
  t.push_back({.name = "correlate2d",
               .variant = "strided, padded, dilated",
               .inputs = {real({2, 2, 6, 7}), real({2, 2, 3, 2})},
               .f =
                   [](In in) {
                     return correlate2d(in[0], in[1], {.stride = {2, 1}, .padding = Padding(1, 2), .dilation = {1, 2}});
                   },
               .reference =
                   [](From in) {
                     return correlation(
                         in[0], in[1],
                         {.kernel = {3, 2}, .stride = {2, 1}, .before = {1, 2}, .after = {1, 2}, .dilation = {1, 2}});
                   },
               .big = {{8, 3, 20, 20}, {16, 3, 3, 3}}});
  t.push_back(
      {.name = "correlate2d",
       .variant = "stride 2, same",
       .inputs = {real({1, 1, 5, 6}), real({2, 1, 3, 3})},
       .f = [](In in) { return correlate2d(in[0], in[1], {.stride = 2, .padding = Padding::same}); },
       .reference =
           [](From in) {
             // 5 rows: 3 positions need one row on each side; 6 columns: 3 positions need one after.
             return correlation(in[0], in[1], {.kernel = {3, 3}, .stride = 2, .before = {1, 0}, .after = {1, 1}});
           }});
  t.push_back({.name = "correlate2d",
               .variant = "image, valid",
               .inputs = {real({5, 4}), real({2, 3})},
               .f = [](In in) { return correlate2d(in[0], in[1]); },
               .reference =
                   [](From in) {
                     return image_correlation(in[0], in[1], {.kernel = {2, 3}});
                   }});
  t.push_back({.name = "correlate2d",
               .variant = "image, same",
               .inputs = {real({5, 4}), real({3, 3})},
               .f = [](In in) { return correlate2d(in[0], in[1], {.padding = Padding::same}); },
               .reference =
                   [](From in) {
                     return image_correlation(in[0], in[1], {.kernel = {3, 3}, .before = 1, .after = 1});
                   }});
  t.push_back({.name = "correlate2d",
               .variant = "image, full",
               .inputs = {real({3, 4}), real({2, 3})},
               .f = [](In in) { return correlate2d(in[0], in[1], {.padding = Padding::full}); },
               .reference =
                   [](From in) {
                     return image_correlation(in[0], in[1], {.kernel = {2, 3}, .before = {1, 2}, .after = {1, 2}});
                   }});
  t.push_back({.name = "convolve2d",
               .inputs = {real({2, 2, 4, 5}), real({3, 2, 3, 2}), real({3})},
               .f = [](In in) { return convolve2d(in[0], in[1], {}, in[2]); },
               .reference =
                   [](From in) {
                     return with_bias(correlation(in[0], flipped(in[1]), {.kernel = {3, 2}}), in[2]);
                   },
               .big = {{8, 3, 20, 20}, {16, 3, 3, 3}, {16}},
               .empty = {{0, 2, 4, 5}, {3, 2, 3, 2}, {3}},
               .last_is_optional = true});
  t.push_back({.name = "convolve2d",
               .variant = "image, full",
               .inputs = {real({3, 4}), real({2, 3})},
               .f = [](In in) { return convolve2d(in[0], in[1], {.padding = Padding::full}); },
               .reference =
                   [](From in) {
                     const Array kernel = flipped(reshaped(in[1], {1, 1, 2, 3}));
                     return image_correlation(in[0], reshaped(kernel, {2, 3}),
                                              {.kernel = {2, 3}, .before = {1, 2}, .after = {1, 2}});
                   }});
  t.push_back({.name = "correlate2d_input_gradient",
               .inputs = {real({2, 3, 2, 3}), real({3, 2, 3, 2})},
               .f =
                   [](In in) {
                     return correlate2d_input_gradient(in[0], in[1], {2, 2, 6, 4}, {.stride = {2, 1}});
                   },
               .reference =
                   [](From in) {
                     // The last row of the image is out of reach of the strides.
                     return input_gradient(in[0], in[1], {2, 2, 6, 4}, {.kernel = {3, 2}, .stride = {2, 1}});
                   }});
  t.push_back({.name = "correlate2d_input_gradient",
               .variant = "of any size, padded, dilated",
               .inputs = {real({2, 3, 2, 3}), real({3, 2, 3, 3})},
               .f =
                   [](In in) {
                     const Shape x{in[0].dim(0), in[1].dim(1), in[0].dim(2) + 2, in[0].dim(3) + 2};
                     return correlate2d_input_gradient(in[0], in[1], x, {.padding = 1, .dilation = 2});
                   },
               .reference =
                   [](From in) {
                     return input_gradient(in[0], in[1], {2, 2, 4, 5},
                                           {.kernel = {3, 3}, .before = 1, .after = 1, .dilation = 2});
                   },
               .big = {{8, 16, 18, 18}, {16, 3, 3, 3}},
               .empty = {{0, 3, 2, 3}, {3, 2, 3, 3}},
               .error_prefix = "-"});
  t.push_back({.name = "correlate2d_kernel_gradient",
               .inputs = {real({2, 2, 6, 4}), real({2, 3, 2, 3})},
               .f =
                   [](In in) {
                     return correlate2d_kernel_gradient(in[0], in[1], {3, 2, 3, 2}, {.stride = {2, 1}});
                   },
               .reference =
                   [](From in) {
                     return kernel_gradient(in[0], in[1], {3, 2, 3, 2}, {.kernel = {3, 2}, .stride = {2, 1}});
                   }});
  t.push_back({.name = "correlate2d_kernel_gradient",
               .variant = "of any size, padded, dilated",
               .inputs = {real({2, 2, 4, 5}), real({2, 3, 2, 3})},
               .f =
                   [](In in) {
                     const Shape kernel{in[1].dim(1), in[0].dim(1), 3, 3};
                     return correlate2d_kernel_gradient(in[0], in[1], kernel, {.padding = 1, .dilation = 2});
                   },
               .reference =
                   [](From in) {
                     return kernel_gradient(in[0], in[1], {3, 2, 3, 3},
                                            {.kernel = {3, 3}, .before = 1, .after = 1, .dilation = 2});
                   },
               .big = {{8, 3, 20, 20}, {8, 16, 18, 18}},
               .empty = {{0, 2, 4, 5}, {0, 3, 2, 3}},
               .error_prefix = "-",
               .float32_tolerance = 3e-5});
}

}  // namespace wengert::test
