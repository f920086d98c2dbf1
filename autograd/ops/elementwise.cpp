#include <cmath>

#include <wengert/autograd/elementwise.h>

namespace wengert {

Tensor neg(const Tensor& x) {
  return elementwise<Types::all>(
      "neg", x, [](auto v) { return -v; }, by_upstream([](auto g) { return -g; }));
}

Tensor abs(const Tensor& x) {
  return elementwise(
      "abs", x, [](auto v) { return abs(v); }, by_input([](auto g, auto v) { return g * sign(v); }));
}

Tensor sign(const Tensor& x) {
  return elementwise(
      "sign", x, [](auto v) { return sign(v); }, by_upstream([](auto g) { return g * 0; }));
}

Tensor exp(const Tensor& x) {
  return elementwise(
      "exp", x, [](auto v) { return exp(v); }, by_output([](auto g, auto y) { return g * y; }));
}

Tensor log(const Tensor& x) {
  return elementwise(
      "log", x, [](auto v) { return log(v); }, by_input([](auto g, auto v) { return g / v; }));
}

Tensor sqrt(const Tensor& x) {
  return elementwise(
      "sqrt", x, [](auto v) { return sqrt(v); }, by_output([](auto g, auto y) { return 0.5 * g / y; }));
}

Tensor square(const Tensor& x) {
  return elementwise(
      "square", x, [](auto v) { return v * v; }, by_input([](auto g, auto v) { return 2 * g * v; }));
}

Tensor tanh(const Tensor& x) {
  return elementwise(
      "tanh", x, [](auto v) { return tanh(v); }, by_output([](auto g, auto y) { return g * (1 - y * y); }));
}

Tensor sigmoid(const Tensor& x) {
  return elementwise(
      "sigmoid", x, [](auto v) { return sigmoid(v); }, by_output([](auto g, auto y) { return g * y * (1 - y); }));
}

Tensor softplus(const Tensor& x) {
  return elementwise(
      "softplus", x, [](auto v) { return softplus(v); }, by_input([](auto g, auto v) { return g * sigmoid(v); }));
}

Tensor relu(const Tensor& x) {
  // NaN is neither above nor below zero: the comparison lets it through.
  return elementwise(
      "relu", x, [](auto v) { return where(v <= 0, 0, v); },
      by_output([](auto g, auto y) { return where(y > 0, g, 0); }));
}

Tensor leaky_relu(const Tensor& x, double slope) {
  return elementwise(
      "leaky_relu", x, [slope](auto v) { return where(v > 0, v, slope * v); },
      by_input([slope](auto g, auto v) { return where(v > 0, g, slope * g); }));
}

namespace {

/// The share of a gradient that goes to the winner of a contest with a tie.
constexpr auto share = [](auto g, auto wins, auto ties) { return where(wins, g, where(ties, 0.5 * g, 0)); };

}  // namespace

Tensor maximum(const Tensor& a, const Operand& b) {
  detail::check_operands("maximum", std::array{&a}, Types::floating, {"a"});
  return elementwise(
      "maximum", a, b.as(a.dtype()), [](auto x, auto y) { return maximum(x, y); },
      by_input<0, 1>([](auto g, auto x, auto y) { return share(g, x > y, x == y); }),
      by_input<0, 1>([](auto g, auto x, auto y) { return share(g, y > x, x == y); }));
}

Tensor minimum(const Tensor& a, const Operand& b) {
  detail::check_operands("minimum", std::array{&a}, Types::floating, {"a"});
  return elementwise(
      "minimum", a, b.as(a.dtype()), [](auto x, auto y) { return minimum(x, y); },
      by_input<0, 1>([](auto g, auto x, auto y) { return share(g, x < y, x == y); }),
      by_input<0, 1>([](auto g, auto x, auto y) { return share(g, y < x, x == y); }));
}

Tensor where(const Tensor& condition, const Operand& a, const Operand& b) {
  const Tensor* typed = a.tensor() ? a.tensor() : b.tensor() ? b.tensor() : &condition;
  detail::check_operands("where", std::array{&condition}, Types::all, {"condition"});
  detail::check_operands("where", std::array{typed}, Types::all, {typed == a.tensor() ? "a" : "b"});
  const Tensor mask = condition.dtype() == typed->dtype() ? condition.detach() : (condition != 0).to(typed->dtype());
  // Recorded by hand, as the condition takes no gradient.
  const Tensor on_true = a.as(typed->dtype());
  const Tensor on_false = b.as(typed->dtype());
  Tensor value = no_grad([&] {
    return elementwise<Types::all>("where", {mask, on_true, on_false},
                                   [](auto c, auto x, auto y) { return where(c != 0, x, y); });
  });
  if (!on_true.requires_grad() && !on_false.requires_grad()) value = without_gradient("where", value, condition);
  return record("where", value, wrt(on_true, [mask](const Tensor& g) { return where(mask, g, 0); }),
                wrt(on_false, [mask](const Tensor& g) { return where(mask, 0, g); }));
}

Tensor clamp(const Tensor& x, double low, double high) {
  check<Error>(low <= high, "clamp: low ({}) must not exceed high ({})", low, high);
  return elementwise(
      "clamp", x, [=](auto v) { return where(v < low, low, where(v > high, high, v)); },
      by_input([=](auto g, auto v) { return where(v >= low, where(v <= high, g, 0), 0); }));
}

}  // namespace wengert
