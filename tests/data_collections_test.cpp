#include <cmath>
#include <cstdint>
#include <numbers>
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

TEST(Moons, AreHalfCirclesWithoutNoise) {
  const Moons moons({.points_per_class = 5, .noise = 0, .dtype = float64});
  EXPECT_EQ(values_of(moons.y()), (Values{0, 0, 0, 0, 0, 1, 1, 1, 1, 1}));
  const Values x = values_of(moons.x());
  for (std::size_t i = 0; i < 5; ++i) {
    const double t = std::numbers::pi * static_cast<double>(i) / 4;
    EXPECT_NEAR(x[2 * i], std::cos(t), 1e-15);
    EXPECT_NEAR(x[2 * i + 1], std::sin(t), 1e-15);
    EXPECT_NEAR(x[10 + 2 * i], 1 - std::cos(t), 1e-15);
    EXPECT_NEAR(x[10 + 2 * i + 1], 0.5 - std::sin(t), 1e-15);
  }
  expect_error<Error>([] { Moons({.points_per_class = 0}); }, "Moons: points_per_class must be at least 1, got 0");
  expect_error<Error>([] { Moons({.noise = -1}); }, "Moons: noise must be finite and not negative, got -1");
}

TEST(Circles, HaveTheirRadiiAndNoise) {
  const Tensor x = Circles({.points_per_class = 1000, .noise = 0, .dtype = float64}).x();
  const Values radii = values_of(sqrt(sum(square(x), {1})));
  EXPECT_NEAR(radii[0], 1, 1e-12);
  EXPECT_NEAR(radii[999], 1, 1e-12);
  EXPECT_NEAR(radii[1000], 0.5, 1e-12);
  const Tensor noise = Circles({.points_per_class = 1000, .noise = 0.2, .dtype = float64}).x() - x;
  EXPECT_NEAR(mean(square(noise)).item(), 0.04, 0.003);
  EXPECT_EQ(values_of(Circles({.seed = 4}).x()), values_of(Circles({.seed = 4}).x()));
  EXPECT_NE(values_of(Circles({.seed = 4}).x()), values_of(Circles({.seed = 5}).x()));
  expect_error<Error>([] { Circles({.factor = 1}); }, "Circles: factor must be from 0 to below 1, got 1");
}

TEST(Blobs, AreCloudsAboutTheirCentres) {
  const Blobs blobs({.classes = 2, .points_per_class = 2000, .features = 3, .deviation = 0.5, .dtype = float64});
  EXPECT_EQ(blobs.x().shape(), Shape({4000, 3}));
  EXPECT_EQ(blobs.classes(), 2);
  for (const std::int64_t label : {0, 1}) {
    const Tensor cloud = blobs.x().slice(label * 2000, label * 2000 + 2000);
    const Tensor centre = mean(cloud, {0}, true);
    EXPECT_LE(max(abs(centre)).item(), 10.1);
    EXPECT_NEAR(mean(square(cloud - centre)).item(), 0.25, 0.02);
  }
  expect_error<Error>([] { Blobs({.features = 0}); },
                      "Blobs: classes, points_per_class and features must be at least 1");
}

TEST(SineSequence, GivesWindowsAndWhatComesNext) {
  const SineSequence sine({.dtype = float64});
  EXPECT_EQ(sine.x().shape(), Shape({980, 20, 1}));
  EXPECT_EQ(sine.y().shape(), Shape({980, 1}));
  const double step = 4 * std::numbers::pi / 999;
  EXPECT_NEAR(sine.x()[7][5][0].item(), std::sin(12 * step), 1e-12);
  EXPECT_NEAR(sine.y()[7][0].item(), std::sin(27 * step), 1e-12);
  EXPECT_NEAR(sine.y()[979][0].item(), 0, 1e-12);
  expect_error<Error>([] { SineSequence({.points = 20}); },
                      "SineSequence: window must be from 1 to below the 20 points");
}

TEST(NoisySine, PartsAreOfOneSeries) {
  const NoisySine whole({.dtype = float64});
  const NoisySine test({.begin = 800, .dtype = float64});
  EXPECT_EQ(whole.x().shape(), Shape({996, 1, 4}));
  EXPECT_EQ(test.y().shape(), Shape({196, 1}));
  EXPECT_EQ(values_of(test.x()), values_of(whole.x().slice(800, 996)));
  EXPECT_EQ(whole.x()[1][0][3].item(), whole.y()[0][0].item());
  Values noise;
  for (std::size_t i = 0; i < 996; ++i)
    noise.push_back(values_of(whole.y())[i] - std::sin(0.02 * static_cast<double>(i + 4)));
  const Tensor u = from_vector(noise);
  EXPECT_GE(min(u).item(), 0);
  EXPECT_LT(max(u).item(), 2);
  EXPECT_NEAR(mean(square(u - mean(u))).item(), 1.0 / 3, 0.03);
}

