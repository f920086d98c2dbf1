#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <wengert/autograd/indexing.h>
#include <wengert/autograd/random.h>
#include <wengert/autograd/tensor.h>

/// \file
/// Every op, with its contract. Unless a line says otherwise an op takes float32 and float64, all its tensor arguments
/// must have one dtype (DTypeError), it is differentiable any number of times, and bad arguments throw ShapeError.
/// Numbers given beside a tensor take the tensor's dtype. Axes may be negative. Where a function has a kink, the
/// gradient given is the one stated. Values and gradients are those of their formulas in IEEE arithmetic: NaN gives
/// NaN, infinities give limits, zeros keep their sign; what differs is stated. How accurate elementary functions are:
/// docs/design.md.

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
/// x where x > 0, else slope * x; gradient `slope` at 0 and where x is NaN.
Tensor leaky_relu(const Tensor& x, double slope = 0.01);
/// x^exponent as std::pow; the gradient with respect to the base is 0 where exponent is 0, and infinite where
/// x^(exponent - 1) is. Broadcasts.
Tensor pow(const Tensor& x, double exponent);
/// Gradient with respect to the exponent: y log(x), 0 where x = 0.
Tensor pow(const Tensor& x, const Tensor& exponent);
/// The larger one, NaN if either is; at a tie each gets half of the gradient, at a NaN neither any. Zeros of both signs
/// tie. Broadcasts.
Tensor maximum(const Tensor& a, const Operand& b);
/// The smaller one; otherwise as maximum.
Tensor minimum(const Tensor& a, const Operand& b);
/// a where condition is not 0, else b; the other one's values, NaN included, touch neither result nor gradient.
/// Broadcasts. A number takes the dtype of the tensor beside it, or the condition's.
Tensor where(const Tensor& condition, const Operand& a, const Operand& b);
/// min(max(x, low), high); gradient 1 where low <= x <= high, else 0. NaN stays, with gradient 0. Throws if low > high.
Tensor clamp(const Tensor& x, double low, double high);

// Roots, exponentials, trigonometric and special functions.

