#pragma once

#include <string>

namespace wengert::detail {

/// Writes a file as a whole: a temporary one beside it takes its name. Throws IoError naming `caller`.
void write_text(const char* caller, const std::string& path, const std::string& text);

/// Has Graphviz draw `dot` into the file `path` in a format it knows ("svg"), as a whole. No shell is involved. Empty
/// if all went well, else the reason.
std::string draw_with_graphviz(const std::string& dot, const std::string& path, const std::string& format);

}  // namespace wengert::detail
