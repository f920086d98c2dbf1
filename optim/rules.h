#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <wengert/optim/optimizer.h>

/// \file
/// Update rules as they are taught in the lecture notes on computational physics and machine learning of the University
/// of Oslo (their class `Scheduler`), where they differ from the textbook rules above: for results that are to be the
/// same. New work takes SGD, Adagrad, RMSprop and Adam of this folder.

namespace wengert::optim {

/// What is subtracted from one weight, step by step. RuleOptimizer trains a model by one.
class UpdateRule {
 public:
  virtual ~UpdateRule() = default;

  /// What to subtract from the weight whose gradient this is; always the same weight's. Throws ShapeError or DTypeError
  /// if the gradient is not like the ones before.
  virtual Tensor update_change(const Tensor& gradient) = 0;
  /// To be called after each epoch: forgets what the rule forgets then.
  virtual void reset() = 0;
  /// An independent rule with the same options and state.
  virtual std::unique_ptr<UpdateRule> clone() const = 0;

  double learning_rate() const noexcept { return learning_rate_; }
  /// Throws Error unless it is finite and not negative.
  void set_learning_rate(double learning_rate);

  /// A tensor that the rule keeps, undefined until it is needed.
  struct State {
    const char* name;
    Tensor* tensor;
    bool per_row;  ///< one number per row of the gradient, see rules::Adagrad; else of the gradient's shape
  };
  virtual std::vector<State> state() { return {}; }
  /// The epoch, from 1: how often `reset` was called, plus 1. Only for rules that count.
  virtual std::int64_t* epoch() { return nullptr; }

 protected:
  /// Throws Error unless `learning_rate` is finite and not negative. `name` starts the texts of errors.
  UpdateRule(const char* name, double learning_rate);
  UpdateRule(const UpdateRule&) = default;
  UpdateRule& operator=(const UpdateRule&) = default;

 private:
  const char* name_;
  double learning_rate_;
};

/// The notebooks' rules. g is the gradient, c the change that is returned, delta = 1e-8 keeps from division by 0.
namespace rules {

struct ConstantOptions {
  double lr = 0.01;
};
/// c = lr g.
class Constant : public UpdateRule {
 public:
  explicit Constant(const ConstantOptions& options = {}) : UpdateRule("rules::Constant", options.lr) {}
  Tensor update_change(const Tensor& gradient) override;
  void reset() override {}
  std::unique_ptr<UpdateRule> clone() const override { return std::make_unique<Constant>(*this); }
};

struct MomentumOptions {
  double lr = 0.01;
  double momentum = 0.9;
};
/// c = momentum c + lr g. `reset` forgets nothing. Unlike SGD's momentum, c keeps the learning rate of its time.
class Momentum : public UpdateRule {
 public:
  explicit Momentum(const MomentumOptions& options = {});
  Tensor update_change(const Tensor& gradient) override;
  void reset() override {}
  std::unique_ptr<UpdateRule> clone() const override { return std::make_unique<Momentum>(*this); }
  std::vector<State> state() override { return {{"change", &change_, false}}; }

 private:
  MomentumOptions options_;
  Tensor change_;
};

struct AdagradOptions {
  double lr = 0.01;
  double delta = 1e-8;
};
/// G_i = G_i + sum_j g_ij^2, a number per row;  c_ij = lr g_ij / (delta + sqrt(G_i)). A row is what has one index along
/// the leading axis; a vector, as a bias is one, counts as one row, which the notebooks make of it. `reset` forgets G.
class Adagrad : public UpdateRule {
 public:
  explicit Adagrad(const AdagradOptions& options = {});
  Tensor update_change(const Tensor& gradient) override;
  void reset() override { sums_ = {}; }
  std::unique_ptr<UpdateRule> clone() const override { return std::make_unique<Adagrad>(*this); }
  std::vector<State> state() override { return {{"sum", &sums_, true}}; }

 private:
  AdagradOptions options_;
  Tensor sums_;
};

struct AdagradMomentumOptions {
  double lr = 0.01;
  double momentum = 0.9;
  double delta = 1e-8;
};
/// G as Adagrad's;  c = momentum c + lr g / (delta + sqrt(G)). `reset` forgets G but not c.
class AdagradMomentum : public UpdateRule {
 public:
  explicit AdagradMomentum(const AdagradMomentumOptions& options = {});
  Tensor update_change(const Tensor& gradient) override;
  void reset() override { sums_ = {}; }
  std::unique_ptr<UpdateRule> clone() const override { return std::make_unique<AdagradMomentum>(*this); }
  std::vector<State> state() override { return {{"sum", &sums_, true}, {"change", &change_, false}}; }

 private:
  AdagradMomentumOptions options_;
  Tensor sums_;
  Tensor change_;
};

struct RMSpropOptions {
  double lr = 0.01;
  double rho = 0.9;
  double delta = 1e-8;
};
/// s = rho s + (1 - rho) g^2;  c = lr g / sqrt(s + delta). `reset` forgets s.
class RMSprop : public UpdateRule {
 public:
  explicit RMSprop(const RMSpropOptions& options = {});
  Tensor update_change(const Tensor& gradient) override;
  void reset() override { square_ = {}; }
  std::unique_ptr<UpdateRule> clone() const override { return std::make_unique<RMSprop>(*this); }
  std::vector<State> state() override { return {{"square", &square_, false}}; }

 private:
  RMSpropOptions options_;
  Tensor square_;
};

struct AdamOptions {
  double lr = 0.001;
  double rho = 0.9;
  double rho2 = 0.999;
  double delta = 1e-8;
};
/// m = rho m + (1 - rho) g;  s = rho2 s + (1 - rho2) g^2
/// c = lr m / (1 - rho^e) / sqrt(s / (1 - rho2^e) + delta)
/// where e is the epoch, 1 at first and one more after each `reset`, which forgets m and s: not the step.
class Adam : public UpdateRule {
 public:
  explicit Adam(const AdamOptions& options = {});
  Tensor update_change(const Tensor& gradient) override;
  void reset() override;
  std::unique_ptr<UpdateRule> clone() const override { return std::make_unique<Adam>(*this); }
  std::vector<State> state() override { return {{"mean", &mean_, false}, {"square", &square_, false}}; }
  std::int64_t* epoch() override { return &epoch_; }

 private:
  AdamOptions options_;
  Tensor mean_;
  Tensor square_;
  std::int64_t epoch_ = 1;
};

}  // namespace rules

/// Trains parameters by an update rule, of which each has a copy of its own:
/// \code
///   optim::RuleOptimizer optimizer(model.parameters(), optim::rules::Adam({.lr = 1e-3}));
///   for (...) {                               // epochs
///     for (...) { ...; optimizer.step(); }    // batches
///     optimizer.reset();
///   }
/// \endcode
/// w = w - update_change(g + weight_decay w), with the weight decay of w's group, 0 if it has none. The learning rate
/// is the rule's unless a group has its own. State dict: "<i>.epoch" and "<i>.<name>" for what the rule of the i-th
/// parameter keeps.
class RuleOptimizer : public Optimizer {
 public:
  RuleOptimizer(const ParameterGroups& parameters, const UpdateRule& rule);

  using Optimizer::step;
  void step() override;
  /// Resets the rules of all parameters; after each epoch.
  void reset();
  void end_epoch() override { reset(); }

 private:
  void save_state(StateDict& state) const override;
  std::function<void()> read_state(StateReader& reader) override;

  std::vector<std::unique_ptr<UpdateRule>> rules_;  // one per parameter
};

}  // namespace wengert::optim
