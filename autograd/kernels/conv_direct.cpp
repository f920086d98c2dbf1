#include "autograd/kernels/conv_direct.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <wengert/autograd/parallel.h>
#include <wengert/autograd/simd.h>

#include "autograd/kernels/gemm_small.h"
#include "autograd/kernels/im2col.h"
#include "autograd/kernels/workspace.h"

// The image is copied with its padding, so that tap t of position (i, j) lies at i * pitch + j + offset(t) for all
// positions: rows joined to one long row, over which a tap is one fused multiply-add for a packet of positions. Between
// the rows lie a few positions too many, which are computed and dropped. With a stride s the copy is cut into phases:
// phase p holds elements p, p + s, p + 2 s, ... of an axis, and a tap sees every element of one of the phases.

namespace wengert::kernels {

namespace {

using simd::Pack;

/// Multiplications that are worth a thread of their own.
constexpr std::int64_t parallel_from = std::int64_t{1} << 19;
/// Positions taken at a time, a multiple of every packet's size: few enough to stay in the nearest cache.
constexpr std::int64_t chunk = 2048;
constexpr std::int64_t taps_at_a_time = 8;
constexpr std::int64_t most_phases = 8;
/// Channels of a group, and multiplications in all, with which this was measured to be faster than a matrix product.
constexpr std::int64_t most_outputs = 4;
constexpr std::int64_t most_inputs = 64;
constexpr double least_work = 1 << 13;
/// Elements that may be read behind a buffer.
constexpr std::int64_t slack = 8 * simd::register_bytes / 4;

std::int64_t grain_for(std::int64_t work) {
  return std::max<std::int64_t>(1, parallel_from / std::max<std::int64_t>(1, work));
}

std::int64_t reach_of(const ConvAxis& axis) { return (axis.kernel - 1) * axis.dilation / axis.stride; }

/// An axis out of which all elements are taken, with zeros around them.
ConvAxis padded(std::int64_t size, std::int64_t before, std::int64_t length) {
  return {.size = size, .out = length, .before = before};
}

/// The copy of an image: [phases, channels, length of depth, of rows, of columns].
struct Layout {
  Layout(const ConvSizes& of, std::int64_t channel_count) : sizes(of), channels(channel_count) {
    for (std::size_t a = 0; a < 3; ++a) length[a] = sizes.axes[a].out + reach_of(sizes.axes[a]);
    pitch = length[2];
    slice = length[1] * pitch;
    channel = length[0] * slice;
  }

  std::int64_t phases() const { return sizes.axes[0].stride * sizes.axes[1].stride * sizes.axes[2].stride; }
  std::int64_t elements() const { return phases() * channels * channel; }

  /// Calls `f(phase, slices, rows, columns)` with the place of each tap for position 0.
  template <class F>
  void for_each_tap(F f) const {
    const ConvAxis& deep = sizes.axes[0];
    const ConvAxis& down = sizes.axes[1];
    const ConvAxis& across = sizes.axes[2];
    for (std::int64_t w = 0; w < deep.kernel * deep.dilation; w += deep.dilation) {
      for (std::int64_t u = 0; u < down.kernel * down.dilation; u += down.dilation) {
        for (std::int64_t v = 0; v < across.kernel * across.dilation; v += across.dilation) {
          f(((w % deep.stride) * down.stride + u % down.stride) * across.stride + v % across.stride, w / deep.stride,
            u / down.stride, v / across.stride);
        }
      }
    }
  }

  /// Where the taps of all channels lie for position 0, in the order of the kernel.
  std::vector<std::int64_t> offsets() const {
    std::vector<std::int64_t> result;
    for (std::int64_t c = 0; c < channels; ++c) {
      for_each_tap([&](std::int64_t phase, std::int64_t d, std::int64_t i, std::int64_t j) {
        result.push_back((phase * channels + c) * channel + d * slice + i * pitch + j);
      });
    }
    return result;
  }