/// e^x - 1, accurate around 0.
Tensor expm1(const Tensor& x);
/// log(1 + x), accurate around 0.
Tensor log1p(const Tensor& x);
/// 1 / sqrt(x).
Tensor rsqrt(const Tensor& x);
/// 1 / x.
Tensor reciprocal(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor asin(const Tensor& x);
Tensor acos(const Tensor& x);
Tensor atan(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
/// The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.
Tensor erf(const Tensor& x);
/// log |Gamma(x)|; infinity at 0, -1, -2, ...
Tensor lgamma(const Tensor& x);
/// The derivative of lgamma; NaN at -1, -2, ..., -infinity at 0.
Tensor digamma(const Tensor& x);
/// The n-th derivative of digamma, 0 <= n <= 100, or Error. At -1, -2, ... and -infinity it is infinite for odd n, NaN
/// for even n.
Tensor polygamma(int n, const Tensor& x);
/// The angle of the point (x, y), in [-pi, pi]; gradient 0 at the origin, and NaN for the one beside an infinite one.
/// Broadcasts.
Tensor atan2(const Tensor& y, const Tensor& x);
/// sqrt(a^2 + b^2) without overflow, infinite if either is, even beside NaN; gradient 0 at the origin, and NaN for an
/// infinite one. Broadcasts.
Tensor hypot(const Tensor& a, const Tensor& b);
/// The remainder of a / b with the sign of a; gradients 1 and -trunc(a / b), at the jumps too. Broadcasts.
Tensor fmod(const Tensor& a, const Operand& b);

// Rounding; gradient 0.

Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
/// To the nearest integer, halves to the even one.
Tensor round(const Tensor& x);

// Predicates: 1 or 0 in the operands' dtype; no gradient; also for int64. In logical ops numbers other than 0, NaN
// included, are true.

Tensor isnan(const Tensor& x);
/// Neither infinite nor NaN.
Tensor isfinite(const Tensor& x);
Tensor logical_not(const Tensor& x);
/// Broadcasts, as the next two.
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);

// Activations.

/// log(sigmoid(x)) = -softplus(-x), without overflow.
Tensor log_sigmoid(const Tensor& x);
/// x where x > 0, else alpha (e^x - 1); gradient alpha at 0.
Tensor elu(const Tensor& x, double alpha = 1);
/// 1.0507 elu(x, 1.6733), with the constants of Klambauer et al., Self-normalizing neural networks (2017).
Tensor selu(const Tensor& x);
/// x where x > 0, else alpha (e^(x / alpha) - 1); alpha > 0.
Tensor celu(const Tensor& x, double alpha = 1);

enum class GeluKind : std::uint8_t {
  exact,  ///< by the error function
  tanh,   ///< x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
};
/// x times the probability that a standard normal number is below x.
Tensor gelu(const Tensor& x, GeluKind kind = GeluKind::exact);
/// x sigmoid(x), also known as swish.
Tensor silu(const Tensor& x);
/// x tanh(softplus(x)).
Tensor mish(const Tensor& x);
/// min(max(x, low), high); gradient 1 where low < x < high, else 0. NaN stays, with gradient 0. Throws if low > high.
Tensor hardtanh(const Tensor& x, double low = -1, double high = 1);
/// min(max(x / 6 + 1/2, 0), 1); gradient 0 at -3, 3 and NaN.
Tensor hard_sigmoid(const Tensor& x);

// ---------------------------------------------------------------------------------------------------------------------
// Reductions over `axes` (all if empty); a reduced axis is dropped, or kept with size 1 if `keepdims`.

/// Also for int64.
Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// The sum, which may overflow, over the number of elements. Throws where there is nothing to average.
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// Also for int64. NaN if one is there. Equal maxima share the gradient evenly. Throws on an empty reduction.
Tensor max(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
Tensor min(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// Index of the first largest element along `axis`, int64; NaN counts as largest. Also for int64. No gradient.
Tensor argmax(const Tensor& x, int axis = -1, bool keepdims = false);
/// Index of the first smallest element; otherwise as argmax.
Tensor argmin(const Tensor& x, int axis = -1, bool keepdims = false);
/// The product; of nothing 1. Also for int64. The gradient is right where elements are 0 too.
Tensor prod(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// 1 if an element is not 0, else 0, in x's dtype; of nothing 0. Also for int64. NaN is not 0. No gradient.
Tensor any(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// 1 if no element is 0, else 0; otherwise as any, but of nothing 1.
Tensor all(const Tensor& x, const Axes& axes = {}, bool keepdims = false);

struct DeviationOptions {
  double correction = 1;  ///< the sum of n squares is divided by n - correction: 1 for samples, 0 for a population
  bool keepdims = false;
};
/// Variance: the mean square of the deviations from the mean; NaN if one is infinite. Throws unless there are more
/// elements than `correction`.
Tensor var(const Tensor& x, const Axes& axes = {}, const DeviationOptions& options = {});
/// Standard deviation, the root of var; gradient 0 where it is 0.
Tensor std(const Tensor& x, const Axes& axes = {}, const DeviationOptions& options = {});
/// (sum |x|^p)^(1 / p) without overflow, for p > 0; the largest |x| for p = infinity. Gradient 0 for elements that are
/// 0; for p = infinity equal ones share it evenly. Of nothing 0. Infinite if one is and none is NaN.
Tensor norm(const Tensor& x, double p = 2, const Axes& axes = {}, bool keepdims = false);
/// The middle one in order, infinities included, or the mean of the middle two; NaN if one is there. Throws on an empty
/// reduction.
Tensor median(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// log(sum(exp(x))), without overflow; -inf of nothing, and where all are -inf, with gradient 0; +inf where one is
/// +inf, whose gradient is NaN.
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keepdims = false);
/// Sums the axes that broadcasting to x's shape added or stretched, back to `shape`. Inverse family: broadcast_to.
Tensor sum_to(const Tensor& x, const Shape& shape);

// ---------------------------------------------------------------------------------------------------------------------
// Along one axis: cumulative sums and products, order. All of these also take int64. NaN is larger than all numbers.

/// y[k] = x[0] + ... + x[k].
Tensor cumsum(const Tensor& x, int axis = -1);
/// y[k] = x[0] ... x[k]. The gradient is right where elements are 0 too.
Tensor cumprod(const Tensor& x, int axis = -1);

/// Elements and where they stood along the axis, int64. Gradients go to the elements chosen and to no others.
struct ValuesAndIndices {
  Tensor values;
  Tensor indices;
};
/// The first largest element. Throws if there is none.
ValuesAndIndices max_with_index(const Tensor& x, int axis = -1, bool keepdims = false);
/// The first smallest element, or NaN if one is there. Throws if there is none.
ValuesAndIndices min_with_index(const Tensor& x, int axis = -1, bool keepdims = false);
/// In ascending or descending order; equal elements in that of their indices.
ValuesAndIndices sort(const Tensor& x, int axis = -1, bool descending = false);
/// The indices that `sort` gives.
Tensor argsort(const Tensor& x, int axis = -1, bool descending = false);
/// The k largest elements in descending order, or the k smallest in ascending order; of equal ones those in front.
ValuesAndIndices topk(const Tensor& x, std::int64_t k, int axis = -1, bool largest = true);

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
/// Elements begin, begin + step, ... before end of one axis, as Python's. A step below 0 walks backwards, down to what
/// comes after `end`. Negative bounds count from the end; bounds beyond the axis are clipped, so that an end below
/// -size is where a walk backwards takes the first element too. Along the leading axis with step 1 the elements are
/// shared.
Tensor slice(const Tensor& x, int axis, std::int64_t begin, std::int64_t end, std::int64_t step = 1);
/// Index `index` of an axis, which is dropped. Along the leading axis the elements are shared.
Tensor select(const Tensor& x, int axis, std::int64_t index);
/// Adds before[i] and after[i] copies of `value` around axis i; both lists have rank() entries, all >= 0.
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           double value = 0);
/// x padded by its own elements: mirrored at the border without repeating it (at most size - 1), or the border
/// repeated. `constant` pads with 0.
enum class PadMode : std::uint8_t { constant, reflect, replicate };
Tensor pad(const Tensor& x, const std::vector<std::int64_t>& before, const std::vector<std::int64_t>& after,
           PadMode mode);
/// Consecutive pieces of an axis, of the given sizes, which add up to it; or of one size, the last perhaps smaller.
/// The inverse is cat.
std::vector<Tensor> split(const Tensor& x, const std::vector<std::int64_t>& sizes, int axis = 0);
std::vector<Tensor> split(const Tensor& x, std::int64_t size, int axis = 0);
/// `count` pieces of ceil(size / count); the last is smaller, or there are fewer, where it is no multiple.
std::vector<Tensor> chunk(const Tensor& x, std::int64_t count, int axis = 0);
/// Reverses the order along `axes` (all if empty).
Tensor flip(const Tensor& x, const Axes& axes = {});
/// Moves elements by `shift` along an axis; what leaves it at one end comes in at the other.
Tensor roll(const Tensor& x, std::int64_t shift, int axis = -1);
/// Each element of an axis `count` times in a row: [a, b] -> [a, a, b, b].
Tensor repeat(const Tensor& x, std::int64_t count, int axis = -1);
/// All of x counts[i] times along each axis: [a, b] -> [a, b, a, b]. The last count is that of the last axis; missing
/// counts are 1, and missing axes are added in front.
Tensor tile(const Tensor& x, const std::vector<std::int64_t>& counts);
/// Windows of `size` elements of an axis, `step` apart: the axis counts them, and a new last one runs inside them.
Tensor unfold(const Tensor& x, int axis, std::int64_t size, std::int64_t step = 1);
/// The coordinates of a grid: result i is axes[i], [n_i], spread over [n_0, n_1, ...].
std::vector<Tensor> meshgrid(const std::vector<Tensor>& axes);
/// x: [..., m, n] with 0 above (tril) or below (triu) the diagonal that lies `diagonal` above the main one.
Tensor tril(const Tensor& x, std::int64_t diagonal = 0);
Tensor triu(const Tensor& x, std::int64_t diagonal = 0);
/// x: [..., m, n] -> [..., k], the diagonal that lies `offset` above the main one; may be empty.
Tensor diagonal(const Tensor& x, std::int64_t offset = 0);
/// x: [n] on the diagonal of a matrix of zeros, [n + |offset|, n + |offset|]; or the diagonal of a matrix.
Tensor diag(const Tensor& x, std::int64_t offset = 0);
/// Python's indexing, `x.index({Slice(1, -1), 3, Ellipsis, NewAxis, rows})`, one entry per axis from the first on: a
/// number drops its axis, a Slice keeps it, `Ellipsis` stands for all axes that nothing else names (at the end if
/// absent), `NewAxis` adds one of size 1. An int64 tensor takes the positions it names, and its shape replaces the
/// axis; several broadcast together and replace their axes by one joint shape, in front if these are not neighbours.
/// Positions may be negative; ShapeError names one out of range.
Tensor index(const Tensor& x, std::initializer_list<IndexItem> items);
/// y[i, j, ...] = x[i, index[i, j, ...], ...] for axis 1 (and likewise for any): index is int64, of x's rank, no larger
/// than x off `axis`; the result has its shape. Throws ShapeError naming an index out of range.
Tensor gather(const Tensor& x, int axis, const Tensor& index);
/// x with source[i, j, ...] added at [i, index[i, j, ...], ...]; the inverse family of gather. Equal indices add up.
Tensor scatter_add(const Tensor& x, int axis, const Tensor& index, const Tensor& source);
/// x with source[i, j, ...] in place of what is at [i, index[i, j, ...], ...]; of equal indices the last one counts,
/// and has the gradient. Arguments as scatter_add.
Tensor scatter(const Tensor& x, int axis, const Tensor& index, const Tensor& source);
/// gather whose x and index broadcast to each other off `axis`.
Tensor take_along_dim(const Tensor& x, int axis, const Tensor& index);
/// x with `value` where mask, of any dtype, is not 0; mask broadcasts to x. No gradient passes there.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);
/// Rows of weight: [n, ...] named by index, int64, of any shape: [index's shape..., ...].
Tensor embedding(const Tensor& weight, const Tensor& index);
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
/// `matmul(x, transpose(w))` without the transposed copy; the gradients never make one either. NaN and infinity times 0
/// are NaN.
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});
/// x weight^T + bias. x: [..., in], weight: [out, in], bias: [out] or undefined; result [..., out].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// ---------------------------------------------------------------------------------------------------------------------
// Linear algebra. Matrices are the last two axes; leading axes are batches. A matrix for which there is no result is an
// Error that names its place in the batch; it is singular if it is so to working precision. NaN gives NaN.

/// a, b: [n] -> scalar.
Tensor dot(const Tensor& a, const Tensor& b);
/// a: [m], b: [n] -> [m, n].
Tensor outer(const Tensor& a, const Tensor& b);
/// x: [..., m, n] -> [...], the sum of the diagonal.
Tensor trace(const Tensor& x);
/// Sums of products in Einstein's notation: "ij,jk->ik" is a matrix product. Each operand has a letter per axis; an
/// axis whose letter is not in the output is summed over, a letter twice in one operand takes a diagonal, "..." stands
/// for leading, broadcasting axes. Without "->" the output has the letters that occur once, in alphabetical order,
/// after
/// "...". Contracted pair by pair through matmul, the pair with the smallest product first.
Tensor einsum(std::string_view subscripts, const std::vector<Tensor>& operands);
/// x: [..., n, n].
Tensor inverse(const Tensor& x);
/// The x of a x = b. a: [..., n, n], b: [n] or [..., n, k]; leading axes broadcast.
Tensor solve(const Tensor& a, const Tensor& b);

struct TriangularOptions {
  bool upper = false;          ///< read the upper triangle, else the lower one; the other may hold anything
  bool transpose = false;      ///< solve a^T x = b
  bool unit_diagonal = false;  ///< take the diagonal for ones without reading it
};

/// solve for triangular a.
Tensor triangular_solve(const Tensor& a, const Tensor& b, const TriangularOptions& options = {});
/// The lower triangular L, its diagonal positive, with L L^T = (x + x^T) / 2, which must be positive definite.
Tensor cholesky(const Tensor& x);
/// x: [..., n, n] -> [...]. Singular matrices have a gradient too, their cofactors (an Error beyond 16 rows).
Tensor det(const Tensor& x);
/// log |det(x)|: the sign is not taken into account; it is that of det.
Tensor logdet(const Tensor& x);

struct QrResult {
  Tensor q;  ///< [..., m, k], k = min(m, n), orthonormal columns
  Tensor r;  ///< [..., k, n], upper triangular, its diagonal not negative
};
/// q r = x: [..., m, n]. If it is recorded, the first k columns of x must be linearly independent.
QrResult qr(const Tensor& x);

struct EighResult {
  Tensor w;  ///< [..., n], ascending
  Tensor v;  ///< [..., n, n], eigenvectors in columns, the largest element of each positive
};
/// Eigenvalues and eigenvectors of (x + x^T) / 2. Where eigenvalues are equal, but for rounding, their eigenvectors
/// have no derivative; that with respect to each other is taken for 0.
EighResult eigh(const Tensor& x);

struct SvdResult {
  Tensor u;   ///< [..., m, k], k = min(m, n), orthonormal columns, the largest element of each positive
  Tensor s;   ///< [..., k], descending
  Tensor vt;  ///< [..., k, n], orthonormal rows
};
/// u diag(s) vt = x: [..., m, n]. Derivatives of u and vt that do not exist, where singular values are equal or 0, but
/// for rounding, are taken for 0.
SvdResult svd(const Tensor& x);
/// The x that makes |a x - b| smallest, and of several the smallest one. a: [..., m, n] with linearly independent
/// columns, or rows if there are fewer; b: [m] or [..., m, k]; leading axes broadcast.
Tensor lstsq(const Tensor& a, const Tensor& b);

/// Root of the sum of squares; largest sum of |x| over a column or a row; largest, or sum of, singular values.
enum class MatrixNorm : std::uint8_t { frobenius, one, infinity, spectral, nuclear };
/// x: [..., m, n] -> [...]. Equal largest sums share the gradient. At the zero matrix it is 0, but for spectral and
/// nuclear one of the subgradients.
Tensor matrix_norm(const Tensor& x, MatrixNorm kind = MatrixNorm::frobenius);

// ---------------------------------------------------------------------------------------------------------------------
// Convolution.

/// How far an image is padded before a kernel slides over it.
class Padding {
 public:
  enum class Mode : std::uint8_t { valid, same, full, number };
  static const Padding valid;  ///< none: the kernel stays inside the image
  /// ceil(size / stride) positions. An odd element goes behind the image, or before it in convolve2d: with stride 1
  /// that centres the result as SciPy does.
  static const Padding same;
  static const Padding full;  ///< every position where kernel and image overlap

  /// As many on every side.
  constexpr Padding(std::int64_t number) : mode(Mode::number) {  // NOLINT(google-explicit-constructor)
    before.fill(number);
    after.fill(number);
  }
  /// As many before as after, for rows and columns, or for depth, rows and columns.
  constexpr Padding(std::int64_t rows, std::int64_t columns) : Padding({0, rows, columns}, {0, rows, columns}, 2) {}
  constexpr Padding(std::int64_t depth, std::int64_t rows, std::int64_t columns)
      : Padding({depth, rows, columns}, {depth, rows, columns}, 3) {}
  /// Numbers of their own for each side, left and right, or above, below, left and right.
  static constexpr Padding sides(std::int64_t left, std::int64_t right) { return {{0, 0, left}, {0, 0, right}, 1}; }
  static constexpr Padding sides(std::int64_t above, std::int64_t below, std::int64_t left, std::int64_t right) {
    return {{0, above, left}, {0, below, right}, 2};
  }

  Mode mode;
  /// Of depth, rows and columns; an image with fewer axes has the last ones.
  std::array<std::int64_t, 3> before{};
  std::array<std::int64_t, 3> after{};
  int axes = 0;  ///< for how many axes numbers were given; 0: for any

 private:
  constexpr explicit Padding(Mode kind) : mode(kind) {}
  constexpr Padding(const std::array<std::int64_t, 3>& front, const std::array<std::int64_t, 3>& back, int count)
      : mode(Mode::number), before(front), after(back), axes(count) {}
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

/// A size for depth, rows and columns; one number means all three.
struct Size3d {
  constexpr Size3d(std::int64_t all) : depth(all), rows(all), columns(all) {}  // NOLINT(google-explicit-constructor)
  constexpr Size3d(std::int64_t slices, std::int64_t vertical, std::int64_t horizontal)
      : depth(slices), rows(vertical), columns(horizontal) {}
  std::int64_t depth;
  std::int64_t rows;
  std::int64_t columns;
};

/// How a correlation is computed; the results differ by rounding only.
enum class ConvMethod : std::uint8_t {
  automatic,  ///< what should be fastest
  direct,     ///< by its definition, as a matrix product
  separable,  ///< as a column, then a row; throws Error unless every channel's kernel is of rank one to working
              ///< precision
  fft,        ///< as a product of Fourier transforms; direct where there are infinities or NaN
};

struct Conv1dOptions {
  std::int64_t stride = 1;
  Padding padding = Padding::valid;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
  PadMode pad_mode = PadMode::constant;
};

struct ConvOptions {
  Size2d stride = 1;
  Padding padding = Padding::valid;
  Size2d dilation = 1;
  /// Channels in and out fall into so many groups, in order, each correlated by itself; as many as channels: depthwise.
  std::int64_t groups = 1;
  PadMode pad_mode = PadMode::constant;  ///< what padding consists of: zeros, or the image's own elements
  ConvMethod method = ConvMethod::automatic;
};

struct Conv3dOptions {
  Size3d stride = 1;
  Padding padding = Padding::valid;
  Size3d dilation = 1;
  std::int64_t groups = 1;
  PadMode pad_mode = PadMode::constant;
};

/// Cross-correlation of signals, as correlate2d. x: [N, C, L], kernel: [O, C / groups, K], bias: [O] or undefined ->
/// [N, O, OL]; or x: [L], kernel: [K] -> [OL].
Tensor correlate1d(const Tensor& x, const Tensor& kernel, const Conv1dOptions& options = {}, const Tensor& bias = {});
/// Cross-correlation, as convolutional layers do.
/// - Images: x: [H, W], kernel: [KH, KW] -> [OH, OW]; no bias.
/// - Batches: x: [N, C, H, W], kernel: [O, C / groups, KH, KW], bias: [O] or undefined -> [N, O, OH, OW].
/// Throws ShapeError if the kernel exceeds the padded image.
Tensor correlate2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options = {}, const Tensor& bias = {});
/// Cross-correlation of volumes. x: [N, C, D, H, W], kernel: [O, C / groups, KD, KH, KW], bias: [O] or undefined ->
/// [N, O, OD, OH, OW]; or x: [D, H, W], kernel: [KD, KH, KW] -> [OD, OH, OW].
Tensor correlate3d(const Tensor& x, const Tensor& kernel, const Conv3dOptions& options = {}, const Tensor& bias = {});
/// correlate2d with the kernel flipped in both image axes.
Tensor convolve2d(const Tensor& x, const Tensor& kernel, const ConvOptions& options = {}, const Tensor& bias = {});
/// Gradient of correlate2d with respect to x of shape `x_shape` ([N, C, H, W]), as an op: its own gradients are
/// correlate2d and correlate2d_kernel_gradient. `pad_mode` must be constant; `method` plays no part.
Tensor correlate2d_input_gradient(const Tensor& g, const Tensor& kernel, const Shape& x_shape,
                                  const ConvOptions& options);
/// Gradient of correlate2d with respect to a kernel of shape `kernel_shape` ([O, C / groups, KH, KW]), as an op.
Tensor correlate2d_kernel_gradient(const Tensor& x, const Tensor& g, const Shape& kernel_shape,
                                   const ConvOptions& options);

struct ConvTranspose1dOptions {
  std::int64_t stride = 1;
  Padding padding = Padding::valid;
  std::int64_t output_padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
};

struct ConvTransposeOptions {
  Size2d stride = 1;
  /// What the correlation that this is the gradient of pads: cut off the result. `same` gives size * stride positions,
  /// and takes no output_padding; `full` cuts off (kernel - 1) dilation on either side.
  Padding padding = Padding::valid;
  /// Rows and columns added behind, which a strided correlation would not have reached; less than the stride or the
  /// dilation.
  Size2d output_padding = 0;
  Size2d dilation = 1;
  std::int64_t groups = 1;
};

struct ConvTranspose3dOptions {
  Size3d stride = 1;
  Padding padding = Padding::valid;
  Size3d output_padding = 0;
  Size3d dilation = 1;
  std::int64_t groups = 1;
};

/// Transposed convolution: what correlate1d, 2d, 3d do to a gradient on its way back, as a layer of its own (Dumoulin
/// and Visin, A guide to convolution arithmetic for deep learning, 2016). A position of x adds the kernel, times its
/// value, to the result. x: [N, C, H, W], kernel: [C, O / groups, KH, KW], bias: [O] or undefined -> [N, O, OH, OW]
/// with OH = (H - 1) stride + (KH - 1) dilation + 1 + output_padding - padding on both sides; likewise in one and three
/// axes.
Tensor conv_transpose1d(const Tensor& x, const Tensor& kernel, const ConvTranspose1dOptions& options = {},
                        const Tensor& bias = {});
Tensor conv_transpose2d(const Tensor& x, const Tensor& kernel, const ConvTransposeOptions& options = {},
                        const Tensor& bias = {});
Tensor conv_transpose3d(const Tensor& x, const Tensor& kernel, const ConvTranspose3dOptions& options = {},
                        const Tensor& bias = {});

// ---------------------------------------------------------------------------------------------------------------------
// Pooling and resizing. x: [N, C, ...] with one, two or three image axes, or the image axes alone.

struct Pool1dOptions {
  std::optional<std::int64_t> stride = {};
  Padding padding = Padding::valid;
  std::int64_t dilation = 1;
  bool ceil_mode = false;
  bool count_include_pad = true;
};

struct PoolOptions {
  std::optional<Size2d> stride = {};  ///< the kernel's size if not given
  Padding padding = Padding::valid;   ///< at most half the kernel; `full` is not possible
  Size2d dilation = 1;                ///< of maxpool; avgpool throws unless it is 1
  bool ceil_mode = false;             ///< one more window where the last one would leave a part of the image out
  bool count_include_pad = true;      ///< of avgpool: padding counts as zeros, else the mean is of what is there
};

struct Pool3dOptions {
  std::optional<Size3d> stride = {};
  Padding padding = Padding::valid;
  Size3d dilation = 1;
  bool ceil_mode = false;
  bool count_include_pad = true;
};

/// Largest value of each window; padding never wins. The first of equal maxima gets the gradient. NaN wins.
Tensor maxpool1d(const Tensor& x, std::int64_t kernel, const Pool1dOptions& options = {});
Tensor maxpool2d(const Tensor& x, Size2d kernel, const PoolOptions& options = {});
Tensor maxpool3d(const Tensor& x, Size3d kernel, const Pool3dOptions& options = {});
/// The same with the place of each maximum in its channel, row-major: [N, C, OH, OW] int64.
ValuesAndIndices maxpool1d_with_index(const Tensor& x, std::int64_t kernel, const Pool1dOptions& options = {});
ValuesAndIndices maxpool2d_with_index(const Tensor& x, Size2d kernel, const PoolOptions& options = {});
/// x: [N, C, H, W] at the places in [N, C, size.rows, size.columns] that `index` of maxpool2d_with_index names, 0
/// elsewhere; of values at one place the last one counts, and has the gradient. Throws ShapeError naming a place out of
/// range.
Tensor maxunpool2d(const Tensor& x, const Tensor& index, Size2d size);
/// Mean of each window; NaN and infinities touch those that cover them.
Tensor avgpool1d(const Tensor& x, std::int64_t kernel, const Pool1dOptions& options = {});
Tensor avgpool2d(const Tensor& x, Size2d kernel, const PoolOptions& options = {});
Tensor avgpool3d(const Tensor& x, Size3d kernel, const Pool3dOptions& options = {});
/// Windows such that the result has `size` positions: window i goes from floor(i in / out) to ceil((i + 1) in / out).
Tensor adaptive_maxpool1d(const Tensor& x, std::int64_t size);
Tensor adaptive_maxpool2d(const Tensor& x, Size2d size);
Tensor adaptive_avgpool1d(const Tensor& x, std::int64_t size);
Tensor adaptive_avgpool2d(const Tensor& x, Size2d size);
/// x: [N, C, ...] -> [N, C, 1, ...]. Of the maximum, ties share the gradient evenly, as in max.
Tensor global_maxpool(const Tensor& x);
Tensor global_avgpool(const Tensor& x);

enum class InterpolateMode : std::uint8_t { nearest, bilinear };
struct InterpolateOptions {
  InterpolateMode mode = InterpolateMode::nearest;
  bool align_corners =
      false;  ///< bilinear: the corner elements lie on each other, else the corners of their squares do
};
/// x: [N, C, H, W] or [H, W] resized to size.rows x size.columns. Position i of the result is at (i + 1/2) in / out -
/// 1/2 (bilinear, clipped to the image), or is element floor(i in / out) (nearest).
Tensor interpolate(const Tensor& x, Size2d size, const InterpolateOptions& options = {});

// ---------------------------------------------------------------------------------------------------------------------
// Normalisation: (x - mean) / sqrt(variance + epsilon), the variance being the mean square of the deviations, then
// weight x + bias, either of which may be undefined (1 and 0).

/// Means and variances of the channels, [C] each, that training follows and evaluation uses. They carry no gradient.
struct RunningStatistics {
  Tensor mean;      ///< zeros at first
  Tensor variance;  ///< ones at first
};

struct BatchNormOptions {
  bool training = true;
  double momentum = 0.1;  ///< running = (1 - momentum) running + momentum batch's; the variance's with correction 1
  double epsilon = 1e-5;
};

/// x: [N, C, ...], weight, bias: [C]. In training each channel's statistics are those of the batch, and `running` moves
/// towards them (Ioffe and Szegedy, 2015); else they are `running`. Throws ShapeError if a channel of a training batch
/// has fewer than two elements.
Tensor batch_norm(const Tensor& x, RunningStatistics& running, const Tensor& weight = {}, const Tensor& bias = {},
                  const BatchNormOptions& options = {});

struct LayerNormOptions {
  int axes = 1;  ///< how many trailing axes are normalised together
  double epsilon = 1e-5;
};
/// Over the last axes of each sample, whose shape weight and bias have (Ba, Kiros and Hinton, 2016).
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                  const LayerNormOptions& options = {});
/// x / sqrt(mean(x^2) + epsilon) weight over the last axes (Zhang and Sennrich, 2019).
Tensor rms_norm(const Tensor& x, const Tensor& weight = {}, const LayerNormOptions& options = {.epsilon = 1e-6});
/// x: [N, C, ...]: the channels of a sample in `groups` of neighbours, each normalised together; weight, bias: [C] (Wu
/// and He, 2018). Throws ShapeError unless groups divides C.
Tensor group_norm(const Tensor& x, std::int64_t groups, const Tensor& weight = {}, const Tensor& bias = {},
                  double epsilon = 1e-5);
/// x: [N, C, ...]: each channel of each sample by itself; weight, bias: [C] (Ulyanov et al., 2016).
Tensor instance_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {}, double epsilon = 1e-5);

