// Constant padding: a fill and a copy of what stays.
#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {

Tensor constantPadNd(const Tensor& self, IntSpan pad, Scalar value) {
  const size_t nd = self.sizes().size(), padded = pad.size() / 2;
  FB_CHECK(pad.size() % 2 == 0, Value, "Length of pad must be even but instead it equals %zu", pad.size());
  FB_CHECK(padded <= nd, Value,
           "Length of pad should be no more than twice the number of dimensions of the input. Pad length is %zu while "
           "the input has %zu dimensions.",
           pad.size(), nd);
  Dims sizes(self.sizes()), part(self.sizes());
  int64_t from = self.storageOffset(), to = 0;
  Dims into(nd, 0);
  for (size_t k = 0; k < padded; ++k) {
    const size_t d = nd - 1 - k;
    const int64_t before = pad[2 * k], after = pad[2 * k + 1];
    sizes[d] += before + after;
    FB_CHECK(sizes[d] >= 0, Value,
             "The input size %lld, plus negative padding %lld and %lld resulted in a negative output size, which is "
             "invalid. Check dimension %zu of your input.",
             static_cast<long long>(self.sizes()[d]), static_cast<long long>(before), static_cast<long long>(after), d);
    // Negative numbers cut the source; positive ones move the target.
    const int64_t cut = std::max<int64_t>(0, -before);
    part[d] = std::max<int64_t>(0, part[d] - cut - std::max<int64_t>(0, -after));
    from += cut * self.strides()[d];
    into[d] = std::max<int64_t>(0, before);
  }
  Tensor out = emptyTensor(sizes, self.dtype(), self.device());
  fillWith(out, value);
  if (product(part) == 0) return out;
  for (size_t d = 0; d < nd; ++d) to += into[d] * out.strides()[d];
  copyInto(aliasTensor(out, part, Dims(out.strides()), to), aliasTensor(self, part, Dims(self.strides()), from));
  return out;
}

}  // namespace flambeau::cpu
