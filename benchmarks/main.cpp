// Wengert beside hand-written backward passes and libtorch: one line per comparison, medians of repetitions in which
// the sides take turns. docs/benchmarks.md says what is compared. Google Benchmark's flags work, --benchmark_filter
// above all, and those of settings.h.

#include <cstdlib>
#include <string_view>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <wengert/autograd/error.h>
#include <wengert/autograd/parallel.h>

#include "benchmarks/comparison.h"
#include "benchmarks/hand/product.h"
#include "benchmarks/peak.h"
#include "benchmarks/peer.h"
#include "benchmarks/settings.h"

namespace wengert::bench {

namespace {

/// Takes a flag of our own; false if it is none.
bool parse(std::string_view argument) {
  const auto value = [&](std::string_view name) { return std::string(argument.substr(name.size())); };
  Settings& to = settings();
  if (argument == "--quick") {
    to.quick = true;
    to.slice = 2e6;
    to.repetitions = 3;
  } else if (argument == "--no-peers") {
    to.peers = false;
  } else if (argument.starts_with("--threads=")) {
    to.threads = std::max(1, std::atoi(value("--threads=").c_str()));
  } else if (argument.starts_with("--json=")) {
    to.json = value("--json=");
  } else if (argument.starts_with("--plots=")) {
    to.plots = value("--plots=");
  } else {
    return false;
  }
  return true;
}

int run(int argc, char** argv) {
  std::vector<char*> arguments{argv[0]};
  std::string repetitions;
  for (int i = 1; i < argc; ++i) {
    if (!parse(argv[i])) arguments.push_back(argv[i]);
  }
  // In front, so that the command line's own wins.
  repetitions = fmt::format("--benchmark_repetitions={}", settings().repetitions);
  arguments.insert(arguments.begin() + 1, repetitions.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 1;

  set_num_threads(settings().threads);
  fmt::print("{}, {} thread{}: {:.1f} GFLOP/s of multiply-adds, {:.1f} GB/s read, {:.1f} GB/s copied\n",
             processor_name(), settings().threads, settings().threads == 1 ? "" : "s",
             peak_rate(Bound::arithmetic, settings().threads), peak_rate(Bound::reading, settings().threads),
             peak_rate(Bound::copying, settings().threads));
  fmt::print("hand: {}\npeer: {}\n\n", product_library(), has_peer() ? peer_name() : "none");

  register_model_benchmarks();
  register_tape_benchmarks();
  register_gemm_benchmarks();
  register_correlation_benchmarks();
  register_bandwidth_benchmarks();
  register_optimizer_benchmarks();
  register_classic_benchmarks();
  register_growth_benchmarks();
  const Outcome outcome = run_comparisons();
  if (!outcome.error.empty()) {
    fmt::print(stderr, "{}\n", outcome.error);
    return 1;
  }
  print_classic_ratios(outcome.results);
  if (!settings().plots.empty()) draw_growth(outcome.results, settings().plots);
  if (!settings().json.empty()) write_json(outcome.results, settings().json);
  return 0;
}

}  // namespace
}  // namespace wengert::bench

int main(int argc, char** argv) {
  try {
    return wengert::bench::run(argc, argv);
  } catch (const wengert::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