TEST(DampedOscillator, FollowsTheAnalyticSolutionAndItsForce) {
  for (const double damping : {0.0, 0.1, 2.0, 5.0}) {
    const DampedOscillatorOptions options{.damping = damping,
                                          .position = 0.7,
                                          .velocity = -0.4,
                                          .step = 0.05,
                                          .points = 200,
                                          .window = 3,
                                          .dtype = float64};
    const DampedOscillator data(options);
    EXPECT_EQ(data.x().shape(), Shape({197, 3, 3}));
    for (const std::int64_t i : {0, 50, 196}) {
      const auto [position, velocity] = DampedOscillator::free_solution(0.05 * static_cast<double>(i + 3), options);
      EXPECT_NEAR(data.y()[i][0].item(), position, 1e-5);
      EXPECT_NEAR(data.y()[i][1].item(), velocity, 1e-5);
    }
    EXPECT_EQ(data.x()[0][0][1].item(), 0.7);
    EXPECT_EQ(data.x()[0][0][2].item(), -0.4);
  }
  // x = sin t solves x'' + 0.5 x' + x = 0.5 cos t.
  const DampedOscillator driven({.damping = 0.5,
                                 .position = 0,
                                 .velocity = 1,
                                 .force = [](double t) { return 0.5 * std::cos(t); },
                                 .dtype = float64});
  EXPECT_NEAR(driven.y()[500][0].item(), std::sin(50.1), 1e-5);
  EXPECT_NEAR(driven.x()[500][0][0].item(), 0.5 * std::cos(50.0), 1e-12);
  expect_error<Error>([] { DampedOscillator({.damping = -1e9}); }, "DampedOscillator: at t = ");
}

TEST(Concat, FindsSamplesInItsParts) {
  const auto numbers = [](double begin, double end) {
    return TensorDataset(arange(begin, end).reshape({-1, 1}), arange(begin, end, 1, int64));
  };
  const Concat all({numbers(0, 3), numbers(3, 3), numbers(3, 8)});
  EXPECT_EQ(all.size(), 8);
  EXPECT_EQ(all.classes(), 8);
  const std::int64_t mixed[] = {7, 0, 3, 2, 2, 4};
  EXPECT_EQ(values_of(all.batch(mixed).x), (Values{7, 0, 3, 2, 2, 4}));
  EXPECT_EQ(values_of(all.batch(mixed).y), (Values{7, 0, 3, 2, 2, 4}));
  EXPECT_EQ(all.batch({}).x.shape(), Shape({0, 1}));
  const std::int64_t beyond[] = {8};
  expect_error<ShapeError>([&] { all.batch(beyond); }, "Concat: index 8 is out of range for 8 samples");
  expect_error<ShapeError>(
      [&] {
        Concat({numbers(0, 1), Xor()});
      },
      "Concat: samples have shapes x [1], y [] and x [2]");
  expect_error<Error>([] { Concat({}); }, "Concat: there are no data sets");
}

TEST(SplitAt, KeepsTheOrder) {
  const auto [train, test] = split_at(Xor(), 3);
  EXPECT_EQ(values_of(train.all().y), (Values{0, 1, 1}));
  EXPECT_EQ(values_of(test.all().y), (Values{0}));
  expect_error<Error>([] { split_at(Xor(), 4); }, "split_at: count must be between 0 and the 4 samples");
}

