// Filling a tensor with one number. Checks that the number fits, as PyTorch's fill_ does.
#include <cmath>
#include <limits>

#include "core/element.h"
#include "cpu/copy_kernels.h"
#include "cpu/drivers.h"
#include "cpu/loop_nest.h"
#include "cpu/overlap.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

const char* cppName(DType t) {
  constexpr const char* names[kNumDTypes] = {"float",   "double", "at::Half", "at::BFloat16", "int8_t",
                                             "int16_t", "int",    "int64_t",  "uint8_t",      "bool"};
  return names[static_cast<int>(t)];
}

template <class T>
bool fitsInteger(const Scalar& v) {
  using Limits = std::numeric_limits<T>;
  if (v.isFloat()) return !(v.d < static_cast<double>(Limits::lowest()) || v.d > static_cast<double>(Limits::max()));
  // Negative numbers wrap in unsigned types.
  if (!Limits::is_signed && v.i < 0) return -static_cast<double>(v.i) <= static_cast<double>(Limits::max());
  return v.i >= static_cast<int64_t>(Limits::lowest()) && v.i <= static_cast<int64_t>(Limits::max());
}

bool fitsFloat(const Scalar& v, double largest) {
  double d = v.toDouble();
  return !std::isfinite(d) || std::abs(d) <= largest;
}

bool fits(const Scalar& v, DType t) {
  switch (t) {
    case DType::Float32:
      return fitsFloat(v, std::numeric_limits<float>::max());
    case DType::Float16:
      return fitsFloat(v, 65504.0);
    case DType::BFloat16:
      return fitsFloat(v, 0x1.fep127);
    case DType::Int8:
      return fitsInteger<int8_t>(v);
    case DType::Int16:
      return fitsInteger<int16_t>(v);
    case DType::Int32:
      return fitsInteger<int32_t>(v);
    case DType::Int64:
      return fitsInteger<int64_t>(v);
    case DType::UInt8:
      return fitsInteger<uint8_t>(v);
    case DType::Float64:
    case DType::Bool:
      return true;
  }
  return true;
}

}  // namespace

void fillWith(const Tensor& dst, Scalar value) {
  FB_CHECK(fits(value, dst.dtype()), Value, "value cannot be converted to type %s without overflow",
           cppName(dst.dtype()));
  if (dst.numel() == 0) return;
  checkNoInternalOverlap(dst);
  alignas(8) char element[8] = {};
  storeScalar(element, dst.dtype(), value);
  auto item = static_cast<int64_t>(itemSize(dst.dtype()));
  auto fill = copyKernels().strided[itemLog(dst.dtype())];
  if (dst.isContiguous()) {
    auto* d = dst.ptr<char>();
    parallelFor(dst.numel(), kGrain * 2, [&](int64_t b, int64_t e) { fill(d + b * item, item, element, 0, e - b); });
    return;
  }
  LoopNest nest(dst.sizes());
  nest.add(dst.ptr<char>(), dst.sizes(), dst.strides(), item);
  nest.reorder();
  nest.coalesce();
  int64_t step = nest.ndim ? nest.stride[0][0] : item;
  parallelFor(nest.numel, kGrain, [&](int64_t b, int64_t e) {
    nest.run(b, e, [&](char* const* p, int64_t n) { fill(p[0], step, element, 0, n); });
  });
}

}  // namespace flambeau::cpu
