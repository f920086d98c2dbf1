#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/autograd/parameter.h>
#include <wengert/autograd/tape.h>
#include <wengert/autograd/tensor_function.h>

/// \file
/// Differentiation as functions of functions:
/// \code
///   const auto f = [](const Tensor& x) { return sum(tanh(x)); };
///   Tensor slope = grad(f)(x);
///   Tensor third = grad(grad(grad(g)))(t);            // of a function of one number
///   auto [value, gradients] = value_and_grad(loss)(weight, bias);
///   auto [y, tangent] = jvp(net, x, direction);
/// \endcode
/// A function takes tensors one by one and returns a tensor, or a std::vector<Tensor> where it says so; it is called
/// with handles of its own, so that the arguments need not require gradients and gradients in leaves stay untouched.
///
/// The results can be differentiated again, if recording is on and an argument requires a gradient or the function uses
/// a tensor that does (a captured weight): so these functions nest, and a gradient penalty reaches the weights. Else,
/// and inside `no_grad`, they cost what a plain backward costs and carry no graph.
///
/// Gradients come back like the arguments went in: a tensor for one, a std::array for several (`auto [dx, dw] = ...`),
/// a std::vector for a std::vector. What the result does not depend on has gradient zero; an int64 argument is held
/// fixed, and its gradient is undefined.

namespace wengert {

namespace detail {

/// A function's results at handles of its own, recorded.
struct Linearization {
  std::vector<Tensor> inputs;
  std::vector<Tensor> outputs;
  bool outer = false;  ///< whether something outside requires gradients of what is computed here

  Linearization(const char* caller, TensorFunction f, const std::vector<Tensor>& arguments,
                const std::vector<Tensor>& more = {});
  /// What the user gets to see.
  std::vector<Tensor> values() const;
};

/// Gradients of the inputs; `upstream` has a tensor per output.
std::vector<Tensor> pull_back(const char* caller, const Linearization& at, const std::vector<Tensor>& upstream,
                              bool retain_graph);
/// Same for many cotangents, [B, output's shape...] for each output: [B, input's shape...].
std::vector<Tensor> pull_back_rows(const char* caller, const Linearization& at, const std::vector<Tensor>& upstream);
/// Same for one output that is a single number, from 1.
std::vector<Tensor> gradients_of_number(const char* caller, const Linearization& at);
/// Values and tangents.
std::pair<std::vector<Tensor>, std::vector<Tensor>> push_forward(TensorFunction f, const std::vector<Tensor>& primals,
                                                                 const std::vector<Tensor>& tangents);
std::vector<Tensor> hessian_vector_products(TensorFunction f, const std::vector<Tensor>& arguments,
                                            const std::vector<Tensor>& vectors);
std::vector<Tensor> jacobians(const char* caller, TensorFunction f, const std::vector<Tensor>& arguments);
Tensor hessian_at(TensorFunction f, const Tensor& x);
std::vector<Tensor> run_checkpoint(TensorFunction f, std::shared_ptr<const void> owner,
                                   const std::vector<Tensor>& arguments);
Tensor run_custom_gradient(TensorFunction f, TensorFunction gradient, std::shared_ptr<const void> owner,
                           const std::vector<Tensor>& arguments);

/// The arguments X of a call: as a list, and how the function is called and the gradients given back.
template <class... X>
struct Arguments {
  static_assert((std::convertible_to<const X&, const Tensor&> && ...),
                "arguments are tensors, or one std::vector<Tensor>");

  static std::vector<Tensor> list(const X&... x) { return {static_cast<const Tensor&>(x)...}; }

  template <class F>
  static decltype(auto) call(const char* /*caller*/, F& f, const std::vector<Tensor>& list) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) -> decltype(auto) {
      return f(list[I]...);
    }(std::index_sequence_for<X...>());
  }

  static auto pack(std::vector<Tensor> gradients) {
    if constexpr (sizeof...(X) == 1) {
      return std::move(gradients[0]);
    } else {
      std::array<Tensor, sizeof...(X)> array;
      for (std::size_t i = 0; i < sizeof...(X); ++i) array[i] = std::move(gradients[i]);
      return array;
    }
  }
};

template <>
struct Arguments<std::vector<Tensor>> {
  static const std::vector<Tensor>& list(const std::vector<Tensor>& x) { return x; }

  template <class F>
  static decltype(auto) call(const char* caller, F& f, const std::vector<Tensor>& list) {
    return call_with_tensors(caller, f, list);
  }

  static std::vector<Tensor> pack(std::vector<Tensor> gradients) { return gradients; }
};

/// `f`, borrowed, as a function of a list.
template <class Args, class F>
TensorFunction borrow(F& f) {
  return {std::addressof(f), [](const void* object, const std::vector<Tensor>& inputs) {
            auto& function = *const_cast<F*>(static_cast<const F*>(object));
            return as_list(Args::call("function of tensors", function, inputs));
          }};
}

