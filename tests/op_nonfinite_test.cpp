#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"
#include "tests/op_cases.h"
#include "tests/ulps.h"

/// \file
/// What ops do with NaN, infinities, zeros of both signs, and numbers at the ends of the range.

namespace wengert::test {
namespace {

using Wide = long double;
using Unary = std::function<Tensor(const Tensor& x)>;
using UnaryNumber = Wide (*)(Wide x);
using Binary = std::function<Tensor(const Tensor& a, const Tensor& b)>;
using BinaryNumber = Wide (*)(Wide a, Wide b);

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// The same numbers in the same shape, zeros of both signs and any two NaN being the same.
bool same(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  const std::vector<double> x = values_of(a);
  const std::vector<double> y = values_of(b);
  return std::equal(x.begin(), x.end(), y.begin(),
                    [](double u, double v) { return u == v || (std::isnan(u) && std::isnan(v)); });
}

/// `same`, but for differences up to `tolerance`.
bool close(const Tensor& a, const Tensor& b, double tolerance) {
  return same(a, b) || same(where(abs(a - b) <= tolerance, b, a), b);
}

/// Ordinary numbers, none of them twice.
Tensor ordinary(const Shape& shape, DType dtype) {
  const Tensor x = linspace(-1.3, 1.9, shape.numel(), dtype).reshape(shape);
  return sin(x * 5);
}

// ---------------------------------------------------------------------------------------------------------------------
// Element-wise ops, against the formulas in long double.

/// Specials and ordinary numbers; as many as leave most of a packet for the end of the loop, whatever its size.
template <class T>
const std::vector<T>& numbers() {
  static const std::vector<T> all = [] {
    using Limits = std::numeric_limits<T>;
    std::vector<T> v{Limits::quiet_NaN()};
    for (const T x : {Limits::infinity(),
                      Limits::max(),
                      T(1e30),
                      T(710),
                      T(89),
                      T(40),
                      T(20),
                      T(10),
                      T(5),
                      T(3),
                      T(2),
                      T(1.5),
                      T(1),
                      T(0.8),
                      T(0.75),
                      T(0.5),
                      T(0.25),
                      T(1e-3),
                      T(1e-30),
                      Limits::min(),
                      Limits::denorm_min(),
                      T(0)}) {
      v.push_back(x);
      v.push_back(-x);
    }
    v.insert(v.end(), {T(0.3), T(-7)});
    EXPECT_EQ(v.size() % 16, 15U);
    return v;
  }();
  return all;
}

template <class T>
Tensor rotated(const std::vector<T>& values, std::size_t by) {
  std::vector<T> v = values;
  std::rotate(v.begin(), v.begin() + static_cast<std::ptrdiff_t>(by % v.size()), v.end());
  return from_vector(v);
}

/// How far a value may be from the formula's: some units of the last place, or, where the op computes a difference of
/// numbers of size 1 or more, some epsilons.
struct Bound {
  double ulps = 1;
  double epsilons = 0;
};

template <class T>
bool is_within(const Bound& bound, T got, Wide expected) {
  const Wide absolute = static_cast<Wide>(bound.epsilons) * static_cast<Wide>(std::numeric_limits<T>::epsilon());
  return ulps(got, expected) <= bound.ulps ||
         (absolute > 0 && std::abs(static_cast<Wide>(got) - expected) <= absolute * (1 + std::abs(expected)));
}

/// For gradients: a few roundings more, relative to 1 where it is smaller.
constexpr Bound some_roundings{8, 8};

struct UnaryOp {
  const char* name;
  Unary f;
  UnaryNumber value;
  /// The gradient; nullptr: there is none.
  UnaryNumber slope;
  Bound bound = {};
};

Wide sigmoid_of(Wide x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
Wide softplus_of(Wide x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x))); }
Wide slope_of_sigmoid(Wide x) { return sigmoid_of(x) * sigmoid_of(-x); }
Wide zero(Wide /*x*/) { return 0; }
Wide square_of(Wide x) { return x * x; }
Wide cube_of(Wide x) { return x * x * x; }

/// x f(x), -0 at -infinity, where f vanishes faster.
template <class F>
Wide times_gate(Wide x, F f) {
  return x == -static_cast<Wide>(infinity) ? -Wide(0) : x * f(x);
}

/// f(x) between its limits 0 and 1.
template <class F>
Wide slope_of_gate(Wide x, F f) {
  return std::isinf(x) ? (x > 0) : f(x);
}

Wide normal_cdf(Wide x) { return std::erfc(-x / std::numbers::sqrt2_v<Wide>) / 2; }
Wide normal_density(Wide x) {
  return std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<Wide> / std::numbers::sqrt2_v<Wide>;
}

/// The argument of gelu's sigmoid, and its derivative.
Wide gelu_argument(Wide x) {
  return 2 * std::numbers::sqrt2_v<Wide> * std::numbers::inv_sqrtpi_v<Wide> * (x + Wide(0.044715) * x * x * x);
}

Wide slope_of_gelu_argument(Wide x) {
  return 2 * std::numbers::sqrt2_v<Wide> * std::numbers::inv_sqrtpi_v<Wide> * (1 + 3 * Wide(0.044715) * x * x);
}

Wide tanh_of_softplus(Wide x) { return std::tanh(softplus_of(x)); }

template <int low, int high>
Wide clamped(Wide x) {
  return x < low ? low : x > high ? high : x;
}

/// Where the function is constant the gradient is 0, at NaN too: it is in no interval.
template <int low, int high>
Wide inside(Wide x) {
  return x > low && x < high;
}

/// By recurrence up to 1000, then two terms of the asymptotic series; 0, infinities and NaN as ops.h says.
Wide digamma_of(Wide x) {
  if (std::isnan(x) || x == static_cast<Wide>(infinity)) return x;
  if (x == 0) return std::copysign(static_cast<Wide>(infinity), -x);
  if (x < 0 && x == std::floor(x)) return static_cast<Wide>(nan);
  Wide sum = 0;
  for (; x < 1000; ++x) sum += 1 / x;
  return std::log(x) - 1 / (2 * x) - 1 / (12 * x * x) + 1 / (120 * x * x * x * x) - sum;
}

/// Its derivative, in the same way.
Wide trigamma_of(Wide x) {
  if (std::isnan(x)) return x;
  if (x <= 0 && x == std::floor(x)) return static_cast<Wide>(infinity);
  Wide sum = 0;
  for (; x < 1000; ++x) sum += 1 / (x * x);
  return 1 / x + 1 / (2 * x * x) + 1 / (6 * x * x * x) + sum;
}

constexpr Wide selu_scale = 1.0507009873554804934193349852946L;
constexpr Wide selu_alpha = 1.6732632423543772848170429916717L;

