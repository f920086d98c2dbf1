#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <wengert/autograd/parameter.h>
#include <wengert/io/state_dict.h>

namespace wengert::optim {

/// Base of the optimizers: owns the list of parameters, their state and step counts, and the loop over them. A rule
/// derives from it and defines `update`, for one parameter at a time.
class Optimizer {
 public:
  /// What a rule gets to update one parameter.
  struct Update {
    const ParameterRef& parameter;
    const Tensor& gradient;
    std::span<Tensor> state;  ///< the tensors named at construction, zeros before the first step
    std::int64_t step;        ///< of this parameter, from 1
    double learning_rate;
    double weight_decay;
  };

  virtual ~Optimizer() = default;

  /// Updates every parameter that has a gradient; the others, and all gradients, stay as they are.
  void step();
  /// Forgets the gradients of all parameters.
  void zero_grad();

  double learning_rate() const noexcept { return settings_.learning_rate; }
  /// Throws Error unless it is finite and not negative.
  void set_learning_rate(double learning_rate);

  const std::vector<ParameterRef>& parameters() const noexcept { return parameters_; }

  /// All that the steps so far have left behind, for going on exactly: "learning_rate", and "<i>.step" and the rule's
  /// tensors, such as "<i>.momentum", for the i-th parameter. The options given at construction are not in it.
  StateDict state_dict() const;
  /// Takes it back, into an optimizer of the same rule for parameters of the same shapes in the same order. Throws
  /// Error that lists every name that is missing, unexpected or unfit; then nothing has changed.
  void load_state_dict(const StateDict& state);

 protected:
  struct Settings {
    double learning_rate;
    double weight_decay = 0;
  };

  /// Throws Error if the list is empty, has an undefined parameter, or one twice, or if learning rate or weight decay
  /// make no sense. `state_names` are those of the tensors that `update` keeps for each parameter, of its shape and
  /// dtype. `name` starts the texts of errors.
  Optimizer(std::string name, std::vector<ParameterRef> parameters, Settings settings,
            std::vector<std::string> state_names);
  Optimizer(const Optimizer&) = default;
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(const Optimizer&) = default;
  Optimizer& operator=(Optimizer&&) = default;

  /// The rule: gives the parameter its next numbers. Called under no_grad. With ops:
  /// `u.parameter.set(u.parameter - u.learning_rate * u.gradient)`; in one fused pass: see optim/fused_update.h.
  virtual void update(const Update& u) = 0;

 private:
  struct Slot {
    std::int64_t steps = 0;
    std::vector<Tensor> state;  // empty before the first step
  };

  std::string name_;
  std::vector<ParameterRef> parameters_;
  std::vector<Slot> slots_;  // one per parameter
  std::vector<std::string> state_names_;
  Settings settings_;
};

}  // namespace wengert::optim
