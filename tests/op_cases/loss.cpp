#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

/// log softmax along the last axis of a matrix.
Array log_softmax_of(const Array& x) {
  const Array normalizer = reduce(x, {1}, logsumexp_of);
  return make(x.shape, [&](const Index& i) { return x(i) - normalizer({i[0]}); });
}

/// log softmax along an axis of anything.
Array log_softmax_along(const Array& x, int axis) {
  const Array normalizer = reduce(x, {axis}, logsumexp_of);
  return make(x.shape, [&](const Index& i) {
    Index others = i;
    std::copy(i.begin() + axis + 1, i.end(), others.begin() + axis);
    return x(i) - normalizer(others);
  });
}

/// Any axis, counted from either end.
void any_softmax(Draw& draw, OpCase& row) {
  row.inputs[0].shape = draw.shape(1, 4);
  const int rank = row.inputs[0].shape.rank();
  const auto axis = static_cast<int>(draw.integer(0, rank - 1));
  const int asked = draw.coin() ? axis : axis - rank;
  const bool log = row.name == "log_softmax";
  row.f = [=](In in) { return log ? log_softmax(in[0], asked) : softmax(in[0], asked); };
  row.reference = [=](From in) {
    Array y = log_softmax_along(in[0], axis);
    for (double& value : y.data) value = log ? value : std::exp(value);
    return y;
  };
}

/// Logits of n samples and k classes with a label for each.
void any_labels(Draw& draw, OpCase& row) {
  const std::int64_t n = draw.size();
  const std::int64_t k = draw.size();
  row.inputs = {real({n, k}), index_below(static_cast<int>(k), {n})};
}

/// For losses that are means over pairs of elements.
void any_pairs(Draw& draw, OpCase& row) {
  const Shape shape = draw.shape(0, 4);
  for (Input& input : row.inputs) input.shape = shape;
}

template <class F>
Array mean_over_pairs(const Array& a, const Array& b, F f) {
  double sum = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) sum += f(a.data[i], b.data[i]);
  return number(sum / static_cast<double>(a.data.size()));
}

}  // namespace

void add_softmax_and_losses(Table& t) {
  t.push_back({.name = "softmax",
               .inputs = {real({3, 19})},
               .f = [](In in) { return softmax(in[0]); },
               .reference =
                   [](From in) {
                     const Array logs = log_softmax_of(in[0]);
                     return make(logs.shape, [&](const Index& i) { return std::exp(logs(i)); });
                   },
               .vary = any_softmax,
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
               .vary = any_softmax,
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
                     const std::int64_t n = logs.shape[0];
                     double sum = 0;
                     for (std::int64_t i = 0; i < n; ++i) sum -= logs({i, static_cast<std::int64_t>(in[1]({i}))});
                     return number(sum / static_cast<double>(n));
                   },
               .vary = any_labels,
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
                     return number(sum / static_cast<double>(logs.shape[0]));
                   },
               .vary =
                   [](Draw& draw, OpCase& row) {
                     row.inputs[0].shape = row.inputs[1].shape = {draw.size(), draw.size()};
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
               .vary = any_pairs,
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
               .vary = any_pairs,
               .big = {{300, 400}, {300, 400}}});
  t.push_back(
      {.name = "mse_loss",
       .inputs = {real({3, 4}), real({3, 4})},
       .binary = mse_loss,
       .reference =
           [](From in) { return mean_over_pairs(in[0], in[1], [](double x, double y) { return (x - y) * (x - y); }); },
       .vary = any_pairs,
       .big = {{300, 400}, {300, 400}}});
}

