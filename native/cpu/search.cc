// Binary search in sorted rows, counts of integers, counts in equal bins.
#include <algorithm>
#include <limits>

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

/// First position in a row of n whose element is >= value (right: > value); NaN goes to the end, as in PyTorch.
template <class T>
int64_t position(const T* row, const int64_t* sorter, int64_t n, T value, bool right) {
  const auto v = static_cast<Compute<T>>(value);
  int64_t begin = 0, end = n;
  while (begin < end) {
    const int64_t mid = begin + (end - begin) / 2;
    const auto m = static_cast<Compute<T>>(row[sorter ? sorter[mid] : mid]);
    if (right ? !(m > v) : !(m >= v))
      begin = mid + 1;
    else
      end = mid;
  }
  return begin;
}

void checkRows(const Tensor& sorted, const Tensor& values, bool number, const Tensor& sorter) {
  FB_CHECK(sorted.dim() > 0, Value, "torch.searchsorted(): input sequence must have at least one dimension");
  if (!number && sorted.dim() != 1) {
    bool same = sorted.dim() == values.dim();
    for (int64_t d = 0; same && d + 1 < sorted.dim(); ++d) same = sorted.size(d) == values.size(d);
    FB_CHECK(same, Shape,
             "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
             "tensor and input value tensor must match, but we got boundaries tensor %s and input value tensor %s",
             shapeString(sorted.sizes()).c_str(), shapeString(values.sizes()).c_str());
  }
  FB_CHECK(!number || sorted.dim() == 1, Shape,
           "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got "
           "boundaries tensor %s",
           shapeString(sorted.sizes()).c_str());
  if (!sorter.defined()) return;
  FB_CHECK(std::equal(sorter.sizes().begin(), sorter.sizes().end(), sorted.sizes().begin(), sorted.sizes().end()),
           Shape,
           "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor %s and got "
           "sorter tensor %s",
           shapeString(sorted.sizes()).c_str(), shapeString(sorter.sizes()).c_str());
  FB_CHECK(sorter.dtype() == DType::Int64, Type,
           "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype %s",
           scalarTypeName(sorter.dtype()));
  const Tensor dense = contiguousOf(sorter);
  const int64_t n = sorted.size(-1);
  for (int64_t i = 0; i < dense.numel(); ++i)
    FB_CHECK(dense.ptr<int64_t>()[i] >= 0 && dense.ptr<int64_t>()[i] < n, Index,
             "torch.searchsorted(): sorter index out of range");
}

}  // namespace

Tensor searchsorted(const Tensor& sortedSequence, const Operand& self, bool outInt32, bool right,
                    std::optional<std::string_view> side, const Tensor& sorter) {
  FB_CHECK(!side || *side == "left" || *side == "right", Value,
           "torch.searchsorted(): side can only be 'left' or 'right' but got %s", std::string(*side).c_str());
  FB_CHECK(!(side && *side == "left" && right), Value,
           "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True");
  right = right || (side && *side == "right");
  const bool number = !self.isTensor();
  // A number takes part as a 0-d tensor of the common dtype.
  const Operand both[] = {sortedSequence, self};
  const DType common = number || self.tensor.dim() == 0 ? resultType(both) : sortedSequence.dtype();
  FB_CHECK(
      number || self.tensor.dim() == 0 || self.tensor.dtype() == common, Type,
      "torch.searchsorted(): boundary tensor and input value tensor should have same dtype, but got boundary tensor "
      "dtype %s and input value tensor dtype %s",
      scalarTypeName(common), scalarTypeName(self.tensor.dtype()));
  const Tensor rows = contiguousOf(castOf(sortedSequence, common));
  const Tensor values = contiguousOf(castOf(number ? scalarTensor(self.scalar) : self.tensor, common));
  checkRows(rows, values, number || values.dim() == 0, sorter);
  const Tensor order = sorter.defined() ? contiguousOf(sorter) : Tensor();
  Tensor out = emptyTensor(values.sizes(), outInt32 ? DType::Int32 : DType::Int64);
  if (out.numel() == 0) return out;
  const int64_t n = rows.size(-1), perRow = rows.dim() == 1 ? values.numel() : values.size(-1);
  dispatchAll(common, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < values.numel(); ++i) {
      const int64_t row = i / perRow * n;
      const int64_t at = position(rows.ptr<T>() + row, order.defined() ? order.ptr<int64_t>() + row : nullptr, n,
                                  values.ptr<T>()[i], right);
      if (outInt32)
        out.ptr<int32_t>()[i] = static_cast<int32_t>(at);
      else
        out.ptr<int64_t>()[i] = at;
    }
  });
  return out;
}

