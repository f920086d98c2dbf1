#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// \file
/// What the examples have in common: their options on the command line, and the line that they end with.

/// What a program says about itself.
struct About {
  std::string name;
  std::string what;  ///< one line, for --help
  int epochs;        ///< of a full run
  int quick_epochs;  ///< with --quick
};

struct Options {
  std::uint64_t seed = 0;
  int epochs = 0;
  bool quick = false;  ///< a run of a few seconds that the tests make; its figures need not be good
  std::string folder;  ///< where files go; exists

  /// The path of a file in the folder.
  std::string file(std::string_view name) const { return folder + "/" + std::string(name); }
};

/// The figures that a program ends with, and whether they are what they should be.
class Result {
 public:
  /// A figure that is only reported.
  void report(const std::string& key, double value);
  void at_least(const std::string& key, double value, double threshold);
  void at_most(const std::string& key, double value, double threshold);
  /// Something that must hold, reported as yes or no.
  void require(const std::string& key, bool holds);

  /// Prints what was missed, and then "RESULT name key=value ...". Returns whether nothing was.
  bool print(const std::string& name) const;

 private:
  std::string line_;
  std::vector<std::string> missed_;
};

/// All of main: reads the options --seed, --threads, --epochs, --out and --quick, makes the folder, seeds the default
/// generator and runs the example. The exit code is 0 if its figures are what they should be, 1 if not, and 2 after an
/// error.
int run_example(int argc, char** argv, const About& about, void (*example)(const Options& options, Result& result));
