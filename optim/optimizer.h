#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <wengert/autograd/parameter.h>
#include <wengert/io/state_dict.h>
#include <wengert/optim/state_reader.h>

namespace wengert::optim {

/// Parameters with numbers of their own; what is left out is as the optimizer's options say.
struct ParameterGroup {
  std::vector<ParameterRef> parameters;
  std::optional<double> lr = {};
  std::optional<double> weight_decay = {};
};

/// What an optimizer is made for: a list of parameters, or groups of them.
/// \code
///   optim::Adam all(model.parameters(), {.lr = 1e-3});
///   optim::AdamW two({{.parameters = body, .lr = 1e-4}, {.parameters = biases, .weight_decay = 0}}, {.lr = 1e-3});
/// \endcode
class ParameterGroups {
 public:
  ParameterGroups() = default;
  ParameterGroups(std::vector<ParameterRef> parameters)  // NOLINT(google-explicit-constructor): a list is one group
      : groups_{{.parameters = std::move(parameters)}} {}
  ParameterGroups(std::initializer_list<ParameterRef> parameters)
      : ParameterGroups(std::vector<ParameterRef>(parameters)) {}
  ParameterGroups(std::vector<ParameterGroup> groups)  // NOLINT(google-explicit-constructor)
      : groups_(std::move(groups)) {}
  ParameterGroups(std::initializer_list<ParameterGroup> groups) : groups_(groups) {}

  const std::vector<ParameterGroup>& groups() const noexcept { return groups_; }

 private:
  std::vector<ParameterGroup> groups_;
};

/// Base of the optimizers, with what all of them share: parameters in groups, learning rates, gradients, and saving.
/// A rule that treats one parameter at a time derives from PerParameterOptimizer.
///
/// To accumulate gradients over several batches call `backward` on each batch's loss and `step` and `zero_grad` once:
/// gradients sum up. `(loss / batches).backward()` makes the sum a mean; so does `scale_grad` in optim/clip.h.
class Optimizer {
 public:
  /// Computes the loss: forgets old gradients, runs forward and backward, and returns it.
  using Closure = std::function<Tensor()>;

  virtual ~Optimizer() = default;

  /// Updates every parameter that has a gradient; the others, and all gradients, stay as they are.
  virtual void step() = 0;
  /// Calls `closure` with recording on, steps by the gradients that it leaves, and returns its loss. A rule that needs
  /// the loss at several places (LBFGS) calls it more than once.
  virtual Tensor step(const Closure& closure);
  /// Forgets the gradients of all parameters.
  void zero_grad();
  /// For rules that go by epochs, such as RuleOptimizer's: tells that one is over. `fit` does.
  virtual void end_epoch() {}

  /// All parameters, group after group.
  const std::vector<ParameterRef>& parameters() const noexcept { return parameters_; }
  std::size_t group_count() const noexcept { return groups_.size(); }

  /// Of one group, by default the first. Throws Error if there is no such group.
  double learning_rate(std::size_t group = 0) const { return at(group).learning_rate; }
  /// Of all groups. Throws Error unless it is finite and not negative.
  void set_learning_rate(double learning_rate);
  /// Of one group.
  void set_learning_rate(double learning_rate, std::size_t group);

  /// All that the steps so far have left behind, for going on exactly: "learning_rate", [groups], float64, and what the
  /// rule keeps. The options given at construction are not in it.
  StateDict state_dict() const;
  /// Takes it back, into an optimizer of the same rule for parameters of the same shapes in the same groups and order.
  /// Throws Error that lists every name that is missing, unexpected or unfit; then nothing has changed.
  void load_state_dict(const StateDict& state);

 protected:
  struct Settings {
    double learning_rate;
    double weight_decay = 0;
    bool maximize = false;  ///< climb: the rule gets the negative gradient
  };

  /// One group of the optimizer's, with the place of its parameters in `parameters()`.
  struct Group {
    double learning_rate;
    double weight_decay;
    std::size_t begin;
    std::size_t end;
  };

  /// Throws Error if there is no parameter, a group without any, an undefined one, or one twice, or if a learning rate
  /// or weight decay makes no sense. `name` starts the texts of errors.
  Optimizer(std::string name, const ParameterGroups& parameters, const Settings& settings);
  Optimizer(const Optimizer&) = default;
  Optimizer(Optimizer&&) = default;
  Optimizer& operator=(const Optimizer&) = default;
  Optimizer& operator=(Optimizer&&) = default;

  const std::string& name() const noexcept { return name_; }
  const std::vector<Group>& groups() const noexcept { return groups_; }
  bool maximize() const noexcept { return maximize_; }
  /// The gradient that the rule descends along: the parameter's own, or its negative under `maximize`. Undefined if
  /// there is none. To be called under no_grad.
  Tensor gradient_of(const ParameterRef& parameter) const {
    Tensor gradient = parameter.grad();
    if (maximize_ && gradient.defined()) [[unlikely]]
      gradient = negated(gradient);
    return gradient;
  }

  /// Adds to the state dict what the rule keeps.
  virtual void save_state(StateDict& state) const = 0;
  /// Takes it. Changes nothing yet: returns what puts it in place once all of the state has turned out to fit.
  virtual std::function<void()> read_state(StateReader& reader) = 0;

 private:
  const Group& at(std::size_t group) const;
  static Tensor negated(const Tensor& gradient);

  std::string name_;
  std::vector<ParameterRef> parameters_;
  std::vector<Group> groups_;
  bool maximize_;
};

/// Base of the rules that treat one parameter at a time: owns the tensors that the rule keeps for each, the step
/// counts, and the loop. A rule defines `update`. Its state dict: "<i>.step" and the rule's tensors, such as
/// "<i>.momentum", for the i-th parameter.
class PerParameterOptimizer : public Optimizer {
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

  using Optimizer::step;
  void step() override;

 protected:
  /// `state_names` are those of the tensors that `update` keeps for each parameter, of its shape and dtype.
  PerParameterOptimizer(std::string name, const ParameterGroups& parameters, const Settings& settings,
                        std::vector<std::string> state_names);

  /// The rule: gives the parameter its next numbers. Called under no_grad. With ops:
  /// `u.parameter.set(u.parameter - u.learning_rate * u.gradient)`; in one fused pass: see optim/fused_update.h.
  virtual void update(const Update& u) = 0;

 private:
  struct Slot {
    std::int64_t steps = 0;
    std::vector<Tensor> state;  // empty before the first step
  };

  void save_state(StateDict& state) const final;
  std::function<void()> read_state(StateReader& reader) final;

  std::vector<Slot> slots_;  // one per parameter
  std::vector<std::string> state_names_;
};

}  // namespace wengert::optim
