#include <cmath>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

using Mode = GradcheckOptions::Mode;

Tensor leaf(const NestedList& values) { return from_data(values, float64).requires_grad(true); }

/// x^2 with a gradient of one's own.
template <class Rule>
Tensor square_with(const Tensor& x, Rule rule) {
  return record("my_square", square(x.detach()), wrt(x, rule));
}

/// x^2 whose gradient is 1 % too large at element 2.
Tensor wrong_square(const Tensor& x) {
  return square_with(x, [x](const Tensor& g) { return g * 2 * x * from_data({1, 1, 1.01, 1}, float64); });
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Gradcheck, AcceptsRightGradientsInBothModesAndOrders) {
  const Tensor x = leaf({0.3, -0.7, 1.1, 0.2});
  const Tensor y = leaf({{0.5}, {2.0}});
  for (const Mode mode : {Mode::projection, Mode::jacobian}) {
    for (const int order : {1, 2}) {
      const GradcheckReport report = gradcheck([](const Tensor& a, const Tensor& b) { return tanh(a) * exp(b) / b; },
                                               {x, y}, {.mode = mode, .order = order});
      EXPECT_TRUE(report) << report.text;
      EXPECT_EQ(report.text, "");
    }
  }
}

TEST(Gradcheck, TakesTensorsOneByOneOrAllAtOnceAndSeveralResults) {
  const Tensor x = leaf({0.3, -0.7});
  EXPECT_TRUE(gradcheck([](const Tensor& a) { return sin(a); }, {x}));
  EXPECT_TRUE(gradcheck([](const std::vector<Tensor>& in) { return in[0] * in[1]; }, {x, x}));
  EXPECT_TRUE(gradcheck([](std::span<const Tensor> in) { return in[0] * in[1]; }, {x, x}));
  EXPECT_TRUE(gradcheck([](const Tensor& a) { return std::vector<Tensor>{sin(a), exp(a) * 2}; }, {x}, {.order = 2}));
  EXPECT_TRUE(gradcheck(exp, {x}));
}

TEST(Gradcheck, ShowsWhichElementOfWhichInputIsWrong) {
  const Tensor fine = leaf({1, 1, 1, 1});
  const Tensor x = leaf({0.5, 1, 3, -2});
  const GradcheckReport report =
      gradcheck([](const Tensor& a, const Tensor& b) { return sum(a * wrong_square(b)); }, {fine, x});
  ASSERT_FALSE(report);
  EXPECT_TRUE(contains(report.text, "order 1")) << report.text;
  EXPECT_TRUE(contains(report.text, "random projection")) << report.text;
  EXPECT_TRUE(contains(report.text, "[2]")) << report.text;
  EXPECT_FALSE(contains(report.text, "[1]")) << report.text;
  EXPECT_TRUE(contains(report.text, "rel. error")) << report.text;
  EXPECT_TRUE(contains(report.text, "9.901e-03")) << report.text;  // 0.01 / 1.01
}

TEST(Gradcheck, ShowsTheOutputElementOfAWrongJacobian) {
  const Tensor x = leaf({0.5, 1, 3, -2});
  const GradcheckReport report = gradcheck(wrong_square, {x}, {.mode = Mode::jacobian});
  ASSERT_FALSE(report);
  EXPECT_TRUE(contains(report.text, "full Jacobian")) << report.text;
  EXPECT_TRUE(contains(report.text, "1 of 16 derivatives")) << report.text;
  EXPECT_TRUE(contains(report.text, "0 [2]")) << report.text;
  EXPECT_TRUE(contains(report.text, "6.06")) << report.text;
}

TEST(Gradcheck, ListsTheWorstEntriesFirst) {
  const Tensor x = leaf({1, 10, 5});
  const auto doubled = [](const Tensor& a) { return square_with(a, [a](const Tensor& g) { return g * 4 * a; }); };
  const GradcheckReport report = gradcheck(doubled, {x}, {.mode = Mode::jacobian, .listed = 2});
  ASSERT_FALSE(report);
  EXPECT_TRUE(contains(report.text, "the worst 2")) << report.text;
  const std::size_t second = report.text.find("[2]");
  EXPECT_LT(report.text.find("[1]"), second) << report.text;
  EXPECT_NE(second, std::string::npos) << report.text;
  EXPECT_FALSE(contains(report.text, "[0]")) << report.text;
}

TEST(Gradcheck, FindsAGradientThatForgetsItsInputWhenDifferentiatedAgain) {
  const Tensor x = leaf({0.5, 1, 3});
  const auto f = [](const Tensor& a) { return square_with(a, [a](const Tensor& g) { return g * 2 * a.detach(); }); };
  EXPECT_TRUE(gradcheck(f, {x}));
  const GradcheckReport report = gradcheck(f, {x}, {.order = 2});
  ASSERT_FALSE(report);
  EXPECT_TRUE(contains(report.text, "order 2")) << report.text;
}

