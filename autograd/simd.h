#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

// Every target gets a namespace of its own, so that translation units compiled with different instruction sets never
// share a symbol: the linker would keep one copy, and run it on machines that do not know its instructions.
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define WENGERT_SIMD_TARGET avx512
#define WENGERT_SIMD_BYTES 64
#elif defined(__AVX512F__)
#define WENGERT_SIMD_TARGET avx512f
#define WENGERT_SIMD_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define WENGERT_SIMD_TARGET avx2
#define WENGERT_SIMD_BYTES 32
#elif defined(__AVX2__)
#define WENGERT_SIMD_TARGET avx2_without_fma
#define WENGERT_SIMD_BYTES 32
#elif defined(__AVX__)
#define WENGERT_SIMD_TARGET avx
#define WENGERT_SIMD_BYTES 32
#elif defined(__SSE4_1__)
#define WENGERT_SIMD_TARGET sse4
#define WENGERT_SIMD_BYTES 16
#elif defined(__SSE2__)
#define WENGERT_SIMD_TARGET sse2
#define WENGERT_SIMD_BYTES 16
#else
#define WENGERT_SIMD_TARGET generic
#define WENGERT_SIMD_BYTES 16
#endif

#define WENGERT_SIMD_INLINE [[gnu::always_inline]] inline

// GCC remarks that classes holding wide vectors are passed differently since GCC 4.6; everything here is inlined.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

