#include "autograd/memory.h"

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <type_traits>

#include <sys/mman.h>

#include <wengert/autograd/error.h>

#ifdef WENGERT_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#define WENGERT_POISON(address, bytes) ASAN_POISON_MEMORY_REGION(address, bytes)
#define WENGERT_UNPOISON(address, bytes) ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#define WENGERT_TOUCHES_FREE_BLOCKS __attribute__((no_sanitize_address, noinline))
#else
#define WENGERT_POISON(address, bytes) static_cast<void>(0)
#define WENGERT_UNPOISON(address, bytes) static_cast<void>(0)
#define WENGERT_TOUCHES_FREE_BLOCKS
#endif

namespace wengert::memory {
namespace detail {
namespace {

constexpr std::size_t slab_bytes = std::size_t{1} << 20;
constexpr std::size_t huge_page_bytes = std::size_t{2} << 20;
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t largest_request = std::size_t{1} << 47;  // the address space of a process
constexpr std::size_t large_classes = size_class(largest_request) + 1 - small_classes;

#ifdef WENGERT_ADDRESS_SANITIZER
constexpr std::size_t guard_bytes = 64;  // poisoned for ever behind every block
#else
constexpr std::size_t guard_bytes = 0;
#endif

/// How a free block looks in the shared pool: batches that move to a thread as a whole, linked by their first blocks.
struct PooledBlock : FreeBlock {
  PooledBlock* next_batch;
  std::size_t batch_size;
};
static_assert(sizeof(PooledBlock) <= alignment);

struct Slab {
  Slab* next;
  std::size_t carved;  // blocks handed out at least once: they come first
  std::size_t free;    // used by release_cached alone
};
static_assert(sizeof(Slab) <= alignment);

/// The shared pool of one small class.
struct Pool {
  std::mutex mutex;
  PooledBlock* batches = nullptr;
  Slab* slabs = nullptr;  // only the first one has room left
};

/// Everything shared. It is never destroyed, because static objects may hold tensors to the very end.
struct Shared {
  Pool pools[small_classes];

  std::mutex large_mutex;
  FreeBlock* large[large_classes] = {};

  std::mutex registry_mutex;
  ThreadCache* registry = nullptr;  // caches are used again by later threads, never freed
  std::uint64_t base_allocations = 0, base_misses = 0, base_system_allocations = 0;

