#include "autograd/kernels/reduce.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <wengert/autograd/parallel.h>
#include <wengert/autograd/simd.h>

namespace wengert::kernels {

namespace {

using detail::Access;

/// Elements that one task of a parallel loop reads.
constexpr std::int64_t grain = 1 << 16;
/// Columns that are reduced together: their sums stay in the first-level cache while rows stream by, in long runs,
/// which memory is read best in.
template <class T>
constexpr std::int64_t panel = (1 << 14) / static_cast<std::int64_t>(sizeof(T));
/// Columns that are few enough to treat several rows as one.
constexpr std::int64_t narrow = 32;

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      using Unsigned = std::make_unsigned_t<T>;  // wraps around
      return static_cast<T>(static_cast<Unsigned>(a) + static_cast<Unsigned>(b));
    } else {
      return a + b;
    }
  }
};

struct Multiply {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_integral_v<T>) {
      using Unsigned = std::make_unsigned_t<T>;  // wraps around
      return static_cast<T>(static_cast<Unsigned>(a) * static_cast<Unsigned>(b));
    } else {
      return a * b;
    }
  }
};

struct Largest {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_arithmetic_v<T>)
      return a > b || a != a ? a : b;
    else
      return maximum(a, b);
  }
};

struct Smallest {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_arithmetic_v<T>)
      return a < b || a != a ? a : b;
    else
      return minimum(a, b);
  }
};

/// Half of n, rounded up to a multiple of `unit`: where a pairwise reduction splits.
std::int64_t split(std::int64_t n, std::int64_t unit) { return (n / 2 + unit - 1) / unit * unit; }

/// n >= 1 consecutive elements.
template <class Op, class T>
T reduce_run(const T* x, std::int64_t n) {
  using Pack = simd::Pack<T>;
  constexpr std::int64_t size = Pack::size;
  constexpr std::int64_t longest = 4096;
  const Op op;
  if (n > longest) {
    const std::int64_t half = split(n, longest);
    const T left = reduce_run<Op>(x, half);  // first: memory is read fastest upwards
    return op(left, reduce_run<Op>(x + half, n - half));
  }
  std::int64_t i = 0;
  T result;
  if (n >= size) {
    Pack total = Pack::load(x);
    i = size;
    if (n >= 4 * size) {  // four chains hide the latency of an addition
      Pack second = Pack::load(x + size);
      Pack third = Pack::load(x + 2 * size);
      Pack fourth = Pack::load(x + 3 * size);
      for (i = 4 * size; i + 4 * size <= n; i += 4 * size) {
        total = op(total, Pack::load(x + i));
        second = op(second, Pack::load(x + i + size));
        third = op(third, Pack::load(x + i + 2 * size));
        fourth = op(fourth, Pack::load(x + i + 3 * size));
      }
      total = op(op(total, second), op(third, fourth));
    }
    for (; i + size <= n; i += size) total = op(total, Pack::load(x + i));
    result = fold_lanes(total, op);
  } else {
    result = x[i++];
  }
  for (; i < n; ++i) result = op(result, x[i]);
  return result;
}

/// Reduces `count` rows, `stride` apart, to one of `width` columns; into what `out` holds unless it is `fresh`.
template <class Op, int count, bool fresh, class T>
void reduce_few_rows(const T* x, std::int64_t stride, std::int64_t width, T* out) {
  using Pack = simd::Pack<T>;
  const Op op;
  const auto combined = [&](auto load, std::int64_t c) {
    Pack rows = load(x + c);
    if constexpr (count == 2) rows = op(rows, load(x + stride + c));
    if constexpr (count >= 3) {
      Pack others = load(x + 2 * stride + c);
      if constexpr (count == 4) others = op(others, load(x + 3 * stride + c));
      rows = op(op(rows, load(x + stride + c)), others);
    }
    return fresh ? rows : op(load(out + c), rows);
  };
  std::int64_t c = 0;
  for (; c + Pack::size <= width; c += Pack::size) {
    combined([](const T* p) { return Pack::load(p); }, c).store(out + c);
  }
  if (c < width) {
    const std::int64_t rest = width - c;
    combined([rest](const T* p) { return Pack::load_partial(p, rest); }, c).store_partial(out + c, rest);
  }
}

