#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <wengert/autograd/elementwise.h>

#include "autograd/kernels/softmax.h"
#include "autograd/ops/product.h"

namespace wengert {

namespace {

using detail::Access;
using simd::Pack;

constexpr const char* op = "scaled_dot_product_attention";

// ---------------------------------------------------------------------------------------------------------------------
// Softmax of rows of which parts do not count.

/// The rows of a tensor that broadcasts to `shape`, for each row of that; there are none of an undefined one.
class BroadcastRows {
 public:
  BroadcastRows(const Tensor& tensor, const Shape& shape) : tensor_(tensor), shape_(shape) {
    if (!tensor.defined()) return;
    const Shape& own = tensor.shape();
    const int missing = shape.rank() - own.rank();
    for (int axis = 0; axis < own.rank(); ++axis) {
      if (own[axis] != 1) strides_[axis + missing] = own.numel(axis + 1, own.rank());
    }
  }

  template <class T>
  struct Row {
    const T* data;  // nullptr: there is none
    bool advances;

    template <class L>
    WENGERT_SIMD_INLINE Pack<T> at(L lanes, std::int64_t i) const {
      return advances ? lanes.load(data + i, 0) : Pack<T>(*data);
    }
  };

  template <class T>
  Row<T> row(std::int64_t index) const {
    if (!tensor_.defined()) return {nullptr, false};
    std::int64_t offset = 0;
    for (int axis = shape_.rank() - 2; axis >= 0; --axis) {
      offset += index % shape_[axis] * strides_[axis];
      index /= shape_[axis];
    }
    return {Access::data<T>(tensor_) + offset, strides_[shape_.rank() - 1] != 0};
  }

 private:
  const Tensor& tensor_;
  const Shape& shape_;
  std::int64_t strides_[Shape::max_rank] = {};
};

/// Softmax of x scale + bias where mask is not 0; all 0 if there is no such place, or -infinity in all of them.
template <class T>
void masked_softmax_row(const T* x, T scale, const BroadcastRows::Row<T>& mask, const BroadcastRows::Row<T>& bias,
                        std::int64_t n, T* out) {
  constexpr T none = -std::numeric_limits<T>::infinity();
  kernels::for_each_pack<T>(n, [&](auto lanes, std::int64_t i) {
    Pack<T> score = lanes.load(x + i, 0) * scale;
    if (bias.data) score += bias.at(lanes, i);
    if (mask.data) score = where(mask.at(lanes, i) != 0, score, none);
    lanes.store(score, out + i);
  });
  const T largest = kernels::row_max(out, n);
  if (largest == none) return void(std::fill_n(out, n, T(0)));
  const T normalizer = 1 / kernels::row_exp(out, n, largest, out);
  kernels::for_each_pack<T>(
      n, [&](auto lanes, std::int64_t i) { lanes.store(lanes.load(out + i, 0) * normalizer, out + i); });
}

/// f(row, columns that count, start of the row) for every row of the last axis of `shape`; of the columns behind, zeros
/// in `out`. Causally, row i of a matrix has i + 1 columns that count.
template <class T, class F>
void for_each_row(const Shape& shape, bool causal, T* out, F f) {
  const std::int64_t columns = shape[shape.rank() - 1];
  const std::int64_t rows_of_matrix = shape[shape.rank() - 2];
  const std::int64_t grain = std::max<std::int64_t>(1, detail::elementwise_grain / std::max<std::int64_t>(1, columns));
  parallel_for(shape.numel(0, shape.rank() - 1), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t count = causal ? std::min(columns, row % rows_of_matrix + 1) : columns;
      f(row, count, row * columns);
      if (count < columns) std::fill(out + row * columns + count, out + (row + 1) * columns, T(0));
    }
  });
}

struct MaskedSoftmaxOptions {
  double scale;
  bool causal;
};

/// With respect to what is multiplied by `scale`. No gradient reaches what does not count, where y is 0.
Tensor masked_softmax_gradient(const Tensor& g, const Tensor& y, const MaskedSoftmaxOptions& options) {
  if (grad_enabled() && (g.requires_grad() || y.requires_grad())) {
    return y * (g - sum(g * y, {-1}, true)) * options.scale;
  }
  Tensor result = Access::allocate(y.shape(), y.dtype());
  dispatch_floating(y.dtype(), [&]<class T>() {
    T* out = Access::mutable_data<T>(result);
    for_each_row(y.shape(), options.causal, out, [&](std::int64_t, std::int64_t count, std::int64_t start) {
      kernels::row_softmax_gradient(Access::data<T>(g) + start, Access::data<T>(y) + start, count,
                                    static_cast<T>(options.scale), out + start);
    });
  });
  return result;
}

