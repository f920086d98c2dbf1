#include <algorithm>
#include <atomic>
#include <limits>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "autograd/detail/gradients.h"
#include "autograd/detail/leaf.h"
#include "autograd/kernels/accumulate.h"

namespace wengert {
namespace detail {

namespace {

constinit thread_local std::uint64_t last_id = 0;

/// Nodes of one thread that wait to be freed, chained through themselves.
struct Doomed {
  Node* first = nullptr;
  bool draining = false;
};
constinit thread_local Doomed doomed;

/// A node's place in the order of a pass, the largest first. Good after the node was freed, too.
struct Place {
  std::uint64_t id;
  const Node* node;

  Place(const Node* of) noexcept : id(of->id), node(of) {}  // NOLINT(google-explicit-constructor)
  friend bool operator<(const Place& a, const Place& b) noexcept {
    return a.id != b.id ? a.id < b.id : std::less<>()(a.node, b.node);
  }
};

[[noreturn]] void fail_released(const Node& node) {
  fail<GraphError>(
      "backward: the graph of '{}' was released by an earlier backward (or by one that failed on the way); pass "
      "{{.retain_graph = true}} to the first one to run it again",
      node.name);
}

[[noreturn]] void fail_dtype(const Node& node, std::size_t index, const Tensor& gradient) {
  const Edge& edge = node.edges[index];
  fail<DTypeError>("{}: the gradient rule for input {} returned {}, the input is {}", node.name, index,
                   gradient.dtype(), edge.node->output_dtype(edge.slot));
}

/// Brings `gradient`, as the rule for input `index` of `node` gave it, to the input's shape.
void conform(const Node& node, std::size_t index, Tensor& gradient) {
  const Edge& edge = node.edges[index];
  const bool first = edge.slot == 0;  // as nearly always: spares two virtual calls
  const Shape& expected = first ? edge.node->shape : edge.node->output_shape(edge.slot);
  if (gradient.dtype() != (first ? edge.node->dtype : edge.node->output_dtype(edge.slot))) [[unlikely]]
    fail_dtype(node, index, gradient);
  if (gradient.shape() == expected) [[likely]]
    return;
  // Only what the op itself broadcast may be summed back; anything else is a mistake in the rule.
  if (!(gradient.shape() == node.shape && broadcasts_to(expected, gradient.shape()))) {
    fail<ShapeError>("{}: the gradient rule for input {} returned shape {}, the input's shape is {}", node.name, index,
                     gradient.shape(), expected);
  }
  gradient = sum_to(gradient, expected);
}

/// Same for many gradients: to [rows, input's shape...].
void conform_rows(const Node& node, std::size_t index, Tensor& gradient, std::int64_t rows) {
  const Edge& edge = node.edges[index];
  const Shape& one = edge.node->output_shape(edge.slot);
  const Shape expected = Rows(rows).of(one);
  if (gradient.dtype() != edge.node->output_dtype(edge.slot)) [[unlikely]]
    fail_dtype(node, index, gradient);
  if (gradient.shape() == expected) return;
  if (!(gradient.shape() == Rows(rows).of(node.shape) && broadcasts_to(one, node.shape))) {
    fail<ShapeError>("{}: the gradient rule for input {} returned shape {} for {} rows, the input's shape is {}",
                     node.name, index, gradient.shape(), rows, one);
  }
  gradient = reshape(sum_to(gradient, Rows(rows).of(one, node.shape.rank())), expected);
}

void run_hook(const Node& node, Hook& hook, Tensor& gradient) {
  const Tensor given = gradient;
  hook.apply(gradient);
  check(gradient.shape() == given.shape(), "register_hook: a hook on '{}' returned shape {}, the gradient has {}",
        node.name, gradient.shape(), given.shape());
  check<DTypeError>(gradient.dtype() == given.dtype(), "register_hook: a hook on '{}' returned {}, the gradient is {}",
                    node.name, gradient.dtype(), given.dtype());
}

/// The node's hooks on the gradients of its outputs, one after the other if there are many.
[[gnu::cold]] void run_hooks(const Node& node, std::span<Tensor> upstream, std::int64_t rows) {
  const std::vector<Ref<Hook>> hooks = node.hooks->hooks;  // a hook may register others
  for (const Ref<Hook>& hook : hooks) {
    Tensor& gradient = upstream[hook->slot];
    if (!gradient.defined() || hook->is_spent()) continue;
    if (rows == 0) {
      run_hook(node, *hook, gradient);
      continue;
    }
    std::vector<Tensor> each;
    for (std::int64_t row = 0; row < rows; ++row) run_hook(node, *hook, each.emplace_back(gradient[row]));
    gradient = stack(each);
  }
}

/// One walk from the outputs back to the leaves (`backward`), or to the inputs asked for (`grad`).
class Pass {
 public:
  struct Target {
    Node* node;
    std::uint32_t slot;
    Tensor gradient;

