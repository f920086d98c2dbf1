#pragma once

#include "tests/op_cases/rows.h"

namespace wengert::test {

/// How a window slides over an image.
struct Window {
  Size2d kernel;
  Size2d stride = 1;
  Size2d before = 0;  // padding
  Size2d after = 0;
  Size2d dilation = 1;

  std::int64_t rows(std::int64_t height) const {
    return (height + before.rows + after.rows - dilation.rows * (kernel.rows - 1) - 1) / stride.rows + 1;
  }
  std::int64_t columns(std::int64_t width) const {
    return (width + before.columns + after.columns - dilation.columns * (kernel.columns - 1) - 1) / stride.columns + 1;
  }

  /// Calls `f(ky, kx, y, x)` for the places that the window at (row, column) of the result covers inside the image.
  template <class F>
  void visit(const Shape& image, std::int64_t row, std::int64_t column, F f) const {
    const int rank = image.rank();
    for (std::int64_t ky = 0; ky < kernel.rows; ++ky) {
      for (std::int64_t kx = 0; kx < kernel.columns; ++kx) {
        const std::int64_t y = row * stride.rows - before.rows + ky * dilation.rows;
        const std::int64_t x = column * stride.columns - before.columns + kx * dilation.columns;
        if (y >= 0 && y < image[rank - 2] && x >= 0 && x < image[rank - 1]) f(ky, kx, y, x);
      }
    }
  }
};

}  // namespace wengert::test
