#pragma once

// Range reductions and compensated sums mean what they say: reassociated, they give wrong numbers without a word.
#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__)
#error "wengert/autograd/simd_math.h: element-wise formulas need IEEE arithmetic; compile this file without -ffast-math"
#endif

#include <bit>
#include <concepts>
#include <limits>
#include <type_traits>
#include <utility>

#include <wengert/autograd/simd.h>

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

/// Elementary functions of `Pack<float>` and `Pack<double>`.
///
/// Branch-free vector code: exp, expm1, log, log1p, sin, cos, tanh, sigmoid, log_sigmoid, softplus, erf. The others
/// call the C library lane by lane. NaN gives NaN. Errors are in units in the last place (ulp) of the exact result: the
/// largest measured with some 30 million arguments over all of float and 3 million over all of double, with SSE2, AVX,
/// AVX2 and AVX-512, rounded up; tests/simd_test.cpp asserts them.
///
/// Every polynomial here was computed for this file by Remez exchange in 40 decimal digits and then rounded to the lane
/// type. Minimax on an interval means that the relative error of the function built from it is smallest there, or the
/// error of what is named.
namespace wengert::simd {
inline namespace WENGERT_SIMD_TARGET {

namespace detail {
template <std::floating_point T>
struct Format;
template <std::floating_point T>
struct ReducedExponent;
template <std::floating_point T>
struct ReducedLogarithm;

template <std::floating_point T>
ReducedExponent<T> reduce_exponent(Pack<T> x);
template <std::floating_point T>
Pack<T> exp_of_remainder(Pack<T> r);
template <std::floating_point T>
Pack<T> expm1_of_remainder(Pack<T> r);
template <std::floating_point T>
Pack<T> scale_by_power_of_two(Pack<T> x, ReducedExponent<T> e);
template <std::floating_point T>
typename Pack<T>::Bits biased_exponent(Pack<T> shifted);
template <std::floating_point T>
Pack<T> power_of_two(typename Pack<T>::Bits biased_exponent);
template <std::floating_point T>
ReducedLogarithm<T> reduce_logarithm(Pack<T> x);
template <std::floating_point T>
Pack<T> log_of_reduced(Pack<T> exponent, Pack<T> f, Pack<T> correction);
template <std::floating_point T>
Pack<T> log_special_cases(Pack<T> y, Pack<T> x);
template <std::floating_point T>
Pack<T> sine_of_quarter(Pack<T> x, int quarter_turns);
template <std::floating_point T>
Pack<T> erf_far(Pack<T> magnitude);
template <class T, class... Rest>
Pack<T> polynomial(Pack<T> x, T constant, Rest... rest);
template <std::floating_point T>
T digamma_of(T x);

/// A `Pack<T>` of floats for two operands of which one is a packet and the other a packet or a constant.
template <class A, class B>
struct CommonPack {};
template <std::floating_point T, class B>
  requires std::convertible_to<B, Pack<T>>
struct CommonPack<Pack<T>, B> {
  using type = Pack<T>;
};
template <class A, std::floating_point T>
  requires std::is_arithmetic_v<A>
struct CommonPack<A, Pack<T>> {
  using type = Pack<T>;
};
template <class A, class B>
using CommonPackOf = typename CommonPack<A, B>::type;
}  // namespace detail

/// e^x. Error < 1.3 ulp in float, < 1.2 in double. Overflows to infinity, underflows gradually to 0.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> exp(Pack<T> x) {
  // Beyond these the result is infinite or zero whatever x is.
  const detail::ReducedExponent<T> e =
      detail::reduce_exponent(clamp(x, detail::Format<T>::exp_vanishes, detail::Format<T>::exp_overflows));
  return detail::scale_by_power_of_two(detail::exp_of_remainder(e.remainder), e);
}

/// e^x - 1, accurate around zero. Error < 1.8 ulp in float, < 2 in double.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> expm1(Pack<T> x) {
  constexpr T minus_one_from = 2 - detail::Format<T>::digits;  // e^x is less than half an ulp of 1
  // e^x - 1 = 2^n (e^r - 1) + (2^n - 1), with half of everything, as 2^n alone may overflow where e^x does not.
  const detail::ReducedExponent<T> e =
      detail::reduce_exponent(clamp(x, minus_one_from, detail::Format<T>::exp_overflows));
  const Pack<T> half_power = detail::power_of_two<T>(e.biased_exponent - 1);
  const Pack<T> half = fma(half_power, detail::expm1_of_remainder(e.remainder), half_power - T(0.5));
  return copysign(half + half, x);
}

