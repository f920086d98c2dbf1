#pragma once

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/tensor.h>

#include "tests/expect.h"

namespace wengert {

/// Whole numbers from -3 to 4 in no simple order: sums of their products are exact, so results can be compared with ==.
inline Tensor whole(const Shape& shape, int seed, DType dtype = float64) {
  std::vector<double> numbers(static_cast<std::size_t>(shape.numel()));
  std::uint64_t state = 977 * static_cast<std::uint64_t>(seed) + 1;
  for (double& number : numbers) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    number = static_cast<double>(state >> 33 & 7) - 3;
  }
  return from_vector(numbers, shape).to(dtype);
}

/// Expects the same shape and the same numbers.
inline void expect_same(const Tensor& actual, const Tensor& expected) {
  ASSERT_EQ(actual.shape(), expected.shape());
  EXPECT_EQ(values_of(actual), values_of(expected));
}

}  // namespace wengert
