// The reverse of broadcasting.
#include "flambeau/autograd.h"
#include "flambeau/ops.h"

namespace flambeau::autograd {

Tensor sumTo(const Tensor& grad, IntSpan sizes) {
  const IntSpan from = grad.sizes();
  if (from.size() == sizes.size() && std::equal(from.begin(), from.end(), sizes.begin())) return grad;
  if (sizes.empty()) return ops::sum(grad, std::nullopt, false, std::nullopt);
  FB_CHECK(from.size() >= sizes.size(), Internal, "sumTo: cannot sum %s to %s", shapeString(from).c_str(),
           shapeString(sizes).c_str());
  const size_t lead = from.size() - sizes.size();
  Dims outer, inner;
  for (size_t i = 0; i < lead; ++i) outer.push_back(static_cast<int64_t>(i));
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] == 1 && from[lead + i] != 1) inner.push_back(static_cast<int64_t>(i));
  // The leading dimensions go; the others stay as ones. Two sums only when both kinds occur.
  Tensor g = grad;
  if (!outer.empty()) g = ops::sum(g, outer.span(), false, std::nullopt);
  if (!inner.empty()) g = ops::sum(g, inner.span(), true, std::nullopt);
  return g;
}

}  // namespace flambeau::autograd
