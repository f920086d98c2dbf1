#include <algorithm>
#include <array>
#include <utility>

#include <wengert/autograd/elementwise.h>

#include "autograd/ops/product.h"

namespace wengert {

namespace {

using kernels::Trans;

Tensor matmul_with_vector(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  const bool row = a.rank() == 1;
  const bool column = b.rank() == 1;
  const Tensor left = row ? reshape(a, {1, a.numel()}) : a;
  // A column lies in memory like a row.
  const Tensor right = column ? reshape(b, {1, b.numel()}) : b;
  const Tensor y = matmul(left, right, {!row && options.transpose_a, column || options.transpose_b});
  Shape shape = y.shape();
  if (column) shape = shape.removed(shape.rank() - 1);
  if (row) shape = shape.removed(shape.rank() - (column ? 1 : 2));
  return reshape(y, shape);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options) {
  detail::check_operands("matmul", std::array{&a, &b}, Types::floating);
  check(a.rank() > 0 && b.rank() > 0, "matmul: both sides need an axis; a is {}, b is {}; use * for scalars", a.shape(),
        b.shape());
  const std::int64_t columns = a.dim(a.rank() > 1 && options.transpose_a ? -2 : -1);
  const std::int64_t rows = b.dim(b.rank() > 1 && !options.transpose_b ? -2 : -1);
  check(columns == rows, "matmul: columns of a ({}) and rows of b ({}) must match; a is {}{}, b is {}{}", columns, rows,
        a.shape(), options.transpose_a ? " transposed" : "", b.shape(), options.transpose_b ? " transposed" : "");
  if (a.rank() == 1 || b.rank() == 1) return matmul_with_vector(a, b, options);
  const Shape batch = a.rank() == 2 && b.rank() == 2
                          ? Shape()
                          : broadcast_shapes("matmul (leading axes)", detail::leading_axes(a), detail::leading_axes(b));
  return detail::product("matmul", a, Trans{options.transpose_a}, b, Trans{options.transpose_b}, batch);
}

namespace detail {

namespace {

using kernels::Store;

/// Products with more multiplications than this are worth a thread of their own.
constexpr std::int64_t parallel_from = std::int64_t{1} << 19;
/// Products with more than this are split inside, not among each other.
constexpr std::int64_t split_from = std::int64_t{1} << 25;

/// The matrices of one operand along the joint leading axes: how far apart they lie on each, 0 where they repeat.
struct Matrices {
  Matrices(const Tensor& x, const Shape& own, const Shape& joint)
      : rows(x.dim(-2)), columns(x.dim(-1)), count(own.numel()) {
    const int missing = joint.rank() - own.rank();
    for (int axis = missing; axis < joint.rank(); ++axis) {
      const int own_axis = axis - missing;
      if (own[own_axis] != 1) strides[axis] = own.numel(own_axis + 1, own.rank());
    }
  }

  /// Elements before the matrix at `index` of those joint axes that `chosen` marks.
  std::int64_t offset(std::int64_t index, const Shape& joint, const bool* chosen) const {
    std::int64_t matrix = 0;
    for (int axis = joint.rank() - 1; axis >= 0; --axis) {
      if (!chosen[axis]) continue;
      matrix += index % joint[axis] * strides[axis];
      index /= joint[axis];
    }
    return matrix * rows * columns;
  }

