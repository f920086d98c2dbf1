#include "tests/op_cases/rows.h"

namespace wengert::test {

namespace {

/// a b with leading axes that broadcast; both at least 2-D.
Array product(const Array& a, const Array& b) {
  const int rank = std::max(a.shape.rank(), b.shape.rank());
  std::vector<std::int64_t> sizes;
  const auto size_of_axis = [&](const Array& x, int axis) {
    const int own = axis - (rank - x.shape.rank());
    return own < 0 ? 1 : x.shape[own];
  };
  for (int axis = 0; axis < rank - 2; ++axis) sizes.push_back(std::max(size_of_axis(a, axis), size_of_axis(b, axis)));
  sizes.push_back(a.shape[a.shape.rank() - 2]);
  sizes.push_back(b.shape[b.shape.rank() - 1]);
  const std::int64_t depth = a.shape[a.shape.rank() - 1];
  const auto row = static_cast<std::size_t>(rank - 2);
  return make(Shape(sizes), [&](const Index& i) {
    double sum = 0;
    for (std::int64_t k = 0; k < depth; ++k) {
      Index in_a = i;
      Index in_b = i;
      in_a[row + 1] = k;
      in_b[row] = k;
      // The last two axes are never stretched: sizes of 1 there are read at 0 anyway.
      sum += broadcast(a, in_a, rank) * broadcast(b, in_b, rank);
    }
    return sum;
  });
}

}  // namespace

void add_products(Table& t) {
  t.push_back({.name = "matmul",
               .inputs = {real({3, 4}), real({4, 2})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference = [](From in) { return product(in[0], in[1]); },
               .big = {{200, 300}, {300, 150}},
               .empty = {{3, 0}, {0, 2}}});
  t.push_back({.name = "matmul",
               .variant = "vectors",
               .inputs = {real({5}), real({5})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference =
                   [](From in) {
                     double sum = 0;
                     for (std::size_t i = 0; i < 5; ++i) sum += in[0].data[i] * in[1].data[i];
                     return number(sum);
                   }});
  t.push_back({.name = "matmul",
               .variant = "matrix and vector",
               .inputs = {real({3, 4}), real({4})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference =
                   [](From in) {
                     return reshaped(product(in[0], reshaped(in[1], {4, 1})), {3});
                   },
               .big = {{600, 400}, {400}}});
  t.push_back({.name = "matmul",
               .variant = "vector and batch",
               .inputs = {real({3}), real({2, 3, 4})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference =
                   [](From in) {
                     return reshaped(product(reshaped(in[0], {1, 3}), in[1]), {2, 4});
                   }});
  t.push_back({.name = "matmul",
               .variant = "batches that broadcast",
               .inputs = {real({2, 1, 3, 4}), real({3, 4, 2})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference = [](From in) { return product(in[0], in[1]); },
               .big = {{4, 1, 60, 70}, {3, 70, 80}},
               .empty = {{0, 3, 4}, {4, 2}}});
  t.push_back({.name = "matmul",
               .variant = "transposed left",
               .inputs = {real({4, 3}), real({4, 2})},
               .f = [](In in) { return matmul(in[0], in[1], {.transpose_a = true}); },
               .reference =
                   [](From in) {
                     return product(make({3, 4}, [&](const Index& i) { return in[0]({i[1], i[0]}); }), in[1]);
                   },
               .big = {{300, 200}, {300, 150}}});
  t.push_back({.name = "matmul",
               .variant = "transposed right",
               .inputs = {real({3, 4}), real({2, 4})},
               .f = [](In in) { return matmul(in[0], in[1], {.transpose_b = true}); },
               .reference =
                   [](From in) {
                     return product(in[0], make({4, 2}, [&](const Index& i) { return in[1]({i[1], i[0]}); }));
                   },
               .big = {{200, 300}, {150, 300}}});
  t.push_back({.name = "matmul",
               .variant = "both transposed, batch",
               .inputs = {real({2, 4, 3}), real({2, 5, 4})},
               .f = [](In in) { return matmul(in[0], in[1], {.transpose_a = true, .transpose_b = true}); },
               .reference =
                   [](From in) {
                     const auto transposed = [](const Array& x, const Shape& shape) {
                       return make(shape, [&](const Index& i) { return x({i[0], i[2], i[1]}); });
                     };
                     return product(transposed(in[0], {2, 3, 4}), transposed(in[1], {2, 4, 5}));
                   }});
  t.push_back({.name = "linear",
               .inputs = {real({3, 4}), real({2, 4}), real({2})},
               .f = [](In in) { return linear(in[0], in[1], in[2]); },
               .reference =
                   [](From in) {
                     return make({3, 2}, [&](const Index& i) {
                       double sum = in[2]({i[1]});
                       for (std::int64_t k = 0; k < 4; ++k) sum += in[0]({i[0], k}) * in[1]({i[1], k});
                       return sum;
                     });
                   },
               .big = {{200, 300}, {150, 300}, {150}},
               .empty = {{0, 4}, {2, 4}, {2}},
               .last_is_optional = true});
  t.push_back({.name = "linear",
               .variant = "without bias, batch",
               .inputs = {real({2, 3, 4}), real({2, 4})},
               .f = [](In in) { return linear(in[0], in[1]); },
               .reference =
                   [](From in) {
                     return make({2, 3, 2}, [&](const Index& i) {
                       double sum = 0;
                       for (std::int64_t k = 0; k < 4; ++k) sum += in[0]({i[0], i[1], k}) * in[1]({i[2], k});
                       return sum;
                     });
                   }});
}

namespace {

/// One matrix of a batch.
struct Mat {
  std::int64_t rows;
  std::int64_t columns;
  Values data;

  Mat(std::int64_t m, std::int64_t n) : rows(m), columns(n), data(static_cast<std::size_t>(m * n)) {}
  double& operator()(std::int64_t i, std::int64_t j) { return data.at(static_cast<std::size_t>(i * columns + j)); }
  double operator()(std::int64_t i, std::int64_t j) const { return data.at(static_cast<std::size_t>(i * columns + j)); }
};

Mat times(const Mat& a, const Mat& b) {
  Mat c(a.rows, b.columns);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t k = 0; k < a.columns; ++k) {
      for (std::int64_t j = 0; j < b.columns; ++j) c(i, j) += a(i, k) * b(k, j);
    }
  }
  return c;
}

Mat transposed(const Mat& a) {
  Mat t(a.columns, a.rows);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.columns; ++j) t(j, i) = a(i, j);
  }
  return t;
}

Mat symmetric_part(const Mat& a) {
  Mat s = transposed(a);
  for (std::size_t i = 0; i < s.data.size(); ++i) s.data[i] = (s.data[i] + a.data[i]) / 2;
  return s;
}

/// a^-1 b by Gauss and Jordan; the matrices of the rows have large diagonals, so that no pivoting is needed.
Mat solved(Mat a, Mat b) {
  for (std::int64_t k = 0; k < a.rows; ++k) {
    for (std::int64_t i = 0; i < a.rows; ++i) {
      if (i == k) continue;
      const double factor = a(i, k) / a(k, k);
      for (std::int64_t j = 0; j < a.columns; ++j) a(i, j) -= factor * a(k, j);
      for (std::int64_t j = 0; j < b.columns; ++j) b(i, j) -= factor * b(k, j);
    }
  }
  for (std::int64_t i = 0; i < b.rows; ++i) {
    for (std::int64_t j = 0; j < b.columns; ++j) b(i, j) /= a(i, i);
  }
  return b;
}

Mat identity(std::int64_t n) {
  Mat result(n, n);
  for (std::int64_t i = 0; i < n; ++i) result(i, i) = 1;
  return result;
}

/// Along the first row.
double determinant(const Mat& a) {
  if (a.rows == 0) return 1;
  double sum = 0;
  for (std::int64_t k = 0; k < a.columns; ++k) {
    Mat minor(a.rows - 1, a.columns - 1);
    for (std::int64_t i = 1; i < a.rows; ++i) {
      for (std::int64_t j = 0; j < a.columns; ++j) {
        if (j != k) minor(i - 1, j - (j > k)) = a(i, j);
      }
    }
    sum += (k % 2 == 0 ? 1 : -1) * a(0, k) * determinant(minor);
  }
  return sum;
}

Mat cholesky_of(const Mat& a) {
  Mat l(a.rows, a.rows);
  for (std::int64_t j = 0; j < a.rows; ++j) {
    for (std::int64_t i = j; i < a.rows; ++i) {
      double rest = (a(i, j) + a(j, i)) / 2;
      for (std::int64_t k = 0; k < j; ++k) rest -= l(i, k) * l(j, k);
      l(i, j) = i == j ? std::sqrt(rest) : rest / l(j, j);
    }
  }
  return l;
}

/// By Gram and Schmidt, each column twice: q, then r.
std::pair<Mat, Mat> qr_of(const Mat& a) {
  const std::int64_t k = std::min(a.rows, a.columns);
  Mat q(a.rows, k);
  for (std::int64_t j = 0; j < k; ++j) {
    for (std::int64_t i = 0; i < a.rows; ++i) q(i, j) = a(i, j);
    for (int pass = 0; pass < 2; ++pass) {
      for (std::int64_t p = 0; p < j; ++p) {
        double along = 0;
        for (std::int64_t i = 0; i < a.rows; ++i) along += q(i, p) * q(i, j);
        for (std::int64_t i = 0; i < a.rows; ++i) q(i, j) -= along * q(i, p);
      }
    }
    double size = 0;
    for (std::int64_t i = 0; i < a.rows; ++i) size += q(i, j) * q(i, j);
    for (std::int64_t i = 0; i < a.rows; ++i) q(i, j) /= std::sqrt(size);
  }
  return {q, times(transposed(q), a)};
}

void make_largest_positive(Mat& columns) {
  for (std::int64_t j = 0; j < columns.columns; ++j) {
    double largest = 0;
    for (std::int64_t i = 0; i < columns.rows; ++i) {
      if (std::abs(columns(i, j)) > std::abs(largest)) largest = columns(i, j);
    }
    for (std::int64_t i = 0; i < columns.rows; ++i) columns(i, j) *= largest < 0 ? -1 : 1;
  }
}

/// Eigenvalues in ascending order, and eigenvectors, by Jacobi's rotations. The matrices of the rows have diagonals so
/// far apart that the order is theirs.
std::pair<Values, Mat> eigen_of(Mat a) {
  Mat v = identity(a.rows);
  for (int sweep = 0; sweep < 20; ++sweep) {
    for (std::int64_t p = 0; p < a.rows; ++p) {
      for (std::int64_t q = p + 1; q < a.rows; ++q) {
        const double angle = 0.5 * std::atan2(2 * a(p, q), a(q, q) - a(p, p));
        Mat rotation = identity(a.rows);
        rotation(p, p) = rotation(q, q) = std::cos(angle);
        rotation(p, q) = std::sin(angle);
        rotation(q, p) = -std::sin(angle);
        a = times(times(transposed(rotation), a), rotation);
        v = times(v, rotation);
      }
    }
  }
  make_largest_positive(v);
  Values w;
  for (std::int64_t i = 0; i < a.rows; ++i) w.push_back(a(i, i));
  return {w, v};
}

struct SvdParts {
  Mat u;
  Values s;
  Mat vt;
};

/// From the eigenvectors of the smaller one of x^T x and x x^T.
SvdParts svd_of(const Mat& x) {
  if (x.rows < x.columns) {
    const SvdParts turned = svd_of(transposed(x));
    Mat u = transposed(turned.vt);
    Mat signs = u;
    make_largest_positive(signs);
    Mat vt = transposed(turned.u);
    for (std::int64_t k = 0; k < u.columns; ++k) {
      const double sign = u(0, k) == signs(0, k) ? 1 : -1;
      for (std::int64_t j = 0; j < vt.columns; ++j) vt(k, j) *= sign;
    }
    return {signs, turned.s, vt};
  }
  const auto [squares, v] = eigen_of(times(transposed(x), x));
  const std::int64_t n = x.columns;
  Mat u(x.rows, n);
  Values s;
  for (std::int64_t k = 0; k < n; ++k) {
    s.push_back(std::sqrt(squares[static_cast<std::size_t>(n - 1 - k)]));
    for (std::int64_t i = 0; i < x.rows; ++i) {
      for (std::int64_t j = 0; j < n; ++j) u(i, k) += x(i, j) * v(j, n - 1 - k) / s.back();
    }
  }
  make_largest_positive(u);
  Mat vt = times(transposed(u), x);
  for (std::int64_t k = 0; k < n; ++k) {
    for (std::int64_t j = 0; j < n; ++j) vt(k, j) /= s[static_cast<std::size_t>(k)];
  }
  return {u, s, vt};
}

/// Matrix `i` of a batch.
Mat matrix_of(const Array& x, std::int64_t i) {
  const int rank = x.shape.rank();
  Mat result(x.shape[rank - 2], x.shape[rank - 1]);
  const auto size = static_cast<std::ptrdiff_t>(result.data.size());
  result.data.assign(x.data.begin() + i * size, x.data.begin() + (i + 1) * size);
  return result;
}

/// `f(i)`, a list of numbers, for each matrix of x, as axes `tail` behind x's leading ones.
template <class F>
Array for_each_matrix(const Array& x, const std::vector<std::int64_t>& tail, F f) {
  std::vector<std::int64_t> sizes(x.shape.begin(), x.shape.end() - 2);
  const std::int64_t count = Shape(sizes).numel();
  sizes.insert(sizes.end(), tail.begin(), tail.end());
  Array result{Shape(sizes), {}};
  for (std::int64_t i = 0; i < count; ++i) {
    const Values values = f(i);
    result.data.insert(result.data.end(), values.begin(), values.end());
  }
  return result;
}

/// Square or not, well-conditioned, with singular values, and eigenvalues of the symmetric part, that lie apart; that
/// is positive definite.
Input matrix(const Shape& shape) { return {.shape = shape, .low = -0.5, .high = 0.5, .diagonal = 2}; }

OpCase linear_algebra(const char* name, const char* title, std::vector<Input> inputs, Tensor (*f)(In),
                      Array (*reference)(From), std::vector<Shape> big = {}, std::vector<Shape> empty = {}) {
  return {.name = name,
          .variant = title,
          .inputs = std::move(inputs),
          .f = f,
          .reference = reference,
          .big = std::move(big),
          .empty = std::move(empty),
          .float32_tolerance = 1e-4};
}

}  // namespace

void add_contractions(Table& t) {
  t.push_back(linear_algebra(
      "dot", "", {real({5}), real({5})}, [](In in) { return dot(in[0], in[1]); },
      [](From in) { return number(std::inner_product(in[0].data.begin(), in[0].data.end(), in[1].data.begin(), 0.0)); },
      {{3000}, {3000}}, {{0}, {0}}));
  t.push_back(linear_algebra(
      "outer", "", {real({3}), real({4})}, [](In in) { return outer(in[0], in[1]); },
      [](From in) {
        return make({3, 4}, [&](const Index& i) { return in[0]({i[0]}) * in[1]({i[1]}); });
      },
      {{300}, {400}}, {{0}, {4}}));
  t.push_back(linear_algebra(
      "trace", "", {real({2, 3, 4})}, [](In in) { return trace(in[0]); },
      [](From in) {
        return make({2}, [&](const Index& i) {
          return in[0]({i[0], 0, 0}) + in[0]({i[0], 1, 1}) + in[0]({i[0], 2, 2});
        });
      },
      {{300, 20, 20}}, {{2, 0, 3}}));
  t.push_back(linear_algebra(
      "einsum", "matrix product", {real({3, 4}), real({4, 2})}, [](In in) { return einsum("ij,jk->ik", in); },
      [](From in) { return product(in[0], in[1]); }, {{200, 300}, {300, 150}}, {{3, 0}, {0, 2}}));
  t.push_back(linear_algebra(
      "einsum", "implied output, turned factors", {real({4, 3}), real({2, 4})},
      [](In in) { return einsum("cb, ac", in); }, [](From in) { return product(in[1], in[0]); },
      {{300, 200}, {100, 300}}, {{0, 3}, {2, 0}}));
  t.push_back(linear_algebra(
      "einsum", "leading axes that broadcast", {real({2, 1, 3, 4}), real({5, 2, 4})},
      [](In in) { return einsum("...ij,...kj->k...i", in); },
      [](From in) {
        return make({2, 2, 5, 3}, [&](const Index& i) {
          double sum = 0;
          for (std::int64_t j = 0; j < 4; ++j) sum += in[0]({i[1], 0, i[3], j}) * in[1]({i[2], i[0], j});
          return sum;
        });
      }));
  t.push_back(linear_algebra(
      "einsum", "diagonal of a sum", {real({3, 2, 3, 4})},
      [](In in) { return einsum("iaib->ba", in).index({Slice()}); },
      [](From in) {
        return make({4, 2}, [&](const Index& i) {
          return in[0]({0, i[1], 0, i[0]}) + in[0]({1, i[1], 1, i[0]}) + in[0]({2, i[1], 2, i[0]});
        });
      }));
  t.push_back(linear_algebra(
      "einsum", "diagonal kept", {real({3, 3, 2}), real({3})}, [](In in) { return einsum("iij,i->ij", in); },
      [](From in) {
        return make({3, 2}, [&](const Index& i) { return in[0]({i[0], i[0], i[1]}) * in[1]({i[0]}); });
      }));
  t.push_back(linear_algebra(
      "einsum", "three factors", {real({2, 3}), real({3, 4, 2}), real({4, 5})},
      [](In in) { return einsum("ab,bca,cd->da", in); },
      [](From in) {
        return make({5, 2}, [&](const Index& i) {
          double sum = 0;
          for (std::int64_t b = 0; b < 3; ++b) {
            for (std::int64_t c = 0; c < 4; ++c) sum += in[0]({i[1], b}) * in[1]({b, c, i[1]}) * in[2]({c, i[0]});
          }
          return sum;
        });
      },
      {{20, 30}, {30, 40, 20}, {40, 50}}, {{2, 0}, {0, 4, 2}, {4, 5}}));
  t.push_back(linear_algebra(
      "einsum", "scalar and summed alone", {real({}), real({2, 3})}, [](In in) { return einsum(",ij->j", in); },
      [](From in) {
        return make({3}, [&](const Index& i) { return in[0]({}) * (in[1]({0, i[0]}) + in[1]({1, i[0]})); });
      }));
}

void add_linear_systems(Table& t) {
  t.push_back(linear_algebra(
      "inverse", "", {matrix({2, 3, 3})}, [](In in) { return inverse(in[0]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 3}, [&](auto i) { return solved(matrix_of(in[0], i), identity(3)).data; });
      },
      {{300, 6, 6}}, {{0, 3, 3}}));
  t.push_back(linear_algebra(
      "solve", "matrices", {matrix({2, 3, 3}), real({2, 3, 2})}, [](In in) { return solve(in[0], in[1]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 2},
                               [&](auto i) { return solved(matrix_of(in[0], i), matrix_of(in[1], i)).data; });
      },
      {{300, 6, 6}, {300, 6, 3}}, {{2, 3, 3}, {2, 3, 0}}));
  t.push_back(linear_algebra(
      "solve", "one vector", {matrix({2, 3, 3}), real({3})}, [](In in) { return solve(in[0], in[1]); },
      [](From in) {
        const Array column = reshaped(in[1], {3, 1});
        return for_each_matrix(in[0], {3},
                               [&](auto i) { return solved(matrix_of(in[0], i), matrix_of(column, 0)).data; });
      },
      {}, {{0, 0}, {0}}));
  t.push_back(linear_algebra(
      "triangular_solve", "lower", {matrix({2, 3, 3}), real({3, 2})},
      [](In in) { return triangular_solve(in[0], in[1]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 2}, [&](auto i) {
          Mat a = matrix_of(in[0], i);
          a(0, 1) = a(0, 2) = a(1, 2) = 0;
          return solved(a, matrix_of(in[1], 0)).data;
        });
      },
      {{300, 6, 6}, {6, 3}}, {{0, 3, 3}, {3, 2}}));
  t.push_back(linear_algebra(
      "triangular_solve", "upper", {matrix({3, 3}), real({2, 3, 2})},
      [](In in) { return triangular_solve(in[0], in[1], {.upper = true}); },
      [](From in) {
        return for_each_matrix(in[1], {3, 2}, [&](auto i) {
          Mat a = matrix_of(in[0], 0);
          a(1, 0) = a(2, 0) = a(2, 1) = 0;
          return solved(a, matrix_of(in[1], i)).data;
        });
      }));
  t.push_back(linear_algebra(
      "triangular_solve", "lower transposed, ones on the diagonal", {matrix({3, 3}), real({3})},
      [](In in) { return triangular_solve(in[0], in[1], {.transpose = true, .unit_diagonal = true}); },
      [](From in) {
        Mat a = matrix_of(in[0], 0);
        a(0, 1) = a(0, 2) = a(1, 2) = 0;
        a(0, 0) = a(1, 1) = a(2, 2) = 1;
        return Array{{3}, solved(transposed(a), matrix_of(reshaped(in[1], {3, 1}), 0)).data};
      }));
  t.push_back(linear_algebra(
      "triangular_solve", "upper transposed", {matrix({3, 3}), real({3, 2})},
      [](In in) { return triangular_solve(in[0], in[1], {.upper = true, .transpose = true}); },
      [](From in) {
        Mat a = matrix_of(in[0], 0);
        a(1, 0) = a(2, 0) = a(2, 1) = 0;
        return Array{{3, 2}, solved(transposed(a), matrix_of(in[1], 0)).data};
      }));
  t.push_back(linear_algebra(
      "cholesky", "", {matrix({2, 3, 3})}, [](In in) { return cholesky(in[0]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 3}, [&](auto i) { return cholesky_of(matrix_of(in[0], i)).data; });
      },
      {{300, 6, 6}}, {{2, 0, 0}}));
  t.push_back(linear_algebra(
      "det", "", {matrix({2, 3, 3})}, [](In in) { return det(in[0]); },
      [](From in) {
        return for_each_matrix(in[0], {}, [&](auto i) { return Values{determinant(matrix_of(in[0], i))}; });
      },
      {{300, 4, 4}}, {{0, 3, 3}}));
  t.push_back(named_in_errors(
      "-", linear_algebra(
               "logdet", "of negative determinants", {matrix({2, 3, 3})}, [](In in) { return logdet(-in[0]); },
               [](From in) {
                 return for_each_matrix(in[0], {},
                                        [&](auto i) { return Values{std::log(determinant(matrix_of(in[0], i)))}; });
               })));
  t.push_back(linear_algebra(
      "logdet", "", {matrix({3, 3})}, [](In in) { return logdet(in[0]); },
      [](From in) { return number(std::log(determinant(matrix_of(in[0], 0)))); }, {{300, 6, 6}}, {{2, 0, 0}}));
  t.push_back(linear_algebra(
      "lstsq", "more rows", {matrix({2, 4, 3}), real({4, 2})}, [](In in) { return lstsq(in[0], in[1]); },
      [](From in) {
        return for_each_matrix(in[0], {3, 2}, [&](auto i) {
          const Mat a = matrix_of(in[0], i);
          return solved(times(transposed(a), a), times(transposed(a), matrix_of(in[1], 0))).data;
        });
      },
      {{300, 6, 5}, {6, 3}}, {{0, 4, 3}, {4, 2}}));
  t.push_back(linear_algebra(
      "lstsq", "more columns", {matrix({2, 3, 4}), real({3})}, [](In in) { return lstsq(in[0], in[1]); },
      [](From in) {
        return for_each_matrix(in[0], {4}, [&](auto i) {
          const Mat a = matrix_of(in[0], i);
          const Mat b = matrix_of(reshaped(in[1], {3, 1}), 0);
          return times(transposed(a), solved(times(a, transposed(a)), b)).data;
        });
      }));
}

