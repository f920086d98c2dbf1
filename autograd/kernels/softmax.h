#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <wengert/autograd/simd.h>
#include <wengert/autograd/simd_math.h>

/// \file
/// One row of softmax and its relatives. The caller splits the rows among threads.

namespace wengert::kernels {

/// Lane numbers 0, 1, 2, ...
template <class T>
inline constexpr auto lane_numbers = [] {
  struct {
    T values[static_cast<std::size_t>(simd::Pack<T>::size)];
  } lanes{};
  for (std::int64_t i = 0; i < simd::Pack<T>::size; ++i) lanes.values[i] = static_cast<T>(i);
  return lanes;
}();

/// Which lanes of a packet lie inside a row: all of them, or the first few at its end.
template <class T>
struct WholePack {
  WENGERT_SIMD_INLINE simd::Pack<T> load(const T* p, T /*beyond*/) const { return simd::Pack<T>::load(p); }
  WENGERT_SIMD_INLINE void store(simd::Pack<T> v, T* p) const { v.store(p); }
  WENGERT_SIMD_INLINE simd::Pack<T> keep(simd::Pack<T> v, T /*beyond*/) const { return v; }
};
template <class T>
struct PartialPack {
  std::int64_t count;

  /// `beyond` fills the lanes outside the row.
  WENGERT_SIMD_INLINE simd::Pack<T> load(const T* p, T beyond) const {
    return keep(simd::Pack<T>::load_partial(p, count), beyond);
  }
  WENGERT_SIMD_INLINE void store(simd::Pack<T> v, T* p) const { v.store_partial(p, count); }
  WENGERT_SIMD_INLINE simd::Pack<T> keep(simd::Pack<T> v, T beyond) const {
    return where(simd::Pack<T>::load(lane_numbers<T>.values) < count, v, beyond);
  }
};

/// Calls `f(lanes, i)` for the packets that begin at elements i of a row of n.
template <class T, class F>
WENGERT_SIMD_INLINE void for_each_pack(std::int64_t n, F f) {
  constexpr std::int64_t size = simd::Pack<T>::size;
  std::int64_t i = 0;
  for (; i + size <= n; i += size) f(WholePack<T>{}, i);
  if (i < n) f(PartialPack<T>{n - i}, i);
}

template <class T>
WENGERT_SIMD_INLINE T sum_of_lanes(simd::Pack<T> x) {
  return simd::fold_lanes(x, [](auto a, auto b) { return a + b; });
}

/// The largest element of a row; NaN if one is there, -infinity for none.
template <class T>
inline T row_max(const T* x, std::int64_t n) {
  constexpr T none = -std::numeric_limits<T>::infinity();
  simd::Pack<T> best = none;
  for_each_pack<T>(n, [&](auto lanes, std::int64_t i) { best = maximum(best, lanes.load(x + i, none)); });
  return simd::fold_lanes(best, [](auto a, auto b) { return maximum(a, b); });
}

/// The sum of exp(x - shift) over a row.
template <class T>
inline T row_sum_of_exp(const T* x, std::int64_t n, T shift) {
  simd::Pack<T> sum = 0;
  for_each_pack<T>(n, [&](auto lanes, std::int64_t i) {
    sum += exp(lanes.load(x + i, -std::numeric_limits<T>::infinity()) - shift);
  });
  return sum_of_lanes(sum);
}

/// Writes exp(x - shift) and returns its sum.
template <class T>
inline T row_exp(const T* x, std::int64_t n, T shift, T* out) {
  simd::Pack<T> sum = 0;
  for_each_pack<T>(n, [&](auto lanes, std::int64_t i) {
    const simd::Pack<T> e = exp(lanes.load(x + i, -std::numeric_limits<T>::infinity()) - shift);
    sum += e;
    lanes.store(e, out + i);
  });
  return sum_of_lanes(sum);
}

/// y (g - sum(g y)) scale: the gradient of a softmax y of numbers that were multiplied by `scale`.
template <class T>
inline void row_softmax_gradient(const T* g, const T* y, std::int64_t n, T scale, T* out) {
  simd::Pack<T> products = 0;
  for_each_pack<T>(n, [&](auto lanes, std::int64_t i) { products += lanes.load(g + i, 0) * lanes.load(y + i, 0); });
  const T dot = sum_of_lanes(products);
  for_each_pack<T>(n, [&](auto lanes, std::int64_t i) {
    lanes.store(lanes.load(y + i, 0) * (lanes.load(g + i, 0) - dot) * scale, out + i);
  });
}

}  // namespace wengert::kernels
