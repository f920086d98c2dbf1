#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/io.h>

#include "tests/expect.h"
#include "tests/files.h"

namespace wengert {
namespace {

using Values = std::vector<double>;

/// A file as the format's description says, version 1 and without padding.
std::string npy(const std::string& type, const std::string& order, const std::string& shape, const std::string& data) {
  const std::string header = "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY\1\0", 8) + static_cast<char>(header.size()) + '\0' + header + data;
}

TEST(Npy, IsWrittenAsNumPyWritesIt) {
  const Folder folder;
  const std::string path = folder / "a.npy";
  save_npy(path, from_data({{1, 2, 3}, {4, 5, 6}}));
  const std::string bytes = bytes_of(path);
  const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\1\0\x76\0", 10));
  EXPECT_EQ(bytes.substr(10, 118), header + std::string(117 - header.size(), ' ') + "\n");
  EXPECT_EQ(bytes.substr(128, 8), std::string("\0\0\x80\x3f\0\0\0\x40", 8));
  EXPECT_EQ(bytes.size(), 128 + 24U);
}

TEST(Npy, ReadsBackWhatItWrote) {
  const Folder folder;
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Tensor& tensor :
       {full({}, 1.5), from_data({1, 2, 3}, int64), from_data({{1e-300, -infinity}, {0.1, -0.0}}, float64),
        zeros({0, 4}), zeros({1, 2, 3, 1, 2}), zeros({0})}) {
    save_npy(folder / "a.npy", tensor);
    const Tensor read = load_npy(folder / "a.npy");
    EXPECT_EQ(read.shape(), tensor.shape());
    EXPECT_EQ(read.dtype(), tensor.dtype());
    EXPECT_EQ(values_of(read), values_of(tensor));
  }
  expect_error<Error>([&] { save_npy(folder / "a.npy", Tensor()); }, "save_npy: the tensor is undefined");
  expect_error<IoError>([&] { save_npy(folder / "no/a.npy", ones({2})); }, "save_npy: '" + (folder / "no/a.npy"));
}

TEST(Npy, ReadsOtherTypesOrdersAndVersions) {
  const Folder folder;
  const auto load = [&](const std::string& bytes) { return load_npy(folder.write("a.npy", bytes)); };
  EXPECT_EQ(values_of(load(npy("|b1", "False", "(2,)", std::string("\1\0", 2)))), (Values{1, 0}));
  EXPECT_EQ(values_of(load(npy("|u1", "False", "(2,)", "\1\xff"))), (Values{1, 255}));
  EXPECT_EQ(values_of(load(npy("<i2", "False", "(1,)", "\xfe\xff"))), (Values{-2}));
  EXPECT_EQ(values_of(load(npy(">i4", "False", "(1L,)", std::string("\0\0\1\2", 4)))), (Values{258}));
  EXPECT_EQ(values_of(load(npy("<u4", "False", "()", "\xff\xff\xff\xff"))), (Values{4294967295.0}));
  const Tensor fortran = load(npy("|i1", "True", "(2, 3)", "\1\2\3\4\5\6"));
  EXPECT_EQ(fortran.shape(), Shape({2, 3}));
  EXPECT_EQ(values_of(fortran), (Values{1, 3, 5, 2, 4, 6}));
  std::string version2 = npy("|i1", "False", "(1,)", "\7");
  version2[6] = '\2';
  version2.insert(10, std::string(2, '\0'));
  EXPECT_EQ(values_of(load(version2)), (Values{7}));
}

