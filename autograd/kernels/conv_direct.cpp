#include "autograd/kernels/conv_direct.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <wengert/autograd/parallel.h>
#include <wengert/autograd/simd.h>

#include "autograd/kernels/conv_common.h"
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

/// Positions taken at a time, a multiple of every packet's size: few enough to stay in the nearest cache.
constexpr std::int64_t chunk = 1024;
constexpr std::int64_t most_phases = 8;
/// Channels of a group that are read, and multiplications in all, with which this was measured to be faster than a
/// matrix product.
constexpr std::int64_t most_planes = 64;
constexpr double least_work = 1 << 13;
/// Sums of a kernel's gradient that are built side by side, at most.
constexpr std::int64_t most_partial_sums = 8;
/// Elements that may be read behind a buffer.
constexpr std::int64_t slack = 8 * simd::register_bytes / 4;

/// Channels whose sums are built together, so that what is read once serves all of them.
constexpr int most_rows = simd::register_bytes == 64 ? 8 : 4;
/// Packets of each then: enough sums to keep the multipliers busy, few enough for the registers.
constexpr int packs_for(int rows) {
  if (simd::register_bytes < 64) return rows <= 2 ? 4 : 2;
  return rows <= 3 ? 8 / ((rows + 1) / 2) : rows <= 6 ? 4 : 3;
}
constexpr int taps_for(int rows) {
  if (simd::register_bytes < 64) return 8 / rows;
  return rows <= 2 ? 8 : 24 / rows;
}

/// `f.operator()<rows>(first)` for all channels, in parts of about the same size.
template <class F>
void for_row_groups(std::int64_t channels, F f) {
  const std::int64_t parts = divided_up(channels, most_rows);
  const auto choose = [&]<int... less>(std::int64_t rows, std::int64_t first, std::integer_sequence<int, less...>) {
    ((rows == less + 1 ? f.template operator()<less + 1>(first) : void()), ...);
  };
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t first = part * channels / parts;
    choose((part + 1) * channels / parts - first, first, std::make_integer_sequence<int, most_rows>());
  }
}

std::int64_t reach_of(const ConvAxis& axis) { return (axis.kernel - 1) * axis.dilation / axis.stride; }

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
      result.axes[a] = framed(axis.size, axis.before - phase % axis.stride, length[a]);
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
  if (layout.phases() == 1) {
    copy_framed(layout.of_phase(0), x, layout.channels, copy);
  } else {
    for (std::int64_t phase = 0; phase < layout.phases(); ++phase) {
      im2col(layout.of_phase(phase), x, layout.channels, copy + phase * layout.channels * layout.channel);
    }
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
      sizes.axes[a] = framed(out, reach, out + (a == 2 ? 1 : 2) * reach);
    }
    slice = sizes.axes[1].out * sizes.axes[2].out;
    channel = sizes.axes[0].out * slice;
    origin = sizes.axes[0].before * slice + sizes.axes[1].before * layout.pitch + sizes.axes[2].before;
    behind = sizes.axes[2].before + slack;
  }

  std::int64_t elements() const { return channels * channel + behind; }

  template <class T>
  void copy(const T* y, T* to) const {
    copy_framed(sizes, y, channels, to);
    std::fill_n(to + channels * channel, behind, T(0));
  }

  ConvSizes sizes;
  std::int64_t channels;
  std::int64_t slice;
  std::int64_t channel;
  std::int64_t origin;  ///< where position 0 lies
  std::int64_t behind;
};

/// Where a packet of positions is read at tap offset 0, and where its sums go.
struct Packet {
  std::int64_t from;
  std::int64_t to;
};

/// Packets of `count` positions that follow each other, at `from` and at `to`. The last one goes back a bit, if it can,
/// rather than reach beyond the end.
void append_packets(std::int64_t from, std::int64_t to, std::int64_t count, std::int64_t size,
                    std::vector<Packet>& packets) {
  for (std::int64_t p = 0; p < count; p += size) {
    const std::int64_t place = std::max<std::int64_t>(0, std::min(p, count - size));
    packets.push_back({from + place, to + place});
  }
}

