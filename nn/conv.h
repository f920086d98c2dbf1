#pragma once

#include <optional>

#include <wengert/autograd/ops.h>
#include <wengert/nn/init.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

/// What a convolution adds to its result. `true` and `false` mean `channel` and `none`.
class ConvBias {
 public:
  enum class Kind : std::uint8_t { none, channel, position };

  static const ConvBias none;
  static const ConvBias channel;  ///< a number per output channel: [out]
  /// A number per element of an output of these sizes: `ConvBias::position({26, 26})` is [out, 26, 26]. The layer then
  /// takes only inputs that give outputs of these sizes, and throws ShapeError that names both for others.
  static ConvBias position(const Shape& sizes) { return {Kind::position, sizes}; }

  constexpr ConvBias(bool wanted) : kind(wanted ? Kind::channel : Kind::none) {}  // NOLINT(google-explicit-constructor)

  Kind kind;
  Shape sizes;  ///< of the output's image axes, for a bias per position

 private:
  ConvBias(Kind which, const Shape& output) : kind(which), sizes(output) {}
};
inline constexpr ConvBias ConvBias::none{false};
inline constexpr ConvBias ConvBias::channel{true};

/// Size is std::int64_t, Size2d or Size3d.
template <class Size>
struct ConvLayerOptions {
  Size stride = 1;
  Padding padding = Padding::valid;
  Size dilation = 1;
  std::int64_t groups = 1;               ///< channels in and out fall into so many groups, each convolved by itself
  PadMode pad_mode = PadMode::constant;  ///< what padding consists of: zeros, or the image's own elements
  ConvBias bias = true;
  Initializer init = init::layer_default();
  std::optional<Initializer> bias_init = {};  ///< uniform in +-1 / sqrt(in / groups * kernel elements) if not given
  DType dtype = float32;
};
using Conv1dOptions = ConvLayerOptions<std::int64_t>;
using Conv2dOptions = ConvLayerOptions<Size2d>;
using Conv3dOptions = ConvLayerOptions<Size3d>;

/// What Conv1d, Conv2d and Conv3d have in common: cross-correlation of images with learned kernels, as correlate2d.
/// x: [N, in, image...], weight: [out, in / groups, kernel...]; the result is [N, out, output...].
template <class Size>
class ConvLayer : public Module {
 public:
  /// Throws ShapeError unless x is a batch of images with `in` channels, not smaller than the kernel when padded, and,
  /// with a bias per position, of the size that this asks for.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;
  Parameter bias;  ///< [out], or [out, output...] per position; undefined if there is none

 protected:
  ConvLayer(std::int64_t in, std::int64_t out, Size kernel, const ConvLayerOptions<Size>& options);

 private:
  ConvLayerOptions<Size> options_;
};

/// Over sequences. x: [N, in, L], weight: [out, in / groups, K]; the result is [N, out, OL].
class Conv1d : public ConvLayer<std::int64_t> {
 public:
  /// Throws Error unless all sizes, stride and dilation are at least 1, groups divides in and out, padding is not
  /// negative and a bias per position has as many sizes as the image has axes.
  Conv1d(std::int64_t in, std::int64_t out, std::int64_t kernel, const Conv1dOptions& options = {})
      : ConvLayer(in, out, kernel, options) {}
};

/// Over images. x: [N, in, H, W], weight: [out, in / groups, KH, KW]; the result is [N, out, OH, OW].
class Conv2d : public ConvLayer<Size2d> {
 public:
  /// Throws as Conv1d does.
  Conv2d(std::int64_t in, std::int64_t out, Size2d kernel, const Conv2dOptions& options = {})
      : ConvLayer(in, out, kernel, options) {}
};

/// Over volumes. x: [N, in, D, H, W], weight: [out, in / groups, KD, KH, KW]; the result is [N, out, OD, OH, OW].
class Conv3d : public ConvLayer<Size3d> {
 public:
  /// Throws as Conv1d does.
  Conv3d(std::int64_t in, std::int64_t out, Size3d kernel, const Conv3dOptions& options = {})
      : ConvLayer(in, out, kernel, options) {}
};

template <class Size>
struct ConvTransposeLayerOptions {
  Size stride = 1;
  Padding padding = Padding::valid;  ///< cut off the result; see wengert::ConvTransposeOptions
  Size output_padding = 0;           ///< added behind the result; less than the stride or the dilation
  Size dilation = 1;
  std::int64_t groups = 1;
  ConvBias bias = true;
  Initializer init = init::layer_default();
  /// Uniform in +-1 / sqrt(out / groups * kernel elements) if not given: out, as PyTorch takes it from the weight's
  /// second axis, and so does layer_default.
  std::optional<Initializer> bias_init = {};
  DType dtype = float32;
};
using ConvTranspose1dOptions = ConvTransposeLayerOptions<std::int64_t>;
using ConvTranspose2dOptions = ConvTransposeLayerOptions<Size2d>;
using ConvTranspose3dOptions = ConvTransposeLayerOptions<Size3d>;

/// What ConvTranspose1d, 2d and 3d have in common: transposed convolution, as conv_transpose2d. x: [N, in, image...],
/// weight: [in, out / groups, kernel...]; the result is [N, out, output...] with, along each axis, output = (image - 1)
/// stride + (kernel - 1) dilation + 1 + output_padding - padding on both sides.
template <class Size>
class ConvTransposeLayer : public Module {
 public:
  /// Throws ShapeError unless x is a batch of images with `in` channels, something of the result is left by the
  /// padding, and, with a bias per position, the result has the size that this asks for.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;
  Parameter bias;  ///< [out], or [out, output...] per position; undefined if there is none

 protected:
  ConvTransposeLayer(std::int64_t in, std::int64_t out, Size kernel, const ConvTransposeLayerOptions<Size>& options);

 private:
  ConvTransposeLayerOptions<Size> options_;
};

/// x: [N, in, L], weight: [in, out / groups, K]; the result is [N, out, OL].
class ConvTranspose1d : public ConvTransposeLayer<std::int64_t> {
 public:
  /// Throws Error as Conv1d does, and unless output_padding is at least 0 and less than stride or dilation.
  ConvTranspose1d(std::int64_t in, std::int64_t out, std::int64_t kernel, const ConvTranspose1dOptions& options = {})
      : ConvTransposeLayer(in, out, kernel, options) {}
};

/// x: [N, in, H, W], weight: [in, out / groups, KH, KW]; the result is [N, out, OH, OW].
class ConvTranspose2d : public ConvTransposeLayer<Size2d> {
 public:
  /// Throws as ConvTranspose1d does.
  ConvTranspose2d(std::int64_t in, std::int64_t out, Size2d kernel, const ConvTranspose2dOptions& options = {})
      : ConvTransposeLayer(in, out, kernel, options) {}
};

/// x: [N, in, D, H, W], weight: [in, out / groups, KD, KH, KW]; the result is [N, out, OD, OH, OW].
class ConvTranspose3d : public ConvTransposeLayer<Size3d> {
 public:
  /// Throws as ConvTranspose1d does.
  ConvTranspose3d(std::int64_t in, std::int64_t out, Size3d kernel, const ConvTranspose3dOptions& options = {})
      : ConvTransposeLayer(in, out, kernel, options) {}
};

extern template class ConvLayer<std::int64_t>;
extern template class ConvLayer<Size2d>;
extern template class ConvLayer<Size3d>;
extern template class ConvTransposeLayer<std::int64_t>;
extern template class ConvTransposeLayer<Size2d>;
extern template class ConvTransposeLayer<Size3d>;

}  // namespace wengert::nn
