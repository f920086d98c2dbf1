#include "autograd/kernels/softmax.h"

#include <cmath>

#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

using detail::Access;
using simd::Pack;

/// `kernel(inputs' rows..., out's row, columns)` for every row of the last axis, in a new tensor.
template <class F, class... Inputs>
Tensor by_rows(F kernel, const Tensor& x, const Inputs&... more) {
  Tensor result = Access::allocate(x.shape(), x.dtype());
  const std::int64_t columns = x.dim(-1);
  const std::int64_t rows = x.shape().numel(0, x.rank() - 1);
  dispatch_floating(x.dtype(), [&]<class T>() {
    const std::int64_t grain =
        std::max<std::int64_t>(1, detail::elementwise_grain / std::max<std::int64_t>(1, columns));
    parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t start = begin * columns; start < end * columns; start += columns) {
        kernel(Access::data<T>(x) + start, Access::data<T>(more) + start..., Access::mutable_data<T>(result) + start,
               columns);
      }
    });
  });
  return result;
}

/// Applies `f`, which works on the last axis, to any axis.
template <class F>
Tensor along_axis(const char* op, const Tensor& x, int axis, F f) {
  detail::check_operands(op, std::array{&x}, Types::floating);
  axis = normalize_axis(op, axis, x.rank());
  const int last = x.rank() - 1;
  return axis == last ? f(x) : transpose(f(transpose(x, axis, last)), axis, last);
}

Tensor softmax_of_rows(const Tensor& x) {
  Tensor value = by_rows(
      []<class T>(const T* in, T* out, std::int64_t n) {
        const T scale = 1 / kernels::row_exp(in, n, kernels::row_max(in, n), out);
        kernels::for_each_pack<T>(
            n, [&](auto lanes, std::int64_t i) { lanes.store(lanes.load(out + i, 0) * scale, out + i); });
      },
      x);
  return record("softmax", std::move(value), wrt(x, [](const Tensor& g, const Tensor& y) {
                  if (grad_enabled() && (g.requires_grad() || y.requires_grad())) {
                    return y * (g - sum(g * y, {-1}, true));
                  }
                  return by_rows(
                      []<class T>(const T* gradient, const T* in, T* out, std::int64_t n) {
                        kernels::row_softmax_gradient(gradient, in, n, T(1), out);
                      },
                      g, y);
                }));
}

Tensor log_softmax_of_rows(const Tensor& x) {
  Tensor value = by_rows(
      []<class T>(const T* in, T* out, std::int64_t n) {
        const T largest = kernels::row_max(in, n);
        const T log_sum = std::log(kernels::row_sum_of_exp(in, n, largest));
        kernels::for_each_pack<T>(
            n, [&](auto lanes, std::int64_t i) { lanes.store((lanes.load(in + i, 0) - largest) - log_sum, out + i); });
      },
      x);
  return record("log_softmax", std::move(value), wrt(x, [](const Tensor& g, const Tensor& y) {
                  if (grad_enabled() && (g.requires_grad() || y.requires_grad())) {
                    return g - exp(y) * sum(g, {-1}, true);
                  }
                  return by_rows(
                      []<class T>(const T* gradient, const T* in, T* out, std::int64_t n) {
                        Pack<T> gradients = 0;
                        kernels::for_each_pack<T>(
                            n, [&](auto lanes, std::int64_t i) { gradients += lanes.load(gradient + i, 0); });
                        const T total = kernels::sum_of_lanes(gradients);
                        kernels::for_each_pack<T>(n, [&](auto lanes, std::int64_t i) {
                          lanes.store(lanes.load(gradient + i, 0) - exp(lanes.load(in + i, 0)) * total, out + i);
                        });
                      },
                      g, y);
                }));
}

}  // namespace

Tensor softmax(const Tensor& x, int axis) { return along_axis("softmax", x, axis, softmax_of_rows); }

Tensor log_softmax(const Tensor& x, int axis) { return along_axis("log_softmax", x, axis, log_softmax_of_rows); }

}  // namespace wengert