/// The sums of all taps for some packets of positions and `rows` channels, whose weights are [taps, rows].
template <int rows, int packs, class T>
void sums_of_taps(const std::vector<std::int64_t>& offsets, const T* weights, const T* initial, const T* from,
                  const Packet* packets, T* to, std::int64_t to_stride) {
  using Vector = typename Pack<T>::Vector;  // compilers keep arrays of them in registers, but not arrays of packets
  const T* sources[packs];
  for (int j = 0; j < packs; ++j) sources[j] = from + packets[j].from;
  Vector sums[rows][packs];
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < packs; ++j) sums[i][j] = Pack<T>(initial ? initial[i] : T(0)).vector();
  }
  for (const std::int64_t offset : offsets) {
    Vector seen[packs];
    for (int j = 0; j < packs; ++j) seen[j] = detail::in_register(Pack<T>::load(sources[j] + offset).vector());
    for (int i = 0; i < rows; ++i) {
      const Pack<T> weight(weights[i]);
      for (int j = 0; j < packs; ++j) sums[i][j] = fma(weight, Pack<T>(seen[j]), Pack<T>(sums[i][j])).vector();
    }
    weights += rows;
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < packs; ++j) Pack<T>(sums[i][j]).store(to + i * to_stride + packets[j].to);
  }
}

/// For any number of packets; the last ones may be computed twice.
template <int rows, class T>
void sums_of_taps(const std::vector<std::int64_t>& offsets, const T* weights, const T* initial, const T* from,
                  const std::vector<Packet>& packets, T* to, std::int64_t to_stride) {
  constexpr int packs = packs_for(rows);
  const auto count = static_cast<std::int64_t>(packets.size());
  std::int64_t j = 0;
  for (; j + packs <= count; j += packs) {
    sums_of_taps<rows, packs>(offsets, weights, initial, from, packets.data() + j, to, to_stride);
  }
  if (count < packs) {
    for (; j < count; ++j) {
      sums_of_taps<rows, 1>(offsets, weights, initial, from, packets.data() + j, to, to_stride);
    }
  } else if (j < count) {
    sums_of_taps<rows, packs>(offsets, weights, initial, from, packets.data() + count - packs, to, to_stride);
  }
}

/// Adds to `sums`, a packet for each row and tap, `sums_stride` packets from row to row, the products of `count`
/// elements of g's rows with what each tap sees.
template <int rows, int taps, class T>
void products_of_taps(const T* g, std::int64_t g_stride, const T* x, const std::int64_t* offsets, std::int64_t count,
                      T* sums, std::int64_t sums_stride) {
  using Vector = typename Pack<T>::Vector;
  constexpr std::int64_t size = Pack<T>::size;
  Vector products[rows][taps];
  for (int i = 0; i < rows; ++i) {
    for (int t = 0; t < taps; ++t) products[i][t] = Pack<T>::load(sums + (i * sums_stride + t) * size).vector();
  }
  const auto step = [&](std::int64_t p, auto load) {
    Vector upstream[rows];
    for (int i = 0; i < rows; ++i) upstream[i] = detail::in_register(load(g + i * g_stride + p).vector());
    for (int t = 0; t < taps; ++t) {
      const Pack<T> seen(detail::in_register(Pack<T>::load(x + offsets[t] + p).vector()));
      for (int i = 0; i < rows; ++i) {
        products[i][t] = fma(Pack<T>(upstream[i]), seen, Pack<T>(products[i][t])).vector();
      }
    }
  };
  std::int64_t p = 0;
  for (; p + size <= count; p += size) step(p, [](const T* from) { return Pack<T>::load(from); });
  if (p < count) step(p, [rest = count - p](const T* from) { return detail::load_or_zero(from, rest); });
  for (int i = 0; i < rows; ++i) {
    for (int t = 0; t < taps; ++t) Pack<T>(products[i][t]).store(sums + (i * sums_stride + t) * size);
  }
}

}  // namespace

bool direct_is_faster(const ConvSizes& sizes, std::int64_t planes) {
  if (planes > most_planes || planes == 0 || sizes.is_pointwise()) return false;
  const auto elements = static_cast<double>(sizes.image() + sizes.positions());
  const double work = static_cast<double>(sizes.images * sizes.out_channels * sizes.group_in()) *
                      static_cast<double>(sizes.taps()) * static_cast<double>(sizes.positions());
  if (work < least_work || sizes.image() == 0) return false;
  double copied = 1;
  for (const ConvAxis& axis : sizes.axes) {
    if (axis.stride > most_phases) return false;
    copied *= static_cast<double>(axis.stride) * static_cast<double>(axis.out + reach_of(axis));
  }
  return copied <= 8 * elements;
}

