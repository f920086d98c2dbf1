#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/io.h>
#include <wengert/nn.h>

#include "tests/expect.h"

namespace wengert::nn {
namespace {

struct Net : Module {
  Sequential features{Conv2d(1, 4, 3, {.padding = Padding::same}), ReLU(), Conv2d(4, 8, 3), MaxPool2d(2), Flatten()};
  Dense head{8 * 3 * 3, 10};

  Tensor forward(const Tensor& x) const override { return head(features(x)); }
  void visit(Visitor& v) override {
    v("features", features);
    v("head", head);
  }
};

/// A layer with a buffer, and a weight that it shares with another one.
struct Tied : Module {
  Dense first{3, 3};
  Dense second{3, 3, {.bias = false}};
  ParameterRef shared = first.weight;
  Tensor mean = full({3}, 7);

  Tensor forward(const Tensor& x) const override { return linear(first(x), shared) - mean; }
  void visit(Visitor& v) override {
    v("first", first);
    v("second", second);
    v("shared", shared);
    v("mean", mean);
  }
};

std::vector<std::string> names(const Module& module) {
  std::vector<std::string> result;
  for (const auto& [name, parameter] : module.named_parameters()) result.push_back(name);
  return result;
}

std::vector<std::string> names(const StateDict& state) {
  std::vector<std::string> result;
  for (const auto& [name, tensor] : state) result.push_back(name);
  return result;
}

bool same_parameters(const std::vector<ParameterRef>& a, const std::vector<ParameterRef>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& p, const auto& q) { return p.is(q); });
}

bool equal(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && values_of(a) == values_of(b); }

bool lines_have(const std::string& text, const std::vector<std::string>& words) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::size_t at = 0;
    for (const std::string& word : words) at = at == line.npos ? at : line.find(word, at);
    if (at != line.npos) return true;
  }
  return false;
}

// Modules

TEST(Module, NamesItsParametersByPathInTheOrderOfVisits) {
  EXPECT_EQ(names(Net()), (std::vector<std::string>{"features.0.weight", "features.0.bias", "features.2.weight",
                                                    "features.2.bias", "head.weight", "head.bias"}));
}

TEST(Module, CountsASharedParameterOnce) {
  const Tied tied;
  EXPECT_EQ(names(tied), (std::vector<std::string>{"first.weight", "first.bias", "second.weight"}));
  EXPECT_EQ(tied.parameters().size(), 3U);
  EXPECT_EQ(tied.parameter_count(), 9 + 3 + 9);
}

TEST(Module, NamesTheElementsOfAVectorByIndex) {
  struct Deep : Module {
    std::vector<Dense> layers{Dense(2, 2), Dense(2, 2, {.bias = false})};
    void visit(Visitor& v) override { v("layers", layers); }
  };
  EXPECT_EQ(names(Deep()), (std::vector<std::string>{"layers.0.weight", "layers.0.bias", "layers.1.weight"}));
}

TEST(Module, RejectsTwoMembersOfOneName) {
  struct Clash : Module {
    Dense a{1, 1};
    Dense b{1, 1};
    void visit(Visitor& v) override {
      v("a", a);
      v("a", b);
    }
  };
  expect_error<Error>([] { Clash().state_dict(); }, "Clash: visit gives the name 'a.bias' to two members");
  expect_error<Error>([] { Clash().named_parameters(); }, "Clash: visit gives the name");
}

TEST(Module, ThatVisitsItselfIsAnErrorNotACrash) {
  struct Snake : Module {
    void visit(Visitor& v) override { v("tail", *this); }
  };
  expect_error<Error>([] { Snake().parameters(); }, "visit: modules are nested more than 1000 deep at 'tail.tail.");
}

