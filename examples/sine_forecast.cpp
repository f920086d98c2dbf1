// A sine wave continued by recurrent networks that only ever see 20 values.
//
// Rebuilds: sin at 1000 points of 0 ... 4 pi, the first 800 to train on; windows of 20 -> the next value; RNN (tanh, 64
// units), its last step -> linear; mean squared error, Adam 1e-3, batches of 32, 100 epochs; then 200 values forecast
// recursively from the last window. Reference (PyTorch): validation error 2e-5 one step ahead, but the forecast drifts
// to a root mean square error of 1.2.
// What was wrong: nothing in the code, but one step ahead is the wrong thing to train for. Neighbouring values differ
// by 0.0126 at most, so that errors too small to matter for one step add up in 200, and the network has never seen
// inputs that are its own outputs. Then: the network predicts the difference from the last value and, after the first
// epochs, is trained on forecasts of its own, at first of 2 steps, in the end of 40: backward goes through all of them.
// RNN, LSTM and GRU, side by side.

#include <cmath>
#include <numbers>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

constexpr std::int64_t points = 1000, training_points = 800, window = 20, horizon = 200;
constexpr std::int64_t longest = 40;  // forecast trained on

/// The points, and as many after them as are to be forecast, at the same distances.
Tensor sine() {
  const double step = 4 * std::numbers::pi / (points - 1);
  return sin(arange(0, points + horizon, 1, float64) * step).to(float32);
}

/// 20 values [N, 20, 1] -> the next one [N, 1].
template <class Recurrent>
struct Forecaster : nn::Module {
  explicit Forecaster(bool predicts_difference) : difference(predicts_difference) {}

  Recurrent recurrent{1, 64, {.last_only = true}};
  nn::Dense output{64, 1};
  bool difference;

  Tensor forward(const Tensor& x) const override {
    const Tensor y = output(recurrent(x));
    return difference ? select(x, 1, -1) + 0.1 * y : y;
  }
  void visit(nn::Visitor& v) override { v("recurrent", recurrent), v("output", output); }
};

/// The next values, each from the window that the ones before have moved into: [N, 20, 1] -> [N, steps].
Tensor forecast(const nn::Module& model, Tensor x, std::int64_t steps) {
  std::vector<Tensor> values;
  for (std::int64_t i = 0; i < steps; ++i) {
    values.push_back(model(x));
    x = cat({slice(x, 1, 1, window), unsqueeze(values.back(), 2)}, 1);
  }
  return cat(values, 1);
}

/// All windows of a series with the `steps` values that follow each.
datasets::TensorDataset windows(const Tensor& series, std::int64_t steps) {
  const Tensor all = unfold(series, 0, window + steps);
  return {unsqueeze(slice(all, 1, 0, window), 2), slice(all, 1, window, window + steps)};
}

struct Run {
  std::string name;
  Curve losses = {}, predicted = {}, forecast = {};
  double validation = 0;  // mean squared error one step ahead
  double error = 0;       // root mean square error of the forecast
};

Curve curve(const std::string& name, const Tensor& values) {
  const Tensor numbers = flatten(values).to(float64);
  return {name, std::vector<double>(numbers.data<double>().begin(), numbers.data<double>().end())};
}

template <class Recurrent>
Run train(const std::string& name, bool on_forecasts, const Options& options) {
  manual_seed(options.seed);
  const Tensor series = sine(), training = series.slice(0, training_points);
  Forecaster<Recurrent> model(on_forecasts);
  optim::Adam optimizer(model.parameters(), {.lr = 1e-3});
  optim::Scheduler schedule(optimizer,
                            on_forecasts ? optim::schedule::cosine(options.epochs, 0.01) : optim::schedule::constant());
  Run run{name, {name, {}}};
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    const std::int64_t steps = on_forecasts ? 1 + longest * epoch / options.epochs : 1;
    datasets::DataLoader loader(windows(training, steps), {.batch_size = 32, .seed = options.seed});
    RunningMean mean_loss;
    for (auto [x, y] : loader.epoch(static_cast<std::uint64_t>(epoch))) {
      const Tensor loss = mse_loss(forecast(model, x, steps), y);
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      mean_loss.add(loss.item());
    }
    schedule.step();
    run.losses.values.push_back(mean_loss.value());
  }
  no_grad([&] {
    const auto [x, y] = windows(series.slice(0, points), 1).all();
    const Tensor predicted = model(x), ahead = forecast(model, x.slice(-1, x.dim(0)), horizon);
    run.predicted = curve(name, predicted);
    run.forecast = curve(name, ahead);
    run.validation =
        mse_loss(predicted.slice(training_points - window, y.dim(0)), y.slice(training_points - window, y.dim(0)))
            .item();
    run.error = std::sqrt(mse_loss(flatten(ahead), series.slice(points - 1, points - 1 + horizon)).item());
  });
  fmt::print("{:31} validation error {:.1e}, forecast's error {:.4f}\n", name, run.validation, run.error);
  return run;
}

int main(int argc, char** argv) {
  const About about{
      .name = "sine_forecast", .what = "Recurrent networks continue a sine", .epochs = 100, .quick_epochs = 4};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const Run runs[] = {train<nn::RNN>("RNN", false, options),
                        train<nn::LSTM>("LSTM", false, options),
                        train<nn::GRU>("GRU", false, options),
                        train<nn::RNN>("RNN, trained on its forecasts", true, options),
                        train<nn::LSTM>("LSTM, trained on its forecasts", true, options),
                        train<nn::GRU>("GRU, trained on its forecasts", true, options)};
    const Tensor series = sine();
    Panel losses{"training loss", {}, true};
    Panel one_step{"one step ahead", {curve("sine", series.slice(window, points))}};
    Panel forecasts{"forecast", {curve("sine", series.slice(points - 1, points - 1 + horizon))}};
    for (const Run& run : runs) {
      losses.curves.push_back(run.losses);
      one_step.curves.push_back(run.predicted);
      forecasts.curves.push_back(run.forecast);
    }
    fmt::print("{}\n", plot_curves(options.file("losses.png"), {losses}).message);
    fmt::print("{}\n", plot_curves(options.file("forecasts.png"), {one_step, forecasts}, {.x_label = "step"}).message);

    result.add("validation_error", fmt::format("{:.1e}", runs[0].validation));
    result.add("forecast_rmse_as_published", runs[0].error);
    result.add("rnn_forecast_rmse", runs[3].error);
    result.add("lstm_forecast_rmse", runs[4].error);
    result.add("gru_forecast_rmse", runs[5].error);
    result.expect(runs[0].validation <= (options.quick ? 1e-2 : 1e-4), "a validation error of 1e-4 one step ahead");
    for (const Run& run : {runs[3], runs[4], runs[5]}) {
      result.expect(run.error < (options.quick ? 1.2 : 0.3), run.name + ": a forecast with an error below 0.3");
    }
  });
}
