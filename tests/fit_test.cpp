// fit, evaluate and predict: what they compute, beside plain loops that compute the same.

#include <cmath>
#include <csignal>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <thread>
#include <vector>

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

TEST(Fit, RecordsWhatTheLossWasWhileTraining) {
  // One step an epoch at rate 0.5 on mse of a bias alone: b <- b - 0.5 * 2 (b - 1) = 1.
  nn::Sequential model = line_model();
  const auto data = datasets::TensorDataset(zeros({4, 1}), ones({4, 1}));
  const History history = fit(model, data,
                              {.loss = mse_loss,
                               .optimizer = optim::SGD(model.parameters(), {.lr = 0.5}),
                               .epochs = 2,
                               .validation = data,
                               .metrics = {metrics::MAE()},
                               .progress = false});
  EXPECT_EQ(history.curve("loss"), (std::vector<double>{1, 0}));
  EXPECT_EQ(history.curve("val_loss"), (std::vector<double>{0, 0}));
  EXPECT_EQ(history.curve("mae"), (std::vector<double>{1, 0}));
  EXPECT_EQ(history.curve("val_mae"), (std::vector<double>{0, 0}));
  EXPECT_EQ(history.curve("learning_rate"), (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(history.curve("epoch"), (std::vector<double>{1, 2}));
  EXPECT_GT(history.last().seconds, 0);
  EXPECT_EQ(history.last().train.metric("mae"), 0);
  expect_error<Error>(
      [&] { history.curve("accuracy"); },
      "no epoch has a value 'accuracy'; there are: epoch, loss, mae, val_loss, val_mae, learning_rate, seconds");
  expect_error<Error>([&] { history.last().train.metric("f1"); }, "there is no metric 'f1'; there are: mae");
  expect_error<Error>([] { History().last(); }, "there are no epochs");
}

TEST(Fit, WeighsBatchesByTheirSamples) {
  nn::Sequential model = line_model();
  const Tensor y = reshape(from_data({0, 0, 0, 4}), {4, 1});
  datasets::DataLoader loader(datasets::TensorDataset(zeros({4, 1}), y), {.batch_size = 3, .shuffle = false});
  const History history = fit(model, loader,
                              {.loss = mse_loss,
                               .optimizer = optim::SGD(model.parameters(), {.lr = 0}),
                               .metrics = {metrics::MSE()},
                               .progress = false});
  EXPECT_EQ(history.last().train.loss, 4);
  EXPECT_EQ(history.last().train.metric("mse"), 4);
  EXPECT_EQ(loader.next_epoch(), 1U);
}

TEST(Fit, TakesLossesOptimizersAndLoadersAsTheyCome) {
  nn::Sequential model = line_model();
  optim::Adam adam(model.parameters(), {.lr = 0.01});
  fit(model, line_data(), {.loss = nn::MSELoss(), .optimizer = adam, .progress = false});
  EXPECT_EQ(adam.state_dict().at("0.step").item(), 1);
  const auto weighted = [](const Tensor& p, const Tensor& t) { return 2 * mse_loss(p, t); };
  const History history = fit(model, datasets::DataLoader(line_data(), {.batch_size = 5}),
                              {.loss = weighted, .optimizer = adam, .progress = false});
  EXPECT_EQ(history.last().steps, 4);
  EXPECT_EQ(adam.state_dict().at("0.step").item(), 5);
}

TEST(Fit, CutsTheDataIntoSoManyBatches) {
  nn::Sequential model = line_model();
  const auto steps = [&](std::int64_t batches) {
    return fit(model, line_data(),
               {.loss = mse_loss,
                .optimizer = optim::SGD(model.parameters(), {.lr = 0}),
                .batches = batches,
                .progress = false})
        .last()
        .steps;
  };
  EXPECT_EQ(steps(1), 1);
  EXPECT_EQ(steps(4), 4);
  EXPECT_EQ(steps(20), 20);
  expect_error<Error>([&] { steps(21); }, "batches must be from 1 to the number of samples 20, got 21");
}

TEST(Fit, FollowsAScheduleByEpochsOrBySteps) {
  nn::Sequential model = line_model();
  optim::SGD sgd(model.parameters(), {.lr = 0.8});
  callbacks::LearningRateMonitor monitor;
  FitOptions options{.loss = mse_loss,
                     .optimizer = sgd,
                     .epochs = 3,
                     .batch_size = 10,
                     .schedule = optim::schedule::exponential(0.5),
                     .callbacks = {monitor},
                     .progress = false};
  EXPECT_EQ(fit(model, line_data(), options).curve("learning_rate"), (std::vector<double>{0.8, 0.4, 0.2}));
  EXPECT_EQ(monitor.rates(), (std::vector<double>{0.8, 0.8, 0.4, 0.4, 0.2, 0.2}));
  EXPECT_EQ(sgd.learning_rate(), 0.8) << "the rate from before is back";
  options.schedule_every = Every::step;
  fit(model, line_data(), options);
  EXPECT_EQ(monitor.rates(), (std::vector<double>{0.8, 0.4, 0.2, 0.1, 0.05, 0.025}));
}

TEST(Fit, ReducesTheRateOnAPlateauOfTheValidationLoss) {
  nn::Sequential model = line_model();
  FitOptions options{.loss = mse_loss,
                     .optimizer = optim::SGD(model.parameters(), {.lr = 1e-9}),
                     .epochs = 4,
                     .schedule = optim::schedule::reduce_on_plateau({.factor = 0.5, .patience = 1}),
                     .validation = line_data(5),
                     .progress = false};
  // The loss of epoch 1 is the best; epochs 2 and 3 are one too many.
  EXPECT_EQ(fit(model, line_data(), options).curve("learning_rate"), (std::vector<double>{1e-9, 1e-9, 1e-9, 5e-10}));
  options.schedule_every = Every::step;
  expect_error<Error>([&] { fit(model, line_data(), options); }, "reduce_on_plateau watches whole epochs");
}

TEST(Fit, AddsPenaltiesOnWeightsAndNotOnBiases) {
  // The data are fitted exactly, so that only the penalty moves: w <- w - lr (l1 sign(w) + 2 l2 w).
  const auto data = line_data();
  nn::Sequential model = line_model(2, 1);
  const FitOptions options{.loss = mse_loss,
                           .optimizer = optim::SGD(model.parameters(), {.lr = 0.5}),
                           .batch_size = 20,
                           .l1 = 0.1,
                           .l2 = 0.05,
                           .progress = false};
  const History history = fit(model, data, options);
  EXPECT_FLOAT_EQ(model.parameters()[0]->item<float>(), 2 - 0.5F * (0.1F + 0.2F));
  EXPECT_FLOAT_EQ(model.parameters()[1]->item<float>(), 1);
  EXPECT_EQ(history.last().train.loss, 0) << "the loss is told without penalties";

  nn::Sequential other = line_model(2, 1);
  fit(other, data,
      {.loss = mse_loss,
       .optimizer = optim::SGD(other.parameters(), {.lr = 0.5}),
       .l2 = 0.05,
       .penalize = [](const std::string& name, const Tensor&) { return name == "0.bias"; },
       .progress = false});
  EXPECT_FLOAT_EQ(other.parameters()[0]->item<float>(), 2);
  EXPECT_FLOAT_EQ(other.parameters()[1]->item<float>(), 1 - 0.5F * 0.1F);
}

TEST(Fit, ClipsGradients) {
  // Gradient of the bias -2, of the weight 0.
  const auto data = datasets::TensorDataset(zeros({4, 1}), ones({4, 1}));
  const auto bias_after = [&](std::optional<double> norm, std::optional<double> value) {
    nn::Sequential model = line_model();
    fit(model, data,
        {.loss = mse_loss,
         .optimizer = optim::SGD(model.parameters(), {.lr = 0.5}),
         .clip_norm = norm,
         .clip_value = value,
         .progress = false});
    return model.parameters()[1]->item<float>();
  };
  EXPECT_FLOAT_EQ(bias_after({}, {}), 1);
  EXPECT_FLOAT_EQ(bias_after(1.0, {}), 0.5F);
  EXPECT_FLOAT_EQ(bias_after({}, 0.2), 0.1F);
}

TEST(Fit, TrainsWithLBFGS) {
  nn::Sequential model = line_model();
  const History history = fit(model, line_data(),
                              {.loss = mse_loss,
                               .optimizer = optim::LBFGS(model.parameters()),
                               .epochs = 2,
                               .batch_size = 20,
                               .progress = false});
  EXPECT_GT(history.epochs[0].train.loss, 1);
  EXPECT_LT(history.epochs[1].train.loss, 1e-8);
}

TEST(Fit, TakesAShareOfTheDataForValidation) {
  nn::Sequential model = line_model();
  std::int64_t seen = 0;
  const History history =
      fit(model, line_data(),
          {.loss = mse_loss,
           .optimizer = optim::SGD(model.parameters(), {.lr = 0.1}),
           .batch_size = 4,
           .validation = 0.2,
           .callbacks = {callbacks::Lambda({.on_step = [&](TrainingRun& run) { seen += run.samples; }})},
           .progress = false});
  EXPECT_EQ(seen, 16);
  EXPECT_TRUE(history.last().validation.has_value());
}

TEST(Fit, LeavesTheModesAsTheyWereAndUsesBoth) {
  struct Watcher : nn::Module {
    mutable std::string modes;
    nn::Dense inner{1, 1};
    nn::Dropout held{0.5};
    Tensor forward(const Tensor& x) const override {
      modes += is_training() ? 't' : 'e';
      return inner(x);
    }
    void visit(nn::Visitor& v) override {
      v("inner", inner);
      v("held", held);
    }
  } model;
  model.held.eval();
  fit(model, line_data(),
      {.loss = mse_loss,
       .optimizer = optim::SGD(model.parameters(), {.lr = 0}),
       .epochs = 2,
       .validation = line_data(3),
       .progress = false});
  EXPECT_EQ(model.modes, "tete");
  EXPECT_TRUE(model.is_training());
  EXPECT_FALSE(model.held.is_training());

  model.eval();
  expect_error<Error>(
      [&] {
        fit(model, line_data(),
            {.loss = [](const Tensor&, const Tensor&) -> Tensor { throw Error("no loss today"); },
             .optimizer = optim::SGD(model.parameters(), {.lr = 0}),
             .progress = false});
      },
      "no loss today");
  EXPECT_FALSE(model.is_training());
  model.train();
  expect_error<Error>([&] { predict(model, zeros({2, 3})); }, "");
  EXPECT_TRUE(model.is_training());
  expect_error<Error>(
      [&] {
        evaluate(model, line_data(), {.loss = [](const Tensor&, const Tensor&) -> Tensor { throw Error("none"); }});
      },
      "none");
  EXPECT_TRUE(model.is_training());
}

TEST(Fit, StopsAtALossThatIsNoNumber) {
  nn::Sequential model = line_model(1, 1);
  const auto data = datasets::TensorDataset(zeros({4, 1}), ones({4, 1}));
  int calls = 0;
  FitOptions options{.loss =
                         [&](const Tensor& p, const Tensor& t) {
                           return mse_loss(p, t) + (++calls == 3 ? std::numeric_limits<double>::infinity() : 0.0);
                         },
                     .optimizer = optim::SGD(model.parameters(), {.lr = 0.1}),
                     .epochs = 5,
                     .batch_size = 2,
                     .progress = false};
  expect_error<Error>([&] { fit(model, data, options); },
                      "fit: the loss is inf in epoch 2, step 1; a smaller learning rate");
  calls = 0;
  options.stop_on_nan = true;
  const History history = fit(model, data, options);
  EXPECT_EQ(history.stopped, "the loss is inf in epoch 2, step 1");
  EXPECT_FALSE(history.interrupted);
  EXPECT_EQ(history.epochs.size(), 1U);
  for (const auto& weights : weights_of(model)) EXPECT_TRUE(std::isfinite(weights[0]));
}

class InterruptedFit : public ::testing::Test {
 protected:
  InterruptedFit() : before_(std::signal(SIGINT, SIG_DFL)) {}  // a background job inherits an ignored one
  ~InterruptedFit() override { std::signal(SIGINT, before_); }

 private:
  void (*before_)(int);
};

TEST_F(InterruptedFit, EndsAfterTheStepAndReturnsTheHistory) {
  nn::Sequential model = line_model();
  bool ended = false;
  const History history = fit(model, line_data(),
                              {.loss = mse_loss,
                               .optimizer = optim::SGD(model.parameters(), {.lr = 0.1}),
                               .epochs = 9,
                               .batch_size = 5,
                               .validation = line_data(3),
                               .callbacks = {callbacks::Lambda({.on_step =
                                                                    [](TrainingRun& run) {
                                                                      if (run.total_steps == 6) std::raise(SIGINT);
                                                                    },
                                                                .on_end = [&](TrainingRun&) { ended = true; }})},
                               .progress = false});
  EXPECT_TRUE(history.interrupted);
  EXPECT_EQ(history.stopped, "interrupted");
  EXPECT_TRUE(ended);
  ASSERT_EQ(history.epochs.size(), 2U);
  EXPECT_EQ(history.epochs[0].steps, 4);
  EXPECT_EQ(history.epochs[1].steps, 2);
  EXPECT_FALSE(history.epochs[1].validation.has_value());
  EXPECT_TRUE(std::isnan(history.curve("val_loss")[1]));
}

TEST_F(InterruptedFit, InItsLastStepStillEndsTheEpoch) {
  nn::Sequential model = line_model();
  const History history = fit(model, line_data(),
                              {.loss = mse_loss,
                               .optimizer = optim::SGD(model.parameters(), {.lr = 0.1}),
                               .epochs = 9,
                               .batch_size = 20,
                               .validation = line_data(3),
                               .callbacks = {callbacks::Lambda({.on_step = [](TrainingRun&) { std::raise(SIGINT); }})},
                               .progress = false});
  EXPECT_TRUE(history.interrupted);
  ASSERT_EQ(history.epochs.size(), 1U);
  EXPECT_TRUE(history.epochs[0].validation.has_value());
}

TEST(Fit, RejectsOptionsThatMakeNoSense) {
  nn::Sequential model = line_model();
  const auto data = line_data();
  const FitOptions good{.loss = mse_loss, .optimizer = optim::SGD(model.parameters(), {.lr = 0.1}), .progress = false};
  const auto expect_rejected = [&](auto change, std::string_view text) {
    FitOptions options = good;
    change(options);
    expect_error<Error>([&] { fit(model, data, options); }, text);
  };
  expect_rejected([](FitOptions& o) { o.loss = {}; }, "fit: options.loss is not given");
  expect_rejected([](FitOptions& o) { o.optimizer = {}; }, "fit: options.optimizer is not given");
  expect_rejected([](FitOptions& o) { o.epochs = -1; }, "epochs must not be negative, got -1");
  expect_rejected([](FitOptions& o) { o.batch_size = 0; }, "batch_size must be at least 1, got 0");
  expect_rejected([](FitOptions& o) { o.batch_size = o.batches = 2; }, "batch_size and batches are both given");
  expect_rejected([](FitOptions& o) { o.l1 = -1; }, "l1 must be finite and not negative, got -1");
  expect_rejected([](FitOptions& o) { o.l2 = std::nan(""); }, "l2 must be finite and not negative, got nan");
  expect_rejected([](FitOptions& o) { o.validation = 1.5; }, "test_fraction");
  expect_rejected([](FitOptions& o) { o.metrics = {metrics::MSE(), metrics::MSE()}; }, "two metrics are called 'mse'");
  expect_rejected(
      [](FitOptions& o) {
        o.validation = datasets::TensorDataset(zeros({0, 1}), zeros({0, 1}));
      },
      "the validation data have no samples");
  expect_rejected([](FitOptions& o) { o.loss = [](const Tensor& p, const Tensor&) { return p; }; },
                  "the loss must be a single number, got [20, 1]");
  expect_error<Error>(
      [&] {
        fit(model, datasets::TensorDataset(zeros({0, 1}), zeros({0, 1})), good);
      },
      "there is nothing to train on: 0 samples");
  FitOptions options = good;
  options.batch_size = 3;
  datasets::DataLoader loader(data, {});
  expect_error<Error>([&] { fit(model, loader, options); }, "the loader has its batch size");
  options = good;
  options.validation = 0.1;
  expect_error<Error>([&] { fit(model, loader, options); }, "a share of the data for validation needs the data set");
}

TEST(Fit, DoesNothingInNoEpochs) {
  nn::Sequential model = line_model(3, 4);
  const History history = fit(
      model, line_data(), {.loss = mse_loss, .optimizer = optim::SGD(model.parameters(), {.lr = 0.1}), .epochs = 0});
  EXPECT_TRUE(history.epochs.empty());
  EXPECT_EQ(model.parameters()[0]->item(), 3);
}

nn::Sequential dropout_model() {
  Generator generator(5);
  const GeneratorScope scope(generator);
  return nn::Sequential{nn::Conv2d(1, 4, 3), nn::BatchNorm2d(4), nn::ReLU(),
                        nn::Flatten(),       nn::Dropout(0.3),   nn::Dense(144, 10)};
}

/// FNV-1a over the bits of all weights and buffers.
std::uint64_t checksum(const nn::Module& model) {
  std::uint64_t hash = 14695981039346656037U;
  for (const auto& [name, value] : model.state_dict()) {
    dispatch(value.dtype(), [&]<class T>() {
      for (const std::byte byte : std::as_bytes(value.data<T>()))
        hash = (hash ^ static_cast<std::uint64_t>(byte)) * 1099511628211U;
    });
  }
  return hash;
}

std::uint64_t checksum_after_training(int threads, std::uint64_t seed) {
  const int before = num_threads();
  set_num_threads(threads);
  nn::Sequential model = dropout_model();
  fit(model, datasets::train_test_split(datasets::Digits(), 0.2).test,
      {.loss = cross_entropy,
       .optimizer = optim::Adam(model.parameters()),
       .epochs = 2,
       .seed = seed,
       .schedule = optim::schedule::cosine(2),
       .validation = 0.1,
       .metrics = {metrics::Accuracy()},
       .progress = false});
  set_num_threads(before);
  return checksum(model);
}

TEST(FitThreads, DoNotChangeABitOfTheWeightsAndTheSeedDoes) {
  const std::uint64_t alone = checksum_after_training(1, 1);
  manual_seed(99);  // is none of its business
  EXPECT_EQ(checksum_after_training(2, 1), alone);
  EXPECT_EQ(checksum_after_training(1, 1), alone);
  EXPECT_NE(checksum_after_training(1, 2), alone);
  manual_seed(0);
}

TEST(FitThreads, TrainSideBySideAsIfEachWereAlone) {
  const auto train = [](std::uint64_t seed) {
    nn::Sequential model = dropout_model();
    fit(model, datasets::train_test_split(datasets::Digits(), 0.1).test,
        {.loss = cross_entropy, .optimizer = optim::Adam(model.parameters()), .seed = seed, .progress = false});
    return checksum(model);
  };
  const std::uint64_t first = train(1);
  const std::uint64_t second = train(2);
  std::uint64_t first_beside = 0;
  std::uint64_t second_beside = 0;
  std::thread one([&] { first_beside = train(1); });
  std::thread two([&] { second_beside = train(2); });
  one.join();
  two.join();
  EXPECT_EQ(first_beside, first);
  EXPECT_EQ(second_beside, second);
}

TEST(Fit, LeavesTheDefaultGeneratorAlone) {
  nn::Sequential model{nn::Dropout(0.5), nn::Dense(1, 1)};
  const Generator::State before = default_generator().state();
  fit(model, line_data(),
      {.loss = mse_loss, .optimizer = optim::SGD(model.parameters(), {.lr = 0.1}), .progress = false});
  EXPECT_EQ(default_generator().state(), before);
}

TEST(Evaluate, IsOverAllSamplesWhateverTheBatches) {
  nn::Sequential model = line_model(1, 0);
  const auto data = line_data(7);
  const Tensor wanted = no_grad([&] { return mse_loss(model(data.x()), data.y()); });
  for (const std::int64_t size : {1, 3, 7, 100}) {
    const Evaluation e = evaluate(model, data, {.loss = mse_loss, .metrics = {metrics::R2()}, .batch_size = size});
    EXPECT_NEAR(e.loss, wanted.item(), 1e-6);
    EXPECT_NEAR(e.metric("r2"), r2(data.x(), data.y()), 1e-6);
  }
  EXPECT_TRUE(std::isnan(evaluate(model, data, {.metrics = {metrics::MSE()}}).loss));
  expect_error<Error>([&] { evaluate(model, data, {.batch_size = 0}); }, "batch_size must be at least 1");
}

TEST(Evaluate, ReturnsAConfusionMatrixWhole) {
  nn::Sequential model{nn::Identity()};
  const auto data = datasets::TensorDataset(from_data({{1, 0}, {0, 1}, {1, 0}}), from_data({0, 1, 1}, int64));
  const Evaluation e = evaluate(model, data, {.metrics = {metrics::ConfusionMatrix(2)}, .batch_size = 2});
  EXPECT_EQ(values_of(e.metrics.at("confusion_matrix")), (std::vector<double>{1, 0, 1, 1}));
  expect_error<Error>([&] { e.metric("confusion_matrix"); }, "is no single number but [2, 2]");
}

TEST(Predict, IsTheModelsOutputInEvaluationMode) {
  nn::Sequential model{nn::Dense(1, 3), nn::Dropout(0.9)};
  const Tensor x = line_data(10).x();
  model.eval();
  const Tensor wanted = no_grad([&] { return model(x); });
  model.train();
  for (const std::int64_t size : {1, 4, 10, 11}) {
    const Tensor y = predict(model, x, {.batch_size = size});
    EXPECT_EQ(y.shape(), (Shape{10, 3}));
    EXPECT_LT(max(abs(y - wanted)).item(), 1e-6);  // products of other sizes may round otherwise
    EXPECT_FALSE(y.requires_grad());
  }
  EXPECT_EQ(values_of(predict(model, line_data(10), {.batch_size = 10})), values_of(wanted));
  EXPECT_LT(max(abs(predict(model, line_data(10), {.batch_size = 3}) - wanted)).item(), 1e-6);
  EXPECT_EQ(predict(model, zeros({0, 1})).shape(), (Shape{0, 3}));
  EXPECT_TRUE(model.is_training());
  expect_error<ShapeError>([&] { predict(model, Tensor(zeros({}))); }, "x must be [N, ...], got []");
  expect_error<Error>([&] { predict(model, x, {.batch_size = 0}); }, "batch_size must be at least 1, got 0");
}

}  // namespace
}  // namespace wengert
