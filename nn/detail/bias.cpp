#include "nn/detail/bias.h"

#include <cmath>

namespace wengert::nn {

Parameter detail::make_bias(bool wanted, const Shape& shape, std::int64_t fan_in,
                            const std::optional<Initializer>& initializer, DType dtype) {
  if (!wanted) return {};
  if (initializer) return Parameter((*initializer)(shape, dtype));
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return Parameter(init::uniform(-bound, bound)(shape, dtype));
}

}  // namespace wengert::nn
