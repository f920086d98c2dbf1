#include <optional>

#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

/// Before version 13 the axes from `axis` on, which was 1 if not given, are taken together.
Tensor along_axis(const Call& call, Tensor (*op)(const Tensor& x, int axis)) {
  const Tensor x = call.input(0);
  if (call.opset() >= 13) return op(x, call.axis("axis", -1));
  const int axis = normalize_axis("onnx", call.axis("axis", 1), x.rank());
  return reshape(op(reshape(x, {x.shape().numel(0, axis), -1}), 1), x.shape());
}

Tensor hard_max(const Tensor& x, int axis) {
  return move_axis(one_hot(argmax(x, axis), x.dim(axis), x.dtype()), -1, axis);
}

/// What the two losses of labels have in common: scores [N, C, d1, ...] and labels [N, d1, ...] as rows, and what each
/// row counts.
struct Rows {
  Tensor scores;                             // [M, C]
  Tensor labels;                             // [M]
  Tensor class_weights;                      // [C], or undefined
  std::optional<std::int64_t> ignored = {};  // rows with this label count nothing

  explicit Rows(const Call& call)
      : scores(reshape(move_axis(call.input(0), 1, -1), {-1, call.input(0).dim(1)})),
        labels(flatten(call.input(1))),
        class_weights(call.optional_input(2)) {
    if (call.has("ignore_index")) ignored = call.integer("ignore_index", 0);
  }

  /// Labels with 0 in place of those that are ignored, which may be no class at all.
  Tensor valid_labels() const { return ignored ? where(labels == static_cast<double>(*ignored), 0, labels) : labels; }

  /// [M]
  Tensor weights() const {
    const Tensor ones_or_weights = class_weights.defined() ? index_select(class_weights, 0, valid_labels())
                                                           : ones({labels.numel()}, scores.dtype());
    return ignored ? where(labels == static_cast<double>(*ignored), 0, ones_or_weights) : ones_or_weights;
  }

  /// The loss of each row by itself, [M].
  Tensor each(Tensor (*loss)(const Tensor& scores, const Tensor& labels)) const {
    const Tensor valid = valid_labels();
    std::vector<Tensor> losses;
    for (std::int64_t i = 0; i < labels.numel(); ++i) {
      losses.push_back(loss(scores.slice(i, i + 1), valid.slice(i, i + 1)));
    }
    return stack(losses);
  }

  /// Each row's loss, or their sum, or their mean, weighted.
  Tensor reduced(const Call& call, Tensor (*loss)(const Tensor& scores, const Tensor& labels)) const {
    const std::string reduction = call.text("reduction", "mean");
    const Tensor losses = weights() * each(loss);
    if (reduction == "none") return reshape(losses, call.input(1).shape());
    return reduction == "sum" ? sum(losses) : sum(losses) / sum(weights());
  }
};

Tensor negative_log_likelihood(const Call& call) {
  const Rows rows(call);
  const bool plain = !rows.class_weights.defined() && !rows.ignored;
  if (plain && call.text("reduction", "mean") == "mean") return nll_loss(rows.scores, rows.labels);
  return rows.reduced(call, nll_loss);
}

Outputs softmax_cross_entropy(const Call& call) {
  const Rows rows(call);
  const Tensor loss =
      call.text("reduction", "mean") == "mean"
          ? cross_entropy(rows.scores, rows.labels, {.weight = rows.class_weights, .ignore_index = rows.ignored})
          : rows.reduced(call, cross_entropy);
  return {loss, log_softmax(call.input(0), 1)};
}

}  // namespace

std::vector<Operator> loss_operators() {
  return {
      {"Hardmax", {"argmax", "one_hot"}, [](const Call& call) { return along_axis(call, hard_max); }, Accuracy::exact},
      {"LogSoftmax", {"log_softmax"}, [](const Call& call) { return along_axis(call, log_softmax); }},
      {"NegativeLogLikelihoodLoss", {"nll_loss"}, negative_log_likelihood},
      {"Softmax", {"softmax"}, [](const Call& call) { return along_axis(call, softmax); }},
      {"SoftmaxCrossEntropyLoss", {"cross_entropy", "log_softmax"}, softmax_cross_entropy},
  };
}

}  // namespace wengert::test::onnx
