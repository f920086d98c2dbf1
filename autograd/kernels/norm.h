#pragma once

#include <cstdint>

/// \file
/// Normalisation of groups of numbers, and its gradients. All five normalisations differ only in which numbers make a
/// group, and in which of them share a weight and a bias.

namespace wengert::kernels {

/// How a contiguous tensor falls into groups. A group is some channels, one behind the other; a channel is `runs` runs
/// of `length` neighbours, `run_stride` apart. Several channels have one run each. No size is 0.
struct NormLayout {
  std::int64_t groups = 1;
  std::int64_t channels = 1;  // of a group
  std::int64_t runs = 1;      // of a channel
  std::int64_t length = 1;    // of a run
  std::int64_t group_stride = 0;
  std::int64_t run_stride = 0;
  std::int64_t period = 1;   // groups after which weights and biases repeat
  bool per_element = false;  // an element of a run has a weight and a bias of its own, shared by nothing else in the
                             // group; else a channel has

  std::int64_t size() const { return channels * runs * length; }
  std::int64_t parameters_per_group() const { return per_element ? length : channels; }
  std::int64_t parameters() const { return period * parameters_per_group(); }
};

/// What is subtracted and divided by.
enum class NormKind : std::uint8_t {
  deviations,   // the group's mean and standard deviation
  root_square,  // nothing, and the root of the mean square
  given,        // a mean and a deviation that do not depend on the group's elements
};

/// A mean and 1 / sqrt(variance + epsilon) for each group; in double, as a mean rounded to float is off by more than
/// the result may be where the mean is much larger than the deviation.
struct GroupStatistics {
  double* mean;
  double* rstd;
  double* variance;  // only for `deviations`, or nullptr
};

/// y = (x - mean) rstd weight + bias; fills the statistics unless they are given. weight and bias may be nullptr.
/// Threads share out the groups; none is split.
template <class T>
void normalize(const NormLayout& layout, NormKind kind, double epsilon, const T* x, const T* weight, const T* bias,
               const GroupStatistics& statistics, T* y);

/// Where the gradients go, nullptr for those not needed. Those of weight and bias are [gradient_rows, parameters]: sums
/// over parts of the groups, still to be added up.
template <class T>
struct NormGradients {
  T* x;
  T* weight;
  T* bias;
};

std::int64_t gradient_rows(const NormLayout& layout);

/// Gradients from g, that of y. The formula is Ioffe and Szegedy's (2015) in the form
/// dx = rstd (h - mean(h) - z mean(h z)), with h = g weight and z = (x - mean) rstd.
template <class T>
void normalize_gradients(const NormLayout& layout, NormKind kind, const T* g, const T* x, const T* weight,
                         const double* mean, const double* rstd, const NormGradients<T>& gradients);

}  // namespace wengert::kernels
