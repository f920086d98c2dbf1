#include <cmath>

#include <fmt/format.h>

#include <wengert/autograd/ops.h>
#include <wengert/nn/dropout.h>

#include "nn/detail/describe.h"

namespace wengert::nn {

namespace {

double checked(const char* layer, double p) {
  check<Error>(p >= 0 && p < 1, "{}: p must be at least 0 and below 1, got {}", layer, p);
  return p;
}

void check_rank(const Tensor& x, int axes) {
  check(x.rank() == axes + 2, "x has shape {}, expected {}", x.shape(), detail::describe_batch(axes));
}

}  // namespace

Dropout::Dropout(double p) : p_(checked("Dropout", p)) {}

Tensor Dropout::forward(const Tensor& x) const { return dropout(x, p_, is_training()); }

std::string Dropout::options() const { return fmt::format("{}", p_); }

ChannelDropout::ChannelDropout(double p) : p_(checked("ChannelDropout", p)) {}

Tensor ChannelDropout::forward(const Tensor& x) const {
  check(x.rank() >= 2, "x has shape {}, expected [N, C, ...]", x.shape());
  if (!is_training() || p_ == 0) return dropout(x, p_, false);
  Shape channels = x.shape();
  for (int axis = 2; axis < x.rank(); ++axis) channels = channels.with(axis, 1);
  return x * dropout(ones(channels, x.dtype()), p_);
}

std::string ChannelDropout::options() const { return fmt::format("{}", p_); }

Tensor Dropout1d::forward(const Tensor& x) const {
  check_rank(x, 1);
  return ChannelDropout::forward(x);
}

Tensor Dropout2d::forward(const Tensor& x) const {
  check_rank(x, 2);
  return ChannelDropout::forward(x);
}

Tensor Dropout3d::forward(const Tensor& x) const {
  check_rank(x, 3);
  return ChannelDropout::forward(x);
}

AlphaDropout::AlphaDropout(double p) : p_(checked("AlphaDropout", p)) {}

Tensor AlphaDropout::forward(const Tensor& x) const {
  if (!is_training() || p_ == 0) return dropout(x, p_, false);
  constexpr double limit = -1.0507009873554805 * 1.6732632423543772;  // of SELU at -infinity
  const double keep = 1 - p_;
  const double scale = 1 / std::sqrt(keep + limit * limit * keep * p_);
  const Tensor kept = bernoulli(full(x.shape(), keep, x.dtype()));
  return where(kept, x, limit) * scale - scale * p_ * limit;
}

std::string AlphaDropout::options() const { return fmt::format("{}", p_); }

}  // namespace wengert::nn
