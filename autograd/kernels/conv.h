#pragma once

#include <cstdint>

namespace wengert::kernels {

/// One of the two image axes of a correlation.
struct ConvAxis {
  std::int64_t size;    ///< of the image
  std::int64_t kernel;  ///< taps
  std::int64_t out;     ///< positions
  std::int64_t before;  ///< zeros before the image; behind it there are as many as the positions need
  std::int64_t stride;
  std::int64_t dilation;
};

/// Sizes of y[n, o, i, j] = sum over c, u, v of k[o, c, u, v] x[n, c, i stride + u dilation - before, (same with j,
/// v)].
struct ConvSizes {
  std::int64_t images;
  std::int64_t in_channels;
  std::int64_t out_channels;
  ConvAxis rows;
  ConvAxis columns;

  std::int64_t image() const noexcept { return rows.size * columns.size; }
  std::int64_t taps() const noexcept { return rows.kernel * columns.kernel; }
  std::int64_t positions() const noexcept { return rows.out * columns.out; }
  /// Whether the columns that the kernel is multiplied with are the image itself.
  bool is_pointwise() const noexcept {
    const auto same = [](const ConvAxis& axis) {
      return axis.kernel == 1 && axis.stride == 1 && axis.before == 0 && axis.out == axis.size;
    };
    return same(rows) && same(columns);
  }
};

/// The correlation and its two adjoints; each of x: [N, C, H, W], kernel: [O, C, KH, KW], y: [N, O, OH, OW] from the
/// other two, the result overwritten. T is float or double. Results have the same bits for any number of threads.
/// @{
/// bias: [O], or nullptr.
template <class T>
void correlate(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y);
template <class T>
void correlate_input_gradient(const ConvSizes& sizes, const T* y, const T* kernel, T* x);
template <class T>
void correlate_kernel_gradient(const ConvSizes& sizes, const T* x, const T* y, T* kernel);
/// @}

}  // namespace wengert::kernels
