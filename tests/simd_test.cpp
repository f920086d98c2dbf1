#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <numbers>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/simd.h>
#include <wengert/autograd/simd_math.h>

#include "tests/ulps.h"

namespace wengert::simd {
namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T nan = std::numeric_limits<T>::quiet_NaN();

/// A function of one packet applied to a vector of any length, the way kernels do: whole packets, then the tail.
template <class T, class F>
std::vector<T> evaluate(F f, const std::vector<T>& x) {
  const auto n = static_cast<std::int64_t>(x.size());
  std::vector<T> y(x.size());
  std::int64_t i = 0;
  for (; i + Pack<T>::size <= n; i += Pack<T>::size) f(Pack<T>::load(x.data() + i)).store(y.data() + i);
  f(Pack<T>::load_partial(x.data() + i, n - i)).store_partial(y.data() + i, n - i);
  return y;
}

template <class T, class F>
T at(F f, T x) {
  return evaluate(f, std::vector<T>{x})[0];
}

/// Bit for bit the same, any NaN being the same as any other.
template <class T>
bool same(T a, T b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  return a == b && std::signbit(a) == std::signbit(b);
}

/// Arguments of all magnitudes and signs, evenly and at random over the bit patterns and over intervals, with edge
/// cases.
template <class T>
const std::vector<T>& arguments() {
  static const std::vector<T> values = [] {
    using Limits = std::numeric_limits<T>;
    std::vector<T> v;
    for (T edge : {T(0),          Limits::denorm_min(),
                   Limits::min(), Limits::epsilon(),
                   T(0.25),       T(1) / 3,
                   T(0.5),        T(0.6),
                   T(1),          T(4) / 3,
                   T(2),          T(4),
                   T(6),          T(10),
                   T(20),         T(88.5),
                   T(103),        T(709.5),
                   T(745),        Limits::max()}) {
      for (T x : {edge, std::nextafter(edge, infinity<T>), std::nextafter(edge, -infinity<T>)}) {
        v.push_back(x);
        v.push_back(-x);
      }
    }
    v.insert(v.end(), {infinity<T>, -infinity<T>, nan<T>});
    // Evenly over all bit patterns: for float every 4099th.
    constexpr auto patterns = static_cast<LaneBits<T>>(sizeof(T) == 4 ? 4099 : 0x0000'B504'F333'F9DE);
    for (LaneBits<T> bits = 0, next = patterns; bits < next; bits = next, next += patterns) {
      v.push_back(std::bit_cast<T>(bits));
    }
    // A fine grid, and next to the zeros of sine and cosine, where the reduction of the argument leaves least.
    for (int i = -20'000; i <= 20'000; ++i) v.push_back(static_cast<T>(i) / 1024);
    for (int i = 1; i <= 20'000; ++i) {
      const auto zero = static_cast<T>(i * (std::numbers::pi_v<long double> / 2));
      v.insert(v.end(), {zero, std::nextafter(zero, T(0)), -zero});
    }
    std::mt19937_64 random(1964);
    const int count = sizeof(T) == 4 ? 300'000 : 40'000;
    for (int i = 0; i < count; ++i) v.push_back(std::bit_cast<T>(static_cast<LaneBits<T>>(random())));
    for (T range : {T(1.5), T(12), T(120), T(800), T(1e5)}) {
      std::uniform_real_distribution<T> uniform(-range, range);
      for (int i = 0; i < count / 2; ++i) v.push_back(uniform(random));
    }
    return v;
  }();
  return values;
}

/// One function of packets, and of the library in the next wider type.
struct Function {
  std::string name;
  /// How many units of the last place a result may be off.
  double float_bound;
  double double_bound;
  std::function<std::vector<float>(const std::vector<float>&)> of_floats;
  std::function<std::vector<double>(const std::vector<double>&)> of_doubles;
  std::function<double(double)> float_reference;
  std::function<long double(long double)> double_reference;
};

template <class F, class R>
Function function(const char* name, double float_bound, double double_bound, F f, R reference) {
  return {name,
          float_bound,
          double_bound,
          [f](const std::vector<float>& x) { return evaluate(f, x); },
          [f](const std::vector<double>& x) { return evaluate(f, x); },
          reference,
          reference};
}

/// The bounds of docs/design.md, which says the same.
const std::vector<Function>& functions() {
  static const std::vector<Function> all = {
      function(
          "exp", 1.3, 1.2, [](auto x) { return exp(x); }, [](auto x) { return std::exp(x); }),
      function(
          "expm1", 1.8, 2, [](auto x) { return expm1(x); }, [](auto x) { return std::expm1(x); }),
      function(
          "log", 1, 1, [](auto x) { return log(x); }, [](auto x) { return std::log(x); }),
      function(
          "log1p", 1, 1, [](auto x) { return log1p(x); }, [](auto x) { return std::log1p(x); }),
      function(
          "sin", 1.7, 2.4, [](auto x) { return sin(x); }, [](auto x) { return std::sin(x); }),
      function(
          "cos", 1.7, 2.4, [](auto x) { return cos(x); }, [](auto x) { return std::cos(x); }),
      function(
          "tanh", 1.8, 2.7, [](auto x) { return tanh(x); }, [](auto x) { return std::tanh(x); }),
      function(
          "sigmoid", 2.5, 2.5, [](auto x) { return sigmoid(x); },
          [](auto x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }),
      function(
          "softplus", 2.1, 1.9, [](auto x) { return softplus(x); },
          [](auto x) { return (x < 0 ? 0 : x) + std::log1p(std::exp(-std::abs(x))); }),
      function(
          "log_sigmoid", 2.1, 1.9, [](auto x) { return log_sigmoid(x); },
          [](auto x) { return -((x > 0 ? 0 : -x) + std::log1p(std::exp(-std::abs(x)))); }),
      function(
          "erf", 1.6, 1.6, [](auto x) { return erf(x); }, [](auto x) { return std::erf(x); }),
      function(
          "sqrt", 0.5, 0.5, [](auto x) { return sqrt(x); }, [](auto x) { return std::sqrt(x); }),
      function(
          "reciprocal", 0.5, 0.5, [](auto x) { return reciprocal(x); }, [](auto x) { return 1 / x; }),
      // By the C library, whose own errors these are.
      function(
          "tan", 2, 2, [](auto x) { return tan(x); }, [](auto x) { return std::tan(x); }),
      function(
          "asin", 2, 2, [](auto x) { return asin(x); }, [](auto x) { return std::asin(x); }),
      function(
          "acos", 2, 2, [](auto x) { return acos(x); }, [](auto x) { return std::acos(x); }),
      function(
          "atan", 2, 2, [](auto x) { return atan(x); }, [](auto x) { return std::atan(x); }),
      function(
          "sinh", 3, 3, [](auto x) { return sinh(x); }, [](auto x) { return std::sinh(x); }),
      function(
          "cosh", 3, 3, [](auto x) { return cosh(x); }, [](auto x) { return std::cosh(x); }),
      function(
          "lgamma", 8, 5, [](auto x) { return lgamma(x); }, [](auto x) { return std::lgamma(x); }),
  };
  return all;
}

/// The largest error over all arguments, and where it is.
template <class T>
std::pair<double, T> largest_error(const std::vector<T>& x, const std::vector<T>& y, auto reference) {
  std::pair<double, T> worst{0, 0};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = ulps(y[i], reference(x[i]));
    if (error > worst.first) worst = {error, x[i]};
  }
  return worst;
}

template <class T>
void expect_bound(const std::string& name, std::pair<double, T> worst, double bound) {
  const char* type = sizeof(T) == 4 ? "float" : "double";
  std::printf("%12s %6s: %.2f ulp at %a, bound %.1f\n", name.c_str(), type, worst.first,
              static_cast<double>(worst.second), bound);
  ::testing::Test::RecordProperty(std::string("worst_ulps_") + type, std::to_string(worst.first));
  EXPECT_LE(worst.first, bound) << name << ", " << type << ", at " << worst.second;
}

class SimdFunction : public ::testing::TestWithParam<Function> {};
std::string name_of(const ::testing::TestParamInfo<Function>& row) { return row.param.name; }
INSTANTIATE_TEST_SUITE_P(SimdMath, SimdFunction, ::testing::ValuesIn(functions()), name_of);

TEST_P(SimdFunction, KeepsItsErrorBound) {
  const Function& f = GetParam();
  const std::vector<float>& floats = arguments<float>();
  const std::vector<double>& doubles = arguments<double>();
  expect_bound(f.name, largest_error(floats, f.of_floats(floats), f.float_reference), f.float_bound);
  expect_bound(f.name, largest_error(doubles, f.of_doubles(doubles), f.double_reference), f.double_bound);
}

/// Over pairs of arguments of like and of unlike sizes.
template <class T, class F, class R>
void expect_pair_bound(const char* name, F f, R reference, double bound) {
  using Wide = std::conditional_t<sizeof(T) == 4, double, long double>;
  const std::vector<T>& x = arguments<T>();
  std::pair<double, T> worst{0, 0};
  for (std::size_t i = 0; i < x.size(); i += sizeof(T) == 4 ? 61 : 11) {
    const T a = x[i];
    for (const T b : {x[(i * 31 + 17) % x.size()], static_cast<T>(a * T(0.75)), T(-1.5), T(3)}) {
      const double error = ulps(f(Pack<T>(a), Pack<T>(b))[0], reference(static_cast<Wide>(a), static_cast<Wide>(b)));
      if (error > worst.first) worst = {error, a};
    }
  }
  expect_bound(name, worst, bound);
}

TEST(SimdMath, FunctionsOfTwoNumbersKeepTheirErrorBounds) {
  const auto expect_both = [](const char* name, auto f, auto reference, double bound) {
    expect_pair_bound<float>(name, f, reference, bound);
    expect_pair_bound<double>(name, f, reference, bound);
  };
  expect_both(
      "pow", [](auto a, auto b) { return pow(a, b); }, [](auto a, auto b) { return std::pow(a, b); }, 1);
  expect_both(
      "atan2", [](auto a, auto b) { return atan2(a, b); }, [](auto a, auto b) { return std::atan2(a, b); }, 2);
  expect_both(
      "hypot", [](auto a, auto b) { return hypot(a, b); }, [](auto a, auto b) { return std::hypot(a, b); }, 1);
  expect_both(
      "fmod", [](auto a, auto b) { return fmod(a, b); }, [](auto a, auto b) { return std::fmod(a, b); }, 0);
}

/// What a function gives at one argument, in both types.
template <class F>
void expect_value(F f, double x, double y) {
  EXPECT_PRED2(same<float>, at(f, static_cast<float>(x)), static_cast<float>(y)) << "at " << x << ", float";
  EXPECT_PRED2(same<double>, at(f, x), y) << "at " << x << ", double";
}

TEST(SimdMath, LimitsAreExact) {
  constexpr double inf = infinity<double>;
  expect_value([](auto x) { return exp(x); }, 0, 1);
  expect_value([](auto x) { return exp(x); }, -inf, 0);
  expect_value([](auto x) { return exp(x); }, inf, inf);
  expect_value([](auto x) { return expm1(x); }, -0.0, -0.0);
  expect_value([](auto x) { return expm1(x); }, -inf, -1);
  expect_value([](auto x) { return expm1(x); }, inf, inf);
  expect_value([](auto x) { return log(x); }, 1, 0);
  expect_value([](auto x) { return log(x); }, 0, -inf);
  expect_value([](auto x) { return log(x); }, -0.0, -inf);
  expect_value([](auto x) { return log(x); }, -1, nan<double>);
  expect_value([](auto x) { return log(x); }, inf, inf);
  expect_value([](auto x) { return log1p(x); }, -0.0, -0.0);
  expect_value([](auto x) { return log1p(x); }, -1, -inf);
  expect_value([](auto x) { return log1p(x); }, -2, nan<double>);
  expect_value([](auto x) { return log1p(x); }, inf, inf);
  expect_value([](auto x) { return tanh(x); }, -0.0, -0.0);
  expect_value([](auto x) { return tanh(x); }, inf, 1);
  expect_value([](auto x) { return tanh(x); }, -inf, -1);
  expect_value([](auto x) { return sigmoid(x); }, 0, 0.5);
  expect_value([](auto x) { return sigmoid(x); }, inf, 1);
  expect_value([](auto x) { return sigmoid(x); }, -inf, 0);
  expect_value([](auto x) { return softplus(x); }, inf, inf);
  expect_value([](auto x) { return softplus(x); }, -inf, 0);
  expect_value([](auto x) { return log_sigmoid(x); }, -inf, -inf);
  expect_value([](auto x) { return erf(x); }, -0.0, -0.0);
  expect_value([](auto x) { return erf(x); }, -inf, -1);
  expect_value([](auto x) { return sin(x); }, -0.0, -0.0);
  expect_value([](auto x) { return sin(x); }, inf, nan<double>);
  expect_value([](auto x) { return cos(x); }, -inf, nan<double>);
}

TEST(SimdMath, SigmoidUnderflowsGradually) {
  EXPECT_GT(at([](auto x) { return sigmoid(x); }, -103.0F), 0);
  EXPECT_GT(at([](auto x) { return sigmoid(x); }, -745.0), 0);
}

TEST(SimdMath, SineReducesArgumentsUpToTheLimitAndLeavesLargerOnesToTheLibrary) {
  for (double limit : {1e9, 1e15, 1e300}) {
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> uniform(-limit, limit);
    for (int i = 0; i < 5000; ++i) {
      const double x = uniform(random);
      const long double wide = x;
      EXPECT_LE(ulps(at([](auto v) { return sin(v); }, x), std::sin(wide)), 2.4) << x;
      EXPECT_LE(ulps(at([](auto v) { return cos(v); }, x), std::cos(wide)), 2.4) << x;
    }
  }
  const std::vector<float> mixed = {1.0F, 3e6F, 1e-3F, infinity<float>, 1e30F, -2.0F};
  const std::vector<float> sines = evaluate([](auto v) { return sin(v); }, mixed);
  for (std::size_t i = 0; i < mixed.size(); ++i) EXPECT_LE(ulps(sines[i], std::sin(double{mixed[i]})), 1.7) << mixed[i];
}

TEST(SimdMath, LanewiseFunctionsAreThoseOfTheLibrary) {
  for (double x : {-2.5, -0.75, 0.0, 0.3, 1.0, 7.5, nan<double>}) {
    EXPECT_PRED2(same<double>, at([](auto v) { return tan(v); }, x), std::tan(x));
    EXPECT_PRED2(same<double>, at([](auto v) { return asin(v); }, x), std::asin(x));
    EXPECT_PRED2(same<double>, at([](auto v) { return acos(v); }, x), std::acos(x));
    EXPECT_PRED2(same<double>, at([](auto v) { return atan(v); }, x), std::atan(x));
    EXPECT_PRED2(same<double>, at([](auto v) { return sinh(v); }, x), std::sinh(x));
    EXPECT_PRED2(same<double>, at([](auto v) { return cosh(v); }, x), std::cosh(x));
    EXPECT_PRED2(same<double>, at([](auto v) { return lgamma(v); }, x), std::lgamma(x));
    EXPECT_PRED2(same<double>, at([](auto v) { return fmod(v, 2); }, x), std::fmod(x, 2.0));
    EXPECT_PRED2(same<double>, at([](auto v) { return hypot(v, v + 1); }, x), std::hypot(x, x + 1));
    EXPECT_PRED2(same<double>, at([](auto v) { return atan2(-1, v); }, x), std::atan2(-1.0, x));
  }
}

TEST(SimdMath, PowHasTheSpecialCasesOfTheLibrary) {
  const double values[] = {
      0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, infinity<double>, -infinity<double>, nan<double>};
  for (double a : values) {
    for (double b : values) {
      EXPECT_PRED2(same<double>, pow(Pack<double>(a), Pack<double>(b))[0], std::pow(a, b)) << a << " to the " << b;
      EXPECT_PRED2(same<double>, pow(Pack<double>(a), b)[0], std::pow(a, b)) << a << " to the " << b;
      EXPECT_PRED2(same<double>, pow(a, Pack<double>(b))[0], std::pow(a, b)) << a << " to the " << b;
    }
  }
  EXPECT_EQ(pow(Pack<float>(-2), 3)[0], -8.0F);
}

TEST(SimdMath, DigammaTakesItsKnownValues) {
  constexpr double euler = 0.57721566490153286061;
  const auto value = [](double x) { return at([](auto v) { return digamma(v); }, x); };
  EXPECT_NEAR(value(1), -euler, 2e-15);
  EXPECT_NEAR(value(0.5), -euler - 2 * std::log(2.0), 2e-15);
  EXPECT_NEAR(value(10), 2.2517525890667211077, 2e-15);
  EXPECT_NEAR(value(-0.5), 2 - euler - 2 * std::log(2.0), 2e-15);
  EXPECT_NEAR(value(1e10), std::log(1e10) - 0.5e-10, 1e-14);
  EXPECT_EQ(value(0.0), -infinity<double>);
  EXPECT_EQ(value(-0.0), infinity<double>);
  EXPECT_EQ(value(infinity<double>), infinity<double>);
  EXPECT_TRUE(std::isnan(value(-3)));
  EXPECT_TRUE(std::isnan(value(nan<double>)));
  EXPECT_NEAR(at([](auto v) { return digamma(v); }, 2.0F), 1 - static_cast<float>(euler), 1e-7F);
}

TEST(SimdMath, DigammaSatisfiesItsRecurrence) {
  for (double x = -8.37; x < 12; x += 0.0625) {
    const double lower = at([](auto v) { return digamma(v); }, x);
    const double upper = at([](auto v) { return digamma(v); }, x + 1);
    EXPECT_NEAR(upper - lower, 1 / x, 4e-15 * (1 + std::abs(upper) + std::abs(lower))) << x;
  }
}

template <class T>
class SimdPack : public ::testing::Test {};
using PackTypes = ::testing::Types<float, double, std::int64_t>;
TYPED_TEST_SUITE(SimdPack, PackTypes);

template <class T>
class SimdFloatingPack : public ::testing::Test {};
using FloatingPackTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(SimdFloatingPack, FloatingPackTypes);

/// 1, 2, 3, ... in the lanes.
template <class T>
Pack<T> counting() {
  T lanes[Pack<T>::size];
  for (std::int64_t i = 0; i < Pack<T>::size; ++i) lanes[i] = static_cast<T>(i + 1);
  return Pack<T>::load(lanes);
}

TYPED_TEST(SimdPack, FillsOneRegister) {
  EXPECT_EQ(sizeof(Pack<TypeParam>), static_cast<std::size_t>(register_bytes));
  EXPECT_EQ(Pack<TypeParam>::size * static_cast<std::int64_t>(sizeof(TypeParam)), register_bytes);
}

TYPED_TEST(SimdPack, LoadsAndStoresAtAnyAddress) {
  using P = Pack<TypeParam>;
  std::vector<TypeParam> memory(static_cast<std::size_t>(P::size) + 2, TypeParam(-7));
  counting<TypeParam>().store(memory.data() + 1);
  EXPECT_EQ(memory.front(), TypeParam(-7));
  EXPECT_EQ(memory.back(), TypeParam(-7));
  const P loaded = P::load(memory.data() + 1);
  for (std::int64_t i = 0; i < P::size; ++i) EXPECT_EQ(loaded[i], static_cast<TypeParam>(i + 1));
}

TYPED_TEST(SimdPack, PartialLoadsFillWithOnesAndPartialStoresTouchNothingElse) {
  using P = Pack<TypeParam>;
  for (std::int64_t n = 0; n <= P::size; ++n) {
    // Buffers of exactly n values, so that an address sanitizer sees any access behind them.
    const std::vector<TypeParam> source(static_cast<std::size_t>(n), TypeParam(5));
    const P loaded = P::load_partial(source.data(), n);
    for (std::int64_t i = 0; i < P::size; ++i) EXPECT_EQ(loaded[i], i < n ? TypeParam(5) : TypeParam(1));
    std::vector<TypeParam> target(static_cast<std::size_t>(P::size) + 1, TypeParam(-7));
    counting<TypeParam>().store_partial(target.data(), n);
    for (std::int64_t i = 0; i <= P::size; ++i) {
      EXPECT_EQ(target[static_cast<std::size_t>(i)], i < n ? static_cast<TypeParam>(i + 1) : TypeParam(-7));
    }
  }
}

TYPED_TEST(SimdPack, ComputesLikeScalars) {
  using T = TypeParam;
  const Pack<T> a = counting<T>();
  const Pack<T> b = 3;
  Pack<T> c = a;
  c += b;
  c -= 1;
  c *= 4;
  c /= 2;
  for (std::int64_t i = 0; i < Pack<T>::size; ++i) {
    const T x = a[i];
    EXPECT_EQ((a + b)[i], x + 3);
    EXPECT_EQ((a - b)[i], x - 3);
    EXPECT_EQ((2 * a * b)[i], 2 * x * 3);
    EXPECT_EQ((a / b)[i], x / T(3));
    EXPECT_EQ((-a)[i], -x);
    EXPECT_EQ(c[i], (x + 2) * 4 / 2);
    EXPECT_EQ(abs(b - a)[i], x > 3 ? x - 3 : 3 - x);
    EXPECT_EQ(sign(b - a)[i], T((3 > x) - (3 < x)));
    EXPECT_EQ(square(a)[i], x * x);
    EXPECT_EQ(maximum(a, 3)[i], x > 3 ? x : 3);
    EXPECT_EQ(minimum(3, a)[i], x < 3 ? x : 3);
    EXPECT_EQ(clamp(a, 2, 3)[i], x < 2 ? 2 : x > 3 ? 3 : x);
    EXPECT_EQ(fma(a, 2, b)[i], x * 2 + 3);
  }
}

TYPED_TEST(SimdPack, ComparesAndSelectsLaneByLane) {
  using T = TypeParam;
  const Pack<T> a = counting<T>();
  for (std::int64_t i = 0; i < Pack<T>::size; ++i) {
    const T x = a[i];
    EXPECT_EQ((a < 2)[i], x < 2);
    EXPECT_EQ((a <= 2)[i], x <= 2);
    EXPECT_EQ((a > 2)[i], x > 2);
    EXPECT_EQ((2 >= a)[i], 2 >= x);
    EXPECT_EQ((a == 2)[i], x == 2);
    EXPECT_EQ((a != 2)[i], x != 2);
    EXPECT_EQ(((a > 1) & (a < 3))[i], x > 1 && x < 3);
    EXPECT_EQ(((a < 1) | (a > 2))[i], x < 1 || x > 2);
    EXPECT_EQ((!(a < 2))[i], x >= 2);
    EXPECT_EQ(where(a > 1, a, 0)[i], x > 1 ? x : 0);
    EXPECT_EQ(where(a > 1, 5, a)[i], x > 1 ? 5 : x);
    EXPECT_EQ(where(a > 1, 2, 0.0)[i], x > 1 ? 2 : 0);
    EXPECT_EQ(as_number(a > 1)[i], x > 1 ? 1 : 0);
    EXPECT_EQ((a * (a > 1))[i], x > 1 ? x : 0);
  }
}

TYPED_TEST(SimdPack, AnyAndAllLookAtEveryLane) {
  using T = TypeParam;
  const Pack<T> a = counting<T>();
  for (std::int64_t i = 1; i <= Pack<T>::size; ++i) {
    EXPECT_TRUE(any(a == i));
    EXPECT_FALSE(all(a != i));
  }
  EXPECT_FALSE(any(a == 0));
  EXPECT_TRUE(all(a != 0));
}

TYPED_TEST(SimdPack, FoldsLanesPairwise) {
  using T = TypeParam;
  const std::int64_t n = Pack<T>::size;
  EXPECT_EQ(fold_lanes(counting<T>(), [](auto a, auto b) { return a + b; }), static_cast<T>(n * (n + 1) / 2));
  EXPECT_EQ(fold_lanes(counting<T>(), [](auto a, auto b) { return maximum(a, b); }), static_cast<T>(n));
}

TYPED_TEST(SimdFloatingPack, ConstantsTakeTheTypeOfThePacket) {
  const Pack<TypeParam> y = TypeParam(0.3);
  const auto z = 0.1 * y * (1 - y * y) + 2;
  static_assert(std::is_same_v<decltype(z), const Pack<TypeParam>>);
  EXPECT_EQ((0.1 * y)[0], TypeParam(0.1) * TypeParam(0.3));
  EXPECT_TRUE(std::signbit(Pack<TypeParam>(-0.0)[0]));
}

TYPED_TEST(SimdFloatingPack, NothingComparesWithNaN) {
  const Pack<TypeParam> x = nan<TypeParam>;
  EXPECT_FALSE(any((x < 1) | (x <= 1) | (x > 1) | (x >= 1) | (x == x)));
  EXPECT_TRUE(all((x != x) & isnan(x)));
}

TYPED_TEST(SimdFloatingPack, NaNPropagates) {
  using P = Pack<TypeParam>;
  const P x = nan<TypeParam>;
  for (P y : {maximum(x, 1), maximum(1, x), minimum(x, 1),  minimum(1, x), clamp(x, 0, 1), sign(x),   abs(x),
              sqrt(x),       floor(x),      ceil(x),        round(x),      trunc(x),       square(x), reciprocal(x),
              exp(x),        expm1(x),      log(x),         log1p(x),      sin(x),         cos(x),    tanh(x),
              sigmoid(x),    softplus(x),   log_sigmoid(x), erf(x),        lgamma(x),      digamma(x)}) {
    EXPECT_TRUE(all(isnan(y)));
  }
}

TYPED_TEST(SimdFloatingPack, RoundingAgreesWithTheLibraryBitForBit) {
  using T = TypeParam;
  std::vector<T> values = arguments<T>();
  for (int i = -9; i <= 9; ++i) values.push_back(static_cast<T>(i) / 2);
  const std::vector<T> rounded = evaluate([](auto x) { return round(x); }, values);
  const std::vector<T> down = evaluate([](auto x) { return floor(x); }, values);
  const std::vector<T> up = evaluate([](auto x) { return ceil(x); }, values);
  const std::vector<T> truncated = evaluate([](auto x) { return trunc(x); }, values);
  const std::vector<T> roots = evaluate([](auto x) { return sqrt(x); }, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_PRED2(same<T>, rounded[i], std::nearbyint(values[i])) << values[i];
    ASSERT_PRED2(same<T>, down[i], std::floor(values[i])) << values[i];
    ASSERT_PRED2(same<T>, up[i], std::ceil(values[i])) << values[i];
    ASSERT_PRED2(same<T>, truncated[i], std::trunc(values[i])) << values[i];
    ASSERT_PRED2(same<T>, roots[i], std::sqrt(values[i])) << values[i];
  }
}

TYPED_TEST(SimdFloatingPack, SignAndCopysignKeepSignedZeros) {
  using P = Pack<TypeParam>;
  EXPECT_TRUE(std::signbit(sign(P(-0.0))[0]));
  EXPECT_TRUE(std::signbit(copysign(P(0), P(-2))[0]));
  EXPECT_EQ(copysign(P(-3), P(2))[0], 3);
  EXPECT_EQ(sign(P(-infinity<TypeParam>))[0], -1);
}

TEST(SimdInteger, OverflowWrapsAround) {
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ((Pack<std::int64_t>(largest) + 1)[0], least);
  EXPECT_EQ((Pack<std::int64_t>(least) - 1)[0], largest);
  EXPECT_EQ((Pack<std::int64_t>(largest) * 2)[0], -2);
  EXPECT_EQ((-Pack<std::int64_t>(least))[0], least);
}

TEST(SimdInteger, DivisionTruncatesAndNeverTraps) {
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  using P = Pack<std::int64_t>;
  EXPECT_EQ((P(-7) / 2)[0], -3);
  EXPECT_EQ((P(7) / -1)[0], -7);
  EXPECT_EQ((P(7) / 0)[0], 0);
  EXPECT_EQ((P(least) / -1)[0], least);
}

TEST(SimdInteger, RoundingChangesNothing) {
  const Pack<std::int64_t> x = -5;
  EXPECT_TRUE(all((floor(x) == x) & (ceil(x) == x) & (round(x) == x) & (trunc(x) == x)));
}

}  // namespace
}  // namespace wengert::simd
