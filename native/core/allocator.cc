// See allocator.h. The per-thread cache holds small and medium blocks in bins by size class; large blocks live in one
// central list, reused best fit. Cached bytes are bounded, the oldest large blocks go first.
#include "core/allocator.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <new>
#include <set>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)0)
#endif

namespace flambeau::alloc {
namespace {

// ---- size classes: four steps per power of two from 64 bytes to 2 MiB ----
constexpr int kClasses = 61;

int classOf(size_t nbytes) {
  size_t n = nbytes <= kAlignment ? kAlignment : nbytes;
  if (n <= 256) return static_cast<int>((n + 63) / 64) - 1;  // 64, 128, 192, 256
  int log = static_cast<int>(std::bit_width(n - 1)) - 1;     // 2^log < n <= 2^(log+1), log >= 8
  size_t step = size_t{1} << (log - 2);
  int quarter = static_cast<int>((n - (size_t{1} << log) + step - 1) / step);  // 1..4
  return 3 + (log - 8) * 4 + quarter;
}

constexpr size_t classBytes(int c) {
  if (c < 4) return static_cast<size_t>(c + 1) * 64;
  int log = 8 + (c - 4) / 4, quarter = (c - 4) % 4 + 1;
  return (size_t{1} << log) + static_cast<size_t>(quarter) * (size_t{1} << (log - 2));
}

size_t largeBytes(size_t nbytes) {
  // Multiples of 1/8 of the size, so that slightly different sizes can reuse each other's blocks; whole huge pages.
  size_t grain = std::max(kLargeBytes, std::bit_ceil(nbytes) / 16);
  return (nbytes + grain - 1) / grain * grain;
}

// ---- per-thread cache ----
constexpr size_t kBinBytes = size_t{512} << 10;  // a bin keeps at most this much (but at least two blocks)
// Blocks up to this size, and objects, are carved from slabs and never go back to the system one by one: between two
// garbage collections of a JavaScript loop 100,000 of them live and die, and malloc spends more time on each than an op
// takes.
constexpr size_t kSlabBlock = 1024;
constexpr size_t kSlabBinBytes = size_t{16} << 20;
constexpr int kSlabCount = 64;
/// Objects of a kind that one thread keeps.
constexpr size_t kObjectLimit = size_t{1} << 17;

bool carved(int c) { return classBytes(c) <= kSlabBlock; }
size_t binCapacity(int c) {
  return carved(c) ? kSlabBinBytes / classBytes(c) : std::clamp<size_t>(kBinBytes / classBytes(c), 2, 64);
}

/// A stack of free blocks.
struct Bin {
  std::vector<void*> slot;
  size_t capacity = 0;
  void push(void* p) { slot.push_back(p); }
  void* pop() {
    void* p = slot.back();
    slot.pop_back();
    return p;
  }
};

/// Cuts fresh memory into blocks of `bytes` each; false when the system has none.
bool carve(Bin& into, size_t bytes) {
  char* slab = static_cast<char*>(std::aligned_alloc(kAlignment, bytes * kSlabCount));
  if (!slab) return false;
  for (int i = kSlabCount - 1; i >= 0; --i) {
    ASAN_POISON_MEMORY_REGION(slab + static_cast<size_t>(i) * bytes, bytes);
    into.push(slab + static_cast<size_t>(i) * bytes);
  }
  return true;
}

/// Written by the owning thread only, read by anyone: plain stores made visible.
struct Counter {
  std::atomic<int64_t> value{0};
  void add(int64_t n) { value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  int64_t get() const { return value.load(std::memory_order_relaxed); }
};

struct ThreadCache {
  MemoryHook hook = nullptr;
  Counter pending;  // allocated minus freed bytes not yet in the global count
  Counter allocations, frees, hits;
  Bin objects[2];
  Bin bins[kClasses];
};

/// The peak is exact up to this many bytes per thread.
constexpr int64_t kFlushBytes = 64 << 10;

// ---- central cache ----
struct LargeBlock {
  size_t bytes;
  uint64_t age;
  void* p;
  /// By size; of one size the last one freed comes first: some of it may still be in the caches.
  bool operator<(const LargeBlock& o) const { return bytes != o.bytes ? bytes < o.bytes : age > o.age; }
};

struct Central {
  std::mutex mutex;
  std::vector<void*> bins[kClasses];
  std::vector<void*> objects[2];
  std::set<LargeBlock> large;
  size_t cachedLarge = 0, cachedSmall = 0, limit;
  uint64_t clock = 0;
  std::vector<ThreadCache*> caches;
  // Totals of threads that ended.
  int64_t allocations = 0, frees = 0, hits = 0;
  std::atomic<int64_t> allocated{0}, peak{0}, reserved{0};

