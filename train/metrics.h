#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <wengert/autograd/tensor.h>

namespace wengert {

/// The share of samples whose prediction is right. predicted: labels [N], int64, or scores (logits, probabilities)
/// [N, K], the largest of which counts; labels: [N], int64. Throws ShapeError or DTypeError on anything else, and on
/// N = 0.
double accuracy(const Tensor& predicted, const Tensor& labels);

/// How often which class was taken for which: [classes, classes], int64, truth by row and prediction by column.
/// Arguments as for `accuracy`, and N may be 0. Throws ShapeError naming a label out of range.
Tensor confusion_matrix(const Tensor& predicted, const Tensor& labels, std::int64_t classes);

/// The matrix as an aligned table, with each class's recall to the right and its precision below. `names`: of the
/// classes; their numbers if empty. Zeros off the diagonal are dots, so that mistakes stand out.
std::string format_confusion_matrix(const Tensor& matrix, const std::vector<std::string>& names = {});

/// A weighted mean of numbers as they come.
class RunningMean {
 public:
  void add(double value, double weight = 1) {
    sum_ += weight * value;
    weight_ += weight;
  }
  void clear() { *this = {}; }
  bool empty() const { return weight_ == 0; }
  /// NaN if empty.
  double value() const;

 private:
  double sum_ = 0;
  double weight_ = 0;
};

}  // namespace wengert
