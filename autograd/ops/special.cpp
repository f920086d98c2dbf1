#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

double polygamma_of(int n, double x);

template <class T>
simd::Pack<T> any_polygamma(int n, simd::Pack<T> x) {
  return lanewise([n](T lane) { return static_cast<T>(polygamma_of(n, static_cast<double>(lane))); }, x);
}

/// Of an order above the largest that users may ask for, too: derivatives go on.
Tensor any_polygamma(int n, const Tensor& x) {
  return elementwise(
      "polygamma", x, [n](auto v) { return any_polygamma(n, v); },
      by_input([n](auto g, auto v) { return g * any_polygamma(n + 1, v); }));
}

}  // namespace

Tensor erf(const Tensor& x) {
  return elementwise(
      "erf", x, [](auto v) { return erf(v); },
      by_input([](auto g, auto v) { return 2 * std::numbers::inv_sqrtpi * g * exp(-(v * v)); }));
}

Tensor lgamma(const Tensor& x) {
  return elementwise(
      "lgamma", x, [](auto v) { return lgamma(v); }, by_input([](auto g, auto v) { return g * digamma(v); }));
}

Tensor digamma(const Tensor& x) {
  return elementwise(
      "digamma", x, [](auto v) { return digamma(v); },
      by_input([](auto g, auto v) { return g * any_polygamma(1, v); }));
}

Tensor polygamma(int n, const Tensor& x) {
  check<Error>(n >= 0 && n <= 100, "polygamma: n must be from 0 to 100, got {}", n);
  return n == 0 ? digamma(x) : any_polygamma(n, x);
}

namespace {

/// (n - 1)! / x^n.
double factorial_over_power(int n, double x) {
  double result = 1 / x;
  for (int k = 1; k < n; ++k) result *= k / x;
  return result;
}

/// The n-th derivative of cot at `angle`, given cot(angle): polynomials in cot, as cot' = -(1 + cot^2).
double derivative_of_cot(int n, double cot) {
  std::vector<double> coefficients{0, 1};
  for (int k = 0; k < n; ++k) {
    std::vector<double> next(coefficients.size() + 1);
    for (std::size_t i = 1; i < coefficients.size(); ++i) {
      const double derivative = static_cast<double>(i) * coefficients[i];
      next[i - 1] -= derivative;
      next[i + 1] -= derivative;
    }
    coefficients = std::move(next);
  }
  double result = coefficients.back();  // not 0, whose product with an infinite cot would be NaN
  for (std::size_t i = coefficients.size() - 1; i-- > 0;) result = result * cot + coefficients[i];
  return result;
}

/// The n-th derivative of digamma, n >= 1. Abramowitz and Stegun, Handbook of Mathematical Functions: reflection 6.4.7,
/// recurrence 6.4.6, asymptotics 6.4.11.
double polygamma_of(int n, double x) {
  const bool odd = n % 2 != 0;
  if (x < 0) {
    if (x == std::floor(x)) {
      return odd ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
    }
    const double cot = 1 / std::tan(std::numbers::pi * (x - std::round(x)));
    const double mirrored = polygamma_of(n, 1 - x);
    return (odd ? -mirrored : mirrored) - std::pow(std::numbers::pi, n + 1) * derivative_of_cot(n, cot);
  }
  // B(2k) / (2k)! with Bernoulli's numbers B.
  constexpr std::array<double, 10> series{1.0 / 12,
                                          -1.0 / 720,
                                          1.0 / 30240,
                                          -1.0 / 1209600,
                                          1.0 / 47900160,
                                          -691.0 / 1307674368000,
                                          1.0 / 74724249600,
                                          -3617.0 / 10670622842880000,
                                          43867.0 / 5109094217170944000,
                                          -174611.0 / 802857662698291200000.0};
  double sum = 0;
  // Where all terms of the series are small.
  for (; x < n + 20; ++x) sum += factorial_over_power(n + 1, x);
  double power = 1;
  double tail = 1 + n / (2 * x);
  for (std::size_t k = 0; k < series.size(); ++k) {
    const double j = n + 2 * static_cast<double>(k);
    power *= (j / x) * ((j + 1) / x);
    tail += series[k] * power;
  }
  sum += factorial_over_power(n, x) * tail;
  return odd ? sum : -sum;
}

}  // namespace

}  // namespace wengert
