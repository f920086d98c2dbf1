#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

using Sizes = std::vector<std::int64_t>;

/// The same number of elements in other axes: sizes of neighbours multiplied, in some order, and axes of size 1.
Shape draw_regrouped(Draw& draw, const Shape& shape) {
  Sizes sizes;
  for (const std::int64_t size : shape) {
    if (!sizes.empty() && draw.coin()) {
      sizes[0] *= size;
    } else {
      sizes.insert(draw.coin() ? sizes.begin() : sizes.end(), size);
    }
    if (draw.integer(0, 3) == 3) sizes.push_back(1);
  }
  return Shape(sizes);
}

/// Options are sizes of which one may be -1.
OpWith<Sizes> reshape_to_list() {
  return {.f =
              [](In in, const Sizes& sizes) {
                return sizes.size() == 2 ? reshape(in[0], {sizes[0], sizes[1]})
                                         : reshape(in[0], {sizes[0], sizes[1], sizes[2]});
              },
          .reference =
              [](From in, Sizes sizes) {
                const auto unknown = std::find(sizes.begin(), sizes.end(), -1);
                if (unknown != sizes.end()) {
                  *unknown = 1;
                  *unknown = in[0].shape.numel() / Shape(sizes).numel();
                }
                return reshaped(in[0], Shape(sizes));
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.shape(3, 3);
                row.inputs[0].shape = shape;
                Sizes sizes = draw.coin() ? Sizes{shape[2] * shape[0], shape[1]} : Sizes{shape[2], shape[0], shape[1]};
                const auto unknown = static_cast<std::size_t>(draw.integer(0, std::ssize(sizes)));
                if (unknown < sizes.size()) sizes[unknown] = -1;
                return sizes;
              }};
}

struct AxisRange {
  int first = 0;
  int last = -1;
};

OpWith<AxisRange> flattened() {
  return {.f = [](In in, const AxisRange& o) { return flatten(in[0], o.first, o.last); },
          .reference =
              [](From in, const AxisRange& o) {
                const Shape& shape = in[0].shape;
                const int first = from_front(o.first, shape.rank());
                const int last = from_front(o.last, shape.rank());
                Sizes sizes(shape.begin(), shape.begin() + first);
                sizes.push_back(shape.numel(first, last + 1));
                sizes.insert(sizes.end(), shape.begin() + last + 1, shape.end());
                return reshaped(in[0], Shape(sizes));
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(1, 4);
                const int rank = row.inputs[0].shape.rank();
                const int a = draw.axis(rank);
                const int b = draw.axis(rank);
                return from_front(a, rank) <= from_front(b, rank) ? AxisRange{a, b} : AxisRange{b, a};
              }};
}

/// Axis k of the result is axis order[k] of x, counted from either end.
Array permuted(const Array& x, const std::vector<int>& order) {
  const int rank = x.shape.rank();
  Shape shape = x.shape;
  for (int k = 0; k < rank; ++k) shape = shape.with(k, x.shape[from_front(order[static_cast<std::size_t>(k)], rank)]);
  return make(shape, [&](const Index& i) {
    Index from{};
    for (int k = 0; k < rank; ++k) along(from, from_front(order[static_cast<std::size_t>(k)], rank)) = along(i, k);
    return x(from);
  });
}

struct TwoAxes {
  int first = -2;
  int second = -1;
};

OpWith<TwoAxes> transposed() {
  return {.f = [](In in, const TwoAxes& o) { return transpose(in[0], o.first, o.second); },
          .reference =
              [](From in, const TwoAxes& o) {
                const int rank = in[0].shape.rank();
                std::vector<int> order(static_cast<std::size_t>(rank));
                std::iota(order.begin(), order.end(), 0);
                order[static_cast<std::size_t>(from_front(o.first, rank))] = o.second;
                order[static_cast<std::size_t>(from_front(o.second, rank))] = o.first;
                return permuted(in[0], order);
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(1, 4);
                const int rank = row.inputs[0].shape.rank();
                return TwoAxes{draw.axis(rank), draw.axis(rank)};
              }};
}

