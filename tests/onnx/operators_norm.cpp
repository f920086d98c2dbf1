#include "tests/onnx/operators.h"

namespace wengert::test::onnx {

namespace {

/// Statistics of the batch in training, which is an attribute from version 14 on, and means something else before.
/// ONNX's momentum is the share of the old statistics, and its running variance is that of a population.
Outputs batch_normalization(const Call& call) {
  const Tensor x = call.input(0);
  RunningStatistics running{call.input(3), call.input(4)};
  const double epsilon = call.real("epsilon", 1e-5);
  const double kept = call.real("momentum", 0.9);
  const bool training = call.opset() >= 14 && call.flag("training_mode");
  if (call.opset() < 7 && !call.flag("is_test")) throw Unsupported("training of an old version");
  if (call.opset() >= 7 && call.opset() < 14 && call.wants(1)) throw Unsupported("training of an old version");
  if (!call.flag("spatial", true)) throw Unsupported("statistics of each element");
  const Tensor old_variance = running.variance;
  const Tensor y = batch_norm(x, running, call.input(1), call.input(2),
                              {.training = training, .momentum = 1 - kept, .epsilon = epsilon});
  const auto count = static_cast<double>(x.numel() / x.dim(1));
  const Tensor from_old = kept * old_variance;
  return {y, running.mean, from_old + (running.variance - from_old) * ((count - 1) / count)};
}

/// With the mean and one over the deviation of each sample as further outputs.
Outputs layer_normalization(const Call& call) {
  const Tensor x = call.input(0);
  const int axis = normalize_axis("onnx", call.axis("axis", -1), x.rank());
  const double epsilon = call.real("epsilon", 1e-5);
  call.ignore("stash_type");  // the dtype of the statistics, float32 by default, which the inputs have
  const Tensor y = layer_norm(x, call.input(1), call.optional_input(2), {.axes = x.rank() - axis, .epsilon = epsilon});
  Axes normalized;
  for (int i = axis; i < x.rank(); ++i) normalized.push_back(i);
  const Tensor variance = var(x, normalized, {.correction = 0, .keepdims = true});
  return {y, mean(x, normalized, true), rsqrt(variance + epsilon)};
}

Tensor instance_normalization(const Call& call) {
  return instance_norm(call.input(0), call.input(1), call.input(2), call.real("epsilon", 1e-5));
}

}  // namespace

std::vector<Operator> norm_operators() {
  return {
      {"BatchNormalization", {"batch_norm"}, batch_normalization},
      {"InstanceNormalization", {"instance_norm"}, instance_normalization},
      {"LayerNormalization", {"layer_norm", "mean", "var", "rsqrt"}, layer_normalization},
  };
}

}  // namespace wengert::test::onnx
