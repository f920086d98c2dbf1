#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <wengert/autograd/dtype.h>
#include <wengert/autograd/error.h>
#include <wengert/autograd/hook.h>
#include <wengert/autograd/memory.h>
#include <wengert/autograd/node.h>
#include <wengert/autograd/shape.h>

namespace wengert {

namespace detail {

/// The numbers behind a tensor: a header and, in the same allocation, the elements. A view has a header of its own and
/// points into its owner's elements. Nothing changes once a second handle can see it.
struct Value {
  std::atomic<std::int32_t> references{1};
  DType dtype;
  std::size_t block_bytes;  // of this allocation
  std::byte* data;
  std::int64_t numel;
  Ref<Value> owner;  // of `data` if this is a view
  Shape shape;
  /// The op without a gradient that these numbers were computed through, though gradients reached that far: so that
  /// `backward` on a constant can say why it is one.
  std::atomic<const char*> stopped_by = nullptr;

  static constexpr std::size_t header_bytes = 128;

  /// Uninitialised elements.
  static Ref<Value> create(const Shape& shape, DType dtype);
  /// `numel(shape)` elements of `of`, from element `offset`.
  static Ref<Value> view(const Ref<Value>& of, const Shape& shape, std::int64_t offset);
  static void destroy(Value* value) noexcept;
};

struct Access;
struct NestedListReader;

/// `value` as int64. Throws DTypeError naming `op` unless it is an integer in range.
std::int64_t to_int64(const char* op, double value);

}  // namespace detail

class IndexItem;

/// What `backward` keeps. For gradients that can be differentiated again see `grad` in tape.h: a leaf that held such a
/// gradient would own the graph that owns the leaf.
struct BackwardOptions {
  bool retain_graph = false;  ///< keep the graph, so that a second backward can follow
};

/// An immutable array of numbers, row-major and contiguous, of rank 0 to 8, with its place on the tape if it needs a
/// gradient. A handle: cheap to copy; reshapes and leading-axis slices share the elements; ops make new tensors.
class Tensor {
 public:
  /// An undefined tensor. Ops reject it by name.
  Tensor() = default;
  Tensor(const Tensor&) = default;
  Tensor(Tensor&&) noexcept = default;
  // Only to a name: `x[0] = y` would assign to a temporary and leave x as it is.
  Tensor& operator=(const Tensor&) & = default;
  Tensor& operator=(Tensor&&) & noexcept = default;
  ~Tensor() = default;

  bool defined() const noexcept { return static_cast<bool>(value_); }

  const Shape& shape() const { return value().shape; }
  int rank() const { return value().shape.rank(); }
  /// Size of one axis; -1 is the last. Throws ShapeError when out of range.
  std::int64_t dim(int axis) const {
    const Shape& sizes = shape();
    const int rank = sizes.rank();
    if (axis < -rank || axis >= rank) [[unlikely]]
      return sizes[normalize_axis("dim", axis, rank)];  // throws
    return sizes[axis < 0 ? axis + rank : axis];
  }
  std::int64_t numel() const { return value().numel; }
  DType dtype() const { return value().dtype; }

  /// The elements in row-major order, valid while a tensor that has them lives: `for (float v : f(x).data<float>())`
  /// would read those of a temporary. Throws DTypeError if T is not the element type.
  template <Element T>
  std::span<const T> data() const {
    check<DTypeError>(dtype() == dtype_of<T>, "data: the tensor is {}, asked for {}", dtype(), dtype_of<T>);
    return {reinterpret_cast<const T*>(value_->data), static_cast<std::size_t>(value_->numel)};
  }

  /// The one element of a tensor, converted to T as static_cast does. Throws ShapeError if there is not exactly one,
  /// DTypeError if T is an integer type that does not hold it.
  template <class T = double>
    requires std::is_arithmetic_v<T>
  T item() const {
    if constexpr (std::is_integral_v<T>) {
      const std::int64_t number = item_int64();
      check<DTypeError>(std::is_same_v<T, bool> || static_cast<std::int64_t>(static_cast<T>(number)) == number,
                        "item: {} is out of the range of the type asked for", number);
      return static_cast<T>(number);
    } else {
      return static_cast<T>(item_double());
    }
  }

  /// The same numbers as another element type; this tensor if it has that type already. To int64 fractions are cut off,
  /// NaN becomes 0, and what is out of range the nearest int64. Differentiable between floats.
  Tensor to(DType dtype) const;

