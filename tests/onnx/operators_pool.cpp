#include <algorithm>
#include <limits>

#include "tests/onnx/windows.h"

namespace wengert::test::onnx {

namespace {

/// An image padded by hand with `value`, where the ops refuse because padding exceeds half of a window.
Tensor pad_by_hand(const Tensor& x, Windows& windows, double value) {
  bool fits = true;
  for (std::size_t axis = 0; axis < windows.axes(); ++axis) {
    fits = fits && 2 * std::max(windows.before[axis], windows.after[axis]) <= windows.kernel[axis];
  }
  if (fits) return x;
  Sizes before{0, 0};
  Sizes after{0, 0};
  before.insert(before.end(), windows.before.begin(), windows.before.end());
  after.insert(after.end(), windows.after.begin(), windows.after.end());
  windows.before.assign(windows.axes(), 0);
  windows.after.assign(windows.axes(), 0);
  return pad(x, before, after, value);
}

struct PoolFlags {
  bool ceil_mode;
  bool count_include_pad = true;
};

Tensor largest(const Tensor& x, const Windows& windows, const PoolFlags& flags) {
  const auto& [kernel, strides, dilations, before, after, same] = windows;
  const Padding padding = windows.padding();
  switch (windows.axes()) {
    case 1:
      return maxpool1d(
          x, kernel[0],
          {.stride = strides[0], .padding = padding, .dilation = dilations[0], .ceil_mode = flags.ceil_mode});
    case 2:
      return maxpool2d(
          x, two(kernel),
          {.stride = two(strides), .padding = padding, .dilation = two(dilations), .ceil_mode = flags.ceil_mode});
    case 3:
      return maxpool3d(
          x, three(kernel),
          {.stride = three(strides), .padding = padding, .dilation = three(dilations), .ceil_mode = flags.ceil_mode});
    default: too_many_axes(windows.axes());
  }
}

/// Places are counted through the whole tensor, along columns if `columns_first`.
Tensor global_places(const Tensor& places, const Shape& x, bool columns_first) {
  const auto rows = static_cast<double>(x[2]);
  const auto columns = static_cast<double>(x[3]);
  const Tensor row = places / columns;
  const Tensor within = columns_first ? row + rows * (places - columns * row) : places;
  const Tensor image = reshape(arange(static_cast<double>(x[0] * x[1]), int64), {x[0], x[1], 1, 1});
  return within + rows * columns * image;
}

Outputs max_pool(const Call& call) {
  const Tensor given = call.input(0);
  const Tensor x = is_floating(given.dtype()) ? given : given.to(float32);
  Windows windows(call, x.shape(), call.integers("kernel_shape"));
  const PoolFlags flags{.ceil_mode = call.flag("ceil_mode")};
  const bool columns_first = call.flag("storage_order");
  if (!call.wants(1)) {
    const Tensor padded = pad_by_hand(x, windows, -std::numeric_limits<double>::infinity());
    return {largest(padded, windows, flags).to(given.dtype())};
  }
  if (windows.axes() != 2) throw Unsupported("places of maxima of other images than 2-D ones");
  const auto [values, places] = maxpool2d_with_index(x, two(windows.kernel),
                                                     {.stride = two(windows.strides),
                                                      .padding = windows.padding(),
                                                      .dilation = two(windows.dilations),
                                                      .ceil_mode = flags.ceil_mode});
  return {values, global_places(places, x.shape(), columns_first)};
}

Tensor mean_of_windows(const Tensor& x, const Windows& windows, const PoolFlags& flags) {
  const auto& [kernel, strides, dilations, before, after, same] = windows;
  const Padding padding = windows.padding();
  switch (windows.axes()) {
    case 1:
      return avgpool1d(x, kernel[0],
                       {.stride = strides[0],
                        .padding = padding,
                        .ceil_mode = flags.ceil_mode,
                        .count_include_pad = flags.count_include_pad});
    case 2:
      return avgpool2d(x, two(kernel),
                       {.stride = two(strides),
                        .padding = padding,
                        .ceil_mode = flags.ceil_mode,
                        .count_include_pad = flags.count_include_pad});
    case 3:
      return avgpool3d(x, three(kernel),
                       {.stride = three(strides),
                        .padding = padding,
                        .ceil_mode = flags.ceil_mode,
                        .count_include_pad = flags.count_include_pad});
    default: too_many_axes(windows.axes());
  }
}

Tensor average_pool(const Call& call) {
  const Tensor x = call.input(0);
  Windows windows(call, x.shape(), call.integers("kernel_shape"));
  const PoolFlags flags{.ceil_mode = call.flag("ceil_mode"), .count_include_pad = call.flag("count_include_pad")};
  Windows unpadded = windows;
  const Tensor padded = pad_by_hand(x, unpadded, 0);
  if (flags.count_include_pad || padded.shape() == x.shape()) return mean_of_windows(padded, unpadded, flags);
  // The mean of what is there: of all places, over the share of those that are no padding.
  const Tensor there = pad_by_hand(ones(x.shape(), x.dtype()), windows, 0);
  return mean_of_windows(padded, unpadded, flags) / mean_of_windows(there, unpadded, flags);
}

/// Undoes a pooling whose windows do not overlap; the places are counted through the whole tensor.
Tensor max_unpool(const Call& call) {
  const Tensor x = call.input(0);
  const Windows windows(call, x.shape(), call.integers("kernel_shape"));
  if (windows.axes() != 2) throw Unsupported("places of maxima of other images than 2-D ones");
  const Sizes given = call.integers_input(2);
  const auto natural = [&](std::size_t axis) {
    return (x.dim(static_cast<int>(axis) + 2) - 1) * windows.strides[axis] + windows.kernel[axis] -
           windows.before[axis] - windows.after[axis];
  };
  // The places are those in an image of the natural size, whatever size is asked for.
  const Size2d size(natural(0), natural(1));
  const Tensor image = reshape(arange(static_cast<double>(x.dim(0) * x.dim(1)), int64), {x.dim(0), x.dim(1), 1, 1});
  const Tensor places = call.input(1) - static_cast<double>(size.rows * size.columns) * image;
  const Tensor y = maxunpool2d(x, places, size);
  if (given.empty()) return y;
  return pad(y, {0, 0, 0, 0}, {0, 0, given[2] - size.rows, given[3] - size.columns});
}

}  // namespace

std::vector<Operator> pool_operators() {
  constexpr Accuracy exact = Accuracy::exact;
  return {
      {"AveragePool", {"avgpool1d", "avgpool2d", "avgpool3d"}, average_pool},
      {"GlobalAveragePool", {"global_avgpool"}, of(global_avgpool)},
      {"GlobalMaxPool", {"global_maxpool"}, of(global_maxpool), exact},
      {"MaxPool", {"maxpool1d", "maxpool2d", "maxpool3d", "maxpool2d_with_index"}, max_pool, exact},
      {"MaxUnpool", {"maxunpool2d"}, max_unpool, exact},
  };
}

}  // namespace wengert::test::onnx
