#include "autograd/kernels/cell.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <wengert/autograd/elementwise.h>

#include "autograd/kernels/gemm.h"
#include "autograd/ops/composed.h"

namespace wengert {

namespace {

using detail::Access;
using kernels::gemm;
using kernels::Store;
using kernels::Trans;

using Tensors = std::vector<Tensor>;

/// The inputs of a step. c and all weights but `hidden` may be undefined.
struct Step {
  /// Their order on the tape.
  enum Place : std::size_t { at_x, at_h, at_c, at_input, at_hidden, at_input_bias, at_hidden_bias, count };

  Tensor x;
  Tensor h;
  Tensor c;
  CellWeights weights;

  static Step from(const Tensors& list) {
    return {list[at_x],
            list[at_h],
            list[at_c],
            {list[at_input], list[at_hidden], list[at_input_bias], list[at_hidden_bias]}};
  }
  std::array<Tensor, count> list() const {
    return {x, h, c, weights.input, weights.hidden, weights.input_bias, weights.hidden_bias};
  }

  std::int64_t samples() const { return h.dim(0); }
  std::int64_t units() const { return h.dim(1); }
};

// ---------------------------------------------------------------------------------------------------------------------
// Checks.

void check_bias(const char* op, const char* name, const Tensor& bias, const Tensor& hidden) {
  check(!bias.defined() || bias.shape() == Shape{hidden.dim(0)}, "{}: {} must be [{}] for weights.hidden {}, got {}",
        op, name, hidden.dim(0), hidden.shape(), bias.defined() ? bias.shape() : Shape());
}

/// Once x, h and weights.hidden are known to be defined and of one dtype.
void check_step(const char* op, std::int64_t gates, const char* h_name, const Step& step) {
  const auto& [input, hidden, input_bias, hidden_bias] = step.weights;
  for (const auto& [name, weight] : {std::pair{"weights.input", &input},
                                     {"weights.input_bias", &input_bias},
                                     {"weights.hidden_bias", &hidden_bias}}) {
    if (weight->defined()) detail::check_operands(op, std::array{&step.x, weight}, Types::floating, {"x", name});
  }
  const char* hidden_shape = gates == 1 ? "[H, H]" : gates == 3 ? "[3 H, H]" : "[4 H, H]";
  check(hidden.rank() == 2 && hidden.dim(0) % gates == 0 && hidden.dim(0) / gates == hidden.dim(1),
        "{}: weights.hidden must be {}, got {}", op, hidden_shape, hidden.shape());
  check(step.h.rank() == 2 && step.h.dim(1) == hidden.dim(1), "{}: {} must be [N, {}] for weights.hidden {}, got {}",
        op, h_name, hidden.dim(1), hidden.shape(), step.h.shape());
  if (input.defined()) {
    check(input.rank() == 2 && input.dim(0) == hidden.dim(0),
          "{}: weights.input must be [{}, I] for weights.hidden {}, got {}", op, hidden.dim(0), hidden.shape(),
          input.shape());
    check(step.x.shape() == Shape{step.samples(), input.dim(1)},
          "{}: x must be [{}, {}] for {} {} and weights.input {}, got {}", op, step.samples(), input.dim(1), h_name,
          step.h.shape(), input.shape(), step.x.shape());
  } else {
    check(step.x.shape() == Shape{step.samples(), hidden.dim(0)},
          "{}: x must be [{}, {}] for {} {} and weights.hidden {}, as weights.input is undefined; got {}", op,
          step.samples(), hidden.dim(0), h_name, step.h.shape(), hidden.shape(), step.x.shape());
  }
  check_bias(op, "weights.input_bias", input_bias, hidden);
  check_bias(op, "weights.hidden_bias", hidden_bias, hidden);
}

// ---------------------------------------------------------------------------------------------------------------------
// Products with the weights of some of the gates.

struct Gates {
  std::int64_t first;
  std::int64_t count;
};

/// A new tensor with W x + b, or x + b; the hidden bias is added for the first `hidden_biases` gates. The sums that are
/// the gates start there.
Tensor start_of_gates(const Step& step, std::int64_t hidden_biases) {
  const auto& [input, hidden, input_bias, hidden_bias] = step.weights;
  const std::int64_t rows = step.samples();
  const std::int64_t columns = hidden.dim(0);
  Tensor gates = Access::allocate({rows, columns}, step.x.dtype());
  dispatch_floating(step.x.dtype(), [&]<class T>() {
    T* sums = Access::mutable_data<T>(gates);
    const auto add = [](const Tensor& bias, std::int64_t n, T* row) {
      if (!bias.defined()) return;
      const T* terms = Access::data<T>(bias);
      for (std::int64_t i = 0; i < n; ++i) row[i] += terms[i];
    };
    const auto add_biases = [&](T* row) {
      add(input_bias, columns, row);
      add(hidden_bias, hidden_biases * step.units(), row);
    };
    const bool biased = input_bias.defined() || hidden_bias.defined();
    const bool has_terms = biased || !input.defined();
    if (input.defined() && biased && rows > 0) {
      std::fill_n(sums, columns, T(0));
      add_biases(sums);
    }
    const std::int64_t grain =
        std::max<std::int64_t>(1, detail::elementwise_grain / std::max<std::int64_t>(1, columns));
    parallel_for(has_terms ? rows : 0, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        T* to = sums + row * columns;
        if (!input.defined()) {
          std::copy_n(Access::data<T>(step.x) + row * columns, columns, to);
          add_biases(to);
        } else if (row > 0) {
          std::copy_n(sums, columns, to);  // the first row, which holds the biases
        }
      }
    });
    if (!input.defined()) return;
    const std::int64_t in = input.dim(1);
    gemm<T>(rows, columns, in, {Access::data<T>(step.x), in}, {Access::data<T>(input), in, Trans::yes}, sums, columns,
            has_terms ? Store::add : Store::overwrite);
  });
  return gates;
}

