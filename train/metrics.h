#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <wengert/autograd/tensor.h>

namespace wengert {

/// \file
/// Measures of how good predictions are: functions of all of them, and objects that take them batch by batch and give
/// the same number as if all had come at once (which the mean of the batches' values does not, for most). Functions
/// throw ShapeError where there are no samples; objects are NaN before the first.

/// The share of samples whose prediction is right. predicted: labels [N], int64, or scores (logits, probabilities)
/// [N, K], the largest of which counts; labels: [N], int64, or one-hot rows [N, K] beside scores. Throws ShapeError or
/// DTypeError on anything else, and on N = 0.
double accuracy(const Tensor& predicted, const Tensor& labels);

/// The share of samples whose label is among the k largest scores; of equal scores those of lower labels come first.
/// scores: [N, K], labels as for `accuracy`. Throws Error unless 1 <= k <= K.
double top_k(const Tensor& scores, const Tensor& labels, std::int64_t k);

/// How often which class was taken for which: [classes, classes], int64, truth by row and prediction by column.
/// Arguments as for `accuracy`, and N may be 0. Throws ShapeError naming a label out of range.
Tensor confusion_matrix(const Tensor& predicted, const Tensor& labels, std::int64_t classes);

/// The matrix as an aligned table, with each class's recall to the right and its precision below. `names`: of the
/// classes; their numbers if empty. Zeros off the diagonal are dots, so that mistakes stand out.
std::string format_confusion_matrix(const Tensor& matrix, const std::vector<std::string>& names = {});

/// How precision, recall and F1 of the classes become one number.
enum class Average : std::uint8_t {
  macro,     ///< their mean over the classes that occur among truth or predictions
  weighted,  ///< the same, each class counting as often as it is true
  micro,     ///< from the counts of all classes together; the accuracy, for one label a sample
  positive,  ///< of the class `positive` alone
};

struct ClassOptions {
  Average average = Average::macro;
  std::int64_t positive = 1;             ///< the class for Average::positive
  std::optional<double> threshold = {};  ///< one score a sample, [N] or [N, 1]: class 1 if above, else 0; the targets,
                                         ///< 0 and 1 of any dtype, may be [N, 1] too
};

/// Of the samples taken for a class, the share that is of it; of the samples of a class, the share taken for it; and
/// their harmonic mean, 2 TP / (2 TP + FP + FN). 0 / 0 counts as 0, as in scikit-learn. Arguments as for `accuracy`.
double precision(const Tensor& predicted, const Tensor& labels, const ClassOptions& options = {});
double recall(const Tensor& predicted, const Tensor& labels, const ClassOptions& options = {});
double f1(const Tensor& predicted, const Tensor& labels, const ClassOptions& options = {});

/// Mean of (prediction - target)^2, or of |prediction - target|, over all elements. Same shapes, float.
double mse(const Tensor& prediction, const Tensor& target);
double mae(const Tensor& prediction, const Tensor& target);

/// Coefficient of determination: 1 - sum (prediction - target)^2 / sum (target - its mean)^2, for each element of a
/// sample over the samples [N, ...], then the mean over the elements. Where all targets are equal: 1 if met exactly,
/// else 0, as in scikit-learn. NaN for one sample. Same shapes, float.
double r2(const Tensor& prediction, const Tensor& target);

/// exp of the mean of -log softmax(logits)[label]: how many equally likely choices would be as surprising. logits:
/// [..., K], labels: [...] int64.
double perplexity(const Tensor& logits, const Tensor& labels);

/// A weighted mean of numbers as they come.
class RunningMean {
 public:
  void add(double value, double weight = 1) {
    sum_ += weight * value;
    weight_ += weight;
  }
  void clear() { *this = {}; }
  bool empty() const { return weight_ == 0; }
  /// NaN if empty.
  double value() const;

 private:
  double sum_ = 0;
  double weight_ = 0;
};

/// A metric that takes samples batch by batch. A new kind derives from this one, or is a `MeanOf`.
class Metric {
 public:
  virtual ~Metric() = default;

  /// In histories and logs: "accuracy".
  virtual std::string name() const = 0;
  /// Takes a batch, as the function of this metric does; one without samples changes nothing.
  virtual void add(const Tensor& prediction, const Tensor& target) = 0;
  /// Of all samples since the last `clear`; NaN if there are none.
  virtual double value() const = 0;
  virtual void clear() = 0;
  virtual bool higher_is_better() const { return true; }
  /// For a metric that is more than a number; histories keep this instead of the value.
  virtual Tensor table() const { return {}; }

 protected:
  Metric() = default;
  Metric(const Metric&) = default;
  Metric& operator=(const Metric&) = default;
};

/// Any metric, as a value.
class AnyMetric final : public Metric {
 public:
  template <std::derived_from<Metric> M>
    requires(!std::same_as<M, AnyMetric>)
  AnyMetric(M metric)  // NOLINT(google-explicit-constructor): a metric is one
      : metric_(new M(std::move(metric))),
        copy_([](const Metric& of) -> Metric* { return new M(static_cast<const M&>(of)); }) {}
  AnyMetric(const AnyMetric& other) : metric_(other.copy_(*other.metric_)), copy_(other.copy_) {}
  AnyMetric(AnyMetric&&) noexcept = default;
  AnyMetric& operator=(AnyMetric other) noexcept {
    metric_.swap(other.metric_);
    std::swap(copy_, other.copy_);
    return *this;
  }
  ~AnyMetric() override = default;

  std::string name() const override { return metric_->name(); }
  void add(const Tensor& prediction, const Tensor& target) override { metric_->add(prediction, target); }
  double value() const override { return metric_->value(); }
  void clear() override { metric_->clear(); }
  bool higher_is_better() const override { return metric_->higher_is_better(); }
  Tensor table() const override { return metric_->table(); }

