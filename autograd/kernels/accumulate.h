#pragma once

#include <wengert/autograd/tensor.h>

namespace wengert::kernels {

/// sum += term in place; same shape and floating dtype.
void add_into(const Tensor& sum, const Tensor& term);

}  // namespace wengert::kernels
