#include "tests/onnx/protobuf.h"

#include <bit>
#include <cstddef>

#include <wengert/autograd/error.h>

namespace wengert::test::protobuf {

namespace {

constexpr std::uint64_t largest_field_number = (1U << 29) - 1;

/// Takes numbers from the front of some bytes.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }

  std::string_view take(std::uint64_t count) {
    check<IoError>(count <= rest_.size(), "protobuf: {} bytes wanted, but only {} follow; the message is cut short",
                   count, rest_.size());
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(count));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  /// Seven bits a byte, the lowest first; the eighth bit says that another byte follows.
  std::uint64_t varint() {
    std::uint64_t number = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1).front());
      check<IoError>(shift < 63 || byte <= 1, "protobuf: a varint has more than 64 bits");
      number |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80U) return number;
    }
  }

  /// Little-endian, of 4 or 8 bytes.
  std::uint64_t fixed(std::size_t size) {
    std::uint64_t number = 0;
    const std::string_view bytes = take(size);
    for (std::size_t i = 0; i < size; ++i) {
      number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    return number;
  }

 private:
  std::string_view rest_;
};

float single_of(std::uint64_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); }
double double_of(std::uint64_t bits) { return std::bit_cast<double>(bits); }
std::int64_t integer_of(std::uint64_t bits) { return static_cast<std::int64_t>(bits); }

void expect(const Field& field, WireType type) {
  check<IoError>(field.type == type, "protobuf: field {} has wire type {}, expected {}", field.number,
                 static_cast<int>(field.type), static_cast<int>(type));
}

/// `take` reads one number from a packed row; `convert` turns its bits into a T.
template <class T, class Take, class Convert>
void append(const Field& field, WireType type, std::vector<T>& numbers, Take take, Convert convert) {
  if (field.type != WireType::bytes) {
    expect(field, type);
    numbers.push_back(convert(field.bits));
    return;
  }
  Cursor cursor(field.bytes);
  while (!cursor.at_end()) numbers.push_back(convert(take(cursor)));
}

}  // namespace

std::int64_t Field::integer() const {
  expect(*this, WireType::varint);
  return integer_of(bits);
}

float Field::single() const {
  expect(*this, WireType::fixed32);
  return single_of(bits);
}

std::string_view Field::text() const {
  expect(*this, WireType::bytes);
  return bytes;
}

std::vector<Field> fields_of(std::string_view message) {
  std::vector<Field> fields;
  Cursor cursor(message);
  while (!cursor.at_end()) {
    const std::uint64_t key = cursor.varint();
    const std::uint64_t number = key >> 3;
    check<IoError>(number >= 1 && number <= largest_field_number, "protobuf: field number {} is not from 1 to {}",
                   number, largest_field_number);
    Field field{.number = static_cast<std::uint32_t>(number), .type = static_cast<WireType>(key & 7)};
    switch (field.type) {
      case WireType::varint: field.bits = cursor.varint(); break;
      case WireType::fixed64: field.bits = cursor.fixed(8); break;
      case WireType::bytes: field.bytes = cursor.take(cursor.varint()); break;
      case WireType::fixed32: field.bits = cursor.fixed(4); break;
      default: fail<IoError>("protobuf: field {} has wire type {}, which is not read", number, key & 7);
    }
    fields.push_back(field);
  }
  return fields;
}

void append_integers(const Field& field, std::vector<std::int64_t>& numbers) {
  append(
      field, WireType::varint, numbers, [](Cursor& cursor) { return cursor.varint(); }, integer_of);
}

void append_singles(const Field& field, std::vector<float>& numbers) {
  append(
      field, WireType::fixed32, numbers, [](Cursor& cursor) { return cursor.fixed(4); }, single_of);
}

void append_doubles(const Field& field, std::vector<double>& numbers) {
  append(
      field, WireType::fixed64, numbers, [](Cursor& cursor) { return cursor.fixed(8); }, double_of);
}

}  // namespace wengert::test::protobuf
