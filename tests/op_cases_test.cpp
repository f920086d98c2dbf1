#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include <gtest/gtest.h>

#include <wengert/autograd/functional.h>
#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/parallel.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"
#include "tests/op_checks.h"
#include "tests/ops_header.h"

namespace wengert::test {
namespace {

// ---------------------------------------------------------------------------------------------------------------------
// The table and ops.h agree.

std::map<std::string, int> rows_by_name() {
  std::map<std::string, int> rows;
  for (const OpCase& op_case : op_cases()) ++rows[op_case.name];
  return rows;
}

TEST(OpTable, FindsDeclarationsAndTheirOverloads) {
  const auto functions = overloads_of(groups_of(R"(
#include <cmath>
namespace wengert {
/// Tensor commented(const Tensor& x);
class Helper {
  Tensor member(const Tensor& x);
};
inline constexpr Helper helper{};
Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a,
                  const Tensor& b = {});
Tensor pow(const Tensor& x, double y = f(3)); Tensor pow(const Tensor& x);
std::vector<Tensor> split(const Tensor& x);
inline Tensor twice(const Tensor& x) { return add(x, x); }
template <class F>
Tensor map(const Tensor& x, F f);
}  // namespace wengert
)"));
  const std::map<std::string, int> expected{{"operator+", 1}, {"operator<=", 1}, {"pow", 2},
                                            {"split", 1},     {"twice", 1},      {"map", 1}};
  EXPECT_EQ(functions, expected);
}

TEST(OpTable, HasARowForEveryOverloadOfEveryOp) {
  const auto functions = overloads_of(groups_of(text_of_ops_h()));
  EXPECT_GE(functions.size(), 60U) << "ops.h is not understood: too few functions found";
  for (const char* known : {"operator+", "operator-", "operator==", "tanh", "sum", "matmul", "mse_loss", "dropout"}) {
    EXPECT_TRUE(functions.count(known)) << "ops.h is not understood: '" << known << "' not found";
  }
  auto rows = rows_by_name();
  for (const auto& [name, overloads] : functions) {
    EXPECT_GE(rows[name], overloads) << "tests/op_cases.cpp needs a row for each overload of '" << name << "'";
  }
}

TEST(OpTable, HasNoRowForAnOpThatIsNotDeclared) {
  const auto functions = overloads_of(groups_of(text_of_ops_h()));
  for (const auto& [name, rows] : rows_by_name()) EXPECT_TRUE(functions.count(name)) << name;
}

TEST(OpTable, HasOneRowOfEachTitle) {
  std::map<std::string, int> titles;
  for (const OpCase& op_case : op_cases()) ++titles[op_case.title()];
  for (const auto& [title, rows] : titles) EXPECT_EQ(rows, 1) << title;
}

// ---------------------------------------------------------------------------------------------------------------------
// What holds for every row. Each test runs all rows of one op that it applies to.

/// Calls `f` with the rows of one op that have a property.
template <class F>
void for_rows(const std::string& name, Property property, F f) {
  for (const OpCase& op_case : op_cases()) {
    if (op_case.name != name || !property(op_case)) continue;
    SCOPED_TRACE(op_case.title());
    f(op_case);
  }
}

void expect_close(const Array& actual, const Array& expected, double tolerance, const std::string& what) {
  const std::string wrong = difference(actual, expected, tolerance);
  ASSERT_TRUE(wrong.empty()) << what << ": " << wrong;
}

bool any(const OpCase& /*op_case*/) { return true; }

class EveryOp : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(OpTable, EveryOp, testing::ValuesIn(ops_with(any)), identifier);

TEST_P(EveryOp, AgreesWithThePlainReference) {
  for_rows(GetParam(), any, [](const OpCase& op_case) {
    const Inputs inputs = make_inputs(op_case, float64);
    const Tensor actual = op_case.apply(inputs);
    if (!op_case.has_reference()) return;  // checked in the op's own test file
    Arrays arrays;
    for (const Tensor& input : inputs) arrays.push_back(to_array(input));
    expect_close(to_array(actual), op_case.expected(arrays), 1e-12, "value");
  });
}

TEST_P(EveryOp, GivesTheSameInFloat32AsInFloat64) {
  for_rows(GetParam(), any, [](const OpCase& op_case) {
    const Inputs single = make_inputs(op_case, float32, {}, true);
    const Inputs twice = make_inputs(op_case, float64, {}, true);
    const Tensor rough = op_case.apply(single);
    const Tensor exact = op_case.apply(twice);
    expect_close(to_array(rough), to_array(exact), op_case.float32_tolerance, "value");
    if (!op_case.gradient) return;
    EXPECT_EQ(rough.dtype(), float32);
    EXPECT_EQ(exact.dtype(), float64);
    const auto rough_gradients = gradients_of(rough, single);
    const auto exact_gradients = gradients_of(exact, twice);
    for (std::size_t k = 0; k < exact_gradients.size(); ++k) {
      expect_close(to_array(rough_gradients[k]), to_array(exact_gradients[k]), op_case.float32_tolerance,
                   "gradient " + std::to_string(k));
    }
  });
}

bool has_gradient(const OpCase& op_case) { return op_case.gradient; }

class EveryOpWithAGradient : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(OpTable, EveryOpWithAGradient, testing::ValuesIn(ops_with(has_gradient)), identifier);

TEST_P(EveryOpWithAGradient, HasTheGradientsOfOrdersOneAndTwoThatDifferencesSay) {
  for_rows(GetParam(), has_gradient, [](const OpCase& op_case) {
    const Inputs inputs = make_inputs(op_case, float64, {}, true);
    const auto apply = [&](const std::vector<Tensor>& tensors) { return op_case.apply(tensors); };
    const GradcheckReport projection = gradcheck(apply, inputs, {.order = 2});
    EXPECT_TRUE(projection) << projection.text;
    const GradcheckReport jacobian = gradcheck(apply, inputs, {.mode = GradcheckOptions::Mode::jacobian, .order = 1});
    EXPECT_TRUE(jacobian) << jacobian.text;
  });
}

TEST_P(EveryOpWithAGradient, HasTheSameGradientFusedAndRecorded) {
  for_rows(GetParam(), has_gradient, [](const OpCase& op_case) {
    const Inputs inputs = make_inputs(op_case, float64, {}, true);
    const Tensor output = op_case.apply(inputs);
    const auto fused = gradients_of(output, inputs);
    const auto recorded = gradients_of(output, inputs, true);
    for (std::size_t k = 0; k < fused.size(); ++k) {
      EXPECT_FALSE(fused[k].requires_grad());
      expect_close(to_array(fused[k]), to_array(recorded[k]), 1e-13, "gradient " + std::to_string(k));
    }
  });
}

double inner_product(const Tensor& a, const Tensor& b) { return sum(a * b).item(); }

/// Directions for the inputs that can have a gradient; undefined for the others.
std::vector<Tensor> tangents_for(const OpCase& op_case, const Inputs& inputs) {
  std::vector<Tensor> tangents(inputs.size());
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (op_case.inputs[k].differentiable()) tangents[k] = upstream_for(inputs[k]);
  }
  return tangents;
}

TEST_P(EveryOpWithAGradient, HasTheTangentThatDifferencesAndTheTransposedProductSay) {
  for_rows(GetParam(), has_gradient, [](const OpCase& op_case) {
    const Inputs inputs = make_inputs(op_case, float64);
    const auto apply = [&](const std::vector<Tensor>& tensors) { return op_case.apply(tensors); };
    const std::vector<Tensor> tangents = tangents_for(op_case, inputs);
    const auto [value, tangent] = jvp(apply, inputs, tangents);
    expect_close(to_array(value), to_array(op_case.apply(inputs)), 0, "value");

    constexpr double h = 1e-6;
    const auto moved = [&](double step) {
      Inputs there = inputs;
      for (std::size_t k = 0; k < there.size(); ++k) {
        if (tangents[k].defined()) there[k] = there[k] + tangents[k] * step;
      }
      return op_case.apply(there);
    };
    expect_close(to_array(tangent), to_array((moved(h) - moved(-h)) / (2 * h)), 1e-5, "tangent");

    // <u, J t> = <J^T u, t>
    const Tensor u = upstream_for(value);
    const std::vector<Tensor> gradients = vjp(apply, inputs).second(u);
    double transposed = 0;
    double scale = 1;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      if (!tangents[k].defined()) continue;
      transposed += inner_product(gradients[k], tangents[k]);
      scale += inner_product(abs(gradients[k]), abs(tangents[k]));
    }
    EXPECT_NEAR(inner_product(u, tangent), transposed, 1e-12 * scale);
  });
}

