#include "autograd/kernels/gemm.h"

#include <algorithm>

#include <wengert/autograd/parallel.h>

#include "autograd/kernels/gemm_packed.h"
#include "autograd/kernels/gemm_small.h"
#include "autograd/kernels/transpose.h"
#include "autograd/kernels/workspace.h"

namespace wengert::kernels {

namespace {

using detail::Start;

/// Multiplications worth a thread of their own.
constexpr std::int64_t grain = std::int64_t{1} << 19;
/// Elements from B's begin to its end up to which it is read where it lies: while it stays in the cache, that is as
/// fast as a copy.
constexpr std::int64_t direct_up_to = 1 << 18;
/// Inner products shorter than this spend too long on their last sum.
constexpr std::int64_t long_row = 256;
constexpr std::int64_t short_row = 32;  // for few rows or columns
/// Rows of A for which a copy of B costs nothing to speak of.
constexpr std::int64_t many = 128;
/// Rows or columns of C that are few enough to read the other side once or twice.
constexpr std::int64_t few = 8;
/// Bytes of a copy of B for which the stack is good enough, and which stays in the nearest cache beside A.
constexpr std::int64_t small_copy = 1 << 14;

template <class T>
detail::Elements<T> elements(const Factor<T>& a) {
  return a.trans == Trans::no ? detail::Elements<T>{a.data, a.stride, 1} : detail::Elements<T>{a.data, 1, a.stride};
}

/// Calls `f(row, rows, column, columns)` for parts of C on several threads. Which parts makes no difference to the bits
/// of the result, as long as `f` computes each element in the same way.
template <class F>
void for_parts(std::int64_t m, std::int64_t n, std::int64_t k, F f) {
  if (m * n * k <= grain) return f(std::int64_t{0}, m, std::int64_t{0}, n);
  const bool by_columns = m <= few || 4 * m < n;
  const std::int64_t line = by_columns ? m * k : n * k;
  const std::int64_t unit = by_columns ? 64 : 12;  // whole tiles
  const std::int64_t step = (grain / std::max<std::int64_t>(line, 1) / unit + 1) * unit;
  parallel_for(by_columns ? n : m, step, [&](std::int64_t begin, std::int64_t end) {
    by_columns ? f(std::int64_t{0}, m, begin, end - begin) : f(begin, end - begin, std::int64_t{0}, n);
  });
}

/// A's rows times B's rows, both as they lie.
template <class T>
void by_dots(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_stride, const T* b,
             std::int64_t b_stride, Start<T> start, T* c, std::int64_t c_stride) {
  for_parts(m, n, k, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
    gemm_by_dots(rows, columns, k, a + i * a_stride, a_stride, b + j * b_stride, b_stride, start.at(i, j),
                 c + i * c_stride + j, c_stride);
  });
}

/// B's rows as they lie, times elements of A.
template <class T>
void by_rows(std::int64_t m, std::int64_t n, std::int64_t k, const detail::Elements<T>& a, const T* b,
             std::int64_t b_stride, Start<T> start, T* c, std::int64_t c_stride) {
  for_parts(m, n, k, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
    gemm_by_rows(rows, columns, k, {a.data + i * a.row, a.row, a.column}, b + j, b_stride, start.at(i, j),
                 c + i * c_stride + j, c_stride);
  });
}

/// C^T = B^T A for an A that is transposed in memory: packets lie along the rows of C, of which there are more.
template <class T>
void by_rows_of_a(std::int64_t m, std::int64_t n, std::int64_t k, const Factor<T>& a, const Factor<T>& b,
                  Start<T> start, T* c, std::int64_t c_stride) {
  const Workspace<T> turned(m * n);
  Start<T> from;
  if (start.data) {
    from = {turned.get(), m};
    if (start.stride == 0) {
      for (std::int64_t j = 0; j < n; ++j) std::fill_n(turned.get() + j * m, m, start.data[j]);
    } else {
      transpose(start.data, start.stride, m, n, turned.get(), m);
    }
  }
  by_rows(n, m, k, elements<T>({b.data, b.stride, !b.trans}), a.data, a.stride, from, turned.get(), m);
  transpose(turned.get(), m, n, m, c, c_stride);
}

/// B as panels on the stack, once for all of k.
template <class T>
void by_small_panels(std::int64_t m, std::int64_t n, std::int64_t k, const detail::Elements<T>& a, const Factor<T>& b,
                     Start<T> start, T* c, std::int64_t c_stride) {
  constexpr std::int64_t width = detail::panel_width<T>;
  alignas(64) T panels[small_copy / static_cast<std::int64_t>(sizeof(T))];
  detail::pack(b, k, n, panels);
  for_parts(m, n, k, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
    for (std::int64_t end = j + columns; j < end; j += width) {
      detail::multiply_panel(rows, k, {a.data + i * a.row, a.row, a.column}, panels + j * k, std::min(width, end - j),
                             start.at(i, j), c + i * c_stride + j, c_stride);
    }
  });
}

/// Whether the rows of B, as they lie, are read well time after time: from a near cache, in whole packets of which none
/// straddles two lines.
template <class T>
bool is_read_in_place(std::int64_t n, std::int64_t k, const Factor<T>& b) {
  constexpr std::int64_t size = simd::Pack<T>::size;
  return n % size == 0 && b.stride % size == 0 && b.stride * k <= direct_up_to;
}

