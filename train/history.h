#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <wengert/io/state_dict.h>

namespace wengert {

/// What a model makes of a data set.
struct Scores {
  double loss = std::numeric_limits<double>::quiet_NaN();  ///< mean over the samples; NaN without samples or a loss
  std::vector<std::pair<std::string, double>> metrics = {};
  std::vector<std::pair<std::string, Tensor>> tables = {};  ///< of metrics that are more than a number

  /// Throw Error that names those that there are.
  double metric(std::string_view name) const;
  const Tensor& table(std::string_view name) const;
};

/// One epoch of a run.
struct EpochRecord {
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t steps = 0;  ///< of the optimizer
  std::int64_t samples = 0;
  double seconds = 0;        ///< with validation
  double learning_rate = 0;  ///< of the last step, in the optimizer's first group
  double penalty = 0;        ///< mean over the steps; not in the loss
  Scores train = {};         ///< means over the epoch, of the model as it was at each step, in training mode
  std::optional<Scores> validation = {};  ///< of the model as it was after the epoch
  bool complete = true;                   ///< false if the run ended inside the epoch; then there is no validation
};

/// How a run ended.
enum class EndOfRun : std::uint8_t {
  finished,     ///< all epochs
  stopped,      ///< by a callback
  interrupted,  ///< by Ctrl-C
  not_finite,   ///< at a loss that is NaN or infinite
};

/// What came of each epoch of a run.
struct History {
  std::vector<EpochRecord> epochs = {};
  EndOfRun end = EndOfRun::finished;
  std::string message = {};  ///< why it ended, if not finished

  /// "loss", the metrics, "val_loss" and "val_..." if there was validation, "learning_rate", "seconds", and "penalty"
  /// if one was not 0.
  std::vector<std::string> names() const;
  /// One of these for each epoch; NaN where an epoch has none. Throws Error that lists the names if there is no such.
  std::vector<double> operator[](std::string_view name) const;

  /// All of `epochs` as tensors, to save and to take back exactly.
  StateDict state_dict() const;
  void load_state_dict(const StateDict& state);
};

/// "loss 0.1234  accuracy 0.9712  val_loss 0.2011  val_accuracy 0.9513"
std::string format_scores(const EpochRecord& record);

}  // namespace wengert
