#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/autograd/tensor.h>

/// \file
/// Hooks on modules; see `Module::register_forward_hook`.

namespace wengert::nn {

class Module;

namespace detail {

/// A user's function that is called before or after a module's own.
class ModuleHook {
 public:
  ModuleHook() = default;
  ModuleHook(const ModuleHook&) = delete;
  ModuleHook& operator=(const ModuleHook&) = delete;
  virtual ~ModuleHook() = default;

  /// `x` is the module's input; `value`, which the hook may replace, that input or the output.
  virtual void apply(const Module& module, const Tensor& x, Tensor& value) = 0;

  bool removed = false;
};

/// A hook on the output has it as a third argument.
template <bool on_output, class F>
class ModuleHookOf final : public ModuleHook {
 public:
  explicit ModuleHookOf(F function) : function_(std::move(function)) {}

  void apply(const Module& module, const Tensor& x, Tensor& value) override {
    const auto call = [&] {
      if constexpr (on_output)
        return function_(module, x, std::as_const(value));
      else
        return function_(module, std::as_const(value));
    };
    if constexpr (std::is_void_v<decltype(call())>) {
      call();
    } else {
      Tensor replacement = call();
      if (replacement.defined()) value = std::move(replacement);
    }
  }

 private:
  F function_;
};

using ModuleHookList = std::vector<std::shared_ptr<ModuleHook>>;

/// The hooks of one module, in the order of their registration.
struct ModuleHooks {
  ModuleHookList before;
  ModuleHookList after;
};

/// A module's own hooks: they belong to this one object, not to the value that it holds.
class ModuleHooksOwner {
 public:
  ModuleHooksOwner() = default;
  ModuleHooksOwner(const ModuleHooksOwner& /*other*/) noexcept {}
  ModuleHooksOwner(ModuleHooksOwner&& other) noexcept = default;
  ModuleHooksOwner& operator=(const ModuleHooksOwner& /*other*/) noexcept { return *this; }  // NOLINT(cert-oop54-cpp)
  ModuleHooksOwner& operator=(ModuleHooksOwner&& /*other*/) noexcept { return *this; }
  ~ModuleHooksOwner() = default;

  explicit operator bool() const noexcept { return static_cast<bool>(hooks_); }
  const ModuleHooks& operator*() const noexcept { return *hooks_; }
  const std::shared_ptr<ModuleHooks>& get_or_make() {
    if (!hooks_) hooks_ = std::make_shared<ModuleHooks>();
    return hooks_;
  }

 private:
  std::shared_ptr<ModuleHooks> hooks_;
};

}  // namespace detail

/// What registering a hook on a module returns: the way to take the hook off again. Letting go of it leaves the hook
/// on, and it may outlive the module.
class ModuleHookHandle {
 public:
  ModuleHookHandle() = default;
  ModuleHookHandle(std::weak_ptr<detail::ModuleHooks> hooks, std::weak_ptr<detail::ModuleHook> hook) noexcept
      : hooks_(std::move(hooks)), hook_(std::move(hook)) {}

  /// The hook is not called any more, and what it captured is let go of; if it is being called right now, when it
  /// returns. Does nothing the second time.
  void remove() noexcept;

 private:
  std::weak_ptr<detail::ModuleHooks> hooks_;
  std::weak_ptr<detail::ModuleHook> hook_;
};

}  // namespace wengert::nn
