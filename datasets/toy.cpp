#include "datasets/toy.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <utility>
#include <vector>

#include "datasets/detail/random_stream.h"

namespace wengert::datasets {
namespace {

TensorDataset make_spiral(const SpiralOptions& options) {
  const auto& [classes, points, noise, seed, dtype] = options;
  check<Error>(classes >= 1 && points >= 1,
               "Spiral: classes and points_per_class must be at least 1, got {} classes of {} points", classes, points);
  check<Error>(noise >= 0 && std::isfinite(noise), "Spiral: noise must be finite and not negative, got {}", noise);
  check<DTypeError>(is_floating(dtype), "Spiral: dtype must be float32 or float64, got {}", dtype);

  Shape{classes, points, 2};  // throws if there are more than can be counted
  const Shape shape{classes * points, 2};
  std::vector<double> shifts(static_cast<std::size_t>(classes * points));
  Generator generator(detail::derived_seed(seed, detail::Stream::spiral));
  kernels::fill_normal(shifts.data(), classes * points, 0.0, noise, generator);

  std::vector<double> x;
  std::vector<std::int64_t> labels;
  for (std::int64_t label = 0; label < classes; ++label) {
    for (std::int64_t i = 0; i < points; ++i) {
      const double r = points > 1 ? static_cast<double>(i) / static_cast<double>(points - 1) : 0.0;
      const double t = 4.0 * (static_cast<double>(label) + r) + shifts[labels.size()];
      x.insert(x.end(), {r * std::sin(2.5 * t), r * std::cos(2.5 * t)});
      labels.push_back(label);
    }
  }
  return TensorDataset(from_vector(x, shape).to(dtype), from_vector(labels), classes);
}

/// Points with normal noise on both coordinates, as a data set of two classes, half of the points each.
TensorDataset noisy_pair(const char* name, std::vector<double> x, double noise, std::uint64_t seed,
                         detail::Stream stream, DType dtype) {
  check<Error>(noise >= 0 && std::isfinite(noise), "{}: noise must be finite and not negative, got {}", name, noise);
  check<DTypeError>(is_floating(dtype), "{}: dtype must be float32 or float64, got {}", name, dtype);
  std::vector<double> shifts(x.size());
  Generator generator(detail::derived_seed(seed, stream));
  kernels::fill_normal(shifts.data(), static_cast<std::int64_t>(x.size()), 0.0, noise, generator);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += shifts[i];
  const std::size_t points = x.size() / 2;
  std::vector<std::int64_t> labels(points, 0);
  std::fill(labels.begin() + static_cast<std::ptrdiff_t>(points / 2), labels.end(), 1);
  return TensorDataset(from_vector(x, {static_cast<std::int64_t>(points), 2}).to(dtype), from_vector(labels), 2);
}

TensorDataset make_moons(const MoonsOptions& options) {
  const std::int64_t n = options.points_per_class;
  check<Error>(n >= 1, "Moons: points_per_class must be at least 1, got {}", n);
  std::vector<double> x;
  for (int label = 0; label < 2; ++label) {
    for (std::int64_t i = 0; i < n; ++i) {
      const double t = n > 1 ? std::numbers::pi * static_cast<double>(i) / static_cast<double>(n - 1) : 0;
      if (label == 0) x.insert(x.end(), {std::cos(t), std::sin(t)});
      if (label == 1) x.insert(x.end(), {1 - std::cos(t), 0.5 - std::sin(t)});
    }
  }
  return noisy_pair("Moons", std::move(x), options.noise, options.seed, detail::Stream::moons, options.dtype);
}

TensorDataset make_circles(const CirclesOptions& options) {
  const std::int64_t n = options.points_per_class;
  check<Error>(n >= 1, "Circles: points_per_class must be at least 1, got {}", n);
  check<Error>(options.factor >= 0 && options.factor < 1, "Circles: factor must be from 0 to below 1, got {}",
               options.factor);
  std::vector<double> x;
  for (const double radius : {1.0, options.factor}) {
    for (std::int64_t i = 0; i < n; ++i) {
      const double t = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
      x.insert(x.end(), {radius * std::cos(t), radius * std::sin(t)});
    }
  }
  return noisy_pair("Circles", std::move(x), options.noise, options.seed, detail::Stream::circles, options.dtype);
}

TensorDataset make_blobs(const BlobsOptions& options) {
  const auto& [classes, points, features, deviation, box, seed, dtype] = options;
  check<Error>(classes >= 1 && points >= 1 && features >= 1,
               "Blobs: classes, points_per_class and features must be at least 1, got {}, {} and {}", classes, points,
               features);
  check<Error>(deviation >= 0 && std::isfinite(deviation) && box > 0 && std::isfinite(box),
               "Blobs: deviation must not be negative and box positive, both finite, got {} and {}", deviation, box);
  check<DTypeError>(is_floating(dtype), "Blobs: dtype must be float32 or float64, got {}", dtype);
  Shape{classes, points, features};  // throws if there are more than can be counted
  const Shape shape{classes * points, features};
  std::vector<double> centres(static_cast<std::size_t>(classes * features));
  std::vector<double> x(static_cast<std::size_t>(shape.numel()));
  Generator generator(detail::derived_seed(seed, detail::Stream::blobs));
  kernels::fill_uniform(centres.data(), classes * features, -box, box, generator);
  kernels::fill_normal(x.data(), shape.numel(), 0.0, deviation, generator);
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < classes * points; ++i) {
    const std::int64_t label = i / points;
    for (std::int64_t j = 0; j < features; ++j) {
      x[static_cast<std::size_t>(i * features + j)] += centres[static_cast<std::size_t>(label * features + j)];
    }
    labels.push_back(label);
  }
  return TensorDataset(from_vector(x, shape).to(dtype), from_vector(labels), classes);
}

}  // namespace

Moons::Moons(const MoonsOptions& options) : TensorDataset(make_moons(options)) {}
Circles::Circles(const CirclesOptions& options) : TensorDataset(make_circles(options)) {}
Blobs::Blobs(const BlobsOptions& options) : TensorDataset(make_blobs(options)) {}

Spiral::Spiral(const SpiralOptions& options) : TensorDataset(make_spiral(options)) {}

Xor::Xor(DType dtype)
    : TensorDataset(from_data({{0, 0}, {0, 1}, {1, 0}, {1, 1}}, dtype), from_data({{0}, {1}, {1}, {0}}, dtype)) {}

}  // namespace wengert::datasets
