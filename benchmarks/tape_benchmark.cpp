// What the tape costs: nanoseconds per recorded op, on a chain so long that starting a pass does not count.

#include <fmt/format.h>

#include <wengert/autograd.h>

#include "benchmarks/comparison.h"

namespace wengert::bench {

namespace {

constexpr int chain = 1000;

template <class Op>
Tensor chain_of(const Tensor& x, Op op) {
  Tensor y = x;
  for (int i = 0; i < chain; ++i) y = op(y);
  return y;
}

template <class Op>
void register_op(const std::string& name, const Shape& shape, Op op) {
  const Tensor x = full(shape, 0.5).requires_grad(true);
  const Tensor seed = ones(shape);
  const auto title = [&](const char* what) { return fmt::format("per op: {} {} {}", name, shape, what); };
  measure(title("value only"), chain, [=] {
    const NoGrad guard;
    benchmark::DoNotOptimize(chain_of(x, op));
  });
  measure(title("forward"), chain, [=] { benchmark::DoNotOptimize(chain_of(x, op)); });
  measure(title("forward+backward"), chain, [=] {
    chain_of(x, op).backward(seed);
    x.zero_grad();
  });
}

}  // namespace

void register_tape_benchmarks() {
  for (const Shape& shape : {Shape{}, Shape{16, 16}}) {
    const Tensor factor = full(shape, 1.0001);
    register_op("mul", shape, [factor](const Tensor& x) { return x * factor; });
    register_op("tanh", shape, [](const Tensor& x) { return tanh(x); });
  }
}

}  // namespace wengert::bench
