#include <fmt/format.h>

#include <wengert/nn/norm.h>

#include "nn/detail/describe.h"

namespace wengert::nn {

namespace {

void check_channel_count(const char* layer, std::int64_t channels) {
  check<Error>(channels > 0, "{}: channels must be at least 1, got {}", layer, channels);
}

void check_epsilon(const char* layer, double epsilon) {
  check<Error>(epsilon >= 0, "{}: epsilon must not be negative, got {}", layer, epsilon);
}

void check_normalised_shape(const char* layer, const Shape& shape) {
  check<Error>(shape.rank() > 0 && shape.numel() > 0, "{}: the shape must have axes of at least 1 element, got {}",
               layer, shape);
}

/// [N, C, ...]
void check_channels(const Tensor& x, std::int64_t channels, int least_rank = 2) {
  check(x.rank() >= least_rank, "x has shape {}, expected [N, {}, {}]", x.shape(), channels,
        least_rank == 2 ? "..." : "L, ...");
  check(x.dim(1) == channels, "x has {} channels, expected {}; x is {}", x.dim(1), channels, x.shape());
}

void check_last_axes(const Tensor& x, const Shape& shape) {
  const int first = x.rank() - shape.rank();
  bool same = first >= 0;
  for (int axis = 0; same && axis < shape.rank(); ++axis) same = x.dim(first + axis) == shape[axis];
  check(same, "x has shape {}, expected last axes {}", x.shape(), shape);
}

Parameter first_weight(bool wanted, const Shape& shape, DType dtype) {
  return wanted ? Parameter(ones(shape, dtype)) : Parameter();
}

Parameter first_bias(bool wanted, const Shape& shape, DType dtype) {
  return wanted ? Parameter(zeros(shape, dtype)) : Parameter();
}

/// ", epsilon 0.001" if it is not the usual one.
std::string describe_epsilon(double epsilon, double usual) {
  return epsilon == usual ? "" : fmt::format(", epsilon {}", epsilon);
}

std::string describe_shape(const Shape& shape) {
  return shape.rank() == 1 ? std::to_string(shape[0]) : shape.to_string();
}

}  // namespace

BatchNorm::BatchNorm(std::int64_t channels, const BatchNormOptions& options) : channels_(channels), options_(options) {
  check_channel_count("BatchNorm", channels);
  check<Error>(options.momentum >= 0 && options.momentum <= 1, "BatchNorm: momentum must be from 0 to 1, got {}",
               options.momentum);
  check_epsilon("BatchNorm", options.epsilon);
  weight = first_weight(options.affine, {channels}, options.dtype);
  bias = first_bias(options.affine, {channels}, options.dtype);
  if (options.track) running = {zeros({channels}, options.dtype), ones({channels}, options.dtype)};
}

Tensor BatchNorm::forward(const Tensor& x) const {
  check_channels(x, channels_);
  const wengert::BatchNormOptions options{
      .training = is_training() || !options_.track, .momentum = options_.momentum, .epsilon = options_.epsilon};
  if (options_.track) return batch_norm(x, running, weight, bias, options);
  RunningStatistics nobody_reads{zeros({channels_}, x.dtype()), ones({channels_}, x.dtype())};
  return batch_norm(x, nobody_reads, weight, bias, options);
}

void BatchNorm::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
  v("running_mean", running.mean);
  v("running_var", running.variance);
}

std::string BatchNorm::options() const {
  std::string text = std::to_string(channels_);
  if (options_.momentum != BatchNormOptions{}.momentum) text += fmt::format(", momentum {}", options_.momentum);
  text += describe_epsilon(options_.epsilon, BatchNormOptions{}.epsilon);
  if (!options_.affine) text += ", not affine";
  if (!options_.track) text += ", not tracking";
  return text;
}

Tensor BatchNorm1d::forward(const Tensor& x) const {
  check(x.rank() == 2 || x.rank() == 3, "x has shape {}, expected [N, C] or [N, C, L]", x.shape());
  return BatchNorm::forward(x);
}

