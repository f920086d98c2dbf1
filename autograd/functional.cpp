#include "autograd/functional.h"

#include <algorithm>
#include <limits>
#include <string>

#include <wengert/autograd/ops.h>

#include "autograd/detail/gradients.h"

namespace wengert::detail {

namespace {

using Tensors = std::vector<Tensor>;

/// The same numbers at a place of their own on the tape: behind x if x requires a gradient, else a leaf. int64 as is.
Tensor handle_of(const Tensor& x) {
  if (!is_floating(x.dtype())) return x.detach();
  if (!x.requires_grad()) return x.detach().requires_grad(true);
  return record("alias", x.detach(), wrt(x, [](const Tensor& g) { return g; }));
}

/// Goes through the graph behind `outputs` by descending id. `enters(edge)` is called for every edge that is met, and
/// says whether to go on behind it; each node is passed once.
template <class F>
void walk(const Tensors& outputs, F enters) {
  const auto by_id = [](const Node* a, const Node* b) { return a->id != b->id ? a->id < b->id : a < b; };
  std::vector<const Node*> queue;  // a heap, the largest id in front
  const auto reach = [&](const Edge& edge) {
    if (!edge.node || !enters(edge)) return;
    queue.push_back(edge.node.get());
    std::push_heap(queue.begin(), queue.end(), by_id);
  };
  for (const Tensor& output : outputs) reach(edge_to(output));
  const Node* last = nullptr;
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), by_id);
    const Node* node = queue.back();
    queue.pop_back();
    if (node == last) continue;
    last = node;
    for (const Edge& edge : node->edges) reach(edge);
  }
}

/// The places outside that the graph of `outputs` leads to, from `inputs` apart: what a function captured. A node
/// belongs to the function if its id is above `before`. (So may one that another thread recorded earlier; then what
/// lies behind it counts as captured.)
std::vector<Edge> captured_by(const Tensors& outputs, const Tensors& inputs, std::uint64_t before) {
  std::vector<Edge> captured;
  walk(outputs, [&](const Edge& edge) {
    const auto same = [&](const Edge& other) { return other.node.get() == edge.node.get() && other.slot == edge.slot; };
    if (std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& input) { return same(edge_to(input)); })) {
      return false;
    }
    if (!edge.node->is_leaf && edge.node->id > before) return true;
    if (std::none_of(captured.begin(), captured.end(), same)) captured.push_back(edge);
    return false;
  });
  return captured;
}

bool any_requires_grad(const Tensors& tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const Tensor& tensor) { return tensor.requires_grad(); });
}

void check_arguments(const char* caller, const Tensors& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    check<Error>(arguments[i].defined(), "{}: argument {} is undefined", caller, i);
  }
}

void check_results(const char* caller, const Tensors& results) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    check<Error>(results[i].defined(), "{}: the function's result {} is undefined", caller, i);
  }
}

/// `given` for `x`: of its shape and dtype.
void check_like(const char* caller, const char* what, std::size_t index, const Tensor& given, const Tensor& x) {
  check(given.shape() == x.shape(), "{}: {} {} has shape {}, expected {}", caller, what, index, given.shape(),
        x.shape());
  check<DTypeError>(given.dtype() == x.dtype(), "{}: {} {} is {}, expected {}", caller, what, index, given.dtype(),
                    x.dtype());
}

Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype()); }

Tensor zeros_like(const Tensor& x, std::int64_t rows) {
  return rows == 0 ? zeros_like(x) : zeros(Rows(rows).of(x.shape()), x.dtype());
}

/// Outputs that depend on something, with what belongs to them.
struct Used {
  Tensors outputs;
  Tensors weights;

  void add(const Tensor& output, const Tensor& weight) {
    if (!output.defined() || !output.requires_grad() || !weight.defined()) return;
    outputs.push_back(output);
    weights.push_back(weight);
  }
};

