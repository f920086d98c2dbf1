#include "io/detail/read_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <system_error>
#include <vector>

#ifdef WENGERT_HAVE_ZLIB
#include <zlib.h>
#endif

#include <wengert/autograd/error.h>

namespace wengert::detail {
namespace {

void check_readable(const char* caller, const std::string& path) {
  std::error_code error;
  check<IoError>(!std::filesystem::is_directory(path, error), "{}: cannot read '{}': it is a directory", caller, path);
  errno = 0;
  const std::ifstream file(path, std::ios::binary);
  check<IoError>(file.is_open(), "{}: cannot open '{}': {}", caller, path, std::strerror(errno));
}

#ifdef WENGERT_HAVE_ZLIB

std::string read_bytes(const char* caller, const std::string& path) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  check<IoError>(file != nullptr, "{}: cannot open '{}': {}", caller, path, std::strerror(errno));
  std::string bytes;
  std::vector<char> buffer(1 << 16);
  for (;;) {
    const int count = gzread(file.get(), buffer.data(), static_cast<unsigned>(buffer.size()));
    if (count > 0) bytes.append(buffer.data(), static_cast<std::size_t>(count));
    if (count == static_cast<int>(buffer.size())) continue;
    // Fewer bytes than asked for: the end, or an error; a file that is cut short may only be known by its state.
    int state = Z_OK;
    const char* problem = gzerror(file.get(), &state);
    check<IoError>(state != Z_BUF_ERROR, "{}: '{}' is cut short: the compressed data end after {} bytes of content",
                   caller, path, bytes.size());
    check<IoError>(state == Z_OK || state == Z_STREAM_END, "{}: cannot read '{}': {}", caller, path,
                   state == Z_ERRNO ? std::strerror(errno) : problem);
    if (count <= 0) return bytes;
  }
}

#else

std::string read_bytes(const char* caller, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  check<IoError>(!file.bad(), "{}: cannot read '{}'", caller, path);
  check<IoError>(!bytes.starts_with("\x1f\x8b"),
                 "{}: '{}' is compressed, and this library was built without zlib; install zlib (Debian: zlib1g-dev) "
                 "and build again, or decompress the file and name it",
                 caller, path);
  return bytes;
}

#endif

}  // namespace

std::string read_file(const char* caller, const std::string& path) {
  check_readable(caller, path);
  return read_bytes(caller, path);
}

}  // namespace wengert::detail
