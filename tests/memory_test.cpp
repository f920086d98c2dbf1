#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <mutex>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <wengert/autograd/error.h>
#include <wengert/autograd/memory.h>
#include <wengert/autograd/parallel.h>

#ifdef WENGERT_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace wengert {
namespace {

using memory::allocate;
using memory::deallocate;
using memory::stats;

/// Blocks of one size, given back at the end of the scope.
class Blocks {
 public:
  Blocks(std::size_t count, std::size_t bytes) : bytes_(bytes) {
    blocks_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) blocks_.push_back(allocate(bytes));
  }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  ~Blocks() { clear(); }

  void clear() {
    for (void* block : blocks_) deallocate(block, bytes_);
    blocks_.clear();
  }
  const std::vector<void*>& all() const { return blocks_; }

 private:
  std::size_t bytes_;
  std::vector<void*> blocks_;
};

/// Uses the allocator in its constructor and destructor, to be run after the caches of its thread are gone.
struct Late {
  static constexpr std::size_t bytes = 700;
  ~Late() {
    if (block != nullptr) deallocate(block, bytes);
    void* other = allocate(bytes);
    std::memset(other, 1, bytes);
    deallocate(other, bytes);
    deallocate(allocate(100'000), 100'000);
  }
  void* block = nullptr;
};

// Destroyed after main: a crash there fails the test program.
Late static_holder;

TEST(Memory, BlocksAreAlignedAndDoNotOverlap) {
  std::vector<std::pair<std::byte*, std::size_t>> blocks;
  for (std::size_t bytes : {1U, 63U, 64U, 65U, 192U, 1024U, 1025U, 5000U, 65536U, 65537U, 300'000U, 3U << 20}) {
    for (int copy = 0; copy < 3; ++copy) {
      auto* block = static_cast<std::byte*>(allocate(bytes));
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % memory::alignment, 0U) << bytes;
      std::memset(block, static_cast<int>(blocks.size()), bytes);
      blocks.emplace_back(block, bytes);
    }
  }
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto [block, bytes] = blocks[i];
    EXPECT_TRUE(std::all_of(block, block + bytes, [i](std::byte b) { return b == static_cast<std::byte>(i); }))
        << bytes;
    deallocate(block, bytes);
  }
}

TEST(Memory, AnEmptyRequestGivesABlockOfItsOwn) {
  void* a = allocate(0);
  void* b = allocate(0);
  EXPECT_NE(a, nullptr);
  EXPECT_NE(a, b);
  deallocate(a, 0);
  deallocate(b, 0);
}

TEST(Memory, RoundingUpCostsAtMostAnEighthAbove1KiB) {
  using memory::detail::class_bytes;
  using memory::detail::size_class;
  for (std::size_t bytes = 0; bytes < 300'000; ++bytes) {
    const std::size_t rounded = class_bytes(size_class(bytes));
    ASSERT_GE(rounded, bytes);
    ASSERT_EQ(rounded % memory::alignment, 0U);
    ASSERT_EQ(class_bytes(size_class(rounded)), rounded);
    if (bytes > 1024) {
      ASSERT_LE(rounded - bytes, bytes / 8) << bytes;
    } else {
      ASSERT_LT(rounded - std::max<std::size_t>(bytes, 1), 64U) << bytes;
    }
  }
}

