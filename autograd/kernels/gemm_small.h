#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <wengert/autograd/simd.h>

#include "autograd/kernels/gemm.h"
#include "autograd/kernels/transpose.h"

/// \file
/// Products whose operands fit the nearest caches, straight from where they lie: no packing, no blocking over k.

namespace wengert::kernels {

namespace detail {

using simd::Pack;

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

/// Where the sums of a product begin: at 0 if there is no data, or at a matrix of C's size with rows `stride` apart,
/// which may be C itself. A stride of 0 repeats one row.
template <class T>
struct Start {
  const T* data = nullptr;
  std::int64_t stride = 0;

  /// Of the part of C that begins at that row and column.
  [[gnu::always_inline]] Start at(std::int64_t row, std::int64_t column) const {
    return {data ? data + row * stride + column : nullptr, stride};
  }
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

/// Calls `f.operator()<count>()`, 1 <= count <= most.
template <int most, class F>
[[gnu::always_inline]] inline void with_count(std::int64_t count, const F& f) {
  if constexpr (most > 1) {
    if (count < most) return with_count<most - 1>(count, f);
  }
  f.template operator()<most>();
}

/// Calls `f` with the constants 0 to count - 1. Unlike in a loop, an array that is indexed by them is registers from
/// the first.
template <int count, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
  [&]<int... i>(std::integer_sequence<int, i...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, i>()), ...);
  }
  (std::make_integer_sequence<int, count>());
}

/// What of the last packet of a row there is: all of it, in B and in C; all in B, which is a padded copy, and some of
/// it in C; or some of it in both.
enum class Tail : std::uint8_t { none, padded, partial };

/// Packet `j` of a row of `packs`, of which the last has `last` lanes unless it is `whole`.
template <int packs, bool whole, class T>
[[gnu::always_inline]] inline typename Pack<T>::Vector load_part(const T* row, int j, std::int64_t last) {
  const T* from = row + j * Pack<T>::size;
  if (whole || j + 1 < packs) return Pack<T>::load(from).vector();
  return Pack<T>::load_partial(from, last).vector();
}
template <int packs, bool whole, class T>
[[gnu::always_inline]] inline void store_part(Pack<T> part, T* row, int j, std::int64_t last) {
  T* to = row + j * Pack<T>::size;
  if (whole || j + 1 < packs) {
    part.store(to);
  } else {
    part.store_partial(to, last);
  }
}

/// `rows` rows of C, `packs` packets wide, of which the last has `last` lanes: each element of A times a row of B.
template <int rows, int packs, Tail tail, class T>
[[gnu::always_inline]] inline void tile_of_rows(std::int64_t k, Elements<T> a, const T* b, std::int64_t b_stride,
                                                Start<T> start, T* c, std::int64_t c_stride, std::int64_t last) {
  constexpr bool whole = tail == Tail::none;
  // Bare vectors: compilers keep arrays of them in registers, but not arrays of packets.
  using Vector = typename Pack<T>::Vector;
  Vector sums[rows * packs];
  unrolled<rows * packs>([&](auto t) __attribute__((always_inline)) { sums[t] = Vector{}; });
  if (start.data) {
    unrolled<rows * packs>([&](auto t) __attribute__((always_inline)) {
      sums[t] = load_part<packs, whole>(start.data + t / packs * start.stride, t % packs, last);
    });
  }
  const auto add_term = [&](std::int64_t p, auto is_whole) __attribute__((always_inline)) {
    Vector row[packs];
    unrolled<packs>([&](auto j) __attribute__((always_inline)) {
      row[j] = in_register(load_part<packs, is_whole>(b + p * b_stride, j, last));
    });
    unrolled<rows>([&](auto i) __attribute__((always_inline)) {
      const Pack<T> factor(a.data[i * a.row + p * a.column]);
      unrolled<packs>([&](auto j) __attribute__((always_inline)) {
        sums[i * packs + j] = fma(factor, Pack<T>(row[j]), Pack<T>(sums[i * packs + j])).vector();
      });
    });
  };
  std::int64_t p = 0;
  if constexpr (tail == Tail::partial) {
    // Until the last rows, there is memory behind a row, that of the next: any numbers do in lanes that are not stored.
    const std::int64_t behind = Pack<T>::size - last;
    for (; p < k - (behind + b_stride - 1) / b_stride; ++p) add_term(p, std::true_type());
  }
  for (; p < k; ++p) add_term(p, std::bool_constant<tail != Tail::partial>());
  unrolled<rows * packs>([&](auto t) __attribute__((always_inline)) {
    store_part<packs, whole>(Pack<T>(sums[t]), c + t / packs * c_stride, t % packs, last);
  });
}

