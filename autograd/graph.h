#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <wengert/autograd/observer.h>
#include <wengert/autograd/parameter.h>

namespace wengert {

namespace graph {

/// What a leaf is called in a picture: `model.named_parameters()`.
using Names = std::vector<std::pair<std::string, ParameterRef>>;

/// The graph that backward from `tensor` would run through, in Graphviz' language: ops with the shapes of their
/// results, leaves with theirs and with their names, if they have one. Throws GraphError if there is no graph, or no
/// longer.
std::string to_dot(const Tensor& tensor, const Names& names = {});

struct Saved {
  bool drawn = false;
  std::string message;  ///< for the user: where the picture is, or why there is none and what there is instead
};

/// The graph as a picture, "net.svg", ".png" or ".pdf", drawn by Graphviz' `dot`, or in its language, "net.dot".
/// Without Graphviz, or if it fails, the text is written beside the picture's place, "net.svg.dot", and the message
/// says how to draw it. Files are replaced as a whole. Throws Error for another extension, IoError where nothing can be
/// written.
Saved save(const Tensor& tensor, const std::string& path, const Names& names = {});

}  // namespace graph

/// Counts the nodes of the tape that are recorded on this thread while it lives, until they go: freed, or released by a
/// backward pass. For finding out what keeps memory, and whose it is.
class TapeMonitor : public detail::Observer {
 public:
  struct Entry {
    std::string op;
    std::string module;  ///< whose `forward` called it, "features.2 (Conv2d)"; empty outside all
    std::int64_t nodes = 0;
    std::int64_t bytes = 0;  ///< of the results' elements: of these, and of leaves, is most of what rules keep
  };

  TapeMonitor();
  ~TapeMonitor() override;

  /// What is live, by op and module, most bytes first.
  std::vector<Entry> live() const;
  /// The same as a table.
  std::string report() const;

 private:
  struct Counts;
  class Token;
  void recorded(detail::Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) override;

  std::shared_ptr<Counts> counts_;
};

/// The report of this thread's innermost TapeMonitor. Throws Error if there is none.
std::string tape_report();

}  // namespace wengert
