#include "autograd/gradcheck.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "autograd/detail/position.h"

namespace wengert::detail {

namespace {

using Tensors = std::vector<Tensor>;
using Mode = GradcheckOptions::Mode;

/// One derivative, both ways.
struct Entry {
  std::string input;
  std::string element;
  std::string output;
  double analytic;
  double numeric;

  double absolute_error() const { return std::abs(analytic - numeric); }
  double relative_error() const {
    const double scale = std::max(std::abs(analytic), std::abs(numeric));
    return scale == 0 ? absolute_error() : absolute_error() / scale;
  }
  bool within(const GradcheckOptions& options) const {
    const double scale = std::max(std::abs(analytic), std::abs(numeric));
    // False for NaN, and for infinities, whose difference is NaN.
    return absolute_error() <= options.absolute_tolerance + options.relative_tolerance * scale;
  }
  /// For sorting: what is not a number comes first.
  double badness() const {
    return std::isnan(absolute_error()) ? std::numeric_limits<double>::infinity() : absolute_error();
  }
};

Tensor leaf(const Tensor& values, bool requires_grad) {
  Tensor result = values.detach();
  if (requires_grad) result.requires_grad(true);
  return result;
}

/// Components between 0.5 and 1.5 in size, so that none hides the derivative that it multiplies.
Tensor random_direction(const Shape& shape, Generator& generator) {
  Tensor direction = rand(shape, float64, generator);
  double* u = Access::mutable_data<double>(direction);
  for (std::int64_t i = 0; i < direction.numel(); ++i) u[i] = u[i] < 0.5 ? u[i] - 1.5 : u[i] + 0.5;
  return direction;
}

double inner_product(const Tensor& a, const Tensor& b) {
  const auto x = a.data<double>();
  const auto y = b.data<double>();
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return sum;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() &&
         std::memcmp(Access::data<std::byte>(a), Access::data<std::byte>(b),
                     static_cast<std::size_t>(a.numel()) * size_of(a.dtype())) == 0;
}

/// "[1, 2]": element `index` of a tensor of this shape.
std::string element_name(const Shape& shape, std::int64_t index) {
  return fmt::format("{}", position_of(index, shape));
}

/// Compares the derivatives of one function of one order.
class Checker {
 public:
  /// Reports name the function's order, and its inputs from number `first_upstream` on as upstream gradients.
  Checker(TensorFunction f, const Tensors& inputs, const GradcheckOptions& options, int order,
          std::size_t first_upstream)
      : f_(f),
        inputs_(inputs),
        options_(options),
        generator_(options.seed),
        order_(order),
        first_upstream_(first_upstream) {}

  GradcheckReport run() {
    const Tensors outputs = floating_outputs(inputs_);
    const Tensors again = floating_outputs(inputs_);
    if (!std::equal(outputs.begin(), outputs.end(), again.begin(), again.end(), same_bits)) {
      return {false,
              fmt::format("gradcheck: order {}: the function gives different outputs for the same inputs\n", order_)};
    }
    options_.mode == Mode::projection ? check_projection(outputs) : check_jacobian(outputs);
    return report();
  }

 private:
  Tensors floating_outputs(const Tensors& inputs) const {
    Tensors outputs = f_(inputs);
    std::erase_if(outputs, [](const Tensor& output) { return output.defined() && output.dtype() == DType::int64; });
    for (const Tensor& output : outputs) {
      check<Error>(output.defined(), "gradcheck: the function returned an undefined tensor");
      check<DTypeError>(output.dtype() == DType::float64,
                        "gradcheck: outputs must be float64, the function returned {}", output.dtype());
    }
    return outputs;
  }

  /// d(sum of <weights, outputs>)/d(input) for every input; undefined for those held fixed.
  Tensors gradients(const Tensors& outputs, const Tensors& weights) const {
    Tensors used;
    Tensors used_weights;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs[i].requires_grad() || !weights[i].defined()) continue;
      used.push_back(outputs[i]);
      used_weights.push_back(weights[i]);
    }
    Tensors free;
    for (const Tensor& input : inputs_) {
      if (input.requires_grad()) free.push_back(input);
    }
    Tensors found(free.size());
    if (!used.empty()) {
      found = grad(used, free, {.grad_outputs = used_weights, .retain_graph = true, .allow_unused = true});
    }
    Tensors result;
    std::size_t next = 0;
    for (const Tensor& input : inputs_) {
      if (!input.requires_grad()) {
        result.emplace_back();
        continue;
      }
      const Tensor& gradient = found[next++];
      result.push_back(gradient.defined() ? gradient : zeros(input.shape(), float64));
    }
    return result;
  }

