// The caching allocator behind Storage and the object pools behind Storage and TensorImpl.
//
// Three levels: a cache per thread (no locks, no atomics with lock prefix), a central cache (one mutex), the system.
// Blocks have no header: whoever frees says how many bytes it had asked for, which gives the size class back.
#pragma once
#include <cstddef>
#include <cstdint>

#include "flambeau/tensor.h"

namespace flambeau::alloc {

inline constexpr size_t kAlignment = 64;
/// From here on blocks are mapped directly, aligned to huge pages and advised to use them.
inline constexpr size_t kLargeBytes = size_t{2} << 20;

/// At least `nbytes` bytes, 64-byte aligned; nbytes > 0. Throws Error(Memory) in PyTorch's words.
void* acquire(size_t nbytes);
/// Gives a block back; `nbytes` as at acquire. Any thread may do this.
void giveBack(void* block, size_t nbytes);
/// What acquire really reserves for a request.
size_t roundUp(size_t nbytes);

/// Calls this thread's memory hook, if any.
void notify(int64_t delta);

/// Raw memory for pooled objects of one of two kinds; freed objects are kept per thread.
enum class Pool : uint8_t { Storage, Impl };
void* acquireObject(Pool pool, size_t nbytes);
void giveBackObject(Pool pool, void* p);

}  // namespace flambeau::alloc
