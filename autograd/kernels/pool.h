#pragma once

#include <array>
#include <cstdint>

namespace wengert::kernels {

/// One of the axes that windows move along. Window i has the elements i stride - before + k dilation of the image, for
/// k = 0 to kernel - 1, that are there: with dilation 1 at least one, else the caller sees to it. An adaptive axis has
/// kernel 0, and window i is [floor(i size / out), ceil((i + 1) size / out)).
struct PoolAxis {
  std::int64_t size = 1;  ///< of the image
  std::int64_t kernel = 1;
  std::int64_t out = 1;  ///< windows
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t before = 0;  ///< padding
  std::int64_t after = 0;
};

/// x: [planes, D, H, W], y: [planes, OD, OH, OW]; images with fewer axes have sizes of 1 in front.
struct PoolSizes {
  std::int64_t planes = 1;
  std::array<PoolAxis, 3> axes = {};
  /// Whether a mean counts the padding that its window covers as zeros.
  bool counts_padding = true;

  std::int64_t image() const noexcept { return axes[0].size * axes[1].size * axes[2].size; }
  std::int64_t windows() const noexcept { return axes[0].out * axes[1].out * axes[2].out; }
};

/// A pixel's number in its plane.
using Pixel = std::int32_t;

/// The largest number of each window: NaN above all, the first of equal ones. `winner` is its pixel; nullptr if nobody
/// wants to know.
template <class T>
void max_of_windows(const PoolSizes& sizes, const T* x, T* y, Pixel* winner);

/// x = 0, then every number of y is added at its window's winner; and the adjoint, y = x at the winners.
template <class T>
void scatter_to_winners(const PoolSizes& sizes, const T* y, const Pixel* winner, T* x);
template <class T>
void gather_from_winners(const PoolSizes& sizes, const T* x, const Pixel* winner, T* y);

/// The sum of each window divided by the number of its elements, or, with `counts_padding`, of all places inside the
/// padded image that it covers; and the adjoint. No dilation.
template <class T>
void mean_of_windows(const PoolSizes& sizes, const T* x, T* y);
template <class T>
void spread_over_windows(const PoolSizes& sizes, const T* y, T* x);

}  // namespace wengert::kernels
