// Scan driver: running values along one dimension. Neighbouring lines go side by side through the generated kernel;
// threads share the lines.
#include <algorithm>
#include <vector>

#include "cpu/drivers.h"
#include "cpu/extern_common.h"
#include "cpu/loop_nest.h"
#include "flambeau/parallel.h"

namespace flambeau::cpu {
namespace {

/// Lines of one kernel call: a multiple of every lane count.
constexpr int64_t kLines = 64;

/// A dimension that is not scanned; strides in bytes.
struct LineDim {
  int64_t size, in, out[2];
};

/// The dimensions besides `dim`, fastest first, neighbours merged where memory allows.
std::vector<LineDim> lineDims(const Tensor& in, std::span<const Tensor> outs, int64_t dim) {
  std::vector<LineDim> all;
  for (int64_t d = in.dim(); d-- > 0;) {
    if (d == dim || in.size(d) == 1) continue;
    LineDim next{in.size(d), in.stride(d) * static_cast<int64_t>(itemSize(in.dtype())), {}};
    for (size_t k = 0; k < outs.size(); ++k)
      next.out[k] = outs[k].stride(d) * static_cast<int64_t>(itemSize(outs[k].dtype()));
    all.push_back(next);
  }
  std::stable_sort(all.begin(), all.end(), [](const LineDim& a, const LineDim& b) { return a.in < b.in; });
  std::vector<LineDim> merged;
  for (const LineDim& d : all) {
    LineDim* last = merged.empty() ? nullptr : &merged.back();
    const bool fits = last && d.in == last->in * last->size && d.out[0] == last->out[0] * last->size &&
                      d.out[1] == last->out[1] * last->size;
    if (fits) {
      last->size *= d.size;
    } else {
      merged.push_back(d);
    }
  }
  if (merged.empty()) merged.push_back({1, 0, {}});
  return merged;
}

DType scanDType(const ScanSpec& spec, DType in, std::optional<DType> dtype) {
  const DType out = dtype.value_or(spec.rule == ReduceRule::IntToInt64 && !isFloating(in) ? DType::Int64 : in);
  FB_CHECK(spec.rule != ReduceRule::FloatOnly || isFloating(out), Type, "\"%s_out_cpu\" not implemented for '%s'",
           spec.name, scalarTypeName(out));
  return out;
}

}  // namespace

void scan(const ScanSpec& spec, const Tensor& self, int64_t dim, std::optional<DType> dtype, std::span<Tensor> outs) {
  dim = wrapDim(dim, self.dim());
  const DType compute = scanDType(spec, self.dtype(), dtype);
  const Tensor in = castOf(self, compute);
  for (size_t k = 0; k < outs.size(); ++k)
    outs[k] = emptyTensor(self.sizes(), k == 1 && spec.indices ? DType::Int64 : compute, self.device());
  if (in.numel() == 0) return;
  const ScanKernel kernel = spec.kernel[static_cast<int>(compute)];
  const auto inItem = static_cast<int64_t>(itemSize(compute));
  const int64_t n = in.dim() ? in.size(dim) : 1;
  int64_t step = in.dim() ? in.stride(dim) * inItem : inItem;
  const char* from = in.ptr<char>();
  int64_t outStep[2] = {};
  char* to[2] = {};
  for (size_t k = 0; k < outs.size(); ++k) {
    const auto item = static_cast<int64_t>(itemSize(outs[k].dtype()));
    outStep[k] = in.dim() ? outs[k].stride(dim) * item : item;
    to[k] = outs[k].ptr<char>();
  }
  if (spec.reverse) {
    from += (n - 1) * step;
    step = -step;
    for (size_t k = 0; k < outs.size(); ++k) {
      to[k] += (n - 1) * outStep[k];
      outStep[k] = -outStep[k];
    }
  }
  const std::vector<LineDim> lines = lineDims(in, outs, dim);
  const int64_t width = lines[0].size, blocks = (width + kLines - 1) / kLines, groups = in.numel() / n / width;
  const int64_t grain = std::max<int64_t>(1, kGrain / (n * std::min(width, kLines)));
  parallelFor(groups * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t first = b % blocks * kLines;
      const char* source = from + first * lines[0].in;
      char* target[2] = {to[0] + first * lines[0].out[0], to[1] ? to[1] + first * lines[0].out[1] : nullptr};
      int64_t rest = b / blocks;
      for (size_t d = 1; d < lines.size(); ++d) {
        const int64_t at = rest % lines[d].size;
        rest /= lines[d].size;
        source += at * lines[d].in;
        for (size_t k = 0; k < outs.size(); ++k) target[k] += at * lines[d].out[k];
      }
      kernel(source, step, lines[0].in, target, outStep, lines[0].out, n, std::min(kLines, width - first));
    }
  });
}

}  // namespace flambeau::cpu
