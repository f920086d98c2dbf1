// A pole balanced on a cart by an agent that learns from its own play.
//
// Rebuilds: what the notebooks list as next, policy gradient. The cart is Gymnasium's CartPole-v1 (A. G. Barto, R. S.
// Sutton and C. W. Anderson, 1983): a push of 10 N to the left or the right every 0.02 s, a reward of 1 a step until
// the pole leans more than 12 degrees, the cart has moved 2.4 m, or 500 steps are over. The agent is REINFORCE (R. J.
// Williams, 1992) with a learned baseline: an actor and a critic, 4-64-2 and 4-64-1 with tanh, that play 16 episodes at
// a time and then make one step of Adam. Reference: CartPole-v1 counts as solved at a mean return of 475 over 100
// episodes; that of the greedy policy is what counts here.

#include <algorithm>
#include <array>
#include <cmath>

#include <wengert/wengert.h>

#include "example.h"

using namespace wengert;

constexpr int longest = 500;  // steps in an episode

struct CartPole {
  float x, velocity, angle, angular_velocity;

  bool over() const { return std::abs(x) > 2.4F || std::abs(angle) > 12 * 3.14159265F / 180; }

  void push(bool right) {
    constexpr float gravity = 9.8F, cart_mass = 1.0F, pole_mass = 0.1F, mass = cart_mass + pole_mass;
    constexpr float half_length = 0.5F, seconds = 0.02F;
    const float force = right ? 10.0F : -10.0F, sine = std::sin(angle), cosine = std::cos(angle);
    const float pull = (force + pole_mass * half_length * angular_velocity * angular_velocity * sine) / mass;
    const float angular_acceleration =
        (gravity * sine - cosine * pull) / (half_length * (4.0F / 3.0F - pole_mass * cosine * cosine / mass));
    const float acceleration = pull - pole_mass * half_length * angular_acceleration * cosine / mass;
    x += seconds * velocity;
    velocity += seconds * acceleration;
    angle += seconds * angular_velocity;
    angular_velocity += seconds * angular_acceleration;
  }
};

/// What happened in some episodes played side by side, in T steps by N of them; after an episode's end `alive` is 0.
struct Episodes {
  Tensor states;   // [T, N, 4]
  Tensor actions;  // [T, N], int64
  Tensor alive;    // [T, N]: 1 where the episode was going on, which is also the reward
};

Episodes play(const nn::Module& actor, std::int64_t count, bool greedy) {
  const Tensor start = rand({count, 4}) * 0.1 - 0.05;
  std::vector<CartPole> carts(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < carts.size(); ++i) {
    const Tensor numbers = start[static_cast<std::int64_t>(i)];
    const auto s = numbers.data<float>();
    carts[i] = {s[0], s[1], s[2], s[3]};
  }
  std::vector<Tensor> states, actions, alive;
  std::vector<float> going(carts.size(), 1), numbers(4 * carts.size());
  for (int step = 0; step < longest && std::ranges::count(going, 1.0F) > 0; ++step) {
    for (std::size_t i = 0; i < carts.size(); ++i) {
      std::ranges::copy(std::array{carts[i].x, carts[i].velocity, carts[i].angle, carts[i].angular_velocity},
                        numbers.begin() + static_cast<std::ptrdiff_t>(4 * i));
    }
    states.push_back(from_vector(numbers, {count, 4}));
    const Tensor logits = actor(states.back());
    actions.push_back(greedy ? argmax(logits) : squeeze(multinomial(softmax(logits), 1), {1}));
    alive.push_back(from_vector(going));
    for (std::size_t i = 0; i < carts.size(); ++i) {
      if (going[i] == 0) continue;
      carts[i].push(actions.back().data<std::int64_t>()[i] == 1);
      if (carts[i].over()) going[i] = 0;
    }
  }
  return {stack(states), stack(actions), stack(alive)};
}

double mean_return(const Episodes& episodes) {
  return sum(episodes.alive).item() / static_cast<double>(episodes.alive.dim(1));
}

/// The rewards to come, each step's less by the factor `discount` than those of the step before; as they all are 1 they
/// follow from the number of steps left.
Tensor returns(const Tensor& alive, double discount) {
  const Tensor left = flip(cumsum(flip(alive, {0}), 0), {0});
  return alive * (1 - exp(left * std::log(discount))) / (1 - discount);
}

int main(int argc, char** argv) {
  const About about{.name = "cartpole", .what = "Balancing a pole by REINFORCE", .epochs = 150, .quick_epochs = 40};
  return run_example(argc, argv, about, [](const Options& options, Result& result) {
    const nn::Sequential actor{nn::Dense(4, 64), nn::Tanh(), nn::Dense(64, 2)};
    const nn::Sequential critic{nn::Dense(4, 64), nn::Tanh(), nn::Dense(64, 1)};
    optim::Adam actor_optimizer(actor.parameters(), {.lr = 1e-2}), critic_optimizer(critic.parameters(), {.lr = 1e-2});
    // Smaller steps towards the end: a policy that balances every pole is soon spoilt by a step that is too large.
    optim::Scheduler schedule(actor_optimizer, optim::schedule::polynomial(options.epochs));
    const InterruptGuard interrupt;

    Curve training{"mean return of 16 episodes", {}};
    std::int64_t steps = 0;
    for (int update = 0; update < options.epochs && !interrupt.requested(); ++update) {
      const Episodes episodes = no_grad([&] { return play(actor, 16, false); });
      training.values.push_back(mean_return(episodes));
      steps += sum(episodes.alive).item<std::int64_t>();

      // Only steps that were played count: their places in [T N].
      const Tensor alive = flatten(episodes.alive);
      const std::int64_t played = sum(alive).item<std::int64_t>();
      const Tensor kept = topk(alive, played).indices;
      const Tensor states = embedding(flatten(episodes.states, 0, 1), kept);
      const Tensor actions = embedding(flatten(episodes.actions), kept);
      const Tensor value = embedding(flatten(returns(episodes.alive, 0.99)), kept) / 100;

      const Tensor baseline = squeeze(critic(states), {1});
      const Tensor critic_loss = mse_loss(baseline, value);
      critic_optimizer.zero_grad();
      critic_loss.backward();
      critic_optimizer.step();

      Tensor advantage = value - baseline.detach();
      advantage = (advantage - mean(advantage)) / (wengert::std(advantage) + 1e-8);
      const Tensor log_probability = squeeze(gather(log_softmax(actor(states)), 1, unsqueeze(actions, 1)), {1});
      const Tensor actor_loss = -mean(advantage * log_probability);
      actor_optimizer.zero_grad();
      actor_loss.backward();
      actor_optimizer.step();
      schedule.step();
      if ((update + 1) % 10 == 0) {
        fmt::print("update {:3}: mean return {:.1f}, {} steps played\n", update + 1, training.values.back(), steps);
      }
    }
    const double greedy = no_grad([&] { return mean_return(play(actor, 100, true)); });
    const double drawn = no_grad([&] { return mean_return(play(actor, 100, false)); });
    fmt::print("{}\n",
               plot_curves(options.file("curves.png"), {{"return", {training}}}, {.x_label = "update"}).message);
    result.add("mean_return", greedy, 1);
    result.add("mean_return_of_drawn_actions", drawn, 1);
    result.add("updates", training.values.size());
    result.add("steps_played", steps);
    result.expect(greedy >= (options.quick ? 100 : 475), "a mean return of 475");
  });
}
