#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn.h>

#include "tests/expect.h"

namespace wengert::nn {
namespace {

/// x + 1, so that what hooks put in or take out is easy to see.
struct PlusOne : Module {
  Tensor forward(const Tensor& x) const override { return x + 1; }
};

struct Two : Module {
  PlusOne first;
  PlusOne second;
  Tensor forward(const Tensor& x) const override { return second(first(x)); }
  void visit(Visitor& v) override {
    v("first", first);
    v("second", second);
  }
};

struct Parts {
  Tensor sum;
  Tensor difference;
};

/// A module of two arguments with two results.
struct Pairwise : Module {
  Parts operator()(const Tensor& a, const Tensor& b) const {
    return hooked(
        a,
        [&](const Tensor& x) {
          return Parts{x + b, x - b};
        },
        &Parts::sum);
  }
};

struct Product : Module {
  Tensor operator()(const Tensor& a, const Tensor& b) const {
    return hooked(a, [&](const Tensor& x) { return x * b; });
  }
};

double call(const Module& module, double x) { return module(from_data(x)).item(); }

TEST(ForwardHook, SeesTheModuleItsInputAndItsOutput) {
  PlusOne module;
  int calls = 0;
  module.register_forward_hook([&](const Module& called, const Tensor& x, const Tensor& y) {
    ++calls;
    EXPECT_EQ(&called, &module);
    EXPECT_EQ(x.item(), 5);
    EXPECT_EQ(y.item(), 6);
  });
  EXPECT_EQ(call(module, 5), 6);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(call(PlusOne(), 5), 6);
  EXPECT_EQ(calls, 1);
}

TEST(ForwardHook, MayReplaceTheOutput) {
  PlusOne module;
  module.register_forward_hook([](const Module&, const Tensor&, const Tensor& y) { return y * 10; });
  EXPECT_EQ(call(module, 5), 60);
}

TEST(ForwardHook, ThatReturnsAnUndefinedTensorReplacesNothing) {
  PlusOne module;
  module.register_forward_hook([](const Module&, const Tensor&, const Tensor&) { return Tensor(); });
  module.register_forward_pre_hook([](const Module&, const Tensor&) { return Tensor(); });
  EXPECT_EQ(call(module, 5), 6);
}

TEST(ForwardPreHook, SeesTheInputAndMayReplaceIt) {
  PlusOne module;
  std::vector<double> seen;
  module.register_forward_pre_hook([&](const Module&, const Tensor& x) { seen.push_back(x.item()); });
  module.register_forward_pre_hook([](const Module&, const Tensor& x) { return x * 10; });
  module.register_forward_hook([&](const Module&, const Tensor& x, const Tensor&) { seen.push_back(x.item()); });
  EXPECT_EQ(call(module, 5), 51);
  EXPECT_EQ(seen, (std::vector<double>{5, 50}));
}

TEST(ForwardHooks, RunInTheOrderOfRegistrationEachOnWhatTheOneBeforeLeft) {
  PlusOne module;
  module.register_forward_hook([](const Module&, const Tensor&, const Tensor& y) { return y * 10; });
  module.register_forward_hook([](const Module&, const Tensor&, const Tensor& y) { return y + 3; });
  EXPECT_EQ(call(module, 5), 63);
}

TEST(ForwardHooks, RunWhereverTheModuleIsCalled) {
  Sequential model{PlusOne(), Two()};
  std::vector<std::string> order;
  for (auto& [path, inside] : model.named_modules()) {
    inside->register_forward_pre_hook([&, path = path](const Module&, const Tensor&) { order.push_back(">" + path); });
    inside->register_forward_hook(
        [&, path = path](const Module&, const Tensor&, const Tensor&) { order.push_back("<" + path); });
  }
  EXPECT_EQ(call(model, 0), 3);
  EXPECT_EQ(order, (std::vector<std::string>{">", ">0", "<0", ">1", ">1.first", "<1.first", ">1.second", "<1.second",
                                             "<1", "<"}));
}

TEST(ForwardHooks, DoNotRunWhenForwardIsCalledByItsName) {
  PlusOne module;
  module.register_forward_hook([](const Module&, const Tensor&, const Tensor&) { FAIL(); });
  EXPECT_EQ(module.forward(from_data(1.0)).item(), 2);
}

TEST(ForwardHooks, ArePartOfTheGraph) {
  Dense layer(2, 1, {.bias = false, .dtype = float64});
  layer.weight.set(from_data({{3, 4}}, float64));
  layer.register_forward_pre_hook([](const Module&, const Tensor& x) { return x * 2; });
  layer.register_forward_hook([](const Module&, const Tensor&, const Tensor& y) { return y * 5; });
  const Tensor x = from_data({{1, 2}}, float64).requires_grad(true);
  sum(layer(x)).backward();
  EXPECT_EQ(values_of(x.grad()), (std::vector<double>{30, 40}));
  EXPECT_EQ(values_of(layer.weight.grad()), (std::vector<double>{10, 20}));
}

TEST(ModuleHookHandle, TakesTheHookOffAndLetsGoOfWhatItCaptured) {
  PlusOne module;
  const auto captured = std::make_shared<int>(0);
  ModuleHookHandle first =
      module.register_forward_hook([captured](const Module&, const Tensor&, const Tensor&) { ++*captured; });
  ModuleHookHandle second = module.register_forward_pre_hook([](const Module&, const Tensor& x) { return x * 10; });
  call(module, 1);
  first.remove();
  EXPECT_EQ(captured.use_count(), 1);
  EXPECT_EQ(call(module, 1), 11);
  EXPECT_EQ(*captured, 1);
  second.remove();
  second.remove();
  EXPECT_EQ(call(module, 1), 2);
}

TEST(ModuleHookHandle, LetGoOfLeavesTheHookOn) {
  PlusOne module;
  {
    const ModuleHookHandle handle = module.register_forward_pre_hook([](const Module&, const Tensor& x) { return -x; });
  }
  EXPECT_EQ(call(module, 5), -4);
}

TEST(ModuleHookHandle, MayOutliveTheModule) {
  ModuleHookHandle handle;
  handle.remove();
  {
    PlusOne module;
    handle = module.register_forward_pre_hook([](const Module&, const Tensor&) {});
  }
  handle.remove();
}

TEST(ForwardHook, MayTakeItselfAndOthersOffWhileItRuns) {
  PlusOne module;
  int own = 0;
  int others = 0;
  ModuleHookHandle itself;
  ModuleHookHandle other;
  const std::string text(100, 'x');
  itself = module.register_forward_hook([&, text](const Module&, const Tensor&, const Tensor&) {
    itself.remove();
    other.remove();
    own += text == std::string(100, 'x') ? 1 : 100;  // what it captured is still there
  });
  other = module.register_forward_hook([&](const Module&, const Tensor&, const Tensor&) { ++others; });
  call(module, 1);
  call(module, 1);
  EXPECT_EQ(own, 1);
  EXPECT_EQ(others, 0);
}

TEST(ForwardHook, MayAddAnotherThatRunsFromTheNextCallOn) {
  PlusOne module;
  int calls = 0;
  ModuleHookHandle once = module.register_forward_hook([&](const Module&, const Tensor&, const Tensor&) {
    once.remove();
    module.register_forward_hook([&](const Module&, const Tensor&, const Tensor&) { ++calls; });
  });
  call(module, 1);
  EXPECT_EQ(calls, 0);
  call(module, 1);
  EXPECT_EQ(calls, 1);
}

TEST(ForwardHooks, BelongToOneObject) {
  PlusOne module;
  module.register_forward_pre_hook([](const Module&, const Tensor& x) { return x * 10; });
  const PlusOne copy = module;
  EXPECT_EQ(call(copy, 1), 2);
  const Sequential copied{module};
  EXPECT_EQ(call(copied, 1), 2);

  PlusOne other;
  other.register_forward_pre_hook([](const Module&, const Tensor& x) { return x * 100; });
  other = module;
  EXPECT_EQ(call(other, 1), 101);  // keeps its own
  other = PlusOne();
  EXPECT_EQ(call(other, 1), 101);

  const PlusOne moved = std::move(module);
  EXPECT_EQ(call(moved, 1), 11);
}

TEST(ForwardHook, ThatThrowsEndsTheCallWithTheModulesPlace) {
  Two model;
  ModuleHookHandle handle = model.second.register_forward_hook(
      [](const Module&, const Tensor&, const Tensor& y) { check(y.item() < 3, "the output is {}", y.item()); });
  EXPECT_EQ(call(model, 0), 2);
  expect_error<ShapeError>([&] { call(model, 1); }, "second (PlusOne): the output is 3");
  EXPECT_EQ(call(model, 0), 2);
  handle.remove();
  model.first.register_forward_pre_hook([](const Module&, const Tensor&) { throw std::runtime_error("mine"); });
  EXPECT_THROW(call(model, 0), std::runtime_error);
}

TEST(ForwardHooks, OfModulesOfSeveralArgumentsSeeTheFirstOfEach) {
  Pairwise module;
  ModuleHookHandle before = module.register_forward_pre_hook([](const Module&, const Tensor& a) { return a * 10; });
  ModuleHookHandle after = module.register_forward_hook([](const Module&, const Tensor& a, const Tensor& sum) {
    EXPECT_EQ(a.item(), 20);
    return sum * 2;
  });
  const Tensor two = from_data(2.0);
  const Tensor three = from_data(3.0);
  const Parts parts = module(two, three);
  EXPECT_EQ(parts.sum.item(), 46);
  EXPECT_EQ(parts.difference.item(), 17);
  before.remove();
  after.remove();
  EXPECT_EQ(module(two, three).sum.item(), 5);

  Bilinear bilinear(2, 3, 4, {.init = init::constant(1), .bias_init = init::zeros()});
  bilinear.register_forward_pre_hook([](const Module&, const Tensor& x1) { return x1 * 10; });
  EXPECT_EQ(values_of(bilinear(ones({1, 2}), ones({1, 3}))), std::vector<double>(4, 60));

  MSELoss loss;
  loss.register_forward_hook([](const Module&, const Tensor&, const Tensor& y) { return y * 2; });
  EXPECT_EQ(loss(two, three).item(), 2);

  Product product;
  product.register_forward_pre_hook([](const Module&, const Tensor& a) { return a * 10; });
  EXPECT_EQ(product(two, three).item(), 60);
}

}  // namespace
}  // namespace wengert::nn
