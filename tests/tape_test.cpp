#include <cmath>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>
#include <time.h>

#include <wengert/autograd/map.h>
#include <wengert/autograd/memory.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

Tensor leaf(double value) { return full({}, value, float64).requires_grad(true); }

/// Seconds this thread has computed, whatever else the machine was doing.
double computed_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

TEST(Backward, SumsOverAllPathsToALeaf) {
  const Tensor x = leaf(3);
  const Tensor y = x * x + x;
  y.backward();
  EXPECT_EQ(x.grad().item(), 7);
}

TEST(Backward, AddsToTheGradientOfEarlierCallsUntilCleared) {
  const Tensor x = leaf(2);
  (x * 3).backward();
  (x * 4).backward();
  EXPECT_EQ(x.grad().item(), 7);
  x.zero_grad();
  EXPECT_FALSE(x.grad().defined());
  (x * 4).backward();
  EXPECT_EQ(x.grad().item(), 4);
}

TEST(Backward, LeavesAGradientThatTheUserHoldsAlone) {
  const Tensor x = leaf(2);
  (x * 3).backward();
  const Tensor held = x.grad();
  (x * 4).backward();
  EXPECT_EQ(held.item(), 3);
  EXPECT_EQ(x.grad().item(), 7);
}

TEST(Backward, TakesAGradientForATensorOfAnyShape) {
  const Tensor x = arange(3, float64).requires_grad(true);
  (x * x).backward(from_data({1, 10, 100}, float64));
  EXPECT_EQ(values_of(x.grad()), (std::vector<double>{0, 20, 400}));
}

TEST(Backward, StartsAtALeafToo) {
  const Tensor x = leaf(2);
  x.backward();
  EXPECT_EQ(x.grad().item(), 1);
}

TEST(Backward, SumsBroadcastGradientsBackToTheInput) {
  const Tensor row = ones({1, 3}, float64).requires_grad(true);
  const Tensor column = ones({2, 1}, float64).requires_grad(true);
  const Tensor scalar = leaf(5);
  sum(row * column + scalar).backward();
  EXPECT_EQ(row.grad().shape(), (Shape{1, 3}));
  EXPECT_EQ(values_of(row.grad()), (std::vector<double>{2, 2, 2}));
  EXPECT_EQ(values_of(column.grad()), (std::vector<double>{3, 3}));
  EXPECT_EQ(scalar.grad().item(), 6);
}

TEST(Backward, RefusesAShapeWithoutAGradient) {
  const Tensor x = ones({2}).requires_grad(true);
  expect_error<GraphError>([&] { (x * 2).backward(); }, "shape [2]; without a gradient only a single number");
  expect_error<ShapeError>([&] { (x * 2).backward(ones({3})); }, "gradient has shape [3], the tensor has [2]");
  expect_error<DTypeError>([&] { (x * 2).backward(ones({2}, float64)); }, "gradient is float64, the tensor is float32");
}

TEST(Backward, RefusesADetachedTensor) {
  const Tensor x = leaf(2);
  expect_error<GraphError>([&] { (x * 2).detach().backward(); }, "does not require a gradient");
  expect_error<GraphError>([&] { no_grad([&] { return x * 2; }).backward(); }, "does not require a gradient");
}

TEST(Backward, NamesTheOpWithoutAGradientOnTheWay) {
  const Tensor x = ones({3}).requires_grad(true);
  expect_error<GraphError>(
      [&] { argmax(tanh(x), 0).backward(); },
      "backward: the tensor of shape [] does not require a gradient: it was computed through 'argmax', "
      "which has no gradient");
  expect_error<GraphError>(
      [&] {
        mean(2 * reshape(x > 1, {1, -1}), {1}).backward();
      },
      "through 'greater', which has no gradient");
  expect_error<GraphError>([&] { (topk(x, 1).indices.to(float32) * 2).backward(); },
                           "through 'topk', which has no gradient");
  expect_error<GraphError>([&] { sum(one_hot(argmax(x, 0), 3)).backward(); },
                           "through 'argmax', which has no gradient");
  expect_error<GraphError>([&] { grad(sum(sort(x).indices.to(float32)), {x}); },
                           "through 'sort', which has no gradient");
  const auto own = [](const Tensor& t) { return without_gradient("own_op", zeros({}), t); };
  expect_error<GraphError>([&] { own(x).backward(); }, "through 'own_op', which has no gradient");
  // As a factor beside a way that has gradients it is a constant.
  sum(x * (x > 0)).backward();
  EXPECT_EQ(values_of(x.grad()), (std::vector<double>{1, 1, 1}));
}

