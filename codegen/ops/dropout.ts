// Dropout: elements, whole feature maps, and the forms that keep mean and variance of self-normalising networks.
import { composite, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Dropout',
  intro: `The identity unless training. Random numbers come from the default generator: one seed gives PyTorch's masks.`,
  example: `F.dropout(fb.ones(2), 0.5, false); // => tensor([1., 1.])
F.dropout(fb.ones(2), 1); // => tensor([0., 0.])`,
};

export const dropout = composite({
  doc: 'Zeroes elements with probability p and scales the rest by 1 / (1 - p); the input itself when not training.\nSource: https://jmlr.org/papers/v15/srivastava14a.html',
  schema: 'dropout(input: Tensor, p: float = 0.5, training: bool = true): Tensor',
  body: (input: A, p: A, training: A) => {
    if (p < 0 || p > 1) throw new Error(`dropout probability has to be between 0 and 1, but got ${p}`);
    if (!training || p === 0 || input.numel === 0) return input;
    if (p === 1) return t.mul(input, t.zerosLike(input));
    const noise = t.bernoulli_(t.emptyLike(input), 1 - p);
    return t.mul(input, t.div_(noise, 1 - p));
  },
  method: false,
  onnx: { symbolic: 'dropout' },
});
export const featureDropout = composite({
  doc: 'Zeroes whole feature maps input[n, c] with probability p and scales the rest by 1 / (1 - p); the input itself when not training.\nSource: https://arxiv.org/abs/1411.4280',
  schema: 'featureDropout(input: Tensor, p: float = 0.5, training: bool = true): Tensor',
  body: (input: A, p: A, training: A) => {
    if (p < 0 || p > 1) throw new Error(`dropout probability has to be between 0 and 1, but got ${p}`);
    if (!training || p === 0 || input.numel === 0) return input;
    if (p === 1) return t.mul(input, t.zerosLike(input));
    const noise = t.bernoulli_(t.empty(h.featureDims(input), { dtype: input.dtype }), 1 - p);
    return t.mul(input, t.div_(noise, 1 - p));
  },
  method: false,
  onnx: { symbolic: 'dropout' },
});
export const alphaDropout = composite({
  doc: "Sets elements to SELU's negative saturation with probability p, then shifts and scales so that mean 0 and variance 1 stay; the input itself when not training.\nSource: https://arxiv.org/abs/1706.02515",
  schema: 'alphaDropout(input: Tensor, p: float = 0.5, training: bool = false): Tensor',
  body: (input: A, p: A, training: A) => {
    if (p < 0 || p > 1) throw new Error(`dropout probability has to be between 0 and 1, but got ${p}`);
    if (!training || p === 0 || input.numel === 0) return input;
    if (p === 1) return t.mul(input, t.zerosLike(input));
    return h.alphaDropped(input, t.bernoulli_(t.emptyLike(input), 1 - p), p);
  },
  method: false,
  onnx: { symbolic: 'dropout' },
});
export const featureAlphaDropout = composite({
  doc: '`alphaDropout` of whole feature maps input[n, c].\nSource: https://arxiv.org/abs/1706.02515',
  schema: 'featureAlphaDropout(input: Tensor, p: float = 0.5, training: bool = false): Tensor',
  body: (input: A, p: A, training: A) => {
    if (p < 0 || p > 1) throw new Error(`dropout probability has to be between 0 and 1, but got ${p}`);
    if (!training || p === 0 || input.numel === 0) return input;
    if (p === 1) return t.mul(input, t.zerosLike(input));
    const noise = t.bernoulli_(t.empty(h.featureDims(input), { dtype: input.dtype }), 1 - p);
    return h.alphaDropped(input, noise, p);
  },
  method: false,
  onnx: { symbolic: 'dropout' },
});