TEST(Module, ACopyIsAnIndependentModel) {
  Net net;
  const Net copy = net;
  const StateDict before = copy.state_dict();
  for (const ParameterRef& parameter : net.parameters()) parameter.set(ones(parameter->shape()));
  for (const auto& [name, tensor] : copy.state_dict()) {
    EXPECT_TRUE(equal(tensor, before.at(name))) << name;
    EXPECT_FALSE(equal(tensor, net.state_dict().at(name))) << name;
  }
}

TEST(Module, AssigningASnapshotKeepsTheParametersThatAnOptimizerKnows) {
  Net net;
  const std::vector<ParameterRef> known = net.parameters();
  const Net best = net;
  for (const ParameterRef& parameter : known) parameter.set(zeros(parameter->shape()));
  net = best;
  EXPECT_TRUE(same_parameters(net.parameters(), known));
  for (const auto& [name, tensor] : net.state_dict()) EXPECT_TRUE(equal(tensor, best.state_dict().at(name))) << name;
}

TEST(Module, InAVectorThatGrowsKeepsItsParameters) {
  std::vector<Net> nets(1);
  const std::vector<ParameterRef> known = nets[0].parameters();
  nets.reserve(nets.capacity() + 1);
  EXPECT_TRUE(same_parameters(nets[0].parameters(), known));
}

TEST(Module, SetsTheModeOfAllModulesInside) {
  Net net;
  EXPECT_TRUE(net.is_training());
  net.eval();
  EXPECT_FALSE(net.is_training());
  EXPECT_FALSE(net.features.is_training());
  EXPECT_FALSE(net.features[1].is_training());
  net.train();
  EXPECT_TRUE(net.features[1].is_training());
}

TEST(Module, ForgetsGradients) {
  Net net;
  sum(net.head.weight * net.head.weight).backward();
  EXPECT_TRUE(net.head.weight.has_grad());
  net.zero_grad();
  EXPECT_FALSE(net.head.weight.has_grad());
}

TEST(Module, WithoutAFunctionOfOneTensorSaysSo) {
  struct Pairwise : Module {};
  expect_error<Error>([] { Pairwise()(ones({1})); }, "Pairwise: forward: Pairwise is not a function of one tensor");
}

TEST(Module, TypeNamesHaveNoNamespaces) {
  struct Local : Module {};
  EXPECT_EQ(Local().type_name(), "Local");
  EXPECT_EQ(Conv2d(1, 1, 1).type_name(), "Conv2d");
}

template <class T>
struct Wrapped : Module {};

TEST(Module, TypeNamesHaveNoTemplateArguments) { EXPECT_EQ(Wrapped<std::vector<Dense>>().type_name(), "Wrapped"); }

// Errors

TEST(ModuleError, StartsWithThePathAndTypeOfTheInnermostModule) {
  const Net net;
  expect_error<ShapeError>(
      [&] {
        net(zeros({2, 3, 8, 8}));
      },
      "features.0 (Conv2d): x has 3 channels, expected 1; x is [2, 3, 8, 8]");
  expect_error<ShapeError>(
      [&] {
        net(zeros({2, 1, 4, 8}));
      },
      "head (Dense): x has shape [2, 24], expected 72 features");
}

TEST(ModuleError, OfAModuleOnItsOwnStartsWithItsType) {
  try {
    Dense(3, 2)(zeros({4, 5}));
    FAIL() << "did not throw";
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "Dense: x has shape [4, 5], expected 3 features in its last axis");
    EXPECT_EQ(error.message(), "x has shape [4, 5], expected 3 features in its last axis");
  }
}

TEST(ModuleError, KeepsItsTypeAndNamesTheOp) {
  const Dense layer(3, 2);
  expect_error<DTypeError>([&] { Sequential{ReLU(), layer}(zeros({4, 3}, float64)); }, "1 (Dense): linear: ");
}

