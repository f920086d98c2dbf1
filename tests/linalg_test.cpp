#include <cmath>

#include <gtest/gtest.h>

#include <wengert/autograd.h>

#include "tests/expect.h"

namespace wengert {
namespace {

const Tensor singular = from_data({{1, 2, 3}, {4, 5, 6}, {7, 8, 9}}, float64);

Tensor leaf(Tensor x) { return x.requires_grad(true); }

/// A batch of [2, 2] identities but for the one at [1, 0].
Tensor batch_with(const Tensor& odd) {
  const Tensor one = eye(odd.dim(-1), -1, odd.dtype());
  return stack({stack({one, one}), stack({odd, one})});
}

void expect_near(const Tensor& a, const Tensor& b, double tolerance = 1e-12) {
  ASSERT_EQ(a.shape(), b.shape());
  EXPECT_LE(max(abs(a - b)).item(), tolerance) << a << b;
}

TEST(LinearAlgebra, NamesTheMatrixOfTheBatchThatHasNoResult) {
  const Tensor batch = batch_with(singular);
  const std::string place = ": matrix [1, 0] of the batch, of shape [2, 2, 3, 3], ";
  expect_error<Error>([&] { inverse(batch); }, "inverse" + place + "is singular");
  expect_error<Error>([&] { solve(batch, ones({3}, float64)); }, "solve" + place + "is singular");
  expect_error<Error>([&] { logdet(batch); }, "logdet" + place + "is singular");
  expect_error<Error>([&] { cholesky(batch); }, "cholesky" + place + "is not positive definite");
  expect_error<Error>([&] { lstsq(batch, ones({3}, float64)); }, "lstsq" + place + "has linearly dependent columns");
  expect_error<Error>(
      [&] {
        triangular_solve(batch_with(zeros({3, 3}, float64)), ones({3}, float64));
      },
      "triangular_solve" + place + "is singular: its diagonal has a 0");
  expect_error<Error>([&] { inverse(zeros({2, 2})); }, "inverse: the matrix, of shape [2, 2], is singular");
  expect_error<Error>([&] { inverse(singular.to(float32)); }, "inverse: the matrix, of shape [3, 3], is singular");
}

TEST(LinearAlgebra, TakesMatricesOfAnyScale) {
  const Tensor x = from_data({{1e-8, 0}, {0, 1e8}});
  EXPECT_NEAR(inverse(x).index({0, 0}).item(), 1e8, 1e2);
  EXPECT_NEAR(logdet(x * 1e-4).item(), std::log(1e-8), 1e-4);
}

TEST(LinearAlgebra, RejectsWhatIsNoMatrix) {
  expect_error<ShapeError>([] { inverse(zeros({3})); }, "inverse: a matrix has two axes or more, got shape [3]");
  expect_error<ShapeError>([] { det(zeros({3, 2})); }, "det: matrices must be square, got shape [3, 2]");
  expect_error<ShapeError>([] { solve(zeros({3, 3}), zeros({2})); }, "solve: a and b must have equally many rows");
  expect_error<ShapeError>([] { solve(zeros({2, 3, 3}), zeros({4, 3, 1})); }, "solve: ");
  expect_error<ShapeError>([] { lstsq(zeros({2, 3}), zeros({3})); }, "lstsq: a and b must have equally many rows");
  expect_error<DTypeError>([] { svd(zeros({2, 3}, int64)); }, "svd: x is int64");
  expect_error<ShapeError>([] { dot(zeros({2}), zeros({3})); }, "dot: a and b must be vectors of one length");
  expect_error<ShapeError>([] { outer(zeros({2, 1}), zeros({3})); }, "outer: a and b must be vectors");
  expect_error<ShapeError>([] { matrix_norm(zeros({0, 3})); }, "matrix_norm: matrices must not be empty");
}

TEST(LinearAlgebra, MakesNotANumberOfNotANumber) {
  const Tensor x = full({2, 2}, std::nan(""), float64);
  for (const Tensor& y : {inverse(x), det(x), logdet(x), cholesky(x).index({0, 0}), qr(x).q, eigh(x).w, eigh(x).v,
                          svd(x).s, svd(x).u, solve(x, ones({2}, float64)), matrix_norm(x)}) {
    EXPECT_TRUE(std::isnan(sum(y).item())) << y;
  }
}

TEST(Determinant, HasItsCofactorsForAGradientWhereItIsZero) {
  Tensor x = leaf(singular.detach());
  det(x).backward();
  expect_near(x.grad(), from_data({{-3, 6, -3}, {6, -12, 6}, {-3, 6, -3}}, float64));
  const GradcheckReport report = gradcheck([](const Tensor& a) { return det(a); }, {x}, {.order = 2});
  EXPECT_TRUE(report) << report.text;
  Tensor zero = leaf(zeros({2, 3, 3}, float64));
  sum(det(zero)).backward();
  expect_near(zero.grad(), zeros({2, 3, 3}, float64));
}

TEST(Determinant, SaysInForwardWhereItHasNoGradient) {
  Tensor x = leaf(zeros({17, 17}));
  expect_error<Error>([&] { det(x); }, "det: the matrix, of shape [17, 17], is singular; there the gradient");
  EXPECT_EQ(det(x.detach()).item(), 0);
}

TEST(Factorisations, MultiplyToWhatTheyFactor) {
  Generator generator(3);
  for (const Shape& shape : {Shape{2, 30, 20}, Shape{20, 30}, Shape{25, 25}, Shape{1, 1}}) {
    const Tensor x = randn(shape, float64, generator);
    const auto [q, r] = qr(x);
    expect_near(matmul(q, r), x, 1e-11);
    const auto [u, s, vt] = svd(x);
    expect_near(matmul(u * unsqueeze(s, -2), vt), x, 1e-11);
    const Tensor gram = matmul(x, x, {.transpose_a = true}) + eye(x.dim(-1), -1, float64);
    const Tensor l = cholesky(gram);
    expect_near(matmul(l, l, {.transpose_b = true}), gram, 1e-11);
    const auto [w, v] = eigh(gram);
    expect_near(matmul(v * unsqueeze(w, -2), v, {.transpose_b = true}), gram, 1e-11);
    expect_near(matmul(inverse(gram), gram), broadcast_to(eye(x.dim(-1), -1, float64), gram.shape()), 1e-10);
    expect_near(exp(logdet(gram / 10)), det(gram / 10), 1e-9 * max(det(gram / 10)).item());
  }
}

TEST(Factorisations, OfDependentColumnsHaveNoGradientAndSayIt) {
  Tensor x = ones({3, 2}, float64);
  EXPECT_NEAR(qr(x).r.index({1, 1}).item(), 0, 1e-12);
  x.requires_grad(true);
  expect_error<Error>([&] { qr(x); }, "qr: the matrix, of shape [3, 2], has linearly dependent columns");
}

TEST(Factorisations, HaveFiniteGradientsWhereEigenvaluesAreEqual) {
  Tensor x = leaf(eye(3, -1, float64) * 2);
  expect_near(grad(sum(square(eigh(x).w)), x), 4 * eye(3, -1, float64));
  expect_near(grad(sum(square(svd(x).s)), x), 4 * eye(3, -1, float64));
  for (const Tensor& y : {eigh(x).v, svd(x).u, svd(x).vt}) {
    for (const double g : values_of(grad(sum(y), x))) EXPECT_TRUE(std::isfinite(g));
  }
}

TEST(Factorisations, KeepGradientsThatDoNotTellEqualValuesApart) {
  Generator generator(5);
  const Tensor turn = qr(randn({6, 6}, float64, generator)).q;
  const Tensor values = from_data({1, 1, 1, 1, 2, 3}, float64);  // equal but for rounding, once the matrix is turned
  const Tensor weights = randn({6, 6}, float64, generator);
  const Tensor x = leaf(matmul(turn * values, turn, {.transpose_b = true}));
  const auto projection = [&](const Tensor& vectors, std::int64_t begin, std::int64_t end) {
    const Tensor columns = slice(vectors, 1, begin, end);
    return grad(sum(matmul(columns, columns, {.transpose_b = true}) * weights), x);
  };
  // On the vectors of equal values, and on the others: both projections add up to the identity.
  expect_near(projection(eigh(x).v, 0, 4), -projection(eigh(x).v, 4, 6), 1e-11);
  expect_near(projection(svd(x).u, 2, 6), -projection(svd(x).u, 0, 2), 1e-11);
}

TEST(Factorisations, HaveGradientsOfMatricesOfAnyScale) {
  const Tensor x = from_data({{3, 1}, {0.5, 5}});
  const auto gradient = [](const Tensor& matrix) {
    const Tensor a = leaf(matrix);
    return grad(sum(svd(a).u * from_data({{1, 2}, {3, 5}})), a);
  };
  for (const double scale : {0x1p-80, 0x1p80}) expect_near(gradient(x * scale) * scale, gradient(x), 1e-5);
}

TEST(Factorisations, CanBeDifferentiatedThreeTimes) {
  Tensor x = leaf(from_data({{3, 1}, {0.5, 5}}, float64));
  const Tensor first = grad(sum(eigh(x).w * from_data({1, 2}, float64)), x, {.create_graph = true});
  const Tensor second = grad(sum(square(first)), x, {.create_graph = true});
  const auto third = [](const Tensor& a) {
    const Tensor g = grad(sum(eigh(a).w * from_data({1, 2}, float64)), a, {.create_graph = true});
    return grad(sum(square(g)), a, {.create_graph = true});
  };
  EXPECT_TRUE(second.requires_grad());
  const GradcheckReport report = gradcheck(third, {x});
  EXPECT_TRUE(report) << report.text;
}

TEST(MatrixNorm, OfTheZeroMatrixIsZeroWithAFiniteGradient) {
  for (const MatrixNorm kind :
       {MatrixNorm::frobenius, MatrixNorm::one, MatrixNorm::infinity, MatrixNorm::spectral, MatrixNorm::nuclear}) {
    Tensor x = leaf(zeros({2, 3}, float64));
    const Tensor y = matrix_norm(x, kind);
    EXPECT_EQ(y.item(), 0);
    y.backward();
    for (const double g : values_of(x.grad())) EXPECT_TRUE(std::isfinite(g));
  }
}

TEST(MatrixNorm, NeitherOverflowsNorVanishes) {
  for (const double scale : {0x1p-100, 0x1p100}) {
    const Tensor x = leaf(from_data({{3, 0}, {0, 4}}) * scale);
    EXPECT_EQ(matrix_norm(x).item(), 5 * scale);
    expect_near(grad(matrix_norm(x), x), from_data({{0.6, 0}, {0, 0.8}}), 1e-6);
  }
}

TEST(Einsum, SaysWhatIsWrongWithTheSubscripts) {
  const Tensor x = zeros({2, 3});
  expect_error<ShapeError>([&] { einsum("ij,jk", {x}); }, "einsum: \"ij,jk\" is for 2 operands, 1 are given");
  expect_error<ShapeError>([&] { einsum("ijk", {x}); }, "einsum: the subscripts of operand 0 in \"ijk\" name 3 axes");
  expect_error<ShapeError>([&] { einsum("i1", {x}); }, "einsum: '1' in \"i1\" is no letter");
  expect_error<ShapeError>([&] { einsum("i..", {x}); }, "einsum: '.' in \"i..\" is no letter");
  expect_error<ShapeError>([&] { einsum("ij->ik", {x}); }, "einsum: 'k' of the output of \"ij->ik\" occurs in no");
  expect_error<ShapeError>([&] { einsum("ij->ii", {x}); }, "einsum: 'i' occurs twice in the output");
  expect_error<ShapeError>([&] { einsum("ij,ij", {x, zeros({2, 4})}); }, "einsum: axis 'j' of \"ij,ij\" has size 4");
  expect_error<ShapeError>([&] { einsum("ii", {x}); }, "einsum: axis 'i' of \"ii\" has size 3 in operand 0, 2 before");
  expect_error<ShapeError>([&] { einsum("...j->j", {x}); }, "the output must have it too");
  expect_error<ShapeError>([&] { einsum("......", {x}); }, "einsum: '...' occurs twice");
  expect_error<ShapeError>([&] { einsum("", {}); }, "einsum: \"\" is for 1 operands, 0 are given");
  expect_error<Error>([&] { einsum("ij", {Tensor()}); }, "einsum: x is undefined");
}

TEST(Einsum, ContractsManyFactorsOfAnyShape) {
  const Tensor x = from_data({{1, 2}, {3, 4}}, float64);
  EXPECT_EQ(einsum("ii", {x}).item(), 5);
  EXPECT_EQ(einsum("ii->i", {x}).shape(), (Shape{2}));
  EXPECT_EQ(einsum("ij->", {x}).item(), 10);
  EXPECT_EQ(values_of(einsum("ba", {x})), (std::vector<double>{1, 3, 2, 4}));
  EXPECT_EQ(values_of(einsum("ij,jk,kl,lm->im", {x, x, x, x})), values_of(matmul(matmul(x, x), matmul(x, x))));
  EXPECT_EQ(einsum("...,...", {zeros({3, 1}), zeros({4})}).shape(), (Shape{3, 4}));
  EXPECT_EQ(einsum("", {full({}, 3)}).item(), 3);
}

}  // namespace
}  // namespace wengert