  /// A phase as the sizes of an im2col with one tap.
  ConvSizes of_phase(std::int64_t phase) const {
    ConvSizes result = sizes;
    for (std::size_t a = 3; a-- > 0; phase /= sizes.axes[a].stride) {
      const ConvAxis& axis = sizes.axes[a];
      result.axes[a] = padded(axis.size, axis.before - phase % axis.stride, length[a]);
      result.axes[a].stride = axis.stride;
    }
    return result;
  }

  ConvSizes sizes;
  std::int64_t channels;
  std::int64_t length[3];
  std::int64_t pitch;
  std::int64_t slice;
  std::int64_t channel;
};

template <class T>
void copy_padded(const Layout& layout, const T* x, T* copy) {
  for (std::int64_t phase = 0; phase < layout.phases(); ++phase) {
    im2col(layout.of_phase(phase), x, layout.channels, copy + phase * layout.channels * layout.channel);
  }
  std::fill_n(copy + layout.elements(), slack, T(0));
}

/// The positions of y with zeros around them, in rows of the layout's pitch.
struct Upstream {
  /// `margin`: whether taps may reach out of the image on any side, not only into the end of the row before.
  Upstream(const Layout& layout, std::int64_t channel_count, bool margin) : channels(channel_count) {
    sizes = layout.sizes;
    for (std::size_t a = 0; a < 3; ++a) {
      const std::int64_t out = layout.sizes.axes[a].out;
      const std::int64_t reach = a == 2 || margin ? reach_of(layout.sizes.axes[a]) : 0;
      sizes.axes[a] = padded(out, reach, out + (a == 2 ? 1 : 2) * reach);
    }
    slice = sizes.axes[1].out * sizes.axes[2].out;
    channel = sizes.axes[0].out * slice;
    origin = sizes.axes[0].before * slice + sizes.axes[1].before * layout.pitch + sizes.axes[2].before;
    behind = sizes.axes[2].before + slack;
  }

  std::int64_t elements() const { return channels * channel + behind; }

  template <class T>
  void copy(const T* y, T* to) const {
    im2col(sizes, y, channels, to);
    std::fill_n(to + channels * channel, behind, T(0));
  }

  ConvSizes sizes;
  std::int64_t channels;
  std::int64_t slice;
  std::int64_t channel;
  std::int64_t origin;  ///< where position 0 lies
  std::int64_t behind;
};

template <class T>
struct Taps {
  std::int64_t count() const { return static_cast<std::int64_t>(offsets.size()); }

