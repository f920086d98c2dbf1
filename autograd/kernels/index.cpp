#include "autograd/kernels/index.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <wengert/autograd/parallel.h>

namespace wengert::kernels {

namespace {

using detail::Access;

constexpr std::int64_t grain = 1 << 14;  // elements

template <class T>
T added(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    using Unsigned = std::make_unsigned_t<T>;  // wraps around
    return static_cast<T>(static_cast<Unsigned>(a) + static_cast<Unsigned>(b));
  } else {
    return a + b;
  }
}

/// Calls `visit(i, j)` for every element i of index in row-major order, j being the element of a tensor of shape
/// `whole` that it names. Chunks share no position before `axis`, so no two of them name the same element.
template <class F>
void for_each_named(const Shape& whole, int axis, const Tensor& index, F visit) {
  if (index.numel() == 0) return;
  const Shape& part = index.shape();
  const int last = part.rank() - 1;
  const std::int64_t* indices = Access::data<std::int64_t>(index);
  const std::int64_t axis_stride = whole.numel(axis + 1, whole.rank());
  const std::int64_t outer = part.numel(0, axis);
  const std::int64_t rows_per_outer = axis == last ? 1 : part.numel(axis, last);
  const std::int64_t length = part[last];
  const std::int64_t along_row = axis == last ? 0 : 1;
  const auto row_start = [&](std::int64_t row) {
    std::int64_t offset = 0;
    for (int a = last - 1; a >= 0; --a) {
      if (a != axis) offset += row % part[a] * whole.numel(a + 1, whole.rank());
      row /= part[a];
    }
    return offset;
  };
  parallel_for(outer, std::max<std::int64_t>(1, grain / (rows_per_outer * length)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin * rows_per_outer; row < end * rows_per_outer; ++row) {
                   const std::int64_t start = row_start(row);
                   for (std::int64_t k = 0; k < length; ++k) {
                     const std::int64_t i = row * length + k;
                     visit(i, start + k * along_row + indices[i] * axis_stride);
                   }
                 }
               });
}

}  // namespace

void gather(const Tensor& x, int axis, const Tensor& index, const Tensor& y) {
  dispatch(x.dtype(), [&]<class T>() {
    const T* from = Access::data<T>(x);
    T* to = Access::mutable_data<T>(y);
    for_each_named(x.shape(), axis, index, [=](std::int64_t i, std::int64_t j) { to[i] = from[j]; });
  });
}

void scatter_add(const Tensor& source, int axis, const Tensor& index, const Tensor& y) {
  dispatch(source.dtype(), [&]<class T>() {
    const T* from = Access::data<T>(source);
    T* to = Access::mutable_data<T>(y);
    for_each_named(y.shape(), axis, index, [=](std::int64_t i, std::int64_t j) { to[j] = added(to[j], from[i]); });
  });
}

void scatter(const Tensor& source, int axis, const Tensor& index, const Tensor& y) {
  dispatch(source.dtype(), [&]<class T>() {
    const T* from = Access::data<T>(source);
    T* to = Access::mutable_data<T>(y);
    for_each_named(y.shape(), axis, index, [=](std::int64_t i, std::int64_t j) { to[j] = from[i]; });
  });
}

void index_select(const Tensor& x, int axis, const Tensor& index, const Tensor& y) {
  const std::int64_t count = index.numel();
  const std::int64_t size = x.shape()[axis];
  const std::int64_t inner = x.shape().numel(axis + 1, x.rank());
  if (inner == 0) return;
  const std::int64_t* indices = Access::data<std::int64_t>(index);
  const auto bytes = static_cast<std::size_t>(inner) * size_of(x.dtype());
  const auto* from = Access::data<std::byte>(x);
  auto* to = Access::mutable_data<std::byte>(y);
  const auto copy = [&](auto fixed_bytes) {
    const std::size_t run = fixed_bytes == 0 ? bytes : fixed_bytes;
    parallel_for(x.shape().numel(0, axis) * count, std::max<std::int64_t>(1, grain / inner),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const std::int64_t source = row / count * size + indices[row % count];
                     std::memcpy(to + static_cast<std::size_t>(row) * run,
                                 from + static_cast<std::size_t>(source) * run, run);
                   }
                 });
  };
  if (bytes == 4)
    copy(std::integral_constant<std::size_t, 4>());
  else if (bytes == 8)
    copy(std::integral_constant<std::size_t, 8>());
  else
    copy(std::integral_constant<std::size_t, 0>());
}

void index_add(const Tensor& source, int axis, const Tensor& index, const Tensor& y) {
  constexpr std::int64_t panel = 64;  // columns of a task: rows stay in order within each
  const std::int64_t count = index.numel();
  const std::int64_t size = y.shape()[axis];
  const std::int64_t inner = y.shape().numel(axis + 1, y.rank());
  const std::int64_t panels = (inner + panel - 1) / panel;
  const std::int64_t* indices = Access::data<std::int64_t>(index);
  dispatch(source.dtype(), [&]<class T>() {
    const T* from = Access::data<T>(source);
    T* to = Access::mutable_data<T>(y);
    const std::int64_t task_size = std::max<std::int64_t>(1, count * std::min(inner, panel));
    parallel_for(y.shape().numel(0, axis) * panels, std::max<std::int64_t>(1, grain / task_size),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t task = begin; task < end; ++task) {
                     const std::int64_t outer = task / panels;
                     const std::int64_t column = task % panels * panel;
                     const std::int64_t width = std::min(panel, inner - column);
                     for (std::int64_t k = 0; k < count; ++k) {
                       const T* in = from + (outer * count + k) * inner + column;
                       T* out = to + (outer * size + indices[k]) * inner + column;
                       for (std::int64_t c = 0; c < width; ++c) out[c] = added(out[c], in[c]);
                     }
                   }
                 });
  });
}

}  // namespace wengert::kernels
