#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <wengert/autograd.h>
#include <wengert/autograd/graph.h>
#include <wengert/nn.h>

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
  expect_error<Error>([] { graph::to_dot(Tensor()); }, "to_dot: the tensor is undefined");
  const Tensor x = full({}, 2).requires_grad(true);
  const Tensor y = exp(x);
  y.backward();
  expect_error<GraphError>([&] { graph::to_dot(y); }, "to_dot: the graph of 'exp' was released by a backward pass");
}

TEST(ToDot, WritesTheSameTextForTheSameGraph) {
  const Tensor x = full({}, 2).requires_grad(true);
  const auto draw = [&] { return graph::to_dot(exp(x) * x); };
  const std::string dot = draw();
  const Tensor other = exp(x);  // takes the place in memory that the first one had
  EXPECT_EQ(draw(), dot);
  EXPECT_EQ(dot, R"(digraph {
  rankdir=BT;
  n0 [label="mul\n[] float32"];
  n1 -> n0;
  n2 -> n0;
  n1 [label="exp\n[] float32"];
  n2 -> n1;
  n2 [label="leaf\n[] float32", shape=box];
}
)");
}

/// A folder of its own, which goes at the end; PATH leads only there.
class SaveGraph : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / fmt::format("wengert graph's {}", ::getpid());
    std::filesystem::create_directories(folder_ / "bin");
    ::setenv("PATH", (folder_ / "bin").c_str(), 1);
  }
  void TearDown() override {
    ::setenv("PATH", path_before_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }

  /// A program for Graphviz' `dot`.
  void install_dot(const std::string& script) const {
    const auto program = folder_ / "bin" / "dot";
    std::ofstream(program) << "#!/bin/sh\n" << script;
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }
  static std::string content_of(const std::string& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::size_t files() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {})) - 1;  // not bin
  }

  const Tensor y_ = exp(ones({2}).requires_grad(true));

 private:
  std::filesystem::path folder_;
  std::string path_before_ = std::getenv("PATH") ? std::getenv("PATH") : "";
};

TEST_F(SaveGraph, DrawsWithGraphviz) {
  install_dot("echo \"$@\"; while read -r line; do echo \"$line\"; done\n");
  for (const std::string format : {"svg", "png", "pdf"}) {
    const std::string path = at("$(touch x) net." + format);
    const graph::Saved saved = graph::save(y_, path);
    EXPECT_TRUE(saved.drawn);
    EXPECT_EQ(saved.message, "graph drawn: " + path);
    const std::string drawn = content_of(path);
    EXPECT_EQ(drawn.substr(0, 15), "-T" + format + "\ndigraph {") << drawn;
    EXPECT_NE(drawn.find("exp"), std::string::npos);
  }
  EXPECT_EQ(files(), 3U) << "nothing but the pictures";
}

TEST_F(SaveGraph, WritesTheTextWithoutGraphvizAndSaysHowToDrawIt) {
  const std::string path = at("net.svg");
  const graph::Saved saved = graph::save(y_, path);
  EXPECT_FALSE(saved.drawn);
  EXPECT_NE(saved.message.find("dot (of Graphviz) is not installed"), std::string::npos) << saved.message;
  EXPECT_NE(saved.message.find("to draw it: dot -Tsvg -o '"), std::string::npos) << saved.message;
  EXPECT_EQ(content_of(path + ".dot"), graph::to_dot(y_));
  EXPECT_EQ(files(), 1U);
}

TEST_F(SaveGraph, LeavesNoHalfAPictureWhenGraphvizFails) {
  const std::string path = at("net.png");
  std::ofstream(path) << "an old picture";
  install_dot("echo half; echo 'no such format' >&2; exit 3\n");
  const graph::Saved saved = graph::save(y_, path);
  EXPECT_FALSE(saved.drawn);
  EXPECT_NE(saved.message.find("dot failed (no such format)"), std::string::npos) << saved.message;
  EXPECT_EQ(content_of(path), "an old picture");
  EXPECT_EQ(files(), 2U);
}

TEST_F(SaveGraph, WritesTheLanguageItself) {
  EXPECT_EQ(graph::save(y_, at("net.dot")).message, "graph written: " + at("net.dot"));
  EXPECT_EQ(content_of(at("net.dot")), graph::to_dot(y_));
}

TEST_F(SaveGraph, RefusesWhatItCannotWrite) {
  expect_error<Error>([&] { graph::save(y_, at("net.doc")); }, "has no known extension; expected .svg, .png");
  expect_error<Error>([&] { graph::save(y_, at("net")); }, "has no known extension");
  expect_error<IoError>([&] { graph::save(y_, at("none/net.dot")); }, "graph::save: cannot write");
  expect_error<GraphError>([&] { graph::save(ones({2}), at("net.dot")); },
                           "graph::save: the tensor of shape [2] has no graph");
}

TEST(TapeMonitor, CountsNodesUntilTheyGo) {
  const TapeMonitor monitor;
  const Tensor x = ones({10}, float64).requires_grad(true);
  Tensor y = sum(exp(exp(x)) * x);
  auto live = monitor.live();
  ASSERT_EQ(live.size(), 3U);
  EXPECT_EQ(live[0].op, "exp");
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

TEST(TapeMonitor, SaysWhichModuleHoldsThem) {
  struct Net : nn::Module {
    nn::Dense hidden{4, 8};
    nn::Dense output{8, 2};
    Tensor forward(const Tensor& x) const override { return output(tanh(hidden(x))); }
    void visit(nn::Visitor& v) override {
      v("hidden", hidden);
      v("output", output);
    }
  };
  const Net net;
  const TapeMonitor monitor;
  const Tensor y = sum(net(ones({16, 4})));
  std::map<std::string, std::int64_t> bytes;
  for (const auto& entry : monitor.live()) bytes[entry.op + " in " + entry.module] = entry.bytes;
  const std::map<std::string, std::int64_t> expected{{"linear in hidden (Dense)", 16 * 8 * 4},
                                                     {"linear in output (Dense)", 16 * 2 * 4},
                                                     {"tanh in Net", 16 * 8 * 4},
                                                     {"sum in ", 4}};
  EXPECT_EQ(bytes, expected);
  EXPECT_NE(monitor.report().find("hidden (Dense)"), std::string::npos);
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
