#include "tests/draw.h"

#include <rapidcheck.h>

namespace wengert::test {

std::int64_t Draw::integer(std::int64_t low, std::int64_t high) { return *rc::gen::inRange(low, high + 1); }

Shape Draw::shape(int least_rank, int most_rank, std::int64_t least_size) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(integer(least_rank, most_rank)));
  for (std::int64_t& size : sizes) size = integer(least_size, 5);
  return Shape(sizes);
}

Shape Draw::broadcasting_to(const Shape& shape) {
  std::vector<std::int64_t> sizes;
  for (auto axis = static_cast<int>(integer(0, shape.rank())); axis < shape.rank(); ++axis) {
    sizes.push_back(coin() ? 1 : shape[axis]);
  }
  return Shape(sizes);
}

}  // namespace wengert::test