/// Gradients of `inputs`, which are handles, with zeros for what the outputs do not depend on.
Tensors gradients_or_zeros(const Used& used, const Tensors& inputs, const GradientOptions& options) {
  std::vector<Edge> places;
  for (const Tensor& input : inputs) {
    if (input.requires_grad()) places.push_back(edge_to(input));
  }
  Tensors found(places.size());
  if (!used.outputs.empty() && !places.empty()) found = gradients_at(used.outputs, used.weights, places, options);
  Tensors result;
  std::size_t next = 0;
  for (const Tensor& input : inputs) {
    Tensor gradient = input.requires_grad() ? std::move(found[next++]) : Tensor();
    if (!gradient.defined() && input.requires_grad()) gradient = zeros_like(input, options.rows);
    result.push_back(std::move(gradient));
  }
  return result;
}

void check_one_result(const char* caller, const Linearization& at) {
  check<Error>(at.outputs.size() == 1, "{}: the function returned {} tensors, expected one", caller, at.outputs.size());
}

/// The one output, which must be a single number.
const Tensor& number_of(const char* caller, const Linearization& at) {
  check_one_result(caller, at);
  check(at.outputs[0].numel() == 1, "{}: the function returned shape {}, expected a single number", caller,
        at.outputs[0].shape());
  return at.outputs[0];
}

Tensors detached(Tensors tensors) {
  for (Tensor& tensor : tensors) tensor = tensor.detach();
  return tensors;
}

}  // namespace

Linearization::Linearization(const char* caller, TensorFunction f, const Tensors& arguments, const Tensors& more) {
  check_arguments(caller, arguments);
  const bool recording = grad_enabled();
  const EnableGrad guard;
  const std::uint64_t before = next_id({});
  for (const Tensor& argument : arguments) inputs.push_back(handle_of(recording ? argument : argument.detach()));
  outputs = f(inputs);
  check_results(caller, outputs);
  outer = recording &&
          (any_requires_grad(arguments) || any_requires_grad(more) || !captured_by(outputs, inputs, before).empty());
}

Tensors Linearization::values() const { return outer ? outputs : detached(outputs); }

Tensors pull_back(const char* caller, const Linearization& at, const Tensors& upstream, bool retain_graph) {
  check<Error>(upstream.size() == at.outputs.size(), "{}: {} cotangents for {} results", caller, upstream.size(),
               at.outputs.size());
  Used used;
  for (std::size_t i = 0; i < upstream.size(); ++i) {
    if (upstream[i].defined()) check_like(caller, "cotangent", i, upstream[i], at.outputs[i]);
    used.add(at.outputs[i], upstream[i]);
  }
  const bool create_graph = grad_enabled() && (at.outer || any_requires_grad(upstream));
  return gradients_or_zeros(used, at.inputs,
                            {.create_graph = create_graph, .retain_graph = retain_graph || create_graph});
}

Tensors gradients_of_number(const char* caller, const Linearization& at) {
  const Tensor& y = number_of(caller, at);
  return pull_back(caller, at, {ones(y.shape(), y.dtype())}, false);
}

std::pair<Tensors, Tensors> push_forward(TensorFunction f, const Tensors& primals, const Tensors& tangents) {
  check<Error>(primals.size() == tangents.size(), "jvp: {} tangents for {} primals", tangents.size(), primals.size());
  const Linearization at("jvp", f, primals, tangents);
  const bool recording = grad_enabled();
  const EnableGrad guard;
  // The gradients as a linear function of cotangents u; the gradient of <gradients, tangents> by u is J tangents.
  Used outputs;
  Tensors cotangents(at.outputs.size());
  for (std::size_t i = 0; i < cotangents.size(); ++i) {
    if (!is_floating(at.outputs[i].dtype())) continue;
    cotangents[i] = zeros_like(at.outputs[i]).requires_grad(true);
    outputs.add(at.outputs[i], cotangents[i]);
  }
  const Tensors gradients = gradients_or_zeros(outputs, at.inputs, {.create_graph = true, .retain_graph = true});
  Used used;
  for (std::size_t i = 0; i < primals.size(); ++i) {
    if (!tangents[i].defined()) continue;
    check_like("jvp", "tangent", i, tangents[i], primals[i]);
    used.add(gradients[i], recording ? tangents[i] : tangents[i].detach());
  }
  // `cotangents` holds undefined tensors for int64 results, and so do the tangents.
  const bool create_graph = recording && at.outer;
  return {at.values(),
          gradients_or_zeros(used, cotangents, {.create_graph = create_graph, .retain_graph = create_graph})};
}

