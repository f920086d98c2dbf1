#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/dropout.h>

namespace wengert::nn {

Dropout::Dropout(double p) : p_(p) {
  check<Error>(p >= 0 && p < 1, "Dropout: p must be at least 0 and below 1, got {}", p);
}

Tensor Dropout::forward(const Tensor& x) const { return dropout(x, p_, is_training()); }

std::string Dropout::options() const { return fmt::format("{}", p_); }

}  // namespace wengert::nn
