#include "train/fit.h"

#include <chrono>
#include <cmath>
#include <limits>
#include <span>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/random.h>
#include <wengert/io/safetensors.h>
#include <wengert/optim/clip.h>

#include "datasets/detail/random_stream.h"
#include "train/callbacks.h"
#include "train/detail/checkpoint.h"
#include "train/interrupt.h"

namespace wengert {
namespace {

using datasets::AnyDataset;
using datasets::DataLoader;

/// Gives all modules back the modes that they had.
class ModesKept {
 public:
  explicit ModesKept(nn::Module& model) {
    for (const auto& [path, module] : model.named_modules()) modes_.emplace_back(module, module->is_training());
  }
  ModesKept(const ModesKept&) = delete;
  ModesKept& operator=(const ModesKept&) = delete;
  ~ModesKept() {
    // Outer ones first: setting one sets all inside.
    for (const auto& [module, training] : modes_) module->train(training);
  }

 private:
  std::vector<std::pair<nn::Module*, bool>> modes_;
};

std::vector<double> rates_of(const optim::Optimizer& optimizer) {
  std::vector<double> rates;
  for (std::size_t i = 0; i < optimizer.group_count(); ++i) rates.push_back(optimizer.learning_rate(i));
  return rates;
}

/// Gives the optimizer back the learning rates that it had.
class RatesKept {
 public:
  explicit RatesKept(optim::Optimizer& optimizer) : optimizer_(optimizer), rates_(rates_of(optimizer)) {}
  RatesKept(const RatesKept&) = delete;
  RatesKept& operator=(const RatesKept&) = delete;
  ~RatesKept() {
    for (std::size_t i = 0; i < rates_.size(); ++i) optimizer_.set_learning_rate(rates_[i], i);
  }

 private:
  optim::Optimizer& optimizer_;
  std::vector<double> rates_;
};

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// The loss of a batch as a number.
double number(const char* caller, const Tensor& loss) {
  check<Error>(loss.defined(), "{}: the loss is undefined", caller);
  check(loss.numel() == 1, "{}: the loss must be a single number, got {}", caller, loss.shape());
  return loss.item();
}

std::int64_t samples_of(const char* caller, const datasets::Batch& batch) {
  check(batch.x.defined() && batch.x.rank() >= 1, "{}: a batch's x must be [n, ...], got {}", caller,
        batch.x.defined() ? batch.x.shape() : Shape{});
  return batch.x.dim(0);
}

Evaluation results_of(double loss, const std::vector<AnyMetric>& metrics) {
  Evaluation evaluation{.loss = loss};
  for (const AnyMetric& metric : metrics) evaluation.metrics.set(metric->name(), metric->result());
  return evaluation;
}

void reset(std::vector<AnyMetric>& metrics) {
  for (AnyMetric& metric : metrics) metric->reset();
}

void check_names(const char* caller, const std::vector<AnyMetric>& metrics) {
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    const std::string name = metrics[i]->name();
    static constexpr std::string_view taken[] = {"", "loss", "epoch", "learning_rate", "seconds"};
    check<Error>(std::ranges::find(taken, name) == std::end(taken) && !name.starts_with("val_"),
                 "{}: no metric may be called '{}'", caller, name);
    for (std::size_t j = 0; j < i; ++j) {
      check<Error>(metrics[j]->name() != name, "{}: two metrics are called '{}'", caller, name);
    }
  }
}

/// Where a model's buffers are.
class Buffers : public nn::Visitor {
 public:
  std::vector<Tensor*> places;

