#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

std::vector<double> numbers(const Tensor& x) {
  const Tensor exact = x.to(float64);
  const auto data = exact.data<double>();
  return {data.begin(), data.end()};
}

double mean_of(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x;
  return sum / static_cast<double>(v.size());
}

double variance_of(const std::vector<double>& v) {
  const double mean = mean_of(v);
  double sum = 0;
  for (const double x : v) sum += (x - mean) * (x - mean);
  return sum / static_cast<double>(v.size());
}

TEST(Rand, IsUniformInZeroToOne) {
  for (const DType dtype : {float32, float64}) {
    Generator generator(3);
    const Tensor x = rand({100, 1000}, dtype, generator);
    EXPECT_EQ(x.shape(), (Shape{100, 1000}));
    EXPECT_EQ(x.dtype(), dtype);
    const auto v = numbers(x);
    EXPECT_GE(*std::min_element(v.begin(), v.end()), 0);
    EXPECT_LT(*std::max_element(v.begin(), v.end()), 1);
    EXPECT_NEAR(mean_of(v), 0.5, 5e-3);
    EXPECT_NEAR(variance_of(v), 1.0 / 12, 2e-3);
  }
}

TEST(Randn, IsStandardNormal) {
  for (const DType dtype : {float32, float64}) {
    Generator generator(3);
    const auto v = numbers(randn({100000}, dtype, generator));
    EXPECT_NEAR(mean_of(v), 0, 0.02);
    EXPECT_NEAR(variance_of(v), 1, 0.03);
    const auto within = std::count_if(v.begin(), v.end(), [](double x) { return std::abs(x) < 1; });
    EXPECT_NEAR(static_cast<double>(within) / 1e5, 0.6827, 0.01);
  }
}

TEST(Rand, RepeatsItselfForASeedAndMovesOnOtherwise) {
  Generator a(11);
  Generator b(11);
  const auto first = numbers(rand({5}, float32, a));
  EXPECT_EQ(first, numbers(rand({5}, float32, b)));
  EXPECT_NE(first, numbers(rand({5}, float32, a)));
}

TEST(Rand, TakesTheDefaultGenerator) {
  Generator generator(5);
  const GeneratorScope scope(generator);
  const auto first = numbers(randn({4}));
  manual_seed(5);
  EXPECT_EQ(numbers(randn({4})), first);
}

TEST(Rand, RejectsInt64) {
  EXPECT_THROW(rand({2}, DType::int64), DTypeError);
  EXPECT_THROW(randn({2}, DType::int64), DTypeError);
}

/// How far counts are from those that weights make likely. With n of them it has n - 1 degrees of freedom, mean n - 1
/// and variance 2 (n - 1).
double chi_square(const std::vector<double>& counts, const std::vector<double>& weights) {
  const double draws = std::accumulate(counts.begin(), counts.end(), 0.0);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double sum = 0;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    const double expected = draws * weights[k] / total;
    sum += (counts[k] - expected) * (counts[k] - expected) / expected;
  }
  return sum;
}

/// How often each of the integers 0 to n - 1 is there.
std::vector<double> counts_of(const Tensor& x, std::size_t n) {
  std::vector<double> counts(n, 0);
  for (const std::int64_t value : x.data<std::int64_t>()) ++counts.at(static_cast<std::size_t>(value));
  return counts;
}

TEST(Randint, IsEvenOverItsRange) {
  Generator generator(3);
  const Tensor x = randint(-2, 5, {100, 1000}, generator);
  EXPECT_EQ(x.shape(), (Shape{100, 1000}));
  EXPECT_EQ(x.dtype(), int64);
  EXPECT_LT(chi_square(counts_of(x + 2, 7), std::vector<double>(7, 1)), 28);  // exceeded once in 10^4
  EXPECT_EQ(values_of(randint(4, 5, {3}, generator)), (std::vector<double>{4, 4, 4}));
  EXPECT_EQ(randint(0, 2, {}, generator).rank(), 0);
  // All 64 bits.
  constexpr std::int64_t low = std::numeric_limits<std::int64_t>::min();
  const auto wide = randint(low, std::numeric_limits<std::int64_t>::max(), {1000}, generator);
  const auto negative = std::ranges::count_if(wide.data<std::int64_t>(), [](std::int64_t v) { return v < 0; });
  EXPECT_NEAR(static_cast<double>(negative), 500, 65);
}