/// The natural logarithm; -infinity at 0, NaN below. Error < 1 ulp.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> log(Pack<T> x) {
  const Mask<T> denormal = x < std::numeric_limits<T>::min();
  const detail::ReducedLogarithm<T> l =
      detail::reduce_logarithm(where(denormal, x * detail::Format<T>::two_to_digits, x));
  const Pack<T> exponent = where(denormal, l.exponent - detail::Format<T>::digits, l.exponent);
  return detail::log_special_cases(detail::log_of_reduced<T>(exponent, l.mantissa - 1, 0), x);
}

/// log(1 + x), accurate around zero. Error < 1 ulp.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> log1p(Pack<T> x) {
  const Pack<T> u = 1 + x;
  const Pack<T> x_in_u = u - 1;
  const Pack<T> lost = (1 - (u - x_in_u)) + (x - x_in_u);  // 1 + x = u + lost, exactly
  const detail::ReducedLogarithm<T> l = detail::reduce_logarithm(u);
  // While 1 + x needs no scaling x itself is the argument, and nothing is lost.
  const Mask<T> unscaled = l.exponent == 0;
  const Pack<T> y =
      detail::log_of_reduced(l.exponent, where(unscaled, x, l.mantissa - 1), where(unscaled, 0, lost / u));
  return copysign(detail::log_special_cases(y, u), x);
}

/// Error < 1.8 ulp in float, < 2.7 in double, relative around zero too.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> tanh(Pack<T> x) {
  constexpr T one_from = sizeof(T) == 4 ? 10 : 20;
  const Pack<T> magnitude = at_most(abs(x), one_from);
  if constexpr (std::is_same_v<T, float>) {
    // |x| = n ln 2 / 2 + h, with h in [-0.05, 0.3]: n is 0, and the result tanh h alone, where a sum would cancel.
    const Pack<T> rounder = detail::Format<T>::rounder;
    const Pack<T> shifted = fma(magnitude, 0x1.715476p+1F, -0.36F) + rounder;
    const Pack<T> n = shifted - rounder;
    const Pack<T> power = detail::power_of_two<T>(detail::biased_exponent(shifted));
    const Pack<T> h = fma(n, -0x1.62e43p-2F, magnitude);
    // tanh h = h + h z P(z) with z = h^2, minimax for |h| < 0.3.
    const Pack<T> z = h * h;
    const Pack<T> t = fma(h * z, detail::polynomial(z, -0x1.55549ep-2f, 0x1.10b012p-3f, -0x1.9c99aap-5f), h);
    // The quotient's terms from e^2|x| = 2^n (1 + t) / (1 - t). An error of the first matters little where the
    // quotient is near 1, as the second has it too.
    const Pack<T> numerator = fma(power + 1, t, power - 1);
    return copysign(numerator / (numerator + fma(t, -2, 2)), x);
  } else {
    const detail::ReducedExponent<T> e = detail::reduce_exponent(magnitude + magnitude);
    const Pack<T> power = detail::power_of_two<T>(e.biased_exponent);
    const Pack<T> numerator = fma(power, detail::expm1_of_remainder(e.remainder), power - 1);
    return copysign(numerator / (numerator + 2), x);
  }
}

/// 1 / (1 + e^-x) without overflow. Error < 2.5 ulp.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> sigmoid(Pack<T> x) {
  const Pack<T> e = exp(-abs(x));
  return where(x < 0, e, 1) / (1 + e);
}

