// A grid search over learning rate and penalty, for a small convolutional network on the digits.
//
// Rebuilds: UCI digits (1797 of 8 x 8, values 0 to 16), 80 % to train on; convolution with 10 maps 3 x 3 (same padding)
// and ReLU, max-pooling 2 x 2, dense 50 ReLU, dense 10 softmax; a penalty lambda |w|^2 on the weights of each layer,
// SGD with the learning rate eta, batches of 100, 100 epochs, layers as Keras starts them; eta and lambda each from
// 10^-5 to 10^1 in powers of ten: 49 runs. Reference: two heat maps, the accuracy on training and on test digits. What
// was wrong: nothing, but the best of 49 test accuracies is a little better than the network is, since the test chose
// it.

#include <cmath>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

constexpr int first_power = -5, powers = 7;

struct Network : nn::Module {
  nn::Conv2d conv{
      1, 10, 3, {.padding = Padding::same, .init = nn::init::xavier_uniform(), .bias_init = nn::init::zeros()}};
  nn::Dense hidden{160, 50, {.init = nn::init::xavier_uniform(), .bias_init = nn::init::zeros()}};
  nn::Dense output{50, 10, {.init = nn::init::xavier_uniform(), .bias_init = nn::init::zeros()}};

  Tensor forward(const Tensor& x) const override {
    return output(relu(hidden(flatten(maxpool2d(relu(conv(x)), 2), 1))));
  }
  void visit(nn::Visitor& v) override { v("conv", conv), v("hidden", hidden), v("output", output); }
};

double accuracy_on(const nn::Module& model, const datasets::Batch& batch) {
  return accuracy(no_grad([&] { return model(batch.x); }), batch.y);
}

int main(int argc, char** argv) {
  const About about{
      .name = "digits_grid_search", .what = "Learning rate and penalty, 7 x 7 runs", .epochs = 100, .quick_epochs = 5};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const auto [train, test] = datasets::train_test_split(datasets::Digits({.raw = true}), 0.2, {.seed = options.seed});
    const datasets::Batch train_batch = train.all(), test_batch = test.all();
    datasets::DataLoader loader(datasets::TensorDataset(train_batch.x, train_batch.y),
                                {.batch_size = 100, .seed = options.seed});

    std::vector<float> train_accuracy, test_accuracy;
    fmt::print("{} runs, shown as epochs:\n", powers * powers);
    ProgressLine progress({.epochs = powers * powers, .steps = options.epochs * loader.size()});
    for (int i = 0; i < powers * powers; ++i) {
      const double eta = std::pow(10.0, first_power + i / powers), lambda = std::pow(10.0, first_power + i % powers);
      manual_seed(options.seed);
      const Network model;
      const std::vector<ParameterRef> weights{model.conv.weight, model.hidden.weight, model.output.weight};
      const std::vector<ParameterRef> biases{model.conv.bias, model.hidden.bias, model.output.bias};
      // The gradient of lambda |w|^2 is 2 lambda w.
      optim::SGD optimizer({{.parameters = weights, .weight_decay = 2 * lambda}, {.parameters = biases}}, {.lr = eta});
      for (int epoch = 0; epoch < options.epochs; ++epoch) {
        for (auto [x, y] : loader.epoch(static_cast<std::uint64_t>(epoch))) {
          const Tensor loss = cross_entropy(model(x), y);
          optimizer.zero_grad();
          loss.backward();
          optimizer.step();
          progress.step(x.dim(0), loss.item());
        }
      }
      train_accuracy.push_back(static_cast<float>(accuracy_on(model, train_batch)));
      test_accuracy.push_back(static_cast<float>(accuracy_on(model, test_batch)));
    }
    progress.finish();
    const Tensor train_grid = from_vector(train_accuracy, {powers, powers});
    const Tensor test_grid = from_vector(test_accuracy, {powers, powers});
    std::vector<std::string> labels;
    for (int i = 0; i < powers; ++i) labels.push_back(fmt::format("1e{}", first_power + i));
    const HeatMap maps[] = {{train_grid, "training accuracy", labels, labels},
                            {test_grid, "test accuracy", labels, labels}};
    fmt::print("{}\n", plot_heat_maps(options.file("accuracy.png"), {maps[0], maps[1]},
                                      {.x_label = "lambda", .y_label = "eta", .decimals = 3})
                           .message);

    const double best = max(test_grid).item();
    const auto where = argmax(flatten(test_grid)).item<int>();
    const std::string eta = labels[static_cast<std::size_t>(where / powers)];
    const std::string lambda = labels[static_cast<std::size_t>(where % powers)];
    result.add("best_test_accuracy", best);
    result.add("eta", eta);
    result.add("lambda", lambda);
    result.add("its_train_accuracy", flatten(train_grid)[where].item());
    result.expect(best >= (options.quick ? 0.9 : 0.98), "a test accuracy of 98 %");
  });
}
