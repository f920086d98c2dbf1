#pragma once

#include <array>
#include <utility>

#include <wengert/autograd/ops.h>

#include "nn/detail/describe.h"

namespace wengert::nn::detail {

/// The sizes of an image's axes as an array, so that one function serves any number of axes.
inline std::array<std::int64_t, 1> sizes_of(std::int64_t size) { return {size}; }
inline std::array<std::int64_t, 2> sizes_of(Size2d size) { return {size.rows, size.columns}; }
inline std::array<std::int64_t, 3> sizes_of(Size3d size) { return {size.depth, size.rows, size.columns}; }

template <class Size>
constexpr int axes_of = static_cast<int>(decltype(sizes_of(std::declval<Size>())){}.size());

/// Throws Error that names layer and argument unless every number is at least 1.
template <class Size>
void check_positive(std::string_view layer, const char* what, Size size) {
  for (const std::int64_t number : sizes_of(size)) {
    check<Error>(number > 0, "{}: {} must be at least 1, got {}", layer, what, describe(size));
  }
}

}  // namespace wengert::nn::detail
