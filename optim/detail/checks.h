#pragma once

#include <cmath>

#include <wengert/autograd/error.h>

namespace wengert::optim::detail {

/// Throws Error unless the option is a finite number >= 0.
inline void check_not_negative(const char* rule, const char* option, double value) {
  check<Error>(value >= 0 && std::isfinite(value), "{}: {} must be finite and not negative, got {}", rule, option,
               value);
}

/// Throws Error unless 0 <= value < 1.
inline void check_fraction(const char* rule, const char* option, double value) {
  check<Error>(value >= 0 && value < 1, "{}: {} must be at least 0 and below 1, got {}", rule, option, value);
}

}  // namespace wengert::optim::detail
