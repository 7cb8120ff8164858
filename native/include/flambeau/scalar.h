// A number argument, and an operand that is a tensor or a number.
#pragma once
#include <cstdint>

#include "flambeau/dtype.h"

namespace flambeau {

/// A host number. `live` names the scalar input of the trace being recorded that it came from, or -1:
/// a live scalar must reach the graph as an input, never as a constant.
struct Scalar {
  enum class Kind : uint8_t { Bool, Int, Float };
  Kind kind = Kind::Int;
  int32_t live = -1;
  union {
    int64_t i = 0;
    double d;
  };
  Scalar() = default;
  Scalar(bool v) : kind(Kind::Bool), i(v) {}
  Scalar(int v) : kind(Kind::Int), i(v) {}
  Scalar(int64_t v) : kind(Kind::Int), i(v) {}
  Scalar(double v) : kind(Kind::Float), d(v) {}
  bool isFloat() const { return kind == Kind::Float; }
  bool isBool() const { return kind == Kind::Bool; }
  double toDouble() const { return isFloat() ? d : static_cast<double>(i); }
  /// Truncates towards zero; saturates outside int64.
  int64_t toInt() const;
  bool toBool() const { return isFloat() ? d != 0 : i != 0; }
};

}  // namespace flambeau