  /// Row `index` of the leading axis, sharing the elements; negative counts from the end. Differentiable.
  Tensor operator[](std::int64_t index) const;
  /// Rows [begin, end) of the leading axis, sharing the elements; negative counts from the end, and bounds beyond the
  /// axis are clipped. Differentiable.
  Tensor slice(std::int64_t begin, std::int64_t end) const;
  /// As `index` in ops.h: `x.index({Slice(1, -1), 3, Ellipsis, rows})`. Differentiable.
  Tensor index(std::initializer_list<IndexItem> items) const;
  /// The same elements as another shape; in a list of sizes one may be -1. Shares the elements. Differentiable.
  Tensor reshape(const Shape& shape) const;
  Tensor reshape(std::initializer_list<std::int64_t> sizes) const;

  /// Whether backward computes a gradient for this tensor, or passes through it.
  bool requires_grad() const noexcept { return static_cast<bool>(node_); }
  /// Makes this handle (and later copies of it) a leaf of its own, or no part of a graph any more. Returns the handle.
  /// Throws DTypeError for int64, GraphError if it is an op's result that requires a gradient and `on` is false.
  Tensor& requires_grad(bool on) &;
  Tensor requires_grad(bool on) && { return requires_grad(on); }
  /// Whether it is no op's result: made by the user, or detached.
  bool is_leaf() const noexcept { return !node_ || node_->is_leaf; }
  /// The op that made it, as on the tape; nullptr for a leaf.
  const char* op() const noexcept { return is_leaf() ? nullptr : node_->name; }

  /// The gradient that backward has summed up in this leaf; undefined before the first. Throws GraphError unless this
  /// is a leaf that requires a gradient.
  Tensor grad() const;
  void zero_grad() const;

  /// Calls `f` with this tensor's gradient when a pass (`backward`, `grad`) has summed it up, before it goes on to the
  /// op that made the tensor, into the leaf, or out of `grad`. Where `f` returns a defined tensor of the same shape and
  /// dtype, that one goes on instead; `f` may return nothing. Hooks of one tensor run in the order of registration, in
  /// the thread and grad mode of the pass; not at all while the gradient is zero because nothing arrived. A hook stays
  /// until the handle's `remove`, or until the tensor's node goes: with its last handle, or, for an op's result, with
  /// the graph that a pass releases. A hook that captures the tensor itself keeps both alive until then. Not to be
  /// called while a pass runs in another thread. Throws GraphError if the tensor requires no gradient.
  template <class F>
  HookHandle register_hook(F f) const {
    return attach(detail::Ref<detail::Hook>::adopt(new detail::HookOf<F>(slot_, std::move(f))));
  }

  /// The same numbers without a place on the tape.
  Tensor detach() const;

  /// Adds d(this)/d(leaf) to the gradient of every leaf it was computed from. This must be a single number.
  /// Throws GraphError on a tensor that is not, is detached, or whose graph was released by an earlier backward.
  void backward(const BackwardOptions& options = {}) const;
  /// Same for a tensor of any shape: the gradient of some scalar with respect to this one is given.
  void backward(const Tensor& gradient, const BackwardOptions& options = {}) const;

 private:
  friend struct detail::Access;
  explicit Tensor(detail::Ref<detail::Value> value) noexcept : value_(std::move(value)) {}

  const detail::Value& value() const {
    if (!value_) [[unlikely]]
      fail<Error>("tensor: used before it was given a value");
    return *value_;
  }
  double item_double() const;
  std::int64_t item_int64() const;
  HookHandle attach(detail::Ref<detail::Hook> hook) const;

  detail::Ref<detail::Value> value_;
  detail::Ref<detail::Node> node_;
  std::uint32_t slot_ = 0;
};

namespace detail {

/// The library's own door to a tensor's parts.
struct Access {
  static Tensor make(Ref<Value> value) noexcept { return Tensor(std::move(value)); }
  static Tensor make(Ref<Value> value, Ref<Node> node, std::uint32_t slot) noexcept {
    Tensor tensor(std::move(value));
    tensor.node_ = std::move(node);
    tensor.slot_ = slot;
    return tensor;
  }
  /// `output` as what an op has put on the tape.
  static Tensor recorded(Tensor&& output, Ref<Node> node, std::uint32_t slot) noexcept {
    if (output.value_->stopped_by.load(std::memory_order_relaxed)) [[unlikely]]
      output.value_->stopped_by.store(nullptr, std::memory_order_relaxed);  // inside the op, which has a gradient
    return make(std::move(output.value_), std::move(node), slot);
  }
  /// The same numbers without a place on the tape.
  static Tensor detached(Tensor&& tensor) noexcept { return make(std::move(tensor.value_)); }
  static Tensor allocate(const Shape& shape, DType dtype) { return Tensor(Value::create(shape, dtype)); }

