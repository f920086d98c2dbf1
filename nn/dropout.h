#pragma once

#include <wengert/nn/module.h>

namespace wengert::nn {

/// In training mode sets each element to 0 with probability p, drawn from the default generator, and divides the others
/// by 1 - p; in evaluation mode gives x itself.
class Dropout : public Module {
 public:
  /// Throws Error unless 0 <= p < 1.
  explicit Dropout(double p = 0.5);
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double p_;
};

/// Dropout of whole channels, as neighbours in an image say the same (Tompson et al., Efficient object localization
/// using convolutional networks, 2015). x: [N, C, ...] with any number of image axes.
class ChannelDropout : public Module {
 public:
  /// Throws Error unless 0 <= p < 1.
  explicit ChannelDropout(double p = 0.5);
  /// Throws ShapeError unless x has a batch and a channel axis.
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double p_;
};

/// ChannelDropout of x: [N, C, L]. Throws ShapeError for others.
class Dropout1d : public ChannelDropout {
 public:
  using ChannelDropout::ChannelDropout;
  Tensor forward(const Tensor& x) const override;
};

/// ChannelDropout of x: [N, C, H, W]. Throws ShapeError for others.
class Dropout2d : public ChannelDropout {
 public:
  using ChannelDropout::ChannelDropout;
  Tensor forward(const Tensor& x) const override;
};

/// ChannelDropout of x: [N, C, D, H, W]. Throws ShapeError for others.
class Dropout3d : public ChannelDropout {
 public:
  using ChannelDropout::ChannelDropout;
  Tensor forward(const Tensor& x) const override;
};

/// Dropout for networks of SELU: a dropped element becomes SELU's lower limit, and an affine map restores mean 0 and
/// variance 1 (Klambauer et al., Self-normalizing neural networks, 2017, section 3). In evaluation mode x itself.
class AlphaDropout : public Module {
 public:
  /// Throws Error unless 0 <= p < 1.
  explicit AlphaDropout(double p = 0.5);
  Tensor forward(const Tensor& x) const override;
  std::string options() const override;

 private:
  double p_;
};

}  // namespace wengert::nn
