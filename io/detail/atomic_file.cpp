#include "io/detail/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <wengert/autograd/error.h>

namespace wengert::detail {

namespace {

/// A new file beside the one to be written; gone at the end of the scope unless it has been renamed.
class TemporaryFile {
 public:
  TemporaryFile(const char* caller, const std::string& target) : caller_(caller), target_(target) {
    struct ::stat old {};
    const bool exists = ::stat(target.c_str(), &old) == 0;
    check<IoError>(!exists || S_ISREG(old.st_mode), "{}: '{}' cannot be written: it is not a file", caller, target);
    static std::atomic<std::uint64_t> count{0};
    do {
      path_ = fmt::format("{}.{}-{}.tmp", target, ::getpid(), count++);
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && (errno == EEXIST || errno == EINTR));
    if (descriptor_ < 0) fail_with("created", std::exchange(path_, {}));
    if (exists) static_cast<void>(::fchmod(descriptor_, old.st_mode & 07777));  // who may read it stays as it was
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      constexpr std::size_t most = std::size_t{1} << 30;
      const ::ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), most));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail_with("written", path_);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  void replace_target() {
    if (::fsync(descriptor_) != 0) fail_with("written", path_);
    if (::close(std::exchange(descriptor_, -1)) != 0) fail_with("written", path_);
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail_with("replaced", target_);
    path_.clear();
    sync_folder();
  }

 private:
  [[noreturn]] void fail_with(const char* action, const std::string& file) const {
    const int error = errno;
    fail<IoError>("{}: '{}' cannot be written: '{}' could not be {}: {}", caller_, target_, file, action,
                  std::strerror(error));
  }

  /// So that the new name outlives a power cut. Not every file system can; the file itself is safe by now.
  void sync_folder() const {
    const std::size_t slash = target_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : target_.substr(0, slash + 1);
    if (const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); descriptor >= 0) {
      ::fsync(descriptor);
      ::close(descriptor);
    }
  }

  const char* caller_;
  const std::string& target_;
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace

void write_file_atomically(const char* caller, const std::string& path,
                           const std::vector<std::span<const std::byte>>& parts) {
  // Through a link, the file it leads to is written, not the link.
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  const std::string target = real ? real.get() : path;
  TemporaryFile file(caller, target);
  for (const std::span<const std::byte> part : parts) file.write(part);
  file.replace_target();
}

}  // namespace wengert::detail
