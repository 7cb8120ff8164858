// The caching allocator: alignment, reuse, bounds, statistics, and blocks that change threads.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <thread>

#include "check.h"
#include "core/allocator.h"
#include "flambeau/parallel.h"
#include "flambeau/tensor.h"

using namespace flambeau;

TEST(sizeClassesCoverAndWasteLittle) {
  for (size_t n = 1; n < (size_t{9} << 20); n += n < 5000 ? 1 : n / 97) {
    size_t r = alloc::roundUp(n);
    CHECK(r >= n);
    CHECK(r - n <= std::max<size_t>(63, n / 4) || n >= alloc::kLargeBytes);
    CHECK_EQ(alloc::roundUp(r), r);
  }
}

TEST(blocksAreAlignedAndWritable) {
  for (size_t n : {size_t{1}, size_t{63}, size_t{64}, size_t{65}, size_t{1000}, size_t{100000}, size_t{1} << 20,
                   (size_t{2} << 20) - 1, size_t{2} << 20, size_t{5} << 20}) {
    auto* p = static_cast<char*>(alloc::acquire(n));
    CHECK_EQ(reinterpret_cast<uintptr_t>(p) % 64, 0u);
    std::memset(p, 1, n);
    alloc::giveBack(p, n);
  }
}

TEST(freedBlocksAreReused) {
  for (size_t n : {size_t{32}, size_t{5000}, size_t{16} << 20}) {
    void* a = alloc::acquire(n);
    alloc::giveBack(a, n);
    void* b = alloc::acquire(n);
    CHECK(a == b);
    alloc::giveBack(b, n);
  }
}

TEST(statisticsAddUp) {
  MemoryStats before = memoryStats();
  {
    Tensor a = emptyTensor(Dims{1000}, DType::Float32), b = emptyTensor(Dims{1000, 1000}, DType::Float32);
    MemoryStats during = memoryStats();
    CHECK_EQ(during.allocatedBytes - before.allocatedBytes, 4004000u);
    CHECK_EQ(during.allocations - before.allocations, 2u);
    CHECK(during.allocatedPeak >= during.allocatedBytes);
    CHECK(during.reservedBytes >= during.allocatedBytes);
  }
  MemoryStats after = memoryStats();
  CHECK_EQ(after.allocatedBytes, before.allocatedBytes);
  CHECK_EQ(after.frees - before.frees, 2u);
}

TEST(emptyCacheReturnsMemory) {
  { Tensor t = emptyTensor(Dims{32 << 20}, DType::UInt8); }
  uint64_t held = memoryStats().reservedBytes;
  emptyCache();
  CHECK(memoryStats().reservedBytes + (32u << 20) <= held);
}

TEST(cacheIsBounded) {
  // Many sizes, all freed: what stays reserved is below the limit (1 GiB) plus what is live.
  for (int i = 0; i < 40; ++i) Tensor t = emptyTensor(Dims{(64 + 5 * i) << 20}, DType::UInt8);
  CHECK(memoryStats().reservedBytes < (uint64_t{1200} << 20));
  emptyCache();
}

TEST(memoryHookSeesStorages) {
  static int64_t seen = 0;
  setMemoryHook([](int64_t d) { seen += d; });
  {
    Tensor t = emptyTensor(Dims{100}, DType::Float64);
    CHECK_EQ(seen, 800);
  }
  CHECK_EQ(seen, 0);
  setMemoryHook(nullptr);
}

// Tensors made by some threads and freed by others: contents stay private, statistics return to where they were.
TEST(blocksCrossThreads) {
  uint64_t before = memoryStats().allocatedBytes;
  std::mutex mutex;
  std::vector<Tensor> pool;
  std::atomic<int> bad{0};
  auto work = [&](int id) {
    uint64_t rng = static_cast<uint64_t>(id) * 7919 + 1;
    for (int i = 0; i < 4000; ++i) {
      rng = rng * 6364136223846793005u + 1442695040888963407u;
      int64_t n = static_cast<int64_t>((rng >> 33) % (i % 50 == 0 ? 300000 : 600)) + 1;
      Tensor t = emptyTensor(Dims{n}, DType::Int32);
      auto tag = static_cast<int32_t>(rng >> 20);
      t.ptr<int32_t>()[0] = tag;
      t.ptr<int32_t>()[n - 1] = tag;
      Tensor other;
      {
        std::lock_guard lock(mutex);
        if (pool.size() > 64) {
          other = std::move(pool[(rng >> 40) % pool.size()]);
          pool[(rng >> 40) % pool.size()] = t;
        } else {
          pool.push_back(t);
        }
      }
      if (t.ptr<int32_t>()[0] != tag || t.ptr<int32_t>()[n - 1] != tag) ++bad;
      if (other.defined() && other.ptr<int32_t>()[0] != other.ptr<int32_t>()[other.numel() - 1]) ++bad;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(work, i);
  for (auto& t : threads) t.join();
  pool.clear();
  CHECK_EQ(bad.load(), 0);
  CHECK_EQ(memoryStats().allocatedBytes, before);
}

/// Resident memory in MiB.
static int64_t residentMiB() {
  long pages = 0, resident = 0;
  FILE* f = std::fopen("/proc/self/statm", "r");
  if (f && std::fscanf(f, "%ld %ld", &pages, &resident) != 2) resident = 0;
  if (f) std::fclose(f);
  return resident * 4096 >> 20;
}

// One thread only makes tensors, another only frees them: memory travels back, it does not pile up.
TEST(producersAndConsumersStayBounded) {
  std::mutex mutex;
  std::vector<Tensor> queue;
  std::atomic<bool> done{false};
  std::thread consumer([&] {
    for (bool last = false; !last;) {
      last = done;
      std::vector<Tensor> taken;
      {
        std::lock_guard lock(mutex);
        taken.swap(queue);
      }
      if (taken.empty()) std::this_thread::yield();
    }
  });
  int64_t before = residentMiB();
  for (int i = 0; i < 1200000;) {
    std::lock_guard lock(mutex);
    if (queue.size() < 5000)
      for (int k = 0; k < 100; ++k, ++i) queue.push_back(emptyTensor(Dims{8}, DType::Float32));
  }
  done = true;
  consumer.join();
#if !defined(__SANITIZE_ADDRESS__)
  CHECK(residentMiB() - before < 200);  // 1.2 million pairs of objects and blocks would be 500 MiB
#endif
}

TEST(parallelForCoversOnceAndPropagatesErrors) {
  int restore = numThreads();
  for (int threads : {1, 2, 5}) {
    setNumThreads(threads);
    std::vector<std::atomic<int>> hits(10007);
    parallelFor(10007, 100, [&](int64_t b, int64_t e) {
      CHECK(e - b >= 100);
      for (int64_t i = b; i < e; ++i) ++hits[static_cast<size_t>(i)];
      parallelFor(3, 1, [&](int64_t, int64_t) {});  // nested: inline
    });
    bool once = true;
    for (auto& h : hits) once &= h == 1;
    CHECK(once);
    auto failing = [&] {
      parallelFor(1000, 1,
                  [](int64_t b, int64_t) { FB_CHECK(b != 0, Value, "range %ld failed", static_cast<long>(b)); });
    };
    CHECK_THROWS((failing(), 0), "range 0 failed");
  }
  CHECK_THROWS((setNumThreads(0), 0), "set_num_threads expects a positive integer");
  setNumThreads(restore);
}

TEST_MAIN()
