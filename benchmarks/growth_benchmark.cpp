// How time and memory of a step grow: with the length of the tape, with the batch, with the width. Lines of the table,
// and a picture with a straight line beside each curve.

#include <cstdlib>
#include <map>

#include <fmt/format.h>

#include <wengert/wengert.h>

#include "benchmarks/comparison.h"

namespace wengert::bench {

namespace {

/// A point of a curve, found again by its line's name.
struct Point {
  std::string curve;
  double size;
  double bytes = 0;  ///< the most that was in use at once, beyond what was before; not exact below 64 KiB
};

std::map<std::string, Point>& points() {
  static std::map<std::string, Point> all;
  return all;
}

/// The curves, and what their sizes count.
constexpr std::pair<const char*, const char*> curves[] = {
    {"tape", "ops on the tape"}, {"batch", "samples in a batch"}, {"width", "units of a layer, squared"}};

void add(const std::string& curve, const std::string& label, double size, std::function<std::function<void()>()> make,
         bool quick) {
  const std::string name = fmt::format("growth {} {}", curve, label);
  points()[name] = {curve, size};
  compare({.name = name, .quick = quick}, [name, make] {
    const std::function<void()> step = make();
    const std::size_t before = memory::stats().live_bytes;
    memory::reset_peak();
    step();
    points()[name].bytes = static_cast<double>(memory::stats().peak_bytes - before);
    return Contenders{.ours = timed(step)};
  });
}

/// A chain of `length` ops on a number, and back.
std::function<void()> chain(std::int64_t length) {
  const Tensor x = full({}, 0.5).requires_grad(true);
  return [x, length] {
    Tensor y = x;
    for (std::int64_t i = 0; i < length; ++i) y = y * 1.0000001;
    y.backward();
    x.zero_grad();
  };
}

/// A training step of a network of two layers.
std::function<void()> network(std::int64_t batch, std::int64_t width) {
  struct State {
    nn::Sequential model;
    optim::SGD optimizer;
    Tensor x;
    Tensor target;
    State(std::int64_t samples, std::int64_t units)
        : model(nn::Dense(units, units), nn::Tanh(), nn::Dense(units, units)),
          optimizer(model.parameters(), {.lr = 1e-6}),
          x(rand({samples, units})),
          target(rand({samples, units})) {}
  };
  const auto state = std::make_shared<State>(batch, width);
  return [state] {
    state->optimizer.zero_grad();
    mse_loss(state->model(state->x), state->target).backward();
    state->optimizer.step();
  };
}

std::string row(const Result& result, const Point& point) {
  return fmt::format("{},{},{:.6g},{:.0f}\n", point.curve, point.size, result.ours / 1000, point.bytes);
}

/// Two panels for each curve, time and memory, on logarithmic axes, with what linear growth from the middle would be.
std::string script(const std::string& folder, const std::map<std::string, std::vector<std::pair<Result, Point>>>& by) {
  std::string text = fmt::format(
      "set terminal pngcairo size 1500,900\nset output '{}/growth.png'\nset datafile separator comma\n"
      "set logscale xy\nset key top left\nset format '10^{{%T}}'\nset grid\nset multiplot layout 2,{}\n",
      folder, by.size());
  for (const auto& [what, column] : {std::pair{"time of a step in us", 3}, {"memory of a step in bytes", 4}}) {
    for (const auto& [curve, label] : curves) {
      const auto found = by.find(curve);
      if (found == by.end()) continue;
      const auto& [result, point] = found->second.back();
      const double slope = (column == 3 ? result.ours / 1000 : point.bytes) / point.size;
      text += fmt::format(
          "set xlabel '{}'\nset ylabel '{}'\nset xrange [{}:{}]\nplot {:.6g} * x with lines dashtype 2 linecolor "
          "'grey' title 'linear', "
          "'{}/growth.csv' using 2:(strcol(1) eq '{}' ? ${} : 1/0) with linespoints pointtype 7 title 'Wengert'\n",
          label, what, found->second.front().second.size, point.size, slope, folder, curve, column);
    }
  }
  return text + "unset multiplot\n";
}

}  // namespace

void register_growth_benchmarks() {
  for (std::int64_t length = 100; length <= 1'000'000; length *= 10) {
    add(
        "tape", fmt::format("{} ops", length), static_cast<double>(length), [length] { return chain(length); }, true);
  }
  for (std::int64_t batch = 1; batch <= 4096; batch *= 8) {
    add(
        "batch", fmt::format("{} x 128", batch), static_cast<double>(batch), [batch] { return network(batch, 128); },
        true);
  }
  for (std::int64_t width = 16; width <= 2048; width *= 2) {
    add(
        "width", fmt::format("64 x {}", width), static_cast<double>(width * width),
        [width] { return network(64, width); }, width < 2048);
  }
}

void draw_growth(const std::vector<Result>& results, const std::string& folder) {
  std::map<std::string, std::vector<std::pair<Result, Point>>> by;
  std::string table = "curve,size,time_us,bytes\n";
  for (const Result& result : results) {
    const auto point = points().find(result.work.name);
    if (point == points().end()) continue;
    by[point->second.curve].emplace_back(result, point->second);
    table += row(result, point->second);
  }
  if (by.empty()) return;
  const std::string gnuplot = folder + "/growth.gp";
  write_file(folder + "/growth.csv", table);
  write_file(gnuplot, script(folder, by));
  if (std::system(("gnuplot '" + gnuplot + "'").c_str()) != 0) {
    fmt::print("\nno picture of the growth, as gnuplot is missing or failed; the data are in {}/growth.csv\n", folder);
  } else {
    fmt::print("\ngrowth: {}/growth.png\n", folder);
  }
}

}  // namespace wengert::bench
