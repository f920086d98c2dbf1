#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/flatten.h>

namespace wengert::nn {

Tensor Flatten::forward(const Tensor& x) const { return flatten(x, first_, last_); }

std::string Flatten::options() const {
  return first_ == 1 && last_ == -1 ? "" : fmt::format("axes {} to {}", first_, last_);
}

Reshape::Reshape(std::vector<std::int64_t> sizes) : sizes_(std::move(sizes)) {
  const bool valid = std::all_of(sizes_.begin(), sizes_.end(), [](std::int64_t size) { return size >= -1; });
  check<Error>(valid && std::count(sizes_.begin(), sizes_.end(), -1) <= 1,
               "Reshape: sizes must be at least 0, but one may be -1, got {}", sizes_);
  check<Error>(sizes_.size() < Shape::max_rank, "Reshape: a sample has at most {} axes, got {}", Shape::max_rank - 1,
               sizes_);
}

Tensor Reshape::forward(const Tensor& x) const {
  check(x.rank() > 0, "x has shape {}, expected a batch axis", x.shape());
  const std::int64_t elements = x.shape().numel(1, x.rank());
  std::vector<std::int64_t> sizes{x.dim(0)};
  std::int64_t product = 1;
  for (const std::int64_t size : sizes_) {
    sizes.push_back(size);
    if (size >= 0) product *= size;
  }
  if (const auto open = std::find(sizes.begin(), sizes.end(), -1); open != sizes.end() && product > 0) {
    *open = elements / product;
    product *= *open;
  }
  check(product == elements && std::count(sizes.begin(), sizes.end(), -1) == 0,
        "x is {}: {} elements a sample do not make [{}]", x.shape(), elements, fmt::join(sizes_, ", "));
  return reshape(x, Shape(sizes));
}

std::string Reshape::options() const { return fmt::format("{}", sizes_); }

}  // namespace wengert::nn
