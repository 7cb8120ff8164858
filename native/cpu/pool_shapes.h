// Shapes of pooling: what max and average pooling check alike.
#pragma once
#include "cpu/pool.h"

namespace flambeau::cpu {

/// The last `nd` sizes.
Extents extentsOf(IntSpan sizes, size_t nd);
/// `input` with its last `nd` sizes replaced.
Dims pooledDims(IntSpan input, const Extents& out, size_t nd);
/// Planes of an input with one or two dimensions before the `nd` pooled ones; PyTorch's errors for anything else.
int64_t planesOf(const char* name, IntSpan input, size_t nd);
/// Windows that make the output outputSize: they overlap where the sizes do not divide.
Windows adaptiveWindows(const char* name, IntSpan input, IntSpan outputSize);

}  // namespace flambeau::cpu
