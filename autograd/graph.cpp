#include "autograd/graph.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include <fmt/format.h>

namespace wengert {

using detail::Access;
using detail::Node;

namespace {

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

/// The line of a node: a box for a leaf, an ellipse for an op.
std::string line_of(const Node& node, const std::map<const Node*, std::string>& names) {
  std::string shapes;
  for (std::uint32_t slot = 0; slot < node.output_count(); ++slot) {
    shapes += fmt::format("{}{}", slot == 0 ? "" : ", ", node.output_shape(slot));
  }
  const auto named = names.find(&node);
  const std::string title = named == names.end() ? std::string(node.name) : named->second;
  return fmt::format("  n{} [label=\"{}\\n{} {}\"{}];\n", fmt::ptr(&node), escaped(title), shapes, node.dtype,
                     node.is_leaf() ? ", shape=box" : "");
}

}  // namespace

std::string graph::to_dot(const Tensor& tensor, const Names& names) {
  check<GraphError>(tensor.requires_grad(), "to_dot: the tensor of shape {} has no graph", tensor.shape());
  std::map<const Node*, std::string> by_node;
  for (const auto& [name, parameter] : names) by_node[Access::node(parameter.value()).get()] = name;

  std::string text = "digraph {\n  rankdir=BT;\n";
  std::set<const Node*> seen;
  std::vector<const Node*> queue{Access::node(tensor).get()};
  seen.insert(queue[0]);
  for (std::size_t next = 0; next < queue.size(); ++next) {
    const Node& node = *queue[next];
    text += line_of(node, by_node);
    for (const detail::Edge& edge : node.edges) {
      const Node* input = edge.node.get();
      if (!input) continue;
      const std::string label = input->output_count() > 1 ? fmt::format(" [label=\"{}\"]", edge.slot) : "";
      text += fmt::format("  n{} -> n{}{};\n", fmt::ptr(input), fmt::ptr(&node), label);
      if (seen.insert(input).second) queue.push_back(input);
    }
  }
  return text + "}\n";
}

/// Outlives the monitor as long as a node that was recorded under it. Nodes may be freed by any thread.
struct TapeMonitor::Counts {
  struct ByText {
    bool operator()(const char* a, const char* b) const noexcept { return std::strcmp(a, b) < 0; }
  };
  std::mutex mutex;
  std::map<const char*, Entry, ByText> live;

  void add(const char* op, std::int64_t nodes, std::int64_t bytes) {
    const std::lock_guard lock(mutex);
    Entry& entry = live.try_emplace(op, Entry{.op = op}).first->second;
    entry.nodes += nodes;
    entry.bytes += bytes;
  }
};

/// A hook that does nothing but go with its node.
class TapeMonitor::Token final : public detail::Hook {
 public:
  Token(std::shared_ptr<Counts> counts, const char* op, std::int64_t bytes)
      : Hook(0), counts_(std::move(counts)), op_(op), bytes_(bytes) {
    counts_->add(op_, 1, bytes_);
  }
  ~Token() override { counts_->add(op_, -1, -bytes_); }
  void apply(Tensor&) override {}

 private:
  std::shared_ptr<Counts> counts_;
  const char* op_;
  std::int64_t bytes_;
};

TapeMonitor::TapeMonitor() : counts_(std::make_shared<Counts>()) {}
TapeMonitor::~TapeMonitor() = default;

void TapeMonitor::recorded(Node& node, std::span<const Tensor> /*inputs*/, std::span<const Tensor> outputs) {
  std::int64_t bytes = 0;
  for (const Tensor& output : outputs) bytes += output.numel() * static_cast<std::int64_t>(size_of(output.dtype()));
  node.add_hook(detail::Ref<detail::Hook>::adopt(new Token(counts_, node.name, bytes)));
}

std::vector<TapeMonitor::Entry> TapeMonitor::live() const {
  std::vector<Entry> entries;
  {
    const std::lock_guard lock(counts_->mutex);
    for (const auto& [op, entry] : counts_->live) {
      if (entry.nodes > 0) entries.push_back(entry);
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.bytes > b.bytes; });
  return entries;
}

std::string TapeMonitor::report() const {
  std::string text = fmt::format("{:<32} {:>12} {:>16}\n", "op", "live nodes", "bytes of results");
  for (const Entry& entry : live()) text += fmt::format("{:<32} {:>12} {:>16}\n", entry.op, entry.nodes, entry.bytes);
  return text;
}

std::string tape_report() {
  for (const detail::Observer* each = detail::observer; each; each = each->outer()) {
    if (const auto* monitor = dynamic_cast<const TapeMonitor*>(each)) return monitor->report();
  }
  fail<Error>("tape_report: there is no TapeMonitor on this thread; make one before recording");
}

}  // namespace wengert
