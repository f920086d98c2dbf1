#include "benchmarks/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <deque>
#include <exception>
#include <random>
#include <string_view>
#include <utility>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <wengert/autograd/error.h>

#include "benchmarks/peak.h"
#include "benchmarks/settings.h"

namespace wengert::bench {

namespace {

/// One side, how many of its steps make up a turn, and the time of a step in each repetition.
struct Side {
  const char* name;
  Timed run;
  std::int64_t steps = 1;
  std::vector<double> times = {};
};

/// A registered comparison.
struct Line {
  Work work;
  std::string title;
  std::function<Contenders()> prepare;
  bool prepared = false;
  bool reported = false;
  Contenders contenders = {};
  std::vector<Side> sides = {};
  std::vector<double> percents = {};
};

std::deque<Line>& lines() {
  static std::deque<Line> all;
  return all;
}

std::string& failure() {
  static std::string text;
  return text;
}

/// A turn is long enough for the clock, and for what the other sides left in the caches not to count.
std::int64_t steps_of_a_turn(const Timed& run) {
  run(1);
  for (std::int64_t steps = 1;;) {
    const double elapsed = std::max(run(steps), 1.0);
    if (elapsed >= settings().slice) return steps;
    const double wanted = 1.1 * settings().slice / elapsed * static_cast<double>(steps);
    steps = std::min(static_cast<std::int64_t>(std::ceil(wanted)), 100 * steps);
  }
}

void prepare(Line& line) {
  // Only the one at work is kept: some hold hundreds of megabytes.
  for (Line& other : lines()) {
    other.contenders = {};
    for (Side& side : other.sides) side.run = {};
  }
  line.contenders = line.prepare();
  const auto add = [&](const char* name, const Timed& run) {
    if (run) line.sides.push_back({name, run, steps_of_a_turn(run)});
  };
  add("ours", line.contenders.ours);
  add("hand", line.contenders.hand);
  add("peer", line.contenders.peer);
  line.prepared = true;
}

/// A repetition: every side has its turn.
void run_round(Line& line, benchmark::State& state) {
  static std::mt19937 random(1);
  std::vector<Side*> order;
  for (Side& side : line.sides) order.push_back(&side);
  std::shuffle(order.begin(), order.end(), random);
  double ours = 0;
  for (Side* side : order) {
    side->run(std::max<std::int64_t>(1, side->steps / 16));  // refills the caches
    const double time = side->run(side->steps) / static_cast<double>(side->steps);
    side->times.push_back(time);
    state.counters[side->name] = time;
    if (side->name == std::string_view("ours")) ours = time;
  }
  if (line.contenders.bound != Bound::none) {
    const double rate = peak_rate(line.contenders.bound, settings().threads);
    line.percents.push_back(100 * line.contenders.amount / ours / rate);
    state.counters["percent_of_peak"] = line.percents.back();
  }
  state.SetIterationTime(ours * 1e-9);
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

Result result_of(const Line& line) {
  Result result{.work = line.work, .percent_of_peak = median(line.percents)};
  for (const Side& side : line.sides) {
    const double time = median(side.times) / line.work.per_step;
    (side.name == std::string_view("ours")   ? result.ours
     : side.name == std::string_view("hand") ? result.hand
                                             : result.peer) = time;
  }
  return result;
}

// ---------------------------------------------------------------------------------------------------------------------
// The table.

std::string time_cell(double nanoseconds) {
  if (nanoseconds == 0) return "";
  const double us = nanoseconds / 1000;
  return fmt::format("{:.{}f}", us, us < 1 ? 4 : us < 100 ? 2 : us < 10000 ? 1 : 0);
}

std::string ratio_cell(double ours, double other) { return other == 0 ? "" : fmt::format("{:.2f}", ours / other); }

std::string row(std::string_view name, std::string_view ours, std::string_view hand, std::string_view hand_ratio,
                std::string_view peer, std::string_view peer_ratio, std::string_view percent) {
  const std::string text =
      fmt::format("{:<54}{:>11}{:>11}{:>8}{:>11}{:>8}{:>8}", name, ours, hand, hand_ratio, peer, peer_ratio, percent);
  return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
}

/// Google Benchmark's reporter, told of each comparison as it is done.
class Table : public benchmark::BenchmarkReporter {
 public:
  explicit Table(Outcome& outcome) : outcome_(outcome) {}

  bool ReportContext(const Context& /*context*/) override {
    add(row("median times in us", "ours", "hand", "ratio", "peer", "ratio", "% peak"));
    return true;
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    if (runs.empty() || !failure().empty()) return;
    const auto line = std::find_if(lines().begin(), lines().end(),
                                   [&](const Line& each) { return each.title == runs.front().run_name.function_name; });
    // Its repetitions come first, then Google Benchmark's own summary of them.
    if (line == lines().end() || line->sides.empty() || std::exchange(line->reported, true)) return;
    const Result result = result_of(*line);
    add(row(line->title, time_cell(result.ours), time_cell(result.hand), ratio_cell(result.ours, result.hand),
            time_cell(result.peer), ratio_cell(result.ours, result.peer),
            result.percent_of_peak == 0 ? "" : fmt::format("{:.1f}", result.percent_of_peak)));
    outcome_.results.push_back(result);
  }

 private:
  void add(const std::string& line) {
    fmt::print("{}", line);
    std::fflush(stdout);
    outcome_.table += line;
  }

  Outcome& outcome_;
};

template <class T>
void require_same_elements(const std::string& what, const std::vector<T>& ours, const std::vector<T>& theirs) {
  check<Error>(ours.size() == theirs.size(), "{}: {} elements against {}", what, ours.size(), theirs.size());
  T largest = 0;
  for (const T value : theirs) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < ours.size(); ++i) {
    check<Error>(std::abs(ours[i] - theirs[i]) <= T(1e-4) * largest,
                 "{}: element {} is {} here and {} there, where the largest is {}; nothing was timed", what, i, ours[i],
                 theirs[i], largest);
  }
}

}  // namespace

Settings& settings() {
  static Settings all;
  return all;
}

void compare(const Work& work, std::function<Contenders()> prepare_sides) {
  if (settings().quick && !work.quick) return;
  std::string title = work.batch == 0 ? work.name : fmt::format("{} batch {}", work.name, work.batch);
  Line& line = lines().emplace_back(Line{work, std::move(title), std::move(prepare_sides)});
  benchmark::RegisterBenchmark(line.title.c_str(),
                               [&line](benchmark::State& state) {
                                 if (!failure().empty()) return state.SkipWithError("an earlier comparison failed");
                                 try {
                                   if (!line.prepared) prepare(line);
                                   for (auto _ : state) run_round(line, state);
                                 } catch (const std::exception& error) {
                                   failure() = fmt::format("{}: {}", line.title, error.what());
                                   state.SkipWithError(error.what());
                                 }
                               })
      ->UseManualTime()
      ->Iterations(1);
}

Outcome run_comparisons() {
  Outcome outcome;
  Table table(outcome);
  benchmark::RunSpecifiedBenchmarks(&table);
  outcome.error = failure();
  return outcome;
}

void write_json(const std::vector<Result>& results, const std::string& path) {
  const auto number = [](double value) { return value == 0 ? std::string("null") : fmt::format("{:.6g}", value); };
  std::string text = "[";
  for (const Result& each : results) {
    text += fmt::format(
        "{}\n  {{\"name\": \"{}\", \"batch\": {}, \"threads\": {}, \"ours_us\": {}, \"hand_us\": {}, \"peer_us\": {}, "
        "\"percent_of_peak\": {}}}",
        text.size() == 1 ? "" : ",", each.work.name, number(static_cast<double>(each.work.batch)), settings().threads,
        number(each.ours / 1000), number(each.hand / 1000), number(each.peer / 1000), number(each.percent_of_peak));
  }
  text += "\n]\n";
  write_file(path, text);
}

void write_file(const std::string& path, const std::string& text) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  check<Error>(file != nullptr, "{} cannot be written", path);
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  check<Error>(std::fclose(file) == 0 && written, "{} cannot be written", path);
}

void require_same(const std::string& what, const std::vector<float>& ours, const std::vector<float>& theirs) {
  require_same_elements(what, ours, theirs);
}
void require_same(const std::string& what, const std::vector<double>& ours, const std::vector<double>& theirs) {
  require_same_elements(what, ours, theirs);
}

}  // namespace wengert::bench
