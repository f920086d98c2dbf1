#include "autograd/kernels/scan.h"

#include "autograd/ops/reduction.h"

namespace wengert {

namespace {

using detail::Access;
using kernels::ScanAxis;

ScanAxis scan_axis(const Shape& shape, int axis, bool backwards) {
  return {shape.numel(0, axis), shape[axis], shape.numel(axis + 1, shape.rank()), backwards};
}

/// The cumulative sum from either end; each is the other one's gradient.
Tensor sum_from(const char* op, const Tensor& x, int axis, bool backwards) {
  Tensor y = Access::allocate(x.shape(), x.dtype());
  kernels::cumulative_sum(x, scan_axis(x.shape(), axis, backwards), y);
  return record(op, std::move(y), wrt(x, [axis, backwards](const Tensor& g) {
                  return sum_from("cumsum_gradient", g, axis, !backwards);
                }));
}

/// x moved on by one along an axis: `first` comes in, the last one drops out.
Tensor shifted(const Tensor& x, int axis, double first) {
  if (x.dim(axis) == 0) return x;
  std::vector<std::int64_t> before(static_cast<std::size_t>(x.rank()), 0);
  const std::vector<std::int64_t> after = before;
  before[static_cast<std::size_t>(axis)] = 1;
  return pad(slice(x, axis, 0, x.dim(axis) - 1), before, after, first);
}

/// The solution y of y[r] = b[r] + a[r] y[r - 1], or backwards of y[r] = b[r] + a[r + 1] y[r + 1]. The two are products
/// of b with one matrix and with its transpose, so that each is the other one's gradient.
Tensor recurrence(const Tensor& a, const Tensor& b, int axis, bool backwards) {
  Tensor y = Access::allocate(b.shape(), b.dtype());
  kernels::linear_recurrence(a, b, scan_axis(b.shape(), axis, backwards), y);
  return record("linear_recurrence", std::move(y),
                wrt(a,
                    [a, axis, backwards](const Tensor& g, const Tensor& solution) {
                      const Tensor adjoint = recurrence(a, g, axis, !backwards);
                      return backwards ? shifted(adjoint, axis, 0) * solution : adjoint * shifted(solution, axis, 0);
                    }),
                wrt(b, [a, axis, backwards](const Tensor& g) { return recurrence(a, g, axis, !backwards); }));
}

}  // namespace

Tensor cumsum(const Tensor& x, int axis) {
  detail::check_operands("cumsum", std::array{&x}, Types::all);
  return sum_from("cumsum", x, normalize_axis("cumsum", axis, x.rank()), false);
}

Tensor cumprod(const Tensor& x, int axis) {
  detail::check_operands("cumprod", std::array{&x}, Types::all);
  axis = normalize_axis("cumprod", axis, x.rank());
  Tensor y = Access::allocate(x.shape(), x.dtype());
  kernels::cumulative_product(x, scan_axis(x.shape(), axis, false), y);
  // Without division, and so right where elements are 0: dL/dx[k] = (x[0] ... x[k - 1]) s[k], where s[k], the sum over
  // i >= k of g[i] x[k + 1] ... x[i], is g[k] + x[k + 1] s[k + 1].
  return record("cumprod", std::move(y), wrt(x, [x, axis](const Tensor& g, const Tensor& products) {
                  return shifted(products, axis, 1) * recurrence(x, g, axis, true);
                }));
}

namespace {

/// The gradient of a product: for each element the product of the others, times g.
Tensor product_gradient(const Tensor& x, const detail::ReductionPlan& plan, const Tensor& y, const Tensor& g) {
  const Tensor rows = detail::groups_in_rows(x, plan);
  Tensor others;
  if (grad_enabled() && (g.requires_grad() || x.requires_grad())) {
    // The last cumulative product, by the rule above: what comes before an element, and after it.
    const Tensor last = pad(reshape(g, Shape{plan.kept.numel(), 1}), {0, plan.count - 1}, {0, 0});
    others = shifted(cumprod(rows, 1), 1, 1) * recurrence(rows, last, 1, true);
  } else {
    others = Access::allocate(rows.shape(), rows.dtype());
    kernels::product_gradient(rows, y, g, plan.count, others);
  }
  return detail::groups_from_rows(others, plan, x.shape());
}

}  // namespace

Tensor prod(const Tensor& x, const Axes& axes, bool keepdims) {
  const detail::ReductionPlan plan = detail::plan_reduction("prod", x, axes, keepdims, Types::all);
  return record("prod", detail::reduced(kernels::Reduction::product, x, plan.axes, plan.result),
                wrt(x, [x, plan](const Tensor& g, const Tensor& y) {
                  return x.numel() == 0 ? zeros(x.shape(), x.dtype()) : product_gradient(x, plan, y, g);
                }));
}

}  // namespace wengert
