#include <algorithm>
#include <array>

#include <wengert/autograd/elementwise.h>

#include "autograd/ops/product.h"

namespace wengert {

namespace {

using kernels::Store;
using kernels::Trans;

void check_linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  if (bias.defined()) {
    detail::check_operands("linear", std::array{&x, &weight, &bias}, Types::floating, {"x", "weight", "bias"});
  } else {
    detail::check_operands("linear", std::array{&x, &weight}, Types::floating, {"x", "weight"});
  }
  check(weight.rank() == 2, "linear: weight must be [out, in], got {}", weight.shape());
  check(x.rank() >= 1 && x.dim(-1) == weight.dim(1), "linear: x must be [..., {}] for weight {}, got {}", weight.dim(1),
        weight.shape(), x.shape());
  check(!bias.defined() || (bias.rank() == 1 && bias.dim(0) == weight.dim(0)),
        "linear: bias must be [{}] for weight {}, got {}", weight.dim(0), weight.shape(),
        bias.defined() ? bias.shape() : Shape());
}

/// The bias is where the sums start, so it costs no pass of its own.
Tensor affine(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  using detail::Access;
  const std::int64_t out = weight.dim(0);
  const std::int64_t in = weight.dim(1);
  const std::int64_t rows = x.shape().numel(0, x.rank() - 1);
  Tensor y = Access::allocate(x.shape().with(x.rank() - 1, out), x.dtype());
  dispatch_floating(x.dtype(), [&]<class T>() {
    const kernels::Factor<T> left{Access::data<T>(x), in};
    const kernels::Factor<T> right{Access::data<T>(weight), in, Trans::yes};
    T* to = Access::mutable_data<T>(y);
    if (bias.defined()) {
      kernels::gemm_with_bias(rows, out, in, left, right, Access::data<T>(bias), to, out);
    } else {
      kernels::gemm(rows, out, in, left, right, to, out, Store::overwrite);
    }
  });
  return y;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_linear(x, weight, bias);
  if (x.rank() == 1) return reshape(linear(reshape(x, {1, x.dim(0)}), weight, bias), {weight.dim(0)});
  return record("linear", affine(x, weight, bias),
                wrt(x,
                    [weight](const Tensor& g, Rows /*rows*/) {
                      return detail::product("linear", g, Trans::no, weight, Trans::no, detail::leading_axes(g));
                    }),
                wrt(weight,
                    [x](const Tensor& g, Rows rows) {
                      // Summed over the leading axes of x, with which those of g align; not over that of the rows.
                      const Tensor product =
                          detail::product("linear", g, Trans::yes, x, Trans::no, rows.of({}, x.rank() - 2));
                      return rows.many() ? reshape(product, rows.of({product.dim(-2), product.dim(-1)})) : product;
                    }),
                wrt(bias, [](const Tensor& g, Rows /*rows*/) { return g; }));
}

}  // namespace wengert