OpWith<Axes> squeezed() {
  return {.f = [](In in, const Axes& axes) { return squeeze(in[0], axes); },
          .reference =
              [](From in, const Axes& axes) {
                Sizes sizes;
                const Shape& shape = in[0].shape;
                for (int axis = 0; axis < shape.rank(); ++axis) {
                  const bool dropped = axes.empty() ? shape[axis] == 1 : is_among(axes, axis, shape.rank());
                  if (!dropped) sizes.push_back(shape[axis]);
                }
                return reshaped(in[0], Shape(sizes));
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                Shape shape = draw.any_shape(0, 4);
                Axes axes = draw.axes(shape.rank());
                for (const int axis : axes) shape = shape.with(from_front(axis, shape.rank()), 1);
                if (draw.coin()) axes.clear();
                row.inputs[0].shape = shape;
                return axes;
              }};
}

OpWith<int> unsqueezed() {
  return {.f = [](In in, int axis) { return unsqueeze(in[0], axis); },
          .reference =
              [](From in, int axis) {
                const Shape& shape = in[0].shape;
                return reshaped(in[0], shape.inserted(from_front(axis, shape.rank() + 1), 1));
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(0, 4);
                return draw.axis(row.inputs[0].shape.rank() + 1);
              }};
}

OpWith<Shape> broadcast_op() {
  return {.f = [](In in, const Shape& shape) { return broadcast_to(in[0], shape); },
          .reference =
              [](From in, const Shape& shape) {
                return make(shape, [&](const Index& i) { return broadcast(in[0], i, shape.rank()); });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(0, 4);
                row.inputs[0].shape = draw.broadcasting_to(shape);
                return shape;
              }};
}

/// One behind the other along an axis; the other sizes agree.
Array joined(From in, int axis) {
  axis = from_front(axis, in[0].shape.rank());
  std::int64_t size = 0;
  for (const Array& part : in) size += part.shape[axis];
  return make(in[0].shape.with(axis, size), [&](Index i) {
    std::size_t part = 0;
    for (; along(i, axis) >= in[part].shape[axis]; ++part) along(i, axis) -= in[part].shape[axis];
    return in[part](i);
  });
}

OpWith<int> cat_op() {
  return {.f = [](In in, int axis) { return cat(in, axis); },
          .reference = joined,
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(1, 3);
                const int axis = draw.axis(shape.rank());
                row.inputs.assign(static_cast<std::size_t>(draw.integer(1, 4)), real(shape));
                for (Input& input : row.inputs) {
                  input.shape = shape.with(from_front(axis, shape.rank()), draw.integer(0, 4));
                }
                return axis;
              }};
}

OpWith<int> stack_op() {
  return {.f = [](In in, int axis) { return stack(in, axis); },
          .reference =
              [](From in, int axis) {
                axis = from_front(axis, in[0].shape.rank() + 1);
                Arrays parts;
                for (const Array& x : in) parts.push_back(reshaped(x, x.shape.inserted(axis, 1)));
                return joined(parts, axis);
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(0, 3);
                row.inputs.assign(static_cast<std::size_t>(draw.integer(1, 4)), real(shape));
                return draw.axis(shape.rank() + 1);
              }};
}

}  // namespace

