// R1, XOR from scratch: the smallest network that can learn it, 2-3-1 with tanh after each layer, trained on one sample
// at a time by mean squared error with a learning rate of 0.1 for 1000 epochs; and the same with sigmoid.
//
// Reference: with sigmoid the error stays at 0.256; with tanh it is learned. Nothing is wrong with the original, but
// one run says little: from some initial weights 2-3-1 ends in a minimum with an error of 0.279, or close to it. So
// here ten seeds are tried. Wider, with the loss that fits and Adam, it is learned from all of them.

#include <functional>

#include <wengert/wengert.h>

#include "common.h"

using namespace wengert;

/// Weights and biases uniform in +-1/2.
nn::Dense layer(std::int64_t in, std::int64_t out) {
  return nn::Dense(in, out, {.init = nn::init::uniform(-0.5, 0.5), .bias_init = nn::init::uniform(-0.5, 0.5)});
}

/// One sample at a time, by hand: without an optimizer. Returns the mean error of each epoch.
std::vector<double> train_as_published(const nn::Module& model, const datasets::Batch& data, int epochs) {
  std::vector<double> errors;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    RunningMean error;
    for (std::int64_t i = 0; i < data.x.dim(0); ++i) {
      const Tensor loss = mse_loss(model(data.x.slice(i, i + 1)), data.y.slice(i, i + 1));
      loss.backward();
      no_grad([&] {
        for (const ParameterRef& p : model.parameters()) p.set(p - 0.1 * p.grad()), p.zero_grad();
      });
      error.add(loss.item());
    }
    errors.push_back(error.value());
  }
  return errors;
}

/// All four samples at a time, by Adam, with the cross entropy of logits. Returns the loss of each epoch.
std::vector<double> train_better(const nn::Module& model, const datasets::Batch& data, int epochs) {
  optim::Adam optimizer(model.parameters(), {.lr = 0.05});
  std::vector<double> losses;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    optimizer.zero_grad();
    const Tensor loss = binary_cross_entropy_with_logits(model(data.x), data.y);
    loss.backward();
    optimizer.step();
    losses.push_back(loss.item());
  }
  return losses;
}

/// Whether all four answers are on the right side.
bool learned(const nn::Module& model, const datasets::Batch& data, double threshold) {
  return all((no_grad([&] { return model(data.x); }) > threshold) == data.y).item() == 1;
}

void run(const Options& options, Result& result) {
  const datasets::Batch data = datasets::Xor().all();
  constexpr int seeds = 10;
  std::vector<Curve> tanh_curves, sigmoid_curves, better_curves;
  int tanh_learned = 0, stuck = 0, better_learned = 0;
  double sigmoid_error = 0, better_loss = 0;
  for (int i = 0; i < seeds; ++i) {
    manual_seed(options.seed + static_cast<std::uint64_t>(i));
    const nn::Sequential with_tanh{layer(2, 3), nn::Tanh(), layer(3, 1), nn::Tanh()};
    const nn::Sequential with_sigmoid{layer(2, 3), nn::Sigmoid(), layer(3, 1), nn::Sigmoid()};
    const nn::Sequential better{nn::Dense(2, 8), nn::Tanh(), nn::Dense(8, 1)};
    const std::string name = fmt::format("seed {}", options.seed + static_cast<std::uint64_t>(i));
    tanh_curves.push_back({name, train_as_published(with_tanh, data, options.epochs)});
    sigmoid_curves.push_back({name, train_as_published(with_sigmoid, data, options.epochs)});
    better_curves.push_back({name, train_better(better, data, options.epochs / 2)});

    const double error = tanh_curves.back().values.back();
    tanh_learned += error < 0.02;
    stuck += error > 0.1;
    sigmoid_error += sigmoid_curves.back().values.back() / seeds;
    better_loss += better_curves.back().values.back() / seeds;
    better_learned += learned(better, data, 0);
    fmt::print("{}: error with tanh {:.4f}, with sigmoid {:.4f}; wider net {:.4f}\n", name, error,
               sigmoid_curves.back().values.back(), better_curves.back().values.back());
  }
  fmt::print("{}\n", plot_curves(options.file("curves.png"), {{"error with tanh", tanh_curves, true},
                                                              {"error with sigmoid", sigmoid_curves, true},
                                                              {"cross entropy of 2-8-1", better_curves, true}})
                         .message);
  result.at_least("tanh_learned_of_10", tanh_learned, 6);
  result.report("tanh_stuck_of_10", stuck);
  result.report("sigmoid_error", sigmoid_error);
  result.at_least("better_learned_of_10", better_learned, seeds);
  result.report("better_loss", better_loss);
}

int main(int argc, char** argv) {
  return run_example(argc, argv,
                     {.name = "xor", .what = "XOR by the smallest of networks", .epochs = 1000, .quick_epochs = 1000},
                     run);
}
