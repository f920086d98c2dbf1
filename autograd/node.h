#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include <wengert/autograd/dtype.h>
#include <wengert/autograd/memory.h>
#include <wengert/autograd/shape.h>

namespace wengert {

class Tensor;

namespace detail {

/// Owning pointer to an object that counts its own references (`references` and `static void destroy(T*)`).
template <class T>
class Ref {
 public:
  constexpr Ref() = default;
  /// Takes over one reference that the caller holds.
  static Ref adopt(T* object) noexcept {
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  /// Adds a reference.
  static Ref share(T* object) noexcept {
    if (object) object->references.fetch_add(1, std::memory_order_relaxed);
    return adopt(object);
  }

  Ref(const Ref& other) noexcept : Ref(share(other.object_)) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(const Ref& other) noexcept {
    Ref(other).swap(*this);
    return *this;
  }
  Ref& operator=(Ref&& other) noexcept {
    Ref(std::move(other)).swap(*this);
    return *this;
  }
  ~Ref() {
    if (object_) drop(object_);
  }

  void swap(Ref& other) noexcept { std::swap(object_, other.object_); }
  T* get() const noexcept { return object_; }
  T* operator->() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  bool unique() const noexcept { return object_ && is_last(object_); }

 private:
  static bool is_last(T* object) noexcept { return object->references.load(std::memory_order_acquire) == 1; }

  /// Nobody can add a reference to the last one, so that one needs no atomic subtraction. Not inline, as there are so
  /// many of these that an op's path would not fit the nearest instruction cache.
  [[gnu::noinline]] static void drop(T* object) noexcept {
    if (is_last(object) || object->references.fetch_sub(1, std::memory_order_acq_rel) == 1) T::destroy(object);
  }

  T* object_ = nullptr;
};

class Hook;
class Node;
struct HookList;

/// Where the gradient of a node's input goes: output `slot` of the node that made it. No node: no gradient is needed.
struct Edge {
  Ref<Node> node;
  std::uint32_t slot = 0;
};

/// One entry of the tape: an op that was recorded, or a leaf. Owns the nodes of its inputs; is owned by its output's
/// handles and by later nodes; nothing else owns anything, so a graph goes away with its last handle.
class Node {
 public:
  enum class Kind : bool { op, leaf };

  Node(Kind kind, const char* op, std::uint64_t sequence, const Shape& output_shape, DType output_dtype,
       std::size_t outputs = 1) noexcept
      : is_leaf(kind == Kind::leaf),
        dtype(output_dtype),
        output_count(static_cast<std::uint32_t>(outputs)),
        id(sequence),
        name(op),
        shape(output_shape) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  virtual ~Node() {
    if (hooks) [[unlikely]]
      drop_hooks();
  }

  /// Gradients of the inputs from those of the outputs. `upstream` has one tensor per output (undefined: zero), which
  /// the rules may use up; `downstream[i]` is to be set where `needed[i]` and may stay undefined (zero).
  virtual void gradients(Tensor* upstream, Tensor* downstream, const std::uint8_t* needed) = 0;
  /// Drops the rules with all that they captured, and the edges.
  virtual void release() noexcept = 0;
  /// Whether `gradients` takes many gradients at once; see Rows in tape.h.
  virtual bool takes_rows() const noexcept { return false; }
  virtual const Shape& output_shape(std::uint32_t /*slot*/) const noexcept { return shape; }
  virtual DType output_dtype(std::uint32_t /*slot*/) const noexcept { return dtype; }

  /// Frees `node` and what only it owned, without recursion: a graph of any depth needs constant stack.
  static void destroy(Node* node) noexcept;

  static void* operator new(std::size_t bytes) { return memory::allocate(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept { memory::deallocate(block, bytes); }

  std::atomic<std::int32_t> references{1};
  bool released = false;
  const bool is_leaf;
  const DType dtype;  ///< of output 0
  const std::uint32_t output_count;
  /// Larger than the ids of all inputs; grows along each thread. Backward visits nodes by descending id.
  const std::uint64_t id;
  const char* const name;
  const Shape shape;          ///< of output 0
  std::span<Edge> edges;      ///< one per input; set by the constructor of the derived class that stores them
  HookList* hooks = nullptr;  ///< owned, with observers' notes; see hook.h
  void add_hook(Ref<Hook> hook);
  void drop_hooks() noexcept;

 private:
  Node* next_doomed_ = nullptr;
};

}  // namespace detail
}  // namespace wengert
