#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/dense.h>

#include "nn/detail/bias.h"

namespace wengert::nn {

Dense::Dense(std::int64_t in, std::int64_t out, const DenseOptions& options) {
  check<Error>(in > 0 && out > 0, "Dense: in and out must be at least 1, got {} and {}", in, out);
  weight = Parameter(options.init(Shape{out, in}, options.dtype));
  bias = detail::make_bias(options.bias, Shape{out}, in, options.bias_init, options.dtype);
}

Tensor Dense::forward(const Tensor& x) const {
  check(x.rank() > 0 && x.dim(-1) == weight->dim(1), "x has shape {}, expected {} features in its last axis", x.shape(),
        weight->dim(1));
  return linear(x, weight, bias);
}

void Dense::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

std::string Dense::options() const {
  return fmt::format("{}, {}{}", weight->dim(1), weight->dim(0), bias.defined() ? "" : ", no bias");
}

}  // namespace wengert::nn
