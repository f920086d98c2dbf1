#include "tests/op_cases/rows.h"

namespace wengert::test {

void add_arithmetic(Table& t) {
  for (OpCase row : binary(
           "operator+", [](const Tensor& a, const Tensor& b) { return a + b; },
           [](double a, double b) { return a + b; })) {
    t.push_back(named_in_errors("add", and_int64(row)));
  }
  for (OpCase row : binary(
           "operator-", [](const Tensor& a, const Tensor& b) { return a - b; },
           [](double a, double b) { return a - b; })) {
    t.push_back(named_in_errors("sub", and_int64(row)));
  }
  for (OpCase row : binary(
           "operator*", [](const Tensor& a, const Tensor& b) { return a * b; },
           [](double a, double b) { return a * b; })) {
    t.push_back(named_in_errors("mul", and_int64(row)));
  }
  for (OpCase row : binary(
           "operator/", [](const Tensor& a, const Tensor& b) { return a / b; },
           [](double a, double b) { return a / b; }, real({}), nonzero({}))) {
    t.push_back(named_in_errors("div", and_int64(row)));
  }
  const auto with_number = [&](const char* name, const char* side, const char* in_errors, Tensor (*f)(const Tensor&),
                               double (*reference)(double), Input input = real({2, 3})) {
    t.push_back(named_in_errors(in_errors, and_int64(variant(side, unary(name, f, reference, std::move(input))))));
  };
  with_number(
      "operator+", "number right", "add", [](const Tensor& x) { return x + 3; }, [](double x) { return x + 3; });
  with_number(
      "operator+", "number left", "add", [](const Tensor& x) { return 3 + x; }, [](double x) { return 3 + x; });
  with_number(
      "operator-", "number right", "sub", [](const Tensor& x) { return x - 3; }, [](double x) { return x - 3; });
  with_number(
      "operator-", "number left", "sub", [](const Tensor& x) { return 3 - x; }, [](double x) { return 3 - x; });
  with_number(
      "operator-", "negation", "neg", [](const Tensor& x) { return -x; }, [](double x) { return -x; });
  with_number(
      "operator*", "number right", "mul", [](const Tensor& x) { return x * 3; }, [](double x) { return x * 3; });
  with_number(
      "operator*", "number left", "mul", [](const Tensor& x) { return 3 * x; }, [](double x) { return 3 * x; });
  with_number(
      "operator/", "number right", "div", [](const Tensor& x) { return x / 3; }, [](double x) { return x / 3; });
  with_number(
      "operator/", "number left", "div", [](const Tensor& x) { return 3 / x; }, [](double x) { return 3 / x; },
      nonzero({2, 3}));
}

void add_comparisons(Table& t) {
  struct Comparison {
    const char* name;
    const char* in_errors;
    Tensor (*f)(const Tensor&, const Tensor&);
    double (*reference)(double, double);
    Tensor (*with_number)(const Tensor&);
    double (*number_reference)(double);
  };
  const Comparison comparisons[] = {
      {"operator<", "less", [](const Tensor& a, const Tensor& b) { return a < b; },
       [](double a, double b) -> double { return a < b; }, [](const Tensor& a) { return a < 1; },
       [](double a) -> double { return a < 1; }},
      {"operator<=", "less_equal", [](const Tensor& a, const Tensor& b) { return a <= b; },
       [](double a, double b) -> double { return a <= b; }, [](const Tensor& a) { return a <= 1; },
       [](double a) -> double { return a <= 1; }},
      {"operator>", "greater", [](const Tensor& a, const Tensor& b) { return a > b; },
       [](double a, double b) -> double { return a > b; }, [](const Tensor& a) { return a > 1; },
       [](double a) -> double { return a > 1; }},
      {"operator>=", "greater_equal", [](const Tensor& a, const Tensor& b) { return a >= b; },
       [](double a, double b) -> double { return a >= b; }, [](const Tensor& a) { return a >= 1; },
       [](double a) -> double { return a >= 1; }},
      {"operator==", "equal", [](const Tensor& a, const Tensor& b) { return a == b; },
       [](double a, double b) -> double { return a == b; }, [](const Tensor& a) { return a == 1; },
       [](double a) -> double { return a == 1; }},
      {"operator!=", "not_equal", [](const Tensor& a, const Tensor& b) { return a != b; },
       [](double a, double b) -> double { return a != b; }, [](const Tensor& a) { return a != 1; },
       [](double a) -> double { return a != 1; }},
  };
  for (const Comparison& c : comparisons) {
    // Conditions hold zeros and ones, so that equality happens too.
    for (OpCase row : binary(c.name, c.f, c.reference, condition({}), condition({}))) {
      t.push_back(named_in_errors(c.in_errors, and_int64(without_gradient(row))));
    }
    const OpCase row = unary(c.name, c.with_number, c.number_reference, condition({3, 5}));
    t.push_back(named_in_errors(c.in_errors, and_int64(without_gradient(variant("number", row)))));
    const OpCase differentiable = unary(c.name, c.with_number, c.number_reference, real({3, 5}));
    t.push_back(named_in_errors(c.in_errors, without_gradient(variant("number, real", differentiable))));
  }
}

namespace {

/// Numbers on both sides of each kink.
Input off_kinks(const std::vector<double>& kinks) {
  return {.shape = {3, 7}, .low = kinks.front() - 0.9, .high = kinks.back() + 0.9, .gap = 0.05, .kinks = kinks};
}

}  // namespace

void add_elementwise(Table& t) {
  t.push_back(and_int64(unary("neg", neg, [](double x) { return -x; })));
  t.push_back(unary(
      "abs", abs, [](double x) { return std::abs(x); }, nonzero({3, 5})));
  t.push_back(unary(
      "sign", sign, [](double x) { return x > 0 ? 1.0 : -1.0; }, nonzero({3, 5})));
  t.push_back(unary("exp", exp, [](double x) { return std::exp(x); }));
  t.push_back(unary(
      "log", log, [](double x) { return std::log(x); }, positive({3, 5})));
  t.push_back(unary(
      "sqrt", sqrt, [](double x) { return std::sqrt(x); }, positive({3, 5})));
  t.push_back(unary("square", square, [](double x) { return x * x; }));
  t.push_back(unary("sin", sin, [](double x) { return std::sin(x); }));
  t.push_back(unary("cos", cos, [](double x) { return std::cos(x); }));
  t.push_back(unary("tanh", tanh, [](double x) { return std::tanh(x); }));
  t.push_back(unary("sigmoid", sigmoid, sigmoid_of));
  t.push_back(unary("softplus", softplus, [](double x) { return std::log1p(std::exp(x)); }));
  t.push_back(unary(
      "relu", relu, [](double x) { return x > 0 ? x : 0; }, nonzero({3, 5})));
  t.push_back(unary(
      "leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.25); }, [](double x) { return x > 0 ? x : 0.25 * x; },
      nonzero({3, 5})));
  t.push_back(variant("number", unary(
                                    "pow", [](const Tensor& x) { return pow(x, 2.5); },
                                    [](double x) { return std::pow(x, 2.5); }, positive({3, 5}))));
  t.push_back(variant("cube", unary(
                                  "pow", [](const Tensor& x) { return pow(x, 3); }, [](double x) { return x * x * x; },
                                  nonzero({3, 5}))));
  add(t, binary(
             "pow", [](const Tensor& a, const Tensor& b) { return pow(a, b); },
             [](double a, double b) { return std::pow(a, b); }, positive({}), real({})));
  add(t, binary(
             "maximum", [](const Tensor& a, const Tensor& b) { return maximum(a, b); },
             [](double a, double b) { return std::max(a, b); }, separated({}), separated({})));
  t.push_back(variant("number", unary(
                                    "maximum", [](const Tensor& x) { return maximum(x, 0); },
                                    [](double x) { return std::max(x, 0.0); }, nonzero({3, 5}))));
  add(t, binary(
             "minimum", [](const Tensor& a, const Tensor& b) { return minimum(a, b); },
             [](double a, double b) { return std::min(a, b); }, separated({}), separated({})));
  t.push_back(variant("number", unary(
                                    "minimum", [](const Tensor& x) { return minimum(x, 0); },
                                    [](double x) { return std::min(x, 0.0); }, nonzero({3, 5}))));
  t.push_back({.name = "where",
               .inputs = {condition({2, 3, 4}), real({3, 1}), real({2, 1, 4})},
               .f = [](In in) { return where(in[0], in[1], in[2]); },
               .reference =
                   [](From in) {
                     Shape shape;
                     for (const Array& x : in) shape = broadcast_shapes("reference", shape, x.shape);
                     return make(shape, [&](const Index& i) {
                       const bool first = broadcast(in[0], i, shape.rank()) != 0;
                       return broadcast(in[first ? 1 : 2], i, shape.rank());
                     });
                   },
               .vary = any_broadcast,
               .int64 = true,
               .big = {{300, 400}, {300, 1}, {400}},
               .empty = {{2, 0}, {}, {1}}});
  t.push_back({.name = "where",
               .variant = "number",
               .inputs = {condition({3, 4}), real({3, 4})},
               .f = [](In in) { return where(in[0], in[1], 3); },
               .reference =
                   [](From in) {
                     const Shape shape = broadcast_shapes("reference", in[0].shape, in[1].shape);
                     return make(shape, [&](const Index& i) {
                       return broadcast(in[0], i, shape.rank()) != 0 ? broadcast(in[1], i, shape.rank()) : 3;
                     });
                   },
               .vary = any_broadcast,
               .int64 = true,
               .empty = {{2, 0}, {}}});
  t.push_back(unary(
      "clamp", [](const Tensor& x) { return clamp(x, -0.83, 1.21); },
      [](double x) { return std::clamp(x, -0.83, 1.21); }, off_kinks({-0.83, 1.21})));
}

namespace {

/// The n-th derivative of digamma for x > 0: terms n! / (x + k)^(n + 1), then Euler and Maclaurin's formula for the
/// rest.
double polygamma_of(int n, double x) {
  double sum = 0;
  for (int k = 0; k < 100; ++k, ++x) sum += std::tgamma(n + 1) / std::pow(x, n + 1);
  if (n == 0) return std::log(x) - 1 / (2 * x) - 1 / (12 * x * x) + 1 / (120 * std::pow(x, 4)) - sum;
  const double fourth = n * (n + 1) * (n + 2) * (n + 3) / (720 * std::pow(x, 4));
  const double rest = std::tgamma(n) * (1 + n / (2 * x) + n * (n + 1) / (12 * x * x) - fourth) / std::pow(x, n);
  return (n % 2 == 0 ? -1 : 1) * (sum + rest);
}

Input between(double low, double high) { return {.shape = {3, 5}, .low = low, .high = high}; }

}  // namespace

void add_math(Table& t) {
  t.push_back(unary("expm1", expm1, [](double x) { return std::exp(x) - 1; }));
  t.push_back(unary(
      "log1p", log1p, [](double x) { return std::log(1 + x); }, between(-0.7, 3)));
  t.push_back(unary(
      "rsqrt", rsqrt, [](double x) { return 1 / std::sqrt(x); }, positive({3, 5})));
  t.push_back(unary("reciprocal", reciprocal, [](double x) { return 1 / x; }, {.shape = {3, 5}, .gap = 0.4}));
  t.push_back(unary(
      "tan", tan, [](double x) { return std::sin(x) / std::cos(x); }, between(-1.2, 1.2)));
  t.push_back(unary(
      "asin", asin, [](double x) { return std::atan(x / std::sqrt(1 - x * x)); }, between(-0.8, 0.8)));
  t.push_back(unary(
      "acos", acos, [](double x) { return std::atan2(std::sqrt(1 - x * x), x); }, between(-0.8, 0.8)));
  t.push_back(unary("atan", atan, [](double x) { return std::asin(x / std::sqrt(1 + x * x)); }));
  t.push_back(unary("sinh", sinh, [](double x) { return (std::exp(x) - std::exp(-x)) / 2; }));
  t.push_back(unary("cosh", cosh, [](double x) { return (std::exp(x) + std::exp(-x)) / 2; }));
  t.push_back(unary("erf", erf, [](double x) { return 1 - std::erfc(x); }));
  t.push_back(unary(
      "lgamma", lgamma, [](double x) { return std::log(std::tgamma(x)); }, positive({3, 5})));
  t.push_back(unary(
      "digamma", digamma, [](double x) { return polygamma_of(0, x); }, positive({3, 5})));
  t.push_back(unary(
      "polygamma", [](const Tensor& x) { return polygamma(2, x); }, [](double x) { return polygamma_of(2, x); },
      between(0.8, 4)));
  t.push_back(
      variant("negative", unary(
                              "polygamma", [](const Tensor& x) { return polygamma(1, x); },
                              [](double x) { return 1 / (x * x) + polygamma_of(1, x + 1); }, between(-0.7, -0.3))));
  t.push_back(named_in_errors("digamma",
                              variant("order 0", unary(
                                                     "polygamma", [](const Tensor& x) { return polygamma(0, x); },
                                                     [](double x) { return polygamma_of(0, x); }, positive({3, 5})))));
  add(t, binary(
             "atan2", atan2, [](double a, double b) { return std::atan2(a, b); }, positive({}), nonzero({})));
  add(t, binary(
             "hypot", hypot, [](double a, double b) { return std::sqrt(a * a + b * b); }, nonzero({}), nonzero({})));
  // Quotients of 1 to 4, none of them near an integer.
  add(t, binary(
             "fmod", [](const Tensor& a, const Tensor& b) { return fmod(a, b); },
             [](double a, double b) { return a - std::trunc(a / b) * b; }, {.shape = {}, .low = 3.3, .high = 3.8},
             {.shape = {}, .low = 1.3, .high = 1.5}));
  t.push_back(variant("number", unary(
                                    "fmod", [](const Tensor& x) { return fmod(x, -0.75); },
                                    [](double x) { return x - std::trunc(x / -0.75) * -0.75; }, between(0.8, 1.4))));
  t.push_back(unary(
      "floor", floor, [](double x) { return std::floor(x); }, off_kinks({-2, -1, 0, 1, 2})));
  t.push_back(unary(
      "ceil", ceil, [](double x) { return std::ceil(x); }, off_kinks({-2, -1, 0, 1, 2})));
  t.push_back(unary(
      "round", round, [](double x) { return std::nearbyint(x); }, off_kinks({-2.5, -1.5, -0.5, 0.5, 1.5, 2.5})));
  const auto predicate = [](OpCase row) { return and_int64(without_gradient(std::move(row))); };
  t.push_back(predicate(unary("isnan", isnan, [](double) { return 0.0; })));
  t.push_back(predicate(unary("isfinite", isfinite, [](double) { return 1.0; })));
  t.push_back(predicate(unary(
      "logical_not", logical_not, [](double x) -> double { return x == 0; }, condition({3, 5}))));
  for (OpCase row : binary(
           "logical_and", logical_and, [](double a, double b) { return a * b; }, condition({}), condition({}))) {
    t.push_back(predicate(row));
  }
  for (OpCase row : binary(
           "logical_or", logical_or, [](double a, double b) { return std::max(a, b); }, condition({}), condition({}))) {
    t.push_back(predicate(row));
  }
  for (OpCase row : binary(
           "logical_xor", logical_xor, [](double a, double b) { return std::abs(a - b); }, condition({}),
           condition({}))) {
    t.push_back(predicate(row));
  }
}

namespace {

double elu_of(double x, double alpha) { return x > 0 ? x : alpha * (std::exp(x) - 1); }

}  // namespace

void add_activations(Table& t) {
  t.push_back(unary("log_sigmoid", log_sigmoid, [](double x) { return std::log(sigmoid_of(x)); }));
  t.push_back(unary(
      "elu", [](const Tensor& x) { return elu(x, 1.5); }, [](double x) { return elu_of(x, 1.5); }, nonzero({3, 5})));
  t.push_back(unary(
      "selu", selu, [](double x) { return 1.05070098735548049342 * elu_of(x, 1.67326324235437728481); },
      nonzero({3, 5})));
  t.push_back(unary(
      "celu", [](const Tensor& x) { return celu(x, 1.5); }, [](double x) { return x > 0 ? x : elu_of(x / 1.5, 1.5); },
      nonzero({3, 5})));
  t.push_back(variant("exact", unary(
                                   "gelu", [](const Tensor& x) { return gelu(x); },
                                   [](double x) { return x / 2 * std::erfc(-x / std::sqrt(2)); })));
  t.push_back(variant("tanh", unary(
                                  "gelu", [](const Tensor& x) { return gelu(x, GeluKind::tanh); },
                                  [](double x) {
                                    const double u = std::sqrt(2 / std::acos(-1)) * (x + 0.044715 * x * x * x);
                                    return x / 2 * (1 + std::tanh(u));
                                  })));
  t.push_back(unary("silu", silu, [](double x) { return x * sigmoid_of(x); }));
  t.push_back(unary("mish", mish, [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }));
  t.push_back(unary(
      "hardtanh", [](const Tensor& x) { return hardtanh(x, -0.83, 1.21); },
      [](double x) { return std::clamp(x, -0.83, 1.21); }, off_kinks({-0.83, 1.21})));
  t.push_back(unary(
      "hard_sigmoid", hard_sigmoid, [](double x) { return std::clamp((x + 3) / 6, 0.0, 1.0); }, off_kinks({-3, 3})));
}

}  // namespace wengert::test
