#pragma once

#include <Eigen/Core>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__SSE__)
#include <immintrin.h>
#endif

/// Sixteen floats that the hand-written sides compute with together: one AVX-512 register, or several smaller ones.

namespace wengert::bench {

inline constexpr std::int64_t lane_count = 16;
using Lanes [[gnu::vector_size(64)]] = float;

inline Lanes lanes(float value) { return Lanes{} + value; }

[[gnu::always_inline]] inline Lanes load(const float* from) {
  Lanes result;
  std::memcpy(&result, from, sizeof result);
  return result;
}

[[gnu::always_inline]] inline void store(float* to, Lanes value) { std::memcpy(to, &value, sizeof value); }

/// Of 64 bytes, aligned, that nobody reads soon.
inline void store_past_caches(float* to, Lanes value) {
#if defined(__AVX512F__)
  _mm512_stream_ps(to, reinterpret_cast<__m512>(value));
#else
  store(to, value);
#endif
}

inline void finish_stores() {
#if defined(__SSE__)
  _mm_sfence();
#endif
}

[[gnu::always_inline]] inline Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }

/// `value` where x > 0, else 0.
[[gnu::always_inline]] inline Lanes where_positive(Lanes x, Lanes value) { return x > 0 ? value : Lanes{}; }

/// Functions of Eigen's, which have the vectors' own formulas.
template <class F>
[[gnu::always_inline]] inline Lanes by_eigen(Lanes x, F function) {
  Eigen::Array<float, lane_count, 1> array;
  store(array.data(), x);
  array = function(array);
  return load(array.data());
}
inline Lanes exp(Lanes x) {
  return by_eigen(x, [](const auto& array) { return array.exp(); });
}
inline Lanes tanh(Lanes x) {
  return by_eigen(x, [](const auto& array) { return array.tanh(); });
}
/// Through tanh, a quotient of polynomials, which is cheaper than an exponential.
inline Lanes sigmoid(Lanes x) { return 0.5F * tanh(0.5F * x) + 0.5F; }

namespace detail {

/// One level of a tree of sums: the halves of each group of 2 Width lanes of a are added, and beside them those of b.
template <int Width, int... I>
[[gnu::always_inline]] inline Lanes fold(Lanes a, Lanes b, std::integer_sequence<int, I...>) {
  constexpr auto from = [](int lane) {
    const int within = lane % (2 * Width);
    return lane - within + within % Width + (within < Width ? 0 : 16);
  };
  return __builtin_shufflevector(a, b, from(I)...) + __builtin_shufflevector(a, b, (from(I) + Width)...);
}

}  // namespace detail

/// Lane i is the sum of the lanes of v[i].
[[gnu::always_inline]] inline Lanes sums(const Lanes* v) {
  using Indices = std::make_integer_sequence<int, 16>;
  Lanes eight[8];
  for (int i = 0; i < 8; ++i) eight[i] = detail::fold<8>(v[i], v[i + 8], Indices());
  Lanes four[4];
  for (int i = 0; i < 4; ++i) four[i] = detail::fold<4>(eight[i], eight[i + 4], Indices());
  Lanes two[2];
  for (int i = 0; i < 2; ++i) two[i] = detail::fold<2>(four[i], four[i + 2], Indices());
  return detail::fold<1>(two[0], two[1], Indices());
}

[[gnu::always_inline]] inline float sum(Lanes v) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(reinterpret_cast<__m512>(v));
#else
  float total = 0;
  for (std::size_t i = 0; i < lane_count; ++i) total += v[i];
  return total;
#endif
}

/// Keeps the compiler from knowing a value.
[[gnu::always_inline]] inline void hide(Lanes& value) {
#if defined(__AVX512F__)
  asm volatile("" : "+v"(value));
#else
  asm volatile("" : "+m"(value));
#endif
}

}  // namespace wengert::bench
