// M6: tanh RNN, LSTM and GRU with 32 units, 20 steps of one number each, batch 32; the last state goes through a dense
// layer to one number; mean squared error, Adam.

#include <Eigen/Core>
#include <cstring>

#include "benchmarks/hand/lanes.h"
#include "benchmarks/hand/parameters.h"
#include "benchmarks/hand/product.h"
#include "benchmarks/models/model.h"

namespace wengert::bench {

namespace {

constexpr int units = 32;
constexpr int steps = 20;
constexpr int batch = 32;

enum class Cell : std::uint8_t { rnn, lstm, gru };

constexpr int gates_of(Cell cell) { return cell == Cell::rnn ? 1 : cell == Cell::lstm ? 4 : 3; }

Problem make_problem(Cell cell) {
  Draw draw;
  const std::int64_t rows = gates_of(cell) * units;
  Problem problem{.model = cell == Cell::rnn ? "rnn" : cell == Cell::lstm ? "lstm" : "gru"};
  problem.weights = {
      draw.weight("input weight", {rows, 1}, units),   draw.weight("hidden weight", {rows, units}, units),
      draw.weight("input bias", {rows}, units),        draw.weight("hidden bias", {rows}, units),
      draw.weight("output weight", {1, units}, units), draw.weight("output bias", {1}, units)};
  problem.data = {draw.uniform("x", {steps, batch, 1}, -1, 1), draw.uniform("target", {batch, 1}, -1, 1)};
  return problem;
}

template <Cell cell>
class Ours {
 public:
  explicit Ours(const Problem& problem) : x_(to_tensor(problem.data[0])), target_(to_tensor(problem.data[1])) {
    for (const Array& weight : problem.weights) weights_.emplace_back(to_tensor(weight));
    optimizer_ = std::make_unique<optim::Adam>(parameters(), optim::AdamOptions{.lr = problem.learning_rate});
  }

  std::vector<ParameterRef> parameters() const { return {weights_.begin(), weights_.end()}; }

  void backward() {
    optimizer_->zero_grad();
    mse_loss(linear(last_state(), weights_[4], weights_[5]), target_).backward();
  }

  void step() {
    backward();
    optimizer_->step();
  }

 private:
  Tensor last_state() const {
    const CellWeights weights{
        .input = weights_[0], .hidden = weights_[1], .input_bias = weights_[2], .hidden_bias = weights_[3]};
    LstmState state{.h = zeros({batch, units}), .c = zeros({batch, units})};
    for (int t = 0; t < steps; ++t) {
      if constexpr (cell == Cell::rnn) state.h = rnn_cell(x_[t], state.h, weights);
      if constexpr (cell == Cell::lstm) state = lstm_cell(x_[t], state, weights);
      if constexpr (cell == Cell::gru) state.h = gru_cell(x_[t], state.h, weights);
    }
    return state.h;
  }

  std::vector<Parameter> weights_;
  std::unique_ptr<optim::Adam> optimizer_;
  Tensor x_;
  Tensor target_;
};

/// Every quantity is a matrix with a row for each unit and a column for each sample of each step, so that a step's
/// columns fill registers, and gradients of weights are one product over all steps.
class Matrix {
 public:
  static constexpr std::int64_t stride = steps * batch;
  using Row = Eigen::Map<Eigen::Array<float, batch, 1>, Eigen::Aligned64>;

  explicit Matrix(int rows = 0) : numbers_(Eigen::ArrayXf::Zero(rows * stride)) {}

  float* at(int row, int step) { return numbers_.data() + row * stride + step * batch; }
  Row row(int row, int step) { return Row(at(row, step)); }
  float* data() { return numbers_.data(); }

 private:
  Eigen::ArrayXf numbers_;
};

/// Elements of a weight matrix as they enter a product.
struct Weight {
  const float* data;
  std::int64_t row_stride;
  std::int64_t column_stride;
};

/// to = start(row) + weight from, for the columns of one step; the number of rows is a multiple of eight.
template <class Start>
void multiply(int rows, int inner, Weight weight, const float* from, float* to, Start start) {
  constexpr int together = 8;
  constexpr int parts = batch / lane_count;
  for (int row = 0; row < rows; row += together) {
    Lanes sum[together][parts];
    for (int r = 0; r < together; ++r) {
      for (int p = 0; p < parts; ++p) sum[r][p] = start(row + r, p);
    }
    for (int i = 0; i < inner; ++i) {
      const Lanes right[parts] = {load(from + i * Matrix::stride), load(from + i * Matrix::stride + lane_count)};
      for (int r = 0; r < together; ++r) {
        const float left = weight.data[(row + r) * weight.row_stride + i * weight.column_stride];
        for (int p = 0; p < parts; ++p) sum[r][p] += left * right[p];
      }
    }
    for (int r = 0; r < together; ++r) {
      for (int p = 0; p < parts; ++p) store(to + (row + r) * Matrix::stride + p * lane_count, sum[r][p]);
    }
  }
}

template <Cell cell>
class Hand {
 public:
  explicit Hand(const Problem& problem) : parameters_(problem) {
    x_ = Eigen::Map<const Eigen::ArrayXf>(problem.data[0].numbers.data(), steps * batch);
    target_ = Eigen::Map<const Eigen::ArrayXf>(problem.data[1].numbers.data(), batch);
  }

