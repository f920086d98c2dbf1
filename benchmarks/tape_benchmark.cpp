// What the tape costs: nanoseconds per recorded op, on a chain so long that starting a pass does not count.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <wengert/autograd.h>

#include "benchmarks/comparison.h"
#include "benchmarks/peer.h"

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
void register_op(const std::string& op, const Shape& shape, Op apply) {
  const auto add = [&](const char* what, const std::string& peer, auto step) {
    compare({.name = fmt::format("op {} {} {}", op, shape, what), .per_step = chain}, [=] {
      const Tensor x = full(shape, 0.5).requires_grad(true);
      Contenders sides{.ours = timed([x, step] { step(x); })};
      if (has_peer() && !peer.empty()) {
        const std::vector<std::int64_t> sizes(shape.begin(), shape.end());
        const std::vector<float> numbers(static_cast<std::size_t>(shape.numel()), 0.5F);
        sides.peer = Peer({.model = peer, .weights = {}, .data = {{"x", sizes, numbers}}}).timed();
      }
      return sides;
    });
  };
  add("value", "", [apply](const Tensor& x) {
    const NoGrad guard;
    benchmark::DoNotOptimize(chain_of(x, apply));
  });
  add("forward", "chain " + op, [apply](const Tensor& x) { benchmark::DoNotOptimize(chain_of(x, apply)); });
  add("forward+backward", "chain " + op + " backward", [apply, seed = ones(shape)](const Tensor& x) {
    chain_of(x, apply).backward(seed);
    x.zero_grad();
  });
}

/// A node on the tape and off it again, without any computation.
void register_record() {
  compare({.name = "op record", .per_step = chain}, [] {
    const Tensor x = full({}, 0.5).requires_grad(true);
    return Contenders{.ours = timed([x, value = x.detach()] {
                        benchmark::DoNotOptimize(chain_of(x, [&](const Tensor& y) {
                          return record("identity", value, wrt(y, [](const Tensor& g) { return g; }));
                        }));
                      })};
  });
}

}  // namespace

void register_tape_benchmarks() {
  register_record();
  for (const Shape& shape : {Shape{}, Shape{16, 16}}) {
    const Tensor factor = full(shape, 1.0001);
    register_op("mul", shape, [factor](const Tensor& x) { return x * factor; });
    register_op("tanh", shape, [](const Tensor& x) { return tanh(x); });
  }
}

}  // namespace wengert::bench