Tensors hessian_vector_products(TensorFunction f, const Tensors& arguments, const Tensors& vectors) {
  check<Error>(arguments.size() == vectors.size(), "hvp: {} vectors for {} arguments", vectors.size(),
               arguments.size());
  const Linearization at("hvp", f, arguments, vectors);
  const Tensor& y = number_of("hvp", at);
  const bool create_graph = grad_enabled() && at.outer;
  const EnableGrad guard;
  Used number;
  number.add(y, ones(y.shape(), y.dtype()));
  const Tensors gradients = gradients_or_zeros(number, at.inputs, {.create_graph = true, .retain_graph = true});
  Used used;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!vectors[i].defined()) continue;
    check_like("hvp", "vector", i, vectors[i], arguments[i]);
    used.add(gradients[i], vectors[i]);
  }
  return gradients_or_zeros(used, at.inputs, {.create_graph = create_graph, .retain_graph = create_graph});
}

namespace {

/// How many gradients a pass from `outputs` to `inputs` carries at once; 0: one, without an axis for it, since a tensor
/// on the way has all the axes that there can be.
std::int64_t rows_per_pass(const Tensors& outputs, const Tensors& inputs) {
  constexpr std::int64_t elements = 1 << 18;  // of the largest tensor on the way: caches like it, and memory is bounded
  std::uint64_t oldest = std::numeric_limits<std::uint64_t>::max();
  for (const Tensor& input : inputs) {
    if (input.requires_grad()) oldest = std::min(oldest, Access::node(input)->id);
  }
  std::int64_t largest = 1;
  int rank = 0;
  walk(outputs, [&](const Edge& edge) {
    if (edge.node->id < oldest) return false;
    const Shape& shape = edge.node->output_shape(edge.slot);
    largest = std::max(largest, shape.numel());
    rank = std::max(rank, shape.rank());
    return true;
  });
  return rank == Shape::max_rank ? 0 : std::max<std::int64_t>(1, elements / largest);
}

/// The gradients of `inputs` for `count` upstream gradients of `outputs`, of which `rows(begin, end)` makes some:
/// [count, numel of the input], undefined for int64.
template <class F>
Tensors gradients_by_rows(const Tensors& outputs, const Tensors& inputs, std::int64_t count, bool create_graph,
                          F rows) {
  const std::int64_t most = rows_per_pass(outputs, inputs);
  std::vector<Tensors> parts(inputs.size());
  for (std::int64_t begin = 0; begin < count;) {
    const std::int64_t end = std::min(count, begin + std::max<std::int64_t>(1, most));
    Tensors upstream = rows(begin, end);
    Used used;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (most == 0 && upstream[i].defined()) upstream[i] = reshape(upstream[i], outputs[i].shape());
      used.add(outputs[i], upstream[i]);
    }
    const Tensors gradients = gradients_or_zeros(
        used, inputs,
        {.create_graph = create_graph, .retain_graph = true, .rows = most == 0 ? std::int64_t{0} : end - begin});
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      if (gradients[k].defined()) parts[k].push_back(reshape(gradients[k], Shape{end - begin, inputs[k].numel()}));
    }
    begin = end;
  }
  Tensors result;
  for (const Tensors& part : parts) {
    result.push_back(part.empty() ? Tensor() : part.size() == 1 ? part[0] : cat(part, 0));
  }
  return result;
}

/// [end - begin, shape of `like`...]: zeros, but for a one at element `begin` of the first, and so on.
Tensor units(const Tensor& like, std::int64_t begin, std::int64_t end) {
  // As a matrix: `like` may have the most axes there can be.
  Tensor result = zeros(Shape{end - begin, like.numel()}, like.dtype());
  dispatch_floating(like.dtype(), [&]<class T>() {
    for (std::int64_t row = 0; row < end - begin; ++row) {
      Access::mutable_data<T>(result)[row * like.numel() + begin + row] = 1;
    }
  });
  return like.rank() == Shape::max_rank ? result : reshape(result, like.shape().inserted(0, end - begin));
}

