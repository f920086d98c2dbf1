#include <algorithm>
#include <array>
#include <utility>

#include <wengert/autograd/elementwise.h>

#include "autograd/kernels/resize.h"

namespace wengert {

namespace {

using detail::Access;
using kernels::Tap;
using kernels::Taps;

// Products of two sizes, doubled, fit 64 bits.
constexpr std::int64_t limit = std::int64_t{1} << 30;

/// From `from` to `to`, and in the adjoint back.
struct Resizing {
  Size2d from;
  Size2d to;
  InterpolateOptions options;
};

/// Positions are fractions of integers, so that no rounding moves one to a neighbour.
Tap tap_at(std::int64_t i, std::int64_t in, std::int64_t out, const InterpolateOptions& options) {
  if (options.mode == InterpolateMode::nearest) return {i * in / out, i * in / out, 0};
  std::int64_t numerator = 0;
  std::int64_t denominator = 1;
  if (!options.align_corners) {
    numerator = std::max<std::int64_t>((2 * i + 1) * in - out, 0);
    denominator = 2 * out;
  } else if (out > 1) {
    numerator = i * (in - 1);
    denominator = out - 1;
  }
  const std::int64_t first = numerator / denominator;
  if (first == in - 1) return {first, first, 0};
  return {first, first + 1, static_cast<double>(numerator % denominator) / static_cast<double>(denominator)};
}

Taps taps(std::int64_t in, std::int64_t out, const InterpolateOptions& options) {
  Taps result(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) result[static_cast<std::size_t>(i)] = tap_at(i, in, out, options);
  return result;
}

/// `kernel(planes, height, width, rows, columns, from, to)` from x to a new tensor whose image has `size`.
template <class F>
Tensor with_image(const Tensor& x, Size2d size, const Resizing& resizing, F kernel) {
  const int batch = x.rank() - 2;
  Tensor y = Access::allocate(x.shape().with(batch, size.rows).with(batch + 1, size.columns), x.dtype());
  if (y.numel() == 0) return y;
  const Taps rows = taps(resizing.from.rows, resizing.to.rows, resizing.options);
  const Taps columns = taps(resizing.from.columns, resizing.to.columns, resizing.options);
  dispatch_floating(x.dtype(), [&]<class T>() {
    kernel(x.shape().numel(0, batch), resizing.from.rows, resizing.from.columns, rows, columns, Access::data<T>(x),
           Access::mutable_data<T>(y));
  });
  return y;
}

// Resizing is linear, so it and its adjoint are each other's gradients.
Tensor adjoint(const Tensor& g, const Resizing& resizing);

Tensor resize(const Tensor& x, const Resizing& resizing) {
  Tensor y = with_image(x, resizing.to, resizing, [](auto&&... arguments) { kernels::resize(arguments...); });
  return record("interpolate", std::move(y), wrt(x, [resizing](const Tensor& g) { return adjoint(g, resizing); }));
}

Tensor adjoint(const Tensor& g, const Resizing& resizing) {
  Tensor x = with_image(g, resizing.from, resizing, [](auto&&... arguments) { kernels::resize_adjoint(arguments...); });
  return record("interpolate", std::move(x), wrt(g, [resizing](const Tensor& h) { return resize(h, resizing); }));
}

}  // namespace

Tensor interpolate(const Tensor& x, Size2d size, const InterpolateOptions& options) {
  detail::check_operands("interpolate", std::array{&x}, Types::floating);
  check(x.rank() == 2 || x.rank() == 4, "interpolate: x must be [N, C, H, W] or [H, W], got {}", x.shape());
  for (const std::int64_t elements : {x.dim(-2), x.dim(-1)}) {
    check(elements >= 1 && elements <= limit, "interpolate: an image must have 1 to {} rows and columns, x is {}",
          limit, x.shape());
  }
  check(std::min(size.rows, size.columns) >= 1 && std::max(size.rows, size.columns) <= limit,
        "interpolate: size must have 1 to {} rows and columns, got {} and {}", limit, size.rows, size.columns);
  check(options.mode == InterpolateMode::bilinear || !options.align_corners,
        "interpolate: align_corners is for bilinear; nearest has no corners to align");
  return resize(x, {{x.dim(-2), x.dim(-1)}, size, options});
}

}  // namespace wengert
