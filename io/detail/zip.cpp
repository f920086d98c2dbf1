// PKWARE's .ZIP File Format Specification 6.3, as much of it as NumPy's archives use: files that are stored or
// deflated, with 64-bit sizes where NumPy writes them. Deflate and the checksum are zlib's. A library for zip archives
// would be one more dependency for these two functions.
#include "io/detail/zip.h"

#include <wengert/autograd/error.h>

#ifdef WENGERT_HAVE_ZLIB

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include <zlib.h>

#include "io/detail/atomic_file.h"
#include "io/detail/read_file.h"

namespace wengert::detail {
namespace {

constexpr std::uint32_t local_signature = 0x04034b50;
constexpr std::uint32_t central_signature = 0x02014b50;
constexpr std::uint32_t end_signature = 0x06054b50;
constexpr std::uint32_t end64_signature = 0x06064b50;
constexpr std::uint32_t end64_locator_signature = 0x07064b50;
constexpr std::uint64_t largest = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint16_t in_utf8 = 1 << 11;
constexpr std::uint16_t january_1980 = (1 << 5) | 1;  // the first day that the format knows: files do not tell the time

void put16(std::string& out, std::uint64_t value) {
  out += static_cast<char>(value & 0xff);
  out += static_cast<char>(value >> 8 & 0xff);
}
void put32(std::string& out, std::uint64_t value) {
  put16(out, value & 0xffff);
  put16(out, value >> 16);
}

/// What the local and the central header of a file have in common.
std::string common_header(std::uint64_t checksum, std::uint64_t size, std::size_t name_length) {
  std::string header;
  put16(header, 20);  // version 2.0 suffices to read it
  put16(header, in_utf8);
  put16(header, 0);  // stored
  put16(header, 0);
  put16(header, january_1980);
  put32(header, checksum);
  put32(header, size);
  put32(header, size);
  put16(header, name_length);
  put16(header, 0);  // no extra fields
  return header;
}

class ZipReader {
 public:
  ZipReader(const char* caller, const std::string& path, std::string_view bytes)
      : caller_(caller), path_(path), bytes_(bytes) {}

  std::vector<std::pair<std::string, std::string>> read() const {
    const auto [count, directory] = find_directory();
    std::vector<std::pair<std::string, std::string>> files;
    std::uint64_t at = directory;
    for (std::uint64_t i = 0; i < count; ++i) {
      require(number(at, 4) == central_signature, "its directory is damaged");
      const std::uint64_t name_length = number(at + 28, 2);
      const std::uint64_t extra_length = number(at + 30, 2);
      const std::uint64_t comment_length = number(at + 32, 2);
      const std::string name(part(at + 46, name_length));
      if (!name.ends_with('/')) files.emplace_back(name, content(at, name));
      at += 46 + name_length + extra_length + comment_length;
    }
    return files;
  }

 private:
  struct Directory {
    std::uint64_t count;
    std::uint64_t begin;
  };

  void require(bool holds, std::string_view problem) const {
    check<IoError>(holds, "{}: cannot read '{}': {}", caller_, path_, problem);
  }

  std::string_view part(std::uint64_t at, std::uint64_t length) const {
    require(at <= bytes_.size() && length <= bytes_.size() - at, "it is cut short or damaged");
    return bytes_.substr(at, length);
  }

  std::uint64_t number(std::uint64_t at, std::uint64_t length) const {
    std::uint64_t value = 0;
    const std::string_view bytes = part(at, length);
    for (std::size_t i = 0; i < length; ++i) value |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
    return value;
  }

  /// The end of the directory is the last record but for a comment of up to 65535 bytes.
  Directory find_directory() const {
    constexpr std::uint64_t length = 22;
    require(bytes_.size() >= length, "it is no zip archive");
    const std::uint64_t last = bytes_.size() - length;
    const std::uint64_t first = last - std::min<std::uint64_t>(last, 65535);
    for (std::uint64_t at = last + 1; at-- > first;) {
      if (number(at, 4) != end_signature || number(at + 20, 2) != bytes_.size() - at - length) continue;
      if (at >= 20 && number(at - 20, 4) == end64_locator_signature) {
        const std::uint64_t end = number(at - 20 + 8, 8);
        require(number(end, 4) == end64_signature, "its directory is damaged");
        return {number(end + 32, 8), number(end + 48, 8)};
      }
      return {number(at + 10, 2), number(at + 16, 4)};
    }
    require(false, "it is no zip archive, or it is cut short");
    return {};
  }

