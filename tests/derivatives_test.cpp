// The code blocks of docs/derivatives.md, one after the other, put together by CMake.
#include <cmath>
#include <filesystem>

#include <gtest/gtest.h>

#include "derivatives_md.h"
#include "tests/expect.h"

namespace {

TEST(DerivativesPage, HasDerivativesOfHigherOrder) {
  EXPECT_EQ(curvature(), 12);
  const double y = std::tanh(0.3);
  EXPECT_NEAR(third_derivative_of_tanh(full({}, 0.3, float64)).item(), -2 * (1 - y * y) * (1 - 3 * y * y), 1e-12);
}

TEST(DerivativesPage, HasAPenaltyThatReachesTheWeights) {
  const nn::Sequential model{nn::Dense(2, 1)};
  penalized_loss(model, ones({4, 2}), zeros({4, 1})).backward();
  EXPECT_TRUE(model.parameters()[0].has_grad());
}

TEST(DerivativesPage, ReplacesGradients) {
  const Tensor x = ones({2}).requires_grad(true);
  (sum(clip_gradient(x)) * 7).backward();
  EXPECT_EQ(values_of(x.grad()), (std::vector<double>{1, 1}));
  EXPECT_EQ(values_of(hooked_gradient()), (std::vector<double>{20, 20, 20}));
}

TEST(DerivativesPage, FindsAnInfinity) {
  EXPECT_EQ(what_went_wrong().substr(0, 90),
            "anomaly: backward of 'sqrt' gave infinity in 2 of 2 elements, first at [0] for input 0; gr");
}

TEST(DerivativesPage, LooksInside) {
  const std::filesystem::path folder = std::filesystem::temp_directory_path() / "wengert derivatives page";
  std::filesystem::create_directories(folder);
  const std::string text = look_inside(folder.string());
  for (const char* part : {"live nodes", "0 (Dense)", "linear", "backward", ", op=mean)"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
  }
  EXPECT_TRUE(std::filesystem::exists(folder / "net.json"));
  EXPECT_TRUE(std::filesystem::exists(folder / "net.svg") || std::filesystem::exists(folder / "net.svg.dot"));
  std::filesystem::remove_all(folder);
}

}  // namespace
