#include <cmath>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/functional.h>
#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/graph.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

using Tensors = std::vector<Tensor>;

/// Numbers of no pattern in (-1, 1), other ones for each `seed`.
Tensor numbers(const Shape& shape, std::uint64_t seed, DType dtype = float64) {
  Generator generator(seed);
  return rand(shape, dtype, generator) * 2 - 1;
}

CellWeights weights(std::int64_t gates, std::int64_t units, std::int64_t features, DType dtype = float64) {
  return {.input = numbers({gates * units, features}, 1, dtype),
          .hidden = numbers({gates * units, units}, 2, dtype),
          .input_bias = numbers({gates * units}, 3, dtype),
          .hidden_bias = numbers({gates * units}, 4, dtype)};
}

CellWeights requiring_grad(CellWeights w) {
  for (Tensor* each : {&w.input, &w.hidden, &w.input_bias, &w.hidden_bias}) each->requires_grad(true);
  return w;
}

Tensors as_list(const CellWeights& w) { return {w.input, w.hidden, w.input_bias, w.hidden_bias}; }
CellWeights from_list(const Tensors& list) { return {list[0], list[1], list[2], list[3]}; }

void expect_near(const Tensor& actual, const Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.shape(), expected.shape());
  const auto a = values_of(actual);
  const auto e = values_of(expected);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], e[i], tolerance * (1 + std::abs(e[i]))) << i;
}

// ---------------------------------------------------------------------------------------------------------------------
// What the cells compute.

TEST(LstmCell, KeepsItsMemoryWhileTheForgetGateIsOpenAndTheInputGateShut) {
  const Tensor c = numbers({2, 3}, 1);
  // The gates i, f, g, o are given by their biases alone.
  const Tensor bias = cat({full({3}, -100, float64), full({3}, 100, float64), ones({3}, float64), zeros({3}, float64)});
  const auto next =
      lstm_cell(zeros({2, 1}, float64), {zeros({2, 3}, float64), c},
                {.input = zeros({12, 1}, float64), .hidden = zeros({12, 3}, float64), .input_bias = bias});
  expect_near(next.c, c, 1e-15);
  expect_near(next.h, 0.5 * tanh(c), 1e-15);
}

TEST(GruCell, KeepsItsStateWhileTheUpdateGateIsOpen) {
  const Tensor h = numbers({2, 3}, 1);
  const Tensor bias = cat({ones({3}, float64), full({3}, 100, float64), ones({3}, float64)});
  for (const bool reset_after : {true, false}) {
    const Tensor next =
        gru_cell(zeros({2, 1}, float64), h,
                 {.input = zeros({9, 1}, float64), .hidden = numbers({9, 3}, 2) / 10, .hidden_bias = bias},
                 {.reset_after = reset_after});
    expect_near(next, h, 1e-15);
  }
}

TEST(GruCell, ForgetsItsStateWhileTheResetGateIsShutWhereverThatActs) {
  const Tensor h = numbers({2, 3}, 1);
  const Tensor bias = cat({full({3}, -100, float64), full({3}, -100, float64), zeros({3}, float64)});
  const Tensor product = numbers({2, 9}, 2);
  for (const bool reset_after : {true, false}) {
    const Tensor next =
        gru_cell(product, h, {.hidden = numbers({9, 3}, 3) / 10, .hidden_bias = bias}, {.reset_after = reset_after});
    expect_near(next, tanh(slice(product, 1, 6, 9)), 1e-15);
  }
}

TEST(RnnCell, LetsNaNThroughAndHasNoGradientAtTheKink) {
  const Tensor x = from_data({{0, std::nan(""), 2, -1}}, float64).requires_grad(true);
  const CellWeights w{.hidden = zeros({4, 4}, float64)};
  const Tensor y = rnn_cell(x, zeros({1, 4}, float64), w, RnnActivation::relu);
  EXPECT_TRUE(std::isnan(values_of(y)[1]));
  for (const bool create_graph : {false, true}) {
    const Tensor g = grad(sum(y), {x}, {.create_graph = create_graph, .retain_graph = true})[0];
    EXPECT_EQ(values_of(g), (std::vector<double>{0, 0, 1, 0}));
  }
  EXPECT_TRUE(std::isnan(values_of(rnn_cell(x, zeros({1, 4}, float64), w))[1]));
}

