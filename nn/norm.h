#pragma once

#include <wengert/autograd/ops.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

struct BatchNormOptions {
  double momentum = 0.1;  ///< of the running statistics: running = (1 - momentum) running + momentum batch's
  double epsilon = 1e-5;
  bool affine = true;  ///< learn a weight and a bias per channel
  bool track = true;   ///< keep running statistics; else evaluation uses those of the batch as training does
  DType dtype = float32;
};

/// (x - mean) / sqrt(variance + epsilon) weight + bias for each channel (Ioffe and Szegedy, Batch normalization, 2015).
/// x: [N, C, ...] with any number of image axes; weight (ones at first) and bias (zeros at first): [C]. In training
/// mode mean and variance are those of the batch, and the running statistics move towards them; in evaluation mode they
/// are the running statistics. These are buffers: saved, not trained.
class BatchNorm : public Module {
 public:
  /// Throws Error unless channels is at least 1, momentum is from 0 to 1 and epsilon is not negative.
  explicit BatchNorm(std::int64_t channels, const BatchNormOptions& options = {});

  /// Throws ShapeError unless x has the layer's channels, and at least two elements for each in training mode.
  Tensor forward(const Tensor& x) const override;
  /// "weight", "bias", "running_mean" and "running_var", as PyTorch names them.
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;  ///< undefined if not affine, as is bias
  Parameter bias;
  mutable RunningStatistics running;  ///< undefined tensors if not tracked

 private:
  std::int64_t channels_;
  BatchNormOptions options_;
};

/// BatchNorm of x: [N, C] or [N, C, L]. Throws ShapeError for others.
class BatchNorm1d : public BatchNorm {
 public:
  using BatchNorm::BatchNorm;
  Tensor forward(const Tensor& x) const override;
};

/// BatchNorm of x: [N, C, H, W]. Throws ShapeError for others.
class BatchNorm2d : public BatchNorm {
 public:
  using BatchNorm::BatchNorm;
  Tensor forward(const Tensor& x) const override;
};

/// BatchNorm of x: [N, C, D, H, W]. Throws ShapeError for others.
class BatchNorm3d : public BatchNorm {
 public:
  using BatchNorm::BatchNorm;
  Tensor forward(const Tensor& x) const override;
};

struct LayerNormOptions {
  double epsilon = 1e-5;
  bool affine = true;  ///< learn a weight and a bias per element
  bool bias = true;    ///< false: the weight alone
  DType dtype = float32;
};

/// Each sample normalised over its last axes, whose shape weight and bias have (Ba, Kiros and Hinton, Layer
/// normalization, 2016). x: [..., shape].
class LayerNorm : public Module {
 public:
  /// Over the last axis, or the last axes of this shape. Throws Error unless it has an axis and elements, and epsilon
  /// is not negative.
  explicit LayerNorm(std::int64_t features, const LayerNormOptions& options = {})
      : LayerNorm(Shape{features}, options) {}
  explicit LayerNorm(const Shape& shape, const LayerNormOptions& options = {});

  /// Throws ShapeError unless x's last axes have the layer's shape.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;  ///< ones at first
  Parameter bias;    ///< zeros at first

 private:
  Shape shape_;
  LayerNormOptions options_;
};

struct RMSNormOptions {
  double epsilon = 1e-6;
  bool affine = true;  ///< learn a weight per element
  DType dtype = float32;
};

/// x / sqrt(mean(x^2) + epsilon) weight over the last axes (Zhang and Sennrich, Root mean square layer normalization,
/// 2019). x: [..., shape].
class RMSNorm : public Module {
 public:
  /// Throws as LayerNorm does.
  explicit RMSNorm(std::int64_t features, const RMSNormOptions& options = {}) : RMSNorm(Shape{features}, options) {}
  explicit RMSNorm(const Shape& shape, const RMSNormOptions& options = {});

  /// Throws ShapeError unless x's last axes have the layer's shape.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;  ///< ones at first

 private:
  Shape shape_;
  RMSNormOptions options_;
};

struct GroupNormOptions {
  double epsilon = 1e-5;
  bool affine = true;  ///< learn a weight and a bias per channel
  DType dtype = float32;
};

/// The channels of each sample in groups of neighbours, each group normalised together (Wu and He, Group normalization,
/// 2018). x: [N, C, ...]; weight and bias: [C].
class GroupNorm : public Module {
 public:
  /// Throws Error unless groups is at least 1 and divides channels, and epsilon is not negative.
  GroupNorm(std::int64_t groups, std::int64_t channels, const GroupNormOptions& options = {});

  /// Throws ShapeError unless x has the layer's channels.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;  ///< ones at first
  Parameter bias;    ///< zeros at first

 private:
  std::int64_t groups_;
  std::int64_t channels_;
  GroupNormOptions options_;
};

struct InstanceNormOptions {
  double epsilon = 1e-5;
  bool affine = false;  ///< learn a weight and a bias per channel
  DType dtype = float32;
};

/// Each channel of each sample normalised by itself (Ulyanov, Vedaldi and Lempitsky, Instance normalization, 2016), in
/// evaluation mode too. x: [N, C, ...] with at least one image axis; weight and bias: [C].
class InstanceNorm : public Module {
 public:
  /// Throws Error unless channels is at least 1 and epsilon is not negative.
  explicit InstanceNorm(std::int64_t channels, const InstanceNormOptions& options = {});

  /// Throws ShapeError unless x has image axes and the layer's channels.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;  ///< ones at first
  Parameter bias;    ///< zeros at first

 private:
  std::int64_t channels_;
  InstanceNormOptions options_;
};

}  // namespace wengert::nn
