#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace wengert::bench {

/// Does a number of steps and says how many nanoseconds they took.
using Timed = std::function<double(std::int64_t steps)>;

/// The loop is compiled together with the step, so that the shortest one pays for no indirect call.
template <class F>
Timed timed(F step) {
  const auto shared = std::make_shared<F>(std::move(step));
  return [shared](std::int64_t steps) {
    F& run = *shared;
    const auto begin = std::chrono::steady_clock::now();
    for (std::int64_t i = 0; i < steps; ++i) run();
    return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
  };
}

/// What bounds a piece of work on this machine: its share of a rate measured in the same round is the table's last
/// column.
enum class Bound : std::uint8_t { none, arithmetic, reading, copying };

/// The sides of one comparison. Each may be missing.
struct Contenders {
  Timed ours = {};
  Timed hand = {};  ///< the same without a framework: hand-written, or a library's own function
  Timed peer = {};  ///< another framework or library
  Bound bound = Bound::none;
  double amount = 0;  ///< floating-point operations, or bytes, of one step
};

/// A line of the table.
struct Work {
  std::string name;
  std::int64_t batch = 0;  ///< 0: the work has none
  double per_step = 1;     ///< how many of the things named one step does
  bool quick = true;       ///< part of `make bench-quick` too
};

/// Registers a comparison. `prepare` is called when its turn comes: it makes all sides and throws Error unless they
/// compute the same. Sides then take turns in random order, repetition by repetition, so that whatever else the machine
/// does hits all of them alike; what counts are medians.
void compare(const Work& work, std::function<Contenders()> prepare);

/// Medians, in nanoseconds of one of the things named; 0 where a side is missing.
struct Result {
  Work work;
  double ours = 0;
  double hand = 0;
  double peer = 0;
  double percent_of_peak = 0;
};

/// Runs what --benchmark_filter leaves of the registered comparisons, printing a line as each is done, and returns
/// their results. Ends early, with a message, at a comparison whose sides do not compute the same.
struct Outcome {
  std::vector<Result> results;
  std::string table;  ///< what was printed
  std::string error;  ///< empty if all went well
};
Outcome run_comparisons();

/// The results as a JSON array of objects with name, batch, threads, ours_us, hand_us, peer_us and percent_of_peak,
/// null where there is none. Throws Error if the file cannot be written.
void write_json(const std::vector<Result>& results, const std::string& path);

/// Throws Error if the file cannot be written.
void write_file(const std::string& path, const std::string& text);

/// Throws Error unless |ours - theirs| <= 1e-4 max |theirs| for every element.
void require_same(const std::string& what, const std::vector<float>& ours, const std::vector<float>& theirs);
void require_same(const std::string& what, const std::vector<double>& ours, const std::vector<double>& theirs);

/// The registering functions of each file.
void register_model_benchmarks();
void register_tape_benchmarks();
void register_gemm_benchmarks();
void register_correlation_benchmarks();
void register_bandwidth_benchmarks();
void register_optimizer_benchmarks();
void register_classic_benchmarks();
void register_growth_benchmarks();

/// Gradient time over function time, from the lines of the classic benchmarks; empty if there are none.
std::string classic_ratios(const std::vector<Result>& results);
/// The picture of the growth benchmarks, if they ran, in `folder`. Says where it is.
void draw_growth(const std::vector<Result>& results, const std::string& folder);

}  // namespace wengert::bench