TEST(Randint, RejectsAnEmptyRange) {
  Generator generator(1);
  EXPECT_EQ(message_of<Error>([&] { randint(3, 3, {2}, generator); }),
            "randint: low must be less than high, got 3 and 3");
  EXPECT_EQ(generator.state(), Generator::State{.seed = 1});
}

TEST(Randperm, GivesEveryOrderEquallyOften) {
  Generator generator(4);
  std::map<std::vector<double>, double> seen;
  for (int i = 0; i < 12000; ++i) ++seen[values_of(randperm(4, generator))];
  std::vector<double> counts;
  for (const auto& [order, count] : seen) counts.push_back(count);
  ASSERT_EQ(counts.size(), 24U);
  EXPECT_LT(chi_square(counts, std::vector<double>(24, 1)), 58);
  EXPECT_EQ(randperm(0, generator).shape(), (Shape{0}));
}

TEST(Randperm, RejectsANegativeNumber) {
  EXPECT_EQ(message_of<Error>([] { randperm(-1); }), "randperm: n must not be negative, got -1");
  EXPECT_THROW(randperm(std::numeric_limits<std::int64_t>::max()), Error);
}

TEST(Bernoulli, HasTheRateThatEachElementGives) {
  for (const DType dtype : {float32, float64}) {
    Generator generator(5);
    const std::vector<double> rates{0, 0.01, 0.25, 0.5, 0.9, 1};
    const Tensor x = bernoulli(broadcast_to(from_vector(rates).to(dtype), {50000, 6}), generator);
    EXPECT_EQ(x.dtype(), dtype);
    const std::vector<double> means = values_of(mean(x, {0}));
    for (std::size_t k = 0; k < rates.size(); ++k) {
      EXPECT_NEAR(means[k], rates[k], 4 * std::sqrt(rates[k] * (1 - rates[k]) / 50000)) << rates[k];
    }
    for (const double value : values_of(x)) ASSERT_TRUE(value == 0 || value == 1);
  }
}

TEST(Bernoulli, DrawsTheSameForEitherType) {
  // By numbers of 53 bits: with the 24 of a float a probability below 2^-24 would count as that.
  Generator a(5);
  Generator b(5);
  const Tensor probabilities = rand({1000}, float32, a);
  b.set_state(a.state());
  EXPECT_EQ(values_of(bernoulli(probabilities, a)), values_of(bernoulli(probabilities.to(float64), b)));
}

TEST(Bernoulli, NamesWhatIsNoProbability) {
  Generator generator(1);
  expect_error<Error>(
      [&] {
        bernoulli(from_data({{0, 1}, {0.5, 1.5}}), generator);
      },
      "bernoulli: probabilities has 1.5 at [1, 1], which is outside [0, 1]");
  expect_error<Error>([&] { bernoulli(from_data({-0.5}), generator); }, "bernoulli: probabilities has -0.5 at [0]");
  expect_error<Error>([&] { bernoulli(from_data({std::nan("")}), generator); }, "has nan at [0]");
  EXPECT_EQ(generator.state(), Generator::State{.seed = 1});
}

TEST(Multinomial, DrawsInProportionToTheWeights) {
  const std::vector<double> weights{3, 0.5, 0, 1, 2};
  for (const DType dtype : {float32, float64}) {
    Generator generator(6);
    const Tensor x = multinomial(from_vector(weights).to(dtype), 100000, true, generator);
    EXPECT_EQ(x.shape(), (Shape{100000}));
    std::vector<double> counts = counts_of(x, 5);
    EXPECT_EQ(counts[2], 0);
    counts.erase(counts.begin() + 2);
    EXPECT_LT(chi_square(counts, {3, 0.5, 1, 2}), 21);  // 3 degrees of freedom: exceeded once in 10^4
  }
}