 private:
  void buffer(const std::string& /*path*/, Tensor& buffer) override { places.push_back(&buffer); }
};

/// Where a run with `stop_on_nan` ends.
struct LossNotFinite {
  double loss;
};

/// One call of `fit`.
class Fit {
 public:
  Fit(nn::Module& model, DataLoader& loader, std::optional<AnyDataset> validation, const FitOptions& options)
      : model_(model),
        loader_(loader),
        options_(options),
        optimizer_(*options.optimizer),
        metrics_(options.metrics),
        callbacks_(options.callbacks),
        generator_(datasets::detail::derived_seed(options.seed, datasets::detail::Stream::training)),
        run_(model, optimizer_, history_) {
    if (validation)
      validation_.emplace(*validation,
                          datasets::DataLoaderOptions{.batch_size = loader.options().batch_size, .shuffle = false});
    if (options.schedule) scheduler_.emplace(optimizer_, *options.schedule);
    if (options.progress) callbacks_.emplace_back(callbacks::Progress());
    reset(metrics_);
    find_buffers();
    find_penalized();
    run_.epochs = options.epochs;
    run_.steps = loader.size();
    run_.has_validation = validation.has_value();
    std::vector<std::pair<std::string, bool>> directions;
    for (const AnyMetric& metric : metrics_) directions.emplace_back(metric->name(), metric->larger_is_better());
    run_.set_larger_is_better(std::move(directions));
  }

  History run() {
    const GeneratorScope scope(generator_);
    const ModesKept modes(model_);
    if (!options_.resume.empty()) load();
    model_.train();
    each([&](Callback& c) { c.on_begin(run_); });
    save();  // what cannot be written is better found out before training than after
    while (run_.stopped().empty() && std::cmp_less(history_.epochs.size(), options_.epochs)) epoch();
    history_.stopped = run_.stopped();
    each([&](Callback& c) { c.on_end(run_); });
    return std::move(history_);
  }

 private:
  template <class F>
  void each(F f) {
    for (AnyCallback& callback : callbacks_) f(*callback.operator->());
  }

  void epoch() {
    const Stopwatch watch;
    run_.epoch = static_cast<std::int64_t>(history_.epochs.size()) + 1;
    run_.step = 0;
    reset(metrics_);
    loss_.clear();
    each([&](Callback& c) { c.on_epoch_begin(run_); });
    EpochRecord record{.epoch = run_.epoch};
    for (const datasets::Batch& batch : loader_) {
      run_.learning_rates = rates_of(optimizer_);
      record.learning_rate = run_.learning_rates.front();
      if (!step(batch)) break;
      each([&](Callback& c) { c.on_step(run_); });
      if (interrupt_.requested()) {
        history_.interrupted = true;
        run_.stop("interrupted");
      }
      if (!run_.stopped().empty()) break;
    }
    record.steps = run_.step;
    record.train = results_of(loss_.value(), metrics_);
    const bool whole = run_.step == run_.steps;
    if (whole && validation_) record.validation = validate();
    record.seconds = watch.seconds();
    if (record.steps > 0) history_.epochs.push_back(std::move(record));
    if (whole) end_epoch();
  }

  void end_epoch() {
    if (scheduler_ && options_.schedule_every == Every::epoch) {
      if (scheduler_->schedule().takes_metric()) {
        scheduler_->step(history_.last().value(run_.default_monitor()));
      } else {
        scheduler_->step();
      }
    }
    optimizer_.end_epoch();
    each([&](Callback& c) { c.on_epoch_end(run_); });
    if (weights_are_finite()) {
      save();
    } else {
      const std::string what = fmt::format("weights are infinite or NaN after epoch {}", run_.epoch);
      check<Error>(options_.stop_on_nan, "fit: {}; a smaller learning rate or clip_norm may help", what);
      run_.stop(what);
    }
    if (interrupt_.requested() && run_.stopped().empty()) {
      history_.interrupted = true;
      run_.stop("interrupted");
    }
  }

  /// A gradient that is not finite shows in the next loss, but the last step of an epoch has none.
  bool weights_are_finite() const {
    const NoGrad guard;
    return std::ranges::all_of(optimizer_.parameters(), [](const ParameterRef& parameter) {
      return all(isfinite(parameter.value())).item() != 0;
    });
  }

