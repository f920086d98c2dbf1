#pragma once

#include <wengert/autograd/ops.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

/// What pooling layers with a window have in common. Size is std::int64_t, Size2d or Size3d, Options those of the op.
template <class Size, class Options>
class PoolLayer : public Module {
 public:
  std::string options() const override;

 protected:
  PoolLayer(const char* layer, Size kernel, const Options& options, bool takes_dilation);

  /// Throws ShapeError unless x is a batch of images.
  void check_images(const Tensor& x) const;

  Size kernel_;
  Options pool_;
};

extern template class PoolLayer<std::int64_t, Pool1dOptions>;
extern template class PoolLayer<Size2d, PoolOptions>;
extern template class PoolLayer<Size3d, Pool3dOptions>;

/// The largest value of each window; padding never wins. x: [N, C, L]; the result is [N, C, OL].
class MaxPool1d : public PoolLayer<std::int64_t, Pool1dOptions> {
 public:
  /// The stride is the kernel's size if not given. Throws Error unless kernel, stride and dilation are at least 1 and
  /// padding is from 0 to half the kernel.
  explicit MaxPool1d(std::int64_t kernel, const Pool1dOptions& options = {})
      : PoolLayer("MaxPool1d", kernel, options, true) {}
  /// Throws ShapeError unless x is a batch of sequences, not smaller than the kernel when padded.
  Tensor forward(const Tensor& x) const override;
};

/// x: [N, C, H, W]; the result is [N, C, OH, OW].
class MaxPool2d : public PoolLayer<Size2d, PoolOptions> {
 public:
  /// Throws as MaxPool1d does.
  explicit MaxPool2d(Size2d kernel, const PoolOptions& options = {}) : PoolLayer("MaxPool2d", kernel, options, true) {}
  /// Throws ShapeError unless x is a batch of images, not smaller than the kernel when padded.
  Tensor forward(const Tensor& x) const override;
};

/// x: [N, C, D, H, W]; the result is [N, C, OD, OH, OW].
class MaxPool3d : public PoolLayer<Size3d, Pool3dOptions> {
 public:
  /// Throws as MaxPool1d does.
  explicit MaxPool3d(Size3d kernel, const Pool3dOptions& options = {})
      : PoolLayer("MaxPool3d", kernel, options, true) {}
  /// Throws ShapeError unless x is a batch of volumes, not smaller than the kernel when padded.
  Tensor forward(const Tensor& x) const override;
};

/// The mean of each window; padding counts as zeros unless `count_include_pad` is false. x: [N, C, L]; the result is
/// [N, C, OL].
class AvgPool1d : public PoolLayer<std::int64_t, Pool1dOptions> {
 public:
  /// The stride is the kernel's size if not given. Throws Error unless kernel and stride are at least 1, dilation is 1
  /// and padding is from 0 to half the kernel.
  explicit AvgPool1d(std::int64_t kernel, const Pool1dOptions& options = {})
      : PoolLayer("AvgPool1d", kernel, options, false) {}
  /// Throws ShapeError unless x is a batch of sequences, not smaller than the kernel when padded.
  Tensor forward(const Tensor& x) const override;
};

/// x: [N, C, H, W]; the result is [N, C, OH, OW].
class AvgPool2d : public PoolLayer<Size2d, PoolOptions> {
 public:
  /// Throws as AvgPool1d does.
  explicit AvgPool2d(Size2d kernel, const PoolOptions& options = {}) : PoolLayer("AvgPool2d", kernel, options, false) {}
  /// Throws ShapeError unless x is a batch of images, not smaller than the kernel when padded.
  Tensor forward(const Tensor& x) const override;
};

/// x: [N, C, D, H, W]; the result is [N, C, OD, OH, OW].
class AvgPool3d : public PoolLayer<Size3d, Pool3dOptions> {
 public:
  /// Throws as AvgPool1d does.
  explicit AvgPool3d(Size3d kernel, const Pool3dOptions& options = {})
      : PoolLayer("AvgPool3d", kernel, options, false) {}
  /// Throws ShapeError unless x is a batch of volumes, not smaller than the kernel when padded.
  Tensor forward(const Tensor& x) const override;
};

