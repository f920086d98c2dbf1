#pragma once

#include <string>
#include <string_view>

#include <wengert/autograd/shape.h>

#include "io/detail/elements.h"

namespace wengert::detail {

/// An IDX file as it is, for those who keep its bytes.
struct IdxFile {
  std::string bytes;
  std::size_t begin = 0;  ///< of the elements
  Shape shape;
  ElementFormat format;

  std::string_view elements() const { return std::string_view(bytes).substr(begin); }
};

/// Throws as load_idx; messages start with `caller`.
IdxFile read_idx(const char* caller, const std::string& path);

}  // namespace wengert::detail
