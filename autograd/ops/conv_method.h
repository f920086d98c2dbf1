#pragma once

#include "autograd/ops/correlation.h"

/// \file
/// How correlations of images are computed.

namespace wengert::detail {

/// The method that `asked` comes to, never `automatic`. Throws Error if it is `separable` and a kernel is not of rank
/// one.
ConvMethod choose_method(const char* op, ConvMethod asked, const Tensor& kernel, const kernels::ConvSizes& sizes);

/// How the gradient of the kernel is computed where the correlation is computed by `method`: the factors of a separable
/// kernel say nothing about it.
ConvMethod method_of_kernel_gradient(ConvMethod method, DType dtype, const kernels::ConvSizes& sizes);

/// The correlation and its adjoints by their method, nothing recorded, into a new tensor.
/// @{
Tensor correlate_value(const Tensor& x, const Tensor& kernel, const Tensor& bias, const Correlation& of);
Tensor input_gradient_value(const Tensor& g, const Tensor& kernel, const Tensor& bias, const Correlation& of);
Tensor kernel_gradient_value(const Tensor& x, const Tensor& g, const Correlation& of);
/// @}

}  // namespace wengert::detail
