#include "autograd/ops/conv_method.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <wengert/autograd/tape.h>

#include "autograd/kernels/conv_fft.h"

namespace wengert::detail {

namespace {

using kernels::ConvAxis;
using kernels::ConvSizes;

// ---------------------------------------------------------------------------------------------------------------------
// Separable kernels.

/// kernel[o, c, u, v] = column[o, c, u] row[o, c, v].
struct Factors {
  std::vector<double> columns;
  std::vector<double> rows;
};

/// One step of cross approximation, from the row and the column of the largest element: if the taps are of rank one,
/// what is left is rounding. False if it is more.
template <class T>
bool factor(const T* taps, std::int64_t rows, std::int64_t columns, double* column, double* row) {
  const T* largest = std::max_element(taps, taps + rows * columns, [](T a, T b) { return std::abs(a) < std::abs(b); });
  const auto pivot = static_cast<double>(*largest);
  if (!std::isfinite(pivot)) return false;
  const std::int64_t pivot_row = (largest - taps) / columns;
  const std::int64_t pivot_column = (largest - taps) % columns;
  for (std::int64_t u = 0; u < rows; ++u) {
    column[u] = pivot == 0 ? 0 : static_cast<double>(taps[u * columns + pivot_column]) / pivot;
  }
  for (std::int64_t v = 0; v < columns; ++v) row[v] = static_cast<double>(taps[pivot_row * columns + v]);
  // Taps that were products, once rounded, differ by that much; sums over them then do too.
  const double tolerance = 4 * static_cast<double>(std::numeric_limits<T>::epsilon()) * std::abs(pivot);
  for (std::int64_t u = 0; u < rows; ++u) {
    for (std::int64_t v = 0; v < columns; ++v) {
      if (!(std::abs(static_cast<double>(taps[u * columns + v]) - column[u] * row[v]) <= tolerance)) return false;
    }
  }
  return true;
}

/// The factors of all kernels; `at`, if given, gets the index of the first one that has none.
std::optional<Factors> factors_of(const Tensor& kernel, std::int64_t* at = nullptr) {
  const std::int64_t count = kernel.dim(0) * kernel.dim(1);
  const std::int64_t rows = kernel.dim(2);
  const std::int64_t columns = kernel.dim(3);
  Factors factors{std::vector<double>(static_cast<std::size_t>(count * rows)),
                  std::vector<double>(static_cast<std::size_t>(count * columns))};
  bool found = true;
  dispatch_floating(kernel.dtype(), [&]<class T>() {
    for (std::int64_t i = 0; i < count && found; ++i) {
      found = factor(Access::data<T>(kernel) + i * rows * columns, rows, columns, factors.columns.data() + i * rows,
                     factors.rows.data() + i * columns);
      if (!found && at) *at = i;
    }
  });
  return found ? std::optional(std::move(factors)) : std::nullopt;
}

/// A separable correlation as two, each with one channel in for every channel out: columns of the kernel, then rows.
struct Passes {
  /// Of a kernel with factors.
  Passes(const Tensor& kernel, const Correlation& of) {
    const std::optional<Factors> factors = factors_of(kernel);
    check<Error>(factors.has_value(), "{}: method separable needs kernels of rank one", "correlate2d");
    const ConvSizes& sizes = of.sizes;
    const std::int64_t planes = sizes.out_channels * sizes.group_in();
    column = from_vector(factors->columns, {planes, 1, sizes.axes[1].kernel, 1}).to(kernel.dtype());
    row =
        from_vector(factors->rows, {sizes.out_channels, sizes.group_in(), 1, sizes.axes[2].kernel}).to(kernel.dtype());
    const ConvAxis width{.size = sizes.axes[2].size, .out = sizes.axes[2].size};
    const ConvAxis height{.size = sizes.axes[1].out, .out = sizes.axes[1].out};
    // With several channels in a group, each channel out has copies of them for itself.
    const std::int64_t copies = sizes.group_in() == 1 ? sizes.in_channels : planes;
    down = {{sizes.images, copies, planes, copies, {ConvAxis{}, sizes.axes[1], width}}, 2};
    across = {{sizes.images, planes, sizes.out_channels, sizes.out_channels, {ConvAxis{}, height, sizes.axes[2]}}, 2};
  }

