#include "tests/onnx/model.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include <wengert/autograd/error.h>
#include <wengert/autograd/shape.h>

#include "tests/onnx/protobuf.h"

namespace wengert::test::onnx {

namespace {

using protobuf::Field;
using protobuf::fields_of;

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

// Numbers of the fields in onnx.proto3, message by message.
namespace model_field {
constexpr std::uint32_t graph = 7, opset_import = 8;
}
namespace opset_field {
constexpr std::uint32_t domain = 1, version = 2;
}
namespace graph_field {
constexpr std::uint32_t node = 1, initializer = 5, input = 11, output = 12;
}
namespace value_field {
constexpr std::uint32_t name = 1, type = 2;
}
namespace type_field {
constexpr std::uint32_t tensor = 1, element = 1;  // the latter of the message that the former is
}
namespace node_field {
constexpr std::uint32_t input = 1, output = 2, op_type = 4, attribute = 5;
}
namespace attribute_field {
constexpr std::uint32_t name = 1, f = 2, i = 3, s = 4, t = 5, floats = 7, ints = 8, strings = 9;
}
namespace tensor_field {
constexpr std::uint32_t dims = 1, data_type = 2, float_data = 4, int32_data = 5, int64_data = 7, name = 8, raw_data = 9,
                        double_data = 10, uint64_data = 11;
}

std::pair<std::string, Attribute> parse_attribute(std::string_view message) {
  std::string name;
  Attribute attribute;
  for (const Field& field : fields_of(message)) {
    switch (field.number) {
      case attribute_field::name: name = field.text(); break;
      case attribute_field::f: attribute.real = field.single(); break;
      case attribute_field::i: attribute.integer = field.integer(); break;
      case attribute_field::s: attribute.text = field.text(); break;
      case attribute_field::t: attribute.tensor = parse_tensor(field.text()); break;
      case attribute_field::floats: {
        std::vector<float> numbers;
        append_singles(field, numbers);
        attribute.reals.insert(attribute.reals.end(), numbers.begin(), numbers.end());
        break;
      }
      case attribute_field::ints: append_integers(field, attribute.integers); break;
      case attribute_field::strings: attribute.texts.emplace_back(field.text()); break;
      default: break;  // its documentation, its type; or a graph, which only operators have that nothing here evaluates
    }
  }
  return {name, attribute};
}

Node parse_node(std::string_view message) {
  Node node;
  for (const Field& field : fields_of(message)) {
    switch (field.number) {
      case node_field::input: node.inputs.emplace_back(field.text()); break;
      case node_field::output: node.outputs.emplace_back(field.text()); break;
      case node_field::op_type: node.op = field.text(); break;
      case node_field::attribute: node.attributes.insert(parse_attribute(field.text())); break;
      default: break;
    }
  }
  return node;
}

struct ValueInfo {
  std::string name = {};
  std::optional<ElementType> type = {};  // none unless it is a tensor
};

ValueInfo parse_value_info(std::string_view message) {
  ValueInfo info;
  for (const Field& field : fields_of(message)) {
    if (field.number == value_field::name) info.name = field.text();
    if (field.number != value_field::type) continue;
    for (const Field& type : fields_of(field.text())) {
      if (type.number != type_field::tensor) continue;
      for (const Field& part : fields_of(type.text())) {
        if (part.number == type_field::element) info.type = static_cast<ElementType>(part.integer());
      }
    }
  }
  return info;
}

void parse_graph(std::string_view message, Model& model) {
  for (const Field& field : fields_of(message)) {
    switch (field.number) {
      case graph_field::node: model.nodes.push_back(parse_node(field.text())); break;
      case graph_field::initializer: model.initializers.push_back(parse_tensor(field.text())); break;
      case graph_field::input:
      case graph_field::output: {
        const ValueInfo info = parse_value_info(field.text());
        (field.number == graph_field::input ? model.inputs : model.outputs).push_back(info.name);
        model.tensors_only = model.tensors_only && info.type;
        if (info.type) model.types.push_back(*info.type);
        break;
      }
      default: break;
    }
  }
  // Old models list initializers among the inputs.
  std::erase_if(model.inputs, [&](const std::string& name) {
    return std::any_of(model.initializers.begin(), model.initializers.end(),
                       [&](const TensorData& data) { return data.name == name; });
  });
}

/// The version if the import is that of the standard operators.
std::int64_t parse_opset(std::string_view message) {
  std::string_view domain;
  std::int64_t version = 0;
  for (const Field& field : fields_of(message)) {
    if (field.number == opset_field::domain) domain = field.text();
    if (field.number == opset_field::version) version = field.integer();
  }
  return domain.empty() || domain == "ai.onnx" ? version : 0;
}

void check_count(const TensorData& data, std::int64_t count, const Shape& shape) {
  check<IoError>(count == shape.numel(), "onnx: tensor '{}' of shape {} has {} numbers", data.name, shape, count);
}

/// Numbers that the file holds as `Stored`s, as the T's of a tensor.
template <class Stored, class T>
Tensor from_raw(const TensorData& data, const Shape& shape) {
  const std::size_t count = data.raw.size() / sizeof(Stored);
  check<IoError>(data.raw.size() % sizeof(Stored) == 0, "onnx: tensor '{}' has {} bytes, no multiple of {}", data.name,
                 data.raw.size(), sizeof(Stored));
  check_count(data, static_cast<std::int64_t>(count), shape);
  std::vector<T> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, data.raw.data() + i * sizeof(Stored), sizeof(Stored));
    if constexpr (std::is_same_v<Stored, std::uint64_t>) {
      if (stored > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        throw Unsupported("numbers beyond int64");
      }
    }
    numbers[i] = static_cast<T>(stored);
  }
  return from_vector(numbers, shape);
}