TEST(ModuleError, NamesAGrandchildThatIsCalledDirectly) {
  struct Skipping : Module {
    Sequential body{Dense(2, 2), Dense(5, 2)};
    Tensor forward(const Tensor& x) const override { return body[1](x); }
    void visit(Visitor& v) override { v("body", body); }
  };
  expect_error<ShapeError>([] { Skipping()(zeros({1, 2})); }, "body.1 (Dense): x has shape [1, 2]");
}

TEST(ModuleError, InTheOuterModulesOwnCodeNamesThatModule) {
  struct Clumsy : Module {
    Dense inner{2, 2};
    Tensor forward(const Tensor& x) const override { return inner(x) + zeros({7}); }
    void visit(Visitor& v) override { v("inner", inner); }
  };
  expect_error<ShapeError>([] { Clumsy()(zeros({1, 2})); }, "Clumsy: add: ");
}

TEST(ModuleError, CaughtInsideAModuleDoesNotShowUpLater) {
  struct Tolerant : Module {
    Dense strict{2, 2};
    Dense second{3, 2};
    Tensor forward(const Tensor& x) const override {
      try {
        return strict(x);
      } catch (const ShapeError&) {
        return second(x);
      }
    }
    void visit(Visitor& v) override {
      v("strict", strict);
      v("second", second);
    }
  };
  EXPECT_EQ(Tolerant()(zeros({1, 3})).shape(), (Shape{1, 2}));
  expect_error<ShapeError>([] { Tolerant()(zeros({1, 4})); }, "second (Dense): x has shape [1, 4]");
}

TEST(ModuleError, PassesThroughModulesWithOtherArguments) {
  struct Gate : Module {
    Dense value{2, 2};
    Tensor operator()(const Tensor& x, const Tensor& gate) const {
      return annotated([&] { return value(x) * gate; });
    }
    void visit(Visitor& v) override { v("value", value); }
  };
  struct Outer : Module {
    Gate gate;
    Tensor forward(const Tensor& x) const override { return gate(x, ones({1, 3})); }
    void visit(Visitor& v) override { v("gate", gate); }
  };
  expect_error<ShapeError>([] { Outer()(zeros({1, 5})); }, "gate.value (Dense): x has shape [1, 5]");
  expect_error<ShapeError>([] { Outer()(zeros({1, 2})); }, "gate (Gate): mul: ");
}

// State

TEST(StateDict, HoldsParametersAndBuffersOnceEach) {
  EXPECT_EQ(names(Tied().state_dict()),
            (std::vector<std::string>{"first.weight", "first.bias", "second.weight", "mean"}));
}

TEST(StateDict, IsASnapshot) {
  Net net;
  const StateDict state = net.state_dict();
  const std::vector<double> before = values_of(net.head.bias);
  net.head.bias.set(full({10}, 3));
  EXPECT_EQ(values_of(state.at("head.bias")), before);
  EXPECT_FALSE(state.at("head.bias").requires_grad());
}

TEST(StateDict, LoadedIntoAnotherModelGivesTheSameOutputs) {
  Tied source;
  source.mean = from_data({1, 2, 3});
  Tied target;
  const std::vector<ParameterRef> known = target.parameters();
  target.load_state_dict(source.state_dict());
  EXPECT_TRUE(same_parameters(target.parameters(), known));
  EXPECT_EQ(values_of(target.mean), (std::vector<double>{1, 2, 3}));
  const Tensor x = from_data({{1, -2, 3}});
  EXPECT_TRUE(equal(source(x), target(x)));
}

TEST(StateDict, ThatDoesNotFitIsRejectedWithAllReasonsAndChangesNothing) {
  Tied tied;
  const StateDict before = tied.state_dict();
  StateDict state = Tied().state_dict();
  state.erase("second.weight");
  state.set("third.weight", zeros({1}));
  state.set("first.bias", zeros({4}));
  state.set("mean", zeros({3}, float64));
  try {
    tied.load_state_dict(state);
    FAIL() << "did not throw";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "load_state_dict: the state does not fit Tied:\n"
                 "  missing: second.weight\n"
                 "  unexpected: third.weight\n"
                 "  first.bias: float32 [4], expected float32 [3]\n"
                 "  mean: float64 [3], expected float32 [3]");
  }
  for (const auto& [name, tensor] : tied.state_dict()) EXPECT_TRUE(equal(tensor, before.at(name))) << name;
}

