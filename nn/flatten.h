#pragma once

#include <wengert/nn/module.h>

namespace wengert::nn {

/// Joins axes first to last, both included; by default all but the batch: [N, C, H, W] becomes [N, C * H * W].
class Flatten : public Module {
 public:
  explicit Flatten(int first = 1, int last = -1) : first_(first), last_(last) {}
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  int first_;
  int last_;
};

}  // namespace wengert::nn
