#include "benchmarks/peer.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wengert/autograd/error.h>

#include "benchmarks/settings.h"

namespace wengert::bench {

#ifdef WENGERT_BENCHMARKS_TORCH

namespace {

/// The environment with some variables set.
std::vector<std::string> environment_with(const std::vector<std::pair<std::string, std::string>>& changes) {
  std::vector<std::string> all;
  for (char** each = environ; *each; ++each) {
    const std::string_view variable(*each);
    const std::string_view name = variable.substr(0, variable.find('='));
    const bool changed = std::any_of(changes.begin(), changes.end(), [&](const auto& c) { return c.first == name; });
    if (!changed) all.emplace_back(variable);
  }
  for (const auto& [name, value] : changes) all.push_back(name + "=" + value);
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& each : strings) list.push_back(each.data());
  list.push_back(nullptr);
  return list;
}

/// The child, and the pipes to and from it.
class Process {
 public:
  Process() {
    int to_child[2];
    int from_child[2];
    check<Error>(pipe2(to_child, O_CLOEXEC) == 0 && pipe2(from_child, O_CLOEXEC) == 0, "peer: no pipe");
    const std::string threads = std::to_string(settings().threads);
    const char* const libraries = std::getenv("LD_LIBRARY_PATH");
    std::vector<std::string> arguments{WENGERT_BENCHMARKS_TORCH, threads};
    std::vector<std::string> environment =
        environment_with({{"LD_LIBRARY_PATH", std::string(WENGERT_BENCHMARKS_TORCH_BLAS) +
                                                  (libraries ? std::string(":") + libraries : "")},
                          {"ATEN_CPU_CAPABILITY", "avx512"},
                          {"OMP_NUM_THREADS", threads}});
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, to_child[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, from_child[1], STDOUT_FILENO);
    const int failed = posix_spawn(&id_, arguments[0].c_str(), &actions, nullptr, pointers(arguments).data(),
                                   pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    check<Error>(failed == 0, "peer: {} does not start", arguments[0]);
    std::signal(SIGPIPE, SIG_IGN);  // a child that died is an error with a message
    close(to_child[0]);
    close(from_child[1]);
    to_ = fdopen(to_child[1], "w");
    from_ = fdopen(from_child[0], "r");
    name_ = answer();
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() {
    std::fclose(to_);  // the child ends with its input
    std::fclose(from_);
    waitpid(id_, nullptr, 0);
  }

  std::FILE* to() const { return to_; }
  std::FILE* from() const { return from_; }
  const std::string& name() const { return name_; }

  /// The rest of an answer that begins with "ok". Throws what another says.
  std::string answer() const {
    try {
      const std::string line = wire::read_line(from_);
      check<Error>(line.starts_with("ok"), "peer: {}", line);
      return line.size() > 3 ? line.substr(3) : std::string();
    } catch (const std::runtime_error& error) {
      fail<Error>("peer: {}", error.what());
    }
  }

 private:
  pid_t id_ = 0;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
  std::string name_;
};

Process& process() {
  static Process one;
  return one;
}

}  // namespace

bool has_peer() { return settings().peers; }

std::string peer_name() { return has_peer() ? process().name() : std::string(); }

Peer::Peer(const Problem& problem) {
  static int count = 0;
  number_ = ++count;
  wire::write_line(process().to(), fmt::format("prepare {}", number_));
  wire::write_problem(process().to(), problem);
  process().answer();
}

std::vector<Array> Peer::results() const {
  wire::write_line(process().to(), fmt::format("results {}", number_));
  process().answer();
  return wire::read_arrays(process().from());
}

Timed Peer::timed() const {
  return [number = number_](std::int64_t steps) {
    wire::write_line(process().to(), fmt::format("run {} {}", number, steps));
    return std::stod(process().answer());
  };
}

#else

bool has_peer() { return false; }
std::string peer_name() { return {}; }
Peer::Peer(const Problem& problem) : number_(0) { fail<Error>("{}: built without libtorch", problem.model); }
std::vector<Array> Peer::results() const { return {}; }
Timed Peer::timed() const { return {}; }

#endif

}  // namespace wengert::bench
