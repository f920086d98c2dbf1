// The models in eager libtorch, as fast as it goes: functions instead of modules, gradients set to none, one foreach
// call for a plain update.

#include <cmath>
#include <functional>

#include <dlfcn.h>
#include <torch/torch.h>

#include "benchmarks/torch/model.h"
#include "benchmarks/torch/tensors.h"

namespace wengert::bench {

namespace {

using torch::Tensor;
using Tensors = std::vector<Tensor>;

/// Makes the parameters their next selves.
using Update = std::function<void(Tensors& parameters)>;

Tensors gradients_of(const Tensors& parameters) {
  Tensors gradients;
  for (const Tensor& parameter : parameters) gradients.push_back(parameter.grad());
  return gradients;
}

Update sgd(double learning_rate) {
  return [learning_rate](Tensors& parameters) {
    const torch::NoGradGuard guard;
    at::_foreach_add_(parameters, gradients_of(parameters), -learning_rate);
  };
}

Update momentum(double learning_rate, double factor) {
  return [learning_rate, factor, velocities = Tensors()](Tensors& parameters) mutable {
    const torch::NoGradGuard guard;
    if (velocities.empty()) {
      for (const Tensor& parameter : parameters) velocities.push_back(torch::zeros_like(parameter));
    }
    at::_foreach_mul_(velocities, factor);
    at::_foreach_add_(velocities, gradients_of(parameters));
    at::_foreach_add_(parameters, velocities, -learning_rate);
  };
}

template <class Optimizer, class Options>
Update by(Options options) {
  return [options, optimizer = std::shared_ptr<Optimizer>()](Tensors& parameters) mutable {
    if (!optimizer) optimizer = std::make_shared<Optimizer>(parameters, options);
    optimizer->step();
  };
}

class Network final : public Model {
 public:
  /// The loss, from parameters and data; `training` says whether to drop out.
  using Loss = std::function<Tensor(const Tensors& parameters, const Tensors& data, bool training)>;

  Network(const Problem& problem, Loss loss, Update update) : loss_(std::move(loss)), update_(std::move(update)) {
    for (const Array& weight : problem.weights) {
      names_.push_back(weight.name);
      parameters_.push_back(to_torch(weight).requires_grad_(true));
    }
    for (const Array& each : problem.data) data_.push_back(to_torch(each));
  }

  void step() override {
    backward(true);
    update_(parameters_);
  }

  std::vector<Array> results() override {
    backward(false);
    std::vector<Array> gradients;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      gradients.push_back(to_array(names_[i], parameters_[i].grad()));
    }
    return gradients;
  }

 private:
  void backward(bool training) {
    for (Tensor& parameter : parameters_) parameter.mutable_grad() = Tensor();
    loss_(parameters_, data_, training).backward();
  }

  std::vector<std::string> names_;
  Tensors parameters_;
  Tensors data_;
  Loss loss_;
  Update update_;
};

Tensor mlp(const Tensors& w, const Tensors& data, bool /*training*/) {
  Tensor x = data[0];
  for (std::size_t i = 0; i < w.size(); i += 2) x = at::linear(x, w[i], w[i + 1]).tanh();
  return at::mse_loss(x, data[1]);
}

Tensor digits(const Tensors& w, const Tensors& data, bool /*training*/) {
  const Tensor hidden = at::linear(at::linear(data[0], w[0], w[1]).relu(), w[2], w[3]).sigmoid();
  return at::cross_entropy_loss(at::linear(hidden, w[4], w[5]), data[1]);
}

Tensor spiral(const Tensors& w, const Tensors& data, bool /*training*/) {
  return at::cross_entropy_loss(at::linear(at::linear(data[0], w[0], w[1]).relu(), w[2], w[3]), data[1]);
}

Tensor small_cnn(const Tensors& w, const Tensors& data, bool /*training*/) {
  const Tensor maps = at::conv2d(data[0], w[0], w[1]).tanh().flatten(1);
  return at::cross_entropy_loss(at::linear(at::linear(maps, w[2], w[3]).tanh(), w[4], w[5]), data[1]);
}

Tensor mnist_cnn(const Tensors& w, const Tensors& data, bool training) {
  const auto block = [&](const Tensor& x, std::size_t i) {
    return at::max_pool2d(at::conv2d(x, w[i], w[i + 1], 1, 1).relu(), 2);
  };
  const Tensor maps = block(block(data[0], 0), 2).flatten(1);
  const Tensor hidden = at::dropout(at::linear(maps, w[4], w[5]).relu(), 0.5, training);
  return at::cross_entropy_loss(at::linear(hidden, w[6], w[7]), data[1]);
}

/// The weights are those of the recurrent layer, then those of the output.
Tensor recurrent(const std::string& kind, const Tensors& w, const Tensors& data) {
  const Tensors layer(w.begin(), w.begin() + 4);
  const Tensor start = torch::zeros({1, data[0].size(1), w[1].size(1)});
  Tensor outputs;
  if (kind == "rnn") outputs = std::get<0>(at::rnn_tanh(data[0], start, layer, true, 1, 0, true, false, false));
  if (kind == "lstm") outputs = std::get<0>(at::lstm(data[0], {start, start}, layer, true, 1, 0, true, false, false));
  if (kind == "gru") outputs = std::get<0>(at::gru(data[0], start, layer, true, 1, 0, true, false, false));
  return at::mse_loss(at::linear(outputs[outputs.size(0) - 1], w[4], w[5]), data[1]);
}

/// A block of an encoder as in Vaswani et al., 2017, with 4 heads.
Tensor transformer(const Tensors& w, const Tensors& data, bool /*training*/) {
  constexpr std::int64_t heads = 4;
  const Tensor& x = data[0];
  const std::int64_t batch = x.size(0);
  const std::int64_t tokens = x.size(1);
  const std::int64_t width = x.size(2);
  const Tensor parts =
      at::linear(x, w[0], w[1]).view({batch, tokens, 3, heads, width / heads}).permute({2, 0, 3, 1, 4});
  const double scale = 1 / std::sqrt(static_cast<double>(width / heads));
  const Tensor weights = at::matmul(parts[0] * scale, parts[1].transpose(-2, -1)).softmax(-1);
  const Tensor seen = at::matmul(weights, parts[2]).transpose(1, 2).reshape({batch, tokens, width});
  const Tensor first = at::layer_norm(x + at::linear(seen, w[2], w[3]), {width}, w[4], w[5]);
  const Tensor fed = at::linear(at::linear(first, w[6], w[7]).relu(), w[8], w[9]);
  return at::mse_loss(at::layer_norm(first + fed, {width}, w[10], w[11]), data[1]);
}

}  // namespace