  std::vector<float> gradient(std::size_t i) const { return parameters_.copy_of_gradient(i); }

  void step() {
    backward();
    parameters_.adam_step();
  }

  void backward() {
    for (int t = 0; t < steps; ++t) {
      sum_gates(t);
      activate(t);
    }
    output();
    for (int t = steps - 1; t >= 0; --t) {
      gate_gradients(t);
      if (t > 0) hidden_gradients(t);
    }
    weight_gradients();
  }

 private:
  using Row = Matrix::Row;
  static constexpr int gates = gates_of(cell);
  /// A GRU's third gate has its hidden product apart.
  static constexpr bool product_apart = cell == Cell::gru;
  static constexpr int joint = product_apart ? 2 : gates;
  static constexpr int rows = 4 * units;

  /// W x + b + R h + c; for a GRU's third gate R h + c is row block 3.
  void sum_gates(int t) {
    const float* input = parameters_.weight(0);
    const float* hidden = parameters_.weight(1);
    const float* bias = parameters_.weight(2);
    const float* hidden_bias = parameters_.weight(3);
    const float* x = x_.data() + t * batch;
    const int inner = t == 0 ? 0 : units;
    const float* before = t == 0 ? nullptr : h_.at(0, t - 1);
    multiply(joint * units, inner, {hidden, units, 1}, before, gates_.at(0, t), [=](int row, int part) {
      return input[row] * load(x + part * lane_count) + (bias[row] + hidden_bias[row]);
    });
    if constexpr (product_apart) {
      multiply(units, inner, {hidden + 2 * units * units, units, 1}, before, gates_.at(3 * units, t),
               [=](int row, int /*part*/) { return lanes(hidden_bias[2 * units + row]); });
    }
  }

  static auto sigmoid_of(const Row& row) { return 0.5F * (0.5F * row).tanh() + 0.5F; }

  void activate(int t) {
    for (int j = 0; j < units; ++j) {
      const auto gate = [&](int number) { return gates_.row(number * units + j, t); };
      Row h = h_.row(j, t);
      if constexpr (cell == Cell::rnn) {
        h = gate(0).tanh();
      } else if constexpr (cell == Cell::lstm) {
        Row i = gate(0), f = gate(1), g = gate(2), o = gate(3), c = c_.row(j, t), shown = shown_.row(j, t);
        i = sigmoid_of(i);
        f = sigmoid_of(f);
        g = g.tanh();
        o = sigmoid_of(o);
        c = i * g;
        if (t > 0) c += f * c_.row(j, t - 1);
        shown = c.tanh();
        h = o * shown;
      } else {
        Row r = gate(0), z = gate(1), n = gate(2), m = gate(3);
        r = sigmoid_of(r);
        z = sigmoid_of(z);
        const Eigen::Map<const Eigen::Array<float, batch, 1>> x(x_.data() + t * batch);
        n = (parameters_.weight(0)[2 * units + j] * x + parameters_.weight(2)[2 * units + j] + r * m).tanh();
        h = (1 - z) * n;
        if (t > 0) h += z * h_.row(j, t - 1);
      }
    }
  }

  void output() {
    const float* weight = parameters_.weight(4);
    Eigen::Array<float, batch, 1> y = Eigen::Array<float, batch, 1>::Constant(*parameters_.weight(5));
    for (int j = 0; j < units; ++j) y += weight[j] * h_.row(j, steps - 1);
    const Eigen::Array<float, batch, 1> g = 2.0F / batch * (y - target_);
    for (int j = 0; j < units; ++j) {
      parameters_.gradient(4)[j] = (g * h_.row(j, steps - 1)).sum();
      to_h_.row(j, 0) = weight[j] * g;
      to_c_.row(j, 0).setZero();
    }
    *parameters_.gradient(5) = g.sum();
  }

