#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <wengert/optim/state_reader.h>

namespace wengert::optim {

Tensor StateReader::take(const std::string& name, const Shape& shape, DType dtype) {
  taken_.push_back(name);
  const Tensor* loaded = state_.find(name);
  if (!loaded) {
    add_problem(fmt::format("missing: {}", name));
    return {};
  }
  if (loaded->defined() && loaded->shape() == shape && loaded->dtype() == dtype) return loaded->detach();
  add_problem(fmt::format("{}: {}, expected {} {}", name,
                          loaded->defined() ? fmt::format("{} {}", loaded->dtype(), loaded->shape()) : "undefined",
                          dtype, shape));
  return {};
}

std::int64_t StateReader::take_count(const std::string& name) {
  const Tensor tensor = take(name, {}, int64);
  const std::int64_t count = tensor.defined() ? tensor.item<std::int64_t>() : 0;
  if (count >= 0) return count;
  add_problem(fmt::format("{}: {}", name, count));
  return 0;
}

double StateReader::take_number(const std::string& name) {
  const Tensor tensor = take(name, {}, float64);
  return tensor.defined() ? tensor.item() : 0;
}

std::vector<double> StateReader::take_rates(const std::string& name, std::size_t count) {
  const Tensor tensor = take(name, {static_cast<std::int64_t>(count)}, float64);
  if (!tensor.defined()) return std::vector<double>(count);
  std::vector<double> rates(tensor.data<double>().begin(), tensor.data<double>().end());
  for (const double rate : rates) {
    if (!(rate >= 0 && std::isfinite(rate))) add_problem(fmt::format("{}: {}", name, rate));
  }
  return rates;
}

void StateReader::add_problem(std::string_view text) { problems_ += fmt::format("\n  {}", text); }

void StateReader::finish(std::string_view what) const {
  std::string problems = problems_;
  std::vector<std::string> taken = taken_;
  std::sort(taken.begin(), taken.end());
  for (const auto& [name, tensor] : state_) {
    if (!std::binary_search(taken.begin(), taken.end(), name)) problems += fmt::format("\n  unexpected: {}", name);
  }
  check<Error>(problems.empty(), "load_state_dict: the state does not fit {}:{}", what, problems);
}

}  // namespace wengert::optim
