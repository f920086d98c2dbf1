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
  if (!scores) return predicted;
  check(predicted.dim(1) != 1, "{}: one score a sample, {}, has no largest; give labels, or option threshold", metric,
        predicted.shape());
  return argmax(predicted, 1);
}

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Sums f(prediction, target) over all elements, in float64.
template <class F>
double sum_over(const Tensor& prediction, const Tensor& target, F f) {
  double sum = 0;
  const auto p = prediction.to(float64);
  const auto t = target.to(float64);
  const auto ps = p.data<double>();
  const auto ts = t.data<double>();
  for (std::size_t i = 0; i < ps.size(); ++i) sum += f(ps[i], ts[i]);
  return sum;
}

void check_same_shape(const char* metric, const Tensor& prediction, const Tensor& target) {
  check<Error>(prediction.defined() && target.defined(), "{}: {} is undefined", metric,
               prediction.defined() ? "target" : "prediction");
  check(prediction.shape() == target.shape(), "{}: prediction and target must have one shape, got {} and {}", metric,
        prediction.shape(), target.shape());
}

/// A vector [N] from [N] or [N, 1].
Tensor as_vector(const char* metric, const char* what, const Tensor& x) {
  check(x.rank() == 1 || (x.rank() == 2 && x.dim(1) == 1), "{} with a threshold: {} must be [N] or [N, 1], got {}",
        metric, what, x.shape());
  return reshape(x, {x.dim(0)});
}

/// int64 labels [N] and predicted ones, of scores that a threshold parts in classes 0 and 1.
struct Labels {
  Tensor predicted;
  Tensor labels;
};
Labels parted(const char* metric, const Tensor& scores, const Tensor& labels, double threshold) {
  check<Error>(scores.defined() && labels.defined(), "{}: {} is undefined", metric,
               scores.defined() ? "labels" : "predicted");
  check<DTypeError>(scores.dtype() != int64, "{} with a threshold: predicted must be scores, got int64", metric);
  const Tensor s = as_vector(metric, "predicted", scores).to(float64);
  const Tensor l = as_vector(metric, "labels", labels).to(float64);
  check(s.dim(0) == l.dim(0), "{}: {} predictions for {} labels; predicted is {}, labels is {}", metric, s.dim(0),
        l.dim(0), scores.shape(), labels.shape());
  for (const double label : l.data<double>()) {
    check(label == 0 || label == 1, "{} with a threshold: label {} is neither 0 nor 1", metric, label);
  }
  std::vector<std::int64_t> predicted;
  for (const double score : s.data<double>()) predicted.push_back(score > threshold ? 1 : 0);
  return {from_vector(predicted), l.to(int64)};
}

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? nan : static_cast<double>(part) / static_cast<double>(whole);
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

double RunningMean::value() const { return empty() ? nan : sum_ / weight_; }

namespace {

/// The value that a streaming metric has after one batch.
template <class M>
double value_of(M metric, const Tensor& prediction, const Tensor& target) {
  metric.update(prediction, target);
  check(prediction.dim(0) > 0, "{}: there are no samples", metric.name());
  return metric.value();
}

}  // namespace

double top_k(const Tensor& scores, const Tensor& labels, std::int64_t k) {
  return value_of(metrics::TopK(k), scores, labels);
}
double precision(const Tensor& predicted, const Tensor& labels, Average average) {
  return value_of(metrics::Precision({.average = average}), predicted, labels);
}
double recall(const Tensor& predicted, const Tensor& labels, Average average) {
  return value_of(metrics::Recall({.average = average}), predicted, labels);
}
double f1(const Tensor& predicted, const Tensor& labels, Average average) {
  return value_of(metrics::F1({.average = average}), predicted, labels);
}

double mse(const Tensor& prediction, const Tensor& target) {
  check_same_shape("mse", prediction, target);
  check(prediction.numel() > 0, "mse: there are no elements");
  return sum_over(prediction, target, [](double p, double t) { return (p - t) * (p - t); }) /
         static_cast<double>(prediction.numel());
}

double mae(const Tensor& prediction, const Tensor& target) {
  check_same_shape("mae", prediction, target);
  check(prediction.numel() > 0, "mae: there are no elements");
  return sum_over(prediction, target, [](double p, double t) { return std::abs(p - t); }) /
         static_cast<double>(prediction.numel());
}

double r2(const Tensor& prediction, const Tensor& target) {
  metrics::R2 metric;
  metric.update(prediction, target);
  check(prediction.dim(0) >= 2 && prediction.numel() > 0, "r2: takes two samples or more, got {}", prediction.shape());
  return metric.value();
}

double perplexity(const Tensor& logits, const Tensor& target) {
  return value_of(metrics::Perplexity(), logits, target);
}

