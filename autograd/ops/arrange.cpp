#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <numeric>

#include <wengert/autograd/elementwise.h>

#include "autograd/kernels/permute.h"
#include "autograd/ops/diagonal.h"
#include "autograd/ops/padding.h"

namespace wengert {

namespace {

using detail::Access;

void check_input(const char* op, const Tensor& x) { detail::check_operands(op, std::array{&x}, Types::all); }

std::vector<Tensor> split_at(const char* op, const Tensor& x, const std::vector<std::int64_t>& sizes, int axis) {
  if (sizes.empty()) return {};
  const Tensor whole = x.detach();
  std::vector<Tensor> parts;
  parts.reserve(sizes.size());
  for (std::int64_t begin = 0; const std::int64_t size : sizes) {
    parts.push_back(slice(whole, axis, begin, begin + size));
    begin += size;
  }
  return record(op, std::move(parts),
                wrt_all(std::span(&x, 1), [sizes, axis, shape = x.shape(), dtype = x.dtype()](
                                              std::span<const Tensor> g, const std::uint8_t* /*needed*/) {
                  std::vector<Tensor> pieces(g.begin(), g.end());
                  for (std::size_t i = 0; i < pieces.size(); ++i) {
                    if (!pieces[i].defined()) pieces[i] = zeros(shape.with(axis, sizes[i]), dtype);
                  }
                  return std::vector<Tensor>{cat(pieces, axis)};
                }));
}

/// Pieces of `size`, the last one as small as it must be.
std::vector<std::int64_t> equal_parts(std::int64_t whole, std::int64_t size) {
  std::vector<std::int64_t> sizes;
  for (; whole > 0; whole -= size) sizes.push_back(std::min(size, whole));
  return sizes;
}

}  // namespace

std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, int axis) {
  check_input("split", x);
  axis = normalize_axis("split", axis, x.rank());
  std::int64_t left = x.shape()[axis];
  for (const std::int64_t size : sizes) {
    check(size >= 0, "split: sizes must be >= 0, got {}", size);
    check(size <= left, "split: the sizes exceed the {} elements of axis {} of x, of shape {}", x.shape()[axis], axis,
          x.shape());
    left -= size;
  }
  check(left == 0, "split: the sizes leave over {} of the {} elements of axis {} of x, of shape {}", left,
        x.shape()[axis], axis, x.shape());
  return split_at("split", x, sizes, axis);
}

std::vector<Tensor> split(const Tensor& x, std::int64_t size, int axis) {
  check_input("split", x);
  axis = normalize_axis("split", axis, x.rank());
  check(size >= 1, "split: size must be >= 1, got {}", size);
  return split_at("split", x, equal_parts(x.shape()[axis], size), axis);
}

std::vector<Tensor> chunk(const Tensor& x, std::int64_t count, int axis) {
  check_input("chunk", x);
  axis = normalize_axis("chunk", axis, x.rank());
  check(count >= 1, "chunk: count must be >= 1, got {}", count);
  const std::int64_t size = x.shape()[axis];
  const std::int64_t largest = size / count + (size % count != 0);
  return split_at("chunk", x, equal_parts(size, std::max<std::int64_t>(1, largest)), axis);
}

Tensor flip(const Tensor& x, const Axes& axes) {
  check_input("flip", x);
  bool flipped[Shape::max_rank] = {};
  for (const int given : axes) {
    const int axis = normalize_axis("flip", given, x.rank());
    check(!flipped[axis], "flip: axis {} is named twice", given);
    flipped[axis] = true;
  }
  Tensor result = x.detach();
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axes.empty() || flipped[axis]) result = slice(result, axis, -1, std::numeric_limits<std::int64_t>::min(), -1);
  }
  return record("flip", std::move(result), wrt(x, [axes](const Tensor& g) { return flip(g, axes); }));
}

Tensor roll(const Tensor& x, std::int64_t shift, int axis) {
  check_input("roll", x);
  axis = normalize_axis("roll", axis, x.rank());
  const std::int64_t size = x.shape()[axis];
  if (size == 0 || shift % size == 0) return x;
  shift = shift % size + (shift < 0 ? size : 0);
  const Tensor whole = x.detach();
  Tensor result = cat({slice(whole, axis, size - shift, size), slice(whole, axis, 0, size - shift)}, axis);
  return record("roll", std::move(result), wrt(x, [shift, axis](const Tensor& g) { return roll(g, -shift, axis); }));
}

namespace {

/// An axis, as the middle one of three, taken `count` times: each element, or the whole.
enum class Repeated : std::uint8_t { element, axis };

Tensor repeat_axis(const char* op, const Tensor& x, std::int64_t count, int axis, Repeated repeated) {
  if (count == 1) return x;
  const std::int64_t outer = x.shape().numel(0, axis);
  const std::int64_t inner = x.shape().numel(axis + 1, x.rank());
  const std::int64_t size = x.shape()[axis];
  check(size == 0 || count <= std::numeric_limits<std::int64_t>::max() / size,
        "{}: axis {} of size {} cannot be repeated {} times; x has shape {}", op, axis, size, count, x.shape());
  const Shape result = x.shape().with(axis, size * count);
  if (repeated == Repeated::element) {
    return reshape(broadcast_to(reshape(x, Shape{outer * size, 1, inner}), {outer * size, count, inner}), result);
  }
  return reshape(broadcast_to(reshape(x, Shape{outer, 1, size * inner}), {outer, count, size * inner}), result);
}

}  // namespace

