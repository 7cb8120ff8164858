// See pointwise_tiles.h.
#include "cpu/pointwise_tiles.h"

#include <algorithm>

#include "cpu/copy_kernels.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kTile = 64;
constexpr int kMaxAcross = 3;
/// Fewer elements are in cache whatever the order.
constexpr int64_t kWorthwhile = 16384;

int logOf(int64_t itemBytes) { return itemBytes == 8 ? 3 : itemBytes == 4 ? 2 : itemBytes == 2 ? 1 : 0; }

/// The dimension along which an input that is strided in the innermost one is contiguous; 0 when there is none.
int acrossDim(const LoopNest& nest, int k, int64_t item) {
  if (nest.stride[0][k] == 0 || nest.stride[0][k] == item) return 0;
  for (int d = 1; d < nest.ndim; ++d)
    if (nest.stride[d][k] == item && nest.size[d] >= 8) return d;
  return 0;
}

}  // namespace

bool runTiles(PointwiseKernel kernel, const LoopNest& nest, int outputs, const int64_t* itemBytes,
              const double* attrs) {
  if (nest.ndim < 2 || nest.numel < kWorthwhile) return false;
  int other = 0, count = 0, across[kMaxAcross];
  for (int k = outputs; k < nest.operands && count < kMaxAcross; ++k) {
    const int d = acrossDim(nest, k, itemBytes[k]);
    if (d == 0 || (other != 0 && d != other)) continue;
    other = d;
    across[count++] = k;
  }
  if (count == 0) return false;

  const int64_t cols = nest.size[0], rows = nest.size[other];
  const int64_t colTiles = (cols + kTile - 1) / kTile, rowTiles = (rows + kTile - 1) / kTile;
  const int64_t outer = nest.numel / (rows * cols);
  const auto& transpose = copyKernels().transpose;
  parallelFor(outer * rowTiles * colTiles, std::max<int64_t>(1, kGrain / (kTile * kTile)), [&](int64_t b, int64_t e) {
    alignas(64) char scratch[kMaxAcross][kTile * kTile * 8];
    for (int64_t t = b; t < e; ++t) {
      const int64_t j0 = t % colTiles * kTile, i0 = t / colTiles % rowTiles * kTile;
      const int64_t nj = std::min(kTile, cols - j0), ni = std::min(kTile, rows - i0);
      int64_t rest = t / colTiles / rowTiles;
      char* start[LoopNest::kMaxOperands];
      for (int k = 0; k < nest.operands; ++k)
        start[k] = nest.base[k] + j0 * nest.stride[0][k] + i0 * nest.stride[other][k];
      for (int d = 1; d < nest.ndim; ++d) {
        if (d == other) continue;
        for (int k = 0; k < nest.operands; ++k) start[k] += rest % nest.size[d] * nest.stride[d][k];
        rest /= nest.size[d];
      }
      int64_t step[LoopNest::kMaxOperands], row[LoopNest::kMaxOperands];
      for (int k = 0; k < nest.operands; ++k) {
        step[k] = nest.stride[0][k];
        row[k] = nest.stride[other][k];
      }
      for (int a = 0; a < count; ++a) {
        const int k = across[a];
        const int64_t item = itemBytes[k];
        transpose[logOf(item)](scratch[a], kTile * item, start[k], nest.stride[0][k], ni, nj);
        start[k] = scratch[a];
        step[k] = item;
        row[k] = kTile * item;
      }
      for (int64_t i = 0; i < ni; ++i) {
        kernel(start, step, nj, attrs);
        for (int k = 0; k < nest.operands; ++k) start[k] += row[k];
      }
    }
  });
  return true;
}

}  // namespace flambeau::cpu
