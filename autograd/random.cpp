#include "autograd/random.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>

#include <wengert/autograd/error.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/philox.h>

namespace wengert {
namespace {

constinit thread_local Generator* scoped_generator = nullptr;

using Words = std::array<std::uint32_t, 4>;
__extension__ using Uint128 = unsigned __int128;

Words block_at(Generator::State state, std::uint64_t index, std::uint32_t attempt = 0) {
  const std::uint64_t place = state.offset + index;
  return philox4x32({static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(place >> 32), attempt, 0},
                    {static_cast<std::uint32_t>(state.seed), static_cast<std::uint32_t>(state.seed >> 32)});
}

std::uint64_t join(std::uint32_t high, std::uint32_t low) { return std::uint64_t{high} << 32 | low; }

/// A number below `bound` from block `index`. Rejected attempts take another block with the same index, so that each
/// number stays a function of its index.
std::uint64_t integer_below(std::uint64_t bound, Generator::State state, std::uint64_t index) {
  for (std::uint32_t attempt = 0;; ++attempt) {
    const Words words = block_at(state, index, attempt);
    for (const std::uint64_t bits : {join(words[0], words[1]), join(words[2], words[3])}) {
      const Uint128 product = static_cast<Uint128>(bits) * bound;
      const auto fraction = static_cast<std::uint64_t>(product);
      // Below 2^64 mod bound is unfair; the first comparison spares the division nearly always.
      if (fraction >= bound || fraction >= (0 - bound) % bound) return static_cast<std::uint64_t>(product >> 64);
    }
  }
}

/// Fills `out` from `make(block)`, which gives `count` values per block.
template <std::size_t count, class T, class F>
void fill_from_blocks(T* out, std::int64_t n, Generator& generator, const char* name, F make) {
  check<Error>(n >= 0, "{}: the number of values must not be negative, got {}", name, n);
  constexpr auto width = static_cast<std::int64_t>(count);
  constexpr std::int64_t grain = 1 << 14;
  static_assert(grain % width == 0);
  const Generator::State state = generator.reserve((static_cast<std::uint64_t>(n) + count - 1) / count);
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const auto values_at = [&](std::int64_t i) { return make(block_at(state, static_cast<std::uint64_t>(i / width))); };
    std::int64_t i = begin;
    for (; i + width <= end; i += width) std::ranges::copy(values_at(i), out + i);
    if (i < end) std::copy_n(values_at(i).begin(), end - i, out + i);
  });
}

template <class T>
void check_interval(T low, T high, T width) {
  check<Error>(low < high && std::isfinite(width),
               "uniform: low must be less than high and both finite, with a finite difference; got low {} and high {}",
               low, high);
}

template <class T>
void check_normal(T mean, T deviation) {
  check<Error>(std::isfinite(mean) && std::isfinite(deviation) && deviation >= 0,
               "normal: mean and deviation must be finite and deviation not negative; got mean {} and deviation {}",
               mean, deviation);
}

/// Two independent standard normal numbers from u in (0, 1] and v in [0, 1).
std::array<double, 2> box_muller(double u, double v) {
  const double radius = std::sqrt(-2.0 * std::log(u));
  const double angle = 2.0 * std::numbers::pi * v;
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

template <class T>
void fill_bernoulli_as(T* out, std::int64_t n, double probability, T value, Generator& generator) {
  check<Error>(probability >= 0.0 && probability <= 1.0, "bernoulli: probability must be in [0, 1], got {}",
               probability);
  const auto threshold = static_cast<std::uint64_t>(std::ceil(probability * 0x1p32));
  fill_from_blocks<4>(out, n, generator, "bernoulli", [=](const Words& words) {
    std::array<T, 4> values;
    for (std::size_t i = 0; i < 4; ++i) values[i] = words[i] < threshold ? value : T{0};
    return values;
  });
}

}  // namespace

Generator& default_generator() {
  static constinit Generator shared{0};
  return scoped_generator != nullptr ? *scoped_generator : shared;
}

void manual_seed(std::uint64_t seed) { default_generator().set_state({seed, 0}); }

