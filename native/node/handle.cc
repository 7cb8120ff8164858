// See handle.h. Boxes come from chunks of the reserved range; each thread has a free list, shared ones are behind a
// lock.
#include "node/handle.h"

#include <sys/mman.h>

#include <atomic>
#include <mutex>
#include <new>
#include <vector>

#include "node/env.h"

namespace flambeau::node {

namespace {

constexpr size_t kReserved = size_t{1} << 30;  // address space only; pages are touched as handles come
constexpr size_t kChunk = 1024;                // boxes handed to a thread at a time

std::atomic<int64_t> liveCount{0};

class Pool {
 public:
  Pool() {
    void* p = mmap(nullptr, kReserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return;
    begin_ = static_cast<char*>(p);
  }
  bool contains(const void* p) const {
    const auto offset = static_cast<size_t>(static_cast<const char*>(p) - begin_);
    return begin_ && offset < used_.load(std::memory_order_acquire) * sizeof(Box) && offset % sizeof(Box) == 0;
  }
  void take(std::vector<Box*>& into) {
    std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      const size_t n = std::min(spare_.size(), kChunk);
      into.insert(into.end(), spare_.end() - static_cast<ptrdiff_t>(n), spare_.end());
      spare_.resize(spare_.size() - n);
      return;
    }
    const size_t used = used_.load(std::memory_order_relaxed);
    FB_CHECK(begin_ && (used + kChunk) * sizeof(Box) <= kReserved, Memory, "too many tensor handles: %zu are alive",
             used);
    Box* first = reinterpret_cast<Box*>(begin_) + used;
    into.reserve(into.size() + kChunk);
    for (size_t i = kChunk; i-- > 0;) into.push_back(new (first + i) Box());
    used_.store(used + kChunk, std::memory_order_release);
  }
  void giveBack(const std::vector<Box*>& boxes) {
    std::lock_guard lock(mutex_);
    spare_.insert(spare_.end(), boxes.begin(), boxes.end());
  }

 private:
  char* begin_ = nullptr;
  std::atomic<size_t> used_{0};
  std::mutex mutex_;
  std::vector<Box*> spare_;
};

Pool& pool() {
  static Pool* p = new Pool();  // never destroyed: finalizers may run after static destructors
  return *p;
}

struct FreeList {
  std::vector<Box*> boxes;
  ~FreeList() { pool().giveBack(boxes); }
};
thread_local FreeList tlsFree;

Box* takeBox() {
  if (tlsFree.boxes.empty()) pool().take(tlsFree.boxes);
  Box* b = tlsFree.boxes.back();
  tlsFree.boxes.pop_back();
  liveCount.fetch_add(1, std::memory_order_relaxed);
  return b;
}

void releaseBox(Box* b) {
  disposeBox(b);
  b->kind = HandleKind::Free;
  liveCount.fetch_sub(1, std::memory_order_relaxed);
  tlsFree.boxes.push_back(b);
}

// A basic finalizer: runs inside garbage collection and must not touch JavaScript.
void finalize(node_api_basic_env, void* data, void*) { releaseBox(static_cast<Box*>(data)); }

napi_value external(napi_env env, Box* b) {
  collectIfDue(env);
  napi_value v;
  const napi_status status = napi_create_external(env, b, finalize, nullptr, &v);
  if (status != napi_ok) {
    releaseBox(b);
    check(env, status);
  }
  return v;
}

}  // namespace

napi_value wrapTensor(napi_env env, Tensor t) {
  if (!t.defined()) {
    napi_value v;
    check(env, napi_get_null(env, &v));
    return v;
  }
  Box* b = takeBox();
  b->tensor = std::move(t);
  b->kind = HandleKind::Tensor;
  return external(env, b);
}

napi_value wrapObject(napi_env env, HandleKind kind, Ref<RefCounted> object) {
  Box* b = takeBox();
  b->other = std::move(object);
  b->kind = kind;
  return external(env, b);
}

Box* boxOf(napi_env env, napi_value value) {
  void* p = nullptr;
  if (napi_get_value_external(env, value, &p) != napi_ok || !pool().contains(p)) return nullptr;
  return static_cast<Box*>(p);
}

void disposeBox(Box* b) {
  // Out of the box first: what the destructor runs may look at it.
  Tensor t = std::move(b->tensor);
  Ref<RefCounted> other = std::move(b->other);
  b->kind = HandleKind::Disposed;
}

const char* handleKindName(HandleKind kind) {
  switch (kind) {
    case HandleKind::Tensor:
      return "Tensor";
    case HandleKind::Generator:
      return "Generator";
    case HandleKind::Node:
      return "autograd Node";
    case HandleKind::Graph:
      return "graph program";
    case HandleKind::Flow:
      return "program with control flow";
    case HandleKind::Disposed:
      return "disposed tensor";
    case HandleKind::Free:
      break;
  }
  return "freed handle";
}

int64_t liveHandles() { return liveCount.load(std::memory_order_relaxed); }

}  // namespace flambeau::node
