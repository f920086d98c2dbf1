#pragma once

#include <cstdint>

#include <wengert/autograd/observer.h>

namespace wengert {

/// While one of these lives, every op that this thread records, and every gradient rule that it runs, is checked for
/// NaN and infinity, and the first one raises an Error:
/// \code
///   const Anomaly guard;
///   train_step();
///   // hidden (Dense): anomaly: forward of 'log' gave nan in 1 of 12 elements, first at [0, 3];
///   // input 0 [3, 4] float32: min -0.2, max 1.7, mean 0.6; recorded at train.cpp:42 (train_step)
/// \endcode
/// In the forward direction it is thrown by the op itself. In a backward pass it speaks of the op as it was recorded
/// under the guard: the module path, its number, its inputs' shapes and statistics, and the source line. The line is
/// the innermost one outside the library; it takes libbacktrace when the library is built and -g when the program is,
/// else a function or an address stands for it. What is not recorded (under `no_grad`, or from tensors that need no
/// gradient) is seen only as an input. Reads all numbers: slow.
class Anomaly : private detail::Observer {
 public:
  Anomaly() = default;

 private:
  struct Seen;

  void recorded(detail::Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) override;
  void after_rules(const detail::Node& node, std::span<const Tensor> upstream,
                   std::span<const Tensor> downstream) override;

  std::uint64_t seen_ = 0;  // ops recorded so far
};

}  // namespace wengert