GeneratorScope::GeneratorScope(Generator& generator) : previous_(std::exchange(scoped_generator, &generator)) {}

GeneratorScope::~GeneratorScope() { scoped_generator = previous_; }

std::vector<std::int64_t> permutation(std::int64_t n, Generator& generator) {
  check<Error>(n >= 0, "permutation: n must not be negative, got {}", n);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  const Generator::State state = generator.reserve(order.size());
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[integer_below(i, state, i - 1)]);
  }
  return order;
}

namespace kernels {

void fill_uniform(float* out, std::int64_t n, float low, float high, Generator& generator) {
  const float width = high - low;
  check_interval(low, high, width);
  const float below_high = std::nextafter(high, low);
  fill_from_blocks<4>(out, n, generator, "uniform", [=](const Words& words) {
    std::array<float, 4> values;
    for (std::size_t i = 0; i < 4; ++i) {
      // The product of two 24-bit numbers is exact in double, so contraction to a fused multiply-add changes no bit.
      const double x =
          static_cast<double>(words[i] >> 8) * 0x1p-24 * static_cast<double>(width) + static_cast<double>(low);
      values[i] = std::min(static_cast<float>(x), below_high);
    }
    return values;
  });
}

void fill_uniform(double* out, std::int64_t n, double low, double high, Generator& generator) {
  const double width = high - low;
  check_interval(low, high, width);
  const double below_high = std::nextafter(high, low);
  fill_from_blocks<2>(out, n, generator, "uniform", [=](const Words& words) {
    std::array<double, 2> values;
    for (std::size_t i = 0; i < 2; ++i) {
      const double u = static_cast<double>(join(words[2 * i], words[2 * i + 1]) >> 11) * 0x1p-53;
      // Asked for by name, the fused multiply-add gives the same bits where the compiler may and where it may not fuse.
      values[i] = std::min(std::fma(u, width, low), below_high);
    }
    return values;
  });
}

void fill_normal(float* out, std::int64_t n, float mean, float deviation, Generator& generator) {
  check_normal(mean, deviation);
  fill_from_blocks<4>(out, n, generator, "normal", [=](const Words& words) {
    std::array<float, 4> values;
    for (std::size_t i = 0; i < 4; i += 2) {
      const auto z =
          box_muller((static_cast<double>(words[i]) + 1.0) * 0x1p-32, static_cast<double>(words[i + 1]) * 0x1p-32);
      values[i] = static_cast<float>(mean + deviation * z[0]);
      values[i + 1] = static_cast<float>(mean + deviation * z[1]);
    }
    return values;
  });
}

void fill_normal(double* out, std::int64_t n, double mean, double deviation, Generator& generator) {
  check_normal(mean, deviation);
  fill_from_blocks<2>(out, n, generator, "normal", [=](const Words& words) {
    const double u = static_cast<double>((join(words[0], words[1]) >> 11) + 1) * 0x1p-53;
    const double v = static_cast<double>(join(words[2], words[3]) >> 11) * 0x1p-53;
    const auto z = box_muller(u, v);
    return std::array<double, 2>{mean + deviation * z[0], mean + deviation * z[1]};
  });
}

void fill_integers(std::int64_t* out, std::int64_t n, std::int64_t low, std::int64_t high, Generator& generator) {
  check<Error>(n >= 0, "integers: the number of values must not be negative, got {}", n);
  check<Error>(low < high, "integers: low must be less than high, got {} and {}", low, high);
  const std::uint64_t bound = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  const Generator::State state = generator.reserve(static_cast<std::uint64_t>(n));
  parallel_for(n, 1 << 14, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::uint64_t above_low = integer_below(bound, state, static_cast<std::uint64_t>(i));
      out[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + above_low);
    }
  });
}

void fill_bernoulli(float* out, std::int64_t n, double probability, float value, Generator& generator) {
  fill_bernoulli_as(out, n, probability, value, generator);
}

void fill_bernoulli(double* out, std::int64_t n, double probability, double value, Generator& generator) {
  fill_bernoulli_as(out, n, probability, value, generator);
}

}  // namespace kernels
}  // namespace wengert
