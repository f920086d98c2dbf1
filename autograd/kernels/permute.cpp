#include "autograd/kernels/permute.h"

#include <algorithm>
#include <cstring>

#include <wengert/autograd/parallel.h>

namespace wengert::kernels {

namespace {

using detail::Access;

constexpr std::int64_t grain = 1 << 15;  // elements
constexpr std::int64_t tile = 16;        // a row of it is a cache line or two

/// Axes of the result from the outside in, and how far apart their elements are in the source. Axes that stay together
/// are one; axes of size 1 are none.
struct Walk {
  int axes = 0;
  std::int64_t sizes[Shape::max_rank] = {};
  std::int64_t strides[Shape::max_rank] = {};
};

Walk plan_walk(const Shape& shape, std::span<const int> order) {
  Walk walk;
  for (const int axis : order) {
    const std::int64_t size = shape[axis];
    if (size == 1) continue;
    const std::int64_t stride = shape.numel(axis + 1, shape.rank());
    if (walk.axes > 0 && walk.strides[walk.axes - 1] == stride * size) {
      walk.sizes[walk.axes - 1] *= size;
      walk.strides[walk.axes - 1] = stride;
    } else {
      walk.sizes[walk.axes] = size;
      walk.strides[walk.axes++] = stride;
    }
  }
  return walk;
}

/// to[r * rows_apart + c] = from[c * stride + r] for a tile of at most tile x tile.
template <class T>
void transpose_tile(const T* from, std::int64_t stride, T* to, std::int64_t rows_apart, std::int64_t rows,
                    std::int64_t columns) {
  if (rows == tile && columns == tile) {
    T block[tile * tile];
    for (std::int64_t c = 0; c < tile; ++c) std::memcpy(block + c * tile, from + c * stride, tile * sizeof(T));
    for (std::int64_t r = 0; r < tile; ++r) {
      for (std::int64_t c = 0; c < tile; ++c) to[r * rows_apart + c] = block[c * tile + r];
    }
    return;
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) to[r * rows_apart + c] = from[c * stride + r];
  }
}

/// Position `index` along all axes but those in `skipped`, as an offset for the given strides.
std::int64_t offset_of(const Walk& walk, std::int64_t index, const std::int64_t* strides, std::uint32_t skipped) {
  std::int64_t offset = 0;
  for (int axis = walk.axes - 1; axis >= 0; --axis) {
    if ((skipped >> axis & 1U) != 0) continue;
    offset += index % walk.sizes[axis] * strides[axis];
    index /= walk.sizes[axis];
  }
  return offset;
}

/// The innermost axis of the result is not that of the source: squares of the two are transposed in cache.
template <class T>
void transpose_planes(const Walk& walk, const T* from, T* to) {
  const int last = walk.axes - 1;
  int contiguous = 0;  // the result's axis that is innermost in the source
  while (walk.strides[contiguous] != 1) ++contiguous;
  std::int64_t to_strides[Shape::max_rank];
  std::int64_t stride = 1;
  for (int axis = last; axis >= 0; --axis) {
    to_strides[axis] = stride;
    stride *= walk.sizes[axis];
  }
  const std::uint32_t plane_axes = 1U << last | 1U << contiguous;
  const std::int64_t rows = walk.sizes[contiguous];
  const std::int64_t columns = walk.sizes[last];
  const std::int64_t strips = (rows + tile - 1) / tile;  // of `tile` rows of the result
  const std::int64_t planes = stride / (rows * columns);
  parallel_for(
      planes * strips, std::max<std::int64_t>(1, grain / (tile * columns)), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t task = begin; task < end; ++task) {
          const std::int64_t plane = task / strips;
          const std::int64_t row = task % strips * tile;
          const T* in = from + offset_of(walk, plane, walk.strides, plane_axes) + row;
          T* out = to + offset_of(walk, plane, to_strides, plane_axes) + row * to_strides[contiguous];
          for (std::int64_t column = 0; column < columns; column += tile) {
            transpose_tile(in + column * walk.strides[last], walk.strides[last], out + column, to_strides[contiguous],
                           std::min(tile, rows - row), std::min(tile, columns - column));
          }
        }
      });
}

/// The innermost axis is the same: its runs are copied whole.
template <class T>
void copy_rows(const Walk& walk, const T* from, T* to) {
  const int last = walk.axes - 1;
  const std::int64_t length = walk.sizes[last];
  const std::int64_t middle = last > 0 ? walk.sizes[last - 1] : 1;
  const std::int64_t middle_stride = last > 0 ? walk.strides[last - 1] : 0;
  std::int64_t outer = 1;
  for (int axis = 0; axis < last - 1; ++axis) outer *= walk.sizes[axis];
  const std::uint32_t run_axes = 1U << last | (last > 0 ? 1U << (last - 1) : 0U);
  const auto bytes = [](std::int64_t elements) { return elements * static_cast<std::int64_t>(sizeof(T)); };
  parallel_for(outer, std::max<std::int64_t>(1, grain / (middle * length)), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      const T* in = from + offset_of(walk, o, walk.strides, run_axes);
      T* out = to + o * middle * length;
      copy_runs(reinterpret_cast<const std::byte*>(in), bytes(middle_stride), reinterpret_cast<std::byte*>(out),
                bytes(length), middle, bytes(length));
    }
  });
}

template <class T>
void permute_elements(const Walk& walk, const Tensor& x, const Tensor& y) {
  const T* from = Access::data<T>(x);
  T* to = Access::mutable_data<T>(y);
  if (walk.axes == 0)
    *to = *from;
  else if (walk.strides[walk.axes - 1] == 1)
    copy_rows(walk, from, to);
  else
    transpose_planes(walk, from, to);
}

template <std::int64_t bytes>
void copy_short_runs(const std::byte* from, std::int64_t from_stride, std::byte* to, std::int64_t to_stride,
                     std::int64_t rows) {
  for (std::int64_t row = 0; row < rows; ++row) std::memcpy(to + row * to_stride, from + row * from_stride, bytes);
}

}  // namespace

void permute(const Tensor& x, std::span<const int> order, const Tensor& y) {
  if (x.numel() == 0) return;
  const Walk walk = plan_walk(x.shape(), order);
  // Elements are only moved: their size is all that counts.
  if (size_of(x.dtype()) == 4)
    permute_elements<std::uint32_t>(walk, x, y);
  else
    permute_elements<std::uint64_t>(walk, x, y);
}

bool keeps_order(const Shape& shape, std::span<const int> order) {
  if (shape.numel() == 0) return true;
  const Walk walk = plan_walk(shape, order);
  return walk.axes == 0 || (walk.axes == 1 && walk.strides[0] == 1);
}

void copy_runs(const std::byte* from, std::int64_t from_stride, std::byte* to, std::int64_t to_stride,
               std::int64_t rows, std::int64_t bytes) {
  switch (bytes) {  // a known size makes each copy one instruction
    case 0: return;
    case 4: return copy_short_runs<4>(from, from_stride, to, to_stride, rows);
    case 8: return copy_short_runs<8>(from, from_stride, to, to_stride, rows);
    default: break;
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    std::memcpy(to + row * to_stride, from + row * from_stride, static_cast<std::size_t>(bytes));
  }
}

}  // namespace wengert::kernels
