#include "autograd/kernels/conv_fft.h"

#include <algorithm>
#include <complex>
#include <vector>

// g++ 12 sees uninitialised variables in its own AVX-512 intrinsics (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <unsupported/Eigen/FFT>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <wengert/autograd/parallel.h>

#include "autograd/kernels/workspace.h"

// Images wrap around on the grid. The image lies at its origin, position i of the result at i stride - before and tap u
// of the kernel at u dilation, all modulo the grid: the zeros of the padding are those between the image's end and its
// next beginning, for both of its sides.

namespace wengert::kernels {

namespace {

using Complex = std::complex<double>;
using Fft = Eigen::FFT<double>;

/// Rows that are transformed before they are written, transposed: as many as fill a cache line.
constexpr std::int64_t rows_at_a_time = 4;
/// Transforms that a thread takes at a time, each of them with twiddle factors of its own.
constexpr std::int64_t transforms_at_a_time = 32;
/// Elements of spectra multiplied at a time.
constexpr std::int64_t products_at_a_time = 1 << 14;

/// The smallest multiple of `unit` by a product of powers of 2, 3 and 5 that is not below `size`.
std::int64_t smooth_length(std::int64_t size, std::int64_t unit) {
  std::int64_t best = unit;
  while (best < size) best *= 2;
  for (std::int64_t fives = unit; fives < best; fives *= 5) {
    for (std::int64_t threes = fives; threes < best; threes *= 3) {
      std::int64_t length = threes;
      while (length < size) length *= 2;
      best = std::min(best, length);
    }
  }
  return best;
}

std::int64_t least_length(const ConvAxis& axis) {
  const std::int64_t span = (axis.out - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
  const std::int64_t positions = (axis.out - 1) * axis.stride + 1;
  return std::max({axis.size + axis.before, span - axis.before, positions, std::int64_t{2}});
}

/// Where the elements of planes lie on the grid: element i of an axis at i step + offset.
struct Placement {
  std::int64_t size[2];
  std::int64_t step[2];
  std::int64_t offset[2];

  std::int64_t plane() const { return size[0] * size[1]; }
  /// `length` is the grid's.
  std::int64_t place(int axis, std::int64_t i, std::int64_t length) const {
    const std::int64_t place = (i * step[axis] + offset[axis]) % length;
    return place < 0 ? place + length : place;
  }
};

Placement of_image(const ConvSizes& sizes) { return {{sizes.axes[1].size, sizes.axes[2].size}, {1, 1}, {0, 0}}; }
Placement of_kernel(const ConvSizes& sizes) {
  const ConvAxis& down = sizes.axes[1];
  const ConvAxis& across = sizes.axes[2];
  return {{down.kernel, across.kernel}, {down.dilation, across.dilation}, {0, 0}};
}
Placement of_positions(const ConvSizes& sizes) {
  const ConvAxis& down = sizes.axes[1];
  const ConvAxis& across = sizes.axes[2];
  return {{down.out, across.out}, {down.stride, across.stride}, {-down.before, -across.before}};
}

/// Transforms of real planes: the half of the columns that says all, each of them in a row of memory.
class Transform {
 public:
  explicit Transform(const FftGrid& grid) : rows_(grid.rows), columns_(grid.columns), half_(grid.columns / 2 + 1) {}

  std::int64_t elements() const { return half_ * rows_; }

  template <class T>
  void forward(const Placement& placement, const T* plane, Complex* spectrum) const {
    std::fill_n(spectrum, elements(), Complex());
    parallel_for(placement.size[0], transforms_at_a_time, [&](std::int64_t begin, std::int64_t end) {
      Fft fft(Fft::impl_type(), Fft::HalfSpectrum);
      std::vector<double> row(static_cast<std::size_t>(columns_));
      std::vector<Complex> rows(static_cast<std::size_t>(rows_at_a_time * half_));
      for (std::int64_t i = begin; i < end; i += rows_at_a_time) {
        const std::int64_t count = std::min(rows_at_a_time, end - i);
        for (std::int64_t r = 0; r < count; ++r) {
          for (std::int64_t j = 0; j < placement.size[1]; ++j) {
            row[static_cast<std::size_t>(placement.place(1, j, columns_))] =
                static_cast<double>(plane[(i + r) * placement.size[1] + j]);
          }
          fft.fwd(rows.data() + r * half_, row.data(), columns_);
        }
        for (std::int64_t r = 0; r < count; ++r) {
          Complex* to = spectrum + placement.place(0, i + r, rows_);
          for (std::int64_t k = 0; k < half_; ++k) to[k * rows_] = rows[static_cast<std::size_t>(r * half_ + k)];
        }
      }
    });
    of_columns(spectrum, [this](Fft& fft, Complex* to, const Complex* from) { fft.fwd(to, from, rows_); });
  }

  /// The spectrum is overwritten.
  template <class T>
  void backward(Complex* spectrum, const Placement& placement, T initial, T* plane) const {
    of_columns(spectrum, [this](Fft& fft, Complex* to, const Complex* from) { fft.inv(to, from, rows_); });
    parallel_for(placement.size[0], transforms_at_a_time, [&](std::int64_t begin, std::int64_t end) {
      Fft fft(Fft::impl_type(), Fft::HalfSpectrum);
      std::vector<double> row(static_cast<std::size_t>(columns_));
      std::vector<Complex> rows(static_cast<std::size_t>(rows_at_a_time * half_));
      for (std::int64_t i = begin; i < end; i += rows_at_a_time) {
        const std::int64_t count = std::min(rows_at_a_time, end - i);
        for (std::int64_t r = 0; r < count; ++r) {
          const Complex* from = spectrum + placement.place(0, i + r, rows_);
          for (std::int64_t k = 0; k < half_; ++k) rows[static_cast<std::size_t>(r * half_ + k)] = from[k * rows_];
        }
        for (std::int64_t r = 0; r < count; ++r) {
          fft.inv(row.data(), rows.data() + r * half_, columns_);
          for (std::int64_t j = 0; j < placement.size[1]; ++j) {
            plane[(i + r) * placement.size[1] + j] =
                initial + static_cast<T>(row[static_cast<std::size_t>(placement.place(1, j, columns_))]);
          }
        }
      }
    });
  }

 private:
  template <class F>
  void of_columns(Complex* spectrum, F transform) const {
    parallel_for(half_, transforms_at_a_time, [&](std::int64_t begin, std::int64_t end) {
      Fft fft;
      std::vector<Complex> column(static_cast<std::size_t>(rows_));
      for (std::int64_t k = begin; k < end; ++k) {
        transform(fft, column.data(), spectrum + k * rows_);
        std::copy(column.begin(), column.end(), spectrum + k * rows_);
      }
    });
  }

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t half_;
};

/// Planes with two indices, each with its step from one plane to the next.
template <class T>
struct Planes {
  T* data;
  Placement placement;
  std::int64_t outer;
  std::int64_t inner;

  T* plane(std::int64_t i, std::int64_t j) const { return data + (i * outer + j * inner) * placement.plane(); }
};

enum class Conjugate : bool { no, yes };

/// c[i, j] = the sum over s of the products of a[i, s] and b[j, s] or its conjugate, as spectra, and bias[j].
template <class T>
void multiply(const Transform& transform, const Planes<const T>& a, const Planes<const T>& b, Conjugate conjugate,
              const T* bias, const Planes<T>& c, std::int64_t a_count, std::int64_t b_count, std::int64_t sum_count) {
  const std::int64_t elements = transform.elements();
  const Workspace<Complex> left(a_count * sum_count * elements);
  const Workspace<Complex> right(sum_count * elements);
  const Workspace<Complex> product(elements);
  for (std::int64_t i = 0; i < a_count; ++i) {
    for (std::int64_t s = 0; s < sum_count; ++s) {
      transform.forward(a.placement, a.plane(i, s), left.get() + (i * sum_count + s) * elements);
    }
  }
  for (std::int64_t j = 0; j < b_count; ++j) {
    for (std::int64_t s = 0; s < sum_count; ++s) {
      transform.forward(b.placement, b.plane(j, s), right.get() + s * elements);
    }
    for (std::int64_t i = 0; i < a_count; ++i) {
      parallel_for(elements, products_at_a_time, [&](std::int64_t begin, std::int64_t end) {
        std::fill(product.get() + begin, product.get() + end, Complex());
        for (std::int64_t s = 0; s < sum_count; ++s) {
          const Complex* from = left.get() + (i * sum_count + s) * elements;
          const Complex* with = right.get() + s * elements;
          const double sign = conjugate == Conjugate::yes ? -1 : 1;
          for (std::int64_t e = begin; e < end; ++e) {  // without the care that operator* takes of infinities
            const double re = with[e].real();
            const double im = sign * with[e].imag();
            product.get()[e] +=
                Complex(from[e].real() * re - from[e].imag() * im, from[e].real() * im + from[e].imag() * re);
          }
        }
      });
      transform.backward(product.get(), c.placement, bias ? bias[j] : T(0), c.plane(i, j));
    }
  }
}

}  // namespace

FftGrid::FftGrid(const ConvSizes& sizes)
    : rows(smooth_length(least_length(sizes.axes[1]), 1)),
      columns(smooth_length(least_length(sizes.axes[2]), 4)) {}  // real rows are fastest in fours

template <class T>
void correlate_fft(const ConvSizes& sizes, const T* x, const T* kernel, const T* bias, T* y) {
  const Transform transform{FftGrid(sizes)};
  for (std::int64_t group = 0; group < sizes.groups; ++group) {
    const std::int64_t in = group * sizes.group_in();
    const std::int64_t out = group * sizes.group_out();
    multiply<T>(transform, {x + in * sizes.image(), of_image(sizes), sizes.in_channels, 1},
                {kernel + out * sizes.group_in() * sizes.taps(), of_kernel(sizes), sizes.group_in(), 1}, Conjugate::yes,
                bias ? bias + out : nullptr, {y + out * sizes.positions(), of_positions(sizes), sizes.out_channels, 1},
                sizes.images, sizes.group_out(), sizes.group_in());
  }
}

template <class T>
void input_gradient_fft(const ConvSizes& sizes, const T* y, const T* kernel, const T* bias, T* x) {
  const Transform transform{FftGrid(sizes)};
  for (std::int64_t group = 0; group < sizes.groups; ++group) {
    const std::int64_t in = group * sizes.group_in();
    const std::int64_t out = group * sizes.group_out();
    multiply<T>(transform, {y + out * sizes.positions(), of_positions(sizes), sizes.out_channels, 1},
                {kernel + out * sizes.group_in() * sizes.taps(), of_kernel(sizes), 1, sizes.group_in()}, Conjugate::no,
                bias ? bias + in : nullptr, {x + in * sizes.image(), of_image(sizes), sizes.in_channels, 1},
                sizes.images, sizes.group_in(), sizes.group_out());
  }
}

template <class T>
void kernel_gradient_fft(const ConvSizes& sizes, const T* x, const T* y, T* kernel) {
  const Transform transform{FftGrid(sizes)};
  for (std::int64_t group = 0; group < sizes.groups; ++group) {
    const std::int64_t in = group * sizes.group_in();
    const std::int64_t out = group * sizes.group_out();
    multiply<T>(transform, {x + in * sizes.image(), of_image(sizes), 1, sizes.in_channels},
                {y + out * sizes.positions(), of_positions(sizes), 1, sizes.out_channels}, Conjugate::yes, nullptr,
                {kernel + out * sizes.group_in() * sizes.taps(), of_kernel(sizes), 1, sizes.group_in()},
                sizes.group_in(), sizes.group_out(), sizes.images);
  }
}

template void correlate_fft(const ConvSizes&, const float*, const float*, const float*, float*);
template void correlate_fft(const ConvSizes&, const double*, const double*, const double*, double*);
template void input_gradient_fft(const ConvSizes&, const float*, const float*, const float*, float*);
template void input_gradient_fft(const ConvSizes&, const double*, const double*, const double*, double*);
template void kernel_gradient_fft(const ConvSizes&, const float*, const float*, float*);
template void kernel_gradient_fft(const ConvSizes&, const double*, const double*, double*);

}  // namespace wengert::kernels
