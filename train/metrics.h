#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/autograd/tensor.h>

/// \file
/// How good predictions are: functions of all predictions at once, and objects in namespace `metrics` that take them in
/// batch by batch and know the value over all samples so far, which for F1 or R2 is no mean of the batches' values. The
/// objects go into `fit` and `evaluate`, or are used by themselves:
/// \code
///   metrics::F1 f1({.average = Average::weighted});
///   for (auto [x, labels] : loader) f1.update(predict(model, x), labels);
///   fmt::print("F1 {:.3f}\n", f1.value());
/// \endcode
/// Where a function throws because there are no samples, the object's value is NaN.

namespace wengert {

/// The share of samples whose prediction is right. predicted: labels [N], int64, or scores (logits, probabilities)
/// [N, K], the largest of which counts; labels: [N], int64. Throws ShapeError or DTypeError on anything else, and on
/// N = 0.
double accuracy(const Tensor& predicted, const Tensor& labels);

/// How often which class was taken for which: [classes, classes], int64, truth by row and prediction by column.
/// Arguments as for `accuracy`, and N may be 0. Throws ShapeError naming a label out of range.
Tensor confusion_matrix(const Tensor& predicted, const Tensor& labels, std::int64_t classes);

/// The share of samples whose label is among the k largest scores; of equal scores the first ones count, as for argmax.
/// scores: [N, K]; labels: [N], int64. Throws as `accuracy`, and Error unless 1 <= k <= K, ShapeError naming a label
/// out of range.
double top_k(const Tensor& scores, const Tensor& labels, std::int64_t k);

/// How the values of several classes become one.
enum class Average : std::uint8_t {
  macro,     ///< the mean over the classes that occur among the labels or the predictions
  micro,     ///< of the counts of all classes together; with one label a sample that is the accuracy
  weighted,  ///< the mean over classes weighted by how many labels each has
  binary,    ///< class 1 only, the "positive" one, against class 0. Throws ShapeError on other labels
};

/// Of what is said to be class c, the share that is: TP / (TP + FP); 0 if nothing is said to be c. Arguments and errors
/// as for `accuracy`, and labels may not be negative. All definitions are scikit-learn's.
double precision(const Tensor& predicted, const Tensor& labels, Average average = Average::macro);
/// Of what is class c, the share that is found: TP / (TP + FN); 0 if nothing is c.
double recall(const Tensor& predicted, const Tensor& labels, Average average = Average::macro);
/// The harmonic mean of both, class by class: 2 TP / (2 TP + FP + FN); 0 if class c does not occur.
double f1(const Tensor& predicted, const Tensor& labels, Average average = Average::macro);

/// The mean of (prediction - target)^2 over all elements, in float64. Both have one shape; throws ShapeError otherwise,
/// and if there are no elements, Error if one is undefined.
double mse(const Tensor& prediction, const Tensor& target);
/// The mean of |prediction - target|; as `mse`.
double mae(const Tensor& prediction, const Tensor& target);
/// The coefficient of determination, 1 - sum (target - prediction)^2 / sum (target - mean target)^2: 1 is perfect, 0 is
/// as good as the mean, and less is worse. [N] or [N, ...]: for each of a sample's elements by itself, and then the
/// mean of those. Where all targets are equal it is 1 if they are met and 0 if not. Throws as `mse`, and if N < 2.
double r2(const Tensor& prediction, const Tensor& target);
/// exp(cross_entropy): how many equally likely choices leave one as uncertain as the model is. Arguments and errors as
/// for `cross_entropy`, and throws ShapeError if there are no samples.
double perplexity(const Tensor& logits, const Tensor& target);

/// The matrix as an aligned table, with each class's recall to the right and its precision below. `names`: of the
/// classes; their numbers if empty. Zeros off the diagonal are dots, so that mistakes stand out.
std::string format_confusion_matrix(const Tensor& matrix, const std::vector<std::string>& names = {});

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

/// A number about predictions, taken in batch by batch. A value: a copy goes on by itself.
class Metric {
 public:
  virtual ~Metric() = default;

  /// "accuracy": what it is called in histories and logs.
  virtual std::string name() const = 0;
  /// Takes in a batch. Arguments and errors as for the function of the same name; an empty batch changes nothing.
  virtual void update(const Tensor& prediction, const Tensor& target) = 0;
  /// Over everything since the beginning or the last `reset`; NaN if there was nothing.
  virtual double value() const = 0;
  /// The whole result, where it is more than `value`; float64 or int64.
  virtual Tensor result() const;
  virtual void reset() = 0;
  virtual bool larger_is_better() const = 0;

 protected:
  Metric() = default;
  Metric(const Metric&) = default;
  Metric(Metric&&) = default;
  Metric& operator=(const Metric&) = default;
  Metric& operator=(Metric&&) = default;
};

/// Any metric, as a value.
class AnyMetric {
 public:
  template <std::derived_from<Metric> M>
  AnyMetric(M metric)  // NOLINT(google-explicit-constructor): a metric is one
      : metric_(std::make_unique<M>(std::move(metric))), clone_([](const Metric& m) -> std::unique_ptr<Metric> {
          return std::make_unique<M>(static_cast<const M&>(m));
        }) {}
  AnyMetric(const AnyMetric& other) : metric_(other.clone_(*other.metric_)), clone_(other.clone_) {}
  AnyMetric(AnyMetric&&) noexcept = default;
  AnyMetric& operator=(AnyMetric other) noexcept {
    metric_.swap(other.metric_);
    std::swap(clone_, other.clone_);
    return *this;
  }
  ~AnyMetric() = default;

  Metric& operator*() { return *metric_; }
  Metric* operator->() { return metric_.get(); }
  const Metric& operator*() const { return *metric_; }
  const Metric* operator->() const { return metric_.get(); }

