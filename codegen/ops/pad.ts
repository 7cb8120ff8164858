// Padding: constant by a kernel, the other modes as maps of indices.
import { composite, extern, type Page } from '../model.js';
import { h, t } from '../tensor_lib.js';

/* eslint-disable @typescript-eslint/no-explicit-any -- bodies over ops are lowered, not run */
type A = any;

export const page: Page = {
  title: 'Padding',
  intro: `pad lists [before, after] of the last dimension first. Modes other than 'constant' are maps of indices.`,
  example: `const x = fb.tensor([[1, 2, 3]]);
F.pad(x, [1, 1]); // => tensor([[0., 1., 2., 3., 0.]])
F.pad(x, [1, 1], 'reflect'); // => tensor([[2., 1., 2., 3., 2.]])`,
};

export const constantPadNd = extern({
  doc: 'self with `value` around it. pad: [before, after] of the last dimension, then of the one before it, ...; negative numbers cut.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.pad.html',
  schema: 'constantPadNd(self: Tensor, pad: int[], value: Scalar = 0): Tensor',
  backward: { self: (grad: A, pad: A) => t.constantPadNd(grad, h.negatedDims(pad)) },
  method: false,
  onnx: { symbolic: 'constantPadNd' },
});
export const pad = composite({
  doc: "self padded. pad: [before, after] of the last dimension, then of the one before it, ...; negative numbers cut. mode: 'constant' (value: 0), 'reflect' (the border is not repeated), 'replicate' or 'circular', these for the last one to three dimensions.\nSource: https://pytorch.org/docs/stable/generated/torch.nn.functional.pad.html",
  schema: "pad(input: Tensor, pad: int[], mode: string = 'constant', value: float? = null): Tensor",
  body: (input: A, pad: A, mode: A, value: A) => {
    if (mode === 'constant') {
      if (value === null) return t.constantPadNd(input, pad);
      return t.constantPadNd(input, pad, value);
    }
    return h.padByIndex(input, pad, mode, value);
  },
  method: false,
  exports: ['nn.functional.pad'],
  onnx: { symbolic: 'region' },
});