TEST_P(EveryOpWithAGradient, HasTheSameJacobianFromManyRowsAtOnceAsFromOneAfterTheOther) {
  for_rows(GetParam(), has_gradient, [](const OpCase& op_case) {
    const Tensor output = op_case.apply(make_inputs(op_case, float64));
    EXPECT_EQ(rows_difference(op_case, output.numel(), RowKind::unit), "");
  });
}

TEST_P(EveryOpWithAGradient, RecordsNothingWhereNoGradientIsNeeded) {
  for_rows(GetParam(), has_gradient, [](const OpCase& op_case) {
    EXPECT_FALSE(op_case.apply(make_inputs(op_case, float64)).requires_grad());
    const Inputs inputs = make_inputs(op_case, float64, {}, true);
    EXPECT_FALSE(no_grad([&] { return op_case.apply(inputs); }).requires_grad());
  });
}

bool has_no_gradient(const OpCase& op_case) { return !op_case.gradient; }

class EveryOpWithoutAGradient : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(OpTable, EveryOpWithoutAGradient, testing::ValuesIn(ops_with(has_no_gradient)), identifier);

TEST_P(EveryOpWithoutAGradient, GivesAResultThatRequiresNone) {
  for_rows(GetParam(), has_no_gradient, [](const OpCase& op_case) {
    EXPECT_FALSE(op_case.apply(make_inputs(op_case, float64, {}, true)).requires_grad());
  });
}

