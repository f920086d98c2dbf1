#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace wengert {

/// The most threads that one `parallel_for` uses, the caller included: 1 to 1024, or `Error`. Safe at any time from any
/// thread; a loop already running keeps the number that it started with.
void set_num_threads(int threads);

/// At first what the environment variable WENGERT_NUM_THREADS says, or else the number of processors that the process
/// may use. Throws `Error` if the variable is not a number from 1 to 1024 and `set_num_threads` has not been called.
int num_threads();

namespace detail {

using ChunkFunction = void (*)(void* context, std::int64_t begin, std::int64_t end);

void run_chunks(std::int64_t n, std::int64_t grain, ChunkFunction function, void* context);

}  // namespace detail

/// Calls `f(begin, end)` for every chunk of `grain` consecutive items of [0, n); the last may be shorter. The
/// boundaries depend on `n` and `grain` alone, so what is computed per chunk has the same bits for any number of
/// threads. The order of the chunks is unspecified.
///
/// The caller works too. It works alone, chunk by chunk, if there is one chunk or one thread, inside another
/// `parallel_for`, and while another thread's loop has the pool. If chunks throw, chunks not yet begun are dropped and
/// the exception of the lowest throwing chunk is rethrown once all others have ended: it is the one that a plain loop
/// would throw. Throws `Error` if n < 0 or grain < 1.
///
/// The pool starts with the first loop that needs it and ends with the process; loops in destructors of static objects
/// run on the caller. A child made by fork() starts a pool of its own; do not fork inside `f`.
template <class F>
void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
  if (n > 0 && n <= grain) {
    f(std::int64_t{0}, n);
    return;
  }
  using Function = std::remove_reference_t<F>;
  const auto call = [](void* context, std::int64_t begin, std::int64_t end) {
    (*static_cast<Function*>(context))(begin, end);
  };
  detail::run_chunks(n, grain, call, const_cast<void*>(static_cast<const void*>(std::addressof(f))));
}

}  // namespace wengert
