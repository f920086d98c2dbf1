#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <wengert/autograd/elementwise.h>

#include "autograd/detail/position.h"

namespace wengert {

namespace {

using detail::Access;

void check_floating(const char* op, DType dtype) {
  check<DTypeError>(is_floating(dtype), "{}: dtype must be float32 or float64, got {}", op, dtype);
}

// ---------------------------------------------------------------------------------------------------------------------
// multinomial.

std::string name_of_row(const Tensor& weights, std::int64_t row) {
  if (weights.rank() == 1) return "weights";
  return fmt::format("row {} of weights", detail::position_of(row, weights.shape().removed(weights.rank() - 1)));
}

/// Throws unless each row has at least `least` weights above 0, and none that is negative or not finite.
template <class T>
void check_weights(const Tensor& weights, std::int64_t least) {
  const std::int64_t classes = weights.dim(-1);
  const std::int64_t rows = weights.shape().numel(0, weights.rank() - 1);
  const T* weight = Access::data<T>(weights);
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int64_t positive = 0;
    for (std::int64_t k = 0; k < classes; ++k, ++weight) {
      if (!(*weight >= 0) || std::isinf(*weight)) [[unlikely]] {
        fail<Error>("multinomial: {} has {} at {}; weights must be finite and not negative", name_of_row(weights, row),
                    *weight, k);
      }
      positive += *weight > 0;
    }
    if (positive < least) [[unlikely]] {
      fail<Error>("multinomial: {} has {} weights above 0, fewer than the {} to be drawn", name_of_row(weights, row),
                  positive, least);
    }
  }
}

/// By the inverse of the cumulative distribution, at count numbers u that are uniform in [0, 1).
template <class T>
void draw_with_replacement(std::span<const T> weights, std::span<const double> u, std::vector<double>& cumulative,
                           std::int64_t* out) {
  cumulative.resize(weights.size());
  const double largest = *std::max_element(weights.begin(), weights.end());  // so that the sum does not overflow
  double total = 0;
  for (std::size_t k = 0; k < weights.size(); ++k) cumulative[k] = total += weights[k] / largest;
  // The last weight above 0 takes what is left, be it that u times the total is rounded up to the total.
  const auto last = std::lower_bound(cumulative.begin(), cumulative.end(), total);
  for (const double place : u) *out++ = std::upper_bound(cumulative.begin(), last, place * total) - cumulative.begin();
}

/// The `count` smallest of exponential variables with the weights as rates, in order: those have the distribution of
/// draws one after the other (P. S. Efraimidis and P. G. Spirakis, Weighted random sampling with a reservoir, 2006).
/// One u that is uniform in [0, 1) for each weight. In logarithms, in which nothing overflows.
template <class T>
void draw_without_replacement(std::span<const T> weights, std::span<const double> u, std::vector<double>& times,
                              std::vector<std::int64_t>& order, std::int64_t count, std::int64_t* out) {
  times.resize(weights.size());
  order.resize(weights.size());
  for (std::size_t k = 0; k < weights.size(); ++k) {
    times[k] = weights[k] > 0 ? std::log(-std::log1p(-u[k])) - std::log(static_cast<double>(weights[k]))
                              : std::numeric_limits<double>::infinity();
  }
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](std::int64_t a, std::int64_t b) {
    const double time_a = times[static_cast<std::size_t>(a)];
    const double time_b = times[static_cast<std::size_t>(b)];
    return time_a < time_b || (time_a == time_b && a < b);
  });
  std::copy_n(order.begin(), count, out);
}

}  // namespace

Tensor rand(const Shape& shape, DType dtype, Generator& generator) {
  check_floating("rand", dtype);
  Tensor result = Access::allocate(shape, dtype);
  dispatch_floating(dtype, [&]<class T>() {
    kernels::fill_uniform(Access::mutable_data<T>(result), result.numel(), T{0}, T{1}, generator);
  });
  return result;
}

Tensor randn(const Shape& shape, DType dtype, Generator& generator) {
  check_floating("randn", dtype);
  Tensor result = Access::allocate(shape, dtype);
  dispatch_floating(dtype, [&]<class T>() {
    kernels::fill_normal(Access::mutable_data<T>(result), result.numel(), T{0}, T{1}, generator);
  });
  return result;
}

Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator) {
  check<Error>(low < high, "randint: low must be less than high, got {} and {}", low, high);
  Tensor result = Access::allocate(shape, DType::int64);
  kernels::fill_integers(Access::mutable_data<std::int64_t>(result), result.numel(), low, high, generator);
  return result;
}

Tensor randperm(std::int64_t n, Generator& generator) {
  check<Error>(n >= 0, "randperm: n must not be negative, got {}", n);
  Tensor result = Access::allocate({n}, DType::int64);
  std::ranges::copy(permutation(n, generator), Access::mutable_data<std::int64_t>(result));
  return result;
}

