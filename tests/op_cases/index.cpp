#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

std::int64_t integer(double value) { return static_cast<std::int64_t>(value); }

/// Where element `i` of the result is in the tensor that `index`, of as many axes, points into along `axis`.
Index pointed_to(const Array& index, Index i, int axis) {
  const std::int64_t position = integer(index(i));
  along(i, axis) = position;
  return i;
}

/// Options of gather, scatter and scatter_add: the axis, which is all there is.
OpWith<int> gather_op() {
  return {.f = [](In in, int axis) { return gather(in[0], axis, in[1]); },
          .reference =
              [](From in, int axis) {
                axis = from_front(axis, in[0].shape.rank());
                return make(in[1].shape, [&](const Index& i) { return in[0](pointed_to(in[1], i, axis)); });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                Shape shape = draw.any_shape(1, 3);
                const int axis = draw.axis(shape.rank());
                if (shape[from_front(axis, shape.rank())] == 0) shape = shape.with(from_front(axis, shape.rank()), 1);
                // As long as one likes along the axis; not larger than x elsewhere.
                Shape index = shape;
                for (int k = 0; k < shape.rank(); ++k) {
                  const bool free = k == from_front(axis, shape.rank());
                  index = index.with(k, free ? draw.integer(0, 7) : shape[k] - draw.integer(0, 4) % (shape[k] + 1));
                }
                row.inputs[0].shape = shape;
                row.inputs[1] = index_below(static_cast<int>(shape[from_front(axis, shape.rank())]), index);
                if (row.inputs.size() == 3) row.inputs[2].shape = index;  // the source
                return axis;
              }};
}

OpWith<int> scatter_op(Tensor (*op)(const Tensor&, int, const Tensor&, const Tensor&), bool adds) {
  return {.f = [op](In in, int axis) { return op(in[0], axis, in[1], in[2]); },
          .reference =
              [adds](From in, int axis) {
                axis = from_front(axis, in[0].shape.rank());
                Array result = in[0];
                make(in[1].shape, [&](const Index& i) {
                  double& element = result.at(pointed_to(in[1], i, axis));
                  return element = in[2](i) + (adds ? element : 0);
                });
                return result;
              },
          .draw = gather_op().draw};
}

OpWith<int> index_select_op() {
  return {.f = [](In in, int axis) { return index_select(in[0], axis, in[1]); },
          .reference =
              [](From in, int axis) {
                return taken_along(in[0], axis, in[1].shape[0], [&](std::int64_t i) { return integer(in[1]({i})); });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape shape = draw.any_shape(1, 4);
                const int axis = draw.axis(shape.rank());
                const std::int64_t size = draw.size();
                row.inputs[0].shape = shape.with(from_front(axis, shape.rank()), size);
                row.inputs[1] = index_below(static_cast<int>(size), {draw.integer(0, 7)});
                return axis;
              }};
}

OpWith<std::int64_t> one_hot_op() {
  return {.f = [](In in, std::int64_t classes) { return one_hot(in[0], classes); },
          .reference =
              [](From in, std::int64_t classes) {
                const int rank = in[0].shape.rank();
                return make(in[0].shape.inserted(rank, classes), [&](Index i) -> double {
                  const std::int64_t number = along(i, rank);
                  along(i, rank) = 0;
                  return integer(in[0](i)) == number;
                });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const std::int64_t classes = draw.size();
                row.inputs[0] = index_below(static_cast<int>(classes), draw.any_shape(0, 4));
                return classes;
              }};
}

}  // namespace

