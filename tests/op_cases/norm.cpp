#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

/// Numbers that a position of x belongs to: of the group that it is normalised with, of its weight and its bias.
using NumberOf = std::function<std::int64_t(const Index&)>;

struct Norm {
  NumberOf group;
  NumberOf parameter;
  double epsilon = 1e-5;
  bool centered = true;
};

/// in: x and, if they are there, weight and bias.
Array normalised(From in, const Norm& norm) {
  const Array& x = in[0];
  std::vector<Values> groups(x.data.size());
  make(x.shape, [&](const Index& i) {
    groups[static_cast<std::size_t>(norm.group(i))].push_back(x(i));
    return 0;
  });
  return make(x.shape, [&](const Index& i) {
    const Values& group = groups[static_cast<std::size_t>(norm.group(i))];
    const double mean = norm.centered ? mean_of(group) : 0;
    double squares = 0;
    for (const double v : group) squares += (v - mean) * (v - mean);
    double y = (x(i) - mean) / std::sqrt(squares / static_cast<double>(group.size()) + norm.epsilon);
    const auto parameter = static_cast<std::size_t>(norm.parameter(i));
    if (in.size() > 1) y *= in[1].data.at(parameter);
    if (in.size() > 2) y += in[2].data.at(parameter);
    return y;
  });
}

std::int64_t channel_of(const Index& i) { return i[1]; }

/// An input that may be missing.
Tensor optional(In in, std::size_t k) { return k < in.size() ? in[k] : Tensor(); }

/// x with weight, or with weight and bias, or alone, of the shapes given.
void draw_parameters(Draw& draw, OpCase& row, const Shape& x, const Shape& parameters, std::int64_t most = 2) {
  row.inputs = {separated(x)};
  for (std::int64_t k = draw.integer(0, most); k > 0; --k) row.inputs.push_back(real(parameters));
}

/// [N, C, ...] with at least two elements in a channel of the batch.
Shape draw_images(Draw& draw) {
  Shape x = draw.shape(2, 4);
  return x.numel() == x[1] ? x.with(0, 2) : x;
}

// Few close numbers make large and strongly curved gradients: nothing for differences. So epsilon is large.
double draw_epsilon(Draw& draw) { return draw.one_of({0.5, 0.1}); }

/// Every op takes x, weight and bias, either of which may be undefined, so only the rows of x alone reject.
const std::string nothing_to_reject("-");

