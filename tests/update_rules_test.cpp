#include <cmath>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/optim.h>

#include "tests/expect.h"

namespace wengert::optim {
namespace {

using Numbers = std::vector<double>;

/// Gradients of a 2 x 2 weight. The rule is reset after the second.
const std::vector<Numbers> gradients{{0.5, -1, 2, 0}, {1, 1, -0.5, 3}, {-2, 0.25, 1, 1}, {0.1, -0.1, 0.2, 4}};

/// Feeds the gradients and compares with `by_hand(k, epoch, steps in the epoch)` for element k after each.
template <class ByHand>
void expect_changes(UpdateRule& rule, ByHand by_hand) {
  for (std::size_t t = 0; t < gradients.size(); ++t) {
    const Tensor change = rule.update_change(from_vector(gradients[t], Shape{2, 2}));
    const Numbers actual = values_of(change);
    const Numbers expected = by_hand(t);
    for (std::size_t k = 0; k < 4; ++k) EXPECT_NEAR(actual[k], expected[k], 1e-12) << "step " << t << ", element " << k;
    if (t == 1) rule.reset();
  }
}

TEST(UpdateRule, ConstantScalesTheGradient) {
  rules::Constant rule({.lr = 0.1});
  const std::vector<Numbers> table{
      {0.05, -0.1, 0.2, 0}, {0.1, 0.1, -0.05, 0.3}, {-0.2, 0.025, 0.1, 0.1}, {0.01, -0.01, 0.02, 0.4}};
  expect_changes(rule, [&](std::size_t t) { return table[t]; });
}

TEST(UpdateRule, MomentumIsNotReset) {
  rules::Momentum rule({.lr = 0.1, .momentum = 0.5});
  // c1 = 0.1 g1; c2 = c1 / 2 + 0.1 g2; ...
  const std::vector<Numbers> table{
      {0.05, -0.1, 0.2, 0}, {0.125, 0.05, 0.05, 0.3}, {-0.1375, 0.05, 0.125, 0.25}, {-0.05875, 0.015, 0.0825, 0.525}};
  expect_changes(rule, [&](std::size_t t) { return table[t]; });
}

TEST(UpdateRule, AdagradSumsOverRows) {
  rules::Adagrad rule({.lr = 0.1});
  // Row sums of squares: 1.25, 4 | + 2, + 9.25 | reset: 4.0625, 2 | + 0.02, + 16.04.
  const std::vector<Numbers> sums{{1.25, 4}, {3.25, 13.25}, {4.0625, 2}, {4.0825, 18.04}};
  expect_changes(rule, [&](std::size_t t) {
    Numbers c(4);
    for (std::size_t k = 0; k < 4; ++k) c[k] = 0.1 * gradients[t][k] / (1e-8 + std::sqrt(sums[t][k / 2]));
    return c;
  });
}

TEST(UpdateRule, AdagradTakesAVectorForOneRowAndAKernelsFirstAxisForRows) {
  rules::Adagrad bias({.lr = 1});
  const Numbers c = values_of(bias.update_change(from_data({3, 4}, float64)));
  EXPECT_NEAR(c[0], 0.6, 1e-8);
  EXPECT_NEAR(c[1], 0.8, 1e-8);
  rules::Adagrad kernel({.lr = 1});
  const Tensor g = full({2, 1, 2, 2}, 3, float64);
  for (const double change : values_of(kernel.update_change(g))) EXPECT_NEAR(change, 0.5, 1e-8);
}

TEST(UpdateRule, AdagradMomentumResetsTheSumsOnly) {
  rules::AdagradMomentum rule({.lr = 0.1, .momentum = 0.5});
  const std::vector<Numbers> sums{{1.25, 4}, {3.25, 13.25}, {4.0625, 2}, {4.0825, 18.04}};
  Numbers c(4);
  expect_changes(rule, [&](std::size_t t) {
    for (std::size_t k = 0; k < 4; ++k) c[k] = 0.5 * c[k] + 0.1 * gradients[t][k] / (1e-8 + std::sqrt(sums[t][k / 2]));
    return c;
  });
}

TEST(UpdateRule, RMSpropHasEpsilonInsideTheRoot) {
  rules::RMSprop rule({.lr = 0.1, .rho = 0.75, .delta = 0.01});
  // s of element 0: 0.0625, 0.296875 | 1, 0.7525; of element 3: 0, 2.25 | 0.25, 4.1875.
  const Numbers first{0.0625, 0.296875, 1, 0.7525};
  const Numbers last{0, 2.25, 0.25, 4.1875};
  for (std::size_t t = 0; t < 4; ++t) {
    const Numbers c = values_of(rule.update_change(from_vector(gradients[t], Shape{2, 2})));
    EXPECT_NEAR(c[0], 0.1 * gradients[t][0] / std::sqrt(first[t] + 0.01), 1e-12) << t;
    EXPECT_NEAR(c[3], 0.1 * gradients[t][3] / std::sqrt(last[t] + 0.01), 1e-12) << t;
    if (t == 1) rule.reset();
  }
}

TEST(UpdateRule, AdamCorrectsByTheEpoch) {
  rules::Adam rule({.lr = 0.1, .rho = 0.5, .rho2 = 0.75, .delta = 0.01});
  // Element 0. m: 0.25, 0.625 | -1, -0.45; s: 0.0625, 0.296875 | 1, 0.7525. Corrections 0.5 and 0.25 in the first
  // epoch, for both of its steps, 0.75 and 0.4375 in the second.
  const Numbers expected{0.1 * 0.5 / std::sqrt(0.25 + 0.01), 0.1 * 1.25 / std::sqrt(1.1875 + 0.01),
                         0.1 * (-1 / 0.75) / std::sqrt(1 / 0.4375 + 0.01),
                         0.1 * (-0.45 / 0.75) / std::sqrt(0.7525 / 0.4375 + 0.01)};
  for (std::size_t t = 0; t < 4; ++t) {
    const Numbers c = values_of(rule.update_change(from_vector(gradients[t], Shape{2, 2})));
    EXPECT_NEAR(c[0], expected[t], 1e-12) << t;
    if (t == 1) rule.reset();
  }
}

TEST(UpdateRule, RejectsOptionsThatMakeNoSenseAndAnotherShape) {
  expect_error<Error>([] { rules::Constant({.lr = -1}); },
                      "rules::Constant: the learning rate must be finite and not negative, got -1");
  expect_error<Error>([] { rules::Momentum({.momentum = -1}); }, "rules::Momentum: momentum must be finite");
  expect_error<Error>([] { rules::Adagrad({.delta = -1}); }, "rules::Adagrad: delta must be finite");
  expect_error<Error>([] { rules::AdagradMomentum({.momentum = -1}); }, "rules::AdagradMomentum: momentum must be");
  expect_error<Error>([] { rules::RMSprop({.rho = 1}); }, "rules::RMSprop: rho must be at least 0 and below 1");
  expect_error<Error>([] { rules::Adam({.rho2 = 1}); }, "rules::Adam: rho2 must be at least 0 and below 1");
  rules::Momentum rule;
  rule.update_change(ones({2}));
  expect_error<ShapeError>([&] { rule.update_change(ones({3})); },
                           "update_change: the gradient does not have the shape of the ones before");
}

std::vector<std::unique_ptr<UpdateRule>> all_rules() {
  std::vector<std::unique_ptr<UpdateRule>> all;
  all.push_back(rules::Constant().clone());
  all.push_back(rules::Momentum().clone());
  all.push_back(rules::Adagrad().clone());
  all.push_back(rules::AdagradMomentum().clone());
  all.push_back(rules::RMSprop().clone());
  all.push_back(rules::Adam().clone());
  return all;
}

TEST(RuleOptimizer, GivesEachParameterARuleOfItsOwn) {
  const Parameter a(from_data({{1, 2}, {3, 4}}, float64));
  const Parameter b(from_data({5, 6}, float64));
  RuleOptimizer optimizer({a, b}, rules::Momentum({.lr = 0.1, .momentum = 0.5}));
  a->backward(ones({2, 2}, float64));
  optimizer.step();
  b->backward(full({2}, 2, float64));
  optimizer.step();
  EXPECT_NEAR(values_of(a)[0], 1 - 0.1 - 0.15, 1e-12);
  EXPECT_NEAR(values_of(b)[0], 5 - 0.2, 1e-12);
}

Numbers trained(const UpdateRule& rule, bool resume) {
  const Parameter w(from_data({{1, 2}, {-3, 4}}, float64));
  const Parameter unused(ones({2}, float64));
  auto optimizer = std::make_unique<RuleOptimizer>(ParameterGroups{w, unused}, rule);
  for (int t = 0; t < 12; ++t) {
    if (t % 4 == 3) optimizer->reset();
    optimizer->step([&] {
      optimizer->zero_grad();
      const Tensor loss = sum(square(w.value()) * (1 + 0.1 * t));
      loss.backward();
      return loss;
    });
    if (t == 5 && resume) {
      const StateDict state = optimizer->state_dict();
      optimizer = std::make_unique<RuleOptimizer>(ParameterGroups{w, unused}, rule);
      optimizer->load_state_dict(state);
    }
  }
  return values_of(w);
}

TEST(RuleOptimizer, GoesOnExactly) {
  for (const auto& rule : all_rules()) EXPECT_EQ(trained(*rule, true), trained(*rule, false));
}

TEST(RuleOptimizer, TakesSchedulesAndTheWeightDecayOfGroups) {
  const Parameter w(from_data({2.0}, float64));
  RuleOptimizer optimizer({{.parameters = {w}, .weight_decay = 0.5}}, rules::Constant({.lr = 0.1}));
  Scheduler scheduler(optimizer, schedule::constant(0.5));
  w->backward(ones({1}, float64));
  optimizer.step();
  EXPECT_NEAR(w->item(), 2 - 0.05 * (1 + 0.5 * 2), 1e-12);
}

}  // namespace
}  // namespace wengert::optim
