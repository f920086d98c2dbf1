#pragma once

#include <cstdint>

namespace wengert::kernels {

enum class Trans : bool { no, yes };

constexpr Trans operator!(Trans trans) noexcept { return trans == Trans::no ? Trans::yes : Trans::no; }

/// What happens to the numbers that are in the result before.
enum class Store : bool { overwrite, add };

/// One side of a product: a row-major matrix in memory, of which the product takes the transpose if `trans`.
template <class T>
struct Factor {
  const T* data;
  std::int64_t stride;  ///< elements from one row in memory to the next
  Trans trans = Trans::no;
};

/// C = op(A) op(B), or C += op(A) op(B). C: [m, n], row-major with `c_stride` elements from row to row; op(A): [m, k];
/// op(B): [k, n]. T is float or double. No two of the three overlap. k = 0 gives zeros; NaN and infinity go through.
///
/// Large products run on several threads, in tiles of C that depend on the sizes alone, so the bits of the result do
/// not depend on the number of threads. The one place to put another matrix library underneath.
template <class T>
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, const Factor<T>& a, const Factor<T>& b, T* c,
          std::int64_t c_stride, Store store);

/// Same where the sums begin at `bias`: [n], in every row of C.
template <class T>
void gemm_with_bias(std::int64_t m, std::int64_t n, std::int64_t k, const Factor<T>& a, const Factor<T>& b,
                    const T* bias, T* c, std::int64_t c_stride);

}  // namespace wengert::kernels
