#include "autograd/kernels/conv.h"

#include <algorithm>

#include <wengert/autograd/parallel.h>

#include "autograd/kernels/conv_common.h"
#include "autograd/kernels/conv_direct.h"
#include "autograd/kernels/conv_gathered.h"
#include "autograd/kernels/gemm.h"
#include "autograd/kernels/im2col.h"
#include "autograd/kernels/workspace.h"

namespace wengert::kernels {

namespace {

/// Elements of im2col's columns that are made and multiplied at a time, to stay in the cache.
constexpr std::int64_t columns_at_a_time = 1 << 17;
/// Positions that are taken at a time even so: with fewer a matrix product is too narrow.
constexpr std::int64_t least_positions = 64;
/// Sums of a kernel's gradient that are built side by side, at most, and elements in all of them together.
constexpr std::int64_t most_partial_sums = 8;
constexpr std::int64_t partial_elements = 1 << 20;

/// How many positions `Blocks` may take at a time; `depth`: elements of im2col's columns for each.
std::int64_t room_for(const ConvSizes& sizes, std::int64_t depth) {
  if (sizes.is_pointwise()) return sizes.positions();
  return std::max(least_positions, columns_at_a_time / std::max<std::int64_t>(1, depth));
}

/// Channels in of one group that are gone through together, and into how many chunks a group falls.
struct ChannelChunks {
  explicit ChannelChunks(const ConvSizes& sizes)
      : size(std::clamp<std::int64_t>(columns_at_a_time / std::max<std::int64_t>(1, sizes.taps() * sizes.positions()),
                                      1, std::max<std::int64_t>(1, sizes.group_in()))),
        count(divided_up(sizes.group_in(), size)) {}

  std::int64_t size;
  std::int64_t count;
};

}  // namespace

template <class T>
void correlate(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y) {
  if (gathered_is_faster<T>(sizes, sizes.group_out(), sizes.group_in() * sizes.taps())) {
    return correlate_gathered(sizes, x, kernel, bias, y);
  }
  if (direct_is_faster(sizes, sizes.group_in())) return correlate_direct(sizes, x, kernel, bias, y);
  const std::int64_t depth = sizes.group_in() * sizes.taps();
  const std::int64_t positions = sizes.positions();
  const std::int64_t out_channels = sizes.group_out();
  const Blocks blocks(sizes, room_for(sizes, depth));
  const std::int64_t work = out_channels * depth * blocks.largest();
  parallel_for(sizes.images * sizes.groups * blocks.count(), grain_for(work),
               [&](std::int64_t begin, std::int64_t end) {
                 const Workspace<T> columns(sizes.is_pointwise() ? 0 : depth * blocks.largest());
                 for (std::int64_t task = begin; task < end; ++task) {
                   const Block block = blocks[task % blocks.count()];
                   const std::int64_t group_of_image = task / blocks.count();
                   const std::int64_t first_out = group_of_image % sizes.groups * out_channels;
                   const T* from = x + group_of_image * sizes.group_in() * sizes.image();
                   T* to = y + group_of_image * out_channels * positions + block.first;
                   if (!sizes.is_pointwise()) im2col(block.sizes, from, sizes.group_in(), columns.get());
                   for (std::int64_t o = 0; bias && o < out_channels; ++o) {
                     std::fill_n(to + o * positions, block.count, bias[first_out + o]);
                   }
                   gemm<T>(out_channels, block.count, depth, {kernel + first_out * depth, depth},
                           {sizes.is_pointwise() ? from : columns.get(), block.count}, to, positions,
                           bias ? Store::add : Store::overwrite);
                 }
               });
}

template <class T>
void correlate_input_gradient(const ConvSizes& sizes, const T* y, const T* kernel, const T* bias, T* x) {
  if (gathered_is_faster<T>(sizes, sizes.group_in(), sizes.group_out() * sizes.taps()) &&
      input_gradient_gathered(sizes, y, kernel, bias, x)) {
    return;
  }
  if (direct_is_faster(sizes, sizes.group_out()) && input_gradient_direct(sizes, y, kernel, bias, x)) return;
  const std::int64_t depth = sizes.group_in() * sizes.taps();
  const std::int64_t positions = sizes.positions();
  const std::int64_t out_channels = sizes.group_out();
  const ChannelChunks chunks(sizes);
  const Blocks blocks(sizes, room_for(sizes, chunks.size * sizes.taps()));
  const std::int64_t work = out_channels * chunks.size * sizes.taps() * positions;
  parallel_for(sizes.images * sizes.groups * chunks.count, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    const Workspace<T> columns(sizes.is_pointwise() ? 0 : chunks.size * sizes.taps() * blocks.largest());
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t group_of_image = task / chunks.count;
      const std::int64_t group = group_of_image % sizes.groups;
      const std::int64_t first = task % chunks.count * chunks.size;
      const std::int64_t channels = std::min(chunks.size, sizes.group_in() - first);
      const T* from = y + group_of_image * out_channels * positions;
      T* to = x + (group_of_image * sizes.group_in() + first) * sizes.image();
      for (std::int64_t c = 0; c < channels && (bias || !sizes.is_pointwise()); ++c) {
        std::fill_n(to + c * sizes.image(), sizes.image(), bias ? bias[group * sizes.group_in() + first + c] : T(0));
      }
      for (std::int64_t b = 0; b < blocks.count(); ++b) {
        const Block block = blocks[b];
        gemm<T>(channels * sizes.taps(), block.count, out_channels,
                {kernel + group * out_channels * depth + first * sizes.taps(), depth, Trans::yes},
                {from + block.first, positions}, sizes.is_pointwise() ? to : columns.get(), block.count,
                sizes.is_pointwise() && bias ? Store::add : Store::overwrite);
        if (!sizes.is_pointwise()) col2im(block.sizes, columns.get(), channels, to);
      }
    }
  });
}

