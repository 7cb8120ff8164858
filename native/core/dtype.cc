// dtype names, the promotion lattice and the result type of an operation.
// Source: https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
#include "flambeau/dtype.h"

#include <atomic>

#include "core/promotion.h"

namespace flambeau {
namespace {

constexpr std::string_view kNames[kNumDTypes] = {"float32", "float64", "float16", "bfloat16", "int8",
                                                 "int16",   "int32",   "int64",   "uint8",    "bool"};

// Row and column in DType order.
constexpr DType f32 = DType::Float32, f64 = DType::Float64, f16 = DType::Float16, b16 = DType::BFloat16,
                i8 = DType::Int8, i16 = DType::Int16, i32 = DType::Int32, i64 = DType::Int64, u8 = DType::UInt8,
                b1 = DType::Bool;
constexpr DType kPromote[kNumDTypes][kNumDTypes] = {
    /*         f32  f64  f16  b16  i8   i16  i32  i64  u8   b1 */
    /* f32 */ {f32, f64, f32, f32, f32, f32, f32, f32, f32, f32},
    /* f64 */ {f64, f64, f64, f64, f64, f64, f64, f64, f64, f64},
    /* f16 */ {f32, f64, f16, f32, f16, f16, f16, f16, f16, f16},
    /* b16 */ {f32, f64, f32, b16, b16, b16, b16, b16, b16, b16},
    /* i8  */ {f32, f64, f16, b16, i8, i16, i32, i64, i16, i8},
    /* i16 */ {f32, f64, f16, b16, i16, i16, i32, i64, i16, i16},
    /* i32 */ {f32, f64, f16, b16, i32, i32, i32, i64, i32, i32},
    /* i64 */ {f32, f64, f16, b16, i64, i64, i64, i64, i64, i64},
    /* u8  */ {f32, f64, f16, b16, i16, i16, i32, i64, u8, u8},
    /* b1  */ {f32, f64, f16, b16, i8, i16, i32, i64, u8, b1},
};

std::atomic<DType> defaultType{DType::Float32};

}  // namespace

std::string_view dtypeName(DType t) { return kNames[static_cast<int>(t)]; }

DType dtypeFromName(std::string_view name) {
  for (int i = 0; i < kNumDTypes; ++i)
    if (kNames[i] == name) return static_cast<DType>(i);
  FB_CHECK(false, Type,
           "unknown dtype '%.*s'; expected one of float32, float64, float16, bfloat16, int8, int16, int32, int64, "
           "uint8, bool",
           static_cast<int>(name.size()), name.data());
  __builtin_unreachable();
}

DType promoteTypes(DType a, DType b) { return kPromote[static_cast<int>(a)][static_cast<int>(b)]; }

DType defaultDType() { return defaultType.load(std::memory_order_relaxed); }

void setDefaultDType(DType t) {
  FB_CHECK(isFloating(t), Type, "only floating-point types are supported as the default type, got %s",
           dtypeName(t).data());
  defaultType.store(t, std::memory_order_relaxed);
}

DType resultType(std::span<const Operand> operands) {
  ResultType type;
  for (const Operand& o : operands) type.add(o);
  std::optional<DType> result = type.get();
  FB_CHECK(result.has_value(), Value, "at least one operand is needed to determine a result type");
  return *result;
}

const char* scalarTypeName(DType t) {
  constexpr const char* names[kNumDTypes] = {"Float", "Double", "Half", "BFloat16", "Char",
                                             "Short", "Int",    "Long", "Byte",     "Bool"};
  return names[static_cast<int>(t)];
}

bool canCast(DType from, DType to) {
  if (isFloating(from) && !isFloating(to)) return false;
  return from == DType::Bool || to != DType::Bool;
}

}  // namespace flambeau
