#pragma once

#include <gtest/gtest.h>

#include <wengert/autograd/tensor.h>

#include "tests/expect.h"

namespace wengert {

/// Expects the same shape, and elements that differ by no more than `tolerance`.
inline void expect_near(const Tensor& actual, const Tensor& expected, double tolerance = 1e-12) {
  ASSERT_EQ(actual.shape(), expected.shape());
  const auto a = values_of(actual);
  const auto e = values_of(expected);
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], e[i], tolerance) << "element " << i;
}

}  // namespace wengert