TEST_P(EveryOpWithoutAGradient, IsNamedInTheErrorOfWhoeverAsksForOne) {
  for_rows(GetParam(), has_no_gradient, [](const OpCase& op_case) {
    const Inputs inputs = make_inputs(op_case, float64, {}, true);
    if (std::none_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.requires_grad(); })) return;
    const Tensor output = sum(op_case.apply(inputs).to(float64));
    expect_error<GraphError>([&] { output.backward(); }, "it was computed through '");
  });
}

bool takes_int64(const OpCase& op_case) { return op_case.int64; }

class EveryOpOfInt64 : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(OpTable, EveryOpOfInt64, testing::ValuesIn(ops_with(takes_int64)), identifier);

TEST_P(EveryOpOfInt64, GivesTheReferencesValuesTruncated) {
  for_rows(GetParam(), takes_int64, [](const OpCase& op_case) {
    Inputs inputs = make_inputs(op_case, float64);
    Arrays arrays;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      Array integers = to_array(inputs[k]);
      if (op_case.inputs[k].differentiable()) {
        // Not 0, by which one cannot divide.
        for (double& x : integers.data) x = std::round(x * 10) == 0 ? 1 : std::round(x * 10);
      }
      arrays.push_back(integers);
      inputs[k] = from_vector(integers.data, integers.shape).to(DType::int64);
    }
    const Tensor actual = op_case.apply(inputs);
    EXPECT_EQ(actual.dtype(), DType::int64);
    Array expected = op_case.expected(arrays);
    for (double& x : expected.data) x = std::trunc(x);
    expect_close(to_array(actual), expected, 0, "value");
  });
}

bool rejects_operands(const OpCase& op_case) { return !op_case.inputs.empty() && op_case.error_prefix != "-"; }

class EveryOpOfTensors : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(OpTable, EveryOpOfTensors, testing::ValuesIn(ops_with(rejects_operands)), identifier);

TEST_P(EveryOpOfTensors, RejectsUndefinedTensorsByItsName) {
  for_rows(GetParam(), rejects_operands, [](const OpCase& op_case) {
    const std::string prefix = (op_case.error_prefix.empty() ? op_case.name : op_case.error_prefix) + ": ";
    for (std::size_t k = 0; k < op_case.inputs.size(); ++k) {
      Inputs inputs = make_inputs(op_case, float64);
      inputs[k] = Tensor();
      try {
        op_case.apply(inputs);
        EXPECT_TRUE(op_case.last_is_optional && k + 1 == op_case.inputs.size()) << "accepted for input " << k;
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).substr(0, prefix.size()), prefix) << error.what();
        EXPECT_NE(std::string(error.what()).find("undefined"), std::string::npos) << error.what();
      }
    }
  });
}

TEST_P(EveryOpOfTensors, RejectsTensorsOfDifferentDtypesByItsName) {
  for_rows(GetParam(), rejects_operands, [](const OpCase& op_case) {
    const std::string prefix = (op_case.error_prefix.empty() ? op_case.name : op_case.error_prefix) + ": ";
    std::vector<std::size_t> numbers;
    for (std::size_t k = 0; k < op_case.inputs.size(); ++k) {
      const bool mask = (op_case.name == "where" && k == 0) || (op_case.name == "masked_fill" && k == 1);
      if (op_case.inputs[k].kind != Input::Kind::index && !mask) numbers.push_back(k);
    }
    if (numbers.size() < 2) return;
    for (const std::size_t k : numbers) {
      Inputs inputs = make_inputs(op_case, float64);
      inputs[k] = inputs[k].to(float32);
      try {
        op_case.apply(inputs);
        ADD_FAILURE() << "accepted for input " << k;
      } catch (const DTypeError& error) {
        EXPECT_EQ(std::string(error.what()).substr(0, prefix.size()), prefix) << error.what();
      }
    }
  });
}

