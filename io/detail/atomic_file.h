#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace wengert::detail {

/// Writes the parts, one after the other, as the file `path`: to a temporary file beside it that replaces it once all
/// of it is on the disk. Whatever fails or stops the process, `path` is the old file or the new one, whole. Throws
/// IoError that starts with `caller`; nothing is left behind then.
void write_file_atomically(const char* caller, const std::string& path,
                           const std::vector<std::span<const std::byte>>& parts);

}  // namespace wengert::detail
