#include "autograd/parallel.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <pthread.h>

#include <wengert/autograd/error.h>

namespace wengert {
namespace {

constexpr int max_threads = 1024;

constinit std::atomic<int> configured_threads{0};  // 0: not asked yet

int initial_threads() {
  if (const char* text = std::getenv("WENGERT_NUM_THREADS")) {
    int threads = 0;
    const char* end = text + std::strlen(text);
    const auto [stop, error] = std::from_chars(text, end, threads);
    check<Error>(error == std::errc{} && stop == end && threads >= 1 && threads <= max_threads,
                 "num_threads: the environment variable WENGERT_NUM_THREADS must be a number from 1 to {}, got '{}'",
                 max_threads, std::string_view(text));
    return threads;
  }
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, max_threads);
}

}  // namespace

void set_num_threads(int threads) {
  check<Error>(threads >= 1 && threads <= max_threads, "set_num_threads: threads must be from 1 to {}, got {}",
               max_threads, threads);
  configured_threads.store(threads, std::memory_order_relaxed);
}

int num_threads() {
  const int threads = configured_threads.load(std::memory_order_relaxed);
  if (threads != 0) return threads;
  int expected = 0;
  const int initial = initial_threads();
  return configured_threads.compare_exchange_strong(expected, initial, std::memory_order_relaxed) ? initial : expected;
}

namespace detail {
namespace {

/// One loop, on the stack of its caller.
struct Job {
  std::int64_t n, grain, chunks;
  ChunkFunction function;
  void* context;
  std::int64_t helpers_wanted;  // guarded by the pool's mutex
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> failed{false};
  std::mutex error_mutex{};
  std::int64_t error_chunk = std::numeric_limits<std::int64_t>::max();
  std::exception_ptr error{};

  void call(std::int64_t chunk) const {
    const std::int64_t begin = chunk * grain;
    function(context, begin, begin + std::min(grain, n - begin));
  }

  /// Takes chunks until none is left. They are handed out in order, so when one fails, all lower ones have begun, and
  /// dropping the rest does not change which failure is the lowest.
  void work() noexcept {
    while (!failed.load(std::memory_order_relaxed)) {
      const std::int64_t chunk = next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= chunks) return;
      try {
        call(chunk);
      } catch (...) {
        failed.store(true, std::memory_order_relaxed);
        const std::scoped_lock lock(error_mutex);
        if (chunk < error_chunk) {
          error_chunk = chunk;
          error = std::current_exception();
        }
      }
    }
  }
};

constinit thread_local bool inside_loop = false;

using Clock = std::chrono::steady_clock;

/// How long a thread waits awake for others to end their part of a loop, and for the next loop. To wake it costs its
/// waker a call to the system, and itself up to tens of microseconds; the next loop of a training step mostly comes
/// before that. Where there are more threads than processors, others need the processor.
Clock::duration patience(std::size_t workers) {
  static const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
  return workers < processors ? std::chrono::microseconds(50) : std::chrono::microseconds(2);
}

/// True as soon as `done()` is, false after `patience`.
template <class F>
bool spin_until(F done, Clock::duration patience) {
  const auto begin = Clock::now();
  do {
    for (int i = 0; i < 50; ++i) {
      if (done()) return true;
#if defined(__x86_64__) || defined(__i386__)
      __builtin_ia32_pause();
#endif
    }
  } while (Clock::now() - begin < patience);
  return false;
}

class Pool {
 public:
  /// False if another caller has the pool.
  bool try_run(Job& job, int threads) {
    const std::unique_lock owner(owner_mutex_, std::try_to_lock);
    if (!owner || stopped_.load(std::memory_order_relaxed)) return false;
    const auto helpers = std::min<std::int64_t>(threads, job.chunks) - 1;
    start_workers(helpers);
    offer(job, helpers);
    inside_loop = true;
    job.work();
    inside_loop = false;
    withdraw();
    return true;
  }

  /// Ends the workers; later loops run on their callers.
  void stop() {
    {
      const std::scoped_lock lock(mutex_);
      stopped_.store(true, std::memory_order_relaxed);
      job_number_.fetch_add(1, std::memory_order_release);
    }
    job_offered_.notify_all();
    // After exit() inside a loop, the workers may wait for this very thread. So they are left to the end of the
    // process, as is the list of them, which the loop's caller may be using.
    if (inside_loop) return;
    const std::unique_lock owner(owner_mutex_, std::try_to_lock);
    if (!owner) return;
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }

