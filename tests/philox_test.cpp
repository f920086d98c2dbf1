#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/error.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/philox.h>
#include <wengert/autograd/random.h>

namespace wengert {
namespace {

using Counter = std::array<std::uint32_t, 4>;
using Key = std::array<std::uint32_t, 2>;

// The known answers that Random123 publishes for philox4x32 with 10 rounds (tests/kat_vectors).
static_assert(philox4x32({0, 0, 0, 0}, {0, 0}) == Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});

TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

template <class T>
std::vector<T> uniform(std::size_t n, T low, T high, Generator& generator) {
  std::vector<T> out(n);
  kernels::fill_uniform(out.data(), static_cast<std::int64_t>(n), low, high, generator);
  return out;
}

template <class T>
std::vector<T> normal(std::size_t n, T mean, T deviation, Generator& generator) {
  std::vector<T> out(n);
  kernels::fill_normal(out.data(), static_cast<std::int64_t>(n), mean, deviation, generator);
  return out;
}

std::vector<std::int64_t> integers(std::size_t n, std::int64_t low, std::int64_t high, Generator& generator) {
  std::vector<std::int64_t> out(n);
  kernels::fill_integers(out.data(), static_cast<std::int64_t>(n), low, high, generator);
  return out;
}

std::vector<float> bernoulli(std::size_t n, double probability, float value, Generator& generator) {
  std::vector<float> out(n);
  kernels::fill_bernoulli(out.data(), static_cast<std::int64_t>(n), probability, value, generator);
  return out;
}

/// The mean of (x - centre)^power.
template <class T>
double moment(const std::vector<T>& values, int power, double centre = 0.0) {
  double sum = 0.0;
  for (T value : values) sum += std::pow(static_cast<double>(value) - centre, power);
  return sum / static_cast<double>(values.size());
}

double chi_square(const std::vector<std::int64_t>& counts) {
  const double expected = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0})) /
                          static_cast<double>(counts.size());
  double sum = 0.0;
  for (std::int64_t count : counts) sum += std::pow(static_cast<double>(count) - expected, 2) / expected;
  return sum;
}

TEST(Random, UniformNumbersAreTheTopBitsOfPhiloxWords) {
  Generator generator(0x0000000200000001);
  generator.set_state({generator.seed(), 5});
  const Counter words = philox4x32({5, 0, 0, 0}, {1, 2});
  EXPECT_EQ(uniform(1, 0.0F, 1.0F, generator)[0], static_cast<float>(words[0] >> 8) * 0x1p-24F);
  generator.set_state({generator.seed(), 5});
  const std::uint64_t bits = std::uint64_t{words[0]} << 32 | words[1];
  EXPECT_EQ(uniform(1, 0.0, 1.0, generator)[0], static_cast<double>(bits >> 11) * 0x1p-53);
}

TEST(Random, ASeedGivesTheSameNumbersAgain) {
  Generator a(7), b(7), c(8);
  const std::vector<double> first = normal(1000, 0.0, 1.0, a);
  EXPECT_EQ(normal(1000, 0.0, 1.0, b), first);
  EXPECT_NE(normal(1000, 0.0, 1.0, c), first);
  EXPECT_NE(normal(1000, 0.0, 1.0, a), first);
}

TEST(Random, TheNumberOfThreadsChangesNothing) {
  const auto draw = [](int threads) {
    set_num_threads(threads);
    Generator generator(3);
    return std::tuple(uniform(100'003, -1.0F, 1.0F, generator), normal(100'003, 0.0F, 1.0F, generator),
                      normal(50'001, 0.0, 1.0, generator), integers(40'001, -5, 1000, generator),
                      bernoulli(100'001, 0.3, 2.0F, generator));
  };
  const int before = num_threads();
  const auto expected = draw(1);
  EXPECT_EQ(draw(2), expected);
  EXPECT_EQ(draw(4), expected);
  set_num_threads(before);
}

TEST(Random, ALongerDrawBeginsLikeAShorterOne) {
  Generator a(9), b(9);
  const std::vector<float> shorter = normal(13, 0.0F, 1.0F, a);
  const std::vector<float> longer = normal(1000, 0.0F, 1.0F, b);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
}

TEST(Random, ASavedStateContinuesTheStream) {
  Generator generator(11);
  uniform(10, 0.0F, 1.0F, generator);
  const Generator::State state = generator.state();
  const std::vector<float> next = uniform(10, 0.0F, 1.0F, generator);
  Generator restored(state);
  EXPECT_EQ(uniform(10, 0.0F, 1.0F, restored), next);
  EXPECT_EQ(restored.state(), generator.state());
}

TEST(Random, ThreadsThatShareAGeneratorNeverGetTheSameStretch) {
  Generator generator(0);
  std::vector<std::vector<std::uint64_t>> starts(4);
  std::vector<std::thread> threads;
  for (auto& mine : starts) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) mine.push_back(generator.reserve(3).offset);
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<std::uint64_t> all;
  for (const auto& mine : starts) all.insert(all.end(), mine.begin(), mine.end());
  std::ranges::sort(all);
  for (std::size_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], 3 * i);
}