  std::vector<T> weights;
  std::vector<std::int64_t> offsets;
};

/// `packs` packets of positions, of which the last has `last` lanes: the sum of all taps.
template <int packs, class T>
void sum_of_taps(const Taps<T>& taps, T initial, const T* from, T* to, std::int64_t last = Pack<T>::size) {
  using Vector = typename Pack<T>::Vector;  // compilers keep arrays of them in registers, but not arrays of packets
  Vector sums[packs];
  for (Vector& sum : sums) sum = Pack<T>(initial).vector();
  const std::int64_t count = taps.count();
  const T* weights = taps.weights.data();
  const std::int64_t* offsets = taps.offsets.data();
  for (std::int64_t t = 0; t < count; ++t) {
    const Pack<T> weight(weights[t]);
    const T* tap = from + offsets[t];
    for (int j = 0; j < packs; ++j) {
      sums[j] = fma(weight, Pack<T>::load(tap + j * Pack<T>::size), Pack<T>(sums[j])).vector();
    }
  }
  for (int j = 0; j + 1 < packs; ++j) Pack<T>(sums[j]).store(to + j * Pack<T>::size);
  Pack<T>(sums[packs - 1]).store_partial(to + (packs - 1) * Pack<T>::size, last);
}

/// `count` positions that follow each other.
template <class T>
void sum_of_taps(const Taps<T>& taps, T initial, const T* from, T* to, std::int64_t count) {
  constexpr std::int64_t width = Pack<T>::size;
  std::int64_t p = 0;
  for (; p + 8 * width <= count; p += 8 * width) sum_of_taps<8>(taps, initial, from + p, to + p);
  for (; p + 4 * width <= count; p += 4 * width) sum_of_taps<4>(taps, initial, from + p, to + p);
  for (; p < count; p += width) sum_of_taps<1>(taps, initial, from + p, to + p, std::min(width, count - p));
}

/// Adds to `sums` the inner products of `count` elements of g with what each of `n` taps sees.
template <int n, class T>
void inner_products(const T* g, const T* x, const std::int64_t* offsets, std::int64_t count, T* sums) {
  using Vector = typename Pack<T>::Vector;
  constexpr std::int64_t width = Pack<T>::size;
  Vector products[n] = {};
  const auto step = [&](std::int64_t p, Pack<T> upstream) {
    for (int t = 0; t < n; ++t) {
      products[t] = fma(upstream, Pack<T>::load(x + offsets[t] + p), Pack<T>(products[t])).vector();
    }
  };
  std::int64_t p = 0;
  for (; p + width <= count; p += width) step(p, Pack<T>::load(g + p));
  if (p < count) step(p, detail::load_or_zero(g + p, count - p));
  for (int t = 0; t < n; ++t) sums[t] += detail::sum_lanes(Pack<T>(products[t]));
}

template <class T>
bool all_finite(const T* numbers, std::int64_t count) {
  return std::all_of(numbers, numbers + count, [](T number) { return std::isfinite(number); });
}

}  // namespace

bool direct_is_faster(const ConvSizes& sizes) {
  const std::int64_t in = sizes.group_in();
  if (sizes.group_out() > most_outputs || in > most_inputs || in == 0 || sizes.is_pointwise()) return false;
  const auto elements = static_cast<double>(sizes.image() + sizes.positions());
  const double work = static_cast<double>(sizes.images * sizes.out_channels * in) * static_cast<double>(sizes.taps()) *
                      static_cast<double>(sizes.positions());
  if (work < least_work || sizes.image() == 0) return false;
  double copied = 1;
  for (const ConvAxis& axis : sizes.axes) {
    if (axis.stride > most_phases) return false;
    copied *= static_cast<double>(axis.stride) * static_cast<double>(axis.out + reach_of(axis));
  }
  return copied <= 8 * elements;
}

template <class T>
void correlate_direct(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y) {
  const Layout layout(sizes, sizes.group_in());
  const std::int64_t depth = sizes.group_in() * sizes.taps();
  const std::int64_t width = sizes.axes[2].out;
  const std::int64_t joined = (sizes.axes[1].out - 1) * layout.pitch + width;  // rows of a slice
  const std::int64_t chunks = (joined + chunk - 1) / chunk;
  const std::int64_t work = depth * std::min(joined, chunk);
  const Taps<T> places{{}, layout.offsets()};
  const auto of_group = [&](std::int64_t group_of_image, const T* copy, Taps<T>& taps) {
    for (std::int64_t o = 0; o < sizes.group_out(); ++o) {
      const std::int64_t channel = group_of_image % sizes.groups * sizes.group_out() + o;
      taps.weights.assign(kernel + channel * depth, kernel + (channel + 1) * depth);
      T* out = y + (group_of_image * sizes.group_out() + o) * sizes.positions();
      parallel_for(sizes.axes[0].out * chunks, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
        T sums[chunk];
        for (std::int64_t task = begin; task < end; ++task) {
          const std::int64_t d = task / chunks;
          const std::int64_t first = task % chunks * chunk;
          const std::int64_t last = std::min(first + chunk, joined);
          sum_of_taps(taps, bias ? bias[channel] : T(0), copy + d * layout.slice + first, sums, last - first);
          for (std::int64_t row = first / layout.pitch; row * layout.pitch < last; ++row) {
            const std::int64_t start = row * layout.pitch;
            const std::int64_t from = std::max(first, start);
            const std::int64_t to = std::min(last, start + width);
            if (from >= to) continue;
            std::copy_n(sums + (from - first), to - from, out + (d * sizes.axes[1].out + row) * width + (from - start));
          }
        }
      });
    }
  };
  parallel_for(sizes.images * sizes.groups, grain_for(sizes.group_out() * depth * sizes.positions()),
               [&](std::int64_t begin, std::int64_t end) {
                 const Workspace<T> copy(layout.elements() + slack);
                 Taps<T> taps = places;
                 for (std::int64_t task = begin; task < end; ++task) {
                   copy_padded(layout, x + task * sizes.group_in() * sizes.image(), copy.get());
                   of_group(task, copy.get(), taps);
                 }
               });
}

