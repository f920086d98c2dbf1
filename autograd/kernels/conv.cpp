#include "autograd/kernels/conv.h"

#include <algorithm>

#include <wengert/autograd/memory.h>
#include <wengert/autograd/parallel.h>

#include "autograd/kernels/gemm.h"
#include "autograd/kernels/im2col.h"

namespace wengert::kernels {

namespace {

/// Elements of im2col's columns that are made and multiplied at a time, to stay in the cache.
constexpr std::int64_t columns_at_a_time = 1 << 17;
/// Multiplications that are worth a thread of their own.
constexpr std::int64_t parallel_from = std::int64_t{1} << 19;
/// Sums of a kernel's gradient that are built side by side, at most, and elements in all of them together.
constexpr std::int64_t most_partial_sums = 8;
constexpr std::int64_t partial_elements = 1 << 20;

template <class T>
class Workspace {
 public:
  explicit Workspace(std::int64_t count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(T)), data_(static_cast<T*>(memory::allocate(bytes_))) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() { memory::deallocate(data_, bytes_); }

  T* get() const noexcept { return data_; }

 private:
  std::size_t bytes_;
  T* data_;
};

/// How many of `count` parts, each with `elements` columns, are taken at a time.
std::int64_t parts_at_a_time(std::int64_t count, std::int64_t elements) {
  return std::clamp<std::int64_t>(columns_at_a_time / std::max<std::int64_t>(1, elements), 1,
                                  std::max<std::int64_t>(1, count));
}

std::int64_t divided_up(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

/// Tasks of `work` multiplications each that one thread takes at a time.
std::int64_t grain_for(std::int64_t work) {
  return std::max<std::int64_t>(1, parallel_from / std::max<std::int64_t>(1, work));
}

/// Channels of one image that are gone through together, and into how many groups they fall.
struct ChannelGroups {
  explicit ChannelGroups(const ConvSizes& sizes)
      : size(parts_at_a_time(sizes.in_channels, sizes.taps() * sizes.positions())),
        count(divided_up(sizes.in_channels, size)) {}

  std::int64_t size;
  std::int64_t count;
};

}  // namespace

template <class T>
void correlate(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y) {
  const std::int64_t depth = sizes.in_channels * sizes.taps();
  const std::int64_t positions = sizes.positions();
  const std::int64_t strip =
      sizes.is_pointwise() ? sizes.rows.out : parts_at_a_time(sizes.rows.out, depth * sizes.columns.out);
  const std::int64_t strips = divided_up(sizes.rows.out, strip);
  const std::int64_t work = sizes.out_channels * depth * strip * sizes.columns.out;
  parallel_for(sizes.images * strips, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    const Workspace<T> columns(sizes.is_pointwise() ? 0 : depth * strip * sizes.columns.out);
    for (std::int64_t task = begin; task < end; ++task) {
      const T* image = x + task / strips * sizes.in_channels * sizes.image();
      const std::int64_t first = task % strips * strip;
      const std::int64_t last = std::min(first + strip, sizes.rows.out);
      const std::int64_t width = (last - first) * sizes.columns.out;
      T* out = y + task / strips * sizes.out_channels * positions + first * sizes.columns.out;
      if (!sizes.is_pointwise()) im2col(sizes, image, sizes.in_channels, first, last, columns.get());
      for (std::int64_t o = 0; bias && o < sizes.out_channels; ++o) std::fill_n(out + o * positions, width, bias[o]);
      gemm<T>(sizes.out_channels, width, depth, {kernel, depth}, {sizes.is_pointwise() ? image : columns.get(), width},
              out, positions, bias ? Store::add : Store::overwrite);
    }
  });
}

template <class T>
void correlate_input_gradient(const ConvSizes& sizes, const T* y, const T* kernel, T* x) {
  const std::int64_t depth = sizes.in_channels * sizes.taps();
  const std::int64_t positions = sizes.positions();
  const ChannelGroups groups(sizes);
  const std::int64_t work = sizes.out_channels * groups.size * sizes.taps() * positions;
  parallel_for(sizes.images * groups.count, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    const Workspace<T> columns(sizes.is_pointwise() ? 0 : groups.size * sizes.taps() * positions);
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t image = task / groups.count;
      const std::int64_t first = task % groups.count * groups.size;
      const std::int64_t channels = std::min(groups.size, sizes.in_channels - first);
      T* to = x + (image * sizes.in_channels + first) * sizes.image();
      gemm<T>(channels * sizes.taps(), positions, sizes.out_channels,
              {kernel + first * sizes.taps(), depth, Trans::yes},
              {y + image * sizes.out_channels * positions, positions}, sizes.is_pointwise() ? to : columns.get(),
              positions, Store::overwrite);
      if (sizes.is_pointwise()) continue;
      std::fill_n(to, channels * sizes.image(), T(0));
      col2im(sizes, columns.get(), channels, to);
    }
  });
}

template <class T>
void correlate_kernel_gradient(const ConvSizes& sizes, const T* x, const T* y, T* kernel) {
  const std::int64_t depth = sizes.in_channels * sizes.taps();
  const std::int64_t positions = sizes.positions();
  const std::int64_t elements = sizes.out_channels * depth;
  if (sizes.images == 0) return void(std::fill_n(kernel, elements, T(0)));
  if (elements == 0) return;
  const ChannelGroups groups(sizes);
  // Images are summed up in a few runs, each in order and as large as the sizes alone say; then the runs, in order.
  const std::int64_t most = std::clamp<std::int64_t>(partial_elements / elements, 1, most_partial_sums);
  const std::int64_t run = divided_up(sizes.images, most);
  const std::int64_t runs = divided_up(sizes.images, run);
  const Workspace<T> partial((runs - 1) * elements);
  const auto sums = [&](std::int64_t of_run) { return of_run == 0 ? kernel : partial.get() + (of_run - 1) * elements; };

  const std::int64_t work = run * sizes.out_channels * groups.size * sizes.taps() * positions;
  parallel_for(runs * groups.count, grain_for(work), [&](std::int64_t begin, std::int64_t end) {
    const Workspace<T> columns(sizes.is_pointwise() ? 0 : groups.size * sizes.taps() * positions);
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first_image = task / groups.count * run;
      const std::int64_t last_image = std::min(first_image + run, sizes.images);
      const std::int64_t first = task % groups.count * groups.size;
      const std::int64_t channels = std::min(groups.size, sizes.in_channels - first);
      for (std::int64_t image = first_image; image < last_image; ++image) {
        const T* from = x + (image * sizes.in_channels + first) * sizes.image();
        if (!sizes.is_pointwise()) im2col(sizes, from, channels, 0, sizes.rows.out, columns.get());
        gemm<T>(sizes.out_channels, channels * sizes.taps(), positions,
                {y + image * sizes.out_channels * positions, positions},
                {sizes.is_pointwise() ? from : columns.get(), positions, Trans::yes},
                sums(task / groups.count) + first * sizes.taps(), depth,
                image == first_image ? Store::overwrite : Store::add);
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
template void correlate_input_gradient(const ConvSizes&, const float*, const float*, float*);
template void correlate_input_gradient(const ConvSizes&, const double*, const double*, double*);
template void correlate_kernel_gradient(const ConvSizes&, const float*, const float*, float*);
template void correlate_kernel_gradient(const ConvSizes&, const double*, const double*, double*);

}  // namespace wengert::kernels
