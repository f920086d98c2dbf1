#include <wengert/autograd/elementwise.h>

namespace wengert {

namespace {

/// Throws where a number does not fit the dtype of the tensor beside it.
double checked_number(const char* op, const Tensor& x, double number) {
  if (x.defined() && x.dtype() == DType::int64) return static_cast<double>(detail::to_int64(op, number));
  return number;
}

void check_int64_divisor(const Tensor& b) {
  if (!b.defined() || b.dtype() != DType::int64) return;
  for (const std::int64_t divisor : b.data<std::int64_t>())
    check<Error>(divisor != 0, "div: division of int64 by zero");
}

template <class Compare>
Tensor compare(const char* name, const Tensor& a, const Tensor& b, Compare compare) {
  return elementwise<Types::all>(name, a, b, compare);
}

template <class Compare>
Tensor compare(const char* name, const Tensor& a, double b, Compare compare) {
  return elementwise<Types::all>(name, a, [compare, b = checked_number(name, a, b)](auto x) { return compare(x, b); });
}

}  // namespace

Tensor operator+(const Tensor& a, const Tensor& b) {
  return elementwise<Types::all>(
      "add", a, b, [](auto x, auto y) { return x + y; },  //
      by_identity(), by_identity());
}

Tensor operator-(const Tensor& a, const Tensor& b) {
  return elementwise<Types::all>(
      "sub", a, b, [](auto x, auto y) { return x - y; },  //
      by_identity(), by_upstream([](auto g) { return -g; }));
}

Tensor operator*(const Tensor& a, const Tensor& b) {
  return elementwise<Types::all>(
      "mul", a, b, [](auto x, auto y) { return x * y; }, by_input<1>([](auto g, auto y) { return g * y; }),
      by_input<0>([](auto g, auto x) { return g * x; }));
}

Tensor operator/(const Tensor& a, const Tensor& b) {
  check_int64_divisor(b);
  return elementwise<Types::all>(
      "div", a, b, [](auto x, auto y) { return x / y; },  //
      by_input<1>([](auto g, auto y) { return g / y; }),
      by_input_and_output<1>([](auto g, auto y, auto quotient) { return -(g * quotient / y); }));
}

Tensor operator+(const Tensor& a, double b) {
  return elementwise<Types::all>(
      "add", a, [b = checked_number("add", a, b)](auto x) { return x + b; }, by_identity());
}

Tensor operator-(const Tensor& a, double b) {
  return elementwise<Types::all>(
      "sub", a, [b = checked_number("sub", a, b)](auto x) { return x - b; }, by_identity());
}

Tensor operator*(const Tensor& a, double b) {
  b = checked_number("mul", a, b);
  return elementwise<Types::all>(
      "mul", a, [b](auto x) { return x * b; }, by_upstream([b](auto g) { return g * b; }));
}

Tensor operator/(const Tensor& a, double b) {
  b = checked_number("div", a, b);
  check<Error>(b != 0 || (a.defined() && a.dtype() != DType::int64), "div: division of int64 by zero");
  return elementwise<Types::all>(
      "div", a, [b](auto x) { return x / b; }, by_upstream([b](auto g) { return g / b; }));
}

Tensor operator+(double a, const Tensor& b) { return b + a; }

Tensor operator-(double a, const Tensor& b) {
  return elementwise<Types::all>(
      "sub", b, [a = checked_number("sub", b, a)](auto y) { return a - y; }, by_upstream([](auto g) { return -g; }));
}

Tensor operator*(double a, const Tensor& b) { return b * a; }

Tensor operator/(double a, const Tensor& b) {
  check_int64_divisor(b);
  return elementwise<Types::all>(
      "div", b, [a = checked_number("div", b, a)](auto y) { return a / y; },
      by_input_and_output<0>([](auto g, auto y, auto quotient) { return -(g * quotient / y); }));
}

Tensor operator-(const Tensor& x) { return neg(x); }

Tensor operator<(const Tensor& a, const Tensor& b) {
  return compare("less", a, b, [](auto x, auto y) { return x < y; });
}
Tensor operator<=(const Tensor& a, const Tensor& b) {
  return compare("less_equal", a, b, [](auto x, auto y) { return x <= y; });
}
Tensor operator>(const Tensor& a, const Tensor& b) {
  return compare("greater", a, b, [](auto x, auto y) { return x > y; });
}
Tensor operator>=(const Tensor& a, const Tensor& b) {
  return compare("greater_equal", a, b, [](auto x, auto y) { return x >= y; });
}
Tensor operator==(const Tensor& a, const Tensor& b) {
  return compare("equal", a, b, [](auto x, auto y) { return x == y; });
}
Tensor operator!=(const Tensor& a, const Tensor& b) {
  return compare("not_equal", a, b, [](auto x, auto y) { return x != y; });
}
Tensor operator<(const Tensor& a, double b) {
  return compare("less", a, b, [](auto x, auto y) { return x < y; });
}
Tensor operator<=(const Tensor& a, double b) {
  return compare("less_equal", a, b, [](auto x, auto y) { return x <= y; });
}
Tensor operator>(const Tensor& a, double b) {
  return compare("greater", a, b, [](auto x, auto y) { return x > y; });
}
Tensor operator>=(const Tensor& a, double b) {
  return compare("greater_equal", a, b, [](auto x, auto y) { return x >= y; });
}
Tensor operator==(const Tensor& a, double b) {
  return compare("equal", a, b, [](auto x, auto y) { return x == y; });
}
Tensor operator!=(const Tensor& a, double b) {
  return compare("not_equal", a, b, [](auto x, auto y) { return x != y; });
}

}  // namespace wengert
