#include <gtest/gtest.h>

#include <wengert/autograd/eigen.h>

#include "tests/expect.h"

namespace wengert {
namespace {

TEST(Eigen, MapsAMatrixWithoutACopy) {
  const Tensor x = from_data({{1, 2, 3}, {4, 5, 6}});
  const auto map = as_eigen<float>(x);
  EXPECT_EQ(map.rows(), 2);
  EXPECT_EQ(map.cols(), 3);
  EXPECT_EQ(map(1, 0), 4.0f);
  EXPECT_EQ(map.data(), x.data<float>().data());
}

TEST(Eigen, MapsAVectorAsAColumnAndAScalarAsOneByOne) {
  const Tensor vector = from_data({1, 2, 3}, float64);
  EXPECT_EQ(as_eigen<double>(vector).rows(), 3);
  EXPECT_EQ(as_eigen<double>(vector).cols(), 1);
  const Tensor scalar = full({}, 7);
  EXPECT_EQ(as_eigen<float>(scalar).size(), 1);
  EXPECT_EQ(as_eigen<float>(scalar)(0, 0), 7.0f);
  const Tensor empty = zeros({0, 3});
  EXPECT_EQ(as_eigen<float>(empty).cols(), 3);
}

TEST(Eigen, MapsAnyShapeAsAVector) {
  const Tensor x = arange(24, int64).reshape({2, 3, 4});
  const auto map = as_eigen_vector<std::int64_t>(x);
  EXPECT_EQ(map.size(), 24);
  EXPECT_EQ(map.sum(), 276);
}

TEST(Eigen, MapsAViewWhereverItStarts) {
  const Tensor x = arange(10);
  const Tensor tail = x.slice(3, 10);
  EXPECT_EQ(as_eigen<float>(tail)(0, 0), 3.0f);
}

TEST(Eigen, RejectsOtherTypesAndMoreThanTwoAxes) {
  const Tensor x = zeros({2, 3, 4});
  expect_error<ShapeError>([&] { (void)as_eigen<float>(x); },
                           "as_eigen: a matrix has at most 2 axes, the tensor has shape [2, 3, 4]");
  expect_error<DTypeError>([&] { (void)as_eigen<double>(x); }, "the tensor is float32, asked for float64");
  const Tensor undefined;
  expect_error<Error>([&] { (void)as_eigen_vector<float>(undefined); }, "before it was given a value");
}

TEST(Eigen, MakesTensorsFromMatricesOfAnyOrder) {
  Eigen::MatrixXd matrix(2, 3);  // column-major
  matrix << 1, 2, 3, 4, 5, 6;
  const Tensor x = from_eigen(matrix);
  EXPECT_EQ(x.shape(), (Shape{2, 3}));
  EXPECT_EQ(x.dtype(), float64);
  EXPECT_EQ(values_of(x), (std::vector<double>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(from_eigen(EigenMatrix<float>(0, 4)).shape(), (Shape{0, 4}));
}

TEST(Eigen, MakesTensorsFromExpressionsAndVectors) {
  Eigen::Vector3f vector(1, 2, 3);
  EXPECT_EQ(from_eigen(vector).shape(), (Shape{3}));
  EXPECT_EQ(from_eigen(vector.transpose()).shape(), (Shape{3}));
  EXPECT_EQ(values_of(from_eigen(2 * vector * vector.transpose())),
            (std::vector<double>{2, 4, 6, 4, 8, 12, 6, 12, 18}));
  EXPECT_EQ(values_of(from_eigen(vector.array().square())), (std::vector<double>{1, 4, 9}));
  const Tensor integers = from_eigen(Eigen::Vector2i(-1, 4));
  EXPECT_EQ(integers.dtype(), int64);
  EXPECT_EQ(values_of(integers), (std::vector<double>{-1, 4}));
}

TEST(Eigen, GoesThereAndBack) {
  const Tensor x = from_data({{1, 2}, {3, 4}});
  EXPECT_EQ(values_of(from_eigen(as_eigen<float>(x))), values_of(x));
}

}  // namespace
}  // namespace wengert