namespace {

template <Tensor QrResult::*part>
Tensor qr_part(In in) {
  return qr(in[0]).*part;
}
template <Tensor EighResult::*part>
Tensor eigh_part(In in) {
  return eigh(in[0]).*part;
}
template <Tensor SvdResult::*part>
Tensor svd_part(In in) {
  return svd(in[0]).*part;
}
template <MatrixNorm kind>
Tensor norm_of(In in) {
  return matrix_norm(in[0], kind);
}

}  // namespace

void add_factorisations(Table& t) {
  t.push_back(linear_algebra(
      "qr", "q", {matrix({2, 4, 3})}, qr_part<&QrResult::q>,
      [](From in) {
        return for_each_matrix(in[0], {4, 3}, [&](auto i) { return qr_of(matrix_of(in[0], i)).first.data; });
      },
      {{300, 6, 5}}, {{2, 3, 0}}));
  t.push_back(linear_algebra(
      "qr", "r", {matrix({2, 4, 3})}, qr_part<&QrResult::r>,
      [](From in) {
        return for_each_matrix(in[0], {3, 3}, [&](auto i) { return qr_of(matrix_of(in[0], i)).second.data; });
      },
      {{300, 6, 5}}, {{0, 4, 3}}));
  t.push_back(linear_algebra(
      "qr", "r of a square", {matrix({3, 3})},
      [](In in) {
        const auto [q, r] = qr(in[0]);
        return r + q * 0.5;
      },
      [](From in) {
        const auto [q, r] = qr_of(matrix_of(in[0], 0));
        return make({3, 3}, [&q = q, &r = r](const Index& i) { return r(i[0], i[1]) + q(i[0], i[1]) / 2; });
      }));
  t.push_back(linear_algebra(
      "qr", "more columns", {matrix({2, 2, 4})}, qr_part<&QrResult::r>,
      [](From in) {
        return for_each_matrix(in[0], {2, 4}, [&](auto i) { return qr_of(matrix_of(in[0], i)).second.data; });
      },
      {}, {{2, 0, 4}}));
  t.push_back(linear_algebra("eigh", "values", {matrix({2, 3, 3})}, eigh_part<&EighResult::w>,
                             [](From in) {
                               return for_each_matrix(in[0], {3}, [&](auto i) {
                                 return eigen_of(symmetric_part(matrix_of(in[0], i))).first;
                               });
                             },
                             {{300, 5, 5}}, {{0, 3, 3}}));
  t.push_back(linear_algebra("eigh", "vectors", {matrix({2, 3, 3})}, eigh_part<&EighResult::v>,
                             [](From in) {
                               return for_each_matrix(in[0], {3, 3}, [&](auto i) {
                                 return eigen_of(symmetric_part(matrix_of(in[0], i))).second.data;
                               });
                             },
                             {{300, 5, 5}}, {{2, 0, 0}}));
  t.push_back(linear_algebra(
      "svd", "u", {matrix({2, 4, 3})}, svd_part<&SvdResult::u>,
      [](From in) {
        return for_each_matrix(in[0], {4, 3}, [&](auto i) { return svd_of(matrix_of(in[0], i)).u.data; });
      },
      {{300, 5, 4}}, {{2, 3, 0}}));
  t.push_back(linear_algebra(
      "svd", "s", {matrix({2, 4, 3})}, svd_part<&SvdResult::s>,
      [](From in) { return for_each_matrix(in[0], {3}, [&](auto i) { return svd_of(matrix_of(in[0], i)).s; }); },
      {{300, 5, 4}}, {{0, 4, 3}}));
  t.push_back(linear_algebra("svd", "vt", {matrix({2, 4, 3})}, svd_part<&SvdResult::vt>, [](From in) {
    return for_each_matrix(in[0], {3, 3}, [&](auto i) { return svd_of(matrix_of(in[0], i)).vt.data; });
  }));
  t.push_back(linear_algebra(
      "svd", "vt, more columns", {matrix({2, 3, 4})}, svd_part<&SvdResult::vt>,
      [](From in) {
        return for_each_matrix(in[0], {3, 4}, [&](auto i) { return svd_of(matrix_of(in[0], i)).vt.data; });
      },
      {{300, 4, 5}}, {{2, 0, 3}}));
  t.push_back(linear_algebra("matrix_norm", "frobenius", {real({2, 3, 4})}, norm_of<MatrixNorm::frobenius>,
                             [](From in) {
                               return reduce(in[0], {1, 2}, [](const Values& v) {
                                 return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
                               });
                             },
                             {{300, 20, 20}}, {{0, 3, 4}}));
  t.push_back(linear_algebra("matrix_norm", "one", {nonzero({2, 3, 4})}, norm_of<MatrixNorm::one>,
                             [](From in) {
                               Array sizes = in[0];
                               for (double& x : sizes.data) x = std::abs(x);
                               return reduce(reduce(sizes, {1}, sum_of), {1}, max_of);
                             },
                             {{300, 20, 20}}));
  t.push_back(
      linear_algebra("matrix_norm", "infinity", {nonzero({2, 3, 4})}, norm_of<MatrixNorm::infinity>, [](From in) {
        Array sizes = in[0];
        for (double& x : sizes.data) x = std::abs(x);
        return reduce(reduce(sizes, {2}, sum_of), {1}, max_of);
      }));
  t.push_back(
      linear_algebra("matrix_norm", "spectral", {matrix({2, 4, 3})}, norm_of<MatrixNorm::spectral>, [](From in) {
        return for_each_matrix(in[0], {}, [&](auto i) { return Values{svd_of(matrix_of(in[0], i)).s[0]}; });
      }));
  t.push_back(linear_algebra("matrix_norm", "nuclear", {matrix({2, 3, 4})}, norm_of<MatrixNorm::nuclear>, [](From in) {
    return for_each_matrix(in[0], {}, [&](auto i) { return Values{sum_of(svd_of(matrix_of(in[0], i)).s)}; });
  }));
}

}  // namespace wengert::test
