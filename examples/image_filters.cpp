// Two filters on a photograph, in three ways that give the same.
//
// Rebuilds: a Gaussian blur (sigma 6, a mask of 49 x 49) and Sobel's edges of a photograph by convolution, the same by
// separable kernels and by Fourier transforms. Reference: 20 to 30 seconds an image for the naive loops in Python.
// Here the three methods are options of one op, convolve2d, which by itself takes the fastest; they agree to 1e-5, and
// their times stand side by side, with that of loops as one would write them in C++.
//
//   image_filters [PICTURE]    by default a photograph that tools/fetch-data fetched, or else a synthetic one

#include <algorithm>
#include <chrono>
#include <cmath>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

/// [49, 49] for sigma 6; its sum is 1.
Tensor gaussian(double sigma, int size) {
  const Tensor x = arange(size) - (size - 1) / 2.0;
  const Tensor row = exp(-square(x) / (2 * sigma * sigma));
  return outer(row, row) / square(sum(row));
}

/// The sum of mask[i, j] x[r - i, c - j] over a mask laid centrally over each pixel; outside there are zeros.
Tensor by_loops(const Tensor& x, const Tensor& mask) {
  const std::int64_t rows = x.dim(0), columns = x.dim(1), size = mask.dim(0), half = size / 2;
  const auto in = x.data<float>(), weight = mask.data<float>();
  std::vector<float> out(in.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      float total = 0;
      for (std::int64_t i = 0; i < size; ++i) {
        for (std::int64_t j = 0; j < size; ++j) {
          const std::int64_t y = r + half - i, z = c + half - j;
          if (y < 0 || y >= rows || z < 0 || z >= columns) continue;
          total += weight[static_cast<std::size_t>(i * size + j)] * in[static_cast<std::size_t>(y * columns + z)];
        }
      }
      out[static_cast<std::size_t>(r * columns + c)] = total;
    }
  }
  return from_vector(out, x.shape());
}

/// The channels of a picture [C, H, W], each filtered.
Tensor filter(const Tensor& picture, const Tensor& mask, ConvMethod method) {
  const Tensor kernel = mask.reshape({1, 1, mask.dim(0), mask.dim(1)});
  return squeeze(convolve2d(unsqueeze(picture, 1), kernel, {.padding = Padding::same, .method = method}), {1});
}

struct Timed {
  Tensor result;
  double seconds;  // the shortest of some
};

template <class F>
Timed timed(int runs, F f) {
  Timed best{{}, INFINITY};
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    best.result = f();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    best.seconds = std::min(best.seconds, seconds.count());
  }
  return best;
}

int main(int argc, char** argv) {
  const About about{.name = "image_filters",
                    .what = "Blur and edges of a photograph, in three ways",
                    .epochs = 5,
                    .quick_epochs = 1,
                    .files = "a picture"};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    Tensor picture = load_picture(options);
    if (options.quick) picture = picture.index({Ellipsis, Slice(0, 160), Slice(0, 160)});
    const Tensor sobel = from_data({{1, 0, -1}, {2, 0, -2}, {1, 0, -1}});
    const struct {
      std::string name;
      Tensor mask;
    } filters[] = {{"gaussian", gaussian(6, 49)}, {"sobel_x", sobel}, {"sobel_y", transpose(sobel)}};
    const std::pair<const char*, ConvMethod> methods[] = {{"direct", ConvMethod::direct},
                                                          {"separable", ConvMethod::separable},
                                                          {"fft", ConvMethod::fft},
                                                          {"automatic", ConvMethod::automatic}};
    fmt::print("a picture of {} x {} pixels, {} channels; seconds\n", picture.dim(1), picture.dim(2), picture.dim(0));
    fmt::print("             loops    direct  separable       fft  automatic\n");
    double worst = 0;
    std::vector<Tensor> filtered;
    for (const auto& [name, mask] : filters) {
      const Timed loops = timed(1, [&mask = mask, &picture] {
        std::vector<Tensor> channels;
        for (std::int64_t c = 0; c < picture.dim(0); ++c) channels.push_back(by_loops(picture[c], mask));
        return stack(channels);
      });
      fmt::print("{:9} {:8.4f}", name, loops.seconds);
      for (const auto& [method_name, method] : methods) {
        const Timed run =
            timed(options.epochs, [&, &mask = mask, method = method] { return filter(picture, mask, method); });
        worst = std::max(worst, max(abs(run.result - loops.result)).item());
        fmt::print(" {:9.4f}", run.seconds);
        if (name == "gaussian") result.add(fmt::format("blur_seconds_{}", method_name), run.seconds, 5);
      }
      fmt::print("\n");
      filtered.push_back(loops.result);
    }
    const Tensor edges = hypot(mean(filtered[1], {0}, true), mean(filtered[2], {0}, true));
    save_image(options.file("original.png"), picture);
    save_image(options.file("blurred.png"), filtered[0]);
    save_image(options.file("edges.png"), edges / max(edges));
    fmt::print("original.png, blurred.png and edges.png are in {}\n", options.out.string());
    result.add("largest_difference", fmt::format("{:.1e}", worst));
    result.expect(worst <= 1e-5, "all ways agree to 1e-5");
  });
}