  Central() {
    limit = size_t{1} << 30;
    if (const char* mib = std::getenv("FLAMBEAU_CACHE_MIB"))
      limit = static_cast<size_t>(std::strtoull(mib, nullptr, 10)) << 20;
  }
};

Central& central() {
  static Central* c = new Central();  // never destroyed: tensors may be freed during exit
  return *c;
}

void addAllocated(int64_t delta) {
  Central& c = central();
  int64_t now = c.allocated.fetch_add(delta, std::memory_order_relaxed) + delta;
  int64_t peak = c.peak.load(std::memory_order_relaxed);
  while (now > peak && !c.peak.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

// ---- the system ----
void systemFreeSmall(void* p, int c) {
  ASAN_UNPOISON_MEMORY_REGION(p, classBytes(c));
  std::free(p);
  central().reserved.fetch_sub(static_cast<int64_t>(classBytes(c)), std::memory_order_relaxed);
}

void systemFreeLarge(void* p, size_t bytes) {
  ASAN_UNPOISON_MEMORY_REGION(p, bytes);
  munmap(p, bytes);
  central().reserved.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed);
}

void* systemLarge(size_t bytes) {
  // Over-map, then trim: a 2 MiB aligned block can be backed by huge pages from its first byte.
  size_t mapped = bytes + kLargeBytes;
  void* raw = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  auto base = reinterpret_cast<uintptr_t>(raw);
  uintptr_t start = (base + kLargeBytes - 1) & ~(uintptr_t{kLargeBytes} - 1);
  if (start > base) munmap(raw, start - base);
  if (base + mapped > start + bytes) munmap(reinterpret_cast<void*>(start + bytes), base + mapped - start - bytes);
  void* p = reinterpret_cast<void*>(start);
  madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

/// With the lock held: drops the oldest large blocks until at most `limit` bytes stay cached.
void trimLarge(Central& c, size_t limit) {
  while (!c.large.empty() && c.cachedLarge > limit) {
    auto oldest = std::min_element(c.large.begin(), c.large.end(),
                                   [](const LargeBlock& a, const LargeBlock& b) { return a.age < b.age; });
    c.cachedLarge -= oldest->bytes;
    systemFreeLarge(oldest->p, oldest->bytes);
    c.large.erase(oldest);
  }
}

void freeCentralSmall(Central& c) {
  for (int k = 0; k < kClasses; ++k) {
    if (carved(k)) continue;
    for (void* p : c.bins[k]) systemFreeSmall(p, k);
    c.cachedSmall -= c.bins[k].size() * classBytes(k);
    c.bins[k].clear();
  }
}

/// Moves the upper part of a bin to the central cache (or to the system when that is full), keeping `keep` blocks.
void spill(Bin& bin, int k, size_t keep) {
  Central& c = central();
  std::lock_guard lock(c.mutex);
  while (bin.slot.size() > keep) {
    void* p = bin.pop();
    if (carved(k) || c.cachedSmall + classBytes(k) <= c.limit / 4) {
      c.bins[k].push_back(p);
      c.cachedSmall += classBytes(k);
    } else {
      systemFreeSmall(p, k);
    }
  }
}

// ---- the calling thread's cache ----
struct CacheOwner {
  ThreadCache* cache = nullptr;
  ~CacheOwner();
};

// Read on every allocation: see the TLS flags in cmake/FlambeauSettings.cmake.
thread_local ThreadCache* current = nullptr;
thread_local bool ended = false;  // the thread's cache is gone: late frees go to a fallback
thread_local CacheOwner owner;

CacheOwner::~CacheOwner() {
  if (!cache) return;
  current = nullptr;
  ended = true;
  for (int k = 0; k < kClasses; ++k) spill(cache->bins[k], k, 0);
  addAllocated(cache->pending.get());
  Central& c = central();
  {
    std::lock_guard lock(c.mutex);
    for (int i = 0; i < 2; ++i)
      c.objects[i].insert(c.objects[i].end(), cache->objects[i].slot.begin(), cache->objects[i].slot.end());
    c.allocations += cache->allocations.get();
    c.frees += cache->frees.get();
    c.hits += cache->hits.get();
    std::erase(c.caches, cache);
  }
  delete cache;
}

__attribute__((noinline)) ThreadCache* makeCache() {
  if (ended) return nullptr;
  auto* cache = new ThreadCache();
  for (int k = 0; k < kClasses; ++k) cache->bins[k].capacity = binCapacity(k);
  owner.cache = cache;
  current = cache;
  Central& c = central();
  std::lock_guard lock(c.mutex);
  c.caches.push_back(cache);
  return cache;
}

/// Null only while the thread is ending.
inline ThreadCache* threadCache() {
  ThreadCache* c = current;
  return __builtin_expect(c != nullptr, 1) ? c : makeCache();
}

void account(ThreadCache* t, int64_t delta) {
  t->pending.add(delta);
  int64_t pending = t->pending.get();
  if (__builtin_expect(pending >= kFlushBytes || pending <= -kFlushBytes, 0)) {
    t->pending.add(-pending);
    addAllocated(pending);
  }
}

[[noreturn]] void outOfMemory(size_t nbytes) {
  throw Error(ErrorKind::Memory,
              detail::formatMessage(
                  "DefaultCPUAllocator: can't allocate memory: you tried to allocate %zu bytes. Error code %d (%s)",
                  nbytes, ENOMEM, std::strerror(ENOMEM)));
}

/// Slow path of a small or medium block: the central cache, then the system.
__attribute__((noinline)) void* refill(ThreadCache* t, int k, size_t nbytes) {
  Central& c = central();
  void* p = nullptr;
  {
    std::lock_guard lock(c.mutex);
    auto& from = c.bins[k];
    if (!from.empty()) {
      p = from.back();
      from.pop_back();
      c.cachedSmall -= classBytes(k);
      // Take some more, so that a thread which only allocates does not come here each time.
      for (int i = 0; t && i < 16 && !from.empty() && t->bins[k].slot.size() < t->bins[k].capacity / 2; ++i) {
        t->bins[k].push(from.back());
        from.pop_back();
        c.cachedSmall -= classBytes(k);
      }
    }
  }
  if (p) {
    if (t) t->hits.add(1);
  } else if (t && carved(k)) {
    if (!carve(t->bins[k], classBytes(k))) outOfMemory(nbytes);
    c.reserved.fetch_add(static_cast<int64_t>(classBytes(k)) * kSlabCount, std::memory_order_relaxed);
    p = t->bins[k].pop();
  } else {
    p = std::aligned_alloc(kAlignment, classBytes(k));
    if (!p) {
      emptyCache();
      p = std::aligned_alloc(kAlignment, classBytes(k));
      if (!p) outOfMemory(nbytes);
    }
    c.reserved.fetch_add(static_cast<int64_t>(classBytes(k)), std::memory_order_relaxed);
  }
  ASAN_UNPOISON_MEMORY_REGION(p, nbytes);
  ASAN_POISON_MEMORY_REGION(static_cast<char*>(p) + (nbytes + 7) / 8 * 8, classBytes(k) - (nbytes + 7) / 8 * 8);
  return p;
}

__attribute__((noinline)) void* acquireLarge(ThreadCache* t, size_t nbytes) {
  if (nbytes > (size_t{1} << 56)) outOfMemory(nbytes);
  size_t bytes = largeBytes(nbytes);
  Central& c = central();
  void* p = nullptr;
  {
    std::lock_guard lock(c.mutex);
    auto fit = c.large.lower_bound(LargeBlock{bytes, UINT64_MAX, nullptr});
    // The same class only: a block is returned under the size of the request it serves.
    if (fit != c.large.end() && fit->bytes == bytes) {
      p = fit->p;
      c.cachedLarge -= bytes;
      c.large.erase(fit);
    }
  }
  if (p) {
    if (t) t->hits.add(1);
    ASAN_UNPOISON_MEMORY_REGION(p, bytes);
    return p;
  }
  p = systemLarge(bytes);
  if (!p) {
    emptyCache();
    p = systemLarge(bytes);
    if (!p) outOfMemory(nbytes);
  }
  c.reserved.fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
  return p;
}

void giveBackLarge(void* p, size_t nbytes) {
  size_t bytes = largeBytes(nbytes);
  Central& c = central();
  ASAN_POISON_MEMORY_REGION(p, bytes);
  std::lock_guard lock(c.mutex);
  c.large.insert({bytes, ++c.clock, p});
  c.cachedLarge += bytes;
  trimLarge(c, c.limit);
}

}  // namespace

size_t roundUp(size_t nbytes) { return nbytes >= kLargeBytes ? largeBytes(nbytes) : classBytes(classOf(nbytes)); }

void* acquire(size_t nbytes) {
  ThreadCache* t = threadCache();
  void* p;
  if (__builtin_expect(nbytes < kLargeBytes, 1)) {
    int k = classOf(nbytes);
    if (__builtin_expect(t && !t->bins[k].slot.empty(), 1)) {
      p = t->bins[k].pop();
      t->hits.add(1);
      ASAN_UNPOISON_MEMORY_REGION(p, nbytes);
    } else {
      p = refill(t, k, nbytes);
    }
  } else {
    p = acquireLarge(t, nbytes);
  }
  if (__builtin_expect(t != nullptr, 1)) {
    t->allocations.add(1);
    account(t, static_cast<int64_t>(nbytes));
  } else {
    addAllocated(static_cast<int64_t>(nbytes));
  }
  return p;
}

void giveBack(void* block, size_t nbytes) {
  ThreadCache* t = threadCache();
  if (__builtin_expect(t != nullptr, 1)) {
    t->frees.add(1);
    account(t, -static_cast<int64_t>(nbytes));
  } else {
    addAllocated(-static_cast<int64_t>(nbytes));
  }
  if (__builtin_expect(nbytes >= kLargeBytes, 0)) {
    giveBackLarge(block, nbytes);
    return;
  }
  int k = classOf(nbytes);
  if (!t) {
    Bin one;
    one.push(block);
    spill(one, k, 0);
    return;
  }
  ASAN_POISON_MEMORY_REGION(block, classBytes(k));
  Bin& bin = t->bins[k];
  if (__builtin_expect(bin.slot.size() >= bin.capacity, 0)) spill(bin, k, bin.capacity / 2);
  bin.push(block);
}

void notify(int64_t delta) {
  ThreadCache* t = current;
  if (t && t->hook) t->hook(delta);
}

void* acquireObject(Pool pool, size_t nbytes) {
  const size_t bytes = (nbytes + kAlignment - 1) / kAlignment * kAlignment;
  ThreadCache* t = threadCache();
  Bin late;  // a thread that is ending has no cache: what it carves goes to the central list
  Bin& bin = t ? t->objects[static_cast<int>(pool)] : late;
  if (__builtin_expect(bin.slot.empty(), 0)) {
    Central& c = central();
    std::lock_guard lock(c.mutex);
    auto& from = c.objects[static_cast<int>(pool)];
    for (int i = 0; i < kSlabCount && !from.empty(); ++i) {
      bin.push(from.back());
      from.pop_back();
    }
    if (bin.slot.empty() && !carve(bin, bytes)) outOfMemory(nbytes);
    if (!t)
      while (bin.slot.size() > 1) from.push_back(bin.pop());
  }
  void* p = bin.pop();
  ASAN_UNPOISON_MEMORY_REGION(p, nbytes);
  return p;
}

void giveBackObject(Pool pool, void* p) {
  ASAN_POISON_MEMORY_REGION(p, pool == Pool::Storage ? sizeof(Storage) : sizeof(TensorImpl));
  Central& c = central();
  auto& shared = c.objects[static_cast<int>(pool)];
  if (ThreadCache* t = threadCache()) {
    Bin& bin = t->objects[static_cast<int>(pool)];
    if (__builtin_expect(bin.slot.size() >= kObjectLimit, 0)) {
      // A thread that frees what others make: hand half of them back to those who need them.
      std::lock_guard lock(c.mutex);
      while (bin.slot.size() > kObjectLimit / 2) shared.push_back(bin.pop());
    }
    bin.push(p);
    return;
  }
  std::lock_guard lock(c.mutex);
  shared.push_back(p);
}

}  // namespace flambeau::alloc

namespace flambeau {

MemoryStats memoryStats() {
  using namespace alloc;
  Central& c = central();
  std::lock_guard lock(c.mutex);
  int64_t allocated = c.allocated.load(), allocations = c.allocations, frees = c.frees, hits = c.hits;
  for (ThreadCache* t : c.caches) {
    allocated += t->pending.get();
    allocations += t->allocations.get();
    frees += t->frees.get();
    hits += t->hits.get();
  }
  MemoryStats s{};
  s.allocatedBytes = static_cast<uint64_t>(std::max<int64_t>(allocated, 0));
  s.allocatedPeak = static_cast<uint64_t>(std::max(c.peak.load(), allocated));
  s.reservedBytes = static_cast<uint64_t>(std::max<int64_t>(c.reserved.load(), 0));
  s.allocations = static_cast<uint64_t>(allocations);
  s.frees = static_cast<uint64_t>(frees);
  s.cacheHits = static_cast<uint64_t>(hits);
  return s;
}

void emptyCache() {
  using namespace alloc;
  if (ThreadCache* t = current)
    for (int k = 0; k < kClasses; ++k) spill(t->bins[k], k, 0);
  Central& c = central();
  std::lock_guard lock(c.mutex);
  freeCentralSmall(c);
  trimLarge(c, 0);
}

void setMemoryHook(MemoryHook hook) {
  if (alloc::ThreadCache* t = alloc::threadCache()) t->hook = hook;
}

}  // namespace flambeau
