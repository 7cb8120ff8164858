// The shape of a reduction as loops: kept dimensions (one result each) and reduced dimensions, fastest first, merged
// where memory allows. All input strides in bytes; output strides in elements of the contiguous result.
#pragma once
#include "flambeau/tensor.h"

namespace flambeau::cpu {

struct ReducePlan {
  struct Dim {
    int64_t size, stride, outStride;
  };
  /// At most 64 dimensions, inline: no allocation per call.
  struct DimList {
    Dim dim[64];
    size_t count = 0;
    size_t size() const { return count; }
    Dim& operator[](size_t i) { return dim[i]; }
    const Dim& operator[](size_t i) const { return dim[i]; }
  };
  DimList kept, reduced;
  int64_t results = 1, reducedCount = 1;
  const char* data;
  char* outData[2] = {};
  int64_t outItem[2] = {};

  /// `dims`: sorted, wrapped. `ordered`: the position along the reduced dimensions matters (argmax), so they are walked
  /// in row-major order; otherwise the fastest comes first.
  ReducePlan(const Tensor& in, const Dims& dims, bool ordered);

  /// Reduce columns side by side? When the fastest dimension is kept, or rows are too short to be worth a call each.
  bool useOuter() const;

  /// Byte offset of the reduced position `i`, counted in steps of whole innermost dimensions.
  int64_t reducedOffset(int64_t i) const {
    int64_t offset = 0;
    for (size_t d = 1; d < reduced.size() && i; ++d) {
      offset += i % reduced[d].size * reduced[d].stride;
      i /= reduced[d].size;
    }
    return offset;
  }
  /// Byte offset in the input of result `i`, counted along the kept dimensions, fastest first.
  int64_t keptInput(int64_t i) const {
    int64_t offset = 0;
    for (size_t d = 0; d < kept.size() && i; ++d) {
      offset += i % kept[d].size * kept[d].stride;
      i /= kept[d].size;
    }
    return offset;
  }
  /// Byte offset of that result in output k.
  int64_t keptOffset(int64_t i, int k) const {
    int64_t offset = 0;
    for (size_t d = 0; d < kept.size() && i; ++d) {
      offset += i % kept[d].size * kept[d].outStride;
      i /= kept[d].size;
    }
    return offset * outItem[k];
  }
};

}  // namespace flambeau::cpu
