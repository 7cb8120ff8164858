// Pooling on raw planes of one to three dimensions: shared by the ops and by the prepared steps of graph programs.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "flambeau/dtype.h"
#include "flambeau/small_vector.h"

namespace flambeau::cpu {

/// Extents of planes; missing spatial dimensions are of size one, in front.
using Extents = std::array<int64_t, 3>;
inline int64_t volume(const Extents& e) { return e[0] * e[1] * e[2]; }

/// A pooling with windows of one size.
struct PoolSpec {
  int64_t planes = 0;
  Extents in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, pad{0, 0, 0}, dilation{1, 1, 1};
};

/// Checks and completes a pooling over the last kernel.size() dimensions of `input` (with one or two dimensions before
/// them); `name` is the op in PyTorch's words. Empty stride: the kernel's. Lists of one value stand for all dimensions.
PoolSpec poolSpec(const char* name, IntSpan input, IntSpan kernel, IntSpan stride, IntSpan padding, IntSpan dilation,
                  bool ceilMode);
/// Contiguous planes; indices are flat positions within a plane.
void maxPoolPlanes(const PoolSpec& s, DType dtype, const void* x, void* y, int64_t* indices);
/// dx (planes of `in`) = dy (planes of `out`) added at `indices`.
void maxPoolBackwardPlanes(DType dtype, int64_t planes, const Extents& in, const Extents& out, const void* dy,
                           const int64_t* indices, void* dx);

/// What one output reads of one axis: [begin, end) in steps; `padded` counts the padding inside the window, too.
struct AxisWindow {
  int64_t begin, end, padded;
};
/// Windows of any size and place, axis by axis: plain, adaptive and fractional pooling.
struct Windows {
  int64_t planes = 0;
  Extents in{1, 1, 1}, out{1, 1, 1}, step{1, 1, 1};
  std::array<std::vector<AxisWindow>, 3> axis{{{{0, 1, 1}}, {{0, 1, 1}}, {{0, 1, 1}}}};
};
Windows windowsOf(const PoolSpec& s);
/// The largest element of each window and its flat position. NaN wins, else the first among equals.
void maxPlanes(const Windows& w, DType dtype, const char* op, const void* x, void* y, int64_t* indices);

}  // namespace flambeau::cpu
