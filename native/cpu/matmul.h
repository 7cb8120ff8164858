// What the prepared steps of graph programs share with the matrix ops.
#pragma once
#include "flambeau/dtype.h"

namespace flambeau::cpu {

/// The dtype a product of `t` is computed in; throws for bool.
DType gemmDtype(DType t);

}  // namespace flambeau::cpu
