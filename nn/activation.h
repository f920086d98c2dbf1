#pragma once

#include <wengert/nn/module.h>

namespace wengert::nn {

class Tanh : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// max(x, 0)
class ReLU : public Module {
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

/// 1 / (1 + exp(-x))
class Sigmoid : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
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

}  // namespace wengert::nn
