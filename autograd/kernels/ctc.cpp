#include "autograd/kernels/ctc.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <wengert/autograd/parallel.h>

#include "autograd/kernels/softmax.h"

namespace wengert::kernels {

namespace {

using detail::Access;
using simd::Pack;

constexpr double impossible = -std::numeric_limits<double>::infinity();
/// States handled by one chunk of a parallel loop; each takes some four exponentials.
constexpr std::int64_t states_per_chunk = 1 << 12;
/// A row of states has as many on one side, which cannot be, for those that are reached from two states before.
constexpr std::int64_t margin = 2;

/// Of nothing but -infinity, -infinity.
WENGERT_SIMD_INLINE Pack<double> log_sum_exp(Pack<double> a, Pack<double> b, Pack<double> c) {
  // In order, as the exponential of the largest is known.
  const Pack<double> larger = maximum(a, b);
  const Pack<double> smaller = minimum(a, b);
  const Pack<double> largest = maximum(larger, c);
  const Pack<double> middle = maximum(smaller, minimum(larger, c));
  const Pack<double> smallest = minimum(smaller, c);
  const Pack<double> sum = 1 + exp(middle - largest) + exp(smallest - largest);
  return where(largest == impossible, impossible, largest + log(sum));
}

/// The states of one sample, a blank before, between and after the labels of its target, and one step in them. Log
/// probabilities are in double whatever their type.
template <class T>
class States {
 public:
  explicit States(const CtcProblem& problem)
      : probabilities_(Access::data<T>(problem.log_probabilities)),
        target_(Access::data<std::int64_t>(problem.target)),
        input_lengths_(Access::data<std::int64_t>(problem.input_lengths)),
        target_lengths_(Access::data<std::int64_t>(problem.target_lengths)),
        samples_(problem.log_probabilities.dim(1)),
        classes_(problem.log_probabilities.dim(2)),
        longest_(problem.target.dim(1)),
        blank_(problem.blank),
        labels_(row_size(longest_)),
        skip_(row_size(longest_)),
        emission_(row_size(longest_)) {}

  static std::size_t row_size(std::int64_t labels) { return static_cast<std::size_t>(2 * labels + 1 + margin); }

  void set_sample(std::int64_t sample) {
    sample_ = sample;
    const std::int64_t* target = target_ + sample * longest_;
    count_ = 2 * target_lengths_[sample] + 1;
    std::fill(skip_.begin(), skip_.end(), impossible);
    for (std::int64_t s = 0; s < count_; ++s) {
      const auto i = static_cast<std::size_t>(s);
      labels_[i] = s % 2 == 0 ? blank_ : target[s / 2];
      // The blank between two labels may be left out unless they are the same.
      if (s % 2 == 1 && s > 1 && target[s / 2] != target[s / 2 - 1]) skip_[i] = 0;
    }
  }

  std::int64_t count() const { return count_; }
  std::int64_t steps() const { return input_lengths_[sample_]; }
  std::int64_t label(std::int64_t s) const { return labels_[static_cast<std::size_t>(s)]; }
  /// Where a step's row of classes is.
  std::int64_t row(std::int64_t step) const { return (step * samples_ + sample_) * classes_; }

  void read_emission(std::int64_t step) {
    const T* classes = probabilities_ + row(step);
    for (std::int64_t s = 0; s < count_; ++s) {
      emission_[static_cast<std::size_t>(s)] = static_cast<double>(classes[label(s)]);
    }
  }

  /// next[s] from the states that lead to s. Both rows begin with the margin.
  void forward(const double* now, double* next) const {
    std::fill_n(next, margin, impossible);
    for_each_pack<double>(count_, [&](auto lanes, std::int64_t s) {
      const Pack<double> sum = log_sum_exp(lanes.load(now + margin + s, 0), lanes.load(now + margin + s - 1, 0),
                                           lanes.load(now + margin + s - 2, 0) + lanes.load(skip_.data() + s, 0));
      lanes.store(sum + lanes.load(emission_.data() + s, 0), next + margin + s);
    });
  }

  /// before[s] from the states that s leads to. Rows end with the margin; `now` is overwritten.
  void backward(double* now, double* before) const {
    for (std::int64_t s = 0; s < count_; ++s) now[s] += emission_[static_cast<std::size_t>(s)];
    std::fill_n(now + count_, margin, impossible);
    for_each_pack<double>(count_, [&](auto lanes, std::int64_t s) {
      const Pack<double> sum = log_sum_exp(lanes.load(now + s, 0), lanes.load(now + s + 1, 0),
                                           lanes.load(now + s + 2, 0) + lanes.load(skip_.data() + s + 2, 0));
      lanes.store(sum, before + s);
    });
  }