TEST(StateDict, FindsReplacesAndErasesByName) {
  StateDict state{{"b", zeros({1})}, {"a", zeros({2})}};
  state.set("c", zeros({3}));
  state.set("b", zeros({4}));
  EXPECT_EQ(names(state), (std::vector<std::string>{"b", "a", "c"}));
  EXPECT_EQ(state.at("b").numel(), 4);
  EXPECT_TRUE(state.erase("a"));
  EXPECT_FALSE(state.erase("a"));
  EXPECT_EQ(names(state), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(state.at("c").numel(), 3);
  EXPECT_EQ(state.find("a"), nullptr);
  expect_error<Error>([&] { state.at("a"); }, "StateDict: there is no 'a' among the 2 tensors");
  expect_error<Error>(
      [] {
        StateDict({{"x", zeros({1})}, {"x", zeros({1})}});
      },
      "StateDict: two tensors are named 'x'");
}

TEST(SaveAndLoad, GiveAFreshModelTheSameWeights) {
  if (!safetensors_available()) GTEST_SKIP() << "built without nlohmann_json";
  const std::string path = testing::TempDir() + "wengert_nn_test.safetensors";
  const Tied source;
  save(source, path);
  Tied target;
  load(target, path);
  for (const auto& [name, tensor] : target.state_dict())
    EXPECT_TRUE(equal(tensor, source.state_dict().at(name))) << name;
  Net other;
  expect_error<Error>([&] { load(other, path); }, "load: '" + path + "': load_state_dict: the state does not fit Net:");
  std::remove(path.c_str());
  expect_error<IoError>([&] { load(target, path); }, "'" + path + "': it cannot be opened: No such file or directory");
}

// Summary and printing

TEST(Summary, ListsEveryModuleWithItsParameters) {
  const std::string text = Net().summary();
  EXPECT_TRUE(lines_have(text, {"Module", "Type", "Parameters", "Count"})) << text;
  EXPECT_FALSE(lines_have(text, {"Output"})) << text;
  EXPECT_TRUE(
      lines_have(text, {"features.0", "Conv2d(1, 4, kernel 3, padding same)", "weight [4, 1, 3, 3], bias [4]", "40"}))
      << text;
  EXPECT_TRUE(lines_have(text, {"head", "Dense(72, 10)", "730"})) << text;
  EXPECT_TRUE(lines_have(text, {"1,066 parameters, 4,264 bytes"})) << text;
}

TEST(Summary, CountsSharedParametersOnce) {
  const std::string text = Tied().summary();
  EXPECT_TRUE(lines_have(text, {"Tied", "shared [3, 3] (shared)"})) << text;
  EXPECT_TRUE(lines_have(text, {"21 parameters"})) << text;
}

TEST(Summary, ShowsOutputShapesForAnInputAndLeavesTheModeAlone) {
  Net net;
  net.features[1].eval();
  const std::string text = net.summary(Shape{5, 1, 8, 8});
  EXPECT_TRUE(lines_have(text, {"Output"})) << text;
  EXPECT_TRUE(lines_have(text, {"Net", "[5, 10]"})) << text;
  EXPECT_TRUE(lines_have(text, {"features.2", "Conv2d(4, 8, kernel 3)", "[5, 8, 6, 6]"})) << text;
  EXPECT_TRUE(lines_have(text, {"features.4", "Flatten", "[5, 72]"})) << text;
  EXPECT_TRUE(net.is_training());
  EXPECT_TRUE(net.features[0].is_training());
  EXPECT_FALSE(net.features[1].is_training());
}

TEST(Summary, OfAnInputThatDoesNotFitThrowsAndLeavesTheModeAlone) {
  Net net;
  expect_error<ShapeError>([&] { net.summary(Shape{5, 2, 8, 8}); }, "features.0 (Conv2d): x has 2 channels");
  EXPECT_TRUE(net.is_training());
}

TEST(Printing, ShowsTheTreeOfModules) {
  std::ostringstream text;
  text << Net();
  EXPECT_EQ(text.str(),
            "Net\n"
            "  features: Sequential\n"
            "    0: Conv2d(1, 4, kernel 3, padding same)\n"
            "    1: ReLU\n"
            "    2: Conv2d(4, 8, kernel 3)\n"
            "    3: MaxPool2d(2)\n"
            "    4: Flatten\n"
            "  head: Dense(72, 10)");
}

// Sequential

TEST(Sequential, AppliesItsModulesInOrder) {
  const Sequential model{Dense(4, 3), Tanh(), Dense(3, 2)};
  const Tensor x = from_data({{1, 2, 3, 4}});
  EXPECT_TRUE(equal(model(x), model[2](tanh(model[0](x)))));
  EXPECT_EQ(model.size(), 3U);
  EXPECT_TRUE(equal(Sequential()(x), x));
}

TEST(Sequential, GivesTheNamesItIsToldOrElseNumbers) {
  EXPECT_EQ(names(Sequential{Dense(1, 1, {.bias = false}), Tanh(), Dense(1, 1, {.bias = false})}),
            (std::vector<std::string>{"0.weight", "2.weight"}));
  Sequential named{{"in", Dense(1, 1, {.bias = false})}, {"act", Tanh()}};
  named.push_back(Dense(1, 1, {.bias = false}));
  named.push_back("out", Dense(1, 1, {.bias = false}));
  EXPECT_EQ(names(named), (std::vector<std::string>{"in.weight", "2.weight", "out.weight"}));
  expect_error<Error>([&] { named.push_back("act", Tanh()); }, "Sequential: two modules are named 'act'");
  expect_error<Error>([&] { named.push_back("", Tanh()); }, "Sequential: the name of module 4 is empty");
}

TEST(Sequential, IsCopiedNotNestedByItsCopyConstructor) {
  Sequential model{Dense(1, 1)};
  Sequential copy(model);
  Sequential braced{model};
  EXPECT_EQ(names(copy), names(model));
  EXPECT_EQ(names(braced), names(model));
  copy.get<Dense>(0).weight.set(full({1, 1}, 100));
  EXPECT_NE(model.get<Dense>(0).weight->item(), 100);
  struct Block : Sequential {
    Block() : Sequential{Dense(1, 1), Tanh()} {}
  };
  const Block block;
  const Block other = block;
  EXPECT_EQ(names(other), (std::vector<std::string>{"0.weight", "0.bias"}));
  EXPECT_EQ(names(Sequential{block, Tanh()}), (std::vector<std::string>{"0.0.weight", "0.0.bias"}));
}

TEST(Sequential, MovingAModuleInKeepsItsParameters) {
  Dense layer(1, 1);
  const ParameterRef weight = layer.weight;
  Sequential model{std::move(layer), Tanh()};
  EXPECT_TRUE(model.get<Dense>(0).weight.is(weight));
}

TEST(Sequential, GivesItsModulesByIndexAndType) {
  Sequential model{Dense(2, 3), Tanh()};
  EXPECT_EQ(model.get<Dense>(0).weight->shape(), (Shape{3, 2}));
  expect_error<Error>([&] { model.get<Conv2d>(0); }, "Sequential: module 0 is a Dense, asked for another type");
  expect_error<ShapeError>([&] { model[2]; }, "Sequential: index 2 is out of range for 2 modules");
}

TEST(Sequential, AssignedAModelOfOtherModulesBecomesIt) {
  Sequential model{Dense(2, 3), Tanh()};
  const ParameterRef weight = model.parameters().at(0);
  const Sequential other{Dense(2, 3), ReLU()};
  model = other;
  EXPECT_EQ(model[1].type_name(), "ReLU");
  EXPECT_TRUE(model.parameters().at(0).is(weight));
  const Sequential longer{Dense(2, 3), ReLU(), Dense(3, 1)};
  model = longer;
  EXPECT_EQ(model.size(), 3U);
}

// Layers

TEST(Dense, IsAnAffineMapOfTheLastAxis) {
  Dense layer(3, 2);
  layer.weight.set(from_data({{1, 0, 2}, {0, -1, 1}}));
  layer.bias.set(from_data({10, 20}));
  EXPECT_EQ(values_of(layer(from_data({{1, 2, 3}, {4, 5, 6}}))), (std::vector<double>{17, 21, 26, 21}));
  EXPECT_EQ(layer(zeros({2, 5, 3})).shape(), (Shape{2, 5, 2}));
  EXPECT_EQ(layer(zeros({3})).shape(), (Shape{2}));
  expect_error<ShapeError>([&] { layer(zeros({})); }, "Dense: x has shape [], expected 3 features");
}

TEST(Dense, GradientsReachItsParameters) {
  const Dense layer(3, 2, {.dtype = float64});
  sum(layer(from_data({{1, 2, 3}, {4, 5, 6}}, float64))).backward();
  EXPECT_EQ(values_of(layer.weight.grad()), (std::vector<double>{5, 7, 9, 5, 7, 9}));
  EXPECT_EQ(values_of(layer.bias.grad()), (std::vector<double>{2, 2}));
}

TEST(Dense, TakesOptions) {
  const Linear layer(3, 2, {.bias = false, .init = init::constant(2), .dtype = float64});
  EXPECT_FALSE(layer.bias.defined());
  EXPECT_EQ(layer.parameters().size(), 1U);
  EXPECT_EQ(values_of(layer(ones({1, 3}, float64))), (std::vector<double>{6, 6}));
  EXPECT_EQ(to_string(layer), "Dense(3, 2, no bias)");
  expect_error<Error>([] { Dense(0, 2); }, "Dense: in and out must be at least 1, got 0 and 2");
  expect_error<DTypeError>([] { Dense(1, 2, {.dtype = int64}); }, "int64");
}

TEST(Dense, DrawsWeightsAndBiasWithinOneOverTheRootOfIn) {
  const Dense layer(25, 400);
  for (const ParameterRef& parameter : layer.parameters()) {
    double largest = 0;
    for (const double value : values_of(parameter)) largest = std::max(largest, std::abs(value));
    EXPECT_LE(largest, 0.2);
    EXPECT_GT(largest, 0.19);
  }
}

TEST(Dense, IsTheSameForTheSameSeed) {
  manual_seed(5);
  const Dense a(3, 4);
  manual_seed(5);
  const Dense b(3, 4);
  manual_seed(6);
  const Dense c(3, 4);
  EXPECT_TRUE(equal(a.weight, b.weight));
  EXPECT_TRUE(equal(a.bias, b.bias));
  EXPECT_FALSE(equal(a.weight, c.weight));
}

TEST(Conv2d, CorrelatesImagesWithItsKernels) {
  Conv2d layer(1, 2, 2, {.bias_init = init::constant(10)});
  layer.weight.set(from_vector<float>({1, 0, 0, 0, 0, 0, 0, 1}, Shape{2, 1, 2, 2}));
  const Tensor x = arange(9).reshape({1, 1, 3, 3});
  EXPECT_EQ(values_of(layer(x)), (std::vector<double>{10, 11, 13, 14, 14, 15, 17, 18}));
}

TEST(Conv2d, TakesOptions) {
  const Conv2d layer(3, 8, {3, 5}, {.stride = 2, .padding = {1, 2}, .dilation = {1, 1}, .bias = false});
  EXPECT_EQ(layer.weight->shape(), (Shape{8, 3, 3, 5}));
  EXPECT_EQ(layer(zeros({2, 3, 8, 8})).shape(), (Shape{2, 8, 4, 4}));
  EXPECT_EQ(to_string(layer), "Conv2d(3, 8, kernel 3x5, stride 2, padding 1x2, no bias)");
  expect_error<ShapeError>(
      [&] {
        layer(zeros({3, 8, 8}));
      },
      "Conv2d: x has shape [3, 8, 8], expected a batch of images: [N, 3, H, W]");
  expect_error<ShapeError>([] { Conv2d(1, 1, 5)(zeros({1, 1, 3, 3})); }, "Conv2d: correlate2d: ");
  expect_error<Error>([] { Conv2d(1, 0, 3); }, "Conv2d: in and out must be at least 1, got 1 and 0");
  expect_error<Error>([] { Conv2d(1, 1, {3, 0}); }, "Conv2d: kernel must be at least 1, got 3x0");
  expect_error<Error>([] { Conv2d(1, 1, 3, {.stride = 0}); }, "Conv2d: stride must be at least 1, got 0");
  expect_error<Error>([] { Conv2d(1, 1, 3, {.dilation = 0}); }, "Conv2d: dilation must be at least 1, got 0");
  expect_error<Error>([] { Conv2d(1, 1, 3, {.padding = -1}); }, "Conv2d: padding must not be negative, got -1");
}

TEST(Pooling, TakesTheLargestOrTheMeanOfEachWindow) {
  const Tensor x = arange(16).reshape({1, 1, 4, 4});
  EXPECT_EQ(values_of(MaxPool2d(2)(x)), (std::vector<double>{5, 7, 13, 15}));
  EXPECT_EQ(values_of(AvgPool2d(2)(x)), (std::vector<double>{2.5, 4.5, 10.5, 12.5}));
  EXPECT_EQ(MaxPool2d(3, {.stride = 1, .padding = 1})(x).shape(), (Shape{1, 1, 4, 4}));
  EXPECT_EQ(to_string(MaxPool2d(3, {.stride = 1, .padding = 1})), "MaxPool2d(3, stride 1, padding 1)");
  expect_error<ShapeError>([&] { MaxPool2d(2)(arange(4)); }, "MaxPool2d: x has shape [4], expected a batch of images");
  expect_error<ShapeError>([&] { AvgPool2d(2)(arange(4)); }, "AvgPool2d: x has shape [4], expected a batch of images");
  expect_error<Error>([] { MaxPool2d(0); }, "MaxPool2d: kernel must be at least 1, got 0");
  expect_error<Error>([] { AvgPool2d(2, {.stride = 0}); }, "AvgPool2d: stride must be at least 1, got 0");
  expect_error<Error>([] { MaxPool2d(2, {.padding = 2}); }, "MaxPool2d: padding must be from 0 to half the kernel");
}

TEST(Flatten, JoinsAllAxesButTheBatch) {
  EXPECT_EQ(Flatten()(zeros({2, 3, 4})).shape(), (Shape{2, 12}));
  EXPECT_EQ(Flatten(0, 1)(zeros({2, 3, 4})).shape(), (Shape{6, 4}));
}

TEST(Dropout, DropsInTrainingOnly) {
  Dropout layer(0.25);
  const Tensor x = ones({10000});
  double zeros = 0;
  for (const double value : values_of(layer(x))) {
    EXPECT_TRUE(value == 0 || std::abs(value - 1 / 0.75) < 1e-6) << value;
    zeros += value == 0 ? 1 : 0;
  }
  EXPECT_NEAR(zeros / 10000, 0.25, 0.03);
  layer.eval();
  EXPECT_TRUE(equal(layer(x), x));
  expect_error<Error>([] { Dropout(1.0); }, "Dropout: p must be at least 0 and below 1, got 1");
}

TEST(Activations, AreTheFunctionsOfTheirNames) {
  const Tensor x = from_data({{-2.0, 0.5, 3.0}}, float64);
  EXPECT_TRUE(equal(Tanh()(x), tanh(x)));
  EXPECT_TRUE(equal(ReLU()(x), relu(x)));
  EXPECT_TRUE(equal(LeakyReLU(0.2)(x), leaky_relu(x, 0.2)));
  EXPECT_TRUE(equal(Sigmoid()(x), sigmoid(x)));
  EXPECT_TRUE(equal(Softmax()(x), softmax(x)));
  EXPECT_TRUE(equal(Softmax(0)(x), ones({1, 3}, float64)));
}

// Initialisers

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double deviation_of(const std::vector<double>& values) {
  double squares = 0;
  for (const double value : values) squares += value * value;
  return std::sqrt(squares / static_cast<double>(values.size()) - mean_of(values) * mean_of(values));
}

TEST(Init, FansCountTheKernel) {
  EXPECT_EQ(fans(Shape{8, 3}).in, 3);
  EXPECT_EQ(fans(Shape{8, 3}).out, 8);
  EXPECT_EQ(fans(Shape{8, 3, 5, 7}).in, 3 * 35);
  EXPECT_EQ(fans(Shape{8, 3, 5, 7}).out, 8 * 35);
  expect_error<ShapeError>([] { fans(Shape{8}); }, "init: a weight of shape [8] has no fan");
  expect_error<ShapeError>([] { fans(Shape{8, 0}); }, "init: a weight of shape [8, 0] has no fan");
}

TEST(Init, DrawsWithTheDeviationOfItsFormula) {
  const Shape shape{100, 50, 3, 3};
  const double in = 50 * 9;
  const double out = 100 * 9;
  const auto expect_deviation = [&](const Initializer& initializer, double deviation, const char* name) {
    const std::vector<double> values = values_of(initializer(shape, float64));
    EXPECT_NEAR(mean_of(values), 0, 0.02 * deviation) << name;
    EXPECT_NEAR(deviation_of(values), deviation, 0.01 * deviation) << name;
  };
  expect_deviation(init::uniform(-3, 3), std::sqrt(3.0), "uniform");
  expect_deviation(init::normal(0, 2), 2, "normal");
  expect_deviation(init::xavier_uniform(), std::sqrt(2 / (in + out)), "xavier_uniform");
  expect_deviation(init::xavier_normal(5), 5 * std::sqrt(2 / (in + out)), "xavier_normal");
  expect_deviation(init::kaiming_uniform(), std::sqrt(2 / in), "kaiming_uniform");
  expect_deviation(init::kaiming_normal(0.5), std::sqrt(2 / (1.25 * in)), "kaiming_normal");
}

TEST(Init, TakesAGenerator) {
  Generator a(3);
  Generator b(3);
  EXPECT_TRUE(equal(init::normal()({5}, float32, a), init::normal()({5}, float32, b)));
  EXPECT_EQ(values_of(init::zeros()({2})), (std::vector<double>{0, 0}));
  EXPECT_EQ(values_of(init::constant(3)({2}, float64)), (std::vector<double>{3, 3}));
}

TEST(Init, RejectsNumbersThatMakeNoSense) {
  expect_error<Error>([] { init::xavier_uniform(0); }, "init::xavier_uniform: gain must be positive, got 0");
  expect_error<Error>([] { init::xavier_normal(-1); }, "init::xavier_normal: gain must be positive, got -1");
  expect_error<Error>([] { init::kaiming_uniform(NAN); }, "init::kaiming_uniform: slope must be finite");
  expect_error<Error>([] { init::kaiming_normal(INFINITY); }, "init::kaiming_normal: slope must be finite");
  expect_error<DTypeError>([] { init::normal()({2}, int64); }, "init: parameters are float32 or float64, not int64");
}

}  // namespace
}  // namespace wengert::nn
