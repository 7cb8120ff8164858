// out=: a result in a tensor that the caller gives. Every op computes its result first; this moves it.
#include "nn/write_out.h"

#include <algorithm>

#include "core/promotion.h"
#include "cpu/overlap.h"
#include "flambeau/autograd.h"
#include "flambeau/ops.h"
#include "flambeau/trace.h"

namespace flambeau::nn {

bool writeOut(const char* op, const Tensor& out, const Tensor& result, bool exact) {
  FB_CHECK(!autograd::gradEnabled() || (!out.requiresGrad() && !result.requiresGrad()), Autograd,
           "%s(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
           "requires grad.",
           op);
  if (exact)
    FB_CHECK(out.dtype() == result.dtype(), Type, "Expected out tensor to have dtype %s, but got %s instead",
             std::string(dtypeName(result.dtype())).c_str(), std::string(dtypeName(out.dtype())).c_str());
  FB_CHECK(canCast(result.dtype(), out.dtype()), Type, "result type %s can't be cast to the desired output type %s",
           scalarTypeName(result.dtype()), scalarTypeName(out.dtype()));
  cpu::checkNoInternalOverlap(out);
  bool lost = false;
  if (!std::ranges::equal(out.sizes(), result.sizes())) {
    FB_CHECK(!trace::active(), Trace,
             "%s(): out of shape %s cannot get the result's shape %s while a graph is recorded", op,
             shapeString(out.sizes()).c_str(), shapeString(result.sizes()).c_str());
    lost = out.numel() > 0;
    TensorImpl* impl = out.impl();
    const Dims shape(result.sizes());
    const size_t bytes = static_cast<size_t>(product(shape)) * itemSize(out.dtype());
    if (impl->offset != 0 || bytes > impl->storage->nbytes()) impl->storage = Storage::allocate(bytes, out.device());
    impl->setGeometry(shape, contiguousStrides(shape), 0);
  }
  autograd::GradGuard off(false);
  ops::copy_(out, result);
  return lost;
}

}  // namespace flambeau::nn
