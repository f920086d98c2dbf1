#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <tuple>
#include <utility>

#include "tests/draw.h"
#include "tests/op_cases.h"

/// \file
/// What the files with the rows of the table share: building blocks of references, and of rows.

namespace wengert::test {

using In = const Inputs&;
using From = const Arrays&;
using Table = std::vector<OpCase>;

/// The rows of each family of ops, in the file of that name.
/// @{
void add_arithmetic(Table& table);
void add_comparisons(Table& table);
void add_elementwise(Table& table);
void add_math(Table& table);
void add_activations(Table& table);
void add_reductions(Table& table);
void add_scans_and_sorts(Table& table);
void add_shape_ops(Table& table);
void add_more_shape_ops(Table& table);
void add_parts_and_repeats(Table& table);
void add_triangles_and_diagonals(Table& table);
void add_index_ops(Table& table);
void add_more_index_ops(Table& table);
void add_products(Table& table);
void add_contractions(Table& table);
void add_linear_systems(Table& table);
void add_factorisations(Table& table);
void add_convolutions(Table& table);
void add_pooling(Table& table);
void add_normalisation(Table& table);
void add_attention(Table& table);
void add_softmax_and_losses(Table& table);
void add_composed_losses(Table& table);
void add_random(Table& table);
/// @}

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

inline Array number(double value) { return {Shape{}, {value}}; }

/// Where `shape` has what it broadcasts to this position of a shape of this rank.
inline Index broadcast_index(const Shape& shape, const Index& position, int rank) {
  Index own{};
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    own[i] = shape[axis] == 1 ? 0 : position[i + static_cast<std::size_t>(rank - shape.rank())];
  }
  return own;
}

