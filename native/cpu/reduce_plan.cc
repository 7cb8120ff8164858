// See reduce_plan.h.
#include "cpu/reduce_plan.h"

#include <utility>

namespace flambeau::cpu {
namespace {

/// Merges neighbours (fastest first) that one larger dimension can express.
void merge(ReducePlan::DimList& list) {
  size_t out = 0;
  for (size_t d = 0; d < list.size(); ++d) {
    if (out > 0) {
      ReducePlan::Dim& last = list[out - 1];
      if (list[d].stride == last.stride * last.size && list[d].outStride == last.outStride * last.size) {
        last.size *= list[d].size;
        continue;
      }
    }
    list[out++] = list[d];
  }
  list.count = out;
}

/// Insertion sort, fastest first: lists are short, and std::stable_sort would allocate.
void sortByStride(ReducePlan::DimList& list) {
  for (size_t i = 1; i < list.size(); ++i)
    for (size_t j = i; j > 0 && list[j].stride < list[j - 1].stride; --j) std::swap(list[j], list[j - 1]);
}

}  // namespace

ReducePlan::ReducePlan(const Tensor& in, const Dims& dims, bool ordered) : data(in.ptr<char>()) {
  FB_CHECK(in.dim() <= 64, Value, "tensors of more than 64 dimensions are not supported, got %ld",
           static_cast<long>(in.dim()));
  auto item = static_cast<int64_t>(itemSize(in.dtype()));
  size_t next = dims.size();
  int64_t outStride = 1;
  for (size_t d = in.sizes().size(); d-- > 0;) {
    bool gone = next > 0 && dims[next - 1] == static_cast<int64_t>(d);
    if (gone) --next;
    int64_t size = in.sizes()[d];
    (gone ? reducedCount : results) *= size;
    if (size != 1) {
      DimList& list = gone ? reduced : kept;
      list[list.count++] = {size, in.strides()[d] * item, gone ? 0 : outStride};
    }
    if (!gone) outStride *= size;
  }
  sortByStride(kept);
  if (!ordered) sortByStride(reduced);
  merge(kept);
  merge(reduced);
}

bool ReducePlan::useOuter() const {
  if (kept.size() == 0 || reduced.size() == 0) return false;
  if (kept[0].size < 4) return false;
  if (kept[0].stride < reduced[0].stride) return true;
  return reducedCount < 16 && kept[0].size >= 16;
}

}  // namespace flambeau::cpu
