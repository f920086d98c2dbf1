#include "tests/op_cases.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>
#include <tuple>

namespace wengert::test {

namespace {

using In = const Inputs&;
using From = const Arrays&;
using Table = std::vector<OpCase>;

// ---------------------------------------------------------------------------------------------------------------------
// Building blocks of the references.

/// An array from `f(position)`.
template <class F>
Array make(const Shape& shape, F f) {
  Array result{shape, std::vector<double>(static_cast<std::size_t>(shape.numel()))};
  Index position{};
  for (double& value : result.data) {
    value = f(position);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      auto& i = position[static_cast<std::size_t>(axis)];
      if (++i < shape[axis]) break;
      i = 0;
    }
  }
  return result;
}

Array number(double value) { return {Shape{}, {value}}; }

/// Reads `x` at a position of a shape that it broadcasts to.
double broadcast(const Array& x, const Index& position, int rank) {
  Index own{};
  for (int axis = 0; axis < x.shape.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    own[i] = x.shape[axis] == 1 ? 0 : position[i + static_cast<std::size_t>(rank - x.shape.rank())];
  }
  return x(own);
}

/// `f(values)` of the elements that share a position but for `axes`, which are dropped.
template <class F>
Array reduce(const Array& x, const std::vector<int>& axes, F f) {
  std::vector<std::int64_t> kept_sizes;
  std::vector<std::size_t> kept;
  for (int axis = 0; axis < x.shape.rank(); ++axis) {
    if (std::find(axes.begin(), axes.end(), axis) != axes.end()) continue;
    kept_sizes.push_back(x.shape[axis]);
    kept.push_back(static_cast<std::size_t>(axis));
  }
  const Shape result{kept_sizes};
  std::vector<std::vector<double>> groups(static_cast<std::size_t>(result.numel()));
  make(x.shape, [&](const Index& i) {
    std::int64_t group = 0;
    for (std::size_t k = 0; k < kept.size(); ++k) group = group * kept_sizes[k] + i[kept[k]];
    groups[static_cast<std::size_t>(group)].push_back(x(i));
    return 0;
  });
  std::size_t next = 0;
  return make(result, [&](const Index&) { return static_cast<double>(f(groups[next++])); });
}

Array reshaped(Array x, const Shape& shape) {
  x.shape = shape;
  return x;
}

using Values = std::vector<double>;

double sum_of(const Values& v) { return std::accumulate(v.begin(), v.end(), 0.0); }
double mean_of(const Values& v) { return sum_of(v) / static_cast<double>(v.size()); }
double max_of(const Values& v) { return *std::max_element(v.begin(), v.end()); }
double min_of(const Values& v) { return *std::min_element(v.begin(), v.end()); }
std::ptrdiff_t argmax_of(const Values& v) { return std::max_element(v.begin(), v.end()) - v.begin(); }
double logsumexp_of(const Values& v) {
  double sum = 0;
  for (const double x : v) sum += std::exp(x);
  return std::log(sum);
}

double prod_of(const Values& v) { return std::accumulate(v.begin(), v.end(), 1.0, std::multiplies<>()); }
double var_of(const Values& v) {
  const double mean = mean_of(v);
  double sum = 0;
  for (const double x : v) sum += (x - mean) * (x - mean);
  return sum / static_cast<double>(v.size() - 1);
}
double std_of(const Values& v) { return std::sqrt(var_of(v)); }
double median_of(const Values& v) {
  Values in_order = v;
  std::sort(in_order.begin(), in_order.end());
  return (in_order[(v.size() - 1) / 2] + in_order[v.size() / 2]) / 2;
}
double norm_of(const Values& v, double p) {
  double sum = 0;
  for (const double x : v) sum += std::pow(std::abs(x), p);
  return std::pow(sum, 1 / p);
}
double largest_size(const Values& v) {
  double largest = 0;
  for (const double x : v) largest = std::max(largest, std::abs(x));
  return largest;
}
double any_of(const Values& v) {
  return std::any_of(v.begin(), v.end(), [](double x) { return x != 0; });
}
double all_of(const Values& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return x != 0; });
}

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

// ---------------------------------------------------------------------------------------------------------------------
// Rows of element-wise ops. Each takes any shape, empty ones too.

OpCase unary(const char* name, Tensor (*f)(const Tensor&), double (*reference)(double), Input input = real({2, 3, 5})) {
  return {.name = name,
          .inputs = {std::move(input)},
          .unary = f,
          .unary_reference = reference,
          .big = {{3, 41, 1000}},
          .empty = {{0, 3}}};
}

/// The same row with a variant's name, for ops with several rows.
OpCase variant(const char* name, OpCase row) {
  row.variant = name;
  return row;
}

/// The same row for int64 also.
OpCase and_int64(OpCase row) {
  row.int64 = true;
  return row;
}

OpCase without_gradient(OpCase row) {
  row.gradient = false;
  return row;
}

/// The same row with another name in errors.
OpCase named_in_errors(const char* prefix, OpCase row) {
  row.error_prefix = prefix;
  return row;
}

/// Equal shapes, and shapes that broadcast: with each other, with a scalar, and along no axis in common.
std::vector<OpCase> binary(const char* name, Tensor (*f)(const Tensor&, const Tensor&),
                           double (*reference)(double, double), const Input& a = real({}), const Input& b = real({})) {
  struct Pair {
    const char* variant;
    Shape a;
    Shape b;
  };
  std::vector<OpCase> rows;
  for (const Pair& pair : {Pair{"same shapes", {4, 5}, {4, 5}}, Pair{"broadcast both", {2, 1, 3}, {4, 1}},
                           Pair{"row and scalar", {5}, {}}, Pair{"column and box", {3, 1}, {2, 3, 4}}}) {
    OpCase row{.name = name, .variant = pair.variant, .inputs = {a, b}, .binary = f, .binary_reference = reference};
    row.inputs[0].shape = pair.a;
    row.inputs[1].shape = pair.b;
    rows.push_back(row);
  }
  rows[0].big = {{300, 400}, {300, 400}};
  rows[0].empty = {{2, 0}, {2, 0}};
  rows[1].big = {{40, 1, 100}, {50, 100}};
  rows[1].empty = {{2, 0, 1}, {3}};
  return rows;
}

void add(Table& table, const std::vector<OpCase>& rows, OpCase (*change)(OpCase) = nullptr) {
  for (const OpCase& row : rows) table.push_back(change ? change(row) : row);
}

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
                     return make({2, 3, 4}, [&](const Index& i) { return broadcast(in[in[0](i) != 0 ? 1 : 2], i, 3); });
                   },
               .int64 = true,
               .big = {{300, 400}, {300, 1}, {400}},
               .empty = {{2, 0}, {}, {1}}});
  t.push_back({.name = "where",
               .variant = "number",
               .inputs = {condition({3, 4}), real({3, 4})},
               .f = [](In in) { return where(in[0], in[1], 3); },
               .reference =
                   [](From in) {
                     return make({3, 4}, [&](const Index& i) { return in[0](i) != 0 ? in[1](i) : 3; });
                   },
               .int64 = true,
               .empty = {{2, 0}, {}}});
  t.push_back(unary(
      "clamp", [](const Tensor& x) { return clamp(x, -0.83, 1.21); },
      [](double x) { return std::clamp(x, -0.83, 1.21); }, separated({3, 7})));
}

/// The n-th derivative of digamma for x > 0: terms n! / (x + k)^(n + 1), then Euler and Maclaurin's formula for the
/// rest.
double polygamma_of(int n, double x) {
  double sum = 0;
  for (int k = 0; k < 1000; ++k, ++x) sum += std::tgamma(n + 1) / std::pow(x, n + 1);
  if (n == 0) return std::log(x) - 1 / (2 * x) - 1 / (12 * x * x) - sum;
  const double rest = std::tgamma(n) * (1 + n / (2 * x) + n * (n + 1) / (12 * x * x)) / std::pow(x, n);
  return (n % 2 == 0 ? -1 : 1) * (sum + rest);
}

Input between(double low, double high) { return {.shape = {3, 5}, .low = low, .high = high}; }

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
  const Input off_integers{.shape = {3, 7}, .kind = Input::Kind::separated, .low = -1.83, .high = 2.29};
  t.push_back(unary(
      "floor", floor, [](double x) { return std::floor(x); }, off_integers));
  t.push_back(unary(
      "ceil", ceil, [](double x) { return std::ceil(x); }, off_integers));
  t.push_back(unary(
      "round", round, [](double x) { return std::nearbyint(x); }, off_integers));
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

double elu_of(double x, double alpha) { return x > 0 ? x : alpha * (std::exp(x) - 1); }

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
      [](double x) { return std::clamp(x, -0.83, 1.21); }, separated({3, 7})));
  t.push_back(unary("hard_sigmoid", hard_sigmoid, [](double x) { return std::clamp((x + 3) / 6, 0.0, 1.0); },
                    {.shape = {3, 7}, .kind = Input::Kind::separated, .low = -4.1, .high = 4.3}));
}