/// Results as `f` returns them: a tensor or a list.
template <class Args, class F>
inline constexpr bool returns_tensor =
    std::convertible_to<decltype(Args::call("", std::declval<F&>(), std::declval<const std::vector<Tensor>&>())),
                        Tensor>;

template <class Args, class F>
auto pack_values(std::vector<Tensor> values) {
  if constexpr (returns_tensor<Args, F>)
    return std::move(values[0]);
  else
    return values;
}

template <class F>
concept Function = !std::convertible_to<F, const Tensor&>;

}  // namespace detail

/// What `value_and_grad` returns.
template <class Gradients>
struct ValueAndGrad {
  Tensor value;
  Gradients gradients;
};

/// The function that calls `f`, whose result must be a single number, and gives its value and its gradients with
/// respect to all arguments. It throws ShapeError if the result is not a single number.
template <detail::Function F>
auto value_and_grad(F f) {
  return [f = std::move(f)]<class... X>(const X&... x) {
    using Args = detail::Arguments<X...>;
    const detail::Linearization at("value_and_grad", detail::borrow<Args>(f), Args::list(x...));
    auto gradients = Args::pack(detail::gradients_of_number("value_and_grad", at));
    return ValueAndGrad<decltype(gradients)>{at.values()[0], std::move(gradients)};
  };
}

/// The gradient of `f`, whose result must be a single number, as a function of the same arguments.
template <detail::Function F>
auto grad(F f) {
  return [f = std::move(f)]<class... X>(const X&... x) {
    using Args = detail::Arguments<X...>;
    const detail::Linearization at("grad", detail::borrow<Args>(f), Args::list(x...));
    return Args::pack(detail::gradients_of_number("grad", at));
  };
}

namespace detail {

/// What `vjp` returns to be called with the results' cotangents.
template <class Args>
class Pullback {
 public:
  explicit Pullback(Linearization at) : at_(std::move(at)) {}

  template <std::convertible_to<const Tensor&>... U>
  auto operator()(const U&... cotangents) const {
    return (*this)(std::vector<Tensor>{static_cast<const Tensor&>(cotangents)...});
  }
  auto operator()(const std::vector<Tensor>& cotangents) const {
    return Args::pack(pull_back("vjp", at_, cotangents, true));
  }

  /// The products with B cotangents at once, a row each: [B, y's shape...] to [B, x's shape...].
  template <std::convertible_to<const Tensor&>... U>
  auto rows(const U&... cotangents) const {
    return rows(std::vector<Tensor>{static_cast<const Tensor&>(cotangents)...});
  }
  auto rows(const std::vector<Tensor>& cotangents) const { return Args::pack(pull_back_rows("vjp", at_, cotangents)); }

 private:
  Linearization at_;
};

}  // namespace detail

/// `auto [y, pullback] = vjp(f, x, w);`: the value of `f`, and the function that takes a cotangent of y's shape (one
/// for each result of `f`) and gives the product with f's Jacobian, `auto [dx, dw] = pullback(dy);`. The pullback may
/// be called any number of times; it holds the graph. `pullback.rows(rows_of_dy)` takes many cotangents at once, [B,
/// y's shape...], and gives [B, x's shape...].
template <class F, class... X>
auto vjp(F&& f, const X&... x) {
  using Args = detail::Arguments<X...>;
  detail::Linearization at("vjp", detail::borrow<Args>(f), Args::list(x...));
  auto value = detail::pack_values<Args, F>(at.values());
  return std::pair(std::move(value), detail::Pullback<Args>(std::move(at)));
}

/// `auto [y, dy] = jvp(f, x, dx);`, or `jvp(f, {x, w}, {dx, dw})`: the value of `f` and its derivative along the
/// tangents, dy = J dx. An undefined tangent is zero. Computed as the gradient of a vjp with respect to its cotangent:
/// a vjp is linear in that, so its gradient is the transpose of the transpose. So every op that has a recorded gradient
/// has a tangent; the cost is that of three passes.
template <class F>
auto jvp(F&& f, const std::vector<Tensor>& primals, const std::vector<Tensor>& tangents) {
  using Args = detail::Arguments<std::vector<Tensor>>;
  auto [values, derivatives] = detail::push_forward(detail::borrow<Args>(f), primals, tangents);
  return std::pair(detail::pack_values<Args, F>(std::move(values)),
                   detail::pack_values<Args, F>(std::move(derivatives)));
}
template <class F>
auto jvp(F&& f, const Tensor& primal, const Tensor& tangent) {
  using Args = detail::Arguments<Tensor>;
  auto [values, derivatives] = detail::push_forward(detail::borrow<Args>(f), {primal}, {tangent});
  return std::pair(detail::pack_values<Args, F>(std::move(values)),
                   detail::pack_values<Args, F>(std::move(derivatives)));
}