// ---------------------------------------------------------------------------------------------------------------------
// Sequences.

struct AttentionOptions {
  Tensor mask = {};     ///< broadcasts to [..., L, S], of any dtype: keys where it is 0 are not looked at
  Tensor bias = {};     ///< broadcasts to [..., L, S], of query's dtype: added to the scores; may need a gradient
  bool causal = false;  ///< query i does not look at keys behind i
  std::optional<double> scale = {};  ///< of the scores; 1 / sqrt(E) if not given
  double dropout = 0;                ///< probability with which a weight is dropped
};
/// softmax(query key^T scale + bias) value (Vaswani et al., 2017). query: [..., L, E], key: [..., S, E], value: [...,
/// S, V]
/// -> [..., L, V]; leading axes broadcast. A query that may look at no key gives zeros.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionOptions& options = {}, Generator& generator = default_generator());

/// The weights of a recurrent cell with H units and G gates, one below the other.
struct CellWeights {
  Tensor input = {};        ///< [G H, I]; undefined: x is [N, G H], the product that they would give
  Tensor hidden = {};       ///< [G H, H]
  Tensor input_bias = {};   ///< [G H], or undefined
  Tensor hidden_bias = {};  ///< [G H], or undefined
};

enum class RnnActivation : std::uint8_t { tanh, relu };
/// One step of an Elman network: activation(W x + b + R h + c) from input W, input bias b, hidden R and hidden bias c.
/// x: [N, I], h: [N, H] -> [N, H].
Tensor rnn_cell(const Tensor& x, const Tensor& h, const CellWeights& weights,
                RnnActivation activation = RnnActivation::tanh);

