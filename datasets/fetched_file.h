#pragma once

#include <string>

namespace wengert::datasets {

/// Where `tools/fetch-data` puts a file, such as "photograph/china.jpg", for programs that read it themselves: in
/// $WENGERT_DATA, or else in wengert/ of $XDG_CACHE_HOME or of ~/.cache. It need not be there.
std::string fetched_file(const std::string& name);

}  // namespace wengert::datasets
