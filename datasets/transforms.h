#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <wengert/datasets/dataset.h>

namespace wengert::datasets {

/// Which samples a batch holds, and in which epoch: all that a random transform's numbers depend on, but for its seed.
struct Draw {
  std::span<const std::int64_t> indices;
  std::uint64_t epoch = 0;
};

/// A change of batches: any function of a batch, or of a batch and its Draw. For Map and DataLoader, and to be called.
class Transform {
 public:
  template <class F>
    requires(!std::same_as<F, Transform> && (std::is_invocable_r_v<Batch, const F&, const Batch&> ||
                                             std::is_invocable_r_v<Batch, const F&, const Batch&, const Draw&>))
  Transform(F f) {  // NOLINT(google-explicit-constructor): a function is one
    if constexpr (std::is_invocable_r_v<Batch, const F&, const Batch&, const Draw&>) {
      function_ = std::move(f);
    } else {
      function_ = [f = std::move(f)](const Batch& batch, const Draw&) { return f(batch); };
    }
  }

  Batch operator()(const Batch& batch, const Draw& draw) const { return function_(batch, draw); }

 private:
  std::function<Batch(const Batch&, const Draw&)> function_;
};

/// One after the other.
class Compose {
 public:
  Compose(std::initializer_list<Transform> transforms) : transforms_(transforms) {}
  explicit Compose(std::vector<Transform> transforms) : transforms_(std::move(transforms)) {}
  Batch operator()(const Batch& batch, const Draw& draw) const;

 private:
  std::vector<Transform> transforms_;
};

/// Another data set's batches, changed when they are asked for. A random transform changes a sample in the same way
/// every time (as in epoch 0); to have it change from epoch to epoch, give it to the DataLoader.
class Map : public Dataset {
 public:
  /// Tries the transform on sample 0 to learn the shapes. `classes`: that of `of` if y keeps its shape and type, else
  /// 0.
  Map(AnyDataset of, Transform transform);

  std::int64_t size() const override { return of_.size(); }
  Batch batch(std::span<const std::int64_t> indices) const override;
  Shape x_shape() const override { return x_shape_; }
  Shape y_shape() const override { return y_shape_; }
  std::int64_t classes() const override { return classes_; }

 private:
  AnyDataset of_;
  Transform transform_;
  Shape x_shape_;
  Shape y_shape_;
  std::int64_t classes_ = 0;
};

/// x as floating-point numbers, times `scale`: `ToFloat(1.0 / 255)` for bytes.
class ToFloat {
 public:
  /// Throws DTypeError unless dtype is float32 or float64.
  explicit ToFloat(double scale = 1, DType dtype = float32);
  Batch operator()(const Batch& batch) const;

 private:
  double scale_;
  DType dtype_;
};

/// Labels y [n] as rows of zeros with a one: [n, classes]. Throws ShapeError for a label that is not below `classes`.
class OneHot {
 public:
  explicit OneHot(std::int64_t classes, DType dtype = float32);
  Batch operator()(const Batch& batch) const;

 private:
  std::int64_t classes_;
  DType dtype_;
};

/// Gives each sample by itself mean 0 and standard deviation 1; one whose values are all equal becomes 0. (Normalize
/// does so with the mean and deviation of the training data.) Throws DTypeError for int64.
class Standardize {
 public:
  Batch operator()(const Batch& batch) const;
};

/// Adds `amount` rows and columns of `value` on each side of images [n, ..., H, W]. Throws Error if it is negative.
class Pad {
 public:
  explicit Pad(std::int64_t amount, double value = 0);
  Batch operator()(const Batch& batch) const;

 private:
  std::int64_t amount_;
  double value_;
};

/// \name Random changes of images
/// x: [n, ..., H, W]; all planes of a sample change alike. What happens to a sample is a function of the seed, the
/// epoch and its index in the data set, and of nothing else. Two transforms of one kind need different seeds to be
/// independent; transforms of different kinds are. All throw ShapeError for x without rows and columns.
/// @{

/// A window of height x width at a random place, all being equally likely; `padding` as Pad before.
class RandomCrop {
 public:
  struct Options {
    std::int64_t padding = 0;
    std::uint64_t seed = 0;
  };
  /// Throws Error unless height and width are at least 1 and padding is not negative.
  RandomCrop(std::int64_t height, std::int64_t width, const Options& options);
  RandomCrop(std::int64_t height, std::int64_t width) : RandomCrop(height, width, Options{}) {}
  /// Throws ShapeError if the window is larger than the padded image.
  Batch operator()(const Batch& batch, const Draw& draw) const;

 private:
  std::int64_t height_;
  std::int64_t width_;
  Options options_;
};

struct RandomFlipOptions {
  bool horizontal = true;
  bool vertical = false;
  double probability = 0.5;  ///< of each of them
  std::uint64_t seed = 0;
};

/// Left and right, or top and bottom, exchanged.
class RandomFlip {
 public:
  /// Throws Error unless 0 <= probability <= 1.
  explicit RandomFlip(const RandomFlipOptions& options = {});
  Batch operator()(const Batch& batch, const Draw& draw) const;

 private:
  RandomFlipOptions options_;
};

/// Moved by whole pixels, up to `most` each way; what comes in is `value`.
class RandomShift {
 public:
  /// Throws Error if `most` is negative.
  explicit RandomShift(std::int64_t most, std::uint64_t seed = 0, double value = 0);
  Batch operator()(const Batch& batch, const Draw& draw) const;

 private:
  std::int64_t most_;
  std::uint64_t seed_;
  double value_;
};

/// Turned about the centre by an angle from -degrees to degrees, interpolated linearly; what comes in is 0.
class RandomRotation {
 public:
  /// Throws Error if `degrees` is negative or not finite.
  explicit RandomRotation(double degrees, std::uint64_t seed = 0);
  /// Throws DTypeError for int64.
  Batch operator()(const Batch& batch, const Draw& draw) const;

 private:
  double degrees_;
  std::uint64_t seed_;
};
/// @}

}  // namespace wengert::datasets
