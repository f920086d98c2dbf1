#include "train/interrupt.h"

#include <atomic>
#include <csignal>
#include <mutex>

namespace wengert {
namespace {

std::atomic<bool> interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may set it");

/// The guards that there are, and what was before the first of them.
struct Guards {
  std::mutex mutex;
  int count = 0;
  struct sigaction before = {};
};

Guards& guards() {
  static Guards guards;
  return guards;
}

}  // namespace

InterruptGuard::InterruptGuard() {
  const std::lock_guard lock(guards().mutex);
  // A further guard changes nothing: after a first Ctrl-C it would otherwise take the second one for the first.
  if (guards().count++ > 0) return;
  interrupted = false;
  ::sigaction(SIGINT, nullptr, &guards().before);
  if (guards().before.sa_handler == SIG_IGN) return;

  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = true; };
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
}

InterruptGuard::~InterruptGuard() {
  const std::lock_guard lock(guards().mutex);
  if (--guards().count == 0) ::sigaction(SIGINT, &guards().before, nullptr);
}

bool InterruptGuard::requested() const noexcept { return interrupted; }

}  // namespace wengert
