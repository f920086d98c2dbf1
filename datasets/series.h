#pragma once

#include <cstdint>
#include <functional>

#include <wengert/datasets/dataset.h>

namespace wengert::datasets {

struct SineSequenceOptions {
  std::int64_t points = 1000;       ///< from t = 0 to `end`, both included, in equal steps
  double end = 12.566370614359172;  ///< 4 pi
  std::int64_t window = 20;
  DType dtype = float32;  ///< float32 or float64
};

/// sin t, cut into windows that overlap, each with the value that comes next: x: [points - window, window, 1], y:
/// [points - window, 1], in the order of time.
class SineSequence : public TensorDataset {
 public:
  /// Throws Error unless 1 <= window < points and `end` is finite.
  explicit SineSequence(const SineSequenceOptions& options = {});
};

struct NoisySineOptions {
  std::int64_t begin = 0;   ///< first time step ...
  std::int64_t end = 1000;  ///< ... and the one after the last; the noise at a time does not depend on them
  std::int64_t window = 4;
  double frequency = 0.02;
  double noise = 2;  ///< the noise is uniform from 0 to this
  std::uint64_t seed = 0;
  DType dtype = float32;  ///< float32 or float64
};

/// x(t) = sin(frequency t) + noise U(0, 1) for t = begin ... end - 1, in windows that overlap, each one step of
/// `window` features, with the value that comes next: x: [end - begin - window, 1, window], y: [end - begin - window,
/// 1]. `NoisySine({.end = 800})` and `NoisySine({.begin = 800})` are parts of one series for training and testing.
class NoisySine : public TensorDataset {
 public:
  /// Throws Error unless 0 <= begin, 1 <= window < end - begin, frequency is finite, and noise finite and not negative.
  explicit NoisySine(const NoisySineOptions& options = {});
};

struct DampedOscillatorOptions {
  double damping = 0.1;                      ///< eta
  double position = 1;                       ///< x(0)
  double velocity = 0;                       ///< x'(0)
  std::function<double(double)> force = {};  ///< F(t); none: 0
  double step = 0.1;                         ///< of time
  std::int64_t points = 1000;
  std::int64_t window = 1;  ///< states that a sample shows
  DType dtype = float32;    ///< float32 or float64
};

/// x'' + eta x' + x = F(t), integrated by the classical Runge-Kutta method of fourth order. Each step shows the drive
/// and the state, and the target is the state after the last: x: [points - window, window, 3] of (F, x, x'), y: [points
/// - window, 2] of (x, x'), in the order of time.
class DampedOscillator : public TensorDataset {
 public:
  /// Throws Error unless 1 <= window < points, step is positive and all numbers are finite, those that come out as
  /// well.
  explicit DampedOscillator(const DampedOscillatorOptions& options = {});

  struct State {
    double position;
    double velocity;
  };
  /// The solution for F = 0 at time t, whether it oscillates (|damping| < 2) or not; `force` and `step` do not count.
  static State free_solution(double t, const DampedOscillatorOptions& options = {});
};

}  // namespace wengert::datasets
