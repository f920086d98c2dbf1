// Compiled without debug information, and outside namespace wengert: Anomaly names the user's function instead of the
// line.
#include <gtest/gtest.h>

#include <wengert/autograd.h>
#include <wengert/autograd/anomaly.h>

#include "tests/expect.h"

[[gnu::noinline]] wengert::Tensor a_function_without_lines(const wengert::Tensor& x) {
  const wengert::Tensor y = log(x - 1);
  return y * 2;
}

namespace {

TEST(AnomalyLine, IsTheFunctionWhereThereIsNoDebugInformation) {
  const wengert::Anomaly guard;
  const wengert::Tensor x = wengert::zeros({2}).requires_grad(true);
  const std::string message = wengert::message_of<wengert::Error>([&] { a_function_without_lines(x); });
  if (message.find("built without libbacktrace") != std::string::npos ||
      message.find("no call stacks") != std::string::npos) {
    GTEST_SKIP() << message;
  }
  EXPECT_NE(message.find("recorded at a_function_without_lines(wengert::Tensor const&), "), std::string::npos)
      << message;
  EXPECT_NE(message.find("compile with -g to see the line"), std::string::npos) << message;
}

}  // namespace
