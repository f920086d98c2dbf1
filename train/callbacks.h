#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <wengert/train/callback.h>

/// \file
/// Callbacks for `fit`. The logs serve a loop of one's own as well: `CsvLog log("run.csv"); log.write({{"loss",
/// 0.5}});`

namespace wengert {

class ProgressLine;

namespace callbacks {

/// Functions as a callback: `Lambda({.on_epoch_end = [](TrainingRun& run) { ... }})`. It keeps no state for `resume`.
struct LambdaOptions {
  std::function<void(TrainingRun&)> on_begin = {};
  std::function<void(TrainingRun&)> on_epoch_begin = {};
  std::function<void(TrainingRun&)> on_step = {};
  std::function<void(TrainingRun&)> on_epoch_end = {};
  std::function<void(TrainingRun&)> on_end = {};
};
class Lambda final : public Callback {
 public:
  explicit Lambda(LambdaOptions functions) : functions_(std::move(functions)) {}

  void on_begin(TrainingRun& run) override { call(functions_.on_begin, run); }
  void on_epoch_begin(TrainingRun& run) override { call(functions_.on_epoch_begin, run); }
  void on_step(TrainingRun& run) override { call(functions_.on_step, run); }
  void on_epoch_end(TrainingRun& run) override { call(functions_.on_epoch_end, run); }
  void on_end(TrainingRun& run) override { call(functions_.on_end, run); }

 private:
  static void call(const std::function<void(TrainingRun&)>& f, TrainingRun& run) {
    if (f) f(run);
  }

  LambdaOptions functions_;
};

struct ProgressOptions {
  std::FILE* out = stdout;
  std::optional<bool> updating = {};   ///< see ProgressLineOptions
  double seconds_between_lines = 1.0;  ///< at least, when not updating; each epoch ends with a line in any case
};
/// A ProgressLine with epoch, step, loss, metrics, rate and remaining time; at the end of each epoch it stays with the
/// epoch's results, those of validation among them. `fit` has one by itself unless `progress` is off.
class Progress final : public Callback {
 public:
  explicit Progress(const ProgressOptions& options = {}) : options_(options) {}

  void on_begin(TrainingRun& run) override;
  void on_step(TrainingRun& run) override;
  void on_epoch_end(TrainingRun& run) override;
  void on_end(TrainingRun& run) override;

 private:
  ProgressOptions options_;
  std::shared_ptr<ProgressLine> line_;
};

/// Values as a table: one row for each epoch in `fit`, or for each `write`. The first row has the names. In a resumed
/// run the file is written anew with the epochs from before, so that it never has gaps or epochs twice.
class CsvLog final : public Callback {
 public:
  explicit CsvLog(std::string path) : path_(std::move(path)) {}

  /// Appends a row; the file begins anew at the first one. The names must be those of the first row: throws Error
  /// otherwise, and IoError if the file can't be written. NaN is an empty field.
  void write(const NamedValues& row);

  void on_begin(TrainingRun& run) override;
  void on_epoch_end(TrainingRun& run) override;

 private:
  std::string path_;
  std::vector<std::string> names_;
};

/// The same as JSON lines: one object a line, {"epoch": 1, "loss": 0.5}; NaN and infinities are null. Rows may differ
/// in their names.
class JsonLinesLog final : public Callback {
 public:
  explicit JsonLinesLog(std::string path) : path_(std::move(path)) {}

  /// Appends a line; the file begins anew at the first one. Throws IoError if it can't be written.
  void write(const NamedValues& row);

  void on_begin(TrainingRun& run) override;
  void on_epoch_end(TrainingRun& run) override;

 private:
  std::string path_;
  bool begun_ = false;
};

/// Scalars as a TensorBoard event file: `tensorboard --logdir FOLDER`. In `fit`: each epoch's values at the epoch's
/// number, "loss" and "val_loss" as "loss/train" and "loss/validation". Each log, a resumed run's too, is a file of its
/// own in the folder; TensorBoard shows all of a folder as one run.
///
/// The format: TFRecords (length, masked CRC-32C of it, bytes, masked CRC-32C of them; all little-endian) of Event
/// messages, as TensorFlow's record_writer.h and event.proto define them.
class TensorBoardLog final : public Callback {
 public:
  /// Makes the folder where it is missing. The file comes with the first value.
  explicit TensorBoardLog(std::string folder) : folder_(std::move(folder)) {}

