#pragma once

#include "autograd/kernels/conv.h"

/// \file
/// Correlations of images, axes[0] being trivial, as products of Fourier transforms, which are taken in double
/// precision for any T. Rounding is relative to the largest numbers; infinities and NaN would spread over the whole
/// result.

namespace wengert::kernels {

/// Rows and columns of the transforms: products of 2, 3 and 5, at least what keeps the zeros apart that the kernel
/// sees.
struct FftGrid {
  explicit FftGrid(const ConvSizes& sizes);

  std::int64_t rows;
  std::int64_t columns;
};

/// Arguments as those of the functions in conv.h.
/// @{
template <class T>
void correlate_fft(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y);
template <class T>
void input_gradient_fft(const ConvSizes& sizes, const T* y, const T* kernel, const T* bias, T* x);
template <class T>
void kernel_gradient_fft(const ConvSizes& sizes, const T* x, const T* y, T* kernel);
/// @}

}  // namespace wengert::kernels
