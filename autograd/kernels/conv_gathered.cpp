#include "autograd/kernels/conv_gathered.h"

#include <span>
#include <vector>

#include <wengert/autograd/parallel.h>

#include "autograd/kernels/gemm_packed.h"
#include "autograd/kernels/im2col.h"
#include "autograd/kernels/workspace.h"

// y[p, o] = sum over t of image[base(p) + offset(t)] kernel[o, t]: six positions and a panel of channels make a tile of
// sums, and each step of t costs a broadcast for a position and a load for a packet of channels, as in any product. The
// kernel's gradient is the same with the roles of p and t exchanged, and y as the panel.

namespace wengert::kernels {

namespace {

using detail::panel_width;
using detail::whole_packets;
using simd::Pack;

/// Positions of a block: their sums stay in the second cache beside a panel.
constexpr std::int64_t block_positions = 512;
/// Rows of sums that are built before they are stored, from the nearest cache: whole tiles of 6 or 8, whole packets.
constexpr std::int64_t rows_at_a_time = 48;
/// Terms of a block, so that a panel of them stays in the second cache.
constexpr std::int64_t block_terms = 1536;
/// So many blocks are enough to keep the threads busy.
constexpr std::int64_t few_blocks = 8;
/// Sums of a kernel's gradient that are built side by side, at most, and elements in all of them together.
constexpr std::int64_t most_partial_sums = 8;
constexpr std::int64_t partial_elements = 1 << 20;

// ---------------------------------------------------------------------------------------------------------------------
// The product.

/// c[i, j] (+)= sum over p of a[rows[i] + offsets[p]] panel[p, j] for a tile; c and the panel are as wide as the tile.
template <int rows, int packs, class T>
void gathered_tile(std::int64_t terms, const T* a, const std::int64_t* row_offsets, const std::int64_t* offsets,
                   const T* panel, T* c, Store store) {
  constexpr std::int64_t size = Pack<T>::size;
  using Vector = typename Pack<T>::Vector;  // compilers keep arrays of them in registers, but not arrays of packets
  const T* row[rows];
  for (int i = 0; i < rows; ++i) row[i] = a + row_offsets[i];
  Vector sums[rows][packs] = {};
  if (store == Store::add) {
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < packs; ++j) sums[i][j] = Pack<T>::load(c + (i * packs + j) * size).vector();
    }
  }
  for (std::int64_t p = 0; p < terms; ++p, panel += packs * size) {
    Vector right[packs];
    for (int j = 0; j < packs; ++j) right[j] = detail::in_register(Pack<T>::load(panel + j * size).vector());
    const std::int64_t offset = offsets[p];
    for (int i = 0; i < rows; ++i) {
      const Pack<T> left(row[i][offset]);
      for (int j = 0; j < packs; ++j) sums[i][j] = fma(left, Pack<T>(right[j]), Pack<T>(sums[i][j])).vector();
    }
  }
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < packs; ++j) Pack<T>(sums[i][j]).store(c + (i * packs + j) * size);
  }
}

/// One side of a product: row i's element p is data[rows[i] + offsets[p]].
template <class T>
struct Gathered {
  const T* data;
  std::span<const std::int64_t> rows;
  const std::int64_t* offsets;
};

template <int packs, class T>
void gathered_rows(std::int64_t terms, const Gathered<T>& a, const T* panel, T* c, Store store) {
  const auto count = static_cast<std::int64_t>(a.rows.size());
  std::int64_t i = 0;
  const auto rows = [&]<int height>() {
    for (; i + height <= count; i += height) {
      gathered_tile<height, packs>(terms, a.data, a.rows.data() + i, a.offsets, panel, c + i * packs * Pack<T>::size,
                                   store);
    }
  };
  if constexpr (packs <= 2) rows.template operator()<8>();
  rows.template operator()<6>();
  rows.template operator()<4>();
  rows.template operator()<2>();
  rows.template operator()<1>();
}