  /// A point of the curve `tag`. Throws IoError if it can't be written.
  void scalar(const std::string& tag, double value, std::int64_t step);
  /// Where it writes; empty before the first value.
  const std::string& path() const noexcept { return path_; }

  void on_epoch_end(TrainingRun& run) override;

 private:
  std::string folder_;
  std::string path_;
};

/// The learning rate of every step, as the optimizer took it.
class LearningRateMonitor final : public Callback {
 public:
  /// Of one parameter group.
  explicit LearningRateMonitor(std::size_t group = 0) : group_(group) {}

  const std::vector<double>& rates() const noexcept { return rates_; }

  void on_begin(TrainingRun& run) override;
  void on_step(TrainingRun& run) override;
  StateDict state_dict() const override;
  void load_state_dict(const StateDict& state) override;

 private:
  std::size_t group_;
  std::vector<double> rates_;
};

struct MonitorOptions {
  /// A name in EpochRecord::values; by default "val_loss", or "loss" in a run without validation.
  std::string monitor = {};
  /// Whether larger is better; by default as the metric says, and not for losses.
  std::optional<bool> maximize = {};
  double min_delta = 0;  ///< better is: by more than this
};

/// The best value so far; NaN is never better.
class Best {
 public:
  /// Throws Error unless min_delta is finite and not negative.
  explicit Best(const MonitorOptions& options);

  /// What is watched.
  std::string name(const TrainingRun& run) const;

  /// The value to watch, from the epoch that has ended. Throws Error if there is no such value.
  double watched(const TrainingRun& run);
  /// Takes a value in and returns whether it is better than all before.
  bool better(double value);
  const std::optional<double>& value() const noexcept { return best_; }
  void set(std::optional<double> value) { best_ = value; }

 private:
  MonitorOptions options_;
  bool maximize_;
  std::optional<double> best_;
};

/// Saves the model, by nn::save, whenever the watched value is better than ever.
class BestCheckpoint final : public Callback {
 public:
  explicit BestCheckpoint(std::string path, const MonitorOptions& options = {});

  /// NaN before the first epoch.
  double best() const;
  std::int64_t best_epoch() const noexcept { return best_epoch_; }

  void on_begin(TrainingRun& run) override;
  void on_epoch_end(TrainingRun& run) override;
  StateDict state_dict() const override;
  void load_state_dict(const StateDict& state) override;

 private:
  std::string path_;
  Best best_;
  std::int64_t best_epoch_ = 0;
};

struct EarlyStoppingOptions {
  std::int64_t patience = 5;  ///< epochs in a row without a better value after which the run ends
  std::string monitor = {};   ///< see MonitorOptions
  std::optional<bool> maximize = {};
  double min_delta = 0;
  bool restore_best = true;  ///< give the model the best epoch's weights and buffers however the run ends
};
/// Ends the run when a value has stopped getting better. For a loop of one's own there is `update`:
/// \code
///   callbacks::EarlyStopping early({.patience = 3});
///   while (!early.update(validation_loss(), model)) train_one_epoch();
///   early.restore(model);
/// \endcode
class EarlyStopping final : public Callback {
 public:
  /// Throws Error unless patience >= 1 and min_delta is finite and not negative.
  explicit EarlyStopping(const EarlyStoppingOptions& options = {});

  /// Takes in the value of an epoch; returns whether it is time to stop.
  bool update(double value, const nn::Module& model);
  /// Gives the model the weights and buffers that it had at the best value, if there was one.
  void restore(nn::Module& model) const;

  /// NaN before the first epoch.
  double best() const;
  /// From 1; 0 if there is none.
  std::int64_t best_epoch() const noexcept { return best_epoch_; }

  void on_begin(TrainingRun& run) override;
  void on_epoch_end(TrainingRun& run) override;
  void on_end(TrainingRun& run) override;
  StateDict state_dict() const override;
  void load_state_dict(const StateDict& state) override;

 private:
  bool exhausted() const { return epochs_ - best_epoch_ >= options_.patience; }
  void stop(TrainingRun& run) const;

  EarlyStoppingOptions options_;
  Best best_;
  std::int64_t epochs_ = 0;
  std::int64_t best_epoch_ = 0;
  StateDict best_state_;
};

}  // namespace callbacks
}  // namespace wengert
