// Bodies of arithmetic composites: choices by dtype and checks of values.
#include <cmath>
#include <limits>

#include "core/promotion.h"
#include "flambeau/trace.h"
#include "nn/bodies.h"
#include "trace/tolerant.h"

namespace flambeau::support {

bool isFloatResult(const Tensor& self, const Operand& other) {
  const Operand both[] = {self, other};
  return isFloating(resultType(both));
}

Operand checkedDivisor(const Operand& other) {
  if (!other.isTensor()) {
    FB_CHECK(other.scalar.toDouble() != 0, Value, "ZeroDivisionError");
  } else if ((!trace::active() || trace::ofACall()) && other.tensor.numel() > 0) {
    autograd::GradGuard off(false);
    const trace::Aside aside;
    const Tensor ok = ops::all(other.tensor);
    FB_CHECK(*ok.ptr<bool>(), Value, "ZeroDivisionError");
  }
  return other;
}

Tensor boolToInt(const Tensor& self) { return self.dtype() == DType::Bool ? ops::toDtype(self, DType::Int64) : self; }

double powerOfTen(int64_t n) { return std::pow(10.0, static_cast<double>(n)); }

double largest(const Tensor& self) {
  switch (self.dtype()) {
    case DType::Float64:
      return std::numeric_limits<double>::max();
    case DType::Float16:
      return 65504;
    case DType::BFloat16:
      return 0x1.fep127;
    default:
      return std::numeric_limits<float>::max();
  }
}

DType commonDType(const Operand& a, const Operand& b) {
  const Operand both[] = {a, b};
  return resultType(both);
}

Operand doubleValue(const Operand& a) {
  if (!a.isTensor()) return Operand(Scalar(a.scalar.toDouble()));
  return a.tensor.dtype() == DType::Float64 ? a.tensor : ops::toDtype(a.tensor, DType::Float64);
}

Tensor floated(const Tensor& t) { return isFloating(t.dtype()) ? t : ops::toDtype(t, defaultDType()); }

void checkTolerances(double rtol, double atol) {
  FB_CHECK(rtol >= 0, Value, "rtol must be greater than or equal to zero, but got %g", rtol);
  FB_CHECK(atol >= 0, Value, "atol must be greater than or equal to zero, but got %g", atol);
}

std::string text(double v) { return detail::formatMessage("%g", v); }
std::string text(const Scalar& s) { return s.isFloat() ? text(s.toDouble()) : std::to_string(s.toInt()); }
std::string typeName(const Tensor& t) { return scalarTypeName(t.dtype()); }

int64_t halfCount(const Tensor& self, int64_t dim) {
  const int64_t d = wrapDim(dim, self.dim()), n = self.size(d);
  FB_CHECK(n % 2 == 0, Value, "Halving dimension must be even, but dimension %lld is size %lld",
           static_cast<long long>(d), static_cast<long long>(n));
  return n / 2;
}

Tensor preluWeight(const Tensor& self, const Tensor& weight) {
  if (weight.numel() == 1) return weight.dim() <= 1 ? ops::reshape(weight, Dims{}) : weight;
  FB_CHECK(self.dim() > 0, Value, "Not allow zero-dim input tensor.");
  FB_CHECK(weight.dim() <= 1, Value, "prelu: Expected `weight` to be a scalar or 1D tensor, but got ndim = %lld",
           static_cast<long long>(weight.dim()));
  const int64_t channels = self.dim() > 1 ? self.size(1) : 1;
  FB_CHECK(channels == weight.numel(), Value,
           "Mismatch of parameter numbers and input channel size. Found parameter numbers = %lld and channel size = "
           "%lld.",
           static_cast<long long>(weight.numel()), static_cast<long long>(channels));
  Dims shape(self.sizes().size(), 1);
  shape[1] = channels;
  return ops::reshape(weight, shape);
}

Tensor mvlgamma(const Tensor& self, int64_t p) {
  FB_CHECK(p >= 1, Value, "p has to be greater than or equal to 1");
  FB_CHECK(p <= 1 << 16, Value, "mvlgamma: a dimension of %lld is too large (p terms are summed)",
           static_cast<long long>(p));
  const Tensor x = floated(self);
  const double order = static_cast<double>(p), pi = 3.14159265358979323846;
  Tensor sum = ops::lgamma(x);
  for (int64_t j = 1; j < p; ++j) sum = ops::add(sum, ops::lgamma(ops::sub(x, Scalar(static_cast<double>(j) / 2))));
  return ops::add(sum, Scalar(order * (order - 1) / 4 * std::log(pi)));
}

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
