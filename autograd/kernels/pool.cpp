#include "autograd/kernels/pool.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include <wengert/autograd/parallel.h>
#include <wengert/autograd/simd.h>

namespace wengert::kernels {

namespace {

using simd::Pack;

/// Numbers that are worth a thread of their own.
constexpr std::int64_t grain_elements = 1 << 15;

/// f(plane) for all planes, some at a time on each thread.
template <class F>
void for_each_plane(const PoolSizes& sizes, F f) {
  const std::int64_t elements = std::max<std::int64_t>({1, sizes.image(), sizes.windows()});
  parallel_for(sizes.planes, std::max<std::int64_t>(1, grain_elements / elements),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t plane = begin; plane < end; ++plane) f(plane);
               });
}

/// The part of window `i` that lies on the image.
struct Span {
  Span(const PoolAxis& axis, std::int64_t i)
      : first(std::max<std::int64_t>(i * axis.stride - axis.before, 0)),
        last(std::min(i * axis.stride - axis.before + axis.kernel, axis.size)) {}

  std::int64_t first;
  std::int64_t last;
};

bool is_two_by_two(const PoolSizes& sizes) {
  const auto halves = [](const PoolAxis& axis) { return axis.kernel == 2 && axis.stride == 2 && axis.before == 0; };
  return halves(sizes.rows) && halves(sizes.columns);
}

/// Whether `value` takes over from `best`: NaN does from any number, and nothing does from NaN.
template <class T>
auto beats(T value, T best) {
  return (!(value <= best)) & (best == best);
}

/// Every second number of two packets that follow each other in memory, from number `first` on.
template <int first, class T, std::size_t... I>
[[gnu::always_inline]] inline Pack<T> every_second(Pack<T> a, Pack<T> b, std::index_sequence<I...>) {
  return Pack<T>(__builtin_shufflevector(a.vector(), b.vector(), (2 * static_cast<int>(I) + first)...));
}

template <class T, std::size_t lanes>
struct VectorOf {
  typedef T Type __attribute__((vector_size(lanes * sizeof(T))));
};

/// A row of windows of 2 x 2 in two rows of the image, `width` wide; `pixel` is the first one's.
template <bool tells, class T>
void max_of_two_rows(const T* upper, const T* lower, std::int64_t windows, Pixel pixel, Pixel width, T* y,
                     Pixel* winner) {
  constexpr std::int64_t lanes = Pack<T>::size;
  using Offsets = typename simd::Mask<T>::Bits;
  using Pixels = typename VectorOf<Pixel, lanes>::Type;
  Pixels starts{};
  for (std::int64_t lane = 0; lane < lanes; ++lane) starts[lane] = pixel + static_cast<Pixel>(2 * lane);
  Offsets to_right, to_below, to_diagonal;
  for (std::int64_t lane = 0; lane < lanes; ++lane) {
    to_right[lane] = 1;
    to_below[lane] = width;
    to_diagonal[lane] = width + 1;
  }
  std::int64_t j = 0;
  for (; j + lanes <= windows; j += lanes, starts += static_cast<Pixel>(2 * lanes)) {
    const auto load = [j](const T* row, auto first) {
      return every_second<first>(Pack<T>::load(row + 2 * j), Pack<T>::load(row + 2 * j + lanes),
                                 std::make_index_sequence<lanes>());
    };
    constexpr std::integral_constant<int, 0> left;
    constexpr std::integral_constant<int, 1> right;
    Pack<T> best = load(upper, left);
    Offsets offset{};
    const auto challenge = [&](Pack<T> value, Offsets at) {
      const simd::Mask<T> wins = beats(value, best);
      offset = wins.bits() ? at : offset;
      best = where(wins, value, best);
    };
    challenge(load(upper, right), to_right);
    challenge(load(lower, left), to_below);
    challenge(load(lower, right), to_diagonal);
    best.store(y + j);
    if constexpr (tells) {
      const Pixels pixels = starts + __builtin_convertvector(offset, Pixels);
      std::memcpy(winner + j, &pixels, sizeof pixels);
    }
  }
  for (; j < windows; ++j) {
    const T* candidates[] = {upper + 2 * j, upper + 2 * j + 1, lower + 2 * j, lower + 2 * j + 1};
    const Pixel offsets[] = {0, 1, width, width + 1};
    int best = 0;
    for (int i = 1; i < 4; ++i) best = beats(*candidates[i], *candidates[best]) ? i : best;
    y[j] = *candidates[best];
    if constexpr (tells) winner[j] = pixel + static_cast<Pixel>(2 * j) + offsets[best];
  }
}

template <class T>
Pixel largest_pixel(const T* x, std::int64_t width, Span rows, Span columns) {
  std::int64_t best = rows.first * width + columns.first;
  for (std::int64_t r = rows.first; r < rows.last; ++r) {
    for (std::int64_t c = columns.first; c < columns.last; ++c) {
      if (beats(x[r * width + c], x[best])) best = r * width + c;
    }
  }
  return static_cast<Pixel>(best);
}

}  // namespace

