// M5: conv 32 3x3 (padded), ReLU, maxpool 2; conv 64 3x3 (padded), ReLU, maxpool 2; dense 3136-1024, ReLU, dropout 0.5;
// dense 10, softmax with cross entropy, Adam. Gradients are compared without dropout, steps are timed with it.

#include <Eigen/Core>
#include <array>

#include "benchmarks/hand/image.h"
#include "benchmarks/hand/parameters.h"
#include "benchmarks/hand/product.h"
#include "benchmarks/models/model.h"

namespace wengert::bench {

namespace {

constexpr int side = 28;
constexpr int maps1 = 32;
constexpr int side1 = 14;  // after the first pool
constexpr int area1 = side1 * side1;
constexpr int maps2 = 64;
constexpr int side2 = 7;
constexpr int area2 = side2 * side2;
constexpr int features = maps2 * area2;
constexpr int hidden = 1024;
constexpr int classes = 10;
constexpr int taps = maps1 * 9;  // of a kernel of the second layer

Problem make_problem(std::int64_t batch) {
  Draw draw;
  Problem problem{.model = "mnist cnn"};
  problem.weights = {draw.weight("kernels 0", {maps1, 1, 3, 3}, 9),         draw.weight("bias 0", {maps1}, 9),
                     draw.weight("kernels 1", {maps2, maps1, 3, 3}, taps),  draw.weight("bias 1", {maps2}, taps),
                     draw.weight("weight 2", {hidden, features}, features), draw.weight("bias 2", {hidden}, features),
                     draw.weight("weight 3", {classes, hidden}, hidden),    draw.weight("bias 3", {classes}, hidden)};
  problem.data = {draw.uniform("x", {batch, 1, side, side}, -0.4, 2.8), draw.labels(batch, classes)};
  return problem;
}

class Ours {
 public:
  explicit Ours(const Problem& problem) : x_(to_tensor(problem.data[0])), labels_(to_tensor(problem.data[1])) {
    load(model_.parameters(), problem);
    optimizer_.set_learning_rate(problem.learning_rate);
    model_.eval();
  }

  std::vector<ParameterRef> parameters() const { return model_.parameters(); }

  void backward() {
    optimizer_.zero_grad();
    cross_entropy(model_(x_), labels_).backward();
  }

  void step() {
    if (!model_.is_training()) model_.train();
    backward();
    optimizer_.step();
  }

 private:
  nn::Sequential model_{nn::Conv2d(1, maps1, 3, {.padding = 1}),
                        nn::ReLU(),
                        nn::MaxPool2d(2),
                        nn::Conv2d(maps1, maps2, 3, {.padding = 1}),
                        nn::ReLU(),
                        nn::MaxPool2d(2),
                        nn::Flatten(),
                        nn::Dense(features, hidden),
                        nn::ReLU(),
                        nn::Dropout(0.5),
                        nn::Dense(hidden, classes)};
  optim::Adam optimizer_{model_.parameters()};
  Tensor x_;
  Tensor labels_;
};

using Marks [[gnu::vector_size(64)]] = std::int32_t;

/// Which of its four elements a window's maximum is, or `dead` where ReLU cuts it off.
constexpr std::int32_t dead = 4;

struct Pooled {
  Lanes values;
  Marks marks;
};

/// ReLU(max + bias) of windows whose upper and lower elements are given, left ones and right ones.
[[gnu::always_inline]] inline Pooled pool(Lanes e0, Lanes o0, Lanes e1, Lanes o1, float bias) {
  const auto marks = [](std::int32_t mark) { return Marks{} + mark; };
  Marks best = o0 > e0 ? marks(1) : marks(0);
  const Lanes upper = larger(e0, o0);
  best = e1 > upper ? marks(2) : best;
  const Lanes three = larger(upper, e1);
  best = o1 > three ? marks(3) : best;
  const Lanes value = larger(three, o1) + bias;
  return {larger(value, Lanes{}), value > 0 ? best : marks(dead)};
}

class Hand {
 public:
  explicit Hand(const Problem& problem)
      : parameters_(problem), batch_(problem.data[0].shape[0]), labels_(problem.data[1].labels) {
    const std::vector<float>& x = problem.data[0].numbers;
    x_.assign(x.begin(), x.end());
    images_ = zeros(batch_ * padded_image);
    maps_ = zeros(maps1 * side * side);
    padded1_ = zeros(batch_ * maps1 * padded1);
    marks1_.resize(static_cast<std::size_t>(batch_ * maps1 * side1 * lane_count));
    columns_ = zeros(std::int64_t{taps} * group * area1);
    maps2_ = zeros(std::int64_t{maps2} * group * area1);
    pooled2_ = zeros(batch_ * features);
    marks2_.resize(static_cast<std::size_t>(batch_ * maps2 * side2 * lane_count));
    to_padded1_ = zeros(maps1 * padded1);
    hidden_ = zeros(batch_ * hidden);
    to_hidden_ = zeros(batch_ * hidden);
    to_pooled2_ = zeros(batch_ * features);
    logits_ = zeros(batch_ * classes);
  }

