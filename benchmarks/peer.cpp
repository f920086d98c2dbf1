#include "benchmarks/peer.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include <wengert/autograd/error.h>

#include "benchmarks/settings.h"

namespace wengert::bench {

#ifdef WENGERT_BENCHMARKS_TORCH

namespace {

/// The child, and the pipes to and from it.
class Process {
 public:
  Process() {
    int to_child[2];
    int from_child[2];
    check<Error>(pipe2(to_child, O_CLOEXEC) == 0 && pipe2(from_child, O_CLOEXEC) == 0, "peer: no pipe");
    // All that the child needs before exec, made here: between fork and exec nothing may be allocated.
    const std::string threads = std::to_string(settings().threads);
    id_ = fork();
    check<Error>(id_ >= 0, "peer: no process");
    if (id_ == 0) {
      dup2(to_child[0], STDIN_FILENO);
      dup2(from_child[1], STDOUT_FILENO);
      setenv("LD_LIBRARY_PATH", WENGERT_BENCHMARKS_TORCH_BLAS, 1);
      setenv("ATEN_CPU_CAPABILITY", "avx512", 0);
      setenv("OMP_NUM_THREADS", threads.c_str(), 1);
      execl(WENGERT_BENCHMARKS_TORCH, WENGERT_BENCHMARKS_TORCH, threads.c_str(), static_cast<char*>(nullptr));
      _exit(127);
    }
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
