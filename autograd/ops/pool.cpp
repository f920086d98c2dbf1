#include "autograd/kernels/pool.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

using detail::Access;
using kernels::Pixel;
using kernels::PoolAxis;
using kernels::PoolSizes;

/// Numbers of depth, rows and columns; an image with fewer axes has the last ones.
using Triple = std::array<std::int64_t, 3>;

/// What a pooling op and its gradients have in common.
struct Pooling {
  const char* op;
  int axes;  // of the image
  PoolSizes sizes;
};

// ---------------------------------------------------------------------------------------------------------------------
// From options to sizes.

Triple triple(std::int64_t elements) { return {1, 1, elements}; }
Triple triple(Size2d size) { return {1, size.rows, size.columns}; }
Triple triple(Size3d size) { return {size.depth, size.rows, size.columns}; }

constexpr std::int64_t limit = std::numeric_limits<Pixel>::max();

/// How errors call what lies along axis `axis` of depth, rows and columns.
const char* elements_of(int axis, int axes) {
  constexpr const char* names[] = {"slices", "rows", "columns"};
  return axes == 1 ? "elements" : names[axis];
}

/// Throws unless x is a batch of images or an image, with at least one pixel and not too many.
void check_images(const char* op, const Tensor& x, int axes) {
  detail::check_operands(op, std::array{&x}, Types::floating);
  constexpr const char* layouts[] = {"[N, C, L] or [L]", "[N, C, H, W] or [H, W]", "[N, C, D, H, W] or [D, H, W]"};
  check(x.rank() == axes || x.rank() == axes + 2, "{}: x must be {}, got {}", op, layouts[axes - 1], x.shape());
  std::int64_t pixels = 1;
  for (int axis = x.rank() - axes; axis < x.rank(); ++axis) {
    check(x.dim(axis) >= 1, "{}: x has shape {}, an image without elements", op, x.shape());
    check(x.dim(axis) <= limit / pixels, "{}: x of shape {} has more than {} elements in a channel", op, x.shape(),
          limit);
    pixels *= x.dim(axis);
  }
}

Pooling pooling_of(const char* op, const Tensor& x, int axes) {
  return {op, axes, {.planes = x.shape().numel(0, x.rank() - axes)}};
}

struct Sliding {
  Triple kernel;
  Triple stride;
  Triple dilation;
  Padding padding;
  bool ceil_mode;
};

PoolAxis slide(const char* op, const char* elements, std::int64_t size, int axis, const Sliding& windows) {
  const auto a = static_cast<std::size_t>(axis);
  PoolAxis result{.size = size,
                  .kernel = windows.kernel[a],
                  .stride = windows.stride[a],
                  .dilation = windows.dilation[a],
                  .before = windows.padding.before[a],
                  .after = windows.padding.after[a]};
  check(result.kernel >= 1 && result.kernel <= limit, "{}: the kernel must have 1 to {} {}, got {}", op, limit,
        elements, result.kernel);
  check(result.stride >= 1 && result.stride <= limit, "{}: stride of {} must be from 1 to {}, got {}", op, elements,
        limit, result.stride);
  check(result.dilation >= 1 && result.dilation <= limit, "{}: dilation of {} must be from 1 to {}, got {}", op,
        elements, limit, result.dilation);
  const std::int64_t extent = (result.kernel - 1) * result.dilation + 1;
  if (windows.padding.mode == Padding::Mode::same) {
    result.out = (size + result.stride - 1) / result.stride;
    const std::int64_t added = std::max<std::int64_t>((result.out - 1) * result.stride + extent - size, 0);
    result.before = added / 2;
    result.after = added - result.before;
    return result;
  }
  for (const std::int64_t padding : {result.before, result.after}) {
    check(padding >= 0 && padding <= extent / 2, "{}: padding of {} must be from 0 to half the kernel ({}), got {}", op,
          elements, extent / 2, padding);
  }
  const std::int64_t padded = size + result.before + result.after;
  const std::int64_t room = padded - extent + (windows.ceil_mode ? result.stride - 1 : 0);
  check(room >= 0, "{}: the kernel covers {} {}, more than the padded image has: {}", op, extent, elements, padded);
  result.out = room / result.stride + 1;
  // A window of ceil_mode begins on the image or before it.
  if ((result.out - 1) * result.stride >= size + result.before) --result.out;
  return result;
}

