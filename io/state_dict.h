#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <wengert/autograd/tensor.h>

namespace wengert {

/// Named tensors in the order in which they were added: the state of a model or an optimizer, or what a file of weights
/// holds.
class StateDict {
 public:
  using Entry = std::pair<std::string, Tensor>;

  StateDict() = default;
  /// Throws Error if a name is there twice.
  StateDict(std::initializer_list<Entry> entries) : StateDict(std::vector<Entry>(entries)) {}
  explicit StateDict(std::vector<Entry> entries);

  std::size_t size() const noexcept { return entries_.size(); }
  bool empty() const noexcept { return entries_.empty(); }
  auto begin() const noexcept { return entries_.begin(); }
  auto end() const noexcept { return entries_.end(); }

  bool contains(std::string_view name) const noexcept { return find(name) != nullptr; }
  /// nullptr if there is no such name.
  const Tensor* find(std::string_view name) const noexcept;
  /// Throws Error if there is no such name.
  const Tensor& at(std::string_view name) const;

  /// Adds a tensor at the end, or replaces the one of that name where it stands.
  void set(std::string_view name, const Tensor& tensor);
  /// Returns whether there was one.
  bool erase(std::string_view name);

 private:
  std::size_t position(std::string_view name) const noexcept;
  bool holds(std::size_t position, std::string_view name) const noexcept {
    return position < by_name_.size() && entries_[by_name_[position]].first == name;
  }
  void sort_names();

  std::vector<Entry> entries_;
  std::vector<std::size_t> by_name_;  // indices of the entries
};

}  // namespace wengert
