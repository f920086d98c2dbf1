#include "autograd/kernels/linalg.h"

#include <array>
#include <limits>
#include <string>
#include <utility>

#include <wengert/autograd/elementwise.h>

#include "autograd/detail/position.h"
#include "autograd/ops/diagonal.h"
#include "autograd/ops/product.h"

// Gradients: M. B. Giles, Collected Matrix Derivative Results for Forward and Reverse Mode AD (2008): inverse, solve,
// det, eigh. I. Murray, Differentiation of the Cholesky decomposition (2016). J. Townsend, Differentiating the Singular
// Value Decomposition (2016). QR: S. F. Walter, L. Lehmann, Algorithmic Differentiation of Linear Algebra Functions
// (2012).

namespace wengert {

namespace {

using detail::Access;
using detail::leading_axes;

void check_matrices(const char* op, const Tensor& x) {
  detail::check_operands(op, std::array{&x}, Types::floating);
  check(x.rank() >= 2, "{}: a matrix has two axes or more, got shape {}", op, x.shape());
}

void check_square(const char* op, const Tensor& x) {
  check_matrices(op, x);
  check(x.dim(-1) == x.dim(-2), "{}: matrices must be square, got shape {}", op, x.shape());
}

/// Throws if a kernel found matrix `failed` of a batch to be `what`.
void check_result(const char* op, std::int64_t failed, const Tensor& x, const char* what) {
  if (failed < 0) return;
  if (x.rank() == 2) fail<Error>("{}: the matrix, of shape {}, {}", op, x.shape(), what);
  fail<Error>("{}: matrix {} of the batch, of shape {}, {}", op, detail::position_of(failed, leading_axes(x)),
              x.shape(), what);
}

constexpr const char* is_singular = "is singular";

/// x as matrices for each index of `batch`.
Tensor spread(const Tensor& x, const Shape& batch) {
  return broadcast_to(x, batch.inserted(batch.rank(), x.dim(-2)).inserted(batch.rank() + 1, x.dim(-1)));
}

/// The shape of a result with axes `rows` and `columns` behind the leading axes of x.
Shape with_matrix(const Tensor& x, std::int64_t rows, std::int64_t columns) {
  return x.shape().with(x.rank() - 2, rows).with(x.rank() - 1, columns);
}
Shape with_vector(const Tensor& x, std::int64_t size) { return leading_axes(x).inserted(x.rank() - 2, size); }

Tensor symmetric(const Tensor& x) { return (x + transpose(x)) / 2; }

/// What rounding may make of 0 among eigenvalues or singular values: [..., 1] for values [..., n].
Tensor rounding_of(const Tensor& values) {
  const double epsilon =
      values.dtype() == float32 ? std::numeric_limits<float>::epsilon() : std::numeric_limits<double>::epsilon();
  const Tensor largest = norm(values.detach(), std::numeric_limits<double>::infinity(), {-1}, true);
  return largest * (static_cast<double>(values.dim(-1)) * epsilon);
}

/// 1 / x, and 0 where |x| is at most `rounding`; so is the gradient.
Tensor reciprocal_or_zero(const Tensor& x, const Tensor& rounding) {
  const Tensor zero = abs(x.detach()) <= rounding;
  return where(zero, 0, 1 / where(zero, 1, x));
}

/// 1 / (v[j] - v[i]) at [i, j], and 0 where they are equal but for rounding, whose reciprocal would swamp the gradient
/// of functions that do not tell the vectors of equal values apart.
Tensor reciprocal_differences(const Tensor& v) {
  return reciprocal_or_zero(unsqueeze(v, -2) - unsqueeze(v, -1), unsqueeze(rounding_of(v), -1));
}

Tensor or_zeros(const Tensor& g, const Tensor& like) { return g.defined() ? g : zeros(like.shape(), like.dtype()); }

}  // namespace

Tensor dot(const Tensor& a, const Tensor& b) {
  detail::check_operands("dot", std::array{&a, &b}, Types::floating);
  check(a.rank() == 1 && a.shape() == b.shape(), "dot: a and b must be vectors of one length; a is {}, b is {}",
        a.shape(), b.shape());
  return matmul(a, b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  detail::check_operands("outer", std::array{&a, &b}, Types::floating);
  check(a.rank() == 1 && b.rank() == 1, "outer: a and b must be vectors; a is {}, b is {}", a.shape(), b.shape());
  return unsqueeze(a, 1) * b;
}

Tensor trace(const Tensor& x) {
  check_matrices("trace", x);
  return sum(diagonal(x), {-1});
}

Tensor inverse(const Tensor& x) {
  check_square("inverse", x);
  Tensor y = Access::allocate(x.shape(), x.dtype());
  check_result("inverse", kernels::inverse(x, y), x, is_singular);
  return record("inverse", std::move(y), wrt(x, [](const Tensor& g, const Tensor& result) {
                  return -matmul(matmul(result, g, {.transpose_a = true}), result, {.transpose_b = true});
                }));
}

namespace {

/// Brings a and b, matrices or a vector, to joint leading axes and calls `f(a, b)` with them.
template <class F>
Tensor solve_jointly(const char* op, const Tensor& a, const Tensor& b, F f) {
  detail::check_operands(op, std::array{&a, &b}, Types::floating);
  check_square(op, a);
  check(b.rank() > 0 && b.dim(b.rank() == 1 ? -1 : -2) == a.dim(-1),
        "{}: a and b must have equally many rows; a is {}, b is {}", op, a.shape(), b.shape());
  const Tensor columns = b.rank() == 1 ? unsqueeze(b, 1) : b;
  const Shape batch = broadcast_shapes(op, leading_axes(a), leading_axes(columns));
  const Tensor x = f(spread(a, batch), spread(columns, batch));
  return b.rank() == 1 ? squeeze(x, {-1}) : x;
}

}  // namespace

Tensor solve(const Tensor& a, const Tensor& b) {
  return solve_jointly("solve", a, b, [](const Tensor& left, const Tensor& right) {
    Tensor x = Access::allocate(right.shape(), right.dtype());
    check_result("solve", kernels::solve(left, right, x), left, is_singular);
    return record("solve", std::move(x),
                  wrt(left,
                      [left](const Tensor& g, const Tensor& result) {
                        return -matmul(solve(transpose(left), g), result, {.transpose_b = true});
                      }),
                  wrt(right, [left](const Tensor& g) { return solve(transpose(left), g); }));
  });
}

Tensor triangular_solve(const Tensor& a, const Tensor& b, const TriangularOptions& options) {
  return solve_jointly("triangular_solve", a, b, [options](const Tensor& left, const Tensor& right) {
    Tensor x = Access::allocate(right.shape(), right.dtype());
    const kernels::Triangular kind{options.upper, options.transpose, options.unit_diagonal};
    check_result("triangular_solve", kernels::triangular_solve(left, kind, right, x), left,
                 "is singular: its diagonal has a 0");
    const auto back = [left, options](const Tensor& g) {
      TriangularOptions other = options;
      other.transpose = !options.transpose;
      return triangular_solve(left, g, other);
    };
    return record("triangular_solve", std::move(x),
                  wrt(left,
                      [back, options](const Tensor& g, const Tensor& result) {
                        const Tensor h = back(g);
                        const Tensor full = options.transpose ? matmul(result, h, {.transpose_b = true})
                                                              : matmul(h, result, {.transpose_b = true});
                        const std::int64_t skipped = options.unit_diagonal ? 1 : 0;
                        return -(options.upper ? triu(full, skipped) : tril(full, -skipped));
                      }),
                  wrt(right, back));
  });
}

Tensor cholesky(const Tensor& x) {
  check_square("cholesky", x);
  Tensor y = zeros(x.shape(), x.dtype());
  check_result("cholesky", kernels::cholesky(x, y), x, "is not positive definite");
  return record("cholesky", std::move(y), wrt(x, [](const Tensor& g, const Tensor& l) {
                  const Tensor product = matmul(l, g, {.transpose_a = true});
                  const Tensor half = tril(product) - detail::place_diagonal(diagonal(product) / 2, g.shape(), 0);
                  const TriangularOptions transposed{.transpose = true};
                  const Tensor left = triangular_solve(l, half, transposed);
                  return symmetric(triangular_solve(l, transpose(left), transposed));
                }));
}

namespace {

/// The determinant's derivatives where x is singular too: at [..., i, j] the one of x without row i and column j, with
/// its sign.
Tensor cofactors(const Tensor& x) {
  const std::int64_t n = x.dim(-1);
  const std::int64_t minors = x.numel();
  Tensor kept = Access::allocate({n * n * (n - 1) * (n - 1)}, DType::int64);
  Tensor signs = Access::allocate({n, n}, x.dtype());
  auto* position = Access::mutable_data<std::int64_t>(kept);
  for (std::int64_t i = 0; i < n * n; ++i) {
    for (std::int64_t k = 0; k < n * n; ++k) {
      if (k / n != i / n && k % n != i % n) *position++ = k;
    }
  }
  dispatch_floating(x.dtype(), [&]<class T>() {
    T* sign = Access::mutable_data<T>(signs);
    for (std::int64_t i = 0; i < n * n; ++i) sign[i] = (i / n + i % n) % 2 == 0 ? T(1) : T(-1);
  });
  const Tensor rows = reshape(x, Shape{x.shape().numel(0, x.rank() - 2), n * n});
  return reshape(det(reshape(index_select(rows, 1, kept), Shape{minors, n - 1, n - 1})), x.shape()) * signs;
}

}  // namespace

Tensor det(const Tensor& x) {
  check_square("det", x);
  Tensor y = Access::allocate(leading_axes(x), x.dtype());
  const std::int64_t singular = kernels::determinant(x, y);
  if (singular >= 0 && grad_enabled() && x.requires_grad()) {
    constexpr std::int64_t most_rows = 16;  // there are as many minors as elements
    if (x.dim(-1) > most_rows) {
      check_result("det", singular, x, "is singular; there the gradient is only given for up to 16 rows");
    }
    return record("det", std::move(y),
                  wrt(x, [x](const Tensor& g) { return unsqueeze(unsqueeze(g, -1), -1) * cofactors(x); }));
  }
  return record("det", std::move(y), wrt(x, [x](const Tensor& g, const Tensor& result) {
                  return unsqueeze(unsqueeze(g * result, -1), -1) * transpose(inverse(x));
                }));
}

Tensor logdet(const Tensor& x) {
  check_square("logdet", x);
  Tensor y = Access::allocate(leading_axes(x), x.dtype());
  check_result("logdet", kernels::log_determinant(x, y), x, is_singular);
  return record("logdet", std::move(y),
                wrt(x, [x](const Tensor& g) { return unsqueeze(unsqueeze(g, -1), -1) * transpose(inverse(x)); }));
}

// The rules of factorisations need the factors. Nobody differentiates through them in a plain backward pass, where
// those of the forward pass serve, without their place on the tape; else they are computed again, recorded.

namespace {

/// R^-T from the right.
Tensor times_inverse_transposed(const Tensor& x, const Tensor& r) {
  return transpose(triangular_solve(r, transpose(x), {.upper = true}));
}

/// Factors of a matrix that has at least as many rows as columns; `op` asked for them.
QrResult tall_qr(const char* op, const Tensor& x, bool independent_columns) {
  const std::int64_t n = x.dim(-1);
  const Tensor q = zeros(x.shape(), x.dtype());
  const Tensor r = zeros(with_matrix(x, n, n), x.dtype());
  const std::int64_t dependent = kernels::qr(x, q, r);
  if (independent_columns || (grad_enabled() && x.requires_grad())) {
    check_result(op, dependent, x, "has linearly dependent columns");
  }
  const auto rule = [=](std::span<const Tensor> g, const std::uint8_t* /*needed*/) {
    const auto [left, right] = grad_enabled() ? tall_qr(op, x, true) : QrResult{q, r};
    const Tensor g_left = or_zeros(g[0], left);
    const Tensor m =
        matmul(right, or_zeros(g[1], right), {.transpose_b = true}) - matmul(g_left, left, {.transpose_a = true});
    const Tensor lower_twice = tril(m) + transpose(tril(m, -1));
    return std::vector<Tensor>{times_inverse_transposed(g_left + matmul(left, lower_twice), right)};
  };
  const auto factors = record("qr", {q, r}, wrt_all(std::span(&x, 1), rule));
  return {factors[0], factors[1]};
}

}  // namespace

QrResult qr(const Tensor& x) {
  check_matrices("qr", x);
  const std::int64_t rows = x.dim(-2);
  if (rows >= x.dim(-1)) return tall_qr("qr", x, false);
  const auto [q, left] = tall_qr("qr", slice(x, -1, 0, rows), false);
  const Tensor right = matmul(q, slice(x, -1, rows, x.dim(-1)), {.transpose_a = true});
  return {q, cat({left, right}, -1)};
}

EighResult eigh(const Tensor& x) {
  check_square("eigh", x);
  const Tensor values = Access::allocate(with_vector(x, x.dim(-1)), x.dtype());
  const Tensor vectors = Access::allocate(x.shape(), x.dtype());
  check_result("eigh", kernels::eigh(x, values, vectors), x, "has eigenvalues that the iteration did not find");
  const auto rule = [=](std::span<const Tensor> g, const std::uint8_t* /*needed*/) {
    const auto [w, v] = grad_enabled() ? eigh(x) : EighResult{values, vectors};
    Tensor inner = detail::place_diagonal(or_zeros(g[0], w), v.shape(), 0);
    if (g[1].defined()) inner = inner + reciprocal_differences(w) * matmul(v, g[1], {.transpose_a = true});
    return std::vector<Tensor>{symmetric(matmul(matmul(v, inner), v, {.transpose_b = true}))};
  };
  const auto factors = record("eigh", {values, vectors}, wrt_all(std::span(&x, 1), rule));
  return {factors[0], factors[1]};
}

namespace {

/// The gradient of x = u diag(s) vt from those of its factors, any of which may be undefined.
Tensor svd_gradient(const SvdResult& factors, const Tensor& gu, const Tensor& gs, const Tensor& gvt) {
  const auto& [u, s, vt] = factors;
  const Tensor rows = unsqueeze(s, -1);     // diag(s) from the left
  const Tensor columns = unsqueeze(s, -2);  // from the right
  const Tensor inverse_s = reciprocal_or_zero(s, rounding_of(s));
  // 1 / (s[j]^2 - s[i]^2) = 1 / (s[j] - s[i]) 1 / (s[j] + s[i]): squares would overflow and cancel.
  const Tensor inverse_gaps = reciprocal_differences(s);
  const Tensor inverse_sums = reciprocal_or_zero(columns + rows, unsqueeze(rounding_of(s), -1));
  const auto antisymmetric = [](const Tensor& m) { return m - transpose(m); };
  Tensor inner = detail::place_diagonal(or_zeros(gs, s), with_matrix(u, s.dim(-1), s.dim(-1)), 0);
  if (gu.defined()) {
    inner = inner + inverse_gaps * (columns * inverse_sums) * antisymmetric(matmul(u, gu, {.transpose_a = true}));
  }
  if (gvt.defined()) {
    inner = inner + inverse_gaps * (rows * inverse_sums) * antisymmetric(matmul(vt, gvt, {.transpose_b = true}));
  }
  Tensor result = matmul(matmul(u, inner), vt);
  // What lies outside the spaces that the factors span; they are all there is where x is square.
  if (gu.defined() && u.dim(-2) > u.dim(-1)) {
    const Tensor outside = gu - matmul(u, matmul(u, gu, {.transpose_a = true}));
    result = result + matmul(outside * unsqueeze(inverse_s, -2), vt);
  }
  if (gvt.defined() && vt.dim(-1) > vt.dim(-2)) {
    const Tensor outside = gvt - matmul(matmul(gvt, vt, {.transpose_b = true}), vt);
    result = result + matmul(u, unsqueeze(inverse_s, -1) * outside);
  }
  return result;
}

}  // namespace

SvdResult svd(const Tensor& x) {
  check_matrices("svd", x);
  const std::int64_t size = std::min(x.dim(-2), x.dim(-1));
  const Tensor u = Access::allocate(with_matrix(x, x.dim(-2), size), x.dtype());
  const Tensor s = Access::allocate(with_vector(x, size), x.dtype());
  const Tensor vt = Access::allocate(with_matrix(x, size, x.dim(-1)), x.dtype());
  check_result("svd", kernels::svd(x, u, s, vt), x, "has singular values that the iteration did not find");
  const auto rule = [=](std::span<const Tensor> g, const std::uint8_t* /*needed*/) {
    return std::vector<Tensor>{svd_gradient(grad_enabled() ? svd(x) : SvdResult{u, s, vt}, g[0], g[1], g[2])};
  };
  const auto factors = record("svd", {u, s, vt}, wrt_all(std::span(&x, 1), rule));
  return {factors[0], factors[1], factors[2]};
}

Tensor lstsq(const Tensor& a, const Tensor& b) {
  detail::check_operands("lstsq", std::array{&a, &b}, Types::floating);
  check_matrices("lstsq", a);
  check(b.rank() > 0 && b.dim(b.rank() == 1 ? -1 : -2) == a.dim(-2),
        "lstsq: a and b must have equally many rows; a is {}, b is {}", a.shape(), b.shape());
  if (b.rank() == 1) return squeeze(lstsq(a, unsqueeze(b, 1)), {-1});
  broadcast_shapes("lstsq (leading axes)", leading_axes(a), leading_axes(b));
  if (a.dim(-2) >= a.dim(-1)) {
    const auto [q, r] = tall_qr("lstsq", a, true);
    return triangular_solve(r, matmul(q, b, {.transpose_a = true}), {.upper = true});
  }
  const auto [q, r] = tall_qr("lstsq", transpose(a), true);
  return matmul(q, triangular_solve(r, b, {.upper = true, .transpose = true}));
}

Tensor matrix_norm(const Tensor& x, MatrixNorm kind) {
  check_matrices("matrix_norm", x);
  check(x.dim(-1) > 0 && x.dim(-2) > 0, "matrix_norm: matrices must not be empty, got shape {}", x.shape());
  switch (kind) {
    case MatrixNorm::one: return max(sum(abs(x), {-2}), {-1});
    case MatrixNorm::infinity: return max(sum(abs(x), {-1}), {-1});
    case MatrixNorm::spectral: return max(svd(x).s, {-1});
    case MatrixNorm::nuclear: return sum(svd(x).s, {-1});
    case MatrixNorm::frobenius: break;
  }
  return norm(x, 2, {-2, -1});
}

}  // namespace wengert
