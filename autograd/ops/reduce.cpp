#include "autograd/kernels/reduce.h"

#include <limits>

#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

using detail::Access;
using kernels::AxisSet;
using kernels::Reduction;

/// What a reduction over some axes of a shape does.
struct Plan {
  AxisSet axes = 0;
  Shape kept;              // the reduced axes have size 1
  Shape result;            // they are gone, unless kept
  std::int64_t count = 1;  // elements that make one of the result
};

Plan plan_reduction(const char* op, const Tensor& x, const Axes& axes, bool keepdims, Types types) {
  detail::check_operands(op, std::array{&x}, types);
  Plan plan;
  plan.kept = x.shape();
  if (axes.empty()) plan.axes = (AxisSet{1} << x.rank()) - 1;
  for (const int given : axes) {
    const AxisSet axis = AxisSet{1} << normalize_axis(op, given, x.rank());
    check((plan.axes & axis) == 0, "{}: axis {} is given twice", op, given);
    plan.axes |= axis;
  }
  plan.result = plan.kept;
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    if ((plan.axes >> axis & 1U) == 0) continue;
    plan.count *= x.shape()[axis];
    plan.kept = plan.kept.with(axis, 1);
    plan.result = keepdims ? plan.kept : plan.result.removed(axis);
  }
  return plan;
}

/// The elements of the reduced x as `shape`, unrecorded. Nothing is copied if every result comes from one element.
Tensor reduced(Reduction kind, const Tensor& x, AxisSet axes, const Shape& shape) {
  if (x.numel() == shape.numel() && x.numel() > 0) {
    return Access::make(detail::Value::view(Access::value(x), shape, 0));
  }
  Tensor y = Access::allocate(shape, x.dtype());
  kernels::reduce(kind, x, axes, y);
  return y;
}

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdims) {
  const Plan plan = plan_reduction("sum", x, axes, keepdims, Types::all);
  return record(
      "sum", reduced(Reduction::sum, x, plan.axes, plan.result),
      wrt(x, [kept = plan.kept, shape = x.shape()](const Tensor& g) { return broadcast_to(reshape(g, kept), shape); }));
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdims) {
  const Plan plan = plan_reduction("mean", x, axes, keepdims, Types::floating);
  check(plan.count > 0, "mean: there is nothing to average in a tensor of shape {}", x.shape());
  const double count = static_cast<double>(plan.count);
  Tensor y = reduced(Reduction::sum, x, plan.axes, plan.result);
  if (plan.count > 1) {
    dispatch_floating(y.dtype(), [&]<class T>() {
      T* values = Access::mutable_data<T>(y);
      for (std::int64_t i = 0; i < y.numel(); ++i) values[i] /= static_cast<T>(count);
    });
  }
  return record("mean", std::move(y), wrt(x, [kept = plan.kept, shape = x.shape(), count](const Tensor& g) {
                  return broadcast_to(reshape(g / count, kept), shape);
                }));
}

namespace {

/// 1 where an element of x is the extreme y of its group (as NaN is wherever there is one), else 0.
Tensor attains(const Tensor& x, const Tensor& y) {
  return elementwise("attains", x, y, [](auto v, auto extreme) { return where((v == extreme) | (v != v), 1, 0); });
}

Tensor extreme(const char* name, Reduction kind, const Tensor& x, const Axes& axes, bool keepdims) {
  const Plan plan = plan_reduction(name, x, axes, keepdims, Types::all);
  check(plan.count > 0, "{}: there is no element to choose from in a tensor of shape {}", name, x.shape());
  return record(name, reduced(kind, x, plan.axes, plan.result),
                wrt(x, [x = x.detach(), kept = plan.kept, set = plan.axes](const Tensor& g, const Tensor& y) {
                  const Tensor mask = attains(x, y.detach().reshape(kept));
                  const Tensor ties = reduced(Reduction::sum, mask, set, kept);
                  return reshape(g, kept) / ties * mask;
                }));
}

}  // namespace

Tensor max(const Tensor& x, const Axes& axes, bool keepdims) {
  return extreme("max", Reduction::max, x, axes, keepdims);
}

Tensor min(const Tensor& x, const Axes& axes, bool keepdims) {
  return extreme("min", Reduction::min, x, axes, keepdims);
}

Tensor argmax(const Tensor& x, int axis, bool keepdims) {
  detail::check_operands("argmax", std::array{&x}, Types::all);
  const Shape& shape = x.shape();
  axis = normalize_axis("argmax", axis, x.rank());
  check(shape[axis] > 0, "argmax: axis {} of shape {} has no element to choose from", axis, shape);
  Tensor y = Access::allocate(keepdims ? shape.with(axis, 1) : shape.removed(axis), DType::int64);
  kernels::argmax(x, shape.numel(0, axis), shape[axis], shape.numel(axis + 1, shape.rank()), y);
  return y;
}

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdims) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Plan plan = plan_reduction("logsumexp", x, axes, keepdims, Types::floating);
  if (plan.count == 0) return full(plan.result, -infinity, x.dtype());
  const Tensor value = no_grad([&] {
    const Tensor largest = reduced(Reduction::max, x, plan.axes, plan.kept);
    // Where the largest is infinite, or NaN, the sum is too: there is nothing to keep in range.
    const auto shift = [](auto m) { return where(m - m == 0, m, 0); };
    const Tensor scaled = elementwise("exp", x, largest, [shift](auto v, auto m) { return exp(v - shift(m)); });
    return elementwise("log", reduced(Reduction::sum, scaled, plan.axes, plan.kept), largest,
                       [shift](auto s, auto m) { return log(s) + shift(m); });
  });
  return record("logsumexp", value.reshape(plan.result),
                wrt(x, [x, kept = plan.kept](const Tensor& g, const Tensor& y) {
                  // exp(x) is 0 in a group whose sum is 0, and so is its share of the gradient.
                  const Tensor total = reshape(where(y == -infinity, 0, y), kept);
                  return reshape(g, kept) * exp(x - total);
                }));
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  detail::check_operands("sum_to", std::array{&x}, Types::all);
  if (x.shape() == shape) return x;
  check(broadcasts_to(shape, x.shape()), "sum_to: shape {} does not broadcast to x's shape {}, so x does not sum to it",
        shape, x.shape());
  const int added = x.rank() - shape.rank();
  AxisSet axes = (AxisSet{1} << added) - 1;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != x.shape()[axis + added]) axes |= AxisSet{1} << (axis + added);
  }
  return record("sum_to", reduced(Reduction::sum, x, axes, shape),
                wrt(x, [to = x.shape()](const Tensor& g) { return broadcast_to(g, to); }));
}

}  // namespace wengert