/// Softmax of scores scale + bias along the last axis, in one pass. mask, of the scores' dtype, and bias broadcast to
/// scores, or are undefined.
Tensor masked_softmax(const Tensor& scores, const Tensor& mask, const Tensor& bias,
                      const MaskedSoftmaxOptions& options) {
  Tensor y = Access::allocate(scores.shape(), scores.dtype());
  const BroadcastRows masks(mask, scores.shape());
  const BroadcastRows biases(bias, scores.shape());
  dispatch_floating(scores.dtype(), [&]<class T>() {
    T* out = Access::mutable_data<T>(y);
    for_each_row(y.shape(), options.causal, out, [&](std::int64_t row, std::int64_t count, std::int64_t start) {
      masked_softmax_row(Access::data<T>(scores) + start, static_cast<T>(options.scale), masks.row<T>(row),
                         biases.row<T>(row), count, out + start);
    });
  });
  return record(
      "masked_softmax", std::move(y),
      wrt(scores, [options](const Tensor& g, const Tensor& p) { return masked_softmax_gradient(g, p, options); }),
      wrt(bias, [causal = options.causal](const Tensor& g, const Tensor& p) {
        return masked_softmax_gradient(g, p, {1, causal});
      }));
}

// ---------------------------------------------------------------------------------------------------------------------

void check_products(const Tensor& query, const Tensor& key, const Tensor& value) {
  detail::check_operands(op, std::array{&query, &key, &value}, Types::floating, {"query", "key", "value"});
  check(query.rank() >= 2 && key.rank() >= 2 && value.rank() >= 2,
        "{}: query, key and value must be [..., L, E], [..., S, E] and [..., S, V], got {}, {} and {}", op,
        query.shape(), key.shape(), value.shape());
  check(query.dim(-1) == key.dim(-1), "{}: query and key must have the same last size E; query is {}, key is {}", op,
        query.shape(), key.shape());
  check(key.dim(-2) == value.dim(-2), "{}: key and value must have the same number S of rows; key is {}, value is {}",
        op, key.shape(), value.shape());
}

/// The shape [..., L, S] that masks and biases broadcast to.
Shape shape_of_scores(const Tensor& query, const Tensor& key, const Tensor& value) {
  constexpr const char* where = "scaled_dot_product_attention (leading axes)";
  const Shape leading =
      broadcast_shapes(where, broadcast_shapes(where, detail::leading_axes(query), detail::leading_axes(key)),
                       detail::leading_axes(value));
  return leading.inserted(leading.rank(), query.dim(-2)).inserted(leading.rank() + 1, key.dim(-2));
}

void check_options(const Tensor& query, const AttentionOptions& options, const Shape& scores) {
  const auto check_shape = [&](const char* name, const Tensor& tensor) {
    check(!tensor.defined() || broadcasts_to(tensor.shape(), scores),
          "{}: {} must broadcast to [..., L, S] = {}, got {}", op, name, scores,
          tensor.defined() ? tensor.shape() : Shape());
  };
  check_shape("mask", options.mask);
  check_shape("bias", options.bias);
  if (options.bias.defined()) {
    detail::check_operands(op, std::array{&query, &options.bias}, Types::floating, {"query", "bias"});
  }
  check<Error>(options.dropout >= 0 && options.dropout < 1, "{}: dropout must be in [0, 1), got {}", op,
               options.dropout);
}

/// The shape of the weights: that of query key^T, unless a mask or a bias tells matrices apart that only value has.
Shape shape_of_weights(const Tensor& products, const AttentionOptions& options) {
  Shape shape = products.shape();
  for (const Tensor* tensor : {&options.mask, &options.bias}) {
    if (tensor->defined()) shape = broadcast_shapes(op, shape, tensor->shape());
  }
  return shape;
}

/// 1 and 0 in `dtype`, to which a number other than 0 might round.
Tensor as_mask(const Tensor& mask, DType dtype) {
  if (!mask.defined() || mask.dtype() == dtype) return mask;
  return (mask.detach() != 0).to(dtype);
}

}  // namespace

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const AttentionOptions& options, Generator& generator) {
  check_products(query, key, value);
  check_options(query, options, shape_of_scores(query, key, value));
  const double features = static_cast<double>(std::max<std::int64_t>(1, query.dim(-1)));
  const double scale = options.scale.value_or(1 / std::sqrt(features));
  Tensor products = matmul(query, key, {.transpose_b = true});
  products = broadcast_to(products, shape_of_weights(products, options));
  const Tensor mask = as_mask(options.mask, query.dtype());
  const Tensor weights = masked_softmax(products, mask, options.bias, {scale, options.causal});
  return matmul(dropout(weights, options.dropout, true, generator), value);
}

}  // namespace wengert
