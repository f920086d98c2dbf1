#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <wengert/autograd/ops.h>

#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

/// Numbers for each image axis.
using Sizes = std::vector<std::int64_t>;

/// How the windows of a convolution or a pooling lie on an image, from a node's attributes.
struct Windows {
  Sizes kernel;
  Sizes strides;
  Sizes dilations;
  Sizes before;
  Sizes after;
  bool same = false;  ///< the padding is Padding::same: ceil(size / stride) positions, an odd element behind

  /// x: [N, C, ...].
  Windows(const Call& call, const Shape& x, Sizes kernel_sizes);

  std::size_t axes() const { return kernel.size(); }
  /// Elements that a window covers, the gaps of dilation included.
  std::int64_t extent(std::size_t axis) const { return (kernel[axis] - 1) * dilations[axis] + 1; }
  Padding padding() const;
};

inline Size2d two(const Sizes& sizes) { return {sizes[0], sizes[1]}; }
inline Size3d three(const Sizes& sizes) { return {sizes[0], sizes[1], sizes[2]}; }

/// Throws Unsupported.
[[noreturn]] void too_many_axes(std::size_t axes);

}  // namespace wengert::test::onnx
