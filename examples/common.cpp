#include "common.h"

#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>

#include <CLI/CLI.hpp>

#include <wengert/wengert.h>

void Result::report(const std::string& key, double value) { line_ += fmt::format(" {}={:.4g}", key, value); }

void Result::at_least(const std::string& key, double value, double threshold) {
  report(key, value);
  if (!(value >= threshold))
    missed_.push_back(fmt::format("{} is {:.4g}, should be at least {}", key, value, threshold));
}

void Result::at_most(const std::string& key, double value, double threshold) {
  report(key, value);
  if (!(value <= threshold))
    missed_.push_back(fmt::format("{} is {:.4g}, should be at most {}", key, value, threshold));
}

void Result::require(const std::string& key, bool holds) {
  line_ += fmt::format(" {}={}", key, holds ? "yes" : "no");
  if (!holds) missed_.push_back(fmt::format("not so: {}", key));
}

bool Result::print(const std::string& name) const {
  for (const std::string& text : missed_) fmt::print("MISSED {}\n", text);
  fmt::print("RESULT {}{}\n", name, line_);
  return missed_.empty();
}

int run_example(int argc, char** argv, const About& about, void (*example)(const Options& options, Result& result)) {
  CLI::App app(about.what, about.name);
  Options options;
  options.folder = "build/" + about.name;
  int threads = 0;
  app.add_option("--seed", options.seed, "of everything that is drawn at random")->capture_default_str();
  app.add_option("--threads", threads, "as many as there are processors if not given")->check(CLI::Range(1, 1024));
  app.add_option("--epochs", options.epochs, fmt::format("{}, or {} with --quick", about.epochs, about.quick_epochs))
      ->check(CLI::PositiveNumber);
  app.add_option("--out", options.folder, "the folder for pictures and weights")->capture_default_str();
  app.add_flag("--quick", options.quick, "a short run, as the tests make it");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;  // 0: --help
  }
  if (options.epochs == 0) options.epochs = options.quick ? about.quick_epochs : about.epochs;

  try {
    std::filesystem::create_directories(options.folder);
    if (threads != 0) wengert::set_num_threads(threads);
    wengert::manual_seed(options.seed);
    const auto start = std::chrono::steady_clock::now();
    Result result;
    example(options, result);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    result.report("seconds", seconds.count());
    return result.print(about.name) ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", about.name, error.what());
    return 2;
  }
}
