#include "train/detail/gnuplot.h"

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/core.h>
#include <sys/wait.h>

namespace wengert::detail {
namespace {

namespace fs = std::filesystem;

std::string shell_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
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

/// Puts an older picture aside, so that one that is there afterwards is the new one; back again unless there is one.
class Aside {
 public:
  explicit Aside(const fs::path& picture) : picture_(picture), aside_(picture.string() + ".before") {
    std::error_code error;
    if (fs::is_regular_file(picture_, error)) fs::rename(picture_, aside_, error), moved_ = !error;
  }
  Aside(const Aside&) = delete;
  Aside& operator=(const Aside&) = delete;
  ~Aside() {
    std::error_code error;
    if (!moved_) return;
    if (drawn) {
      fs::remove(aside_, error);
    } else {
      fs::rename(aside_, picture_, error);
    }
  }
  bool drawn = false;

 private:
  fs::path picture_;
  fs::path aside_;
  bool moved_ = false;
};

}  // namespace

std::string gnuplot_quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') quoted += c;  // doubled
    quoted += c == '\n' || c == '\r' || c == '\0' ? ' ' : c;
  }
  return quoted + "'";
}

Drawing::Drawing(const char* what, const std::string& path, const std::string& program, std::string_view data_extension)
    : what_(what),
      path_(path),
      program_(program),
      data_(fs::path(path).replace_extension(data_extension).string()),
      script_(fs::path(path).replace_extension(".gp").string()),
      svg_(fs::path(path).extension() == ".svg") {}

std::string Drawing::head(double width, double height) const {
  // PNG at twice the resolution, so that it stays sharp on today's screens.
  const auto pixels = [](double size, double scale) { return static_cast<int>(std::lround(size * scale)); };
  const std::string terminal =
      svg_ ? fmt::format(
                 "set terminal svg noenhanced size {},{} font 'Helvetica,Arial,sans-serif,13' background "
                 "'white'\n",
                 pixels(width, 1), pixels(height, 1))
           : fmt::format(
                 "if (strstrt(GPVAL_TERMINALS, 'pngcairo')) {{\n"
                 "  set terminal pngcairo noenhanced size {0},{1} font 'sans,10' fontscale 2 linewidth 2 "
                 "pointscale 2 background 'white'\n"
                 "}} else {{\n"
                 "  set terminal png noenhanced size {0},{1} giant\n"
                 "}}\n",
                 pixels(width, 2), pixels(height, 2));
  return terminal + fmt::format(
                        "set output {}\n"
                        "set datafile separator ','\n"
                        "set datafile missing NaN\n"
                        "set encoding utf8\n"
                        "set border 3 linecolor rgb '#666666'\n"
                        "set tics nomirror textcolor rgb '#333333'\n"
                        "set grid linetype 1 linewidth 0.5 linecolor rgb '#dddddd'\n",
                        gnuplot_quoted(fs::path(path_).filename().string()));
}

std::string Drawing::data() const { return gnuplot_quoted(fs::path(data_).filename().string()); }

PlotResult Drawing::draw(const std::string& data, const std::string& script) const {
  const fs::path picture(path_);
  if (!svg_ && picture.extension() != ".png") {
    return {false, fmt::format("no picture of the {}: '{}' must end in .png or .svg", what_, path_)};
  }
  if (!write(data_, data) || !write(script_, script)) {
    return {false, fmt::format("cannot write {} and {}; the {} are not kept", data_, script_, what_)};
  }
  const fs::path folder = picture.has_parent_path() ? picture.parent_path() : fs::path(".");
  const std::string command = fmt::format("cd {} && {} {}", shell_quoted(folder.string()), shell_quoted(program_),
                                          shell_quoted(fs::path(script_).filename().string()));
  Aside before(picture);
  const Outcome outcome = run("{ " + command + "; } </dev/null 2>&1");
  std::error_code error;
  before.drawn = outcome.status == 0 && fs::exists(picture, error);
  if (before.drawn) return {true, fmt::format("{} drawn: {}", what_, path_)};
  const std::string reason = outcome.status == 127
                                 ? program_ + " is not installed"
                                 : fmt::format("{} failed ({})", program_, outcome.output.substr(0, 200));
  return {false, fmt::format("no picture of the {}: {}. Their data are in {}; to draw them: {}", what_, reason, data_,
                             command)};
}

}  // namespace wengert::detail
