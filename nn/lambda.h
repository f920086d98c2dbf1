#pragma once

#include <functional>
#include <string>
#include <utility>

#include <wengert/nn/module.h>

namespace wengert::nn {

/// Gives back its input: a place where another module may stand. Throws Error if it is undefined.
class Identity : public Module {
 public:
  Tensor forward(const Tensor& x) const override;
};

/// Any function of a tensor as a module: `Lambda("square", [](const Tensor& x) { return x * x; })`. What it captures is
/// its own: parameters inside are not the module's.
class Lambda : public Module {
 public:
  using Function = std::function<Tensor(const Tensor&)>;

  /// Throws Error if the function is empty.
  explicit Lambda(Function function) : Lambda({}, std::move(function)) {}
  Lambda(std::string name, Function function);

  /// Throws Error if the function returns an undefined tensor.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override { return name_; }

 private:
  std::string name_;
  Function function_;
};

}  // namespace wengert::nn