TEST(Npy, SaysWhatIsWrongWithAFile) {
  const Folder folder;
  const auto expect = [&](const std::string& bytes, const std::string& text) {
    const std::string path = folder.write("a.npy", bytes);
    expect_error<IoError>([&] { load_npy(path); }, "load_npy: cannot read '" + path + "': " + text);
  };
  expect("", "it does not begin as a .npy file does");
  expect("something else", "it does not begin as a .npy file does");
  expect(npy("<f4", "False", "(2,)", "1234"), "it is cut short: it has fewer numbers");
  expect(npy("<f4", "False", "(1,)", "12345"), "it is longer than its shape says");
  expect(npy("<f2", "False", "(1,)", "12"), "no tensor has its type, '<f2'");
  expect(npy("<u8", "False", "(1,)", "12345678"), "no tensor has its type, '<u8'");
  expect(npy("|O", "False", "(1,)", "12345678"), "no tensor has its type, '|O'");
  expect(npy("<f4", "None", "(1,)", "1234"), "'fortran_order' in its header is neither True nor False");
  expect(npy("<f4", "False", "(-1,)", "1234"), "its shape is malformed");
  expect(npy("<f4", "False", "(99999999999, 99999999999)", ""), "shape");
  const std::string whole = npy("<f4", "False", "(2,)", "12345678");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const std::string path = folder.write("a.npy", whole.substr(0, length));
    expect_error<IoError>([&] { load_npy(path); }, "load_npy: cannot read '" + path + "': ");
  }
}

TEST(Npz, ReadsBackWhatItWroteInOrder) {
  const Folder folder;
  const std::string path = folder / "weights.npz";
  const StateDict state{
      {"w", from_data({{1, 2}, {3, 4}})}, {"b.läßt", from_data({-1}, int64)}, {"s", full({}, 2, float64)}};
  save_npz(path, state);
  const StateDict read = load_npz(path);
  ASSERT_EQ(read.size(), 3U);
  auto expected = state.begin();
  for (const auto& [name, tensor] : read) {
    EXPECT_EQ(name, expected->first);
    EXPECT_EQ(tensor.dtype(), expected->second.dtype());
    EXPECT_EQ(values_of(tensor), values_of(expected->second));
    ++expected;
  }
  save_npz(path, {});
  EXPECT_TRUE(load_npz(path).empty());
}

// As numpy.savez_compressed(path, a=numpy.arange(3, dtype=numpy.float32)) writes it: by Python's zipfile, deflated,
// with room for 64-bit sizes. The .npy file in it is put together by hand.
TEST(Npz, ReadsWhatNumPyCompressed) {
  const Folder folder;
  const unsigned char bytes[] = {
      0x50, 0x4b, 0x03, 0x04, 0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0xb6, 0x8c, 0x86, 0x53, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x05, 0x00, 0x14, 0x00, 0x61, 0x2e, 0x6e, 0x70, 0x79, 0x01, 0x00, 0x10,
      0x00, 0x8c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x4b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9b, 0xec,
      0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50, 0xc6, 0x50, 0xad, 0x9e, 0x92, 0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0,
      0x6e, 0x93, 0x66, 0xa2, 0xae, 0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f, 0x5f, 0x94, 0x92,
      0x0a, 0x12, 0x77, 0x4b, 0xcc, 0x29, 0x4e, 0x05, 0x8a, 0x17, 0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9, 0x1a, 0xc6, 0x3a,
      0x9a, 0x3a, 0x0a, 0xb5, 0x0a, 0x14, 0x00, 0x2e, 0x06, 0x30, 0x68, 0xb0, 0x07, 0x12, 0x0e, 0x00, 0x50, 0x4b, 0x01,
      0x02, 0x2d, 0x03, 0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0xb6, 0x8c, 0x86, 0x53, 0x4b, 0x00,
      0x00, 0x00, 0x8c, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,
      0x01, 0x00, 0x00, 0x00, 0x00, 0x61, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x05, 0x06, 0x00, 0x00, 0x00, 0x00, 0x01,
      0x00, 0x01, 0x00, 0x33, 0x00, 0x00, 0x00, 0x82, 0x00, 0x00, 0x00, 0x00, 0x00,
  };
  const std::string path = folder.write("a.npz", {reinterpret_cast<const char*>(bytes), sizeof bytes});
  const StateDict read = load_npz(path);
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read.at("a").dtype(), float32);
  EXPECT_EQ(values_of(read.at("a")), (Values{0, 1, 2}));
}