void add_shape_ops(Table& t) {
  const OpWith<Shape> reshape_to_shape{.f = [](In in, const Shape& shape) { return reshape(in[0], shape); },
                                       .reference = [](From in, const Shape& shape) { return reshaped(in[0], shape); },
                                       .draw =
                                           [](Draw& draw, OpCase& row) {
                                             row.inputs[0].shape = draw.any_shape(0, 4);
                                             return draw_regrouped(draw, row.inputs[0].shape);
                                           }};
  t.push_back(reshape_to_list().varied(
      {4, -1}, {.name = "reshape", .variant = "list", .inputs = {real({2, 3, 4})}, .int64 = true, .empty = {{4, 0}}}));
  t.push_back(reshape_to_shape.varied(
      {4, 6}, {.name = "reshape", .variant = "shape", .inputs = {real({2, 3, 4})}, .int64 = true}));
  t.push_back(flattened().varied(
      {.first = 1}, {.name = "flatten", .inputs = {real({2, 3, 4})}, .int64 = true, .empty = {{2, 0, 3}}}));

  t.push_back(transposed().varied(
      {},
      {.name = "transpose", .inputs = {real({2, 3, 4})}, .int64 = true, .big = {{3, 300, 200}}, .empty = {{2, 0, 3}}}));
  t.push_back(transposed().row(
      {0, 1}, {.name = "transpose", .variant = "outer axes", .inputs = {real({2, 3, 4})}, .int64 = true}));
  const OpWith<std::vector<int>> permute_op{
      .f = [](In in, const std::vector<int>& order) { return permute(in[0], order); },
      .reference = [](From in, const std::vector<int>& order) { return permuted(in[0], order); },
      .draw =
          [](Draw& draw, OpCase& row) {
            row.inputs[0].shape = draw.any_shape(0, 4);
            return draw.order_of_axes(row.inputs[0].shape.rank());
          }};
  t.push_back(permute_op.varied(
      {2, 0, 1},
      {.name = "permute", .inputs = {real({2, 3, 4})}, .int64 = true, .big = {{30, 50, 100}}, .empty = {{2, 0, 3}}}));

  t.push_back(
      squeezed().varied({}, {.name = "squeeze", .inputs = {real({1, 3, 1, 2})}, .int64 = true, .empty = {{1, 0}}}));
  t.push_back(
      squeezed().row({-2}, {.name = "squeeze", .variant = "one axis", .inputs = {real({1, 3, 1, 2})}, .int64 = true}));
  t.push_back(
      unsqueezed().varied(-1, {.name = "unsqueeze", .inputs = {real({3, 2})}, .int64 = true, .empty = {{0, 3}}}));

  t.push_back(broadcast_op().varied({2, 3, 5}, {.name = "broadcast_to", .inputs = {real({3, 1})}, .int64 = true}));
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

  t.push_back(cat_op().varied(1, {.name = "cat",
                                  .inputs = {real({2, 3}), real({2, 1}), real({2, 2})},
                                  .int64 = true,
                                  .big = {{200, 300}, {200, 200}, {200, 100}},
                                  .empty = {{0, 3}, {0, 1}, {0, 0}}}));
  t.push_back(stack_op().varied(1, {.name = "stack",
                                    .inputs = {real({2, 3}), real({2, 3})},
                                    .int64 = true,
                                    .big = {{200, 300}, {200, 300}},
                                    .empty = {{0, 3}, {0, 3}}}));
}

