#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/datasets.h>

#include "datasets/detail/data_file.h"
#include "io/detail/read_file.h"
#include "tests/expect.h"
#include "tests/files.h"

namespace wengert::datasets {
namespace {

using Indices = std::vector<std::int64_t>;

std::string digits_file() { return detail::find_data_file("test", "", "digits.csv.gz"); }
std::string digits_text() { return wengert::detail::read_file("test", digits_file()); }

void expect_same(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  EXPECT_EQ(a.dtype(), b.dtype());
  EXPECT_EQ(values_of(a), values_of(b));
}

TensorDataset counting(std::int64_t n) {
  return TensorDataset(arange(static_cast<double>(n)).reshape({n, 1}), arange(static_cast<double>(n), int64));
}

TEST(TensorDataset, GathersRowsOfXAndYInTheOrderAsked) {
  const TensorDataset data(from_data({{1, 2}, {3, 4}, {5, 6}}), from_data({7, 8, 9}, int64));
  const auto [x, y] = data.batch(Indices{2, 0, 2});
  EXPECT_EQ(values_of(x), (std::vector<double>{5, 6, 1, 2, 5, 6}));
  EXPECT_EQ(values_of(y), (std::vector<double>{9, 7, 9}));
  EXPECT_EQ(x.shape(), (Shape{3, 2}));
  EXPECT_EQ(data.x_shape(), Shape{2});
  EXPECT_EQ(data.y_shape(), Shape{});
}

TEST(TensorDataset, SharesTheElementsOfConsecutiveRows) {
  const TensorDataset data = counting(10);
  const auto [x, y] = data.batch(Indices{3, 4, 5});
  EXPECT_EQ(values_of(y), (std::vector<double>{3, 4, 5}));
  EXPECT_EQ(x.data<float>().data(), data.x().data<float>().data() + 3);
}

TEST(TensorDataset, GivesAnEmptyBatchForNoIndices) {
  EXPECT_EQ(counting(3).batch({}).x.shape(), (Shape{0, 1}));
  EXPECT_EQ(TensorDataset(zeros({0, 4}), zeros({0}, int64)).all().x.shape(), (Shape{0, 4}));
}

TEST(TensorDataset, CountsClassesFromTheLabels) {
  const Tensor x = zeros({3, 1});
  EXPECT_EQ(TensorDataset(x, from_data({0, 2, 1}, int64)).classes(), 3);
  EXPECT_EQ(TensorDataset(x, from_data({0, 2, 1}, int64), 10).classes(), 10);
  EXPECT_EQ(TensorDataset(x, from_data({0, -2, 1}, int64)).classes(), 0);
  EXPECT_EQ(TensorDataset(x, zeros({3})).classes(), 0);
}

TEST(TensorDataset, RejectsWhatDoesNotFitTogether) {
  const Tensor x = zeros({3, 2});
  expect_error<ShapeError>([&] { TensorDataset(x, zeros({4})); },
                           "TensorDataset: x has 3 samples and y has 4; x is [3, 2], y is [4]");
  expect_error<ShapeError>([&] { TensorDataset(x, zeros({})); }, "need a leading axis of samples, got [3, 2] and []");
  expect_error<Error>([&] { TensorDataset(x, Tensor()); }, "TensorDataset: y is undefined");
  expect_error<Error>([&] { TensorDataset(Tensor(), x); }, "TensorDataset: x is undefined");
  expect_error<ShapeError>(
      [&] {
        TensorDataset(x, from_data({0, 5, 1}, int64), 3);
      },
      "label 5 is out of range for 3 classes");
  expect_error<DTypeError>([&] { TensorDataset(x, zeros({3}), 3); }, "3 classes need labels y [N] of int64");
  expect_error<ShapeError>([] { counting(3).batch(Indices{0, 3}); }, "index 3 is out of range for 3 samples");
  expect_error<ShapeError>([] { counting(3).batch(Indices{-1}); }, "index -1 is out of range for 3 samples");
}

TEST(Subset, IsThoseSamplesOfTheOther) {
  const Subset odd(counting(6), {1, 3, 5});
  EXPECT_EQ(odd.size(), 3);
  EXPECT_EQ(odd.classes(), 6);
  EXPECT_EQ(values_of(odd.all().y), (std::vector<double>{1, 3, 5}));
  const Subset last(odd, {2});
  EXPECT_EQ(values_of(last.all().x), std::vector<double>{5});
  expect_error<ShapeError>([&] { odd.batch(Indices{3}); }, "Subset: index 3 is out of range for 3 samples");
  expect_error<ShapeError>([] { Subset(counting(6), {6}); }, "Subset: index 6 is out of range for 6 samples");
}

TEST(Dataset, OfAUsersOwnNeedsFourFunctions) {
  class Squares : public Dataset {
   public:
    std::int64_t size() const override { return 100; }
    Batch batch(std::span<const std::int64_t> indices) const override {
      const Tensor x = from_span(indices, {static_cast<std::int64_t>(indices.size())}).to(float32);
      return {x, x * x};
    }
    Shape x_shape() const override { return {}; }
    Shape y_shape() const override { return {}; }
  };
  const AnyDataset data = Squares();
  EXPECT_EQ(values_of(data.batch(Indices{3, 9}).y), (std::vector<double>{9, 81}));
  EXPECT_EQ(data.classes(), 0);
}

TEST(TrainTestSplit, PartsTheSamples) {
  const auto [train, test] = train_test_split(counting(1797), 0.2, {.seed = 1});
  EXPECT_EQ(train.size(), 1438);
  EXPECT_EQ(test.size(), 359);
  std::set<std::int64_t> seen(train.indices().begin(), train.indices().end());
  seen.insert(test.indices().begin(), test.indices().end());
  EXPECT_EQ(seen.size(), 1797u);
  EXPECT_FALSE(std::ranges::is_sorted(train.indices()));
  EXPECT_FALSE(std::ranges::is_sorted(test.indices()));
}

TEST(TrainTestSplit, IsFixedByTheSeed) {
  const auto split = [](std::uint64_t seed) { return train_test_split(counting(50), 0.3, {.seed = seed}); };
  EXPECT_EQ(split(4).test.indices(), split(4).test.indices());
  EXPECT_NE(split(4).test.indices(), split(5).test.indices());
}

TEST(TrainTestSplit, KeepsTheProportionOfEveryClassIfStratified) {
  Indices labels;
  for (int i = 0; i < 10; ++i) labels.push_back(0);
  for (int i = 0; i < 40; ++i) labels.push_back(1);
  for (int i = 0; i < 50; ++i) labels.push_back(2);
  const TensorDataset data(zeros({100, 1}), from_vector(labels));
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto [train, test] = train_test_split(data, 0.3, {.seed = seed, .stratified = true});
    std::array<int, 3> counts{};
    for (const double label : values_of(test.all().y)) ++counts[static_cast<std::size_t>(label)];
    EXPECT_EQ(counts, (std::array<int, 3>{3, 12, 15}));
    EXPECT_EQ(train.size(), 70);
    EXPECT_FALSE(std::ranges::is_sorted(values_of(train.all().y)));
  }
}

TEST(TrainTestSplit, RejectsPartsThatWouldBeEmptyOrHaveNoLabels) {
  const auto split = [](double fraction) { train_test_split(counting(4), fraction); };
  expect_error<Error>([&] { split(0); }, "test_fraction must be between 0 and 1, both excluded, got 0");
  expect_error<Error>([&] { split(1); }, "both excluded, got 1");
  expect_error<Error>([&] { split(-0.5); }, "both excluded, got -0.5");
  expect_error<Error>([&] { split(std::nan("")); }, "both excluded, got nan");
  expect_error<Error>([&] { split(0.1); }, "test_fraction 0.1 of 4 samples leaves 4 for training and 0 for testing");
  expect_error<Error>([&] { train_test_split(Xor(), 0.5, {.stratified = true}); },
                      "train_test_split: stratified needs labels y [N] of int64, got [4, 1] of float32");
}

TEST(Digits, AreTheUciDigits) {
  const Digits digits;
  EXPECT_EQ(digits.size(), 1797);
  EXPECT_EQ(digits.x_shape(), (Shape{1, 8, 8}));
  EXPECT_EQ(digits.classes(), 10);
  EXPECT_EQ(digits.x().dtype(), float32);
  EXPECT_EQ(min(digits.x()).item(), 0.0);
  EXPECT_EQ(max(digits.x()).item(), 1.0);
  // The counts per class are those that the authors give for the test set.
  std::vector<int> counts(10);
  for (const double label : values_of(digits.y())) ++counts[static_cast<std::size_t>(label)];
  EXPECT_EQ(counts, (std::vector<int>{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}));
}

TEST(Digits, MayBeRawAndInDoublePrecision) {
  const Digits raw({.raw = true, .dtype = float64});
  const std::vector<double> first_row{0, 0, 5, 13, 9, 1, 0, 0};
  EXPECT_EQ(values_of(raw.x()[0][0][0]), first_row);
  EXPECT_EQ(raw.y()[0].item<int>(), 0);
  EXPECT_EQ(raw.y()[1796].item<int>(), 8);
  EXPECT_EQ(sum(raw.x()).item(), 561718.0);
  expect_same(Digits({.dtype = float64}).x(), raw.x() / 16.0);
  expect_error<DTypeError>([] { Digits({.dtype = int64}); }, "Digits: dtype must be float32 or float64, got int64");
}

TEST(Digits, AreFoundInTheFolderOfTheEnvironmentFirst) {
  const Folder folder;
  const Environment environment("WENGERT_DATA", folder.path());
  EXPECT_EQ(Digits().size(), 1797);  // not there: the other places still count
  folder.write("digits.csv.gz", "nothing like it");
  expect_error<IoError>([] { Digits(); }, "Digits: '" + folder.path() + "/digits.csv.gz', row 1: 1 columns");
}

TEST(Digits, MissingNameThePlacesTried) {
  expect_error<IoError>([] { Digits({.file = "/nowhere/digits.csv.gz"}); },
                        "Digits: cannot open '/nowhere/digits.csv.gz': No such file or directory");
  expect_error<IoError>([] { Digits({.file = "/tmp"}); }, "Digits: cannot read '/tmp': it is a directory");
  const Environment environment("WENGERT_DATA", "/nowhere/at/all");
  expect_error<IoError>([] { detail::find_data_file("Moons", "", "moons.csv"); },
                        "Moons: no file moons.csv in '/nowhere/at/all', '");
}

TEST(Digits, CutShortAnywhereAreAnError) {
  const Folder folder;
  const std::string bytes = bytes_of(digits_file());
  const std::size_t size = bytes.size();
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{9}, std::size_t{10},
                                   std::size_t{11}, size / 3, size / 2, size - 9, size - 8, size - 4, size - 1}) {
    const std::string path = folder.write("cut.csv.gz", bytes.substr(0, length));
    expect_error<IoError>([&] { Digits({.file = path}); }, path);
    if (length > 10) expect_error<IoError>([&] { Digits({.file = path}); }, "is cut short: the compressed data end");
  }
}

