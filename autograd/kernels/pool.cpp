#include "autograd/kernels/pool.h"

#include <algorithm>
#include <cstring>
#include <limits>
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

/// What window `i` covers of one axis: the elements first, first + dilation, ... before `last` of the image.
struct Span {
  Span(const PoolAxis& axis, std::int64_t i) {
    if (axis.kernel == 0) {
      first = i * axis.size / axis.out;
      last = ((i + 1) * axis.size + axis.out - 1) / axis.out;
      padded = last - first;
      return;
    }
    const std::int64_t begin = i * axis.stride - axis.before;
    const std::int64_t end = begin + (axis.kernel - 1) * axis.dilation + 1;
    // The first element that is not in the padding.
    first = begin >= 0 ? begin : begin + (axis.dilation - 1 - begin) / axis.dilation * axis.dilation;
    last = std::min(end, axis.size);
    padded = std::min(end, axis.size + axis.after) - begin;
  }

  std::int64_t size() const noexcept { return last - first; }

  std::int64_t first;
  std::int64_t last;
  std::int64_t padded;  // size inside the padded image
};

struct Window {
  Span slices;
  Span rows;
  Span columns;
};

/// `f(at, slices, rows)` for each row of windows of a plane, `at` being the number of its first one.
template <class F>
WENGERT_SIMD_INLINE void for_each_row(const PoolSizes& sizes, F f) {
  const auto& [depth, rows, columns] = sizes.axes;
  std::int64_t at = 0;
  for (std::int64_t k = 0; k < depth.out; ++k) {
    const Span slices(depth, k);
    for (std::int64_t i = 0; i < rows.out; ++i, at += columns.out) f(at, slices, Span(rows, i));
  }
}

/// `f(start)` for each row of the image that windows cover, `start` being its first pixel.
template <class F>
WENGERT_SIMD_INLINE void for_each_line(const PoolSizes& sizes, const Span& slices, const Span& rows, F f) {
  const auto& [depth, height, width] = sizes.axes;
  for (std::int64_t s = slices.first; s < slices.last; s += depth.dilation) {
    for (std::int64_t r = rows.first; r < rows.last; r += height.dilation) f((s * height.size + r) * width.size);
  }
}

/// The same, unrolled for windows of 2 x 2, the most common ones, whose number of columns is a constant.
template <class Kernel, class F>
WENGERT_SIMD_INLINE void for_each_line(const PoolSizes& sizes, const Span& slices, const Span& rows, Kernel /*columns*/,
                                       F f) {
  if constexpr (!std::is_same_v<Kernel, std::int64_t>) {
    const auto& [depth, height, width] = sizes.axes;
    if (slices.size() == 1 && rows.size() == 2 && height.dilation == 1) {
      const std::int64_t start = (slices.first * height.size + rows.first) * width.size;
      f(start);
      f(start + width.size);
      return;
    }
  }
  for_each_line(sizes, slices, rows, f);
}

/// The windows begin, ..., end - 1 of a row, which no side of the image cuts; none of an adaptive axis.
struct Uncut {
  explicit Uncut(const PoolAxis& axis) {
    const std::int64_t extent = (axis.kernel - 1) * axis.dilation + 1;
    if (axis.kernel == 0 || axis.size + axis.before < extent) return;
    const std::int64_t first = (axis.before + axis.stride - 1) / axis.stride;
    const std::int64_t last = std::min(axis.out, (axis.size + axis.before - extent) / axis.stride + 1);
    if (last <= first) return;
    begin = first;
    end = last;
  }

  std::int64_t size() const noexcept { return end - begin; }

  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// Which lanes of a packet are windows: all of them, or the first few, of a row that has no more.
template <class T>
struct AllLanes {
  static constexpr bool all = true;
  static constexpr std::int64_t count = Pack<T>::size;

  /// The first `numbers` at p, or more.
  WENGERT_SIMD_INLINE Pack<T> load(const T* p, std::int64_t /*numbers*/) const { return Pack<T>::load(p); }
  WENGERT_SIMD_INLINE void store(Pack<T> pack, T* p) const { pack.store(p); }
};
template <class T>
struct FirstLanes {
  static constexpr bool all = false;
  std::int64_t count;