/// log(1 + e^x) = max(x, 0) + log1p(e^-|x|). Error < 2.1 ulp in float, < 1.9 in double.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> softplus(Pack<T> x) {
  // The logarithm of 1 + e for e in [0, 1] needs no general reduction: 1 + e = 2 (1 + (e - 1) / 2).
  const Pack<T> e = exp(-abs(x));
  const Mask<T> halved = e > 2 * detail::ReducedLogarithm<T>::lowest - 1;
  return where(x < 0, 0, x) + detail::log_of_reduced<T>(where(halved, 1, 0), where(halved, T(0.5) * e - T(0.5), e), 0);
}

/// log(sigmoid(x)) = -softplus(-x), with its errors.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> log_sigmoid(Pack<T> x) {
  return -softplus(-x);
}

/// Error < 1.7 ulp in float, < 2.4 in double; |x| > 1e6 (float) or 1e9 (double) goes to the C library.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> sin(Pack<T> x) {
  return detail::sine_of_quarter(x, 0);
}

/// Errors and ranges as for sin.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> cos(Pack<T> x) {
  return detail::sine_of_quarter(x, 1);
}

/// The error function. Error < 1.6 ulp.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> erf(Pack<T> x) {
  const Pack<T> magnitude = abs(x);
  const Pack<T> z = x * x;
  Pack<T> series;  // erf x = x + x P(x^2), minimax for |x| < 1
  if constexpr (std::is_same_v<T, float>) {
    series = detail::polynomial(z, 0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2d20p-4f, -0x1.b7fbb6p-6f, 0x1.5419fap-8f,
                                -0x1.a485f8p-11f, 0x1.4ae4c6p-14f);
  } else {
    series = detail::polynomial(z, 0x1.06eba8214db68p-3, -0x1.812746b0379c2p-2, 0x1.ce2f21a041018p-4,
                                -0x1.b82ce312062bcp-6, 0x1.565bccfa9a825p-8, -0x1.c02db072f3fe0p-11,
                                0x1.f9a2bf73f0c68p-14, -0x1.f4ca94990cb86p-17, 0x1.b9827b1885f9bp-20,
                                -0x1.5c16e30fb0d45p-23, 0x1.d784936618cc2p-27, -0x1.acdff90b8ebd8p-31);
  }
  const Pack<T> near = fma(magnitude, series, magnitude);
  return copysign(where(magnitude < 1, near, detail::erf_far(magnitude)), x);
}

template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> tan(Pack<T> x) {
  return lanewise([](T lane) { return std::tan(lane); }, x);
}
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> asin(Pack<T> x) {
  return lanewise([](T lane) { return std::asin(lane); }, x);
}
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> acos(Pack<T> x) {
  return lanewise([](T lane) { return std::acos(lane); }, x);
}
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> atan(Pack<T> x) {
  return lanewise([](T lane) { return std::atan(lane); }, x);
}
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> sinh(Pack<T> x) {
  return lanewise([](T lane) { return std::sinh(lane); }, x);
}
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> cosh(Pack<T> x) {
  return lanewise([](T lane) { return std::cosh(lane); }, x);
}

/// log |Gamma(x)|; infinity at the poles 0, -1, -2, ...
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> lgamma(Pack<T> x) {
#if defined(__GLIBC__)
  // std::lgamma also stores the sign in a global variable, which threads would race for.
  return lanewise(
      [](T lane) {
        int sign_of_gamma = 0;
        return static_cast<T>(sizeof(T) == 4 ? ::lgammaf_r(static_cast<float>(lane), &sign_of_gamma)
                                             : ::lgamma_r(static_cast<double>(lane), &sign_of_gamma));
      },
      x);
#else
  return lanewise([](T lane) { return std::lgamma(lane); }, x);
#endif
}

/// The derivative of lgamma: NaN at the negative integers and -infinity, -+infinity at +-0. Absolute error below
/// 8 epsilon max(1, |digamma(x)|) away from the poles, where it grows with their proximity.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> digamma(Pack<T> x) {
  return lanewise([](T lane) { return static_cast<T>(detail::digamma_of<double>(lane)); }, x);
}

