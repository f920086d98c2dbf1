#include "autograd/kernels/norm.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

#include <wengert/autograd/elementwise.h>

#include "autograd/kernels/reduce.h"

namespace wengert {

namespace {

using detail::Access;
using kernels::NormKind;
using kernels::NormLayout;

/// A normalisation of tensors of one shape, for the kernels and as ops see it.
struct Plan {
  NormKind kind = NormKind::deviations;
  double epsilon = 0;
  NormLayout layout;
  Shape view;        // of x, so that the other two broadcast to it
  Shape statistics;  // of means and deviations
  Shape parameters;  // of weight and bias
};

/// Weight and bias may be undefined.
void check_arguments(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  detail::check_operands(op, std::array{&x}, Types::floating, {"x"});
  if (weight.defined()) detail::check_operands(op, std::array{&x, &weight}, Types::floating, {"x", "weight"});
  if (bias.defined()) detail::check_operands(op, std::array{&x, &bias}, Types::floating, {"x", "bias"});
  check<Error>(epsilon >= 0, "{}: epsilon must be >= 0, got {}", op, epsilon);
}

void check_shape(const char* op, const char* name, const Tensor& tensor, const Shape& expected, const Tensor& x) {
  check(!tensor.defined() || tensor.shape() == expected, "{}: {} must be {} for x {}, got {}", op, name, expected,
        x.shape(), tensor.defined() ? tensor.shape() : Shape());
}

/// x: [N, C, ...], with weight and bias of the channels.
void check_channels(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  check_arguments(op, x, weight, bias, epsilon);
  check(x.rank() >= 2, "{}: x must be [N, C, ...], got {}", op, x.shape());
  check_shape(op, "weight", weight, {x.dim(1)}, x);
  check_shape(op, "bias", bias, {x.dim(1)}, x);
}

/// Elements of a channel of a sample.
std::int64_t size_of_channel(const Tensor& x) { return x.shape().numel(2, x.rank()); }

Plan plan_batch(const Tensor& x, const BatchNormOptions& options) {
  const std::int64_t channels = x.dim(1);
  const std::int64_t size = size_of_channel(x);
  return {.kind = options.training ? NormKind::deviations : NormKind::given,
          .epsilon = options.epsilon,
          .layout = {.groups = channels,
                     .runs = x.dim(0),
                     .length = size,
                     .group_stride = size,
                     .run_stride = channels * size,
                     .period = channels},
          .view = {x.dim(0), channels, size},
          .statistics = {1, channels, 1},
          .parameters = {1, channels, 1}};
}

Plan plan_channel_groups(const Tensor& x, std::int64_t groups, double epsilon) {
  const std::int64_t samples = x.dim(0);
  const std::int64_t channels = x.dim(1) / groups;
  const std::int64_t size = size_of_channel(x);
  NormLayout layout{.groups = samples * groups,
                    .channels = channels,
                    .length = size,
                    .group_stride = channels * size,
                    .period = groups};
  if (size == 1) {  // channels lie in packets side by side
    std::swap(layout.channels, layout.length);
    layout.per_element = true;
  }
  return {.epsilon = epsilon,
          .layout = layout,
          .view = {samples, groups, channels, size},
          .statistics = {samples, groups, 1, 1},
          .parameters = {1, groups, channels, 1}};
}

Plan plan_last_axes(const char* op, NormKind kind, const Tensor& x, const LayerNormOptions& options) {
  check(options.axes >= 1 && options.axes <= x.rank(), "{}: axes must be from 1 to x's rank, {}, got {}", op, x.rank(),
        options.axes);
  const int leading = x.rank() - options.axes;
  const std::int64_t rows = x.shape().numel(0, leading);
  const std::int64_t size = x.shape().numel(leading, x.rank());
  return {.kind = kind,
          .epsilon = options.epsilon,
          .layout = {.groups = rows, .length = size, .group_stride = size, .per_element = true},
          .view = {rows, size},
          .statistics = {rows, 1},
          .parameters = {1, size}};
}

Shape last_axes(const Tensor& x, int axes) {
  return Shape(std::span(x.shape().end() - axes, static_cast<std::size_t>(axes)));
}

// ---------------------------------------------------------------------------------------------------------------------
// Gradients, with respect to x, weight and bias where `needed`: by a kernel, or in ops to be differentiated again.

/// What the rule of a normalisation saves: z = (x - mean) rstd costs less to compute again than to keep.
struct Saved {
  Plan plan;
  Tensor x;
  Tensor weight;
  Tensor mean;  // float64, as rstd
  Tensor rstd;
  Shape parameters;  // of weight and bias as they were given
};

using Needed = const std::uint8_t*;

std::vector<Tensor> fused_gradients(const Saved& saved, const Tensor& g, Needed needed) {
  const NormLayout& layout = saved.plan.layout;
  const DType dtype = g.dtype();
  const Shape sums{kernels::gradient_rows(layout), layout.parameters()};
  std::vector<Tensor> gradients(3);
  if (needed[0]) gradients[0] = Access::allocate(g.shape(), dtype);
  if (needed[1]) gradients[1] = Access::allocate(sums, dtype);
  if (needed[2]) gradients[2] = Access::allocate(sums, dtype);
  dispatch_floating(dtype, [&]<class T>() {
    const auto target = [](const Tensor& tensor) {
      return tensor.defined() ? Access::mutable_data<T>(tensor) : nullptr;
    };
    kernels::normalize_gradients<T>(layout, saved.plan.kind, Access::data<T>(g), Access::data<T>(saved.x),
                                    saved.weight.defined() ? Access::data<T>(saved.weight) : nullptr,
                                    Access::data<double>(saved.mean), Access::data<double>(saved.rstd),
                                    {target(gradients[0]), target(gradients[1]), target(gradients[2])});
  });
  for (Tensor* parts : {&gradients[1], &gradients[2]}) {
    if (!parts->defined()) continue;
    const Tensor total = Access::allocate(saved.parameters, dtype);
    kernels::reduce(kernels::Reduction::sum, *parts, 1, total);
    *parts = total;
  }
  return gradients;
}

std::vector<Tensor> recorded_gradients(const Saved& saved, const Tensor& g, Needed needed) {
  const Plan& plan = saved.plan;
  const auto mean_of = [&](const Tensor& t) {
    return sum_to(t, plan.statistics) / static_cast<double>(plan.layout.size());
  };
  const auto given = [&](const Tensor& t) { return t.to(g.dtype()).reshape(plan.statistics); };
  const Tensor x = reshape(saved.x, plan.view);
  Tensor center = x;
  if (plan.kind == NormKind::deviations) center = x - mean_of(x);
  if (plan.kind == NormKind::given) center = x - given(saved.mean);
  const Tensor rstd = plan.kind == NormKind::given ? given(saved.rstd) : rsqrt(mean_of(square(center)) + plan.epsilon);
  const Tensor z = center * rstd;

  const Tensor upstream = reshape(g, plan.view);
  std::vector<Tensor> gradients(3);
  if (needed[0]) {
    const Tensor h = saved.weight.defined() ? upstream * reshape(saved.weight, plan.parameters) : upstream;
    Tensor part = h;
    if (plan.kind != NormKind::given) part = part - z * mean_of(h * z);
    if (plan.kind == NormKind::deviations) part = part - mean_of(h);
    gradients[0] = reshape(rstd * part, g.shape());
  }
  if (needed[1]) gradients[1] = reshape(sum_to(upstream * z, plan.parameters), saved.parameters);
  if (needed[2]) gradients[2] = reshape(sum_to(upstream, plan.parameters), saved.parameters);
  return gradients;
}

std::vector<Tensor> gradients_of(const Saved& saved, const Tensor& g, Needed needed) {
  if (g.numel() == 0) {  // nothing depends on anything
    const Tensor none = zeros(saved.parameters, g.dtype());
    return {g, none, none};
  }
  const bool again = g.requires_grad() || saved.x.requires_grad() || saved.weight.requires_grad();
  return grad_enabled() && again ? recorded_gradients(saved, g, needed) : fused_gradients(saved, g, needed);
}

// ---------------------------------------------------------------------------------------------------------------------

/// A number in double for each group.
Tensor per_group(const Plan& plan) { return Access::allocate({plan.layout.groups}, float64); }

/// Fills the statistics, which are `per_group`, unless they are given. A variance is not needed.
Tensor normalized(const char* op, Plan plan, const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor mean,
                  Tensor rstd, const Tensor& variance = {}) {
  const Tensor y = Access::allocate(x.shape(), x.dtype());
  if (x.numel() > 0) {
    dispatch_floating(x.dtype(), [&]<class T>() {
      const auto optional = [](const Tensor& tensor) { return tensor.defined() ? Access::data<T>(tensor) : nullptr; };
      kernels::normalize<T>(plan.layout, plan.kind, plan.epsilon, Access::data<T>(x), optional(weight), optional(bias),
                            {Access::mutable_data<double>(mean), Access::mutable_data<double>(rstd),
                             variance.defined() ? Access::mutable_data<double>(variance) : nullptr},
                            Access::mutable_data<T>(y));
    });
  }
  if (!grad_enabled() || !(x.requires_grad() || weight.requires_grad() || bias.requires_grad())) return y;
  const Shape parameters = weight.defined() ? weight.shape() : bias.defined() ? bias.shape() : Shape();
  Saved saved{std::move(plan), x, weight, std::move(mean), std::move(rstd), parameters};
  const auto rule = [saved = std::move(saved)](std::span<const Tensor> g, Needed needed) {
    return gradients_of(saved, g[0], needed);
  };
  return record(op, std::vector{y}, wrt_all(std::array{x, weight, bias}, rule))[0];
}

Tensor normalized(const char* op, const Plan& plan, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return normalized(op, plan, x, weight, bias, per_group(plan), per_group(plan));
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// Batch normalisation.

namespace {

void check_running(const Tensor& x, const RunningStatistics& running, const BatchNormOptions& options) {
  const auto check_one = [&](const char* name, const Tensor& tensor) {
    check<Error>(options.training || tensor.defined(),
                 "batch_norm: {} is undefined; evaluation needs what training has found", name);
    if (tensor.defined()) detail::check_operands("batch_norm", std::array{&x, &tensor}, Types::floating, {"x", name});
    check_shape("batch_norm", name, tensor, {x.dim(1)}, x);
  };
  check_one("running.mean", running.mean);
  check_one("running.variance", running.variance);
}

/// `found` is float64; `before` may be undefined, then it is all `otherwise`.
Tensor moved(const Tensor& before, double otherwise, const Tensor& found, double scale, double momentum, DType dtype) {
  const Tensor after = Access::allocate(found.shape(), dtype);
  dispatch_floating(dtype, [&]<class T>() {
    for (std::int64_t c = 0; c < found.numel(); ++c) {
      const double old = before.defined() ? static_cast<double>(Access::data<T>(before)[c]) : otherwise;
      const double target = scale * Access::data<double>(found)[c];
      Access::mutable_data<T>(after)[c] = static_cast<T>((1 - momentum) * old + momentum * target);
    }
  });
  return after;
}

Tensor normalized_by_batch(const Tensor& x, RunningStatistics& running, const Tensor& weight, const Tensor& bias,
                           const BatchNormOptions& options) {
  const Plan plan = plan_batch(x, options);
  const std::int64_t count = plan.layout.size();
  check(count >= 2, "batch_norm: a channel has {} elements, training needs at least 2; x is {}", count, x.shape());
  const Tensor mean = per_group(plan);
  const Tensor variance = per_group(plan);
  Tensor y = normalized("batch_norm", plan, x, weight, bias, mean, per_group(plan), variance);
  const auto n = static_cast<double>(count);
  RunningStatistics after{moved(running.mean, 0, mean, 1, options.momentum, x.dtype()),
                          moved(running.variance, 1, variance, n / (n - 1), options.momentum, x.dtype())};
  running = std::move(after);
  return y;
}

Tensor normalized_by_running(const Tensor& x, const RunningStatistics& running, const Tensor& weight,
                             const Tensor& bias, const BatchNormOptions& options) {
  return normalized("batch_norm", plan_batch(x, options), x, weight, bias, running.mean.detach().to(float64),
                    no_grad([&] { return rsqrt(running.variance.to(float64) + options.epsilon); }));
}

}  // namespace

Tensor batch_norm(const Tensor& x, RunningStatistics& running, const Tensor& weight, const Tensor& bias,
                  const BatchNormOptions& options) {
  check_channels("batch_norm", x, weight, bias, options.epsilon);
  check<Error>(options.momentum >= 0 && options.momentum <= 1, "batch_norm: momentum must be in [0, 1], got {}",
               options.momentum);
  check_running(x, running, options);
  return options.training ? normalized_by_batch(x, running, weight, bias, options)
                          : normalized_by_running(x, running, weight, bias, options);
}

// ---------------------------------------------------------------------------------------------------------------------
// The others.

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const LayerNormOptions& options) {
  check_arguments("layer_norm", x, weight, bias, options.epsilon);
  const Plan plan = plan_last_axes("layer_norm", NormKind::deviations, x, options);
  check_shape("layer_norm", "weight", weight, last_axes(x, options.axes), x);
  check_shape("layer_norm", "bias", bias, last_axes(x, options.axes), x);
  return normalized("layer_norm", plan, x, weight, bias);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, const LayerNormOptions& options) {
  check_arguments("rms_norm", x, weight, {}, options.epsilon);
  const Plan plan = plan_last_axes("rms_norm", NormKind::root_square, x, options);
  check_shape("rms_norm", "weight", weight, last_axes(x, options.axes), x);
  return normalized("rms_norm", plan, x, weight, {});
}

Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight, const Tensor& bias, double epsilon) {
  check_channels("group_norm", x, weight, bias, epsilon);
  check(groups >= 1 && x.dim(1) % groups == 0, "group_norm: {} groups do not divide {} channels; x is {}", groups,
        x.dim(1), x.shape());
  return normalized("group_norm", plan_channel_groups(x, groups, epsilon), x, weight, bias);
}

Tensor instance_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon) {
  check_channels("instance_norm", x, weight, bias, epsilon);
  return normalized("instance_norm", plan_channel_groups(x, std::max<std::int64_t>(1, x.dim(1)), epsilon), x, weight,
                    bias);
}

}  // namespace wengert
