#include <limits>

#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

/// An operator's function from a reduction f(x, axes, keepdims). The axes are an attribute, or from version 13 on, for
/// sums, an input.
template <class F>
auto over_axes(F f) {
  return [f](const Call& call) {
    const Tensor x = call.input(0);
    const auto axes = call.input_count() > 1 ? call.integers_input(1) : call.integers("axes");
    if (axes.empty() && call.flag("noop_with_empty_axes")) throw Unsupported("no axes means all axes");
    return f(x, to_axes(axes), call.flag("keepdims", true));
  };
}

/// argmax or argmin; the last one of equal elements is the first one from the other end.
Tensor position(const Call& call, Tensor (*op)(const Tensor& x, int axis, bool keepdims)) {
  const Tensor x = call.input(0);
  const int axis = call.axis("axis", 0);
  const bool keepdims = call.flag("keepdims", true);
  if (!call.flag("select_last_index")) return op(x, axis, keepdims);
  return static_cast<double>(x.dim(axis) - 1) - op(flip(x, {axis}), axis, keepdims);
}

Tensor cumulative_sum(const Call& call) {
  Tensor x = call.input(0);
  const int axis = normalize_axis("onnx", call.input(1).item<int>(), x.rank());
  const bool backwards = call.flag("reverse");
  if (backwards) x = flip(x, {axis});
  Tensor sums = cumsum(x, axis);
  if (call.flag("exclusive")) {
    std::vector<std::int64_t> before(static_cast<std::size_t>(x.rank()), 0);
    const std::vector<std::int64_t> after = before;
    before[static_cast<std::size_t>(axis)] = 1;
    sums = slice(pad(sums, before, after), axis, 0, x.dim(axis));
  }
  return backwards ? flip(sums, {axis}) : sums;
}

Outputs top(const Call& call) {
  const Tensor x = call.input(0);
  const std::int64_t k = call.opset() < 10 ? call.integer("k", 0) : call.input(1).item<std::int64_t>();
  call.ignore("sorted");  // an order is a valid answer where none is asked for
  const auto [values, indices] = topk(x, k, call.axis("axis", -1), call.flag("largest", true));
  return {values, indices};
}

Tensor standardized(const Call& call) {
  const Tensor x = call.input(0);
  const Axes axes = call.has("axes") ? to_axes(call.integers("axes")) : Axes{0, 2, 3};
  const Tensor deviation = std(x, axes, {.correction = 0, .keepdims = true});
  return (x - mean(x, axes, true)) / (deviation + 1e-9);
}

/// Each channel over the sum of squares of its neighbours.
Tensor local_response(const Call& call) {
  const Tensor x = call.input(0);
  const std::int64_t size = call.integer("size", 1);
  std::vector<std::int64_t> before(static_cast<std::size_t>(x.rank()), 0);
  std::vector<std::int64_t> after = before;
  before[1] = (size - 1) / 2;
  after[1] = size / 2;
  const Tensor neighbours = sum(unfold(pad(square(x), before, after), 1, size), {-1});
  const double scale = call.real("alpha", 0.0001) / static_cast<double>(size);
  return x / pow(call.real("bias", 1) + scale * neighbours, call.real("beta", 0.75));
}

}  // namespace

std::vector<Operator> reduction_operators() {
  constexpr Accuracy exact = Accuracy::exact;
  return {
      {"ArgMax", {"argmax"}, [](const Call& call) { return position(call, argmax); }, exact},
      {"ArgMin", {"argmin"}, [](const Call& call) { return position(call, argmin); }, exact},
      {"CumSum", {"cumsum"}, cumulative_sum},
      {"LRN", {"unfold", "pow"}, local_response},
      {"MeanVarianceNormalization", {"mean", "std"}, standardized},
      {"ReduceL1", {"norm"}, over_axes([](const Tensor& x, const Axes& axes, bool keepdims) {
         return norm(x, 1, axes, keepdims);
       })},
      {"ReduceL2", {"norm"}, over_axes([](const Tensor& x, const Axes& axes, bool keepdims) {
         return norm(x, 2, axes, keepdims);
       })},
      {"ReduceLogSum", {"sum", "log"}, over_axes([](const Tensor& x, const Axes& axes, bool keepdims) {
         return log(sum(x, axes, keepdims));
       })},
      {"ReduceLogSumExp", {"logsumexp"}, over_axes(logsumexp)},
      {"ReduceMax", {"max"}, over_axes(max), exact},
      {"ReduceMean", {"mean"}, over_axes(mean)},
      {"ReduceMin", {"min"}, over_axes(min), exact},
      {"ReduceProd", {"prod"}, over_axes(prod)},
      {"ReduceSum", {"sum"}, over_axes(sum)},
      {"ReduceSumSquare", {"sum", "square"}, over_axes([](const Tensor& x, const Axes& axes, bool keepdims) {
         return sum(square(x), axes, keepdims);
       })},
      {"TopK", {"topk"}, top, exact},
  };
}

}  // namespace wengert::test::onnx
