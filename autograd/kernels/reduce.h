#pragma once

#include <cstdint>

#include <wengert/autograd/tensor.h>

namespace wengert::kernels {

enum class Reduction : std::uint8_t { sum, product, max, min };

/// A set of axes: bit i stands for axis i.
using AxisSet = std::uint32_t;

/// y = x reduced over `axes`, in one pass over x. y has one element for each position along the other axes, in their
/// order. A maximum or minimum is NaN if one is there, and must be of at least one element. Float sums are pairwise.
void reduce(Reduction kind, const Tensor& x, AxisSet axes, const Tensor& y);

/// y[o, i] = the first r at which x[o, r, i] is largest (max) or smallest (min), or NaN if one is there. `rows` (of r)
/// is at least 1.
void index_of_extreme(Reduction kind, const Tensor& x, std::int64_t outer, std::int64_t rows, std::int64_t inner,
                      const Tensor& y);

}  // namespace wengert::kernels
