#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/activation.h>

namespace wengert::nn {

Tensor Tanh::forward(const Tensor& x) const { return tanh(x); }

Tensor ReLU::forward(const Tensor& x) const { return relu(x); }

Tensor LeakyReLU::forward(const Tensor& x) const { return leaky_relu(x, slope_); }
std::string LeakyReLU::options() const { return fmt::format("{}", slope_); }

Tensor Sigmoid::forward(const Tensor& x) const { return sigmoid(x); }

Tensor Softmax::forward(const Tensor& x) const { return softmax(x, axis_); }
std::string Softmax::options() const { return fmt::format("axis {}", axis_); }

}  // namespace wengert::nn