void add_reductions(Table& t) {
  struct Reduction {
    const char* name;
    Tensor (*all)(In);
    Tensor (*rows)(In);
    Tensor (*columns)(In);
    double (*reference)(const Values&);
    bool int64;
    bool empty;  // has a value for nothing
  };
  static constexpr auto reductions = std::array{
      Reduction{"sum", [](In in) { return sum(in[0]); }, [](In in) { return sum(in[0], {-1}); },
                [](In in) {
                  return sum(in[0], {0, 2}, true);
                },
                sum_of, true, true},
      Reduction{"mean", [](In in) { return mean(in[0]); }, [](In in) { return mean(in[0], {-1}); },
                [](In in) {
                  return mean(in[0], {0, 2}, true);
                },
                mean_of, false, false},
      Reduction{"max", [](In in) { return max(in[0]); }, [](In in) { return max(in[0], {-1}); },
                [](In in) {
                  return max(in[0], {0, 2}, true);
                },
                max_of, true, false},
      Reduction{"min", [](In in) { return min(in[0]); }, [](In in) { return min(in[0], {-1}); },
                [](In in) {
                  return min(in[0], {0, 2}, true);
                },
                min_of, true, false},
      Reduction{"logsumexp", [](In in) { return logsumexp(in[0]); }, [](In in) { return logsumexp(in[0], {-1}); },
                [](In in) {
                  return logsumexp(in[0], {0, 2}, true);
                },
                logsumexp_of, false, false},
      Reduction{"prod", [](In in) { return prod(in[0]); }, [](In in) { return prod(in[0], {-1}); },
                [](In in) {
                  return prod(in[0], {0, 2}, true);
                },
                prod_of, false, true},
      Reduction{"var", [](In in) { return var(in[0]); }, [](In in) { return var(in[0], {-1}); },
                [](In in) {
                  return var(in[0], {0, 2}, {.keepdims = true});
                },
                var_of, false, false},
      Reduction{"std", [](In in) { return std(in[0]); }, [](In in) { return std(in[0], {-1}); },
                [](In in) {
                  return std(in[0], {0, 2}, {.keepdims = true});
                },
                std_of, false, false},
      Reduction{"median", [](In in) { return median(in[0]); }, [](In in) { return median(in[0], {-1}); },
                [](In in) {
                  return median(in[0], {0, 2}, true);
                },
                median_of, false, false},
      Reduction{"norm", [](In in) { return norm(in[0], 2); }, [](In in) { return norm(in[0], 2, {-1}); },
                [](In in) {
                  return norm(in[0], 2, {0, 2}, true);
                },
                [](const Values& v) { return norm_of(v, 2); }, false, true},
  };
  // One reference per op and form: plain function pointers cannot carry which op they serve.
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (
        [&] {
          constexpr Reduction r = reductions[I];
          OpCase row{.name = r.name, .inputs = {separated({2, 3, 4})}, .int64 = r.int64};
          row.variant = "all axes";
          row.f = r.all;
          row.reference = [](From in) { return number(reductions[I].reference(in[0].data)); };
          row.big = {{40, 50, 100}};
          if (r.empty) row.empty = {{2, 0}};
          t.push_back(row);
          row.variant = "last axis";
          row.f = r.rows;
          row.reference = [](From in) { return reduce(in[0], {2}, reductions[I].reference); };
          row.empty = {{0, 3}};
          t.push_back(row);
          row.variant = "two axes kept";
          row.f = r.columns;
          row.reference = [](From in) { return reshaped(reduce(in[0], {0, 2}, reductions[I].reference), {1, 3, 1}); };
          row.empty.clear();
          t.push_back(row);
        }(),
        ...);
  }(std::make_index_sequence<reductions.size()>());
  t.push_back({.name = "argmax",
               .inputs = {separated({2, 3, 4})},
               .f = [](In in) { return argmax(in[0], 1); },
               .reference = [](From in) { return reduce(in[0], {1}, argmax_of); },
               .gradient = false,
               .int64 = true,
               .big = {{40, 50, 100}},
               .empty = {{0, 3, 2}}});
  t.push_back({.name = "argmin",
               .inputs = {separated({2, 3, 4})},
               .f = [](In in) { return argmin(in[0], 1); },
               .reference =
                   [](From in) {
                     return reduce(in[0], {1},
                                   [](const Values& v) { return std::min_element(v.begin(), v.end()) - v.begin(); });
                   },
               .gradient = false,
               .int64 = true,
               .big = {{40, 50, 100}},
               .empty = {{0, 3, 2}}});
  for (const auto& [name, f, reference] : {std::tuple(
                                               "any",
                                               +[](In in) {
                                                 return any(in[0], {0, 2});
                                               },
                                               +any_of),
                                           std::tuple(
                                               "all",
                                               +[](In in) {
                                                 return all(in[0], {0, 2});
                                               },
                                               +all_of)}) {
    // Conditions hold zeros too.
    t.push_back({.name = name,
                 .inputs = {condition({2, 3, 2})},
                 .f = f,
                 .reference = reference == any_of ? +[](From in) { return reduce(in[0], {0, 2}, any_of); }
                                                  : +[](From in) { return reduce(in[0], {0, 2}, all_of); },
                 .gradient = false,
                 .int64 = true,
                 .big = {{40, 50, 100}},
                 .empty = {{0, 3, 2}}});
  }
  t.push_back(
      {.name = "var",
       .variant = "of a population",
       .inputs = {real({2, 3, 4})},
       .f = [](In in) { return var(in[0], {1}, {.correction = 0}); },
       .reference = [](From in) { return reduce(in[0], {1}, [](const Values& v) { return var_of(v) * 2 / 3; }); },
       .big = {{40, 50, 100}}});
  t.push_back({.name = "norm",
               .variant = "p = 1",
               .inputs = {nonzero({2, 3, 4})},
               .f = [](In in) { return norm(in[0], 1, {1}); },
               .reference = [](From in) { return reduce(in[0], {1}, [](const Values& v) { return norm_of(v, 1); }); }});
  t.push_back({.name = "norm",
               .variant = "p = 2.5",
               .inputs = {nonzero({2, 3, 4})},
               .f = [](In in) { return norm(in[0], 2.5, {1}); },
               .reference = [](From in) { return reduce(in[0], {1}, [](const Values& v) { return norm_of(v, 2.5); }); },
               .big = {{40, 50, 100}}});
  t.push_back({.name = "norm",
               .variant = "p = infinity",
               .inputs = {{.shape = {2, 3, 4}, .kind = Input::Kind::separated, .low = -2.03, .high = 1.87}},
               .f = [](In in) { return norm(in[0], std::numeric_limits<double>::infinity(), {1}); },
               .reference = [](From in) { return reduce(in[0], {1}, largest_size); }});
  t.push_back({.name = "sum_to",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return sum_to(in[0], {3, 1});
                   },
               .reference =
                   [](From in) {
                     return reshaped(reduce(in[0], {0, 2}, sum_of), {3, 1});
                   },
               .int64 = true,
               .big = {{40, 3, 1000}},
               .empty = {{0, 3, 2}}});
}

/// Along axis 1 of x: [a, n, b], from `f(values along the axis)`, which gives as many.
template <class F>
Array along_axis_1(const Array& x, F f) {
  return make(x.shape, [&](const Index& i) {
    Values values;
    for (std::int64_t k = 0; k < x.shape[1]; ++k) values.push_back(x({i[0], k, i[2]}));
    return f(values)[static_cast<std::size_t>(i[1])];
  });
}

Values cumsum_of(Values v) {
  for (std::size_t i = 1; i < v.size(); ++i) v[i] += v[i - 1];
  return v;
}
Values cumprod_of(Values v) {
  for (std::size_t i = 1; i < v.size(); ++i) v[i] *= v[i - 1];
  return v;
}
Values sorted(Values v) {
  std::sort(v.begin(), v.end());
  return v;
}
Values places_in_order(const Values& v) {
  Values places;
  for (const double x : sorted(v)) places.push_back(static_cast<double>(std::find(v.begin(), v.end(), x) - v.begin()));
  return places;
}

void add_scans_and_sorts(Table& t) {
  const OpCase axis_1{
      .inputs = {separated({2, 5, 3})}, .big = {{20, 500, 10}}, .empty = {{2, 0, 3}}, .float32_tolerance = 3e-5};
  OpCase row = axis_1;
  row.name = "cumsum";
  row.f = [](In in) { return cumsum(in[0], 1); };
  row.reference = [](From in) { return along_axis_1(in[0], cumsum_of); };
  row.int64 = true;
  t.push_back(row);
  row.name = "cumprod";
  row.f = [](In in) { return cumprod(in[0], 1); };
  row.reference = [](From in) { return along_axis_1(in[0], cumprod_of); };
  t.push_back(row);
  row.name = "sort";
  row.f = [](In in) { return sort(in[0], 1).values; };
  row.reference = [](From in) { return along_axis_1(in[0], sorted); };
  t.push_back(row);
  row.variant = "descending";
  row.f = [](In in) { return sort(in[0], 1, true).values; };
  row.reference = [](From in) {
    return along_axis_1(in[0], [](const Values& v) {
      const Values up = sorted(v);
      return Values(up.rbegin(), up.rend());
    });
  };
  t.push_back(row);
  row.variant = "";
  row.name = "topk";
  row.f = [](In in) { return topk(in[0], 2, 1).values; };
  row.empty = {{0, 5, 3}};
  row.reference = [](From in) {
    return make({2, 2, 3}, [&](const Index& i) {
      const Array up = along_axis_1(in[0], sorted);
      return up({i[0], 4 - i[1], i[2]});
    });
  };
  t.push_back(row);
  row.variant = "smallest";
  row.f = [](In in) { return topk(in[0], 1, 1, false).values; };
  row.reference = [](From in) { return reshaped(reduce(in[0], {1}, min_of), {2, 1, 3}); };
  t.push_back(row);
  row.variant = "";
  row.name = "max_with_index";
  row.f = [](In in) { return max_with_index(in[0], 1).values; };
  row.reference = [](From in) { return reduce(in[0], {1}, max_of); };
  t.push_back(row);
  row.name = "min_with_index";
  row.f = [](In in) { return min_with_index(in[0], 1, true).values; };
  row.reference = [](From in) { return reshaped(reduce(in[0], {1}, min_of), {2, 1, 3}); };
  t.push_back(row);
  row.name = "argsort";
  row.f = [](In in) { return argsort(in[0], 1); };
  row.reference = [](From in) { return along_axis_1(in[0], places_in_order); };
  row.gradient = false;
  row.int64 = false;  // truncated numbers may be equal
  t.push_back(row);
}

void add_shape_ops(Table& t) {
  t.push_back({.name = "reshape",
               .variant = "list",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return reshape(in[0], {4, -1});
                   },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {4, 6});
                   },
               .int64 = true,
               .empty = {{4, 0}}});
  t.push_back({.name = "reshape",
               .variant = "shape",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return reshape(in[0], Shape{4, 6});
                   },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {4, 6});
                   },
               .int64 = true});
  t.push_back({.name = "flatten",
               .inputs = {real({2, 3, 4})},
               .f = [](In in) { return flatten(in[0], 1); },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {2, 12});
                   },
               .int64 = true,
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "transpose",
               .inputs = {real({2, 3, 4})},
               .f = [](In in) { return transpose(in[0]); },
               .reference =
                   [](From in) {
                     return make({2, 4, 3}, [&](const Index& i) { return in[0]({i[0], i[2], i[1]}); });
                   },
               .int64 = true,
               .big = {{3, 300, 200}},
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "transpose",
               .variant = "outer axes",
               .inputs = {real({2, 3, 4})},
               .f = [](In in) { return transpose(in[0], 0, 1); },
               .reference =
                   [](From in) {
                     return make({3, 2, 4}, [&](const Index& i) { return in[0]({i[1], i[0], i[2]}); });
                   },
               .int64 = true});
  t.push_back({.name = "permute",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return permute(in[0], {2, 0, 1});
                   },
               .reference =
                   [](From in) {
                     return make({4, 2, 3}, [&](const Index& i) { return in[0]({i[1], i[2], i[0]}); });
                   },
               .int64 = true,
               .big = {{30, 50, 100}},
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "squeeze",
               .inputs = {real({1, 3, 1, 2})},
               .f = [](In in) { return squeeze(in[0]); },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {3, 2});
                   },
               .int64 = true,
               .empty = {{1, 0}}});
  t.push_back({.name = "squeeze",
               .variant = "one axis",
               .inputs = {real({1, 3, 1, 2})},
               .f = [](In in) { return squeeze(in[0], {-2}); },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {1, 3, 2});
                   },
               .int64 = true});
  t.push_back({.name = "unsqueeze",
               .inputs = {real({3, 2})},
               .f = [](In in) { return unsqueeze(in[0], -1); },
               .reference =
                   [](From in) {
                     return reshaped(in[0], {3, 2, 1});
                   },
               .int64 = true,
               .empty = {{0, 3}}});
  t.push_back({.name = "broadcast_to",
               .inputs = {real({3, 1})},
               .f =
                   [](In in) {
                     return broadcast_to(in[0], {2, 3, 5});
                   },
               .reference =
                   [](From in) {
                     return make({2, 3, 5}, [&](const Index& i) { return in[0]({i[1]}); });
                   },
               .int64 = true});
  t.push_back({.name = "broadcast_to",
               .variant = "leading axis",
               .inputs = {real({3, 2})},
               .f =
                   [](In in) {
                     return broadcast_to(in[0], {4, in[0].dim(0), in[0].dim(1)});
                   },
               .reference =
                   [](From in) {
                     return make({4, 3, 2}, [&](const Index& i) { return in[0]({i[1], i[2]}); });
                   },
               .int64 = true,
               .big = {{300, 100}},
               .empty = {{0, 2}},
               .error_prefix = "-"});
  t.push_back({.name = "cat",
               .inputs = {real({2, 3}), real({2, 1}), real({2, 2})},
               .f = [](In in) { return cat(in, 1); },
               .reference =
                   [](From in) {
                     return make({2, 6}, [&](const Index& i) {
                       return i[1] < 3 ? in[0](i) : i[1] < 4 ? in[1]({i[0], i[1] - 3}) : in[2]({i[0], i[1] - 4});
                     });
                   },
               .int64 = true,
               .big = {{200, 300}, {200, 200}, {200, 100}},
               .empty = {{0, 3}, {0, 1}, {0, 0}}});
  t.push_back(
      {.name = "stack",
       .inputs = {real({2, 3}), real({2, 3})},
       .f = [](In in) { return stack(in, 1); },
       .reference =
           [](From in) {
             return make({2, 2, 3}, [&](const Index& i) { return in[static_cast<std::size_t>(i[1])]({i[0], i[2]}); });
           },
       .int64 = true,
       .big = {{200, 300}, {200, 300}},
       .empty = {{0, 3}, {0, 3}}});
  t.push_back({.name = "slice",
               .variant = "with a step",
               .inputs = {real({3, 7})},
               .f = [](In in) { return slice(in[0], 1, 1, -1, 2); },
               .reference =
                   [](From in) {
                     return make({3, 3}, [&](const Index& i) { return in[0]({i[0], 1 + 2 * i[1]}); });
                   },
               .int64 = true,
               .big = {{300, 400}},
               .empty = {{0, 3}}});
  t.push_back({.name = "slice",
               .variant = "leading axis",
               .inputs = {real({5, 2})},
               .f = [](In in) { return slice(in[0], 0, 1, 4); },
               .reference =
                   [](From in) {
                     return make({3, 2}, [&](const Index& i) { return in[0]({1 + i[0], i[1]}); });
                   },
               .int64 = true,
               .empty = {{1, 2}}});
  t.push_back({.name = "select",
               .inputs = {real({3, 4, 2})},
               .f = [](In in) { return select(in[0], 1, -1); },
               .reference =
                   [](From in) {
                     return make({3, 2}, [&](const Index& i) { return in[0]({i[0], 3, i[1]}); });
                   },
               .int64 = true,
               .empty = {{0, 2, 3}}});
  t.push_back({.name = "pad",
               .inputs = {real({2, 3})},
               .f =
                   [](In in) {
                     return pad(in[0], {1, 0}, {2, 1}, 4);
                   },
               .reference =
                   [](From in) {
                     return make({5, 4}, [&](const Index& i) {
                       return i[0] < 1 || i[0] > 2 || i[1] > 2 ? 4 : in[0]({i[0] - 1, i[1]});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}},
               .empty = {{0, 0}}});
}

