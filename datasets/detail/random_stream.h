#pragma once

#include <cstdint>
#include <vector>

#include <wengert/autograd/philox.h>
#include <wengert/autograd/random.h>

namespace wengert::datasets::detail {

/// What random numbers are for: one seed given everywhere in a program must not make the initial weights, the split and
/// the order of the samples functions of the same numbers.
enum class Stream : std::uint32_t {
  split,
  epoch,
  spiral,
  moons,
  circles,
  blobs,
  noisy_sine,
  transform,
  loader,
  training = 100,
};

/// The seed of stream number `index` for this purpose, among those of `seed`.
inline std::uint64_t derived_seed(std::uint64_t seed, Stream stream, std::uint64_t index = 0) {
  // A Generator leaves the last word of the counter at 0, so these blocks are in no one's stream.
  const auto words = philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                                 static_cast<std::uint32_t>(stream), 1},
                                {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  return std::uint64_t{words[0]} << 32 | words[1];
}

/// The numbers 0 to n - 1 in random order.
inline std::vector<std::int64_t> shuffled(std::int64_t n, std::uint64_t seed, Stream stream, std::uint64_t index = 0) {
  Generator generator(derived_seed(seed, stream, index));
  return permutation(n, generator);
}

}  // namespace wengert::datasets::detail
