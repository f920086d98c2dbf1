#pragma once

#include <string>
#include <vector>

#include "benchmarks/comparison.h"
#include "benchmarks/wire.h"

/// The other framework, in a process of its own: it needs another build of the library that the hand-written sides (and
/// perhaps Wengert) link, under the same name.

namespace wengert::bench {

/// Whether there is one: built with libtorch, and not switched off.
bool has_peer();

/// What it is, and which libraries it runs on; empty if there is none.
std::string peer_name();

/// The same problem on the other side: a model to train, or one op (see benchmarks/torch/). Throws Error if it does not
/// know the problem. Only the latest one is kept there.
class Peer {
 public:
  explicit Peer(const Problem& problem);

  /// Gradients of all weights, or results of the op, before any step.
  std::vector<Array> results() const;

  Timed timed() const;

 private:
  int number_;
};

}  // namespace wengert::bench