/// The Hessian of `f`, whose result must be a single number, times `v`, which has x's shape: the gradient of the
/// gradient's product with v. Never builds the Hessian.
template <class F>
Tensor hvp(F&& f, const Tensor& x, const Tensor& v) {
  using Args = detail::Arguments<Tensor>;
  return detail::hessian_vector_products(detail::borrow<Args>(f), {x}, {v})[0];
}
/// Same for several arguments together, `hvp(f, {x, w}, {v, u})`; an undefined vector is zero.
template <class F>
std::vector<Tensor> hvp(F&& f, const std::vector<Tensor>& x, const std::vector<Tensor>& v) {
  using Args = detail::Arguments<std::vector<Tensor>>;
  return detail::hessian_vector_products(detail::borrow<Args>(f), x, v);
}

/// The derivatives of every element of f's result, one tensor, by every element of each argument: [y's shape..., x's
/// shape...]. By rows (from each element of y) or by columns (from each element of the arguments), whichever are fewer;
/// many of them in one pass, through rules that take them together (Rows in tape.h), through others one after the
/// other. Throws ShapeError if the two ranks exceed 8 together.
template <class F, class... X>
auto jacobian(F&& f, const X&... x) {
  using Args = detail::Arguments<X...>;
  return Args::pack(detail::jacobians("jacobian", detail::borrow<Args>(f), Args::list(x...)));
}

/// The second derivatives of `f`, whose result must be a single number, at one tensor: [x's shape..., x's shape...].
template <class F>
Tensor hessian(F&& f, const Tensor& x) {
  return detail::hessian_at(detail::borrow<detail::Arguments<Tensor>>(f), x);
}

namespace detail {

/// One sample at a time: `f(batch of one...)`, and what it gives for all N of them put together, [N, ...] each.
std::vector<Tensor> per_sample(TensorFunction f, const std::vector<Tensor>& parameters,
                               const std::vector<Tensor>& batch);

}  // namespace detail

/// The gradients of each sample's own loss, [N, parameter's shape...] for each of `parameters`, which `loss` uses.
/// batch: tensors whose leading axis are the N samples; `loss(x, y)` is called with batches of one, [1, ...], and
/// returns a single number. The samples are worked on one after the other.
/// \code
///   const auto gradients = per_sample_grad([&](const Tensor& x, const Tensor& y) { return cross_entropy(net(x), y); },
///                                          net.parameters(), images, labels);
/// \endcode
template <class F, class... X>
std::vector<Tensor> per_sample_grad(F&& loss, const std::vector<Tensor>& parameters, const X&... batch) {
  using Args = detail::Arguments<X...>;
  return detail::per_sample(detail::borrow<Args>(loss), parameters, Args::list(batch...));
}
template <class F, class... X>
std::vector<Tensor> per_sample_grad(F&& loss, std::span<const ParameterRef> parameters, const X&... batch) {
  return per_sample_grad(loss, std::vector<Tensor>(parameters.begin(), parameters.end()), batch...);
}

/// f(x...) with none of its intermediate results kept: backward computes them again. Random numbers drawn from
/// `default_generator()` are the same ones again, if no other thread draws from it meanwhile (a generator of f's own it
/// has to restart by itself). Tensors that `f` captures get their gradients like the arguments. `f` is copied, and what
/// it captured must live until the backward pass and be the same then; it records on the thread that calls it. What it
/// does besides, as the running mean of a batch norm, it does twice. Works at any order. Throws in the backward pass if
/// the results have other shapes than at first.
template <class F, class... X>
auto checkpoint(F f, const X&... x) {
  using Args = detail::Arguments<X...>;
  const auto owner = std::make_shared<F>(std::move(f));
  return detail::pack_values<Args, F>(detail::run_checkpoint(detail::borrow<Args>(*owner), owner, Args::list(x...)));
}

/// x as a constant: no gradient flows through it.
inline Tensor stop_gradient(const Tensor& x) { return x.detach(); }

/// f(x...) with a gradient of the user's making: `gradient(g, y, x...)` gets the gradient g of the result y, and
/// returns the gradient of x; of several arguments as a std::array or std::vector of tensors (undefined: zero). Of `f`
/// nothing is recorded. Written with ops, `gradient` can be differentiated again. An op with a name of its own is as
/// short: see `record` in tape.h.
template <class F, class G, std::convertible_to<const Tensor&>... X>
Tensor custom_gradient(F f, G gradient, const X&... x) {
  using Args = detail::Arguments<X...>;
  static_assert(detail::returns_tensor<Args, F>, "the function returns one tensor; for several see wrt_all in tape.h");
  using GradientArgs = detail::Arguments<Tensor, Tensor, X...>;
  struct Both {
    F f;
    G gradient;
  };
  const auto both = std::make_shared<Both>(Both{std::move(f), std::move(gradient)});
  return detail::run_custom_gradient(detail::borrow<Args>(both->f), detail::borrow<GradientArgs>(both->gradient), both,
                                     Args::list(x...));
}

}  // namespace wengert
