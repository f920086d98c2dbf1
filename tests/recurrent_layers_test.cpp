#include <cmath>
#include <limits>
#include <string>
#include <tuple>
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

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// ---------------------------------------------------------------------------------------------------------------------
// The same in plain loops over one sample.

using Numbers = std::vector<double>;

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// W x + b, of which b may be missing.
Numbers affine(const Tensor& weight, const Numbers& x, const Tensor& bias) {
  const Numbers w = values_of(weight);
  const Numbers b = bias.defined() ? values_of(bias) : Numbers(static_cast<std::size_t>(weight.dim(0)));
  Numbers y = b;
  for (std::size_t row = 0; row < y.size(); ++row) {
    for (std::size_t i = 0; i < x.size(); ++i) y[row] += w[row * x.size() + i] * x[i];
  }
  return y;
}

struct Plain {
  Numbers h;
  Numbers c;
};

void step(const RNNCell& cell, const Numbers& x, Plain& state) {
  const Numbers a = affine(cell.input_weight, x, cell.input_bias);
  const Numbers b = affine(cell.hidden_weight, state.h, cell.hidden_bias);
  for (std::size_t j = 0; j < state.h.size(); ++j) {
    const double sum = a[j] + b[j];
    state.h[j] = cell.activation() == RnnActivation::relu ? std::max(sum, 0.0) : std::tanh(sum);
  }
}

void step(const LSTMCell& cell, const Numbers& x, Plain& state) {
  const Numbers a = affine(cell.input_weight, x, cell.input_bias);
  const Numbers b = affine(cell.hidden_weight, state.h, cell.hidden_bias);
  const std::size_t n = state.h.size();
  for (std::size_t j = 0; j < n; ++j) {
    const auto gate = [&](std::size_t number) { return a[number * n + j] + b[number * n + j]; };
    state.c[j] = logistic(gate(1)) * state.c[j] + logistic(gate(0)) * std::tanh(gate(2));
    state.h[j] = logistic(gate(3)) * std::tanh(state.c[j]);
  }
}

void step(const GRUCell& cell, const Numbers& x, Plain& state) {
  const Numbers a = affine(cell.input_weight, x, cell.input_bias);
  const Numbers before = state.h;
  const std::size_t n = before.size();
  const Numbers b = affine(cell.hidden_weight, before, cell.hidden_bias);
  Numbers reset(n);
  for (std::size_t j = 0; j < n; ++j) reset[j] = logistic(a[j] + b[j]) * before[j];
  const Numbers of_reset = affine(cell.hidden_weight, reset, cell.hidden_bias);
  for (std::size_t j = 0; j < n; ++j) {
    const double r = logistic(a[j] + b[j]);
    const double z = logistic(a[n + j] + b[n + j]);
    const double product = cell.reset_after() ? r * b[2 * n + j] : of_reset[2 * n + j];
    state.h[j] = (1 - z) * std::tanh(a[2 * n + j] + product) + z * before[j];
  }
}

struct PlainResult {
  std::vector<Numbers> output;  // by step
  std::vector<Plain> state;     // by layer and direction
};

/// A whole network on one sequence, which is as long as `x`.
template <class Net>
PlainResult run_plainly(const Net& net, std::vector<Numbers> x, std::vector<Plain> state) {
  const std::size_t directions = net.reverse_cells.empty() ? 1 : 2;
  for (std::size_t layer = 0; layer < net.cells.size(); ++layer) {
    std::vector<Numbers> next(x.size());
    for (std::size_t direction = 0; direction < directions; ++direction) {
      const auto& cell = direction == 0 ? net.cells[layer] : net.reverse_cells[layer];
      Plain& now = state[layer * directions + direction];
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t t = direction == 0 ? i : x.size() - 1 - i;
        step(cell, x[t], now);
        next[t].insert(next[t].end(), now.h.begin(), now.h.end());
      }
    }
    x = next;
  }
  return {x, state};
}

// ---------------------------------------------------------------------------------------------------------------------
// What differs between the networks.

/// A call in one form for all three: `c` plays no part but for an LSTM.
struct Called {
  Tensor output;
  Tensor h;
  Tensor c;
};
struct Given {
  Tensor h = {};
  Tensor c = {};
  Tensor lengths = {};
  Tensor mask = {};
};