    friend bool operator<(const Target& a, const Target& b) noexcept {
      return a.node != b.node ? std::less<>()(a.node, b.node) : a.slot < b.slot;
    }
  };

  /// `rows`: as in GradientOptions.
  explicit Pass(bool retain_graph, std::int64_t rows = 0) : retain_graph_(retain_graph), rows_(rows) {
    leaf_sums_.reserve(16);
    pending_.reserve(8);
  }

  void seed(const Tensor& output, Tensor gradient) {
    push({Access::node(output), Access::slot(output)}, std::move(gradient));
  }

  /// Makes this the pass of `grad`: gradients are collected for `targets` and nothing is deposited in leaves. With
  /// `stop_at_targets`, what arrives at a target goes no further, not to another target either.
  void collect(std::vector<Target>& targets, const std::vector<Tensor>& outputs, bool stop_at_targets) {
    targets_ = &targets;
    stop_at_targets_ = stop_at_targets;
    find_paths(outputs);
  }

  /// Whether a target can be reached from `node`, which the outputs reach.
  bool leads_to_target(const Place& node) const { return std::binary_search(on_path_.begin(), on_path_.end(), node); }

  /// Leaves get their gradients when all has gone well: an error on the way changes none of them.
  void run() {
    while (!pending_.empty()) {
      const Ref<Node> node = take_upstream();
      // What stops at a target goes on in the pass around this one, which will run the hooks on the whole sum.
      if (node->hooks && !(stop_at_targets_ && is_target(node.get()))) [[unlikely]]
        run_hooks(*node, upstream_, rows_);
      if (targets_) keep_for_targets(*node);
      if (node->is_leaf) {
        if (!targets_) add_to_leaf(node, std::move(upstream_[0]));
      } else if (!targets_ || (leads_to_target(node.get()) && !(stop_at_targets_ && is_target(node.get())))) {
        step(*node);
      }
      upstream_.clear();
    }
    for (LeafSum& sum : leaf_sums_) static_cast<Leaf&>(*sum.leaf).accumulate(std::move(sum.gradient));
  }

 private:
  struct Pending {
    Ref<Node> node;
    std::uint32_t slot;
    Tensor gradient;
  };

  static bool below(const Pending& a, const Pending& b) noexcept { return Place(a.node.get()) < Place(b.node.get()); }

  /// Queues a gradient for its node. Leaves take theirs at once, so that a weight used in many places holds one sum;
  /// but a hook is to see that sum first.
  void push(Edge edge, Tensor gradient) {
    if (edge.node->is_leaf && !edge.node->hooks) {
      if (!targets_) return add_to_leaf(edge.node, std::move(gradient));
      if (Target* target = find_target(edge.node.get(), edge.slot)) accumulate(target->gradient, std::move(gradient));
      return;
    }
    // Few gradients wait at a time: adding to one that does keeps memory low. With many, `take_upstream` adds them.
    constexpr std::size_t searched = 32;
    if (pending_.size() <= searched) {
      for (Pending& waiting : pending_) {
        if (waiting.node.get() == edge.node.get() && waiting.slot == edge.slot) {
          return accumulate(waiting.gradient, std::move(gradient));
        }
      }
    }
    pending_.push_back({std::move(edge.node), edge.slot, std::move(gradient)});
    std::push_heap(pending_.begin(), pending_.end(), below);
  }

