#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <wengert/autograd/error.h>
#include <wengert/autograd/parallel.h>

#if defined(__SANITIZE_THREAD__)
#define WENGERT_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WENGERT_THREAD_SANITIZER 1
#endif
#endif

namespace wengert {
namespace {

/// Sets the number of threads for the length of a test.
class Threads {
 public:
  explicit Threads(int threads) : before_(num_threads()) { set_num_threads(threads); }
  ~Threads() { set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

using Range = std::pair<std::int64_t, std::int64_t>;

std::set<Range> chunks(std::int64_t n, std::int64_t grain) {
  std::mutex mutex;
  std::set<Range> seen;
  parallel_for(n, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::scoped_lock lock(mutex);
    EXPECT_TRUE(seen.emplace(begin, end).second);
  });
  return seen;
}

TEST(Parallel, ChunksDependOnSizeAndGrainAlone) {
  const std::set<Range> expected = {{0, 4}, {4, 8}, {8, 10}};
  for (int threads : {1, 2, 4, 9}) {
    const Threads scope(threads);
    EXPECT_EQ(chunks(10, 4), expected);
    EXPECT_EQ(chunks(4, 4), (std::set<Range>{{0, 4}}));
    EXPECT_EQ(chunks(0, 4), std::set<Range>{});
  }
}

TEST(Parallel, EveryItemIsVisitedOnce) {
  const Threads scope(4);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<int> visits(1000, 0);
    parallel_for(1000, 7, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++visits[static_cast<std::size_t>(i)];
    });
    ASSERT_EQ(visits, std::vector<int>(1000, 1));
  }
}

TEST(Parallel, SumsPerChunkHaveTheSameBitsForAnyNumberOfThreads) {
  const auto sums = [](int threads) {
    const Threads scope(threads);
    std::vector<float> partial(100, 0.0F);
    parallel_for(100'000, 1000, [&](std::int64_t begin, std::int64_t end) {
      float sum = 0.0F;
      for (std::int64_t i = begin; i < end; ++i) sum += 1.0F / static_cast<float>(i + 1);
      partial[static_cast<std::size_t>(begin / 1000)] = sum;
    });
    return partial;
  };
  const std::vector<float> expected = sums(1);
  EXPECT_EQ(sums(2), expected);
  EXPECT_EQ(sums(4), expected);
}

/// Whether two chunks run at the same time.
bool two_chunks_meet() {
  std::atomic<int> arrived{0};
  parallel_for(2, 1, [&](std::int64_t, std::int64_t) {
    ++arrived;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (arrived < 2 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
    if (arrived < 2) arrived = -10;
  });
  return arrived == 2;
}

TEST(Parallel, SeveralThreadsTakePart) {
  const Threads scope(2);
  EXPECT_TRUE(two_chunks_meet());
}

TEST(Parallel, OneThreadOrOneChunkRunsOnTheCaller) {
  const auto all_here = [](std::int64_t n, std::int64_t grain) {
    const std::thread::id caller = std::this_thread::get_id();
    bool here = true;
    parallel_for(n, grain, [&](std::int64_t, std::int64_t) { here = here && std::this_thread::get_id() == caller; });
    return here;
  };
  {
    const Threads scope(1);
    EXPECT_TRUE(all_here(100, 1));
  }
  const Threads scope(4);
  EXPECT_TRUE(all_here(100, 100));
}

TEST(Parallel, ALoopInsideALoopRunsOnItsThreadInTheSameChunks) {
  const Threads scope(4);
  std::atomic<int> inner_chunks{0}, elsewhere{0};
  parallel_for(8, 1, [&](std::int64_t, std::int64_t) {
    const std::thread::id outer = std::this_thread::get_id();
    parallel_for(10, 3, [&](std::int64_t, std::int64_t) {
      ++inner_chunks;
      elsewhere += std::this_thread::get_id() != outer;
    });
  });
  EXPECT_EQ(inner_chunks, 8 * 4);
  EXPECT_EQ(elsewhere, 0);
}

TEST(Parallel, TheLowestFailingChunkIsReportedAfterAllHaveEnded) {
  for (int threads : {1, 2, 4}) {
    const Threads scope(threads);
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::atomic<int> running{0};
      try {
        parallel_for(64, 1, [&](std::int64_t begin, std::int64_t) {
          ++running;
          const bool fails = begin % 10 == 7;
          --running;
          if (fails) throw std::runtime_error("chunk " + std::to_string(begin));
        });
        ADD_FAILURE() << "nothing was thrown";
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "chunk 7");
        EXPECT_EQ(running, 0);
      }
    }
    EXPECT_EQ(chunks(10, 4).size(), 3U);  // the pool still works
  }
}

