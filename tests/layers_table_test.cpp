#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include <wengert/autograd/functional.h>
#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/random.h>
#include <wengert/nn.h>

#include "tests/expect.h"
#include "tests/layer_cases.h"

namespace wengert::nn::test {

/// What GoogleTest calls a row in messages.
static void PrintTo(const LayerCase& row, std::ostream* out) { *out << row.title(); }

namespace {

using wengert::test::make_inputs;
using wengert::test::OpCase;
using wengert::test::to_array;

Inputs inputs_of(const LayerCase& row, DType dtype, bool requires_grad = false) {
  const OpCase numbers{.name = row.title(), .inputs = row.inputs};
  return make_inputs(numbers, dtype, {}, requires_grad);
}

/// The layer with weights drawn at random, so that ones and zeros at first hide nothing; the same ones for any dtype.
std::unique_ptr<AnyLayer> layer_of(const LayerCase& row, DType dtype, unsigned seed = 1) {
  std::unique_ptr<AnyLayer> layer = row.make(dtype);
  std::mt19937 engine(seed);
  std::vector<StateDict::Entry> entries;
  std::set<std::string> buffers;
  for (const auto& [name, shape] : row.buffers) buffers.insert(name);
  for (const auto& [name, tensor] : layer->module().state_dict()) {
    std::vector<double> values(static_cast<std::size_t>(tensor.numel()));
    // Eighths, exact in float32; those of buffers are positive, as variances are.
    for (double& value : values) value = (static_cast<double>(engine() % 16) - 7.5) / 8;
    if (buffers.count(name) != 0) std::for_each(values.begin(), values.end(), [](double& v) { v = std::abs(v) + 0.5; });
    entries.emplace_back(name, from_vector(values, tensor.shape()).to(tensor.dtype()));
  }
  layer->module().load_state_dict(StateDict(std::move(entries)));
  return layer;
}

Weights weights_of(AnyLayer& layer) {
  Weights weights;
  for (const auto& [name, tensor] : layer.module().state_dict()) weights[name] = to_array(tensor);
  return weights;
}

Tensor seeded_call(const AnyLayer& layer, const Inputs& inputs) {
  manual_seed(7);
  return layer.call(inputs);
}

bool same_numbers(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && values_of(a) == values_of(b); }

class EveryLayer : public testing::TestWithParam<LayerCase> {
 protected:
  const LayerCase& row = GetParam();
};

TEST_P(EveryLayer, GivesTheValuesOfItsFormula) {
  for (const DType dtype : {float64, float32}) {
    const std::unique_ptr<AnyLayer> layer = layer_of(row, dtype);
    layer->module().eval();
    const Inputs inputs = inputs_of(row, dtype);
    const Tensor y = layer->call(inputs);
    EXPECT_EQ(y.shape(), row.output);
    EXPECT_EQ(y.dtype(), dtype);
    Arrays arrays;
    for (const Tensor& input : inputs) arrays.push_back(to_array(input));
    const Array expected = row.reference(arrays, weights_of(*layer));
    ASSERT_EQ(expected.shape, y.shape());
    const std::vector<double> actual = values_of(y);
    const double tolerance = dtype == float64 ? 1e-10 : 2e-5;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      ASSERT_NEAR(actual[i], expected.data[i], tolerance * (1 + std::abs(expected.data[i])))
          << "element " << i << ", " << dtype;
    }
  }
}

TEST_P(EveryLayer, HasItsParametersAndBuffers) {
  const std::unique_ptr<AnyLayer> layer = row.make(float32);
  std::vector<std::pair<std::string, Shape>> parameters;
  std::int64_t count = 0;
  for (const auto& [name, parameter] : layer->module().named_parameters()) {
    parameters.emplace_back(name, parameter->shape());
    count += parameter->numel();
  }
  EXPECT_EQ(parameters, row.parameters);
  EXPECT_EQ(layer->module().parameter_count(), count);
  auto all = row.parameters;
  all.insert(all.end(), row.buffers.begin(), row.buffers.end());
  std::vector<std::pair<std::string, Shape>> state;
  for (const auto& [name, tensor] : layer->module().state_dict()) state.emplace_back(name, tensor.shape());
  EXPECT_EQ(state, all);
}

TEST_P(EveryLayer, InTrainingModeDoesWhatItSays) {
  const std::unique_ptr<AnyLayer> layer = layer_of(row, float64);
  const Inputs inputs = inputs_of(row, float64);
  const std::unique_ptr<AnyLayer> evaluating = layer->copy();
  evaluating->module().eval();
  const Tensor evaluated = evaluating->call(inputs);
  EXPECT_TRUE(same_numbers(evaluating->call(inputs), evaluated));
  ASSERT_TRUE(layer->module().is_training());
  const Tensor first = seeded_call(*layer, inputs);
  EXPECT_TRUE(same_numbers(seeded_call(*layer, inputs), first)) << "another result for the same seed";
  EXPECT_EQ(same_numbers(first, evaluated), row.in_training == InTraining::same);
  EXPECT_EQ(same_numbers(layer->call(inputs), first), row.in_training != InTraining::random);
}

TEST_P(EveryLayer, PassesGradientsToItsInputs) {
  const Inputs inputs = inputs_of(row, float64, true);
  const bool any = std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.requires_grad(); });
  if (!any) return;
  const std::unique_ptr<AnyLayer> layer = layer_of(row, float64);
  for (const bool training : {true, false}) {
    layer->module().train(training);
    const GradcheckReport report =
        gradcheck([&](const std::vector<Tensor>& x) { return seeded_call(*layer, x); }, inputs);
    EXPECT_TRUE(report) << (training ? "training: " : "evaluation: ") << report.text;
  }
}

