// M7: a block of a transformer's encoder as in Vaswani et al., 2017 (normalisation after each half, ReLU): width 128, 4
// heads, 512 in between, 64 tokens, batch 16; mean squared error, AdamW.

#include <Eigen/Core>
#include <cmath>

#include "benchmarks/hand/image.h"
#include "benchmarks/hand/lanes.h"
#include "benchmarks/hand/parameters.h"
#include "benchmarks/hand/product.h"
#include "benchmarks/models/model.h"

namespace wengert::bench {

namespace {

constexpr int batch = 16;
constexpr int tokens = 64;
constexpr int width = 128;
constexpr int heads = 4;
constexpr int head_width = width / heads;
constexpr int between = 512;
constexpr int rows = batch * tokens;
constexpr float epsilon = 1e-5F;
constexpr double weight_decay = 0.01;

Problem make_problem() {
  Draw draw;
  Problem problem{.model = "transformer"};
  problem.weights = {
      draw.weight("qkv weight", {3 * width, width}, width),   draw.weight("qkv bias", {3 * width}, width),
      draw.weight("out weight", {width, width}, width),       draw.weight("out bias", {width}, width),
      draw.uniform("norm1 weight", {width}, 0.5, 1.5),        draw.uniform("norm1 bias", {width}, -0.5, 0.5),
      draw.weight("feed1 weight", {between, width}, width),   draw.weight("feed1 bias", {between}, width),
      draw.weight("feed2 weight", {width, between}, between), draw.weight("feed2 bias", {width}, between),
      draw.uniform("norm2 weight", {width}, 0.5, 1.5),        draw.uniform("norm2 bias", {width}, -0.5, 0.5)};
  problem.data = {draw.uniform("x", {batch, tokens, width}, -2, 2),
                  draw.uniform("target", {batch, tokens, width}, -2, 2)};
  return problem;
}

class Ours {
 public:
  explicit Ours(const Problem& problem) : x_(to_tensor(problem.data[0])), target_(to_tensor(problem.data[1])) {
    for (const Array& weight : problem.weights) w_.emplace_back(to_tensor(weight));
    optimizer_ = std::make_unique<optim::AdamW>(
        parameters(), optim::AdamWOptions{.lr = problem.learning_rate, .weight_decay = weight_decay});
  }

  std::vector<ParameterRef> parameters() const { return {w_.begin(), w_.end()}; }

  void backward() {
    optimizer_->zero_grad();
    mse_loss(forward(x_), target_).backward();
  }

  void step() {
    backward();
    optimizer_->step();
  }

 private:
  Tensor forward(const Tensor& x) const {
    const Tensor parts =
        permute(linear(x, w_[0], w_[1]).reshape({batch, tokens, 3, heads, head_width}), {2, 0, 3, 1, 4});
    const Tensor seen = transpose(scaled_dot_product_attention(parts[0], parts[1], parts[2]), 1, 2);
    const Tensor first = layer_norm(x + linear(seen.reshape({batch, tokens, width}), w_[2], w_[3]), w_[4], w_[5]);
    const Tensor fed = linear(relu(linear(first, w_[6], w_[7])), w_[8], w_[9]);
    return layer_norm(first + fed, w_[10], w_[11]);
  }

  std::vector<Parameter> w_;
  std::unique_ptr<optim::AdamW> optimizer_;
  Tensor x_;
  Tensor target_;
};

class Hand {
 public:
  explicit Hand(const Problem& problem) : parameters_(problem) {
    x_ = Eigen::Map<const Eigen::ArrayXf>(problem.data[0].numbers.data(), rows * width);
    target_ = Eigen::Map<const Eigen::ArrayXf>(problem.data[1].numbers.data(), rows * width);
    for (Eigen::ArrayXf* each : {&seen_, &first_, &out_, &g_, &h_}) each->resize(rows * width);
    for (Eigen::ArrayXf* each : {&qkv_, &to_qkv_}) each->resize(rows * 3 * width);
    for (Eigen::ArrayXf* each : {&fed_, &to_fed_}) each->resize(rows * between);
    attention_.resize(batch * heads * tokens * tokens);
    for (Norm* norm : {&norm1_, &norm2_}) {
      norm->normal.resize(rows * width);
      norm->inverse.resize(rows);
    }
  }