 private:
  void start_workers(std::int64_t count) {
    while (static_cast<std::int64_t>(workers_.size()) < count) {
      try {
        patience_.store(patience(workers_.size() + 1), std::memory_order_relaxed);
        workers_.emplace_back([this] { serve(); });
      } catch (const std::system_error&) {
        return;  // the system gives no more threads: those that exist do the work
      }
    }
  }

  void offer(Job& job, std::int64_t helpers) {
    bool all_awake = false;
    {
      const std::scoped_lock lock(mutex_);
      job.helpers_wanted = helpers;
      job_ = &job;
      job_number_.fetch_add(1, std::memory_order_release);
      all_awake = static_cast<std::int64_t>(workers_.size()) - asleep_ >= helpers;
    }
    if (all_awake) return;
    if (helpers == 1) {
      job_offered_.notify_one();
    } else {
      job_offered_.notify_all();
    }
  }

  /// Returns when no worker uses the job any more.
  void withdraw() {
    {
      const std::scoped_lock lock(mutex_);
      job_ = nullptr;
    }
    const auto idle = [this] { return active_.load(std::memory_order_acquire) == 0; };
    if (spin_until(idle, patience_.load(std::memory_order_relaxed))) return;
    std::unique_lock lock(mutex_);
    all_left_.wait(lock, idle);
  }

  void serve() {
    inside_loop = true;
    std::uint64_t seen = 0;
    while (!stopped_.load(std::memory_order_relaxed)) {
      const auto news = [&] { return job_number_.load(std::memory_order_acquire) != seen; };
      spin_until(news, patience_.load(std::memory_order_relaxed));
      std::unique_lock lock(mutex_);
      ++asleep_;
      job_offered_.wait(lock, news);
      --asleep_;
      seen = job_number_.load(std::memory_order_relaxed);
      Job* job = job_;
      if (job == nullptr || job->helpers_wanted == 0) continue;
      --job->helpers_wanted;
      active_.fetch_add(1, std::memory_order_relaxed);
      lock.unlock();
      job->work();
      lock.lock();
      if (active_.fetch_sub(1, std::memory_order_release) == 1) all_left_.notify_one();
    }
  }

  std::mutex owner_mutex_;  // held by the caller whose loop runs
  std::vector<std::thread> workers_;

  std::mutex mutex_;
  std::condition_variable job_offered_;
  std::condition_variable all_left_;
  Job* job_ = nullptr;
  std::int64_t asleep_ = 0;  // guarded by mutex_
  std::atomic<std::uint64_t> job_number_{0};
  std::atomic<int> active_{0};
  std::atomic<Clock::duration> patience_{Clock::duration::zero()};
  std::atomic<bool> stopped_{false};
};

// Never deleted, because loops in destructors of static objects still ask it. A forked child has none of the threads,
// so it puts the pool aside untouched.
constinit std::atomic<Pool*> the_pool{nullptr};
constinit std::atomic<Pool*> pool_of_parent{nullptr};
constinit std::mutex start_mutex;

struct PoolEnd {
  ~PoolEnd() {
    if (Pool* pool = the_pool.load(std::memory_order_acquire)) pool->stop();
  }
};

Pool& pool() {
  if (Pool* existing = the_pool.load(std::memory_order_acquire)) return *existing;
  const std::scoped_lock lock(start_mutex);
  if (Pool* existing = the_pool.load(std::memory_order_relaxed)) return *existing;
  static const PoolEnd at_exit;
  static const int registered =
      ::pthread_atfork(nullptr, nullptr, [] { pool_of_parent.store(the_pool.exchange(nullptr)); });
  static_cast<void>(registered);
  Pool* fresh = new Pool;
  the_pool.store(fresh, std::memory_order_release);
  return *fresh;
}

}  // namespace

void run_chunks(std::int64_t n, std::int64_t grain, ChunkFunction function, void* context) {
  check<Error>(n >= 0 && grain >= 1, "parallel_for: n must not be negative and grain must be positive, got {} and {}",
               n, grain);
  if (n == 0) return;
  Job job{.n = n,
          .grain = grain,
          .chunks = (n - 1) / grain + 1,
          .function = function,
          .context = context,
          .helpers_wanted = 0};
  const int threads = inside_loop || job.chunks == 1 ? 1 : num_threads();
  if (threads == 1 || !pool().try_run(job, threads)) {
    for (std::int64_t chunk = 0; chunk < job.chunks; ++chunk) job.call(chunk);
  } else if (job.error) {
    std::rethrow_exception(job.error);
  }
}

}  // namespace detail
}  // namespace wengert
