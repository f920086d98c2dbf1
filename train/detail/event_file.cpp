#include "train/detail/event_file.h"

#include <array>
#include <bit>

namespace wengert::detail {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
    table[byte] = crc;
  }
  return table;
}();

/// So that the checksum of bytes that hold checksums stays one that tells something (record_writer.h).
std::uint32_t masked(std::uint32_t crc) { return std::rotr(crc, 15) + 0xa282ead8; }

template <class T>
std::string little_endian(T number) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(number >> (8 * i) & 0xff);
  return bytes;
}

enum class Wire : std::uint32_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

std::string varint(std::uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes += static_cast<char>((number & 0x7f) | 0x80);
  return bytes + static_cast<char>(number);
}

std::string key(std::uint32_t field, Wire wire) { return varint(field << 3 | static_cast<std::uint32_t>(wire)); }

std::string field(std::uint32_t number, std::string_view bytes) {
  return key(number, Wire::bytes) + varint(bytes.size()) + std::string(bytes);
}
std::string field(std::uint32_t number, double value) {
  return key(number, Wire::fixed64) + little_endian(std::bit_cast<std::uint64_t>(value));
}
std::string field(std::uint32_t number, float value) {
  return key(number, Wire::fixed32) + little_endian(std::bit_cast<std::uint32_t>(value));
}
std::string field(std::uint32_t number, std::int64_t value) {
  return key(number, Wire::varint) + varint(static_cast<std::uint64_t>(value));
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : bytes) crc = crc_table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ crc >> 8;
  return ~crc;
}

std::string tf_record(std::string_view data) {
  const std::string length = little_endian(std::uint64_t{data.size()});
  return length + little_endian(masked(crc32c(length))) + std::string(data) + little_endian(masked(crc32c(data)));
}

std::string version_event(double wall_time) {
  constexpr std::string_view version = "brain.Event:2";
  return field(1, wall_time) + field(3, version);
}

std::string scalar_event(double wall_time, std::int64_t step, std::string_view tag, double value) {
  const std::string point = field(1, tag) + field(2, static_cast<float>(value));
  const std::string summary = field(1, std::string_view(point));
  return field(1, wall_time) + field(2, step) + field(5, std::string_view(summary));
}

}  // namespace wengert::detail
