#pragma once

#include <cstdint>

#include <wengert/autograd/error.h>

namespace wengert::detail {

/// Throws unless `pad` can add so many elements before and after an axis.
inline void check_padding(int axis, std::int64_t before, std::int64_t after) {
  constexpr std::int64_t limit = std::int64_t{1} << 56;
  check(before >= 0 && after >= 0 && before < limit && after < limit,
        "pad: axis {} is given {} before and {} after; both must be >= 0 and such that the result fits in memory", axis,
        before, after);
}

}  // namespace wengert::detail
