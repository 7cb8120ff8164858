// Attention, and the sampling of categories with gradients.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Attention',
  intro: `Products of queries and keys, softmax, and the weighted values; 16-bit floats are weighted in float32.`,
  example: `const q = fb.ones(1, 2, 4);
F.scaledDotProductAttention(q, q, q, { isCausal: true }).shape; // => [ 1, 2, 4 ]`,
};

export const scaledDotProductAttention = composite({
  doc: 'softmax(query key^T scale + mask) value. query [..., l, e], key [..., s, e], value [..., s, v]; attnMask: bool (false: not seen) or added numbers, broadcast to [..., l, s]; isCausal: position i sees the first i + 1 only; scale: 1 / sqrt(e) where null; enableGqa: several heads (dimension -3) of query share one of key and value. Rows that see nothing are zeros. float32 and float64 without dropout: tile by tile, the matrix [..., l, s] is never stored (`attentionForward`).\nSource: https://arxiv.org/abs/1706.03762',
  schema:
    'scaledDotProductAttention(query: Tensor, key: Tensor, value: Tensor, attnMask: Tensor? = null, dropoutP: float = 0, isCausal: bool = false, *, scale: float? = null, enableGqa: bool = false): Tensor',
  body: (query: A, key: A, value: A, attnMask: A, dropoutP: A, isCausal: A, scale: A, enableGqa: A) =>
    h.scaledDotProductAttention(query, key, value, attnMask, dropoutP, isCausal, scale, enableGqa),
  method: false,
  exports: ['nn.functional.scaledDotProductAttention'],
  onnx: { symbolic: 'region' },
});
export const attentionForward = extern({
  doc: 'softmax(query key^T scale + mask) value in tiles, for `scaledDotProductAttention` and for programs that spell it out: query [..., l, e], key [..., s, e], value [..., s, v] of equal leading dimensions, float32 or float64; attnMask: bool (false: not seen) or added numbers, broadcast to [..., l, s]; isCausal: position i sees the first i + 1 only; zeroUnseen: rows that see nothing are zeros, else NaN as of softmax. logsumexp [..., l]: of each row of scores.\nSources: https://arxiv.org/abs/2205.14135, https://arxiv.org/abs/1805.02867',
  schema:
    'attentionForward(query: Tensor, key: Tensor, value: Tensor, attnMask: Tensor?, isCausal: bool, scale: float, zeroUnseen: bool): (out: Tensor, logsumexp: Tensor)',
  backward: {
    'query, key, value': (
      gradOut: A,
      gradLogsumexp: A,
      query: A,
      key: A,
      value: A,
      attnMask: A,
      isCausal: A,
      scale: A,
      zeroUnseen: A,
      out: A,
      logsumexp: A,
    ) =>
      h.attentionGradientsList(
        gradOut,
        gradLogsumexp,
        query,
        key,
        value,
        attnMask,
        isCausal,
        scale,
        zeroUnseen,
        out,
        logsumexp,
      ),
  },
  node: 'ScaledDotProductFlashAttentionForCpuBackward0',
  method: false,
  function: false,
  onnx: { symbolic: 'attentionForward' },
});
export const attentionBackward = extern({
  doc: 'Gradients of `attentionForward` by query, key and value from its results; the scores are computed again, tile by tile.\nSource: https://arxiv.org/abs/2205.14135',
  schema:
    'attentionBackward(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, attnMask: Tensor?, result: Tensor, logsumexp: Tensor, isCausal: bool, scale: float): (dquery: Tensor, dkey: Tensor, dvalue: Tensor)',
  nondifferentiable: 'differentiated again, the formulas over the matrix of weights serve (native/nn/attention.cc)',
  method: false,
  function: false,
  onnx: { none: 'a gradient' },
});
export const attentionWithWeights = composite({
  doc: "`scaledDotProductAttention` that returns its weights, too: PyTorch 1.13's `_scaled_dot_product_attention`.\nSource: https://arxiv.org/abs/1706.03762",
  schema:
    'attentionWithWeights(query: Tensor, key: Tensor, value: Tensor, attnMask: Tensor? = null, dropoutP: float = 0, needAttnWeights: bool = false, isCausal: bool = false): (out: Tensor, weights: Tensor)',
  body: (query: A, key: A, value: A, attnMask: A, dropoutP: A, isCausal: A) => {
    const weights = t.dropout(h.attentionWeights(query, key, attnMask, isCausal), dropoutP, true);
    return [t.matmul(weights, value), weights];
  },
  method: false,
  exports: ['nn.functional._scaledDotProductAttention'],
  onnx: { symbolic: 'region' },
});
export const gumbelSoftmax = composite({
  doc: 'Samples from the categorical distribution of logits, relaxed by temperature tau; hard: one-hot vectors with the gradient of the relaxed sample.\nSource: https://arxiv.org/abs/1611.01144',
  schema:
    'gumbelSoftmax(logits: Tensor, tau: float = 1, hard: bool = false, eps: float = 1e-10, dim: int = -1): Tensor',
  body: (logits: A, tau: A, hard: A, dim: A) => {
    const noise = t.neg(t.log(t.exponential_(t.emptyLike(logits))));
    const soft = t.softmax(t.div(t.add(logits, noise), tau), dim);
    return hard ? h.straightThrough(soft, dim) : soft;
  },
  method: false,
  exports: ['nn.functional.gumbelSoftmax'],
  onnx: { none: 'random' },
});
