#include "datasets/series.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include "datasets/detail/random_stream.h"

namespace wengert::datasets {
namespace {

/// Windows of a series of `width` numbers a step, with the last `targets` numbers of the step after each.
TensorDataset windows(const char* name, const std::vector<double>& series, std::int64_t width, std::int64_t window,
                      std::int64_t targets, DType dtype) {
  check<DTypeError>(is_floating(dtype), "{}: dtype must be float32 or float64, got {}", name, dtype);
  const auto steps = static_cast<std::int64_t>(series.size()) / width;
  check<Error>(window >= 1 && window < steps, "{}: window must be from 1 to below the {} points, got {}", name, steps,
               window);
  std::vector<double> x;
  std::vector<double> y;
  for (std::int64_t i = 0; i + window < steps; ++i) {
    const auto begin = series.begin() + i * width;
    const auto next = begin + window * width;
    x.insert(x.end(), begin, next);
    y.insert(y.end(), next + (width - targets), next + width);
  }
  const std::int64_t n = steps - window;
  return TensorDataset(from_vector(x, {n, window, width}).to(dtype), from_vector(y, {n, targets}).to(dtype), 0);
}

TensorDataset make_sine(const SineSequenceOptions& options) {
  check<Error>(options.points >= 2, "SineSequence: points must be at least 2, got {}", options.points);
  check<Error>(std::isfinite(options.end), "SineSequence: end must be finite, got {}", options.end);
  std::vector<double> series;
  for (std::int64_t i = 0; i < options.points; ++i) {
    series.push_back(std::sin(options.end * static_cast<double>(i) / static_cast<double>(options.points - 1)));
  }
  return windows("SineSequence", series, 1, options.window, 1, options.dtype);
}

TensorDataset make_noisy_sine(const NoisySineOptions& options) {
  check<Error>(options.begin >= 0 && options.begin < options.end,
               "NoisySine: 0 <= begin < end is needed, got {} and {}", options.begin, options.end);
  check<Error>(std::isfinite(options.frequency) && std::isfinite(options.noise) && options.noise >= 0,
               "NoisySine: frequency and noise must be finite and noise not negative, got {} and {}", options.frequency,
               options.noise);
  std::vector<double> uniform(static_cast<std::size_t>(options.end));
  Generator generator(detail::derived_seed(options.seed, detail::Stream::noisy_sine));
  kernels::fill_uniform(uniform.data(), options.end, 0.0, 1.0, generator);
  std::vector<double> series;
  for (std::int64_t t = options.begin; t < options.end; ++t) {
    series.push_back(std::sin(options.frequency * static_cast<double>(t)) +
                     options.noise * uniform[static_cast<std::size_t>(t)]);
  }
  const TensorDataset steps = windows("NoisySine", series, 1, options.window, 1, options.dtype);
  return TensorDataset(steps.x().reshape({steps.size(), 1, options.window}), steps.y(), 0);
}

TensorDataset make_oscillator(const DampedOscillatorOptions& options) {
  const double eta = options.damping;
  const double h = options.step;
  check<Error>(h > 0 && std::isfinite(h), "DampedOscillator: step must be positive and finite, got {}", h);
  check<Error>(options.points >= 2, "DampedOscillator: points must be at least 2, got {}", options.points);
  const auto force = [&](double t) { return options.force ? options.force(t) : 0.0; };
  using State = std::array<double, 2>;
  const auto slope = [&](double t, const State& s) { return State{s[1], force(t) - eta * s[1] - s[0]}; };
  const auto moved = [](const State& s, double by, const State& k) {
    return State{s[0] + by * k[0], s[1] + by * k[1]};
  };
  State state{options.position, options.velocity};
  std::vector<double> series;
  for (std::int64_t i = 0; i < options.points; ++i) {
    const double t = static_cast<double>(i) * h;
    const double drive = force(t);
    check<Error>(std::isfinite(drive) && std::isfinite(state[0]) && std::isfinite(state[1]),
                 "DampedOscillator: at t = {} the force is {} and the state ({}, {})", t, drive, state[0], state[1]);
    series.insert(series.end(), {drive, state[0], state[1]});
    const State k1 = slope(t, state);
    const State k2 = slope(t + h / 2, moved(state, h / 2, k1));
    const State k3 = slope(t + h / 2, moved(state, h / 2, k2));
    const State k4 = slope(t + h, moved(state, h, k3));
    for (std::size_t j = 0; j < 2; ++j) state[j] += h / 6 * (k1[j] + 2 * k2[j] + 2 * k3[j] + k4[j]);
  }
  return windows("DampedOscillator", series, 3, options.window, 2, options.dtype);
}

}  // namespace

SineSequence::SineSequence(const SineSequenceOptions& options) : TensorDataset(make_sine(options)) {}
NoisySine::NoisySine(const NoisySineOptions& options) : TensorDataset(make_noisy_sine(options)) {}
DampedOscillator::DampedOscillator(const DampedOscillatorOptions& options) : TensorDataset(make_oscillator(options)) {}

DampedOscillator::State DampedOscillator::free_solution(double t, const DampedOscillatorOptions& options) {
  // x = e^(-g t) (x0 c + (v0 + g x0) s), where c'' = -(1 - g^2) c and s' = c: cosine and sine, their hyperbolic kin, or
  // 1 and t.
  const double g = options.damping / 2;
  const double square = 1 - g * g;
  const double w = std::sqrt(std::abs(square));
  const double c = square > 0 ? std::cos(w * t) : square < 0 ? std::cosh(w * t) : 1;
  const double s = square > 0 ? std::sin(w * t) / w : square < 0 ? std::sinh(w * t) / w : t;
  const double a = options.position;
  const double b = options.velocity + g * a;
  const double decay = std::exp(-g * t);
  return {decay * (a * c + b * s), decay * (b * c - a * square * s - g * (a * c + b * s))};
}

}  // namespace wengert::datasets
