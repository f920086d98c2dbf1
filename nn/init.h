#pragma once

#include <cstdint>

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
/// Normal, drawn again where it is more than two deviations from the mean.
Initializer truncated_normal(double mean = 0, double deviation = 1);
/// 1 where row and column are equal, else 0: a layer that gives back its input. Needs two axes.
Initializer eye();
/// The same for kernels, [out, in, kernel...]: 1 in the centre of kernel [i, i], so that a convolution with padding
/// `same` gives back its input channels. Needs three axes or more.
Initializer dirac();
/// Rows or columns, whichever are fewer, are orthonormal, times gain; the axes behind the first count as one (Saxe,
/// McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks",
/// 2014). Every such matrix is equally likely. Needs two axes.
Initializer orthogonal(double gain = 1);

/// X. Glorot and Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010:
/// uniform in +-gain sqrt(6 / (in + out)).
Initializer xavier_uniform(double gain = 1);
/// The same variance, normally distributed: deviation gain sqrt(2 / (in + out)).
Initializer xavier_normal(double gain = 1);

/// Which way the variance is kept: of the numbers on their way forward, or of the gradients on their way back.
enum class FanMode : std::uint8_t { in, out };
/// K. He, X. Zhang, S. Ren and J. Sun, "Delving deep into rectifiers", 2015, for the slope of the leaky ReLU that
/// follows: uniform in +-sqrt(6 / ((1 + slope^2) fan)).
Initializer kaiming_uniform(double slope = 0, FanMode mode = FanMode::in);
/// The same variance, normally distributed: deviation sqrt(2 / ((1 + slope^2) fan)).
Initializer kaiming_normal(double slope = 0, FanMode mode = FanMode::in);

/// Y. LeCun, L. Bottou, G. Orr and K.-R. Mueller, "Efficient backprop", 1998: uniform in +-sqrt(3 / in).
Initializer lecun_uniform();
/// The same variance, normally distributed: deviation 1 / sqrt(in). For networks of SELU.
Initializer lecun_normal();

enum class Nonlinearity : std::uint8_t { linear, sigmoid, tanh, relu, leaky_relu, selu };
/// By what to multiply the deviation of weights in front of an activation, as PyTorch's calculate_gain: 1 (linear,
/// sigmoid), 5/3 (tanh), sqrt(2) (ReLU), sqrt(2 / (1 + slope^2)) (leaky ReLU), 3/4 (SELU).
double gain(Nonlinearity activation, double slope = 0.01);

/// What layers draw their weights from unless told otherwise, as PyTorch's do: uniform in +-1 / sqrt(in), which is
/// Kaiming's for slope sqrt(5).
Initializer layer_default();

}  // namespace init
}  // namespace wengert::nn
