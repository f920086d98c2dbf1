#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <wengert/autograd/shape.h>

namespace wengert::test {

/// Choices of a random row of the table of cases. RapidCheck makes them, and when a property fails it looks for the
/// smallest ones with which it still does.
class Draw {
 public:
  /// From low to high, both included; the smaller ones are simpler.
  std::int64_t integer(std::int64_t low, std::int64_t high);
  bool coin() { return integer(0, 1) == 1; }
  /// One of those, the first one is the simplest.
  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return *(choices.begin() + integer(0, static_cast<std::int64_t>(choices.size()) - 1));
  }

  /// The size of an axis, 1 among them.
  std::int64_t size() { return integer(1, 5); }
  /// `least_rank` to `most_rank` axes of `least_size` to 5 elements.
  Shape shape(int least_rank, int most_rank, std::int64_t least_size = 1);
  /// The same; now and then with an axis of size 0, or with a long one, which takes loops beyond their first rounds.
  Shape any_shape(int least_rank, int most_rank);
  /// A shape that broadcasts to `shape`: axes of size 1 in the place of some, leading ones missing.
  Shape broadcasting_to(const Shape& shape);

  /// An axis of a tensor of this rank, counted from either end.
  int axis(int rank);
  /// Some of its axes, perhaps none, in any order; each counted from either end.
  std::vector<int> axes(int rank);
  /// All of them.
  std::vector<int> order_of_axes(int rank);
};

}  // namespace wengert::test
