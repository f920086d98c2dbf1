#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

/// Whether a reduction over `axes`, counted from either end, takes this one: all if there are none.
bool is_reduced(const Axes& axes, int axis, int rank) { return axes.empty() || is_among(axes, axis, rank); }

/// `f(values)` of the elements that differ only along axes that are reduced.
template <class F>
Array reduced(const Array& x, const Axes& axes, bool keepdims, F f) {
  std::vector<int> gone;
  Shape kept = x.shape;
  for (int axis = 0; axis < x.shape.rank(); ++axis) {
    if (!is_reduced(axes, axis, x.shape.rank())) continue;
    gone.push_back(axis);
    kept = kept.with(axis, 1);
  }
  const Array result = reduce(x, gone, f);
  return keepdims ? reshaped(result, kept) : result;
}

/// `shape` with 1 for the axes of size 0 that would be reduced.
Shape with_something_to_reduce(Shape shape, const Axes& axes) {
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (is_reduced(axes, axis, shape.rank()) && shape[axis] == 0) shape = shape.with(axis, 1);
  }
  return shape;
}

struct Reduced {
  Axes axes = {};
  bool keepdims = false;
};

struct Reduction {
  const char* name;
  Tensor (*op)(const Tensor& x, const Axes& axes, bool keepdims);
  double (*of_values)(const Values&);
  bool int64 = false;
  bool of_nothing = false;  // has a finite value
};

OpWith<Reduced> reduction(const Reduction& r) {
  return {.f = [r](In in, const Reduced& o) { return r.op(in[0], o.axes, o.keepdims); },
          .reference = [r](From in, const Reduced& o) { return reduced(in[0], o.axes, o.keepdims, r.of_values); },
          .draw =
              [r](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(0, 4);
                const Reduced options{draw.axes(shape.rank()), draw.coin()};
                row.inputs[0].shape = r.of_nothing ? shape : with_something_to_reduce(shape, options.axes);
                return options;
              }};
}

/// The rows that every reduction of numbers has.
template <class Options>
void add_reduction(Table& t, const OpWith<Options>& op, OpCase row, bool of_nothing) {
  row.inputs = {separated({2, 3, 4})};
  row.big = {{40, 50, 100}};
  row.variant = "all axes";
  if (of_nothing) row.empty = {{2, 0}};
  t.push_back(op.varied({}, row));
  row.variant = "last axis";
  row.empty = {{0, 3}};
  t.push_back(op.row({.axes = {-1}}, row));
  row.variant = "two axes kept";
  row.empty.clear();
  t.push_back(op.row({.axes = {0, 2}, .keepdims = true}, row));
}

struct Deviation {
  Axes axes = {};
  bool keepdims = false;
  double correction = 1;
};

double var_with(const Values& v, double correction) {
  if (v.size() == 1) return 0;
  return var_of(v) * static_cast<double>(v.size() - 1) / (static_cast<double>(v.size()) - correction);
}

OpWith<Deviation> deviation(Tensor (*op)(const Tensor&, const Axes&, const DeviationOptions&), bool root) {
  return {
      .f = [op](In in,
                const Deviation& o) { return op(in[0], o.axes, {.correction = o.correction, .keepdims = o.keepdims}); },
      .reference =
          [root](From in, const Deviation& o) {
            return reduced(in[0], o.axes, o.keepdims, [&](const Values& v) {
              const double var = var_with(v, o.correction);
              return root ? std::sqrt(var) : var;
            });
          },
      .draw =
          [](Draw& draw, OpCase& row) {
            const Shape shape = draw.any_shape(0, 4);
            Deviation options{.axes = draw.axes(shape.rank()), .keepdims = draw.coin()};
            row.inputs[0].shape = with_something_to_reduce(shape, options.axes);
            std::int64_t count = 1;
            for (int axis = 0; axis < shape.rank(); ++axis) {
              if (is_reduced(options.axes, axis, shape.rank())) count *= row.inputs[0].shape[axis];
            }
            // In halves; below the number of elements.
            options.correction = static_cast<double>(draw.integer(-1, std::min<std::int64_t>(2 * count - 1, 4))) / 2;
            return options;
          }};
}

