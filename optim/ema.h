#pragma once

#include <cstdint>
#include <vector>

#include <wengert/autograd/parameter.h>
#include <wengert/io/state_dict.h>

namespace wengert::optim {

struct EMAOptions {
  double decay = 0.999;  ///< in [0, 1)
  bool warmup = false;   ///< decay min(decay, (1 + t) / (10 + t)) at update t, from 1: early weights fade sooner
};

/// An exponential moving average of a model's weights, often better than the last ones: B. T. Polyak and A. B.
/// Juditsky, "Acceleration of stochastic approximation by averaging", 1992; in this form as in TensorFlow. Starts with
/// the parameters' numbers; each update: average = decay average + (1 - decay) w. Buffers, such as the running
/// statistics of a batch normalisation, are none of its parameters. \code
///   optim::ExponentialMovingAverage ema(model.parameters(), {.decay = 0.999});
///   for (...) { ...; optimizer.step(); ema.update(); }
///   {
///     const auto averaged = ema.swap_in();  // the model has the averaged weights until the scope ends
///     evaluate(model);
///   }
///   ema.copy_to(best.parameters());         // or another model gets them for good
/// \endcode
class ExponentialMovingAverage {
 public:
  /// While it lives the parameters have the averaged numbers; then those that they had before.
  class Scope {
   public:
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope();

   private:
    friend class ExponentialMovingAverage;
    explicit Scope(const ExponentialMovingAverage& ema);

    std::vector<ParameterRef> parameters_;
    std::vector<Tensor> before_;
  };

  /// Throws Error if decay is out of range or a parameter is undefined.
  explicit ExponentialMovingAverage(std::vector<ParameterRef> parameters, const EMAOptions& options = {});

  /// Takes in the parameters' numbers; to be called after each step of the optimizer.
  void update();

  /// The averages, one per parameter.
  const std::vector<Tensor>& averages() const noexcept { return averages_; }
  /// Gives these parameters the averages. Throws Error unless there are as many, ShapeError or DTypeError unless they
  /// have the same shapes and dtypes; then none has changed.
  void copy_to(const std::vector<ParameterRef>& parameters) const;
  [[nodiscard]] Scope swap_in() const { return Scope(*this); }

  /// "updates" and "<i>", the average of the i-th parameter.
  StateDict state_dict() const;
  /// Throws Error that lists what does not fit; then nothing has changed.
  void load_state_dict(const StateDict& state);

 private:
  std::vector<ParameterRef> parameters_;
  std::vector<Tensor> averages_;
  EMAOptions options_;
  std::int64_t updates_ = 0;
};

}  // namespace wengert::optim
