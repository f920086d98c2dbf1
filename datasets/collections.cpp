#include "datasets/collections.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <map>
#include <numeric>
#include <system_error>
#include <utility>

#include <wengert/autograd/ops.h>
#include <wengert/io/csv.h>
#include <wengert/io/image.h>

#include "datasets/detail/data_file.h"
#include "io/detail/read_file.h"

namespace wengert::datasets {
namespace {

void check_index(const char* name, std::int64_t index, std::int64_t size) {
  check(index >= 0 && index < size, "{}: index {} is out of range for {} samples", name, index, size);
}

/// The bytes of the character at the front of a text.
std::size_t character_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
  if (length > text.size()) return 1;
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  return std::ranges::all_of(text.substr(1, length - 1), continues) ? length : 1;
}

std::vector<std::string_view> characters_of(std::string_view text) {
  std::vector<std::string_view> characters;
  while (!text.empty()) {
    characters.push_back(text.substr(0, character_length(text)));
    text.remove_prefix(characters.back().size());
  }
  return characters;
}

bool is_picture(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg" || ending == ".bmp";
}

/// What is in a folder, sorted.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    entries.push_back(entry->path());
  }
  check<IoError>(!error, "ImageFolder: cannot read '{}': {}", folder.string(), error.message());
  std::ranges::sort(entries);
  return entries;
}

}  // namespace

Concat::Concat(std::vector<AnyDataset> parts) : parts_(std::move(parts)), begins_{0} {
  check<Error>(!parts_.empty(), "Concat: there are no data sets");
  for (const AnyDataset& part : parts_) {
    check(part.x_shape() == x_shape() && part.y_shape() == y_shape(),
          "Concat: samples have shapes x {}, y {} and x {}, y {}", x_shape(), y_shape(), part.x_shape(),
          part.y_shape());
    begins_.push_back(begins_.back() + part.size());
    classes_ = std::max(classes_, part.classes());
  }
}

Batch Concat::batch(std::span<const std::int64_t> indices) const {
  // Each part is asked once, and its samples are then put where they belong.
  std::vector<std::vector<std::int64_t>> wanted(parts_.size());
  std::vector<std::vector<std::int64_t>> places(parts_.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    check_index("Concat", indices[i], size());
    const auto after = std::ranges::upper_bound(begins_, indices[i]);
    const auto part = static_cast<std::size_t>(after - begins_.begin() - 1);
    wanted[part].push_back(indices[i] - begins_[part]);
    places[part].push_back(static_cast<std::int64_t>(i));
  }
  std::vector<Tensor> xs;
  std::vector<Tensor> ys;
  std::vector<std::int64_t> order(indices.size());
  std::int64_t row = 0;
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    if (wanted[part].empty()) continue;
    Batch batch = parts_[part].batch(wanted[part]);
    if (wanted[part].size() == indices.size()) return batch;
    xs.push_back(std::move(batch.x));
    ys.push_back(std::move(batch.y));
    for (const std::int64_t place : places[part]) order[static_cast<std::size_t>(place)] = row++;
  }
  if (xs.empty()) return parts_.front().batch({});
  const Tensor rows = from_vector(order);
  return {index_select(cat(xs, 0), 0, rows), index_select(cat(ys, 0), 0, rows)};
}

Split split_at(const AnyDataset& dataset, std::int64_t count) {
  const std::int64_t n = dataset.size();
  check<Error>(count > 0 && count < n, "split_at: count must be between 0 and the {} samples, both excluded, got {}", n,
               count);
  std::vector<std::int64_t> train(static_cast<std::size_t>(count));
  std::vector<std::int64_t> test(static_cast<std::size_t>(n - count));
  std::iota(train.begin(), train.end(), std::int64_t{0});
  std::iota(test.begin(), test.end(), count);
  return {Subset(dataset, std::move(train)), Subset(dataset, std::move(test))};
}

struct CsvDataset::Parts {
  TensorDataset data;
  std::vector<std::string> class_names;
};

CsvDataset::CsvDataset(const std::string& path, const CsvDatasetOptions& options) : CsvDataset(read(path, options)) {}

CsvDataset::CsvDataset(Parts parts)
    : TensorDataset(std::move(parts.data)), class_names_(std::move(parts.class_names)) {}

CsvDataset::Parts CsvDataset::read(const std::string& path, const CsvDatasetOptions& options) {
  const CsvTable table = read_csv(path, {.header = options.header, .separator = options.separator});
  const std::int64_t target = options.target.empty() ? table.columns() - 1 : table.column(options.target);
  std::vector<std::int64_t> features;
  for (const std::string& name : options.features) features.push_back(table.column(name));
  for (std::int64_t column = 0; options.features.empty() && column < table.columns(); ++column) {
    if (column != target) features.push_back(column);
  }
  const Tensor x = table.numbers(features, options.dtype);
  if (!options.labels) {
    const std::int64_t of_y[] = {target};
    return {TensorDataset(x, table.numbers(of_y, options.dtype), 0), {}};
  }
  CsvTable::Labels labels = table.labels(target);
  const auto classes = static_cast<std::int64_t>(labels.classes.size());
  return {TensorDataset(x, labels.values, classes), std::move(labels.classes)};
}

