#pragma once

#include <cstdint>

#include <wengert/autograd/tensor.h>

namespace wengert::kernels {

// Matrices lie behind each other, row-major; every function does all of a batch. Those that return a number give the
// first matrix for which there is no result, or -1; what is written for that one means nothing. What is not finite
// gives results that are not finite, and is no failure.

/// y = x^-1. Fails where x is singular to working precision: a pivot of its LU factorisation is no larger than the
/// rounding errors of the sum that it is.
std::int64_t inverse(const Tensor& x, const Tensor& y);
/// a x = b. Fails as `inverse`.
std::int64_t solve(const Tensor& a, const Tensor& b, const Tensor& x);
/// y = det(x), for every matrix; the number returned is that of the first singular one.
std::int64_t determinant(const Tensor& x, const Tensor& y);
/// y = log |det(x)|. Fails as `inverse`.
std::int64_t log_determinant(const Tensor& x, const Tensor& y);

struct Triangular {
  bool upper;
  bool transposed;
  bool unit_diagonal;
};
/// a x = b or a^T x = b, reading one triangle of a. Fails where its diagonal has a 0.
std::int64_t triangular_solve(const Tensor& a, const Triangular& kind, const Tensor& b, const Tensor& x);

/// l l^T = (x + x^T) / 2. Fails where that is not positive definite.
std::int64_t cholesky(const Tensor& x, const Tensor& l);
/// q r = x with m >= n, the diagonal of r not negative. The number returned is that of the first matrix with dependent
/// columns, though it has a result.
std::int64_t qr(const Tensor& x, const Tensor& q, const Tensor& r);
/// v diag(w) v^T = (x + x^T) / 2, w ascending; the largest element of each column of v is positive. Fails where the
/// iteration does not converge.
std::int64_t eigh(const Tensor& x, const Tensor& w, const Tensor& v);
/// u diag(s) vt = x, s descending; the largest element of each column of u is positive. Fails as `eigh`.
std::int64_t svd(const Tensor& x, const Tensor& u, const Tensor& s, const Tensor& vt);

}  // namespace wengert::kernels