Tensor bincount(const Tensor& self, const Tensor& weights, int64_t minlength) {
  FB_CHECK(minlength >= 0, Value, "minlength should be >= 0");
  FB_CHECK(!isFloating(self.dtype()) && self.dtype() != DType::Bool, Type, "\"bincount_cpu\" not implemented for '%s'",
           scalarTypeName(self.dtype()));
  FB_CHECK(self.dim() == 1, Value, "bincount only supports 1-d non-negative integral inputs.");
  FB_CHECK(!weights.defined() || (weights.dim() == 1 && weights.numel() == self.numel()), Value,
           "weights should be 1-d and have the same length as input");
  const Tensor at = contiguousOf(castOf(self, DType::Int64));
  const auto* index = at.ptr<int64_t>();
  int64_t size = minlength;
  for (int64_t i = 0; i < at.numel(); ++i) {
    FB_CHECK(index[i] >= 0, Value, "bincount only supports 1-d non-negative integral inputs.");
    FB_CHECK(index[i] < std::numeric_limits<int64_t>::max() / 16, Value, "bincount: the value %lld is too large",
             static_cast<long long>(index[i]));
    size = std::max(size, index[i] + 1);
  }
  const DType type = !weights.defined()                  ? DType::Int64
                     : weights.dtype() == DType::Float32 ? DType::Float32
                                                         : DType::Float64;
  Tensor out = emptyTensor(Dims{size}, type);
  fillWith(out, Scalar(0));
  const Tensor amounts = weights.defined() ? contiguousOf(castOf(weights, type)) : Tensor();
  for (int64_t i = 0; i < at.numel(); ++i) {
    if (type == DType::Int64)
      ++out.ptr<int64_t>()[index[i]];
    else if (type == DType::Float32)
      out.ptr<float>()[index[i]] += amounts.ptr<float>()[i];
    else
      out.ptr<double>()[index[i]] += amounts.ptr<double>()[i];
  }
  return out;
}

Tensor histc(const Tensor& self, int64_t bins, double min, double max) {
  FB_CHECK(bins > 0, Value, "bins must be > 0");
  return dispatchFloat(self.dtype(), "histogram_cpu", [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    const Tensor in = contiguousOf(self);
    const T* x = in.ptr<T>();
    const int64_t n = in.numel();
    if (min == max && n > 0) {
      min = max = static_cast<double>(static_cast<C>(x[0]));
      for (int64_t i = 1; i < n; ++i) {
        const auto v = static_cast<double>(static_cast<C>(x[i]));
        min = v < min || std::isnan(v) ? v : min;
        max = v > max || std::isnan(v) ? v : max;
      }
    }
    FB_CHECK(std::isfinite(min) && std::isfinite(max), Value, "range of [%g, %g] is not finite", min, max);
    FB_CHECK(min <= max, Value, "max must be larger than min");
    if (min == max) {
      min -= 1;
      max += 1;
    }
    const C low = static_cast<C>(static_cast<T>(static_cast<C>(min))),
            high = static_cast<C>(static_cast<T>(static_cast<C>(max)));
    const Tensor counted = emptyTensor(Dims{bins}, DType::Int64);
    fillWith(counted, Scalar(0));
    auto* counts = counted.ptr<int64_t>();
    for (int64_t i = 0; i < n; ++i) {
      const C v = static_cast<C>(x[i]);
      if (!(v >= low && v <= high)) continue;  // NaN is in no bin
      const auto bin = static_cast<int64_t>((v - low) / (high - low) * static_cast<C>(bins));
      ++counts[std::min(bin, bins - 1)];
    }
    Tensor out = emptyTensor(Dims{bins}, self.dtype());
    for (int64_t i = 0; i < bins; ++i) out.ptr<T>()[i] = static_cast<T>(static_cast<C>(counts[i]));
    return out;
  });
}

}  // namespace flambeau::cpu
