#include <wengert/autograd/elementwise.h>

namespace wengert {

Tensor isnan(const Tensor& x) {
  return elementwise<Types::all>("isnan", x, [](auto v) { return v != v; });
}

Tensor isfinite(const Tensor& x) {
  return elementwise<Types::all>("isfinite", x, [](auto v) { return v - v == 0; });
}

Tensor logical_not(const Tensor& x) {
  return elementwise<Types::all>("logical_not", x, [](auto v) { return v == 0; });
}

Tensor logical_and(const Tensor& a, const Tensor& b) {
  return elementwise<Types::all>("logical_and", a, b, [](auto u, auto v) { return (u != 0) & (v != 0); });
}

Tensor logical_or(const Tensor& a, const Tensor& b) {
  return elementwise<Types::all>("logical_or", a, b, [](auto u, auto v) { return (u != 0) | (v != 0); });
}

Tensor logical_xor(const Tensor& a, const Tensor& b) {
  return elementwise<Types::all>("logical_xor", a, b, [](auto u, auto v) { return where(u != 0, v == 0, v != 0); });
}

}  // namespace wengert
