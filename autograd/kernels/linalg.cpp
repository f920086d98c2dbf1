#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12 finds it in its own AVX-512 header
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "autograd/kernels/linalg.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>
#include <Eigen/QR>
#include <Eigen/SVD>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>

#include <wengert/autograd/parallel.h>

namespace wengert::kernels {

namespace {

using detail::Access;

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
template <class T>
using RowMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using LU = Eigen::PartialPivLU<Matrix<T>>;

/// Matrix `i` of a batch.
template <class T>
auto read(const Tensor& x, std::int64_t i) {
  const std::int64_t rows = x.dim(-2);
  const std::int64_t columns = x.dim(-1);
  return Eigen::Map<const RowMajor<T>>(Access::data<T>(x) + i * rows * columns, rows, columns);
}

template <class T>
auto write(const Tensor& x, std::int64_t i) {
  const std::int64_t rows = x.dim(-2);
  const std::int64_t columns = x.dim(-1);
  return Eigen::Map<RowMajor<T>>(Access::mutable_data<T>(x) + i * rows * columns, rows, columns);
}

/// Vector `i` of a batch.
template <class T>
auto write_vector(const Tensor& x, std::int64_t i) {
  return Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, 1>>(Access::mutable_data<T>(x) + i * x.dim(-1), x.dim(-1));
}

/// Calls `f<T>(i)` for each matrix of x; gives the first i for which that is false, or -1.
template <class F>
std::int64_t for_each_matrix(const Tensor& x, F f) {
  const std::int64_t rows = std::max<std::int64_t>(1, x.dim(-2));
  const std::int64_t columns = std::max<std::int64_t>(1, x.dim(-1));
  const std::int64_t count = x.shape().numel(0, x.rank() - 2);
  constexpr std::int64_t operations = 1 << 16;  // worth a thread
  const std::int64_t grain = std::max<std::int64_t>(1, operations / (rows * columns * std::min(rows, columns)));
  std::atomic<std::int64_t> first_failed{count};
  dispatch_floating(x.dtype(), [&]<class T>() {
    parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        if (f.template operator()<T>(i)) continue;
        std::int64_t seen = first_failed.load();
        while (i < seen && !first_failed.compare_exchange_weak(seen, i)) {
        }
      }
    });
  });
  return first_failed == count ? -1 : first_failed.load();
}

template <class T>
Matrix<T> symmetric_part(const Tensor& x, std::int64_t i) {
  const auto in = read<T>(x, i);
  return (in + in.transpose()) / T(2);
}

/// Whether a pivot is no larger than the rounding errors of the sum that it comes from. That does not depend on how
/// rows and columns are scaled.
template <class T>
bool singular(const LU<T>& lu) {
  const auto& factors = lu.matrixLU();
  for (Eigen::Index i = 0; i < factors.rows(); ++i) {
    const T pivot = std::abs(factors(i, i));
    const T terms = pivot + factors.row(i).head(i).cwiseAbs().dot(factors.col(i).head(i).cwiseAbs());
    if (pivot <= std::numeric_limits<T>::epsilon() * terms && std::isfinite(terms)) return true;
  }
  return false;
}

/// Makes the largest element of each column of `fixed` positive; the columns of `other` change sign with it.
template <class T>
void fix_signs(Matrix<T>& fixed, Matrix<T>& other) {
  for (Eigen::Index column = 0; column < fixed.cols(); ++column) {
    Eigen::Index largest = 0;
    fixed.col(column).cwiseAbs().maxCoeff(&largest);
    if (fixed(largest, column) >= 0) continue;
    fixed.col(column) *= T(-1);
    if (&other != &fixed) other.col(column) *= T(-1);
  }
}

}  // namespace

std::int64_t inverse(const Tensor& x, const Tensor& y) {
  if (x.numel() == 0) return -1;
  return for_each_matrix(x, [&]<class T>(std::int64_t i) {
    const LU<T> lu(read<T>(x, i));
    if (singular(lu)) return false;
    write<T>(y, i) = lu.inverse();
    return true;
  });
}

std::int64_t solve(const Tensor& a, const Tensor& b, const Tensor& x) {
  if (a.numel() == 0) return -1;
  return for_each_matrix(a, [&]<class T>(std::int64_t i) {
    const LU<T> lu(read<T>(a, i));
    if (singular(lu)) return false;
    if (b.dim(-1) > 0) write<T>(x, i) = lu.solve(read<T>(b, i));
    return true;
  });
}

std::int64_t determinant(const Tensor& x, const Tensor& y) {
  return for_each_matrix(x, [&]<class T>(std::int64_t i) {
    T& result = Access::mutable_data<T>(y)[i];
    result = T(1);
    if (x.dim(-1) == 0) return true;
    const LU<T> lu(read<T>(x, i));
    result = lu.determinant();
    return !singular(lu);
  });
}

