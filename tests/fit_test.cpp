// fit, evaluate and predict: what they compute, beside plain loops that compute the same.

#include <cmath>
#include <csignal>
#include <limits>

#include <gtest/gtest.h>

#include <wengert/wengert.h>

#include "tests/expect.h"

namespace wengert {
namespace {

datasets::TensorDataset line_data(std::int64_t samples = 20) {
  const Tensor x = linspace(-1, 1, samples);
  return {reshape(x, {samples, 1}), reshape(2 * x + 1, {samples, 1})};
}

/// Weights 1 x 1 and one bias, both at fixed numbers.
nn::Sequential line_model(double weight = 0, double bias = 0) {
  nn::Sequential model{nn::Dense(1, 1)};
  const auto parameters = model.parameters();
  no_grad([&] {
    parameters[0].set(full({1, 1}, weight));
    parameters[1].set(full({1}, bias));
  });
  return model;
}

std::vector<std::vector<double>> weights_of(const nn::Module& model) {
  std::vector<std::vector<double>> weights;
  for (const auto& [name, value] : model.state_dict()) weights.push_back(values_of(value));
  return weights;
}

TEST(Fit, DoesWhatAPlainLoopDoes) {
  const auto data = line_data();
  nn::Sequential by_hand = line_model();
  {
    optim::SGD optimizer(by_hand.parameters(), {.lr = 0.1, .momentum = 0.9});
    datasets::DataLoader loader(data, {.batch_size = 6, .seed = 3});
    for (int epoch = 0; epoch < 4; ++epoch) {
      for (auto [x, y] : loader) {
        optimizer.zero_grad();
        mse_loss(by_hand(x), y).backward();
        optimizer.step();
      }
    }
  }
  nn::Sequential model = line_model();
  const History history = fit(model, data,
                              {.loss = mse_loss,
                               .optimizer = optim::SGD(model.parameters(), {.lr = 0.1, .momentum = 0.9}),
                               .epochs = 4,
                               .batch_size = 6,
                               .seed = 3,
                               .progress = false});
  EXPECT_EQ(weights_of(model), weights_of(by_hand));
  EXPECT_EQ(history.epochs.size(), 4U);
  EXPECT_EQ(history.last().steps, 4);
  EXPECT_TRUE(history.stopped.empty());
}

}  // namespace
}  // namespace wengert