/// SIMD packets over the compilers' vector extensions.
///
/// Element-wise formulas are generic lambdas, instantiated over `Pack<T>` for the fused loops and over `Tensor` for
/// recorded ops. Everything is therefore found by argument-dependent lookup under the same spelling for both:
/// `where(x > 0, g, 0)`, `maximum(a, b)`, `exp(x)`. Elementary functions are in simd_math.h.
namespace wengert::simd {
inline namespace WENGERT_SIMD_TARGET {

/// Bytes in one packet: the width of the widest registers of the target.
inline constexpr std::int64_t register_bytes = WENGERT_SIMD_BYTES;

template <class T>
class Mask;

#if defined(__AVX512F__)
// Operands of the masked builtins: every lane, and rounding as the thread has it set. The compilers declare the masks
// with different signedness.
#if defined(__clang__)
inline constexpr unsigned short all_floats = 0xFFFF;
inline constexpr unsigned char all_doubles = 0xFF;
#else
inline constexpr short all_floats = -1;
inline constexpr char all_doubles = -1;
#endif
inline constexpr int current_rounding = 4;
#endif

/// The unsigned integer as wide as T.
template <class T>
using LaneBits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

/// `size` values of type T, processed together. T: float, double or int64_t.
///
/// Arithmetic constants of any type convert to a packet of T, so `0.5 * x` stays in float for a `Pack<float>`.
/// Integers wrap around on overflow; an integer divided by zero is zero (an op that minds checks before).
template <class T>
class Pack {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, std::int64_t>);

 public:
  typedef T Vector __attribute__((vector_size(WENGERT_SIMD_BYTES)));
  typedef LaneBits<T> Bits __attribute__((vector_size(WENGERT_SIMD_BYTES)));

  static constexpr std::int64_t size = register_bytes / static_cast<std::int64_t>(sizeof(T));
  static constexpr bool is_floating = std::is_floating_point_v<T>;

  /// Leaves the lanes unset.
  Pack() = default;
  WENGERT_SIMD_INLINE explicit Pack(Vector v) : v_(v) {}
  /// All lanes equal to `value`.
  template <class U>
    requires std::is_arithmetic_v<U>
  WENGERT_SIMD_INLINE Pack(U value) : v_(static_cast<T>(value) - Vector{}) {}  // s - 0, as s + 0 would lose a -0

  /// Reads `size` values from `p`, of any alignment.
  WENGERT_SIMD_INLINE static Pack load(const T* p) {
    Vector v;
    std::memcpy(&v, p, sizeof v);
    return Pack(v);
  }
  /// Reads the first n values, 0 <= n <= size; the other lanes hold 1, which no log or division minds.
  WENGERT_SIMD_INLINE static Pack load_partial(const T* p, std::int64_t n);

  WENGERT_SIMD_INLINE void store(T* p) const { std::memcpy(p, &v_, sizeof v_); }
  /// Writes the first n lanes, 0 <= n <= size; memory behind them is not touched.
  WENGERT_SIMD_INLINE void store_partial(T* p, std::int64_t n) const;

  /// One lane; for tests and tails, not for loops.
  WENGERT_SIMD_INLINE T operator[](std::int64_t lane) const { return v_[lane]; }

  WENGERT_SIMD_INLINE Vector vector() const { return v_; }
  /// The lanes' bit patterns.
  WENGERT_SIMD_INLINE Bits bits() const { return (Bits)v_; }
  WENGERT_SIMD_INLINE static Pack from_bits(Bits b) { return Pack((Vector)b); }

  WENGERT_SIMD_INLINE friend Pack operator+(Pack a, Pack b) {
    if constexpr (is_floating) return Pack(a.v_ + b.v_);
    return Pack((Vector)((Bits)a.v_ + (Bits)b.v_));
  }
  WENGERT_SIMD_INLINE friend Pack operator-(Pack a, Pack b) {
    if constexpr (is_floating) return Pack(a.v_ - b.v_);
    return Pack((Vector)((Bits)a.v_ - (Bits)b.v_));
  }
  WENGERT_SIMD_INLINE friend Pack operator*(Pack a, Pack b) {
    if constexpr (is_floating) return Pack(a.v_ * b.v_);
    return Pack((Vector)((Bits)a.v_ * (Bits)b.v_));
  }
  WENGERT_SIMD_INLINE friend Pack operator/(Pack a, Pack b) {
    if constexpr (is_floating) {
      return Pack(a.v_ / b.v_);
    } else {
      // Two quotients trap in hardware: by zero, and of the least integer by -1.
      const Mask<T> by_zero = b == 0;
      const Mask<T> by_minus_one = b == -1;
      const Pack quotient(a.v_ / where(by_zero | by_minus_one, 1, b).v_);
      return where(by_zero, 0, where(by_minus_one, -a, quotient));
    }
  }
  WENGERT_SIMD_INLINE friend Pack operator-(Pack a) {
    if constexpr (is_floating) return Pack(-a.v_);
    return Pack((Vector)(-(Bits)a.v_));
  }
  WENGERT_SIMD_INLINE friend Pack operator+(Pack a) { return a; }

  WENGERT_SIMD_INLINE Pack& operator+=(Pack b) { return *this = *this + b; }
  WENGERT_SIMD_INLINE Pack& operator-=(Pack b) { return *this = *this - b; }
  WENGERT_SIMD_INLINE Pack& operator*=(Pack b) { return *this = *this * b; }
  WENGERT_SIMD_INLINE Pack& operator/=(Pack b) { return *this = *this / b; }

  WENGERT_SIMD_INLINE friend Mask<T> operator<(Pack a, Pack b) {
    return Mask<T>((typename Mask<T>::Bits)(a.v_ < b.v_));
  }
  WENGERT_SIMD_INLINE friend Mask<T> operator<=(Pack a, Pack b) {
    return Mask<T>((typename Mask<T>::Bits)(a.v_ <= b.v_));
  }
  WENGERT_SIMD_INLINE friend Mask<T> operator>(Pack a, Pack b) {
    return Mask<T>((typename Mask<T>::Bits)(a.v_ > b.v_));
  }
  WENGERT_SIMD_INLINE friend Mask<T> operator>=(Pack a, Pack b) {
    return Mask<T>((typename Mask<T>::Bits)(a.v_ >= b.v_));
  }
  WENGERT_SIMD_INLINE friend Mask<T> operator==(Pack a, Pack b) {
    return Mask<T>((typename Mask<T>::Bits)(a.v_ == b.v_));
  }
  WENGERT_SIMD_INLINE friend Mask<T> operator!=(Pack a, Pack b) {
    return Mask<T>((typename Mask<T>::Bits)(a.v_ != b.v_));
  }

  /// The larger value; NaN where either is NaN. Of zeros with different signs, either one.
  WENGERT_SIMD_INLINE friend Pack maximum(Pack a, Pack b) {
    if constexpr (!is_floating) return where(a > b, a, b);
    return where((a > b) | (a != a), a, b);
  }
  /// The smaller value; NaN where either is NaN. Of zeros with different signs, either one.
  WENGERT_SIMD_INLINE friend Pack minimum(Pack a, Pack b) {
    if constexpr (!is_floating) return where(a < b, a, b);
    return where((a < b) | (a != a), a, b);
  }

  /// x where it is no larger than `high`, else that; NaN where x is NaN.
  WENGERT_SIMD_INLINE friend Pack at_most(Pack x, Pack high) { return second_unless_less(high, x); }

  /// The nearest value in [low, high]; NaN where x is NaN.
  WENGERT_SIMD_INLINE friend Pack clamp(Pack x, Pack low, Pack high) {
    return second_unless_greater(low, second_unless_less(high, x));
  }

  /// a * b + c, rounded once on targets with a fused instruction and twice on others: results may differ in the last
  /// bit between targets, but do not depend on the compiler's contraction setting where one is fused.
  WENGERT_SIMD_INLINE friend Pack fma(Pack a, Pack b, Pack c) {
#if defined(__AVX512F__)
    if constexpr (std::is_same_v<T, float>) {
      return Pack(__builtin_ia32_vfmaddps512_mask(a.v_, b.v_, c.v_, all_floats, current_rounding));
    } else if constexpr (std::is_same_v<T, double>) {
      return Pack(__builtin_ia32_vfmaddpd512_mask(a.v_, b.v_, c.v_, all_doubles, current_rounding));
    }
#elif defined(__FMA__)
    if constexpr (std::is_same_v<T, float>) {
      return Pack(__builtin_ia32_vfmaddps256(a.v_, b.v_, c.v_));
    } else if constexpr (std::is_same_v<T, double>) {
      return Pack(__builtin_ia32_vfmaddpd256(a.v_, b.v_, c.v_));
    }
#endif
    return a * b + c;
  }

 private:
  // One instruction each, which clang finds and GCC has to be given, as it would keep the order of NaN and zeros.
  WENGERT_SIMD_INLINE static Pack second_unless_less(Pack a, Pack b) {
#if defined(__AVX512F__) && !defined(__clang__)
    if constexpr (std::is_same_v<T, float>) {
      return Pack(__builtin_ia32_minps512_mask(a.v_, b.v_, a.v_, all_floats, current_rounding));
    } else if constexpr (std::is_same_v<T, double>) {
      return Pack(__builtin_ia32_minpd512_mask(a.v_, b.v_, a.v_, all_doubles, current_rounding));
    }
#endif
    return where(a < b, a, b);
  }
  WENGERT_SIMD_INLINE static Pack second_unless_greater(Pack a, Pack b) {
#if defined(__AVX512F__) && !defined(__clang__)
    if constexpr (std::is_same_v<T, float>) {
      return Pack(__builtin_ia32_maxps512_mask(a.v_, b.v_, a.v_, all_floats, current_rounding));
    } else if constexpr (std::is_same_v<T, double>) {
      return Pack(__builtin_ia32_maxpd512_mask(a.v_, b.v_, a.v_, all_doubles, current_rounding));
    }
#endif
    return where(a > b, a, b);
  }

  Vector v_;
};

/// The lane-wise outcome of a comparison of `Pack<T>`. Where a packet is expected it converts to numbers, 1 for true
/// and 0 for false, so `g * (x > 0)` means the same over packets as over tensors.
template <class T>
class Mask {
 public:
  // Signed, as the compilers' own outcomes of comparisons are.
  typedef std::make_signed_t<LaneBits<T>> Bits __attribute__((vector_size(WENGERT_SIMD_BYTES)));