  static const Ref<Value>& value(const Tensor& tensor) noexcept { return tensor.value_; }
  static const Ref<Node>& node(const Tensor& tensor) noexcept { return tensor.node_; }
  static std::uint32_t slot(const Tensor& tensor) noexcept { return tensor.slot_; }

  template <class T>
  static const T* data(const Tensor& tensor) noexcept {
    return reinterpret_cast<const T*>(tensor.value_->data);
  }
  /// For a tensor that its maker has not handed out yet.
  template <class T>
  static T* mutable_data(const Tensor& tensor) noexcept {
    return reinterpret_cast<T*>(tensor.value_->data);
  }
  /// Whether this handle is the only way to reach the elements, so that they may be overwritten.
  static bool owns_alone(const Tensor& tensor) noexcept { return tensor.value_.unique() && !tensor.value_->owner; }
};

}  // namespace detail

/// \name Creation
/// `shape` may be {} for a scalar.
/// @{
Tensor zeros(const Shape& shape, DType dtype = float32);
Tensor ones(const Shape& shape, DType dtype = float32);
/// Throws DTypeError if `value` is not an integer and `dtype` is int64.
Tensor full(const Shape& shape, double value, DType dtype = float32);
/// begin, begin + step, ... while before `end`: [ceil((end - begin) / step)]. Throws ShapeError if step is 0. Numbers
/// here and beside tensors are doubles, which hold integers up to 2^53 exactly.
Tensor arange(double begin, double end, double step = 1, DType dtype = float32);
Tensor arange(double end, DType dtype = float32);
/// `count` numbers from `begin` to `end`, both included.
Tensor linspace(double begin, double end, std::int64_t count, DType dtype = float32);
/// [rows, columns] with ones on the diagonal; columns = rows if negative.
Tensor eye(std::int64_t rows, std::int64_t columns = -1, DType dtype = float32);

/// Nested braces for from_data: `{{1, 2}, {3, 4}}`.
class NestedList {
 public:
  template <class T>
    requires std::is_arithmetic_v<T>
  NestedList(T number)  // NOLINT(google-explicit-constructor): braces of numbers are the point
      : real_(static_cast<double>(number)) {
    if constexpr (std::is_integral_v<T>) {
      integer_ = static_cast<std::int64_t>(number);
      integral_ = std::is_signed_v<T> || integer_ >= 0;  // a larger unsigned number counts as a real one
    }
  }
  NestedList(std::initializer_list<NestedList> items) : items_(items), is_list_(true) {}

 private:
  friend struct detail::NestedListReader;

  double real_ = 0;
  std::int64_t integer_ = 0;
  bool integral_ = false;
  std::vector<NestedList> items_;
  bool is_list_ = false;
};

/// `from_data({{1, 2}, {3, 4}})` is [2, 2]. Throws ShapeError when rows differ in length.
Tensor from_data(const NestedList& data, DType dtype = float32);
/// Copies `data` (row-major). Throws ShapeError unless shape.numel() == data.size().
template <Element T>
Tensor from_span(std::span<const T> data, const Shape& shape);
/// [data.size()], or `shape`.
template <Element T>
Tensor from_vector(const std::vector<T>& data) {
  return from_span<T>(data, Shape{static_cast<std::int64_t>(data.size())});
}
template <Element T>
Tensor from_vector(const std::vector<T>& data, const Shape& shape) {
  return from_span<T>(data, shape);
}
/// @}

/// How numbers are written: as NumPy does, eliding the middle of long axes.
struct PrintOptions {
  int precision = 4;
  std::int64_t threshold = 1000;  ///< elements from which axes are elided
  std::int64_t edge_items = 3;    ///< kept at each end of an elided axis
};
std::string to_string(const Tensor& tensor, const PrintOptions& options = {});
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);

}  // namespace wengert

/// `{}` prints like std::ostream; `{:.6}` sets the precision.
template <>
struct fmt::formatter<wengert::Tensor> {
  wengert::PrintOptions options;
  constexpr auto parse(format_parse_context& context) {
    auto position = context.begin();
    if (position == context.end() || *position != '.') return position;
    int precision = 0;
    for (++position; position != context.end() && *position >= '0' && *position <= '9'; ++position) {
      precision = precision < 100 ? precision * 10 + (*position - '0') : precision;
    }
    options.precision = precision;
    return position;
  }
  auto format(const wengert::Tensor& tensor, format_context& context) const -> format_context::iterator;
};