TEST_P(EveryLayer, PassesGradientsToItsParameters) {
  if (!row.all_gradients) return;
  const std::unique_ptr<AnyLayer> layer = layer_of(row, float64);
  const Inputs inputs = inputs_of(row, float64);
  std::mt19937 engine(3);
  const auto random_like = [&](const Tensor& x) {
    std::vector<double> values(static_cast<std::size_t>(x.numel()));
    for (double& value : values) value = std::uniform_real_distribution<double>(-1, 1)(engine);
    return from_vector(values, x.shape());
  };
  for (const bool training : {true, false}) {
    layer->module().train(training);
    const Tensor weight_of_output = random_like(layer->call(inputs));
    const auto loss = [&] { return sum(seeded_call(*layer, inputs) * weight_of_output); };
    for (const auto& [name, parameter] : layer->module().named_parameters()) {
      const Tensor value = parameter->detach();
      const Tensor direction = random_like(value);
      const Tensor gradient = grad(loss(), std::vector<ParameterRef>{parameter})[0];
      const double analytic = sum(gradient * direction).item();
      const double step = 1e-5;
      parameter.set(value + direction * step);
      const double above = loss().item();
      parameter.set(value - direction * step);
      const double below = loss().item();
      parameter.set(value);
      EXPECT_NEAR(analytic, (above - below) / (2 * step), 1e-6 * (1 + std::abs(analytic)))
          << name << (training ? ", training" : ", evaluation");
    }
  }
}

TEST_P(EveryLayer, GivesTheSameAfterItsStateWasLoadedIntoAnother) {
  const std::unique_ptr<AnyLayer> source = layer_of(row, float64, 1);
  const std::unique_ptr<AnyLayer> target = layer_of(row, float64, 2);
  const Inputs inputs = inputs_of(row, float64);
  source->module().eval();
  target->module().eval();
  target->module().load_state_dict(source->module().state_dict());
  EXPECT_TRUE(same_numbers(source->call(inputs), target->call(inputs)));
}

TEST_P(EveryLayer, IsAValue) {
  const std::unique_ptr<AnyLayer> layer = layer_of(row, float64);
  layer->module().eval();
  const Inputs inputs = inputs_of(row, float64);
  const std::unique_ptr<AnyLayer> copy = layer->copy();
  const Tensor before = layer->call(inputs);
  EXPECT_TRUE(same_numbers(copy->call(inputs), before));
  const std::vector<ParameterRef> known = layer->module().parameters();
  for (const ParameterRef& parameter : known) parameter.set(parameter.value() * 0.5 + 3);
  EXPECT_TRUE(same_numbers(copy->call(inputs), before));
  layer->assign(*copy);
  EXPECT_TRUE(same_numbers(layer->call(inputs), before));
  const std::vector<ParameterRef> after = layer->module().parameters();
  EXPECT_TRUE(std::equal(known.begin(), known.end(), after.begin(), after.end(),
                         [](const ParameterRef& a, const ParameterRef& b) { return a.is(b); }))
      << "assigning made other parameters";
}

TEST_P(EveryLayer, PrintsItsOptions) {
  EXPECT_EQ(to_string(row.make(float32)->module()), row.printed);
  EXPECT_EQ(row.make(float32)->module().type_name(), row.name);
}

TEST_P(EveryLayer, RejectsWhatItCannotTake) {
  const std::unique_ptr<AnyLayer> layer = row.make(float32);
  for (const Rejected& call : row.rejected) {
    expect_error<Error>(call.f, call.text);
  }
  const Inputs good = inputs_of(row, float32);
  for (std::size_t i = 0; i < good.size(); ++i) {
    Inputs undefined = good;
    undefined[i] = Tensor();
    const std::string message = message_of<Error>([&] { layer->call(undefined); });
    EXPECT_TRUE(message.find("undefined") != message.npos ||
                message.find("before it was given a value") != message.npos)
        << message;
  }
  if (row.parameters.empty() || !row.inputs[0].differentiable()) return;
  Inputs wide = good;
  wide[0] = wide[0].to(float64);
  expect_error<DTypeError>([&] { layer->call(wide); }, "float64");
}

std::string test_name(const testing::TestParamInfo<LayerCase>& info) {
  std::string name = info.param.name + "_" + info.param.variant;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Table, EveryLayer, testing::ValuesIn(layer_cases()), test_name);

TEST(LayerTable, HasARowForEveryLayer) {
  // Bases, and what has no common test; sequence layers have test files of their own.
  const std::set<std::string> without = {"ConvLayer", "ConvTransposeLayer", "PoolLayer",   "AdaptivePoolLayer",
                                         "Loss",      "Sequential",         "ModuleHookOf"};
  const std::set<std::string> files_without = {"attention.h", "positions.h", "recurrent.h", "transformer.h"};
  std::set<std::string> covered = without;
  for (const LayerCase& row : layer_cases()) covered.insert(row.name);
  const std::regex declaration(R"(\nclass (\w+)( final)? : public )");
  int found = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::string(WENGERT_SOURCE_DIR) + "/nn")) {
    if (file.path().extension() != ".h" || files_without.count(file.path().filename()) != 0) continue;
    std::ifstream stream(file.path());
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    for (std::sregex_iterator match(text.begin(), text.end(), declaration); match != std::sregex_iterator(); ++match) {
      ++found;
      EXPECT_EQ(covered.count((*match)[1]), 1U)
          << (*match)[1] << " of " << file.path().filename() << " has no row in layer_cases.cpp";
    }
  }
  EXPECT_GT(found, 70);
}

}  // namespace
}  // namespace wengert::nn::test
