#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/datasets.h>

#include "tests/expect.h"

namespace wengert::datasets {
namespace {

using Values = std::vector<double>;

TensorDataset counting(std::int64_t n) {
  return TensorDataset(arange(static_cast<double>(n)).reshape({n, 1}), arange(static_cast<double>(n), int64));
}

Values labels_of(const DataLoader& loader, std::uint64_t epoch) {
  Values labels;
  for (const auto& [x, y] : loader.epoch(epoch)) {
    const Values batch = values_of(y);
    labels.insert(labels.end(), batch.begin(), batch.end());
  }
  return labels;
}

/// Fails for the samples from `bad` on, slowly for every third batch, and counts who asks.
class Awkward : public Dataset {
 public:
  Awkward(std::int64_t n, std::int64_t bad, std::atomic<int>* asked) : n_(n), bad_(bad), asked_(asked) {}
  std::int64_t size() const override { return n_; }
  Batch batch(std::span<const std::int64_t> indices) const override {
    if ((*asked_)++ % 3 == 0) std::this_thread::yield();
    for (const std::int64_t index : indices) {
      if (index >= bad_) throw std::runtime_error("sample " + std::to_string(index));
    }
    return counting(n_).batch(indices);
  }
  Shape x_shape() const override { return {1}; }
  Shape y_shape() const override { return {}; }

