#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>

#include "autograd/kernels/softmax.h"
#include "autograd/ops/reduction.h"

namespace wengert {

namespace {

using detail::Access;
using detail::plan_reduction;
using detail::reduced;
using detail::ReductionPlan;
using kernels::AxisSet;
using kernels::Reduction;

}  // namespace

Tensor sum(const Tensor& x, const Axes& axes, bool keepdims) {
  const ReductionPlan plan = plan_reduction("sum", x, axes, keepdims, Types::all);
  return record("sum", reduced(Reduction::sum, x, plan.axes, plan.result),
                wrt(x, [kept = plan.kept, shape = x.shape()](const Tensor& g, Rows rows) {
                  return broadcast_to(reshape(g, rows.of(kept)), rows.of(shape));
                }));
}

Tensor mean(const Tensor& x, const Axes& axes, bool keepdims) {
  const ReductionPlan plan = plan_reduction("mean", x, axes, keepdims, Types::floating);
  check(plan.count > 0, "mean: there is nothing to average in a tensor of shape {}", x.shape());
  const double count = static_cast<double>(plan.count);
  Tensor y = reduced(Reduction::sum, x, plan.axes, plan.result);
  if (plan.count > 1) {
    dispatch_floating(y.dtype(), [&]<class T>() {
      T* values = Access::mutable_data<T>(y);
      for (std::int64_t i = 0; i < y.numel(); ++i) values[i] /= static_cast<T>(count);
    });
  }
  return record("mean", std::move(y), wrt(x, [kept = plan.kept, shape = x.shape(), count](const Tensor& g, Rows rows) {
                  return broadcast_to(reshape(g / count, rows.of(kept)), rows.of(shape));
                }));
}

namespace {

/// 1 where an element of x is the extreme y of its group (as NaN is wherever there is one), else 0.
Tensor attains(const Tensor& x, const Tensor& y) {
  return elementwise("attains", x, y, [](auto v, auto extreme) { return where((v == extreme) | (v != v), 1, 0); });
}

Tensor extreme(const char* name, Reduction kind, const Tensor& x, const Axes& axes, bool keepdims) {
  const ReductionPlan plan = plan_reduction(name, x, axes, keepdims, Types::all);
  check(plan.count > 0, "{}: there is no element to choose from in a tensor of shape {}", name, x.shape());
  return record(
      name, reduced(kind, x, plan.axes, plan.result),
      wrt(x, [x = x.detach(), kept = plan.kept, set = plan.axes](const Tensor& g, const Tensor& y, Rows rows) {
        const Tensor mask = attains(x, y.detach().reshape(kept));
        const Tensor ties = reduced(Reduction::sum, mask, set, kept);
        return reshape(g, rows.of(kept)) / ties * mask;
      }));
}

}  // namespace

Tensor max(const Tensor& x, const Axes& axes, bool keepdims) {
  return extreme("max", Reduction::max, x, axes, keepdims);
}

Tensor min(const Tensor& x, const Axes& axes, bool keepdims) {
  return extreme("min", Reduction::min, x, axes, keepdims);
}

Tensor any(const Tensor& x, const Axes& axes, bool keepdims) {
  const ReductionPlan plan = plan_reduction("any", x, axes, keepdims, Types::all);
  if (plan.count == 0) return zeros(plan.result, x.dtype());
  return without_gradient("any", reduced(Reduction::max, x != 0, plan.axes, plan.result), x);
}

Tensor all(const Tensor& x, const Axes& axes, bool keepdims) {
  const ReductionPlan plan = plan_reduction("all", x, axes, keepdims, Types::all);
  if (plan.count == 0) return ones(plan.result, x.dtype());
  return without_gradient("all", reduced(Reduction::min, x != 0, plan.axes, plan.result), x);
}

Tensor argmax(const Tensor& x, int axis, bool keepdims) {
  return detail::index_of_extreme("argmax", Reduction::max, x, axis, keepdims);
}

Tensor argmin(const Tensor& x, int axis, bool keepdims) {
  return detail::index_of_extreme("argmin", Reduction::min, x, axis, keepdims);
}

namespace {

/// log(sum(exp(x))) over groups that lie in rows, in one pass each: for groups that one thread does well.
Tensor logsumexp_of_rows(const Tensor& rows, const Shape& shape) {
  Tensor result = Access::allocate(shape, rows.dtype());
  const std::int64_t columns = rows.shape()[1];
  dispatch_floating(rows.dtype(), [&]<class T>() {
    const T* in = Access::data<T>(rows);
    T* out = Access::mutable_data<T>(result);
    parallel_for(result.numel(), detail::elementwise_grain / columns, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const T largest = kernels::row_max(in + row * columns, columns);
        // Where the largest is infinite, or NaN, the sum is too: there is nothing to keep in range.
        const T shift = std::isfinite(largest) ? largest : T(0);
        out[row] = std::log(kernels::row_sum_of_exp(in + row * columns, columns, shift)) + shift;
      }
    });
  });
  return result;
}