namespace {

struct Walk {
  int axis = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t step = 1;
};

/// A bound inside an axis, a little outside, or far off.
std::int64_t draw_bound(Draw& draw) {
  using Limits = std::numeric_limits<std::int64_t>;
  return draw.integer(0, 9) == 9 ? draw.one_of({Limits::min(), Limits::max()}) : draw.integer(-7, 7);
}

OpWith<Walk> slice_op() {
  return {.f = [](In in, const Walk& o) { return slice(in[0], o.axis, o.begin, o.end, o.step); },
          .reference =
              [](From in, const Walk& o) {
                const Shape& shape = in[0].shape;
                return taken_along(in[0], o.axis,
                                   positions_of({o.begin, o.end, o.step}, shape[from_front(o.axis, shape.rank())]));
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(1, 4);
                return Walk{draw.axis(row.inputs[0].shape.rank()), draw_bound(draw), draw_bound(draw),
                            draw.one_of<std::int64_t>({1, -1, 2, -2, 3, -4, 9})};
              }};
}

struct Place {
  int axis = 0;
  std::int64_t index = 0;
};

OpWith<Place> select_op() {
  return {.f = [](In in, const Place& o) { return select(in[0], o.axis, o.index); },
          .reference =
              [](From in, const Place& o) {
                const Shape& shape = in[0].shape;
                const int axis = from_front(o.axis, shape.rank());
                const std::int64_t index = o.index < 0 ? o.index + shape[axis] : o.index;
                return reshaped(taken_along(in[0], axis, {index}), shape.removed(axis));
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(1, 4);
                const int axis = draw.axis(shape.rank());
                const std::int64_t size = draw.size();
                row.inputs[0].shape = shape.with(from_front(axis, shape.rank()), size);
                return Place{axis, draw.integer(-size, size - 1)};
              }};
}

struct Margins {
  Sizes before = {};
  Sizes after = {};
  double value = 0;
  PadMode mode = PadMode::constant;
};

Array padded_by_value(From in, const Margins& o) {
  const Array& x = in[0];
  Shape shape = x.shape;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const auto k = static_cast<std::size_t>(axis);
    shape = shape.with(axis, o.before[k] + shape[axis] + o.after[k]);
  }
  return make(shape, [&](Index i) {
    for (int axis = 0; axis < shape.rank(); ++axis) {
      along(i, axis) -= o.before[static_cast<std::size_t>(axis)];
      if (along(i, axis) < 0 || along(i, axis) >= x.shape[axis]) return o.value;
    }
    return x(i);
  });
}

Array padded_by_elements(From in, const Margins& o) {
  if (o.mode == PadMode::constant) return padded_by_value(in, o);
  Array result = in[0];
  for (int axis = 0; axis < result.shape.rank(); ++axis) {
    const auto k = static_cast<std::size_t>(axis);
    const std::int64_t size = result.shape[axis];
    result = taken_along(result, axis, o.before[k] + size + o.after[k], [&](std::int64_t i) {
      i -= o.before[k];
      if (o.mode == PadMode::replicate) return std::clamp<std::int64_t>(i, 0, size - 1);
      while (i < 0 || i >= size) i = i < 0 ? -i : 2 * (size - 1) - i;
      return i;
    });
  }
  return result;
}

OpWith<Margins> pad_by_value() {
  return {.f = [](In in, const Margins& o) { return pad(in[0], o.before, o.after, o.value); },
          .reference = padded_by_value,
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(0, 3);
                row.inputs[0].shape = shape;
                Margins options{.value = draw.one_of({0.0, -1.5})};
                for (int axis = 0; axis < shape.rank(); ++axis) {
                  options.before.push_back(draw.integer(0, 3));
                  options.after.push_back(draw.integer(0, 3));
                }
                return options;
              }};
}

OpWith<Margins> pad_by_elements() {
  return {.f = [](In in, const Margins& o) { return pad(in[0], o.before, o.after, o.mode); },
          .reference = padded_by_elements,
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(0, 3);
                row.inputs[0].shape = shape;
                Margins options{.mode = draw.one_of({PadMode::reflect, PadMode::replicate, PadMode::constant})};
                for (const std::int64_t size : shape) {
                  // What is mirrored must be there; of an empty axis there is nothing to repeat.
                  const std::int64_t most =
                      options.mode == PadMode::reflect || size == 0 ? std::max<std::int64_t>(size - 1, 0) : 6;
                  options.before.push_back(draw.integer(0, most));
                  options.after.push_back(draw.integer(0, most));
                }
                return options;
              }};
}

}  // namespace

