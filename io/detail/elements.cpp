#include "io/detail/elements.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

namespace wengert::detail {
namespace {

template <class Stored, class T>
void read_as(std::string_view bytes, bool swap, std::span<T> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::array<char, sizeof(Stored)> raw;
    std::memcpy(raw.data(), bytes.data() + i * sizeof(Stored), sizeof(Stored));
    if (swap) std::ranges::reverse(raw);
    out[i] = static_cast<T>(std::bit_cast<Stored>(raw));
  }
}

}  // namespace

bool is_readable(const ElementFormat& format) noexcept {
  const auto& [kind, size, big_endian] = format;
  switch (kind) {
    case 'f': return size == 4 || size == 8;
    case 'i': return size == 1 || size == 2 || size == 4 || size == 8;
    case 'u': return size == 1 || size == 2 || size == 4;
    case 'b': return size == 1;
    default: return false;
  }
}

Tensor read_elements(std::string_view bytes, const ElementFormat& format, const Shape& shape) {
  const bool swap = format.big_endian != (std::endian::native == std::endian::big);
  const DType dtype = format.kind != 'f' ? int64 : format.size == 4 ? float32 : float64;
  const Tensor result = Access::allocate(shape, dtype);
  const auto count = static_cast<std::size_t>(shape.numel());
  if (format.kind == 'f') {
    if (format.size == 4) read_as<float>(bytes, swap, std::span(Access::mutable_data<float>(result), count));
    if (format.size == 8) read_as<double>(bytes, swap, std::span(Access::mutable_data<double>(result), count));
    return result;
  }
  const std::span out(Access::mutable_data<std::int64_t>(result), count);
  const bool is_signed = format.kind == 'i';
  switch (format.size) {
    case 1: is_signed ? read_as<std::int8_t>(bytes, swap, out) : read_as<std::uint8_t>(bytes, swap, out); break;
    case 2: is_signed ? read_as<std::int16_t>(bytes, swap, out) : read_as<std::uint16_t>(bytes, swap, out); break;
    case 4: is_signed ? read_as<std::int32_t>(bytes, swap, out) : read_as<std::uint32_t>(bytes, swap, out); break;
    default: read_as<std::int64_t>(bytes, swap, out); break;
  }
  return result;
}

}  // namespace wengert::detail
