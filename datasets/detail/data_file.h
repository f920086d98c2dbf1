#pragma once

#include <string>

/// \file
/// Private: where data files are, and what is in them.

namespace wengert::datasets::detail {

/// `path` if it is not empty, else the first that exists of `file` in $WENGERT_DATA, in the installed data and in the
/// source tree. Throws IoError that starts with `dataset` and lists the folders where it is not.
std::string find_data_file(const char* dataset, const std::string& path, const std::string& file);

/// The bytes of a file; a gzip file's are decompressed. Throws IoError that starts with `dataset` and names the path if
/// it is missing or unreadable, its compressed data are damaged or cut short, or it would need zlib, and that is
/// missing.
std::string read_data_file(const char* dataset, const std::string& path);

}  // namespace wengert::datasets::detail
