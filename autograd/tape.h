#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/autograd/observer.h>
#include <wengert/autograd/tensor.h>

/// \file
/// The tape: recording ops, running them backwards. An op outside the library records itself just like one inside:
/// \code
///   Tensor hypotenuse(const Tensor& a, const Tensor& b) {
///     Tensor length = no_grad([&] { return sqrt(a * a + b * b); });
///     return record("hypotenuse", length,
///                   wrt(a, [a](const Tensor& g, const Tensor& y) { return g * a / y; }),
///                   wrt(b, [b](const Tensor& g, const Tensor& y) { return g * b / y; }));
///   }
/// \endcode

namespace wengert {

namespace detail {
inline constinit thread_local bool grad_mode = true;
}

/// Whether ops record themselves on this thread.
inline bool grad_enabled() noexcept { return detail::grad_mode; }

namespace detail {

/// Whether ops on this thread record themselves while one of these lives.
class GradMode {
 public:
  explicit GradMode(bool mode) noexcept : before_(std::exchange(grad_mode, mode)) {}
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;
  ~GradMode() { grad_mode = before_; }

 private:
  bool before_;
};

}  // namespace detail

/// Ops on this thread record nothing while one of these lives.
class NoGrad : detail::GradMode {
 public:
  NoGrad() noexcept : GradMode(false) {}
};

/// Ops on this thread record again while one of these lives, inside a NoGrad too.
class EnableGrad : detail::GradMode {
 public:
  EnableGrad() noexcept : GradMode(true) {}
};

/// Calls `f` with nothing recorded on this thread, and returns what it returns.
template <class F>
decltype(auto) no_grad(F&& f) {
  const NoGrad guard;
  return std::forward<F>(f)();
}

/// For gradient rules that take many gradients at once, as Jacobians have them: a rule with a last parameter of this
/// type may be given g as [B, y's shape...] instead of [y's shape...], to return [B, input's shape...] (or [B, y's
/// shape...] where the input was broadcast):
/// \code
///   wrt(x, [shape = x.shape()](const Tensor& g, Rows rows) { return reshape(g, rows.of(shape)); })
/// \endcode
class Rows {
 public:
  /// One gradient, without another axis.
  Rows() = default;
  explicit Rows(std::int64_t count) noexcept : count_(count) {}
  /// What g is to an op whose result has `rank` axes.
  Rows(const Tensor& g, int rank) : count_(g.rank() == rank ? -1 : g.shape()[0]) {}

  bool many() const noexcept { return count_ >= 0; }
  /// The shape with the axis of the rows in front, if there are many.
  Shape of(const Shape& shape) const { return many() ? shape.inserted(0, count_) : shape; }
  /// Same where the shape is to lie at the last of `rank` axes: [B, 1, ..., 1, shape...].
  Shape of(const Shape& shape, int rank) const {
    if (!many()) return shape;
    Shape aligned = shape;
    while (aligned.rank() < rank) aligned = aligned.inserted(0, 1);
    return of(aligned);
  }
  /// An axis counted from the front, behind that of the rows.
  int axis(int own) const noexcept { return many() ? own + 1 : own; }

