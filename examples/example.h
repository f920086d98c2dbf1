#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <wengert/autograd/tensor.h>

/// What all examples have in common: options, the RESULT line, the exit code.

struct Options {
  std::uint64_t seed = 0;
  int epochs = 0;      ///< the example's own number unless told
  bool quick = false;  ///< a short run that shows that everything works, not what it can reach
  std::filesystem::path out = {};
  std::vector<std::string> files = {};  ///< what follows the options

  std::string file(std::string_view name) const { return (out / name).string(); }
};

/// What an example reports at its end: `RESULT name key=value ...`, and whether that is what it must reach.
class Result {
 public:
  template <class T>
  void add(std::string_view key, const T& value) {
    line_ += fmt::format(" {}={}", key, value);
  }
  void add(std::string_view key, double value, int digits = 4) {
    line_ += fmt::format(" {}={:.{}f}", key, value, digits);
  }
  /// The run fails, and says so, unless the condition holds.
  void expect(bool condition, std::string_view what) {
    if (!condition) missed_.emplace_back(what);
  }

  const std::string& line() const { return line_; }
  const std::vector<std::string>& missed() const { return missed_; }

 private:
  std::string line_;
  std::vector<std::string> missed_;
};

struct About {
  std::string name;
  std::string what;  ///< one line for --help
  int epochs = 1;
  int quick_epochs = 1;
  std::string files = {};  ///< what the files are that may follow the options; none if empty
};

/// The whole main function: parses the options (`--help` lists them), seeds the random numbers, makes the output
/// folder, runs the example and prints its RESULT. Returns 0, or 1 if an expectation was missed, or 2 after an error.
int run_example(int argc, char** argv, const About& about, const std::function<void(const Options&, Result&)>& run);

/// A picture [3, H, W], from 0 to 1, and says which: the first of the files on the command line, or else a photograph
/// that was fetched, or else a synthetic one.
wengert::Tensor load_picture(const Options& options);
