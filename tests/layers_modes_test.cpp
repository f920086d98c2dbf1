#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include <wengert/autograd/random.h>
#include <wengert/nn.h>

#include "tests/expect.h"

namespace wengert::nn {
namespace {

using Numbers = std::vector<double>;

double mean_of(const Numbers& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double variance_of(const Numbers& values) {
  double squares = 0;
  for (const double value : values) squares += std::pow(value - mean_of(values), 2);
  return squares / static_cast<double>(values.size());
}

// What layers do in training mode, and other things that the table of cases does not say.

TEST(BatchNorm, InTrainingNormalisesByTheBatchAndFollowsItsStatistics) {
  BatchNorm1d layer(1, {.momentum = 0.25, .dtype = float64});
  const Tensor x = from_data({{1.0}, {2.0}, {6.0}}, float64);  // mean 3, variance 14 / 3, of a sample 7
  const Numbers y = values_of(layer(x));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(y[i], (values_of(x)[i] - 3) / std::sqrt(14.0 / 3 + 1e-5), 1e-12);
  }
  EXPECT_NEAR(layer.running.mean.item(), 0.75 * 0 + 0.25 * 3, 1e-12);
  EXPECT_NEAR(layer.running.variance.item(), 0.75 * 1 + 0.25 * 7, 1e-12);
  layer(x);
  EXPECT_NEAR(layer.running.mean.item(), 0.75 * 0.75 + 0.25 * 3, 1e-12);
}

TEST(BatchNorm, InEvaluationLeavesItsStatisticsAlone) {
  BatchNorm2d layer(2);
  layer(full({2, 2, 1, 1}, 3));
  layer.eval();
  const StateDict before = layer.state_dict();
  layer(full({2, 2, 1, 1}, 8));
  for (const auto& [name, tensor] : layer.state_dict())
    EXPECT_EQ(values_of(tensor), values_of(before.at(name))) << name;
  EXPECT_EQ(layer(zeros({1, 2, 1, 1})).shape(), (Shape{1, 2, 1, 1})) << "one sample is enough";
}

TEST(BatchNorm, OfACopyFollowsItsOwnBatches) {
  const BatchNorm layer(1);
  const BatchNorm copy = layer;
  const Numbers before = values_of(layer.running.mean);
  copy(from_data({{1.0}, {2.0}}));
  EXPECT_EQ(values_of(layer.running.mean), before);
  EXPECT_NE(values_of(copy.running.mean), before);
}

TEST(BatchNorm, InTrainingNeedsTwoElementsAChannel) {
  expect_error<ShapeError>([] { BatchNorm1d(3)(zeros({1, 3})); }, "BatchNorm1d: batch_norm: ");
}

TEST(ChannelDropout, DropsWholeChannels) {
  const Dropout2d layer(0.25);
  manual_seed(3);
  const Numbers y = values_of(layer(ones({100, 50, 2, 3})));
  int dropped = 0;
  for (std::size_t channel = 0; channel < 5000; ++channel) {
    const std::set<double> values(y.begin() + static_cast<std::ptrdiff_t>(6 * channel),
                                  y.begin() + static_cast<std::ptrdiff_t>(6 * channel + 6));
    ASSERT_EQ(values.size(), 1U);
    dropped += *values.begin() == 0 ? 1 : 0;
    EXPECT_TRUE(*values.begin() == 0 || std::abs(*values.begin() - 1 / 0.75) < 1e-6);
  }
  EXPECT_NEAR(dropped / 5000.0, 0.25, 0.02);
}

TEST(AlphaDropout, KeepsMeanAndVariance) {
  manual_seed(4);
  const Tensor x = randn({200000}, float64);
  const Numbers y = values_of(AlphaDropout(0.3)(x));
  EXPECT_NEAR(mean_of(y), mean_of(values_of(x)) * 0.7, 0.02);
  EXPECT_NEAR(variance_of(y), 1, 0.02);
}

TEST(Embedding, PaddingIsZeroAndHasNoGradient) {
  const Embedding layer(3, 2, {.padding_index = 1, .dtype = float64});
  EXPECT_EQ(values_of(layer.weight->index({1})), (Numbers{0, 0}));
  EXPECT_NE(values_of(layer.weight->index({0}))[0], 0);
  sum(layer(from_data({0, 1, 1, 0}, int64))).backward();
  EXPECT_EQ(values_of(layer.weight.grad()), (Numbers{2, 2, 0, 0, 0, 0}));
}

TEST(Bilinear, TakesAnyLeadingAxes) {
  const Bilinear layer(2, 3, 4, {.bias = false});
  EXPECT_EQ(layer(zeros({2}), zeros({3})).shape(), Shape{4});
  EXPECT_EQ(layer(zeros({5, 6, 2}), zeros({5, 6, 3})).shape(), (Shape{5, 6, 4}));
  EXPECT_EQ(layer(zeros({0, 2}), zeros({0, 3})).shape(), (Shape{0, 4}));
  EXPECT_EQ(to_string(layer), "Bilinear(2, 3, 4, no bias)");
}

TEST(Residual, IsCopiedNotNestedByItsCopyConstructor) {
  const Residual block(Dense(2, 2, {.bias = false}));
  Residual copy(block);
  EXPECT_EQ(copy.named_parameters().at(0).first, "body.weight");
  EXPECT_FALSE(copy.parameters()[0].is(block.parameters()[0]));
  EXPECT_EQ(copy.body().type_name(), "Dense");
  const Sequential nested{Residual(Sequential{Dense(2, 2), ReLU()}), Dense(2, 1)};
  EXPECT_EQ(nested.named_parameters().at(0).first, "0.body.0.weight");
}

TEST(Conv, PadsWithTheImagesOwnElements) {
  Conv1d layer(1, 1, 3, {.padding = 1, .pad_mode = PadMode::reflect, .bias = false, .init = init::constant(1)});
  EXPECT_EQ(values_of(layer(from_data({{{1, 2, 4}}}))), (Numbers{2 + 1 + 2, 7, 2 + 4 + 2}));
  EXPECT_EQ(to_string(layer), "Conv1d(1, 1, kernel 3, padding 1 by reflection, no bias)");
}

TEST(Conv, DrawsWeightsAndBiasWithinOneOverTheRootOfFanIn) {
  const Conv1d layer(8, 400, 4, {.groups = 2});  // fan in 16
  for (const ParameterRef& parameter : layer.parameters()) {
    double largest = 0;
    for (const double value : values_of(parameter)) largest = std::max(largest, std::abs(value));
    EXPECT_LE(largest, 0.25);
    EXPECT_GT(largest, 0.24);
  }
}

TEST(ConvBias, IsMadeFromBoolOrNamed) {
  EXPECT_EQ(Conv2d(1, 3, 2, {.bias = ConvBias::channel}).bias->shape(), Shape{3});
  EXPECT_EQ(Conv2d(1, 3, 2, {.bias = true}).bias->shape(), Shape{3});
  EXPECT_FALSE(Conv2d(1, 3, 2, {.bias = ConvBias::none}).bias.defined());
  EXPECT_FALSE(Conv2d(1, 3, 2, {.bias = false}).bias.defined());
}

TEST(Conv, OfANotebookHasABiasPerPosition) {
  const Conv2d layer(1, 5, 3,
                     {.bias = ConvBias::position({26, 26}), .init = init::normal(), .bias_init = init::normal()});
  EXPECT_EQ(layer.bias->shape(), (Shape{5, 26, 26}));
  EXPECT_EQ(layer(zeros({1, 1, 28, 28})).shape(), (Shape{1, 5, 26, 26}));
  EXPECT_NEAR(variance_of(values_of(layer.bias)), 1, 0.1);
}

}  // namespace
}  // namespace wengert::nn