TEST(Digits, DamagedAreAnError) {
  const Folder folder;
  std::string bytes = bytes_of(digits_file());
  bytes[bytes.size() - 6] = static_cast<char>(bytes[bytes.size() - 6] ^ 1);  // in the checksum
  const std::string path = folder.write("damaged.csv.gz", bytes);
  expect_error<IoError>([&] { Digits({.file = path}); }, "Digits: cannot read '" + path + "': ");
}

TEST(Digits, NameTheRowColumnAndValueThatIsWrong) {
  const Folder folder;
  const std::string text = digits_text();
  const auto error_for = [&](const std::string& content, const std::string& expected) {
    const std::string path = folder.write("digits.csv", content);
    expect_error<IoError>([&] { Digits({.file = path}); }, "Digits: '" + path + "'" + expected);
  };
  const std::string zeros =
      "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
      "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,";
  error_for("", " is cut short: 0 rows, expected 1797");
  error_for(text.substr(0, text.size() - 2), ", row 1797, column 65: '' is not an integer from 0 to 9");
  error_for(text.substr(0, text.size() - 3), ", row 1797: 64 columns, expected 65");
  error_for(text.substr(0, text.rfind('\n', text.size() - 2) + 1), " is cut short: 1796 rows, expected 1797");
  error_for(text + text.substr(0, text.find('\n')), " is too long: 1798 rows, expected 1797");
  error_for(zeros + "0,10\n" + text, ", row 1, column 65: '10' is not an integer from 0 to 9");
  error_for(zeros + "17,0\n" + text, ", row 1, column 64: '17' is not an integer from 0 to 16");
  error_for(zeros + "-1,0\n" + text, ", row 1, column 64: '-1' is not an integer from 0 to 16");
  error_for(zeros + "1.5,0\n" + text, ", row 1, column 64: '1.5' is not an integer from 0 to 16");
  error_for(zeros + "99999999999999999999,0\n" + text, ", row 1, column 64: '99999999999999999999' is not");
  error_for(text.substr(0, text.find('\n')) + "\n\n" + text, ", row 2: 1 columns, expected 65");
}

