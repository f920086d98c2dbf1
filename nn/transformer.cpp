#include <fmt/format.h>

#include <wengert/nn/transformer.h>

namespace wengert::nn {

namespace {

MultiHeadAttentionOptions attention_options(const TransformerLayerOptions& options, bool rotary) {
  return {.dropout = options.dropout, .bias = options.bias, .rotary = rotary, .dtype = options.dtype};
}

DenseOptions dense_options(const TransformerLayerOptions& options) {
  return {.bias = options.bias, .dtype = options.dtype};
}

LayerNorm make_norm(std::int64_t width, const TransformerLayerOptions& options) {
  return LayerNorm(width, {.epsilon = options.epsilon, .bias = options.bias, .dtype = options.dtype});
}

std::int64_t checked_units(const char* name, std::int64_t width, const TransformerLayerOptions& options) {
  const std::int64_t units = options.feedforward.value_or(4 * width);
  check<Error>(width > 0 && units > 0, "{}: width and feedforward must be at least 1, got {} and {}", name, width,
               units);
  check<Error>(options.dropout >= 0 && options.dropout < 1, "{}: dropout must be at least 0 and below 1, got {}", name,
               options.dropout);
  return units;
}

template <class Layer>
std::vector<Layer> make_layers(const char* name, std::int64_t width, std::int64_t heads,
                               const TransformerOptions& options) {
  check<Error>(options.layers > 0, "{}: layers must be at least 1, got {}", name, options.layers);
  std::vector<Layer> layers;
  for (std::int64_t i = 0; i < options.layers; ++i) layers.emplace_back(width, heads, options.layer);
  return layers;
}

std::optional<LayerNorm> make_final_norm(std::int64_t width, const TransformerOptions& options) {
  if (!options.final_norm.value_or(options.layer.norm_first)) return {};
  return make_norm(width, options.layer);
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------------------
// Parts.

namespace detail {

TransformerLayer::TransformerLayer(const char* name, std::int64_t width, const TransformerLayerOptions& options)
    : linear1(width, checked_units(name, width, options), dense_options(options)),
      linear2(linear1.weight->dim(0), width, dense_options(options)),
      dropout_(options.dropout),
      activation_(options.activation),
      norm_first_(options.norm_first) {}

Tensor TransformerLayer::dropped(const Tensor& x) const { return dropout(x, dropout_, is_training()); }

Tensor TransformerLayer::feed_forward(const Tensor& x) const {
  const Tensor sums = linear1(x);
  switch (activation_) {
    case TransformerActivation::relu: return linear2(dropped(relu(sums)));
    case TransformerActivation::gelu: return linear2(dropped(gelu(sums)));
    case TransformerActivation::silu: break;
  }
  return linear2(dropped(silu(sums)));
}

void TransformerLayer::visit_feed_forward(Visitor& v) {
  v("linear1", linear1);
  v("linear2", linear2);
}

std::string TransformerLayer::describe(const MultiHeadAttention& attention) const {
  const char* const names[] = {"relu", "gelu", "silu"};
  return fmt::format("{}, feedforward {}, {}{}", attention.options(), linear1.weight->dim(0),
                     names[static_cast<int>(activation_)], norm_first_ ? ", norm first" : "");
}

}  // namespace detail

// ---------------------------------------------------------------------------------------------------------------------
// Layers.

TransformerEncoderLayer::TransformerEncoderLayer(std::int64_t width, std::int64_t heads,
                                                 const TransformerLayerOptions& options)
    : TransformerLayer("TransformerEncoderLayer", width, options),
      attention(width, heads, attention_options(options, options.rotary)),
      norm1(make_norm(width, options)),
      norm2(make_norm(width, options)) {}

Tensor TransformerEncoderLayer::operator()(const Tensor& x, const EncoderArguments& arguments) const {
  return hooked(x, [&](const Tensor& input) { return encode(input, arguments); });
}

Tensor TransformerEncoderLayer::forward(const Tensor& x) const { return encode(x, {}); }

Tensor TransformerEncoderLayer::encode(const Tensor& x, const EncoderArguments& arguments) const {
  const AttentionArguments self{.mask = arguments.mask, .key_mask = arguments.key_mask, .causal = arguments.causal};
  const Tensor y = add(x, norm1, [&](const Tensor& input) { return attention(input, self).output; });
  return add(y, norm2, [&](const Tensor& input) { return feed_forward(input); });
}

void TransformerEncoderLayer::visit(Visitor& v) {
  v("attention", attention);
  v("norm1", norm1);
  visit_feed_forward(v);
  v("norm2", norm2);
}

std::string TransformerEncoderLayer::options() const { return describe(attention); }

TransformerDecoderLayer::TransformerDecoderLayer(std::int64_t width, std::int64_t heads,
                                                 const TransformerLayerOptions& options)
    : TransformerLayer("TransformerDecoderLayer", width, options),
      attention(width, heads, attention_options(options, options.rotary)),
      memory_attention(width, heads, attention_options(options, false)),
      norm1(make_norm(width, options)),
      norm2(make_norm(width, options)),
      norm3(make_norm(width, options)) {}

Tensor TransformerDecoderLayer::operator()(const Tensor& x, const Tensor& memory,
                                           const DecoderArguments& arguments) const {
  const AttentionArguments self{.mask = arguments.mask, .key_mask = arguments.key_mask, .causal = arguments.causal};
  const AttentionArguments across{.mask = arguments.memory_mask, .key_mask = arguments.memory_key_mask};
  return hooked(x, [&](const Tensor& start) {
    Tensor y = add(start, norm1, [&](const Tensor& input) { return attention(input, self).output; });
    y = add(y, norm2, [&](const Tensor& input) { return memory_attention(input, memory, memory, across).output; });
    return add(y, norm3, [&](const Tensor& input) { return feed_forward(input); });
  });
}

void TransformerDecoderLayer::visit(Visitor& v) {
  v("attention", attention);
  v("norm1", norm1);
  v("memory_attention", memory_attention);
  v("norm2", norm2);
  visit_feed_forward(v);
  v("norm3", norm3);
}

std::string TransformerDecoderLayer::options() const { return describe(attention); }

// ---------------------------------------------------------------------------------------------------------------------
// Stacks.

TransformerEncoder::TransformerEncoder(std::int64_t width, std::int64_t heads, const TransformerOptions& options)
    : layers(make_layers<TransformerEncoderLayer>("TransformerEncoder", width, heads, options)),
      norm_(make_final_norm(width, options)) {}

Tensor TransformerEncoder::operator()(const Tensor& x, const EncoderArguments& arguments) const {
  return hooked(x, [&](const Tensor& input) { return encode(input, arguments); });
}

Tensor TransformerEncoder::forward(const Tensor& x) const { return encode(x, {}); }

Tensor TransformerEncoder::encode(const Tensor& x, const EncoderArguments& arguments) const {
  Tensor y = x;
  for (const TransformerEncoderLayer& layer : layers) y = layer(y, arguments);
  return norm_ ? (*norm_)(y) : y;
}

void TransformerEncoder::visit(Visitor& v) {
  v("layers", layers);
  if (norm_) v("norm", *norm_);
}

TransformerDecoder::TransformerDecoder(std::int64_t width, std::int64_t heads, const TransformerOptions& options)
    : layers(make_layers<TransformerDecoderLayer>("TransformerDecoder", width, heads, options)),
      norm_(make_final_norm(width, options)) {}

Tensor TransformerDecoder::operator()(const Tensor& x, const Tensor& memory, const DecoderArguments& arguments) const {
  return hooked(x, [&](const Tensor& input) {
    Tensor y = input;
    for (const TransformerDecoderLayer& layer : layers) y = layer(y, memory, arguments);
    return norm_ ? (*norm_)(y) : y;
  });
}

void TransformerDecoder::visit(Visitor& v) {
  v("layers", layers);
  if (norm_) v("norm", *norm_);
}

}  // namespace wengert::nn
