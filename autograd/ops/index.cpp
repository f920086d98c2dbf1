#include "autograd/kernels/index.h"

#include <cstring>

#include <wengert/autograd/elementwise.h>

#include "autograd/detail/position.h"

namespace wengert {

namespace {

using detail::Access;

/// Throws unless `index` holds numbers in [0, size), the size of `axis`, or of the classes if that is negative.
void check_index(const char* op, const Tensor& index, std::int64_t size, int axis) {
  const auto values = index.data<std::int64_t>();
  for (const std::int64_t& value : values) {
    if (value >= 0 && value < size) [[likely]]
      continue;
    const Shape position = detail::position_of(&value - values.data(), index.shape());
    const std::string of = axis < 0 ? std::to_string(size) + " classes"
                                    : "axis " + std::to_string(axis) + " of size " + std::to_string(size);
    fail<ShapeError>("{}: index {} at position {} is out of range for {}; it must be >= 0 and < {}", op, value,
                     position, of, size);
  }
}

void check_index_type(const char* op, const Tensor& index) {
  check<Error>(index.defined(), "{}: index is undefined", op);
  check<DTypeError>(index.dtype() == DType::int64, "{}: index must be int64, got {}; convert it with .to(int64)", op,
                    index.dtype());
}

/// Checks the arguments of gather; gives the axis counted from the front.
int check_elements(const char* op, const Tensor& x, int axis, const Tensor& index) {
  detail::check_operands(op, std::array{&x}, Types::all);
  check_index_type(op, index);
  axis = normalize_axis(op, axis, x.rank());
  bool fits = index.rank() == x.rank();
  for (int a = 0; fits && a < x.rank(); ++a) fits = a == axis || index.shape()[a] <= x.shape()[a];
  check(fits, "{}: index of shape {} must have as many axes as x of shape {} and be no larger off axis {}", op,
        index.shape(), x.shape(), axis);
  check_index(op, index, x.shape()[axis], axis);
  return axis;
}

/// Same for scatter and scatter_add.
int check_elements(const char* op, const Tensor& x, int axis, const Tensor& index, const Tensor& source) {
  detail::check_operands(op, std::array{&x, &source}, Types::all, {"x", "source"});
  axis = check_elements(op, x, axis, index);
  check(source.shape() == index.shape(), "{}: source has shape {}, index has {}; they must be equal", op,
        source.shape(), index.shape());
  return axis;
}

Tensor copy_of(const Tensor& x) {
  Tensor copy = Access::allocate(x.shape(), x.dtype());
  std::memcpy(Access::mutable_data<std::byte>(copy), Access::data<std::byte>(x),
              static_cast<std::size_t>(x.numel()) * size_of(x.dtype()));
  return copy;
}

}  // namespace

Tensor gather(const Tensor& x, int axis, const Tensor& index) {
  axis = check_elements("gather", x, axis, index);
  Tensor y = Access::allocate(index.shape(), x.dtype());
  kernels::gather(x, axis, index, y);
  return record("gather", std::move(y), wrt(x, [shape = x.shape(), axis, index](const Tensor& g) {
                  return scatter_add(zeros(shape, g.dtype()), axis, index, g);
                }));
}

Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source) {
  axis = check_elements("scatter_add", x, axis, index, source);
  Tensor y = copy_of(x);
  kernels::scatter_add(source, axis, index, y);
  return record("scatter_add", std::move(y), wrt(x, [](const Tensor& g) { return g; }),
                wrt(source, [axis, index](const Tensor& g) { return gather(g, axis, index); }));
}

namespace {

/// Zeros of `shape` with the rows of g added at index[0], index[1], ... of an axis: the gradient of index_select, whose
/// gradient is index_select.
Tensor index_add(const Tensor& g, const Shape& shape, int axis, const Tensor& index) {
  Tensor y = zeros(shape, g.dtype());
  kernels::index_add(g, axis, index, y);
  return record("index_select_gradient", std::move(y), wrt(g, [axis, index](const Tensor& upstream, Rows rows) {
                  return index_select(upstream, rows.axis(axis), index);
                }));
}

}  // namespace

