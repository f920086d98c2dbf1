#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/autograd/tensor.h>

/// \file
/// How a user's function of tensors is handed to code that is not a template.

namespace wengert::detail {

/// A borrowed function from tensors to tensors.
struct TensorFunction {
  const void* object;
  std::vector<Tensor> (*call)(const void* object, const std::vector<Tensor>& inputs);

  std::vector<Tensor> operator()(const std::vector<Tensor>& inputs) const { return call(object, inputs); }
};

[[noreturn]] void fail_arity(const char* caller, std::size_t expected, std::size_t given);

template <class F, std::size_t N, class Indices = std::make_index_sequence<N>>
inline constexpr bool takes_tensors = false;
template <class F, std::size_t N, std::size_t... I>
inline constexpr bool takes_tensors<F, N, std::index_sequence<I...>> =
    std::is_invocable_v<F&, decltype((void(I), std::declval<const Tensor&>()))...>;

/// Calls `f` with the tensors one by one if it takes N to 8 of them, else with all in one vector or span.
template <std::size_t N = 1, class F>
decltype(auto) call_with_tensors(const char* caller, F& f, const std::vector<Tensor>& inputs) {
  if constexpr (takes_tensors<F, N>) {
    if (inputs.size() != N) fail_arity(caller, N, inputs.size());
    return [&]<std::size_t... I>(std::index_sequence<I...>) { return f(inputs[I]...); }(std::make_index_sequence<N>());
  } else if constexpr (N < 8) {
    return call_with_tensors<N + 1>(caller, f, inputs);
  } else {
    return f(inputs);
  }
}

/// What a function of tensors returned, a tensor or a list of them, as a list.
template <class R>
std::vector<Tensor> as_list(R&& result) {
  if constexpr (std::convertible_to<R, Tensor>) {
    return {std::forward<R>(result)};
  } else {
    return std::vector<Tensor>(std::begin(result), std::end(result));
  }
}

}  // namespace wengert::detail