/// Adds R h, for some of the gates.
void add_hidden_product(Gates which, const Tensor& h, const Tensor& hidden, const Tensor& gates) {
  const std::int64_t units = h.dim(1);
  dispatch_floating(h.dtype(), [&]<class T>() {
    gemm<T>(h.dim(0), which.count * units, units, {Access::data<T>(h), units},
            {Access::data<T>(hidden) + which.first * units * units, units, Trans::yes},
            Access::mutable_data<T>(gates) + which.first * units, gates.dim(1), Store::add);
  });
}

/// The gradient of h in R h, for some of the gates; stored in, or added to, `g_h`.
void hidden_product_to_h(Gates which, const Tensor& g_gates, const Tensor& hidden, const Tensor& g_h, Store store) {
  const std::int64_t units = g_h.dim(1);
  dispatch_floating(g_h.dtype(), [&]<class T>() {
    gemm<T>(g_h.dim(0), units, which.count * units, {Access::data<T>(g_gates) + which.first * units, g_gates.dim(1)},
            {Access::data<T>(hidden) + which.first * units * units, units}, Access::mutable_data<T>(g_h), units, store);
  });
}

/// The gradient of R in R h, for some of the gates.
void hidden_product_to_weight(Gates which, const Tensor& g_gates, const Tensor& h, const Tensor& g_hidden) {
  const std::int64_t units = h.dim(1);
  dispatch_floating(h.dtype(), [&]<class T>() {
    gemm<T>(which.count * units, units, h.dim(0),
            {Access::data<T>(g_gates) + which.first * units, g_gates.dim(1), Trans::yes}, {Access::data<T>(h), units},
            Access::mutable_data<T>(g_hidden) + which.first * units * units, units, Store::overwrite);
  });
}

Tensor empty_like(const Tensor& x) { return Access::allocate(x.shape(), x.dtype()); }

/// Gradients of x, W and b, from that of the gates.
void input_gradients(const Step& step, const Tensor& g_gates, const std::uint8_t* needed, Tensors& gradients) {
  const Tensor& input = step.weights.input;
  if (needed[Step::at_x]) gradients[Step::at_x] = input.defined() ? matmul(g_gates, input) : g_gates;
  if (needed[Step::at_input]) gradients[Step::at_input] = matmul(g_gates, step.x, {.transpose_a = true});
  if (needed[Step::at_input_bias]) gradients[Step::at_input_bias] = sum(g_gates, {0});
}

/// Gradients of W x + b + R h + c from that of the gates, in all of which h's product stands as it is.
Tensors affine_gradients(const Step& step, const Tensor& g_gates, const std::uint8_t* needed) {
  Tensors gradients(Step::count);
  input_gradients(step, g_gates, needed, gradients);
  if (needed[Step::at_h]) gradients[Step::at_h] = matmul(g_gates, step.weights.hidden);
  if (needed[Step::at_hidden]) gradients[Step::at_hidden] = matmul(g_gates, step.h, {.transpose_a = true});
  if (needed[Step::at_hidden_bias]) {
    const Tensor& same = gradients[Step::at_input_bias];
    gradients[Step::at_hidden_bias] = same.defined() ? same : sum(g_gates, {0});
  }
  return gradients;
}

// ---------------------------------------------------------------------------------------------------------------------
// The same by other ops, for gradients that are differentiated.

Tensor composed_input(const Step& step) {
  const auto& [input, hidden, input_bias, hidden_bias] = step.weights;
  if (input.defined()) return linear(step.x, input, input_bias);
  return input_bias.defined() ? step.x + input_bias : step.x;
}

