// Callbacks: what they write, read back independently, and when they act.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/wengert.h>

#include "tests/expect.h"
#include "tests/files.h"
#include "tests/onnx/protobuf.h"

namespace wengert {
namespace {

namespace fs = std::filesystem;

/// A model whose bias is all there is; its loss against ones is (1 - bias)^2.
nn::Sequential bias_model() {
  nn::Sequential model{nn::Dense(1, 1)};
  for (const ParameterRef& p : model.parameters()) p.set(zeros(p->shape()));
  return model;
}
double bias_of(const nn::Module& model) { return model.parameters()[1]->item(); }

datasets::TensorDataset ones_data() { return {zeros({4, 1}), ones({4, 1})}; }

/// Trains it so that the bias, and with it the validation loss, takes these values, one an epoch.
History fit_through(nn::Module& model, const std::vector<double>& biases, const std::vector<AnyCallback>& watching,
                    std::vector<AnyMetric> metrics = {}) {
  std::vector<AnyCallback> all{callbacks::Lambda({.on_step = [&](TrainingRun& run) {
    run.model.parameters()[1].set(full({1}, biases[static_cast<std::size_t>(run.epoch - 1)]));
  }})};
  all.insert(all.end(), watching.begin(), watching.end());
  return fit(model, ones_data(),
             {.loss = mse_loss,
              .optimizer = optim::SGD(model.parameters(), {.lr = 0}),
              .epochs = static_cast<std::int64_t>(biases.size()),
              .validation = ones_data(),
              .metrics = std::move(metrics),
              .callbacks = std::move(all),
              .progress = false});
}

TEST(EarlyStopping, EndsTheRunAndGivesTheBestWeightsBack) {
  nn::Sequential model = bias_model();
  callbacks::EarlyStopping early({.patience = 2});
  const History history = fit_through(model, {0.5, 0.75, 0.25, 0, 0.875, 1}, {early});
  EXPECT_EQ(history.epochs.size(), 4U);
  EXPECT_EQ(history.stopped, "no better val_loss for 2 epochs: 0.0625 in epoch 2 is the best");
  EXPECT_FALSE(history.interrupted);
  EXPECT_EQ(early.best_epoch(), 2);
  EXPECT_EQ(early.best(), 0.0625);
  EXPECT_EQ(bias_of(model), 0.75);
}

TEST(EarlyStopping, GivesTheBestWeightsBackAlsoAtTheLastEpoch) {
  nn::Sequential model = bias_model();
  fit_through(model, {0.5, 0.75, 0.25}, {callbacks::EarlyStopping({.patience = 9})});
  EXPECT_EQ(bias_of(model), 0.75);
  nn::Sequential other = bias_model();
  fit_through(other, {0.5, 0.75, 0.25}, {callbacks::EarlyStopping({.patience = 9, .restore_best = false})});
  EXPECT_EQ(bias_of(other), 0.25);
}

TEST(EarlyStopping, TakesMetricsAsTheyAreMeantAndChangesThatAreLargeEnough) {
  // Losses 1, 0.81, 0.64: "bias" gets larger, which is better, but never by 0.5.
  const metrics::Mean bias(
      "bias", [](const Tensor& p, const Tensor&) { return mean(p); }, true);
  nn::Sequential model = bias_model();
  EXPECT_EQ(fit_through(model, {0.1, 0.2, 0.3, 0.4}, {callbacks::EarlyStopping({.patience = 1, .monitor = "val_bias"})},
                        {bias})
                .epochs.size(),
            4U);
  EXPECT_EQ(fit_through(model, {0.1, 0.2, 0.3, 0.4},
                        {callbacks::EarlyStopping({.patience = 1, .monitor = "val_bias", .maximize = false})}, {bias})
                .epochs.size(),
            2U);
  EXPECT_EQ(fit_through(model, {0.1, 0.2, 0.3, 0.4},
                        {callbacks::EarlyStopping({.patience = 2, .monitor = "val_bias", .min_delta = 0.5})}, {bias})
                .epochs.size(),
            3U);
  expect_error<Error>([&] { fit_through(model, {0.1}, {callbacks::EarlyStopping({.monitor = "val_f1"})}); },
                      "there is no value 'val_f1'; there are: epoch, loss, val_loss");
  expect_error<Error>([] { callbacks::EarlyStopping({.patience = 0}); }, "patience must be at least 1, got 0");
  expect_error<Error>([] { callbacks::EarlyStopping({.min_delta = -1}); }, "min_delta must be finite and not negative");
}

TEST(EarlyStopping, ServesALoopOfOnesOwn) {
  nn::Sequential model = bias_model();
  callbacks::EarlyStopping early({.patience = 2});
  int epochs = 0;
  for (const double loss : {3.0, 1.0, std::nan(""), 2.0, 0.0}) {
    model.parameters()[1].set(full({1}, loss));
    ++epochs;
    if (early.update(loss, model)) break;
  }
  EXPECT_EQ(epochs, 4);
  early.restore(model);
  EXPECT_EQ(bias_of(model), 1);
}

TEST(EarlyStopping, BeginsAnewInAnotherRun) {
  nn::Sequential model = bias_model();
  callbacks::EarlyStopping early({.patience = 1});
  EXPECT_EQ(fit_through(model, {1, 0, 0}, {early}).epochs.size(), 2U);
  EXPECT_EQ(fit_through(model, {0.5, 0.25, 0.75}, {early}).epochs.size(), 2U);
  EXPECT_EQ(early.best(), 0.25);
}

TEST(BestCheckpoint, KeepsTheBestModelInAFile) {
  const Folder folder;
  nn::Sequential model = bias_model();
  callbacks::BestCheckpoint best(folder / "best.safetensors");
  fit_through(model, {0.5, 0.75, 0.25}, {best});
  EXPECT_EQ(best.best_epoch(), 2);
  EXPECT_EQ(best.best(), 0.0625);
  nn::Sequential loaded = bias_model();
  nn::load(loaded, folder / "best.safetensors");
  EXPECT_EQ(bias_of(loaded), 0.75);
  EXPECT_EQ(bias_of(model), 0.25);
  expect_error<IoError>([&] { fit_through(model, {1}, {callbacks::BestCheckpoint(folder / "no folder/x")}); },
                        "no folder/x");
}

TEST(Lambda, IsCalledInOrderAndMayEndTheRun) {
  nn::Sequential model = bias_model();
  std::string calls;
  const callbacks::LambdaOptions functions{
      .on_begin = [&](TrainingRun& run) { calls += fmt::format("begin({} x {}) ", run.epochs, run.steps); },
      .on_epoch_begin = [&](TrainingRun& run) { calls += fmt::format("epoch {}: ", run.epoch); },
      .on_step = [&](TrainingRun& run) { calls += fmt::format("{}/{} ", run.step, run.total_steps); },
      .on_epoch_end =
          [&](TrainingRun& run) {
            calls += fmt::format("end({}) ", run.history.epochs.size());
            if (run.epoch == 2) run.stop("enough");
          },
      .on_end = [&](TrainingRun&) { calls += "done"; }};
  const History history = fit(model, ones_data(),
                              {.loss = mse_loss,
                               .optimizer = optim::SGD(model.parameters(), {.lr = 0.1}),
                               .epochs = 5,
                               .batch_size = 2,
                               .callbacks = {callbacks::Lambda(functions)},
                               .progress = false});
  EXPECT_EQ(calls, "begin(5 x 2) epoch 1: 1/1 2/2 end(1) epoch 2: 1/3 2/4 end(2) done");
  EXPECT_EQ(history.stopped, "enough");
}

TEST(CsvLog, HasARowForEachEpoch) {
  const Folder folder;
  nn::Sequential model = bias_model();
  const History history = fit_through(model, {0.5, 0.75}, {callbacks::CsvLog(folder / "run.csv")});
  const auto row = [&](std::size_t i) {
    return fmt::format("{},{},{},0,{}\n", i + 1, history.epochs[i].train.loss, i == 0 ? 0.25 : 0.0625,
                       history.epochs[i].seconds);
  };
  EXPECT_EQ(bytes_of(folder / "run.csv"), "epoch,loss,val_loss,learning_rate,seconds\n" + row(0) + row(1));
}

TEST(CsvLog, ServesALoopOfOnesOwn) {
  const Folder folder;
  const std::string path = folder / "own.csv";
  std::ofstream(path) << "old";
  callbacks::CsvLog log(path);
  EXPECT_EQ(bytes_of(path), "old");
  log.write({{"step", 1}, {"loss, \"smooth\"", 0.1}});
  log.write({{"step", 2}, {"loss, \"smooth\"", std::nan("")}});
  EXPECT_EQ(bytes_of(path), "step,\"loss, \"\"smooth\"\"\"\n1,0.1\n2,\n");
  expect_error<Error>([&] { log.write({{"step", 3}}); }, "this row has step");
  expect_error<Error>([&] { log.write({}); }, "a row needs a value");
  expect_error<IoError>([&] { callbacks::CsvLog(folder / "no folder/x.csv").write({{"a", 1}}); }, "CsvLog: ");
}

TEST(JsonLinesLog, HasAnObjectForEachRow) {
  const Folder folder;
  callbacks::JsonLinesLog log(folder / "run.jsonl");
  log.write({{"step", 1}, {"a \"b\"\\\n", -1.5e-7}});
  log.write({{"loss", std::nan("")}, {"other", HUGE_VAL}});
  EXPECT_EQ(bytes_of(folder / "run.jsonl"),
            "{\"step\": 1, \"a \\\"b\\\"\\\\\\u000a\": -1.5e-07}\n{\"loss\": null, \"other\": null}\n");
  nn::Sequential model = bias_model();
  fit_through(model, {0.5, 0.75}, {log});
  const std::string text = bytes_of(folder / "run.jsonl");
  EXPECT_TRUE(text.starts_with("{\"epoch\": 1, \"loss\": 1, \"val_loss\": 0.25, \"learning_rate\": 0, \"seconds\": "))
      << text;
  EXPECT_EQ(std::ranges::count(text, '\n'), 2);
}

TEST(LearningRateMonitor, WatchesTheGroupItIsToldTo) {
  nn::Sequential model = bias_model();
  const auto parameters = model.parameters();
  callbacks::LearningRateMonitor second(1);
  const FitOptions options{
      .loss = mse_loss,
      .optimizer =
          optim::SGD({{.parameters = {parameters[0]}}, {.parameters = {parameters[1]}, .lr = 0.25}}, {.lr = 0.5}),
      .epochs = 2,
      .schedule = optim::schedule::exponential(0.5),
      .callbacks = {second},
      .progress = false};
  fit(model, ones_data(), options);
  EXPECT_EQ(second.rates(), (std::vector<double>{0.25, 0.125}));
  EXPECT_EQ(second.state_dict().at("rates").numel(), 2);
  expect_error<Error>([&] { fit_through(model, {1}, {callbacks::LearningRateMonitor(7)}); }, "group");
}

/// What `f(out)` writes.
template <class F>
std::string written_by(F f) {
  std::FILE* out = std::tmpfile();
  f(out);
  std::string text(static_cast<std::size_t>(std::ftell(out)), '\0');
  std::rewind(out);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), out), text.size());
  std::fclose(out);
  return text;
}

