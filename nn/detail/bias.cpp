#include "nn/detail/bias.h"

#include <cmath>

namespace wengert::nn {

Parameter detail::make_bias(bool wanted, std::int64_t size, std::int64_t fan_in,
                            const std::optional<Initializer>& initializer, DType dtype) {
  if (!wanted) return {};
  if (initializer) return Parameter((*initializer)(Shape{size}, dtype));
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return Parameter(init::uniform(-bound, bound)(Shape{size}, dtype));
}

}  // namespace wengert::nn
