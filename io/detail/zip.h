#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace wengert::detail {

/// A file in an archive; its content is the parts, one after the other.
struct ZipMember {
  std::string name;
  std::vector<std::span<const std::byte>> parts;
};

/// Writes a zip archive of stored (not compressed) files; the file appears whole or not at all. Throws IoError that
/// starts with `caller` if it cannot be written, or is larger than 4 GiB, or without zlib.
void write_zip(const char* caller, const std::string& path, const std::vector<ZipMember>& members);

/// Names and contents of the files in an archive, stored or deflated, in the order of its directory. Throws IoError
/// that starts with `caller` and names the archive and what is wrong with it.
std::vector<std::pair<std::string, std::string>> read_zip(const char* caller, const std::string& path);

bool zip_available() noexcept;

}  // namespace wengert::detail