 private:
  std::int64_t n_;
  std::int64_t bad_;
  std::atomic<int>* asked_;
};

TEST(DataLoaderWorkers, GiveTheSameBatchesWhateverTheirNumber) {
  const auto noisy = [](const Batch& batch) { return Batch{batch.x + randn(batch.x.shape()), batch.y}; };
  const DataLoader plain(counting(101), {.batch_size = 4, .seed = 5, .transform = noisy});
  for (const int workers : {1, 2, 5, 40}) {
    const DataLoader loader(
        counting(101),
        {.batch_size = 4, .seed = 5, .workers = workers, .prefetch = 1 + workers % 3, .transform = noisy});
    EXPECT_EQ(loader.size(), plain.size());
    for (const std::uint64_t epoch : {0, 7}) {
      auto expected = plain.epoch(epoch).begin();
      for (const auto& [x, y] : loader.epoch(epoch)) {
        const Batch other = *expected;
        EXPECT_EQ(values_of(x), values_of(other.x));
        EXPECT_EQ(values_of(y), values_of(other.y));
        ++expected;
      }
      EXPECT_EQ(expected, std::default_sentinel);
    }
  }
  EXPECT_NE(labels_of(plain, 0), labels_of(plain, 1));
}

TEST(DataLoaderWorkers, DoNotDecideWhatADataSetDrawsOrRecords) {
  const Tensor weight = ones({1}).requires_grad(true);
  const Map noisy(counting(64), [&](const Batch& batch) {
    for (int i = 0; i < static_cast<int>(batch.y[0].item<int>()) % 5; ++i) std::this_thread::yield();
    return Batch{(batch.x + randn(batch.x.shape())) * weight, batch.y};
  });
  for (const bool shuffle : {false, true}) {
    const auto numbers = [&](int workers) {
      Values values;
      const DataLoader loader(noisy, {.batch_size = 8, .shuffle = shuffle, .workers = workers});
      for (const auto& [x, y] : loader.epoch(0)) {
        EXPECT_FALSE(x.requires_grad());
        const Values batch = values_of(x);
        values.insert(values.end(), batch.begin(), batch.end());
      }
      return values;
    };
    const Values alone = numbers(0);
    EXPECT_EQ(numbers(1), alone);
    EXPECT_EQ(numbers(4), alone);
  }
}

TEST(DataLoaderWorkers, MayBeLeftAtAnyTime) {
  std::atomic<int> asked = 0;
  for (int batches = 0; batches < 12; ++batches) {
    DataLoader loader(Awkward(10, 10, &asked), {.batch_size = 1, .workers = 3});
    int seen = 0;
    for (auto [x, y] : loader) {
      if (seen++ == batches) break;
    }
    EXPECT_EQ(seen, std::min(batches + 1, 10));
  }
  DataLoader::Iterator iterator;
  {
    DataLoader loader(Awkward(10, 10, &asked), {.batch_size = 5, .shuffle = false, .workers = 2});
    iterator = loader.begin();
    ++iterator;  // a batch that nobody looks at
  }
  EXPECT_EQ(values_of((*iterator).y), (Values{5, 6, 7, 8, 9}));  // the loader is gone
  EXPECT_EQ(values_of((*iterator).y), (Values{5, 6, 7, 8, 9}));
}

TEST(DataLoaderWorkers, AreNoFurtherAheadThanAsked) {
  std::atomic<int> asked = 0;
  DataLoader loader(Awkward(100, 100, &asked), {.batch_size = 1, .workers = 2, .prefetch = 3});
  auto iterator = loader.begin();
  *iterator;
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  EXPECT_LE(asked, 6);
  ++iterator;
  *iterator;
  EXPECT_LE(asked, 7);
}

TEST(DataLoaderWorkers, ThrowWhereTheLoopWouldHave) {
  std::atomic<int> asked = 0;
  for (const int workers : {0, 1, 4}) {
    DataLoader loader(Awkward(20, 6, &asked), {.batch_size = 2, .shuffle = false, .workers = workers});
    int seen = 0;
    try {
      for (auto [x, y] : loader) ++seen;
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "sample 6");
    }
    EXPECT_EQ(seen, 3);
  }
}

TEST(DataLoaderWorkers, HaveNothingToDoForAnEmptyEpoch) {
  DataLoader loader(counting(0), {.workers = 2});
  for (auto [x, y] : loader) ADD_FAILURE();
  DataLoader dropped(counting(3), {.batch_size = 4, .drop_last = true, .workers = 2});
  for (auto [x, y] : dropped) ADD_FAILURE();
}

TEST(DataLoader, ShardsPartTheCommonOrder) {
  const Values whole = labels_of(DataLoader(counting(11), {.batch_size = 2, .seed = 3}), 4);
  for (const int workers : {0, 2}) {
    for (std::int64_t index = 0; index < 3; ++index) {
      const DataLoader shard(counting(11), {.batch_size = 2, .seed = 3, .shard = {index, 3}, .workers = workers});
      Values expected;
      for (std::size_t i = static_cast<std::size_t>(index); i < whole.size(); i += 3) expected.push_back(whole[i]);
      EXPECT_EQ(labels_of(shard, 4), expected);
      EXPECT_EQ(shard.size(), 2);
      const DataLoader even(counting(11), {.batch_size = 2, .drop_last = true, .shard = {index, 3}});
      EXPECT_EQ(even.size(), 1);
      EXPECT_EQ(labels_of(even, 0).size(), 2U);
    }
  }
  const DataLoader few(counting(1), {.shard = {1, 2}});
  EXPECT_EQ(few.size(), 0);
  EXPECT_TRUE(labels_of(few, 0).empty());
}

TEST(DataLoader, RejectsOptionsThatMakeNoSense) {
  expect_error<Error>([] { DataLoader(counting(1), {.workers = -1}); },
                      "DataLoader: workers must be 0 to 1024, got -1");
  expect_error<Error>([] { DataLoader(counting(1), {.prefetch = 0}); },
                      "DataLoader: prefetch must be at least 1, got 0");
  expect_error<Error>([] { DataLoader(counting(1), {.shard = {2, 2}}); }, "DataLoader: there is no shard 2 of 2");
}

Batch picture(const Tensor& x) { return {x, zeros({x.dim(0)}, int64)}; }

const std::int64_t first[] = {0};

TEST(Transforms, FixedOnesAreWhatTheySay) {
  const Batch bytes = picture(from_data({{0, 51}, {255, 102}}, int64));
  EXPECT_EQ(values_of(ToFloat(1 / 255.0, float64)(bytes).x), (Values{0, 51 / 255.0, 255 / 255.0, 102 / 255.0}));
  EXPECT_EQ(values_of(OneHot(3)({ones({2, 1}), from_data({2, 0}, int64)}).y), (Values{0, 0, 1, 1, 0, 0}));
  expect_error<ShapeError>([] { OneHot(2)({ones({1, 1}), from_data({2}, int64)}); }, "OneHot: label 2 is out of range");
  EXPECT_EQ(values_of(Standardize()(picture(from_data({{1, 3}, {0.1, 0.1}}))).x), (Values{-1, 1, 0, 0}));
  const Tensor padded = Pad(1, 7)(picture(from_data({{{1, 2}}}))).x;
  EXPECT_EQ(padded.shape(), Shape({1, 3, 4}));
  EXPECT_EQ(values_of(padded), (Values{7, 7, 7, 7, 7, 1, 2, 7, 7, 7, 7, 7}));
  expect_error<Error>([] { Pad(-1); }, "Pad: amount must not be negative, got -1");
}

TEST(Transforms, RandomOnesMoveWholePictures) {
  const Batch image = picture(arange(9).reshape({1, 1, 3, 3}));
  const Draw draw{first, 0};
  EXPECT_EQ(values_of(RandomFlip({.probability = 1})(image, draw).x), (Values{2, 1, 0, 5, 4, 3, 8, 7, 6}));
  EXPECT_EQ(values_of(RandomFlip({.horizontal = false, .vertical = true, .probability = 1})(image, draw).x),
            (Values{6, 7, 8, 3, 4, 5, 0, 1, 2}));
  EXPECT_EQ(values_of(RandomRotation(0)(image, draw).x), values_of(image.x));
  EXPECT_EQ(values_of(RandomShift(0)(image, draw).x), values_of(image.x));
  std::vector<int> corners(4);
  std::vector<int> shifts(9);
  for (std::uint64_t epoch = 0; epoch < 400; ++epoch) {
    const Tensor crop = RandomCrop(2, 2)(image, {first, epoch}).x;
    const double corner = crop[0][0][0][0].item();
    EXPECT_EQ(values_of(crop), (Values{corner, corner + 1, corner + 3, corner + 4}));
    ++corners[static_cast<std::size_t>(corner == 0 ? 0 : corner == 1 ? 1 : corner == 3 ? 2 : 3)];
    const double centre = RandomShift(1)(image, {first, epoch}).x[0][0][1][1].item();
    ++shifts[static_cast<std::size_t>(centre)];
  }
  for (const int count : corners) EXPECT_NEAR(count, 100, 40);
  for (const int count : shifts) EXPECT_NEAR(count, 400 / 9.0, 27);
}

TEST(Transforms, RotationTurnsAboutTheCentre) {
  // A bar through the centre: what is turned by any angle keeps its centre and, up to interpolation, its sum.
  Tensor bar = zeros({1, 1, 21, 21}, float64);
  bar = where(
      logical_and(abs(arange(-10, 11, 1, float64)) <= 3.0, abs(arange(-10, 11, 1, float64).reshape({21, 1})) <= 1.0),
      1.0, bar);
  for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
    const Tensor turned = RandomRotation(180)(picture(bar), {first, epoch}).x;
    EXPECT_DOUBLE_EQ(turned[0][0][10][10].item(), 1.0);
    EXPECT_NEAR(sum(turned).item(), 21, 1.0);
    const Tensor about = turned * (arange(-10, 11, 1, float64) + arange(-10, 11, 1, float64).reshape({21, 1}));
    EXPECT_NEAR(sum(about).item(), 0, 1e-9);
  }
}

