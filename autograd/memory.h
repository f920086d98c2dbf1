#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define WENGERT_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WENGERT_ADDRESS_SANITIZER 1
#endif
#endif

/// The caching allocator behind tensor buffers and tape nodes.
///
/// Sizes are rounded up to a class: multiples of 64 bytes up to 1 KiB, then eight classes per power of two (at most
/// 12.5 % more than asked for). Blocks of up to 64 KiB are carved out of 1 MiB slabs and pass through a bounded free
/// list of the calling thread; what overflows it, and all of it when the thread ends, goes back to a pool that every
/// thread draws from. Larger blocks have a mapping each and, once freed, wait in a shared cache for a request of the
/// same class. Nothing returns to the system before `release_cached()`, or before a request fails for lack of memory.
///
/// Every function may be called from any thread at any time, also while static objects are destroyed.
namespace wengert::memory {

/// Every block starts at a multiple of this.
inline constexpr std::size_t alignment = 64;

struct Stats {
  std::size_t live_bytes;          ///< handed out and not yet given back, in rounded sizes
  std::size_t peak_bytes;          ///< the most that `live_bytes` has been since the start or `reset_peak()`
  std::size_t system_allocations;  ///< calls to the system for memory; constant in a steady training loop
  std::size_t cached_bytes;        ///< free blocks kept for reuse
  std::size_t cache_hits;          ///< allocations served without asking the system
  std::size_t allocations;         ///< all calls of `allocate` that returned a block
};

/// The counters of all threads together: exact when no other thread allocates meanwhile. The peak sees a thread's small
/// blocks in steps of `peak_granularity` bytes and every larger block at once, so it is off by less than
/// `peak_granularity` per thread.
Stats stats();

inline constexpr std::size_t peak_granularity = 64 * 1024;

/// Starts the peak again from what is live now.
void reset_peak();

/// Sets `system_allocations`, `cache_hits` and `allocations` to zero.
void reset_stats();

/// Gives free memory back to the system: all large blocks, and every slab that has no live block and none in the free
/// list of another running thread.
void release_cached();

namespace detail {

inline constexpr std::size_t small_limit = 64 * 1024;
inline constexpr std::size_t fine_limit = 1024;
inline constexpr std::size_t fine_classes = fine_limit / alignment + 1;  // class 0 is for empty requests

constexpr std::size_t size_class(std::size_t bytes) {
  if (bytes <= fine_limit) return (bytes + alignment - 1) / alignment;
  const auto exponent = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // 10 for 1025 to 2048
  return fine_classes + (exponent - 10) * 8 + ((bytes - 1) >> (exponent - 3)) % 8;
}

constexpr std::size_t class_bytes(std::size_t index) {
  if (index < fine_classes) return index == 0 ? alignment : index * alignment;
  const std::size_t exponent = 10 + (index - fine_classes) / 8;
  return (9 + (index - fine_classes) % 8) << (exponent - 3);
}

inline constexpr std::size_t small_classes = size_class(small_limit) + 1;

struct FreeBlock {
  FreeBlock* next;
};

/// The free list of one size class.
struct Bin {
  FreeBlock* head = nullptr;
  std::uint32_t room = 0;  // how many more blocks the list may take
  std::uint32_t bytes = 0;
};

/// What one thread keeps. Only the owner writes the counters, so a relaxed load and store replaces an atomic increment.
struct alignas(alignment) ThreadCache {
  std::atomic<std::uint64_t> allocations{0};
  std::atomic<std::int64_t> pending{0};  // live bytes not yet in the shared count
  Bin bins[small_classes];
  ThreadCache* next = nullptr;
  bool in_use = false;
};

// A thread without a cache of its own points at one that is always empty and full, which leads every call to the slow
// path: the fast path needs no test for "not yet" or "no longer".
[[gnu::tls_model("initial-exec")]] extern constinit thread_local ThreadCache* thread_cache;

void* allocate_slow(std::size_t bytes);
void deallocate_slow(void* block, std::size_t bytes) noexcept;
void publish(ThreadCache& cache) noexcept;  // moves `pending` to the shared count

inline void count(ThreadCache& cache, std::int64_t bytes) noexcept {
  const std::int64_t pending = cache.pending.load(std::memory_order_relaxed) + bytes;
  cache.pending.store(pending, std::memory_order_relaxed);
  constexpr auto limit = static_cast<std::int64_t>(peak_granularity);
  if (pending >= limit || pending <= -limit) [[unlikely]]
    publish(cache);
}

}  // namespace detail

/// At least `bytes` bytes, uninitialised, at a multiple of `alignment`; never null, also for 0 bytes.
/// Throws `Error` when the system has no such block.
inline void* allocate(std::size_t bytes) {
#ifndef WENGERT_ADDRESS_SANITIZER  // there the library marks what may be touched
  if (bytes <= detail::small_limit) [[likely]] {
    detail::ThreadCache& cache = *detail::thread_cache;
    detail::Bin& bin = cache.bins[detail::size_class(bytes)];
    if (detail::FreeBlock* block = bin.head) [[likely]] {
      bin.head = block->next;
      ++bin.room;
      cache.allocations.store(cache.allocations.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      detail::count(cache, bin.bytes);
      return block;
    }
  }
#endif
  return detail::allocate_slow(bytes);
}

/// Gives back a block of `allocate(bytes)`, on any thread.
inline void deallocate(void* block, std::size_t bytes) noexcept {
#ifndef WENGERT_ADDRESS_SANITIZER
  if (bytes <= detail::small_limit) [[likely]] {
    detail::ThreadCache& cache = *detail::thread_cache;
    detail::Bin& bin = cache.bins[detail::size_class(bytes)];
    if (bin.room != 0) [[likely]] {
      bin.head = ::new (block) detail::FreeBlock{bin.head};
      --bin.room;
      detail::count(cache, -static_cast<std::int64_t>(bin.bytes));
      return;
    }
  }
#endif
  detail::deallocate_slow(block, bytes);
}

/// For standard containers that live as long as a pass or an op, whose memory so is at hand already.
template <class T>
struct Allocator {
  using value_type = T;

  Allocator() = default;
  template <class U>
  Allocator(const Allocator<U>& /*other*/) noexcept {}  // NOLINT(google-explicit-constructor): as containers ask for

  T* allocate(std::size_t count) { return static_cast<T*>(memory::allocate(count * sizeof(T))); }
  void deallocate(T* block, std::size_t count) noexcept { memory::deallocate(block, count * sizeof(T)); }

  friend bool operator==(const Allocator& /*a*/, const Allocator& /*b*/) noexcept { return true; }
};

}  // namespace wengert::memory