void add_index_ops(Table& t) {
  t.push_back(
      {.name = "gather",
       .inputs = {real({3, 4}), index_below(4, {2, 5})},
       .f = [](In in) { return gather(in[0], 1, in[1]); },
       .reference =
           [](From in) {
             return make({2, 5}, [&](const Index& i) { return in[0]({i[0], static_cast<std::int64_t>(in[1](i))}); });
           },
       .int64 = true,
       .big = {{300, 400}, {300, 500}},
       .empty = {{3, 4}, {0, 5}}});
  t.push_back(
      {.name = "gather",
       .variant = "leading axis",
       .inputs = {real({3, 4}), index_below(3, {2, 4})},
       .f = [](In in) { return gather(in[0], 0, in[1]); },
       .reference =
           [](From in) {
             return make({2, 4}, [&](const Index& i) { return in[0]({static_cast<std::int64_t>(in[1](i)), i[1]}); });
           },
       .int64 = true,
       .big = {{300, 400}, {500, 400}}});
  t.push_back({.name = "scatter_add",
               .inputs = {real({3, 4}), index_below(4, {2, 5}), real({2, 5})},
               .f = [](In in) { return scatter_add(in[0], 1, in[1], in[2]); },
               .reference =
                   [](From in) {
                     Array result = in[0];
                     make({2, 5}, [&](const Index& i) {
                       return result.at({i[0], static_cast<std::int64_t>(in[1](i))}) += in[2](i);
                     });
                     return result;
                   },
               .int64 = true,
               .big = {{300, 400}, {300, 500}, {300, 500}},
               .empty = {{3, 4}, {0, 5}, {0, 5}}});
  t.push_back({.name = "index_select",
               .inputs = {real({3, 4}), index_below(3, {5})},
               .f = [](In in) { return index_select(in[0], 0, in[1]); },
               .reference =
                   [](From in) {
                     return make({5, 4}, [&](const Index& i) {
                       return in[0]({static_cast<std::int64_t>(in[1]({i[0]})), i[1]});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}, {350}},
               .empty = {{3, 4}, {0}}});
  t.push_back({.name = "index_select",
               .variant = "last axis",
               .inputs = {real({3, 4}), index_below(4, {5})},
               .f = [](In in) { return index_select(in[0], -1, in[1]); },
               .reference =
                   [](From in) {
                     return make({3, 5}, [&](const Index& i) {
                       return in[0]({i[0], static_cast<std::int64_t>(in[1]({i[1]}))});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}, {350}}});
  t.push_back({.name = "one_hot",
               .inputs = {index_below(4, {2, 3})},
               .f = [](In in) { return one_hot(in[0], 4); },
               .reference =
                   [](From in) {
                     return make({2, 3, 4}, [&](const Index& i) -> double {
                       return in[0]({i[0], i[1]}) == static_cast<double>(i[2]);
                     });
                   },
               .gradient = false,
               .big = {{300, 200}},
               .empty = {{0, 3}}});
}

/// `x` gathered along axis 1 of rows of any length, with the position in it from `f(i)`.
template <class F>
Array moved_along_rows(const Array& x, std::int64_t columns, F f) {
  return make({x.shape[0], columns}, [&](const Index& i) { return x({i[0], f(i[1])}); });
}

void add_more_shape_ops(Table& t) {
  t.push_back({.name = "slice",
               .variant = "backwards",
               .inputs = {real({3, 7})},
               .f = [](In in) { return slice(in[0], 1, -2, -100, -2); },
               .reference = [](From in) { return moved_along_rows(in[0], 3, [](auto i) { return 5 - 2 * i; }); },
               .int64 = true,
               .big = {{300, 400}},
               .empty = {{0, 7}}});
  t.push_back({.name = "slice",
               .variant = "leading axis backwards",
               .inputs = {real({4, 2})},
               .f = [](In in) { return slice(in[0], 0, 2, 0, -1); },
               .reference =
                   [](From in) {
                     return make({2, 2}, [&](const Index& i) { return in[0]({2 - i[0], i[1]}); });
                   },
               .int64 = true,
               .empty = {{0, 2}}});
  t.push_back({.name = "pad",
               .variant = "reflect",
               .inputs = {real({3, 4})},
               .f =
                   [](In in) {
                     return pad(in[0], {2, 1}, {0, 3}, PadMode::reflect);
                   },
               .reference =
                   [](From in) {
                     return make({5, 8}, [&](const Index& i) {
                       return in[0]({std::abs(i[0] - 2), 3 - std::abs(3 - std::abs(i[1] - 1))});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}}});
  t.push_back({.name = "pad",
               .variant = "replicate",
               .inputs = {real({3, 4})},
               .f =
                   [](In in) {
                     return pad(in[0], {2, 1}, {0, 5}, PadMode::replicate);
                   },
               .reference =
                   [](From in) {
                     return make({5, 10}, [&](const Index& i) {
                       return in[0]({std::max<std::int64_t>(i[0] - 2, 0), std::clamp<std::int64_t>(i[1] - 1, 0, 3)});
                     });
                   },
               .int64 = true,
               .big = {{300, 400}}});
  t.push_back(
      {.name = "split",
       .variant = "sizes",
       .inputs = {real({2, 6})},
       .f =
           [](In in) {
             const auto parts = split(in[0], {1, 2, 0, 3}, 1);
             return cat({parts[3], parts[1]}, 1);
           },
       .reference = [](From in) { return moved_along_rows(in[0], 5, [](auto i) { return i < 3 ? i + 3 : i - 2; }); },
       .int64 = true,
       .empty = {{0, 6}}});
  t.push_back({.name = "split",
               .variant = "one size",
               .inputs = {real({2, 7})},
               .f = [](In in) { return split(in[0], 3, 1)[2]; },
               .reference = [](From in) { return moved_along_rows(in[0], 1, [](auto) { return 6; }); },
               .int64 = true,
               .empty = {{0, 7}}});
  t.push_back(
      {.name = "chunk",
       .inputs = {real({2, 7})},
       .f =
           [](In in) {
             const auto parts = chunk(in[0], 3, 1);
             return cat({parts[2], parts[0]}, 1);
           },
       .reference = [](From in) { return moved_along_rows(in[0], 4, [](auto i) { return i == 0 ? 6 : i - 1; }); },
       .int64 = true,
       .empty = {{0, 7}}});
  t.push_back({.name = "flip",
               .inputs = {real({2, 3, 4})},
               .f =
                   [](In in) {
                     return flip(in[0], {0, -1});
                   },
               .reference =
                   [](From in) {
                     return make({2, 3, 4}, [&](const Index& i) { return in[0]({1 - i[0], i[1], 3 - i[2]}); });
                   },
               .int64 = true,
               .big = {{30, 40, 100}},
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "flip",
               .variant = "all axes",
               .inputs = {real({2, 3})},
               .f = [](In in) { return flip(in[0]); },
               .reference =
                   [](From in) {
                     return make({2, 3}, [&](const Index& i) { return in[0]({1 - i[0], 2 - i[1]}); });
                   },
               .int64 = true});
  t.push_back({.name = "roll",
               .inputs = {real({2, 5})},
               .f = [](In in) { return roll(in[0], -7); },
               .reference = [](From in) { return moved_along_rows(in[0], 5, [](auto i) { return (i + 7) % 5; }); },
               .int64 = true,
               .big = {{300, 400}},
               .empty = {{2, 0}}});
  t.push_back({.name = "repeat",
               .inputs = {real({2, 3, 2})},
               .f = [](In in) { return repeat(in[0], 3, 1); },
               .reference =
                   [](From in) {
                     return make({2, 9, 2}, [&](const Index& i) { return in[0]({i[0], i[1] / 3, i[2]}); });
                   },
               .int64 = true,
               .big = {{30, 40, 50}},
               .empty = {{2, 0, 3}}});
  t.push_back({.name = "tile",
               .inputs = {real({2, 3})},
               .f =
                   [](In in) {
                     return tile(in[0], {2, 1, 3});
                   },
               .reference =
                   [](From in) {
                     return make({2, 2, 9}, [&](const Index& i) { return in[0]({i[1], i[2] % 3}); });
                   },
               .int64 = true,
               .big = {{100, 300}},
               .empty = {{0, 3}}});
  t.push_back({.name = "unfold",
               .inputs = {real({2, 7, 2})},
               .f = [](In in) { return unfold(in[0], 1, 3, 2); },
               .reference =
                   [](From in) {
                     return make({2, 3, 2, 3}, [&](const Index& i) { return in[0]({i[0], 2 * i[1] + i[3], i[2]}); });
                   },
               .int64 = true,
               .big = {{30, 100, 40}},
               .empty = {{0, 7, 2}}});
  t.push_back({.name = "meshgrid",
               .inputs = {real({3}), real({4})},
               .f =
                   [](In in) {
                     const auto grid = meshgrid(in);
                     return grid[0] - grid[1];
                   },
               .reference =
                   [](From in) {
                     return make({3, 4}, [&](const Index& i) { return in[0]({i[0]}) - in[1]({i[1]}); });
                   },
               .int64 = true,
               .empty = {{0}, {4}}});
  t.push_back({.name = "tril",
               .inputs = {real({2, 3, 4})},
               .f = [](In in) { return tril(in[0]); },
               .reference =
                   [](From in) {
                     return make({2, 3, 4}, [&](const Index& i) { return i[2] <= i[1] ? in[0](i) : 0; });
                   },
               .int64 = true,
               .empty = {{0, 3, 4}}});
  t.push_back({.name = "triu",
               .variant = "below the diagonal",
               .inputs = {real({4, 3})},
               .f = [](In in) { return triu(in[0], -1); },
               .reference =
                   [](From in) {
                     return make({4, 3}, [&](const Index& i) { return i[1] - i[0] >= -1 ? in[0](i) : 0; });
                   },
               .int64 = true,
               .empty = {{0, 3}}});
  t.push_back({.name = "diagonal",
               .inputs = {real({2, 3, 5})},
               .f = [](In in) { return diagonal(in[0], 1); },
               .reference =
                   [](From in) {
                     return make({2, 3}, [&](const Index& i) { return in[0]({i[0], i[1], i[1] + 1}); });
                   },
               .int64 = true,
               .empty = {{0, 3, 5}}});
  t.push_back({.name = "diag",
               .variant = "of a vector",
               .inputs = {real({3})},
               .f = [](In in) { return diag(in[0], -1); },
               .reference =
                   [](From in) {
                     return make({4, 4}, [&](const Index& i) { return i[0] == i[1] + 1 ? in[0]({i[1]}) : 0; });
                   },
               .int64 = true,
               .empty = {{0}}});
  t.push_back({.name = "diag",
               .variant = "of a matrix",
               .inputs = {real({4, 3})},
               .f = [](In in) { return diag(in[0], -2); },
               .reference = [](From in) { return make({2}, [&](const Index& i) {
                                            return in[0]({i[0] + 2, i[0]});
                                          }); },
               .int64 = true,
               .empty = {{0, 3}}});
}

std::int64_t integer(double value) { return static_cast<std::int64_t>(value); }

void add_more_index_ops(Table& t) {
  t.push_back({.name = "index",
               .variant = "numbers, slices and new axes",
               .inputs = {real({3, 4, 2, 5})},
               .f =
                   [](In in) {
                     return in[0].index({-1, Ellipsis, NewAxis, Slice(3, {}, -2)});
                   },
               .reference =
                   [](From in) {
                     return make({4, 2, 1, 2}, [&](const Index& i) { return in[0]({2, i[0], i[1], 3 - 2 * i[3]}); });
                   },
               .int64 = true,
               .empty = {{3, 0, 2, 5}}});
  t.push_back({.name = "index",
               .variant = "one tensor",
               .inputs = {real({2, 4, 3}), index_below(4, {2, 3})},
               .f =
                   [](In in) {
                     return in[0].index({Slice(), in[1] - 4, Slice(1)});
                   },
               .reference =
                   [](From in) {
                     return make({2, 2, 3, 2}, [&](const Index& i) {
                       return in[0]({i[0], integer(in[1]({i[1], i[2]})), i[3] + 1});
                     });
                   },
               .int64 = true,
               .empty = {{2, 4, 3}, {0, 3}},
               .error_prefix = "-"});
  t.push_back({.name = "index",
               .variant = "two tensors apart",
               .inputs = {real({3, 2, 4}), index_below(3, {2, 1}), index_below(4, {3})},
               .f =
                   [](In in) {
                     return index(in[0], {in[1], Ellipsis, in[2]});
                   },
               .reference =
                   [](From in) {
                     return make({2, 3, 2}, [&](const Index& i) {
                       return in[0]({integer(in[1]({i[0]})), i[2], integer(in[2]({i[1]}))});
                     });
                   },
               .int64 = true});
  t.push_back({.name = "scatter",
               .inputs = {real({3, 4}), index_below(4, {2, 5}), real({2, 5})},
               .f = [](In in) { return scatter(in[0], 1, in[1], in[2]); },
               .reference =
                   [](From in) {
                     Array result = in[0];
                     make({2, 5}, [&](const Index& i) { return result.at({i[0], integer(in[1](i))}) = in[2](i); });
                     return result;
                   },
               .int64 = true,
               .big = {{300, 400}, {300, 500}, {300, 500}},
               .empty = {{3, 4}, {0, 5}, {0, 5}}});
  t.push_back(
      {.name = "take_along_dim",
       .inputs = {real({3, 1, 4}), index_below(4, {2, 5})},
       .f = [](In in) { return take_along_dim(in[0], -1, unsqueeze(in[1], 0)); },
       .reference =
           [](From in) {
             return make({3, 2, 5}, [&](const Index& i) { return in[0]({i[0], 0, integer(in[1]({i[1], i[2]}))}); });
           },
       .int64 = true,
       .empty = {{0, 1, 4}, {2, 5}},
       .error_prefix = "-"});
  t.push_back({.name = "take_along_dim",
               .variant = "same shape off the axis",
               .inputs = {real({3, 4}), index_below(3, {2, 4})},
               .f = [](In in) { return take_along_dim(in[0], 0, in[1]); },
               .reference =
                   [](From in) {
                     return make({2, 4}, [&](const Index& i) { return in[0]({integer(in[1](i)), i[1]}); });
                   },
               .int64 = true,
               .big = {{300, 400}, {500, 400}}});
  t.push_back({.name = "masked_fill",
               .inputs = {real({2, 3, 4}), condition({3, 1})},
               .f = [](In in) { return masked_fill(in[0], in[1], -7); },
               .reference =
                   [](From in) {
                     return make({2, 3, 4}, [&](const Index& i) { return in[1]({i[1], 0}) != 0 ? -7 : in[0](i); });
                   },
               .int64 = true,
               .big = {{20, 30, 100}, {30, 1}},
               .empty = {{0, 3, 4}, {3, 1}}});
  t.push_back(
      {.name = "embedding",
       .inputs = {real({5, 3}), index_below(5, {2, 4})},
       .f = [](In in) { return embedding(in[0], in[1]); },
       .reference =
           [](From in) {
             return make({2, 4, 3}, [&](const Index& i) { return in[0]({integer(in[1]({i[0], i[1]})), i[2]}); });
           },
       .int64 = true,
       .big = {{500, 30}, {40, 100}},
       .empty = {{5, 3}, {0, 4}}});
}

/// a b with leading axes that broadcast; both at least 2-D.
Array product(const Array& a, const Array& b) {
  const int rank = std::max(a.shape.rank(), b.shape.rank());
  std::vector<std::int64_t> sizes;
  const auto size_of_axis = [&](const Array& x, int axis) {
    const int own = axis - (rank - x.shape.rank());
    return own < 0 ? 1 : x.shape[own];
  };
  for (int axis = 0; axis < rank - 2; ++axis) sizes.push_back(std::max(size_of_axis(a, axis), size_of_axis(b, axis)));
  sizes.push_back(a.shape[a.shape.rank() - 2]);
  sizes.push_back(b.shape[b.shape.rank() - 1]);
  const std::int64_t depth = a.shape[a.shape.rank() - 1];
  const auto row = static_cast<std::size_t>(rank - 2);
  return make(Shape(sizes), [&](const Index& i) {
    double sum = 0;
    for (std::int64_t k = 0; k < depth; ++k) {
      Index in_a = i;
      Index in_b = i;
      in_a[row + 1] = k;
      in_b[row] = k;
      // The last two axes are never stretched: sizes of 1 there are read at 0 anyway.
      sum += broadcast(a, in_a, rank) * broadcast(b, in_b, rank);
    }
    return sum;
  });
}

void add_products(Table& t) {
  t.push_back({.name = "matmul",
               .inputs = {real({3, 4}), real({4, 2})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference = [](From in) { return product(in[0], in[1]); },
               .big = {{200, 300}, {300, 150}},
               .empty = {{3, 0}, {0, 2}}});
  t.push_back({.name = "matmul",
               .variant = "vectors",
               .inputs = {real({5}), real({5})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference =
                   [](From in) {
                     double sum = 0;
                     for (std::size_t i = 0; i < 5; ++i) sum += in[0].data[i] * in[1].data[i];
                     return number(sum);
                   }});
  t.push_back({.name = "matmul",
               .variant = "matrix and vector",
               .inputs = {real({3, 4}), real({4})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference =
                   [](From in) {
                     return reshaped(product(in[0], reshaped(in[1], {4, 1})), {3});
                   },
               .big = {{600, 400}, {400}}});
  t.push_back({.name = "matmul",
               .variant = "vector and batch",
               .inputs = {real({3}), real({2, 3, 4})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference =
                   [](From in) {
                     return reshaped(product(reshaped(in[0], {1, 3}), in[1]), {2, 4});
                   }});
  t.push_back({.name = "matmul",
               .variant = "batches that broadcast",
               .inputs = {real({2, 1, 3, 4}), real({3, 4, 2})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference = [](From in) { return product(in[0], in[1]); },
               .big = {{4, 1, 60, 70}, {3, 70, 80}},
               .empty = {{0, 3, 4}, {4, 2}}});
  t.push_back({.name = "matmul",
               .variant = "transposed left",
               .inputs = {real({4, 3}), real({4, 2})},
               .f = [](In in) { return matmul(in[0], in[1], {.transpose_a = true}); },
               .reference =
                   [](From in) {
                     return product(make({3, 4}, [&](const Index& i) { return in[0]({i[1], i[0]}); }), in[1]);
                   },
               .big = {{300, 200}, {300, 150}}});
  t.push_back({.name = "matmul",
               .variant = "transposed right",
               .inputs = {real({3, 4}), real({2, 4})},
               .f = [](In in) { return matmul(in[0], in[1], {.transpose_b = true}); },
               .reference =
                   [](From in) {
                     return product(in[0], make({4, 2}, [&](const Index& i) { return in[1]({i[1], i[0]}); }));
                   },
               .big = {{200, 300}, {150, 300}}});
  t.push_back({.name = "matmul",
               .variant = "both transposed, batch",
               .inputs = {real({2, 4, 3}), real({2, 5, 4})},
               .f = [](In in) { return matmul(in[0], in[1], {.transpose_a = true, .transpose_b = true}); },
               .reference =
                   [](From in) {
                     const auto transposed = [](const Array& x, const Shape& shape) {
                       return make(shape, [&](const Index& i) { return x({i[0], i[2], i[1]}); });
                     };
                     return product(transposed(in[0], {2, 3, 4}), transposed(in[1], {2, 4, 5}));
                   }});
  t.push_back({.name = "linear",
               .inputs = {real({3, 4}), real({2, 4}), real({2})},
               .f = [](In in) { return linear(in[0], in[1], in[2]); },
               .reference =
                   [](From in) {
                     return make({3, 2}, [&](const Index& i) {
                       double sum = in[2]({i[1]});
                       for (std::int64_t k = 0; k < 4; ++k) sum += in[0]({i[0], k}) * in[1]({i[1], k});
                       return sum;
                     });
                   },
               .big = {{200, 300}, {150, 300}, {150}},
               .empty = {{0, 4}, {2, 4}, {2}},
               .last_is_optional = true});
  t.push_back({.name = "linear",
               .variant = "without bias, batch",
               .inputs = {real({2, 3, 4}), real({2, 4})},
               .f = [](In in) { return linear(in[0], in[1]); },
               .reference =
                   [](From in) {
                     return make({2, 3, 2}, [&](const Index& i) {
                       double sum = 0;
                       for (std::int64_t k = 0; k < 4; ++k) sum += in[0]({i[0], i[1], k}) * in[1]({i[2], k});
                       return sum;
                     });
                   }});
}

/// One matrix of a batch.
struct Mat {
  std::int64_t rows;
  std::int64_t columns;
  Values data;

  Mat(std::int64_t m, std::int64_t n) : rows(m), columns(n), data(static_cast<std::size_t>(m * n)) {}
  double& operator()(std::int64_t i, std::int64_t j) { return data.at(static_cast<std::size_t>(i * columns + j)); }
  double operator()(std::int64_t i, std::int64_t j) const { return data.at(static_cast<std::size_t>(i * columns + j)); }
};

Mat times(const Mat& a, const Mat& b) {
  Mat c(a.rows, b.columns);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t k = 0; k < a.columns; ++k) {
      for (std::int64_t j = 0; j < b.columns; ++j) c(i, j) += a(i, k) * b(k, j);
    }
  }
  return c;
}

Mat transposed(const Mat& a) {
  Mat t(a.columns, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.columns; ++j) t(j, i) = a(i, j);
  }
  return t;
}

Mat symmetric_part(const Mat& a) {
  Mat s = transposed(a);
  for (std::size_t i = 0; i < s.data.size(); ++i) s.data[i] = (s.data[i] + a.data[i]) / 2;
  return s;
}

/// a^-1 b by Gauss and Jordan; the matrices of the rows have large diagonals, so that no pivoting is needed.
Mat solved(Mat a, Mat b) {
  for (std::int64_t k = 0; k < a.rows; ++k) {
    for (std::int64_t i = 0; i < a.rows; ++i) {
      if (i == k) continue;
      const double factor = a(i, k) / a(k, k);
      for (std::int64_t j = 0; j < a.columns; ++j) a(i, j) -= factor * a(k, j);
      for (std::int64_t j = 0; j < b.columns; ++j) b(i, j) -= factor * b(k, j);
    }
  }
  for (std::int64_t i = 0; i < b.rows; ++i) {
    for (std::int64_t j = 0; j < b.columns; ++j) b(i, j) /= a(i, i);
  }
  return b;
}

Mat identity(std::int64_t n) {
  Mat result(n, n);
  for (std::int64_t i = 0; i < n; ++i) result(i, i) = 1;
  return result;
}

/// Along the first row.
double determinant(const Mat& a) {
  if (a.rows == 0) return 1;
  double sum = 0;
  for (std::int64_t k = 0; k < a.columns; ++k) {
    Mat minor(a.rows - 1, a.columns - 1);
    for (std::int64_t i = 1; i < a.rows; ++i) {
      for (std::int64_t j = 0; j < a.columns; ++j) {
        if (j != k) minor(i - 1, j - (j > k)) = a(i, j);
      }
    }
    sum += (k % 2 == 0 ? 1 : -1) * a(0, k) * determinant(minor);
  }
  return sum;
}

Mat cholesky_of(const Mat& a) {
  Mat l(a.rows, a.rows);
  for (std::int64_t j = 0; j < a.rows; ++j) {
    for (std::int64_t i = j; i < a.rows; ++i) {
      double rest = (a(i, j) + a(j, i)) / 2;
      for (std::int64_t k = 0; k < j; ++k) rest -= l(i, k) * l(j, k);
      l(i, j) = i == j ? std::sqrt(rest) : rest / l(j, j);
    }
  }
  return l;
}

/// By Gram and Schmidt, each column twice: q, then r.
std::pair<Mat, Mat> qr_of(const Mat& a) {
  const std::int64_t k = std::min(a.rows, a.columns);
  Mat q(a.rows, k);
  for (std::int64_t j = 0; j < k; ++j) {
    for (std::int64_t i = 0; i < a.rows; ++i) q(i, j) = a(i, j);
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t p = 0; p < j; ++p) {
        double along = 0;
        for (std::int64_t i = 0; i < a.rows; ++i) along += q(i, p) * q(i, j);
        for (std::int64_t i = 0; i < a.rows; ++i) q(i, j) -= along * q(i, p);
      }
    }
    double size = 0;
    for (std::int64_t i = 0; i < a.rows; ++i) size += q(i, j) * q(i, j);
    for (std::int64_t i = 0; i < a.rows; ++i) q(i, j) /= std::sqrt(size);
  }
  return {q, times(transposed(q), a)};
}

void make_largest_positive(Mat& columns) {
  for (std::int64_t j = 0; j < columns.columns; ++j) {
    double largest = 0;
    for (std::int64_t i = 0; i < columns.rows; ++i) {
      if (std::abs(columns(i, j)) > std::abs(largest)) largest = columns(i, j);
    }
    for (std::int64_t i = 0; i < columns.rows; ++i) columns(i, j) *= largest < 0 ? -1 : 1;
  }
}

/// Eigenvalues in ascending order, and eigenvectors, by Jacobi's rotations. The matrices of the rows have diagonals so
/// far apart that the order is theirs.
std::pair<Values, Mat> eigen_of(Mat a) {
  Mat v = identity(a.rows);
  for (int sweep = 0; sweep < 20; ++sweep) {
    for (std::int64_t p = 0; p < a.rows; ++p) {
      for (std::int64_t q = p + 1; q < a.rows; ++q) {
        const double angle = 0.5 * std::atan2(2 * a(p, q), a(q, q) - a(p, p));
        Mat rotation = identity(a.rows);
        rotation(p, p) = rotation(q, q) = std::cos(angle);
        rotation(p, q) = std::sin(angle);
        rotation(q, p) = -std::sin(angle);
        a = times(times(transposed(rotation), a), rotation);
        v = times(v, rotation);
      }
    }
  }
  make_largest_positive(v);
  Values w;
  for (std::int64_t i = 0; i < a.rows; ++i) w.push_back(a(i, i));
  return {w, v};
}

struct SvdParts {
  Mat u;
  Values s;
  Mat vt;
};

/// From the eigenvectors of the smaller one of x^T x and x x^T.
SvdParts svd_of(const Mat& x) {
  if (x.rows < x.columns) {
    const SvdParts turned = svd_of(transposed(x));
    Mat u = transposed(turned.vt);
    Mat signs = u;
    make_largest_positive(signs);
    Mat vt = transposed(turned.u);
    for (std::int64_t k = 0; k < u.columns; ++k) {
      const double sign = u(0, k) == signs(0, k) ? 1 : -1;
      for (std::int64_t j = 0; j < vt.columns; ++j) vt(k, j) *= sign;
    }
    return {signs, turned.s, vt};
  }
  const auto [squares, v] = eigen_of(times(transposed(x), x));
  const std::int64_t n = x.columns;
  Mat u(x.rows, n);
  Values s;
  for (std::int64_t k = 0; k < n; ++k) {
    s.push_back(std::sqrt(squares[static_cast<std::size_t>(n - 1 - k)]));
    for (std::int64_t i = 0; i < x.rows; ++i) {
      for (std::int64_t j = 0; j < n; ++j) u(i, k) += x(i, j) * v(j, n - 1 - k) / s.back();
    }
  }
  make_largest_positive(u);
  Mat vt = times(transposed(u), x);
  for (std::int64_t k = 0; k < n; ++k) {
    for (std::int64_t j = 0; j < n; ++j) vt(k, j) /= s[static_cast<std::size_t>(k)];
  }
  return {u, s, vt};
}

/// Matrix `i` of a batch.
Mat matrix_of(const Array& x, std::int64_t i) {
  const int rank = x.shape.rank();
  Mat result(x.shape[rank - 2], x.shape[rank - 1]);
  const auto size = static_cast<std::ptrdiff_t>(result.data.size());
  result.data.assign(x.data.begin() + i * size, x.data.begin() + (i + 1) * size);
  return result;
}

/// `f(i)`, a list of numbers, for each matrix of x, as axes `tail` behind x's leading ones.
template <class F>
Array for_each_matrix(const Array& x, const std::vector<std::int64_t>& tail, F f) {
  std::vector<std::int64_t> sizes(x.shape.begin(), x.shape.end() - 2);
  const std::int64_t count = Shape(sizes).numel();
  sizes.insert(sizes.end(), tail.begin(), tail.end());
  Array result{Shape(sizes), {}};
  for (std::int64_t i = 0; i < count; ++i) {
    const Values values = f(i);
    result.data.insert(result.data.end(), values.begin(), values.end());
  }
  return result;
}

/// Square or not, well-conditioned, with singular values, and eigenvalues of the symmetric part, that lie apart; that
/// is positive definite.
Input matrix(const Shape& shape) { return {.shape = shape, .low = -0.5, .high = 0.5, .diagonal = 2}; }

OpCase linear_algebra(const char* name, const char* title, std::vector<Input> inputs, Tensor (*f)(In),
                      Array (*reference)(From), std::vector<Shape> big = {}, std::vector<Shape> empty = {}) {
  return {.name = name,
          .variant = title,
          .inputs = std::move(inputs),
          .f = f,
          .reference = reference,
          .big = std::move(big),
          .empty = std::move(empty),
          .float32_tolerance = 1e-4};
}

void add_contractions(Table& t) {
  t.push_back(linear_algebra(
      "dot", "", {real({5}), real({5})}, [](In in) { return dot(in[0], in[1]); },
      [](From in) { return number(std::inner_product(in[0].data.begin(), in[0].data.end(), in[1].data.begin(), 0.0)); },
      {{3000}, {3000}}, {{0}, {0}}));
  t.push_back(linear_algebra(
      "outer", "", {real({3}), real({4})}, [](In in) { return outer(in[0], in[1]); },
      [](From in) {
        return make({3, 4}, [&](const Index& i) { return in[0]({i[0]}) * in[1]({i[1]}); });
      },
      {{300}, {400}}, {{0}, {4}}));
  t.push_back(linear_algebra(
      "trace", "", {real({2, 3, 4})}, [](In in) { return trace(in[0]); },
      [](From in) {
        return make({2}, [&](const Index& i) {
          return in[0]({i[0], 0, 0}) + in[0]({i[0], 1, 1}) + in[0]({i[0], 2, 2});
        });
      },
      {{300, 20, 20}}, {{2, 0, 3}}));
  t.push_back(linear_algebra(
      "einsum", "matrix product", {real({3, 4}), real({4, 2})}, [](In in) { return einsum("ij,jk->ik", in); },
      [](From in) { return product(in[0], in[1]); }, {{200, 300}, {300, 150}}, {{3, 0}, {0, 2}}));
  t.push_back(linear_algebra(
      "einsum", "implied output, turned factors", {real({4, 3}), real({2, 4})},
      [](In in) { return einsum("cb, ac", in); }, [](From in) { return product(in[1], in[0]); },
      {{300, 200}, {100, 300}}, {{0, 3}, {2, 0}}));
  t.push_back(linear_algebra(
      "einsum", "leading axes that broadcast", {real({2, 1, 3, 4}), real({5, 2, 4})},
      [](In in) { return einsum("...ij,...kj->k...i", in); },
      [](From in) {
        return make({2, 2, 5, 3}, [&](const Index& i) {
          double sum = 0;
          for (std::int64_t j = 0; j < 4; ++j) sum += in[0]({i[1], 0, i[3], j}) * in[1]({i[2], i[0], j});
          return sum;
        });
      }));
  t.push_back(linear_algebra(
      "einsum", "diagonal of a sum", {real({3, 2, 3, 4})},
      [](In in) { return einsum("iaib->ba", in).index({Slice()}); },
      [](From in) {
        return make({4, 2}, [&](const Index& i) {
          return in[0]({0, i[1], 0, i[0]}) + in[0]({1, i[1], 1, i[0]}) + in[0]({2, i[1], 2, i[0]});
        });
      }));
  t.push_back(linear_algebra(
      "einsum", "diagonal kept", {real({3, 3, 2}), real({3})}, [](In in) { return einsum("iij,i->ij", in); },
      [](From in) {
        return make({3, 2}, [&](const Index& i) { return in[0]({i[0], i[0], i[1]}) * in[1]({i[0]}); });
      }));
  t.push_back(linear_algebra(
      "einsum", "three factors", {real({2, 3}), real({3, 4, 2}), real({4, 5})},
      [](In in) { return einsum("ab,bca,cd->da", in); },
      [](From in) {
        return make({5, 2}, [&](const Index& i) {
          double sum = 0;
          for (std::int64_t b = 0; b < 3; ++b) {
            for (std::int64_t c = 0; c < 4; ++c) sum += in[0]({i[1], b}) * in[1]({b, c, i[1]}) * in[2]({c, i[0]});
          }
          return sum;
        });
      },
      {{20, 30}, {30, 40, 20}, {40, 50}}, {{2, 0}, {0, 4, 2}, {4, 5}}));
  t.push_back(linear_algebra(
      "einsum", "scalar and summed alone", {real({}), real({2, 3})}, [](In in) { return einsum(",ij->j", in); },
      [](From in) {
        return make({3}, [&](const Index& i) { return in[0]({}) * (in[1]({0, i[0]}) + in[1]({1, i[0]})); });
      }));
}

void add_linear_systems(Table& t) {
  t.push_back(linear_algebra(
      "inverse", "", {matrix({2, 3, 3})}, [](In in) { return inverse(in[0]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 3}, [&](auto i) { return solved(matrix_of(in[0], i), identity(3)).data; });
      },
      {{300, 6, 6}}, {{0, 3, 3}}));
  t.push_back(linear_algebra(
      "solve", "matrices", {matrix({2, 3, 3}), real({2, 3, 2})}, [](In in) { return solve(in[0], in[1]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 2},
                               [&](auto i) { return solved(matrix_of(in[0], i), matrix_of(in[1], i)).data; });
      },
      {{300, 6, 6}, {300, 6, 3}}, {{2, 3, 3}, {2, 3, 0}}));
  t.push_back(linear_algebra(
      "solve", "one vector", {matrix({2, 3, 3}), real({3})}, [](In in) { return solve(in[0], in[1]); },
      [](From in) {
        const Array column = reshaped(in[1], {3, 1});
        return for_each_matrix(in[0], {3},
                               [&](auto i) { return solved(matrix_of(in[0], i), matrix_of(column, 0)).data; });
      },
      {}, {{0, 0}, {0}}));
  t.push_back(linear_algebra(
      "triangular_solve", "lower", {matrix({2, 3, 3}), real({3, 2})},
      [](In in) { return triangular_solve(in[0], in[1]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 2}, [&](auto i) {
          Mat a = matrix_of(in[0], i);
          a(0, 1) = a(0, 2) = a(1, 2) = 0;
          return solved(a, matrix_of(in[1], 0)).data;
        });
      },
      {{300, 6, 6}, {6, 3}}, {{0, 3, 3}, {3, 2}}));
  t.push_back(linear_algebra(
      "triangular_solve", "upper", {matrix({3, 3}), real({2, 3, 2})},
      [](In in) { return triangular_solve(in[0], in[1], {.upper = true}); },
      [](From in) {
        return for_each_matrix(in[1], {3, 2}, [&](auto i) {
          Mat a = matrix_of(in[0], 0);
          a(1, 0) = a(2, 0) = a(2, 1) = 0;
          return solved(a, matrix_of(in[1], i)).data;
        });
      }));
  t.push_back(linear_algebra(
      "triangular_solve", "lower transposed, ones on the diagonal", {matrix({3, 3}), real({3})},
      [](In in) { return triangular_solve(in[0], in[1], {.transpose = true, .unit_diagonal = true}); },
      [](From in) {
        Mat a = matrix_of(in[0], 0);
        a(0, 1) = a(0, 2) = a(1, 2) = 0;
        a(0, 0) = a(1, 1) = a(2, 2) = 1;
        return Array{{3}, solved(transposed(a), matrix_of(reshaped(in[1], {3, 1}), 0)).data};
      }));
  t.push_back(linear_algebra(
      "triangular_solve", "upper transposed", {matrix({3, 3}), real({3, 2})},
      [](In in) { return triangular_solve(in[0], in[1], {.upper = true, .transpose = true}); },
      [](From in) {
        Mat a = matrix_of(in[0], 0);
        a(1, 0) = a(2, 0) = a(2, 1) = 0;
        return Array{{3, 2}, solved(transposed(a), matrix_of(in[1], 0)).data};
      }));
  t.push_back(linear_algebra(
      "cholesky", "", {matrix({2, 3, 3})}, [](In in) { return cholesky(in[0]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 3}, [&](auto i) { return cholesky_of(matrix_of(in[0], i)).data; });
      },
      {{300, 6, 6}}, {{2, 0, 0}}));
  t.push_back(linear_algebra(
      "det", "", {matrix({2, 3, 3})}, [](In in) { return det(in[0]); },
      [](From in) {
        return for_each_matrix(in[0], {}, [&](auto i) { return Values{determinant(matrix_of(in[0], i))}; });
      },
      {{300, 4, 4}}, {{0, 3, 3}}));
  t.push_back(linear_algebra(
      "logdet", "of negative determinants", {matrix({2, 3, 3})}, [](In in) { return logdet(-in[0]); },
      [](From in) {
        return for_each_matrix(in[0], {}, [&](auto i) { return Values{std::log(determinant(matrix_of(in[0], i)))}; });
      }));
  t.back().error_prefix = "-";
  t.push_back(linear_algebra(
      "logdet", "", {matrix({3, 3})}, [](In in) { return logdet(in[0]); },
      [](From in) { return number(std::log(determinant(matrix_of(in[0], 0)))); }, {{300, 6, 6}}, {{2, 0, 0}}));
  t.push_back(linear_algebra(
      "lstsq", "more rows", {matrix({2, 4, 3}), real({4, 2})}, [](In in) { return lstsq(in[0], in[1]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 2}, [&](auto i) {
          const Mat a = matrix_of(in[0], i);
          return solved(times(transposed(a), a), times(transposed(a), matrix_of(in[1], 0))).data;
        });
      },
      {{300, 6, 5}, {6, 3}}, {{0, 4, 3}, {4, 2}}));
  t.push_back(linear_algebra(
      "lstsq", "more columns", {matrix({2, 3, 4}), real({3})}, [](In in) { return lstsq(in[0], in[1]); },
      [](From in) {
        return for_each_matrix(in[0], {4}, [&](auto i) {
          const Mat a = matrix_of(in[0], i);
          const Mat b = matrix_of(reshaped(in[1], {3, 1}), 0);
          return times(transposed(a), solved(times(a, transposed(a)), b)).data;
        });
      }));
}

