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
/// results, leaves with theirs and with their names, if they have one. `dot -Tsvg` draws it.
std::string to_dot(const Tensor& tensor, const Names& names = {});

}  // namespace graph

/// Counts the nodes of the tape that are recorded on this thread while it lives, until they go: freed, or released by a
/// backward pass. For finding out what keeps memory.
class TapeMonitor : public detail::Observer {
 public:
  struct Entry {
    const char* op;
    std::int64_t nodes = 0;
    std::int64_t bytes = 0;  ///< of the results' elements, which mostly are what rules save
  };

  TapeMonitor();
  ~TapeMonitor() override;

  /// What is live, by op, most bytes first.
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