  void add_to_leaf(const Ref<Node>& node, Tensor gradient) {
    auto& leaf = static_cast<Leaf&>(*node);
    const std::uint32_t place = leaf.place_hint.load(std::memory_order_relaxed);
    if (place < leaf_sums_.size() && leaf_sums_[place].leaf.get() == node.get()) {
      return accumulate(leaf_sums_[place].gradient, std::move(gradient));
    }
    leaf.place_hint.store(static_cast<std::uint32_t>(leaf_sums_.size()), std::memory_order_relaxed);
    leaf_sums_.push_back({node, std::move(gradient)});
  }

  /// Takes the latest node off the queue with all gradients of its outputs. Ids descend along every path, so nothing
  /// can be added to them later.
  Ref<Node> take_upstream() {
    Ref<Node> node;
    do {
      std::pop_heap(pending_.begin(), pending_.end(), below);
      Pending& last = pending_.back();
      if (!node) {
        node = std::move(last.node);
        if (node->output_count == 1) [[likely]]
          upstream_.emplace_back();
        else
          upstream_.resize(node->output_count);
      }
      accumulate(upstream_[last.slot], std::move(last.gradient));
      pending_.pop_back();
    } while (!pending_.empty() && pending_.front().node.get() == node.get());
    return node;
  }

  void step(Node& node) {
    if (node.released && !targets_) fail_released(node);
    const std::size_t inputs = node.edges.size();
    needed_.resize(inputs);
    downstream_.resize(inputs);
    bool any_needed = false;
    for (std::size_t i = 0; i < inputs; ++i) {
      const Node* input = node.edges[i].node.get();
      needed_[i] = input && (!targets_ || leads_to_target(input));
      any_needed = any_needed || needed_[i];
    }
    if (!any_needed) return;  // a target with no other behind it; its own graph may be gone
    if (observer) [[unlikely]]
      notify_before_rules(node);
    if (rows_ == 0 || node.takes_rows()) [[likely]]
      node.gradients(upstream_.data(), downstream_.data(), needed_.data());
    else
      gradients_one_by_one(node);
    if (observer) [[unlikely]]
      notify_after_rules(node, upstream_, downstream_);
    for (std::size_t i = 0; i < inputs; ++i) {
      if (!needed_[i]) downstream_[i] = {};
      if (!downstream_[i].defined()) continue;
      if (rows_ == 0) [[likely]]
        conform(node, i, downstream_[i]);
      else
        conform_rows(node, i, downstream_[i], rows_);
    }
    if (!retain_graph_) node.released = true;
    for (std::size_t i = 0; i < inputs; ++i) {
      if (!downstream_[i].defined()) continue;
      Edge& edge = node.edges[i];
      push(retain_graph_ ? edge : std::move(edge), std::move(downstream_[i]));
    }
    // If nobody else has the node, it goes with all this when the pass lets go of it.
    if (!retain_graph_ && node.references.load(std::memory_order_relaxed) != 1) {
      node.release();
      if (node.hooks) [[unlikely]]
        node.drop_hooks();
    }
  }

  /// The rules of a node that takes one gradient at a time.
  [[gnu::cold]] void gradients_one_by_one(Node& node) {
    std::vector<std::vector<Tensor>> rows(node.edges.size());
    std::vector<Tensor> upstream(upstream_.size());
    for (std::int64_t row = 0; row < rows_; ++row) {
      for (std::size_t slot = 0; slot < upstream.size(); ++slot) {
        upstream[slot] = upstream_[slot].defined() ? upstream_[slot][row] : Tensor();
      }
      std::vector<Tensor> downstream(rows.size());
      node.gradients(upstream.data(), downstream.data(), needed_.data());
      for (std::size_t i = 0; i < rows.size(); ++i) {
        if (!needed_[i]) continue;
        const Edge& edge = node.edges[i];
        if (downstream[i].defined())
          conform(node, i, downstream[i]);
        else
          downstream[i] = zeros(edge.node->output_shape(edge.slot), edge.node->output_dtype(edge.slot));
        rows[i].push_back(std::move(downstream[i]));
      }
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (needed_[i]) downstream_[i] = stack(rows[i]);
    }
  }

