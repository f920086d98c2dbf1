#include "autograd/anomaly.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

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
  std::vector<std::int64_t> place(static_cast<std::size_t>(tensor.rank()));
  std::int64_t rest = s.first_bad;
  for (int axis = tensor.rank() - 1; axis >= 0; --axis) {
    place[static_cast<std::size_t>(axis)] = rest % tensor.shape()[axis];
    rest /= tensor.shape()[axis];
  }
  return fmt::format("{} in {} of {} elements, first at [{}]", s.any_nan ? "nan" : "infinity", s.bad, tensor.numel(),
                     fmt::join(place, ", "));
}

}  // namespace

void Anomaly::recorded(detail::Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  std::string described = describe_all("input", inputs);
  for (const Tensor& output : outputs) {
    const std::string wrong = complaint(output);
    if (!wrong.empty()) fail<Error>("anomaly: forward of '{}' gave {}{}", node.name, wrong, described);
  }
  seen_.push_back({node.id, std::move(described)});
}

void Anomaly::after_rules(const detail::Node& node, std::span<const Tensor> upstream,
                          std::span<const Tensor> downstream) {
  for (std::size_t i = 0; i < downstream.size(); ++i) {
    const std::string wrong = complaint(downstream[i]);
    if (wrong.empty()) continue;
    const auto found = std::lower_bound(seen_.begin(), seen_.end(), node.id,
                                        [](const Seen& seen, std::uint64_t id) { return seen.id < id; });
    std::string forward;
    if (found != seen_.end() && found->id == node.id) {
      forward = fmt::format("; op {} recorded under the guard{}", found - seen_.begin(), found->inputs);
    }
    fail<Error>("anomaly: backward of '{}' gave {} for input {}{}{}", node.name, wrong, i,
                describe_all("gradient of output", upstream), forward);
  }
}

}  // namespace wengert
