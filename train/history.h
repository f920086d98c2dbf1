#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <wengert/io/state_dict.h>

namespace wengert {

/// Numbers with names, in the order in which logs show them.
using NamedValues = std::vector<std::pair<std::string, double>>;

/// What a model reached on some data.
struct Evaluation {
  double loss = 0;         ///< the mean over samples, without penalties; NaN if no loss was asked for
  StateDict metrics = {};  ///< each metric's result by its name: a float64 scalar, or a confusion matrix

  /// A metric that is one number. Throws Error that lists the names there are, or says that it is more than a number.
  double metric(std::string_view name) const;
};

/// One epoch of a training run.
struct EpochRecord {
  std::int64_t epoch = 0;    ///< from 1
  std::int64_t steps = 0;    ///< of the optimizer in this epoch; fewer than a whole epoch's only where Ctrl-C ended it
  double learning_rate = 0;  ///< of the optimizer's first group in the epoch's last step
  double seconds = 0;        ///< training and validation
  /// While training: means over the epoch, in which the weights changed.
  Evaluation train = {};
  std::optional<Evaluation> validation = {};

  /// All single numbers: "epoch", "loss", the metrics, "val_loss", the metrics with "val_" before their names,
  /// "learning_rate", "seconds".
  NamedValues values() const;
  /// One of them. Throws Error that lists the names there are.
  double value(std::string_view name) const;
};

/// What `fit` returns.
struct History {
  std::vector<EpochRecord> epochs = {};
  /// Why the run was ended, in words, be it at its last epoch; empty if nothing but the number of epochs ended it.
  std::string stopped = {};
  bool interrupted = false;  ///< by Ctrl-C

  /// One value of all epochs, for a curve: `history.curve("val_loss")`; NaN where an epoch has none. Throws Error if no
  /// epoch has it.
  std::vector<double> curve(std::string_view name) const;
  /// The last epoch. Throws Error if there is none.
  const EpochRecord& last() const;
};

}  // namespace wengert
