// Where training goes wrong, or nearly: what must still hold then.

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

#include <wengert/wengert.h>

#include "tests/expect.h"

namespace wengert {
namespace {

TEST(LBFGS, LeavesAFrozenParameterAlone) {
  const Parameter a(full({}, 3.0, float64));
  const Parameter b(full({}, -2.0, float64));
  optim::LBFGS optimizer({a, b}, {.max_iterations = 3});
  const auto closure = [&] {
    optimizer.zero_grad();
    const Tensor loss = exp(0.7 * a) + exp(-a) + pow(b, 4) + square(a * b - 1);
    loss.backward();
    return loss;
  };
  optimizer.step(closure);
  b.requires_grad(false);
  const double frozen = b->item();
  const double moving = a->item();
  optimizer.step(closure);
  EXPECT_EQ(b->item(), frozen);
  EXPECT_NE(a->item(), moving);
}

TEST(LBFGS, CrossesAConcaveStretch) {
  const Parameter w(full({}, 100.0, float64));
  optim::LBFGS optimizer({w});
  for (int i = 0; i < 3; ++i) {
    optimizer.step([&] {
      optimizer.zero_grad();
      const Tensor loss = log1p(square(w));
      loss.backward();
      return loss;
    });
  }
  EXPECT_NEAR(w->item(), 0, 1e-3);
}

TEST(LBFGS, IsWhereItsLineBeganAfterAnException) {
  const Parameter w(full({}, 1.0, float64));
  optim::LBFGS optimizer({w});
  int calls = 0;
  EXPECT_THROW(optimizer.step([&] {
    if (++calls == 3) throw std::runtime_error("third");
    optimizer.zero_grad();
    const Tensor loss = pow(w - 5, 4);
    loss.backward();
    return loss;
  }),
               std::runtime_error);
  EXPECT_EQ(w->item(), 2) << "the first line, of length 1, has led from 1 to 2; the second one failed";
}

TEST(Scheduler, TakesWhatIsBetterThanInfinity) {
  const Parameter w(ones({1}));
  optim::SGD optimizer({w}, {.lr = 1});
  optim::Scheduler scheduler(optimizer, optim::schedule::reduce_on_plateau({.patience = 1}));
  for (const double metric : {std::numeric_limits<double>::infinity(), 5.0, 4.0, 3.0, 2.0, 1.0}) scheduler.step(metric);
  EXPECT_EQ(optimizer.learning_rate(), 1);
}

TEST(BCELoss, OfASumHasNTimesTheGradientOfTheMean) {
  const Tensor target = from_data({{1.0, 0.0, 1.0, 0.0}}, float64);
  const auto gradient = [&](nn::Reduction reduction) {
    Tensor p = from_data({{0.0, 1.0, 0.25, 0.5}}, float64).requires_grad(true);
    nn::BCELoss({.reduction = reduction})(p, target).backward();
    return p.grad();
  };
  EXPECT_EQ(values_of(gradient(nn::Reduction::sum)), values_of(4 * gradient(nn::Reduction::mean)));
}

TEST(Accuracy, RejectsOneScoreASample) {
  expect_error<ShapeError>([] { accuracy(ones({4, 1}), ones({4}, int64)); }, "one score a sample, [4, 1]");
}

TEST(Fit, RejectsMetricsThatTakeItsOwnNames) {
  nn::Sequential model{nn::Dense(1, 1)};
  const datasets::TensorDataset data(ones({4, 1}), ones({4, 1}));
  for (const char* name : {"loss", "val_loss", "epoch", "learning_rate", "seconds", "val_x"}) {
    expect_error<Error>(
        [&] {
          fit(model, data,
              {.loss = mse_loss,
               .optimizer = optim::SGD(model.parameters()),
               .metrics = {metrics::Mean(name, mse_loss)},
               .progress = false});
        },
        "no metric may be called '" + std::string(name) + "'");
  }
}

TEST(Fit, KeepsRunningStatisticsFromALossThatIsNoNumber) {
  manual_seed(1);
  nn::Sequential model{nn::Dense(2, 3), nn::BatchNorm1d(3), nn::Dense(3, 1)};
  const datasets::TensorDataset data(full({4, 2}, NAN), zeros({4, 1}));
  const StateDict before = model.state_dict();
  const History history =
      fit(model, data,
          {.loss = mse_loss, .optimizer = optim::SGD(model.parameters()), .progress = false, .stop_on_nan = true});
  EXPECT_FALSE(history.stopped.empty());
  for (const auto& [name, value] : model.state_dict()) EXPECT_EQ(values_of(value), values_of(before.at(name))) << name;
}

TEST(Fit, NoticesWeightsThatTheLastStepMadeInfinite) {
  nn::Sequential model{nn::Dense(1, 1, {.bias = false, .init = nn::init::zeros()})};
  const datasets::TensorDataset data(ones({4, 1}), zeros({4, 1}));
  const auto train = [&](bool stop) {
    return fit(model, data,
               {.loss = [](const Tensor& p, const Tensor&) { return mean(sqrt(p)); },
                .optimizer = optim::SGD(model.parameters()),
                .progress = false,
                .stop_on_nan = stop});
  };
  EXPECT_EQ(train(true).stopped, "weights are infinite or NaN after epoch 1");
  model.parameters()[0].set(zeros({1, 1}));
  expect_error<Error>([&] { train(false); }, "fit: weights are infinite or NaN after epoch 1");
}

TEST(Fit, TellsARuleThatAnEpochIsOver) {
  nn::Sequential model{nn::Dense(1, 1)};
  optim::RuleOptimizer optimizer(model.parameters(), optim::rules::Adam());
  const datasets::TensorDataset data(ones({4, 1}), ones({4, 1}));
  fit(model, data, {.loss = mse_loss, .optimizer = optimizer, .epochs = 3, .progress = false});
  EXPECT_EQ(optimizer.state_dict().at("0.epoch").item<std::int64_t>(), 4);
}

}  // namespace
}  // namespace wengert