  Mask() = default;
  /// Takes lanes of all ones (true) or all zeros (false).
  WENGERT_SIMD_INLINE explicit Mask(Bits bits) : bits_(bits) {}

  WENGERT_SIMD_INLINE operator Pack<T>() const { return where(*this, 1, 0); }

  WENGERT_SIMD_INLINE bool operator[](std::int64_t lane) const { return bits_[lane] != 0; }
  WENGERT_SIMD_INLINE Bits bits() const { return bits_; }

  WENGERT_SIMD_INLINE friend Mask operator&(Mask a, Mask b) { return Mask(a.bits_ & b.bits_); }
  WENGERT_SIMD_INLINE friend Mask operator|(Mask a, Mask b) { return Mask(a.bits_ | b.bits_); }
  WENGERT_SIMD_INLINE friend Mask operator!(Mask a) { return Mask(~a.bits_); }

  /// a where the mask is true, b elsewhere. Either may be an arithmetic constant, or both.
  WENGERT_SIMD_INLINE friend Pack<T> where(Mask m, Pack<T> a, Pack<T> b) {
    return Pack<T>(m.bits_ ? a.vector() : b.vector());
  }
  /// 1 where the mask is true, 0 elsewhere.
  WENGERT_SIMD_INLINE friend Pack<T> as_number(Mask m) { return where(m, 1, 0); }

