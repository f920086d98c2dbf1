#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include <wengert/autograd/simd.h>

#include "autograd/kernels/conv.h"

/// \file
/// What the ways to compute a correlation share: how it falls into parts of which each fits a cache.

namespace wengert::kernels {

constexpr std::int64_t divided_up(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

/// Tasks of `work` multiplications each that one thread takes at a time.
inline std::int64_t grain_for(std::int64_t work) {
  constexpr std::int64_t parallel_from = std::int64_t{1} << 19;  // what is worth a thread of its own
  return std::max<std::int64_t>(1, parallel_from / std::max<std::int64_t>(1, work));
}

/// Positions that follow each other in y, and the sizes of a correlation that has no others.
struct Block {
  ConvSizes sizes;
  std::int64_t first;
  std::int64_t count;
};

/// All positions, in blocks: parts of a row, or else rows, or else slices.
class Blocks {
 public:
  /// `room`: positions in a block, at most.
  Blocks(const ConvSizes& sizes, std::int64_t room) : sizes_(sizes) {
    if (room >= sizes.positions()) {  // one block
      for (std::size_t axis = 0; axis < 3; ++axis) length_[axis] = sizes.axes[axis].out;
      return;
    }
    for (std::size_t axis = 3; axis-- > 0;) {
      const std::int64_t out = sizes.axes[axis].out;
      parts_[axis] = divided_up(out, std::clamp<std::int64_t>(room, 1, out));
      length_[axis] = divided_up(out, parts_[axis]);  // about the same for all
      parts_[axis] = divided_up(out, length_[axis]);
      room = parts_[axis] == 1 ? room / length_[axis] : 1;
    }
  }

  std::int64_t count() const { return parts_[0] * parts_[1] * parts_[2]; }
  /// Positions in the largest one.
  std::int64_t largest() const { return length_[0] * length_[1] * length_[2]; }

  Block operator[](std::int64_t index) const {
    if (count() == 1) return {sizes_, 0, largest()};
    Block block{sizes_, 0, 1};
    std::int64_t inner = 1;
    for (std::size_t axis = 3; axis-- > 0; index /= parts_[axis]) {
      const std::int64_t first = index % parts_[axis] * length_[axis];
      ConvAxis& part = block.sizes.axes[axis];
      block.first += first * inner;
      inner *= part.out;
      part.out = std::min(length_[axis], part.out - first);
      part.before -= first * part.stride;
      block.count *= part.out;
    }
    return block;
  }

 private:
  const ConvSizes& sizes_;
  std::int64_t length_[3];
  std::int64_t parts_[3] = {1, 1, 1};
};

/// The input gradient of strides of 1 as a correlation: of y, with the kernel whose taps are in the opposite order and
/// whose channels have changed places.
inline std::optional<ConvSizes> transposed_sizes(ConvSizes sizes) {
  std::swap(sizes.in_channels, sizes.out_channels);
  for (ConvAxis& axis : sizes.axes) {
    if (axis.stride != 1) return std::nullopt;
    std::swap(axis.size, axis.out);
    axis.before = (axis.kernel - 1) * axis.dilation - axis.before;
  }
  return sizes;
}

template <class T>
bool all_finite(const T* numbers, std::int64_t count) {
  using Pack = simd::Pack<T>;
  Pack zero = 0;  // NaN as soon as it gets the product with an infinity or NaN
  std::int64_t i = 0;
  for (; i + Pack::size <= count; i += Pack::size) zero += 0 * Pack::load(numbers + i);
  if (i < count) zero += 0 * Pack::load_partial(numbers + i, count - i);
  return !any(isnan(zero));
}

}  // namespace wengert::kernels