 private:
  std::int64_t count_ = -1;
};

namespace detail {

/// The gradient rule for one input of an op.
template <class F>
struct Rule {
  const Tensor& input;
  F formula;
};

/// The formulas of a joint rule get all upstream gradients and give one gradient per input.
template <class F>
struct JointRule {
  std::span<const Tensor> inputs;
  F formula;
};

/// How a formula likes to be called. A generic lambda is asked with tensors first: what it would make of Rows may not
/// compile.
template <class F>
using TakesGradient =
    std::disjunction<std::is_invocable<F&, const Tensor&>, std::is_invocable<F&, const Tensor&, const Tensor&>>;
template <class F>
inline constexpr bool is_told_of_rows =
    std::conjunction_v<std::negation<TakesGradient<F>>,
                       std::disjunction<std::is_invocable<F&, const Tensor&, Rows>,
                                        std::is_invocable<F&, const Tensor&, const Tensor&, Rows>>>;
template <class F>
inline constexpr bool joint_is_told_of_rows =
    std::is_invocable_v<F&, std::span<const Tensor>, const std::uint8_t*, Rows>;
/// Or it says by a member that it can take many gradients without being told.
template <class F>
inline constexpr bool takes_rows_untold = requires { requires F::takes_rows; };
template <class F>
inline constexpr bool takes_output = std::disjunction_v<std::is_invocable<F&, const Tensor&, const Tensor&>,
                                                        std::is_invocable<F&, const Tensor&, const Tensor&, Rows>>;

/// Or that it can overwrite the gradient that it is given: `use_up(Tensor&& g, const Tensor& y)`.
template <class F>
inline constexpr bool uses_up_gradient =
    requires(F& formula, Tensor g) { formula.use_up(std::move(g), std::as_const(g)); };

/// Stands for the formula that an input has not.
struct NotDifferentiable {};
[[noreturn]] void fail_not_differentiable(const Node& node, std::size_t input);

/// For an output that is not recorded: notes the op through which the input was computed and whose lack of a gradient
/// stopped gradients there, if any.
inline void inherit_stop(const Tensor& output, const Tensor& input) noexcept {
  const Ref<Value>& from = Access::value(input);
  const char* op = from ? from->stopped_by.load(std::memory_order_relaxed) : nullptr;
  if (op) [[unlikely]]
    Access::value(output)->stopped_by.store(op, std::memory_order_relaxed);
}
/// Same, or that it is this op, which has none, if a gradient of the input reached so far.
inline void note_stop(const char* op, const Tensor& output, const Tensor& input) noexcept {
  if (input.requires_grad())
    Access::value(output)->stopped_by.store(op, std::memory_order_relaxed);
  else
    inherit_stop(output, input);
}
/// Whether the output can be on the tape: integers can't. Throws Error if it is undefined.
inline bool is_recordable(const char* op, const Tensor& output) {
  if (!output.defined()) [[unlikely]]
    fail<Error>("{}: the output to be recorded is undefined", op);
  return is_floating(Access::value(output)->dtype);
}

/// Whether an op with these outputs is to be recorded; notes where gradients stop. Throws Error if there is no output
/// or one is undefined.
bool is_recorded(const char* op, std::span<const Tensor> outputs, std::span<const Tensor> inputs);

std::uint64_t next_id(std::span<const Edge> edges) noexcept;
Edge edge_to(const Tensor& input) noexcept;

/// An op with one output and a rule per input, all in one allocation.
template <class... F>
class RecordedOp final : public Node {
 public:
  RecordedOp(const char* op, const Tensor& output, Rule<F>&&... rules)
      : RecordedOp(op, output, std::array<Edge, sizeof...(F)>{edge_to(rules.input)...}, std::move(rules)...) {}
  ~RecordedOp() override { release_rules(); }

  void gradients(Tensor* upstream, Tensor* downstream, const std::uint8_t* needed) override {
    // Its place on the tape is for formulas that are recorded themselves.
    const Tensor output = !output_         ? Tensor()
                          : grad_enabled() ? Access::make(output_, Ref<Node>::share(this), 0)
                                           : Access::make(output_);
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (apply<I>(upstream[0], output, downstream, needed), ...);
    }(std::index_sequence_for<F...>{});
  }

  void release() noexcept override {
    release_rules();
    for (Edge& edge : edges_) edge = {};
  }

  bool takes_rows() const noexcept override {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return ((is_told_of_rows<F> || takes_rows_untold<F> || !edges_[I].node) && ...);
    }(std::index_sequence_for<F...>{});
  }

