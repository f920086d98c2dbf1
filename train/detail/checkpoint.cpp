#include "train/detail/checkpoint.h"

#include <utility>

#include <fmt/format.h>

#include <wengert/io/safetensors.h>

namespace wengert::detail {
namespace {

/// All entries whose names begin with `prefix`, without it.
StateDict under(const StateDict& state, const std::string& prefix) {
  std::vector<StateDict::Entry> entries;
  for (const auto& [name, tensor] : state) {
    if (name.starts_with(prefix)) entries.emplace_back(name.substr(prefix.size()), tensor);
  }
  return StateDict(std::move(entries));
}

void add_under(StateDict& to, const std::string& prefix, const StateDict& state) {
  for (const auto& [name, tensor] : state) to.set(prefix + name, tensor);
}

}  // namespace

Tensor words(const std::vector<std::uint64_t>& numbers) {
  return from_vector(std::vector<std::int64_t>(numbers.begin(), numbers.end()));
}

std::vector<std::uint64_t> words_of(const Tensor& tensor) {
  const auto bits = tensor.data<std::int64_t>();
  return {bits.begin(), bits.end()};
}

void CheckpointWriter::add(const std::string& part, const StateDict& state) { add_under(state_, part + ".", state); }

StateDict state_of(const std::vector<EpochRecord>& epochs) {
  StateDict state;
  state.set("epochs", words({epochs.size()}));
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    const EpochRecord& e = epochs[i];
    const std::string prefix = fmt::format("{}.", i);
    state.set(prefix + "steps", words({static_cast<std::uint64_t>(e.steps)}));
    state.set(prefix + "numbers", from_vector(std::vector<double>{e.learning_rate, e.seconds, e.train.loss}));
    add_under(state, prefix + "train.", e.train.metrics);
    if (!e.validation) continue;
    state.set(prefix + "validation_loss", from_vector(std::vector<double>{e.validation->loss}));
    add_under(state, prefix + "validation.", e.validation->metrics);
  }
  return state;
}

CheckpointReader::CheckpointReader(const std::string& path) : path_(path), state_(load_safetensors(path)) {}

StateDict CheckpointReader::part(std::string_view name) const { return under(state_, fmt::format("{}.", name)); }

std::vector<EpochRecord> CheckpointReader::history() const {
  const StateDict state = part("history");
  std::vector<EpochRecord> epochs;
  const std::uint64_t count = words_of(state, "epochs", 1)[0];
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string prefix = fmt::format("{}.", i);
    const auto numbers = at(state, prefix + "numbers", {3}, float64).data<double>();
    EpochRecord record{.epoch = static_cast<std::int64_t>(i) + 1,
                       .steps = static_cast<std::int64_t>(words_of(state, prefix + "steps", 1)[0]),
                       .learning_rate = numbers[0],
                       .seconds = numbers[1],
                       .train = {.loss = numbers[2], .metrics = under(state, prefix + "train.")}};
    const std::string loss = prefix + "validation_loss";
    if (state.contains(loss)) {
      record.validation = {.loss = at(state, loss, {1}, float64).item(),
                           .metrics = under(state, prefix + "validation.")};
    }
    epochs.push_back(std::move(record));
  }
  return epochs;
}

std::vector<std::uint64_t> CheckpointReader::words_of(const StateDict& part, std::string_view name,
                                                      std::size_t count) const {
  return detail::words_of(at(part, name, {static_cast<std::int64_t>(count)}, int64));
}

const Tensor& CheckpointReader::at(const StateDict& part, std::string_view name, const Shape& shape,
                                   DType dtype) const {
  const Tensor* tensor = part.find(name);
  check<IoError>(tensor != nullptr && tensor->shape() == shape && tensor->dtype() == dtype,
                 "'{}' is no checkpoint of a training run: it has no '{}' as {} of {}", path_, name, dtype, shape);
  return *tensor;
}

}  // namespace wengert::detail