/// A window that begins before the image may step over it, if it is dilated.
void check_no_window_misses(const char* op, const char* elements, const PoolAxis& axis) {
  for (std::int64_t i = 0; i < axis.out && i * axis.stride < axis.before; ++i) {
    const std::int64_t first = (axis.dilation - (axis.before - i * axis.stride) % axis.dilation) % axis.dilation;
    check(first < axis.size, "{}: with dilation {} and padding {} a window steps over the {} {} of the image", op,
          axis.dilation, axis.before, axis.size, elements);
  }
}

Pooling resolve(const char* op, const Tensor& x, int axes, const Sliding& windows) {
  check_images(op, x, axes);
  const Padding& padding = windows.padding;
  check(padding.mode != Padding::Mode::full, "{}: padding cannot be `full`: it is at most half the kernel", op);
  check(padding.axes == 0 || padding.axes == axes, "{}: padding is given for {} axes, the image has {}", op,
        padding.axes, axes);
  Pooling pooling = pooling_of(op, x, axes);
  for (int axis = 3 - axes; axis < 3; ++axis) {
    PoolAxis& resolved = pooling.sizes.axes[static_cast<std::size_t>(axis)];
    resolved = slide(op, elements_of(axis, axes), x.dim(axis - 3), axis, windows);
    check_no_window_misses(op, elements_of(axis, axes), resolved);
  }
  return pooling;
}

template <class Size, class Options>
Sliding sliding(const Size& kernel, const Options& options) {
  return {triple(kernel), triple(options.stride.value_or(kernel)), triple(options.dilation), options.padding,
          options.ceil_mode};
}

template <class Size, class Options>
Pooling resolve_mean(const char* op, const Tensor& x, int axes, const Size& kernel, const Options& options) {
  for (const std::int64_t dilation : triple(options.dilation)) {
    check(dilation == 1, "{}: dilation must be 1, got {}", op, dilation);
  }
  Pooling pooling = resolve(op, x, axes, sliding(kernel, options));
  pooling.sizes.counts_padding = options.count_include_pad;
  return pooling;
}

Pooling resolve_adaptive(const char* op, const Tensor& x, int axes, const Triple& size) {
  check_images(op, x, axes);
  Pooling pooling = pooling_of(op, x, axes);
  for (int axis = 3 - axes; axis < 3; ++axis) {
    const std::int64_t out = size[static_cast<std::size_t>(axis)];
    const std::int64_t in = x.dim(axis - 3);
    check(out >= 1 && out <= limit, "{}: size must be from 1 to {} {}, got {}", op, limit, elements_of(axis, axes),
          out);
    PoolAxis& resolved = pooling.sizes.axes[static_cast<std::size_t>(axis)];
    // Windows all alike are the faster ones.
    const bool even = in % out == 0;
    resolved = {.size = in, .kernel = even ? in / out : 0, .out = out, .stride = even ? in / out : 1};
  }
  return pooling;
}

// ---------------------------------------------------------------------------------------------------------------------
// Pooling and its adjoints: each other's gradients.

/// A new tensor like `from` but for the image axes, which have member `size` of those of the pooling.
Tensor new_like(const Tensor& from, const Pooling& pooling, std::int64_t PoolAxis::*size) {
  std::array<std::int64_t, Shape::max_rank> dims{};
  std::copy(from.shape().begin(), from.shape().end(), dims.begin());
  const auto rank = static_cast<std::size_t>(from.rank());
  const auto axes = static_cast<std::size_t>(pooling.axes);
  for (std::size_t k = 0; k < axes; ++k) dims[rank - 1 - k] = pooling.sizes.axes[2 - k].*size;
  return Access::allocate(Shape(std::span(dims).first(rank)), from.dtype());
}
Tensor new_image(const Tensor& y, const Pooling& pooling) { return new_like(y, pooling, &PoolAxis::size); }
Tensor new_windows(const Tensor& x, const Pooling& pooling) { return new_like(x, pooling, &PoolAxis::out); }