void add_index_ops(Table& t) {
  t.push_back(gather_op().varied(1, {.name = "gather",
                                     .inputs = {real({3, 4}), index_below(4, {2, 5})},
                                     .int64 = true,
                                     .big = {{300, 400}, {300, 500}},
                                     .empty = {{3, 4}, {0, 5}}}));
  t.push_back(gather_op().row(0, {.name = "gather",
                                  .variant = "leading axis",
                                  .inputs = {real({3, 4}), index_below(3, {2, 4})},
                                  .int64 = true,
                                  .big = {{300, 400}, {500, 400}}}));
  const OpCase scatter_row{.inputs = {real({3, 4}), index_below(4, {2, 5}), real({2, 5})},
                           .int64 = true,
                           .big = {{300, 400}, {300, 500}, {300, 500}},
                           .empty = {{3, 4}, {0, 5}, {0, 5}}};
  t.push_back(scatter_op(scatter_add, true).varied(1, named("scatter_add", scatter_row)));
  t.push_back(scatter_op(scatter, false).varied(1, named("scatter", scatter_row)));
  t.push_back(index_select_op().varied(0, {.name = "index_select",
                                           .inputs = {real({3, 4}), index_below(3, {5})},
                                           .int64 = true,
                                           .big = {{300, 400}, {350}},
                                           .empty = {{3, 4}, {0}}}));
  t.push_back(index_select_op().row(-1, {.name = "index_select",
                                         .variant = "last axis",
                                         .inputs = {real({3, 4}), index_below(4, {5})},
                                         .int64 = true,
                                         .big = {{300, 400}, {350}}}));
  t.push_back(one_hot_op().varied(4, {.name = "one_hot",
                                      .inputs = {index_below(4, {2, 3})},
                                      .gradient = false,
                                      .big = {{300, 200}},
                                      .empty = {{0, 3}}}));
}

