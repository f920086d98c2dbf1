#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/autograd/node.h>

/// \file
/// Hooks on gradients; see `Tensor::register_hook`.

namespace wengert {

namespace detail {

/// A user's function of one tensor's gradient.
class Hook {
 public:
  explicit Hook(std::uint32_t output_slot) noexcept : slot(output_slot) {}
  Hook(const Hook&) = delete;
  Hook& operator=(const Hook&) = delete;
  virtual ~Hook() = default;
  static void destroy(Hook* hook) noexcept { delete hook; }

  virtual void apply(Tensor& gradient) = 0;
  /// Not to be called any more.
  bool is_spent() const noexcept { return removed.load(std::memory_order_relaxed); }

  std::atomic<std::int32_t> references{1};
  std::atomic<bool> removed = false;
  const std::uint32_t slot;  ///< of the node's outputs
};

template <class F>
class HookOf final : public Hook {
 public:
  HookOf(std::uint32_t output_slot, F formula) : Hook(output_slot), formula_(std::move(formula)) {}

  void apply(Tensor& gradient) override {
    if constexpr (std::is_void_v<decltype(formula_(std::as_const(gradient)))>) {
      formula_(std::as_const(gradient));
    } else {
      auto replacement = formula_(std::as_const(gradient));
      if (replacement.defined()) gradient = std::move(replacement);
    }
  }

 private:
  F formula_;
};

/// What an observer keeps about a node, for as long as the node has its rules.
struct Note {
  Note() = default;
  Note(const Note&) = delete;
  Note& operator=(const Note&) = delete;
  virtual ~Note() = default;
};

/// The hooks of one node, in the order of their registration, and the notes about it.
struct HookList {
  std::vector<Ref<Hook>> hooks;
  std::vector<std::unique_ptr<const Note>> notes;
};

}  // namespace detail

/// What `register_hook` returns: the way to take the hook off again. Letting go of it leaves the hook on.
class HookHandle {
 public:
  HookHandle() = default;
  explicit HookHandle(detail::Ref<detail::Hook> hook) noexcept : hook_(std::move(hook)) {}

  /// The hook is not called any more. Does nothing the second time.
  void remove() noexcept {
    if (hook_) hook_->removed.store(true, std::memory_order_relaxed);
  }

 private:
  detail::Ref<detail::Hook> hook_;
};

}  // namespace wengert
