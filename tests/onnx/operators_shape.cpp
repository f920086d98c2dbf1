#include <algorithm>
#include <numeric>

#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

Tensor constant(const Call& call) {
  if (call.has("value")) return call.tensor("value");
  if (call.has("value_int")) return full({}, static_cast<double>(call.integer("value_int", 0)), int64);
  if (call.has("value_ints")) return from_vector(call.integers("value_ints"));
  if (call.has("value_float")) return full({}, call.real("value_float", 0));
  if (call.has("value_floats")) return from_vector(call.reals("value_floats")).to(float32);
  throw Unsupported("text is no tensor");
}

Tensor filled(const Call& call) {
  const Tensor value = call.tensor("value");
  const Shape shape(call.integers_input(0));
  return value.defined() ? full(shape, value.item(), value.dtype()) : zeros(shape);
}

Tensor sizes_of(const Call& call) {
  const Shape shape = call.input(0).shape();
  const auto clipped = [&](std::int64_t axis) {
    return std::clamp<std::int64_t>(axis < 0 ? axis + shape.rank() : axis, 0, shape.rank());
  };
  const std::int64_t first = clipped(call.integer("start", 0));
  const std::int64_t last = std::max(first, clipped(call.integer("end", shape.rank())));
  return from_vector(std::vector<std::int64_t>(shape.begin() + first, shape.begin() + last));
}

Tensor number_of_elements(const Call& call) { return full({}, static_cast<double>(call.input(0).numel()), int64); }

/// 0 keeps a size, unless `allowzero`, and -1 is what is left.
Tensor reshaped(const Call& call) {
  const Tensor x = call.input(0);
  auto sizes = call.integers_input(1);
  const bool zero_is_a_size = call.flag("allowzero");
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    if (sizes[axis] == 0 && !zero_is_a_size) sizes[axis] = x.dim(static_cast<int>(axis));
  }
  const auto open = std::find(sizes.begin(), sizes.end(), -1);
  if (open != sizes.end()) {
    *open = 1;
    *open = x.numel() / Shape(sizes).numel();
  }
  return reshape(x, Shape(sizes));
}

/// To a matrix: the axes before `axis` in rows, the others in columns.
Tensor flattened(const Call& call) {
  const Tensor x = call.input(0);
  int axis = call.axis("axis", 1);
  if (axis < 0) axis += x.rank();
  if (axis == 0) return unsqueeze(flatten(x), 0);
  if (axis == x.rank()) return unsqueeze(flatten(x), 1);
  return flatten(flatten(x, axis), 0, axis - 1);
}

Tensor transposed(const Call& call) {
  const Tensor x = call.input(0);
  Axes order = to_axes(call.integers("perm"));
  if (!call.has("perm")) {
    order.resize(static_cast<std::size_t>(x.rank()));
    std::iota(order.rbegin(), order.rend(), 0);
  }
  return permute(x, order);
}

/// Axes are an input from version 13 on.
Axes axes_of(const Call& call) { return to_axes(call.opset() < 13 ? call.integers("axes") : call.integers_input(1)); }

Tensor unsqueezed(const Call& call) {
  Tensor x = call.input(0);
  Axes axes = axes_of(call);
  const int rank = x.rank() + static_cast<int>(axes.size());
  for (int& axis : axes) axis = normalize_axis("onnx", axis, rank);
  std::sort(axes.begin(), axes.end());
  for (const int axis : axes) x = unsqueeze(x, axis);
  return x;
}

Outputs parts(const Call& call) {
  const Tensor x = call.input(0);
  const int axis = call.axis("axis", 0);
  const auto sizes = call.opset() < 13 ? call.integers("split") : call.integers_input(1);
  if (!sizes.empty()) return split(x, sizes, axis);
  return split(x, x.dim(axis) / static_cast<std::int64_t>(call.output_count()), axis);
}

