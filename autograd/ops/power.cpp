#include <wengert/autograd/elementwise.h>

namespace wengert {

Tensor rsqrt(const Tensor& x) {
  return elementwise(
      "rsqrt", x, [](auto v) { return 1 / sqrt(v); }, by_output([](auto g, auto y) { return -0.5 * g * y * y * y; }));
}

Tensor reciprocal(const Tensor& x) {
  return elementwise(
      "reciprocal", x, [](auto v) { return 1 / v; }, by_output([](auto g, auto y) { return -(g * y * y); }));
}

Tensor pow(const Tensor& x, double exponent) {
  return elementwise(
      "pow", x, [exponent](auto v) { return pow(v, exponent); },
      by_input([exponent](auto g, auto v) { return exponent == 0 ? g * 0 : g * (exponent * pow(v, exponent - 1)); }));
}

Tensor pow(const Tensor& x, const Tensor& exponent) {
  return elementwise(
      "pow", x, exponent, [](auto v, auto e) { return pow(v, e); }, by_input<0, 1>([](auto g, auto v, auto e) {
        // Where e is 0 and 1 / v infinite, or NaN, e * pow(v, -1) would be NaN. Elsewhere the product stays, as its
        // derivative with respect to e is not 0.
        const auto flat = where(e == 0, 1 / v - 1 / v != 0, 0) != 0;
        return where(flat, 0, g * e * pow(where(flat, 1, v), e - 1));
      }),
      by_input<0, 1>([](auto g, auto v, auto e) {
        const auto base = where(v == 0, 1, v);  // in the power too, whose own derivative may be infinite at 0
        return where(v == 0, 0, g * pow(base, e) * log(base));
      }));
}

Tensor hypot(const Tensor& a, const Tensor& b) {
  const auto rule = [](auto g, auto side, auto y) { return where(y == 0, 0, g * side / where(y == 0, 1, y)); };
  return elementwise(
      "hypot", a, b, [](auto u, auto v) { return hypot(u, v); }, by_input_and_output<0>(rule),
      by_input_and_output<1>(rule));
}

Tensor expm1(const Tensor& x) {
  // From the input: y + 1 has lost e^x where that is small.
  return elementwise(
      "expm1", x, [](auto v) { return expm1(v); }, by_input([](auto g, auto v) { return g * exp(v); }));
}

Tensor log1p(const Tensor& x) {
  return elementwise(
      "log1p", x, [](auto v) { return log1p(v); }, by_input([](auto g, auto v) { return g / (1 + v); }));
}

}  // namespace wengert
