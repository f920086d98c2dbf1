// M2: 64-6-5-10, ReLU, sigmoid, softmax with cross entropy, plain SGD. So little work that the hand-written sides keep
// everything in registers and on the stack, with sizes known at compile time.

#include <array>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "benchmarks/hand/lanes.h"
#include "benchmarks/models/model.h"

namespace wengert::bench {

namespace {

constexpr int inputs = 64;
constexpr int first = 6;
constexpr int second = 5;
constexpr int classes = 10;
constexpr int input_lanes = inputs / lane_count;

Problem make_problem(std::int64_t batch) {
  Draw draw;
  Problem problem{.model = "digits"};
  problem.weights = {draw.weight("weight 0", {first, inputs}, inputs),   draw.weight("bias 0", {first}, inputs),
                     draw.weight("weight 1", {second, first}, first),    draw.weight("bias 1", {second}, first),
                     draw.weight("weight 2", {classes, second}, second), draw.weight("bias 2", {classes}, second)};
  problem.data = {draw.uniform("x", {batch, inputs}, -1, 1), draw.labels(batch, classes)};
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
  nn::Sequential model_{nn::Dense(inputs, first), nn::ReLU(), nn::Dense(first, second), nn::Sigmoid(),
                        nn::Dense(second, classes)};
  optim::SGD optimizer_{model_.parameters()};
  Tensor x_;
  Tensor labels_;
};

/// Weights, or gradients, in the layout that suits registers: the small layers by input, a register for each.
struct Net {
  Lanes weight0[first][input_lanes];
  Lanes bias0;
  Lanes weight1[first];
  Lanes bias1;
  Lanes weight2[second];
  Lanes bias2;

  static constexpr int registers = first * input_lanes + first + second + 3;

  Lanes* all() { return &weight0[0][0]; }
};
static_assert(sizeof(Net) == Net::registers * sizeof(Lanes));

Lanes padded(const std::vector<float>& numbers) {
  float buffer[lane_count] = {};
  std::copy(numbers.begin(), numbers.end(), buffer);
  return load(buffer);
}

/// weight: [out, in] -> a register with all outputs for each input.
template <std::size_t In>
void load_by_input(const std::vector<float>& weight, std::size_t out, Lanes (&to)[In]) {
  for (std::size_t i = 0; i < In; ++i) {
    for (std::size_t j = 0; j < out; ++j) to[i][j] = weight[j * In + i];
  }
}

template <std::size_t In>
std::vector<float> store_by_input(const Lanes (&from)[In], std::size_t out) {
  std::vector<float> weight(out * In);
  for (std::size_t i = 0; i < In; ++i) {
    for (std::size_t j = 0; j < out; ++j) weight[j * In + i] = from[i][j];
  }
  return weight;
}

/// What both hand-written sides have in common.
class HandNet {
 public:
  explicit HandNet(const Problem& problem) : learning_rate_(static_cast<float>(problem.learning_rate)) {
    const std::vector<Array>& w = problem.weights;
    std::memset(&net_, 0, sizeof net_);
    std::memset(&gradient_, 0, sizeof gradient_);
    std::memcpy(net_.weight0, w[0].numbers.data(), sizeof net_.weight0);
    net_.bias0 = padded(w[1].numbers);
    load_by_input(w[2].numbers, second, net_.weight1);
    net_.bias1 = padded(w[3].numbers);
    load_by_input(w[4].numbers, classes, net_.weight2);
    net_.bias2 = padded(w[5].numbers);
  }

  std::vector<float> gradient(std::size_t i) const {
    const auto bias = [](const Lanes& from, std::size_t n) {
      std::vector<float> result(n);
      std::memcpy(result.data(), &from, n * sizeof(float));
      return result;
    };
    switch (i) {
      case 0: {
        std::vector<float> weight(std::size_t{first} * inputs);
        std::memcpy(weight.data(), gradient_.weight0, sizeof gradient_.weight0);
        return weight;
      }
      case 1: return bias(gradient_.bias0, first);
      case 2: return store_by_input(gradient_.weight1, second);
      case 3: return bias(gradient_.bias1, second);
      case 4: return store_by_input(gradient_.weight2, classes);
      default: return bias(gradient_.bias2, classes);
    }
  }

 protected:
  void update() {
    Lanes* weights = net_.all();
    const Lanes* gradients = gradient_.all();
    for (int i = 0; i < Net::registers; ++i) weights[i] -= learning_rate_ * gradients[i];
  }

  Net net_;
  Net gradient_;
  float learning_rate_;
};

class HandOne : public HandNet {
 public:
  explicit HandOne(const Problem& problem)
      : HandNet(problem), label_(static_cast<std::size_t>(problem.data[1].labels[0])) {
    std::memcpy(x_, problem.data[0].numbers.data(), sizeof x_);
  }

