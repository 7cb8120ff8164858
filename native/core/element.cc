// Reading and writing single elements of any dtype.
#include "core/element.h"

namespace flambeau {
namespace {

template <class T>
T get(const void* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
void put(void* p, T v) {
  std::memcpy(p, &v, sizeof v);
}

}  // namespace

Scalar loadScalar(const void* p, DType t) {
  switch (t) {
    case DType::Float32:
      return Scalar(static_cast<double>(get<float>(p)));
    case DType::Float64:
      return Scalar(get<double>(p));
    case DType::Float16:
      return Scalar(static_cast<double>(fromFloat16(get<uint16_t>(p))));
    case DType::BFloat16:
      return Scalar(static_cast<double>(fromBFloat16(get<uint16_t>(p))));
    case DType::Int8:
      return Scalar(static_cast<int64_t>(get<int8_t>(p)));
    case DType::Int16:
      return Scalar(static_cast<int64_t>(get<int16_t>(p)));
    case DType::Int32:
      return Scalar(static_cast<int64_t>(get<int32_t>(p)));
    case DType::Int64:
      return Scalar(get<int64_t>(p));
    case DType::UInt8:
      return Scalar(static_cast<int64_t>(get<uint8_t>(p)));
    case DType::Bool:
      return Scalar(get<uint8_t>(p) != 0);
  }
  return {};
}

void storeScalar(void* p, DType t, Scalar s) {
  switch (t) {
    case DType::Float32:
      put(p, static_cast<float>(s.toDouble()));
      return;
    case DType::Float64:
      put(p, s.toDouble());
      return;
    case DType::Float16:
      put(p, toFloat16(static_cast<float>(s.toDouble())));
      return;
    case DType::BFloat16:
      put(p, toBFloat16(static_cast<float>(s.toDouble())));
      return;
    case DType::Int8:
      put(p, static_cast<int8_t>(s.toInt()));
      return;
    case DType::Int16:
      put(p, static_cast<int16_t>(s.toInt()));
      return;
    case DType::Int32:
      put(p, static_cast<int32_t>(s.toInt()));
      return;
    case DType::Int64:
      put(p, s.toInt());
      return;
    case DType::UInt8:
      put(p, static_cast<uint8_t>(s.toInt()));
      return;
    case DType::Bool:
      put(p, static_cast<uint8_t>(s.toBool()));
      return;
  }
}

}  // namespace flambeau