namespace {

double huber_of(double d, double delta) { return std::abs(d) <= delta ? d * d / 2 : delta * (std::abs(d) - delta / 2); }

void any_huber(Draw& draw, OpCase& row) {
  any_pairs(draw, row);
  const double delta = draw.one_of({0.7, 0.1, 3.0});
  const bool smooth_l1 = row.name == "smooth_l1_loss";
  row.binary = nullptr;
  row.f = [=](In in) { return smooth_l1 ? smooth_l1_loss(in[0], in[1], delta) : huber_loss(in[0], in[1], delta); };
  row.reference = [=](From in) {
    return mean_over_pairs(in[0], in[1],
                           [&](double x, double y) { return huber_of(x - y, delta) / (smooth_l1 ? delta : 1); });
  };
}

/// Samples with any features.
void any_samples(Draw& draw, OpCase& row) { row.inputs[0].shape = row.inputs[1].shape = draw.shape(1, 4); }

Array kl_div_of(From in) {
  double sum = 0;
  for (std::size_t i = 0; i < in[0].data.size(); ++i) {
    sum += in[1].data[i] * (std::log(in[1].data[i]) - in[0].data[i]);
  }
  return number(sum / static_cast<double>(in[0].shape[0]));
}

/// Labels that are smoothed, classes with weights, one class that does not count; or only some of it.
void any_cross_entropy(Draw& draw, OpCase& row) {
  any_labels(draw, row);
  const double smoothing = draw.one_of({0.0, 0.2, 1.0});
  if (draw.coin()) row.inputs.push_back(positive({row.inputs[0].shape[1]}));
  std::optional<std::int64_t> ignored;
  if (draw.coin()) {
    // One that some row has but not all, if there is any; else one that none has.
    const Values labels = to_array(make_inputs(row, float64)[1]).data;
    const bool all_equal = std::all_of(labels.begin(), labels.end(), [&](double label) { return label == labels[0]; });
    ignored = all_equal ? -1 : static_cast<std::int64_t>(labels[0]);
  }
  row.f = [=](In in) {
    const Tensor weight = in.size() > 2 ? in[2] : Tensor();
    return cross_entropy(in[0], in[1], {.label_smoothing = smoothing, .weight = weight, .ignore_index = ignored});
  };
  row.reference = [=](From in) {
    const auto weight = [&](std::int64_t k) { return in.size() > 2 ? in[2]({k}) : 1; };
    const Array logs = log_softmax_of(in[0]);
    const std::int64_t classes = logs.shape[1];
    double loss = 0;
    double weights = 0;
    for (std::int64_t i = 0; i < logs.shape[0]; ++i) {
      const auto label = static_cast<std::int64_t>(in[1]({i}));
      if (label == ignored) continue;
      weights += weight(label);
      for (std::int64_t k = 0; k < classes; ++k) {
        const double wanted = smoothing / static_cast<double>(classes) + (k == label ? 1 - smoothing : 0);
        loss -= wanted * weight(k) * logs({i, k});
      }
    }
    return number(loss / weights);
  };
}

/// Along any axis, of vectors that are longer than epsilon, or shorter.
Array cosine_similarity_of(From in, int axis, double epsilon) {
  const auto dot = [&](const Array& a, const Array& b) {
    return reduce(make(a.shape, [&](const Index& i) { return a(i) * b(i); }), {axis}, sum_of);
  };
  const auto length = [&](double square) { return std::max(std::sqrt(square), epsilon); };
  Array y = dot(in[0], in[1]);
  const Array a = dot(in[0], in[0]);
  const Array b = dot(in[1], in[1]);
  for (std::size_t i = 0; i < y.data.size(); ++i) y.data[i] /= length(a.data[i]) * length(b.data[i]);
  return y;
}

void any_cosine_similarity(Draw& draw, OpCase& row) {
  const Shape shape = draw.shape(1, 4);
  const auto axis = static_cast<int>(draw.integer(0, shape.rank() - 1));
  const double epsilon = draw.one_of({1e-8, 10.0});
  row.inputs = {nonzero(shape), nonzero(shape)};
  row.binary = nullptr;
  row.f = [=](In in) { return cosine_similarity(in[0], in[1], axis - in[0].rank(), epsilon); };
  row.reference = [=](From in) { return cosine_similarity_of(in, axis, epsilon); };
}

Array triplet_margin_loss_of(From in, double margin) {
  const auto distance = [&](const Array& x) {
    const Array d = make(x.shape, [&](const Index& i) { return in[0](i) - x(i); });
    return reduce(d, {x.shape.rank() - 1}, [](const Values& v) { return norm_of(v, 2); });
  };
  return mean_over_pairs(distance(in[1]), distance(in[2]),
                         [&](double near, double far) { return std::max(0.0, near - far + margin); });
}

void any_triplets(Draw& draw, OpCase& row) {
  const Shape shape = draw.shape(1, 4);
  const double margin = draw.one_of({1.5, 0.0, 0.5});
  for (Input& input : row.inputs) input.shape = shape;
  row.f = [=](In in) { return triplet_margin_loss(in[0], in[1], in[2], margin); };
  row.reference = [=](From in) { return triplet_margin_loss_of(in, margin); };
}

}  // namespace

