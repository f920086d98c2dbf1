#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn.h>
#include <wengert/optim.h>

#include "tests/expect.h"

namespace wengert::nn {
namespace {

/// A language model that reads and writes by one table.
struct TiedProjection : Module {
  Embedding words{5, 3, {.dtype = float64}};
  Dense between{3, 3, {.dtype = float64}};
  Tensor forward(const Tensor& x) const override { return linear(between(words(x)), words.weight); }
  void visit(Visitor& v) override {
    v("words", words);
    v("between", between);
    v("projection", words.weight);
  }
};

/// One layer used twice, under two names.
struct TwiceTheSame : Module {
  Dense layer{2, 2};
  Tensor forward(const Tensor& x) const override { return layer(layer(x)); }
  void visit(Visitor& v) override {
    v("first", layer);
    v("second", layer);
  }
};

struct Net : Module {
  Sequential features{Dense(4, 3), ReLU()};
  Dense head{3, 2};
  Tensor mean = zeros({3});
  Tensor forward(const Tensor& x) const override { return head(features(x) - mean); }
  void visit(Visitor& v) override {
    v("features", features);
    v("head", head);
    v("mean", mean);
  }
};

struct Bilinear2 : Module {
  Dense left{2, 3};
  Dense right{4, 3};
  Tensor operator()(const Tensor& a, const Tensor& b) const {
    return hooked(a, [&](const Tensor& x) { return left(x) * right(b); });
  }
  void visit(Visitor& v) override {
    v("left", left);
    v("right", right);
  }
};

std::vector<std::string> paths(const std::vector<std::pair<std::string, Module*>>& modules) {
  std::vector<std::string> result;
  for (const auto& [path, module] : modules) result.push_back(path);
  return result;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

// Weight sharing

TEST(WeightSharing, ATiedTableIsOneParameterEverywhere) {
  TiedProjection model;
  EXPECT_EQ(model.parameters().size(), 3U);
  EXPECT_EQ(model.parameter_count(), 15 + 9 + 3);
  EXPECT_EQ(model.state_dict().size(), 3U);
  EXPECT_NE(model.state_dict().find("words.weight"), nullptr);
  EXPECT_EQ(model.state_dict().find("projection"), nullptr);
  const std::string text = model.summary();
  EXPECT_TRUE(has(text, "projection [5, 3] (shared)")) << text;
  EXPECT_TRUE(has(text, "27 parameters")) << text;
}

TEST(WeightSharing, ATiedTablesGradientIsTheSumOfBothUses) {
  const TiedProjection model;
  const Tensor words = from_data({0, 3, 3}, int64);
  sum(square(model(words))).backward();
  // The same with two tables of the same numbers.
  const Tensor in = model.words.weight->detach().requires_grad(true);
  const Tensor out = model.words.weight->detach().requires_grad(true);
  sum(square(linear(model.between(embedding(in, words)), out))).backward();
  const std::vector<double> together = values_of(model.words.weight.grad());
  const std::vector<double> apart = values_of(in.grad() + out.grad());
  for (std::size_t i = 0; i < together.size(); ++i) EXPECT_NEAR(together[i], apart[i], 1e-12);
}

TEST(WeightSharing, AnOptimizerUpdatesATiedTableOnce) {
  TiedProjection model;
  optim::SGD optimizer(model.parameters(), {.lr = 0.5});
  const std::vector<double> before = values_of(model.words.weight);
  sum(model.words.weight * 2).backward();
  optimizer.step();
  const std::vector<double> after = values_of(model.words.weight);
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_DOUBLE_EQ(after[i], before[i] - 1);
}

TEST(WeightSharing, ATiedTableRoundTripsThroughAStateDict) {
  const TiedProjection source;
  TiedProjection target;
  target.load_state_dict(source.state_dict());
  EXPECT_EQ(values_of(target(from_data({1, 2}, int64))), values_of(source(from_data({1, 2}, int64))));
}

TEST(WeightSharing, AModuleUnderTwoNamesIsOneModule) {
  TwiceTheSame model;
  EXPECT_EQ(model.parameter_count(), 6);
  EXPECT_EQ(model.state_dict().size(), 2U);
  EXPECT_EQ(paths(model.named_modules()), (std::vector<std::string>{"", "first"}));
  int calls = 0;
  model.apply([&](Module&) { ++calls; });
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(has(model.summary(Shape{7, 2}), "6 parameters"));
}

// The tree

TEST(ModuleTree, ListsModulesOuterOnesFirst) {
  Net net;
  EXPECT_EQ(paths(net.named_modules()), (std::vector<std::string>{"", "features", "features.0", "features.1", "head"}));
  EXPECT_EQ(net.named_modules()[4].second, &net.head);
  EXPECT_EQ(paths(net.named_children()), (std::vector<std::string>{"features", "head"}));
  EXPECT_TRUE(ReLU().named_children().empty());
}

TEST(ModuleTree, AppliesAFunctionToChildrenInOrderAndThenToTheirParent) {
  Net net;
  std::string order;
  net.apply([&](Module& module) { order += module.type_name() + "(" + module.options() + ") "; });
  EXPECT_EQ(order, "Dense(4, 3) ReLU() Sequential() Dense(3, 2) Net() ");
  net.apply([](Module& module) {
    if (auto* dense = dynamic_cast<Dense*>(&module)) dense->bias.set(full(dense->bias->shape(), 7));
  });
  EXPECT_EQ(values_of(net.head.bias), (std::vector<double>{7, 7}));
}

// Freezing

TEST(Freezing, TakesParametersOutOfTheGraphAndBack) {
  Net net;
  net.features.freeze();
  const Tensor x = ones({1, 4});
  EXPECT_FALSE(net.features(x).requires_grad());
  sum(net(x)).backward();
  EXPECT_FALSE(net.features.get<Dense>(0).weight.has_grad());
  EXPECT_TRUE(net.head.weight.has_grad());
  net.features.freeze(false);
  sum(net(x)).backward();
  EXPECT_TRUE(net.features.get<Dense>(0).weight.has_grad());
}

TEST(Freezing, LetsGradientsThroughToTheInput) {
  Dense layer(2, 1, {.bias = false});
  layer.weight.set(from_data({{3, 4}}));
  layer.freeze();
  const Tensor x = ones({1, 2}).requires_grad(true);
  sum(layer(x)).backward();
  EXPECT_EQ(values_of(x.grad()), (std::vector<double>{3, 4}));
}

TEST(Freezing, KeepsNumbersFromOptimizersButNotFromSet) {
  Net net;
  optim::SGD optimizer(net.parameters(), {.lr = 1, .weight_decay = 0.5});
  sum(net(ones({1, 4}))).backward();
  net.head.freeze();  // forgets the gradient that is there
  const ParameterRef weight = net.head.weight;
  const std::vector<double> frozen = values_of(weight);
  const std::vector<double> other = values_of(net.parameters()[0]);
  optimizer.step();
  EXPECT_EQ(values_of(weight), frozen);
  EXPECT_NE(values_of(net.parameters()[0]), other);
  optimizer.zero_grad();

  Net loaded;
  net.load_state_dict(loaded.state_dict());
  EXPECT_EQ(values_of(weight), values_of(loaded.head.weight));
  EXPECT_FALSE(weight.requires_grad());
  EXPECT_TRUE(net.head.weight.is(weight));
  weight.set(zeros({2, 3}));
  EXPECT_FALSE(weight.requires_grad());
}

TEST(Freezing, GoesWithACopyAndStaysWhereNumbersAreAssigned) {
  Net net;
  net.head.freeze();
  Net copy = net;
  EXPECT_FALSE(copy.head.weight.requires_grad());
  EXPECT_TRUE(copy.features.get<Dense>(0).weight.requires_grad());
  Net fresh;
  fresh = net;
  EXPECT_TRUE(fresh.head.weight.requires_grad());
  net = Net();
  EXPECT_FALSE(net.head.weight.requires_grad());
  expect_error<Error>([] { ParameterRef().requires_grad(true); },
                      "Parameter.requires_grad: this handle refers to no parameter");
  EXPECT_FALSE(ParameterRef().requires_grad());
}

TEST(ModuleError, NamesAnInputThatIsUndefined) {
  expect_error<Error>([] { Net()(Tensor()); }, "Net: x is undefined");
  expect_error<Error>([] { Sequential{Dense(1, 1)}(Tensor()); }, "Sequential: x is undefined");
}

TEST(Sequential, AssignedATemporaryKeepsTheParametersThatAnOptimizerKnows) {
  Sequential model{Dense(2, 2), Tanh()};
  const ParameterRef weight = model.get<Dense>(0).weight;
  model = Sequential{Dense(2, 2, {.init = init::constant(7)}), Tanh()};
  EXPECT_TRUE(model.get<Dense>(0).weight.is(weight));
  EXPECT_EQ(values_of(weight), (std::vector<double>{7, 7, 7, 7}));
}

// Summary

TEST(Summary, SaysWhatIsTrainable) {
  Net net;
  EXPECT_TRUE(has(net.summary(), "23 trainable, 3 not trainable (0 frozen, 3 in buffers)")) << net.summary();
  net.head.freeze();
  EXPECT_TRUE(has(net.summary(), "15 trainable, 11 not trainable (8 frozen, 3 in buffers)")) << net.summary();
  EXPECT_TRUE(has(net.summary(), "weight [2, 3] (frozen), bias [2] (frozen)")) << net.summary();
}

TEST(Summary, OfAModuleOfSeveralArgumentsWatchesACallOfIt) {
  Bilinear2 net;
  const std::string text = net.summary([&] { net(zeros({7, 2}), zeros({7, 4})); });
  EXPECT_TRUE(has(text, "left    Dense(2, 3)  [7, 3]")) << text;
  EXPECT_TRUE(has(text, "Bilinear2    [7, 3]")) << text;
  expect_error<Error>([&] { net.summary(Shape{7, 2}); }, "Bilinear2 is not a function of one tensor");
  EXPECT_TRUE(net.is_training());
}

TEST(Summary, TakesAnExampleOfIntegers) {
  TiedProjection model;
  const std::string text = model.summary(from_data({{1, 2, 3, 4}}, int64));
  EXPECT_TRUE(has(text, "TiedProjection   [1, 4, 5]")) << text;
}

}  // namespace
}  // namespace wengert::nn
