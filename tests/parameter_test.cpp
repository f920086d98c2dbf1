#include <sstream>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/parameter.h>

#include "tests/expect.h"

namespace wengert {
namespace {

TEST(Parameter, StaysTheSameParameterWhenGivenATemporarysNumbers) {
  Parameter p(ones({2}));
  const ParameterRef known = p;
  p = Parameter(zeros({2}));
  EXPECT_TRUE(p.is(known));
  EXPECT_EQ(known->data<float>()[0], 0);
  p = Parameter(zeros({3}));
  EXPECT_FALSE(p.is(known)) << "another shape makes another parameter";
}

Parameter three(double first = 1) { return Parameter(from_data({first, 2.0, 3.0}, float64)); }

TEST(Parameter, IsALeafThatOpsTakeAsATensor) {
  const Parameter p = three();
  EXPECT_TRUE(p->requires_grad());
  EXPECT_TRUE(p->is_leaf());
  sum(2 * p * p + p - 1).backward();
  EXPECT_EQ(values_of(p.grad()), (std::vector<double>{5, 9, 13}));
  EXPECT_TRUE(p.has_grad());
  p.zero_grad();
  EXPECT_FALSE(p.has_grad());
}

TEST(Parameter, IsTakenWhereAnOpTakesATensorOrANumber) {
  const Parameter p = three();
  const Parameter q = three(-1);
  EXPECT_EQ(values_of(maximum(p, q)), values_of(p));
  EXPECT_EQ(values_of(where(p > 1.5, p, q)), (std::vector<double>{-1, 2, 3}));
}

TEST(Parameter, PrintsAsItsNumbers) {
  std::ostringstream text;
  text << three();
  std::ostringstream expected;
  expected << from_data({1, 2, 3}, float64);
  EXPECT_EQ(text.str(), expected.str());
}

TEST(Parameter, DropsTheGraphOfTheTensorItIsMadeFrom) {
  const Tensor x = from_data({1, 2}).requires_grad(true);
  const Parameter p(x * 2);
  sum(p * 1).backward();
  EXPECT_FALSE(x.grad().defined());
  EXPECT_TRUE(p.has_grad());
}

TEST(Parameter, WithoutATensorIsUndefinedForOps) {
  const Parameter p;
  EXPECT_FALSE(p.defined());
  EXPECT_FALSE(p.value().defined());
  EXPECT_FALSE(p.has_grad());
  p.zero_grad();
  EXPECT_FALSE(Parameter(p).defined());
  expect_error<Error>([&] { ParameterRef(p).set(ones({1})); }, "Parameter.set: this handle refers to no parameter");
}

TEST(Parameter, IsOfAFloatingType) {
  expect_error<DTypeError>([] { Parameter p(arange(3, int64)); }, "Parameter: value is int64");
  expect_error<Error>([] { Parameter p{Tensor()}; }, "Parameter: value is undefined");
}

TEST(Parameter, ACopyIsAParameterOfItsOwnWithTheSameNumbersAndNoGradient) {
  Parameter p = three();
  sum(p * p).backward();
  Parameter copy = p;
  EXPECT_FALSE(copy.is(p));
  EXPECT_FALSE(copy.has_grad());
  EXPECT_EQ(values_of(copy), values_of(p));
  EXPECT_EQ(copy->data<double>().data(), p->data<double>().data());
  copy.set(from_data({7, 8, 9}, float64));
  EXPECT_EQ(values_of(p), (std::vector<double>{1, 2, 3}));
}

TEST(Parameter, AHandleSeesWhatItsParameterBecomes) {
  Parameter p = three();
  const ParameterRef handle = p;
  p.set(from_data({4, 5, 6}, float64));
  EXPECT_TRUE(handle.is(p));
  EXPECT_EQ(values_of(handle), (std::vector<double>{4, 5, 6}));
  handle.set(from_data({7, 8, 9}, float64));
  EXPECT_EQ(values_of(p), (std::vector<double>{7, 8, 9}));
}

TEST(Parameter, MovingKeepsWhichParameterItIs) {
  Parameter p = three();
  const ParameterRef handle = p;
  Parameter moved = std::move(p);
  EXPECT_TRUE(handle.is(moved));
  Parameter target;
  target = std::move(moved);
  EXPECT_TRUE(handle.is(target));
}

TEST(Parameter, AssigningACopyOfTheSameShapeChangesTheNumbersOnly) {
  Parameter p = three();
  sum(p * p).backward();
  const ParameterRef handle = p;
  const Parameter other = three(10);
  p = other;
  EXPECT_TRUE(handle.is(p));
  EXPECT_TRUE(p.has_grad());
  EXPECT_EQ(values_of(handle), (std::vector<double>{10, 2, 3}));

  const Parameter longer(zeros({5}));
  p = longer;
  EXPECT_FALSE(handle.is(p));
  EXPECT_EQ(p->numel(), 5);
  EXPECT_FALSE(p.is(longer));
}

TEST(Parameter, AssigningItselfChangesNothing) {
  Parameter p = three();
  const ParameterRef handle = p;
  const Parameter& same = p;
  p = same;
  EXPECT_TRUE(handle.is(p));
  EXPECT_EQ(values_of(p), (std::vector<double>{1, 2, 3}));
}

TEST(Parameter, OfAConstModuleCannotBeSet) {
  const auto settable = [](auto& p) { return requires { p.set(Tensor()); }; };
  Parameter p = three();
  const Parameter& constant = p;
  EXPECT_TRUE(settable(p));
  EXPECT_FALSE(settable(constant));
  EXPECT_FALSE((std::is_convertible_v<Tensor, Parameter>)) << "an assignment would silently lose the identity";
}

TEST(ParameterSet, IsAWholeOptimizerInsideNoGrad) {
  Parameter p = three();
  for (int step = 0; step < 2; ++step) {
    p.zero_grad();
    sum(p * p).backward();
    no_grad([&] { p.set(p - 0.25 * p.grad()); });
  }
  EXPECT_EQ(values_of(p), (std::vector<double>{0.25, 0.5, 0.75}));
  EXPECT_TRUE(p->is_leaf());
}

TEST(ParameterSet, KeepsTheGradientAndDropsTheGraphOfTheValue) {
  Parameter p = three();
  const Tensor x = from_data({1, 1, 1}, float64).requires_grad(true);
  sum(p * p).backward();
  p.set(x * 5);
  EXPECT_EQ(values_of(p.grad()), (std::vector<double>{2, 4, 6}));
  sum(p * 1).backward();
  EXPECT_EQ(values_of(p.grad()), (std::vector<double>{3, 5, 7}));
  EXPECT_FALSE(x.grad().defined());
}

TEST(ParameterSet, LeavesAGraphRecordedBeforeWithTheOldNumbers) {
  Parameter p = three();
  const Tensor loss = sum(p * p);
  p.set(from_data({10, 10, 10}, float64));
  loss.backward();
  EXPECT_EQ(values_of(p.grad()), (std::vector<double>{2, 4, 6}));
}

TEST(ParameterSet, TakesTheParametersShapeAndTypeOnly) {
  Parameter p = three();
  expect_error<ShapeError>([&] { p.set(zeros({2}, float64)); },
                           "Parameter.set: value has shape [2], the parameter has [3]");
  expect_error<DTypeError>([&] { p.set(zeros({3})); }, "Parameter.set: value is float32, the parameter is float64");
  expect_error<Error>([&] { p.set(Tensor()); }, "Parameter.set: value is undefined");
  EXPECT_EQ(values_of(p), (std::vector<double>{1, 2, 3}));
}

TEST(ParameterGrad, IsComputedForAListOfHandles) {
  Parameter a = three();
  Parameter b = three();
  const std::vector<ParameterRef> parameters{a, b};
  const std::vector<Tensor> gradients = grad(sum(a * a * b), parameters);
  EXPECT_EQ(values_of(gradients.at(0)), (std::vector<double>{2, 8, 18}));
  EXPECT_EQ(values_of(gradients.at(1)), (std::vector<double>{1, 4, 9}));
  EXPECT_FALSE(a.has_grad());
  EXPECT_EQ(values_of(grad(sum(a * b), a)), values_of(b));
  EXPECT_EQ(values_of(grad(sum(a * b), {a, b}).at(0)), values_of(b));
}

TEST(ParameterWritable, IsInPlaceOnlyWhileNobodyElseSeesTheElements) {
  Parameter p(from_data({1, 2, 3}, float64) * 1);
  const double* elements = p->data<double>().data();
  EXPECT_EQ(detail::writable(p).data<double>().data(), elements);
  const Tensor handle = p.value();
  EXPECT_NE(detail::writable(p).data<double>().data(), elements);
  const Parameter view(handle.slice(0, 2));
  EXPECT_NE(detail::writable(view).data<double>().data(), elements);
}

}  // namespace
}  // namespace wengert
