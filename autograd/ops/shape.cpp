#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include <wengert/autograd/elementwise.h>

#include "autograd/kernels/permute.h"
#include "autograd/ops/padding.h"

namespace wengert {

namespace {

using detail::Access;

void check_input(const char* op, const Tensor& x) { detail::check_operands(op, std::array{&x}, Types::all); }

/// The elements of x from `offset` on as `shape`, shared and unrecorded.
Tensor view(const Tensor& x, const Shape& shape, std::int64_t offset = 0) {
  return Access::make(detail::Value::view(Access::value(x), shape, offset));
}

/// x as `shape`, of as many elements, recorded under the name of the op that asked for it.
Tensor reshape_as(const char* op, const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return record(op, view(x, shape), wrt(x, [from = x.shape()](const Tensor& g, Rows rows) {
                  return rows.many() ? reshape(g, rows.of(from)) : reshape(g, from);
                }));
}

/// A sequence of axes as text.
std::string list(const std::vector<int>& axes) {
  std::string text = "[";
  for (const int axis : axes) text += (text.size() > 1 ? ", " : "") + std::to_string(axis);
  return text + "]";
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  check_input("reshape", x);
  check(x.numel() == shape.numel(), "reshape: shape {} has {} elements, x of shape {} has {}", shape, shape.numel(),
        x.shape(), x.numel());
  return reshape_as("reshape", x, shape);
}

Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> sizes) {
  check_input("reshape", x);
  std::vector<std::int64_t> resolved(sizes);
  const auto unknown = std::find(resolved.begin(), resolved.end(), -1);
  if (unknown != resolved.end()) {
    *unknown = 1;
    check(std::find(unknown, resolved.end(), -1) == resolved.end(), "reshape: only one size may be -1");
    const std::int64_t known = Shape(resolved).numel();
    check(known != 0, "reshape: the size given as -1 can be any number, as another size is 0; x has shape {}",
          x.shape());
    check(x.numel() % known == 0,
          "reshape: the {} elements of x, of shape {}, are no multiple of the {} of the sizes given beside -1",
          x.numel(), x.shape(), known);
    *unknown = x.numel() / known;
  }
  return reshape(x, Shape(resolved));
}

Tensor Tensor::reshape(const Shape& shape) const { return wengert::reshape(*this, shape); }

Tensor Tensor::reshape(std::initializer_list<std::int64_t> sizes) const { return wengert::reshape(*this, sizes); }

Tensor flatten(const Tensor& x, int first, int last) {
  check_input("flatten", x);
  if (x.rank() == 0) return reshape_as("flatten", x, {1});
  first = normalize_axis("flatten", first, x.rank());
  last = normalize_axis("flatten", last, x.rank());
  check(first <= last, "flatten: axis {} comes after axis {} in a tensor of shape {}", first, last, x.shape());
  std::vector<std::int64_t> sizes(x.shape().begin(), x.shape().begin() + first);
  sizes.push_back(x.shape().numel(first, last + 1));
  sizes.insert(sizes.end(), x.shape().begin() + last + 1, x.shape().end());
  return reshape_as("flatten", x, Shape(sizes));
}

Tensor squeeze(const Tensor& x, const Axes& axes) {
  check_input("squeeze", x);
  bool dropped[Shape::max_rank] = {};
  for (const int given : axes) {
    const int axis = normalize_axis("squeeze", given, x.rank());
    check(x.shape()[axis] == 1, "squeeze: axis {} of shape {} has size {}, not 1", given, x.shape(), x.shape()[axis]);
    dropped[axis] = true;
  }
  Shape shape = x.shape();
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    if (dropped[axis] || (axes.empty() && shape[axis] == 1)) shape = shape.removed(axis);
  }
  return reshape_as("squeeze", x, shape);
}

Tensor unsqueeze(const Tensor& x, int axis) {
  check_input("unsqueeze", x);
  axis = normalize_axis("unsqueeze", axis, x.rank() + 1);
  check(x.rank() < Shape::max_rank, "unsqueeze: x of shape {} already has 8 axes, the most there can be", x.shape());
  return reshape_as("unsqueeze", x, x.shape().inserted(axis, 1));
}

Tensor permute(const Tensor& x, const std::vector<int>& order) {
  check_input("permute", x);
  check(static_cast<int>(order.size()) == x.rank(), "permute: order {} must name each of the {} axes of shape {} once",
        list(order), x.rank(), x.shape());
  std::vector<int> source;
  std::vector<int> inverse(order.size(), -1);
  std::vector<std::int64_t> sizes;
  for (int i = 0; i < x.rank(); ++i) {
    const int axis = normalize_axis("permute", order[static_cast<std::size_t>(i)], x.rank());
    check(inverse[static_cast<std::size_t>(axis)] < 0, "permute: order {} names axis {} twice", list(order), axis);
    inverse[static_cast<std::size_t>(axis)] = i;
    source.push_back(axis);
    sizes.push_back(x.shape()[axis]);
  }
  const Shape shape(sizes);
  Tensor result;
  if (kernels::keeps_order(x.shape(), source)) {
    result = view(x, shape);
  } else {
    result = Access::allocate(shape, x.dtype());
    kernels::permute(x, source, result);
  }
  return record("permute", std::move(result), wrt(x, [inverse = std::move(inverse)](const Tensor& g, Rows rows) {
                  if (!rows.many()) return permute(g, inverse);
                  std::vector<int> axes{0};
                  for (const int axis : inverse) axes.push_back(rows.axis(axis));
                  return permute(g, axes);
                }));
}