  /// Whether the weights have changed; if not, the run has been stopped.
  bool step(const datasets::Batch& batch) {
    const std::int64_t samples = samples_of("fit", batch);
    Tensor prediction;
    std::optional<double> first_loss;  // LBFGS asks again, at points that it may refuse
    // A forward pass may change buffers, such as running statistics, before the loss shows that it should not have.
    std::vector<Tensor> buffers_before;
    for (const Tensor* buffer : buffers_) buffers_before.push_back(*buffer);
    const auto closure = [&] {
      optimizer_.zero_grad();
      const Tensor output = model_(batch.x);
      const Tensor loss = options_.loss(output, batch.y);
      if (!first_loss) {
        first_loss = number("fit", loss);
        prediction = output.detach();
        if (!std::isfinite(*first_loss)) throw LossNotFinite{*first_loss};
      }
      Tensor total = with_penalties(loss);
      if (!penalized_.empty() && !std::isfinite(total.item())) throw LossNotFinite{total.item()};
      total.backward();
      if (options_.clip_value) optim::clip_grad_value(optimizer_.parameters(), *options_.clip_value);
      if (options_.clip_norm) optim::clip_grad_norm(optimizer_.parameters(), *options_.clip_norm);
      return total;
    };
    try {
      optimizer_.step(closure);
    } catch (const LossNotFinite& failure) {
      for (std::size_t i = 0; i < buffers_.size(); ++i) *buffers_[i] = buffers_before[i];
      const std::string what =
          fmt::format("the loss is {} in epoch {}, step {}", failure.loss, run_.epoch, run_.step + 1);
      check<Error>(options_.stop_on_nan,
                   "fit: {}; a smaller learning rate or clip_norm may help, Anomaly finds the op it came from, and "
                   "stop_on_nan ends the run instead",
                   what);
      run_.stop(what);
      return false;
    }
    if (scheduler_ && options_.schedule_every == Every::step) scheduler_->step();
    ++run_.step;
    ++run_.total_steps;
    run_.samples = samples;
    run_.loss = *first_loss;
    loss_.add(*first_loss, static_cast<double>(samples));
    run_.metrics.clear();
    for (AnyMetric& metric : metrics_) {
      metric->update(prediction, batch.y);
      const Tensor result = metric->result();
      if (result.numel() == 1) run_.metrics.emplace_back(metric->name(), result.item());
    }
    return true;
  }

  void find_buffers() {
    Buffers buffers;
    model_.visit(buffers);
    buffers_ = std::move(buffers.places);
  }

  void find_penalized() {
    if (options_.l1 == 0 && options_.l2 == 0) return;
    for (const auto& [name, parameter] : model_.named_parameters()) {
      const bool chosen = options_.penalize ? options_.penalize(name, parameter.value()) : parameter->rank() >= 2;
      if (chosen) penalized_.push_back(parameter);
    }
  }

  Tensor with_penalties(const Tensor& loss) const {
    Tensor total = loss;
    for (const ParameterRef& w : penalized_) {
      if (!w.requires_grad()) continue;
      if (options_.l1 != 0) total = total + options_.l1 * sum(abs(w));
      if (options_.l2 != 0) total = total + options_.l2 * sum(square(w));
    }
    return total;
  }

  Evaluation validate() {
    return evaluate(model_, validation_->dataset(),
                    {.loss = options_.loss, .metrics = metrics_, .batch_size = validation_->options().batch_size});
  }

  void save() const {
    if (!options_.checkpoint.empty()) save_safetensors(options_.checkpoint, state());
  }

  StateDict state() const {
    detail::CheckpointWriter writer;
    writer.add("model", model_.state_dict());
    writer.add("optimizer", optimizer_.state_dict());
    if (scheduler_) writer.add("schedule", scheduler_->state_dict());
    for (std::size_t i = 0; i < callbacks_.size(); ++i) {
      writer.add(fmt::format("callbacks.{}", i), callbacks_[i]->state_dict());
    }
    writer.add("history", detail::state_of(history_.epochs));
    const Generator::State random = generator_.state();
    writer.add("run", {{"generator", detail::words({random.seed, random.offset})},
                       {"next_epoch", detail::words({loader_.next_epoch()})},
                       {"total_steps", detail::words({static_cast<std::uint64_t>(run_.total_steps)})},
                       {"data", identity()}});
    return writer.take();
  }

  /// What must be the same in the run that is resumed: order and size of the batches.
  Tensor identity() const {
    const datasets::DataLoaderOptions& of = loader_.options();
    return detail::words({static_cast<std::uint64_t>(loader_.dataset().size()),
                          static_cast<std::uint64_t>(of.batch_size), of.seed, of.shuffle ? 1U : 0U,
                          of.drop_last ? 1U : 0U});
  }

