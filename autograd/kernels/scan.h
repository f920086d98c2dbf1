#pragma once

#include <cstdint>

#include <wengert/autograd/tensor.h>

namespace wengert::kernels {

/// Which axis a scan runs along, in the middle of [outer, rows, inner], and from which end.
struct ScanAxis {
  std::int64_t outer;
  std::int64_t rows;
  std::int64_t inner;
  bool backwards = false;
};

/// y[r] = x[r] + y[r - 1]; backwards y[r] = x[r] + y[r + 1]. Floats are summed in double.
void cumulative_sum(const Tensor& x, const ScanAxis& axis, const Tensor& y);

/// y[r] = x[r] y[r - 1], forwards.
void cumulative_product(const Tensor& x, const ScanAxis& axis, const Tensor& y);

/// y[r] = b[r] + a[r] y[r - 1]; backwards y[r] = b[r] + a[r + 1] y[r + 1]: with the transposed matrix. Of floats.
void linear_recurrence(const Tensor& a, const Tensor& b, const ScanAxis& axis, const Tensor& y);

/// Of each product y of a row of x: [groups, count]: y's gradient g times the product of the row's other elements, as
/// out: [groups, count].
void product_gradient(const Tensor& x, const Tensor& y, const Tensor& g, std::int64_t count, const Tensor& out);

}  // namespace wengert::kernels
