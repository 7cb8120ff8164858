// Element types and PyTorch's promotion lattice.
// Source: https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace flambeau {

/// The order is part of the trace format and of the kernel tables: append, never reorder.
enum class DType : uint8_t {
  Float32 = 0,
  Float64 = 1,
  Float16 = 2,
  BFloat16 = 3,
  Int8 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  UInt8 = 8,
  Bool = 9,
};
inline constexpr int kNumDTypes = 10;

/// Bytes per element.
constexpr size_t itemSize(DType t) {
  constexpr size_t sizes[kNumDTypes] = {4, 8, 2, 2, 1, 2, 4, 8, 1, 1};
  return sizes[static_cast<int>(t)];
}
constexpr bool isFloating(DType t) { return static_cast<int>(t) <= 3; }
constexpr bool isIntegral(DType t) { return !isFloating(t) && t != DType::Bool; }

/// 'float32', 'int64', ... as users spell them.
std::string_view dtypeName(DType t);
/// Inverse of dtypeName; throws Error(kType) for an unknown name.
DType dtypeFromName(std::string_view name);

/// The lattice join of two dtypes (tensor against tensor, equal dimensionality).
DType promoteTypes(DType a, DType b);

DType defaultDType();
void setDefaultDType(DType t);  // floating types only

}  // namespace flambeau