void add_more_shape_ops(Table& t) {
  const OpWith<Walk> slices = slice_op();
  t.push_back(slices.varied({.axis = 1, .begin = 1, .end = -1, .step = 2}, {.name = "slice",
                                                                            .variant = "with a step",
                                                                            .inputs = {real({3, 7})},
                                                                            .int64 = true,
                                                                            .big = {{300, 400}},
                                                                            .empty = {{0, 3}}}));
  t.push_back(slices.row(
      {.axis = 0, .begin = 1, .end = 4},
      {.name = "slice", .variant = "leading axis", .inputs = {real({5, 2})}, .int64 = true, .empty = {{1, 2}}}));
  t.push_back(slices.row({.axis = 1, .begin = -2, .end = -100, .step = -2}, {.name = "slice",
                                                                             .variant = "backwards",
                                                                             .inputs = {real({3, 7})},
                                                                             .int64 = true,
                                                                             .big = {{300, 400}},
                                                                             .empty = {{0, 7}}}));
  t.push_back(slices.row({.axis = 0, .begin = 2, .end = 0, .step = -1}, {.name = "slice",
                                                                         .variant = "leading axis backwards",
                                                                         .inputs = {real({4, 2})},
                                                                         .int64 = true,
                                                                         .empty = {{0, 2}}}));
  t.push_back(select_op().varied({.axis = 1, .index = -1},
                                 {.name = "select", .inputs = {real({3, 4, 2})}, .int64 = true, .empty = {{0, 2, 3}}}));

  t.push_back(pad_by_value().varied(
      {.before = {1, 0}, .after = {2, 1}, .value = 4},
      {.name = "pad", .inputs = {real({2, 3})}, .int64 = true, .big = {{300, 400}}, .empty = {{0, 0}}}));
  const OpCase pad_row{.name = "pad", .inputs = {real({3, 4})}, .int64 = true, .big = {{300, 400}}};
  t.push_back(pad_by_elements().varied({.before = {2, 1}, .after = {0, 3}, .mode = PadMode::reflect},
                                       variant("reflect", pad_row)));
  t.push_back(pad_by_elements().row({.before = {2, 1}, .after = {0, 5}, .mode = PadMode::replicate},
                                    variant("replicate", pad_row)));
}

