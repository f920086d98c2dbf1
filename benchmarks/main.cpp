// Medians of interleaved repetitions, one thread. `wengert_benchmarks --benchmark_filter=mlp` runs a part; every flag
// of Google Benchmark works and goes before our defaults.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include <fmt/format.h>

#include <wengert/autograd/parallel.h>

#include "benchmarks/comparison.h"

namespace wengert::bench {

namespace {

/// How the table reads a benchmark's name: "work/contender", and what one iteration stands for.
struct Row {
  std::string work;
  std::vector<std::string> contenders;
  double per_iteration;
};

std::vector<Row>& rows() {
  static std::vector<Row> all;
  return all;
}

void run(benchmark::State& state, const std::function<void()>& step) {
  for (auto _ : state) step();
}

/// Keeps the median time of each benchmark in nanoseconds, besides what the console shows.
class Medians : public benchmark::ConsoleReporter {
 public:
  Medians() : ConsoleReporter(OO_None) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& each : runs) {
      if (each.aggregate_name == "median") nanoseconds_[each.run_name.function_name] = each.GetAdjustedRealTime();
    }
  }

  void print() const {
    fmt::print("\n{:<52}{:>12}{:>14}{:>8}\n", "median time", "wengert", "hand-written", "ratio");
    for (const Row& row : rows()) {
      const auto ours = nanoseconds_.find(row.work + "/" + row.contenders[0]);
      if (ours == nanoseconds_.end()) continue;  // left out by --benchmark_filter
      const double own = ours->second / row.per_iteration;
      if (row.contenders.size() == 1) {
        fmt::print("{:<52}{:>12}\n", row.work, time(own));
        continue;
      }
      const double other = nanoseconds_.at(row.work + "/" + row.contenders[1]) / row.per_iteration;
      fmt::print("{:<52}{:>12}{:>14}{:>8.2f}\n", row.work, time(own), time(other), own / other);
    }
  }

 private:
  static std::string time(double ns) {
    return ns < 1000 ? fmt::format("{:.1f} ns", ns) : fmt::format("{:.2f} us", ns / 1000);
  }

  std::map<std::string, double> nanoseconds_;
};

}  // namespace

void compare(const std::string& work, std::vector<Contender> contenders) {
  Row row{work, {}, 1};
  for (Contender& contender : contenders) {
    row.contenders.push_back(contender.name);
    benchmark::RegisterBenchmark((work + "/" + contender.name).c_str(),
                                 [step = std::move(contender.step)](benchmark::State& state) { run(state, step); });
  }
  rows().push_back(std::move(row));
}

void measure(const std::string& work, double per_iteration, std::function<void()> step) {
  compare(work, {{"wengert", std::move(step)}});
  rows().back().per_iteration = per_iteration;
}

void require_same_gradient(const std::string& what, const Tensor& ours, const float* theirs) {
  const std::span<const float> values = ours.data<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float difference = std::abs(values[i] - theirs[i]);
    if (!(difference <= 1e-5f * std::max(1.0f, std::abs(theirs[i])))) {
      fmt::print(stderr, "{}: gradients differ at element {}: ours {}, hand-written {}; nothing was timed\n", what, i,
                 values[i], theirs[i]);
      std::exit(1);
    }
  }
}

}  // namespace wengert::bench

int main(int argc, char** argv) {
  using namespace wengert;
  set_num_threads(1);
  std::vector<char*> arguments(argv, argv + argc);
  std::vector<std::string> defaults{"--benchmark_enable_random_interleaving=true", "--benchmark_repetitions=15",
                                    "--benchmark_min_time=0.02", "--benchmark_report_aggregates_only=true"};
  for (std::string& flag : defaults) arguments.insert(arguments.begin() + 1, flag.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;

  bench::register_tape_benchmarks();
  bench::register_mlp_benchmarks();
  bench::Medians medians;
  benchmark::RunSpecifiedBenchmarks(&medians);
  medians.print();
}