template <Tensor QrResult::*part>
Tensor qr_part(In in) {
  return qr(in[0]).*part;
}
template <Tensor EighResult::*part>
Tensor eigh_part(In in) {
  return eigh(in[0]).*part;
}
template <Tensor SvdResult::*part>
Tensor svd_part(In in) {
  return svd(in[0]).*part;
}
template <MatrixNorm kind>
Tensor norm_of(In in) {
  return matrix_norm(in[0], kind);
}

void add_factorisations(Table& t) {
  t.push_back(linear_algebra(
      "qr", "q", {matrix({2, 4, 3})}, qr_part<&QrResult::q>,
      [](From in) {
        return for_each_matrix(in[0], {4, 3}, [&](auto i) { return qr_of(matrix_of(in[0], i)).first.data; });
      },
      {{300, 6, 5}}, {{2, 3, 0}}));
  t.push_back(linear_algebra(
      "qr", "r", {matrix({2, 4, 3})}, qr_part<&QrResult::r>,
      [](From in) {
        return for_each_matrix(in[0], {3, 3}, [&](auto i) { return qr_of(matrix_of(in[0], i)).second.data; });
      },
      {{300, 6, 5}}, {{0, 4, 3}}));
  t.push_back(linear_algebra(
      "qr", "r of a square", {matrix({3, 3})},
      [](In in) {
        const auto [q, r] = qr(in[0]);
        return r + q * 0.5;
      },
      [](From in) {
        const auto [q, r] = qr_of(matrix_of(in[0], 0));
        return make({3, 3}, [&q = q, &r = r](const Index& i) { return r(i[0], i[1]) + q(i[0], i[1]) / 2; });
      }));
  t.push_back(linear_algebra(
      "qr", "more columns", {matrix({2, 2, 4})}, qr_part<&QrResult::r>,
      [](From in) {
        return for_each_matrix(in[0], {2, 4}, [&](auto i) { return qr_of(matrix_of(in[0], i)).second.data; });
      },
      {}, {{2, 0, 4}}));
  t.push_back(linear_algebra("eigh", "values", {matrix({2, 3, 3})}, eigh_part<&EighResult::w>,
                             [](From in) {
                               return for_each_matrix(in[0], {3}, [&](auto i) {
                                 return eigen_of(symmetric_part(matrix_of(in[0], i))).first;
                               });
                             },
                             {{300, 5, 5}}, {{0, 3, 3}}));
  t.push_back(linear_algebra("eigh", "vectors", {matrix({2, 3, 3})}, eigh_part<&EighResult::v>,
                             [](From in) {
                               return for_each_matrix(in[0], {3, 3}, [&](auto i) {
                                 return eigen_of(symmetric_part(matrix_of(in[0], i))).second.data;
                               });
                             },
                             {{300, 5, 5}}, {{2, 0, 0}}));
  t.push_back(linear_algebra(
      "svd", "u", {matrix({2, 4, 3})}, svd_part<&SvdResult::u>,
      [](From in) {
        return for_each_matrix(in[0], {4, 3}, [&](auto i) { return svd_of(matrix_of(in[0], i)).u.data; });
      },
      {{300, 5, 4}}, {{2, 3, 0}}));
  t.push_back(linear_algebra(
      "svd", "s", {matrix({2, 4, 3})}, svd_part<&SvdResult::s>,
      [](From in) { return for_each_matrix(in[0], {3}, [&](auto i) { return svd_of(matrix_of(in[0], i)).s; }); },
      {{300, 5, 4}}, {{0, 4, 3}}));
  t.push_back(linear_algebra("svd", "vt", {matrix({2, 4, 3})}, svd_part<&SvdResult::vt>, [](From in) {
    return for_each_matrix(in[0], {3, 3}, [&](auto i) { return svd_of(matrix_of(in[0], i)).vt.data; });
  }));
  t.push_back(linear_algebra(
      "svd", "vt, more columns", {matrix({2, 3, 4})}, svd_part<&SvdResult::vt>,
      [](From in) {
        return for_each_matrix(in[0], {3, 4}, [&](auto i) { return svd_of(matrix_of(in[0], i)).vt.data; });
      },
      {{300, 4, 5}}, {{2, 0, 3}}));
  t.push_back(linear_algebra("matrix_norm", "frobenius", {real({2, 3, 4})}, norm_of<MatrixNorm::frobenius>,
                             [](From in) {
                               return reduce(in[0], {1, 2}, [](const Values& v) {
                                 return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
                               });
                             },
                             {{300, 20, 20}}, {{0, 3, 4}}));
  t.push_back(linear_algebra("matrix_norm", "one", {nonzero({2, 3, 4})}, norm_of<MatrixNorm::one>,
                             [](From in) {
                               Array sizes = in[0];
                               for (double& x : sizes.data) x = std::abs(x);
                               return reduce(reduce(sizes, {1}, sum_of), {1}, max_of);
                             },
                             {{300, 20, 20}}));
  t.push_back(
      linear_algebra("matrix_norm", "infinity", {nonzero({2, 3, 4})}, norm_of<MatrixNorm::infinity>, [](From in) {
        Array sizes = in[0];
        for (double& x : sizes.data) x = std::abs(x);
        return reduce(reduce(sizes, {2}, sum_of), {1}, max_of);
      }));
  t.push_back(
      linear_algebra("matrix_norm", "spectral", {matrix({2, 4, 3})}, norm_of<MatrixNorm::spectral>, [](From in) {
        return for_each_matrix(in[0], {}, [&](auto i) { return Values{svd_of(matrix_of(in[0], i)).s[0]}; });
      }));
  t.push_back(linear_algebra("matrix_norm", "nuclear", {matrix({2, 3, 4})}, norm_of<MatrixNorm::nuclear>, [](From in) {
    return for_each_matrix(in[0], {}, [&](auto i) { return Values{sum_of(svd_of(matrix_of(in[0], i)).s)}; });
  }));
}