std::int64_t log_determinant(const Tensor& x, const Tensor& y) {
  return for_each_matrix(x, [&]<class T>(std::int64_t i) {
    T& result = Access::mutable_data<T>(y)[i];
    result = T(0);
    if (x.dim(-1) == 0) return true;
    const LU<T> lu(read<T>(x, i));
    result = lu.matrixLU().diagonal().array().abs().log().sum();
    return !singular(lu);
  });
}

std::int64_t triangular_solve(const Tensor& a, const Triangular& kind, const Tensor& b, const Tensor& x) {
  if (a.numel() == 0) return -1;
  const bool upper = kind.upper != kind.transposed;
  return for_each_matrix(a, [&]<class T>(std::int64_t i) {
    Matrix<T> factor = read<T>(a, i);
    if (!kind.unit_diagonal && (factor.diagonal().array() == T(0)).any()) return false;
    if (kind.transposed) factor.transposeInPlace();
    if (b.dim(-1) == 0) return true;
    Matrix<T> result = read<T>(b, i);
    if (upper && kind.unit_diagonal)
      factor.template triangularView<Eigen::UnitUpper>().solveInPlace(result);
    else if (upper)
      factor.template triangularView<Eigen::Upper>().solveInPlace(result);
    else if (kind.unit_diagonal)
      factor.template triangularView<Eigen::UnitLower>().solveInPlace(result);
    else
      factor.template triangularView<Eigen::Lower>().solveInPlace(result);
    write<T>(x, i) = result;
    return true;
  });
}

std::int64_t cholesky(const Tensor& x, const Tensor& l) {
  if (x.numel() == 0) return -1;
  return for_each_matrix(x, [&]<class T>(std::int64_t i) {
    const Eigen::LLT<Matrix<T>> llt(symmetric_part<T>(x, i));
    if (llt.info() != Eigen::Success) return false;
    write<T>(l, i) = llt.matrixL().toDenseMatrix();
    return true;
  });
}

std::int64_t qr(const Tensor& x, const Tensor& q, const Tensor& r) {
  if (x.numel() == 0) return -1;
  return for_each_matrix(x, [&]<class T>(std::int64_t i) {
    const Matrix<T> in = read<T>(x, i);
    const Eigen::HouseholderQR<Matrix<T>> factors(in);
    Matrix<T> left = factors.householderQ() * Matrix<T>::Identity(in.rows(), in.cols());
    Matrix<T> right = factors.matrixQR().topRows(in.cols()).template triangularView<Eigen::Upper>();
    bool independent = true;
    for (Eigen::Index k = 0; k < in.cols(); ++k) {
      const T size = in.col(k).norm();
      const T rest = std::abs(right(k, k));
      if (rest <= 10 * std::numeric_limits<T>::epsilon() * size && std::isfinite(size)) independent = false;
      if (right(k, k) >= 0) continue;
      right.row(k) *= T(-1);
      left.col(k) *= T(-1);
    }
    write<T>(q, i) = left;
    write<T>(r, i) = right;
    return independent;
  });
}

std::int64_t eigh(const Tensor& x, const Tensor& w, const Tensor& v) {
  if (x.numel() == 0) return -1;
  return for_each_matrix(x, [&]<class T>(std::int64_t i) {
    const Matrix<T> in = symmetric_part<T>(x, i);
    if (!in.allFinite()) {
      write_vector<T>(w, i).setConstant(std::numeric_limits<T>::quiet_NaN());
      write<T>(v, i).setConstant(std::numeric_limits<T>::quiet_NaN());
      return true;
    }
    const Eigen::SelfAdjointEigenSolver<Matrix<T>> solver(in);
    if (solver.info() != Eigen::Success) return false;
    Matrix<T> vectors = solver.eigenvectors();
    fix_signs(vectors, vectors);
    write_vector<T>(w, i) = solver.eigenvalues();
    write<T>(v, i) = vectors;
    return true;
  });
}

std::int64_t svd(const Tensor& x, const Tensor& u, const Tensor& s, const Tensor& vt) {
  if (x.numel() == 0) return -1;
  return for_each_matrix(x, [&]<class T>(std::int64_t i) {
    const Matrix<T> in = read<T>(x, i);
    if (!in.allFinite()) {
      for (const Tensor& part : {u, vt}) write<T>(part, i).setConstant(std::numeric_limits<T>::quiet_NaN());
      write_vector<T>(s, i).setConstant(std::numeric_limits<T>::quiet_NaN());
      return true;
    }
    const Eigen::BDCSVD<Matrix<T>> solver(in, Eigen::ComputeThinU | Eigen::ComputeThinV);
    if (solver.info() != Eigen::Success) return false;
    Matrix<T> left = solver.matrixU();
    Matrix<T> right = solver.matrixV();
    fix_signs(left, right);
    write<T>(u, i) = left;
    write_vector<T>(s, i) = solver.singularValues();
    write<T>(vt, i) = right.transpose();
    return true;
  });
}

}  // namespace wengert::kernels
