// Trains a small convolutional network to read handwritten digits (1797 images of 8 x 8 pixels, part of this
// repository), and shows what came of it: accuracy, confusion matrix, misread digits, training curves, saved weights.
//
//   demo [--seed N] [--epochs N] [--threads N] [--out FOLDER]

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <wengert/wengert.h>

using namespace wengert;

struct Options {
  std::uint64_t seed = 0;
  int epochs = 20, threads = 0;  // 0: as many as the machine has
  double learning_rate = 3e-3;   // at first; it falls to 0 in a straight line
  std::filesystem::path out = "build/demo";
};

struct History {
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

Tensor predict(nn::Module& model, const Tensor& x) {
  model.eval();
  return no_grad([&] { return model(x); });
}

/// Until the last epoch, or Ctrl-C.
History train(nn::Module& model, datasets::DataLoader& loader, const datasets::Batch& test, const Options& options) {
  const InterruptGuard interrupt;
  const std::string weights = (options.out / "digits.safetensors").string();
  nn::save(model, weights);  // what cannot be written is better found out before training than after
  ProgressLine progress({.epochs = options.epochs, .steps = loader.size()});
  optim::Adam optimizer(model.parameters());
  History history;
  for (int epoch = 0; epoch < options.epochs && !interrupt.requested(); ++epoch) {
    model.train();
    optimizer.set_learning_rate(options.learning_rate * (options.epochs - epoch) / options.epochs);
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
    history.train_loss.push_back(progress.progress().loss);
    history.train_accuracy.push_back(progress.progress().accuracy.value());
    history.test_loss.push_back(cross_entropy(logits, test.y).item());
    history.test_accuracy.push_back(accuracy(logits, test.y));
  }
  progress.finish();
  history.seconds = progress.seconds();
  if (interrupt.requested()) fmt::print("interrupted: training ends here\n");
  return history;
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
bool weights_survive(const nn::Module& model, const Tensor& x, const Tensor& logits, const std::string& path) {
  if (!safetensors_available()) return fmt::print("weights not saved: this build has no nlohmann_json\n"), true;
  nn::save(model, path);
  nn::Sequential fresh = make_model();
  nn::load(fresh, path);
  const bool same = sum(predict(fresh, x) != logits).item() == 0;
  fmt::print("weights saved: {}; a fresh model with them {}\n", path, same ? "predicts the same" : "DIFFERS");
  return same;
}

bool read(const std::string& text, auto& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && *end == '\0';
}

Options parse(int argc, char** argv) {
  constexpr std::string_view usage = "options: --seed N --epochs N --threads N --out FOLDER";
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i], value = i + 1 < argc ? argv[i + 1] : "";
    if (name == "--help") fmt::print("{}\n", usage), std::exit(0);
    const bool understood = name == "--seed"      ? read(value, options.seed)
                            : name == "--epochs"  ? read(value, options.epochs)
                            : name == "--threads" ? read(value, options.threads)
                                                  : name == "--out" && !(options.out = value).empty();
    check<Error>(understood, "{}; got '{} {}'", usage, name, value);
  }
  check<Error>(options.epochs >= 1, "--epochs must be at least 1, got {}", options.epochs);
  return options;
}

int main(int argc, char** argv) try {
  const Options options = parse(argc, argv);
  std::filesystem::create_directories(options.out);
  if (options.threads != 0) set_num_threads(options.threads);
  manual_seed(options.seed);

  const auto [train_digits, test_digits] = datasets::train_test_split(datasets::Digits(), 0.2, {.seed = options.seed});
  const auto normalize = datasets::Normalize::fit(train_digits);
  const datasets::Batch test = normalize(test_digits.all());
  datasets::DataLoader loader(normalize(train_digits), {.batch_size = 32, .seed = options.seed});

  nn::Sequential model = make_model();
  fmt::print("{}\nseed {}: {} digits to train on, {} to test with\n", model.summary(Shape{1, 1, 8, 8}), options.seed,
             train_digits.size(), test_digits.size());

  const std::string weights = (options.out / "digits.safetensors").string();
  if (safetensors_available()) nn::save(model, weights);  // better to find out now than after training that it can't be
  const History history = train(model, loader, test, options);
  const Tensor logits = predict(model, test.x);
  const Tensor predicted = argmax(logits);
  const double reached = accuracy(predicted, test.y);
  fmt::print("\n{}", format_confusion_matrix(confusion_matrix(predicted, test.y, 10)));
  show_misread(test.x, test.y, predicted);
  const Panel losses{"loss", {{"train", history.train_loss}, {"test", history.test_loss}}, true};
  const Panel accuracies{"accuracy", {{"train", history.train_accuracy}, {"test", history.test_accuracy}}};
  fmt::print("\n{}\n", plot_curves((options.out / "curves.png").string(), {losses, accuracies}).message);
  const bool same = weights_survive(model, test.x, logits, weights);
  fmt::print("RESULT demo test_accuracy={:.4f} train_seconds={:.1f}\n", reached, history.seconds);
  return reached >= 0.98 && same ? 0 : 1;
} catch (const std::exception& error) {
  fmt::print(stderr, "demo: {}\n", error.what());
  return 2;
}
