#include "datasets/toy.h"

#include <cmath>
#include <cstddef>
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

}  // namespace

Spiral::Spiral(const SpiralOptions& options) : TensorDataset(make_spiral(options)) {}

Xor::Xor(DType dtype)
    : TensorDataset(from_data({{0, 0}, {0, 1}, {1, 0}, {1, 1}}, dtype), from_data({{0}, {1}, {1}, {0}}, dtype)) {}

}  // namespace wengert::datasets
