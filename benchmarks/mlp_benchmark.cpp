// A training step of the 784-100-50-10 tanh network with mean squared error and plain SGD: forward, backward, update.
// The hand-written side is what a good engineer writes with Eigen: everything preallocated, activations and their
// derivatives fused, no tape, gradients stored before the update as any framework must.

#include <Eigen/Dense>
#include <array>
#include <memory>

#include <fmt/format.h>

#include <wengert/wengert.h>

#include "benchmarks/comparison.h"

namespace wengert::bench {

namespace {

constexpr std::array<int, 4> widths{784, 100, 50, 10};
constexpr float learning_rate = 0.01f;

class HandWrittenMlp {
 public:
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Row = Eigen::RowVectorXf;

  struct Layer {
    Matrix weight;  // [out, in]
    Row bias;
    Matrix weight_gradient;
    Row bias_gradient;
    Matrix output;  // [batch, out]
    Matrix delta;   // gradient before the activation
  };

  explicit HandWrittenMlp(Eigen::Index batch) {
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Eigen::Index in = widths[i];
      const Eigen::Index out = widths[i + 1];
      layers[i] = {Matrix(out, in), Row(out), Matrix(out, in), Row(out), Matrix(batch, out), Matrix(batch, out)};
    }
  }

  void step(const Matrix& x, const Matrix& target) {
    forward(x);
    backward(x, target);
    for (Layer& layer : layers) {
      layer.weight -= learning_rate * layer.weight_gradient;
      layer.bias -= learning_rate * layer.bias_gradient;
    }
  }

  void forward(const Matrix& x) {
    const Matrix* input = &x;
    for (Layer& layer : layers) {
      // One row is a matrix-vector product, which Eigen only sees if it is told.
      if (input->rows() == 1) {
        layer.output.row(0).transpose().noalias() = layer.weight * input->row(0).transpose();
      } else {
        layer.output.noalias() = *input * layer.weight.transpose();
      }
      layer.output = (layer.output.rowwise() + layer.bias).array().tanh();
      input = &layer.output;
    }
  }

  void backward(const Matrix& x, const Matrix& target) {
    Layer& last = layers.back();
    const float scale = 2.0f / static_cast<float>(target.size());
    last.delta = scale * (last.output - target).array() * (1 - last.output.array().square());
    for (std::size_t i = layers.size(); i-- > 0;) {
      Layer& layer = layers[i];
      const Matrix& input = i == 0 ? x : layers[i - 1].output;
      if (input.rows() == 1) {
        layer.weight_gradient.noalias() = layer.delta.row(0).transpose() * input.row(0);
        layer.bias_gradient = layer.delta.row(0);
      } else {
        layer.weight_gradient.noalias() = layer.delta.transpose() * input;
        layer.bias_gradient = layer.delta.colwise().sum();
      }
      if (i == 0) break;
      Layer& before = layers[i - 1];
      if (input.rows() == 1) {
        before.delta.row(0).transpose().noalias() = layer.weight.transpose() * layer.delta.row(0).transpose();
      } else {
        before.delta.noalias() = layer.delta * layer.weight;
      }
      before.delta.array() *= 1 - before.output.array().square();
    }
  }

  std::array<Layer, 3> layers;
};

struct WengertMlp {
  nn::Sequential model{nn::Dense(widths[0], widths[1]), nn::Tanh(), nn::Dense(widths[1], widths[2]), nn::Tanh(),
                       nn::Dense(widths[2], widths[3]), nn::Tanh()};
  optim::SGD optimizer{model.parameters(), {.lr = learning_rate}};

  void backward(const Tensor& x, const Tensor& target) {
    optimizer.zero_grad();
    mse_loss(model(x), target).backward();
  }

  void step(const Tensor& x, const Tensor& target) {
    backward(x, target);
    optimizer.step();
  }
};

HandWrittenMlp::Matrix to_matrix(const Tensor& tensor) {
  return Eigen::Map<const HandWrittenMlp::Matrix>(tensor.data<float>().data(), tensor.dim(0),
                                                  tensor.numel() / tensor.dim(0));
}

/// Both sides with the same weights and data, checked to have the same gradients.
struct Pair {
  WengertMlp ours;
  HandWrittenMlp hand;
  Tensor x;
  Tensor target;
  HandWrittenMlp::Matrix hand_x;
  HandWrittenMlp::Matrix hand_target;

  explicit Pair(std::int64_t batch)
      : hand(batch),
        x(rand({batch, widths.front()})),
        target(rand({batch, widths.back()})),
        hand_x(to_matrix(x)),
        hand_target(to_matrix(target)) {
    const auto parameters = ours.model.parameters();
    for (std::size_t i = 0; i < hand.layers.size(); ++i) {
      hand.layers[i].weight = to_matrix(parameters[2 * i].value());
      hand.layers[i].bias = to_matrix(parameters[2 * i + 1].value().reshape({1, -1}));
    }
    ours.backward(x, target);
    hand.forward(hand_x);
    hand.backward(hand_x, hand_target);
    for (std::size_t i = 0; i < hand.layers.size(); ++i) {
      const std::string layer = fmt::format("784-100-50-10 batch {}, layer {}", batch, i);
      require_same_gradient(layer + " weight", parameters[2 * i].grad(), hand.layers[i].weight_gradient.data());
      require_same_gradient(layer + " bias", parameters[2 * i + 1].grad(), hand.layers[i].bias_gradient.data());
    }
  }
};

}  // namespace

void register_mlp_benchmarks() {
  for (const std::int64_t batch : {1, 64}) {
    const auto pair = std::make_shared<Pair>(batch);
    compare(fmt::format("training step: mlp 784-100-50-10 batch {}", batch),
            {{"wengert", [pair] { pair->ours.step(pair->x, pair->target); }},
             {"hand-written", [pair] { pair->hand.step(pair->hand_x, pair->hand_target); }}});
  }
}

}  // namespace wengert::bench
