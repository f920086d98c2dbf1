#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <wengert/autograd/elementwise.h>

/// \file
/// Element-wise ops from one formula, with no gradient written at all:
/// \code
///   Tensor gauss(const Tensor& x, const Tensor& width) {
///     return map({x, width}, [](auto v, auto w) { return exp(-v * v / (2 * w * w)); });
///   }
/// \endcode
/// The formula, a generic lambda, is compiled for SIMD packets, and for dual numbers of packets, which carry a
/// derivative along (W. K. Clifford, 1873); nested in each other they carry the higher ones.

// GCC remarks that classes holding wide vectors are passed differently since GCC 4.6; everything here is inlined.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

namespace wengert {

namespace detail {

template <class V>
struct MaskOf;
template <class T>
struct MaskOf<simd::Pack<T>> {
  using type = simd::Mask<T>;
};

/// value + derivative * e, with e * e = 0. V: a packet, or dual numbers of an order less.
template <class V>
struct Dual {
  using Mask = typename MaskOf<V>::type;

  V value;
  V derivative;

  Dual() = default;
  WENGERT_SIMD_INLINE Dual(V v, V d) : value(v), derivative(d) {}
  template <class U>
    requires std::is_arithmetic_v<U>
  WENGERT_SIMD_INLINE Dual(U number) : value(number), derivative(0) {}  // NOLINT(google-explicit-constructor)
  WENGERT_SIMD_INLINE Dual(Mask mask) : value(mask), derivative(0) {}   // NOLINT(google-explicit-constructor)

  WENGERT_SIMD_INLINE friend Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.derivative + b.derivative}; }
  WENGERT_SIMD_INLINE friend Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.derivative - b.derivative}; }
  WENGERT_SIMD_INLINE friend Dual operator*(Dual a, Dual b) {
    return {a.value * b.value, a.derivative * b.value + a.value * b.derivative};
  }
  WENGERT_SIMD_INLINE friend Dual operator/(Dual a, Dual b) {
    const V quotient = a.value / b.value;
    return {quotient, (a.derivative - quotient * b.derivative) / b.value};
  }
  WENGERT_SIMD_INLINE friend Dual operator-(Dual a) { return {-a.value, -a.derivative}; }
  WENGERT_SIMD_INLINE friend Dual operator+(Dual a) { return a; }
  WENGERT_SIMD_INLINE Dual& operator+=(Dual b) { return *this = *this + b; }
  WENGERT_SIMD_INLINE Dual& operator-=(Dual b) { return *this = *this - b; }
  WENGERT_SIMD_INLINE Dual& operator*=(Dual b) { return *this = *this * b; }
  WENGERT_SIMD_INLINE Dual& operator/=(Dual b) { return *this = *this / b; }

  WENGERT_SIMD_INLINE friend Mask operator<(Dual a, Dual b) { return a.value < b.value; }
  WENGERT_SIMD_INLINE friend Mask operator<=(Dual a, Dual b) { return a.value <= b.value; }
  WENGERT_SIMD_INLINE friend Mask operator>(Dual a, Dual b) { return a.value > b.value; }
  WENGERT_SIMD_INLINE friend Mask operator>=(Dual a, Dual b) { return a.value >= b.value; }
  WENGERT_SIMD_INLINE friend Mask operator==(Dual a, Dual b) { return a.value == b.value; }
  WENGERT_SIMD_INLINE friend Mask operator!=(Dual a, Dual b) { return a.value != b.value; }
  WENGERT_SIMD_INLINE friend Mask isnan(Dual x) { return isnan(x.value); }

  WENGERT_SIMD_INLINE friend Dual where(Mask m, Dual a, Dual b) {
    return {where(m, a.value, b.value), where(m, a.derivative, b.derivative)};
  }
  /// At a tie each gets half of the gradient, as in `wengert::maximum`.
  WENGERT_SIMD_INLINE friend Dual maximum(Dual a, Dual b) {
    return {maximum(a.value, b.value), where(a > b, a.derivative, where(a == b, mean(a, b), b.derivative))};
  }
  WENGERT_SIMD_INLINE friend Dual minimum(Dual a, Dual b) {
    return {minimum(a.value, b.value), where(a < b, a.derivative, where(a == b, mean(a, b), b.derivative))};
  }
  WENGERT_SIMD_INLINE friend Dual clamp(Dual x, Dual low, Dual high) {
    return where(x < low, low, where(x > high, high, x));
  }
  WENGERT_SIMD_INLINE friend Dual fma(Dual a, Dual b, Dual c) { return a * b + c; }

 private:
  WENGERT_SIMD_INLINE static V mean(Dual a, Dual b) { return (a.derivative + b.derivative) * 0.5; }
};

