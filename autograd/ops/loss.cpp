#include <cmath>
#include <vector>

#include <wengert/autograd/elementwise.h>

#include "autograd/kernels/cross_entropy.h"
#include "autograd/ops/loss_checks.h"

namespace wengert {

void detail::check_loss_inputs(const char* op, const char* input_name, const Tensor& input, const Tensor& target) {
  check_operands(op, std::array{&input, &target}, Types::floating, {input_name, "target"});
  check(input.shape() == target.shape(), "{}: {} is {} and target is {}; they must have the same shape", op, input_name,
        input.shape(), target.shape());
  check(input.numel() > 0, "{}: {} of shape {} is empty, it has no mean", op, input_name, input.shape());
}

void detail::check_label_range(const char* op, const Tensor& labels, std::int64_t classes,
                               std::optional<std::int64_t> ignored) {
  const auto values = labels.data<std::int64_t>();
  for (std::size_t row = 0; row < values.size(); ++row) {
    check((values[row] >= 0 && values[row] < classes) || values[row] == ignored,
          "{}: target[{}] is {}, not a label of {} classes (expected 0 to {})", op, row, values[row], classes,
          classes - 1);
  }
}

namespace {

using detail::Access;

/// The sum of `f(begin, end)` over chunks of [0, n), in an order that depends on n and grain alone.
template <class F>
double sum_over_chunks(std::int64_t n, std::int64_t grain, F f) {
  if (n <= grain) return f(std::int64_t{0}, n);
  std::vector<double> sums(static_cast<std::size_t>((n + grain - 1) / grain));
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    sums[static_cast<std::size_t>(begin / grain)] = f(begin, end);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

Tensor scalar(double value, DType dtype) {
  Tensor result = Access::allocate({}, dtype);
  dispatch_floating(dtype, [&]<class T>() { *Access::mutable_data<T>(result) = static_cast<T>(value); });
  return result;
}

// ---------------------------------------------------------------------------------------------------------------------
// Means over all elements of a loss of two numbers.

/// The mean of `value(x, t)`, x from `input` and t from `target`.
template <class Value>
Tensor mean_of(Value value, const Tensor& input, const Tensor& target) {
  // Short stretches in the tensor's type, their sums in double.
  constexpr std::int64_t stretch = 1024;
  const std::int64_t n = input.numel();
  const double total = dispatch_floating(input.dtype(), [&]<class T>() {
    const T* x = Access::data<T>(input);
    const T* t = Access::data<T>(target);
    return sum_over_chunks(n, detail::elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      double sum = 0;
      for (std::int64_t start = begin; start < end; start += stretch) {
        simd::Pack<T> part = 0;
        kernels::for_each_pack<T>(std::min(stretch, end - start), [&](auto lanes, std::int64_t i) {
          part += lanes.keep(value(lanes.load(x + start + i, 0), lanes.load(t + start + i, 0)), 0);
        });
        sum += static_cast<double>(kernels::sum_of_lanes(part));
      }
      return sum;
    });
  });
  return scalar(total / static_cast<double>(n), input.dtype());
}

/// The gradient of such a mean with respect to one side, by `formula(g, x, t)` for one element: one pass, or recorded
/// ops when it is to be differentiated again.
template <class F>
auto mean_rule(F formula, const Tensor& input, const Tensor& target) {
  return [formula, input, target](const Tensor& g, Rows rows) mutable {
    const Tensor factor = rows.many() ? reshape(g, rows.of({}, input.rank())) : g;
    const Tensor share = factor / static_cast<double>(input.numel());
    if (grad_enabled() && (g.requires_grad() || input.requires_grad() || target.requires_grad())) {
      return formula(share, input, target);
    }
    return detail::fused<Types::floating, true>(formula, rows.of(input.shape()), input.dtype(),
                                                std::array{&share, &input, &target});
  };
}

template <class Value, class InputGradient, class TargetGradient>
Tensor mean_loss(const char* op, const char* input_name, const Tensor& input, const Tensor& target, Value value,
                 InputGradient input_gradient, TargetGradient target_gradient) {
  detail::check_loss_inputs(op, input_name, input, target);
  return record(op, mean_of(value, input, target), wrt(input, mean_rule(input_gradient, input, target)),
                wrt(target, mean_rule(target_gradient, input, target)));
}

constexpr auto clamped_log = [](auto v) { return maximum(log(v), -100); };

}  // namespace

Tensor mse_loss(const Tensor& prediction, const Tensor& target) {
  return mean_loss(
      "mse_loss", "prediction", prediction, target, [](auto x, auto t) { return (x - t) * (x - t); },
      [](auto g, auto x, auto t) { return 2 * g * (x - t); }, [](auto g, auto x, auto t) { return 2 * g * (t - x); });
}

Tensor binary_cross_entropy(const Tensor& probabilities, const Tensor& target) {
  return mean_loss(
      "binary_cross_entropy", "probabilities", probabilities, target,
      [](auto p, auto t) { return -(t * clamped_log(p) + (1 - t) * clamped_log(1 - p)); },
      [](auto g, auto p, auto t) { return g * (p - t) / maximum(p * (1 - p), 1e-12); },
      [](auto g, auto p, auto /*t*/) { return g * (clamped_log(1 - p) - clamped_log(p)); });
}

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target) {
  return mean_loss(
      "binary_cross_entropy_with_logits", "logits", logits, target,
      // t softplus(-x) + (1 - t) softplus(x), whose linear parts are |x| times what the sign of x speaks against. Where
      // that is 0 they are left out, as x may be infinite.
      [](auto x, auto t) {
        const auto size = abs(x);
        const auto wrong = where(x > 0, 1 - t, t);
        return where(wrong == 0, 0, wrong * size) + softplus(-size);
      },
      // sigmoid(x) - t, but exact where they are nearly equal.
      [](auto g, auto x, auto t) { return g * ((1 - t) * sigmoid(x) - t * sigmoid(-x)); },
      [](auto g, auto x, auto /*t*/) { return -(g * x); });
}