 private:
  std::unique_ptr<Metric> metric_;
  Metric* (*copy_)(const Metric&);
};

struct AccuracyOptions {
  std::optional<double> threshold = {};  ///< as in ClassOptions
};

class Accuracy : public Metric {
 public:
  explicit Accuracy(const AccuracyOptions& options = {}) : options_(options) {}
  std::string name() const override { return "accuracy"; }
  void add(const Tensor& prediction, const Tensor& target) override;
  double value() const override { return mean_.value(); }
  void clear() override { mean_.clear(); }

 private:
  AccuracyOptions options_;
  RunningMean mean_;
};

class TopK : public Metric {
 public:
  /// Throws Error if k < 1.
  explicit TopK(std::int64_t k);
  std::string name() const override;  // "top_5"
  void add(const Tensor& prediction, const Tensor& target) override;
  double value() const override { return mean_.value(); }
  void clear() override { mean_.clear(); }

 private:
  std::int64_t k_;
  RunningMean mean_;
};

struct ConfusionMatrixOptions {
  std::int64_t classes = 0;              ///< as many as scores or labels show if 0
  std::optional<double> threshold = {};  ///< as in ClassOptions
};

/// Counts what was taken for what: `table()` is as of `confusion_matrix`, the value is the accuracy.
class ConfusionMatrix : public Metric {
 public:
  explicit ConfusionMatrix(const ConfusionMatrixOptions& options = {});
  std::string name() const override { return "confusion_matrix"; }
  void add(const Tensor& prediction, const Tensor& target) override;
  double value() const override;
  void clear() override;
  /// [K, K] int64, truth by row and prediction by column. K is 0 before the first sample unless it was given.
  Tensor table() const override;

  std::int64_t classes() const { return classes_; }
  /// Samples of class `truth` taken for class `predicted`.
  std::int64_t count(std::int64_t truth, std::int64_t predicted) const {
    return counts_[static_cast<std::size_t>(truth * classes_ + predicted)];
  }

 private:
  void grow(std::int64_t classes);

  ConfusionMatrixOptions options_;
  std::int64_t classes_;
  std::vector<std::int64_t> counts_;
};

class Precision : public Metric {
 public:
  explicit Precision(const ClassOptions& options = {}) : options_(options), matrix_({.threshold = options.threshold}) {}
  std::string name() const override { return "precision"; }
  void add(const Tensor& prediction, const Tensor& target) override { matrix_.add(prediction, target); }
  double value() const override;
  void clear() override { matrix_.clear(); }

 private:
  ClassOptions options_;
  ConfusionMatrix matrix_;
};

class Recall : public Metric {
 public:
  explicit Recall(const ClassOptions& options = {}) : options_(options), matrix_({.threshold = options.threshold}) {}
  std::string name() const override { return "recall"; }
  void add(const Tensor& prediction, const Tensor& target) override { matrix_.add(prediction, target); }
  double value() const override;
  void clear() override { matrix_.clear(); }

 private:
  ClassOptions options_;
  ConfusionMatrix matrix_;
};

class F1 : public Metric {
 public:
  explicit F1(const ClassOptions& options = {}) : options_(options), matrix_({.threshold = options.threshold}) {}
  std::string name() const override { return "f1"; }
  void add(const Tensor& prediction, const Tensor& target) override { matrix_.add(prediction, target); }
  double value() const override;
  void clear() override { matrix_.clear(); }

 private:
  ClassOptions options_;
  ConfusionMatrix matrix_;
};

class MeanSquaredError : public Metric {
 public:
  std::string name() const override { return "mse"; }
  void add(const Tensor& prediction, const Tensor& target) override;
  double value() const override { return mean_.value(); }
  void clear() override { mean_.clear(); }
  bool higher_is_better() const override { return false; }

 private:
  RunningMean mean_;
};

class MeanAbsoluteError : public Metric {
 public:
  std::string name() const override { return "mae"; }
  void add(const Tensor& prediction, const Tensor& target) override;
  double value() const override { return mean_.value(); }
  void clear() override { mean_.clear(); }
  bool higher_is_better() const override { return false; }

 private:
  RunningMean mean_;
};

class R2 : public Metric {
 public:
  std::string name() const override { return "r2"; }
  void add(const Tensor& prediction, const Tensor& target) override;
  double value() const override;
  void clear() override { *this = {}; }

 private:
  std::int64_t samples_ = 0;
  std::vector<double> residual_;   // of each element of a sample: sum of squares
  std::vector<double> mean_;       // of the targets
  std::vector<double> deviation_;  // sum of squares around the mean
};

class Perplexity : public Metric {
 public:
  std::string name() const override { return "perplexity"; }
  void add(const Tensor& prediction, const Tensor& target) override;
  double value() const override;
  void clear() override { mean_.clear(); }
  bool higher_is_better() const override { return false; }

 private:
  RunningMean mean_;
};

/// The mean over all samples of what `f(prediction, target)` gives as the mean over a batch.
class MeanOf : public Metric {
 public:
  using Function = std::function<double(const Tensor& prediction, const Tensor& target)>;
  MeanOf(std::string name, Function f, bool higher_is_better = false)
      : name_(std::move(name)), f_(std::move(f)), higher_is_better_(higher_is_better) {}
  std::string name() const override { return name_; }
  void add(const Tensor& prediction, const Tensor& target) override;
  double value() const override { return mean_.value(); }
  void clear() override { mean_.clear(); }
  bool higher_is_better() const override { return higher_is_better_; }

 private:
  std::string name_;
  Function f_;
  bool higher_is_better_;
  RunningMean mean_;
};

}  // namespace wengert