Tensor Metric::result() const { return full({}, value(), float64); }

namespace metrics {

void Accuracy::update(const Tensor& predicted, const Tensor& labels) {
  const auto add = [this](const Tensor& guesses, const Tensor& truth) {
    const Tensor checked = predicted_labels("accuracy", guesses, truth);
    if (truth.numel() > 0) mean_.add(accuracy(checked, truth), static_cast<double>(truth.numel()));
  };
  if (!options_.threshold) return add(predicted, labels);
  const Labels binary = parted("accuracy", predicted, labels, *options_.threshold);
  add(binary.predicted, binary.labels);
}

TopK::TopK(std::int64_t k) : k_(k) { check<Error>(k >= 1, "top_k: k must be at least 1, got {}", k); }

std::string TopK::name() const { return fmt::format("top_{}", k_); }

void TopK::update(const Tensor& scores, const Tensor& labels) {
  static_cast<void>(predicted_labels("top_k", scores, labels));
  check(scores.rank() == 2, "top_k: scores must be [N, K], got {}", scores.shape());
  const std::int64_t classes = scores.dim(1);
  check<Error>(k_ <= classes, "top_k: k must be at most the number of classes {}, got {}", classes, k_);
  const auto truth = labels.data<std::int64_t>();
  const Tensor wide = scores.to(float64);
  const auto all = wide.data<double>();
  std::int64_t found = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const std::int64_t label = truth[i];
    check(label >= 0 && label < classes, "top_k: label {} is out of range for {} classes", label, classes);
    const auto row = all.subspan(i * static_cast<std::size_t>(classes), static_cast<std::size_t>(classes));
    const double own = row[static_cast<std::size_t>(label)];
    std::int64_t ahead = 0;
    for (std::size_t other = 0; other < row.size(); ++other) {
      // NaN is largest, as for argmax.
      const bool larger = std::isnan(own) ? false : std::isnan(row[other]) || row[other] > own;
      const bool equal = row[other] == own || (std::isnan(own) && std::isnan(row[other]));
      if (larger || (equal && other < static_cast<std::size_t>(label))) ++ahead;
    }
    found += ahead < k_;
  }
  if (!truth.empty()) mean_.add(ratio(found, labels.numel()), static_cast<double>(truth.size()));
}

ConfusionMatrix::ConfusionMatrix(std::int64_t classes) : classes_(classes) {
  check(classes >= 1, "confusion_matrix: classes must be at least 1, got {}", classes);
  reset();
}

void ConfusionMatrix::update(const Tensor& predicted, const Tensor& labels) {
  counts_ = counts_ + confusion_matrix(predicted, labels, classes_);
}

double ConfusionMatrix::value() const {
  const auto counts = counts_.data<std::int64_t>();
  std::int64_t right = 0;
  std::int64_t all = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    all += counts[i];
    if (i % static_cast<std::size_t>(classes_ + 1) == 0) right += counts[i];
  }
  return ratio(right, all);
}

void ConfusionMatrix::reset() { counts_ = zeros({classes_, classes_}, int64); }

void ClassMetric::update(const Tensor& predicted, const Tensor& labels) {
  const std::string metric = name();
  const Labels both = options_.threshold ? parted(metric.c_str(), predicted, labels, *options_.threshold)
                                         : Labels{predicted_labels(metric.c_str(), predicted, labels), labels};
  const auto guess = both.predicted.data<std::int64_t>();
  const auto truth = both.labels.data<std::int64_t>();
  constexpr std::int64_t most_classes = 1 << 20;  // so that an index taken for a label does not ask for all memory
  std::int64_t largest = -1;
  const auto look_at = [&](const char* what, std::int64_t label) {
    check(label >= 0 && label < most_classes, "{}: {} label {} is negative or absurdly large", metric, what, label);
    check(options_.average != Average::binary || label <= 1,
          "{}: {} label {} is neither 0 nor 1, as Average::binary needs", metric, what, label);
    largest = std::max(largest, label);
  };
  for (const std::int64_t label : truth) look_at("true", label);
  for (const std::int64_t label : guess) look_at("predicted", label);
  classes_.resize(std::max(classes_.size(), static_cast<std::size_t>(largest + 1)));
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ++classes_[static_cast<std::size_t>(truth[i])].labels;
    ++classes_[static_cast<std::size_t>(guess[i])].predicted;
    if (truth[i] == guess[i]) ++classes_[static_cast<std::size_t>(truth[i])].true_positives;
  }
}

