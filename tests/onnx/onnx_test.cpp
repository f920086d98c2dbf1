#include <algorithm>
#include <cctype>
#include <cmath>
#include <iostream>
#include <limits>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/expect.h"
#include "tests/onnx/cases.h"
#include "tests/onnx/coverage.h"
#include "tests/ops_header.h"

namespace wengert::test::onnx {
namespace {

/// So many cases of the known version pass. This may grow.
constexpr int least_passed = 872;

/// Another version of the package has other cases, fewer of which this reader may know.
std::string other_version_message() {
  return fmt::format("what passes is known of version {} of the package; this one has {} cases", known_version,
                     cases().size());
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Operator& op : operators()) all.push_back(op.name);
  return all;
}

class OnnxOperator : public ::testing::TestWithParam<std::string> {};

TEST_P(OnnxOperator, AgreesWithItsCases) {
  if (!has_data()) GTEST_SKIP() << no_data_message();
  for (const Case* one : cases_of(GetParam())) {
    const Result result = run(*one);
    EXPECT_FALSE(result.outcome == Result::Outcome::failed) << one->name << ": " << result.text;
  }
}

INSTANTIATE_TEST_SUITE_P(All, OnnxOperator, ::testing::ValuesIn(names()), [](const auto& test) { return test.param; });

TEST(Onnx, GraphsOfSeveralOperatorsAgree) {
  if (!has_data()) GTEST_SKIP() << no_data_message();
  for (const Case* one : cases_of("")) {
    const Result result = run(*one);
    EXPECT_FALSE(result.outcome == Result::Outcome::failed) << one->name << ": " << result.text;
  }
}

TEST(Onnx, AsManyCasesPassAsEver) {
  if (!has_data()) GTEST_SKIP() << no_data_message();
  const auto by_operator = counts();
  std::cout << table_of(by_operator);
  int passed = 0;
  for (const auto& [name, count] : by_operator) {
    EXPECT_EQ(count.failed, 0) << name;
    passed += count.passed;
  }
  if (!has_known_version()) GTEST_SKIP() << other_version_message();
  EXPECT_GE(passed, least_passed);
}

TEST(Onnx, EveryOperatorOfTheTableHasCases) {
  if (!has_data()) GTEST_SKIP() << no_data_message();
  if (!has_known_version()) GTEST_SKIP() << other_version_message();
  const auto by_operator = counts();
  for (const Operator& op : operators()) {
    if (op.ops.empty()) continue;
    const auto found = by_operator.find(op.name);
    const bool in_graphs = op.name == "Gradient";  // it needs something to differentiate
    EXPECT_TRUE(in_graphs || (found != by_operator.end() && found->second.passed > 0)) << op.name;
  }
}

TEST(Onnx, AnOperatorIsEitherEvaluatedOrLeftOut) {
  for (const Operator& op : operators()) EXPECT_EQ(reason_left_out(op.name), "") << op.name;
  const auto all = names();
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size()) << "an operator is there twice";
}

TEST(Onnx, TheOpsThatTheTableNamesAreDeclared) {
  const auto declared = overloads_of(groups_of(text_of_ops_h()));
  const std::set<std::string> of_other_headers{"arange", "eye", "full", "grad", "to"};
  for (const Operator& op : operators()) {
    for (const std::string& through : op.ops) {
      EXPECT_TRUE(declared.count(through) || of_other_headers.count(through)) << op.name << ": " << through;
      const auto names_of_op = operators_through(through);
      EXPECT_TRUE(std::find(names_of_op.begin(), names_of_op.end(), op.name) != names_of_op.end()) << op.name;
    }
  }
  EXPECT_TRUE(operators_through("svd").empty());
}

TEST(Onnx, CoverageNamesTheOperatorsOfAnOp) {
  if (!has_data()) GTEST_SKIP() << no_data_message();
  const auto by_op = coverage();
  ASSERT_TRUE(by_op.count("tanh"));
  EXPECT_EQ(by_op.at("tanh").operators, std::vector<std::string>{"Tanh"});
  EXPECT_EQ(by_op.at("tanh").cases, counts().at("Tanh").passed);
  EXPECT_FALSE(by_op.count("svd")) << "ONNX has no such operator";
}

// ---------------------------------------------------------------------------------------------------------------------
// The tests of the tests: a wrong result would be seen.

TEST(OnnxDifference, SeesADtypeAShapeAndAnElement) {
  const Tensor x = from_data({1, 2, 3});
  EXPECT_EQ(difference(x, x, Accuracy::exact), "");
  EXPECT_EQ(difference(x, x.to(float64), Accuracy::exact), "dtype is float32, expected float64");
  EXPECT_EQ(difference(x, reshape(x, {3, 1}), Accuracy::exact), "shape is [3], expected [3, 1]");
  EXPECT_EQ(difference(x, from_data({1, 2, 4}), Accuracy::rounded), "element 2 of shape [3] is 3, expected 4");
}

TEST(OnnxDifference, AllowsRoundingOnlyWhereResultsAreRounded) {
  const Tensor x = from_data({1});
  const Tensor nearly = from_data({1 + 1e-6});
  EXPECT_EQ(difference(nearly, x, Accuracy::rounded), "");
  EXPECT_NE(difference(nearly, x, Accuracy::exact), "");
  EXPECT_NE(difference(from_data({1 + 2e-5}), x, Accuracy::rounded), "");
  EXPECT_NE(difference(from_data({1 + 1e-6}, float64), x.to(float64), Accuracy::rounded), "");
  EXPECT_NE(difference(from_data({5}, int64), from_data({6}, int64), Accuracy::rounded), "");
}

TEST(OnnxDifference, ComparesNanAndInfinityAsTheyAre) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor special = from_data({nan, infinity, -infinity});
  EXPECT_EQ(difference(special, special, Accuracy::exact), "");
  EXPECT_NE(difference(from_data({0, infinity, -infinity}), special, Accuracy::rounded), "");
  EXPECT_NE(difference(from_data({nan, 1, -infinity}), special, Accuracy::rounded), "");
  EXPECT_NE(difference(from_data({nan}), from_data({1}), Accuracy::rounded), "");
  EXPECT_NE(difference(from_data({infinity}), from_data({-infinity}), Accuracy::rounded), "");
}

TEST(OnnxCall, AnAttributeOrInputThatNobodyLooksAtIsAnError) {
  Node node{.op = "Op", .inputs = {"a", "", "b"}, .outputs = {"y"}};
  node.attributes["alpha"].real = 2;
  const Values values{{"a", ones({1})}, {"b", ones({2})}};
  const Call call(node, 13, values);
  expect_error<Error>([&] { call.check_all_was_read(); }, "an attribute 'alpha' that is not taken into account");
  EXPECT_EQ(call.real("alpha", 1), 2);
  expect_error<Error>([&] { call.check_all_was_read(); }, "an input 0 that is not taken into account");
  EXPECT_EQ(call.input(0).shape(), Shape{1});
  expect_error<Error>([&] { call.check_all_was_read(); }, "an input 2 that is not taken into account");
  EXPECT_EQ(call.input(2).shape(), Shape{2});
  call.check_all_was_read();
  EXPECT_FALSE(call.optional_input(1).defined());
  expect_error<Error>([&] { call.input(1); }, "Op lacks input 1");
  EXPECT_TRUE(call.wants(0));
  EXPECT_FALSE(call.wants(1));
}

}  // namespace
}  // namespace wengert::test::onnx
