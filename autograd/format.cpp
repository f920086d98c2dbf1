#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ostream>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <wengert/autograd/tensor.h>

namespace wengert {

namespace {

/// Indices [0, head) and [tail, size) of an axis are shown.
struct Shown {
  std::int64_t head;
  std::int64_t tail;
  bool elided() const { return head < tail; }
};

Shown shown_of(const Tensor& tensor, int axis, const PrintOptions& options) {
  const std::int64_t size = tensor.shape()[axis];
  const std::int64_t edge = std::max<std::int64_t>(options.edge_items, 0);
  if (tensor.numel() <= options.threshold || edge >= size - edge) return {size, size};
  return {edge, size - edge};
}

/// Calls `visit(i)` for the row-major index i of every element that is shown. No other element is ever read, so that
/// a large tensor prints as fast as a small one.
template <class F>
void for_each_shown(const Tensor& tensor, const PrintOptions& options, int axis, std::int64_t begin, F& visit) {
  if (axis == tensor.rank()) return visit(begin);
  const std::int64_t stride = tensor.shape().numel(axis + 1, tensor.rank());
  const Shown shown = shown_of(tensor, axis, options);
  const std::int64_t size = tensor.shape()[axis];
  for (std::int64_t i = shown.head == 0 ? shown.tail : 0; i < size; i = i + 1 == shown.head ? shown.tail : i + 1) {
    for_each_shown(tensor, options, axis + 1, begin + i * stride, visit);
  }
}

/// One way of writing all numbers of a tensor, so that columns align.
class NumberFormat {
 public:
  NumberFormat(const Tensor& tensor, const PrintOptions& options)
      : tensor_(tensor), precision_(std::clamp(options.precision, 0, 17)) {
    if (is_floating(tensor.dtype())) choose_notation(options);
    const auto measure = [&](std::int64_t i) { width_ = std::max(width_, text(i).size()); };
    for_each_shown(tensor, options, 0, 0, measure);
  }

  /// Element i, right-aligned.
  std::string operator()(std::int64_t i) const { return fmt::format("{:>{}}", text(i), width_); }

 private:
  /// As NumPy, scientific if the largest and the smallest magnitude would not both be legible with a fixed point; but
  /// whole numbers always are. Then as many decimals as the number that needs most.
  void choose_notation(const PrintOptions& options) {
    double largest = 0;
    double smallest = HUGE_VAL;
    bool whole = true;
    const auto range = [&](std::int64_t i) {
      const double magnitude = std::abs(value(i));
      if (magnitude == 0 || !std::isfinite(magnitude)) return;
      largest = std::max(largest, magnitude);
      smallest = std::min(smallest, magnitude);
      whole = whole && magnitude == std::floor(magnitude);
    };
    for_each_shown(tensor_, options, 0, 0, range);
    scientific_ = largest >= 1e8 || (!whole && (smallest < 1e-4 || largest / smallest > 1000));
    int needed = 0;
    const auto decimals = [&](std::int64_t i) { needed = std::max(needed, decimals_of(text(i))); };
    for_each_shown(tensor_, options, 0, 0, decimals);
    precision_ = needed;
  }

  /// Digits between the point and the zeros at the end.
  static int decimals_of(std::string_view number) {
    const std::size_t point = number.find('.');
    if (point == std::string_view::npos) return 0;
    const std::string_view fraction = number.substr(point + 1, number.find('e') - point - 1);
    const std::size_t last = fraction.find_last_not_of('0');
    return last == std::string_view::npos ? 0 : static_cast<int>(last) + 1;
  }

  std::string text(std::int64_t i) const {
    if (!is_floating(tensor_.dtype())) return std::to_string(tensor_.data<std::int64_t>()[static_cast<std::size_t>(i)]);
    const double number = value(i);
    if (std::isnan(number)) return "nan";
    if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
    return scientific_ ? fmt::format("{:#.{}e}", number, precision_) : fmt::format("{:#.{}f}", number, precision_);
  }

  double value(std::int64_t i) const {
    if (tensor_.dtype() == DType::float64) return tensor_.data<double>()[static_cast<std::size_t>(i)];
    const float number = tensor_.data<float>()[static_cast<std::size_t>(i)];
    // The double that means the same decimals: 0.1f is 0.1, not 0.10000000149.
    return std::isfinite(number) ? std::strtod(fmt::format("{}", number).c_str(), nullptr) : double{number};
  }

  const Tensor& tensor_;
  int precision_;
  bool scientific_ = false;
  std::size_t width_ = 0;
};

/// Writes nested brackets.
class Printer {
 public:
  Printer(const Tensor& tensor, const PrintOptions& options, std::string& out)
      : tensor_(tensor), options_(options), format_(tensor, options), out_(out), left_(out.size()) {}

  void axis(int axis, std::int64_t begin) {
    const int rank = tensor_.rank();
    if (axis == rank) return void(out_ += format_(begin));
    const std::int64_t stride = tensor_.shape().numel(axis + 1, rank);
    const Shown shown = shown_of(tensor_, axis, options_);
    const std::int64_t size = tensor_.shape()[axis];
    out_ += '[';
    for (std::int64_t i = 0; i < size; ++i) {
      if (i > 0) separate(axis);
      if (i == shown.head && shown.elided()) {
        out_ += "...";
        i = shown.tail - 1;
      } else if (axis == rank - 1) {
        number(begin + i * stride);
      } else {
        this->axis(axis + 1, begin + i * stride);
      }
    }
    out_ += ']';
  }

 private:
  static constexpr std::size_t line_width = 80;

  /// Rows go on lines of their own, with one more empty line between them for every axis inside.
  void separate(int axis) {
    const int inside = tensor_.rank() - 1 - axis;
    out_ += inside == 0 ? ", " : ",";
    if (inside > 0) new_line(inside, axis);
  }

  void new_line(int count, int axis) {
    out_.append(static_cast<std::size_t>(count), '\n');
    line_start_ = out_.size();
    out_.append(left_ + static_cast<std::size_t>(axis) + 1, ' ');
  }

  void number(std::int64_t i) {
    const std::string text = format_(i);
    if (out_.size() - line_start_ + text.size() >= line_width && out_.back() == ' ') {
      out_.pop_back();
      new_line(1, tensor_.rank() - 1);
    }
    out_ += text;
  }

  const Tensor& tensor_;
  const PrintOptions& options_;
  NumberFormat format_;
  std::string& out_;
  std::size_t left_;
  std::size_t line_start_ = 0;
};

bool elides(const Tensor& tensor, const PrintOptions& options) {
  for (int axis = 0; axis < tensor.rank(); ++axis) {
    if (shown_of(tensor, axis, options).elided()) return true;
  }
  return false;
}

}  // namespace

std::string to_string(const Tensor& tensor, const PrintOptions& options) {
  if (!tensor.defined()) return "tensor(undefined)";
  const bool empty = tensor.numel() == 0;
  std::string text = "tensor(";
  if (empty)
    text += "[]";
  else
    Printer(tensor, options, text).axis(0, 0);
  if (empty || elides(tensor, options)) text += fmt::format(", shape={}", tensor.shape());
  if (empty || tensor.dtype() != DType::float32) text += fmt::format(", dtype={}", tensor.dtype());
  if (tensor.op()) text += fmt::format(", op={}", tensor.op());
  return text + ")";
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << to_string(tensor); }

}  // namespace wengert

auto fmt::formatter<wengert::Tensor>::format(const wengert::Tensor& tensor, format_context& context) const
    -> format_context::iterator {
  return fmt::format_to(context.out(), "{}", wengert::to_string(tensor, options));
}
