#pragma once

#include <string>

#include <wengert/autograd/tensor.h>

namespace wengert {

/// Reads an IDX file, the format of MNIST (Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten
/// digits"), raw or compressed with gzip: two zero bytes, the element type, the number of axes, a big-endian 32-bit
/// size for each, and the numbers. Bytes and other integers become int64; float32 and float64 stay. Throws IoError that
/// names the file and what is wrong with it: missing, damaged, cut short, too long, of an unknown type.
Tensor load_idx(const std::string& path);

}  // namespace wengert
