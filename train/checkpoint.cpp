#include "train/checkpoint.h"

#include <bit>
#include <cstdint>
#include <vector>

namespace wengert {

void add_part(StateDict& all, std::string_view name, const StateDict& part) {
  for (const auto& [key, tensor] : part) all.set(std::string(name) + "." + key, tensor);
}

StateDict part_of(const StateDict& all, std::string_view name) {
  const std::string prefix = std::string(name) + ".";
  std::vector<StateDict::Entry> part;
  for (const auto& [key, tensor] : all) {
    if (key.starts_with(prefix)) part.emplace_back(key.substr(prefix.size()), tensor);
  }
  return StateDict(std::move(part));
}

StateDict random_state(const Generator& generator) {
  const auto [seed, offset] = generator.state();
  return {{"state", from_vector(std::vector{std::bit_cast<std::int64_t>(seed), std::bit_cast<std::int64_t>(offset)})}};
}

void set_random_state(const StateDict& state, Generator& generator) {
  const Tensor& numbers = state.at("state");
  check<Error>(numbers.defined() && numbers.dtype() == int64 && numbers.shape() == Shape{2},
               "set_random_state: 'state' must be int64 [2]");
  const auto words = numbers.data<std::int64_t>();
  generator.set_state({std::bit_cast<std::uint64_t>(words[0]), std::bit_cast<std::uint64_t>(words[1])});
}

}  // namespace wengert
