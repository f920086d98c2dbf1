#include <cmath>
#include <vector>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/positions.h>

namespace wengert::nn {

namespace {

void check_arguments(const char* layer, std::int64_t length, std::int64_t width, double dropout) {
  check<Error>(length > 0 && width > 0, "{}: length and width must be at least 1, got {} and {}", layer, length, width);
  check<Error>(dropout >= 0 && dropout < 1, "{}: dropout must be at least 0 and below 1, got {}", layer, dropout);
}

/// [steps, count]: the angle of each step at the frequencies base^(-2 i / width).
Tensor angles(std::int64_t steps, std::int64_t count, std::int64_t width, double base) {
  std::vector<double> numbers;
  numbers.reserve(static_cast<std::size_t>(steps * count));
  for (std::int64_t t = 0; t < steps; ++t) {
    for (std::int64_t i = 0; i < count; ++i) {
      const double exponent = 2 * static_cast<double>(i) / static_cast<double>(width);
      numbers.push_back(static_cast<double>(t) / std::pow(base, exponent));
    }
  }
  return from_vector(numbers, Shape{steps, count});
}

/// x with the first rows of the table added.
Tensor add_rows(const Tensor& x, const Tensor& table) {
  check(x.rank() >= 2 && x.dim(-1) == table.dim(1), "x has shape {}, expected [..., L, {}]", x.shape(), table.dim(1));
  check(x.dim(-2) <= table.dim(0), "x has {} steps, more than the {} positions there are; x is {}", x.dim(-2),
        table.dim(0), x.shape());
  return x + table.slice(0, x.dim(-2));
}

std::string describe(const Tensor& table, double dropout) {
  std::string text = fmt::format("{}, length {}", table.dim(1), table.dim(0));
  if (dropout > 0) text += fmt::format(", dropout {}", dropout);
  return text;
}

}  // namespace

SinusoidalPositions::SinusoidalPositions(std::int64_t width, const SinusoidalPositionsOptions& options)
    : dropout_(options.dropout) {
  check_arguments("SinusoidalPositions", options.length, width, options.dropout);
  const std::int64_t pairs = (width + 1) / 2;
  const Tensor angle = angles(options.length, pairs, width, 10000);
  const Tensor both = reshape(stack({sin(angle), cos(angle)}, -1), {options.length, 2 * pairs});
  table_ = slice(both, 1, 0, width).to(options.dtype);
}

Tensor SinusoidalPositions::forward(const Tensor& x) const {
  return dropout(add_rows(x, table_), dropout_, is_training());
}

std::string SinusoidalPositions::options() const { return describe(table_, dropout_); }

LearnedPositions::LearnedPositions(std::int64_t length, std::int64_t width, const LearnedPositionsOptions& options)
    : dropout_(options.dropout) {
  check_arguments("LearnedPositions", length, width, options.dropout);
  weight = Parameter(options.init(Shape{length, width}, options.dtype));
}

Tensor LearnedPositions::forward(const Tensor& x) const {
  return dropout(add_rows(x, weight), dropout_, is_training());
}

void LearnedPositions::visit(Visitor& v) { v("weight", weight); }

std::string LearnedPositions::options() const { return describe(weight, dropout_); }

Tensor rotary_positions(const Tensor& x, double base) {
  check(x.rank() >= 2 && x.dim(-1) % 2 == 0, "rotary_positions: x has shape {}, expected [..., L, E] with an even E",
        x.shape());
  const std::int64_t half = x.dim(-1) / 2;
  const Tensor angle = angles(x.dim(-2), half, x.dim(-1), base);
  const Tensor c = cos(angle).to(x.dtype());
  const Tensor s = sin(angle).to(x.dtype());
  const Tensor a = slice(x, -1, 0, half);
  const Tensor b = slice(x, -1, half, 2 * half);
  return cat({a * c - b * s, a * s + b * c}, -1);
}

}  // namespace wengert::nn
