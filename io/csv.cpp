#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <system_error>

#include <fmt/ranges.h>

#include <wengert/io/csv.h>

#include "io/detail/read_file.h"

namespace wengert {
namespace {

std::optional<double> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

/// Cuts a file into rows of cells.
class CsvReader {
 public:
  CsvReader(const std::string& path, std::string_view text, char separator)
      : path_(path), text_(text), separator_(separator) {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;  // the byte order mark that spreadsheets write
  }

  std::int64_t line() const { return line_; }

  /// False at the end of the file.
  bool next_row(std::vector<std::string>& row) {
    row.clear();
    while (at_ < text_.size() && is_line_end()) take_line_end();
    if (at_ == text_.size()) return false;
    first_line_ = line_;
    for (;;) {
      row.push_back(take_cell());
      if (at_ == text_.size()) return true;
      if (is_line_end()) {
        take_line_end();
        return true;
      }
      ++at_;  // the separator
    }
  }
  std::int64_t first_line() const { return first_line_; }

 private:
  bool is_line_end() const { return text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n"; }
  void take_line_end() {
    at_ += text_[at_] == '\n' ? 1 : 2;
    ++line_;
  }
  bool is_blank(char c) const { return (c == ' ' || c == '\t') && c != separator_; }
  void skip_blanks() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
  }

  std::string take_cell() {
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == '"') return take_quoted_cell();
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != separator_ && !is_line_end()) ++at_;
    std::string_view cell = text_.substr(begin, at_ - begin);
    while (!cell.empty() && is_blank(cell.back())) cell.remove_suffix(1);
    return std::string(cell);
  }

  std::string take_quoted_cell() {
    const std::int64_t begin = line_;
    std::string cell;
    for (++at_;; ++at_) {
      check<IoError>(at_ < text_.size(), "read_csv: '{}', line {}: a quote does not end", path_, begin);
      if (text_[at_] == '"') {
        ++at_;
        if (at_ == text_.size() || text_[at_] != '"') break;
      }
      if (text_[at_] == '\n') ++line_;
      cell += text_[at_];
    }
    skip_blanks();
    check<IoError>(at_ == text_.size() || text_[at_] == separator_ || is_line_end(),
                   "read_csv: '{}', line {}: text after a closing quote", path_, line_);
    return cell;
  }

  const std::string& path_;
  std::string_view text_;
  char separator_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1;
  std::int64_t first_line_ = 1;
};

}  // namespace

CsvTable read_csv(const std::string& path, const CsvOptions& options) {
  check<Error>(options.separator != '"' && options.separator != '\n' && options.separator != '\r',
               "read_csv: the separator must not be a quote or the end of a line");
  const std::string text = detail::read_file("read_csv", path);
  CsvReader reader(path, text, options.separator);
  CsvTable table;
  table.path_ = path;
  std::vector<std::string> row;
  bool more = reader.next_row(row);
  check<IoError>(more, "read_csv: '{}' is empty", path);
  if (options.header) {
    table.names_ = row;
    std::set<std::string> seen;
    for (const std::string& name : row) {
      check<IoError>(seen.insert(name).second, "read_csv: '{}' has two columns '{}'", path, name);
    }
    more = reader.next_row(row);
  } else {
    for (std::size_t i = 0; i < row.size(); ++i) table.names_.push_back(std::to_string(i));
  }
  for (; more; more = reader.next_row(row)) {
    check<IoError>(row.size() == table.names_.size(), "read_csv: '{}', line {}: {} columns, expected {}", path,
                   reader.first_line(), row.size(), table.names_.size());
    table.lines_.push_back(reader.first_line());
    std::ranges::move(row, std::back_inserter(table.cells_));
    ++table.rows_;
  }
  return table;
}

const std::string& CsvTable::cell(std::int64_t row, std::int64_t column) const {
  check(row >= 0 && row < rows() && column >= 0 && column < columns(),
        "CsvTable: there is no cell ({}, {}) in {} rows and {} columns", row, column, rows(), columns());
  return cells_[static_cast<std::size_t>(row * columns() + column)];
}

std::int64_t CsvTable::column(std::string_view name) const {
  const auto found = std::ranges::find(names_, name);
  check<Error>(found != names_.end(), "CsvTable: '{}' has no column '{}'; it has {}", path_, name,
               fmt::join(names_, ", "));
  return found - names_.begin();
}

Tensor CsvTable::numbers(std::span<const std::int64_t> columns, DType dtype) const {
  check<DTypeError>(is_floating(dtype), "CsvTable: dtype must be float32 or float64, got {}", dtype);
  for (const std::int64_t column : columns) {
    check(column >= 0 && column < this->columns(), "CsvTable: column {} is out of range for {} columns", column,
          this->columns());
  }
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(rows()) * columns.size());
  for (std::int64_t row = 0; row < rows(); ++row) {
    for (const std::int64_t column : columns) {
      const std::string& text = cell(row, column);
      const std::optional<double> value = text.empty() ? std::numeric_limits<double>::quiet_NaN() : parse_number(text);
      check<IoError>(value.has_value(), "CsvTable: '{}', line {}, column '{}': '{}' is not a number", path_,
                     lines_[static_cast<std::size_t>(row)], names_[static_cast<std::size_t>(column)],
                     text.substr(0, 20));
      values.push_back(*value);
    }
  }
  return from_vector(values, {rows(), static_cast<std::int64_t>(columns.size())}).to(dtype);
}

Tensor CsvTable::numbers(DType dtype) const {
  std::vector<std::int64_t> all(names_.size());
  std::iota(all.begin(), all.end(), std::int64_t{0});
  return numbers(all, dtype);
}

CsvTable::Labels CsvTable::labels(std::int64_t column) const {
  check(column >= 0 && column < columns(), "CsvTable: column {} is out of range for {} columns", column, columns());
  const auto before = [](const std::string& a, const std::string& b) {
    // NaN equals no number, which is no order: it is text here.
    const auto number = [](const std::string& text) {
      const std::optional<double> value = parse_number(text);
      return value && std::isfinite(*value) ? value : std::nullopt;
    };
    const std::optional<double> x = number(a);
    const std::optional<double> y = number(b);
    if (x && y && *x != *y) return *x < *y;
    if (x.has_value() != y.has_value()) return x.has_value();
    return a < b;
  };
  std::map<std::string, std::int64_t, decltype(before)> places(before);
  for (std::int64_t row = 0; row < rows(); ++row) places.emplace(cell(row, column), 0);
  Labels result;
  for (auto& [text, place] : places) {
    place = static_cast<std::int64_t>(result.classes.size());
    result.classes.push_back(text);
  }
  std::vector<std::int64_t> values;
  for (std::int64_t row = 0; row < rows(); ++row) values.push_back(places.at(cell(row, column)));
  result.values = from_vector(values);
  return result;
}

}  // namespace wengert
