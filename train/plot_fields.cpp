// Pictures of planes: heat maps, classes with decision regions, images.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "train/detail/gnuplot.h"
#include "train/plot.h"

namespace wengert {
namespace {

using detail::colour;
using detail::Drawing;
using detail::gnuplot_quoted;

/// S. van der Walt and N. Smith's viridis, at nine places.
constexpr std::string_view viridis =
    "set palette defined (0 '#440154', 1 '#472D7B', 2 '#3B528B', 3 '#2C728E', 4 '#21918C', 5 '#28AE80', 6 '#5EC962', "
    "7 '#ADDC30', 8 '#FDE725')\n";

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void include(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

Range range_of(std::span<const double> values) {
  Range range;
  for (const double value : values) range.include(value);
  return range;
}

/// 'name 0' 0, 'name 1' 1, ... for `set xtics`.
std::string ticks(const std::vector<std::string>& labels, std::int64_t count) {
  std::string text;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::string label = labels.empty() ? fmt::format("{}", i) : labels[static_cast<std::size_t>(i)];
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", gnuplot_quoted(label), i);
  }
  return text;
}

bool has_long_labels(const HeatMap& map) {
  return std::ranges::any_of(map.column_labels, [](const std::string& label) { return label.size() > 5; });
}

void check_map(const HeatMap& map) {
  check<Error>(map.values.defined(), "plot_heat_maps: values are undefined");
  check(map.values.rank() == 2 && map.values.numel() > 0, "plot_heat_maps: values must be [R, C], got {}",
        map.values.shape());
  const auto fits = [](const std::vector<std::string>& labels, std::int64_t size) {
    return labels.empty() || static_cast<std::int64_t>(labels.size()) == size;
  };
  check(fits(map.row_labels, map.values.dim(0)), "plot_heat_maps: {} row labels for {} rows", map.row_labels.size(),
        map.values.dim(0));
  check(fits(map.column_labels, map.values.dim(1)), "plot_heat_maps: {} column labels for {} columns",
        map.column_labels.size(), map.values.dim(1));
}

/// A light tint, for what lies behind points.
std::string tint(std::string_view rgb) {
  const auto channel = [&](std::size_t at) {
    const int value = std::stoi(std::string(rgb.substr(at, 2)), nullptr, 16);
    return 255 - (255 - value) / 4;
  };
  return fmt::format("#{:02X}{:02X}{:02X}", channel(1), channel(3), channel(5));
}

/// Rows of equal classes as rectangles, a block for each class: "x low, x high, y low, y high".
std::vector<std::string> rectangles(const DecisionRegions& regions, std::size_t classes) {
  std::vector<std::string> blocks(classes);
  const std::int64_t rows = regions.classes.dim(0);
  const std::int64_t columns = regions.classes.dim(1);
  const auto cell = regions.classes.data<std::int64_t>();
  const double dx = (regions.right - regions.left) / static_cast<double>(columns);
  const double dy = (regions.top - regions.bottom) / static_cast<double>(rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t begin = 0, end = 0; begin < columns; begin = end) {
      const std::int64_t label = cell[static_cast<std::size_t>(row * columns + begin)];
      for (end = begin; end < columns && cell[static_cast<std::size_t>(row * columns + end)] == label;) ++end;
      // A little larger than they are: no background shines through between neighbours.
      const double left = regions.left + dx * static_cast<double>(begin);
      const double right = std::min(regions.left + dx * (static_cast<double>(end) + 0.3), regions.right);
      const double bottom = regions.bottom + dy * static_cast<double>(row);
      const double top = std::min(bottom + 1.3 * dy, regions.top);
      blocks[static_cast<std::size_t>(label)] += fmt::format("{:.6g},{:.6g},{:.6g},{:.6g}\n", left, right, bottom, top);
    }
  }
  return blocks;
}

/// `count` things in a grid that is about square.
std::int64_t square_columns(std::int64_t count) {
  return static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(count))));
}

}  // namespace

