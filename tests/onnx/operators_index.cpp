#include <algorithm>

#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

Tensor gather_slices(const Call& call) {
  const Tensor x = call.input(0);
  const int axis = normalize_axis("onnx", call.axis("axis", 0), x.rank());
  const Tensor index = from_the_front(call.input(1), x.dim(axis));
  if (axis == 0 && x.rank() == 2) return embedding(x, index);
  std::vector<std::int64_t> sizes(x.shape().begin(), x.shape().begin() + axis);
  sizes.insert(sizes.end(), index.shape().begin(), index.shape().end());
  sizes.insert(sizes.end(), x.shape().begin() + axis + 1, x.shape().end());
  return reshape(index_select(x, axis, flatten(index)), Shape(sizes));
}

Tensor gather_elements(const Call& call) {
  const Tensor x = call.input(0);
  const int axis = call.axis("axis", 0);
  return gather(x, axis, from_the_front(call.input(1), x.dim(axis)));
}

Tensor scatter_elements(const Call& call) {
  const Tensor x = call.input(0);
  const int axis = call.axis("axis", 0);
  const Tensor index = from_the_front(call.input(1), x.dim(axis));
  const std::string reduction = call.text("reduction", "none");
  if (reduction == "none") return scatter(x, axis, index, call.input(2));
  if (reduction == "add") return scatter_add(x, axis, index, call.input(2));
  throw Unsupported("scatter that multiplies");
}

/// Positions in a tensor: the last axis of `index` names one along each of as many axes, after `batch` leading axes
/// that both have.
struct Places {
  Tensor rows;        // of x as a matrix whose rows are what a position names, [M]
  std::int64_t size;  // columns of that matrix
};

Places places(const Tensor& x, const Tensor& index, int batch) {
  const auto depth = static_cast<int>(index.dim(-1));
  std::vector<std::int64_t> sizes(x.shape().begin() + batch, x.shape().begin() + batch + depth);
  std::vector<std::int64_t> strides(sizes.size());
  for (int axis = 0; axis < depth; ++axis) {
    strides[static_cast<std::size_t>(axis)] = x.shape().numel(batch + axis + 1, batch + depth);
  }
  const Tensor positive = where(index < 0, index + from_vector(sizes), index);
  const std::int64_t batches = x.shape().numel(0, batch);
  const std::int64_t inner = x.shape().numel(batch, batch + depth);
  const Tensor within = reshape(sum(positive * from_vector(strides), {-1}), {batches, -1});
  const Tensor first = static_cast<double>(inner) * unsqueeze(arange(static_cast<double>(batches), int64), 1);
  return {flatten(first + within), x.shape().numel(batch + depth, x.rank())};
}

Tensor gather_at_positions(const Call& call) {
  const Tensor x = call.input(0);
  const Tensor index = call.input(1);
  const int batch = call.axis("batch_dims", 0);
  const auto [rows, size] = places(x, index, batch);
  std::vector<std::int64_t> sizes(index.shape().begin(), index.shape().end() - 1);
  sizes.insert(sizes.end(), x.shape().begin() + batch + index.dim(-1), x.shape().end());
  return reshape(embedding(reshape(x, {-1, size}), rows), Shape(sizes));
}

Tensor scatter_at_positions(const Call& call) {
  const Tensor x = call.input(0);
  const auto [rows, size] = places(x, call.input(1), 0);
  const Tensor index = broadcast_to(unsqueeze(rows, 1), {rows.numel(), size});
  const Tensor updates = reshape(call.input(2), index.shape());
  const Tensor matrix = reshape(x, {-1, size});
  const std::string reduction = call.text("reduction", "none");
  if (reduction == "none") return reshape(scatter(matrix, 0, index, updates), x.shape());
  if (reduction == "add") return reshape(scatter_add(matrix, 0, index, updates), x.shape());
  throw Unsupported("scatter that multiplies");
}

/// Where a vector of truth values holds: a stable order puts those places first.
Tensor places_where(const Tensor& condition) {
  const auto count = static_cast<std::int64_t>(sum(condition).item());
  return slice(argsort(logical_not(condition)), 0, 0, count);
}

Tensor compress(const Call& call) {
  const Tensor places = places_where(call.input(1));
  if (!call.has("axis")) return index_select(flatten(call.input(0)), 0, places);
  return index_select(call.input(0), call.axis("axis", 0), places);
}

Tensor non_zero(const Call& call) {
  const Tensor x = call.input(0);
  const Tensor places = places_where(truth(flatten(x) != 0));
  std::vector<Tensor> coordinates;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const Tensor steps = places / static_cast<double>(x.shape().numel(axis + 1, x.rank()));
    const auto size = static_cast<double>(x.dim(axis));
    coordinates.push_back(steps - size * (steps / size));
  }
  return stack(coordinates);
}

Tensor one_hot_between(const Call& call) {
  const auto depth = call.input(1).item<std::int64_t>();
  const Tensor values = call.input(2);  // off, on
  const Tensor index = from_the_front(call.input(0).to(int64), depth);
  const Tensor hot = one_hot(index, depth, values.dtype());
  return move_axis(values[0] + (values[1] - values[0]) * hot, -1, call.axis("axis", -1));
}

}  // namespace

std::vector<Operator> index_operators() {
  constexpr Accuracy exact = Accuracy::exact;
  return {
      {"Compress", {"index_select", "argsort"}, compress, exact},
      {"Gather", {"index_select", "embedding"}, gather_slices, exact},
      {"GatherElements", {"gather"}, gather_elements, exact},
      {"GatherND", {"embedding"}, gather_at_positions, exact},
      {"NonZero", {"argsort", "stack"}, non_zero, exact},
      {"OneHot", {"one_hot"}, one_hot_between, exact},
      {"Scatter", {"scatter"}, scatter_elements, exact},
      {"ScatterElements", {"scatter", "scatter_add"}, scatter_elements},
      {"ScatterND", {"scatter", "scatter_add"}, scatter_at_positions},
  };
}

}  // namespace wengert::test::onnx
