#include "autograd/kernels/gemm.h"

#include <algorithm>

#include <wengert/autograd/parallel.h>

#include "autograd/kernels/gemm_packed.h"
#include "autograd/kernels/gemm_small.h"
#include "autograd/kernels/workspace.h"

namespace wengert::kernels {

namespace {

/// Multiplications worth a thread of their own.
constexpr std::int64_t grain = std::int64_t{1} << 19;
/// Elements from B's begin to its end up to which it is read where it lies: while it stays in the cache, that is as
/// fast as a copy.
constexpr std::int64_t direct_up_to = 1 << 18;
/// Inner products shorter than this spend too long on their last sum.
constexpr std::int64_t long_row = 256;
constexpr std::int64_t short_row = 32;  // for few rows or columns
/// Rows or columns of C that are few enough to read the other side once or twice.
constexpr std::int64_t few = 8;

template <class T>
detail::Elements<T> elements(const Factor<T>& a) {
  return a.trans == Trans::no ? detail::Elements<T>{a.data, a.stride, 1} : detail::Elements<T>{a.data, 1, a.stride};
}

/// Calls `f(row, rows, column, columns)` for parts of C on several threads. Which parts makes no difference to the bits
/// of the result, as long as `f` computes each element in the same way.
template <class F>
void for_parts(std::int64_t m, std::int64_t n, std::int64_t k, F f) {
  const std::int64_t line = m <= few ? m * k : n * k;  // for a column, or for a row
  const std::int64_t unit = m <= few ? 64 : 12;        // whole tiles
  const std::int64_t count = m <= few ? n : m;
  const std::int64_t step = (grain / std::max<std::int64_t>(line, 1) / unit + 1) * unit;
  parallel_for(count, step, [&](std::int64_t begin, std::int64_t end) {
    m <= few ? f(std::int64_t{0}, m, begin, end - begin) : f(begin, end - begin, std::int64_t{0}, n);
  });
}

/// A's rows times B's rows, both as they lie.
template <class T>
void by_dots(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_stride, const T* b,
             std::int64_t b_stride, T* c, std::int64_t c_stride, Store store) {
  for_parts(m, n, k, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
    gemm_by_dots(rows, columns, k, a + i * a_stride, a_stride, b + j * b_stride, b_stride, c + i * c_stride + j,
                 c_stride, store);
  });
}

/// to: [columns, rows] from `from`: [rows, columns] with rows `stride` apart.
template <class T>
void transpose(const T* from, std::int64_t stride, std::int64_t rows, std::int64_t columns, T* to) {
  constexpr std::int64_t size = simd::Pack<T>::size;
  for (std::int64_t i = 0; i < rows; i += size) {
    for (std::int64_t j = 0; j < columns; j += size) {
      detail::transpose_square<false>(from + i * stride + j, stride, to + j * rows + i, rows,
                                      std::min(size, columns - j), std::min(size, rows - i));
    }
  }
}

/// Whether the rows of B, as they lie, are read well time after time: from a near cache, in whole packets of which none
/// straddles two lines.
template <class T>
bool is_read_in_place(std::int64_t n, std::int64_t k, const Factor<T>& b) {
  constexpr std::int64_t size = simd::Pack<T>::size;
  return n % size == 0 && b.stride % size == 0 && b.stride * k <= direct_up_to;
}

}  // namespace

template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Factor<T> a, Factor<T> b, T* c, std::int64_t c_stride,
          Store store) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    for (std::int64_t i = 0; store == Store::overwrite && i < m; ++i) std::fill_n(c + i * c_stride, n, T(0));
    return;
  }
  if (n == 1 && b.trans == Trans::no && b.stride == 1) b = {b.data, k, Trans::yes};  // a column that lies like a row
  if (n == 1 && m != 1 && c_stride == 1) {                                           // C^T = op(B)^T op(A)^T
    return gemm(n, m, k, {b.data, b.stride, !b.trans}, {a.data, a.stride, !a.trans}, c, m, store);
  }
  if (m == 1 && (a.stride == 1 || k == 1)) a = {a.data, k, Trans::no};  // a column that lies like a row
  if (b.trans == Trans::yes && a.trans == Trans::no) {
    const bool few_tiles = m <= few || n <= few;
    const bool long_enough = k >= (few_tiles ? short_row : std::max(long_row, 4 * n));
    if (m == 1 || (long_enough && (m <= few || n * k <= direct_up_to))) {
      return by_dots(m, n, k, a.data, a.stride, b.data, b.stride, c, c_stride, store);
    }
  }
  if (b.trans == Trans::no) {
    if (k == 1) {
      return for_parts(m, n, k, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
        const std::int64_t apart = a.trans == Trans::no ? a.stride : 1;
        gemm_outer(rows, columns, a.data + i * apart, apart, b.data + j, c + i * c_stride + j, c_stride, store);
      });
    }
    if (m <= few || k <= few || is_read_in_place(n, k, b)) {
      return for_parts(m, n, k, [&](std::int64_t i, std::int64_t rows, std::int64_t j, std::int64_t columns) {
        const detail::Elements<T> all = elements(a);
        gemm_by_rows(rows, columns, k, {all.data + i * all.row, all.row, all.column}, b.data + j, b.stride,
                     c + i * c_stride + j, c_stride, store);
      });
    }
    if (n < simd::Pack<T>::size && k >= long_row && a.trans == Trans::no) {  // many lanes would be idle
      const Workspace<T> columns(n * k);
      transpose(b.data, b.stride, k, n, columns.get());
      return by_dots(m, n, k, a.data, a.stride, columns.get(), k, c, c_stride, store);
    }
  }
  gemm_packed(m, n, k, a, b, c, c_stride, store);
}

template void gemm(std::int64_t, std::int64_t, std::int64_t, Factor<float>, Factor<float>, float*, std::int64_t, Store);
template void gemm(std::int64_t, std::int64_t, std::int64_t, Factor<double>, Factor<double>, double*, std::int64_t,
                   Store);

}  // namespace wengert::kernels
