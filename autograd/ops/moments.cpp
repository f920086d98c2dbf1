#include <cmath>

#include "autograd/ops/reduction.h"

namespace wengert {

namespace {

using detail::plan_reduction;
using detail::ReductionPlan;
using kernels::Reduction;

ReductionPlan plan_deviations(const char* op, const Tensor& x, const Axes& axes, const DeviationOptions& options) {
  const ReductionPlan plan = plan_reduction(op, x, axes, options.keepdims, Types::floating);
  check(static_cast<double>(plan.count) > options.correction,
        "{}: {} elements are too few with correction {}; x has shape {}", op, plan.count, options.correction,
        x.shape());
  return plan;
}

/// The mean square of the deviations from the mean, in two passes, unrecorded.
Tensor variance(const Tensor& x, const ReductionPlan& plan, double divisor) {
  const auto count = static_cast<double>(plan.count);
  return no_grad([&] {
    const Tensor center = detail::reduced(Reduction::sum, x, plan.axes, plan.kept) / count;
    const Tensor squares = elementwise("var", x, center, [](auto v, auto c) { return square(v - c); });
    return detail::reduced(Reduction::sum, squares, plan.axes, plan.result) / divisor;
  });
}

/// x minus its mean over the axes that `kept` has with size 1.
Tensor deviations(const Tensor& x, const ReductionPlan& plan) {
  return x - sum_to(x, plan.kept) / static_cast<double>(plan.count);
}

}  // namespace

Tensor var(const Tensor& x, const Axes& axes, const DeviationOptions& options) {
  const ReductionPlan plan = plan_deviations("var", x, axes, options);
  const double divisor = static_cast<double>(plan.count) - options.correction;
  return record("var", variance(x, plan, divisor), wrt(x, [x, plan, divisor](const Tensor& g) {
                  return reshape(g * (2 / divisor), plan.kept) * deviations(x, plan);
                }));
}

Tensor std(const Tensor& x, const Axes& axes, const DeviationOptions& options) {
  const ReductionPlan plan = plan_deviations("std", x, axes, options);
  const double divisor = static_cast<double>(plan.count) - options.correction;
  return record("std", no_grad([&] { return sqrt(variance(x, plan, divisor)); }),
                wrt(x, [x, plan, divisor](const Tensor& g, const Tensor& y) {
                  const Tensor scale = where(y == 0, 0, g / where(y == 0, divisor, y * divisor));
                  return reshape(scale, plan.kept) * deviations(x, plan);
                }));
}

namespace {

/// (sum |x|^p)^(1 / p) with the elements scaled to at most 1, so that no power overflows.
Tensor norm_by_powers(const Tensor& x, double p, const ReductionPlan& plan) {
  Tensor value = no_grad([&] {
    const Tensor sizes = abs(x);
    const Tensor largest = detail::reduced(Reduction::max, sizes, plan.axes, plan.kept);
    const auto scale = [](auto m) { return where(m == 0, 1, where(m - m == 0, m, 1)); };
    const Tensor powers =
        p == 2 ? elementwise("norm", sizes, largest, [scale](auto v, auto m) { return square(v / scale(m)); })
               : elementwise("norm", sizes, largest, [scale, p](auto v, auto m) { return pow(v / scale(m), p); });
    const Tensor total = detail::reduced(Reduction::sum, powers, plan.axes, plan.kept);
    const Tensor root = p == 2 ? sqrt(total) : pow(total, 1 / p);
    return elementwise("norm", root, largest, [scale](auto r, auto m) { return r * scale(m); }).reshape(plan.result);
  });
  return record("norm", std::move(value), wrt(x, [x, p, kept = plan.kept](const Tensor& g, const Tensor& y) {
                  const Tensor length = reshape(where(y == 0, 1, y), kept);
                  if (p == 2) return reshape(where(y == 0, 0, g), kept) * (x / length);
                  // |x| = 1 in the place of 0, whose sign is 0, keeps powers and logarithms finite.
                  const Tensor sizes = where(x == 0, 1, abs(x));
                  return reshape(g, kept) * (sign(x) * pow(sizes / length, p - 1));
                }));
}

}  // namespace

Tensor norm(const Tensor& x, double p, const Axes& axes, bool keepdims) {
  const ReductionPlan plan = plan_reduction("norm", x, axes, keepdims, Types::floating);
  check<Error>(p > 0, "norm: p must be > 0, got {}", p);
  if (p == 1 || plan.count == 0) return sum(abs(x), axes, keepdims);
  if (std::isinf(p)) return max(abs(x), axes, keepdims);
  return norm_by_powers(x, p, plan);
}

}  // namespace wengert