struct Norm {
  Axes axes = {};
  bool keepdims = false;
  double p = 2;
};

constexpr double infinity = std::numeric_limits<double>::infinity();

/// No two of them have sizes close to each other.
Input of_separated_sizes(const Shape& shape) {
  return {.shape = shape, .kind = Input::Kind::separated, .low = -2.03, .high = 1.87};
}

OpWith<Norm> vector_norm() {
  return {
      .f = [](In in, const Norm& o) { return norm(in[0], o.p, o.axes, o.keepdims); },
      .reference =
          [](From in, const Norm& o) {
            return reduced(in[0], o.axes, o.keepdims,
                           [&](const Values& v) { return o.p == infinity ? largest_size(v) : norm_of(v, o.p); });
          },
      .draw =
          [](Draw& draw, OpCase& row) {
            const Shape shape = draw.any_shape(0, 4);
            const Norm options{draw.axes(shape.rank()), draw.coin(), draw.one_of({2.0, 1.0, 3.0, 0.75, 2.5, infinity})};
            row.inputs[0] = options.p == infinity ? of_separated_sizes(shape) : nonzero(shape);
            return options;
          }};
}

struct OneAxis {
  int axis = -1;
  bool keepdims = false;
};

OpWith<OneAxis> place_of_extreme(Tensor (*op)(const Tensor&, int, bool), std::ptrdiff_t (*of_values)(const Values&)) {
  return {
      .f = [op](In in, const OneAxis& o) { return op(in[0], o.axis, o.keepdims); },
      .reference = [of_values](From in, const OneAxis& o) { return reduced(in[0], {o.axis}, o.keepdims, of_values); },
      .draw =
          [](Draw& draw, OpCase& row) {
            const Shape shape = draw.any_shape(1, 4);
            const OneAxis options{draw.axis(shape.rank()), draw.coin()};
            row.inputs[0].shape = with_something_to_reduce(shape, {options.axis});
            return options;
          }};
}

std::ptrdiff_t argmin_of(const Values& v) { return std::min_element(v.begin(), v.end()) - v.begin(); }

}  // namespace

void add_reductions(Table& t) {
  for (const Reduction& r : {Reduction{"sum", sum, sum_of, true, true}, Reduction{"mean", mean, mean_of},
                             Reduction{"max", max, max_of, true}, Reduction{"min", min, min_of, true},
                             Reduction{"logsumexp", logsumexp, logsumexp_of},
                             Reduction{"prod", prod, prod_of, false, true}, Reduction{"median", median, median_of}}) {
    add_reduction(t, reduction(r), {.name = r.name, .int64 = r.int64}, r.of_nothing);
  }
  // Conditions hold zeros too.
  for (const Reduction& r : {Reduction{"any", any, any_of, true, true}, Reduction{"all", all, all_of, true, true}}) {
    t.push_back(reduction(r).varied({.axes = {0, 2}}, {.name = r.name,
                                                       .inputs = {condition({2, 3, 2})},
                                                       .gradient = false,
                                                       .int64 = true,
                                                       .big = {{40, 50, 100}},
                                                       .empty = {{0, 3, 2}}}));
  }
  const OpCase index_row{
      .inputs = {separated({2, 3, 4})}, .gradient = false, .int64 = true, .big = {{40, 50, 100}}, .empty = {{0, 3, 2}}};
  t.push_back(place_of_extreme(argmax, argmax_of).varied({.axis = 1}, named("argmax", index_row)));
  t.push_back(place_of_extreme(argmin, argmin_of).varied({.axis = 1}, named("argmin", index_row)));

  add_reduction(t, deviation(var, false), {.name = "var"}, false);
  add_reduction(t, deviation(std, true), {.name = "std"}, false);
  t.push_back(
      deviation(var, false)
          .row({.axes = {1}, .correction = 0},
               {.name = "var", .variant = "of a population", .inputs = {real({2, 3, 4})}, .big = {{40, 50, 100}}}));
  const OpWith<Norm> norm = vector_norm();
  add_reduction(t, norm, {.name = "norm"}, true);
  t.push_back(norm.row({.axes = {1}, .p = 1}, {.name = "norm", .variant = "p = 1", .inputs = {nonzero({2, 3, 4})}}));
  t.push_back(norm.row({.axes = {1}, .p = 2.5},
                       {.name = "norm", .variant = "p = 2.5", .inputs = {nonzero({2, 3, 4})}, .big = {{40, 50, 100}}}));
  t.push_back(norm.row({.axes = {1}, .p = infinity},
                       {.name = "norm", .variant = "p = infinity", .inputs = {of_separated_sizes({2, 3, 4})}}));

  const OpWith<Shape> to_shape{.f = [](In in, const Shape& shape) { return sum_to(in[0], shape); },
                               .reference =
                                   [](From in, const Shape& shape) {
                                     Array result = make(shape, [](const Index&) { return 0; });
                                     make(in[0].shape, [&](const Index& i) {
                                       return result.at(broadcast_index(shape, i, in[0].shape.rank())) += in[0](i);
                                     });
                                     return result;
                                   },
                               .draw =
                                   [](Draw& draw, OpCase& row) {
                                     row.inputs[0].shape = draw.any_shape(0, 4);
                                     return draw.broadcasting_to(row.inputs[0].shape);
                                   }};
  t.push_back(to_shape.varied(
      {3, 1},
      {.name = "sum_to", .inputs = {real({2, 3, 4})}, .int64 = true, .big = {{40, 3, 1000}}, .empty = {{0, 3, 2}}}));
}

