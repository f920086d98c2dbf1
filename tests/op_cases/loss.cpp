#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

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

namespace {

double huber_of(double d) { return std::abs(d) <= 0.7 ? d * d / 2 : 0.7 * (std::abs(d) - 0.35); }

}  // namespace

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

}  // namespace wengert::test
