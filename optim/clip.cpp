#include <algorithm>
#include <cmath>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>
#include <wengert/optim/clip.h>

#include "autograd/detail/leaf.h"
#include "optim/detail/checks.h"

namespace wengert::optim {

namespace {

/// Replaces every gradient there is by `f(gradient)`. Not by `backward`, which would call the parameters' hooks.
template <class F>
void transform_gradients(const std::vector<ParameterRef>& parameters, F f) {
  const NoGrad guard;
  for (const ParameterRef& parameter : parameters) {
    const Tensor gradient = parameter.grad();
    if (!gradient.defined()) continue;
    auto& leaf = static_cast<wengert::detail::Leaf&>(*wengert::detail::Access::node(parameter.value()));
    Tensor next = f(gradient);
    leaf.clear();
    leaf.accumulate(std::move(next));
  }
}

[[noreturn]] void fail_nonfinite(const std::vector<ParameterRef>& parameters, double norm) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor gradient = parameters[i].grad();
    if (gradient.defined() && !std::isfinite(wengert::norm(gradient, INFINITY).item())) {
      fail<Error>("clip_grad_norm: the norm of the gradients is {}: parameter {}, of shape {}, has {} in its gradient",
                  norm, i, gradient.shape(), wengert::norm(gradient, INFINITY).item());
    }
  }
  fail<Error>("clip_grad_norm: the norm of the gradients is {}", norm);
}

}  // namespace

double grad_norm(const std::vector<ParameterRef>& parameters, double p) {
  check<Error>(p > 0, "grad_norm: p must be above 0, got {}", p);
  const NoGrad guard;
  std::vector<double> norms;
  for (const ParameterRef& parameter : parameters) {
    const Tensor gradient = parameter.grad();
    if (gradient.defined()) norms.push_back(norm(gradient, p).item());
  }
  return norms.empty() ? 0 : norm(from_vector(norms), p).item();
}

double clip_grad_norm(const std::vector<ParameterRef>& parameters, double max_norm, const ClipOptions& options) {
  detail::check_not_negative("clip_grad_norm", "max_norm", max_norm);
  const double norm = grad_norm(parameters, options.p);
  if (!std::isfinite(norm)) {
    if (options.nonfinite == NonFinite::error) fail_nonfinite(parameters, norm);
    if (options.nonfinite == NonFinite::skip) {
      for (const ParameterRef& parameter : parameters) parameter.zero_grad();
    }
  } else if (norm > max_norm) {
    scale_grad(parameters, max_norm / norm);
  }
  return norm;
}

void clip_grad_value(const std::vector<ParameterRef>& parameters, double limit) {
  check<Error>(limit >= 0, "clip_grad_value: limit must not be negative, got {}", limit);
  transform_gradients(parameters, [=](const Tensor& gradient) { return clamp(gradient, -limit, limit); });
}

void scale_grad(const std::vector<ParameterRef>& parameters, double factor) {
  check<Error>(std::isfinite(factor), "scale_grad: factor must be finite, got {}", factor);
  transform_gradients(parameters, [=](const Tensor& gradient) { return gradient * factor; });
}

}  // namespace wengert::optim