namespace {

/// The taps that see one phase of an image, and which of the kernel's they are for its first channel.
template <class T>
struct PhaseTaps {
  Taps<T> taps;
  std::vector<std::int64_t> places;
};

/// What g, at negative offsets, gives each element of a phase.
template <class T>
std::vector<PhaseTaps<T>> taps_of_phases(const Layout& layout, const Upstream& upstream) {
  const ConvSizes& sizes = layout.sizes;
  std::vector<PhaseTaps<T>> phases(static_cast<std::size_t>(layout.phases()));
  for (std::int64_t o = 0; o < sizes.group_out(); ++o) {
    std::int64_t place = o * sizes.group_in() * sizes.taps();
    layout.for_each_tap([&](std::int64_t phase, std::int64_t d, std::int64_t i, std::int64_t j) {
      PhaseTaps<T>& of = phases[static_cast<std::size_t>(phase)];
      of.places.push_back(place++);
      of.taps.offsets.push_back(o * upstream.channel - (d * upstream.slice + i * layout.pitch + j));
    });
  }
  for (PhaseTaps<T>& phase : phases) phase.taps.weights.resize(phase.places.size());
  return phases;
}

/// Adds to one channel `to` what its taps get from g; `sums` has room for one phase.
template <class T>
void add_phases(const Layout& layout, const Upstream& upstream, std::vector<PhaseTaps<T>>& phases, const T* weights,
                const T* g, T* sums, T* to) {
  const std::int64_t chunks = (layout.slice + chunk - 1) / chunk;
  for (std::int64_t phase = 0; phase < layout.phases(); ++phase) {
    auto& [taps, places] = phases[static_cast<std::size_t>(phase)];
    if (places.empty()) continue;
    std::transform(places.begin(), places.end(), taps.weights.begin(),
                   [weights](std::int64_t place) { return weights[place]; });
    const auto run = [&, &of = taps](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t d = task / chunks;
        const std::int64_t first = task % chunks * chunk;
        sum_of_taps(of, T(0), g + upstream.origin + d * upstream.slice + first, sums + d * layout.slice + first,
                    std::min(chunk, layout.slice - first));
      }
    };
    parallel_for(layout.length[0] * chunks, grain_for(taps.count() * std::min(layout.slice, chunk)), run);
    col2im(layout.of_phase(phase), sums, 1, to);
  }
}

}  // namespace

template <class T>
bool input_gradient_direct(const ConvSizes& sizes, const T* y, const T* kernel, const T* bias, T* x) {
  const std::int64_t group_elements = sizes.group_out() * sizes.group_in() * sizes.taps();
  if (!all_finite(kernel, sizes.groups * group_elements)) return false;
  const Layout layout(sizes, 1);
  const Upstream upstream(layout, sizes.group_out(), true);
  const std::vector<PhaseTaps<T>> phases = taps_of_phases<T>(layout, upstream);
  const std::int64_t work = group_elements * sizes.positions();
  parallel_for(sizes.images * sizes.groups, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    const Workspace<T> g(upstream.elements());
    const Workspace<T> sums(layout.channel);
    std::vector<PhaseTaps<T>> of_channel = phases;
    for (std::int64_t task = begin; task < end; ++task) {
      upstream.copy(y + task * sizes.group_out() * sizes.positions(), g.get());
      for (std::int64_t c = 0; c < sizes.group_in(); ++c) {
        const std::int64_t group = task % sizes.groups;
        T* to = x + (task * sizes.group_in() + c) * sizes.image();
        std::fill_n(to, sizes.image(), bias ? bias[group * sizes.group_in() + c] : T(0));
        add_phases(layout, upstream, of_channel, kernel + group * group_elements + c * sizes.taps(), g.get(),
                   sums.get(), to);
      }
    }
  });
  return true;
}

