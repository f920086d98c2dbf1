// fit, evaluate, predict: what they compute against plain loops; checkpoints; how runs end.
// The suites' names with "Thread" are those that CI picks for the thread sanitizer.

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <signal.h>

#include <wengert/wengert.h>

#include "tests/expect.h"
#include "tests/folder.h"

namespace wengert {
namespace {

using datasets::DataLoader;
using datasets::TensorDataset;

/// Points of three classes around three centres.
TensorDataset blobs(std::int64_t count, std::uint64_t seed = 1) {
  Generator generator(seed);
  const Tensor labels = randint(0, 3, {count}, generator);
  const Tensor centres = from_data({{2, 0}, {-1, 2}, {-1, -2}});
  return {index_select(centres, 0, labels) + randn({count, 2}, float32, generator), labels, 3};
}

/// Dropout and running statistics: what a checkpoint easily forgets.
nn::Sequential network(std::uint64_t seed = 0) {
  Generator generator(seed);
  const GeneratorScope scope(generator);
  return nn::Sequential{nn::Dense(2, 16), nn::ReLU(), nn::Dropout(0.2), nn::Dense(16, 3)};
}

FitOptions classification(nn::Module& model) {
  return {.loss = cross_entropy,
          .optimizer = optim::Adam(model.parameters(), {.lr = 0.01}),
          .epochs = 3,
          .batch_size = 16,
          .metrics = {Accuracy()}};
}

std::vector<double> weights_of(const nn::Module& model) {
  std::vector<double> all;
  for (const auto& [name, tensor] : model.state_dict()) {
    for (const double value : values_of(tensor)) all.push_back(value);
  }
  return all;
}

TEST(Fit, DoesWhatAPlainLoopDoes) {
  const TensorDataset data = blobs(50);
  nn::Sequential fitted = network();
  manual_seed(5);
  const History history = fit(fitted, data, classification(fitted));

  nn::Sequential looped = network();
  manual_seed(5);
  optim::Adam optimizer(looped.parameters(), {.lr = 0.01});
  DataLoader loader(data, {.batch_size = 16});
  for (int epoch = 0; epoch < 3; ++epoch) {
    RunningMean loss;
    Accuracy right;
    for (auto [x, y] : loader) {
      optimizer.zero_grad();
      const Tensor logits = looped(x);
      const Tensor batch_loss = cross_entropy(logits, y);
      batch_loss.backward();
      optimizer.step();
      loss.add(batch_loss.item(), static_cast<double>(x.dim(0)));
      right.add(logits, y);
    }
    const EpochRecord& record = history.epochs[static_cast<std::size_t>(epoch)];
    EXPECT_EQ(record.train.loss, loss.value());
    EXPECT_EQ(record.train.metric("accuracy"), right.value());
    EXPECT_EQ(record.epoch, epoch + 1);
    EXPECT_EQ(record.steps, 4);
    EXPECT_EQ(record.samples, 50);
    EXPECT_EQ(record.learning_rate, 0.01);
    EXPECT_GT(record.seconds, 0);
    EXPECT_TRUE(record.complete);
    EXPECT_FALSE(record.validation);
  }
  EXPECT_EQ(weights_of(fitted), weights_of(looped));
  EXPECT_EQ(history.end, EndOfRun::finished);
}

TEST(Fit, Learns) {
  nn::Sequential model = network();
  FitOptions options = classification(model);
  options.epochs = 20;
  options.validation = blobs(300, 2);
  const History history = fit(model, blobs(300), options);
  EXPECT_GT(history["val_accuracy"].back(), 0.85);
  EXPECT_LT(history["loss"].back(), history["loss"].front() / 2);
  EXPECT_EQ(history["val_loss"].size(), 20U);
  EXPECT_EQ(history.names(),
            (std::vector<std::string>{"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate", "seconds"}));
  expect_error<Error>([&] { history["val_f1"]; }, "there is no 'val_f1'; there are loss, accuracy, val_loss");
}

TEST(Fit, RefersToAnOptimizerThatIsAVariable) {
  nn::Sequential model = network();
  optim::SGD optimizer(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  FitOptions options = classification(model);
  options.optimizer = optimizer;
  fit(model, blobs(32), options);
  EXPECT_TRUE(optimizer.state_dict().contains("0.momentum"));
}

TEST(Fit, TakesALoaderAndGoesOnFromItsEpoch) {
  const TensorDataset data = blobs(40);
  nn::Sequential one = network();
  manual_seed(1);
  DataLoader loader(data, {.batch_size = 7, .seed = 3, .drop_last = true});
  FitOptions options = classification(one);
  options.batch_size.reset();
  options.epochs = 2;
  const History history = fit(one, loader, options);
  EXPECT_EQ(loader.next_epoch(), 2U);
  EXPECT_EQ(history.epochs.back().samples, 35);
  fit(one, loader, options);

  nn::Sequential two = network();
  manual_seed(1);
  DataLoader again(data, {.batch_size = 7, .seed = 3, .drop_last = true});
  FitOptions all = classification(two);
  all.batch_size.reset();
  all.epochs = 4;
  fit(two, again, all);
  EXPECT_EQ(weights_of(one), weights_of(two));
}

TEST(Fit, TakesANumberOfBatchesAndOfSteps) {
  nn::Sequential model = network();
  FitOptions options = classification(model);
  options.batch_size.reset();
  options.batches = 10;
  EXPECT_EQ(fit(model, blobs(95), options).epochs.back().steps, 10);
  options.steps_per_epoch = 4;
  const History history = fit(model, blobs(95), options);
  EXPECT_EQ(history.epochs.back().steps, 4);
  EXPECT_EQ(history.epochs.back().samples, 40);
  EXPECT_TRUE(history.epochs.back().complete);
}

TEST(Fit, HoldsOutAShareForValidation) {
  nn::Sequential model = network();
  FitOptions options = classification(model);
  options.validation_fraction = 0.25;
  options.metrics.emplace_back(ConfusionMatrix());
  const History history = fit(model, blobs(80), options);
  EXPECT_EQ(history.epochs.back().samples, 60);
  const Tensor& matrix = history.epochs.back().validation->table("confusion_matrix");
  EXPECT_EQ(sum(matrix.to(float64)).item(), 20);
  EXPECT_NEAR(history.epochs.back().validation->metric("accuracy"), sum(diagonal(matrix).to(float64)).item() / 20,
              1e-12);
}

TEST(Fit, ValidatesInEvaluationModeAndRestoresEveryMode) {
  nn::Sequential model = network();
  model.eval();
  bool trained = false;
  FitOptions options = classification(model);
  options.callbacks = {LambdaCallback({.on_step = [&](TrainingRun& run) { trained = run.model.is_training(); }})};
  const TensorDataset data = blobs(32);
  options.validation = data;
  const History history = fit(model, data, options);
  EXPECT_TRUE(trained);
  EXPECT_FALSE(model.is_training());
  EXPECT_EQ(history["val_loss"].back(), evaluate(model, data, {.loss = cross_entropy}).loss);
}

TEST(Fit, AddsPenaltiesOverTheParametersThatArePicked) {
  const TensorDataset data = blobs(16);
  nn::Sequential model{nn::Dense(2, 3)};
  const auto before = model.named_parameters();
  const Tensor weight = before[0].second.value().detach();
  const Tensor bias = before[1].second.value().detach();
  const double w2 = sum(square(weight)).item();
  const double w1 = sum(abs(weight)).item();
  EXPECT_NEAR(penalty(model, {.l1 = 0.5, .l2 = 2}).item(),
              0.5 * (w1 + sum(abs(bias)).item()) + 2 * (w2 + sum(square(bias)).item()), 1e-5);
  EXPECT_NEAR(penalty(model, {.l2 = 2, .where = is_weight_matrix}).item(), 2 * w2, 1e-5);

  const History history =
      fit(model, data,
          {.loss = [](const Tensor& y, const Tensor&) { return 0 * sum(y); },
           .optimizer = optim::SGD(model.parameters(), {.lr = 0.1}),
           .batch_size = 16,
           .penalties = {{.l1 = 0.01, .where = is_weight_matrix}, {.l2 = 0.5, .where = is_weight_matrix}}});
  EXPECT_EQ(history["loss"][0], 0);
  EXPECT_NEAR(history["penalty"][0], 0.01 * w1 + 0.5 * w2, 1e-5);
  const Tensor expected = weight - 0.1 * (0.01 * sign(weight) + weight);
  EXPECT_LT(max(abs(expected - before[0].second.value())).item(), 1e-6);
  EXPECT_EQ(values_of(before[1].second.value()), values_of(bias));
  expect_error<Error>([&] { penalty(model, {.l1 = -1}); },
                      "penalty: l1 and l2 must be finite and not negative, got -1");
}

TEST(Fit, RejectsOptionsThatMakeNoSense) {
  nn::Sequential model = network();
  const TensorDataset data = blobs(20);
  const auto expect = [&](auto change, const std::string& text) {
    FitOptions options = classification(model);
    change(options);
    expect_error<Error>([&] { fit(model, data, options); }, text);
  };
  expect([](FitOptions& o) { o.loss = {}; }, "fit: options.loss is not set");
  expect([](FitOptions& o) { o.optimizer = {}; }, "fit: options.optimizer is not set");
  expect([](FitOptions& o) { o.epochs = -1; }, "epochs must not be negative, got -1");
  expect([](FitOptions& o) { o.batches = 2; }, "batch_size and batches are both given");
  expect([](FitOptions& o) { o.batch_size = 0; }, "batch_size must be at least 1, got 0");
  expect([](FitOptions& o) { o.steps_per_epoch = 0; }, "steps_per_epoch must be at least 1, got 0");
  expect([](FitOptions& o) { o.metrics.emplace_back(Accuracy()); }, "two metrics are called 'accuracy'");
  expect([](FitOptions& o) { o.penalties = {{.l2 = NAN}}; }, "l1 and l2 must be finite and not negative, got nan");
  expect([&](FitOptions& o) { o.validation = data, o.validation_fraction = 0.1; }, "both given");
  expect([](FitOptions& o) { o.checkpoint.resume = true; }, "checkpoint.resume needs checkpoint.path");
  expect([](FitOptions& o) { o.loss = [](const Tensor& y, const Tensor&) { return y; }; },
         "fit: the loss must be one number, got [16, 3]");
  expect([](FitOptions& o) { o.loss = [](const Tensor&, const Tensor&) { return Tensor(); }; }, "undefined tensor");
  expect_error<Error>(
      [&] {
        fit(model, TensorDataset(zeros({0, 2}), zeros({0}, int64)), classification(model));
      },
      "the training data have no samples");
  DataLoader loader(data, {.batch_size = 64, .drop_last = true});
  FitOptions options = classification(model);
  expect_error<Error>([&] { fit(model, loader, options); }, "with a loader, batch_size, batches");
  options.batch_size.reset();
  expect_error<Error>([&] { fit(model, loader, options); }, "drop_last leaves no batch: 20 samples, batch_size 64");
}

TEST(Fit, OfNoEpochsChangesNothing) {
  nn::Sequential model = network();
  const std::vector<double> before = weights_of(model);
  FitOptions options = classification(model);
  options.epochs = 0;
  EXPECT_TRUE(fit(model, blobs(20), options).epochs.empty());
  EXPECT_EQ(weights_of(model), before);
}

/// Gives a loss that is not finite at its nth call.
LossFunction breaks_at(int call, double value) {
  return [call, value, calls = 0](const Tensor& y, const Tensor& target) mutable {
    const Tensor loss = cross_entropy(y, target);
    return ++calls == call ? loss * value : loss;
  };
}

TEST(Fit, RefusesALossThatIsNotFiniteBeforeItReachesTheWeights) {
  const TensorDataset data = blobs(64);
  nn::Sequential model = network();
  FitOptions options = classification(model);
  options.loss = breaks_at(7, NAN);
  expect_error<Error>([&] { fit(model, data, options); }, "fit: the loss is NaN at step 3 of epoch 2");
  for (const double weight : weights_of(model)) EXPECT_TRUE(std::isfinite(weight));

  options.loss = breaks_at(7, INFINITY);
  options.stop_on_nan = true;
  options.validation = data;
  const History history = fit(model, data, options);
  EXPECT_EQ(history.end, EndOfRun::not_finite);
  EXPECT_EQ(history.message, "the loss is infinite at step 3 of epoch 2");
  ASSERT_EQ(history.epochs.size(), 2U);
  EXPECT_EQ(history.epochs[1].steps, 2);
  EXPECT_FALSE(history.epochs[1].complete);
  EXPECT_FALSE(history.epochs[1].validation);
  EXPECT_TRUE(std::isfinite(history.epochs[1].train.loss));
}

/// A background job, as a test run may be, inherits an ignored SIGINT.
class FitInterrupted : public ::testing::Test {
 protected:
  FitInterrupted() : before_(::signal(SIGINT, SIG_DFL)) {}
  ~FitInterrupted() override { ::signal(SIGINT, before_); }

 private:
  void (*before_)(int);
};

History interrupted_at(std::int64_t epoch, std::int64_t step) {
  nn::Sequential model = network();
  FitOptions options = classification(model);
  options.validation = blobs(20);
  options.callbacks = {LambdaCallback({.on_step = [=](TrainingRun& run) {
    if (run.epoch == epoch && run.step == step) ::raise(SIGINT);
  }})};
  return fit(model, blobs(64), options);
}

TEST_F(FitInterrupted, ReturnsTheHistoryAfterTheStepAtHand) {
  const History history = interrupted_at(2, 3);
  EXPECT_EQ(history.end, EndOfRun::interrupted);
  EXPECT_EQ(history.message, "interrupted at step 3 of epoch 2");
  ASSERT_EQ(history.epochs.size(), 2U);
  EXPECT_FALSE(history.epochs[1].complete);
  EXPECT_EQ(history.epochs[1].steps, 3);
  EXPECT_FALSE(history.epochs[1].validation);
  EXPECT_TRUE(std::isnan(history["val_loss"][1]));
}

TEST_F(FitInterrupted, FinishesAnEpochWhoseLastStepThatWas) {
  const History history = interrupted_at(2, 4);
  EXPECT_EQ(history.end, EndOfRun::interrupted);
  ASSERT_EQ(history.epochs.size(), 2U);
  EXPECT_TRUE(history.epochs[1].complete);
  EXPECT_TRUE(history.epochs[1].validation);
}

TEST(Callbacks, SeeTheRunInOrder) {
  std::string seen;
  nn::Sequential model = network();
  FitOptions options = classification(model);
  options.epochs = 2;
  const auto note = [&](const std::string& what) {
    return [&seen, what](TrainingRun& run) {
      seen += fmt::format("{}{}/{} ", what, run.epoch, run.step);
      EXPECT_EQ(run.total_steps, 2 * std::max<std::int64_t>(run.epoch - 1, 0) + run.step);
      EXPECT_EQ(run.steps, 2);
      EXPECT_EQ(run.epochs, 2);
    };
  };
  options.callbacks = {LambdaCallback({note("begin "), note("epoch "), note("step "), note("done "), note("end ")})};
  fit(model, blobs(32), options);
  EXPECT_EQ(seen, "begin 0/0 epoch 1/0 step 1/1 step 1/2 done 1/2 epoch 2/0 step 2/1 step 2/2 done 2/2 end 2/2 ");
}

TEST(Callbacks, EndARun) {
  nn::Sequential model = network();
  FitOptions options = classification(model);
  options.callbacks = {LambdaCallback({.on_epoch_end = [](TrainingRun& run) {
    if (run.history["accuracy"].size() == 2) run.stop("seen enough");
  }})};
  const History history = fit(model, blobs(32), options);
  EXPECT_EQ(history.epochs.size(), 2U);
  EXPECT_EQ(history.end, EndOfRun::stopped);
  EXPECT_EQ(history.message, "seen enough");
}

// ---------------------------------------------------------------------------------------------------------------------
// Checkpoints.

struct Outcome {
  std::vector<double> weights;
  History history;
};

/// Trains to `epochs`, from the checkpoint at `path` if there is one. Everything is made anew, as in a new process.
Outcome train_with_checkpoint(const std::string& path, std::int64_t epochs, std::uint64_t random_seed = 9) {
  nn::Sequential model = network();
  FitOptions options = classification(model);
  options.epochs = epochs;
  options.validation = blobs(40, 2);
  options.metrics.emplace_back(ConfusionMatrix());
  options.checkpoint = {.path = path, .resume = true};
  Generator generator(random_seed);
  const GeneratorScope scope(generator);
  Outcome outcome;
  outcome.history = fit(model, blobs(100), options);
  outcome.weights = weights_of(model);
  return outcome;
}

void expect_same_history(const History& a, const History& b) {
  ASSERT_EQ(a.epochs.size(), b.epochs.size());
  EXPECT_EQ(a.names(), b.names());
  for (const std::string& name : a.names()) {
    if (name == "seconds") continue;
    EXPECT_EQ(a[name], b[name]) << name;
  }
  for (std::size_t i = 0; i < a.epochs.size(); ++i) {
    EXPECT_EQ(a.epochs[i].epoch, b.epochs[i].epoch);
    EXPECT_EQ(a.epochs[i].samples, b.epochs[i].samples);
    EXPECT_EQ(values_of(a.epochs[i].train.table("confusion_matrix")),
              values_of(b.epochs[i].train.table("confusion_matrix")));
    EXPECT_EQ(values_of(a.epochs[i].validation->table("confusion_matrix")),
              values_of(b.epochs[i].validation->table("confusion_matrix")));
  }
}

class ThreadCountOfFit : public testing::Test {
 protected:
  ~ThreadCountOfFit() override { set_num_threads(before_); }

 private:
  int before_ = num_threads();
};

TEST_F(ThreadCountOfFit, AndAResumptionChangeNoBitOfWeightsAndHistory) {
  const Folder folder;
  set_num_threads(1);
  const Outcome whole = train_with_checkpoint(folder / "whole", 6);
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    const std::string path = folder / fmt::format("parts {}", threads);
    train_with_checkpoint(path, 3);
    const Outcome resumed = train_with_checkpoint(path, 6, 77);  // another seed, which the checkpoint's replaces
    EXPECT_EQ(resumed.weights, whole.weights);
    expect_same_history(resumed.history, whole.history);
  }
  EXPECT_NE(train_with_checkpoint(folder / "another seed", 6, 77).weights, whole.weights);
}

TEST(Checkpoint, OfAFinishedRunIsNotTrainedFurther) {
  const Folder folder;
  const Outcome first = train_with_checkpoint(folder / "run", 2);
  const Outcome second = train_with_checkpoint(folder / "run", 2);
  EXPECT_EQ(first.weights, second.weights);
  expect_same_history(first.history, second.history);
}

TEST(Checkpoint, IsWrittenEveryFewEpochsAndAtTheEnd) {
  const Folder folder;
  nn::Sequential model = network();
  FitOptions options = classification(model);
  options.epochs = 5;
  options.checkpoint = {.path = folder / "run", .every = 2};
  std::string there;
  options.callbacks = {LambdaCallback({.on_epoch_begin = [&](TrainingRun&) {
    const bool exists = std::filesystem::exists(folder / "run");
    there += exists ? fmt::format("{}", load_safetensors(folder / "run").at("epoch").item<int>()) : "-";
  }})};
  fit(model, blobs(32), options);
  EXPECT_EQ(there, "--224");
  EXPECT_EQ(load_safetensors(folder / "run").at("epoch").item<int>(), 5);
}

TEST(Checkpoint, ThatDoesNotFitLeavesEverythingAsItWas) {
  const Folder folder;
  train_with_checkpoint(folder / "run", 1);
  const auto expect = [&](auto change, const std::string& text) {
    nn::Sequential model = network(4);
    FitOptions options = classification(model);
    options.checkpoint = {.path = folder / "run", .resume = true};
    change(options, model);
    const std::vector<double> before = weights_of(model);
    const Generator::State random = default_generator().state();
    expect_error<Error>([&] { fit(model, blobs(100), options); }, text);
    EXPECT_EQ(weights_of(model), before);
    EXPECT_EQ(default_generator().state(), random);
    EXPECT_TRUE(model.is_training());
  };
  expect([](FitOptions& o, auto&) { o.batch_size = 10; }, "the run before had batch_size 16, this one has 10");
  expect([](FitOptions& o, auto&) { o.seed = 10; }, "the run before had seed 0, this one has 10");
  expect([](FitOptions& o, auto& model) { o.optimizer = optim::SGD(model.parameters(), {.momentum = 0.9}); },
         "cannot resume from '");
  expect(
      [](FitOptions& o, auto& model) {
        model = nn::Sequential{nn::Dense(2, 3)};
        o.optimizer = optim::Adam(model.parameters());
      },
      "load_state_dict: the state does not fit Sequential");
  std::ofstream(folder / "run") << "rubbish";
  expect([](FitOptions&, auto&) {}, "load_safetensors");
}

TEST(CheckpointParts, ComeBackUnderTheirNames) {
  StateDict all;
  add_part(all, "a", {{"x", ones({2})}, {"b.y", zeros({1})}});
  add_part(all, "ab", {{"x", zeros({3})}});
  EXPECT_EQ(part_of(all, "a").size(), 2U);
  EXPECT_EQ(part_of(all, "a").at("b.y").shape(), (Shape{1}));
  EXPECT_EQ(part_of(all, "ab").at("x").shape(), (Shape{3}));
  EXPECT_TRUE(part_of(all, "c").empty());
  Generator one(~std::uint64_t{0});
  one.reserve(7);
  Generator two(0);
  set_random_state(random_state(one), two);
  EXPECT_EQ(two.state(), one.state());
  expect_error<Error>([&] { set_random_state({{"state", zeros({2})}}); }, "'state' must be int64 [2]");
}

// ---------------------------------------------------------------------------------------------------------------------
// evaluate and predict.

TEST(Evaluate, GivesTheSameForAnyBatchSize) {
  const TensorDataset data = blobs(50);
  nn::Sequential model = network();
  const Tensor logits = predict(model, data);
  for (const std::int64_t batch_size : {1, 7, 50, 1000}) {
    const Scores scores =
        evaluate(model, data,
                 {.loss = cross_entropy, .metrics = {Accuracy(), F1(), ConfusionMatrix()}, .batch_size = batch_size});
    EXPECT_NEAR(scores.loss, cross_entropy(logits, data.y()).item(), 1e-6);
    EXPECT_EQ(scores.metric("accuracy"), accuracy(logits, data.y()));
    EXPECT_DOUBLE_EQ(scores.metric("f1"), f1(logits, data.y()));
    EXPECT_EQ(values_of(scores.table("confusion_matrix")), values_of(confusion_matrix(logits, data.y(), 3)));
  }
  expect_error<Error>([&] { evaluate(model, data, {.metrics = {Accuracy()}}).metric("f1"); },
                      "metric: there is no 'f1'; there are accuracy");
  expect_error<Error>([&] { evaluate(model, data, {}).table("f1"); }, "table: there is no 'f1'; there is none");
  expect_error<Error>([&] { evaluate(model, data, {.batch_size = 0}); }, "batch_size must be at least 1, got 0");
  const Scores none =
      evaluate(model, data.all().x.dim(0) > 0 ? TensorDataset(zeros({0, 2}), zeros({0}, int64), 3) : data,
               {.loss = cross_entropy, .metrics = {Accuracy()}});
  EXPECT_TRUE(std::isnan(none.loss));
  EXPECT_TRUE(std::isnan(none.metric("accuracy")));
}

TEST(Predict, GivesOneRowASampleInOrderWithoutRecording) {
  const TensorDataset data = blobs(10);
  nn::Sequential model = network();
  const Tensor all = predict(model, data.x());
  EXPECT_FALSE(all.requires_grad());
  EXPECT_EQ(all.shape(), (Shape{10, 3}));
  const Tensor parts = predict(model, data.x(), {.batch_size = 3});
  for (std::size_t i = 0; i < 30; ++i) EXPECT_NEAR(values_of(parts)[i], values_of(all)[i], 1e-6);
  EXPECT_EQ(predict(model, zeros({0, 2})).shape(), (Shape{0, 3}));
  expect_error<ShapeError>([&] { predict(model, zeros({})); }, "predict: x must be [N, ...], got []");
  expect_error<Error>([&] { predict(model, Tensor()); }, "predict: x is undefined");
}

TEST(Evaluate, RestoresEveryModeAfterAnErrorToo) {
  nn::Sequential inner{nn::Dropout(0.5)};
  inner.eval();
  struct Model : nn::Module {
    nn::Sequential frozen{nn::Dropout(0.5)};
    nn::Dense dense{2, 3};
    Tensor forward(const Tensor& x) const override { return dense(frozen(x)); }
    void visit(nn::Visitor& v) override { v("frozen", frozen), v("dense", dense); }
  } model;
  model.frozen.eval();
  predict(model, zeros({4, 2}));
  EXPECT_TRUE(model.is_training() && model.dense.is_training());
  EXPECT_FALSE(model.frozen.is_training());
  expect_error<ShapeError>([&] { predict(model, zeros({4, 5})); }, "dense (Dense)");
  EXPECT_TRUE(model.is_training() && model.dense.is_training());
  EXPECT_FALSE(model.frozen.is_training());
  EXPECT_TRUE((ones({1}).requires_grad(true) * 2).requires_grad());
}

}  // namespace
}  // namespace wengert
