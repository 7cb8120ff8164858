// See nan_check.h.
#include "autograd/nan_check.h"

#include <cmath>
#include <cstring>

namespace flambeau::autograd {

namespace {
bool isNanAt(const char* p, DType t) {
  switch (t) {
    case DType::Float32: {
      float v;
      std::memcpy(&v, p, sizeof v);
      return std::isnan(v);
    }
    case DType::Float64: {
      double v;
      std::memcpy(&v, p, sizeof v);
      return std::isnan(v);
    }
    case DType::Float16:
    case DType::BFloat16: {
      uint16_t v;
      std::memcpy(&v, p, sizeof v);
      const uint16_t exponent = t == DType::Float16 ? 0x7c00 : 0x7f80;
      return (v & 0x7fff) > exponent;
    }
    default:
      return false;
  }
}
}  // namespace

bool hasNan(const Tensor& t) {
  if (!isFloating(t.dtype())) return false;
  const char* base = static_cast<const char*>(t.data());
  const auto item = static_cast<int64_t>(itemSize(t.dtype()));
  Dims at(static_cast<size_t>(t.dim()));
  int64_t place = 0;
  for (int64_t k = 0; k < t.numel(); ++k) {
    if (isNanAt(base + place * item, t.dtype())) return true;
    for (size_t i = at.size(); i-- > 0;) {
      place += t.strides()[i];
      if (++at[i] < t.sizes()[i]) break;
      place -= at[i] * t.strides()[i];
      at[i] = 0;
    }
  }
  return false;
}

}  // namespace flambeau::autograd
