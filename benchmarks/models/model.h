#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include <wengert/wengert.h>

#include "benchmarks/comparison.h"
#include "benchmarks/peer.h"
#include "benchmarks/wire.h"

/// The models, each in a file of its own with its two sides: ours and the hand-written one. A side is made from a
/// Problem, and `backward()` computes the gradients of all weights; `step()` does that and updates them. What libtorch
/// does is in benchmarks/torch/.

namespace wengert::bench {

/// Weights and data at random, the same in every run.
class Draw {
 public:
  Array uniform(const std::string& name, const std::vector<std::int64_t>& shape, double low, double high);
  /// Uniform in +-1 / sqrt(fan in), as PyTorch's layers start.
  Array weight(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t fan_in);
  Array labels(std::int64_t count, std::int64_t classes);

 private:
  std::mt19937 random_{7};
};

Tensor to_tensor(const Array& array);
std::vector<float> to_vector(const Tensor& tensor);

/// Gives a model the problem's weights. Throws Error unless it has the same parameters in the same order.
void load(std::span<const ParameterRef> parameters, const Problem& problem);

/// Throws Error unless both sides have the same gradients.
void require_same_gradients(const Problem& problem, std::span<const ParameterRef> ours,
                            const std::function<std::vector<float>(std::size_t)>& theirs, const std::string& side);

/// Ours, hand-written and libtorch, once they agree on every gradient.
template <class Ours, class Hand>
Contenders model_contenders(const Problem& problem) {
  const auto ours = std::make_shared<Ours>(problem);
  const auto hand = std::make_shared<Hand>(problem);
  ours->backward();
  hand->backward();
  const std::vector<ParameterRef> parameters = ours->parameters();
  require_same_gradients(
      problem, parameters, [&](std::size_t i) { return hand->gradient(i); }, "hand-written");
  Contenders sides{.ours = timed([ours] { ours->step(); }), .hand = timed([hand] { hand->step(); })};
  if (has_peer()) {
    const Peer peer(problem);
    const std::vector<Array> theirs = peer.results();
    require_same_gradients(
        problem, parameters, [&](std::size_t i) { return theirs.at(i).numbers; }, "libtorch");
    sides.peer = peer.timed();
  }
  return sides;
}

void register_mlp();
void register_digits();
void register_spiral();
void register_small_cnn();
void register_mnist_cnn();
void register_recurrent();
void register_transformer();

}  // namespace wengert::bench
