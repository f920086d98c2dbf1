#include <cmath>

#include <wengert/nn/init.h>

namespace wengert::nn {

namespace {

template <class Fill>
Tensor filled(const Shape& shape, DType dtype, Fill fill) {
  check<DTypeError>(is_floating(dtype), "init: parameters are float32 or float64, not {}", dtype);
  Tensor result = detail::Access::allocate(shape, dtype);
  dispatch_floating(dtype, [&]<class T>() { fill(detail::Access::mutable_data<T>(result)); });
  return result;
}

Tensor draw_uniform(const Shape& shape, DType dtype, Generator& generator, double low, double high) {
  return filled(shape, dtype, [&]<class T>(T* out) {
    kernels::fill_uniform(out, shape.numel(), static_cast<T>(low), static_cast<T>(high), generator);
  });
}

Tensor draw_normal(const Shape& shape, DType dtype, Generator& generator, double mean, double deviation) {
  return filled(shape, dtype, [&]<class T>(T* out) {
    kernels::fill_normal(out, shape.numel(), static_cast<T>(mean), static_cast<T>(deviation), generator);
  });
}

Tensor draw_around_zero(const Shape& shape, DType dtype, Generator& generator, double bound) {
  return draw_uniform(shape, dtype, generator, -bound, bound);
}

double positive_gain(const char* name, double gain) {
  check<Error>(gain > 0 && std::isfinite(gain), "init::{}: gain must be positive, got {}", name, gain);
  return gain;
}

double finite_slope(const char* name, double slope) {
  check<Error>(std::isfinite(slope), "init::{}: slope must be finite, got {}", name, slope);
  return slope;
}

double sum_of_fans(const Shape& shape) {
  const Fans fan = fans(shape);
  return static_cast<double>(fan.in + fan.out);
}

}  // namespace

Fans fans(const Shape& weight) {
  check(weight.rank() >= 2, "init: a weight of shape {} has no fan; it needs axes [out, in, kernel...]", weight);
  check(weight.numel() > 0, "init: a weight of shape {} has no fan; it is empty", weight);
  const std::int64_t kernel = weight.numel(2, weight.rank());
  return {.in = weight[1] * kernel, .out = weight[0] * kernel};
}

Initializer init::zeros() { return constant(0); }

Initializer init::constant(double value) {
  return {[](const Shape& shape, DType dtype, Generator&, double number, double) { return full(shape, number, dtype); },
          value, 0};
}

Initializer init::uniform(double low, double high) { return {draw_uniform, low, high}; }

Initializer init::normal(double mean, double deviation) { return {draw_normal, mean, deviation}; }

Initializer init::xavier_uniform(double gain) {
  return {[](const Shape& shape, DType dtype, Generator& generator, double factor, double) {
            return draw_around_zero(shape, dtype, generator, factor * std::sqrt(6 / sum_of_fans(shape)));
          },
          positive_gain("xavier_uniform", gain), 0};
}

Initializer init::xavier_normal(double gain) {
  return {[](const Shape& shape, DType dtype, Generator& generator, double factor, double) {
            return draw_normal(shape, dtype, generator, 0, factor * std::sqrt(2 / sum_of_fans(shape)));
          },
          positive_gain("xavier_normal", gain), 0};
}

Initializer init::kaiming_uniform(double slope) {
  return {[](const Shape& shape, DType dtype, Generator& generator, double a, double) {
            const auto in = static_cast<double>(fans(shape).in);
            return draw_around_zero(shape, dtype, generator, std::sqrt(6 / ((1 + a * a) * in)));
          },
          finite_slope("kaiming_uniform", slope), 0};
}

Initializer init::kaiming_normal(double slope) {
  return {[](const Shape& shape, DType dtype, Generator& generator, double a, double) {
            const auto in = static_cast<double>(fans(shape).in);
            return draw_normal(shape, dtype, generator, 0, std::sqrt(2 / ((1 + a * a) * in)));
          },
          finite_slope("kaiming_normal", slope), 0};
}

Initializer init::layer_default() { return kaiming_uniform(std::sqrt(5.0)); }

}  // namespace wengert::nn