void add_composed_losses(Table& t) {
  const auto pair = [&](const char* name, Tensor (*f)(const Tensor&, const Tensor&), Array (*reference)(From),
                        const Input& a, const Input& b, void (*vary)(Draw&, OpCase&) = any_pairs) {
    t.push_back({.name = name,
                 .inputs = {a, b},
                 .binary = f,
                 .reference = reference,
                 .vary = vary,
                 .big = {{300, 400}, {300, 400}}});
  };
  pair(
      "l1_loss", l1_loss,
      [](From in) { return mean_over_pairs(in[0], in[1], [](double x, double y) { return std::abs(x - y); }); },
      separated({3, 4}), separated({3, 4}));
  pair(
      "huber_loss", [](const Tensor& x, const Tensor& y) { return huber_loss(x, y, 0.7); },
      [](From in) { return mean_over_pairs(in[0], in[1], [](double x, double y) { return huber_of(x - y, 0.7); }); },
      real({3, 4}), real({3, 4}), any_huber);
  pair(
      "smooth_l1_loss", [](const Tensor& x, const Tensor& y) { return smooth_l1_loss(x, y, 0.7); },
      [](From in) {
        return mean_over_pairs(in[0], in[1], [](double x, double y) { return huber_of(x - y, 0.7) / 0.7; });
      },
      real({3, 4}), real({3, 4}), any_huber);
  pair(
      "hinge_loss", hinge_loss,
      [](From in) {
        return mean_over_pairs(in[0], in[1], [](double x, double y) { return std::max(0.0, 1 - x * y); });
      },
      real({3, 4}), real({3, 4}));
  pair("kl_div", kl_div, kl_div_of, real({3, 4}), probability({3, 4}), any_samples);
  t.push_back({.name = "nll_loss",
               .inputs = {real({5, 4}), index_below(4, {5})},
               .binary = nll_loss,
               .reference =
                   [](From in) {
                     const std::int64_t n = in[0].shape[0];
                     double sum = 0;
                     for (std::int64_t i = 0; i < n; ++i) sum -= in[0]({i, static_cast<std::int64_t>(in[1]({i}))});
                     return number(sum / static_cast<double>(n));
                   },
               .vary = any_labels,
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
               .vary = any_cross_entropy,
               .last_is_optional = true});
  pair(
      "cosine_similarity", [](const Tensor& x, const Tensor& y) { return cosine_similarity(x, y, 1); },
      [](From in) { return cosine_similarity_of(in, 1, 1e-8); }, real({3, 4}), real({3, 4}), any_cosine_similarity);
  t.push_back({.name = "triplet_margin_loss",
               .inputs = {real({5, 3}), real({5, 3}), real({5, 3})},
               .f = [](In in) { return triplet_margin_loss(in[0], in[1], in[2], 1.5); },
               .reference = [](From in) { return triplet_margin_loss_of(in, 1.5); },
               .vary = any_triplets,
               .big = {{3000, 37}, {3000, 37}, {3000, 37}}});
}

}  // namespace wengert::test