/// c: [rows of a, width] (+)= a panel; panel: [terms, width], of at most `panel_width` numbers, in whole packets.
template <class T>
void gathered_product(std::int64_t terms, const Gathered<T>& a, const T* panel, std::int64_t width, T* c, Store store) {
  const std::int64_t packs = width / Pack<T>::size;
  if (packs == 1) return gathered_rows<1>(terms, a, panel, c, store);
  if (packs == 2) return gathered_rows<2>(terms, a, panel, c, store);
  if constexpr (detail::tile_packs == 4) {
    if (packs == 3) return gathered_rows<3>(terms, a, panel, c, store);
    gathered_rows<4>(terms, a, panel, c, store);
  }
}

/// to[j, i] = from[i, j] for `columns` columns; `from` has rows of `width`, those of `to` are `pitch` apart.
template <class T>
void store_transposed(const T* from, std::int64_t width, std::int64_t rows, std::int64_t columns, T* to,
                      std::int64_t pitch) {
  constexpr std::int64_t size = Pack<T>::size;
  for (std::int64_t i = 0; i < rows; i += size) {
    for (std::int64_t j = 0; j < columns; j += size) {
      detail::transpose_square<false>(from + i * width + j, width, to + j * pitch + i, pitch,
                                      std::min(size, columns - j), std::min(size, rows - i));
    }
  }
}

