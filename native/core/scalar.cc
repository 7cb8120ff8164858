// Host numbers.
#include "flambeau/scalar.h"

#include <cmath>
#include <limits>

namespace flambeau {

int64_t Scalar::toInt() const {
  if (!isFloat()) return i;
  // Conversions outside the range are undefined in C++: saturate, NaN is 0.
  if (std::isnan(d)) return 0;
  if (d >= 9223372036854775808.0) return std::numeric_limits<int64_t>::max();
  if (d < -9223372036854775808.0) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(d);
}

}  // namespace flambeau
