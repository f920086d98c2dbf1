#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/datasets/data_loader.h>
#include <wengert/nn/module.h>
#include <wengert/optim/optimizer.h>
#include <wengert/train/callback.h>
#include <wengert/train/evaluate.h>
#include <wengert/train/history.h>
#include <wengert/train/metrics.h>

namespace wengert {

/// Any optimizer: keeps a temporary, refers to a variable, which must live as long.
class AnyOptimizer {
 public:
  AnyOptimizer() = default;
  AnyOptimizer(optim::Optimizer& optimizer)  // NOLINT(google-explicit-constructor): an optimizer is one
      : optimizer_(std::shared_ptr<void>(), &optimizer) {}
  template <class O>
    requires(std::derived_from<O, optim::Optimizer> && !std::is_const_v<O>)
  AnyOptimizer(O&& optimizer)  // NOLINT(google-explicit-constructor): by its constraint a temporary
      : optimizer_(std::make_shared<O>(std::move(optimizer))) {}

  explicit operator bool() const noexcept { return optimizer_ != nullptr; }
  optim::Optimizer& operator*() const { return *optimizer_; }
  optim::Optimizer* operator->() const { return optimizer_.get(); }

 private:
  std::shared_ptr<optim::Optimizer> optimizer_;
};

/// l1 sum |w| + l2 sum w^2 over a model's parameters, or over those that `where` picks.
struct Penalty {
  double l1 = 0;
  double l2 = 0;
  std::function<bool(const std::string& name, const Tensor& parameter)> where = {};
};

/// For Penalty::where: parameters of two or more axes, so no biases and no weights of normalisations.
bool is_weight_matrix(const std::string& name, const Tensor& parameter);

/// The penalty as a number that gradients go through, to be added to a loss; 0 where no parameter is picked. Throws
/// Error if l1 or l2 is negative or not finite.
Tensor penalty(const nn::Module& model, const Penalty& options);

struct CheckpointOptions {
  std::string path = {};   ///< a safetensors file; none is written if empty
  std::int64_t every = 1;  ///< epochs; the last one is always kept
  bool resume = false;     ///< go on from the file, if it is there
};

struct FitOptions {
  LossFunction loss = {};                            ///< needed
  AnyOptimizer optimizer = {};                       ///< needed; for the model's parameters
  std::int64_t epochs = 1;                           ///< in all, those before a resumption included
  std::optional<std::int64_t> batch_size = {};       ///< 32 if neither this nor `batches` is given
  std::optional<std::int64_t> batches = {};          ///< in an epoch, instead: of ceil(N / batches) samples
  std::optional<std::int64_t> steps_per_epoch = {};  ///< an epoch ends after so many batches, if it has more
  bool shuffle = true;
  std::uint64_t seed = 0;  ///< of the order, and of `validation_fraction`

  std::vector<Penalty> penalties = {};

  std::optional<datasets::AnyDataset> validation = {};
  double validation_fraction = 0;  ///< of the training data, drawn at random and held out, instead
  std::int64_t validation_batch_size = 256;

  std::vector<AnyMetric> metrics = {};
  std::vector<AnyCallback> callbacks = {};
  CheckpointOptions checkpoint = {};
  bool stop_on_nan = false;  ///< a loss that is NaN or infinite ends the run, instead of an Error
};

/// Trains a model: for each batch, forward, loss and penalties, backward, and a step of the optimizer; after each epoch
/// the validation. Returns what came of each epoch.
/// \code
///   const History history = fit(model, train, {.loss = cross_entropy,
///                                              .optimizer = optim::Adam(model.parameters(), {.lr = 1e-3}),
///                                              .epochs = 10,
///                                              .validation = test,
///                                              .metrics = {Accuracy()},
///                                              .callbacks = {ProgressBar()}});
/// \endcode
/// The model trains in training mode, and has its modes back at the end. Ctrl-C ends the run after the step at hand (if
/// that was the last of its epoch, after validation); a second one ends the program.
/// The same seeds (that of `options` and of the default generator, for dropout) give the same weights bit for bit, for
/// any number of threads. A run that resumes from a checkpoint goes on as if it had never stopped, bit for bit:
/// weights, buffers, optimizer, the default generator's state, the order of the data, history and callbacks
/// are in the file. To resume, call `fit` again with the same options (more epochs are fine), a model and an optimizer
/// of the same kind, and callbacks in the same order.
///
/// Throws Error before the first step on options that make no sense together and data without samples; on a checkpoint
/// that does not fit, and then model, optimizer and generator are as before; and on a loss that is not finite, before
/// it reaches the weights. IoError if a checkpoint can't be read or written.
History fit(nn::Module& model, const datasets::AnyDataset& train, const FitOptions& options);

/// Same with batches from a loader, which goes on from its `next_epoch`. Throws Error if options that a loader decides
/// (batch_size, batches, validation_fraction) are given, too.
History fit(nn::Module& model, datasets::DataLoader& loader, const FitOptions& options);

}  // namespace wengert
