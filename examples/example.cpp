#include "example.h"

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include <wengert/wengert.h>

int run_example(int argc, char** argv, const About& about, const std::function<void(const Options&, Result&)>& run) {
  Options options{.out = "build/out/" + about.name};
  int threads = 0;
  CLI::App app(about.what, about.name);
  app.add_option("--seed", options.seed, "of all random numbers")->capture_default_str();
  app.add_option("--threads", threads, "0: as many as the machine has")->check(CLI::Range(0, 1024));
  app.add_option("--epochs", options.epochs, fmt::format("instead of {}", about.epochs))->check(CLI::Range(1, 1 << 30));
  app.add_option("--out", options.out, "folder for what it writes")->capture_default_str();
  app.add_flag("--quick", options.quick, "a run of seconds, to see that it works");
  if (!about.files.empty()) app.add_option("files", options.files, about.files);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
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

wengert::Tensor load_picture(const Options& options) {
  using namespace wengert;
  const std::string path =
      options.files.empty() ? datasets::fetched_file("photograph/china.jpg") : options.files.front();
  if (!options.files.empty() || std::filesystem::exists(path)) {
    fmt::print("the picture is {}\n", path);
    const Tensor picture = load_image(path);
    return picture.dim(0) >= 3 ? picture.slice(0, 3)
                               : cat({picture[0], picture[0], picture[0]}).reshape({3, picture.dim(1), picture.dim(2)});
  }
  fmt::print("a synthetic picture; `tools/fetch-data photograph` fetches a real one\n");
  const Tensor y = linspace(-1, 1, 480).reshape({480, 1}), x = linspace(-1, 1, 640).reshape({1, 640});
  const Tensor disc = sigmoid(40 * (0.6 - hypot(x, y))), waves = 0.5 + 0.5 * sin(40 * x * y) * cos(25 * (x + y));
  return stack({0.8 * disc + 0.2 * waves, waves * (1 - disc), 0.5 + 0.25 * (x + y)});
}
