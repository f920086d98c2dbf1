#pragma once

#include <wengert/nn/module.h>

namespace wengert::nn::detail {

/// Sees the output of every module called on its thread.
class OutputObserver {
 public:
  virtual ~OutputObserver() = default;
  virtual void observe(const Module& module, const Tensor& output) = 0;
};

/// The calling thread's, if there is one.
extern constinit thread_local OutputObserver* output_observer;

}  // namespace wengert::nn::detail
