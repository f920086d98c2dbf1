#pragma once

#include <cstdint>
#include <optional>

#include <wengert/autograd/ops.h>
#include <wengert/nn/module.h>

/// \file
/// Losses as modules: `CrossEntropyLoss loss({.label_smoothing = 0.1}); loss(logits, labels).backward();`. The means
/// are the ops of the same name in autograd/ops.h, which have the formulas.

namespace wengert::nn {

enum class Reduction : std::uint8_t {
  mean,  ///< a scalar; over what, the loss says
  sum,   ///< a scalar
  none,  ///< a number for each element or sample
};

/// Base of the losses of a prediction and a target; a callable value. Others derive from it, too:
/// \code
///   struct LogCosh : nn::Loss {
///     Tensor compute(const Tensor& prediction, const Tensor& target) const override {
///       const Tensor d = prediction - target;
///       return mean(d + softplus(-2 * d) - std::log(2.0));
///     }
///   };
/// \endcode
class Loss : public Module {
 public:
  /// `compute`, with the loss's name on errors.
  Tensor operator()(const Tensor& prediction, const Tensor& target) const;

 protected:
  virtual Tensor compute(const Tensor& prediction, const Tensor& target) const = 0;
};

// ---------------------------------------------------------------------------------------------------------------------
// Classes.

struct CrossEntropyLossOptions {
  double label_smoothing = 0;                     ///< share of the probability spread evenly over all classes, 0 to 1
  Tensor weight = {};                             ///< of each class, [K]; all 1 if undefined. Needs labels
  std::optional<std::int64_t> ignore_index = {};  ///< samples with this label count nothing
  Reduction reduction = Reduction::mean;          ///< the mean is over samples, by their labels' weights
};
/// -log softmax(logits)[label]. logits: [N, K] or [N, K, ...]; target: labels [N, ...] int64, or probabilities of the
/// logits' shape. `none` gives [N, ...].
class CrossEntropyLoss : public Loss {
 public:
  /// Throws Error unless label_smoothing is from 0 to 1.
  explicit CrossEntropyLoss(const CrossEntropyLossOptions& options = {});
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  CrossEntropyLossOptions options_;
};

struct LossOptions {
  Reduction reduction = Reduction::mean;
};

/// -log_probabilities[label]. log_probabilities: [N, K] or [N, K, ...]; target: labels [N, ...] int64. The mean is over
/// samples; `none` gives [N, ...].
class NLLLoss : public Loss {
 public:
  explicit NLLLoss(const LossOptions& options = {}) : reduction_(options.reduction) {}
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  Reduction reduction_;
};

struct CategoricalCrossEntropyLossOptions {
  /// The sum over all elements is divided by this number: of samples, as Keras does, or of elements, as the costs of
  /// some course notes do, which makes the loss K times smaller.
  enum class Average : std::uint8_t { samples, elements };

  Average average = Average::samples;
  double epsilon = 1e-9;  ///< added to the probabilities, as log(0) is infinite
};
/// -sum(t log(p + epsilon)) over the number of samples or of elements, for probabilities as a softmax gives them; where
/// there is a choice, CrossEntropyLoss of what goes into the softmax is more accurate. p: [N, K]; target:
/// probabilities [N, K] (one-hot or not), or labels [N] int64.
class CategoricalCrossEntropyLoss : public Loss {
 public:
  /// Throws Error if epsilon is negative.
  explicit CategoricalCrossEntropyLoss(const CategoricalCrossEntropyLossOptions& options = {});
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  CategoricalCrossEntropyLossOptions options_;
};

/// Binary cross entropy of probabilities: -(t log p + (1 - t) log(1 - p)), logs clamped at -100. Same shapes; the mean
/// is over elements.
class BCELoss : public Loss {
 public:
  explicit BCELoss(const LossOptions& options = {}) : reduction_(options.reduction) {}
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  Reduction reduction_;
};

struct BCEWithLogitsLossOptions {
  Tensor positive_weight = {};  ///< of the targets 1, broadcasts to them; all 1 if undefined
  Reduction reduction = Reduction::mean;
};
/// Binary cross entropy from logits, stable for any size of them. Same shapes; the mean is over elements.
class BCEWithLogitsLoss : public Loss {
 public:
  explicit BCEWithLogitsLoss(const BCEWithLogitsLossOptions& options = {}) : options_(options) {}
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  BCEWithLogitsLossOptions options_;
};

/// max(0, 1 - target scores), target being 1 or -1. Same shapes; the mean is over elements.
class HingeLoss : public Loss {
 public:
  explicit HingeLoss(const LossOptions& options = {}) : reduction_(options.reduction) {}
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  Reduction reduction_;
};

/// Kullback and Leibler's divergence of exp(log_probabilities) from the distribution `target`: t (log t - log p), 0
/// where t is 0. The mean is the sum over axis 0's size ("batchmean" in PyTorch). Same shapes.
class KLDivLoss : public Loss {
 public:
  explicit KLDivLoss(const LossOptions& options = {}) : reduction_(options.reduction) {}
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  Reduction reduction_;
};

// ---------------------------------------------------------------------------------------------------------------------
// Numbers. Same shapes; means are over elements.

/// (prediction - target)^2
class MSELoss : public Loss {
 public:
  explicit MSELoss(const LossOptions& options = {}) : reduction_(options.reduction) {}
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  Reduction reduction_;
};

/// |prediction - target|
class L1Loss : public Loss {
 public:
  explicit L1Loss(const LossOptions& options = {}) : reduction_(options.reduction) {}
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  Reduction reduction_;
};

struct HuberLossOptions {
  double delta = 1;
  Reduction reduction = Reduction::mean;
};
/// d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with d = prediction - target (P. J. Huber, 1964).
class HuberLoss : public Loss {
 public:
  /// Throws Error unless delta > 0.
  explicit HuberLoss(const HuberLossOptions& options = {});
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  HuberLossOptions options_;
};

struct SmoothL1LossOptions {
  double beta = 1;
  Reduction reduction = Reduction::mean;
};
/// HuberLoss with delta = beta, divided by beta.
class SmoothL1Loss : public Loss {
 public:
  /// Throws Error unless beta > 0.
  explicit SmoothL1Loss(const SmoothL1LossOptions& options = {});
  std::string options() const override;

 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;