 private:
  RecordedOp(const char* op, const Tensor& output, std::array<Edge, sizeof...(F)>&& inputs, Rule<F>&&... rules)
      : Node(Kind::op, op, next_id(inputs), output.shape(), output.dtype()), edges_(std::move(inputs)) {
    edges = edges_;
    // A rule whose input needs no gradient is never moved in: what it captured is let go when `record` returns.
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((edges_[I].node ? void(std::get<I>(rules_).emplace(std::move(rules.formula))) : void()), ...);
      if (((takes_output<F> && edges_[I].node) || ...)) output_ = Access::value(output);
    }(std::index_sequence_for<F...>{});
  }

  template <std::size_t I>
  void apply(Tensor& g, const Tensor& output, Tensor* downstream, const std::uint8_t* needed) {
    if (!needed[I]) return;
    auto& formula = *std::get<I>(rules_);
    using Formula = std::tuple_element_t<I, std::tuple<F...>>;
    if constexpr (sizeof...(F) == 1 && uses_up_gradient<Formula>) {
      if (!observer) [[likely]] {  // observers look at g afterwards
        downstream[I] = formula.use_up(std::move(g), output);
        return;
      }
    }
    if constexpr (std::is_same_v<Formula, NotDifferentiable>) {
      fail_not_differentiable(*this, I);
    } else if constexpr (takes_output<Formula> && is_told_of_rows<Formula>) {
      downstream[I] = formula(g, output, Rows(g, shape.rank()));
    } else if constexpr (takes_output<Formula>) {
      downstream[I] = formula(g, output);
    } else if constexpr (is_told_of_rows<Formula>) {
      downstream[I] = formula(g, Rows(g, shape.rank()));
    } else {
      downstream[I] = formula(g);
    }
  }

  void release_rules() noexcept {
    std::apply([](auto&... formula) { (formula.reset(), ...); }, rules_);
    output_ = {};
  }

  std::array<Edge, sizeof...(F)> edges_;
  std::tuple<std::optional<F>...> rules_;
  Ref<Value> output_;  // only if a rule asks for it; without its node, which would be a cycle
};

/// An op with any number of inputs and outputs, whose gradients come from one closure.
class JointOpBase : public Node {
 public:
  JointOpBase(const char* op, std::span<const Tensor> inputs, std::span<const Tensor> outputs);
  const Shape& output_shape(std::uint32_t slot) const noexcept override { return outputs_[slot].shape; }
  DType output_dtype(std::uint32_t slot) const noexcept override { return outputs_[slot].dtype; }
  void release() noexcept override;

 protected:
  std::vector<Tensor> checked(std::vector<Tensor> gradients) const;
  Rows rows_of(std::span<const Tensor> upstream) const;

 private:
  JointOpBase(const char* op, std::vector<Edge> inputs, std::span<const Tensor> outputs);

  struct Output {
    Shape shape;
    DType dtype;
  };
  std::vector<Edge> edges_;
  std::vector<Output> outputs_;
};

template <class F>
class JointOp final : public JointOpBase {
 public:
  JointOp(const char* op, std::span<const Tensor> outputs, JointRule<F>&& rule)
      : JointOpBase(op, rule.inputs, outputs), formula_(std::move(rule.formula)) {}

  void gradients(Tensor* upstream, Tensor* downstream, const std::uint8_t* needed) override {
    const std::span<const Tensor> all(upstream, output_count);
    std::vector<Tensor> results;
    if constexpr (joint_is_told_of_rows<F>)
      results = checked((*formula_)(all, needed, rows_of(all)));
    else
      results = checked((*formula_)(all, needed));
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (needed[i]) downstream[i] = std::move(results[i]);
    }
  }

  void release() noexcept override {
    formula_.reset();
    JointOpBase::release();
  }

  bool takes_rows() const noexcept override { return joint_is_told_of_rows<F>; }

 private:
  std::optional<F> formula_;
};

}  // namespace detail

/// The gradient rule of one input, for `record`: `formula(g)` or `formula(g, y)` gives the gradient with respect to
/// `input` from the gradient g of the op's output y. Written with public ops, it can be differentiated again. It may
/// return the output's shape where the input was broadcast (the engine sums), or an undefined tensor for zero. With a
/// last parameter of type Rows it takes many gradients at once; else it is called for one after the other. What it
/// captures is saved for backward: capture inputs and constants, never the op's own output, which comes as `y`.
template <class F>
detail::Rule<F> wrt(const Tensor& input, F formula) {
  return {input, std::move(formula)};
}