PlotResult plot_heat_maps(const std::string& path, const std::vector<HeatMap>& maps, const HeatMapOptions& options) {
  if (maps.empty()) return {false, "there are no heat maps to draw"};
  check(options.decimals >= 0 && options.decimals <= 15, "plot_heat_maps: decimals must be from 0 to 15, got {}",
        options.decimals);
  Range range;
  std::int64_t most_rows = 1;
  std::int64_t most_columns = 1;
  std::vector<Tensor> values;
  for (const HeatMap& map : maps) {
    check_map(map);
    values.push_back(map.values.detach().to(float64));
    const Range own = range_of(values.back().data<double>());
    range.include(own.low);
    range.include(own.high);
    most_rows = std::max(most_rows, map.values.dim(0));
    most_columns = std::max(most_columns, map.values.dim(1));
  }
  if (range.empty()) range = {0, 1};
  if (options.low) range.low = *options.low;
  if (options.high) range.high = *options.high;
  if (!(range.high > range.low)) range = {range.low - 0.5, range.low + 0.5};

  // A block for each map: column, row, value, what is written, the colour of the writing.
  std::string data;
  for (std::size_t m = 0; m < maps.size(); ++m) {
    if (m > 0) data += "\n\n";
    const std::int64_t columns = values[m].dim(1);
    const auto cells = values[m].data<double>();
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const double value = cells[i];
      const bool bright = (value - range.low) / (range.high - range.low) > 0.55;
      const auto at = static_cast<std::int64_t>(i);
      data += fmt::format("{},{},{},{},{}\n", at % columns, at / columns,
                          std::isfinite(value) ? fmt::format("{}", value) : "NaN",
                          std::isfinite(value) ? fmt::format("{:.{}f}", value, options.decimals) : "-",
                          std::isfinite(value) && !bright ? 0xFFFFFF : 0x000000);
    }
  }

  const auto count = static_cast<double>(maps.size());
  const double cell = options.annotate ? std::max(30.0, 8.0 * (options.decimals + 3)) : 26;
  const double width = std::clamp(static_cast<double>(most_columns) * cell, 220.0, 1200.0) + 130;
  const bool turned = std::ranges::any_of(maps, has_long_labels);
  const double height =
      std::clamp(static_cast<double>(most_rows) * std::max(0.8 * cell, 26.0), 180.0, 1200.0) + (turned ? 150 : 110);
  const Drawing drawing("heat maps", path, options.program, ".csv");
  std::string script = drawing.head(count * width, height + (options.title.empty() ? 0 : 30));
  script += viridis;
  script += fmt::format(
      "set multiplot layout 1,{}{}\nset xlabel {}\nset ylabel {}\nset cbrange [{}:{}]\nunset grid\nset tics scale 0\n"
      "unset border\nset key off\nset style fill solid 1 noborder\nset colorbox noborder\n",
      maps.size(), options.title.empty() ? "" : " title " + gnuplot_quoted(options.title),
      gnuplot_quoted(options.x_label), gnuplot_quoted(options.y_label), range.low, range.high);
  for (std::size_t m = 0; m < maps.size(); ++m) {
    const HeatMap& map = maps[m];
    const std::int64_t rows = map.values.dim(0);
    const std::int64_t columns = map.values.dim(1);
    script +=
        fmt::format("set title {}\nset xrange [-0.5:{}]\nset yrange [{}:-0.5]\nset xtics {} ({})\nset ytics ({})\n",
                    gnuplot_quoted(map.title), static_cast<double>(columns) - 0.5, static_cast<double>(rows) - 0.5,
                    turned ? "rotate by 45 right" : "", ticks(map.column_labels, columns), ticks(map.row_labels, rows));
    const auto boxes = [&](std::string_view colour_of, std::string_view column, std::string_view rule) {
      return fmt::format("{} index {} using ({}):2:($1-0.48):($1+0.48):($2-0.47):($2+0.47){} with boxxyerror {}",
                         drawing.data(), m, rule, column, colour_of);
    };
    script += "plot " + boxes("fillcolor rgb '#dddddd'", "", "stringcolumn(3) eq 'NaN' ? $1 : NaN") + ", " +
              boxes("fillcolor palette", ":3", "stringcolumn(3) eq 'NaN' ? NaN : $1");
    if (options.annotate) {
      script += fmt::format(", {} index {} using 1:2:4:5 with labels font ',{}' textcolor rgb variable", drawing.data(),
                            m, 9);
    }
    script += "\n";
  }
  return drawing.draw(data, script + "unset multiplot\n");
}