namespace {

/// The items of an index. A tensor among them is one of the inputs, counted from 1 on, whose positions are moved by
/// `shift`: by minus the axis' size, so that they count from the end.
struct Item {
  IndexItem::Kind kind = IndexItem::Kind::slice;
  std::int64_t number = 0;
  Slice slice = {};
  std::size_t input = 0;
  std::int64_t shift = 0;
};
using Items = std::vector<Item>;
using Kind = IndexItem::Kind;

IndexItem with_tensor(const Item& item, In in) {
  switch (item.kind) {
    case Kind::number: return item.number;
    case Kind::slice: return item.slice;
    case Kind::ellipsis: return Ellipsis;
    case Kind::new_axis: return NewAxis;
    default: return in[item.input] + static_cast<double>(item.shift);
  }
}

/// The op takes a list that is written out; its length is found among 0 to 6.
template <std::size_t... I>
Tensor apply_index(In in, const Items& items, std::index_sequence<I...>) {
  if (items.size() == sizeof...(I)) return index(in[0], {with_tensor(items[I], in)...});
  if constexpr (sizeof...(I) < 6) return apply_index(in, items, std::make_index_sequence<sizeof...(I) + 1>());
  throw std::length_error("more items than an index in the table of cases may have");
}

/// An axis and the input that names positions of it.
struct Named {
  int axis;
  const Array* positions;
};

/// x with the joint shape of the positions in the place of the axes that they are of; in front if these are apart.
Array taken_together(const Array& x, const std::vector<Named>& named) {
  Shape joint;
  for (const Named& n : named) joint = broadcast_shapes("reference", joint, n.positions->shape);
  const bool neighbours = named.back().axis - named.front().axis + 1 == std::ssize(named);
  std::vector<int> others;
  std::vector<std::int64_t> sizes;
  for (int axis = 0; axis < x.shape.rank(); ++axis) {
    if (std::any_of(named.begin(), named.end(), [&](const Named& n) { return n.axis == axis; })) continue;
    others.push_back(axis);
    sizes.push_back(x.shape[axis]);
  }
  const int begin = neighbours ? named.front().axis : 0;
  sizes.insert(sizes.begin() + begin, joint.begin(), joint.end());
  return make(Shape(sizes), [&](const Index& i) {
    Index at_joint{};
    std::copy_n(i.begin() + begin, joint.rank(), at_joint.begin());
    Index from{};
    for (int k = 0; k < static_cast<int>(others.size()); ++k) {
      along(from, others[static_cast<std::size_t>(k)]) = along(i, k < begin ? k : k + joint.rank());
    }
    for (const Named& n : named) along(from, n.axis) = integer(broadcast(*n.positions, at_joint, joint.rank()));
    return x(from);
  });
}

Array indexed(From in, const Items& items) {
  const auto named_axes = std::count_if(items.begin(), items.end(), [](const Item& item) {
    return item.kind != Kind::ellipsis && item.kind != Kind::new_axis;
  });
  Array result = in[0];
  std::vector<Named> named;
  int axis = 0;
  for (const Item& item : items) {
    switch (item.kind) {
      case Kind::number: {
        const std::int64_t number = item.number < 0 ? item.number + result.shape[axis] : item.number;
        result = reshaped(taken_along(result, axis, {number}), result.shape.removed(axis));
        break;
      }
      case Kind::slice: {
        result = taken_along(result, axis, positions_of(item.slice, result.shape[axis]));
        ++axis;
        break;
      }
      case Kind::ellipsis: axis += in[0].shape.rank() - static_cast<int>(named_axes); break;
      case Kind::new_axis: result.shape = result.shape.inserted(axis++, 1); break;
      case Kind::tensor: named.push_back({axis++, &in[item.input]}); break;
    }
  }
  return named.empty() ? result : taken_together(result, named);
}

/// An item for an axis of this size; a tensor becomes another input, whose shape broadcasts to `joint`.
Item draw_item(Draw& draw, OpCase& row, std::int64_t size, const Shape& joint) {
  const auto bound = [&]() -> std::optional<std::int64_t> {
    if (draw.coin()) return {};
    return draw.integer(-7, 7);
  };
  Item item{.kind = draw.one_of({Kind::slice, Kind::tensor, Kind::number})};
  if (size == 0) item.kind = Kind::slice;
  if (item.kind == Kind::number) item.number = draw.integer(-size, size - 1);
  if (item.kind == Kind::slice) item.slice = {bound(), bound(), draw.one_of<std::int64_t>({1, -1, 2, -2, 9})};
  if (item.kind == Kind::tensor) {
    item.input = row.inputs.size();
    item.shift = draw.coin() ? -size : 0;
    row.inputs.push_back(index_below(static_cast<int>(size), draw.broadcasting_to(joint)));
  }
  return item;
}

Items draw_items(Draw& draw, OpCase& row) {
  const Shape shape = draw.any_shape(0, 4);
  const Shape joint = draw.any_shape(0, 2);
  row.inputs = {real(shape)};
  Items items;
  // All axes, or the first ones and the last ones with an ellipsis between them, or at the end.
  const auto begin = static_cast<int>(draw.integer(0, shape.rank()));
  const auto end = static_cast<int>(draw.integer(begin, shape.rank()));
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (axis == begin && end > begin) items.push_back({.kind = Kind::ellipsis});
    if (axis < begin || axis >= end) items.push_back(draw_item(draw, row, shape[axis], joint));
  }
  if (draw.coin()) {
    items.insert(items.begin() + draw.integer(0, std::ssize(items)), {.kind = Kind::new_axis});
  }
  return items;
}

struct TakeAlong {
  int axis = -1;
  bool leading_axis_missing = false;  // of the index, which gets one of size 1
};

OpWith<TakeAlong> take_along_dim_op() {
  return {.f =
              [](In in, const TakeAlong& o) {
                return take_along_dim(in[0], o.axis, o.leading_axis_missing ? unsqueeze(in[1], 0) : in[1]);
              },
          .reference =
              [](From in, const TakeAlong& o) {
                const int rank = in[0].shape.rank();
                const int axis = from_front(o.axis, rank);
                const Array index = reshaped(in[1], o.leading_axis_missing ? in[1].shape.inserted(0, 1) : in[1].shape);
                const Shape joint = broadcast_shapes("reference", in[0].shape.with(axis, 1), index.shape.with(axis, 1));
                return make(joint.with(axis, index.shape[axis]), [&](const Index& i) {
                  Index from = broadcast_index(in[0].shape, i, rank);
                  along(from, axis) = integer(broadcast(index, i, rank));
                  return in[0](from);
                });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                const Shape joint = draw.any_shape(1, 4);
                const int rank = joint.rank();
                const int axis = draw.axis(rank);
                const std::int64_t size = draw.size();
                Shape shape = joint.with(from_front(axis, rank), size);
                Shape index = joint.with(from_front(axis, rank), draw.integer(0, 7));
                for (int k = 0; k < rank; ++k) {
                  if (k == from_front(axis, rank)) continue;
                  Shape& stretched = draw.coin() ? shape : index;
                  if (draw.coin()) stretched = stretched.with(k, 1);
                }
                row.inputs = {real(shape), index_below(static_cast<int>(size), index)};
                return TakeAlong{.axis = axis};
              }};
}

