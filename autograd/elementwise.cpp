#include <string>

#include <fmt/format.h>

#include <wengert/autograd/elementwise.h>

namespace wengert::detail {

namespace {

std::string name_of_operand(std::size_t k, std::size_t count, std::initializer_list<const char*> names) {
  if (names.size() == count) return names.begin()[k];
  if (count == 1) return "x";
  if (count == 2) return k == 0 ? "a" : "b";
  return fmt::format("input {}", k);
}

}  // namespace

void check_operands(const char* op, std::span<const Tensor* const> operands, Types types,
                    std::initializer_list<const char*> names) {
  const auto name = [&](std::size_t k) { return name_of_operand(k, operands.size(), names); };
  for (std::size_t k = 0; k < operands.size(); ++k) {
    if (!operands[k]->defined()) {
      fail<Error>("{}: {} is undefined (never given a value, or a gradient not computed yet)", op, name(k));
    }
    if (operands[k]->dtype() != operands[0]->dtype()) {
      fail<DTypeError>("{}: {} is {} and {} is {}; convert one with .to(dtype)", op, name(0), operands[0]->dtype(),
                       name(k), operands[k]->dtype());
    }
  }
  if (types == Types::floating && !is_floating(operands[0]->dtype())) {
    fail<DTypeError>("{}: {} is int64; convert it with .to(float32) or .to(float64)", op, name(0));
  }
}

Shape broadcast_operands(const char* op, std::span<const Tensor* const> operands) {
  Shape shape = operands[0]->shape();
  for (const Tensor* operand : operands) {
    if (!broadcastable(shape, operand->shape())) {
      std::string list;
      for (std::size_t k = 0; k < operands.size(); ++k) {
        list += fmt::format("{}{} is {}", k == 0 ? "" : ", ", name_of_operand(k, operands.size(), {}),
                            operands[k]->shape());
      }
      fail<ShapeError>("{}: the shapes do not broadcast: {} (aligned at the last axis, sizes must be equal or 1)", op,
                       list);
    }
    shape = broadcast_shapes(op, shape, operand->shape());
  }
  return shape;
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
  return plan;
}

}  // namespace wengert::detail