Tensor bernoulli(const Tensor& probabilities, Generator& generator) {
  detail::check_operands("bernoulli", std::array{&probabilities}, Types::floating, {"probabilities"});
  const Shape& shape = probabilities.shape();
  Tensor result = Access::allocate(shape, probabilities.dtype());
  dispatch_floating(probabilities.dtype(), [&]<class T>() {
    const std::span<const T> p = probabilities.data<T>();
    const auto outside = std::ranges::find_if(p, [](T value) { return !(value >= 0 && value <= 1); });
    if (outside != p.end()) {
      fail<Error>("bernoulli: probabilities has {} at {}, which is outside [0, 1]", *outside,
                  detail::position_of(outside - p.begin(), shape));
    }
    // In double for floats too, whose 24 bits would make a small probability a multiple of 2^-24.
    const Tensor uniform = rand(shape, float64, generator);
    const double* u = Access::data<double>(uniform);
    T* out = Access::mutable_data<T>(result);
    parallel_for(result.numel(), detail::elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) out[i] = u[i] < p[static_cast<std::size_t>(i)] ? T(1) : T(0);
    });
  });
  return without_gradient("bernoulli", result, probabilities);
}

Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement, Generator& generator) {
  detail::check_operands("multinomial", std::array{&weights}, Types::floating, {"weights"});
  check(weights.rank() >= 1, "multinomial: weights must be [..., K], got a scalar");
  check(count >= 0, "multinomial: count must not be negative, got {}", count);
  const int last = weights.rank() - 1;
  const auto classes = static_cast<std::size_t>(weights.dim(last));
  const std::int64_t rows = weights.shape().numel(0, last);
  Tensor result = Access::allocate(weights.shape().with(last, count), DType::int64);
  dispatch_floating(weights.dtype(), [&]<class T>() {
    check_weights<T>(weights, replacement ? std::min<std::int64_t>(count, 1) : count);
    if (result.numel() == 0) return;
    const std::size_t draws = replacement ? static_cast<std::size_t>(count) : classes;
    const Tensor uniform = rand({rows, static_cast<std::int64_t>(draws)}, float64, generator);
    const std::int64_t grain = std::max<std::int64_t>(1, (1 << 12) / static_cast<std::int64_t>(classes + draws));
    parallel_for(rows, grain, [&](std::int64_t begin, std::int64_t end) {
      std::vector<double> scratch;
      std::vector<std::int64_t> order;
      for (std::int64_t row = begin; row < end; ++row) {
        const auto r = static_cast<std::size_t>(row);
        const auto w = weights.data<T>().subspan(r * classes, classes);
        const auto u = uniform.data<double>().subspan(r * draws, draws);
        std::int64_t* out = Access::mutable_data<std::int64_t>(result) + row * count;
        if (replacement) {
          draw_with_replacement(w, u, scratch, out);
        } else {
          draw_without_replacement(w, u, scratch, order, count, out);
        }
      }
    });
  });
  return without_gradient("multinomial", result, weights);
}

Tensor normal(const Tensor& mean, const Tensor& deviation, Generator& generator) {
  detail::check_operands("normal", std::array{&mean, &deviation}, Types::floating, {"mean", "deviation"});
  const Shape shape = broadcast_shapes("normal", mean.shape(), deviation.shape());
  dispatch_floating(deviation.dtype(), [&]<class T>() {
    const std::span<const T> values = deviation.data<T>();
    const auto negative = std::ranges::find_if(values, [](T value) { return value < 0; });
    if (negative != values.end()) {
      fail<Error>("normal: deviation has {} at {}, which is below 0", *negative,
                  detail::position_of(negative - values.begin(), deviation.shape()));
    }
  });
  const Tensor e = randn(shape, mean.dtype(), generator);
  Tensor value = no_grad([&] {
    return elementwise("normal", {mean, deviation, e}, [](auto m, auto d, auto z) { return m + d * z; });
  });
  return record("normal", std::move(value), wrt(mean, [](const Tensor& g) { return g; }),
                wrt(deviation, [e](const Tensor& g) { return g * e; }));
}

Tensor dropout(const Tensor& x, double p, bool training, Generator& generator) {
  detail::check_operands("dropout", std::array{&x}, Types::floating);
  check<Error>(p >= 0 && p < 1, "dropout: p must be in [0, 1), got {}", p);
  if (!training || p == 0) return x;
  const Tensor mask = Access::allocate(x.shape(), x.dtype());
  dispatch_floating(x.dtype(), [&]<class T>() {
    kernels::fill_bernoulli(Access::mutable_data<T>(mask), mask.numel(), 1 - p, static_cast<T>(1 / (1 - p)), generator);
  });
  // What is dropped is 0 even where x is infinite.
  Tensor value =
      no_grad([&] { return elementwise("dropout", x, mask, [](auto v, auto m) { return where(m == 0, 0, v * m); }); });
  return record("dropout", std::move(value), wrt(x, [mask](const Tensor& g) { return g * mask; }));
}

}  // namespace wengert