  WENGERT_SIMD_INLINE friend bool any(Mask m) {
    std::int64_t words[sizeof(Bits) / 8];
    std::memcpy(words, &m.bits_, sizeof words);
    std::int64_t seen = 0;
    for (std::int64_t word : words) seen |= word;
    return seen != 0;
  }
  WENGERT_SIMD_INLINE friend bool all(Mask m) { return !any(!m); }

 private:
  Bits bits_;
};

/// f(lane) for every lane, one after the other: for what is not worth vectorising.
template <class F, class T, class... Ts>
WENGERT_SIMD_INLINE Pack<T> lanewise(F f, Pack<T> first, Pack<Ts>... rest) {
  typename Pack<T>::Vector out;
  for (std::int64_t i = 0; i < Pack<T>::size; ++i) out[i] = f(first[i], rest[i]...);
  return Pack<T>(out);
}

namespace detail {

/// op of each lane and the one `distance` away from it.
template <std::int64_t distance, class T, class Op, std::size_t... I>
WENGERT_SIMD_INLINE Pack<T> combine_lanes_at(Pack<T> x, Op op, std::index_sequence<I...>) {
  constexpr auto mask = static_cast<std::size_t>(distance);
  return op(x, Pack<T>(__builtin_shufflevector(x.vector(), x.vector(), static_cast<int>(I ^ mask)...)));
}

}  // namespace detail

/// op(... op(op(lane 0, lane 1), op(lane 2, lane 3)) ...): a reduction over the lanes, pairwise, in a fixed order, by
/// an `op` of packets that may exchange its operands. In registers: short rows spend much of their time here.
template <std::int64_t distance = 1, class T, class Op>
WENGERT_SIMD_INLINE T fold_lanes(Pack<T> x, Op op) {
  if constexpr (distance == Pack<T>::size) {
    return x[0];
  } else {
    constexpr auto lanes = std::make_index_sequence<static_cast<std::size_t>(Pack<T>::size)>();
    return fold_lanes<2 * distance>(detail::combine_lanes_at<distance>(x, op, lanes), op);
  }
}

template <class T>
WENGERT_SIMD_INLINE Pack<T> abs(Pack<T> x) {
  if constexpr (!Pack<T>::is_floating) return where(x < 0, -x, x);
  return Pack<T>::from_bits(x.bits() & ~Pack<T>(-0.0).bits());
}

/// The magnitude of `x` with the sign bit of `s`.
template <class T>
WENGERT_SIMD_INLINE Pack<T> copysign(Pack<T> x, Pack<T> s) {
  const typename Pack<T>::Bits sign_bit = Pack<T>(-0.0).bits();
  return Pack<T>::from_bits((x.bits() & ~sign_bit) | (s.bits() & sign_bit));
}

/// -1, 0 or 1; NaN for NaN, and zeros keep their sign.
template <class T>
WENGERT_SIMD_INLINE Pack<T> sign(Pack<T> x) {
  return where(x > 0, 1, where(x < 0, -1, x));
}

template <class T>
WENGERT_SIMD_INLINE Pack<T> square(Pack<T> x) {
  return x * x;
}

template <class T>
  requires Pack<T>::is_floating
WENGERT_SIMD_INLINE Pack<T> reciprocal(Pack<T> x) {
  return 1 / x;
}

template <class T>
WENGERT_SIMD_INLINE Mask<T> isnan(Pack<T> x) {
  return x != x;
}

/// Correctly rounded; NaN for negative numbers.
template <class T>
  requires Pack<T>::is_floating
WENGERT_SIMD_INLINE Pack<T> sqrt(Pack<T> x) {
  constexpr bool single = std::is_same_v<T, float>;
#if defined(__AVX512F__) && defined(__clang__)
  if constexpr (single) return Pack<T>(__builtin_ia32_sqrtps512(x.vector(), current_rounding));
  if constexpr (!single) return Pack<T>(__builtin_ia32_sqrtpd512(x.vector(), current_rounding));
#elif defined(__AVX512F__)
  if constexpr (single) {
    return Pack<T>(__builtin_ia32_sqrtps512_mask(x.vector(), x.vector(), all_floats, current_rounding));
  } else {
    return Pack<T>(__builtin_ia32_sqrtpd512_mask(x.vector(), x.vector(), all_doubles, current_rounding));
  }
#elif defined(__AVX__)
  if constexpr (single) return Pack<T>(__builtin_ia32_sqrtps256(x.vector()));
  if constexpr (!single) return Pack<T>(__builtin_ia32_sqrtpd256(x.vector()));
#elif defined(__SSE2__)
  if constexpr (single) return Pack<T>(__builtin_ia32_sqrtps(x.vector()));
  if constexpr (!single) return Pack<T>(__builtin_ia32_sqrtpd(x.vector()));
#else
  return lanewise([](T lane) { return std::sqrt(lane); }, x);
#endif
}

/// The nearest integer, halves to even; zeros and negative results keep their sign.
template <class T>
WENGERT_SIMD_INLINE Pack<T> round(Pack<T> x) {
  if constexpr (!Pack<T>::is_floating) {
    return x;
  } else {
    // Adding the first power of two whose neighbours are integers rounds the fraction away, in the current mode.
    constexpr T integers_from = T(1) / std::numeric_limits<T>::epsilon();
    const Pack<T> magnitude = abs(x);
    const Pack<T> rounded = (magnitude + integers_from) - integers_from;
    return copysign(where(magnitude < integers_from, rounded, magnitude), x);
  }
}

template <class T>
WENGERT_SIMD_INLINE Pack<T> floor(Pack<T> x) {
  if constexpr (!Pack<T>::is_floating) return x;
  const Pack<T> r = round(x);
  return where(r > x, r - 1, r);
}

template <class T>
WENGERT_SIMD_INLINE Pack<T> ceil(Pack<T> x) {
  if constexpr (!Pack<T>::is_floating) return x;
  const Pack<T> r = round(x);
  return where(r < x, copysign(r + 1, x), r);
}

/// Rounds towards zero.
template <class T>
WENGERT_SIMD_INLINE Pack<T> trunc(Pack<T> x) {
  if constexpr (!Pack<T>::is_floating) return x;
  return copysign(floor(abs(x)), x);
}

#if defined(__AVX512F__)
// Masked moves do not touch the memory of lanes that are off, and spare the detour over a buffer.
template <class T>
WENGERT_SIMD_INLINE Pack<T> Pack<T>::load_partial(const T* p, std::int64_t n) {
  const Vector ones = Pack(1).v_;
  if constexpr (std::is_same_v<T, float>) {
    return Pack(__builtin_ia32_loadups512_mask(p, ones, static_cast<unsigned short>((1U << n) - 1)));
  } else if constexpr (std::is_same_v<T, double>) {
    return Pack(__builtin_ia32_loadupd512_mask(p, ones, static_cast<unsigned char>((1U << n) - 1)));
  } else {
    typedef long long Wide __attribute__((vector_size(WENGERT_SIMD_BYTES)));
    return Pack((Vector)__builtin_ia32_loaddqudi512_mask((const long long*)p, (Wide)ones,
                                                         static_cast<unsigned char>((1U << n) - 1)));
  }
}

template <class T>
WENGERT_SIMD_INLINE void Pack<T>::store_partial(T* p, std::int64_t n) const {
  if constexpr (std::is_same_v<T, float>) {
    __builtin_ia32_storeups512_mask(p, v_, static_cast<unsigned short>((1U << n) - 1));
  } else if constexpr (std::is_same_v<T, double>) {
    __builtin_ia32_storeupd512_mask(p, v_, static_cast<unsigned char>((1U << n) - 1));
  } else {
    typedef long long Wide __attribute__((vector_size(WENGERT_SIMD_BYTES)));
    __builtin_ia32_storedqudi512_mask((long long*)p, (Wide)v_, static_cast<unsigned char>((1U << n) - 1));
  }
}
#else
template <class T>
WENGERT_SIMD_INLINE Pack<T> Pack<T>::load_partial(const T* p, std::int64_t n) {
  Vector v = Pack(1).v_;
  if (n > 0) std::memcpy(&v, p, static_cast<std::size_t>(n) * sizeof(T));
  return Pack(v);
}

template <class T>
WENGERT_SIMD_INLINE void Pack<T>::store_partial(T* p, std::int64_t n) const {
  if (n > 0) std::memcpy(p, &v_, static_cast<std::size_t>(n) * sizeof(T));
}
#endif

}  // namespace WENGERT_SIMD_TARGET
}  // namespace wengert::simd

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
