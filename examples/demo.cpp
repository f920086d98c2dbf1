// Trains a small convolutional network to read handwritten digits (1797 images of 8 x 8 pixels, part of this
// repository), and shows what came of it: accuracy, confusion matrix, misread digits, training curves, saved weights.

#include <string>
#include <vector>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

struct Curves {
  std::vector<double> train_loss, test_loss, train_accuracy, test_accuracy;  // of each epoch
  double seconds = 0;
};

nn::Sequential make_model() {
  return nn::Sequential{
      nn::Conv2d(1, 16, 3, {.padding = Padding::same}),
      nn::ReLU(),
      nn::Conv2d(16, 32, 3, {.padding = Padding::same}),
      nn::ReLU(),
      nn::MaxPool2d(2),
      nn::Flatten(),
      nn::Dropout(0.3),
      nn::Dense(32 * 4 * 4, 10),
  };
}

/// Until the last epoch, or Ctrl-C.
Curves train(nn::Module& model, datasets::DataLoader& loader, const datasets::Batch& test, const Options& options) {
  const InterruptGuard interrupt;
  ProgressLine progress({.epochs = options.epochs, .steps = loader.size()});
  optim::Adam optimizer(model.parameters());
  Curves curves;
  for (int epoch = 0; epoch < options.epochs && !interrupt.requested(); ++epoch) {
    model.train();
    optimizer.set_learning_rate(3e-3 * (options.epochs - epoch) / options.epochs);  // down to 0 in a straight line
    for (auto [x, y] : loader) {
      const Tensor logits = model(x);
      const Tensor loss = cross_entropy(logits, y);
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      progress.step(x.dim(0), loss.item(), accuracy(logits, y));
      if (interrupt.requested()) break;
    }
    const Tensor logits = predict(model, test.x);
    curves.train_loss.push_back(progress.progress().loss);
    curves.train_accuracy.push_back(progress.progress().accuracy.value());
    curves.test_loss.push_back(cross_entropy(logits, test.y).item());
    curves.test_accuracy.push_back(accuracy(logits, test.y));
  }
  progress.finish();
  curves.seconds = progress.seconds();
  if (interrupt.requested()) fmt::print("interrupted: training ends here\n");
  return curves;
}

void show_misread(const Tensor& images, const Tensor& truth, const Tensor& predicted) {
  std::vector<Tensor> misread;
  std::vector<std::string> captions;
  for (std::int64_t i = 0; i < truth.numel() && misread.size() < 8; ++i) {
    const auto is = truth[i].item<int>(), read = predicted[i].item<int>();
    if (is == read) continue;
    misread.push_back(images[i]);
    captions.push_back(fmt::format("{} read as {}", is, read));
  }
  if (misread.empty()) return fmt::print("\nNo digit of the test set was misread.\n");
  fmt::print("\nMisread digits:\n{}", draw_images(stack(misread), {.captions = captions}));
}

/// Whether a fresh model with the saved weights gives the same numbers.
bool weights_survive(nn::Module& model, const Tensor& x, const Tensor& logits, const std::string& path) {
  if (!safetensors_available()) return fmt::print("weights not saved: this build has no nlohmann_json\n"), true;
  nn::save(model, path);
  nn::Sequential fresh = make_model();
  nn::load(fresh, path);
  const bool same = sum(predict(fresh, x) != logits).item() == 0;
  fmt::print("weights saved: {}; a fresh model with them {}\n", path, same ? "predicts the same" : "DIFFERS");
  return same;
}

int main(int argc, char** argv) {
  const About about{
      .name = "demo", .what = "A small network that reads handwritten digits", .epochs = 20, .quick_epochs = 5};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const auto [train_digits, test_digits] =
        datasets::train_test_split(datasets::Digits(), 0.2, {.seed = options.seed});
    const auto normalize = datasets::Normalize::fit(train_digits);
    const datasets::Batch test = normalize(test_digits.all());
    datasets::DataLoader loader(normalize(train_digits), {.batch_size = 32, .seed = options.seed});

    nn::Sequential model = make_model();
    fmt::print("{}\nseed {}: {} digits to train on, {} to test with\n", model.summary(Shape{1, 1, 8, 8}), options.seed,
               train_digits.size(), test_digits.size());

    const std::string weights = options.file("digits.safetensors");
    if (safetensors_available())
      nn::save(model, weights);  // better to find out now than after training that it can't be
    const Curves curves = train(model, loader, test, options);
    const Tensor logits = predict(model, test.x);
    const Tensor predicted = argmax(logits);
    const double reached = accuracy(predicted, test.y);
    fmt::print("\n{}", format_confusion_matrix(confusion_matrix(predicted, test.y, 10)));
    show_misread(test.x, test.y, predicted);
    const Panel losses{"loss", {{"train", curves.train_loss}, {"test", curves.test_loss}}, true};
    const Panel accuracies{"accuracy", {{"train", curves.train_accuracy}, {"test", curves.test_accuracy}}};
    fmt::print("\n{}\n", plot_curves(options.file("curves.png"), {losses, accuracies}).message);

    result.add("test_accuracy", reached);
    result.add("train_seconds", curves.seconds, 1);
    result.expect(reached >= (options.quick ? 0.9 : 0.98), "98 % of the test digits");
    result.expect(weights_survive(model, test.x, logits, weights), "the saved weights give the same predictions");
  });
}
