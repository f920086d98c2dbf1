#pragma once

#include <initializer_list>
#include <span>

#include <wengert/autograd/tensor.h>

namespace wengert::detail {

/// Watches the ops of one thread: base of Anomaly, Profile and TapeMonitor. Observers nest; each one passes what it
/// sees on to the one around it. Where there is none, an op pays for one test of a thread-local pointer.
class Observer {
 public:
  Observer() noexcept;
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;
  virtual ~Observer();

  /// An op was recorded as `node`.
  virtual void recorded(Node& /*node*/, std::span<const Tensor> /*inputs*/, std::span<const Tensor> /*outputs*/) {}
  /// Around the gradient rules of `node`, in a pass.
  virtual void before_rules(const Node& /*node*/) {}
  virtual void after_rules(const Node& /*node*/, std::span<const Tensor> /*upstream*/,
                           std::span<const Tensor> /*downstream*/) {}

  Observer* outer() const noexcept { return outer_; }

 private:
  Observer* outer_;
};

inline constinit thread_local Observer* observer = nullptr;

[[gnu::cold]] void notify_recorded(Node& node, std::initializer_list<const Tensor*> inputs, const Tensor& output);
[[gnu::cold]] void notify_recorded(Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs);
[[gnu::cold]] void notify_before_rules(const Node& node);
[[gnu::cold]] void notify_after_rules(const Node& node, std::span<const Tensor> upstream,
                                      std::span<const Tensor> downstream);

}  // namespace wengert::detail
