#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

namespace wengert {

/// A seed and a position in the random stream of that seed (Philox4x32-10, see philox.h). Whoever draws n numbers
/// reserves the next stretch of the stream; each number is then a function of the seed and its place alone, whichever
/// thread computes it. May be shared between threads: no two draws overlap, but which one comes first is up to them.
class Generator {
 public:
  /// Everything that decides the numbers to come.
  struct State {
    std::uint64_t seed = 0;
    std::uint64_t offset = 0;  // in blocks of four 32-bit words
    bool operator==(const State&) const = default;
  };

  constexpr explicit Generator(std::uint64_t seed) : seed_(seed) {}
  constexpr explicit Generator(State state) : seed_(state.seed), offset_(state.offset) {}
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  std::uint64_t seed() const { return seed_.load(std::memory_order_relaxed); }

  /// To save the generator, and to go back there. Setting is not atomic with draws by other threads.
  State state() const { return {seed(), offset_.load(std::memory_order_relaxed)}; }
  void set_state(State state) {
    seed_.store(state.seed, std::memory_order_relaxed);
    offset_.store(state.offset, std::memory_order_relaxed);
  }

  /// Takes the next `blocks` blocks of the stream: they begin at the returned state.
  State reserve(std::uint64_t blocks) { return {seed(), offset_.fetch_add(blocks, std::memory_order_relaxed)}; }

 private:
  std::atomic<std::uint64_t> seed_;
  std::atomic<std::uint64_t> offset_{0};
};

/// The generator of every op that is not given one: the calling thread's innermost `GeneratorScope`, or else one that
/// all threads share, with seed 0 at first. Threads that draw at the same time and must be reproducible need a scope
/// each.
Generator& default_generator();

/// Restarts `default_generator()` with a seed.
void manual_seed(std::uint64_t seed);

/// Makes `generator` the calling thread's default as long as the scope lives; the generator must live as long.
class GeneratorScope {
 public:
  explicit GeneratorScope(Generator& generator);
  ~GeneratorScope();
  GeneratorScope(const GeneratorScope&) = delete;
  GeneratorScope& operator=(const GeneratorScope&) = delete;

 private:
  Generator* previous_;
};

/// The numbers 0 to n - 1 in random order, all orders equally likely (Fisher-Yates). Throws `Error` if n < 0.
std::vector<std::int64_t> permutation(std::int64_t n, Generator& generator = default_generator());

/// Fill out[0, n). The result depends on the generator's state and n alone, not on the number of threads. Uniform
/// numbers, integers and Bernoulli masks have the same bits on every machine; normal ones may differ by an ulp or so
/// with the C library's logarithm and cosine. All throw `Error` if n < 0.
namespace kernels {

/// Uniform in [low, high), never `high` itself; float has 24 random bits and double 53. Throws `Error` unless low <
/// high and high - low is finite.
void fill_uniform(float* out, std::int64_t n, float low, float high, Generator& generator);
void fill_uniform(double* out, std::int64_t n, double low, double high, Generator& generator);

/// Normally distributed (G. E. P. Box and M. E. Muller, 1958), to 6.6 standard deviations for float and 8.5 for double.
/// Throws `Error` unless both parameters are finite and deviation >= 0.
void fill_normal(float* out, std::int64_t n, float mean, float deviation, Generator& generator);
void fill_normal(double* out, std::int64_t n, double mean, double deviation, Generator& generator);

/// Integers from low to high - 1, all equally likely (D. Lemire, "Fast Random Integer Generation in an Interval",
/// 2019). Throws `Error` unless low < high.
void fill_integers(std::int64_t* out, std::int64_t n, std::int64_t low, std::int64_t high, Generator& generator);

/// `value` with the given probability (in steps of 2^-32), else 0. Throws `Error` unless 0 <= probability <= 1.
void fill_bernoulli(float* out, std::int64_t n, double probability, float value, Generator& generator);
void fill_bernoulli(double* out, std::int64_t n, double probability, double value, Generator& generator);

}  // namespace kernels
}  // namespace wengert
