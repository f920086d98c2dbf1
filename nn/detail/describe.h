#pragma once

#include <string>

#include <wengert/autograd/ops.h>

namespace wengert::nn::detail {

/// "3", or "3x5" for axes that differ.
std::string describe(std::int64_t size);
std::string describe(Size2d size);
std::string describe(Size3d size);
/// "same", or the numbers added on each side of an image with so many axes.
std::string describe(const Padding& padding, int axes);

/// "a batch of images: [N, C, H, W]" for two axes, "[N, 3, H, W]" for channels = "3".
std::string describe_batch(int axes, const std::string& channels = "C");

}  // namespace wengert::nn::detail
