#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/gradcheck.h>
#include <wengert/autograd/ops.h>
#include <wengert/autograd/tape.h>

#include "tests/expect.h"

namespace wengert {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor integers(const NestedList& values) { return from_data(values, DType::int64); }

/// Log probabilities of no pattern that add up to 1, [T, N, K].
Tensor log_probabilities(const Shape& shape, DType dtype = float64) {
  Generator generator(1);
  return log_softmax(randn(shape, float64, generator) * 2).to(dtype).requires_grad(true);
}

Tensor ctc_of_one(const Tensor& x, const Tensor& target, std::int64_t steps, const CtcOptions& options = {}) {
  return ctc_loss(x, unsqueeze(target, 0), integers({steps}), integers({target.dim(0)}), options);
}

TEST(CtcLoss, CountsTheAlignmentsOfEqualProbabilities) {
  // A path is cut into blanks, first label, blanks, second label, ..., blanks, where blanks may be none but between
  // equal labels: binomial(T + L - equal neighbours, 2 L).
  const auto count = [](const Tensor& target, std::int64_t steps) {
    const double log_k = std::log(4.0);
    const Tensor x = full({steps, 1, 4}, -log_k, float64);
    const auto labels = static_cast<double>(std::max<std::int64_t>(1, target.dim(0)));
    return std::exp(-ctc_of_one(x, target, steps).item() * labels + static_cast<double>(steps) * log_k);
  };
  EXPECT_NEAR(count(integers({2}), 1), 1, 1e-12);
  EXPECT_NEAR(count(integers({2}), 6), 21, 1e-11);
  EXPECT_NEAR(count(integers({1, 2}), 2), 1, 1e-12);
  EXPECT_NEAR(count(integers({1, 2}), 3), 5, 1e-11);
  EXPECT_NEAR(count(integers({3, 3}), 3), 1, 1e-12);
  EXPECT_NEAR(count(integers({3, 3}), 4), 5, 1e-11);
  EXPECT_NEAR(count(zeros({0}, DType::int64), 5), 1, 1e-12);
}

TEST(CtcLoss, OfAnEmptyTargetIsThatOfBlanks) {
  const Tensor x = log_probabilities({4, 1, 3});
  const Tensor loss = ctc_of_one(x, zeros({0}, DType::int64), 4, {.blank = 2});
  EXPECT_NEAR(loss.item(), -sum(slice(x, 2, 2, 3)).item(), 1e-14);
  // The same for a target with room for labels that its length leaves out.
  EXPECT_EQ(ctc_loss(x, integers({{0, 0}}), integers({4}), integers({0}), {.blank = 2}).item(), loss.item());
}

TEST(CtcLoss, OfNoStepsIsZeroForNoLabels) {
  for (const Tensor& x : {zeros({0, 2, 3}, float64).requires_grad(true), log_probabilities({2, 2, 3})}) {
    for (const bool create_graph : {false, true}) {
      const Tensor loss = ctc_loss(x, zeros({2, 0}, DType::int64), integers({0, 0}), integers({0, 0}));
      EXPECT_EQ(loss.item(), 0);
      const Tensor g = grad(loss, {x}, {.create_graph = create_graph})[0];
      EXPECT_EQ(g.shape(), x.shape());
      for (const double value : values_of(g)) EXPECT_EQ(value, 0);
    }
  }
}

TEST(CtcLoss, IsTheMeanOfLossesByLabel) {
  const Tensor x = log_probabilities({6, 2, 5});
  const Tensor both = ctc_loss(x, integers({{1, 2, 2}, {4, 0, 0}}), integers({6, 5}), integers({3, 1}));
  const Tensor first = ctc_of_one(slice(x, 1, 0, 1), integers({1, 2, 2}), 6);
  const Tensor second = ctc_of_one(slice(x, 1, 1, 2), integers({4}), 5);
  EXPECT_NEAR(both.item(), (first.item() + second.item()) / 2, 1e-14);
}

TEST(CtcLoss, ReadsNothingBehindTheLengths) {
  const Tensor x = log_probabilities({5, 2, 3});
  const Tensor nan_behind =
      cat({slice(x.detach(), 0, 0, 3), full({2, 2, 3}, std::nan(""), float64)}).requires_grad(true);
  const Tensor loss = ctc_loss(nan_behind, integers({{1, -7}, {2, 99}}), integers({3, 3}), integers({1, 1}));
  EXPECT_EQ(loss.item(), ctc_loss(x, integers({{1}, {2}}), integers({3, 3}), integers({1, 1})).item());
  for (const bool create_graph : {false, true}) {
    const Tensor g = grad(loss, {nan_behind}, {.create_graph = create_graph, .retain_graph = true})[0];
    for (const double value : values_of(slice(g, 0, 0, 3))) EXPECT_TRUE(std::isfinite(value));
    for (const double value : values_of(slice(g, 0, 3, 5))) EXPECT_EQ(value, 0);
  }
}

TEST(CtcLoss, HasAGradientThatSharesEachStepAmongTheLabels) {
  // Every path is somewhere at each step: the gradients of a step add up to that of one -log p.
  const Tensor x = log_probabilities({7, 3, 6});
  const Tensor loss =
      ctc_loss(x, integers({{1, 1, 2}, {5, 4, 0}, {3, 0, 0}}), integers({7, 6, 4}), integers({3, 2, 1}));
  const Tensor by_step = sum(grad(loss, x), {2});
  for (std::int64_t step = 0; step < 7; ++step) {
    EXPECT_NEAR(by_step[step][0].item(), -1.0 / (3 * 3), 1e-14);
    EXPECT_NEAR(by_step[step][1].item(), step < 6 ? -1.0 / (3 * 2) : 0, 1e-14);
    EXPECT_NEAR(by_step[step][2].item(), step < 4 ? -1.0 / 3 : 0, 1e-14);
  }
}

TEST(CtcLoss, FallsAlongItsGradientThroughLogSoftmax) {
  Tensor logits = zeros({8, 1, 4}, float64);
  const auto loss = [](const Tensor& x) { return ctc_of_one(log_softmax(x), integers({1, 2, 2}), 8); };
  for (int step = 0; step < 200; ++step) {
    const Tensor x = logits.detach().requires_grad(true);
    const Tensor slope = grad(loss(x), x);
    logits = no_grad([&] { return x - 5 * slope; });
  }
  EXPECT_LT(loss(logits).item(), 0.01);
}

TEST(CtcLoss, IsInfiniteWhereNoAlignmentSpellsTheTarget) {
  // Two steps for two equal labels, which need a blank between them; and the second sample is possible.
  const Tensor x = log_probabilities({2, 2, 3});
  const auto loss = [&](bool zero_infinity) {
    return ctc_loss(x, integers({{1, 1}, {1, 2}}), integers({2, 2}), integers({2, 2}),
                    {.zero_infinity = zero_infinity});
  };
  EXPECT_EQ(loss(false).item(), infinity);
  const Tensor of_second = ctc_of_one(slice(x, 1, 1, 2), integers({1, 2}), 2);
  EXPECT_NEAR(loss(true).item(), of_second.item() / 2, 1e-14);
  const auto expected = values_of(slice(grad(of_second, x), 1, 1, 2) / 2);
  for (const bool zero_infinity : {false, true}) {
    for (const bool create_graph : {false, true}) {
      const Tensor g = grad(loss(zero_infinity), {x}, {.create_graph = create_graph})[0];
      for (const double value : values_of(slice(g, 1, 0, 1))) EXPECT_EQ(value, 0);
      const auto of_possible = values_of(slice(g, 1, 1, 2));
      for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(of_possible[i], expected[i], 1e-14);
    }
  }
}

TEST(CtcLoss, TakesProbabilitiesOfZero) {
  const Tensor possible =
      from_data({{{-infinity, 0, -infinity}}, {{std::log(0.25), -infinity, std::log(0.75)}}}, float64)
          .requires_grad(true);
  const Tensor target = integers({1, 2});
  for (const bool create_graph : {false, true}) {
    const Tensor loss = ctc_of_one(possible, target, 2);
    EXPECT_NEAR(loss.item(), -std::log(0.75) / 2, 1e-15);
    EXPECT_EQ(values_of(grad(loss, {possible}, {.create_graph = create_graph})[0]),
              (std::vector<double>{0, -0.5, 0, 0, 0, -0.5}));
    const Tensor impossible = ctc_of_one(possible, integers({2, 1}), 2);
    EXPECT_EQ(impossible.item(), infinity);
    for (const double value : values_of(grad(impossible, {possible}, {.create_graph = create_graph})[0])) {
      EXPECT_EQ(value, 0);
    }
  }
  EXPECT_EQ(ctc_of_one(possible, integers({2, 1}), 2, {.zero_infinity = true}).item(), 0);
}

TEST(CtcLoss, GivesNaNForNaN) {
  const Tensor x = from_data({{{std::nan(""), -1}}, {{-1, -1}}}, float64);
  EXPECT_TRUE(std::isnan(ctc_of_one(x, integers({1}), 2).item()));
  EXPECT_TRUE(std::isnan(ctc_of_one(x, integers({1}), 2, {.zero_infinity = true}).item()));
}

TEST(CtcLoss, NeitherUnderflowsNorLosesDigitsOverManySteps) {
  // exp(-20000) is no double. All paths have this probability, and there are binomial(T + L, 2 L) of them.
  const std::int64_t steps = 2000;
  const Tensor target = integers({1, 2, 1, 2, 1});
  const double log_paths = std::lgamma(2006.0) - std::lgamma(11.0) - std::lgamma(1996.0);
  const double expected = (10.0 * 2000 - log_paths) / 5;
  const Tensor x = full({steps, 1, 3}, -10, float64).requires_grad(true);
  EXPECT_NEAR(ctc_of_one(x, target, steps).item() / expected, 1, 1e-13);
  const Tensor single = x.detach().to(float32).requires_grad(true);
  const Tensor loss = ctc_of_one(single, target, steps);
  EXPECT_EQ(loss.dtype(), float32);
  EXPECT_NEAR(loss.item() / expected, 1, 1e-7);
  const Tensor by_step = sum(grad(loss, single).to(float64), {1, 2});
  for (const double share : values_of(by_step)) EXPECT_NEAR(share, -0.2, 1e-7);
}

TEST(CtcLoss, HasGradientsOfOrderTwoWithSomeSamplesImpossible) {
  Generator generator(3);
  const Tensor x = randn({4, 3, 3}, float64, generator).requires_grad(true);
  require_gradcheck(
      [](const Tensor& v) {
        return ctc_loss(v, integers({{1, 1}, {2, 1}, {2, 2}}), integers({4, 3, 2}), integers({2, 2, 2}),
                        {.zero_infinity = true});
      },
      {x}, {.order = 2});
}

TEST(CtcLoss, RecordsNothingAndGivesTheSameWithoutGradient) {
  const Tensor x = log_probabilities({9, 2, 4});
  const Tensor target = integers({{1, 2, 3, 3}, {2, 1, 0, 0}});
  const auto loss = [&](const Tensor& v) { return ctc_loss(v, target, integers({9, 7}), integers({4, 2})); };
  EXPECT_TRUE(loss(x).requires_grad());
  EXPECT_FALSE(loss(x.detach()).requires_grad());
  EXPECT_EQ(loss(x.detach()).item(), loss(x).item());
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors.

struct Arguments {
  Tensor log_probabilities = zeros({5, 2, 3});
  Tensor target = integers({{1, 2}, {2, 1}});
  Tensor input_lengths = integers({5, 4});
  Tensor target_lengths = integers({2, 1});
  CtcOptions options = {};
};

template <class E = ShapeError>
std::string error(const std::function<void(Arguments&)>& spoil) {
  Arguments a;
  spoil(a);
  return message_of<E>([&] { ctc_loss(a.log_probabilities, a.target, a.input_lengths, a.target_lengths, a.options); });
}

TEST(CtcLoss, NamesTheShapeThatDoesNotFit) {
  EXPECT_EQ(error([](Arguments& a) {
              a.log_probabilities = zeros({5, 3});
            }),
            "ctc_loss: log_probabilities must be [T, N, K], got [5, 3]");
  EXPECT_EQ(error([](Arguments& a) {
              a.log_probabilities = zeros({5, 0, 3});
            }),
            "ctc_loss: log_probabilities of shape [5, 0, 3] have no sample, the loss has no mean");
  EXPECT_EQ(error([](Arguments& a) {
              a.target = integers({1, 2});
            }),
            "ctc_loss: target must be [2, S] for log_probabilities [5, 2, 3], got [2]");
  EXPECT_EQ(error([](Arguments& a) {
              a.target = integers({{1, 2}});
            }),
            "ctc_loss: target must be [2, S] for log_probabilities [5, 2, 3], got [1, 2]");
  EXPECT_EQ(error([](Arguments& a) { a.input_lengths = integers({5}); }),
            "ctc_loss: input_lengths must be [2] for log_probabilities [5, 2, 3], got [1]");
  EXPECT_EQ(error([](Arguments& a) {
              a.target_lengths = integers({{1, 2}});
            }),
            "ctc_loss: target_lengths must be [2] for log_probabilities [5, 2, 3], got [1, 2]");
}

TEST(CtcLoss, NamesTheLabelOrTheLengthThatIsOutOfRange) {
  EXPECT_EQ(error([](Arguments& a) {
              a.input_lengths = integers({5, 6});
            }),
            "ctc_loss: input_lengths[1] is 6, expected 0 to 5");
  EXPECT_EQ(error([](Arguments& a) {
              a.input_lengths = integers({-1, 5});
            }),
            "ctc_loss: input_lengths[0] is -1, expected 0 to 5");
  EXPECT_EQ(error([](Arguments& a) {
              a.target_lengths = integers({2, 3});
            }),
            "ctc_loss: target_lengths[1] is 3, expected 0 to 2");
  EXPECT_EQ(error([](Arguments& a) {
              a.target = integers({{1, 2}, {3, 1}});
            }),
            "ctc_loss: target[1, 0] is 3, not a label of 3 classes (expected 0 to 2)");
  EXPECT_EQ(error([](Arguments& a) {
              a.target = integers({{1, -1}, {1, 1}});
            }),
            "ctc_loss: target[0, 1] is -1, not a label of 3 classes (expected 0 to 2)");
  EXPECT_EQ(error([](Arguments& a) {
              a.target = integers({{1, 0}, {1, 1}});
            }),
            "ctc_loss: target[0, 1] is 0, which is the blank");
  EXPECT_EQ(error([](Arguments& a) { a.options.blank = 3; }),
            "ctc_loss: blank is 3, not a label of 3 classes in log_probabilities [5, 2, 3]");
  EXPECT_EQ(error([](Arguments& a) { a.options.blank = -1; }),
            "ctc_loss: blank is -1, not a label of 3 classes in log_probabilities [5, 2, 3]");
}

TEST(CtcLoss, NamesTheArgumentThatIsUndefinedOrOfAnotherType) {
  EXPECT_EQ(error<Error>([](Arguments& a) { a.log_probabilities = Tensor(); }),
            "ctc_loss: log_probabilities is undefined (never given a value, or a gradient not computed yet)");
  EXPECT_EQ(error<Error>([](Arguments& a) { a.target = Tensor(); }), "ctc_loss: target is undefined");
  EXPECT_EQ(error<DTypeError>([](Arguments& a) {
              a.log_probabilities = zeros({5, 2, 3}, DType::int64);
            }),
            "ctc_loss: log_probabilities is int64; convert it with .to(float32) or .to(float64)");
  EXPECT_EQ(error<DTypeError>([](Arguments& a) { a.target_lengths = zeros({2}); }),
            "ctc_loss: target_lengths is float32, expected int64");
}

}  // namespace
}  // namespace wengert
