#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <wengert/autograd/simd.h>
#include <wengert/autograd/simd_math.h>

#include "autograd/kernels/softmax.h"
#include "autograd/kernels/transpose.h"

/// \file
/// Cross entropy of consecutive rows of logits, with a label for each row or with a row of probabilities. The caller
/// splits the rows among threads.

namespace wengert::kernels {

namespace detail {

// ---------------------------------------------------------------------------------------------------------------------
// Long rows, one after the other.

/// -(sum over the row of t log softmax(x)); a class with t = 0 counts nothing, even where its logit is -infinity.
template <class T>
double row_loss(const T* x, const T* t, std::int64_t columns) {
  const T largest = row_max(x, columns);
  const T log_sum = std::log(row_sum_of_exp(x, columns, largest));
  Pack<T> sum = 0;
  for_each_pack<T>(columns, [&](auto lanes, std::int64_t i) {
    const auto weight = lanes.load(t + i, 0);
    sum += where(weight == 0, 0, weight * (log_sum - (lanes.load(x + i, 0) - largest)));
  });
  return static_cast<double>(sum_of_lanes(sum));
}

template <class T>
double row_loss(const T* x, const std::int64_t* label, std::int64_t columns) {
  const T largest = row_max(x, columns);
  const T log_sum = std::log(row_sum_of_exp(x, columns, largest));
  return static_cast<double>(log_sum) + static_cast<double>(largest - x[*label]);
}

/// scale * (softmax(x) * sum(t) - t)
template <class T>
void row_gradient(const T* x, const T* t, std::int64_t columns, T scale, T* out) {
  Pack<T> weights = 0;
  for_each_pack<T>(columns, [&](auto lanes, std::int64_t i) { weights += lanes.load(t + i, 0); });
  const T sum = row_exp(x, columns, row_max(x, columns), out);
  const T factor = scale * sum_of_lanes(weights) / sum;
  for_each_pack<T>(columns, [&](auto lanes, std::int64_t i) {
    lanes.store(lanes.load(out + i, 0) * factor - lanes.load(t + i, 0) * scale, out + i);
  });
}

template <class T>
void row_gradient(const T* x, const std::int64_t* label, std::int64_t columns, T scale, T* out) {
  const T factor = scale / row_exp(x, columns, row_max(x, columns), out);
  for_each_pack<T>(columns, [&](auto lanes, std::int64_t i) { lanes.store(lanes.load(out + i, 0) * factor, out + i); });
  out[*label] -= scale;
}

// ---------------------------------------------------------------------------------------------------------------------
// Rows that are shorter than a packet, a row in each lane.

/// As many rows as lanes, column by column.
template <class T>
struct ShortRows {
  typename Pack<T>::Vector columns[Pack<T>::size];

