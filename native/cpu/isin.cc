// Membership: which elements occur among others.
#include <algorithm>
#include <unordered_set>
#include <vector>

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

/// Below this many values to compare with, going through them all is faster than a table.
constexpr int64_t kFew = 12;

template <class T>
void findAll(const Tensor& elements, const Tensor& values, bool* out, bool invert) {
  using C = Compute<T>;
  const T* e = elements.ptr<T>();
  const T* v = values.ptr<T>();
  const int64_t n = elements.numel(), m = values.numel();
  // NaN equals nothing, itself included: it has no place in a table.
  if (m <= kFew) {
    for (int64_t i = 0; i < n; ++i) {
      const C x = static_cast<C>(e[i]);
      out[i] = std::any_of(v, v + m, [&](T y) { return static_cast<C>(y) == x; }) != invert;
    }
    return;
  }
  std::unordered_set<C> table;
  table.reserve(static_cast<size_t>(m));
  for (int64_t i = 0; i < m; ++i) table.insert(static_cast<C>(v[i]));
  for (int64_t i = 0; i < n; ++i) out[i] = table.contains(static_cast<C>(e[i])) != invert;
}

Tensor valuesIn(const Operand& o, DType dtype) {
  const Tensor t = o.isTensor() ? o.tensor : scalarTensor(o.scalar);
  return contiguousOf(castOf(t, dtype));
}

}  // namespace

Tensor isin(const Operand& elements, const Operand& testElements, bool /*assumeUnique*/, bool invert) {
  FB_CHECK(elements.isTensor() || testElements.isTensor(), Type,
           "isin() received an invalid combination of arguments: elements or testElements must be a tensor");
  const Operand both[] = {elements, testElements};
  const DType dtype = resultType(both);
  const Tensor e = valuesIn(elements, dtype), v = valuesIn(testElements, dtype);
  Tensor out = emptyTensor(e.sizes(), DType::Bool);
  dispatchAll(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<T, Bool8>)
      findAll<uint8_t>(e, v, out.ptr<bool>(), invert);
    else
      findAll<T>(e, v, out.ptr<bool>(), invert);
  });
  return out;
}

}  // namespace flambeau::cpu
