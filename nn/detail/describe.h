#pragma once

#include <string>

#include <wengert/autograd/ops.h>

namespace wengert::nn::detail {

/// "3", or "3x5" for rows and columns that differ.
std::string describe(Size2d size);
/// "same", or the number of rows and columns added on each side.
std::string describe(const Padding& padding);

}  // namespace wengert::nn::detail
