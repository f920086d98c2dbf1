#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

/// \file
/// Protobuf's wire format (protobuf.dev/programming-guides/encoding), as far as a reader without a schema understands
/// it: a message is a row of numbered fields.

namespace wengert::test::protobuf {

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// One field of a message. What it stands for (a signed number, a string, a message, a packed row of numbers) is for
/// whoever knows the schema; each of the functions below throws IoError if the field cannot be that.
struct Field {
  std::uint32_t number = 0;
  WireType type = WireType::varint;
  std::uint64_t bits = 0;       ///< of a varint, fixed64 or fixed32
  std::string_view bytes = {};  ///< of bytes; points into the message

  std::int64_t integer() const;
  float single() const;
  std::string_view text() const;
};

/// The fields of a message in the order in which they were written. Throws IoError on a message that is cut short, a
/// varint of more than 64 bits, a field number out of range, or a group (a type of field that nobody writes any more).
std::vector<Field> fields_of(std::string_view message);

/// Appends the numbers of a repeated field, which a writer may pack into one field or not.
void append_integers(const Field& field, std::vector<std::int64_t>& numbers);
void append_singles(const Field& field, std::vector<float>& numbers);
void append_doubles(const Field& field, std::vector<double>& numbers);

}  // namespace wengert::test::protobuf
