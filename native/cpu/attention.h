// Attention in tiles: softmax(query key^T scale + mask) value and its gradients, without the matrix of scores in
// memory.
#pragma once
#include <cstdint>

#include "cpu/attention_kernels.h"
#include "flambeau/dtype.h"
#include "flambeau/small_vector.h"

namespace flambeau::cpu {

/// Where an operand's matrices lie: element steps of the batch dimensions (0: shared) and from row to row. Columns are
/// neighbours.
struct MatrixSteps {
  Dims batch;
  int64_t row = 0;
};

/// A call: [batch..., queries, size] over [batch..., keys, size] and [batch..., keys, valueSize].
struct AttentionCall {
  DType dtype = DType::Float32;  // float32 or float64
  Dims batch;
  int64_t queries = 0, keys = 0, size = 0, valueSize = 0;
  double scale = 1;
  bool causal = false;
  bool zeroUnseen = false;  // see AttentionKernels::finish
  AttentionMask maskKind = AttentionMask::None;
  MatrixSteps query, key, value, mask, grad;  // grad: of the output, for the gradients only
};

/// out [batch..., queries, valueSize] and logsumexp [batch..., queries], both dense.
void attentionTiles(const AttentionCall& call, const void* query, const void* key, const void* value, const void* mask,
                    void* out, void* logsumexp);
/// The gradients, dense; `out` and `logsumexp` as above.
void attentionGradientTiles(const AttentionCall& call, const void* grad, const void* query, const void* key,
                            const void* value, const void* mask, const void* out, const void* logsumexp, void* dquery,
                            void* dkey, void* dvalue);

/// The call for tensors of these sizes and strides; `mask` may broadcast, an absent one has no sizes to look at (null).
/// Throws what the op throws. `unit` tells whether the operand's columns are neighbours, which the kernels need.
struct OperandShape {
  IntSpan sizes, strides;
  DType dtype;
  bool unit() const { return sizes.empty() || sizes.back() <= 1 || strides.back() == 1; }
};
AttentionCall attentionCall(const OperandShape& query, const OperandShape& key, const OperandShape& value,
                            const OperandShape* mask, bool causal, double scale, bool zeroUnseen);
/// Adds the steps of the output's gradient.
void addGradient(AttentionCall& call, const OperandShape& grad);

}  // namespace flambeau::cpu
