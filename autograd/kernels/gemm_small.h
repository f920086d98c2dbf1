#pragma once

#include <algorithm>
#include <cstdint>

#include <wengert/autograd/simd.h>

#include "autograd/kernels/gemm.h"

/// \file
/// Products whose operands fit the nearest caches, straight from where they lie: no packing, no blocking over k.

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

/// The sum of all lanes: halves are added until one is left.
template <int bytes, class T>
[[gnu::always_inline]] inline T sum_of(const T* lanes) {
  if constexpr (bytes == sizeof(T)) {
    return *lanes;
  } else {
    constexpr int half_bytes = bytes / 2;
    constexpr int half = half_bytes / static_cast<int>(sizeof(T));
    typedef T Half __attribute__((vector_size(half_bytes)));
    Half low, high;
    __builtin_memcpy(&low, lanes, sizeof low);
    __builtin_memcpy(&high, lanes + half, sizeof high);
    low += high;
    T folded[half];
    __builtin_memcpy(folded, &low, sizeof low);
    return sum_of<half_bytes>(folded);
  }
}

template <class T>
[[gnu::always_inline]] inline T sum_lanes(Pack<T> x) {
  T lanes[Pack<T>::size];
  x.store(lanes);
  return sum_of<static_cast<int>(simd::register_bytes)>(lanes);
}

/// op(A) seen element by element: A(i, p) = data[i * row + p * column].
template <class T>
struct Elements {
  const T* data;
  std::int64_t row;
  std::int64_t column;
};

/// Loads once into a register what compilers would otherwise read from memory again for each of its uses, which costs
/// twice where it straddles cache lines.
template <class Vector>
[[gnu::always_inline]] inline Vector in_register(Vector v) {
#if defined(__x86_64__)
  asm("" : "+v"(v));
#endif
  return v;
}

/// What of the last packet of a row there is: all of it, in B and in C; all in B, which is a padded copy, and some of
/// it in C; or some of it in both.
enum class Tail : std::uint8_t { none, padded, partial };

/// `rows` rows of C, `packs` packets wide, of which the last has `last` lanes: each element of A times a row of B.
template <int rows, int packs, Tail tail, class T>
void tile_of_rows(std::int64_t k, Elements<T> a, const T* b, std::int64_t b_stride, T* c, std::int64_t c_stride,
                  Store store, std::int64_t last) {
  constexpr std::int64_t width = Pack<T>::size;
  // Bare vectors: compilers keep arrays of them in registers, but not arrays of packets.
  using Vector = typename Pack<T>::Vector;
  const auto load = [last](const T* row, int j, bool whole) {
    if (whole || j + 1 < packs) return Pack<T>::load(row + j * width).vector();
    return Pack<T>::load_partial(row + j * width, last).vector();
  };
  Vector sums[rows][packs] = {};
  if (store == Store::add) {
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < packs; ++j) sums[i][j] = load(c + i * c_stride, j, tail == Tail::none);
    }
  }
  for (std::int64_t p = 0; p < k; ++p) {
    Vector row[packs];
    for (int j = 0; j < packs; ++j) row[j] = in_register(load(b + p * b_stride, j, tail != Tail::partial));
    for (int i = 0; i < rows; ++i) {
      const Pack<T> factor(a.data[i * a.row + p * a.column]);
      for (int j = 0; j < packs; ++j) sums[i][j] = fma(factor, Pack<T>(row[j]), Pack<T>(sums[i][j])).vector();
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < packs; ++j) {
      T* out = c + i * c_stride + j * width;
      if (tail == Tail::none || j + 1 < packs) {
        Pack<T>(sums[i][j]).store(out);
      } else {
        Pack<T>(sums[i][j]).store_partial(out, last);
      }
    }
  }
}

/// Rows of C in a tile: enough sums at a time to keep the multipliers busy, few enough for the registers.
inline constexpr int tile_rows = 6;

/// `packs` packets of columns, all rows.
template <int packs, Tail tail, class T>
void columns_of_rows(std::int64_t m, std::int64_t k, Elements<T> a, const T* b, std::int64_t b_stride, T* c,
                     std::int64_t c_stride, Store store, std::int64_t last) {
  std::int64_t i = 0;
  const auto rows = [&]<int count>() {
    for (; i + count <= m; i += count) {
      tile_of_rows<count, packs, tail>(k, {a.data + i * a.row, a.row, a.column}, b, b_stride, c + i * c_stride,
                                       c_stride, store, last);
    }
  };
  if constexpr (packs == 1) rows.template operator()<8>();
  rows.template operator()<tile_rows>();
  rows.template operator()<4>();
  rows.template operator()<2>();
  rows.template operator()<1>();
}