  void keep_for_targets(const Node& node) {
    for (std::uint32_t slot = 0; slot < upstream_.size(); ++slot) {
      if (Target* target = find_target(&node, slot)) target->gradient = upstream_[slot];
    }
  }

  Target* find_target(const Node* node, std::uint32_t slot) {
    const auto found = std::lower_bound(targets_->begin(), targets_->end(), Target{const_cast<Node*>(node), slot, {}});
    return found != targets_->end() && found->node == node && found->slot == slot ? &*found : nullptr;
  }

  /// Lists the nodes between `outputs` and the targets, by descending id.
  void find_paths(const std::vector<Tensor>& outputs) {
    std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
    for (const Target& target : *targets_) oldest = std::min(oldest, target.node->id);

    std::vector<Place> reached;  // each once, by descending id
    std::vector<Place> queue;
    const auto enqueue = [&](const Node* node) {
      if (!node || node->id < oldest) return;
      queue.emplace_back(node);
      std::push_heap(queue.begin(), queue.end());
    };
    for (const Tensor& output : outputs) enqueue(Access::node(output).get());
    while (!queue.empty()) {
      std::pop_heap(queue.begin(), queue.end());
      const Place place = queue.back();
      queue.pop_back();
      if (!reached.empty() && reached.back().node == place.node) continue;
      reached.push_back(place);
      // What a released node led to is not known any more: it might have been an older target.
      if (place.node->released && place.id > oldest) fail_released(*place.node);
      if (stop_at_targets_ && is_target(place.node)) continue;
      for (const Edge& edge : place.node->edges) enqueue(edge.node.get());
    }
    // From the oldest up: a node is on a path if it is a target or one of its inputs is on a path.
    for (auto place = reached.rbegin(); place != reached.rend(); ++place) {
      const std::span<const Edge> edges = place->node->edges;
      const bool on_path = is_target(place->node) || std::any_of(edges.begin(), edges.end(), [&](const Edge& edge) {
                             return edge.node && leads_to_target(edge.node.get());
                           });
      if (on_path) on_path_.push_back(*place);
    }
  }

  bool is_target(const Node* node) const {
    const auto found = std::lower_bound(targets_->begin(), targets_->end(), Target{const_cast<Node*>(node), 0, {}});
    return found != targets_->end() && found->node == node;
  }

  struct LeafSum {
    Ref<Node> leaf;
    Tensor gradient;
  };

  template <class T>
  using List = std::vector<T, memory::Allocator<T>>;