/// R h + c for some of the gates.
Tensor composed_hidden(Gates which, const Tensor& h, const CellWeights& weights) {
  const std::int64_t begin = which.first * h.dim(1);
  const std::int64_t end = begin + which.count * h.dim(1);
  const Tensor& bias = weights.hidden_bias;
  return linear(h, weights.hidden.slice(begin, end), bias.defined() ? bias.slice(begin, end) : Tensor());
}

Tensor gate(const Tensor& gates, std::int64_t number, const Tensor& h) {
  return slice(gates, 1, number * h.dim(1), (number + 1) * h.dim(1));
}

Tensors composed_rnn(const Step& step, RnnActivation activation) {
  const Tensor sums = composed_input(step) + composed_hidden({0, 1}, step.h, step.weights);
  return {activation == RnnActivation::tanh ? tanh(sums) : relu(sums)};
}

Tensors composed_lstm(const Step& step) {
  const Tensor gates = composed_input(step) + composed_hidden({0, 4}, step.h, step.weights);
  const Tensor i = sigmoid(gate(gates, 0, step.h));
  const Tensor f = sigmoid(gate(gates, 1, step.h));
  const Tensor g = tanh(gate(gates, 2, step.h));
  const Tensor o = sigmoid(gate(gates, 3, step.h));
  const Tensor c = f * step.c + i * g;
  return {o * tanh(c), c};
}

Tensors composed_gru(const Step& step, const GruOptions& options) {
  const Tensor gates = composed_input(step);
  const Tensor first_two = composed_hidden({0, 2}, step.h, step.weights);
  const Tensor r = sigmoid(gate(gates, 0, step.h) + gate(first_two, 0, step.h));
  const Tensor z = sigmoid(gate(gates, 1, step.h) + gate(first_two, 1, step.h));
  const Tensor product = options.reset_after ? r * composed_hidden({2, 1}, step.h, step.weights)
                                             : composed_hidden({2, 1}, r * step.h, step.weights);
  const Tensor n = tanh(gate(gates, 2, step.h) + product);
  return {(1 - z) * n + z * step.h};
}

/// Records a step: `composed` gives the outputs by other ops, `fused` all gradients from those of the outputs.
template <class Composed, class Fused>
Tensors record_step(const char* op, const Step& step, Tensors outputs, Composed composed, Fused fused) {
  if (!grad_enabled()) return outputs;
  const auto inputs = step.list();
  return record(op, std::move(outputs),
                wrt_all(inputs, [step, composed, fused](std::span<const Tensor> g, const std::uint8_t* needed) {
                  if (!grad_enabled()) return fused(step, g, needed);
                  const auto of_list = [&](const Tensors& list) { return composed(Step::from(list)); };
                  return detail::composed_gradients(of_list, step.list(), g, needed);
                }));
}

// ---------------------------------------------------------------------------------------------------------------------
// Gated recurrent units, by where the reset gate acts.

constexpr const char* gru_name = "gru_cell";

Tensor gru_reset_after(const Step& step, const GruOptions& options) {
  Tensor gates = start_of_gates(step, 2);
  add_hidden_product({0, 2}, step.h, step.weights.hidden, gates);
  const Tensor m = no_grad([&] { return composed_hidden({2, 1}, step.h, step.weights); });
  Tensor next = empty_like(step.h);
  kernels::gru_forward(gates, m, step.h, next);
  return record_step(
      gru_name, step, {next}, [options](const Step& s) { return composed_gru(s, options); },
      [gates, m](const Step& s, std::span<const Tensor> g, const std::uint8_t* needed) {
        const Tensor by_input = empty_like(gates);
        const Tensor by_hidden = empty_like(gates);
        Tensor g_h = empty_like(s.h);
        kernels::gru_backward(gates, m, s.h, g[0], by_input, by_hidden, g_h);
        Tensors gradients(Step::count);
        input_gradients(s, by_input, needed, gradients);
        if (needed[Step::at_h]) {
          hidden_product_to_h({0, 3}, by_hidden, s.weights.hidden, g_h, Store::add);
          gradients[Step::at_h] = std::move(g_h);
        }
        if (needed[Step::at_hidden]) gradients[Step::at_hidden] = matmul(by_hidden, s.h, {.transpose_a = true});
        if (needed[Step::at_hidden_bias]) gradients[Step::at_hidden_bias] = sum(by_hidden, {0});
        return gradients;
      })[0];
}

