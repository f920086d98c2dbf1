#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

namespace wengert {

/// |got - expected| in units of the last place of `expected` in T. Infinity counts as the power of two where it begins,
/// and zeros of different signs, or NaN and a number, are infinitely far apart.
template <class T, class Reference>
double ulps(T got, Reference expected) {
  using Limits = std::numeric_limits<T>;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (std::isnan(got) || std::isnan(expected)) return std::isnan(got) && std::isnan(expected) ? 0 : infinity;
  const Reference end = std::ldexp(Reference(1), Limits::max_exponent);
  const Reference e = std::abs(expected) > end ? std::copysign(end, expected) : expected;
  const Reference g = std::isinf(got) ? std::copysign(end, static_cast<Reference>(got)) : static_cast<Reference>(got);
  if (g == e) return std::signbit(g) == std::signbit(e) ? 0 : infinity;
  const int exponent = e == 0 ? Limits::min_exponent : std::max(std::ilogb(e) + 1, Limits::min_exponent);
  return static_cast<double>(std::ldexp(std::abs(g - e), Limits::digits - exponent));
}

}  // namespace wengert