  bool retain_graph_;
  std::int64_t rows_;
  List<LeafSum> leaf_sums_;
  List<Pending> pending_;  // a heap: the node with the largest id in front
  List<Tensor> upstream_;
  List<Tensor> downstream_;
  List<std::uint8_t> needed_;
  std::vector<Target>* targets_ = nullptr;
  bool stop_at_targets_ = false;
  std::vector<Place> on_path_;  // by ascending id
};

std::vector<Edge> edges_to(std::span<const Tensor> inputs) {
  std::vector<Edge> edges;
  edges.reserve(inputs.size());
  for (const Tensor& input : inputs) edges.push_back(edge_to(input));
  return edges;
}

/// The gradient to start from for `output`: `given`, which may stand for many, or one for a single number.
Tensor seed_for(const char* caller, const Tensor& output, const Tensor& given, std::int64_t rows = 0) {
  check<Error>(output.defined(), "{}: the tensor is undefined (never given a value)", caller);
  if (!output.requires_grad()) {
    if (const char* op = Access::value(output)->stopped_by.load(std::memory_order_relaxed)) {
      fail<GraphError>(
          "{}: the tensor of shape {} does not require a gradient: it was computed through '{}', which has "
          "no gradient",
          caller, output.shape(), op);
    }
    fail<GraphError>(
        "{}: the tensor of shape {} does not require a gradient: it was computed from leaves without "
        "requires_grad, under no_grad, or detached",
        caller, output.shape());
  }
  if (!given.defined()) {
    check<GraphError>(output.numel() == 1,
                      "{}: the tensor has shape {}; without a gradient only a single number can be differentiated",
                      caller, output.shape());
    return ones(output.shape(), output.dtype());
  }
  check(given.shape() == (rows == 0 ? output.shape() : Rows(rows).of(output.shape())),
        "{}: gradient has shape {}, the tensor has {}", caller, given.shape(), output.shape());
  check<DTypeError>(given.dtype() == output.dtype(), "{}: gradient is {}, the tensor is {}", caller, given.dtype(),
                    output.dtype());
  return given;
}

}  // namespace

std::uint64_t next_id(std::span<const Edge> edges) noexcept {
  for (const Edge& edge : edges) {
    // An input from another thread may be ahead of this one.
    if (edge.node) last_id = std::max(last_id, edge.node->id);
  }
  return ++last_id;
}

void fail_not_differentiable(const Node& node, std::size_t input) {
  fail<GraphError>("{}: has no gradient with respect to input {}", node.name, input);
}

bool is_recorded(const char* op, std::span<const Tensor> outputs, std::span<const Tensor> inputs) {
  check<Error>(!outputs.empty(), "{}: an op to be recorded needs an output", op);
  bool any_recordable = false;
  for (const Tensor& output : outputs) any_recordable = is_recordable(op, output) || any_recordable;
  if (!grad_enabled()) return false;
  const bool needed = std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.requires_grad(); });
  for (const Tensor& output : outputs) {
    if (needed && is_floating(output.dtype())) continue;
    for (const Tensor& input : inputs) note_stop(op, output, input);
  }
  return needed && any_recordable;
}

Edge edge_to(const Tensor& input) noexcept { return {Access::node(input), Access::slot(input)}; }

void Node::destroy(Node* node) noexcept {
  if (doomed.draining) {
    node->next_doomed_ = doomed.first;
    doomed.first = node;
    return;
  }
  doomed.draining = true;
  do {
    delete node;  // may call destroy for the nodes that it owned, which only queues them
    node = doomed.first;
    if (node) doomed.first = node->next_doomed_;
  } while (node);
  doomed.draining = false;
}

void Node::add_hook(Ref<Hook> hook) {
  if (!hooks) hooks = new HookList;
  std::erase_if(hooks->hooks, [](const Ref<Hook>& other) { return other->is_spent(); });
  hooks->hooks.push_back(std::move(hook));
}

void Node::drop_hooks() noexcept { delete std::exchange(hooks, nullptr); }

JointOpBase::JointOpBase(const char* op, std::span<const Tensor> inputs, std::span<const Tensor> outputs)
    : JointOpBase(op, edges_to(inputs), outputs) {}

JointOpBase::JointOpBase(const char* op, std::vector<Edge> inputs, std::span<const Tensor> outputs)
    : Node(Kind::op, op, next_id(inputs), outputs[0].shape(), outputs[0].dtype(), outputs.size()),
      edges_(std::move(inputs)) {
  edges = edges_;
  for (const Tensor& output : outputs) outputs_.push_back({output.shape(), output.dtype()});
}

void JointOpBase::release() noexcept {
  for (Edge& edge : edges_) edge = {};
}

Rows JointOpBase::rows_of(std::span<const Tensor> upstream) const {
  for (std::size_t slot = 0; slot < upstream.size(); ++slot) {
    if (upstream[slot].defined()) return Rows(upstream[slot], outputs_[slot].shape.rank());
  }
  return {};
}

std::vector<Tensor> JointOpBase::checked(std::vector<Tensor> gradients) const {
  check(gradients.size() == edges_.size(), "{}: the gradient rule returned {} gradients for {} inputs", name,
        gradients.size(), edges_.size());
  return gradients;
}

