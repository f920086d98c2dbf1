#pragma once

#include <wengert/autograd/elementwise.h>

#include "autograd/kernels/reduce.h"

namespace wengert::detail {

/// What a reduction over some axes of a shape does.
struct ReductionPlan {
  kernels::AxisSet axes = 0;
  Shape kept;              // the reduced axes have size 1
  Shape result;            // they are gone, unless kept
  std::int64_t count = 1;  // elements that make one of the result
};

ReductionPlan plan_reduction(const char* op, const Tensor& x, const Axes& axes, bool keepdims, Types types);

/// The elements of the reduced x as `shape`, unrecorded. Nothing is copied if every result comes from one element.
Tensor reduced(kernels::Reduction kind, const Tensor& x, kernels::AxisSet axes, const Shape& shape);

/// argmax (Reduction::max) or argmin (Reduction::min), under the name of the op that is asked for.
Tensor index_of_extreme(const char* op, kernels::Reduction kind, const Tensor& x, int axis, bool keepdims);

/// x, recorded, as [other axes, reduced axes], each in their order: one group of elements in a row.
Tensor groups_in_rows(const Tensor& x, const ReductionPlan& plan);

/// The inverse of groups_in_rows, for x of `shape`.
Tensor groups_from_rows(const Tensor& rows, const ReductionPlan& plan, const Shape& shape);

}  // namespace wengert::detail
