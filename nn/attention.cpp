#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <wengert/nn/attention.h>
#include <wengert/nn/positions.h>

namespace wengert::nn {

namespace {

/// A projection's weights start as PyTorch's do.
Dense input_projection(std::int64_t width, const MultiHeadAttentionOptions& options) {
  return {width,
          3 * width,
          {.bias = options.bias, .init = init::xavier_uniform(), .bias_init = init::zeros(), .dtype = options.dtype}};
}

std::int64_t checked_width(std::int64_t width, std::int64_t heads, const MultiHeadAttentionOptions& options) {
  constexpr const char* name = "MultiHeadAttention";
  check<Error>(width > 0 && heads > 0, "{}: width and heads must be at least 1, got {} and {}", name, width, heads);
  check<Error>(width % heads == 0, "{}: heads must divide width, got {} and {}", name, heads, width);
  check<Error>(!options.rotary || width / heads % 2 == 0,
               "{}: rotary positions need an even number of features for each head, got {}", name, width / heads);
  check<Error>(options.dropout >= 0 && options.dropout < 1, "{}: dropout must be at least 0 and below 1, got {}", name,
               options.dropout);
  return width;
}

/// Whether both are handles of one tensor.
bool same(const Tensor& a, const Tensor& b) {
  using wengert::detail::Access;
  return Access::value(a).get() == Access::value(b).get() && Access::node(a).get() == Access::node(b).get() &&
         Access::slot(a) == Access::slot(b);
}

/// [N, L, parts E] -> `parts` times [N, heads, L, E / heads].
std::vector<Tensor> split_heads(const Tensor& x, std::int64_t parts, std::int64_t heads) {
  const std::int64_t samples = x.dim(0);
  const std::int64_t steps = x.dim(1);
  const std::int64_t features = x.dim(2) / (parts * heads);
  // A part after the other: the parts are pieces of one copy, and their gradients are joined by one.
  const Tensor apart = permute(reshape(x, {samples, steps, parts, heads, features}), {2, 0, 3, 1, 4});
  std::vector<Tensor> pieces = split(apart, 1);
  for (Tensor& piece : pieces) piece = reshape(piece, {samples, heads, steps, features});
  return pieces;
}

/// A mask or a bias, for all heads if it has no axis for them.
Tensor with_heads(const Tensor& x) { return x.defined() && x.rank() == 3 ? unsqueeze(x, 1) : x; }

/// 0 where either is 0.
Tensor both(const Tensor& mask, const Tensor& key_mask) {
  if (!key_mask.defined()) return mask;
  const Tensor keys = reshape(key_mask, {key_mask.dim(0), 1, 1, key_mask.dim(1)});
  if (!mask.defined()) return keys;
  return (mask != 0).to(float32) * (keys != 0).to(float32);
}

}  // namespace

MultiHeadAttention::MultiHeadAttention(std::int64_t width, std::int64_t heads, const MultiHeadAttentionOptions& options)
    : input(input_projection(checked_width(width, heads, options), options)),
      output(width, width, {.bias = options.bias, .bias_init = init::zeros(), .dtype = options.dtype}),
      heads_(heads),
      dropout_(options.dropout),
      rotary_(options.rotary) {}

AttentionResult MultiHeadAttention::operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                                               const AttentionArguments& arguments) const {
  return hooked(
      query, [&](const Tensor& q) { return attend(q, key, value, arguments); }, &AttentionResult::output);
}

AttentionResult MultiHeadAttention::operator()(const Tensor& x, const AttentionArguments& arguments) const {
  return hooked(
      x, [&](const Tensor& q) { return attend(q, q, q, arguments); }, &AttentionResult::output);
}

Tensor MultiHeadAttention::forward(const Tensor& x) const { return attend(x, x, x, {}).output; }

void MultiHeadAttention::visit(Visitor& v) {
  v("input", input);
  v("output", output);
}

std::string MultiHeadAttention::options() const {
  std::string text = fmt::format("{}, {} heads", output.weight->dim(0), heads_);
  if (dropout_ > 0) text += fmt::format(", dropout {}", dropout_);
  if (rotary_) text += ", rotary";
  if (!output.bias.defined()) text += ", no bias";
  return text;
}

AttentionResult MultiHeadAttention::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                                           const AttentionArguments& arguments) const {
  const std::int64_t width = output.weight->dim(0);
  for (const auto& [name, x] : {std::pair{"query", &query}, {"key", &key}, {"value", &value}}) {
    check<Error>(x->defined(), "{} is undefined", name);
    check(x->rank() == 3 && x->dim(2) == width, "{} has shape {}, expected [N, {}, {}]", name, x->shape(),
          x == &query ? "L" : "S", width);
  }
  const std::int64_t samples = query.dim(0);
  const std::int64_t steps = query.dim(1);
  const std::int64_t keys = key.dim(1);
  check(key.dim(0) == samples && value.dim(0) == samples && value.dim(1) == keys,
        "query {}, key {} and value {} must agree in N, key and value in S", query.shape(), key.shape(), value.shape());
  check(!arguments.key_mask.defined() || arguments.key_mask.shape() == Shape{samples, keys},
        "key_mask has shape {}, expected [N, S]: [{}, {}]",
        arguments.key_mask.defined() ? arguments.key_mask.shape() : Shape(), samples, keys);

  // Parts `first` to `last` of the input projection: 0 for queries, 1 for keys, 2 for values.
  const auto project = [&](const Tensor& x, std::int64_t first, std::int64_t last) {
    const auto rows = [&](const Tensor& all) {
      return all.defined() ? all.slice(first * width, (last + 1) * width) : Tensor();
    };
    return split_heads(linear(x, rows(input.weight), rows(input.bias)), last - first + 1, heads_);
  };
  Tensor q;
  Tensor k;
  Tensor v;
  if (same(query, key) && same(key, value)) {
    std::vector<Tensor> all = split_heads(input(query), 3, heads_);
    q = std::move(all[0]);
    k = std::move(all[1]);
    v = std::move(all[2]);
  } else {
    q = project(query, 0, 0)[0];
    if (same(key, value)) {
      std::vector<Tensor> two = project(key, 1, 2);
      k = std::move(two[0]);
      v = std::move(two[1]);
    } else {
      k = project(key, 1, 1)[0];
      v = project(value, 2, 2)[0];
    }
  }
  if (rotary_) {
    q = rotary_positions(q);
    k = rotary_positions(k);
  }

  AttentionOptions options{.mask = both(with_heads(arguments.mask), arguments.key_mask),
                           .bias = with_heads(arguments.bias),
                           .causal = arguments.causal,
                           .dropout = is_training() ? dropout_ : 0};
  const Tensor seen = transpose(scaled_dot_product_attention(q, k, v, options), 1, 2);
  AttentionResult result{.output = output(reshape(seen, {samples, steps, width})), .weights = {}};
  if (arguments.weights) {
    options.dropout = 0;
    // What is seen of values that are 1 for one key and 0 for all others is that key's weight.
    result.weights = scaled_dot_product_attention(q, k, eye(keys, keys, v.dtype()), options);
  }
  return result;
}

}  // namespace wengert::nn