void accumulate(Tensor& sum, Tensor gradient) {
  if (!sum.defined()) {
    sum = std::move(gradient);
  } else if (!grad_enabled() && Access::owns_alone(sum)) {
    kernels::add_into(sum, gradient);
  } else {
    sum = sum + gradient;
  }
}

void Leaf::accumulate(Tensor gradient) {
  const NoGrad guard;
  const std::lock_guard lock(mutex_);
  detail::accumulate(gradient_, Access::detached(std::move(gradient)));
}

}  // namespace detail

void Tensor::backward(const BackwardOptions& options) const { backward(Tensor(), options); }

void Tensor::backward(const Tensor& gradient, const BackwardOptions& options) const {
  const NoGrad guard;
  detail::Pass pass(options.retain_graph);
  pass.seed(*this, detail::seed_for("backward", *this, gradient));
  pass.run();
}

std::vector<Tensor> detail::gradients_at(const std::vector<Tensor>& outputs, const std::vector<Tensor>& upstream,
                                         const std::vector<Edge>& places, const GradientOptions& options) {
  const auto target_at = [](const Edge& place) { return Pass::Target{place.node.get(), place.slot, {}}; };
  std::vector<Pass::Target> targets;
  for (const Edge& place : places) targets.push_back(target_at(place));
  std::sort(targets.begin(), targets.end());

  const GradMode mode(options.create_graph);
  Pass pass(options.retain_graph, options.rows);
  pass.collect(targets, outputs, options.stop_at_targets);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    pass.seed(outputs[i], seed_for("grad", outputs[i], upstream[i], options.rows));
  }
  pass.run();

  std::vector<Tensor> gradients;
  gradients.reserve(places.size());
  for (const Edge& place : places) {
    const Pass::Target& target = *std::lower_bound(targets.begin(), targets.end(), target_at(place));
    const bool is_zero = !target.gradient.defined() && pass.leads_to_target(target.node);
    const Shape& shape = place.node->output_shape(place.slot);
    gradients.push_back(
        is_zero ? zeros(options.rows == 0 ? shape : Rows(options.rows).of(shape), place.node->output_dtype(place.slot))
                : target.gradient);
  }
  return gradients;
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const GradOptions& options) {
  check(options.grad_outputs.empty() || options.grad_outputs.size() == outputs.size(),
        "grad: grad_outputs has {} tensors for {} outputs", options.grad_outputs.size(), outputs.size());
  std::vector<detail::Edge> places;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check<Error>(inputs[i].defined(), "grad: input {} is undefined (never given a value)", i);
    check<GraphError>(inputs[i].requires_grad(), "grad: input {} of shape {} does not require a gradient", i,
                      inputs[i].shape());
    places.push_back(detail::edge_to(inputs[i]));
  }
  std::vector<Tensor> gradients = detail::gradients_at(
      outputs, options.grad_outputs.empty() ? std::vector<Tensor>(outputs.size()) : options.grad_outputs, places,
      {.create_graph = options.create_graph, .retain_graph = options.retain_graph.value_or(options.create_graph)});
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    check<GraphError>(
        gradients[i].defined() || options.allow_unused,
        "grad: the outputs do not depend on input {} of shape {}; pass {{.allow_unused = true}} to get an "
        "undefined tensor for it",
        i, inputs[i].shape());
  }
  return gradients;
}

std::vector<Tensor> grad(const Tensor& output, const std::vector<Tensor>& inputs, const GradOptions& options) {
  return grad(std::vector<Tensor>{output}, inputs, options);
}

std::vector<Tensor> grad(const Tensor& output, std::initializer_list<Tensor> inputs, const GradOptions& options) {
  return grad(std::vector<Tensor>{output}, std::vector<Tensor>(inputs), options);
}

Tensor grad(const Tensor& output, const Tensor& input, const GradOptions& options) {
  return grad(std::vector<Tensor>{output}, std::vector<Tensor>{input}, options)[0];
}

}  // namespace wengert
