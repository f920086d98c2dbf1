#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/simd.h>
#include <wengert/autograd/simd_math.h>

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

/// |got - expected| in units of the last place of `expected` in T; infinity counts as the power of two where it begins.
template <class T, class Reference>
double ulps(T got, Reference expected) {
  using Limits = std::numeric_limits<T>;
  if (std::isnan(got) || std::isnan(expected)) return std::isnan(got) && std::isnan(expected) ? 0 : infinity<double>;
  const Reference end = std::ldexp(Reference(1), Limits::max_exponent);
  const Reference e = std::abs(expected) > end ? std::copysign(end, expected) : expected;
  const Reference g = std::isinf(got) ? std::copysign(end, static_cast<Reference>(got)) : static_cast<Reference>(got);
  if (g == e) return std::signbit(g) == std::signbit(e) ? 0 : infinity<double>;
  const int exponent = e == 0 ? Limits::min_exponent : std::max(std::ilogb(e) + 1, Limits::min_exponent);
  return static_cast<double>(std::ldexp(std::abs(g - e), Limits::digits - exponent));
}

/// Arguments of all magnitudes and signs, evenly over the bit patterns and evenly over intervals, with edge cases.
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

/// Compares with the reference in the next wider type, over all arguments that `accept`s.
template <class T, class F, class R>
void expect_ulps(F f, R reference, double bound) {
  using Reference = std::conditional_t<sizeof(T) == 4, double, long double>;
  const std::vector<T>& x = arguments<T>();
  const std::vector<T> y = evaluate(f, x);
  double worst = 0;
  T worst_at = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = ulps(y[i], reference(static_cast<Reference>(x[i])));
    if (error > worst) {
      worst = error;
      worst_at = x[i];
    }
  }
  const std::string type = sizeof(T) == 4 ? "float" : "double";
  ::testing::Test::RecordProperty("worst_ulps_" + type, std::to_string(worst));
  EXPECT_LE(worst, bound) << type << ", at " << std::hexfloat << worst_at << " = " << std::defaultfloat << worst_at;
}

template <class F, class R>
void expect_ulps(F f, R reference, double float_bound, double double_bound) {
  expect_ulps<float>(f, reference, float_bound);
  expect_ulps<double>(f, reference, double_bound);
}

TEST(SimdMath, ExpKeepsItsErrorBound) {
  expect_ulps([](auto x) { return exp(x); }, [](auto x) { return std::exp(x); }, 1.3, 1.2);
}
TEST(SimdMath, Expm1KeepsItsErrorBound) {
  expect_ulps([](auto x) { return expm1(x); }, [](auto x) { return std::expm1(x); }, 1.8, 2);
}
TEST(SimdMath, LogKeepsItsErrorBound) {
  expect_ulps([](auto x) { return log(x); }, [](auto x) { return std::log(x); }, 1, 1);
}
TEST(SimdMath, Log1pKeepsItsErrorBound) {
  expect_ulps([](auto x) { return log1p(x); }, [](auto x) { return std::log1p(x); }, 1, 1);
}
TEST(SimdMath, SinKeepsItsErrorBound) {
  expect_ulps([](auto x) { return sin(x); }, [](auto x) { return std::sin(x); }, 1.7, 2.4);
}
TEST(SimdMath, CosKeepsItsErrorBound) {
  expect_ulps([](auto x) { return cos(x); }, [](auto x) { return std::cos(x); }, 1.7, 2.4);
}
TEST(SimdMath, TanhKeepsItsErrorBound) {
  expect_ulps([](auto x) { return tanh(x); }, [](auto x) { return std::tanh(x); }, 1.5, 2.7);
}
TEST(SimdMath, SigmoidKeepsItsErrorBound) {
  expect_ulps([](auto x) { return sigmoid(x); },
              [](auto x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }, 2.5, 2.5);
}
TEST(SimdMath, SoftplusKeepsItsErrorBound) {
  expect_ulps([](auto x) { return softplus(x); },
              [](auto x) { return (x < 0 ? 0 : x) + std::log1p(std::exp(-std::abs(x))); }, 2.1, 1.9);
}
TEST(SimdMath, LogSigmoidKeepsItsErrorBound) {
  expect_ulps([](auto x) { return log_sigmoid(x); },
              [](auto x) { return -((x > 0 ? 0 : -x) + std::log1p(std::exp(-std::abs(x)))); }, 2.1, 1.9);
}
TEST(SimdMath, ErfKeepsItsErrorBound) {
  expect_ulps([](auto x) { return erf(x); }, [](auto x) { return std::erf(x); }, 1.6, 1.6);
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
  EXPECT_EQ(fold_lanes(counting<T>(), [](T a, T b) { return a + b; }), static_cast<T>(n * (n + 1) / 2));
  EXPECT_EQ(fold_lanes(counting<T>(), [](T a, T b) { return a > b ? a : b; }), static_cast<T>(n));
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