/// Each with the formulas of its value and of its gradient, and, if it is more than one unit, the bound of simd_math.h,
/// or more where the op calculates on.
std::vector<UnaryOp> unary_ops() {
  return {
      {"neg", neg, [](Wide x) { return -x; }, [](Wide) { return Wide(-1); }},
      {"operator-", [](const Tensor& x) { return -x; }, [](Wide x) { return -x; }, [](Wide) { return Wide(-1); }},
      {"abs", abs, [](Wide x) { return std::abs(x); }, [](Wide x) { return x > 0   ? 1
                                                                           : x < 0 ? -1
                                                                                   : x; }},
      {"sign", sign, [](Wide x) { return x > 0   ? 1
                                         : x < 0 ? -1
                                                 : x; }, zero},
      {"exp", exp, [](Wide x) { return std::exp(x); }, [](Wide x) { return std::exp(x); }, {1.3}},
      {"log", log, [](Wide x) { return std::log(x); }, [](Wide x) { return 1 / x; }},
      {"sqrt", sqrt, [](Wide x) { return std::sqrt(x); }, [](Wide x) { return 1 / (2 * std::sqrt(x)); }},
      {"square", square, [](Wide x) { return x * x; }, [](Wide x) { return 2 * x; }},
      {"sin", sin, [](Wide x) { return std::sin(x); }, [](Wide x) { return std::cos(x); }, {2.4}},
      {"cos", cos, [](Wide x) { return std::cos(x); }, [](Wide x) { return -std::sin(x); }, {2.4}},
      {"tanh", tanh, [](Wide x) { return std::tanh(x); }, [](Wide x) { return square_of(1 / std::cosh(x)); }, {2.7}},
      {"sigmoid", sigmoid, sigmoid_of, slope_of_sigmoid, {2.5}},
      {"softplus", softplus, softplus_of, sigmoid_of, {2.1}},
      {"relu", relu, [](Wide x) { return x <= 0 ? 0 : x; }, [](Wide x) -> Wide { return x > 0; }},
      {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.25); }, [](Wide x) { return x > 0 ? x : x / 4; },
       [](Wide x) -> Wide { return x > 0 ? 1 : Wide(0.25); }},
      {"clamp", [](const Tensor& x) { return clamp(x, -1, 2); }, clamped<-1, 2>,
       [](Wide x) -> Wide { return x >= -1 && x <= 2; }},
      {"expm1", expm1, [](Wide x) { return std::expm1(x); }, [](Wide x) { return std::exp(x); }, {2}},
      {"log1p", log1p, [](Wide x) { return std::log1p(x); }, [](Wide x) { return 1 / (1 + x); }},
      {"rsqrt",
       rsqrt,
       [](Wide x) { return 1 / std::sqrt(x); },
       [](Wide x) { return -cube_of(1 / std::sqrt(x)) / 2; },
       {2}},
      {"reciprocal", reciprocal, [](Wide x) { return 1 / x; }, [](Wide x) { return -square_of(1 / x); }},
      {"tan", tan, [](Wide x) { return std::tan(x); }, [](Wide x) { return 1 + square_of(std::tan(x)); }},
      {"asin", asin, [](Wide x) { return std::asin(x); }, [](Wide x) { return 1 / std::sqrt((1 - x) * (1 + x)); }},
      {"acos", acos, [](Wide x) { return std::acos(x); }, [](Wide x) { return -1 / std::sqrt((1 - x) * (1 + x)); }},
      {"atan", atan, [](Wide x) { return std::atan(x); }, [](Wide x) { return 1 / (1 + x * x); }},
      {"sinh", sinh, [](Wide x) { return std::sinh(x); }, [](Wide x) { return std::cosh(x); }, {2}},
      {"cosh", cosh, [](Wide x) { return std::cosh(x); }, [](Wide x) { return std::sinh(x); }, {2}},
      {"erf",
       erf,
       [](Wide x) { return std::erf(x); },
       [](Wide x) { return 2 * std::numbers::inv_sqrtpi_v<Wide> * std::exp(-x * x); },
       {1.6}},
      {"lgamma", lgamma, [](Wide x) { return std::lgamma(x); }, digamma_of, {8}},
      {"floor", floor, [](Wide x) { return std::floor(x); }, zero},
      {"ceil", ceil, [](Wide x) { return std::ceil(x); }, zero},
      {"round", round, [](Wide x) { return std::nearbyint(x); }, zero},
      {"isnan", isnan, [](Wide x) -> Wide { return std::isnan(x); }, nullptr},
      {"isfinite", isfinite, [](Wide x) -> Wide { return std::isfinite(x); }, nullptr},
      {"logical_not", logical_not, [](Wide x) -> Wide { return x == 0; }, nullptr},
      {"log_sigmoid",
       log_sigmoid,
       [](Wide x) { return -softplus_of(-x); },
       [](Wide x) { return sigmoid_of(-x); },
       {2.1}},
      {"elu",
       [](const Tensor& x) { return elu(x, 1.5); },
       [](Wide x) { return x > 0 ? x : Wide(1.5) * std::expm1(x); },
       [](Wide x) { return x > 0 ? 1 : Wide(1.5) * std::exp(x); },
       {3}},
      {"selu",
       selu,
       [](Wide x) { return selu_scale * (x > 0 ? x : selu_alpha * std::expm1(x)); },
       [](Wide x) { return selu_scale * (x > 0 ? 1 : selu_alpha * std::exp(x)); },
       {4}},
      {"celu",
       [](const Tensor& x) { return celu(x, 2); },
       [](Wide x) { return x > 0 ? x : 2 * std::expm1(x / 2); },
       [](Wide x) { return x > 0 ? 1 : std::exp(x / 2); },
       {2}},
      {"gelu",
       [](const Tensor& x) { return gelu(x); },
       [](Wide x) { return times_gate(x, normal_cdf); },
       [](Wide x) { return slope_of_gate(x, [](Wide v) { return normal_cdf(v) + v * normal_density(v); }); },
       {3, 4}},
      {"gelu",
       [](const Tensor& x) { return gelu(x, GeluKind::tanh); },
       [](Wide x) { return times_gate(x, [](Wide v) { return sigmoid_of(gelu_argument(v)); }); },
       [](Wide x) {
         return slope_of_gate(x, [](Wide v) {
           const Wide u = gelu_argument(v);
           return sigmoid_of(u) + v * slope_of_sigmoid(u) * slope_of_gelu_argument(v);
         });
       },
       {4, 4}},
      {"silu",
       silu,
       [](Wide x) { return times_gate(x, sigmoid_of); },
       [](Wide x) { return slope_of_gate(x, [](Wide v) { return sigmoid_of(v) * (1 + v * sigmoid_of(-v)); }); },
       {4}},
      {"mish",
       mish,
       [](Wide x) { return times_gate(x, tanh_of_softplus); },
       [](Wide x) {
         return slope_of_gate(x, [](Wide v) {
           const Wide t = tanh_of_softplus(v);
           return t + v * (1 - t * t) * sigmoid_of(v);
         });
       },
       {6}},
      {"hardtanh", [](const Tensor& x) { return hardtanh(x, -1, 2); }, clamped<-1, 2>, inside<-1, 2>},
      {"hard_sigmoid",
       hard_sigmoid,
       [](Wide x) { return std::isnan(x) ? x : std::clamp<Wide>(x / 6 + Wide(0.5), 0, 1); },
       [](Wide x) { return inside<-3, 3>(x) / 6; },
       {2, 1}},
      {"digamma", digamma, digamma_of, trigamma_of, {8, 8}},
      {"polygamma", [](const Tensor& x) { return polygamma(1, x); }, trigamma_of, nullptr, {8, 8}},
  };
}

