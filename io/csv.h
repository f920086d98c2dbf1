#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <wengert/autograd/tensor.h>

namespace wengert {

struct CsvOptions {
  bool header = true;  ///< the first row names the columns; without it they are "0", "1", ...
  char separator = ',';
};

/// A table of text, as read_csv reads it: rows of cells, all of the same number of columns.
class CsvTable {
 public:
  std::int64_t rows() const { return rows_; }
  std::int64_t columns() const { return static_cast<std::int64_t>(names_.size()); }
  const std::vector<std::string>& names() const { return names_; }
  /// Throws ShapeError if out of range.
  const std::string& cell(std::int64_t row, std::int64_t column) const;
  /// Throws Error naming the columns there are.
  std::int64_t column(std::string_view name) const;

  /// [rows, columns.size()]: an empty cell is NaN. Throws IoError naming the file, the line, the column and the cell
  /// that is not a number; ShapeError for a column that is out of range; DTypeError unless dtype is float32 or float64.
  Tensor numbers(std::span<const std::int64_t> columns, DType dtype = float32) const;
  /// Of all columns.
  Tensor numbers(DType dtype = float32) const;

  struct Labels {
    Tensor values;                     ///< [rows], int64: places in `classes`
    std::vector<std::string> classes;  ///< the different cells; numbers by size, texts by alphabet after them
  };
  /// Numbers the different cells of a column.
  Labels labels(std::int64_t column) const;

 private:
  friend CsvTable read_csv(const std::string& path, const CsvOptions& options);

  std::string path_;
  std::vector<std::string> names_;
  std::vector<std::string> cells_;   // row by row
  std::vector<std::int64_t> lines_;  // of the file, where each row begins
  std::int64_t rows_ = 0;
};

/// Reads a CSV file (RFC 4180), raw or compressed with gzip: cells in double quotes may hold separators, ends of lines
/// and quotes, which are doubled there. Spaces around a cell without quotes are not part of it, empty lines are passed
/// over, and lines may end in "\r\n". Throws IoError that names the file and what is wrong with it: missing, empty, a
/// row with another number of columns, a quote that does not end, two columns of the same name.
CsvTable read_csv(const std::string& path, const CsvOptions& options = {});

}  // namespace wengert