/// How a window slides over an image.
struct Window {
  Size2d kernel;
  Size2d stride = 1;
  Size2d before = 0;  // padding
  Size2d after = 0;
  Size2d dilation = 1;

  std::int64_t rows(std::int64_t height) const {
    return (height + before.rows + after.rows - dilation.rows * (kernel.rows - 1) - 1) / stride.rows + 1;
  }
  std::int64_t columns(std::int64_t width) const {
    return (width + before.columns + after.columns - dilation.columns * (kernel.columns - 1) - 1) / stride.columns + 1;
  }

  /// Calls `f(ky, kx, y, x)` for the places that the window at (row, column) of the result covers inside the image.
  template <class F>
  void visit(const Shape& image, std::int64_t row, std::int64_t column, F f) const {
    const int rank = image.rank();
    for (std::int64_t ky = 0; ky < kernel.rows; ++ky) {
      for (std::int64_t kx = 0; kx < kernel.columns; ++kx) {
        const std::int64_t y = row * stride.rows - before.rows + ky * dilation.rows;
        const std::int64_t x = column * stride.columns - before.columns + kx * dilation.columns;
        if (y >= 0 && y < image[rank - 2] && x >= 0 && x < image[rank - 1]) f(ky, kx, y, x);
      }
    }
  }
};

