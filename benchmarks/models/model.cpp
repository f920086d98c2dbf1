#include "benchmarks/models/model.h"

#include <cmath>

#include <fmt/format.h>

namespace wengert::bench {

namespace {

std::int64_t count(const std::vector<std::int64_t>& shape) {
  std::int64_t product = 1;
  for (const std::int64_t size : shape) product *= size;
  return product;
}

}  // namespace

Array Draw::uniform(const std::string& name, const std::vector<std::int64_t>& shape, double low, double high) {
  Array array{name, shape, std::vector<float>(static_cast<std::size_t>(count(shape)))};
  std::uniform_real_distribution<double> distribution(low, high);
  for (float& number : array.numbers) number = static_cast<float>(distribution(random_));
  return array;
}

Array Draw::weight(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t fan_in) {
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return uniform(name, shape, -bound, bound);
}

Array Draw::labels(std::int64_t count, std::int64_t classes) {
  Array array{"labels", {count}, {}, std::vector<std::int64_t>(static_cast<std::size_t>(count))};
  std::uniform_int_distribution<std::int64_t> distribution(0, classes - 1);
  for (std::int64_t& label : array.labels) label = distribution(random_);
  return array;
}

Tensor to_tensor(const Array& array) {
  return array.labels.empty() ? from_vector(array.numbers, Shape(array.shape))
                              : from_vector(array.labels, Shape(array.shape));
}

std::vector<float> to_vector(const Tensor& tensor) {
  const std::span<const float> numbers = tensor.data<float>();
  return {numbers.begin(), numbers.end()};
}

void load(std::span<const ParameterRef> parameters, const Problem& problem) {
  check<Error>(parameters.size() == problem.weights.size(), "{}: {} parameters for {} weights", problem.model,
               parameters.size(), problem.weights.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i].set(to_tensor(problem.weights[i]));
}

void require_same_gradients(const Problem& problem, std::span<const ParameterRef> ours,
                            const std::function<std::vector<float>(std::size_t)>& theirs, const std::string& side) {
  for (std::size_t i = 0; i < ours.size(); ++i) {
    require_same(fmt::format("gradient of {}, ours and {}", problem.weights[i].name, side), to_vector(ours[i].grad()),
                 theirs(i));
  }
}

void register_model_benchmarks() {
  register_mlp();
  register_digits();
  register_spiral();
  register_small_cnn();
  register_mnist_cnn();
  register_recurrent();
  register_transformer();
}

}  // namespace wengert::bench