/// The same for groups of any size.
Tensor logsumexp_of_groups(const Tensor& x, const ReductionPlan& plan) {
  const Tensor largest = reduced(Reduction::max, x, plan.axes, plan.kept);
  const auto shift = [](auto m) { return where(m - m == 0, m, 0); };
  const Tensor scaled = elementwise("exp", x, largest, [shift](auto v, auto m) { return exp(v - shift(m)); });
  return elementwise("log", reduced(Reduction::sum, scaled, plan.axes, plan.kept), largest,
                     [shift](auto s, auto m) { return log(s) + shift(m); })
      .reshape(plan.result);
}

}  // namespace

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdims) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr std::int64_t short_row = 4096;
  const ReductionPlan plan = plan_reduction("logsumexp", x, axes, keepdims, Types::floating);
  if (plan.count == 0) return full(plan.result, -infinity, x.dtype());
  Tensor value = no_grad([&] {
    return plan.count <= short_row ? logsumexp_of_rows(detail::groups_in_rows(x, plan), plan.result)
                                   : logsumexp_of_groups(x, plan);
  });
  // exp(x) is 0 in a group whose sum is 0, and so is its share of the gradient.
  const auto shares = [](auto g, auto v, auto total) { return g * exp(v - where(total == -infinity, 0, total)); };
  return record(
      "logsumexp", std::move(value), wrt(x, [x, kept = plan.kept, shares](const Tensor& g, const Tensor& y, Rows rows) {
        const Tensor upstream = reshape(g, rows.of(kept));
        const Tensor total = reshape(y, kept);
        if (rows.many() || (grad_enabled() && (g.requires_grad() || x.requires_grad()))) {
          return shares(upstream, x, total);
        }
        return detail::fused<Types::floating, true>(shares, x.shape(), x.dtype(), std::array{&upstream, &x, &total});
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
  return record("sum_to", reduced(Reduction::sum, x, axes, shape), wrt(x, [to = x.shape()](const Tensor& g, Rows rows) {
                  if (!rows.many()) return broadcast_to(g, to);
                  return broadcast_to(reshape(g, rows.of(g.shape().removed(0), to.rank())), rows.of(to));
                }));
}

namespace detail {

ReductionPlan plan_reduction(const char* op, const Tensor& x, const Axes& axes, bool keepdims, Types types) {
  check_operands(op, std::array{&x}, types);
  ReductionPlan plan;
  const Shape& shape = x.shape();
  if (axes.empty()) plan.axes = (AxisSet{1} << shape.rank()) - 1;
  for (const int given : axes) {
    const AxisSet axis = AxisSet{1} << normalize_axis(op, given, shape.rank());
    check((plan.axes & axis) == 0, "{}: axis {} is given twice", op, given);
    plan.axes |= axis;
  }
  std::array<std::int64_t, Shape::max_rank> kept;
  std::array<std::int64_t, Shape::max_rank> result;
  std::size_t left = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool reduces = (plan.axes >> axis & 1U) != 0;
    const std::int64_t size = reduces ? 1 : shape[axis];
    kept[static_cast<std::size_t>(axis)] = size;
    if (reduces) plan.count *= shape[axis];
    if (!reduces || keepdims) result[left++] = size;
  }
  plan.kept = Shape(std::span<const std::int64_t>(kept.data(), static_cast<std::size_t>(shape.rank())));
  plan.result = Shape(std::span<const std::int64_t>(result.data(), left));
  return plan;
}

Tensor reduced(kernels::Reduction kind, const Tensor& x, AxisSet axes, const Shape& shape) {
  if (x.numel() == shape.numel() && x.numel() > 0) {
    return Access::make(Value::view(Access::value(x), shape, 0));
  }
  Tensor y = Access::allocate(shape, x.dtype());
  kernels::reduce(kind, x, axes, y);
  return y;
}

namespace {

/// The axes that are not reduced, then the others.
std::vector<int> reduced_last(const ReductionPlan& plan) {
  std::vector<int> order;
  for (const unsigned reduces : {0U, 1U}) {
    for (int axis = 0; axis < plan.kept.rank(); ++axis) {
      if ((plan.axes >> axis & 1U) == reduces) order.push_back(axis);
    }
  }
  return order;
}

}  // namespace

Tensor groups_in_rows(const Tensor& x, const ReductionPlan& plan) {
  const std::vector<int> order = reduced_last(plan);
  const bool in_order = std::is_sorted(order.begin(), order.end());
  return reshape(in_order ? x : permute(x, order), Shape{plan.kept.numel(), plan.count});
}

Tensor groups_from_rows(const Tensor& rows, const ReductionPlan& plan, const Shape& shape) {
  const std::vector<int> order = reduced_last(plan);
  if (std::is_sorted(order.begin(), order.end())) return reshape(rows, shape);
  std::vector<std::int64_t> sizes;
  std::vector<int> inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    sizes.push_back(shape[order[i]]);
    inverse[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  }
  return permute(reshape(rows, Shape(sizes)), inverse);
}

Tensor index_of_extreme(const char* op, kernels::Reduction kind, const Tensor& x, int axis, bool keepdims) {
  check_operands(op, std::array{&x}, Types::all);
  const Shape& shape = x.shape();
  axis = normalize_axis(op, axis, x.rank());
  check(shape[axis] > 0, "{}: axis {} of shape {} has no element to choose from", op, axis, shape);
  Tensor y = Access::allocate(keepdims ? shape.with(axis, 1) : shape.removed(axis), DType::int64);
  kernels::index_of_extreme(kind, x, shape.numel(0, axis), shape[axis], shape.numel(axis + 1, shape.rank()), y);
  return without_gradient(op, y, x);
}

}  // namespace detail

}  // namespace wengert
