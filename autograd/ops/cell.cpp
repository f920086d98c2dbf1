#include "autograd/kernels/cell.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <wengert/autograd/elementwise.h>

#include "autograd/kernels/gemm.h"
#include "autograd/kernels/reduce.h"
#include "autograd/kernels/workspace.h"
#include "autograd/ops/composed.h"

namespace wengert {

namespace {

using detail::Access;
using kernels::gemm;
using kernels::Store;
using kernels::Trans;

using Tensors = std::vector<Tensor>;

/// The inputs of a step, in their order on the tape. c and all weights but `hidden` may be undefined.
class Step {
 public:
  enum Place : std::size_t { at_x, at_h, at_c, at_input, at_hidden, at_input_bias, at_hidden_bias, count };

  Step(const Tensor& x, const Tensor& h, const Tensor& c, const CellWeights& weights)
      : list_{x, h, c, weights.input, weights.hidden, weights.input_bias, weights.hidden_bias} {}
  explicit Step(const Tensors& list) { std::copy_n(list.begin(), +count, list_.begin()); }

  const Tensor& x() const { return list_[at_x]; }
  const Tensor& h() const { return list_[at_h]; }
  const Tensor& c() const { return list_[at_c]; }
  const Tensor& input() const { return list_[at_input]; }
  const Tensor& hidden() const { return list_[at_hidden]; }
  const Tensor& input_bias() const { return list_[at_input_bias]; }
  const Tensor& hidden_bias() const { return list_[at_hidden_bias]; }
  std::span<const Tensor> list() const { return list_; }

  std::int64_t samples() const { return h().shape()[0]; }
  std::int64_t units() const { return h().shape()[1]; }