Tensor BatchNorm2d::forward(const Tensor& x) const {
  check(x.rank() == 4, "x has shape {}, expected {}", x.shape(), detail::describe_batch(2));
  return BatchNorm::forward(x);
}

Tensor BatchNorm3d::forward(const Tensor& x) const {
  check(x.rank() == 5, "x has shape {}, expected {}", x.shape(), detail::describe_batch(3));
  return BatchNorm::forward(x);
}

LayerNorm::LayerNorm(const Shape& shape, const LayerNormOptions& options) : shape_(shape), options_(options) {
  check_normalised_shape("LayerNorm", shape);
  check_epsilon("LayerNorm", options.epsilon);
  weight = first_weight(options.affine, shape, options.dtype);
  bias = first_bias(options.affine && options.bias, shape, options.dtype);
}

Tensor LayerNorm::forward(const Tensor& x) const {
  check_last_axes(x, shape_);
  return layer_norm(x, weight, bias, {.axes = shape_.rank(), .epsilon = options_.epsilon});
}

void LayerNorm::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

std::string LayerNorm::options() const {
  std::string text = describe_shape(shape_) + describe_epsilon(options_.epsilon, LayerNormOptions{}.epsilon);
  if (!options_.affine)
    text += ", not affine";
  else if (!options_.bias)
    text += ", no bias";
  return text;
}

RMSNorm::RMSNorm(const Shape& shape, const RMSNormOptions& options) : shape_(shape), options_(options) {
  check_normalised_shape("RMSNorm", shape);
  check_epsilon("RMSNorm", options.epsilon);
  weight = first_weight(options.affine, shape, options.dtype);
}

Tensor RMSNorm::forward(const Tensor& x) const {
  check_last_axes(x, shape_);
  return rms_norm(x, weight, {.axes = shape_.rank(), .epsilon = options_.epsilon});
}

void RMSNorm::visit(Visitor& v) { v("weight", weight); }

std::string RMSNorm::options() const {
  return describe_shape(shape_) + describe_epsilon(options_.epsilon, RMSNormOptions{}.epsilon) +
         (options_.affine ? "" : ", not affine");
}

GroupNorm::GroupNorm(std::int64_t groups, std::int64_t channels, const GroupNormOptions& options)
    : groups_(groups), channels_(channels), options_(options) {
  check_channel_count("GroupNorm", channels);
  check<Error>(groups > 0 && channels % groups == 0, "GroupNorm: groups must divide channels, got {} groups for {}",
               groups, channels);
  check_epsilon("GroupNorm", options.epsilon);
  weight = first_weight(options.affine, {channels}, options.dtype);
  bias = first_bias(options.affine, {channels}, options.dtype);
}

Tensor GroupNorm::forward(const Tensor& x) const {
  check_channels(x, channels_);
  return group_norm(x, groups_, weight, bias, options_.epsilon);
}

void GroupNorm::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

std::string GroupNorm::options() const {
  return fmt::format("{} groups, {}", groups_, channels_) +
         describe_epsilon(options_.epsilon, GroupNormOptions{}.epsilon) + (options_.affine ? "" : ", not affine");
}

InstanceNorm::InstanceNorm(std::int64_t channels, const InstanceNormOptions& options)
    : channels_(channels), options_(options) {
  check_channel_count("InstanceNorm", channels);
  check_epsilon("InstanceNorm", options.epsilon);
  weight = first_weight(options.affine, {channels}, options.dtype);
  bias = first_bias(options.affine, {channels}, options.dtype);
}

Tensor InstanceNorm::forward(const Tensor& x) const {
  check_channels(x, channels_, 3);
  return instance_norm(x, weight, bias, options_.epsilon);
}

void InstanceNorm::visit(Visitor& v) {
  v("weight", weight);
  v("bias", bias);
}

std::string InstanceNorm::options() const {
  return std::to_string(channels_) + describe_epsilon(options_.epsilon, InstanceNormOptions{}.epsilon) +
         (options_.affine ? ", affine" : "");
}

}  // namespace wengert::nn
