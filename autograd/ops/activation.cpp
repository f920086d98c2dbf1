#include <numbers>

#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

/// Numbers whose sigmoid is 0 or 1 to the last bit. Clamped there, an infinite input meets no factor 0.
constexpr double saturated = 800;

// The constants of selu.
constexpr double selu_scale = 1.0507009873554804934193349852946;
constexpr double selu_alpha = 1.6732632423543772848170429916717;

/// Beyond this the normal distribution is 0 or 1.
constexpr double normal_far = 40;
constexpr double inv_sqrt2 = 1 / std::numbers::sqrt2;
constexpr double normal_density_at_0 = inv_sqrt2 * std::numbers::inv_sqrtpi;
/// Coefficients of v and v^3 in 2 u, where gelu is v / 2 (1 + tanh(u)) = v sigmoid(2 u).
constexpr double gelu_linear = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
constexpr double gelu_cubic = 0.044715 * gelu_linear;

/// From here on mish(v) is v.
constexpr double mish_is_linear = 20;

}  // namespace

Tensor log_sigmoid(const Tensor& x) {
  return elementwise(
      "log_sigmoid", x, [](auto v) { return log_sigmoid(v); },
      by_input([](auto g, auto v) { return g * sigmoid(-v); }));
}

// Where v > 0, e^v is not used, but would overflow and turn zero gradients of second order into NaN: hence min(v, 0).

Tensor elu(const Tensor& x, double alpha) {
  return elementwise(
      "elu", x, [alpha](auto v) { return where(v > 0, v, alpha * expm1(v)); },
      by_input([alpha](auto g, auto v) { return where(v > 0, g, alpha * g * exp(minimum(v, 0))); }));
}

Tensor selu(const Tensor& x) {
  return elementwise(
      "selu", x, [](auto v) { return selu_scale * where(v > 0, v, selu_alpha * expm1(v)); },
      by_input([](auto g, auto v) { return selu_scale * where(v > 0, g, selu_alpha * g * exp(minimum(v, 0))); }));
}

Tensor celu(const Tensor& x, double alpha) {
  check<Error>(alpha > 0, "celu: alpha must be > 0, got {}", alpha);
  return elementwise(
      "celu", x, [alpha](auto v) { return where(v > 0, v, alpha * expm1(v / alpha)); },
      by_input([alpha](auto g, auto v) { return where(v > 0, g, g * exp(minimum(v, 0) / alpha)); }));
}

namespace {

Tensor gelu_by_erf(const Tensor& x) {
  return elementwise(
      "gelu", x, [](auto v) { return 0.5 * maximum(v, -normal_far) * (1 + erf(inv_sqrt2 * v)); },
      by_input([](auto g, auto v) {
        const auto w = clamp(v, -normal_far, normal_far);
        return g * (0.5 * (1 + erf(inv_sqrt2 * w)) + normal_density_at_0 * w * exp(-0.5 * w * w));
      }));
}

/// Hendrycks and Gimpel, Gaussian error linear units (2016).
Tensor gelu_by_tanh(const Tensor& x) {
  return elementwise(
      "gelu", x,
      [](auto v) {
        const auto w = clamp(v, -normal_far, normal_far);
        return maximum(v, -normal_far) * sigmoid(w * (gelu_linear + gelu_cubic * w * w));
      },
      by_input([](auto g, auto v) {
        const auto w = clamp(v, -normal_far, normal_far);
        const auto square = w * w;
        const auto s = sigmoid(w * (gelu_linear + gelu_cubic * square));
        const auto rest = sigmoid(-(w * (gelu_linear + gelu_cubic * square)));
        return g * s * (1 + w * rest * (gelu_linear + 3 * gelu_cubic * square));
      }));
}

}  // namespace

Tensor gelu(const Tensor& x, GeluKind kind) { return kind == GeluKind::exact ? gelu_by_erf(x) : gelu_by_tanh(x); }

Tensor silu(const Tensor& x) {
  return elementwise(
      "silu", x, [](auto v) { return maximum(v, -saturated) * sigmoid(v); },  //
      by_input([](auto g, auto v) {
        const auto w = clamp(v, -saturated, saturated);
        return g * sigmoid(w) * (1 + w * sigmoid(-w));
      }));
}

Tensor mish(const Tensor& x) {
  // tanh(log(1 + e)) = w / (w + 2) with e = e^v and w = e (e + 2); it is 1 to the last bit from v = 20 on.
  return elementwise(
      "mish", x,
      [](auto v) {
        const auto e = exp(minimum(v, mish_is_linear));
        const auto w = e * (e + 2);
        return maximum(v, -saturated) * (w / (w + 2));
      },
      by_input([](auto g, auto v) {
        const auto u = clamp(v, -saturated, mish_is_linear);
        const auto e = exp(u);
        const auto w = e * (e + 2);
        return g * (w + 4 * u * e * (1 + e) / (w + 2)) / (w + 2);
      }));
}

Tensor hardtanh(const Tensor& x, double low, double high) {
  check<Error>(low <= high, "hardtanh: low ({}) must not exceed high ({})", low, high);
  return elementwise(
      "hardtanh", x, [=](auto v) { return clamp(v, low, high); },
      by_input([=](auto g, auto v) { return where(v > low, where(v < high, g, 0), 0); }));
}

Tensor hard_sigmoid(const Tensor& x) {
  return elementwise(
      "hard_sigmoid", x, [](auto v) { return clamp(v / 6 + 0.5, 0, 1); },
      by_input([](auto g, auto v) { return where(v > -3, where(v < 3, g / 6, 0), 0); }));
}

}  // namespace wengert
