#include <wengert/autograd/elementwise.h>

namespace wengert {

Tensor sin(const Tensor& x) {
  return elementwise(
      "sin", x, [](auto v) { return sin(v); }, by_input([](auto g, auto v) { return g * cos(v); }));
}

Tensor cos(const Tensor& x) {
  return elementwise(
      "cos", x, [](auto v) { return cos(v); }, by_input([](auto g, auto v) { return -(g * sin(v)); }));
}

Tensor tan(const Tensor& x) {
  return elementwise(
      "tan", x, [](auto v) { return tan(v); }, by_output([](auto g, auto y) { return g * (1 + y * y); }));
}

Tensor asin(const Tensor& x) {
  // (1 - v)(1 + v) keeps the digits that 1 - v^2 loses near 1.
  return elementwise(
      "asin", x, [](auto v) { return asin(v); }, by_input([](auto g, auto v) { return g / sqrt((1 - v) * (1 + v)); }));
}

Tensor acos(const Tensor& x) {
  return elementwise(
      "acos", x, [](auto v) { return acos(v); },
      by_input([](auto g, auto v) { return -(g / sqrt((1 - v) * (1 + v))); }));
}

Tensor atan(const Tensor& x) {
  return elementwise(
      "atan", x, [](auto v) { return atan(v); }, by_input([](auto g, auto v) { return g / (1 + v * v); }));
}

Tensor sinh(const Tensor& x) {
  return elementwise(
      "sinh", x, [](auto v) { return sinh(v); }, by_input([](auto g, auto v) { return g * cosh(v); }));
}

Tensor cosh(const Tensor& x) {
  return elementwise(
      "cosh", x, [](auto v) { return cosh(v); }, by_input([](auto g, auto v) { return g * sinh(v); }));
}

Tensor atan2(const Tensor& y, const Tensor& x) {
  // v / (x^2 + y^2) by way of the hypotenuse: the squares may overflow.
  const auto over_square = [](auto v, auto hypotenuse) {
    const auto radius = where(hypotenuse == 0, 1, hypotenuse);
    return v / radius / radius;
  };
  return elementwise(
      "atan2", y, x, [](auto a, auto b) { return atan2(a, b); },
      by_input<0, 1>([over_square](auto g, auto a, auto b) { return g * over_square(b, hypot(a, b)); }),
      by_input<0, 1>([over_square](auto g, auto a, auto b) { return -(g * over_square(a, hypot(a, b))); }));
}

}  // namespace wengert