namespace {

/// `f(values along the axis)`, `size` of them, in the place of the values of an axis.
template <class F>
Array along_axis(const Array& x, int axis, std::int64_t size, F f) {
  axis = from_front(axis, x.shape.rank());
  Array result = make(x.shape.with(axis, size), [](const Index&) { return 0; });
  make(x.shape.with(axis, 1), [&](Index i) {
    Values values;
    for (auto& k = along(i, axis); k < x.shape[axis]; ++k) values.push_back(x(i));
    values = f(values);
    for (along(i, axis) = 0; along(i, axis) < size; ++along(i, axis)) {
      result.at(i) = values[static_cast<std::size_t>(along(i, axis))];
    }
    return 0;
  });
  return result;
}
template <class F>
Array along_axis(const Array& x, int axis, F f) {
  return along_axis(x, axis, x.shape[from_front(axis, x.shape.rank())], f);
}

Values cumsum_of(Values v) {
  for (std::size_t i = 1; i < v.size(); ++i) v[i] += v[i - 1];
  return v;
}
Values cumprod_of(Values v) {
  for (std::size_t i = 1; i < v.size(); ++i) v[i] *= v[i - 1];
  return v;
}
Values in_order(Values v, bool descending) {
  std::sort(v.begin(), v.end());
  if (descending) std::reverse(v.begin(), v.end());
  return v;
}
Values places_in_order(const Values& v, bool descending) {
  Values places;
  for (const double x : in_order(v, descending)) {
    places.push_back(static_cast<double>(std::find(v.begin(), v.end(), x) - v.begin()));
  }
  return places;
}

OpWith<int> scan(Tensor (*op)(const Tensor&, int), Values (*of_values)(Values)) {
  return {.f = [op](In in, int axis) { return op(in[0], axis); },
          .reference = [of_values](From in, int axis) { return along_axis(in[0], axis, of_values); },
          .draw =
              [](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(1, 4);
                return draw.axis(row.inputs[0].shape.rank());
              }};
}

/// Which of an op's results is asked for.
enum class Part : std::uint8_t { values, indices };

Tensor part_of(const ValuesAndIndices& result, Part part) {
  return part == Part::values ? result.values : result.indices;
}

/// Of the indices there is no gradient.
Part draw_part(Draw& draw, OpCase& row) {
  row.gradient = draw.coin();
  return row.gradient ? Part::values : Part::indices;
}

struct Sort {
  int axis = -1;
  bool descending = false;
  Part part = Part::values;
};

Array sorted(From in, const Sort& o) {
  return along_axis(in[0], o.axis, [&](const Values& v) {
    return o.part == Part::values ? in_order(v, o.descending) : places_in_order(v, o.descending);
  });
}

struct TopK {
  std::int64_t k = 1;
  int axis = -1;
  bool largest = true;
  Part part = Part::values;
};

OpWith<TopK> first_in_order() {
  return {.f = [](In in, const TopK& o) { return part_of(topk(in[0], o.k, o.axis, o.largest), o.part); },
          .reference =
              [](From in, const TopK& o) {
                return along_axis(in[0], o.axis, o.k, [&](const Values& v) {
                  return o.part == Part::values ? in_order(v, o.largest) : places_in_order(v, o.largest);
                });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(1, 4);
                row.inputs[0].shape = shape;
                const int axis = draw.axis(shape.rank());
                return TopK{draw.integer(0, shape[from_front(axis, shape.rank())]), axis, draw.coin(),
                            draw_part(draw, row)};
              }};
}

struct Extreme {
  int axis = -1;
  bool keepdims = false;
  Part part = Part::values;
};

OpWith<Extreme> extreme_with_index(ValuesAndIndices (*op)(const Tensor&, int, bool), bool largest) {
  return {.f = [op](In in, const Extreme& o) { return part_of(op(in[0], o.axis, o.keepdims), o.part); },
          .reference =
              [largest](From in, const Extreme& o) {
                return reduced(in[0], {o.axis}, o.keepdims, [&](const Values& v) {
                  return (o.part == Part::values ? in_order(v, largest) : places_in_order(v, largest))[0];
                });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(1, 4);
                const Extreme options{draw.axis(shape.rank()), draw.coin(), draw_part(draw, row)};
                row.inputs[0].shape = with_something_to_reduce(shape, {options.axis});
                return options;
              }};
}

}  // namespace