template <class T>
void max_of_windows(const PoolSizes& sizes, const T* x, T* y, Pixel* winner) {
  const std::int64_t width = sizes.columns.size;
  for_each_plane(sizes, [&](std::int64_t plane) {
    const T* image = x + plane * sizes.image();
    for (std::int64_t i = 0; i < sizes.rows.out; ++i) {
      const std::int64_t at = plane * sizes.windows() + i * sizes.columns.out;
      if (is_two_by_two(sizes)) {
        const T* upper = image + 2 * i * width;
        const auto first = static_cast<Pixel>(2 * i * width);
        if (winner) {
          max_of_two_rows<true>(upper, upper + width, sizes.columns.out, first, static_cast<Pixel>(width), y + at,
                                winner + at);
        } else {
          max_of_two_rows<false>(upper, upper + width, sizes.columns.out, first, static_cast<Pixel>(width), y + at,
                                 nullptr);
        }
        continue;
      }
      for (std::int64_t j = 0; j < sizes.columns.out; ++j) {
        const Pixel best = largest_pixel(image, width, Span(sizes.rows, i), Span(sizes.columns, j));
        y[at + j] = image[best];
        if (winner) winner[at + j] = best;
      }
    }
  });
}

template <class T>
void scatter_to_winners(const PoolSizes& sizes, const T* y, const Pixel* winner, T* x) {
  for_each_plane(sizes, [&](std::int64_t plane) {
    T* image = x + plane * sizes.image();
    std::fill_n(image, sizes.image(), T(0));
    const std::int64_t end = (plane + 1) * sizes.windows();
    for (std::int64_t at = plane * sizes.windows(); at < end; ++at) image[winner[at]] += y[at];
  });
}

template <class T>
void gather_from_winners(const PoolSizes& sizes, const T* x, const Pixel* winner, T* y) {
  for_each_plane(sizes, [&](std::int64_t plane) {
    const T* image = x + plane * sizes.image();
    const std::int64_t end = (plane + 1) * sizes.windows();
    for (std::int64_t at = plane * sizes.windows(); at < end; ++at) y[at] = image[winner[at]];
  });
}

template <class T>
void mean_of_windows(const PoolSizes& sizes, const T* x, T* y) {
  const std::int64_t width = sizes.columns.size;
  const T share = T(1) / static_cast<T>(sizes.rows.kernel * sizes.columns.kernel);
  for_each_plane(sizes, [&](std::int64_t plane) {
    const T* image = x + plane * sizes.image();
    T* out = y + plane * sizes.windows();
    for (std::int64_t i = 0; i < sizes.rows.out; ++i, out += sizes.columns.out) {
      if (is_two_by_two(sizes)) {
        const T* upper = image + 2 * i * width;
        const T* lower = upper + width;
        for (std::int64_t j = 0; j < sizes.columns.out; ++j) {
          out[j] = ((upper[2 * j] + upper[2 * j + 1]) + (lower[2 * j] + lower[2 * j + 1])) * share;
        }
        continue;
      }
      const Span rows(sizes.rows, i);
      for (std::int64_t j = 0; j < sizes.columns.out; ++j) {
        const Span columns(sizes.columns, j);
        T sum = 0;
        for (std::int64_t r = rows.first; r < rows.last; ++r) {
          for (std::int64_t c = columns.first; c < columns.last; ++c) sum += image[r * width + c];
        }
        out[j] = sum * share;
      }
    }
  });
}

template <class T>
void spread_over_windows(const PoolSizes& sizes, const T* y, T* x) {
  const std::int64_t width = sizes.columns.size;
  const T share = T(1) / static_cast<T>(sizes.rows.kernel * sizes.columns.kernel);
  for_each_plane(sizes, [&](std::int64_t plane) {
    T* image = x + plane * sizes.image();
    const T* from = y + plane * sizes.windows();
    std::fill_n(image, sizes.image(), T(0));
    for (std::int64_t i = 0; i < sizes.rows.out; ++i, from += sizes.columns.out) {
      const Span rows(sizes.rows, i);
      for (std::int64_t j = 0; j < sizes.columns.out; ++j) {
        const Span columns(sizes.columns, j);
        const T value = from[j] * share;
        for (std::int64_t r = rows.first; r < rows.last; ++r) {
          for (std::int64_t c = columns.first; c < columns.last; ++c) image[r * width + c] += value;
        }
      }
    }
  });
}

template void max_of_windows(const PoolSizes&, const float*, float*, Pixel*);
template void max_of_windows(const PoolSizes&, const double*, double*, Pixel*);
template void scatter_to_winners(const PoolSizes&, const float*, const Pixel*, float*);
template void scatter_to_winners(const PoolSizes&, const double*, const Pixel*, double*);
template void gather_from_winners(const PoolSizes&, const float*, const Pixel*, float*);
template void gather_from_winners(const PoolSizes&, const double*, const Pixel*, double*);
template void mean_of_windows(const PoolSizes&, const float*, float*);
template void mean_of_windows(const PoolSizes&, const double*, double*);
template void spread_over_windows(const PoolSizes&, const float*, float*);
template void spread_over_windows(const PoolSizes&, const double*, double*);

}  // namespace wengert::kernels
