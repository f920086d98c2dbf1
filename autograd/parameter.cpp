#include <wengert/autograd/ops.h>
#include <wengert/autograd/parameter.h>

namespace wengert {

using detail::Access;

constinit const Tensor ParameterRef::undefined_{};

ParameterRef::operator Operand() const { return value(); }

void ParameterRef::set(const Tensor& value) const {
  check<Error>(defined(), "Parameter.set: this handle refers to no parameter");
  check<Error>(value.defined(), "Parameter.set: value is undefined");
  check(value.shape() == cell_->value.shape(), "Parameter.set: value has shape {}, the parameter has {}", value.shape(),
        cell_->value.shape());
  check<DTypeError>(value.dtype() == cell_->value.dtype(), "Parameter.set: value is {}, the parameter is {}",
                    value.dtype(), cell_->value.dtype());
  detail::rebind(*this, value);
}

void ParameterRef::requires_grad(bool on) const {
  check<Error>(defined(), "Parameter.requires_grad: this handle refers to no parameter");
  if (on != requires_grad()) cell_->value = cell_->value.detach().requires_grad(on);
}

namespace {

detail::Ref<detail::ParameterCell> make_cell(const Tensor& value, bool requires_grad = true) {
  return detail::Ref<detail::ParameterCell>::adopt(
      new detail::ParameterCell(value.detach().requires_grad(requires_grad)));
}

}  // namespace

Parameter::Parameter(const Tensor& value) {
  check<Error>(value.defined(), "Parameter: value is undefined");
  check<DTypeError>(is_floating(value.dtype()), "Parameter: value is {}; only floating types have a gradient",
                    value.dtype());
  cell_ = make_cell(value);
}

Parameter::Parameter(const Parameter& other)
    : ParameterRef(other.defined() ? make_cell(other.value(), other.requires_grad())
                                   : detail::Ref<detail::ParameterCell>()) {}

Parameter& Parameter::operator=(const Parameter& other) {
  if (defined() && other.defined() && value().shape() == other->shape() && value().dtype() == other->dtype()) {
    detail::rebind(*this, other.value());
  } else if (this != &other) {
    *this = Parameter(other);
  }
  return *this;
}

Parameter& Parameter::operator=(Parameter&& other) noexcept {
  if (defined() && other.defined() && value().shape() == other->shape() && value().dtype() == other->dtype()) {
    detail::rebind(*this, other.value());
  } else {
    ParameterRef::operator=(std::move(other));
  }
  return *this;
}

std::vector<Tensor> grad(const Tensor& output, std::span<const ParameterRef> parameters, const GradOptions& options) {
  return grad(output, std::vector<Tensor>(parameters.begin(), parameters.end()), options);
}

Tensor detail::writable(const Tensor& tensor) {
  return Access::owns_alone(tensor) ? tensor.detach() : Access::allocate(tensor.shape(), tensor.dtype());
}

void detail::rebind(const ParameterRef& parameter, const Tensor& value) {
  if (Access::value(parameter.value()).get() == Access::value(value).get()) return;  // written in place
  // The cell is the value's home: every handle of the parameter refers to it.
  auto& home = const_cast<Tensor&>(parameter.value());
  home = Access::make(Access::value(value), Access::node(home), 0);
}

}  // namespace wengert
