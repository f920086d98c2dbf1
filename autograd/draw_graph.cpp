#include "autograd/detail/draw_graph.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wengert/autograd/error.h>

extern char** environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program

namespace wengert::detail {

namespace {

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// A new file beside the one to be written. It takes that one's name, or is gone at the end of the scope.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& target) : target_(target), file_(nullptr, &std::fclose) {
    static std::atomic<std::uint64_t> count{0};
    int descriptor = -1;
    do {
      path_ = fmt::format("{}.{}-{}.tmp", target, ::getpid(), count++);
      descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor < 0 && (errno == EEXIST || errno == EINTR));
    if (descriptor < 0) return;
    file_.reset(::fdopen(descriptor, "w"));
    if (!file_) ::close(descriptor);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (!renamed_) ::unlink(path_.c_str());
  }

  std::FILE* get() const noexcept { return file_.get(); }

  /// Whether all of it was written and has the target's name.
  bool replace_target() {
    renamed_ = std::fclose(file_.release()) == 0 && std::rename(path_.c_str(), target_.c_str()) == 0;
    return renamed_;
  }

 private:
  const std::string& target_;
  std::string path_;
  File file_;
  bool renamed_ = false;
};

bool write(std::FILE* file, const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), file) == text.size() && std::fflush(file) == 0;
}

/// What the file holds, up to a bound, in one line.
std::string beginning_of(std::FILE* file) {
  std::rewind(file);
  std::string text(200, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) c = c == '\n' ? ' ' : c;
  return text;
}

/// Runs `program` with its three streams; empty if it succeeded, else the reason.
std::string run(const char* program, const std::string& argument, std::FILE* in, std::FILE* out, std::FILE* errors) {
  std::string name = program;
  std::string option = argument;
  char* arguments[] = {name.data(), option.data(), nullptr};
  posix_spawn_file_actions_t streams;
  ::posix_spawn_file_actions_init(&streams);
  ::posix_spawn_file_actions_adddup2(&streams, ::fileno(in), 0);
  ::posix_spawn_file_actions_adddup2(&streams, ::fileno(out), 1);
  ::posix_spawn_file_actions_adddup2(&streams, ::fileno(errors), 2);
  ::pid_t child = 0;
  const int error = ::posix_spawnp(&child, program, &streams, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&streams);
  if (error == ENOENT) return fmt::format("{} (of Graphviz) is not installed", program);
  if (error != 0) return fmt::format("{} cannot be started: {}", program, std::strerror(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return fmt::format("{} was lost: {}", program, std::strerror(errno));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == 127) return fmt::format("{} (of Graphviz) is not installed", program);
  return fmt::format("{} failed ({})", program, beginning_of(errors));
}

}  // namespace

void write_text(const char* caller, const std::string& path, const std::string& text) {
  TemporaryFile file(path);
  const bool written = file.get() && write(file.get(), text) && file.replace_target();
  check<IoError>(written, "{}: cannot write '{}': {}", caller, path, std::strerror(errno));
}

std::string draw_with_graphviz(const std::string& dot, const std::string& path, const std::string& format) {
  const File in(std::tmpfile(), &std::fclose);
  const File errors(std::tmpfile(), &std::fclose);
  if (!in || !errors || !write(in.get(), dot)) return "there is no room for temporary files";
  std::rewind(in.get());
  TemporaryFile out(path);
  if (!out.get()) return fmt::format("'{}' cannot be written: {}", path, std::strerror(errno));
  std::string reason = run("dot", "-T" + format, in.get(), out.get(), errors.get());
  if (reason.empty() && !out.replace_target()) reason = fmt::format("'{}' cannot be written", path);
  return reason;
}

}  // namespace wengert::detail
