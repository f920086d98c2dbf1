// MNIST by a convolutional network, trained by `fit`.
//
// Rebuilds: PyTorch's tutorial network. Pixels normalised by mean 0.1307 and deviation 0.3081; conv 32 3x3 pad 1, ReLU,
// maxpool 2; conv 64 3x3 pad 1, ReLU, maxpool 2; dense 3136-1024, ReLU; dropout 0.5; dense 10; cross entropy, Adam
// 1e-3, batches of 64, 10 epochs. Reference: the loss of each epoch, and at least 99.0 % of the test digits.

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

nn::Sequential make_model() {
  return nn::Sequential{
      nn::Conv2d(1, 32, 3, {.padding = 1}),
      nn::ReLU(),
      nn::MaxPool2d(2),
      nn::Conv2d(32, 64, 3, {.padding = 1}),
      nn::ReLU(),
      nn::MaxPool2d(2),
      nn::Flatten(),
      nn::Dense(3136, 1024),
      nn::ReLU(),
      nn::Dropout(0.5),
      nn::Dense(1024, 10),
  };
}

/// The first twelve, and the first twelve that are wrong.
ReportSamples some_predictions(const Tensor& images, const Tensor& predicted, const Tensor& labels) {
  ReportSamples samples;
  std::vector<Tensor> shown;
  for (const bool wrong : {false, true}) {
    for (std::int64_t i = 0, count = 0; i < labels.numel() && count < 12; ++i) {
      const auto is = labels[i].item<int>(), read = predicted[i].item<int>();
      if (wrong && is == read) continue;
      shown.push_back(images[i]);
      samples.captions.push_back(is == read ? std::to_string(is) : fmt::format("{} read as {}", is, read));
      samples.wrong.push_back(is != read);
      ++count;
    }
  }
  samples.images = stack(shown);
  return samples;
}

int main(int argc, char** argv) {
  const About about{.name = "mnist_cnn", .what = "MNIST by a convolutional network", .epochs = 10};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const datasets::Normalize normalize(full({}, 0.1307), full({}, 0.3081));
    datasets::AnyDataset train = normalize(datasets::Mnist({.train = true}));
    datasets::AnyDataset test = normalize(datasets::Mnist({.train = false}));
    if (options.quick) {
      train = datasets::train_test_split(train, 0.1, {.seed = options.seed}).test;
      test = datasets::train_test_split(test, 0.1, {.seed = options.seed}).test;
    }

    nn::Sequential model = make_model();
    fmt::print("{}\n", model.summary(Shape{1, 1, 28, 28}));
    optim::Adam optimizer(model.parameters(), {.lr = 1e-3});
    const History history = fit(model, train,
                                {.loss = cross_entropy,
                                 .optimizer = optimizer,
                                 .epochs = options.epochs,
                                 .batch_size = 64,
                                 .seed = options.seed,
                                 .validation = test,
                                 .metrics = {metrics::Accuracy()},
                                 .callbacks = {callbacks::CsvLog(options.file("history.csv"))}});

    const auto [images, labels] = test.all();
    const Tensor predicted = argmax(predict(model, images));
    fmt::print("\n{}", format_confusion_matrix(confusion_matrix(predicted, labels, 10)));
    const Panel losses{"loss", {{"train", history.curve("loss")}, {"test", history.curve("val_loss")}}, true};
    const Panel accuracies{"accuracy", {{"train", history.curve("accuracy")}, {"test", history.curve("val_accuracy")}}};
    fmt::print("\n{}\n", plot_curves(options.file("curves.png"), {losses, accuracies}).message);
    nn::save(model, options.file("mnist_cnn.safetensors"));
    write_report(options.file("report.html"), {.title = "MNIST by a convolutional network",
                                               .configuration = {{"optimizer", "Adam, learning rate 0.001"},
                                                                 {"batch size", "64"},
                                                                 {"epochs", std::to_string(options.epochs)},
                                                                 {"seed", std::to_string(options.seed)}},
                                               .panels = panels_of(history),
                                               .confusion = confusion_matrix(predicted, labels, 10),
                                               .samples = some_predictions(images, predicted, labels),
                                               .model = model.summary(Shape{1, 1, 28, 28})});
    fmt::print("report: {}\n", options.file("report.html"));

    const double reached = accuracy(predicted, labels);
    double seconds = 0;
    for (const EpochRecord& epoch : history.epochs) seconds += epoch.seconds;
    result.add("test_accuracy", reached);
    result.add("seconds", seconds, 1);
    result.expect(reached >= (options.quick ? 0.9 : 0.99), "99.0 % of the test digits");
  });
}