DecisionRegions decision_regions(const Tensor& points, const std::function<Tensor(const Tensor&)>& scores,
                                 const DecisionRegionOptions& options) {
  check<Error>(points.defined(), "decision_regions: points are undefined");
  check(points.rank() == 2 && points.dim(1) == 2 && points.dim(0) > 0,
        "decision_regions: points must be [N, 2] with N > 0, got {}", points.shape());
  check<DTypeError>(points.dtype() != int64, "decision_regions: points must be float, got {}", points.dtype());
  check(options.resolution >= 2 && options.resolution <= 4000,
        "decision_regions: resolution must be from 2 to 4000, got {}", options.resolution);
  const Tensor numbers = points.detach().to(float64);
  Range x;
  Range y;
  for (std::int64_t i = 0; i < points.dim(0); ++i) {
    x.include(numbers.data<double>()[static_cast<std::size_t>(2 * i)]);
    y.include(numbers.data<double>()[static_cast<std::size_t>(2 * i + 1)]);
  }
  check<Error>(!x.empty() && !y.empty(), "decision_regions: no point is finite");
  const auto widened = [&](const Range& range) {
    const double margin = range.high > range.low ? options.margin * (range.high - range.low) : 1;
    return Range{range.low - margin, range.high + margin};
  };
  x = widened(x);
  y = widened(y);

  // The middles of the cells.
  const std::int64_t n = options.resolution;
  std::vector<double> grid;
  grid.reserve(static_cast<std::size_t>(2 * n * n));
  const auto middle = [&](const Range& range, std::int64_t i) {
    return range.low + (range.high - range.low) * (static_cast<double>(i) + 0.5) / static_cast<double>(n);
  };
  for (std::int64_t row = 0; row < n; ++row) {
    for (std::int64_t column = 0; column < n; ++column) {
      grid.push_back(middle(x, column));
      grid.push_back(middle(y, row));
    }
  }
  const Tensor given = no_grad([&] { return scores(from_vector(grid, {n * n, 2}).to(points.dtype())).detach(); });
  const bool labels = given.rank() == 1 && given.dtype() == int64;
  check(given.rank() >= 1 && given.dim(0) == n * n && (labels || (given.rank() == 2 && given.dim(1) > 0)),
        "decision_regions: scores must give labels [{0}] or scores [{0}, K], got {1}", n * n, given.shape());
  const Tensor classes = labels ? given : argmax(given, 1);
  for (const std::int64_t label : classes.data<std::int64_t>()) {
    check(label >= 0 && label < 1000, "decision_regions: label {} is out of range", label);
  }
  return {x.low, x.high, y.low, y.high, classes.reshape({n, n})};
}