namespace {

/// to: [taps, rows] for each of for_row_groups, one behind the other; from: [channels, taps].
template <class T, class Weight>
void order_weights(std::int64_t channels, std::int64_t taps, T* to, Weight weight) {
  for_row_groups(channels, [&]<int rows>(std::int64_t first) {
    for (std::int64_t t = 0; t < taps; ++t) {
      for (int i = 0; i < rows; ++i) *to++ = weight(first + i, t);
    }
  });
}

/// All channels out of a group for some rows of positions, `first` to `last`, of the slices one behind the other.
template <class T>
void correlate_rows(const Layout& layout, std::int64_t first, std::int64_t last, const T* copy,
                    const std::vector<std::int64_t>& offsets, const T* weights, const T* bias, T* y) {
  constexpr std::int64_t size = Pack<T>::size;
  const std::int64_t height = layout.sizes.axes[1].out;
  const std::int64_t width = layout.sizes.axes[2].out;
  const std::int64_t positions = layout.sizes.positions();
  const auto taps = static_cast<std::int64_t>(offsets.size());
  const auto place_of = [&](std::int64_t row) { return row / height * layout.slice + row % height * layout.pitch; };
  std::vector<Packet> packets;
  if (width >= size) {
    for (std::int64_t row = first; row < last; ++row) append_packets(place_of(row), row * width, width, size, packets);
    for_row_groups(layout.sizes.group_out(), [&]<int rows>(std::int64_t o) {
      sums_of_taps<rows>(offsets, weights + o * taps, bias ? bias + o : nullptr, copy, packets, y + o * positions,
                         positions);
    });
    return;
  }
  // Rows narrower than a packet are joined, with what lies between them, and then taken apart.
  const std::int64_t start = place_of(first);
  const std::int64_t joined = place_of(last - 1) + width - start;
  append_packets(start, 0, joined, size, packets);
  const std::int64_t stride = std::max(joined, size);
  const Workspace<T> sums(most_rows * stride);
  for_row_groups(layout.sizes.group_out(), [&]<int rows>(std::int64_t o) {
    sums_of_taps<rows>(offsets, weights + o * taps, bias ? bias + o : nullptr, copy, packets, sums.get(), stride);
    for (int i = 0; i < rows; ++i) {
      for (std::int64_t row = first; row < last; ++row) {
        std::copy_n(sums.get() + i * stride + place_of(row) - start, width, y + (o + i) * positions + row * width);
      }
    }
  });
}

/// The correlation `sizes` with the kernel of which `weight(o, t)` is an element, t being a channel of the group and
/// its tap.
template <class T, class Weight>
void correlate_by(const ConvSizes& sizes, const T* x, const T* bias, T* y, Weight weight) {
  const Layout layout(sizes, sizes.group_in());
  const std::int64_t depth = sizes.group_in() * sizes.taps();
  const std::int64_t out = sizes.group_out();
  const std::vector<std::int64_t> offsets = layout.offsets();
  const Workspace<T> weights(sizes.out_channels * depth);
  for (std::int64_t first = 0; first < sizes.out_channels; first += out) {
    order_weights(out, depth, weights.get() + first * depth,
                  [&](std::int64_t o, std::int64_t t) { return weight(first + o, t); });
  }
  const std::int64_t rows = sizes.axes[0].out * sizes.axes[1].out;
  const std::int64_t rows_at_a_time = std::max<std::int64_t>(1, chunk / layout.pitch);
  const auto of_group = [&](std::int64_t first_out, const T* copy, T* to) {
    parallel_for(divided_up(rows, rows_at_a_time), grain_for(out * depth * chunk),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t i = begin; i < end; ++i) {
                     correlate_rows(layout, i * rows_at_a_time, std::min((i + 1) * rows_at_a_time, rows), copy, offsets,
                                    weights.get() + first_out * depth, bias ? bias + first_out : nullptr, to);
                   }
                 });
  };
  parallel_for(sizes.images * sizes.groups, grain_for(out * depth * sizes.positions()),
               [&](std::int64_t begin, std::int64_t end) {
                 const Workspace<T> copy(layout.elements() + slack);
                 for (std::int64_t task = begin; task < end; ++task) {
                   copy_padded(layout, x + task * sizes.group_in() * sizes.image(), copy.get());
                   of_group(task % sizes.groups * out, copy.get(), y + task * out * sizes.positions());
                 }
               });
}

}  // namespace

template <class T>
void correlate_direct(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y) {
  const std::int64_t depth = sizes.group_in() * sizes.taps();
  correlate_by(sizes, x, bias, y, [=](std::int64_t o, std::int64_t t) { return kernel[o * depth + t]; });
}

