#include "tests/draw.h"

#include <rapidcheck.h>

namespace wengert::test {

std::int64_t Draw::integer(std::int64_t low, std::int64_t high) { return *rc::gen::inRange(low, high + 1); }

Shape Draw::shape(int least_rank, int most_rank, std::int64_t least_size) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(integer(least_rank, most_rank)));
  for (std::int64_t& size : sizes) size = integer(least_size, 5);
  return Shape(sizes);
}

Shape Draw::shape_or_empty(int least_rank, int most_rank) {
  const Shape result = shape(least_rank, most_rank);
  return result.rank() > 0 && integer(0, 5) == 5 ? result.with(static_cast<int>(integer(0, result.rank() - 1)), 0)
                                                 : result;
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
