#pragma once

#include <string>
#include <vector>

#include <wengert/autograd/observer.h>

namespace wengert {

/// While one of these lives, every op that this thread records, and every gradient rule that it runs, is checked for
/// NaN and infinity, and the first one raises an Error: \code
///   const Anomaly guard;
///   train_step();   // hidden (Dense): anomaly: forward of 'log' gave nan in 1 of 12 elements, first at [0, 3]; input
///   0
///                   // [3, 4] float32: min -0.2, max 1.7, mean 0.6
/// \endcode
/// In the forward direction it is thrown by the op itself: the call stack and the module path on the error lead to the
/// line. In a backward pass it names the op as the forward pass did: its number among those recorded under the guard
/// and the shapes and statistics that its inputs had then. Ops under `no_grad` are not seen. Reads all numbers: slow.
class Anomaly : private detail::Observer {
 public:
  Anomaly() = default;

 private:
  struct Seen {
    std::uint64_t id;
    std::string inputs;
  };

  void recorded(detail::Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) override;
  void after_rules(const detail::Node& node, std::span<const Tensor> upstream,
                   std::span<const Tensor> downstream) override;

  std::vector<Seen> seen_;  // by ascending id of their nodes
};

}  // namespace wengert
