// A run that is cut in two by a checkpoint ends bit for bit as the one that was not.

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/wengert.h>

#include "tests/expect.h"
#include "tests/files.h"

namespace wengert {
namespace {

/// A new model, optimizer and callbacks, as a new process would make them.
struct Process {
  explicit Process(std::uint64_t initial = 1) {
    Generator generator(initial);
    const GeneratorScope scope(generator);
    model.emplace(nn::Conv2d(1, 4, 3), nn::BatchNorm2d(4), nn::ReLU(), nn::Flatten(), nn::Dropout(0.3),
                  nn::Dense(144, 10));
    optimizer.emplace(model->parameters(), optim::AdamOptions{.lr = 3e-3});
  }

  FitOptions options(std::int64_t epochs) {
    return {.loss = cross_entropy,
            .optimizer = *optimizer,
            .epochs = epochs,
            .seed = 7,
            .schedule = optim::schedule::cosine(6),
            .l2 = 1e-4,
            .validation = 0.25,
            .metrics = {metrics::Accuracy(), metrics::ConfusionMatrix(10)},
            .callbacks = {early, rates},
            .progress = false};
  }

  std::optional<nn::Sequential> model;
  std::optional<optim::Adam> optimizer;
  callbacks::EarlyStopping early{{.patience = 100, .monitor = "val_accuracy", .restore_best = false}};
  callbacks::LearningRateMonitor rates;
};

datasets::AnyDataset digits() { return datasets::train_test_split(datasets::Digits(), 0.1).test; }

void expect_same(const StateDict& a, const StateDict& b) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) EXPECT_EQ(values_of(tensor), values_of(b.at(name))) << name;
}

void expect_same(const Evaluation& a, const Evaluation& b) {
  EXPECT_EQ(a.loss, b.loss);
  expect_same(a.metrics, b.metrics);
}

/// But for the seconds.
void expect_same(const History& a, const History& b) {
  ASSERT_EQ(a.epochs.size(), b.epochs.size());
  for (std::size_t i = 0; i < a.epochs.size(); ++i) {
    EXPECT_EQ(a.epochs[i].epoch, b.epochs[i].epoch);
    EXPECT_EQ(a.epochs[i].steps, b.epochs[i].steps);
    EXPECT_EQ(a.epochs[i].learning_rate, b.epochs[i].learning_rate);
    expect_same(a.epochs[i].train, b.epochs[i].train);
    ASSERT_TRUE(a.epochs[i].validation && b.epochs[i].validation);
    expect_same(*a.epochs[i].validation, *b.epochs[i].validation);
  }
}

class ResumeThreads : public ::testing::TestWithParam<int> {
 protected:
  ResumeThreads() { set_num_threads(GetParam()); }
  ~ResumeThreads() override { set_num_threads(before_); }

 private:
  int before_ = num_threads();
};

TEST_P(ResumeThreads, GoOnBitForBit) {
  for (const Every every : {Every::epoch, Every::step}) {
    const Folder folder;
    const std::string file = folder / "run.safetensors";
    Process straight;
    FitOptions options = straight.options(6);
    options.schedule_every = every;
    const History whole = fit(*straight.model, digits(), options);

    Process first;
    options = first.options(3);
    options.schedule_every = every;
    options.checkpoint = file;
    fit(*first.model, digits(), options);

    default_generator().reserve(12);  // what other code draws is none of the run's business
    Process second(99);
    options = second.options(6);
    options.schedule_every = every;
    options.checkpoint = options.resume = file;
    const History resumed = fit(*second.model, digits(), options);

    expect_same(second.model->state_dict(), straight.model->state_dict());
    expect_same(second.optimizer->state_dict(), straight.optimizer->state_dict());
    expect_same(resumed, whole);
    EXPECT_EQ(second.rates.rates(), straight.rates.rates());
    EXPECT_EQ(second.early.best(), straight.early.best());
    EXPECT_EQ(second.early.best_epoch(), straight.early.best_epoch());
    EXPECT_EQ(resumed.epochs[0].seconds > 0, true);
  }
}
INSTANTIATE_TEST_SUITE_P(OneAndTwo, ResumeThreads, ::testing::Values(1, 2));

TEST(Resume, AfterAnInterruptRunsTheEpochAgain) {
  const Folder folder;
  const std::string file = folder / "run.safetensors";
  Process straight;
  const History whole = fit(*straight.model, digits(), straight.options(3));

  Process first;
  FitOptions options = first.options(3);
  options.checkpoint = file;
  options.callbacks.emplace_back(callbacks::Lambda({.on_step = [](TrainingRun& run) {
    if (run.epoch == 2 && run.step == 2) run.stop("the power is gone");
  }}));
  EXPECT_EQ(fit(*first.model, digits(), options).epochs.size(), 2U);

  Process second;
  options = second.options(3);
  options.resume = file;
  expect_same(fit(*second.model, digits(), options), whole);
  expect_same(second.model->state_dict(), straight.model->state_dict());
}

TEST(Resume, FromTheVeryBeginningIsTheRun) {
  const Folder folder;
  Process first;
  FitOptions options = first.options(0);
  options.checkpoint = folder / "start";
  fit(*first.model, digits(), options);
  Process straight;
  const History whole = fit(*straight.model, digits(), straight.options(1));
  Process second(5);
  options = second.options(1);
  options.resume = folder / "start";
  expect_same(fit(*second.model, digits(), options), whole);
  expect_same(second.model->state_dict(), straight.model->state_dict());
}

