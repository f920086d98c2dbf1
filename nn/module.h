#pragma once

#include <concepts>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include <wengert/autograd/observer.h>
#include <wengert/autograd/parameter.h>
#include <wengert/io/state_dict.h>

namespace wengert::nn {

class Module;

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
/// changes nevertheless, such as running statistics, is a `mutable` member.
class Module {
 public:
  virtual ~Module() = default;

  /// The module's function. Modules with other arguments leave this one out, define `operator()` with theirs and wrap
  /// its body in `annotated`.
  virtual Tensor forward(const Tensor& x) const;
  /// Names the members to `v`; see Visitor. Must not change them.
  virtual void visit(Visitor& /*v*/) {}
  /// What distinguishes this module from others of its type, for printing: "784, 100, no bias".
  virtual std::string options() const { return {}; }

  /// `forward`, with the module's path on errors: `features.2 (Conv2d): x has 3 channels, ...`.
  Tensor operator()(const Tensor& x) const;

  /// Every parameter once, in the order of the first visits.
  std::vector<ParameterRef> parameters() const;
  /// Same with paths: "features.2.weight". Throws Error if two have one path.
  std::vector<std::pair<std::string, ParameterRef>> named_parameters() const;
  /// The number of trainable numbers.
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

  /// A table of all modules inside with their parameters.
  std::string summary() const;
  /// Same with the shapes of their outputs for an input of this shape, as float zeros of the parameters' dtype, or for
  /// an example input. Runs `forward` once in evaluation mode and records nothing.
  std::string summary(const Shape& input_shape);
  std::string summary(const Tensor& example);

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

  bool training_ = true;
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
