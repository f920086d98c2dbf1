// The classic question of how many times a function's time its gradient takes. Per function and size two lines: the
// value, and the value with its gradient, in float64; "hand" is Eigen's value, and value with gradient written by hand.

#include <Eigen/Core>
#include <cmath>
#include <map>
#include <memory>
#include <numbers>
#include <random>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <wengert/autograd.h>

#include "benchmarks/comparison.h"

namespace wengert::bench {

namespace {

using Vector = Eigen::VectorXd;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double log_sqrt_two_pi = 0.91893853320467274178;

/// One function of one tensor, with constants that it knows, in both ways.
struct Function {
  Tensor x;
  std::function<Tensor(const Tensor& x)> ours;
  std::function<double(const double* x)> value;
  std::function<double(const double* x, double* gradient)> gradient;  ///< the value, too
};

Eigen::Map<const Vector> vector(const double* x, std::int64_t n) { return {x, n}; }
Eigen::Map<Vector> vector(double* x, std::int64_t n) { return {x, n}; }

Tensor uniform(const Shape& shape, double low, double high) {
  static Generator generator(5);
  return rand(shape, float64, generator) * (high - low) + low;
}

Function sum_function(std::int64_t n) {
  return {.x = uniform({n}, -1, 1),
          .ours = [](const Tensor& x) { return sum(x); },
          .value = [n](const double* x) { return vector(x, n).sum(); },
          .gradient =
              [n](const double* x, double* g) {
                vector(g, n).setOnes();
                return vector(x, n).sum();
              }};
}

/// Of numbers around 1, whose product stays one.
Function product_function(std::int64_t n) {
  const double spread = 1 / std::sqrt(static_cast<double>(n));
  return {.x = uniform({n}, 1 - spread, 1 + spread),
          .ours = [](const Tensor& x) { return prod(x); },
          .value = [n](const double* x) { return vector(x, n).prod(); },
          .gradient =
              [n](const double* x, double* g) {
                const double product = vector(x, n).prod();
                vector(g, n) = product * vector(x, n).cwiseInverse();
                return product;
              }};
}

Function log_sum_exp_function(std::int64_t n) {
  return {.x = uniform({n}, -3, 3),
          .ours = [](const Tensor& x) { return logsumexp(x); },
          .value =
              [n](const double* x) {
                const double largest = vector(x, n).maxCoeff();
                return largest + std::log((vector(x, n).array() - largest).exp().sum());
              },
          .gradient =
              [n](const double* x, double* g) {
                const double largest = vector(x, n).maxCoeff();
                auto powers = vector(g, n);
                powers = (vector(x, n).array() - largest).exp();
                const double total = powers.sum();
                powers *= 1 / total;
                return largest + std::log(total);
              }};
}

/// The sum of the elements of A B for two square matrices that are one tensor of 2 rows^2 numbers.
Function matrix_function(std::int64_t rows) {
  const std::int64_t size = rows * rows;
  using Map = Eigen::Map<const Matrix>;
  const auto scratch = std::make_shared<Matrix>(rows, rows);
  return {.x = uniform({2, rows, rows}, -1, 1),
          .ours = [](const Tensor& x) { return sum(matmul(x[0], x[1])); },
          .value =
              [=](const double* x) {
                scratch->noalias() = Map(x, rows, rows) * Map(x + size, rows, rows);
                return scratch->sum();
              },
          .gradient =
              [=](const double* x, double* g) {
                scratch->noalias() = Map(x, rows, rows) * Map(x + size, rows, rows);
                const double total = scratch->sum();
                scratch->setOnes();  // the gradient of the product, as any caller could give another
                Eigen::Map<Matrix>(g, rows, rows).noalias() = *scratch * Map(x + size, rows, rows).transpose();
                Eigen::Map<Matrix>(g + size, rows, rows).noalias() = Map(x, rows, rows).transpose() * *scratch;
                return total;
              }};
}

/// log p(data) for normal data, by mean and logarithm of the deviation: [2].
Function normal_function(std::int64_t n) {
  const Tensor data = uniform({n}, -2, 3);
  const auto samples = std::make_shared<Vector>(vector(data.data<double>().data(), n));
  const auto count = static_cast<double>(n);
  return {.x = from_data({0.3, 0.2}, float64),
          .ours =
              [data, count](const Tensor& x) {
                const Tensor z = (data - x[0]) * exp(-x[1]);
                return -0.5 * sum(square(z)) - count * (x[1] + log_sqrt_two_pi);
              },
          .value =
              [samples, count](const double* x) {
                const double squares = (samples->array() - x[0]).square().sum();
                return -0.5 * std::exp(-2 * x[1]) * squares - count * (x[1] + log_sqrt_two_pi);
              },
          .gradient =
              [samples, count](const double* x, double* g) {
                const double total = (samples->array() - x[0]).sum();
                const double squares = (samples->array() - x[0]).square().sum();
                const double precision = std::exp(-2 * x[1]);
                g[0] = precision * total;
                g[1] = precision * squares - count;
                return -0.5 * precision * squares - count * (x[1] + log_sqrt_two_pi);
              }};
}

/// Mean of squares of y - X w for ten features and n samples, by w.
Function regression_function(std::int64_t n) {
  constexpr std::int64_t features = 10;
  const Tensor inputs = uniform({n, features}, -1, 1);
  const Tensor targets = uniform({n}, -1, 1);
  const auto x = std::make_shared<Matrix>(Eigen::Map<const Matrix>(inputs.data<double>().data(), n, features));
  const auto y = std::make_shared<Vector>(vector(targets.data<double>().data(), n));
  const auto scratch = std::make_shared<Vector>(n);
  const double share = 1 / static_cast<double>(n);
  return {.x = uniform({features}, -1, 1),
          .ours = [inputs, targets](const Tensor& w) { return mse_loss(matmul(inputs, w), targets); },
          .value =
              [=](const double* w) {
                scratch->noalias() = *x * vector(w, features);
                return share * (*scratch - *y).squaredNorm();
              },
          .gradient =
              [=](const double* w, double* g) {
                scratch->noalias() = *x * vector(w, features);
                *scratch -= *y;
                vector(g, features).noalias() = x->transpose() * *scratch;
                vector(g, features) *= 2 * share;
                return share * scratch->squaredNorm();
              }};
}

std::vector<double> numbers_of(const Tensor& tensor) {
  const std::span<const double> numbers = tensor.data<double>();
  return {numbers.begin(), numbers.end()};
}

Contenders value_contenders(const Function& f) {
  const auto x = std::make_shared<std::vector<double>>(numbers_of(f.x));
  require_same("value, ours and Eigen's", std::vector{no_grad([&] { return f.ours(f.x).item(); })},
               std::vector{f.value(x->data())});
  return {.ours = timed([f] {
            const NoGrad guard;
            benchmark::DoNotOptimize(f.ours(f.x));
          }),
          .hand = timed([f, x] { benchmark::DoNotOptimize(f.value(x->data())); })};
}

Contenders gradient_contenders(const Function& f) {
  const auto x = std::make_shared<std::vector<double>>(numbers_of(f.x));
  const auto gradient = std::make_shared<std::vector<double>>(x->size());
  const Tensor leaf = f.x.detach().requires_grad(true);
  const auto ours = [f, leaf] {
    leaf.zero_grad();
    f.ours(leaf).backward();
  };
  ours();
  f.gradient(x->data(), gradient->data());
  require_same("gradient, ours and by hand", numbers_of(leaf.grad()), *gradient);
  return {.ours = timed(ours), .hand = timed([f, x, gradient] {
                                 benchmark::DoNotOptimize(f.gradient(x->data(), gradient->data()));
                                 benchmark::ClobberMemory();
                               })};
}

void add(const std::string& name, std::function<Function()> make) {
  compare({.name = fmt::format("classic {}: value", name)}, [make] { return value_contenders(make()); });
  compare({.name = fmt::format("classic {}: gradient", name)}, [make] { return gradient_contenders(make()); });
}

}  // namespace

void register_classic_benchmarks() {
  using Make = Function (*)(std::int64_t);
  for (const auto& [name, make] : {std::pair<const char*, Make>{"sum", sum_function},
                                   {"product", product_function},
                                   {"log-sum-exp", log_sum_exp_function},
                                   {"normal density", normal_function},
                                   {"regression", regression_function}}) {
    for (const std::int64_t n : {10, 100, 1000, 10000}) {
      add(fmt::format("{} {}", name, n), [make = make, n] { return make(n); });
    }
  }
  add("matrix product 181x181", [] { return matrix_function(181); });
}

std::string classic_ratios(const std::vector<Result>& results) {
  std::map<std::string, const Result*> values;
  std::string text;
  for (const Result& each : results) {
    const std::string& name = each.work.name;
    if (!name.starts_with("classic ")) continue;
    const std::string function = name.substr(0, name.rfind(':'));
    if (name.ends_with("value")) {
      values[function] = &each;
      continue;
    }
    const auto value = values.find(function);
    if (value == values.end()) continue;
    if (text.empty()) {
      text = fmt::format("\n{:<54}{:>11}{:>11}{:>24}\n", "gradient time / function time", "ours", "hand",
                         "ours / hand's function");
    }
    text += fmt::format("{:<54}{:>11.2f}{:>11.2f}{:>24.2f}\n", function, each.ours / value->second->ours,
                        each.hand / value->second->hand, each.ours / value->second->hand);
  }
  return text;
}

}  // namespace wengert::bench
