#pragma once

#include <string>
#include <vector>

namespace wengert {

/// Values of y at x = 1, 2, ...; NaN leaves a hole.
struct Curve {
  std::string name;
  std::vector<double> values;
};

/// Curves in one system of axes.
struct Panel {
  std::string y_label;
  std::vector<Curve> curves;
  bool log_scale = false;
};

struct PlotOptions {
  std::string title = {};
  std::string x_label = "epoch";
  std::string program = "gnuplot";  ///< the command that draws
};

struct PlotResult {
  bool drawn = false;
  std::string message;  ///< for the user: where the picture is, or why there is none and what there is instead
};

/// Draws panels side by side into a PNG file through gnuplot. Beside `path` ("out/curves.png") it writes the data
/// ("out/curves.csv", a column for each curve) and the script ("out/curves.gp"). A picture is never worth a failed run:
/// without gnuplot, or where files can't be written, the message says so, and nothing is thrown.
PlotResult plot_curves(const std::string& path, const std::vector<Panel>& panels, const PlotOptions& options = {});

}  // namespace wengert
