#include "train/fit.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>
#include <wengert/io/safetensors.h>

#include "train/checkpoint.h"
#include "train/detail/scores.h"
#include "train/interrupt.h"

namespace wengert {
namespace {

constexpr std::int64_t checkpoint_format = 1;

Tensor number(std::int64_t value) { return from_vector(std::vector{value}); }

/// The number of samples in a batch that the options ask for.
std::int64_t batch_size_of(const FitOptions& options, std::int64_t samples) {
  check<Error>(!options.batch_size || !options.batches, "fit: batch_size and batches are both given; one decides");
  if (!options.batches) return options.batch_size.value_or(32);
  check<Error>(*options.batches >= 1, "fit: batches must be at least 1, got {}", *options.batches);
  return std::max<std::int64_t>((samples + *options.batches - 1) / *options.batches, 1);
}

void check_metric_names(const std::vector<AnyMetric>& metrics) {
  std::vector<std::string> names{"loss", "penalty", "learning_rate", "seconds"};
  for (const AnyMetric& metric : metrics) {
    check<Error>(std::ranges::find(names, metric.name()) == names.end(), "fit: two metrics are called '{}'",
                 metric.name());
    names.push_back(metric.name());
  }
}

/// One call of `fit`.
class Fit {
 public:
  Fit(nn::Module& model, datasets::DataLoader& loader, const std::optional<datasets::AnyDataset>& validation,
      const FitOptions& options)
      : model_(model),
        loader_(loader),
        validation_(validation),
        options_(options),
        optimizer_(checked_optimizer(options)),
        metrics_(options.metrics),
        run_{.model = model, .optimizer = optimizer_, .history = history_, .metrics = metrics_} {
    check_options();
    run_.epochs = options.epochs;
    run_.steps = loader.size();
    if (options.steps_per_epoch) run_.steps = std::min(run_.steps, *options.steps_per_epoch);
    run_.names = names();
  }

  History run() {
    const ModeGuard modes(model_);
    const InterruptGuard interrupt;
    interrupt_ = &interrupt;
    model_.train();
    if (options_.checkpoint.resume) resume();
    for (const AnyCallback& callback : options_.callbacks) callback->on_begin(run_);
    while (run_.epoch < options_.epochs && !ended()) epoch();
    if (history_.end == EndOfRun::finished && interrupt.requested()) {
      end(EndOfRun::interrupted, "interrupted");
    } else if (history_.end == EndOfRun::finished && !run_.stop_reason.empty()) {
      history_.end = EndOfRun::stopped;
      history_.message = run_.stop_reason;
    }
    for (const AnyCallback& callback : options_.callbacks) callback->on_end(run_);
    return std::move(history_);
  }

 private:
  static optim::Optimizer& checked_optimizer(const FitOptions& options) {
    check<Error>(static_cast<bool>(options.optimizer), "fit: options.optimizer is not set");
    return *options.optimizer;
  }

  void check_options() const {
    check<Error>(static_cast<bool>(options_.loss), "fit: options.loss is not set");
    check<Error>(options_.epochs >= 0, "fit: epochs must not be negative, got {}", options_.epochs);
    check<Error>(loader_.dataset().size() > 0, "fit: the training data have no samples");
    check<Error>(loader_.size() > 0, "fit: drop_last leaves no batch: {} samples, batch_size {}",
                 loader_.dataset().size(), loader_.options().batch_size);
    check<Error>(!options_.steps_per_epoch || *options_.steps_per_epoch >= 1,
                 "fit: steps_per_epoch must be at least 1, got {}", options_.steps_per_epoch.value_or(0));
    check<Error>(!validation_ || validation_->size() > 0, "fit: the validation data have no samples");
    check<Error>(options_.checkpoint.every >= 1, "fit: checkpoint.every must be at least 1, got {}",
                 options_.checkpoint.every);
    check<Error>(!options_.checkpoint.resume || !options_.checkpoint.path.empty(),
                 "fit: checkpoint.resume needs checkpoint.path");
    check<Error>(options_.checkpoint.path.empty() || safetensors_available(),
                 "fit: checkpoints need a build of Wengert with nlohmann_json");
    check_metric_names(options_.metrics);
    for (const Penalty& p : options_.penalties) penalty(model_, p);  // throws now what it would throw later
  }

  /// What the history is going to have.
  std::vector<std::string> names() const {
    std::vector<std::string> all{"loss"};
    const auto add_metrics = [&](const std::string& prefix) {
      for (const AnyMetric& metric : options_.metrics) {
        if (!metric.table().defined()) all.push_back(prefix + metric.name());
      }
    };
    add_metrics("");
    if (validation_) {
      all.emplace_back("val_loss");
      add_metrics("val_");
    }
    if (!options_.penalties.empty()) all.emplace_back("penalty");
    all.emplace_back("learning_rate");
    all.emplace_back("seconds");
    return all;
  }