TEST(CsvDataset, TakesColumnsByName) {
  const Folder folder;
  const std::string path = folder.write("iris.csv", "a,kind,b\n1,rose,2\n3,lily,4\n");
  const CsvDataset flowers(path, {.target = "kind", .labels = true});
  EXPECT_EQ(values_of(flowers.x()), (Values{1, 2, 3, 4}));
  EXPECT_EQ(values_of(flowers.y()), (Values{1, 0}));
  EXPECT_EQ(flowers.class_names(), (std::vector<std::string>{"lily", "rose"}));
  EXPECT_EQ(flowers.classes(), 2);
  const CsvDataset numbers(path, {.features = {"a"}, .dtype = float64});
  EXPECT_EQ(numbers.y().shape(), Shape({2, 1}));
  EXPECT_EQ(values_of(numbers.y()), (Values{2, 4}));
  EXPECT_EQ(values_of(numbers.x()), (Values{1, 3}));
  EXPECT_EQ(numbers.classes(), 0);
  expect_error<IoError>([&] { CsvDataset{path}; }, "line 2, column 'kind': 'rose' is not a number");
  expect_error<Error>([&] { CsvDataset(path, {.target = "c"}); }, "has no column 'c'; it has a, kind, b");
}

TEST(ImageFolder, NamesClassesByTheirFolders) {
  if (!images_available()) GTEST_SKIP() << "built without stb";
  const Folder folder;
  folder.write("dogs/readme.txt", "not a picture");
  folder.write("cats/readme.txt", "not a picture");
  save_image(folder / "dogs/b.png", full({2, 3}, 0.2));
  save_image(folder / "dogs/a.png", full({2, 3}, 0.4));
  save_image(folder / "cats/z.png", full({2, 3}, 1));
  const ImageFolder images(folder.path(), {.channels = 1});
  EXPECT_EQ(images.class_names(), (std::vector<std::string>{"cats", "dogs"}));
  EXPECT_EQ(images.x_shape(), Shape({1, 2, 3}));
  const Batch all = images.all();
  EXPECT_EQ(values_of(all.y), (Values{0, 1, 1}));
  EXPECT_EQ(all.x[1][0][0][0].item<float>(), 102.0F / 255.0F);
  EXPECT_EQ(images.batch({}).x.shape(), Shape({0, 1, 2, 3}));
  save_image(folder / "dogs/c.png", ones({3, 3}));
  const ImageFolder uneven(folder.path());
  expect_error<ShapeError>([&] { uneven.all(); }, "dogs/c.png' is [3, 3, 3], and the first picture [3, 2, 3]");
  expect_error<IoError>([&] { ImageFolder(folder / "cats"); }, "has no folder with pictures");
  expect_error<IoError>([&] { ImageFolder(folder / "none"); }, "ImageFolder: cannot read '");
}

TEST(TextCorpus, GivesWindowsWithTheCharactersThatFollow) {
  const TextCorpus text = TextCorpus::of("abcäba", {.window = 3});
  EXPECT_EQ(text.vocabulary(), (std::vector<std::string>{"a", "b", "c", "ä"}));
  EXPECT_EQ(text.size(), 3);
  EXPECT_EQ(text.classes(), 4);
  const Batch all = text.all();
  EXPECT_EQ(all.x.dtype(), int64);
  EXPECT_EQ(values_of(all.x), (Values{0, 1, 2, 1, 2, 3, 2, 3, 1}));
  EXPECT_EQ(values_of(all.y), (Values{1, 2, 3, 2, 3, 1, 3, 1, 0}));
  EXPECT_EQ(text.decode(text.encode("cäb")), "cäb");
  expect_error<Error>([&] { text.encode("ax"); }, "TextCorpus: 'x' is not in the vocabulary");
  EXPECT_EQ(TextCorpus::of("abcd", {.window = 4}).size(), 0);
  EXPECT_EQ(TextCorpus::of("", {}).size(), 0);
  EXPECT_EQ(TextCorpus::of("0123456789", {.window = 3, .stride = 3}).size(), 3);
  EXPECT_EQ(TextCorpus::of("a\xc3\xff", {}).classes(), 3);
}

TEST(TextCorpus, PartsShareTheVocabularyButNoCharacter) {
  const Folder folder;
  const TextCorpus text({.file = folder.write("a.txt", "aaaaabbbbb"), .window = 2});
  const TextCorpus train = text.part(0, 0.5);
  const TextCorpus test = text.part(0.5, 1);
  EXPECT_EQ(train.size(), 3);
  EXPECT_EQ(test.classes(), 2);
  EXPECT_EQ(sum(train.all().y).item(), 0);
  EXPECT_EQ(values_of(test.all().x), (Values{1, 1, 1, 1, 1, 1}));
  expect_error<Error>([&] { text.part(0.5, 0.4); }, "TextCorpus: 0 <= begin <= end <= 1 is needed, got 0.5 and 0.4");
}

}  // namespace
}  // namespace wengert::datasets