/// Rows of C in a tile: enough sums at a time to keep the multipliers busy, few enough for the registers.
inline constexpr int tile_rows = 6;
/// Packets side by side in a tile; with 16 registers, more would spill.
inline constexpr int tile_packs = simd::register_bytes == 64 ? 4 : 2;
/// Packets side by side where there is but one row.
inline constexpr int row_packs = 8;

/// `packs` packets of columns, all rows.
template <int packs, Tail tail, class T>
[[gnu::noinline]] void columns_of_rows(std::int64_t m, std::int64_t k, Elements<T> a, const T* b, std::int64_t b_stride,
                                       Start<T> start, T* c, std::int64_t c_stride, std::int64_t last) {
  constexpr int most = packs == 1 ? 8 : tile_rows;
  const auto tile = [&]<int rows>(std::int64_t i) {
    tile_of_rows<rows, packs, tail>(k, {a.data + i * a.row, a.row, a.column}, b, b_stride, start.at(i, 0),
                                    c + i * c_stride, c_stride, last);
  };
  std::int64_t i = 0;
  for (; i + most <= m; i += most) tile.template operator()<most>(i);
  if (i < m) with_count<most - 1>(m - i, [&]<int rest>() { tile.template operator()<rest>(i); });
}

/// `rows` x `columns` inner products of rows of A and rows of B. For a single row, whose time goes into reading B, each
/// product takes two packets at a time: fewer rows of B are read side by side then, which prefetching does better with.
template <int rows, int columns, class T>
void tile_of_dots(std::int64_t k, const T* a, std::int64_t a_stride, const T* b, std::int64_t b_stride, Start<T> start,
                  T* c, std::int64_t c_stride) {
  constexpr std::int64_t width = Pack<T>::size;
  constexpr int steps = rows == 1 ? 2 : 1;
  using Vector = typename Pack<T>::Vector;
  Vector sums[steps][rows * columns];
  for (auto& part : sums) {
    unrolled<rows * columns>([&](auto t) __attribute__((always_inline)) { part[t] = Vector{}; });
  }
  const auto step = [&](auto& into, auto load_a, auto load_b) {
    Vector right[columns];
    for (int j = 0; j < columns; ++j) {
      right[j] = load_b(b + j * b_stride).vector();
      if constexpr (rows > 1) right[j] = in_register(right[j]);
    }
    for (int i = 0; i < rows; ++i) {
      const Pack<T> left(in_register(load_a(a + i * a_stride).vector()));
      for (int j = 0; j < columns; ++j) {
        Vector& sum = into[i * columns + j];
        sum = fma(left, Pack<T>(right[j]), Pack<T>(sum)).vector();
      }
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
  constexpr int groups = (rows * columns + static_cast<int>(width) - 1) / static_cast<int>(width);
  T totals[groups * width];
  for (int group = 0; group < groups; ++group) {
    Vector lanes[width] = {};
    for (int i = 0; i < std::min<int>(width, rows * columns - group * static_cast<int>(width)); ++i) {
      lanes[i] = sums[0][group * width + i];
      if constexpr (steps == 2) lanes[i] += sums[1][group * width + i];
    }
    sums_of_rows<1, T>(lanes).store(totals + group * width);
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) {
      const T total = totals[i * columns + j];
      c[i * c_stride + j] = start.data ? start.data[i * start.stride + j] + total : total;
    }
  }
}

/// `packs` packets of columns for an A of `terms` columns, all rows. The rows of B stay in registers meanwhile.
template <int terms, int packs, Tail tail, class T>
void columns_of_few_terms(std::int64_t m, Elements<T> a, const T* b, std::int64_t b_stride, Start<T> start, T* c,
                          std::int64_t c_stride, std::int64_t last) {
  constexpr bool whole = tail == Tail::none;
  using Vector = typename Pack<T>::Vector;
  Vector row[terms][packs];
  for (int p = 0; p < terms; ++p) {
    for (int j = 0; j < packs; ++j) row[p][j] = load_part<packs, tail != Tail::partial>(b + p * b_stride, j, last);
  }
  Vector begin[packs];
  const auto begin_at = [&](std::int64_t i) {
    const T* from = start.data + i * start.stride;
    for (int j = 0; j < packs; ++j) begin[j] = start.data ? load_part<packs, whole>(from, j, last) : Vector{};
  };
  begin_at(0);
  const bool begins_anew = start.data && start.stride != 0;
  for (std::int64_t i = 0; i < m; ++i) {
    if (begins_anew) begin_at(i);
    Vector sums[packs];
    for (int j = 0; j < packs; ++j) sums[j] = begin[j];
    for (int p = 0; p < terms; ++p) {
      const Pack<T> factor(a.data[i * a.row + p * a.column]);
      for (int j = 0; j < packs; ++j) sums[j] = fma(factor, Pack<T>(row[p][j]), Pack<T>(sums[j])).vector();
    }
    for (int j = 0; j < packs; ++j) store_part<packs, whole>(Pack<T>(sums[j]), c + i * c_stride, j, last);
  }
}

}  // namespace detail