struct LstmState {
  Tensor h;  ///< [N, H], what the cell shows
  Tensor c;  ///< [N, H], what it remembers
};
/// One step of a long short-term memory (Hochreiter and Schmidhuber, 1997; with forget gate, Gers et al., 2000): with
/// the gates i, f, g, o = the rows of W x + b + R h + c in this order, c' = sigmoid(f) c + sigmoid(i) tanh(g) and h' =
/// sigmoid(o) tanh(c').
LstmState lstm_cell(const Tensor& x, const LstmState& state, const CellWeights& weights);

struct GruOptions {
  bool reset_after = true;  ///< the reset gate acts on R h + c; else on h before the product (Cho et al., 2014)
};
/// One step of a gated recurrent unit: with the gates r, z, n in this order, r = sigmoid(..), z = sigmoid(..), n =
/// tanh(W x + b + r (R h + c)) and h' = (1 - z) n + z h. x: [N, I], h: [N, H] -> [N, H].
Tensor gru_cell(const Tensor& x, const Tensor& h, const CellWeights& weights, const GruOptions& options = {});

struct CtcOptions {
  std::int64_t blank = 0;
  bool zero_infinity = false;  ///< a sample that no alignment can spell counts 0, not infinity; its gradient is 0
};
/// Connectionist temporal classification (Graves et al., 2006): the mean over samples of -log p(target) / max(target's
/// length, 1), p summing over all alignments. log_probabilities: [T, N, K]; target: [N, S] int64; lengths of inputs and
/// of targets: [N] int64 (at most T and S; elements behind are not read). Throws ShapeError naming a label or a length
/// out of range, or a label that is the blank. log_probabilities need not add up to 1: each is a variable of its own.
Tensor ctc_loss(const Tensor& log_probabilities, const Tensor& target, const Tensor& input_lengths,
                const Tensor& target_lengths, const CtcOptions& options = {});

