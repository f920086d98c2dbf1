#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/ops.h>
#include <wengert/optim.h>

#include "tests/expect.h"

namespace wengert::optim {
namespace {

using Numbers = std::vector<double>;

void expect_factors(const Schedule& schedule, const Numbers& expected, const char* name) {
  for (std::size_t t = 0; t < expected.size(); ++t) {
    EXPECT_NEAR(schedule.factor(static_cast<std::int64_t>(t)), expected[t], 1e-12) << name << ", step " << t;
  }
}

TEST(Schedule, FollowsTables) {
  using namespace schedule;
  expect_factors(constant(), {1, 1, 1}, "constant");
  expect_factors(constant(0.5), {0.5, 0.5}, "constant 0.5");
  expect_factors(step(3, 0.5), {1, 1, 1, 0.5, 0.5, 0.5, 0.25}, "step");
  expect_factors(multi_step({1, 4}, 0.1), {1, 0.1, 0.1, 0.1, 0.01, 0.01}, "multi_step");
  expect_factors(multi_step({}), {1, 1}, "multi_step without milestones");
  expect_factors(exponential(0.9), {1, 0.9, 0.81, 0.729}, "exponential");
  expect_factors(polynomial(4), {1, 0.75, 0.5, 0.25, 0, 0, 0}, "polynomial");
  expect_factors(polynomial(4, 2, 0.2), {1, 0.65, 0.4, 0.25, 0.2, 0.2}, "polynomial of power 2");
  expect_factors(inverse_time(0.5), {1, 1 / 1.5, 0.5, 0.4}, "inverse_time");
  expect_factors(cosine(4), {1, 0.5 + std::sqrt(0.125), 0.5, 0.5 - std::sqrt(0.125), 0, 0}, "cosine");
  expect_factors(cosine(2, 0.2), {1, 0.6, 0.2, 0.2}, "cosine to 0.2");
  expect_factors(cosine_restarts(2), {1, 0.5, 1, 0.5, 1}, "cosine_restarts");
  expect_factors(cosine_restarts(1, 2, 0.2),
                 {1, 1, 0.6, 1, 0.6 + 0.8 * std::sqrt(0.125), 0.6, 0.6 - 0.8 * std::sqrt(0.125), 1},
                 "cosine_restarts doubled");
  expect_factors(linear_warmup(4), {0, 0.25, 0.5, 0.75, 1, 1}, "linear_warmup");
  expect_factors(linear_warmup(2, 0.5), {0.5, 0.75, 1, 1}, "linear_warmup from 0.5");
  expect_factors(one_cycle(8, {.warmup = 0.25, .start = 0.2, .end = 0.1}),
                 {0.2, 0.6, 1, 0.55 + 0.45 * std::cos(std::numbers::pi / 6), 0.55 + 0.45 * 0.5, 0.55, 0.55 - 0.45 * 0.5,
                  0.55 - 0.45 * std::cos(std::numbers::pi / 6), 0.1, 0.1},
                 "one_cycle");
  expect_factors(cyclic({.up = 2, .low = 0.2}), {0.2, 0.6, 1, 0.6, 0.2, 0.6, 1}, "cyclic");
  expect_factors(cyclic({.up = 1, .down = 2, .low = 0, .high = 2, .decay = 0.5}), {0, 2, 1, 0, 1, 0.5, 0, 0.5},
                 "cyclic decaying");
  expect_factors(chained({step(2, 0.5), exponential(0.9)}), {1, 0.9, 0.5 * 0.81, 0.5 * 0.729, 0.25 * 0.6561},
                 "chained");
  expect_factors(sequential({linear_warmup(2), cosine(2), constant(0.3)}, {2, 4}), {0, 0.5, 1, 0.5, 0.3, 0.3},
                 "sequential");
  expect_factors(lambda([](std::int64_t t) { return 1.0 / static_cast<double>(1 + t * t); }), {1, 0.5, 0.2, 0.1},
                 "lambda");
}

TEST(Schedule, FollowsLoops) {
  using namespace schedule;
  double product = 1;
  for (std::int64_t t = 0; t < 40; ++t) {
    EXPECT_NEAR(exponential(0.97).factor(t), product, 1e-12);
    product *= 0.97;
  }
  std::int64_t period = 3;
  std::int64_t begin = 0;
  const Schedule restarts = cosine_restarts(3, 2, 0.1);
  for (std::int64_t t = 0; t < 3 * 127; ++t) {
    if (t == begin + period) {
      begin = t;
      period *= 2;
    }
    const double x = static_cast<double>(t - begin) / static_cast<double>(period);
    EXPECT_NEAR(restarts.factor(t), 0.1 + 0.45 * (1 + std::cos(std::numbers::pi * x)), 1e-12) << t;
  }
}

TEST(Schedule, HoldsOutFarBeyondTheEnd) {
  using namespace schedule;
  constexpr std::int64_t far = std::int64_t{1} << 62;
  EXPECT_EQ(cosine(10, 0.25).factor(far), 0.25);
  EXPECT_EQ(polynomial(10, 3, 0.25).factor(far), 0.25);
  EXPECT_EQ(linear_warmup(10).factor(far), 1);
  EXPECT_EQ(one_cycle(10).factor(far), 4e-6);
  EXPECT_EQ(exponential(0.5).factor(far), 0);
  EXPECT_GE(cosine_restarts(3, 10).factor(far), 0);
  EXPECT_LE(cosine_restarts(3, 10).factor(far), 1);
}

TEST(Schedule, RejectsArgumentsThatMakeNoSense) {
  using namespace schedule;
  expect_error<Error>([] { constant(-1); }, "constant: factor must be finite and not negative, got -1");
  expect_error<Error>([] { step(0); }, "step: size must be at least 1, got 0");
  expect_error<Error>([] { step(1, NAN); }, "step: gamma must be finite and not negative, got nan");
  expect_error<Error>(
      [] {
        multi_step({3, 3});
      },
      "multi_step: the milestones must be above 0 and ascend, got 3 after 3");
  expect_error<Error>([] { multi_step({0}); }, "multi_step: the milestones must be above 0 and ascend, got 0 after 0");
  expect_error<Error>([] { multi_step({1}, -1); }, "multi_step: gamma must be finite");
  expect_error<Error>([] { exponential(-0.1); }, "exponential: gamma must be finite");
  expect_error<Error>([] { polynomial(0); }, "polynomial: total must be at least 1, got 0");
  expect_error<Error>([] { polynomial(1, 0); }, "polynomial: power must be finite and above 0, got 0");
  expect_error<Error>([] { polynomial(1, 1, -1); }, "polynomial: end must be finite");
  expect_error<Error>([] { inverse_time(-1); }, "inverse_time: k must be finite and not negative, got -1");
  expect_error<Error>([] { cosine(-3); }, "cosine: total must be at least 1, got -3");
  expect_error<Error>([] { cosine(3, INFINITY); }, "cosine: end must be finite");
  expect_error<Error>([] { cosine_restarts(0); }, "cosine_restarts: first must be at least 1, got 0");
  expect_error<Error>([] { cosine_restarts(1, 0); }, "cosine_restarts: multiplier must be at least 1, got 0");
  expect_error<Error>([] { linear_warmup(0); }, "linear_warmup: steps must be at least 1, got 0");
  expect_error<Error>([] { linear_warmup(1, -1); }, "linear_warmup: start must be finite");
  expect_error<Error>([] { one_cycle(0); }, "one_cycle: total must be at least 1, got 0");
  expect_error<Error>([] { one_cycle(9, {.warmup = 1}); }, "one_cycle: warmup must be above 0 and below 1, got 1");
  expect_error<Error>([] { one_cycle(9, {.start = -1}); }, "one_cycle: start must be finite");
  expect_error<Error>([] { one_cycle(9, {.end = -1}); }, "one_cycle: end must be finite");
  expect_error<Error>([] { cyclic({.up = 0}); }, "cyclic: up must be at least 1, got 0");
  expect_error<Error>([] { cyclic({.down = -1}); }, "cyclic: down must not be negative, got -1");
  expect_error<Error>([] { cyclic({.low = 2}); }, "cyclic: high must be finite and not below low, got 1 and 2");
  expect_error<Error>([] { cyclic({.decay = -1}); }, "cyclic: decay must be finite");
  expect_error<Error>([] { reduce_on_plateau({.factor = 1}); },
                      "reduce_on_plateau: factor must be above 0 and below 1");
  expect_error<Error>([] { reduce_on_plateau({.patience = -1}); }, "reduce_on_plateau: patience must not be negative");
  expect_error<Error>([] { reduce_on_plateau({.threshold = -1}); }, "reduce_on_plateau: threshold must be finite");
  expect_error<Error>([] { reduce_on_plateau({.cooldown = -1}); }, "reduce_on_plateau: cooldown must not be negative");
  expect_error<Error>([] { reduce_on_plateau({.minimum = 2}); }, "reduce_on_plateau: minimum must be from 0 to 1");
  expect_error<Error>([] { chained({}); }, "chained: the list of schedules is empty");
  expect_error<Error>([] { chained({constant(), reduce_on_plateau()}); }, "chained: schedule 1 takes a metric");
  expect_error<Error>(
      [] {
        sequential({constant(), constant()}, {});
      },
      "sequential: 2 schedules need one milestone less, got 0");
  expect_error<Error>([] { sequential({constant(), constant()}, {0}); }, "sequential: the milestones must be above 0");
  expect_error<Error>([] { lambda({}); }, "Schedule: the function is empty");
  expect_error<Error>([] { lambda([](std::int64_t t) { return 1.0 - static_cast<double>(t); }).factor(3); },
                      "Schedule.factor: the factor at step 3 must be finite and not negative, got -2");
  expect_error<Error>([] { constant().factor(-1); }, "Schedule.factor: step must not be negative, got -1");
  expect_error<Error>([] { reduce_on_plateau().factor(0); }, "has no factor that is known in advance");
}

struct Pair {
  Parameter a{ones({2}, float64)};
  Parameter b{ones({3}, float64)};
  SGD optimizer{{{.parameters = {a}}, {.parameters = {b}, .lr = 0.01}}, {.lr = 0.1}};
};

TEST(Scheduler, AppliesTheFactorOfStep0FromTheStartAndScalesEachGroup) {
  Pair pair;
  Scheduler scheduler(pair.optimizer, schedule::linear_warmup(4, 0.5));
  EXPECT_DOUBLE_EQ(pair.optimizer.learning_rate(0), 0.05);
  EXPECT_DOUBLE_EQ(pair.optimizer.learning_rate(1), 0.005);
  scheduler.step();
  scheduler.step();
  EXPECT_EQ(scheduler.steps(), 2);
  EXPECT_DOUBLE_EQ(scheduler.factor(), 0.75);
  EXPECT_DOUBLE_EQ(scheduler.learning_rate(), 0.075);
  EXPECT_DOUBLE_EQ(scheduler.learning_rate(1), 0.0075);
}

TEST(Scheduler, ReducesOnAPlateau) {
  Pair pair;
  Scheduler scheduler(pair.optimizer,
                      schedule::reduce_on_plateau({.factor = 0.5, .patience = 1, .cooldown = 2, .minimum = 0.2}));
  const Numbers metrics{5, 4, 4, 4, 4, 4, 4, 4, 3, NAN, NAN, 2.9999, 1, 1, 1, 1};
  //                    first: best; 4: better; then bad 1, 2 -> halved; two steps of cooldown; bad 1, 2 -> halved;
  //                    two steps of cooldown in which 3 becomes the best; bad 1 (NaN), 2 (too small a gain) -> 0.2
  const Numbers expected{1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2, 0.2, 0.2};
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    scheduler.step(metrics[i]);
    EXPECT_DOUBLE_EQ(scheduler.learning_rate(), 0.1 * expected[i]) << i;
  }
}

TEST(Scheduler, ReducesOnAPlateauOfWhatShouldGrow) {
  Pair pair;
  Scheduler scheduler(pair.optimizer, schedule::reduce_on_plateau({.factor = 0.5, .patience = 0, .maximize = true}));
  for (const double metric : {-3.0, -2.0, 0.0, 0.5}) scheduler.step(metric);
  EXPECT_DOUBLE_EQ(scheduler.factor(), 1);
  scheduler.step(0.4);
  EXPECT_DOUBLE_EQ(scheduler.factor(), 0.5);
}

TEST(Scheduler, WantsTheMetricThatItNeeds) {
  Pair pair;
  Scheduler plateau(pair.optimizer, schedule::reduce_on_plateau());
  expect_error<Error>([&] { plateau.step(); }, "Scheduler.step: reduce_on_plateau needs the metric: step(metric)");
  Scheduler other(pair.optimizer, schedule::exponential(0.5));
  other.step(3.0);
  EXPECT_DOUBLE_EQ(other.learning_rate(), 0.05);
}

TEST(Scheduler, GoesOnExactly) {
  for (const Schedule& schedule :
       {schedule::cosine(20), schedule::reduce_on_plateau({.factor = 0.5, .patience = 1, .cooldown = 1})}) {
    for (const int saved_after : {0, 1, 4, 5, 9}) {
      Pair straight;
      Pair resumed;
      Scheduler all(straight.optimizer, schedule);
      auto half = std::make_unique<Scheduler>(resumed.optimizer, schedule);
      for (int t = 0; t < 12; ++t) {
        if (t == saved_after) {
          const StateDict state = half->state_dict();
          resumed.optimizer.set_learning_rate(
              0.77);  // the base rates come from the state, whatever the order of loading
          half = std::make_unique<Scheduler>(resumed.optimizer, schedule);
          half->load_state_dict(state);
        }
        const double metric = t < 2 ? 5 - t : 4;
        all.step(metric);
        half->step(metric);
        EXPECT_EQ(straight.optimizer.learning_rate(0), resumed.optimizer.learning_rate(0)) << t;
        EXPECT_EQ(straight.optimizer.learning_rate(1), resumed.optimizer.learning_rate(1)) << t;
      }
    }
  }
}

TEST(Scheduler, RejectsAStateThatDoesNotFit) {
  Pair pair;
  Scheduler scheduler(pair.optimizer, schedule::exponential(0.5));
  StateDict state = scheduler.state_dict();
  state.set("base_learning_rate", zeros({3}, float64));
  state.set("step", from_data(-2, int64));
  state.set("best", zeros({}));
  EXPECT_EQ(message_of<Error>([&] { scheduler.load_state_dict(state); }),
            "load_state_dict: the state does not fit this scheduler of 2 groups:\n"
            "  step: -2\n"
            "  base_learning_rate: float64 [3], expected float64 [2]\n"
            "  unexpected: best");
  EXPECT_DOUBLE_EQ(scheduler.learning_rate(), 0.1);
}

}  // namespace
}  // namespace wengert::optim