PlotResult plot_scatter(const std::string& path, const Tensor& points, const Tensor& labels,
                        const ScatterOptions& options) {
  check<Error>(points.defined() && labels.defined(), "plot_scatter: {} are undefined",
               points.defined() ? "labels" : "points");
  check(points.rank() == 2 && points.dim(1) == 2, "plot_scatter: points must be [N, 2], got {}", points.shape());
  check<DTypeError>(labels.dtype() == int64, "plot_scatter: labels must be int64, got {}", labels.dtype());
  check(labels.shape() == Shape{points.dim(0)}, "plot_scatter: labels must be [{}], got {}", points.dim(0),
        labels.shape());
  const Tensor numbers = points.detach().to(float64);
  std::int64_t highest = -1;
  const auto include = [&](std::int64_t label) {
    check(label >= 0 && label < 1000, "plot_scatter: label {} is out of range", label);
    highest = std::max(highest, label);
  };
  for (const std::int64_t label : labels.data<std::int64_t>()) include(label);
  if (options.regions) {
    const Tensor& cells = options.regions->classes;
    check(cells.defined() && cells.rank() == 2 && cells.dtype() == int64,
          "plot_scatter: the regions' classes must be int64 [rows, columns]");
    for (const std::int64_t label : cells.data<std::int64_t>()) include(label);
  }
  const auto classes = static_cast<std::size_t>(highest + 1);
  check(options.names.empty() || options.names.size() >= classes, "plot_scatter: {} names for {} classes",
        options.names.size(), classes);
  if (classes == 0) return {false, "there are no points to draw"};

  // A block for each class's points, then one for each class's regions. A block must not be empty, or the next ones
  // would have other numbers.
  std::vector<std::string> blocks(classes);
  for (std::int64_t i = 0; i < points.dim(0); ++i) {
    const auto at = static_cast<std::size_t>(2 * i);
    const double x = numbers.data<double>()[at];
    const double y = numbers.data<double>()[at + 1];
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    blocks[static_cast<std::size_t>(labels.data<std::int64_t>()[static_cast<std::size_t>(i)])] +=
        fmt::format("{},{}\n", x, y);
  }
  if (options.regions) {
    for (std::string& block : rectangles(*options.regions, classes)) blocks.push_back(std::move(block));
  }
  std::string data;
  for (const std::string& block : blocks) {
    data += (data.empty() ? "" : "\n\n") + (block.empty() ? "NaN,NaN,NaN,NaN\n" : block);
  }

  const Drawing drawing("points", path, options.program, ".csv");
  std::string script = drawing.head(620, 500);
  if (!options.title.empty()) script += fmt::format("set title {}\n", gnuplot_quoted(options.title));
  script += fmt::format(
      "set xlabel {}\nset ylabel {}\nset key outside right center vertical reverse Left samplen 1 spacing 1.3\nset "
      "style fill solid 1 "
      "noborder\n",
      gnuplot_quoted(options.x_label), gnuplot_quoted(options.y_label));
  if (options.regions) {
    const DecisionRegions& r = *options.regions;
    script += fmt::format("unset grid\nset xrange [{}:{}]\nset yrange [{}:{}]\n", r.left, r.right, r.bottom, r.top);
  }
  script += "plot ";
  if (options.regions) {
    for (std::size_t label = 0; label < classes; ++label) {
      script += fmt::format("{} index {} using 1:3:1:2:3:4 with boxxyerror fillcolor rgb '{}' notitle, ",
                            drawing.data(), classes + label, tint(colour(label)));
    }
  }
  for (std::size_t label = 0; label < classes; ++label) {
    const std::string name = options.names.empty() ? fmt::format("{}", label) : options.names[label];
    // A white rim keeps points apart where they crowd.
    script += fmt::format(
        "{0}{1} index {2} using 1:2 with points pointtype 7 pointsize 0.75 linecolor rgb 'white' notitle, {1} index "
        "{2} using 1:2 with points pointtype 7 pointsize 0.58 linecolor rgb '{3}' title {4}",
        label == 0 ? "" : ", ", drawing.data(), label, colour(label), gnuplot_quoted(name));
  }
  return drawing.draw(data, script + "\n");
}

