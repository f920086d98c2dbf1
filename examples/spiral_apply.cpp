// The second of two programs: spiral has learned and saved its weights, this one loads and uses them.
//
// Rebuilds: weights from .npy files, as NumPy writes them, in a network of the same shape, which then sorts fresh
// points of the three arms. Reference: a picture of classes and predictions. What was wrong: nothing.
//
//   spiral_apply [FOLDER]    where spiral has left hidden.weight.npy and so on; by default the folder beside its own

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

int main(int argc, char** argv) {
  const About about{.name = "spiral_apply",
                    .what = "Sorts points by what the program spiral has learned",
                    .epochs = 10,
                    .quick_epochs = 2,
                    .files = "the folder with the weights"};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const std::string folder =
        options.files.empty() ? (options.out.parent_path() / "spiral").string() : options.files.front();
    StateDict weights;
    for (const char* name : {"hidden.weight", "hidden.bias", "output.weight", "output.bias"}) {
      weights.set(name, load_npy(fmt::format("{}/{}.npy", folder, name)));
    }
    const std::int64_t hidden = weights.at("hidden.bias").dim(0);
    nn::Sequential model{{"hidden", nn::Dense(2, hidden)}, {"relu", nn::ReLU()}, {"output", nn::Dense(hidden, 3)}};
    model.load_state_dict(weights);

    // "Epochs" are sets of 600 fresh points, of seeds that spiral does not use.
    RunningMean mean_accuracy;
    datasets::Batch points;
    Tensor predicted;
    for (int i = 0; i < options.epochs; ++i) {
      points = datasets::Spiral({.seed = options.seed + 5000 + static_cast<std::uint64_t>(i)}).all();
      predicted = no_grad([&] { return argmax(model(points.x)); });
      mean_accuracy.add(accuracy(predicted, points.y));
    }
    fmt::print("the last {} points:\n{}", points.y.numel(),
               format_confusion_matrix(confusion_matrix(predicted, points.y, 3)));
    const auto scores = [&](const Tensor& x) { return no_grad([&] { return model(x); }); };
    const DecisionRegions regions = decision_regions(points.x, scores);
    fmt::print("{}\n",
               plot_scatter(options.file("classes.png"), points.x, points.y, {.title = "classes", .regions = regions})
                   .message);
    fmt::print("{}\n", plot_scatter(options.file("predictions.png"), points.x, predicted,
                                    {.title = "predictions", .regions = regions})
                           .message);
    result.add("accuracy", mean_accuracy.value());
    result.add("points", options.epochs * points.y.numel());
    result.expect(mean_accuracy.value() >= 0.75, "three of four fresh points are sorted rightly");
  });
}
