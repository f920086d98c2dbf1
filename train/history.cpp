#include "train/history.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include <wengert/autograd/error.h>

namespace wengert {
namespace {

std::string names_of(const NamedValues& values) {
  std::string names;
  for (const auto& [name, value] : values) names += (names.empty() ? "" : ", ") + name;
  return names;
}

const double* find(const NamedValues& values, std::string_view name) {
  const auto found = std::ranges::find(values, name, &NamedValues::value_type::first);
  return found == values.end() ? nullptr : &found->second;
}

void append(NamedValues& values, const Evaluation& evaluation, const std::string& prefix) {
  values.emplace_back(prefix + "loss", evaluation.loss);
  for (const auto& [name, result] : evaluation.metrics) {
    if (result.numel() == 1) values.emplace_back(prefix + name, result.item());
  }
}

}  // namespace

double Evaluation::metric(std::string_view name) const {
  const Tensor* result = metrics.find(name);
  if (result == nullptr) {
    std::string names;
    for (const auto& [known, value] : metrics) names += (names.empty() ? "" : ", ") + known;
    fail<Error>("Evaluation: there is no metric '{}'; there are: {}", name, names.empty() ? "none" : names);
  }
  check<Error>(result->numel() == 1, "Evaluation: metric '{}' is no single number but {}; take it from `metrics`", name,
               result->shape());
  return result->item();
}

NamedValues EpochRecord::values() const {
  NamedValues values{{"epoch", static_cast<double>(epoch)}};
  append(values, train, "");
  if (validation) append(values, *validation, "val_");
  values.emplace_back("learning_rate", learning_rate);
  values.emplace_back("seconds", seconds);
  return values;
}

double EpochRecord::value(std::string_view name) const {
  const NamedValues all = values();
  const double* found = find(all, name);
  check<Error>(found != nullptr, "EpochRecord: there is no value '{}'; there are: {}", name, names_of(all));
  return *found;
}

std::vector<double> History::curve(std::string_view name) const {
  std::vector<double> curve;
  bool known = false;
  for (const EpochRecord& record : epochs) {
    const NamedValues all = record.values();
    const double* found = find(all, name);
    known = known || found != nullptr;
    curve.push_back(found != nullptr ? *found : std::numeric_limits<double>::quiet_NaN());
  }
  check<Error>(known, "History: no epoch has a value '{}'; there are: {}", name,
               epochs.empty() ? "no epochs" : names_of(epochs.front().values()));
  return curve;
}

const EpochRecord& History::last() const {
  check<Error>(!epochs.empty(), "History: there are no epochs");
  return epochs.back();
}

}  // namespace wengert
