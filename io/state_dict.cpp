#include <algorithm>
#include <numeric>

#include <wengert/io/state_dict.h>

namespace wengert {

StateDict::StateDict(std::vector<Entry> entries) : entries_(std::move(entries)) {
  sort_names();
  for (std::size_t i = 1; i < by_name_.size(); ++i) {
    check<Error>(!holds(i, entries_[by_name_[i - 1]].first), "StateDict: two tensors are named '{}'",
                 entries_[by_name_[i]].first);
  }
}

const Tensor* StateDict::find(std::string_view name) const noexcept {
  const std::size_t at = position(name);
  return holds(at, name) ? &entries_[by_name_[at]].second : nullptr;
}

const Tensor& StateDict::at(std::string_view name) const {
  const Tensor* tensor = find(name);
  check<Error>(tensor != nullptr, "StateDict: there is no '{}' among the {} tensors", name, size());
  return *tensor;
}

void StateDict::set(std::string_view name, const Tensor& tensor) {
  const std::size_t at = position(name);
  if (holds(at, name)) {
    entries_[by_name_[at]].second = tensor;
  } else {
    entries_.emplace_back(name, tensor);
    by_name_.insert(by_name_.begin() + static_cast<std::ptrdiff_t>(at), entries_.size() - 1);
  }
}

bool StateDict::erase(std::string_view name) {
  const std::size_t at = position(name);
  if (!holds(at, name)) return false;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(by_name_[at]));
  sort_names();
  return true;
}

/// Where `name` stands in the order of names, or would stand.
std::size_t StateDict::position(std::string_view name) const noexcept {
  const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                      [&](std::size_t i, std::string_view n) { return entries_[i].first < n; });
  return static_cast<std::size_t>(found - by_name_.begin());
}

void StateDict::sort_names() {
  by_name_.resize(entries_.size());
  std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
  std::sort(by_name_.begin(), by_name_.end(),
            [&](std::size_t a, std::size_t b) { return entries_[a].first < entries_[b].first; });
}

}  // namespace wengert
