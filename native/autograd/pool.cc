// See pool.h.
#include "autograd/pool.h"

#include <cstdint>
#include <new>

namespace flambeau::autograd {

namespace {

constexpr size_t kStep = 64, kClasses = 12;  // up to 768 bytes
constexpr uint32_t kKeep = 65536;  // blocks per class and thread: what dies in one garbage collection; more go back

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPooling = false;  // the sanitizer must see every block come and go
#else
constexpr bool kPooling = true;
#endif

struct Block {
  Block* next;
};
struct FreeLists {
  Block* first[kClasses] = {};
  uint32_t count[kClasses] = {};
  bool gone = false;
  ~FreeLists() {
    gone = true;
    for (Block* b : first)
      while (b) {
        Block* next = b->next;
        ::operator delete(b);
        b = next;
      }
  }
};
thread_local FreeLists tlsLists;

}  // namespace

void* takeBlock(size_t bytes) {
  const size_t c = (bytes - 1) / kStep;
  if (!kPooling || c >= kClasses) return ::operator new(bytes);
  FreeLists& lists = tlsLists;
  if (Block* b = lists.first[c]; b && !lists.gone) {
    lists.first[c] = b->next;
    --lists.count[c];
    return b;
  }
  return ::operator new((c + 1) * kStep);
}

void giveBlock(void* block, size_t bytes) {
  const size_t c = (bytes - 1) / kStep;
  FreeLists& lists = tlsLists;
  if (!kPooling || c >= kClasses || lists.gone || lists.count[c] >= kKeep) {
    ::operator delete(block);
    return;
  }
  auto* b = static_cast<Block*>(block);
  b->next = lists.first[c];
  lists.first[c] = b;
  ++lists.count[c];
}

}  // namespace flambeau::autograd