  std::string content(std::uint64_t entry, const std::string& name) const {
    const std::uint64_t flags = number(entry + 8, 2);
    const std::uint64_t method = number(entry + 10, 2);
    const std::uint64_t checksum = number(entry + 16, 4);
    std::uint64_t packed = number(entry + 20, 4);
    std::uint64_t size = number(entry + 24, 4);
    std::uint64_t offset = number(entry + 42, 4);
    read_extra(entry, size, packed, offset);
    check<IoError>((flags & 1) == 0, "{}: cannot read '{}': {} is encrypted", caller_, path_, name);
    check<IoError>(method == 0 || method == 8, "{}: cannot read '{}': {} is compressed by method {}", caller_, path_,
                   name, method);
    require(number(offset, 4) == local_signature, "its directory is damaged");
    const std::string_view stored = part(offset + 30 + number(offset + 26, 2) + number(offset + 28, 2), packed);
    std::string bytes = method == 0 ? std::string(stored) : inflated(stored, size);
    check<IoError>(
        bytes.size() == size && crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()) == checksum,
        "{}: cannot read '{}': {} is damaged", caller_, path_, name);
    return bytes;
  }

  /// Where a number does not fit into 32 bits, it stands in a field of its own.
  void read_extra(std::uint64_t entry, std::uint64_t& size, std::uint64_t& packed, std::uint64_t& offset) const {
    std::uint64_t at = entry + 46 + number(entry + 28, 2);
    const std::uint64_t end = at + number(entry + 30, 2);
    while (at + 4 <= end) {
      const std::uint64_t next = at + 4 + number(at + 2, 2);
      if (number(at, 2) == 1) {
        std::uint64_t field = at + 4;
        for (std::uint64_t* value : {&size, &packed, &offset}) {
          if (*value != largest) continue;
          require(field + 8 <= next, "its directory is damaged");
          *value = number(field, 8);
          field += 8;
        }
      }
      at = next;
    }
  }

  std::string inflated(std::string_view packed, std::uint64_t size) const {
    // Deflate makes its input at most 1032 times as long: a directory that promises more is damaged, and no reason to
    // take that much memory.
    require(size <= (packed.size() + 1) * 1032 && packed.size() <= largest && size <= largest, "it is damaged");
    std::string bytes(size, '\0');
    z_stream stream{};
    require(inflateInit2(&stream, -MAX_WBITS) == Z_OK, "zlib has no memory");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(bytes.data());
    stream.avail_out = static_cast<uInt>(size);
    const int state = inflate(&stream, Z_FINISH);
    const bool whole = state == Z_STREAM_END && stream.avail_out == 0;
    inflateEnd(&stream);
    require(whole, "it is damaged");
    return bytes;
  }

  const char* caller_;
  const std::string& path_;
  std::string_view bytes_;
};

}  // namespace

void write_zip(const char* caller, const std::string& path, const std::vector<ZipMember>& members) {
  std::vector<std::string> headers(members.size());
  std::vector<std::span<const std::byte>> parts;
  std::string directory;
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const auto& [name, content] = members[i];
    std::uint64_t size = 0;
    uLong checksum = 0;
    for (const std::span<const std::byte> bytes : content) {
      size += bytes.size();
      checksum = crc32_z(checksum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
    }
    check<IoError>(name.size() <= 65535, "{}: '{}' cannot be written: a name has {} bytes", caller, path, name.size());
    const std::string common = common_header(checksum, size, name.size());
    std::string& header = headers[i];
    put32(header, local_signature);
    header += common + name;
    put32(directory, central_signature);
    put16(directory, 20);
    directory += common;
    put16(directory, 0);  // no comment
    put16(directory, 0);  // first disk
    put16(directory, 0);
    put32(directory, 0);
    put32(directory, offset);
    directory += name;

    parts.push_back(std::as_bytes(std::span(header)));
    parts.insert(parts.end(), content.begin(), content.end());
    offset += header.size() + size;
    check<IoError>(offset + directory.size() < largest && i < 65535,
                   "{}: '{}' cannot be written: this archive is for less than 4 GiB and 65536 tensors; "
                   "save_safetensors has no such limit",
                   caller, path);
  }
  std::string end;
  put32(end, end_signature);
  put32(end, 0);  // disks
  put16(end, members.size());
  put16(end, members.size());
  put32(end, directory.size());
  put32(end, offset);
  put16(end, 0);  // no comment
  parts.push_back(std::as_bytes(std::span(directory)));
  parts.push_back(std::as_bytes(std::span(end)));
  write_file_atomically(caller, path, parts);
}

std::vector<std::pair<std::string, std::string>> read_zip(const char* caller, const std::string& path) {
  const std::string bytes = read_file(caller, path);
  return ZipReader(caller, path, bytes).read();
}

bool zip_available() noexcept { return true; }

}  // namespace wengert::detail

#else

namespace wengert::detail {
namespace {

[[noreturn]] void fail_without_zlib(const char* caller, const std::string& path) {
  fail<IoError>(
      "{}: '{}' needs zlib, and this library was built without it; install zlib (Debian: zlib1g-dev) and "
      "build again",
      caller, path);
}

}  // namespace

void write_zip(const char* caller, const std::string& path, const std::vector<ZipMember>&) {
  fail_without_zlib(caller, path);
}

std::vector<std::pair<std::string, std::string>> read_zip(const char* caller, const std::string& path) {
  fail_without_zlib(caller, path);
}

bool zip_available() noexcept { return false; }

}  // namespace wengert::detail

#endif
