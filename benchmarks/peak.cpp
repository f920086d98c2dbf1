#include "benchmarks/peak.h"

#include <Eigen/Core>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <thread>
#include <utility>
#include <vector>

#include "benchmarks/hand/lanes.h"

namespace wengert::bench {

namespace {

using Clock = std::chrono::steady_clock;

double nanoseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::nano>(Clock::now() - begin).count();
}

/// Independent chains of fused multiply-adds, as many as hide their latency, in registers.
double multiply_adds() {
  constexpr std::int64_t rounds = 100'000;
  Lanes a0 = lanes(0), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0, a8 = a0, a9 = a0;
  Lanes factor = lanes(0.999F);
  Lanes term = lanes(1e-3F);
  hide(factor);
  hide(term);
  const auto begin = Clock::now();
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (Lanes* a : {&a0, &a1, &a2, &a3, &a4, &a5, &a6, &a7, &a8, &a9}) *a = *a * factor + term;
    for (Lanes* a : {&a0, &a1, &a2, &a3, &a4, &a5, &a6, &a7, &a8, &a9}) hide(*a);
  }
  return static_cast<double>(rounds) * 10 * 2 * lane_count / nanoseconds_since(begin);
}

/// Beyond any cache, and in use for the whole program: the first touch is not what is measured.
struct Arrays {
  static constexpr std::int64_t size = std::int64_t{1} << 24;
  Eigen::ArrayXf from = Eigen::ArrayXf::Ones(size);
  Eigen::ArrayXf to = Eigen::ArrayXf::Zero(size);
};

double reading(const float* from, std::int64_t n) {
  Lanes sums[8] = {};
  const auto begin = Clock::now();
  for (std::int64_t i = 0; i + 8 * lane_count <= n; i += 8 * lane_count) {
    for (int k = 0; k < 8; ++k) sums[k] += load(from + i + k * lane_count);
  }
  const double time = nanoseconds_since(begin);
  for (Lanes& sum : sums) hide(sum);
  return static_cast<double>(n) * sizeof(float) / time;
}

double copying(const float* from, float* to, std::int64_t n) {
  const auto begin = Clock::now();
  for (std::int64_t i = 0; i + lane_count <= n; i += lane_count) store_past_caches(to + i, load(from + i));
  finish_stores();
  return static_cast<double>(2 * n) * sizeof(float) / nanoseconds_since(begin);
}

}  // namespace

double peak_rate(Bound bound, int threads) {
  static Arrays arrays;
  const std::int64_t part = Arrays::size / threads / lane_count * lane_count;
  std::vector<double> rates(static_cast<std::size_t>(threads));
  const auto measure = [&](int thread) {
    const float* from = arrays.from.data() + thread * part;
    float* to = arrays.to.data() + thread * part;
    double best = 0;
    for (int i = 0; i < 3; ++i) {
      best = std::max(best, bound == Bound::arithmetic ? multiply_adds()
                            : bound == Bound::reading  ? reading(from, part)
                                                       : copying(from, to, part));
    }
    rates[static_cast<std::size_t>(thread)] = best;
  };
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; ++thread) others.emplace_back(measure, thread);
  measure(0);
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

}  // namespace wengert::bench
