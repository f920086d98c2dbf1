#pragma once

#include <cstdint>
#include <string>

#include <wengert/autograd/ops.h>
#include <wengert/nn/dense.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

struct MultiHeadAttentionOptions {
  double dropout = 0;   ///< probability with which an attention weight is dropped, in training mode
  bool bias = true;     ///< of all four projections
  bool rotary = false;  ///< queries and keys are turned by their positions; see rotary_positions
  DType dtype = float32;
};

/// What a call of MultiHeadAttention takes beside the sequences. Masks are of any dtype, and 1 means to look, as in
/// scaled_dot_product_attention (PyTorch's key_padding_mask is the other way round). For padded sequences:
/// `{.key_mask = sequence_mask(lengths, steps)}`. A query that may look at no key sees zeros.
struct AttentionArguments {
  Tensor mask = {};      ///< [L, S], [N, L, S] or [N, heads, L, S]: 0 where a query does not look at a key
  Tensor key_mask = {};  ///< [N, S]: 0 at keys that are padding, which nobody looks at
  Tensor bias = {};      ///< added to the scores; shaped as mask; of the weights' dtype, may need a gradient
  bool causal = false;   ///< query i does not look at keys behind i
  bool weights = false;  ///< give the attention weights too
};

struct AttentionResult {
  Tensor output;  ///< [N, L, E]
  Tensor
      weights;  ///< [N, heads, L, S], how much each query looks at each key, dropout aside; undefined unless asked for
};

/// Attention in several subspaces at once (Vaswani et al., Attention is all you need, 2017): queries, keys and values
/// are projected, each head attends with its E / heads features of them, and what all heads saw is projected again.
/// Sequences are batch first: [N, L, E]. `attention(x)`, in a Sequential for example, is self-attention. Hooks see the
/// query, or x, and the output.
class MultiHeadAttention : public Module {
 public:
  /// For sequences of `width` features, E. Throws Error unless both numbers are at least 1, heads divides width, with
  /// an even quotient if rotary, and dropout is in [0, 1).
  MultiHeadAttention(std::int64_t width, std::int64_t heads, const MultiHeadAttentionOptions& options = {});

  /// query: [N, L, E], key and value: [N, S, E]. Throws ShapeError unless they are, and masks and bias fit them.
  AttentionResult operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                             const AttentionArguments& arguments = {}) const;
  /// Of x: [N, L, E] with itself.
  AttentionResult operator()(const Tensor& x, const AttentionArguments& arguments) const;
  using Module::operator();
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Dense input;   ///< the projections of query, key and value, one below the other: weight [3 E, E], bias [3 E]
  Dense output;  ///< [E, E]

 private:
  AttentionResult attend(const Tensor& query, const Tensor& key, const Tensor& value,
                         const AttentionArguments& arguments) const;

  std::int64_t heads_;
  double dropout_;
  bool rotary_;
};

}  // namespace wengert::nn
