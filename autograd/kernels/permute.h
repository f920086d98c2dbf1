#pragma once

#include <cstdint>
#include <span>

#include <wengert/autograd/tensor.h>

namespace wengert::kernels {

/// y = x with axis i of y being axis order[i] of x.
void permute(const Tensor& x, std::span<const int> order, const Tensor& y);

/// Whether permuting leaves every element where it is in memory.
bool keeps_order(const Shape& shape, std::span<const int> order);

/// Copies `rows` runs of `bytes` bytes, whose starts are `from_stride` and `to_stride` bytes apart.
void copy_runs(const std::byte* from, std::int64_t from_stride, std::byte* to, std::int64_t to_stride,
               std::int64_t rows, std::int64_t bytes);

}  // namespace wengert::kernels
