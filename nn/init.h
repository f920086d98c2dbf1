#pragma once

#include <wengert/autograd/random.h>
#include <wengert/autograd/tensor.h>

namespace wengert::nn {

/// How the numbers of a new parameter are drawn; a small value: `Dense(784, 100, {.init = init::xavier_normal()})`.
class Initializer {
 public:
  /// Makes a tensor from up to two numbers of the initializer's own.
  using Function = Tensor (*)(const Shape& shape, DType dtype, Generator& generator, double a, double b);

  constexpr Initializer(Function function, double a, double b) noexcept : function_(function), a_(a), b_(b) {}

  /// A new tensor. Throws Error if the initializer's numbers make no sense, ShapeError if it needs a fan and `shape`
  /// has none.
  Tensor operator()(const Shape& shape, DType dtype = float32, Generator& generator = default_generator()) const {
    return function_(shape, dtype, generator, a_, b_);
  }

 private:
  Function function_;
  double a_;
  double b_;
};

/// The numbers that one output of a layer is computed from, and the outputs that one input has a part in, times the
/// size of the kernel. Weights are [out, in, kernel...].
struct Fans {
  std::int64_t in;
  std::int64_t out;
};
/// Throws ShapeError on a shape of fewer than two axes or without elements.
Fans fans(const Shape& weight);

namespace init {

Initializer zeros();
Initializer constant(double value);
/// Uniform in [low, high).
Initializer uniform(double low = 0, double high = 1);
Initializer normal(double mean = 0, double deviation = 1);

/// X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010:
/// uniform in +-gain sqrt(6 / (in + out)).
Initializer xavier_uniform(double gain = 1);
/// The same variance, normally distributed: deviation gain sqrt(2 / (in + out)).
Initializer xavier_normal(double gain = 1);

/// K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", 2015, for the slope of the leaky ReLU that
/// follows: uniform in +-sqrt(6 / ((1 + slope^2) in)).
Initializer kaiming_uniform(double slope = 0);
/// The same variance, normally distributed: deviation sqrt(2 / ((1 + slope^2) in)).
Initializer kaiming_normal(double slope = 0);

/// What layers draw their weights from unless told otherwise, as PyTorch's do: uniform in +-1 / sqrt(in), which is
/// Kaiming's for slope sqrt(5).
Initializer layer_default();

}  // namespace init
}  // namespace wengert::nn
