#pragma once

#include <atomic>
#include <mutex>

#include <wengert/autograd/tape.h>

namespace wengert::detail {

/// Adds `gradient` to `sum`: takes it over if `sum` is undefined, in place if nobody else can see `sum`'s elements.
void accumulate(Tensor& sum, Tensor gradient);

/// A node without inputs: where a gradient ends. Holds the gradient that `backward` sums up.
class Leaf final : public Node {
 public:
  explicit Leaf(const Tensor& of) noexcept : Node(Kind::leaf, "leaf", next_id({}), of.shape(), of.dtype()) {}

  void gradients(Tensor*, Tensor*, const std::uint8_t*) override {}
  void release() noexcept override {}

  /// Safe from several threads, whose graphs may end in the same leaf.
  void accumulate(Tensor gradient);

  /// Where a pass keeps its sum for this leaf: only a hint, as passes of several threads may overwrite it.
  std::atomic<std::uint32_t> place_hint{0};

  const Tensor& gradient() const noexcept { return gradient_; }
  void clear() noexcept { gradient_ = {}; }

 private:
  std::mutex mutex_;
  Tensor gradient_;
};

}  // namespace wengert::detail
