#include "train/callbacks.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include <wengert/nn/save.h>

#include "io/detail/atomic_file.h"
#include "train/detail/event_file.h"
#include "train/progress.h"

namespace wengert::callbacks {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void replace_file(const char* caller, const std::string& path, const std::string& text) {
  wengert::detail::write_file_atomically(caller, path, {std::as_bytes(std::span(text))});
}

void append_to_file(const char* caller, const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "ab");
  check<IoError>(file != nullptr, "{}: '{}' cannot be written: {}", caller, path, std::strerror(errno));
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = std::fclose(file) == 0;
  check<IoError>(written && closed, "{}: '{}' cannot be written: {}", caller, path, std::strerror(errno));
}

/// A field of a CSV file (RFC 4180).
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string csv_row(const NamedValues& row) {
  std::string line;
  for (const auto& [name, value] : row) {
    if (&name != &row.front().first) line += ',';
    if (!std::isnan(value)) line += fmt::format("{}", value);
  }
  return line + "\n";
}

std::vector<std::string> names_of(const NamedValues& row) {
  std::vector<std::string> names;
  for (const auto& [name, value] : row) names.push_back(name);
  return names;
}

std::string csv_header(const std::vector<std::string>& names) {
  std::string line;
  for (const std::string& name : names) line += (line.empty() ? "" : ",") + csv_field(name);
  return line + "\n";
}

