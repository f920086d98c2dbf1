#pragma once

#include <array>
#include <cstdint>

namespace wengert::kernels {

/// One of the image axes of a correlation.
struct ConvAxis {
  std::int64_t size = 1;    ///< of the image
  std::int64_t kernel = 1;  ///< taps
  std::int64_t out = 1;     ///< positions
  std::int64_t before = 0;  ///< zeros before the image; behind it there are as many as the positions need
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
};

/// Sizes of y[n, o, i] = sum over c, u of k[o, c, u] x[n, g C' + c, i stride + u dilation - before], where i and u have
/// three axes, C' is the number of channels in of a group and g is the group of o. Fewer image axes are three of which
/// the first ones have size 1.
struct ConvSizes {
  std::int64_t images;
  std::int64_t in_channels;
  std::int64_t out_channels;
  std::int64_t groups;
  std::array<ConvAxis, 3> axes;  ///< depth, rows, columns

  std::int64_t image() const noexcept { return axes[0].size * axes[1].size * axes[2].size; }
  std::int64_t taps() const noexcept { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  std::int64_t positions() const noexcept { return axes[0].out * axes[1].out * axes[2].out; }
  /// Channels in and out of one group.
  std::int64_t group_in() const noexcept { return groups == 1 ? in_channels : in_channels / groups; }
  std::int64_t group_out() const noexcept { return groups == 1 ? out_channels : out_channels / groups; }
  /// Whether the columns that the kernel is multiplied with are the image itself.
  bool is_pointwise() const noexcept {
    for (const ConvAxis& axis : axes) {
      if (axis.kernel != 1 || axis.stride != 1 || axis.before != 0 || axis.out != axis.size) return false;
    }
    return true;
  }
};

/// The correlation and its two adjoints; each of x: [N, C, D, H, W], kernel: [O, C / groups, KD, KH, KW], y: [N, O, OD,
/// OH, OW] from the other two, the result overwritten. T is float or double. y is not empty. Results have the same bits
/// for any number of threads.
/// @{
/// bias: [O], or nullptr.
template <class T>
void correlate(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y);
/// bias: [C], or nullptr.
template <class T>
void correlate_input_gradient(const ConvSizes& sizes, const T* y, const T* kernel, const T* bias, T* x);
template <class T>
void correlate_kernel_gradient(const ConvSizes& sizes, const T* x, const T* y, T* kernel);
/// @}

}  // namespace wengert::kernels
