#pragma once

#include "autograd/kernels/conv.h"

/// \file
/// Correlations with few channels in a group, depthwise ones and single images above all: each position is a sum over
/// taps, many positions and some channels at a time, without im2col. A matrix product would have too few rows to pay
/// for its columns.

namespace wengert::kernels {

/// Whether the functions below, when they read `planes` channels of a group, are faster than a matrix product, and have
/// room.
bool direct_is_faster(const ConvSizes& sizes, std::int64_t planes);

template <class T>
void correlate_direct(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y);

/// The adjoints also multiply what they know to be zero. Where that would spread an infinity or NaN they return false
/// and leave the result to be overwritten.
/// @{
template <class T>
bool input_gradient_direct(const ConvSizes& sizes, const T* y, const T* kernel, const T* bias, T* x);
template <class T>
bool kernel_gradient_direct(const ConvSizes& sizes, const T* x, const T* y, T* kernel);
/// @}

}  // namespace wengert::kernels
