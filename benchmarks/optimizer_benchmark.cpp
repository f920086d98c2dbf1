// Updates of 3.3 million parameters, as many as M5 has, in one tensor, with given gradients.

#include <fmt/format.h>

#include <wengert/wengert.h>

#include "benchmarks/comparison.h"
#include "benchmarks/hand/parameters.h"
#include "benchmarks/models/model.h"
#include "benchmarks/peer.h"

namespace wengert::bench {

namespace {

constexpr std::int64_t count = 3'300'000;

/// An optimizer of ours for one parameter that has its gradient.
struct Ours {
  Parameter weight;
  std::unique_ptr<optim::Optimizer> optimizer;

  template <class Make>
  Ours(const Problem& problem, Make make) : weight(to_tensor(problem.weights[0])) {
    (weight.value() * to_tensor(problem.data[0])).backward(ones({count}));
    optimizer = make(std::vector<ParameterRef>{weight}, problem.learning_rate);
  }
};

template <class Make, class Step>
Contenders optimizer_contenders(const std::string& name, Make make, Step hand_step) {
  Draw draw;
  // The weights must move by more than their last digits, or agreeing would say nothing.
  const Problem problem{.model = "optimizer " + name,
                        .weights = {draw.uniform("weight", {count}, -1, 1)},
                        .data = {draw.uniform("gradient", {count}, -1, 1)},
                        .learning_rate = 0.1};
  const auto ours = std::make_shared<Ours>(problem, make);
  const auto hand = std::make_shared<Parameters>(problem);
  std::copy(problem.data[0].numbers.begin(), problem.data[0].numbers.end(), hand->gradient(0));
  ours->optimizer->step();
  hand_step(*hand);
  const std::vector<float> weights = to_vector(ours->weight);
  require_same("weights, ours and hand-written", weights, {hand->weight(0), hand->weight(0) + count});
  Contenders sides{.ours = timed([ours] { ours->optimizer->step(); }),
                   .hand = timed([hand, hand_step] { hand_step(*hand); })};
  if (has_peer()) {
    const Peer peer(problem);
    require_same("weights, ours and libtorch", weights, peer.results().at(0).numbers);
    sides.peer = peer.timed();
  }
  return sides;
}

template <class Make, class Step>
void add(const std::string& name, Make make, Step hand_step) {
  compare({.name = "optimizer " + name}, [=] { return optimizer_contenders(name, make, hand_step); });
}

}  // namespace

void register_optimizer_benchmarks() {
  using List = std::vector<ParameterRef>;
  add(
      "sgd", [](List p, double lr) { return std::make_unique<optim::SGD>(std::move(p), optim::SGDOptions{.lr = lr}); },
      [](Parameters& p) { p.sgd_step(); });
  add(
      "momentum",
      [](List p, double lr) {
        return std::make_unique<optim::SGD>(std::move(p), optim::SGDOptions{.lr = lr, .momentum = 0.9});
      },
      [](Parameters& p) { p.momentum_step(0.9F); });
  add(
      "adam",
      [](List p, double lr) { return std::make_unique<optim::Adam>(std::move(p), optim::AdamOptions{.lr = lr}); },
      [](Parameters& p) { p.adam_step(); });
}

}  // namespace wengert::bench