  /// (f(x + h) - f(x - h)) per output, h applied by `shift(elements, sign)` to input `k`.
  template <class Shift>
  Tensors difference(std::size_t k, Shift shift) const {
    const auto shifted = [&](double sign) {
      Tensors inputs = inputs_;
      const auto from = inputs_[k].data<double>();
      std::vector<double> values(from.begin(), from.end());
      shift(values, sign);
      inputs[k] = leaf(from_vector(values, inputs_[k].shape()), true);
      return floating_outputs(inputs);
    };
    const Tensors above = shifted(1);
    const Tensors below = shifted(-1);
    Tensors result;
    for (std::size_t i = 0; i < above.size(); ++i) result.push_back(no_grad([&] { return above[i] - below[i]; }));
    return result;
  }

  /// Difference quotients of the outputs by element `index` of input `k`.
  Tensors quotients_by_element(std::size_t k, std::int64_t index) const {
    const auto i = static_cast<std::size_t>(index);
    const double x = inputs_[k].data<double>()[i];
    const double width = (x + options_.epsilon) - (x - options_.epsilon);  // as rounded
    Tensors result = difference(k, [&](auto& values, double sign) { values[i] += sign * options_.epsilon; });
    for (Tensor& quotient : result) quotient = quotient / width;
    return result;
  }

  void check_projection(const Tensors& outputs) {
    Tensors weights;
    for (const Tensor& output : outputs) weights.push_back(random_direction(output.shape(), generator_));
    const Tensors analytic = gradients(outputs, weights);
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      if (!inputs_[k].requires_grad()) continue;
      const Tensor direction = random_direction(inputs_[k].shape(), generator_);
      const auto u = direction.data<double>();
      const Tensors quotients = difference(k, [&](auto& values, double sign) {
        for (std::size_t i = 0; i < values.size(); ++i) values[i] += sign * options_.epsilon * u[i];
      });
      Entry entry{input_name(k), "(direction)", "(all)", inner_product(analytic[k], direction), 0};
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        entry.numeric += inner_product(weights[i], quotients[i]) / (2 * options_.epsilon);
      }
      if (add(entry)) continue;
      locate(k, analytic[k], weights);
    }
  }

  /// After a failed projection: which elements of input `k` are to blame.
  void locate(std::size_t k, const Tensor& analytic, const Tensors& weights) {
    constexpr std::int64_t most = 4096;  // two evaluations each
    for (std::int64_t index = 0; index < std::min(most, inputs_[k].numel()); ++index) {
      const Tensors quotients = quotients_by_element(k, index);
      Entry entry{input_name(k), element_name(inputs_[k].shape(), index), "(all)",
                  analytic.data<double>()[static_cast<std::size_t>(index)], 0};
      for (std::size_t i = 0; i < quotients.size(); ++i) entry.numeric += inner_product(weights[i], quotients[i]);
      add(entry);
    }
  }

  void check_jacobian(const Tensors& outputs) {
    std::vector<std::vector<Tensors>> rows;  // [output][element]: gradients of all inputs
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      auto& of_output = rows.emplace_back();
      for (std::int64_t element = 0; element < outputs[i].numel(); ++element) {
        Tensors weights(outputs.size());
        std::vector<double> unit(static_cast<std::size_t>(outputs[i].numel()));
        unit[static_cast<std::size_t>(element)] = 1;
        weights[i] = from_vector(unit, outputs[i].shape());
        of_output.push_back(gradients(outputs, weights));
      }
    }
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      if (!inputs_[k].requires_grad()) continue;
      for (std::int64_t index = 0; index < inputs_[k].numel(); ++index) {
        const Tensors quotients = quotients_by_element(k, index);
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          for (std::size_t element = 0; element < rows[i].size(); ++element) {
            const std::string output =
                fmt::format("{} {}", i, element_name(outputs[i].shape(), static_cast<std::int64_t>(element)));
            add({input_name(k), element_name(inputs_[k].shape(), index), output,
                 rows[i][element][k].data<double>()[static_cast<std::size_t>(index)],
                 quotients[i].data<double>()[element]});
          }
        }
      }
    }
  }

  /// Keeps the entry if it is wrong; whether it is right.
  bool add(Entry entry) {
    ++compared_;
    if (entry.within(options_)) return true;
    wrong_.push_back(std::move(entry));
    return false;
  }

  std::string input_name(std::size_t k) const {
    return k < first_upstream_ ? fmt::format("{}", k) : fmt::format("gradient {}", k - first_upstream_);
  }

  GradcheckReport report() {
    if (wrong_.empty()) return {};
    std::stable_sort(wrong_.begin(), wrong_.end(),
                     [](const Entry& a, const Entry& b) { return a.badness() > b.badness(); });
    const std::string mode = options_.mode == Mode::projection
                                 ? fmt::format("random projection, seed {}", options_.seed)
                                 : std::string("full Jacobian");
    std::string text = fmt::format("gradcheck: order {} failed ({}): {} of {} derivatives are wrong", order_, mode,
                                   wrong_.size(), compared_);
    const std::size_t listed = std::min(wrong_.size(), static_cast<std::size_t>(std::max(options_.listed, 1)));
    if (listed < wrong_.size()) text += fmt::format("; the worst {}", listed);
    text += fmt::format("\n{:>12} {:>14} {:>14} {:>16} {:>16} {:>12} {:>12}\n", "input", "element", "output",
                        "analytic", "numeric", "abs. error", "rel. error");
    for (std::size_t i = 0; i < listed; ++i) {
      const Entry& entry = wrong_[i];
      text += fmt::format("{:>12} {:>14} {:>14} {:>16.9g} {:>16.9g} {:>12.3e} {:>12.3e}\n", entry.input, entry.element,
                          entry.output, entry.analytic, entry.numeric, entry.absolute_error(), entry.relative_error());
    }
    return {false, std::move(text)};
  }

  TensorFunction f_;
  const Tensors& inputs_;
  const GradcheckOptions& options_;
  Generator generator_;
  int order_;
  std::size_t first_upstream_;
  std::size_t compared_ = 0;
  std::vector<Entry> wrong_;
};

