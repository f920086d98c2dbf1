// M3: the spiral classifier 2-64-3, ReLU, softmax with cross entropy, SGD with momentum, all 300 points in one batch.

#include <array>
#include <cstring>

#include "benchmarks/hand/lanes.h"
#include "benchmarks/hand/parameters.h"
#include "benchmarks/models/model.h"

namespace wengert::bench {

namespace {

constexpr int units = 64;
constexpr int classes = 3;
constexpr int samples = 300;

Problem make_problem() {
  Draw draw;
  Problem problem{.model = "spiral"};
  problem.weights = {draw.weight("weight 0", {units, 2}, 2), draw.weight("bias 0", {units}, 2),
                     draw.weight("weight 1", {classes, units}, units), draw.weight("bias 1", {classes}, units)};
  problem.data = {draw.uniform("x", {samples, 2}, -1, 1), draw.labels(samples, classes)};
  return problem;
}

class Ours {
 public:
  explicit Ours(const Problem& problem) : x_(to_tensor(problem.data[0])), labels_(to_tensor(problem.data[1])) {
    load(model_.parameters(), problem);
    optimizer_.set_learning_rate(problem.learning_rate);
  }

  std::vector<ParameterRef> parameters() const { return model_.parameters(); }

  void backward() {
    optimizer_.zero_grad();
    cross_entropy(model_(x_), labels_).backward();
  }

  void step() {
    backward();
    optimizer_.step();
  }

 private:
  nn::Sequential model_{nn::Dense(2, units), nn::ReLU(), nn::Dense(units, classes)};
  optim::SGD optimizer_{model_.parameters(), {.momentum = 0.9}};
  Tensor x_;
  Tensor labels_;
};

/// A sample in each lane, several registers of samples at a time. The hidden layer is computed a second time on the way
/// back: two multiply-adds cost less than storing and loading it.
class Hand {
 public:
  explicit Hand(const Problem& problem) : parameters_(problem) {
    for (int n = 0; n < samples; ++n) {
      const auto at = static_cast<std::size_t>(n);
      x_[n / lane_count][0][n % lane_count] = problem.data[0].numbers[2 * at];
      x_[n / lane_count][1][n % lane_count] = problem.data[0].numbers[2 * at + 1];
      const auto label = static_cast<std::size_t>(problem.data[1].labels[at]);
      hits_[n / lane_count][label][n % lane_count] = 1.0F / samples;
      shares_[n / lane_count][n % lane_count] = 1.0F / samples;
    }
  }

  std::vector<float> gradient(std::size_t i) const { return parameters_.copy_of_gradient(i); }

  void step() {
    backward();
    parameters_.momentum_step(0.9F);
  }

  void backward() {
    std::memset(sums_, 0, sizeof sums_);
    std::memset(bias_sums_, 0, sizeof bias_sums_);
    for (int b = 0; b < 16; b += 4) work<4>(b);
    work<3>(16);
    store_gradients();
  }

 private:
  static constexpr int blocks = (samples + lane_count - 1) / static_cast<int>(lane_count);
  static_assert(blocks == 19);
  /// Per hidden unit: gradients of its weight by x and y, of its bias, and of its weights to the classes.
  static constexpr int kinds = 3 + classes;

  template <int Group>
  void work(int begin) {
    const float* weight0 = parameters_.weight(0);
    const float* bias0 = parameters_.weight(1);
    const float* weight1 = parameters_.weight(2);
    const float* bias1 = parameters_.weight(3);
    Lanes x[Group][2];
    Lanes d[Group][classes];
    for (int g = 0; g < Group; ++g) {
      for (int i = 0; i < 2; ++i) x[g][i] = x_[begin + g][i];
      for (int c = 0; c < classes; ++c) d[g][c] = lanes(bias1[c]);
    }
    for (int j = 0; j < units; ++j) {
      for (int g = 0; g < Group; ++g) {
        const Lanes h = larger(bias0[j] + weight0[2 * j] * x[g][0] + weight0[2 * j + 1] * x[g][1], Lanes{});
        for (int c = 0; c < classes; ++c) d[g][c] += weight1[c * units + j] * h;
      }
    }
    for (int g = 0; g < Group; ++g) softmax_gradient(begin + g, d[g]);
    for (int j = 0; j < units; ++j) {
      Lanes total[kinds] = {};
      for (int g = 0; g < Group; ++g) {
        const Lanes h = larger(bias0[j] + weight0[2 * j] * x[g][0] + weight0[2 * j + 1] * x[g][1], Lanes{});
        Lanes back{};
        for (int c = 0; c < classes; ++c) {
          back += weight1[c * units + j] * d[g][c];
          total[3 + c] += d[g][c] * h;
        }
        back = where_positive(h, back);
        total[0] += back * x[g][0];
        total[1] += back * x[g][1];
        total[2] += back;
      }
      for (int k = 0; k < kinds; ++k) sums_[k][j] += total[k];
    }
  }

  /// Logits in, their gradients out.
  void softmax_gradient(int block, Lanes (&d)[classes]) {
    const Lanes largest = larger(larger(d[0], d[1]), d[2]);
    Lanes all{};
    for (Lanes& each : d) {
      each = exp(each - largest);
      all += each;
    }
    const Lanes scale = shares_[block] / all;  // 0 behind the last sample
    for (int c = 0; c < classes; ++c) {
      d[c] = d[c] * scale - hits_[block][c];
      bias_sums_[c] += d[c];
    }
  }

  void store_gradients() {
    float* weight0 = parameters_.gradient(0);
    for (int j = 0; j < units; j += lane_count) {
      float pairs[2][lane_count];
      for (int i = 0; i < 2; ++i) store(pairs[i], sums(&sums_[i][j]));
      for (int k = 0; k < lane_count; ++k) {
        weight0[2 * (j + k)] = pairs[0][k];
        weight0[2 * (j + k) + 1] = pairs[1][k];
      }
      store(parameters_.gradient(1) + j, sums(&sums_[2][j]));
      for (int c = 0; c < classes; ++c) store(parameters_.gradient(2) + c * units + j, sums(&sums_[3 + c][j]));
    }
    for (int c = 0; c < classes; ++c) parameters_.gradient(3)[c] = sum(bias_sums_[c]);
  }

  Parameters parameters_;
  Lanes x_[blocks][2] = {};
  Lanes hits_[blocks][classes] = {};  // of the labels, over the number of samples
  Lanes shares_[blocks] = {};
  Lanes sums_[kinds][units];
  Lanes bias_sums_[classes];
};

}  // namespace

void register_spiral() {
  compare({.name = "M3 spiral 2-64-3", .batch = samples}, [] { return model_contenders<Ours, Hand>(make_problem()); });
}

}  // namespace wengert::bench
