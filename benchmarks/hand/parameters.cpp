#include "benchmarks/hand/parameters.h"

#include <algorithm>
#include <cmath>

#include "benchmarks/hand/lanes.h"

namespace wengert::bench {

Parameters::Parameters(const Problem& problem) : learning_rate_(static_cast<float>(problem.learning_rate)) {
  std::int64_t total = 0;
  for (const Array& array : problem.weights) {
    const auto size = static_cast<std::int64_t>(array.numbers.size());
    sizes_.push_back(size);
    offsets_.push_back(total);
    total += (size + lane_count - 1) / lane_count * lane_count;
  }
  for (Eigen::ArrayXf* block : {&weights_, &gradients_, &first_, &second_}) *block = Eigen::ArrayXf::Zero(total);
  for (std::size_t i = 0; i < sizes_.size(); ++i) {
    std::copy(problem.weights[i].numbers.begin(), problem.weights[i].numbers.end(), weight(i));
  }
}

std::vector<float> Parameters::copy_of_gradient(std::size_t i) const {
  const float* from = gradients_.data() + offsets_[i];
  return {from, from + sizes_[i]};
}

void Parameters::sgd_step() { weights_ -= learning_rate_ * gradients_; }

void Parameters::momentum_step(float momentum) {
  const std::int64_t n = weights_.size();
  float* w = weights_.data();
  float* v = first_.data();
  const float* g = gradients_.data();
  for (std::int64_t i = 0; i < n; i += lane_count) {
    const Lanes velocity = momentum * load(v + i) + load(g + i);
    store(v + i, velocity);
    store(w + i, load(w + i) - learning_rate_ * velocity);
  }
}

void Parameters::adam_step() { adam_step(0); }
void Parameters::adamw_step(float weight_decay) { adam_step(weight_decay); }

void Parameters::adam_step(float weight_decay) {
  constexpr float beta1 = 0.9F;
  constexpr float beta2 = 0.999F;
  constexpr float epsilon = 1e-8F;
  ++steps_;
  const float rate = learning_rate_ / (1 - std::pow(beta1, static_cast<float>(steps_)));
  const float correction = 1 / std::sqrt(1 - std::pow(beta2, static_cast<float>(steps_)));
  const float kept = 1 - learning_rate_ * weight_decay;
  const std::int64_t n = weights_.size();
  float* __restrict w = weights_.data();
  float* __restrict mean = first_.data();
  float* __restrict square = second_.data();
  const float* __restrict gradient = gradients_.data();
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i];
    const float m = beta1 * mean[i] + (1 - beta1) * g;
    const float v = beta2 * square[i] + (1 - beta2) * (g * g);
    mean[i] = m;
    square[i] = v;
    w[i] = kept * w[i] - rate * m / (std::sqrt(v) * correction + epsilon);
  }
}

}  // namespace wengert::bench