  WENGERT_SIMD_INLINE Pack<T> load(const T* p, std::int64_t numbers) const {
    return Pack<T>::load_partial(p, std::clamp<std::int64_t>(numbers, 0, Pack<T>::size));
  }
  WENGERT_SIMD_INLINE void store(Pack<T> pack, T* p) const { pack.store_partial(p, count); }
};

/// `packet(j, lanes, stride, kernel)` for packets of uncut windows of a row, `one(j)` for each of the others. Where the
/// last of several packets would run over, it goes back a bit, and some windows are computed twice.
template <class T, class One, class Packet>
WENGERT_SIMD_INLINE void for_each_window(const PoolAxis& axis, const Uncut& uncut, One one, Packet packet) {
  for (std::int64_t j = 0; j < uncut.begin; ++j) one(j);
  const auto packets = [&](auto stride, auto kernel) {
    constexpr std::int64_t lanes = Pack<T>::size;
    if (uncut.size() < lanes) {
      if (uncut.size() > 0) packet(uncut.begin, FirstLanes<T>{uncut.size()}, stride, kernel);
      return;
    }
    for (std::int64_t j = uncut.begin; j < uncut.end; j += lanes) {
      packet(std::min(j, uncut.end - lanes), AllLanes<T>(), stride, kernel);
    }
  };
  const std::integral_constant<int, 1> one_by_one;
  const std::integral_constant<int, 2> every_second;
  if (axis.stride == 1) {
    packets(one_by_one, axis.kernel);
  } else if (axis.stride > 2) {
    packets(axis.stride, axis.kernel);
  } else if (axis.kernel == 2) {
    packets(every_second, every_second);  // a known number unrolls the loop
  } else {
    packets(every_second, axis.kernel);
  }
  for (std::int64_t j = uncut.end; j < axis.out; ++j) one(j);
}

/// Where a packet of windows lies: its lines and first column, and the number of its first window in the plane.
struct Place {
  const Span& slices;
  const Span& rows;
  std::int64_t column;
  std::int64_t window;
};

/// `f(lanes)`, or f of all lanes if there is memory of the plane behind the row, in image and result: the next rows'
/// first windows come out wrong then, and are written again in their turn. That costs less than parts of packets.
template <class T, class Lanes, class F>
WENGERT_SIMD_INLINE void filled(Lanes lanes, const PoolSizes& sizes, const Place& place, std::int64_t stride,
                                std::int64_t kernel, F f) {
  if constexpr (!Lanes::all) {
    const auto& [depth, height, width] = sizes.axes;
    const std::int64_t last_line = (place.slices.last - 1) * height.size + place.rows.last - 1;
    const std::int64_t numbers = (kernel - 1) * width.dilation + stride * Pack<T>::size;
    if (place.window + Pack<T>::size <= sizes.windows() &&
        last_line * width.size + place.column + numbers <= sizes.image()) {
      return f(AllLanes<T>());
    }
  }
  f(lanes);
}

/// Every second number of a, then of b: the even ones of both, or their odd ones, or the even ones of a and the odd
/// ones of b.
enum class Pick : std::uint8_t { even, odd, even_then_odd };
template <Pick pick, class T, std::size_t... I>
WENGERT_SIMD_INLINE Pack<T> every_second(Pack<T> a, Pack<T> b, std::index_sequence<I...>) {
  constexpr std::size_t half = sizeof...(I) / 2;
  return Pack<T>(__builtin_shufflevector(
      a.vector(), b.vector(),
      static_cast<int>(2 * I + (pick == Pick::odd || (pick == Pick::even_then_odd && I >= half) ? 1 : 0))...));
}

/// `f(numbers, distance)` for the columns of a packet of windows, `stride` apart: the numbers at row, row + stride,
/// ..., then at the places `dilation`, 2 `dilation`, ... behind. Reads nothing that is in no window.
template <class Lanes, class T, class Stride, class Kernel, class F>
WENGERT_SIMD_INLINE void for_each_column(Lanes lanes, const T* row, Stride stride, Kernel kernel, std::int64_t dilation,
                                         F f) {
  constexpr std::int64_t size = Pack<T>::size;
  std::int64_t u = 0;
  if constexpr (std::is_same_v<Stride, std::int64_t>) {
    for (; u < kernel; ++u) {
      T numbers[size] = {};
      for (std::int64_t lane = 0; lane < lanes.count; ++lane) numbers[lane] = row[u * dilation + lane * stride];
      f(Pack<T>::load(numbers), u * dilation);
    }
  } else if constexpr (stride == 1) {
    for (; u < kernel; ++u) f(lanes.load(row + u * dilation, lanes.count), u * dilation);
  } else {
    static_assert(stride == 2);
    constexpr auto indices = std::make_index_sequence<size>();
    for (; Lanes::all && u + 1 < kernel && dilation == 1; u += 2) {  // two columns from the same two packets
      const Pack<T> a = lanes.load(row + u, size);
      const Pack<T> b = lanes.load(row + u + size, size);
      f(every_second<Pick::even>(a, b, indices), u);
      f(every_second<Pick::odd>(a, b, indices), u + 1);
    }
    for (; u < kernel; ++u) {
      const T* column = row + u * dilation;
      // The second packet ends with the column's last number, behind which the image may end.
      const Pack<T> a = lanes.load(column, 2 * lanes.count - 1);
      const Pack<T> b = lanes.load(column + size - 1, 2 * lanes.count - size);
      f(every_second<Pick::even_then_odd>(a, b, indices), u * dilation);
    }
  }
}

/// Whether `value` takes over from `best`: NaN does from any number, and nothing does from NaN.
template <class T>
auto beats(T value, T best) {
  return (!(value <= best)) & (best == best);
}

template <class T, std::size_t lanes>
struct VectorOf {
  typedef T Type __attribute__((vector_size(lanes * sizeof(T))));
};

/// 0, 1, 2, ...
template <std::size_t... I>
constexpr auto lane_numbers(std::index_sequence<I...>) {
  return typename VectorOf<std::uint32_t, sizeof...(I)>::Type{static_cast<std::uint32_t>(I)...};
}

/// The largest numbers of neighbouring windows, whose first column is `column`.
template <bool tells, class Lanes, class Stride, class Kernel, class T>
WENGERT_SIMD_INLINE void max_of_packet(Lanes lanes, const PoolSizes& sizes, const T* image, const Span& slices,
                                       const Span& rows, std::int64_t column, Stride stride, Kernel kernel, T* y,
                                       Pixel* winner) {
  using Offsets = typename simd::Mask<T>::Bits;
  using Lane = std::remove_reference_t<decltype(Offsets{}[0])>;
  // Unsigned, as lanes that are no windows may overflow.
  using Pixels = typename VectorOf<std::uint32_t, Pack<T>::size>::Type;
  const PoolAxis& width = sizes.axes[2];
  const std::int64_t origin = (slices.first * sizes.axes[1].size + rows.first) * width.size + column;
  Pack<T> best = -std::numeric_limits<T>::infinity();
  Offsets offset{};
  for_each_line(sizes, slices, rows, kernel, [&](std::int64_t start) {
    for_each_column(
        lanes, image + start + column, stride, kernel, width.dilation, [&](Pack<T> value, std::int64_t distance) {
          const simd::Mask<T> wins = beats(value, best);
          if constexpr (tells) {
            offset = wins.bits() ? Offsets{} + static_cast<Lane>(start + column + distance - origin) : offset;
          }
          best = where(wins, value, best);
        });
  });
  lanes.store(best, y);
  if constexpr (tells) {
    const Pixels first = lane_numbers(std::make_index_sequence<Pack<T>::size>()) * static_cast<std::uint32_t>(stride) +
                         static_cast<std::uint32_t>(origin);
    const Pixels pixels = first + __builtin_convertvector(offset, Pixels);
    std::memcpy(winner, &pixels, static_cast<std::size_t>(lanes.count) * sizeof(Pixel));
  }
}

template <class T>
Pixel largest_pixel(const PoolSizes& sizes, const T* image, const Window& window) {
  const auto& [depth, height, width] = sizes.axes;
  std::int64_t best = (window.slices.first * height.size + window.rows.first) * width.size + window.columns.first;
  for_each_line(sizes, window.slices, window.rows, [&, step = width.dilation](std::int64_t start) {
    for (std::int64_t pixel = start + window.columns.first; pixel < start + window.columns.last; pixel += step) {
      if (beats(image[pixel], image[best])) best = pixel;
    }
  });
  return static_cast<Pixel>(best);
}

template <bool tells, class T>
void max_of_all(const PoolSizes& sizes, const T* x, T* y, Pixel* winner) {
  const PoolAxis& width = sizes.axes[2];
  const Uncut uncut(width);
  for_each_plane(sizes, [&](std::int64_t plane) {
    const T* image = x + plane * sizes.image();
    for_each_row(sizes, [&](std::int64_t row, const Span& slices, const Span& rows) {
      const std::int64_t at = plane * sizes.windows() + row;
      const auto one = [&](std::int64_t j) {
        const Pixel best = largest_pixel(sizes, image, {slices, rows, Span(width, j)});
        y[at + j] = image[best];
        if constexpr (tells) winner[at + j] = best;
      };
      const auto packet = [&](std::int64_t j, auto lanes, auto stride, auto kernel) {
        const std::int64_t column = j * stride - width.before;
        filled<T>(lanes, sizes, {slices, rows, column, row + j}, stride, kernel, [&](auto some) {
          max_of_packet<tells>(some, sizes, image, slices, rows, column, stride, kernel, y + at + j,
                               tells ? winner + at + j : nullptr);
        });
      };
      for_each_window<T>(width, uncut, one, packet);
    });
  });
}

/// One over the number that the sum of a window is divided by.
template <class T>
class Share {
 public:
  explicit Share(bool counts_padding) : counts_padding_(counts_padding) {}

