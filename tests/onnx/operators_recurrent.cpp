#include <algorithm>

#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

/// Blocks of rows, one for each gate, in another order: block i of the result is block `order[i]` of x.
Tensor reorder_gates(const Tensor& x, const std::vector<std::int64_t>& order) {
  const std::int64_t units = x.dim(0) / static_cast<std::int64_t>(order.size());
  std::vector<Tensor> blocks;
  for (const std::int64_t gate : order) blocks.push_back(x.slice(gate * units, (gate + 1) * units));
  return cat(blocks);
}

/// What RNN, GRU and LSTM have in common: a sequence, weights and a first state, all of one direction.
struct Recurrence {
  Tensor x;  // [time, batch, features]
  CellWeights weights;
  Tensor h;                  // [batch, units]
  bool batch_first = false;  // as the node has them: x is [batch, time, features], states are [batch, 1, units]

  /// `order`: the gates of ONNX in the order of the cell.
  Recurrence(const Call& call, const std::vector<std::int64_t>& order)
      : x(call.input(0)), batch_first(call.flag("layout")) {
    if (call.text("direction", "forward") != "forward") throw Unsupported("a sequence read backwards");
    if (call.has("clip")) throw Unsupported("clipped activations");
    if (call.has("activations")) throw Unsupported("other activations");
    if (batch_first) x = transpose(x, 0, 1);
    const auto lengths = call.integers_input(4);
    if (std::any_of(lengths.begin(), lengths.end(), [&](std::int64_t length) { return length != x.dim(0); })) {
      throw Unsupported("sequences of several lengths in a batch");
    }
    weights.input = reorder_gates(call.input(1)[0], order);
    weights.hidden = reorder_gates(call.input(2)[0], order);
    if (const Tensor biases = call.optional_input(3); biases.defined()) {
      const auto both = split(biases[0], biases.dim(1) / 2);
      weights.input_bias = reorder_gates(both[0], order);
      weights.hidden_bias = reorder_gates(both[1], order);
    }
    h = state(call, 5);
    check<Error>(call.integer("hidden_size", h.dim(1)) == h.dim(1), "onnx: hidden_size is not that of the weights");
  }

  /// A state that an input gives, or zeros.
  Tensor state(const Call& call, std::size_t input) const {
    const Tensor given = call.optional_input(input);
    if (!given.defined()) return zeros({x.dim(1), weights.hidden.dim(1)}, x.dtype());
    return select(given, batch_first ? 1 : 0, 0);
  }

  /// A state as an output.
  Tensor result(const Tensor& state) const { return unsqueeze(state, batch_first ? 1 : 0); }

  /// All states and the last one, from a step h -> h'.
  template <class Step>
  Outputs run(Step step) {
    std::vector<Tensor> states;
    for (std::int64_t time = 0; time < x.dim(0); ++time) {
      h = step(x[time], h);
      states.push_back(h);
    }
    const Tensor all = batch_first ? unsqueeze(stack(states, 1), 2) : unsqueeze(stack(states), 1);
    return {all, result(h)};
  }
};

Outputs rnn(const Call& call) {
  Recurrence recurrence(call, {0});
  return recurrence.run([&](const Tensor& x, const Tensor& h) { return rnn_cell(x, h, recurrence.weights); });
}

Outputs gru(const Call& call) {
  Recurrence recurrence(call, {1, 0, 2});  // of z, r, n
  const GruOptions options{.reset_after = call.flag("linear_before_reset")};
  return recurrence.run([&](const Tensor& x, const Tensor& h) { return gru_cell(x, h, recurrence.weights, options); });
}

Outputs lstm(const Call& call) {
  if (call.optional_input(7).defined()) throw Unsupported("peepholes");
  if (call.flag("input_forget")) throw Unsupported("gates coupled");
  Recurrence recurrence(call, {0, 2, 3, 1});  // of i, o, f, g
  Tensor c = recurrence.state(call, 6);
  Outputs outputs = recurrence.run([&](const Tensor& x, const Tensor& h) {
    const LstmState next = lstm_cell(x, {h, c}, recurrence.weights);
    c = next.c;
    return next.h;
  });
  outputs.push_back(recurrence.result(c));
  return outputs;
}

}  // namespace

std::vector<Operator> recurrent_operators() {
  return {
      {"GRU", {"gru_cell"}, gru},
      {"LSTM", {"lstm_cell"}, lstm},
      {"RNN", {"rnn_cell"}, rnn},
  };
}

}  // namespace wengert::test::onnx
