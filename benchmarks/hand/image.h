#pragma once

#include <cstdint>

#include "benchmarks/hand/lanes.h"

/// 3x3 kernels on images of one channel, by registers along the rows: a matrix product would have an inner dimension
/// of nine.

namespace wengert::bench {

/// Where the two registers that cover a row of Width results begin; they overlap.
template <int Width>
inline constexpr int row_parts[2] = {0, Width - static_cast<int>(lane_count)};

/// image: Height + 2 rows of `stride` floats; kernels: [maps, 3, 3]; out: [maps, Height, Width].
template <int Height, int Width>
void correlate_3x3(const float* image, std::int64_t stride, const float* kernels, int maps, float* out) {
  static_assert(Width >= lane_count && Width <= 2 * lane_count);
  for (int y = 0; y < Height; ++y) {
    for (const int x : row_parts<Width>) {
      Lanes window[9];
      for (int tap = 0; tap < 9; ++tap) window[tap] = load(image + (y + tap / 3) * stride + x + tap % 3);
      for (int map = 0; map < maps; ++map) {
        const float* kernel = kernels + 9 * map;
        Lanes sum = kernel[0] * window[0];
        for (int tap = 1; tap < 9; ++tap) sum += kernel[tap] * window[tap];
        store(out + (std::int64_t{map} * Height + y) * Width + x, sum);
      }
    }
  }
}

/// Adds the products of g: [Maps, Height, Width] with the image to totals: [Maps, 3, 3], whose lanes are summed up by
/// sum_totals when all images are done.
template <int Maps, int Height, int Width>
void add_kernel_gradients_3x3(const float* image, std::int64_t stride, const float* g, Lanes* totals) {
  Lanes fresh;  // 0 where the second register covers what the first has covered
  for (int i = 0; i < lane_count; ++i) fresh[i] = i < 2 * lane_count - Width ? 0.0F : 1.0F;
  const auto work = [&]<int Together>(int map, std::integral_constant<int, Together>) {
    Lanes sum[Together][9];
    for (int k = 0; k < Together; ++k) {
      for (int tap = 0; tap < 9; ++tap) sum[k][tap] = totals[(map + k) * 9 + tap];
    }
    for (int y = 0; y < Height; ++y) {
      for (const int x : row_parts<Width>) {
        Lanes upstream[Together];
        for (int k = 0; k < Together; ++k) {
          upstream[k] = load(g + (std::int64_t{map + k} * Height + y) * Width + x);
          if (x > 0) upstream[k] *= fresh;
        }
        for (int tap = 0; tap < 9; ++tap) {
          const Lanes pixels = load(image + (y + tap / 3) * stride + x + tap % 3);
          for (int k = 0; k < Together; ++k) sum[k][tap] += upstream[k] * pixels;
        }
      }
    }
    for (int k = 0; k < Together; ++k) {
      for (int tap = 0; tap < 9; ++tap) totals[(map + k) * 9 + tap] = sum[k][tap];
    }
  };
  for (int map = 0; map < Maps - 1; map += 2) work(map, std::integral_constant<int, 2>());
  if constexpr (Maps % 2 == 1) work(Maps - 1, std::integral_constant<int, 1>());
}

inline void sum_totals(const Lanes* totals, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = sum(totals[i]);
}

/// Gradients of the mean cross entropy of softmax(logits + bias), in place: [batch, classes].
inline void softmax_gradient(float* logits, const float* bias, const std::int64_t* labels, std::int64_t batch,
                             std::int64_t classes) {
  const Eigen::Map<const Eigen::ArrayXf> added(bias, classes);
  const float share = 1.0F / static_cast<float>(batch);
  for (std::int64_t n = 0; n < batch; ++n) {
    Eigen::Map<Eigen::ArrayXf> row(logits + n * classes, classes);
    row += added;
    row = (row - row.maxCoeff()).exp();
    row *= share / row.sum();
    row[labels[n]] -= share;
  }
}

/// Sums the rows of g: [rows, columns].
inline void sum_rows(const float* g, std::int64_t rows, std::int64_t columns, float* to) {
  Eigen::Map<Eigen::ArrayXf> total(to, columns);
  total.setZero();
  for (std::int64_t row = 0; row < rows; ++row) total += Eigen::Map<const Eigen::ArrayXf>(g + row * columns, columns);
}

}  // namespace wengert::bench