Tensor transpose(const Tensor& x, int axis0, int axis1) {
  check_input("transpose", x);
  std::vector<int> order(static_cast<std::size_t>(x.rank()));
  std::iota(order.begin(), order.end(), 0);
  const auto first = static_cast<std::size_t>(normalize_axis("transpose", axis0, x.rank()));
  const auto second = static_cast<std::size_t>(normalize_axis("transpose", axis1, x.rank()));
  std::swap(order[first], order[second]);
  return permute(x, order);
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  check_input("broadcast_to", x);
  if (x.shape() == shape) return x;
  check(broadcasts_to(x.shape(), shape), "broadcast_to: x of shape {} does not broadcast to {}", x.shape(), shape);
  const auto same = [](auto v) { return v; };
  Tensor result = x.numel() == shape.numel() ? view(x, shape)
                                             : detail::fused<Types::all, true>(same, shape, x.dtype(), std::array{&x});
  return record("broadcast_to", std::move(result),
                wrt(x, [](const Tensor& g, Rows /*rows*/) { return g; }));  // the tape sums it
}

namespace {

/// Every `step`-th position of an axis, `count` of them from `begin` on; a negative step walks backwards.
struct Range {
  int axis;
  std::int64_t begin;
  std::int64_t count;
  std::int64_t step;

  Range behind(Rows rows) const { return {rows.axis(axis), begin, count, step}; }
};

/// Copies the positions of `range` out of `from`, of shape `whole`, or back into it.
enum class Direction : std::uint8_t { out, in };

template <Direction direction>
void copy_range(const Tensor& from, const Tensor& to, const Shape& whole, const Range& range) {
  const auto bytes = static_cast<std::int64_t>(size_of(from.dtype()));
  const std::int64_t inner = whole.numel(range.axis + 1, whole.rank()) * bytes;
  const std::int64_t outer = whole.numel(0, range.axis);
  const std::int64_t size = whole[range.axis];
  const auto* source = Access::data<std::byte>(from);
  auto* target = Access::mutable_data<std::byte>(to);
  const std::int64_t begin = range.begin * inner;
  if (inner * range.count == 0) return;
  const auto copy = [&](std::int64_t whole_stride, std::int64_t part_stride, std::int64_t rows, std::int64_t run,
                        std::int64_t o) {
    const std::int64_t in_whole = o * size * inner + begin;
    const std::int64_t in_part = o * range.count * inner;
    if constexpr (direction == Direction::out)
      kernels::copy_runs(source + in_whole, whole_stride, target + in_part, part_stride, rows, run);
    else
      kernels::copy_runs(source + in_part, part_stride, target + in_whole, whole_stride, rows, run);
  };
  if (range.step == 1 || range.count == 1) {
    copy(size * inner, range.count * inner, outer, range.count * inner, 0);
    return;
  }
  for (std::int64_t o = 0; o < outer; ++o) copy(range.step * inner, inner, range.count, inner, o);
}

/// The positions of `range` as `shape`, unrecorded; shared if they lie together.
Tensor take_range(const Tensor& x, const Range& range, const Shape& shape) {
  const bool together = (range.step == 1 || range.count <= 1) && x.shape().numel(0, range.axis) == 1;
  if (together) return view(x, shape, range.count == 0 ? 0 : range.begin * x.shape().numel(range.axis + 1, x.rank()));
  Tensor result = Access::allocate(shape, x.dtype());
  copy_range<Direction::out>(x, result, x.shape(), range);
  return result;
}

Tensor slice_range(const Tensor& x, const Range& range);

/// Zeros of shape `whole` with the elements of g at the positions of `range`, unrecorded.
Tensor placed(const Tensor& g, const Shape& whole, const Range& range) {
  Tensor result = zeros(whole, g.dtype());
  copy_range<Direction::in>(g, result, whole, range);
  return result;
}

/// The gradient of slice, whose gradient is slice.
Tensor place_range(const Tensor& g, const Shape& whole, const Range& range) {
  return record("slice_gradient", placed(g, whole, range), wrt(g, [range](const Tensor& upstream, Rows rows) {
                  return slice_range(upstream, range.behind(rows));
                }));
}

/// The same for select, whose range is one position.
Tensor place_position(const Tensor& g, const Shape& whole, const Range& range) {
  return record("select_gradient", placed(g, whole, range), wrt(g, [range](const Tensor& upstream, Rows rows) {
                  return select(upstream, rows.axis(range.axis), range.begin);
                }));
}

Tensor slice_range(const Tensor& x, const Range& range) {
  return record("slice", take_range(x, range, x.shape().with(range.axis, range.count)),
                wrt(x, [range, whole = x.shape()](const Tensor& g, Rows rows) {
                  return place_range(g, rows.of(whole), range.behind(rows));
                }));
}

/// A bound counted from the front and moved to [first, last].
std::int64_t clip_bound(std::int64_t bound, std::int64_t size, std::int64_t first, std::int64_t last) {
  return std::clamp<std::int64_t>(bound < 0 ? bound + size : bound, first, last);
}

}  // namespace

Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end, std::int64_t step) {
  check_input("slice", x);
  axis = normalize_axis("slice", axis, x.rank());
  check(step != 0, "slice: step must not be 0");
  const std::int64_t size = x.shape()[axis];
  const std::int64_t first = step > 0 ? 0 : -1;  // -1: before the first one, where a walk backwards ends
  const std::int64_t last = step > 0 ? size : size - 1;
  begin = clip_bound(begin, size, first, last);
  end = clip_bound(end, size, first, last);
  const bool nothing = step > 0 ? begin >= end : begin <= end;
  const std::int64_t count = nothing ? 0 : (end - begin - (step > 0 ? 1 : -1)) / step + 1;
  if (count == size && (step > 0 || size <= 1)) return x;
  return slice_range(x, {axis, begin, count, step});
}

