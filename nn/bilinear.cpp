#include <cmath>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/bilinear.h>

#include "nn/detail/bias.h"

namespace wengert::nn {

namespace {

void check_features(const char* name, const Tensor& x, std::int64_t features) {
  check(x.rank() > 0 && x.dim(-1) == features, "{} has shape {}, expected {} features in its last axis", name,
        x.shape(), features);
}

}  // namespace

Bilinear::Bilinear(std::int64_t in1, std::int64_t in2, std::int64_t out, const BilinearOptions& options) {
  check<Error>(in1 > 0 && in2 > 0 && out > 0, "Bilinear: in1, in2 and out must be at least 1, got {}, {} and {}", in1,
               in2, out);
  const double bound = 1 / std::sqrt(static_cast<double>(in1));
  weight = Parameter(options.init.value_or(init::uniform(-bound, bound))(Shape{out, in1, in2}, options.dtype));
  bias = detail::make_bias(options.bias, Shape{out}, in1, options.bias_init, options.dtype);
}

Tensor Bilinear::operator()(const Tensor& first, const Tensor& x2) const {
  return hooked(first, [&](const Tensor& x1) {
    const std::int64_t out = weight->dim(0);
    const std::int64_t in1 = weight->dim(1);
    const std::int64_t in2 = weight->dim(2);
    check_features("x1", x1, in1);
    check_features("x2", x2, in2);
    const Shape leading = x1.shape().removed(x1.rank() - 1);
    check(x2.shape().removed(x2.rank() - 1) == leading, "x1 is {} and x2 is {}; their leading axes must be equal",
          x1.shape(), x2.shape());
    // x1 meets all the matrices in one product; what is left for x2 is a product per sample.
    const std::int64_t n = leading.numel();
    const Tensor rows = reshape(permute(weight, {1, 0, 2}), {in1, out * in2});
    const Tensor left = reshape(matmul(reshape(x1, {n, in1}), rows), {n, out, in2});
    const Tensor y = reshape(matmul(left, reshape(x2, {n, in2, 1})), leading.inserted(leading.rank(), out));
    return bias.defined() ? y + bias : y;
  });
}

void Bilinear::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

std::string Bilinear::options() const {
  return fmt::format("{}, {}, {}{}", weight->dim(1), weight->dim(2), weight->dim(0), bias.defined() ? "" : ", no bias");
}

}  // namespace wengert::nn
