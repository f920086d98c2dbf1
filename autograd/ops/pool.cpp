#include "autograd/kernels/pool.h"

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

PoolAxis resolve_axis(const char* op, const char* axis_name, std::int64_t size, std::int64_t kernel,
                      std::int64_t stride, std::int64_t padding) {
  constexpr std::int64_t limit = std::numeric_limits<Pixel>::max();
  check(kernel >= 1 && kernel <= limit, "{}: the kernel must have 1 to {} {}, got {}", op, limit, axis_name, kernel);
  check(stride >= 1 && stride <= limit, "{}: stride of {} must be from 1 to {}, got {}", op, axis_name, limit, stride);
  // So every window has a pixel of the image.
  check(padding >= 0 && padding <= kernel / 2, "{}: padding of {} must be from 0 to half the kernel ({}), got {}", op,
        axis_name, kernel / 2, padding);
  check(size >= 1 && kernel <= size + 2 * padding, "{}: the kernel has {} {}, more than the padded image has: {}", op,
        kernel, axis_name, size == 0 ? 0 : size + 2 * padding);
  return {size, kernel, (size + 2 * padding - kernel) / stride + 1, padding, stride};
}

PoolSizes resolve(const char* op, const Tensor& x, Size2d kernel, const PoolOptions& options) {
  detail::check_operands(op, std::array{&x}, Types::floating);
  check(x.rank() == 2 || x.rank() == 4, "{}: x must be [N, C, H, W] or [H, W], got {}", op, x.shape());
  const Size2d stride = options.stride.value_or(kernel);
  const PoolSizes sizes{
      x.shape().numel(0, x.rank() - 2),
      resolve_axis(op, "rows", x.dim(-2), kernel.rows, stride.rows, options.padding.before[1]),
      resolve_axis(op, "columns", x.dim(-1), kernel.columns, stride.columns, options.padding.before[2])};
  check(sizes.image() <= std::numeric_limits<Pixel>::max(), "{}: x has {} pixels in a channel, more than {}", op,
        sizes.image(), std::numeric_limits<Pixel>::max());
  return sizes;
}

/// `shape` with other image axes.
Shape with_image(const Shape& shape, std::int64_t rows, std::int64_t columns) {
  return shape.with(shape.rank() - 2, rows).with(shape.rank() - 1, columns);
}
Tensor new_image(const Tensor& y, const PoolSizes& sizes) {
  return Access::allocate(with_image(y.shape(), sizes.rows.size, sizes.columns.size), y.dtype());
}
Tensor new_windows(const Tensor& x, const PoolSizes& sizes) {
  return Access::allocate(with_image(x.shape(), sizes.rows.out, sizes.columns.out), x.dtype());
}

/// The winner of each window of a maxpool2d, two to an element.
Pixel* winners(const Tensor& storage) { return reinterpret_cast<Pixel*>(Access::mutable_data<std::int64_t>(storage)); }

Tensor gather(const Tensor& x, const Tensor& winner, const PoolSizes& sizes);

Tensor scatter(const Tensor& g, const Tensor& winner, const PoolSizes& sizes) {
  Tensor x = new_image(g, sizes);
  dispatch_floating(g.dtype(), [&]<class T>() {
    kernels::scatter_to_winners(sizes, Access::data<T>(g), winners(winner), Access::mutable_data<T>(x));
  });
  return record("maxpool2d", std::move(x),
                wrt(g, [winner, sizes](const Tensor& h) { return gather(h, winner, sizes); }));
}

Tensor gather(const Tensor& x, const Tensor& winner, const PoolSizes& sizes) {
  Tensor y = new_windows(x, sizes);
  dispatch_floating(x.dtype(), [&]<class T>() {
    kernels::gather_from_winners(sizes, Access::data<T>(x), winners(winner), Access::mutable_data<T>(y));
  });
  return record("maxpool2d", std::move(y),
                wrt(x, [winner, sizes](const Tensor& g) { return scatter(g, winner, sizes); }));
}

Tensor mean(const Tensor& x, const PoolSizes& sizes);

Tensor spread(const Tensor& g, const PoolSizes& sizes) {
  Tensor x = new_image(g, sizes);
  dispatch_floating(g.dtype(), [&]<class T>() {
    kernels::spread_over_windows(sizes, Access::data<T>(g), Access::mutable_data<T>(x));
  });
  return record("avgpool2d", std::move(x), wrt(g, [sizes](const Tensor& h) { return mean(h, sizes); }));
}

Tensor mean(const Tensor& x, const PoolSizes& sizes) {
  Tensor y = new_windows(x, sizes);
  dispatch_floating(
      x.dtype(), [&]<class T>() { kernels::mean_of_windows(sizes, Access::data<T>(x), Access::mutable_data<T>(y)); });
  return record("avgpool2d", std::move(y), wrt(x, [sizes](const Tensor& g) { return spread(g, sizes); }));
}

}  // namespace

Tensor maxpool2d(const Tensor& x, Size2d kernel, const PoolOptions& options) {
  const PoolSizes sizes = resolve("maxpool2d", x, kernel, options);
  Tensor y = new_windows(x, sizes);
  Tensor winner;
  if (grad_enabled() && x.requires_grad()) winner = Access::allocate({(y.numel() + 1) / 2}, int64);
  dispatch_floating(x.dtype(), [&]<class T>() {
    kernels::max_of_windows(sizes, Access::data<T>(x), Access::mutable_data<T>(y),
                            winner.defined() ? winners(winner) : nullptr);
  });
  return record("maxpool2d", std::move(y),
                wrt(x, [winner, sizes](const Tensor& g) { return scatter(g, winner, sizes); }));
}

Tensor avgpool2d(const Tensor& x, Size2d kernel, const PoolOptions& options) {
  return mean(x, resolve("avgpool2d", x, kernel, options));
}

}  // namespace wengert