  T operator()(const Window& window) {
    // In double: with its padding a window may have more elements than 64 bits count.
    const auto product = [](std::int64_t slices, std::int64_t rows, std::int64_t columns) {
      return static_cast<double>(slices) * static_cast<double>(rows) * static_cast<double>(columns);
    };
    const double count = counts_padding_ ? product(window.slices.padded, window.rows.padded, window.columns.padded)
                                         : product(window.slices.size(), window.rows.size(), window.columns.size());
    if (count != count_) {  // neighbours mostly agree, which spares the division
      count_ = count;
      share_ = T(1) / static_cast<T>(count);
    }
    return share_;
  }

 private:
  bool counts_padding_;
  double count_ = 0;
  T share_ = 0;
};

}  // namespace

template <class T>
void max_of_windows(const PoolSizes& sizes, const T* x, T* y, Pixel* winner) {
  if (winner) {
    max_of_all<true>(sizes, x, y, winner);
  } else {
    max_of_all<false>(sizes, x, y, winner);
  }
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
  const PoolAxis& width = sizes.axes[2];
  const Uncut uncut(width);
  for_each_plane(sizes, [&](std::int64_t plane) {
    const T* image = x + plane * sizes.image();
    Share<T> share(sizes.counts_padding);
    for_each_row(sizes, [&](std::int64_t row, const Span& slices, const Span& rows) {
      T* to = y + plane * sizes.windows() + row;
      const T share_of_uncut = share({slices, rows, Span(width, uncut.begin)});
      // Sums of rows, and then their sum, so that a large window rounds less.
      const auto one = [&](std::int64_t j) {
        const Window window{slices, rows, Span(width, j)};
        T sum = 0;
        for_each_line(sizes, slices, rows, [&](std::int64_t start) {
          T of_line = 0;
          for (std::int64_t c = window.columns.first; c < window.columns.last; ++c) of_line += image[start + c];
          sum += of_line;
        });
        to[j] = sum * share(window);
      };
      const auto packet = [&](std::int64_t j, auto lanes, auto stride, auto kernel) {
        const std::int64_t column = j * stride - width.before;
        filled<T>(lanes, sizes, {slices, rows, column, row + j}, stride, kernel, [&](auto some) {
          Pack<T> sum = 0;
          for_each_line(sizes, slices, rows, kernel, [&](std::int64_t start) {
            Pack<T> of_line = 0;
            for_each_column(some, image + start + column, stride, kernel, 1,
                            [&](Pack<T> value, std::int64_t) { of_line += value; });
            sum += of_line;
          });
          some.store(sum * share_of_uncut, to + j);
        });
      };
      for_each_window<T>(width, uncut, one, packet);
    });
  });
}