void add_batch_norm(Table& t) {
  const auto trained = [](double epsilon) {
    return [epsilon](In in) {
      RunningStatistics running;
      return batch_norm(in[0], running, optional(in, 1), optional(in, 2), {.epsilon = epsilon});
    };
  };
  const auto reference = [](double epsilon) {
    return [epsilon](From in) {
      return normalised(in, {.group = channel_of, .parameter = channel_of, .epsilon = epsilon});
    };
  };
  t.push_back({.name = "batch_norm",
               .inputs = {separated({4, 3, 2, 3})},
               .f = trained(1e-5),
               .reference = reference(1e-5),
               .big = {{8, 70, 9, 17}}});
  t.push_back({.name = "batch_norm",
               .variant = "weight and bias",
               .inputs = {separated({3, 2, 19}), real({2}), real({2})},
               .f = trained(1e-5),
               .reference = reference(1e-5),
               .vary =
                   [=](Draw& draw, OpCase& row) {
                     const Shape x = draw_images(draw);
                     draw_parameters(draw, row, x, {x[1]});
                     const double epsilon = draw_epsilon(draw);
                     row.f = trained(epsilon);
                     row.reference = reference(epsilon);
                   },
               .big = {{4, 37, 1000}, {37}, {37}},
               .error_prefix = nothing_to_reject});
  t.push_back({.name = "batch_norm",
               .variant = "vectors",
               .inputs = {separated({5, 19}), real({19}), real({19})},
               .f = trained(1e-5),
               .reference = reference(1e-5),
               .big = {{700, 137}, {137}, {137}},
               .error_prefix = nothing_to_reject});

  const auto evaluated = [](In in) {
    const std::int64_t channels = in[0].dim(1);
    RunningStatistics running{linspace(-1, 1, channels, in[0].dtype()), linspace(0.5, 2, channels, in[0].dtype())};
    return batch_norm(in[0], running, optional(in, 1), optional(in, 2), {.training = false});
  };
  t.push_back({.name = "batch_norm",
               .variant = "evaluation",
               .inputs = {real({2, 3, 5}), real({3}), real({3})},
               .f = evaluated,
               .reference =
                   [](From in) {
                     const double steps = std::max(1.0, static_cast<double>(in[0].shape[1] - 1));
                     return make(in[0].shape, [&](const Index& i) {
                       const auto c = static_cast<double>(i[1]);
                       const double z = (in[0](i) - (-1 + 2 * c / steps)) / std::sqrt(0.5 + 1.5 * c / steps + 1e-5);
                       return z * (in.size() > 1 ? in[1]({i[1]}) : 1) + (in.size() > 2 ? in[2]({i[1]}) : 0);
                     });
                   },
               .vary =
                   [](Draw& draw, OpCase& row) {
                     const Shape x = draw.shape(2, 4);
                     draw_parameters(draw, row, x, {x[1]});
                   },
               .big = {{30, 20, 13, 17}, {20}, {20}},
               .empty = {{0, 3, 5}, {3}, {3}},
               .error_prefix = nothing_to_reject});
}

/// Of layer_norm and rms_norm: elements of x that the last `axes` axes hold.
std::int64_t size_of_last(const Shape& x, int axes) { return x.numel(x.rank() - axes, x.rank()); }

std::int64_t place_in(const Shape& x, const Index& i) {
  std::int64_t place = 0;
  for (int axis = 0; axis < x.rank(); ++axis) place = place * x[axis] + i[static_cast<std::size_t>(axis)];
  return place;
}

Array normalised_over_last_axes(From in, int axes, double epsilon, bool centered) {
  const Shape x = in[0].shape;
  const std::int64_t size = size_of_last(x, axes);
  return normalised(in, {.group = [=](const Index& i) { return place_in(x, i) / size; },
                         .parameter = [=](const Index& i) { return place_in(x, i) % size; },
                         .epsilon = epsilon,
                         .centered = centered});
}

Shape last_axes(const Shape& x, int axes) { return Shape(std::span(x.end() - axes, static_cast<std::size_t>(axes))); }

void add_layer_norm(Table& t) {
  const auto f = [](const LayerNormOptions& options) {
    return [options](In in) { return layer_norm(in[0], optional(in, 1), optional(in, 2), options); };
  };
  const auto reference = [](const LayerNormOptions& options) {
    return [options](From in) { return normalised_over_last_axes(in, options.axes, options.epsilon, true); };
  };
  t.push_back({.name = "layer_norm",
               .inputs = {separated({3, 19})},
               .f = f({}),
               .reference = reference({}),
               .big = {{3000, 37}},
               .empty = {{0, 3}}});
  t.push_back({.name = "layer_norm",
               .variant = "weight and bias",
               .inputs = {separated({2, 3, 5}), real({5}), real({5})},
               .f = f({}),
               .reference = reference({}),
               .vary =
                   [=](Draw& draw, OpCase& row) {
                     const Shape x = draw.shape(1, 4);
                     LayerNormOptions options{.axes = static_cast<int>(draw.integer(1, x.rank()))};
                     options.epsilon = draw_epsilon(draw);
                     draw_parameters(draw, row, x, last_axes(x, options.axes));
                     row.f = f(options);
                     row.reference = reference(options);
                   },
               .big = {{30, 100, 37}, {37}, {37}},
               .empty = {{2, 3, 0}, {0}, {0}},
               .error_prefix = nothing_to_reject});
  t.push_back({.name = "layer_norm",
               .variant = "two axes",
               .inputs = {separated({2, 3, 4}), real({3, 4}), real({3, 4})},
               .f = f({.axes = 2}),
               .reference = reference({.axes = 2}),
               .big = {{20, 30, 170}, {30, 170}, {30, 170}},
               .empty = {{0, 3, 4}, {3, 4}, {3, 4}},
               .error_prefix = nothing_to_reject});
}

