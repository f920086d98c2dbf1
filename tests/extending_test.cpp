// The code blocks of docs/extending.md, one after the other, put together by CMake.
#include <gtest/gtest.h>

#include "extending_md.h"
#include "tests/expect.h"

namespace {

TEST(ExtendingPage, HasOpsWithRightGradients) { EXPECT_NO_THROW(check_my_ops()); }

TEST(ExtendingPage, HasOpsWithRightValues) {
  const Tensor x = from_data({-2, 0, 3}, float64);
  EXPECT_EQ(values_of(softsign(x)), (std::vector<double>{-2.0 / 3, 0, 0.75}));
  EXPECT_EQ(weighted_norm(from_data({3, 4}, float64), ones({2}, float64)).item(), 5);
  EXPECT_EQ(values_of(sine_and_cosine(x)[1]), values_of(cos(x)));
  EXPECT_EQ(gauss(full({}, 0), ones({})).item(), 1);
}

TEST(ExtendingPage, HasErrorsThatNameTheOp) {
  expect_error<ShapeError>([] { weighted_norm(ones({2}), ones({3})); },
                           "weighted_norm: x has shape [2], w has [3]; they must be equal");
  const Tensor x = full({}, 3).requires_grad(true);
  EXPECT_EQ(parity(x).item(), 1);
  expect_error<GraphError>([&] { parity(x).backward(); }, "parity: has no gradient with respect to input 0");
}

TEST(ExtendingPage, HasAnOpWithAFusedBackwardPassOfItsOwn) {
  const Tensor x = from_data({0.1, 0.7}).requires_grad(true);
  const auto both = sine_and_cosine(x);
  sum(both[0] * 2 + both[1]).backward();
  const auto expected = values_of(2 * cos(x) - sin(x));
  const auto actual = values_of(x.grad());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-6);
}

}  // namespace
