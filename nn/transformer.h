#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <wengert/nn/attention.h>
#include <wengert/nn/dense.h>
#include <wengert/nn/module.h>
#include <wengert/nn/norm.h>

/// \file
/// Transformers (Vaswani et al., Attention is all you need, 2017). Sequences are batch first: [N, L, E]. A language
/// model that sees no word to come:
/// \code
///   struct Model : nn::Module {
///     nn::Embedding words{1000, 64};
///     nn::LearnedPositions positions{128, 64};
///     nn::TransformerEncoder encoder{64, 4, {.layers = 2, .layer = {.norm_first = true}}};
///     nn::Dense head{64, 1000};
///     Tensor forward(const Tensor& x) const override {
///       return head(encoder(positions(words(x)), {.causal = true}));
///     }
///     ...
///   };
/// \endcode

namespace wengert::nn {

/// What stands between the two halves of a feed-forward block.
enum class TransformerActivation : std::uint8_t { relu, gelu, silu };

/// Of one layer of an encoder or a decoder.
struct TransformerLayerOptions {
  std::optional<std::int64_t> feedforward = {};  ///< units inside the feed-forward block; 4 E if not given
  double dropout = 0.1;  ///< of attention weights, of units inside the block, and of what is added to x, in training
  TransformerActivation activation = TransformerActivation::relu;
  bool norm_first = false;  ///< x + f(norm(x)), which trains deep stacks more easily; else norm(x + f(x)) as in 2017
  bool bias = true;
  bool rotary = false;  ///< of self-attention; see rotary_positions
  double epsilon = 1e-5;
  DType dtype = float32;
};

/// What a call of an encoder takes beside x; see AttentionArguments.
struct EncoderArguments {
  Tensor mask = {};      ///< [L, L], [N, L, L] or [N, heads, L, L]: 0 where a step does not look at another
  Tensor key_mask = {};  ///< [N, L]: 0 at steps that are padding. Their own outputs mean nothing.
  bool causal = false;   ///< no step looks at those behind it
};

/// What a call of a decoder takes beside x: [N, L, E] and memory: [N, S, E].
struct DecoderArguments {
  Tensor mask = {};             ///< [L, L], [N, L, L] or [N, heads, L, L], among steps of x
  Tensor key_mask = {};         ///< [N, L]: 0 at steps of x that are padding
  Tensor memory_mask = {};      ///< [L, S], [N, L, S] or [N, heads, L, S]
  Tensor memory_key_mask = {};  ///< [N, S]: 0 at steps of memory that are padding
  bool causal = true;           ///< no step of x looks at those behind it
};

namespace detail {

/// What the layers of encoders and decoders have in common: the feed-forward block, and how blocks are added to x.
class TransformerLayer : public Module {
 protected:
  TransformerLayer(const char* name, std::int64_t width, const TransformerLayerOptions& options);

  /// x + f(norm(x)), or norm(x + f(x)), with dropout of f's result.
  template <class F>
  Tensor add(const Tensor& x, const LayerNorm& norm, F&& f) const {
    return norm_first_ ? x + dropped(f(norm(x))) : norm(x + dropped(f(x)));
  }
  Tensor dropped(const Tensor& x) const;
  Tensor feed_forward(const Tensor& x) const;
  void visit_feed_forward(Visitor& v);
  std::string describe(const MultiHeadAttention& attention) const;

 public:
  Dense linear1;  ///< [feedforward, E]
  Dense linear2;  ///< [E, feedforward]

 private:
  double dropout_;
  TransformerActivation activation_;
  bool norm_first_;
};

}  // namespace detail

/// Self-attention, then two dense layers at each step, each added to its input and normalised. x: [N, L, E] -> [N, L,
/// E].
class TransformerEncoderLayer : public detail::TransformerLayer {
 public:
  /// For sequences of `width` features, E. Throws Error unless all numbers are at least 1, heads divides width and
  /// dropout is in [0, 1).
  TransformerEncoderLayer(std::int64_t width, std::int64_t heads, const TransformerLayerOptions& options = {});

  Tensor operator()(const Tensor& x, const EncoderArguments& arguments) const;
  using Module::operator();
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  MultiHeadAttention attention;
  LayerNorm norm1;
  LayerNorm norm2;

 private:
  Tensor encode(const Tensor& x, const EncoderArguments& arguments) const;
};

/// Self-attention of x, attention of x to a memory, an encoder's output, and two dense layers at each step. x: [N, L,
/// E], memory: [N, S, E] -> [N, L, E].
class TransformerDecoderLayer : public detail::TransformerLayer {
 public:
  /// As TransformerEncoderLayer.
  TransformerDecoderLayer(std::int64_t width, std::int64_t heads, const TransformerLayerOptions& options = {});

  Tensor operator()(const Tensor& x, const Tensor& memory, const DecoderArguments& arguments = {}) const;
  void visit(Visitor& v) override;
  std::string options() const override;

  MultiHeadAttention attention;
  MultiHeadAttention memory_attention;
  LayerNorm norm1;
  LayerNorm norm2;
  LayerNorm norm3;
};

struct TransformerOptions {
  std::int64_t layers = 6;
  TransformerLayerOptions layer = {};
  std::optional<bool> final_norm = {};  ///< normalise after the last layer; by default if norm_first
};

/// Encoder layers on top of each other, with weights of their own.
class TransformerEncoder : public Module {
 public:
  /// As TransformerEncoderLayer. Throws Error unless there is at least one layer.
  TransformerEncoder(std::int64_t width, std::int64_t heads, const TransformerOptions& options = {});

  Tensor operator()(const Tensor& x, const EncoderArguments& arguments) const;
  using Module::operator();
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;

  std::vector<TransformerEncoderLayer> layers;

 private:
  Tensor encode(const Tensor& x, const EncoderArguments& arguments) const;

  std::optional<LayerNorm> norm_;
};

/// Decoder layers on top of each other, with weights of their own, that all look at one memory.
class TransformerDecoder : public Module {
 public:
  /// As TransformerEncoder.
  TransformerDecoder(std::int64_t width, std::int64_t heads, const TransformerOptions& options = {});

  Tensor operator()(const Tensor& x, const Tensor& memory, const DecoderArguments& arguments = {}) const;
  void visit(Visitor& v) override;

  std::vector<TransformerDecoderLayer> layers;

 private:
  std::optional<LayerNorm> norm_;
};

}  // namespace wengert::nn
