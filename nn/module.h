#pragma once

#include <concepts>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <wengert/autograd/observer.h>
#include <wengert/autograd/parameter.h>
#include <wengert/io/state_dict.h>
#include <wengert/nn/hook.h>

namespace wengert::nn {

/// Walks a module and all that is inside it. A module's `visit` names its members to it:
/// \code
///   void visit(Visitor& v) override {
///     v("encoder", encoder);        // a child, or a vector of children: encoder.0, encoder.1, ...
///     v("weight", weight);          // a Parameter
///     v("running_mean", mean);      // a Tensor: a buffer, saved with the weights but not trained
///   }
/// \endcode
/// Members that are undefined are passed over. A weight that is used twice is one member that `forward` uses twice. (A
/// ParameterRef member works too, but a copy of the module goes on referring to the original's parameter.)
class Visitor {
 public:
  virtual ~Visitor() = default;

  void operator()(std::string_view name, ParameterRef& parameter);
  void operator()(std::string_view name, Tensor& buffer);
  /// Throws Error on modules nested more than a thousand deep, as when one visits the one around it.
  void operator()(std::string_view name, Module& child);
  template <std::derived_from<Module> M>
  void operator()(std::string_view name, std::vector<M>& children) {
    for (std::size_t i = 0; i < children.size(); ++i) {
      (*this)(std::string(name) + "." + std::to_string(i), static_cast<Module&>(children[i]));
    }
  }

 protected:
  /// What is met, each with its path from the module where the walk began: `features.2.weight`.
  virtual void parameter(const std::string& /*path*/, ParameterRef& /*parameter*/) {}
  virtual void buffer(const std::string& /*path*/, Tensor& /*buffer*/) {}
  /// A child, before and after its own members.
  virtual void enter(const std::string& /*path*/, Module& /*child*/) {}
  virtual void leave(Module& /*child*/) {}

 private:
  class Step;
  std::string path_;
  int depth_ = 0;
};

/// Base of everything with parameters. A model is a plain struct whose members are parameters and other modules:
/// \code
///   struct Net : nn::Module {
///     nn::Dense hidden{784, 100};
///     nn::Dense output{100, 10};
///     Tensor forward(const Tensor& x) const override { return output(tanh(hidden(x))); }
///     void visit(nn::Visitor& v) override { v("hidden", hidden); v("output", output); }
///   };
/// \endcode
/// A module is a value: a copy is an independent model with the same weights (see Parameter). Everything below comes
/// from `visit`. Calling a module, `net(x)`, puts its name on the errors thrown inside it. `forward` is const; what it
/// changes nevertheless, such as running statistics, is a `mutable` member. Assigning gives numbers to the parameters
/// there are, which an optimizer knows, but a std::vector of modules that is assigned a temporary takes over that
/// one's.
///
/// Weights are shared by using one member several times; it is one parameter to everything: `parameters`,
/// `parameter_count`, `state_dict`, `summary`, optimizers. A language model that reads and writes by one table:
/// \code
///   struct Tied : nn::Module {
///     nn::Embedding embedding{1000, 64};
///     Tensor forward(const Tensor& x) const override { return linear(embedding(x), embedding.weight); }
///     void visit(nn::Visitor& v) override { v("embedding", embedding); }
///   };
/// \endcode
class Module {
 public:
  virtual ~Module() = default;

  /// The module's function. Modules with other arguments define `operator()` with theirs and wrap its body in `hooked`,
  /// or in `annotated`. To be called as `module(x)`: by its own name it knows of no hooks and no paths.
  virtual Tensor forward(const Tensor& x) const;
  /// Names the members to `v`; see Visitor. Must not change them.
  virtual void visit(Visitor& /*v*/) {}
  /// What distinguishes this module from others of its type, for printing: "784, 100, no bias".
  virtual std::string options() const { return {}; }

  /// `forward`, with the module's hooks, and with its path on errors: `features.2 (Conv2d): x has 3 channels, ...`.
  /// Throws Error if x is undefined.
  Tensor operator()(const Tensor& x) const;

  /// Calls `f(module, x, y)` whenever the module has been called with `x` and gave `y`; where `f` returns a defined
  /// tensor, that one is the output instead. `f` may return nothing. Hooks run in the order of registration, each with
  /// the output that the one before left, inside the module's place on errors; what they throw ends the call. Those of
  /// modules with several arguments or results see the first of each (see `hooked`). A hook stays until the handle's
  /// `remove`, which it may call itself, or until the module goes. Hooks belong to the one object: a copy has none,
  /// assigning neither brings nor takes any, and only construction by move takes them along. A module without hooks
  /// pays for one test of a pointer. Not to be called, nor `remove`, while another thread calls the module.
  template <class F>
    requires std::is_invocable_v<F&, const Module&, const Tensor&, const Tensor&>
  ModuleHookHandle register_forward_hook(F f) {
    return attach(&detail::ModuleHooks::after, std::make_shared<detail::ModuleHookOf<true, F>>(std::move(f)));
  }
  /// Same for `f(module, x)`, called before the module is, which may replace the input.
  template <class F>
    requires std::is_invocable_v<F&, const Module&, const Tensor&>
  ModuleHookHandle register_forward_pre_hook(F f) {
    return attach(&detail::ModuleHooks::before, std::make_shared<detail::ModuleHookOf<false, F>>(std::move(f)));
  }