TEST(Memory, AFreedBlockIsUsedAgain) {
  for (std::size_t bytes : {std::size_t{128}, std::size_t{40'000}, std::size_t{1'000'000}}) {
    void* first = allocate(bytes);
    deallocate(first, bytes);
    void* second = allocate(bytes);
    EXPECT_EQ(first, second) << bytes;
    deallocate(second, bytes);
  }
}

TEST(Memory, LiveBytesFollowAllocationsExactly) {
  const std::size_t before = stats().live_bytes;
  {
    const Blocks small(1000, 100);
    EXPECT_EQ(stats().live_bytes, before + 1000 * 128);
    const Blocks large(3, std::size_t{1} << 20);
    EXPECT_EQ(stats().live_bytes, before + 1000 * 128 + (3U << 20));
  }
  EXPECT_EQ(stats().live_bytes, before);
}

TEST(Memory, ThePeakIsExactForLargeBlocksAndCloseForSmallOnes) {
  std::vector<void*> from_elsewhere;  // an ended thread leaves no uncounted bytes that would blur the peak
  std::thread([&] { from_elsewhere.assign({allocate(1000), allocate(1000)}); }).join();
  for (void* block : from_elsewhere) deallocate(block, 1000);

  memory::reset_peak();
  const std::size_t before = stats().live_bytes;
  EXPECT_EQ(stats().peak_bytes, before);
  { const Blocks large(1, std::size_t{1} << 20); }
  // What the threads of the pool, idle now, have not counted yet blurs every peak by the same number.
  const std::size_t blurred = stats().peak_bytes - (std::size_t{1} << 20);
  EXPECT_NEAR(static_cast<double>(blurred), static_cast<double>(before),
              static_cast<double>(memory::peak_granularity) * wengert::num_threads());
  { const Blocks large(4, std::size_t{1} << 20); }
  EXPECT_EQ(stats().peak_bytes, blurred + (4U << 20));

  memory::reset_peak();
  EXPECT_EQ(stats().peak_bytes, before);
  { const Blocks small(10'000, 256); }
  EXPECT_NEAR(static_cast<double>(stats().peak_bytes), static_cast<double>(blurred + 2'560'000),
              static_cast<double>(memory::peak_granularity));
}

TEST(Memory, ASteadyLoopAsksTheSystemForNothing) {
  const auto step = [] {
    const Blocks nodes(5000, 192);
    const Blocks activations(20, 50'000);
    const Blocks batches(3, 700'000);
  };
  step();
  memory::reset_stats();
  for (int i = 0; i < 20; ++i) step();
  const memory::Stats after = stats();
  EXPECT_EQ(after.system_allocations, 0U);
  EXPECT_EQ(after.allocations, 20U * 5023U);
  EXPECT_EQ(after.cache_hits, after.allocations);
}

TEST(Memory, FreshMemoryCountsAsASystemAllocationAndNotAsAHit) {
  memory::release_cached();
  memory::reset_stats();
  { const Blocks large(2, std::size_t{5} << 20); }
  EXPECT_EQ(stats().system_allocations, 2U);
  EXPECT_EQ(stats().allocations, 2U);
  EXPECT_EQ(stats().cache_hits, 0U);
}

TEST(Memory, ReleaseGivesFreeBlocksBackToTheSystem) {
  memory::release_cached();
  const std::size_t before = stats().cached_bytes;
  {
    const Blocks small(200, 60'000);
    const Blocks large(4, std::size_t{3} << 20);
  }
  // Some may have been free before, beside live ones of other tests.
  EXPECT_GE(stats().cached_bytes, 200 * 60'000 + (std::size_t{12} << 20));
  memory::release_cached();
  EXPECT_LE(stats().cached_bytes, before + (std::size_t{1} << 20));  // one slab may have begun with a live block
}

TEST(Memory, ReleaseKeepsLiveBlocksAndTheirNeighbours) {
  Blocks odd(300, 9000);
  for (void* block : odd.all()) std::memset(block, 7, 9000);
  { const Blocks even(300, 9000); }
  memory::release_cached();
  const Blocks again(300, 9000);
  for (void* block : again.all()) std::memset(block, 8, 9000);
  for (void* block : odd.all()) {
    const auto* bytes = static_cast<const unsigned char*>(block);
    ASSERT_TRUE(std::all_of(bytes, bytes + 9000, [](unsigned char b) { return b == 7; }));
  }
}

TEST(Memory, ARequestThatCannotBeMetThrowsAndNamesTheBytes) {
  const std::size_t before = stats().live_bytes;
  for (std::size_t bytes :
       {std::numeric_limits<std::size_t>::max(), (std::size_t{1} << 47) + 1, std::size_t{1} << 47}) {
    try {
      allocate(bytes);
      ADD_FAILURE() << bytes << " bytes were allocated";
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(std::to_string(bytes)), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(stats().live_bytes, before);
}

TEST(Memory, AThreadThatOnlyFreesPassesTheBlocksOn) {
  constexpr std::size_t count = 1000, bytes = 2000;
  std::vector<void*> basket;
  std::binary_semaphore full(0), empty(0);
  constexpr int rounds = 100;
  std::thread consumer([&] {
    for (int round = 0; round < rounds; ++round) {
      full.acquire();
      for (void* block : basket) deallocate(block, bytes);
      basket.clear();
      empty.release();
    }
  });
  memory::reset_stats();
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < count; ++i) basket.push_back(allocate(bytes));
    full.release();
    empty.acquire();
  }
  consumer.join();
  EXPECT_LE(stats().system_allocations, 4U);  // 200 MB went by, 2 MB at a time
}

TEST(Memory, AThreadThatEndsGivesItsFreeBlocksBack) {
  memory::release_cached();
  const std::size_t before = stats().cached_bytes;
  std::thread([] { const Blocks blocks(200, 960); }).join();
  EXPECT_GE(stats().cached_bytes, before + 200 * 960);
  memory::release_cached();
  EXPECT_EQ(stats().cached_bytes, before);
}

TEST(Memory, ObjectsThatOutliveTheCacheOfTheirThreadMayUseTheAllocator) {
  memory::release_cached();
  const memory::Stats before = stats();
  std::thread([] {
    static thread_local Late late;  // made before the thread's cache, so destroyed after it
    static_cast<void>(late);
    late.block = allocate(Late::bytes);
  }).join();
  EXPECT_EQ(stats().live_bytes, before.live_bytes);
  memory::release_cached();
  EXPECT_EQ(stats().cached_bytes, before.cached_bytes);
  static_holder.block = allocate(Late::bytes);
}

TEST(Memory, ThreadsExchangeBlocksUnharmed) {
  struct Parcel {
    unsigned char* block;
    std::size_t bytes;
    unsigned char mark;
  };
  std::mutex mutex;
  std::vector<Parcel> shelf;
  std::atomic<int> damaged{0};
  const std::size_t before = stats().live_bytes;
  const auto open = [&](const Parcel& parcel) {
    for (std::size_t i = 0; i < parcel.bytes; i += 61) damaged += parcel.block[i] != parcel.mark;
    deallocate(parcel.block, parcel.bytes);
  };
  const auto work = [&](unsigned seed) {
    std::minstd_rand random(seed);
    for (int i = 0; i < 5000; ++i) {
      const std::size_t bytes = i % 50 == 0 ? random() % 200'000 : random() % 3000;
      Parcel parcel{static_cast<unsigned char*>(allocate(bytes)), bytes, static_cast<unsigned char>(random())};
      std::memset(parcel.block, parcel.mark, bytes);
      {
        const std::scoped_lock lock(mutex);
        shelf.push_back(parcel);
        if (shelf.size() < 100) continue;
        std::swap(shelf[random() % shelf.size()], shelf.back());
        parcel = shelf.back();
        shelf.pop_back();
      }
      open(parcel);
      if (i % 1000 == 0) memory::release_cached();
    }
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  for (const Parcel& parcel : shelf) open(parcel);
  EXPECT_EQ(damaged, 0);
  EXPECT_EQ(stats().live_bytes, before);
}

#ifdef WENGERT_ADDRESS_SANITIZER
TEST(Memory, TheAddressSanitizerSeesFreedBlocksAndOverruns) {
  for (std::size_t bytes : {std::size_t{100}, std::size_t{128}, std::size_t{5000}, std::size_t{1} << 20}) {
    auto* block = static_cast<char*>(allocate(bytes));
    EXPECT_EQ(__asan_region_is_poisoned(block, bytes), nullptr) << bytes;
    EXPECT_TRUE(__asan_address_is_poisoned(block + bytes)) << bytes;
    deallocate(block, bytes);
    EXPECT_TRUE(__asan_address_is_poisoned(block)) << bytes;
    EXPECT_TRUE(__asan_address_is_poisoned(block + bytes - 1)) << bytes;
  }
}
#endif

}  // namespace
}  // namespace wengert