/// What layers have in common whose result has a given size, whatever the size of the images.
template <class Size>
class AdaptivePoolLayer : public Module {
 public:
  std::string options() const override;

 protected:
  AdaptivePoolLayer(const char* layer, Size size);

  /// Throws ShapeError unless x is a batch of images.
  void check_images(const Tensor& x) const;

  Size size_;
};

extern template class AdaptivePoolLayer<std::int64_t>;
extern template class AdaptivePoolLayer<Size2d>;

/// The mean of each of `size` windows, which cover the sequence: window i goes from floor(i L / size) to
/// ceil((i + 1) L / size). x: [N, C, L]; the result is [N, C, size].
class AdaptiveAvgPool1d : public AdaptivePoolLayer<std::int64_t> {
 public:
  /// Throws Error unless size is at least 1.
  explicit AdaptiveAvgPool1d(std::int64_t size) : AdaptivePoolLayer("AdaptiveAvgPool1d", size) {}
  /// Throws ShapeError unless x is a batch of sequences.
  Tensor forward(const Tensor& x) const override;
};

/// The same in two axes. x: [N, C, H, W]; the result is [N, C, size].
class AdaptiveAvgPool2d : public AdaptivePoolLayer<Size2d> {
 public:
  /// Throws Error unless size is at least 1.
  explicit AdaptiveAvgPool2d(Size2d size) : AdaptivePoolLayer("AdaptiveAvgPool2d", size) {}
  /// Throws ShapeError unless x is a batch of images.
  Tensor forward(const Tensor& x) const override;
};

/// The largest value of the windows of AdaptiveAvgPool1d.
class AdaptiveMaxPool1d : public AdaptivePoolLayer<std::int64_t> {
 public:
  /// Throws Error unless size is at least 1.
  explicit AdaptiveMaxPool1d(std::int64_t size) : AdaptivePoolLayer("AdaptiveMaxPool1d", size) {}
  /// Throws ShapeError unless x is a batch of sequences.
  Tensor forward(const Tensor& x) const override;
};

/// The largest value of the windows of AdaptiveAvgPool2d.
class AdaptiveMaxPool2d : public AdaptivePoolLayer<Size2d> {
 public:
  /// Throws Error unless size is at least 1.
  explicit AdaptiveMaxPool2d(Size2d size) : AdaptivePoolLayer("AdaptiveMaxPool2d", size) {}
  /// Throws ShapeError unless x is a batch of images.
  Tensor forward(const Tensor& x) const override;
};

struct GlobalPoolOptions {
  bool keepdims = true;  ///< [N, C, 1, ...], else [N, C], as Keras' global pooling gives
};

/// The mean of each channel. x: [N, C, ...] with one image axis or more.
class GlobalAvgPool : public Module {
 public:
  explicit GlobalAvgPool(const GlobalPoolOptions& options = {}) : pool_(options) {}
  /// Throws ShapeError unless x has image axes with elements.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  GlobalPoolOptions pool_;
};

/// The largest value of each channel; ties share the gradient evenly. x: [N, C, ...] with one image axis or more.
class GlobalMaxPool : public Module {
 public:
  explicit GlobalMaxPool(const GlobalPoolOptions& options = {}) : pool_(options) {}
  /// Throws ShapeError unless x has image axes with elements.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  GlobalPoolOptions pool_;
};

/// Images enlarged by a factor: rows and columns repeated, or interpolated. x: [N, C, H, W]; the result is
/// [N, C, H factor, W factor].
class Upsample : public Module {
 public:
  /// Throws Error unless factor is at least 1.
  explicit Upsample(Size2d factor, const InterpolateOptions& options = {});
  /// Throws ShapeError unless x is a batch of images.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  Size2d factor_;
  InterpolateOptions interpolation_;
};

/// Images resized to a given size, larger or smaller. x: [N, C, H, W]; the result is [N, C, size].
class Resize : public Module {
 public:
  /// Throws Error unless size is at least 1.
  explicit Resize(Size2d size, const InterpolateOptions& options = {});
  /// Throws ShapeError unless x is a batch of images.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  Size2d size_;
  InterpolateOptions interpolation_;
};

}  // namespace wengert::nn
