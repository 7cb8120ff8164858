// Does a tensor hold a NaN? For anomaly mode, where being simple counts more than being fast.
#pragma once
#include "flambeau/tensor.h"

namespace flambeau::autograd {
bool hasNan(const Tensor& t);
}