  std::int64_t rows;
  std::int64_t columns;
  std::int64_t count;
  std::int64_t strides[Shape::max_rank] = {};
};

template <class T>
void multiply(const Tensor& a, Trans trans_a, const Tensor& b, Trans trans_b, const Shape& batch, const Tensor& c) {
  const T* a_data = Access::data<T>(a);
  const T* b_data = Access::data<T>(b);
  T* c_data = Access::mutable_data<T>(c);
  const std::int64_t m = c.dim(-2);
  const std::int64_t n = c.dim(-1);
  const std::int64_t k = a.dim(trans_a == Trans::no ? -1 : -2);
  const auto gemm = [&](std::int64_t rows, std::int64_t depth, const T* left, const T* right, T* out, Store store) {
    kernels::gemm<T>(rows, n, depth, {left, a.dim(-1), trans_a}, {right, b.dim(-1), trans_b}, out, n, store);
  };
  if (a.rank() == 2 && b.rank() == 2 && batch.rank() == 0) return gemm(m, k, a_data, b_data, c_data, Store::overwrite);
  if (c.numel() == 0) return;

  const Shape a_axes = leading_axes(a);
  const Shape b_axes = leading_axes(b);
  const Shape joint = broadcast_shapes("matmul", broadcast_shapes("matmul", a_axes, b_axes), batch);
  const std::int64_t matrices = joint.numel();
  const Matrices as(a, a_axes, joint);
  const Matrices bs(b, b_axes, joint);
  const Matrices cs(c, batch, joint);
  // Neighbours in memory that share the other factor make one taller matrix; those that are added up, a deeper one.
  if (trans_a == Trans::no && as.count == matrices && bs.count == 1 && cs.count == matrices) {
    return gemm(matrices * m, k, a_data, b_data, c_data, Store::overwrite);
  }
  if (trans_a == Trans::yes && trans_b == Trans::no && as.count == matrices && bs.count == matrices && cs.count == 1) {
    return gemm(m, matrices * k, a_data, b_data, c_data, Store::overwrite);
  }

  bool kept[Shape::max_rank] = {};
  bool summed[Shape::max_rank] = {};
  for (int axis = 0; axis < joint.rank(); ++axis) {
    summed[axis] = cs.strides[axis] == 0;
    kept[axis] = !summed[axis];
  }
  const std::int64_t terms = matrices / cs.count;
  if (terms == 0) return void(std::fill_n(c_data, c.numel(), T(0)));
  const std::int64_t work = std::max<std::int64_t>(1, m * n * k) * terms;
  const std::int64_t grain = work > split_from ? cs.count : std::max<std::int64_t>(1, parallel_from / work);
  parallel_for(cs.count, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const T* left = a_data + as.offset(i, joint, kept);
      const T* right = b_data + bs.offset(i, joint, kept);
      for (std::int64_t term = 0; term < terms; ++term) {
        gemm(m, k, left + as.offset(term, joint, summed), right + bs.offset(term, joint, summed), c_data + i * m * n,
             term == 0 ? Store::overwrite : Store::add);
      }
    }
  });
}

/// One factor's gradient, `times(axes)`: a product with the leading axes of the factor, `own`. For many gradients g
/// these follow the axis of the rows, aligned with those of g at the last one.
template <class F>
Tensor factor_gradient(const Tensor& g, Rows rows, const Shape& own, F times) {
  if (!rows.many()) return times(own);
  const Tensor result = times(rows.of(own, g.rank() - 3));
  const Shape matrices = own.inserted(own.rank(), result.dim(-2)).inserted(own.rank() + 1, result.dim(-1));
  return reshape(result, rows.of(matrices));
}

}  // namespace

Tensor product(const char* name, const Tensor& a, Trans trans_a, const Tensor& b, Trans trans_b, const Shape& batch) {
  const std::int64_t m = a.dim(trans_a == Trans::no ? -2 : -1);
  const std::int64_t n = b.dim(trans_b == Trans::no ? -1 : -2);
  const Shape shape = batch.rank() == 0 ? Shape{m, n} : batch.inserted(batch.rank(), m).inserted(batch.rank() + 1, n);
  Tensor c = Access::allocate(shape, a.dtype());
  dispatch_floating(a.dtype(), [&]<class T>() { multiply<T>(a, trans_a, b, trans_b, batch, c); });
  if (!grad_enabled() || !(a.requires_grad() || b.requires_grad())) return c;
  return record(name, std::move(c),
                wrt(a,
                    [=, a_batch = leading_axes(a)](const Tensor& g, Rows rows) {
                      return factor_gradient(g, rows, a_batch, [&](const Shape& axes) {
                        return trans_a == Trans::no ? product(name, g, Trans::no, b, !trans_b, axes)
                                                    : product(name, b, trans_b, g, Trans::yes, axes);
                      });
                    }),
                wrt(b, [=, b_batch = leading_axes(b)](const Tensor& g, Rows rows) {
                  return factor_gradient(g, rows, b_batch, [&](const Shape& axes) {
                    return trans_b == Trans::no ? product(name, a, !trans_a, g, Trans::no, axes)
                                                : product(name, g, Trans::yes, a, trans_a, axes);
                  });
                }));
}

}  // namespace detail

}  // namespace wengert