void add_rms_norm(Table& t) {
  const auto f = [](const LayerNormOptions& options) {
    return [options](In in) { return rms_norm(in[0], optional(in, 1), options); };
  };
  const auto reference = [](const LayerNormOptions& options) {
    return [options](From in) { return normalised_over_last_axes(in, options.axes, options.epsilon, false); };
  };
  t.push_back({.name = "rms_norm",
               .inputs = {nonzero({3, 19}), real({19})},
               .f = f({.epsilon = 1e-6}),
               .reference = reference({.epsilon = 1e-6}),
               .vary =
                   [=](Draw& draw, OpCase& row) {
                     const Shape x = draw.shape(1, 4);
                     LayerNormOptions options{.axes = static_cast<int>(draw.integer(1, x.rank()))};
                     options.epsilon = draw_epsilon(draw);
                     draw_parameters(draw, row, x, last_axes(x, options.axes), 1);
                     row.f = f(options);
                     row.reference = reference(options);
                   },
               .big = {{3000, 37}, {37}},
               .empty = {{0, 3}, {3}},
               .last_is_optional = true});
}

void add_channel_norms(Table& t) {
  const auto group_of = [](const Shape& x, std::int64_t groups) {
    return [=](const Index& i) { return i[0] * groups + i[1] / (x[1] / groups); };
  };
  const auto f = [](std::int64_t groups, double epsilon) {
    return [=](In in) { return group_norm(in[0], groups, optional(in, 1), optional(in, 2), epsilon); };
  };
  const auto reference = [=](std::int64_t groups, double epsilon) {
    return [=](From in) {
      return normalised(in, {.group = group_of(in[0].shape, groups), .parameter = channel_of, .epsilon = epsilon});
    };
  };
  t.push_back({.name = "group_norm",
               .inputs = {separated({2, 4, 3})},
               .f = f(2, 1e-5),
               .reference = reference(2, 1e-5),
               .big = {{20, 6, 10, 100}},
               .empty = {{0, 4, 3}}});
  t.push_back({.name = "group_norm",
               .variant = "weight and bias",
               .inputs = {separated({2, 6, 2, 3}), real({6}), real({6})},
               .f = f(3, 1e-5),
               .reference = reference(3, 1e-5),
               .vary =
                   [=](Draw& draw, OpCase& row) {
                     const std::int64_t groups = draw.integer(1, 3);
                     Shape x = draw.shape(2, 4);
                     x = x.with(1, groups * draw.integer(1, 3));
                     draw_parameters(draw, row, x, {x[1]});
                     const double epsilon = draw_epsilon(draw);
                     row.f = f(groups, epsilon);
                     row.reference = reference(groups, epsilon);
                   },
               .big = {{20, 6, 10, 100}, {6}, {6}},
               .empty = {{0, 6, 2}, {6}, {6}},
               .error_prefix = nothing_to_reject});
  t.push_back({.name = "group_norm",
               .variant = "vectors",
               .inputs = {separated({3, 38}), real({38}), real({38})},
               .f = f(2, 1e-5),
               .reference = reference(2, 1e-5),
               .big = {{1000, 138}, {138}, {138}},
               .error_prefix = nothing_to_reject});

  const auto instance = [](double epsilon) {
    return [=](In in) { return instance_norm(in[0], optional(in, 1), optional(in, 2), epsilon); };
  };
  const auto instance_reference = [=](double epsilon) {
    return [=](From in) { return reference(in[0].shape[1], epsilon)(in); };
  };
  t.push_back({.name = "instance_norm",
               .inputs = {separated({2, 3, 5})},
               .f = instance(1e-5),
               .reference = instance_reference(1e-5),
               .big = {{20, 6, 10, 100}},
               .empty = {{0, 4, 3}}});
  t.push_back({.name = "instance_norm",
               .variant = "weight and bias",
               .inputs = {separated({2, 3, 3, 4}), real({3}), real({3})},
               .f = instance(1e-5),
               .reference = instance_reference(1e-5),
               .vary =
                   [=](Draw& draw, OpCase& row) {
                     const Shape x = draw.shape(2, 4);
                     draw_parameters(draw, row, x, {x[1]});
                     const double epsilon = draw_epsilon(draw);
                     row.f = instance(epsilon);
                     row.reference = instance_reference(epsilon);
                   },
               .big = {{20, 6, 10, 100}, {6}, {6}},
               .empty = {{0, 3, 2}, {3}, {3}},
               .error_prefix = nothing_to_reject});
}

}  // namespace

