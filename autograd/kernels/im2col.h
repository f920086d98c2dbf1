#pragma once

#include <algorithm>
#include <cstdint>

#include "autograd/kernels/conv.h"

namespace wengert::kernels {

namespace detail {

/// The positions [first, last) of an axis at which tap `tap` lies inside the image.
struct Inside {
  Inside(const ConvAxis& axis, std::int64_t tap, std::int64_t begin, std::int64_t end) {
    const std::int64_t shift = tap * axis.dilation - axis.before;  // of the tap at position 0
    const auto first_not_below = [&](std::int64_t bound) {  // the first position whose tap lies at `bound` or behind
      return bound <= shift ? 0 : (bound - shift + axis.stride - 1) / axis.stride;
    };
    first = std::clamp(first_not_below(0), begin, end);
    last = std::clamp(first_not_below(axis.size), first, end);
  }

  std::int64_t first;
  std::int64_t last;
};

}  // namespace detail

/// What every tap of every channel sees: row (c, u, v) of `columns` holds x[c, i stride + u dilation - before, ...] for
/// the positions (i, j) with row_begin <= i < row_end, zero outside the image. x: [channels, H, W];
/// columns: [channels * KH * KW, (row_end - row_begin) * OW].
template <class T>
void im2col(const ConvSizes& sizes, const T* x, std::int64_t channels, std::int64_t row_begin, std::int64_t row_end,
            T* columns) {
  const ConvAxis& down = sizes.rows;
  const ConvAxis& across = sizes.columns;
  for (std::int64_t c = 0; c < channels; ++c, x += sizes.image()) {
    for (std::int64_t u = 0; u < down.kernel; ++u) {
      const detail::Inside rows(down, u, row_begin, row_end);
      for (std::int64_t v = 0; v < across.kernel; ++v) {
        const detail::Inside inside(across, v, 0, across.out);
        columns = std::fill_n(columns, (rows.first - row_begin) * across.out, T(0));
        for (std::int64_t i = rows.first; i < rows.last; ++i) {
          const T* row = x + (i * down.stride + u * down.dilation - down.before) * across.size;
          std::fill_n(columns, inside.first, T(0));
          const std::int64_t shift = v * across.dilation - across.before;
          if (across.stride == 1 && inside.first < inside.last) {
            std::copy_n(row + (inside.first + shift), inside.last - inside.first, columns + inside.first);
          } else {
            for (std::int64_t j = inside.first; j < inside.last; ++j) columns[j] = row[j * across.stride + shift];
          }
          std::fill(columns + inside.last, columns + across.out, T(0));
          columns += across.out;
        }
        columns = std::fill_n(columns, (row_end - rows.last) * across.out, T(0));
      }
    }
  }
}

/// The adjoint, over all positions: every number of `columns` is added to the pixel that it was taken from.
template <class T>
void col2im(const ConvSizes& sizes, const T* columns, std::int64_t channels, T* x) {
  const ConvAxis& down = sizes.rows;
  const ConvAxis& across = sizes.columns;
  for (std::int64_t c = 0; c < channels; ++c, x += sizes.image()) {
    for (std::int64_t u = 0; u < down.kernel; ++u) {
      const detail::Inside rows(down, u, 0, down.out);
      for (std::int64_t v = 0; v < across.kernel; ++v, columns += sizes.positions()) {
        const detail::Inside inside(across, v, 0, across.out);
        const std::int64_t shift = v * across.dilation - across.before;
        for (std::int64_t i = rows.first; i < rows.last; ++i) {
          T* row = x + (i * down.stride + u * down.dilation - down.before) * across.size;
          const T* from = columns + i * across.out;
          if (across.stride == 1) {
            for (std::int64_t j = inside.first; j < inside.last; ++j) row[j + shift] += from[j];
          } else {
            for (std::int64_t j = inside.first; j < inside.last; ++j) row[j * across.stride + shift] += from[j];
          }
        }
      }
    }
  }
}

}  // namespace wengert::kernels
