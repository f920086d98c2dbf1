#include <gtest/gtest.h>

#include <wengert/autograd.h>

#include "tests/expect.h"

namespace wengert {
namespace {

Tensor leaf(double value) { return full({}, value, float64).requires_grad(true); }

TEST(Hook, SeesTheWholeGradientOfAResultOnce) {
  const Tensor x = leaf(2);
  const Tensor y = x * x;
  std::vector<double> seen;
  y.register_hook([&](const Tensor& g) { seen.push_back(g.item()); });
  (y * 3 + y * 4).backward();
  EXPECT_EQ(seen, (std::vector<double>{7}));
  EXPECT_EQ(x.grad().item(), 28);
}

TEST(Hook, SeesTheWholeGradientOfALeafOnce) {
  const Tensor x = leaf(2);
  std::vector<double> seen;
  x.register_hook([&](const Tensor& g) { seen.push_back(g.item()); });
  (x * 3 + x * 4 + exp(x * 0)).backward();
  EXPECT_EQ(seen, (std::vector<double>{7}));
  (x * 5).backward();
  EXPECT_EQ(seen, (std::vector<double>{7, 5})) << "of this pass, not of all so far";
  EXPECT_EQ(x.grad().item(), 12);
}

TEST(Hook, MayReplaceTheGradient) {
  const Tensor x = leaf(2);
  const Tensor y = x * x;
  y.register_hook([](const Tensor& g) { return g * 10; });
  y.register_hook([](const Tensor& g) { return g + 1; });
  x.register_hook([](const Tensor& g) { return g.item() > 0 ? -g : Tensor(); });
  y.backward();
  EXPECT_EQ(x.grad().item(), -44) << "in the order of registration: (1 * 10 + 1) * 2x";
}

TEST(Hook, WorksForGradTooAndCanBeDifferentiated) {
  const Tensor x = leaf(2);
  const Tensor y = x * x;
  y.register_hook([](const Tensor& g) { return g * g * 3; });
  const Tensor g = leaf(5);
  const Tensor dx = grad(y, x, {.grad_outputs = {g}, .create_graph = true});
  EXPECT_EQ(dx.item(), 3 * 25 * 4);
  EXPECT_EQ(grad(dx, g).item(), 3 * 10 * 4);
  const Tensor z = x * 3;
  z.register_hook([](const Tensor& u) { return u * 2; });
  EXPECT_EQ(grad(z * 1, z).item(), 2);
}

TEST(Hook, ThatRecordsItsGradientLeavesNoTraceInWhatIsComputedFromIt) {
  const Tensor x = from_data({0.5, 1, 2}).requires_grad(true);
  const Tensor weight = from_data({3, 4, 5}).requires_grad(true);
  const Tensor y = sin(2 * x);
  const HookHandle handle = y.register_hook([&](const Tensor& g) {
    const EnableGrad recording;
    return g * weight;
  });
  EXPECT_FALSE(grad(sum(y), x).requires_grad());
}

TEST(Hook, IsRemovable) {
  const Tensor x = leaf(2);
  int calls = 0;
  HookHandle handle = x.register_hook([&](const Tensor&) { ++calls; });
  (x * 2).backward();
  handle.remove();
  handle.remove();
  (x * 2).backward();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(x.grad().item(), 4);
}

TEST(Hook, OfOneOutputOfSeveralLeavesTheOthersAlone) {
  const Tensor x = arange(4, float64).requires_grad(true);
  const auto halves = record("halves", std::vector<Tensor>{x.detach().slice(0, 2), x.detach().slice(2, 4)},
                             wrt_all(std::span(&x, 1), [](std::span<const Tensor> g, const std::uint8_t*) {
                               return std::vector<Tensor>{cat({g[0], g[1]}, 0)};
                             }));
  halves[1].register_hook([](const Tensor& g) { return g * 7; });
  sum(halves[0] + halves[1]).backward();
  EXPECT_EQ(values_of(x.grad()), (std::vector<double>{1, 1, 7, 7}));
}

TEST(Hook, OfTheWrongShapeOrDtypeIsAnError) {
  const Tensor x = leaf(2);
  HookHandle shape = x.register_hook([](const Tensor&) { return ones({3}, float64); });
  expect_error<ShapeError>([&] { (x * 2).backward(); },
                           "register_hook: a hook on 'leaf' returned shape [3], the gradient has []");
  shape.remove();
  x.register_hook([](const Tensor& g) { return g.to(float32); });
  expect_error<DTypeError>([&] { (x * 2).backward(); }, "returned float32, the gradient is float64");
}

TEST(Hook, NeedsATensorThatRequiresAGradient) {
  expect_error<GraphError>([] { ones({2}).register_hook([](const Tensor&) {}); },
                           "register_hook: the tensor of shape [2] does not require a gradient");
}

TEST(Hook, OnAResultGoesWithTheGraph) {
  const Tensor x = leaf(2);
  const auto token = std::make_shared<int>(0);
  const Tensor y = x * x;
  y.register_hook([token](const Tensor&) {});
  EXPECT_EQ(token.use_count(), 2);
  y.backward();
  EXPECT_EQ(token.use_count(), 1);
  x.register_hook([token](const Tensor&) {});
  (x * x).backward();
  EXPECT_EQ(token.use_count(), 2) << "a leaf keeps its hooks";
}

TEST(Note, GoesWithTheNodeOrWithItsRules) {
  struct Token : detail::Note {
    explicit Token(std::shared_ptr<int> shared) : kept(std::move(shared)) {}
    std::shared_ptr<int> kept;
  };
  const auto token = std::make_shared<int>(0);
  const Tensor x = leaf(2);
  const auto noted = [&] {
    Tensor y = x * x;
    detail::attach(*detail::Access::node(y), std::make_unique<Token>(token));
    return y;
  };
  Tensor y = noted();
  EXPECT_EQ(detail::note_on<Token>(*detail::Access::node(y))->kept, token);
  EXPECT_EQ(token.use_count(), 2);
  y.backward();
  EXPECT_EQ(token.use_count(), 1);
  y = noted();
  EXPECT_EQ(token.use_count(), 2);
  y = Tensor();
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
}  // namespace wengert
