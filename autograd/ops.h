#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <wengert/autograd/random.h>
#include <wengert/autograd/tensor.h>

/// \file
/// Every op, with its contract. Unless a line says otherwise an op takes float32 and float64, all its tensor arguments
/// must have one dtype (DTypeError), it is differentiable any number of times, and bad arguments throw ShapeError.
/// Numbers given beside a tensor take the tensor's dtype. Axes may be negative. Where a function has a kink, the
/// gradient given is the one stated.

namespace wengert {

/// A tensor, or a number that takes the dtype of the op's tensors.
class Operand {
 public:
  Operand(const Tensor& tensor) : tensor_(tensor) {}             // NOLINT(google-explicit-constructor)
  Operand(double number) : number_(number), is_number_(true) {}  // NOLINT(google-explicit-constructor)

  /// The tensor, or the number as a scalar of `dtype`.
  Tensor as(DType dtype) const { return is_number_ ? full({}, number_, dtype) : tensor_; }
  /// nullptr if it is a number.
  const Tensor* tensor() const noexcept { return is_number_ ? nullptr : &tensor_; }
  double number() const noexcept { return number_; }

 private:
  Tensor tensor_;
  double number_ = 0;
  bool is_number_ = false;
};

/// Axes to reduce over; all of them if empty.
using Axes = std::vector<int>;

// ---------------------------------------------------------------------------------------------------------------------
// Arithmetic, with broadcasting. Also for int64 (`/` truncates there; division by zero throws).

Tensor operator+(const Tensor& a, const Tensor& b);
Tensor operator-(const Tensor& a, const Tensor& b);
Tensor operator*(const Tensor& a, const Tensor& b);
Tensor operator/(const Tensor& a, const Tensor& b);
Tensor operator+(const Tensor& a, double b);
Tensor operator-(const Tensor& a, double b);
Tensor operator*(const Tensor& a, double b);
Tensor operator/(const Tensor& a, double b);
Tensor operator+(double a, const Tensor& b);
Tensor operator-(double a, const Tensor& b);
Tensor operator*(double a, const Tensor& b);
Tensor operator/(double a, const Tensor& b);
Tensor operator-(const Tensor& x);

// Comparisons, with broadcasting: 1 or 0 in the operands' dtype; no gradient; false wherever NaN is compared, but for
// !=.

Tensor operator<(const Tensor& a, const Tensor& b);
Tensor operator<(const Tensor& a, double b);
Tensor operator<=(const Tensor& a, const Tensor& b);
Tensor operator<=(const Tensor& a, double b);
Tensor operator>(const Tensor& a, const Tensor& b);
Tensor operator>(const Tensor& a, double b);
Tensor operator>=(const Tensor& a, const Tensor& b);
Tensor operator>=(const Tensor& a, double b);
Tensor operator==(const Tensor& a, const Tensor& b);
Tensor operator==(const Tensor& a, double b);
Tensor operator!=(const Tensor& a, const Tensor& b);
Tensor operator!=(const Tensor& a, double b);

// ---------------------------------------------------------------------------------------------------------------------
// Element-wise functions.

Tensor neg(const Tensor& x);
/// Gradient 0 at 0.
Tensor abs(const Tensor& x);
/// -1, 0 or 1; NaN for NaN. Gradient 0.
Tensor sign(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tanh(const Tensor& x);
/// 1 / (1 + exp(-x)), without overflow.
Tensor sigmoid(const Tensor& x);
/// log(1 + exp(x)), without overflow.
Tensor softplus(const Tensor& x);
/// max(x, 0); gradient 0 at 0 and where x is NaN.
Tensor relu(const Tensor& x);
/// x where x > 0, else slope * x; gradient `slope` at 0.
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/// x^exponent as std::pow; the gradient with respect to the base is 0 where exponent is 0. Broadcasts.
Tensor pow(const Tensor& x, double exponent);
/// Gradient with respect to the exponent: y log(x), 0 where x = 0.
Tensor pow(const Tensor& x, const Tensor& exponent);
/// The larger one, NaN if either is; at a tie each gets half of the gradient, at a NaN neither any. Broadcasts.
Tensor maximum(const Tensor& a, const Operand& b);
/// The smaller one, NaN if either is; at a tie each gets half of the gradient. Broadcasts.
Tensor minimum(const Tensor& a, const Operand& b);
/// a where condition is not 0, else b; the other one's values, NaN included, touch neither result nor gradient.
/// Broadcasts. A number takes the dtype of the tensor beside it, or the condition's.
Tensor where(const Tensor& condition, const Operand& a, const Operand& b);
/// min(max(x, low), high); gradient 1 where low <= x <= high, else 0. NaN stays. Throws if low > high.
Tensor clamp(const Tensor& x, double low, double high);

// ---------------------------------------------------------------------------------------------------------------------
// Reductions over `axes` (all if empty); a reduced axis is dropped, or kept with size 1 if `keepdims`.

/// Also for int64.
Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// Throws where there is nothing to average.
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// Also for int64. NaN if one is there. Equal maxima share the gradient evenly. Throws on an empty reduction.
Tensor max(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
Tensor min(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// Index of the first largest element along `axis`, int64; NaN counts as largest. Also for int64. No gradient.
Tensor argmax(const Tensor& x, int axis = -1, bool keepdims = false);
/// log(sum(exp(x))), without overflow; -inf where all are -inf, or there is nothing.
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// Sums the axes that broadcasting to x's shape added or stretched, back to `shape`. Inverse family: broadcast_to.
Tensor sum_to(const Tensor& x, const Shape& shape);

// ---------------------------------------------------------------------------------------------------------------------
// Shape and index. All of these also take int64.

/// The same elements in row-major order as another shape; in a list of sizes one may be -1. Shares the elements.
Tensor reshape(const Tensor& x, std::initializer_list<std::int64_t> sizes);
Tensor reshape(const Tensor& x, const Shape& shape);
/// Joins axes first to last, both included. Shares the elements.
Tensor flatten(const Tensor& x, int first = 0, int last = -1);
/// Swaps two axes.
Tensor transpose(const Tensor& x, int axis0 = -2, int axis1 = -1);
/// Axis i of the result is axis `order[i]` of x.
Tensor permute(const Tensor& x, const std::vector<int>& order);
/// Drops `axes`, each of size 1 (all such axes if empty). Shares the elements.
Tensor squeeze(const Tensor& x, const Axes& axes = {});
/// Inserts an axis of size 1 so that it is axis `axis` of the result. Shares the elements.
Tensor unsqueeze(const Tensor& x, int axis);
/// Repeats axes of size 1, and new leading ones, to `shape`.
Tensor broadcast_to(const Tensor& x, const Shape& shape);
/// Joins along an axis; the other sizes agree.
Tensor cat(const std::vector<Tensor>& tensors, int axis = 0);
/// Joins equal shapes along a new axis.
Tensor stack(const std::vector<Tensor>& tensors, int axis = 0);
/// Elements begin, begin + step, ... before end of one axis, step >= 1. Negative bounds count from the end; bounds
/// beyond the axis are clipped. Along the leading axis with step 1 the elements are shared.
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1);
/// Index `index` of an axis, which is dropped. Along the leading axis the elements are shared.
Tensor select(const Tensor& x, int axis, std::int64_t index);
/// Adds before[i] and after[i] copies of `value` around axis i; both lists have rank() entries, all >= 0.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           double value = 0);
/// y[i, j, ...] = x[i, index[i, j, ...], ...] for axis 1 (and likewise for any): index is int64, of x's rank, no larger
/// than x off `axis`; the result has its shape. Throws ShapeError naming an index out of range.
Tensor gather(const Tensor& x, int axis, const Tensor& index);
/// x with source[i, j, ...] added at [i, index[i, j, ...], ...]; the inverse family of gather. Equal indices add up.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source);
/// Rows index[0], index[1], ... of an axis; index: [n], int64.
Tensor index_select(const Tensor& x, int axis, const Tensor& index);
/// index: int64, any shape; a new last axis of size `classes` holds 1 at the index, 0 elsewhere. No gradient.
Tensor one_hot(const Tensor& index, std::int64_t classes, DType dtype = float32);

// ---------------------------------------------------------------------------------------------------------------------
// Products.

struct MatmulOptions {
  bool transpose_a = false;  ///< take a's last two axes the other way round; a 1-D side stays what it is
  bool transpose_b = false;
};

/// Matrix product as NumPy's: [n] x [n] -> scalar; [m, k] x [k, n] -> [m, n]; a 1-D side is a row or column that is
/// dropped from the result; leading axes broadcast. `matmul(x, w, {.transpose_b = true})` is
/// `matmul(x, transpose(w))` without the transposed copy; the gradients never make one either.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});
/// x weight^T + bias. x: [..., in], weight: [out, in], bias: [out] or undefined; result [..., out].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// ---------------------------------------------------------------------------------------------------------------------
// Convolution and pooling.

/// How far an image is padded with zeros before a kernel slides over it.
class Padding {
 public:
  enum class Mode : std::uint8_t { valid, same, full, number };
  static const Padding valid;  ///< none: the kernel stays inside the image
  /// ceil(size / stride) positions. An odd zero goes behind the image, or before it in convolve2d: with stride 1 that
  /// centres the result as SciPy does.
  static const Padding same;
  static const Padding full;  ///< every position where kernel and image overlap

  constexpr Padding(std::int64_t number) : Padding(number, number) {}  // NOLINT(google-explicit-constructor)
  constexpr Padding(std::int64_t above_and_below, std::int64_t left_and_right)
      : mode(Mode::number), rows(above_and_below), columns(left_and_right) {}

  Mode mode;
  std::int64_t rows = 0;
  std::int64_t columns = 0;

 private:
  constexpr explicit Padding(Mode kind) : mode(kind) {}
};
inline constexpr Padding Padding::valid{Padding::Mode::valid};
inline constexpr Padding Padding::same{Padding::Mode::same};
inline constexpr Padding Padding::full{Padding::Mode::full};

/// A size for rows and for columns; one number means both.
struct Size2d {
  constexpr Size2d(std::int64_t both) : rows(both), columns(both) {}  // NOLINT(google-explicit-constructor)
  constexpr Size2d(std::int64_t vertical, std::int64_t horizontal) : rows(vertical), columns(horizontal) {}
  std::int64_t rows;
  std::int64_t columns;
};

struct ConvOptions {
  Size2d stride = 1;
  Padding padding = Padding::valid;
  Size2d dilation = 1;
};

/// Cross-correlation, as convolutional layers do.
/// - Images: x: [H, W], kernel: [KH, KW] -> [OH, OW]; no bias.
/// - Batches: x: [N, C, H, W], kernel: [O, C, KH, KW], bias: [O] or undefined -> [N, O, OH, OW].
/// Throws ShapeError if the kernel exceeds the padded image.
Tensor correlate2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options = {}, const Tensor& bias = {});
/// The same with the kernel flipped in both image axes.
Tensor convolve2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options = {}, const Tensor& bias = {});
/// Gradient of correlate2d with respect to x of shape `x_shape` ([N, C, H, W]), as an op: its own gradients are
/// correlate2d and correlate2d_kernel_gradient. Also known as transposed convolution.
Tensor correlate2d_input_gradient(const Tensor& g, const Tensor& kernel, const Shape& x_shape,
                                  const ConvOptions& options);
/// Gradient of correlate2d with respect to a kernel of shape `kernel_shape` ([O, C, KH, KW]), as an op.
Tensor correlate2d_kernel_gradient(const Tensor& x, const Tensor& g, const Shape& kernel_shape,
                                   const ConvOptions& options);

struct PoolOptions {
  std::optional<Size2d> stride = {};  ///< the kernel's size if not given
  Size2d padding = 0;                 ///< at most half the kernel
};

/// Largest value of each window of x: [N, C, H, W] (or [H, W]); padding never wins. The first of equal maxima gets the
/// gradient. NaN wins.
Tensor maxpool2d(const Tensor& x, Size2d kernel, const PoolOptions& options = {});
/// Mean of each window; padding counts as zeros.
Tensor avgpool2d(const Tensor& x, Size2d kernel, const PoolOptions& options = {});

// ---------------------------------------------------------------------------------------------------------------------
// Softmax and losses. Losses are means over all elements or samples, as a scalar.

/// exp(x) / sum(exp(x)) along an axis, without overflow.
Tensor softmax(const Tensor& x, int axis = -1);
Tensor log_softmax(const Tensor& x, int axis = -1);
/// Mean of -log softmax(logits)[label]. logits: [N, K]; target: labels [N] int64, or probabilities [N, K] (one-hot or
/// not; no gradient of the target if int64). Throws ShapeError naming a label out of range.
Tensor cross_entropy(const Tensor& logits, const Tensor& target);
/// Mean of -(t log p + (1 - t) log(1 - p)); logs are clamped at -100, so that p = 0 or 1 stays finite, and so is the
/// gradient, (p - t) / max(p (1 - p), 1e-12). Same shapes.
Tensor binary_cross_entropy(const Tensor& probabilities, const Tensor& target);
/// The same from logits, stable for any size of them.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target);
/// Mean of (prediction - target)^2. Same shapes.
Tensor mse_loss(const Tensor& prediction, const Tensor& target);

// ---------------------------------------------------------------------------------------------------------------------
// Random numbers (float32 and float64; no gradient but dropout's).

/// Uniform in [0, 1).
Tensor rand(const Shape& shape, DType dtype = float32, Generator& generator = default_generator());
/// Standard normal.
Tensor randn(const Shape& shape, DType dtype = float32, Generator& generator = default_generator());
/// 0 with probability p, else x / (1 - p); x itself if not `training`. 0 <= p < 1.
Tensor dropout(const Tensor& x, double p, bool training = true, Generator& generator = default_generator());

}  // namespace wengert