// ---------------------------------------------------------------------------------------------------------------------
// Softmax and losses. Losses are means over all elements or samples, as a scalar.

/// exp(x) / sum(exp(x)) along an axis, without overflow: 0, with no gradient, for -infinity; all NaN where one is NaN
/// or +infinity, or all are -infinity. So is log_softmax, but for -infinity, which it keeps.
Tensor softmax(const Tensor& x, int axis = -1);
Tensor log_softmax(const Tensor& x, int axis = -1);
/// Mean of -log softmax(logits)[label]. logits: [N, K]; target: labels [N] int64, or probabilities [N, K] (one-hot or
/// not; no gradient of the target if int64). A logit of -infinity is a probability of 0; with a target of 0 it counts
/// nothing, else the loss is infinite. Throws ShapeError naming a label out of range.
Tensor cross_entropy(const Tensor& logits, const Tensor& target);

struct CrossEntropyOptions {
  double label_smoothing = 0;                     ///< share of the probability spread evenly over all classes, 0 to 1
  Tensor weight = {};                             ///< of each class, [K]; all 1 if undefined
  std::optional<std::int64_t> ignore_index = {};  ///< rows with this label count nothing
};
/// The same for labels [N], as the sum of the rows' weighted losses over the sum of their labels' weights; NaN if no
/// row counts.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options);
/// Mean of -log_probabilities[label]. log_probabilities: [N, K]; target: labels [N] int64, checked as above.
Tensor nll_loss(const Tensor& log_probabilities, const Tensor& target);
/// Kullback and Leibler's divergence of exp(log_probabilities) from the distribution `target`: the sum of
/// t (log t - log p), 0 where t is 0, as a mean over axis 0. Same shapes.
Tensor kl_div(const Tensor& log_probabilities, const Tensor& target);
/// Mean of -(t log p + (1 - t) log(1 - p)); logs are clamped at -100, so that p = 0 or 1 stays finite, and so is the
/// gradient, (p - t) / max(p (1 - p), 1e-12). Same shapes.
Tensor binary_cross_entropy(const Tensor& probabilities, const Tensor& target);
/// The same from logits, without clamping: stable for any size of them, 0 or infinite for infinite ones.
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& target);
/// Mean of (prediction - target)^2. Same shapes.
Tensor mse_loss(const Tensor& prediction, const Tensor& target);
/// Mean of |prediction - target|; gradient 0 where they are equal. Same shapes.
Tensor l1_loss(const Tensor& prediction, const Tensor& target);
/// Mean of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), with d = prediction - target. Same shapes.
Tensor huber_loss(const Tensor& prediction, const Tensor& target, double delta = 1);
/// huber_loss with delta = beta, divided by beta.
Tensor smooth_l1_loss(const Tensor& prediction, const Tensor& target, double beta = 1);
/// Mean of max(0, 1 - target scores), target being 1 or -1; gradient 0 at the margin. Same shapes.
Tensor hinge_loss(const Tensor& scores, const Tensor& target);
/// The cosine of the angle between a and b along an axis, which is dropped; lengths below epsilon count as epsilon.
/// Same shapes.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, int axis = -1, double epsilon = 1e-8);
/// Mean of max(0, |anchor - positive| - |anchor - negative| + margin), with Euclidean distances along the last axis.
/// Gradient 0 at the margin and of a distance that is 0. Same shapes [..., features].
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative, double margin = 1);

