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
  for (int axis = 0; axis < rank - 2; ++axis) {
    sizes.push_back(size_of_axis(a, axis) == 1 ? size_of_axis(b, axis) : size_of_axis(a, axis));
  }
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

/// `front` with axes of these sizes behind.
Shape with_axes(const Shape& front, const std::vector<std::int64_t>& behind) {
  std::vector<std::int64_t> sizes(front.begin(), front.end());
  sizes.insert(sizes.end(), behind.begin(), behind.end());
  return Shape(sizes);
}

Array with_last_axes_swapped(const Array& x) {
  const auto last = static_cast<std::size_t>(x.shape.rank() - 1);
  std::vector<std::int64_t> sizes(x.shape.begin(), x.shape.end());
  std::swap(sizes[last - 1], sizes[last]);
  return make(Shape(sizes), [&](Index i) {
    std::swap(i[last - 1], i[last]);
    return x(i);
  });
}

Array matmul_of(const Array& a, const Array& b, const MatmulOptions& options) {
  const bool row = a.shape.rank() == 1;
  const bool column = b.shape.rank() == 1;
  Array left = row ? reshaped(a, {1, a.shape[0]}) : a;
  Array right = column ? reshaped(b, {b.shape[0], 1}) : b;
  if (!row && options.transpose_a) left = with_last_axes_swapped(left);
  if (!column && options.transpose_b) right = with_last_axes_swapped(right);
  Array y = product(left, right);
  std::vector<std::int64_t> sizes(y.shape.begin(), y.shape.end());
  if (column) sizes.pop_back();
  if (row) sizes.erase(sizes.end() - (column ? 1 : 2));
  return reshaped(y, Shape(sizes));
}

/// Vectors, matrices and batches that broadcast, transposed or not.
void any_matmul(Draw& draw, OpCase& row) {
  const Shape batch = draw.shape(0, 2);
  const std::int64_t depth = draw.integer(0, 5);
  const MatmulOptions options{draw.coin(), draw.coin()};
  const auto side = [&](bool depth_is_last) -> Shape {
    if (draw.coin()) return {depth};
    const std::int64_t other = draw.integer(0, 5);
    const std::vector<std::int64_t> matrix{depth_is_last ? other : depth, depth_is_last ? depth : other};
    return with_axes(draw.broadcasting_to(batch), matrix);
  };
  row.inputs[0].shape = side(!options.transpose_a);
  row.inputs[1].shape = side(options.transpose_b);
  row.f = [=](In in) { return matmul(in[0], in[1], options); };
  row.reference = [=](From in) { return matmul_of(in[0], in[1], options); };
}

/// Any leading axes, with bias or without.
Array linear_of(From in) {
  Array y = matmul_of(in[0], in[1], {.transpose_b = true});
  const auto last = static_cast<std::size_t>(y.shape.rank() - 1);
  if (in.size() > 2) y = make(y.shape, [&](const Index& i) { return y(i) + in[2]({i[last]}); });
  return y;
}

void any_linear(Draw& draw, OpCase& row) {
  const std::int64_t inputs = draw.integer(0, 5);
  const std::int64_t outputs = draw.integer(0, 5);
  row.inputs = {real(with_axes(draw.shape(0, 3, 0), {inputs})), real({outputs, inputs})};
  if (draw.coin()) row.inputs.push_back(real({outputs}));
  row.f = [](In in) { return in.size() > 2 ? linear(in[0], in[1], in[2]) : linear(in[0], in[1]); };
}

}  // namespace