/// The gradients of `f` as a function of its inputs and of the upstream gradients of its outputs.
struct GradientFunction {
  TensorFunction f;
  std::size_t input_count;

  static Tensors call(const void* object, const Tensors& arguments) {
    return (*static_cast<const GradientFunction*>(object))(arguments);
  }

  Tensors operator()(const Tensors& arguments) const {
    const Tensors inputs(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(input_count));
    Tensors free;
    for (const Tensor& input : inputs) {
      if (input.requires_grad()) free.push_back(input);
    }
    Tensors outputs;
    Tensors upstream;
    auto next_upstream = arguments.begin() + static_cast<std::ptrdiff_t>(input_count);
    for (const Tensor& output : f(inputs)) {
      if (output.dtype() == DType::int64) continue;
      const Tensor& gradient = *next_upstream++;
      if (!output.requires_grad()) continue;
      outputs.push_back(output);
      upstream.push_back(gradient);
    }
    if (outputs.empty()) return {};
    Tensors gradients = grad(outputs, free, {.grad_outputs = upstream, .create_graph = true, .allow_unused = true});
    for (std::size_t i = 0; i < free.size(); ++i) {
      if (!gradients[i].defined()) gradients[i] = zeros(free[i].shape(), float64);
    }
    return gradients;
  }
};

Tensors checked_inputs(const Tensors& inputs) {
  Tensors leaves;
  bool any_free = false;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    check<Error>(inputs[k].defined(), "gradcheck: input {} is undefined", k);
    check<DTypeError>(inputs[k].dtype() != DType::float32,
                      "gradcheck: input {} is float32, too coarse for differences; make it float64", k);
    any_free = any_free || inputs[k].requires_grad();
    leaves.push_back(leaf(inputs[k], inputs[k].requires_grad()));
  }
  check<Error>(any_free, "gradcheck: none of the {} inputs requires a gradient", inputs.size());
  return leaves;
}

GradcheckReport check_second_order(TensorFunction f, const Tensors& leaves, const GradcheckOptions& options) {
  GradientFunction gradient{f, leaves.size()};
  Generator generator(options.seed + 1);
  Tensors arguments = leaves;
  for (const Tensor& output : f(leaves)) {
    if (output.dtype() == DType::int64) continue;
    arguments.push_back(leaf(random_direction(output.shape(), generator), true));
  }
  return Checker({&gradient, &GradientFunction::call}, arguments, options, 2, leaves.size()).run();
}

}  // namespace

GradcheckReport run_gradcheck(TensorFunction f, const Tensors& inputs, const GradcheckOptions& options) {
  check<Error>(options.order == 1 || options.order == 2, "gradcheck: order must be 1 or 2, got {}", options.order);
  check<Error>(options.epsilon > 0, "gradcheck: epsilon must be positive, got {}", options.epsilon);
  const EnableGrad guard;
  const Tensors leaves = checked_inputs(inputs);
  GradcheckReport report = Checker(f, leaves, options, 1, leaves.size()).run();
  if (report.passed && options.order == 2) report = check_second_order(f, leaves, options);
  return report;
}

void fail_arity(const char* caller, std::size_t expected, std::size_t given) {
  fail<Error>("{}: the function takes {} tensors, inputs has {}", caller, expected, given);
}

}  // namespace wengert::detail