/// a to the power b, with the special cases of std::pow.
template <class A, class B, class P = detail::CommonPackOf<A, B>>
WENGERT_SIMD_INLINE P pow(A a, B b) {
  return lanewise([](auto u, auto v) { return std::pow(u, v); }, P(a), P(b));
}
template <class A, class B, class P = detail::CommonPackOf<A, B>>
WENGERT_SIMD_INLINE P atan2(A a, B b) {
  return lanewise([](auto u, auto v) { return std::atan2(u, v); }, P(a), P(b));
}
/// The remainder of a / b with the sign of a.
template <class A, class B, class P = detail::CommonPackOf<A, B>>
WENGERT_SIMD_INLINE P fmod(A a, B b) {
  return lanewise([](auto u, auto v) { return std::fmod(u, v); }, P(a), P(b));
}
/// sqrt(a^2 + b^2) without overflow on the way.
template <class A, class B, class P = detail::CommonPackOf<A, B>>
WENGERT_SIMD_INLINE P hypot(A a, B b) {
  return lanewise([](auto u, auto v) { return std::hypot(u, v); }, P(a), P(b));
}

namespace detail {

/// The layout of an IEEE format, and constants that depend on it.
template <>
struct Format<float> {
  static constexpr int digits = std::numeric_limits<float>::digits;
  static constexpr std::uint32_t exponent_bias = 127;
  static constexpr float two_to_digits = 0x1p24F;
  /// Added and subtracted, it leaves the nearest integer, which then stands in the last bits of the sum.
  static constexpr float rounder = 0x1.8p23F;
  static constexpr float exp_overflows = 89;   // e^89 > the largest float
  static constexpr float exp_vanishes = -104;  // e^-104 < half of the least float
};
template <>
struct Format<double> {
  static constexpr int digits = std::numeric_limits<double>::digits;
  static constexpr std::uint64_t exponent_bias = 1023;
  static constexpr double two_to_digits = 0x1p53;
  static constexpr double rounder = 0x1.8p52;
  static constexpr double exp_overflows = 710;
  static constexpr double exp_vanishes = -746;
};

/// c0 + c1 x + c2 x^2 + ..., by Horner's rule.
template <class T, class... Rest>
WENGERT_SIMD_INLINE Pack<T> polynomial(Pack<T> x, T constant, Rest... rest) {
  if constexpr (sizeof...(rest) == 0) {
    return constant;
  } else {
    return fma(x, polynomial(x, rest...), constant);
  }
}

/// n + bias as an integer, from n + Format::rounder.
template <std::floating_point T>
WENGERT_SIMD_INLINE typename Pack<T>::Bits biased_exponent(Pack<T> shifted) {
  return shifted.bits() - (Pack<T>(Format<T>::rounder).bits() - Format<T>::exponent_bias);
}

/// x = exponent * ln 2 + remainder, |remainder| <= ln 2 / 2. `biased_exponent`: exponent + bias as an integer.
template <std::floating_point T>
struct ReducedExponent {
  Pack<T> remainder;
  Pack<T> exponent;
  typename Pack<T>::Bits biased_exponent;
};

/// Cody and Waite's reduction: ln 2 in two parts, the first short enough for its product with any exponent to be exact.
template <std::floating_point T>
WENGERT_SIMD_INLINE ReducedExponent<T> reduce_exponent(Pack<T> x) {
  constexpr bool single = std::is_same_v<T, float>;
  constexpr T log2_e = static_cast<T>(0x1.71547652b82fep+0);
  constexpr T ln2_high = single ? T(0x1.62e4p-1F) : T(0x1.62e42fefa2p-1);
  constexpr T ln2_low = single ? T(0x1.7f7d1cp-20F) : T(0x1.9ef35793c7673p-41);
  const Pack<T> rounder = Format<T>::rounder;
  const Pack<T> shifted = fma(x, log2_e, rounder);
  const Pack<T> exponent = shifted - rounder;
  Pack<T> remainder = fma(exponent, -ln2_high, x);
  remainder = fma(exponent, -ln2_low, remainder);
  return {remainder, exponent, biased_exponent(shifted)};
}

/// e^r - 1 = r + r^2 Q(r), minimax on [-ln 2 / 2, ln 2 / 2]: the polynomial Q.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> expm1_polynomial(Pack<T> r) {
  if constexpr (std::is_same_v<T, float>) {
    return polynomial(r, 0x1.fffffep-2f, 0x1.5554b0p-3f, 0x1.55567ap-5f, 0x1.12276ep-7f, 0x1.6be734p-10f);
  } else {
    return polynomial(r, 0x1.0000000000000p-1, 0x1.5555555555559p-3, 0x1.555555555553fp-5, 0x1.111111110f6dfp-7,
                      0x1.6c16c16c1f053p-10, 0x1.a01a01afd18ddp-13, 0x1.a01a017bcdc48p-16, 0x1.71ddf8853daaap-19,
                      0x1.27e5362436143p-22, 0x1.af5e689ccfb67p-26, 0x1.1ee889a304080p-29);
  }
}