  Tensor column;
  Tensor row;
  Correlation down;
  Correlation across;
};

/// Each group's channels once for each of its channels out: [N, groups, 1, C', H, W] -> [N, groups, O', C', H, W].
Tensor spread(const Tensor& x, const ConvSizes& sizes) {
  const std::int64_t rows = x.dim(2);
  const std::int64_t columns = x.dim(3);
  const Tensor groups = reshape(x, {sizes.images, sizes.groups, 1, sizes.group_in(), rows, columns});
  const Tensor copies =
      broadcast_to(groups, {sizes.images, sizes.groups, sizes.group_out(), sizes.group_in(), rows, columns});
  return reshape(copies, {sizes.images, sizes.out_channels * sizes.group_in(), rows, columns});
}

/// The adjoint.
Tensor gather(const Tensor& x, const ConvSizes& sizes) {
  const std::int64_t rows = x.dim(2);
  const std::int64_t columns = x.dim(3);
  const Tensor copies = reshape(x, {sizes.images, sizes.groups, sizes.group_out(), sizes.group_in(), rows, columns});
  return reshape(sum(copies, {2}), {sizes.images, sizes.in_channels, rows, columns});
}

Tensor correlate_separable(const Tensor& x, const Tensor& kernel, const Tensor& bias, const Correlation& of) {
  const Passes passes(kernel, of);
  const Tensor image = of.sizes.group_in() == 1 ? x : spread(x, of.sizes);
  return correlate_value(correlate_value(image, passes.column, {}, passes.down), passes.row, bias, passes.across);
}

Tensor input_gradient_separable(const Tensor& g, const Tensor& kernel, const Tensor& bias, const Correlation& of) {
  const Passes passes(kernel, of);
  const Tensor rows = input_gradient_value(g, passes.row, {}, passes.across);
  if (of.sizes.group_in() == 1) return input_gradient_value(rows, passes.column, bias, passes.down);
  const Tensor x = gather(input_gradient_value(rows, passes.column, {}, passes.down), of.sizes);
  return bias.defined() ? x + reshape(bias, {1, -1, 1, 1}) : x;
}

// ---------------------------------------------------------------------------------------------------------------------
// Fourier transforms.

bool all_finite(const Tensor& x) {
  return dispatch_floating(x.dtype(), [&]<class T>() {
    const T* numbers = Access::data<T>(x);
    return std::all_of(numbers, numbers + x.numel(), [](T number) { return std::isfinite(number); });
  });
}

/// Elements of transforms that are made at most; beyond, they are slower than any kernel.
constexpr double most_elements = 1 << 26;

/// What the transforms of a correlation of images come to.
struct TransformCost {
  explicit TransformCost(const ConvSizes& sizes) {
    const kernels::FftGrid grid(sizes);
    const double plane = static_cast<double>(grid.rows) * static_cast<double>(grid.columns);
    const auto kernels = static_cast<double>(sizes.out_channels * sizes.group_in());
    elements = plane * (static_cast<double>(sizes.images * (sizes.in_channels + sizes.out_channels)) + kernels);
    steps = elements * std::log2(plane);
    products = plane * static_cast<double>(sizes.images) * kernels;
  }

