#pragma once

#include <cstdint>

#include <wengert/autograd/tensor.h>

namespace wengert::kernels {

/// indices[o, k, i] = the position along the middle axis of x: [outer, rows, inner] of the element that comes k-th in
/// order, for the first `count` <= rows; equal elements in the order of their positions. NaN is larger than all else.
void argsort(const Tensor& x, std::int64_t outer, std::int64_t rows, std::int64_t inner, bool descending,
             std::int64_t count, const Tensor& indices);

}  // namespace wengert::kernels
