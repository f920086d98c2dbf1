#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <wengert/autograd/tensor.h>
#include <wengert/train/history.h>

namespace wengert {

/// \file
/// Pictures, drawn by gnuplot: PNG or SVG, as the path ends in ".png" or ".svg". Beside "out/curves.png" they write the
/// data ("out/curves.csv", for images "out/curves.rgb") and the script ("out/curves.gp"), to draw again or differently.
/// A picture is never worth a failed run: without gnuplot, or where files can't be written, the message says so, an
/// older picture stays, and nothing is thrown; only arguments that make no sense throw. Colours are told apart by
/// colour-blind people, too (M. Okabe and K. Ito, "Color universal design", 2008; viridis for heat maps).

struct PlotResult {
  bool drawn = false;
  std::string message;  ///< for the user: where the picture is, or why there is none and what there is instead
};

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

/// Panels side by side.
PlotResult plot_curves(const std::string& path, const std::vector<Panel>& panels, const PlotOptions& options = {});

/// The curves of a run: a panel for the loss (logarithmic, if it falls to less than a tenth) and one for each metric,
/// with those of validation beside them.
std::vector<Panel> panels_of(const History& history);
PlotResult plot_history(const std::string& path, const History& history, const PlotOptions& options = {});

enum class LineStyle : std::uint8_t { solid, dashed, points };

/// Points (x[i], y[i]); NaN leaves a hole.
struct Line {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
  LineStyle style = LineStyle::solid;
};

struct LinePlotOptions {
  std::string title = {};
  std::string x_label = "x";
  std::string y_label = "y";
  bool log_x = false;
  bool log_y = false;
  std::vector<std::pair<double, std::string>> marks = {};  ///< vertical lines with a text: where the test data begin
  std::string program = "gnuplot";
};

/// Lines in one system of axes: data beside predictions. Throws ShapeError if a line has not as many x as y.
PlotResult plot_lines(const std::string& path, const std::vector<Line>& lines, const LinePlotOptions& options = {});

/// values: [R, C], any dtype; row 0 is on top. NaN leaves a cell grey.
struct HeatMap {
  Tensor values;
  std::string title = {};
  std::vector<std::string> row_labels = {};     ///< R of them, or none
  std::vector<std::string> column_labels = {};  ///< C of them, or none
};

struct HeatMapOptions {
  std::string title = {};
  std::string x_label = {};
  std::string y_label = {};
  int decimals = 2;                 ///< of the numbers in the cells
  bool annotate = true;             ///< write them
  std::optional<double> low = {};   ///< what has the darkest colour; the smallest value of all maps if not given
  std::optional<double> high = {};  ///< the brightest
  std::string program = "gnuplot";
};

/// Heat maps side by side, on one scale of colours. Throws ShapeError if values are not [R, C] with at least one cell,
/// or labels are not as many.
PlotResult plot_heat_maps(const std::string& path, const std::vector<HeatMap>& maps,
                          const HeatMapOptions& options = {});

/// Which class a function gives to each point of a rectangle: what a scatter plot shows behind its points.
struct DecisionRegions {
  double left = 0;
  double right = 0;
  double bottom = 0;
  double top = 0;
  Tensor classes;  ///< [rows, columns] int64; row 0 is at the bottom
};

struct DecisionRegionOptions {
  std::int64_t resolution = 300;  ///< points along each axis
  double margin = 0.08;           ///< around the points, as a share of their extent
};

/// For the rectangle around points: [N, 2]. `scores`: points [M, 2] -> labels [M] int64, or scores [M, K], of which
/// the largest counts: `[&](const Tensor& x) { return predict(model, x); }`. Throws ShapeError on anything else.
DecisionRegions decision_regions(const Tensor& points, const std::function<Tensor(const Tensor&)>& scores,
                                 const DecisionRegionOptions& options = {});

struct ScatterOptions {
  std::string title = {};
  std::string x_label = "x";
  std::string y_label = "y";
  std::vector<std::string> names = {};  ///< of the classes; their numbers if empty
  std::optional<DecisionRegions> regions = {};
  std::string program = "gnuplot";
};

/// Points [N, 2] of any float dtype, coloured by their labels [N] int64, from 0. Throws ShapeError or DTypeError on
/// anything else, and if names are fewer than classes.
PlotResult plot_scatter(const std::string& path, const Tensor& points, const Tensor& labels,
                        const ScatterOptions& options = {});

struct ImagePlotOptions {
  std::string title = {};
  std::vector<std::string> captions = {};  ///< one below each image, or none
  std::int64_t columns = 0;                ///< as makes the grid about square if 0
  std::optional<double> low = {};          ///< what is black; the smallest value of each image if not given
  std::optional<double> high = {};         ///< what is white
  std::string program = "gnuplot";
};

/// Images in a grid, grey [N, H, W] or [N, 1, H, W], or coloured [N, 3, H, W]. Throws ShapeError on anything else, and
/// on another number of captions than images.
PlotResult plot_images(const std::string& path, const Tensor& images, const ImagePlotOptions& options = {});

}  // namespace wengert