TEST(Backward, DoesNotBlameAnOpThatNoGradientWasLostIn) {
  const Tensor x = ones({3});
  expect_error<GraphError>([&] { sum(x > 0).backward(); }, "computed from leaves without requires_grad");
  const Tensor y = ones({3}).requires_grad(true);
  expect_error<GraphError>([&] { no_grad([&] { return sum(y > 0); }).backward(); }, "under no_grad");
}

TEST(Backward, NamesTheOpWithoutAGradientThatTheTensorWasComputedThrough) {
  const Tensor x = leaf(2);
  const auto message = [](const char* op) {
    return fmt::format("does not require a gradient: it was computed through '{}', which has no gradient", op);
  };
  expect_error<GraphError>([&] { mean(reshape((x > 0) * 3, {1})).backward(); }, message("greater"));
  expect_error<GraphError>([&] { grad(where(x == 2, full({}, 1, float64), full({}, 0, float64)), x); },
                           message("equal"));
  const Tensor bin = record("bin", ones({}, int64), not_differentiable(x));
  EXPECT_FALSE(bin.requires_grad());
  expect_error<GraphError>([&] { (bin.to(float64) * 2).backward(); }, message("bin"));
  const auto largest = topk(stack({x, x * 2}), 1, 0);
  expect_error<GraphError>([&] { sum(largest.indices.to(float32)).backward(); }, message("topk"));
}

TEST(Backward, BlamesNoOpThatIsNotTheReason) {
  const Tensor x = leaf(2);
  const auto expect_plain = [](const Tensor& loss) {
    expect_error<GraphError>([&] { loss.backward(); }, "it was computed from leaves without requires_grad");
  };
  expect_plain(no_grad([&] { return sum(x > 0); }));
  expect_plain(sum(x.detach() > 0));
  const Tensor y = map(x, [](auto v) { return v * v; });  // whose own loop is an op without a gradient
  expect_plain(y.detach() * 2);
  y.backward();
  EXPECT_EQ(x.grad().item(), 4);
  ((x > 0) * x).backward();  // a mask is a constant
  EXPECT_EQ(x.grad().item(), 5);
}

TEST(Backward, SaysSoWhenCalledTwice) {
  const Tensor x = leaf(2);
  const Tensor y = exp(x * x);
  y.backward();
  expect_error<GraphError>([&] { y.backward(); }, "the graph of 'exp' was released by an earlier backward");
  EXPECT_NEAR(x.grad().item(), 4 * std::exp(4.0), 1e-9) << "the refused call must not have added anything";
}

TEST(Backward, RunsTwiceOnARetainedGraph) {
  const Tensor x = leaf(2);
  const Tensor y = x * x;
  y.backward({.retain_graph = true});
  y.backward();
  EXPECT_EQ(x.grad().item(), 8);
}

TEST(Backward, SaysSoWhenASharedPartWasReleased) {
  const Tensor x = leaf(2);
  const Tensor shared = x * x;
  (shared * 2).backward();
  expect_error<GraphError>([&] { (shared * 3).backward(); }, "graph of 'mul' was released");
}

TEST(Backward, ChangesNoLeafWhenItIsRefused) {
  const Tensor w = leaf(2);
  const Tensor v = leaf(3);
  const Tensor shared = w * w;
  const Tensor both = shared * v;
  (shared * 2).backward();
  EXPECT_THROW(both.backward(), GraphError);
  EXPECT_FALSE(v.grad().defined());
  EXPECT_EQ(w.grad().item(), 8);
}

