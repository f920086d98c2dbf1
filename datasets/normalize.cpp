#include "datasets/normalize.h"

#include <algorithm>
#include <cmath>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "datasets/data_loader.h"

namespace wengert::datasets {
namespace {

Axes axes_to_average(Normalize::Per per, int rank) {
  switch (per) {
    case Normalize::Per::dataset: return {};
    case Normalize::Per::feature: return {0};
    case Normalize::Per::channel: break;
  }
  check(rank >= 2, "Normalize: x has no channels: a sample has rank {}", rank - 1);
  Axes axes{0};
  for (int axis = 2; axis < rank; ++axis) axes.push_back(axis);
  return axes;
}

void check_finite(const char* what, const Tensor& numbers, bool may_be_negative) {
  for (const double number : numbers.data<double>()) {
    check<Error>(std::isfinite(number) && (may_be_negative || number >= 0), "Normalize: {} is {}", what, number);
  }
}

/// The mean of f(x) over a data set, a batch at a time, so that float64 copies of everything need not fit in memory.
template <class F>
Tensor average(const Dataset& dataset, const Axes& axes, F f) {
  constexpr std::int64_t chunk = 1024;
  Tensor total;
  std::vector<std::int64_t> indices;
  for (std::int64_t begin = 0; begin < dataset.size(); begin += chunk) {
    indices.clear();
    for (std::int64_t i = begin; i < std::min(begin + chunk, dataset.size()); ++i) indices.push_back(i);
    const Tensor part = sum(f(dataset.batch(indices).x.to(float64)), axes, true);
    total = total.defined() ? total + part : part;
  }
  const std::int64_t count = dataset.size() * dataset.x_shape().numel() / std::max<std::int64_t>(total.numel(), 1);
  return total / static_cast<double>(count);
}

}  // namespace

Normalize Normalize::fit(const Dataset& training, Per per) {
  const NoGrad no_grad;
  check<Error>(training.size() > 0 && training.x_shape().numel() > 0, "Normalize: the data set is empty");
  const std::int64_t first[] = {0};
  const DType dtype = training.batch(first).x.dtype();
  check<DTypeError>(is_floating(dtype), "Normalize: x must be float32 or float64, got {}", dtype);

  const Axes axes = axes_to_average(per, training.x_shape().rank() + 1);
  const Tensor mean = average(training, axes, [](const Tensor& x) { return x; });
  check_finite("the mean of x", mean, true);
  const Tensor variance = average(training, axes, [&](const Tensor& x) { return square(x - mean); });
  const Tensor deviation = sqrt(variance);
  // Where all values are equal, rounding in the mean leaves a trace of a deviation, and dividing by it would blow it
  // up.
  const double rounding = dtype == float32 ? 1e-7 : 1e-12;
  return Normalize(mean, where(deviation <= rounding * abs(mean), 0.0, deviation));
}

Normalize::Normalize(const Tensor& mean, const Tensor& deviation)
    : mean_(mean.to(float64).detach()), deviation_(deviation.to(float64).detach()) {
  check_finite("mean", mean_, true);
  check_finite("deviation", deviation_, false);
  deviation_ = where(deviation_ == 0.0, 1.0, deviation_);
}

Tensor Normalize::operator()(const Tensor& x) const { return (x - mean_.to(x.dtype())) / deviation_.to(x.dtype()); }

TensorDataset Normalize::operator()(const Dataset& dataset) const {
  const Batch all = (*this)(dataset.all());
  return TensorDataset(all.x, all.y, dataset.classes());
}

}  // namespace wengert::datasets