  /// Every parameter once, in the order of the first visits.
  std::vector<ParameterRef> parameters() const;
  /// Same with paths: "features.2.weight". Throws Error if two have one path.
  std::vector<std::pair<std::string, ParameterRef>> named_parameters() const;
  /// How many numbers all parameters have together, frozen ones included.
  std::int64_t parameter_count() const;

  /// Parameters and buffers by path: a snapshot, which later training leaves alone. Throws Error if two have one path.
  StateDict state_dict() const;
  /// Takes all numbers from `state`; parameters stay the same parameters. Throws Error that lists every name that is
  /// missing, unexpected, or of another shape or dtype; then nothing has changed.
  void load_state_dict(const StateDict& state);

  /// Puts this module and all inside it in training mode (the mode at first), or in evaluation mode.
  void train(bool on = true);
  void eval() { train(false); }
  bool is_training() const noexcept { return training_; }

  /// Forgets the gradients of all parameters.
  void zero_grad();

  /// Holds all parameters at their present numbers: ops take them for constants and compute no gradient for them, and
  /// optimizers pass them over. `freeze(false)` takes that back. Running statistics go on in training mode.
  void freeze(bool on = true);

  /// This module ("" is its path) and all inside, each once, outer ones first.
  std::vector<std::pair<std::string, Module*>> named_modules();
  /// The modules directly inside.
  std::vector<std::pair<std::string, Module*>> named_children();
  /// Calls `f(module)` for this module and all inside, each once: children in order, and then the one around them.
  template <class F>
  void apply(F f) {
    for (Module* module : inner_ones_first()) f(*module);
  }

  /// A table of all modules inside with their parameters.
  std::string summary() const;
  /// Same with the shapes of their outputs for an input of this shape, as float zeros of the parameters' dtype, or for
  /// an example input. Calls the module once in evaluation mode and records nothing.
  std::string summary(const Shape& input_shape);
  std::string summary(const Tensor& example);
  /// Same while `run()` calls the module, for one that has other arguments: `net.summary([&] { net(query, memory); })`.
  /// Of several results the first one is shown.
  template <class F>
    requires std::is_invocable_v<F&>
  std::string summary(F run) {
    return summary_during([](void* call) { static_cast<void>((*static_cast<F*>(call))()); }, &run);
  }

  /// "Conv2d": the type's name without namespaces and template arguments.
  std::string type_name() const;

 protected:
  Module() = default;
  Module(const Module&) = default;
  Module(Module&&) = default;
  Module& operator=(const Module&) = default;
  Module& operator=(Module&&) = default;

  /// `f()`, with the module's name on errors, and in what observers (Anomaly, Profile, TapeMonitor) report. Costs
  /// nothing unless there is one.
  template <class F>
  decltype(auto) annotated(F&& f) const {
    const Scope scope(*this);
    try {
      return std::forward<F>(f)();
    } catch (Error& error) {
      annotate(error);
      throw;
    }
  }

  /// `f(x)`, as `annotated` and with the module's hooks: the body of an `operator()` that gives a tensor.
  template <class F>
  Tensor hooked(const Tensor& x, F&& f) const {
    return annotated([&]() -> Tensor {
      if (!hooks_) [[likely]]
        return f(x);
      const Tensor input = before(x);
      Tensor output = f(input);
      after(input, output);
      return output;
    });
  }
  /// Same for a structure of results; `output` is the one that hooks see: `hooked(x, f, &LSTMResult::output)`.
  template <class F, class Result>
  Result hooked(const Tensor& x, F&& f, Tensor Result::*output) const {
    return annotated([&]() -> Result {
      if (!hooks_) [[likely]]
        return f(x);
      const Tensor input = before(x);
      Result result = f(input);
      after(input, result.*output);
      return result;
    });
  }

 private:
  friend std::string to_string(const Module& module);

  /// Tells observers that this module is at work.
  class Scope final : public wengert::detail::Scope {
   public:
    explicit Scope(const Module& module) noexcept : wengert::detail::Scope(&module), module_(module) {}

   private:
    std::string name_of(const void* part) const override { return module_.path_to(part); }
    std::string type() const override { return module_.type_name(); }
    const Module& module_;
  };

  /// The path from here to a module inside; empty if there is no such module.
  std::string path_to(const void* module) const;
  void annotate(Error& error) const noexcept;
  /// To walk a const module: `visit` takes members by reference so that one function serves readers and writers.
  void walk(Visitor& visitor) const { const_cast<Module*>(this)->visit(visitor); }

  std::vector<Module*> inner_ones_first();
  ModuleHookHandle attach(detail::ModuleHookList detail::ModuleHooks::*list, std::shared_ptr<detail::ModuleHook> hook);
  /// x or what hooks put in its place.
  Tensor before(const Tensor& x) const;
  void after(const Tensor& x, Tensor& output) const;
  std::string summary_during(void (*run)(void*), void* call);

  bool training_ = true;
  detail::ModuleHooksOwner hooks_;
};

/// The tree of modules, one a line.
std::string to_string(const Module& module);
std::ostream& operator<<(std::ostream& out, const Module& module);
fmt::format_context::iterator format_to(fmt::format_context::iterator out, const Module& module);

}  // namespace wengert::nn

/// The tree of modules.
template <std::derived_from<wengert::nn::Module> M>
struct fmt::formatter<M> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  auto format(const wengert::nn::Module& module, fmt::format_context& context) const {
    return wengert::nn::format_to(context.out(), module);
  }
};