template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> exp_of_remainder(Pack<T> r) {
  return fma(fma(expm1_polynomial(r), r, 1), r, 1);
}

template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> expm1_of_remainder(Pack<T> r) {
  return fma(r * r, expm1_polynomial(r), r);
}

/// 2^exponent where that is a normal number; where the exponent is NaN, anything.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> power_of_two(typename Pack<T>::Bits biased_exponent) {
  return Pack<T>::from_bits(biased_exponent << (Format<T>::digits - 1));
}

/// x * 2^exponent, rounded once.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> scale_by_power_of_two(Pack<T> x, ReducedExponent<T> e) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, float>) {
    return Pack<T>(
        __builtin_ia32_scalefps512_mask(x.vector(), e.exponent.vector(), x.vector(), all_floats, current_rounding));
  } else {
    return Pack<T>(
        __builtin_ia32_scalefpd512_mask(x.vector(), e.exponent.vector(), x.vector(), all_doubles, current_rounding));
  }
#else
  // In two factors, each a normal number, as the whole may be beyond the range of exponents. The halved sum of the
  // exponent and two biases is positive, so a logical shift halves it.
  using Bits = typename Pack<T>::Bits;
  constexpr int mantissa_bits = Format<T>::digits - 1;
  const Bits both = e.biased_exponent + Format<T>::exponent_bias;
  const Bits first = both >> 1;
  const Bits second = both - first;
  return x * Pack<T>::from_bits(first << mantissa_bits) * Pack<T>::from_bits(second << mantissa_bits);
#endif
}

/// x = 2^exponent * mantissa, for normal positive x, with mantissa in [lowest, 2 lowest).
template <std::floating_point T>
struct ReducedLogarithm {
  /// Where log(mantissa) = log(1 + f) is easiest: [2/3, 4/3) makes f smallest, [sqrt(1/2), sqrt(2)) f / (2 + f).
  static constexpr T lowest = static_cast<T>(sizeof(T) == 4 ? 2.0 / 3 : 0.70710678118654752440);
  Pack<T> exponent;
  Pack<T> mantissa;
};

template <std::floating_point T>
WENGERT_SIMD_INLINE ReducedLogarithm<T> reduce_logarithm(Pack<T> x) {
  using Bits = typename Pack<T>::Bits;
  constexpr int mantissa_bits = Format<T>::digits - 1;
  constexpr LaneBits<T> mantissa_mask = (LaneBits<T>(1) << mantissa_bits) - 1;
  constexpr LaneBits<T> one = std::bit_cast<LaneBits<T>>(T(1));
  constexpr LaneBits<T> lowest = std::bit_cast<LaneBits<T>>(ReducedLogarithm<T>::lowest);
  const Bits above = x.bits() - lowest;
  const Pack<T> mantissa = Pack<T>::from_bits((above & mantissa_mask) + lowest);
  // The biased exponent becomes a number by way of the mantissa of 2^mantissa_bits: wide integers convert slowly.
  constexpr T integers = T(LaneBits<T>(1) << mantissa_bits);
  const Bits as_mantissa = ((above + one) >> mantissa_bits) | std::bit_cast<LaneBits<T>>(integers);
  return {Pack<T>::from_bits(as_mantissa) - (integers + T(Format<T>::exponent_bias)), mantissa};
}