namespace {

/// Pieces of an axis, of which all but one are joined again, last to first; `left_out` is in no result, nor in a
/// gradient.
struct Pieces {
  Sizes sizes;
  int axis = 0;
  std::int64_t left_out = -1;
  std::int64_t count = 0;  // of chunk
};

Tensor joined_backwards(std::vector<Tensor> pieces, const Pieces& o) {
  if (o.left_out >= 0) pieces.erase(pieces.begin() + o.left_out);
  std::reverse(pieces.begin(), pieces.end());
  return cat(pieces, o.axis);
}

Array pieces_backwards(From in, const Pieces& o) {
  Sizes positions;
  std::int64_t end = in[0].shape[from_front(o.axis, in[0].shape.rank())];
  for (auto piece = std::ssize(o.sizes) - 1; piece >= 0; --piece) {
    const std::int64_t begin = end - o.sizes[static_cast<std::size_t>(piece)];
    for (std::int64_t i = begin; i < end && piece != o.left_out; ++i) positions.push_back(i);
    end = begin;
  }
  return taken_along(in[0], o.axis, positions);
}

/// A shape and an axis that `options.sizes` fit.
Pieces draw_pieces(Draw& draw, OpCase& row, Pieces options) {
  const Shape shape = draw.any_shape(1, 3);
  options.axis = draw.axis(shape.rank());
  row.inputs[0].shape = shape.with(from_front(options.axis, shape.rank()),
                                   std::accumulate(options.sizes.begin(), options.sizes.end(), std::int64_t{0}));
  if (options.sizes.size() > 1) options.left_out = draw.integer(-1, std::ssize(options.sizes) - 1);
  return options;
}

/// Sizes of as many pieces of `size` as there are in `whole`, and of the rest.
Sizes equal_sizes(std::int64_t whole, std::int64_t size) {
  Sizes sizes(static_cast<std::size_t>(whole / size), size);
  if (whole % size != 0) sizes.push_back(whole % size);
  return sizes;
}

OpWith<Pieces> split_by_sizes() {
  return {.f = [](In in, const Pieces& o) { return joined_backwards(split(in[0], o.sizes, o.axis), o); },
          .reference = pieces_backwards,
          .draw =
              [](Draw& draw, OpCase& row) {
                Pieces options{.sizes = Sizes(static_cast<std::size_t>(draw.integer(1, 5)))};
                for (std::int64_t& size : options.sizes) size = draw.integer(0, 3);
                return draw_pieces(draw, row, options);
              }};
}

OpWith<Pieces> split_by_one_size() {
  return {.f = [](In in, const Pieces& o) { return joined_backwards(split(in[0], o.sizes[0], o.axis), o); },
          .reference = pieces_backwards,
          .draw =
              [](Draw& draw, OpCase& row) {
                const std::int64_t whole = draw.integer(1, 8);
                return draw_pieces(draw, row, {.sizes = equal_sizes(whole, draw.integer(1, whole))});
              }};
}

OpWith<Pieces> chunks() {
  return {.f = [](In in, const Pieces& o) { return joined_backwards(chunk(in[0], o.count, o.axis), o); },
          .reference = pieces_backwards,
          .draw =
              [](Draw& draw, OpCase& row) {
                const std::int64_t whole = draw.integer(1, 8);
                const std::int64_t count = draw.integer(1, 10);
                return draw_pieces(draw, row,
                                   {.sizes = equal_sizes(whole, (whole + count - 1) / count), .count = count});
              }};
}

OpWith<Axes> flip_op() {
  return {.f = [](In in, const Axes& axes) { return flip(in[0], axes); },
          .reference =
              [](From in, const Axes& axes) {
                const Shape& shape = in[0].shape;
                return make(shape, [&](Index i) {
                  for (int axis = 0; axis < shape.rank(); ++axis) {
                    if (axes.empty() || is_among(axes, axis, shape.rank()))
                      along(i, axis) = shape[axis] - 1 - along(i, axis);
                  }
                  return in[0](i);
                });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(0, 4);
                return draw.axes(row.inputs[0].shape.rank());
              }};
}

struct Counted {
  std::int64_t count = 1;  // or a distance
  int axis = -1;
};

/// Any shape and axis, and a count from low to high.
std::function<Counted(Draw&, OpCase&)> draw_counted(std::int64_t low, std::int64_t high) {
  return [low, high](Draw& draw, OpCase& row) {
    row.inputs[0].shape = draw.any_shape(1, 4);
    return Counted{draw.integer(low, high), draw.axis(row.inputs[0].shape.rank())};
  };
}

OpWith<Counted> roll_op() {
  return {.f = [](In in, const Counted& o) { return roll(in[0], o.count, o.axis); },
          .reference =
              [](From in, const Counted& o) {
                const std::int64_t size = in[0].shape[from_front(o.axis, in[0].shape.rank())];
                return taken_along(in[0], o.axis, size, [&](std::int64_t i) {
                  const std::int64_t from = (i - o.count) % size;
                  return from < 0 ? from + size : from;
                });
              },
          .draw = draw_counted(-12, 12)};
}

OpWith<Counted> repeat_op() {
  return {.f = [](In in, const Counted& o) { return repeat(in[0], o.count, o.axis); },
          .reference =
              [](From in, const Counted& o) {
                const std::int64_t size = in[0].shape[from_front(o.axis, in[0].shape.rank())];
                return taken_along(in[0], o.axis, size * o.count, [&](std::int64_t i) { return i / o.count; });
              },
          .draw = draw_counted(0, 3)};
}

OpWith<Sizes> tile_op() {
  return {.f = [](In in, const Sizes& counts) { return tile(in[0], counts); },
          .reference =
              [](From in, const Sizes& counts) {
                Array result = in[0];
                while (result.shape.rank() < std::ssize(counts)) result = reshaped(result, result.shape.inserted(0, 1));
                for (std::size_t k = 0; k < counts.size(); ++k) {
                  const int axis = result.shape.rank() - static_cast<int>(counts.size() - k);
                  const std::int64_t size = result.shape[axis];
                  result = taken_along(result, axis, size * counts[k], [&](std::int64_t i) { return i % size; });
                }
                return result;
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(0, 3);
                Sizes counts(static_cast<std::size_t>(draw.integer(0, 4)));
                for (std::int64_t& count : counts) count = draw.one_of<std::int64_t>({1, 2, 3, 0});
                return counts;
              }};
}

struct Windows {
  int axis = 0;
  std::int64_t size = 1;
  std::int64_t step = 1;
};

OpWith<Windows> unfold_op() {
  return {.f = [](In in, const Windows& o) { return unfold(in[0], o.axis, o.size, o.step); },
          .reference =
              [](From in, const Windows& o) {
                const int rank = in[0].shape.rank();
                const int axis = from_front(o.axis, rank);
                std::int64_t count = 0;
                while (count * o.step + o.size <= in[0].shape[axis]) ++count;
                return make(in[0].shape.with(axis, count).inserted(rank, o.size), [&](Index i) {
                  along(i, axis) = along(i, axis) * o.step + along(i, rank);
                  along(i, rank) = 0;
                  return in[0](i);
                });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(1, 3);
                const int axis = draw.axis(shape.rank());
                const std::int64_t length = draw.integer(1, 8);
                row.inputs[0].shape = shape.with(from_front(axis, shape.rank()), length);
                return Windows{axis, draw.integer(1, length), draw.integer(1, 4)};
              }};
}

}  // namespace

