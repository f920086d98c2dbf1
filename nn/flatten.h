#pragma once

#include <vector>

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

/// Gives each sample of a batch another shape: `Reshape({5, 26, 26})` makes [N, 3380] [N, 5, 26, 26]. One size may be
/// -1, what the others leave for it.
class Reshape : public Module {
 public:
  /// Throws Error if a size is below -1, or two are -1.
  explicit Reshape(std::vector<std::int64_t> sizes);
  /// Throws ShapeError unless x has a batch axis and a sample of x as many elements as the shape.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  std::vector<std::int64_t> sizes_;
};

}  // namespace wengert::nn
