#pragma once

#include <optional>

#include <wengert/autograd/parameter.h>
#include <wengert/nn/init.h>

namespace wengert::nn::detail {

/// A bias of `size` for a layer whose outputs come from `fan_in` numbers each; undefined unless `wanted`.
Parameter make_bias(bool wanted, std::int64_t size, std::int64_t fan_in, const std::optional<Initializer>& initializer,
                    DType dtype);

}  // namespace wengert::nn::detail
