#pragma once

#include <cstdint>
#include <optional>

#include <wengert/autograd/tensor.h>

/// \file
/// Indexing as in Python: `x.index({Slice(1, -1), 3, Ellipsis, rows})` is `x[1:-1, 3, ..., rows]`.

namespace wengert {

/// `begin:end:step` of one axis; all of it by default. A bound left out (`{}`) is the end of the axis that the step
/// walks from or to.
struct Slice {
  std::optional<std::int64_t> begin = {};
  std::optional<std::int64_t> end = {};
  std::int64_t step = 1;
};

struct EllipsisType {};
struct NewAxisType {};

/// As many whole axes as are left over by the other entries; at most once in an index.
inline constexpr EllipsisType Ellipsis{};
/// An axis of size 1 that x does not have.
inline constexpr NewAxisType NewAxis{};

/// One entry of an index.
class IndexItem {
 public:
  enum class Kind : std::uint8_t { number, slice, ellipsis, new_axis, tensor };

  IndexItem(std::int64_t position) : kind(Kind::number), number(position) {}     // NOLINT(google-explicit-constructor)
  IndexItem(const Slice& range) : kind(Kind::slice), slice(range) {}             // NOLINT(google-explicit-constructor)
  IndexItem(EllipsisType /*unused*/) : kind(Kind::ellipsis) {}                   // NOLINT(google-explicit-constructor)
  IndexItem(NewAxisType /*unused*/) : kind(Kind::new_axis) {}                    // NOLINT(google-explicit-constructor)
  IndexItem(const Tensor& positions) : kind(Kind::tensor), tensor(positions) {}  // NOLINT(google-explicit-constructor)

  Kind kind;
  std::int64_t number = 0;
  Slice slice = {};
  Tensor tensor = {};
};

}  // namespace wengert
