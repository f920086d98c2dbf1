#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <wengert/datasets/dataset.h>

namespace wengert::datasets {

/// Images kept as bytes, a quarter of the memory of float32, and made numbers batch by batch.
class ByteImages : public Dataset {
 public:
  /// Of many images of shape [C, H, W], one after the other, with their labels.
  struct Bytes {
    std::string pixels;
    Shape shape;
    std::vector<std::int64_t> labels;
  };
  /// x is 0 to 255 if `raw`, else 0 to 1. Throws ShapeError if there are not as many pixels as the labels say, or for a
  /// label that is not below `classes`; DTypeError unless dtype is float32 or float64.
  ByteImages(const char* name, Bytes bytes, std::int64_t classes, bool raw, DType dtype);

  std::int64_t size() const override { return static_cast<std::int64_t>(bytes_->labels.size()); }
  Batch batch(std::span<const std::int64_t> indices) const override;
  Shape x_shape() const override { return bytes_->shape; }
  Shape y_shape() const override { return {}; }
  std::int64_t classes() const override { return classes_; }

 private:
  const char* name_;
  std::shared_ptr<const Bytes> bytes_;
  std::int64_t classes_;
  bool raw_;
  DType dtype_;
};

struct MnistOptions {
  bool train = true;        ///< 60,000 images for training, or else 10,000 for testing
  std::string folder = {};  ///< of the IDX files; where they are looked for if empty: datasets/README.md
  bool raw = false;         ///< 0 to 255 as in the file, instead of 0 to 1
  DType dtype = float32;    ///< of x; float32 or float64
};

/// Handwritten digits: x: [N, 1, 28, 28], y: labels 0 to 9. Y. LeCun, L. Bottou, Y. Bengio and P. Haffner,
/// "Gradient-based learning applied to document recognition", 1998. `tools/fetch-data mnist` fetches them.
class Mnist : public ByteImages {
 public:
  /// Throws IoError naming the file and what is wrong with it; where it is missing, the command that fetches it.
  explicit Mnist(const MnistOptions& options = {});
};

/// Articles of clothing, in the format of MNIST: x: [N, 1, 28, 28], y: labels 0 to 9. H. Xiao, K. Rasul and R.
/// Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms", 2017.
/// `tools/fetch-data fashion-mnist` fetches them.
class FashionMnist : public ByteImages {
 public:
  /// Throws as Mnist.
  explicit FashionMnist(const MnistOptions& options = {});

  /// "T-shirt/top", "Trouser" ... "Ankle boot". Throws Error unless 0 <= label < 10.
  static std::string name_of(std::int64_t label);
};

struct Cifar10Options {
  bool train = true;        ///< data_batch_1.bin to data_batch_5.bin, or else test_batch.bin
  std::string folder = {};  ///< of the files of the "binary version"; looked for as `cifar-10-batches-bin` if empty
  bool raw = false;         ///< 0 to 255 as in the file, instead of 0 to 1
  DType dtype = float32;    ///< of x; float32 or float64
};

/// Photographs of ten kinds of things: x: [N, 3, 32, 32], y: labels 0 to 9. A. Krizhevsky, "Learning multiple layers of
/// features from tiny images", 2009. A file may hold any number of images, each its label and its pixels.
class Cifar10 : public ByteImages {
 public:
  /// Throws IoError naming the file and what is wrong with it: missing, cut short, a label above 9.
  explicit Cifar10(const Cifar10Options& options = {});

  /// "airplane", "automobile" ... "truck". Throws Error unless 0 <= label < 10.
  static std::string name_of(std::int64_t label);
};

}  // namespace wengert::datasets