  void load() {
    const detail::CheckpointReader reader(options_.resume);
    const StateDict run = reader.part("run");
    const std::vector<std::uint64_t> data = reader.words_of(run, "data", 5);
    const std::vector<std::uint64_t> here = detail::words_of(identity());
    static constexpr const char* names[] = {"number of samples", "batch size", "seed of the order", "shuffle",
                                            "drop_last"};
    for (std::size_t i = 0; i < data.size(); ++i) {
      check<Error>(data[i] == here[i], "fit: '{}' was written by a run whose {} was {}; here it is {}", options_.resume,
                   names[i], data[i], here[i]);
    }
    const StateDict model_before = model_.state_dict();
    const StateDict optimizer_before = optimizer_.state_dict();
    std::vector<StateDict> callbacks_before;
    for (const AnyCallback& callback : callbacks_) callbacks_before.push_back(callback->state_dict());
    try {
      model_.load_state_dict(reader.part("model"));
      optimizer_.load_state_dict(reader.part("optimizer"));
      if (scheduler_) scheduler_->load_state_dict(reader.part("schedule"));
      history_.epochs = reader.history();
      const std::vector<std::uint64_t> random = reader.words_of(run, "generator", 2);
      generator_.set_state({random[0], random[1]});
      loader_.set_next_epoch(reader.words_of(run, "next_epoch", 1)[0]);
      run_.total_steps = static_cast<std::int64_t>(reader.words_of(run, "total_steps", 1)[0]);
      for (std::size_t i = 0; i < callbacks_.size(); ++i) {
        const StateDict state = reader.part(fmt::format("callbacks.{}", i));
        if (!state.empty()) callbacks_[i]->load_state_dict(state);
      }
    } catch (const std::exception& error) {
      model_.load_state_dict(model_before);
      optimizer_.load_state_dict(optimizer_before);
      for (std::size_t i = 0; i < callbacks_.size(); ++i) {
        if (!callbacks_before[i].empty()) callbacks_[i]->load_state_dict(callbacks_before[i]);
      }
      fail<Error>("fit: cannot resume from '{}': {}", options_.resume, error.what());
    }
    run_.resumed = true;
    run_.epoch = static_cast<std::int64_t>(history_.epochs.size());
  }

  nn::Module& model_;
  DataLoader& loader_;
  const FitOptions& options_;
  optim::Optimizer& optimizer_;
  std::vector<AnyMetric> metrics_;
  std::vector<AnyCallback> callbacks_;
  std::vector<ParameterRef> penalized_;
  std::vector<Tensor*> buffers_;
  std::optional<DataLoader> validation_;
  std::optional<optim::Scheduler> scheduler_;
  Generator generator_;
  InterruptGuard interrupt_;
  RunningMean loss_;
  History history_;
  TrainingRun run_;
};

void check_options(const FitOptions& options) {
  check<Error>(options.loss.defined(), "fit: options.loss is not given");
  check<Error>(options.optimizer.defined(), "fit: options.optimizer is not given");
  check<Error>(options.epochs >= 0, "fit: epochs must not be negative, got {}", options.epochs);
  for (const auto& [name, value] : {std::pair("l1", options.l1), std::pair("l2", options.l2)}) {
    check<Error>(std::isfinite(value) && value >= 0, "fit: {} must be finite and not negative, got {}", name, value);
  }
  check_names("fit", options.metrics);
  check<Error>(!options.schedule || !options.schedule->takes_metric() || options.schedule_every == Every::epoch,
               "fit: reduce_on_plateau watches whole epochs; schedule_every must be Every::epoch");
  check<Error>((options.checkpoint.empty() && options.resume.empty()) || safetensors_available(),
               "fit: checkpoints need nlohmann_json, which this build has not");
}

History fit_with(nn::Module& model, DataLoader& loader, std::optional<AnyDataset> validation,
                 const FitOptions& options) {
  check<Error>(loader.size() > 0, "fit: there is nothing to train on: {} samples, batches of {}",
               loader.dataset().size(), loader.options().batch_size);
  check<Error>(!validation || validation->size() > 0, "fit: the validation data have no samples");
  std::optional<RatesKept> rates;
  if (options.schedule) rates.emplace(*options.optimizer);
  return Fit(model, loader, std::move(validation), options).run();
}

std::int64_t batch_size_of(const FitOptions& options, std::int64_t samples) {
  check<Error>(!options.batch_size || !options.batches, "fit: batch_size and batches are both given");
  if (options.batch_size) {
    check<Error>(*options.batch_size >= 1, "fit: batch_size must be at least 1, got {}", *options.batch_size);
    return *options.batch_size;
  }
  if (!options.batches) return 32;
  check<Error>(*options.batches >= 1 && *options.batches <= samples,
               "fit: batches must be from 1 to the number of samples {}, got {}", samples, *options.batches);
  return (samples + *options.batches - 1) / *options.batches;
}

}  // namespace