/// The gradient of sum(f(x)), with respect to each of xs; zeros where it does not depend on one.
std::vector<Tensor> gradients(const Tensor& y, const std::vector<Tensor>& xs, bool create_graph) {
  std::vector<Tensor> result = grad({y}, xs,
                                    {.grad_outputs = {ones(y.shape(), y.dtype())},
                                     .create_graph = create_graph,
                                     .retain_graph = true,
                                     .allow_unused = true});
  for (std::size_t k = 0; k < xs.size(); ++k) {
    if (!result[k].defined()) result[k] = zeros(xs[k].shape(), xs[k].dtype());
  }
  return result;
}

template <class T>
void expect_unary(const UnaryOp& op) {
  const std::vector<T>& all = numbers<T>();
  const char* type = name_of(dtype_of<T>);
  // In each of the rotations every number stands somewhere else: in every lane of a packet, and behind the last one.
  for (std::size_t by = 0; by < all.size(); ++by) {
    const Tensor x = rotated(all, by).requires_grad(op.slope != nullptr);
    const Tensor y = op.f(x);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const T at = x.data<T>()[i];
      ASSERT_PRED3(is_within<T>, op.bound, y.data<T>()[i], op.value(static_cast<Wide>(at)))
          << op.name << " of " << at << " in " << type << ", place " << i;
    }
    if (op.slope == nullptr) continue;
    for (const bool recorded : {false, true}) {
      const Tensor slope = gradients(y, {x}, recorded)[0];
      for (std::size_t i = 0; i < all.size(); ++i) {
        const T at = x.data<T>()[i];
        ASSERT_PRED3(is_within<T>, some_roundings, slope.data<T>()[i], op.slope(static_cast<Wide>(at)))
            << "gradient of " << op.name << " at " << at << " in " << type << ", place " << i
            << (recorded ? ", recorded" : "");
      }
      // The curvature is a number wherever value and gradient are.
      if (!recorded || !slope.requires_grad()) continue;
      const Tensor curvature = gradients(slope, {x}, false)[0];
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (!std::isfinite(x.data<T>()[i]) || !std::isfinite(slope.data<T>()[i])) continue;
        ASSERT_FALSE(std::isnan(curvature.data<T>()[i]))
            << "second derivative of " << op.name << " at " << x.data<T>()[i] << " in " << type;
      }
    }
  }
}

TEST(NonFinite, UnaryOpsHaveTheValuesAndGradientsOfTheirFormulasEverywhere) {
  for (const UnaryOp& op : unary_ops()) {
    expect_unary<float>(op);
    expect_unary<double>(op);
  }
}

struct BinaryOp {
  const char* name;
  Binary f;
  BinaryNumber value;
  /// The gradients; nullptr: there are none.
  BinaryNumber slope_a;
  BinaryNumber slope_b;
  /// The forms with a number; nullptr: there is none.
  Tensor (*number_right)(const Tensor& a, double b) = nullptr;
  Tensor (*number_left)(double a, const Tensor& b) = nullptr;
  Bound bound = {};
  Bound slope_bound = some_roundings;
};

Wide one(Wide /*a*/, Wide /*b*/) { return 1; }
Wide minus_one(Wide /*a*/, Wide /*b*/) { return -1; }
Wide winner(bool wins, bool ties) { return wins ? 1 : ties ? Wide(0.5) : 0; }
Wide nan_or(Wide a, Wide b, Wide y) { return std::isnan(a) || std::isnan(b) ? static_cast<Wide>(nan) : y; }