/// Bounds, axes and steps are inputs from version 10 on.
Tensor sliced(const Call& call) {
  Tensor x = call.input(0);
  const bool old = call.opset() < 10;
  const auto begins = old ? call.integers("starts") : call.integers_input(1);
  const auto ends = old ? call.integers("ends") : call.integers_input(2);
  auto axes = old ? call.integers("axes") : call.integers_input(3);
  auto steps = old ? std::vector<std::int64_t>{} : call.integers_input(4);
  if (axes.empty()) {
    axes.resize(begins.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  if (steps.empty()) steps.resize(begins.size(), 1);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    x = slice(x, static_cast<int>(axes[i]), begins[i], ends[i], steps[i]);
  }
  return x;
}

/// Widths and the value are inputs from version 11 on.
Tensor padded(const Call& call) {
  const Tensor x = call.input(0);
  const bool old = call.opset() < 11;
  const auto widths = old ? call.integers("pads") : call.integers_input(1);
  const auto middle = widths.begin() + x.rank();
  const std::vector<std::int64_t> before(widths.begin(), middle);
  const std::vector<std::int64_t> after(middle, widths.end());
  const Tensor given = old ? Tensor() : call.optional_input(2);
  const double value = given.defined() ? given.item() : call.real("value", 0);
  const std::string mode = call.text("mode", "constant");
  if (mode == "constant") return pad(x, before, after, value);
  return pad(x, before, after, mode == "reflect" ? PadMode::reflect : PadMode::replicate);
}

Tensor eye_like(const Call& call) {
  const Tensor like = call.input(0);
  const DType dtype = call.has("dtype") ? dtype_of(static_cast<ElementType>(call.integer("dtype", 0))) : like.dtype();
  const std::int64_t k = call.integer("k", 0);
  if (k == 0) return eye(like.dim(0), like.dim(1), dtype);
  return triu(tril(ones(like.shape(), dtype), k), k);
}

Tensor triangle(const Call& call) {
  const Tensor k = call.optional_input(1);
  const std::int64_t diagonal = k.defined() ? k.item<std::int64_t>() : 0;
  return call.flag("upper", true) ? triu(call.input(0), diagonal) : tril(call.input(0), diagonal);
}

Tensor depth_to_space(const Call& call) {
  const Tensor x = call.input(0);
  const std::int64_t block = call.integer("blocksize", 1);
  const std::int64_t depth = x.dim(1) / (block * block);
  const Shape result{x.dim(0), depth, x.dim(2) * block, x.dim(3) * block};
  if (call.text("mode", "DCR") == "DCR") {
    return reshape(permute(reshape(x, {x.dim(0), block, block, depth, x.dim(2), x.dim(3)}), {0, 3, 4, 1, 5, 2}),
                   result);
  }
  return reshape(permute(reshape(x, {x.dim(0), depth, block, block, x.dim(2), x.dim(3)}), {0, 1, 4, 2, 5, 3}), result);
}

Tensor space_to_depth(const Call& call) {
  const Tensor x = call.input(0);
  const std::int64_t block = call.integer("blocksize", 1);
  const std::int64_t rows = x.dim(2) / block;
  const std::int64_t columns = x.dim(3) / block;
  return reshape(permute(reshape(x, {x.dim(0), x.dim(1), rows, block, columns, block}), {0, 3, 5, 1, 2, 4}),
                 {x.dim(0), x.dim(1) * block * block, rows, columns});
}

/// Of each sample of a batch, the first elements in time the other way round.
Tensor reverse_sequence(const Call& call) {
  const Tensor x = call.input(0);
  const auto lengths = call.integers_input(1);
  const int batch = call.axis("batch_axis", 1);
  const int time = call.axis("time_axis", 0);
  std::vector<Tensor> samples;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const auto n = static_cast<std::int64_t>(i);
    const Tensor sample = slice(x, batch, n, n + 1);
    samples.push_back(
        cat({flip(slice(sample, time, 0, lengths[i]), {time}), slice(sample, time, lengths[i], x.dim(time))}, time));
  }
  return cat(samples, batch);
}

Tensor range(const Call& call) {
  const Tensor begin = call.input(0);
  return arange(begin.item(), call.input(1).item(), call.input(2).item(), begin.dtype());
}

}  // namespace

std::vector<Operator> shape_operators() {
  constexpr Accuracy exact = Accuracy::exact;
  return {
      {"Concat", {"cat"}, [](const Call& call) { return cat(call.inputs(), call.axis("axis", 1)); }, exact},
      {"Constant", {}, constant, exact},
      {"ConstantOfShape", {"full"}, filled, exact},
      {"DepthToSpace", {"reshape", "permute"}, depth_to_space, exact},
      {"Expand",
       {"broadcast_to"},
       [](const Call& call) {
         const Tensor x = call.input(0);
         return broadcast_to(x, broadcast_shapes("onnx", x.shape(), Shape(call.integers_input(1))));
       },
       exact},
      {"EyeLike", {"eye", "tril", "triu"}, eye_like, exact},
      {"Flatten", {"flatten"}, flattened, exact},
      {"Pad", {"pad"}, padded, exact},
      {"Range", {"arange"}, range},
      {"Reshape", {"reshape"}, reshaped, exact},
      {"ReverseSequence", {"flip", "slice", "cat"}, reverse_sequence, exact},
      {"Shape", {}, sizes_of, exact},
      {"Size", {}, number_of_elements, exact},
      {"Slice", {"slice"}, sliced, exact},
      {"SpaceToDepth", {"reshape", "permute"}, space_to_depth, exact},
      {"Split", {"split"}, parts, exact},
      {"Squeeze", {"squeeze"}, [](const Call& call) { return squeeze(call.input(0), axes_of(call)); }, exact},
      {"Tile", {"tile"}, [](const Call& call) { return tile(call.input(0), call.integers_input(1)); }, exact},
      {"Transpose", {"permute"}, transposed, exact},
      {"Trilu", {"tril", "triu"}, triangle, exact},
      {"Unsqueeze", {"unsqueeze"}, unsqueezed, exact},
  };
}

}  // namespace wengert::test::onnx
