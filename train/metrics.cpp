#include "train/metrics.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>

#include <wengert/autograd/ops.h>

namespace wengert {
namespace {

/// `predicted` as labels, after checking both arguments.
Tensor predicted_labels(const char* metric, const Tensor& predicted, const Tensor& labels) {
  check<Error>(predicted.defined() && labels.defined(), "{}: {} is undefined", metric,
               predicted.defined() ? "labels" : "predicted");
  check<DTypeError>(labels.dtype() == int64, "{}: labels must be int64, got {}", metric, labels.dtype());
  check(labels.rank() == 1, "{}: labels must be [N], got {}", metric, labels.shape());
  const bool scores = predicted.rank() == 2;
  check(scores || predicted.rank() == 1, "{}: predicted must be labels [N] or scores [N, K], got {}", metric,
        predicted.shape());
  check<DTypeError>(scores || predicted.dtype() == int64, "{}: predicted labels must be int64, got {}", metric,
                    predicted.dtype());
  check(predicted.dim(0) == labels.dim(0), "{}: {} predictions for {} labels; predicted is {}, labels is {}", metric,
        predicted.dim(0), labels.dim(0), predicted.shape(), labels.shape());
  return scores ? argmax(predicted, 1) : predicted;
}

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(part) / static_cast<double>(whole);
}

/// "98.7", "100", or "-" where there is nothing to take a share of.
std::string percent(double share) { return share == share ? fmt::format("{:.3g}", 100 * share) : "-"; }

struct Matrix {
  std::span<const std::int64_t> counts;
  std::size_t classes;

  std::int64_t at(std::size_t truth, std::size_t predicted) const { return counts[truth * classes + predicted]; }
  double recall(std::size_t label) const {
    std::int64_t total = 0;
    for (std::size_t other = 0; other < classes; ++other) total += at(label, other);
    return ratio(at(label, label), total);
  }
  double precision(std::size_t label) const {
    std::int64_t total = 0;
    for (std::size_t other = 0; other < classes; ++other) total += at(other, label);
    return ratio(at(label, label), total);
  }
  std::string cell(std::size_t truth, std::size_t predicted) const {
    const std::int64_t count = at(truth, predicted);
    return count == 0 && truth != predicted ? "." : fmt::format("{}", count);
  }
};

using Row = std::vector<std::string>;

/// Right-aligned columns.
std::string aligned(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format("{}{:>{}}", i == 0 ? "" : " ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

}  // namespace

double accuracy(const Tensor& predicted, const Tensor& labels) {
  const Tensor guesses = predicted_labels("accuracy", predicted, labels);
  check(labels.numel() > 0, "accuracy: there are no samples");
  const auto guess = guesses.data<std::int64_t>();
  const auto truth = labels.data<std::int64_t>();
  std::int64_t right = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) right += guess[i] == truth[i];
  return ratio(right, labels.numel());
}

Tensor confusion_matrix(const Tensor& predicted, const Tensor& labels, std::int64_t classes) {
  check(classes >= 1, "confusion_matrix: classes must be at least 1, got {}", classes);
  const Tensor guesses = predicted_labels("confusion_matrix", predicted, labels);
  const auto guess = guesses.data<std::int64_t>();
  const auto truth = labels.data<std::int64_t>();
  const auto checked = [&](const char* what, std::int64_t label) {
    check(label >= 0 && label < classes, "confusion_matrix: {} label {} is out of range for {} classes", what, label,
          classes);
    return label;
  };
  std::vector<std::int64_t> counts(static_cast<std::size_t>(Shape{classes, classes}.numel()));
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ++counts[static_cast<std::size_t>(checked("true", truth[i]) * classes + checked("predicted", guess[i]))];
  }
  return from_vector(counts, {classes, classes});
}

std::string format_confusion_matrix(const Tensor& matrix, const std::vector<std::string>& names) {
  check(matrix.rank() == 2 && matrix.dim(0) == matrix.dim(1) && matrix.dim(0) > 0,
        "format_confusion_matrix: matrix must be [K, K], got {}", matrix.shape());
  const auto classes = static_cast<std::size_t>(matrix.dim(0));
  check(names.empty() || names.size() == classes, "format_confusion_matrix: {} names for {} classes", names.size(),
        classes);
  const Matrix m{matrix.data<std::int64_t>(), classes};
  const auto name = [&](std::size_t label) { return names.empty() ? fmt::format("{}", label) : names[label]; };

  Row header{"truth \\ predicted"};
  Row footer{"precision %"};
  for (std::size_t label = 0; label < classes; ++label) {
    header.push_back(name(label));
    footer.push_back(percent(m.precision(label)));
  }
  header.emplace_back("recall %");
  footer.emplace_back();
  std::vector<Row> rows{header};
  for (std::size_t truth = 0; truth < classes; ++truth) {
    Row row{name(truth)};
    for (std::size_t predicted = 0; predicted < classes; ++predicted) row.push_back(m.cell(truth, predicted));
    row.push_back(percent(m.recall(truth)));
    rows.push_back(std::move(row));
  }
  rows.push_back(std::move(footer));
  return aligned(rows);
}

double RunningMean::value() const { return empty() ? std::numeric_limits<double>::quiet_NaN() : sum_ / weight_; }

}  // namespace wengert
