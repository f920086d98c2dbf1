#include <cmath>
#include <cstring>
#include <new>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>
#include <wengert/autograd/tensor.h>

#include "autograd/detail/leaf.h"

namespace wengert {
namespace detail {

Ref<Value> Value::create(const Shape& shape, DType dtype) {
  static_assert(sizeof(Value) <= header_bytes && header_bytes % 64 == 0, "elements start 64-byte aligned");
  const std::int64_t numel = shape.numel();
  const std::size_t bytes = header_bytes + static_cast<std::size_t>(numel) * size_of(dtype);
  auto* block = static_cast<std::byte*>(memory::allocate(bytes));
  return Ref<Value>::adopt(new (block) Value{
      .dtype = dtype, .block_bytes = bytes, .data = block + header_bytes, .numel = numel, .owner = {}, .shape = shape});
}

Ref<Value> Value::view(const Ref<Value>& of, const Shape& shape, std::int64_t offset) {
  void* block = memory::allocate(sizeof(Value));
  return Ref<Value>::adopt(new (block) Value{.dtype = of->dtype,
                                             .block_bytes = sizeof(Value),
                                             .data = of->data + static_cast<std::size_t>(offset) * size_of(of->dtype),
                                             .numel = shape.numel(),
                                             .owner = of->owner ? of->owner : of,
                                             .shape = shape});
}

void Value::destroy(Value* value) noexcept {
  const std::size_t bytes = value->block_bytes;
  value->~Value();
  memory::deallocate(value, bytes);
}

/// Checks that nested braces form a box, then copies them out.
struct NestedListReader {
  const NestedList& root;

  Shape shape() const {
    std::vector<std::int64_t> sizes;
    for (const NestedList* level = &root; level->is_list_; level = &level->items_.front()) {
      sizes.push_back(static_cast<std::int64_t>(level->items_.size()));
      if (level->items_.empty()) break;
    }
    return Shape(sizes);
  }

  template <class T>
  T* copy(const NestedList& list, const Shape& shape, int axis, T* out) const {
    check(list.is_list_ == (axis < shape.rank()), "from_data: the nesting is uneven: shape {} by the first elements",
          shape);
    if (!list.is_list_) {
      *out = list.integral_ ? static_cast<T>(list.integer_) : number<T>(list.real_);
      return out + 1;
    }
    check(static_cast<std::int64_t>(list.items_.size()) == shape[axis],
          "from_data: lists along axis {} have {} and {} elements; they must be equally long", axis, shape[axis],
          list.items_.size());
    for (const NestedList& item : list.items_) out = copy(item, shape, axis + 1, out);
    return out;
  }

  template <class T>
  static T number(double value) {
    if constexpr (std::is_integral_v<T>)
      return to_int64("from_data", value);
    else
      return static_cast<T>(value);
  }
};

std::int64_t to_int64(const char* op, double value) {
  check<DTypeError>(value == std::floor(value) && std::abs(value) < 9.2e18,
                    "{}: {} is not an integer that int64 can hold", op, value);
  return static_cast<std::int64_t>(value);
}

}  // namespace detail

namespace {

using detail::Access;

/// A new tensor whose element i is `f(i)`.
template <class F>
Tensor generate(const char* op, const Shape& shape, DType dtype, F f) {
  Tensor result = Access::allocate(shape, dtype);
  dispatch(dtype, [&]<class T>() {
    T* out = Access::mutable_data<T>(result);
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      if constexpr (std::is_integral_v<T>)
        out[i] = detail::to_int64(op, f(i));
      else
        out[i] = static_cast<T>(f(i));
    }
  });
  return result;
}

}  // namespace

double Tensor::item_double() const {
  check(numel() == 1, "item: the tensor must hold one element, its shape is {}", shape());
  return dispatch(dtype(), [&]<class T>() { return static_cast<double>(data<T>()[0]); });
}

std::int64_t Tensor::item_int64() const {
  check(numel() == 1, "item: the tensor must hold one element, its shape is {}", shape());
  if (dtype() == DType::int64) return data<std::int64_t>()[0];
  return detail::to_int64("item", std::trunc(item_double()));
}

