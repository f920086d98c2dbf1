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

struct MoonsOptions {
  std::int64_t points_per_class = 200;
  double noise = 0.1;  ///< standard deviation of both coordinates
  std::uint64_t seed = 0;
  DType dtype = float32;  ///< of x; float32 or float64
};

/// Two interleaving half circles: x: [2 * points_per_class, 2], y: labels, class after class. With t from 0 to pi in
/// equal steps, class 0 is (cos t, sin t) and class 1 is (1 - cos t, 0.5 - sin t), both with normal noise.
class Moons : public TensorDataset {
 public:
  /// Throws Error unless points_per_class >= 1 and noise is finite and not negative.
  explicit Moons(const MoonsOptions& options = {});
};

struct CirclesOptions {
  std::int64_t points_per_class = 200;
  double noise = 0.1;   ///< standard deviation of both coordinates
  double factor = 0.5;  ///< radius of the inner circle; that of the outer is 1
  std::uint64_t seed = 0;
  DType dtype = float32;  ///< of x; float32 or float64
};

/// A circle in a circle: x: [2 * points_per_class, 2], y: labels, the outer one (0) first; points in equal steps, with
/// normal noise.
class Circles : public TensorDataset {
 public:
  /// Throws Error unless points_per_class >= 1, noise is finite and not negative, and 0 <= factor < 1.
  explicit Circles(const CirclesOptions& options = {});
};

struct BlobsOptions {
  std::int64_t classes = 3;
  std::int64_t points_per_class = 100;
  std::int64_t features = 2;
  double deviation = 1;  ///< of each feature about its centre
  double box = 10;       ///< centres are drawn uniformly from -box to box
  std::uint64_t seed = 0;
  DType dtype = float32;  ///< of x; float32 or float64
};

/// Normally distributed clouds: x: [classes * points_per_class, features], y: labels, class after class.
class Blobs : public TensorDataset {
 public:
  /// Throws Error unless the three numbers are at least 1, box is positive and deviation finite and not negative.
  explicit Blobs(const BlobsOptions& options = {});
};

/// The truth table of "exclusive or": x: [4, 2], y: [4, 1], both of zeros and ones.
class Xor : public TensorDataset {
 public:
  explicit Xor(DType dtype = float32);
};

}  // namespace wengert::datasets
