#include <gtest/gtest.h>

#include <wengert/autograd.h>
#include <wengert/autograd/graph.h>

#include "tests/expect.h"

namespace wengert {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(ToDot, ShowsOpsShapesAndNamesOfParameters) {
  const Parameter weight(ones({3, 2}));
  const Tensor x = ones({4, 3}).requires_grad(true);
  const Tensor y = sum(tanh(matmul(x, weight)));
  const std::string dot = graph::to_dot(y, {{"layer.\"w\"", weight}});
  EXPECT_EQ(dot.substr(0, 10), "digraph {\n");
  EXPECT_EQ(count(dot, "layer.\\\"w\\\"\\n[3, 2] float32\", shape=box"), 1U) << dot;
  EXPECT_EQ(count(dot, "leaf\\n[4, 3] float32\", shape=box"), 1U) << dot;
  EXPECT_EQ(count(dot, "label=\"tanh\\n[4, 2] float32\""), 1U) << dot;
  EXPECT_EQ(count(dot, " -> "), 4U) << dot;
}

TEST(ToDot, ShowsASharedNodeOnceAndEveryEdge) {
  const Tensor x = full({}, 2).requires_grad(true);
  const Tensor y = exp(x);
  const std::string dot = graph::to_dot(y * y);
  EXPECT_EQ(count(dot, "label=\"exp"), 1U) << dot;
  EXPECT_EQ(count(dot, " -> "), 3U) << dot;
}

TEST(ToDot, NeedsAGraph) {
  expect_error<GraphError>([] { graph::to_dot(ones({2})); }, "to_dot: the tensor of shape [2] has no graph");
}

TEST(TapeMonitor, CountsNodesUntilTheyGo) {
  const TapeMonitor monitor;
  const Tensor x = ones({10}, float64).requires_grad(true);
  Tensor y = sum(exp(exp(x)) * x);
  auto live = monitor.live();
  ASSERT_EQ(live.size(), 3U);
  EXPECT_STREQ(live[0].op, "exp");
  EXPECT_EQ(live[0].nodes, 2);
  EXPECT_EQ(live[0].bytes, 160);
  EXPECT_NE(tape_report().find("exp"), std::string::npos);
  y.backward();
  EXPECT_TRUE(monitor.live().empty()) << "a pass releases the graph";
  y = exp(x);
  EXPECT_EQ(monitor.live().size(), 1U);
  y = Tensor();
  EXPECT_TRUE(monitor.live().empty());
  EXPECT_EQ(values_of(x.grad()).size(), 10U);
}

TEST(TapeMonitor, MayGoBeforeWhatItCounted) {
  const Tensor x = ones({}).requires_grad(true);
  Tensor y;
  {
    const TapeMonitor monitor;
    y = exp(x);
  }
  EXPECT_NO_THROW(y.backward());
  expect_error<Error>([] { tape_report(); }, "tape_report: there is no TapeMonitor on this thread");
}

TEST(Printing, SaysWhichOpMadeATensorWithAGraph) {
  const Tensor x = full({}, 2).requires_grad(true);
  EXPECT_EQ(to_string(x * x), "tensor(4., op=mul)");
  EXPECT_EQ(to_string(x), to_string(x.detach()));
}

}  // namespace
}  // namespace wengert
