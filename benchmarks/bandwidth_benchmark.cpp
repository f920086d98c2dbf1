// Ops whose bound is memory, on arrays beyond the caches: as a percentage of the bandwidth measured in the same run, of
// reading for reductions to little, else of copying. "hand" is a loop by Eigen into memory that is there already.

#include <Eigen/Core>
#include <functional>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <wengert/autograd.h>

#include "benchmarks/comparison.h"
#include "benchmarks/hand/lanes.h"
#include "benchmarks/models/model.h"

namespace wengert::bench {

namespace {

/// 64 MiB an array.
constexpr std::int64_t rows = 4096;
constexpr std::int64_t columns = 4096;
constexpr std::int64_t size = rows * columns;

/// Made once and shared: to draw them takes longer than what is measured.
struct Inputs {
  Tensor a = rand({rows, columns}) * 2 - 1;
  Tensor b = rand({rows, columns});
  Eigen::ArrayXf out = Eigen::ArrayXf::Zero(size);  // of the hand-written sides
};

struct Loop {
  std::string name;
  std::function<Tensor(const Tensor& a, const Tensor& b)> ours;
  std::function<void(const float* a, const float* b, float* out)> hand;  ///< writes to `out` what ours gives
  double read = 1;                                                       ///< arrays
  double written = 1;
};

template <class F>
auto map_one(F f) {
  return [f](const float* a, const float* /*b*/, float* out) {
    Eigen::Map<Eigen::ArrayXf>(out, size) = f(Eigen::Map<const Eigen::ArrayXf>(a, size));
  };
}

template <class F>
auto map_two(F f) {
  return [f](const float* a, const float* b, float* out) {
    Eigen::Map<Eigen::ArrayXf>(out, size) =
        f(Eigen::Map<const Eigen::ArrayXf>(a, size), Eigen::Map<const Eigen::ArrayXf>(b, size));
  };
}

void row_softmax(const float* a, const float* /*b*/, float* out) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const Eigen::Map<const Eigen::ArrayXf> from(a + row * columns, columns);
    Eigen::Map<Eigen::ArrayXf> to(out + row * columns, columns);
    to = (from - from.maxCoeff()).exp();
    to *= 1 / to.sum();
  }
}

void whole_sum(const float* /*a*/, const float* b, float* out) {
  *out = Eigen::Map<const Eigen::ArrayXf>(b, size).sum();
}

void column_sum(const float* /*a*/, const float* b, float* out) {
  Eigen::Map<Eigen::ArrayXf> total(out, columns);
  total.setZero();
  for (std::int64_t row = 0; row < rows; ++row) total += Eigen::Map<const Eigen::ArrayXf>(b + row * columns, columns);
}

void row_sum(const float* /*a*/, const float* b, float* out) {
  for (std::int64_t row = 0; row < rows; ++row) {
    out[row] = Eigen::Map<const Eigen::ArrayXf>(b + row * columns, columns).sum();
  }
}

void row_max(const float* /*a*/, const float* b, float* out) {
  for (std::int64_t row = 0; row < rows; ++row) {
    out[row] = Eigen::Map<const Eigen::ArrayXf>(b + row * columns, columns).maxCoeff();
  }
}

/// Windows of 2x2 of the matrix, as one image.
template <class Combine>
auto pool(Combine combine) {
  return [combine](const float* a, const float* /*b*/, float* out) {
    for (std::int64_t y = 0; y < rows / 2; ++y) {
      const float* upper = a + 2 * y * columns;
      const float* lower = upper + columns;
      float* to = out + y * columns / 2;
      for (std::int64_t x = 0; x < columns / 2; x += lane_count) {
        const auto both = [&](std::int64_t offset) {
          return combine(load(upper + 2 * x + offset), load(lower + 2 * x + offset));
        };
        const Lanes left = both(0);
        const Lanes right = both(lane_count);
        store(to + x,
              combine(__builtin_shufflevector(left, right, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
                      __builtin_shufflevector(left, right, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)));
      }
    }
  };
}

Contenders loop_contenders(const Loop& loop, Inputs& inputs) {
  const auto ours = [f = loop.ours, &inputs] {
    const NoGrad guard;
    return f(inputs.a, inputs.b);
  };
  const auto hand = [f = loop.hand, &inputs] {
    f(inputs.a.data<float>().data(), inputs.b.data<float>().data(), inputs.out.data());
    benchmark::ClobberMemory();
  };
  hand();
  const std::vector<float> result = to_vector(ours());
  require_same("result, ours and hand-written", result, {inputs.out.data(), inputs.out.data() + result.size()});
  const double bytes = static_cast<double>(sizeof(float)) * static_cast<double>(size);
  return {.ours = timed([ours] { benchmark::DoNotOptimize(ours()); }),
          .hand = timed(hand),
          .bound = loop.written == 0 ? Bound::reading : Bound::copying,
          .amount = bytes * (loop.read + loop.written)};
}

}  // namespace

void register_bandwidth_benchmarks() {
  const auto image = [](const Tensor& a) { return a.reshape({1, 1, rows, columns}); };
  const std::vector<Loop> loops = {
      {"a + b", [](const Tensor& a, const Tensor& b) { return a + b; }, map_two([](auto a, auto b) { return a + b; }),
       2},
      {"2 a", [](const Tensor& a, const Tensor&) { return 2 * a; }, map_one([](auto a) { return 2 * a; })},
      {"relu", [](const Tensor& a, const Tensor&) { return relu(a); }, map_one([](auto a) { return a.max(0.0F); })},
      {"exp", [](const Tensor& a, const Tensor&) { return exp(a); }, map_one([](auto a) { return a.exp(); })},
      {"tanh", [](const Tensor& a, const Tensor&) { return tanh(a); }, map_one([](auto a) { return a.tanh(); })},
      {"sum", [](const Tensor&, const Tensor& b) { return sum(b); }, whole_sum, 1, 0},
      {"sum of rows", [](const Tensor&, const Tensor& b) { return sum(b, {1}); }, row_sum, 1, 0},
      {"sum of columns", [](const Tensor&, const Tensor& b) { return sum(b, {0}); }, column_sum, 1, 0},
      {"max of rows", [](const Tensor&, const Tensor& b) { return max(b, {1}); }, row_max, 1, 0},
      {"softmax of rows", [](const Tensor& a, const Tensor&) { return softmax(a); }, row_softmax},
      {"maxpool 2x2", [=](const Tensor& a, const Tensor&) { return maxpool2d(image(a), 2); },
       pool([](Lanes a, Lanes b) { return larger(a, b); }), 1, 0.25},
      {"avgpool 2x2", [=](const Tensor& a, const Tensor&) { return avgpool2d(image(a), 2); },
       pool([](Lanes a, Lanes b) { return 0.5F * (a + b); }), 1, 0.25},
  };
  for (const Loop& loop : loops) {
    compare({.name = fmt::format("bandwidth {}", loop.name)}, [loop] {
      static Inputs inputs;
      return loop_contenders(loop, inputs);
    });
  }
}

}  // namespace wengert::bench
