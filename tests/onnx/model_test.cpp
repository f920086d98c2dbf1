#include "tests/onnx/model.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/expect.h"

namespace wengert::test::onnx {
namespace {

using namespace std::string_literals;

// Messages by hand: a field is its key, (number << 3) + wire type, and what it holds.

std::string varint_field(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};  // both below 128
}

std::string bytes_field(int number, const std::string& bytes) {
  std::string message{static_cast<char>((number << 3) + 2)};
  std::size_t length = bytes.size();
  for (; length >= 128; length /= 128) message += static_cast<char>(length % 128 + 128);
  return message + static_cast<char>(length) + bytes;
}

std::string tensor_message(ElementType type, const std::vector<int>& dims, const std::string& numbers) {
  std::string message;
  for (const int dim : dims) message += varint_field(1, dim);
  return message + varint_field(2, static_cast<int>(type)) + numbers;
}

Tensor read(ElementType type, const std::vector<int>& dims, const std::string& numbers) {
  return parse_tensor(tensor_message(type, dims, numbers)).tensor();
}

void expect_numbers(const Tensor& tensor, DType dtype, const Shape& shape, const std::vector<double>& numbers) {
  EXPECT_EQ(tensor.dtype(), dtype);
  EXPECT_EQ(tensor.shape(), shape);
  EXPECT_EQ(values_of(tensor), numbers);
}

TEST(OnnxModel, ReadsRawNumbersOfEachType) {
  const auto raw = [](const std::string& bytes) { return bytes_field(9, bytes); };
  expect_numbers(read(ElementType::float32, {2}, raw("\x00\x00\x80\x3f\x00\x00\x00\xc0"s)), float32, {2}, {1, -2});
  expect_numbers(read(ElementType::float64, {}, raw("\x00\x00\x00\x00\x00\x00\xf0\x3f"s)), float64, {}, {1});
  expect_numbers(read(ElementType::uint8, {2, 1}, raw("\xff\x01"s)), int64, {2, 1}, {255, 1});
  expect_numbers(read(ElementType::boolean, {2}, raw("\x00\x01"s)), int64, {2}, {0, 1});
  expect_numbers(read(ElementType::int8, {1}, raw("\xff"s)), int64, {1}, {-1});
  expect_numbers(read(ElementType::uint16, {1}, raw("\xff\xff"s)), int64, {1}, {65535});
  expect_numbers(read(ElementType::int16, {1}, raw("\xff\xff"s)), int64, {1}, {-1});
  expect_numbers(read(ElementType::uint32, {1}, raw("\xff\xff\xff\xff"s)), int64, {1}, {4294967295});
  expect_numbers(read(ElementType::int32, {1}, raw("\xfe\xff\xff\xff"s)), int64, {1}, {-2});
  expect_numbers(read(ElementType::int64, {1}, raw("\xfd\xff\xff\xff\xff\xff\xff\xff"s)), int64, {1}, {-3});
  expect_numbers(read(ElementType::uint64, {1}, raw("\x07\x00\x00\x00\x00\x00\x00\x00"s)), int64, {1}, {7});
}

TEST(OnnxModel, ReadsTypedNumbers) {
  expect_numbers(read(ElementType::float32, {2}, bytes_field(4, "\x00\x00\x80\x3f\x00\x00\x00\xc0"s)), float32, {2},
                 {1, -2});
  expect_numbers(read(ElementType::float64, {1}, bytes_field(10, "\x00\x00\x00\x00\x00\x00\xf0\x3f"s)), float64, {1},
                 {1});
  expect_numbers(read(ElementType::boolean, {3}, bytes_field(5, "\x01\x00\x01"s)), int64, {3}, {1, 0, 1});
  expect_numbers(read(ElementType::int64, {2}, varint_field(7, 3) + varint_field(7, 4)), int64, {2}, {3, 4});
  expect_numbers(read(ElementType::uint64, {1}, bytes_field(11, "\x05"s)), int64, {1}, {5});
}

TEST(OnnxModel, ReadsEmptyTensors) { expect_numbers(read(ElementType::float32, {2, 0}, ""), float32, {2, 0}, {}); }

TEST(OnnxModel, RejectsNumbersThatAreNotAsManyAsTheShapeSays) {
  expect_error<IoError>([] { read(ElementType::float32, {2}, bytes_field(9, "\x00\x00\x80\x3f"s)); },
                        "of shape [2] has 1 numbers");
  expect_error<IoError>([] { read(ElementType::float32, {1}, bytes_field(9, "\x00\x00\x80"s)); }, "no multiple of 4");
  expect_error<IoError>([] { read(ElementType::int64, {3}, varint_field(7, 3)); }, "of shape [3] has 1 numbers");
  expect_error<IoError>([] { read(static_cast<ElementType>(99), {1}, ""); }, "no element type 99");
}

TEST(OnnxModel, SaysWhichTypesHaveNoDtype) {
  for (const ElementType type : {ElementType::float16, ElementType::bfloat16}) {
    expect_error<Unsupported>([&] { read(type, {1}, bytes_field(9, "\x00\x00"s)); }, "floats of 16 bits");
  }
  expect_error<Unsupported>([] { read(ElementType::string, {1}, bytes_field(6, "text")); }, "text");
  expect_error<Unsupported>([] { read(ElementType::complex64, {0}, ""); }, "complex");
  const std::string beyond = "\xff\xff\xff\xff\xff\xff\xff\xff"s;
  expect_error<Unsupported>([&] { read(ElementType::uint64, {1}, bytes_field(9, beyond)); }, "beyond int64");
  expect_error<Unsupported>(
      [&] { read(ElementType::uint64, {1}, bytes_field(11, beyond + beyond.substr(7) + "\x01"s)); }, "beyond int64");
}

std::string attribute_messages() {
  return bytes_field(5, bytes_field(1, "alpha") + "\x15\x00\x00\x00\x3f"s) +     // 0.5f
         bytes_field(5, bytes_field(1, "axis") + varint_field(3, 2)) +           //
         bytes_field(5, bytes_field(1, "mode") + bytes_field(4, "same")) +       //
         bytes_field(5, bytes_field(1, "pads") + bytes_field(8, "\x01\x02"s)) +  //
         bytes_field(5, bytes_field(1, "xs") + bytes_field(9, "p") + bytes_field(9, "q"));
}

/// A graph with one node, an initializer `w`, and inputs and outputs of a type.
std::string graph_message(const std::string& type) {
  const std::string node =
      bytes_field(1, "x") + bytes_field(1, "") + bytes_field(1, "w") + bytes_field(2, "y") + bytes_field(4, "Op");
  const std::string initializer = tensor_message(ElementType::int64, {}, varint_field(7, 3)) + bytes_field(8, "w");
  return bytes_field(1, node + attribute_messages()) + bytes_field(5, initializer) +
         bytes_field(11, bytes_field(1, "x") + type) + bytes_field(11, bytes_field(1, "w") + type) +
         bytes_field(12, bytes_field(1, "y") + type);
}

std::string model_message(const std::string& type) {
  return bytes_field(7, graph_message(type)) + bytes_field(8, bytes_field(1, "com.example") + varint_field(2, 99)) +
         bytes_field(8, varint_field(2, 13));
}

const std::string tensor_type = bytes_field(2, bytes_field(1, varint_field(1, 1)));
const std::string sequence_type = bytes_field(2, bytes_field(4, ""));

TEST(OnnxModel, ReadsAGraph) {
  const Model model = parse_model(model_message(tensor_type));
  EXPECT_EQ(model.opset, 13);
  EXPECT_EQ(model.inputs, std::vector<std::string>{"x"}) << "an initializer is no input";
  EXPECT_EQ(model.outputs, std::vector<std::string>{"y"});
  EXPECT_TRUE(model.tensors_only);
  EXPECT_EQ(model.types, std::vector<ElementType>(3, ElementType::float32));
  ASSERT_EQ(model.initializers.size(), 1U);
  EXPECT_EQ(model.initializers[0].name, "w");
  EXPECT_EQ(model.initializers[0].tensor().item<int>(), 3);
  ASSERT_EQ(model.nodes.size(), 1U);
  EXPECT_EQ(model.nodes[0].op, "Op");
  EXPECT_EQ(model.nodes[0].inputs, (std::vector<std::string>{"x", "", "w"}));
  EXPECT_EQ(model.nodes[0].outputs, std::vector<std::string>{"y"});
  const auto& read = model.nodes[0].attributes;
  EXPECT_EQ(read.size(), 5U);
  EXPECT_EQ(read.at("alpha").real, 0.5);
  EXPECT_EQ(read.at("axis").integer, 2);
  EXPECT_EQ(read.at("mode").text, "same");
  EXPECT_EQ(read.at("pads").integers, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(read.at("xs").texts, (std::vector<std::string>{"p", "q"}));

  EXPECT_FALSE(parse_model(model_message(sequence_type)).tensors_only);
}

TEST(OnnxModel, RejectsAModelThatIsCutShort) {
  const std::string message = bytes_field(7, bytes_field(1, bytes_field(4, "Op")));
  EXPECT_EQ(parse_model(message).nodes.size(), 1U);
  for (std::size_t length = 1; length < message.size(); ++length) {
    expect_error<IoError>([&] { parse_model(std::string_view(message).substr(0, length)); }, "cut short");
  }
}

TEST(OnnxModel, AnyWrongByteIsReadOrRejected) {
  const std::string message = model_message(tensor_type);
  int rejected = 0;
  for (std::size_t i = 0; i < message.size(); ++i) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string wrong = message;
      wrong[i] = static_cast<char>(byte);
      try {
        for (const TensorData& data : parse_model(wrong).initializers) data.tensor();
      } catch (const Error&) {
        ++rejected;
      } catch (const Unsupported&) {
        ++rejected;
      }
    }
  }
  EXPECT_GT(rejected, 1000);
}

}  // namespace
}  // namespace wengert::test::onnx
