#include "tests/onnx/protobuf.h"

#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "tests/expect.h"

namespace wengert::test::protobuf {
namespace {

using namespace std::string_literals;

TEST(Protobuf, ReadsEachWireType) {
  // 1: varint 150, 2: bytes "abc", 3: fixed32 of 1.5f, 4: fixed64, as in the description of the format.
  const std::string message =
      "\x08\x96\x01"
      "\x12\x03"
      "abc"
      "\x1d\x00\x00\xc0\x3f"
      "\x21\x01\x02\x03\x04\x05\x06\x07\x08"s;
  const auto fields = fields_of(message);
  ASSERT_EQ(fields.size(), 4U);
  EXPECT_EQ(fields[0].number, 1U);
  EXPECT_EQ(fields[0].integer(), 150);
  EXPECT_EQ(fields[1].number, 2U);
  EXPECT_EQ(fields[1].text(), "abc");
  EXPECT_EQ(fields[2].number, 3U);
  EXPECT_EQ(fields[2].single(), 1.5F);
  EXPECT_EQ(fields[3].number, 4U);
  EXPECT_EQ(fields[3].bits, 0x0807060504030201U);
}

TEST(Protobuf, AnEmptyMessageHasNoFields) { EXPECT_TRUE(fields_of("").empty()); }

TEST(Protobuf, KeepsTheOrderOfRepeatedFields) {
  const std::string message = "\x08\x02\x08\x01\x0a\x00"s;
  const auto fields = fields_of(message);
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[0].integer(), 2);
  EXPECT_EQ(fields[1].integer(), 1);
  EXPECT_EQ(fields[2].text(), "");
}

TEST(Protobuf, ReadsNegativeAndLargestIntegers) {
  const auto minus_one = fields_of("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s);
  EXPECT_EQ(minus_one.at(0).integer(), -1);
  const auto smallest = fields_of("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"s);
  EXPECT_EQ(smallest.at(0).integer(), std::numeric_limits<std::int64_t>::min());
}

TEST(Protobuf, ReadsLargeFieldNumbers) {
  EXPECT_EQ(fields_of("\xf8\xff\xff\xff\x0f\x07"s).at(0).number, (1U << 29) - 1);
}

TEST(Protobuf, ReadsRepeatedNumbersPackedOrNot) {
  std::vector<std::int64_t> integers;
  const std::string whole = "\x08\x03\x0a\x03\x01\x96\x01\x08\x04"s;
  for (const Field& field : fields_of(whole)) append_integers(field, integers);
  EXPECT_EQ(integers, (std::vector<std::int64_t>{3, 1, 150, 4}));

  std::vector<float> singles;
  const std::string single = "\x0d\x00\x00\x80\x3f\x0a\x08\x00\x00\x00\x40\x00\x00\x80\xbf"s;
  for (const Field& field : fields_of(single)) append_singles(field, singles);
  EXPECT_EQ(singles, (std::vector<float>{1, 2, -1}));

  std::vector<double> doubles;
  const std::string twice =
      "\x09\x00\x00\x00\x00\x00\x00\xf0\x3f"
      "\x0a\x08\x00\x00\x00\x00\x00\x00\xf0\x3f"s;
  for (const Field& field : fields_of(twice)) append_doubles(field, doubles);
  EXPECT_EQ(doubles, (std::vector<double>{1, 1}));
}

TEST(Protobuf, AnEmptyPackedFieldHasNoNumbers) {
  std::vector<std::int64_t> integers;
  append_integers(fields_of("\x0a\x00"s).at(0), integers);
  EXPECT_TRUE(integers.empty());
}

TEST(Protobuf, RejectsMessagesThatAreCutShortAnywhere) {
  const std::string message =
      "\x08\x96\x01"
      "\x12\x03"
      "abc"
      "\x1d\x00\x00\xc0\x3f"
      "\x21\x01\x02\x03\x04\x05\x06\x07\x08"s;
  int whole = 0;  // prefixes that end between two fields
  for (std::size_t length = 0; length < message.size(); ++length) {
    try {
      fields_of(std::string_view(message).substr(0, length));
      ++whole;
    } catch (const IoError& error) {
      EXPECT_NE(std::string(error.what()).find("cut short"), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(whole, 4);
}

TEST(Protobuf, RejectsLengthsBeyondTheMessage) {
  expect_error<IoError>(
      [] {
        fields_of(
            "\x0a\x05"
            "abc"s);
      },
      "5 bytes wanted, but only 3 follow");
  expect_error<IoError>([] { fields_of("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s); }, "cut short");
}

TEST(Protobuf, RejectsVarintsThatAreTooLong) {
  expect_error<IoError>([] { fields_of("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s); }, "more than 64 bits");
  expect_error<IoError>([] { fields_of("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s); }, "more than 64 bits");
}

TEST(Protobuf, RejectsFieldNumbersOutOfRangeAndGroups) {
  expect_error<IoError>([] { fields_of("\x00\x01"s); }, "field number 0");
  expect_error<IoError>([] { fields_of("\x80\x80\x80\x80\x10\x01"s); }, "field number 536870912");
  for (const std::string key : {"\x0b", "\x0c", "\x0e", "\x0f"}) {  // wire types 3, 4, 6 and 7
    expect_error<IoError>([&] { fields_of(key); }, "wire type");
  }
}

TEST(Protobuf, RejectsAFieldReadAsAnotherType) {
  const std::string message = "\x08\x01\x12\x01\x80\x1d\x00\x00\x00\x00"s;
  const auto fields = fields_of(message);
  expect_error<IoError>([&] { fields[0].text(); }, "field 1 has wire type 0, expected 2");
  expect_error<IoError>([&] { fields[0].single(); }, "field 1 has wire type 0, expected 5");
  expect_error<IoError>([&] { fields[1].integer(); }, "field 2 has wire type 2, expected 0");
  std::vector<std::int64_t> integers;
  expect_error<IoError>([&] { append_integers(fields[1], integers); }, "cut short");
  expect_error<IoError>([&] { append_integers(fields[2], integers); }, "field 3 has wire type 5, expected 0");
  std::vector<double> doubles;
  expect_error<IoError>([&] { append_doubles(fields[1], doubles); }, "cut short");
}

}  // namespace
}  // namespace wengert::test::protobuf