Shape joined(const char* caller, const Shape& rows, const Shape& columns) {
  check(rows.rank() + columns.rank() <= Shape::max_rank,
        "{}: the result's shape {} and the argument's {} have more than {} axes together", caller, rows, columns,
        Shape::max_rank);
  std::vector<std::int64_t> sizes(rows.begin(), rows.end());
  sizes.insert(sizes.end(), columns.begin(), columns.end());
  return Shape(sizes);
}

/// From each element of the result.
Tensors jacobians_by_rows(const Linearization& at) {
  const Tensor& y = at.outputs[0];
  Tensors result =
      gradients_by_rows(at.outputs, at.inputs, y.numel(), grad_enabled() && at.outer,
                        [&](std::int64_t begin, std::int64_t end) { return Tensors{units(y, begin, end)}; });
  for (std::size_t k = 0; k < result.size(); ++k) {
    if (result[k].defined()) result[k] = reshape(result[k], joined("jacobian", y.shape(), at.inputs[k].shape()));
  }
  return result;
}

/// From each element of the arguments, through the gradients as a function of the cotangent; see `push_forward`.
Tensors jacobians_by_columns(const Linearization& at) {
  const Tensor& y = at.outputs[0];
  const bool create_graph = grad_enabled() && at.outer;
  const EnableGrad guard;
  const Tensor cotangent = zeros_like(y).requires_grad(true);
  Used output;
  output.add(y, cotangent);
  const Tensors gradients = gradients_or_zeros(output, at.inputs, {.create_graph = true, .retain_graph = true});
  Tensors result;
  for (std::size_t k = 0; k < gradients.size(); ++k) {
    const Tensor& x = at.inputs[k];
    if (!x.requires_grad()) {
      result.emplace_back();
      continue;
    }
    const Tensor columns =
        gradients_by_rows({gradients[k]}, {cotangent}, x.numel(), create_graph,
                          [&](std::int64_t begin, std::int64_t end) { return Tensors{units(x, begin, end)}; })[0];
    result.push_back(reshape(transpose(columns), joined("jacobian", y.shape(), x.shape())));
  }
  return result;
}

}  // namespace

Tensors pull_back_rows(const char* caller, const Linearization& at, const Tensors& upstream) {
  check<Error>(upstream.size() == at.outputs.size(), "{}: {} cotangents for {} results", caller, upstream.size(),
               at.outputs.size());
  std::int64_t count = -1;
  for (std::size_t i = 0; i < upstream.size(); ++i) {
    if (!upstream[i].defined()) continue;
    const Shape& shape = at.outputs[i].shape();
    const Shape& given = upstream[i].shape();
    if (count < 0 && given.rank() > 0) count = given[0];
    check(given.rank() == shape.rank() + 1 && given.removed(0) == shape && given[0] == count,
          "{}: cotangents {} have shape {}, expected [{}, ...] in front of {}", caller, i, given,
          count < 0 ? std::string("B") : std::to_string(count), shape);
    check<DTypeError>(upstream[i].dtype() == at.outputs[i].dtype(), "{}: cotangents {} are {}, expected {}", caller, i,
                      upstream[i].dtype(), at.outputs[i].dtype());
  }
  check<Error>(count >= 0, "{}: all cotangents are undefined, so there is no number of rows", caller);
  const bool create_graph = grad_enabled() && (at.outer || any_requires_grad(upstream));
  Tensors result =
      gradients_by_rows(at.outputs, at.inputs, count, create_graph, [&](std::int64_t begin, std::int64_t end) {
        Tensors some;
        for (const Tensor& all : upstream) some.push_back(all.defined() ? all.slice(begin, end) : Tensor());
        return some;
      });
  for (std::size_t k = 0; k < result.size(); ++k) {
    const Tensor& x = at.inputs[k];
    if (!x.requires_grad()) continue;
    const Shape shape = x.shape().inserted(0, count);
    result[k] = count == 0 ? zeros(shape, x.dtype()) : reshape(result[k], shape);
  }
  return result;
}