/// `rows` x `columns` inner products of rows of A and rows of B. For a single row, whose time goes into reading B, each
/// product takes two packets at a time: fewer rows of B are read side by side then, which prefetching does better with.
template <int rows, int columns, class T>
void tile_of_dots(std::int64_t k, const T* a, std::int64_t a_stride, const T* b, std::int64_t b_stride, T* c,
                  std::int64_t c_stride, Store store) {
  constexpr std::int64_t width = Pack<T>::size;
  constexpr int steps = rows == 1 ? 2 : 1;
  using Vector = typename Pack<T>::Vector;
  Vector sums[steps][rows][columns] = {};
  const auto step = [&](auto& into, auto load_a, auto load_b) {
    Vector right[columns];
    for (int j = 0; j < columns; ++j) {
      right[j] = load_b(b + j * b_stride).vector();
      if constexpr (rows > 1) right[j] = in_register(right[j]);
    }
    for (int i = 0; i < rows; ++i) {
      const Pack<T> left(in_register(load_a(a + i * a_stride).vector()));
      for (int j = 0; j < columns; ++j) into[i][j] = fma(left, Pack<T>(right[j]), Pack<T>(into[i][j])).vector();
    }
  };
  std::int64_t p = 0;
  for (; p + steps * width <= k; p += steps * width) {
    for (int s = 0; s < steps; ++s) {
      const auto load = [at = p + s * width](const T* row) { return Pack<T>::load(row + at); };
      step(sums[s], load, load);
    }
  }
  for (; p < k; p += width) {
    const std::int64_t rest = std::min(width, k - p);
    step(
        sums[0], [&](const T* row) { return load_or_zero(row + p, rest); },
        [&](const T* row) { return Pack<T>::load_partial(row + p, rest); });
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) {
      T& out = c[i * c_stride + j];
      Vector total = sums[0][i][j];
      if constexpr (steps == 2) total += sums[1][i][j];
      const T sum = sum_lanes(Pack<T>(total));
      out = store == Store::add ? out + sum : sum;
    }
  }
}

}  // namespace detail

/// C (+)= A B, where B's rows lie as they are read and A's elements anywhere.
template <class T>
void gemm_by_rows(std::int64_t m, std::int64_t n, std::int64_t k, detail::Elements<T> a, const T* b,
                  std::int64_t b_stride, T* c, std::int64_t c_stride, Store store) {
  constexpr std::int64_t width = simd::Pack<T>::size;
  // Packets side by side: with 16 registers, four rows of four would spill.
  constexpr int most = simd::register_bytes == 64 ? 4 : 2;
  std::int64_t j = 0;
  for (; j + most * width <= n; j += most * width) {
    detail::columns_of_rows<most, detail::Tail::none>(m, k, a, b + j, b_stride, c + j, c_stride, store, width);
  }
  const std::int64_t rest = n - j;
  const std::int64_t last = (rest + width - 1) % width + 1;
  const auto finish = [&]<int packs>() {
    if (last == width) {
      detail::columns_of_rows<packs, detail::Tail::none>(m, k, a, b + j, b_stride, c + j, c_stride, store, last);
    } else {
      detail::columns_of_rows<packs, detail::Tail::partial>(m, k, a, b + j, b_stride, c + j, c_stride, store, last);
    }
  };
  if (rest == 0) return;
  if (rest <= width) return finish.template operator()<1>();
  if (rest <= 2 * width) return finish.template operator()<2>();
  if constexpr (most == 4) {
    if (rest <= 3 * width) return finish.template operator()<3>();
    finish.template operator()<4>();
  }
}

/// C (+)= a b for a column a and a row b, k = 1. Writing C is nearly all of the work, so it goes along its rows.
template <class T>
void gemm_outer(std::int64_t m, std::int64_t n, const T* a, std::int64_t a_stride, const T* b, T* c,
                std::int64_t c_stride, Store store) {
  using Pack = simd::Pack<T>;
  for (std::int64_t i = 0; i < m; ++i) {
    const Pack factor(a[i * a_stride]);
    T* out = c + i * c_stride;
    const auto value = [&](Pack row, Pack before) {
      return store == Store::add ? fma(factor, row, before) : factor * row;
    };
    std::int64_t j = 0;
    for (; j + Pack::size <= n; j += Pack::size) {
      value(Pack::load(b + j), store == Store::add ? Pack::load(out + j) : Pack(0)).store(out + j);
    }
    if (const std::int64_t rest = n - j; rest > 0) {
      value(Pack::load_partial(b + j, rest), store == Store::add ? Pack::load_partial(out + j, rest) : Pack(0))
          .store_partial(out + j, rest);
    }
  }
}

/// C (+)= A B^T: each number is the inner product of a row of A and a row of B.
template <class T>
void gemm_by_dots(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_stride, const T* b,
                  std::int64_t b_stride, T* c, std::int64_t c_stride, Store store) {
  constexpr int most = simd::register_bytes == 64 ? 4 : 2;
  std::int64_t i = 0;
  const auto rows = [&]<int count>() {
    for (; i + count <= m; i += count) {
      std::int64_t j = 0;
      const auto columns = [&]<int width>() {
        for (; j + width <= n; j += width) {
          detail::tile_of_dots<count, width>(k, a + i * a_stride, a_stride, b + j * b_stride, b_stride,
                                             c + i * c_stride + j, c_stride, store);
        }
      };
      columns.template operator()<4>();
      columns.template operator()<1>();
    }
  };
  rows.template operator()<most>();
  rows.template operator()<1>();
}

}  // namespace wengert::kernels
