#include "autograd/kernels/ctc.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <wengert/autograd/elementwise.h>

#include "autograd/ops/composed.h"

namespace wengert {

namespace {

using detail::Access;

constexpr const char* op = "ctc_loss";
constexpr double infinity = std::numeric_limits<double>::infinity();

/// The arguments, kept for backward.
struct Alignment {
  Tensor log_probabilities;
  Tensor target;
  Tensor input_lengths;
  Tensor target_lengths;
  CtcOptions options;

  std::int64_t steps() const { return log_probabilities.dim(0); }
  std::int64_t samples() const { return log_probabilities.dim(1); }
  std::int64_t classes() const { return log_probabilities.dim(2); }
  std::int64_t input_length(std::int64_t n) const { return Access::data<std::int64_t>(input_lengths)[n]; }
  std::int64_t target_length(std::int64_t n) const { return Access::data<std::int64_t>(target_lengths)[n]; }
  std::int64_t label(std::int64_t n, std::int64_t s) const {
    return Access::data<std::int64_t>(target)[n * target.dim(1) + s];
  }
  /// The share of a sample's loss in the mean.
  double weight(std::int64_t n) const {
    return 1 / (static_cast<double>(samples()) * static_cast<double>(std::max<std::int64_t>(1, target_length(n))));
  }