TEST(Transforms, RandomOnesDependOnSeedEpochAndSampleAlone) {
  const Tensor x = randn({6, 2, 5, 5});
  const Compose change{RandomShift(2, 9), RandomFlip({.seed = 9}), RandomRotation(30, 9)};
  const auto changed = [&](const std::vector<std::int64_t>& indices, std::uint64_t epoch) {
    const TensorDataset data(x, zeros({6}, int64));
    return change(data.batch(indices), {indices, epoch}).x;
  };
  const Tensor all = changed({0, 1, 2, 3, 4, 5}, 3);
  EXPECT_EQ(values_of(changed({4, 1}, 3)[0]), values_of(all[4]));
  EXPECT_EQ(values_of(changed({4, 1}, 3)[1]), values_of(all[1]));
  EXPECT_NE(values_of(changed({4}, 4)[0]), values_of(all[4]));
  const TensorDataset data(x, zeros({6}, int64));
  const DataLoader loader(data, {.batch_size = 4, .shuffle = false, .workers = 2, .transform = change});
  const Batch tail = *++loader.epoch(3).begin();
  EXPECT_EQ(values_of(tail.x), values_of(all.slice(4, 6)));
}

TEST(Map, ChangesBatchesAndKnowsTheirShapes) {
  const TensorDataset data(arange(8).reshape({4, 2}), from_data({0, 1, 2, 1}, int64));
  const Map hot(data, OneHot(3));
  EXPECT_EQ(hot.x_shape(), Shape({2}));
  EXPECT_EQ(hot.y_shape(), Shape({3}));
  EXPECT_EQ(hot.classes(), 0);
  const Map doubled(data, [](const Batch& batch) { return Batch{batch.x * 2, batch.y}; });
  EXPECT_EQ(doubled.classes(), 3);
  EXPECT_EQ(values_of(doubled.all().x), (Values{0, 2, 4, 6, 8, 10, 12, 14}));
  const Map normalized(data, Normalize::fit(data));
  EXPECT_NEAR(mean(normalized.all().x).item(), 0, 1e-6);
  expect_error<ShapeError>([&] { Map(data, [](const Batch& batch) {
                                   return Batch{sum(batch.x), batch.y};
                                 }); },
                           "Map: of 1 samples the transform made x [] and y [1]");
}

}  // namespace
}  // namespace wengert::datasets