  std::atomic<std::int64_t> live{0};
  std::atomic<std::int64_t> peak{0};
  std::atomic<std::int64_t> block_bytes{0};   // of all blocks, live or free
  std::atomic<std::uint64_t> allocations{0};  // by threads that have no cache
  std::atomic<std::uint64_t> misses{0};       // allocations that had to ask the system
  std::atomic<std::uint64_t> system_allocations{0};
};
static_assert(std::is_trivially_destructible_v<Shared>);

constinit Shared shared;
constinit ThreadCache no_cache;

// Free blocks are poisoned, so these four are the only functions that look into them.
WENGERT_TOUCHES_FREE_BLOCKS FreeBlock* next_of(FreeBlock* block) { return block->next; }
WENGERT_TOUCHES_FREE_BLOCKS void set_next(FreeBlock* block, FreeBlock* next) { block->next = next; }
WENGERT_TOUCHES_FREE_BLOCKS PooledBlock batch_at(PooledBlock* block) { return *block; }
WENGERT_TOUCHES_FREE_BLOCKS PooledBlock* make_batch(void* block, FreeBlock* next, PooledBlock* next_batch,
                                                    std::size_t size) {
  return ::new (block) PooledBlock{{next}, next_batch, size};
}

/// How many free blocks of a class a thread keeps: 256 KiB in all, but at least 4 and at most 512 of them.
constexpr std::uint32_t thread_limit(std::size_t index) {
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(256 * 1024 / class_bytes(index), 4, 512));
}

constexpr std::size_t batch_limit(std::size_t index) { return thread_limit(index) / 2; }

void raise_peak(std::int64_t live) noexcept {
  std::int64_t peak = shared.peak.load(std::memory_order_relaxed);
  while (peak < live && !shared.peak.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

void add_live(std::int64_t bytes) noexcept {
  const std::int64_t live = shared.live.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  if (bytes > 0) raise_peak(live);
}

/// Counts an allocation (bytes > 0) or a deallocation that bypassed the thread's free list.
void count_slow(std::int64_t bytes) noexcept {
  ThreadCache& cache = *thread_cache;
  if (&cache == &no_cache) {
    if (bytes > 0) shared.allocations.fetch_add(1, std::memory_order_relaxed);
    add_live(bytes);
    return;
  }
  if (bytes > 0)
    cache.allocations.store(cache.allocations.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  count(cache, bytes);
}

std::size_t mapping_bytes(std::size_t bytes) {
  const std::size_t unit = bytes >= huge_page_bytes ? huge_page_bytes : page_bytes;
  return (bytes + guard_bytes + unit - 1) / unit * unit;
}

/// Fresh memory, or null. The address sanitizer must know of the memory, or it takes what only tensors hold for leaked;
/// so there it comes from the heap.
void* system_allocate(std::size_t bytes, std::size_t align) noexcept {
#ifdef WENGERT_ADDRESS_SANITIZER
  void* start = nullptr;
  if (bytes < largest_request / 1024) start = std::aligned_alloc(align, bytes);
  if (start == nullptr) return nullptr;
  __lsan_ignore_object(start);
#else
  const std::size_t slack = align > page_bytes ? align : 0;
  void* mapping = ::mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  auto* start = static_cast<std::byte*>(mapping);
  if (slack != 0) {
    const std::size_t before = (align - reinterpret_cast<std::uintptr_t>(start) % align) % align;
    if (before != 0) ::munmap(start, before);
    start += before;
    if (before != slack) ::munmap(start + bytes, slack - before);
  }
  if (align == huge_page_bytes) ::madvise(start, bytes, MADV_HUGEPAGE);
#endif
  shared.system_allocations.fetch_add(1, std::memory_order_relaxed);
  return start;
}

void system_free(void* start, [[maybe_unused]] std::size_t bytes) noexcept {
  WENGERT_UNPOISON(start, bytes);
#ifdef WENGERT_ADDRESS_SANITIZER
  std::free(start);
#else
  ::munmap(start, bytes);
#endif
}

void release_large() noexcept {
  const std::scoped_lock lock(shared.large_mutex);
  for (std::size_t i = 0; i < large_classes; ++i) {
    const std::size_t bytes = class_bytes(small_classes + i);
    while (FreeBlock* block = shared.large[i]) {
      shared.large[i] = next_of(block);
      system_free(block, mapping_bytes(bytes));
      shared.block_bytes.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
    }
  }
}

/// As `system_allocate`, but gives the cached large blocks up before it gives up itself.
void* system_allocate_or_release(std::size_t bytes, std::size_t align) noexcept {
  if (void* start = system_allocate(bytes, align)) return start;
  release_large();
  return system_allocate(bytes, align);
}

std::byte* slab_block(Slab* slab, std::size_t stride, std::size_t i) {
  return reinterpret_cast<std::byte*>(slab) + alignment + i * stride;
}

/// Up to `want` fresh blocks as a batch; null without memory. Needs the pool's mutex.
PooledBlock* carve(Pool& pool, std::size_t index, std::size_t want, bool& asked_system) noexcept {
  const std::size_t stride = class_bytes(index) + guard_bytes;
  const std::size_t capacity = (slab_bytes - alignment) / stride;
  if (pool.slabs == nullptr || pool.slabs->carved == capacity) {
    void* start = system_allocate_or_release(slab_bytes, slab_bytes);
    if (start == nullptr) return nullptr;
    asked_system = true;
    pool.slabs = ::new (start) Slab{pool.slabs, 0, 0};
    WENGERT_POISON(static_cast<std::byte*>(start) + alignment, slab_bytes - alignment);
  }
  Slab* slab = pool.slabs;
  const std::size_t n = std::min(want, capacity - slab->carved);
  FreeBlock* next = nullptr;
  for (std::size_t i = slab->carved + n - 1; i > slab->carved; --i) {
    next = make_batch(slab_block(slab, stride, i), next, nullptr, 0);
  }
  PooledBlock* batch = make_batch(slab_block(slab, stride, slab->carved), next, nullptr, n);
  slab->carved += n;
  shared.block_bytes.fetch_add(static_cast<std::int64_t>(n * class_bytes(index)), std::memory_order_relaxed);
  return batch;
}

void push_batch(std::size_t index, FreeBlock* first, std::size_t n) noexcept {
  Pool& pool = shared.pools[index];
  const std::scoped_lock lock(pool.mutex);
  pool.batches = make_batch(first, next_of(first), pool.batches, n);
}

/// For threads without a cache: adds to the batch on top, so that batches stay worth fetching.
void push_one(std::size_t index, void* block) noexcept {
  Pool& pool = shared.pools[index];
  const std::scoped_lock lock(pool.mutex);
  PooledBlock* top = pool.batches;
  if (top != nullptr && batch_at(top).batch_size < batch_limit(index)) {
    pool.batches = make_batch(block, top, batch_at(top).next_batch, batch_at(top).batch_size + 1);
  } else {
    pool.batches = make_batch(block, nullptr, top, 1);
  }
}

FreeBlock* pop_one(std::size_t index, bool& asked_system) noexcept {
  Pool& pool = shared.pools[index];
  const std::scoped_lock lock(pool.mutex);
  PooledBlock* top = pool.batches;
  if (top == nullptr) return carve(pool, index, 1, asked_system);
  const PooledBlock batch = batch_at(top);
  pool.batches = batch.batch_size == 1
                     ? batch.next_batch
                     : make_batch(batch.next, next_of(batch.next), batch.next_batch, batch.batch_size - 1);
  return top;
}

PooledBlock* pop_batch(std::size_t index, bool& asked_system) noexcept {
  Pool& pool = shared.pools[index];
  const std::scoped_lock lock(pool.mutex);
  PooledBlock* top = pool.batches;
  if (top == nullptr) return carve(pool, index, batch_limit(index), asked_system);
  pool.batches = batch_at(top).next_batch;
  return top;
}

/// Keeps the newer half of a full list, which is likely still in the processor's cache, and gives the rest to the pool.
void give_half_back(Bin& bin, std::size_t index) noexcept {
  const std::size_t limit = thread_limit(index);
  const std::size_t keep = limit - batch_limit(index);
  FreeBlock* last = bin.head;
  for (std::size_t i = 1; i < keep; ++i) last = next_of(last);
  FreeBlock* rest = next_of(last);
  set_next(last, nullptr);
  push_batch(index, rest, limit - keep);
  bin.room = static_cast<std::uint32_t>(limit - keep);
}

void give_all_back(ThreadCache& cache) noexcept {
  for (std::size_t i = 0; i < small_classes; ++i) {
    Bin& bin = cache.bins[i];
    if (bin.head != nullptr) push_batch(i, bin.head, thread_limit(i) - bin.room);
    bin.head = nullptr;
    bin.room = thread_limit(i);
  }
}

constinit thread_local bool thread_ended = false;

void retire_thread_cache() noexcept {
  ThreadCache& cache = *thread_cache;
  thread_ended = true;
  thread_cache = &no_cache;
  if (&cache == &no_cache) return;
  give_all_back(cache);
  publish(cache);
  const std::scoped_lock lock(shared.registry_mutex);
  cache.in_use = false;
}

struct ThreadEnd {
  ~ThreadEnd() { retire_thread_cache(); }
};

ThreadCache* idle_or_new_cache() noexcept {
  const std::scoped_lock lock(shared.registry_mutex);
  ThreadCache* cache = shared.registry;
  while (cache != nullptr && cache->in_use) cache = cache->next;
  if (cache == nullptr) {
    cache = new (std::nothrow) ThreadCache;
    if (cache == nullptr) return nullptr;
    for (std::size_t i = 0; i < small_classes; ++i) {
      cache->bins[i] = {nullptr, thread_limit(i), static_cast<std::uint32_t>(class_bytes(i))};
    }
    cache->next = shared.registry;
    shared.registry = cache;
  }
  cache->in_use = true;
  return cache;
}

/// False when this thread is ending or memory is out: then the shared pool must do.
bool have_thread_cache() noexcept {
  if (thread_cache != &no_cache) return true;
  if (thread_ended) return false;
  ThreadCache* cache = idle_or_new_cache();
  if (cache == nullptr) return false;
  thread_cache = cache;
  static thread_local ThreadEnd at_thread_end;
  static_cast<void>(at_thread_end);
  return true;
}

FreeBlock* allocate_small(std::size_t index, bool& asked_system) noexcept {
  if (!have_thread_cache()) return pop_one(index, asked_system);
  Bin& bin = thread_cache->bins[index];
  if (bin.head == nullptr) {
    PooledBlock* batch = pop_batch(index, asked_system);
    if (batch == nullptr) return nullptr;
    bin.head = batch;
    bin.room -= static_cast<std::uint32_t>(batch_at(batch).batch_size);
  }
  FreeBlock* block = bin.head;
  bin.head = next_of(block);
  ++bin.room;
  return block;
}

void* allocate_large(std::size_t index, bool& asked_system) noexcept {
  {
    const std::scoped_lock lock(shared.large_mutex);
    FreeBlock*& head = shared.large[index - small_classes];
    if (FreeBlock* block = head) {
      head = next_of(block);
      return block;
    }
  }
  const std::size_t bytes = class_bytes(index);
  const std::size_t mapping = mapping_bytes(bytes);
  void* start = system_allocate_or_release(mapping, bytes >= huge_page_bytes ? huge_page_bytes : page_bytes);
  if (start == nullptr) return nullptr;
  asked_system = true;
  WENGERT_POISON(start, mapping);
  shared.block_bytes.fetch_add(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  return start;
}

std::int64_t sum_pending_locked() noexcept {
  std::int64_t sum = 0;
  for (ThreadCache* cache = shared.registry; cache != nullptr; cache = cache->next) {
    sum += cache->pending.load(std::memory_order_relaxed);
  }
  return sum;
}

std::uint64_t sum_allocations_locked() noexcept {
  std::uint64_t sum = shared.allocations.load(std::memory_order_relaxed);
  for (ThreadCache* cache = shared.registry; cache != nullptr; cache = cache->next) {
    sum += cache->allocations.load(std::memory_order_relaxed);
  }
  return sum;
}

/// Frees the slabs of one class whose blocks are all in the pool, and batches the remaining blocks anew.
void release_slabs(std::size_t index) noexcept {
  Pool& pool = shared.pools[index];
  const std::scoped_lock lock(pool.mutex);
  const auto slab_of = [](void* block) {
    return reinterpret_cast<Slab*>(reinterpret_cast<std::uintptr_t>(block) & ~(slab_bytes - 1));
  };
  for (Slab* slab = pool.slabs; slab != nullptr; slab = slab->next) slab->free = 0;
  for (PooledBlock* batch = pool.batches; batch != nullptr; batch = batch_at(batch).next_batch) {
    for (FreeBlock* block = batch; block != nullptr; block = next_of(block)) ++slab_of(block)->free;
  }

  PooledBlock* kept = nullptr;
  for (PooledBlock* batch = pool.batches; batch != nullptr;) {
    PooledBlock* next_batch = batch_at(batch).next_batch;
    for (FreeBlock* block = batch; block != nullptr;) {
      FreeBlock* next = next_of(block);
      if (slab_of(block)->free != slab_of(block)->carved) {
        const bool join = kept != nullptr && batch_at(kept).batch_size < batch_limit(index);
        kept = join ? make_batch(block, kept, batch_at(kept).next_batch, batch_at(kept).batch_size + 1)
                    : make_batch(block, nullptr, kept, 1);
      }
      block = next;
    }
    batch = next_batch;
  }
  pool.batches = kept;

  for (Slab** link = &pool.slabs; *link != nullptr;) {
    Slab* slab = *link;
    if (slab->free != slab->carved) {
      link = &slab->next;
      continue;
    }
    *link = slab->next;
    shared.block_bytes.fetch_sub(static_cast<std::int64_t>(slab->carved * class_bytes(index)),
                                 std::memory_order_relaxed);
    system_free(slab, slab_bytes);
  }
}

}  // namespace

constinit thread_local ThreadCache* thread_cache = &no_cache;

void publish(ThreadCache& cache) noexcept {
  const std::int64_t pending = cache.pending.load(std::memory_order_relaxed);
  cache.pending.store(0, std::memory_order_relaxed);
  add_live(pending);
}

void* allocate_slow(std::size_t bytes) {
  void* block = nullptr;
  bool asked_system = false;
  if (bytes <= largest_request) {
    const std::size_t index = size_class(bytes);
    block = index < small_classes ? allocate_small(index, asked_system) : allocate_large(index, asked_system);
  }
  if (block == nullptr) fail<Error>("memory: out of memory: the system has no block of {} bytes", bytes);
  if (asked_system) shared.misses.fetch_add(1, std::memory_order_relaxed);
  count_slow(static_cast<std::int64_t>(class_bytes(size_class(bytes))));
  WENGERT_UNPOISON(block, bytes);
  return block;
}

void deallocate_slow(void* block, std::size_t bytes) noexcept {
  const std::size_t index = size_class(bytes);
  WENGERT_POISON(block, class_bytes(index));
  count_slow(-static_cast<std::int64_t>(class_bytes(index)));
  if (index >= small_classes) {
    const std::scoped_lock lock(shared.large_mutex);
    FreeBlock*& head = shared.large[index - small_classes];
    head = make_batch(block, head, nullptr, 0);
    return;
  }
  if (!have_thread_cache()) return push_one(index, block);
  Bin& bin = thread_cache->bins[index];
  if (bin.room == 0) give_half_back(bin, index);
  bin.head = make_batch(block, bin.head, nullptr, 0);
  --bin.room;
}

}  // namespace detail

using detail::shared;

Stats stats() {
  const std::scoped_lock lock(shared.registry_mutex);
  const std::int64_t live = std::max<std::int64_t>(shared.live.load() + detail::sum_pending_locked(), 0);
  detail::raise_peak(live);
  const std::uint64_t allocations = detail::sum_allocations_locked() - shared.base_allocations;
  const std::uint64_t misses = shared.misses.load() - shared.base_misses;
  return {
      .live_bytes = static_cast<std::size_t>(live),
      .peak_bytes = static_cast<std::size_t>(shared.peak.load()),
      .system_allocations = shared.system_allocations.load() - shared.base_system_allocations,
      .cached_bytes = static_cast<std::size_t>(std::max<std::int64_t>(shared.block_bytes.load() - live, 0)),
      .cache_hits = allocations - std::min(misses, allocations),
      .allocations = allocations,
  };
}

void reset_peak() {
  const std::scoped_lock lock(shared.registry_mutex);
  shared.peak.store(shared.live.load() + detail::sum_pending_locked());
}

void reset_stats() {
  const std::scoped_lock lock(shared.registry_mutex);
  shared.base_allocations = detail::sum_allocations_locked();
  shared.base_misses = shared.misses.load();
  shared.base_system_allocations = shared.system_allocations.load();
}

void release_cached() {
  if (detail::thread_cache != &detail::no_cache) detail::give_all_back(*detail::thread_cache);
  detail::release_large();
  for (std::size_t i = 0; i < detail::small_classes; ++i) detail::release_slabs(i);
}

}  // namespace wengert::memory