  void step() {
    backward();
    update();
  }

  void backward() {
    Lanes products[lane_count] = {};
    for (int j = 0; j < first; ++j) {
      products[j] = net_.weight0[j][0] * x_[0];
      for (int i = 1; i < input_lanes; ++i) products[j] += net_.weight0[j][i] * x_[i];
    }
    const Lanes hidden0 = larger(sums(products) + net_.bias0, Lanes{});
    Lanes sum1 = net_.bias1;
    for (int j = 0; j < first; ++j) sum1 += hidden0[j] * net_.weight1[j];
    const Lanes hidden1 = sigmoid(sum1);
    Lanes logits = net_.bias2;
    for (int k = 0; k < second; ++k) logits += hidden1[k] * net_.weight2[k];

    // Logits this small need no shift; the lanes behind them hold 0 and are cut off.
    const Lanes powers = exp(logits) * class_mask();
    Lanes delta2 = powers / sum(powers);
    delta2[label_] -= 1;

    Lanes to_hidden1[lane_count] = {};
    for (int k = 0; k < second; ++k) {
      gradient_.weight2[k] = hidden1[k] * delta2;
      to_hidden1[k] = net_.weight2[k] * delta2;
    }
    gradient_.bias2 = delta2;
    const Lanes delta1 = sums(to_hidden1) * hidden1 * (1 - hidden1);
    Lanes to_hidden0[lane_count] = {};
    for (int j = 0; j < first; ++j) {
      gradient_.weight1[j] = hidden0[j] * delta1;
      to_hidden0[j] = net_.weight1[j] * delta1;
    }
    gradient_.bias1 = delta1;
    const Lanes delta0 = where_positive(hidden0, sums(to_hidden0));
    for (int j = 0; j < first; ++j) {
      for (int i = 0; i < input_lanes; ++i) gradient_.weight0[j][i] = delta0[j] * x_[i];
    }
    gradient_.bias0 = delta0;
  }

 private:
  static Lanes class_mask() {
    Lanes mask{};
    for (int i = 0; i < classes; ++i) mask[i] = 1;
    return mask;
  }

  Lanes x_[input_lanes];
  std::size_t label_;
};

/// 32 samples: the first layer by sample, the small ones with a sample in each lane.
class HandBatch : public HandNet {
 public:
  explicit HandBatch(const Problem& problem) : HandNet(problem) {
    std::memcpy(x_, problem.data[0].numbers.data(), sizeof x_);
    for (int n = 0; n < batch; ++n) {
      labels_[n / lane_count][n % lane_count] = static_cast<float>(problem.data[1].labels[static_cast<std::size_t>(n)]);
    }
  }

  static constexpr int batch = 32;

  void step() {
    backward();
    update();
  }

  void backward() {
    Lanes hidden0[blocks][first];
    first_layer(hidden0);
    Lanes delta0[blocks][first];
    Lanes parts1[second * first + second][blocks];  // of the gradients, by sample
    Lanes parts2[classes * second + classes][blocks];
    for (int b = 0; b < blocks; ++b) small_layers(b, hidden0[b], delta0[b], parts1, parts2);
    sum_small(parts1, parts2);
    first_gradient(delta0);
  }

 private:
  static constexpr int blocks = batch / lane_count;
  using HalfLanes [[gnu::vector_size(32)]] = float;

  void first_layer(Lanes (&hidden)[blocks][first]) const {
    // Weights by input, eight to a register, of which six are used.
    HalfLanes by_input[inputs] = {};
    for (int j = 0; j < first; ++j) {
      for (int i = 0; i < inputs; ++i) by_input[i][j] = net_.weight0[j][i / lane_count][i % lane_count];
    }
    float hidden_of[batch][8];
    HalfLanes bias;
    std::memcpy(&bias, &net_.bias0, sizeof bias);
    constexpr int together = 8;
    for (int n = 0; n < batch; n += together) {
      HalfLanes sums_of[together];
      for (HalfLanes& each : sums_of) each = bias;
      for (int i = 0; i < inputs; ++i) {
        for (int k = 0; k < together; ++k) sums_of[k] += x_[n + k][i] * by_input[i];
      }
      for (int k = 0; k < together; ++k) std::memcpy(hidden_of[n + k], &sums_of[k], sizeof sums_of[k]);
    }
    for (int b = 0; b < blocks; ++b) {
      for (int j = 0; j < first; ++j) {
        Lanes column;
        for (int n = 0; n < lane_count; ++n) column[n] = hidden_of[b * lane_count + n][j];
        hidden[b][j] = larger(column, Lanes{});
      }
    }
  }