std::string json_string(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<int>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string json_line(const NamedValues& row) {
  std::string line = "{";
  for (const auto& [name, value] : row) {
    if (line.size() > 1) line += ", ";
    line += json_string(name) + ": " + (std::isfinite(value) ? fmt::format("{}", value) : "null");
  }
  return line + "}\n";
}

/// "accuracy/train" and "accuracy/validation", which TensorBoard shows side by side.
std::string tag_of(const std::string& name) {
  if (name.starts_with("val_")) return name.substr(4) + "/validation";
  return name == "learning_rate" || name == "seconds" ? name : name + "/train";
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string new_event_file(const std::string& folder) {
  static std::atomic<int> count{0};
  char host[256] = "localhost";
  if (::gethostname(host, sizeof host - 1) != 0) std::strcpy(host, "localhost");
  return (std::filesystem::path(folder) / fmt::format("events.out.tfevents.{}.{}.{}.{}",
                                                      static_cast<std::int64_t>(seconds_since_1970()), host, ::getpid(),
                                                      count++))
      .string();
}

/// The number of that name; throws Error if it is not there.
std::int64_t count_in(const StateDict& state, std::string_view name) {
  const Tensor& tensor = state.at(name);
  check<Error>(tensor.dtype() == int64 && tensor.numel() == 1, "load_state_dict: '{}' must be one int64", name);
  return tensor.item<std::int64_t>();
}

Tensor count(std::int64_t number) { return from_vector(std::vector<std::int64_t>{number}); }
Tensor number(double value) { return from_vector(std::vector<double>{value}); }

std::optional<double> best_in(const StateDict& state) {
  const Tensor* best = state.find("best");
  if (best == nullptr) return std::nullopt;
  check<Error>(best->dtype() == float64 && best->numel() == 1, "load_state_dict: 'best' must be one float64");
  return best->item();
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// Progress.

void Progress::on_begin(TrainingRun& run) {
  line_.reset();
  const auto done = static_cast<std::int64_t>(run.history.epochs.size());
  if (done >= run.epochs) return;
  line_ = std::make_shared<ProgressLine>(ProgressLineOptions{.epochs = run.epochs,
                                                             .steps = run.steps,
                                                             .out = options_.out,
                                                             .updating = options_.updating,
                                                             .seconds_between_lines = options_.seconds_between_lines,
                                                             .epochs_before = done});
}

void Progress::on_step(TrainingRun& run) {
  line_->set_values(run.metrics);
  line_->step(run.samples, run.loss);
}

void Progress::on_epoch_end(TrainingRun& run) {
  NamedValues shown;
  for (auto& [name, value] : run.history.last().values()) {
    const bool is_in_the_line = name == "epoch" || name == "loss";
    const bool is_result = name != "learning_rate" && name != "seconds";
    if (!is_in_the_line && is_result) shown.emplace_back(name, value);
  }
  line_->set_values(std::move(shown));
  line_->end_epoch();
}

void Progress::on_end(TrainingRun& run) {
  if (line_) line_->finish();
  line_.reset();
  if (!run.stopped().empty()) fmt::print(options_.out, "training ends here: {}\n", run.stopped());
}

// ---------------------------------------------------------------------------------------------------------------------
// Logs.

void CsvLog::write(const NamedValues& row) {
  check<Error>(!row.empty(), "CsvLog: a row needs a value");
  if (names_.empty()) {
    const std::vector<std::string> names = names_of(row);
    replace_file("CsvLog", path_, csv_header(names) + csv_row(row));
    names_ = names;
    return;
  }
  check<Error>(names_of(row) == names_, "CsvLog: the columns of '{}' are {}; this row has {}", path_,
               fmt::join(names_, ", "), fmt::join(names_of(row), ", "));
  append_to_file("CsvLog", path_, csv_row(row));
}

void CsvLog::on_begin(TrainingRun& run) {
  names_.clear();
  if (run.history.epochs.empty()) return;
  std::string text;
  for (const EpochRecord& record : run.history.epochs) {
    const NamedValues row = record.values();
    if (names_.empty()) text = csv_header(names_ = names_of(row));
    text += csv_row(row);
  }
  replace_file("CsvLog", path_, text);
}

void CsvLog::on_epoch_end(TrainingRun& run) { write(run.history.last().values()); }

void JsonLinesLog::write(const NamedValues& row) {
  if (begun_) {
    append_to_file("JsonLinesLog", path_, json_line(row));
  } else {
    replace_file("JsonLinesLog", path_, json_line(row));
  }
  begun_ = true;
}

void JsonLinesLog::on_begin(TrainingRun& run) {
  begun_ = !run.history.epochs.empty();
  if (!begun_) return;
  std::string text;
  for (const EpochRecord& record : run.history.epochs) text += json_line(record.values());
  replace_file("JsonLinesLog", path_, text);
}

void JsonLinesLog::on_epoch_end(TrainingRun& run) { write(run.history.last().values()); }

void TensorBoardLog::scalar(const std::string& tag, double value, std::int64_t step) {
  using namespace wengert::detail;
  if (path_.empty()) {
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    check<IoError>(!error, "TensorBoardLog: folder '{}' cannot be made: {}", folder_, error.message());
    const std::string path = new_event_file(folder_);
    append_to_file("TensorBoardLog", path, tf_record(version_event(seconds_since_1970())));
    path_ = path;
  }
  append_to_file("TensorBoardLog", path_, tf_record(scalar_event(seconds_since_1970(), step, tag, value)));
}

void TensorBoardLog::on_epoch_end(TrainingRun& run) {
  for (const auto& [name, value] : run.history.last().values()) {
    if (name != "epoch") scalar(tag_of(name), value, run.epoch);
  }
}

void LearningRateMonitor::on_begin(TrainingRun& run) {
  static_cast<void>(run.optimizer.learning_rate(group_));  // throws here for a group that there is not
  if (!run.resumed) rates_.clear();
}

void LearningRateMonitor::on_step(TrainingRun& run) { rates_.push_back(run.learning_rates.at(group_)); }

StateDict LearningRateMonitor::state_dict() const { return {{"rates", from_vector(rates_)}}; }

void LearningRateMonitor::load_state_dict(const StateDict& state) {
  const Tensor& rates = state.at("rates");
  check<Error>(rates.dtype() == float64 && rates.rank() == 1, "LearningRateMonitor: 'rates' must be [n] float64");
  rates_.assign(rates.data<double>().begin(), rates.data<double>().end());
}

// ---------------------------------------------------------------------------------------------------------------------
// The best epoch.

Best::Best(const MonitorOptions& options) : options_(options), maximize_(options.maximize.value_or(false)) {
  check<Error>(std::isfinite(options.min_delta) && options.min_delta >= 0,
               "min_delta must be finite and not negative, got {}", options.min_delta);
}

std::string Best::name(const TrainingRun& run) const {
  return options_.monitor.empty() ? run.default_monitor() : options_.monitor;
}

double Best::watched(const TrainingRun& run) {
  maximize_ = options_.maximize.value_or(run.larger_is_better(name(run)));
  return run.history.last().value(name(run));
}

bool Best::better(double value) {
  const bool improved =
      !std::isnan(value) &&
      (!best_ || (maximize_ ? value > *best_ + options_.min_delta : value < *best_ - options_.min_delta));
  if (improved) best_ = value;
  return improved;
}

BestCheckpoint::BestCheckpoint(std::string path, const MonitorOptions& options)
    : path_(std::move(path)), best_(options) {}

double BestCheckpoint::best() const { return best_.value().value_or(nan); }

void BestCheckpoint::on_begin(TrainingRun& run) {
  if (run.resumed) return;
  best_.set(std::nullopt);
  best_epoch_ = 0;
}

void BestCheckpoint::on_epoch_end(TrainingRun& run) {
  if (!best_.better(best_.watched(run))) return;
  best_epoch_ = run.epoch;
  nn::save(run.model, path_);
}

StateDict BestCheckpoint::state_dict() const {
  StateDict state{{"best_epoch", count(best_epoch_)}};
  if (best_.value()) state.set("best", number(*best_.value()));
  return state;
}

void BestCheckpoint::load_state_dict(const StateDict& state) {
  const std::int64_t epoch = count_in(state, "best_epoch");
  best_.set(best_in(state));
  best_epoch_ = epoch;
}

EarlyStopping::EarlyStopping(const EarlyStoppingOptions& options)
    : options_(options),
      best_({.monitor = options.monitor, .maximize = options.maximize, .min_delta = options.min_delta}) {
  check<Error>(options.patience >= 1, "EarlyStopping: patience must be at least 1, got {}", options.patience);
}

bool EarlyStopping::update(double value, const nn::Module& model) {
  ++epochs_;
  if (best_.better(value)) {
    best_epoch_ = epochs_;
    if (options_.restore_best) best_state_ = model.state_dict();
  }
  return exhausted();
}

void EarlyStopping::restore(nn::Module& model) const {
  if (!best_state_.empty()) model.load_state_dict(best_state_);
}

double EarlyStopping::best() const { return best_.value().value_or(nan); }

void EarlyStopping::on_begin(TrainingRun& run) {
  if (!run.resumed) {
    best_.set(std::nullopt);
    epochs_ = best_epoch_ = 0;
    best_state_ = {};
  }
  if (epochs_ > 0 && exhausted()) stop(run);
}

void EarlyStopping::on_epoch_end(TrainingRun& run) {
  if (update(best_.watched(run), run.model)) stop(run);
}

void EarlyStopping::on_end(TrainingRun& run) { restore(run.model); }

void EarlyStopping::stop(TrainingRun& run) const {
  run.stop(fmt::format("no better {} for {} epochs: {:.6g} in epoch {} is the best", best_.name(run),
                       epochs_ - best_epoch_, best(), best_epoch_));
}

StateDict EarlyStopping::state_dict() const {
  StateDict state{{"epochs", count(epochs_)}, {"best_epoch", count(best_epoch_)}};
  if (best_.value()) state.set("best", number(*best_.value()));
  for (const auto& [name, tensor] : best_state_) state.set("weights." + name, tensor);
  return state;
}

void EarlyStopping::load_state_dict(const StateDict& state) {
  constexpr std::string_view prefix = "weights.";
  StateDict weights;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(prefix)) weights.set(name.substr(prefix.size()), tensor);
  }
  const std::int64_t epochs = count_in(state, "epochs");
  const std::int64_t best_epoch = count_in(state, "best_epoch");
  best_.set(best_in(state));
  epochs_ = epochs;
  best_epoch_ = best_epoch;
  best_state_ = std::move(weights);
}

}  // namespace wengert::callbacks