History fit(nn::Module& model, const AnyDataset& train, const FitOptions& options) {
  check_options(options);
  AnyDataset data = train;
  std::optional<AnyDataset> validation;
  if (const AnyDataset* given = std::get_if<AnyDataset>(&options.validation)) validation = *given;
  if (const double* share = std::get_if<double>(&options.validation)) {
    const auto [for_training, held_out] = datasets::train_test_split(train, *share, {.seed = options.seed});
    data = for_training;
    validation = held_out;
  }
  DataLoader loader(data, {.batch_size = batch_size_of(options, data.size()), .seed = options.seed});
  return fit_with(model, loader, std::move(validation), options);
}

History fit(nn::Module& model, DataLoader& train, const FitOptions& options) {
  check_options(options);
  check<Error>(!options.batch_size && !options.batches, "fit: the loader has its batch size; give none in the options");
  check<Error>(!std::holds_alternative<double>(options.validation),
               "fit: a share of the data for validation needs the data set, not a loader; split it first");
  std::optional<AnyDataset> validation;
  if (const AnyDataset* given = std::get_if<AnyDataset>(&options.validation)) validation = *given;
  return fit_with(model, train, std::move(validation), options);
}

Evaluation evaluate(nn::Module& model, const AnyDataset& data, const EvaluateOptions& options) {
  check_names("evaluate", options.metrics);
  const ModesKept modes(model);
  const NoGrad guard;
  model.eval();
  std::vector<AnyMetric> metrics = options.metrics;
  reset(metrics);
  RunningMean loss;
  const DataLoader loader(data, {.batch_size = options.batch_size, .shuffle = false});
  for (const datasets::Batch& batch : loader.epoch(0)) {
    const Tensor prediction = model(batch.x);
    const std::int64_t samples = samples_of("evaluate", batch);
    if (options.loss.defined()) {
      loss.add(number("evaluate", options.loss(prediction, batch.y)), static_cast<double>(samples));
    }
    for (AnyMetric& metric : metrics) metric->update(prediction, batch.y);
  }
  return results_of(loss.value(), metrics);
}

namespace {

/// The outputs for `inputs(begin, end)` of all stretches of at most batch_size, joined.
template <class F>
Tensor predict_stretches(nn::Module& model, std::int64_t samples, std::int64_t batch_size, F inputs) {
  check<Error>(batch_size >= 1, "predict: batch_size must be at least 1, got {}", batch_size);
  const ModesKept modes(model);
  const NoGrad guard;
  model.eval();
  std::vector<Tensor> outputs;
  std::int64_t begin = 0;
  do {
    const std::int64_t end = std::min(begin + batch_size, samples);
    outputs.push_back(model(inputs(begin, end)));
    begin = end;
  } while (begin < samples);
  return outputs.size() == 1 ? outputs.front() : cat(outputs);
}

}  // namespace

Tensor predict(nn::Module& model, const Tensor& x, const PredictOptions& options) {
  check<Error>(x.defined(), "predict: x is undefined");
  check(x.rank() >= 1, "predict: x must be [N, ...], got {}", x.shape());
  return predict_stretches(model, x.dim(0), options.batch_size,
                           [&](std::int64_t begin, std::int64_t end) { return x.slice(begin, end); });
}

Tensor predict(nn::Module& model, const AnyDataset& data, const PredictOptions& options) {
  return predict_stretches(model, data.size(), options.batch_size,
                           [&](std::int64_t begin, std::int64_t end) { return data.range(begin, end - begin).x; });
}

}  // namespace wengert
