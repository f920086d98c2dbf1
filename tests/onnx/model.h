#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <wengert/autograd/tensor.h>

/// \file
/// The little of ONNX's messages (onnx.proto3) that its operator tests need.

namespace wengert::test::onnx {

/// Thrown where a case asks for something that this library has not: an element type, an operator, an option. The text
/// is the reason for which the case is left out, and cases are grouped by it.
class Unsupported : public std::exception {
 public:
  explicit Unsupported(std::string reason) : reason_(std::move(reason)) {}
  const char* what() const noexcept override { return reason_.c_str(); }

 private:
  std::string reason_;
};

/// TensorProto.DataType.
enum class ElementType : std::int64_t {
  float32 = 1,
  uint8 = 2,
  int8 = 3,
  uint16 = 4,
  int16 = 5,
  int32 = 6,
  int64 = 7,
  string = 8,
  boolean = 9,
  float16 = 10,
  float64 = 11,
  uint32 = 12,
  uint64 = 13,
  complex64 = 14,
  complex128 = 15,
  bfloat16 = 16,
};

/// The dtype whose numbers stand for those of an ONNX type: int64 for all integers, and for truth values, as 0 and 1.
/// Throws Unsupported for text, complex numbers and floats of 16 bits.
DType dtype_of(ElementType type);

/// TensorProto. Its numbers are in one of the three places.
struct TensorData {
  std::string name = {};
  std::vector<std::int64_t> dims = {};
  ElementType type = {};
  std::string raw = {};                     // little-endian
  std::vector<double> reals = {};           // of float_data or double_data
  std::vector<std::int64_t> integers = {};  // of int32_data, int64_data or uint64_data

  /// Throws Unsupported as dtype_of, or for a number beyond int64; IoError unless there are as many numbers as the
  /// shape says.
  Tensor tensor() const;
};

/// AttributeProto: one of these.
struct Attribute {
  std::optional<double> real = {};
  std::optional<std::int64_t> integer = {};
  std::optional<std::string> text = {};
  std::optional<TensorData> tensor = {};
  std::vector<double> reals = {};
  std::vector<std::int64_t> integers = {};
  std::vector<std::string> texts = {};
};

/// NodeProto.
struct Node {
  std::string op = {};
  std::vector<std::string> inputs = {};   // "" for one that is left out
  std::vector<std::string> outputs = {};  // likewise
  std::map<std::string, Attribute> attributes = {};
};

/// ModelProto with its GraphProto.
struct Model {
  std::int64_t opset = 0;  // of the standard operators; 0 if the model has none of them
  std::vector<Node> nodes = {};
  std::vector<TensorData> initializers = {};
  std::vector<std::string> inputs = {};  // without those that an initializer gives a value
  std::vector<std::string> outputs = {};
  std::vector<ElementType> types = {};  // of inputs and outputs
  bool tensors_only = true;             // no input or output is a sequence, an optional value or a map
};

/// Throw IoError on a message that is malformed.
Model parse_model(std::string_view message);
TensorData parse_tensor(std::string_view message);

}  // namespace wengert::test::onnx