template <class Net>
Called call(const Net& net, const Tensor& x, const Given& given = {}) {
  if constexpr (std::is_same_v<Net, LSTM>) {
    const LSTMResult result = net(x, {.state = {given.h, given.c}, .lengths = given.lengths, .mask = given.mask});
    return {result.output, result.state.h, result.state.c};
  } else {
    const RNNResult result = net(x, {.state = given.h, .lengths = given.lengths, .mask = given.mask});
    return {result.output, result.state, {}};
  }
}

template <class Net>
class Recurrent : public testing::Test {};
using Networks = testing::Types<RNN, LSTM, GRU>;
TYPED_TEST_SUITE(Recurrent, Networks);

constexpr std::int64_t in = 2;
constexpr std::int64_t hidden = 3;

/// Four samples of five steps.
Tensor sequences() { return draw({4, 5, in}, 1); }
Tensor some_lengths() { return from_data({5, 2, 1, 4}, int64); }

/// What `net` gives for each sample alone, in plain loops.
template <class Net>
void expect_as_plain_loops(const Net& net, std::int64_t directions, const Tensor& lengths) {
  const Tensor x = sequences();
  const auto layers = static_cast<std::int64_t>(net.cells.size());
  const Given given{.h = draw({layers * directions, 4, hidden}, 2),
                    .c = draw({layers * directions, 4, hidden}, 3),
                    .lengths = lengths};
  const Called result = call(net, x, given);
  ASSERT_EQ(result.output.shape(), (Shape{4, 5, directions * hidden}));
  ASSERT_EQ(result.h.shape(), (Shape{layers * directions, 4, hidden}));
  for (std::int64_t n = 0; n < 4; ++n) {
    const std::int64_t length = lengths.defined() ? lengths[n].item<std::int64_t>() : 5;
    std::vector<Numbers> steps;
    for (std::int64_t t = 0; t < length; ++t) steps.push_back(values_of(x[n][t]));
    std::vector<Plain> state;
    for (std::int64_t i = 0; i < layers * directions; ++i) {
      state.push_back({values_of(given.h[i][n]), values_of(given.c[i][n])});
    }
    const PlainResult plain = run_plainly(net, steps, state);
    for (std::int64_t t = 0; t < 5; ++t) {
      const Numbers expected = t < length ? plain.output[static_cast<std::size_t>(t)]
                                          : Numbers(static_cast<std::size_t>(directions * hidden));
      expect_near(result.output[n][t], from_vector(expected));
    }
    for (std::int64_t i = 0; i < layers * directions; ++i) {
      expect_near(result.h[i][n], from_vector(plain.state[static_cast<std::size_t>(i)].h));
      if (result.c.defined()) expect_near(result.c[i][n], from_vector(plain.state[static_cast<std::size_t>(i)].c));
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Values.

TYPED_TEST(Recurrent, IsWhatPlainLoopsGive) {
  for (const std::int64_t layers : {1, 3}) {
    for (const bool bidirectional : {false, true}) {
      for (const bool bias : {true, false}) {
        const TypeParam net(in, hidden,
                            {.layers = layers, .bidirectional = bidirectional, .bias = bias, .dtype = float64});
        expect_as_plain_loops(net, bidirectional ? 2 : 1, {});
        expect_as_plain_loops(net, bidirectional ? 2 : 1, some_lengths());
      }
    }
  }
}

TYPED_TEST(Recurrent, IsTheSameForManyFeaturesAsForFew) {
  // From eight features on the input's products are computed for all steps at once.
  const TypeParam net(11, hidden, {.dtype = float64});
  const Tensor x = draw({4, 5, 11}, 1);
  const Called result = call(net, x, {.h = draw({1, 4, hidden}, 2), .c = draw({1, 4, hidden}, 3)});
  Plain state{values_of(draw({1, 4, hidden}, 2)[0][2]), values_of(draw({1, 4, hidden}, 3)[0][2])};
  for (std::int64_t t = 0; t < 5; ++t) {
    step(net.cells[0], values_of(x[2][t]), state);
    expect_near(result.output[2][t], from_vector(state.h));
  }
}

TEST(RNN, TakesTheReLU) {
  const RNN net(in, hidden, {.activation = RnnActivation::relu, .dtype = float64});
  expect_as_plain_loops(net, 1, some_lengths());
}

TEST(GRU, TakesTheResetGateBeforeTheProduct) {
  for (const std::int64_t features : {in, std::int64_t{9}}) {
    const GRU net(features, hidden, {.reset_after = false, .dtype = float64});
    const Tensor x = draw({4, 5, features}, 1);
    Plain state{Numbers(3), {}};
    for (std::int64_t t = 0; t < 5; ++t) step(net.cells[0], values_of(x[1][t]), state);
    expect_near(call(net, x).h[0][1], from_vector(state.h));
  }
}

TYPED_TEST(Recurrent, StartsFromZerosUnlessToldOtherwise) {
  const TypeParam net(in, hidden, {.layers = 2, .dtype = float64});
  const Tensor nothing = zeros({2, 4, hidden}, float64);
  expect_same(call(net, sequences()).output, call(net, sequences(), {.h = nothing, .c = nothing}).output);
  expect_same(net(sequences()), call(net, sequences()).output);
}

TYPED_TEST(Recurrent, GoesOnFromTheStateThatItReturned) {
  const TypeParam net(in, hidden, {.layers = 2, .dtype = float64});
  const Tensor x = sequences();
  const Called whole = call(net, x);
  const Called first = call(net, slice(x, 1, 0, 2));
  const Called second = call(net, slice(x, 1, 2, 5), {.h = first.h, .c = first.c});
  expect_near(cat({first.output, second.output}, 1), whole.output);
  expect_near(second.h, whole.h);
}

TYPED_TEST(Recurrent, TakesAndGivesStepsFirstIfAsked) {
  const TypeParam net(in, hidden, {.bidirectional = true, .dtype = float64});
  TypeParam other(in, hidden, {.bidirectional = true, .batch_first = false, .dtype = float64});
  other.load_state_dict(net.state_dict());
  const Called a = call(net, sequences(), {.lengths = some_lengths()});
  const Called b = call(other, transpose(sequences(), 0, 1), {.lengths = some_lengths()});
  expect_same(transpose(b.output, 0, 1), a.output);
  expect_same(b.h, a.h);
}

TYPED_TEST(Recurrent, GivesTheLastOutputOnlyIfAsked) {
  for (const bool bidirectional : {false, true}) {
    const TypeParam net(in, hidden, {.layers = 2, .bidirectional = bidirectional, .dtype = float64});
    TypeParam last(in, hidden, {.layers = 2, .bidirectional = bidirectional, .last_only = true, .dtype = float64});
    last.load_state_dict(net.state_dict());
    const Called all = call(net, sequences(), {.lengths = some_lengths()});
    const Called only = call(last, sequences(), {.lengths = some_lengths()});
    expect_same(only.output, LastStep({.bidirectional = bidirectional})(all.output, some_lengths()));
    expect_same(only.h, all.h);
    expect_same(slice(only.output, 1, 0, hidden), all.h[bidirectional ? 2 : 1]);
  }
}

TYPED_TEST(Recurrent, GivesAnOutputThatFitsInASequential) {
  const Sequential model{TypeParam(in, hidden, {.bidirectional = true}), TypeParam(2 * hidden, 5), LastStep(),
                         Dense(5, 1)};
  EXPECT_EQ(model(zeros({4, 7, in})).shape(), (Shape{4, 1}));
  EXPECT_EQ(model(zeros({1, 1, in})).shape(), (Shape{1, 1}));
}

// ---------------------------------------------------------------------------------------------------------------------
// Steps that are left out.

TYPED_TEST(Recurrent, NeitherReadsNorPassesOnWhatIsBehindTheEnd) {
  const TypeParam net(in, hidden, {.layers = 2, .bidirectional = true, .dtype = float64});
  const Tensor present = unsqueeze(sequence_mask(some_lengths(), 5, float64), 2);
  const auto run = [&](const Tensor& x) {
    const Tensor leaf = x.detach().requires_grad(true);
    const Called result = call(net, leaf, {.lengths = some_lengths()});
    const Tensor loss = sum(square(result.output)) + sum(result.h * draw({4, 4, hidden}, 5));
    std::vector<Tensor> all{result.output, result.h};
    std::vector<Tensor> leaves{leaf};
    for (const ParameterRef& parameter : net.parameters()) leaves.push_back(parameter);
    for (const Tensor& gradient : grad({loss}, leaves)) all.push_back(gradient);
    return all;
  };
  const std::vector<Tensor> clean = run(sequences());
  const std::vector<Tensor> dirty = run(where(present, sequences(), nan));
  ASSERT_EQ(clean.size(), dirty.size());
  for (std::size_t i = 0; i < clean.size(); ++i) expect_same(dirty[i], clean[i]);
  expect_same(clean[2] * (1 - present), zeros({4, 5, in}, float64));
  EXPECT_NE(sum(abs(clean[2])).item(), 0);
}

TYPED_TEST(Recurrent, TakesAMaskForLengths) {
  const TypeParam net(in, hidden, {.bidirectional = true, .dtype = float64});
  const Called a = call(net, sequences(), {.lengths = some_lengths()});
  for (const DType dtype : {float32, float64, int64}) {
    const Called b = call(net, sequences(), {.mask = sequence_mask(some_lengths(), 5, dtype)});
    expect_same(b.output, a.output);
    expect_same(b.h, a.h);
  }
}

TYPED_TEST(Recurrent, SkipsStepsInTheMiddleAsIfTheyWereNotThere) {
  const TypeParam net(in, hidden, {.layers = 2, .bidirectional = true, .dtype = float64});
  const Tensor x = sequences();
  const Called all = call(net, cat({slice(x, 1, 0, 1), slice(x, 1, 3, 5)}, 1));
  // For every sample, and for the second one alone.
  const Called every = call(net, x, {.mask = broadcast_to(from_data({1, 0, 0, 1, 1}), {4, 5})});
  expect_near(every.h, all.h);
  expect_same(slice(every.output, 1, 1, 3), zeros({4, 2, 2 * hidden}, float64));
  expect_near(slice(every.output, 1, 3, 5), slice(all.output, 1, 1, 3));
  const Called one =
      call(net, x, {.mask = from_data({{1, 1, 1, 1, 1}, {1, 0, 0, 1, 1}, {1, 1, 1, 1, 1}, {1, 1, 1, 1, 1}})});
  expect_near(select(one.h, 1, 1), select(all.h, 1, 1));
  expect_near(one.output[0], call(net, x).output[0]);
}

TYPED_TEST(Recurrent, KeepsTheStateOfASequenceWithoutSteps) {
  const TypeParam net(in, hidden, {.dtype = float64});
  const Tensor h = draw({1, 4, hidden}, 2);
  const Called result = call(net, sequences(), {.h = h, .c = h, .lengths = from_data({0, 5, 0, 5}, int64)});
  expect_same(result.h[0][0], h[0][0]);
  expect_same(result.output[2], zeros({5, hidden}, float64));
  const Called nobody = call(net, sequences(), {.h = h, .c = h, .lengths = zeros({4}, int64)});
  expect_same(nobody.h, h);
  expect_same(nobody.output, zeros({4, 5, hidden}, float64));
}

TEST(SequenceMask, HasOnesBeforeTheLength) {
  const Tensor mask = sequence_mask(from_data({2, 0, 3}, int64), 3);
  EXPECT_EQ(values_of(mask), (Numbers{1, 1, 0, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(mask.dtype(), float32);
  EXPECT_EQ(sequence_mask(from_data({2}, int64), 2, int64).dtype(), int64);
  expect_error<ShapeError>([] { sequence_mask(from_data({2, 4}, int64), 3); }, "lengths[1] is 4, expected 0 to 3");
  expect_error<DTypeError>([] { sequence_mask(from_data({2.0}), 3); }, "lengths must be int64, got float32");
  expect_error<Error>([] { sequence_mask(zeros({2, 2}, int64), 3); }, "sequence_mask: lengths must be [N]");
}

// ---------------------------------------------------------------------------------------------------------------------
// Gradients.

TYPED_TEST(Recurrent, HasTheGradientsOfItsInputStateAndParameters) {
  for (const std::int64_t features : {in, std::int64_t{9}}) {
    for (const Tensor& lengths : {Tensor(), some_lengths()}) {
      const TypeParam net(features, hidden, {.layers = 2, .bidirectional = true, .dtype = float64});
      const Tensor x = draw({4, 5, features}, 1).requires_grad(true);
      const Tensor h = draw({4, 4, hidden}, 2).requires_grad(true);
      const Tensor c = draw({4, 4, hidden}, 3).requires_grad(true);
      const auto outputs = [&](const std::vector<Tensor>& from) -> std::vector<Tensor> {
        const Called result = call(net, from[0], {.h = from[1], .c = from.back(), .lengths = lengths});
        return {result.output, result.c.defined() ? result.h + result.c : result.h};
      };
      std::vector<Tensor> inputs{x, h};
      if (std::is_same_v<TypeParam, LSTM>) inputs.push_back(c);
      const GradcheckReport report = gradcheck(outputs, inputs);
      EXPECT_TRUE(report) << report.text;
      expect_parameter_gradients(net, [&] {
        const std::vector<Tensor> results = outputs(inputs);
        return sum(results[0] * draw(results[0].shape(), 6)) + sum(square(results[1]));
      });
    }
  }
}

TYPED_TEST(Recurrent, MayBeDifferentiatedTwice) {
  const TypeParam net(in, hidden, {.bidirectional = true, .dtype = float64});
  const GradcheckReport report = gradcheck(
      [&](const Tensor& x) {
        return call(net, x, {.lengths = from_data({3, 2}, int64)}).output;
      },
      {draw({2, 3, in}, 1).requires_grad(true)}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
}

// ---------------------------------------------------------------------------------------------------------------------
// Parameters and modes.

TYPED_TEST(Recurrent, NamesItsParametersByDirectionAndLayer) {
  const TypeParam net(in, hidden, {.layers = 2, .bidirectional = true});
  std::vector<std::string> names;
  for (const auto& [name, parameter] : net.named_parameters()) names.push_back(name);
  ASSERT_EQ(names.size(), 16U);
  EXPECT_EQ(names[0], "forward.0.input_weight");
  EXPECT_EQ(names[7], "forward.1.hidden_bias");
  EXPECT_EQ(names[8], "reverse.0.input_weight");
  const std::int64_t gates = std::is_same_v<TypeParam, RNN> ? 1 : std::is_same_v<TypeParam, LSTM> ? 4 : 3;
  const std::int64_t first = gates * (hidden * (in + hidden) + 2 * hidden);
  const std::int64_t second = gates * (hidden * (2 * hidden + hidden) + 2 * hidden);
  EXPECT_EQ(net.parameter_count(), 2 * (first + second));
}

TYPED_TEST(Recurrent, RoundTripsThroughAStateDict) {
  const TypeParam source(in, hidden, {.layers = 2, .bidirectional = true, .dtype = float64});
  TypeParam target(in, hidden, {.layers = 2, .bidirectional = true, .dtype = float64});
  target.load_state_dict(source.state_dict());
  expect_same(target(sequences()), source(sequences()));
  const TypeParam copy = source;
  expect_same(copy(sequences()), source(sequences()));
  EXPECT_FALSE(copy.parameters()[0].is(source.parameters()[0]));
}

TYPED_TEST(Recurrent, AssignedANetworkKeepsTheParametersThatAnOptimizerKnows) {
  TypeParam net(in, hidden, {.layers = 2, .bidirectional = true, .dtype = float64});
  const std::vector<ParameterRef> known = net.parameters();
  const TypeParam other(in, hidden, {.layers = 2, .bidirectional = true, .dtype = float64});
  net = other;
  expect_same(net(sequences()), other(sequences()));
  net = TypeParam(in, hidden, {.layers = 2, .bidirectional = true, .dtype = float64});
  EXPECT_NE(values_of(net(sequences())), values_of(other(sequences())));
  const std::vector<ParameterRef> after = net.parameters();
  ASSERT_EQ(after.size(), known.size());
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(after[i].is(known[i]));
}

TYPED_TEST(Recurrent, DropsBetweenLayersInTrainingOnly) {
  TypeParam net(in, hidden, {.layers = 2, .dropout = 0.5, .dtype = float64});
  TypeParam same(in, hidden, {.layers = 2, .dtype = float64});
  same.load_state_dict(net.state_dict());
  manual_seed(1);
  const Tensor trained = net(sequences());
  EXPECT_NE(values_of(trained), values_of(same(sequences())));
  manual_seed(1);
  expect_same(net(sequences()), trained);
  net.eval();
  expect_same(net(sequences()), same(sequences()));
  // With one layer there is nothing in between.
  const TypeParam single(in, hidden, {.dropout = 0.5, .dtype = float64});
  expect_same(single(sequences()), single(sequences()));
}

TYPED_TEST(Recurrent, DrawsItsWeightsWithinOneOverTheRootOfTheUnits) {
  const TypeParam net(50, 100);
  for (const ParameterRef& parameter : net.parameters()) {
    const Numbers values = values_of(abs(parameter.value()));
    const double largest = *std::max_element(values.begin(), values.end());
    EXPECT_LE(largest, 0.1);
    EXPECT_GT(largest, 0.09);
  }
}

TYPED_TEST(Recurrent, TakesInitializers) {
  const TypeParam net(
      in, hidden,
      {.hidden_bias = false, .init = init::constant(1), .hidden_init = init::constant(2), .bias_init = init::zeros()});
  EXPECT_EQ(net.parameters().size(), 3U);
  EXPECT_EQ(values_of(net.cells[0].input_weight)[0], 1);
  EXPECT_EQ(values_of(net.cells[0].hidden_weight)[0], 2);
  EXPECT_EQ(values_of(net.cells[0].input_bias)[0], 0);
  EXPECT_FALSE(net.cells[0].hidden_bias.defined());
}

TEST(LSTM, TakesABiasOfTheForgetGate) {
  const LSTM net(in, 2, {.forget_bias = 1, .bias_init = init::constant(3)});
  EXPECT_EQ(values_of(net.cells[0].input_bias), (Numbers{3, 3, 1, 1, 3, 3, 3, 3}));
  EXPECT_EQ(values_of(net.cells[0].hidden_bias), (Numbers{3, 3, 0, 0, 3, 3, 3, 3}));
  expect_error<Error>([] { LSTM(2, 2, {.bias = false, .forget_bias = 1}); }, "forget_bias needs a bias");
}

TEST(RNN, MayStartAsKerasSimpleRNN) {
  const RNN net(4, 32,
                {.hidden_bias = false,
                 .init = init::xavier_uniform(),
                 .hidden_init = init::orthogonal(),
                 .bias_init = init::zeros(),
                 .dtype = float64});
  EXPECT_EQ(net.parameter_count(), 32 * (32 + 4 + 1));
  const RNNCell& cell = net.cells[0];
  EXPECT_LE(max(abs(cell.input_weight)).item(), std::sqrt(6.0 / (4 + 32)));
  EXPECT_GT(max(abs(cell.input_weight)).item(), 0.9 * std::sqrt(6.0 / (4 + 32)));
  expect_near(matmul(cell.hidden_weight, cell.hidden_weight, {.transpose_b = true}), eye(32, 32, float64));
  expect_same(cell.input_bias, zeros({32}, float64));
}

TYPED_TEST(Recurrent, GivesTheSameBitsForAnyNumberOfThreads) {
  const TypeParam net(16, 64, {.layers = 2, .bidirectional = true});
  Generator generator(4);
  const Tensor x = randn({32, 12, 16}, float32, generator);
  const auto run = [&](int threads) {
    set_num_threads(threads);
    std::vector<Tensor> leaves;
    for (const ParameterRef& parameter : net.parameters()) leaves.push_back(parameter);
    const Tensor output = net(x);
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

// ---------------------------------------------------------------------------------------------------------------------
// Cells.

TEST(RecurrentCells, AreTheOpsWithTheirWeights) {
  const Tensor x = draw({4, in}, 1);
  const Tensor h = draw({4, hidden}, 2);
  const Tensor c = draw({4, hidden}, 3);
  const RNNCell rnn(in, hidden, {.activation = RnnActivation::relu, .dtype = float64});
  expect_same(rnn(x, h), rnn_cell(x, h, rnn.weights(), RnnActivation::relu));
  expect_same(rnn(x), rnn(x, zeros({4, hidden}, float64)));
  const LSTMCell lstm(in, hidden, {.dtype = float64});
  expect_same(lstm(x, {h, c}).h, lstm_cell(x, {h, c}, lstm.weights()).h);
  expect_same(lstm(x, {h, c}).c, lstm_cell(x, {h, c}, lstm.weights()).c);
  expect_same(lstm(x), lstm(x, {}).h);
  const GRUCell gru(in, hidden, {.reset_after = false, .dtype = float64});
  expect_same(gru(x, h), gru_cell(x, h, gru.weights(), {.reset_after = false}));
  expect_same(gru(x), gru(x, Tensor()));
}

TEST(RecurrentCells, HaveTheGradientsOfTheirParameters) {
  const Tensor x = draw({4, in}, 1);
  const RNNCell rnn(in, hidden, {.dtype = float64});
  expect_parameter_gradients(rnn, [&] { return sum(square(rnn(x, draw({4, hidden}, 2)))); });
  const LSTMCell lstm(in, hidden, {.dtype = float64});
  expect_parameter_gradients(lstm, [&] {
    return sum(square(lstm(x, {draw({4, hidden}, 2), draw({4, hidden}, 3)}).c));
  });
  const GRUCell gru(in, hidden, {.dtype = float64});
  expect_parameter_gradients(gru, [&] { return sum(square(gru(x, draw({4, hidden}, 2)))); });
}

TEST(RecurrentCells, RejectWhatDoesNotFit) {
  expect_error<Error>([] { RNNCell(0, 3); }, "RNNCell: in and hidden must be at least 1, got 0 and 3");
  expect_error<ShapeError>([] { LSTMCell(2, 3)(zeros({4, 5}), {}); }, "LSTMCell: x has shape [4, 5], expected [N, 2]");
  expect_error<ShapeError>([] { GRUCell(2, 3)(zeros({4, 2}), zeros({4, 4})); }, "GRUCell: gru_cell: h must be [N, 3]");
  expect_error<Error>([] { RNNCell(2, 3)(Tensor(), Tensor()); }, "RNNCell: x is undefined");
  expect_error<ShapeError>([] { RNNCell(2, 3)(zeros({2})); }, "RNNCell: x has shape [2], expected [N, 2]");
}

TEST(RecurrentCells, RunHooks) {
  LSTMCell cell(in, hidden);
  cell.register_forward_hook([](const Module&, const Tensor&, const Tensor& h) { return h * 0; });
  EXPECT_EQ(values_of(cell(ones({1, in}), {}).h), Numbers(3));
}

// ---------------------------------------------------------------------------------------------------------------------
// The last step.

TEST(LastStep, IsThatOfEachSequence) {
  const Tensor x = arange(12).reshape({2, 3, 2});
  EXPECT_EQ(values_of(LastStep()(x)), (Numbers{4, 5, 10, 11}));
  EXPECT_EQ(values_of(LastStep()(x, from_data({3, 1}, int64))), (Numbers{4, 5, 6, 7}));
  EXPECT_EQ(values_of(LastStep({.batch_first = false})(x)), (Numbers{6, 7, 8, 9, 10, 11}));
  EXPECT_EQ(values_of(LastStep({.batch_first = false})(x, from_data({1, 2, 1}, int64))), (Numbers{0, 1, 8, 9, 4, 5}));
}

TEST(LastStep, OfAReverseDirectionIsTheFirst) {
  const Tensor x = arange(12).reshape({2, 3, 2});
  EXPECT_EQ(values_of(LastStep({.bidirectional = true})(x)), (Numbers{4, 1, 10, 7}));
  EXPECT_EQ(values_of(LastStep({.bidirectional = true})(x, from_data({2, 1}, int64))), (Numbers{2, 1, 6, 7}));
  expect_error<ShapeError>(
      [] {
        LastStep({.bidirectional = true})(zeros({2, 3, 5}));
      },
      "LastStep: x has 5 features, expected as many of either direction");
}

TEST(LastStep, HasGradientsAndRejectsWhatDoesNotFit) {
  const GradcheckReport report = gradcheck(
      [](const Tensor& x) {
        return LastStep()(x, from_data({3, 1}, int64));
      },
      {draw({2, 3, 2}, 1).requires_grad(true)});
  EXPECT_TRUE(report) << report.text;
  const Tensor x = zeros({2, 3, 2});
  expect_error<ShapeError>(
      [&] {
        LastStep()(x, from_data({3, 0}, int64));
      },
      "LastStep: lengths[1] is 0, expected 1 to 3");
  expect_error<ShapeError>([&] { LastStep()(x, from_data({3}, int64)); },
                           "LastStep: lengths has shape [1], expected one for each sample: [2]");
  expect_error<Error>([&] { LastStep()(Tensor(), from_data({3}, int64)); }, "LastStep: x is undefined");
  expect_error<ShapeError>([] { LastStep()(zeros({2, 3})); }, "LastStep: x has shape [2, 3], expected [N, T, F]");
  expect_error<ShapeError>([] { LastStep()(zeros({2, 0, 3})); }, "expected at least one step");
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors, printing, hooks.

TYPED_TEST(Recurrent, RejectsWhatDoesNotFit) {
  struct Model : Module {
    TypeParam net{in, hidden};
    Called operator()(const Tensor& x, const Given& given) const {
      return annotated([&] { return call(net, x, given); });
    }
    void visit(Visitor& v) override { v("net", net); }
  } model;
  const std::string name = "net (" + model.net.type_name() + "): ";
  const Tensor x = zeros({4, 5, in});
  const auto expect = [&](const Tensor& input, const Given& given, const std::string& text) {
    expect_error<Error>([&] { model(input, given); }, name + text);
  };
  expect(Tensor(), {}, "x is undefined");
  expect(zeros({5, in}), {}, "x has shape [5, 2], expected [N, T, 2]");
  expect(zeros({4, 5, 3}), {}, "x has shape [4, 5, 3], expected [N, T, 2]");
  expect(zeros({4, 0, in}), {}, "x has shape [4, 0, 2], expected at least one sample and one step");
  expect(zeros({0, 5, in}), {}, "x has shape [0, 5, 2], expected at least one sample and one step");
  expect(zeros({4, 5, in}, float64), {}, "x is float64, the weights are float32");
  expect(x, {.h = zeros({4, hidden})},
         std::is_same_v<TypeParam, LSTM> ? "state.h has shape [4, 3]" : "state has shape");
  expect(x, {.h = zeros({2, 4, hidden})}, "state");
  expect(x, {.lengths = ones({4}, int64), .mask = ones({4, 5})}, "lengths and mask are both given");
  expect(x, {.lengths = ones({5}, int64)}, "lengths has shape [5], expected one for each sample: [4]");
  expect(x, {.lengths = full({4}, 6, int64)}, "lengths[0] is 6, expected 0 to 5");
  expect(x, {.lengths = full({4}, -1, int64)}, "lengths[0] is -1, expected 0 to 5");
  expect(x, {.lengths = ones({4})}, "lengths must be int64, got float32");
  expect(x, {.mask = ones({5, 4})}, "mask has shape [5, 4], expected [N, T]: [4, 5]");
}

TYPED_TEST(Recurrent, RejectsSizesAndOptionsThatMakeNoSense) {
  expect_error<Error>([] { TypeParam(0, 1); }, "in, hidden and layers must be at least 1, got 0, 1 and 1");
  expect_error<Error>([] { TypeParam(1, 1, {.layers = 0}); },
                      "in, hidden and layers must be at least 1, got 1, 1 and 0");
  expect_error<Error>([] { TypeParam(1, 1, {.dropout = 1}); }, "dropout must be at least 0 and below 1, got 1");
  expect_error<DTypeError>([] { TypeParam(1, 1, {.dtype = int64}); }, "int64");
}

TEST(LSTM, NamesTheStateThatDoesNotFit) {
  expect_error<ShapeError>(
      [] {
        LSTM(2, 3)(zeros({4, 5, 2}), {.state = {{}, zeros({2, 4, 3})}});
      },
      "LSTM: state.c has shape [2, 4, 3], expected [layers * directions, N, H]: [1, 4, 3]");
}

TEST(RecurrentPrinting, SaysWhatDiffers) {
  EXPECT_EQ(RNN(1, 64, {.last_only = true, .activation = RnnActivation::relu}).options(), "1, 64, relu, last only");
  EXPECT_EQ(LSTM(8, 32, {.layers = 2, .bidirectional = true, .dropout = 0.5}).options(),
            "8, 32, 2 layers, bidirectional, dropout 0.5");
  EXPECT_EQ(GRU(8, 32, {.batch_first = false, .reset_after = false, .bias = false}).options(),
            "8, 32, reset before, no bias, steps first");
  EXPECT_EQ(to_string(GRU(1, 2)), "GRU(1, 2)\n  forward.0: GRUCell(1, 2)");
  EXPECT_EQ(to_string(LastStep({.batch_first = false, .bidirectional = true})), "LastStep(bidirectional, steps first)");
}

TYPED_TEST(Recurrent, ShowsItsOutputInASummaryAndToHooks) {
  TypeParam net(in, hidden);
  const std::string text = net.summary(Shape{4, 5, in});
  EXPECT_NE(text.find("[4, 5, 3]"), text.npos) << text;
  net.register_forward_hook([](const Module&, const Tensor&, const Tensor& output) { return output * 0; });
  expect_same(net(ones({4, 5, in})), zeros({4, 5, hidden}));
  expect_same(call(net, ones({4, 5, in})).output, zeros({4, 5, hidden}));
}

}  // namespace
}  // namespace wengert::nn