  std::vector<float> gradient(std::size_t i) const { return parameters_.copy_of_gradient(i); }

  void step() {
    dropout_ = true;
    backward();
    parameters_.adam_step();
  }

  void backward() {
    for (std::int64_t n = 0; n < batch_; ++n) first_layer(n);
    for (std::int64_t n = 0; n < batch_; n += group) second_layer(n);
    dense_layers();
    dense_gradients();
    Eigen::Map<Eigen::ArrayXf>(parameters_.gradient(3), maps2).setZero();
    Eigen::Map<Eigen::ArrayXf>(parameters_.gradient(1), maps1).setZero();
    Lanes totals[maps1 * 9] = {};
    for (std::int64_t n = 0; n < batch_; n += group) {
      second_gradients(n);
      for (int k = 0; k < group; ++k) first_gradients(n + k, k, totals);
    }
    sum_totals(totals, maps1 * 9, parameters_.gradient(0));
  }

 private:
  /// Images whose columns are multiplied at once: few enough to stay in the second cache.
  static constexpr int group = 2;
  static constexpr int image_stride = 32;
  static constexpr int padded_image = (side + 2) * image_stride;
  static constexpr int stride1 = 16;
  static constexpr int padded1 = (side1 + 2) * stride1;

  /// Registers may reach a little beyond the end.
  static Eigen::ArrayXf zeros(std::int64_t size) { return Eigen::ArrayXf::Zero(size + 2 * lane_count); }

  float* padded(std::int64_t sample, int map) { return padded1_.data() + (sample * maps1 + map) * padded1; }
  std::int32_t* marks1(std::int64_t sample, int map) {
    return marks1_.data() + (sample * maps1 + map) * side1 * lane_count;
  }
  std::int32_t* marks2(std::int64_t sample, int map) {
    return marks2_.data() + (sample * maps2 + map) * side2 * lane_count;
  }
  static Marks load_marks(const std::int32_t* from) {
    Marks marks;
    std::memcpy(&marks, from, sizeof marks);
    return marks;
  }

  void first_layer(std::int64_t n) {
    float* image = images_.data() + n * padded_image;
    for (int y = 0; y < side; ++y) {
      std::copy_n(x_.data() + (n * side + y) * side, side, image + (y + 1) * image_stride + 1);
    }
    correlate_3x3<side, side>(image, image_stride, parameters_.weight(0), maps1, maps_.data());
    for (int map = 0; map < maps1; ++map) {
      const float bias = parameters_.weight(1)[map];
      for (int y = 0; y < side1; ++y) {
        Lanes even[2];
        Lanes odd[2];
        for (int row = 0; row < 2; ++row) {
          const float* from = maps_.data() + (map * side + 2 * y + row) * side;
          const Lanes a = load(from);
          const Lanes b = load(from + 12);
          even[row] = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 20, 22, 24, 26, 28, 30, 30, 30);
          odd[row] = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 21, 23, 25, 27, 29, 31, 31, 31);
        }
        auto [values, marks] = pool(even[0], odd[0], even[1], odd[1], bias);
        for (const int behind : {14, 15}) {
          values[behind] = 0;  // where the border is
          marks[behind] = dead;
        }
        store(padded(n, map) + (y + 1) * stride1 + 1, values);
        std::memcpy(marks1(n, map) + y * lane_count, &marks, sizeof marks);
      }
    }
  }