TEST(Parallel, TheLowestFailingChunkIsReportedWhicheverFailsFirst) {
  const Threads scope(2);
  for (std::int64_t later : {0, 1}) {
    std::atomic<int> began{0};
    try {
      parallel_for(2, 1, [&](std::int64_t begin, std::int64_t) {
        ++began;
        const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (began < 2 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
        if (begin == later) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        throw std::runtime_error("chunk " + std::to_string(begin));
      });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "chunk 0");
      EXPECT_EQ(began, 2);
    }
  }
}

TEST(Parallel, SeveralCallersAtOnceAllGetTheirResults) {
  const Threads scope(3);
  std::atomic<int> wrong{0};
  const auto call = [&](int seed) {
    for (int repeat = 0; repeat < 100; ++repeat) {
      std::vector<std::int64_t> out(500, 0);
      parallel_for(500, 9, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) out[static_cast<std::size_t>(i)] = i * seed;
      });
      for (std::int64_t i = 0; i < 500; ++i) wrong += out[static_cast<std::size_t>(i)] != i * seed;
    }
  };
  std::vector<std::thread> callers;
  for (int seed = 1; seed <= 4; ++seed) callers.emplace_back(call, seed);
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Parallel, TheNumberOfThreadsMayChangeDuringLoops) {
  const Threads scope(2);
  std::atomic<bool> done{false};
  std::thread changer([&] {
    for (int i = 0; !done; ++i) {
      set_num_threads(1 + i % 6);
      std::this_thread::yield();
    }
  });
  for (int repeat = 0; repeat < 300; ++repeat) {
    std::atomic<std::int64_t> sum{0};
    parallel_for(100, 3, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) sum += i;
    });
    ASSERT_EQ(sum, 4950);
  }
  done = true;
  changer.join();
}

TEST(Parallel, HugeRangesDoNotOverflow) {
  const Threads scope(2);
  constexpr std::int64_t n = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(chunks(n, n - 1), (std::set<Range>{{0, n - 1}, {n - 1, n}}));
}

TEST(Parallel, BadArgumentsAreRefused) {
  const auto text = [](auto f) {
    try {
      f();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing thrown");
  };
  EXPECT_EQ(text([] { set_num_threads(0); }), "set_num_threads: threads must be from 1 to 1024, got 0");
  EXPECT_EQ(text([] { set_num_threads(-3); }), "set_num_threads: threads must be from 1 to 1024, got -3");
  const auto nothing = [](std::int64_t, std::int64_t) {};
  EXPECT_NE(text([&] { parallel_for(5, 0, nothing); }).find("grain must be positive, got 5 and 0"), std::string::npos);
  EXPECT_NE(text([&] { parallel_for(-1, 1, nothing); }).find("n must not be negative"), std::string::npos);
}

/// Prints what a fresh process makes of the environment variable, and ends it.
[[noreturn]] void report_threads(const char* variable) {
  ::setenv("WENGERT_NUM_THREADS", variable, 1);
  try {
    std::fprintf(stderr, "%d threads\n", num_threads());
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  std::_Exit(0);
}

TEST(ParallelDeathTest, TheEnvironmentSetsTheFirstNumberOfThreads) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(report_threads("3"), testing::ExitedWithCode(0), "^3 threads");
  EXPECT_EXIT(report_threads("many"), testing::ExitedWithCode(0), "WENGERT_NUM_THREADS must be .* got 'many'");
  EXPECT_EXIT(report_threads("4x"), testing::ExitedWithCode(0), "got '4x'");
  EXPECT_EXIT(report_threads("0"), testing::ExitedWithCode(0), "got '0'");
}

#ifndef WENGERT_THREAD_SANITIZER  // which forbids threads in a forked child
TEST(Parallel, AForkedChildHasAPoolOfItsOwn) {
  const Threads scope(2);
  EXPECT_TRUE(two_chunks_meet());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) std::_Exit(two_chunks_meet() ? 0 : 1);
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

}  // namespace
}  // namespace wengert
