#include <algorithm>
#include <cmath>
#include <vector>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>
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

/// Normal numbers in a row, those out of bounds drawn again in their order: the same for any number of threads.
Tensor draw_truncated_normal(const Shape& shape, DType dtype, Generator& generator, double mean, double deviation) {
  return filled(shape, dtype, [&]<class T>(T* out) {
    const std::int64_t count = shape.numel();
    kernels::fill_normal(out, count, T(0), T(1), generator);
    std::vector<T> again;
    std::size_t next = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      while (std::abs(out[i]) > T(2)) {
        if (next == again.size()) {
          again.resize(1024);
          kernels::fill_normal(again.data(), 1024, T(0), T(1), generator);
          next = 0;
        }
        out[i] = again[next++];
      }
      out[i] = static_cast<T>(mean) + static_cast<T>(deviation) * out[i];
    }
  });
}

/// The Q of a matrix of normal numbers whose R has a positive diagonal is distributed evenly (F. Mezzadri, "How to
/// generate random matrices from the classical compact groups", 2007).
Tensor draw_orthogonal(const Shape& shape, DType dtype, Generator& generator, double gain, double) {
  check(shape.rank() >= 2 && shape.numel() > 0,
        "init::orthogonal: the shape must have two axes or more, and elements, got {}", shape);
  const NoGrad guard;
  const std::int64_t rows = shape[0];
  const std::int64_t columns = shape.numel(1, shape.rank());
  const Tensor tall = draw_normal({std::max(rows, columns), std::min(rows, columns)}, float64, generator, 0, 1);
  const Tensor q = qr(tall).q;
  return reshape((rows >= columns ? q : transpose(q)) * gain, shape).to(dtype);
}

Tensor identity_kernels(const Shape& shape, DType dtype) {
  check(shape.rank() >= 3 && shape.numel() > 0,
        "init::dirac: the shape must be [out, in, kernel...], with elements, got {}", shape);
  const std::int64_t kernel = shape.numel(2, shape.rank());
  std::int64_t centre = 0;
  for (int axis = 2; axis < shape.rank(); ++axis) centre = centre * shape[axis] + (shape[axis] - 1) / 2;
  return filled(shape, dtype, [&]<class T>(T* out) {
    std::fill_n(out, shape.numel(), T(0));
    for (std::int64_t i = 0; i < std::min(shape[0], shape[1]); ++i) out[(i * shape[1] + i) * kernel + centre] = T(1);
  });
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

double fan_of(const Shape& shape, double out) {
  const Fans fan = fans(shape);
  return static_cast<double>(out != 0 ? fan.out : fan.in);
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

Initializer init::truncated_normal(double mean, double deviation) {
  check<Error>(deviation >= 0 && std::isfinite(deviation),
               "init::truncated_normal: deviation must be at least 0 and finite, got {}", deviation);
  return {draw_truncated_normal, mean, deviation};
}

Initializer init::eye() {
  return {[](const Shape& shape, DType dtype, Generator&, double, double) {
            check(shape.rank() == 2, "init::eye: the shape must have two axes, got {}", shape);
            return wengert::eye(shape[0], shape[1], dtype);
          },
          0, 0};
}

Initializer init::dirac() {
  return {[](const Shape& shape, DType dtype, Generator&, double, double) { return identity_kernels(shape, dtype); }, 0,
          0};
}

Initializer init::orthogonal(double gain) { return {draw_orthogonal, positive_gain("orthogonal", gain), 0}; }

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

Initializer init::kaiming_uniform(double slope, FanMode mode) {
  return {[](const Shape& shape, DType dtype, Generator& generator, double a, double out) {
            return draw_around_zero(shape, dtype, generator, std::sqrt(6 / ((1 + a * a) * fan_of(shape, out))));
          },
          finite_slope("kaiming_uniform", slope), mode == FanMode::out ? 1.0 : 0.0};
}

Initializer init::kaiming_normal(double slope, FanMode mode) {
  return {[](const Shape& shape, DType dtype, Generator& generator, double a, double out) {
            return draw_normal(shape, dtype, generator, 0, std::sqrt(2 / ((1 + a * a) * fan_of(shape, out))));
          },
          finite_slope("kaiming_normal", slope), mode == FanMode::out ? 1.0 : 0.0};
}

Initializer init::lecun_uniform() {
  return {[](const Shape& shape, DType dtype, Generator& generator, double, double) {
            return draw_around_zero(shape, dtype, generator, std::sqrt(3 / fan_of(shape, 0)));
          },
          0, 0};
}

Initializer init::lecun_normal() {
  return {[](const Shape& shape, DType dtype, Generator& generator, double, double) {
            return draw_normal(shape, dtype, generator, 0, std::sqrt(1 / fan_of(shape, 0)));
          },
          0, 0};
}

double init::gain(Nonlinearity activation, double slope) {
  switch (activation) {
    case Nonlinearity::linear:
    case Nonlinearity::sigmoid: return 1;
    case Nonlinearity::tanh: return 5.0 / 3;
    case Nonlinearity::relu: return std::sqrt(2.0);
    case Nonlinearity::leaky_relu: return std::sqrt(2 / (1 + finite_slope("gain", slope) * slope));
    case Nonlinearity::selu: break;
  }
  return 0.75;
}

Initializer init::layer_default() { return kaiming_uniform(std::sqrt(5.0)); }

}  // namespace wengert::nn
