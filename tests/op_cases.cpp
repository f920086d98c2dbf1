#include "tests/op_cases.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <stdexcept>

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
    add_reductions(rows);
    add_shape_ops(rows);
    add_index_ops(rows);
    add_products(rows);
    add_convolutions(rows);
    add_pooling(rows);
    add_softmax_and_losses(rows);
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
