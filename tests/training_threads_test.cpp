// Training as a whole: the same bits for any number of threads, and for models trained side by side.
// The suites' names contain "Thread", by which CI picks them for the thread sanitizer.

#include <thread>

#include <gtest/gtest.h>

#include <wengert/wengert.h>

#include "tests/expect.h"

namespace wengert {
namespace {

/// The weights after a few steps of a small convolutional network with dropout, all random numbers from `seed`.
std::vector<Tensor> train_network(std::uint64_t seed) {
  Generator generator(seed);
  const GeneratorScope scope(generator);
  nn::Sequential model{nn::Conv2d(1, 8, 3, {.padding = Padding::same}),
                       nn::ReLU(),
                       nn::MaxPool2d(2),
                       nn::Dropout(0.3),
                       nn::Flatten(),
                       nn::Dense(8 * 14 * 14, 10)};
  optim::Adam optimizer(model.parameters(), {.lr = 1e-3});
  for (int step = 0; step < 4; ++step) {
    const Tensor x = randn({64, 1, 28, 28});
    const Tensor labels = (rand({64}) * 10).to(int64);
    optimizer.zero_grad();
    cross_entropy(model(x), labels).backward();
    optimizer.step();
  }
  std::vector<Tensor> weights;
  for (const auto& [name, value] : model.state_dict()) weights.push_back(value);
  return weights;
}

void expect_same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(values_of(a[i]), values_of(b[i])) << "parameter " << i;
}

class ThreadCount : public testing::Test {
 protected:
  ~ThreadCount() override { set_num_threads(before_); }

 private:
  int before_ = num_threads();
};

TEST_F(ThreadCount, DoesNotChangeABitOfTheTrainedWeights) {
  set_num_threads(1);
  const std::vector<Tensor> alone = train_network(1);
  for (const int threads : {2, 4}) {
    set_num_threads(threads);
    expect_same_bits(train_network(1), alone);
  }
}

TEST_F(ThreadCount, AndSeedTellRunsApart) { EXPECT_NE(values_of(train_network(1)[0]), values_of(train_network(2)[0])); }

TEST(ThreadsSideBySide, TrainTheirModelsAsIfEachWereAlone) {
  const std::vector<Tensor> first = train_network(1);
  const std::vector<Tensor> second = train_network(2);
  std::vector<Tensor> first_beside;
  std::vector<Tensor> second_beside;
  std::thread one([&] { first_beside = train_network(1); });
  std::thread two([&] { second_beside = train_network(2); });
  one.join();
  two.join();
  expect_same_bits(first_beside, first);
  expect_same_bits(second_beside, second);
}

TEST(TrainingStep, AsksTheSystemForNoMemoryOnceItHasRun) {
  nn::Sequential model{nn::Dense(784, 100), nn::Tanh(), nn::Dense(100, 50), nn::Tanh(), nn::Dense(50, 10)};
  optim::SGD optimizer(model.parameters(), {.lr = 0.1, .momentum = 0.9});
  const Tensor x = rand({64, 784});
  const Tensor target = rand({64, 10});
  const auto step = [&] {
    optimizer.zero_grad();
    mse_loss(model(x), target).backward();
    optimizer.step();
  };
  for (int i = 0; i < 3; ++i) step();
  const std::size_t before = memory::stats().system_allocations;
  for (int i = 0; i < 20; ++i) step();
  EXPECT_EQ(memory::stats().system_allocations, before);
}

}  // namespace
}  // namespace wengert