void add_parts_and_repeats(Table& t) {
  t.push_back(split_by_sizes().varied(
      {.sizes = {1, 2, 0, 3}, .axis = 1, .left_out = 0},
      {.name = "split", .variant = "sizes", .inputs = {real({2, 6})}, .int64 = true, .empty = {{0, 6}}}));
  t.push_back(split_by_one_size().varied(
      {.sizes = {3, 3, 1}, .axis = 1},
      {.name = "split", .variant = "one size", .inputs = {real({2, 7})}, .int64 = true, .empty = {{0, 7}}}));
  t.push_back(chunks().varied({.sizes = {3, 3, 1}, .axis = 1, .left_out = 1, .count = 3},
                              {.name = "chunk", .inputs = {real({2, 7})}, .int64 = true, .empty = {{0, 7}}}));

  t.push_back(flip_op().varied(
      {0, -1},
      {.name = "flip", .inputs = {real({2, 3, 4})}, .int64 = true, .big = {{30, 40, 100}}, .empty = {{2, 0, 3}}}));
  t.push_back(flip_op().row({}, {.name = "flip", .variant = "all axes", .inputs = {real({2, 3})}, .int64 = true}));
  t.push_back(roll_op().varied(
      {.count = -7},
      {.name = "roll", .inputs = {real({2, 5})}, .int64 = true, .big = {{300, 400}}, .empty = {{2, 0}}}));
  t.push_back(repeat_op().varied(
      {.count = 3, .axis = 1},
      {.name = "repeat", .inputs = {real({2, 3, 2})}, .int64 = true, .big = {{30, 40, 50}}, .empty = {{2, 0, 3}}}));
  t.push_back(tile_op().varied(
      {2, 1, 3}, {.name = "tile", .inputs = {real({2, 3})}, .int64 = true, .big = {{100, 300}}, .empty = {{0, 3}}}));
  t.push_back(unfold_op().varied(
      {.axis = 1, .size = 3, .step = 2},
      {.name = "unfold", .inputs = {real({2, 7, 2})}, .int64 = true, .big = {{30, 100, 40}}, .empty = {{0, 7, 2}}}));
  t.push_back({.name = "meshgrid",
               .inputs = {real({3}), real({4})},
               .f = [](In in) { return stack(meshgrid(in)); },
               .reference =
                   [](From in) {
                     Shape shape{std::ssize(in)};
                     for (const Array& axis : in) shape = shape.inserted(shape.rank(), axis.shape[0]);
                     return make(shape, [&](const Index& i) {
                       return in[static_cast<std::size_t>(i[0])]({along(i, static_cast<int>(i[0]) + 1)});
                     });
                   },
               .vary =
                   [](Draw& draw, OpCase& row) {
                     row.inputs.resize(static_cast<std::size_t>(draw.integer(1, 4)));
                     for (Input& input : row.inputs) input = real({draw.integer(0, 5)});
                   },
               .int64 = true,
               .empty = {{0}, {4}}});
}

