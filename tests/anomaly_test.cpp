#include <cmath>

#include <gtest/gtest.h>

#include <wengert/autograd.h>
#include <wengert/autograd/anomaly.h>
#include <wengert/nn.h>

#include "tests/expect.h"

namespace wengert {
namespace {

TEST(Anomaly, NamesTheOpInputsAndPlaceInTheForwardDirection) {
  const Anomaly guard;
  const Tensor x = from_data({{1, 2}, {0, -4}}, float64).requires_grad(true);
  expect_error<Error>([&] { log(x * 0.5); },
                      "anomaly: forward of 'log' gave nan in 2 of 4 elements, first at [1, 0]; input 0 [2, 2] float64: "
                      "min -2, max 1, mean -0.125");
}

TEST(Anomaly, NamesTheOpInTheBackwardDirection) {
  const Anomaly guard;
  const Tensor x = from_data({0, 4}, float64).requires_grad(true);
  const Tensor y = sqrt(x);
  expect_error<Error>(
      [&] { sum(y).backward(); },
      "anomaly: backward of 'sqrt' gave infinity in 1 of 2 elements, first at [0] for input 0; gradient "
      "of output 0 [2] float64: min 1, max 1, mean 1; op 0 recorded under the guard; input 0 [2] "
      "float64: min 0, max 4, mean 2");
}

TEST(Anomaly, SaysSoWhenNoRuleGaveTheNumber) {
  const Anomaly guard;
  const Tensor x = ones({2}).requires_grad(true);
  const Tensor hooked = x * 3;
  hooked.register_hook([](const Tensor& g) { return g / 0; });
  expect_error<Error>([&] { sum(hooked).backward(); },
                      "anomaly: backward of 'mul' was handed infinity in 2 of 2 elements, first at [0] for output 0; "
                      "gradient of output 0 [2] float32, 2 not finite; op 0 recorded under the guard");
  const Tensor small = x * 1e-30;
  expect_error<Error>([&] { sum(small * 3e38 + small * 3e38).backward(); },
                      "anomaly: backward of 'mul' was handed infinity in 2 of 2 elements");
  expect_error<Error>([&] { exp(x).backward(full({2}, std::nan(""))); }, "anomaly: backward of 'exp' was handed nan");
}

TEST(Anomaly, PutsTheModulePathOnForwardErrors) {
  struct Log : nn::Module {
    Tensor forward(const Tensor& x) const override { return log(x); }
  };
  const Anomaly guard;
  expect_error<Error>([] { Log()(full({}, -1).requires_grad(true)); }, "Log: anomaly: forward of 'log' gave nan");
}

/// sqrt, whose gradient is infinite at 0.
struct Root : nn::Module {
  Tensor forward(const Tensor& x) const override { return sqrt(x); }
};

struct Net : nn::Module {
  nn::Sequential features{nn::Tanh(), Root()};
  Tensor forward(const Tensor& x) const override { return sum(features(x)); }
  void visit(nn::Visitor& v) override { v("features", features); }
};

TEST(Anomaly, PutsTheModulePathOnBackwardErrors) {
  const Net net;
  const Tensor x = zeros({2}, float64).requires_grad(true);
  const Anomaly guard;
  const Tensor y = net(x);
  expect_error<Error>([&] { y.backward(); },
                      "features.1 (Root): anomaly: backward of 'sqrt' gave infinity in 2 of 2 elements, first at [0]");
}

TEST(Anomaly, IsSilentOtherwiseAndOffWhenItEnds) {
  const Tensor x = full({}, 0, float64).requires_grad(true);
  {
    const Anomaly guard;
    EXPECT_NO_THROW(exp(x).backward());
  }
  EXPECT_NO_THROW(log(x).backward());
}

}  // namespace
}  // namespace wengert
