#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

/// alpha a b + beta c, either factor transposed. Where a layer would compute it, `linear` does.
Tensor general_product(const Call& call) {
  const Tensor a = call.input(0);
  const Tensor b = call.input(1);
  const Tensor c = call.optional_input(2);
  const double alpha = call.real("alpha", 1);
  const double beta = call.real("beta", 1);
  const bool transpose_a = call.flag("transA");
  const bool transpose_b = call.flag("transB");
  call.ignore("broadcast");  // before version 7, whether c may be broadcast
  if (alpha == 1 && beta == 1 && transpose_b && !transpose_a && c.defined() && c.rank() == 1) return linear(a, b, c);
  const Tensor product = alpha * matmul(a, b, {.transpose_a = transpose_a, .transpose_b = transpose_b});
  return c.defined() ? product + beta * c : product;
}

}  // namespace

std::vector<Operator> product_operators() {
  return {
      {"Det", {"det"}, of(det)},
      {"Einsum", {"einsum"}, [](const Call& call) { return einsum(call.text("equation", ""), call.inputs()); }},
      {"Gemm", {"matmul", "linear"}, general_product},
      {"MatMul", {"matmul"}, [](const Call& call) { return matmul(call.input(0), call.input(1)); }},
  };
}

}  // namespace wengert::test::onnx
