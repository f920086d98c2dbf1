// M1: 784-100-50-10, tanh after each layer, mean squared error, plain SGD.

#include <Eigen/Core>
#include <array>

#include <fmt/format.h>

#include "benchmarks/hand/parameters.h"
#include "benchmarks/hand/product.h"
#include "benchmarks/models/model.h"

namespace wengert::bench {

namespace {

constexpr std::array<std::int64_t, 4> widths{784, 100, 50, 10};
constexpr std::size_t layers = widths.size() - 1;

Problem make_problem(std::int64_t batch) {
  Draw draw;
  Problem problem{.model = "mlp"};
  for (std::size_t i = 0; i < layers; ++i) {
    problem.weights.push_back(draw.weight(fmt::format("weight {}", i), {widths[i + 1], widths[i]}, widths[i]));
    problem.weights.push_back(draw.weight(fmt::format("bias {}", i), {widths[i + 1]}, widths[i]));
  }
  problem.data.push_back(draw.uniform("x", {batch, widths.front()}, 0, 1));
  problem.data.push_back(draw.uniform("target", {batch, widths.back()}, 0, 1));
  return problem;
}

class Ours {
 public:
  explicit Ours(const Problem& problem) : x_(to_tensor(problem.data[0])), target_(to_tensor(problem.data[1])) {
    load(model_.parameters(), problem);
    optimizer_.set_learning_rate(problem.learning_rate);
  }

  std::vector<ParameterRef> parameters() const { return model_.parameters(); }

  void backward() {
    optimizer_.zero_grad();
    mse_loss(model_(x_), target_).backward();
  }

  void step() {
    backward();
    optimizer_.step();
  }

 private:
  nn::Sequential model_{nn::Dense(widths[0], widths[1]), nn::Tanh(), nn::Dense(widths[1], widths[2]), nn::Tanh(),
                        nn::Dense(widths[2], widths[3]), nn::Tanh()};
  optim::SGD optimizer_{model_.parameters()};
  Tensor x_;
  Tensor target_;
};

class Hand {
 public:
  explicit Hand(const Problem& problem) : parameters_(problem), batch_(problem.data[0].shape[0]) {
    x_ = Eigen::Map<const Eigen::ArrayXf>(problem.data[0].numbers.data(), batch_ * widths.front());
    target_ = Eigen::Map<const Eigen::ArrayXf>(problem.data[1].numbers.data(), batch_ * widths.back());
    for (std::size_t i = 0; i < layers; ++i) {
      outputs_[i] = Eigen::ArrayXf(batch_ * widths[i + 1]);
      deltas_[i] = Eigen::ArrayXf(batch_ * widths[i + 1]);
    }
  }

  std::vector<float> gradient(std::size_t i) const { return parameters_.copy_of_gradient(i); }

  void step() {
    backward();
    parameters_.sgd_step();
  }

  void backward() {
    forward();
    const Eigen::ArrayXf& y = outputs_.back();
    deltas_.back() = 2.0F / static_cast<float>(y.size()) * (y - target_) * (1 - y.square());
    for (std::size_t i = layers; i-- > 0;) {
      weight_gradient(i);
      if (i > 0) input_gradient(i);
    }
  }

 private:
  using Map = Eigen::Map<Eigen::ArrayXf, Eigen::Aligned64>;
  using Row = Eigen::Map<Eigen::ArrayXf>;

  const float* input(std::size_t i) const { return i == 0 ? x_.data() : outputs_[i - 1].data(); }

  void forward() {
    for (std::size_t i = 0; i < layers; ++i) {
      const std::int64_t in = widths[i];
      const std::int64_t out = widths[i + 1];
      const float* weight = parameters_.weight(2 * i);
      const Map bias(parameters_.weight(2 * i + 1), out);
      float* y = outputs_[i].data();
      if (batch_ == 1) {
        product(out, in, weight, false, input(i), y);
      } else {
        product(batch_, out, in, {input(i), in}, {weight, in, true}, y);
      }
      for (std::int64_t n = 0; n < batch_; ++n) {
        Row row(y + n * out, out);
        row = (row + bias).tanh();
      }
    }
  }

  void weight_gradient(std::size_t i) {
    const std::int64_t in = widths[i];
    const std::int64_t out = widths[i + 1];
    const float* delta = deltas_[i].data();
    float* gradient = parameters_.gradient(2 * i);
    Map bias_gradient(parameters_.gradient(2 * i + 1), out);
    if (batch_ == 1) {
      const Eigen::Map<const Eigen::ArrayXf> x(input(i), in);
      for (std::int64_t row = 0; row < out; ++row) Row(gradient + row * in, in) = delta[row] * x;
      bias_gradient = deltas_[i];
      return;
    }
    product(out, in, batch_, {delta, out, true}, {input(i), in}, gradient);
    bias_gradient.setZero();
    for (std::int64_t n = 0; n < batch_; ++n) bias_gradient += Eigen::Map<const Eigen::ArrayXf>(delta + n * out, out);
  }

  void input_gradient(std::size_t i) {
    const std::int64_t in = widths[i];
    const std::int64_t out = widths[i + 1];
    Eigen::ArrayXf& before = deltas_[i - 1];
    if (batch_ == 1) {
      product(out, in, parameters_.weight(2 * i), true, deltas_[i].data(), before.data());
    } else {
      product(batch_, in, out, {deltas_[i].data(), out}, {parameters_.weight(2 * i), in}, before.data());
    }
    before *= 1 - outputs_[i - 1].square();
  }

  Parameters parameters_;
  std::int64_t batch_;
  Eigen::ArrayXf x_;
  Eigen::ArrayXf target_;
  std::array<Eigen::ArrayXf, layers> outputs_;
  std::array<Eigen::ArrayXf, layers> deltas_;  // gradients before the activation
};

}  // namespace

void register_mlp() {
  for (const std::int64_t batch : {1, 64, 256}) {
    compare({.name = "M1 mlp 784-100-50-10", .batch = batch},
            [batch] { return model_contenders<Ours, Hand>(make_problem(batch)); });
  }
}

}  // namespace wengert::bench