  double elements;
  double steps;  ///< n log2 n
  double products;
};

bool by_fft(const Correlation& of, const Tensor& a, const Tensor& b) {
  return of.method == ConvMethod::fft && TransformCost(of.sizes).elements <= most_elements && all_finite(a) &&
         all_finite(b);
}

// ---------------------------------------------------------------------------------------------------------------------
// The choice. Costs are in multiplications of the direct method in float32, of which there are about 30 in a
// nanosecond with AVX-512. Of images of 512 x 512 the transforms win from kernels of about 35 x 35 on in float32, and
// of 25 x 25 in float64; kernels that separate do from about 9 x 9.

/// Smaller kernels are always direct.
constexpr std::int64_t least_taps_of_fft = 15 * 15;
constexpr std::int64_t least_taps_of_separable = 9 * 9;
/// Of a step and of a product of transforms, and of an element that a pass reads and writes.
constexpr double step_cost = 20;
constexpr double product_cost = 30;
constexpr double pass_cost = 20;

double count(std::int64_t n) { return static_cast<double>(n); }

double direct_cost(DType dtype, const ConvSizes& sizes) {
  return (dtype == float64 ? 2 : 1) * count(sizes.images * sizes.out_channels) * count(sizes.group_in()) *
         count(sizes.positions()) * count(sizes.taps());
}

double separable_cost(DType dtype, const ConvSizes& sizes) {
  const ConvAxis& down = sizes.axes[1];
  const ConvAxis& across = sizes.axes[2];
  const double planes = count(sizes.images * sizes.out_channels) * count(sizes.group_in());
  const double first = count(down.out) * count(across.size) * (count(down.kernel) + pass_cost);
  const double second = count(sizes.positions()) * (count(across.kernel) + pass_cost);
  const double copies = sizes.group_in() == 1 ? 0 : count(sizes.image()) * pass_cost;
  return (dtype == float64 ? 2 : 1) * planes * (first + second + copies);
}

ConvMethod direct_or_fft(DType dtype, const ConvSizes& sizes) {
  if (sizes.taps() < least_taps_of_fft || sizes.images == 0) return ConvMethod::direct;
  const TransformCost cost(sizes);
  if (cost.elements > most_elements) return ConvMethod::direct;
  const double fft = step_cost * cost.steps + product_cost * cost.products;
  return fft < direct_cost(dtype, sizes) ? ConvMethod::fft : ConvMethod::direct;
}

}  // namespace

ConvMethod choose_method(const char* op, ConvMethod asked, const Tensor& kernel, const ConvSizes& sizes) {
  if (kernel.numel() == 0) return ConvMethod::direct;
  if (asked == ConvMethod::separable) {
    std::int64_t at = 0;
    const bool found = factors_of(kernel, &at).has_value();
    check<Error>(found,
                 "{}: method separable needs kernels of rank one, that of channel {} in for channel {} out is not", op,
                 at % kernel.dim(1), at / kernel.dim(1));
  }
  if (asked != ConvMethod::automatic) return asked;
  if (sizes.taps() >= least_taps_of_separable &&
      2 * separable_cost(kernel.dtype(), sizes) < direct_cost(kernel.dtype(), sizes) && factors_of(kernel)) {
    return ConvMethod::separable;
  }
  return direct_or_fft(kernel.dtype(), sizes);
}

ConvMethod method_of_kernel_gradient(ConvMethod method, DType dtype, const ConvSizes& sizes) {
  return method == ConvMethod::separable ? direct_or_fft(dtype, sizes) : method;
}

Tensor correlate_value(const Tensor& x, const Tensor& kernel, const Tensor& bias, const Correlation& of) {
  Tensor y = Access::allocate(of.y_shape(), x.dtype());
  if (y.numel() == 0) return y;
  if (of.method == ConvMethod::separable) return no_grad([&] { return correlate_separable(x, kernel, bias, of); });
  const auto run = by_fft(of, x, kernel);
  dispatch_floating(x.dtype(), [&]<class T>() {
    const T* shift = bias.defined() ? Access::data<T>(bias) : nullptr;
    (run ? kernels::correlate_fft<T> : kernels::correlate<T>)(of.sizes, Access::data<T>(x), Access::data<T>(kernel),
                                                              shift, Access::mutable_data<T>(y));
  });
  return y;
}

Tensor input_gradient_value(const Tensor& g, const Tensor& kernel, const Tensor& bias, const Correlation& of) {
  if (g.numel() == 0) {
    const Tensor x = zeros(of.x_shape(), g.dtype());
    if (!bias.defined()) return x;
    std::vector<std::int64_t> channels(static_cast<std::size_t>(2 + of.axes), 1);
    channels[1] = bias.dim(0);
    return no_grad([&] { return x + reshape(bias, Shape(channels)); });
  }
  if (of.method == ConvMethod::separable) return no_grad([&] { return input_gradient_separable(g, kernel, bias, of); });
  Tensor x = Access::allocate(of.x_shape(), g.dtype());
  const auto run = by_fft(of, g, kernel);
  dispatch_floating(g.dtype(), [&]<class T>() {
    const T* shift = bias.defined() ? Access::data<T>(bias) : nullptr;
    (run ? kernels::input_gradient_fft<T> : kernels::correlate_input_gradient<T>)(of.sizes, Access::data<T>(g),
                                                                                  Access::data<T>(kernel), shift,
                                                                                  Access::mutable_data<T>(x));
  });
  return x;
}

Tensor kernel_gradient_value(const Tensor& x, const Tensor& g, const Correlation& of) {
  if (g.numel() == 0) return zeros(of.kernel_shape(), g.dtype());
  Tensor kernel = Access::allocate(of.kernel_shape(), g.dtype());
  const auto run = by_fft(of, x, g);
  dispatch_floating(g.dtype(), [&]<class T>() {
    (run ? kernels::kernel_gradient_fft<T> : kernels::correlate_kernel_gradient<T>)(of.sizes, Access::data<T>(x),
                                                                                    Access::data<T>(g),
                                                                                    Access::mutable_data<T>(kernel));
  });
  return kernel;
}

}  // namespace wengert::detail
