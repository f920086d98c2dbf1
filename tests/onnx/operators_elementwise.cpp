#include <cmath>
#include <limits>

#include <wengert/autograd/tape.h>

#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// The two operands of a binary operator. Before version 7 the second one broadcasts only if an attribute says so, and
/// begins at the axis of the first one that another attribute names.
std::pair<Tensor, Tensor> operands(const Call& call) {
  Tensor a = call.input(0);
  Tensor b = call.input(1);
  if (call.opset() >= 7) return {a, b};
  if (call.flag("broadcast") && call.has("axis")) {
    const int first = normalize_axis("onnx", call.axis("axis", 0), a.rank());
    while (b.rank() < a.rank() - first) b = unsqueeze(b, -1);
  }
  return {a, b};
}

/// An operator's function from an op of two tensors.
template <class F>
auto of_two(F op) {
  return [op](const Call& call) {
    const auto [a, b] = operands(call);
    return op(a, b);
  };
}

/// The same for one that says yes or no.
template <class F>
auto truth_of_two(F op) {
  return [op](const Call& call) {
    const auto [a, b] = operands(call);
    return truth(op(a, b));
  };
}

/// An operator of any number of tensors from an op of two.
template <class F>
auto fold(F op) {
  return [op](const Call& call) {
    Tensor result = call.input(0);
    for (std::size_t i = 1; i < call.input_count(); ++i) result = op(result, call.input(i));
    return result;
  };
}

Tensor larger(const Tensor& a, const Tensor& b) {
  return in_floats([](const Tensor& x, const Tensor& y) { return maximum(x, y); }, a, b);
}

Tensor smaller(const Tensor& a, const Tensor& b) {
  return in_floats([](const Tensor& x, const Tensor& y) { return minimum(x, y); }, a, b);
}

Tensor power(const Call& call) {
  const auto [x, exponent] = operands(call);
  if (is_floating(x.dtype())) return pow(x, exponent.to(x.dtype()));
  return pow(x.to(float64), exponent.to(float64)).to(int64);
}

/// With the sign of a (fmod) or of b.
Tensor remainder(const Call& call) {
  const Tensor a = call.input(0);
  const Tensor b = call.input(1);
  if (call.flag("fmod")) return in_floats([](const Tensor& x, const Tensor& y) { return fmod(x, y); }, a, b);
  const Tensor rest = a - b * (a / b);  // of integers: the quotient is truncated
  return where(logical_and(rest != 0, logical_xor(rest < 0, b < 0)), rest + b, rest);
}

Tensor clip(const Call& call) {
  const bool by_attributes = call.opset() < 11;
  const auto bound = [&](std::size_t input, const char* attribute, double otherwise) {
    if (by_attributes) return call.real(attribute, otherwise);
    const Tensor given = call.optional_input(input);
    return given.defined() ? given.item() : otherwise;
  };
  const double low = bound(1, "min", -infinity);
  const double high = bound(2, "max", infinity);
  return in_floats([&](const Tensor& x) { return clamp(x, low, high); }, call.input(0));
}

/// One slope, or before version 7 one per channel; later any that broadcast.
Tensor parametric_relu(const Call& call) {
  const Tensor x = call.input(0);
  Tensor slope = call.input(1);
  if (call.opset() < 7 && slope.numel() > 1) {
    while (slope.rank() < x.rank() - 1) slope = unsqueeze(slope, -1);
  }
  return where(x > 0, x, slope * x);
}

Tensor scaled_elu(const Call& call) {
  if (!call.has("alpha") && !call.has("gamma")) return selu(call.input(0));
  return call.real("gamma", 1.05070102214813232421875) * elu(call.input(0), call.real("alpha", 1.67326319217681884766));
}

/// min(max(alpha x + beta, 0), 1); the op has alpha = 1/6 and beta = 1/2.
Tensor steep_sigmoid(const Call& call) {
  const Tensor line = call.real("alpha", 0.2) * call.input(0) + call.real("beta", 0.5);
  return hard_sigmoid(6 * (line - 0.5));
}

