// What a user writes first. Compiled with -O2 and timed by measure.sh; never run.
#include <wengert/wengert.h>

using namespace wengert;

int main() {
  nn::Sequential model{nn::Dense(784, 100), nn::Tanh(), nn::Dense(100, 10)};
  optim::SGD optimizer(model.parameters(), {.lr = 0.1});
  const Tensor x = randn({64, 784});
  const Tensor labels = zeros({64}, int64);
  for (int step = 0; step < 100; ++step) {
    const Tensor loss = cross_entropy(model(x), labels);
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    fmt::print("{}\n", loss.item());
  }
}
