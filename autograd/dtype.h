#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iosfwd>

#include <fmt/core.h>

namespace wengert {

/// Element type of a tensor, known at run time.
enum class DType : std::uint8_t { float32, float64, int64 };

inline constexpr DType float32 = DType::float32;
inline constexpr DType float64 = DType::float64;
inline constexpr DType int64 = DType::int64;

/// C++ types that are a tensor's element type.
template <class T>
concept Element = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int64_t>;

/// The DType of a C++ type.
template <Element T>
inline constexpr DType dtype_of = std::same_as<T, float>    ? DType::float32
                                  : std::same_as<T, double> ? DType::float64
                                                            : DType::int64;

/// Bytes of one element.
constexpr std::size_t size_of(DType dtype) noexcept { return dtype == DType::float32 ? 4 : 8; }

constexpr bool is_floating(DType dtype) noexcept { return dtype != DType::int64; }

/// "float32", "float64" or "int64".
constexpr const char* name_of(DType dtype) noexcept {
  return dtype == DType::float32 ? "float32" : dtype == DType::float64 ? "float64" : "int64";
}
std::ostream& operator<<(std::ostream& out, DType dtype);

/// Calls `f.template operator()<T>()` with the C++ type of `dtype`.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32: return f.template operator()<float>();
    case DType::float64: return f.template operator()<double>();
    case DType::int64: break;
  }
  return f.template operator()<std::int64_t>();
}

/// Same for the floating types only: the caller has checked `is_floating(dtype)`.
template <class F>
decltype(auto) dispatch_floating(DType dtype, F&& f) {
  if (dtype == DType::float64) return f.template operator()<double>();
  return f.template operator()<float>();
}

}  // namespace wengert

template <>
struct fmt::formatter<wengert::DType> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(wengert::DType dtype, format_context& context) const -> format_context::iterator;
};
