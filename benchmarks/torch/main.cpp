// The process that runs libtorch for the benchmarks. It reads lines from its input and answers each with a line that
// begins with "ok", or says what is wrong:
//   prepare <number>   and a problem     ok
//   results <number>                     ok, and arrays
//   run <number> <steps>                 ok <nanoseconds>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <stdexcept>

#include <unistd.h>

#include "benchmarks/torch/model.h"

namespace wengert::bench {

namespace {

class Server {
 public:
  explicit Server(std::FILE* to) : to_(to) {}

  void answer(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    int number = 0;
    words >> command >> number;
    if (command == "prepare") {
      model_.reset();
      model_ = make_model(wire::read_problem(stdin));
      number_ = number;
      wire::write_line(to_, "ok");
      return;
    }
    if (!model_ || number != number_) throw std::runtime_error("that problem is gone: " + line);
    if (command == "results") {
      const std::vector<Array> results = model_->results();
      wire::write_line(to_, "ok");
      wire::write_arrays(to_, results);
    } else if (command == "run") {
      std::int64_t steps = 0;
      words >> steps;
      const auto begin = std::chrono::steady_clock::now();
      for (std::int64_t i = 0; i < steps; ++i) model_->step();
      const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
      wire::write_line(to_, "ok " + std::to_string(time.count()));
    } else {
      throw std::runtime_error("unknown command: " + line);
    }
  }

 private:
  std::FILE* to_;
  std::unique_ptr<Model> model_;
  int number_ = 0;
};

/// What an exception says, on one line.
std::string first_line(const std::exception& error) {
  const std::string text = error.what();
  return text.substr(0, text.find('\n'));
}

}  // namespace
}  // namespace wengert::bench

int main(int argc, char** argv) {
  using namespace wengert::bench;
  // The answers have the output for themselves: a library's chatter goes where errors go.
  std::FILE* to = fdopen(dup(STDOUT_FILENO), "w");
  dup2(STDERR_FILENO, STDOUT_FILENO);
  set_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  wire::write_line(to, "ok " + libraries());
  Server server(to);
  for (;;) {
    std::string line;
    try {
      line = wire::read_line(stdin);
    } catch (const std::exception&) {
      return 0;  // the other side has closed the pipe
    }
    try {
      server.answer(line);
    } catch (const std::exception& error) {
      wire::write_line(to, "error: " + first_line(error));
    }
  }
}
