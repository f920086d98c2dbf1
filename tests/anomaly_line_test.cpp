// Compiled with -g, and outside namespace wengert: a user's file, whose lines Anomaly names.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <wengert/autograd.h>
#include <wengert/autograd/anomaly.h>
#include <wengert/autograd/elementwise.h>
#include <wengert/nn.h>

#include "tests/expect.h"

namespace {

using wengert::Tensor;

/// What Anomaly says when `f` runs.
template <class F>
std::string complaint_of(F f) {
  const wengert::Anomaly guard;
  return wengert::message_of<wengert::Error>(f);
}

/// Expects `message` to end with a line of this file and the function there.
void expect_line(const std::string& message, int line, const std::string& function) {
  if (message.find("built without libbacktrace") != std::string::npos ||
      message.find("no call stacks") != std::string::npos) {
    GTEST_SKIP() << message;
  }
  const std::string place = fmt::format("anomaly_line_test.cpp:{} (", line);
  const std::size_t found = message.find(place);
  ASSERT_NE(found, std::string::npos) << message << "\nlacks " << place;
  EXPECT_NE(message.find(function, found), std::string::npos) << message << "\nlacks " << function;
}

Tensor zero() { return wengert::zeros({2}, wengert::float64).requires_grad(true); }

int line_of_log = 0;
Tensor users_function(const Tensor& x) {
  line_of_log = __LINE__ + 1;
  const Tensor y = log(x - 1);
  return y * 2;
}

TEST(AnomalyLine, IsTheUsersInTheForwardDirection) {
  const std::string message = complaint_of([] { users_function(zero()); });
  expect_line(message, line_of_log, "users_function");
}

int line_of_sqrt = 0;
Tensor square_root(const Tensor& x) {
  line_of_sqrt = __LINE__ + 1;
  const Tensor y = sqrt(x);
  return y * 2;
}

TEST(AnomalyLine, IsWhereTheOpWasRecordedInTheBackwardDirection) {
  const std::string message = complaint_of([] { sum(square_root(zero())).backward(); });
  expect_line(message, line_of_sqrt, "square_root");
}

int line_of_own_op = 0;
Tensor own_op(const Tensor& x) {
  const auto inverse = [](auto v) { return 1 / v; };
  line_of_own_op = __LINE__ + 1;
  const Tensor y = wengert::elementwise("own", x, inverse, wengert::by_identity());
  return y * 2;
}

TEST(AnomalyLine, IsThatOfAnOpOfTheUsersOwnThroughTheLibrarysTemplates) {
  const std::string message = complaint_of([] { own_op(zero()); });
  expect_line(message, line_of_own_op, "own_op");
}

int line_of_forward = 0;
struct Logarithm : wengert::nn::Module {
  Tensor forward(const Tensor& x) const override {
    line_of_forward = __LINE__ + 1;
    Tensor y = log(x - 1);
    return y;
  }
};

TEST(AnomalyLine, IsTheInnermostOneOfTheUsersInsideTheLibrarysModules) {
  const wengert::nn::Sequential net(Logarithm{}, wengert::nn::Tanh());
  const std::string message = complaint_of([&] { net(zero()); });
  EXPECT_EQ(message.substr(0, 14), "0 (Logarithm):");
  expect_line(message, line_of_forward, "forward");
}

TEST(AnomalyLine, IsTheCallOfAModuleOfTheLibrarys) {
  wengert::nn::Dense layer(2, 1, {});
  layer.weight.set(wengert::full({1, 2}, 1e30F));
  int line = 0;
  const std::string message = complaint_of([&] {
    line = __LINE__ + 1;
    const Tensor y = layer(wengert::full({1, 2}, 1e30F));
    EXPECT_TRUE(y.defined());
  });
  expect_line(message, line, "");
}

}  // namespace
