#include "autograd/kernels/resize.h"

#include <algorithm>

#include <wengert/autograd/parallel.h>

namespace wengert::kernels {

namespace {

/// Numbers that are worth a thread of their own.
constexpr std::int64_t grain_elements = 1 << 14;

/// f(plane) for all planes, some at a time on each thread.
template <class F>
void for_each_plane(std::int64_t planes, std::int64_t elements, F f) {
  parallel_for(planes, std::max<std::int64_t>(1, grain_elements / elements), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) f(plane);
  });
}

std::int64_t size(const Taps& taps) { return static_cast<std::int64_t>(taps.size()); }

/// From a to b; exact for weight 0 and where a = b.
template <class T>
T blend(T a, T b, double weight) {
  return a + static_cast<T>(weight) * (b - a);
}

template <class T>
T blend(const T* row, const Tap& column) {
  return column.weight == 0 ? row[column.first] : blend(row[column.first], row[column.second], column.weight);
}

template <class T>
void add(T value, const Tap& column, T* row) {
  const T beyond = static_cast<T>(column.weight) * value;
  row[column.first] += value - beyond;
  if (column.weight != 0) row[column.second] += beyond;
}

}  // namespace

template <class T>
void resize(std::int64_t planes, std::int64_t height, std::int64_t width, const Taps& rows, const Taps& columns,
            const T* x, T* y) {
  const std::int64_t positions = size(rows) * size(columns);
  for_each_plane(planes, std::max(height * width, positions), [&](std::int64_t plane) {
    const T* image = x + plane * height * width;
    T* out = y + plane * positions;
    for (const Tap& row : rows) {
      const T* first = image + row.first * width;
      if (row.weight == 0) {
        for (const Tap& column : columns) *out++ = blend(first, column);
        continue;
      }
      const T* second = image + row.second * width;
      for (const Tap& column : columns) *out++ = blend(blend(first, column), blend(second, column), row.weight);
    }
  });
}

template <class T>
void resize_adjoint(std::int64_t planes, std::int64_t height, std::int64_t width, const Taps& rows, const Taps& columns,
                    const T* y, T* x) {
  const std::int64_t positions = size(rows) * size(columns);
  for_each_plane(planes, std::max(height * width, positions), [&](std::int64_t plane) {
    T* image = x + plane * height * width;
    std::fill_n(image, height * width, T(0));
    const T* from = y + plane * positions;
    for (const Tap& row : rows) {
      T* first = image + row.first * width;
      if (row.weight == 0) {
        for (const Tap& column : columns) add(*from++, column, first);
        continue;
      }
      T* second = image + row.second * width;
      for (const Tap& column : columns) {
        const T value = *from++;
        const T beyond = static_cast<T>(row.weight) * value;
        add(value - beyond, column, first);
        add(beyond, column, second);
      }
    }
  });
}

template void resize(std::int64_t, std::int64_t, std::int64_t, const Taps&, const Taps&, const float*, float*);
template void resize(std::int64_t, std::int64_t, std::int64_t, const Taps&, const Taps&, const double*, double*);
template void resize_adjoint(std::int64_t, std::int64_t, std::int64_t, const Taps&, const Taps&, const float*, float*);
template void resize_adjoint(std::int64_t, std::int64_t, std::int64_t, const Taps&, const Taps&, const double*,
                             double*);

}  // namespace wengert::kernels
