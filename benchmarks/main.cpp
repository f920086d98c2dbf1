// Wengert beside hand-written backward passes and libtorch: one line per comparison, medians of repetitions in which
// the sides take turns. docs/benchmarks.md says what is compared. Google Benchmark's flags work, --benchmark_filter
// above all, and those of settings.h.

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <string_view>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <wengert/autograd/error.h>
#include <wengert/autograd/parallel.h>

#include "benchmarks/comparison.h"
#include "benchmarks/hand/product.h"
#include "benchmarks/peak.h"
#include "benchmarks/peer.h"
#include "benchmarks/settings.h"

namespace wengert::bench {

namespace {

/// Starts the program again in an environment that is the same for all sides: large arrays on huge pages, as Wengert's
/// are, and OpenBLAS with the kernels it chooses for this processor.
void settle_environment(char** argv) {
  const char* const huge_pages = "glibc.malloc.hugetlb=1";
  const char* const present = std::getenv("GLIBC_TUNABLES");
  if (present && std::string_view(present) == huge_pages) return;
  setenv("GLIBC_TUNABLES", huge_pages, 1);
  unsetenv("OPENBLAS_CORETYPE");
  unsetenv("OPENBLAS_L2_SIZE");
  execv("/proc/self/exe", argv);  // where there is no such file, it goes on as it is
}

/// Takes a flag of our own; false if it is none.
bool parse(std::string_view argument) {
  const auto value = [&](std::string_view name) { return std::string(argument.substr(name.size())); };
  Settings& to = settings();
  if (argument == "--quick") {
    to.quick = true;
    to.slice = 3e6;
    to.repetitions = 5;
  } else if (argument == "--no-peers") {
    to.peers = false;
  } else if (argument.starts_with("--threads=")) {
    to.threads = std::max(1, std::atoi(value("--threads=").c_str()));
  } else if (argument.starts_with("--json=")) {
    to.json = value("--json=");
  } else if (argument.starts_with("--plots=")) {
    to.plots = value("--plots=");
  } else if (argument.starts_with("--docs=")) {
    to.docs = value("--docs=");
  } else {
    return false;
  }
  return true;
}

/// Puts the text into the page's one block that begins with ```text.
void write_docs(const std::string& path, const std::string& text) {
  std::ifstream file(path);
  std::string page{std::istreambuf_iterator<char>(file), {}};
  const std::string begin = "```text\n";
  const std::size_t from = page.find(begin);
  const std::size_t to = from == std::string::npos ? from : page.find("```", from + begin.size());
  check<Error>(to != std::string::npos, "{} has no block of text for the table", path);
  write_file(path, page.replace(from + begin.size(), to - from - begin.size(), text));
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
  const std::string machine = fmt::format(
      "{}, {} thread{}: {:.1f} GFLOP/s of multiply-adds, {:.1f} GB/s read, {:.1f} GB/s copied\n"
      "hand: {}\npeer: {}\n\n",
      processor_name(), settings().threads, settings().threads == 1 ? "" : "s",
      peak_rate(Bound::arithmetic, settings().threads), peak_rate(Bound::reading, settings().threads),
      peak_rate(Bound::copying, settings().threads), product_library(), has_peer() ? peer_name() : "none");
  fmt::print("{}", machine);

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
  const std::string ratios = classic_ratios(outcome.results);
  fmt::print("{}", ratios);
  if (!settings().plots.empty()) draw_growth(outcome.results, settings().plots);
  if (!settings().json.empty()) write_json(outcome.results, settings().json);
  if (!settings().docs.empty()) write_docs(settings().docs, machine + outcome.table + ratios);
  return 0;
}

}  // namespace
}  // namespace wengert::bench

int main(int argc, char** argv) {
  wengert::bench::settle_environment(argv);
  try {
    return wengert::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
