#include "train/evaluate.h"

#include <algorithm>
#include <numeric>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "train/detail/scores.h"

namespace wengert {
namespace {

class Modules : public nn::Visitor {
 public:
  explicit Modules(std::vector<std::pair<nn::Module*, bool>>& modes) : modes_(modes) {}

 private:
  void enter(const std::string& /*path*/, nn::Module& child) override {
    modes_.emplace_back(&child, child.is_training());
  }
  std::vector<std::pair<nn::Module*, bool>>& modes_;
};

/// Calls `f(batch)` for the samples in order.
template <class F>
void for_batches(const char* caller, const datasets::AnyDataset& data, std::int64_t batch_size, F f) {
  check<Error>(batch_size >= 1, "{}: batch_size must be at least 1, got {}", caller, batch_size);
  std::vector<std::int64_t> indices;
  for (std::int64_t begin = 0; begin < data.size(); begin += batch_size) {
    indices.resize(static_cast<std::size_t>(std::min(batch_size, data.size() - begin)));
    std::iota(indices.begin(), indices.end(), begin);
    f(data.batch(indices));
  }
}

/// The model in evaluation mode without recording, for a scope.
class Evaluation {
 public:
  explicit Evaluation(nn::Module& model) : modes_(model) { model.eval(); }

 private:
  ModeGuard modes_;
  NoGrad no_grad_;
};

}  // namespace

ModeGuard::ModeGuard(nn::Module& module) : modes_{{&module, module.is_training()}} {
  Modules visitor(modes_);
  module.visit(visitor);
}

ModeGuard::~ModeGuard() {
  for (const auto& [module, training] : modes_) module->train(training);
}

Tensor LossFunction::operator()(const char* caller, const Tensor& prediction, const Tensor& target) const {
  Tensor loss = f_(prediction, target);
  check<Error>(loss.defined(), "{}: the loss function gave an undefined tensor", caller);
  check(loss.numel() == 1, "{}: the loss must be one number, got {}", caller, loss.shape());
  return loss.rank() == 0 ? loss : loss.reshape(Shape{});
}

Scores evaluate(nn::Module& model, const datasets::AnyDataset& data, const EvaluateOptions& options) {
  const Evaluation evaluation(model);
  std::vector<AnyMetric> metrics = options.metrics;
  for (AnyMetric& metric : metrics) metric.clear();
  RunningMean loss;
  for_batches("evaluate", data, options.batch_size, [&](const datasets::Batch& batch) {
    const Tensor prediction = model(batch.x);
    for (AnyMetric& metric : metrics) metric.add(prediction, batch.y);
    if (!options.loss) return;
    loss.add(options.loss("evaluate", prediction, batch.y).item(), static_cast<double>(batch.x.dim(0)));
  });
  return detail::scores_of(loss.value(), metrics);
}

Tensor predict(nn::Module& model, const Tensor& x, const PredictOptions& options) {
  check<Error>(x.defined(), "predict: x is undefined");
  check(x.rank() >= 1, "predict: x must be [N, ...], got []");
  return predict(model, datasets::TensorDataset(x, arange(static_cast<double>(x.dim(0)), int64), 0), options);
}

Tensor predict(nn::Module& model, const datasets::AnyDataset& data, const PredictOptions& options) {
  const Evaluation evaluation(model);
  std::vector<Tensor> predictions;
  for_batches("predict", data, options.batch_size, [&](const datasets::Batch& batch) {
    predictions.push_back(model(batch.x));
    check(predictions.back().rank() >= 1 && predictions.back().dim(0) == batch.x.dim(0),
          "predict: the model gave {} for a batch of {} samples", predictions.back().shape(), batch.x.dim(0));
  });
  if (predictions.empty()) return model(data.batch({}).x);
  return predictions.size() == 1 ? predictions.front() : cat(predictions, 0);
}

}  // namespace wengert