OpWith<double> masked_fill_op() {
  return {.f = [](In in, double value) { return masked_fill(in[0], in[1], value); },
          .reference =
              [](From in, double value) {
                return make(in[0].shape, [&](const Index& i) {
                  return broadcast(in[1], i, in[0].shape.rank()) != 0 ? value : in[0](i);
                });
              },
          .draw =
              [](Draw& draw, OpCase& row) {
                row.inputs[0].shape = draw.any_shape(0, 4);
                row.inputs[1].shape = draw.broadcasting_to(row.inputs[0].shape);
                return draw.one_of({0.0, -7.0, 0.25});
              }};
}

}  // namespace

void add_more_index_ops(Table& t) {
  const OpWith<Items> index_op{
      .f = [](In in, const Items& items) { return apply_index(in, items, std::index_sequence<>()); },
      .reference = indexed,
      .draw = draw_items};
  t.push_back(index_op.varied({{.kind = Kind::number, .number = -1},
                               {.kind = Kind::ellipsis},
                               {.kind = Kind::new_axis},
                               {.slice = {3, {}, -2}}},
                              {.name = "index",
                               .variant = "numbers, slices and new axes",
                               .inputs = {real({3, 4, 2, 5})},
                               .int64 = true,
                               .empty = {{3, 0, 2, 5}}}));
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
  t.push_back(take_along_dim_op().row({.axis = -1, .leading_axis_missing = true},
                                      {.name = "take_along_dim",
                                       .inputs = {real({3, 1, 4}), index_below(4, {2, 5})},
                                       .int64 = true,
                                       .empty = {{0, 1, 4}, {2, 5}},
                                       .error_prefix = "-"}));
  t.push_back(take_along_dim_op().varied({.axis = 0}, {.name = "take_along_dim",
                                                       .variant = "same shape off the axis",
                                                       .inputs = {real({3, 4}), index_below(3, {2, 4})},
                                                       .int64 = true,
                                                       .big = {{300, 400}, {500, 400}}}));
  t.push_back(masked_fill_op().varied(-7, {.name = "masked_fill",
                                           .inputs = {real({2, 3, 4}), condition({3, 1})},
                                           .int64 = true,
                                           .big = {{20, 30, 100}, {30, 1}},
                                           .empty = {{0, 3, 4}, {3, 1}}}));
  t.push_back({.name = "embedding",
               .inputs = {real({5, 3}), index_below(5, {2, 4})},
               .f = [](In in) { return embedding(in[0], in[1]); },
               .reference =
                   [](From in) {
                     const Shape& index = in[1].shape;
                     Shape shape = index;
                     for (int k = 1; k < in[0].shape.rank(); ++k) shape = shape.inserted(shape.rank(), in[0].shape[k]);
                     return make(shape, [&](const Index& i) {
                       Index of_index{};
                       std::copy_n(i.begin(), index.rank(), of_index.begin());
                       Index from{integer(in[1](of_index))};
                       std::copy_n(i.begin() + index.rank(), in[0].shape.rank() - 1, from.begin() + 1);
                       return in[0](from);
                     });
                   },
               .vary =
                   [](Draw& draw, OpCase& row) {
                     const std::int64_t rows = draw.size();
                     row.inputs = {real(draw.any_shape(1, 3).with(0, rows)),
                                   index_below(static_cast<int>(rows), draw.any_shape(0, 3))};
                   },
               .int64 = true,
               .big = {{500, 30}, {40, 100}},
               .empty = {{5, 3}, {0, 4}}});
}

}  // namespace wengert::test