TEST(Cells, SaturateWithoutNaNForHugeGates) {
  const Tensor huge = from_data({{1e30, -1e30, 1e30, -1e30}, {-1e30, 1e30, -1e30, 1e30}}).requires_grad(true);
  const Tensor state = ones({2, 1});
  const auto [h, c] = lstm_cell(huge, {state, state}, {.hidden = ones({4, 1})});
  for (const double value : values_of(grad(sum(h + c), huge))) EXPECT_EQ(value, 0);
  EXPECT_EQ(values_of(c), (std::vector<double>{1, 1}));
  for (const double value : values_of(h)) EXPECT_TRUE(std::isfinite(value));
}

/// The product of all steps' x with the input weights at once, then step by step.
template <class Step>
void expect_same_from_product(std::int64_t gates, Step step) {
  const std::int64_t steps = 5;
  const Tensor sequence = numbers({steps, 3, 2}, 7).requires_grad(true);
  const CellWeights w = requiring_grad(weights(gates, 4, 2));
  const Tensor projected = linear(sequence, w.input, w.input_bias);
  LstmState by_x{zeros({3, 4}, float64), zeros({3, 4}, float64)};
  LstmState by_product = by_x;
  for (std::int64_t t = 0; t < steps; ++t) {
    by_x = step(sequence[t], by_x, w);
    by_product = step(projected[t], by_product, {.hidden = w.hidden, .hidden_bias = w.hidden_bias});
  }
  expect_near(by_product.h, by_x.h, 1e-14);
  const Tensors leaves{sequence, w.input, w.hidden, w.input_bias, w.hidden_bias};
  const Tensors g = grad(sum(square(by_x.h)), leaves);
  const Tensors of_product = grad(sum(square(by_product.h)), leaves);
  for (std::size_t k = 0; k < leaves.size(); ++k) expect_near(of_product[k], g[k], 1e-13);
}

