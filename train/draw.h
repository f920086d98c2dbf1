#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <wengert/autograd/tensor.h>

namespace wengert {

struct DrawOptions {
  std::vector<std::string> captions = {};  ///< one below each image, or none
  std::int64_t columns = 80;               ///< of the terminal; more images go below
};

/// Images as text, side by side, in shades of block characters (UTF-8), two for a pixel. images: [N, H, W] or
/// [N, 1, H, W], any dtype; the smallest and the largest finite value of each image are its darkest and its brightest
/// shade.
/// Throws ShapeError for another rank, more channels or another number of captions than images.
std::string draw_images(const Tensor& images, const DrawOptions& options = {});

}  // namespace wengert
