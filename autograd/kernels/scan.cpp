#include "autograd/kernels/scan.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include <wengert/autograd/parallel.h>
#include <wengert/autograd/simd.h>

namespace wengert::kernels {

namespace {

using detail::Access;

/// Columns whose running values stay in the first-level cache while rows stream by.
constexpr std::int64_t panel = 256;
/// Elements that one task of a parallel loop reads.
constexpr std::int64_t grain = 1 << 15;

/// What running values are kept in: wide enough for long sums, and unsigned where integers wrap around.
template <class T>
using Running = std::conditional_t<std::is_integral_v<T>, std::uint64_t, double>;

/// For every column of every block: `step(running, element, previous element)` along the axis, from `initial` on.
/// Elements are offsets; the first step's previous element is -1.
template <class R, class Step>
void scan(const ScanAxis& axis, R initial, Step step) {
  const std::int64_t panels = (axis.inner + panel - 1) / panel;
  const std::int64_t work = std::max<std::int64_t>(1, axis.rows * std::min(axis.inner, panel));
  parallel_for(axis.outer * panels, std::max<std::int64_t>(1, grain / work), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t column = task % panels * panel;
      const std::int64_t width = std::min(panel, axis.inner - column);
      const std::int64_t start = task / panels * axis.rows * axis.inner + column;
      R running[panel];
      std::fill_n(running, width, initial);
      std::int64_t previous = -1;
      for (std::int64_t k = 0; k < axis.rows; ++k) {
        const std::int64_t row = start + (axis.backwards ? axis.rows - 1 - k : k) * axis.inner;
        for (std::int64_t c = 0; c < width; ++c) {
          running[c] = step(running[c], row + c, previous < 0 ? -1 : previous + c);
        }
        previous = row;
      }
    }
  });
}

/// A product of any size, in or out of a double's range.
class Scaled {
 public:
  explicit Scaled(double value) { multiply_by(value); }

  void multiply_by(double x) noexcept {
    int power = 0;
    fraction_ *= std::isfinite(x) ? std::frexp(x, &power) : x;
    exponent_ += power;
    if (std::abs(fraction_) < 0.5) {
      fraction_ *= 2;
      --exponent_;
    }
  }

  double times(const Scaled& other) const noexcept {
    constexpr std::int64_t out_of_range = 1 << 13;
    const std::int64_t power = std::clamp(exponent_ + other.exponent_, -out_of_range, out_of_range);
    return std::ldexp(fraction_ * other.fraction_, static_cast<int>(power));
  }

 private:
  double fraction_ = 1;
  std::int64_t exponent_ = 0;
};

/// out[i] = g times all x[k] but k = i: what comes before an element times what comes after it, so that zeros,
/// infinities and products out of range do no harm.
template <class T>
void multiply_others(const T* x, std::int64_t n, T g, T* out) {
  std::vector<Scaled> before;
  before.reserve(static_cast<std::size_t>(n));
  Scaled product(1);
  for (std::int64_t i = 0; i < n; ++i) {
    before.push_back(product);
    product.multiply_by(static_cast<double>(x[i]));
  }
  Scaled after(static_cast<double>(g));
  for (std::int64_t i = n - 1; i >= 0; --i) {
    out[i] = static_cast<T>(before[static_cast<std::size_t>(i)].times(after));
    after.multiply_by(static_cast<double>(x[i]));
  }
}

/// Has the range for products of which only the whole is in that of T.
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

template <class T>
Wide<T> wide_product(const T* x, std::int64_t n) {
  constexpr std::int64_t lanes = 8;
  Wide<T> product = 1;
  std::int64_t i = 0;
  if (n >= lanes) {
    Wide<T> products[lanes];
    std::fill_n(products, lanes, Wide<T>(1));
    for (; i + lanes <= n; i += lanes) {
      for (std::int64_t lane = 0; lane < lanes; ++lane) products[lane] *= static_cast<Wide<T>>(x[i + lane]);
    }
    for (const Wide<T> part : products) product *= part;
  }
  for (; i < n; ++i) product *= static_cast<Wide<T>>(x[i]);
  return product;
}