double ClassMetric::value() const {
  if (classes_.empty()) return nan;
  if (options_.average == Average::binary) return classes_.size() > 1 ? of(classes_[1]) : 0;
  Counts all;
  RunningMean mean;
  for (const Counts& c : classes_) {
    all = {all.true_positives + c.true_positives, all.predicted + c.predicted, all.labels + c.labels};
    const bool occurs = c.predicted + c.labels > 0;
    if (occurs) mean.add(of(c), options_.average == Average::weighted ? static_cast<double>(c.labels) : 1);
  }
  return options_.average == Average::micro ? of(all) : mean.value();
}

double Precision::of(const Counts& c) const { return c.predicted == 0 ? 0 : ratio(c.true_positives, c.predicted); }
double Recall::of(const Counts& c) const { return c.labels == 0 ? 0 : ratio(c.true_positives, c.labels); }
double F1::of(const Counts& c) const {
  return c.predicted + c.labels == 0 ? 0 : ratio(2 * c.true_positives, c.predicted + c.labels);
}

void MSE::update(const Tensor& prediction, const Tensor& target) {
  check_same_shape("mse", prediction, target);
  if (prediction.numel() > 0) mean_.add(mse(prediction, target), static_cast<double>(prediction.numel()));
}

void MAE::update(const Tensor& prediction, const Tensor& target) {
  check_same_shape("mae", prediction, target);
  if (prediction.numel() > 0) mean_.add(mae(prediction, target), static_cast<double>(prediction.numel()));
}

void R2::update(const Tensor& prediction, const Tensor& target) {
  check_same_shape("r2", prediction, target);
  check(prediction.rank() >= 1, "r2: prediction must be [N, ...], got {}", prediction.shape());
  if (prediction.numel() == 0) return;
  const Shape shape = prediction.shape().removed(0);
  if (samples_ == 0) {
    sample_shape_ = shape;
    const auto width = static_cast<std::size_t>(shape.numel());
    mean_.assign(width, 0);
    deviation_.assign(width, 0);
    residual_.assign(width, 0);
  }
  check(shape == sample_shape_, "r2: samples are {} in this batch and were {} before", shape, sample_shape_);

  const Tensor p = prediction.to(float64);
  const Tensor t = target.to(float64);
  const auto ps = p.data<double>();
  const auto ts = t.data<double>();
  const std::size_t width = mean_.size();
  const auto n = static_cast<double>(prediction.dim(0));
  for (std::size_t column = 0; column < width; ++column) {
    double sum = 0;
    for (std::size_t i = column; i < ts.size(); i += width) sum += ts[i];
    const double mean = sum / n;
    double deviation = 0;
    for (std::size_t i = column; i < ts.size(); i += width) {
      deviation += (ts[i] - mean) * (ts[i] - mean);
      residual_[column] += (ts[i] - ps[i]) * (ts[i] - ps[i]);
    }
    const double shift = mean - mean_[column];
    deviation_[column] += deviation + shift * shift * samples_ * n / (samples_ + n);
    mean_[column] += shift * n / (samples_ + n);
  }
  samples_ += n;
}

double R2::value() const {
  if (samples_ < 2) return nan;
  RunningMean mean;
  for (std::size_t i = 0; i < mean_.size(); ++i) {
    // What equal targets leave by the rounding of their mean is no deviation.
    const double rounding = 4 * std::numeric_limits<double>::epsilon() * mean_[i];
    if (deviation_[i] <= samples_ * rounding * rounding) {
      mean.add(residual_[i] == 0 ? 1 : 0);
    } else {
      mean.add(1 - residual_[i] / deviation_[i]);
    }
  }
  return mean.value();
}

void Perplexity::update(const Tensor& logits, const Tensor& target) {
  check<Error>(logits.defined() && target.defined(), "perplexity: {} is undefined",
               logits.defined() ? "target" : "logits");
  const bool empty = logits.numel() == 0 && target.numel() == 0;
  if (empty) return;
  const NoGrad guard;
  const Tensor wide = target.dtype() == int64 ? target : target.to(float64);
  mean_.add(cross_entropy(logits.to(float64), wide).item(), static_cast<double>(logits.dim(0)));
}

double Perplexity::value() const { return std::exp(mean_.value()); }

Mean::Mean(std::string name, Function f, bool larger_is_better)
    : name_(std::move(name)), f_(std::move(f)), larger_is_better_(larger_is_better) {
  check<Error>(!name_.empty() && f_ != nullptr, "Mean: needs a name and a function");
}

void Mean::update(const Tensor& prediction, const Tensor& target) {
  if (prediction.numel() == 0) return;
  const Tensor value = no_grad([&] { return f_(prediction, target); });
  check(value.defined() && value.numel() == 1, "metric '{}': the function must give a single number, got {}", name_,
        value.defined() ? value.shape() : Shape{});
  mean_.add(value.item(), prediction.rank() == 0 ? 1 : static_cast<double>(prediction.dim(0)));
}

}  // namespace metrics
}  // namespace wengert
