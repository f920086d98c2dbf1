#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include <wengert/train/history.h>
#include <wengert/train/metrics.h>

namespace wengert {

/// How far a training run has come.
struct Progress {
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t epochs = 0;
  std::int64_t step = 0;  ///< of the epoch, from 1
  std::int64_t steps = 0;
  double loss = 0;
  std::optional<double> accuracy = {};
  double samples_per_second = 0;
  double seconds_left = 0;  ///< NaN or infinite if unknown
  NamedValues values = {};  ///< shown after the accuracy
};

/// "epoch  3/20  step  12/23  loss 0.1234  accuracy 0.9712  12345 samples/s  ETA 0:05", in columns that keep their
/// width.
std::string format_progress(const Progress& progress);

/// "0:05", "12:34", "1:02:03", and "-:--" for what is negative, NaN or longer than 1000 hours.
std::string format_duration(double seconds);

struct ProgressLineOptions {
  std::int64_t epochs = 1;
  std::int64_t steps = 1;  ///< in an epoch
  std::FILE* out = stdout;
  std::optional<bool> updating = {};   ///< one line that is overwritten; if not given, when `out` is a terminal
  double seconds_between_lines = 1.0;  ///< at least, when not updating; and 0.1 between updates
  std::int64_t epochs_before = 0;      ///< of all `epochs`, those that an earlier run has done
};

/// Shows how a training loop gets on: one line, updated in place, on a terminal, and a line now and then elsewhere, so
/// that a log stays readable. The loss and accuracy it shows are means over the epoch so far.
/// \code
///   ProgressLine progress({.epochs = epochs, .steps = loader.size()});
///   for (...) { ...; progress.step(x.dim(0), loss.item(), accuracy(logits, y)); }
/// \endcode
class ProgressLine {
 public:
  explicit ProgressLine(const ProgressLineOptions& options);
  ~ProgressLine() { finish(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  /// After each step, with the means over its samples.
  void step(std::int64_t samples, double loss, std::optional<double> accuracy = {});
  /// Further numbers to show from now on.
  void set_values(NamedValues values) { values_ = std::move(values); }
  /// Shows where the run is, in a line that stays.
  void end_epoch();
  /// Shows where the run has ended, be it early, and ends the line.
  void finish();

  /// The state as last shown or to be shown next.
  Progress progress() const;
  /// Since this was made.
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  void show(bool in_full = false);

  ProgressLineOptions options_;
  Clock::time_point start_ = Clock::now();
  std::optional<double> shown_at_;  // in seconds()
  std::int64_t steps_done_ = 0;
  std::int64_t steps_shown_ = 0;
  std::int64_t samples_ = 0;
  bool line_is_open_ = false;
  RunningMean loss_;
  RunningMean accuracy_;
  NamedValues values_;
};

}  // namespace wengert
