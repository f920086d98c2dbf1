// Matrix products, as a percentage of the machine's multiply-adds in the same run; beside OpenBLAS ("hand") and oneDNN
// ("peer").

#include <fmt/format.h>

#include <wengert/autograd.h>

#include "benchmarks/comparison.h"
#include "benchmarks/hand/product.h"
#include "benchmarks/models/model.h"
#include "benchmarks/peer.h"

namespace wengert::bench {

namespace {

struct Sizes {
  std::int64_t m;
  std::int64_t k;
  std::int64_t n;
};

Contenders gemm_contenders(const Sizes& sizes, bool trans_a, bool trans_b) {
  const auto [m, k, n] = sizes;
  Draw draw;
  const auto matrix = [&](const char* name, std::int64_t rows, std::int64_t columns, bool transposed) {
    return draw.uniform(name, transposed ? std::vector{columns, rows} : std::vector{rows, columns}, -1, 1);
  };
  const auto a = std::make_shared<Array>(matrix("a", m, k, trans_a));
  const auto b = std::make_shared<Array>(matrix("b", k, n, trans_b));
  const auto c = std::make_shared<std::vector<float>>(static_cast<std::size_t>(m * n));

  const auto ours = [a = to_tensor(*a), b = to_tensor(*b), trans_a, trans_b] {
    return matmul(a, b, {.transpose_a = trans_a, .transpose_b = trans_b});
  };
  const auto hand = [=] {
    product(m, n, k, {a->numbers.data(), a->shape[1], trans_a}, {b->numbers.data(), b->shape[1], trans_b}, c->data());
  };
  hand();
  require_same("product, ours and OpenBLAS", to_vector(ours()), *c);
  Contenders sides{.ours = timed(ours),
                   .hand = timed(hand),
                   .bound = Bound::arithmetic,
                   .amount = 2 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k)};
  if (has_peer()) {
    const Peer peer({.model = fmt::format("gemm {}{}", trans_a ? 'T' : 'N', trans_b ? 'T' : 'N'), .data = {*a, *b}});
    require_same("product, ours and oneDNN", to_vector(ours()), peer.results().at(0).numbers);
    sides.peer = peer.timed();
  }
  return sides;
}

}  // namespace

void register_gemm_benchmarks() {
  std::vector<Sizes> all;
  for (const std::int64_t n : {64, 128, 256, 512, 1024, 2048}) all.push_back({n, n, n});
  for (const Sizes& sizes : {Sizes{64, 784, 100}, {256, 784, 100}, {1, 784, 100}, {64, 3136, 1024}, {64, 1024, 10}}) {
    all.push_back(sizes);
  }
  for (const Sizes& sizes : all) {
    for (const auto& [name, trans_a, trans_b] :
         {std::tuple{"NN", false, false}, {"NT", false, true}, {"TN", true, false}}) {
      compare({.name = fmt::format("gemm {} {}x{}x{}", name, sizes.m, sizes.k, sizes.n), .quick = sizes.m < 2048},
              [=] { return gemm_contenders(sizes, trans_a, trans_b); });
    }
  }
}

}  // namespace wengert::bench