bool takes_empty_tensors(const OpCase& op_case) { return !op_case.empty.empty(); }

class EveryOpOfEmptyTensors : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(OpTable, EveryOpOfEmptyTensors, testing::ValuesIn(ops_with(takes_empty_tensors)), identifier);

TEST_P(EveryOpOfEmptyTensors, TakesThemForwardAndBackward) {
  for_rows(GetParam(), takes_empty_tensors, [](const OpCase& op_case) {
    for (const DType dtype : {float32, float64}) {
      const Inputs inputs = make_inputs(op_case, dtype, op_case.empty, true);
      const Tensor output = op_case.apply(inputs);
      for (const double x : to_array(output).data) EXPECT_TRUE(std::isfinite(x));
      if (!op_case.gradient) continue;
      const auto gradients = gradients_of(output, inputs);
      const auto leaves = differentiable(inputs);
      for (std::size_t k = 0; k < leaves.size(); ++k) {
        EXPECT_EQ(gradients[k].shape(), leaves[k].shape());
        for (const double x : to_array(gradients[k]).data) EXPECT_TRUE(std::isfinite(x));
      }
    }
  });
}

bool is_split_among_threads(const OpCase& op_case) { return !op_case.big.empty() || op_case.inputs.empty(); }

class EveryOpOnThreads : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(OpTable, EveryOpOnThreads, testing::ValuesIn(ops_with(is_split_among_threads)), identifier);

class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(num_threads()) { set_num_threads(threads); }
  ~ThreadCount() { set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

/// The gradients of the inputs from `upstream_for` each of the tensors that need one; none if no tensor does.
std::vector<Tensor> gradients_of_all(const std::vector<Tensor>& tensors, const Inputs& inputs) {
  const std::vector<Tensor> recorded = differentiable(tensors);
  if (recorded.empty()) return {};
  std::vector<Tensor> upstream;
  std::transform(recorded.begin(), recorded.end(), std::back_inserter(upstream), upstream_for);
  return grad(recorded, differentiable(inputs), {.grad_outputs = upstream, .allow_unused = true});
}

/// The bytes of the output, of the gradients, fused and recorded, and of the gradients' gradients.
std::vector<std::string> bits_of_everything(const OpCase& op_case, const Inputs& inputs) {
  std::vector<Tensor> results{op_case.apply(inputs)};
  if (op_case.gradient) {
    const std::vector<Tensor> fused = gradients_of(results[0], inputs);
    const std::vector<Tensor> recorded = gradients_of(results[0], inputs, true);
    const std::vector<Tensor> second = gradients_of_all(recorded, inputs);
    for (const auto& gradients : {fused, recorded, second}) {
      std::copy_if(gradients.begin(), gradients.end(), std::back_inserter(results), std::mem_fn(&Tensor::defined));
    }
  }
  std::vector<std::string> bits;
  for (const Tensor& result : results) {
    dispatch(result.dtype(), [&]<class T>() {
      const auto data = result.data<T>();
      bits.emplace_back(reinterpret_cast<const char*>(data.data()), data.size_bytes());
    });
  }
  return bits;
}

TEST_P(EveryOpOnThreads, HasTheSameBitsForAnyNumberOfThem) {
  for_rows(GetParam(), is_split_among_threads, [](const OpCase& op_case) {
    const Inputs inputs = make_inputs(op_case, float32, op_case.big, true);
    std::vector<std::string> alone;
    for (const int threads : {1, 2, 4}) {
      const ThreadCount count(threads);
      const auto bits = bits_of_everything(op_case, inputs);
      if (threads == 1) alone = bits;
      EXPECT_TRUE(bits == alone) << threads << " threads";
    }
  });
}

bool has_a_reference_for_big_inputs(const OpCase& op_case) {
  return op_case.vary && op_case.has_reference() && !op_case.big.empty();
}

class EveryOpOfBigTensors : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(OpTable, EveryOpOfBigTensors, testing::ValuesIn(ops_with(has_a_reference_for_big_inputs)),
                         identifier);

// Beyond the sizes of random rows: loops over packets, blocks and tasks, and what is left over by them.
TEST_P(EveryOpOfBigTensors, HasTheReferencesValues) {
  for_rows(GetParam(), has_a_reference_for_big_inputs, [](const OpCase& op_case) {
    const Inputs inputs = make_inputs(op_case, float64, op_case.big);
    Arrays arrays;
    std::transform(inputs.begin(), inputs.end(), std::back_inserter(arrays), to_array);
    expect_close(to_array(op_case.apply(inputs)), op_case.expected(arrays), 1e-11, "value");
  });
}

}  // namespace
}  // namespace wengert::test