std::vector<BinaryOp> binary_ops() {
  return {
      {"operator+", [](const Tensor& a, const Tensor& b) { return a + b; }, [](Wide a, Wide b) { return a + b; }, one,
       one, [](const Tensor& a, double b) { return a + b; }, [](double a, const Tensor& b) { return a + b; }},
      {"operator-", [](const Tensor& a, const Tensor& b) { return a - b; }, [](Wide a, Wide b) { return a - b; }, one,
       minus_one, [](const Tensor& a, double b) { return a - b; }, [](double a, const Tensor& b) { return a - b; }},
      {"operator*", [](const Tensor& a, const Tensor& b) { return a * b; }, [](Wide a, Wide b) { return a * b; },
       [](Wide, Wide b) { return b; }, [](Wide a, Wide) { return a; }, [](const Tensor& a, double b) { return a * b; },
       [](double a, const Tensor& b) { return a * b; }},
      {"operator/", [](const Tensor& a, const Tensor& b) { return a / b; }, [](Wide a, Wide b) { return a / b; },
       [](Wide, Wide b) { return 1 / b; }, [](Wide a, Wide b) { return -(a / b / b); },
       [](const Tensor& a, double b) { return a / b; }, [](double a, const Tensor& b) { return a / b; }},
      {"operator<", [](const Tensor& a, const Tensor& b) { return a < b; },
       [](Wide a, Wide b) -> Wide { return a < b; }, nullptr, nullptr, [](const Tensor& a, double b) { return a < b; }},
      {"operator<=", [](const Tensor& a, const Tensor& b) { return a <= b; },
       [](Wide a, Wide b) -> Wide { return a <= b; }, nullptr, nullptr,
       [](const Tensor& a, double b) { return a <= b; }},
      {"operator>", [](const Tensor& a, const Tensor& b) { return a > b; },
       [](Wide a, Wide b) -> Wide { return a > b; }, nullptr, nullptr, [](const Tensor& a, double b) { return a > b; }},
      {"operator>=", [](const Tensor& a, const Tensor& b) { return a >= b; },
       [](Wide a, Wide b) -> Wide { return a >= b; }, nullptr, nullptr,
       [](const Tensor& a, double b) { return a >= b; }},
      {"operator==", [](const Tensor& a, const Tensor& b) { return a == b; },
       [](Wide a, Wide b) -> Wide { return a == b; }, nullptr, nullptr,
       [](const Tensor& a, double b) { return a == b; }},
      {"operator!=", [](const Tensor& a, const Tensor& b) { return a != b; },
       [](Wide a, Wide b) -> Wide { return a != b; }, nullptr, nullptr,
       [](const Tensor& a, double b) { return a != b; }},
      // The gradient is a power that makes log(a^b) times as much, up to 710, of the rounding of b - 1.
      {"pow",
       [](const Tensor& a, const Tensor& b) { return pow(a, b); },
       [](Wide a, Wide b) { return std::pow(a, b); },
       [](Wide a, Wide b) { return b == 0 ? 0 : b * std::pow(a, b - 1); },
       [](Wide a, Wide b) { return a == 0 ? 0 : std::pow(a, b) * std::log(a); },
       [](const Tensor& a, double b) { return pow(a, b); },
       nullptr,
       {},
       {400, 8}},
      // Of zeros with different signs either may win: `+ 0` makes them one.
      {"maximum", [](const Tensor& a, const Tensor& b) { return maximum(a, b) + 0; },
       [](Wide a, Wide b) { return nan_or(a, b, std::max(a, b)) + 0; },
       [](Wide a, Wide b) { return winner(a > b, a == b); }, [](Wide a, Wide b) { return winner(b > a, a == b); },
       [](const Tensor& a, double b) { return maximum(a, b) + 0; }},
      {"minimum", [](const Tensor& a, const Tensor& b) { return minimum(a, b) + 0; },
       [](Wide a, Wide b) { return nan_or(a, b, std::min(a, b)) + 0; },
       [](Wide a, Wide b) { return winner(a < b, a == b); }, [](Wide a, Wide b) { return winner(b < a, a == b); },
       [](const Tensor& a, double b) { return minimum(a, b) + 0; }},
      {"atan2",
       atan2,
       [](Wide a, Wide b) { return std::atan2(a, b); },
       [](Wide a, Wide b) { return a == 0 && b == 0 ? 0 : b / std::hypot(a, b) / std::hypot(a, b); },
       [](Wide a, Wide b) { return a == 0 && b == 0 ? 0 : -(a / std::hypot(a, b) / std::hypot(a, b)); },
       nullptr,
       nullptr,
       {2}},
      {"hypot", hypot, [](Wide a, Wide b) { return std::hypot(a, b); },
       [](Wide a, Wide b) { return a == 0 && b == 0 ? 0 : a / std::hypot(a, b); },
       [](Wide a, Wide b) { return a == 0 && b == 0 ? 0 : b / std::hypot(a, b); }},
      {"fmod", [](const Tensor& a, const Tensor& b) { return fmod(a, b); },
       [](Wide a, Wide b) { return std::fmod(a, b); }, one, [](Wide a, Wide b) { return -std::trunc(a / b); },
       [](const Tensor& a, double b) { return fmod(a, b); }},
      {"logical_and", logical_and, [](Wide a, Wide b) -> Wide { return a != 0 && b != 0; }, nullptr, nullptr},
      {"logical_or", logical_or, [](Wide a, Wide b) -> Wide { return a != 0 || b != 0; }, nullptr, nullptr},
      {"logical_xor", logical_xor, [](Wide a, Wide b) -> Wide { return (a != 0) != (b != 0); }, nullptr, nullptr},
  };
}

/// Whether a gradient may differ from its formula's, as what it is computed from left the range of T; NaN it is not.
template <class T>
bool lost_on_the_way(const BinaryOp& op, Wide a, Wide b, T value) {
  if (!std::isfinite(a) || !std::isfinite(b)) return false;
  const std::string name = op.name;
  if (name == "pow" && std::isinf(static_cast<T>(std::pow(a, b - 1)))) return true;  // but b times that is a number
  if (name == "hypot" && value < std::numeric_limits<T>::min()) return true;         // a value of few digits
  return std::isinf(value);
}

/// Checks y = op(a, b) and, if it has any, its gradients; a and b broadcast, and are undefined where they are numbers.
template <class T>
void expect_pairs(const BinaryOp& op, const Tensor& y, const Tensor& a, const Tensor& b, double number,
                  bool recorded = false) {
  const std::int64_t n = y.numel();
  const auto element = [&](const Tensor& x, std::int64_t i) {
    return !x.defined() ? static_cast<T>(number) : x.data<T>()[static_cast<std::size_t>(x.numel() == 1 ? 0 : i)];
  };
  const auto describe = [&](std::int64_t i) {
    return fmt::format("{} of {} and {} in {}, place {}", op.name, element(a, i), element(b, i), name_of(dtype_of<T>),
                       i);
  };
  for (std::int64_t i = 0; i < n; ++i) {
    const Wide expected = op.value(static_cast<Wide>(element(a, i)), static_cast<Wide>(element(b, i)));
    ASSERT_PRED3(is_within<T>, op.bound, y.data<T>()[static_cast<std::size_t>(i)], expected) << describe(i);
  }
  if (op.slope_a == nullptr) return;
  for (const auto& [x, slope] : {std::pair(&a, op.slope_a), std::pair(&b, op.slope_b)}) {
    if (!x->defined() || x->numel() != n) continue;
    const Tensor gradient = gradients(y, {*x}, recorded)[0];
    for (std::int64_t i = 0; i < n; ++i) {
      const T value = y.data<T>()[static_cast<std::size_t>(i)];
      const Wide wide_a = static_cast<Wide>(element(a, i));
      const Wide wide_b = static_cast<Wide>(element(b, i));
      const T got = gradient.data<T>()[static_cast<std::size_t>(i)];
      // Where there is no value there is nothing to differentiate, but for maximum and minimum, which say so.
      const bool picks = op.name == std::string("maximum") || op.name == std::string("minimum");
      if (std::isnan(value) && !picks) continue;
      if (lost_on_the_way(op, wide_a, wide_b, value)) {
        ASSERT_TRUE(std::isnan(slope(wide_a, wide_b)) || !std::isnan(got)) << "gradient of " << describe(i);
        continue;
      }
      ASSERT_PRED3(is_within<T>, op.slope_bound, got, slope(wide_a, wide_b)) << "gradient of " << describe(i);
    }
    // The curvature is a number wherever value and gradient are, away from the ends of the range.
    if (!recorded || !gradient.requires_grad()) continue;
    const auto is_moderate = [](T v) { return v == 0 || (std::abs(v) >= T(1e-3) && std::abs(v) <= T(1e3)); };
    for (const Tensor& curvature : gradients(gradient, {a, b}, false)) {
      for (std::int64_t i = 0; i < n; ++i) {
        const auto k = static_cast<std::size_t>(i);
        if (!is_moderate(element(a, i)) || !is_moderate(element(b, i))) continue;
        if (!std::isfinite(y.data<T>()[k]) || !std::isfinite(gradient.data<T>()[k])) continue;
        // A negative number's power has a derivative with respect to the base alone.
        if (op.name == std::string("pow") && element(a, i) < 0) continue;
        EXPECT_FALSE(std::isnan(curvature.data<T>()[k])) << "second derivative of " << describe(i);
      }
    }
  }
}

