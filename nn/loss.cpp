#include <string>

#include <fmt/format.h>

#include <wengert/nn/loss.h>

namespace wengert::nn {

namespace {

/// The mean is an op of its own: one pass, and stable. The others come from the numbers that it is the mean of.
template <class Mean, class Each>
Tensor reduce(Reduction reduction, Mean mean_of, Each each) {
  switch (reduction) {
    case Reduction::mean: return mean_of();
    case Reduction::sum: return sum(each());
    case Reduction::none: break;
  }
  return each();
}

void check_same_shape(const Tensor& prediction, const Tensor& target) {
  check(prediction.shape() == target.shape(), "prediction is {} and target is {}; they must have the same shape",
        prediction.shape(), target.shape());
}

/// Joins options that are worth a word with commas.
std::string joined(std::initializer_list<std::string> parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    if (!text.empty()) text += ", ";
    text += part;
  }
  return text;
}

std::string describe(Reduction reduction) {
  switch (reduction) {
    case Reduction::mean: return "";
    case Reduction::sum: return "sum";
    case Reduction::none: break;
  }
  return "no reduction";
}

/// [N, K, ...] -> [samples, K]: each position of each sample is a sample.
Tensor class_rows(const Tensor& x) {
  if (x.rank() <= 2) return x;
  std::vector<int> order{0};
  for (int axis = 2; axis < x.rank(); ++axis) order.push_back(axis);
  order.push_back(1);
  const std::int64_t classes = x.dim(1);
  return reshape(permute(x, order), {classes == 0 ? 0 : x.numel() / classes, classes});
}

/// The shape of labels for x: [N, K, ...].
Shape label_shape(const Tensor& x) { return x.rank() < 2 ? x.shape() : x.shape().removed(1); }

/// Labels as [samples].
Tensor label_rows(const Tensor& x, const Tensor& labels) {
  if (x.rank() <= 2) return labels;
  check(labels.shape() == label_shape(x), "prediction is {} and target is {}; labels must have shape {}", x.shape(),
        labels.shape(), label_shape(x));
  return reshape(labels, {labels.numel()});
}

/// x[row, label[row]]
Tensor at_labels(const Tensor& x, const Tensor& labels) { return squeeze(gather(x, 1, unsqueeze(labels, 1)), {1}); }

/// log p, clamped at -100. Numbers so small that 1 / p is not finite in float32 have no gradient.
Tensor clamped_log(const Tensor& p) {
  const Tensor tiny = p < 1e-37;
  return where(tiny, maximum(log(p), -100).detach(), log(where(tiny, 1, p)));
}

Tensor huber(const Tensor& prediction, const Tensor& target, double delta) {
  const Tensor d = abs(prediction - target);
  const Tensor inner = minimum(d, delta);
  return inner * (d - inner / 2);
}

}  // namespace

Tensor Loss::operator()(const Tensor& first, const Tensor& target) const {
  return hooked(first, [&](const Tensor& prediction) {
    check<Error>(prediction.defined(), "prediction is undefined");
    check<Error>(target.defined(), "target is undefined");
    return compute(prediction, target);
  });
}

CrossEntropyLoss::CrossEntropyLoss(const CrossEntropyLossOptions& options) : options_(options) {
  check<Error>(options.label_smoothing >= 0 && options.label_smoothing <= 1,
               "CrossEntropyLoss: label_smoothing must be from 0 to 1, got {}", options.label_smoothing);
}

namespace {

/// The losses of the rows of logits: [M, K] for probabilities [M, K].
Tensor row_losses_of_probabilities(const Tensor& logits, const Tensor& target) {
  // An impossible class that has probability 0 counts nothing, not 0 times infinity.
  return -sum(where(target == 0, 0, target * log_softmax(logits)), {-1});
}

/// The same for labels [M].
Tensor row_losses_of_labels(const Tensor& logits, const Tensor& labels, const CrossEntropyLossOptions& options) {
  const std::int64_t classes = logits.dim(1);
  const Tensor log_p = log_softmax(logits);
  const Tensor weight = options.weight.defined() ? options.weight : ones({classes}, logits.dtype());
  Tensor counted = labels;
  Tensor ignored;
  if (options.ignore_index) {
    ignored = labels == static_cast<double>(*options.ignore_index);
    counted = masked_fill(labels, ignored, 0);
  }
  const double spread = options.label_smoothing;
  Tensor losses = -at_labels(log_p, counted) * index_select(weight, 0, counted);
  if (spread > 0) losses = losses * (1 - spread) - sum(log_p * weight, {-1}) * (spread / static_cast<double>(classes));
  return ignored.defined() ? where(ignored, 0, losses) : losses;
}

}  // namespace

