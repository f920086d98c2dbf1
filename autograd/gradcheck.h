#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <wengert/autograd/tensor.h>
#include <wengert/autograd/tensor_function.h>

/// \file
/// Gradients against central differences:
/// \code
///   const GradcheckReport report = gradcheck([](const Tensor& x, const Tensor& w) { return tanh(matmul(x, w)); },
///                                            {x, w}, {.order = 2});
///   if (!report) fmt::print("{}", report.text);
///   require_gradcheck(tanh_of_product, {x, w});  // throws the report instead
/// \endcode
/// A function with overloads is passed inside a lambda, as ops are: `[](const Tensor& x) { return exp(x); }`.

namespace wengert {

struct GradcheckOptions {
  enum class Mode : std::uint8_t {
    projection,  ///< one directional derivative per input, of a random combination of all outputs: cheap at any size
    jacobian,    ///< every derivative of every output element by every input element
  };

  Mode mode = Mode::projection;
  int order = 1;  ///< 2: after the gradients, the gradients of the gradients too
  /// Half the distance of the two points of a difference. Kinks must be farther away than that.
  double epsilon = 1e-6;
  /// Accepted: |analytic - numeric| <= absolute_tolerance + relative_tolerance * max(|analytic|, |numeric|).
  double relative_tolerance = 1e-5;
  double absolute_tolerance = 1e-6;
  std::uint64_t seed = 0;  ///< of the random directions
  int listed = 10;         ///< rows of the table, worst first
};

/// The outcome; true if all gradients agreed.
struct GradcheckReport {
  bool passed = true;
  /// Empty if passed. Else what failed (order, mode) and a table: input, element, analytic and numeric derivative,
  /// absolute and relative error, worst first.
  std::string text = {};

  explicit operator bool() const noexcept { return passed; }
};

namespace detail {

GradcheckReport run_gradcheck(TensorFunction f, const std::vector<Tensor>& inputs, const GradcheckOptions& options);

}  // namespace detail

/// Compares the gradients of `f` at `inputs` with central differences. `f` takes as many tensors as there are inputs
/// (up to 8), or one `const std::vector<Tensor>&` or `std::span<const Tensor>`, and returns a tensor or a
/// std::vector<Tensor>, of any shapes. Inputs that do not require a gradient are held fixed; int64 outputs, and
/// inputs that an output does not depend on, count as derivative zero. `f` must give the same for the same inputs: a
/// function that draws random numbers seeds a generator of its own.
///
/// Throws DTypeError unless inputs are float64 (or int64, which are held fixed) and outputs float64 or int64, Error if
/// no input requires a gradient.
template <class F>
[[nodiscard]] GradcheckReport gradcheck(F&& f, const std::vector<Tensor>& inputs,
                                        const GradcheckOptions& options = {}) {
  const auto all_results = [&](const std::vector<Tensor>& arguments) -> std::vector<Tensor> {
    return detail::as_list(detail::call_with_tensors("gradcheck", f, arguments));
  };
  const auto call = [](const void* object, const std::vector<Tensor>& arguments) {
    return (*static_cast<decltype(&all_results)>(object))(arguments);
  };
  return detail::run_gradcheck({&all_results, call}, inputs, options);
}

/// Same, but throws Error with the report's text if a gradient is wrong.
template <class F>
void require_gradcheck(F&& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options = {}) {
  const GradcheckReport report = gradcheck(f, inputs, options);
  check<Error>(report.passed, "{}", report.text);
}

}  // namespace wengert