 private:
  const T* probabilities_;
  const std::int64_t* target_;
  const std::int64_t* input_lengths_;
  const std::int64_t* target_lengths_;
  std::int64_t samples_;
  std::int64_t classes_;
  std::int64_t longest_;
  std::int64_t blank_;
  std::int64_t sample_ = 0;
  std::int64_t count_ = 0;
  std::vector<std::int64_t> labels_;
  std::vector<double> skip_;  // added to what comes from two states before: 0, or -infinity
  std::vector<double> emission_;
};

/// Calls `f(states, sample)` for every sample.
template <class F>
void for_samples(const CtcProblem& problem, F f) {
  const std::int64_t states = problem.log_probabilities.dim(0) * (2 * problem.target.dim(1) + 1);
  const std::int64_t grain = std::max<std::int64_t>(1, states_per_chunk / std::max<std::int64_t>(1, states));
  dispatch_floating(problem.log_probabilities.dtype(), [&]<class T>() {
    parallel_for(problem.log_probabilities.dim(1), grain, [&](std::int64_t begin, std::int64_t end) {
      States<T> of_sample(problem);
      for (std::int64_t sample = begin; sample < end; ++sample) {
        of_sample.set_sample(sample);
        f.template operator()<T>(of_sample, sample);
      }
    });
  });
}

}  // namespace

Shape ctc_alpha_shape(const CtcProblem& problem, bool keep_all) {
  const std::int64_t rows = keep_all ? problem.log_probabilities.dim(0) + 1 : 2;
  return {problem.log_probabilities.dim(1), rows, 2 * problem.target.dim(1) + 1 + margin};
}

void ctc_forward(const CtcProblem& problem, const Tensor& alpha, const Tensor& log_likelihood) {
  for_samples(problem, [&]<class T>(States<T>& states, std::int64_t sample) {
    const std::int64_t rows = alpha.dim(1);
    const std::int64_t width = alpha.dim(2);
    double* first = Access::mutable_data<double>(alpha) + sample * rows * width;
    const auto row = [&](std::int64_t step) { return first + step % rows * width; };
    // One step before the first, as if the first blank had been seen: it, or the first label, comes next.
    std::fill_n(row(0), margin + states.count(), impossible);
    row(0)[margin] = 0;
    for (std::int64_t step = 0; step < states.steps(); ++step) {
      states.read_emission(step);
      states.forward(row(step), row(step + 1));
    }
    const double* last = row(states.steps()) + margin + states.count() - 1;  // the last blank, behind the last label
    Access::mutable_data<double>(log_likelihood)[sample] = log_sum_exp(last[0], last[-1], impossible)[0];
  });
}

void ctc_backward(const CtcProblem& problem, const Tensor& alpha, const Tensor& log_likelihood, const Tensor& scale,
                  const Tensor& g_log_probabilities) {
  for_samples(problem, [&]<class T>(States<T>& states, std::int64_t sample) {
    const double total = Access::data<double>(log_likelihood)[sample];
    if (total == impossible) return;
    const double factor = Access::data<double>(scale)[sample];
    const std::int64_t width = alpha.dim(2);
    const std::int64_t count = states.count();
    const double* forward = Access::data<double>(alpha) + sample * alpha.dim(1) * width + margin;
    std::vector<double> beta(static_cast<std::size_t>(width), impossible);
    std::vector<double> before(beta);
    std::vector<double> occupied(static_cast<std::size_t>(width));
    std::vector<double> shares(static_cast<std::size_t>(problem.log_probabilities.dim(2)));
    beta[static_cast<std::size_t>(count - 1)] = 0;
    if (count > 1) beta[static_cast<std::size_t>(count - 2)] = 0;
    for (std::int64_t step = states.steps() - 1; step >= 0; --step) {
      const double* to_here = forward + (step + 1) * width;
      for_each_pack<double>(count, [&](auto lanes, std::int64_t s) {
        const Pack<double> log_share = lanes.load(to_here + s, 0) + lanes.load(beta.data() + s, 0) - total;
        lanes.store(exp(log_share), occupied.data() + s);
      });
      // A label's share is that of all states which show it; they are summed up before they are rounded to T.
      const auto share_of = [&](std::int64_t s) -> double& {
        return shares[static_cast<std::size_t>(states.label(s))];
      };
      T* out = Access::mutable_data<T>(g_log_probabilities) + states.row(step);
      for (std::int64_t s = 0; s < count; ++s) share_of(s) += occupied[static_cast<std::size_t>(s)];
      for (std::int64_t s = 0; s < count; ++s) out[states.label(s)] = static_cast<T>(factor * share_of(s));
      for (std::int64_t s = 0; s < count; ++s) share_of(s) = 0;
      states.read_emission(step);
      states.backward(beta.data(), before.data());
      beta.swap(before);
    }
  });
}

}  // namespace wengert::kernels