Tensor repeat(const Tensor& x, std::int64_t count, int axis) {
  check_input("repeat", x);
  axis = normalize_axis("repeat", axis, x.rank());
  check(count >= 0, "repeat: count must be >= 0, got {}", count);
  return repeat_axis("repeat", x, count, axis, Repeated::element);
}

Tensor tile(const Tensor& x, const std::vector<std::int64_t>& counts) {
  check_input("tile", x);
  check(counts.size() <= static_cast<std::size_t>(Shape::max_rank), "tile: {} counts are given; 8 are the most",
        counts.size());
  for (const std::int64_t count : counts) check(count >= 0, "tile: counts must be >= 0, got {}", count);
  Tensor result = x;
  while (result.rank() < static_cast<int>(counts.size())) result = unsqueeze(result, 0);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    // Innermost first, so that the longest runs are copied most.
    const std::size_t k = counts.size() - 1 - i;
    const int axis = result.rank() - 1 - static_cast<int>(i);
    result = repeat_axis("tile", result, counts[k], axis, Repeated::axis);
  }
  return result;
}

Tensor unfold(const Tensor& x, int axis, std::int64_t size, std::int64_t step) {
  check_input("unfold", x);
  axis = normalize_axis("unfold", axis, x.rank());
  const std::int64_t length = x.shape()[axis];
  check(size >= 1 && size <= length, "unfold: windows of size {} do not fit axis {} of size {}; x has shape {}", size,
        axis, length, x.shape());
  check(step >= 1, "unfold: step must be >= 1, got {}", step);
  check(x.rank() < Shape::max_rank, "unfold: x of shape {} already has 8 axes, the most there can be", x.shape());
  const std::int64_t count = (length - size) / step + 1;
  Tensor positions = Access::allocate({count, size}, DType::int64);
  auto* position = Access::mutable_data<std::int64_t>(positions);
  for (std::int64_t window = 0; window < count; ++window) {
    for (std::int64_t k = 0; k < size; ++k) *position++ = window * step + k;
  }
  const Tensor windows =
      reshape(index_select(x, axis, flatten(positions)), x.shape().with(axis, count).inserted(axis + 1, size));
  std::vector<int> order(static_cast<std::size_t>(windows.rank()));
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin() + axis + 1, order.begin() + axis + 2, order.end());
  return permute(windows, order);
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& axes) {
  check(axes.size() <= static_cast<std::size_t>(Shape::max_rank), "meshgrid: {} axes are given; 8 are the most",
        axes.size());
  Shape grid;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    detail::check_operands("meshgrid", std::array{&axes[0], &axes[i]}, Types::all);
    check(axes[i].rank() == 1, "meshgrid: axes must be 1-D; number {} has shape {}", i, axes[i].shape());
    grid = grid.inserted(grid.rank(), axes[i].numel());
  }
  std::vector<Tensor> result;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    Shape along = grid;
    for (int axis = 0; axis < grid.rank(); ++axis) {
      if (axis != static_cast<int>(i)) along = along.with(axis, 1);
    }
    result.push_back(broadcast_to(reshape(axes[i], along), grid));
  }
  return result;
}

namespace {

enum class Triangle : std::uint8_t { lower, upper };

Tensor keep_triangle(const char* op, const Tensor& x, std::int64_t diagonal, Triangle triangle) {
  check_input(op, x);
  check(x.rank() >= 2, "{}: x must have two axes or more, its shape is {}", op, x.shape());
  const std::int64_t rows = x.dim(-2);
  const std::int64_t columns = x.dim(-1);
  const std::int64_t shift = std::clamp(diagonal, -rows, columns) + (triangle == Triangle::lower ? 1 : 0);
  Tensor result = zeros(x.shape(), x.dtype());
  const std::size_t bytes = size_of(x.dtype());
  const auto* from = Access::data<std::byte>(x);
  auto* to = Access::mutable_data<std::byte>(result);
  const std::int64_t all_rows = columns == 0 ? 0 : x.numel() / columns;
  for (std::int64_t row = 0; row < all_rows; ++row) {
    const std::int64_t bound = std::clamp<std::int64_t>(row % rows + shift, 0, columns);
    const std::int64_t begin = triangle == Triangle::lower ? 0 : bound;
    const std::int64_t end = triangle == Triangle::lower ? bound : columns;
    const auto offset = static_cast<std::size_t>(row * columns + begin) * bytes;
    std::memcpy(to + offset, from + offset, static_cast<std::size_t>(end - begin) * bytes);
  }
  return record(op, std::move(result),
                wrt(x, [=](const Tensor& g) { return keep_triangle(op, g, diagonal, triangle); }));
}

}  // namespace

