// The one copy routine: any dtypes, any strides, broadcasting. Same-dtype copies become memcpy, rows or tiles;
// conversions go through the contiguous kernels block by block.
#include <algorithm>
#include <cstring>

#include "cpu/copy_kernels.h"
#include "cpu/drivers.h"
#include "cpu/loop_nest.h"
#include "cpu/overlap.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

/// From here on a plain copy bypasses the cache: the destination would push everything else out of it.
constexpr int64_t kStreamBytes = int64_t{16} << 20;

void copyBytes(char* dst, const char* src, int64_t n) {
  // Grain in bytes: one thread copies 256 KiB faster than a second one wakes up.
  bool stream = n >= kStreamBytes;
  parallelFor(n, int64_t{256} << 10, [&](int64_t b, int64_t e) {
    if (stream) {
      copyKernels().stream(dst + b, src + b, e - b);
    } else {
      std::memcpy(dst + b, src + b, static_cast<size_t>(e - b));
    }
  });
}

/// The loop dimension along which the source is contiguous, when that is not the destination's fast one.
int transposedDim(const LoopNest& nest, int64_t item) {
  if (nest.stride[0][0] != item || nest.stride[0][1] == item || nest.size[0] < 8) return -1;
  for (int d = 1; d < nest.ndim; ++d)
    if (nest.stride[d][1] == item && nest.size[d] >= 8) return d;
  return -1;
}

/// Tiles over dimension 0 (contiguous in dst) and `other` (contiguous in src); the remaining dimensions are looped
/// over.
void copyTransposed(const LoopNest& nest, int other, int log) {
  constexpr int64_t kTile = 64;
  int64_t item = int64_t{1} << log;
  int64_t rows = nest.size[other], cols = nest.size[0];
  int64_t dstRow = nest.stride[other][0], srcRow = nest.stride[0][1];
  int64_t rowTiles = (rows + kTile - 1) / kTile, colTiles = (cols + kTile - 1) / kTile;
  int64_t outer = nest.numel / (rows * cols);
  auto transpose = copyKernels().transpose[log];
  parallelFor(outer * rowTiles * colTiles, std::max<int64_t>(1, kGrain / (kTile * kTile)), [&](int64_t b, int64_t e) {
    for (int64_t t = b; t < e; ++t) {
      int64_t c = t % colTiles, r = t / colTiles % rowTiles, rest = t / colTiles / rowTiles;
      char* dst = nest.base[0];
      const char* src = nest.base[1];
      for (int d = 1; d < nest.ndim; ++d) {
        if (d == other) continue;
        int64_t i = rest % nest.size[d];
        rest /= nest.size[d];
        dst += i * nest.stride[d][0];
        src += i * nest.stride[d][1];
      }
      int64_t i0 = r * kTile, j0 = c * kTile;
      transpose(dst + i0 * dstRow + j0 * item, dstRow, src + j0 * srcRow + i0 * item, srcRow,
                std::min(kTile, rows - i0), std::min(kTile, cols - j0));
    }
  });
}

}  // namespace

void convertStrided(char* dst, DType dstType, int64_t dstStride, const char* src, DType srcType, int64_t srcStride,
                    int64_t n) {
  const CopyKernels& k = copyKernels();
  auto srcItem = static_cast<int64_t>(itemSize(srcType)), dstItem = static_cast<int64_t>(itemSize(dstType));
  if (srcType == dstType) {
    k.strided[itemLog(srcType)](dst, dstStride, src, srcStride, n);
    return;
  }
  auto convert = k.convert[static_cast<int>(srcType)][static_cast<int>(dstType)];
  if (srcStride == srcItem && dstStride == dstItem) {
    convert(dst, src, n);
    return;
  }
  if (srcStride == 0) {  // one value: convert it once
    alignas(8) char one[8];
    convert(one, src, 1);
    k.strided[itemLog(dstType)](dst, dstStride, one, 0, n);
    return;
  }
  alignas(64) char in[kBlock * 8], out[kBlock * 8];
  for (int64_t i = 0; i < n; i += kBlock) {
    int64_t m = std::min(kBlock, n - i);
    const char* from = src + i * srcStride;
    if (srcStride != srcItem) {
      k.strided[itemLog(srcType)](in, srcItem, from, srcStride, m);
      from = in;
    }
    if (dstStride == dstItem) {
      convert(dst + i * dstStride, from, m);
    } else {
      convert(out, from, m);
      k.strided[itemLog(dstType)](dst + i * dstStride, dstStride, out, dstItem, m);
    }
  }
}

void copyInto(const Tensor& dst, const Tensor& src) {
  if (dst.is(src)) return;
  IntSpan to = dst.sizes(), from = src.sizes();
  bool sameShape = to.size() == from.size() && std::equal(to.begin(), to.end(), from.begin());
  if (!sameShape) {
    Dims shape = broadcastShapes(to, from);
    FB_CHECK(shape == Dims(to), Shape, "output with shape %s doesn't match the broadcast shape %s",
             shapeString(to).c_str(), shapeString(shape).c_str());
  }
  if (dst.numel() == 0) return;
  checkNoInternalOverlap(dst);
  checkNoPartialOverlap(dst, src);
  DType dt = dst.dtype(), st = src.dtype();
  auto dstItem = static_cast<int64_t>(itemSize(dt)), srcItem = static_cast<int64_t>(itemSize(st));
  auto* d = dst.ptr<char>();
  auto* s = src.ptr<char>();
  if (sameShape && dst.isContiguous() && src.isContiguous()) {
    if (dt == st) {
      copyBytes(d, s, static_cast<int64_t>(dst.nbytes()));
    } else {
      auto convert = copyKernels().convert[static_cast<int>(st)][static_cast<int>(dt)];
      parallelFor(dst.numel(), kGrain, [&](int64_t b, int64_t e) { convert(d + b * dstItem, s + b * srcItem, e - b); });
    }
    return;
  }
  LoopNest nest(to);
  nest.add(d, to, dst.strides(), dstItem);
  nest.add(s, from, src.strides(), srcItem);
  nest.reorder();
  nest.coalesce();
  if (dt == st && nest.ndim == 1 && nest.stride[0][0] == dstItem && nest.stride[0][1] == srcItem) {
    copyBytes(nest.base[0], nest.base[1], nest.numel * dstItem);
    return;
  }
  if (dt == st && nest.ndim > 1) {
    int other = transposedDim(nest, dstItem);
    if (other > 0) {
      copyTransposed(nest, other, itemLog(dt));
      return;
    }
  }
  int64_t ds = nest.ndim ? nest.stride[0][0] : dstItem, ss = nest.ndim ? nest.stride[0][1] : srcItem;
  parallelFor(nest.numel, kGrain, [&](int64_t b, int64_t e) {
    nest.run(b, e, [&](char* const* p, int64_t n) { convertStrided(p[0], dt, ds, p[1], st, ss, n); });
  });
}

}  // namespace flambeau::cpu
