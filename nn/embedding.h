#pragma once

#include <optional>

#include <wengert/nn/init.h>
#include <wengert/nn/module.h>

namespace wengert::nn {

struct EmbeddingOptions {
  /// A row of zeros at first that no gradient reaches: of what fills up short sequences.
  std::optional<std::int64_t> padding_index = {};
  Initializer init = init::normal();
  DType dtype = float32;
};

/// A learned vector for each of `count` symbols. x: int64 of any shape, weight: [count, features]; the result is
/// [x's shape..., features].
class Embedding : public Module {
 public:
  /// Throws Error unless both sizes are at least 1 and padding_index is the index of a row.
  Embedding(std::int64_t count, std::int64_t features, const EmbeddingOptions& options = {});

  /// Throws DTypeError unless x is int64, ShapeError naming an index out of range.
  Tensor forward(const Tensor& x) const override;
  void visit(Visitor& v) override;
  std::string options() const override;

  Parameter weight;

 private:
  std::optional<std::int64_t> padding_index_;
};

}  // namespace wengert::nn
