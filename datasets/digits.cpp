#include "datasets/digits.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string_view>
#include <system_error>
#include <vector>

#include "datasets/detail/data_file.h"
#include "io/detail/read_file.h"

namespace wengert::datasets {
namespace {

constexpr std::int64_t pixels = Digits::side * Digits::side;
constexpr std::int64_t columns = pixels + 1;
constexpr std::int64_t brightest = 16;
constexpr std::int64_t class_count = 10;

struct Table {
  std::vector<double> images;
  std::vector<std::int64_t> labels;
};

/// Takes the text before the next `separator` from the front of `text`, and the separator.
std::string_view take_until(char separator, std::string_view& text) {
  const std::size_t length = text.find(separator);
  const std::string_view item = text.substr(0, length);
  text.remove_prefix(length == std::string_view::npos ? text.size() : length + 1);
  return item;
}

std::int64_t parse_value(std::string_view item, std::int64_t column, std::int64_t row, const std::string& path) {
  const std::int64_t largest = column == pixels ? class_count - 1 : brightest;
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), value);
  check<IoError>(error == std::errc() && end == item.data() + item.size() && value >= 0 && value <= largest,
                 "Digits: '{}', row {}, column {}: '{}' is not an integer from 0 to {}", path, row, column + 1,
                 item.substr(0, 20), largest);
  return value;
}

void parse_row(std::string_view line, std::int64_t row, const std::string& path, Table& table) {
  const auto commas = std::ranges::count(line, ',');
  check<IoError>(commas == columns - 1, "Digits: '{}', row {}: {} columns, expected {}", path, row, commas + 1,
                 columns);
  for (std::int64_t column = 0; column < columns; ++column) {
    const std::int64_t value = parse_value(take_until(',', line), column, row, path);
    if (column < pixels) {
      table.images.push_back(static_cast<double>(value));
    } else {
      table.labels.push_back(value);
    }
  }
}

Table parse(std::string_view text, const std::string& path) {
  Table table;
  std::int64_t rows = 0;
  while (!text.empty()) parse_row(take_until('\n', text), ++rows, path, table);
  check<IoError>(rows == Digits::count, "Digits: '{}' {}: {} rows, expected {}", path,
                 rows < Digits::count ? "is cut short" : "is too long", rows, Digits::count);
  return table;
}

TensorDataset read(const DigitsOptions& options) {
  check<DTypeError>(is_floating(options.dtype), "Digits: dtype must be float32 or float64, got {}", options.dtype);
  const std::string path = detail::find_data_file("Digits", options.file, "digits.csv.gz");
  Table table = parse(wengert::detail::read_file("Digits", path), path);
  if (!options.raw) {
    for (double& value : table.images) value /= static_cast<double>(brightest);
  }
  const Tensor x = from_vector(table.images, {Digits::count, 1, Digits::side, Digits::side});
  return TensorDataset(x.to(options.dtype), from_vector(table.labels), class_count);
}

}  // namespace

Digits::Digits(const DigitsOptions& options) : TensorDataset(read(options)) {}

}  // namespace wengert::datasets
