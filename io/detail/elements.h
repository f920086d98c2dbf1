#pragma once

#include <string_view>

#include <wengert/autograd/tensor.h>

namespace wengert::detail {

/// How a file writes a number.
struct ElementFormat {
  char kind = 'f';  ///< b(ool), u(nsigned), i(nteger) or f(loat), as NumPy names them
  int size = 4;     ///< bytes
  bool big_endian = false;
};

/// Whether a tensor can hold such numbers: float32, float64, and integers but unsigned ones of 8 bytes.
bool is_readable(const ElementFormat& format) noexcept;

/// The numbers in `bytes`, of which there are shape.numel() in a readable format; integers as int64.
Tensor read_elements(std::string_view bytes, const ElementFormat& format, const Shape& shape);

}  // namespace wengert::detail