// ---------------------------------------------------------------------------------------------------------------------
// Cross entropy of rows of logits.

namespace {

constexpr const char* cross_entropy_name = "cross_entropy";

void check_cross_entropy(const Tensor& logits, const Tensor& target) {
  const char* op = cross_entropy_name;
  detail::check_operands(op, std::array{&logits}, Types::floating, {"logits"});
  check<Error>(target.defined(), "{}: target is undefined", op);
  check(logits.rank() == 2, "{}: logits must be [N, K], got {}", op, logits.shape());
  check(logits.numel() > 0, "{}: logits of shape {} are empty, the loss has no mean", op, logits.shape());
  if (target.dtype() != DType::int64) {
    check<DTypeError>(target.dtype() == logits.dtype(),
                      "{}: logits are {} and target is {}; target must be int64 labels, or probabilities of the "
                      "logits' dtype",
                      op, logits.dtype(), target.dtype());
    check(target.shape() == logits.shape(),
          "{}: logits are {} and target is {}; probabilities must have the logits' shape (labels are int64 of shape "
          "[{}])",
          op, logits.shape(), target.shape(), logits.dim(0));
    return;
  }
  check(target.shape() == Shape{logits.dim(0)}, "{}: logits are {} and target is {}; labels must have shape [{}]", op,
        logits.shape(), target.shape(), logits.dim(0));
  detail::check_label_range(op, target, logits.dim(1));
}

std::int64_t rows_per_chunk(std::int64_t columns) {
  return std::max<std::int64_t>(1, detail::elementwise_grain / columns);
}

/// Calls `f` with the target's numbers: labels, or probabilities of type T. `row` is what they are for.
template <class T, class F>
decltype(auto) with_target(const Tensor& target, std::int64_t row, std::int64_t columns, F f) {
  if (target.dtype() == DType::int64) return f(Access::data<std::int64_t>(target) + row);
  return f(Access::data<T>(target) + row * columns);
}

Tensor cross_entropy_value(const Tensor& logits, const Tensor& target) {
  const std::int64_t rows = logits.dim(0);
  const std::int64_t columns = logits.dim(1);
  const double total = dispatch_floating(logits.dtype(), [&]<class T>() {
    return sum_over_chunks(rows, rows_per_chunk(columns), [&](std::int64_t begin, std::int64_t end) {
      return with_target<T>(target, begin, columns, [&](const auto* t) {
        return kernels::cross_entropy_sum(Access::data<T>(logits) + begin * columns, t, end - begin, columns);
      });
    });
  });
  return scalar(total / static_cast<double>(rows), logits.dtype());
}

Tensor cross_entropy_gradient(const Tensor& g, const Tensor& logits, const Tensor& target) {
  const std::int64_t rows = logits.dim(0);
  const std::int64_t columns = logits.dim(1);
  Tensor result = Access::allocate(logits.shape(), logits.dtype());
  dispatch_floating(logits.dtype(), [&]<class T>() {
    const T scale = Access::data<T>(g)[0] / static_cast<T>(rows);
    T* out = Access::mutable_data<T>(result);
    parallel_for(rows, rows_per_chunk(columns), [&](std::int64_t begin, std::int64_t end) {
      with_target<T>(target, begin, columns, [&](const auto* t) {
        kernels::cross_entropy_gradient(Access::data<T>(logits) + begin * columns, t, end - begin, columns, scale,
                                        out + begin * columns);
      });
    });
  });
  return result;
}

/// The same in differentiable ops.
Tensor recorded_cross_entropy_gradient(const Tensor& g, const Tensor& logits, const Tensor& target) {
  const Tensor share = g / static_cast<double>(logits.dim(0));
  if (target.dtype() == DType::int64) {
    return share * (softmax(logits) - one_hot(target, logits.dim(1), logits.dtype()));
  }
  return share * (softmax(logits) * sum(target, {-1}, true) - target);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& target) {
  check_cross_entropy(logits, target);
  return record(cross_entropy_name, cross_entropy_value(logits, target),
                wrt(logits,
                    [logits, target](const Tensor& g, Rows rows) {
                      const bool again = g.requires_grad() || logits.requires_grad() || target.requires_grad();
                      return rows.many() || (grad_enabled() && again)
                                 ? recorded_cross_entropy_gradient(reshape(g, rows.of({}, 2)), logits, target)
                                 : cross_entropy_gradient(g, logits, target);
                    }),
                wrt(target, [logits](const Tensor& g, Rows rows) {
                  return reshape(g, rows.of({}, 2)) * (log_softmax(logits) / -static_cast<double>(logits.dim(0)));
                }));
}

}  // namespace wengert
