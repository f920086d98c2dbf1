#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include <wengert/autograd/dtype.h>
#include <wengert/autograd/error.h>
#include <wengert/autograd/shape.h>

namespace wengert {

namespace {

template <class Iterator>
std::string list(Iterator first, Iterator last) {
  std::string text = "[";
  for (Iterator size = first; size != last; ++size) {
    if (size != first) text += ", ";
    text += std::to_string(*size);
  }
  return text + "]";
}

}  // namespace

void Shape::fail_rank(std::span<const std::int64_t> dims) {
  fail<ShapeError>("shape: a tensor has at most 8 axes, got {}: {}", dims.size(), list(dims.begin(), dims.end()));
}

void Shape::fail_sizes() const {
  if (std::any_of(begin(), end(), [](std::int64_t size) { return size < 0; })) {
    fail<ShapeError>("shape: sizes must be >= 0, got {}", *this);
  }
  fail<ShapeError>("shape: {} has more elements than fit in memory", *this);
}

Shape Shape::inserted(int axis, std::int64_t size) const {
  if (rank_ >= max_rank) fail<ShapeError>("shape: {} already has 8 axes, the most there can be", *this);
  Shape result = *this;
  std::copy_backward(result.dims_ + axis, result.dims_ + rank_, result.dims_ + rank_ + 1);
  result.dims_[axis] = size;
  ++result.rank_;
  result.check_sizes();
  return result;
}

Shape Shape::removed(int axis) const {
  Shape result = *this;
  std::copy(dims_ + axis + 1, dims_ + rank_, result.dims_ + axis);
  result.dims_[--result.rank_] = 0;
  return result;
}

std::string Shape::to_string() const { return list(begin(), end()); }

std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name_of(dtype); }

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.to_string(); }

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  const int offset = longer.rank() - shorter.rank();
  Shape result = longer;
  for (int axis = 0; axis < shorter.rank(); ++axis) {
    const std::int64_t l = longer[axis + offset];
    const std::int64_t s = shorter[axis];
    check(l == s || l == 1 || s == 1,
          "{}: shapes {} and {} do not broadcast: sizes {} and {} of axis {} differ and neither is 1", op, a, b,
          a.rank() >= b.rank() ? l : s, a.rank() >= b.rank() ? s : l, axis + offset - longer.rank());
    if (l == 1) result = result.with(axis + offset, s);
  }
  return result;
}

bool broadcastable(const Shape& a, const Shape& b) noexcept {
  for (int back = 1; back <= std::min(a.rank(), b.rank()); ++back) {
    const std::int64_t of_a = a[a.rank() - back];
    const std::int64_t of_b = b[b.rank() - back];
    if (of_a != of_b && of_a != 1 && of_b != 1) return false;
  }
  return true;
}

bool broadcasts_to(const Shape& from, const Shape& to) noexcept {
  const int offset = to.rank() - from.rank();
  if (offset < 0) return false;
  for (int axis = 0; axis < from.rank(); ++axis) {
    if (from[axis] != to[axis + offset] && from[axis] != 1) return false;
  }
  return true;
}

int normalize_axis(const char* op, int axis, int rank) {
  check(rank > 0, "{}: axis {} is out of range for a scalar, which has none", op, axis);
  check(axis >= -rank && axis < rank, "{}: axis {} is out of range for a tensor of rank {} (valid: {} to {})", op, axis,
        rank, -rank, rank - 1);
  return axis < 0 ? axis + rank : axis;
}

}  // namespace wengert

auto fmt::formatter<wengert::Shape>::format(const wengert::Shape& shape, format_context& context) const
    -> format_context::iterator {
  return fmt::format_to(context.out(), "{}", shape.to_string());
}

auto fmt::formatter<wengert::DType>::format(wengert::DType dtype, format_context& context) const
    -> format_context::iterator {
  return fmt::format_to(context.out(), "{}", wengert::name_of(dtype));
}