// ---------------------------------------------------------------------------------------------------------------------
// Random numbers. Numbers of the counter-based generator: the same for any number of threads.

/// Uniform in [0, 1). No gradient, as in all but dropout and normal.
Tensor rand(const Shape& shape, DType dtype = float32, Generator& generator = default_generator());
/// Standard normal.
Tensor randn(const Shape& shape, DType dtype = float32, Generator& generator = default_generator());
/// Integers from low to high - 1, all equally likely, int64. Throws Error unless low < high.
Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator = default_generator());
/// 0 to n - 1 in random order, int64. Throws Error if n < 0.
Tensor randperm(std::int64_t n, Generator& generator = default_generator());
/// 1 with the probability that each element gives, else 0. Throws Error naming one outside [0, 1].
Tensor bernoulli(const Tensor& probabilities, Generator& generator = default_generator());
/// Indices drawn with probabilities in proportion to the last axis of weights: [..., K] -> [..., count] int64; without
/// replacement no index twice. Throws Error naming a row whose weights are negative, not finite, or too few that are
/// not 0.
Tensor multinomial(const Tensor& weights, std::int64_t count, bool replacement = false,
                   Generator& generator = default_generator());
/// mean + deviation e with standard normal e: gradients reach mean and deviation (Kingma and Welling, 2014).
/// Broadcasts. Throws Error naming a deviation below 0.
Tensor normal(const Tensor& mean, const Tensor& deviation, Generator& generator = default_generator());
/// 0 with probability p, else x / (1 - p); x itself if not `training`. 0 <= p < 1.
Tensor dropout(const Tensor& x, double p, bool training = true, Generator& generator = default_generator());

}  // namespace wengert