Array correlation(const Array& x, const Array& kernel, Window window) {
  const std::int64_t channels = x.shape[1];
  return make({x.shape[0], kernel.shape[0], window.rows(x.shape[2]), window.columns(x.shape[3])}, [&](const Index& i) {
    double sum = 0;
    window.visit(x.shape, i[2], i[3], [&](auto ky, auto kx, auto row, auto column) {
      for (std::int64_t c = 0; c < channels; ++c) sum += x({i[0], c, row, column}) * kernel({i[1], c, ky, kx});
    });
    return sum;
  });
}

Array flipped(const Array& kernel) {
  return make(kernel.shape, [&](const Index& i) {
    return kernel({i[0], i[1], kernel.shape[2] - 1 - i[2], kernel.shape[3] - 1 - i[3]});
  });
}

Array image_correlation(const Array& x, const Array& kernel, const Window& window) {
  const auto batch = [](const Array& image) { return reshaped(image, {1, 1, image.shape[0], image.shape[1]}); };
  Array result = correlation(batch(x), batch(kernel), window);
  return reshaped(result, {result.shape[2], result.shape[3]});
}

Array with_bias(Array x, const Array& bias) {
  return make(x.shape, [&](const Index& i) { return x(i) + bias({i[1]}); });
}

/// The gradients of `correlation`, by its definition: each product it sums up gives each factor the other, times g.
Array input_gradient(const Array& g, const Array& kernel, const Shape& x_shape, const Window& window) {
  Array result = make(x_shape, [](const Index&) { return 0; });
  make(g.shape, [&](const Index& i) {
    window.visit(x_shape, i[2], i[3], [&](auto ky, auto kx, auto row, auto column) {
      for (std::int64_t c = 0; c < x_shape[1]; ++c) {
        result.at({i[0], c, row, column}) += g(i) * kernel({i[1], c, ky, kx});
      }
    });
    return 0;
  });
  return result;
}

Array kernel_gradient(const Array& x, const Array& g, const Shape& kernel_shape, const Window& window) {
  Array result = make(kernel_shape, [](const Index&) { return 0; });
  make(g.shape, [&](const Index& i) {
    window.visit(x.shape, i[2], i[3], [&](auto ky, auto kx, auto row, auto column) {
      for (std::int64_t c = 0; c < kernel_shape[1]; ++c) {
        result.at({i[1], c, ky, kx}) += g(i) * x({i[0], c, row, column});
      }
    });
    return 0;
  });
  return result;
}