Tensor CrossEntropyLoss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor logits = class_rows(prediction);
  if (target.dtype() == int64) {
    const Tensor labels = label_rows(prediction, target);
    // The mean comes first in any case, as it checks the arguments.
    const Tensor mean_loss = cross_entropy(logits, labels,
                                           {.label_smoothing = options_.label_smoothing,
                                            .weight = options_.weight,
                                            .ignore_index = options_.ignore_index});
    if (options_.reduction == Reduction::mean) return mean_loss;
    const Tensor losses = row_losses_of_labels(logits, labels, options_);
    return options_.reduction == Reduction::sum ? sum(losses) : reshape(losses, target.shape());
  }
  check_same_shape(prediction, target);
  check<Error>(!options_.weight.defined() && !options_.ignore_index,
               "weight and ignore_index need labels (int64), the target is {}", target.dtype());
  Tensor probabilities = class_rows(target);
  if (const double spread = options_.label_smoothing; spread > 0) {
    probabilities = probabilities * (1 - spread) + spread / static_cast<double>(logits.dim(-1));
  }
  const Tensor mean_loss = cross_entropy(logits, probabilities);
  if (options_.reduction == Reduction::mean) return mean_loss;
  const Tensor losses = row_losses_of_probabilities(logits, probabilities);
  return options_.reduction == Reduction::sum ? sum(losses) : reshape(losses, label_shape(prediction));
}

std::string CrossEntropyLoss::options() const {
  return joined({options_.label_smoothing > 0 ? fmt::format("label smoothing {}", options_.label_smoothing) : "",
                 options_.weight.defined() ? "weighted" : "",
                 options_.ignore_index ? fmt::format("ignore index {}", *options_.ignore_index) : "",
                 describe(options_.reduction)});
}

Tensor NLLLoss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor rows = class_rows(prediction);
  const Tensor labels = label_rows(prediction, target);
  const Tensor mean_loss = nll_loss(rows, labels);
  return reduce(
      reduction_, [&] { return mean_loss; },
      [&] { return reshape(-at_labels(rows, labels), label_shape(prediction)); });
}

std::string NLLLoss::options() const { return describe(reduction_); }

CategoricalCrossEntropyLoss::CategoricalCrossEntropyLoss(const CategoricalCrossEntropyLossOptions& options)
    : options_(options) {
  check<Error>(options.epsilon >= 0, "CategoricalCrossEntropyLoss: epsilon must not be negative, got {}",
               options.epsilon);
}

Tensor CategoricalCrossEntropyLoss::compute(const Tensor& prediction, const Tensor& target) const {
  check(prediction.rank() == 2 && prediction.numel() > 0,
        "prediction has shape {}, expected probabilities [N, K] with elements", prediction.shape());
  Tensor probabilities = target;
  if (target.dtype() == int64 && target.rank() == 1) {
    probabilities = one_hot(target, prediction.dim(1), prediction.dtype());
  }
  check_same_shape(prediction, probabilities);
  const bool by_sample = options_.average == CategoricalCrossEntropyLossOptions::Average::samples;
  const std::int64_t count = by_sample ? prediction.dim(0) : prediction.numel();
  return -sum(probabilities * log(prediction + options_.epsilon)) / static_cast<double>(count);
}

std::string CategoricalCrossEntropyLoss::options() const {
  return options_.average == CategoricalCrossEntropyLossOptions::Average::samples ? "" : "per element";
}

Tensor BCELoss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor mean_loss = binary_cross_entropy(prediction, target);
  // The sum by the mean's op, which has a gradient even where a probability is 0 or 1.
  if (reduction_ == Reduction::sum) return mean_loss * static_cast<double>(prediction.numel());
  return reduce(
      reduction_, [&] { return mean_loss; },
      [&] { return -(target * clamped_log(prediction) + (1 - target) * clamped_log(1 - prediction)); });
}

std::string BCELoss::options() const { return describe(reduction_); }

Tensor BCEWithLogitsLoss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor mean_loss = binary_cross_entropy_with_logits(prediction, target);
  const Tensor& weight = options_.positive_weight;
  const auto each = [&] {
    const Tensor positive = target * softplus(-prediction);
    return (weight.defined() ? weight * positive : positive) + (1 - target) * softplus(prediction);
  };
  return reduce(
      options_.reduction, [&] { return weight.defined() ? mean(each()) : mean_loss; }, each);
}

std::string BCEWithLogitsLoss::options() const {
  return joined({options_.positive_weight.defined() ? "positive weight" : "", describe(options_.reduction)});
}

Tensor HingeLoss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor mean_loss = hinge_loss(prediction, target);
  return reduce(
      reduction_, [&] { return mean_loss; }, [&] { return relu(1 - target * prediction); });
}

std::string HingeLoss::options() const { return describe(reduction_); }

Tensor KLDivLoss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor mean_loss = kl_div(prediction, target);
  const auto each = [&] {
    const Tensor nothing = target == 0;
    return where(nothing, 0, target * (log(where(nothing, 1, target)) - prediction));
  };
  return reduce(
      reduction_, [&] { return mean_loss; }, each);
}

std::string KLDivLoss::options() const { return describe(reduction_); }

Tensor MSELoss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor mean_loss = mse_loss(prediction, target);
  return reduce(
      reduction_, [&] { return mean_loss; }, [&] { return square(prediction - target); });
}

std::string MSELoss::options() const { return describe(reduction_); }