/// The lines without what depends on the clock.
std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (const std::size_t unit = line.find(" samples/s"); unit != std::string::npos) {
      line.erase(line.find_last_not_of("0123456789", unit - 1) + 1);
      line.erase(line.find_last_not_of(' ') + 1);
    }
    lines.push_back(line);
  }
  return lines;
}

TEST(ProgressCallback, EndsEachEpochWithItsResults) {
  nn::Sequential model = bias_model();
  const std::string text = written_by([&](std::FILE* out) {
    fit_through(model, {0.5, 0.75, 1},
                {callbacks::Progress({.out = out, .updating = false, .seconds_between_lines = 1000}),
                 callbacks::Lambda({.on_epoch_end =
                                        [](TrainingRun& run) {
                                          if (run.epoch == 2) run.stop("enough");
                                        }})},
                {metrics::Mean("error", [](const Tensor& p, const Tensor& t) { return mean(t - p); })});
  });
  EXPECT_NE(text.find(" samples/s  ETA 0:00\n"), std::string::npos) << text;
  EXPECT_EQ(lines_of(text), (std::vector<std::string>{
                                "epoch 1/3  step 1/1  loss 1.0000  error 1.0000",
                                "epoch 1/3  step 1/1  loss 1.0000  error 1.0000  val_loss 0.2500  val_error 0.5000",
                                "epoch 2/3  step 1/1  loss 0.2500  error 0.5000  val_loss 0.0625  val_error 0.2500",
                                "training ends here: enough"}));
}

