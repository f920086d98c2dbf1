#pragma once

#include <cstdint>
#include <string>

/// Matrix products of the hand-written sides: OpenBLAS, on one thread, where it was found, else Eigen.

namespace wengert::bench {

/// What they are computed by.
std::string product_library();

/// A row-major matrix in memory.
struct Factor {
  const float* data;
  std::int64_t stride;  ///< from row to row
  bool transposed = false;
};

/// c = a b + beta c. a: [m, k], b: [k, n] as they enter the product; c: [m, n], row-major, densely stored unless
/// c_stride is given.
void product(std::int64_t m, std::int64_t n, std::int64_t k, Factor a, Factor b, float* c, float beta = 0,
             std::int64_t c_stride = 0);

/// y = a x + beta y, or a^T x + beta y. a: [rows, columns] in memory, densely stored.
void product(std::int64_t rows, std::int64_t columns, const float* a, bool transposed, const float* x, float* y,
             float beta = 0);

}  // namespace wengert::bench