template <class T, class Number>
Tensor from_numbers(const TensorData& data, const std::vector<Number>& numbers, const Shape& shape) {
  check_count(data, static_cast<std::int64_t>(numbers.size()), shape);
  return from_vector(std::vector<T>(numbers.begin(), numbers.end()), shape);
}

}  // namespace

DType dtype_of(ElementType type) {
  switch (type) {
    case ElementType::float32: return float32;
    case ElementType::float64: return float64;
    case ElementType::uint8:
    case ElementType::int8:
    case ElementType::uint16:
    case ElementType::int16:
    case ElementType::int32:
    case ElementType::int64:
    case ElementType::uint32:
    case ElementType::uint64:
    case ElementType::boolean: return int64;
    case ElementType::string: throw Unsupported("text is no tensor");
    case ElementType::float16:
    case ElementType::bfloat16: throw Unsupported("no floats of 16 bits");
    case ElementType::complex64:
    case ElementType::complex128: throw Unsupported("no complex numbers");
  }
  fail<IoError>("onnx: there is no element type {}", static_cast<std::int64_t>(type));
}

Tensor TensorData::tensor() const {
  const DType dtype = onnx::dtype_of(type);
  const Shape shape(dims);
  if (raw.empty()) {
    if (dtype == float32) return from_numbers<float>(*this, reals, shape);
    if (dtype == float64) return from_numbers<double>(*this, reals, shape);
    if (type == ElementType::uint64 && std::any_of(integers.begin(), integers.end(), [](auto n) { return n < 0; })) {
      throw Unsupported("numbers beyond int64");
    }
    return from_numbers<std::int64_t>(*this, integers, shape);
  }
  switch (type) {
    case ElementType::float32: return from_raw<float, float>(*this, shape);
    case ElementType::float64: return from_raw<double, double>(*this, shape);
    case ElementType::uint8:
    case ElementType::boolean: return from_raw<std::uint8_t, std::int64_t>(*this, shape);
    case ElementType::int8: return from_raw<std::int8_t, std::int64_t>(*this, shape);
    case ElementType::uint16: return from_raw<std::uint16_t, std::int64_t>(*this, shape);
    case ElementType::int16: return from_raw<std::int16_t, std::int64_t>(*this, shape);
    case ElementType::uint32: return from_raw<std::uint32_t, std::int64_t>(*this, shape);
    case ElementType::int32: return from_raw<std::int32_t, std::int64_t>(*this, shape);
    case ElementType::uint64: return from_raw<std::uint64_t, std::int64_t>(*this, shape);
    default: return from_raw<std::int64_t, std::int64_t>(*this, shape);
  }
}

TensorData parse_tensor(std::string_view message) {
  TensorData data;
  std::vector<float> singles;
  for (const Field& field : fields_of(message)) {
    switch (field.number) {
      case tensor_field::dims: append_integers(field, data.dims); break;
      case tensor_field::data_type: data.type = static_cast<ElementType>(field.integer()); break;
      case tensor_field::float_data: append_singles(field, singles); break;
      case tensor_field::int32_data:
      case tensor_field::int64_data:
      case tensor_field::uint64_data: append_integers(field, data.integers); break;
      case tensor_field::name: data.name = field.text(); break;
      case tensor_field::raw_data: data.raw = field.text(); break;
      case tensor_field::double_data: append_doubles(field, data.reals); break;
      default: break;
    }
  }
  data.reals.insert(data.reals.end(), singles.begin(), singles.end());
  return data;
}

Model parse_model(std::string_view message) {
  Model model;
  for (const Field& field : fields_of(message)) {
    if (field.number == model_field::graph) parse_graph(field.text(), model);
    if (field.number == model_field::opset_import) model.opset = std::max(model.opset, parse_opset(field.text()));
  }
  return model;
}

}  // namespace wengert::test::onnx