 private:
  SmoothL1LossOptions options_;
};

/// Ordinary least squares: sum((prediction - target)^2) / N for N samples, however many numbers one has.
class OLSLoss : public Loss {
 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;
};

/// The cost of logistic regression: -sum(t log(p + 1e-9) + (1 - t) log(1 - p + 1e-9)) / N for N samples, however many
/// numbers one has. BCELoss is the mean over elements, and exact near 0 and 1.
class LogisticRegressionLoss : public Loss {
 protected:
  Tensor compute(const Tensor& prediction, const Tensor& target) const override;
};

// ---------------------------------------------------------------------------------------------------------------------
// Vectors, and losses of more than two tensors.

struct CosineSimilarityOptions {
  int axis = -1;
  double epsilon = 1e-8;  ///< lengths below count as this
};
/// The cosine of the angle between two tensors along an axis, which is dropped. Same shapes.
class CosineSimilarity : public Module {
 public:
  explicit CosineSimilarity(const CosineSimilarityOptions& options = {}) : options_(options) {}
  Tensor operator()(const Tensor& a, const Tensor& b) const;
  std::string options() const override;

 private:
  CosineSimilarityOptions options_;
};

struct CosineEmbeddingLossOptions {
  double margin = 0;
  Reduction reduction = Reduction::mean;
};
/// 1 - cos(a, b) where the target is 1, max(0, cos(a, b) - margin) where it is -1. a, b: [..., features], target:
/// [...].
class CosineEmbeddingLoss : public Module {
 public:
  /// Throws Error unless margin is from -1 to 1.
  explicit CosineEmbeddingLoss(const CosineEmbeddingLossOptions& options = {});
  /// Throws ShapeError unless a and b have one shape, and target that without the last axis.
  Tensor operator()(const Tensor& a, const Tensor& b, const Tensor& target) const;
  std::string options() const override;

 private:
  CosineEmbeddingLossOptions options_;
};

struct TripletMarginLossOptions {
  double margin = 1;
  Reduction reduction = Reduction::mean;
};
/// max(0, |anchor - positive| - |anchor - negative| + margin), with Euclidean distances along the last axis. Same
/// shapes [..., features]; `none` gives [...].
class TripletMarginLoss : public Module {
 public:
  /// Throws Error if margin is negative.
  explicit TripletMarginLoss(const TripletMarginLossOptions& options = {});
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative) const;
  std::string options() const override;

 private:
  TripletMarginLossOptions options_;
};

/// Connectionist temporal classification, as ctc_loss: a mean over samples. log_probabilities: [T, N, K]; target: [N,
/// S] int64; lengths of inputs and targets: [N] int64.
class CTCLoss : public Module {
 public:
  explicit CTCLoss(const CtcOptions& options = {}) : options_(options) {}
  Tensor operator()(const Tensor& log_probabilities, const Tensor& target, const Tensor& input_lengths,
                    const Tensor& target_lengths) const;
  std::string options() const override;

 private:
  CtcOptions options_;
};

}  // namespace wengert::nn
