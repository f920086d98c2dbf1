#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/embedding.h>

namespace wengert::nn {

namespace {

/// 1 where x is the index, else 0, with an axis for the features.
Tensor is_padding(const Tensor& x, std::int64_t index) { return unsqueeze(x == static_cast<double>(index), -1); }

}  // namespace

Embedding::Embedding(std::int64_t count, std::int64_t features, const EmbeddingOptions& options)
    : padding_index_(options.padding_index) {
  check<Error>(count > 0 && features > 0, "Embedding: count and features must be at least 1, got {} and {}", count,
               features);
  Tensor first = options.init(Shape{count, features}, options.dtype);
  if (padding_index_) {
    check<Error>(*padding_index_ >= 0 && *padding_index_ < count,
                 "Embedding: padding_index must be at least 0 and below {}, got {}", count, *padding_index_);
    first = masked_fill(first, is_padding(arange(static_cast<double>(count), int64), *padding_index_), 0);
  }
  weight = Parameter(first);
}

Tensor Embedding::forward(const Tensor& x) const {
  const Tensor y = embedding(weight, x);
  if (!padding_index_) return y;
  return where(is_padding(x, *padding_index_), y.detach(), y);
}

void Embedding::visit(Visitor& v) { v("weight", weight); }

std::string Embedding::options() const {
  return fmt::format("{}, {}", weight->dim(0), weight->dim(1)) +
         (padding_index_ ? fmt::format(", padding index {}", *padding_index_) : "");
}

}  // namespace wengert::nn