TEST(Resume, OfALoaderGoesOnWithItsOrder) {
  const Folder folder;
  const auto data = digits();
  const auto train = [&](Process& run, std::int64_t epochs, const std::string& checkpoint, const std::string& resume) {
    datasets::DataLoader loader(data, {.batch_size = 40, .seed = 3});
    loader.set_next_epoch(resume.empty() ? 5 : 0);
    FitOptions options = run.options(epochs);
    options.validation = {};
    options.checkpoint = checkpoint;
    options.resume = resume;
    options.callbacks.clear();
    fit(*run.model, loader, options);
    EXPECT_EQ(loader.next_epoch(), 5U + static_cast<std::uint64_t>(epochs));
  };
  Process straight;
  train(straight, 4, "", "");
  Process first;
  train(first, 2, folder / "run", "");
  Process second;
  train(second, 4, "", folder / "run");
  expect_same(second.model->state_dict(), straight.model->state_dict());
}

TEST(Resume, OfEarlyStoppingEndsWhereTheRunWouldHave) {
  const Folder folder;
  const std::string file = folder / "run";
  const auto stopping = [&](std::int64_t epochs, const std::string& resume) {
    Process run;
    callbacks::EarlyStopping early({.patience = 2, .monitor = "val_loss", .min_delta = 1e9});
    FitOptions options = run.options(epochs);
    options.callbacks = {early};
    options.checkpoint = file;
    options.resume = resume;
    const History history = fit(*run.model, digits(), options);
    return std::pair(history, run.model->state_dict());
  };
  const auto [whole, weights] = stopping(6, "");
  EXPECT_EQ(whole.epochs.size(), 3U);
  for (const std::int64_t epochs : {1, 2, 3}) {
    stopping(epochs, "");
    const auto [resumed, again] = stopping(6, file);
    expect_same(resumed, whole);
    expect_same(again, weights);
    EXPECT_EQ(resumed.stopped, whole.stopped);
  }
}

TEST(Resume, WritesLogsWithoutGapsOrRepetitions) {
  const Folder folder;
  const auto train = [&](std::int64_t epochs, const std::string& resume) {
    Process run;
    FitOptions options = run.options(epochs);
    options.checkpoint = folder / "run";
    options.resume = resume;
    options.callbacks = {callbacks::CsvLog(folder / "run.csv"), callbacks::JsonLinesLog(folder / "run.jsonl")};
    return fit(*run.model, digits(), options);
  };
  train(2, "");
  std::ofstream(folder / "run.csv", std::ios::app) << "3,the epoch that was cut off";
  const History history = train(3, folder / "run");
  callbacks::CsvLog csv(folder / "wanted.csv");
  callbacks::JsonLinesLog json(folder / "wanted.jsonl");
  for (const EpochRecord& record : history.epochs) {
    csv.write(record.values());
    json.write(record.values());
  }
  EXPECT_EQ(bytes_of(folder / "run.csv"), bytes_of(folder / "wanted.csv"));
  EXPECT_EQ(bytes_of(folder / "run.jsonl"), bytes_of(folder / "wanted.jsonl"));
}

TEST(Resume, RejectsWhatDoesNotFitAndChangesNothing) {
  const Folder folder;
  const std::string file = folder / "run";
  Process first;
  FitOptions options = first.options(1);
  options.checkpoint = file;
  fit(*first.model, digits(), options);

  const auto expect_rejected = [&](nn::Module& model, auto change, std::string_view text) {
    Process run;
    FitOptions with = run.options(2);
    with.optimizer = optim::Adam(model.parameters(), {.lr = 0.5});
    with.resume = file;
    change(with);
    const StateDict before = model.state_dict();
    expect_error<Error>([&] { fit(model, digits(), with); }, text);
    expect_same(model.state_dict(), before);
    EXPECT_EQ(with.optimizer->learning_rate(), 0.5);
  };
  Process run;
  expect_rejected(
      *run.model, [](FitOptions& o) { o.batch_size = 5; }, "by a run whose batch size was 32; here it is 5");
  expect_rejected(
      *run.model, [](FitOptions& o) { o.seed = 8; }, "by a run whose seed of the order was 7; here it is 8");
  expect_rejected(
      *run.model, [](FitOptions& o) { o.validation = {}; }, "number of samples was 135; here it is 180");
  expect_rejected(
      *run.model, [&](FitOptions& o) { o.resume = folder / "none"; }, "none");
  nn::Sequential other{nn::Flatten(), nn::Dense(64, 10)};
  expect_rejected(
      other, [](FitOptions&) {}, "cannot resume from");
  nn::save(*first.model, folder / "weights");
  expect_rejected(
      *run.model, [&](FitOptions& o) { o.resume = folder / "weights"; }, "is no checkpoint of a training run");
  std::ofstream(folder / "text") << "not a file of tensors";
  expect_rejected(
      *run.model, [&](FitOptions& o) { o.resume = folder / "text"; }, "text");
  expect_rejected(
      *run.model,
      [&](FitOptions& o) {
        o.resume.clear();
        o.checkpoint = folder / "no folder/run";
      },
      "no folder/run");
}

TEST(Checkpoint, HoldsTheWeightsForOtherTools) {
  const Folder folder;
  Process run;
  FitOptions options = run.options(1);
  options.checkpoint = folder / "run";
  fit(*run.model, digits(), options);
  const StateDict file = load_safetensors(folder / "run");
  for (const auto& [name, tensor] : run.model->state_dict())
    EXPECT_EQ(values_of(file.at("model." + name)), values_of(tensor));
}

}  // namespace
}  // namespace wengert
