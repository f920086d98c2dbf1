#include <fmt/format.h>

#include <wengert/nn/activation.h>

namespace wengert::nn {

Tensor Tanh::forward(const Tensor& x) const { return tanh(x); }

Tensor Sigmoid::forward(const Tensor& x) const { return sigmoid(x); }

Tensor LogSigmoid::forward(const Tensor& x) const { return log_sigmoid(x); }

Tensor ReLU::forward(const Tensor& x) const { return relu(x); }

Tensor ReLU6::forward(const Tensor& x) const { return hardtanh(x, 0, 6); }

Tensor LeakyReLU::forward(const Tensor& x) const { return leaky_relu(x, slope_); }
std::string LeakyReLU::options() const { return fmt::format("{}", slope_); }

PReLU::PReLU(const PReLUOptions& options) {
  check<Error>(options.channels > 0, "PReLU: channels must be at least 1, got {}", options.channels);
  weight = Parameter(full({options.channels}, options.init, options.dtype));
}

Tensor PReLU::forward(const Tensor& x) const {
  const std::int64_t channels = weight->numel();
  if (channels == 1) return where(x > 0, x, weight * x);
  check(x.rank() >= 2 && x.dim(1) == channels, "x has shape {}, expected [N, {}, ...]", x.shape(), channels);
  Shape per_channel{channels};
  for (int axis = 2; axis < x.rank(); ++axis) per_channel = per_channel.inserted(per_channel.rank(), 1);
  return where(x > 0, x, reshape(weight, per_channel) * x);
}

void PReLU::visit(Visitor& v) { v("weight", weight); }
std::string PReLU::options() const { return weight->numel() == 1 ? "" : std::to_string(weight->numel()); }

Tensor ELU::forward(const Tensor& x) const { return elu(x, alpha_); }
std::string ELU::options() const { return fmt::format("{}", alpha_); }

Tensor SELU::forward(const Tensor& x) const { return selu(x); }

CELU::CELU(double alpha) : alpha_(alpha) { check<Error>(alpha > 0, "CELU: alpha must be above 0, got {}", alpha); }
Tensor CELU::forward(const Tensor& x) const { return celu(x, alpha_); }
std::string CELU::options() const { return fmt::format("{}", alpha_); }

Tensor GELU::forward(const Tensor& x) const { return gelu(x, kind_); }
std::string GELU::options() const { return kind_ == GeluKind::exact ? "" : "tanh"; }

Tensor SiLU::forward(const Tensor& x) const { return silu(x); }

Tensor Mish::forward(const Tensor& x) const { return mish(x); }

Hardtanh::Hardtanh(double low, double high) : low_(low), high_(high) {
  check<Error>(low <= high, "Hardtanh: low must be at most high, got {} and {}", low, high);
}
Tensor Hardtanh::forward(const Tensor& x) const { return hardtanh(x, low_, high_); }
std::string Hardtanh::options() const { return fmt::format("{} to {}", low_, high_); }

Tensor HardSigmoid::forward(const Tensor& x) const { return hard_sigmoid(x); }

Tensor Hardswish::forward(const Tensor& x) const { return x * hard_sigmoid(x); }

Softplus::Softplus(double beta) : beta_(beta) {
  check<Error>(beta > 0, "Softplus: beta must be above 0, got {}", beta);
}
Tensor Softplus::forward(const Tensor& x) const { return beta_ == 1 ? softplus(x) : softplus(x * beta_) / beta_; }
std::string Softplus::options() const { return beta_ == 1 ? "" : fmt::format("beta {}", beta_); }

Tensor Softsign::forward(const Tensor& x) const { return x / (1 + abs(x)); }

Tensor Tanhshrink::forward(const Tensor& x) const { return x - tanh(x); }

Softshrink::Softshrink(double lambda) : lambda_(lambda) {
  check<Error>(lambda >= 0, "Softshrink: lambda must not be negative, got {}", lambda);
}
Tensor Softshrink::forward(const Tensor& x) const { return x - hardtanh(x, -lambda_, lambda_); }
std::string Softshrink::options() const { return fmt::format("{}", lambda_); }

Hardshrink::Hardshrink(double lambda) : lambda_(lambda) {
  check<Error>(lambda >= 0, "Hardshrink: lambda must not be negative, got {}", lambda);
}
Tensor Hardshrink::forward(const Tensor& x) const { return where(abs(x) <= lambda_, 0, x); }
std::string Hardshrink::options() const { return fmt::format("{}", lambda_); }

Tensor GLU::forward(const Tensor& x) const {
  const std::int64_t size = x.dim(axis_);
  check(size % 2 == 0, "x has shape {}, axis {} must have an even size", x.shape(), axis_);
  return slice(x, axis_, 0, size / 2) * sigmoid(slice(x, axis_, size / 2, size));
}
std::string GLU::options() const { return fmt::format("axis {}", axis_); }

Tensor Softmax::forward(const Tensor& x) const { return softmax(x, axis_); }
std::string Softmax::options() const { return fmt::format("axis {}", axis_); }

Tensor LogSoftmax::forward(const Tensor& x) const { return log_softmax(x, axis_); }
std::string LogSoftmax::options() const { return fmt::format("axis {}", axis_); }

}  // namespace wengert::nn
