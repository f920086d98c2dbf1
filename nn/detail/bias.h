#pragma once

#include <optional>

#include <wengert/autograd/parameter.h>
#include <wengert/nn/init.h>

namespace wengert::nn::detail {

/// A bias for a layer whose outputs come from `fan_in` numbers each: uniform in +-1 / sqrt(fan_in) if there is no
/// initializer. Undefined unless `wanted`.
Parameter make_bias(bool wanted, const Shape& shape, std::int64_t fan_in, const std::optional<Initializer>& initializer,
                    DType dtype);

}  // namespace wengert::nn::detail
