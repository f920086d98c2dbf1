#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <type_traits>

#include <wengert/autograd/tensor.h>

/// \file
/// Tensors as Eigen matrices and back. The only public header that includes Eigen, whose alignment and flags stay in
/// the user's own files: maps are unaligned, and nothing of Eigen crosses into the library.

namespace wengert {

template <Element T>
using EigenMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <Element T>
using EigenMap = Eigen::Map<const EigenMatrix<T>>;
template <Element T>
using EigenVectorMap = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>;

/// The elements of `tensor` as a read-only matrix, without a copy: [rows, columns] as it is, [n] as a column of n rows,
/// a scalar as 1 x 1. Valid as long as a tensor holds the elements, which is why a temporary is not taken.
/// Throws DTypeError if T is not the element type, ShapeError for more than two axes.
template <Element T>
EigenMap<T> as_eigen(const Tensor& tensor) {
  const T* data = tensor.data<T>().data();
  check(tensor.rank() <= 2, "as_eigen: a matrix has at most 2 axes, the tensor has shape {}", tensor.shape());
  const std::int64_t rows = tensor.rank() > 0 ? tensor.dim(0) : 1;
  const std::int64_t columns = tensor.rank() > 1 ? tensor.dim(1) : 1;
  return {data, static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns)};
}
template <Element T>
EigenMap<T> as_eigen(const Tensor&&) = delete;

/// The elements of `tensor`, of any shape, as a read-only column in row-major order, without a copy. Valid as long as a
/// tensor holds the elements, which is why a temporary is not taken. Throws DTypeError if T is not the element type.
template <Element T>
EigenVectorMap<T> as_eigen_vector(const Tensor& tensor) {
  return {tensor.data<T>().data(), static_cast<Eigen::Index>(tensor.numel())};
}
template <Element T>
EigenVectorMap<T> as_eigen_vector(const Tensor&&) = delete;

/// A tensor with the values of an Eigen expression: [n] if it is a row or column at compile time, else
/// [rows, columns]. float and double keep their type, integers become int64.
template <class Derived>
Tensor from_eigen(const Eigen::DenseBase<Derived>& expression) {
  using Scalar = typename Derived::Scalar;
  static_assert(Element<Scalar> || std::is_integral_v<Scalar>,
                "from_eigen: the scalar type must be float, double or an integer");
  using T = std::conditional_t<Element<Scalar>, Scalar, std::int64_t>;
  const std::int64_t rows = expression.rows();
  const std::int64_t columns = expression.cols();
  const Shape shape = Derived::IsVectorAtCompileTime ? Shape{rows * columns} : Shape{rows, columns};
  Tensor result = detail::Access::allocate(shape, dtype_of<T>);
  Eigen::Map<Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(detail::Access::mutable_data<T>(result),
                                                                               expression.rows(), expression.cols()) =
      expression.derived().array().template cast<T>();
  return result;
}

}  // namespace wengert