TEST(Random, TheDefaultGeneratorCanBeSeededAndReplacedWithinAScope) {
  manual_seed(5);
  const std::vector<float> expected = uniform(8, 0.0F, 1.0F, default_generator());
  manual_seed(5);
  Generator own(6);
  {
    const GeneratorScope scope(own);
    EXPECT_EQ(&default_generator(), &own);
    uniform(8, 0.0F, 1.0F, default_generator());
    std::thread([&] { EXPECT_NE(&default_generator(), &own); }).join();
    Generator inner(7);
    {
      const GeneratorScope nested(inner);
      EXPECT_EQ(&default_generator(), &inner);
    }
    EXPECT_EQ(&default_generator(), &own);
  }
  EXPECT_EQ(uniform(8, 0.0F, 1.0F, default_generator()), expected);
}

TEST(Random, UniformNumbersNeverReachTheUpperBound) {
  Generator generator(1);
  const float next = std::nextafter(1.0F, 2.0F);
  for (float x : uniform(10'000, 1.0F, next, generator)) ASSERT_EQ(x, 1.0F);
  for (float x : uniform(10'000, 1e8F, 1e8F + 64.0F, generator)) ASSERT_TRUE(x >= 1e8F && x < 1e8F + 64.0F) << x;
  for (double x : uniform(10'000, 1e16, 1e16 + 4.0, generator)) ASSERT_TRUE(x >= 1e16 && x < 1e16 + 4.0) << x;
  for (float x : uniform(10'000, -1e-45F, 1e-45F, generator)) ASSERT_TRUE(x == 0.0F || x == -1e-45F) << x;
}

TEST(Random, UniformNumbersFillTheirIntervalEvenly) {
  Generator generator(2);
  const std::vector<double> values = uniform(200'000, -3.0, 5.0, generator);
  EXPECT_NEAR(moment(values, 1), 1.0, 0.03);
  EXPECT_NEAR(moment(values, 2, 1.0), 64.0 / 12.0, 0.05);
  std::vector<std::int64_t> counts(100, 0);
  for (double x : values) ++counts[static_cast<std::size_t>((x + 3.0) / 8.0 * 100.0)];
  EXPECT_LT(chi_square(counts), 160.0);  // 99 degrees of freedom: exceeded once in 10^4
}

TEST(Random, NormalNumbersHaveTheNormalDistribution) {
  Generator generator(4);
  const auto largest_gap = [](std::vector<double> values) {  // of Kolmogorov and Smirnov
    std::ranges::sort(values);
    double gap = 0.0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double probability = 0.5 * std::erfc(-values[i] / std::sqrt(2.0));
      gap = std::max(gap, std::abs(probability - static_cast<double>(i) / static_cast<double>(values.size())));
    }
    return gap * std::sqrt(static_cast<double>(values.size()));
  };
  const std::vector<double> doubles = normal(100'000, 0.0, 1.0, generator);
  EXPECT_LT(largest_gap(doubles), 2.0);
  const std::vector<float> floats = normal(100'000, 0.0F, 1.0F, generator);
  EXPECT_LT(largest_gap({floats.begin(), floats.end()}), 2.0);
  EXPECT_NEAR(moment(floats, 4), 3.0, 0.15);

  double product = 0.0;  // the two numbers of a pair are independent
  for (std::size_t i = 0; i < doubles.size(); i += 2) product += doubles[i] * doubles[i + 1];
  EXPECT_NEAR(product / 50'000.0, 0.0, 0.02);

  const std::vector<float> scaled = normal(100'000, 10.0F, 0.5F, generator);
  EXPECT_NEAR(moment(scaled, 1), 10.0, 0.01);
  EXPECT_NEAR(moment(scaled, 2, 10.0), 0.25, 0.01);
  EXPECT_EQ(normal(5, 3.0F, 0.0F, generator), std::vector<float>(5, 3.0F));
}

TEST(Random, IntegersAreEvenOverTheirRange) {
  Generator generator(5);
  std::vector<std::int64_t> counts(7, 0);
  for (std::int64_t x : integers(70'000, -3, 4, generator)) {
    ASSERT_TRUE(x >= -3 && x < 4) << x;
    ++counts[static_cast<std::size_t>(x + 3)];
  }
  EXPECT_LT(chi_square(counts), 28.0);

  // 3/4 of 2^64: scaled without rejection, every third number would come up twice as often as the others.
  constexpr std::int64_t low = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t quarter = std::int64_t{1} << 62;
  counts.assign(3, 0);
  for (std::int64_t x : integers(30'000, low, quarter, generator)) {
    ++counts[(static_cast<std::uint64_t>(x) - static_cast<std::uint64_t>(low)) % 3];
  }
  EXPECT_LT(chi_square(counts), 18.0);
}

TEST(Random, EveryOrderOfAPermutationIsEquallyLikely) {
  Generator generator(6);
  std::map<std::vector<std::int64_t>, std::int64_t> seen;
  for (int i = 0; i < 24'000; ++i) ++seen[permutation(4, generator)];
  std::vector<std::int64_t> counts;
  for (const auto& [order, count] : seen) counts.push_back(count);
  ASSERT_EQ(counts.size(), 24U);
  EXPECT_LT(chi_square(counts), 58.0);

  std::vector<std::int64_t> sorted = permutation(1000, generator);
  EXPECT_FALSE(std::ranges::is_sorted(sorted));
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < sorted.size(); ++i) ASSERT_EQ(sorted[i], static_cast<std::int64_t>(i));
  EXPECT_TRUE(permutation(0, generator).empty());
  EXPECT_EQ(permutation(1, generator), std::vector<std::int64_t>{0});
}

TEST(Random, BernoulliMasksHaveTheirRate) {
  Generator generator(8);
  for (double probability : {0.1, 0.5, 0.9}) {
    EXPECT_NEAR(moment(bernoulli(100'000, probability, 1.0F, generator), 1), probability, 0.006);
  }
  EXPECT_EQ(bernoulli(1001, 0.0, 1.0F, generator), std::vector<float>(1001, 0.0F));
  EXPECT_EQ(bernoulli(1001, 1.0, 1.25F, generator), std::vector<float>(1001, 1.25F));
}

TEST(Random, TheSameBitsComeOutOnEveryMachine) {
  Generator generator(2024);
  EXPECT_EQ(uniform(5, -2.0F, 3.0F, generator),
            (std::vector<float>{0x1.04b918p+0F, -0x1.507a6p-1F, 0x1.7624a6p+1F, -0x1.94ff44p+0F, -0x1.13067p-2F}));
  EXPECT_EQ(uniform(3, -2.0, 3.0, generator),
            (std::vector<double>{0x1.c0b00f347e2f2p-1, 0x1.138ea2a7aea58p+1, 0x1.523520b668fd6p+0}));
  EXPECT_EQ(integers(4, 0, 1'000'000'007, generator),
            (std::vector<std::int64_t>{18693853, 526512305, 999526695, 293993293}));
  EXPECT_EQ(permutation(8, generator), (std::vector<std::int64_t>{7, 3, 6, 4, 1, 2, 0, 5}));
}

TEST(Random, BadArgumentsAreRefused) {
  Generator generator(0);
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<std::function<void()>, std::string>> cases = {
      {[&] { uniform(1, 1.0F, 1.0F, generator); }, "low must be less than high"},
      {[&] { uniform(1, 0.0, std::nan(""), generator); }, "low must be less than high"},
      {[&] { uniform(1, -3e38F, 3e38F, generator); }, "finite difference"},
      {[&] { normal(1, 0.0F, -1.0F, generator); }, "got mean 0 and deviation -1"},
      {[&] { normal(1, infinity, 1.0F, generator); }, "mean and deviation must be finite"},
      {[&] { integers(1, 4, 4, generator); }, "low must be less than high, got 4 and 4"},
      {[&] { bernoulli(1, 1.5, 1.0F, generator); }, "probability must be in [0, 1], got 1.5"},
      {[&] { bernoulli(1, std::nan(""), 1.0F, generator); }, "probability must be in [0, 1]"},
      {[&] { permutation(-1, generator); }, "n must not be negative, got -1"},
      {[&] { kernels::fill_uniform(static_cast<float*>(nullptr), -2, 0.0F, 1.0F, generator); }, "got -2"},
  };
  for (const auto& [call, text] : cases) {
    try {
      call();
      ADD_FAILURE() << "expected an error: " << text;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace wengert