TEST(Digits, MayComeUncompressed) {
  const Folder folder;
  expect_same(Digits({.file = folder.write("digits.csv", digits_text())}).x(), Digits().x());
}

TEST(Spiral, HasOneArmForEachClass) {
  const Spiral spiral({.noise = 0, .dtype = float64});
  EXPECT_EQ(spiral.size(), 600);
  EXPECT_EQ(spiral.classes(), 3);
  EXPECT_EQ(spiral.x_shape(), Shape{2});
  const auto x = spiral.x().data<double>();
  for (const std::size_t label : {0u, 1u, 2u}) {
    for (const std::size_t i : {0u, 57u, 199u}) {
      const std::size_t row = 200 * label + i;
      const double r = static_cast<double>(i) / 199;
      const double t = 4 * static_cast<double>(label) + 4 * r;
      EXPECT_NEAR(x[2 * row], r * std::sin(2.5 * t), 1e-12);
      EXPECT_NEAR(x[2 * row + 1], r * std::cos(2.5 * t), 1e-12);
      EXPECT_EQ(spiral.y().data<std::int64_t>()[row], static_cast<std::int64_t>(label));
    }
  }
}

TEST(Spiral, HasNoiseInTheAngleOnlyFixedByTheSeed) {
  const Spiral a({.seed = 1, .dtype = float64});
  const Spiral exact({.noise = 0, .dtype = float64});
  expect_same(a.x(), Spiral({.seed = 1, .dtype = float64}).x());
  EXPECT_NE(values_of(a.x()), values_of(Spiral({.seed = 2, .dtype = float64}).x()));
  const auto radii = [](const Spiral& spiral) { return values_of(sqrt(sum(square(spiral.x()), {1}))); };
  double squares = 0;
  for (std::size_t i = 0; i < 600; ++i) {
    EXPECT_NEAR(radii(a)[i], radii(exact)[i], 1e-12);
    if (i % 200 < 2) continue;
    const auto angle = [&](const Spiral& spiral) {
      return std::atan2(spiral.x().data<double>()[2 * i], spiral.x().data<double>()[2 * i + 1]);
    };
    squares += std::pow(std::remainder(angle(a) - angle(exact), 2 * M_PI) / 2.5, 2);
  }
  EXPECT_NEAR(std::sqrt(squares / 594), 0.2, 0.02);
}