Tensor select(const Tensor& x, int axis, std::int64_t index) {
  check_input("select", x);
  axis = normalize_axis("select", axis, x.rank());
  const std::int64_t size = x.shape()[axis];
  check(index >= -size && index < size, "select: index {} is out of range for axis {} of size {}; x has shape {}",
        index, axis, size, x.shape());
  const Range range{axis, index < 0 ? index + size : index, 1, 1};
  return record("select", take_range(x, range, x.shape().removed(axis)),
                wrt(x, [range, whole = x.shape()](const Tensor& g, Rows rows) {
                  return place_position(g, rows.of(whole), range.behind(rows));
                }));
}

Tensor Tensor::operator[](std::int64_t index) const { return select(*this, 0, index); }

Tensor Tensor::slice(std::int64_t begin, std::int64_t end) const { return wengert::slice(*this, 0, begin, end); }

Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           double value) {
  check_input("pad", x);
  const auto rank = static_cast<std::size_t>(x.rank());
  check(before.size() == rank && after.size() == rank,
        "pad: before and after have {} and {} entries; x of shape {} has {} axes", before.size(), after.size(),
        x.shape(), rank);
  if (x.dtype() == DType::int64) detail::to_int64("pad", value);
  Tensor result = x.detach();
  // Outermost axis last: the largest copy is one run.
  for (int axis = x.rank() - 1; axis >= 0; --axis) {
    const std::int64_t above = before[static_cast<std::size_t>(axis)];
    const std::int64_t below = after[static_cast<std::size_t>(axis)];
    detail::check_padding(axis, above, below);
    if (above + below == 0) continue;
    const std::int64_t size = result.shape()[axis];
    const Tensor padded = full(result.shape().with(axis, above + size + below), value, x.dtype());
    copy_range<Direction::in>(result, padded, padded.shape(), {axis, above, size, 1});
    result = padded;
  }
  return record("pad", std::move(result), wrt(x, [before, shape = x.shape()](const Tensor& g, Rows rows) {
                  Tensor inside = g;
                  for (int axis = 0; axis < shape.rank(); ++axis) {
                    const std::int64_t begin = before[static_cast<std::size_t>(axis)];
                    inside = slice(inside, rows.axis(axis), begin, begin + shape[axis]);
                  }
                  return inside;
                }));
}

namespace {

/// Towards zero; the nearest int64 for what is out of range, 0 for NaN.
template <class From>
std::int64_t truncate(From value) {
  constexpr From limit = From(9223372036854775808.0);  // 2^63
  if (value >= limit) return std::numeric_limits<std::int64_t>::max();
  if (value < -limit) return std::numeric_limits<std::int64_t>::min();
  return std::isnan(value) ? 0 : static_cast<std::int64_t>(value);
}

template <class From, class To>
void convert(const From* from, To* to, std::int64_t n) {
  parallel_for(n, detail::elementwise_grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      if constexpr (std::is_integral_v<To> && !std::is_integral_v<From>)
        to[i] = truncate(from[i]);
      else
        to[i] = static_cast<To>(from[i]);
    }
  });
}

}  // namespace

Tensor Tensor::to(DType target) const {
  check_input("to", *this);
  if (target == dtype()) return *this;
  Tensor result = Access::allocate(shape(), target);
  dispatch(dtype(), [&]<class From>() {
    dispatch(target,
             [&]<class To>() { convert(Access::data<From>(*this), Access::mutable_data<To>(result), numel()); });
  });
  if (!is_floating(target)) return without_gradient("to", result, *this);
  return record("to", std::move(result),
                wrt(*this, [from = dtype()](const Tensor& g, Rows /*rows*/) { return g.to(from); }));
}

}  // namespace wengert