std::unique_ptr<Model> make_network(const Problem& problem) {
  const double rate = problem.learning_rate;
  const auto make = [&](Network::Loss loss, Update update) {
    return std::make_unique<Network>(problem, std::move(loss), std::move(update));
  };
  const auto adam = [&] { return by<torch::optim::Adam>(torch::optim::AdamOptions(rate)); };
  const std::string& name = problem.model;
  if (name == "mlp") return make(mlp, sgd(rate));
  if (name == "digits") return make(digits, sgd(rate));
  if (name == "spiral") return make(spiral, momentum(rate, 0.9));
  if (name == "small cnn") return make(small_cnn, sgd(rate));
  if (name == "mnist cnn") return make(mnist_cnn, adam());
  if (name == "rnn" || name == "lstm" || name == "gru") {
    return make([name](const Tensors& w, const Tensors& data, bool) { return recurrent(name, w, data); }, adam());
  }
  if (name == "transformer") {
    return make(transformer, by<torch::optim::AdamW>(torch::optim::AdamWOptions(rate).weight_decay(0.01)));
  }
  return nullptr;
}

namespace {

/// An update alone, of given gradients.
class OptimizerAlone final : public Model {
 public:
  OptimizerAlone(const Problem& problem, Update update) : update_(std::move(update)) {
    for (const Array& weight : problem.weights) {
      parameters_.push_back(to_torch(weight).requires_grad_(true));
      parameters_.back().mutable_grad() = to_torch(problem.data.at(0));
    }
  }
  void step() override { update_(parameters_); }
  std::vector<Array> results() override {
    step();
    return {to_array("weight", parameters_[0])};
  }

 private:
  Tensors parameters_;
  Update update_;
};

/// A thousand element-wise ops, one after the other.
class Chain final : public Model {
 public:
  Chain(const Problem& problem, std::string op, bool backward)
      : op_(std::move(op)),
        backward_(backward),
        x_(to_torch(problem.data.at(0)).requires_grad_(true)),
        factor_(torch::full_like(x_.detach(), 1.0001)),
        seed_(torch::ones_like(x_.detach())) {}

  void step() override {
    Tensor y = x_;
    for (int i = 0; i < 1000; ++i) y = op_ == "mul" ? y * factor_ : y.tanh();
    if (!backward_) return;
    y.backward(seed_);
    x_.mutable_grad() = Tensor();
  }
  std::vector<Array> results() override { return {}; }

 private:
  std::string op_;
  bool backward_;
  Tensor x_;
  Tensor factor_;
  Tensor seed_;
};

}  // namespace

std::unique_ptr<Model> make_model(const Problem& problem) {
  const std::string& name = problem.model;
  const double rate = problem.learning_rate;
  if (name.rfind("chain ", 0) == 0) {
    const bool backward = name.find("backward") != std::string::npos;
    return std::make_unique<Chain>(problem, name.find("mul") != std::string::npos ? "mul" : "tanh", backward);
  }
  const auto alone = [&](Update update) { return std::make_unique<OptimizerAlone>(problem, std::move(update)); };
  if (name == "optimizer sgd") return alone(sgd(rate));
  if (name == "optimizer momentum") return alone(momentum(rate, 0.9));
  if (name == "optimizer adam") return alone(by<torch::optim::Adam>(torch::optim::AdamOptions(rate)));
  if (name == "optimizer adamw") {
    return alone(by<torch::optim::AdamW>(torch::optim::AdamWOptions(rate).weight_decay(0.01)));
  }
  if (auto network = make_network(problem)) return network;
  if (auto op = make_op(problem)) return op;
  throw std::runtime_error("libtorch is not told how to do \"" + name + "\"");
}

void set_threads(int threads) {
  at::set_num_threads(threads);
  at::set_num_interop_threads(1);
}

std::string libraries() {
  std::string text = "libtorch " TORCH_VERSION;
  using Config = char* (*)();
  if (const auto config = reinterpret_cast<Config>(dlsym(RTLD_DEFAULT, "openblas_get_config"))) {
    text += std::string(", ") + config();
  }
  return text + ", " + std::to_string(at::get_num_threads()) + " thread(s)" +
         (at::hasMKLDNN() ? ", with oneDNN" : ", without oneDNN");
}

}  // namespace wengert::bench