TEST(ProgressCallback, CountsTheEpochsOfAnEarlierRun) {
  const std::string text = written_by([&](std::FILE* out) {
    ProgressLine line({.epochs = 3, .steps = 2, .out = out, .seconds_between_lines = 0, .epochs_before = 1});
    EXPECT_EQ(line.progress().step, 2);
    line.step(1, 0.5);
    EXPECT_EQ(line.progress().epoch, 2);
    EXPECT_EQ(line.progress().step, 1);
    EXPECT_NEAR(line.progress().seconds_left, 3 * line.seconds(), 0.5 * line.seconds() + 1e-3);
  });
  EXPECT_TRUE(text.starts_with("epoch 2/3  step 1/2  loss 0.5000")) << text;
  expect_error<Error>([] { ProgressLine({.epochs = 3, .epochs_before = 3}); },
                      "epochs_before must be from 0 to epochs - 1");
}

// ---------------------------------------------------------------------------------------------------------------------
// TensorBoard. The reader shares nothing with the writer: a bitwise checksum, and the Protobuf reader of the ONNX
// tests.

std::uint32_t crc32c_bit_by_bit(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82f63b78U & (0U - (crc & 1U)));
  }
  return crc ^ 0xffffffff;
}

template <class T>
T number_at(std::string_view bytes, std::size_t place) {
  T number;
  std::memcpy(&number, bytes.substr(place, sizeof number).data(), sizeof number);
  return number;
}

