#include "train/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

namespace wengert {
namespace {

struct Labels {
  Tensor predicted;
  Tensor truth;
};

/// Labels as they are, or of one-hot rows.
Tensor true_labels(const char* metric, const Tensor& predicted, const Tensor& labels) {
  if (labels.rank() == 2 && labels.dtype() != int64 && labels.dim(1) > 1) {
    check(labels.shape() == predicted.shape(), "{}: one-hot labels {} need scores of the same shape, got {}", metric,
          labels.shape(), predicted.shape());
    return argmax(labels, 1);
  }
  check<DTypeError>(labels.dtype() == int64, "{}: labels must be int64, got {}", metric, labels.dtype());
  check(labels.rank() == 1, "{}: labels must be [N], got {}", metric, labels.shape());
  return labels;
}

void check_defined(const char* metric, const Tensor& predicted, const Tensor& labels) {
  check<Error>(predicted.defined() && labels.defined(), "{}: {} is undefined", metric,
               predicted.defined() ? "labels" : "predicted");
}

/// Both arguments as labels [N], after checking them.
Labels labels_of(const char* metric, const Tensor& predicted, const Tensor& labels) {
  check_defined(metric, predicted, labels);
  const Tensor truth = true_labels(metric, predicted, labels);
  const bool scores = predicted.rank() == 2;
  check(scores || predicted.rank() == 1, "{}: predicted must be labels [N] or scores [N, K], got {}", metric,
        predicted.shape());
  check<DTypeError>(scores || predicted.dtype() == int64, "{}: predicted labels must be int64, got {}", metric,
                    predicted.dtype());
  check(predicted.dim(0) == truth.dim(0), "{}: {} predictions for {} labels; predicted is {}, labels is {}", metric,
        predicted.dim(0), truth.dim(0), predicted.shape(), labels.shape());
  check(!scores || predicted.dim(1) > 0, "{}: predicted has no classes, it is {}", metric, predicted.shape());
  return {scores ? argmax(predicted, 1) : predicted, truth};
}

/// Same for one score a sample.
Labels labels_of(const char* metric, const Tensor& predicted, const Tensor& labels, double threshold) {
  check_defined(metric, predicted, labels);
  const auto column = [&](const char* what, const Tensor& x) {
    check(x.rank() == 1 || (x.rank() == 2 && x.dim(1) == 1), "{}: with a threshold {} must be [N] or [N, 1], got {}",
          metric, what, x.shape());
    return x.detach().to(float64).reshape({x.dim(0)});
  };
  const Tensor scores = column("predicted", predicted);
  const Tensor truth = column("labels", labels);
  check(scores.numel() == truth.numel(), "{}: {} predictions for {} labels; predicted is {}, labels is {}", metric,
        scores.numel(), truth.numel(), predicted.shape(), labels.shape());
  for (const double label : truth.data<double>()) {
    check(label == 0 || label == 1, "{}: with a threshold labels must be 0 or 1, got {}", metric, label);
  }
  return {(scores > threshold).to(int64), truth.to(int64)};
}

Labels labels_of(const char* metric, const Tensor& predicted, const Tensor& labels,
                 const std::optional<double>& threshold) {
  return threshold ? labels_of(metric, predicted, labels, *threshold) : labels_of(metric, predicted, labels);
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

namespace {

double share_right(const Labels& labels) {
  const auto guess = labels.predicted.data<std::int64_t>();
  const auto truth = labels.truth.data<std::int64_t>();
  std::int64_t right = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) right += guess[i] == truth[i];
  return ratio(right, labels.truth.numel());
}

double share_among_best(const Tensor& scores, const Tensor& labels, std::int64_t k) {
  check_defined("top_k", scores, labels);
  check(scores.rank() == 2, "top_k: scores must be [N, K], got {}", scores.shape());
  const Tensor truth = true_labels("top_k", scores, labels);
  check(scores.dim(0) == truth.dim(0), "top_k: {} rows of scores for {} labels", scores.dim(0), truth.dim(0));
  const std::int64_t classes = scores.dim(1);
  check(k >= 1 && k <= classes, "top_k: k must be from 1 to the number of classes, {}, got {}", classes, k);
  const Tensor numbers = scores.detach().to(float64);
  std::int64_t right = 0;
  for (std::int64_t row = 0; row < truth.numel(); ++row) {
    const auto of =
        numbers.data<double>().subspan(static_cast<std::size_t>(row * classes), static_cast<std::size_t>(classes));
    const std::int64_t label = truth.data<std::int64_t>()[static_cast<std::size_t>(row)];
    check(label >= 0 && label < classes, "top_k: label {} is out of range for {} classes", label, classes);
    const double own = of[static_cast<std::size_t>(label)];
    std::int64_t better = 0;
    for (std::int64_t other = 0; other < classes; ++other) {
      const double score = of[static_cast<std::size_t>(other)];
      better += score > own || (score == own && other < label);
    }
    right += better < k && own == own;  // a score that is NaN is nowhere among the best
  }
  return ratio(right, truth.numel());
}

/// Difference in float64, after checking both arguments.
Tensor difference(const char* metric, const Tensor& prediction, const Tensor& target) {
  check<Error>(prediction.defined() && target.defined(), "{}: {} is undefined", metric,
               prediction.defined() ? "target" : "prediction");
  check(prediction.shape() == target.shape(), "{}: prediction {} and target {} must have the same shape", metric,
        prediction.shape(), target.shape());
  return no_grad([&] { return prediction.detach().to(float64) - target.detach().to(float64); });
}

double total(const Tensor& x) {
  return no_grad([&] { return sum(x).item(); });
}

double negative_log_likelihood(const Tensor& logits, const Tensor& labels) {
  check<Error>(logits.defined() && labels.defined(), "perplexity: {} is undefined",
               logits.defined() ? "labels" : "logits");
  check(logits.rank() == labels.rank() + 1 && logits.shape().removed(labels.rank()) == labels.shape(),
        "perplexity: logits must be [..., K] for labels [...], got {} and {}", logits.shape(), labels.shape());
  if (labels.numel() == 0) return 0;
  return no_grad([&] {
    return cross_entropy(logits.detach().to(float64).reshape({labels.numel(), logits.dim(-1)}),
                         labels.reshape({labels.numel()}))
        .item();
  });
}

/// What one class has of the confusion matrix.
struct Counts {
  std::int64_t hits = 0;
  std::int64_t predicted = 0;
  std::int64_t truth = 0;
};

/// 0 / 0 is 0.
double share(std::int64_t part, std::int64_t whole) { return whole == 0 ? 0 : ratio(part, whole); }
double precision_of(const Counts& c) { return share(c.hits, c.predicted); }
double recall_of(const Counts& c) { return share(c.hits, c.truth); }
double f1_of(const Counts& c) { return share(2 * c.hits, c.predicted + c.truth); }

double averaged(const ConfusionMatrix& matrix, const ClassOptions& options, double (*of)(const Counts&)) {
  const std::int64_t classes = matrix.classes();
  std::vector<Counts> counts(static_cast<std::size_t>(classes));
  Counts all;
  for (std::int64_t truth = 0; truth < classes; ++truth) {
    for (std::int64_t predicted = 0; predicted < classes; ++predicted) {
      const std::int64_t count = matrix.count(truth, predicted);
      counts[static_cast<std::size_t>(truth)].truth += count;
      counts[static_cast<std::size_t>(predicted)].predicted += count;
      if (truth == predicted) counts[static_cast<std::size_t>(truth)].hits = count;
      all.truth += count;
      all.predicted += count;
      all.hits += truth == predicted ? count : 0;
    }
  }
  if (all.truth == 0) return std::numeric_limits<double>::quiet_NaN();
  if (options.average == Average::micro) return of(all);
  if (options.average == Average::positive) {
    check<Error>(options.positive >= 0, "ClassOptions: positive must not be negative, got {}", options.positive);
    return options.positive < classes ? of(counts[static_cast<std::size_t>(options.positive)]) : 0;
  }
  RunningMean mean;
  for (const Counts& c : counts) {
    const bool occurs = c.truth + c.predicted > 0;
    mean.add(of(c), options.average == Average::weighted ? static_cast<double>(c.truth) : occurs ? 1 : 0);
  }
  return mean.value();
}

void check_samples(const char* metric, const Tensor& target) {
  check(!target.defined() || target.numel() > 0, "{}: there are no samples", metric);
}

template <class M>
double value_of(const char* name, M metric, const Tensor& prediction, const Tensor& target) {
  metric.add(prediction, target);
  check_samples(name, target);
  return metric.value();
}

}  // namespace

double accuracy(const Tensor& predicted, const Tensor& labels) {
  const Labels both = labels_of("accuracy", predicted, labels);
  check_samples("accuracy", both.truth);
  return share_right(both);
}

double top_k(const Tensor& scores, const Tensor& labels, std::int64_t k) {
  const double value = share_among_best(scores, labels, k);
  check_samples("top_k", labels);
  return value;
}

double precision(const Tensor& predicted, const Tensor& labels, const ClassOptions& options) {
  return value_of("precision", Precision(options), predicted, labels);
}
double recall(const Tensor& predicted, const Tensor& labels, const ClassOptions& options) {
  return value_of("recall", Recall(options), predicted, labels);
}
double f1(const Tensor& predicted, const Tensor& labels, const ClassOptions& options) {
  return value_of("f1", F1(options), predicted, labels);
}
double mse(const Tensor& prediction, const Tensor& target) {
  return value_of("mse", MeanSquaredError(), prediction, target);
}
double mae(const Tensor& prediction, const Tensor& target) {
  return value_of("mae", MeanAbsoluteError(), prediction, target);
}
double r2(const Tensor& prediction, const Tensor& target) { return value_of("r2", R2(), prediction, target); }
double perplexity(const Tensor& logits, const Tensor& labels) {
  return value_of("perplexity", Perplexity(), logits, labels);
}

Tensor confusion_matrix(const Tensor& predicted, const Tensor& labels, std::int64_t classes) {
  check(classes >= 1, "confusion_matrix: classes must be at least 1, got {}", classes);
  ConfusionMatrix matrix({.classes = classes});
  matrix.add(predicted, labels);
  return matrix.table();
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

void Accuracy::add(const Tensor& prediction, const Tensor& target) {
  const Labels labels = labels_of("accuracy", prediction, target, options_.threshold);
  if (labels.truth.numel() > 0) mean_.add(share_right(labels), static_cast<double>(labels.truth.numel()));
}

TopK::TopK(std::int64_t k) : k_(k) { check<Error>(k >= 1, "TopK: k must be at least 1, got {}", k); }

std::string TopK::name() const { return fmt::format("top_{}", k_); }

void TopK::add(const Tensor& prediction, const Tensor& target) {
  const double share = share_among_best(prediction, target, k_);
  if (prediction.dim(0) > 0) mean_.add(share, static_cast<double>(prediction.dim(0)));
}

ConfusionMatrix::ConfusionMatrix(const ConfusionMatrixOptions& options) : options_(options), classes_(0) {
  check<Error>(options.classes >= 0, "ConfusionMatrix: classes must not be negative, got {}", options.classes);
  clear();
}

void ConfusionMatrix::add(const Tensor& prediction, const Tensor& target) {
  const Labels labels = labels_of("confusion_matrix", prediction, target, options_.threshold);
  const auto guess = labels.predicted.data<std::int64_t>();
  const auto truth = labels.truth.data<std::int64_t>();
  std::int64_t classes = classes_;
  if (options_.classes == 0) {
    const bool scores = !options_.threshold && prediction.rank() == 2;
    classes = std::max(classes, options_.threshold ? 2 : scores ? prediction.dim(1) : 0);
    for (std::size_t i = 0; i < truth.size(); ++i) classes = std::max({classes, truth[i] + 1, guess[i] + 1});
  }
  const auto check_label = [&](const char* what, std::int64_t label) {
    check(label >= 0 && label < classes, "confusion_matrix: {} label {} is out of range for {} classes", what, label,
          classes);
  };
  for (std::size_t i = 0; i < truth.size(); ++i) {
    check_label("true", truth[i]);
    check_label("predicted", guess[i]);
  }
  grow(classes);
  for (std::size_t i = 0; i < truth.size(); ++i) ++counts_[static_cast<std::size_t>(truth[i] * classes_ + guess[i])];
}

void ConfusionMatrix::grow(std::int64_t classes) {
  if (classes == classes_) return;
  // More than this many classes that nobody announced are a mistake in the labels.
  check(classes <= 100'000, "confusion_matrix: a label of {}; to have that many classes, say how many there are",
        classes - 1);
  std::vector<std::int64_t> counts(static_cast<std::size_t>(Shape{classes, classes}.numel()));
  for (std::int64_t truth = 0; truth < classes_; ++truth) {
    for (std::int64_t predicted = 0; predicted < classes_; ++predicted) {
      counts[static_cast<std::size_t>(truth * classes + predicted)] = count(truth, predicted);
    }
  }
  counts_ = std::move(counts);
  classes_ = classes;
}

double ConfusionMatrix::value() const {
  std::int64_t right = 0;
  std::int64_t all = 0;
  for (std::int64_t label = 0; label < classes_; ++label) right += count(label, label);
  for (const std::int64_t count : counts_) all += count;
  return ratio(right, all);
}

void ConfusionMatrix::clear() {
  classes_ = options_.classes;
  counts_.assign(static_cast<std::size_t>(Shape{classes_, classes_}.numel()), 0);
}

Tensor ConfusionMatrix::table() const { return from_vector(counts_, {classes_, classes_}); }

double Precision::value() const { return averaged(matrix_, options_, precision_of); }
double Recall::value() const { return averaged(matrix_, options_, recall_of); }
double F1::value() const { return averaged(matrix_, options_, f1_of); }

void MeanSquaredError::add(const Tensor& prediction, const Tensor& target) {
  const Tensor d = difference("mse", prediction, target);
  if (const auto n = static_cast<double>(d.numel()); n > 0) mean_.add(total(d * d) / n, n);
}

void MeanAbsoluteError::add(const Tensor& prediction, const Tensor& target) {
  const Tensor d = difference("mae", prediction, target);
  if (const auto n = static_cast<double>(d.numel()); n > 0) mean_.add(total(abs(d)) / n, n);
}

void R2::add(const Tensor& prediction, const Tensor& target) {
  const Tensor d = difference("r2", prediction, target);
  check(d.rank() >= 1, "r2: prediction and target must be [N, ...], got {}", d.shape());
  if (d.numel() == 0) return;
  const std::int64_t n = d.dim(0);
  const auto elements = static_cast<std::size_t>(d.numel() / n);
  check(samples_ == 0 || residual_.size() == elements, "r2: samples of {} elements, the batches before had {}",
        elements, residual_.size());
  residual_.resize(elements);
  mean_.resize(elements);
  deviation_.resize(elements);
  const Tensor numbers = target.detach().to(float64);
  const auto y = numbers.data<double>();
  const auto error = d.data<double>();
  for (std::int64_t row = 0; row < n; ++row) {
    ++samples_;
    for (std::size_t i = 0; i < elements; ++i) {
      const std::size_t at = static_cast<std::size_t>(row) * elements + i;
      residual_[i] += error[at] * error[at];
      // B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962.
      const double delta = y[at] - mean_[i];
      mean_[i] += delta / static_cast<double>(samples_);
      deviation_[i] += delta * (y[at] - mean_[i]);
    }
  }
}

double R2::value() const {
  if (samples_ < 2) return std::numeric_limits<double>::quiet_NaN();
  RunningMean mean;
  for (std::size_t i = 0; i < residual_.size(); ++i) {
    mean.add(deviation_[i] != 0 ? 1 - residual_[i] / deviation_[i] : residual_[i] == 0 ? 1 : 0);
  }
  return mean.value();
}

void Perplexity::add(const Tensor& prediction, const Tensor& target) {
  const double loss = negative_log_likelihood(prediction, target);
  if (target.numel() > 0) mean_.add(loss, static_cast<double>(target.numel()));
}

double Perplexity::value() const { return std::exp(mean_.value()); }

void MeanOf::add(const Tensor& prediction, const Tensor& target) {
  check(prediction.rank() >= 1, "{}: prediction must be [N, ...], got {}", name_, prediction.shape());
  if (const auto n = static_cast<double>(prediction.dim(0)); n > 0) mean_.add(f_(prediction, target), n);
}

}  // namespace wengert
