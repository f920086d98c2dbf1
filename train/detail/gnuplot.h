#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "train/plot.h"

namespace wengert::detail {

/// Okabe and Ito's colours, but for their yellow, which white paper swallows.
inline constexpr std::array<std::string_view, 7> colours{"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                                         "#E69F00", "#56B4E9", "#000000"};
inline std::string_view colour(std::size_t i) { return colours[i % colours.size()]; }

/// In single quotes, as gnuplot reads it.
std::string gnuplot_quoted(std::string_view text);

/// One picture in the making. `what` it shows is a plural, for messages.
class Drawing {
 public:
  Drawing(const char* what, const std::string& path, const std::string& program, std::string_view data_extension);

  /// The script's first lines: terminal, output and style, for a picture of this size in points of 1/96 inch.
  std::string head(double width, double height) const;
  /// The data file's name, quoted.
  std::string data() const;
  /// Writes data and script and runs gnuplot.
  PlotResult draw(const std::string& data, const std::string& script) const;

 private:
  const char* what_;
  std::string path_;
  std::string program_;
  std::string data_;
  std::string script_;
  bool svg_;
};

}  // namespace wengert::detail
