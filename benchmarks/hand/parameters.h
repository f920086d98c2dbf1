#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

#include "benchmarks/wire.h"

namespace wengert::bench {

/// Weights and gradients of a hand-written model, each in one block of memory, so that an update is one loop.
class Parameters {
 public:
  explicit Parameters(const Problem& problem);

  float* weight(std::size_t i) { return weights_.data() + offsets_[i]; }
  float* gradient(std::size_t i) { return gradients_.data() + offsets_[i]; }
  std::int64_t size(std::size_t i) const { return sizes_[i]; }
  std::vector<float> copy_of_gradient(std::size_t i) const;

  void sgd_step();
  void momentum_step(float momentum);
  void adam_step();
  void adamw_step(float weight_decay);

 private:
  void adam_step(float weight_decay);

  std::vector<std::int64_t> sizes_;
  std::vector<std::int64_t> offsets_;
  Eigen::ArrayXf weights_;
  Eigen::ArrayXf gradients_;
  Eigen::ArrayXf first_;   // momentum, or Adam's mean
  Eigen::ArrayXf second_;  // Adam's mean of squares
  float learning_rate_;
  int steps_ = 0;
};

}  // namespace wengert::bench