/// `rows` >= 1 rows, `stride` apart, to one of `width` <= panel columns.
template <class Op, class T>
void reduce_columns(const T* x, std::int64_t rows, std::int64_t stride, std::int64_t width, T* out) {
  constexpr std::int64_t longest = 128;
  if (rows > longest) {
    const std::int64_t half = split(rows, longest);
    T other[panel<T>];
    reduce_columns<Op>(x, half, stride, width, out);
    reduce_columns<Op>(x + half * stride, rows - half, stride, width, other);
    reduce_few_rows<Op, 1, false>(other, 0, width, out);
    return;
  }
  const std::int64_t first = (rows - 1) % 4 + 1;
  switch (first) {
    case 1: reduce_few_rows<Op, 1, true>(x, stride, width, out); break;
    case 2: reduce_few_rows<Op, 2, true>(x, stride, width, out); break;
    case 3: reduce_few_rows<Op, 3, true>(x, stride, width, out); break;
    default: reduce_few_rows<Op, 4, true>(x, stride, width, out); break;
  }
  for (std::int64_t row = first; row < rows; row += 4) {
    reduce_few_rows<Op, 4, false>(x + row * stride, stride, width, out);
  }
}

/// Few columns fill no packet. As their rows are contiguous, several of them make one wide row, which is folded at the
/// end.
template <class Op, class T>
void reduce_narrow_columns(const T* x, std::int64_t rows, std::int64_t width, T* out) {
  constexpr std::int64_t widest = 128;
  const std::int64_t wide = rows * width >= 32 * widest ? widest : widest / 2;
  const std::int64_t group = std::min(rows, wide / width);
  const std::int64_t wide_rows = rows / group;
  const std::int64_t whole = wide_rows * group;
  T sums[widest];
  const auto add = [&](const T* more, std::int64_t count) { reduce_few_rows<Op, 1, false>(more, 0, count, sums); };
  reduce_columns<Op>(x, wide_rows, group * width, group * width, sums);
  add(x + whole * width, (rows - whole) * width);
  for (std::int64_t left = group; left > 1;) {
    const std::int64_t half = (left + 1) / 2;
    add(sums + half * width, (left - half) * width);
    left = half;
  }
  std::copy_n(sums, width, out);
}

/// Columns [begin, end) of `rows` rows of `inner` columns.
template <class Op, class T>
void reduce_block(const T* x, std::int64_t rows, std::int64_t inner, std::int64_t begin, std::int64_t end, T* out) {
  if (inner == 1) {
    *out = reduce_run<Op>(x, rows);
  } else if (inner <= narrow) {
    reduce_narrow_columns<Op>(x, rows, inner, out);
  } else {
    for (std::int64_t column = begin; column < end; column += panel<T>) {
      reduce_columns<Op>(x + column, rows, inner, std::min(panel<T>, end - column), out + column);
    }
  }
}

/// y[o, i] from all x[o, r, i]; no size is 0.
template <class Op, class T>
void reduce_middle(const T* x, T* y, std::int64_t outer, std::int64_t rows, std::int64_t inner) {
  const std::int64_t panels = (inner + panel<T> - 1) / panel<T>;
  const std::int64_t chunk = std::max<std::int64_t>(64, grain / inner);
  if (outer * panels < 16 && rows > 2 * chunk) {
    // Too few results to share out: reduce chunks of the rows, then what they gave.
    const std::int64_t chunks = (rows + chunk - 1) / chunk;
    const Tensor partial = Access::allocate({outer, chunks, inner}, dtype_of<T>);
    T* out = Access::mutable_data<T>(partial);
    parallel_for(outer * chunks, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t task = begin; task < end; ++task) {
        const std::int64_t first = task % chunks * chunk;
        reduce_block<Op>(x + (task / chunks * rows + first) * inner, std::min(chunk, rows - first), inner, 0, inner,
                         out + task * inner);
      }
    });
    reduce_middle<Op>(out, y, outer, chunks, inner);
    return;
  }
  const std::int64_t tasks_per_chunk = std::max<std::int64_t>(1, grain / (rows * std::min(inner, panel<T>)));
  parallel_for(outer * panels, tasks_per_chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t o = task / panels;
      const std::int64_t column = task % panels * panel<T>;
      reduce_block<Op>(x + o * rows * inner, rows, inner, column, std::min(inner, column + panel<T>), y + o * inner);
    }
  });
}