template <class T>
void correlate_kernel_gradient(const ConvSizes& sizes, const T* x, const T* y, T* kernel) {
  const std::int64_t depth = sizes.group_in() * sizes.taps();
  if (gathered_is_faster<T>(sizes, sizes.group_out(), sizes.images * sizes.positions())) {
    // With few rows of taps no copy of y pays.
    if (depth >= 16) return kernel_gradient_gathered(sizes, x, y, kernel);
  } else if (direct_is_faster(sizes, sizes.group_in()) && kernel_gradient_direct(sizes, x, y, kernel)) {
    return;
  }
  const std::int64_t positions = sizes.positions();
  const std::int64_t out_channels = sizes.group_out();
  const std::int64_t elements = sizes.out_channels * depth;
  if (elements == 0) return;
  const ChannelChunks chunks(sizes);
  const Blocks blocks(sizes, room_for(sizes, chunks.size * sizes.taps()));
  // Images are summed up in a few runs, each in order and as large as the sizes alone say; then the runs, in order.
  const std::int64_t most = std::clamp<std::int64_t>(partial_elements / elements, 1, most_partial_sums);
  const std::int64_t run = divided_up(sizes.images, most);
  const std::int64_t runs = divided_up(sizes.images, run);
  const Workspace<T> partial((runs - 1) * elements);
  const auto sums = [&](std::int64_t of_run) { return of_run == 0 ? kernel : partial.get() + (of_run - 1) * elements; };

  const std::int64_t work = run * out_channels * chunks.size * sizes.taps() * positions;
  parallel_for(runs * sizes.groups * chunks.count, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    const Workspace<T> columns(sizes.is_pointwise() ? 0 : chunks.size * sizes.taps() * blocks.largest());
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first_image = task / chunks.count / sizes.groups * run;
      const std::int64_t last_image = std::min(first_image + run, sizes.images);
      const std::int64_t group = task / chunks.count % sizes.groups;
      const std::int64_t first = task % chunks.count * chunks.size;
      const std::int64_t channels = std::min(chunks.size, sizes.group_in() - first);
      T* to = sums(first_image / run) + group * out_channels * depth + first * sizes.taps();
      for (std::int64_t image = first_image; image < last_image; ++image) {
        const T* from = x + (image * sizes.in_channels + group * sizes.group_in() + first) * sizes.image();
        const T* upstream = y + (image * sizes.out_channels + group * out_channels) * positions;
        for (std::int64_t b = 0; b < blocks.count(); ++b) {
          const Block block = blocks[b];
          if (!sizes.is_pointwise()) im2col(block.sizes, from, channels, columns.get());
          gemm<T>(out_channels, channels * sizes.taps(), block.count, {upstream + block.first, positions},
                  {sizes.is_pointwise() ? from : columns.get(), block.count, Trans::yes}, to, depth,
                  image == first_image && b == 0 ? Store::overwrite : Store::add);
        }
      }
    }
  });
  for (std::int64_t i = 1; i < runs; ++i) {
    const T* more = sums(i);
    for (std::int64_t e = 0; e < elements; ++e) kernel[e] += more[e];
  }
}

template void correlate(const ConvSizes&, const float*, const float*, const float*, float*);
template void correlate(const ConvSizes&, const double*, const double*, const double*, double*);
template void correlate_input_gradient(const ConvSizes&, const float*, const float*, const float*, float*);
template void correlate_input_gradient(const ConvSizes&, const double*, const double*, const double*, double*);
template void correlate_kernel_gradient(const ConvSizes&, const float*, const float*, float*);
template void correlate_kernel_gradient(const ConvSizes&, const double*, const double*, double*);

}  // namespace wengert::kernels
