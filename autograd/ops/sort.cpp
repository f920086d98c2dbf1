#include "autograd/kernels/sort.h"

#include "autograd/kernels/index.h"
#include "autograd/ops/reduction.h"

namespace wengert {

namespace {

using detail::Access;

/// x at `indices` along an axis, known to be in range; recorded as `op`.
ValuesAndIndices chosen(const char* op, const Tensor& x, int axis, const Tensor& indices) {
  Tensor values = Access::allocate(indices.shape(), x.dtype());
  kernels::gather(x, axis, indices, values);
  values = record(op, std::move(values), wrt(x, [shape = x.shape(), axis, indices](const Tensor& g) {
                    return scatter_add(zeros(shape, g.dtype()), axis, indices, g);
                  }));
  return {values, indices};
}

/// Positions of the first `count` elements in order along `axis`.
Tensor order(const char* op, const Tensor& x, int axis, bool descending, std::int64_t count) {
  const Shape& shape = x.shape();
  Tensor indices = Access::allocate(shape.with(axis, count), DType::int64);
  kernels::argsort(x, shape.numel(0, axis), shape[axis], shape.numel(axis + 1, shape.rank()), descending, count,
                   indices);
  return without_gradient(op, indices, x);
}

int checked_axis(const char* op, const Tensor& x, int axis) {
  detail::check_operands(op, std::array{&x}, Types::all);
  return normalize_axis(op, axis, x.rank());
}

ValuesAndIndices extreme_with_index(const char* op, kernels::Reduction kind, const Tensor& x, int axis, bool keepdims) {
  const Tensor indices = detail::index_of_extreme(op, kind, x, axis, true);
  axis = normalize_axis(op, axis, x.rank());
  const auto [values, positions] = chosen(op, x, axis, indices);
  if (keepdims) return {values, positions};
  return {squeeze(values, {axis}), squeeze(positions, {axis})};
}

}  // namespace

ValuesAndIndices max_with_index(const Tensor& x, int axis, bool keepdims) {
  return extreme_with_index("max_with_index", kernels::Reduction::max, x, axis, keepdims);
}

ValuesAndIndices min_with_index(const Tensor& x, int axis, bool keepdims) {
  return extreme_with_index("min_with_index", kernels::Reduction::min, x, axis, keepdims);
}

ValuesAndIndices sort(const Tensor& x, int axis, bool descending) {
  axis = checked_axis("sort", x, axis);
  return chosen("sort", x, axis, order("sort", x, axis, descending, x.dim(axis)));
}

Tensor argsort(const Tensor& x, int axis, bool descending) {
  axis = checked_axis("argsort", x, axis);
  return order("argsort", x, axis, descending, x.dim(axis));
}

ValuesAndIndices topk(const Tensor& x, std::int64_t k, int axis, bool largest) {
  axis = checked_axis("topk", x, axis);
  check(k >= 0 && k <= x.dim(axis), "topk: k is {}, but axis {} of shape {} has {} elements", k, axis, x.shape(),
        x.dim(axis));
  return chosen("topk", x, axis, order("topk", x, axis, largest, k));
}

Tensor median(const Tensor& x, const Axes& axes, bool keepdims) {
  const detail::ReductionPlan plan = detail::plan_reduction("median", x, axes, keepdims, Types::floating);
  check(plan.count > 0, "median: there is no element to choose from in a tensor of shape {}", x.shape());
  const Tensor rows = detail::groups_in_rows(x, plan);
  const std::int64_t count = plan.count;
  const Tensor in_order = chosen("median", rows, 1, order("median", rows, 1, false, count)).values;
  const Tensor middle = mean(slice(in_order, 1, (count - 1) / 2, count / 2 + 1), {1});
  // NaN comes last in order. It is chosen, not put in, so that it gets the gradient.
  const Tensor last = select(in_order, 1, count - 1);
  return reshape(where(isnan(last), last, middle), plan.result);
}

}  // namespace wengert
