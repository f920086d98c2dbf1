#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <wengert/autograd/functional.h>

namespace wengert::detail {

/// What the rule of a fused op returns where its gradients are to be differentiated: those of `composed`, which takes
/// the op's inputs as a list and computes its outputs by other ops. It runs for this alone.
template <class F>
std::vector<Tensor> composed_gradients(F composed, std::span<const Tensor> inputs, std::span<const Tensor> upstream,
                                       const std::uint8_t* needed) {
  std::vector<Tensor> arguments;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (needed[i]) arguments.push_back(inputs[i]);
  }
  const auto of_arguments = [&](const std::vector<Tensor>& handles) {
    std::vector<Tensor> all(inputs.begin(), inputs.end());
    auto next = handles.begin();
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (needed[i]) all[i] = *next++;
    }
    return composed(all);
  };
  const auto pullback = vjp(of_arguments, arguments).second;
  std::vector<Tensor> gradients = pullback(std::vector<Tensor>(upstream.begin(), upstream.end()));
  std::vector<Tensor> result(inputs.size());
  auto next = gradients.begin();
  for (std::size_t i = 0; i < result.size(); ++i) {
    if (needed[i]) result[i] = std::move(*next++);
  }
  return result;
}

}  // namespace wengert::detail