TEST(Backward, ChangesNoLeafWhenARuleThrows) {
  const Tensor w = leaf(2);
  const Tensor v = leaf(3);
  const Tensor broken = record("broken", v.detach(), wrt(v, [](const Tensor&) -> Tensor { throw Error("no"); }));
  const Tensor y = broken * w;
  EXPECT_THROW(y.backward(), Error);
  EXPECT_FALSE(w.grad().defined());
  EXPECT_FALSE(v.grad().defined());
  expect_error<GraphError>([&] { y.backward(); }, "or by one that failed");
  (w * 3).backward();
  EXPECT_EQ(w.grad().item(), 3);
}

TEST(Backward, ReleasesTheGraphAsItPasses) {
  const Tensor x = ones({1000}).requires_grad(true);
  const std::size_t before = memory::stats().live_bytes;
  Tensor y = x;
  for (int i = 0; i < 100; ++i) y = tanh(y);
  y = sum(y);
  EXPECT_GT(memory::stats().live_bytes, before + 100 * 4000);
  y.backward();
  EXPECT_LT(memory::stats().live_bytes, before + 4 * 8192) << "only the loss, its node and the gradient may remain";
}

TEST(Backward, OfASharedExpressionDoubledSixtyTimesIsLinear) {
  const Tensor x = leaf(1);
  Tensor y = x;
  for (int i = 0; i < 60; ++i) y = y + y;
  y.backward();
  EXPECT_EQ(x.grad().item(), std::ldexp(1.0, 60));
}

TEST(Backward, VisitsManyParallelBranchesOnceEach) {
  const Tensor x = leaf(1);
  std::vector<Tensor> branches(2000, x);
  for (int depth = 0; depth < 5; ++depth) {
    for (Tensor& branch : branches) branch = branch * 2;
  }
  Tensor total = branches[0];
  for (std::size_t i = 1; i < branches.size(); ++i) total = total + branches[i];
  total.backward();
  EXPECT_EQ(x.grad().item(), 2000 * 32);
}

/// Runs `f` on a thread with an 8 MiB stack, whatever this process was given.
template <class F>
void on_small_stack(F f) {
  pthread_attr_t attributes;
  ASSERT_EQ(pthread_attr_init(&attributes), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&attributes, 8u << 20), 0);
  pthread_t thread;
  const auto run = [](void* function) -> void* {
    (*static_cast<F*>(function))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &f), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

TEST(Backward, OfAMillionOpsFitsAnEightMebibyteStackAndASecond) {
  on_small_stack([] {
    const Tensor x = leaf(1);
    {
      Tensor y = x;
      for (int i = 0; i < 1'000'000; ++i) y = y * 1.0000001;
      y.backward();
    }
    EXPECT_NEAR(x.grad().item(), std::exp(0.1), 1e-6);
#ifdef NDEBUG
    EXPECT_LT(computed_seconds(), 1.0);
#else
    EXPECT_LT(computed_seconds(), 60.0);  // sanitizers
#endif
  });
}

TEST(Graph, OfAMillionOpsIsFreedWithoutRecursionAndWithoutBackward) {
  on_small_stack([] {
    Tensor y = leaf(1);
    for (int i = 0; i < 1'000'000; ++i) y = -y;
    y = Tensor();
  });
}

