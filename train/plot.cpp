#include "train/plot.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

#include "train/detail/gnuplot.h"

namespace wengert {
namespace {

using detail::colour;
using detail::Drawing;
using detail::gnuplot_quoted;

/// For a cell of a file whose cells are parted by commas.
std::string csv_cell(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == ',' || c == '\n' || c == '\r' || c == '"'; }, ' ');
  return text;
}

std::string csv_number(double value) { return std::isfinite(value) ? fmt::format("{}", value) : ""; }

std::string csv_of(const std::vector<Panel>& panels, std::string_view x_label) {
  std::string text = csv_cell(std::string(x_label));
  std::size_t rows = 0;
  for (const Panel& panel : panels) {
    for (const Curve& curve : panel.curves) {
      text += "," + csv_cell(panel.y_label + " " + curve.name);
      rows = std::max(rows, curve.values.size());
    }
  }
  for (std::size_t row = 0; row < rows; ++row) {
    text += fmt::format("\n{}", row + 1);
    for (const Panel& panel : panels) {
      for (const Curve& curve : panel.curves) {
        text += "," + (row < curve.values.size() ? csv_number(curve.values[row]) : "");
      }
    }
  }
  return text + "\n";
}

std::string script_of(const std::vector<Panel>& panels, const PlotOptions& options, const Drawing& drawing) {
  const auto count = static_cast<double>(panels.size());
  // Two rows where more than three would make each too narrow to read.
  const double rows = panels.size() > 3 ? 2 : 1;
  const double columns = std::ceil(count / rows);
  std::string text = drawing.head(std::max(columns * 430, 500.0), rows * 330 + (options.title.empty() ? 0 : 30));
  text += fmt::format("set multiplot layout {},{}{}\n", rows, columns,
                      options.title.empty() ? "" : " title " + gnuplot_quoted(options.title));
  text += fmt::format("set xlabel {}\nset key outside top center horizontal reverse Left samplen 2\n",
                      gnuplot_quoted(options.x_label));
  std::size_t column = 2;
  for (const Panel& panel : panels) {
    text += fmt::format("set ylabel {}\n{}\nplot ", gnuplot_quoted(panel.y_label),
                        panel.log_scale ? "set logscale y" : "unset logscale y");
    for (std::size_t i = 0; i < panel.curves.size(); ++i) {
      // Points mark the epochs as long as they can be told apart.
      const bool few = panel.curves[i].values.size() <= 30;
      text +=
          fmt::format("{}{} every ::1 using 1:{} with {} linewidth 1.5 linecolor rgb '{}' title {}", i == 0 ? "" : ", ",
                      drawing.data(), column++, few ? "linespoints pointtype 7 pointsize 0.4" : "lines", colour(i),
                      gnuplot_quoted(panel.curves[i].name));
    }
    text += "\n";
  }
  return text + "unset multiplot\n";
}

/// Whether a logarithmic axis shows more: values above 0 that go over more than a decade.
bool spans_decades(const std::vector<Curve>& curves) {
  double low = HUGE_VAL;
  double high = 0;
  for (const Curve& curve : curves) {
    for (const double value : curve.values) {
      if (!std::isfinite(value)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  return low > 0 && high > 10 * low;
}

}  // namespace

PlotResult plot_curves(const std::string& path, const std::vector<Panel>& all_panels, const PlotOptions& options) {
  std::vector<Panel> panels;
  std::ranges::copy_if(all_panels, std::back_inserter(panels),
                       [](const Panel& panel) { return !panel.curves.empty(); });
  if (panels.empty()) return {false, "there are no curves to draw"};
  const Drawing drawing("curves", path, options.program, ".csv");
  return drawing.draw(csv_of(panels, options.x_label), script_of(panels, options, drawing));
}

std::vector<Panel> panels_of(const History& history) {
  std::vector<Panel> panels;
  const auto panel_of = [&](const std::string& name) { return std::ranges::find(panels, name, &Panel::y_label); };
  for (const EpochRecord& record : history.epochs) {
    for (const auto& [name, value] : record.values()) {
      if (name == "epoch" || name == "learning_rate" || name == "seconds") continue;
      const bool of_validation = name.starts_with("val_");
      const std::string metric = of_validation ? name.substr(4) : name;
      auto panel = panel_of(metric);
      if (panel == panels.end()) panel = panels.insert(panels.end(), Panel{.y_label = metric, .curves = {}});
      const std::string_view curve = of_validation ? "validation" : "training";
      if (std::ranges::find(panel->curves, curve, &Curve::name) != panel->curves.end()) continue;
      panel->curves.push_back({std::string(curve), history.curve(name)});
    }
  }
  for (Panel& panel : panels) panel.log_scale = panel.y_label == "loss" && spans_decades(panel.curves);
  return panels;
}

PlotResult plot_history(const std::string& path, const History& history, const PlotOptions& options) {
  return plot_curves(path, panels_of(history), options);
}

PlotResult plot_lines(const std::string& path, const std::vector<Line>& lines, const LinePlotOptions& options) {
  std::size_t rows = 0;
  for (const Line& line : lines) {
    check(line.x.size() == line.y.size(), "plot_lines: '{}' has {} values of x and {} of y", line.name, line.x.size(),
          line.y.size());
    rows = std::max(rows, line.x.size());
  }
  if (rows == 0) return {false, "there are no lines to draw"};

  // Two columns for each line.
  std::string data;
  for (const Line& line : lines) {
    data += fmt::format("{}{},{}", data.empty() ? "" : ",", csv_cell(line.name + " x"), csv_cell(line.name + " y"));
  }
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const bool there = row < lines[i].x.size();
      data += fmt::format("{}{},{}", i == 0 ? "\n" : ",", there ? csv_number(lines[i].x[row]) : "",
                          there ? csv_number(lines[i].y[row]) : "");
    }
  }

  const Drawing drawing("lines", path, options.program, ".csv");
  std::string script = drawing.head(860, 380);
  if (!options.title.empty()) script += fmt::format("set title {}\n", gnuplot_quoted(options.title));
  script +=
      fmt::format("set xlabel {}\nset ylabel {}\nset key outside top center horizontal reverse Left samplen 2\n{}{}",
                  gnuplot_quoted(options.x_label), gnuplot_quoted(options.y_label),
                  options.log_x ? "set logscale x\n" : "", options.log_y ? "set logscale y\n" : "");
  for (const auto& [x, text] : options.marks) {
    script += fmt::format(
        "set arrow from {0}, graph 0 to {0}, graph 1 nohead linewidth 1 dashtype 2 linecolor rgb '#888888'\n"
        "set label {1} at {0}, graph 0.96 offset 0.7,0 textcolor rgb '#666666'\n",
        x, gnuplot_quoted(text));
  }
  script += "plot ";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const LineStyle style = lines[i].style;
    script += fmt::format("{}{} every ::1 using {}:{} with {} linecolor rgb '{}' title {}", i == 0 ? "" : ", ",
                          drawing.data(), 2 * i + 1, 2 * i + 2,
                          style == LineStyle::points   ? "points pointtype 7 pointsize 0.3"
                          : style == LineStyle::dashed ? "lines linewidth 1.5 dashtype 2"
                                                       : "lines linewidth 1.5",
                          colour(i), gnuplot_quoted(lines[i].name));
  }
  return drawing.draw(data + "\n", script + "\n");
}

}  // namespace wengert