/// out[i] = g y / x[i].
template <class T>
void divide_by_each(const T* x, std::int64_t n, T y, T g, T* out) {
  using Pack = simd::Pack<T>;
  const Pack product = y;
  std::int64_t i = 0;
  for (; i + Pack::size <= n; i += Pack::size) (g * (product / Pack::load(x + i))).store(out + i);
  if (i < n) (g * (product / Pack::load_partial(x + i, n - i))).store_partial(out + i, n - i);
}

}  // namespace

void cumulative_sum(const Tensor& x, const ScanAxis& axis, const Tensor& y) {
  dispatch(x.dtype(), [&]<class T>() {
    const T* in = Access::data<T>(x);
    T* out = Access::mutable_data<T>(y);
    scan(axis, Running<T>(0), [=](Running<T> sum, std::int64_t i, std::int64_t) {
      sum += static_cast<Running<T>>(in[i]);
      out[i] = static_cast<T>(sum);
      return sum;
    });
  });
}

void cumulative_product(const Tensor& x, const ScanAxis& axis, const Tensor& y) {
  dispatch(x.dtype(), [&]<class T>() {
    const T* in = Access::data<T>(x);
    T* out = Access::mutable_data<T>(y);
    scan(axis, Running<T>(1), [=](Running<T> product, std::int64_t i, std::int64_t) {
      product *= static_cast<Running<T>>(in[i]);
      out[i] = static_cast<T>(product);
      return product;
    });
  });
}

void linear_recurrence(const Tensor& a, const Tensor& b, const ScanAxis& axis, const Tensor& y) {
  dispatch_floating(b.dtype(), [&]<class T>() {
    const T* factors = Access::data<T>(a);
    const T* terms = Access::data<T>(b);
    T* out = Access::mutable_data<T>(y);
    scan(axis, 0.0, [=, backwards = axis.backwards](double sum, std::int64_t i, std::int64_t previous) {
      // The first factor of all would multiply a zero, but may be infinite.
      const std::int64_t factor = backwards ? previous : i;
      sum = static_cast<double>(terms[i]) + (previous < 0 ? 0 : static_cast<double>(factors[factor]) * sum);
      out[i] = static_cast<T>(sum);
      return sum;
    });
  });
}

void product_gradient(const Tensor& x, const Tensor& y, const Tensor& g, std::int64_t count, const Tensor& out) {
  dispatch_floating(x.dtype(), [&]<class T>() {
    const T* in = Access::data<T>(x);
    const T* products = Access::data<T>(y);
    const T* upstream = Access::data<T>(g);
    T* to = Access::mutable_data<T>(out);
    // A product may be a normal number though a part of it was not, and lost digits: so it is made once more, in parts
    // of a row that one thread does well.
    const std::int64_t parts = (count - 1) / grain + 1;
    std::vector<Wide<T>> wide(static_cast<std::size_t>(x.numel() / count * parts));
    parallel_for(static_cast<std::int64_t>(wide.size()), std::max<std::int64_t>(1, grain / count),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t part = begin; part < end; ++part) {
                     const std::int64_t first = part % parts * grain;
                     wide[static_cast<std::size_t>(part)] =
                         wide_product(in + part / parts * count + first, std::min(grain, count - first));
                   }
                 });
    const auto product_of = [&](std::int64_t group) {
      Wide<T> product = 1;
      for (std::int64_t part = 0; part < parts; ++part) {
        product *= wide[static_cast<std::size_t>(group * parts + part)];
      }
      return product;
    };
    parallel_for(x.numel(), grain, [&](std::int64_t begin, std::int64_t end) {
      while (begin < end) {
        const std::int64_t group = begin / count;
        const std::int64_t first = group * count;
        const std::int64_t n = std::min(end, first + count) - begin;
        const auto product = static_cast<T>(product_of(group));
        const bool agree = std::abs(product - products[group]) <= std::abs(product) / 64;
        // A quotient out of range times a g of 0 would be NaN.
        if (agree && std::isnormal(product) && upstream[group] != 0) {
          divide_by_each(in + begin, n, product, upstream[group], to + begin);
        } else if (begin == first) {  // all of it: it can't be cut
          multiply_others(in + first, count, upstream[group], to + first);
        }
        begin += n;
      }
    });
  });
}

}  // namespace wengert::kernels