  bool ended() const {
    return history_.end != EndOfRun::finished || !run_.stop_reason.empty() || interrupt_->requested();
  }

  void epoch() {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    ++run_.epoch;
    run_.step = 0;
    EpochRecord record{.epoch = run_.epoch};
    RunningMean loss;
    RunningMean penalties;
    for (AnyMetric& metric : metrics_) metric.clear();
    for (const AnyCallback& callback : options_.callbacks) callback->on_epoch_begin(run_);
    for (auto batches = loader_.begin(); batches != loader_.end() && run_.step < run_.steps && !ended(); ++batches) {
      const datasets::Batch batch = *batches;
      run_.samples = batch.x.dim(0);
      ++run_.step;
      if (!step(batch, penalties)) break;
      ++run_.total_steps;
      record.samples += run_.samples;
      loss.add(run_.loss, static_cast<double>(run_.samples));
      run_.mean_loss = loss.value();
      for (const AnyCallback& callback : options_.callbacks) callback->on_step(run_);
      if (interrupt_->requested()) end(EndOfRun::interrupted, "interrupted");
    }
    record.complete = run_.step == run_.steps && history_.end != EndOfRun::not_finite;
    record.steps = history_.end == EndOfRun::not_finite ? run_.step - 1 : run_.step;
    record.learning_rate = run_.learning_rate;
    record.penalty = penalties.empty() ? 0 : penalties.value();
    record.train = detail::scores_of(loss.value(), metrics_);
    if (record.complete && validation_) record.validation = validate();
    record.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (record.steps > 0) history_.epochs.push_back(record);
    if (record.complete) finish_epoch();
  }

  void end(EndOfRun how, const std::string& message) {
    history_.end = how;
    history_.message = fmt::format("{} at step {} of epoch {}", message, run_.step, run_.epoch);
  }

  /// What an epoch's end brings with it, but for its record.
  void finish_epoch() {
    for (const AnyCallback& callback : options_.callbacks) callback->on_epoch_end(run_);
    const CheckpointOptions& checkpoint = options_.checkpoint;
    const bool due = run_.epoch % checkpoint.every == 0 || run_.epoch == options_.epochs || ended();
    if (!checkpoint.path.empty() && due) save();
  }

  /// False if the loss is not finite and that ends the run; then nothing has changed.
  bool step(const datasets::Batch& batch, RunningMean& penalties) {
    run_.learning_rate = optimizer_.learning_rate();
    bool first = true;
    Tensor prediction;
    double penalty_now = 0;
    const char* not_finite = nullptr;
    const auto run_batch = [&] {
      optimizer_.zero_grad();
      const Tensor y = model_(batch.x);
      Tensor loss = options_.loss("fit", y, batch.y);
      const double value = loss.item();
      for (const Penalty& options : options_.penalties) loss = loss + penalty(model_, options).to(loss.dtype());
      const double total = loss.item();
      if (first) {  // a rule may ask for the loss at several places
        prediction = y.detach();
        run_.loss = value;
        penalty_now = total - value;
        if (!std::isfinite(total)) not_finite = std::isnan(total) ? "NaN" : "infinite";
        first = false;
      }
      if (not_finite) {
        return loss;  // without gradients the optimizer changes nothing
      }
      loss.backward();
      return loss;
    };
    run_batch();
    if (!not_finite) optimizer_.step();
    if (not_finite) {
      check<Error>(options_.stop_on_nan,
                   "fit: the loss is {} at step {} of epoch {}; the weights are as before that step (a smaller "
                   "learning rate or clip_norm may help; Anomaly names the op)",
                   not_finite, run_.step, run_.epoch);
      end(EndOfRun::not_finite, fmt::format("the loss is {}", not_finite));
      return false;
    }
    for (AnyMetric& metric : metrics_) metric.add(prediction, batch.y);
    penalties.add(penalty_now);
    return true;
  }

  Scores validate() {
    return evaluate(model_, *validation_,
                    {.loss = options_.loss, .metrics = options_.metrics, .batch_size = options_.validation_batch_size});
  }

  // What the order of the data depends on, which a resumed run must have in common with the one before.
  StateDict data_state() const {
    const datasets::DataLoaderOptions& o = loader_.options();
    return {{"batch_size", number(o.batch_size)},
            {"seed", number(static_cast<std::int64_t>(o.seed))},
            {"shuffle", number(o.shuffle ? 1 : 0)},
            {"samples", number(loader_.dataset().size())},
            {"steps", number(run_.steps)}};
  }

  void save() const {
    StateDict all{{"format", number(checkpoint_format)},
                  {"epoch", number(run_.epoch)},
                  {"total_steps", number(run_.total_steps)},
                  {"next_epoch", number(static_cast<std::int64_t>(loader_.next_epoch()))}};
    add_part(all, "data", data_state());
    add_part(all, "model", model_.state_dict());
    add_part(all, "optimizer", optimizer_.state_dict());
    add_part(all, "random", random_state());
    add_part(all, "history", history_.state_dict());
    for (std::size_t i = 0; i < options_.callbacks.size(); ++i) {
      add_part(all, fmt::format("callback.{}", i), options_.callbacks[i]->state_dict());
    }
    save_safetensors(options_.checkpoint.path, all);
  }

