// Bodies of arithmetic composites: choices by dtype and checks of values.
#include "flambeau/trace.h"
#include "nn/bodies.h"

namespace flambeau::support {

bool isFloatResult(const Tensor& self, const Operand& other) {
  const Operand both[] = {self, other};
  return isFloating(resultType(both));
}

Operand checkedDivisor(const Operand& other) {
  if (!other.isTensor()) {
    FB_CHECK(other.scalar.toDouble() != 0, Value, "ZeroDivisionError");
  } else if (!trace::active() && other.tensor.numel() > 0) {
    autograd::GradGuard off(false);
    const Tensor ok = ops::all(other.tensor);
    FB_CHECK(*ok.ptr<bool>(), Value, "ZeroDivisionError");
  }
  return other;
}

Tensor boolToInt(const Tensor& self) { return self.dtype() == DType::Bool ? ops::toDtype(self, DType::Int64) : self; }

Operand fillValue(const Tensor& self, const Operand& value) {
  if (value.isTensor()) {
    FB_CHECK(value.tensor.dim() == 0, Value,
             "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with %lld dimension(s).",
             static_cast<long long>(value.tensor.dim()));
    return value.tensor.dtype() == self.dtype() ? value.tensor : ops::toDtype(value.tensor, self.dtype());
  }
  if (self.dtype() == DType::Bool) return Operand(Scalar(value.scalar.toBool()));
  FB_CHECK(isFloating(self.dtype()) || !value.scalar.isFloat(), Type,
           "value cannot be converted to type %s without overflow", std::string(dtypeName(self.dtype())).c_str());
  return value;
}

}  // namespace flambeau::support
