#pragma once

#include <cstdint>

#include <wengert/autograd/tensor.h>

namespace wengert::kernels {

// Indices are int64 and in range. Equal indices add up in their order, so sums have the same bits for any number of
// threads.

/// y[i, j, ...] = x[i, index[i, j, ...], ...] along `axis`; y has the shape of index.
void gather(const Tensor& x, int axis, const Tensor& index, const Tensor& y);
/// y[i, index[i, j, ...], ...] += source[i, j, ...] along `axis`; source has the shape of index.
void scatter_add(const Tensor& source, int axis, const Tensor& index, const Tensor& y);

/// y[i, index[i, j, ...], ...] = source[i, j, ...] along `axis`, the last one of equal indices; source has the shape of
/// index.
void scatter(const Tensor& source, int axis, const Tensor& index, const Tensor& y);

/// y[o, k, :] = x[o, index[k], :], the axis in the middle being `axis`.
void index_select(const Tensor& x, int axis, const Tensor& index, const Tensor& y);
/// y[o, index[k], :] += source[o, k, :], the axis in the middle being `axis`.
void index_add(const Tensor& source, int axis, const Tensor& index, const Tensor& y);

}  // namespace wengert::kernels
