#pragma once

#include <cstdint>
#include <vector>

#include <wengert/autograd/tape.h>

namespace wengert::detail {

struct GradientOptions {
  bool create_graph = false;
  bool retain_graph = false;
  /// What arrives at a target goes no further: the gradient with respect to a target takes the other targets for
  /// constants, though it be an ancestor of theirs. Hooks on targets are left to the pass that goes on from there.
  bool stop_at_targets = false;
  /// Not 0: every upstream gradient stands for so many, along one more axis in front, and so does every result. Hooks
  /// and rules that take no Rows are called for one after the other.
  std::int64_t rows = 0;
};

/// `grad` with respect to places on the tape. `upstream[i]` is undefined for an output that is a single number and
/// starts with one. Undefined for a target that the outputs do not depend on.
std::vector<Tensor> gradients_at(const std::vector<Tensor>& outputs, const std::vector<Tensor>& upstream,
                                 const std::vector<Edge>& targets, const GradientOptions& options);

}  // namespace wengert::detail
