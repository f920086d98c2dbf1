#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <wengert/autograd/parallel.h>
#include <wengert/autograd/simd.h>

#include "autograd/kernels/gemm_small.h"
#include "autograd/kernels/workspace.h"

/// \file
/// Products whose operands do not fit the nearest caches. B is copied into panels as wide as a tile of C, once for each
/// block of k, and then read in order, aligned; A is read where it lies unless its columns lie apart. (Goto and van de
/// Geijn, Anatomy of high-performance matrix multiplication, 2008, with the two sides exchanged as C is row-major.)

namespace wengert::kernels {

namespace detail {

template <class T>
inline constexpr std::int64_t panel_width = tile_packs * Pack<T>::size;

/// A number of columns with those that fill the last packet.
template <class T>
constexpr std::int64_t whole_packets(std::int64_t columns) {
  return (columns + Pack<T>::size - 1) / Pack<T>::size * Pack<T>::size;
}

/// Rows of B in a block: a panel stays in the second cache while the rows of A go by.
inline constexpr std::int64_t block_depth = 384;
/// Columns of B in a block, so that the copy stays small.
inline constexpr std::int64_t block_columns = 3072;
/// Rows of C in a block: those of A stay in the second cache while the panels go by.
inline constexpr std::int64_t block_rows = 96;

/// `depth` rows of a panel, at most `panel_width` columns, from B^T: [columns, depth], whose rows are `stride` apart.
/// Whole packets, with zeros behind the last column.
template <class T>
void pack_transposed(const T* b, std::int64_t stride, std::int64_t depth, std::int64_t columns, T* panel) {
  constexpr std::int64_t size = Pack<T>::size;
  const std::int64_t width = whole_packets<T>(columns);
  for (std::int64_t j = 0; j < columns; j += size) {
    for (std::int64_t p = 0; p < depth; p += size) {
      transpose_square<true>(b + j * stride + p, stride, panel + p * width + j, width, std::min(size, depth - p),
                             std::min(size, columns - j));
    }
  }
}

/// Row `p` of B, in the order in which it lies in memory, spread over panels that are `depth` rows deep.
template <class T>
void pack_row(const T* row, std::int64_t columns, std::int64_t p, std::int64_t depth, T* panels) {
  constexpr std::int64_t size = Pack<T>::size;
  constexpr std::int64_t full = panel_width<T>;
  for (std::int64_t j = 0; j < columns; j += full) {
    const std::int64_t count = std::min(full, columns - j);
    T* to = panels + j * depth + p * whole_packets<T>(count);
    for (std::int64_t u = 0; u < count; u += size) {
      (count - u >= size ? Pack<T>::load(row + j + u) : load_or_zero(row + j + u, count - u)).store(to + u);
    }
  }
}

/// All rows of C for one panel.
template <class T>
void multiply_panel(std::int64_t m, std::int64_t k, Elements<T> a, const T* panel, std::int64_t columns, Start<T> start,
                    T* c, std::int64_t c_stride) {
  constexpr std::int64_t size = Pack<T>::size;
  const std::int64_t last = (columns - 1) % size + 1;
  with_count<tile_packs>((columns + size - 1) / size, [&]<int packs>() {
    last == size ? columns_of_rows<packs, Tail::none>(m, k, a, panel, packs * size, start, c, c_stride, last)
                 : columns_of_rows<packs, Tail::padded>(m, k, a, panel, packs * size, start, c, c_stride, last);
  });
}

/// `x / step`, rounded up.
constexpr std::int64_t parts(std::int64_t x, std::int64_t step) { return (x + step - 1) / step; }

/// `columns` columns of `depth` rows of op(B), whose first element `b` is, as panels, one behind the other.
template <class T>
void pack(const Factor<T>& b, std::int64_t depth, std::int64_t columns, T* panels) {
  constexpr std::int64_t width = panel_width<T>;
  constexpr std::int64_t grain = 1 << 15;  // elements
  if (b.trans == Trans::no) {
    parallel_for(depth, parts(grain, columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t p = begin; p < end; ++p) pack_row(b.data + p * b.stride, columns, p, depth, panels);
    });
  } else {
    parallel_for(parts(columns, width), parts(grain, width * depth), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t j = begin * width; j < std::min(end * width, columns); j += width) {
        pack_transposed(b.data + j * b.stride, b.stride, depth, std::min(width, columns - j), panels + j * depth);
      }
    });
  }
}

/// Rows of C in blocks of about the same size, of whole tiles.
struct RowBlocks {
  explicit RowBlocks(std::int64_t m)
      : rows(m), height(parts(parts(m, parts(m, block_rows)), tile_rows) * tile_rows), count(parts(m, height)) {}

  std::int64_t first(std::int64_t block) const noexcept { return block * height; }
  std::int64_t size(std::int64_t block) const noexcept { return std::min(height, rows - first(block)); }

  std::int64_t rows;
  std::int64_t height;
  std::int64_t count;
};

/// The rows of op(A) = A^T block by block, `depth` elements of each, of which `a` is the first: [depth, rows of the
/// block] each.
template <class T>
void copy_blocks(const T* a, std::int64_t stride, const RowBlocks& blocks, std::int64_t depth, T* to) {
  parallel_for(blocks.count, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t size = blocks.size(block);
      T* rows = to + blocks.first(block) * depth;
      for (std::int64_t p = 0; p < depth; ++p) std::copy_n(a + p * stride + blocks.first(block), size, rows + p * size);
    }
  });
}

}  // namespace detail

/// C = start + op(A) op(B) on several threads. The terms of each element of C are added in an order that depends on k
/// alone.
template <class T>
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, Factor<T> a, Factor<T> b, detail::Start<T> start, T* c,
                 std::int64_t c_stride) {
  using namespace detail;
  constexpr std::int64_t width = panel_width<T>;
  constexpr std::int64_t grain = std::int64_t{1} << 19;  // multiplications
  const RowBlocks blocks(m);
  const std::int64_t depth = parts(k, parts(k, block_depth));
  const Workspace<T> panels(whole_packets<T>(std::min(n, block_columns)) * depth);
  const Workspace<T> copy(a.trans == Trans::yes ? m * depth : 0);
  for (std::int64_t p = 0; p < k; p += depth) {
    const std::int64_t terms = std::min(depth, k - p);
    if (a.trans == Trans::yes) copy_blocks(a.data + p * a.stride, a.stride, blocks, terms, copy.get());
    for (std::int64_t j = 0; j < n; j += block_columns) {
      const std::int64_t columns = std::min(block_columns, n - j);
      const T* corner = b.trans == Trans::no ? b.data + p * b.stride + j : b.data + j * b.stride + p;
      pack<T>({corner, b.stride, b.trans}, terms, columns, panels.get());
      const std::int64_t count = parts(columns, width);
      const auto multiply = [&](std::int64_t block, std::int64_t panel) {
        const std::int64_t i = blocks.first(block);
        const Elements<T> rows = a.trans == Trans::yes ? Elements<T>{copy.get() + i * terms, 1, blocks.size(block)}
                                                       : Elements<T>{a.data + i * a.stride + p, a.stride, 1};
        const std::int64_t first = panel * width;
        const Start<T> from = p == 0 ? start : Start<T>{c, c_stride};
        multiply_panel(blocks.size(block), terms, rows, panels.get() + first * terms, std::min(width, columns - first),
                       from.at(i, j + first), c + i * c_stride + j + first, c_stride);
      };
      parallel_for(blocks.count * count, parts(grain, blocks.height * width * terms),
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t task = begin; task < end; ++task) multiply(task / count, task % count);
                   });
    }
  }
}

}  // namespace wengert::kernels
