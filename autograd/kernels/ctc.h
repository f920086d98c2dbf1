#pragma once

#include <cstdint>

#include <wengert/autograd/tensor.h>

namespace wengert::kernels {

/// What is aligned: log_probabilities, [T, N, K], and int64 targets, [N, S], of which the first `target_lengths[n]`
/// labels of sample n have to be spelt in its first `input_lengths[n]` steps. All within their ranges.
struct CtcProblem {
  const Tensor& log_probabilities;
  const Tensor& target;
  const Tensor& input_lengths;
  const Tensor& target_lengths;
  std::int64_t blank;
};

/// Forward variables after each step, [N, T + 1, 2 S + 3], or in turns in two rows, [N, 2, 2 S + 3], if no gradient is
/// to follow; in float64. The first one stands for the time before the first step.
Shape ctc_alpha_shape(const CtcProblem& problem, bool keep_all);

/// The logarithm of each sample's probability, [N] in float64, and alpha, which tells by its shape which rows to keep.
void ctc_forward(const CtcProblem& problem, const Tensor& alpha, const Tensor& log_likelihood);

/// Adds scale[n] d(log_likelihood[n]) / d(log_probabilities), which are taken for free variables, to zeros. Nothing for
/// a sample whose probability is 0. log_likelihood, scale: [N] in float64.
void ctc_backward(const CtcProblem& problem, const Tensor& alpha, const Tensor& log_likelihood, const Tensor& scale,
                  const Tensor& g_log_probabilities);

}  // namespace wengert::kernels
