#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <wengert/datasets/dataset.h>

namespace wengert::datasets {

/// Several data sets, one after the other.
class Concat : public Dataset {
 public:
  /// Throws Error if there are none, ShapeError unless all have the same shapes of x and y. `classes`: the largest.
  explicit Concat(std::vector<AnyDataset> parts);

  std::int64_t size() const override { return begins_.back(); }
  Batch batch(std::span<const std::int64_t> indices) const override;
  Shape x_shape() const override { return parts_.front().x_shape(); }
  Shape y_shape() const override { return parts_.front().y_shape(); }
  std::int64_t classes() const override { return classes_; }

 private:
  std::vector<AnyDataset> parts_;
  std::vector<std::int64_t> begins_;  // of each part, and the end
  std::int64_t classes_ = 0;
};

/// The first `count` samples for training and the others for testing, in their order: for series, where a random split
/// would put the future among the training data. Throws Error unless 0 < count < size.
Split split_at(const AnyDataset& dataset, std::int64_t count);

struct CsvDatasetOptions {
  std::string target = {};                 ///< name of the column of y; the last if empty
  std::vector<std::string> features = {};  ///< of the columns of x, in this order; all others if empty
  bool labels = false;                     ///< y are classes, numbered by their different texts
  bool header = true;                      ///< without, the columns are named "0", "1" ...
  char separator = ',';
  DType dtype = float32;  ///< float32 or float64
};

/// A table from a CSV file: x: [rows, features], y: [rows, 1], or labels [rows]. An empty cell is NaN.
class CsvDataset : public TensorDataset {
 public:
  /// Throws as read_csv and CsvTable: IoError naming file, line, column and cell; Error for a column that is not there.
  explicit CsvDataset(const std::string& path, const CsvDatasetOptions& options = {});

  /// The texts of the classes, if y are labels.
  const std::vector<std::string>& class_names() const { return class_names_; }

 private:
  struct Parts;
  explicit CsvDataset(Parts parts);
  static Parts read(const std::string& path, const CsvDatasetOptions& options);

  std::vector<std::string> class_names_;
};

struct ImageFolderOptions {
  int channels = 3;  ///< 1, 3 or 4; see load_image
};

/// Pictures (.png, .jpg, .jpeg, .bmp) in a folder for each class: x: [n, channels, H, W] from 0 to 1, y: labels,
/// classes in the order of the folders' names, and pictures in that of theirs. All must have one size. Pictures are
/// read when they are asked for, so a DataLoader with workers pays.
class ImageFolder : public Dataset {
 public:
  /// Throws IoError if the folder cannot be read or has no pictures.
  explicit ImageFolder(const std::string& folder, const ImageFolderOptions& options = {});

  std::int64_t size() const override { return static_cast<std::int64_t>(files_->size()); }
  /// Throws IoError naming a picture that cannot be read, ShapeError one that has another size than the first.
  Batch batch(std::span<const std::int64_t> indices) const override;
  Shape x_shape() const override { return shape_; }
  Shape y_shape() const override { return {}; }
  std::int64_t classes() const override { return static_cast<std::int64_t>(class_names_.size()); }

  const std::vector<std::string>& class_names() const { return class_names_; }

 private:
  struct File {
    std::string path;
    std::int64_t label;
  };
  int channels_;
  std::vector<std::string> class_names_;
  std::shared_ptr<const std::vector<File>> files_;
  Shape shape_;
};

struct TextCorpusOptions {
  std::string file = {};     ///< of UTF-8; what `tools/fetch-data text` fetches if empty
  std::int64_t window = 64;  ///< characters in a sample
  std::int64_t stride = 1;   ///< from one sample to the next
};

/// A text as numbers, for a model of its characters: x: [n, window] of int64, the places of the characters in the
/// vocabulary; y: [n, window], the characters that follow each. Bytes that are not UTF-8 are characters of their own.
class TextCorpus : public Dataset {
 public:
  /// Throws IoError for a file that is missing, Error unless window and stride are at least 1.
  explicit TextCorpus(const TextCorpusOptions& options = {});
  /// Of a text in memory.
  static TextCorpus of(std::string_view text, const TextCorpusOptions& options = {});

  /// The samples of the characters from begin to end, both fractions of the text: `text.part(0, 0.9)` to train on and
  /// `text.part(0.9, 1)` to test on, with the vocabulary of the whole. Throws Error unless 0 <= begin <= end <= 1.
  TextCorpus part(double begin, double end) const;

  std::int64_t size() const override;
  Batch batch(std::span<const std::int64_t> indices) const override;
  Shape x_shape() const override { return {window_}; }
  Shape y_shape() const override { return {window_}; }
  std::int64_t classes() const override { return static_cast<std::int64_t>(vocabulary_->size()); }

  /// The different characters of the text, sorted.
  const std::vector<std::string>& vocabulary() const { return *vocabulary_; }
  /// Throws Error naming a character that is not in the vocabulary.
  std::vector<std::int64_t> encode(std::string_view text) const;
  /// Throws ShapeError for a number that is not in the vocabulary.
  std::string decode(std::span<const std::int64_t> characters) const;

 private:
  TextCorpus(std::string_view text, const TextCorpusOptions& options);

  std::shared_ptr<const std::vector<std::string>> vocabulary_;
  std::shared_ptr<const std::vector<std::int32_t>> text_;
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
  std::int64_t window_;
  std::int64_t stride_;
};

}  // namespace wengert::datasets
