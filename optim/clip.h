#pragma once

#include <cstdint>
#include <vector>

#include <wengert/autograd/parameter.h>

namespace wengert::optim {

/// \file
/// What is done to gradients between `backward` and an optimizer's `step`. Parameters without a gradient are passed
/// over; a gradient that somebody took earlier keeps its numbers.

/// What `clip_grad_norm` does if the norm is infinite or NaN.
enum class NonFinite : std::uint8_t {
  error,  ///< throws Error that names the first parameter whose gradient is not finite
  skip,   ///< forgets all gradients, so that the optimizer's step changes nothing
  keep,   ///< leaves all gradients as they are
};

struct ClipOptions {
  double p = 2;  ///< the norm's order: above 0, may be infinite
  NonFinite nonfinite = NonFinite::error;
};

/// (sum |g|^p)^(1 / p) over the gradients of all parameters as one vector; 0 if there are none.
double grad_norm(const std::vector<ParameterRef>& parameters, double p = 2);

/// Multiplies all gradients by max_norm / norm if their joint norm is larger than max_norm, and returns the norm before
/// that. R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", 2013,
/// algorithm 1. Throws Error if max_norm is negative or not finite.
double clip_grad_norm(const std::vector<ParameterRef>& parameters, double max_norm, const ClipOptions& options = {});

/// Moves every element of every gradient into [-limit, limit]; NaN stays. Throws Error if limit is negative or NaN.
void clip_grad_value(const std::vector<ParameterRef>& parameters, double limit);

/// Multiplies all gradients by `factor`: after several calls of `backward`, 1 / their number makes the sum a mean.
/// Throws Error unless `factor` is finite.
void scale_grad(const std::vector<ParameterRef>& parameters, double factor);

}  // namespace wengert::optim