/// The winner of each window of a maximum, two to an element.
Pixel* winners(const Tensor& storage) { return reinterpret_cast<Pixel*>(Access::mutable_data<std::int64_t>(storage)); }

Tensor gather(const Tensor& x, const Tensor& winner, const Pooling& pooling);

Tensor scatter(const Tensor& g, const Tensor& winner, const Pooling& pooling) {
  Tensor x = new_image(g, pooling);
  dispatch_floating(g.dtype(), [&]<class T>() {
    kernels::scatter_to_winners(pooling.sizes, Access::data<T>(g), winners(winner), Access::mutable_data<T>(x));
  });
  return record(pooling.op, std::move(x),
                wrt(g, [winner, pooling](const Tensor& h) { return gather(h, winner, pooling); }));
}

Tensor gather(const Tensor& x, const Tensor& winner, const Pooling& pooling) {
  Tensor y = new_windows(x, pooling);
  dispatch_floating(x.dtype(), [&]<class T>() {
    kernels::gather_from_winners(pooling.sizes, Access::data<T>(x), winners(winner), Access::mutable_data<T>(y));
  });
  return record(pooling.op, std::move(y),
                wrt(x, [winner, pooling](const Tensor& g) { return scatter(g, winner, pooling); }));
}

struct Maxima {
  Tensor values;
  Tensor winner;  // undefined if nobody wants to know
};

Maxima maxima(const Tensor& x, const Pooling& pooling, bool with_winner) {
  Tensor y = new_windows(x, pooling);
  Tensor winner;
  if (with_winner || (grad_enabled() && x.requires_grad())) winner = Access::allocate({(y.numel() + 1) / 2}, int64);
  dispatch_floating(x.dtype(), [&]<class T>() {
    kernels::max_of_windows(pooling.sizes, Access::data<T>(x), Access::mutable_data<T>(y),
                            winner.defined() ? winners(winner) : nullptr);
  });
  y = record(pooling.op, std::move(y),
             wrt(x, [winner, pooling](const Tensor& g) { return scatter(g, winner, pooling); }));
  return {std::move(y), std::move(winner)};
}

Tensor largest(const Tensor& x, const Pooling& pooling) { return maxima(x, pooling, false).values; }

ValuesAndIndices largest_with_index(const Tensor& x, const Pooling& pooling) {
  const auto [values, winner] = maxima(x, pooling, true);
  Tensor index = Access::allocate(values.shape(), int64);
  std::copy_n(winners(winner), index.numel(), Access::mutable_data<std::int64_t>(index));
  return {values, without_gradient(pooling.op, index, x)};
}

Tensor mean(const Tensor& x, const Pooling& pooling);

Tensor spread(const Tensor& g, const Pooling& pooling) {
  Tensor x = new_image(g, pooling);
  dispatch_floating(g.dtype(), [&]<class T>() {
    kernels::spread_over_windows(pooling.sizes, Access::data<T>(g), Access::mutable_data<T>(x));
  });
  return record(pooling.op, std::move(x), wrt(g, [pooling](const Tensor& h) { return mean(h, pooling); }));
}

Tensor mean(const Tensor& x, const Pooling& pooling) {
  Tensor y = new_windows(x, pooling);
  dispatch_floating(x.dtype(), [&]<class T>() {
    kernels::mean_of_windows(pooling.sizes, Access::data<T>(x), Access::mutable_data<T>(y));
  });
  return record(pooling.op, std::move(y), wrt(x, [pooling](const Tensor& g) { return spread(g, pooling); }));
}

/// The image axes of [N, C, ...].
Axes image_axes(const char* op, const Tensor& x) {
  detail::check_operands(op, std::array{&x}, Types::floating);
  check(x.rank() >= 3 && x.shape().numel(2, x.rank()) > 0,
        "{}: x must be [N, C, ...] with images that have elements, got {}", op, x.shape());
  Axes axes;
  for (int axis = 2; axis < x.rank(); ++axis) axes.push_back(axis);
  return axes;
}

}  // namespace