Tensor shrink(const Call& call) {
  const Tensor x = call.input(0);
  const double bias = call.real("bias", 0);
  const double lambda = call.real("lambd", 0.5);
  return where(x < -lambda, x + bias, where(x > lambda, x - bias, 0));
}

Tensor is_infinite(const Call& call) {
  const Tensor x = call.input(0);
  const Tensor infinite = logical_not(logical_or(isfinite(x), isnan(x)));
  const Tensor positive = logical_and(infinite, x > 0);
  const Tensor negative = logical_and(infinite, x < 0);
  const Tensor none = zeros(x.shape(), x.dtype());
  return truth(logical_or(call.flag("detect_positive", true) ? positive : none,
                          call.flag("detect_negative", true) ? negative : none));
}

Tensor converted(const Tensor& x, ElementType type) {
  return type == ElementType::boolean ? truth(x != 0) : x.to(dtype_of(type));
}

Tensor inverse_hyperbolic_sine(const Call& call) {
  const Tensor x = call.input(0);
  return sign(x) * log(abs(x) + sqrt(square(x) + 1));
}

/// Without dropping anything, or in evaluation, it is the identity; else it cannot be compared.
Outputs drop(const Call& call) {
  const Tensor x = call.input(0);
  call.ignore("seed");
  const Tensor ratio = call.opset() < 12 ? Tensor() : call.optional_input(1);
  const Tensor training = call.opset() < 12 ? Tensor() : call.optional_input(2);
  const double p = ratio.defined() ? ratio.item() : call.opset() < 12 ? call.real("ratio", 0.5) : 0.5;
  const bool drops = training.defined() && training.item<bool>();
  if (drops && p != 0) throw Unsupported("random numbers of another generator");
  return {dropout(x, p, drops), ones(x.shape(), int64)};
}

/// The derivatives of one value of the graph with respect to others.
Outputs gradient(const Call& call) {
  if (call.has("zs")) throw Unsupported("values of a gradient's other inputs are given");
  call.inputs();  // the values of xs, which the graph has been evaluated at
  std::vector<Tensor> xs;
  for (const std::string& name : call.texts("xs")) xs.push_back(call.value(name));
  return grad(call.value(call.text("y", "")), xs, {.retain_graph = true});
}

}  // namespace

