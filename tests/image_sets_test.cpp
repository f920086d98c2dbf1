#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/datasets.h>
#include <wengert/io.h>

#include "tests/expect.h"
#include "tests/files.h"

namespace wengert::datasets {
namespace {

using Values = std::vector<double>;

std::string idx(char type, const std::vector<unsigned char>& sizes, const std::string& numbers) {
  std::string bytes{'\0', '\0', type, static_cast<char>(sizes.size())};
  for (const unsigned char size : sizes) bytes += std::string(3, '\0') + static_cast<char>(size);
  return bytes + numbers;
}

TEST(LoadIdx, ReadsEveryTypeOfNumber) {
  const Folder folder;
  const auto load = [&](const std::string& bytes) { return load_idx(folder.write("numbers", bytes)); };
  const Tensor unsigned_bytes = load(idx(0x08, {2, 2}, "\x01\x02\x7f\xff"));
  EXPECT_EQ(unsigned_bytes.shape(), Shape({2, 2}));
  EXPECT_EQ(unsigned_bytes.dtype(), int64);
  EXPECT_EQ(values_of(unsigned_bytes), (Values{1, 2, 127, 255}));
  EXPECT_EQ(values_of(load(idx(0x09, {2}, "\x01\xff"))), (Values{1, -1}));
  EXPECT_EQ(values_of(load(idx(0x0b, {2}, std::string("\x01\x00\xff\xfe", 4)))), (Values{256, -2}));
  EXPECT_EQ(values_of(load(idx(0x0c, {1}, std::string("\x00\x01\x00\x02", 4)))), (Values{65538}));
  EXPECT_EQ(values_of(load(idx(0x0d, {1}, std::string("\x3f\xc0\x00\x00", 4)))), (Values{1.5}));
  const Tensor doubles = load(idx(0x0e, {1}, std::string("\xbf\xf8\x00\x00\x00\x00\x00\x00", 8)));
  EXPECT_EQ(doubles.dtype(), float64);
  EXPECT_EQ(values_of(doubles), (Values{-1.5}));
  EXPECT_EQ(load(idx(0x08, {0, 3}, "")).shape(), Shape({0, 3}));
}

TEST(LoadIdx, SaysWhatIsWrongWithAFile) {
  const Folder folder;
  const auto expect = [&](const std::string& bytes, const std::string& text) {
    const std::string path = folder.write("numbers", bytes);
    expect_error<IoError>([&] { load_idx(path); }, "load_idx: '" + path + "' " + text);
  };
  expect("", "is cut short: 0 bytes are no IDX header");
  expect(idx(0x08, {2}, "\x01"), "is cut short: 1 bytes of numbers, expected 2 for [2]");
  expect(idx(0x08, {2}, "\x01\x02\x03"), "is too long: 3 bytes of numbers, expected 2 for [2]");
  expect(idx(0x08, {2, 2}, "").substr(0, 9), "is cut short: its header ends after 9 of 12 bytes");
  expect(idx(0x07, {2}, "\x01\x02"), "is not an IDX file: it begins with bytes 0 0 7");
  expect(std::string("\0\0\x08\x09", 4), "has 9 axes; a tensor has at most 8");
  expect(std::string("\0\0\x08\x03", 4) + std::string(12, '\xff'), "is damaged: ");
  expect_error<IoError>([&] { load_idx(folder / "none"); }, "load_idx: cannot open '" + (folder / "none") + "'");
}

/// Three images of 2 x 2 with labels 7, 0, 2.
void write_small_mnist(const Folder& folder, const std::string& prefix) {
  folder.write(prefix + "t10k-images-idx3-ubyte", idx(0x08, {3, 2, 2},
                                                      std::string("\0\x33\x66\x99"
                                                                  "\xcc\xff\0\0"
                                                                  "\x01\x02\x03\x04",
                                                                  12)));
  folder.write(prefix + "t10k-labels-idx1-ubyte", idx(0x08, {3}, std::string("\x07\0\x02", 3)));
}

TEST(Mnist, GivesImagesFromZeroToOneWithTheirLabels) {
  const Folder folder;
  write_small_mnist(folder, "");
  const Mnist mnist({.train = false, .folder = folder.path(), .dtype = float64});
  EXPECT_EQ(mnist.size(), 3);
  EXPECT_EQ(mnist.classes(), 10);
  EXPECT_EQ(mnist.x_shape(), Shape({1, 2, 2}));
  EXPECT_EQ(mnist.y_shape(), Shape());
  const std::int64_t order[] = {1, 0, 1};
  const Batch batch = mnist.batch(order);
  EXPECT_EQ(batch.x.shape(), Shape({3, 1, 2, 2}));
  EXPECT_EQ(values_of(batch.x),
            (Values{204 / 255., 1, 0, 0, 0, 51 / 255., 102 / 255., 153 / 255., 204 / 255., 1, 0, 0}));
  EXPECT_EQ(batch.y.dtype(), int64);
  EXPECT_EQ(values_of(batch.y), (Values{0, 7, 0}));
  EXPECT_EQ(mnist.batch({}).x.shape(), Shape({0, 1, 2, 2}));
  const Mnist raw({.train = false, .folder = folder.path(), .raw = true});
  EXPECT_EQ(values_of(raw.all().x[2]), (Values{1, 2, 3, 4}));
  EXPECT_EQ(raw.all().x.dtype(), float32);
  const std::int64_t beyond[] = {3};
  expect_error<ShapeError>([&] { mnist.batch(beyond); }, "Mnist: index 3 is out of range for 3 samples");
}

TEST(Mnist, MissingSaysTheCommandThatFetchesIt) {
  const Folder folder;
  const Environment data("WENGERT_DATA", folder.path());
  const Environment cache("XDG_CACHE_HOME", folder / "cache");
  expect_error<IoError>([] { Mnist(); }, "`tools/fetch-data mnist` fetches it");
  expect_error<IoError>([] { FashionMnist({.train = false}); }, "`tools/fetch-data fashion-mnist` fetches it");
  expect_error<IoError>([&] { Mnist({.folder = folder.path()}); }, "Mnist: cannot open '" + folder.path());
  expect_error<DTypeError>(
      [&] {
        write_small_mnist(folder, "mnist/");
        Mnist({.train = false, .dtype = int64});
      },
      "Mnist: dtype must be float32 or float64, got int64");
}

TEST(Mnist, IsFoundInTheNamedFolderAndInTheCache) {
  const Folder folder;
  const Environment data("WENGERT_DATA", folder / "none");
  const Environment cache("XDG_CACHE_HOME", folder / "cache");
  write_small_mnist(folder, "cache/wengert/mnist/");
  write_small_mnist(folder, "cache/wengert/fashion-mnist/");
  EXPECT_EQ(Mnist({.train = false}).size(), 3);
  EXPECT_EQ(FashionMnist({.train = false}).size(), 3);
  folder.write("none/mnist/t10k-labels-idx1-ubyte", idx(0x08, {2}, "\x01\x02"));
  expect_error<IoError>([] { Mnist({.train = false}); }, "their shapes are [2] and [3, 2, 2]");
  folder.write("none/mnist/t10k-labels-idx1-ubyte", idx(0x08, {3}, "\x01\x02\x0a"));
  expect_error<ShapeError>([] { Mnist({.train = false}); }, "Mnist: label 10 is out of range for 10 classes");
}

TEST(FashionMnist, NamesItsClasses) {
  EXPECT_EQ(FashionMnist::name_of(0), "T-shirt/top");
  EXPECT_EQ(FashionMnist::name_of(9), "Ankle boot");
  expect_error<Error>([] { FashionMnist::name_of(10); }, "FashionMnist: there is no class 10");
}

TEST(Mnist, TheRealOneIsWhatItsAuthorsDescribe) {
  try {
    Mnist({.train = false});
  } catch (const IoError& error) {
    GTEST_SKIP() << error.what();
  }
  const Mnist train;
  EXPECT_EQ(train.size(), 60000);
  EXPECT_EQ(Mnist({.train = false}).size(), 10000);
  const Batch all = train.all();
  EXPECT_EQ(all.x.shape(), Shape({60000, 1, 28, 28}));
  // The mean and the deviation that everybody normalises with.
  double total = 0;
  double squares = 0;
  for (const double value : all.x.data<float>()) {
    total += value;
    squares += value * value;
  }
  const double count = 60000.0 * 28 * 28;
  EXPECT_NEAR(total / count, 0.1307, 5e-5);
  EXPECT_NEAR(std::sqrt(squares / count - total / count * total / count), 0.3081, 5e-5);
  EXPECT_EQ(values_of(all.y.slice(0, 8)), (Values{5, 0, 4, 1, 9, 2, 1, 3}));
}

TEST(Cifar10, ReadsPlanesOfColourAfterEachLabel) {
  const Folder folder;
  const auto image = [](char label, char red, char green, char blue) {
    std::string record(1, label);
    for (const char plane : {red, green, blue}) record.append(1024, plane);
    return record;
  };
  folder.write("test_batch.bin", image(3, 0, 51, '\xff') + image(9, 1, 2, 3));
  const Cifar10 test({.train = false, .folder = folder.path()});
  EXPECT_EQ(test.size(), 2);
  EXPECT_EQ(test.x_shape(), Shape({3, 32, 32}));
  const Batch all = test.all();
  EXPECT_EQ(values_of(all.y), (Values{3, 9}));
  EXPECT_EQ(values_of(mean(all.x[0], {1, 2}))[2], 1.0);
  EXPECT_EQ(all.x[0][1][31][31].item<float>(), 51.0F / 255.0F);
  EXPECT_EQ(Cifar10::name_of(3), "cat");

  for (int i = 1; i <= 5; ++i)
    folder.write("data_batch_" + std::to_string(i) + ".bin", image(static_cast<char>(i), 0, 0, 0));
  EXPECT_EQ(values_of(Cifar10({.folder = folder.path()}).all().y), (Values{1, 2, 3, 4, 5}));
  folder.write("data_batch_3.bin", image(10, 0, 0, 0));
  expect_error<IoError>([&] { Cifar10({.folder = folder.path()}); }, "data_batch_3.bin': image 0 has the label 10");
  folder.write("data_batch_3.bin", image(1, 0, 0, 0).substr(1));
  expect_error<IoError>([&] { Cifar10({.folder = folder.path()}); },
                        "is cut short: 3072 bytes are no multiple of 3073");
}

}  // namespace
}  // namespace wengert::datasets