/// Brings `rows` parts of `count` elements, `stride` apart, into the cache while something else is done.
enum class For : bool { reading, writing };
template <For purpose, class T>
void fetch(const T* at, std::int64_t rows, std::int64_t count, std::int64_t stride) {
  constexpr std::int64_t line = 64 / static_cast<std::int64_t>(sizeof(T));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < count; j += line) {
      __builtin_prefetch(at + i * stride + j, purpose == For::writing ? 1 : 0);
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The image.

/// What some positions see of an image: where it lies, or a copy, if part of it is padding.
struct Region {
  Region(const ConvSizes& of, std::int64_t channel_count) : sizes(of), channels(channel_count) {
    for (std::size_t a = 0; a < 3; ++a) {
      const ConvAxis& axis = of.axes[a];
      length[a] = (axis.out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
      in_place = in_place && axis.before <= 0 && length[a] - axis.before <= axis.size;
    }
    pitch = in_place ? of.axes[2].size : length[2];
    slice = pitch * (in_place ? of.axes[1].size : length[1]);
    channel = slice * (in_place ? of.axes[0].size : length[0]);
    image = channel * (in_place ? of.in_channels : channels);
  }

  std::int64_t elements() const { return in_place ? 0 : image; }

  /// Where it begins in an image that is read in place.
  std::int64_t origin() const {
    return in_place ? -(sizes.axes[0].before * slice + sizes.axes[1].before * pitch + sizes.axes[2].before) : 0;
  }

  /// The copy of an image, and a packet of anything behind it.
  template <class T>
  void copy(const T* x, T* to) const {
    ConvSizes frame = sizes;
    for (std::size_t a = 0; a < 3; ++a) frame.axes[a] = framed(sizes.axes[a].size, sizes.axes[a].before, length[a]);
    copy_framed(frame, x, channels, to);
  }

  /// Where the positions of so many images lie, one image after the other.
  std::vector<std::int64_t> positions(std::int64_t images) const {
    const auto& [deep, down, across] = sizes.axes;
    std::vector<std::int64_t> result;
    result.reserve(static_cast<std::size_t>(images * sizes.positions()));
    for (std::int64_t n = 0; n < images; ++n) {
      for (std::int64_t d = 0; d < deep.out; ++d) {
        for (std::int64_t i = 0; i < down.out; ++i) {
          const std::int64_t row = n * image + d * deep.stride * slice + i * down.stride * pitch;
          for (std::int64_t j = 0; j < across.out; ++j) result.push_back(row + j * across.stride);
        }
      }
    }
    return result;
  }

  /// How far from a position the taps of all channels lie, in the order of the kernel, or of each channel's taps in the
  /// opposite order.
  std::vector<std::int64_t> taps(bool reversed = false) const {
    const auto& [deep, down, across] = sizes.axes;
    std::vector<std::int64_t> result;
    result.reserve(static_cast<std::size_t>(channels * sizes.taps()));
    for (std::int64_t c = 0; c < channels; ++c) {
      const auto begin = static_cast<std::ptrdiff_t>(result.size());
      for (std::int64_t w = 0; w < deep.kernel; ++w) {
        for (std::int64_t u = 0; u < down.kernel; ++u) {
          for (std::int64_t v = 0; v < across.kernel; ++v) {
            result.push_back(c * channel + w * deep.dilation * slice + u * down.dilation * pitch + v * across.dilation);
          }
        }
      }
      if (reversed) std::reverse(result.begin() + begin, result.end());
    }
    return result;
  }

  ConvSizes sizes;
  std::int64_t channels;
  bool in_place = true;
  std::int64_t length[3];
  std::int64_t pitch;
  std::int64_t slice;
  std::int64_t channel;
  std::int64_t image;
};

/// Some images of a group as `region` sees them; `room` is for a copy of them.
template <class T>
const T* seen(const Region& region, const T* x, std::int64_t images, T* room) {
  if (region.in_place) return x + region.origin();
  for (std::int64_t n = 0; n < images; ++n) {
    region.copy(x + n * region.sizes.in_channels * region.sizes.image(), room + n * region.image);
  }
  return room;
}

/// Blocks of the positions, and of whole images if they are small.
struct Batches {
  explicit Batches(const ConvSizes& sizes)
      : blocks(sizes, block_positions),
        images(blocks.count() > 1 ? 1 : std::max<std::int64_t>(1, block_positions / sizes.positions())) {}

  Blocks blocks;
  std::int64_t images;
};

/// Room for the largest copy of a block.
template <class T>
std::int64_t room_of(const Batches& batches, std::int64_t channels) {
  std::int64_t room = 0;
  for (std::int64_t b = 0; b < batches.blocks.count(); ++b) {
    room = std::max(room, Region(batches.blocks[b].sizes, channels).elements());
  }
  return room * batches.images + Pack<T>::size;
}

// ---------------------------------------------------------------------------------------------------------------------

/// The correlation `sizes`, of stride 1 if `reversed`, with a kernel that `pack(group, first_out, outs, first_channel,
/// channels, panel)` lays out as [channels, taps, outs]; `reversed`: with each channel's taps in the opposite order.
template <class T, class PackPanel>
void correlate_panels(const ConvSizes& sizes, bool reversed, const T* x, const T* bias, T* y, PackPanel pack) {
  const std::int64_t in = sizes.group_in();
  const std::int64_t out = sizes.group_out();
  const std::int64_t positions = sizes.positions();
  const Batches batches(sizes);
  const std::int64_t runs = divided_up(sizes.images, batches.images);
  const std::int64_t panels = divided_up(out, panel_width<T>);
  const std::int64_t chunks = divided_up(in * sizes.taps(), block_terms);
  const std::int64_t chunk = divided_up(in, std::min(chunks, in));  // channels whose terms are added at a time
  const std::int64_t width = std::min(panel_width<T>, whole_packets<T>(out));
  const std::int64_t room = room_of<T>(batches, in);
  const auto of_panel = [&](std::int64_t group, std::int64_t first, const Gathered<T>& a, std::int64_t images,
                            const Block& block, T* panel, T* sums, T* to) {
    const std::int64_t columns = std::min(panel_width<T>, out - first);
    const std::int64_t wide = whole_packets<T>(columns);
    for (std::int64_t i = 0; bias && i < images * block.count; ++i) {
      std::copy_n(bias + group * out + first, columns, sums + i * wide);
    }
    for (std::int64_t c = 0; c < in; c += chunk) {
      const std::int64_t channels = std::min(chunk, in - c);
      const Store store = bias || c > 0 ? Store::add : Store::overwrite;
      pack(group, first, columns, c, channels, panel);
      for (std::int64_t n = 0; n < images; ++n) {
        for (std::int64_t i = 0; i < block.count; i += rows_at_a_time) {
          const std::int64_t count = std::min(rows_at_a_time, block.count - i);
          const std::int64_t row = n * block.count + i;
          const auto rows = a.rows.subspan(static_cast<std::size_t>(row), static_cast<std::size_t>(count));
          T* part = to + (n * sizes.out_channels + first) * positions + i;
          if (c + channels == in) fetch<For::writing>(part, columns, count, positions);
          gathered_product<T>(channels * sizes.taps(), {a.data, rows, a.offsets + c * sizes.taps()}, panel, wide,
                              sums + row * wide, store);
          if (c + channels == in) {
            store_transposed(sums + row * wide, wide, count, columns, part, positions);
          }
        }
      }
    }
  };
  // With few blocks, the panels of each are spread over the threads instead.
  const std::int64_t count = runs * sizes.groups * batches.blocks.count();
  const std::int64_t work = std::min(batches.images, sizes.images) * batches.blocks.largest() * in * sizes.taps();
  parallel_for(
      count, count < few_blocks ? few_blocks : grain_for(work * out), [&](std::int64_t begin, std::int64_t end) {
        const Workspace<T> copy(room);
        for (std::int64_t task = begin; task < end; ++task) {
          const Block block = batches.blocks[task % batches.blocks.count()];
          const std::int64_t group = task / batches.blocks.count() % sizes.groups;
          const std::int64_t first_image = task / batches.blocks.count() / sizes.groups * batches.images;
          const std::int64_t images = std::min(batches.images, sizes.images - first_image);
          const Region region(block.sizes, in);
          const std::vector<std::int64_t> rows = region.positions(images);
          const std::vector<std::int64_t> taps = region.taps(reversed);
          const T* image =
              seen(region, x + (first_image * sizes.in_channels + group * in) * sizes.image(), images, copy.get());
          T* to = y + (first_image * sizes.out_channels + group * out) * positions + block.first;
          parallel_for(panels, grain_for(work * width), [&](std::int64_t first, std::int64_t last) {
            const Workspace<T> panel(chunk * sizes.taps() * width);
            const Workspace<T> sums(images * block.count * width);
            for (std::int64_t i = first; i < last; ++i) {
              of_panel(group, i * panel_width<T>, {image, rows, taps.data()}, images, block, panel.get(), sums.get(),
                       to);
            }
          });
        }
      });
}

}  // namespace

bool gathered_copies_little(const ConvSizes& sizes) {
  constexpr double most_columns = 4;
  if (sizes.positions() == 0) return true;
  const Batches batches(sizes);
  double copied = 0;
  for (std::int64_t b = 0; b < batches.blocks.count(); ++b) {
    copied += static_cast<double>(Region(batches.blocks[b].sizes, 1).elements());
  }
  return copied <= most_columns * static_cast<double>(sizes.taps()) * static_cast<double>(sizes.positions());
}

template <class T>
void correlate_gathered(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y) {
  const std::int64_t taps = sizes.taps();
  const std::int64_t depth = sizes.group_in() * taps;
  const auto pack = [&](std::int64_t group, std::int64_t first, std::int64_t outs, std::int64_t channel,
                        std::int64_t channels, T* panel) {
    const T* from = kernel + (group * sizes.group_out() + first) * depth + channel * taps;
    detail::pack_transposed(from, depth, channels * taps, outs, panel);
  };
  correlate_panels(sizes, false, x, bias, y, pack);
}

template <class T>
bool input_gradient_gathered(const ConvSizes& sizes, const T* y, const T* kernel, const T* bias, T* x) {
  if (sizes.image() == 0) return false;
  const std::optional<ConvSizes> transposed = transposed_sizes(sizes);
  if (!transposed || !gathered_copies_little(*transposed)) return false;
  const std::int64_t taps = sizes.taps();
  const std::int64_t depth = sizes.group_in() * taps;
  const auto pack = [&](std::int64_t group, std::int64_t first, std::int64_t outs, std::int64_t channel,
                        std::int64_t channels, T* panel) {
    const std::int64_t width = whole_packets<T>(outs);
    for (std::int64_t c = 0; c < channels; ++c) {
      const T* from = kernel + (group * sizes.group_out() + channel + c) * depth + first * taps;
      if (c + 2 < channels) fetch<For::reading>(from + 2 * depth, 1, outs * taps, depth);
      if (taps == 1) {
        detail::pack_row(from, outs, c, channels, panel);
      } else {
        detail::pack_transposed(from, taps, taps, outs, panel + c * taps * width);
      }
    }
  };
  correlate_panels(*transposed, true, y, bias, x, pack);
  return all_finite(x, sizes.images * sizes.in_channels * sizes.image());
}

template <class T>
void kernel_gradient_gathered(const ConvSizes& sizes, const T* x, const T* y, T* kernel) {
  const std::int64_t in = sizes.group_in();
  const std::int64_t out = sizes.group_out();
  const std::int64_t taps = sizes.taps();
  const std::int64_t positions = sizes.positions();
  const std::int64_t elements = sizes.out_channels * in * taps;
  const Batches batches(sizes);
  // Images are summed up in a few runs, each in order and as large as the sizes alone say; then the runs, in order.
  const std::int64_t most = std::clamp<std::int64_t>(partial_elements / elements, 1, most_partial_sums);
  const std::int64_t run = divided_up(divided_up(sizes.images, most), batches.images) * batches.images;
  const std::int64_t runs = divided_up(sizes.images, run);
  const Workspace<T> partial((runs - 1) * elements);
  const auto result = [&](std::int64_t r) { return r == 0 ? kernel : partial.get() + (r - 1) * elements; };

  const std::int64_t panels = divided_up(out, panel_width<T>);
  const std::int64_t chunk = divided_up(in, std::min(divided_up(in * taps, block_terms), in));
  const std::int64_t chunks = divided_up(in, chunk);
  const std::int64_t width = std::min(panel_width<T>, whole_packets<T>(out));
  const std::int64_t room = room_of<T>(batches, chunk);
  const std::int64_t most_positions = std::min(batches.images, sizes.images) * batches.blocks.largest();
  parallel_for(
      runs * sizes.groups * panels * chunks, grain_for(run * positions * chunk * taps * width),
      [&](std::int64_t begin, std::int64_t end) {
        const Workspace<T> copy(room);
        const Workspace<T> panel(most_positions * width);
        const Workspace<T> sums(chunk * taps * width);
        for (std::int64_t task = begin; task < end; ++task) {
          const std::int64_t channel = task % chunks * chunk;
          const std::int64_t channels = std::min(chunk, in - channel);
          std::int64_t rest = task / chunks;
          const std::int64_t first = rest % panels * panel_width<T>;
          rest /= panels;
          const std::int64_t group = rest % sizes.groups;
          const std::int64_t first_image = rest / sizes.groups * run;
          const std::int64_t last_image = std::min(first_image + run, sizes.images);
          const std::int64_t columns = std::min(panel_width<T>, out - first);
          const std::int64_t wide = whole_packets<T>(columns);
          for (std::int64_t b = 0; b < batches.blocks.count(); ++b) {
            const Block block = batches.blocks[b];
            const Region region(block.sizes, channels);
            const std::vector<std::int64_t> rows = region.taps();
            const std::vector<std::int64_t> offsets = region.positions(batches.images);
            for (std::int64_t n = first_image; n < last_image; n += batches.images) {
              const std::int64_t images = std::min(batches.images, last_image - n);
              for (std::int64_t i = 0; i < images; ++i) {
                const T* from = y + ((n + i) * sizes.out_channels + group * out + first) * positions + block.first;
                detail::pack_transposed(from, positions, block.count, columns, panel.get() + i * block.count * wide);
              }
              const T* image =
                  seen(region, x + (n * sizes.in_channels + group * in + channel) * sizes.image(), images, copy.get());
              gathered_product<T>(images * block.count, {image, rows, offsets.data()}, panel.get(), wide, sums.get(),
                                  b == 0 && n == first_image ? Store::overwrite : Store::add);
            }
          }
          T* to = result(first_image / run) + (group * out + first) * in * taps + channel * taps;
          store_transposed(sums.get(), wide, channels * taps, columns, to, in * taps);
        }
      });
  for (std::int64_t r = 1; r < runs; ++r) {
    const T* more = result(r);
    for (std::int64_t e = 0; e < elements; ++e) kernel[e] += more[e];
  }
}

template void correlate_gathered(const ConvSizes&, const float*, const float*, const float*, float*);
template void correlate_gathered(const ConvSizes&, const double*, const double*, const double*, double*);
template bool input_gradient_gathered(const ConvSizes&, const float*, const float*, const float*, float*);
template bool input_gradient_gathered(const ConvSizes&, const double*, const double*, const double*, double*);
template void kernel_gradient_gathered(const ConvSizes&, const float*, const float*, float*);
template void kernel_gradient_gathered(const ConvSizes&, const double*, const double*, double*);

}  // namespace wengert::kernels