void add_normalisation(Table& t) {
  add_batch_norm(t);
  add_layer_norm(t);
  add_rms_norm(t);
  add_channel_norms(t);
}

// ---------------------------------------------------------------------------------------------------------------------
// Attention.

namespace {

/// The inputs behind query, key and value, in this order, and the options.
struct Attention {
  bool mask = false;
  bool bias = false;
  bool causal = false;
  std::optional<double> scale = {};
};

Shape with_matrix(const Shape& leading, std::int64_t rows, std::int64_t columns) {
  return leading.inserted(leading.rank(), rows).inserted(leading.rank() + 1, columns);
}

Shape leading(const Array& x) {
  return Shape(std::span(x.shape.begin(), static_cast<std::size_t>(x.shape.rank() - 2)));
}

std::function<Tensor(In)> attend(const Attention& a) {
  return [a](In in) {
    std::size_t next = 3;
    AttentionOptions options{.causal = a.causal, .scale = a.scale};
    if (a.mask) options.mask = in.at(next++);
    if (a.bias) options.bias = in.at(next);
    return scaled_dot_product_attention(in[0], in[1], in[2], options);
  };
}

/// The weights of one query: 0 where it does not look, exp(score) / sum(exp(score)) elsewhere.
Values weights_of(From in, const Attention& a, Index at) {
  const Array& query = in[0];
  const Array& key = in[1];
  const Array* mask = a.mask ? &in[3] : nullptr;
  const Array* bias = a.bias ? &in[a.mask ? 4 : 3] : nullptr;
  const int rank = std::max({query.shape.rank(), key.shape.rank(), in[2].shape.rank()});
  const auto row = static_cast<std::size_t>(rank - 2);
  const std::int64_t features = query.shape[query.shape.rank() - 1];
  const std::int64_t keys = key.shape[key.shape.rank() - 2];
  const double scale = a.scale.value_or(1 / std::sqrt(static_cast<double>(features)));
  const auto element = [&](const Array& x, std::int64_t i, std::int64_t j) {
    Index position = at;
    position[row] = i;
    position[row + 1] = j;
    return broadcast(x, position, rank);
  };
  const std::int64_t i = at[row];
  Values weights(static_cast<std::size_t>(keys));
  for (std::int64_t j = 0; j < keys; ++j) {
    if ((a.causal && j > i) || (mask && element(*mask, i, j) == 0)) continue;
    double score = 0;
    for (std::int64_t e = 0; e < features; ++e) score += element(query, i, e) * element(key, j, e);
    weights[static_cast<std::size_t>(j)] = std::exp(score * scale + (bias ? element(*bias, i, j) : 0));
  }
  const double total = sum_of(weights);
  for (double& weight : weights) weight = total == 0 ? 0 : weight / total;
  return weights;
}

std::function<Array(From)> attention_reference(const Attention& a) {
  return [a](From in) {
    const Shape batch =
        broadcast_shapes("reference", broadcast_shapes("reference", leading(in[0]), leading(in[1])), leading(in[2]));
    const Array& value = in[2];
    const auto row = static_cast<std::size_t>(batch.rank());
    const std::int64_t queries = in[0].shape[in[0].shape.rank() - 2];
    return make(with_matrix(batch, queries, value.shape[value.shape.rank() - 1]), [&](const Index& at) {
      const Values weights = weights_of(in, a, at);
      double sum = 0;
      for (std::size_t j = 0; j < weights.size(); ++j) {
        Index position = at;
        position[row] = static_cast<std::int64_t>(j);
        sum += weights[j] * broadcast(value, position, batch.rank() + 2);
      }
      return sum;
    });
  };
}

void draw_attention(Draw& draw, OpCase& row) {
  const Shape batch = draw.shape(0, 2);
  const std::int64_t queries = draw.size();
  const std::int64_t keys = draw.size();
  const std::int64_t features = draw.size();
  const std::int64_t values = draw.size();
  Shape batches[3];
  for (Shape& each : batches) each = draw.broadcasting_to(batch);
  batches[draw.integer(0, 2)] = batch;
  row.inputs = {real(with_matrix(batches[0], queries, features)), real(with_matrix(batches[1], keys, features)),
                real(with_matrix(batches[2], keys, values))};
  const Attention a{.mask = draw.coin(),
                    .bias = draw.coin(),
                    .causal = draw.coin(),
                    .scale = draw.one_of<std::optional<double>>({std::nullopt, 0.3, -1.0, 0.0})};
  const Shape scores = with_matrix(batch, queries, keys);
  if (a.mask) row.inputs.push_back(index_below(2, draw.broadcasting_to(scores)));
  if (a.bias) row.inputs.push_back(real(draw.broadcasting_to(scores)));
  row.f = attend(a);
  row.reference = attention_reference(a);
}

}  // namespace