  std::vector<float> gradient(std::size_t i) const { return parameters_.copy_of_gradient(i); }

  void step() {
    backward();
    parameters_.adamw_step(static_cast<float>(weight_decay));
  }

  void backward() {
    forward();
    g_ = 2.0F / (rows * width) * (out_ - target_);
    norm_backward(norm2_, 10, g_.data());
    feed_backward();
    norm_backward(norm1_, 4, g_.data());
    dense_gradients(2, width, width, g_.data(), seen_.data());
    product(rows, width, width, {g_.data(), width}, {w(2), width}, h_.data());
    for (int n = 0; n < batch; ++n) {
      for (int head = 0; head < heads; ++head) attention_backward(n, head);
    }
    dense_gradients(0, 3 * width, width, to_qkv_.data(), x_.data());
  }

 private:
  using Row = Eigen::Map<Eigen::Array<float, width, 1>>;
  using ConstRow = Eigen::Map<const Eigen::Array<float, width, 1>>;

  /// What a layer norm keeps for the way back.
  struct Norm {
    Eigen::ArrayXf normal;   // (x - mean) / deviation
    Eigen::ArrayXf inverse;  // 1 / deviation of each row
  };

  float* w(std::size_t i) { return parameters_.weight(i); }

  void forward() {
    dense(0, 3 * width, width, x_.data(), qkv_.data());
    for (int n = 0; n < batch; ++n) {
      for (int head = 0; head < heads; ++head) attend(n, head);
    }
    product(rows, width, width, {seen_.data(), width}, {w(2), width, true}, g_.data());
    norm_forward(norm1_, g_.data(), 3, x_.data(), 4, first_.data());
    product(rows, between, width, {first_.data(), width}, {w(6), width, true}, fed_.data());
    for (int row = 0; row < rows; ++row) {
      float* to = fed_.data() + row * between;
      for (int i = 0; i < between; i += lane_count) store(to + i, larger(load(to + i) + load(w(7) + i), Lanes{}));
    }
    product(rows, width, between, {fed_.data(), between}, {w(8), between, true}, g_.data());
    norm_forward(norm2_, g_.data(), 9, first_.data(), 10, out_.data());
  }

  void dense(std::size_t weight, int out, int in, const float* x, float* y) {
    product(rows, out, in, {x, in}, {w(weight), in, true}, y);
    const Eigen::Map<const Eigen::ArrayXf> bias(w(weight + 1), out);
    for (int row = 0; row < rows; ++row) Eigen::Map<Eigen::ArrayXf>(y + row * out, out) += bias;
  }

  void dense_gradients(std::size_t weight, int out, int in, const float* g, const float* x) {
    product(out, in, rows, {g, out, true}, {x, in}, parameters_.gradient(weight));
    sum_rows(g, rows, out, parameters_.gradient(weight + 1));
  }

  /// y = norm(x + bias + residual).
  void norm_forward(Norm& norm, const float* x, std::size_t bias, const float* residual, std::size_t weight, float* y) {
    const ConstRow added(w(bias));
    const ConstRow scale(w(weight));
    const ConstRow shift(w(weight + 1));
    for (int row = 0; row < rows; ++row) {
      Row normal(norm.normal.data() + row * width);
      normal = ConstRow(x + row * width) + added + ConstRow(residual + row * width);
      normal -= normal.sum() / width;
      const float inverse = 1 / std::sqrt(normal.square().sum() / width + epsilon);
      norm.inverse[row] = inverse;
      normal *= inverse;
      Row(y + row * width) = normal * scale + shift;
    }
  }

  /// From the gradient of the norm's result to that of what went in, in place.
  void norm_backward(const Norm& norm, std::size_t weight, float* g) {
    const ConstRow scale(w(weight));
    Row to_scale(parameters_.gradient(weight));
    Row to_shift(parameters_.gradient(weight + 1));
    Eigen::Array<float, width, 1> scale_sum = Eigen::Array<float, width, 1>::Zero();
    Eigen::Array<float, width, 1> shift_sum = Eigen::Array<float, width, 1>::Zero();
    for (int row = 0; row < rows; ++row) {
      Row upstream(g + row * width);
      const ConstRow normal(norm.normal.data() + row * width);
      scale_sum += upstream * normal;
      shift_sum += upstream;
      upstream *= scale;
      const float mean = upstream.sum() / width;
      const float along = (upstream * normal).sum() / width;
      upstream = norm.inverse[row] * (upstream - mean - along * normal);
    }
    to_scale = scale_sum;
    to_shift = shift_sum;
  }

