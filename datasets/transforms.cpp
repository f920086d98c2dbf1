#include "datasets/transforms.h"

#include <cmath>
#include <numbers>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "datasets/detail/random_stream.h"

namespace wengert::datasets {
namespace {

using wengert::detail::Access;

/// Which random transform draws.
enum class Kind : std::uint64_t { crop, flip, shift, rotation };

/// `count` numbers in [0, 1) for one sample.
std::vector<double> draw_for(std::uint64_t seed, Kind kind, std::uint64_t epoch, std::int64_t index, int count) {
  using detail::Stream;
  const std::uint64_t of_kind = detail::derived_seed(seed, Stream::transform, static_cast<std::uint64_t>(kind));
  const std::uint64_t of_epoch = detail::derived_seed(of_kind, Stream::transform, epoch);
  Generator generator(detail::derived_seed(of_epoch, Stream::transform, static_cast<std::uint64_t>(index)));
  std::vector<double> numbers(static_cast<std::size_t>(count));
  kernels::fill_uniform(numbers.data(), count, 0.0, 1.0, generator);
  return numbers;
}

std::int64_t integer_below(std::int64_t n, double uniform) {
  return static_cast<std::int64_t>(uniform * static_cast<double>(n));
}

struct Planes {
  std::int64_t samples;
  std::int64_t planes;  // of each sample
  std::int64_t height;
  std::int64_t width;
};

Planes planes_of(const char* name, const Tensor& x, const Draw& draw) {
  check(x.rank() >= 3, "{}: x must be images [n, ..., H, W], got {}", name, x.shape());
  check(static_cast<std::int64_t>(draw.indices.size()) == x.dim(0), "{}: {} indices for {} samples", name,
        draw.indices.size(), x.dim(0));
  return {x.dim(0), x.shape().numel(1, x.rank() - 2), x.dim(-2), x.dim(-1)};
}

/// A tensor of images like x, [.., height, width], filled sample by sample: `f(i)` says how sample number i of the
/// batch changes, by a function (out plane, in plane).
template <class F>
Tensor change_samples(const Planes& size, const Tensor& x, std::int64_t height, std::int64_t width, F f) {
  const Shape shape = x.shape().with(x.rank() - 2, height).with(x.rank() - 1, width);
  const Tensor out = Access::allocate(shape, x.dtype());
  dispatch(x.dtype(), [&]<class T>() {
    const T* from = Access::data<T>(x);
    T* to = Access::mutable_data<T>(out);
    for (std::int64_t i = 0; i < size.samples; ++i) {
      const auto change = f(i);
      for (std::int64_t plane = 0; plane < size.planes; ++plane) {
        change(to, from);
        from += size.height * size.width;
        to += height * width;
      }
    }
  });
  return out;
}

/// Copies with the window's top left corner at (top, left) of the image; beyond it is `value`.
auto window(const Planes& size, std::int64_t height, std::int64_t width, std::int64_t top, std::int64_t left,
            double value) {
  return [=]<class T>(T* to, const T* from) {
    for (std::int64_t r = 0; r < height; ++r) {
      for (std::int64_t c = 0; c < width; ++c) {
        const std::int64_t row = r + top;
        const std::int64_t column = c + left;
        const bool inside = row >= 0 && row < size.height && column >= 0 && column < size.width;
        to[r * width + c] = inside ? from[row * size.width + column] : static_cast<T>(value);
      }
    }
  };
}

}  // namespace

Batch Compose::operator()(const Batch& batch, const Draw& draw) const {
  Batch result = batch;
  for (const Transform& transform : transforms_) result = transform(result, draw);
  return result;
}

Map::Map(AnyDataset of, Transform transform) : of_(std::move(of)), transform_(std::move(transform)) {
  if (of_.size() == 0) {
    x_shape_ = of_.x_shape();
    y_shape_ = of_.y_shape();
    return;
  }
  const std::int64_t first[] = {0};
  const Batch one = batch(first);
  x_shape_ = one.x.shape().removed(0);
  y_shape_ = one.y.shape().removed(0);
  if (y_shape_ == of_.y_shape() && one.y.dtype() == int64) classes_ = of_.classes();
}

Batch Map::batch(std::span<const std::int64_t> indices) const {
  const Batch changed = transform_(of_.batch(indices), {.indices = indices, .epoch = 0});
  const auto n = static_cast<std::int64_t>(indices.size());
  check(changed.x.rank() >= 1 && changed.y.rank() >= 1 && changed.x.dim(0) == n && changed.y.dim(0) == n,
        "Map: of {} samples the transform made x {} and y {}", n, changed.x.shape(), changed.y.shape());
  return changed;
}

ToFloat::ToFloat(double scale, DType dtype) : scale_(scale), dtype_(dtype) {
  check<DTypeError>(is_floating(dtype), "ToFloat: dtype must be float32 or float64, got {}", dtype);
}

Batch ToFloat::operator()(const Batch& batch) const {
  const NoGrad no_grad;
  const Tensor x = batch.x.to(dtype_);
  return {scale_ == 1 ? x : x * scale_, batch.y};
}

OneHot::OneHot(std::int64_t classes, DType dtype) : classes_(classes), dtype_(dtype) {
  check<Error>(classes >= 1, "OneHot: classes must be at least 1, got {}", classes);
}

Batch OneHot::operator()(const Batch& batch) const {
  const Tensor& y = batch.y;
  check<DTypeError>(y.rank() == 1 && y.dtype() == int64, "OneHot: y must be labels [n] of int64, got {} of {}",
                    y.shape(), y.dtype());
  for (const std::int64_t label : y.data<std::int64_t>()) {
    check(label >= 0 && label < classes_, "OneHot: label {} is out of range for {} classes", label, classes_);
  }
  return {batch.x, one_hot(y, classes_, dtype_)};
}

Batch Standardize::operator()(const Batch& batch) const {
  const NoGrad no_grad;
  const Tensor& x = batch.x;
  check<DTypeError>(is_floating(x.dtype()), "Standardize: x must be float32 or float64, got {}", x.dtype());
  check(x.rank() >= 2, "Standardize: a sample needs more than one number, x is {}", x.shape());
  const std::int64_t each = x.shape().numel(1, x.rank());
  if (x.numel() == 0) return batch;
  const Tensor rows = x.reshape({x.dim(0), each});
  const Tensor centred = rows - mean(rows, {1}, true);
  const Tensor deviation = sqrt(mean(square(centred), {1}, true));
  // Rounding in the mean leaves a trace of a deviation where all values are equal.
  const double rounding = x.dtype() == float32 ? 1e-6 : 1e-14;
  const Tensor flat = deviation <= rounding * max(abs(rows), {1}, true);
  return {where(flat, 0.0, centred / where(flat, 1.0, deviation)).reshape(x.shape()), batch.y};
}

Pad::Pad(std::int64_t amount, double value) : amount_(amount), value_(value) {
  check<Error>(amount >= 0, "Pad: amount must not be negative, got {}", amount);
}

Batch Pad::operator()(const Batch& batch) const {
  const Tensor& x = batch.x;
  check(x.rank() >= 3, "Pad: x must be images [n, ..., H, W], got {}", x.shape());
  const Planes size{x.dim(0), x.shape().numel(1, x.rank() - 2), x.dim(-2), x.dim(-1)};
  const std::int64_t height = size.height + 2 * amount_;
  const std::int64_t width = size.width + 2 * amount_;
  return {change_samples(size, x, height, width,
                         [&](std::int64_t) { return window(size, height, width, -amount_, -amount_, value_); }),
          batch.y};
}

RandomCrop::RandomCrop(std::int64_t height, std::int64_t width, const Options& options)
    : height_(height), width_(width), options_(options) {
  check<Error>(height >= 1 && width >= 1, "RandomCrop: height and width must be at least 1, got {} x {}", height,
               width);
  check<Error>(options.padding >= 0, "RandomCrop: padding must not be negative, got {}", options.padding);
}

Batch RandomCrop::operator()(const Batch& batch, const Draw& draw) const {
  const Planes size = planes_of("RandomCrop", batch.x, draw);
  const std::int64_t padding = options_.padding;
  const std::int64_t rows = size.height + 2 * padding - height_ + 1;
  const std::int64_t columns = size.width + 2 * padding - width_ + 1;
  check(rows >= 1 && columns >= 1, "RandomCrop: a window of {} x {} is larger than x, {} with a padding of {}", height_,
        width_, batch.x.shape(), padding);
  return {change_samples(size, batch.x, height_, width_,
                         [&](std::int64_t i) {
                           const auto u = draw_for(options_.seed, Kind::crop, draw.epoch,
                                                   draw.indices[static_cast<std::size_t>(i)], 2);
                           return window(size, height_, width_, integer_below(rows, u[0]) - padding,
                                         integer_below(columns, u[1]) - padding, 0);
                         }),
          batch.y};
}

RandomFlip::RandomFlip(const RandomFlipOptions& options) : options_(options) {
  check<Error>(options.probability >= 0 && options.probability <= 1,
               "RandomFlip: probability must be from 0 to 1, got {}", options.probability);
}

Batch RandomFlip::operator()(const Batch& batch, const Draw& draw) const {
  const Planes size = planes_of("RandomFlip", batch.x, draw);
  return {change_samples(size, batch.x, size.height, size.width,
                         [&](std::int64_t i) {
                           const auto u = draw_for(options_.seed, Kind::flip, draw.epoch,
                                                   draw.indices[static_cast<std::size_t>(i)], 2);
                           const bool across = options_.horizontal && u[0] < options_.probability;
                           const bool over = options_.vertical && u[1] < options_.probability;
                           return [=]<class T>(T* to, const T* from) {
                             for (std::int64_t r = 0; r < size.height; ++r) {
                               const T* row = from + (over ? size.height - 1 - r : r) * size.width;
                               for (std::int64_t c = 0; c < size.width; ++c) {
                                 *to++ = row[across ? size.width - 1 - c : c];
                               }
                             }
                           };
                         }),
          batch.y};
}

RandomShift::RandomShift(std::int64_t most, std::uint64_t seed, double value)
    : most_(most), seed_(seed), value_(value) {
  check<Error>(most >= 0, "RandomShift: most must not be negative, got {}", most);
}

Batch RandomShift::operator()(const Batch& batch, const Draw& draw) const {
  const Planes size = planes_of("RandomShift", batch.x, draw);
  return {change_samples(size, batch.x, size.height, size.width,
                         [&](std::int64_t i) {
                           const auto u =
                               draw_for(seed_, Kind::shift, draw.epoch, draw.indices[static_cast<std::size_t>(i)], 2);
                           return window(size, size.height, size.width, integer_below(2 * most_ + 1, u[0]) - most_,
                                         integer_below(2 * most_ + 1, u[1]) - most_, value_);
                         }),
          batch.y};
}

RandomRotation::RandomRotation(double degrees, std::uint64_t seed) : degrees_(degrees), seed_(seed) {
  check<Error>(degrees >= 0 && std::isfinite(degrees),
               "RandomRotation: degrees must be finite and not negative, got {}", degrees);
}

Batch RandomRotation::operator()(const Batch& batch, const Draw& draw) const {
  const Planes size = planes_of("RandomRotation", batch.x, draw);
  check<DTypeError>(is_floating(batch.x.dtype()), "RandomRotation: x must be float32 or float64, got {}",
                    batch.x.dtype());
  return {change_samples(
              size, batch.x, size.height, size.width,
              [&](std::int64_t i) {
                const auto u =
                    draw_for(seed_, Kind::rotation, draw.epoch, draw.indices[static_cast<std::size_t>(i)], 1);
                const double angle = (2 * u[0] - 1) * degrees_ * std::numbers::pi / 180;
                const double cosine = std::cos(angle);
                const double sine = std::sin(angle);
                return [=]<class T>(T* to, const T* from) {
                  const double middle_row = static_cast<double>(size.height - 1) / 2;
                  const double middle_column = static_cast<double>(size.width - 1) / 2;
                  const auto at = [&](std::int64_t row, std::int64_t column) {
                    const bool inside = row >= 0 && row < size.height && column >= 0 && column < size.width;
                    return inside ? static_cast<double>(from[row * size.width + column]) : 0.0;
                  };
                  for (std::int64_t r = 0; r < size.height; ++r) {
                    for (std::int64_t c = 0; c < size.width; ++c) {
                      const double dr = static_cast<double>(r) - middle_row;
                      const double dc = static_cast<double>(c) - middle_column;
                      const double row = middle_row + cosine * dr - sine * dc;
                      const double column = middle_column + sine * dr + cosine * dc;
                      const auto top = static_cast<std::int64_t>(std::floor(row));
                      const auto left = static_cast<std::int64_t>(std::floor(column));
                      const double down = row - static_cast<double>(top);
                      const double right = column - static_cast<double>(left);
                      *to++ = static_cast<T>((1 - down) * ((1 - right) * at(top, left) + right * at(top, left + 1)) +
                                             down * ((1 - right) * at(top + 1, left) + right * at(top + 1, left + 1)));
                    }
                  }
                };
              }),
          batch.y};
}

}  // namespace wengert::datasets
