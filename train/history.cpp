#include "train/history.h"

#include <algorithm>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>

namespace wengert {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr std::string_view validation_prefix = "val_";

template <class T>
const T* find(const std::vector<std::pair<std::string, T>>& entries, std::string_view name) {
  const auto found = std::ranges::find(entries, name, &std::pair<std::string, T>::first);
  return found == entries.end() ? nullptr : &found->second;
}

template <class T>
const T& at(const char* what, const std::vector<std::pair<std::string, T>>& entries, std::string_view name) {
  const T* found = find(entries, name);
  if (found) return *found;
  std::string names;
  for (const auto& [other, value] : entries) names += (names.empty() ? "" : ", ") + other;
  fail<Error>("{}: there is no '{}'; there {}", what, name, names.empty() ? "is none" : "are " + names);
}

double score(const Scores& scores, std::string_view name) {
  if (name == "loss") return scores.loss;
  const double* found = find(scores.metrics, name);
  return found ? *found : nan;
}

double value(const EpochRecord& record, std::string_view name) {
  if (name == "learning_rate") return record.learning_rate;
  if (name == "seconds") return record.seconds;
  if (name == "penalty") return record.penalty;
  if (!name.starts_with(validation_prefix)) return score(record.train, name);
  return record.validation ? score(*record.validation, name.substr(validation_prefix.size())) : nan;
}

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
}

Tensor column(const std::vector<double>& values) { return from_vector(values); }

void save_scores(StateDict& state, const std::string& prefix, const Scores& scores) {
  for (const auto& [name, table] : scores.tables) state.set(fmt::format("{}.{}", prefix, name), table);
}

}  // namespace

double Scores::metric(std::string_view name) const { return at("metric", metrics, name); }
const Tensor& Scores::table(std::string_view name) const { return at("table", tables, name); }

std::vector<std::string> History::names() const {
  std::vector<std::string> names{"loss"};
  std::vector<std::string> of_validation;
  bool penalty = false;
  for (const EpochRecord& record : epochs) {
    for (const auto& [name, value] : record.train.metrics) add_once(names, name);
    penalty = penalty || record.penalty != 0;
    if (!record.validation) continue;
    add_once(of_validation, "val_loss");
    for (const auto& [name, value] : record.validation->metrics) {
      add_once(of_validation, std::string(validation_prefix) + name);
    }
  }
  names.insert(names.end(), of_validation.begin(), of_validation.end());
  if (penalty) names.emplace_back("penalty");
  names.emplace_back("learning_rate");
  names.emplace_back("seconds");
  return names;
}

std::vector<double> History::operator[](std::string_view name) const {
  const std::vector<std::string> all = names();
  check<Error>(std::ranges::find(all, name) != all.end() || name == "penalty",
               "History: there is no '{}'; there are {}", name, fmt::join(all, ", "));
  std::vector<double> values;
  values.reserve(epochs.size());
  for (const EpochRecord& record : epochs) values.push_back(value(record, name));
  return values;
}

// Numbers by name as one tensor over the epochs: "value.val_accuracy"; what has other names or counts, too: "epoch".
// Tables, which may have another size in each epoch, by the epoch's place: "table.3.train.confusion_matrix".
StateDict History::state_dict() const {
  StateDict state;
  for (const std::string& name : names()) state.set("value." + name, column((*this)[name]));
  state.set("value.penalty", column((*this)["penalty"]));
  std::vector<std::int64_t> counts;
  for (const EpochRecord& r : epochs) counts.insert(counts.end(), {r.epoch, r.steps, r.samples, r.complete ? 1 : 0});
  state.set("counts", from_vector(counts, {static_cast<std::int64_t>(epochs.size()), 4}));
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    save_scores(state, fmt::format("table.{}.train", i), epochs[i].train);
    if (epochs[i].validation) save_scores(state, fmt::format("table.{}.validation", i), *epochs[i].validation);
  }
  return state;
}

void History::load_state_dict(const StateDict& state) {
  const Tensor& counts = state.at("counts");
  check<Error>(counts.dtype() == int64 && counts.rank() == 2 && counts.dim(1) == 4,
               "History: 'counts' must be int64 [epochs, 4], got {} {}", counts.dtype(), counts.shape());
  std::vector<EpochRecord> records(static_cast<std::size_t>(counts.dim(0)));
  for (std::size_t i = 0; i < records.size(); ++i) {
    const auto row = counts.data<std::int64_t>().subspan(4 * i, 4);
    records[i].epoch = row[0];
    records[i].steps = row[1];
    records[i].samples = row[2];
    records[i].complete = row[3] != 0;
  }
  const bool validated = state.contains("value.val_loss");
  if (validated) {
    for (EpochRecord& record : records) record.validation.emplace();
  }
  for (const auto& [key, tensor] : state) {
    constexpr std::string_view value_prefix = "value.";
    if (key.starts_with(value_prefix)) {
      check<Error>(tensor.dtype() == float64 && tensor.shape() == Shape{counts.dim(0)},
                   "History: '{}' must be float64 [{}], got {} {}", key, counts.dim(0), tensor.dtype(), tensor.shape());
      const std::string name = key.substr(value_prefix.size());
      for (std::size_t i = 0; i < records.size(); ++i) {
        const double number = tensor.data<double>()[i];
        EpochRecord& record = records[i];
        const bool of_validation = validated && name.starts_with(validation_prefix);
        Scores& scores = of_validation ? *record.validation : record.train;
        const std::string own = of_validation ? name.substr(validation_prefix.size()) : name;
        if (name == "learning_rate")
          record.learning_rate = number;
        else if (name == "seconds")
          record.seconds = number;
        else if (name == "penalty")
          record.penalty = number;
        else if (own == "loss")
          scores.loss = number;
        else
          scores.metrics.emplace_back(own, number);
      }
    }
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    for (const auto& [key, tensor] : state) {
      for (const bool of_validation : {false, true}) {
        const std::string prefix = fmt::format("table.{}.{}.", i, of_validation ? "validation" : "train");
        if (!key.starts_with(prefix) || (of_validation && !validated)) continue;
        Scores& scores = of_validation ? *records[i].validation : records[i].train;
        scores.tables.emplace_back(key.substr(prefix.size()), tensor);
      }
    }
  }
  *this = {.epochs = std::move(records)};
}

std::string format_scores(const EpochRecord& record) {
  std::string text = fmt::format("loss {:.4f}", record.train.loss);
  for (const auto& [name, value] : record.train.metrics) text += fmt::format("  {} {:.4f}", name, value);
  if (!record.validation) return text;
  if (record.validation->loss == record.validation->loss) {
    text += fmt::format("  val_loss {:.4f}", record.validation->loss);
  }
  for (const auto& [name, value] : record.validation->metrics) text += fmt::format("  val_{} {:.4f}", name, value);
  return text;
}

}  // namespace wengert