void add_convolutions(Table& t) {
  t.push_back({.name = "correlate2d",
               .inputs = {real({2, 2, 4, 5}), real({3, 2, 3, 2}), real({3})},
               .f = [](In in) { return correlate2d(in[0], in[1], {}, in[2]); },
               .reference =
                   [](From in) {
                     return with_bias(correlation(in[0], in[1], {.kernel = {3, 2}}), in[2]);
                   },
               .big = {{8, 3, 20, 20}, {16, 3, 3, 3}, {16}},
               .empty = {{0, 2, 4, 5}, {3, 2, 3, 2}, {3}},
               .last_is_optional = true});
  t.push_back({.name = "correlate2d",
               .variant = "strided, padded, dilated",
               .inputs = {real({2, 2, 6, 7}), real({2, 2, 3, 2})},
               .f =
                   [](In in) {
                     return correlate2d(in[0], in[1], {.stride = {2, 1}, .padding = Padding(1, 2), .dilation = {1, 2}});
                   },
               .reference =
                   [](From in) {
                     return correlation(
                         in[0], in[1],
                         {.kernel = {3, 2}, .stride = {2, 1}, .before = {1, 2}, .after = {1, 2}, .dilation = {1, 2}});
                   },
               .big = {{8, 3, 20, 20}, {16, 3, 3, 3}}});
  t.push_back(
      {.name = "correlate2d",
       .variant = "stride 2, same",
       .inputs = {real({1, 1, 5, 6}), real({2, 1, 3, 3})},
       .f = [](In in) { return correlate2d(in[0], in[1], {.stride = 2, .padding = Padding::same}); },
       .reference =
           [](From in) {
             // 5 rows: 3 positions need one row on each side; 6 columns: 3 positions need one after.
             return correlation(in[0], in[1], {.kernel = {3, 3}, .stride = 2, .before = {1, 0}, .after = {1, 1}});
           }});
  t.push_back({.name = "correlate2d",
               .variant = "image, valid",
               .inputs = {real({5, 4}), real({2, 3})},
               .f = [](In in) { return correlate2d(in[0], in[1]); },
               .reference =
                   [](From in) {
                     return image_correlation(in[0], in[1], {.kernel = {2, 3}});
                   }});
  t.push_back({.name = "correlate2d",
               .variant = "image, same",
               .inputs = {real({5, 4}), real({3, 3})},
               .f = [](In in) { return correlate2d(in[0], in[1], {.padding = Padding::same}); },
               .reference =
                   [](From in) {
                     return image_correlation(in[0], in[1], {.kernel = {3, 3}, .before = 1, .after = 1});
                   }});
  t.push_back({.name = "correlate2d",
               .variant = "image, full",
               .inputs = {real({3, 4}), real({2, 3})},
               .f = [](In in) { return correlate2d(in[0], in[1], {.padding = Padding::full}); },
               .reference =
                   [](From in) {
                     return image_correlation(in[0], in[1], {.kernel = {2, 3}, .before = {1, 2}, .after = {1, 2}});
                   }});
  t.push_back({.name = "convolve2d",
               .inputs = {real({2, 2, 4, 5}), real({3, 2, 3, 2}), real({3})},
               .f = [](In in) { return convolve2d(in[0], in[1], {}, in[2]); },
               .reference =
                   [](From in) {
                     return with_bias(correlation(in[0], flipped(in[1]), {.kernel = {3, 2}}), in[2]);
                   },
               .big = {{8, 3, 20, 20}, {16, 3, 3, 3}, {16}},
               .empty = {{0, 2, 4, 5}, {3, 2, 3, 2}, {3}},
               .last_is_optional = true});
  t.push_back({.name = "convolve2d",
               .variant = "image, full",
               .inputs = {real({3, 4}), real({2, 3})},
               .f = [](In in) { return convolve2d(in[0], in[1], {.padding = Padding::full}); },
               .reference =
                   [](From in) {
                     const Array kernel = flipped(reshaped(in[1], {1, 1, 2, 3}));
                     return image_correlation(in[0], reshaped(kernel, {2, 3}),
                                              {.kernel = {2, 3}, .before = {1, 2}, .after = {1, 2}});
                   }});
  t.push_back({.name = "correlate2d_input_gradient",
               .inputs = {real({2, 3, 2, 3}), real({3, 2, 3, 2})},
               .f =
                   [](In in) {
                     return correlate2d_input_gradient(in[0], in[1], {2, 2, 6, 4}, {.stride = {2, 1}});
                   },
               .reference =
                   [](From in) {
                     // The last row of the image is out of reach of the strides.
                     return input_gradient(in[0], in[1], {2, 2, 6, 4}, {.kernel = {3, 2}, .stride = {2, 1}});
                   }});
  t.push_back({.name = "correlate2d_input_gradient",
               .variant = "of any size, padded, dilated",
               .inputs = {real({2, 3, 2, 3}), real({3, 2, 3, 3})},
               .f =
                   [](In in) {
                     const Shape x{in[0].dim(0), in[1].dim(1), in[0].dim(2) + 2, in[0].dim(3) + 2};
                     return correlate2d_input_gradient(in[0], in[1], x, {.padding = 1, .dilation = 2});
                   },
               .reference =
                   [](From in) {
                     return input_gradient(in[0], in[1], {2, 2, 4, 5},
                                           {.kernel = {3, 3}, .before = 1, .after = 1, .dilation = 2});
                   },
               .big = {{8, 16, 18, 18}, {16, 3, 3, 3}},
               .empty = {{0, 3, 2, 3}, {3, 2, 3, 3}},
               .error_prefix = "-"});
  t.push_back({.name = "correlate2d_kernel_gradient",
               .inputs = {real({2, 2, 6, 4}), real({2, 3, 2, 3})},
               .f =
                   [](In in) {
                     return correlate2d_kernel_gradient(in[0], in[1], {3, 2, 3, 2}, {.stride = {2, 1}});
                   },
               .reference =
                   [](From in) {
                     return kernel_gradient(in[0], in[1], {3, 2, 3, 2}, {.kernel = {3, 2}, .stride = {2, 1}});
                   }});
  t.push_back({.name = "correlate2d_kernel_gradient",
               .variant = "of any size, padded, dilated",
               .inputs = {real({2, 2, 4, 5}), real({2, 3, 2, 3})},
               .f =
                   [](In in) {
                     const Shape kernel{in[1].dim(1), in[0].dim(1), 3, 3};
                     return correlate2d_kernel_gradient(in[0], in[1], kernel, {.padding = 1, .dilation = 2});
                   },
               .reference =
                   [](From in) {
                     return kernel_gradient(in[0], in[1], {3, 2, 3, 3},
                                            {.kernel = {3, 3}, .before = 1, .after = 1, .dilation = 2});
                   },
               .big = {{8, 3, 20, 20}, {8, 16, 18, 18}},
               .empty = {{0, 2, 4, 5}, {0, 3, 2, 3}},
               .error_prefix = "-",
               .float32_tolerance = 3e-5});
}

/// `f(values, window's size)` of each window of a batch of images.
template <class F>
Array pooled(const Array& x, const Window& window, F f) {
  return make({x.shape[0], x.shape[1], window.rows(x.shape[2]), window.columns(x.shape[3])}, [&](const Index& i) {
    Values values;
    window.visit(x.shape, i[2], i[3], [&](auto, auto, auto row, auto column) {
      values.push_back(x({i[0], i[1], row, column}));
    });
    return f(values, static_cast<double>(window.kernel.rows * window.kernel.columns));
  });
}

void add_pooling(Table& t) {
  t.push_back({.name = "maxpool2d",
               .inputs = {separated({2, 2, 4, 6})},
               .f =
                   [](In in) {
                     return maxpool2d(in[0], {2, 3});
                   },
               .reference =
                   [](From in) {
                     return pooled(in[0], {.kernel = {2, 3}, .stride = {2, 3}},
                                   [](const Values& v, double) { return max_of(v); });
                   },
               .big = {{8, 16, 24, 30}},
               .empty = {{0, 2, 4, 6}}});
  t.push_back({.name = "maxpool2d",
               .variant = "overlapping, padded",
               .inputs = {separated({1, 2, 5, 5})},
               .f =
                   [](In in) {
                     return maxpool2d(in[0] - 10, {3, 3}, {.stride = 2, .padding = 1});
                   },
               .reference =
                   [](From in) {
                     return pooled(in[0], {.kernel = {3, 3}, .stride = 2, .before = 1, .after = 1},
                                   [](const Values& v, double) { return max_of(v) - 10; });
                   },
               .big = {{8, 16, 24, 30}},
               .error_prefix = "-"});
  t.push_back({.name = "maxpool2d",
               .variant = "image",
               .inputs = {separated({4, 4})},
               .f = [](In in) { return maxpool2d(in[0], 2); },
               .reference =
                   [](From in) {
                     return reshaped(pooled(reshaped(in[0], {1, 1, 4, 4}), {.kernel = 2, .stride = 2},
                                            [](const Values& v, double) { return max_of(v); }),
                                     {2, 2});
                   }});
  t.push_back({.name = "avgpool2d",
               .inputs = {real({2, 2, 4, 6})},
               .f =
                   [](In in) {
                     return avgpool2d(in[0], {2, 3});
                   },
               .reference =
                   [](From in) {
                     return pooled(in[0], {.kernel = {2, 3}, .stride = {2, 3}},
                                   [](const Values& v, double size) { return sum_of(v) / size; });
                   },
               .big = {{8, 16, 24, 30}},
               .empty = {{0, 2, 4, 6}}});
  t.push_back({.name = "avgpool2d",
               .variant = "overlapping, padded",
               .inputs = {real({1, 2, 5, 5})},
               .f =
                   [](In in) {
                     return avgpool2d(in[0], {3, 3}, {.stride = 2, .padding = 1});
                   },
               .reference =
                   [](From in) {
                     return pooled(in[0], {.kernel = {3, 3}, .stride = 2, .before = 1, .after = 1},
                                   [](const Values& v, double size) { return sum_of(v) / size; });
                   },
               .big = {{8, 16, 24, 30}}});
}

/// log softmax along the last axis of a matrix.
Array log_softmax_of(const Array& x) {
  const Array normalizer = reduce(x, {1}, logsumexp_of);
  return make(x.shape, [&](const Index& i) { return x(i) - normalizer({i[0]}); });
}

template <class F>
Array mean_over_pairs(const Array& a, const Array& b, F f) {
  double sum = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) sum += f(a.data[i], b.data[i]);
  return number(sum / static_cast<double>(a.data.size()));
}

void add_softmax_and_losses(Table& t) {
  t.push_back({.name = "softmax",
               .inputs = {real({3, 19})},
               .f = [](In in) { return softmax(in[0]); },
               .reference =
                   [](From in) {
                     const Array logs = log_softmax_of(in[0]);
                     return make(logs.shape, [&](const Index& i) { return std::exp(logs(i)); });
                   },
               .big = {{3000, 37}},
               .empty = {{0, 3}}});
  t.push_back(
      {.name = "softmax",
       .variant = "axis 1 of 3",
       .inputs = {real({2, 3, 4})},
       .f = [](In in) { return softmax(in[0], 1); },
       .reference =
           [](From in) {
             const Array normalizer = reduce(in[0], {1}, logsumexp_of);
             return make({2, 3, 4}, [&](const Index& i) { return std::exp(in[0](i) - normalizer({i[0], i[2]})); });
           },
       .big = {{30, 40, 100}}});
  t.push_back({.name = "log_softmax",
               .inputs = {real({3, 19})},
               .f = [](In in) { return log_softmax(in[0]); },
               .reference = [](From in) { return log_softmax_of(in[0]); },
               .big = {{3000, 37}},
               .empty = {{0, 3}}});
  t.push_back({.name = "log_softmax",
               .variant = "axis 0",
               .inputs = {real({4, 3})},
               .f = [](In in) { return log_softmax(in[0], 0); },
               .reference =
                   [](From in) {
                     const Array normalizer = reduce(in[0], {0}, logsumexp_of);
                     return make({4, 3}, [&](const Index& i) { return in[0](i) - normalizer({i[1]}); });
                   },
               .big = {{37, 3000}}});
  t.push_back({.name = "cross_entropy",
               .variant = "labels",
               .inputs = {real({5, 4}), index_below(4, {5})},
               .f = [](In in) { return cross_entropy(in[0], in[1]); },
               .reference =
                   [](From in) {
                     const Array logs = log_softmax_of(in[0]);
                     double sum = 0;
                     for (std::int64_t i = 0; i < 5; ++i) sum -= logs({i, static_cast<std::int64_t>(in[1]({i}))});
                     return number(sum / 5);
                   },
               .big = {{3000, 37}, {3000}}});
  t.push_back({.name = "cross_entropy",
               .variant = "probabilities",
               .inputs = {real({5, 19}), probability({5, 19})},
               .f = [](In in) { return cross_entropy(in[0], in[1]); },
               .reference =
                   [](From in) {
                     const Array logs = log_softmax_of(in[0]);
                     double sum = 0;
                     for (std::size_t i = 0; i < logs.data.size(); ++i) sum -= logs.data[i] * in[1].data[i];
                     return number(sum / 5);
                   },
               .big = {{3000, 37}, {3000, 37}}});
  t.push_back({.name = "binary_cross_entropy",
               .inputs = {probability({3, 4}), probability({3, 4})},
               .binary = binary_cross_entropy,
               .reference =
                   [](From in) {
                     return mean_over_pairs(in[0], in[1], [](double p, double target) {
                       return -(target * std::log(p) + (1 - target) * std::log(1 - p));
                     });
                   },
               .big = {{300, 400}, {300, 400}}});
  t.push_back({.name = "binary_cross_entropy_with_logits",
               .inputs = {real({3, 4}), probability({3, 4})},
               .binary = binary_cross_entropy_with_logits,
               .reference =
                   [](From in) {
                     return mean_over_pairs(in[0], in[1], [](double x, double target) {
                       const double p = sigmoid_of(x);
                       return -(target * std::log(p) + (1 - target) * std::log(1 - p));
                     });
                   },
               .big = {{300, 400}, {300, 400}}});
  t.push_back(
      {.name = "mse_loss",
       .inputs = {real({3, 4}), real({3, 4})},
       .binary = mse_loss,
       .reference =
           [](From in) { return mean_over_pairs(in[0], in[1], [](double x, double y) { return (x - y) * (x - y); }); },
       .big = {{300, 400}, {300, 400}}});
}

