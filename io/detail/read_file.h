#pragma once

#include <string>

namespace wengert::detail {

/// The bytes of a file; a gzip file's are decompressed. Throws IoError that starts with `caller` and names the path if
/// it is missing or unreadable, its compressed data are damaged or cut short, or it would need zlib, and that is
/// missing.
std::string read_file(const char* caller, const std::string& path);

}  // namespace wengert::detail
