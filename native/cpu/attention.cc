// Attention as ops: shapes, strides and messages around cpu/attention_tiles.cc.
#include "cpu/attention.h"

#include "cpu/extern_common.h"
#include "extern_kernels.h"

namespace flambeau::cpu {
namespace {

OperandShape shapeOf(const Tensor& t) { return {t.sizes(), t.strides(), t.dtype()}; }
/// The same contents with neighbouring columns.
Tensor withUnitColumns(const Tensor& t) { return !t.defined() || shapeOf(t).unit() ? t : contiguousOf(t); }

MatrixSteps stepsOf(const OperandShape& o, size_t batch) {
  MatrixSteps m;
  // Leading dimensions that a mask does not have, or has once, are shared.
  const size_t rank = o.sizes.size(), have = rank > 2 ? rank - 2 : 0;
  m.batch = Dims(batch, 0);
  for (size_t d = 0; d < have; ++d)
    if (o.sizes[d] != 1) m.batch[batch - have + d] = o.strides[d];
  m.row = rank > 1 && o.sizes[rank - 2] != 1 ? o.strides[rank - 2] : 0;
  return m;
}

void expectShape(const char* what, const OperandShape& o, const Dims& batch, int64_t rows, int64_t columns) {
  Dims wanted = batch;
  wanted.push_back(rows), wanted.push_back(columns);
  FB_CHECK(std::ranges::equal(o.sizes, wanted.span()), Shape, "attention: expected a %s of shape %s, got %s", what,
           shapeString(wanted).c_str(), shapeString(o.sizes).c_str());
}

}  // namespace

AttentionCall attentionCall(const OperandShape& query, const OperandShape& key, const OperandShape& value,
                            const OperandShape* mask, bool causal, double scale, bool zeroUnseen) {
  FB_CHECK(query.dtype == DType::Float32 || query.dtype == DType::Float64, Type,
           "attention: expected float32 or float64, got %s", scalarTypeName(query.dtype));
  FB_CHECK(key.dtype == query.dtype && value.dtype == query.dtype, Type,
           "Expected query, key, and value to have the same dtype, but got query.dtype: %s key.dtype: %s and "
           "value.dtype: %s instead.",
           scalarTypeName(query.dtype), scalarTypeName(key.dtype), scalarTypeName(value.dtype));
  const size_t rank = query.sizes.size();
  FB_CHECK(rank >= 2 && key.sizes.size() == rank && value.sizes.size() == rank, Shape,
           "attention: expected query, key and value of one rank of at least 2, got %s, %s and %s",
           shapeString(query.sizes).c_str(), shapeString(key.sizes).c_str(), shapeString(value.sizes).c_str());
  AttentionCall c;
  c.dtype = query.dtype;
  c.batch = Dims(query.sizes.first(rank - 2));
  c.queries = query.sizes[rank - 2], c.size = query.sizes[rank - 1];
  c.keys = key.sizes[rank - 2], c.valueSize = value.sizes[rank - 1];
  expectShape("key", key, c.batch, c.keys, c.size);
  expectShape("value", value, c.batch, c.keys, c.valueSize);
  // Sums over no keys at all are zeros.
  c.scale = scale, c.causal = causal, c.zeroUnseen = zeroUnseen || c.keys == 0;
  c.query = stepsOf(query, rank - 2), c.key = stepsOf(key, rank - 2), c.value = stepsOf(value, rank - 2);
  if (!mask) return c;
  FB_CHECK(mask->dtype == DType::Bool || mask->dtype == c.dtype, Type,
           "attention: expected a mask of bool or %s, got %s", scalarTypeName(c.dtype), scalarTypeName(mask->dtype));
  Dims scores = c.batch;
  scores.push_back(c.queries), scores.push_back(c.keys);
  bool fits = mask->sizes.size() <= rank && mask->sizes.size() >= 1 && mask->sizes.back() == c.keys;
  for (size_t d = 0; fits && d < mask->sizes.size(); ++d) {
    const int64_t n = mask->sizes[d];
    fits = n == 1 || n == scores[rank - mask->sizes.size() + d];
  }
  FB_CHECK(fits, Shape, "attention: a mask of shape %s does not broadcast to the scores, %s",
           shapeString(mask->sizes).c_str(), shapeString(scores).c_str());
  c.maskKind = mask->dtype == DType::Bool ? AttentionMask::Bool : AttentionMask::Float;
  c.mask = stepsOf(*mask, rank - 2);
  return c;
}

void addGradient(AttentionCall& c, const OperandShape& grad) {
  expectShape("gradient", grad, c.batch, c.queries, c.valueSize);
  FB_CHECK(grad.dtype == c.dtype, Type, "attention: expected a gradient of %s, got %s", scalarTypeName(c.dtype),
           scalarTypeName(grad.dtype));
  c.grad = stepsOf(grad, c.batch.size());
}

namespace {

/// Operands as the kernels take them, and the call.
struct Operands {
  Tensor query, key, value, mask;
  AttentionCall call;
  Operands(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& m, bool causal, double scale, bool zero)
      : query(withUnitColumns(q)), key(withUnitColumns(k)), value(withUnitColumns(v)), mask(m) {
    if (mask.defined() && mask.dtype() != DType::Bool) mask = castOf(mask, q.dtype());
    // One column for all keys: written out, for the rows are read in vectors.
    if (mask.defined() && mask.dim() > 0 && k.dim() > 1 && mask.size(-1) == 1 && k.size(-2) != 1) {
      Dims wide(mask.sizes()), steps(mask.strides());
      wide.back() = k.size(-2), steps.back() = 0;
      mask = aliasTensor(mask, wide, steps, mask.storageOffset());
    }
    mask = withUnitColumns(mask);
    const OperandShape shape = mask.defined() ? shapeOf(mask) : OperandShape{{}, {}, DType::Bool};
    call = attentionCall(shapeOf(query), shapeOf(key), shapeOf(value), mask.defined() ? &shape : nullptr, causal, scale,
                         zero);
  }
  const void* maskData() const { return mask.defined() ? mask.data() : nullptr; }
};

}  // namespace

std::tuple<Tensor, Tensor> attentionForward(const Tensor& query, const Tensor& key, const Tensor& value,
                                            const Tensor& attnMask, bool isCausal, double scale, bool zeroUnseen) {
  const Operands o(query, key, value, attnMask, isCausal, scale, zeroUnseen);
  Dims rows(query.sizes());
  rows.pop_back();
  Dims sizes = rows;
  sizes.push_back(o.call.valueSize);
  Tensor out = emptyTensor(sizes, o.call.dtype), logsumexp = emptyTensor(rows, o.call.dtype);
  attentionTiles(o.call, o.query.data(), o.key.data(), o.value.data(), o.maskData(), out.data(), logsumexp.data());
  return {out, logsumexp};
}

std::tuple<Tensor, Tensor, Tensor> attentionBackward(const Tensor& grad, const Tensor& query, const Tensor& key,
                                                     const Tensor& value, const Tensor& attnMask, const Tensor& out,
                                                     const Tensor& logsumexp, bool isCausal, double scale) {
  Operands o(query, key, value, attnMask, isCausal, scale, false);
  const Tensor g = withUnitColumns(grad), result = contiguousOf(out), lse = contiguousOf(logsumexp);
  addGradient(o.call, shapeOf(g));
  expectShape("result", shapeOf(result), o.call.batch, o.call.queries, o.call.valueSize);
  FB_CHECK(std::ranges::equal(lse.sizes(), query.sizes().first(query.sizes().size() - 1)), Shape,
           "attention: expected a logsumexp for each row of the query, got %s", shapeString(lse.sizes()).c_str());
  FB_CHECK(result.dtype() == o.call.dtype && lse.dtype() == o.call.dtype, Type,
           "attention: expected the result and its logsumexp in %s", scalarTypeName(o.call.dtype));
  Tensor dq = emptyTensor(query.sizes(), o.call.dtype), dk = emptyTensor(key.sizes(), o.call.dtype),
         dv = emptyTensor(value.sizes(), o.call.dtype);
  attentionGradientTiles(o.call, g.data(), o.query.data(), o.key.data(), o.value.data(), o.maskData(), result.data(),
                         lse.data(), dq.data(), dk.data(), dv.data());
  return {dq, dk, dv};
}

}  // namespace flambeau::cpu
