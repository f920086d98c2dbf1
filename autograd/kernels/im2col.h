#pragma once

#include <algorithm>
#include <cstdint>

#include "autograd/kernels/conv.h"
#include "autograd/kernels/gemm_small.h"

namespace wengert::kernels {

namespace detail {

/// The positions [first, last) of an axis at which tap `tap` lies inside the image.
struct Inside {
  Inside(const ConvAxis& axis, std::int64_t tap) : shift(tap * axis.dilation - axis.before) {
    const auto first_not_below = [&](std::int64_t bound) {  // the first position whose tap lies at `bound` or behind
      return bound <= shift ? 0 : (bound - shift + axis.stride - 1) / axis.stride;
    };
    first = std::min(first_not_below(0), axis.out);
    last = std::clamp(first_not_below(axis.size), first, axis.out);
  }

  std::int64_t shift;  ///< where in the image the tap lies at position 0
  std::int64_t first;
  std::int64_t last;
};

/// Calls `f(channel, taps...)` for all taps of all channels in the order of the rows of `columns`; a tap is an Inside.
template <class F>
void for_each_tap(const ConvSizes& sizes, std::int64_t channels, F f) {
  const ConvAxis& deep = sizes.axes[0];
  const ConvAxis& down = sizes.axes[1];
  const ConvAxis& across = sizes.axes[2];
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t w = 0; w < deep.kernel; ++w) {
      const Inside slices(deep, w);
      for (std::int64_t u = 0; u < down.kernel; ++u) {
        const Inside rows(down, u);
        for (std::int64_t v = 0; v < across.kernel; ++v) f(c, slices, rows, Inside(across, v));
      }
    }
  }
}

/// `length` numbers, of which [first, last) are those at `from` and the others zeros. Whole packets, of which the last
/// reaches beyond the end.
template <class T>
void copy_padded_row(const T* from, std::int64_t first, std::int64_t last, std::int64_t length, T* to) {
  using Pack = simd::Pack<T>;
  constexpr std::int64_t size = Pack::size;
  for (std::int64_t j = 0; j < first; j += size) Pack(0).store(to + j);
  std::int64_t j = first;
  for (; j + size <= last; j += size, from += size) Pack::load(from).store(to + j);
  if (j < last) {
    load_or_zero(from, last - j).store(to + j);
    j += size;
  }
  for (; j < length; j += size) Pack(0).store(to + j);
}

}  // namespace detail

/// An axis of which `length` elements are taken, with `before` zeros before those of the image and any number behind.
constexpr ConvAxis framed(std::int64_t size, std::int64_t before, std::int64_t length) {
  return {.size = size, .out = length, .before = before};
}

/// The channels of an image in frames of zeros: im2col for one tap and strides of 1, by whole packets, so it writes up
/// to a packet of anything behind the end.
template <class T>
void copy_framed(const ConvSizes& sizes, const T* x, std::int64_t channels, T* to) {
  const auto& [deep, down, across] = sizes.axes;
  const detail::Inside slices(deep, 0);
  const detail::Inside rows(down, 0);
  const detail::Inside columns(across, 0);
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t d = 0; d < deep.out; ++d) {
      const bool in_slice = slices.first <= d && d < slices.last;
      const T* slice = x + (c * deep.size + d + slices.shift) * down.size * across.size;
      for (std::int64_t i = 0; i < down.out; ++i, to += across.out) {
        if (in_slice && rows.first <= i && i < rows.last) {
          detail::copy_padded_row(slice + (i + rows.shift) * across.size + columns.first + columns.shift, columns.first,
                                  columns.last, across.out, to);
        } else {
          detail::copy_padded_row(x, 0, 0, across.out, to);
        }
      }
    }
  }
}

/// What every tap of every channel sees: row (c, w, u, v) of `columns` holds x[c, i stride + w dilation - before, ...]
/// for all positions, zero outside the image. x: [channels, D, H, W]; columns: [channels * KD * KH * KW, OD * OH * OW].
template <class T>
void im2col(const ConvSizes& sizes, const T* x, std::int64_t channels, T* columns) {
  const ConvAxis& deep = sizes.axes[0];
  const ConvAxis& down = sizes.axes[1];
  const ConvAxis& across = sizes.axes[2];
  const auto tap_of = [&](std::int64_t c, const auto& slices, const auto& rows, const auto& inside) {
    const std::int64_t plane = down.out * across.out;
    columns = std::fill_n(columns, slices.first * plane, T(0));
    for (std::int64_t d = slices.first; d < slices.last; ++d) {
      const T* slice = x + c * sizes.image() + (d * deep.stride + slices.shift) * down.size * across.size;
      columns = std::fill_n(columns, rows.first * across.out, T(0));
      for (std::int64_t i = rows.first; i < rows.last; ++i) {
        const T* row = slice + (i * down.stride + rows.shift) * across.size;
        std::fill_n(columns, inside.first, T(0));
        if (across.stride == 1 && inside.first < inside.last) {
          std::copy_n(row + (inside.first + inside.shift), inside.last - inside.first, columns + inside.first);
        } else {
          for (std::int64_t j = inside.first; j < inside.last; ++j) columns[j] = row[j * across.stride + inside.shift];
        }
        std::fill(columns + inside.last, columns + across.out, T(0));
        columns += across.out;
      }
      columns = std::fill_n(columns, (down.out - rows.last) * across.out, T(0));
    }
    columns = std::fill_n(columns, (deep.out - slices.last) * plane, T(0));
  };
  detail::for_each_tap(sizes, channels, tap_of);
}

/// The adjoint: every number of `columns` is added to the pixel that it was taken from.
template <class T>
void col2im(const ConvSizes& sizes, const T* columns, std::int64_t channels, T* x) {
  const ConvAxis& deep = sizes.axes[0];
  const ConvAxis& down = sizes.axes[1];
  const ConvAxis& across = sizes.axes[2];
  const auto tap_of = [&](std::int64_t c, const auto& slices, const auto& rows, const auto& inside) {
    const auto [shift, first, last] = inside;
    const std::int64_t stride = across.stride;
    const std::int64_t step = down.stride * across.size;
    for (std::int64_t d = slices.first; d < slices.last; ++d) {
      T* row = x + (c * deep.size + d * deep.stride + slices.shift) * down.size * across.size + rows.first * step +
               rows.shift * across.size;
      const T* from = columns + (d * down.out + rows.first) * across.out;
      for (std::int64_t i = rows.first; i < rows.last; ++i, row += step, from += across.out) {
        if (stride == 1) {
          for (std::int64_t j = first; j < last; ++j) row[j + shift] += from[j];
        } else {
          for (std::int64_t j = first; j < last; ++j) row[j * stride + shift] += from[j];
        }
      }
    }
    columns += sizes.positions();
  };
  detail::for_each_tap(sizes, channels, tap_of);
}

}  // namespace wengert::kernels