/// exponent * ln 2 + log(1 + f) + correction, small terms first.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> log_of_reduced(Pack<T> exponent, Pack<T> f, Pack<T> correction) {
  constexpr bool single = std::is_same_v<T, float>;
  constexpr T ln2_high = single ? T(0x1.62e4p-1F) : T(0x1.62e42fefa2p-1);
  constexpr T ln2_low = single ? T(0x1.7f7d1cp-20F) : T(0x1.9ef35793c7673p-41);
  const Pack<T> low = fma(exponent, ln2_low, correction);
  const Pack<T> half_square = T(0.5) * f * f;
  Pack<T> small;
  if constexpr (single) {
    // log(1 + f) = f - f^2 / 2 + f^3 P(f), minimax on [-1/3, 1/3].
    const Pack<T> p = polynomial(f, 0x1.555508p-2f, -0x1.fffef0p-3f, 0x1.99cffap-3f, -0x1.559dd6p-3f, 0x1.1ed988p-3f,
                                 -0x1.f310ccp-4f, 0x1.1e5c70p-3f, -0x1.080574p-3f);
    small = fma(f * f * f, p, low - half_square);
  } else {
    // log(1 + f) = 2 atanh(s) = 2 s + s z R(z) with s = f / (2 + f), z = s^2, minimax for |s| <= 3 - sqrt(8). Written
    // in f, which is exact: 2 s = f - s f and s f = f^2 / 2 - s f^2 / 2.
    const Pack<T> s = f / (2 + f);
    const Pack<T> z = s * s;
    const Pack<T> r =
        polynomial(z, 0x1.5555555555592p-1, 0x1.999999997fe7fp-2, 0x1.24924941e7276p-2, 0x1.c71c521088068p-3,
                   0x1.74663da51bc95p-3, 0x1.39a1d60a811d8p-3, 0x1.2f0481bafa5ddp-3);
    small = fma(s, fma(z, r, half_square), low) - half_square;
  }
  return fma(exponent, ln2_high, f + small);
}

/// y = log(x), with the cases that its computation does not see.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> log_special_cases(Pack<T> y, Pack<T> x) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  y = where(x < infinity, y, x);  // of infinity, infinity; of NaN, NaN
  y = where(x == 0, -infinity, y);
  return where(x < 0, std::numeric_limits<T>::quiet_NaN(), y);
}

/// erf(a) for a >= 1.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> erf_far(Pack<T> a) {
  constexpr T one_from = sizeof(T) == 4 ? 4 : 6;
  a = where(a > one_from, one_from, a);
  if constexpr (std::is_same_v<T, float>) {
    // log erfc(a) is nearly a parabola: minimax polynomial for the error of erfc on [1, 4].
    const Pack<T> log_erfc = polynomial(a, -0x1.72e65ep-12f, -0x1.2085b2p+0f, -0x1.46c584p-1f, -0x1.a60a80p-4f,
                                        0x1.654210p-6f, -0x1.814ccp-9f, 0x1.852d12p-13f);
    const ReducedExponent<T> e = reduce_exponent(log_erfc);
    return 1 - exp_of_remainder(e.remainder) * power_of_two<T>(e.biased_exponent);
  } else {
    // erfc(a) = e^(-a^2) P(t) with t = (a - 2) / (a + 2), minimax for the error of erfc on [1, 6].
    const Pack<T> t = (a - 2) / (a + 2);
    const Pack<T> p =
        polynomial(t, 0x1.058671b52c78ep-2, -0x1.b57034efd3e59p-2, 0x1.eeea7dc89b00dp-3, -0x1.437f0b6a34300p-4,
                   0x1.e947167368ddbp-9, 0x1.ca95f95ffba55p-8, -0x1.bc248eb6d0f23p-11, -0x1.0170a534fdf2ep-10,
                   0x1.6912702c88870p-15, 0x1.6d14560709109p-13, 0x1.12c1e166fe0e9p-15, -0x1.900c483931bd4p-17);
    const ReducedExponent<T> e = reduce_exponent(-(a * a));
    return 1 - exp_of_remainder(e.remainder) * power_of_two<T>(e.biased_exponent) * p;
  }
}