  /// The windows of `group` images as columns: [maps1 * 9, group * area1]. Each row is copied by a register, whose last
  /// two elements the next row replaces.
  void fill_columns(std::int64_t n) {
    for (int map = 0; map < maps1; ++map) {
      for (int tap = 0; tap < 9; ++tap) {
        float* to = columns_.data() + std::int64_t{map * 9 + tap} * group * area1;
        for (int k = 0; k < group; ++k) {
          const float* from = padded(n + k, map) + tap / 3 * stride1 + tap % 3;
          for (int y = 0; y < side1; ++y, to += side1) store(to, load(from + y * stride1));
        }
      }
    }
  }

  void second_layer(std::int64_t n) {
    fill_columns(n);
    product(maps2, group * area1, taps, {parameters_.weight(2), taps}, {columns_.data(), group * area1}, maps2_.data());
    for (int k = 0; k < group; ++k) {
      for (int map = 0; map < maps2; ++map) {
        const float bias = parameters_.weight(3)[map];
        const float* from = maps2_.data() + (map * group + k) * area1;
        float* to = pooled2_.data() + (n + k) * features + map * area2;
        for (int y = 0; y < side2; ++y) {
          const Lanes upper = load(from + 2 * y * side1);
          const Lanes lower = load(from + (2 * y + 1) * side1);
          const auto even = [](Lanes v) {
            return __builtin_shufflevector(v, v, 0, 2, 4, 6, 8, 10, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12);
          };
          const auto odd = [](Lanes v) {
            return __builtin_shufflevector(v, v, 1, 3, 5, 7, 9, 11, 13, 13, 13, 13, 13, 13, 13, 13, 13, 13);
          };
          auto [values, marks] = pool(even(upper), odd(upper), even(lower), odd(lower), bias);
          for (int behind = side2; behind < lane_count; ++behind) marks[behind] = dead;
          store(to + y * side2, values);
          std::memcpy(marks2(n + k, map) + y * lane_count, &marks, sizeof marks);
        }
      }
    }
  }

  void dense_layers() {
    product(batch_, hidden, features, {pooled2_.data(), features}, {parameters_.weight(4), features, true},
            hidden_.data());
    const float* bias = parameters_.weight(5);
    for (std::int64_t n = 0; n < batch_; ++n) {
      float* row = hidden_.data() + n * hidden;
      for (int i = 0; i < hidden; i += lane_count) {
        const Lanes value = larger(load(row + i) + load(bias + i), Lanes{});
        store(row + i, dropout_ ? drop_half(value) : value);
      }
    }
    product(batch_, classes, hidden, {hidden_.data(), hidden}, {parameters_.weight(6), hidden, true}, logits_.data());
  }