  /// From the gradients of h and c, kept for one step, to those of the sums that are the gates.
  void gate_gradients(int t) {
    for (int j = 0; j < units; ++j) {
      const auto gate = [&](int number) { return gates_.row(number * units + j, t); };
      const auto to_gate = [&](int number) { return to_gates_.row(number * units + j, t); };
      Row g = to_h_.row(j, 0);
      if constexpr (cell == Cell::rnn) {
        to_gate(0) = g * (1 - h_.row(j, t).square());
      } else if constexpr (cell == Cell::lstm) {
        const Row i = gate(0), f = gate(1), c = gate(2), o = gate(3), shown = shown_.row(j, t);
        Row to_c = to_c_.row(j, 0);
        to_c += g * o * (1 - shown.square());
        to_gate(0) = to_c * c * i * (1 - i);
        if (t > 0) {
          to_gate(1) = to_c * c_.row(j, t - 1) * f * (1 - f);
        } else {
          to_gate(1).setZero();
        }
        to_gate(2) = to_c * i * (1 - c.square());
        to_gate(3) = g * shown * o * (1 - o);
        to_c *= f;
      } else {
        const Row r = gate(0), z = gate(1), n = gate(2), m = gate(3);
        Row to_n = to_gate(2);
        to_n = g * (1 - z) * (1 - n.square());
        to_gate(3) = to_n * r;
        to_gate(0) = to_n * m * r * (1 - r);
        if (t > 0) {
          to_gate(1) = g * (h_.row(j, t - 1) - n) * z * (1 - z);
        } else {
          to_gate(1) = -g * n * z * (1 - z);
        }
        g *= z;  // what goes straight to the state before
      }
    }
  }

  void hidden_gradients(int t) {
    const float* hidden = parameters_.weight(1);
    float* to = to_h_.at(0, 0);
    const auto nothing = [](int /*row*/, int /*part*/) { return Lanes{}; };
    const auto present = [to](int row, int part) { return load(to + row * Matrix::stride + part * lane_count); };
    if constexpr (product_apart) {
      multiply(units, joint * units, {hidden, 1, units}, to_gates_.at(0, t), to, present);
      multiply(units, units, {hidden + 2 * units * units, 1, units}, to_gates_.at(3 * units, t), to, present);
    } else {
      multiply(units, gates * units, {hidden, 1, units}, to_gates_.at(0, t), to, nothing);
    }
  }

  void weight_gradients() {
    constexpr std::int64_t later = Matrix::stride - batch;  // the columns that have a state before them
    float* to_hidden = parameters_.gradient(1);
    product(joint * units, units, later, {to_gates_.at(0, 1), Matrix::stride}, {h_.data(), Matrix::stride, true},
            to_hidden);
    if constexpr (product_apart) {
      product(units, units, later, {to_gates_.at(3 * units, 1), Matrix::stride}, {h_.data(), Matrix::stride, true},
              to_hidden + 2 * units * units);
    }
    product(gates * units, Matrix::stride, to_gates_.data(), false, x_.data(), parameters_.gradient(0));
    for (int row = 0; row < gates * units; ++row) parameters_.gradient(2)[row] = row_sum(row);
    for (int row = 0; row < gates * units; ++row) {
      const bool apart = product_apart && row >= joint * units;
      parameters_.gradient(3)[row] = apart ? row_sum(row + units) : parameters_.gradient(2)[row];
    }
  }

  float row_sum(int row) { return Eigen::Map<Eigen::Array<float, Matrix::stride, 1>>(to_gates_.at(row, 0)).sum(); }

  Parameters parameters_;
  Eigen::ArrayXf x_;
  Eigen::ArrayXf target_;
  Matrix gates_{rows};
  Matrix to_gates_{rows};
  Matrix h_{units};
  Matrix c_{units};
  Matrix shown_{units};  // tanh(c)
  Matrix to_h_{units};   // of one step
  Matrix to_c_{units};
};

template <Cell cell>
void add(const char* name) {
  compare({.name = name, .batch = batch}, [] { return model_contenders<Ours<cell>, Hand<cell>>(make_problem(cell)); });
}

}  // namespace

void register_recurrent() {
  add<Cell::rnn>("M6 rnn 32 units, 20 steps");
  add<Cell::lstm>("M6 lstm 32 units, 20 steps");
  add<Cell::gru>("M6 gru 32 units, 20 steps");
}

}  // namespace wengert::bench
