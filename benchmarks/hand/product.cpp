#include "benchmarks/hand/product.h"

#ifdef WENGERT_BENCHMARKS_OPENBLAS
#include <cblas.h>
#else
#include <Eigen/Core>
#endif

namespace wengert::bench {

#ifdef WENGERT_BENCHMARKS_OPENBLAS

std::string product_library() { return openblas_get_config(); }

void product(std::int64_t m, std::int64_t n, std::int64_t k, Factor a, Factor b, float* c, float beta,
             std::int64_t c_stride) {
  const auto trans = [](const Factor& side) { return side.transposed ? CblasTrans : CblasNoTrans; };
  const auto size = [](std::int64_t number) { return static_cast<blasint>(number); };
  cblas_sgemm(CblasRowMajor, trans(a), trans(b), size(m), size(n), size(k), 1, a.data, size(a.stride), b.data,
              size(b.stride), beta, c, size(c_stride == 0 ? n : c_stride));
}

void product(std::int64_t rows, std::int64_t columns, const float* a, bool transposed, const float* x, float* y,
             float beta) {
  cblas_sgemv(CblasRowMajor, transposed ? CblasTrans : CblasNoTrans, static_cast<blasint>(rows),
              static_cast<blasint>(columns), 1, a, static_cast<blasint>(columns), x, 1, beta, y, 1);
}

#else

namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Strided = Eigen::Map<const Matrix, 0, Eigen::OuterStride<>>;

}  // namespace

std::string product_library() { return "Eigen (no OpenBLAS was found)"; }

void product(std::int64_t m, std::int64_t n, std::int64_t k, Factor a, Factor b, float* c, float beta,
             std::int64_t c_stride) {
  const Strided left(a.data, a.transposed ? k : m, a.transposed ? m : k, Eigen::OuterStride<>(a.stride));
  const Strided right(b.data, b.transposed ? n : k, b.transposed ? k : n, Eigen::OuterStride<>(b.stride));
  Eigen::Map<Matrix, 0, Eigen::OuterStride<>> result(c, m, n, Eigen::OuterStride<>(c_stride == 0 ? n : c_stride));
  if (beta == 0) {
    result.setZero();
  } else if (beta != 1) {
    result *= beta;
  }
  if (a.transposed && b.transposed) {
    result.noalias() += left.transpose() * right.transpose();
  } else if (a.transposed) {
    result.noalias() += left.transpose() * right;
  } else if (b.transposed) {
    result.noalias() += left * right.transpose();
  } else {
    result.noalias() += left * right;
  }
}

void product(std::int64_t rows, std::int64_t columns, const float* a, bool transposed, const float* x, float* y,
             float beta) {
  const Eigen::Map<const Matrix> matrix(a, rows, columns);
  const Eigen::Map<const Eigen::VectorXf> in(x, transposed ? rows : columns);
  Eigen::Map<Eigen::VectorXf> out(y, transposed ? columns : rows);
  if (beta == 0) {
    out.setZero();
  } else if (beta != 1) {
    out *= beta;
  }
  if (transposed) {
    out.noalias() += matrix.transpose() * in;
  } else {
    out.noalias() += matrix * in;
  }
}

#endif

}  // namespace wengert::bench