/// Reads `x` at a position of a shape that it broadcasts to.
inline double broadcast(const Array& x, const Index& position, int rank) {
  return x(broadcast_index(x.shape, position, rank));
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

inline Array reshaped(Array x, const Shape& shape) {
  x.shape = shape;
  return x;
}

/// An axis that is counted from either end, from the first one.
inline int from_front(int axis, int rank) { return axis < 0 ? axis + rank : axis; }

/// Whether `axes`, counted from either end, name this one.
inline bool is_among(const std::vector<int>& axes, int axis, int rank) {
  return std::any_of(axes.begin(), axes.end(), [&](int given) { return from_front(given, rank) == axis; });
}

inline std::int64_t& along(Index& position, int axis) { return position[static_cast<std::size_t>(axis)]; }
inline std::int64_t along(const Index& position, int axis) { return position[static_cast<std::size_t>(axis)]; }

/// `size` slices of `x` in the place of an axis; the i-th is number `f(i)` of that axis.
template <class F>
Array taken_along(const Array& x, int axis, std::int64_t size, F f) {
  axis = from_front(axis, x.shape.rank());
  return make(x.shape.with(axis, size), [&](Index i) {
    along(i, axis) = f(along(i, axis));
    return x(i);
  });
}
inline Array taken_along(const Array& x, int axis, const std::vector<std::int64_t>& numbers) {
  return taken_along(x, axis, static_cast<std::int64_t>(numbers.size()),
                     [&](std::int64_t i) { return numbers[static_cast<std::size_t>(i)]; });
}

/// The positions of an axis of this size that a slice visits, one after the other.
inline std::vector<std::int64_t> positions_of(const Slice& slice, std::int64_t size) {
  const auto counted = [size](std::int64_t bound) { return bound < 0 ? bound + size : bound; };
  std::vector<std::int64_t> positions;
  if (slice.step > 0) {
    const std::int64_t end = slice.end ? std::min(counted(*slice.end), size) : size;
    std::int64_t i = slice.begin ? std::max<std::int64_t>(counted(*slice.begin), 0) : 0;
    for (; i < end; i += slice.step) positions.push_back(i);
  } else {
    const std::int64_t end = slice.end ? std::max<std::int64_t>(counted(*slice.end), -1) : -1;
    std::int64_t i = slice.begin ? std::min(counted(*slice.begin), size - 1) : size - 1;
    for (; i > end; i += slice.step) positions.push_back(i);
  }
  return positions;
}

using Values = std::vector<double>;

inline double sum_of(const Values& v) { return std::accumulate(v.begin(), v.end(), 0.0); }
inline double mean_of(const Values& v) { return sum_of(v) / static_cast<double>(v.size()); }
inline double max_of(const Values& v) { return *std::max_element(v.begin(), v.end()); }
inline double min_of(const Values& v) { return *std::min_element(v.begin(), v.end()); }
inline std::ptrdiff_t argmax_of(const Values& v) { return std::max_element(v.begin(), v.end()) - v.begin(); }
inline double logsumexp_of(const Values& v) {
  double sum = 0;
  for (const double x : v) sum += std::exp(x);
  return std::log(sum);
}

inline double prod_of(const Values& v) { return std::accumulate(v.begin(), v.end(), 1.0, std::multiplies<>()); }
inline double var_of(const Values& v) {
  const double mean = mean_of(v);
  double sum = 0;
  for (const double x : v) sum += (x - mean) * (x - mean);
  return sum / static_cast<double>(v.size() - 1);
}
inline double std_of(const Values& v) { return std::sqrt(var_of(v)); }
inline double median_of(const Values& v) {
  Values in_order = v;
  std::sort(in_order.begin(), in_order.end());
  return (in_order[(v.size() - 1) / 2] + in_order[v.size() / 2]) / 2;
}
inline double norm_of(const Values& v, double p) {
  double sum = 0;
  for (const double x : v) sum += std::pow(std::abs(x), p);
  return std::pow(sum, 1 / p);
}
inline double largest_size(const Values& v) {
  double largest = 0;
  for (const double x : v) largest = std::max(largest, std::abs(x));
  return largest;
}
inline double any_of(const Values& v) {
  return std::any_of(v.begin(), v.end(), [](double x) { return x != 0; });
}
inline double all_of(const Values& v) {
  return std::all_of(v.begin(), v.end(), [](double x) { return x != 0; });
}

inline double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

// ---------------------------------------------------------------------------------------------------------------------
// Rows of ops with options.

/// An op and its reference as functions of the options, which serve the rows with given options and the one that draws
/// them alike.
template <class Options>
struct OpWith {
  std::function<Tensor(In in, const Options& options)> f;
  std::function<Array(From in, const Options& options)> reference;
  /// Gives the row's inputs other shapes, and returns options that go with them.
  std::function<Options(Draw& draw, OpCase& row)> draw;

  OpCase row(const Options& options, OpCase row) const {
    row.f = [f = f, options](In in) { return f(in, options); };
    row.reference = [reference = reference, options](From in) { return reference(in, options); };
    return row;
  }
  /// The same row, which can vary.
  OpCase varied(const Options& options, OpCase row) const {
    row.vary = [*this](Draw& choices, OpCase& random) {
      const Options drawn = draw(choices, random);
      random = this->row(drawn, random);
    };
    return this->row(options, std::move(row));
  }
};

// ---------------------------------------------------------------------------------------------------------------------
// Rows of element-wise ops. Each takes any shape, empty ones too.

/// `vary` for ops that take any shape.
inline void any_shape(Draw& draw, OpCase& row) { row.inputs[0].shape = draw.any_shape(0, 4); }

/// `vary` for ops whose inputs broadcast: one is of any shape, the others broadcast to it.
inline void any_broadcast(Draw& draw, OpCase& row) {
  const Shape shape = draw.any_shape(0, 4);
  for (Input& input : row.inputs) input.shape = draw.broadcasting_to(shape);
  row.inputs[static_cast<std::size_t>(draw.integer(0, static_cast<std::int64_t>(row.inputs.size()) - 1))].shape = shape;
}

inline OpCase unary(const char* name, Tensor (*f)(const Tensor&), double (*reference)(double),
                    Input input = real({2, 3, 5})) {
  return {.name = name,
          .inputs = {std::move(input)},
          .unary = f,
          .unary_reference = reference,
          .vary = any_shape,
          .big = {{3, 41, 1000}},
          .empty = {{0, 3}}};
}

/// The same row with a variant's name, for ops with several rows.
inline OpCase variant(const char* name, OpCase row) {
  row.variant = std::string(name);
  return row;
}

/// The same row for another op.
inline OpCase named(const char* name, OpCase row) {
  row.name = std::string(name);
  return row;
}

/// The same row for int64 also.
inline OpCase and_int64(OpCase row) {
  row.int64 = true;
  return row;
}

inline OpCase without_gradient(OpCase row) {
  row.gradient = false;
  return row;
}

/// The same row with another name in errors.
inline OpCase named_in_errors(const char* prefix, OpCase row) {
  row.error_prefix = std::string(prefix);
  return row;
}

/// Equal shapes, and shapes that broadcast: with each other, with a scalar, and along no axis in common.
inline std::vector<OpCase> binary(const char* name, Tensor (*f)(const Tensor&, const Tensor&),
                                  double (*reference)(double, double), const Input& a = real({}),
                                  const Input& b = real({})) {
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
  rows[0].vary = any_broadcast;
  rows[0].big = {{300, 400}, {300, 400}};
  rows[0].empty = {{2, 0}, {2, 0}};
  rows[1].big = {{40, 1, 100}, {50, 100}};
  rows[1].empty = {{2, 0, 1}, {3}};
  return rows;
}

inline void add(Table& table, const std::vector<OpCase>& rows, OpCase (*change)(OpCase) = nullptr) {
  for (const OpCase& row : rows) table.push_back(change ? change(row) : row);
}

}  // namespace wengert::test