TEST(Npz, DamageAnywhereIsAnErrorOrChangesNothingThatCounts) {
  const Folder folder;
  save_npz(folder / "a.npz", {{"a", from_data({1, 2, 3})}, {"b", ones({5})}});
  const std::string whole = bytes_of(folder / "a.npz");
  for (std::size_t length = 0; length < whole.size(); length += 7) {
    const std::string path = folder.write("b.npz", whole.substr(0, length));
    expect_error<IoError>([&] { load_npz(path); }, path);
  }
  for (std::size_t i = 0; i < whole.size(); i += 3) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    const std::string path = folder.write("b.npz", damaged);
    try {
      const StateDict read = load_npz(path);  // dates and names may differ
      for (const auto& [name, tensor] : read)
        EXPECT_TRUE(values_of(tensor) == (Values{1, 2, 3}) || tensor.numel() == 5);
    } catch (const IoError&) {
    }
  }
}

TEST(Image, ReadsBackWhatItWroteToTheNearestLevel) {
  if (!images_available()) GTEST_SKIP() << "built without stb";
  const Folder folder;
  const std::string path = folder / "a.png";
  const Tensor image = from_data({{{0, 0.25, 1}, {-1, 2, 0.5}}, {{1, 0, 0}, {0, 0, 0}}, {{0, 0, 0}, {0, 0, 1}}});
  save_image(path, image);
  const Tensor read = load_image(path);
  EXPECT_EQ(read.shape(), Shape({3, 2, 3}));
  const float third = 64.0F / 255.0F;
  const float half = 128.0F / 255.0F;
  EXPECT_EQ(values_of(read[0]), (Values{0, third, 1, 0, 1, half}));
  EXPECT_EQ(values_of(read[2]), (Values{0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(load_image(path, 1).shape(), Shape({1, 2, 3}));
  EXPECT_EQ(values_of(load_image(path, 4)[3]), (Values{1, 1, 1, 1, 1, 1}));
  save_image(path, from_data({{0, 1}}, float64));
  EXPECT_EQ(load_image(path).shape(), Shape({1, 1, 2}));
}

TEST(Image, ReadsABitmap) {
  if (!images_available()) GTEST_SKIP() << "built without stb";
  const Folder folder;
  // One row of a blue and a red pixel, 24 bits each, padded to a multiple of four bytes.
  std::string bmp("BM\x3e\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\x18\0\0\0\0\0\x08\0\0\0", 38);
  bmp += std::string(16, '\0') + std::string("\xff\0\0\0\0\xff\0\0", 8);
  const Tensor image = load_image(folder.write("a.bmp", bmp));
  EXPECT_EQ(image.shape(), Shape({3, 1, 2}));
  EXPECT_EQ(values_of(image), (Values{0, 1, 0, 0, 1, 0}));
}

TEST(Image, SaysWhatIsWrong) {
  if (!images_available()) GTEST_SKIP() << "built without stb";
  const Folder folder;
  const std::string path = folder / "a.png";
  expect_error<ShapeError>([&] { save_image(path, ones({5, 2, 2})); }, "[C, H, W] with 1 to 4 channels, got [5, 2, 2]");
  expect_error<ShapeError>([&] { save_image(path, ones({3, 0, 2})); }, "save_image: image has no pixels");
  expect_error<DTypeError>([&] { save_image(path, ones({2, 2}, int64)); }, "float32 or float64, got int64");
  expect_error<Error>([&] { save_image(folder / "a.jpg", ones({2, 2})); }, "must end in .png");
  expect_error<Error>(
      [&] {
        save_image(path, full({2, 2}, std::nan("")));
      },
      "save_image: image has a value that is NaN");
  EXPECT_FALSE(std::filesystem::exists(path));
  save_image(path, ones({3, 40, 40}));
  const std::string whole = bytes_of(path);
  folder.write("a.png", whole.substr(0, whole.size() / 2));
  expect_error<IoError>([&] { load_image(path); }, "load_image: '" + path + "' is");
  for (std::size_t at = 40; at < whole.size(); at += 211) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    expect_error<IoError>([&] { load_image(folder.write("c.png", damaged)); }, "load_image: ");
  }
  expect_error<IoError>([&] { load_image(folder.write("b.png", "")); }, "is not a PNG, JPEG or BMP picture, or");
  expect_error<IoError>([&] { load_image(folder / "none.png"); }, "load_image: cannot open");
  expect_error<Error>([&] { load_image(path, 5); }, "load_image: channels must be 0 to 4, got 5");
}

TEST(Csv, ReadsNumbersLabelsAndQuotes) {
  const Folder folder;
  const CsvTable table = read_csv(folder.write("a.csv",
                                               "\xef\xbb\xbf"
                                               "height, \"a \"\"b\"\", c\",kind\r\n"
                                               "1.5, -2e3 ,dog\r\n"
                                               "\r\n"
                                               ",+7,\"cat\nfish\"\n"
                                               "3,4,dog"));
  EXPECT_EQ(table.rows(), 3);
  EXPECT_EQ(table.names(), (std::vector<std::string>{"height", "a \"b\", c", "kind"}));
  EXPECT_EQ(table.cell(1, 2), "cat\nfish");
  EXPECT_EQ(table.column("kind"), 2);
  const std::int64_t first[] = {1, 0};
  const Tensor numbers = table.numbers(first, float64);
  EXPECT_EQ(numbers.shape(), Shape({3, 2}));
  EXPECT_EQ(values_of(numbers[0]), (Values{-2000, 1.5}));
  EXPECT_TRUE(std::isnan(numbers[1][1].item()));
  const CsvTable::Labels labels = table.labels(2);
  EXPECT_EQ(labels.classes, (std::vector<std::string>{"cat\nfish", "dog"}));
  EXPECT_EQ(values_of(labels.values), (Values{1, 0, 1}));
}

TEST(Csv, LabelsThatAreNumbersAreInTheirOrder) {
  const Folder folder;
  const CsvTable table = read_csv(folder.write("a.csv", "10;x\n9;x\n10;x\n"), {.header = false, .separator = ';'});
  EXPECT_EQ(table.names(), (std::vector<std::string>{"0", "1"}));
  EXPECT_EQ(table.labels(0).classes, (std::vector<std::string>{"9", "10"}));
  EXPECT_EQ(values_of(table.labels(0).values), (Values{1, 0, 1}));
}

TEST(Csv, SaysWhatIsWrongWithAFile) {
  const Folder folder;
  const auto read = [&](const std::string& text) { return read_csv(folder.write("a.csv", text)); };
  const std::string path = folder / "a.csv";
  expect_error<IoError>([&] { read(""); }, "read_csv: '" + path + "' is empty");
  expect_error<IoError>([&] { read("a,b\n1,2\n\n3\n"); }, "line 4: 1 columns, expected 2");
  expect_error<IoError>([&] { read("a,a\n1,2\n"); }, "has two columns 'a'");
  expect_error<IoError>([&] { read("a,b\n1,\"2\n"); }, "line 2: a quote does not end");
  expect_error<IoError>([&] { read("a,b\n1,\"2\"3\n"); }, "line 2: text after a closing quote");
  expect_error<IoError>([&] { read("a,b\n1,2\n3,four\n").numbers(); }, "line 3, column 'b': 'four' is not a number");
  expect_error<Error>([&] { read("a,b\n").column("c"); }, "has no column 'c'; it has a, b");
  EXPECT_EQ(read("a,b\n").numbers().shape(), Shape({0, 2}));
}

}  // namespace
}  // namespace wengert