namespace {

/// Options say how far above the main diagonal another one lies; it may lie beyond the matrix.
OpWith<std::int64_t> triangle(Tensor (*op)(const Tensor&, std::int64_t), bool lower) {
  return {.f = [op](In in, std::int64_t diagonal) { return op(in[0], diagonal); },
          .reference =
              [lower](From in, std::int64_t diagonal) {
                const int rank = in[0].shape.rank();
                return make(in[0].shape, [&](const Index& i) {
                  const std::int64_t above = along(i, rank - 1) - along(i, rank - 2) - diagonal;
                  return (lower ? above <= 0 : above >= 0) ? in[0](i) : 0;
                });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(2, 4);
                return draw.integer(-7, 7);
              }};
}

/// [..., m, n] -> [..., k].
Array diagonals(const Array& x, std::int64_t offset) {
  const int rank = x.shape.rank();
  const std::int64_t row = std::max<std::int64_t>(0, -offset);
  const std::int64_t column = std::max<std::int64_t>(0, offset);
  const std::int64_t length = std::max<std::int64_t>(0, std::min(x.shape[rank - 2] - row, x.shape[rank - 1] - column));
  return make(x.shape.removed(rank - 1).with(rank - 2, length), [&](Index i) {
    along(i, rank - 1) = along(i, rank - 2) + column;
    along(i, rank - 2) += row;
    return x(i);
  });
}

/// [n] -> [n + |offset|, n + |offset|].
Array diagonal_matrix(const Array& x, std::int64_t offset) {
  const std::int64_t size = x.shape[0] + std::abs(offset);
  return make({size, size}, [&](const Index& i) { return i[1] - i[0] == offset ? x({std::min(i[0], i[1])}) : 0; });
}

OpWith<std::int64_t> diag_op(int rank) {
  return {.f = [](In in, std::int64_t offset) { return diag(in[0], offset); },
          .reference =
              [rank](From in, std::int64_t offset) {
                return rank == 1 ? diagonal_matrix(in[0], offset) : diagonals(in[0], offset);
              },
          .draw =
              [rank](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(rank, rank);
                return draw.integer(-7, 7);
              }};
}

}  // namespace

void add_triangles_and_diagonals(Table& t) {
  t.push_back(triangle(tril, true)
                  .varied(0, {.name = "tril", .inputs = {real({2, 3, 4})}, .int64 = true, .empty = {{0, 3, 4}}}));
  t.push_back(triangle(triu, false)
                  .varied(-1, {.name = "triu",
                               .variant = "below the diagonal",
                               .inputs = {real({4, 3})},
                               .int64 = true,
                               .empty = {{0, 3}}}));
  const OpWith<std::int64_t> diagonal_op{
      .f = [](In in, std::int64_t offset) { return diagonal(in[0], offset); },
      .reference = [](From in, std::int64_t offset) { return diagonals(in[0], offset); },
      .draw =
          [](Draw& draw, OpCase& row) {
            row.inputs[0].shape = draw.any_shape(2, 4);
            return draw.integer(-7, 7);
          }};
  t.push_back(
      diagonal_op.varied(1, {.name = "diagonal", .inputs = {real({2, 3, 5})}, .int64 = true, .empty = {{0, 3, 5}}}));
  t.push_back(diag_op(1).varied(
      -1, {.name = "diag", .variant = "of a vector", .inputs = {real({3})}, .int64 = true, .empty = {{0}}}));
  t.push_back(diag_op(2).varied(
      -2, {.name = "diag", .variant = "of a matrix", .inputs = {real({4, 3})}, .int64 = true, .empty = {{0, 3}}}));
}

}  // namespace wengert::test
