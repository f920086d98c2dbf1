#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include <fmt/core.h>

namespace wengert {

/// Sizes of a tensor's axes, outermost first; a plain value without an allocation. Rank 0 is a scalar.
class Shape {
 public:
  static constexpr int max_rank = 8;

  constexpr Shape() = default;
  /// Throws ShapeError on more than eight axes, a negative size, or a product of sizes, zeros left out, that no memory
  /// has.
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims) {
    if (dims.size() > max_rank) [[unlikely]]
      fail_rank(dims);
    rank_ = static_cast<std::int32_t>(dims.size());
    std::copy(dims.begin(), dims.end(), dims_);
    check_sizes();
  }
  explicit Shape(const std::vector<std::int64_t>& dims) : Shape(std::span(dims)) {}

  int rank() const noexcept { return rank_; }
  /// Unchecked; 0 <= axis < rank().
  std::int64_t operator[](int axis) const noexcept { return dims_[axis]; }
  const std::int64_t* begin() const noexcept { return dims_; }
  const std::int64_t* end() const noexcept { return dims_ + rank_; }

  /// Product of all sizes; 1 for a scalar.
  std::int64_t numel() const noexcept { return numel(0, rank_); }
  /// Product of the sizes of axes [first, last).
  std::int64_t numel(int first, int last) const noexcept {
    std::int64_t product = 1;
    for (int axis = first; axis < last; ++axis) product *= dims_[axis];
    return product;
  }

  /// This shape with one axis replaced, inserted before `axis`, or removed. Throws like the constructor.
  Shape with(int axis, std::int64_t size) const {
    Shape result = *this;
    result.dims_[axis] = size;
    result.check_sizes();
    return result;
  }
  Shape inserted(int axis, std::int64_t size) const;
  Shape removed(int axis) const;

  friend bool operator==(const Shape& a, const Shape& b) noexcept {
    return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
  }

  /// "[2, 3]"
  std::string to_string() const;

 private:
  // Inline, as every op makes a shape or two; what is thrown is not.
  void check_sizes() const {
    std::int64_t count = 1;
    bool bad = false;
    for (const std::int64_t size : *this) {
      const std::int64_t factor = size == 0 ? 1 : size;  // the others still count: products of some must fit too
      bad = bad || size < 0 || __builtin_mul_overflow(count, factor, &count) || count > max_numel;
    }
    if (bad) [[unlikely]]
      fail_sizes();
  }
  [[noreturn]] static void fail_rank(std::span<const std::int64_t> dims);
  [[noreturn]] void fail_sizes() const;

  /// In bytes, with a header and rounding, this still fits 64 bits; what memory there is, the allocator says.
  static constexpr std::int64_t max_numel = std::int64_t{1} << 56;

  std::int64_t dims_[max_rank] = {};
  std::int32_t rank_ = 0;
};

std::ostream& operator<<(std::ostream& out, const Shape& shape);

/// The shape that `a` and `b` broadcast to (NumPy's rule: align at the last axis, sizes are equal or one of them is 1).
/// Throws ShapeError that names `op` and both shapes.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

/// Whether broadcast_shapes has a result.
bool broadcastable(const Shape& a, const Shape& b) noexcept;

/// Whether `from` broadcasts to exactly `to`.
bool broadcasts_to(const Shape& from, const Shape& to) noexcept;

/// `axis` counted from the front: -1 is the last axis. Throws ShapeError naming `op` when out of range [-rank, rank).
int normalize_axis(const char* op, int axis, int rank);

}  // namespace wengert

template <>
struct fmt::formatter<wengert::Shape> {
  constexpr auto parse(format_parse_context& context) { return context.begin(); }
  auto format(const wengert::Shape& shape, format_context& context) const -> format_context::iterator;
};
