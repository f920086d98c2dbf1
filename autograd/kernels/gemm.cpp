#include "autograd/kernels/gemm.h"

#include <algorithm>

// g++ 12 sees uninitialised variables in its own AVX-512 intrinsics (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <wengert/autograd/parallel.h>

#include "autograd/kernels/gemm_small.h"

namespace wengert::kernels {

namespace {

/// Products with more multiplications than this are split into tiles, for several threads.
constexpr std::int64_t tiled_from = std::int64_t{1} << 21;
constexpr std::int64_t tile_size = 128;
/// Elements from B's begin to its end up to which it is read where it lies, once for each four rows of A: while it
/// stays in the cache, that is as fast as packing.
constexpr std::int64_t direct_up_to = 1 << 18;
/// Elements of B up to which a transposed copy on the stack pays, where inner products are too short to.
constexpr std::int64_t copied_up_to = 1 << 13;
constexpr std::int64_t long_row = 256;
constexpr std::int64_t short_row = 32;  // for few rows or columns
/// Rows or columns of C that are few enough to read the other side once or twice.
constexpr std::int64_t few = 8;

template <class T>
const T* at(const Factor<T>& factor, std::int64_t row, std::int64_t column) {
  return factor.trans == Trans::no ? factor.data + row * factor.stride + column
                                   : factor.data + column * factor.stride + row;
}

template <class T>
detail::Elements<T> elements(const Factor<T>& a) {
  return a.trans == Trans::no ? detail::Elements<T>{a.data, a.stride, 1} : detail::Elements<T>{a.data, 1, a.stride};
}

/// The one row of op(A), m = 1, as a row in memory; nullptr if its elements lie apart.
template <class T>
const T* as_row(const Factor<T>& a, std::int64_t k) {
  return a.trans == Trans::no || a.stride == 1 || k == 1 ? a.data : nullptr;
}

template <class T>
void eigen_gemm(std::int64_t m, std::int64_t n, std::int64_t k, Factor<T> a, Factor<T> b, T* c, std::int64_t c_stride,
                Store store) {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Stride = Eigen::OuterStride<>;
  using Source = Eigen::Map<const Matrix, 0, Stride>;
  const Source left(a.data, a.trans == Trans::no ? m : k, a.trans == Trans::no ? k : m, Stride(a.stride));
  const Source right(b.data, b.trans == Trans::no ? k : n, b.trans == Trans::no ? n : k, Stride(b.stride));
  Eigen::Map<Matrix, 0, Stride> result(c, m, n, Stride(c_stride));
  const auto assign = [&](const auto& x, const auto& y) {
    if (store == Store::overwrite) {
      result.noalias() = x * y;
    } else {
      result.noalias() += x * y;
    }
  };
  if (a.trans == Trans::no) {
    b.trans == Trans::no ? assign(left, right) : assign(left, right.transpose());
  } else {
    b.trans == Trans::no ? assign(left.transpose(), right) : assign(left.transpose(), right.transpose());
  }
}

/// Through a copy of B^T, so that rows can be read as they lie.
template <class T>
void copied_gemm(std::int64_t m, std::int64_t n, std::int64_t k, Factor<T> a, Factor<T> b, T* c, std::int64_t c_stride,
                 Store store) {
  T rows[copied_up_to];
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t p = 0; p < k; ++p) rows[p * n + j] = b.data[j * b.stride + p];
  }
  gemm_by_rows(m, n, k, elements(a), rows, n, c, c_stride, store);
}

/// One tile of C on one thread.
template <class T>
void serial_gemm(std::int64_t m, std::int64_t n, std::int64_t k, Factor<T> a, Factor<T> b, T* c, std::int64_t c_stride,
                 Store store) {
  if (b.trans == Trans::no) {
    if (k == 1) return gemm_outer(m, n, a.data, a.trans == Trans::no ? a.stride : 1, b.data, c, c_stride, store);
    if (m <= few || k <= few || b.stride * k <= direct_up_to) {
      return gemm_by_rows(m, n, k, elements(a), b.data, b.stride, c, c_stride, store);
    }
  } else {
    const T* row = a.trans == Trans::no ? a.data : m == 1 ? as_row(a, k) : nullptr;
    const bool long_enough = k >= long_row || (k >= short_row && (m <= few || n <= few));
    if (row && (m == 1 || (long_enough && (m <= few || n * k <= direct_up_to)))) {
      return gemm_by_dots(m, n, k, row, a.stride, b.data, b.stride, c, c_stride, store);
    }
    if (n * k <= copied_up_to) return copied_gemm(m, n, k, a, b, c, c_stride, store);
  }
  eigen_gemm(m, n, k, a, b, c, c_stride, store);
}

}  // namespace

template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Factor<T> a, Factor<T> b, T* c, std::int64_t c_stride,
          Store store) {
  if (m == 0 || n == 0) return;
  if (n == 1 && b.trans == Trans::no && b.stride == 1) b = {b.data, k, Trans::yes};  // a column that lies like a row
  if (n == 1 && m != 1 && c_stride == 1) {                                           // C^T = op(B)^T op(A)^T
    return gemm(n, m, k, {b.data, b.stride, !b.trans}, {a.data, a.stride, !a.trans}, c, m, store);
  }
  const std::int64_t work = m * n * k;
  if (work <= tiled_from || (m <= tile_size && n <= tile_size && m > 1)) {
    return serial_gemm(m, n, k, a, b, c, c_stride, store);
  }
  // A single row is split into shorter pieces, as there is nothing to pack.
  const std::int64_t width = m == 1 ? std::max<std::int64_t>(64, tiled_from / 8 / k / 64 * 64) : tile_size;
  const std::int64_t columns = (n + width - 1) / width;
  const std::int64_t rows = (m + tile_size - 1) / tile_size;
  parallel_for(rows * columns, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t tile = begin; tile < end; ++tile) {
      const std::int64_t i = tile / columns * tile_size;
      const std::int64_t j = tile % columns * width;
      serial_gemm(std::min(tile_size, m - i), std::min(width, n - j), k, {at(a, i, 0), a.stride, a.trans},
                  {at(b, 0, j), b.stride, b.trans}, c + i * c_stride + j, c_stride, store);
    }
  });
}

template void gemm(std::int64_t, std::int64_t, std::int64_t, Factor<float>, Factor<float>, float*, std::int64_t, Store);
template void gemm(std::int64_t, std::int64_t, std::int64_t, Factor<double>, Factor<double>, double*, std::int64_t,
                   Store);

}  // namespace wengert::kernels