TEST(Cells, GiveTheSameFromXAsFromItsProductMadeForAllStepsAtOnce) {
  expect_same_from_product(1, [](const Tensor& x, const LstmState& s, const CellWeights& w) {
    return LstmState{rnn_cell(x, s.h, w), s.c};
  });
  expect_same_from_product(
      4, [](const Tensor& x, const LstmState& s, const CellWeights& w) { return lstm_cell(x, s, w); });
  for (const bool reset_after : {true, false}) {
    expect_same_from_product(3, [=](const Tensor& x, const LstmState& s, const CellWeights& w) {
      return LstmState{gru_cell(x, s.h, w, {.reset_after = reset_after}), s.c};
    });
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// On the tape.

TEST(Cells, AreOneNodeAStep) {
  const Tensor x = numbers({3, 2}, 1);
  const Tensor h = numbers({3, 4}, 2);
  const TapeMonitor monitor;
  const Tensor rnn = rnn_cell(x, h, requiring_grad(weights(1, 4, 2)));
  const LstmState lstm = lstm_cell(x, {h, h}, requiring_grad(weights(4, 4, 2)));
  const Tensor after = gru_cell(x, h, requiring_grad(weights(3, 4, 2)));
  const Tensor before = gru_cell(x, h, requiring_grad(weights(3, 4, 2)), {.reset_after = false});
  std::int64_t nodes = 0;
  for (const TapeMonitor::Entry& entry : monitor.live()) nodes += entry.nodes;
  EXPECT_EQ(nodes, 4);
  EXPECT_STREQ(rnn.op(), "rnn_cell");
  EXPECT_STREQ(lstm.h.op(), "lstm_cell");
  EXPECT_STREQ(lstm.c.op(), "lstm_cell");
  EXPECT_STREQ(after.op(), "gru_cell");
  EXPECT_STREQ(before.op(), "gru_cell");
}

TEST(Cells, GiveGradientsOnlyToWhatNeedsThem) {
  const CellWeights constant = weights(3, 4, 2);
  const Tensor x = numbers({3, 2}, 1).requires_grad(true);
  for (const bool reset_after : {true, false}) {
    for (const bool create_graph : {false, true}) {
      const Tensor h = numbers({3, 4}, 2);
      const Tensor next = gru_cell(x, h, constant, {.reset_after = reset_after});
      const Tensor g = grad(sum(next), {x}, {.create_graph = create_graph})[0];
      EXPECT_EQ(g.requires_grad(), create_graph);
      expect_near(g,
                  grad([&](const Tensor& v) { return sum(gru_cell(v, h, constant, {.reset_after = reset_after})); })(x),
                  1e-14);
    }
  }
}

TEST(Cells, TakeOneTensorInSeveralPlaces) {
  // x is the state too, the weights are the same, and so are the biases: each place has its share of the gradient.
  const Tensor x = numbers({2, 3}, 1).requires_grad(true);
  const Tensor w = numbers({3, 3}, 2).requires_grad(true);
  const Tensor b = numbers({3}, 3).requires_grad(true);
  const auto f = [](const Tensor& v, const Tensor& weight, const Tensor& bias) {
    return rnn_cell(v, v, {.input = weight, .hidden = weight, .input_bias = bias, .hidden_bias = bias});
  };
  expect_near(f(x, w, b), tanh(2 * linear(x, w, b)), 1e-15);
  require_gradcheck(f, {x, w, b}, {.order = 2});
}

TEST(Cells, TakeAnInputThatDependsOnAnother) {
  const Tensor x = numbers({2, 3}, 1).requires_grad(true);
  const CellWeights w = weights(4, 3, 3);
  require_gradcheck(
      [&](const Tensor& v) {
        const Tensor h = square(v);
        const auto next = lstm_cell(v, {h, h * v}, w);
        return next.h + next.c * v;
      },
      {x}, {.order = 2});
}

constexpr std::int64_t chain_steps = 24;

/// Steps of a chain whose every output goes into the result.
template <class Step>
void check_chain(std::int64_t gates, Step step) {
  const Tensor sequence = numbers({chain_steps, 2, 2}, 8).requires_grad(true);
  Tensors inputs{sequence};
  for (const Tensor& w : as_list(requiring_grad(weights(gates, 3, 2)))) inputs.push_back(w);
  const auto run = [&](const Tensors& in) {
    LstmState state{zeros({2, 3}, float64), zeros({2, 3}, float64)};
    Tensor total = zeros({2, 3}, float64);
    for (std::int64_t t = 0; t < chain_steps; ++t) {
      state = step(in[0][t], state, from_list({in.begin() + 1, in.end()}));
      total = total + state.h * static_cast<double>(t % 3 - 1);
    }
    return total;
  };
  require_gradcheck(run, inputs, {.order = 2});
}

TEST(Cells, HaveGradientsOfOrdersOneAndTwoAlongManySteps) {
  check_chain(1, [](const Tensor& x, const LstmState& s, const CellWeights& w) {
    return LstmState{rnn_cell(x, s.h, w), s.c};
  });
  check_chain(4, [](const Tensor& x, const LstmState& s, const CellWeights& w) { return lstm_cell(x, s, w); });
  for (const bool reset_after : {true, false}) {
    check_chain(3, [=](const Tensor& x, const LstmState& s, const CellWeights& w) {
      return LstmState{gru_cell(x, s.h, w, {.reset_after = reset_after}), s.c};
    });
  }
}

TEST(Cells, HaveAThirdDerivative) {
  // Of tanh(t) and of sigmoid(t) tanh(t), as cells of one unit whose weights are 0 but for those of x.
  const auto third = [](auto f) { return grad(grad(grad(f))); };
  const Tensor t = full({1, 1}, 0.3, float64);
  const CellWeights one{.hidden = zeros({1, 1}, float64)};
  const auto rnn = [&](const Tensor& v) { return sum(rnn_cell(v, zeros({1, 1}, float64), one)); };
  EXPECT_NEAR(third(rnn)(t).item(), third([](const Tensor& v) { return sum(tanh(v)); })(t).item(), 1e-13);
  const auto lstm = [&](const Tensor& v) {
    const Tensor zero = zeros({1, 1}, float64);
    return sum(lstm_cell(cat({v, v, v, v}, 1), {zero, zero}, {.hidden = zeros({4, 1}, float64)}).c);
  };
  EXPECT_NEAR(third(lstm)(t).item(), third([](const Tensor& v) { return sum(sigmoid(v) * tanh(v)); })(t).item(), 1e-13);
}

TEST(LstmCell, TakesTheGradientOfAResultThatNothingUsesForZero) {
  const Tensor x = numbers({3, 2}, 1).requires_grad(true);
  const LstmState state{numbers({3, 4}, 2).requires_grad(true), numbers({3, 4}, 3).requires_grad(true)};
  const CellWeights w = requiring_grad(weights(4, 4, 2));
  Tensors inputs{x, state.h, state.c};
  for (const Tensor& each : as_list(w)) inputs.push_back(each);
  for (const bool create_graph : {false, true}) {
    const auto gradients = [&](const Tensor& y) { return grad(y, inputs, {.create_graph = create_graph}); };
    const auto next = [&] { return lstm_cell(x, state, w); };
    const Tensors of_h = gradients(sum(next().h));
    const Tensors of_c = gradients(sum(next().c));
    const auto [h, c] = next();
    const Tensors of_both = gradients(sum(h) + sum(c));
    for (std::size_t k = 0; k < inputs.size(); ++k) expect_near(of_h[k] + of_c[k], of_both[k], 1e-14);
  }
}

TEST(Cells, RunBackwardTwiceFromOneForward) {
  const Tensor x = numbers({3, 2}, 1).requires_grad(true);
  const Tensor h = numbers({3, 4}, 2);
  const auto expect_same = [&](const Tensor& y) {
    const Tensor first = grad(sum(y), {x}, {.retain_graph = true})[0];
    EXPECT_EQ(values_of(grad(sum(y), x)), values_of(first));
  };
  expect_same(rnn_cell(x, h, weights(1, 4, 2)));
  expect_same(lstm_cell(x, {h, h}, weights(4, 4, 2)).h);
  expect_same(gru_cell(x, h, weights(3, 4, 2)));
  expect_same(gru_cell(x, h, weights(3, 4, 2), {.reset_after = false}));
}

TEST(Cells, TakeNoUnitsAndNoFeatures) {
  const Tensor x = zeros({3, 0}, float64).requires_grad(true);
  const Tensor h = numbers({3, 2}, 1);
  const CellWeights w{
      .input = zeros({2, 0}, float64), .hidden = zeros({2, 2}, float64), .input_bias = ones({2}, float64)};
  const Tensor next = rnn_cell(x, h, w);
  expect_near(next, full({3, 2}, std::tanh(1.0), float64), 1e-15);
  EXPECT_EQ(grad(sum(next), x).shape(), (Shape{3, 0}));

  const Tensor none = zeros({3, 0}, float64).requires_grad(true);
  for (const bool create_graph : {false, true}) {
    const auto state = lstm_cell(zeros({3, 2}, float64), {none, none},
                                 {.input = zeros({0, 2}, float64), .hidden = zeros({0, 0}, float64)});
    EXPECT_EQ(state.c.shape(), (Shape{3, 0}));
    EXPECT_EQ(grad(sum(state.c), {none}, {.create_graph = create_graph})[0].shape(), (Shape{3, 0}));
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors.

/// Arguments of a cell with 2 units for 3 features, 4 samples.
struct Arguments {
  Tensor x = zeros({4, 3});
  LstmState state{zeros({4, 2}), zeros({4, 2})};
  CellWeights weights;

  explicit Arguments(std::int64_t gates) : weights{zeros({gates * 2, 3}), zeros({gates * 2, 2}), {}, {}} {}
};

template <class E>
std::string lstm_error(const std::function<void(Arguments&)>& spoil) {
  Arguments arguments(4);
  spoil(arguments);
  return message_of<E>([&] { lstm_cell(arguments.x, arguments.state, arguments.weights); });
}

TEST(LstmCell, NamesTheArgumentThatDoesNotFit) {
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) {
              a.weights.hidden = zeros({6, 2});
            }),
            "lstm_cell: weights.hidden must be [4 H, H], got [6, 2]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) { a.weights.hidden = zeros({8}); }),
            "lstm_cell: weights.hidden must be [4 H, H], got [8]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) {
              a.state.h = zeros({4, 3});
            }),
            "lstm_cell: state.h must be [N, 2] for weights.hidden [8, 2], got [4, 3]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) { a.state.h = zeros({2}); }),
            "lstm_cell: state.h must be [N, 2] for weights.hidden [8, 2], got [2]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) {
              a.state.c = zeros({1, 2});
            }),
            "lstm_cell: state.c must have the shape of state.h [4, 2], got [1, 2]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) {
              a.weights.input = zeros({6, 3});
            }),
            "lstm_cell: weights.input must be [8, I] for weights.hidden [8, 2], got [6, 3]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) {
              a.x = zeros({4, 5});
            }),
            "lstm_cell: x must be [4, 3] for state.h [4, 2] and weights.input [8, 3], got [4, 5]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) {
              a.x = zeros({5, 3});
            }),
            "lstm_cell: x must be [4, 3] for state.h [4, 2] and weights.input [8, 3], got [5, 3]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) { a.weights.input = Tensor(); }),
            "lstm_cell: x must be [4, 8] for state.h [4, 2] and weights.hidden [8, 2], as weights.input is undefined; "
            "got [4, 3]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) { a.weights.input_bias = zeros({2}); }),
            "lstm_cell: weights.input_bias must be [8] for weights.hidden [8, 2], got [2]");
  EXPECT_EQ(lstm_error<ShapeError>([](Arguments& a) {
              a.weights.hidden_bias = zeros({8, 1});
            }),
            "lstm_cell: weights.hidden_bias must be [8] for weights.hidden [8, 2], got [8, 1]");
}