  float* query(Eigen::ArrayXf& qkv, int n, int head) { return qkv.data() + n * tokens * 3 * width + head * head_width; }
  float* weights_of(int n, int head) { return attention_.data() + (n * heads + head) * tokens * tokens; }

  void attend(int n, int head) {
    const float* q = query(qkv_, n, head);
    const float scale = 1 / std::sqrt(static_cast<float>(head_width));
    float* weights = weights_of(n, head);
    product(tokens, tokens, head_width, {q, 3 * width}, {q + width, 3 * width, true}, weights);
    for (int row = 0; row < tokens; ++row) {
      Eigen::Map<Eigen::Array<float, tokens, 1>> scores(weights + row * tokens);
      scores = (scale * (scores - scores.maxCoeff())).exp();
      scores *= 1 / scores.sum();
    }
    product(tokens, head_width, tokens, {weights, tokens}, {q + 2 * width, 3 * width},
            seen_.data() + n * tokens * width + head * head_width, 0, width);
  }

  void attention_backward(int n, int head) {
    const float* q = query(qkv_, n, head);
    float* to_q = query(to_qkv_, n, head);
    const float* g = h_.data() + n * tokens * width + head * head_width;
    const float* weights = weights_of(n, head);
    const float scale = 1 / std::sqrt(static_cast<float>(head_width));
    alignas(64) float to_scores[tokens * tokens];
    product(tokens, head_width, tokens, {weights, tokens, true}, {g, width}, to_q + 2 * width, 0, 3 * width);
    product(tokens, tokens, head_width, {g, width}, {q + 2 * width, 3 * width, true}, to_scores);
    for (int row = 0; row < tokens; ++row) {
      Eigen::Map<Eigen::Array<float, tokens, 1>> to(to_scores + row * tokens);
      const Eigen::Map<const Eigen::Array<float, tokens, 1>> weight(weights + row * tokens);
      const float along = (to * weight).sum();
      to = scale * weight * (to - along);
    }
    product(tokens, head_width, tokens, {to_scores, tokens}, {q + width, 3 * width}, to_q, 0, 3 * width);
    product(tokens, head_width, tokens, {to_scores, tokens, true}, {q, 3 * width}, to_q + width, 0, 3 * width);
  }

  /// g_ is the gradient of what entered the second norm, and becomes that of the first norm's result.
  void feed_backward() {
    dense_gradients(8, width, between, g_.data(), fed_.data());
    product(rows, between, width, {g_.data(), width}, {w(8), between}, to_fed_.data());
    for (int i = 0; i < rows * between; i += lane_count) {
      store(to_fed_.data() + i, where_positive(load(fed_.data() + i), load(to_fed_.data() + i)));
    }
    dense_gradients(6, between, width, to_fed_.data(), first_.data());
    product(rows, width, between, {to_fed_.data(), between}, {w(6), width}, g_.data(), 1);
  }

  Parameters parameters_;
  Eigen::ArrayXf x_;
  Eigen::ArrayXf target_;
  Eigen::ArrayXf qkv_;  // [batch, tokens, 3 width]
  Eigen::ArrayXf to_qkv_;
  Eigen::ArrayXf attention_;  // [batch, heads, tokens, tokens]
  Eigen::ArrayXf seen_;       // [batch, tokens, width], as the rest
  Norm norm1_;
  Eigen::ArrayXf first_;
  Eigen::ArrayXf fed_;  // [batch, tokens, between]
  Eigen::ArrayXf to_fed_;
  Norm norm2_;
  Eigen::ArrayXf out_;
  Eigen::ArrayXf g_;
  Eigen::ArrayXf h_;
};

}  // namespace

void register_transformer() {
  compare({.name = "M7 transformer block 128", .batch = batch},
          [] { return model_contenders<Ours, Hand>(make_problem()); });
}

}  // namespace wengert::bench
