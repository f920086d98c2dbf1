#pragma once

#include <atomic>

#include <wengert/autograd/tape.h>

namespace wengert::detail {

/// Adds `gradient` to `sum`: takes it over if `sum` is undefined, in place if nobody else can see `sum`'s elements.
void accumulate(Tensor& sum, Tensor gradient);

/// A node without inputs: where a gradient ends. Holds the gradient that `backward` sums up.
class Leaf final : public Node {
 public:
  explicit Leaf(const Tensor& of) noexcept : Node("leaf", next_id({}), of.shape(), of.dtype()) {}

  void gradients(const Tensor*, Tensor*, const std::uint8_t*) override {}
  void release() noexcept override {}
  bool is_leaf() const noexcept override { return true; }

  /// Safe from several threads, whose graphs may end in the same leaf.
  void accumulate(Tensor gradient);

  const Tensor& gradient() const noexcept { return gradient_; }
  void clear() noexcept { gradient_ = {}; }

 private:
  std::atomic_flag lock_;
  Tensor gradient_;
};

}  // namespace wengert::detail