TEST(Gradcheck, FindsAGradientThatForgetsItsUpstreamWhenDifferentiatedAgain) {
  const Tensor x = leaf({0.5, 1, 3});
  const auto f = [](const Tensor& a) { return square_with(a, [a](const Tensor& g) { return g.detach() * 2 * a; }); };
  EXPECT_TRUE(gradcheck(f, {x}));
  const GradcheckReport report = gradcheck(f, {x}, {.order = 2});
  ASSERT_FALSE(report);
  EXPECT_TRUE(contains(report.text, "gradient 0")) << report.text;
}

TEST(Gradcheck, FindsNaN) {
  const auto f = [](const Tensor& a) {
    return square_with(a, [a](const Tensor& g) { return g * a * std::numeric_limits<double>::quiet_NaN(); });
  };
  EXPECT_FALSE(gradcheck(f, {leaf({1, 2})}));
}

TEST(Gradcheck, HoldsInputsWithoutAGradientFixed) {
  const Tensor x = leaf({0.5, 1});
  const Tensor fixed = from_data({2, 3}, float64);
  const Tensor index = from_data({1, 0, 0}, DType::int64);
  const auto f = [](const Tensor& a, const Tensor& b, const Tensor& i) {
    EXPECT_FALSE(b.requires_grad());
    return index_select(a * square_with(b, [](const Tensor& g) { return g * 0; }), 0, i);
  };
  const GradcheckReport report = gradcheck(f, {x, fixed, index}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
}

TEST(Gradcheck, TakesMissingDerivativesForZero) {
  const Tensor x = leaf({0.5, 1});
  const Tensor unused = leaf({2, 3});
  EXPECT_TRUE(gradcheck([](const Tensor& a, const Tensor&) { return sin(a); }, {x, unused}, {.order = 2}));
  EXPECT_TRUE(gradcheck(
      [](const Tensor& a) {
        return std::vector<Tensor>{argmax(a), a < 3, sin(a)};
      },
      {x}, {.order = 2}));
  EXPECT_TRUE(gradcheck([](const Tensor& a) { return a < 3; }, {x}, {.order = 2}));
  // But one that is missing and should not be is wrong.
  EXPECT_FALSE(gradcheck([](const Tensor& a) { return sin(a.detach()); }, {x}));
}

TEST(Gradcheck, LeavesTheInputsAndTheModeAlone) {
  const Tensor x = leaf({0.5, 1});
  const NoGrad guard;
  EXPECT_TRUE(gradcheck([](const Tensor& a) { return sin(a); }, {x}, {.order = 2}));
  EXPECT_FALSE(grad_enabled());
  EXPECT_FALSE(x.grad().defined());
}

TEST(Gradcheck, WorksForInputsOfManySizes) {
  EXPECT_TRUE(gradcheck([](const Tensor& a) { return exp(a); }, {leaf(0.5)}, {.order = 2}));
  EXPECT_TRUE(gradcheck([](const Tensor& a) { return exp(a); }, {zeros({0, 3}, float64).requires_grad(true)}));
  EXPECT_TRUE(gradcheck([](const Tensor& a) { return tanh(a); }, {linspace(-3, 3, 10000, float64).requires_grad(true)},
                        {.order = 2}));
}

TEST(Gradcheck, NoticesAFunctionThatChangesItsMind) {
  Generator generator(1);
  const GradcheckReport report = gradcheck([&](const Tensor& a) { return dropout(a, 0.5, true, generator); },
                                           {ones({100}, float64).requires_grad(true)});
  ASSERT_FALSE(report);
  EXPECT_TRUE(contains(report.text, "different outputs for the same inputs")) << report.text;
}

TEST(Gradcheck, RejectsWhatItCannotCheck) {
  const auto f = [](const Tensor& a) { return sin(a); };
  EXPECT_TRUE(contains(message_of<DTypeError>([&] { (void)gradcheck(f, {ones({2}).requires_grad(true)}); }),
                       "gradcheck: input 0 is float32"));
  EXPECT_TRUE(contains(
      message_of<DTypeError>([&] { (void)gradcheck([](const Tensor& a) { return a.to(float32); }, {leaf({1})}); }),
      "outputs must be float64"));
  EXPECT_TRUE(contains(message_of<Error>([&] { (void)gradcheck(f, {ones({2}, float64)}); }), "requires a gradient"));
  EXPECT_TRUE(contains(message_of<Error>([&] { (void)gradcheck(f, {Tensor()}); }), "input 0 is undefined"));
  EXPECT_TRUE(contains(message_of<Error>([&] {
                         (void)gradcheck(f, {leaf({1}), leaf({2})});
                       }),
                       "takes 1 tensors, inputs has 2"));
  EXPECT_TRUE(
      contains(message_of<Error>([&] { (void)gradcheck(f, {leaf({1})}, {.order = 3}); }), "order must be 1 or 2"));
}

TEST(RequireGradcheck, ThrowsTheReport) {
  EXPECT_NO_THROW(require_gradcheck(sin, {leaf({1})}));
  EXPECT_TRUE(contains(message_of<Error>([] { require_gradcheck(wrong_square, {leaf({0.5, 1, 3, -2})}); }), "[2]"));
}

}  // namespace
}  // namespace wengert
