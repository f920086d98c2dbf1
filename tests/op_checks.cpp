#include "tests/op_checks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include <fmt/format.h>

#include <wengert/autograd/functional.h>
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

Tensor rows_for(const Tensor& output, std::int64_t count, RowKind kind) {
  const Tensor rows = kind == RowKind::unit ? eye(count, output.numel(), output.dtype())
                                            : upstream_for(zeros({count, output.numel()}, output.dtype()));
  return reshape(rows, output.shape().inserted(0, count));
}

namespace {

/// The sum of all elements, each with a weight of its own.
Tensor weighted_sum(const std::vector<Tensor>& tensors) {
  Tensor total = zeros({}, float64);
  for (const Tensor& tensor : tensors) {
    if (tensor.defined()) total = total + sum(tensor * upstream_for(tensor.detach()));
  }
  return total;
}

}  // namespace

std::string rows_difference(const OpCase& op_case, std::int64_t count, RowKind kind) {
  const auto apply = [&](const std::vector<Tensor>& tensors) { return op_case.apply(tensors); };
  for (const bool recorded : {false, true}) {
    const Inputs inputs = make_inputs(op_case, float64, {}, recorded);
    const auto [value, pullback] = vjp(apply, inputs);
    const Tensor upstream = rows_for(value.detach(), count, kind);
    const std::vector<Tensor> batch = pullback.rows(std::vector<Tensor>{upstream});
    std::vector<std::vector<Tensor>> rows(inputs.size());
    for (std::int64_t row = 0; row < count; ++row) {
      const std::vector<Tensor> gradients = pullback(std::vector<Tensor>{upstream[row]});
      for (std::size_t k = 0; k < rows.size(); ++k) rows[k].push_back(gradients[k]);
    }
    std::vector<Tensor> one_by_one(inputs.size());
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      if (batch[k].defined() != rows[k][0].defined()) return fmt::format("input {}: only one is defined", k);
      if (!batch[k].defined()) continue;
      one_by_one[k] = stack(rows[k]);
      const std::string wrong = difference(to_array(batch[k]), to_array(one_by_one[k]), 1e-13);
      if (!wrong.empty()) return fmt::format("input {}{}: {}", k, recorded ? ", recorded" : "", wrong);
    }
    if (!recorded) continue;
    const Tensor a = weighted_sum(batch);
    const Tensor b = weighted_sum(one_by_one);
    if (a.requires_grad() != b.requires_grad()) return "only one can be differentiated again";
    if (!a.requires_grad()) continue;
    const std::vector<Tensor> leaves = differentiable(inputs);
    const auto second = grad({a}, leaves, {.retain_graph = true, .allow_unused = true});
    const auto expected = grad({b}, leaves, {.allow_unused = true});
    for (std::size_t k = 0; k < leaves.size(); ++k) {
      const auto or_zeros = [&](const Tensor& g) {
        return to_array(g.defined() ? g : zeros(leaves[k].shape(), float64));
      };
      const std::string wrong = difference(or_zeros(second[k]), or_zeros(expected[k]), 1e-11);
      if (!wrong.empty()) return fmt::format("second order, leaf {}: {}", k, wrong);
    }
  }
  return {};
}

}  // namespace wengert::test