namespace {

/// The taps that see one phase of an image: where they do, and which of the kernel's they are for its first channel.
struct PhaseTaps {
  std::vector<std::int64_t> offsets;
  std::vector<std::int64_t> places;
};

/// What g, at negative offsets, gives each element of a phase.
std::vector<PhaseTaps> taps_of_phases(const Layout& layout, const Upstream& upstream) {
  const ConvSizes& sizes = layout.sizes;
  std::vector<PhaseTaps> phases(static_cast<std::size_t>(layout.phases()));
  for (std::int64_t o = 0; o < sizes.group_out(); ++o) {
    std::int64_t place = o * sizes.group_in() * sizes.taps();
    layout.for_each_tap([&](std::int64_t phase, std::int64_t d, std::int64_t i, std::int64_t j) {
      PhaseTaps& of = phases[static_cast<std::size_t>(phase)];
      of.places.push_back(place++);
      of.offsets.push_back(o * upstream.channel - (d * upstream.slice + i * layout.pitch + j));
    });
  }
  return phases;
}

/// Adds to the channels `to` of a group what their taps get from g; `sums` has room for one phase of `most_rows`
/// channels, `weights` for the taps of a phase.
template <class T>
void add_phases(const Layout& layout, const Upstream& upstream, const std::vector<PhaseTaps>& phases, const T* kernel,
                const T* g, T* weights, T* sums, T* to) {
  const ConvSizes& sizes = layout.sizes;
  const std::int64_t chunks = divided_up(layout.slice, chunk);
  const std::int64_t stride = layout.channel + Pack<T>::size;
  for (std::int64_t phase = 0; phase < layout.phases(); ++phase) {
    const auto& [offsets, places] = phases[static_cast<std::size_t>(phase)];
    if (places.empty()) continue;
    const auto taps = static_cast<std::int64_t>(places.size());
    order_weights(sizes.group_in(), taps, weights, [&, &at = places](std::int64_t c, std::int64_t t) {
      return kernel[c * sizes.taps() + at[static_cast<std::size_t>(t)]];
    });
    for_row_groups(sizes.group_in(), [&, &tap_offsets = offsets]<int rows>(std::int64_t c) {
      parallel_for(layout.length[0] * chunks, grain_for(rows * taps * std::min(layout.slice, chunk)),
                   [&](std::int64_t begin, std::int64_t end) {
                     std::vector<Packet> packets;
                     for (std::int64_t task = begin; task < end; ++task) {
                       const std::int64_t d = task / chunks;
                       const std::int64_t first = task % chunks * chunk;
                       append_packets(upstream.origin + d * upstream.slice + first, d * layout.slice + first,
                                      std::min(chunk, layout.slice - first), Pack<T>::size, packets);
                     }
                     sums_of_taps<rows>(tap_offsets, weights + c * taps, static_cast<const T*>(nullptr), g, packets,
                                        sums, stride);
                   });
      for (int i = 0; i < rows; ++i) col2im(layout.of_phase(phase), sums + i * stride, 1, to + (c + i) * sizes.image());
    });
  }
}

}  // namespace

template <class T>
bool input_gradient_direct(const ConvSizes& sizes, const T* y, const T* kernel, const T* bias, T* x) {
  const std::int64_t in = sizes.group_in();
  const std::int64_t group_elements = sizes.group_out() * in * sizes.taps();
  if (!all_finite(kernel, sizes.groups * group_elements)) return false;
  if (const std::optional<ConvSizes> transposed = transposed_sizes(sizes)) {
    const std::int64_t taps = sizes.taps();
    correlate_by(*transposed, y, bias, x, [=, out = sizes.group_out()](std::int64_t c, std::int64_t t) {
      const std::int64_t o = c / in * out + t / taps;
      return kernel[(o * in + c % in) * taps + taps - 1 - t % taps];
    });
    return true;
  }
  const Layout layout(sizes, 1);
  // Packets of a slice that reach beyond its end must not reach another thread's.
  if (layout.length[0] > 1 && (layout.slice - 1) % chunk + 1 < Pack<T>::size) return false;
  const Upstream upstream(layout, sizes.group_out(), true);
  const std::vector<PhaseTaps> phases = taps_of_phases(layout, upstream);
  const std::int64_t work = group_elements * sizes.positions();
  parallel_for(sizes.images * sizes.groups, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    const Workspace<T> g(upstream.elements());
    const Workspace<T> weights(group_elements);
    const Workspace<T> sums(std::min<std::int64_t>(in, most_rows) * (layout.channel + Pack<T>::size));
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t group = task % sizes.groups;
      T* to = x + task * in * sizes.image();
      upstream.copy(y + task * sizes.group_out() * sizes.positions(), g.get());
      for (std::int64_t c = 0; c < in; ++c) {
        std::fill_n(to + c * sizes.image(), sizes.image(), bias ? bias[group * in + c] : T(0));
      }
      add_phases(layout, upstream, phases, kernel + group * group_elements, g.get(), weights.get(), sums.get(), to);
    }
  });
  return true;
}