void add_products(Table& t) {
  t.push_back({.name = "matmul",
               .inputs = {real({3, 4}), real({4, 2})},
               .f = [](In in) { return matmul(in[0], in[1]); },
               .reference = [](From in) { return product(in[0], in[1]); },
               .vary = any_matmul,
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
               .reference = linear_of,
               .vary = any_linear,
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

/// Of each matrix of x, [..., m, n]: m and n.
/// @{
std::int64_t rows_of(const Array& x) { return x.shape[x.shape.rank() - 2]; }
std::int64_t columns_of(const Array& x) { return x.shape[x.shape.rank() - 1]; }
/// @}

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

/// `f(A, B)`, a matrix, for each pair of matrices of a and b, whose leading axes broadcast: axes `tail` behind theirs.
template <class F>
Array for_each_pair(const Array& a, const Array& b, const std::vector<std::int64_t>& tail, F f) {
  const auto leading = [](const Array& x) {
    return Shape(std::vector<std::int64_t>(x.shape.begin(), x.shape.end() - 2));
  };
  const Shape joint = broadcast_shapes("reference", leading(a), leading(b));
  const auto matrix_at = [&](const Array& x, Index position) {
    const int rank = x.shape.rank();
    Mat result(x.shape[rank - 2], x.shape[rank - 1]);
    std::size_t next = 0;
    const auto row = static_cast<std::size_t>(joint.rank());
    for (position[row] = 0; position[row] < result.rows; ++position[row]) {
      for (position[row + 1] = 0; position[row + 1] < result.columns; ++position[row + 1]) {
        result.data[next++] = broadcast(x, position, joint.rank() + 2);
      }
    }
    return result;
  };
  Array result{with_axes(joint, tail), {}};
  make(joint, [&](const Index& i) {
    const Mat y = f(matrix_at(a, i), matrix_at(b, i));
    result.data.insert(result.data.end(), y.data.begin(), y.data.end());
    return 0.0;
  });
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

namespace {

/// A sum of products in Einstein's notation. An axis is named by a letter's number, or, below 0, is one of those that
/// "..." stands for: -1 is the last of these.
struct Einsum {
  std::vector<std::vector<int>> operands;
  std::vector<int> output;
  std::vector<std::int64_t> letter_sizes;
  Shape open;  // that the axes of "..." broadcast to
};

int count_of(const Einsum& e, int letter) {
  std::ptrdiff_t count = 0;
  for (const auto& labels : e.operands) count += std::count(labels.begin(), labels.end(), letter);
  return static_cast<int>(count);
}

std::string subscript(const std::vector<int>& labels, bool with_dots) {
  std::string text(with_dots ? "..." : "");
  for (const int label : labels) {
    if (label >= 0) text += static_cast<char>('a' + label);
  }
  return text;
}

/// By going through all values of all labels.
Array einsum_of(const Einsum& e, From in) {
  std::vector<std::int64_t> sizes = e.letter_sizes;
  sizes.insert(sizes.end(), e.open.begin(), e.open.end());
  const Shape all(sizes);
  const auto axis_of = [&](int label) { return static_cast<std::size_t>(label < 0 ? all.rank() + label : label); };
  const auto position = [&](const std::vector<int>& labels, const Shape& shape, const Index& i) {
    Index own{};
    for (std::size_t k = 0; k < labels.size(); ++k) {
      own[k] = shape[static_cast<int>(k)] == 1 ? 0 : i[axis_of(labels[k])];
    }
    return own;
  };
  std::vector<std::int64_t> output_sizes;
  for (const int label : e.output) output_sizes.push_back(sizes[axis_of(label)]);
  Array y = make(Shape(output_sizes), [](const Index&) { return 0.0; });
  make(all, [&](const Index& i) {
    double term = 1;
    for (std::size_t k = 0; k < in.size(); ++k) term *= in[k](position(e.operands[k], in[k].shape, i));
    y.at(position(e.output, y.shape, i)) += term;
    return 0.0;
  });
  return y;
}

/// One to three operands with up to three letters each, repeated ones among them, some with "..."; the output given in
/// any order, or implied.
void any_einsum(Draw& draw, OpCase& row) {
  Einsum e;
  e.open = draw.coin() ? draw.shape(1, 2) : Shape();
  bool has_dots = false;
  std::string subscripts;
  std::vector<std::int64_t> size_of;
  for (int letter = 0; letter < 4; ++letter) size_of.push_back(draw.integer(1, 3));
  row.inputs.clear();
  for (std::int64_t k = draw.integer(1, 3); k > 0; --k) {
    const bool dots = e.open.rank() > 0 && draw.coin();
    const Shape leading = dots ? draw.broadcasting_to(e.open) : Shape();
    std::vector<int> labels;
    for (int axis = -leading.rank(); axis < 0; ++axis) labels.push_back(axis);
    std::vector<std::int64_t> sizes;
    for (std::int64_t axis = draw.integer(0, 3); axis > 0; --axis) {
      labels.push_back(static_cast<int>(draw.integer(0, 3)));
      sizes.push_back(size_of[static_cast<std::size_t>(labels.back())]);
    }
    has_dots = has_dots || dots;
    if (!row.inputs.empty()) subscripts += ',';
    subscripts += subscript(labels, dots);
    row.inputs.push_back(real(with_axes(leading, sizes)));
    e.operands.push_back(labels);
  }
  // Only what occurs is gone through: the other axes have one value.
  for (int letter = 0; letter < 4; ++letter) {
    e.letter_sizes.push_back(count_of(e, letter) > 0 ? size_of[static_cast<std::size_t>(letter)] : 1);
  }
  int open_axes = 0;
  for (const auto& labels : e.operands) {
    for (const int label : labels) open_axes = std::max(open_axes, -label);
  }
  std::vector<std::int64_t> open_sizes(static_cast<std::size_t>(open_axes), 1);
  for (std::size_t k = 0; k < e.operands.size(); ++k) {
    for (std::size_t axis = 0; axis < e.operands[k].size() && e.operands[k][axis] < 0; ++axis) {
      auto& size = open_sizes[static_cast<std::size_t>(open_axes + e.operands[k][axis])];
      size = std::max(size, row.inputs[k].shape[static_cast<int>(axis)]);
    }
  }
  e.open = Shape(open_sizes);

  const bool implied = draw.coin();
  for (int axis = -open_axes; axis < 0; ++axis) e.output.push_back(axis);
  for (int letter = 0; letter < 4; ++letter) {
    const int count = count_of(e, letter);
    if (implied ? count == 1 : count > 0 && draw.coin()) {
      const std::int64_t place = implied ? static_cast<std::int64_t>(e.output.size())
                                         : draw.integer(open_axes, static_cast<std::int64_t>(e.output.size()));
      e.output.insert(e.output.begin() + place, letter);
    }
  }
  if (!implied) subscripts.append("->").append(subscript(e.output, has_dots));
  row.f = [subscripts](In in) { return einsum(subscripts, in); };
  row.reference = [e](From in) { return einsum_of(e, in); };
}

void any_vectors(Draw& draw, OpCase& row) {
  const std::int64_t n = draw.integer(0, 9);
  for (Input& input : row.inputs) input.shape = {n};
}

void any_outer(Draw& draw, OpCase& row) {
  for (Input& input : row.inputs) input.shape = {draw.integer(0, 5)};
}

Array outer_of(From in) {
  return make({in[0].shape[0], in[1].shape[0]}, [&](const Index& i) { return in[0]({i[0]}) * in[1]({i[1]}); });
}

void any_matrices(Draw& draw, OpCase& row) { row.inputs[0].shape = draw.shape(2, 4, 0); }

Array trace_of(From in) {
  return for_each_matrix(in[0], {}, [&](auto k) {
    const Mat m = matrix_of(in[0], k);
    double sum = 0;
    for (std::int64_t i = 0; i < std::min(m.rows, m.columns); ++i) sum += m(i, i);
    return Values{sum};
  });
}

}  // namespace

void add_contractions(Table& t) {
  t.push_back(varied(any_vectors, linear_algebra(
                                      "dot", "", {real({5}), real({5})}, [](In in) { return dot(in[0], in[1]); },
                                      [](From in) {
                                        return number(std::inner_product(in[0].data.begin(), in[0].data.end(),
                                                                         in[1].data.begin(), 0.0));
                                      },
                                      {{3000}, {3000}}, {{0}, {0}})));
  t.push_back(
      varied(any_outer, linear_algebra("outer", "", {real({3}), real({4})}, [](In in) { return outer(in[0], in[1]); },
                                       outer_of, {{300}, {400}}, {{0}, {4}})));
  t.push_back(varied(any_matrices, linear_algebra("trace", "", {real({2, 3, 4})}, [](In in) { return trace(in[0]); },
                                                  trace_of, {{300, 20, 20}}, {{2, 0, 3}})));
  t.push_back(varied(
      any_einsum,
      linear_algebra(
          "einsum", "matrix product", {real({3, 4}), real({4, 2})}, [](In in) { return einsum("ij,jk->ik", in); },
          [](From in) { return product(in[0], in[1]); }, {{200, 300}, {300, 150}}, {{3, 0}, {0, 2}})));
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

namespace {

/// Square matrices with any leading axes.
void any_square(Draw& draw, OpCase& row) {
  const std::int64_t n = draw.integer(0, 4);
  row.inputs[0].shape = with_axes(draw.shape(0, 2), {n, n});
}

/// `f` of each of the square matrices.
template <Mat (*f)(const Mat& a)>
Array of_squares(From in) {
  const std::int64_t n = columns_of(in[0]);
  return for_each_matrix(in[0], {n, n}, [&](auto i) { return f(matrix_of(in[0], i)).data; });
}

Mat inverse_of(const Mat& a) { return solved(a, identity(a.rows)); }

Array det_of(From in) {
  return for_each_matrix(in[0], {}, [&](auto i) { return Values{determinant(matrix_of(in[0], i))}; });
}

Array logdet_of(From in) {
  Array y = det_of(in);
  for (double& d : y.data) d = std::log(d);
  return y;
}

/// Inputs a: [..., m, n] and b, a vector or matrices, with leading axes that broadcast.
void any_system(Draw& draw, OpCase& row, std::int64_t m, std::int64_t n) {
  const Shape batch = draw.shape(0, 2);
  const std::int64_t columns = draw.integer(0, 3);
  row.inputs[0].shape = with_axes(draw.broadcasting_to(batch), {m, n});
  row.inputs[1].shape = draw.coin() ? Shape{m} : with_axes(draw.broadcasting_to(batch), {m, columns});
}

/// `f(A, B)` of each pair of matrices, where b is a vector or matrices.
template <class F>
Array of_systems(From in, F f) {
  const bool vector = in[1].shape.rank() == 1;
  const Array b = vector ? reshaped(in[1], {in[1].shape[0], 1}) : in[1];
  Array x = for_each_pair(in[0], b, {columns_of(in[0]), columns_of(b)}, f);
  if (vector) x.shape = Shape(std::vector<std::int64_t>(x.shape.begin(), x.shape.end() - 1));
  return x;
}

void any_square_system(Draw& draw, OpCase& row) {
  const std::int64_t n = draw.integer(0, 4);
  any_system(draw, row, n, n);
}

Array solutions(From in) { return of_systems(in, solved); }

Array triangular_solutions(From in, const TriangularOptions& options) {
  return of_systems(in, [&](Mat a, const Mat& b) {
    for (std::int64_t i = 0; i < a.rows; ++i) {
      if (options.unit_diagonal) a(i, i) = 1;
      for (std::int64_t j = 0; j < i; ++j) (options.upper ? a(i, j) : a(j, i)) = 0;
    }
    return solved(options.transpose ? transposed(a) : a, b);
  });
}

void any_triangular_solve(Draw& draw, OpCase& row) {
  const TriangularOptions options{draw.coin(), draw.coin(), draw.coin()};
  row.f = [=](In in) { return triangular_solve(in[0], in[1], options); };
  row.reference = [=](From in) { return triangular_solutions(in, options); };
  any_square_system(draw, row);
}

Mat least_squares_of(const Mat& a, const Mat& b) {
  const Mat t = transposed(a);
  return a.rows < a.columns ? times(t, solved(times(a, t), b)) : solved(times(t, a), times(t, b));
}

Array least_squares(From in) { return of_systems(in, least_squares_of); }

void any_lstsq(Draw& draw, OpCase& row) {
  const std::int64_t m = draw.integer(1, 4);
  any_system(draw, row, m, draw.integer(1, 4));
}

}  // namespace

void add_linear_systems(Table& t) {
  t.push_back(
      varied(any_square, linear_algebra("inverse", "", {matrix({2, 3, 3})}, [](In in) { return inverse(in[0]); },
                                        of_squares<inverse_of>, {{300, 6, 6}}, {{0, 3, 3}})));
  t.push_back(varied(any_square_system, linear_algebra("solve", "matrices", {matrix({2, 3, 3}), real({2, 3, 2})},
                                                       [](In in) { return solve(in[0], in[1]); }, solutions,
                                                       {{300, 6, 6}, {300, 6, 3}}, {{2, 3, 3}, {2, 3, 0}})));
  t.push_back(linear_algebra(
      "solve", "one vector", {matrix({2, 3, 3}), real({3})}, [](In in) { return solve(in[0], in[1]); },
      [](From in) {
        const Array column = reshaped(in[1], {3, 1});
        return for_each_matrix(in[0], {3},
                               [&](auto i) { return solved(matrix_of(in[0], i), matrix_of(column, 0)).data; });
      },
      {}, {{0, 0}, {0}}));
  t.push_back(varied(any_triangular_solve, linear_algebra(
                                               "triangular_solve", "lower", {matrix({2, 3, 3}), real({3, 2})},
                                               [](In in) { return triangular_solve(in[0], in[1]); },
                                               [](From in) { return triangular_solutions(in, {}); },
                                               {{300, 6, 6}, {6, 3}}, {{0, 3, 3}, {3, 2}})));
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
  t.push_back(
      varied(any_square, linear_algebra("cholesky", "", {matrix({2, 3, 3})}, [](In in) { return cholesky(in[0]); },
                                        of_squares<cholesky_of>, {{300, 6, 6}}, {{2, 0, 0}})));
  t.push_back(varied(any_square, linear_algebra("det", "", {matrix({2, 3, 3})}, [](In in) { return det(in[0]); },
                                                det_of, {{300, 4, 4}}, {{0, 3, 3}})));
  t.push_back(named_in_errors("-", linear_algebra(
                                       "logdet", "of negative determinants", {matrix({2, 3, 3})},
                                       [](In in) { return logdet(-in[0]); }, logdet_of)));
  t.push_back(varied(any_square, linear_algebra("logdet", "", {matrix({3, 3})}, [](In in) { return logdet(in[0]); },
                                                logdet_of, {{300, 6, 6}}, {{2, 0, 0}})));
  t.push_back(varied(any_lstsq, linear_algebra("lstsq", "more rows", {matrix({2, 4, 3}), real({4, 2})},
                                               [](In in) { return lstsq(in[0], in[1]); }, least_squares,
                                               {{300, 6, 5}, {6, 3}}, {{0, 4, 3}, {4, 2}})));
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

void any_matrix(Draw& draw, OpCase& row) {
  const Shape sizes{draw.integer(1, 4), draw.integer(1, 4)};
  row.inputs[0].shape = with_axes(draw.shape(0, 2), {sizes[0], sizes[1]});
}

/// What each matrix, [m, n], gives: axes of these sizes, where -1 stands for the smaller one of m and n.
template <class F>
Array of_matrices(From in, std::vector<std::int64_t> tail, F f) {
  const std::int64_t smaller = std::min(rows_of(in[0]), columns_of(in[0]));
  std::replace(tail.begin(), tail.end(), std::int64_t{-1}, smaller);
  return for_each_matrix(in[0], tail, [&](auto i) { return f(matrix_of(in[0], i)); });
}

Array q_of(From in) {
  return of_matrices(in, {rows_of(in[0]), -1}, [](const Mat& a) { return qr_of(a).first.data; });
}
Array r_of(From in) {
  return of_matrices(in, {-1, columns_of(in[0])}, [](const Mat& a) { return qr_of(a).second.data; });
}
Array eigenvalues_of(From in) {
  return of_matrices(in, {-1}, [](const Mat& a) { return eigen_of(symmetric_part(a)).first; });
}
Array eigenvectors_of(From in) {
  return of_matrices(in, {-1, -1}, [](const Mat& a) { return eigen_of(symmetric_part(a)).second.data; });
}
Array u_of(From in) {
  return of_matrices(in, {rows_of(in[0]), -1}, [](const Mat& a) { return svd_of(a).u.data; });
}
Array singular_values_of(From in) {
  return of_matrices(in, {-1}, [](const Mat& a) { return svd_of(a).s; });
}
Array vt_of(From in) {
  return of_matrices(in, {-1, columns_of(in[0])}, [](const Mat& a) { return svd_of(a).vt.data; });
}

double matrix_norm_of(const Mat& a, MatrixNorm kind) {
  if (kind == MatrixNorm::frobenius) {
    return std::sqrt(std::inner_product(a.data.begin(), a.data.end(), a.data.begin(), 0.0));
  }
  if (kind == MatrixNorm::spectral) return svd_of(a).s[0];
  if (kind == MatrixNorm::nuclear) return sum_of(svd_of(a).s);
  const Mat lines = kind == MatrixNorm::one ? transposed(a) : a;
  double largest = 0;
  for (std::int64_t i = 0; i < lines.rows; ++i) {
    double sum = 0;
    for (std::int64_t j = 0; j < lines.columns; ++j) sum += std::abs(lines(i, j));
    largest = std::max(largest, sum);
  }
  return largest;
}

void any_matrix_norm(Draw& draw, OpCase& row) {
  const auto kind = draw.one_of(
      {MatrixNorm::frobenius, MatrixNorm::one, MatrixNorm::infinity, MatrixNorm::spectral, MatrixNorm::nuclear});
  const Shape shape = draw.shape(2, 4);
  const bool from_sizes = kind == MatrixNorm::one || kind == MatrixNorm::infinity;
  row.inputs = {from_sizes ? nonzero(shape) : matrix(shape)};
  row.f = [=](In in) { return matrix_norm(in[0], kind); };
  row.reference = [=](From in) {
    return for_each_matrix(in[0], {}, [&](auto i) { return Values{matrix_norm_of(matrix_of(in[0], i), kind)}; });
  };
}

}  // namespace

void add_factorisations(Table& t) {
  t.push_back(varied(any_matrix, linear_algebra("qr", "q", {matrix({2, 4, 3})}, qr_part<&QrResult::q>, q_of,
                                                {{300, 6, 5}}, {{2, 3, 0}})));
  t.push_back(varied(any_matrix, linear_algebra("qr", "r", {matrix({2, 4, 3})}, qr_part<&QrResult::r>, r_of,
                                                {{300, 6, 5}}, {{0, 4, 3}})));
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
  t.push_back(linear_algebra("qr", "more columns", {matrix({2, 2, 4})}, qr_part<&QrResult::r>, r_of, {}, {{2, 0, 4}}));
  t.push_back(varied(any_square, linear_algebra("eigh", "values", {matrix({2, 3, 3})}, eigh_part<&EighResult::w>,
                                                eigenvalues_of, {{300, 5, 5}}, {{0, 3, 3}})));
  t.push_back(varied(any_square, linear_algebra("eigh", "vectors", {matrix({2, 3, 3})}, eigh_part<&EighResult::v>,
                                                eigenvectors_of, {{300, 5, 5}}, {{2, 0, 0}})));
  t.push_back(varied(any_matrix, linear_algebra("svd", "u", {matrix({2, 4, 3})}, svd_part<&SvdResult::u>, u_of,
                                                {{300, 5, 4}}, {{2, 3, 0}})));
  t.push_back(varied(any_matrix, linear_algebra("svd", "s", {matrix({2, 4, 3})}, svd_part<&SvdResult::s>,
                                                singular_values_of, {{300, 5, 4}}, {{0, 4, 3}})));
  t.push_back(varied(any_matrix, linear_algebra("svd", "vt", {matrix({2, 4, 3})}, svd_part<&SvdResult::vt>, vt_of)));
  t.push_back(linear_algebra("svd", "vt, more columns", {matrix({2, 3, 4})}, svd_part<&SvdResult::vt>, vt_of,
                             {{300, 4, 5}}, {{2, 0, 3}}));
  t.push_back(varied(any_matrix_norm,
                     linear_algebra("matrix_norm", "frobenius", {real({2, 3, 4})}, norm_of<MatrixNorm::frobenius>,
                                    [](From in) {
                                      return reduce(in[0], {1, 2}, [](const Values& v) {
                                        return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0));
                                      });
                                    },
                                    {{300, 20, 20}}, {{0, 3, 4}})));
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
