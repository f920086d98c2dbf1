#include <wengert/autograd/elementwise.h>

#include "autograd/ops/loss_checks.h"

namespace wengert {

namespace {

/// d^2 / 2 for |d| <= delta, beyond that the tangent.
Tensor huber(const char* op, const Tensor& difference, double delta) {
  return elementwise(
      op, difference,
      [delta](auto d) {
        const auto near = minimum(abs(d), delta);
        return near * (abs(d) - 0.5 * near);
      },
      by_input([delta](auto g, auto d) { return g * clamp(d, -delta, delta); }));
}

/// Throws unless x is [N, K] with elements and labels are [N] with 0 <= label < K, or the label that is ignored.
void check_labels(const char* op, const char* input_name, const Tensor& x, const Tensor& labels,
                  std::optional<std::int64_t> ignored = {}) {
  detail::check_operands(op, std::array{&x}, Types::floating, {input_name});
  check<Error>(labels.defined(), "{}: target is undefined", op);
  check(x.rank() == 2 && x.numel() > 0, "{}: {} must be [N, K] and not empty, got {}", op, input_name, x.shape());
  check<DTypeError>(labels.dtype() == DType::int64, "{}: target must be int64 labels, got {}", op, labels.dtype());
  check(labels.shape() == Shape{x.dim(0)}, "{}: {} is {} and target is {}; labels must have shape [{}]", op, input_name,
        x.shape(), labels.shape(), x.dim(0));
  detail::check_label_range(op, labels, x.dim(1), ignored);
}

}  // namespace

Tensor l1_loss(const Tensor& prediction, const Tensor& target) {
  detail::check_loss_inputs("l1_loss", "prediction", prediction, target);
  return mean(abs(prediction - target));
}

Tensor huber_loss(const Tensor& prediction, const Tensor& target, double delta) {
  detail::check_loss_inputs("huber_loss", "prediction", prediction, target);
  check<Error>(delta > 0, "huber_loss: delta must be > 0, got {}", delta);
  return mean(huber("huber_loss", prediction - target, delta));
}

Tensor smooth_l1_loss(const Tensor& prediction, const Tensor& target, double beta) {
  detail::check_loss_inputs("smooth_l1_loss", "prediction", prediction, target);
  check<Error>(beta > 0, "smooth_l1_loss: beta must be > 0, got {}", beta);
  return mean(huber("smooth_l1_loss", prediction - target, beta)) / beta;
}

Tensor hinge_loss(const Tensor& scores, const Tensor& target) {
  detail::check_loss_inputs("hinge_loss", "scores", scores, target);
  return mean(relu(1 - target * scores));
}

Tensor kl_div(const Tensor& log_probabilities, const Tensor& target) {
  detail::check_loss_inputs("kl_div", "log_probabilities", log_probabilities, target);
  check(target.rank() > 0, "kl_div: target must have an axis of samples, got a scalar");
  const Tensor terms = target * (log(where(target == 0, 1, target)) - where(target == 0, 0, log_probabilities));
  return sum(terms) / static_cast<double>(target.dim(0));
}

Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target) {
  check_labels("nll_loss", "log_probabilities", log_probabilities, target);
  return -mean(gather(log_probabilities, 1, unsqueeze(target, 1)));
}

Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options) {
  const char* op = "cross_entropy";
  check_labels(op, "logits", logits, target, options.ignore_index);
  const double smoothing = options.label_smoothing;
  check<Error>(smoothing >= 0 && smoothing <= 1, "{}: label_smoothing must be in [0, 1], got {}", op, smoothing);
  const std::int64_t classes = logits.dim(1);
  // Rows that are ignored get class 0 with weight 0.
  const Tensor counts = options.ignore_index ? (target != from_vector(std::vector{*options.ignore_index}))
                                             : ones(target.shape(), DType::int64);
  const Tensor labels = target * counts;
  Tensor row_weights = counts.to(logits.dtype());
  Tensor wanted = one_hot(labels, classes, logits.dtype()) * (1 - smoothing) + smoothing / static_cast<double>(classes);
  wanted = wanted * unsqueeze(row_weights, 1);
  if (options.weight.defined()) {
    check<DTypeError>(options.weight.dtype() == logits.dtype(), "{}: logits are {} and weight is {}", op,
                      logits.dtype(), options.weight.dtype());
    check(options.weight.shape() == Shape{classes}, "{}: weight must have shape [{}], got {}", op, classes,
          options.weight.shape());
    wanted = wanted * options.weight;
    row_weights = row_weights * index_select(options.weight, 0, labels);
  }
  const Tensor terms = wanted * where(wanted == 0, 0, log_softmax(logits));
  return -sum(terms) / sum(row_weights);
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, int axis, double epsilon) {
  const char* op = "cosine_similarity";
  detail::check_operands(op, std::array{&a, &b}, Types::floating);
  check(a.shape() == b.shape(), "{}: a is {} and b is {}; they must have the same shape", op, a.shape(), b.shape());
  axis = normalize_axis(op, axis, a.rank());
  const Tensor u = a / maximum(norm(a, 2, {axis}, true), epsilon);
  const Tensor v = b / maximum(norm(b, 2, {axis}, true), epsilon);
  return sum(u * v, {axis});
}

Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin) {
  const char* op = "triplet_margin_loss";
  detail::check_operands(op, std::array{&anchor, &positive, &negative}, Types::floating,
                         {"anchor", "positive", "negative"});
  check(anchor.shape() == positive.shape() && anchor.shape() == negative.shape() && anchor.rank() > 0,
        "{}: anchor is {}, positive {} and negative {}; they must have the same shape [..., features]", op,
        anchor.shape(), positive.shape(), negative.shape());
  check(anchor.numel() > 0, "{}: anchor of shape {} is empty, the loss has no mean", op, anchor.shape());
  return mean(relu(norm(anchor - positive, 2, {-1}) - norm(anchor - negative, 2, {-1}) + margin));
}

}  // namespace wengert