/// An input that the op's output has no derivative with respect to, though one might be asked for: asking is then an
/// error that names the op. (An op whose rules leave an input out takes it for a constant.)
inline detail::Rule<detail::NotDifferentiable> not_differentiable(const Tensor& input) { return {input, {}}; }

/// One rule for all inputs: `formula(upstream, needed)` gets `std::span<const Tensor>`, a gradient per output
/// (undefined: zero), and `const std::uint8_t*`, a flag per input, and gives a std::vector<Tensor> with a gradient per
/// input (undefined where not needed or zero). It may have a third parameter of type Rows.
template <class F>
detail::JointRule<F> wrt_all(std::span<const Tensor> inputs, F formula) {
  return {inputs, std::move(formula)};
}

/// The result of an op that has no gradient, such as argmax, computed from these inputs: asking for the gradient of it,
/// or of what is computed from it alone, is then an error that names the op. `name` lives as long as the program.
template <std::convertible_to<const Tensor&>... X>
Tensor without_gradient(const char* name, const Tensor& output, const X&... inputs) {
  if (grad_enabled()) (detail::note_stop(name, output, inputs), ...);
  return output;
}

/// Puts an op on the tape: `output` is what it computed, unrecorded, and comes back as the result of op `name` (a
/// string that lives as long as the program). Records nothing if no input needs a gradient, `no_grad` is on, or the
/// output is int64: integers have no gradient. Throws Error if the output is undefined.
template <class... F>
Tensor record(const char* name, Tensor output, detail::Rule<F>... rules) {
  const bool recordable = detail::is_recordable(name, output);
  if (!grad_enabled()) return output;
  if (!recordable) [[unlikely]] {
    (detail::note_stop(name, output, rules.input), ...);
    return output;
  }
  if (!(rules.input.requires_grad() || ...)) {
    (detail::inherit_stop(output, rules.input), ...);
    return output;
  }
  auto node = detail::Ref<detail::Node>::adopt(new detail::RecordedOp<F...>(name, output, std::move(rules)...));
  if (detail::observer) [[unlikely]]
    detail::notify_recorded(*node, {&rules.input...}, output);
  return detail::Access::recorded(std::move(output), std::move(node), 0);
}

/// Same for an op with several outputs, at least one, or with a number of inputs known at run time. Outputs of int64
/// (indices) take no part in the graph.
template <class F>
std::vector<Tensor> record(const char* name, std::vector<Tensor> outputs, detail::JointRule<F> rule) {
  if (!detail::is_recorded(name, outputs, rule.inputs)) return outputs;
  auto node = detail::Ref<detail::Node>::adopt(new detail::JointOp<F>(name, outputs, std::move(rule)));
  if (detail::observer) [[unlikely]]
    detail::notify_recorded(*node, rule.inputs, outputs);
  for (std::uint32_t slot = 0; slot < outputs.size(); ++slot) {
    if (is_floating(outputs[slot].dtype()))
      outputs[slot] = detail::Access::recorded(std::move(outputs[slot]), node, slot);
  }
  return outputs;
}

/// What `grad` computes and keeps.
struct GradOptions {
  std::vector<Tensor> grad_outputs = {};  ///< gradients of the outputs; ones for single numbers if empty
  bool create_graph = false;              ///< record the computation, so that the gradients can be differentiated
  std::optional<bool> retain_graph = {};  ///< create_graph if not given
  bool allow_unused = false;  ///< an undefined tensor, not an error, for an input the outputs don't depend on
};

/// d(sum of outputs)/d(input) for every input, leaves' own gradients untouched. Runs only the rules that lead to an
/// input. Throws GraphError like `backward`, and for an input that the outputs don't depend on unless allow_unused.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const GradOptions& options = {});
std::vector<Tensor> grad(const Tensor& output, const std::vector<Tensor>& inputs, const GradOptions& options = {});
/// So that `grad(y, {x})` means a list of one.
std::vector<Tensor> grad(const Tensor& output, std::initializer_list<Tensor> inputs, const GradOptions& options = {});
Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options = {});

}  // namespace wengert
