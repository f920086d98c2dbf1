#pragma once

#include <string>

/// \file
/// Private: where data files are.

namespace wengert::datasets::detail {

/// `path` if it is not empty, else the first that exists of `file`, raw or with .gz after its name, in $WENGERT_DATA,
/// in the user's cache, in the installed data and in the source tree. Throws IoError that starts with `dataset`, lists
/// the folders where it is not and says that `tools/fetch-data fetched_as` fetches it, if it does.
std::string find_data_file(const char* dataset, const std::string& path, const std::string& file,
                           const std::string& fetched_as = {});

}  // namespace wengert::datasets::detail
