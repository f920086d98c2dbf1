#include "autograd/graph.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "autograd/detail/draw_graph.h"

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
std::string line_of(const Node& node, std::size_t number, const std::map<const Node*, std::string>& names) {
  std::string shapes;
  for (std::uint32_t slot = 0; slot < node.output_count; ++slot) {
    shapes += fmt::format("{}{}", slot == 0 ? "" : ", ", node.output_shape(slot));
  }
  const auto named = names.find(&node);
  const std::string title = named == names.end() ? std::string(node.name) : named->second;
  return fmt::format("  n{} [label=\"{}\\n{} {}\"{}];\n", number, escaped(title), shapes, node.dtype,
                     node.is_leaf ? ", shape=box" : "");
}

void check_graph(const char* caller, const Tensor& tensor) {
  check<Error>(tensor.defined(), "{}: the tensor is undefined (never given a value)", caller);
  check<GraphError>(tensor.requires_grad(), "{}: the tensor of shape {} has no graph", caller, tensor.shape());
  const Node& node = *Access::node(tensor);
  check<GraphError>(!node.released, "{}: the graph of '{}' was released by a backward pass", caller, node.name);
}

}  // namespace

std::string graph::to_dot(const Tensor& tensor, const Names& names) {
  check_graph("to_dot", tensor);
  std::map<const Node*, std::string> by_node;
  for (const auto& [name, parameter] : names) by_node[Access::node(parameter.value()).get()] = name;

  std::string text = "digraph {\n  rankdir=BT;\n";
  std::map<const Node*, std::size_t> numbers;  // as they are met, so that the same graph gives the same text
  std::vector<const Node*> queue;
  const auto number_of = [&](const Node* node) {
    const auto [place, is_new] = numbers.emplace(node, numbers.size());
    if (is_new) queue.push_back(node);
    return place->second;
  };
  number_of(Access::node(tensor).get());
  for (std::size_t next = 0; next < queue.size(); ++next) {
    const Node& node = *queue[next];
    text += line_of(node, next, by_node);
    for (const detail::Edge& edge : node.edges) {
      const Node* input = edge.node.get();
      if (!input) continue;
      const std::string label = input->output_count > 1 ? fmt::format(" [label=\"{}\"]", edge.slot) : "";
      text += fmt::format("  n{} -> n{}{};\n", number_of(input), next, label);
    }
  }
  return text + "}\n";
}

namespace {

/// "svg" of "out/net.SVG".
std::string format_of(const std::string& path) {
  const std::size_t dot = path.find_last_of("./");
  if (dot == std::string::npos || path[dot] == '/') return {};
  std::string format = path.substr(dot + 1);
  for (char& c : format) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return format;
}

/// As a word of a command for the user's shell.
std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  return quoted + "'";
}

}  // namespace

graph::Saved graph::save(const Tensor& tensor, const std::string& path, const Names& names) {
  check_graph("graph::save", tensor);
  const std::string format = format_of(path);
  const bool is_text = format == "dot" || format == "gv";
  check<Error>(is_text || format == "svg" || format == "png" || format == "pdf",
               "graph::save: '{}' has no known extension; expected .svg, .png, .pdf or .dot", path);
  const std::string dot = to_dot(tensor, names);
  if (is_text) {
    detail::write_text("graph::save", path, dot);
    return {false, fmt::format("graph written: {}", path)};
  }
  const std::string reason = detail::draw_with_graphviz(dot, path, format);
  if (reason.empty()) return {true, fmt::format("graph drawn: {}", path)};
  const std::string text_path = path + ".dot";
  detail::write_text("graph::save", text_path, dot);
  return {false, fmt::format("no picture of the graph: {}. The graph is in {}; to draw it: dot -T{} -o {} {}", reason,
                             text_path, format, shell_quoted(path), shell_quoted(text_path))};
}

/// Outlives the monitor as long as a node that was recorded under it. Nodes may be freed by any thread.
struct TapeMonitor::Counts {
  using Key = std::pair<std::string, std::string>;  // op and module
  std::mutex mutex;
  std::map<Key, Entry> live;
};

/// Counts its node while it has its rules.
class TapeMonitor::Token final : public detail::Note {
 public:
  Token(std::shared_ptr<Counts> counts, const Counts::Key& key, std::int64_t bytes)
      : counts_(std::move(counts)), bytes_(bytes) {
    const std::lock_guard lock(counts_->mutex);
    entry_ = &counts_->live.try_emplace(key, Entry{.op = key.first, .module = key.second}).first->second;
    ++entry_->nodes;
    entry_->bytes += bytes_;
  }
  ~Token() override {
    const std::lock_guard lock(counts_->mutex);
    --entry_->nodes;
    entry_->bytes -= bytes_;
  }

 private:
  std::shared_ptr<Counts> counts_;
  Entry* entry_;  // entries stay where they are
  std::int64_t bytes_;
};

TapeMonitor::TapeMonitor() : counts_(std::make_shared<Counts>()) {}
TapeMonitor::~TapeMonitor() = default;

void TapeMonitor::recorded(Node& node, std::span<const Tensor> /*inputs*/, std::span<const Tensor> outputs) {
  std::int64_t bytes = 0;
  for (const Tensor& output : outputs) bytes += output.numel() * static_cast<std::int64_t>(size_of(output.dtype()));
  const auto place = detail::place_of(node);
  const Counts::Key key{node.name, place ? place->text() : std::string()};
  detail::attach(node, std::make_unique<const Token>(counts_, key, bytes));
}

std::vector<TapeMonitor::Entry> TapeMonitor::live() const {
  std::vector<Entry> entries;
  {
    const std::lock_guard lock(counts_->mutex);
    for (const auto& [key, entry] : counts_->live) {
      if (entry.nodes > 0) entries.push_back(entry);
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.bytes > b.bytes; });
  return entries;
}

std::string TapeMonitor::report() const {
  std::string text = fmt::format("{:<28} {:>10} {:>16}  {}\n", "op", "live nodes", "bytes of results", "module");
  for (const Entry& entry : live()) {
    text += fmt::format("{:<28} {:>10} {:>16}  {}\n", entry.op, entry.nodes, entry.bytes,
                        entry.module.empty() ? "-" : entry.module);
  }
  return text;
}

std::string tape_report() {
  for (const detail::Observer* each = detail::observer; each; each = each->outer()) {
    if (const auto* monitor = dynamic_cast<const TapeMonitor*>(each)) return monitor->report();
  }
  fail<Error>("tape_report: there is no TapeMonitor on this thread; make one before recording");
}

}  // namespace wengert