TEST(Multinomial, HasRowsOfTheirOwn) {
  Generator generator(6);
  const Tensor weights = from_data({{{1, 1, 0}, {0, 0, 2}}, {{1, 3, 0}, {0, 1, 1}}});
  const Tensor x = multinomial(weights, 20000, true, generator);
  ASSERT_EQ(x.shape(), (Shape{2, 2, 20000}));
  EXPECT_LT(chi_square(counts_of(x[0][0], 2), {1, 1}), 15);
  EXPECT_EQ(counts_of(x[0][1], 3)[2], 20000);
  EXPECT_LT(chi_square(counts_of(x[1][0], 2), {1, 3}), 15);
  EXPECT_LT(chi_square(counts_of(x[1][1] - 1, 2), {1, 1}), 15);
}

TEST(Multinomial, DrawsOneAfterTheOtherWithoutReplacement) {
  // P(first, then second) = w_first / 6 w_second / (6 - w_first).
  const std::vector<double> weights{1, 2, 3};
  Generator generator(7);
  const Tensor rows = broadcast_to(from_vector(weights), {60000, 3});
  const Tensor x = multinomial(rows, 2, false, generator);
  std::vector<double> counts;
  std::vector<double> likely;
  const Tensor pairs = select(x, 1, 0) * 3 + select(x, 1, 1);
  const std::vector<double> all = counts_of(pairs, 9);
  for (std::size_t first = 0; first < 3; ++first) {
    EXPECT_EQ(all[3 * first + first], 0) << "drawn twice";
    for (std::size_t second = 0; second < 3; ++second) {
      if (first == second) continue;
      counts.push_back(all[3 * first + second]);
      likely.push_back(weights[first] / 6 * weights[second] / (6 - weights[first]));
    }
  }
  EXPECT_LT(chi_square(counts, likely), 26);  // 5 degrees of freedom
}

TEST(Multinomial, TakesWeightsOfAnySize) {
  Generator generator(8);
  const double largest = std::numeric_limits<double>::max();
  const double smallest = std::numeric_limits<double>::denorm_min();
  for (const double weight : {largest, smallest}) {
    const Tensor weights = from_vector(std::vector<double>{weight, 0, weight});
    EXPECT_LT(chi_square(counts_of(multinomial(weights, 10000, true, generator) / 2, 2), {1, 1}), 15);
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(sum(multinomial(weights, 2, false, generator)).item(), 2);
    }
  }
  // What is as good as impossible comes last, but it comes before the impossible.
  const Tensor weights = from_vector(std::vector<double>{smallest, 0, largest});
  EXPECT_EQ(values_of(multinomial(weights, 2, false, generator)), (std::vector<double>{2, 0}));
}

TEST(Multinomial, NamesTheRowThatCannotBeDrawnFrom) {
  Generator generator(1);
  const auto message = [&](const NestedList& weights, std::int64_t count, bool replacement) {
    return message_of<Error>([&] { multinomial(from_data(weights), count, replacement, generator); });
  };
  EXPECT_EQ(message({{1, 1}, {1, -0.5}}, 1, true),
            "multinomial: row [1] of weights has -0.5 at 1; weights must be finite and not negative");
  EXPECT_EQ(message({std::nan(""), 1}, 1, true),
            "multinomial: weights has nan at 0; weights must be finite and not negative");
  EXPECT_EQ(message({std::numeric_limits<double>::infinity()}, 1, false),
            "multinomial: weights has inf at 0; weights must be finite and not negative");
  EXPECT_EQ(message({{{1, 1}}, {{0, 0}}}, 1, true),
            "multinomial: row [1, 0] of weights has 0 weights above 0, fewer than the 1 to be drawn");
  EXPECT_EQ(message({{1, 1, 1}, {1, 0, 3}}, 3, false),
            "multinomial: row [1] of weights has 2 weights above 0, fewer than the 3 to be drawn");
  EXPECT_EQ(message({1, 2}, -1, true), "multinomial: count must not be negative, got -1");
  EXPECT_EQ(message(1, 1, true), "multinomial: weights must be [..., K], got a scalar");
  EXPECT_THROW(multinomial(ones({2}, int64), 1), DTypeError);
  EXPECT_EQ(generator.state(), Generator::State{.seed = 1}) << "drawn from in vain";
}

