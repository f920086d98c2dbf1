#include "autograd/anomaly.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "autograd/detail/call_stack.h"
#include "autograd/detail/position.h"

namespace wengert {

namespace {

struct Statistics {
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  double sum = 0;
  std::int64_t finite = 0;
  std::int64_t bad = 0;
  std::int64_t first_bad = -1;
  bool any_nan = false;
};

Statistics statistics_of(const Tensor& tensor) {
  Statistics result;
  dispatch(tensor.dtype(), [&]<class T>() {
    const auto data = tensor.data<T>();
    for (std::size_t i = 0; i < data.size(); ++i) {
      const double x = static_cast<double>(data[i]);
      if (std::isfinite(x)) {
        result.min = std::min(result.min, x);
        result.max = std::max(result.max, x);
        result.sum += x;
        ++result.finite;
      } else {
        if (result.bad++ == 0) result.first_bad = static_cast<std::int64_t>(i);
        result.any_nan = result.any_nan || std::isnan(x);
      }
    }
  });
  return result;
}

/// "[3, 4] float32: min -0.2, max 1.7, mean 0.6"
std::string describe(const Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  const Statistics s = statistics_of(tensor);
  std::string text = fmt::format("{} {}", tensor.shape(), tensor.dtype());
  if (s.finite > 0) {
    text += fmt::format(": min {:.4g}, max {:.4g}, mean {:.4g}", s.min, s.max, s.sum / static_cast<double>(s.finite));
  }
  if (s.bad > 0) text += fmt::format(", {} not finite", s.bad);
  return text;
}

std::string describe_all(const char* what, std::span<const Tensor> tensors) {
  std::string text;
  for (std::size_t i = 0; i < tensors.size(); ++i) text += fmt::format("; {} {} {}", what, i, describe(tensors[i]));
  return text;
}

/// "nan in 1 of 12 elements, first at [0, 3]", empty if all is well.
std::string complaint(const Tensor& tensor) {
  if (!tensor.defined() || !is_floating(tensor.dtype())) return {};
  const Statistics s = statistics_of(tensor);
  if (s.bad == 0) return {};
  return fmt::format("{} in {} of {} elements, first at {}", s.any_nan ? "nan" : "infinity", s.bad, tensor.numel(),
                     detail::position_of(s.first_bad, tensor.shape()));
}

}  // namespace

/// An op as it was recorded; kept at its node for the backward pass.
struct Anomaly::Seen final : detail::Note {
  std::uint64_t number = 0;  // under the guard
  std::string inputs;
  detail::CallStack stack;
};

void Anomaly::recorded(detail::Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  auto seen = std::make_unique<Seen>();
  seen->number = seen_++;
  seen->inputs = describe_all("input", inputs);
  seen->stack = detail::CallStack::here();
  for (const Tensor& output : outputs) {
    const std::string wrong = complaint(output);
    if (wrong.empty()) continue;
    fail<Error>("anomaly: forward of '{}' gave {}{}; recorded at {}", node.name, wrong, seen->inputs,
                seen->stack.user_line());
  }
  detail::attach(node, std::move(seen));
}

void Anomaly::after_rules(const detail::Node& node, std::span<const Tensor> upstream,
                          std::span<const Tensor> downstream) {
  const auto complain = [&](const std::string& what) {
    std::string forward;
    if (const auto* seen = detail::note_on<Seen>(node)) {
      forward = fmt::format("; op {} recorded under the guard{}; recorded at {}", seen->number, seen->inputs,
                            seen->stack.user_line());
    }
    Error error(fmt::format("anomaly: {}{}{}", what, describe_all("gradient of output", upstream), forward));
    if (const auto place = detail::place_of(node)) error.prepend_module(place->path, place->type);
    throw error;
  };
  // No rule gave that: it is the caller's, a hook's, or the sum of what several rules gave.
  for (std::size_t i = 0; i < upstream.size(); ++i) {
    const std::string wrong = complaint(upstream[i]);
    if (!wrong.empty()) complain(fmt::format("backward of '{}' was handed {} for output {}", node.name, wrong, i));
  }
  for (std::size_t i = 0; i < downstream.size(); ++i) {
    const std::string wrong = complaint(downstream[i]);
    if (!wrong.empty()) complain(fmt::format("backward of '{}' gave {} for input {}", node.name, wrong, i));
  }
}

}  // namespace wengert
