#pragma once

#include <wengert/autograd/ops.h>
#include <wengert/nn/module.h>

/// \file
/// Activations as modules. The formulas, and what happens at their kinks, are those of the ops of the same name; what
/// is no op has its formula here. All of them take tensors of any shape.

namespace wengert::nn {

class Tanh : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// 1 / (1 + exp(-x))
class Sigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// log(sigmoid(x))
class LogSigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// max(x, 0)
class ReLU : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// min(max(x, 0), 6)
class ReLU6 : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// x where x > 0, else slope x.
class LeakyReLU : public Module {
 public:
  explicit LeakyReLU(double slope = 0.01) : slope_(slope) {}
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double slope_;
};

struct PReLUOptions {
  std::int64_t channels = 1;  ///< a slope for each of axis 1 of x, or one for all
  double init = 0.25;
  DType dtype = float32;
};

/// x where x > 0, else weight x, with learned slopes (He et al., Delving deep into rectifiers, 2015). x: [N, C, ...],
/// or any shape for one slope; weight: [channels].
class PReLU : public Module {
 public:
  /// Throws Error unless channels is at least 1.
  explicit PReLU(const PReLUOptions& options = {});
  /// Throws ShapeError unless x has the layer's channels, if there are several.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;
};

/// x where x > 0, else alpha (e^x - 1).
class ELU : public Module {
 public:
  explicit ELU(double alpha = 1) : alpha_(alpha) {}
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double alpha_;
};

/// ELU with the scale and the alpha that keep mean 0 and variance 1 (Klambauer et al., 2017).
class SELU : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// x where x > 0, else alpha (e^(x / alpha) - 1).
class CELU : public Module {
 public:
  /// Throws Error unless alpha > 0.
  explicit CELU(double alpha = 1);
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double alpha_;
};

/// x times the probability that a standard normal number is below x.
class GELU : public Module {
 public:
  explicit GELU(GeluKind kind = GeluKind::exact) : kind_(kind) {}
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  GeluKind kind_;
};

/// x sigmoid(x), also known as swish.
class SiLU : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// x tanh(softplus(x))
class Mish : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// min(max(x, low), high)
class Hardtanh : public Module {
 public:
  /// Throws Error unless low <= high.
  explicit Hardtanh(double low = -1, double high = 1);
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double low_;
  double high_;
};

/// min(max(x / 6 + 1/2, 0), 1)
class HardSigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// x HardSigmoid(x) (Howard et al., Searching for MobileNetV3, 2019).
class Hardswish : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// log(1 + exp(beta x)) / beta
class Softplus : public Module {
 public:
  /// Throws Error unless beta > 0.
  explicit Softplus(double beta = 1);
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double beta_;
};

/// x / (1 + |x|)
class Softsign : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// x - tanh(x)
class Tanhshrink : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// x - lambda where x > lambda, x + lambda where x < -lambda, else 0.
class Softshrink : public Module {
 public:
  /// Throws Error if lambda is negative.
  explicit Softshrink(double lambda = 0.5);
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double lambda_;
};

/// x where |x| > lambda, else 0.
class Hardshrink : public Module {
 public:
  /// Throws Error if lambda is negative.
  explicit Hardshrink(double lambda = 0.5);
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double lambda_;
};

/// The first half of an axis times the sigmoid of the second half (Dauphin et al., Language modeling with gated
/// convolutional networks, 2017).
class GLU : public Module {
 public:
  explicit GLU(int axis = -1) : axis_(axis) {}
  /// Throws ShapeError unless the axis has an even size.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  int axis_;
};

/// exp(x) / sum(exp(x)) along an axis. `cross_entropy` takes what goes in here, not what comes out.
class Softmax : public Module {
 public:
  explicit Softmax(int axis = -1) : axis_(axis) {}
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  int axis_;
};

/// The logarithm of Softmax, without overflow: what `nll_loss` takes.
class LogSoftmax : public Module {
 public:
  explicit LogSoftmax(int axis = -1) : axis_(axis) {}
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  int axis_;
};

}  // namespace wengert::nn
