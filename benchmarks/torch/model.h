#pragma once

#include <memory>
#include <string>
#include <vector>

#include "benchmarks/wire.h"

namespace wengert::bench {

/// A problem as libtorch works on it.
class Model {
 public:
  virtual ~Model() = default;
  virtual void step() = 0;
  /// Gradients of all weights, or what an op computes.
  virtual std::vector<Array> results() = 0;
};

/// Throws std::runtime_error for a problem that it does not know.
std::unique_ptr<Model> make_model(const Problem& problem);

/// One training step of a network; nullptr if the problem is none.
std::unique_ptr<Model> make_network(const Problem& problem);
/// One op, or a chain of them; nullptr if the problem is none.
std::unique_ptr<Model> make_op(const Problem& problem);

void set_threads(int threads);
std::string libraries();

}  // namespace wengert::bench