PlotResult plot_images(const std::string& path, const Tensor& images, const ImagePlotOptions& options) {
  check<Error>(images.defined(), "plot_images: images are undefined");
  const bool coloured = images.rank() == 4 && images.dim(1) == 3;
  check(images.rank() == 3 || coloured || (images.rank() == 4 && images.dim(1) == 1),
        "plot_images: images must be [N, H, W], [N, 1, H, W] or [N, 3, H, W], got {}", images.shape());
  const std::int64_t count = images.dim(0);
  const std::int64_t height = images.dim(-2);
  const std::int64_t width = images.dim(-1);
  check(options.captions.empty() || static_cast<std::int64_t>(options.captions.size()) == count,
        "plot_images: {} captions for {} images", options.captions.size(), count);
  check(options.columns >= 0, "plot_images: columns must not be negative, got {}", options.columns);
  if (images.numel() == 0) return {false, "there are no images to draw"};

  // One picture of all, row by row from the top, white between the images. Small ones are enlarged here, pixel by
  // pixel, as viewers would blur them.
  const std::int64_t columns = std::min(options.columns > 0 ? options.columns : square_columns(count), count);
  const std::int64_t rows = (count + columns - 1) / columns;
  const std::int64_t scale = std::max<std::int64_t>(1, 84 / std::max(width, height));
  const std::int64_t gap = 8;
  const std::int64_t caption = options.captions.empty() ? 0 : 18;
  const std::int64_t cell_width = scale * width + gap;
  const std::int64_t cell_height = scale * height + gap + caption;
  const std::int64_t all_width = columns * cell_width + gap;
  const std::int64_t all_height = rows * cell_height + gap;
  std::string pixels(static_cast<std::size_t>(Shape{all_height, all_width, 3}.numel()), '\xFF');
  const Tensor numbers = images.detach().to(float64);
  const auto values = numbers.data<double>();
  const std::int64_t channels = coloured ? 3 : 1;
  const std::int64_t size = channels * height * width;
  for (std::int64_t image = 0; image < count; ++image) {
    const auto of = values.subspan(static_cast<std::size_t>(image * size), static_cast<std::size_t>(size));
    Range range = range_of(of);
    if (options.low) range.low = *options.low;
    if (options.high) range.high = *options.high;
    const auto brightness = [&](double value) {
      const double extent = range.high - range.low;
      const double share = extent > 0 ? (value - range.low) / extent : 0;
      return static_cast<char>(
          static_cast<unsigned char>(std::isnan(share) ? 0 : std::lround(255 * std::clamp(share, 0.0, 1.0))));
    };
    const std::int64_t top = gap + image / columns * cell_height;
    const std::int64_t left = gap + image % columns * cell_width;
    for (std::int64_t y = 0; y < scale * height; ++y) {
      for (std::int64_t x = 0; x < scale * width; ++x) {
        for (std::int64_t c = 0; c < 3; ++c) {
          const std::int64_t from = ((coloured ? c : 0) * height + y / scale) * width + x / scale;
          pixels[static_cast<std::size_t>(((top + y) * all_width + left + x) * 3 + c)] =
              brightness(of[static_cast<std::size_t>(from)]);
        }
      }
    }
  }

  const Drawing drawing("images", path, options.program, ".rgb");
  const std::int64_t title = options.title.empty() ? 0 : 30;
  std::string script = drawing.head(static_cast<double>(all_width), static_cast<double>(all_height + title));
  script += fmt::format(
      "unset border\nunset tics\nunset grid\nset key off\nset lmargin 0\nset rmargin 0\nset bmargin 0\n"
      "set tmargin at screen {}\nset xrange [0:{}]\nset yrange [0:{}]\n",
      static_cast<double>(all_height) / static_cast<double>(all_height + title), all_width, all_height);
  if (title > 0) {
    script += fmt::format("set label {} at screen 0.5, screen {} center\n", gnuplot_quoted(options.title),
                          1 - 15.0 / static_cast<double>(all_height + title));
  }
  for (std::size_t i = 0; i < options.captions.size(); ++i) {
    const auto image = static_cast<std::int64_t>(i);
    script += fmt::format("set label {} at {},{} center front font ',9' textcolor rgb '#333333'\n",
                          gnuplot_quoted(options.captions[i]), gap + image % columns * cell_width + scale * width / 2,
                          all_height - (gap + image / columns * cell_height + scale * height + caption / 2 + 1));
  }
  script +=
      fmt::format("plot {} binary array=({},{}) flipy format='%uchar' origin=(0.5,0.5) using 1:2:3 with rgbimage\n",
                  drawing.data(), all_width, all_height);
  return drawing.draw(pixels, script);
}

}  // namespace wengert
