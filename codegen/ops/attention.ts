// Attention, and the sampling of categories with gradients.
import { composite, type Page } from '../model.js';
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
  doc: 'softmax(query key^T scale + mask) value. query [..., l, e], key [..., s, e], value [..., s, v]; attnMask: bool (false: not seen) or added numbers, broadcast to [..., l, s]; isCausal: position i sees the first i + 1 only; scale: 1 / sqrt(e) where null.\nSource: https://arxiv.org/abs/1706.03762',
  schema:
    'scaledDotProductAttention(query: Tensor, key: Tensor, value: Tensor, attnMask: Tensor? = null, dropoutP: float = 0, isCausal: bool = false, *, scale: float? = null): Tensor',
  body: (query: A, key: A, value: A, attnMask: A, dropoutP: A, isCausal: A, scale: A) => {
    const weights = h.attentionWeights(query, key, attnMask, isCausal, scale);
    return t.matmul(t.dropout(weights, dropoutP, true), value);
  },
  method: false,
  exports: ['nn.functional.scaledDotProductAttention'],
  onnx: { symbolic: 'region' },
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
