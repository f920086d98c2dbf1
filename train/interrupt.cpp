#include "train/interrupt.h"

#include <atomic>
#include <csignal>
#include <vector>

namespace wengert {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may set it");

std::vector<struct sigaction>& actions_before() {
  static std::vector<struct sigaction> actions;
  return actions;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  struct sigaction before = {};
  ::sigaction(SIGINT, nullptr, &before);
  if (actions_before().empty()) interrupted = false;
  actions_before().push_back(before);
  // An inner guard changes nothing: after a first Ctrl-C it would otherwise take the second one for the first.
  if (before.sa_handler == SIG_IGN || actions_before().size() > 1) return;

  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = true; };
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptGuard::~InterruptGuard() {
  const struct sigaction before = actions_before().back();
  actions_before().pop_back();
  if (actions_before().empty()) ::sigaction(SIGINT, &before, nullptr);
}

bool InterruptGuard::requested() const noexcept { return interrupted; }

}  // namespace wengert