  kernels::CtcProblem problem() const {
    return {log_probabilities, target, input_lengths, target_lengths, options.blank};
  }
};

void check_integers(const char* name, const Tensor& tensor) {
  check<Error>(tensor.defined(), "{}: {} is undefined", op, name);
  check<DTypeError>(tensor.dtype() == DType::int64, "{}: {} is {}, expected int64", op, name, tensor.dtype());
}

void check_lengths(const char* name, const Tensor& lengths, const Shape& of, std::int64_t most) {
  check(lengths.shape() == Shape{of[1]}, "{}: {} must be [{}] for log_probabilities {}, got {}", op, name, of[1], of,
        lengths.shape());
  for (std::int64_t n = 0; n < of[1]; ++n) {
    const std::int64_t length = Access::data<std::int64_t>(lengths)[n];
    check(length >= 0 && length <= most, "{}: {}[{}] is {}, expected 0 to {}", op, name, n, length, most);
  }
}

void check_alignment(const Alignment& a) {
  const Tensor& x = a.log_probabilities;
  detail::check_operands(op, std::array{&x}, Types::floating, {"log_probabilities"});
  check_integers("target", a.target);
  check_integers("input_lengths", a.input_lengths);
  check_integers("target_lengths", a.target_lengths);
  check(x.rank() == 3, "{}: log_probabilities must be [T, N, K], got {}", op, x.shape());
  check(a.samples() > 0, "{}: log_probabilities of shape {} have no sample, the loss has no mean", op, x.shape());
  check(a.options.blank >= 0 && a.options.blank < a.classes(),
        "{}: blank is {}, not a label of {} classes in log_probabilities {}", op, a.options.blank, a.classes(),
        x.shape());
  check(a.target.rank() == 2 && a.target.dim(0) == a.samples(),
        "{}: target must be [{}, S] for log_probabilities {}, got {}", op, a.samples(), x.shape(), a.target.shape());
  check_lengths("input_lengths", a.input_lengths, x.shape(), a.steps());
  check_lengths("target_lengths", a.target_lengths, x.shape(), a.target.dim(1));
  for (std::int64_t n = 0; n < a.samples(); ++n) {
    for (std::int64_t s = 0; s < a.target_length(n); ++s) {
      const std::int64_t label = a.label(n, s);
      check(label >= 0 && label < a.classes(), "{}: target[{}, {}] is {}, not a label of {} classes (expected 0 to {})",
            op, n, s, label, a.classes(), a.classes() - 1);
      check(label != a.options.blank, "{}: target[{}, {}] is {}, which is the blank", op, n, s, label);
    }
  }
}

Tensor numbers_of_samples(const Alignment& a) { return Access::allocate({a.samples()}, float64); }

double mean_loss(const Alignment& a, const Tensor& log_likelihood) {
  double sum = 0;
  for (std::int64_t n = 0; n < a.samples(); ++n) {
    const double loss = -Access::data<double>(log_likelihood)[n];
    if (loss != infinity || !a.options.zero_infinity) sum += loss * a.weight(n);
  }
  return sum;
}

Tensor fused_gradient(const Alignment& a, const Tensor& alpha, const Tensor& log_likelihood, const Tensor& g) {
  const Tensor scale = numbers_of_samples(a);
  for (std::int64_t n = 0; n < a.samples(); ++n) Access::mutable_data<double>(scale)[n] = -g.item() * a.weight(n);
  Tensor result = zeros(a.log_probabilities.shape(), a.log_probabilities.dtype());
  kernels::ctc_backward(a.problem(), alpha, log_likelihood, scale, result);
  return result;
}

// ---------------------------------------------------------------------------------------------------------------------
// The same by other ops, for gradients that are differentiated: the forward recursion, all samples together.

/// [N, 2 S + 1], from `f(sample, state, count of the sample's states)`.
template <class F>
Tensor of_states(const Alignment& a, DType dtype, F f) {
  const std::int64_t states = 2 * a.target.dim(1) + 1;
  std::vector<double> values;
  for (std::int64_t n = 0; n < a.samples(); ++n) {
    for (std::int64_t s = 0; s < states; ++s) {
      values.push_back(static_cast<double>(f(n, s, 2 * a.target_length(n) + 1)));
    }
  }
  return from_vector(values, {a.samples(), states}).to(dtype);
}

Tensor composed_loss(const Alignment& a, const Tensor& log_probabilities) {
  using std::int64_t;
  const DType dtype = log_probabilities.dtype();
  const Tensor labels = of_states(a, DType::int64, [&](int64_t n, int64_t s, int64_t count) {
    return s % 2 == 1 && s < count ? a.label(n, s / 2) : a.options.blank;
  });
  const Tensor can_skip = of_states(a, dtype, [&](int64_t n, int64_t s, int64_t count) {
    return s % 2 == 1 && s > 1 && s < count && a.label(n, s / 2) != a.label(n, s / 2 - 1);
  });
  const Tensor is_last =
      of_states(a, dtype, [](int64_t, int64_t s, int64_t count) { return s == count - 1 || s == count - 2; });
  const Tensor is_first = of_states(a, dtype, [](int64_t, int64_t s, int64_t) { return s == 0; });
  const Tensor lengths = a.input_lengths.to(dtype).reshape({a.samples(), 1});
  const int64_t states = labels.dim(1);
  const Tensor emissions =
      gather(log_probabilities, 2, broadcast_to(unsqueeze(labels, 0), {a.steps(), a.samples(), states}));

  Tensor alpha = where(is_first, 0, -infinity);
  for (int64_t step = 0; step < a.steps(); ++step) {
    const Tensor wide = pad(alpha, {0, 2}, {0, 0}, -infinity);
    const Tensor skipped = where(can_skip, slice(wide, 1, 0, states), -infinity);
    const Tensor next = logsumexp(stack({alpha, slice(wide, 1, 1, states + 1), skipped}), {0}) + emissions[step];
    alpha = where(lengths > static_cast<double>(step), next, alpha);
  }
  const Tensor log_likelihood = logsumexp(where(is_last, alpha, -infinity), {1});
  const Tensor losses = where(log_likelihood == -infinity, a.options.zero_infinity ? 0 : infinity, -log_likelihood);
  std::vector<double> weights;
  for (int64_t n = 0; n < a.samples(); ++n) weights.push_back(a.weight(n));
  return sum(losses * from_vector(weights).to(dtype));
}

Tensor recorded_gradient(const Alignment& a, const Tensor& g) {
  const auto composed = [&](const std::vector<Tensor>& inputs) { return composed_loss(a, inputs[0]); };
  const std::uint8_t needed = 1;
  return detail::composed_gradients(composed, {&a.log_probabilities, 1}, {&g, 1}, &needed)[0];
}

}  // namespace

Tensor ctc_loss(const Tensor& log_probabilities, const Tensor& target, const Tensor& input_lengths,
                const Tensor& target_lengths, const CtcOptions& options) {
  const Alignment a{log_probabilities, target, input_lengths, target_lengths, options};
  check_alignment(a);
  const bool recorded = grad_enabled() && log_probabilities.requires_grad();
  const Tensor alpha = Access::allocate(kernels::ctc_alpha_shape(a.problem(), recorded), float64);
  const Tensor log_likelihood = numbers_of_samples(a);
  kernels::ctc_forward(a.problem(), alpha, log_likelihood);
  const Tensor loss = full({}, mean_loss(a, log_likelihood), log_probabilities.dtype());
  return record(op, loss, wrt(log_probabilities, [a, alpha, log_likelihood](const Tensor& g) {
                  return grad_enabled() ? recorded_gradient(a, g) : fused_gradient(a, alpha, log_likelihood, g);
                }));
}

}  // namespace wengert