Tensor tril(const Tensor& x, std::int64_t diagonal) { return keep_triangle("tril", x, diagonal, Triangle::lower); }

Tensor triu(const Tensor& x, std::int64_t diagonal) { return keep_triangle("triu", x, diagonal, Triangle::upper); }

namespace {

/// Where the diagonal `offset` above the main one lies in matrices of [rows, columns].
struct Diagonal {
  Diagonal(std::int64_t rows, std::int64_t columns, std::int64_t offset) {
    offset = std::clamp(offset, -rows, columns);
    length = std::max<std::int64_t>(
        0, std::min(rows + std::min<std::int64_t>(offset, 0), columns - std::max<std::int64_t>(offset, 0)));
    first = offset >= 0 ? offset : -offset * columns;
    step = columns + 1;
    matrix = rows * columns;
  }

  std::int64_t length;
  std::int64_t first;   // elements before it in a matrix
  std::int64_t step;    // from one element to the next
  std::int64_t matrix;  // elements of a matrix
};

}  // namespace

Tensor diagonal(const Tensor& x, std::int64_t offset) {
  check_input("diagonal", x);
  check(x.rank() >= 2, "diagonal: x must have two axes or more, its shape is {}", x.shape());
  const Diagonal place(x.dim(-2), x.dim(-1), offset);
  Tensor result = Access::allocate(x.shape().removed(x.rank() - 1).with(x.rank() - 2, place.length), x.dtype());
  const auto bytes = static_cast<std::int64_t>(size_of(x.dtype()));
  const std::int64_t matrices = place.length == 0 ? 0 : result.numel() / place.length;
  for (std::int64_t i = 0; i < matrices; ++i) {
    kernels::copy_runs(Access::data<std::byte>(x) + (i * place.matrix + place.first) * bytes, place.step * bytes,
                       Access::mutable_data<std::byte>(result) + i * place.length * bytes, bytes, place.length, bytes);
  }
  return record("diagonal", std::move(result), wrt(x, [shape = x.shape(), offset](const Tensor& g) {
                  return detail::place_diagonal(g, shape, offset);
                }));
}

Tensor detail::place_diagonal(const Tensor& d, const Shape& shape, std::int64_t offset) {
  const Diagonal place(shape[shape.rank() - 2], shape[shape.rank() - 1], offset);
  Tensor result = zeros(shape, d.dtype());
  const auto bytes = static_cast<std::int64_t>(size_of(d.dtype()));
  const std::int64_t matrices = place.length == 0 ? 0 : d.numel() / place.length;
  for (std::int64_t i = 0; i < matrices; ++i) {
    kernels::copy_runs(Access::data<std::byte>(d) + i * place.length * bytes, bytes,
                       Access::mutable_data<std::byte>(result) + (i * place.matrix + place.first) * bytes,
                       place.step * bytes, place.length, bytes);
  }
  return record("diag", std::move(result), wrt(d, [offset](const Tensor& g) { return diagonal(g, offset); }));
}

Tensor diag(const Tensor& x, std::int64_t offset) {
  check_input("diag", x);
  check(x.rank() == 1 || x.rank() == 2, "diag: x must be a vector or a matrix, its shape is {}", x.shape());
  if (x.rank() == 2) return diagonal(x, offset);
  constexpr std::int64_t limit = std::int64_t{1} << 40;  // beyond it no shape has room
  const std::int64_t size = x.numel() + std::abs(std::clamp(offset, -limit, limit));
  return detail::place_diagonal(x, {size, size}, offset);
}

namespace {

/// The position inside an axis of `size` that position i of the padded axis, 0 being inside, repeats.
std::int64_t repeated_position(std::int64_t i, std::int64_t size, PadMode mode) {
  if (mode == PadMode::replicate) return std::clamp<std::int64_t>(i, 0, size - 1);
  return i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i;
}

}  // namespace

Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           PadMode mode) {
  if (mode == PadMode::constant) return pad(x, before, after, 0.0);
  check_input("pad", x);
  const auto rank = static_cast<std::size_t>(x.rank());
  check(before.size() == rank && after.size() == rank,
        "pad: before and after have {} and {} entries; x of shape {} has {} axes", before.size(), after.size(),
        x.shape(), rank);
  Tensor result = x;
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    const std::int64_t above = before[static_cast<std::size_t>(axis)];
    const std::int64_t below = after[static_cast<std::size_t>(axis)];
    const std::int64_t size = x.shape()[axis];
    detail::check_padding(axis, above, below);
    if (above + below == 0) continue;
    const std::int64_t most = mode == PadMode::reflect ? size - 1 : std::numeric_limits<std::int64_t>::max();
    check(size > 0 && std::max(above, below) <= most,
          "pad: axis {} of size {} cannot be padded with {} before and {} after by its own elements", axis, size, above,
          below);
    Tensor positions = Access::allocate({above + size + below}, DType::int64);
    auto* position = Access::mutable_data<std::int64_t>(positions);
    for (std::int64_t i = -above; i < size + below; ++i) *position++ = repeated_position(i, size, mode);
    result = index_select(result, axis, positions);
  }
  return result;
}

}  // namespace wengert
