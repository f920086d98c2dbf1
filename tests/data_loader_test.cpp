#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/autograd/parallel.h>
#include <wengert/datasets.h>

#include "tests/expect.h"

namespace wengert::datasets {
namespace {

static_assert(std::input_iterator<DataLoader::Iterator>);

TensorDataset counting(std::int64_t n) {
  return TensorDataset(arange(static_cast<double>(n)).reshape({n, 1}), arange(static_cast<double>(n), int64));
}

/// The labels of all batches of one loop, one after the other.
template <class Loader>
std::vector<double> labels_of(Loader&& loader) {
  std::vector<double> labels;
  for (const auto& [x, y] : loader) {
    const std::vector<double> batch = values_of(y);
    EXPECT_EQ(values_of(x), batch);
    labels.insert(labels.end(), batch.begin(), batch.end());
  }
  return labels;
}

std::vector<double> first_numbers(std::size_t n) {
  std::vector<double> numbers(n);
  std::iota(numbers.begin(), numbers.end(), 0.0);
  return numbers;
}

TEST(DataLoader, GivesEverySampleOnceAnEpoch) {
  DataLoader loader(counting(100), {.batch_size = 32});
  EXPECT_EQ(loader.size(), 4);
  std::vector<std::int64_t> sizes;
  for (auto [x, y] : loader) sizes.push_back(x.dim(0));
  EXPECT_EQ(sizes, (std::vector<std::int64_t>{32, 32, 32, 4}));
  std::vector<double> labels = labels_of(loader);
  EXPECT_FALSE(std::ranges::is_sorted(labels));
  std::ranges::sort(labels);
  EXPECT_EQ(labels, first_numbers(100));
}

TEST(DataLoader, KeepsTheOrderUnlessAskedToShuffle) {
  DataLoader loader(counting(10), {.batch_size = 3, .shuffle = false});
  EXPECT_EQ(labels_of(loader), first_numbers(10));
  EXPECT_EQ(labels_of(loader), first_numbers(10));
}

TEST(Dataset, GivesAStretchAsItGivesTheSameIndices) {
  const TensorDataset data(arange(10).reshape({5, 2}), arange(5).to(int64));
  const Subset subset(data, {4, 3, 2, 1, 0});
  const std::vector<std::int64_t> middle{1, 2, 3};
  for (const Dataset* of : {static_cast<const Dataset*>(&data), static_cast<const Dataset*>(&subset)}) {
    EXPECT_EQ(values_of(of->range(1, 3).x), values_of(of->batch(middle).x));
    EXPECT_EQ(values_of(of->range(1, 3).y), values_of(of->batch(middle).y));
    EXPECT_EQ(of->range(5, 0).x.shape(), (Shape{0, 2}));
    expect_error<ShapeError>([&] { of->range(3, 3); }, "samples 3 to 5 are out of range for 5 samples");
    expect_error<ShapeError>([&] { of->range(-1, 2); }, "samples -1 to 0 are out of range for 5 samples");
  }
}

TEST(Spiral, OfMorePointsThanCanBeCountedIsAnError) {
  const std::int64_t many = std::int64_t{1} << 32;
  EXPECT_THROW(Spiral({.classes = many, .points_per_class = many}), Error);
}

TEST(DataLoader, LeavesOutAShortLastBatchIfAsked) {
  DataLoader loader(counting(10), {.batch_size = 4, .drop_last = true});
  EXPECT_EQ(loader.size(), 2);
  EXPECT_EQ(labels_of(loader).size(), 8u);
  EXPECT_EQ(DataLoader(counting(8), {.batch_size = 4, .drop_last = true}).size(), 2);
  DataLoader none(counting(3), {.batch_size = 4, .drop_last = true});
  EXPECT_TRUE(labels_of(none).empty());
}

TEST(DataLoader, TakesABatchLargerThanTheDataSet) {
  DataLoader loader(counting(10), {.batch_size = std::numeric_limits<std::int64_t>::max()});
  EXPECT_EQ(loader.size(), 1);
  EXPECT_EQ(labels_of(loader).size(), 10u);
}

TEST(DataLoader, HasNoBatchesForNoSamples) {
  DataLoader loader(counting(0));
  EXPECT_EQ(loader.size(), 0);
  EXPECT_TRUE(labels_of(loader).empty());
}

TEST(DataLoader, ShufflesAnewEveryEpochAsTheSeedSays) {
  DataLoader loader(counting(50), {.batch_size = 8, .seed = 3});
  const auto first = labels_of(loader);
  const auto second = labels_of(loader);
  EXPECT_NE(first, second);
  DataLoader same(counting(50), {.batch_size = 8, .seed = 3});
  EXPECT_EQ(labels_of(same), first);
  EXPECT_EQ(labels_of(same), second);
  DataLoader other(counting(50), {.batch_size = 8, .seed = 4});
  EXPECT_NE(labels_of(other), first);
}

TEST(DataLoader, OrdersSamplesAlikeForAnyBatchSize) {
  DataLoader small(counting(50), {.batch_size = 7});
  DataLoader large(counting(50), {.batch_size = 20});
  EXPECT_EQ(labels_of(small), labels_of(large));
}

TEST(DataLoader, GivesAnyEpochByItsNumber) {
  DataLoader loader(counting(50), {.batch_size = 8});
  const auto first = labels_of(loader);
  const auto second = labels_of(loader);
  EXPECT_EQ(loader.next_epoch(), 2u);
  EXPECT_EQ(labels_of(loader.epoch(1)), second);
  EXPECT_EQ(labels_of(loader.epoch(0)), first);
  EXPECT_EQ(loader.next_epoch(), 2u);
  DataLoader resumed(counting(50), {.batch_size = 8});
  resumed.set_next_epoch(1);
  EXPECT_EQ(labels_of(resumed), second);
}

TEST(DataLoader, LetsLoopsOverlap) {
  DataLoader loader(counting(6), {.batch_size = 2});
  const auto first = labels_of(loader.epoch(0));
  std::vector<double> outer;
  for (auto [x, y] : loader) {
    EXPECT_EQ(labels_of(loader).size(), 6u);
    for (const double label : values_of(y)) outer.push_back(label);
  }
  EXPECT_EQ(outer, first);
  EXPECT_EQ(loader.next_epoch(), 4u);
}

TEST(DataLoader, OrdersAlikeForAnyNumberOfThreads) {
  const int before = num_threads();
  std::vector<std::vector<double>> orders;
  for (const int threads : {1, 2, 4}) {
    set_num_threads(threads);
    DataLoader loader(counting(40000), {.batch_size = 1000});
    orders.push_back(labels_of(loader));
  }
  set_num_threads(before);
  EXPECT_EQ(orders[0], orders[1]);
  EXPECT_EQ(orders[0], orders[2]);
}

TEST(DataLoader, DoesNotTouchTheDefaultGenerator) {
  manual_seed(9);
  DataLoader loader(counting(50), {.batch_size = 8});
  labels_of(loader);
  EXPECT_EQ(default_generator().state(), (Generator::State{9, 0}));
}

TEST(DataLoader, KeepsItsDataSetAlive) {
  DataLoader loader(train_test_split(counting(10), 0.5).train, {.batch_size = 2});
  EXPECT_EQ(labels_of(loader).size(), 5u);
}

TEST(DataLoader, RejectsBatchesOfNothing) {
  expect_error<Error>([] { DataLoader(counting(3), {.batch_size = 0}); },
                      "DataLoader: batch_size must be at least 1, got 0");
  expect_error<Error>([] { DataLoader(counting(3), {.batch_size = -5}); }, "must be at least 1, got -5");
}

}  // namespace
}  // namespace wengert::datasets