Tensor index_select(const Tensor& x, int axis, const Tensor& index) {
  detail::check_operands("index_select", std::array{&x}, Types::all);
  check_index_type("index_select", index);
  axis = normalize_axis("index_select", axis, x.rank());
  check(index.rank() == 1, "index_select: index must have one axis, its shape is {}", index.shape());
  check_index("index_select", index, x.shape()[axis], axis);
  Tensor y = Access::allocate(x.shape().with(axis, index.numel()), x.dtype());
  kernels::index_select(x, axis, index, y);
  return record("index_select", std::move(y), wrt(x, [shape = x.shape(), axis, index](const Tensor& g, Rows rows) {
                  return index_add(g, rows.of(shape), rows.axis(axis), index);
                }));
}

Tensor scatter(const Tensor& x, int axis, const Tensor& index, const Tensor& source) {
  axis = check_elements("scatter", x, axis, index, source);
  Tensor y = copy_of(x);
  kernels::scatter(source, axis, index, y);
  // Which elements of the source were not written over by a later one: those have a gradient.
  Tensor last;
  if (grad_enabled() && source.requires_grad()) {
    const Tensor number = reshape(arange(static_cast<double>(index.numel()), DType::int64), index.shape());
    const Tensor owner = zeros(x.shape(), DType::int64);
    kernels::scatter(number, axis, index, owner);
    last = gather(owner, axis, index) == number;
  }
  return record(
      "scatter", std::move(y),
      wrt(x, [axis, index](const Tensor& g) { return scatter(g, axis, index, zeros(index.shape(), g.dtype())); }),
      wrt(source, [axis, index, last](const Tensor& g) { return where(last, gather(g, axis, index), 0); }));
}

Tensor take_along_dim(const Tensor& x, int axis, const Tensor& index) {
  detail::check_operands("take_along_dim", std::array{&x}, Types::all);
  check_index_type("take_along_dim", index);
  axis = normalize_axis("take_along_dim", axis, x.rank());
  check(index.rank() == x.rank(), "take_along_dim: index of shape {} must have as many axes as x of shape {}",
        index.shape(), x.shape());
  const Shape joint = broadcast_shapes("take_along_dim", x.shape().with(axis, 1), index.shape().with(axis, 1));
  const Tensor positions = broadcast_to(index, joint.with(axis, index.shape()[axis]));
  check_index("take_along_dim", positions, x.shape()[axis], axis);
  return gather(broadcast_to(x, joint.with(axis, x.shape()[axis])), axis, positions);
}

Tensor masked_fill(const Tensor& x, const Tensor& mask, double value) {
  detail::check_operands("masked_fill", std::array{&x}, Types::all);
  detail::check_operands("masked_fill", std::array{&mask}, Types::all, {"mask"});
  check(broadcasts_to(mask.shape(), x.shape()), "masked_fill: mask of shape {} does not broadcast to x's, {}",
        mask.shape(), x.shape());
  return where(mask, value, x);
}

Tensor embedding(const Tensor& weight, const Tensor& index) {
  detail::check_operands("embedding", std::array{&weight}, Types::all, {"weight"});
  check_index_type("embedding", index);
  check(weight.rank() >= 1 && weight.rank() - 1 + index.rank() <= Shape::max_rank,
        "embedding: weight of shape {} and index of shape {} make no result of 1 to 8 axes", weight.shape(),
        index.shape());
  check_index("embedding", index, weight.shape()[0], 0);
  std::vector<std::int64_t> sizes(index.shape().begin(), index.shape().end());
  sizes.insert(sizes.end(), weight.shape().begin() + 1, weight.shape().end());
  return reshape(index_select(weight, 0, reshape(index, Shape{index.numel()})), Shape(sizes));
}

Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype) {
  check_index_type("one_hot", index);
  check(classes >= 0, "one_hot: classes must be >= 0, got {}", classes);
  check(index.rank() < Shape::max_rank, "one_hot: index of shape {} already has 8 axes, the most there can be",
        index.shape());
  check_index("one_hot", index, classes, -1);
  Tensor y = zeros(index.shape().inserted(index.rank(), classes), dtype);
  dispatch(dtype, [&]<class T>() {
    T* row = Access::mutable_data<T>(y);
    for (const std::int64_t label : index.data<std::int64_t>()) {
      row[label] = T(1);
      row += classes;
    }
  });
  return without_gradient("one_hot", y, index);
}

}  // namespace wengert
