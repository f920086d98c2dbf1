#pragma once

#include <concepts>
#include <initializer_list>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/nn/module.h>

namespace wengert::nn {

/// A module of any type, as a value: a copy copies the module inside.
class AnyModule {
 public:
  template <class M>
    requires std::derived_from<std::remove_cvref_t<M>, Module>
  explicit AnyModule(M&& module) : box_(std::make_unique<Box<std::remove_cvref_t<M>>>(std::forward<M>(module))) {}

  AnyModule(const AnyModule& other) : box_(other.inside().clone()) {}
  AnyModule(AnyModule&&) noexcept = default;
  /// Assigns the module inside if both have one type, so that its parameters stay the same parameters.
  AnyModule& operator=(const AnyModule& other) {
    if (!box_ || !box_->assign(other.inside())) box_ = other.inside().clone();
    return *this;
  }
  AnyModule& operator=(AnyModule&&) noexcept = default;
  ~AnyModule() = default;

  /// These throw Error if the module was moved away.
  Module& operator*() { return *inside().module; }
  const Module& operator*() const { return *inside().module; }
  Module* operator->() { return inside().module; }
  const Module* operator->() const { return inside().module; }

  Tensor operator()(const Tensor& x) const { return (**this)(x); }

 private:
  struct BoxBase {
    explicit BoxBase(Module* inside) noexcept : module(inside) {}
    BoxBase(const BoxBase&) = delete;
    BoxBase& operator=(const BoxBase&) = delete;
    virtual ~BoxBase() = default;
    virtual std::unique_ptr<BoxBase> clone() const = 0;
    virtual bool assign(const BoxBase& other) = 0;
    Module* const module;
  };

  template <class M>
  struct Box final : BoxBase {
    template <class T>
    explicit Box(T&& from) : BoxBase(&value), value(std::forward<T>(from)) {}
    std::unique_ptr<BoxBase> clone() const override { return std::make_unique<Box>(value); }
    bool assign(const BoxBase& other) override {
      const auto* same = dynamic_cast<const Box*>(&other);
      if constexpr (std::is_copy_assignable_v<M>) {
        if (same) value = same->value;
        return same != nullptr;
      }
      return false;
    }
    M value;
  };

  const BoxBase& inside() const {
    check<Error>(box_ != nullptr, "AnyModule: the module was moved away");
    return *box_;
  }

  std::unique_ptr<BoxBase> box_;
};

/// A module and its name, for `Sequential{{"conv", Conv2d(1, 8, 3)}, {"relu", ReLU()}}`.
struct NamedModule {
  template <class M>
    requires std::derived_from<std::remove_cvref_t<M>, Module>
  NamedModule(std::string own_name, M&& own_module) : name(std::move(own_name)), module(std::forward<M>(own_module)) {}
  NamedModule(std::string own_name, AnyModule own_module) : name(std::move(own_name)), module(std::move(own_module)) {}

  std::string name;
  AnyModule module;
};

/// Modules applied one after the other: `Sequential{Dense(784, 100), Tanh(), Dense(100, 10)}`. They are named "0", "1",
/// ... unless names are given. A value like every module; empty, it gives back its input.
class Sequential : public Module {
 public:
  Sequential() = default;
  template <class... M>
    requires((std::derived_from<std::remove_cvref_t<M>, Module> && ...) &&
             // One Sequential alone is copied or moved, not put inside.
             !(sizeof...(M) == 1 && (std::derived_from<std::remove_cvref_t<M>, Sequential> && ...)))
  explicit Sequential(M&&... modules) {
    children_.reserve(sizeof...(M));
    (push_back(std::forward<M>(modules)), ...);
  }
  /// Throws Error if a name is empty or there twice.
  Sequential(std::initializer_list<NamedModule> modules);

  Sequential(const Sequential&) = default;
  Sequential(Sequential&&) = default;
  Sequential& operator=(const Sequential& other);
  Sequential& operator=(Sequential&& other) {  // NOLINT(performance-noexcept-move-constructor)
    return *this = std::as_const(other);
  }
  ~Sequential() override = default;

  /// The name is the number of modules before if not given. Throws Error if it is empty or there already.
  template <class M>
    requires std::derived_from<std::remove_cvref_t<M>, Module>
  void push_back(M&& module) {
    append(std::to_string(size()), AnyModule(std::forward<M>(module)));
  }
  template <class M>
    requires std::derived_from<std::remove_cvref_t<M>, Module>
  void push_back(std::string name, M&& module) {
    append(std::move(name), AnyModule(std::forward<M>(module)));
  }

  std::size_t size() const noexcept { return children_.size(); }
  /// Throws ShapeError unless index < size().
  Module& operator[](std::size_t index) { return *child(index).module; }
  const Module& operator[](std::size_t index) const { return *const_cast<Sequential*>(this)->child(index).module; }
  /// The module as its own type: `model.get<Dense>(0).weight`. Throws Error if it is of another type.
  template <std::derived_from<Module> M>
  M& get(std::size_t index) {
    auto* module = dynamic_cast<M*>(&(*this)[index]);
    if (!module) fail_type(index);
    return *module;
  }

  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;

 private:
  void append(std::string name, AnyModule module);
  NamedModule& child(std::size_t index);
  [[noreturn]] void fail_type(std::size_t index);

  std::vector<NamedModule> children_;
};

}  // namespace wengert::nn
