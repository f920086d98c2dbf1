#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd.h>
#include <wengert/nn.h>

#include "tests/expect.h"
#include "tests/module_gradients.h"
#include "tests/near.h"
#include "tests/whole.h"

namespace wengert::nn {
namespace {

using Numbers = std::vector<double>;

/// Gives all parameters numbers that are not special: biases start as zeros, norms as ones.
template <class M>
M shaken(M module) {
  std::uint64_t seed = 100;
  for (const ParameterRef& parameter : module.parameters()) parameter.set(draw(parameter->shape(), ++seed) * 0.4);
  return module;
}

// ---------------------------------------------------------------------------------------------------------------------
// The same in plain loops over one sample.

/// Rows of [L, E].
std::vector<Numbers> rows_of(const Tensor& x) {
  std::vector<Numbers> rows;
  for (std::int64_t i = 0; i < x.dim(0); ++i) rows.push_back(values_of(x[i]));
  return rows;
}

/// Row `row` of weight times x, plus bias.
double affine(const Tensor& weight, const Tensor& bias, std::int64_t row, const Numbers& x) {
  const Numbers w = values_of(weight[row]);
  double sum = bias.defined() ? bias[row].item() : 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += w[i] * x[i];
  return sum;
}

struct Seen {
  std::vector<Numbers> output;                // [L][E]
  std::vector<std::vector<Numbers>> weights;  // [heads][L][S]
};

/// `looks(i, j)`: whether query i may look at key j.
template <class Looks>
Seen attend_plainly(const MultiHeadAttention& layer, std::int64_t heads, const Tensor& query, const Tensor& key,
                    const Tensor& value, Looks looks) {
  const std::int64_t width = layer.output.weight->dim(0);
  const std::int64_t features = width / heads;
  const auto project = [&](const Tensor& x, std::int64_t part) {
    std::vector<Numbers> result;
    for (const Numbers& row : rows_of(x)) {
      Numbers projected;
      for (std::int64_t i = 0; i < width; ++i) {
        projected.push_back(affine(layer.input.weight, layer.input.bias, part * width + i, row));
      }
      result.push_back(projected);
    }
    return result;
  };
  const std::vector<Numbers> q = project(query, 0);
  const std::vector<Numbers> k = project(key, 1);
  const std::vector<Numbers> v = project(value, 2);
  Seen seen;
  std::vector<Numbers> joined(q.size(), Numbers(static_cast<std::size_t>(width)));
  for (std::int64_t head = 0; head < heads; ++head) {
    const auto first = static_cast<std::size_t>(head * features);
    const auto size = static_cast<std::size_t>(features);
    std::vector<Numbers> weights(q.size(), Numbers(k.size()));
    for (std::size_t i = 0; i < q.size(); ++i) {
      double total = 0;
      for (std::size_t j = 0; j < k.size(); ++j) {
        if (!looks(i, j)) continue;
        double score = 0;
        for (std::size_t f = first; f < first + size; ++f) score += q[i][f] * k[j][f];
        weights[i][j] = std::exp(score / std::sqrt(static_cast<double>(features)));
        total += weights[i][j];
      }
      for (double& weight : weights[i]) weight = total > 0 ? weight / total : 0;
      for (std::size_t f = first; f < first + size; ++f) {
        for (std::size_t j = 0; j < k.size(); ++j) joined[i][f] += weights[i][j] * v[j][f];
      }
    }
    seen.weights.push_back(weights);
  }
  for (const Numbers& row : joined) {
    Numbers out;
    for (std::int64_t i = 0; i < width; ++i) out.push_back(affine(layer.output.weight, layer.output.bias, i, row));
    seen.output.push_back(out);
  }
  return seen;
}

void expect_seen(const AttentionResult& result, std::int64_t sample, const Seen& expected) {
  for (std::size_t i = 0; i < expected.output.size(); ++i) {
    expect_near(result.output[sample][static_cast<std::int64_t>(i)], from_vector(expected.output[i]));
    for (std::size_t head = 0; head < expected.weights.size(); ++head) {
      expect_near(result.weights[sample][static_cast<std::int64_t>(head)][static_cast<std::int64_t>(i)],
                  from_vector(expected.weights[head][i]));
    }
  }
}

constexpr std::int64_t width = 6;
constexpr std::int64_t heads = 2;

MultiHeadAttention make_attention(const MultiHeadAttentionOptions& options = {.dtype = float64}) {
  return shaken(MultiHeadAttention(width, heads, options));
}

// ---------------------------------------------------------------------------------------------------------------------
// Attention.

TEST(MultiHeadAttention, IsWhatPlainLoopsGive) {
  const Tensor query = draw({2, 3, width}, 1);
  const Tensor key = draw({2, 4, width}, 2);
  const Tensor value = draw({2, 4, width}, 3);
  for (const bool bias : {true, false}) {
    const MultiHeadAttention layer = make_attention({.bias = bias, .dtype = float64});
    const AttentionResult result = layer(query, key, value, {.weights = true});
    ASSERT_EQ(result.weights.shape(), (Shape{2, heads, 3, 4}));
    for (std::int64_t n = 0; n < 2; ++n) {
      expect_seen(result, n, attend_plainly(layer, heads, query[n], key[n], value[n], [](auto...) { return true; }));
    }
  }
}

TEST(MultiHeadAttention, ProjectsTensorsThatAreTheSameTogether) {
  const MultiHeadAttention layer = make_attention();
  const Tensor x = draw({2, 4, width}, 1);
  const Tensor y = draw({2, 3, width}, 2);
  const auto copy = [](const Tensor& t) { return t + 0; };
  expect_near(layer(x), layer(copy(x), copy(x), copy(x)).output);
  expect_near(layer(x, x, x).output, layer(x));
  expect_near(layer(y, x, x).output, layer(y, copy(x), copy(x)).output);
  expect_same(layer(x, AttentionArguments{}).output, layer(x));
  EXPECT_FALSE(layer(x, x, x).weights.defined());
  // The same numbers, but another place on the tape.
  const Tensor leaf = x.detach().requires_grad(true);
  const std::vector<Tensor> gradients = grad({sum(square(layer(leaf, x, x).output))}, {leaf});
  const std::vector<Tensor> expected = grad({sum(square(layer(leaf, copy(x), copy(x)).output))}, {leaf});
  expect_near(gradients[0], expected[0]);
}

TEST(MultiHeadAttention, LooksWhereMasksAllowIt) {
  const MultiHeadAttention layer = make_attention();
  const Tensor query = draw({2, 3, width}, 1);
  const Tensor key = draw({2, 4, width}, 2);
  const Tensor mask = from_data({{1, 0, 1, 1}, {0, 1, 1, 0}, {1, 1, 0, 1}});
  const Tensor key_mask = sequence_mask(from_data({3, 1}, int64), 4);
  const auto flag = [](const Tensor& m, std::int64_t i, std::size_t j) {
    return m[i][static_cast<std::int64_t>(j)].item() != 0;
  };
  for (std::int64_t n = 0; n < 2; ++n) {
    const auto plainly = [&](auto looks) { return attend_plainly(layer, heads, query[n], key[n], key[n], looks); };
    const auto masked = [&](std::size_t i, std::size_t j) { return flag(mask, static_cast<std::int64_t>(i), j); };
    const auto padded = [&](std::size_t, std::size_t j) { return flag(key_mask, n, j); };
    expect_seen(layer(query, key, key, {.mask = mask, .weights = true}), n, plainly(masked));
    expect_seen(layer(query, key, key, {.key_mask = key_mask, .weights = true}), n, plainly(padded));
    expect_seen(layer(query, key, key, {.mask = mask.to(int64), .key_mask = key_mask, .weights = true}), n,
                plainly([&](std::size_t i, std::size_t j) { return masked(i, j) && padded(i, j); }));
    expect_seen(layer(query, key, key, {.causal = true, .weights = true}), n,
                plainly([](std::size_t i, std::size_t j) { return j <= i; }));
  }
}

TEST(MultiHeadAttention, TakesMasksForEachSampleAndForEachHead) {
  const MultiHeadAttention layer = make_attention();
  const Tensor x = draw({2, 3, width}, 1);
  const Tensor a = from_data({{1, 0, 1}, {1, 1, 0}, {0, 0, 1}});
  const Tensor b = from_data({{0, 1, 1}, {1, 0, 1}, {1, 1, 1}});
  const Tensor by_sample = layer(x, {.mask = stack({a, b})}).output;
  expect_near(by_sample[0], layer(x, {.mask = a}).output[0]);
  expect_near(by_sample[1], layer(x, {.mask = b}).output[1]);
  const Tensor weights = layer(x, {.mask = unsqueeze(stack({a, b}), 0), .weights = true}).weights;
  expect_near(select(weights, 1, 0), select(layer(x, {.mask = a, .weights = true}).weights, 1, 0));
  expect_near(select(weights, 1, 1), select(layer(x, {.mask = b, .weights = true}).weights, 1, 1));
  const Tensor bias = draw({3, 3}, 5);
  expect_near(layer(x, {.bias = bias}).output, layer(x, {.bias = broadcast_to(bias, {2, 3, 3})}).output);
}

TEST(MultiHeadAttention, IsNotTouchedByKeysThatNobodyLooksAt) {
  const MultiHeadAttention layer = make_attention();
  const Tensor query = draw({2, 3, width}, 1);
  const Tensor key_mask = sequence_mask(from_data({3, 1}, int64), 4);
  const Tensor present = unsqueeze(key_mask, 2).to(float64);
  const auto run = [&](const Tensor& memory) {
    const Tensor leaf = memory.detach().requires_grad(true);
    const Tensor output = layer(query, leaf, leaf, {.key_mask = key_mask}).output;
    return std::vector<Tensor>{output, grad({sum(square(output))}, {leaf})[0]};
  };
  const Tensor memory = draw({2, 4, width}, 2);
  const std::vector<Tensor> clean = run(memory);
  const std::vector<Tensor> other = run(where(present, memory, 100.0));
  expect_same(other[0], clean[0]);
  expect_same(clean[1] * (1 - present), zeros({2, 4, width}, float64));
  EXPECT_NE(sum(abs(clean[1])).item(), 0);
}

TEST(MultiHeadAttention, GivesTheOutputBiasWhereAQueryMayLookAtNothing) {
  const MultiHeadAttention layer = make_attention();
  const AttentionResult result = layer(draw({1, 2, width}, 1), {.key_mask = zeros({1, 2}), .weights = true});
  expect_near(result.output[0][1], layer.output.bias.value());
  expect_same(result.weights, zeros({1, heads, 2, 2}, float64));
}

TEST(MultiHeadAttention, HasTheGradientsOfItsArgumentsAndParameters) {
  const MultiHeadAttention layer = make_attention({.rotary = false, .dtype = float64});
  const Tensor query = draw({2, 3, width}, 1).requires_grad(true);
  const Tensor key = draw({2, 4, width}, 2).requires_grad(true);
  const Tensor value = draw({2, 4, width}, 3).requires_grad(true);
  const Tensor bias = draw({3, 4}, 4).requires_grad(true);
  const Tensor key_mask = sequence_mask(from_data({3, 4}, int64), 4);
  const GradcheckReport report = gradcheck(
      [&](const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& b) {
        const AttentionResult result = layer(q, k, v, {.key_mask = key_mask, .bias = b, .weights = true});
        return std::vector<Tensor>{result.output, result.weights};
      },
      {query, key, value, bias});
  EXPECT_TRUE(report) << report.text;
  expect_parameter_gradients(layer, [&] { return sum(square(layer(query, key, value).output)); });
  expect_parameter_gradients(layer, [&] { return sum(square(layer(query, key, key).output)); });
  expect_parameter_gradients(layer, [&] { return sum(square(layer(key, {.causal = true}).output)); });
  const GradcheckReport self = gradcheck([&](const Tensor& x) { return layer(x); }, {key}, {.order = 2});
  EXPECT_TRUE(self) << self.text;
}

TEST(MultiHeadAttention, DropsWeightsInTrainingOnly) {
  MultiHeadAttention layer = make_attention({.dropout = 0.5, .dtype = float64});
  const Tensor x = draw({2, 4, width}, 1);
  manual_seed(1);
  const AttentionResult trained = layer(x, {.weights = true});
  manual_seed(1);
  expect_same(layer(x), trained.output);
  layer.eval();
  const AttentionResult evaluated = layer(x, {.weights = true});
  EXPECT_NE(values_of(evaluated.output), values_of(trained.output));
  expect_same(layer(x), evaluated.output);
  expect_same(trained.weights, evaluated.weights);
}

TEST(MultiHeadAttention, WithRotaryPositionsDependsOnDistancesOnly) {
  // One head whose queries and keys are the same at every step: scores are a matter of positions alone.
  MultiHeadAttention layer(4, 1, {.rotary = true, .dtype = float64});
  const Tensor x = broadcast_to(draw({1, 1, 4}, 1), {1, 5, 4});
  const Tensor logs = log(layer(x, {.weights = true}).weights)[0][0];
  const auto difference = [&](std::int64_t i, std::int64_t j, std::int64_t k) {
    return logs[i][j].item() - logs[i][k].item();
  };
  EXPECT_NEAR(difference(0, 1, 2), difference(2, 3, 4), 1e-12);
  EXPECT_NEAR(difference(3, 0, 1), difference(4, 1, 2), 1e-12);
  EXPECT_GT(std::abs(difference(0, 1, 2)), 1e-6);
}

TEST(MultiHeadAttention, StartsAsInPyTorch) {
  const MultiHeadAttention layer(64, 4);
  EXPECT_EQ(values_of(layer.input.bias), Numbers(192));
  EXPECT_EQ(values_of(layer.output.bias), Numbers(64));
  const Numbers weights = values_of(abs(layer.input.weight.value()));
  const double bound = std::sqrt(6.0 / (64 + 192));
  EXPECT_LE(*std::max_element(weights.begin(), weights.end()), bound + 1e-7);
  EXPECT_GT(*std::max_element(weights.begin(), weights.end()), 0.99 * bound);
  EXPECT_EQ(layer.parameter_count(), 4 * (64 * 64 + 64));
  EXPECT_EQ(MultiHeadAttention(64, 4, {.bias = false}).parameter_count(), 4 * 64 * 64);
}

TEST(MultiHeadAttention, RejectsWhatDoesNotFit) {
  const MultiHeadAttention layer(width, heads);
  const auto expect = [&](const Shape& q, const Shape& k, const Shape& v, const AttentionArguments& arguments,
                          const std::string& text) {
    expect_error<ShapeError>([&] { layer(zeros(q), zeros(k), zeros(v), arguments); }, "MultiHeadAttention: " + text);
  };
  const Shape q{2, 3, width};
  const Shape k{2, 4, width};
  expect({3, width}, k, k, {}, "query has shape [3, 6], expected [N, L, 6]");
  expect(q, {2, 4, 5}, k, {}, "key has shape [2, 4, 5], expected [N, S, 6]");
  expect(q, k, {2, 4, 5}, {}, "value has shape [2, 4, 5], expected [N, S, 6]");
  expect(q, {1, 4, width}, k, {}, "query [2, 3, 6], key [1, 4, 6] and value [2, 4, 6] must agree in N");
  expect(q, k, {2, 5, width}, {}, "query [2, 3, 6], key [2, 4, 6] and value [2, 5, 6] must agree in N, key and value");
  expect(q, k, k, {.key_mask = ones({2, 3})}, "key_mask has shape [2, 3], expected [N, S]: [2, 4]");
  expect(q, k, k, {.mask = ones({4, 3})}, "scaled_dot_product_attention: mask must broadcast to [..., L, S]");
  expect_error<Error>([] { MultiHeadAttention(6, 4); }, "MultiHeadAttention: heads must divide width, got 4 and 6");
  expect_error<Error>([] { MultiHeadAttention(0, 1); }, "width and heads must be at least 1, got 0 and 1");
  expect_error<Error>([] { MultiHeadAttention(6, 2, {.dropout = -0.1}); }, "dropout must be at least 0 and below 1");
  expect_error<Error>([] { MultiHeadAttention(6, 2, {.rotary = true}); },
                      "even number of features for each head, got 3");
  expect_error<DTypeError>([&] { layer(zeros({2, 3, width}, float64)); }, "input (Dense): linear: x is float64");
}

// ---------------------------------------------------------------------------------------------------------------------
// Positions.

TEST(SinusoidalPositions, AddTheFormulaOfThePaper) {
  const Tensor y = SinusoidalPositions(4, {.dtype = float64})(zeros({2, 3, 4}, float64));
  for (std::int64_t t = 0; t < 3; ++t) {
    const auto at = static_cast<double>(t);
    expect_near(y[1][t], from_data({std::sin(at), std::cos(at), std::sin(at / 100), std::cos(at / 100)}, float64));
  }
  expect_near(SinusoidalPositions(3, {.dtype = float64})(ones({2, 3}, float64))[1],
              from_data({1 + std::sin(1.0), 1 + std::cos(1.0), 1 + std::sin(std::pow(10000, -2.0 / 3))}, float64));
  EXPECT_TRUE(SinusoidalPositions(4).state_dict().empty());
}

TEST(LearnedPositions, AddARowForEachStep) {
  const LearnedPositions layer(5, 4, {.dtype = float64});
  const Tensor x = draw({2, 3, 4}, 1);
  expect_same(layer(x), x + layer.weight->slice(0, 3));
  sum(layer(x)).backward();
  EXPECT_EQ(values_of(sum(layer.weight.grad(), {1})), (Numbers{8, 8, 8, 0, 0}));
  expect_parameter_gradients(layer, [&] { return sum(square(layer(x))); });
}

TEST(Positions, RejectWhatDoesNotFitAndDropInTrainingOnly) {
  expect_error<ShapeError>(
      [] {
        LearnedPositions(5, 4)(zeros({2, 6, 4}));
      },
      "LearnedPositions: x has 6 steps, more than the 5 positions there are");
  expect_error<ShapeError>(
      [] {
        SinusoidalPositions(4)(zeros({2, 6, 3}));
      },
      "SinusoidalPositions: x has shape [2, 6, 3], expected [..., L, 4]");
  expect_error<Error>([] { LearnedPositions(0, 4); }, "LearnedPositions: length and width must be at least 1");
  expect_error<Error>([] { SinusoidalPositions(4, {.dropout = 1}); }, "dropout must be at least 0 and below 1");
  SinusoidalPositions layer(4, {.dropout = 0.5});
  EXPECT_NE(values_of(layer(ones({2, 6, 4}))), values_of(SinusoidalPositions(4)(ones({2, 6, 4}))));
  layer.eval();
  expect_same(layer(ones({2, 6, 4})), SinusoidalPositions(4)(ones({2, 6, 4})));
  EXPECT_EQ(to_string(LearnedPositions(5, 4, {.dropout = 0.1})), "LearnedPositions(4, length 5, dropout 0.1)");
}

TEST(RotaryPositions, TurnPairsOfFeaturesByTheirStep) {
  const Tensor y = rotary_positions(from_data({{1, 2, 3, 4}, {1, 2, 3, 4}}, float64));
  expect_near(y[0], from_data({1, 2, 3, 4}, float64));
  const double c0 = std::cos(1.0);
  const double s0 = std::sin(1.0);
  const double c1 = std::cos(0.01);
  const double s1 = std::sin(0.01);
  expect_near(y[1], from_data({c0 - 3 * s0, 2 * c1 - 4 * s1, s0 + 3 * c0, 2 * s1 + 4 * c1}, float64));
  const GradcheckReport report =
      gradcheck([](const Tensor& x) { return rotary_positions(x, 10); }, {draw({2, 3, 4}, 1).requires_grad(true)});
  EXPECT_TRUE(report) << report.text;
  expect_error<ShapeError>([] { rotary_positions(zeros({2, 3})); }, "rotary_positions: x has shape [2, 3]");
}

// ---------------------------------------------------------------------------------------------------------------------
// Transformers.

constexpr TransformerLayerOptions small{.feedforward = 5, .dropout = 0, .dtype = float64};

TransformerLayerOptions with(TransformerActivation activation, bool norm_first) {
  TransformerLayerOptions options = small;
  options.activation = activation;
  options.norm_first = norm_first;
  return options;
}

Tensor normalized(const Tensor& x, const std::vector<ParameterRef>& norm) {
  const Tensor centred = x - mean(x, {-1}, true);
  return centred / sqrt(mean(square(centred), {-1}, true) + 1e-5) * norm[0] + norm[1];
}

TEST(TransformerEncoderLayer, IsItsFormula) {
  const Tensor x = draw({2, 4, width}, 1);
  for (const bool norm_first : {false, true}) {
    const auto layer = shaken(TransformerEncoderLayer(width, heads, with(TransformerActivation::gelu, norm_first)));
    const auto norm1 = [&](const Tensor& t) { return normalized(t, layer.norm1.parameters()); };
    const auto norm2 = [&](const Tensor& t) { return normalized(t, layer.norm2.parameters()); };
    const auto feed = [&](const Tensor& t) { return layer.linear2(gelu(layer.linear1(t))); };
    Tensor y;
    if (norm_first) {
      y = x + layer.attention(norm1(x));
      y = y + feed(norm2(y));
    } else {
      y = norm1(x + layer.attention(x));
      y = norm2(y + feed(y));
    }
    expect_near(layer(x), y);
  }
}

TEST(TransformerEncoderLayer, PassesItsArgumentsOn) {
  const auto layer = shaken(TransformerEncoderLayer(width, heads, small));
  const Tensor x = draw({2, 4, width}, 1);
  const Tensor other = cat({slice(x, 1, 0, 3), draw({2, 1, width}, 2)}, 1);
  // Nobody looks at the last step, whose own output may differ.
  const auto first = [&](const Tensor& input, const EncoderArguments& arguments) {
    return slice(layer(input, arguments), 1, 0, 3);
  };
  const Tensor lengths = from_data({3, 3}, int64);
  expect_same(first(x, {.causal = true}), first(other, {.causal = true}));
  expect_same(first(x, {.mask = from_data({1, 1, 1, 0})}), first(other, {.mask = from_data({1, 1, 1, 0})}));
  expect_same(first(x, {.key_mask = sequence_mask(lengths, 4)}), first(other, {.key_mask = sequence_mask(lengths, 4)}));
  EXPECT_NE(values_of(first(x, {})), values_of(first(other, {})));
}

TEST(TransformerEncoderLayer, HasTheGradientsOfItsInputAndParameters) {
  for (const auto activation :
       {TransformerActivation::relu, TransformerActivation::gelu, TransformerActivation::silu}) {
    for (const bool norm_first : {false, true}) {
      const auto layer = shaken(TransformerEncoderLayer(width, heads, with(activation, norm_first)));
      const Tensor x = draw({2, 4, width}, 1).requires_grad(true);
      const EncoderArguments arguments{.key_mask = sequence_mask(from_data({3, 4}, int64), 4), .causal = true};
      const GradcheckReport report = gradcheck([&](const Tensor& input) { return layer(input, arguments); }, {x});
      EXPECT_TRUE(report) << report.text;
      expect_parameter_gradients(layer, [&] { return sum(layer(x, arguments) * draw({2, 4, width}, 7)); });
    }
  }
}

TEST(TransformerDecoderLayer, IsItsFormula) {
  const Tensor x = draw({2, 4, width}, 1);
  const Tensor memory = draw({2, 3, width}, 2);
  const auto layer = shaken(TransformerDecoderLayer(width, heads, small));
  const Tensor memory_mask = sequence_mask(from_data({2, 3}, int64), 3);
  Tensor y = normalized(x + layer.attention(x, {.causal = true}).output, layer.norm1.parameters());
  y = normalized(y + layer.memory_attention(y, memory, memory, {.key_mask = memory_mask}).output,
                 layer.norm2.parameters());
  y = normalized(y + layer.linear2(relu(layer.linear1(y))), layer.norm3.parameters());
  expect_near(layer(x, memory, {.memory_key_mask = memory_mask}), y);
  EXPECT_NE(values_of(layer(x, memory, {.causal = false})), values_of(layer(x, memory)));
}

TEST(TransformerDecoderLayer, HasTheGradientsOfItsInputsAndParameters) {
  for (const bool norm_first : {false, true}) {
    const auto layer = shaken(TransformerDecoderLayer(width, heads, with(TransformerActivation::gelu, norm_first)));
    const Tensor x = draw({2, 4, width}, 1).requires_grad(true);
    const Tensor memory = draw({2, 3, width}, 2).requires_grad(true);
    const GradcheckReport report =
        gradcheck([&](const Tensor& a, const Tensor& b) { return layer(a, b); }, {x, memory});
    EXPECT_TRUE(report) << report.text;
    expect_parameter_gradients(layer, [&] { return sum(layer(x, memory) * draw({2, 4, width}, 7)); });
  }
}

TEST(TransformerEncoder, IsItsLayersOnTopOfEachOther) {
  const Tensor x = draw({2, 4, width}, 1);
  const auto post = shaken(TransformerEncoder(width, heads, {.layers = 2, .layer = small}));
  expect_same(post(x, {.causal = true}), post.layers[1](post.layers[0](x, {.causal = true}), {.causal = true}));
  const auto pre =
      shaken(TransformerEncoder(width, heads, {.layers = 2, .layer = with(TransformerActivation::relu, true)}));
  const std::vector<ParameterRef> all = pre.parameters();
  expect_near(pre(x), normalized(pre.layers[1](pre.layers[0](x)), {all[all.size() - 2], all[all.size() - 1]}));
  EXPECT_EQ(pre.named_parameters().back().first, "norm.bias");
  EXPECT_EQ(post.named_parameters().back().first, "layers.1.norm2.bias");
  EXPECT_EQ(TransformerEncoder(width, heads, {.layers = 2, .layer = small, .final_norm = true}).parameters().size(),
            post.parameters().size() + 2);
}

TEST(TransformerEncoder, StartsWithOtherWeightsInEachLayer) {
  const TransformerEncoder encoder(width, heads, {.layers = 2, .layer = small});
  EXPECT_NE(values_of(encoder.layers[0].linear1.weight), values_of(encoder.layers[1].linear1.weight));
}

TEST(TransformerDecoder, IsItsLayersOnTopOfEachOther) {
  const Tensor x = draw({2, 4, width}, 1);
  const Tensor memory = draw({2, 3, width}, 2);
  const auto decoder = shaken(TransformerDecoder(width, heads, {.layers = 2, .layer = small}));
  expect_same(decoder(x, memory), decoder.layers[1](decoder.layers[0](x, memory), memory));
}

TEST(Transformers, RoundTripThroughAStateDict) {
  const TransformerOptions options{.layers = 2, .layer = with(TransformerActivation::silu, true)};
  const auto source = shaken(TransformerEncoder(width, heads, options));
  TransformerEncoder target(width, heads, options);
  target.load_state_dict(source.state_dict());
  const Tensor x = draw({2, 4, width}, 1);
  expect_same(target(x), source(x));
  const TransformerEncoder copy = source;
  expect_same(copy(x), source(x));
}

TEST(Transformers, AssignedAModelKeepTheParametersThatAnOptimizerKnows) {
  const TransformerOptions options{.layers = 2, .layer = with(TransformerActivation::silu, true)};
  TransformerEncoder encoder(width, heads, options);
  const std::vector<ParameterRef> known = encoder.parameters();
  const auto other = shaken(TransformerEncoder(width, heads, options));
  encoder = other;
  expect_same(encoder(draw({2, 4, width}, 1)), other(draw({2, 4, width}, 1)));
  encoder = TransformerEncoder(width, heads, options);
  const std::vector<ParameterRef> after = encoder.parameters();
  ASSERT_EQ(after.size(), known.size());
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(after[i].is(known[i]));
}

TEST(Transformers, DropInTrainingOnly) {
  TransformerLayerOptions options = small;
  options.dropout = 0.3;
  TransformerEncoder encoder(width, heads, {.layers = 1, .layer = options});
  const Tensor x = draw({2, 4, width}, 1);
  manual_seed(2);
  const Tensor trained = encoder(x);
  EXPECT_NE(values_of(encoder(x)), values_of(trained));
  manual_seed(2);
  expect_same(encoder(x), trained);
  encoder.eval();
  expect_same(encoder(x), encoder(x));
  TransformerEncoder same(width, heads, {.layers = 1, .layer = small});
  same.load_state_dict(encoder.state_dict());
  expect_same(encoder(x), same(x));
}

TEST(Transformers, GiveTheSameBitsForAnyNumberOfThreads) {
  const TransformerEncoder encoder(32, 4, {.layers = 2, .layer = {.dropout = 0.1}});
  Generator generator(3);
  const Tensor x = randn({8, 40, 32}, float32, generator);
  const auto run = [&](int threads) {
    set_num_threads(threads);
    manual_seed(5);
    std::vector<Tensor> leaves;
    for (const ParameterRef& parameter : encoder.parameters()) leaves.push_back(parameter);
    const Tensor output = encoder(x, {.causal = true});
    std::vector<Tensor> all = grad({sum(square(output))}, leaves);
    all.push_back(output);
    return all;
  };
  const int before = num_threads();
  const std::vector<Tensor> one = run(1);
  const std::vector<Tensor> two = run(2);
  set_num_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) expect_same(two[i], one[i]);
}

TEST(Transformers, RejectWhatDoesNotFit) {
  const Tensor x = zeros({2, 4, width});
  expect_error<Error>([&] { MultiHeadAttention(width, heads)(x, Tensor(), x); },
                      "MultiHeadAttention: key is undefined");
  expect_error<Error>([&] { TransformerDecoder(width, heads, {.layers = 1})(x, Tensor()); },
                      "layers.0.memory_attention (MultiHeadAttention): key is undefined");
  expect_error<Error>([&] { TransformerEncoder(width, heads, {.layers = 1})(Tensor(), {.causal = true}); },
                      "layers.0 (TransformerEncoderLayer): x is undefined");
  expect_error<ShapeError>(
      [] {
        TransformerEncoder(width, heads, {.layers = 2})(zeros({2, 4, 5}));
      },
      "layers.0.attention (MultiHeadAttention): query has shape [2, 4, 5], expected [N, L, 6]");
  expect_error<ShapeError>(
      [] {
        TransformerDecoder(width, heads, {.layers = 1})(zeros({2, 4, width}), zeros({2, 4, 5}));
      },
      "layers.0.memory_attention (MultiHeadAttention): key has shape [2, 4, 5], expected [N, S, 6]");
  expect_error<Error>([] { TransformerEncoder(width, heads, {.layers = 0}); },
                      "TransformerEncoder: layers must be at least 1, got 0");
  expect_error<Error>([] { TransformerEncoderLayer(width, heads, {.feedforward = 0}); },
                      "TransformerEncoderLayer: width and feedforward must be at least 1, got 6 and 0");
  expect_error<Error>([] { TransformerEncoderLayer(width, 4); }, "heads must divide width, got 4 and 6");
  expect_error<Error>([] { TransformerDecoderLayer(width, heads, {.dropout = 1}); },
                      "TransformerDecoderLayer: dropout must be at least 0 and below 1, got 1");
}

TEST(Transformers, PrintWhatDiffers) {
  EXPECT_EQ(TransformerEncoderLayer(64, 4, {.norm_first = true}).options(),
            "64, 4 heads, dropout 0.1, feedforward 256, relu, norm first");
  EXPECT_EQ(MultiHeadAttention(64, 4, {.bias = false, .rotary = true}).options(), "64, 4 heads, rotary, no bias");
}

TEST(Transformers, ShowTheirOutputsInASummaryAndToHooks) {
  TransformerDecoder decoder(width, heads, {.layers = 1});
  const Tensor x = zeros({2, 4, width});
  const Tensor memory = zeros({2, 3, width});
  const std::string text = decoder.summary([&] { decoder(x, memory); });
  for (const char* name : {"layers.0.memory_attention", "layers.0.linear1", "layers.0.norm3"}) {
    const std::size_t line = text.find(name);
    ASSERT_NE(line, text.npos) << text;
    EXPECT_NE(text.find("[2, 4, ", line), text.npos) << text;
  }
  decoder.layers[0].attention.register_forward_hook([](const Module&, const Tensor&, const Tensor& y) {
    check(y.shape() == Shape{2, 4, width}, "output {}", y.shape());
    return y * 0;
  });
  decoder(x, memory);
}

}  // namespace
}  // namespace wengert::nn