/// x = quarters * pi / 2 + remainder, |remainder| <= pi / 4; `quarters`: an integer modulo 4 in its last two bits.
template <std::floating_point T>
struct ReducedAngle {
  Pack<T> remainder;
  typename Pack<T>::Bits quarters;
};

/// Cody and Waite's reduction, pi / 2 in parts whose products with `quarters` (at most 2^30) are exact.
WENGERT_SIMD_INLINE ReducedAngle<double> reduce_angle(Pack<double> x) {
  const Pack<double> rounder = Format<double>::rounder;
  const Pack<double> shifted = fma(x, 0x1.45f306dc9c883p-1, rounder);
  const Pack<double> quarters = shifted - rounder;
  Pack<double> remainder = fma(quarters, -0x1.921fb4p+0, x);
  remainder = fma(quarters, -0x1.4442dp-24, remainder);
  remainder = fma(quarters, -0x1.846988p-48, remainder);
  remainder = fma(quarters, -0x1.8cc51701b839ap-72, remainder);
  return {remainder, shifted.bits()};
}

/// The same for arguments that are floats of at most 1e6, for which two parts are enough.
WENGERT_SIMD_INLINE ReducedAngle<double> reduce_float_angle(Pack<double> x) {
  const Pack<double> rounder = Format<double>::rounder;
  const Pack<double> shifted = fma(x, 0x1.45f306dc9c883p-1, rounder);
  const Pack<double> quarters = shifted - rounder;
  Pack<double> remainder = fma(quarters, -0x1.921fb544p+0, x);
  remainder = fma(quarters, -0x1.0b4611a626331p-34, remainder);
  return {remainder, shifted.bits()};
}

/// By way of double, where two parts of pi / 2 are enough for every float up to 1e6.
WENGERT_SIMD_INLINE ReducedAngle<float> reduce_angle(Pack<float> x) {
  return [&]<int... I>(std::integer_sequence<int, I...>) {
    typedef float Floats __attribute__((vector_size(WENGERT_SIMD_BYTES / 2)));
    typedef std::uint32_t Ints __attribute__((vector_size(WENGERT_SIMD_BYTES / 2)));
    constexpr int half = sizeof...(I);
    const Pack<float>::Vector all = x.vector();
    const Floats low = __builtin_shufflevector(all, all, I...);
    const Floats high = __builtin_shufflevector(all, all, (half + I)...);
    const ReducedAngle<double> a = reduce_float_angle(Pack<double>(__builtin_convertvector(low, Pack<double>::Vector)));
    const ReducedAngle<double> b =
        reduce_float_angle(Pack<double>(__builtin_convertvector(high, Pack<double>::Vector)));
    return ReducedAngle<float>{Pack<float>(__builtin_shufflevector(
                                   __builtin_convertvector(a.remainder.vector(), Floats),
                                   __builtin_convertvector(b.remainder.vector(), Floats), I..., (half + I)...)),
                               __builtin_shufflevector(__builtin_convertvector(a.quarters, Ints),
                                                       __builtin_convertvector(b.quarters, Ints), I..., (half + I)...)};
  }(std::make_integer_sequence<int, Pack<double>::size>());
}

/// Replaces the lanes of y where |x| > limit by the library's sine or cosine.
template <std::floating_point T>
[[gnu::noinline, gnu::cold]] void far_sines(const T* x, T* y, T limit, bool cosine) {
  for (std::int64_t i = 0; i < Pack<T>::size; ++i) {
    if (std::abs(x[i]) > limit) y[i] = cosine ? std::cos(x[i]) : std::sin(x[i]);
  }
}

