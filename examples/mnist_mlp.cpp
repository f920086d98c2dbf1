// MNIST by a multilayer perceptron from scratch, one sample at a time.
//
// Rebuilds: 784-100-50-10, tanh after each layer (the output too), mean squared error against one-hot targets, weights
// and biases uniform in +-0.5, learning rate 0.1; an "epoch" is 256 samples drawn without replacement, 500 epochs; and
// its variants: 4 layers 784-100-50-100-10; 512 samples an epoch; learning rate 0.25. Reference: test accuracy 92.99 %,
// 92.75 %, 94.11 %, 92.67 %, mean of five runs 92.1 %.
// What the original does not say: with these weights the output units start near -1 or 1, where tanh hardly has a
// gradient; now and then one never leaves, and its digit is lost (-10 points). Hence medians of five runs.
// Then: 784-512-256-10, ReLU, dropout, cross entropy, AdamW.

#include <algorithm>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

struct Variant {
  const char* name;
  std::vector<std::int64_t> sizes;
  std::int64_t samples;  // an epoch
  double learning_rate;
  double reference;
};

const Variant variants[] = {
    {"784-100-50-10", {784, 100, 50, 10}, 256, 0.1, 0.9299},
    {"784-100-50-100-10", {784, 100, 50, 100, 10}, 256, 0.1, 0.9275},
    {"512 samples an epoch", {784, 100, 50, 10}, 512, 0.1, 0.9411},
    {"learning rate 0.25", {784, 100, 50, 10}, 256, 0.25, 0.9267},
};

double test_accuracy(nn::Module& model, const datasets::Batch& test) {
  model.eval();
  return accuracy(no_grad([&] { return model(test.x); }), test.y);
}

double faithful_run(const Variant& variant, const datasets::Batch& train, const datasets::Batch& test, int epochs,
                    std::uint64_t seed) {
  manual_seed(seed);
  const auto uniform = nn::init::uniform(-0.5, 0.5);
  nn::Sequential model{nn::Flatten()};
  for (std::size_t i = 0; i + 1 < variant.sizes.size(); ++i) {
    model.push_back(nn::Dense(variant.sizes[i], variant.sizes[i + 1], {.init = uniform, .bias_init = uniform}));
    model.push_back(nn::Tanh());
  }
  optim::SGD optimizer(model.parameters(), {.lr = variant.learning_rate});
  const Tensor targets = one_hot(train.y, 10);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const std::vector<std::int64_t> order = permutation(train.x.dim(0));
    for (std::int64_t i = 0; i < variant.samples; ++i) {
      const std::int64_t k = order[static_cast<std::size_t>(i)];
      optimizer.zero_grad();
      mse_loss(model(slice(train.x, 0, k, k + 1)), slice(targets, 0, k, k + 1)).backward();
      optimizer.step();
    }
  }
  return test_accuracy(model, test);
}

double better_run(const datasets::Dataset& train, const datasets::Batch& test, const Options& options) {
  manual_seed(options.seed);
  nn::Sequential model{nn::Flatten(),       nn::Dense(784, 512), nn::ReLU(),       nn::Dropout(0.2),
                       nn::Dense(512, 256), nn::ReLU(),          nn::Dropout(0.2), nn::Dense(256, 10)};
  const int epochs = options.quick ? 1 : 15;
  datasets::DataLoader loader(datasets::TensorDataset(train.all().x, train.all().y),
                              {.batch_size = 128, .seed = options.seed});
  optim::AdamW optimizer(model.parameters(), {.lr = 1e-3});
  optim::Scheduler scheduler(optimizer, optim::schedule::cosine(epochs * loader.size()));
  ProgressLine progress({.epochs = epochs, .steps = loader.size()});
  for (int epoch = 0; epoch < epochs; ++epoch) {
    model.train();
    for (auto [x, y] : loader) {
      const Tensor logits = model(x);
      const Tensor loss = cross_entropy(logits, y);
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      scheduler.step();
      progress.step(x.dim(0), loss.item(), accuracy(logits, y));
    }
  }
  progress.finish();
  return test_accuracy(model, test);
}

int main(int argc, char** argv) {
  const About about{
      .name = "mnist_mlp", .what = "MNIST by a multilayer perceptron from scratch", .epochs = 500, .quick_epochs = 20};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const datasets::Mnist digits({.train = true});
    const datasets::Batch train = digits.all();
    const datasets::Batch test = datasets::Mnist({.train = false}).all();

    const std::uint64_t runs = options.quick ? 1 : 5;
    fmt::print("{:22}  reference  median    mean  runs\n", "variant");
    for (const Variant& variant : variants) {
      std::vector<double> reached;
      for (std::uint64_t run = 0; run < runs; ++run) {
        reached.push_back(faithful_run(variant, train, test, options.epochs, options.seed + run));
      }
      RunningMean mean;
      for (const double value : reached) mean.add(value);
      fmt::print("{:22}  {:9.4f}  ", variant.name, variant.reference);
      const std::string each = fmt::format("{:.4f}", fmt::join(reached, " "));
      std::ranges::sort(reached);
      const double median = reached[reached.size() / 2];
      fmt::print("{:.4f}  {:.4f}  {}\n", median, mean.value(), each);
      result.add(fmt::format("median_{}", &variant - variants + 1), median);
      result.expect(options.quick || median >= variant.reference - 0.015,
                    fmt::format("{} within 1.5 points of {}", variant.name, variant.reference));
    }
    const double better = better_run(digits, test, options);
    result.add("better_accuracy", better);
    result.expect(better >= (options.quick ? 0.9 : 0.983), "the better network reads 98.3 % of the test digits");
  });
}