Tensors jacobians(const char* caller, TensorFunction f, const Tensors& arguments) {
  const Linearization at(caller, f, arguments);
  check_one_result(caller, at);
  const Tensor& y = at.outputs[0];
  check<DTypeError>(is_floating(y.dtype()), "{}: the function returned int64, which has no derivative", caller);
  std::int64_t columns = 0;
  bool rows_only = false;  // an empty argument has no column to show the shape
  std::vector<Shape> shapes;
  for (const Tensor& x : at.inputs) {
    shapes.push_back(joined(caller, y.shape(), x.shape()));
    if (!x.requires_grad()) continue;
    columns += x.numel();
    rows_only = rows_only || x.numel() == 0;
  }
  if (y.numel() > 0) return rows_only || y.numel() <= columns ? jacobians_by_rows(at) : jacobians_by_columns(at);
  Tensors empty;
  for (std::size_t k = 0; k < shapes.size(); ++k) {
    empty.push_back(at.inputs[k].requires_grad() ? zeros(shapes[k], y.dtype()) : Tensor());
  }
  return empty;
}

Tensor hessian_at(TensorFunction f, const Tensor& x) {
  if (x.defined() && !is_floating(x.dtype())) return {};  // held fixed
  const auto gradient = [&](const Tensor& at) {
    return gradients_of_number("hessian", Linearization("hessian", f, {at}))[0];
  };
  return jacobians("hessian", borrow<Arguments<Tensor>>(gradient), {x})[0];
}

Tensors per_sample(TensorFunction f, const Tensors& parameters, const Tensors& batch) {
  check<Error>(!batch.empty(), "per_sample_grad: there is no batch");
  check_arguments("per_sample_grad", batch);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    check(batch[i].rank() > 0 && batch[i].dim(0) == batch[0].dim(0),
          "per_sample_grad: batch tensor {} has shape {}; the leading axis of all must be the samples, as of shape {}",
          i, batch[i].shape(), batch[0].shape());
  }
  check(batch[0].dim(0) > 0, "per_sample_grad: the batch is empty: shape {}", batch[0].shape());
  const EnableGrad guard;
  std::vector<Tensors> rows(parameters.size());
  for (std::int64_t sample = 0; sample < batch[0].dim(0); ++sample) {
    Tensors one;
    for (const Tensor& tensor : batch) one.push_back(tensor.detach().slice(sample, sample + 1));
    const Tensors loss = f(one);
    check<Error>(loss.size() == 1, "per_sample_grad: the loss returned {} tensors, expected one", loss.size());
    check_results("per_sample_grad", loss);
    check(loss[0].numel() == 1, "per_sample_grad: the loss must be a single number, got shape {}", loss[0].shape());
    Tensors gradients = wengert::grad(loss, parameters, {.allow_unused = true});
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      rows[k].push_back(gradients[k].defined() ? std::move(gradients[k]) : zeros_like(parameters[k]));
    }
  }
  const NoGrad plain;
  Tensors result;
  for (const Tensors& samples : rows) result.push_back(stack(samples));
  return result;
}

namespace {

/// The gradients of a checkpointed function, which runs again for them.
struct Recomputation {
  TensorFunction f;
  std::shared_ptr<const void> owner;  // of f
  Tensors arguments;
  std::vector<Edge> captured;
  std::size_t count;                  // of the results
  std::vector<std::size_t> recorded;  // numbers of those that are on the tape
  Generator::State random;