TEST(Graph, CapturedInputsOfADeepChainAreFreedWithoutRecursion) {
  on_small_stack([] {
    Tensor y = leaf(1);
    for (int i = 0; i < 300'000; ++i) y = y * y;  // the rules hold the inputs, not only the edges
    y = Tensor();
  });
}

TEST(Graph, LeavesNoMemoryBehindWhenDropped) {
  const Tensor x = ones({32, 32}).requires_grad(true);
  const auto build = [&] { return sum(tanh(x * x) + exp(x)); };
  (void)build();
  const std::size_t before = memory::stats().live_bytes;
  for (int i = 0; i < 10'000; ++i) (void)build();
  EXPECT_EQ(memory::stats().live_bytes, before);
}

TEST(Graph, NeedsNoSystemMemoryInASteadyState) {
  const Tensor x = ones({32, 32}).requires_grad(true);
  const auto step = [&] {
    sum(tanh(x * x) + exp(x)).backward();
    x.zero_grad();
  };
  step();
  const std::size_t before = memory::stats().system_allocations;
  for (int i = 0; i < 100; ++i) step();
  EXPECT_EQ(memory::stats().system_allocations, before);
}

TEST(Graph, KeepsNothingForInputsWithoutAGradient) {
  const Tensor x = ones({1 << 16}).requires_grad(true);
  const std::size_t before = memory::stats().live_bytes;
  const Tensor y = x + full({1 << 16}, 2);
  EXPECT_LT(memory::stats().live_bytes, before + (5u << 16)) << "the addend's buffer must be free again";
}

TEST(RequiresGrad, IsInheritedOnlyThroughInputsThatNeedIt) {
  const Tensor x = leaf(1);
  const Tensor c = full({}, 2, float64);
  EXPECT_TRUE((x * c).requires_grad());
  EXPECT_FALSE((c * c).requires_grad());
  EXPECT_FALSE((x > c).requires_grad());
  EXPECT_STREQ((x * c).op(), "mul");
  EXPECT_EQ(x.op(), nullptr);
  EXPECT_TRUE(x.is_leaf());
}

TEST(RequiresGrad, IsRefusedForIntegersAndCannotBeTakenFromAResult) {
  expect_error<DTypeError>([] { zeros({2}, int64).requires_grad(true); }, "int64 has no gradient");
  const Tensor x = leaf(1);
  Tensor y = x * 2;
  expect_error<GraphError>([&] { y.requires_grad(false); }, "result of 'mul'; use detach()");
}

TEST(Grad, OfAResultPointsToTheFunction) {
  const Tensor x = leaf(1);
  const Tensor y = x * 2;
  expect_error<GraphError>([&] { (void)y.grad(); }, "result of 'mul'; backward keeps gradients of leaves only");
  expect_error<GraphError>([&] { (void)zeros({2}).grad(); }, "does not require a gradient");
}

TEST(NoGrad, RecordsNothingOnThisThreadOnly) {
  const Tensor x = leaf(1);
  const NoGrad guard;
  EXPECT_FALSE((x * 2).requires_grad());
  bool other_thread_records = false;
  std::thread([&] { other_thread_records = (x * 2).requires_grad(); }).join();
  EXPECT_TRUE(other_thread_records);
  {
    const EnableGrad inner;
    EXPECT_TRUE((x * 2).requires_grad());
  }
  EXPECT_FALSE((x * 2).requires_grad());
}

TEST(NoGrad, EndsWithItsScopeAlsoOnAnException) {
  const Tensor x = leaf(1);
  EXPECT_THROW(no_grad([&] { return x * zeros({2}); }), Error);
  EXPECT_TRUE((x * 2).requires_grad());
}

TEST(GradFunction, ReturnsGradientsAndLeavesLeavesAlone) {
  const Tensor x = leaf(3);
  const Tensor w = leaf(4);
  const std::vector<Tensor> gradients = grad(x * x * w, {x, w});
  EXPECT_EQ(gradients[0].item(), 24);
  EXPECT_EQ(gradients[1].item(), 9);
  EXPECT_FALSE(x.grad().defined());
}

TEST(GradFunction, StopsAtAnInputWhoseOwnGraphIsGone) {
  const Tensor w = leaf(2);
  const Tensor middle = w * w;
  const Tensor y = middle * 5;
  (middle * 2).backward();
  EXPECT_EQ(grad(y, middle, {.retain_graph = true}).item(), 5);
  expect_error<GraphError>([&] { grad(y, w); }, "graph of 'mul' was released");
}

TEST(GradFunction, WorksForIntermediateResults) {
  const Tensor x = leaf(3);
  const Tensor middle = x * x;
  const Tensor y = middle * middle;
  EXPECT_EQ(grad(y, {middle, x})[0].item(), 18);
}

TEST(GradFunction, GivesHigherDerivatives) {
  const Tensor x = leaf(0.3);
  const Tensor first = grad(tanh(x), x, {.create_graph = true});
  const Tensor second = grad(first, x, {.create_graph = true});
  const Tensor third = grad(second, x);
  const double t = std::tanh(0.3);
  EXPECT_NEAR(first.item(), 1 - t * t, 1e-14);
  EXPECT_NEAR(second.item(), -2 * t * (1 - t * t), 1e-14);
  EXPECT_NEAR(third.item(), (6 * t * t - 2) * (1 - t * t), 1e-14);
}

TEST(GradFunction, RecordsNothingUnlessAsked) {
  const Tensor x = leaf(2);
  EXPECT_FALSE(grad(x * x * x, x).requires_grad());
  EXPECT_TRUE(grad(x * x * x, x, {.create_graph = true}).requires_grad());
}

TEST(GradFunction, SumsSeveralOutputsWithTheirGradients) {
  const Tensor x = leaf(2);
  const std::vector<Tensor> outputs{x * x, x * 3};
  EXPECT_EQ(grad(outputs, {x})[0].item(), 7);
  EXPECT_EQ(grad({x * x, x * 3}, {x}, {.grad_outputs = {full({}, 10, float64), full({}, 1, float64)}})[0].item(), 43);
}

TEST(GradFunction, TakesBracesForAList) {
  const Tensor x = leaf(2);
  const std::vector<Tensor> one = grad(x * x, {x});
  EXPECT_EQ(one.at(0).item(), 4);
  EXPECT_EQ(grad({x * x}, {x}).at(0).item(), 4);
}

TEST(GradFunction, SaysWhichInputIsUnused) {
  const Tensor x = leaf(2);
  const Tensor unused = leaf(1);
  expect_error<GraphError>([&] { grad(x * x, {x, unused}); }, "do not depend on input 1 of shape []");
  EXPECT_FALSE(grad(x * x, {x, unused}, {.allow_unused = true})[1].defined());
  expect_error<GraphError>([&] { grad(x * x, full({}, 1, float64)); },
                           "input 0 of shape [] does not require a gradient");
}

TEST(GradFunction, RunsOnlyTheRulesThatLeadToAnInput) {
  const Tensor x = leaf(2);
  const Tensor w = leaf(3);
  int other_rule_runs = 0;
  const Tensor y =
      record("spy", (x * w).detach(), wrt(x, [](const Tensor& g) { return g * 3; }), wrt(w, [&](const Tensor& g) {
               ++other_rule_runs;
               return g * 2;
             }));
  EXPECT_EQ(grad(y, x).item(), 3);
  EXPECT_EQ(other_rule_runs, 0);
}

TEST(GradFunction, OfAMillionOpsTakesNoRecursionEither) {
  on_small_stack([] {
    const Tensor x = leaf(1);
    Tensor y = x;
    for (int i = 0; i < 1'000'000; ++i) y = -y;
    EXPECT_EQ(grad(y, x).item(), 1);
  });
}

TEST(Record, DropsTheRuleOfAnInputThatNeedsNoGradientAtOnce) {
  const auto token = std::make_shared<int>(0);
  const Tensor x = leaf(2);
  const Tensor c = full({}, 3, float64);
  const Tensor y = record("op", (x * c).detach(), wrt(x, [](const Tensor& g) { return g; }),
                          wrt(c, [token](const Tensor& g) { return g; }));
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Record, HandsTheRuleItsOwnOutput) {
  const Tensor x = leaf(2);
  const Tensor y = record("cube", (x * x * x).detach(),
                          wrt(x, [x](const Tensor& g, const Tensor& cube) { return g * cube * 3 / x; }));
  const Tensor first = grad(y, x, {.create_graph = true});
  EXPECT_DOUBLE_EQ(first.item(), 12);
  EXPECT_DOUBLE_EQ(grad(first, x).item(), 12);
}

TEST(Record, ReportsARuleWithAWrongResult) {
  const Tensor x = ones({2, 3}).requires_grad(true);
  const auto op_returning = [&](const Tensor& gradient) {
    return record("twist", zeros({4}), wrt(x, [gradient](const Tensor&) { return gradient; }));
  };
  expect_error<ShapeError>(
      [&] {
        op_returning(zeros({3, 2})).backward(zeros({4}));
      },
      "twist: the gradient rule for input 0 returned shape [3, 2], the input's shape is [2, 3]");
  expect_error<DTypeError>(
      [&] {
        op_returning(zeros({2, 3}, float64)).backward(zeros({4}));
      },
      "twist: the gradient rule for input 0 returned float64, the input is float32");
  EXPECT_NO_THROW(op_returning(Tensor()).backward(zeros({4}))) << "undefined stands for zero";
}

TEST(Record, TakesSeveralOutputsWithOneRule) {
  const Tensor x = leaf(2);
  const auto op = [](const Tensor& in) {
    const std::vector<Tensor> inputs{in};
    return record("square_and_cube", {(in * in).detach(), (in * in * in).detach()},
                  wrt_all(inputs, [in](std::span<const Tensor> g, const std::uint8_t*) {
                    Tensor total = zeros({}, float64);
                    if (g[0].defined()) total = total + g[0] * in * 2;
                    if (g[1].defined()) total = total + g[1] * in * in * 3;
                    return std::vector<Tensor>{total};
                  }));
  };
  const std::vector<Tensor> outputs = op(x);
  EXPECT_EQ(grad(outputs[0], x, {.retain_graph = true}).item(), 4);
  EXPECT_EQ(grad(outputs[1], x, {.retain_graph = true}).item(), 12);
  EXPECT_EQ(grad(outputs[0] * outputs[1], x).item(), 4 * 8 + 4 * 12);
}

TEST(Record, RefusesAnUndefinedOutput) {
  const Tensor x = leaf(2);
  const auto rule = [](const Tensor& g) { return g; };
  expect_error<Error>([&] { record("nothing", Tensor(), wrt(x, rule)); },
                      "nothing: the output to be recorded is undefined");
  const auto joint_rule = [](std::span<const Tensor>, const std::uint8_t*) { return std::vector<Tensor>(1); };
  expect_error<Error>(
      [&] {
        record("nothing", {x.detach(), Tensor()}, wrt_all(std::span(&x, 1), joint_rule));
      },
      "nothing: the output to be recorded is undefined");
}

TEST(Record, LeavesAnIntegerOutputOffTheTape) {
  const Tensor x = leaf(2);
  const Tensor y = record("count", ones({}, int64), wrt(x, [](const Tensor& g) { return g; }));
  EXPECT_FALSE(y.requires_grad());
  EXPECT_EQ(y.op(), nullptr);
}

TEST(Record, TakesOutputsOfDifferentTypes) {
  const Tensor x = leaf(2);
  const std::vector<Tensor> inputs{x};
  const std::vector<Tensor> outputs =
      record("several", {full({}, 2, float64), full({}, 2, float32), full({}, 2, int64)},
             wrt_all(inputs, [](std::span<const Tensor> g, const std::uint8_t*) {
               return std::vector<Tensor>{g[1].defined() ? g[1].to(float64) * 7 : g[0]};
             }));
  EXPECT_FALSE(outputs[2].requires_grad()) << "indices have no gradient";
  EXPECT_EQ(grad(outputs[1] * 2, x).item(), 14);
}

double train_quadratic(double start) {
  Tensor x = leaf(start);
  for (int step = 0; step < 200; ++step) {
    x.zero_grad();
    (tanh(x) * x + exp(-x)).backward();
    x = (x.detach() - 0.1 * x.grad()).requires_grad(true);
  }
  return x.item();
}

TEST(Threads, TrainingSideBySideGivesWhatOneAfterTheOtherGives) {
  const double first = train_quadratic(1.5);
  const double second = train_quadratic(-0.7);
  double first_beside = 0;
  double second_beside = 0;
  std::thread one([&] { first_beside = train_quadratic(1.5); });
  std::thread two([&] { second_beside = train_quadratic(-0.7); });
  one.join();
  two.join();
  EXPECT_EQ(first_beside, first);
  EXPECT_EQ(second_beside, second);
}

TEST(Threads, MayEndInTheSameLeaf) {
  const Tensor x = leaf(1);
  const auto work = [&] {
    for (int i = 0; i < 1000; ++i) (x * 2).backward();
  };
  std::thread one(work);
  std::thread two(work);
  one.join();
  two.join();
  EXPECT_EQ(x.grad().item(), 4000);
}

TEST(Threads, AGraphMayBeBuiltOnOneAndRunOnAnother) {
  const Tensor x = leaf(2);
  Tensor y;
  std::thread([&] { y = x * x; }).join();
  (y * x).backward();
  EXPECT_EQ(x.grad().item(), 12);
}

}  // namespace
}  // namespace wengert
