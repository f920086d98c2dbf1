// A damped, driven oscillator learned from its trajectories.
//
// Rebuilds: x'' + eta x' + x = F(t) and a recurrent network that maps the drive and the states so far to the next
// state; derived on paper in the original, which has no program. Reference: none; here the network's forecast for F =
// 0, a case it has not seen, is compared with the analytic solution. Data: 256 trajectories of 80 steps of 0.1,
// integrated by RK4, each from a random state and driven by three random sines. The network, a cell of 32 tanh units,
// gives the change of the state. It is trained on forecasts of its own: it is shown the first 8 states of a trajectory,
// then goes on from its own results.

#include <cmath>
#include <numbers>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

constexpr double eta = 0.25, dt = 0.1;
constexpr std::int64_t length = 80;  // of a trajectory, in steps
constexpr std::int64_t shown = 8;    // states that a forecast begins with

/// The drive [N, T + 1] and the states [N, T + 1, 2], x and x', of N oscillators at the times 0, dt, ..., each from a
/// random state and driven by three random sines.
datasets::TensorDataset random_trajectories(std::int64_t count) {
  std::vector<Tensor> drive, states;
  for (std::int64_t i = 0; i < count; ++i) {
    const Tensor start = 2.0 * rand({2}, float64) - 1.0, strength = rand({3}, float64);
    const Tensor frequency = 0.2 + 2.0 * rand({3}, float64), phase = 2 * std::numbers::pi * rand({3}, float64);
    const auto force = [=](double t) { return sum(strength * sin(frequency * t + phase)).item(); };
    const datasets::DampedOscillator trajectory({.damping = eta,
                                                 .position = start[0].item(),
                                                 .velocity = start[1].item(),
                                                 .force = force,
                                                 .step = dt,
                                                 .points = length + 2});
    const Tensor steps = squeeze(trajectory.x(), {1});  // [T + 1, 3]: F, x and x'
    drive.push_back(select(steps, 1, 0));
    states.push_back(slice(steps, 1, 1, 3));
  }
  return {stack(drive), stack(states)};
}

/// x(t) and x'(t) for F = 0, from x = 1 at rest: [T + 1, 2].
Tensor analytic(std::int64_t steps) {
  std::vector<float> states;
  for (std::int64_t i = 0; i <= steps; ++i) {
    const auto state = datasets::DampedOscillator::free_solution(static_cast<double>(i) * dt, {.damping = eta});
    states.push_back(static_cast<float>(state.position));
    states.push_back(static_cast<float>(state.velocity));
  }
  return from_vector(states, {steps + 1, 2});
}

struct Network : nn::Module {
  nn::RNNCell cell{4, 32};
  nn::Dense output{32, 2};
  void visit(nn::Visitor& v) override { v("cell", cell), v("output", output); }

  /// The states at 1 ... T, from the drive [N, T + 1] and the first states [N, S, 2]: each from the one before, which
  /// is the true one as long as there is one.
  Tensor forecast(const Tensor& drive, const Tensor& first) const {
    std::vector<Tensor> states;
    Tensor h, state;
    for (std::int64_t i = 0; i + 1 < drive.dim(1); ++i) {
      if (i < first.dim(1)) state = select(first, 1, i);
      h = cell(cat({state, slice(drive, 1, i, i + 2)}, 1), h);
      state = state + output(h);
      states.push_back(state);
    }
    return stack(states, 1);
  }
};

std::vector<double> column(const Tensor& x, std::int64_t index) {
  const Tensor values = select(x, 1, index).to(float64);
  return {values.data<double>().begin(), values.data<double>().end()};
}

int main(int argc, char** argv) {
  const About about{
      .name = "damped_oscillator", .what = "A damped, driven oscillator", .epochs = 200, .quick_epochs = 30};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const datasets::TensorDataset train = random_trajectories(256), test = random_trajectories(64);
    datasets::DataLoader loader(train, {.batch_size = 32, .seed = options.seed});
    const Network network;
    optim::Adam optimizer(network.parameters(), {.lr = 5e-3});
    optim::Scheduler schedule(optimizer, optim::schedule::cosine(options.epochs, 0.01));
    Curve losses{"training", {}}, test_losses{"test", {}};
    for (int epoch = 0; epoch < options.epochs; ++epoch) {
      const std::int64_t steps = std::min<std::int64_t>(length, 10 + 100 * epoch / options.epochs);
      RunningMean mean_loss;
      for (auto [drive, states] : loader) {
        const Tensor first = slice(states, 1, 0, shown);
        const Tensor loss =
            mse_loss(network.forecast(slice(drive, 1, 0, steps + 1), first), slice(states, 1, 1, steps + 1));
        optimizer.zero_grad();
        loss.backward();
        optim::clip_grad_norm(network.parameters(), 1);
        optimizer.step();
        mean_loss.add(loss.item());
      }
      schedule.step();
      losses.values.push_back(mean_loss.value());
      test_losses.values.push_back(no_grad([&] {
        return mse_loss(network.forecast(test.x(), slice(test.y(), 1, 0, shown)), slice(test.y(), 1, 1, length + 1))
            .item();
      }));
    }
    const std::int64_t steps = 200;
    const Tensor truth = analytic(steps);
    const Tensor forecast = no_grad([&] {
      return network.forecast(zeros({1, steps + 1}), unsqueeze(truth.slice(0, shown), 0))[0];
    });
    const Tensor difference = forecast - truth.slice(1, steps + 1);
    const double rmse = std::sqrt(mean(square(difference)).item()), worst = max(abs(difference)).item();
    fmt::print("F = 0, {} steps from x = 1 at rest: root mean square error {:.4f}, largest {:.4f}\n", steps, rmse,
               worst);

    const Panel motion{"x", {{"analytic", column(truth.slice(1, steps + 1), 0)}, {"network", column(forecast, 0)}}};
    const Panel error{"network - analytic", {{"x", column(difference, 0)}, {"x'", column(difference, 1)}}};
    fmt::print("{}\n", plot_curves(options.file("forecast.png"), {motion, error}, {.x_label = "step"}).message);
    const Panel loss{"mean squared error", {losses, test_losses}, true};
    fmt::print("{}\n", plot_curves(options.file("losses.png"), {loss}).message);

    const double driven = std::sqrt(test_losses.values.back());
    result.add("driven_rmse", driven);
    result.add("undriven_rmse", rmse);
    result.add("undriven_largest_error", worst);
    result.expect(driven < (options.quick ? 0.3 : 0.02), "an error of 0.02 on new drives");
    result.expect(rmse < (options.quick ? 0.2 : 0.02), "an error of 0.02 on the oscillator left to itself");
  });
}