TEST(LstmCell, NamesTheArgumentThatIsUndefinedOrOfAnotherType) {
  const std::string ending = " is undefined (never given a value, or a gradient not computed yet)";
  EXPECT_EQ(lstm_error<Error>([](Arguments& a) { a.x = Tensor(); }), "lstm_cell: x" + ending);
  EXPECT_EQ(lstm_error<Error>([](Arguments& a) { a.state.h = Tensor(); }), "lstm_cell: state.h" + ending);
  EXPECT_EQ(lstm_error<Error>([](Arguments& a) { a.state.c = Tensor(); }), "lstm_cell: state.c" + ending);
  EXPECT_EQ(lstm_error<Error>([](Arguments& a) { a.weights.hidden = Tensor(); }), "lstm_cell: weights.hidden" + ending);
  EXPECT_EQ(lstm_error<DTypeError>([](Arguments& a) { a.weights.hidden_bias = zeros({8}, float64); }),
            "lstm_cell: x is float32 and weights.hidden_bias is float64; convert one with .to(dtype)");
  EXPECT_EQ(lstm_error<DTypeError>([](Arguments& a) { a.weights.input_bias = zeros({8}, DType::int64); }),
            "lstm_cell: x is float32 and weights.input_bias is int64; convert one with .to(dtype)");
  EXPECT_EQ(lstm_error<DTypeError>([](Arguments& a) {
              a.state.c = zeros({4, 2}, float64);
            }),
            "lstm_cell: x is float32 and state.c is float64; convert one with .to(dtype)");
}

