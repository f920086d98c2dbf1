#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"
#include "tests/near.h"

namespace wengert {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Three queries, four keys, two features, in float64.
class Attention : public testing::Test {
 protected:
  static Tensor draw(const Shape& shape, std::uint64_t seed) {
    Generator generator(seed);
    return randn(shape, float64, generator).requires_grad(true);
  }

  Tensor attend(const AttentionOptions& options = {}) const {
    return scaled_dot_product_attention(query, key, value, options);
  }

  /// The gradients of query, key and value.
  std::vector<Tensor> gradients(const Tensor& y) const {
    return grad({y}, {query, key, value}, {.grad_outputs = {arange(0, 6, 1, float64).reshape({3, 2})}});
  }

  Tensor query = draw({3, 2}, 1);
  Tensor key = draw({4, 2}, 2);
  Tensor value = draw({4, 2}, 3);
};

TEST_F(Attention, AveragesValuesThatScoreTheSame) {
  expect_near(attend({.scale = 0}), broadcast_to(mean(value, {0}), {3, 2}), 1e-15);
}

TEST_F(Attention, PicksTheValueOfTheKeyThatScoresFarHighest) {
  const Tensor keys = eye(4, 4, float64);
  expect_near(scaled_dot_product_attention(slice(keys, 0, 1, 3), keys, value, {.scale = 1e30}), slice(value, 0, 1, 3),
              0);
}

TEST_F(Attention, ScalesByTheRootOfTheNumberOfFeatures) {
  expect_near(attend(), attend({.scale = 1 / std::sqrt(2.0)}), 0);
}

TEST_F(Attention, CausallyLooksAtNoKeyBehindTheQuery) {
  const Tensor y = attend({.causal = true});
  expect_near(y[0], value[0], 0);
  const Tensor masked = attend({.mask = tril(ones({3, 4}))});
  expect_near(y, masked, 1e-15);
  const auto causal = gradients(y);
  const auto explicitly = gradients(masked);
  for (std::size_t k = 0; k < 3; ++k) expect_near(causal[k], explicitly[k], 1e-14);
  expect_near(causal[2][3], zeros({2}, float64), 0);  // nobody looks at the last key
}

TEST_F(Attention, CausallyLooksAtAllKeysOnceThereAreMoreQueries) {
  const Tensor y = scaled_dot_product_attention(key, query, query, {.causal = true});
  const Tensor all = scaled_dot_product_attention(key, query, query);
  expect_near(y[2], all[2], 1e-15);
  expect_near(y[3], all[3], 1e-15);
}

TEST_F(Attention, TakesMasksOfAnyType) {
  const Tensor mask = from_data({1, 0, 1, 0}, DType::int64);
  const Tensor y = attend({.mask = mask});
  expect_near(attend({.mask = mask.to(float32)}), y, 0);
  expect_near(attend({.mask = mask.to(float64)}), y, 0);
  expect_near(attend({.mask = from_data({-3, 0, nan, -0.0}, float64)}), y, 0);
  // Not 0 in its own type, though it would be in the query's.
  const auto single = [&](const Tensor& m) {
    return scaled_dot_product_attention(query.to(float32), key.to(float32), value.to(float32), {.mask = m});
  };
  expect_near(single(from_data({1e-300, 0, 1, 0}, float64)), single(mask), 0);
}

TEST_F(Attention, TakesABiasOfMinusInfinityForAMask) {
  const Tensor bias = from_data({{0, -infinity, 0, 0}, {0, 0, -infinity, -infinity}, {0, 0, 0, 0}}, float64);
  const Tensor leaf = bias.detach().requires_grad(true);
  const Tensor biased = attend({.bias = leaf});
  const Tensor masked = attend({.mask = from_data({{1, 0, 1, 1}, {1, 1, 0, 0}, {1, 1, 1, 1}})});
  expect_near(biased, masked, 0);
  const Tensor of_bias = grad({biased}, {leaf}, {.grad_outputs = {ones({3, 2}, float64)}, .retain_graph = true})[0];
  EXPECT_EQ(of_bias.data<double>()[1], 0);
  EXPECT_EQ(of_bias.data<double>()[6], 0);
  EXPECT_NE(of_bias.data<double>()[0], 0);
  const auto a = gradients(biased);
  const auto b = gradients(masked);
  for (std::size_t k = 0; k < 3; ++k) expect_near(a[k], b[k], 0);
}

TEST_F(Attention, GivesAQueryThatMayLookAtNoKeyZerosAndNoGradient) {
  const Tensor bias = draw({3, 4}, 4);
  const Tensor hidden = where(from_data({{1, 1, 1, 1}, {0, 0, 0, 0}, {1, 1, 1, 1}}), 0.0, from_data({-infinity}));
  const Tensor mask = from_data({{1}, {0}, {1}});
  for (const AttentionOptions& options :
       {AttentionOptions{.mask = mask, .bias = bias}, AttentionOptions{.bias = bias + hidden.to(float64)}}) {
    const Tensor y = attend(options);
    expect_near(y[1], zeros({2}, float64), 0);
    const Tensor upstream = ones({3, 2}, float64);
    for (const bool again : {false, true}) {
      const auto all = grad({y}, {query, key, value, bias},
                            {.grad_outputs = {upstream}, .create_graph = again, .retain_graph = true});
      expect_near(all[0][1], zeros({2}, float64), 0);
      expect_near(all[3][1], zeros({4}, float64), 0);
      for (const Tensor& gradient : all) EXPECT_TRUE(std::isfinite(sum(abs(gradient)).item()));
    }
  }
}

TEST_F(Attention, IsNotTouchedByANaNThatNoQueryLooksAt) {
  const Tensor bad = cat({slice(key, 0, 0, 3), full({1, 2}, nan, float64)});
  const Tensor mask = from_data({1, 1, 1, 0});
  expect_near(scaled_dot_product_attention(query, bad, value, {.mask = mask}), attend({.mask = mask}), 0);
  expect_near(scaled_dot_product_attention(query, bad, value, {.causal = true}), attend({.causal = true}), 0);
  for (const double y : values_of(scaled_dot_product_attention(query, bad, value))) EXPECT_TRUE(std::isnan(y));
}

TEST_F(Attention, GivesZerosWhereThereAreNoKeys) {
  const Tensor none = zeros({0, 2}, float64);
  const Tensor y = scaled_dot_product_attention(query, none, none);
  expect_near(y, zeros({3, 2}, float64), 0);
  expect_near(grad(sum(y), query), zeros({3, 2}, float64), 0);
}

TEST_F(Attention, AveragesAllValuesWhereThereAreNoFeatures) {
  expect_near(scaled_dot_product_attention(zeros({3, 0}, float64), zeros({4, 0}, float64), value),
              broadcast_to(mean(value, {0}), {3, 2}), 1e-15);
}

TEST_F(Attention, MayBeMaskedForEachValueApart) {
  const Tensor values = stack({value, value * 2});
  const Tensor mask = from_data({{{1, 0, 0, 0}}, {{0, 1, 0, 0}}});  // [2, 1, 4]
  const Tensor y = scaled_dot_product_attention(query, key, values, {.mask = mask});
  expect_near(y[0], broadcast_to(value[0], {3, 2}), 0);
  expect_near(y[1], broadcast_to(value[1] * 2, {3, 2}), 0);
}

TEST_F(Attention, DoesNotRecordTheMask) {
  const Tensor mask = ones({4}, float64).requires_grad(true);
  const auto fixed = [](const Tensor& x) { return x.detach(); };
  EXPECT_FALSE(scaled_dot_product_attention(fixed(query), fixed(key), fixed(value), {.mask = mask}).requires_grad());
}

// ---------------------------------------------------------------------------------------------------------------------
// Dropout.

TEST_F(Attention, DropsWeightsByTheGeneratorGiven) {
  const auto attend_with = [&](std::uint64_t seed) {
    Generator generator(seed);
    return scaled_dot_product_attention(query, key, value, {.dropout = 0.5}, generator);
  };
  expect_near(attend_with(7), attend_with(7), 0);
  EXPECT_NE(values_of(attend_with(7)), values_of(attend_with(8)));
}

TEST_F(Attention, DropsNothingAndDrawsNothingWithoutDropout) {
  Generator generator(7);
  scaled_dot_product_attention(query, key, value, {}, generator);
  EXPECT_EQ(generator.state(), Generator(7).state());
}

TEST_F(Attention, ScalesTheWeightsThatStay) {
  // Equal scores and values of 1: an output is 2 times the share of the weights that stay.
  Generator generator(7);
  const Tensor y =
      scaled_dot_product_attention(zeros({100, 1}), zeros({200, 1}), ones({200, 1}), {.dropout = 0.5}, generator);
  EXPECT_NEAR(mean(y).item(), 1, 0.02);
  const double first = y.data<float>()[0] * 100;
  EXPECT_NEAR(first, std::round(first), 1e-3);
  EXPECT_NE(y.data<float>()[0], y.data<float>()[1]);
}

TEST_F(Attention, HasGradientsThroughDropout) {
  const auto f = [](const std::vector<Tensor>& in) {
    Generator generator(9);
    return scaled_dot_product_attention(in[0], in[1], in[2], {.causal = true, .dropout = 0.3}, generator);
  };
  const GradcheckReport report = gradcheck(f, {query, key, value}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors.

TEST_F(Attention, RejectsWhatDoesNotFit) {
  const auto f = [](const Shape& q, const Shape& k, const Shape& v) {
    return [=] { scaled_dot_product_attention(ones(q), ones(k), ones(v)); };
  };
  expect_error<ShapeError>(f({3}, {4, 2}, {4, 2}),
                           "scaled_dot_product_attention: query, key and value must be [..., L, E]");
  expect_error<ShapeError>(
      f({3, 2}, {4, 5}, {4, 2}),
      "scaled_dot_product_attention: query and key must have the same last size E; query is [3, 2], key is [4, 5]");
  expect_error<ShapeError>(f({3, 2}, {4, 2}, {5, 2}),
                           "scaled_dot_product_attention: key and value must have the same number S of rows; key is "
                           "[4, 2], value is [5, 2]");
  expect_error<ShapeError>(f({2, 3, 2}, {3, 4, 2}, {4, 2}), "scaled_dot_product_attention (leading axes): ");
  expect_error<ShapeError>(f({2, 3, 2}, {4, 2}, {3, 4, 2}), "scaled_dot_product_attention (leading axes): ");
  expect_error<DTypeError>([&] { scaled_dot_product_attention(query, key, value.to(float32)); },
                           "scaled_dot_product_attention: query is float64 and value is float32");
}

TEST_F(Attention, RejectsOptionsThatDoNotFit) {
  expect_error<ShapeError>(
      [&] {
        attend({.mask = ones({3, 3})});
      },
      "scaled_dot_product_attention: mask must broadcast to [..., L, S] = [3, 4], got [3, 3]");
  expect_error<ShapeError>(
      [&] {
        attend({.bias = ones({2, 3, 4}, float64)});
      },
      "scaled_dot_product_attention: bias must broadcast to [..., L, S] = [3, 4], got [2, 3, 4]");
  expect_error<DTypeError>(
      [&] {
        attend({.bias = ones({3, 4})});
      },
      "scaled_dot_product_attention: query is float64 and bias is float32");
  for (const double p : {-0.1, 1.0, nan}) {
    expect_error<Error>([&] { attend({.dropout = p}); },
                        "scaled_dot_product_attention: dropout must be in [0, 1), got");
  }
}

}  // namespace
}  // namespace wengert
