#pragma once

#include <cstdint>

namespace wengert::kernels {

/// One of the two image axes that windows move along: window i covers [i stride - before, + kernel), cut at the image.
struct PoolAxis {
  std::int64_t size;
  std::int64_t kernel;
  std::int64_t out;
  std::int64_t before;
  std::int64_t stride;
};

/// x: [planes, H, W], y: [planes, OH, OW].
struct PoolSizes {
  std::int64_t planes;
  PoolAxis rows;
  PoolAxis columns;

  std::int64_t image() const noexcept { return rows.size * columns.size; }
  std::int64_t windows() const noexcept { return rows.out * columns.out; }
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

/// The sum of each window divided by kernel rows x kernel columns, whatever the image cuts off; and the adjoint.
template <class T>
void mean_of_windows(const PoolSizes& sizes, const T* x, T* y);
template <class T>
void spread_over_windows(const PoolSizes& sizes, const T* y, T* x);

}  // namespace wengert::kernels