 private:
  std::array<Tensor, count> list_;
};

/// A step stays where it is while its list goes on the tape and then itself: each copy would count fourteen references.
using StepOwner = std::unique_ptr<const Step>;

// ---------------------------------------------------------------------------------------------------------------------
// Checks.

void check_bias(const char* op, const char* name, const Tensor& bias, const Tensor& hidden) {
  check(!bias.defined() || bias.shape() == Shape{hidden.dim(0)}, "{}: {} must be [{}] for weights.hidden {}, got {}",
        op, name, hidden.dim(0), hidden.shape(), bias.defined() ? bias.shape() : Shape());
}

/// Once x, h and weights.hidden are known to be defined and of one dtype.
void check_step(const char* op, std::int64_t gates, const char* h_name, const Step& step) {
  const Tensor& x = step.x();
  const Tensor& h = step.h();
  const Tensor& input = step.input();
  const Tensor& hidden = step.hidden();
  for (const auto& [name, weight] : {std::pair{"weights.input", &input},
                                     {"weights.input_bias", &step.input_bias()},
                                     {"weights.hidden_bias", &step.hidden_bias()}}) {
    if (weight->defined()) detail::check_operands(op, std::array{&x, weight}, Types::floating, {"x", name});
  }
  const char* hidden_shape = gates == 1 ? "[H, H]" : gates == 3 ? "[3 H, H]" : "[4 H, H]";
  check(hidden.rank() == 2 && hidden.dim(0) % gates == 0 && hidden.dim(0) / gates == hidden.dim(1),
        "{}: weights.hidden must be {}, got {}", op, hidden_shape, hidden.shape());
  check(h.rank() == 2 && h.dim(1) == hidden.dim(1), "{}: {} must be [N, {}] for weights.hidden {}, got {}", op, h_name,
        hidden.dim(1), hidden.shape(), h.shape());
  if (input.defined()) {
    check(input.rank() == 2 && input.dim(0) == hidden.dim(0),
          "{}: weights.input must be [{}, I] for weights.hidden {}, got {}", op, hidden.dim(0), hidden.shape(),
          input.shape());
    check(x.shape() == Shape{step.samples(), input.dim(1)},
          "{}: x must be [{}, {}] for {} {} and weights.input {}, got {}", op, step.samples(), input.dim(1), h_name,
          h.shape(), input.shape(), x.shape());
  } else {
    check(x.shape() == Shape{step.samples(), hidden.dim(0)},
          "{}: x must be [{}, {}] for {} {} and weights.hidden {}, as weights.input is undefined; got {}", op,
          step.samples(), hidden.dim(0), h_name, h.shape(), hidden.shape(), x.shape());
  }
  check_bias(op, "weights.input_bias", step.input_bias(), hidden);
  check_bias(op, "weights.hidden_bias", step.hidden_bias(), hidden);
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
  const Tensor& input = step.input();
  const std::int64_t rows = step.samples();
  const std::int64_t columns = step.hidden().shape()[0];
  Tensor gates = Access::allocate({rows, columns}, step.x().dtype());
  dispatch_floating(gates.dtype(), [&]<class T>() {
    const kernels::Workspace<T> biases(columns);
    T* const bias = biases.get();
    std::fill_n(bias, columns, T(0));
    const auto add = [&](const Tensor& terms, std::int64_t n) {
      for (std::int64_t i = 0; terms.defined() && i < n; ++i) bias[i] += Access::data<T>(terms)[i];
    };
    add(step.input_bias(), columns);
    add(step.hidden_bias(), hidden_biases * step.units());

    const T* x = Access::data<T>(step.x());
    T* const sums = Access::mutable_data<T>(gates);
    if (!input.defined()) return kernels::add_to_rows(rows, columns, x, bias, sums);
    const T* weight = Access::data<T>(input);
    const std::int64_t in = input.shape()[1];
    if (in == 1) return kernels::add_multiples(rows, columns, x, weight, bias, sums);  // hardly a product
    kernels::gemm_with_bias<T>(rows, columns, in, {x, in}, {weight, in, Trans::yes}, bias, sums, columns);
  });
  return gates;
}

/// Adds R h, for some of the gates.
void add_hidden_product(Gates which, const Tensor& h, const Tensor& hidden, const Tensor& gates) {
  const std::int64_t units = h.shape()[1];
  dispatch_floating(h.dtype(), [&]<class T>() {
    gemm<T>(h.shape()[0], which.count * units, units, {Access::data<T>(h), units},
            {Access::data<T>(hidden) + which.first * units * units, units, Trans::yes},
            Access::mutable_data<T>(gates) + which.first * units, gates.shape()[1], Store::add);
  });
}

/// The gradient of h in R h, for some of the gates; stored in, or added to, `g_h`.
void hidden_product_to_h(Gates which, const Tensor& g_gates, const Tensor& hidden, const Tensor& g_h, Store store) {
  const std::int64_t units = g_h.shape()[1];
  const std::int64_t columns = g_gates.shape()[1];
  dispatch_floating(g_h.dtype(), [&]<class T>() {
    gemm<T>(g_h.shape()[0], units, which.count * units, {Access::data<T>(g_gates) + which.first * units, columns},
            {Access::data<T>(hidden) + which.first * units * units, units}, Access::mutable_data<T>(g_h), units, store);
  });
}

/// The gradient of R in R h, for some of the gates.
void hidden_product_to_weight(Gates which, const Tensor& g_gates, const Tensor& h, const Tensor& g_hidden) {
  const std::int64_t units = h.shape()[1];
  const std::int64_t columns = g_gates.shape()[1];
  dispatch_floating(h.dtype(), [&]<class T>() {
    gemm<T>(which.count * units, units, h.shape()[0],
            {Access::data<T>(g_gates) + which.first * units, columns, Trans::yes}, {Access::data<T>(h), units},
            Access::mutable_data<T>(g_hidden) + which.first * units * units, units, Store::overwrite);
  });
}

Tensor empty_like(const Tensor& x) { return Access::allocate(x.shape(), x.dtype()); }

/// The gradient of a bias that was added to the gates.
Tensor bias_gradient(const Tensor& g_gates) {
  Tensor total = Access::allocate({g_gates.shape()[1]}, g_gates.dtype());
  kernels::reduce(kernels::Reduction::sum, g_gates, 1, total);
  return total;
}

/// Gradients of x, W and b, from that of the gates.
void input_gradients(const Step& step, const Tensor& g_gates, const std::uint8_t* needed, Tensors& gradients) {
  const Tensor& input = step.input();
  if (needed[Step::at_x]) gradients[Step::at_x] = input.defined() ? matmul(g_gates, input) : g_gates;
  if (needed[Step::at_input]) {
    gradients[Step::at_input] = empty_like(input);
    dispatch_floating(input.dtype(), [&]<class T>() {
      const std::int64_t rows = input.shape()[0];
      const std::int64_t in = input.shape()[1];
      gemm<T>(rows, in, step.samples(), {Access::data<T>(g_gates), rows, Trans::yes}, {Access::data<T>(step.x()), in},
              Access::mutable_data<T>(gradients[Step::at_input]), in, Store::overwrite);
    });
  }
  if (needed[Step::at_input_bias]) gradients[Step::at_input_bias] = bias_gradient(g_gates);
}

/// Gradients of W x + b + R h + c from that of the gates, in all of which h's product stands as it is.
Tensors affine_gradients(Gates all, const Step& step, const Tensor& g_gates, const std::uint8_t* needed) {
  Tensors gradients(Step::count);
  input_gradients(step, g_gates, needed, gradients);
  if (needed[Step::at_h]) {
    gradients[Step::at_h] = empty_like(step.h());
    hidden_product_to_h(all, g_gates, step.hidden(), gradients[Step::at_h], Store::overwrite);
  }
  if (needed[Step::at_hidden]) {
    gradients[Step::at_hidden] = empty_like(step.hidden());
    hidden_product_to_weight(all, g_gates, step.h(), gradients[Step::at_hidden]);
  }
  if (needed[Step::at_hidden_bias]) {
    const Tensor& same = gradients[Step::at_input_bias];
    gradients[Step::at_hidden_bias] = same.defined() ? same : bias_gradient(g_gates);
  }
  return gradients;
}

// ---------------------------------------------------------------------------------------------------------------------
// The same by other ops, for gradients that are differentiated.

Tensor composed_input(const Step& step) {
  const Tensor& bias = step.input_bias();
  if (step.input().defined()) return linear(step.x(), step.input(), bias);
  return bias.defined() ? step.x() + bias : step.x();
}

/// R h + c for some of the gates.
Tensor composed_hidden(Gates which, const Tensor& h, const Step& step) {
  const std::int64_t begin = which.first * h.dim(1);
  const std::int64_t end = begin + which.count * h.dim(1);
  const Tensor& bias = step.hidden_bias();
  return linear(h, step.hidden().slice(begin, end), bias.defined() ? bias.slice(begin, end) : Tensor());
}

Tensor gate(const Tensor& gates, std::int64_t number, const Tensor& h) {
  return slice(gates, 1, number * h.dim(1), (number + 1) * h.dim(1));
}

Tensors composed_rnn(const Step& step, RnnActivation activation) {
  const Tensor sums = composed_input(step) + composed_hidden({0, 1}, step.h(), step);
  return {activation == RnnActivation::tanh ? tanh(sums) : relu(sums)};
}

Tensors composed_lstm(const Step& step) {
  const Tensor gates = composed_input(step) + composed_hidden({0, 4}, step.h(), step);
  const Tensor i = sigmoid(gate(gates, 0, step.h()));
  const Tensor f = sigmoid(gate(gates, 1, step.h()));
  const Tensor g = tanh(gate(gates, 2, step.h()));
  const Tensor o = sigmoid(gate(gates, 3, step.h()));
  const Tensor c = f * step.c() + i * g;
  return {o * tanh(c), c};
}

Tensors composed_gru(const Step& step, const GruOptions& options) {
  const Tensor gates = composed_input(step);
  const Tensor first_two = composed_hidden({0, 2}, step.h(), step);
  const Tensor r = sigmoid(gate(gates, 0, step.h()) + gate(first_two, 0, step.h()));
  const Tensor z = sigmoid(gate(gates, 1, step.h()) + gate(first_two, 1, step.h()));
  const Tensor product =
      options.reset_after ? r * composed_hidden({2, 1}, step.h(), step) : composed_hidden({2, 1}, r * step.h(), step);
  const Tensor n = tanh(gate(gates, 2, step.h()) + product);
  return {(1 - z) * n + z * step.h()};
}

/// Records a step: `composed` gives the outputs by other ops, `fused` all gradients from those of the outputs.
template <class Composed, class Fused>
Tensors record_step(const char* op, StepOwner step, Tensors outputs, Composed composed, Fused fused) {
  if (!grad_enabled()) return outputs;
  const std::span<const Tensor> inputs = step->list();
  return record(
      op, std::move(outputs),
      wrt_all(inputs, [step = std::move(step), composed, fused](std::span<const Tensor> g, const std::uint8_t* needed) {
        if (!grad_enabled()) return fused(*step, g, needed);
        const auto of_list = [&](const Tensors& list) { return composed(Step(list)); };
        return detail::composed_gradients(of_list, step->list(), g, needed);
      }));
}

// ---------------------------------------------------------------------------------------------------------------------
// Gated recurrent units, by where the reset gate acts.

constexpr const char* gru_name = "gru_cell";

Tensor gru_reset_after(StepOwner step, const GruOptions& options) {
  const Tensor& h = step->h();
  Tensor gates = start_of_gates(*step, 2);
  add_hidden_product({0, 2}, h, step->hidden(), gates);
  const Tensor m = no_grad([&] { return composed_hidden({2, 1}, h, *step); });
  Tensor next = empty_like(h);
  kernels::gru_forward(gates, m, h, next);
  return record_step(
      gru_name, std::move(step), {next}, [options](const Step& s) { return composed_gru(s, options); },
      [gates, m](const Step& s, std::span<const Tensor> g, const std::uint8_t* needed) {
        const Tensor by_input = empty_like(gates);
        const Tensor by_hidden = empty_like(gates);
        Tensor g_h = empty_like(s.h());
        kernels::gru_backward(gates, m, s.h(), g[0], by_input, by_hidden, g_h);
        Tensors gradients(Step::count);
        input_gradients(s, by_input, needed, gradients);
        if (needed[Step::at_h]) {
          hidden_product_to_h({0, 3}, by_hidden, s.hidden(), g_h, Store::add);
          gradients[Step::at_h] = std::move(g_h);
        }
        if (needed[Step::at_hidden]) {
          gradients[Step::at_hidden] = empty_like(s.hidden());
          hidden_product_to_weight({0, 3}, by_hidden, s.h(), gradients[Step::at_hidden]);
        }
        if (needed[Step::at_hidden_bias]) gradients[Step::at_hidden_bias] = bias_gradient(by_hidden);
        return gradients;
      })[0];
}

Tensor gru_reset_before(StepOwner step, const GruOptions& options) {
  const Tensor& h = step->h();
  Tensor gates = start_of_gates(*step, 3);
  add_hidden_product({0, 2}, h, step->hidden(), gates);
  Tensor reset_h = empty_like(h);
  kernels::gru_reset(gates, h, reset_h);
  add_hidden_product({2, 1}, reset_h, step->hidden(), gates);
  Tensor next = empty_like(h);
  kernels::gru_update(gates, h, next);
  return record_step(
      gru_name, std::move(step), {next}, [options](const Step& s) { return composed_gru(s, options); },
      [gates, reset_h](const Step& s, std::span<const Tensor> g, const std::uint8_t* needed) {
        const Tensor& hidden = s.hidden();
        const Tensor g_gates = empty_like(gates);
        Tensor g_h = empty_like(s.h());
        kernels::gru_update_backward(gates, s.h(), g[0], g_gates, g_h);
        const Tensor g_reset_h = empty_like(s.h());
        hidden_product_to_h({2, 1}, g_gates, hidden, g_reset_h, Store::overwrite);
        kernels::gru_reset_backward(gates, s.h(), g_reset_h, g_gates, g_h);
        Tensors gradients(Step::count);
        input_gradients(s, g_gates, needed, gradients);
        if (needed[Step::at_h]) {
          hidden_product_to_h({0, 2}, g_gates, hidden, g_h, Store::add);
          gradients[Step::at_h] = std::move(g_h);
        }
        if (needed[Step::at_hidden]) {
          gradients[Step::at_hidden] = empty_like(hidden);
          hidden_product_to_weight({0, 2}, g_gates, s.h(), gradients[Step::at_hidden]);
          hidden_product_to_weight({2, 1}, g_gates, reset_h, gradients[Step::at_hidden]);
        }
        if (needed[Step::at_hidden_bias]) gradients[Step::at_hidden_bias] = bias_gradient(g_gates);
        return gradients;
      })[0];
}

}  // namespace

Tensor rnn_cell(const Tensor& x, const Tensor& h, const CellWeights& weights, RnnActivation activation) {
  constexpr const char* op = "rnn_cell";
  auto step = std::make_unique<const Step>(x, h, Tensor(), weights);
  detail::check_operands(op, std::array{&x, &h, &weights.hidden}, Types::floating, {"x", "h", "weights.hidden"});
  check_step(op, 1, "h", *step);
  const bool is_tanh = activation == RnnActivation::tanh;
  Tensor next = start_of_gates(*step, 1);
  add_hidden_product({0, 1}, h, weights.hidden, next);
  is_tanh ? kernels::rnn_tanh(next) : kernels::rnn_relu(next);
  return record_step(
      op, std::move(step), {next}, [activation](const Step& s) { return composed_rnn(s, activation); },
      [is_tanh, next](const Step& s, std::span<const Tensor> g, const std::uint8_t* needed) {
        const auto apply = [&](auto formula) {
          return detail::fused<Types::floating, false>(formula, next.shape(), next.dtype(), std::array{&g[0], &next});
        };
        const Tensor g_sums = is_tanh ? apply([](auto upstream, auto y) { return upstream * (1 - y * y); })
                                      : apply([](auto upstream, auto y) { return where(y > 0, upstream, 0); });
        return affine_gradients({0, 1}, s, g_sums, needed);
      })[0];
}

LstmState lstm_cell(const Tensor& x, const LstmState& state, const CellWeights& weights) {
  constexpr const char* op = "lstm_cell";
  auto step = std::make_unique<const Step>(x, state.h, state.c, weights);
  detail::check_operands(op, std::array{&x, &state.h, &state.c, &weights.hidden}, Types::floating,
                         {"x", "state.h", "state.c", "weights.hidden"});
  check_step(op, 4, "state.h", *step);
  check(state.c.shape() == state.h.shape(), "{}: state.c must have the shape of state.h {}, got {}", op,
        state.h.shape(), state.c.shape());
  Tensor gates = start_of_gates(*step, 4);
  add_hidden_product({0, 4}, state.h, weights.hidden, gates);
  Tensor next_h = empty_like(state.h);
  Tensor next_c = empty_like(state.h);
  kernels::lstm_forward(gates, state.c, next_h, next_c);
  // The next step saves next_c too, and tanh(next_c) is soon computed again.
  Tensors next = record_step(op, std::move(step), {next_h, next_c}, composed_lstm,
                             [gates, next_c](const Step& s, std::span<const Tensor> g, const std::uint8_t* needed) {
                               const Tensor g_gates = empty_like(gates);
                               Tensor g_c = empty_like(s.c());
                               kernels::lstm_backward(gates, s.c(), next_c, g[0], g[1], g_gates, g_c);
                               Tensors gradients = affine_gradients({0, 4}, s, g_gates, needed);
                               if (needed[Step::at_c]) gradients[Step::at_c] = std::move(g_c);
                               return gradients;
                             });
  return {std::move(next[0]), std::move(next[1])};
}

Tensor gru_cell(const Tensor& x, const Tensor& h, const CellWeights& weights, const GruOptions& options) {
  auto step = std::make_unique<const Step>(x, h, Tensor(), weights);
  detail::check_operands(gru_name, std::array{&x, &h, &weights.hidden}, Types::floating, {"x", "h", "weights.hidden"});
  check_step(gru_name, 3, "h", *step);
  return options.reset_after ? gru_reset_after(std::move(step), options) : gru_reset_before(std::move(step), options);
}

}  // namespace wengert