/// C = start + A B, where B's rows lie as they are read and A's elements anywhere.
template <class T>
void gemm_by_rows(std::int64_t m, std::int64_t n, std::int64_t k, detail::Elements<T> a, const T* b,
                  std::int64_t b_stride, detail::Start<T> start, T* c, std::int64_t c_stride) {
  using namespace detail;
  constexpr std::int64_t width = Pack<T>::size;
  const auto columns = [&]<int most>(auto run) {
    std::int64_t j = 0;
    for (; j + most * width <= n; j += most * width) {
      run.template operator()<most, Tail::none>(b + j, start.at(0, j), c + j, width);
    }
    if (j == n) return;
    const std::int64_t last = (n - j - 1) % width + 1;
    with_count<most>((n - j + width - 1) / width, [&]<int packs>() {
      last == width ? run.template operator()<packs, Tail::none>(b + j, start.at(0, j), c + j, last)
                    : run.template operator()<packs, Tail::partial>(b + j, start.at(0, j), c + j, last);
    });
  };
  if (m == 1) {
    columns.template operator()<row_packs>(
        [&]<int packs, Tail tail>(const T* right, Start<T> from, T* out, std::int64_t last) {
          tile_of_rows<1, packs, tail>(k, a, right, b_stride, from, out, c_stride, last);
        });
  } else {
    columns.template operator()<tile_packs>(
        [&]<int packs, Tail tail>(const T* right, Start<T> from, T* out, std::int64_t last) {
          columns_of_rows<packs, tail>(m, k, a, right, b_stride, from, out, c_stride, last);
        });
  }
}

/// C = start + a b for a column a and a row b, k = 1. Writing C is nearly all of the work, so it goes along its rows.
template <class T>
void gemm_outer(std::int64_t m, std::int64_t n, const T* a, std::int64_t a_stride, const T* b, detail::Start<T> start,
                T* c, std::int64_t c_stride) {
  using Pack = simd::Pack<T>;
  for (std::int64_t i = 0; i < m; ++i) {
    const Pack factor(a[i * a_stride]);
    const T* from = start.at(i, 0).data;
    T* out = c + i * c_stride;
    const auto value = [&](Pack row, Pack before) { return from ? fma(factor, row, before) : factor * row; };
    std::int64_t j = 0;
    for (; j + Pack::size <= n; j += Pack::size) {
      value(Pack::load(b + j), from ? Pack::load(from + j) : Pack(0)).store(out + j);
    }
    if (const std::int64_t rest = n - j; rest > 0) {
      value(Pack::load_partial(b + j, rest), from ? Pack::load_partial(from + j, rest) : Pack(0))
          .store_partial(out + j, rest);
    }
  }
}

