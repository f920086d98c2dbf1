#pragma once

#include <algorithm>
#include <cstdint>

#include <wengert/autograd/simd.h>

#include "autograd/kernels/conv.h"
#include "autograd/kernels/conv_common.h"

/// \file
/// Correlations as matrix products one side of which is never made: its elements are picked out of the image, or of a
/// copy with padding, by tables of offsets. The lanes of a packet are channels, so no lane is idle however narrow the
/// image is; that takes enough channels.

namespace wengert::kernels {

/// Whether the copies of an image with its padding are small beside im2col's columns: with wide gaps between the taps,
/// or between the positions, they might not fit the memory.
bool gathered_copies_little(const ConvSizes& sizes);

/// Whether packets of `channels` are nearly full, there is enough to add up for each of their numbers: `terms`, and
/// little to copy.
template <class T>
bool gathered_is_faster(const ConvSizes& sizes, std::int64_t channels, std::int64_t terms) {
  constexpr std::int64_t lanes = simd::Pack<T>::size;
  const std::int64_t least_terms = sizes.is_pointwise() ? 128 : 32;  // a pointwise one's other way makes no copies
  return 4 * channels >= 3 * divided_up(channels, lanes) * lanes && terms >= least_terms &&
         gathered_copies_little(sizes);
}

template <class T>
void correlate_gathered(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y);

/// Multiplies zeros around y, too, which is wrong where the kernel has an infinity or NaN, and is done for strides of 1
/// alone. Otherwise returns false and leaves the result to be overwritten.
template <class T>
bool input_gradient_gathered(const ConvSizes& sizes, const T* y, const T* kernel, const T* bias, T* x);

template <class T>
void kernel_gradient_gathered(const ConvSizes& sizes, const T* x, const T* y, T* kernel);

}  // namespace wengert::kernels