std::vector<Operator> elementwise_operators() {
  constexpr Accuracy exact = Accuracy::exact;
  return {
      {"Abs", {"abs"}, of(abs), exact},
      {"Acos", {"acos"}, of(acos)},
      {"Acosh", {"log", "sqrt"}, [](const Call& call) { return log(call.input(0) + sqrt(square(call.input(0)) - 1)); }},
      {"Add", {"operator+"}, of_two([](const Tensor& a, const Tensor& b) { return a + b; })},
      {"And", {"logical_and"}, of_two(logical_and), exact},
      {"Asin", {"asin"}, of(asin)},
      {"Asinh", {"log", "sqrt", "sign"}, inverse_hyperbolic_sine},
      {"Atan", {"atan"}, of(atan)},
      {"Atanh", {"log1p"}, [](const Call& call) { return (log1p(call.input(0)) - log1p(-call.input(0))) / 2; }},
      {"Cast",
       {"to"},
       [](const Call& call) { return converted(call.input(0), static_cast<ElementType>(call.integer("to", 0))); }},
      {"CastLike", {"to"}, [](const Call& call) { return call.input(0).to(call.input(1).dtype()); }},
      {"Ceil", {"ceil"}, of(ceil), exact},
      {"Celu", {"celu"}, [](const Call& call) { return celu(call.input(0), call.real("alpha", 1)); }},
      {"Clip", {"clamp"}, clip, exact},
      {"Cos", {"cos"}, of(cos)},
      {"Cosh", {"cosh"}, of(cosh)},
      {"Div", {"operator/"}, of_two([](const Tensor& a, const Tensor& b) { return a / b; })},
      {"Dropout", {"dropout"}, drop, exact},
      {"Elu", {"elu"}, [](const Call& call) { return elu(call.input(0), call.real("alpha", 1)); }},
      {"Equal", {"operator=="}, truth_of_two([](const Tensor& a, const Tensor& b) { return a == b; }), exact},
      {"Erf", {"erf"}, of(erf)},
      {"Exp", {"exp"}, of(exp)},
      {"Floor", {"floor"}, of(floor), exact},
      {"Gradient", {"grad"}, gradient},
      {"Greater", {"operator>"}, truth_of_two([](const Tensor& a, const Tensor& b) { return a > b; }), exact},
      {"GreaterOrEqual", {"operator>="}, truth_of_two([](const Tensor& a, const Tensor& b) { return a >= b; }), exact},
      {"HardSigmoid", {"hard_sigmoid"}, steep_sigmoid},
      {"HardSwish", {"hard_sigmoid"}, [](const Call& call) { return call.input(0) * hard_sigmoid(call.input(0)); }},
      {"Identity", {}, [](const Call& call) { return call.input(0); }, exact},
      {"IsInf", {"isfinite", "isnan"}, is_infinite, exact},
      {"IsNaN", {"isnan"}, [](const Call& call) { return truth(isnan(call.input(0))); }, exact},
      {"LeakyRelu",
       {"leaky_relu"},
       [](const Call& call) { return leaky_relu(call.input(0), call.real("alpha", 0.01)); }},
      {"Less", {"operator<"}, truth_of_two([](const Tensor& a, const Tensor& b) { return a < b; }), exact},
      {"LessOrEqual", {"operator<="}, truth_of_two([](const Tensor& a, const Tensor& b) { return a <= b; }), exact},
      {"Log", {"log"}, of(log)},
      {"Max", {"maximum"}, fold(larger), exact},
      {"Mean",
       {"operator+", "operator/"},
       [](const Call& call) {
         return fold([](const Tensor& a, const Tensor& b) { return a + b; })(call) /
                static_cast<double>(call.input_count());
       }},
      {"Min", {"minimum"}, fold(smaller), exact},
      {"Mod", {"fmod", "operator/"}, remainder},
      {"Mul", {"operator*"}, of_two([](const Tensor& a, const Tensor& b) { return a * b; })},
      {"Neg", {"neg"}, of(neg), exact},
      {"Not", {"logical_not"}, of(logical_not), exact},
      {"Or", {"logical_or"}, of_two(logical_or), exact},
      {"PRelu", {"where"}, parametric_relu},
      {"Pow", {"pow"}, power},
      {"Reciprocal", {"reciprocal"}, of(reciprocal)},
      {"Relu", {"relu"}, of(relu), exact},
      {"Round", {"round"}, of(round), exact},
      {"Selu", {"selu", "elu"}, scaled_elu},
      {"Shrink", {"where"}, shrink},
      {"Sigmoid", {"sigmoid"}, of(sigmoid)},
      {"Sign", {"sign"}, of(sign), exact},
      {"Sin", {"sin"}, of(sin)},
      {"Sinh", {"sinh"}, of(sinh)},
      {"Softplus", {"softplus"}, of(softplus)},
      {"Softsign", {"abs"}, [](const Call& call) { return call.input(0) / (1 + abs(call.input(0))); }},
      {"Sqrt", {"sqrt"}, of(sqrt)},
      {"Sub", {"operator-"}, of_two([](const Tensor& a, const Tensor& b) { return a - b; })},
      {"Sum", {"operator+"}, fold([](const Tensor& a, const Tensor& b) { return a + b; })},
      {"Tan", {"tan"}, of(tan)},
      {"Tanh", {"tanh"}, of(tanh)},
      {"ThresholdedRelu",
       {"where"},
       [](const Call& call) { return where(call.input(0) > call.real("alpha", 1), call.input(0), 0); },
       exact},
      {"Where", {"where"}, [](const Call& call) { return where(call.input(0), call.input(1), call.input(2)); }, exact},
      {"Xor", {"logical_xor"}, of_two(logical_xor), exact},
  };
}

}  // namespace wengert::test::onnx