/// Reduces the axes one run of neighbours after the other, the innermost run first: it alone reads x.
template <class Op, class T>
void reduce_axes(const Tensor& x, AxisSet axes, const Tensor& y) {
  if (y.numel() == 1) return reduce_middle<Op>(Access::data<T>(x), Access::mutable_data<T>(y), 1, x.numel(), 1);
  const Shape& shape = x.shape();
  const auto reduces = [&](int axis) { return (axes >> axis & 1U) != 0; };
  Tensor current = x;
  std::int64_t inner = 1;
  for (int last = shape.rank() - 1; last >= 0;) {
    int first = last;
    while (first > 0 && reduces(first - 1) == reduces(last)) --first;
    const std::int64_t size = shape.numel(first, last + 1);
    if (!reduces(last)) {
      inner *= size;
    } else if (size > 1) {
      const std::int64_t outer = shape.numel(0, first);
      const Tensor next = outer * inner == y.numel() ? y : Access::allocate({outer, inner}, x.dtype());
      reduce_middle<Op>(Access::data<T>(current), Access::mutable_data<T>(next), outer, size, inner);
      current = next;
    }
    last = first - 1;
  }
  if (Access::data<T>(current) != Access::data<T>(y)) {
    std::memcpy(Access::mutable_data<T>(y), Access::data<T>(current), static_cast<std::size_t>(y.numel()) * sizeof(T));
  }
}

template <class Op, class T>
void index_in_run(const T* x, std::int64_t n, std::int64_t* out) {
  const T extreme = reduce_run<Op>(x, n);
  const bool nan = extreme != extreme;
  *out = std::find_if(x, x + n, [&](T value) { return nan ? value != value : value == extreme; }) - x;
}

template <class Op, class T>
void indices_in_columns(const T* x, std::int64_t rows, std::int64_t inner, std::int64_t* out) {
  for (std::int64_t begin = 0; begin < inner; begin += panel<T>) {
    const std::int64_t width = std::min(panel<T>, inner - begin);
    T extreme[panel<T>];
    std::copy_n(x + begin, width, extreme);
    std::fill_n(out + begin, width, 0);
    for (std::int64_t row = 1; row < rows; ++row) {
      const T* values = x + row * inner + begin;
      for (std::int64_t c = 0; c < width; ++c) {
        const bool better = std::is_same_v<Op, Largest> ? values[c] > extreme[c] : values[c] < extreme[c];
        const bool wins = better || (values[c] != values[c] && extreme[c] == extreme[c]);
        extreme[c] = wins ? values[c] : extreme[c];
        out[begin + c] = wins ? row : out[begin + c];
      }
    }
  }
}

template <class Op, class T>
void indices_of_extremes(const Tensor& x, std::int64_t outer, std::int64_t rows, std::int64_t inner, const Tensor& y) {
  const T* in = Access::data<T>(x);
  std::int64_t* out = Access::mutable_data<std::int64_t>(y);
  const std::int64_t per_chunk = std::max<std::int64_t>(1, grain / std::max<std::int64_t>(1, rows * inner));
  parallel_for(inner == 0 ? 0 : outer, per_chunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      if (inner == 1)
        index_in_run<Op>(in + o * rows, rows, out + o);
      else
        indices_in_columns<Op>(in + o * rows * inner, rows, inner, out + o * inner);
    }
  });
}

}  // namespace

void reduce(Reduction kind, const Tensor& x, AxisSet axes, const Tensor& y) {
  dispatch(x.dtype(), [&]<class T>() {
    if (x.numel() == 0) {
      std::fill_n(Access::mutable_data<T>(y), y.numel(), T(kind == Reduction::product ? 1 : 0));  // of nothing
      return;
    }
    switch (kind) {
      case Reduction::sum: return reduce_axes<Add, T>(x, axes, y);
      case Reduction::product: return reduce_axes<Multiply, T>(x, axes, y);
      case Reduction::max: return reduce_axes<Largest, T>(x, axes, y);
      case Reduction::min: return reduce_axes<Smallest, T>(x, axes, y);
    }
  });
}

void index_of_extreme(Reduction kind, const Tensor& x, std::int64_t outer, std::int64_t rows, std::int64_t inner,
                      const Tensor& y) {
  dispatch(x.dtype(), [&]<class T>() {
    kind == Reduction::max ? indices_of_extremes<Largest, T>(x, outer, rows, inner, y)
                           : indices_of_extremes<Smallest, T>(x, outer, rows, inner, y);
  });
}

}  // namespace wengert::kernels
