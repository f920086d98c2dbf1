// Single ops: matrix products by oneDNN, convolutions by whatever libtorch takes for them.

#include <array>
#include <sstream>
#include <stdexcept>

#include <dnnl.h>

#include "benchmarks/torch/model.h"
#include "benchmarks/torch/tensors.h"

namespace wengert::bench {

namespace {

/// "gemm NN": a [m, k] times b [k, n]; T: that side is stored the other way round.
class Gemm final : public Model {
 public:
  Gemm(const Problem& problem, char trans_a, char trans_b)
      : trans_a_(trans_a), trans_b_(trans_b), a_(problem.data.at(0)), b_(problem.data.at(1)) {
    m_ = a_.shape.at(trans_a == 'T' ? 1 : 0);
    k_ = a_.shape.at(trans_a == 'T' ? 0 : 1);
    n_ = b_.shape.at(trans_b == 'T' ? 0 : 1);
    c_.resize(static_cast<std::size_t>(m_ * n_));
  }

  void step() override {
    if (dnnl_sgemm(trans_a_, trans_b_, m_, n_, k_, 1, a_.numbers.data(), a_.shape[1], b_.numbers.data(), b_.shape[1], 0,
                   c_.data(), n_) != dnnl_success) {
      throw std::runtime_error("oneDNN refuses a product");
    }
  }
  std::vector<Array> results() override {
    step();
    return {{"c", {m_, n_}, c_}};
  }

 private:
  char trans_a_;
  char trans_b_;
  Array a_;
  Array b_;
  std::vector<float> c_;
  std::int64_t m_ = 0;
  std::int64_t n_ = 0;
  std::int64_t k_ = 0;
};

/// "correlate2d forward <stride> <padding>", or input or kernel gradient: of x, kernel and upstream gradient.
class Correlation final : public Model {
 public:
  Correlation(const Problem& problem, std::string direction, std::int64_t stride, std::int64_t padding)
      : direction_(std::move(direction)),
        stride_(stride),
        padding_(padding),
        x_(to_torch(problem.data.at(0))),
        kernel_(to_torch(problem.data.at(1))),
        g_(to_torch(problem.data.at(2))) {}

  void step() override { result_ = compute(); }
  std::vector<Array> results() override { return {to_array(direction_, compute())}; }

 private:
  at::Tensor compute() const {
    const at::NoGradGuard guard;
    if (direction_ == "forward") return at::conv2d(x_, kernel_, {}, stride_, padding_);
    const bool by_input = direction_ == "input";
    auto [input, kernel, bias] =
        at::convolution_backward(g_, x_, kernel_, c10::nullopt, {stride_, stride_}, {padding_, padding_}, {1, 1}, false,
                                 {0, 0}, 1, std::array<bool, 3>{by_input, !by_input, false});
    return by_input ? input : kernel;
  }

  std::string direction_;
  std::int64_t stride_;
  std::int64_t padding_;
  at::Tensor x_;
  at::Tensor kernel_;
  at::Tensor g_;
  at::Tensor result_;
};

}  // namespace

std::unique_ptr<Model> make_op(const Problem& problem) {
  std::istringstream words(problem.model);
  std::string kind;
  words >> kind;
  if (kind == "gemm") {
    std::string sides;
    words >> sides;
    return std::make_unique<Gemm>(problem, sides.at(0), sides.at(1));
  }
  if (kind == "correlate2d") {
    std::string direction;
    std::int64_t stride = 1;
    std::int64_t padding = 0;
    words >> direction >> stride >> padding;
    return std::make_unique<Correlation>(problem, direction, stride, padding);
  }
  return nullptr;
}

}  // namespace wengert::bench