double huber_of(double d) { return std::abs(d) <= 0.7 ? d * d / 2 : 0.7 * (std::abs(d) - 0.35); }

void add_composed_losses(Table& t) {
  const auto pair = [&](const char* name, Tensor (*f)(const Tensor&, const Tensor&), Array (*reference)(From),
                        const Input& a, const Input& b) {
    t.push_back({.name = name, .inputs = {a, b}, .binary = f, .reference = reference, .big = {{300, 400}, {300, 400}}});
  };
  pair(
      "l1_loss", l1_loss,
      [](From in) { return mean_over_pairs(in[0], in[1], [](double x, double y) { return std::abs(x - y); }); },
      separated({3, 4}), separated({3, 4}));
  pair(
      "huber_loss", [](const Tensor& x, const Tensor& y) { return huber_loss(x, y, 0.7); },
      [](From in) { return mean_over_pairs(in[0], in[1], [](double x, double y) { return huber_of(x - y); }); },
      real({3, 4}), real({3, 4}));
  pair(
      "smooth_l1_loss", [](const Tensor& x, const Tensor& y) { return smooth_l1_loss(x, y, 0.7); },
      [](From in) { return mean_over_pairs(in[0], in[1], [](double x, double y) { return huber_of(x - y) / 0.7; }); },
      real({3, 4}), real({3, 4}));
  pair(
      "hinge_loss", hinge_loss,
      [](From in) {
        return mean_over_pairs(in[0], in[1], [](double x, double y) { return std::max(0.0, 1 - x * y); });
      },
      real({3, 4}), real({3, 4}));
  pair(
      "kl_div", kl_div,
      [](From in) {
        const Array mean = mean_over_pairs(in[0], in[1], [](double x, double y) { return y * (std::log(y) - x); });
        return number(mean.data[0] * 4);  // elements in a sample
      },
      real({3, 4}), probability({3, 4}));
  t.push_back({.name = "nll_loss",
               .inputs = {real({5, 4}), index_below(4, {5})},
               .binary = nll_loss,
               .reference =
                   [](From in) {
                     double sum = 0;
                     for (std::int64_t i = 0; i < 5; ++i) sum -= in[0]({i, static_cast<std::int64_t>(in[1]({i}))});
                     return number(sum / 5);
                   },
               .big = {{3000, 37}, {3000}}});
  t.push_back({.name = "cross_entropy",
               .variant = "smoothed, weighted, one class ignored",
               .inputs = {real({6, 4}), index_below(4, {6}), positive({4})},
               .f =
                   [](In in) {
                     return cross_entropy(in[0], in[1], {.label_smoothing = 0.2, .weight = in[2], .ignore_index = 1});
                   },
               .reference =
                   [](From in) {
                     const Array logs = log_softmax_of(in[0]);
                     double loss = 0;
                     double weights = 0;
                     for (std::int64_t i = 0; i < 6; ++i) {
                       const auto label = static_cast<std::int64_t>(in[1]({i}));
                       if (label == 1) continue;
                       weights += in[2]({label});
                       for (std::int64_t k = 0; k < 4; ++k) {
                         loss -= (0.05 + (k == label ? 0.8 : 0.0)) * in[2]({k}) * logs({i, k});
                       }
                     }
                     return number(loss / weights);
                   },
               .last_is_optional = true});
  pair(
      "cosine_similarity", [](const Tensor& x, const Tensor& y) { return cosine_similarity(x, y, 1); },
      [](From in) {
        return make({3}, [&](const Index& i) {
          double dot = 0;
          double a = 0;
          double b = 0;
          for (std::int64_t k = 0; k < 4; ++k) {
            dot += in[0]({i[0], k}) * in[1]({i[0], k});
            a += in[0]({i[0], k}) * in[0]({i[0], k});
            b += in[1]({i[0], k}) * in[1]({i[0], k});
          }
          return dot / std::sqrt(a * b);
        });
      },
      real({3, 4}), real({3, 4}));
  t.push_back({.name = "triplet_margin_loss",
               .inputs = {real({5, 3}), real({5, 3}), real({5, 3})},
               .f = [](In in) { return triplet_margin_loss(in[0], in[1], in[2], 1.5); },
               .reference =
                   [](From in) {
                     const auto distance = [&](const Array& x, std::int64_t row) {
                       double sum = 0;
                       for (std::int64_t k = 0; k < 3; ++k) sum += std::pow(in[0]({row, k}) - x({row, k}), 2);
                       return std::sqrt(sum);
                     };
                     double sum = 0;
                     for (std::int64_t i = 0; i < 5; ++i) {
                       sum += std::max(0.0, distance(in[1], i) - distance(in[2], i) + 1.5);
                     }
                     return number(sum / 5);
                   },
               .big = {{3000, 37}, {3000, 37}, {3000, 37}}});
}

void add_random(Table& t) {
  t.push_back({.name = "rand",
               .f =
                   [](In) {
                     Generator generator(7);
                     return rand({300, 400}, float32, generator);
                   },
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "randn",
               .f =
                   [](In) {
                     Generator generator(7);
                     return randn({300, 400}, float32, generator);
                   },
               .gradient = false,
               .error_prefix = "-"});
  t.push_back({.name = "dropout",
               .inputs = {nonzero({4, 5})},
               .f =
                   [](In in) {
                     Generator generator(7);
                     return dropout(in[0], 0.25, true, generator);
                   },
               .big = {{300, 400}},
               .empty = {{0, 3}}});
}

// ---------------------------------------------------------------------------------------------------------------------
// Inputs.

/// FNV-1a, so that every row has numbers of its own, the same on every platform.
std::uint64_t seed_of(const std::string& text) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

/// In [0, 1); the same on every platform.
double uniform(std::mt19937_64& engine) { return static_cast<double>(engine() >> 11) * 0x1p-53; }

Values random_values(const Input& input, std::int64_t count, std::mt19937_64& engine) {
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) {
    value = input.low + (input.high - input.low) * uniform(engine);
    if (input.kind == Input::Kind::condition) value = uniform(engine) < 0.5;
    if (input.kind == Input::Kind::index) value = std::floor(value);
    if (std::abs(value) < input.gap) value += std::copysign(input.gap, value);
  }
  return values;
}

/// `count` evenly spaced values in random order.
Values separated_values(const Input& input, std::int64_t count, std::mt19937_64& engine) {
  Values values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = input.low + (input.high - input.low) * (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    std::swap(values[i], values[static_cast<std::size_t>(uniform(engine) * static_cast<double>(i + 1))]);
  }
  return values;
}

void add_to_diagonals(Values& values, const Shape& shape, double step) {
  const std::int64_t columns = shape[shape.rank() - 1];
  for (std::size_t k = 0; k < values.size(); ++k) {
    const auto i = static_cast<std::int64_t>(k);
    const std::int64_t row = i / columns % shape[shape.rank() - 2];
    if (i % columns == row) values[k] += step * static_cast<double>(row + 1);
  }
}

}  // namespace

std::size_t Array::offset(const Index& index) const {
  std::int64_t result = 0;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const std::int64_t i = index[static_cast<std::size_t>(axis)];
    if (i < 0 || i >= shape[axis]) throw std::out_of_range("reference reads outside " + shape.to_string());
    result = result * shape[axis] + i;
  }
  return static_cast<std::size_t>(result);
}

Tensor OpCase::apply(const Inputs& tensors) const {
  return unary ? unary(tensors.at(0)) : binary ? binary(tensors.at(0), tensors.at(1)) : f(tensors);
}

Array OpCase::expected(const Arrays& arrays) const {
  if (reference) return reference(arrays);
  if (unary_reference) return make(arrays[0].shape, [&](const Index& i) { return unary_reference(arrays[0](i)); });
  const Shape shape = broadcast_shapes("reference", arrays[0].shape, arrays[1].shape);
  return make(shape, [&](const Index& i) {
    return binary_reference(broadcast(arrays[0], i, shape.rank()), broadcast(arrays[1], i, shape.rank()));
  });
}

std::string OpCase::title() const { return variant.empty() ? name : name + ", " + variant; }

const std::vector<OpCase>& op_cases() {
  static const Table table = [] {
    Table rows;
    add_arithmetic(rows);
    add_comparisons(rows);
    add_elementwise(rows);
    add_math(rows);
    add_activations(rows);
    add_reductions(rows);
    add_scans_and_sorts(rows);
    add_shape_ops(rows);
    add_index_ops(rows);
    add_more_shape_ops(rows);
    add_more_index_ops(rows);
    add_products(rows);
    add_contractions(rows);
    add_linear_systems(rows);
    add_factorisations(rows);
    add_convolutions(rows);
    add_pooling(rows);
    add_softmax_and_losses(rows);
    add_composed_losses(rows);
    add_random(rows);
    return rows;
  }();
  return table;
}

Inputs make_inputs(const OpCase& op_case, DType dtype, const std::vector<Shape>& shapes, bool requires_grad) {
  std::mt19937_64 engine(seed_of(op_case.title()));
  const auto shape_of = [&](std::size_t k) { return shapes.empty() ? op_case.inputs[k].shape : shapes.at(k); };
  std::int64_t separated_count = 0;
  Input separated_input;
  for (std::size_t k = 0; k < op_case.inputs.size(); ++k) {
    if (op_case.inputs[k].kind != Input::Kind::separated) continue;
    separated_input = op_case.inputs[k];
    separated_count += shape_of(k).numel();
  }
  const Values all_separated = separated_values(separated_input, separated_count, engine);
  auto next_separated = all_separated.begin();

  Inputs tensors;
  for (std::size_t k = 0; k < op_case.inputs.size(); ++k) {
    const Input& input = op_case.inputs[k];
    const std::int64_t count = shape_of(k).numel();
    Values values;
    if (input.kind == Input::Kind::separated) {
      values.assign(next_separated, next_separated + count);
      next_separated += count;
    } else {
      values = random_values(input, count, engine);
    }
    if (input.diagonal != 0) add_to_diagonals(values, shape_of(k), input.diagonal);
    const Tensor exact = from_vector(values, shape_of(k)).to(float32);
    Tensor tensor = exact.to(input.kind == Input::Kind::index ? DType::int64 : dtype);
    if (requires_grad && input.differentiable()) tensor.requires_grad(true);
    tensors.push_back(tensor);
  }
  return tensors;
}

Array to_array(const Tensor& tensor) {
  const Tensor exact = tensor.to(float64);
  const auto data = exact.data<double>();
  return {exact.shape(), {data.begin(), data.end()}};
}

}  // namespace wengert::test
