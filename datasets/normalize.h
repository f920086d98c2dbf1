#pragma once

#include <cstdint>

#include <wengert/datasets/dataset.h>

namespace wengert::datasets {

/// Shifts and scales inputs to mean 0 and standard deviation 1, as measured on the training data:
/// \code
///   const auto normalize = Normalize::fit(train);
///   model(normalize(x));
/// \endcode
class Normalize {
 public:
  /// What has a mean and a deviation of its own: everything together, each channel (axis 1 of a batch), or each element
  /// of a sample.
  enum class Per : std::uint8_t { dataset, channel, feature };

  /// Measures the mean and the (population) standard deviation of x over all samples, in float64. Throws Error if the
  /// data set is empty or a value is NaN or infinite, DTypeError for int64, ShapeError for channels that x has not.
  static Normalize fit(const Dataset& training, Per per = Per::dataset);

  /// Both broadcast to a batch. Where a deviation is 0 - all training values were equal - values are only shifted.
  /// Throws Error if a number is NaN or infinite or a deviation is negative.
  Normalize(const Tensor& mean, const Tensor& deviation);

  /// (x - mean) / deviation, in x's dtype. x: a batch [n, ...].
  Tensor operator()(const Tensor& x) const;
  Batch operator()(const Batch& batch) const { return {(*this)(batch.x), batch.y}; }
  /// All of a data set, normalised once and kept in memory.
  TensorDataset operator()(const Dataset& dataset) const;

  /// float64, ready to broadcast to a batch; a deviation of 0 has become 1.
  const Tensor& mean() const { return mean_; }
  const Tensor& deviation() const { return deviation_; }

 private:
  Tensor mean_;
  Tensor deviation_;
};

}  // namespace wengert::datasets
