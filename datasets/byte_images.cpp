#include "datasets/byte_images.h"

#include <array>
#include <cstddef>
#include <filesystem>
#include <utility>

#include <wengert/autograd/parallel.h>

#include "datasets/detail/data_file.h"
#include "io/detail/idx_file.h"
#include "io/detail/read_file.h"

namespace wengert::datasets {
namespace {

ByteImages::Bytes read_idx_pair(const char* name, const std::string& set, const MnistOptions& options) {
  const std::string part = options.train ? "train" : "t10k";
  const auto read = [&](const std::string& file) {
    std::string given;
    if (!options.folder.empty()) {
      given = (std::filesystem::path(options.folder) / file).string();
      std::error_code error;
      if (!std::filesystem::exists(given, error) && std::filesystem::exists(given + ".gz", error)) given += ".gz";
    }
    return wengert::detail::read_idx(name, detail::find_data_file(name, given, set + "/" + file, set));
  };
  const auto is_bytes = [](const wengert::detail::IdxFile& file, int rank) {
    return file.format.kind == 'u' && file.shape.rank() == rank;
  };
  const wengert::detail::IdxFile labels = read(part + "-labels-idx1-ubyte");
  wengert::detail::IdxFile images = read(part + "-images-idx3-ubyte");
  check<IoError>(is_bytes(labels, 1) && is_bytes(images, 3) && labels.shape[0] == images.shape[0],
                 "{}: the files are not N labels and N images of bytes: their shapes are {} and {}", name, labels.shape,
                 images.shape);

  ByteImages::Bytes bytes;
  bytes.shape = {1, images.shape[1], images.shape[2]};
  for (const char label : labels.elements()) bytes.labels.push_back(static_cast<unsigned char>(label));
  bytes.pixels = std::move(images.bytes);
  bytes.pixels.erase(0, images.begin);
  return bytes;
}

ByteImages::Bytes read_cifar(const Cifar10Options& options) {
  constexpr std::size_t pixels = 3 * 32 * 32;
  ByteImages::Bytes bytes;
  bytes.shape = {3, 32, 32};
  std::vector<std::string> files{"test_batch.bin"};
  if (options.train) {
    files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"};
  }
  for (const std::string& file : files) {
    const std::string given = options.folder.empty() ? "" : (std::filesystem::path(options.folder) / file).string();
    const std::string path = detail::find_data_file("Cifar10", given, "cifar-10-batches-bin/" + file);
    const std::string records = wengert::detail::read_file("Cifar10", path);
    check<IoError>(records.size() % (pixels + 1) == 0, "Cifar10: '{}' is cut short: {} bytes are no multiple of {}",
                   path, records.size(), pixels + 1);
    for (std::size_t at = 0; at < records.size(); at += pixels + 1) {
      const auto label = static_cast<unsigned char>(records[at]);
      check<IoError>(label < 10, "Cifar10: '{}': image {} has the label {}", path, at / (pixels + 1), label);
      bytes.labels.push_back(label);
      bytes.pixels.append(records, at + 1, pixels);
    }
  }
  return bytes;
}

std::string name_among(const char* dataset, const std::array<const char*, 10>& names, std::int64_t label) {
  check<Error>(label >= 0 && label < 10, "{}: there is no class {}", dataset, label);
  return names[static_cast<std::size_t>(label)];
}

}  // namespace

ByteImages::ByteImages(const char* name, Bytes bytes, std::int64_t classes, bool raw, DType dtype)
    : name_(name), classes_(classes), raw_(raw), dtype_(dtype) {
  check<DTypeError>(is_floating(dtype), "{}: dtype must be float32 or float64, got {}", name, dtype);
  const auto expected = static_cast<std::int64_t>(bytes.labels.size()) * bytes.shape.numel();
  check(static_cast<std::int64_t>(bytes.pixels.size()) == expected, "{}: {} pixels for {} images of {}", name,
        bytes.pixels.size(), bytes.labels.size(), bytes.shape);
  for (const std::int64_t label : bytes.labels) {
    check(label >= 0 && label < classes, "{}: label {} is out of range for {} classes", name, label, classes);
  }
  bytes_ = std::make_shared<const Bytes>(std::move(bytes));
}

Batch ByteImages::batch(std::span<const std::int64_t> indices) const {
  for (const std::int64_t index : indices) {
    check(index >= 0 && index < size(), "{}: index {} is out of range for {} samples", name_, index, size());
  }
  const auto n = static_cast<std::int64_t>(indices.size());
  const std::int64_t pixels = bytes_->shape.numel();
  const Tensor x = wengert::detail::Access::allocate(bytes_->shape.inserted(0, n), dtype_);
  const Tensor y = wengert::detail::Access::allocate({n}, int64);
  auto* labels = wengert::detail::Access::mutable_data<std::int64_t>(y);
  for (std::size_t i = 0; i < indices.size(); ++i) labels[i] = bytes_->labels[static_cast<std::size_t>(indices[i])];
  dispatch_floating(dtype_, [&]<class T>() {
    // As dividing does; a multiplication by 1/255 would not give the same bits.
    std::array<T, 256> value;
    for (std::size_t byte = 0; byte < 256; ++byte) value[byte] = static_cast<T>(byte) / (raw_ ? T{1} : T{255});
    T* out = wengert::detail::Access::mutable_data<T>(x);
    parallel_for(n, 64, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const char* in = bytes_->pixels.data() + indices[static_cast<std::size_t>(i)] * pixels;
        for (std::int64_t j = 0; j < pixels; ++j) out[i * pixels + j] = value[static_cast<unsigned char>(in[j])];
      }
    });
  });
  return {x, y};
}

Mnist::Mnist(const MnistOptions& options)
    : ByteImages("Mnist", read_idx_pair("Mnist", "mnist", options), 10, options.raw, options.dtype) {}

FashionMnist::FashionMnist(const MnistOptions& options)
    : ByteImages("FashionMnist", read_idx_pair("FashionMnist", "fashion-mnist", options), 10, options.raw,
                 options.dtype) {}

std::string FashionMnist::name_of(std::int64_t label) {
  return name_among(
      "FashionMnist",
      {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
      label);
}

Cifar10::Cifar10(const Cifar10Options& options)
    : ByteImages("Cifar10", read_cifar(options), 10, options.raw, options.dtype) {}

std::string Cifar10::name_of(std::int64_t label) {
  return name_among("Cifar10",
                    {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"}, label);
}

}  // namespace wengert::datasets