Tensor maxpool1d(const Tensor& x, std::int64_t kernel, const Pool1dOptions& options) {
  return largest(x, resolve("maxpool1d", x, 1, sliding(kernel, options)));
}

Tensor maxpool2d(const Tensor& x, Size2d kernel, const PoolOptions& options) {
  return largest(x, resolve("maxpool2d", x, 2, sliding(kernel, options)));
}

Tensor maxpool3d(const Tensor& x, Size3d kernel, const Pool3dOptions& options) {
  return largest(x, resolve("maxpool3d", x, 3, sliding(kernel, options)));
}

ValuesAndIndices maxpool1d_with_index(const Tensor& x, std::int64_t kernel, const Pool1dOptions& options) {
  return largest_with_index(x, resolve("maxpool1d_with_index", x, 1, sliding(kernel, options)));
}

ValuesAndIndices maxpool2d_with_index(const Tensor& x, Size2d kernel, const PoolOptions& options) {
  return largest_with_index(x, resolve("maxpool2d_with_index", x, 2, sliding(kernel, options)));
}

Tensor maxunpool2d(const Tensor& x, const Tensor& index, Size2d size) {
  constexpr const char* op = "maxunpool2d";
  detail::check_operands(op, std::array{&x}, Types::floating);
  check<Error>(index.defined(), "{}: index is undefined", op);
  check<DTypeError>(index.dtype() == int64, "{}: index must be int64, got {}", op, index.dtype());
  check(x.rank() == 2 || x.rank() == 4, "{}: x must be [N, C, H, W] or [H, W], got {}", op, x.shape());
  check(index.shape() == x.shape(), "{}: index has shape {}, x has {}; they must be equal", op, index.shape(),
        x.shape());
  check(size.rows >= 1 && size.columns >= 1 && size.rows <= limit / size.columns,
        "{}: size must be at least 1 x 1, and at most {} elements, got {} x {}", op, limit, size.rows, size.columns);
  const std::int64_t pixels = size.rows * size.columns;
  for (const std::int64_t place : index.data<std::int64_t>()) {
    check(place >= 0 && place < pixels, "{}: index {} is out of range for {} x {} elements; it must be >= 0 and < {}",
          op, place, size.rows, size.columns, pixels);
  }
  const int batch = x.rank() - 2;
  const Shape planes{x.shape().numel(0, batch), x.shape().numel(batch, x.rank())};
  const Tensor flat = scatter(zeros({planes[0], pixels}, x.dtype()), 1, reshape(index, planes), reshape(x, planes));
  return reshape(flat, x.shape().with(batch, size.rows).with(batch + 1, size.columns));
}

Tensor avgpool1d(const Tensor& x, std::int64_t kernel, const Pool1dOptions& options) {
  return mean(x, resolve_mean("avgpool1d", x, 1, kernel, options));
}

Tensor avgpool2d(const Tensor& x, Size2d kernel, const PoolOptions& options) {
  return mean(x, resolve_mean("avgpool2d", x, 2, kernel, options));
}

Tensor avgpool3d(const Tensor& x, Size3d kernel, const Pool3dOptions& options) {
  return mean(x, resolve_mean("avgpool3d", x, 3, kernel, options));
}

Tensor adaptive_maxpool1d(const Tensor& x, std::int64_t size) {
  return largest(x, resolve_adaptive("adaptive_maxpool1d", x, 1, triple(size)));
}

Tensor adaptive_maxpool2d(const Tensor& x, Size2d size) {
  return largest(x, resolve_adaptive("adaptive_maxpool2d", x, 2, triple(size)));
}

Tensor adaptive_avgpool1d(const Tensor& x, std::int64_t size) {
  return mean(x, resolve_adaptive("adaptive_avgpool1d", x, 1, triple(size)));
}

Tensor adaptive_avgpool2d(const Tensor& x, Size2d size) {
  return mean(x, resolve_adaptive("adaptive_avgpool2d", x, 2, triple(size)));
}

Tensor global_maxpool(const Tensor& x) { return max(x, image_axes("global_maxpool", x), true); }

Tensor global_avgpool(const Tensor& x) { return mean(x, image_axes("global_avgpool", x), true); }

}  // namespace wengert