TEST(Multinomial, DrawsNothingIfNothingIsAskedFor) {
  EXPECT_EQ(multinomial(zeros({3, 2}), 0).shape(), (Shape{3, 0}));
  EXPECT_EQ(multinomial(zeros({3, 0}), 0, true).shape(), (Shape{3, 0}));
  EXPECT_EQ(multinomial(zeros({0, 2}), 2).shape(), (Shape{0, 2}));
  EXPECT_THROW(multinomial(zeros({3, 0}), 1, true), Error);
}

TEST(Normal, HasItsMeanAndDeviation) {
  for (const DType dtype : {float32, float64}) {
    Generator generator(9);
    const Tensor deviation = from_data({{0.5}, {3}}, dtype);
    const Tensor x = normal(full({}, 10, dtype), broadcast_to(deviation, {2, 50000}), generator);
    EXPECT_EQ(x.dtype(), dtype);
    EXPECT_NEAR(mean_of(numbers(x[0])), 10, 0.01);
    EXPECT_NEAR(variance_of(numbers(x[0])), 0.25, 0.008);
    EXPECT_NEAR(mean_of(numbers(x[1])), 10, 0.06);
    EXPECT_NEAR(variance_of(numbers(x[1])), 9, 0.25);
  }
}

TEST(Normal, TakesTheNumbersOfRandn) {
  for (const DType dtype : {float32, float64}) {
    Generator a(10);
    Generator b(10);
    EXPECT_EQ(values_of(normal(zeros({7, 1}, dtype), ones({9}, dtype), a)), values_of(randn({7, 9}, dtype, b)));
    EXPECT_EQ(a.state(), b.state());
    EXPECT_EQ(values_of(normal(full({5}, 3, dtype), zeros({}, dtype), a)), std::vector<double>(5, 3));
  }
}

TEST(Normal, PassesGradientsToMeanAndDeviation) {
  Generator generator(11);
  const Tensor m = full({3}, 5, float64).requires_grad(true);
  const Tensor d = full({2, 1}, 2, float64).requires_grad(true);
  const Tensor x = normal(m, d, generator);
  const Tensor e = (x.detach() - 5) / 2;
  const auto gradients = grad(sum(x * 3), {m, d});
  EXPECT_EQ(values_of(gradients[0]), (std::vector<double>{6, 6, 6}));
  const std::vector<double> expected = values_of(sum(e * 3, {1}, true));
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(gradients[1].data<double>()[i], expected[i], 1e-12);
}

TEST(Normal, NamesADeviationBelowZero) {
  Generator generator(1);
  EXPECT_EQ(message_of<Error>([&] {
              normal(zeros({2}), from_data({{1, 2}, {0, -0.5}}), generator);
            }),
            "normal: deviation has -0.5 at [1, 1], which is below 0");
  expect_error<ShapeError>([&] { normal(zeros({2}), ones({3}), generator); }, "normal: shapes [2] and [3]");
  expect_error<DTypeError>([&] { normal(zeros({2}), ones({2}, float64), generator); }, "normal: mean is float32");
  expect_error<DTypeError>([&] { normal(zeros({2}, int64), ones({2}, int64), generator); }, "normal: mean is int64");
  EXPECT_EQ(generator.state(), Generator::State{.seed = 1});
  EXPECT_TRUE(std::isnan(values_of(normal(zeros({1}), full({1}, std::nan("")), generator))[0]));
}