/// All pairs, as tensors of one shape, as a tensor and a scalar, and as a tensor and a number.
template <class T>
void expect_binary(const BinaryOp& op) {
  const std::vector<T>& all = numbers<T>();
  const bool grad = op.slope_a != nullptr;
  for (std::size_t by = 0; by < all.size(); ++by) {
    const Tensor a = rotated(all, by).requires_grad(grad);
    const Tensor b = from_vector(all).requires_grad(grad);
    expect_pairs<T>(op, op.f(a, b), a, b, 0);
    expect_pairs<T>(op, op.f(a, b), a, b, 0, true);
    if (testing::Test::HasFatalFailure()) return;
    const auto number = static_cast<double>(all[by]);
    const Tensor scalar = full({}, number, dtype_of<T>);
    expect_pairs<T>(op, op.f(a, scalar), a, scalar, 0);
    expect_pairs<T>(op, op.f(scalar, a), scalar, a, 0);
    if (op.number_right) expect_pairs<T>(op, op.number_right(a, number), a, Tensor(), number);
    if (op.number_left) expect_pairs<T>(op, op.number_left(number, a), Tensor(), a, number);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(NonFinite, BinaryOpsHaveTheValuesAndGradientsOfTheirFormulasEverywhere) {
  for (const BinaryOp& op : binary_ops()) {
    expect_binary<float>(op);
    expect_binary<double>(op);
  }
}

TEST(NonFinite, IsTestedForEveryElementwiseOp) {
  std::set<std::string> tested{"polygamma", "where"};  // below
  for (const UnaryOp& op : unary_ops()) tested.insert(op.name);
  for (const BinaryOp& op : binary_ops()) tested.insert(op.name);
  for (const OpCase& op_case : op_cases()) {
    if (op_case.unary_reference == nullptr && op_case.binary_reference == nullptr) continue;
    EXPECT_TRUE(tested.count(op_case.name)) << "tests/op_nonfinite_test.cpp says nothing about " << op_case.name;
  }
}

TEST(NonFinite, PolygammaHasItsLimitsBesideThePoles) {
  constexpr double least = std::numeric_limits<double>::denorm_min();
  const Tensor x = from_data({least, -least, infinity, nan}, float64);
  EXPECT_PRED2(same, polygamma(1, x), from_data({infinity, infinity, 0, nan}, float64));
  EXPECT_PRED2(same, polygamma(2, x), from_data({-infinity, infinity, -0.0, nan}, float64));
  EXPECT_PRED2(same, polygamma(3, x), from_data({infinity, infinity, 0, nan}, float64));
}

TEST(NonFinite, WhereKeepsThemOutOfValueAndGradientUnlessChosen) {
  const std::vector<double>& all = numbers<double>();
  const auto n = static_cast<std::int64_t>(all.size());
  const Tensor x = from_vector(all).requires_grad(true);
  for (std::int64_t chosen = 0; chosen < n; ++chosen) {
    const Tensor condition = one_hot(full({}, static_cast<double>(chosen), int64), n, float64);
    const Tensor y = where(condition, x, 7);
    EXPECT_PRED2(same, select(y, 0, chosen), select(x, 0, chosen));
    EXPECT_EQ(sum(y == 7).item(), static_cast<double>(n - 1));
    EXPECT_PRED2(same, gradients(y * y, {x}, false)[0], where(condition, 2 * x.detach(), 0));
    EXPECT_PRED2(same, gradients(where(condition, 7, x), {x}, false)[0], 1 - condition);
  }
}

TEST(NonFinite, OpsThatLeaveElementsOutLeaveThemOut) {
  // Kept where 1; NaN and infinities elsewhere.
  const Tensor kept = from_data({{1, 0, 0}, {1, 1, 0}, {1, 1, 1}}, float64);
  const Tensor specials = from_data({{0, nan, infinity}, {0, 0, -infinity}, {0, 0, 0}}, float64);
  const Tensor x = where(kept, ordinary({3, 3}, float64), specials);
  const std::pair<const char*, Unary> ops[] = {
      {"tril", [](const Tensor& v) { return tril(v); }},
      {"triu", [](const Tensor& v) { return transpose(triu(transpose(v))); }},
      {"masked_fill", [&](const Tensor& v) { return masked_fill(v, 1 - kept, 0); }},
      {"clamp", [&](const Tensor& v) { return kept * clamp(where(isnan(v), 9, v), -2, 2); }},
      {"scatter",
       [&](const Tensor& v) {
         const Tensor above = from_data({{1, 2}, {2, 2}}, int64);
         return scatter(v, 1, above, zeros({2, 2}, float64));
       }},
  };
  for (const auto& [name, f] : ops) {
    for (const bool recorded : {false, true}) {
      const Tensor leaf = x.detach().requires_grad(true);
      const Tensor y = f(leaf);
      EXPECT_PRED2(same, y, where(kept, x, 0)) << name;
      EXPECT_PRED2(same, gradients(y, {leaf}, recorded)[0], kept) << name;
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Ops along an axis: what is not a number stays in its group.

using AlongAxis = std::function<Tensor(const Tensor& x, int axis)>;

struct GroupOp {
  const char* name;
  AlongAxis f;
};

std::vector<GroupOp> group_ops() {
  return {
      {"sum", [](const Tensor& x, int axis) { return sum(x, {axis}); }},
      {"mean", [](const Tensor& x, int axis) { return mean(x, {axis}); }},
      {"max", [](const Tensor& x, int axis) { return max(x, {axis}); }},
      {"min", [](const Tensor& x, int axis) { return min(x, {axis}); }},
      {"prod", [](const Tensor& x, int axis) { return prod(x, {axis}); }},
      {"var", [](const Tensor& x, int axis) { return var(x, {axis}, {.correction = 0}); }},
      {"std", [](const Tensor& x, int axis) { return wengert::std(x, {axis}, {.correction = 0}); }},
      {"norm", [](const Tensor& x, int axis) { return norm(x, 2, {axis}); }},
      {"norm 1", [](const Tensor& x, int axis) { return norm(x, 1, {axis}); }},
      {"norm 3", [](const Tensor& x, int axis) { return norm(x, 3, {axis}); }},
      {"norm inf", [](const Tensor& x, int axis) { return norm(x, infinity, {axis}); }},
      {"median", [](const Tensor& x, int axis) { return median(x, {axis}); }},
      {"logsumexp", [](const Tensor& x, int axis) { return logsumexp(x, {axis}); }},
      {"cumsum", [](const Tensor& x, int axis) { return cumsum(x, axis); }},
      {"cumprod", [](const Tensor& x, int axis) { return cumprod(x, axis); }},
      {"softmax", [](const Tensor& x, int axis) { return softmax(x, axis); }},
      {"log_softmax", [](const Tensor& x, int axis) { return log_softmax(x, axis); }},
      {"sort", [](const Tensor& x, int axis) { return sort(x, axis).values; }},
      {"topk", [](const Tensor& x, int axis) { return topk(x, 1, axis).values; }},
      {"max_with_index", [](const Tensor& x, int axis) { return max_with_index(x, axis).values; }},
      {"min_with_index", [](const Tensor& x, int axis) { return min_with_index(x, axis).values; }},
  };
}

/// op(x) and its gradient with the axis of the groups first: [3, ...].
std::pair<Tensor, Tensor> by_group(const GroupOp& op, const Tensor& x, int axis) {
  const Tensor leaf = (axis == 1 ? x : transpose(x)).detach().requires_grad(true);
  const Tensor y = op.f(leaf, axis);
  const Tensor gradient = grad(y, leaf, {.grad_outputs = {ordinary(y.shape(), y.dtype())}});
  const bool turned = axis == 0;
  return {turned && y.rank() == 2 ? transpose(y) : y, turned ? transpose(gradient) : gradient};
}

TEST(NonFinite, NumbersStayInTheirGroup) {
  for (const GroupOp& op : group_ops()) {
    for (const DType dtype : {float32, float64}) {
      for (const std::int64_t n : {1, 2, 5, 37, 1000}) {
        for (const int axis : {0, 1}) {
          const Tensor x = ordinary({3, n}, dtype);
          const auto [y, gradient] = by_group(op, x, axis);
          for (std::int64_t at = 0; at < n; at += 1 + n / 40) {
            for (const double special : {nan, infinity, -infinity}) {
              SCOPED_TRACE(fmt::format("{} of {} {} numbers, {} at {}", op.name, n, dtype, special, at));
              const Tensor mask = one_hot(full({}, static_cast<double>(n + at), int64), 3 * n, dtype).reshape({3, n});
              const auto [bad_y, bad_gradient] = by_group(op, where(mask, special, x), axis);
              for (const std::int64_t row : {0, 2}) {
                ASSERT_PRED2(same, bad_y[row], y[row]);
                ASSERT_PRED2(same, bad_gradient[row], gradient[row]);
              }
            }
          }
        }
      }
    }
  }
}

void expect_group(const char* name, const std::vector<double>& x, const std::vector<double>& expected) {
  for (const GroupOp& op : group_ops()) {
    if (op.name != std::string(name)) continue;
    for (const DType dtype : {float32, float64}) {
      const Tensor y = op.f(from_vector(x).to(dtype), 0);
      EXPECT_PRED2(same, y.to(float64).reshape({y.numel()}), from_vector(expected)) << name << " in " << dtype;
    }
    return;
  }
  ADD_FAILURE() << "no op " << name;
}

void expect_group_gradient(const char* name, const std::vector<double>& x, const std::vector<double>& expected) {
  for (const GroupOp& op : group_ops()) {
    if (op.name != std::string(name)) continue;
    for (const bool recorded : {false, true}) {
      const Tensor leaf = from_vector(x).requires_grad(true);
      EXPECT_PRED2(same, gradients(op.f(leaf, 0), {leaf}, recorded)[0], from_vector(expected)) << name;
    }
    return;
  }
  ADD_FAILURE() << "no op " << name;
}

TEST(NonFinite, SumsAndProductsAreThoseOfIeeeArithmetic) {
  for (const char* name : {"sum", "mean"}) {
    expect_group(name, {1, infinity}, {infinity});
    expect_group(name, {-infinity, 1, 2}, {-infinity});
    expect_group(name, {infinity, -infinity}, {nan});
    expect_group(name, {1, nan}, {nan});
    expect_group(name, {nan, infinity}, {nan});
  }
  expect_group_gradient("sum", {nan, infinity, 1}, {1, 1, 1});
  expect_group("prod", {-2, infinity}, {-infinity});
  expect_group("prod", {0, infinity}, {nan});
  expect_group("prod", {0, nan}, {nan});
  expect_group_gradient("prod", {0, infinity, 2}, {infinity, 0, nan});
  expect_group("cumsum", {1, infinity, 2, -infinity, 3}, {1, infinity, infinity, nan, nan});
  expect_group("cumprod", {2, 0, infinity, 1}, {2, 0, nan, nan});
}

TEST(NonFinite, ScansSpreadThemToWhatComesBehind) {
  for (const DType dtype : {float32, float64}) {
    for (const std::int64_t n : {1, 7, 64, 1000}) {
      const Tensor x = ordinary({n}, dtype);
      const Tensor places = arange(static_cast<double>(n), dtype);
      for (std::int64_t at = 0; at < n; at += 1 + n / 40) {
        const Tensor bad = where(places == static_cast<double>(at), nan, x);
        const Tensor behind = places >= static_cast<double>(at);
        ASSERT_PRED2(same, cumsum(bad), where(behind, nan, cumsum(x))) << n << " numbers, NaN at " << at;
        ASSERT_PRED2(same, cumprod(bad), where(behind, nan, cumprod(x))) << n << " numbers, NaN at " << at;
      }
    }
  }
}

TEST(NonFinite, VarianceOfAnInfinityIsNaN) {
  for (const char* name : {"var", "std"}) {
    expect_group(name, {1, infinity, 2}, {nan});
    expect_group(name, {1, -infinity}, {nan});
    expect_group(name, {nan, 1, 1}, {nan});
  }
  expect_group_gradient("var", {1, infinity, 2}, {-infinity, nan, -infinity});
  expect_group_gradient("std", {1, infinity, 2}, {nan, nan, nan});
}

TEST(NonFinite, NormOfAnInfinityIsInfiniteAndOfNaNIsNaN) {
  for (const char* name : {"norm", "norm 1", "norm 3", "norm inf"}) {
    expect_group(name, {3, infinity}, {infinity});
    expect_group(name, {-infinity, 0, infinity}, {infinity});
    expect_group(name, {infinity, nan}, {nan});
    expect_group(name, {nan, 1}, {nan});
    expect_group(name, {0, -0.0}, {0});
  }
  expect_group_gradient("norm", {3, infinity}, {0, nan});
  expect_group_gradient("norm", {0, 0}, {0, 0});
  expect_group_gradient("norm 1", {3, -infinity}, {1, -1});
  expect_group_gradient("norm inf", {3, -infinity}, {0, -1});
}

TEST(NonFinite, NormKeepsToTheEndsOfTheRange) {
  for (const double scale : {0x1p-149, 0x1p-126, 0x1p-100, 0x1p100, 0x1p124}) {
    expect_group("norm", {3 * scale, 4 * scale}, {5 * scale});
  }
  const double largest = std::numeric_limits<double>::max();
  EXPECT_EQ(norm(from_data({largest, 0}, float64)).item<double>(), largest);
}

TEST(NonFinite, OrderTakesNaNForTheLargest) {
  expect_group("max", {1, nan, infinity}, {nan});
  expect_group("min", {1, nan, -infinity}, {nan});
  expect_group("max", {-infinity, -infinity}, {-infinity});
  expect_group("min", {infinity, 1}, {1});
  expect_group_gradient("max", {infinity, 1, infinity}, {0.5, 0, 0.5});
  expect_group_gradient("max", {nan, infinity, nan}, {0.5, 0, 0.5});
  expect_group("sort", {nan, infinity, -infinity, 1}, {-infinity, 1, infinity, nan});
  expect_group("topk", {1, nan, infinity}, {nan});
  expect_group("max_with_index", {1, infinity}, {infinity});
  expect_group("min_with_index", {-infinity, nan}, {nan});
  EXPECT_EQ(values_of(argsort(from_data({nan, -infinity, 0, nan}), 0, true)), (std::vector<double>{0, 3, 2, 1}));
  EXPECT_EQ(argmax(from_data({-infinity, infinity, nan})).item<std::int64_t>(), 2);
  EXPECT_EQ(argmin(from_data({infinity, nan, -infinity})).item<std::int64_t>(), 1);
}

TEST(NonFinite, MedianIsTheMiddleOneWhateverLiesOutside) {
  expect_group("median", {infinity, 2, -infinity}, {2});
  expect_group("median", {infinity, 2, 1}, {2});
  expect_group("median", {infinity, infinity, 1, infinity}, {infinity});
  expect_group("median", {infinity, -infinity}, {nan});
  expect_group("median", {infinity, nan, 1}, {nan});
  expect_group_gradient("median", {infinity, 2, -infinity}, {0, 1, 0});
}

TEST(NonFinite, SoftmaxGivesMinusInfinityNothingAndHasNoPlusInfinity) {
  expect_group("softmax", {0, -infinity, 0}, {0.5, 0, 0.5});
  expect_group("log_softmax", {-infinity, 3}, {-infinity, 0});
  expect_group("softmax", {1e30, -1e30}, {1, 0});
  expect_group("logsumexp", {0x1p99, -0x1p99}, {0x1p99});
  for (const char* name : {"softmax", "log_softmax"}) {
    expect_group(name, {infinity, 0}, {nan, nan});
    expect_group(name, {-infinity, -infinity}, {nan, nan});
    expect_group(name, {0, nan}, {nan, nan});
  }
  expect_group_gradient("log_softmax", {-infinity, 3}, {1, -1});
  expect_group("logsumexp", {-infinity, 3}, {3});
  expect_group("logsumexp", {infinity, -infinity, 3}, {infinity});
  expect_group("logsumexp", {infinity, nan}, {nan});
  expect_group("logsumexp", {-infinity, nan}, {nan});
  expect_group_gradient("logsumexp", {-infinity, 3}, {0, 1});
  expect_group_gradient("logsumexp", {-infinity, -infinity}, {0, 0});
  expect_group_gradient("logsumexp", {infinity, 3}, {nan, 0});
}

// ---------------------------------------------------------------------------------------------------------------------
// Losses.

struct Logits {
  std::vector<double> row;
  std::int64_t label;
  double loss;
  std::vector<double> gradient;
};

TEST(NonFinite, CrossEntropyTakesLogitsOfMinusInfinity) {
  const Logits cases[] = {
      {{-infinity, 3, 3}, 1, std::log(2.0), {0, -0.5, 0.5}},
      {{-infinity, 3, 3}, 0, infinity, {-1, 0.5, 0.5}},
      {{-infinity, -infinity, 3}, 2, 0, {0, 0, 0}},
      {{infinity, 0, 0}, 0, nan, {nan, nan, nan}},
      {{-infinity, -infinity, -infinity}, 0, nan, {nan, nan, nan}},
  };
  for (const Logits& c : cases) {
    const Tensor labels = full({1}, static_cast<double>(c.label), int64);
    const std::function<Tensor(const Tensor&)> losses[] = {
        [&](const Tensor& x) { return cross_entropy(x, labels); },
        [&](const Tensor& x) { return cross_entropy(x, one_hot(labels, 3, float64)); },
        [&](const Tensor& x) { return cross_entropy(x, labels, CrossEntropyOptions{}); },
        [&](const Tensor& x) { return nll_loss(log_softmax(x), labels); },
    };
    for (std::size_t form = 0; form < std::size(losses); ++form) {
      const Tensor x = from_vector(c.row, {1, 3}).requires_grad(true);
      const Tensor y = losses[form](x);
      EXPECT_PRED3(close, y, full({}, c.loss, float64), 1e-15) << "form " << form;
      for (const bool recorded : {false, true}) {
        EXPECT_PRED3(close, gradients(y, {x}, recorded)[0], from_vector(c.gradient, {1, 3}), 1e-15)
            << "form " << form << (recorded ? ", recorded" : "");
      }
    }
  }
  const Tensor x = from_vector(std::vector<double>{-infinity, 3}, {1, 2});
  EXPECT_EQ(cross_entropy(x, ones({1}, int64), {.label_smoothing = 0.1}).item<double>(), infinity);
}

TEST(NonFinite, BinaryCrossEntropyFromLogitsIsZeroOrInfiniteInTheLimit) {
  struct Case {
    double logit, target, loss, gradient;
  };
  for (const Case& c :
       {Case{infinity, 1, 0, 0}, Case{infinity, 0, infinity, 1}, Case{infinity, 0.5, infinity, 0.5},
        Case{-infinity, 0, 0, 0}, Case{-infinity, 1, infinity, -1}, Case{-infinity, 0.5, infinity, -0.5},
        Case{1e300, 1, 0, 0}, Case{nan, 1, nan, nan}, Case{0, nan, nan, nan}}) {
    const Tensor x = full({1}, c.logit, float64).requires_grad(true);
    const Tensor y = binary_cross_entropy_with_logits(x, full({1}, c.target, float64));
    EXPECT_PRED2(same, y, full({}, c.loss, float64)) << c.logit << ", " << c.target;
    for (const bool recorded : {false, true}) {
      EXPECT_PRED2(same, gradients(y, {x}, recorded)[0], full({1}, c.gradient, float64)) << c.logit << ", " << c.target;
    }
  }
}

TEST(NonFinite, LossesAreInfiniteOrNaNAsTheirTermsAre) {
  const Tensor target = from_data({1.0, 1.0}, float64);
  const std::function<Tensor(const Tensor&)> losses[] = {
      [&](const Tensor& x) { return mse_loss(x, target); },
      [&](const Tensor& x) { return l1_loss(x, target); },
      [&](const Tensor& x) { return huber_loss(x, target); },
      [&](const Tensor& x) { return smooth_l1_loss(x, target); },
      [&](const Tensor& x) { return hinge_loss(x, target); },
      [&](const Tensor& x) { return kl_div(x, target); },
  };
  for (const auto& loss : losses) {
    EXPECT_EQ(loss(from_data({1, -infinity}, float64)).item<double>(), infinity);
    EXPECT_TRUE(std::isnan(loss(from_data({1, nan}, float64)).item<double>()));
  }
  const Tensor p = from_data({nan, 0.5}, float64);
  EXPECT_TRUE(std::isnan(binary_cross_entropy(p, target).item<double>()));
  EXPECT_TRUE(std::isnan(cosine_similarity(from_data({infinity, 1}, float64), target).item<double>()));
  EXPECT_EQ(cosine_similarity(zeros({2}, float64), target).item<double>(), 0);
  const double huge = std::numeric_limits<double>::max() / 2;
  EXPECT_NEAR(cosine_similarity(from_data({huge, huge}, float64), target).item<double>(), 1, 1e-15);
}

TEST(NonFinite, KlDivCountsNothingWhereTheTargetIsZero) {
  const Tensor logs = from_data({-infinity, 0}, float64).requires_grad(true);
  const Tensor target = from_data({0, 1}, float64).requires_grad(true);
  const Tensor y = kl_div(logs, target);
  EXPECT_EQ(y.item<double>(), 0);
  EXPECT_PRED2(same, gradients(y, {logs}, false)[0], from_data({-0.0, -0.5}, float64));
  EXPECT_TRUE(std::isfinite(gradients(y, {target}, false)[0][1].item<double>()));
}

// ---------------------------------------------------------------------------------------------------------------------
// Products and windows: every element that meets one is touched, and no other.

TEST(NonFinite, MatmulSpreadsThemOverARowOrAColumn) {
  for (const DType dtype : {float32, float64}) {
    for (const std::int64_t n : {1, 2, 3, 5, 8, 17, 33, 70}) {
      for (const int flags : {0, 1, 2, 3}) {
        const MatmulOptions options{(flags & 1) != 0, (flags & 2) != 0};
        const Tensor a = ordinary({n, n}, dtype);
        const Tensor b = ordinary({n, n}, dtype);
        const Tensor y = matmul(a, b, options);
        for (const double special : {nan, infinity}) {
          SCOPED_TRACE(fmt::format("{} x {} {}, {}, transposed {}", n, n, dtype, special, flags));
          const std::int64_t row = n / 2;
          const std::int64_t column = n - 1;
          const Tensor places = ones({n, n}, dtype) * arange(static_cast<double>(n), dtype);  // the index of the column
          const Tensor mask = (transpose(places) == static_cast<double>(row)) * (places == static_cast<double>(column));
          // The place in a lies in this row of what is multiplied, that in b in this column.
          const Tensor in_row = transpose(places) == static_cast<double>(options.transpose_a ? column : row);
          const Tensor in_column = places == static_cast<double>(options.transpose_b ? row : column);
          const Tensor left = matmul(where(mask, special, a), b, options);
          const Tensor right = matmul(a, where(mask, special, b), options);
          ASSERT_PRED2(same, isfinite(left), 1 - in_row);
          ASSERT_PRED2(same, isfinite(right), 1 - in_column);
          ASSERT_PRED2(same, where(in_row, 0, left), where(in_row, 0, y));
          ASSERT_PRED2(same, where(in_column, 0, right), where(in_column, 0, y));
        }
      }
    }
  }
}

TEST(NonFinite, LinearAlgebraOfNaNIsNaNAndComesToAnEnd) {
  const std::pair<const char*, Unary> ops[] = {
      {"inverse", inverse},
      {"det", det},
      {"logdet", logdet},
      {"cholesky", cholesky},
      {"solve",
       [](const Tensor& x) {
         return solve(x, ones({5, 1}, x.dtype()));
       }},
      {"triangular_solve",
       [](const Tensor& x) {
         return triangular_solve(x, ones({5, 1}, x.dtype()));
       }},
      {"lstsq",
       [](const Tensor& x) {
         return lstsq(x, ones({5, 1}, x.dtype()));
       }},
      {"qr", [](const Tensor& x) { return qr(x).r; }},
      {"eigh", [](const Tensor& x) { return eigh(x).w; }},
      {"svd", [](const Tensor& x) { return svd(x).s; }},
      {"trace", [](const Tensor& x) { return trace(x); }},
      {"matrix_norm", [](const Tensor& x) { return matrix_norm(x, MatrixNorm::spectral); }},
  };
  for (const auto& [name, f] : ops) {
    for (const DType dtype : {float32, float64}) {
      const Tensor good = (one_hot(arange(0, 5, 1, int64), 5, dtype) * 9 + ordinary({5, 5}, dtype)).reshape({1, 5, 5});
      const Tensor bad = good * where(one_hot(zeros({1, 5}, int64), 5, dtype), nan, 1);
      const Tensor y = f(cat({good, bad}));
      EXPECT_EQ(sum(isnan(y[0])).item(), 0) << name;
      EXPECT_GT(sum(isnan(y[1])).item(), 0) << name;
    }
  }
}

TEST(NonFinite, WindowsThatDoNotCoverThemAreNotTouched) {
  const Tensor kernel = ordinary({3, 1, 3, 3}, float64);
  const std::pair<const char*, Unary> ops[] = {
      {"maxpool2d", [](const Tensor& x) { return maxpool2d(x, 3, {.stride = 1}); }},
      {"avgpool2d", [](const Tensor& x) { return avgpool2d(x, 3, {.stride = 1}); }},
      {"maxpool2d 2", [](const Tensor& x) { return maxpool2d(x, 2); }},
      {"avgpool2d 2", [](const Tensor& x) { return avgpool2d(x, 2); }},
      {"avgpool2d same", [](const Tensor& x) { return avgpool2d(x, 3, {.stride = 2, .padding = 1}); }},
      {"correlate2d", [&](const Tensor& x) { return correlate2d(x, kernel.to(x.dtype())); }},
      {"correlate2d strided",
       [&](const Tensor& x) { return correlate2d(x, kernel.to(x.dtype()), {.stride = 2, .padding = 1}); }},
  };
  const std::int64_t n = 12;
  for (const auto& [name, f] : ops) {
    for (const DType dtype : {float32, float64}) {
      const Tensor x = ordinary({1, 1, n, n}, dtype).requires_grad(true);
      const Tensor y = f(x);
      for (const std::int64_t at : {std::int64_t{0}, n / 2, 5 * n + 6, n * n - 1}) {
        const Tensor place = one_hot(full({}, static_cast<double>(at), int64), n * n, dtype).reshape({1, 1, n, n});
        // A window covers the place if its result hangs on what is there.
        const Tensor covers = f(1e30 * place) != f(zeros({1, 1, n, n}, dtype));
        for (const double special : {nan, infinity, -infinity}) {
          SCOPED_TRACE(fmt::format("{} in {}, {} at {}", name, dtype, special, at));
          const Tensor bad = f(where(place, special, x.detach()));
          ASSERT_PRED2(same, where(covers, 0, bad), where(covers, 0, y));
          if (std::isnan(special)) {
            ASSERT_PRED2(same, isnan(bad), covers);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace wengert::test