Tensor L1Loss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor mean_loss = l1_loss(prediction, target);
  return reduce(
      reduction_, [&] { return mean_loss; }, [&] { return abs(prediction - target); });
}

std::string L1Loss::options() const { return describe(reduction_); }

HuberLoss::HuberLoss(const HuberLossOptions& options) : options_(options) {
  check<Error>(options.delta > 0, "HuberLoss: delta must be above 0, got {}", options.delta);
}

Tensor HuberLoss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor mean_loss = huber_loss(prediction, target, options_.delta);
  return reduce(
      options_.reduction, [&] { return mean_loss; }, [&] { return huber(prediction, target, options_.delta); });
}

std::string HuberLoss::options() const {
  return joined({fmt::format("delta {}", options_.delta), describe(options_.reduction)});
}

SmoothL1Loss::SmoothL1Loss(const SmoothL1LossOptions& options) : options_(options) {
  check<Error>(options.beta > 0, "SmoothL1Loss: beta must be above 0, got {}", options.beta);
}

Tensor SmoothL1Loss::compute(const Tensor& prediction, const Tensor& target) const {
  const Tensor mean_loss = smooth_l1_loss(prediction, target, options_.beta);
  return reduce(
      options_.reduction, [&] { return mean_loss; },
      [&] { return huber(prediction, target, options_.beta) / options_.beta; });
}

std::string SmoothL1Loss::options() const {
  return joined({fmt::format("beta {}", options_.beta), describe(options_.reduction)});
}

namespace {

double samples_of(const Tensor& prediction) {
  check(prediction.rank() > 0 && prediction.numel() > 0, "prediction has shape {}, expected samples [N, ...]",
        prediction.shape());
  return static_cast<double>(prediction.dim(0));
}

}  // namespace

Tensor OLSLoss::compute(const Tensor& prediction, const Tensor& target) const {
  check_same_shape(prediction, target);
  return sum(square(prediction - target)) / samples_of(prediction);
}

Tensor LogisticRegressionLoss::compute(const Tensor& prediction, const Tensor& target) const {
  check_same_shape(prediction, target);
  constexpr double epsilon = 1e-9;
  return -sum(target * log(prediction + epsilon) + (1 - target) * log(1 - prediction + epsilon)) /
         samples_of(prediction);
}

Tensor CosineSimilarity::operator()(const Tensor& first, const Tensor& b) const {
  return hooked(first, [&](const Tensor& a) { return cosine_similarity(a, b, options_.axis, options_.epsilon); });
}

std::string CosineSimilarity::options() const {
  return options_.axis == -1 ? "" : fmt::format("axis {}", options_.axis);
}

CosineEmbeddingLoss::CosineEmbeddingLoss(const CosineEmbeddingLossOptions& options) : options_(options) {
  check<Error>(options.margin >= -1 && options.margin <= 1, "CosineEmbeddingLoss: margin must be from -1 to 1, got {}",
               options.margin);
}

Tensor CosineEmbeddingLoss::operator()(const Tensor& first, const Tensor& b, const Tensor& target) const {
  return hooked(first, [&](const Tensor& a) {
    const Tensor cosine = cosine_similarity(a, b);
    check(target.shape() == cosine.shape(), "a and b are {} and target is {}; it must be {}", a.shape(), target.shape(),
          cosine.shape());
    const auto each = [&] { return where(target == 1, 1 - cosine, relu(cosine - options_.margin)); };
    return reduce(
        options_.reduction, [&] { return mean(each()); }, each);
  });
}

std::string CosineEmbeddingLoss::options() const {
  return joined({fmt::format("margin {}", options_.margin), describe(options_.reduction)});
}

TripletMarginLoss::TripletMarginLoss(const TripletMarginLossOptions& options) : options_(options) {
  check<Error>(options.margin >= 0, "TripletMarginLoss: margin must not be negative, got {}", options.margin);
}

Tensor TripletMarginLoss::operator()(const Tensor& first, const Tensor& positive, const Tensor& negative) const {
  return hooked(first, [&](const Tensor& anchor) {
    const Tensor mean_loss = triplet_margin_loss(anchor, positive, negative, options_.margin);
    return reduce(
        options_.reduction, [&] { return mean_loss; },
        [&] { return relu(norm(anchor - positive, 2, {-1}) - norm(anchor - negative, 2, {-1}) + options_.margin); });
  });
}

std::string TripletMarginLoss::options() const {
  return joined({fmt::format("margin {}", options_.margin), describe(options_.reduction)});
}

Tensor CTCLoss::operator()(const Tensor& first, const Tensor& target, const Tensor& input_lengths,
                           const Tensor& target_lengths) const {
  return hooked(first, [&](const Tensor& log_probabilities) {
    return ctc_loss(log_probabilities, target, input_lengths, target_lengths, options_);
  });
}

std::string CTCLoss::options() const {
  return joined({options_.blank != 0 ? fmt::format("blank {}", options_.blank) : "",
                 options_.zero_infinity ? "zero infinity" : ""});
}

}  // namespace wengert::nn
