#pragma once

#include <cstdint>

#include <wengert/datasets/dataset.h>

namespace wengert::datasets {

struct SpiralOptions {
  std::int64_t classes = 3;
  std::int64_t points_per_class = 200;
  double noise = 0.2;  ///< standard deviation of the parameter t
  std::uint64_t seed = 0;
  DType dtype = float32;  ///< of x; float32 or float64
};

/// Interleaved spiral arms, one for each class: x: [classes * points_per_class, 2], y: labels, class after class. Point
/// i of class c is (r sin 2.5 t, r cos 2.5 t), where r goes from 0 to 1 and t from 4 c to 4 c + 4 in equal steps, and t
/// has normal noise.
class Spiral : public TensorDataset {
 public:
  /// Throws Error unless classes >= 1, points_per_class >= 1 and noise is finite and not negative.
  explicit Spiral(const SpiralOptions& options = {});
};

/// The truth table of "exclusive or": x: [4, 2], y: [4, 1], both of zeros and ones.
class Xor : public TensorDataset {
 public:
  explicit Xor(DType dtype = float32);
};

}  // namespace wengert::datasets