Tensor& Tensor::requires_grad(bool on) & {
  if (on == requires_grad()) return *this;
  if (on) {
    check<DTypeError>(is_floating(dtype()), "requires_grad: a tensor of {} has no gradient", dtype());
    node_ = detail::Ref<detail::Node>::adopt(new detail::Leaf(*this));
    slot_ = 0;
  } else {
    check<GraphError>(is_leaf(), "requires_grad: this tensor is the result of '{}'; use detach() to leave the graph",
                      node_->name);
    node_ = {};
  }
  return *this;
}

namespace {

detail::Leaf& leaf_of(const char* caller, const Tensor& tensor) {
  check<GraphError>(tensor.requires_grad(), "{}: the tensor of shape {} does not require a gradient", caller,
                    tensor.shape());
  check<GraphError>(tensor.is_leaf(),
                    "{}: the tensor is the result of '{}'; backward keeps gradients of leaves only, use "
                    "wengert::grad(output, input) for others",
                    caller, tensor.op());
  return static_cast<detail::Leaf&>(*Access::node(tensor));
}

}  // namespace

Tensor Tensor::grad() const { return leaf_of("grad", *this).gradient(); }

void Tensor::zero_grad() const { leaf_of("zero_grad", *this).clear(); }

HookHandle Tensor::attach(detail::Ref<detail::Hook> hook) const {
  check<GraphError>(requires_grad(), "register_hook: the tensor of shape {} does not require a gradient", shape());
  node_->add_hook(hook);
  return HookHandle(std::move(hook));
}

Tensor Tensor::detach() const { return Tensor(value_); }

Tensor zeros(const Shape& shape, DType dtype) {
  Tensor result = Access::allocate(shape, dtype);
  std::memset(Access::mutable_data<std::byte>(result), 0, static_cast<std::size_t>(result.numel()) * size_of(dtype));
  return result;
}

Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }

Tensor full(const Shape& shape, double value, DType dtype) {
  if (dtype == DType::int64) detail::to_int64("full", value);
  return generate("full", shape, dtype, [&](std::int64_t) { return value; });
}

Tensor arange(double begin, double end, double step, DType dtype) {
  check(step != 0 && std::isfinite(begin) && std::isfinite(end) && std::isfinite(step),
        "arange: begin, end and step must be finite and step not 0; got {}, {}, {}", begin, end, step);
  const double count = std::max(0.0, std::ceil((end - begin) / step));
  check(count < 4e18, "arange: {} elements from {} to {} by {} are too many", count, begin, end, step);
  return generate("arange", Shape{static_cast<std::int64_t>(count)}, dtype,
                  [&](std::int64_t i) { return begin + static_cast<double>(i) * step; });
}

Tensor arange(double end, DType dtype) { return arange(0, end, 1, dtype); }

Tensor linspace(double begin, double end, std::int64_t count, DType dtype) {
  check(count >= 0, "linspace: count must be >= 0, got {}", count);
  const double last = static_cast<double>(std::max<std::int64_t>(count - 1, 1));
  return generate("linspace", Shape{count}, dtype, [&](std::int64_t i) {
    const double t = static_cast<double>(i) / last;
    return i + 1 == count && count > 1 ? end : begin + (end - begin) * t;
  });
}

Tensor eye(std::int64_t rows, std::int64_t columns, DType dtype) {
  if (columns < 0) columns = rows;
  return generate("eye", Shape{rows, columns}, dtype,
                  [&](std::int64_t i) { return i / columns == i % columns ? 1.0 : 0.0; });
}

Tensor from_data(const NestedList& data, DType dtype) {
  const detail::NestedListReader reader{data};
  const Shape shape = reader.shape();
  Tensor result = Access::allocate(shape, dtype);
  dispatch(dtype, [&]<class T>() { reader.copy(data, shape, 0, Access::mutable_data<T>(result)); });
  return result;
}

template <Element T>
Tensor from_span(std::span<const T> data, const Shape& shape) {
  check(static_cast<std::int64_t>(data.size()) == shape.numel(), "from_span: {} elements do not fill shape {}",
        data.size(), shape);
  Tensor result = Access::allocate(shape, dtype_of<T>);
  if (!data.empty()) std::memcpy(Access::mutable_data<T>(result), data.data(), data.size_bytes());
  return result;
}

template Tensor from_span<float>(std::span<const float>, const Shape&);
template Tensor from_span<double>(std::span<const double>, const Shape&);
template Tensor from_span<std::int64_t>(std::span<const std::int64_t>, const Shape&);

}  // namespace wengert