template <class T>
bool kernel_gradient_direct(const ConvSizes& sizes, const T* x, const T* y, T* kernel) {
  constexpr std::int64_t size = Pack<T>::size;
  const Layout layout(sizes, sizes.group_in());
  const Upstream upstream(layout, sizes.group_out(), false);
  const std::int64_t out = sizes.group_out();
  const std::int64_t depth = sizes.group_in() * sizes.taps();
  const std::int64_t joined = (sizes.axes[1].out - 1) * layout.pitch + sizes.axes[2].out;
  const std::vector<std::int64_t> offsets = layout.offsets();
  // Adds the products of one image's g with what taps [first, last) see to a packet for each.
  const auto add_taps = [&]<int rows>(const T* g, const T* copy, std::int64_t first, std::int64_t last, T* sums) {
    for (std::int64_t d = 0; d < sizes.axes[0].out; ++d) {
      for (std::int64_t p = 0; p < joined; p += chunk) {
        const T* from = g + upstream.origin + d * upstream.slice + p;
        const T* seen = copy + d * layout.slice + p;
        const std::int64_t count = std::min(chunk, joined - p);
        std::int64_t t = first;
        const auto run = [&]<int taps>() {
          for (; t + taps <= last; t += taps) {
            products_of_taps<rows, taps>(from, upstream.channel, seen, offsets.data() + t, count, sums + t * size,
                                         depth);
          }
        };
        run.template operator()<taps_for(rows)>();
        run.template operator()<1>();
      }
    }
  };
  // Images are summed up in a few runs, as large as the sizes alone say; then the runs, in order.
  const std::int64_t run = divided_up(sizes.images, most_partial_sums);
  const std::int64_t runs = divided_up(sizes.images, run);
  const std::int64_t group_elements = out * depth;
  const std::int64_t elements = sizes.groups * group_elements;
  const Workspace<T> partial(runs * elements);
  constexpr std::int64_t tap_block = 24;  // whole tiles
  parallel_for(runs * sizes.groups, grain_for(run * group_elements * sizes.positions()),
               [&](std::int64_t begin, std::int64_t end) {
                 const Workspace<T> copy(layout.elements() + slack);
                 const Workspace<T> g(upstream.elements());
                 const Workspace<T> sums(group_elements * size);
                 for (std::int64_t task = begin; task < end; ++task) {
                   const std::int64_t first = task / sizes.groups * run;
                   const std::int64_t group = task % sizes.groups;
                   std::fill_n(sums.get(), group_elements * size, T(0));
                   for (std::int64_t image = first; image < std::min(first + run, sizes.images); ++image) {
                     const std::int64_t group_of_image = image * sizes.groups + group;
                     copy_padded(layout, x + group_of_image * sizes.group_in() * sizes.image(), copy.get());
                     upstream.copy(y + group_of_image * out * sizes.positions(), g.get());
                     for_row_groups(out, [&]<int rows>(std::int64_t o) {
                       parallel_for(divided_up(depth, tap_block), grain_for(rows * tap_block * sizes.positions()),
                                    [&](std::int64_t from, std::int64_t to) {
                                      add_taps.template operator()<rows>(
                                          g.get() + o * upstream.channel, copy.get(), from * tap_block,
                                          std::min(to * tap_block, depth), sums.get() + o * depth * size);
                                    });
                     });
                   }
                   T* to = partial.get() + task * group_elements;
                   for (std::int64_t e = 0; e < group_elements; ++e) {
                     to[e] = detail::sum_lanes(Pack<T>::load(sums.get() + e * size));
                   }
                 }
               });
  std::copy_n(partial.get(), elements, kernel);
  for (std::int64_t r = 1; r < runs; ++r) {
    for (std::int64_t e = 0; e < elements; ++e) kernel[e] += partial.get()[r * elements + e];
  }
  return all_finite(kernel, elements);
}

template void correlate_direct(const ConvSizes&, const float*, const float*, const float*, float*);
template void correlate_direct(const ConvSizes&, const double*, const double*, const double*, double*);
template bool input_gradient_direct(const ConvSizes&, const float*, const float*, const float*, float*);
template bool input_gradient_direct(const ConvSizes&, const double*, const double*, const double*, double*);
template bool kernel_gradient_direct(const ConvSizes&, const float*, const float*, float*);
template bool kernel_gradient_direct(const ConvSizes&, const double*, const double*, double*);

}  // namespace wengert::kernels