Tensor gru_reset_before(const Step& step, const GruOptions& options) {
  Tensor gates = start_of_gates(step, 3);
  add_hidden_product({0, 2}, step.h, step.weights.hidden, gates);
  Tensor reset_h = empty_like(step.h);
  kernels::gru_reset(gates, step.h, reset_h);
  add_hidden_product({2, 1}, reset_h, step.weights.hidden, gates);
  Tensor next = empty_like(step.h);
  kernels::gru_update(gates, step.h, next);
  return record_step(
      gru_name, step, {next}, [options](const Step& s) { return composed_gru(s, options); },
      [gates, reset_h](const Step& s, std::span<const Tensor> g, const std::uint8_t* needed) {
        const Tensor& hidden = s.weights.hidden;
        const Tensor g_gates = empty_like(gates);
        Tensor g_h = empty_like(s.h);
        kernels::gru_update_backward(gates, s.h, g[0], g_gates, g_h);
        const Tensor g_reset_h = empty_like(s.h);
        hidden_product_to_h({2, 1}, g_gates, hidden, g_reset_h, Store::overwrite);
        kernels::gru_reset_backward(gates, s.h, g_reset_h, g_gates, g_h);
        Tensors gradients(Step::count);
        input_gradients(s, g_gates, needed, gradients);
        if (needed[Step::at_h]) {
          hidden_product_to_h({0, 2}, g_gates, hidden, g_h, Store::add);
          gradients[Step::at_h] = std::move(g_h);
        }
        if (needed[Step::at_hidden]) {
          gradients[Step::at_hidden] = empty_like(hidden);
          hidden_product_to_weight({0, 2}, g_gates, s.h, gradients[Step::at_hidden]);
          hidden_product_to_weight({2, 1}, g_gates, reset_h, gradients[Step::at_hidden]);
        }
        if (needed[Step::at_hidden_bias]) gradients[Step::at_hidden_bias] = sum(g_gates, {0});
        return gradients;
      })[0];
}

}  // namespace

Tensor rnn_cell(const Tensor& x, const Tensor& h, const CellWeights& weights, RnnActivation activation) {
  constexpr const char* op = "rnn_cell";
  const Step step{x, h, {}, weights};
  detail::check_operands(op, std::array{&x, &h, &weights.hidden}, Types::floating, {"x", "h", "weights.hidden"});
  check_step(op, 1, "h", step);
  const bool is_tanh = activation == RnnActivation::tanh;
  Tensor next = start_of_gates(step, 1);
  add_hidden_product({0, 1}, h, weights.hidden, next);
  is_tanh ? kernels::rnn_tanh(next) : kernels::rnn_relu(next);
  return record_step(
      op, step, {next}, [activation](const Step& s) { return composed_rnn(s, activation); },
      [is_tanh, next](const Step& s, std::span<const Tensor> g, const std::uint8_t* needed) {
        const auto apply = [&](auto formula) {
          return detail::fused<Types::floating, false>(formula, next.shape(), next.dtype(), std::array{&g[0], &next});
        };
        const Tensor g_sums = is_tanh ? apply([](auto upstream, auto y) { return upstream * (1 - y * y); })
                                      : apply([](auto upstream, auto y) { return where(y > 0, upstream, 0); });
        return affine_gradients(s, g_sums, needed);
      })[0];
}

LstmState lstm_cell(const Tensor& x, const LstmState& state, const CellWeights& weights) {
  constexpr const char* op = "lstm_cell";
  const Step step{x, state.h, state.c, weights};
  detail::check_operands(op, std::array{&x, &state.h, &state.c, &weights.hidden}, Types::floating,
                         {"x", "state.h", "state.c", "weights.hidden"});
  check_step(op, 4, "state.h", step);
  check(state.c.shape() == state.h.shape(), "{}: state.c must have the shape of state.h {}, got {}", op,
        state.h.shape(), state.c.shape());
  Tensor gates = start_of_gates(step, 4);
  add_hidden_product({0, 4}, state.h, weights.hidden, gates);
  Tensor next_h = empty_like(state.h);
  Tensor next_c = empty_like(state.h);
  kernels::lstm_forward(gates, state.c, next_h, next_c);
  // The next step saves next_c too, and tanh(next_c) is soon computed again.
  Tensors next = record_step(op, step, {next_h, next_c}, composed_lstm,
                             [gates, next_c](const Step& s, std::span<const Tensor> g, const std::uint8_t* needed) {
                               const Tensor g_gates = empty_like(gates);
                               Tensor g_c = empty_like(s.c);
                               kernels::lstm_backward(gates, s.c, next_c, g[0], g[1], g_gates, g_c);
                               Tensors gradients = affine_gradients(s, g_gates, needed);
                               if (needed[Step::at_c]) gradients[Step::at_c] = std::move(g_c);
                               return gradients;
                             });
  return {std::move(next[0]), std::move(next[1])};
}

Tensor gru_cell(const Tensor& x, const Tensor& h, const CellWeights& weights, const GruOptions& options) {
  const Step step{x, h, {}, weights};
  detail::check_operands(gru_name, std::array{&x, &h, &weights.hidden}, Types::floating, {"x", "h", "weights.hidden"});
  check_step(gru_name, 3, "h", step);
  return options.reset_after ? gru_reset_after(step, options) : gru_reset_before(step, options);
}

}  // namespace wengert