  Tensors operator()(std::span<const Tensor> upstream, const std::uint8_t* needed) {
    const bool create_graph = grad_enabled();
    const EnableGrad guard;
    Generator generator(random);
    const GeneratorScope scope(generator);
    Tensors inputs;
    for (const Tensor& x : arguments) {
      inputs.push_back(x.requires_grad() ? handle_of(create_graph ? x : x.detach()) : x);
    }
    const Tensors outputs = f(inputs);
    check<Error>(outputs.size() == count, "checkpoint: the function returned {} tensors when it ran again, {} at first",
                 outputs.size(), count);
    check_results("checkpoint", outputs);
    Used used;
    for (std::size_t i = 0; i < recorded.size(); ++i) {
      const Tensor& output = outputs[recorded[i]];
      if (upstream[i].defined()) check_like("checkpoint", "recomputed result", recorded[i], output, upstream[i]);
      used.add(output, upstream[i]);
    }

    std::vector<Edge> places;
    std::vector<std::size_t> numbers;
    const auto ask_for = [&](std::size_t number, Edge place) {
      if (!needed[number]) return;
      numbers.push_back(number);
      places.push_back(std::move(place));
    };
    for (std::size_t i = 0; i < arguments.size(); ++i) ask_for(i, edge_to(inputs[i]));
    for (std::size_t i = 0; i < captured.size(); ++i) ask_for(arguments.size() + i, captured[i]);

    Tensors gradients(arguments.size() + captured.size());
    if (used.outputs.empty()) return gradients;
    // Nothing is released on the way, since it may not be all of f's making: see `captured_by`.
    Tensors found = gradients_at(used.outputs, used.weights, places,
                                 {.create_graph = create_graph, .retain_graph = true, .stop_at_targets = true});
    for (std::size_t i = 0; i < numbers.size(); ++i) gradients[numbers[i]] = std::move(found[i]);
    return gradients;
  }
};

}  // namespace

Tensors run_checkpoint(TensorFunction f, std::shared_ptr<const void> owner, const Tensors& arguments) {
  check_arguments("checkpoint", arguments);
  if (!grad_enabled()) return f(arguments);
  const Generator::State random = default_generator().state();
  const std::uint64_t before = next_id({});
  Tensors inputs;
  for (const Tensor& x : arguments) inputs.push_back(x.detach().requires_grad(x.requires_grad()));
  // Recorded only to find what the function captured; nothing of it is kept.
  Tensors outputs = f(inputs);
  check_results("checkpoint", outputs);
  std::vector<Edge> captured = captured_by(outputs, inputs, before);

  Tensors all = arguments;
  for (const Edge& edge : captured) all.push_back(Access::make({}, edge.node, edge.slot));
  Tensors results;
  std::vector<std::size_t> recorded;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].requires_grad()) continue;
    recorded.push_back(i);
    results.push_back(outputs[i].detach());
  }
  outputs = detached(std::move(outputs));
  if (recorded.empty()) return outputs;
  results = record("checkpoint", std::move(results),
                   wrt_all(all, Recomputation{f, std::move(owner), arguments, std::move(captured), outputs.size(),
                                              recorded, random}));
  for (std::size_t i = 0; i < recorded.size(); ++i) outputs[recorded[i]] = results[i];
  return outputs;
}

Tensor run_custom_gradient(TensorFunction f, TensorFunction gradient, std::shared_ptr<const void> owner,
                           const Tensors& arguments) {
  check_arguments("custom_gradient", arguments);
  const Tensors values = no_grad([&] { return f(arguments); });
  check_results("custom_gradient", values);
  // The rule gets the result with its place on the tape, for the order above. The node owns the rule, so the rule
  // knows the node by address only.
  const auto node = std::make_shared<Node*>(nullptr);
  auto rule = [gradient, owner = std::move(owner), arguments, node, y = values[0].detach()](
                  std::span<const Tensor> upstream, const std::uint8_t* /*needed*/) {
    Tensors call{upstream[0], Access::make(Access::value(y), Ref<Node>::share(*node), 0)};
    call.insert(call.end(), arguments.begin(), arguments.end());
    return gradient(call);
  };
  Tensor result = record("custom_gradient", Tensors{values[0].detach()}, wrt_all(arguments, std::move(rule)))[0];
  *node = Access::node(result).get();
  return result;
}

}  // namespace wengert::detail
