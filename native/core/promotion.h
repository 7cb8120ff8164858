// The result type of an operation, one operand at a time (resultType is the whole list at once), and the names
// PyTorch's messages use for dtypes.
#pragma once
#include <optional>

#include "flambeau/tensor.h"

namespace flambeau {

/// PyTorch's three categories: tensors with dimensions, 0-d tensors, numbers; a later one only matters when it is of a
/// higher kind (bool < integer < float).
class ResultType {
 public:
  void add(const Tensor& t) { join(t.dim() > 0 ? dimensioned_ : zeroDim_, t.dtype()); }
  void add(const Scalar& s) { join(number_, s.isFloat() ? defaultDType() : s.isBool() ? DType::Bool : DType::Int64); }
  void add(const Operand& o) { o.isTensor() ? add(o.tensor) : add(o.scalar); }
  /// Nothing when no operand was added.
  std::optional<DType> get() const { return combine(dimensioned_, combine(zeroDim_, number_)); }

 private:
  using Maybe = std::optional<DType>;
  static void join(Maybe& into, DType t) { into = into ? promoteTypes(*into, t) : t; }
  static Maybe combine(Maybe higher, Maybe lower) {
    if (!higher) return lower;
    if (!lower || isFloating(*higher)) return higher;
    if (*higher == DType::Bool || isFloating(*lower)) return promoteTypes(*higher, *lower);
    return higher;
  }
  Maybe dimensioned_, zeroDim_, number_;
};

/// 'Float', 'Long', 'Half', ... as in "result type Float can't be cast to the desired output type Long".
const char* scalarTypeName(DType t);
/// May a result of one dtype be stored as another (in place, out=)? Floats not as integers, nothing but bool as bool.
bool canCast(DType from, DType to);

}  // namespace flambeau