/// Whether packets along the rows of C, from an A that is transposed in memory, have so many fewer idle lanes than
/// those along its columns that it pays to turn C around afterwards.
template <class T>
bool is_better_turned(std::int64_t m, std::int64_t n, std::int64_t k, const Factor<T>& a) {
  const bool fewer_idle = 16 * detail::whole_packets<T>(n) * m > 17 * detail::whole_packets<T>(m) * n;
  return fewer_idle && (n < simd::Pack<T>::size || is_read_in_place(m, k, a));
}

template <class T>
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, const Factor<T>& a, const Factor<T>& b, Start<T> start,
              T* c, std::int64_t c_stride) {
  // Columns that lie like rows are taken for rows.
  if (n == 1 && b.trans == Trans::no && b.stride == 1) {
    return multiply<T>(m, n, k, a, {b.data, k, Trans::yes}, start, c, c_stride);
  }
  if (n == 1 && m != 1 && c_stride == 1 && (!start.data || start.stride == 1)) {  // C^T = op(B)^T op(A)^T
    return multiply<T>(n, m, k, {b.data, b.stride, !b.trans}, {a.data, a.stride, !a.trans}, start, c, m);
  }
  if (m == 1 && a.trans == Trans::yes && (a.stride == 1 || k == 1)) {
    return multiply<T>(m, n, k, {a.data, k, Trans::no}, b, start, c, c_stride);
  }
  const detail::Elements<T> all = elements(a);
  if (b.trans == Trans::yes && a.trans == Trans::no) {
    const bool copy_pays = m >= many && n % simd::Pack<T>::size == 0;
    const bool long_enough =
        m <= few || n <= few ? k >= short_row : k >= std::clamp(4 * n, long_row, 2 * long_row) && !copy_pays;
    if (m == 1 || (long_enough && std::min(m, n) * k <= direct_up_to)) {
      return by_dots(m, n, k, a.data, a.stride, b.data, b.stride, start, c, c_stride);
    }
  }
  if (k == 1 && b.trans == Trans::no) {
    return for_parts(m, n, k, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
      gemm_outer(rows, columns, all.data + i * all.row, all.row, b.data + j, start.at(i, j), c + i * c_stride + j,
                 c_stride);
    });
  }
  if (k <= few_terms && m > few) {
    return for_parts(m, n, k, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
      const T* right = b.data + (b.trans == Trans::no ? j : j * b.stride);
      gemm_few_terms(rows, columns, k, {all.data + i * all.row, all.row, all.column}, {right, b.stride, b.trans},
                     start.at(i, j), c + i * c_stride + j, c_stride);
    });
  }
  if (b.trans == Trans::no) {
    if (m <= few || k <= few || is_read_in_place(n, k, b)) {
      return by_rows(m, n, k, all, b.data, b.stride, start, c, c_stride);
    }
    if (a.trans == Trans::yes && is_better_turned(m, n, k, a)) {
      return by_rows_of_a(m, n, k, a, b, start, c, c_stride);
    }
    if (n < simd::Pack<T>::size && k >= long_row && a.trans == Trans::no) {  // many lanes would be idle
      const Workspace<T> columns(n * k);
      transpose(b.data, b.stride, k, n, columns.get(), k);
      return by_dots(m, n, k, a.data, a.stride, columns.get(), k, start, c, c_stride);
    }
  }
  if (detail::whole_packets<T>(n) * k * static_cast<std::int64_t>(sizeof(T)) <= small_copy) {
    return by_small_panels(m, n, k, all, b, start, c, c_stride);
  }
  gemm_packed(m, n, k, a, b, start, c, c_stride);
}

}  // namespace

template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, const Factor<T>& a, const Factor<T>& b, T* c,
          std::int64_t c_stride, Store store) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (std::int64_t i = 0; store == Store::overwrite && i < m; ++i) std::fill_n(c + i * c_stride, n, T(0));
    return;
  }
  multiply(m, n, k, a, b, store == Store::add ? Start<T>{c, c_stride} : Start<T>{}, c, c_stride);
}

template <class T>
void gemm_with_bias(std::int64_t m, std::int64_t n, std::int64_t k, const Factor<T>& a, const Factor<T>& b,
                    const T* bias, T* c, std::int64_t c_stride) {
  if (k > 0 && m > 0 && n > 1) return multiply<T>(m, n, k, a, b, {bias, 0}, c, c_stride);
  for (std::int64_t i = 0; i < m; ++i) std::copy_n(bias, n, c + i * c_stride);
  gemm(m, n, k, a, b, c, c_stride, Store::add);
}

template void gemm(std::int64_t, std::int64_t, std::int64_t, const Factor<float>&, const Factor<float>&, float*,
                   std::int64_t, Store);
template void gemm(std::int64_t, std::int64_t, std::int64_t, const Factor<double>&, const Factor<double>&, double*,
                   std::int64_t, Store);
template void gemm_with_bias(std::int64_t, std::int64_t, std::int64_t, const Factor<float>&, const Factor<float>&,
                             const float*, float*, std::int64_t);
template void gemm_with_bias(std::int64_t, std::int64_t, std::int64_t, const Factor<double>&, const Factor<double>&,
                             const double*, double*, std::int64_t);

}  // namespace wengert::kernels
