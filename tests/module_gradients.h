#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>
#include <wengert/nn/module.h>

namespace wengert {

/// Normally distributed numbers of a seed, float64.
inline Tensor draw(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return randn(shape, float64, generator);
}

/// Expects the gradients of the number `loss()` with respect to all parameters of `module`, which are float64, to agree
/// with central differences, each along a random direction. Every parameter must have a part in it.
template <class F>
void expect_parameter_gradients(const nn::Module& module, F loss) {
  for (const ParameterRef& parameter : module.parameters()) parameter.zero_grad();
  loss().backward();
  Generator generator(17);
  for (const auto& [name, parameter] : module.named_parameters()) {
    ASSERT_TRUE(parameter.has_grad()) << name;
    const Tensor direction = randn(parameter->shape(), float64, generator);
    const double analytic = sum(direction * parameter.grad()).item();
    const Tensor value = parameter->detach();
    constexpr double epsilon = 1e-6;
    const auto loss_at = [&, &parameter = parameter](double step) {
      const NoGrad guard;
      parameter.set(value + direction * step);
      return loss().item();
    };
    const double numeric = (loss_at(epsilon) - loss_at(-epsilon)) / (2 * epsilon);
    parameter.set(value);
    EXPECT_NEAR(analytic, numeric, 1e-6 + 1e-5 * std::max(std::abs(analytic), std::abs(numeric))) << name;
  }
}

}  // namespace wengert
