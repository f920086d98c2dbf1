#include <fmt/format.h>

#include <wengert/autograd/error.h>

namespace wengert {

void Error::prepend_module(std::string_view name, std::string_view type) {
  if (type_.empty()) type_ = type;
  if (!name.empty()) path_ = path_.empty() ? std::string(name) : fmt::format("{}.{}", name, path_);
  text_ = path_.empty() ? fmt::format("{}: {}", type_, message_) : fmt::format("{} ({}): {}", path_, type_, message_);
}

std::string detail::format_message(fmt::string_view format, fmt::format_args arguments) {
  return fmt::vformat(format, arguments);
}

}  // namespace wengert
