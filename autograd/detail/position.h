#pragma once

#include <cstdint>

#include <wengert/autograd/shape.h>

namespace wengert::detail {

/// The row-major element `i` of a tensor of `shape`, as a list of its indices: for messages.
inline Shape position_of(std::int64_t i, const Shape& shape) {
  Shape position = shape;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    position = position.with(axis, i % shape[axis]);
    i /= shape[axis];
  }
  return position;
}

}  // namespace wengert::detail
