// Drivers: shape walking, broadcasting, promotion and threading around the generated inner loops.
#pragma once
#include <optional>
#include <span>

#include "cpu/kernel_abi.h"
#include "flambeau/tensor.h"

namespace flambeau::cpu {

/// out = f(inputs), broadcast and promoted by PyTorch's rules. One call, no temporaries when dtypes agree.
Tensor pointwise(const PointwiseSpec& spec, std::span<const Operand> inputs, std::span<const double> attrs = {});
/// Several outputs, all of the broadcast shape.
void pointwiseMulti(const PointwiseSpec& spec, std::span<const Operand> inputs, std::span<const double> attrs,
                    std::span<Tensor> outs);
/// Writes into `outs` in place: self-variants (outs[k] may be an input; partial overlap is an error) and `out=`
/// (`resize`: give it the result's shape). Throws PyTorch's errors: "result type Float can't be cast to the desired
/// output type Long", "output with shape [2] doesn't match the broadcast shape [2, 2]". Bumps versions.
void pointwiseInto(const PointwiseSpec& spec, std::span<const Operand> inputs, std::span<const double> attrs,
                   std::span<const Tensor> outs, bool resize);

/// Reduction over `dims` (nullopt or empty: all). Outputs have the reduced shape (keepdim: ones).
void reduce(const ReductionSpec& spec, const Tensor& self, std::optional<IntSpan> dims, bool keepdim,
            std::optional<DType> dtype, std::span<const double> attrs, std::span<Tensor> outs);

/// Running values along `dim`; outputs have the input's shape and the rule's dtype (`dtype`: the input converted
/// first).
void scan(const ScanSpec& spec, const Tensor& self, int64_t dim, std::optional<DType> dtype, std::span<Tensor> outs);

/// dst[...] = src[...] with conversion and broadcasting; any strides. The one copy routine (copy_, to, contiguous,
/// clone, cat).
void copyInto(const Tensor& dst, const Tensor& src);
void fillWith(const Tensor& dst, Scalar value);

}  // namespace flambeau::cpu