std::uint32_t unmasked(std::uint32_t masked) {
  const std::uint32_t rotated = masked - 0xa282ead8U;
  return rotated >> 17 | rotated << 15;
}

/// The records' data, with their checksums checked.
std::vector<std::string_view> records_of(std::string_view file) {
  std::vector<std::string_view> records;
  std::size_t place = 0;
  while (place < file.size()) {
    const auto length = number_at<std::uint64_t>(file, place);
    EXPECT_EQ(unmasked(number_at<std::uint32_t>(file, place + 8)), crc32c_bit_by_bit(file.substr(place, 8)));
    records.push_back(file.substr(place + 12, length));
    EXPECT_EQ(unmasked(number_at<std::uint32_t>(file, place + 12 + length)), crc32c_bit_by_bit(records.back()));
    place += 16 + length;
  }
  EXPECT_EQ(place, file.size());
  return records;
}

struct Point {
  std::string tag;
  std::int64_t step;
  float value;
  bool operator==(const Point&) const = default;
};
void PrintTo(const Point& p, std::ostream* out) { *out << p.tag << " " << p.step << " " << p.value; }

std::vector<Point> points_of(std::string_view file) {
  namespace pb = test::protobuf;
  const std::vector<std::string_view> records = records_of(file);
  std::vector<Point> points;
  for (std::size_t i = 0; i < records.size(); ++i) {
    Point point{};
    for (const pb::Field& field : pb::fields_of(records[i])) {
      if (field.number == 1) {
        EXPECT_EQ(field.type, pb::WireType::fixed64);
        EXPECT_GT(std::bit_cast<double>(field.bits), 1.5e9) << "seconds since 1970";
      }
      if (field.number == 2) point.step = field.integer();
      if (field.number == 3) {
        EXPECT_EQ(i, 0U);
        EXPECT_EQ(field.text(), "brain.Event:2");
      }
      if (field.number != 5) continue;
      const auto values = pb::fields_of(field.bytes);
      EXPECT_EQ(values.size(), 1U);
      for (const pb::Field& inner : pb::fields_of(values.at(0).bytes)) {
        if (inner.number == 1) point.tag = inner.text();
        if (inner.number == 2) point.value = inner.single();
      }
    }
    if (i > 0) points.push_back(point);
  }
  return points;
}

TEST(TensorBoardLog, IsReadBackByAReaderOfItsOwn) {
  EXPECT_EQ(crc32c_bit_by_bit("123456789"), 0xe3069283U) << "the check value of CRC-32C";
  const Folder folder;
  callbacks::TensorBoardLog log(folder / "a/b");
  log.scalar("loss", 0.5, 0);
  log.scalar("a tag of ümlauts", -1e-3, 1'000'000'000'000);
  log.scalar("loss", std::nan(""), -1);
  EXPECT_NE(fs::path(log.path()).filename().string().find("tfevents"), std::string::npos);
  const std::vector<Point> points = points_of(bytes_of(log.path()));
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[0], (Point{"loss", 0, 0.5F}));
  EXPECT_EQ(points[1], (Point{"a tag of ümlauts", 1'000'000'000'000, -1e-3F}));
  EXPECT_TRUE(std::isnan(points[2].value));
  EXPECT_EQ(points[2].step, -1);
}

TEST(TensorBoardLog, HasTheEpochsOfARun) {
  const Folder folder;
  nn::Sequential model = bias_model();
  callbacks::TensorBoardLog log(folder / "run");
  const History history = fit_through(model, {0.5, 0.75}, {log}, {metrics::MAE()});
  const auto seconds = [&](std::size_t i) { return static_cast<float>(history.epochs[i].seconds); };
  EXPECT_EQ(points_of(bytes_of(log.path())), (std::vector<Point>{{"loss/train", 1, 1},
                                                                 {"mae/train", 1, 1},
                                                                 {"loss/validation", 1, 0.25F},
                                                                 {"mae/validation", 1, 0.5F},
                                                                 {"learning_rate", 1, 0},
                                                                 {"seconds", 1, seconds(0)},
                                                                 {"loss/train", 2, 0.25F},
                                                                 {"mae/train", 2, 0.5F},
                                                                 {"loss/validation", 2, 0.0625F},
                                                                 {"mae/validation", 2, 0.25F},
                                                                 {"learning_rate", 2, 0},
                                                                 {"seconds", 2, seconds(1)}}));
  callbacks::TensorBoardLog other(folder / "run");
  other.scalar("x", 1, 1);
  EXPECT_NE(other.path(), log.path());
  std::ofstream(folder / "file") << "";
  expect_error<IoError>([&] { callbacks::TensorBoardLog(folder / "file/x").scalar("x", 1, 1); },
                        "TensorBoardLog: folder");
}

}  // namespace
}  // namespace wengert
