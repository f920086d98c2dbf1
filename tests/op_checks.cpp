#include "tests/op_checks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include <fmt/format.h>

#include <wengert/autograd/tape.h>

namespace wengert::test {

std::vector<std::string> ops_with(Property property) {
  std::vector<std::string> names;
  for (const OpCase& op_case : op_cases()) {
    if (property(op_case)) names.push_back(op_case.name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string identifier(const testing::TestParamInfo<std::string>& info) {
  static const std::map<std::string, std::string> operators{
      {"operator+", "plus"},   {"operator-", "minus"},       {"operator*", "times"},   {"operator/", "divided_by"},
      {"operator<", "less"},   {"operator<=", "less_equal"}, {"operator>", "greater"}, {"operator>=", "greater_equal"},
      {"operator==", "equal"}, {"operator!=", "not_equal"}};
  const auto found = operators.find(info.param);
  return found == operators.end() ? info.param : found->second;
}

std::string difference(const Array& actual, const Array& expected, double tolerance) {
  if (actual.shape != expected.shape) return fmt::format("shape {}, expected {}", actual.shape, expected.shape);
  for (std::size_t i = 0; i < expected.data.size(); ++i) {
    const double error = std::abs(actual.data[i] - expected.data[i]);
    if (!(error <= tolerance * (1 + std::abs(expected.data[i])))) {
      return fmt::format("element {} is {}, expected {}", i, actual.data[i], expected.data[i]);
    }
  }
  return {};
}

Tensor upstream_for(const Tensor& output) {
  std::mt19937_64 engine(1);
  std::vector<float> values(static_cast<std::size_t>(output.numel()));
  for (float& value : values) value = static_cast<float>(engine() >> 40) * 0x1p-23F - 1;
  return from_vector(values, output.shape()).to(output.dtype());
}

std::vector<Tensor> differentiable(const Inputs& inputs) {
  std::vector<Tensor> result;
  std::copy_if(inputs.begin(), inputs.end(), std::back_inserter(result),
               [](const Tensor& input) { return input.requires_grad(); });
  return result;
}

std::vector<Tensor> gradients_of(const Tensor& output, const Inputs& inputs, bool create_graph) {
  return grad({output}, differentiable(inputs),
              {.grad_outputs = {upstream_for(output)}, .create_graph = create_graph, .retain_graph = true});
}

}  // namespace wengert::test