/// The most columns of A for `gemm_few_terms`.
inline constexpr std::int64_t few_terms = 4;

/// C = start + A op(B) for few columns of A. Writing C is most of the work.
template <class T>
void gemm_few_terms(std::int64_t m, std::int64_t n, std::int64_t k, detail::Elements<T> a, const Factor<T>& b,
                    detail::Start<T> start, T* c, std::int64_t c_stride) {
  using namespace detail;
  constexpr std::int64_t width = Pack<T>::size;
  const auto run = [&]<int packs, Tail tail>(std::int64_t j, const T* rows, std::int64_t stride, std::int64_t last) {
    with_count<few_terms>(k, [&]<int terms>() {
      columns_of_few_terms<terms, packs, tail>(m, a, rows, stride, start.at(0, j), c + j, c_stride, last);
    });
  };
  T upright[few_terms * tile_packs * width];
  const auto columns = [&]<int packs, Tail tail>(std::int64_t j, std::int64_t count) {
    if (b.trans == Trans::no) return run.template operator()<packs, tail>(j, b.data + j, b.stride, count);
    const std::int64_t all = (packs - 1) * width + count;
    for (std::int64_t column = 0; column < all; ++column) {
      for (std::int64_t p = 0; p < k; ++p) upright[p * packs * width + column] = b.data[(j + column) * b.stride + p];
    }
    run.template operator()<packs, tail>(j, upright, packs * width, count);
  };
  std::int64_t j = 0;
  for (; j + tile_packs * width <= n; j += tile_packs * width)
    columns.template operator()<tile_packs, Tail::none>(j, width);
  for (; j + width <= n; j += width) columns.template operator()<1, Tail::none>(j, width);
  if (j < n) columns.template operator()<1, Tail::partial>(j, n - j);
}

/// C = start + A B^T: each number is the inner product of a row of A and a row of B.
template <class T>
void gemm_by_dots(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_stride, const T* b,
                  std::int64_t b_stride, detail::Start<T> start, T* c, std::int64_t c_stride) {
  using namespace detail;
  constexpr int most = simd::register_bytes == 64 ? 4 : 2;
  const auto for_rows = [&](auto f) {
    std::int64_t i = 0;
    for (; i + most <= m; i += most) f.template operator()<most>(i);
    for (; i < m; ++i) f.template operator()<1>(i);
  };
  const auto for_columns = [&](auto f) {
    for (std::int64_t j = 0; j < n;) {
      // Threes rather than a four and a one: each tile reads the rows of A again.
      const std::int64_t rest = n - j;
      const std::int64_t columns = rest >= 7 || rest == 4 ? 4 : std::min<std::int64_t>(rest, 3);
      with_count<4>(columns, [&]<int count>() { f.template operator()<count>(j); });
      j += columns;
    }
  };
  const auto tile = [&]<int rows, int columns>(std::int64_t i, std::int64_t j) {
    tile_of_dots<rows, columns>(k, a + i * a_stride, a_stride, b + j * b_stride, b_stride, start.at(i, j),
                                c + i * c_stride + j, c_stride);
  };
  // The smaller side is read time after time.
  if (n < m) {
    for_rows([&]<int rows>(std::int64_t i) {
      for_columns([&]<int columns>(std::int64_t j) { tile.template operator()<rows, columns>(i, j); });
    });
  } else {
    for_columns([&]<int columns>(std::int64_t j) {
      for_rows([&]<int rows>(std::int64_t i) { tile.template operator()<rows, columns>(i, j); });
    });
  }
}

}  // namespace wengert::kernels
