#include <algorithm>
#include <limits>
#include <vector>

#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

using detail::Access;
using Kind = IndexItem::Kind;

/// An axis of x and the tensor that names the positions to take from it.
struct Gathered {
  int axis;
  const Tensor* positions;
};

Tensor take_slice(const Tensor& x, int axis, const Slice& slice) {
  check(slice.step != 0, "index: the step of a slice must not be 0");
  const std::int64_t first = slice.step > 0 ? 0 : std::numeric_limits<std::int64_t>::max();
  const std::int64_t last =
      slice.step > 0 ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
  return wengert::slice(x, axis, slice.begin.value_or(first), slice.end.value_or(last), slice.step);
}

/// The elements of axes sizes[0], sizes[1], ... joined to one that the tensors name together: [numel of `joint`].
Tensor joint_positions(const std::vector<Gathered>& gathered, const Shape& x_shape, const Shape& joint) {
  Tensor result = zeros({joint.numel()}, DType::int64);
  auto* to = Access::mutable_data<std::int64_t>(result);
  for (const Gathered& entry : gathered) {
    const std::int64_t size = x_shape[entry.axis];
    const Tensor positions = broadcast_to(*entry.positions, joint);
    for (std::int64_t i = 0; const std::int64_t position : positions.data<std::int64_t>()) {
      check(position >= -size && position < size, "index: position {} is out of range for an axis of size {}; x has {}",
            position, size, x_shape);
      to[i] = to[i] * size + (position < 0 ? position + size : position);
      ++i;
    }
  }
  return result;
}

Tensor take_positions(Tensor x, std::vector<Gathered> gathered) {
  Shape joint;
  for (const Gathered& entry : gathered) joint = broadcast_shapes("index", joint, entry.positions->shape());
  const int count = static_cast<int>(gathered.size());
  const Tensor positions = joint_positions(gathered, x.shape(), joint);
  int first = gathered[0].axis;
  if (gathered.back().axis - first != count - 1) {  // not neighbours: they move to the front, as in NumPy
    std::vector<int> order;
    for (const Gathered& entry : gathered) order.push_back(entry.axis);
    for (int axis = 0; axis < x.rank(); ++axis) {
      if (std::find(order.begin(), order.begin() + count, axis) == order.begin() + count) order.push_back(axis);
    }
    x = permute(x, order);
    first = 0;
  }
  const Shape& shape = x.shape();
  check(shape.rank() - count + joint.rank() <= Shape::max_rank, "index: the result would have {} axes; x has shape {}",
        shape.rank() - count + joint.rank(), shape);
  std::vector<std::int64_t> sizes(shape.begin(), shape.begin() + first);
  sizes.insert(sizes.end(), joint.begin(), joint.end());
  sizes.insert(sizes.end(), shape.begin() + first + count, shape.end());
  const std::int64_t joined = shape.numel(first, first + count);
  const Tensor rows = reshape(x, Shape{shape.numel(0, first), joined, shape.numel(first + count, shape.rank())});
  return reshape(index_select(rows, 1, positions), Shape(sizes));
}

}  // namespace

Tensor index(const Tensor& x, std::initializer_list<IndexItem> items) {
  detail::check_operands("index", std::array{&x}, Types::all);
  int named = 0;
  int ellipses = 0;
  for (const IndexItem& item : items) {
    ellipses += item.kind == Kind::ellipsis;
    named += item.kind != Kind::ellipsis && item.kind != Kind::new_axis;
    if (item.kind != Kind::tensor) continue;
    check<Error>(item.tensor.defined(), "index: a tensor of positions is undefined");
    check<DTypeError>(item.tensor.dtype() == DType::int64,
                      "index: a tensor of positions must be int64, got {}; convert it with .to(int64)",
                      item.tensor.dtype());
  }
  check(ellipses <= 1, "index: Ellipsis may occur once, it does {} times", ellipses);
  check(named <= x.rank(), "index: {} axes are indexed, x of shape {} has {}", named, x.shape(), x.rank());

  Tensor result = x;
  std::vector<Gathered> gathered;
  int axis = 0;
  for (const IndexItem& item : items) {
    switch (item.kind) {
      case Kind::number: {
        const std::int64_t size = result.shape()[axis];
        check(item.number >= -size && item.number < size,
              "index: position {} is out of range for an axis of size {}; x has shape {}", item.number, size,
              x.shape());
        result = select(result, axis, item.number);
        break;
      }
      case Kind::slice: result = take_slice(result, axis++, item.slice); break;
      case Kind::ellipsis: axis += x.rank() - named; break;
      case Kind::new_axis: result = unsqueeze(result, axis++); break;
      case Kind::tensor: gathered.push_back({axis++, &item.tensor}); break;
    }
  }
  return gathered.empty() ? result : take_positions(result, std::move(gathered));
}

Tensor Tensor::index(std::initializer_list<IndexItem> items) const { return wengert::index(*this, items); }

}  // namespace wengert