ImageFolder::ImageFolder(const std::string& folder, const ImageFolderOptions& options) : channels_(options.channels) {
  check<Error>(channels_ == 1 || channels_ == 3 || channels_ == 4, "ImageFolder: channels must be 1, 3 or 4, got {}",
               channels_);
  std::vector<File> files;
  for (const std::filesystem::path& entry : entries_of(folder)) {
    std::error_code error;
    const std::string name = entry.filename().string();
    if (!std::filesystem::is_directory(entry, error) || name.starts_with('.')) continue;
    const auto label = static_cast<std::int64_t>(class_names_.size());
    const std::size_t before = files.size();
    for (const std::filesystem::path& file : entries_of(entry)) {
      if (is_picture(file)) files.push_back({file.string(), label});
    }
    if (files.size() > before) class_names_.push_back(name);  // a folder without pictures is no class
  }
  check<IoError>(!files.empty(), "ImageFolder: '{}' has no folder with pictures (.png, .jpg, .jpeg, .bmp)", folder);
  shape_ = load_image(files.front().path, channels_).shape();
  files_ = std::make_shared<const std::vector<File>>(std::move(files));
}

Batch ImageFolder::batch(std::span<const std::int64_t> indices) const {
  std::vector<Tensor> images;
  std::vector<std::int64_t> labels;
  for (const std::int64_t index : indices) {
    check_index("ImageFolder", index, size());
    const auto& [path, label] = (*files_)[static_cast<std::size_t>(index)];
    images.push_back(load_image(path, channels_));
    check(images.back().shape() == shape_, "ImageFolder: '{}' is {}, and the first picture {}", path,
          images.back().shape(), shape_);
    labels.push_back(label);
  }
  return {images.empty() ? zeros(shape_.inserted(0, 0)) : stack(images, 0), from_vector(labels)};
}

TextCorpus::TextCorpus(const TextCorpusOptions& options)
    : TextCorpus(wengert::detail::read_file(
                     "TextCorpus", detail::find_data_file("TextCorpus", options.file, "text/austen.txt", "text")),
                 options) {}

TextCorpus TextCorpus::of(std::string_view text, const TextCorpusOptions& options) { return {text, options}; }

TextCorpus::TextCorpus(std::string_view text, const TextCorpusOptions& options)
    : window_(options.window), stride_(options.stride) {
  check<Error>(window_ >= 1 && stride_ >= 1, "TextCorpus: window and stride must be at least 1, got {} and {}", window_,
               stride_);
  const std::vector<std::string_view> characters = characters_of(text);
  std::map<std::string_view, std::int32_t> places;
  for (const std::string_view character : characters) places.emplace(character, 0);
  std::vector<std::string> vocabulary;
  for (auto& [character, place] : places) {
    place = static_cast<std::int32_t>(vocabulary.size());
    vocabulary.emplace_back(character);
  }
  std::vector<std::int32_t> numbers;
  numbers.reserve(characters.size());
  for (const std::string_view character : characters) numbers.push_back(places.at(character));
  end_ = static_cast<std::int64_t>(numbers.size());
  vocabulary_ = std::make_shared<const std::vector<std::string>>(std::move(vocabulary));
  text_ = std::make_shared<const std::vector<std::int32_t>>(std::move(numbers));
}

TextCorpus TextCorpus::part(double begin, double end) const {
  check<Error>(begin >= 0 && begin <= end && end <= 1, "TextCorpus: 0 <= begin <= end <= 1 is needed, got {} and {}",
               begin, end);
  const auto length = static_cast<double>(end_ - begin_);
  TextCorpus result = *this;
  result.begin_ = begin_ + static_cast<std::int64_t>(begin * length);
  result.end_ = begin_ + static_cast<std::int64_t>(end * length);
  return result;
}

std::int64_t TextCorpus::size() const {
  const std::int64_t last = end_ - begin_ - window_ - 1;  // where the last window could begin
  return last < 0 ? 0 : last / stride_ + 1;
}

Batch TextCorpus::batch(std::span<const std::int64_t> indices) const {
  using wengert::detail::Access;
  const Shape shape{static_cast<std::int64_t>(indices.size()), window_};
  const Tensor x = Access::allocate(shape, int64);
  const Tensor y = Access::allocate(shape, int64);
  auto* to_x = Access::mutable_data<std::int64_t>(x);
  auto* to_y = Access::mutable_data<std::int64_t>(y);
  for (const std::int64_t index : indices) {
    check_index("TextCorpus", index, size());
    const auto from = text_->begin() + begin_ + index * stride_;
    to_x = std::copy(from, from + window_, to_x);
    to_y = std::copy(from + 1, from + 1 + window_, to_y);
  }
  return {x, y};
}

std::vector<std::int64_t> TextCorpus::encode(std::string_view text) const {
  std::vector<std::int64_t> numbers;
  for (const std::string_view character : characters_of(text)) {
    const auto place = std::ranges::lower_bound(*vocabulary_, character);
    check<Error>(place != vocabulary_->end() && *place == character, "TextCorpus: '{}' is not in the vocabulary",
                 character);
    numbers.push_back(place - vocabulary_->begin());
  }
  return numbers;
}

std::string TextCorpus::decode(std::span<const std::int64_t> characters) const {
  std::string text;
  for (const std::int64_t place : characters) {
    check(place >= 0 && place < classes(), "TextCorpus: {} is out of range for {} characters", place, classes());
    text += (*vocabulary_)[static_cast<std::size_t>(place)];
  }
  return text;
}

}  // namespace wengert::datasets
