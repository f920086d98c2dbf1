// A user's program in small: it needs the public headers, the library and what the library links.
#include <fmt/core.h>

#include <wengert/wengert.h>

int main() {
  auto weight = wengert::ones({3}).requires_grad(true);
  const auto loss = wengert::sum(weight * weight);
  loss.backward();
  fmt::print("loss {}, gradient {}\n", loss, weight.grad());
  return weight.grad().data<float>()[0] == 2 ? 0 : 1;
}
