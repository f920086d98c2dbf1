#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <wengert/autograd/gradcheck.h>

#include "tests/draw.h"
#include "tests/op_checks.h"

namespace wengert::test {
namespace {

// The same draws in every run; RC_PARAMS="seed=... max_success=..." asks for others, or for more.
const bool seeded = setenv("RC_PARAMS", "seed=1 max_success=50", 0) == 0;

bool can_vary(const OpCase& op_case) { return static_cast<bool>(op_case.vary); }

std::string shapes_of(const OpCase& row) {
  std::string text;
  for (const Input& input : row.inputs) text += fmt::format("{}{}", text.empty() ? "" : ", ", input.shape);
  return text;
}

/// What is wrong with values and gradients in float32, measured by those in float64.
std::string float32_difference(const OpCase& row, const Inputs& exact_inputs, const Tensor& exact) {
  const Inputs rough_inputs = make_inputs(row, float32, {}, true);
  const Tensor rough = row.apply(rough_inputs);
  std::string wrong = difference(to_array(rough), to_array(exact), row.float32_tolerance);
  if (!wrong.empty() || !row.gradient) return wrong;
  const auto rough_gradients = gradients_of(rough, rough_inputs);
  const auto exact_gradients = gradients_of(exact, exact_inputs);
  for (std::size_t k = 0; k < exact_gradients.size() && wrong.empty(); ++k) {
    wrong = difference(to_array(rough_gradients[k]), to_array(exact_gradients[k]), row.float32_tolerance);
  }
  return wrong;
}

/// What does not hold for a row drawn at random.
std::string complaint(const OpCase& row) {
  const Inputs inputs = make_inputs(row, float64, {}, true);
  const Tensor output = row.apply(inputs);
  if (row.has_reference()) {
    Arrays arrays;
    for (const Tensor& input : inputs) arrays.push_back(to_array(input));
    const std::string wrong = difference(to_array(output), row.expected(arrays), 1e-11);
    if (!wrong.empty()) return "value: " + wrong;
  }
  const std::string wrong = float32_difference(row, inputs, output);
  if (!wrong.empty()) return "float32: " + wrong;
  if (!row.gradient) return {};
  const auto apply = [&](const std::vector<Tensor>& tensors) { return row.apply(tensors); };
  return gradcheck(apply, inputs, {.order = 2}).text;
}

class AnyRow : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(OpProperties, AnyRow, testing::ValuesIn(ops_with(can_vary)), identifier);

TEST_P(AnyRow, HasTheReferencesValuesInBothTypesAndTheGradientsOfDifferences) {
  for (const OpCase& op_case : op_cases()) {
    if (op_case.name != GetParam() || !op_case.vary) continue;
    EXPECT_TRUE(rc::check(op_case.title(), [&] {
      OpCase row = op_case;
      Draw draw;
      row.vary(draw, row);
      const std::string wrong = complaint(row);
      if (!wrong.empty()) RC_FAIL(fmt::format("inputs {}: {}", shapes_of(row), wrong));
    })) << op_case.title();
  }
}

/// Ops whose rows do not vary, each for a reason.
std::set<std::string> ops_without_random_rows() {
  return {// Their result is drawn: there is no reference, and tests of their own look at distributions.
          "rand", "randn", "randint", "randperm", "bernoulli", "multinomial", "normal", "dropout"};
}

TEST(OpProperties, EveryOpHasARowThatVaries) {
  const std::set<std::string> exceptions = ops_without_random_rows();
  const auto varying = ops_with(can_vary);
  for (const std::string& name : ops_with([](const OpCase&) { return true; })) {
    const bool varies = std::binary_search(varying.begin(), varying.end(), name);
    EXPECT_NE(varies, exceptions.count(name) > 0)
        << "'" << name << (varies ? "' has a row with `vary`: it is no exception" : "' needs a row with `vary`");
  }
}

}  // namespace
}  // namespace wengert::test
