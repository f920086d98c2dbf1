#include "tests/op_cases.h"

#include <stdexcept>

#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

// ---------------------------------------------------------------------------------------------------------------------
// Inputs.

/// FNV-1a, so that every row has numbers of its own, the same on every platform.
std::uint64_t seed_of(const std::string& text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

/// In [0, 1); the same on every platform.
double uniform(std::mt19937_64& engine) { return static_cast<double>(engine() >> 11) * 0x1p-53; }

Values random_values(const Input& input, std::int64_t count, std::mt19937_64& engine) {
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) {
    value = input.low + (input.high - input.low) * uniform(engine);
    if (input.kind == Input::Kind::condition) value = uniform(engine) < 0.5;
    if (input.kind == Input::Kind::index) value = std::floor(value);
    for (const double kink : input.kinks) {
      if (std::abs(value - kink) < input.gap) value += std::copysign(input.gap, value - kink);
    }
  }
  return values;
}

/// `count` evenly spaced values in random order.
Values separated_values(const Input& input, std::int64_t count, std::mt19937_64& engine) {
  Values values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = input.low + (input.high - input.low) * (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    std::swap(values[i], values[static_cast<std::size_t>(uniform(engine) * static_cast<double>(i + 1))]);
  }
  return values;
}

void add_to_diagonals(Values& values, const Shape& shape, double step) {
  const std::int64_t columns = shape[shape.rank() - 1];
  for (std::size_t k = 0; k < values.size(); ++k) {
    const auto i = static_cast<std::int64_t>(k);
    const std::int64_t row = i / columns % shape[shape.rank() - 2];
    if (i % columns == row) values[k] += step * static_cast<double>(row + 1);
  }
}

}  // namespace

std::size_t Array::offset(const Index& index) const {
  std::int64_t result = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const std::int64_t i = index[static_cast<std::size_t>(axis)];
    if (i < 0 || i >= shape[axis]) throw std::out_of_range("reference reads outside " + shape.to_string());
    result = result * shape[axis] + i;
  }
  return static_cast<std::size_t>(result);
}

Tensor OpCase::apply(const Inputs& tensors) const {
  return unary ? unary(tensors.at(0)) : binary ? binary(tensors.at(0), tensors.at(1)) : f(tensors);
}

Array OpCase::expected(const Arrays& arrays) const {
  if (reference) return reference(arrays);
  if (unary_reference) return make(arrays[0].shape, [&](const Index& i) { return unary_reference(arrays[0](i)); });
  const Shape shape = broadcast_shapes("reference", arrays[0].shape, arrays[1].shape);
  return make(shape, [&](const Index& i) {
    return binary_reference(broadcast(arrays[0], i, shape.rank()), broadcast(arrays[1], i, shape.rank()));
  });
}

std::string OpCase::title() const { return variant.empty() ? name : name + ", " + variant; }

const std::vector<OpCase>& op_cases() {
  static const Table table = [] {
    Table rows;
    add_arithmetic(rows);
    add_comparisons(rows);
    add_elementwise(rows);
    add_math(rows);
    add_activations(rows);
    add_reductions(rows);
    add_scans_and_sorts(rows);
    add_shape_ops(rows);
    add_index_ops(rows);
    add_more_shape_ops(rows);
    add_parts_and_repeats(rows);
    add_triangles_and_diagonals(rows);
    add_more_index_ops(rows);
    add_products(rows);
    add_contractions(rows);
    add_linear_systems(rows);
    add_factorisations(rows);
    add_convolutions(rows);
    add_pooling(rows);
    add_normalisation(rows);
    add_attention(rows);
    add_softmax_and_losses(rows);
    add_composed_losses(rows);
    add_random(rows);
    return rows;
  }();
  return table;
}

Inputs make_inputs(const OpCase& op_case, DType dtype, const std::vector<Shape>& shapes, bool requires_grad) {
  std::mt19937_64 engine(seed_of(op_case.title()));
  const auto shape_of = [&](std::size_t k) { return shapes.empty() ? op_case.inputs[k].shape : shapes.at(k); };
  std::int64_t separated_count = 0;
  Input separated_input;
  for (std::size_t k = 0; k < op_case.inputs.size(); ++k) {
    if (op_case.inputs[k].kind != Input::Kind::separated) continue;
    separated_input = op_case.inputs[k];
    separated_count += shape_of(k).numel();
  }
  const Values all_separated = separated_values(separated_input, separated_count, engine);
  auto next_separated = all_separated.begin();

  Inputs tensors;
  for (std::size_t k = 0; k < op_case.inputs.size(); ++k) {
    const Input& input = op_case.inputs[k];
    const std::int64_t count = shape_of(k).numel();
    Values values;
    if (input.kind == Input::Kind::separated) {
      values.assign(next_separated, next_separated + count);
      next_separated += count;
    } else {
      values = random_values(input, count, engine);
    }
    if (input.diagonal != 0) add_to_diagonals(values, shape_of(k), input.diagonal);
    const Tensor exact = from_vector(values, shape_of(k)).to(float32);
    Tensor tensor = exact.to(input.kind == Input::Kind::index ? DType::int64 : dtype);
    if (requires_grad && input.differentiable()) tensor.requires_grad(true);
    tensors.push_back(tensor);
  }
  return tensors;
}

Array to_array(const Tensor& tensor) {
  const Tensor exact = tensor.to(float64);
  const auto data = exact.data<double>();
  return {exact.shape(), {data.begin(), data.end()}};
}

}  // namespace wengert::test