template <class T>
void spread_over_windows(const PoolSizes& sizes, const T* y, T* x) {
  const PoolAxis& width = sizes.axes[2];
  const Uncut uncut(width);
  for_each_plane(sizes, [&](std::int64_t plane) {
    T* image = x + plane * sizes.image();
    std::fill_n(image, sizes.image(), T(0));
    Share<T> share(sizes.counts_padding);
    for_each_row(sizes, [&](std::int64_t row, const Span& slices, const Span& rows) {
      const T* from = y + plane * sizes.windows() + row;
      const auto one = [&](std::int64_t j) {
        const Window window{slices, rows, Span(width, j)};
        const T value = from[j] * share(window);
        for_each_line(sizes, slices, rows, [&](std::int64_t start) {
          for (std::int64_t c = window.columns.first; c < window.columns.last; ++c) image[start + c] += value;
        });
      };
      const T share_of_uncut = share({slices, rows, Span(width, uncut.begin)});
      for (std::int64_t j = 0; j < uncut.begin; ++j) one(j);
      for_each_line(sizes, slices, rows, [&](std::int64_t start) {
        if (uncut.size() == 0) return;
        for (std::int64_t u = 0; u < width.kernel; ++u) {  // windows in the inner loop, which runs in packets
          const std::int64_t column = start + u - width.before;
          const auto add = [&](auto stride) {
            for (std::int64_t j = uncut.begin; j < uncut.end; ++j) {
              image[column + j * stride] += from[j] * share_of_uncut;
            }
          };
          if (width.stride == 1) {
            add(std::integral_constant<int, 1>());
          } else {
            add(width.stride);
          }
        }
      });
      for (std::int64_t j = uncut.end; j < width.out; ++j) one(j);
    });
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
