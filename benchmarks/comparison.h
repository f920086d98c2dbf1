#pragma once

#include <functional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <wengert/autograd/tensor.h>

namespace wengert::bench {

/// One piece of work done by several contenders. They take turns in random order, repetition by repetition, so that
/// whatever else the machine does hits all of them alike.
struct Contender {
  std::string name;  ///< "wengert", "hand-written", ...
  std::function<void()> step;
};

/// Registers a comparison. The first contender is ours; the table shows its time as a ratio to the others'.
void compare(const std::string& work, std::vector<Contender> contenders);

/// Registers something that is timed alone; `per_iteration` is how many of the things named one call of `step` does.
void measure(const std::string& work, double per_iteration, std::function<void()> step);

/// Ends the program with a message unless the gradients agree: |ours - theirs| <= 1e-5 max(1, |theirs|) element-wise.
void require_same_gradient(const std::string& what, const Tensor& ours, const float* theirs);

/// The registering functions of each file.
void register_tape_benchmarks();
void register_mlp_benchmarks();

}  // namespace wengert::bench
