#pragma once

#include <wengert/autograd/tensor.h>

namespace wengert::detail {

/// Zeros of `shape`, [..., m, n], with d: [..., k] on the diagonal `offset` above the main one: the gradient of
/// `diagonal`, whose gradient is `diagonal`.
Tensor place_diagonal(const Tensor& d, const Shape& shape, std::int64_t offset);

}  // namespace wengert::detail
