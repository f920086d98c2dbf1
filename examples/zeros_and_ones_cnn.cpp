// A convolutional network from scratch that tells zeros from ones.
//
// Rebuilds: MNIST's zeros and ones, 500 + 500 to train on and 100 + 100 to test with; conv 5 maps 3x3 without padding
// and with a bias for each output position [5, 26, 26], tanh, dense 3380-100, tanh, dense 100-2, softmax; all weights
// N(0, 1); binary cross entropy on the probabilities, one sample at a time, learning rate 0.1, 20 epochs.
// What was wrong: the training cell crashes, as each layer's backward is given the network's input instead of its own.
// With a right one the learning rate is too large for these weights: a step moves a hidden unit, of 3380 inputs near -1
// or 1, far into tanh's flat part, and after some epochs all units stay there. So it is shown beside a rate of 0.003.
// These weights make logits of a hundred and more, whose probabilities are 0 and 1 in float32 and have no gradient; of
// two probabilities that sum up to 1 the binary cross entropy is the cross entropy, so here it comes from the logits.
// Then the larger network that it draws: conv 32, tanh, conv 64, tanh, dense 36864-128-64-10, on all ten digits of the
// 60,000; initial weights by Xavier, SGD with momentum.

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

/// The first `count` digits of each of the first `classes` classes.
datasets::Subset first_of_each(const datasets::AnyDataset& digits, std::int64_t classes, std::int64_t count) {
  std::vector<std::int64_t> seen(10), chosen;
  const Tensor labels = digits.all().y;
  for (std::int64_t i = 0; i < digits.size(); ++i) {
    const auto label = labels.data<std::int64_t>()[static_cast<std::size_t>(i)];
    if (label < classes && seen[static_cast<std::size_t>(label)]++ < count) chosen.push_back(i);
  }
  return {digits, chosen};
}

nn::Sequential small_network() {
  const auto normal = nn::init::normal();
  return nn::Sequential{
      nn::Conv2d(1, 5, 3, {.bias = nn::ConvBias::position({26, 26}), .init = normal, .bias_init = normal}),
      nn::Tanh(),
      nn::Flatten(),
      nn::Dense(3380, 100, {.init = normal, .bias_init = normal}),
      nn::Tanh(),
      nn::Dense(100, 2, {.init = normal, .bias_init = normal}),
  };
}

nn::Sequential larger_network() {
  return nn::Sequential{nn::Conv2d(1, 32, 3),  nn::Tanh(), nn::Conv2d(32, 64, 3), nn::Tanh(), nn::Flatten(),
                        nn::Dense(36864, 128), nn::Tanh(), nn::Dense(128, 64),    nn::Tanh(), nn::Dense(64, 10)};
}

/// The mean loss of each epoch.
std::vector<double> train_one_by_one(const nn::Module& model, const datasets::Dataset& data, double learning_rate,
                                     int epochs) {
  const auto [images, labels] = data.all();
  optim::SGD optimizer(model.parameters(), {.lr = learning_rate});
  std::vector<double> losses;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    RunningMean mean_loss;
    for (std::int64_t i = 0; i < images.dim(0); ++i) {
      const Tensor loss = cross_entropy(model(slice(images, 0, i, i + 1)), slice(labels, 0, i, i + 1));
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      mean_loss.add(loss.item());
    }
    losses.push_back(mean_loss.value());
  }
  return losses;
}

int main(int argc, char** argv) {
  const About about{.name = "zeros_and_ones_cnn",
                    .what = "A convolutional network from scratch that tells zeros from ones",
                    .epochs = 20,
                    .quick_epochs = 5};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const datasets::Mnist train({.train = true}), test({.train = false});
    const datasets::Subset zeros_and_ones = first_of_each(train, 2, 500);
    const datasets::Batch unseen = first_of_each(test, 2, 100).all();

    fmt::print("{}\n", small_network().summary(Shape{1, 1, 28, 28}));
    std::vector<Curve> losses;
    std::vector<double> reached;
    for (const double learning_rate : {0.1, 0.003}) {
      manual_seed(options.seed);
      nn::Sequential small = small_network();
      losses.push_back({fmt::format("learning rate {}", learning_rate),
                        train_one_by_one(small, zeros_and_ones, learning_rate, options.epochs)});
      reached.push_back(accuracy(predict(small, unseen.x), unseen.y));
      fmt::print("learning rate {}: loss {:.4f} in the first epoch, {:.4f} in the last; test accuracy {:.4f}\n",
                 learning_rate, losses.back().values.front(), losses.back().values.back(), reached.back());
    }
    fmt::print("{}\n", plot_curves(options.file("loss.png"), {{"loss", losses, true}}).message);

    nn::Sequential larger = larger_network();
    fmt::print("{}\n", larger.summary(Shape{1, 1, 28, 28}));
    const datasets::Normalize normalize(full({}, 0.1307), full({}, 0.3081));
    const auto digits = normalize(options.quick ? datasets::AnyDataset(first_of_each(train, 10, 100)) : train);
    const auto tested = normalize(options.quick ? datasets::AnyDataset(first_of_each(test, 10, 50)) : test);
    const int epochs = options.quick ? 2 : 4;
    const History history = fit(larger, digits,
                                {.loss = cross_entropy,
                                 .optimizer = optim::SGD(larger.parameters(), {.lr = 5e-3, .momentum = 0.9}),
                                 .epochs = epochs,
                                 .batch_size = 50,
                                 .seed = options.seed,
                                 .schedule = optim::schedule::cosine(epochs),
                                 .validation = tested,
                                 .metrics = {metrics::Accuracy()}});

    const double larger_accuracy = history.curve("val_accuracy").back();
    result.add("as_published", reached[0]);
    result.add("test_accuracy", reached[1]);
    result.add("larger_test_accuracy", larger_accuracy);
    result.expect(losses[1].values.back() < losses[1].values.front(), "the loss falls");
    result.expect(reached[1] >= (options.quick ? 0.97 : 0.99), "99 % of the 200 zeros and ones");
    result.expect(larger_accuracy >= (options.quick ? 0.7 : 0.98), "the larger network reads 98 % of ten digits");
  });
}