void add_scans_and_sorts(Table& t) {
  const OpCase three_axes{.inputs = {separated({2, 5, 3})},
                          .int64 = true,
                          .big = {{20, 500, 10}},
                          .empty = {{2, 0, 3}},
                          .float32_tolerance = 3e-5};
  t.push_back(scan(cumsum, cumsum_of).varied(1, named("cumsum", three_axes)));
  t.push_back(scan(cumprod, cumprod_of).varied(1, named("cumprod", three_axes)));

  const auto draw_sort = [](Draw& draw, OpCase& row) {
    row.inputs[0].shape = draw.any_shape(1, 4);
    return Sort{draw.axis(row.inputs[0].shape.rank()), draw.coin()};
  };
  const OpWith<Sort> sort_op{
      .f = [](In in, const Sort& o) { return part_of(sort(in[0], o.axis, o.descending), o.part); },
      .reference = sorted,
      .draw =
          [draw_sort](Draw& draw, OpCase& row) {
            Sort options = draw_sort(draw, row);
            options.part = draw_part(draw, row);
            return options;
          }};
  t.push_back(sort_op.varied({.axis = 1}, named("sort", three_axes)));
  t.push_back(sort_op.row({.axis = 1, .descending = true}, variant("descending", named("sort", three_axes))));

  OpCase row = named("topk", three_axes);
  row.empty = {{0, 5, 3}};
  t.push_back(first_in_order().varied({.k = 2, .axis = 1}, row));
  t.push_back(first_in_order().row({.k = 1, .axis = 1, .largest = false}, variant("smallest", row)));
  row.name = "max_with_index";
  t.push_back(extreme_with_index(max_with_index, true).varied({.axis = 1}, row));
  row.name = "min_with_index";
  t.push_back(extreme_with_index(min_with_index, false).varied({.axis = 1, .keepdims = true}, row));

  row = without_gradient(named("argsort", three_axes));
  row.empty = {{0, 5, 3}};
  row.int64 = false;  // truncated numbers may be equal
  const OpWith<Sort> argsort_op{.f = [](In in, const Sort& o) { return argsort(in[0], o.axis, o.descending); },
                                .reference =
                                    [](From in, Sort o) {
                                      o.part = Part::indices;
                                      return sorted(in, o);
                                    },
                                .draw = draw_sort};
  t.push_back(argsort_op.varied({.axis = 1}, row));
}

}  // namespace wengert::test
