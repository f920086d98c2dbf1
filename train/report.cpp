#include "train/report.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include <wengert/autograd/error.h>

#include "io/detail/atomic_file.h"
#include "train/detail/gnuplot.h"

namespace wengert {
namespace {

constexpr std::string_view style = R"(
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #6b7280; --line: #d5d9e0; --page: #fff; --mark: 0, 114, 178; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --faint: #9aa3ad; --line: #3a414a; --page: #14171b; --mark: 86, 180, 233; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 1080px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; } th { font-weight: 500; color: var(--faint); text-align: right; padding: .15em .6em; }
td { padding: .15em .6em; } .matrix td { text-align: right; min-width: 2.2em; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } pre { font-size: 12.5px; line-height: 1.35; }
.charts, .samples { display: flex; flex-wrap: wrap; gap: 1.2em; } figure { margin: 0; text-align: center; }
.samples img { width: 84px; height: 84px; image-rendering: pixelated; border: 2px solid var(--line); }
.samples .wrong img { border-color: #d55e00; } figcaption { font-size: 12.5px; color: var(--faint); }
svg text { font: 11px system-ui, sans-serif; fill: var(--faint); } svg .axis { stroke: var(--line); }
svg polyline { fill: none; stroke-width: 2; }
)";

std::string escaped(std::string_view text) {
  std::string html;
  for (const char c : text) {
    switch (c) {
      case '&': html += "&amp;"; break;
      case '<': html += "&lt;"; break;
      case '>': html += "&gt;"; break;
      case '"': html += "&quot;"; break;
      case '\'': html += "&#39;"; break;
      default: html += c;
    }
  }
  return html;
}

std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? digits[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

/// A picture [C, H, W] as a BMP file, which every browser shows and which needs no compression: its smallest value
/// black, its largest white, NaN black.
std::vector<std::uint8_t> bitmap(const Tensor& image) {
  const Tensor numbers = image.to(float64);
  const std::span<const double> values = numbers.data<double>();
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  const std::int64_t channels = image.dim(0);
  const std::int64_t rows = image.dim(1);
  const std::int64_t columns = image.dim(2);
  const std::int64_t row_bytes = (3 * columns + 3) / 4 * 4;

  std::vector<std::uint8_t> file;
  const auto put = [&](std::int64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file.push_back(static_cast<std::uint8_t>(value >> (8 * i) & 255));
  };
  put('B' | 'M' << 8, 2);
  put(54 + rows * row_bytes, 4);
  put(0, 4);
  put(54, 4);  // where the pixels begin
  put(40, 4);  // the size of the rest of the header
  put(columns, 4);
  put(rows, 4);
  put(1, 2);
  put(24, 2);  // bits a pixel
  put(0, 4);
  put(rows * row_bytes, 4);
  for (int i = 0; i < 4; ++i) put(0, 4);
  for (std::int64_t row = rows - 1; row >= 0; --row) {  // from the bottom up
    for (std::int64_t column = 0; column < columns; ++column) {
      for (std::int64_t colour = 2; colour >= 0; --colour) {  // blue, green, red
        const std::int64_t channel = channels == 3 ? colour : 0;
        const double value = values[static_cast<std::size_t>((channel * rows + row) * columns + column)];
        const double shade =
            high > low && !std::isnan(value) ? std::clamp((value - low) / (high - low), 0.0, 1.0) : 0.0;
        put(std::lround(255 * shade), 1);
      }
    }
    put(0, static_cast<int>(row_bytes - 3 * columns));
  }
  return file;
}

/// One axis of a chart: from numbers to places.
struct Axis {
  double low;
  double high;
  bool logarithmic;
  double from;  // where `low` is
  double to;    // where `high` is

  bool has(double value) const { return std::isfinite(value) && (!logarithmic || value > 0); }
  double operator()(double value) const {
    const auto scale = [this](double v) { return logarithmic ? std::log(v) : v; };
    return from + (to - from) * (scale(value) - scale(low)) / (scale(high) - scale(low));
  }

  /// A few round numbers in between.
  std::vector<double> ticks() const {
    std::vector<double> all;
    if (logarithmic) {
      for (double decade = std::floor(std::log10(low)); decade <= std::ceil(std::log10(high)); ++decade) {
        for (const double digit : {1.0, 2.0, 5.0}) all.push_back(digit * std::pow(10, decade));
      }
      std::erase_if(all, [this](double tick) { return tick < low || tick > high; });
      if (all.size() > 8) std::erase_if(all, [](double tick) { return std::fmod(std::log10(tick) + 1e-9, 1) > 1e-6; });
      return all;
    }
    const double rough = (high - low) / 4;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    const double step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
    for (double tick = std::ceil(low / step) * step; tick <= high + 1e-9 * step; tick += step) {
      all.push_back(std::abs(tick) < 1e-9 * step ? 0 : tick);
    }
    return all;
  }
};

std::string chart(const Panel& panel) {
  constexpr double width = 480, height = 300, left = 56, right = 470, top = 30, bottom = 262;
  std::size_t length = 1;
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const Curve& curve : panel.curves) {
    length = std::max(length, curve.values.size());
    for (const double value : curve.values) {
      if (!std::isfinite(value) || (panel.log_scale && value <= 0)) continue;
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }
  if (!(low <= high)) low = high = 1;  // nothing to show
  if (low == high) {
    high = panel.log_scale ? high * 2 : high + std::max(1.0, std::abs(high)) / 2;
    low = panel.log_scale ? low / 2 : low - std::max(1.0, std::abs(low)) / 2;
  }
  const Axis x{1, std::max<double>(2, static_cast<double>(length)), false, left, right};
  const Axis y{low, high, panel.log_scale, bottom, top};

  std::string svg = fmt::format(R"(<figure><svg viewBox="0 0 {} {}" width="{}" role="img" aria-label="{}">)", width,
                                height, width, escaped(panel.y_label));
  for (const double tick : y.ticks()) {
    svg +=
        fmt::format(R"(<line class="axis" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>)", left, right, y(tick), y(tick));
    svg += fmt::format(R"(<text x="{}" y="{:.1f}" text-anchor="end">{:.3g}</text>)", left - 6, y(tick) + 4, tick);
  }
  for (const double tick : x.ticks()) {
    if (tick != std::round(tick)) continue;
    svg += fmt::format(R"(<text x="{:.1f}" y="{}" text-anchor="middle">{:.0f}</text>)", x(tick), bottom + 16, tick);
  }
  svg += fmt::format(R"(<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"/>)", left, right, bottom, bottom);
  svg += fmt::format(R"(<text x="{}" y="{}" text-anchor="middle">epoch</text>)", (left + right) / 2, bottom + 33);

  double legend = left;
  for (std::size_t i = 0; i < panel.curves.size(); ++i) {
    const Curve& curve = panel.curves[i];
    // The plots' colours but for black, which a dark page swallows.
    const std::string_view colour = detail::colours[i % (detail::colours.size() - 1)];
    std::string points;
    const auto draw = [&] {
      if (!points.empty()) svg += fmt::format(R"(<polyline stroke="{}" points="{}"/>)", colour, points);
      points.clear();
    };
    for (std::size_t k = 0; k < curve.values.size(); ++k) {
      if (y.has(curve.values[k])) {
        points += fmt::format("{:.1f},{:.1f} ", x(static_cast<double>(k + 1)), y(curve.values[k]));
      } else {
        draw();  // a hole
      }
    }
    draw();
    svg += fmt::format(R"(<text x="{:.0f}" y="16" style="fill:{}">&#9632; {}</text>)", legend, colour,
                       escaped(curve.name));
    legend += 30 + 6.5 * static_cast<double>(curve.name.size());
  }
  return svg + fmt::format("</svg><figcaption>{}</figcaption></figure>\n", escaped(panel.y_label));
}

std::string matrix(const Tensor& confusion, const std::vector<std::string>& classes) {
  check(confusion.rank() == 2 && confusion.dim(0) == confusion.dim(1),
        "report: the confusion matrix is {}, expected [K, K]", confusion.shape());
  const auto k = static_cast<std::size_t>(confusion.dim(0));
  check(classes.empty() || classes.size() == k, "report: {} names for {} classes", classes.size(), k);
  const auto name = [&](std::size_t i) { return classes.empty() ? std::to_string(i) : escaped(classes[i]); };
  const Tensor numbers = confusion.to(float64);
  const std::span<const double> counts = numbers.data<double>();

  std::string html = "<div class=\"scroll\"><table class=\"matrix\"><tr><th>true \\ predicted</th>";
  for (std::size_t column = 0; column < k; ++column) html += fmt::format("<th>{}</th>", name(column));
  html += "<th>recall</th></tr>\n";
  for (std::size_t row = 0; row < k; ++row) {
    double total = 0;
    for (std::size_t column = 0; column < k; ++column) total += counts[row * k + column];
    html += fmt::format("<tr><th>{}</th>", name(row));
    for (std::size_t column = 0; column < k; ++column) {
      const double count = counts[row * k + column];
      const double share = total > 0 ? count / total : 0;
      html += fmt::format(R"html(<td style="background: rgba(var(--mark), {:.2f})">{:g}</td>)html",
                          count > 0 ? 0.08 + 0.6 * share : 0, count);
    }
    html += total > 0 ? fmt::format("<td>{:.3f}</td></tr>\n", counts[row * k + row] / total) : "<td></td></tr>\n";
  }
  return html + "</table></div>\n";
}

std::string pictures(const ReportSamples& samples) {
  const Tensor& images = samples.images;
  check(images.rank() == 3 || (images.rank() == 4 && (images.dim(1) == 1 || images.dim(1) == 3)),
        "report: the images are {}, expected [N, H, W], [N, 1, H, W] or [N, 3, H, W]", images.shape());
  const auto n = static_cast<std::size_t>(images.dim(0));
  check(samples.captions.empty() || samples.captions.size() == n, "report: {} captions for {} images",
        samples.captions.size(), n);
  check(samples.wrong.empty() || samples.wrong.size() == n, "report: {} marks for {} images", samples.wrong.size(), n);
  std::string html = "<div class=\"samples\">\n";
  for (std::size_t i = 0; i < n; ++i) {
    const Tensor image = images[static_cast<std::int64_t>(i)];
    const Tensor planes = image.rank() == 2 ? image.reshape({1, image.dim(0), image.dim(1)}) : image;
    const std::string caption = samples.captions.empty() ? "" : escaped(samples.captions[i]);
    html += fmt::format(
        R"(<figure{}><img alt="{}" src="data:image/bmp;base64,{}"><figcaption>{}</figcaption></figure>)",
        !samples.wrong.empty() && samples.wrong[i] ? " class=\"wrong\"" : "", caption, base64(bitmap(planes)), caption);
    html += '\n';
  }
  return html + "</div>\n";
}

}  // namespace

std::string html_report(const Report& report) {
  const std::string title = escaped(report.title);
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<title>{}</title><style>{}</style></head>\n<body><h1>{}</h1>\n",
      title, style, title);
  if (!report.configuration.empty()) {
    html += "<h2>Configuration</h2>\n<table>";
    for (const auto& [name, value] : report.configuration) {
      html += fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value));
    }
    html += "</table>\n";
  }
  if (!report.panels.empty()) {
    html += "<h2>Curves</h2>\n<div class=\"charts\">\n";
    for (const Panel& panel : report.panels) html += chart(panel);
    html += "</div>\n";
  }
  if (report.confusion.defined()) html += "<h2>Confusion matrix</h2>\n" + matrix(report.confusion, report.classes);
  if (report.samples.images.defined()) html += "<h2>Samples</h2>\n" + pictures(report.samples);
  if (!report.model.empty()) {
    html += fmt::format("<h2>Model</h2>\n<div class=\"scroll\"><pre>{}</pre></div>\n", escaped(report.model));
  }
  return html + "</body></html>\n";
}

void write_report(const std::string& path, const Report& report) {
  const std::string html = html_report(report);
  detail::write_file_atomically("write_report", path, {std::as_bytes(std::span(html))});
}

}  // namespace wengert
