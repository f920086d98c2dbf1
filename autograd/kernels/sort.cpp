#include "autograd/kernels/sort.h"

#include <algorithm>
#include <vector>

#include <wengert/autograd/parallel.h>

namespace wengert::kernels {

namespace {

using detail::Access;

/// Elements that one task of a parallel loop sorts.
constexpr std::int64_t grain = 1 << 12;

template <class T>
struct Entry {
  T value;
  std::int64_t position;
};

template <class T>
bool less(T a, T b) {
  return a < b || (b != b && a == a);
}

/// A strict order without ties, so that every way of sorting gives the same.
template <bool descending, class T>
bool comes_before(const Entry<T>& a, const Entry<T>& b) {
  if (descending ? less(b.value, a.value) : less(a.value, b.value)) return true;
  if (descending ? less(a.value, b.value) : less(b.value, a.value)) return false;
  return a.position < b.position;
}

template <bool descending, class T>
void argsort_columns(const T* x, std::int64_t rows, std::int64_t inner, std::int64_t count, std::int64_t* indices,
                     std::int64_t begin, std::int64_t end) {
  std::vector<Entry<T>> entries(static_cast<std::size_t>(rows));
  for (std::int64_t column = begin; column < end; ++column) {
    const std::int64_t outer = column / inner;
    const T* from = x + outer * rows * inner + column % inner;
    for (std::int64_t row = 0; row < rows; ++row) entries[static_cast<std::size_t>(row)] = {from[row * inner], row};
    if (count == rows)
      std::sort(entries.begin(), entries.end(), comes_before<descending, T>);
    else
      std::partial_sort(entries.begin(), entries.begin() + count, entries.end(), comes_before<descending, T>);
    std::int64_t* to = indices + outer * count * inner + column % inner;
    for (std::int64_t k = 0; k < count; ++k) to[k * inner] = entries[static_cast<std::size_t>(k)].position;
  }
}

}  // namespace

void argsort(const Tensor& x, std::int64_t outer, std::int64_t rows, std::int64_t inner, bool descending,
             std::int64_t count, const Tensor& indices) {
  dispatch(x.dtype(), [&]<class T>() {
    const T* in = Access::data<T>(x);
    std::int64_t* out = Access::mutable_data<std::int64_t>(indices);
    const std::int64_t per_chunk = std::max<std::int64_t>(1, grain / std::max<std::int64_t>(1, rows));
    parallel_for(count == 0 ? 0 : outer * inner, per_chunk, [&](std::int64_t begin, std::int64_t end) {
      descending ? argsort_columns<true>(in, rows, inner, count, out, begin, end)
                 : argsort_columns<false>(in, rows, inner, count, out, begin, end);
    });
  });
}

}  // namespace wengert::kernels