TEST(RnnCellAndGruCell, NameTheArgumentThatDoesNotFit) {
  const Arguments rnn(1);
  EXPECT_EQ(message_of<ShapeError>([&] {
              rnn_cell(rnn.x, rnn.state.h, {.hidden = zeros({2, 3})});
            }),
            "rnn_cell: weights.hidden must be [H, H], got [2, 3]");
  EXPECT_EQ(message_of<ShapeError>([&] {
              rnn_cell(rnn.x, zeros({4, 4}), rnn.weights);
            }),
            "rnn_cell: h must be [N, 2] for weights.hidden [2, 2], got [4, 4]");
  EXPECT_EQ(message_of<DTypeError>([&] {
              rnn_cell(zeros({4, 3}, DType::int64), rnn.state.h, rnn.weights);
            }),
            "rnn_cell: x is int64 and h is float32; convert one with .to(dtype)");
  const Arguments gru(3);
  for (const bool reset_after : {true, false}) {
    const auto text = [&](const Tensor& x, const Tensor& h, const CellWeights& w) {
      return message_of<ShapeError>([&] { gru_cell(x, h, w, {.reset_after = reset_after}); });
    };
    EXPECT_EQ(text(gru.x, gru.state.h, {.hidden = zeros({8, 2})}),
              "gru_cell: weights.hidden must be [3 H, H], got [8, 2]");
    EXPECT_EQ(text(zeros({4, 2}), gru.state.h, gru.weights),
              "gru_cell: x must be [4, 3] for h [4, 2] and weights.input [6, 3], got [4, 2]");
  }
}

}  // namespace
}  // namespace wengert