  [[gnu::always_inline]] Pack<T> operator[](std::int64_t column) const { return Pack<T>(columns[column]); }
};

/// Calls `f.operator()<columns>()` for columns so few that rows of them are taken as they lie, several in a packet.
template <class F>
[[gnu::always_inline]] inline bool with_few_columns(std::int64_t columns, F f) {
  switch (columns) {
    case 2: f.template operator()<2>(); return true;
    case 3: f.template operator()<3>(); return true;
    case 4: f.template operator()<4>(); return true;
    default: return false;
  }
}

template <template <int, int> class Place, int columns, class T>
[[gnu::always_inline]] inline void rearrange_rows(const typename Pack<T>::Vector* from, typename Pack<T>::Vector* to) {
  constexpr int size = static_cast<int>(Pack<T>::size);
  rearrange<Place<columns, size>>(from, to, std::make_index_sequence<columns>(), std::make_index_sequence<size>());
}

/// `rows` rows of `x`: [rows, columns], and numbers of any kind in the lanes behind them.
template <class T>
[[gnu::always_inline]] inline ShortRows<T> load_rows(const T* x, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t size = Pack<T>::size;
  ShortRows<T> block;
  const bool are_few = with_few_columns(
      columns, [&]<int count>() __attribute__((always_inline)) {
        T padded[count * size] = {};
        if (rows < size) {
          std::copy_n(x, rows * count, padded);
          x = padded;
        }
        typename Pack<T>::Vector numbers[count];
        for (int i = 0; i < count; ++i) numbers[i] = Pack<T>::load(x + i * size).vector();
        rearrange_rows<InRows, count, T>(numbers, block.columns);
      });
  if (are_few) return block;
  for (std::int64_t row = 0; row < Pack<T>::size; ++row) {
    block.columns[row] = Pack<T>::load_partial(x + std::min(row, rows - 1) * columns, columns).vector();
  }
  transpose_lanes<T>(block.columns);
  return block;
}

template <class T>
[[gnu::always_inline]] inline void store_rows(ShortRows<T>& block, std::int64_t rows, std::int64_t columns, T* out) {
  constexpr std::int64_t size = Pack<T>::size;
  const bool are_few = with_few_columns(
      columns, [&]<int count>() __attribute__((always_inline)) {
        T padded[count * size];
        typename Pack<T>::Vector numbers[count];
        rearrange_rows<InColumns, count, T>(block.columns, numbers);
        T* const to = rows < size ? padded : out;
        for (int i = 0; i < count; ++i) Pack<T>(numbers[i]).store(to + i * size);
        if (rows < size) std::copy_n(padded, rows * count, out);
      });
  if (are_few) return;
  transpose_lanes<T>(block.columns);
  for (std::int64_t row = 0; row < rows; ++row) block[row].store_partial(out + row * columns, columns);
}

/// What each class counts in each row.
template <class T>
[[gnu::always_inline]] inline ShortRows<T> load_weights(const T* t, std::int64_t rows, std::int64_t columns) {
  return load_rows(t, rows, columns);
}
template <class T>
[[gnu::always_inline]] inline ShortRows<T> load_weights(const std::int64_t* labels, std::int64_t rows,
                                                        std::int64_t columns) {
  T numbers[Pack<T>::size] = {};
  for (std::int64_t row = 0; row < rows; ++row) numbers[row] = static_cast<T>(labels[row]);
  ShortRows<T> weights;
  for (std::int64_t c = 0; c < columns; ++c) {
    weights.columns[c] = as_number(Pack<T>::load(numbers) == static_cast<T>(c)).vector();
  }
  return weights;
}

template <class T>
[[gnu::always_inline]] inline Pack<T> largest_of(const ShortRows<T>& x, std::int64_t columns) {
  Pack<T> largest = x[0];
  for (std::int64_t c = 1; c < columns; ++c) largest = maximum(largest, x[c]);
  return largest;
}

/// The losses of the rows, in any order.
template <class T, class Target>
Pack<T> losses_of_rows(const T* logits, const Target* target, std::int64_t rows, std::int64_t columns) {
  const ShortRows<T> x = load_rows(logits, rows, columns);
  const ShortRows<T> weights = load_weights<T>(target, rows, columns);
  const Pack<T> largest = largest_of(x, columns);
  Pack<T> sum = 0;
  for (std::int64_t c = 0; c < columns; ++c) sum += exp(x[c] - largest);
  const Pack<T> log_sum = log(sum);
  Pack<T> loss = 0;
  for (std::int64_t c = 0; c < columns; ++c) {
    loss += where(weights[c] == 0, 0, weights[c] * (log_sum - (x[c] - largest)));
  }
  return PartialPack<T>{rows}.keep(loss, 0);
}

template <class T, class Target>
void gradients_of_rows(const T* logits, const Target* target, std::int64_t rows, std::int64_t columns, T scale,
                       T* out) {
  ShortRows<T> x = load_rows(logits, rows, columns);
  const ShortRows<T> weights = load_weights<T>(target, rows, columns);
  const Pack<T> largest = largest_of(x, columns);
  Pack<T> sum = 0;
  Pack<T> weight = 0;
  for (std::int64_t c = 0; c < columns; ++c) {
    const Pack<T> power = exp(x[c] - largest);
    x.columns[c] = power.vector();
    sum += power;
    weight += weights[c];
  }
  const Pack<T> factor = scale * weight / sum;
  for (std::int64_t c = 0; c < columns; ++c) x.columns[c] = (x[c] * factor - weights[c] * scale).vector();
  store_rows(x, rows, columns, out);
}

/// Where a row of its own for each lane is faster: a transposition costs as much as a few rows.
template <class T>
bool are_short(std::int64_t rows, std::int64_t columns) {
  return columns <= simd::Pack<T>::size && 4 * rows >= simd::Pack<T>::size;
}

/// Labels, one for each row, or probabilities, a row of them.
inline std::int64_t target_width(const std::int64_t*, std::int64_t) { return 1; }
template <class T>
std::int64_t target_width(const T*, std::int64_t columns) {
  return columns;
}

}  // namespace detail

/// The sum of the losses of the rows of x: [rows, columns]. target: labels, or probabilities of x's shape; a class with
/// probability 0 counts nothing, even where its logit is -infinity.
template <class T, class Target>
double cross_entropy_sum(const T* x, const Target* target, std::int64_t rows, std::int64_t columns) {
  const std::int64_t width = detail::target_width(target, columns);
  double sum = 0;
  if (!detail::are_short<T>(rows, columns)) {
    for (std::int64_t row = 0; row < rows; ++row) {
      sum += detail::row_loss(x + row * columns, target + row * width, columns);
    }
    return sum;
  }
  // Short stretches in the logits' type, their sums in double.
  constexpr std::int64_t size = simd::Pack<T>::size;
  constexpr std::int64_t stretch = 16 * size;
  for (std::int64_t start = 0; start < rows; start += stretch) {
    simd::Pack<T> part = 0;
    for (std::int64_t row = start; row < std::min(rows, start + stretch); row += size) {
      part += detail::losses_of_rows(x + row * columns, target + row * width, std::min(size, rows - row), columns);
    }
    sum += static_cast<double>(sum_of_lanes(part));
  }
  return sum;
}

/// out: [rows, columns] = scale * (softmax(x) * sum(t) - t) for every row x of logits and t of probabilities; a label
/// stands for a probability of 1.
template <class T, class Target>
void cross_entropy_gradient(const T* x, const Target* target, std::int64_t rows, std::int64_t columns, T scale,
                            T* out) {
  constexpr std::int64_t size = simd::Pack<T>::size;
  const std::int64_t width = detail::target_width(target, columns);
  if (detail::are_short<T>(rows, columns)) {
    for (std::int64_t row = 0; row < rows; row += size) {
      detail::gradients_of_rows(x + row * columns, target + row * width, std::min(size, rows - row), columns, scale,
                                out + row * columns);
    }
  } else {
    for (std::int64_t row = 0; row < rows; ++row) {
      detail::row_gradient(x + row * columns, target + row * width, columns, scale, out + row * columns);
    }
  }
}

}  // namespace wengert::kernels