TEST(RandomOps, RepeatThemselvesForASeedWhateverTheNumberOfThreads) {
  const std::vector<std::pair<const char*, std::function<Tensor(Generator&)>>> draws = {
      {"randint", [](Generator& g) { return randint(0, 1000, {200000}, g); }},
      {"randperm", [](Generator& g) { return randperm(1000, g); }},
      {"bernoulli", [](Generator& g) { return bernoulli(full({200000}, 0.3), g); }},
      {"multinomial",
       [](Generator& g) {
         return multinomial(ones({1000, 40}), 10, false, g);
       }},
      {"with replacement",
       [](Generator& g) {
         return multinomial(ones({1000, 40}), 100, true, g);
       }},
      {"normal", [](Generator& g) { return normal(zeros({200000}), ones({}), g); }},
  };
  const int before = num_threads();
  for (const auto& [name, draw] : draws) {
    SCOPED_TRACE(name);
    Generator other(4);
    set_num_threads(1);
    Generator first(3);
    const std::vector<double> expected = values_of(draw(first));
    EXPECT_NE(values_of(draw(first)), expected) << "the generator did not move on";
    EXPECT_NE(values_of(draw(other)), expected);
    for (const int threads : {2, 4}) {
      set_num_threads(threads);
      Generator again(3);
      EXPECT_EQ(values_of(draw(again)), expected) << threads << " threads";
    }
  }
  set_num_threads(before);
}

TEST(Dropout, DropsTheShareAskedForAndScalesTheRest) {
  Generator generator(2);
  const auto v = numbers(dropout(full({100000}, 3), 0.25, true, generator));
  const auto dropped = std::count(v.begin(), v.end(), 0.0);
  EXPECT_NEAR(static_cast<double>(dropped) / 1e5, 0.25, 0.01);
  for (const double x : v) EXPECT_TRUE(x == 0 || x == 4) << x;
}

TEST(Dropout, IsTheIdentityInEvaluationAndForZero) {
  Generator generator(2);
  const Tensor x = ones({3}).requires_grad(true);
  EXPECT_EQ(dropout(x, 0.5, false, generator).data<float>().data(), x.data<float>().data());
  EXPECT_EQ(dropout(x, 0, true, generator).data<float>().data(), x.data<float>().data());
  EXPECT_EQ(generator.state(), Generator::State{.seed = 2}) << "nothing was to be drawn";
}

TEST(Dropout, GivesTheGradientToWhatItKept) {
  Generator generator(2);
  const Tensor x = full({1000}, 2, float64).requires_grad(true);
  const Tensor y = dropout(x, 0.5, true, generator);
  const Tensor gradient = grad(sum(y), x);
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(gradient.data<double>()[i], y.data<double>()[i] / 2);
}

TEST(Dropout, HasHigherDerivativesWithTheSameMask) {
  const auto f = [](const Tensor& x) {
    Generator generator(2);
    const Tensor y = dropout(x, 0.5, true, generator);
    return y * y * y;
  };
  const GradcheckReport report = gradcheck(f, {linspace(-1, 1, 20, float64).requires_grad(true)}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
}

TEST(Dropout, DropsInfinitiesToo) {
  Generator generator(2);
  for (const double x : numbers(dropout(full({100}, std::numeric_limits<double>::infinity()), 0.5, true, generator))) {
    EXPECT_FALSE(std::isnan(x));
  }
}

TEST(Dropout, RejectsAShareOutsideZeroToOne) {
  EXPECT_THROW(dropout(ones({2}), 1), Error);
  EXPECT_THROW(dropout(ones({2}), -0.1), Error);
  EXPECT_THROW(dropout(ones({2}), std::nan("")), Error);
  EXPECT_THROW(dropout(ones({2}), 2, false), Error);
}

}  // namespace
}  // namespace wengert
