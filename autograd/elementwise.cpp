#include <wengert/autograd/elementwise.h>

namespace wengert::detail {

void check_operands(const char* op, std::span<const Tensor* const> operands, Types types) {
  for (std::size_t k = 0; k < operands.size(); ++k) {
    check<Error>(operands[k]->defined(),
                 "{}: input {} is undefined (never given a value, or a gradient not computed yet)", op, k);
    check<DTypeError>(operands[k]->dtype() == operands[0]->dtype(),
                      "{}: input 0 is {} and input {} is {}; convert one with .to(dtype)", op, operands[0]->dtype(), k,
                      operands[k]->dtype());
  }
  check<DTypeError>(types == Types::all || is_floating(operands[0]->dtype()),
                    "{}: the input is int64; convert it with .to(float32) or .to(float64)", op);
}

BroadcastPlan plan_broadcast(const Shape& shape, std::span<const Tensor* const> operands) {
  BroadcastPlan plan;
  const int count = static_cast<int>(operands.size());
  std::int64_t expected[BroadcastPlan::max_operands];  // stride at which an axis continues the one inside it
  bool innermost = true;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    const std::int64_t size = shape[axis];
    if (size == 1) continue;
    std::int64_t strides[BroadcastPlan::max_operands];
    bool continues = true;
    for (int k = 0; k < count; ++k) {
      const Shape& own = operands[static_cast<std::size_t>(k)]->shape();
      const int own_axis = axis - (shape.rank() - own.rank());
      const bool still = own_axis < 0 || own[own_axis] == 1;
      strides[k] = still ? 0 : own.numel(own_axis + 1, own.rank());
      continues = continues && !innermost && strides[k] == expected[k];
    }
    if (innermost) {
      for (int k = 0; k < count; ++k) plan.advances[k] = strides[k] != 0;
      plan.inner = size;
    } else if (continues && plan.outer_axes == 0) {
      plan.inner *= size;
    } else if (continues) {
      plan.outer_sizes[plan.outer_axes - 1] *= size;
    } else {
      std::copy_n(strides, count, plan.outer_strides[plan.outer_axes]);
      plan.outer_sizes[plan.outer_axes++] = size;
    }
    for (int k = 0; k < count; ++k) expected[k] = strides[k] * size;
    innermost = false;
  }
  if (innermost) std::fill_n(plan.advances, count, false);  // one element, or none
  // Collected from the inside out; walked from the outside in.
  std::reverse(plan.outer_sizes, plan.outer_sizes + plan.outer_axes);
  std::reverse(plan.outer_strides, plan.outer_strides + plan.outer_axes);
  for (int axis = 0; axis < plan.outer_axes; ++axis) plan.rows *= plan.outer_sizes[axis];
  return plan;
}

}  // namespace wengert::detail
