#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/flatten.h>

namespace wengert::nn {

Tensor Flatten::forward(const Tensor& x) const { return flatten(x, first_, last_); }

std::string Flatten::options() const {
  return first_ == 1 && last_ == -1 ? "" : fmt::format("axes {} to {}", first_, last_);
}

}  // namespace wengert::nn