TEST(Spiral, MayHaveAnyNumberOfPointsAndClasses) {
  EXPECT_EQ(Spiral({.classes = 5, .points_per_class = 7}).size(), 35);
  EXPECT_EQ(values_of(Spiral({.classes = 2, .points_per_class = 1}).x()), (std::vector<double>{0, 0, 0, 0}));
  expect_error<Error>([] { Spiral({.classes = 0}); }, "must be at least 1, got 0 classes of 200 points");
  expect_error<Error>([] { Spiral({.points_per_class = -1}); }, "must be at least 1, got 3 classes of -1 points");
  expect_error<Error>([] { Spiral({.noise = -1}); }, "Spiral: noise must be finite and not negative, got -1");
  expect_error<DTypeError>([] { Spiral({.dtype = int64}); }, "dtype must be float32 or float64, got int64");
}

TEST(Xor, IsTheTruthTable) {
  const Xor data(float64);
  for (const std::int64_t i : {0, 1, 2, 3}) {
    const auto [x, y] = data.batch(Indices{i});
    EXPECT_EQ(y.item<bool>(), x[0][0].item<bool>() != x[0][1].item<bool>());
  }
  EXPECT_EQ(data.classes(), 0);
}

TEST(Normalize, MakesMeanZeroAndDeviationOne) {
  const Digits digits({.raw = true, .dtype = float64});
  const auto normalize = Normalize::fit(digits);
  EXPECT_NEAR(normalize.mean().item(), 4.884164579, 1e-8);
  const Tensor x = normalize(digits.x());
  EXPECT_NEAR(mean(x).item(), 0, 1e-12);
  EXPECT_NEAR(mean(square(x)).item(), 1, 1e-12);
}

