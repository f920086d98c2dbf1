#include "datasets/detail/data_file.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include <wengert/autograd/error.h>
#include <wengert/datasets/fetched_file.h>

namespace wengert::datasets {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Where data are fetched to: the first of these.
std::vector<std::string> fetch_folders() {
  std::vector<std::string> folders;
  if (const std::string data = variable("WENGERT_DATA"); !data.empty()) folders.push_back(data);
  if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty()) {
    folders.push_back(cache + "/wengert");
  } else if (const std::string home = variable("HOME"); !home.empty()) {
    folders.push_back(home + "/.cache/wengert");
  }
  return folders;
}

/// Where data may be, in the order in which they are looked for.
std::vector<std::string> data_folders() {
  std::vector<std::string> folders = fetch_folders();
  folders.emplace_back(WENGERT_DATASETS_INSTALL_DIR);
  folders.emplace_back(WENGERT_DATASETS_SOURCE_DIR);
  return folders;
}

}  // namespace

std::string fetched_file(const std::string& name) {
  const std::vector<std::string> folders = fetch_folders();
  return folders.empty() ? name : (std::filesystem::path(folders.front()) / name).string();
}

std::string detail::find_data_file(const char* dataset, const std::string& path, const std::string& file,
                                   const std::string& fetched_as) {
  if (!path.empty()) return path;
  std::string tried;
  for (const std::string& folder : data_folders()) {
    for (const char* ending : {"", ".gz"}) {
      const std::string candidate = (std::filesystem::path(folder) / (file + ending)).string();
      std::error_code error;
      if (std::filesystem::exists(candidate, error)) return candidate;
    }
    tried += (tried.empty() ? "'" : ", '") + folder + "'";
  }
  const std::string advice = fetched_as.empty() ? "name it in the option `file`, or its folder in $WENGERT_DATA"
                                                : "`tools/fetch-data " + fetched_as + "` fetches it";
  fail<IoError>("{}: no file {} in {}; {}", dataset, file, tried, advice);
}

}  // namespace wengert::datasets
