#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <wengert/autograd/random.h>
#include <wengert/autograd/tensor.h>

namespace wengert::datasets {

/// Some samples: x: [n, ...], y: [n, ...], in the same order.
struct Batch {
  Tensor x;
  Tensor y;
};

/// Samples with targets, counted from 0. A data set never changes, and copies of one share its numbers. A new kind of
/// data set is a class with the functions below; `classes` only if the targets are labels.
class Dataset {
 public:
  virtual ~Dataset() = default;

  /// The number of samples.
  virtual std::int64_t size() const = 0;
  /// The samples with these indices, in that order; an index may come more than once. Throws ShapeError naming an index
  /// that is out of range.
  virtual Batch batch(std::span<const std::int64_t> indices) const = 0;
  /// The samples begin to begin + count - 1: by `batch`, unless a data set has a quicker way. Throws ShapeError if some
  /// of them are not there.
  virtual Batch range(std::int64_t begin, std::int64_t count) const;
  /// Of one sample, so without the leading axis of a batch.
  virtual Shape x_shape() const = 0;
  virtual Shape y_shape() const = 0;
  /// Targets are labels (int64) from 0 to classes() - 1; 0 if they are something else.
  virtual std::int64_t classes() const { return 0; }

  /// All samples, as one batch.
  Batch all() const;

 protected:
  Dataset() = default;
  Dataset(const Dataset&) = default;
  Dataset& operator=(const Dataset&) = default;
};

/// Any data set, as a value: keeps a copy of what it is made from.
class AnyDataset final : public Dataset {
 public:
  template <std::derived_from<Dataset> D>
  AnyDataset(D dataset)  // NOLINT(google-explicit-constructor): a data set is one
      : dataset_(std::make_shared<const D>(std::move(dataset))) {}

  std::int64_t size() const override { return dataset_->size(); }
  Batch batch(std::span<const std::int64_t> indices) const override { return dataset_->batch(indices); }
  Batch range(std::int64_t begin, std::int64_t count) const override { return dataset_->range(begin, count); }
  Shape x_shape() const override { return dataset_->x_shape(); }
  Shape y_shape() const override { return dataset_->y_shape(); }
  std::int64_t classes() const override { return dataset_->classes(); }

 private:
  std::shared_ptr<const Dataset> dataset_;
};

/// Samples from memory: row i of `x` with row i of `y`. A batch is one gather; a stretch of consecutive rows shares the
/// elements.
class TensorDataset : public Dataset {
 public:
  /// x: [N, ...], y: [N, ...]. `classes`: if not given, the largest label + 1 for int64 targets [N] that are not
  /// negative, else 0. Throws ShapeError if the lengths differ, or naming a label that is not below `classes`.
  TensorDataset(const Tensor& x, const Tensor& y, std::optional<std::int64_t> classes = {});

  std::int64_t size() const override { return x_.dim(0); }
  Batch batch(std::span<const std::int64_t> indices) const override;
  Batch range(std::int64_t begin, std::int64_t count) const override;
  Shape x_shape() const override { return x_.shape().removed(0); }
  Shape y_shape() const override { return y_.shape().removed(0); }
  std::int64_t classes() const override { return classes_; }

  const Tensor& x() const { return x_; }
  const Tensor& y() const { return y_; }

 private:
  Tensor x_;
  Tensor y_;
  std::int64_t classes_ = 0;
};

/// Some samples of another data set: sample i is sample indices[i] there.
class Subset : public Dataset {
 public:
  /// Throws ShapeError naming an index that is out of range.
  Subset(AnyDataset of, std::vector<std::int64_t> indices);

  std::int64_t size() const override { return static_cast<std::int64_t>(indices_->size()); }
  Batch batch(std::span<const std::int64_t> indices) const override;
  Shape x_shape() const override { return of_.x_shape(); }
  Shape y_shape() const override { return of_.y_shape(); }
  std::int64_t classes() const override { return of_.classes(); }

  const std::vector<std::int64_t>& indices() const { return *indices_; }

 private:
  AnyDataset of_;
  std::shared_ptr<const std::vector<std::int64_t>> indices_;
};

struct SplitOptions {
  std::uint64_t seed = 0;
  bool stratified = false;  ///< every class is split in the same proportion; needs labels
};

struct Split {
  Subset train;
  Subset test;
};

/// Parts a data set at random: round(test_fraction * size) samples for testing, the others for training, each in random
/// order. `auto [train, test] = train_test_split(digits, 0.2);`
/// Throws Error unless 0 < test_fraction < 1 and both parts get a sample, and if `stratified` has no labels to go by.
Split train_test_split(const AnyDataset& dataset, double test_fraction, const SplitOptions& options = {});

}  // namespace wengert::datasets
