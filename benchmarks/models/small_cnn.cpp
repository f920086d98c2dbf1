// M4: 28x28 images, 5 maps 3x3, tanh, dense 3380-100, tanh, dense 100-2, softmax with cross entropy, plain SGD.

#include <Eigen/Core>

#include "benchmarks/hand/image.h"
#include "benchmarks/hand/parameters.h"
#include "benchmarks/hand/product.h"
#include "benchmarks/models/model.h"

namespace wengert::bench {

namespace {

constexpr int side = 28;
constexpr int out_side = 26;
constexpr int maps = 5;
constexpr int positions = out_side * out_side;
constexpr int features = maps * positions;
constexpr int hidden = 100;
constexpr int classes = 2;

Problem make_problem(std::int64_t batch) {
  Draw draw;
  Problem problem{.model = "small cnn"};
  problem.weights = {draw.weight("kernels", {maps, 1, 3, 3}, 9),
                     draw.weight("kernels' bias", {maps}, 9),
                     draw.weight("weight 1", {hidden, features}, features),
                     draw.weight("bias 1", {hidden}, features),
                     draw.weight("weight 2", {classes, hidden}, hidden),
                     draw.weight("bias 2", {classes}, hidden)};
  problem.data = {draw.uniform("x", {batch, 1, side, side}, 0, 1), draw.labels(batch, classes)};
  return problem;
}

class Ours {
 public:
  explicit Ours(const Problem& problem) : x_(to_tensor(problem.data[0])), labels_(to_tensor(problem.data[1])) {
    load(model_.parameters(), problem);
    optimizer_.set_learning_rate(problem.learning_rate);
  }

  std::vector<ParameterRef> parameters() const { return model_.parameters(); }

  void backward() {
    optimizer_.zero_grad();
    cross_entropy(model_(x_), labels_).backward();
  }

  void step() {
    backward();
    optimizer_.step();
  }

 private:
  nn::Sequential model_{nn::Conv2d(1, maps, 3),      nn::Tanh(), nn::Flatten(),
                        nn::Dense(features, hidden), nn::Tanh(), nn::Dense(hidden, classes)};
  optim::SGD optimizer_{model_.parameters()};
  Tensor x_;
  Tensor labels_;
};

class Hand {
 public:
  explicit Hand(const Problem& problem)
      : parameters_(problem), batch_(problem.data[0].shape[0]), labels_(problem.data[1].labels) {
    // The last rows are read a register at a time, beyond the image's end.
    x_ = Eigen::ArrayXf::Zero(batch_ * side * side + lane_count);
    std::copy(problem.data[0].numbers.begin(), problem.data[0].numbers.end(), x_.data());
    maps_.resize(batch_ * features);
    to_maps_.resize(batch_ * features);
    hidden_.resize(batch_ * hidden);
    to_hidden_.resize(batch_ * hidden);
    logits_.resize(batch_ * classes);
  }

  std::vector<float> gradient(std::size_t i) const { return parameters_.copy_of_gradient(i); }

  void step() {
    backward();
    parameters_.sgd_step();
  }

  void backward() {
    forward();
    softmax_gradient(logits_.data(), parameters_.weight(5), labels_.data(), batch_, classes);
    output_gradients();
    hidden_gradients();
    kernel_gradients();
  }

 private:
  using Row = Eigen::Map<Eigen::ArrayXf>;
  using ConstRow = Eigen::Map<const Eigen::ArrayXf>;

  void forward() {
    for (std::int64_t n = 0; n < batch_; ++n) {
      float* to = maps_.data() + n * features;
      correlate_3x3<out_side, out_side>(x_.data() + n * side * side, side, parameters_.weight(0), maps, to);
      for (int map = 0; map < maps; ++map) {
        Row positions_of(to + map * positions, positions);
        positions_of = (positions_of + parameters_.weight(1)[map]).tanh();
      }
    }
    multiply(maps_.data(), features, parameters_.weight(2), hidden, hidden_.data());
    const ConstRow bias(parameters_.weight(3), hidden);
    for (std::int64_t n = 0; n < batch_; ++n) {
      Row row(hidden_.data() + n * hidden, hidden);
      row = (row + bias).tanh();
    }
    multiply(hidden_.data(), hidden, parameters_.weight(4), classes, logits_.data());
  }

  /// y = x weight^T for the batch.
  void multiply(const float* x, std::int64_t in, const float* weight, std::int64_t out, float* y) const {
    if (batch_ == 1) {
      product(out, in, weight, false, x, y);
    } else {
      product(batch_, out, in, {x, in}, {weight, in, true}, y);
    }
  }

  void output_gradients() {
    product(classes, hidden, batch_, {logits_.data(), classes, true}, {hidden_.data(), hidden},
            parameters_.gradient(4));
    sum_rows(logits_.data(), batch_, classes, parameters_.gradient(5));
    product(batch_, hidden, classes, {logits_.data(), classes}, {parameters_.weight(4), hidden}, to_hidden_.data());
    to_hidden_ *= 1 - hidden_.square();
  }

  void hidden_gradients() {
    float* gradient = parameters_.gradient(2);
    if (batch_ == 1) {
      for (int row = 0; row < hidden; ++row) Row(gradient + row * features, features) = to_hidden_[row] * maps_;
      product(hidden, features, parameters_.weight(2), true, to_hidden_.data(), to_maps_.data());
    } else {
      product(hidden, features, batch_, {to_hidden_.data(), hidden, true}, {maps_.data(), features}, gradient);
      product(batch_, features, hidden, {to_hidden_.data(), hidden}, {parameters_.weight(2), features},
              to_maps_.data());
    }
    sum_rows(to_hidden_.data(), batch_, hidden, parameters_.gradient(3));
  }

  void kernel_gradients() {
    Lanes totals[maps * 9] = {};
    Row bias(parameters_.gradient(1), maps);
    bias.setZero();
    for (std::int64_t n = 0; n < batch_; ++n) {
      Row g(to_maps_.data() + n * features, features);
      g *= 1 - ConstRow(maps_.data() + n * features, features).square();
      add_kernel_gradients_3x3<maps, out_side, out_side>(x_.data() + n * side * side, side, g.data(), totals);
      for (int map = 0; map < maps; ++map) bias[map] += ConstRow(g.data() + map * positions, positions).sum();
    }
    sum_totals(totals, maps * 9, parameters_.gradient(0));
  }

  Parameters parameters_;
  std::int64_t batch_;
  std::vector<std::int64_t> labels_;
  Eigen::ArrayXf x_;
  Eigen::ArrayXf maps_;       // [batch, maps, positions]
  Eigen::ArrayXf to_maps_;    // its gradient
  Eigen::ArrayXf hidden_;     // [batch, hidden]
  Eigen::ArrayXf to_hidden_;  // gradient before the activation
  Eigen::ArrayXf logits_;     // [batch, classes], then their gradients
};

}  // namespace

void register_small_cnn() {
  for (const std::int64_t batch : {1, 64}) {
    compare({.name = "M4 cnn 5x3x3-100-2", .batch = batch},
            [batch] { return model_contenders<Ours, Hand>(make_problem(batch)); });
  }
}

}  // namespace wengert::bench
