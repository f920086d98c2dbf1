#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <wengert/autograd/simd.h>

/// \file
/// Transposition in registers, and sums of lanes as a by-product.

namespace wengert::kernels {

namespace detail {

using simd::Pack;

/// The first n lanes of a packet, zeros behind them.
template <class T>
[[gnu::always_inline]] inline Pack<T> load_or_zero(const T* p, std::int64_t n) {
  alignas(sizeof(Pack<T>)) static constexpr struct Ramp {
    T values[Pack<T>::size];
    constexpr Ramp() : values() {
      for (std::int64_t lane = 0; lane < Pack<T>::size; ++lane) values[lane] = static_cast<T>(lane);
    }
  } ramp;
  return where(Pack<T>::load(ramp.values) < Pack<T>(n), Pack<T>::load_partial(p, n), 0);
}

/// One step of a transposition: bit `step` of the row and of the lane change places.
template <int step, class Vector, std::size_t... lane>
[[gnu::always_inline]] inline void exchange(Vector* rows, std::index_sequence<lane...>) {
  constexpr int size = sizeof...(lane);
  for (int i = 0; i < size; ++i) {
    if ((i & step) != 0) continue;
    const Vector upper = rows[i];
    const Vector lower = rows[i + step];
    rows[i] = __builtin_shufflevector(
        upper, lower, ((lane & step) != 0 ? static_cast<int>(lane) + size - step : static_cast<int>(lane))...);
    rows[i + step] = __builtin_shufflevector(
        upper, lower, ((lane & step) != 0 ? static_cast<int>(lane) + size : static_cast<int>(lane) + step)...);
  }
  if constexpr (2 * step < size) exchange<2 * step>(rows, std::make_index_sequence<size>());
}

/// As many rows as lanes: lane j of row i and lane i of row j change places.
template <class T>
[[gnu::always_inline]] inline void transpose_lanes(typename Pack<T>::Vector (&rows)[Pack<T>::size]) {
  exchange<1>(rows, std::make_index_sequence<static_cast<std::size_t>(Pack<T>::size)>());
}

/// to[p * to_stride + j] = from[j * stride + p] for p < depth and j < columns, at most a packet each. With `padded`,
/// zeros fill the packets of `to`.
template <bool padded, class T>
[[gnu::always_inline]] inline void transpose_square(const T* from, std::int64_t stride, T* to, std::int64_t to_stride,
                                                    std::int64_t depth, std::int64_t columns) {
  constexpr std::int64_t size = Pack<T>::size;
  typename Pack<T>::Vector rows[size];
  if (depth == size && columns == size) {
    for (std::int64_t j = 0; j < size; ++j) rows[j] = Pack<T>::load(from + j * stride).vector();
    transpose_lanes<T>(rows);
    for (std::int64_t p = 0; p < size; ++p) Pack<T>(rows[p]).store(to + p * to_stride);
    return;
  }
  for (std::int64_t j = 0; j < size; ++j) {
    rows[j] = (j < columns ? load_or_zero(from + j * stride, depth) : Pack<T>(0)).vector();
  }
  transpose_lanes<T>(rows);
  for (std::int64_t p = 0; p < depth; ++p) Pack<T>(rows[p]).store_partial(to + p * to_stride, padded ? size : columns);
}

/// Where element i of `count` columns, one behind the other, lies in rows of `count` numbers, and the other way round.
template <int count, int size>
struct InRows {
  static constexpr int at(int i) { return i % size * count + i / size; }
};
template <int count, int size>
struct InColumns {
  static constexpr int at(int i) { return i % count * size + i / count; }
};

/// `so_far`, with those lanes of packet `out` that come from packet `in`, which is `more`.
template <class Place, int out, int in, class Vector, std::size_t... lane>
[[gnu::always_inline]] inline Vector take_lanes(Vector so_far, Vector more, std::index_sequence<lane...>) {
  constexpr int size = sizeof...(lane);
  constexpr auto at = [](int i) { return Place::at(out * size + i); };
  return __builtin_shufflevector(
      so_far, more,
      (at(static_cast<int>(lane)) / size == in ? size + at(static_cast<int>(lane)) % size : static_cast<int>(lane))...);
}

/// Packets one behind the other, element i from that of `from` at Place::at(i): for few of them less work than a whole
/// transposition.
template <class Place, class Vector, std::size_t... packet, std::size_t... lane>
[[gnu::always_inline]] inline void rearrange(const Vector* from, Vector* to, std::index_sequence<packet...>,
                                             std::index_sequence<lane...> lanes) {
  const auto make = [&]<int out>(std::integral_constant<int, out>) __attribute__((always_inline)) {
    Vector result = from[0];
    ((result = take_lanes<Place, out, static_cast<int>(packet)>(result, from[packet], lanes)), ...);
    to[out] = result;
  };
  (make(std::integral_constant<int, static_cast<int>(packet)>()), ...);
}

/// Lane by lane, of `a` where bit `step` of the lane's number is 0 and of `b` where it is 1: the sum of the lane and
/// the one with the other bit.
template <int step, class Vector, std::size_t... lane>
[[gnu::always_inline]] inline Vector add_neighbours(Vector a, Vector b, std::index_sequence<lane...>) {
  constexpr int size = sizeof...(lane);
  const Vector own =
      __builtin_shufflevector(a, b, ((lane & step) != 0 ? static_cast<int>(lane) + size : static_cast<int>(lane))...);
  const Vector other = __builtin_shufflevector(
      a, b, ((lane & step) != 0 ? static_cast<int>(lane) + size - step : static_cast<int>(lane) + step)...);
  return own + other;
}

/// Lane i of the result is the sum of the lanes of rows[i]. Each is added up in the same order; the rows are used up.
template <int step = 1, class T>
[[gnu::always_inline]] inline Pack<T> sums_of_rows(typename Pack<T>::Vector (&rows)[Pack<T>::size]) {
  constexpr std::int64_t size = Pack<T>::size;
  if constexpr (step == size) {
    return Pack<T>(rows[0]);
  } else {
    constexpr auto lanes = std::make_index_sequence<static_cast<std::size_t>(size)>();
    for (std::int64_t i = 0; i < size; i += 2 * step) rows[i] = add_neighbours<step>(rows[i], rows[i + step], lanes);
    return sums_of_rows<2 * step, T>(rows);
  }
}

}  // namespace detail

/// to[j * to_stride + i] = from[i * stride + j] for i < rows and j < columns.
template <class T>
void transpose(const T* from, std::int64_t stride, std::int64_t rows, std::int64_t columns, T* to,
               std::int64_t to_stride) {
  constexpr std::int64_t size = simd::Pack<T>::size;
  for (std::int64_t i = 0; i < rows; i += size) {
    for (std::int64_t j = 0; j < columns; j += size) {
      detail::transpose_square<false>(from + i * stride + j, stride, to + j * to_stride + i, to_stride,
                                      std::min(size, columns - j), std::min(size, rows - i));
    }
  }
}

}  // namespace wengert::kernels
