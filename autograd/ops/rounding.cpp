#include <wengert/autograd/elementwise.h>

namespace wengert {

Tensor floor(const Tensor& x) {
  return elementwise(
      "floor", x, [](auto v) { return floor(v); }, by_upstream([](auto g) { return g * 0; }));
}

Tensor ceil(const Tensor& x) {
  return elementwise(
      "ceil", x, [](auto v) { return ceil(v); }, by_upstream([](auto g) { return g * 0; }));
}

Tensor round(const Tensor& x) {
  return elementwise(
      "round", x, [](auto v) { return round(v); }, by_upstream([](auto g) { return g * 0; }));
}

Tensor fmod(const Tensor& a, const Operand& b) {
  detail::check_operands("fmod", std::array{&a}, Types::floating);
  // y = a - q b, with q the quotient rounded towards zero.
  return elementwise(
      "fmod", a, b.as(a.dtype()), [](auto u, auto v) { return fmod(u, v); }, by_upstream([](auto g) { return g; }),
      by_input_and_output<0, 1>([](auto g, auto u, auto v, auto y) { return g * round((y - u) / v); }));
}

}  // namespace wengert
