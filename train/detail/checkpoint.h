#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <wengert/io/state_dict.h>
#include <wengert/train/history.h>

namespace wengert::detail {

/// Unsigned numbers as an int64 tensor of the same bits, and back.
Tensor words(const std::vector<std::uint64_t>& numbers);
std::vector<std::uint64_t> words_of(const Tensor& tensor);

StateDict state_of(const std::vector<EpochRecord>& epochs);

/// One state dict made of several, each under a prefix.
class CheckpointWriter {
 public:
  void add(const std::string& part, const StateDict& state);
  StateDict take() { return std::move(state_); }

 private:
  StateDict state_;
};

/// Reads such a file. Throws IoError that names the file, also for what is missing in it.
class CheckpointReader {
 public:
  explicit CheckpointReader(const std::string& path);

  /// What was added under that prefix; empty if nothing.
  StateDict part(std::string_view name) const;
  std::vector<EpochRecord> history() const;
  std::vector<std::uint64_t> words_of(const StateDict& part, std::string_view name, std::size_t count) const;

 private:
  const Tensor& at(const StateDict& part, std::string_view name, const Shape& shape, DType dtype) const;

  std::string path_;
  StateDict state_;
};

}  // namespace wengert::detail
