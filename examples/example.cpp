#include "example.h"

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include <wengert/autograd/parallel.h>
#include <wengert/autograd/random.h>

int run_example(int argc, char** argv, const About& about, const std::function<void(const Options&, Result&)>& run) {
  Options options{.out = "build/out/" + about.name};
  int threads = 0;
  CLI::App app(about.what, about.name);
  app.add_option("--seed", options.seed, "of all random numbers")->capture_default_str();
  app.add_option("--threads", threads, "0: as many as the machine has")->check(CLI::Range(0, 1024));
  app.add_option("--epochs", options.epochs, fmt::format("instead of {}", about.epochs))->check(CLI::PositiveNumber);
  app.add_option("--out", options.out, "folder for what it writes")->capture_default_str();
  app.add_flag("--quick", options.quick, "a run of seconds, to see that it works");
  if (!about.files.empty()) app.add_option("files", options.files, about.files);
  CLI11_PARSE(app, argc, argv);
  if (options.epochs == 0) options.epochs = options.quick ? about.quick_epochs : about.epochs;

  try {
    std::filesystem::create_directories(options.out);
    if (threads != 0) wengert::set_num_threads(threads);
    wengert::manual_seed(options.seed);
    Result result;
    run(options, result);
    for (const std::string& what : result.missed()) fmt::print("missed: {}\n", what);
    fmt::print("RESULT {}{}\n", about.name, result.line());
    return result.missed().empty() ? 0 : 1;
  } catch (const std::exception& error) {
    std::fflush(stdout);
    fmt::print(stderr, "{}: {}\n", about.name, error.what());
    return 2;
  }
}