/// sin(x + quarter_turns * pi / 2), quarter_turns 0 or 1.
template <std::floating_point T>
WENGERT_SIMD_INLINE Pack<T> sine_of_quarter(Pack<T> x, int quarter_turns) {
  using Bits = typename Pack<T>::Bits;
  constexpr T limit = static_cast<T>(sizeof(T) == 4 ? 1e6 : 1e9);
  const ReducedAngle<T> angle = reduce_angle(x);
  const Pack<T> r = angle.remainder;
  const Pack<T> z = r * r;
  // Minimax on [-pi / 4, pi / 4]: sin r = r + r^3 S(r^2), cos r = 1 - r^2 / 2 + r^4 C(r^2).
  Pack<T> s;
  Pack<T> c;
  if constexpr (std::is_same_v<T, float>) {
    s = polynomial(z, -0x1.555546p-3f, 0x1.110760p-7f, -0x1.994e58p-13f);
    c = polynomial(z, 0x1.55554ap-5f, -0x1.6c0c8cp-10f, 0x1.9a0208p-16f);
  } else {
    s = polynomial(z, -0x1.5555555555549p-3, 0x1.111111110f883p-7, -0x1.a01a019c12904p-13, 0x1.71de35786770dp-19,
                   -0x1.ae5e66a94320fp-26, 0x1.5d9319ff6906fp-33);
    c = polynomial(z, 0x1.555555555554cp-5, -0x1.6c16c16c15188p-10, 0x1.a01a019cb2950p-16, -0x1.27e4f80a79229p-22,
                   0x1.1ee9ec3c512bep-29, -0x1.8faec395cf318p-37);
  }
  s = fma(z * r, s, r);
  c = fma(z * z, c, fma(z, T(-0.5), 1));
  const Bits quarter = angle.quarters + static_cast<LaneBits<T>>(quarter_turns);
  const Mask<T> odd((typename Mask<T>::Bits)((quarter & 1) != 0));
  const Pack<T> magnitude = where(odd, c, s);
  constexpr int to_sign = static_cast<int>(sizeof(T)) * 8 - 2;
  const Pack<T> sign_bit = Pack<T>::from_bits((quarter & 2) << to_sign);
  Pack<T> y = Pack<T>::from_bits(magnitude.bits() ^ sign_bit.bits());
  if (quarter_turns == 0) y = where(x == 0, x, y);  // the sum of products has lost the sign of -0
  if (any(abs(x) > limit)) [[unlikely]] {
    T from[Pack<T>::size];
    T to[Pack<T>::size];
    x.store(from);
    y.store(to);
    far_sines(from, to, limit, quarter_turns == 1);
    y = Pack<T>::load(to);
  }
  return y;
}

/// Abramowitz and Stegun, Handbook of Mathematical Functions: reflection 6.3.7, recurrence 6.3.5, asymptotics 6.3.18.
template <std::floating_point T>
T digamma_of(T x) {
  constexpr T pi = T(3.14159265358979323846);
  if (x == 0) return std::copysign(std::numeric_limits<T>::infinity(), -x);
  if (x < 0) {
    if (x == std::floor(x)) return std::numeric_limits<T>::quiet_NaN();
    return digamma_of(1 - x) - pi / std::tan(pi * (x - std::round(x)));
  }
  T shift = 0;
  for (; x < 10; ++x) shift += 1 / x;
  const T z = 1 / (x * x);
  const T series =
      z * (T(1) / 12 -
           z * (T(1) / 120 -
                z * (T(1) / 252 - z * (T(1) / 240 - z * (T(1) / 132 - z * (T(691) / 32760 - z * (T(1) / 12)))))));
  return std::log(x) - T(0.5) / x - series - shift;
}

}  // namespace detail
}  // namespace WENGERT_SIMD_TARGET
}  // namespace wengert::simd

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