  void small_layers(int b, const Lanes (&hidden0)[first], Lanes (&delta0)[first],
                    Lanes (&parts1)[second * first + second][blocks],
                    Lanes (&parts2)[classes * second + classes][blocks]) const {
    Lanes hidden1[second];
    for (int k = 0; k < second; ++k) {
      Lanes total = lanes(net_.bias1[k]);
      for (int j = 0; j < first; ++j) total += net_.weight1[j][k] * hidden0[j];
      hidden1[k] = sigmoid(total);
    }
    Lanes powers[classes];
    Lanes all{};
    for (int c = 0; c < classes; ++c) {
      Lanes logit = lanes(net_.bias2[c]);
      for (int k = 0; k < second; ++k) logit += net_.weight2[k][c] * hidden1[k];
      powers[c] = exp(logit);
      all += powers[c];
    }
    const Lanes scale = (1.0F / batch) / all;
    Lanes to_hidden1[second] = {};
    for (int c = 0; c < classes; ++c) {
      const Lanes hit = labels_[b] == static_cast<float>(c) ? lanes(1.0F / batch) : Lanes{};
      const Lanes delta2 = powers[c] * scale - hit;
      for (int k = 0; k < second; ++k) {
        parts2[c * second + k][b] = delta2 * hidden1[k];
        to_hidden1[k] += net_.weight2[k][c] * delta2;
      }
      parts2[classes * second + c][b] = delta2;
    }
    for (Lanes& each : delta0) each = Lanes{};
    for (int k = 0; k < second; ++k) {
      const Lanes delta1 = to_hidden1[k] * hidden1[k] * (1 - hidden1[k]);
      for (int j = 0; j < first; ++j) {
        parts1[k * first + j][b] = delta1 * hidden0[j];
        delta0[j] += net_.weight1[j][k] * delta1;
      }
      parts1[second * first + k][b] = delta1;
    }
    for (int j = 0; j < first; ++j) delta0[j] = where_positive(hidden0[j], delta0[j]);
  }

  /// Sums over the samples, sixteen sums at a time.
  template <std::size_t N>
  static void sum_blocks(const Lanes (&parts)[N][blocks], float* to) {
    for (std::size_t i = 0; i < N; i += lane_count) {
      Lanes rows[lane_count] = {};
      for (std::size_t k = 0; k < std::min<std::size_t>(lane_count, N - i); ++k) {
        rows[k] = parts[i + k][0];
        for (int b = 1; b < blocks; ++b) rows[k] += parts[i + k][b];
      }
      store(to + i, sums(rows));
    }
  }

  void sum_small(const Lanes (&parts1)[second * first + second][blocks],
                 const Lanes (&parts2)[classes * second + classes][blocks]) {
    float sums1[48];
    sum_blocks(parts1, sums1);
    for (int k = 0; k < second; ++k) {
      for (int j = 0; j < first; ++j) gradient_.weight1[j][k] = sums1[k * first + j];
      gradient_.bias1[k] = sums1[second * first + k];
    }
    float sums2[64];
    sum_blocks(parts2, sums2);
    for (int c = 0; c < classes; ++c) {
      for (int k = 0; k < second; ++k) gradient_.weight2[k][c] = sums2[c * second + k];
      gradient_.bias2[c] = sums2[classes * second + c];
    }
  }

  void first_gradient(const Lanes (&delta)[blocks][first]) {
    Lanes sum[first][input_lanes] = {};
    Lanes totals[lane_count] = {};
    for (int b = 0; b < blocks; ++b) {
      for (int n = 0; n < lane_count; ++n) {
        Lanes x[input_lanes];
        for (int i = 0; i < input_lanes; ++i) x[i] = load(x_[b * lane_count + n] + i * lane_count);
        for (int j = 0; j < first; ++j) {
          const float d = delta[b][j][n];
          for (int i = 0; i < input_lanes; ++i) sum[j][i] += d * x[i];
        }
      }
      for (int j = 0; j < first; ++j) totals[j] += delta[b][j];
    }
    std::memcpy(gradient_.weight0, sum, sizeof sum);
    gradient_.bias0 = sums(totals);
  }

  alignas(64) float x_[batch][inputs];
  Lanes labels_[blocks];
};

}  // namespace

void register_digits() {
  compare({.name = "M2 mlp 64-6-5-10", .batch = 1}, [] { return model_contenders<Ours, HandOne>(make_problem(1)); });
  compare({.name = "M2 mlp 64-6-5-10", .batch = HandBatch::batch},
          [] { return model_contenders<Ours, HandBatch>(make_problem(HandBatch::batch)); });
}

}  // namespace wengert::bench