TEST(Normalize, MeasuresEachChannelOrEachFeature) {
  // Two samples of two channels of two pixels.
  const TensorDataset data(from_data({{{1, 3}, {10, 10}}, {{5, 7}, {20, 40}}}), zeros({2}));
  const auto by_channel = Normalize::fit(data, Normalize::Per::channel);
  EXPECT_EQ(values_of(by_channel.mean()), (std::vector<double>{4, 20}));
  EXPECT_NEAR(values_of(by_channel.deviation())[0], std::sqrt(5.0), 1e-12);
  const auto by_feature = Normalize::fit(data, Normalize::Per::feature);
  EXPECT_EQ(values_of(by_feature.mean()), (std::vector<double>{3, 5, 15, 25}));
  EXPECT_EQ(values_of(by_feature.deviation()), (std::vector<double>{2, 2, 5, 15}));
  EXPECT_EQ(values_of(by_feature(data.x())), (std::vector<double>{-1, -1, -1, -1, 1, 1, 1, 1}));
}

TEST(Normalize, MeasuresInPieces) {
  const TensorDataset data(rand({3000, 3}, float64), zeros({3000}));
  const auto normalize = Normalize::fit(data, Normalize::Per::feature);
  const Tensor expected = mean(data.x(), {0});
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(values_of(normalize.mean())[i], values_of(expected)[i], 1e-12);
}

TEST(Normalize, OnlyShiftsWhatIsConstant) {
  for (const DType dtype : {float32, float64}) {
    const Tensor x = full({3000, 2}, 0.1, dtype);
    const auto normalize = Normalize::fit(TensorDataset(x, zeros({3000})), Normalize::Per::feature);
    EXPECT_EQ(values_of(normalize.deviation()), (std::vector<double>{1, 1}));
    for (const double value : values_of(normalize(x))) ASSERT_NEAR(value, 0, 1e-12);
  }
}

TEST(Normalize, AppliesToBatchesAndDataSets) {
  const TensorDataset data(from_data({{1}, {3}}), from_data({0, 1}, int64), 5);
  const Normalize normalize(from_data(2, float64), from_data(0.5, float64));
  const Batch batch = normalize(data.all());
  EXPECT_EQ(values_of(batch.x), (std::vector<double>{-2, 2}));
  EXPECT_EQ(batch.x.dtype(), float32);
  EXPECT_EQ(values_of(batch.y), (std::vector<double>{0, 1}));
  const TensorDataset normalized = normalize(data);
  EXPECT_EQ(values_of(normalized.x()), (std::vector<double>{-2, 2}));
  EXPECT_EQ(normalized.classes(), 5);
}

TEST(Normalize, RejectsWhatCannotBeMeasured) {
  const auto fit = [](const Tensor& x, Normalize::Per per = Normalize::Per::dataset) {
    Normalize::fit(TensorDataset(x, zeros({x.dim(0)})), per);
  };
  expect_error<Error>([&] { fit(zeros({0, 2})); }, "Normalize: the data set is empty");
  expect_error<DTypeError>([&] { fit(zeros({2, 2}, int64)); }, "x must be float32 or float64, got int64");
  expect_error<ShapeError>([&] { fit(zeros({2}), Normalize::Per::channel); }, "x has no channels: a sample has rank 0");
  expect_error<Error>([&] { fit(full({2, 2}, std::nan(""))); }, "Normalize: the mean of x is nan");
  expect_error<Error>([&] { fit(full({2, 2}, std::numeric_limits<double>::infinity())); }, "the mean of x is inf");
  expect_error<Error>([] { Normalize(full({}, 1), full({}, -2)); }, "Normalize: deviation is -2");
}

}  // namespace
}  // namespace wengert::datasets