template <class V>
struct MaskOf<Dual<V>> : MaskOf<V> {};

/// `value`, a function of x, with its derivative by x.
template <class V>
WENGERT_SIMD_INLINE Dual<V> chain(Dual<V> x, V value, V slope) {
  return {value, slope * x.derivative};
}

template <class V>
WENGERT_SIMD_INLINE Dual<V> abs(Dual<V> x) {
  return chain(x, abs(x.value), sign(x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> sign(Dual<V> x) {
  return {sign(x.value), 0};
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> floor(Dual<V> x) {
  return {floor(x.value), 0};
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> ceil(Dual<V> x) {
  return {ceil(x.value), 0};
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> round(Dual<V> x) {
  return {round(x.value), 0};
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> trunc(Dual<V> x) {
  return {trunc(x.value), 0};
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> square(Dual<V> x) {
  return x * x;
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> reciprocal(Dual<V> x) {
  return 1 / x;
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> sqrt(Dual<V> x) {
  const V root = sqrt(x.value);
  return chain(x, root, 0.5 / root);
}
/// Only to the power of a number: the derivative by the exponent is that of exp(log(x) * exponent), for x > 0.
template <class V, class U>
  requires std::is_arithmetic_v<U>
WENGERT_SIMD_INLINE Dual<V> pow(Dual<V> x, U exponent) {
  if (exponent == 0) return 1;
  return chain(x, V(pow(x.value, exponent)), V(exponent * pow(x.value, static_cast<double>(exponent) - 1)));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> exp(Dual<V> x) {
  const V y = exp(x.value);
  return chain(x, y, y);
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> expm1(Dual<V> x) {
  return chain(x, expm1(x.value), exp(x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> log(Dual<V> x) {
  return chain(x, log(x.value), 1 / x.value);
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> log1p(Dual<V> x) {
  return chain(x, log1p(x.value), 1 / (1 + x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> sin(Dual<V> x) {
  return chain(x, sin(x.value), cos(x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> cos(Dual<V> x) {
  return chain(x, cos(x.value), -sin(x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> tan(Dual<V> x) {
  const V y = tan(x.value);
  return chain(x, y, 1 + y * y);
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> asin(Dual<V> x) {
  return chain(x, asin(x.value), 1 / sqrt(1 - x.value * x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> acos(Dual<V> x) {
  return chain(x, acos(x.value), -1 / sqrt(1 - x.value * x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> atan(Dual<V> x) {
  return chain(x, atan(x.value), 1 / (1 + x.value * x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> sinh(Dual<V> x) {
  return chain(x, sinh(x.value), cosh(x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> cosh(Dual<V> x) {
  return chain(x, cosh(x.value), sinh(x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> tanh(Dual<V> x) {
  const V y = tanh(x.value);
  return chain(x, y, 1 - y * y);
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> sigmoid(Dual<V> x) {
  const V y = sigmoid(x.value);
  return chain(x, y, y * (1 - y));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> log_sigmoid(Dual<V> x) {
  return chain(x, log_sigmoid(x.value), sigmoid(-x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> softplus(Dual<V> x) {
  return chain(x, softplus(x.value), sigmoid(x.value));
}
template <class V>
WENGERT_SIMD_INLINE Dual<V> erf(Dual<V> x) {
  constexpr double two_over_sqrt_pi = 1.1283791670955126;
  return chain(x, erf(x.value), two_over_sqrt_pi * exp(-x.value * x.value));
}

/// d formula / d operand i, as a formula of the same operands.
template <std::size_t i, class F>
struct Partial {
  F formula;

  template <class V, class... Rest>
  WENGERT_SIMD_INLINE V operator()(V first, Rest... rest) const {
    return [&]<std::size_t... J>(std::index_sequence<J...>) {
      const std::array<V, sizeof...(J)> operands{first, rest...};
      return Dual<V>(formula(Dual<V>(operands[J], J == i ? 1 : 0)...)).derivative;
    }(std::make_index_sequence<1 + sizeof...(Rest)>());
  }
};

template <int orders, int left, std::size_t N, class F>
Tensor map_op(const std::array<const Tensor*, N>& inputs, const F& formula);

/// The gradient of input i of a mapped formula: of order `orders - left + 1`.
template <int orders, int left, std::size_t i, std::size_t N, class F>
struct MapRule {
  Partial<i, F> slope;
  std::array<Tensor, N> saved;

  static constexpr bool takes_rows = true;

  Tensor operator()(const Tensor& g) const {
    return [&]<std::size_t... J>(std::index_sequence<J...>) {
      if constexpr (left == 0) {
        fail<Error>(
            "map: the derivative of order {} was asked for; the formula was compiled for {}: write map<{}>(...)",
            orders + 1, orders, orders + 1);
        return Tensor();
      } else if (grad_enabled() && (g.requires_grad() || (saved[J].requires_grad() || ...))) {
        return g * map_op<orders, left - 1>(std::array{&saved[J]...}, slope);
      } else {
        auto scaled = [this](auto upstream, auto... v) { return upstream * slope(v...); };
        return fused<Types::floating, (N > 1)>(scaled, g.shape(), g.dtype(), std::array{&g, &saved[J]...});
      }
    }(std::make_index_sequence<N>());
  }
};

/// The inputs, if the rule for one of them is needed.
template <std::size_t N>
std::array<Tensor, N> saved_for(const std::array<const Tensor*, N>& inputs, const Tensor* input) {
  std::array<Tensor, N> saved;
  if (!input->requires_grad()) return saved;
  for (std::size_t k = 0; k < N; ++k) saved[k] = *inputs[k];
  return saved;
}

/// The mapped formula, itself a derivative of order `orders - left`.
template <int orders, int left, std::size_t N, class F>
Tensor map_op(const std::array<const Tensor*, N>& inputs, const F& formula) {
  F value = formula;
  Tensor result = elementwise_op<Types::floating>("map", inputs, value);
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    if (!grad_enabled() || !(inputs[I]->requires_grad() || ...)) return result;
    return record("map", std::move(result),
                  wrt(*inputs[I], MapRule<orders, left, I, N, F>{{formula}, saved_for(inputs, inputs[I])})...);
  }(std::make_index_sequence<N>());
}

}  // namespace detail

/// f(x) for every element. `f` is written with operators, `where`, `maximum`, `minimum`, `clamp`, `pow` to a number,
/// and the functions of one argument that `detail::Dual` above has; it captures by value. It is compiled for
/// derivatives up to `orders`; asking for a higher one throws Error. The first pass over a gradient is fused into one
/// loop with the formula's derivative.
template <int orders = 2, class F>
Tensor map(const Tensor& x, F f) {
  static_assert(orders >= 1);
  return detail::map_op<orders, orders>(std::array{&x}, f);
}

/// f(a, b, ...) for the elements of up to 7 inputs, which broadcast: `map({a, b}, [](auto u, auto v) { ... })`.
template <int orders = 2, std::size_t N, class F>
Tensor map(const Tensor (&inputs)[N], F f) {
  static_assert(orders >= 1);
  static_assert(N < detail::BroadcastPlan::max_operands, "a gradient is one more operand of the loop");
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return detail::map_op<orders, orders>(std::array{&inputs[I]...}, f);
  }(std::make_index_sequence<N>());
}

}  // namespace wengert

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
