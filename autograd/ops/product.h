#pragma once

#include <wengert/autograd/tensor.h>

#include "autograd/kernels/gemm.h"

namespace wengert::detail {

/// The axes before the last two.
inline Shape leading_axes(const Tensor& x) {
  return Shape(std::span(x.shape().begin(), static_cast<std::size_t>(x.rank() - 2)));
}

/// Sizes of a matrix's axes, the last two of x.
inline std::int64_t rows_of(const Tensor& x) { return x.shape()[x.rank() - 2]; }
inline std::int64_t columns_of(const Tensor& x) { return x.shape()[x.rank() - 1]; }

/// op(A) op(B) for every index of the joint leading axes of a, b and `batch`, added up over the axes that `batch` has
/// not: a contraction that contains matrix products and, as the same op, both of their gradients, whatever broadcasts.
/// a: [..., m, k], b: [..., k, n], before `trans`; the result is [batch..., m, n]. Recorded as `name`.
Tensor product(const char* name, const Tensor& a, kernels::Trans trans_a, const Tensor& b, kernels::Trans trans_b,
               const Shape& batch);

}  // namespace wengert::detail