  void resume() {
    const std::string& path = options_.checkpoint.path;
    if (!std::filesystem::exists(path)) return;
    const StateDict all = load_safetensors(path);
    const StateDict model_before = model_.state_dict();
    const StateDict optimizer_before = optimizer_.state_dict();
    try {
      take(all);
    } catch (const Error& error) {
      model_.load_state_dict(model_before);
      optimizer_.load_state_dict(optimizer_before);
      fail<Error>("fit: cannot resume from '{}': {}", path, error.what());
    }
  }

  void take(const StateDict& all) {
    const auto integer = [&](const std::string& name) {
      const Tensor& tensor = all.at(name);
      check<Error>(tensor.dtype() == int64 && tensor.numel() == 1, "'{}' is not one integer", name);
      return tensor.item<std::int64_t>();
    };
    check<Error>(integer("format") == checkpoint_format, "its format is {}, this is a program for format {}",
                 integer("format"), checkpoint_format);
    for (const auto& [name, own] : data_state()) {
      const std::int64_t then = integer("data." + name);
      check<Error>(then == own.item<std::int64_t>(), "the run before had {} {}, this one has {}", name, then,
                   own.item<std::int64_t>());
    }
    const std::int64_t epochs = integer("epoch");
    const std::int64_t steps = integer("total_steps");
    const std::int64_t next_epoch = integer("next_epoch");
    check<Error>(epochs >= 0 && steps >= 0 && next_epoch >= 0, "a count is negative");
    History history;
    history.load_state_dict(part_of(all, "history"));
    Generator generator(0);
    set_random_state(part_of(all, "random"), generator);
    model_.load_state_dict(part_of(all, "model"));
    optimizer_.load_state_dict(part_of(all, "optimizer"));
    for (std::size_t i = 0; i < options_.callbacks.size(); ++i) {
      options_.callbacks[i]->load_state_dict(part_of(all, fmt::format("callback.{}", i)));
    }
    // Nothing fails any more.
    default_generator().set_state(generator.state());
    loader_.set_next_epoch(static_cast<std::uint64_t>(next_epoch));
    history_ = std::move(history);
    run_.epoch = epochs;
    run_.total_steps = steps;
  }

  nn::Module& model_;
  datasets::DataLoader& loader_;
  const std::optional<datasets::AnyDataset>& validation_;
  const FitOptions& options_;
  optim::Optimizer& optimizer_;
  std::vector<AnyMetric> metrics_;
  History history_;
  TrainingRun run_;
  const InterruptGuard* interrupt_ = nullptr;
};

}  // namespace

bool is_weight_matrix(const std::string& /*name*/, const Tensor& parameter) { return parameter.rank() >= 2; }

Tensor penalty(const nn::Module& model, const Penalty& options) {
  for (const double factor : {options.l1, options.l2}) {
    check<Error>(factor >= 0 && std::isfinite(factor), "penalty: l1 and l2 must be finite and not negative, got {}",
                 factor);
  }
  Tensor total;
  const auto add = [&](double factor, const Tensor& term) {
    const Tensor scaled = factor * term;
    total = total.defined() ? total + scaled.to(total.dtype()) : scaled;
  };
  for (const auto& [name, parameter] : model.named_parameters()) {
    if (options.where && !options.where(name, parameter)) continue;
    if (options.l1 != 0) add(options.l1, sum(abs(parameter.value())));
    if (options.l2 != 0) add(options.l2, sum(square(parameter.value())));
  }
  return total.defined() ? total : zeros({});
}

History fit(nn::Module& model, const datasets::AnyDataset& train, const FitOptions& options) {
  std::optional<datasets::AnyDataset> training = train;
  std::optional<datasets::AnyDataset> validation = options.validation;
  if (options.validation_fraction != 0) {
    check<Error>(!options.validation, "fit: validation and validation_fraction are both given; one decides");
    auto parts = datasets::train_test_split(train, options.validation_fraction, {.seed = options.seed});
    training = std::move(parts.train);
    validation = std::move(parts.test);
  }
  datasets::DataLoader loader(
      *training,
      {.batch_size = batch_size_of(options, training->size()), .shuffle = options.shuffle, .seed = options.seed});
  return Fit(model, loader, validation, options).run();
}

History fit(nn::Module& model, datasets::DataLoader& loader, const FitOptions& options) {
  check<Error>(!options.batch_size && !options.batches && options.validation_fraction == 0,
               "fit: with a loader, batch_size, batches and validation_fraction are not for the options to decide");
  return Fit(model, loader, options.validation, options).run();
}

}  // namespace wengert