 private:
  std::unique_ptr<Metric> metric_;
  std::unique_ptr<Metric> (*clone_)(const Metric&);
};

namespace metrics {

/// Base of the metrics that are a mean over samples, or over elements, of what `update` adds.
class MeanMetric : public Metric {
 public:
  double value() const override { return mean_.value(); }
  void reset() final { mean_.clear(); }

 protected:
  RunningMean mean_;
};

struct AccuracyOptions {
  /// For one score a sample, float [N] or [N, 1]: class 1 is predicted above this, else class 0. Labels may be floats,
  /// 0 or 1, in the scores' shape then. With a sigmoid 0.5, for logits 0.
  std::optional<double> threshold = {};
};
class Accuracy final : public MeanMetric {
 public:
  explicit Accuracy(const AccuracyOptions& options = {}) : options_(options) {}

  std::string name() const override { return "accuracy"; }
  void update(const Tensor& predicted, const Tensor& labels) override;
  bool larger_is_better() const override { return true; }

 private:
  AccuracyOptions options_;
};

/// Called "top_5", with its k.
class TopK final : public MeanMetric {
 public:
  /// Throws Error unless k >= 1.
  explicit TopK(std::int64_t k);

  std::string name() const override;
  void update(const Tensor& scores, const Tensor& labels) override;
  bool larger_is_better() const override { return true; }

 private:
  std::int64_t k_;
};

/// Its result is the matrix, its value the accuracy.
class ConfusionMatrix final : public Metric {
 public:
  /// Throws ShapeError unless classes >= 1.
  explicit ConfusionMatrix(std::int64_t classes);

  std::string name() const override { return "confusion_matrix"; }
  void update(const Tensor& predicted, const Tensor& labels) override;
  double value() const override;
  Tensor result() const override { return counts_; }
  void reset() override;
  bool larger_is_better() const override { return true; }

 private:
  std::int64_t classes_;
  Tensor counts_;
};

struct ClassMetricOptions {
  Average average = Average::macro;
  std::optional<double> threshold = {};  ///< as for Accuracy
};

/// How often each class was right, and taken for another: base of the three below.
class ClassMetric : public Metric {
 public:
  void update(const Tensor& predicted, const Tensor& labels) final;
  double value() const final;
  void reset() final { classes_.clear(); }
  bool larger_is_better() const final { return true; }

 protected:
  struct Counts {
    std::int64_t true_positives = 0;
    std::int64_t predicted = 0;
    std::int64_t labels = 0;
  };
  explicit ClassMetric(const ClassMetricOptions& options) : options_(options) {}

 private:
  virtual double of(const Counts& counts) const = 0;

  ClassMetricOptions options_;
  std::vector<Counts> classes_;
};
class Precision final : public ClassMetric {
 public:
  explicit Precision(const ClassMetricOptions& options = {}) : ClassMetric(options) {}
  std::string name() const override { return "precision"; }

 private:
  double of(const Counts& counts) const override;
};
class Recall final : public ClassMetric {
 public:
  explicit Recall(const ClassMetricOptions& options = {}) : ClassMetric(options) {}
  std::string name() const override { return "recall"; }

 private:
  double of(const Counts& counts) const override;
};
class F1 final : public ClassMetric {
 public:
  explicit F1(const ClassMetricOptions& options = {}) : ClassMetric(options) {}
  std::string name() const override { return "f1"; }

 private:
  double of(const Counts& counts) const override;
};

class MSE final : public MeanMetric {
 public:
  std::string name() const override { return "mse"; }
  void update(const Tensor& prediction, const Tensor& target) override;
  bool larger_is_better() const override { return false; }
};
class MAE final : public MeanMetric {
 public:
  std::string name() const override { return "mae"; }
  void update(const Tensor& prediction, const Tensor& target) override;
  bool larger_is_better() const override { return false; }
};

/// Means and squared deviations are merged batch by batch (T. F. Chan, G. H. Golub and R. J. LeVeque, "Updating
/// formulae and a pairwise algorithm for computing sample variances", 1979), so that targets far from 0 lose no digits.
class R2 final : public Metric {
 public:
  std::string name() const override { return "r2"; }
  /// Throws ShapeError if the samples' shape is not that of the batches before.
  void update(const Tensor& prediction, const Tensor& target) override;
  /// NaN for less than two samples.
  double value() const override;
  void reset() override { *this = {}; }
  bool larger_is_better() const override { return true; }

 private:
  double samples_ = 0;
  Shape sample_shape_;
  // Of each of a sample's elements:
  std::vector<double> mean_;       // of the targets
  std::vector<double> deviation_;  // sum (target - mean)^2
  std::vector<double> residual_;   // sum (target - prediction)^2
};

/// exp of the mean cross entropy.
class Perplexity final : public MeanMetric {
 public:
  std::string name() const override { return "perplexity"; }
  void update(const Tensor& logits, const Tensor& target) override;
  double value() const override;
  bool larger_is_better() const override { return false; }
};

/// The mean over samples of what `f(prediction, target)` gives as the mean over a batch: any loss as a metric.
class Mean final : public MeanMetric {
 public:
  using Function = std::function<Tensor(const Tensor&, const Tensor&)>;
  /// Throws Error if the name or the function is empty.
  Mean(std::string name, Function f, bool larger_is_better = false);

  std::string name() const override { return name_; }
  /// Throws ShapeError unless `f` gives a single number.
  void update(const Tensor& prediction, const Tensor& target) override;
  bool larger_is_better() const override { return larger_is_better_; }

 private:
  std::string name_;
  Function f_;
  bool larger_is_better_;
};

}  // namespace metrics
}  // namespace wengert
