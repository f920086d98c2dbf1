#include "train/plot.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

#include <fmt/core.h>
#include <sys/wait.h>

namespace wengert {
namespace {

namespace fs = std::filesystem;

/// In single quotes, as gnuplot reads it: a quote is doubled.
std::string gnuplot_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += c;
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + "'";
}

std::string shell_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

std::string csv_of(const std::vector<Panel>& panels, std::string_view x_label) {
  std::string text(x_label);
  std::size_t rows = 0;
  for (const Panel& panel : panels) {
    for (const Curve& curve : panel.curves) {
      std::string name = panel.y_label + " " + curve.name;
      std::ranges::replace_if(
          name, [](char c) { return c == ',' || c == '\n'; }, ' ');
      text += "," + name;
      rows = std::max(rows, curve.values.size());
    }
  }
  for (std::size_t row = 0; row < rows; ++row) {
    text += fmt::format("\n{}", row + 1);
    for (const Panel& panel : panels) {
      for (const Curve& curve : panel.curves) {
        const bool has_value = row < curve.values.size() && std::isfinite(curve.values[row]);
        text += has_value ? fmt::format(",{}", curve.values[row]) : ",";
      }
    }
  }
  return text + "\n";
}

std::string script_of(const std::vector<Panel>& panels, const PlotOptions& options, const fs::path& png,
                      const fs::path& csv) {
  std::string text = fmt::format(
      "if (strstrt(GPVAL_TERMINALS, 'pngcairo')) {{\n"
      "  set terminal pngcairo noenhanced size {},420 font 'sans,10'\n"
      "}} else {{\n"
      "  set terminal png noenhanced size {},420\n"
      "}}\n"
      "set output {}\n"
      "set datafile separator ','\n"
      "set multiplot layout 1,{} title {}\n"
      "set xlabel {}\n"
      "set grid linetype 1 linecolor rgb '#cccccc'\n"
      "set key top center horizontal outside\n"
      "set border 3\n"
      "set tics nomirror\n",
      560 * panels.size(), 560 * panels.size(), gnuplot_quoted(png.filename().string()), panels.size(),
      gnuplot_quoted(options.title), gnuplot_quoted(options.x_label));
  std::size_t column = 2;
  for (const Panel& panel : panels) {
    text += fmt::format("set ylabel {}\n{}\nplot ", gnuplot_quoted(panel.y_label),
                        panel.log_scale ? "set logscale y" : "unset logscale y");
    for (std::size_t i = 0; i < panel.curves.size(); ++i) {
      text += fmt::format("{}{} every ::1 using 1:{} with linespoints pointtype 7 pointsize 0.5 linewidth 2 title {}",
                          i == 0 ? "" : ", ", gnuplot_quoted(csv.filename().string()), column++,
                          gnuplot_quoted(panel.curves[i].name));
    }
    text += "\n";
  }
  return text + "unset multiplot\n";
}

bool write(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return !file.fail();
}

struct Outcome {
  int status;
  std::string output;
};

/// Runs a shell command; its output is what it printed.
Outcome run(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {127, "no process could be started"};
  std::string output;
  char buffer[256];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) output += buffer;
  const int status = ::pclose(pipe);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 1, output};
}

}  // namespace

PlotResult plot_curves(const std::string& path, const std::vector<Panel>& all_panels, const PlotOptions& options) {
  std::vector<Panel> panels;
  std::ranges::copy_if(all_panels, std::back_inserter(panels),
                       [](const Panel& panel) { return !panel.curves.empty(); });
  if (panels.empty()) return {false, "there are no curves to draw"};

  const fs::path png(path);
  const fs::path csv = fs::path(png).replace_extension(".csv");
  const fs::path script = fs::path(png).replace_extension(".gp");
  if (!write(csv, csv_of(panels, options.x_label)) || !write(script, script_of(panels, options, png, csv))) {
    return {false, fmt::format("cannot write {} and {}; the curves are not kept", csv.string(), script.string())};
  }

  const fs::path folder = png.has_parent_path() ? png.parent_path() : fs::path(".");
  const std::string command = fmt::format("cd {} && {} {}", shell_quoted(folder.string()),
                                          shell_quoted(options.program), shell_quoted(script.filename().string()));
  std::error_code error;
  if (fs::is_regular_file(png, error)) fs::remove(png, error);  // so that one that is there afterwards is the new one
  const Outcome outcome = run("{ " + command + "; } </dev/null 2>&1");
  if (outcome.status == 0 && fs::exists(png, error)) return {true, fmt::format("curves drawn: {}", png.string())};
  const std::string reason = outcome.status == 127
                                 ? options.program + " is not installed"
                                 : fmt::format("{} failed ({})", options.program, outcome.output.substr(0, 200));
  return {false, fmt::format("no picture of the curves: {}. Their data are in {}; to draw them: {}", reason,
                             csv.string(), command)};
}

}  // namespace wengert