void add_attention(Table& t) {
  const auto row = [](const char* name, const Attention& a, std::vector<Input> inputs) {
    return OpCase{.name = "scaled_dot_product_attention",
                  .variant = name,
                  .inputs = std::move(inputs),
                  .f = attend(a),
                  .reference = attention_reference(a)};
  };
  const std::vector<Input> three{real({2, 3, 4}), real({2, 19, 4}), real({2, 19, 5})};
  OpCase plain = row("", {}, three);
  plain.vary = draw_attention;
  plain.big = {{4, 300, 8}, {4, 200, 8}, {4, 200, 16}};
  plain.empty = {{2, 0, 4}, {2, 5, 4}, {2, 5, 3}};
  t.push_back(plain);

  OpCase causal = row("causal", {.causal = true, .scale = 0.7}, {real({2, 5, 4}), real({4, 4}), real({2, 4, 3})});
  causal.big = {{4, 300, 8}, {200, 8}, {4, 200, 16}};
  causal.empty = {{2, 5, 4}, {0, 4}, {2, 0, 3}};  // no keys: zeros
  t.push_back(causal);

  OpCase biased = row("bias", {.bias = true}, {real({2, 3, 4}), real({5, 4}), real({5, 2}), real({3, 5})});
  biased.big = {{4, 300, 8}, {200, 8}, {200, 16}, {300, 200}};
  biased.last_is_optional = true;
  t.push_back(biased);

  OpCase masked =
      row("mask and bias of some axes", {.mask = true, .bias = true, .causal = true},
          {real({2, 1, 3, 4}), real({3, 5, 4}), real({5, 2}), index_below(2, {3, 1, 5}), real({2, 1, 3, 1})});
  masked.big = {{2, 1, 300, 4}, {3, 200, 4}, {200, 2}, {3, 1, 200}, {2, 1, 300, 1}};
  masked.error_prefix = nothing_to_reject;
  t.push_back(masked);
}

}  // namespace wengert::test