  /// Twice the value or 0, by xorshift generators, one in each lane (Marsaglia, 2003).
  Lanes drop_half(Lanes value) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    random_ ^= random_ << 5;
    return (random_ & 1) == 0 ? 2 * value : Lanes{};
  }

  void dense_gradients() {
    softmax_gradient(logits_.data(), parameters_.weight(7), labels_.data(), batch_, classes);
    product(classes, hidden, batch_, {logits_.data(), classes, true}, {hidden_.data(), hidden},
            parameters_.gradient(6));
    sum_rows(logits_.data(), batch_, classes, parameters_.gradient(7));
    product(batch_, hidden, classes, {logits_.data(), classes}, {parameters_.weight(6), hidden}, to_hidden_.data());
    // What is positive was neither cut off nor dropped.
    const float scale = dropout_ ? 2 : 1;
    for (std::int64_t i = 0; i < batch_ * hidden; i += lane_count) {
      store(to_hidden_.data() + i, where_positive(load(hidden_.data() + i), scale * load(to_hidden_.data() + i)));
    }
    product(hidden, features, batch_, {to_hidden_.data(), hidden, true}, {pooled2_.data(), features},
            parameters_.gradient(4));
    sum_rows(to_hidden_.data(), batch_, hidden, parameters_.gradient(5));
    product(batch_, features, hidden, {to_hidden_.data(), hidden}, {parameters_.weight(4), features},
            to_pooled2_.data());
  }

  void second_gradients(std::int64_t n) {
    // Back through the pools, into the layout of the product. Two elements too many are written with each row, and
    // replaced by the next.
    for (int map = 0; map < maps2; ++map) {
      Lanes total{};
      for (int k = 0; k < group; ++k) {
        const float* from = to_pooled2_.data() + (n + k) * features + map * area2;
        float* to = maps2_.data() + (map * group + k) * area1;
        for (int y = 0; y < side2; ++y) {
          const Lanes g = load(from + y * side2);
          const Marks marks = load_marks(marks2(n + k, map) + y * lane_count);
          total += marks < dead ? g : Lanes{};
          for (int row = 0; row < 2; ++row) {
            const Lanes even = marks == 2 * row ? g : Lanes{};
            const Lanes odd = marks == 2 * row + 1 ? g : Lanes{};
            store(to + (2 * y + row) * side1,
                  __builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
          }
        }
      }
      parameters_.gradient(3)[map] += sum(total);
    }
    fill_columns(n);
    product(maps2, taps, group * area1, {maps2_.data(), group * area1}, {columns_.data(), group * area1, true},
            parameters_.gradient(2), n == 0 ? 0.0F : 1.0F);
    product(taps, group * area1, maps2, {parameters_.weight(2), taps, true}, {maps2_.data(), group * area1},
            columns_.data());
  }

  /// From the columns' gradients of the k-th image of a group to the first layer's.
  void first_gradients(std::int64_t n, int k, Lanes* totals) {
    to_padded1_.setZero();
    Marks lane;
    for (int i = 0; i < lane_count; ++i) lane[i] = i;
    for (int map = 0; map < maps1; ++map) {
      float* image = to_padded1_.data() + map * padded1;
      for (int tap = 0; tap < 9; ++tap) {
        const float* from = columns_.data() + (std::int64_t{map * 9 + tap} * group + k) * area1;
        float* to = image + tap / 3 * stride1 + tap % 3;
        for (int y = 0; y < side1; ++y) {
          const Lanes row = load(from + y * side1);
          store(to + y * stride1, load(to + y * stride1) + (lane < side1 ? row : Lanes{}));
        }
      }
      Lanes total{};
      for (int y = 0; y < side1; ++y) {
        const Lanes g = load(image + (y + 1) * stride1 + 1);
        const Marks marks = load_marks(marks1(n, map) + y * lane_count);
        total += marks < dead ? g : Lanes{};
        for (int row = 0; row < 2; ++row) {
          const Lanes even = marks == 2 * row ? g : Lanes{};
          const Lanes odd = marks == 2 * row + 1 ? g : Lanes{};
          float* to = maps_.data() + (map * side + 2 * y + row) * side;
          store(to, __builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
          store(to + 12,
                __builtin_shufflevector(even, odd, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29));
        }
      }
      parameters_.gradient(1)[map] += sum(total);
    }
    add_kernel_gradients_3x3<maps1, side, side>(images_.data() + n * padded_image, image_stride, maps_.data(), totals);
  }

  using Generators [[gnu::vector_size(64)]] = std::uint32_t;

  Parameters parameters_;
  std::int64_t batch_;
  std::vector<std::int64_t> labels_;
  bool dropout_ = false;
  Generators random_ = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  std::vector<float> x_;
  Eigen::ArrayXf images_;   // with a border of zeros
  Eigen::ArrayXf maps_;     // of one image: [maps1, side, side], and then its gradient
  Eigen::ArrayXf padded1_;  // [batch, maps1, side1 + 2, stride1], with a border of zeros
  std::vector<std::int32_t> marks1_;
  Eigen::ArrayXf columns_;  // of a group, and then their gradients
  Eigen::ArrayXf maps2_;    // [maps2, group, area1], and then its gradient
  Eigen::ArrayXf pooled2_;  // [batch, maps2, area2]
  std::vector<std::int32_t> marks2_;
  Eigen::ArrayXf to_padded1_;  // of one image
  Eigen::ArrayXf hidden_;
  Eigen::ArrayXf to_hidden_;  // before the activation
  Eigen::ArrayXf to_pooled2_;
  Eigen::ArrayXf logits_;  // and then their gradients
};

}  // namespace

void register_mnist_cnn() {
  compare({.name = "M5 cnn 32-64-1024-10", .batch = 64}, [] { return model_contenders<Ours, Hand>(make_problem(64)); });
}

}  // namespace wengert::bench
