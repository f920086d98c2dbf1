#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <wengert/autograd/tape.h>

namespace wengert {

class Operand;

namespace detail {

/// What all handles of one parameter share: its numbers of the moment and the leaf that collects its gradient.
struct ParameterCell {
  explicit ParameterCell(Tensor leaf) noexcept : value(std::move(leaf)) {}
  static void destroy(ParameterCell* cell) noexcept { delete cell; }

  std::atomic<std::int32_t> references{1};
  Tensor value;
};

}  // namespace detail

/// A handle to a trainable parameter: the one thing here whose numbers change. The numbers of the moment are an
/// ordinary immutable tensor; an update gives the parameter new ones. Whoever took `value()` before, a graph that was
/// recorded with it included, keeps the old. Copies of a handle mean the same parameter; like a pointer's, the
/// constness of a handle is not that of the numbers. Take the value by `const Tensor&`, or by copy to keep the numbers
/// of the moment; what refers into it (a span of its elements, too) sees updates. As with any variable, no thread may
/// read a parameter while another updates it.
class ParameterRef {
 public:
  /// Refers to no parameter. As a tensor it is undefined, so that an op takes it for an argument left out.
  ParameterRef() = default;

  bool defined() const noexcept { return static_cast<bool>(cell_); }

  /// The numbers, as the leaf that gradients are summed up in. The reference sees later updates, a copy does not.
  const Tensor& value() const noexcept { return cell_ ? cell_->value : undefined_; }
  operator const Tensor&() const noexcept { return value(); }  // NOLINT(google-explicit-constructor)
  operator Operand() const;  // NOLINT(google-explicit-constructor): for ops that take a tensor or a number
  const Tensor* operator->() const noexcept { return &value(); }

  /// The gradient summed up so far; undefined if there is none.
  Tensor grad() const { return requires_grad() ? value().grad() : Tensor(); }
  bool has_grad() const { return grad().defined(); }
  void zero_grad() const {
    if (requires_grad()) value().zero_grad();
  }

  /// Whether ops compute a gradient for it, as they do at first. Without, it is frozen: a constant to ops that run from
  /// then on. Either way its gradient so far is forgotten where the setting changes. A copy has the same setting.
  /// Throws Error if this refers to no parameter.
  bool requires_grad() const noexcept { return value().requires_grad(); }
  void requires_grad(bool on) const;

  /// Gives the parameter other numbers; how `value` was computed is dropped. Identity and gradient stay, so that
  /// `p.set(p - learning_rate * p.grad())` inside no_grad is a whole optimizer. Throws ShapeError or DTypeError unless
  /// shape and dtype are the parameter's.
  void set(const Tensor& value) const;

  /// Whether both mean the same parameter. (`==` compares numbers, as for tensors.)
  bool is(const ParameterRef& other) const noexcept { return cell_.get() == other.cell_.get(); }

 protected:
  explicit ParameterRef(detail::Ref<detail::ParameterCell> cell) noexcept : cell_(std::move(cell)) {}

  detail::Ref<detail::ParameterCell> cell_;

 private:
  static const Tensor undefined_;
};

/// A parameter of a model, as a member of a module. A copy is a parameter of its own with the same numbers and no
/// gradient (cheap: the elements are shared until one of the two is updated); so copying a module copies its weights,
/// and `auto best = model;` is a snapshot. Sharing is explicit: use the one member in several places, or hold a
/// ParameterRef to it, which, when it is copied along with a module, still means the original's parameter.
/// Assigning a copy, as `model = best;` does, gives new numbers to the same parameter as `set` does, so that an
/// optimizer goes on with it, and so does assigning a temporary; only with another shape or dtype it becomes another
/// parameter. Construction by move carries the parameter itself along.
class Parameter : public ParameterRef {
 public:
  /// No parameter: a bias that a layer does without.
  Parameter() = default;
  /// Explicit, as `weight = weight - step` would silently replace the parameter that an optimizer knows.
  /// Throws Error if `value` is undefined, DTypeError if it is int64.
  explicit Parameter(const Tensor& value);

  Parameter(const Parameter& other);
  Parameter(Parameter&& other) noexcept = default;
  Parameter& operator=(const Parameter& other);
  Parameter& operator=(Parameter&& other) noexcept;
  ~Parameter() = default;

  void set(const Tensor& value) { ParameterRef::set(value); }
};

/// `grad` with respect to a model's parameters: `grad(loss, model.parameters())`.
std::vector<Tensor> grad(const Tensor& output, std::span<const ParameterRef> parameters,
                         const GradOptions& options = {});

namespace detail {

/// Where an update may write `tensor`'s next elements: over the present ones if no other handle sees them, else
/// elements of its own, uninitialised. To be handed back to the tensor's holder when written.
Tensor writable(const Tensor& tensor);

/// The parameter's numbers from now on, of its shape and dtype, from `writable`.
void rebind(const ParameterRef& parameter, const Tensor& value);

}  // namespace detail

}  // namespace wengert

/// As its tensor.
template <std::derived_from<wengert::ParameterRef> P>
struct fmt::formatter<P> : fmt::formatter<wengert::Tensor> {};
