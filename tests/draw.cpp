#include "tests/draw.h"

#include <algorithm>

#include <rapidcheck.h>

namespace wengert::test {

std::int64_t Draw::integer(std::int64_t low, std::int64_t high) {
  // All of the range in all draws; by default the first ones would come from its beginning.
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(low, high + 1));
}

Shape Draw::shape(int least_rank, int most_rank, std::int64_t least_size) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(integer(least_rank, most_rank)));
  for (std::int64_t& size : sizes) size = integer(least_size, 5);
  return Shape(sizes);
}

Shape Draw::any_shape(int least_rank, int most_rank) {
  Shape result = shape(least_rank, most_rank);
  const std::int64_t kind = integer(0, 7);
  if (result.rank() == 0 || kind < 6) return result;
  const auto axis = static_cast<int>(integer(0, result.rank() - 1));
  if (kind == 6) return result.with(axis, 0);
  for (int other = 0; other < result.rank(); ++other) {
    result = result.with(other, other == axis ? integer(6, 150) : std::min<std::int64_t>(result[other], 2));
  }
  return result;
}

Shape Draw::broadcasting_to(const Shape& shape) {
  std::vector<std::int64_t> sizes;
  for (auto axis = static_cast<int>(integer(0, shape.rank())); axis < shape.rank(); ++axis) {
    sizes.push_back(coin() ? 1 : shape[axis]);
  }
  return Shape(sizes);
}

int Draw::axis(int rank) { return static_cast<int>(integer(-rank, rank - 1)); }

std::vector<int> Draw::axes(int rank) {
  std::vector<int> some = order_of_axes(rank);
  some.resize(static_cast<std::size_t>(integer(0, rank)));
  return some;
}

std::vector<int> Draw::order_of_axes(int rank) {
  std::vector<int> order;
  for (int axis = 0; axis < rank; ++axis) {
    order.insert(order.begin() + integer(0, axis), coin() ? axis - rank : axis);
  }
  return order;
}

}  // namespace wengert::test