template <class T>
bool kernel_gradient_direct(const ConvSizes& sizes, const T* x, const T* y, T* kernel) {
  const Layout layout(sizes, sizes.group_in());
  const Upstream upstream(layout, sizes.group_out(), false);
  const std::int64_t depth = sizes.group_in() * sizes.taps();
  const std::int64_t joined = (sizes.axes[1].out - 1) * layout.pitch + sizes.axes[2].out;
  const std::vector<std::int64_t> offsets = layout.offsets();
  // Adds the products of one image's g with what taps [first, last) see.
  const auto of_taps = [&](const T* g, const T* copy, std::int64_t first, std::int64_t last, T* sums) {
    for (std::int64_t d = 0; d < sizes.axes[0].out; ++d) {
      for (std::int64_t p = 0; p < joined; p += chunk) {
        const T* from = g + upstream.origin + d * upstream.slice + p;
        const T* seen = copy + d * layout.slice + p;
        const std::int64_t count = std::min(chunk, joined - p);
        std::int64_t t = first;
        for (; t + taps_at_a_time <= last; t += taps_at_a_time) {
          inner_products<taps_at_a_time>(from, seen, offsets.data() + t, count, sums + t);
        }
        for (; t < last; ++t) inner_products<1>(from, seen, offsets.data() + t, count, sums + t);
      }
    }
  };
  const std::int64_t tap_blocks = (depth + taps_at_a_time - 1) / taps_at_a_time;
  const std::int64_t tap_block_work = taps_at_a_time * sizes.positions();
  parallel_for(sizes.groups, grain_for(sizes.images * sizes.group_out() * depth * sizes.positions()),
               [&](std::int64_t begin, std::int64_t end) {
                 const Workspace<T> copy(layout.elements() + slack);
                 const Workspace<T> g(upstream.elements());
                 for (std::int64_t group = begin; group < end; ++group) {
                   T* sums = kernel + group * sizes.group_out() * depth;
                   std::fill_n(sums, sizes.group_out() * depth, T(0));
                   for (std::int64_t image = 0; image < sizes.images; ++image) {
                     const std::int64_t group_of_image = image * sizes.groups + group;
                     copy_padded(layout, x + group_of_image * sizes.group_in() * sizes.image(), copy.get());
                     upstream.copy(y + group_of_image * sizes.group_out() * sizes.positions(), g.get());
                     for (std::int64_t o = 0; o < sizes.group_out(); ++o) {
                       parallel_for(tap_blocks, grain_for(tap_block_work), [&](std::int64_t first, std::int64_t last) {
                         of_taps(g.get() + o * upstream.channel, copy.get(), first * taps_at_a_time,
                                 std::min(last * taps_at_a_time, depth), sums + o * depth);
                       });
                     }
                   }
                 }
               });
  return all_finite(kernel, sizes.out_channels * depth);
}

template void correlate_direct(const ConvSizes&, const float*, const float*, const float*, float*);
template void correlate_direct(const ConvSizes&, const double*, const double*, const double*, double*);
template bool input_gradient_direct(const ConvSizes&, const float*, const float*, const float*, float*);
template bool input_gradient_direct(const ConvSizes&, const double*, const double*, const double*, double*);
template bool kernel_gradient_direct(const ConvSizes&, const float*, const float*, float*);
template bool kernel_gradient_direct(const ConvSizes&, const double*, const double*, double*);

}  // namespace wengert::kernels
